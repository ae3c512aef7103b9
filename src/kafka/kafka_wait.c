/* The waits of librdkafka's threads, by the monotonic clock.
 *
 * The library computes each end of a wait as a date (timespec_get(), cnd_timedwait()). When the machine's clock is put back by an
 * hour, a thread that waits for the next heartbeat or commit sleeps an hour longer, and the group loses its member (librdkafka
 * issue 2145; every version so far). So the program brings its own cnd_timedwait(), which the dynamic linker prefers to that of
 * the C library: it takes the time that is left when the wait begins, and from then on no date counts.
 *
 * Only where the C library's condition variable is its pthread_cond_t under another name, as in glibc's cnd_timedwait(). */
#define _GNU_SOURCE
#include "kafka/kafka_internal.h"

#include <errno.h>

#if defined __GLIBC__ && __GLIBC_PREREQ(2, 34)

#include <pthread.h>
#include <threads.h>

__attribute__((visibility("default"))) int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex,
                                                         const struct timespec *restrict until)
{
    int64_t left_us = (int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000 + 1 - clock_real_us();
    int64_t end_us = clock_mono_us() + (left_us > 0 ? left_us : 0);
    const struct timespec end = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
    switch (pthread_cond_clockwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, CLOCK_MONOTONIC, &end)) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}

bool kafka_waits_monotonic(void)
{
    return true;
}

#else

bool kafka_waits_monotonic(void)
{
    return false;
}

#endif
