/* Timers: never early, periods keep their rhythm, freeing inside the own callback. */
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "loop_suites.h"

static struct loop *l;

static void setup(void)
{
    l = loop_new();
}

static void teardown(void)
{
    loop_free(l);
    metric_reset();
}

struct probe {
    struct loop_timer *timer;
    int64_t due_us, earliest_us; /* smallest (fired - due) */
    int fired;
    bool stop;
};

static void on_probe(void *arg)
{
    struct probe *p = arg;
    int64_t late_us = clock_mono_us() - p->due_us;
    if (p->fired == 0 || late_us < p->earliest_us)
        p->earliest_us = late_us;
    p->fired++;
    if (p->stop)
        loop_timer_stop(p->timer);
}

static bool fired_once(void *arg)
{
    return ((struct probe *)arg)->fired > 0;
}

START_TEST(timer_is_never_early)
{
    for (int i = 0; i < 20; i++) {
        struct probe p = {0};
        p.timer = loop_timer_new(l, on_probe, &p);
        ck_assert(!loop_timer_running(p.timer));
        p.due_us = clock_mono_us() + 3000;
        loop_timer_start(p.timer, 3);
        ck_assert(loop_timer_running(p.timer));
        ck_assert(loop_run_until(l, fired_once, &p, 1000));
        ck_assert(!loop_timer_running(p.timer));
        ck_assert_int_ge(p.earliest_us, 0);
        loop_timer_free(p.timer);
    }
}
END_TEST

struct chain {
    struct probe second;
};

static void on_first(void *arg)
{
    struct chain *c = arg;
    usleep(30000); /* libevent's cached time is now 30 ms old */
    c->second.due_us = clock_mono_us() + 20000;
    loop_timer_start(c->second.timer, 20);
}

START_TEST(timer_started_late_in_a_turn_is_not_early)
{
    struct chain c = {0};
    c.second.timer = loop_timer_new(l, on_probe, &c.second);
    struct loop_timer *first = loop_timer_new(l, on_first, &c);
    loop_timer_start(first, 0);
    ck_assert(loop_run_until(l, fired_once, &c.second, 1000));
    ck_assert_int_ge(c.second.earliest_us, 0);
    loop_timer_free(first);
    loop_timer_free(c.second.timer);
}
END_TEST

static bool fired_five_times(void *arg)
{
    return ((struct probe *)arg)->fired >= 5;
}

START_TEST(period_keeps_its_rhythm)
{
    struct probe p = {0};
    int64_t start_us = clock_mono_us();
    p.timer = loop_timer_new(l, on_probe, &p);
    p.due_us = start_us;
    loop_timer_every(p.timer, 10);
    ck_assert(loop_run_until(l, fired_five_times, &p, 2000));
    ck_assert_int_ge(clock_mono_us() - start_us, 50000);
    ck_assert(loop_timer_running(p.timer));
    loop_timer_free(p.timer);
}
END_TEST

START_TEST(stopped_and_restarted)
{
    struct probe p = {.stop = true};
    p.timer = loop_timer_new(l, on_probe, &p);
    loop_timer_start(p.timer, 1);
    loop_timer_stop(p.timer);
    loop_timer_stop(p.timer);
    ck_assert(!loop_run_until(l, fired_once, &p, 20));
    loop_timer_start(p.timer, 60000);
    loop_timer_start(p.timer, 1); /* replaces the deadline */
    ck_assert(loop_run_until(l, fired_once, &p, 1000));
    p.fired = 0;
    loop_timer_every(p.timer, 1); /* stops itself */
    ck_assert(!loop_run_until(l, fired_five_times, &p, 30));
    ck_assert_int_eq(p.fired, 1);
    loop_timer_free(p.timer);
    loop_timer_free(NULL);
}
END_TEST

static void on_free_itself(void *arg)
{
    struct probe *p = arg;
    p->fired++;
    loop_timer_free(p->timer);
}

START_TEST(freed_inside_its_own_callback)
{
    struct probe once = {0}, every = {0};
    once.timer = loop_timer_new(l, on_free_itself, &once);
    every.timer = loop_timer_new(l, on_free_itself, &every);
    loop_timer_start(once.timer, 1);
    loop_timer_every(every.timer, 1);
    ck_assert(loop_run_until(l, fired_once, &once, 1000));
    ck_assert(loop_run_until(l, fired_once, &every, 1000));
    ck_assert(!loop_run_until(l, fired_five_times, &every, 10));
    ck_assert_int_eq(every.fired, 1);
}
END_TEST

Suite *timer_suite(void)
{
    Suite *s = suite_create("timer");
    TCase *c = tcase_create("timers");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, timer_is_never_early);
    tcase_add_test(c, timer_started_late_in_a_turn_is_not_early);
    tcase_add_test(c, period_keeps_its_rhythm);
    tcase_add_test(c, stopped_and_restarted);
    tcase_add_test(c, freed_inside_its_own_callback);
    suite_add_tcase(s, c);
    return s;
}
