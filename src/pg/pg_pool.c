/* The pool: connections made as they are needed, and the line in front of them.
 *
 * Every call takes a place in the line and gets a connection from the pump, which runs at the end of a turn:
 * nobody is called back from inside his own call. There is one line per kind of request. Settling an outcome
 * comes before all; otherwise the older request goes first, except that queries leave one connection to the
 * transactions. Two connections are kept up, more are made while requests wait, one at a time with back-off
 * as long as connecting fails. */
#include "pg/pg_internal.h"

#include <sysexits.h>

#include "base/random.h"

enum {
    MIN_SIZE = 2,
    RETRY_MS = 50,
    RETRY_MAX_MS = 2000,
    AWAY_MS = 1000, /* a database that is gone for longer is away: calls fail at once */
    LINE_CHECK_MS = 10
};

static const struct pg_conn_ops pool_conn_ops;

static void pump(void *arg);
static void maintain(struct pg_pool *p);

static void set_error(struct error *e, const char *code, const char *text)
{
    error_set(e, ERROR_RETRIABLE, code, "%s", text);
}

/* --- state --- */

/* A short absence is waited out; after a longer one calls are refused at once, so that callers can say so. */
static void watch_absence(struct pg_pool *p)
{
    p->away_us = clock_mono_us() + AWAY_MS * 1000;
    loop_timer_start(p->away_timer, AWAY_MS);
}

static bool is_away(const struct pg_pool *p)
{
    return p->state != PG_POOL_READY && clock_mono_us() >= p->away_us;
}

/* Tell the owner when the pool comes up or goes down, and when the reason for being down is another one. */
static void move(struct pg_pool *p, enum pg_pool_state state, const char *reason)
{
    if (state == p->state && (state != PG_POOL_OUT || strcmp(reason, p->reason) == 0))
        return;
    if (state == PG_POOL_READY)
        loop_timer_stop(p->away_timer);
    else if (p->state == PG_POOL_READY)
        watch_absence(p);
    p->state = state;
    str_copy(p->reason, sizeof(p->reason), reason);
    if (state == PG_POOL_READY)
        log_info(&log_pg, "the database is there");
    else
        log_warn(&log_pg, "the database is away", LOG_S("reason", reason));
    if (p->on_state)
        p->on_state(p->on_state_arg, state == PG_POOL_READY, reason);
}

void pg_pool_on_state(struct pg_pool *p, void (*fn)(void *arg, bool ready, const char *reason), void *arg)
{
    p->on_state = fn;
    p->on_state_arg = arg;
}

bool pg_pool_ready(const struct pg_pool *p)
{
    return p->state == PG_POOL_READY;
}

/* --- the line --- */

static struct pg_request_list *line_of(struct pg_pool *p, const struct pg_request *r)
{
    return &p->lines[r->kind];
}

static void leave_line(struct pg_pool *p, struct pg_request *r)
{
    if (r->state == PG_REQUEST_WAITING) {
        TAILQ_REMOVE(line_of(p, r), r, link);
        p->waiting--;
    } else if (r->state == PG_REQUEST_REFUSED) {
        TAILQ_REMOVE(&p->refused, r, link);
    }
    r->state = PG_REQUEST_OUT;
}

void pg_pool_refuse(struct pg_pool *p, struct pg_request *r, const struct error *e)
{
    ASSERT(r->state != PG_REQUEST_RUNNING);
    leave_line(p, r);
    r->refusal = *e;
    r->state = PG_REQUEST_REFUSED;
    TAILQ_INSERT_TAIL(&p->refused, r, link);
    loop_defer(p->loop, &p->pump);
}

static void refuse(struct pg_pool *p, struct pg_request *r, const char *code, const char *text)
{
    struct error e = ERROR_INIT;
    set_error(&e, code, text);
    pg_pool_refuse(p, r, &e);
}

static const char *absence(const struct pg_pool *p)
{
    return *p->reason ? p->reason : "no database connection yet";
}

/* The absence is a long one now: whoever waits is told. Settling goes on waiting, it has to know. */
static void on_away(void *arg)
{
    struct pg_pool *p = arg;
    for (int kind = 0; kind < PG_REQUEST_KINDS; kind++) {
        struct pg_request *r, *next;
        TAILQ_FOREACH_SAFE(r, &p->lines[kind], link, next)
        {
            if (kind != PG_REQUEST_SETTLE)
                refuse(p, r, "NO_CONNECTION", absence(p));
        }
    }
}

static void watch_line(struct pg_pool *p, int64_t due_us)
{
    if (loop_timer_running(p->line_timer) && p->line_due_us <= due_us)
        return;
    int64_t left_ms = (due_us - clock_mono_us()) / 1000;
    p->line_due_us = due_us;
    loop_timer_start(p->line_timer, left_ms > LINE_CHECK_MS ? left_ms : LINE_CHECK_MS);
}

/* Refuse those whose deadline has passed, and come again when the next one does. */
static void check_line(void *arg)
{
    struct pg_pool *p = arg;
    int64_t now_us = clock_mono_us(), next_us = INT64_MAX;
    for (int kind = 0; kind < PG_REQUEST_KINDS; kind++) {
        struct pg_request *r, *next;
        TAILQ_FOREACH_SAFE(r, &p->lines[kind], link, next)
        {
            if (r->deadline_us > now_us) {
                if (r->deadline_us < next_us)
                    next_us = r->deadline_us;
                continue;
            }
            metric_add(p->metrics.timeout, 1);
            if (p->state == PG_POOL_READY)
                refuse(p, r, "TIMEOUT", "no database connection was free in time");
            else
                refuse(p, r, "NO_CONNECTION", absence(p));
        }
    }
    if (next_us < INT64_MAX)
        watch_line(p, next_us);
}

void pg_pool_enqueue(struct pg_pool *p, struct pg_request *r)
{
    ASSERT(r->state == PG_REQUEST_OUT);
    bool settle = r->kind == PG_REQUEST_SETTLE;
    r->since_us = clock_mono_us();
    if (p->cut || (p->closing && !settle)) {
        refuse(p, r, "CLOSED", "the node is stopping");
        return;
    }
    if (!settle && is_away(p)) {
        refuse(p, r, "NO_CONNECTION", absence(p));
        return;
    }
    if (!settle && p->waiting >= (size_t)p->max_waiting) {
        refuse(p, r, "QUEUE_FULL", "too many calls wait for a database connection");
        return;
    }
    r->state = PG_REQUEST_WAITING;
    TAILQ_INSERT_TAIL(line_of(p, r), r, link);
    p->waiting++;
    watch_line(p, r->deadline_us);
    loop_defer(p->loop, &p->pump);
}

/* The request that may have an idle connection now, or NULL. */
static struct pg_request *pick(struct pg_pool *p)
{
    struct pg_request *settle = TAILQ_FIRST(&p->lines[PG_REQUEST_SETTLE]);
    struct pg_request *tx = TAILQ_FIRST(&p->lines[PG_REQUEST_TX]);
    struct pg_request *query = TAILQ_FIRST(&p->lines[PG_REQUEST_QUERY]);
    size_t up = pg_pool_up(p);
    if (settle)
        return settle;
    if (query && up > 1 && p->running_queries + 1 >= up)
        query = NULL;
    if (tx && query)
        return tx->since_us <= query->since_us ? tx : query;
    return tx ? tx : query;
}

static struct pg_conn *usable_connection(struct pg_pool *p)
{
    struct pg_conn *c;
    TAILQ_FOREACH(c, &p->idle, idle_link)
    if (c->state == PG_CONN_UP)
        return c;
    return NULL;
}

static void move_slot(struct pg_pool *p, struct pg_conn *c, enum pg_slot slot)
{
    if (c->slot == PG_SLOT_IDLE)
        TAILQ_REMOVE(&p->idle, c, idle_link);
    p->slots[c->slot]--;
    c->slot = slot;
    p->slots[slot]++;
    if (slot == PG_SLOT_IDLE)
        TAILQ_INSERT_HEAD(&p->idle, c, idle_link);
}

static void dispatch(struct pg_pool *p, struct pg_request *r, struct pg_conn *c)
{
    int64_t now_us = clock_mono_us();
    leave_line(p, r);
    metric_observe_us(p->metrics.acquire, now_us - r->since_us);
    move_slot(p, c, PG_SLOT_BUSY);
    r->state = PG_REQUEST_RUNNING;
    r->since_us = now_us;
    r->conn = c;
    c->user = r;
    p->running_queries += r->kind == PG_REQUEST_QUERY;
    r->on_conn(r);
}

static void tell_refused(struct pg_pool *p)
{
    for (struct pg_request *r; (r = TAILQ_FIRST(&p->refused));) {
        struct error e = r->refusal;
        leave_line(p, r);
        r->on_refused(r, &e);
    }
}

static void pump(void *arg)
{
    struct pg_pool *p = arg;
    tell_refused(p);
    for (struct pg_conn *c; (c = usable_connection(p));) {
        struct pg_request *r = pick(p);
        if (!r)
            break;
        dispatch(p, r, c);
    }
    maintain(p);
    pg_pool_metrics_update(p);
    if (p->closing && p->calls == 0 && p->on_closed) {
        void (*on_closed)(void *arg) = p->on_closed;
        p->on_closed = NULL;
        on_closed(p->on_closed_arg); /* may free p */
    }
}

/* Take the connection from the request. */
static struct pg_conn *detach(struct pg_pool *p, struct pg_request *r)
{
    struct pg_conn *c = r->conn;
    metric_observe_us(p->metrics.usage, clock_mono_us() - r->since_us);
    p->running_queries -= r->kind == PG_REQUEST_QUERY;
    r->conn = NULL;
    r->state = PG_REQUEST_OUT;
    c->user = NULL;
    return c;
}

void pg_pool_release(struct pg_pool *p, struct pg_request *r)
{
    struct error e = ERROR_INIT;
    struct pg_conn *c = detach(p, r);
    pg_conn_deadline(c, 0);
    if (c->state == PG_CONN_UP && c->stale) {
        set_error(&e, "STALE", "the session no longer fits the server");
        pg_conn_break(c, &e);
    } else if (c->state == PG_CONN_UP && (!pg_conn_quiet(c) || PQtransactionStatus(c->pg) != PQTRANS_IDLE)) {
        set_error(&e, "PROTOCOL", "a connection came back with a transaction still open");
        pg_conn_break(c, &e);
    }
    move_slot(p, c, PG_SLOT_IDLE);
    loop_defer(p->loop, &p->pump);
}

void pg_pool_call_begins(struct pg_pool *p)
{
    p->calls++;
}

void pg_pool_call_ends(struct pg_pool *p)
{
    ASSERT(p->calls > 0);
    if (--p->calls == 0 && p->closing)
        loop_defer(p->loop, &p->pump);
}

/* --- connections --- */

static size_t wanted(const struct pg_pool *p)
{
    size_t n = p->slots[PG_SLOT_BUSY] + p->waiting;
    if (n > 0)
        n++; /* for what comes next, and because queries leave one to the transactions */
    if (n < p->min_size)
        n = p->min_size;
    return n < p->size ? n : p->size;
}

/* Open connections as needed; while connecting fails only one, and not before the back-off is over. */
static void maintain(struct pg_pool *p)
{
    if (p->cut || (p->closing && p->calls == 0) || loop_timer_running(p->retry_timer))
        return;
    size_t open = pg_pool_up(p) + p->slots[PG_SLOT_OPENING], want = wanted(p);
    for (size_t i = 0; i < p->size && open < want; i++) {
        struct pg_conn *c = p->conns[i];
        if (c->slot != PG_SLOT_CLOSED)
            continue;
        if (p->attempt > 0 && p->slots[PG_SLOT_OPENING] > 0)
            return;
        move_slot(p, c, PG_SLOT_OPENING);
        open++;
        pg_conn_open(c);
    }
}

static void on_retry(void *arg)
{
    maintain(arg);
}

static void on_up(void *arg, struct pg_conn *c)
{
    struct pg_pool *p = arg;
    p->attempt = 0;
    move_slot(p, c, PG_SLOT_IDLE);
    metric_observe_us(p->metrics.creation, clock_mono_us() - c->opened_us);
    loop_defer(p->loop, &p->pump);
    move(p, PG_POOL_READY, "");
}

static void on_down(void *arg, struct pg_conn *c, const struct error *why)
{
    struct pg_pool *p = arg;
    struct pg_request *r = c->user;
    bool was_up = c->slot != PG_SLOT_OPENING;
    if (r)
        detach(p, r);
    move_slot(p, c, PG_SLOT_CLOSED);
    if (was_up && !p->cut)
        log_warn(&log_pg, "database connection lost", LOG_ERR(why));
    if (!loop_timer_running(p->retry_timer))
        loop_timer_start(p->retry_timer, random_backoff_ms(p->attempt++, RETRY_MS, RETRY_MAX_MS));
    if (pg_pool_up(p) == 0 && !p->cut)
        move(p, PG_POOL_OUT, why->text);
    if (r)
        r->on_lost(r, why);
    loop_defer(p->loop, &p->pump);
}

static const struct pg_conn_ops pool_conn_ops = {.on_up = on_up, .on_down = on_down};

/* --- life --- */

static void init_target(struct pg_pool *p, const struct pg_pool_config *cfg)
{
    struct pg_target *t = &p->target;
    struct error e = ERROR_INIT;
    t->loop = p->loop;
    if (!pg_settings_parse(&t->settings, cfg->url, &e))
        base_die(EX_CONFIG, "database url: %s", e.text);
    if (cfg->username && *cfg->username)
        pg_settings_set(&t->settings, "user", cfg->username);
    if (cfg->application_name && *cfg->application_name)
        pg_settings_set(&t->settings, "application_name", cfg->application_name);
    if (cfg->time_zone && *cfg->time_zone)
        pg_settings_guc(&t->settings, "timezone", cfg->time_zone);
    t->statement_timeout_ms = cfg->statement_timeout_ms;
    t->connect_timeout_ms = cfg->connect_timeout_ms;
    pg_pool_set_password(p, cfg->password);
}

struct pg_pool *pg_pool_new(struct loop *l, const struct pg_pool_config *cfg)
{
    ASSERT(cfg->size >= 1);
    struct pg_pool *p = mem_zalloc(sizeof(*p));
    p->loop = l;
    init_target(p, cfg);
    p->max_waiting = cfg->max_waiting;
    p->size = (size_t)cfg->size;
    p->min_size = p->size < MIN_SIZE ? p->size : MIN_SIZE;
    TAILQ_INIT(&p->idle);
    TAILQ_INIT(&p->refused);
    TAILQ_INIT(&p->txs);
    TAILQ_INIT(&p->scripts);
    for (int kind = 0; kind < PG_REQUEST_KINDS; kind++)
        TAILQ_INIT(&p->lines[kind]);
    p->pump = (struct loop_task){.run = pump, .arg = p};
    p->line_timer = loop_timer_new(l, check_line, p);
    p->retry_timer = loop_timer_new(l, on_retry, p);
    p->away_timer = loop_timer_new(l, on_away, p);
    watch_absence(p);
    pg_pool_metrics_init(&p->metrics);
    p->conns = mem_array(p->size, sizeof(struct pg_conn *));
    for (size_t i = 0; i < p->size; i++)
        p->conns[i] = pg_conn_new(&p->target, &pool_conn_ops, p);
    p->slots[PG_SLOT_CLOSED] = p->size;
    loop_defer(l, &p->pump);
    return p;
}

void pg_pool_set_password(struct pg_pool *p, const char *password)
{
    mem_free(p->target.password);
    p->target.password = password && *password ? mem_strdup(password) : NULL;
}

/* End every call now. */
static void cut_all(struct pg_pool *p)
{
    struct error why = ERROR_INIT;
    set_error(&why, "CLOSED", "the node is stopping");
    p->cut = true;
    for (size_t i = 0; i < p->size; i++)
        pg_conn_cut(p->conns[i], &why);
    for (int kind = 0; kind < PG_REQUEST_KINDS; kind++)
        for (struct pg_request *r; (r = TAILQ_FIRST(&p->lines[kind]));)
            refuse(p, r, why.code, why.text);
    pg_tx_cut_all(p);
    pg_script_cut_all(p);
    tell_refused(p);
    ASSERT(p->calls == 0);
}

static void on_close_deadline(void *arg)
{
    struct pg_pool *p = arg;
    if (p->calls > 0)
        log_warn(&log_pg, "calls were cut at the end", LOG_I("calls", p->calls));
    cut_all(p);
    loop_defer(p->loop, &p->pump);
}

void pg_pool_close(struct pg_pool *p, int64_t deadline_ms, void (*closed)(void *arg), void *arg)
{
    ASSERT(!p->closing);
    p->closing = true;
    p->on_closed = closed;
    p->on_closed_arg = arg;
    for (int kind = PG_REQUEST_TX; kind < PG_REQUEST_KINDS; kind++)
        for (struct pg_request *r; (r = TAILQ_FIRST(&p->lines[kind]));)
            refuse(p, r, "CLOSED", "the node is stopping");
    p->close_timer = loop_timer_new(p->loop, on_close_deadline, p);
    loop_timer_start(p->close_timer, deadline_ms);
    loop_defer(p->loop, &p->pump);
}

void pg_pool_free(struct pg_pool *p)
{
    if (!p)
        return;
    p->closing = true;
    cut_all(p);
    loop_defer_cancel(p->loop, &p->pump);
    for (size_t i = 0; i < p->size; i++)
        pg_conn_free(p->conns[i]);
    mem_free(p->conns);
    loop_timer_free(p->line_timer);
    loop_timer_free(p->retry_timer);
    loop_timer_free(p->away_timer);
    loop_timer_free(p->close_timer);
    pg_settings_free(&p->target.settings);
    mem_free(p->target.password);
    mem_free(p);
}
