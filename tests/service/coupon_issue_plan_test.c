/* The planner of coupon requests: the contract's order of checks, redelivery, twins in a batch, a naive model. */
#include "service/coupon_issue_plan.h"

#include <stdio.h>

#include "harness.h"
#include "service_suites.h"

#define NOW_US  INT64_C(1751328000000000)
#define TTL_US  INT64_C(90000000000)
#define LATE_US (NOW_US - TTL_US - 1)

static struct issue_tx_coupon coupons[3];
static struct issue_tx_request requests[600];
static struct issue_tx_fact found[600];
static struct coupon_issue_verdict verdicts[600];
static size_t n;
static int64_t next_id;

static void setup(void)
{
    n = 0;
    next_id = 100;
    memset(found, 0, sizeof found);
    coupons[0] = (struct issue_tx_coupon){1, "하나", 100, 3, 0, true, LATE_US - 10, NOW_US + 1};
    coupons[1] = (struct issue_tx_coupon){2, "둘", 100, 5, 5, true, NOW_US - 10, NOW_US + 1};
    coupons[2] = (struct issue_tx_coupon){3, "셋", 100, 5, 0, false, NOW_US - 10, NOW_US + 1};
}

static int64_t hand_out(void *arg)
{
    return ++next_id;
}

static struct issue_tx_fact *ask(int64_t coupon_id, int64_t user_id, int64_t at_us)
{
    requests[n] = (struct issue_tx_request){coupon_id, user_id, at_us, (int64_t)n + 1};
    found[n] = (struct issue_tx_fact){.user_exists = true, .user_active = true};
    return &found[n++];
}

static const struct issue_tx_facts *facts(void)
{
    static struct issue_tx_facts f;
    f = (struct issue_tx_facts){coupons, ARRAY_LEN(coupons), found};
    return &f;
}

static void plan(void)
{
    coupon_issue_plan(requests, n, facts(), NOW_US, TTL_US, hand_out, NULL, verdicts);
}

static void is(size_t i, const char *word)
{
    const struct coupon_issue_verdict *v = &verdicts[i];
    ck_assert_str_eq(v->success ? "SUCCESS" : refusal_word(v->reason), word);
    ck_assert((v->user_coupon_id != 0) == v->success);
}

START_TEST(checks_come_in_the_contracts_order)
{
    struct issue_tx_fact *f = ask(2, 7, LATE_US); /* everything is wrong */
    f->user_exists = false;
    f->holds_user_coupon_id = 9;
    plan();
    is(0, "COUPON_USER_NOT_FOUND");
    f->user_exists = true;
    f->user_active = false;
    plan();
    is(0, "COUPON_USER_NOT_FOUND");
    f->user_active = true;
    requests[0].coupon_id = 9;
    plan();
    is(0, "COUPON_ALREADY_ISSUED");
    f->holds_user_coupon_id = 0;
    plan();
    is(0, "COUPON_NOT_FOUND");
    requests[0].coupon_id = 2;
    plan();
    is(0, "COUPON_SOLD_OUT");
    requests[0].coupon_id = 3;
    plan();
    is(0, "COUPON_NOT_ISSUABLE");
    requests[0].coupon_id = 1;
    plan();
    is(0, "COUPON_SYSTEM_ERROR"); /* too old */
    requests[0].requested_at_us++;
    plan();
    is(0, "SUCCESS");
}
END_TEST

/* The period is judged at the instant of the request, not of the decision. */
START_TEST(the_period_is_that_of_the_request)
{
    coupons[0].valid_from_us = NOW_US - 100;
    coupons[0].valid_to_us = NOW_US - 50;
    ask(1, 1, NOW_US - 101);
    ask(1, 2, NOW_US - 100);
    ask(1, 3, NOW_US - 51);
    ask(1, 4, NOW_US - 50);
    plan();
    is(0, "COUPON_NOT_ISSUABLE");
    is(1, "SUCCESS");
    is(2, "SUCCESS");
    is(3, "COUPON_NOT_ISSUABLE");
}
END_TEST

START_TEST(first_come_first_served)
{
    for (int i = 0; i < 5; i++)
        ask(1, i + 1, NOW_US);
    plan();
    for (size_t i = 0; i < 5; i++)
        is(i, i < 3 ? "SUCCESS" : "COUPON_SOLD_OUT");
    ck_assert_int_eq(verdicts[0].user_coupon_id, 101);
    ck_assert_int_eq(verdicts[2].user_coupon_id, 103);
    ck_assert_int_eq(next_id, 103);
}
END_TEST

/* A redelivered success stays one, also when the coupon is sold out and the user holds it. */
START_TEST(winner_stays_winner)
{
    struct issue_tx_fact *f = ask(2, 7, NOW_US);
    *f = (struct issue_tx_fact){true, true, 55, true, true, NULL, 55};
    plan();
    is(0, "SUCCESS");
    ck_assert_int_eq(verdicts[0].user_coupon_id, 55);
    ck_assert(!verdicts[0].fresh);
}
END_TEST

START_TEST(a_redelivered_refusal_repeats_its_reason)
{
    *ask(1, 7, NOW_US) = (struct issue_tx_fact){true, true, 0, true, false, "COUPON_SOLD_OUT", 0};
    *ask(1, 8, NOW_US) = (struct issue_tx_fact){true, true, 0, true, false, "A word of a later version", 0};
    *ask(1, 9, NOW_US) = (struct issue_tx_fact){true, true, 0, true, false, NULL, 0};
    plan();
    is(0, "COUPON_SOLD_OUT");
    is(1, "COUPON_SYSTEM_ERROR");
    is(2, "COUPON_SYSTEM_ERROR");
    ck_assert(!verdicts[0].fresh && !verdicts[1].fresh && !verdicts[2].fresh);
}
END_TEST

/* A failed request does not stand in the way of a new one. */
START_TEST(failed_request_can_retry)
{
    *ask(1, 7, NOW_US - 5) = (struct issue_tx_fact){true, true, 0, true, false, "COUPON_SOLD_OUT", 0};
    ask(1, 7, NOW_US);
    plan();
    is(0, "COUPON_SOLD_OUT");
    is(1, "SUCCESS");
}
END_TEST

/* The same message twice is decided once; another request of the same user finds the coupon held. */
START_TEST(twins_in_a_batch)
{
    ask(1, 7, NOW_US);
    ask(1, 8, NOW_US);
    ask(1, 7, NOW_US);
    ask(1, 7, NOW_US + 1);
    ask(1, 7, NOW_US + 1);
    plan();
    is(0, "SUCCESS");
    is(2, "SUCCESS");
    ck_assert_int_eq(verdicts[2].user_coupon_id, verdicts[0].user_coupon_id);
    ck_assert(verdicts[0].fresh && !verdicts[2].fresh);
    is(3, "COUPON_ALREADY_ISSUED");
    is(4, "COUPON_ALREADY_ISSUED");
    ck_assert(verdicts[3].fresh && !verdicts[4].fresh);

    struct issue_tx_decision decisions[5];
    struct issue_tx_count counts[3];
    size_t ndecisions, ncounts;
    coupon_issue_rows(requests, n, facts(), verdicts, decisions, &ndecisions, counts, &ncounts);
    ck_assert_uint_eq(ndecisions, 3);
    ck_assert_int_eq(decisions[0].request.user_id, 7);
    ck_assert_ptr_null(decisions[0].reason);
    ck_assert_int_eq(decisions[1].request.user_id, 8);
    ck_assert_str_eq(decisions[2].reason, "COUPON_ALREADY_ISSUED");
    ck_assert_uint_eq(ncounts, 1);
    ck_assert_int_eq(counts[0].coupon_id, 1);
    ck_assert_int_eq(counts[0].issued, 2);
}
END_TEST

START_TEST(coupons_are_counted_apart)
{
    coupons[1].issued = 4;
    for (int i = 0; i < 6; i++)
        ask(1 + i % 2, 10 + i / 2, NOW_US);
    plan();
    is(0, "SUCCESS");
    is(1, "SUCCESS");
    is(2, "SUCCESS");
    is(3, "COUPON_SOLD_OUT");
    is(4, "SUCCESS");
    is(5, "COUPON_SOLD_OUT");
    struct issue_tx_decision decisions[6];
    struct issue_tx_count counts[3];
    size_t ndecisions, ncounts;
    coupon_issue_rows(requests, n, facts(), verdicts, decisions, &ndecisions, counts, &ncounts);
    ck_assert_uint_eq(ncounts, 2);
    ck_assert_int_eq(counts[0].issued, 3);
    ck_assert_int_eq(counts[1].issued, 1);
}
END_TEST

/* --- against a model ------------------------------------------------------------------------------------------------------------ */

enum {
    MODEL_COUPONS = 3,
    MODEL_USERS = 12,
    MODEL_INSTANTS = 4,
};
struct model {
    int64_t issued[MODEL_COUPONS], max[MODEL_COUPONS];
    bool holds[MODEL_COUPONS][MODEL_USERS];
    const char *decided[MODEL_COUPONS + 1][MODEL_USERS]
                       [MODEL_INSTANTS]; /* NULL: not yet; the last coupon does not exist */
};

static const char *model_decide(struct model *m, int c, int u, int i)
{
    const char **d = &m->decided[c][u][i];
    if (*d)
        return *d;
    if (u == MODEL_USERS - 1)
        *d = "COUPON_USER_NOT_FOUND";
    else if (c == MODEL_COUPONS)
        *d = "COUPON_NOT_FOUND";
    else if (m->holds[c][u])
        *d = "COUPON_ALREADY_ISSUED";
    else if (m->issued[c] >= m->max[c])
        *d = "COUPON_SOLD_OUT";
    else {
        m->issued[c]++;
        m->holds[c][u] = true;
        *d = "SUCCESS";
    }
    return *d;
}

/* Batches one after the other, as redelivery brings them: what one decided the next finds in the facts. */
static void model_round(uint64_t seed)
{
    uint64_t state = seed;
    struct model m = {0};
    for (int c = 0; c < MODEL_COUPONS; c++) {
        m.max[c] = bench_random(&state, 8);
        coupons[c] = (struct issue_tx_coupon){c + 1, "", 100, m.max[c], 0, true, 0, INT64_MAX};
    }
    for (int batch = 0; batch < 4; batch++) {
        n = 0;
        const char *expected[60];
        size_t len = 1 + bench_random(&state, 60);
        for (int c = 0; c < MODEL_COUPONS; c++)
            coupons[c].issued = m.issued[c];
        struct model before = m;
        for (size_t k = 0; k < len; k++) {
            int c = (int)bench_random(&state, MODEL_COUPONS + 1), u = (int)bench_random(&state, MODEL_USERS),
                i = (int)bench_random(&state, MODEL_INSTANTS);
            struct issue_tx_fact *f = ask(c + 1, u + 1, NOW_US + i);
            const char *was = before.decided[c][u][i];
            *f = (struct issue_tx_fact){.user_exists = u != MODEL_USERS - 1,
                                        .user_active = true,
                                        .holds_user_coupon_id =
                                            c < MODEL_COUPONS && before.holds[c][u] ? 1000 + u : 0,
                                        .decided = was,
                                        .success = was && strcmp(was, "SUCCESS") == 0,
                                        .reason = was,
                                        .user_coupon_id = was && strcmp(was, "SUCCESS") == 0 ? 1000 + u : 0};
            expected[k] = model_decide(&m, c, u, i);
        }
        plan();
        for (size_t k = 0; k < len; k++) {
            const struct coupon_issue_verdict *v = &verdicts[k];
            const char *word = v->success ? "SUCCESS" : refusal_word(v->reason);
            ck_assert_msg(strcmp(word, expected[k]) == 0,
                          "RUSHD_SEED=%llu, request %zu: %s, the model says %s", (unsigned long long)seed, k,
                          word, expected[k]);
        }
        struct issue_tx_decision decisions[60];
        struct issue_tx_count counts[MODEL_COUPONS];
        size_t ndecisions, ncounts;
        coupon_issue_rows(requests, n, facts(), verdicts, decisions, &ndecisions, counts, &ncounts);
        for (size_t k = 0; k < ncounts; k++) {
            int c = (int)counts[k].coupon_id - 1;
            ck_assert_msg(before.issued[c] + counts[k].issued == m.issued[c] && m.issued[c] <= m.max[c],
                          "RUSHD_SEED=%llu, coupon %d", (unsigned long long)seed, c);
        }
    }
}

START_TEST(decides_as_the_naive_model_does)
{
    uint64_t seed = bench_seed();
    for (int round = 0; round < 3000; round++)
        model_round(seed + (uint64_t)round);
}
END_TEST

Suite *coupon_issue_plan_suite(void)
{
    Suite *s = suite_create("coupon_issue_plan");
    TCase *t = tcase_create("plan");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, checks_come_in_the_contracts_order);
    tcase_add_test(t, the_period_is_that_of_the_request);
    tcase_add_test(t, first_come_first_served);
    tcase_add_test(t, winner_stays_winner);
    tcase_add_test(t, a_redelivered_refusal_repeats_its_reason);
    tcase_add_test(t, failed_request_can_retry);
    tcase_add_test(t, twins_in_a_batch);
    tcase_add_test(t, coupons_are_counted_apart);
    tcase_add_test(t, decides_as_the_naive_model_does);
    suite_add_tcase(s, t);
    return s;
}
