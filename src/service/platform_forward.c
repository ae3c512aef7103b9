/* Orders to the data platform (guarantees G6: at least once, with an idempotency key).
 *
 *   batch     documents of one partition; an undecodable one ends the run before it and is then handled alone
 *   known     those in platform_forwarded are done already
 *   post      the others, at most max_in_flight at once over all partitions
 *   record    what was accepted, in platform_forwarded
 *   offset    only now, up to the first document that was not accepted
 *
 * A platform that is away (no answer, 5xx, 429) opens the circuit after failure_threshold failures in a row; the partition then
 * waits, without using up tries. A document that is refused (4xx) is tried `attempts` times and becomes a dead letter. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "msg/msg.h"
#include "service/consume.h"
#include "service/sales.h"
#include "store/journal.h"

LOG_DEFINE(log_platform, "rushd.platform");

#define RETRY_AFTER_MAX_MS (10 * 60 * 1000) /* a longer wish of the platform is asked for again */

enum document_state {
    DOCUMENT_WAITS,    /* for room among the posts */
    DOCUMENT_POSTED,   /* no answer yet */
    DOCUMENT_DONE,     /* accepted now */
    DOCUMENT_KNOWN,    /* accepted earlier, or earlier in this batch */
    DOCUMENT_REFUSES,  /* the platform says that the document is wrong */
    DOCUMENT_DEFERRED, /* the platform is away, or the circuit is open */
};

struct run;
struct document {
    struct run *run;
    int64_t order_id;
    struct slice text;
    enum document_state state;
    int status; /* of a refusal */
};

struct run {
    TAILQ_ENTRY(run) link;
    struct platform_flow *flow;
    uint64_t batch_id;
    int attempt, waits;
    const struct event_message *messages;
    struct document *documents;
    size_t n, next, outstanding; /* next to post */
    bool posting;                /* in the line for posts */
    int64_t retry_after_ms;      /* longest that the platform asked for, -1: nothing */
    char reason[200];
    int64_t started_us;
    struct loop_task told; /* without a platform: the end of the turn */
};

struct platform_flow {
    struct loop *loop;
    struct store *store;
    struct event_source source;
    struct dead_letter_port dead;
    struct document_sink sink;
    struct platform_config cfg;
    TAILQ_HEAD(, run) runs;
    int64_t in_flight;
    int64_t failures;      /* in a row */
    int64_t open_until_us; /* 0: closed */
    bool probing;          /* half open: one post decides */
};

static const struct metric_def documents_def = {.name = "rushd.platform.documents",
                                                .type = METRIC_COUNTER,
                                                .help = "Documents for the data platform by outcome.",
                                                .labels = {"outcome"}};
static const struct metric_def circuit_def = {.name = "rushd.platform.circuit.open",
                                              .type = METRIC_GAUGE,
                                              .help = "1 while the circuit to the data platform is open."};

static void count(const char *outcome, size_t n)
{
    metric_add(metric_series(metric_register(&documents_def), &outcome), (double)n);
}

/* --- circuit breaker --- */

bool platform_circuit_open(const struct platform_flow *f)
{
    return f->open_until_us != 0;
}

/* May a document be posted now? After the rest one is let through to try. */
static bool circuit_lets_through(struct platform_flow *f)
{
    if (!f->open_until_us)
        return true;
    if (f->probing || clock_mono_us() < f->open_until_us)
        return false;
    f->probing = true;
    return true;
}

static void circuit_note(struct platform_flow *f, bool answered)
{
    f->probing = false;
    if (answered) {
        if (f->open_until_us)
            log_info(&log_platform, "circuit closed: the data platform answers again");
        f->failures = 0;
        f->open_until_us = 0;
    } else if (++f->failures >= f->cfg.failure_threshold) {
        if (!f->open_until_us)
            log_warn(&log_platform, "circuit opened: the data platform is away",
                     LOG_I("failures", f->failures));
        f->open_until_us = clock_mono_us() + f->cfg.open_for_ms * 1000;
    }
    metric_set(metric_single(&circuit_def), f->open_until_us ? 1 : 0);
}

static int64_t circuit_rest_ms(const struct platform_flow *f)
{
    int64_t rest = f->open_until_us ? (f->open_until_us - clock_mono_us()) / 1000 + 1 : 0;
    return rest > 0 ? rest : 0;
}

/* --- the end of a run --- */

static void finish(struct run *r, enum event_outcome outcome, size_t upto, int64_t delay_ms)
{
    struct platform_flow *f = r->flow;
    consume_observe(f->cfg.consumer.group, r->started_us, outcome == EVENT_DONE);
    TAILQ_REMOVE(&f->runs, r, link);
    f->source.ops->done(f->source.self, r->batch_id, outcome, upto, delay_ms);
    mem_free(r->documents);
    mem_free(r);
}

static void wait(struct run *r, size_t upto)
{
    const struct consumer_config *c = &r->flow->cfg.consumer;
    int64_t pause = consume_pause_ms(r->waits, c->backoff_ms, c->backoff_max_ms);
    if (pause < circuit_rest_ms(r->flow))
        pause = circuit_rest_ms(r->flow);
    if (pause < r->retry_after_ms)
        pause = r->retry_after_ms < RETRY_AFTER_MAX_MS ? r->retry_after_ms : RETRY_AFTER_MAX_MS;
    finish(r, EVENT_WAIT, upto, pause);
}

static void on_dead_letter(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        wait(r, 0);
        return;
    }
    consume_dead_letter_done(r->flow->cfg.consumer.group, &r->messages[0], r->reason);
    finish(r, EVENT_DONE, 1, 0);
}

static void put_dead_letter(struct run *r, const char *exception)
{
    struct platform_flow *f = r->flow;
    f->dead.ops->put(f->dead.self, &r->messages[0], f->cfg.consumer.group, exception, r->reason,
                     on_dead_letter, r);
}

/* What happens to the rest depends on the first document that was not accepted. */
static void settle(struct run *r)
{
    const struct consumer_config *c = &r->flow->cfg.consumer;
    size_t upto = 0;
    while (upto < r->n &&
           (r->documents[upto].state == DOCUMENT_DONE || r->documents[upto].state == DOCUMENT_KNOWN))
        upto++;
    if (upto == r->n)
        finish(r, EVENT_DONE, upto, 0);
    else if (r->documents[upto].state != DOCUMENT_REFUSES)
        wait(r, upto);
    else if (upto > 0)
        finish(r, EVENT_DONE, upto, 0); /* the refused one becomes the head, with its own tries */
    else if (r->attempt + 1 < c->attempts)
        finish(r, EVENT_RETRY, 0, consume_pause_ms(r->attempt, c->backoff_ms, c->backoff_max_ms));
    else {
        struct buf reason = BUF_INIT;
        buf_printf(&reason, "the data platform answered %d", r->documents[0].status);
        str_copy(r->reason, sizeof r->reason, buf_str(&reason));
        buf_free(&reason);
        put_dead_letter(r, "org.springframework.web.client.HttpClientErrorException");
    }
}

static void on_recorded(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        log_warn(&log_platform, "forwarded orders could not be recorded", LOG_ERR(e));
        wait(r, 0); /* posted again with the same Idempotency-Key */
        return;
    }
    settle(r);
}

static void record(struct run *r)
{
    int64_t *ids = mem_array(r->n, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->documents[i].state == DOCUMENT_DONE)
            ids[n++] = r->documents[i].order_id;
    if (n) {
        FAULT_POINT("platform-answered");
        platform_forwarded_insert(r->flow->store, ids, n, on_recorded, r);
    } else {
        settle(r);
    }
    mem_free(ids);
}

/* --- posting --- */

static void pump(struct platform_flow *f);

static void on_posted(void *arg, enum document_outcome outcome, int status, int64_t retry_after_ms,
                      const struct error *e)
{
    struct document *d = arg;
    struct run *r = d->run;
    struct platform_flow *f = r->flow;
    f->in_flight--;
    r->outstanding--;
    circuit_note(f, outcome != DOCUMENT_AWAY);
    if (outcome == DOCUMENT_ACCEPTED) {
        d->state = DOCUMENT_DONE;
        count("accepted", 1);
    } else if (outcome == DOCUMENT_REFUSED) {
        d->state = DOCUMENT_REFUSES;
        d->status = status;
        count("refused", 1);
    } else {
        d->state = DOCUMENT_DEFERRED;
        count("deferred", 1);
        if (retry_after_ms > r->retry_after_ms)
            r->retry_after_ms = retry_after_ms;
        log_debug(&log_platform, "document was not accepted", LOG_I("order_id", d->order_id),
                  LOG_I("status", status), LOG_ERR(e));
    }
    pump(f);
}

/* Post what has room; what the circuit holds back is deferred. */
static void post_documents(struct run *r)
{
    struct platform_flow *f = r->flow;
    while (r->next < r->n && f->in_flight < f->cfg.max_in_flight) {
        struct document *d = &r->documents[r->next];
        if (d->state == DOCUMENT_WAITS && !circuit_lets_through(f))
            d->state = DOCUMENT_DEFERRED;
        r->next++;
        if (d->state != DOCUMENT_WAITS)
            continue;
        d->state = DOCUMENT_POSTED;
        f->in_flight++;
        r->outstanding++;
        f->sink.ops->post(f->sink.self, d->order_id, d->text, on_posted, d);
    }
}

/* Give every run its turn; those without anything left are recorded. */
static void pump(struct platform_flow *f)
{
    struct run *r, *next;
    TAILQ_FOREACH_SAFE(r, &f->runs, link, next)
    {
        if (!r->posting)
            continue;
        post_documents(r);
        if (r->next == r->n && !r->outstanding) {
            r->posting = false;
            record(r);
        }
    }
}

static bool contains(const int64_t *known, size_t n, int64_t id)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (known[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && known[lo] == id;
}

static void on_known(void *arg, const int64_t *order_ids, size_t n, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        wait(r, 0);
        return;
    }
    for (size_t i = 0; i < r->n; i++) {
        bool known = contains(order_ids, n, r->documents[i].order_id);
        for (size_t k = 0; k < i && !known; k++)
            known = r->documents[k].order_id == r->documents[i].order_id;
        if (known)
            r->documents[i].state = DOCUMENT_KNOWN;
    }
    r->posting = true;
    pump(r->flow);
}

/* --- batch --- */

static void decode(struct run *r, const struct event_batch *batch)
{
    r->documents = mem_array(batch->n, sizeof *r->documents);
    for (size_t i = 0; i < batch->n; i++) {
        const struct event_message *m = &batch->messages[i];
        struct msg_data_platform parsed;
        struct error e = ERROR_INIT;
        error_set(&e, ERROR_PERMANENT, "TOMBSTONE", "the message has no value");
        if (!m->value.p || !msg_data_platform_parse(m->value.p, m->value.n, &parsed, &e)) {
            if (i == 0)
                str_copy(r->reason, sizeof r->reason, e.text);
            break;
        }
        r->documents[i] = (struct document){r, parsed.order_id, m->value, DOCUMENT_WAITS, 0};
        r->n = i + 1;
    }
}

/* No platform is configured: the documents are counted and logged. */
static void tell(void *arg)
{
    struct run *r = arg;
    count("not-configured", r->n);
    for (size_t i = 0; i < r->n; i++)
        log_debug(&log_platform, "document", LOG_I("order_id", r->documents[i].order_id),
                  LOG_B("document", r->documents[i].text));
    finish(r, EVENT_DONE, r->n, 0);
}

static void on_batch(void *self, const struct event_batch *batch)
{
    struct platform_flow *f = self;
    struct run *r = mem_zalloc(sizeof *r);
    *r = (struct run){.flow = f,
                      .batch_id = batch->id,
                      .attempt = batch->attempt,
                      .waits = batch->waits,
                      .messages = batch->messages,
                      .retry_after_ms = -1,
                      .started_us = clock_mono_us()};
    TAILQ_INSERT_TAIL(&f->runs, r, link);
    decode(r, batch);
    if (!r->n) {
        put_dead_letter(r, "org.springframework.kafka.support.serializer.DeserializationException");
        return;
    }
    if (!f->sink.ops) {
        r->told = (struct loop_task){.run = tell, .arg = r};
        loop_defer(f->loop, &r->told);
        return;
    }
    int64_t *ids = mem_array(r->n, sizeof *ids);
    for (size_t i = 0; i < r->n; i++)
        ids[i] = r->documents[i].order_id;
    platform_forwarded_read(f->store, ids, r->n, on_known, r);
    mem_free(ids);
}

struct platform_flow *platform_flow_new(struct loop *l, struct store *s, struct event_source source,
                                        struct dead_letter_port dead, struct document_sink sink,
                                        const struct platform_config *cfg)
{
    struct platform_flow *f = mem_zalloc(sizeof *f);
    f->loop = l;
    f->store = s;
    f->source = source;
    f->dead = dead;
    f->sink = sink;
    f->cfg = *cfg;
    TAILQ_INIT(&f->runs);
    return f;
}

struct event_handler platform_flow_handler(struct platform_flow *f)
{
    return (struct event_handler){on_batch, f};
}

void platform_flow_free(struct platform_flow *f)
{
    if (!f)
        return;
    struct run *r;
    while ((r = TAILQ_FIRST(&f->runs))) {
        TAILQ_REMOVE(&f->runs, r, link);
        loop_defer_cancel(f->loop, &r->told);
        mem_free(r->documents);
        mem_free(r);
    }
    mem_free(f);
}
