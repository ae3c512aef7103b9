/* Product sales into the ranking (guarantees G6, G9).
 *
 *   batch     messages of one partition; an undecodable one ends the run before it and is then handled alone
 *   apply     one script: seen marks, daily and three-day keys, the partition's offset (store/ranking)
 *   offset    only now
 *
 * The script counts each sale once, so whatever fails is simply applied again. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/queue.h"
#include "msg/msg.h"
#include "service/consume.h"
#include "service/sales.h"

LOG_DEFINE(log_ranking, "rushd.ranking");

struct run {
    LIST_ENTRY(run) link;
    struct ranking_flow *flow;
    uint64_t batch_id;
    int attempt;
    const struct event_message *messages;
    size_t n;
    char reason[200]; /* of a message that cannot be decoded */
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
    mem_free(r);
}

/* A refusal of Redis itself (wrong type of a key) counts as a try of the message; everything else is Redis being away. */
static void again(struct run *r, const struct error *e)
{
    struct ranking_flow *f = r->flow;
    static struct log_gate gate;
    int64_t suppressed;
    if (log_gate_open(&gate, 1000, &suppressed))
        log_warn(&log_ranking, "sales wait to be counted again", LOG_ERR(e), LOG_I("messages", r->n),
                 LOG_I("suppressed", suppressed));
    finish(r, EVENT_WAIT, 0, consume_pause_ms(r->attempt, f->cfg.backoff_ms, f->cfg.backoff_max_ms));
}

static void on_applied(void *arg, int64_t counted, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        again(r, e);
        return;
    }
    FAULT_POINT("ranking-applied");
    log_debug(&log_ranking, "sales counted", LOG_I("messages", r->n), LOG_I("new", counted));
    finish(r, EVENT_DONE, r->n, 0);
}

static void on_dead_letter(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        again(r, e);
        return;
    }
    consume_dead_letter_done(r->flow->cfg.group, &r->messages[0], r->reason);
    finish(r, EVENT_DONE, 1, 0);
}

/* Read the messages up to the first that cannot be; r->n is how many. */
static struct ranking_sale *decode(struct run *r, const struct event_batch *batch)
{
    struct ranking_sale *sales = mem_array(batch->n, sizeof *sales);
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
        sales[i] = (struct ranking_sale){sale.product_id, sale.order_id, sale.order_item_id, sale.quantity,
                                         sold_at_us};
        r->n = i + 1;
        msg_product_ranking_free(&sale);
    }
    return sales;
}

static void on_batch(void *self, const struct event_batch *batch)
{
    struct ranking_flow *f = self;
    struct run *r = mem_zalloc(sizeof *r);
    *r = (struct run){.flow = f,
                      .batch_id = batch->id,
                      .attempt = batch->attempt,
                      .messages = batch->messages,
                      .started_us = clock_mono_us()};
    LIST_INSERT_HEAD(&f->runs, r, link);
    struct ranking_sale *sales = decode(r, batch);
    int64_t last = r->n ? batch->messages[r->n - 1].offset : -1;
    if (!r->n)
        f->dead.ops->put(f->dead.self, &r->messages[0], f->cfg.group,
                         "org.springframework.kafka.support.serializer.DeserializationException", r->reason,
                         on_dead_letter, r);
    else
        ranking_apply(f->store, batch->topic, batch->partition, last < 0 ? -1 : last + 1, sales, r->n,
                      clock_real_us(), f->retention_days, on_applied, r);
    mem_free(sales);
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
        mem_free(r);
    }
    mem_free(f);
}
