/* Orders and charges: batches, one answer each, Idempotency-Keys, what happens when a batch fails, stopping. */
#include <stdio.h>

#include "base/clock.h"
#include "harness.h"
#include "service_suites.h"

static struct bench *b;

static void setup(void)
{
    b = bench_new();
    for (int i = 1; i <= 20; i++)
        fake_user_add(b->store, i, 10000000);
    fake_product_add(b->store, 1, 1000, 100);
    fake_product_add(b->store, 2, 25050, 10);
    fake_product_add(b->store, 3, 5000, 1000);
}

static void setup_service(void)
{
    setup();
    bench_orders(b, &bench_order_defaults);
}

static void teardown(void)
{
    bench_free(b);
}

static size_t batches(void)
{
    return fake_count(b->store, FAKE_ORDER_LOCK);
}

/* --- what an order does ---------------------------------------------------------------------------------------------------- */

START_TEST(an_order_is_committed_answered_and_published)
{
    size_t a = bench_order_with(b, 1, 0, "1x2,2x1", NULL, &(struct bench_extra){.request_id = "req-1"});
    fake_loop_pass(b->loop, 2000);
    bench_answered(b, a, 200, NULL);
    ck_assert_str_eq(b->answers.at[a].content_type, "application/json");
    ck_assert_int_eq(bench_number(b, a, "totalAmount"), 270);
    ck_assert_ptr_nonnull(strstr(b->answers.at[a].body, "\"totalAmount\":270.50,"));
    ck_assert_ptr_nonnull(strstr(b->answers.at[a].body, "\"userCouponId\":null"));
    ck_assert_ptr_nonnull(strstr(b->answers.at[a].body, "\"createdAt\":\"2025-07-01T"));
    ck_assert_uint_eq(b->store->orders.n, 1);
    ck_assert_int_eq(bench_number(b, a, "id"), b->store->orders.at[0].row.id);
    ck_assert_int_eq(fake_product_find(b->store, 1)->stock, 98);
    ck_assert_int_eq(fake_user_find(b->store, 1)->balance, 10000000 - 27050);
    ck_assert_uint_eq(b->sink->messages.n, 4);
    ck_assert_str_eq(b->sink->messages.at[0].request_id, "req-1");
    ck_assert_uint_eq(b->store->outbox.n, 0);
}
END_TEST

START_TEST(item_ids_present)
{
    size_t a = bench_order(b, 1, 0, "1x2,2x1,1x1", NULL);
    fake_loop_pass(b->loop, 100); /* with the messages */
    bench_answered(b, a, 200, NULL);
    ck_assert_uint_eq(b->store->lines.n, 3);
    const char *at = b->answers.at[a].body;
    for (size_t i = 0; i < 3; i++) {
        char id[40];
        snprintf(id, sizeof id, "{\"id\":%lld,\"productId\"", (long long)b->store->lines.at[i].id);
        ck_assert_int_gt(b->store->lines.at[i].id, 0);
        at = strstr(at, id);
        ck_assert_ptr_nonnull(at);
    }
    /* The ranking event of a product names its first line. */
    char id[40];
    snprintf(id, sizeof id, "\"orderItemId\":%lld", (long long)b->store->lines.at[0].id);
    ck_assert_ptr_nonnull(strstr(b->sink->messages.at[1].value, id));
}
END_TEST

START_TEST(payment_is_booked)
{
    fake_coupon_add(b->store, 5, 10, MONEY_MAX);
    fake_user_coupon_add(b->store, 50, 5, 1);
    size_t paid = bench_order(b, 2, 0, "1x1", NULL), free_of_charge = bench_order(b, 1, 50, "1x1", NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, paid, 200, NULL);
    bench_answered(b, free_of_charge, 200, NULL);
    ck_assert_uint_eq(b->store->ledger.n, 2);
    ck_assert_str_eq(b->store->ledger.at[0].type, "PAYMENT");
    ck_assert_int_eq(b->store->ledger.at[0].amount, -1000);
    ck_assert_int_eq(b->store->ledger.at[0].balance_after, 9999000);
    ck_assert_int_eq(b->store->ledger.at[0].order_id, bench_number(b, paid, "id"));
    ck_assert_int_eq(b->store->ledger.at[1].amount, 0); /* an order that costs nothing has one, too */
    ck_assert_int_eq(b->store->ledger.at[1].order_id, bench_number(b, free_of_charge, "id"));
}
END_TEST

START_TEST(coupon_is_applied)
{
    fake_coupon_add(b->store, 5, 10, 300);
    fake_user_coupon_add(b->store, 50, 5, 1);
    size_t first = bench_order(b, 1, 50, "1x1", NULL), again = bench_order(b, 1, 50, "1x1", NULL),
           other = bench_order(b, 2, 50, "1x1", NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, first, 200, NULL);
    ck_assert_int_eq(bench_number(b, first, "discountedAmount"), 7);
    ck_assert_int_eq(bench_number(b, first, "discountAmount"), 3);
    ck_assert_int_eq(bench_number(b, first, "userCouponId"), 50);
    bench_answered(b, again, 400, "COUPON_NOT_USABLE");
    bench_answered(b, other, 400, "COUPON_NOT_USABLE");
    ck_assert_int_eq(fake_user_coupon_find(b->store, 50)->order_id, bench_number(b, first, "id"));
}
END_TEST

START_TEST(refused_for_balance_keeps_stock)
{
    fake_user_find(b->store, 1)->balance = fake_user_find(b->store, 1)->opening = 100;
    size_t a = bench_order(b, 1, 0, "2x10", NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, a, 400, "INSUFFICIENT_BALANCE");
    ck_assert_ptr_nonnull(strstr(b->answers.at[a].body, "잔액이 부족합니다. 현재 잔액: 1, 주문 금액: 2505"));
    ck_assert_int_eq(fake_product_find(b->store, 2)->stock, 10);
    ck_assert_uint_eq(b->store->orders.n + b->store->ledger.n + b->sink->messages.n, 0);
}
END_TEST

START_TEST(refused_line_returns_all)
{
    size_t a = bench_order(b, 1, 0, "1x5,2x11", NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, a, 400, "INSUFFICIENT_STOCK");
    ck_assert_int_eq(fake_product_find(b->store, 1)->stock, 100);
}
END_TEST

/* The fake asserts that locks come sorted. */
START_TEST(crossed_orders_do_not_deadlock)
{
    for (int i = 1; i <= 20; i++)
        bench_order(b, 21 - i, 0, i % 2 ? "1x1,2x1,3x1" : "3x1,2x1,1x1", NULL);
    fake_loop_settle(b->loop);
    for (size_t i = 0; i < 10; i++)
        bench_answered(b, i, 200, NULL);
    bench_answered(b, 10, 400, "INSUFFICIENT_STOCK");
}
END_TEST

START_TEST(large_amounts)
{
    fake_user_add(b->store, 100, 300000000000);
    size_t a = bench_charge(b, 100, 50, NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, a, 200, NULL);
    ck_assert_ptr_nonnull(strstr(b->answers.at[a].body, "\"balanceAfterCharge\":3000000000.50"));
}
END_TEST

START_TEST(checked_before_any_transaction)
{
    char many[101 * 4 + 1] = "1x1";
    for (int i = 1; i < 101; i++)
        strcat(many, ",1x1");
    size_t user = bench_order(b, 0, 0, "", NULL), none = bench_order(b, 1, 0, "", NULL),
           most = bench_order(b, 1, 0, many, NULL), quantity = bench_order(b, 1, 0, "1x1,1x0", NULL),
           zero = bench_charge(b, 0, 0, NULL), large = bench_charge(b, 0, 100000001, NULL),
           nobody = bench_charge(b, 0, 100, NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, user, 400, "INVALID_USER_ID");
    bench_answered(b, none, 400, "NO_ORDER_ITEMS");
    bench_answered(b, most, 400, "TOO_MANY_ITEMS");
    ck_assert_ptr_nonnull(strstr(b->answers.at[most].body, "최대 100개"));
    bench_answered(b, quantity, 400, "INVALID_QUANTITY");
    bench_answered(b, zero, 400, "충전 금액은 0보다 커야 합니다.");
    bench_answered(b, large, 400, "한 번에 충전할 수 있는 최대 금액은 1,000,000원입니다.");
    bench_answered(b, nobody, 400, "사용자를 찾을 수 없습니다.");
    ck_assert_uint_eq(batches(), 0);
}
END_TEST

START_TEST(a_charge_opens_the_balance)
{
    fake_user_add(b->store, 100, -1);
    size_t order = bench_order(b, 100, 0, "1x1", NULL), first = bench_charge(b, 100, 100000000, NULL),
           second = bench_charge(b, 100, 150, NULL), nobody = bench_charge(b, 999, 150, NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, order, 400, "BALANCE_NOT_FOUND");
    bench_answered(b, first, 200, NULL);
    bench_answered(b, nobody, 400, "CHARGE_USER_NOT_FOUND");
    ck_assert_str_eq(b->answers.at[second].body,
                     "{\"userId\":100,\"chargeAmount\":1.50,\"balanceAfterCharge\":1000001.50}");
    ck_assert_uint_eq(b->store->ledger.n, 3);
    ck_assert_str_eq(b->store->ledger.at[0].type, "DEPOSIT");
    ck_assert_int_eq(b->store->ledger.at[0].amount, 0);
    ck_assert_str_eq(b->store->ledger.at[1].type, "CHARGE");
}
END_TEST

/* --- batches ----------------------------------------------------------------------------------------------------------------- */

START_TEST(what_arrives_meanwhile_shares_the_next_batch)
{
    fake_delay(b->store, FAKE_ORDER_COMMIT, 10);
    size_t first = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 5);
    for (int i = 0; i < 30; i++) {
        bench_order(b, 2 + i % 10, 0, "1x1", NULL);
        bench_charge(b, 2 + i % 10, 100, NULL);
    }
    ck_assert_uint_eq(order_service_waiting(b->orders), 60);
    fake_loop_pass(b->loop, 5);
    bench_answered(b, first, 200, NULL);
    ck_assert_uint_eq(batches(), 2);
    fake_loop_pass(b->loop, 10);
    ck_assert_uint_eq(batches(), 2);
    ck_assert(bench_all_answered(b));
    for (size_t i = 1; i < b->answers.n; i++) /* answered in the order of arrival */
        ck_assert_uint_eq(b->answers.at[i].order, i + 1);
    for (size_t i = 1; i < b->store->orders.n; i++)
        ck_assert_int_eq(b->store->orders.at[i].row.id, b->store->orders.at[i - 1].row.id + 1);
}
END_TEST

START_TEST(charges_do_not_queue)
{
    fake_delay(b->store, FAKE_ORDER_COMMIT, 10);
    for (int i = 0; i < 200; i++)
        bench_charge(b, 1 + i % 20, 100, NULL);
    fake_loop_pass(b->loop, 10);
    ck_assert(bench_all_answered(b));
    ck_assert_uint_eq(batches(), 1);
    ck_assert_int_eq(fake_user_find(b->store, 1)->balance, 10000000 + 1000);
}
END_TEST

START_TEST(charge_and_order_together)
{
    for (int i = 0; i < 50; i++) {
        bench_charge(b, 1, 100, NULL);
        bench_order(b, 1, 0, "1x1", NULL);
    }
    fake_loop_settle(b->loop);
    for (size_t i = 0; i < b->answers.n; i++)
        bench_answered(b, i, 200, NULL);
    ck_assert_int_eq(fake_user_find(b->store, 1)->balance, 10000000 + 5000 - 50000);
}
END_TEST

START_TEST(a_batch_has_a_largest_size)
{
    for (int i = 0; i < 600; i++)
        bench_charge(b, 1, 100, NULL);
    fake_loop_settle(b->loop);
    ck_assert(bench_all_answered(b));
    ck_assert_uint_eq(batches(), 3);
}
END_TEST

START_TEST(too_many_waiting_are_refused_at_once)
{
    order_service_free(b->orders);
    outbox_publisher_free(b->outbox);
    struct order_service_config cfg = bench_order_defaults;
    cfg.max_waiting = 3;
    bench_orders(b, &cfg);
    fake_delay(b->store, FAKE_ORDER_COMMIT, 100);
    bench_charge(b, 1, 100, NULL);
    fake_loop_pass(b->loop, 1);
    for (int i = 0; i < 3; i++)
        bench_charge(b, 1, 100, NULL);
    size_t refused = bench_charge(b, 1, 100, "key");
    fake_loop_settle(b->loop);
    bench_answered(b, refused, 503, "SERVICE_UNAVAILABLE");
    ck_assert_int_eq(b->answers.at[refused].retry_after_s, 1);
    fake_loop_pass(b->loop, 200);
    size_t later = bench_charge(b, 1, 100, "key"); /* the refused one left no trace */
    fake_loop_pass(b->loop, 200);
    bench_answered(b, later, 200, NULL);
    ck_assert(bench_all_answered(b));
}
END_TEST

/* More comes than gets done, for as long as it takes to stand at the deadline: what gets done stays what it was, nothing that
 * got into a batch fails, and once the line is too long who comes is told so at once. */
START_TEST(overload_keeps_the_rate)
{
    enum {
        BATCH_MS = 400,
        BATCH = 4,
        SECONDS = 40
    };
    order_service_free(b->orders);
    outbox_publisher_free(b->outbox);
    struct order_service_config cfg = bench_order_defaults;
    cfg.batch_max = BATCH;
    bench_orders(b, &cfg);
    fake_delay(b->store, FAKE_ORDER_COMMIT, BATCH_MS);
    size_t halfway = 0, late = 0;
    FAKE_LIST(int64_t) asked_us = {0};
    for (int i = 0; i < SECONDS * 40; i++) { /* four times what is possible */
        *FAKE_ADD(&asked_us) = clock_mono_us();
        bench_charge(b, 1 + i % 20, 100, NULL);
        fake_loop_pass(b->loop, 25);
        if (i == SECONDS * 20)
            halfway = b->store->ledger.n;
    }
    size_t second_half = b->store->ledger.n - halfway;
    fake_loop_pass(b->loop, 10000);
    ck_assert(bench_all_answered(b));
    ck_assert_uint_ge(second_half, SECONDS / 2 * 1000 / BATCH_MS * BATCH * 9 / 10);
    for (size_t i = 0; i < b->answers.n; i++) {
        int64_t took_us = b->answers.at[i].at_us - asked_us.at[i];
        if (b->answers.at[i].status == 200)
            ck_assert_int_lt(took_us, 9000000);
        else
            bench_answered(b, i, 503, "SERVICE_UNAVAILABLE");
        late += i > b->answers.n / 2 && b->answers.at[i].status == 503 && took_us > 1000;
    }
    ck_assert_uint_le(late, b->answers.n / 50);
    mem_free(asked_us.at);
}
END_TEST

/* --- Idempotency-Key ----------------------------------------------------------------------------------------------------------- */

START_TEST(a_repeated_key_gets_the_first_answer)
{
    size_t first = bench_order(b, 1, 0, "1x1", "k"), dear = bench_order(b, 2, 0, "2x11", "k");
    fake_loop_settle(b->loop);
    bench_answered(b, first, 200, NULL);
    bench_answered(b, dear, 400, "INSUFFICIENT_STOCK");
    fake_product_find(b->store, 2)->stock = fake_product_find(b->store, 2)->opening = 100;
    size_t again = bench_order(b, 1, 0, "1x1", "k"), dear_again = bench_order(b, 2, 0, "2x11", "k"),
           other_user = bench_order(b, 3, 0, "1x1", "k"), other_route = bench_charge(b, 1, 100, "k");
    fake_loop_settle(b->loop);
    ck_assert_str_eq(b->answers.at[again].body, b->answers.at[first].body);
    bench_answered(b, again, 200, NULL);
    ck_assert_str_eq(b->answers.at[dear_again].body, b->answers.at[dear].body);
    bench_answered(b, dear_again, 400, NULL);
    bench_answered(b, other_user, 200, NULL);
    bench_answered(b, other_route, 200, NULL);
    ck_assert_uint_eq(b->store->orders.n, 2);
}
END_TEST

START_TEST(another_body_under_a_key_is_422)
{
    bench_order(b, 1, 0, "1x1", "k");
    fake_loop_settle(b->loop);
    size_t other = bench_order(b, 1, 0, "1x2", "k");
    fake_loop_settle(b->loop);
    bench_answered(b, other, 422, "IDEMPOTENCY_KEY_REUSED");
    ck_assert_uint_eq(b->store->orders.n, 1);
}
END_TEST

START_TEST(a_key_in_line_or_running_is_409)
{
    fake_delay(b->store, FAKE_ORDER_COMMIT, 10);
    size_t first = bench_order(b, 1, 0, "1x1", "k"), in_line = bench_order(b, 1, 0, "1x1", "k");
    fake_loop_pass(b->loop, 5);
    size_t running = bench_order(b, 1, 0, "1x1", "k");
    fake_loop_pass(b->loop, 2);
    bench_answered(b, in_line, 409, "REQUEST_IN_PROGRESS");
    bench_answered(b, running, 409, "REQUEST_IN_PROGRESS");
    fake_loop_pass(b->loop, 20);
    bench_answered(b, first, 200, NULL);
    size_t later = bench_order(b, 1, 0, "1x1", "k");
    fake_loop_pass(b->loop, 20);
    bench_answered(b, later, 200, NULL);
    ck_assert_uint_eq(b->store->orders.n, 1);
}
END_TEST

START_TEST(a_key_of_another_node_is_409)
{
    fake_claim(b->store, "orders", 1, "k");
    size_t other = bench_order(b, 1, 0, "1x1", "k"), mine = bench_order(b, 2, 0, "1x1", "k2");
    fake_loop_settle(b->loop);
    bench_answered(b, other, 409, "REQUEST_IN_PROGRESS");
    bench_answered(b, mine, 200, NULL);
    ck_assert_uint_eq(b->store->keys.n, 1); /* 409 is no decision */
    fake_claim(b->store, NULL, 0, NULL);
    size_t later = bench_order(b, 1, 0, "1x1", "k");
    fake_loop_settle(b->loop);
    bench_answered(b, later, 200, NULL);
}
END_TEST

/* The stored body keeps its form, and is sent under its own type, whatever the repetition accepts. */
START_TEST(a_stored_refusal_keeps_its_form)
{
    const struct bench_extra problem = {.form = REFUSAL_PROBLEM | REFUSAL_ENGLISH}, plain = {0};
    size_t first = bench_order_with(b, 1, 0, "2x11", "k", &problem),
           other = bench_order_with(b, 2, 0, "2x11", "k", &plain);
    fake_loop_settle(b->loop);
    ck_assert_str_eq(b->answers.at[first].content_type, "application/problem+json");
    size_t again = bench_order_with(b, 1, 0, "2x11", "k", &plain),
           other_again = bench_order_with(b, 2, 0, "2x11", "k", &problem);
    fake_loop_settle(b->loop);
    ck_assert_str_eq(b->answers.at[again].body, b->answers.at[first].body);
    ck_assert_str_eq(b->answers.at[again].content_type, "application/problem+json");
    ck_assert_str_eq(b->answers.at[other_again].body, b->answers.at[other].body);
    ck_assert_str_eq(b->answers.at[other_again].content_type, "application/json");
}
END_TEST

/* --- when a batch fails -------------------------------------------------------------------------------------------------------- */

START_TEST(a_retriable_failure_is_planned_anew)
{
    fake_fail_code(b->store, FAKE_ORDER_LOCK, FAKE_RETRIABLE, "40P01", 2);
    fake_fail_code(b->store, FAKE_ORDER_COMMIT, FAKE_RETRIABLE, "40001", 2);
    for (int i = 0; i < 5; i++)
        bench_order(b, 1, 0, "2x3", NULL);
    fake_loop_pass(b->loop, 1000);
    for (size_t i = 0; i < 5; i++)
        bench_answered(b, i, i < 3 ? 200 : 400, NULL);
    ck_assert_uint_eq(batches(), 5);
    ck_assert_uint_eq(b->store->orders.n, 3);
}
END_TEST

START_TEST(no_ids_is_a_retriable_failure)
{
    fake_fail(b->store, FAKE_IDS, FAKE_RETRIABLE, 3);
    size_t a = bench_order(b, 1, 0, "1x1,2x1", NULL);
    fake_loop_pass(b->loop, 1000);
    bench_answered(b, a, 200, NULL);
    ck_assert_uint_eq(batches(), 1);
}
END_TEST

/* 503 that may be repeated, not later than the deadline and what a pause takes. */
START_TEST(a_service_away_ends_at_the_deadline)
{
    fake_fail(b->store, FAKE_ORDER_LOCK, FAKE_RETRIABLE, -1);
    int64_t started = clock_mono_us();
    size_t a = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 4000);
    size_t second = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 6000);
    bench_answered(b, a, 503, "SERVICE_UNAVAILABLE");
    ck_assert_int_eq(b->answers.at[a].retry_after_s, 1);
    ck_assert_int_ge(b->answers.at[a].at_us - started, 9000000);
    ck_assert_int_le(b->answers.at[a].at_us - started, 9700000);
    fake_fail(b->store, FAKE_ORDER_LOCK, FAKE_OK, 0);
    fake_loop_pass(b->loop, 700);
    bench_answered(b, second, 200, NULL);
}
END_TEST

START_TEST(a_transaction_that_hangs_ends_at_the_deadline)
{
    fake_fail(b->store, FAKE_ORDER_LOCK, FAKE_HELD, -1);
    int64_t started = clock_mono_us();
    size_t a = bench_order(b, 1, 0, "1x1", "k");
    fake_loop_pass(b->loop, 10000);
    bench_answered(b, a, 503, "SERVICE_UNAVAILABLE");
    ck_assert_int_le(b->answers.at[a].at_us - started, 9700000);
    fake_fail(b->store, FAKE_ORDER_LOCK, FAKE_OK, 0);
    fake_fail(b->store, FAKE_ORDER_COMMIT, FAKE_HELD, 1);
    started = clock_mono_us();
    size_t second = bench_order(b, 1, 0, "1x1", "k");
    fake_loop_pass(b->loop, 10000);
    bench_answered(b, second, 503, "OUTCOME_UNKNOWN"); /* it was committing */
    ck_assert_int_eq(b->answers.at[second].retry_after_s, 0);
    ck_assert_int_le(b->answers.at[second].at_us - started, 9700000);
}
END_TEST

/* The one that the database refuses is found; the others are done, in their order. */
START_TEST(a_data_error_is_found_by_halving)
{
    static const enum fake_outcome kinds[] = {FAKE_PERMANENT, FAKE_PERMANENT};
    static const char *const codes[] = {"23514", "22003"};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        int64_t bad = 10 + (int64_t)k;
        char line[16];
        fake_product_add(b->store, bad, 100, 100)->refuse = codes[k];
        snprintf(line, sizeof line, "%lldx1", (long long)bad);
        size_t first = b->answers.n, orders = b->store->orders.n;
        for (int i = 0; i < 13; i++)
            bench_order(b, 1, 0, i == 6 ? line : "1x1", NULL);
        fake_loop_settle(b->loop);
        for (size_t i = 0; i < 13; i++)
            bench_answered(b, first + i, i == 6 ? 500 : 200, i == 6 ? "INTERNAL_ERROR" : NULL);
        ck_assert_uint_eq(b->store->orders.n, orders + 12);
        int64_t last = 0;
        for (size_t i = 0; i < 13; i++) {
            ck_assert_uint_eq(b->answers.at[first + i].order, first + i + 1);
            if (i == 6)
                continue;
            ck_assert_int_gt(bench_number(b, first + i, "id"), last);
            last = bench_number(b, first + i, "id");
        }
    }
    size_t before = batches();
    for (int i = 0; i < 60; i++) /* and the batches grow again */
        bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    ck_assert_uint_le(batches() - before, 6);
}
END_TEST

START_TEST(a_wrong_row_count_halves_too)
{
    fake_fail(b->store, FAKE_ORDER_COMMIT, FAKE_BUG, 1);
    for (int i = 0; i < 4; i++)
        bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    for (size_t i = 0; i < 4; i++)
        bench_answered(b, i, 200, NULL);
    fake_fail(b->store, FAKE_ORDER_COMMIT, FAKE_BUG, -1);
    bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    bench_answered(b, 4, 500, "INTERNAL_ERROR");
}
END_TEST

static void unknown(enum fake_outcome outcome)
{
    bench_order(b, 3, 0, "1x1", "old");
    fake_loop_settle(b->loop);
    fake_fail(b->store, FAKE_ORDER_COMMIT, outcome, 1);
    size_t first = b->answers.n, orders = b->store->orders.n;
    bench_order(b, 1, 0, "1x1", "k");
    bench_order(b, 1, 0, "2x11", "dear");
    bench_order(b, 3, 0, "1x1", "old");
    bench_charge(b, 2, 100, "k");
    fake_loop_settle(b->loop);
    bench_answered(b, first, 503, "OUTCOME_UNKNOWN");
    ck_assert_int_eq(b->answers.at[first].retry_after_s, 0);
    bench_answered(b, first + 1, 400, "INSUFFICIENT_STOCK");
    bench_answered(b, first + 2, 200, NULL);
    bench_answered(b, first + 3, 503, "OUTCOME_UNKNOWN");
    ck_assert_uint_eq(b->store->orders.n, orders + (outcome == FAKE_UNKNOWN_DONE));
    /* The same key finds out which. */
    size_t again = bench_order(b, 1, 0, "1x1", "k"), charge = bench_charge(b, 2, 100, "k");
    fake_loop_settle(b->loop);
    bench_answered(b, again, 200, NULL);
    bench_answered(b, charge, 200, NULL);
    ck_assert_uint_eq(b->store->orders.n, orders + 1);
    ck_assert_int_eq(bench_number(b, again, "id"), b->store->orders.at[orders].row.id);
    ck_assert_int_eq(fake_user_find(b->store, 2)->balance, 10000100);
}

START_TEST(an_unknown_outcome_that_happened)
{
    unknown(FAKE_UNKNOWN_DONE);
}
END_TEST

START_TEST(an_unknown_outcome_that_did_not)
{
    unknown(FAKE_UNKNOWN_LOST);
}
END_TEST

/* --- stopping -------------------------------------------------------------------------------------------------------------------- */

START_TEST(drain_finishes_what_is_in_line)
{
    fake_delay(b->store, FAKE_ORDER_COMMIT, 50);
    bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 10);
    bench_order(b, 1, 0, "1x1", NULL);
    order_service_drain(b->orders, 5000, on_flag, &b->drained);
    size_t late = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 80);
    bench_answered(b, late, 503, "SERVICE_UNAVAILABLE");
    ck_assert(!b->drained);
    fake_loop_pass(b->loop, 20);
    bench_answered(b, 0, 200, NULL);
    bench_answered(b, 1, 200, NULL);
    ck_assert(b->drained);
    b->drained = false;
    fake_loop_pass(b->loop, 6000);
    ck_assert(!b->drained);
}
END_TEST

START_TEST(an_idle_drain_ends_at_once)
{
    order_service_drain(b->orders, 5000, on_flag, &b->drained);
    ck_assert(!b->drained);
    fake_loop_settle(b->loop);
    ck_assert(b->drained);
}
END_TEST

START_TEST(drain_has_a_deadline)
{
    fake_fail(b->store, FAKE_ORDER_LOCK, FAKE_HELD, -1);
    size_t running = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    size_t waiting = bench_order(b, 1, 0, "1x1", NULL);
    order_service_drain(b->orders, 100, on_flag, &b->drained);
    fake_loop_pass(b->loop, 99);
    ck_assert(!b->drained);
    fake_loop_pass(b->loop, 2);
    ck_assert(b->drained);
    bench_answered(b, waiting, 503, "SERVICE_UNAVAILABLE");
    ck_assert_int_eq(b->answers.at[running].times, 0);
    fake_release(b->store, FAKE_ORDER_LOCK);
    fake_fail(b->store, FAKE_ORDER_LOCK, FAKE_OK, 0);
    fake_loop_settle(b->loop);
    bench_answered(b, running, 200, NULL);
}
END_TEST

/* What is under way when everything is freed ends once or never; the sanitizers watch. */
START_TEST(freed_in_the_middle)
{
    static const enum fake_call calls[] = {FAKE_IDS, FAKE_ORDER_LOCK, FAKE_ORDER_COMMIT};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        fake_fail(b->store, calls[i], FAKE_HELD, 1);
        bench_order(b, 1, 0, "1x1", "k");
        fake_loop_settle(b->loop);
        bench_order(b, 1, 0, "1x1", "k2");
        bench_charge(b, 1, 0, NULL);
        teardown();
        setup_service();
    }
}
END_TEST

/* --- everything at once ------------------------------------------------------------------------------------------------------------ */

#define NODES  2
#define KEYS   40
#define EVENTS 600

struct chaos {
    uint64_t state;
};

static struct fake_fate fate_of(void *arg, enum fake_call call)
{
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_PERMANENT, FAKE_BUG, FAKE_UNKNOWN_DONE,
                                                 FAKE_UNKNOWN_LOST};
    static const char *const codes[] = {NULL, "23514", NULL, NULL, NULL};
    struct chaos *c = arg;
    struct fake_fate fate = {.delay_ms = bench_random(&c->state, 30)};
    bool order = call == FAKE_ORDER_LOCK || call == FAKE_ORDER_COMMIT;
    if (!order && call != FAKE_IDS)
        return fate;
    if (bench_random(&c->state, 4) == 0) {
        unsigned i = call == FAKE_ORDER_COMMIT ? bench_random(&c->state, ARRAY_LEN(outcomes)) : 0;
        fate.outcome = outcomes[i];
        fate.code = codes[i];
    }
    return fate;
}

static const struct fake_key *stored(int64_t user_id, const char *key)
{
    for (size_t i = 0; i < b->store->keys.n; i++)
        if (b->store->keys.at[i].user_id == user_id && strcmp(b->store->keys.at[i].key, key) == 0)
            return &b->store->keys.at[i];
    return NULL;
}

/* Two nodes, clients that repeat a key until it is decided, a database that fails in every way: each key has one order at most,
 * a 200 tells of its order, and the sums hold. */
static void chaos_round(uint64_t seed)
{
    struct chaos chaos = {seed};
    bench_seed_random(&chaos.state);
    struct order_service_config cfg = bench_order_defaults;
    cfg.batch_max = 1 + bench_random(&chaos.state, 16);
    setup();
    bench_orders(b, &cfg);
    struct order_service *nodes[NODES] = {b->orders, order_service_new(b->loop, b->store, b->outbox, &cfg)};
    fake_decide_by(b->store, fate_of, &chaos);
    b->store->commits_overlap = seed % 2;
    int asked[KEYS] = {0};
    for (int i = 0; i < EVENTS; i++) {
        unsigned k = bench_random(&chaos.state, KEYS);
        char key[16];
        snprintf(key, sizeof key, "k%u", k);
        b->orders = nodes[bench_random(&chaos.state, NODES)];
        bench_order(b, 1 + k % 5, 0, k % 3 ? "1x1,3x2" : "2x1,1x2", key);
        asked[k]++;
        fake_loop_pass(b->loop, bench_random(&chaos.state, 20));
    }
    ck_assert(loop_run_until(b->loop, bench_all_answered, b, 20000));
    fake_decide_by(b->store, NULL, NULL);
    for (unsigned k = 0; k < KEYS; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", k);
        if (asked[k])
            bench_order(b, 1 + k % 5, 0, k % 3 ? "1x1,3x2" : "2x1,1x2", key);
    }
    ck_assert(loop_run_until(b->loop, bench_all_answered, b, 20000));
    size_t with_order = 0;
    for (size_t i = 0; i < b->store->keys.n; i++)
        with_order += b->store->keys.at[i].status == 200;
    ck_assert_msg(with_order == b->store->orders.n, "RUSHD_SEED=%llu: %zu keys, %zu orders",
                  (unsigned long long)seed, with_order, b->store->orders.n);
    for (unsigned k = 0; k < KEYS; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", k);
        ck_assert_msg(!asked[k] == !stored(1 + k % 5, key), "RUSHD_SEED=%llu: key %u",
                      (unsigned long long)seed, k);
    }
    for (size_t i = 0; i < b->answers.n; i++) {
        bool told = b->answers.at[i].status != 200;
        for (size_t o = 0; o < b->store->orders.n && !told; o++)
            told = b->store->orders.at[o].row.id == bench_number(b, i, "id");
        ck_assert_msg(told, "RUSHD_SEED=%llu: answer %zu of no order", (unsigned long long)seed, i);
    }
    ck_assert_msg(fake_store_sound(b->store), "RUSHD_SEED=%llu", (unsigned long long)seed);
    b->orders = nodes[0];
    order_service_free(nodes[1]);
    teardown();
    bench_seed_random(NULL);
}

START_TEST(random_faults_keep_every_promise)
{
    uint64_t seed = bench_seed();
    for (int round = 0; round < 20; round++)
        chaos_round(seed + (uint64_t)round);
}
END_TEST

Suite *order_suite(void)
{
    Suite *s = suite_create("order");
    TCase *t = tcase_create("service");
    tcase_add_checked_fixture(t, setup_service, teardown);
    tcase_add_test(t, an_order_is_committed_answered_and_published);
    tcase_add_test(t, item_ids_present);
    tcase_add_test(t, payment_is_booked);
    tcase_add_test(t, coupon_is_applied);
    tcase_add_test(t, refused_for_balance_keeps_stock);
    tcase_add_test(t, refused_line_returns_all);
    tcase_add_test(t, crossed_orders_do_not_deadlock);
    tcase_add_test(t, large_amounts);
    tcase_add_test(t, checked_before_any_transaction);
    tcase_add_test(t, a_charge_opens_the_balance);
    tcase_add_test(t, what_arrives_meanwhile_shares_the_next_batch);
    tcase_add_test(t, charges_do_not_queue);
    tcase_add_test(t, charge_and_order_together);
    tcase_add_test(t, a_batch_has_a_largest_size);
    tcase_add_test(t, too_many_waiting_are_refused_at_once);
    tcase_add_test(t, overload_keeps_the_rate);
    tcase_add_test(t, a_repeated_key_gets_the_first_answer);
    tcase_add_test(t, another_body_under_a_key_is_422);
    tcase_add_test(t, a_key_in_line_or_running_is_409);
    tcase_add_test(t, a_key_of_another_node_is_409);
    tcase_add_test(t, a_stored_refusal_keeps_its_form);
    tcase_add_test(t, a_retriable_failure_is_planned_anew);
    tcase_add_test(t, no_ids_is_a_retriable_failure);
    tcase_add_test(t, a_service_away_ends_at_the_deadline);
    tcase_add_test(t, a_transaction_that_hangs_ends_at_the_deadline);
    tcase_add_test(t, a_data_error_is_found_by_halving);
    tcase_add_test(t, a_wrong_row_count_halves_too);
    tcase_add_test(t, an_unknown_outcome_that_happened);
    tcase_add_test(t, an_unknown_outcome_that_did_not);
    tcase_add_test(t, drain_finishes_what_is_in_line);
    tcase_add_test(t, an_idle_drain_ends_at_once);
    tcase_add_test(t, drain_has_a_deadline);
    tcase_add_test(t, freed_in_the_middle);
    suite_add_tcase(s, t);
    TCase *chaos = tcase_create("chaos");
    tcase_add_test(chaos, random_faults_keep_every_promise);
    suite_add_tcase(s, chaos);
    return s;
}
