/* Redis that was emptied or came back without its last writes (service/recovery.h). */
#include "coupon_harness.h"
#include "service/recovery.h"
#include "service_suites.h"
#include "store/coupon_line.h"

#define USERS 1200 /* more than a page */

static struct bench *b;
static struct recovery *first, *second;
static int changes;

static const struct rebuild_config cfg = {
    .coupon_ttl_ms = INT64_C(90000000), .issued_ttl_ms = INT64_C(90000000), .retention_days = 4};

static void on_state(void *arg)
{
    changes++;
}

static void setup(void)
{
    b = bench_new();
    fake_coupon_add(b->store, 1, 10000, 100);
    fake_coupon_add(b->store, 2, 10000, 100);
    changes = 0;
    first = recovery_new(b->loop, b->store, &cfg, on_state, NULL);
    second = recovery_new(b->loop, b->store, &cfg, NULL, NULL);
}

static void teardown(void)
{
    fake_store_close(b->store);
    fake_loop_settle(b->loop);
    recovery_free(first);
    recovery_free(second);
    bench_free(b);
}

static void waiting(int64_t coupon_id, int64_t user_id, int64_t ticket)
{
    *FAKE_ADD(&b->store->requests) = (struct fake_request){
        .coupon_id = coupon_id, .user_id = user_id, .requested_at_us = 1000000 + ticket, .ticket = ticket};
}

static void fill(void)
{
    for (int i = 1; i <= USERS; i++) {
        waiting(1, i, i);
        fake_user_coupon_add(b->store, i, 2, i);
    }
}

static void is_back(void)
{
    ck_assert_int_eq(recovery_state(first), REDIS_MARK_WHOLE);
    ck_assert(!recovery_running(first));
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), USERS);
    ck_assert(fake_line_issued(b->store, 2, 1) && fake_line_issued(b->store, 2, USERS));
}

struct seen {
    bool fired;
    int64_t ticket;
    struct error e;
};

static void on_added(void *arg, const struct coupon_line_ticket *t, const struct error *e)
{
    struct seen *s = arg;
    s->fired = true;
    s->ticket = t ? t->ticket : 0;
    if (e)
        s->e = *e;
}

/* The ticket of a user who asks now; 0: refused because Redis is not whole. */
static int64_t ask(int64_t user_id)
{
    struct seen s = {0};
    coupon_line_add(b->store, 1, user_id, true, 1000000, 90000000, on_added, &s);
    fake_loop_settle(b->loop);
    ck_assert(s.fired);
    ck_assert(s.ticket || strcmp(s.e.code, "NODATA") == 0);
    return s.ticket;
}

START_TEST(a_whole_redis_is_left_alone)
{
    fill();
    recovery_look(first);
    fake_loop_pass(b->loop, 100);
    ck_assert_int_eq(recovery_state(first),
                     REDIS_MARK_WHOLE); /* after the rest, which is not known of a new fake */
    ck_assert_uint_eq(fake_count(b->store, FAKE_REBUILD_READ), 0);
    ck_assert_uint_eq(fake_count(b->store, FAKE_REBUILD_SALES), 1);
    recovery_look(first);
    fake_loop_pass(b->loop, 100);
    ck_assert_uint_eq(fake_count(b->store, FAKE_REBUILD_SALES), 1);
}
END_TEST

START_TEST(an_empty_redis_without_history_is_whole_at_once)
{
    fake_redis_lost(b->store);
    recovery_look(first);
    fake_loop_pass(b->loop, 5);
    ck_assert_int_eq(recovery_state(first), REDIS_MARK_WHOLE);
    ck_assert_int_eq(changes, 2);
    ck_assert_int_eq(ask(1), 1);
}
END_TEST

/* Lines and holders, then the mark, then the rest: nobody is accepted before the mark, everybody behind those who waited. */
START_TEST(everything_comes_back_before_anybody_is_accepted)
{
    fill();
    fake_redis_lost(b->store);
    fake_delay(b->store, FAKE_REBUILD_READ, 10);
    fake_delay(b->store, FAKE_REBUILD_SALES, 1000);
    recovery_look(first);
    for (int i = 0; i < 50 && recovery_state(first) == REDIS_MARK_NONE; i++) {
        ck_assert_int_eq(ask(5000), 0);
        fake_loop_pass(b->loop, 5);
    }
    ck_assert_int_eq(recovery_state(first), REDIS_MARK_LINES);
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), USERS);
    ck_assert(fake_line_issued(b->store, 2, USERS));
    ck_assert_int_eq(ask(5000), USERS + 1);
    ck_assert(recovery_running(first));
    fake_loop_pass(b->loop, 2000);
    ck_assert_int_eq(recovery_state(first), REDIS_MARK_WHOLE);
}
END_TEST

/* It lost nothing, or the last writes: counters that stand are raised, members that are there stay. */
START_TEST(another_process_is_looked_through)
{
    ck_assert_int_eq(ask(1), 1);
    waiting(1, 2, 7);
    b->store->requests.at[0].decided = true;
    waiting(1, 3, 5);
    fake_redis_restarted(b->store);
    ck_assert_int_eq(ask(9), 0);
    recovery_look(first);
    fake_loop_pass(b->loop, 100);
    ck_assert_int_eq(recovery_state(first), REDIS_MARK_WHOLE);
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 2);
    ck_assert_int_eq(ask(9), 8);
}
END_TEST

START_TEST(emptied_in_the_middle_begins_anew)
{
    fill();
    fake_redis_lost(b->store);
    fake_delay(b->store, FAKE_REBUILD_READ, 10);
    for (int moment = 0; moment < 100; moment += 3) {
        recovery_look(first);
        fake_loop_pass(b->loop, moment);
        fake_redis_lost(b->store);
        recovery_doubt(first);
        ck_assert_int_eq(ask(5000), 0);
        recovery_look(first);
        fake_loop_pass(b->loop, 1000);
        is_back();
        fake_redis_lost(b->store);
    }
}
END_TEST

/* Nobody tells: the mark itself says that Redis was emptied while it was rebuilt. */
START_TEST(lost_while_marking_begins_anew)
{
    size_t unnoticed = 0, marking = 0;
    fill();
    fake_redis_lost(b->store);
    fake_delay(b->store, FAKE_REBUILD_READ, 10);
    fake_delay(b->store, FAKE_REBUILD_SALES, 10);
    fake_delay(b->store, FAKE_REDIS_MARK, 10);
    for (int moment = 0; moment < 150; moment++) {
        recovery_doubt(first);
        recovery_look(first);
        fake_loop_pass(b->loop, moment);
        bool running = recovery_running(first);
        marking += running && fake_line_waiting(b->store, 1) == USERS;
        unnoticed += !running;
        fake_redis_lost(b->store);
        fake_loop_pass(b->loop, 1000);
        if (running)
            is_back();
        fake_redis_lost(b->store);
    }
    ck_assert_uint_gt(marking, 0);
    ck_assert_uint_gt(unnoticed, 0); /* the moments reach beyond the end */
}
END_TEST

START_TEST(two_nodes_at_once)
{
    fill();
    fake_redis_lost(b->store);
    fake_delay(b->store, FAKE_REBUILD_READ, 10);
    recovery_look(first);
    fake_loop_pass(b->loop, 25);
    recovery_look(second);
    while (recovery_state(first) == REDIS_MARK_NONE)
        fake_loop_pass(b->loop, 1);
    ck_assert_int_eq(recovery_state(second), REDIS_MARK_NONE);
    ck_assert_int_eq(ask(5000), USERS + 1);
    fake_loop_pass(b->loop, 1000);
    ck_assert_int_eq(recovery_state(first), REDIS_MARK_WHOLE);
    ck_assert_int_eq(recovery_state(second), REDIS_MARK_WHOLE);
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), USERS + 1);
}
END_TEST

/* Every step may fail; a second later the attempt begins anew, and sooner it does not. */
START_TEST(failures_are_tried_again)
{
    static const enum fake_call calls[] = {FAKE_REDIS_MARK, FAKE_REBUILD_READ, FAKE_LINE_RESTORE,
                                           FAKE_COUPON_READ, FAKE_REBUILD_SALES};
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_UNKNOWN_LOST, FAKE_UNKNOWN_DONE};
    fill();
    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
            fake_redis_lost(b->store);
            recovery_doubt(first);
            fake_fail(b->store, calls[c], outcomes[i], -1);
            recovery_look(first);
            fake_loop_pass(b->loop, 100);
            ck_assert(!recovery_running(first));
            ck_assert_int_ne(recovery_state(first), REDIS_MARK_WHOLE);
            size_t before = fake_count(b->store, FAKE_REDIS_MARK);
            recovery_look(first);
            fake_loop_pass(b->loop, 100);
            ck_assert_uint_eq(fake_count(b->store, FAKE_REDIS_MARK), before);
            fake_fail(b->store, calls[c], FAKE_OK, 0);
            fake_loop_pass(b->loop, 900);
            recovery_look(first);
            fake_loop_pass(b->loop, 100);
            is_back();
        }
    }
}
END_TEST

START_TEST(freed_in_the_middle)
{
    fill();
    fake_redis_lost(b->store);
    fake_fail(b->store, FAKE_REBUILD_READ, FAKE_HELD, -1);
    recovery_look(first);
    fake_loop_pass(b->loop, 10);
    recovery_look(first);
    recovery_look(second);
}
END_TEST

Suite *recovery_suite(void)
{
    Suite *s = suite_create("recovery");
    TCase *t = tcase_create("recovery");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_whole_redis_is_left_alone);
    tcase_add_test(t, an_empty_redis_without_history_is_whole_at_once);
    tcase_add_test(t, everything_comes_back_before_anybody_is_accepted);
    tcase_add_test(t, another_process_is_looked_through);
    tcase_add_test(t, emptied_in_the_middle_begins_anew);
    tcase_add_test(t, lost_while_marking_begins_anew);
    tcase_add_test(t, two_nodes_at_once);
    tcase_add_test(t, failures_are_tried_again);
    tcase_add_test(t, freed_in_the_middle);
    suite_add_tcase(s, t);
    return s;
}
