/* Random calls of two owners with crashes, lost replies, take-overs and a Redis that is lost, against a simple model.
 *
 * The model says for every call what it must answer: each member is in one place, in line order. RUSHD_TEST_SEED repeats a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "store/rebuild.h"

#define USERS    30
#define REQUESTS 4000
#define RUNS     12
#define STEPS    350
#define SMALL    12 /* window */
#define LIMIT    7

enum place {
    IN_LINE,
    TAKEN,
    PUBLISHED,
    DONE, /* decided and removed, or lost with Redis */
};

struct request {
    int64_t user, at, ticket; /* at 0: of another program, not taken yet */
    double score;
    enum place place;
    int64_t epoch;
    bool own; /* promised a decision */
    bool sent, decided, success;
};

struct owner {
    const char *name;
    int64_t epoch;            /* it believes to hold; 0: none */
    size_t held[REQUESTS], n; /* without a report */
};

static struct request requests[REQUESTS];
static size_t nrequests;
static struct owner owners[2];
static const struct owner *lease; /* NULL: nobody's */
static int64_t lease_epoch, epochs, tickets, last_at;
static bool issued[USERS + 1];
static uint64_t seed;

static uint64_t draw(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % bound;
}

/* --- the model --- */

static struct request *active(int64_t user)
{
    for (size_t i = nrequests; i-- > 0;)
        if (requests[i].user == user && requests[i].place != DONE)
            return &requests[i];
    return NULL;
}

static bool before(const struct request *a, const struct request *b)
{
    char x[24], y[24];
    if (a->score != b->score)
        return a->score < b->score;
    snprintf(x, sizeof x, "%lld", (long long)a->user);
    snprintf(y, sizeof y, "%lld", (long long)b->user);
    return strcmp(x, y) < 0;
}

/* Those in this place, in line order. */
static size_t ordered(enum place first, enum place last, size_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < nrequests; i++) {
        if (requests[i].place < first || requests[i].place > last)
            continue;
        size_t k = n++;
        for (; k && before(&requests[i], &requests[out[k - 1]]); k--)
            out[k] = out[k - 1];
        out[k] = i;
    }
    return n;
}

static size_t count(enum place first, enum place last)
{
    size_t n = 0;
    for (size_t i = 0; i < nrequests; i++)
        n += requests[i].place >= first && requests[i].place <= last;
    return n;
}

static struct request *request_new(int64_t user)
{
    ck_assert_uint_lt(nrequests, REQUESTS);
    struct request *r = &requests[nrequests++];
    *r = (struct request){.user = user};
    return r;
}

/* --- steps --- */

static void step_add(void)
{
    int64_t user = 1 + (int64_t)draw(USERS);
    struct coupon_line_ticket t = add(user);
    if (issued[user]) {
        ck_assert_int_eq(t.answer, COUPON_LINE_ISSUED);
    } else if (active(user)) {
        ck_assert_int_eq(t.answer, COUPON_LINE_PENDING);
    } else {
        ck_assert_int_eq(t.answer, COUPON_LINE_ACCEPTED);
        ck_assert_int_eq(t.ticket, ++tickets);
        ck_assert_int_gt(t.requested_at_us, last_at);
        struct request *r = request_new(user);
        r->at = last_at = t.requested_at_us;
        r->ticket = t.ticket;
        r->score = (double)r->at / 1000000;
        r->own = true;
        ck_assert_int_eq(t.size, (int64_t)count(IN_LINE, IN_LINE));
        ck_assert_int_eq(standing_of(user).position, t.position);
    }
}

static void step_outside(void)
{
    static const int64_t bases[] = {0, 1700000000, 4000000000};
    int64_t user = 1 + (int64_t)draw(USERS);
    if (active(user))
        return;
    char member[24], score[24];
    struct request *r = request_new(user);
    r->score = (double)(bases[draw(3)] + (int64_t)draw(4));
    snprintf(member, sizeof member, "%lld", (long long)user);
    snprintf(score, sizeof score, "%.0f", r->score);
    contract_outside_add(COUPON, slice_of(member), score);
    struct answer a = {0};
    coupon_line_probe(contract_store, (int64_t[]){COUPON}, 1, on_answer, &a);
    AWAIT_OK(&a);
}

static void check_member(const struct coupon_line_member *m, struct request *r)
{
    ck_assert_int_eq(m->user_id, r->user);
    ck_assert_int_eq(m->ticket, r->ticket);
    if (!r->at) {
        ck_assert_int_gt(m->requested_at_us, last_at);
        r->at = last_at = m->requested_at_us;
    }
    ck_assert_int_eq(m->requested_at_us, r->at);
}

static void hold(struct owner *o, size_t request)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->held[i] == request)
            return;
    o->held[o->n++] = request;
}

static void crash(struct owner *o)
{
    o->n = 0;
    o->epoch = 0;
}

static size_t return_taken(void)
{
    size_t n = 0;
    for (size_t i = 0; i < nrequests; i++)
        if (requests[i].place == TAKEN) {
            requests[i].place = IN_LINE;
            n++;
        }
    return n;
}

static void step_take(struct owner *o, int64_t window, int64_t limit)
{
    const struct taken *t = take(o->name, o->epoch, window, limit);
    if (lease && lease != o) {
        ck_assert(!t->t.owner);
        ck_assert_uint_eq(t->t.n, 0);
        crash(o); /* its reports are for nobody now; the members are put back */
        return;
    }
    ck_assert(t->t.owner);
    size_t back = 0;
    if (!lease || lease_epoch != o->epoch) {
        lease = o;
        lease_epoch = epochs ? epochs + 1 : t->t.epoch; /* the first one is of the clock */
        epochs = lease_epoch;
        back = return_taken();
        o->n = 0;
    }
    ck_assert_int_eq(t->t.epoch, lease_epoch);
    ck_assert_int_eq(t->t.put_back, (int64_t)back);
    ck_assert(!t->t.unfinished);
    static size_t line[REQUESTS];
    size_t n = ordered(IN_LINE, IN_LINE, line);
    int64_t room = window - (int64_t)count(TAKEN, PUBLISHED);
    room = room < limit ? room : limit;
    size_t want = room <= 0 ? 0 : (size_t)room < n ? (size_t)room : n;
    ck_assert_uint_eq(t->t.n, want);
    for (size_t i = 0; i < want; i++) {
        struct request *r = &requests[line[i]];
        check_member(&t->m[i], r);
        r->place = TAKEN;
        r->epoch = lease_epoch;
        hold(o, line[i]);
    }
    ck_assert_int_eq(t->t.waiting, (int64_t)(n - want));
    ck_assert_int_eq(t->t.in_flight, (int64_t)count(TAKEN, PUBLISHED));
    o->epoch = lease_epoch;
    if (draw(12) == 0) /* the reply is lost: it knows neither epoch nor members */
        crash(o);
}

static struct coupon_line_member member_of(size_t i)
{
    return (struct coupon_line_member){requests[i].user, requests[i].at, requests[i].ticket};
}

/* Some of what is held arrives at the broker; reports come for some of that. */
static void step_send(struct owner *o)
{
    struct coupon_line_member m[REQUESTS];
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct request *r = &requests[o->held[i]];
        bool report = draw(3) > 0;
        r->sent = r->sent || report || draw(2) == 0;
        if (!report) {
            o->held[kept++] = o->held[i];
            continue;
        }
        m[n++] = member_of(o->held[i]);
        if (r->place == TAKEN && r->epoch == o->epoch)
            r->place = PUBLISHED;
    }
    o->n = kept;
    if (n)
        published(o->epoch, m, n);
}

static void step_fail(struct owner *o)
{
    struct coupon_line_member m[REQUESTS];
    for (size_t i = 0; i < o->n; i++) {
        struct request *r = &requests[o->held[i]];
        m[i] = member_of(o->held[i]);
        if (r->place == TAKEN && r->epoch == o->epoch)
            r->place = IN_LINE;
    }
    if (o->n)
        put_back(o->epoch, m, o->n);
    o->n = 0;
}

static void step_stale(struct owner *o)
{
    const struct taken *t = stale(o->name, o->epoch, -1000, -1000, 500);
    if (lease != o || o->epoch != lease_epoch) {
        ck_assert_uint_eq(t->t.n, 0);
        return;
    }
    static size_t flying[REQUESTS];
    size_t n = ordered(TAKEN, PUBLISHED, flying);
    ck_assert_uint_eq(t->t.n, n);
    for (size_t i = 0; i < n; i++) {
        struct request *r = &requests[flying[i]];
        check_member(&t->m[i], r);
        r->place = TAKEN;
        r->epoch = o->epoch;
        hold(o, flying[i]);
    }
}

static void step_lease_ends(void)
{
    contract_lease_ends(COUPON);
    lease = NULL;
}

static void step_release(struct owner *o)
{
    release(o->name, o->epoch);
    if (lease == o && lease_epoch == o->epoch)
        lease = NULL;
    crash(o);
}

/* A consumer gets a message, perhaps again: the decision stays what it was. */
static void decide(struct request *r)
{
    if (!r->decided) {
        r->decided = true;
        r->success = !issued[r->user] && draw(2) == 0;
    }
    bool waits = r->place != DONE;
    decided(r->user, r->at, r->success, r->at % 1000000);
    if (r->success)
        issued[r->user] = true;
    r->place = DONE;
    struct standing s = standing_of(r->user);
    ck_assert(s.has_result || !(waits || r->success));
    if (r->success || (waits && !s.success)) /* a success of his stays */
        ck_assert_int_eq(s.user_coupon_id, r->at % 1000000);
    ck_assert(!s.success || issued[r->user]);
}

static void step_decide(void)
{
    size_t from = (size_t)draw(nrequests + 1);
    for (size_t i = 0; i < nrequests; i++) {
        struct request *r = &requests[(from + i) % nrequests];
        if (r->sent && (r->place != DONE || !r->decided || draw(10) == 0)) {
            decide(r);
            return;
        }
    }
}

static void on_restored(void *arg, int64_t n, int64_t late, const struct error *e)
{
    ck_assert(!e);
    *(int64_t *)arg = n;
}

static bool is_not_negative(void *arg)
{
    return *(const int64_t *)arg >= 0;
}

/* What PostgreSQL has undecided comes back, unless its user has another request on the way. */
static void restore(void)
{
    static struct coupon_request_row rows[REQUESTS];
    size_t n = 0;
    int64_t want = 0, got = -1;
    for (size_t i = 0; i < nrequests; i++) { /* they are in the order of requestedAt */
        struct request *r = &requests[i];
        if (!r->own || r->decided)
            continue;
        rows[n++] = (struct coupon_request_row){
            .coupon_id = COUPON, .user_id = r->user, .requested_at_us = r->at, .ticket = r->ticket};
        if (!active(r->user)) {
            r->place = IN_LINE;
            want++;
        }
    }
    if (!n)
        return;
    coupon_line_restore(contract_store, rows, n, TTL_MS, on_restored, &got);
    ck_assert(loop_run_until(contract_loop, is_not_negative, &got, 20000));
    ck_assert_int_eq(got, want);
}

static void step_redis_lost(void)
{
    struct rebuild_holder holders[USERS];
    size_t n = 0;
    for (size_t i = 0; i < nrequests; i++) {
        if (requests[i].own && (requests[i].place != DONE || requests[i].ticket == tickets))
            contract_request_stored(COUPON, requests[i].user, requests[i].at, requests[i].ticket);
        requests[i].place = DONE;
    }
    contract_redis_lost();
    contract_rebuilt();
    contract_pass(
        20); /* beyond what was given to members of other programs, which PostgreSQL does not know */
    lease = NULL;
    epochs = 0;
    crash(&owners[0]);
    crash(&owners[1]);
    for (int64_t u = 1; u <= USERS; u++)
        if (issued[u])
            holders[n++] = (struct rebuild_holder){u, COUPON, u};
    if (n) {
        struct answer a = {0};
        coupon_line_restore_issued(contract_store, holders, n, TTL_MS, on_answer, &a);
        AWAIT_OK(&a);
    }
    if (draw(2))
        step_add(); /* asks before the line is back */
    restore();
}

static void check_standing(void)
{
    int64_t user = 1 + (int64_t)draw(USERS);
    static size_t line[REQUESTS];
    size_t n = ordered(IN_LINE, IN_LINE, line);
    int64_t position = 0;
    for (size_t i = 0; i < n; i++)
        if (requests[line[i]].user == user)
            position = (int64_t)i + 1;
    struct standing s = standing_of(user);
    const struct request *r = s.has_result ? NULL : active(user); /* a result is the whole answer */
    ck_assert(s.pending == (r != NULL));
    ck_assert_int_eq(s.position, s.has_result ? 0 : position);
    ck_assert_int_eq(s.size, (int64_t)n);
    ck_assert_int_eq(s.ticket, r ? r->ticket : 0);
    ck_assert_int_eq(s.requested_at_us, r ? r->at : 0);
}

static void step(void)
{
    struct owner *o = &owners[draw(2)];
    uint64_t what = draw(1000);
    if (what < 300)
        step_add();
    else if (what < 360)
        step_outside();
    else if (what < 560)
        step_take(o, SMALL, (int64_t)draw(LIMIT));
    else if (what < 700)
        step_send(o);
    else if (what < 740)
        step_fail(o);
    else if (what < 770)
        crash(o);
    else if (what < 800)
        step_stale(o);
    else if (what < 830)
        step_lease_ends();
    else if (what < 850)
        step_release(o);
    else if (what < 995)
        step_decide();
    else
        step_redis_lost();
    check_standing();
}

/* Everything promised comes to its decision, by an owner that starts afresh. */
static void finish(void)
{
    step_lease_ends();
    do {
        struct owner *o = &owners[0];
        crash(o);
        for (int i = 0; i < 20 && count(IN_LINE, PUBLISHED); i++) {
            step_take(o, 100, 100);
            for (size_t k = 0; k < o->n; k++)
                requests[o->held[k]].sent = true;
            step_stale(o);
            for (size_t k = 0; k < nrequests; k++)
                if (requests[k].place == TAKEN || requests[k].place == PUBLISHED)
                    decide(&requests[k]);
        }
        ck_assert_uint_eq(count(IN_LINE, PUBLISHED), 0);
        restore(); /* older requests of users who had a newer one */
    } while (count(IN_LINE, PUBLISHED));
    for (size_t i = 0; i < nrequests; i++)
        ck_assert(!requests[i].own || requests[i].decided);
    struct coupon_line_state lines[4];
    ck_assert_uint_eq(list(lines, 4), 0);
}

static void begin(uint64_t start)
{
    seed = start * 2654435761u + 88172645463325252u;
    nrequests = 0;
    memset(owners, 0, sizeof owners);
    owners[0].name = "node a";
    owners[1].name = "node b";
    lease = NULL;
    lease_epoch = epochs = tickets = last_at = 0;
    memset(issued, 0, sizeof issued);
}

START_TEST(random_calls)
{
    const char *given = getenv("RUSHD_TEST_SEED");
    uint64_t start = given ? strtoull(given, NULL, 10) : (uint64_t)contract_now_us() / 1000 % 100000000;
    begin(start + (uint64_t)_i);
    fprintf(stderr, "# coupon line model: RUSHD_TEST_SEED=%llu\n", (unsigned long long)start + (unsigned)_i);
    for (int i = 0; i < STEPS; i++)
        step();
    finish();
}
END_TEST

Suite *coupon_line_model_suite(void)
{
    Suite *s = suite_create("coupon line model");
    TCase *t = tcase_create("random");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, contract_open, contract_close);
    tcase_add_loop_test(t, random_calls, 0, RUNS);
    suite_add_tcase(s, t);
    return s;
}
