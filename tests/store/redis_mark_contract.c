/* The mark of whole data (store/redis_mark.h), and what waits for it. */
#include "contract.h"

#include <string.h>

#include "store/rebuild.h"

static void lose(int how)
{
    if (how == 0)
        contract_redis_lost();
    else
        contract_redis_restarted();
    ck_assert_int_eq(mark_now().state, REDIS_MARK_NONE);
    ck_assert_int_eq(mark_now().generation, 0);
}

static int told;

static void on_incomplete(void *arg)
{
    (*(int *)arg)++;
}

static void on_no_take(void *arg, const struct coupon_line_taken *t, const struct error *e)
{
    ck_assert(!t);
    on_answer(arg, e);
}

static void on_no_list(void *arg, const struct coupon_line_page *page, const struct error *e)
{
    ck_assert_uint_eq(page->n, 0);
    ck_assert_uint_eq(page->next, 0);
    on_answer(arg, e);
}

/* What must not happen before a rebuild has ended, each time told to whoever can start one. */
static void nothing_goes_on(void)
{
    struct added a = {0};
    int before = told;
    send_add(&a, COUPON, 77);
    await(&a.fired);
    ck_assert_str_eq(a.e.code, "NODATA");
    ck_assert_int_eq(a.e.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(told, ++before);
    struct answer t = {0}, l = {0};
    const struct coupon_line_take how = {.coupon_id = COUPON,
                                         .owner = "a",
                                         .window = WINDOW,
                                         .limit = 10,
                                         .lease_ms = LEASE_MS,
                                         .ttl_ms = TTL_MS};
    coupon_line_take(contract_store, &how, on_no_take, &t);
    await(&t.fired);
    ck_assert_str_eq(t.e.code, "NODATA");
    ck_assert_int_eq(t.e.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(told, ++before);
    coupon_line_list(contract_store, 0, on_no_list, &l);
    await(&l.fired);
    ck_assert_str_eq(l.e.code, "NODATA");
    ck_assert_int_eq(told, ++before);
    ck_assert(!standing_of(78).whole);
    ck_assert_int_eq(told, ++before);
}

/* Emptied, or another process that may have lost something. */
START_TEST(nothing_goes_on_before_the_mark)
{
    store_on_incomplete(contract_store, on_incomplete, &told);
    told = 0;
    ck_assert_int_eq(accepted(1).generation, mark_now().generation);
    ck_assert(standing_of(1).whole);
    int64_t before = mark_now().generation;
    lose(_i);
    contract_outside_add(COUPON, SLICE("5"), "3");
    nothing_goes_on();
    ck_assert_int_eq(mark_step(redis_mark_begin, 42).state, REDIS_MARK_NONE);
    nothing_goes_on();
    struct redis_mark m = mark_step(redis_mark_lines, 42);
    ck_assert_int_eq(m.state, REDIS_MARK_LINES);
    ck_assert_int_eq(m.generation, 42);
    ck_assert_int_ne(before, 42);
    ck_assert_int_eq(accepted(77).generation, 42);
    ck_assert(standing_of(78).whole);
    ck_assert_int_ge((int64_t)take("a", 0, WINDOW, 10)->t.n, 1);
    ck_assert_int_eq(mark_step(redis_mark_whole, 42).state, REDIS_MARK_WHOLE);
    store_on_incomplete(contract_store, NULL, NULL);
}
END_TEST

/* What is known already is answered in the meantime. */
START_TEST(results_are_shown_before_the_mark)
{
    int64_t at = accepted(1).requested_at_us;
    lose(_i);
    decided(1, at, true, 9);
    struct standing s = standing_of(1);
    ck_assert(s.has_result && s.success && !s.whole);
}
END_TEST

/* Emptied again in the middle of a rebuild: its end does not count. */
START_TEST(lost_in_the_middle_of_a_rebuild)
{
    contract_redis_lost();
    mark_step(redis_mark_begin, 42);
    contract_redis_lost();
    ck_assert_int_eq(mark_step(redis_mark_lines, 42).state, REDIS_MARK_NONE);
    ck_assert_int_eq(mark_now().state, REDIS_MARK_NONE);
    /* The same rebuild anew; a failed attempt before leaves nothing behind that would count. */
    mark_step(redis_mark_begin, 42);
    mark_step(redis_mark_begin, 42);
    ck_assert_int_eq(mark_step(redis_mark_lines, 42).generation, 42);
    /* The rest as well: the mark that it belongs to is gone. */
    contract_redis_lost();
    ck_assert_int_eq(mark_step(redis_mark_whole, 42).state, REDIS_MARK_NONE);
    mark_step(redis_mark_begin, 43);
    mark_step(redis_mark_lines, 43);
    ck_assert_int_eq(mark_step(redis_mark_whole, 42).state, REDIS_MARK_LINES);
    ck_assert_int_eq(mark_step(redis_mark_whole, 43).state, REDIS_MARK_WHOLE);
    /* Nobody marks who did not begin. */
    contract_redis_lost();
    ck_assert_int_eq(mark_step(redis_mark_lines, 44).state, REDIS_MARK_NONE);
}
END_TEST

/* Two nodes rebuild: the first to end marks, the other finds it marked, and what places were given in does not change. */
START_TEST(two_rebuild_at_once)
{
    lose(_i);
    ck_assert_int_eq(mark_step(redis_mark_begin, 1).state, REDIS_MARK_NONE);
    ck_assert_int_eq(mark_step(redis_mark_begin, 2).state, REDIS_MARK_NONE);
    ck_assert_int_eq(mark_step(redis_mark_lines, 2).generation, 2);
    struct redis_mark m = mark_step(redis_mark_lines, 1);
    ck_assert_int_eq(m.state, REDIS_MARK_LINES);
    ck_assert_int_eq(m.generation, 2);
    ck_assert_int_eq(accepted(1).generation, 2);
    /* Who comes later has nothing to do. */
    m = mark_step(redis_mark_begin, 3);
    ck_assert_int_eq(m.state, REDIS_MARK_LINES);
    ck_assert_int_eq(m.generation, 2);
    ck_assert_int_eq(mark_step(redis_mark_lines, 3).generation, 2);
    /* Both begin, Redis is emptied, one begins again and ends: the other's end changes nothing. */
    contract_redis_lost();
    mark_step(redis_mark_begin, 4);
    contract_redis_lost();
    mark_step(redis_mark_begin, 5);
    ck_assert_int_eq(mark_step(redis_mark_lines, 4).state, REDIS_MARK_NONE);
    ck_assert_int_eq(mark_step(redis_mark_lines, 5).generation, 5);
}
END_TEST

START_TEST(epochs_go_on_above_a_loss)
{
    accepted(1);
    int64_t epoch = take("a", 0, WINDOW, 10)->t.epoch;
    contract_pass(1100);
    contract_redis_lost();
    contract_rebuilt();
    accepted(2);
    ck_assert_int_gt(take("b", 0, WINDOW, 10)->t.epoch, epoch);
}
END_TEST

/* Is there a set of holders? Without one only PostgreSQL knows whether a refused user holds the coupon. */
START_TEST(refused_tells_whether_holders_are_known)
{
    struct added a[2] = {{0}};
    coupon_line_add(contract_store, COUPON, 1, false, 10, TTL_MS, on_added, &a[0]);
    AWAIT_OK(&a[0]);
    ck_assert_int_eq(a[0].t.answer, COUPON_LINE_REFUSED);
    ck_assert(!a[0].t.holders_known);
    const struct rebuild_holder row = {1, COUPON, 5};
    struct answer b = {0};
    coupon_line_restore_issued(contract_store, &row, 1, TTL_MS, on_answer, &b);
    AWAIT_OK(&b);
    coupon_line_add(contract_store, COUPON, 1, false, 10, TTL_MS, on_added, &a[1]);
    AWAIT_OK(&a[1]);
    ck_assert_int_eq(a[1].t.answer, COUPON_LINE_REFUSED);
    ck_assert(a[1].t.holders_known);
}
END_TEST

static void add_loops(Suite *s)
{
    TCase *t = tcase_create("loss");
    tcase_add_checked_fixture(t, contract_open, contract_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, nothing_goes_on_before_the_mark, 0, 2);
    tcase_add_loop_test(t, results_are_shown_before_the_mark, 0, 2);
    tcase_add_loop_test(t, two_rebuild_at_once, 0, 2);
    suite_add_tcase(s, t);
}

Suite *redis_mark_contract_suite(void)
{
    Suite *s = suite_create("mark");
    add_loops(s);
    add_case(s, "mark",
             (const TTest *const[]){lost_in_the_middle_of_a_rebuild, epochs_go_on_above_a_loss,
                                    refused_tells_whether_holders_are_known, NULL});
    return s;
}
