/* The fake's own part: faults of calls, answers that come late and in order. */
#include "contract.h"

#include "fake/fake_loop.h"
#include "fake/fake_store.h"

START_TEST(certain_failures_change_nothing)
{
    struct added a = {0}, b = {0};
    fake_fail(contract_store, FAKE_LINE_ADD, FAKE_RETRIABLE, 1);
    send_add(&a, COUPON, 1);
    send_add(&b, COUPON, 2);
    await(&b.fired);
    ck_assert(a.fired);
    ck_assert_int_eq(a.e.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(b.t.ticket, 1);
    ck_assert(!standing_of(1).pending);
}
END_TEST

START_TEST(unknown_ends_of_both_kinds)
{
    struct added a = {0}, b = {0};
    fake_fail(contract_store, FAKE_LINE_ADD, FAKE_UNKNOWN_DONE, 1);
    send_add(&a, COUPON, 1);
    await(&a.fired);
    fake_fail(contract_store, FAKE_LINE_ADD, FAKE_UNKNOWN_LOST, 1);
    send_add(&b, COUPON, 2);
    await(&b.fired);
    ck_assert_int_eq(a.e.kind, ERROR_UNKNOWN);
    ck_assert_int_eq(b.e.kind, ERROR_UNKNOWN);
    ck_assert_int_eq(add(1).answer, COUPON_LINE_PENDING);
    ck_assert_int_eq(add(2).answer, COUPON_LINE_ACCEPTED);
}
END_TEST

static void on_lost(void *arg, const struct coupon_line_taken *t, const struct error *e)
{
    ck_assert(!t && e && e->kind == ERROR_UNKNOWN);
    *(bool *)arg = true;
}

START_TEST(a_lost_take_holds_its_members)
{
    fill(3, NULL);
    bool fired = false;
    fake_fail(contract_store, FAKE_LINE_TAKE, FAKE_UNKNOWN_DONE, 1);
    coupon_line_take(contract_store,
                     &(struct coupon_line_take){.coupon_id = COUPON,
                                                .owner = "a",
                                                .window = 2,
                                                .limit = 2,
                                                .lease_ms = LEASE_MS,
                                                .ttl_ms = TTL_MS},
                     on_lost, &fired);
    await(&fired);
    ck_assert_uint_eq(fake_line_in_flight(contract_store, COUPON), 2);
    ck_assert_uint_eq(fake_line_waiting(contract_store, COUPON), 1);
    ck_assert_int_eq(take("a", 0, 2, 2)->t.put_back, 2);
}
END_TEST

START_TEST(late_answers_keep_their_order)
{
    struct added a = {0}, b = {0};
    fake_delay(contract_store, FAKE_LINE_ADD, 30);
    send_add(&a, COUPON, 1);
    fake_delay(contract_store, FAKE_LINE_ADD, 0);
    send_add(&b, COUPON, 2);
    fake_loop_settle(contract_loop);
    ck_assert(!a.fired && !b.fired);
    fake_loop_pass(contract_loop, 30);
    ck_assert(a.fired && b.fired);
    ck_assert_int_lt(a.t.ticket, b.t.ticket);
}
END_TEST

START_TEST(closing_answers_what_is_under_way)
{
    struct added a = {0};
    fake_delay(contract_store, FAKE_LINE_ADD, 30);
    send_add(&a, COUPON, 1);
    fake_store_close(contract_store);
    ck_assert(a.fired);
    ck_assert_int_eq(a.e.kind, ERROR_UNKNOWN);
}
END_TEST

Suite *fake_faults_suite(void)
{
    Suite *s = suite_create("fake store");
    add_case(s, "faults",
             (const TTest *const[]){certain_failures_change_nothing, unknown_ends_of_both_kinds,
                                    a_lost_take_holds_its_members, late_answers_keep_their_order,
                                    closing_answers_what_is_under_way, NULL});
    return s;
}
