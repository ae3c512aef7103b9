/* The waits of librdkafka's threads end in time whatever the date does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <threads.h>

#include "kafka/kafka_internal.h"
#include "kafka_support.h"

static int64_t ahead_us;

static int64_t mono_us(void *self)
{
    struct timespec t;
    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t real_us(void *self)
{
    struct timespec t;
    (void)self;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + ahead_us;
}

/* The C library's would wait for an hour, or not at all. */
START_TEST(only_the_time_that_is_left_counts)
{
    static const struct clock_ops ops = {mono_us, real_us, NULL};
    static const int64_t steps[] = {3600000000, -3600000000, 0};
    cnd_t cond;
    mtx_t mutex;
    ck_assert_int_eq(cnd_init(&cond), thrd_success);
    ck_assert_int_eq(mtx_init(&mutex, mtx_plain), thrd_success);
    clock_use(&ops);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        ahead_us = steps[i];
        int64_t until_us = clock_real_us() + 100000, began_us = clock_mono_us();
        const struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        mtx_lock(&mutex);
        ck_assert_int_eq(cnd_timedwait(&cond, &mutex, &until), thrd_timedout);
        mtx_unlock(&mutex);
        int64_t took_us = clock_mono_us() - began_us;
        ck_assert_msg(took_us >= 99000 && took_us < 20000000, "waited %lld us", (long long)took_us);
    }
    clock_use(NULL);
    cnd_destroy(&cond);
    mtx_destroy(&mutex);
}
END_TEST

START_TEST(librdkafka_waits_by_ours)
{
    Dl_info ours, theirs;
    void *found = dlsym(RTLD_DEFAULT, "cnd_timedwait");
    ck_assert(kafka_waits_monotonic());
    ck_assert_ptr_nonnull(found);
    ck_assert(dladdr(found, &theirs) != 0);
    ck_assert(dladdr(__extension__(void *) kafka_waits_monotonic, &ours) != 0);
    ck_assert_ptr_eq(theirs.dli_fbase, ours.dli_fbase);
}
END_TEST

Suite *wait_suite(void)
{
    Suite *s = suite_create("wait");
    TCase *tc = tcase_create("wait");
    tcase_add_test(tc, only_the_time_that_is_left_counts);
    tcase_add_test(tc, librdkafka_waits_by_ours);
    suite_add_tcase(s, tc);
    return s;
}
