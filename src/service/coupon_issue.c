/* Deciding coupon requests (contract section 4, step 4; guarantees G2, G3, G7, G8, G9).
 *
 *   batch     messages of one partition, in offset order; an undecodable one ends the run before it and is then handled alone
 *   ids       user coupon ids reserved by a committed statement
 *   lock      coupons, then users, holders and earlier decisions (store/issue_tx)
 *   plan      coupon_issue_plan.c, pure
 *   commit    the decisions are durable; the partition's next batch may come
 *   result    to Redis, for every message, repeated decisions too
 *   offset    only now
 *
 * A service that is away, a deadlock, an unknown outcome: the batch waits and is decided again; what was
 * committed is found and repeated. A data error halves the run, down to the one message; that one is tried
 * `attempts` times, then decided FAILED: decision row, dead letter, result, offset, in this order. When the dead letter cannot be put
 * the message comes again with one try more than it has: that tells a decision whose dead letter is still owed. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "service/consume.h"
#include "service/coupon.h"
#include "service/coupon_issue_plan.h"
#include "service/coupon_result.h"
#include "store/coupon_line.h"

LOG_DEFINE(log_issue, "rushd.coupon.issue");

#define TX_DEADLINE_MS 10000
#define GIVEN_UP       "org.springframework.kafka.listener.ListenerExecutionFailedException"

enum run_step {
    RUN_IDS,    /* waits for reserved ids */
    RUN_TX,     /* the transaction runs */
    RUN_DEAD,   /* the dead letter is on its way */
    RUN_RESULT, /* results are being written to Redis */
};

/* One batch at work. */
struct run {
    LIST_ENTRY(run) link;
    struct coupon_issue *owner;
    uint64_t batch_id;
    int attempt, waits;
    const struct event_message *messages; /* valid until done */
    enum run_step step;
    size_t total; /* messages of the batch */
    size_t n;     /* messages of this run: a prefix of the batch */
    bool poison;  /* one message that cannot be decoded */
    bool give_up; /* one message whose decision keeps failing: decide it FAILED */
    bool short_of_ids;
    char reason[200];
    int64_t started_us, decided_us;
    struct issue_tx_request *requests;
    struct coupon_issue_verdict *verdicts;
};

struct coupon_issue {
    struct loop *loop;
    struct store *store;
    struct event_source source;
    struct dead_letter_port dead;
    struct coupon_config cfg;
    LIST_HEAD(, run) runs;
    size_t running;
};

static const struct metric_def decided_def = {.name = "rushd.coupon.decided",
                                              .type = METRIC_COUNTER,
                                              .help = "Decisions of coupon requests, repeated ones apart.",
                                              .labels = {"outcome"}};

static void start_ids(struct run *r);

static void finish(struct run *r, enum event_outcome outcome, size_t count, int64_t delay_ms)
{
    struct coupon_issue *c = r->owner;
    consume_observe(c->cfg.group, r->started_us, outcome == EVENT_DONE);
    LIST_REMOVE(r, link);
    c->running--;
    c->source.ops->done(c->source.self, r->batch_id, outcome, count, delay_ms);
    mem_free(r->requests);
    mem_free(r->verdicts);
    mem_free(r);
}

static void wait(struct run *r, const struct error *e)
{
    static struct log_gate gate;
    int64_t suppressed;
    if (log_gate_open(&gate, 1000, &suppressed))
        log_warn(&log_issue, "requests wait to be decided again", LOG_ERR(e), LOG_I("messages", r->n),
                 LOG_I("suppressed", suppressed));
    finish(r, EVENT_WAIT, 0,
           consume_pause_ms(r->waits, r->owner->cfg.backoff_ms, r->owner->cfg.backoff_max_ms));
}

/* --- result --- */

static void on_results(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) { /* writing them twice is harmless */
        wait(r, e);
        return;
    }
    FAULT_POINT("coupon-result");
    finish(r, EVENT_DONE, r->n, 0);
}

static void write_results(struct run *r)
{
    struct coupon_issue *c = r->owner;
    r->step = RUN_RESULT;
    struct coupon_line_result *results = mem_array(r->n, sizeof *results);
    struct buf *texts = mem_array(r->n, sizeof *texts);
    for (size_t i = 0; i < r->n; i++) {
        const struct coupon_issue_verdict *v = &r->verdicts[i];
        coupon_result_print(&texts[i], v->success, v->user_coupon_id, v->reason,
                            r->requests[i].requested_at_us, r->decided_us);
        results[i] =
            (struct coupon_line_result){r->requests[i].coupon_id, r->requests[i].user_id,
                                        r->requests[i].requested_at_us, v->success, buf_str(&texts[i])};
    }
    coupon_line_decided(c->store, results, r->n, c->cfg.result_ttl_ms, COUPON_ISSUED_TTL_MS, on_results, r);
    for (size_t i = 0; i < r->n; i++)
        buf_free(&texts[i]);
    mem_free(texts);
    mem_free(results);
}

/* --- dead letters --- */

static void on_dead_letter(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        if (r->give_up)
            finish(r, EVENT_RETRY, 0,
                   consume_pause_ms(r->attempt, r->owner->cfg.backoff_ms, r->owner->cfg.backoff_max_ms));
        else
            wait(r, e);
        return;
    }
    consume_dead_letter_done(r->owner->cfg.group, &r->messages[0], r->reason);
    if (r->poison)
        finish(r, EVENT_DONE, 1, 0);
    else
        write_results(r);
}

static void put_dead_letter(struct run *r, const char *exception)
{
    struct coupon_issue *c = r->owner;
    r->step = RUN_DEAD;
    c->dead.ops->put(c->dead.self, &r->messages[0], c->cfg.group, exception, r->reason, on_dead_letter, r);
}

/* --- transaction --- */

static int64_t next_id(void *arg)
{
    return store_ids_take(arg, STORE_ID_USER_COUPON);
}

static void count_decisions(const struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (!r->verdicts[i].fresh)
            continue;
        const char *outcome = r->verdicts[i].success ? "SUCCESS" : refusal_word(r->verdicts[i].reason);
        metric_add(metric_series(metric_register(&decided_def), &outcome), 1);
    }
}

/* The first message was given up and decided, but its dead letter is not put yet. */
static bool owes_dead_letter(const struct run *r, const struct issue_tx_facts *facts)
{
    const struct issue_tx_fact *first = &facts->requests[0];
    return r->attempt >= r->owner->cfg.attempts && first->decided && !first->success && first->reason &&
           refusal_of_word(first->reason) == REFUSAL_COUPON_SYSTEM_ERROR;
}

static void on_locked(void *arg, struct issue_tx *tx, const struct issue_tx_facts *facts)
{
    struct run *r = arg;
    struct coupon_issue *c = r->owner;
    r->short_of_ids =
        store_ids_left(c->store, STORE_ID_USER_COUPON) < r->n; /* another partition took them meanwhile */
    if (r->short_of_ids) {
        issue_tx_abort(tx);
        return;
    }
    if (owes_dead_letter(r, facts)) {
        str_copy(r->reason, sizeof r->reason, "the database refused every decision but this one");
        r->give_up = true;
        r->n = 1;
    }
    r->decided_us = clock_shop_us();
    coupon_issue_plan(r->requests, r->n, facts, r->decided_us, c->cfg.ttl_ms * 1000, next_id, c->store,
                      r->verdicts);
    if (r->give_up && r->verdicts[0].fresh)
        r->verdicts[0] = (struct coupon_issue_verdict){.reason = REFUSAL_COUPON_SYSTEM_ERROR, .fresh = true};
    struct issue_tx_decision *decisions = mem_array(r->n, sizeof *decisions);
    struct issue_tx_count *counts = mem_array(facts->ncoupons, sizeof *counts);
    size_t ndecisions, ncounts;
    coupon_issue_rows(r->requests, r->n, facts, r->verdicts, decisions, &ndecisions, counts, &ncounts);
    if (ndecisions)
        issue_tx_write(tx, r->decided_us, decisions, ndecisions, counts, ncounts);
    else
        issue_tx_abort(tx);
    mem_free(decisions);
    mem_free(counts);
}

/* The database refuses what was planned: find the message by halving, then give it its tries. */
static void on_data_error(struct run *r, const struct error *e)
{
    struct coupon_issue *c = r->owner;
    log_error(&log_issue, "decisions refused by the database", LOG_ERR(e), LOG_I("messages", r->n),
              LOG_I("attempt", r->attempt));
    if (r->n > 1) {
        r->n /= 2;
        start_ids(r);
    } else if (r->give_up && e->kind == ERROR_BUG) { /* somebody else decides it: the next look tells */
        wait(r, e);
    } else if (r->give_up) { /* not even FAILED can be written: nothing is left but to say so */
        put_dead_letter(r, GIVEN_UP);
    } else if (r->attempt + 1 < c->cfg.attempts) {
        finish(r, EVENT_RETRY, 0, consume_pause_ms(r->attempt, c->cfg.backoff_ms, c->cfg.backoff_max_ms));
    } else {
        str_copy(r->reason, sizeof r->reason, e->text);
        r->give_up = true;
        start_ids(r);
    }
}

static void on_end(void *arg, enum store_end end, const struct error *e)
{
    struct run *r = arg;
    bool nothing_written = end == STORE_ROLLED_BACK && (!e || e->kind == ERROR_NONE);
    if (r->short_of_ids && nothing_written) {
        start_ids(r);
        return;
    }
    if (end == STORE_COMMITTED || nothing_written) {
        if (end == STORE_COMMITTED)
            FAULT_POINT("coupon-committed");
        count_decisions(r);
        if (r->give_up) {
            put_dead_letter(r, GIVEN_UP);
            return;
        }
        /* The decisions stand, in their order: PostgreSQL need not wait for the results. */
        if (r->n == r->total && r->owner->source.ops->next)
            r->owner->source.ops->next(r->owner->source.self, r->batch_id);
        write_results(r);
    } else if (end == STORE_ROLLED_BACK &&
               (e->kind == ERROR_BUG || strncmp(e->code, "22", 2) == 0 || strncmp(e->code, "23", 2) == 0)) {
        on_data_error(r, e);
    } else {
        wait(r, e);
    }
}

static void on_ids(void *arg, const struct error *e)
{
    static const struct issue_tx_ops ops = {on_locked, on_end};
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        wait(r, e);
        return;
    }
    r->step = RUN_TX;
    FAULT_POINT("coupon-consumed");
    issue_tx_lock(r->owner->store, r->requests, r->n, TX_DEADLINE_MS, &ops, r);
}

static void start_ids(struct run *r)
{
    r->step = RUN_IDS;
    store_ids_ensure(r->owner->store, STORE_ID_USER_COUPON, r->n, TX_DEADLINE_MS, on_ids, r);
}

/* --- batch --- */

/* An event without requestedAt takes the message's timestamp as its identity (contract section 4). */
static int64_t identity(const struct msg_coupon_issue *request, const struct event_message *m)
{
    if (request->requested_at_us > 0)
        return request->requested_at_us;
    return m->timestamp_ms > 0 ? m->timestamp_ms * 1000 : m->offset + 1;
}

/* The number that the books get. With a durable accept the request's own row brings it: a message may be older than a loss of
 * Redis, after which its number, not being in PostgreSQL yet, was given to somebody else. */
static int64_t booked_ticket(const struct coupon_issue *c, const struct msg_coupon_issue *request)
{
    return c->cfg.durable_accept ? 0 : request->ticket;
}

/* Read the messages up to the first that cannot be. */
static void decode(struct run *r, const struct event_batch *batch)
{
    r->requests = mem_array(batch->n, sizeof *r->requests);
    r->verdicts = mem_array(batch->n, sizeof *r->verdicts);
    for (size_t i = 0; i < batch->n; i++) {
        const struct event_message *m = &batch->messages[i];
        struct msg_coupon_issue request;
        struct error e = ERROR_INIT;
        if (!m->value.p)
            error_set(&e, ERROR_PERMANENT, "TOMBSTONE", "the message has no value");
        if (!m->value.p || !msg_coupon_issue_parse(m->value.p, m->value.n, &request, &e)) {
            if (i == 0)
                str_copy(r->reason, sizeof r->reason, e.text);
            r->poison = i == 0;
            break;
        }
        r->requests[i] = (struct issue_tx_request){request.coupon_id, request.user_id, identity(&request, m),
                                                   booked_ticket(r->owner, &request)};
        r->n = i + 1;
        msg_coupon_issue_free(&request);
    }
}

static void on_batch(void *self, const struct event_batch *batch)
{
    struct coupon_issue *c = self;
    struct run *r = mem_zalloc(sizeof *r);
    r->owner = c;
    r->batch_id = batch->id;
    r->attempt = batch->attempt;
    r->waits = batch->waits;
    r->messages = batch->messages;
    r->total = batch->n;
    r->started_us = clock_mono_us();
    LIST_INSERT_HEAD(&c->runs, r, link);
    c->running++;
    decode(r, batch);
    if (r->poison)
        put_dead_letter(r, "org.springframework.kafka.support.serializer.DeserializationException");
    else
        start_ids(r);
}

struct coupon_issue *coupon_issue_new(struct loop *l, struct store *s, struct event_source source,
                                      struct dead_letter_port dead, const struct coupon_config *cfg)
{
    struct coupon_issue *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->store = s;
    c->source = source;
    c->dead = dead;
    c->cfg = *cfg;
    LIST_INIT(&c->runs);
    return c;
}

struct event_handler coupon_issue_handler(struct coupon_issue *c)
{
    return (struct event_handler){on_batch, c};
}

size_t coupon_issue_running(const struct coupon_issue *c)
{
    return c->running;
}

void coupon_issue_free(struct coupon_issue *c)
{
    if (!c)
        return;
    struct run *r;
    while ((r = LIST_FIRST(&c->runs))) {
        LIST_REMOVE(r, link);
        mem_free(r->requests);
        mem_free(r->verdicts);
        mem_free(r);
    }
    mem_free(c);
}
