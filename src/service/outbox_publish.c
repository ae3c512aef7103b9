/* From a committed order to its topics.
 *
 *   publish   a row becomes a parcel, each of its orders a flight that joins the line of those to send
 *   pump      at once, but not again for some milliseconds, so that orders of several batches share Kafka's
 *             requests (nobody waits for an event, and the row is durable): OrderCompleted, one ProductRanking
 *             per product, DataPlatform. A part of the line at a time, so that answers go out in between; stops
 *             while the sink is full
 *   reports   all of the row's orders good: its id joins those to delete; a permanent failure parks the row,
 *             when nothing else is to be tried again; anything else leaves the row to the relay, whose next
 *             claim publishes all of it again with the same ids (consumers know them)
 *   delete    by 500, or each second, never inside an order's transaction
 *   relay     each second claims rows that are due: of a node that died, of failed reports, of a full sink
 *
 * A flight lives until its last report is in, so a report's argument is always alive; a parcel as long as one of its flights. */
#include "service/outbox_publish.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/queue.h"
#include "loop/loop.h"

LOG_DEFINE(log_outbox, "rushd.outbox");

#define ORDER_TOPICS  3 /* EVENT_ORDER_COMPLETED .. EVENT_DATA_PLATFORM */
#define DELETE_BATCH  500
#define CLAIM_BATCH   500   /* orders */
#define CLAIM_BASE_MS 30000 /* well above the delivery time-out: by then a living node has its reports */
#define CLAIM_MAX_MS  600000
#define STATE_TICKS   5  /* seconds between readings of the table's state */
#define GATHER_MS     20 /* from one sending to the next */
#define PUMP_FLIGHTS  32 /* sent at a time */
#define RETRY_SEND_MS 20

/* A row on its way. */
struct parcel {
    struct outbox_publisher *publisher;
    int64_t id;                      /* the row's name: its first order */
    size_t flying;                   /* orders that are not finished */
    size_t topic_left[ORDER_TOPICS]; /* orders with messages of the topic without a good report */
    bool retry;                      /* leave the row to the relay */
    bool parked;
    bool relayed; /* claimed by the relay, not just committed here */
    char park_reason[400];
};

/* An order of it. */
struct flight {
    TAILQ_ENTRY(flight) link; /* in the line to send */
    LIST_ENTRY(flight) all;
    struct parcel *parcel;
    int64_t order_id;
    struct buf payload; /* of one that is relayed, until parsed */
    char *request_id;
    struct msg_order *order; /* NULL: in the payload */
    struct msg_order_product *products;
    size_t nproducts;
    int topic; /* next message to send */
    size_t product;
    bool sent;                       /* everything is sent or given up */
    size_t outstanding;              /* reports to come */
    size_t topic_left[ORDER_TOPICS]; /* messages of the topic without a good report */
    int published;                   /* bits of finished topics */
};
TAILQ_HEAD(flights, flight);

struct id_list {
    int64_t *ids;
    size_t len, cap;
};

struct outbox_publisher {
    struct loop *loop;
    struct store *store;
    struct event_sink sink;
    struct outbox_publisher_config cfg;
    struct map *parcels; /* by the row's name */
    LIST_HEAD(, flight) flights;
    size_t flying; /* how many they are */
    struct flights to_send;
    struct id_list done; /* rows to delete */
    struct id_list deleting;
    bool delete_running, relay_run, claiming, reading_state;
    struct outbox_state state;
    int ticks;
    struct buf value; /* of the message being sent; the sink copies */
    struct loop_timer *tick, *pump_timer;
    int64_t pumped_us; /* when the line was last sent */
    bool stopped;      /* the sink was full: the next report may change that */
    struct loop_task pump_task;
    void (*drained)(void *arg);
    void *drained_arg;
    struct loop_timer *drain_timer;
};

static const struct metric_def events_def = {.name = "rushd.outbox.events",
                                             .type = METRIC_COUNTER,
                                             .help = "Messages of committed orders by report.",
                                             .labels = {"outcome"}};
static const struct metric_def relayed_def = {
    .name = "rushd.outbox.relayed", .type = METRIC_COUNTER, .help = "Orders that the relay published again."};
static const struct metric_def rows_def = {
    .name = "rushd.outbox.rows",
    .type = METRIC_GAUGE,
    .help = "Rows of the outbox, each with the orders of a transaction (10,000 stands for more)."};
static const struct metric_def parked_def = {
    .name = "rushd.outbox.parked", .type = METRIC_GAUGE, .help = "Rows with a permanent publish error."};
static const struct metric_def oldest_def = {.name = "rushd.outbox.oldest.age",
                                             .type = METRIC_GAUGE,
                                             .unit = "seconds",
                                             .help = "Age of the oldest row of the outbox."};

static void count_event(const char *outcome)
{
    metric_add(metric_series(metric_register(&events_def), &outcome), 1);
}

static void id_list_add(struct id_list *l, int64_t id)
{
    if (l->len == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->ids = mem_grow(l->ids, l->cap, sizeof *l->ids);
    }
    l->ids[l->len++] = id;
}

static void check_drained(struct outbox_publisher *p)
{
    if (!p->drained || p->flying || p->done.len || p->delete_running)
        return;
    void (*drained)(void *arg) = p->drained;
    p->drained = NULL;
    loop_timer_stop(p->drain_timer);
    drained(p->drained_arg);
}

/* --- deleting --- */

static void on_deleted(void *arg, const struct error *e)
{
    struct outbox_publisher *p = arg;
    p->delete_running = false;
    if (e && e->kind != ERROR_NONE) {
        log_warn(&log_outbox, "rows could not be deleted, will try again", LOG_ERR(e),
                 LOG_I("rows", p->deleting.len));
        for (size_t i = 0; i < p->deleting.len; i++)
            id_list_add(&p->done, p->deleting.ids[i]);
    }
    p->deleting.len = 0;
    check_drained(p);
}

static void delete_done(struct outbox_publisher *p)
{
    if (p->delete_running || !p->done.len)
        return;
    struct id_list empty = p->deleting;
    p->deleting = p->done;
    p->done = empty;
    p->delete_running = true;
    outbox_delete(p->store, p->deleting.ids, p->deleting.len, on_deleted, p);
}

/* --- a flight --- */

static void flight_free(struct flight *f)
{
    LIST_REMOVE(f, all);
    buf_free(&f->payload);
    mem_free(f->order);
    mem_free(f->products);
    mem_free(f->request_id);
    mem_free(f);
}

static void on_ignored(void *arg, const struct error *e)
{
    if (e && e->kind != ERROR_NONE)
        log_warn(&log_outbox, "mark of an outbox row failed", LOG_ERR(e));
}

static void finish_parcel(struct parcel *c)
{
    struct outbox_publisher *p = c->publisher;
    map_del(p->parcels, c->id);
    if (c->parked && !c->retry) {
        outbox_park(p->store, c->id, c->park_reason, on_ignored, NULL);
    } else if (!c->retry) {
        id_list_add(&p->done, c->id);
        if (p->done.len >= DELETE_BATCH)
            delete_done(p);
    }
    mem_free(c);
}

static void finish(struct flight *f)
{
    struct parcel *c = f->parcel;
    struct outbox_publisher *p = c->publisher;
    flight_free(f);
    p->flying--;
    if (--c->flying == 0)
        finish_parcel(c);
    check_drained(p);
}

static void give_up(struct flight *f, const struct error *e)
{
    struct parcel *c = f->parcel;
    if (e->kind != ERROR_PERMANENT) {
        c->retry = true;
        return;
    }
    log_error(&log_outbox, "order cannot be published", LOG_I("order_id", f->order_id), LOG_ERR(e));
    if (!c->parked)
        snprintf(c->park_reason, sizeof c->park_reason, "order %lld: %s", (long long)f->order_id, e->text);
    c->parked = true;
}

/* All messages of an order to a topic are reported good. */
static void topic_done(struct flight *f, int topic)
{
    struct parcel *c = f->parcel;
    struct outbox_publisher *p = c->publisher;
    f->published |= 1 << topic;
    if (--c->topic_left[topic] == 0 && p->cfg.per_topic_marks)
        outbox_mark(p->store, c->id, 1 << topic, on_ignored, NULL);
}

static void on_report(void *arg, uint64_t topic, enum event_report report, const struct error *e)
{
    struct flight *f = arg;
    struct outbox_publisher *p = f->parcel->publisher;
    f->outstanding--;
    if (report == EVENT_DELIVERED) {
        count_event("delivered");
        if (--f->topic_left[topic] == 0)
            topic_done(f, (int)topic);
    } else {
        count_event(report == EVENT_NOT_DELIVERED ? "failed" : "unknown");
        give_up(f, e);
    }
    if (f->sent && !f->outstanding)
        finish(f);
    if (p->stopped)
        loop_defer(p->loop, &p->pump_task);
}

static bool parse(struct flight *f)
{
    struct msg_order order;
    struct error e = ERROR_INIT;
    if (!msg_order_parse_outbox(f->payload.data, f->payload.len, &order, &e)) {
        give_up(f, &e);
        return false;
    }
    buf_free(&f->payload);
    f->order = msg_order_dup(&order);
    msg_order_free(&order);
    return true;
}

/* Know what is to be sent of the order. */
static bool prepare(struct flight *f)
{
    if (f->products)
        return true;
    if (!f->order && !parse(f))
        return false;
    f->products = mem_array(f->order->nitems, sizeof *f->products);
    f->nproducts = msg_order_products(f->order, f->products);
    f->topic_left[EVENT_ORDER_COMPLETED] = f->topic_left[EVENT_DATA_PLATFORM] = 1;
    f->topic_left[EVENT_PRODUCT_RANKING] = f->nproducts;
    if (!f->nproducts && !(f->published & (1 << EVENT_PRODUCT_RANKING))) /* nothing to tell */
        topic_done(f, EVENT_PRODUCT_RANKING);
    return true;
}

static bool send_message(struct flight *f, struct error *e)
{
    struct outbox_publisher *p = f->parcel->publisher;
    struct buf *value = &p->value;
    buf_clear(value);
    int64_t key_id = f->order_id;
    if (f->topic == EVENT_ORDER_COMPLETED)
        msg_order_completed_print(value, f->order, p->cfg.schema);
    else if (f->topic == EVENT_DATA_PLATFORM)
        msg_data_platform_print(value, f->order, p->cfg.schema, clock_shop_us());
    else {
        key_id = f->products[f->product].product_id;
        msg_product_ranking_print(value, f->order, &f->products[f->product], p->cfg.schema);
    }
    char key[24];
    int n = snprintf(key, sizeof key, "%lld", (long long)key_id);
    const struct event_header header = {"X-Request-Id", f->request_id,
                                        f->request_id ? strlen(f->request_id) : 0};
    return p->sink.ops->send(p->sink.self, (enum event_topic)f->topic, (struct slice){key, (size_t)n},
                             buf_slice(value), &header, f->request_id ? 1 : 0, on_report, f,
                             (uint64_t)f->topic, e);
}

/* Step to the next message; false behind the last one. */
static bool next_message(struct flight *f)
{
    if (f->topic == EVENT_PRODUCT_RANKING && ++f->product < f->nproducts)
        return true;
    do
        f->topic++;
    while (f->topic < ORDER_TOPICS && (f->published & (1 << f->topic)));
    return f->topic < ORDER_TOPICS;
}

/* Send what is left of a flight. False when the sink wants to be asked later. */
static bool send_flight(struct flight *f)
{
    struct outbox_publisher *p = f->parcel->publisher;
    bool more = prepare(f);
    while (more && (f->published & (1 << f->topic)))
        more = next_message(f);
    while (more) {
        struct error e = ERROR_INIT;
        if (p->sink.ops->full(p->sink.self))
            return false;
        if (!send_message(f, &e)) {
            if (e.kind != ERROR_PERMANENT)
                return false;
            give_up(f, &e);
            break;
        }
        FAULT_POINT(f->parcel->relayed ? "relay-batch" : "order-published");
        f->outstanding++;
        more = next_message(f);
    }
    return true;
}

static void pump(void *arg)
{
    struct outbox_publisher *p = arg;
    struct flight *f;
    p->stopped = false;
    p->pumped_us = clock_mono_us();
    for (int n = 0; (f = TAILQ_FIRST(&p->to_send)); n++) {
        if (n == PUMP_FLIGHTS) {
            loop_timer_start(p->pump_timer, 1);
            return;
        }
        if (!send_flight(f)) {
            p->stopped = true;
            loop_timer_start(p->pump_timer, RETRY_SEND_MS);
            return;
        }
        TAILQ_REMOVE(&p->to_send, f, link);
        f->sent = true;
        if (!f->outstanding)
            finish(f);
    }
}

static struct flight *flight_new(struct parcel *c, int64_t order_id)
{
    struct outbox_publisher *p = c->publisher;
    struct flight *f = mem_zalloc(sizeof *f);
    f->parcel = c;
    f->order_id = order_id;
    TAILQ_INSERT_TAIL(&p->to_send, f, link);
    LIST_INSERT_HEAD(&p->flights, f, all);
    p->flying++;
    return f;
}

/* The next line of a payload; an empty one when there are too few. */
static struct slice next_line(struct slice *payload)
{
    const char *end = payload->n ? memchr(payload->p, '\n', payload->n) : NULL;
    size_t n = end ? (size_t)(end - payload->p) : payload->n;
    struct slice line = {payload->p, n};
    payload->p += n + (end != NULL);
    payload->n -= n + (end != NULL);
    return line;
}

/* NULL when the relay has the row, or is to have it. */
static struct parcel *parcel_new(struct outbox_publisher *p, int64_t id, size_t orders, bool relayed)
{
    if (map_get(p->parcels, id) || p->flying >= (size_t)p->cfg.max_in_flight)
        return NULL;
    struct parcel *c = mem_zalloc(sizeof *c);
    *c = (struct parcel){.publisher = p, .id = id, .flying = orders, .relayed = relayed};
    for (int t = 0; t < ORDER_TOPICS; t++)
        c->topic_left[t] = orders;
    map_put(p->parcels, id, c);
    int64_t wait_ms = GATHER_MS - (clock_mono_us() - p->pumped_us) / 1000;
    if (wait_ms <= 0)
        loop_defer(p->loop, &p->pump_task);
    else if (!loop_timer_running(p->pump_timer))
        loop_timer_start(p->pump_timer, wait_ms);
    return c;
}

bool outbox_publishes(const struct outbox_publisher *p)
{
    return !p->cfg.per_topic_marks || p->relay_run;
}

void outbox_publish(struct outbox_publisher *p, const struct msg_order *orders, size_t n,
                    const char *const *request_ids)
{
    struct parcel *c = outbox_publishes(p) ? parcel_new(p, orders[0].order_id, n, false) : NULL;
    for (size_t i = 0; c && i < n; i++) {
        struct flight *f = flight_new(c, orders[i].order_id);
        f->order = msg_order_dup(&orders[i]);
        f->request_id = request_ids[i] ? mem_strdup(request_ids[i]) : NULL;
    }
}

static void publish_row(struct outbox_publisher *p, const struct outbox_row *row)
{
    struct parcel *c = parcel_new(p, row->order_id, row->orders, true);
    struct slice payload = {row->payload, row->size};
    for (size_t i = 0; c && i < row->orders; i++) {
        struct flight *f = flight_new(c, c->id + (int64_t)i);
        f->published = row->published;
        /* What follows the last line makes that one unreadable. */
        buf_put_slice(&f->payload, i + 1 < row->orders ? next_line(&payload) : payload);
    }
}

/* --- relay --- */

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void claim(struct outbox_publisher *p);

/* A full batch means that more are due: the next claim follows at once, as long as the flights leave room. */
static void on_claimed(void *arg, const struct outbox_row *rows, size_t n, const struct error *e)
{
    struct outbox_publisher *p = arg;
    p->claiming = false;
    if (e && e->kind != ERROR_NONE) {
        log_debug(&log_outbox, "claim failed", LOG_ERR(e));
        return;
    }
    if (!p->relay_run) /* no longer ours to relay: the rows are due again for whoever does */
        return;
    size_t orders = 0;
    for (size_t i = 0; i < n; i++) {
        publish_row(p, &rows[i]);
        orders += rows[i].orders;
    }
    if (n) {
        metric_add(metric_single(&relayed_def), (double)orders);
        log_info(&log_outbox, "orders of the outbox are published again", LOG_I("orders", orders));
    }
    if (orders >= CLAIM_BATCH)
        claim(p);
}

/* Rows that this node still works on must not be claimed. */
static void claim(struct outbox_publisher *p)
{
    if (!p->relay_run || p->claiming || p->flying * 2 > (size_t)p->cfg.max_in_flight)
        return;
    struct id_list skip = {0};
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(p->parcels, &pos, &id, &value))
        id_list_add(&skip, id);
    for (size_t i = 0; i < p->done.len; i++)
        id_list_add(&skip, p->done.ids[i]);
    for (size_t i = 0; i < p->deleting.len; i++)
        id_list_add(&skip, p->deleting.ids[i]);
    if (skip.len)
        qsort(skip.ids, skip.len, sizeof *skip.ids, compare_ids);
    p->claiming = true;
    outbox_claim(p->store, CLAIM_BATCH, CLAIM_BASE_MS, CLAIM_MAX_MS, skip.ids, skip.len, on_claimed, p);
    mem_free(skip.ids);
}

static void on_state(void *arg, const struct outbox_state *st, const struct error *e)
{
    struct outbox_publisher *p = arg;
    p->reading_state = false;
    if (e && e->kind != ERROR_NONE)
        return;
    p->state = *st;
    metric_set(metric_single(&rows_def), (double)st->rows);
    metric_set(metric_single(&parked_def), (double)st->parked);
}

static void on_tick(void *arg)
{
    struct outbox_publisher *p = arg;
    delete_done(p);
    claim(p);
    if (p->ticks++ % STATE_TICKS == 0 && !p->reading_state) {
        p->reading_state = true;
        outbox_read_state(p->store, on_state, p);
    }
    metric_set(metric_single(&oldest_def), (double)outbox_oldest_age_ms(p) / 1000);
}

/* --- life --- */

struct outbox_publisher *outbox_publisher_new(struct loop *l, struct store *s, struct event_sink sink,
                                              const struct outbox_publisher_config *cfg)
{
    struct outbox_publisher *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->store = s;
    p->sink = sink;
    p->cfg = *cfg;
    p->parcels = map_new();
    LIST_INIT(&p->flights);
    p->pumped_us = clock_mono_us() - GATHER_MS * 1000;
    TAILQ_INIT(&p->to_send);
    p->pump_task = (struct loop_task){.run = pump, .arg = p};
    p->tick = loop_timer_new(l, on_tick, p);
    p->pump_timer = loop_timer_new(l, pump, p);
    loop_timer_every(p->tick, 1000);
    return p;
}

void outbox_relay_run(struct outbox_publisher *p, bool run)
{
    p->relay_run = run;
}

size_t outbox_in_flight(const struct outbox_publisher *p)
{
    return p->flying;
}

int64_t outbox_oldest_age_ms(const struct outbox_publisher *p)
{
    int64_t age = p->state.oldest_us ? (clock_shop_us() - p->state.oldest_us) / 1000 : 0;
    return age > 0 ? age : 0;
}

static void on_drain_deadline(void *arg)
{
    struct outbox_publisher *p = arg;
    log_warn(&log_outbox, "stop does not wait longer for delivery reports; the outbox keeps the orders",
             LOG_I("orders", p->flying));
    void (*drained)(void *arg) = p->drained;
    p->drained = NULL;
    if (drained)
        drained(p->drained_arg);
}

static void start_drain(void *arg)
{
    struct outbox_publisher *p = arg;
    pump(p);
    delete_done(p);
    check_drained(p);
}

void outbox_publisher_drain(struct outbox_publisher *p, int64_t deadline_ms, void (*drained)(void *arg),
                            void *arg)
{
    p->relay_run = false;
    p->drained = drained;
    p->drained_arg = arg;
    p->drain_timer = loop_timer_new(p->loop, on_drain_deadline, p);
    loop_timer_start(p->drain_timer, deadline_ms);
    loop_timer_every(p->tick, 100);
    loop_defer_cancel(p->loop, &p->pump_task);
    p->pump_task.run = start_drain;
    loop_defer(p->loop, &p->pump_task);
}

void outbox_publisher_free(struct outbox_publisher *p)
{
    if (!p)
        return;
    loop_timer_free(p->tick);
    loop_timer_free(p->pump_timer);
    loop_timer_free(p->drain_timer);
    loop_defer_cancel(p->loop, &p->pump_task);
    size_t pos = 0;
    int64_t id;
    void *value;
    struct flight *f;
    while ((f = LIST_FIRST(&p->flights)))
        flight_free(f);
    while (map_next(p->parcels, &pos, &id, &value))
        mem_free(value);
    map_free(p->parcels);
    mem_free(p->done.ids);
    mem_free(p->deleting.ids);
    buf_free(&p->value);
    mem_free(p);
}
