/* Notifications and advisory locks on a real server. */
#include <stdio.h>
#include <stdlib.h>

#include "pg_service.h"

struct listening {
    int gaps, notes;
    char last[128];
    struct pg_listener *listener;
    bool free_at_gap;
};

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct listening *x = arg;
    x->notes++;
    snprintf(x->last, sizeof(x->last), "%s:%s", channel, payload);
}

static void on_gap(void *arg)
{
    struct listening *x = arg;
    x->gaps++;
    if (x->free_at_gap) {
        pg_listener_free(x->listener);
        x->listener = NULL;
    }
}

static bool has_gap(void *arg)
{
    return ((struct listening *)arg)->gaps > 0;
}

static bool has_note(void *arg)
{
    return ((struct listening *)arg)->notes > 0;
}

static void terminate_all(void)
{
    direct("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rushd test'");
}

static const char *const channels[] = {"orders", "odd \"name\"", NULL};

START_TEST(notifications_and_gaps)
{
    struct listening x = {0};
    x.listener = pg_listener_new(pool, channels, on_notify, on_gap, &x);
    ck_assert_int_eq(x.gaps, 0);
    ck_assert(loop_run_until(loop, has_gap, &x, 3000));
    direct("NOTIFY orders, 'first'");
    ck_assert(loop_run_until(loop, has_note, &x, 3000));
    ck_assert_str_eq(x.last, "orders:first");
    x.notes = 0;
    direct("NOTIFY \"odd \"\"name\"\"\", ''");
    ck_assert(loop_run_until(loop, has_note, &x, 3000));
    ck_assert_str_eq(x.last, "odd \"name\":");
    x.gaps = x.notes = 0;
    terminate_all();
    direct("NOTIFY orders, 'missed'");
    ck_assert(loop_run_until(loop, has_gap, &x, 5000)); /* what was missed must be read anew */
    x.notes = 0;                                        /* the session may have heard it before it ended */
    direct("NOTIFY orders, 'after'");
    ck_assert(loop_run_until(loop, has_note, &x, 3000));
    ck_assert_str_eq(x.last, "orders:after");
    spin(1200); /* over a tick */
    ck_assert_int_eq(x.gaps, 1);
    pg_listener_free(x.listener);
    pg_listener_free(NULL);
}
END_TEST

START_TEST(listener_freed_inside_its_callback)
{
    struct listening x = {.free_at_gap = true};
    x.listener = pg_listener_new(pool, channels, on_notify, on_gap, &x);
    ck_assert(loop_run_until(loop, has_gap, &x, 3000));
    ck_assert_ptr_null(x.listener);
    spin(50);
}
END_TEST

struct holding {
    bool held;
    int changes;
    struct pg_lock *lock;
};

static void on_change(void *arg, bool held)
{
    struct holding *x = arg;
    x->held = held;
    x->changes++;
}

static bool holds(void *arg)
{
    return ((struct holding *)arg)->held;
}

static bool holds_not(void *arg)
{
    return !((struct holding *)arg)->held;
}

START_TEST(lock_is_handed_over)
{
    struct holding a = {0}, b = {0};
    a.lock = pg_lock_new(pool, INT64_C(-7777777777), on_change, &a);
    ck_assert(loop_run_until(loop, holds, &a, 3000));
    ck_assert(pg_lock_held(a.lock));
    b.lock = pg_lock_new(pool, INT64_C(-7777777777), on_change, &b);
    spin(1300);
    ck_assert(!b.held);
    ck_assert_int_eq(b.changes, 0);
    pg_lock_free(a.lock);
    ck_assert(loop_run_until(loop, holds, &b, 3000));
    ck_assert_str_eq(direct("SELECT pg_try_advisory_lock(-7777777777)"), "f");
    pg_lock_free(b.lock);
    pg_lock_free(NULL);
}
END_TEST

START_TEST(lock_is_lost_with_its_session_and_taken_again)
{
    struct holding a = {0};
    a.lock = pg_lock_new(pool, 42, on_change, &a);
    ck_assert(loop_run_until(loop, holds, &a, 3000));
    terminate_all();
    ck_assert(loop_run_until(loop, holds_not, &a, 3000));
    ck_assert(loop_run_until(loop, holds, &a, 5000));
    ck_assert_int_eq(a.changes, 3);
    pg_lock_free(a.lock);
}
END_TEST

START_TEST(holder_of_a_silent_server_lets_go)
{
    struct pg_proxy *p = pool_through_proxy();
    struct holding a = {0};
    a.lock = pg_lock_new(pool, 42, on_change, &a);
    ck_assert(loop_run_until(loop, holds, &a, 3000));
    pg_proxy_freeze(p, true);
    ck_assert(loop_run_until(loop, holds_not, &a, 6000));
    pg_lock_free(a.lock);
    pg_proxy_free(p);
}
END_TEST

Suite *pg_session_suite(void)
{
    Suite *s = suite_create("pg sessions");
    TCase *c = tcase_create("sessions");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, service_setup, service_teardown);
    tcase_add_test(c, notifications_and_gaps);
    tcase_add_test(c, listener_freed_inside_its_callback);
    tcase_add_test(c, lock_is_handed_over);
    tcase_add_test(c, lock_is_lost_with_its_session_and_taken_again);
    tcase_add_test(c, holder_of_a_silent_server_lets_go);
    suite_add_tcase(s, c);
    return s;
}
