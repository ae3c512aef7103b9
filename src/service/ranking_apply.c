/* Product sales into the ranking (guarantees G6, G9).
 *
 *   batch     messages of one partition; an undecodable one ends the run before it and is then handled alone
 *   apply     one script: seen marks, daily and three-day keys, the partition's offset (store/ranking)
 *   offset    only now
 *
 * A script for a few sales costs Redis nearly as much as one for hundreds, and a ranking is not in a hurry: after one that was not
 * full sales gather for a moment.
 *
 * The script counts each sale once, so whatever fails is simply applied again. What Redis itself refuses (a key of the wrong type)
 * is looked for message by message; the one has its tries and becomes a dead letter, so that it holds up nobody. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/queue.h"
#include "msg/msg.h"
#include "service/consume.h"
#include "service/sales.h"

LOG_DEFINE(log_ranking, "rushd.ranking");

#define GATHER_MS 150

struct run {
    LIST_ENTRY(run) link;
    struct ranking_flow *flow;
    uint64_t batch_id;
    int attempt, waits;
    const struct event_message *messages;
    struct ranking_sale *sales;
    size_t n;
    char topic[256];
    int32_t partition;
    char reason[200]; /* of a message that becomes a dead letter */
    int64_t started_us;
};

struct ranking_flow {
    struct store *store;
    struct event_source source;
    struct dead_letter_port dead;
    struct consumer_config cfg;
    int retention_days;
    LIST_HEAD(, run) runs;
};

static void finish(struct run *r, enum event_outcome outcome, size_t count, int64_t delay_ms)
{
    struct ranking_flow *f = r->flow;
    consume_observe(f->cfg.group, r->started_us, outcome == EVENT_DONE);
    LIST_REMOVE(r, link);
    f->source.ops->done(f->source.self, r->batch_id, outcome, count, delay_ms);
    mem_free(r->sales);
    mem_free(r);
}

static int64_t pause_ms(const struct run *r, int times)
{
    return consume_pause_ms(times, r->flow->cfg.backoff_ms, r->flow->cfg.backoff_max_ms);
}

static void wait(struct run *r, const struct error *e)
{
    static struct log_gate gate;
    int64_t suppressed;
    if (log_gate_open(&gate, 1000, &suppressed))
        log_warn(&log_ranking, "sales wait to be counted again", LOG_ERR(e), LOG_I("messages", r->n),
                 LOG_I("suppressed", suppressed));
    finish(r, EVENT_WAIT, 0, pause_ms(r, r->waits));
}

static void on_dead_letter(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        wait(r, e);
        return;
    }
    consume_dead_letter_done(r->flow->cfg.group, &r->messages[0], r->reason);
    finish(r, EVENT_DONE, 1, 0);
}

static void put_dead_letter(struct run *r, const char *exception)
{
    struct ranking_flow *f = r->flow;
    f->dead.ops->put(f->dead.self, &r->messages[0], f->cfg.group, exception, r->reason, on_dead_letter, r);
}

static void apply(struct run *r);

static void on_refused(struct run *r, const struct error *e)
{
    const struct consumer_config *cfg = &r->flow->cfg;
    log_error(&log_ranking, "sales refused by Redis", LOG_ERR(e), LOG_I("messages", r->n),
              LOG_I("attempt", r->attempt));
    if (r->n > 1) {
        r->n = 1;
        apply(r);
    } else if (r->attempt + 1 < cfg->attempts) {
        finish(r, EVENT_RETRY, 0, pause_ms(r, r->attempt));
    } else {
        str_copy(r->reason, sizeof r->reason, e->text);
        put_dead_letter(r, "org.springframework.kafka.listener.ListenerExecutionFailedException");
    }
}

static void on_applied(void *arg, int64_t counted, const struct error *e)
{
    struct run *r = arg;
    if (e && (e->kind == ERROR_PERMANENT || e->kind == ERROR_BUG)) {
        on_refused(r, e);
        return;
    }
    if (e && e->kind != ERROR_NONE) {
        wait(r, e);
        return;
    }
    FAULT_POINT("ranking-applied");
    log_debug(&log_ranking, "sales counted", LOG_I("messages", r->n), LOG_I("new", counted));
    finish(r, EVENT_DONE, r->n, GATHER_MS);
}

static void apply(struct run *r)
{
    struct ranking_flow *f = r->flow;
    int64_t last = r->messages[r->n - 1].offset;
    ranking_apply(f->store, r->topic, r->partition, last < 0 ? -1 : last + 1, r->sales, r->n, clock_shop_us(),
                  f->retention_days, on_applied, r);
}

/* Read the messages up to the first that cannot be; r->n is how many. */
static void decode(struct run *r, const struct event_batch *batch)
{
    r->sales = mem_array(batch->n, sizeof *r->sales);
    for (size_t i = 0; i < batch->n; i++) {
        const struct event_message *m = &batch->messages[i];
        struct msg_product_ranking sale;
        struct error e = ERROR_INIT;
        error_set(&e, ERROR_PERMANENT, "TOMBSTONE", "the message has no value");
        if (!m->value.p || !msg_product_ranking_parse(m->value.p, m->value.n, &sale, &e)) {
            if (i == 0)
                str_copy(r->reason, sizeof r->reason, e.text);
            break;
        }
        int64_t sold_at_us = sale.completed_at_us ? sale.completed_at_us : m->timestamp_ms * 1000;
        r->sales[i] = (struct ranking_sale){sale.product_id, sale.order_id, sale.order_item_id, sale.quantity,
                                            sold_at_us};
        r->n = i + 1;
        msg_product_ranking_free(&sale);
    }
}

static void on_batch(void *self, const struct event_batch *batch)
{
    struct ranking_flow *f = self;
    struct run *r = mem_zalloc(sizeof *r);
    *r = (struct run){.flow = f,
                      .batch_id = batch->id,
                      .attempt = batch->attempt,
                      .waits = batch->waits,
                      .messages = batch->messages,
                      .started_us = clock_mono_us()};
    LIST_INSERT_HEAD(&f->runs, r, link);
    r->partition = batch->partition;
    str_copy(r->topic, sizeof r->topic, batch->topic);
    decode(r, batch);
    if (r->n)
        apply(r);
    else
        put_dead_letter(r, "org.springframework.kafka.support.serializer.DeserializationException");
}

struct ranking_flow *ranking_flow_new(struct loop *l, struct store *s, struct event_source source,
                                      struct dead_letter_port dead, const struct consumer_config *cfg,
                                      int retention_days)
{
    struct ranking_flow *f = mem_zalloc(sizeof *f);
    f->store = s;
    f->source = source;
    f->dead = dead;
    f->cfg = *cfg;
    f->retention_days = retention_days;
    LIST_INIT(&f->runs);
    return f;
}

struct event_handler ranking_flow_handler(struct ranking_flow *f)
{
    return (struct event_handler){on_batch, f};
}

void ranking_flow_free(struct ranking_flow *f)
{
    if (!f)
        return;
    struct run *r;
    while ((r = LIST_FIRST(&f->runs))) {
        LIST_REMOVE(r, link);
        mem_free(r->sales);
        mem_free(r);
    }
    mem_free(f);
}
