/* Orders while a batch is under way: the next one takes its locks while it commits, and one that touches nothing of it runs beside it. */
#include "harness.h"
#include "service_suites.h"

static struct bench *b;

static void setup(void)
{
    b = bench_new();
    for (int i = 1; i <= 9; i++)
        fake_user_add(b->store, i, 10000000);
    for (int i = 1; i <= 9; i++)
        fake_product_add(b->store, i, 1000, 100);
    fake_coupon_add(b->store, 5, 10, 300);
    fake_user_coupon_add(b->store, 50, 5, 1);
    bench_orders(b, &bench_order_defaults);
}

static void teardown(void)
{
    bench_free(b);
}

/* The first batch is in its COMMIT, which takes 10 ms; the answer's number. */
static size_t committing(void)
{
    b->store->commits_overlap = true;
    fake_delay(b->store, FAKE_ORDER_COMMIT, 10);
    size_t first = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 5);
    return first;
}

START_TEST(the_next_batch_starts_with_the_commit_of_the_last)
{
    size_t first = committing(), second = bench_order(b, 1, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(order_service_waiting(b->orders), 0);
    ck_assert_int_eq(b->answers.at[first].times, 0); /* it is not on disk yet */
    for (int i = 0; i < 10; i++)
        bench_order(b, 2, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(order_service_waiting(b->orders), 10); /* two run: these share the third */
    fake_loop_pass(b->loop, 5);
    bench_answered(b, first, 200, NULL);
    ck_assert_int_eq(b->answers.at[second].times, 0);
    fake_loop_pass(b->loop, 100);
    ck_assert(bench_all_answered(b));
    ck_assert_uint_eq(fake_count(b->store, FAKE_ORDER_LOCK), 3);
    ck_assert(fake_store_sound(b->store));
}
END_TEST

START_TEST(a_commit_that_fails_while_the_next_batch_waits)
{
    fake_fail(b->store, FAKE_ORDER_COMMIT, _i ? FAKE_UNKNOWN_LOST : FAKE_RETRIABLE, 1);
    size_t first = committing(), second = bench_order(b, 2, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 1000);
    if (_i)
        bench_answered(b, first, 503, "OUTCOME_UNKNOWN");
    else
        bench_answered(b, first, 200, NULL);
    bench_answered(b, second, 200, NULL);
    ck_assert_uint_eq(b->store->orders.n, _i ? 1 : 2);
    ck_assert(fake_store_sound(b->store));
}
END_TEST

START_TEST(drain_waits_for_both_batches)
{
    size_t first = committing(), second = bench_order(b, 2, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
    order_service_drain(b->orders, 10000, on_flag, &b->drained);
    fake_loop_pass(b->loop, 6);
    bench_answered(b, first, 200, NULL);
    ck_assert(!b->drained);
    fake_loop_pass(b->loop, 20);
    bench_answered(b, second, 200, NULL);
    ck_assert(b->drained);
}
END_TEST

/* The services go while both are on their way. */
START_TEST(freed_with_two_batches)
{
    committing();
    bench_order(b, 2, 0, "1x1", NULL);
    fake_loop_settle(b->loop);
}
END_TEST

/* --- side by side ------------------------------------------------------------------------------------------------------- */

/* A batch of orders by users 1.. of products 1.. is before its COMMIT, which it reaches after 10 ms. */
static void open_batch(int n)
{
    fake_delay(b->store, FAKE_ORDER_COMMIT, 10);
    for (int i = 1; i <= n; i++)
        bench_order(b, i, i == 1 ? 50 : 0, (const char *[]){"1x1", "2x1", "3x1", "4x1"}[i - 1], NULL);
    fake_loop_pass(b->loop, 2);
    ck_assert_uint_eq(fake_count(b->store, FAKE_ORDER_COMMIT), 1);
}

/* Whether all ran in as many batches. */
static void end_in(size_t batches)
{
    fake_loop_pass(b->loop, 1000);
    ck_assert(bench_all_answered(b));
    for (size_t i = 0; i < b->answers.n; i++)
        ck_assert_int_eq(b->answers.at[i].status, 200);
    ck_assert_uint_eq(fake_count(b->store, FAKE_ORDER_LOCK), batches);
    ck_assert(fake_store_sound(b->store));
}

START_TEST(what_touches_nothing_of_a_batch_runs_beside_it)
{
    open_batch(2);
    bench_order(b, 8, 0, "8x1,9x1", NULL);
    fake_loop_pass(b->loop, 1);
    ck_assert_uint_eq(order_service_waiting(b->orders), 1); /* one is not worth a batch beside two */
    size_t last = bench_charge(b, 9, 100, NULL);
    fake_loop_pass(b->loop, 1);
    ck_assert_uint_eq(order_service_waiting(b->orders), 0);
    for (int i = 0; i < 4; i++)
        bench_order(b, 3 + i, 0, "7x1", NULL);
    fake_loop_pass(b->loop, 1);
    ck_assert_uint_eq(order_service_waiting(b->orders), 4); /* two are open */
    fake_loop_pass(b->loop, 8);
    bench_answered(b, last, 200, NULL);
    end_in(3);
}
END_TEST

static const struct {
    int64_t user;
    const char *lines;
    int64_t user_coupon;
} touching[] = {{1, "9x1", 0}, {9, "9x1,2x1", 0}, {9, "9x1", 50}};

START_TEST(what_touches_a_row_of_a_batch_waits_for_it)
{
    open_batch(2);
    size_t n = b->answers.n;
    for (int i = 0; i < 2; i++)
        bench_order(b, touching[_i].user, touching[_i].user_coupon, touching[_i].lines, NULL);
    fake_loop_pass(b->loop, 1);
    ck_assert_uint_eq(order_service_waiting(b->orders), 2);
    for (int i = 0; i < 2; i++) /* also when what would be free to go came later: most of the line waits */
        bench_order(b, 8, 0, "8x1", NULL);
    fake_loop_pass(b->loop, 4);
    ck_assert_uint_eq(order_service_waiting(b->orders), 4);
    fake_loop_pass(b->loop, 1000);
    ck_assert_uint_eq(fake_count(b->store, FAKE_ORDER_LOCK), 2);
    for (size_t i = n; i < b->answers.n; i++)
        ck_assert_int_eq(b->answers.at[i].status, touching[_i].user_coupon && i < n + 2 ? 400 : 200);
    ck_assert(fake_store_sound(b->store));
}
END_TEST

/* Product 9 has one piece left. The first who wants it waits for a batch because of another product: nobody passes. */
START_TEST(nobody_passes_one_who_waits)
{
    fake_product_find(b->store, 9)->stock = fake_product_find(b->store, 9)->opening = 1;
    open_batch(2);
    size_t first = bench_order(b, 3, 0, "2x1,9x1", NULL), second = bench_order(b, 4, 0, "9x1", NULL);
    for (int i = 5; i < 9; i++)
        bench_order(b, i, 0, "8x1", NULL);
    fake_loop_pass(b->loop, 1);
    ck_assert_uint_eq(order_service_waiting(b->orders), 2); /* the others are beside the batch */
    fake_loop_pass(b->loop, 1000);
    bench_answered(b, first, 200, NULL);
    bench_answered(b, second, 400, "INSUFFICIENT_STOCK");
    ck_assert(fake_store_sound(b->store));
}
END_TEST

/* Ids that one batch counts on are not taken by the other. */
START_TEST(batches_share_the_ids_in_hand)
{
    fake_delay(b->store, FAKE_ORDER_LOCK, 10);
    b->store->ids_block = 3;
    for (int i = 1; i <= 3; i++)
        bench_order(b, i, 0, "1x1", NULL);
    fake_loop_pass(b->loop, 2);
    for (int i = 4; i <= 6; i++)
        bench_order(b, i, 0, "2x1", NULL);
    fake_loop_pass(b->loop, 2);
    ck_assert_uint_eq(order_service_waiting(b->orders), 0);
    end_in(2);
}
END_TEST

/* While a request that the database refuses is looked for, there is one batch at a time. */
START_TEST(nothing_runs_beside_a_search)
{
    fake_product_find(b->store, 1)->refuse = "23514";
    open_batch(4);
    fake_loop_pass(b->loop, 8); /* refused: the next batch has two */
    for (int i = 5; i < 9; i++)
        bench_order(b, i, 0, "8x1", NULL);
    fake_loop_pass(b->loop, 3);
    ck_assert_uint_eq(order_service_waiting(b->orders), 6);
    fake_loop_pass(b->loop, 1000);
    bench_answered(b, 0, 500, "INTERNAL_ERROR");
    for (size_t i = 1; i < b->answers.n; i++)
        bench_answered(b, i, 200, NULL);
    ck_assert(fake_store_sound(b->store));
}
END_TEST

/* Each way in which one of two open batches can fail; the other is not touched by it. */
START_TEST(one_of_two_fails)
{
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_UNKNOWN_LOST, FAKE_UNKNOWN_DONE};
    fake_fail(b->store, FAKE_ORDER_COMMIT, outcomes[_i], 1);
    open_batch(2);
    for (int i = 8; i <= 9; i++)
        bench_order(b, i, 0, i == 8 ? "8x1" : "9x1", NULL);
    fake_loop_pass(b->loop, 1000);
    for (size_t i = 0; i < 2; i++)
        bench_answered(b, i, outcomes[_i] == FAKE_RETRIABLE ? 200 : 503,
                       outcomes[_i] == FAKE_RETRIABLE ? NULL : "OUTCOME_UNKNOWN");
    bench_answered(b, 2, 200, NULL);
    bench_answered(b, 3, 200, NULL);
    ck_assert(fake_store_sound(b->store));
}
END_TEST

START_TEST(freed_with_batches_side_by_side)
{
    open_batch(2);
    for (int i = 7; i <= 9; i++)
        bench_order(b, i, 0, "8x1", NULL);
    fake_loop_pass(b->loop, 1);
}
END_TEST

Suite *order_overlap_suite(void)
{
    Suite *s = suite_create("order_overlap");
    TCase *t = tcase_create("service");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_next_batch_starts_with_the_commit_of_the_last);
    tcase_add_loop_test(t, a_commit_that_fails_while_the_next_batch_waits, 0, 2);
    tcase_add_test(t, drain_waits_for_both_batches);
    tcase_add_test(t, freed_with_two_batches);
    tcase_add_test(t, what_touches_nothing_of_a_batch_runs_beside_it);
    tcase_add_loop_test(t, what_touches_a_row_of_a_batch_waits_for_it, 0, ARRAY_LEN(touching));
    tcase_add_test(t, nobody_passes_one_who_waits);
    tcase_add_test(t, batches_share_the_ids_in_hand);
    tcase_add_test(t, nothing_runs_beside_a_search);
    tcase_add_loop_test(t, one_of_two_fails, 0, 3);
    tcase_add_test(t, freed_with_batches_side_by_side);
    suite_add_tcase(s, t);
    return s;
}
