/* What is known of coupons: fresh for who asks, at a cost that does not depend on how many there are. */
#include "base/clock.h"
#include "harness.h"
#include "service/coupon_cache.h"
#include "service_suites.h"

#define MANY 1200 /* more than two pages */

static struct bench *b;
static struct coupon_cache *cache;

static void setup(void)
{
    b = bench_new();
    for (int i = 1; i <= MANY; i++)
        fake_coupon_add(b->store, 2 * i, 1000, 100);
    cache = coupon_cache_new(b->loop, b->store);
}

static void teardown(void)
{
    fake_store_close(b->store);
    coupon_cache_free(cache);
    bench_free(b);
}

struct seen {
    int times;
    bool there, failed;
    int64_t max_issuance;
};

static void on_coupon(void *arg, const struct coupon_row *row, const struct error *e)
{
    struct seen *s = arg;
    s->times++;
    s->there = row != NULL;
    s->failed = e->kind != ERROR_NONE;
    s->max_issuance = row ? row->max_issuance : -1;
}

static void on_all(void *arg, const struct error *e)
{
    struct seen *s = arg;
    s->times++;
    s->failed = e->kind != ERROR_NONE;
}

/* Ask for one coupon; its answer is there when this returns. */
static struct seen get(int64_t id)
{
    struct seen s = {0};
    coupon_cache_get(cache, id, on_coupon, &s);
    ck_assert_int_eq(s.times, 0);
    fake_loop_pass(b->loop, 10);
    ck_assert_int_eq(s.times, 1);
    return s;
}

static void check_order(size_t expected)
{
    size_t n;
    const struct coupon_row *rows = coupon_cache_all(cache, &n);
    ck_assert_uint_eq(n, expected);
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(rows[i - 1].id, rows[i].id);
}

START_TEST(all_are_read_page_by_page)
{
    size_t n;
    coupon_cache_all(cache, &n);
    ck_assert_uint_eq(n, 0); /* not some of them */
    fake_loop_pass(b->loop, 100);
    check_order(MANY);
    ck_assert_uint_eq(b->store->coupon_rows, MANY);
    ck_assert_uint_eq(fake_count(b->store, FAKE_COUPON_READ), 3);
}
END_TEST

START_TEST(a_request_costs_the_same_among_many)
{
    fake_loop_pass(b->loop, 100);
    b->store->coupon_rows = 0;
    for (int i = 0; i < 20; i++) { /* twenty seconds of requests and of decisions that change the count */
        fake_coupon_find(b->store, 10)->max_issuance++;
        fake_coupon_changed(b->store, 10);
        fake_loop_pass(b->loop, 990);
        ck_assert_int_eq(get(10).max_issuance, 1000 + i + 1);
    }
    ck_assert_uint_le(b->store->coupon_rows, 40);
}
END_TEST

START_TEST(who_asks_gets_what_is_at_most_a_second_old)
{
    fake_loop_pass(b->loop, 100);
    fake_coupon_find(b->store, 10)->max_issuance = 5; /* nobody tells */
    fake_loop_pass(b->loop, 1000);
    ck_assert_int_eq(get(10).max_issuance, 5);
    fake_coupon_find(b->store, 10)->max_issuance = 6;
    fake_loop_pass(b->loop, 1000);
    ck_assert_int_eq(get(10).max_issuance, 6);
    ck_assert_int_eq(get(12).max_issuance, 1000);
}
END_TEST

START_TEST(coupons_come_and_go)
{
    fake_loop_pass(b->loop, 100);
    ck_assert(!get(11).there);
    ck_assert(!get(0).there);
    ck_assert(!get(-5).there);
    fake_coupon_add(b->store, 11, 1000, 100); /* between two that are known */
    fake_coupon_add(b->store, 1, 1000, 100);  /* before all */
    fake_coupon_changed(b->store, 1);
    ck_assert(get(11).there);
    fake_loop_pass(b->loop, 100);
    check_order(MANY + 2);
    FAKE_REMOVE(&b->store->coupons, 4); /* 10: nobody tells */
    fake_loop_pass(b->loop, 1100);
    ck_assert(!get(10).there);
    check_order(MANY + 1);
    FAKE_REMOVE(&b->store->coupons, 0);
    fake_coupon_changed(b->store, 0); /* some notices were missed */
    fake_loop_pass(b->loop, 100);
    check_order(MANY);
}
END_TEST

/* Changes that nobody tells of and nobody asks for are found within the minute. */
START_TEST(all_are_read_again_each_minute)
{
    size_t n;
    fake_loop_pass(b->loop, 100);
    fake_coupon_find(b->store, 20)->max_issuance = 7;
    fake_loop_pass(b->loop, 62000);
    const struct coupon_row *rows = coupon_cache_all(cache, &n);
    ck_assert_int_eq(rows[9].id, 20);
    ck_assert_int_eq(rows[9].max_issuance, 7);
}
END_TEST

START_TEST(who_asks_for_all_waits_for_a_fresh_reading)
{
    struct seen first = {0}, second = {0};
    fake_loop_pass(b->loop, 2000);
    fake_coupon_find(b->store, 2 * MANY)->max_issuance = 9;
    coupon_cache_get_all(cache, on_all, &first);
    fake_loop_pass(b->loop, 10);
    ck_assert_int_eq(first.times, 1);
    size_t n, reads = fake_count(b->store, FAKE_COUPON_READ);
    const struct coupon_row *rows = coupon_cache_all(cache, &n);
    ck_assert_int_eq(rows[n - 1].max_issuance, 9);
    coupon_cache_get_all(cache, on_all, &second); /* what was read just now */
    ck_assert_int_eq(second.times, 0);
    fake_loop_pass(b->loop, 10);
    ck_assert_int_eq(second.times, 1);
    ck_assert_uint_eq(fake_count(b->store, FAKE_COUPON_READ), reads);
    fake_loop_pass(b->loop, 2000);
    first = (struct seen){0};
    fake_fail(b->store, FAKE_COUPON_READ, FAKE_RETRIABLE, 1);
    coupon_cache_get_all(cache, on_all, &first);
    fake_loop_pass(b->loop, 10);
    ck_assert(first.times == 1 && first.failed);
}
END_TEST

/* Of two thousand who ask for different coupons at once each gets his own, by one statement at a time. */
START_TEST(many_at_once_share_statements)
{
    static struct seen seen[2 * MANY + 1];
    fake_loop_pass(b->loop, 2000);
    size_t reads = fake_count(b->store, FAKE_COUPON_READ);
    memset(seen, 0, sizeof seen);
    fake_delay(b->store, FAKE_COUPON_READ, 5);
    for (int i = 0; i <= 2 * MANY; i++)
        coupon_cache_get(cache, i, on_coupon, &seen[i]);
    ck_assert_uint_eq(fake_running(b->store, FAKE_COUPON_READ), 1);
    fake_loop_pass(b->loop, 100);
    for (int i = 0; i <= 2 * MANY; i++)
        ck_assert(seen[i].times == 1 && seen[i].there == (i > 0 && i % 2 == 0) && !seen[i].failed);
    ck_assert_uint_le(fake_count(b->store, FAKE_COUPON_READ) - reads, 8);
}
END_TEST

/* A failure is told to who waits; what changed meanwhile is read when the database is back, though nobody asks. */
START_TEST(a_change_survives_a_failure)
{
    size_t n;
    fake_loop_pass(b->loop, 100);
    fake_fail(b->store, FAKE_COUPON_READ, FAKE_RETRIABLE, 3);
    fake_coupon_find(b->store, 10)->max_issuance = 3;
    fake_coupon_changed(b->store, 10);
    fake_loop_pass(b->loop, 1500);
    ck_assert(get(12).failed);
    fake_loop_pass(b->loop, 2000);
    ck_assert_int_eq(coupon_cache_all(cache, &n)[4].max_issuance, 3);
    ck_assert(get(12).there);
}
END_TEST

START_TEST(who_still_waits_at_the_end_is_dropped)
{
    static struct seen one, all;
    fake_fail(b->store, FAKE_COUPON_READ, FAKE_HELD, -1);
    fake_loop_pass(b->loop, 2000);
    coupon_cache_get(cache, 10, on_coupon, &one);
    coupon_cache_get_all(cache, on_all, &all);
    fake_loop_pass(b->loop, 2000);
}
END_TEST

Suite *coupon_cache_suite(void)
{
    Suite *s = suite_create("coupon_cache");
    TCase *tc = tcase_create("coupons");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, all_are_read_page_by_page);
    tcase_add_test(tc, a_request_costs_the_same_among_many);
    tcase_add_test(tc, who_asks_gets_what_is_at_most_a_second_old);
    tcase_add_test(tc, coupons_come_and_go);
    tcase_add_test(tc, all_are_read_again_each_minute);
    tcase_add_test(tc, who_asks_for_all_waits_for_a_fresh_reading);
    tcase_add_test(tc, many_at_once_share_statements);
    tcase_add_test(tc, a_change_survives_a_failure);
    tcase_add_test(tc, who_still_waits_at_the_end_is_dropped);
    suite_add_tcase(s, tc);
    return s;
}
