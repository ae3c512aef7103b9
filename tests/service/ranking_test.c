/* Sales into the ranking, each once, and the popular list that is read from it. */
#include <stdio.h>

#include "base/clock.h"
#include "harness.h"
#include "msg/msg_date.h"
#include "service/sales.h"
#include "service_suites.h"

#define TOPIC     "product-ranking-topic"
#define RETENTION 7
#define DAY_US    (INT64_C(24) * 3600 * 1000000)

static struct bench *b;
static struct fake_partition *part;
static struct fake_letters *letters;
static struct ranking_flow *flow;
static struct popular *popular;

static void setup(void)
{
    static const struct consumer_config cfg = {"product-ranking-group", 4, 100, 1000};
    b = bench_new();
    part = fake_partition_new(b->loop, b->store, TOPIC, 500);
    letters = fake_letters_new(b->loop, b->store);
    flow = ranking_flow_new(b->loop, b->store, fake_partition_source(part), fake_letters_port(letters), &cfg,
                            RETENTION);
    fake_partition_start(part, ranking_flow_handler(flow));
    popular = popular_new(b->loop, b->store, 3, 5);
    b->store->mark.ranked = true; /* Redis' ranking is whole */
}

static void teardown(void)
{
    fake_letters_free(letters);
    fake_store_close(b->store);
    popular_free(popular);
    ranking_flow_free(flow);
    fake_partition_free(part);
    bench_free(b);
}

/* A sale of a product; item 0: another program's message without an id of its own. at_us 0: without a time. */
static void sold(int64_t product_id, int64_t order_id, int64_t item_id, int quantity, int64_t at_us)
{
    char key[24], value[300], item[60] = "", at[80] = "";
    struct buf date = BUF_INIT;
    if (item_id)
        snprintf(item, sizeof item, ",\"orderItemId\":%lld", (long long)item_id);
    if (at_us) {
        msg_date_iso(&date, at_us);
        snprintf(at, sizeof at, ",\"orderCompletedAt\":\"%s\"", buf_str(&date));
    }
    buf_free(&date);
    snprintf(key, sizeof key, "%lld", (long long)product_id);
    snprintf(value, sizeof value, "{\"productId\":%lld,\"orderId\":%lld,\"quantity\":%d%s%s}",
             (long long)product_id, (long long)order_id, quantity, item, at);
    fake_partition_add(part, key, value);
}

static void run(int64_t ms)
{
    ck_assert_msg(loop_run_until(b->loop, fake_partition_idle, part, ms), "at offset %zu of %zu",
                  part->position, part->records.n);
}

static void on_top(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e)
{
    struct buf *text = arg;
    ck_assert(!e);
    for (size_t i = 0; i < n; i++)
        buf_printf(text, "%s%lld:%lld", i ? " " : "", (long long)entries[i].product_id,
                   (long long)entries[i].quantity);
}

/* The ranking of so many days, as in "7:12 3:5". */
static void ranked(int days, const char *expected)
{
    struct buf text = BUF_INIT;
    ranking_top(b->store, clock_real_us(), days, 10, on_top, &text);
    fake_loop_settle(b->loop);
    ck_assert_str_eq(buf_str(&text), expected);
    buf_free(&text);
}

/* --- counting ---------------------------------------------------------------------------------------------------------------- */

START_TEST(counted_then_the_offset)
{
    sold(7, 1, 11, 3, 0);
    sold(8, 1, 12, 1, 0);
    sold(7, 2, 13, 2, 0);
    run(100);
    ck_assert_str_eq(fake_log_text(b->store), "counted 3\noffset 3\n");
    ranked(3, "7:5 8:1");
    ck_assert_uint_eq(fake_count(b->store, FAKE_RANKING_APPLY), 1); /* one script for a batch */
}
END_TEST

START_TEST(ranking_counts_once)
{
    sold(7, 1, 11, 3, 0);
    sold(7, 1, 11, 3, 0); /* produced twice */
    sold(8, 2, 0, 2, 0);  /* told apart by order and product */
    sold(8, 2, 0, 2, 0);
    sold(7, 2, 0, 1, 0);
    run(100);
    for (int i = 0; i < 4; i++) {
        fake_partition_seek(part, (size_t)i);
        run(1000);
    }
    ranked(3, "7:4 8:2");
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

/* A day is the local one of the order; a message without a time is as old as its record. */
START_TEST(each_sale_on_its_day)
{
    int64_t now = clock_real_us();
    sold(1, 1, 1, 1, now);
    sold(2, 2, 2, 2, now - DAY_US);
    sold(3, 3, 3, 3, now - 2 * DAY_US);
    sold(4, 4, 4, 4, now - 3 * DAY_US);
    sold(5, 5, 5, 5, now - RETENTION * DAY_US); /* too old to be told from one that was counted */
    sold(6, 6, 6, 6, 0);
    run(100);
    ranked(1, "6:6 1:1");
    ranked(3, "6:6 3:3 2:2 1:1");
    ranked(5, "6:6 4:4 3:3 2:2 1:1");
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

START_TEST(poison_goes_to_dead_letter)
{
    sold(1, 1, 1, 1, 0);
    fake_partition_add(part, "1", "{\"productId\":1");
    fake_partition_add(part, "1", NULL);
    fake_partition_add(part, "1", "{\"productId\":1,\"orderId\":3,\"quantity\":0}");
    sold(1, 4, 4, 1, 0);
    letters->failures = 5;
    run(60000);
    ck_assert_uint_eq(letters->letters.n, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(letters->letters.at[i].offset, (int64_t)i + 1);
        ck_assert_ptr_nonnull(strstr(letters->letters.at[i].exception, "DeserializationException"));
    }
    ck_assert_str_eq(letters->letters.at[1].reason, "the message has no value");
    ranked(3, "1:2");
    ck_assert_int_eq(part->attempt, 0);
}
END_TEST

/* --- what fails ---------------------------------------------------------------------------------------------------------------- */

START_TEST(redis_away_uses_no_try)
{
    fake_fail(b->store, FAKE_RANKING_APPLY, FAKE_RETRIABLE, -1);
    sold(1, 1, 1, 1, 0);
    fake_loop_pass(b->loop, 90000);
    ck_assert_int_eq(part->outcome, EVENT_WAIT);
    ck_assert_int_eq(part->attempt, 0);
    ck_assert_uint_lt(fake_count(b->store, FAKE_RANKING_APPLY), 300);
    fake_fail(b->store, FAKE_RANKING_APPLY, FAKE_OK, 0);
    run(2000);
    ranked(3, "1:1");
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

/* It may have been counted, or not: applied again it counts once. */
START_TEST(a_lost_reply_counts_once)
{
    static const enum fake_outcome outcomes[] = {FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST};
    fake_fail(b->store, FAKE_RANKING_APPLY, outcomes[_i], 3);
    for (int i = 1; i <= 20; i++)
        sold(1, i, i, 2, 0);
    run(30000);
    ranked(3, "1:40");
    ck_assert_uint_eq(letters->letters.n, 0);
    ck_assert_int_eq(part->attempt, 0);
}
END_TEST

/* Redis refuses the first of three, four times: it becomes a dead letter and the others are counted. */
START_TEST(failing_handler_does_not_stall)
{
    static const enum fake_outcome outcomes[] = {FAKE_PERMANENT, FAKE_BUG};
    fake_fail(b->store, FAKE_RANKING_APPLY, outcomes[_i], 2 * 4); /* the batch, then its head alone */
    for (int i = 1; i <= 3; i++)
        sold(i, i, i, i, 0);
    run(60000);
    ck_assert_uint_eq(letters->letters.n, 1);
    ck_assert_int_eq(letters->letters.at[0].offset, 0);
    ck_assert_ptr_nonnull(strstr(letters->letters.at[0].exception, "ListenerExecutionFailedException"));
    ranked(3, "3:3 2:2");
    ck_assert_int_eq(part->attempt, 0);
}
END_TEST

START_TEST(a_dead_letter_is_owed_until_it_is_put)
{
    letters->failures = 30;
    fake_partition_add(part, "1", "nothing");
    sold(1, 1, 1, 1, 0);
    fake_loop_pass(b->loop, 10000);
    ck_assert_uint_eq(part->position, 0);
    run(120000);
    ck_assert_uint_eq(letters->letters.n, 1);
    ranked(3, "1:1");
}
END_TEST

START_TEST(revoked_in_the_middle)
{
    fake_fail(b->store, FAKE_RANKING_APPLY, FAKE_HELD, 1);
    sold(1, 1, 1, 1, 0);
    fake_loop_settle(b->loop);
    part->stopped = true;
    fake_partition_revoke(part);
    fake_release(b->store, FAKE_RANKING_APPLY);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(part->position, 0);
    part->stopped = false; /* the next owner reads it again */
    fake_partition_seek(part, 0);
    run(1000);
    ranked(3, "1:1");
}
END_TEST

START_TEST(freed_in_the_middle)
{
    letters->holding = _i == 1;
    fake_fail(b->store, FAKE_RANKING_APPLY, FAKE_HELD, 1);
    fake_partition_add(part, "1", _i == 1 ? "x" : "{\"productId\":1,\"orderId\":1,\"quantity\":1}");
    fake_loop_settle(b->loop);
    ck_assert(part->out);
}
END_TEST

static struct fake_fate fate_of(void *arg, enum fake_call call)
{
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST};
    uint64_t *state = arg;
    struct fake_fate fate = {.delay_ms = bench_random(state, 20)};
    if (bench_random(state, 3) == 0)
        fate.outcome = outcomes[bench_random(state, 3)];
    return fate;
}

/* Whatever fails and is read again, the sums are those of the distinct sales. */
START_TEST(random_faults_count_once)
{
    uint64_t seed = bench_seed(), state = seed;
    int64_t sums[6] = {0};
    bench_seed_random(&state);
    part->batch_max = 1 + bench_random(&state, 30);
    fake_decide_by(b->store, fate_of, &state);
    for (int i = 1; i <= 400; i++) {
        int product = 1 + (int)bench_random(&state, 5), quantity = 1 + (int)bench_random(&state, 9);
        for (unsigned times = 1 + bench_random(&state, 2); times > 0; times--)
            sold(product, i, i, quantity, 0);
        sums[product] += quantity;
        fake_loop_pass(b->loop, bench_random(&state, 30));
        if (bench_random(&state, 20) == 0 && !part->out)
            fake_partition_seek(part, bench_random(&state, (unsigned)part->position + 1));
    }
    fake_decide_by(b->store, NULL, NULL);
    run(600000);
    struct buf text = BUF_INIT;
    ranking_top(b->store, clock_real_us(), 3, 10, on_top, &text);
    fake_loop_settle(b->loop);
    for (int product = 1; product <= 5; product++) {
        char entry[40];
        snprintf(entry, sizeof entry, "%d:%lld", product, (long long)sums[product]);
        ck_assert_msg(strstr(buf_str(&text), entry), "RUSHD_SEED=%llu: %s is not in %s",
                      (unsigned long long)seed, entry, buf_str(&text));
    }
    buf_free(&text);
    bench_seed_random(NULL);
}
END_TEST

/* --- popular list -------------------------------------------------------------------------------------------------------------- */

struct list {
    int times;
    struct error error;
    size_t n;
    struct popular_product at[8];
    char names[8][40];
    bool asks_again;
};

static void on_list(void *arg, const struct popular_product *list, size_t n, const struct error *e)
{
    struct list *l = arg;
    l->times++;
    l->error = *e;
    l->n = n;
    for (size_t i = 0; i < n; i++) {
        l->at[i] = list[i];
        str_copy(l->names[i], sizeof l->names[i], list[i].name);
    }
    if (l->asks_again) {
        l->asks_again = false;
        popular_get(popular, on_list, l);
    }
}

static void ask_list(struct list *l)
{
    int times = l->times;
    popular_get(popular, on_list, l);
    ck_assert_int_eq(l->times, times); /* never before it returns */
}

/* A product of which so many were sold, and so many are left. */
static void product(int64_t id, int quantity, int64_t left)
{
    struct fake_product *p = fake_product_add(b->store, id, 1000, quantity + left);
    p->stock = left;
    *FAKE_ADD(&b->store->lines) = (struct order_tx_line){id, id, id, "", quantity, 1000, 1000 * quantity};
    *FAKE_ADD(&b->store->sales) = (struct order_tx_sale){id, quantity, 1000 * quantity};
    sold(id, id, id, quantity, 0);
    run(100);
}

START_TEST(popular_products_in_order)
{
    product(1, 3, 9);
    product(2, 10, 0);
    product(3, 5, 1000);
    sold(4, 4, 4, 7, 0); /* of a product that is gone */
    run(100);
    struct list l = {0};
    ask_list(&l);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(l.times, 1);
    ck_assert_int_eq(l.error.kind, ERROR_NONE);
    ck_assert_uint_eq(l.n, 3);
    static const int64_t ids[] = {2, 3, 1}, counts[] = {10, 5, 3}, rates[] = {10000, 49, 2500};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(l.at[i].product_id, ids[i]);
        ck_assert_int_eq(l.at[i].rank, (int)i + 1);
        ck_assert_int_eq(l.at[i].recent_count, counts[i]);
        ck_assert_int_eq(l.at[i].total_amount, 1000 * counts[i]);
        ck_assert_int_eq(l.at[i].conversion_rate_bp, rates[i]);
        ck_assert_ptr_nonnull(strstr(l.names[i], "product"));
    }
}
END_TEST

START_TEST(nothing_was_sold)
{
    struct list l = {0};
    ask_list(&l);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(l.times, 1);
    ck_assert_uint_eq(l.n, 0);
    ck_assert_int_eq(l.error.kind, ERROR_NONE);
}
END_TEST

START_TEST(a_reading_is_shared_and_kept_for_a_second)
{
    static struct list lists[50];
    memset(lists, 0, sizeof lists);
    product(1, 3, 9);
    fake_delay(b->store, FAKE_RANKING_TOP, 100);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        ask_list(&lists[i]);
        fake_loop_pass(b->loop, 1);
    }
    fake_loop_pass(b->loop, 200);
    fake_delay(b->store, FAKE_RANKING_TOP, 0);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        ck_assert_int_eq(lists[i].times, 1);
        ck_assert_uint_eq(lists[i].n, 1);
    }
    ck_assert_uint_eq(fake_count(b->store, FAKE_RANKING_TOP), 1);
    product(2, 30, 0);
    ask_list(&lists[0]);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(lists[0].n, 1);
    fake_loop_pass(b->loop, 1000);
    ask_list(&lists[0]);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(lists[0].n, 2);
    ck_assert_uint_eq(fake_count(b->store, FAKE_RANKING_TOP), 2);
}
END_TEST

/* Each of the three readings fails in each way, and what stands in for the first: everybody hears it once, and who asks then is served. */
START_TEST(a_reading_that_fails)
{
    static const enum fake_call calls[] = {FAKE_RANKING_TOP, FAKE_PRODUCT_READ, FAKE_SALES_READ};
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_PERMANENT, FAKE_UNKNOWN_LOST};
    enum fake_call call = calls[_i / 3], other = calls[1 + (_i / 3 == 1)];
    product(1, 3, 9);
    struct list first = {0}, second = {0}, third = {0};
    fake_fail(b->store, call, outcomes[_i % 3], 1);
    if (call == FAKE_RANKING_TOP)
        fake_fail(b->store, FAKE_SALES_TOP, outcomes[_i % 3], 1);
    else
        fake_fail(b->store, other, FAKE_HELD, 1); /* the other statement answers late */
    ask_list(&first);
    ask_list(&second);
    fake_loop_pass(b->loop, 500);
    fake_release(b->store, other);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(first.times, 1);
    ck_assert_int_eq(second.times, 1);
    ck_assert_int_ne(first.error.kind, ERROR_NONE);
    ck_assert_int_ne(second.error.kind, ERROR_NONE);
    ask_list(&third);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(third.times, 1);
    ck_assert_int_eq(third.error.kind, ERROR_NONE);
    ck_assert_uint_eq(third.n, 1);
}
END_TEST

START_TEST(asked_again_from_the_answer)
{
    product(1, 3, 9);
    struct list l = {.asks_again = true};
    ask_list(&l);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(l.times, 2);
    fake_loop_pass(b->loop, 2000);
    l.asks_again = true;
    fake_fail(b->store, FAKE_RANKING_TOP, FAKE_RETRIABLE, 1);
    ask_list(&l);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(l.times, 4);
    ck_assert_int_eq(l.error.kind, ERROR_NONE);
}
END_TEST

START_TEST(popular_freed_in_the_middle)
{
    static const enum fake_call calls[] = {FAKE_RANKING_TOP, FAKE_PRODUCT_READ, FAKE_SALES_READ};
    static struct list l; /* answered while the store closes */
    l = (struct list){0};
    product(1, 3, 9);
    fake_fail(b->store, calls[_i], FAKE_HELD, 1);
    ask_list(&l);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(l.times, 0);
}
END_TEST

Suite *ranking_suite(void)
{
    Suite *s = suite_create("ranking");
    TCase *t = tcase_create("counting");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, counted_then_the_offset);
    tcase_add_test(t, ranking_counts_once);
    tcase_add_test(t, each_sale_on_its_day);
    tcase_add_test(t, poison_goes_to_dead_letter);
    tcase_add_test(t, redis_away_uses_no_try);
    tcase_add_loop_test(t, a_lost_reply_counts_once, 0, 2);
    tcase_add_loop_test(t, failing_handler_does_not_stall, 0, 2);
    tcase_add_test(t, a_dead_letter_is_owed_until_it_is_put);
    tcase_add_test(t, revoked_in_the_middle);
    tcase_add_loop_test(t, freed_in_the_middle, 0, 2);
    tcase_add_test(t, random_faults_count_once);
    suite_add_tcase(s, t);
    TCase *p = tcase_create("popular");
    tcase_add_checked_fixture(p, setup, teardown);
    tcase_add_test(p, popular_products_in_order);
    tcase_add_test(p, nothing_was_sold);
    tcase_add_test(p, a_reading_is_shared_and_kept_for_a_second);
    tcase_add_loop_test(p, a_reading_that_fails, 0, 9);
    tcase_add_test(p, asked_again_from_the_answer);
    tcase_add_loop_test(p, popular_freed_in_the_middle, 0, 3);
    suite_add_tcase(s, p);
    return s;
}
