/* What ranking.h promises, on Redis and on the fake alike. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "msg/msg_date.h"

#define TOPIC     "product-ranking-topic"
#define DAY_US    INT64_C(86400000000)
#define RETENTION 4

static int64_t today;

static void open_today(void)
{
    contract_open();
    today = msg_date_day_of(contract_now_us());
}

/* The middle of a local day, days before or after today. */
static int64_t noon(int days)
{
    return msg_date_day_start(today + days) + DAY_US / 2;
}

struct applied {
    bool fired;
    int64_t counted;
    struct error e;
};

static void on_applied(void *arg, int64_t counted, const struct error *e)
{
    struct applied *a = arg;
    ck_assert(!a->fired);
    a->fired = true;
    a->counted = counted;
    if (e)
        a->e = *e;
}

static int64_t apply_to(int32_t partition, int64_t next_offset, const struct ranking_sale *sales, size_t n)
{
    struct applied a = {0};
    ranking_apply(contract_store, TOPIC, partition, next_offset, sales, n, noon(0), RETENTION, on_applied,
                  &a);
    ck_assert(!a.fired);
    AWAIT_OK(&a);
    return a.counted;
}

static int64_t apply(const struct ranking_sale *sales, size_t n)
{
    return apply_to(0, -1, sales, n);
}

struct offset {
    bool fired;
    int64_t at;
};

static void on_offset(void *arg, int64_t offset, const struct error *e)
{
    ck_assert(!e);
    *(struct offset *)arg = (struct offset){true, offset};
}

static int64_t offset_of(int32_t partition)
{
    struct offset o = {0};
    ranking_offset(contract_store, TOPIC, partition, on_offset, &o);
    ck_assert(!o.fired);
    await(&o.fired);
    return o.at;
}

#define TOP_MOST 400
struct top {
    bool fired;
    struct ranking_entry at[TOP_MOST];
    size_t n;
};

static void on_top(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e)
{
    struct top *t = arg;
    ck_assert(!e && !t->fired);
    ck_assert_uint_le(n, TOP_MOST);
    t->fired = true;
    t->n = n;
    if (n)
        memcpy(t->at, entries, n * sizeof *entries);
}

static const struct top *top(int day, int days, size_t limit)
{
    static struct top t;
    t = (struct top){0};
    ranking_top(contract_store, noon(day), days, limit, on_top, &t);
    ck_assert(!t.fired);
    await(&t.fired);
    return &t;
}

static int64_t sold(int day, int days, int64_t product)
{
    const struct top *t = top(day, days, TOP_MOST);
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i].product_id == product)
            return t->at[i].quantity;
    return 0;
}

START_TEST(each_sale_counts_once)
{
    const struct ranking_sale s[] = {
        {1, 100, 1000, 2, noon(0)}, {2, 100, 1001, 1, noon(0)}, {1, 101, 1002, 5, noon(0)}};
    ck_assert_int_eq(apply(s, 3), 3);
    ck_assert_int_eq(apply(s, 3), 0);
    ck_assert_int_eq(apply(s + 1, 2), 0);
    const struct ranking_sale mixed[] = {s[2], {2, 103, 1003, 4, noon(0)}, s[0], {2, 103, 1003, 4, noon(0)}};
    ck_assert_int_eq(apply(mixed, 4), 1);
    ck_assert_int_eq(sold(0, 1, 1), 7);
    ck_assert_int_eq(sold(0, 1, 2), 5);
    ck_assert_int_eq(sold(0, 3, 1), 7);
    ck_assert_int_eq(sold(0, 3, 2), 5);
}
END_TEST

START_TEST(events_without_item_id)
{
    const struct ranking_sale s[] = {
        {1, 100, 0, 2, noon(0)}, {2, 100, 0, 1, noon(0)}, {1, 101, 0, 3, noon(0)}, {1, 100, 7, 10, noon(0)}};
    ck_assert_int_eq(apply(s, 4), 4);
    ck_assert_int_eq(apply(s, 4), 0);
    ck_assert_int_eq(sold(0, 3, 1), 15);
    ck_assert_int_eq(sold(0, 3, 2), 1);
}
END_TEST

START_TEST(days_begin_in_seoul)
{
    int64_t midnight = msg_date_day_start(today);
    ck_assert_int_eq(midnight % DAY_US, INT64_C(15) * 3600 * 1000000);
    const struct ranking_sale s[] = {{1, 1, 1, 1, midnight - 1}, {1, 2, 2, 10, midnight}};
    ck_assert_int_eq(apply(s, 2), 2);
    ck_assert_int_eq(sold(-1, 1, 1), 1);
    ck_assert_int_eq(sold(0, 1, 1), 10);
    ck_assert_int_eq(sold(0, 3, 1), 11);
    ck_assert_int_eq(sold(-1, 3, 1), 1);
}
END_TEST

START_TEST(three_days_and_unions)
{
    for (int d = -3; d <= 0; d++) {
        int64_t q = d == -3 ? 1000 : d == -2 ? 100 : d == -1 ? 10 : 1;
        const struct ranking_sale s = {5, 50 - d, 500 - d, q, noon(d)};
        ck_assert_int_eq(apply(&s, 1), 1);
    }
    ck_assert_int_eq(sold(0, 1, 5), 1);
    ck_assert_int_eq(sold(0, 2, 5), 11);
    ck_assert_int_eq(sold(0, 3, 5), 111);
    ck_assert_int_eq(sold(0, 4, 5), 1111);
    ck_assert_int_eq(sold(-1, 3, 5), 1110);
    ck_assert_int_eq(sold(1, 3, 5), 11); /* tomorrow, when nothing is sold */
    ck_assert_int_eq(sold(2, 3, 5), 1);
    ck_assert_int_eq(sold(3, 3, 5), 0);
}
END_TEST

START_TEST(old_and_future_events_are_ignored)
{
    const struct ranking_sale s[] = {{1, 1, 1, 1, noon(-RETENTION)},
                                     {1, 2, 2, 1, noon(-RETENTION - 300)},
                                     {1, 3, 3, 1, noon(2)},
                                     {1, 4, 4, 1, noon(5000)},
                                     {1, 5, 5, 1, 0},
                                     {1, 6, 6, 1, -DAY_US * 400}};
    ck_assert_int_eq(apply_to(3, 17, s, ARRAY_LEN(s)), 0);
    ck_assert_int_eq(offset_of(3), 17); /* handled all the same */
    const struct ranking_sale kept[] = {{1, 7, 7, 1, noon(-RETENTION + 1)}, {1, 8, 8, 1, noon(1)}};
    ck_assert_int_eq(apply(kept, 2), 2);
}
END_TEST

START_TEST(big_ids)
{
    const int64_t big = INT64_C(1) << 62;
    const struct ranking_sale s[] = {{big, big + 1, big + 2, 3, noon(0)},
                                     {big, big + 1, big + 3, 4, noon(0)},
                                     {big, INT64_MAX, 0, 5, noon(0)},
                                     {INT64_MAX, INT64_MAX, INT64_MAX, 1, noon(0)}};
    ck_assert_int_eq(apply(s, 4), 4);
    ck_assert_int_eq(apply(s, 4), 0);
    const struct top *t = top(0, 3, 5);
    ck_assert_uint_eq(t->n, 2);
    ck_assert_int_eq(t->at[0].product_id, big);
    ck_assert_int_eq(t->at[0].quantity, 12);
    ck_assert_int_eq(t->at[1].product_id, INT64_MAX);
}
END_TEST

START_TEST(offsets_only_forward)
{
    ck_assert_int_eq(offset_of(0), -1);
    apply_to(0, 10, NULL, 0);
    ck_assert_int_eq(offset_of(0), 10);
    apply_to(0, 9, NULL, 0);
    apply_to(0, -1, NULL, 0);
    ck_assert_int_eq(offset_of(0), 10);
    apply_to(1, 5, NULL, 0);
    apply_to(0, INT64_C(1) << 50, NULL, 0);
    ck_assert_int_eq(offset_of(0), INT64_C(1) << 50);
    ck_assert_int_eq(offset_of(1), 5);
    contract_redis_lost();
    ck_assert_int_eq(offset_of(0), -1);
}
END_TEST

START_TEST(ties_go_to_the_smaller_id)
{
    struct ranking_sale s[300];
    for (int i = 0; i < 300; i++) /* 101 .. 400: the first hundred 9, the others 4 */
        s[i] = (struct ranking_sale){101 + i, i + 1, i + 1, i < 100 ? 9 : 4, noon(0)};
    ck_assert_int_eq(apply(s, 300), 300);
    for (int days = 1; days <= 3; days += 2) {
        const struct top *t = top(0, days, 5);
        ck_assert_uint_eq(t->n, 5);
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(t->at[i].product_id, 101 + i);
        t = top(0, days, 150);
        ck_assert_uint_eq(t->n, 150);
        for (int i = 0; i < 150; i++) {
            ck_assert_int_eq(t->at[i].product_id, 101 + i);
            ck_assert_int_eq(t->at[i].quantity, i < 100 ? 9 : 4);
        }
    }
    ck_assert_uint_eq(top(0, 3, TOP_MOST)->n, 300);
}
END_TEST

START_TEST(returned_goods)
{
    const struct ranking_sale s[] = {
        {1, 1, 1, 5, noon(0)}, {1, 2, 2, -5, noon(0)}, {2, 3, 3, -1, noon(0)}, {3, 4, 4, 1, noon(0)}};
    ck_assert_int_eq(apply(s, 4), 4);
    const struct top *t = top(0, 3, 5);
    ck_assert_uint_eq(t->n, 1);
    ck_assert_int_eq(t->at[0].product_id, 3);
}
END_TEST

/* A topic that is delivered in pieces, again from 0, and out of order, counts like once in one piece. */
#define SALES    2600
#define PRODUCTS 20

static uint64_t seed;

static uint64_t draw(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % bound;
}

START_TEST(delivered_again_and_out_of_order)
{
    static struct ranking_sale s[SALES];
    int64_t want[PRODUCTS + 1][3] = {{0}}, total = 0;
    seed = 42;
    for (int i = 0; i < SALES; i++) {
        int day = -(int)draw(3);
        s[i] = (struct ranking_sale){1 + (int64_t)draw(PRODUCTS), 1 + i, draw(4) ? 60000 + i * 7 : 0,
                                     1 + (int64_t)draw(9), noon(day) + i};
        want[s[i].product_id][-day] += s[i].quantity;
    }
    for (size_t at = 0; at < SALES;) { /* in order, the last part of each batch again with the next */
        size_t n = 1 + (size_t)draw(700);
        n = n < SALES - at ? n : SALES - at;
        total += apply_to(0, (int64_t)(at + n), s + at, n);
        at += n < 10 || at + n == SALES ? n : n - (size_t)draw(n);
    }
    ck_assert_int_eq(total, SALES);
    for (int i = 0; i < 12; i++) {
        size_t at = (size_t)draw(SALES);
        total += apply(s + at, (size_t)draw(SALES - at));
    }
    for (int i = 0; i < SALES; i++) {
        size_t k = (size_t)draw(SALES);
        struct ranking_sale other = s[k];
        s[k] = s[i];
        s[i] = other;
    }
    total += apply_to(0, 0, s, SALES);
    ck_assert_int_eq(total, SALES);
    ck_assert_int_eq(offset_of(0), SALES);
    for (int64_t p = 1; p <= PRODUCTS; p++) {
        for (int d = 0; d < 3; d++)
            ck_assert_int_eq(sold(-d, 1, p), want[p][d]);
        ck_assert_int_eq(sold(0, 3, p), want[p][0] + want[p][1] + want[p][2]);
        ck_assert_int_eq(sold(1, 3, p), want[p][0] + want[p][1]);
    }
}
END_TEST

Suite *ranking_contract_suite(void)
{
    Suite *s = suite_create("ranking");
    TCase *t = tcase_create("contract");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_today, contract_close);
    tcase_add_test(t, each_sale_counts_once);
    tcase_add_test(t, events_without_item_id);
    tcase_add_test(t, days_begin_in_seoul);
    tcase_add_test(t, three_days_and_unions);
    tcase_add_test(t, old_and_future_events_are_ignored);
    tcase_add_test(t, big_ids);
    tcase_add_test(t, offsets_only_forward);
    tcase_add_test(t, ties_go_to_the_smaller_id);
    tcase_add_test(t, returned_goods);
    tcase_add_test(t, delivered_again_and_out_of_order);
    suite_add_tcase(s, t);
    return s;
}
