/* Orders to the data platform: once each, recorded before the offset, circuit breaker, refusals, poison. */
#include <stdio.h>

#include "base/clock.h"
#include "harness.h"
#include "service/sales.h"
#include "service_suites.h"

#define TOPIC "data-platform-transfer-topic"

static struct bench *b;
static struct fake_partition *part;
static struct fake_letters *letters;
static struct fake_platform *platform;
static struct platform_flow *flow;
static struct platform_config cfg;

static void flow_new(bool configured)
{
    struct document_sink none = {0};
    flow = platform_flow_new(b->loop, b->store, fake_partition_source(part), fake_letters_port(letters),
                             configured ? fake_platform_port(platform) : none, &cfg);
    fake_partition_start(part, platform_flow_handler(flow));
}

static void prepare(void)
{
    b = bench_new();
    part = fake_partition_new(b->loop, b->store, TOPIC, 10);
    letters = fake_letters_new(b->loop, b->store);
    platform = fake_platform_new(b->loop, b->store);
    cfg = (struct platform_config){{"data-platform-group", 4, 100, 1000}, 64, 10, 10000};
}

static void setup(void)
{
    prepare();
    flow_new(true);
}

static void teardown(void)
{
    fake_letters_free(letters);
    fake_platform_free(platform);
    fake_store_close(b->store);
    platform_flow_free(flow);
    fake_partition_free(part);
    bench_free(b);
}

static void add(int64_t order_id)
{
    char key[24], value[64];
    snprintf(key, sizeof key, "%lld", (long long)order_id);
    snprintf(value, sizeof value, "{\"eventType\":\"ORDER_COMPLETED\",\"orderId\":%lld}",
             (long long)order_id);
    fake_partition_add(part, key, value);
}

static void run(int64_t ms)
{
    ck_assert_msg(loop_run_until(b->loop, fake_partition_idle, part, ms), "at offset %zu of %zu",
                  part->position, part->records.n);
}

START_TEST(platform_is_called)
{
    for (int i = 1; i <= 25; i++)
        add(i);
    run(100);
    ck_assert_uint_eq(platform->posts.n, 25);
    ck_assert_uint_eq(b->store->forwarded.n, 25);
    ck_assert_uint_eq(part->dones, 3);
}
END_TEST

START_TEST(recorded_before_the_offset)
{
    add(1);
    add(2);
    run(100);
    ck_assert_str_eq(fake_log_text(b->store), "answer 1 200\nanswer 2 200\nforwarded 2\noffset 2\n");
}
END_TEST

START_TEST(replayed_from_the_beginning)
{
    for (int i = 1; i <= 25; i++)
        add(i);
    run(100);
    fake_partition_seek(part, 0);
    run(100);
    ck_assert_uint_eq(platform->posts.n, 25);
    ck_assert_uint_eq(b->store->forwarded.n, 25);
}
END_TEST

START_TEST(twice_in_a_batch)
{
    add(1);
    add(2);
    add(1);
    run(100);
    ck_assert_uint_eq(platform->posts.n, 2);
}
END_TEST

START_TEST(without_a_platform_documents_are_counted)
{
    platform_flow_free(flow);
    flow_new(false);
    add(1);
    run(100);
    ck_assert_uint_eq(platform->posts.n + b->store->forwarded.n, 0);
}
END_TEST

/* --- a platform that is away ----------------------------------------------------------------------------------------------------- */

static int away; /* so many posts fail */
static struct fake_reply trouble = {DOCUMENT_AWAY, 500, -1};

static struct fake_reply away_at_first(void *arg, int64_t order_id)
{
    if (away == 0)
        return (struct fake_reply){DOCUMENT_ACCEPTED, 200, -1};
    away -= away > 0;
    return trouble;
}

START_TEST(failing_handler_does_not_stall)
{
    platform->decide = away_at_first;
    trouble = (struct fake_reply){DOCUMENT_AWAY, 500, -1};
    away = 15;
    for (int i = 1; i <= 20; i++)
        add(i);
    run(120000);
    ck_assert_uint_eq(b->store->forwarded.n, 20);
    ck_assert_uint_eq(letters->letters.n, 0);
    ck_assert_int_eq(part->attempt, 0);
}
END_TEST

START_TEST(ninety_seconds_away_lose_nothing)
{
    platform->decide = away_at_first;
    trouble = (struct fake_reply){DOCUMENT_AWAY, 0, -1};
    away = -1;
    for (int i = 1; i <= 20; i++)
        add(i);
    fake_loop_pass(b->loop, 90000);
    ck_assert_uint_eq(b->store->forwarded.n + letters->letters.n, 0);
    ck_assert_uint_le(platform->posts.n, 10 + 12); /* the circuit holds them back */
    away = 0;
    run(20000);
    ck_assert_uint_eq(b->store->forwarded.n, 20);
}
END_TEST

START_TEST(retry_after_is_kept)
{
    platform->decide = away_at_first;
    trouble = (struct fake_reply){DOCUMENT_AWAY, 429, 7000};
    away = 1;
    add(1);
    add(2);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(part->outcome, EVENT_WAIT);
    ck_assert_int_eq(part->delay_ms, 7000);
    run(8000);
    ck_assert_uint_eq(fake_platform_posts(platform, 1), 2);
    ck_assert_uint_eq(fake_platform_posts(platform, 2), 1); /* accepted at the first time */
    trouble.retry_after_ms = INT64_C(86400) * 1000 * 365;
    away = 1;
    add(3);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(part->delay_ms, 600000);
}
END_TEST

START_TEST(the_circuit_opens_tries_one_and_closes)
{
    cfg.max_in_flight = 1;
    cfg.failure_threshold = 3;
    platform_flow_free(flow);
    flow_new(true);
    platform->decide = away_at_first;
    trouble = (struct fake_reply){DOCUMENT_AWAY, 503, -1};
    away = -1;
    for (int i = 1; i <= 10; i++)
        add(i);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(platform->posts.n, 3);
    ck_assert(platform_circuit_open(flow));
    ck_assert_int_ge(part->delay_ms, 9999);
    fake_loop_pass(b->loop, 9900);
    ck_assert_uint_eq(platform->posts.n, 3);
    fake_loop_pass(b->loop, 300); /* half open: one post, which fails */
    ck_assert_uint_eq(platform->posts.n, 4);
    fake_loop_pass(b->loop, 9000);
    ck_assert_uint_eq(platform->posts.n, 4);
    ck_assert(platform_circuit_open(flow));
    away = 0;
    platform->holding = true;
    fake_loop_pass(b->loop, 2000); /* half open: one post, no more until it is answered */
    ck_assert_uint_eq(platform->posts.n, 5);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(platform->posts.n, 5);
    platform->holding = false;
    fake_platform_release(platform);
    run(2000);
    ck_assert(!platform_circuit_open(flow));
    ck_assert_uint_eq(b->store->forwarded.n, 10);
    ck_assert_uint_eq(platform->posts.n, 4 + 10);
}
END_TEST

START_TEST(posts_under_way_are_bounded_over_all_partitions)
{
    cfg.max_in_flight = 7;
    platform_flow_free(flow);
    flow_new(true);
    struct fake_partition *first = part;
    platform->holding = true;
    for (int i = 1; i <= 20; i++)
        add(i);
    part = fake_partition_join(first);
    for (int i = 101; i <= 120; i++)
        add(i);
    for (int i = 0; i < 20; i++) {
        fake_loop_pass(b->loop, 10);
        fake_platform_release(platform);
    }
    run(1000);
    part = first;
    run(1000);
    ck_assert_uint_eq(platform->most_open, 7);
    ck_assert_uint_eq(platform->posts.n, 40);
    ck_assert_uint_eq(b->store->forwarded.n, 40);
}
END_TEST

/* --- documents that are wrong ------------------------------------------------------------------------------------------------------ */

static struct fake_reply refuse_five(void *arg, int64_t order_id)
{
    if (order_id == 5)
        return (struct fake_reply){DOCUMENT_REFUSED, 422, -1};
    return (struct fake_reply){order_id == 7 ? DOCUMENT_REFUSED : DOCUMENT_ACCEPTED,
                               order_id == 7 ? 400 : 200, -1};
}

START_TEST(a_refused_document_has_its_tries)
{
    platform->decide = refuse_five;
    for (int i = 1; i <= 8; i++)
        add(i);
    run(60000);
    ck_assert_uint_eq(b->store->forwarded.n, 6);
    ck_assert_uint_eq(letters->letters.n, 2);
    ck_assert_int_eq(letters->letters.at[0].offset, 4);
    ck_assert_str_eq(letters->letters.at[0].reason, "the data platform answered 422");
    ck_assert_str_eq(letters->letters.at[1].reason, "the data platform answered 400");
    ck_assert_uint_eq(fake_platform_posts(platform, 5),
                      5); /* once behind others, then four tries of its own */
    ck_assert_uint_eq(fake_platform_posts(platform, 6), 1);
}
END_TEST

START_TEST(poison_goes_to_dead_letter)
{
    add(1);
    fake_partition_add(part, "k", "{\"orderId\":");
    add(2);
    fake_partition_add(part, "k", NULL);
    fake_partition_add(part, "k", "{\"orderId\":-3}");
    add(3);
    run(1000);
    ck_assert_uint_eq(b->store->forwarded.n, 3);
    ck_assert_uint_eq(letters->letters.n, 3);
    ck_assert_int_eq(letters->letters.at[0].offset, 1);
    ck_assert_ptr_nonnull(strstr(letters->letters.at[0].exception, "DeserializationException"));
    ck_assert_str_eq(letters->letters.at[1].reason, "the message has no value");
}
END_TEST

START_TEST(a_dead_letter_that_fails_waits)
{
    letters->failures = 3;
    fake_partition_add(part, "k", "x");
    run(5000);
    ck_assert_uint_eq(letters->letters.n, 1);
    ck_assert_str_eq(fake_log_text(b->store), "dead letter 0\noffset 1\n");
}
END_TEST

/* --- PostgreSQL away ---------------------------------------------------------------------------------------------------------------- */

START_TEST(what_could_not_be_recorded_is_posted_again)
{
    fake_fail(b->store, FAKE_FORWARDED_INSERT, FAKE_RETRIABLE, 2);
    add(1);
    run(5000);
    ck_assert_uint_eq(platform->posts.n, 3);
    ck_assert_str_eq(fake_log_text(b->store),
                     "answer 1 200\nanswer 1 200\nanswer 1 200\nforwarded 1\noffset 1\n");
    fake_fail(b->store, FAKE_FORWARDED_INSERT, FAKE_UNKNOWN_DONE, 1);
    add(2);
    run(5000);
    ck_assert_uint_eq(fake_platform_posts(platform, 2), 1); /* it was recorded */
}
END_TEST

START_TEST(nothing_is_posted_before_it_is_known_to_be_new)
{
    fake_fail(b->store, FAKE_FORWARDED_READ, FAKE_RETRIABLE, 5);
    add(1);
    run(5000);
    ck_assert_uint_eq(platform->posts.n, 1);
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

START_TEST(revoked_in_the_middle)
{
    platform->holding = true;
    add(1);
    fake_loop_settle(b->loop);
    part->stopped = true;
    fake_partition_revoke(part);
    fake_platform_release(platform);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(b->store->forwarded.n, 1); /* the effect is welcome */
    ck_assert_uint_eq(part->position, 0);
    ck_assert_uint_eq(part->dones, 1);
}
END_TEST

START_TEST(freed_in_the_middle)
{
    platform->holding = true;
    letters->holding = true;
    add(1);
    fake_loop_settle(b->loop);
    teardown();
    setup();
    letters->holding = true;
    fake_partition_add(part, "k", "x");
    fake_loop_settle(b->loop);
    teardown();
    setup();
    fake_fail(b->store, FAKE_FORWARDED_INSERT, FAKE_HELD, 1);
    add(1);
    fake_loop_settle(b->loop);
    teardown();
    setup();
    fake_fail(b->store, FAKE_FORWARDED_READ, FAKE_HELD, 1);
    add(1);
    fake_loop_settle(b->loop);
}
END_TEST

Suite *platform_suite(void)
{
    Suite *s = suite_create("platform");
    TCase *t = tcase_create("forward");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, platform_is_called);
    tcase_add_test(t, recorded_before_the_offset);
    tcase_add_test(t, replayed_from_the_beginning);
    tcase_add_test(t, twice_in_a_batch);
    tcase_add_test(t, without_a_platform_documents_are_counted);
    tcase_add_test(t, failing_handler_does_not_stall);
    tcase_add_test(t, ninety_seconds_away_lose_nothing);
    tcase_add_test(t, retry_after_is_kept);
    tcase_add_test(t, the_circuit_opens_tries_one_and_closes);
    tcase_add_test(t, posts_under_way_are_bounded_over_all_partitions);
    tcase_add_test(t, a_refused_document_has_its_tries);
    tcase_add_test(t, poison_goes_to_dead_letter);
    tcase_add_test(t, a_dead_letter_that_fails_waits);
    tcase_add_test(t, what_could_not_be_recorded_is_posted_again);
    tcase_add_test(t, nothing_is_posted_before_it_is_known_to_be_new);
    tcase_add_test(t, revoked_in_the_middle);
    tcase_add_test(t, freed_in_the_middle);
    suite_add_tcase(s, t);
    return s;
}
