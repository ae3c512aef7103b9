/* Orders while a batch commits: the next one takes its locks meanwhile. */
#include "harness.h"
#include "service_suites.h"

static struct bench *b;

static void setup(void)
{
    b = bench_new();
    for (int i = 1; i <= 2; i++)
        fake_user_add(b->store, i, 10000000);
    fake_product_add(b->store, 1, 1000, 100);
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

Suite *order_overlap_suite(void)
{
    Suite *s = suite_create("order_overlap");
    TCase *t = tcase_create("service");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_next_batch_starts_with_the_commit_of_the_last);
    tcase_add_loop_test(t, a_commit_that_fails_while_the_next_batch_waits, 0, 2);
    tcase_add_test(t, drain_waits_for_both_batches);
    tcase_add_test(t, freed_with_two_batches);
    suite_add_tcase(s, t);
    return s;
}
