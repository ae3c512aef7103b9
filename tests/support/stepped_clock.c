/* Preloaded into a node (LD_PRELOAD): its date is that of the machine plus a step that a test may change while the node runs; no
 * other process sees it. RUSHD_TEST_CLOCK names a file of four bytes, the step in seconds (32 bits, least byte first). Monotonic
 * clocks are left alone, as by a real step.
 *
 * What waits until a date must see the step as well: the kernel would end an absolute wait by the stepped clock, so it is waited
 * in slices here until that clock gets there. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS 20000000

static const volatile int32_t *step;
static int (*real_gettime)(clockid_t id, struct timespec *ts);
static int (*real_timedwait)(cnd_t *c, mtx_t *m, const struct timespec *until);

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("RUSHD_TEST_CLOCK");
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    *(void **)&real_timedwait = dlsym(RTLD_NEXT, "cnd_timedwait");
    *(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (fd >= 0)
        close(fd);
    if (at == MAP_FAILED) /* a test without the step would prove nothing */
        abort();
    step = at;
}

static int unstepped(clockid_t id, struct timespec *ts)
{
    return real_gettime ? real_gettime(id, ts) : (int)syscall(SYS_clock_gettime, id, ts);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int status = unstepped(id, ts);
    if (status == 0 && step && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        ts->tv_sec += *step;
    return status;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec now;
    (void)tz;
    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec;
    tv->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *ts, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, ts) == 0 ? base : 0;
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until)
{
    for (;;) {
        struct timespec now, slice;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t left_ns = (int64_t)(until->tv_sec - now.tv_sec) * 1000000000 + (until->tv_nsec - now.tv_nsec);
        if (left_ns <= 0)
            return thrd_timedout;
        unstepped(CLOCK_REALTIME, &slice);
        slice.tv_nsec += left_ns < SLICE_NS ? left_ns : SLICE_NS;
        slice.tv_sec += slice.tv_nsec / 1000000000;
        slice.tv_nsec %= 1000000000;
        int status = real_timedwait(c, m, &slice);
        if (status != thrd_timedout)
            return status;
    }
}
