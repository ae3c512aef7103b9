/* The order and the coupon request that the tests of the events print and read. */
#include "tests/msg/fixture.h"

#include <check.h>

static char kim[] = "\xea\xb9\x80 \"K\" Kim", book[] = "\xec\xb1\x85", pen[] = "Pen\t\\ red",
            goods[] = "office", completed[] = "COMPLETED", coupon_name[] = "\xec\xbf\xa0\xed\x8f\xb0 1000";

static struct msg_order_item items[] = {
    {901, 11, book, goods, 2, 1500050, 3000100},
    {902, 7, pen, goods, 1, 99, 99},
    {903, 11, book, goods, 3, 1500050, 4500150},
};
static const struct msg_order order = {
    .order_id = 9007199254740993, /* 2^53 + 1: no double holds it */
    .user_id = 1001,
    .user_name = kim,
    .user_coupon_id = 55,
    .total_amount = 7500349,
    .discounted_amount = 7400349,
    .discount_amount = 100000,
    .status = completed,
    .completed_at_us = FIXTURE_COMPLETED_US,
    .items = items,
    .nitems = ARRAY_LEN(items),
};

static struct msg_order_item small_item = {1, 3, pen, NULL, 1, 5000000, 5000000};
static const struct msg_order small = {
    .order_id = 2,
    .user_id = 3,
    .total_amount = 5000000,
    .discounted_amount = 5000000,
    .status = completed,
    .completed_at_us = FIXTURE_PROCESSED_US,
    .items = &small_item,
    .nitems = 1,
};

static const struct msg_coupon_issue coupon = {
    .coupon_id = 10,
    .user_id = 1001,
    .max_issuance_count = 100,
    .discount_amount = 100000,
    .coupon_name = coupon_name,
    .requested_at_us = FIXTURE_COMPLETED_US,
    .ticket = 42,
};

const struct msg_order *fixture_order(void)
{
    return &order;
}

const struct msg_order *fixture_small_order(void)
{
    return &small;
}

const struct msg_coupon_issue *fixture_coupon(void)
{
    return &coupon;
}

static void check_item(const struct msg_order_item *got, const struct msg_order_item *want)
{
    ck_assert_int_eq(got->id, want->id);
    ck_assert_int_eq(got->product_id, want->product_id);
    ck_assert_pstr_eq(got->product_name, want->product_name);
    ck_assert_pstr_eq(got->category, want->category);
    ck_assert_int_eq(got->quantity, want->quantity);
    ck_assert_int_eq(got->unit_price, want->unit_price);
    ck_assert_int_eq(got->total_price, want->total_price);
}

void fixture_check_order(const struct msg_order *got, const struct msg_order *want)
{
    ck_assert_int_eq(got->order_id, want->order_id);
    ck_assert_int_eq(got->user_id, want->user_id);
    ck_assert_pstr_eq(got->user_name, want->user_name);
    ck_assert_int_eq(got->user_coupon_id, want->user_coupon_id);
    ck_assert_int_eq(got->total_amount, want->total_amount);
    ck_assert_int_eq(got->discounted_amount, want->discounted_amount);
    ck_assert_int_eq(got->discount_amount, want->discount_amount);
    ck_assert_pstr_eq(got->status, want->status);
    ck_assert_int_eq(got->completed_at_us, want->completed_at_us);
    ck_assert_uint_eq(got->nitems, want->nitems);
    for (size_t i = 0; i < want->nitems; i++)
        check_item(&got->items[i], &want->items[i]);
}
