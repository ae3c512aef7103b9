/* Deciding coupon requests: the order of acts, redelivery, what fails and what then, partitions that move between nodes. */
#include <stdio.h>

#include "base/clock.h"
#include "coupon_harness.h"
#include "service_suites.h"

#define AT FAKE_LOOP_EPOCH_US

static struct bench *b;
static struct fake_partition *part;
static struct fake_letters *letters;
static struct coupon_issue *issue;

static void setup(void)
{
    b = bench_new();
    part = fake_partition_new(b->loop, b->store, COUPON_TOPIC, 500);
    letters = fake_letters_new(b->loop, b->store);
    issue = coupon_issue_new(b->loop, b->store, fake_partition_source(part), fake_letters_port(letters),
                             &coupon_defaults);
    fake_partition_start(part, coupon_issue_handler(issue));
    for (int i = 1; i <= 30; i++)
        fake_user_add(b->store, i, 0);
    fake_coupon_add(b->store, 1, 3, 100);
    fake_coupon_add(b->store, 2, 1000, 100);
}

static void teardown(void)
{
    fake_letters_free(letters);
    fake_store_close(b->store);
    coupon_issue_free(issue);
    fake_partition_free(part);
    bench_free(b);
}

static void run(int64_t ms)
{
    ck_assert_msg(loop_run_until(b->loop, fake_partition_idle, part, ms), "at offset %zu of %zu",
                  part->position, part->records.n);
    ck_assert_uint_eq(coupon_issue_running(issue), 0);
}

static void is(int64_t user_id, int64_t at_us, const char *outcome)
{
    ck_assert_str_eq(coupon_outcome(b->store, 1, user_id, at_us), outcome);
}

static void result_has(int64_t user_id, const char *text)
{
    const char *json = fake_line_result(b->store, 1, user_id);
    ck_assert_msg(json && strstr(json, text), "the result of %lld is %s", (long long)user_id,
                  json ? json : "missing");
}

START_TEST(result_is_stored)
{
    for (int i = 1; i <= 5; i++)
        coupon_message(part, 1, i, AT, i);
    run(100);
    for (int i = 1; i <= 5; i++)
        is(i, AT, i <= 3 ? "SUCCESS" : "COUPON_SOLD_OUT");
    char text[200];
    snprintf(text, sizeof text,
             "{\"success\":true,\"message\":\"쿠폰 발급 완료 - 쿠폰ID: %lld\",\"userCouponId\":%lld,",
             (long long)b->store->user_coupons.at[0].id, (long long)b->store->user_coupons.at[0].id);
    result_has(1, text);
    result_has(5, "{\"success\":false,\"message\":\"쿠폰이 모두 "
                  "소진되었습니다.\",\"userCouponId\":null,\"requestedAt\":\"");
    ck_assert(fake_line_issued(b->store, 1, 3));
    ck_assert(!fake_line_issued(b->store, 1, 4));
}
END_TEST

START_TEST(decision_then_result_then_offset)
{
    coupon_message(part, 1, 1, AT, 1);
    coupon_message(part, 1, 2, AT, 2);
    run(100);
    ck_assert_str_eq(fake_log_text(b->store), "decisions 2\nnext\ndecided 1 2\noffset 2\n");
}
END_TEST

START_TEST(issue_keeps_pace)
{
    for (int i = 0; i < 4000; i++)
        coupon_message(part, 2, 1 + i % 30, AT + i, i + 1);
    run(1000);
    ck_assert_uint_eq(fake_count(b->store, FAKE_ISSUE_COMMIT), 8);
    ck_assert_int_eq(fake_coupon_find(b->store, 2)->issued, 30);
}
END_TEST

START_TEST(winner_stays_winner)
{
    for (int i = 1; i <= 5; i++)
        coupon_message(part, 1, i, AT, i);
    run(100);
    fake_redis_lost(b->store);
    for (int round = 0; round < 3; round++) {
        fake_partition_seek(part, round);
        run(1000);
    }
    ck_assert_int_eq(b->store->decisions, 5);
    for (int i = 1; i <= 5; i++)
        is(i, AT, i <= 3 ? "SUCCESS" : "COUPON_SOLD_OUT");
    result_has(1, "\"success\":true"); /* repeated to a Redis that had lost it */
    result_has(4, "소진");
    ck_assert(fake_line_issued(b->store, 1, 1));
}
END_TEST

START_TEST(failed_request_can_retry)
{
    for (int i = 1; i <= 4; i++)
        coupon_message(part, 1, i, AT, i);
    run(100);
    is(4, AT, "COUPON_SOLD_OUT");
    fake_coupon_find(b->store, 1)->max_issuance = 4;
    coupon_message(part, 1, 4, AT + 5, 5);
    run(100);
    is(4, AT + 5, "SUCCESS");
    result_has(4, "\"success\":true");
    fake_partition_seek(part, 0); /* the old failure comes again: it must not cover the success */
    run(100);
    result_has(4, "\"success\":true");
}
END_TEST

static void on_stored(void *arg, const struct error *e)
{
    ck_assert(!e || e->kind == ERROR_NONE);
}

static int64_t booked(int64_t user_id)
{
    return fake_request_find(b->store, 1, user_id, AT)->ticket;
}

/* A number that only a message knows may have been given again after a loss of Redis: with a durable accept it is booked with the
 * row that comes before the 202, whichever is written first. */
START_TEST(a_number_comes_with_its_own_row)
{
    coupon_message(part, 1, 1, AT, 7);
    run(100);
    ck_assert_int_eq(booked(1), 7);
    coupon_issue_free(issue);
    struct coupon_config cfg = coupon_defaults;
    cfg.durable_accept = true;
    issue =
        coupon_issue_new(b->loop, b->store, fake_partition_source(part), fake_letters_port(letters), &cfg);
    fake_partition_start(part, coupon_issue_handler(issue));
    coupon_message(part, 1, 2, AT, 8);
    run(100);
    is(2, AT, "SUCCESS");
    ck_assert_int_eq(booked(2), 0);
    const struct coupon_request_row row = {.coupon_id = 1, .user_id = 2, .requested_at_us = AT, .ticket = 8};
    coupon_request_insert(b->store, &row, 1, 1000, on_stored, NULL);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(booked(2), 8);
    is(2, AT, "SUCCESS");
    coupon_request_withdraw(b->store, &row, 1, 1000, on_stored, NULL);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(booked(2), 0);
    is(2, AT, "SUCCESS");
}
END_TEST

START_TEST(unknown_users_and_coupons_are_decided_at_once)
{
    coupon_message(part, 1, 99, AT, 1);
    coupon_message(part, 9, 1, AT, 1);
    fake_user_find(b->store, 2)->active = false;
    coupon_message(part, 1, 2, AT, 2);
    run(100);
    is(99, AT, "COUPON_USER_NOT_FOUND");
    is(2, AT, "COUPON_USER_NOT_FOUND");
    ck_assert_str_eq(coupon_outcome(b->store, 9, 1, AT), "COUPON_NOT_FOUND");
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

START_TEST(too_old_is_failed)
{
    fake_coupon_find(b->store, 1)->valid_from_us = 0;
    coupon_message(part, 1, 1, clock_real_us() - coupon_defaults.ttl_ms * 1000 - 1, 1);
    run(100);
    result_has(1, "시스템 오류로 발급 실패");
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

/* Another program's message has no requestedAt: the time of the message stands for it, also when it comes again. */
START_TEST(the_timestamp_is_an_identity)
{
    fake_partition_add(part, "1",
                       "{\"couponId\":1,\"userId\":7,\"maxIssuanceCount\":100,\"discountAmount\":1000}");
    int64_t at = part->records.at[0].timestamp_ms * 1000;
    run(100);
    is(7, at, "SUCCESS");
    fake_partition_seek(part, 0);
    run(100);
    ck_assert_int_eq(b->store->decisions, 1);
}
END_TEST

START_TEST(poison_goes_to_dead_letter)
{
    coupon_message(part, 1, 1, AT, 1);
    fake_partition_add(part, "1", "{\"couponId\":\"one\"}");
    coupon_message(part, 1, 2, AT, 2);
    fake_partition_add(part, "1", NULL);
    coupon_message(part, 1, 3, AT, 3);
    letters->failures = 2;
    run(10000);
    is(1, AT, "SUCCESS");
    is(2, AT, "SUCCESS");
    is(3, AT, "SUCCESS");
    ck_assert_uint_eq(letters->letters.n, 2);
    ck_assert_int_eq(letters->letters.at[0].offset, 1);
    ck_assert_ptr_nonnull(strstr(letters->letters.at[0].exception, "DeserializationException"));
    ck_assert_str_eq(letters->letters.at[1].reason, "the message has no value");
    ck_assert_int_eq(part->attempt, 0);
}
END_TEST

/* --- services away ------------------------------------------------------------------------------------------------------------------ */

START_TEST(postgresql_away_uses_no_try)
{
    fake_fail(b->store, FAKE_ISSUE_LOCK, FAKE_RETRIABLE, -1);
    coupon_message(part, 1, 1, AT, 1);
    fake_loop_pass(b->loop, 90000);
    ck_assert_int_eq(part->outcome, EVENT_WAIT);
    ck_assert_int_eq(part->attempt, 0);
    fake_fail(b->store, FAKE_ISSUE_LOCK, FAKE_OK, 0);
    fake_fail_code(b->store, FAKE_ISSUE_COMMIT, FAKE_RETRIABLE, "40P01", 3);
    fake_fail(b->store, FAKE_IDS, FAKE_RETRIABLE, 3);
    run(20000);
    is(1, AT, "SUCCESS");
    ck_assert_uint_eq(letters->letters.n, 0);
}
END_TEST

START_TEST(a_transaction_that_hangs_is_begun_anew)
{
    fake_fail(b->store, FAKE_ISSUE_LOCK, FAKE_HELD, 1);
    coupon_message(part, 1, 1, AT, 1);
    run(11000);
    is(1, AT, "SUCCESS");
}
END_TEST

START_TEST(an_unknown_outcome_is_looked_up)
{
    fake_fail(b->store, FAKE_ISSUE_COMMIT, FAKE_UNKNOWN_DONE, 1);
    coupon_message(part, 1, 1, AT, 1);
    run(1000);
    fake_fail(b->store, FAKE_ISSUE_COMMIT, FAKE_UNKNOWN_LOST, 1);
    coupon_message(part, 1, 2, AT, 2);
    run(1000);
    is(1, AT, "SUCCESS");
    is(2, AT, "SUCCESS");
    ck_assert_int_eq(b->store->decisions, 2);
    result_has(1, "\"success\":true");
    result_has(2, "\"success\":true");
}
END_TEST

START_TEST(redis_away_holds_the_offset)
{
    fake_fail(b->store, FAKE_LINE_DECIDED, FAKE_RETRIABLE, 5);
    coupon_message(part, 1, 1, AT, 1);
    run(5000);
    ck_assert_str_eq(fake_log_text(b->store),
                     "decisions 1\nnext\nnext\nnext\nnext\nnext\nnext\ndecided 1 1\noffset 1\n");
    ck_assert_int_eq(b->store->decisions, 1);
    fake_fail(b->store, FAKE_LINE_DECIDED, FAKE_UNKNOWN_LOST, 2);
    coupon_message(part, 1, 2, AT, 2);
    run(5000);
    result_has(2, "\"success\":true");
}
END_TEST

/* --- what the database refuses -------------------------------------------------------------------------------------------------------- */

START_TEST(failing_handler_does_not_stall)
{
    fake_user_find(b->store, 4)->refuse = "23514";
    for (int i = 1; i <= 9; i++)
        coupon_message(part, 2, i, AT, i);
    run(60000);
    for (int i = 1; i <= 9; i++)
        ck_assert_str_eq(coupon_outcome(b->store, 2, i, AT), i == 4 ? "COUPON_SYSTEM_ERROR" : "SUCCESS");
    for (size_t i = 0; i < 9; i++) /* in their order */
        ck_assert_int_eq(b->store->requests.at[i].user_id, (int64_t)i + 1);
    ck_assert_uint_eq(letters->letters.n, 1);
    ck_assert_int_eq(letters->letters.at[0].offset, 3);
    ck_assert_ptr_nonnull(strstr(letters->letters.at[0].exception, "ListenerExecutionFailedException"));
    ck_assert_int_eq(part->attempt, 0);
    const char *json = fake_line_result(b->store, 2, 4);
    ck_assert(json && strstr(json, "시스템 오류로 발급 실패"));
    /* The order of acts of a dead letter. */
    ck_assert_ptr_nonnull(
        strstr(fake_log_text(b->store), "decisions 1\ndead letter 3\ndecided 2 1\noffset 4\n"));
}
END_TEST

/* Pauses of the partition between now and its end, in ms. */
struct pauses {
    const struct fake_partition *part;
    size_t seen, n;
    int64_t at[40];
};

static bool ended_noting_pauses(void *arg)
{
    struct pauses *p = arg;
    if (p->part->dones > p->seen && p->part->outcome != EVENT_DONE && p->n < ARRAY_LEN(p->at))
        p->at[p->n++] = p->part->delay_ms;
    p->seen = p->part->dones;
    return fake_partition_idle((void *)(uintptr_t)p->part);
}

/* n pauses, each about double the one before, up to the cap; a quarter is random. */
static void check_growth(const struct pauses *p, size_t n)
{
    int64_t usual = coupon_defaults.backoff_ms;
    ck_assert_uint_eq(p->n, n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(p->at[i] >= usual - usual / 4 && p->at[i] <= usual + usual / 4, "pause %zu is %lld", i,
                      (long long)p->at[i]);
        usual = usual * 2 < coupon_defaults.backoff_max_ms ? usual * 2 : coupon_defaults.backoff_max_ms;
    }
}

/* The pauses grow to their cap, and meanwhile the other partitions of the handler are worked on. */
START_TEST(failing_partition_backs_off_alone)
{
    struct fake_partition *other = fake_partition_join(part);
    struct pauses pauses = {.part = part};
    fake_user_find(b->store, 4)->refuse = "23514";
    coupon_message(part, 1, 4, AT, 1);
    fake_loop_settle(b->loop);
    for (int i = 5; i <= 24; i++) {
        ended_noting_pauses(&pauses);
        coupon_message(other, 2, i, AT, i);
        ck_assert(loop_run_until(b->loop, fake_partition_idle, other, 10));
    }
    ck_assert(!fake_partition_idle(part)); /* it still has its tries */
    ck_assert(loop_run_until(b->loop, ended_noting_pauses, &pauses, 200000));
    check_growth(&pauses, (size_t)coupon_defaults.attempts - 1);
    is(4, AT, "COUPON_SYSTEM_ERROR");
    ck_assert_int_eq(fake_coupon_find(b->store, 2)->issued, 20);
}
END_TEST

/* A service that is away uses up no try, but is not asked ten times a second for ever. */
START_TEST(waiting_backs_off_to_the_cap)
{
    struct pauses pauses = {.part = part};
    fake_fail(b->store, FAKE_LINE_DECIDED, FAKE_RETRIABLE, 12);
    coupon_message(part, 1, 1, AT, 1);
    ck_assert(loop_run_until(b->loop, ended_noting_pauses, &pauses, 500000));
    check_growth(&pauses, 12);
    ck_assert_uint_eq(letters->letters.n, 0);
    pauses.n = 0;
    fake_fail(b->store, FAKE_LINE_DECIDED, FAKE_RETRIABLE, 2); /* and begins anew after a success */
    coupon_message(part, 1, 2, AT, 2);
    ck_assert(loop_run_until(b->loop, ended_noting_pauses, &pauses, 500000));
    check_growth(&pauses, 2);
}
END_TEST

/* The decision row is there, the broker away: the dead letter is still owed, and nothing comes before it. */
START_TEST(a_dead_letter_is_owed_until_it_is_put)
{
    fake_user_find(b->store, 4)->refuse = "22003";
    letters->failures = 20;
    coupon_message(part, 1, 4, AT, 1);
    coupon_message(part, 1, 5, AT, 2);
    run(120000);
    is(4, AT, "COUPON_SYSTEM_ERROR");
    is(5, AT, "SUCCESS");
    ck_assert_uint_eq(letters->letters.n, 1);
    ck_assert_str_eq(
        fake_log_text(b->store),
        "decisions 1\ndead letter 0\ndecided 1 1\noffset 1\ndecisions 1\nnext\ndecided 1 1\noffset 2\n");
    fake_partition_seek(part, 0); /* and is not put again by a replay */
    run(1000);
    ck_assert_uint_eq(letters->letters.n, 1);
}
END_TEST

START_TEST(not_even_failed_can_be_written)
{
    fake_user_find(b->store, 4)->refuse_all = "22008";
    coupon_message(part, 1, 4, AT, 1);
    coupon_message(part, 1, 5, AT, 2);
    run(60000);
    is(4, AT, "-");
    is(5, AT, "SUCCESS");
    ck_assert_uint_eq(letters->letters.n, 1);
    result_has(4, "시스템 오류로 발급 실패");
}
END_TEST

/* A row count other than planned: somebody else decides, and the next look finds it. */
START_TEST(a_wrong_row_count_is_looked_at_again)
{
    fake_fail(b->store, FAKE_ISSUE_COMMIT, FAKE_BUG, 12);
    for (int i = 1; i <= 3; i++)
        coupon_message(part, 1, i, AT, i);
    run(60000);
    ck_assert_int_eq(b->store->decisions, 3);
}
END_TEST

/* --- partitions ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(ids_are_taken_by_another_partition_meanwhile)
{
    b->store->ids_block = 1;
    struct fake_partition *other = fake_partition_join(part);
    for (int i = 1; i <= 10; i++) {
        coupon_message(part, 1, i, AT, i);
        coupon_message(other, 2, i, AT, i);
    }
    run(1000);
    ck_assert(loop_run_until(b->loop, fake_partition_idle, other, 1000));
    ck_assert_int_eq(fake_coupon_find(b->store, 1)->issued, 3);
    ck_assert_int_eq(fake_coupon_find(b->store, 2)->issued, 10);
    ck_assert_uint_gt(fake_count(b->store, FAKE_IDS), 2);
}
END_TEST

START_TEST(revoked_in_the_middle)
{
    fake_fail(b->store, FAKE_ISSUE_COMMIT, FAKE_HELD, 1);
    coupon_message(part, 1, 1, AT, 1);
    fake_loop_settle(b->loop);
    part->stopped = true;
    fake_partition_revoke(part);
    fake_release(b->store, FAKE_ISSUE_COMMIT);
    fake_loop_settle(b->loop);
    is(1, AT, "SUCCESS"); /* the effect is durable, and its result welcome */
    result_has(1, "\"success\":true");
    ck_assert_uint_eq(part->position, 0);
    part->stopped = false; /* the next owner reads it again */
    fake_partition_seek(part, 0);
    run(1000);
    ck_assert_int_eq(b->store->decisions, 1);
}
END_TEST

START_TEST(freed_in_the_middle)
{
    static const enum fake_call calls[] = {FAKE_IDS, FAKE_ISSUE_LOCK, FAKE_ISSUE_COMMIT, FAKE_LINE_DECIDED};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        fake_fail(b->store, calls[i], FAKE_HELD, 1);
        coupon_message(part, 1, 1, AT, 1);
        fake_loop_settle(b->loop);
        teardown();
        setup();
    }
    letters->holding = true;
    fake_partition_add(part, "1", "x");
    fake_loop_settle(b->loop);
}
END_TEST

/* --- everything at once ------------------------------------------------------------------------------------------------------------------ */

struct chaos {
    uint64_t state;
};

static struct fake_fate fate_of(void *arg, enum fake_call call)
{
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST};
    struct chaos *c = arg;
    struct fake_fate fate = {.delay_ms = bench_random(&c->state, 40)};
    if (bench_random(&c->state, 5) == 0) {
        bool may_be_lost = call == FAKE_ISSUE_COMMIT || call >= FAKE_REDIS;
        fate.outcome = outcomes[may_be_lost ? bench_random(&c->state, 3) : 0];
    }
    return fate;
}

#define MESSAGES 300

/* A partition that wanders between two nodes, also in the middle of batches, while everything fails at times. */
static void chaos_round(uint64_t seed)
{
    struct chaos chaos = {seed};
    bench_seed_random(&chaos.state);
    setup();
    fake_coupon_find(b->store, 1)->max_issuance = 1 + bench_random(&chaos.state, 12);
    fake_coupon_find(b->store, 2)->max_issuance = 1 + bench_random(&chaos.state, 40);
    struct fake_partition *parts[2] = {part, fake_partition_new(b->loop, b->store, COUPON_TOPIC, 500)};
    struct coupon_issue *flows[2] = {issue,
                                     coupon_issue_new(b->loop, b->store, fake_partition_source(parts[1]),
                                                      fake_letters_port(letters), &coupon_defaults)};
    parts[0]->batch_max = parts[1]->batch_max = 1 + bench_random(&chaos.state, 20);
    parts[1]->stopped = true;
    fake_partition_start(parts[1], coupon_issue_handler(flows[1]));
    struct {
        int64_t coupon, user, at;
    } asked[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        unsigned again = i ? bench_random(&chaos.state, 4) : 1;
        int from = i ? (int)bench_random(&chaos.state, (unsigned)i) : 0;
        asked[i].coupon = again == 0 ? asked[from].coupon : 1 + bench_random(&chaos.state, 2);
        asked[i].user = again == 0 ? asked[from].user : 1 + bench_random(&chaos.state, 30);
        asked[i].at = again == 0 ? asked[from].at : AT + i;
        for (int k = 0; k < 2; k++)
            coupon_message(parts[k], asked[i].coupon, asked[i].user, asked[i].at, 0);
    }
    fake_decide_by(b->store, fate_of, &chaos);
    int active = 0;
    for (int step = 0; step < 400; step++) {
        fake_loop_pass(b->loop, bench_random(&chaos.state, 60));
        letters->failures = bench_random(&chaos.state, 2) ? 1 : 0;
        if (bench_random(&chaos.state, 10) || parts[1 - active]->out)
            continue;
        parts[active]->stopped = true;
        fake_partition_revoke(parts[active]);
        active = 1 - active;
        parts[active]->stopped = false;
        fake_partition_seek(parts[active], parts[1 - active]->position);
    }
    fake_decide_by(b->store, NULL, NULL);
    letters->failures = 0;
    ck_assert(loop_run_until(b->loop, fake_partition_idle, parts[active], 60000));
    fake_loop_pass(b->loop, 20000);
    /* Each request has one decision, made in the order of the first messages; what Redis tells is what PostgreSQL has. */
    int64_t last[3] = {0};
    for (int i = 0; i < MESSAGES; i++) {
        const struct fake_request *r =
            fake_request_find(b->store, asked[i].coupon, asked[i].user, asked[i].at);
        bool first = true;
        for (int k = 0; k < i; k++)
            first = first && !(asked[k].coupon == asked[i].coupon && asked[k].user == asked[i].user &&
                               asked[k].at == asked[i].at);
        ck_assert_msg(r && r->decided, "RUSHD_SEED=%llu: request %d has no decision",
                      (unsigned long long)seed, i);
        if (first)
            ck_assert_msg(r->decision > last[r->coupon_id], "RUSHD_SEED=%llu: request %d out of order",
                          (unsigned long long)seed, i);
        if (first)
            last[r->coupon_id] = r->decision;
        if (r->success) {
            const char *json = fake_line_result(b->store, r->coupon_id, r->user_id);
            ck_assert_msg(json && strstr(json, "\"success\":true") &&
                              fake_line_issued(b->store, r->coupon_id, r->user_id),
                          "RUSHD_SEED=%llu: the winner %d is not told", (unsigned long long)seed, i);
        }
    }
    ck_assert_msg(fake_store_sound(b->store) && !letters->letters.n, "RUSHD_SEED=%llu",
                  (unsigned long long)seed);
    part = parts[0];
    fake_letters_free(letters);
    fake_store_close(b->store);
    coupon_issue_free(flows[0]);
    coupon_issue_free(flows[1]);
    fake_partition_free(parts[0]);
    fake_partition_free(parts[1]);
    bench_free(b);
    bench_seed_random(NULL);
}

START_TEST(random_faults_keep_every_promise)
{
    uint64_t seed = bench_seed();
    for (int round = 0; round < 30; round++)
        chaos_round(seed + (uint64_t)round);
}
END_TEST

Suite *coupon_issue_suite(void)
{
    Suite *s = suite_create("coupon_issue");
    TCase *t = tcase_create("flow");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, result_is_stored);
    tcase_add_test(t, decision_then_result_then_offset);
    tcase_add_test(t, issue_keeps_pace);
    tcase_add_test(t, winner_stays_winner);
    tcase_add_test(t, failed_request_can_retry);
    tcase_add_test(t, a_number_comes_with_its_own_row);
    tcase_add_test(t, unknown_users_and_coupons_are_decided_at_once);
    tcase_add_test(t, too_old_is_failed);
    tcase_add_test(t, the_timestamp_is_an_identity);
    tcase_add_test(t, poison_goes_to_dead_letter);
    tcase_add_test(t, postgresql_away_uses_no_try);
    tcase_add_test(t, a_transaction_that_hangs_is_begun_anew);
    tcase_add_test(t, an_unknown_outcome_is_looked_up);
    tcase_add_test(t, redis_away_holds_the_offset);
    tcase_add_test(t, failing_handler_does_not_stall);
    tcase_add_test(t, failing_partition_backs_off_alone);
    tcase_add_test(t, waiting_backs_off_to_the_cap);
    tcase_add_test(t, a_dead_letter_is_owed_until_it_is_put);
    tcase_add_test(t, not_even_failed_can_be_written);
    tcase_add_test(t, a_wrong_row_count_is_looked_at_again);
    tcase_add_test(t, ids_are_taken_by_another_partition_meanwhile);
    tcase_add_test(t, revoked_in_the_middle);
    tcase_add_test(t, freed_in_the_middle);
    suite_add_tcase(s, t);
    TCase *chaos = tcase_create("chaos");
    tcase_add_test(chaos, random_faults_keep_every_promise);
    suite_add_tcase(s, chaos);
    return s;
}
