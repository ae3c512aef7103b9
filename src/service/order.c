/* Orders and charges, from the waiting line to the answer.
 *
 *   submit          checked by itself, then into the waiting line. 503 at once when the line is full, or so long
 *                   that the request would not be in a batch in time
 *   start           at the end of the turn. When no batch is before its COMMIT: the head of the line, at most batch_max. So the
 *                   next batch takes its locks while the last one is written to disk and answered. Beside one that is: the
 *                   requests of the line that touch nothing of it (order_claims), so that PostgreSQL works on both
 *   reserve ids     by a committed statement, when memory holds too few
 *   lock            store/order_tx: products, balances, coupons, idempotency keys, in one round trip
 *   plan            order_batch.c and order_plan.c, pure, in arrival order
 *   write, commit   one statement per table; nothing to write: abort
 *   answer          only now; then the events of the committed orders go out (outbox_publish)
 *
 * When the batch fails: a retriable failure (deadlock, connection lost before COMMIT, service away) puts the
 * batch back at the head of the line and plans it anew after a pause, each request until its deadline. A data
 * error (class 22 or 23) halves the batch, down to the one request that cannot be written; that one is
 * answered 500. An unknown outcome answers 503 OUTCOME_UNKNOWN to those whose order was part of it: nobody
 * retries for them but the client with the same Idempotency-Key, or the relay, which publishes the order if
 * it is there. */
#include "service/order.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/random.h"
#include "loop/loop.h"
#include "service/order_batch.h"
#include "service/order_claims.h"
#include "service/outbox_publish.h"

LOG_DEFINE(log_order, "rushd.order");

enum run_state {
    RUN_RESERVE,    /* waits for ids */
    RUN_OPEN,       /* a transaction is open */
    RUN_COMMITTING, /* COMMIT is on its way: the next batch may start */
};

/* A batch from the line to its end. */
struct run {
    TAILQ_ENTRY(run) link;
    struct order_service *service;
    enum run_state state;
    struct order_batch batch;
    size_t orders_max, lines_max; /* ids that it may still take */
    int64_t started_us;
};

/* Batches before their COMMIT, and those behind it too. A second one takes what a batch leaves of PostgreSQL's time; more only make
 * each smaller. */
#define OPEN_MAX 2
#define RUNS_MAX 3

struct order_service {
    struct loop *loop;
    struct store *store;
    struct outbox_publisher *outbox;
    struct order_service_config cfg;
    TAILQ_HEAD(, run) runs;
    size_t nruns, nopen;
    size_t open_requests;         /* of the open runs */
    size_t orders_max, lines_max; /* of all runs */
    struct map *claims;           /* of the open ones */
    bool blocked;                 /* most of the line waits for an open batch */
    struct order_items line;      /* waiting */
    size_t waiting;
    struct order_items answered; /* answers on their way out, at the end of the turn */
    int64_t last_end_us;         /* of a batch */
    int64_t batch_us;            /* what the line waits for a batch lately */
    size_t limit;                /* size of the next batch: halved by data errors, doubled by success */
    int failures;                /* retriable ones in a row */
    struct strmap *keys;         /* idempotency keys in line or in a batch of this node */
    struct loop_task start_task, answer_task;
    struct loop_timer *timer; /* runs in a pause after a retriable failure: nothing starts */
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    struct loop_timer *drain_timer;
};

static const double batch_buckets[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 0};
static const struct metric_def batch_size_def = {.name = "rushd.order.batch.size",
                                                 .type = METRIC_SUMMARY,
                                                 .help = "Requests of one transaction.",
                                                 .buckets = batch_buckets};
static const struct metric_def batch_time_def = {
    .name = "rushd.order.batch", .type = METRIC_TIMER, .help = "From the lock of a batch to its end."};
static const struct metric_def wait_time_def = {
    .name = "rushd.order.wait", .type = METRIC_TIMER, .help = "From the arrival of a request to its batch."};
static const struct metric_def outcome_def = {.name = "rushd.order.requests",
                                              .type = METRIC_COUNTER,
                                              .help = "Orders and charges by outcome.",
                                              .labels = {"kind", "outcome"}};
static const struct metric_def waiting_def = {
    .name = "rushd.order.waiting", .type = METRIC_GAUGE, .help = "Orders and charges in the waiting line."};

/* Of the time that a request has, this part is kept for its batch. Without it every batch of a line that stands at the
 * deadline begins when there is no time left to end, and nothing gets done any more. */
#define BATCH_SHARE 3

static void count_outcome(const struct order_item *it)
{
    const char *outcome = it->status == 200   ? "accepted"
                          : it->status == 503 ? "unavailable"
                          : it->status >= 500 ? "failed"
                                              : "refused";
    const char *labels[] = {order_item_route(it), outcome};
    metric_add(metric_series(metric_register(&outcome_def), labels), 1);
}

static void kick(struct order_service *o);

/* --- answers --- */

static void forget_key(struct order_service *o, const struct order_item *it)
{
    if (!it->key)
        return;
    struct buf name = BUF_INIT;
    buf_printf(&name, "%s/%lld/%s", order_item_route(it), (long long)it->user_id, it->key);
    if (strmap_get(o->keys, name.data, name.len) == it)
        strmap_del(o->keys, name.data, name.len);
    buf_free(&name);
}

/* False when the same key is in line or running on this node already. */
static bool remember_key(struct order_service *o, struct order_item *it)
{
    if (!it->key)
        return true;
    struct buf name = BUF_INIT;
    buf_printf(&name, "%s/%lld/%s", order_item_route(it), (long long)it->user_id, it->key);
    bool free_key = !strmap_get(o->keys, name.data, name.len);
    if (free_key)
        strmap_put(o->keys, name.data, name.len, it);
    buf_free(&name);
    return free_key;
}

static void answer(struct order_service *o, struct order_item *it)
{
    TAILQ_INSERT_TAIL(&o->answered, it, link);
    loop_defer(o->loop, &o->answer_task);
}

static void refuse(struct order_service *o, struct order_item *it, enum refusal_code code)
{
    order_item_refuse(it, &(struct refusal){.code = code, .n = o->cfg.max_items});
    answer(o, it);
}

static bool idle(const struct order_service *o)
{
    return TAILQ_EMPTY(&o->runs) && TAILQ_EMPTY(&o->line) && TAILQ_EMPTY(&o->answered);
}

static void check_drained(struct order_service *o)
{
    if (!o->drained || !idle(o))
        return;
    void (*drained)(void *arg) = o->drained;
    o->drained = NULL;
    loop_timer_stop(o->drain_timer);
    drained(o->drained_arg);
}

static void send_answers(void *arg)
{
    struct order_service *o = arg;
    struct order_item *it;
    while ((it = TAILQ_FIRST(&o->answered))) {
        TAILQ_REMOVE(&o->answered, it, link);
        forget_key(o, it);
        count_outcome(it);
        const struct order_answer a = {it->status, buf_slice(&it->body), it->content_type, it->retry_after_s};
        it->done(it->arg, &a);
        order_item_free(it);
    }
    check_drained(o);
}

/* --- the end of a batch --- */

static void set_waiting(struct order_service *o, size_t n)
{
    o->waiting = n;
    metric_set(metric_single(&waiting_def), (double)n);
}

/* Put the batch back at the head of the line, in its order. */
static void put_back(struct run *r)
{
    struct order_service *o = r->service;
    for (size_t i = r->batch.n; i-- > 0;) {
        struct order_item *it = r->batch.items[i];
        order_item_reset(it);
        it->start_by_us = it->deadline_us; /* it was in time */
        TAILQ_INSERT_HEAD(&o->line, it, link);
    }
    set_waiting(o, o->waiting + r->batch.n);
}

static void pause_line(struct order_service *o)
{
    loop_timer_start(o->timer, random_backoff_ms(o->failures++, 5, 500));
}

static void answer_batch(struct run *r, bool committed)
{
    struct order_service *o = r->service;
    for (size_t i = 0; i < r->batch.n; i++) {
        struct order_item *it = r->batch.items[i];
        if (!committed && it->effect)
            order_item_refuse(it, &(struct refusal){.code = REFUSAL_OUTCOME_UNKNOWN});
        answer(o, it);
    }
}

static void publish_batch(const struct run *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->batch.writes.noutbox; i++) {
        size_t orders = r->batch.writes.outbox[i].orders;
        outbox_publish(r->service->outbox, &r->batch.events[at], orders, &r->batch.request_ids[at]);
        at += orders;
    }
}

/* The database refused data that rushd takes for valid: find the request by halving. */
static void split(struct run *r, const struct error *e)
{
    struct order_service *o = r->service;
    log_error(&log_order, "batch refused by the database", LOG_ERR(e), LOG_I("requests", r->batch.n));
    if (r->batch.n == 1) {
        order_item_refuse(r->batch.items[0], &(struct refusal){.code = REFUSAL_INTERNAL_ERROR});
        answer(o, r->batch.items[0]);
        return;
    }
    o->limit = r->batch.n / 2;
    put_back(r);
}

/* PostgreSQL has been gone for a while: waiting would only hide it. */
static void refuse_batch(struct run *r)
{
    for (size_t i = 0; i < r->batch.n; i++)
        refuse(r->service, r->batch.items[i], REFUSAL_SERVICE_UNAVAILABLE);
}

static bool data_error(const struct error *e)
{
    return e->kind == ERROR_BUG || strncmp(e->code, "22", 2) == 0 || strncmp(e->code, "23", 2) == 0;
}

/* Of two batches that overlap, the line waits for the second only from the end of the first. */
static void measure_batch(struct run *r)
{
    struct order_service *o = r->service;
    int64_t now = clock_mono_us();
    int64_t since = r->started_us > o->last_end_us ? r->started_us : o->last_end_us;
    metric_observe_us(metric_single(&batch_time_def), now - r->started_us);
    o->batch_us += (now - since - o->batch_us) / 8;
    o->last_end_us = now;
}

static struct run *run_new(struct order_service *o)
{
    struct run *r = mem_zalloc(sizeof *r);
    r->service = o;
    TAILQ_INSERT_TAIL(&o->runs, r, link);
    o->nruns++;
    return r;
}

static void run_claim(struct run *r)
{
    struct order_service *o = r->service;
    o->nopen++;
    o->open_requests += r->batch.n;
    for (size_t i = 0; i < r->batch.n; i++) {
        const struct order_item *it = r->batch.items[i];
        order_claims_take(o->claims, it);
        r->orders_max += it->kind == ORDER_ITEM_ORDER;
        r->lines_max += it->nlines;
    }
    o->orders_max += r->orders_max;
    o->lines_max += r->lines_max;
}

/* It takes no more ids. */
static void run_has_ids(struct run *r)
{
    r->service->orders_max -= r->orders_max;
    r->service->lines_max -= r->lines_max;
    r->orders_max = r->lines_max = 0;
}

/* What follows may touch the same rows: once, before COMMIT or at the end. */
static void run_unclaim(struct run *r)
{
    struct order_service *o = r->service;
    if (r->state == RUN_COMMITTING)
        return;
    o->nopen--;
    o->open_requests -= r->batch.n;
    o->blocked = false;
    for (size_t i = 0; i < r->batch.n; i++)
        order_claims_drop(o->claims, r->batch.items[i]);
}

static void run_free(struct run *r)
{
    struct order_service *o = r->service;
    TAILQ_REMOVE(&o->runs, r, link);
    o->nruns--;
    order_batch_clear(&r->batch);
    mem_free(r);
}

static void retry_batch(struct run *r, const struct error *e)
{
    static struct log_gate gate;
    int64_t suppressed;
    if (log_gate_open(&gate, 1000, &suppressed))
        log_warn(&log_order, "batch is planned anew", LOG_ERR(e), LOG_I("requests", r->batch.n),
                 LOG_I("suppressed", suppressed));
    put_back(r);
    pause_line(r->service);
}

static void on_batch_end(void *arg, enum store_end end, const struct error *e)
{
    struct run *r = arg;
    struct order_service *o = r->service;
    run_unclaim(r);
    run_has_ids(r);
    if (r->state != RUN_RESERVE)
        measure_batch(r);
    if (end == STORE_COMMITTED || (end == STORE_ROLLED_BACK && (!e || e->kind == ERROR_NONE))) {
        if (end == STORE_COMMITTED)
            FAULT_POINT("order-committed");
        o->failures = 0;
        o->limit = o->limit * 2 < (size_t)o->cfg.batch_max ? o->limit * 2 : (size_t)o->cfg.batch_max;
        answer_batch(r, true);
        publish_batch(r); /* behind the answers, for which somebody waits */
    } else if (end == STORE_UNKNOWN) {
        log_error(&log_order, "outcome of a batch is unknown", LOG_ERR(e), LOG_I("requests", r->batch.n));
        answer_batch(r, false);
    } else if (data_error(e)) {
        split(r, e);
    } else if (strcmp(e->code, "NO_CONNECTION") == 0) {
        refuse_batch(r);
    } else {
        retry_batch(r, e);
    }
    run_free(r);
    kick(o);
    check_drained(o);
}

/* --- a batch --- */

static void on_batch_locked(void *arg, struct order_tx *tx, const struct order_tx_facts *facts)
{
    struct run *r = arg;
    struct order_service *o = r->service;
    bool writes = order_batch_plan(&r->batch, o->store, facts, clock_shop_us());
    run_has_ids(r);
    if (!writes) {
        order_tx_abort(tx);
        return;
    }
    r->batch.writes.outbox_due = !outbox_publishes(o->outbox);
    order_tx_write(tx, &r->batch.writes);
}

static void on_batch_committing(void *arg)
{
    struct run *r = arg;
    run_unclaim(r);
    r->state = RUN_COMMITTING;
    kick(r->service);
}

static void lock_batch(struct run *r)
{
    static const struct order_tx_ops ops = {on_batch_locked, on_batch_committing, on_batch_end};
    r->state = RUN_OPEN;
    order_batch_locks(&r->batch);
    int64_t now = clock_mono_us();
    int64_t left_ms = (r->batch.items[0]->deadline_us - now) / 1000;
    r->started_us = now;
    metric_observe(metric_single(&batch_size_def), (double)r->batch.n);
    for (size_t i = 0; i < r->batch.n; i++)
        metric_observe_us(metric_single(&wait_time_def), now - r->batch.items[i]->submitted_us);
    order_tx_lock(r->service->store, &r->batch.locks, left_ms > 100 ? left_ms : 100, &ops, r);
}

static void on_ids(void *arg, const struct error *e);

/* Ids that this batch and the others can use at most are in hand. False while they are being reserved. */
static bool reserve_ids(struct run *r)
{
    struct store *s = r->service->store;
    size_t orders = r->service->orders_max, lines = r->service->lines_max;
    int64_t deadline_ms = (r->batch.items[0]->deadline_us - clock_mono_us()) / 1000;
    if (deadline_ms < 100)
        deadline_ms = 100;
    if (store_ids_left(s, STORE_ID_ORDER) < orders)
        store_ids_ensure(s, STORE_ID_ORDER, orders, deadline_ms, on_ids, r);
    else if (store_ids_left(s, STORE_ID_ORDER_ITEM) < lines)
        store_ids_ensure(s, STORE_ID_ORDER_ITEM, lines, deadline_ms, on_ids, r);
    else
        return true;
    return false;
}

static void on_ids(void *arg, const struct error *e)
{
    struct run *r = arg;
    if (e && e->kind != ERROR_NONE) {
        on_batch_end(r, STORE_ROLLED_BACK, e);
        return;
    }
    if (reserve_ids(r))
        lock_batch(r);
}

/* Answer what waited too long; the line is in order of deadlines but for what was put back. */
static void expire_line(struct order_service *o)
{
    int64_t now = clock_mono_us();
    struct order_item *it;
    while ((it = TAILQ_FIRST(&o->line)) && it->start_by_us <= now) {
        TAILQ_REMOVE(&o->line, it, link);
        set_waiting(o, o->waiting - 1);
        refuse(o, it, REFUSAL_SERVICE_UNAVAILABLE);
    }
}

/* Beside an open batch only while all goes well: a request that the database refuses is looked for by one batch after another. */
static bool may_start(const struct order_service *o)
{
    if (o->nruns >= RUNS_MAX || loop_timer_running(o->timer))
        return false;
    return o->nopen == 0 || (o->nopen < OPEN_MAX && !o->blocked && o->limit == (size_t)o->cfg.batch_max);
}

/* A batch costs something however small it is: one beside another waits until it is nearly as large. */
static bool too_few(const struct order_service *o, size_t n)
{
    return 4 * n < 3 * o->open_requests;
}

/* Note the first `limit` requests of the line, or of so many those that have to wait neither for an open batch nor, as their arrival
 * counts, for one that has; returns how many. */
static size_t choose(struct order_service *o, struct order_item **items)
{
    size_t n = 0, seen = 0;
    struct map *passed = map_new();
    struct order_item *it;
    TAILQ_FOREACH(it, &o->line, link)
    {
        if (seen++ == o->limit)
            break;
        if (o->nopen == 0 || (order_claims_allow(o->claims, it) && order_claims_allow(passed, it)))
            items[n++] = it;
        else
            order_claims_take(passed, it);
    }
    map_free(passed);
    return n;
}

static void start_batch(void *arg)
{
    struct order_service *o = arg;
    if (!may_start(o))
        return;
    expire_line(o);
    if (TAILQ_EMPTY(&o->line) || too_few(o, o->waiting))
        return;
    size_t most = o->waiting < o->limit ? o->waiting : o->limit;
    struct order_item **items = mem_array(most, sizeof *items);
    size_t n = choose(o, items);
    o->blocked = 2 * n < most;
    if (o->blocked || too_few(o, n)) {
        mem_free(items);
        return;
    }
    struct run *r = run_new(o);
    r->batch.items = items;
    r->batch.n = n;
    for (size_t i = 0; i < n; i++)
        TAILQ_REMOVE(&o->line, items[i], link);
    run_claim(r);
    set_waiting(o, o->waiting - n);
    if (reserve_ids(r))
        lock_batch(r);
}

static void kick(struct order_service *o)
{
    if (may_start(o) && !TAILQ_EMPTY(&o->line))
        loop_defer(o->loop, &o->start_task);
}

/* The pause is over. */
static void on_timer(void *arg)
{
    struct order_service *o = arg;
    expire_line(o);
    kick(o);
    check_drained(o);
}

/* --- submitting --- */

static char *copy_or_null(const char *s)
{
    return s ? mem_strdup(s) : NULL;
}

static struct order_item *item_new(struct order_service *o, enum order_item_kind kind, int64_t user_id,
                                   const char *key, const char *body_hash, const char *request_id,
                                   unsigned form, order_answer_fn *done, void *arg)
{
    struct order_item *it = mem_zalloc(sizeof *it);
    it->kind = kind;
    it->user_id = user_id;
    it->key = copy_or_null(key);
    it->body_hash = copy_or_null(key ? body_hash : NULL);
    it->request_id = copy_or_null(request_id);
    it->form = form;
    it->submitted_us = clock_mono_us();
    it->deadline_us = it->submitted_us + o->cfg.timeout_ms * 1000;
    it->start_by_us = it->deadline_us - o->cfg.timeout_ms * 1000 / BATCH_SHARE;
    it->done = done;
    it->arg = arg;
    return it;
}

/* Who comes now would wait so many batches that it is told so at once. A line shorter than a batch is never too long: what
 * it waits for is not known. */
static bool too_long(const struct order_service *o, const struct order_item *it)
{
    int64_t wait_us = (int64_t)(o->waiting / o->limit) * o->batch_us;
    return o->waiting >= (size_t)o->cfg.max_waiting || wait_us > it->start_by_us - it->submitted_us;
}

static void enqueue(struct order_service *o, struct order_item *it)
{
    if (o->draining || too_long(o, it)) {
        refuse(o, it, REFUSAL_SERVICE_UNAVAILABLE);
    } else if (!remember_key(o, it)) {
        refuse(o, it, REFUSAL_REQUEST_IN_PROGRESS);
    } else {
        TAILQ_INSERT_TAIL(&o->line, it, link);
        set_waiting(o, o->waiting + 1);
        kick(o);
    }
}

static enum refusal_code check_order(const struct order_service *o, const struct order_submit *in)
{
    if (in->user_id <= 0)
        return REFUSAL_INVALID_USER_ID;
    if (!in->nlines)
        return REFUSAL_NO_ORDER_ITEMS;
    if (in->nlines > (size_t)o->cfg.max_items)
        return REFUSAL_TOO_MANY_ITEMS;
    for (size_t i = 0; i < in->nlines; i++)
        if (in->lines[i].quantity <= 0)
            return REFUSAL_INVALID_QUANTITY;
    return REFUSAL_NONE;
}

void order_submit(struct order_service *o, const struct order_submit *in, order_answer_fn *done, void *arg)
{
    struct order_item *it = item_new(o, ORDER_ITEM_ORDER, in->user_id, in->idempotency_key, in->body_hash,
                                     in->request_id, in->form, done, arg);
    enum refusal_code why = check_order(o, in);
    if (why != REFUSAL_NONE) {
        refuse(o, it, why);
        return;
    }
    it->user_coupon_id = in->user_coupon_id;
    it->nlines = in->nlines;
    it->lines = mem_array(in->nlines, sizeof *it->lines);
    memcpy(it->lines, in->lines, in->nlines * sizeof *it->lines);
    enqueue(o, it);
}

#define CHARGE_MAX INT64_C(100000000) /* 1,000,000.00: the contract's sentence names it */

void charge_submit(struct order_service *o, const struct charge_submit *in, order_answer_fn *done, void *arg)
{
    struct order_item *it = item_new(o, ORDER_ITEM_CHARGE, in->user_id, in->idempotency_key, in->body_hash,
                                     in->request_id, in->form, done, arg);
    it->amount = in->amount;
    if (in->amount <= 0)
        refuse(o, it, REFUSAL_CHARGE_AMOUNT_NOT_POSITIVE);
    else if (in->amount > CHARGE_MAX)
        refuse(o, it, REFUSAL_CHARGE_AMOUNT_TOO_LARGE);
    else if (in->user_id <= 0)
        refuse(o, it, REFUSAL_CHARGE_USER_NOT_FOUND);
    else
        enqueue(o, it);
}

/* --- life --- */

struct order_service *order_service_new(struct loop *l, struct store *s, struct outbox_publisher *outbox,
                                        const struct order_service_config *cfg)
{
    struct order_service *o = mem_zalloc(sizeof *o);
    o->loop = l;
    o->store = s;
    o->outbox = outbox;
    o->cfg = *cfg;
    o->limit = (size_t)cfg->batch_max;
    TAILQ_INIT(&o->runs);
    TAILQ_INIT(&o->line);
    TAILQ_INIT(&o->answered);
    o->keys = strmap_new();
    o->claims = map_new();
    o->start_task = (struct loop_task){.run = start_batch, .arg = o};
    o->answer_task = (struct loop_task){.run = send_answers, .arg = o};
    o->timer = loop_timer_new(l, on_timer, o);
    return o;
}

size_t order_service_waiting(const struct order_service *o)
{
    return o->waiting;
}

/* What never got into a batch certainly was not done, and is told so; the running batches keep their own end. */
static void on_drain_deadline(void *arg)
{
    struct order_service *o = arg;
    struct order_item *it;
    struct run *r;
    size_t running = 0;
    TAILQ_FOREACH(r, &o->runs, link)
    running += r->batch.n;
    log_warn(&log_order, "stop does not wait longer for orders", LOG_I("waiting", o->waiting),
             LOG_I("running", running));
    while ((it = TAILQ_FIRST(&o->line))) {
        TAILQ_REMOVE(&o->line, it, link);
        refuse(o, it, REFUSAL_SERVICE_UNAVAILABLE);
    }
    set_waiting(o, 0);
    void (*drained)(void *arg) = o->drained;
    o->drained = NULL;
    if (drained)
        drained(o->drained_arg);
}

void order_service_drain(struct order_service *o, int64_t deadline_ms, void (*drained)(void *arg), void *arg)
{
    o->draining = true;
    o->drained = drained;
    o->drained_arg = arg;
    o->drain_timer = loop_timer_new(o->loop, on_drain_deadline, o);
    loop_timer_start(o->drain_timer, deadline_ms);
    loop_defer(o->loop, &o->answer_task); /* ends in check_drained(), never before this returns */
}

void order_service_free(struct order_service *o)
{
    if (!o)
        return;
    loop_defer_cancel(o->loop, &o->start_task);
    loop_defer_cancel(o->loop, &o->answer_task);
    loop_timer_free(o->timer);
    loop_timer_free(o->drain_timer);
    struct order_item *it;
    struct run *r;
    while ((r = TAILQ_FIRST(&o->runs))) {
        for (size_t i = 0; i < r->batch.n; i++)
            order_item_free(r->batch.items[i]);
        run_free(r);
    }
    while ((it = TAILQ_FIRST(&o->line))) {
        TAILQ_REMOVE(&o->line, it, link);
        order_item_free(it);
    }
    while ((it = TAILQ_FIRST(&o->answered))) {
        TAILQ_REMOVE(&o->answered, it, link);
        order_item_free(it);
    }
    strmap_free(o->keys);
    map_free(o->claims);
    mem_free(o);
}
