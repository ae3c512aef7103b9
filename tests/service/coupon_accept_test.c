/* Accepting coupon requests: the contract's order of checks, the durable insert, what fails and what then; status; what other
 * programs read of coupons. */
#include <stdio.h>

#include "base/clock.h"
#include "coupon_harness.h"
#include "service/coupon_info.h"
#include "service_suites.h"
#include "store/coupon_line.h"

struct reply {
    struct bench *bench;
    int times;
    const char *code; /* "202" or the word of a refusal */
    struct coupon_accepted accepted;
};

static struct bench *b;
static struct coupon_cache *cache;
static struct coupon_accept *accept;
static struct user_cache *users;
static struct coupon_config cfg;
static struct reply replies[3000];
static size_t nreplies;

static void begin(bool durable)
{
    b = bench_new();
    for (int i = 1; i <= 2000; i++)
        fake_user_add(b->store, i, 0);
    fake_coupon_add(b->store, 1, 1000, 100);
    cfg = coupon_defaults;
    cfg.durable_accept = durable;
    cache = coupon_cache_new(b->loop, b->store);
    users = user_cache_new(b->loop, b->store);
    accept = coupon_accept_new(b->loop, b->store, users, cache, &cfg);
    memset(replies, 0, sizeof replies);
    nreplies = 0;
}

static void setup(void)
{
    begin(false);
}

static void setup_durable(void)
{
    begin(true);
}

static void teardown(void)
{
    fake_store_close(b->store);
    coupon_accept_free(accept);
    coupon_cache_free(cache);
    user_cache_free(users);
    bench_free(b);
}

static void on_reply(void *arg, const struct coupon_accepted *accepted, const struct refusal *why)
{
    struct reply *r = arg;
    r->times++;
    r->code = accepted ? "202" : refusal_word(why->code);
    ck_assert(!accepted != !why);
    if (accepted)
        r->accepted = *accepted;
    fake_log(r->bench->store, "reply %s", r->code);
}

static size_t ask(int64_t coupon_id, int64_t user_id)
{
    struct reply *r = &replies[nreplies];
    r->bench = b;
    coupon_accept(accept, coupon_id, user_id, on_reply, r);
    ck_assert_int_eq(r->times, 0);
    return nreplies++;
}

static void is(size_t i, const char *code)
{
    ck_assert_msg(replies[i].times == 1, "reply %zu came %d times", i, replies[i].times);
    ck_assert_str_eq(replies[i].code, code);
}

static void asked(int64_t coupon_id, int64_t user_id, const char *code)
{
    size_t i = ask(coupon_id, user_id);
    fake_loop_pass(b->loop, 100);
    is(i, code);
}

/* --- checks ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(checks_come_in_the_contracts_order)
{
    struct fake_coupon *c = fake_coupon_find(b->store, 1);
    fake_user_find(b->store, 7)->active = false;
    fake_line_issue(b->store, 1, 7);
    c->issued = c->max_issuance;
    c->status = "INACTIVE";
    asked(0, 0, "INVALID_COUPON_USER_ID");
    asked(0, 9999, "INVALID_COUPON_ID");
    asked(99, 9999, "COUPON_USER_NOT_FOUND");
    asked(99, 7, "COUPON_USER_NOT_FOUND");
    fake_user_find(b->store, 7)->active = true;
    fake_loop_pass(b->loop, 2000);
    asked(1, 7, "COUPON_ALREADY_ISSUED");
    asked(99, 8, "COUPON_NOT_FOUND");
    asked(1, 8, "COUPON_SOLD_OUT");
    c->issued = 0;
    c->status = "SOLD_OUT";
    fake_loop_pass(b->loop, 2000);
    asked(1, 8, "COUPON_SOLD_OUT");
    c->status = "INACTIVE";
    fake_loop_pass(b->loop, 2000);
    asked(1, 8, "COUPON_NOT_ISSUABLE");
    c->status = "ACTIVE";
    c->valid_from_us = clock_real_us() + 60000000;
    fake_loop_pass(b->loop, 2000);
    asked(1, 8, "COUPON_NOT_ISSUABLE");
    c->valid_from_us = 0;
    c->valid_to_us = clock_real_us();
    fake_loop_pass(b->loop, 2000);
    asked(1, 8, "COUPON_NOT_ISSUABLE");
    c->valid_to_us = clock_real_us() + 60000000;
    fake_loop_pass(b->loop, 2000);
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 0); /* a refused request changes nothing */
    asked(1, 8, "202");
    asked(1, 8, "COUPON_REQUEST_PENDING");
}
END_TEST

START_TEST(accepted_with_ticket_and_place)
{
    for (int i = 1; i <= 5; i++)
        ask(1, i);
    fake_loop_pass(b->loop, 100);
    for (size_t i = 0; i < 5; i++) {
        is(i, "202");
        ck_assert_int_eq(replies[i].accepted.ticket, (int64_t)i + 1);
        ck_assert_int_eq(replies[i].accepted.position, (int64_t)i + 1);
        ck_assert_int_eq(replies[i].accepted.estimated_wait_s, 1);
    }
    ck_assert_int_eq(replies[4].accepted.size, 5);
}
END_TEST

START_TEST(arrival_order_is_total)
{
    for (int i = 0; i < 500; i++)
        ask(1, 500 - i);
    fake_loop_pass(b->loop, 100);
    for (size_t i = 0; i < 500; i++) {
        is(i, "202");
        ck_assert_int_eq(replies[i].accepted.ticket, (int64_t)i + 1); /* without gaps */
    }
}
END_TEST

START_TEST(a_full_line_is_503)
{
    coupon_accept_free(accept);
    cfg.max_waiting = 2;
    accept = coupon_accept_new(b->loop, b->store, users, cache, &cfg);
    asked(1, 1, "202");
    asked(1, 2, "202");
    asked(1, 3, "SERVICE_UNAVAILABLE");
}
END_TEST

/* Beyond the bound a request is refused before it touches anything, and leaves no trace. */
START_TEST(too_many_under_way_are_refused_at_once)
{
    coupon_accept_free(accept);
    cfg.max_accepting = 3;
    cfg.durable_accept = true;
    accept = coupon_accept_new(b->loop, b->store, users, cache, &cfg);
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_HELD, -1); /* PostgreSQL does not answer */
    size_t first = ask(1, 1);
    for (int i = 2; i <= 3; i++)
        ask(1, i);
    fake_loop_settle(b->loop);
    size_t adds = fake_count(b->store, FAKE_LINE_ADD);
    asked(1, 4, "SERVICE_UNAVAILABLE");
    asked(1, 5, "SERVICE_UNAVAILABLE");
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_ADD), adds);
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_OK, 0);
    fake_release(b->store, FAKE_REQUEST_INSERT);
    fake_loop_settle(b->loop);
    for (size_t i = 0; i < 3; i++)
        is(first + i, "202");
    asked(1, 4, "202");
}
END_TEST

START_TEST(services_away_are_503)
{
    fake_fail(b->store, FAKE_USER_READ, FAKE_RETRIABLE, 1);
    asked(1, 1, "SERVICE_UNAVAILABLE");
    fake_loop_pass(b->loop, 2000);
    fake_fail(b->store, FAKE_COUPON_READ, FAKE_RETRIABLE, 1);
    asked(1, 2, "SERVICE_UNAVAILABLE");
    fake_fail(b->store, FAKE_LINE_ADD, FAKE_RETRIABLE, 1);
    asked(1, 3, "SERVICE_UNAVAILABLE");
    fake_fail(b->store, FAKE_LINE_ADD, FAKE_UNKNOWN_LOST, 1);
    asked(1, 4, "OUTCOME_UNKNOWN");
    asked(1, 4, "202");
    fake_fail(b->store, FAKE_LINE_ADD, FAKE_UNKNOWN_DONE, 1);
    asked(1, 5, "OUTCOME_UNKNOWN");
    asked(1, 5, "COUPON_REQUEST_PENDING"); /* it was accepted */
}
END_TEST

/* Decisions rest on a state that is one second old at most, on a told change at once. */
START_TEST(coupon_info_is_fresh)
{
    asked(1, 1, "202");
    fake_coupon_find(b->store, 1)->status = "INACTIVE";
    fake_loop_pass(b->loop, 1000);
    asked(1, 2, "COUPON_NOT_ISSUABLE");
    fake_coupon_find(b->store, 1)->status = "ACTIVE";
    fake_coupon_changed(b->store, 1);
    fake_loop_pass(b->loop, 25);
    asked(1, 3, "202");
    ck_assert_uint_le(fake_count(b->store, FAKE_COUPON_READ), 4);
}
END_TEST

/* Whoever comes again when all are given out costs no question, until the number of those issued is another one or time passes. */
START_TEST(refused_again_without_a_question)
{
    struct fake_coupon *c = fake_coupon_find(b->store, 1);
    c->max_issuance = 1;
    fake_user_coupon_add(b->store, 5, 1, 7);
    fake_line_issue(b->store, 1, 7);
    fake_coupon_changed(b->store, 1);
    fake_loop_pass(b->loop, 100);
    asked(1, 7, "COUPON_ALREADY_ISSUED");
    asked(1, 8, "COUPON_SOLD_OUT");
    size_t adds = fake_count(b->store, FAKE_LINE_ADD);
    for (int i = 0; i < 3; i++) {
        asked(1, 7, "COUPON_ALREADY_ISSUED");
        asked(1, 8, "COUPON_SOLD_OUT");
    }
    fake_loop_pass(b->loop, 5000);
    asked(1, 8, "COUPON_SOLD_OUT");
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_ADD), adds);
    fake_loop_pass(b->loop, 5100);
    asked(1, 8, "COUPON_SOLD_OUT"); /* looked at again */
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_ADD), adds + 1);
    c->max_issuance = 2; /* one more, which he gets */
    fake_user_coupon_add(b->store, 6, 1, 8);
    fake_line_issue(b->store, 1, 8);
    fake_coupon_changed(b->store, 1);
    fake_loop_pass(b->loop, 100);
    asked(1, 8, "COUPON_ALREADY_ISSUED");
    asked(1, 9, "COUPON_SOLD_OUT");
    c->max_issuance = 3;
    fake_coupon_changed(b->store, 1);
    fake_loop_pass(b->loop, 100);
    asked(1, 9, "202");
    asked(99, 8, "COUPON_NOT_FOUND");
}
END_TEST

/* Only a coupon that is given out stays so: one that is closed may be opened at any moment. */
START_TEST(other_refusals_are_looked_at_each_time)
{
    struct fake_coupon *c = fake_coupon_find(b->store, 1);
    c->status = "INACTIVE";
    fake_loop_pass(b->loop, 2000);
    asked(1, 8, "COUPON_NOT_ISSUABLE");
    size_t adds = fake_count(b->store, FAKE_LINE_ADD);
    asked(1, 8, "COUPON_NOT_ISSUABLE");
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_ADD), adds + 1);
}
END_TEST

START_TEST(freed_in_the_middle)
{
    static const enum fake_call calls[] = {FAKE_USER_READ, FAKE_COUPON_READ, FAKE_LINE_ADD,
                                           FAKE_REQUEST_INSERT, FAKE_LINE_CANCEL};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        teardown();
        setup_durable();
        if (calls[i] == FAKE_LINE_CANCEL)
            fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_RETRIABLE, -1);
        fake_fail(b->store, calls[i], FAKE_HELD, -1);
        ask(1, 1);
        fake_loop_pass(b->loop, 50);
        ask(1, 2);
        ask(1, 0);
    }
}
END_TEST

/* --- durable ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(the_row_comes_before_the_202)
{
    asked(1, 1, "202");
    ck_assert_str_eq(fake_log_text(b->store), "add 1 user 1 ticket 1\ninsert 1\nreply 202\n");
    ck_assert_uint_eq(b->store->requests.n, 1);
    ck_assert_int_eq(b->store->requests.at[0].ticket, 1);
}
END_TEST

START_TEST(rows_that_arrive_meanwhile_share_the_next_insert)
{
    fake_delay(b->store, FAKE_REQUEST_INSERT, 20);
    for (int i = 1; i <= 300; i++) {
        ask(1, i);
        if (i % 100 == 0)
            fake_loop_pass(b->loop, 10);
    }
    fake_loop_pass(b->loop, 200);
    for (size_t i = 0; i < 300; i++)
        is(i, "202");
    ck_assert_uint_le(fake_count(b->store, FAKE_REQUEST_INSERT), 3);
    ck_assert_uint_eq(b->store->requests.n, 300);
}
END_TEST

START_TEST(a_certain_failure_gives_the_place_back)
{
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_RETRIABLE, 1);
    size_t first = ask(1, 1), second = ask(1, 2);
    fake_loop_pass(b->loop, 100);
    is(first, "SERVICE_UNAVAILABLE");
    is(second, "SERVICE_UNAVAILABLE");
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 0);
    asked(1, 1, "202");
}
END_TEST

static void on_taken(void *arg, const struct coupon_line_taken *taken, const struct error *e)
{
    ck_assert(!e && taken->n == 1);
}

/* Somebody drains the line before the insert fails: the request is on its way, and nobody may say that it is not. */
START_TEST(on_its_way_already_is_unknown)
{
    fake_delay(b->store, FAKE_REQUEST_INSERT, 50);
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_RETRIABLE, 1);
    size_t i = ask(1, 1);
    fake_loop_pass(b->loop, 40);
    const struct coupon_line_take t = {
        .coupon_id = 1, .owner = "x", .window = 10, .limit = 10, .lease_ms = 5000, .ttl_ms = 90000000};
    coupon_line_take(b->store, &t, on_taken, NULL);
    fake_loop_pass(b->loop, 100);
    is(i, "OUTCOME_UNKNOWN");
}
END_TEST

START_TEST(an_unknown_insert_is_unknown)
{
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_UNKNOWN_LOST, 1);
    asked(1, 1, "OUTCOME_UNKNOWN");
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_RETRIABLE, 1);
    fake_fail(b->store, FAKE_LINE_CANCEL, FAKE_UNKNOWN_LOST, 1);
    asked(1, 2, "OUTCOME_UNKNOWN");
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 2); /* both stay and will be decided */
}
END_TEST

START_TEST(a_bad_row_does_not_take_the_others_along)
{
    fake_user_find(b->store, 13)->refuse_all = "23514";
    for (int i = 1; i <= 50; i++)
        ask(1, i);
    fake_loop_pass(b->loop, 100);
    for (size_t i = 0; i < 50; i++)
        is(i, i == 12 ? "SERVICE_UNAVAILABLE" : "202");
    ck_assert_uint_eq(b->store->requests.n, 49);
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 49);
}
END_TEST

/* Two inserts at most, the second not smaller than the first; each answers for its own rows. */
START_TEST(a_second_insert_runs_beside_the_first)
{
    fake_loop_pass(b->loop, 100);
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_HELD, -1);
    ask(1, 1);
    ask(1, 2);
    fake_loop_pass(b->loop, 10);
    ck_assert_uint_eq(fake_count(b->store, FAKE_REQUEST_INSERT), 1);
    ask(1, 3);
    fake_loop_pass(b->loop, 10);
    ck_assert_uint_eq(fake_count(b->store, FAKE_REQUEST_INSERT), 1);
    ask(1, 4);
    fake_loop_pass(b->loop, 10);
    ck_assert_uint_eq(fake_count(b->store, FAKE_REQUEST_INSERT), 2);
    for (int i = 5; i <= 10; i++)
        ask(1, i);
    fake_loop_pass(b->loop, 10);
    ck_assert_uint_eq(fake_count(b->store, FAKE_REQUEST_INSERT), 2);
    fake_fail(b->store, FAKE_REQUEST_INSERT, FAKE_OK, 0);
    fake_release(b->store, FAKE_REQUEST_INSERT);
    fake_loop_pass(b->loop, 100);
    for (size_t i = 0; i < 10; i++)
        is(i, "202");
    ck_assert_uint_eq(b->store->requests.n, 10);
    ck_assert_uint_le(fake_count(b->store, FAKE_REQUEST_INSERT), 4);
}
END_TEST

START_TEST(who_waits_too_long_for_the_insert_gets_the_place_back)
{
    fake_loop_pass(b->loop, 100);
    fake_delay(b->store, FAKE_REQUEST_INSERT, 5500);
    size_t first = ask(1, 1);
    fake_loop_pass(b->loop, 10);
    size_t beside = ask(1, 4);
    fake_loop_pass(b->loop, 10);
    size_t second = ask(1, 2);
    fake_loop_pass(b->loop, 5000);
    fake_delay(b->store, FAKE_REQUEST_INSERT, 0);
    size_t third = ask(1, 3);
    fake_loop_pass(b->loop, 1000);
    is(first, "202");
    is(beside, "202");
    is(second, "SERVICE_UNAVAILABLE");
    is(third, "202");
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 3);
}
END_TEST

/* --- Redis that lost its data ------------------------------------------------------------------------------------------------------- */

START_TEST(nobody_is_accepted_before_redis_is_whole)
{
    asked(1, 1, "202");
    fake_redis_lost(b->store);
    asked(1, 2, "SERVICE_UNAVAILABLE");
    asked(1, 1, "SERVICE_UNAVAILABLE");
    ck_assert_uint_eq(fake_line_waiting(b->store, 1), 0);
    fake_redis_marked(b->store);
    asked(1, 2, "202");
    fake_redis_restarted(b->store);
    asked(1, 3, "SERVICE_UNAVAILABLE");
    fake_redis_marked(b->store);
    asked(1, 3, "202");
}
END_TEST

/* The rebuild may have read PostgreSQL before the row was there: it would come back behind those who asked later. */
START_TEST(a_row_behind_the_rebuild_is_taken_back)
{
    fake_delay(b->store, FAKE_REQUEST_INSERT, 20);
    size_t early = ask(1, 1);
    fake_loop_pass(b->loop, 5);
    fake_redis_lost(b->store);
    fake_redis_marked(b->store); /* rebuilt while the row was on its way */
    size_t late = ask(1, 2);
    fake_loop_pass(b->loop, 100);
    is(early, "OUTCOME_UNKNOWN");
    is(late, "202");
    ck_assert_uint_eq(b->store->requests.n, 1);
    ck_assert_int_eq(b->store->requests.at[0].user_id, 2);
    /* Not whole yet: the same. */
    early = ask(1, 3);
    fake_loop_pass(b->loop, 5);
    fake_redis_restarted(b->store);
    fake_loop_pass(b->loop, 100);
    is(early, "OUTCOME_UNKNOWN");
    ck_assert_uint_eq(b->store->requests.n, 1);
}
END_TEST

/* Redis cannot tell whether it is still the same. */
START_TEST(an_unseen_mark_is_unknown)
{
    fake_fail(b->store, FAKE_REDIS_MARK, FAKE_RETRIABLE, 1);
    asked(1, 1, "OUTCOME_UNKNOWN");
    ck_assert_uint_eq(b->store->requests.n, 0);
    fake_fail(b->store, FAKE_REDIS_MARK, FAKE_UNKNOWN_LOST, 1);
    fake_fail(b->store, FAKE_REQUEST_WITHDRAW, FAKE_RETRIABLE, 1);
    asked(1, 2, "OUTCOME_UNKNOWN");
    ck_assert_uint_eq(b->store->requests.n, 1);
    /* Decided meanwhile: the decision stays. */
    fake_delay(b->store, FAKE_REDIS_MARK, 20);
    fake_fail(b->store, FAKE_REDIS_MARK, FAKE_RETRIABLE, 1);
    size_t i = ask(1, 3);
    fake_loop_pass(b->loop, 5);
    ck_assert_uint_eq(b->store->requests.n, 2);
    b->store->requests.at[1].decided = true;
    fake_loop_pass(b->loop, 100);
    is(i, "OUTCOME_UNKNOWN");
    ck_assert_uint_eq(b->store->requests.n, 2);
}
END_TEST

/* The set of holders has ended: PostgreSQL tells a holder from somebody who comes too late. */
START_TEST(already_issued_comes_before_sold_out_without_the_set)
{
    struct fake_coupon *c = fake_coupon_find(b->store, 1);
    c->max_issuance = 1;
    fake_user_coupon_add(b->store, 5, 1, 7);
    fake_coupon_changed(b->store, 1);
    asked(1, 7, "COUPON_ALREADY_ISSUED");
    asked(1, 8, "COUPON_SOLD_OUT");
    fake_fail(b->store, FAKE_USER_COUPON_READ, FAKE_RETRIABLE, 1);
    asked(1, 9, "SERVICE_UNAVAILABLE");
    size_t asked_pg = fake_count(b->store, FAKE_USER_COUPON_READ);
    fake_line_issue(b->store, 1, 7);
    fake_loop_pass(b->loop, 11000);
    asked(1, 7, "COUPON_ALREADY_ISSUED");
    asked(1, 8, "COUPON_SOLD_OUT");
    asked(1, 9, "COUPON_SOLD_OUT");
    ck_assert_uint_eq(fake_count(b->store, FAKE_USER_COUPON_READ), asked_pg); /* not on the way of a sale */
}
END_TEST

/* --- status -------------------------------------------------------------------------------------------------------------------------- */

static char standing[300];

static void on_standing(void *arg, const struct coupon_standing *st, const struct refusal *why)
{
    static const char *const words[] = {"PROCESSING", "SUCCESS", "FAILED"};
    ck_assert(!st != !why && !*standing);
    if (!st)
        snprintf(standing, sizeof standing, "%s", refusal_word(why->code));
    else
        snprintf(standing, sizeof standing, "%s %s %s %lld/%lld %lld", words[st->state], st->message,
                 refusal_word(st->reason), (long long)st->position, (long long)st->size,
                 (long long)st->user_coupon_id);
}

static void stands(int64_t coupon_id, int64_t user_id, const char *expected)
{
    *standing = '\0';
    coupon_status(accept, coupon_id, user_id, on_standing, NULL);
    ck_assert_str_eq(standing, "");
    fake_loop_pass(b->loop, 50);
    ck_assert_str_eq(standing, expected);
}

static void request(int64_t user_id, int64_t at, bool decided, const char *reason, int64_t user_coupon_id)
{
    *FAKE_ADD(&b->store->requests) = (struct fake_request){.coupon_id = 1,
                                                           .user_id = user_id,
                                                           .requested_at_us = at,
                                                           .decided = decided,
                                                           .success = user_coupon_id,
                                                           .reason = reason,
                                                           .user_coupon_id = user_coupon_id};
}

static void on_nothing(void *arg, const struct error *e)
{
}

static void result(int64_t user_id, const char *json)
{
    const struct coupon_line_result r = {1, user_id, clock_real_us(), true, json};
    coupon_line_decided(b->store, &r, 1, 1800000, 1800000, on_nothing, NULL);
    fake_loop_settle(b->loop);
}

START_TEST(status_of_unknown_request)
{
    stands(1, 7, "COUPON_REQUEST_NOT_FOUND");
    stands(99, 7, "COUPON_REQUEST_NOT_FOUND");
    stands(1, 99999, "COUPON_REQUEST_NOT_FOUND");
    stands(0, 7, "INVALID_COUPON_ID");
    stands(1, -7, "INVALID_COUPON_USER_ID");
}
END_TEST

/* Result key, else pending record, else coupon_requests, else user_coupons. */
START_TEST(sources_in_the_contracts_order)
{
    fake_user_coupon_add(b->store, 55, 1, 7);
    stands(1, 7, "SUCCESS 쿠폰 발급 완료 - 쿠폰ID: 55  0/0 55");
    request(7, 5, false, NULL, 0);
    stands(1, 7, "PROCESSING 처리 중입니다.  0/0 0");
    request(7, 6, true, "COUPON_SOLD_OUT", 0);
    stands(1, 7, "FAILED 쿠폰이 모두 소진되었습니다. COUPON_SOLD_OUT 0/0 0");
    asked(1, 8, "202");
    asked(1, 7, "202");
    stands(1, 7, "PROCESSING 처리 중입니다.  2/2 0");
    result(7, "{\"success\":true,\"message\":\"쿠폰 발급 완료 - 쿠폰ID: 56\",\"userCouponId\":56}");
    stands(1, 7, "SUCCESS 쿠폰 발급 완료 - 쿠폰ID: 56  0/0 56");
    result(7, "{\"success\":false,\"message\":\"이미 발급받은 쿠폰입니다.\"}");
    stands(1, 7, "FAILED 이미 발급받은 쿠폰입니다. COUPON_ALREADY_ISSUED 0/0 0");
    result(7, "{\"success\":false,\"message\":\"Another program's words\"}");
    stands(1, 7, "FAILED Another program's words  0/0 0");
    result(7, "not a result");
    stands(1, 7, "PROCESSING 처리 중입니다.  2/2 0");
}
END_TEST

START_TEST(status_without_redis)
{
    request(7, 6, true, "A later version's word", 0);
    fake_fail(b->store, FAKE_LINE_STATUS, FAKE_RETRIABLE, -1);
    stands(1, 7, "FAILED 시스템 오류로 발급 실패 COUPON_SYSTEM_ERROR 0/0 0");
    fake_fail(b->store, FAKE_LINE_STATUS, FAKE_UNKNOWN_LOST, -1);
    stands(1, 8, "SERVICE_UNAVAILABLE"); /* Redis may know */
    fake_fail(b->store, FAKE_REQUEST_READ, FAKE_RETRIABLE, -1);
    stands(1, 7, "SERVICE_UNAVAILABLE");
}
END_TEST

/* What is known is told; nobody hears that he never asked before everything is back. */
START_TEST(status_while_redis_is_not_whole)
{
    request(7, 6, false, NULL, 0);
    request(9, 6, true, NULL, 3);
    fake_redis_lost(b->store);
    stands(1, 7, "PROCESSING 처리 중입니다.  0/0 0");
    stands(1, 9, "SUCCESS 쿠폰 발급 완료 - 쿠폰ID: 3  0/0 3");
    stands(1, 8, "SERVICE_UNAVAILABLE");
    result(8,
           "{\"success\":true,\"message\":\"m\",\"userCouponId\":5,\"requestedAt\":\"2026-11-23T18:24:05\","
           "\"processedAt\":\"2026-11-23T18:24:06\"}");
    stands(1, 8, "SUCCESS m  0/0 5");
    fake_redis_marked(b->store);
    stands(1, 10, "COUPON_REQUEST_NOT_FOUND");
}
END_TEST

START_TEST(status_freed_in_the_middle)
{
    *standing = '\0';
    fake_fail(b->store, FAKE_LINE_STATUS, FAKE_HELD, -1);
    coupon_status(accept, 1, 7, on_standing, NULL);
    fake_loop_settle(b->loop);
    teardown();
    setup();
    *standing = '\0';
    coupon_status(accept, 0, 7, on_standing, NULL);
}
END_TEST

/* --- what other programs read --------------------------------------------------------------------------------------------------------- */

static struct coupon_info *info;

static void setup_info(void)
{
    setup();
    fake_coupon_add(b->store, 2, 10, 100);
    info = coupon_info_new(b->loop, b->store, cache);
}

static void teardown_info(void)
{
    fake_store_close(b->store);
    coupon_info_free(info);
    coupon_accept_free(accept);
    coupon_cache_free(cache);
    user_cache_free(users);
    bench_free(b);
}

START_TEST(changed_coupons_are_written)
{
    fake_loop_pass(b->loop, 5000);
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_INFO), 0); /* only with the role */
    coupon_info_run(info, true);
    fake_loop_pass(b->loop, 100);
    ck_assert_str_eq(fake_log_text(b->store), "info 1 ACTIVE 0/1000\ninfo 2 ACTIVE 0/10\n");
    fake_log_clear(b->store);
    fake_coupon_find(b->store, 2)->status = "INACTIVE";
    fake_coupon_changed(b->store, 2);
    fake_loop_pass(b->loop, 100);
    ck_assert_str_eq(fake_log_text(b->store), "info 2 INACTIVE 0/10\n");
    fake_log_clear(b->store);
    fake_coupon_changed(b->store, 2); /* told, but the same */
    fake_loop_pass(b->loop, 100);
    ck_assert_str_eq(fake_log_text(b->store), "");
}
END_TEST

START_TEST(a_write_that_fails_is_repeated)
{
    fake_fail(b->store, FAKE_LINE_INFO, FAKE_RETRIABLE, 5);
    coupon_info_run(info, true);
    fake_loop_pass(b->loop, 10000);
    ck_assert_ptr_nonnull(strstr(fake_log_text(b->store), "info 1 ACTIVE 0/1000\n"));
    ck_assert_ptr_nonnull(strstr(fake_log_text(b->store), "info 2 ACTIVE 0/10\n"));
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_INFO), 7);
    fake_fail(b->store, FAKE_COUPON_READ, FAKE_RETRIABLE, 3); /* and so is a reading, though nobody asks */
    fake_coupon_find(b->store, 1)->issued = 0;
    fake_coupon_find(b->store, 1)->max_issuance = 5;
    fake_coupon_changed(b->store, 1);
    fake_loop_pass(b->loop, 5000);
    ck_assert_ptr_nonnull(strstr(fake_log_text(b->store), "info 1 ACTIVE 0/5\n"));
}
END_TEST

/* However often a coupon changes and however many there are, few writes are under way; the last state is what stays. */
START_TEST(writes_are_bounded)
{
    for (int i = 3; i <= 200; i++)
        fake_coupon_add(b->store, i, 10, 100);
    coupon_info_run(info, true);
    fake_delay(b->store, FAKE_LINE_INFO, 1000);
    fake_loop_pass(b->loop, 50);
    for (int i = 1; i <= 500; i++) {
        fake_coupon_find(b->store, 1)->max_issuance = 1000 + i;
        fake_coupon_changed(b->store, 1);
        fake_loop_pass(b->loop, 10);
        ck_assert_uint_le(fake_running(b->store, FAKE_LINE_INFO), 16);
    }
    ck_assert_uint_le(fake_count(b->store, FAKE_LINE_INFO), 16 * 6);
    fake_loop_pass(b->loop, 60000);
    ck_assert_uint_le(fake_count(b->store, FAKE_LINE_INFO), 200 + 20);
    const char *last = NULL, *at = fake_log_text(b->store);
    while ((at = strstr(at, "info 1 ")))
        last = at++;
    ck_assert(last && strncmp(last, "info 1 ACTIVE 0/1500\n", 21) == 0);
}
END_TEST

START_TEST(keys_are_written_again_before_they_end)
{
    coupon_info_run(info, true);
    fake_loop_pass(b->loop, 100);
    fake_loop_pass(b->loop, INT64_C(13) * 3600 * 1000);
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_INFO), 4);
    coupon_info_run(info, false);
    fake_loop_pass(b->loop, INT64_C(13) * 3600 * 1000);
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_INFO), 4);
    coupon_info_run(info, true);
    fake_loop_pass(b->loop, 100);
    ck_assert_uint_eq(fake_count(b->store, FAKE_LINE_INFO), 6);
}
END_TEST

START_TEST(info_freed_in_the_middle)
{
    coupon_info_run(info, true);
    fake_fail(b->store, FAKE_LINE_INFO, FAKE_HELD, -1);
    fake_loop_pass(b->loop, 100);
    ck_assert_uint_eq(fake_running(b->store, FAKE_LINE_INFO), 2);
}
END_TEST

Suite *coupon_accept_suite(void)
{
    Suite *s = suite_create("coupon_accept");
    TCase *t = tcase_create("accept");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, checks_come_in_the_contracts_order);
    tcase_add_test(t, accepted_with_ticket_and_place);
    tcase_add_test(t, arrival_order_is_total);
    tcase_add_test(t, a_full_line_is_503);
    tcase_add_test(t, too_many_under_way_are_refused_at_once);
    tcase_add_test(t, services_away_are_503);
    tcase_add_test(t, coupon_info_is_fresh);
    tcase_add_test(t, refused_again_without_a_question);
    tcase_add_test(t, other_refusals_are_looked_at_each_time);
    tcase_add_test(t, freed_in_the_middle);
    tcase_add_test(t, status_of_unknown_request);
    tcase_add_test(t, sources_in_the_contracts_order);
    tcase_add_test(t, status_without_redis);
    tcase_add_test(t, status_while_redis_is_not_whole);
    tcase_add_test(t, already_issued_comes_before_sold_out_without_the_set);
    tcase_add_test(t, status_freed_in_the_middle);
    suite_add_tcase(s, t);
    TCase *durable = tcase_create("durable");
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_add_test(durable, the_row_comes_before_the_202);
    tcase_add_test(durable, rows_that_arrive_meanwhile_share_the_next_insert);
    tcase_add_test(durable, a_certain_failure_gives_the_place_back);
    tcase_add_test(durable, on_its_way_already_is_unknown);
    tcase_add_test(durable, an_unknown_insert_is_unknown);
    tcase_add_test(durable, a_bad_row_does_not_take_the_others_along);
    tcase_add_test(durable, a_second_insert_runs_beside_the_first);
    tcase_add_test(durable, who_waits_too_long_for_the_insert_gets_the_place_back);
    tcase_add_test(durable, nobody_is_accepted_before_redis_is_whole);
    tcase_add_test(durable, a_row_behind_the_rebuild_is_taken_back);
    tcase_add_test(durable, an_unseen_mark_is_unknown);
    suite_add_tcase(s, durable);
    TCase *i = tcase_create("info");
    tcase_add_checked_fixture(i, setup_info, teardown_info);
    tcase_add_test(i, changed_coupons_are_written);
    tcase_add_test(i, a_write_that_fails_is_repeated);
    tcase_add_test(i, writes_are_bounded);
    tcase_add_test(i, keys_are_written_again_before_they_end);
    tcase_add_test(i, info_freed_in_the_middle);
    suite_add_tcase(s, i);
    return s;
}
