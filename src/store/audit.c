/* The audit's snapshot of PostgreSQL and what is read on it to be compared with something outside.
 *
 * The pool's sessions look rows up by key and never read whole tables; this transaction is the one place where that is wanted, so it
 * allows it to itself. */
#include "store/audit_internal.h"

#include <inttypes.h>

#include "msg/msg_date.h"

enum snapshot_state {
    SNAPSHOT_OPENING, /* waiting for a connection and the settings */
    SNAPSHOT_OPEN,
    SNAPSHOT_LOST,   /* the transaction has ended by itself */
    SNAPSHOT_CLOSED, /* the owner has let go of it; the transaction's end frees it */
};

struct audit_snapshot {
    struct store *store;
    struct pg_tx *tx; /* NULL once it has ended */
    enum snapshot_state state;
    struct error error;             /* why LOST */
    TAILQ_HEAD(, audit_read) reads; /* without an answer */
    struct loop_task refuse;        /* answers reads of a lost snapshot */
    store_done_fn *ready;
    void *arg;
};

/* The idle time is that of comparing a page; the rest lets the planner join whole tables. */
static const struct pg_statement st_settings = {
    "audit_settings",
    "SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),"
    " set_config('enable_mergejoin', 'on', true), set_config('work_mem', '64MB', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true)"};

static void snapshot_free(struct audit_snapshot *a)
{
    struct audit_read *read;
    while ((read = TAILQ_FIRST(&a->reads))) {
        TAILQ_REMOVE(&a->reads, read, link);
        mem_free(read);
    }
    loop_defer_cancel(a->store->loop, &a->refuse);
    mem_free(a);
}

static void tell_ready(struct audit_snapshot *a, enum snapshot_state state, const struct error *e)
{
    if (a->state != SNAPSHOT_OPENING)
        return;
    a->state = state;
    a->ready(a->arg, e);
}

static void on_settings(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct audit_snapshot *a = arg;
    if (status == PG_OK)
        tell_ready(a, SNAPSHOT_OPEN, NULL);
}

static void on_ready(void *arg, struct pg_tx *tx)
{
    struct audit_snapshot *a = arg;
    if (a->state == SNAPSHOT_CLOSED)
        return;
    pg_tx_query(tx, &st_settings, PG_NO_PARAMS, on_settings, a);
    pg_tx_flush(tx);
}

static void refuse_reads(void *arg)
{
    struct audit_snapshot *a = arg;
    struct audit_read *read = TAILQ_FIRST(&a->reads);
    if (!read)
        return;
    TAILQ_REMOVE(&a->reads, read, link);
    loop_defer(a->store->loop, &a->refuse); /* the owner may close it in the callback */
    read->on_result(read, NULL, &a->error);
    mem_free(read);
}

static void on_end(void *arg, enum pg_tx_end end, const struct error *e)
{
    struct audit_snapshot *a = arg;
    a->tx = NULL;
    if (a->state == SNAPSHOT_CLOSED) {
        snapshot_free(a);
        return;
    }
    store_error_of_read(e, &a->error);
    loop_defer(a->store->loop, &a->refuse);
    if (a->state == SNAPSHOT_OPENING)
        tell_ready(a, SNAPSHOT_LOST, &a->error);
    else
        a->state = SNAPSHOT_LOST;
}

struct audit_snapshot *audit_snapshot_open(struct store *s, int64_t deadline_ms, store_done_fn *ready,
                                           void *arg)
{
    static const struct pg_tx_ops ops = {on_ready, on_end};
    ASSERT(s->pg);
    struct audit_snapshot *a = mem_zalloc(sizeof *a);
    a->store = s;
    a->ready = ready;
    a->arg = arg;
    TAILQ_INIT(&a->reads);
    a->refuse = (struct loop_task){.run = refuse_reads, .arg = a};
    a->tx = pg_tx_start_snapshot(s->pg, &ops, a, deadline_ms);
    return a;
}

void audit_snapshot_close(struct audit_snapshot *a)
{
    if (!a)
        return;
    a->state = SNAPSHOT_CLOSED;
    if (a->tx)
        pg_tx_rollback(a->tx);
    else
        snapshot_free(a);
}

static void on_read(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct audit_read *read = arg;
    struct audit_snapshot *a = read->snapshot;
    struct error copy;
    if (a->state == SNAPSHOT_CLOSED)
        return; /* freed with the snapshot */
    TAILQ_REMOVE(&a->reads, read, link);
    read->on_result(read, r, status == PG_OK ? NULL : store_error_of_read(e, &copy));
    mem_free(read);
}

void audit_snapshot_read(struct audit_snapshot *a, const struct pg_statement *st,
                         const struct pg_params *params, audit_result_fn *on_result, store_any_fn *done,
                         void *arg)
{
    ASSERT(a->state == SNAPSHOT_OPEN || a->state == SNAPSHOT_LOST);
    struct audit_read *read = mem_zalloc(sizeof *read);
    *read = (struct audit_read){.snapshot = a, .on_result = on_result, .done = done, .arg = arg};
    TAILQ_INSERT_TAIL(&a->reads, read, link);
    if (a->tx) {
        pg_tx_query(a->tx, st, params, on_read, read);
        pg_tx_flush(a->tx);
    } else {
        loop_defer(a->store->loop, &a->refuse);
    }
}

/* --- rows --- */

/* clang-format off */
static const struct pg_statement st_sold = {
    "audit_sold",
    "SELECT o.created_at::date - date '1970-01-01', i.product_id,"
    " COALESCE(sum(i.quantity) FILTER (WHERE NOT " SQL_IN_OUTBOX("o.id") "), 0)::bigint, sum(i.quantity)::bigint"
    " FROM orders AS o JOIN order_items AS i ON i.order_id = o.id"
    " WHERE o.status = 'COMPLETED' AND o.created_at >= (date '1970-01-01' + $1::integer)::timestamptz"
    " GROUP BY 1, 2 ORDER BY 1, 2"};
static const struct pg_statement st_orders = {
    "audit_orders",
    "SELECT o.id, i.product_id, " SQL_US("o.created_at") " FROM (SELECT id, created_at FROM orders AS o"
    " WHERE id > $3::bigint AND status = 'COMPLETED' AND created_at >= " SQL_AT("$1") " AND created_at < " SQL_AT("$2")
    " AND NOT " SQL_IN_OUTBOX("o.id") " ORDER BY id LIMIT $4::bigint) AS o"
    " JOIN order_items AS i ON i.order_id = o.id GROUP BY 1, 2, 3 ORDER BY 1, 2"};
/* Decision numbers are drawn under the coupon's lock, so they are the order of the decisions. */
static const struct pg_statement st_late = {
    "audit_late",
    "WITH q AS MATERIALIZED (SELECT coupon_id, user_id, requested_at, ticket, decision,"
    " max(ticket) OVER (PARTITION BY coupon_id ORDER BY decision, ticket ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,"
    " decided_at >= " SQL_AT("$1") " AND decided_at < " SQL_AT("$2") " AS asked"
    " FROM coupon_requests WHERE ticket IS NOT NULL AND outcome IS NOT NULL AND ($3::bigint = 0 OR coupon_id = $3::bigint))"
    " SELECT (SELECT count(*) FROM q WHERE asked), COALESCE(l.total, 0), l.coupon_id, l.user_id, l.at, l.ticket"
    " FROM (VALUES (1)) AS one LEFT JOIN (SELECT count(*) OVER () AS total, coupon_id, user_id, " SQL_US("requested_at") " AS at, ticket"
    " FROM q WHERE asked AND ticket < before ORDER BY coupon_id, ticket LIMIT $4::bigint) AS l ON true"
    " ORDER BY l.coupon_id, l.ticket"};
static const struct pg_statement st_coupons = {
    "audit_coupons",
    "SELECT c.coupon_id, count(u.user_id), COALESCE(" SQL_US("max(u.issued_at)") ", 0) FROM coupons AS c"
    " LEFT JOIN user_coupons AS u USING (coupon_id) WHERE $1::bigint = 0 OR c.coupon_id = $1::bigint GROUP BY 1 ORDER BY 1"};
/* clang-format on */

typedef void sold_fn(void *arg, const struct audit_sold *rows, size_t n, const struct error *e);

static void on_sold(struct audit_read *read, const struct pg_result *r, const struct error *e)
{
    size_t n = e ? 0 : (size_t)pg_result_rows(r);
    struct audit_sold *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct audit_sold){pg_result_i64(r, (int)i, 0), pg_result_i64(r, (int)i, 1),
                                      pg_result_i64(r, (int)i, 2), pg_result_i64(r, (int)i, 3)};
    ((sold_fn *)read->done)(read->arg, rows, n, e);
    mem_free(rows);
}

void audit_read_sold(struct audit_snapshot *a, int64_t first_day, sold_fn *done, void *arg)
{
    struct store_number first;
    audit_snapshot_read(a, &st_sold, PG_PARAMS(store_number(&first, first_day)), on_sold,
                        (store_any_fn *)done, arg);
}

typedef void ordered_fn(void *arg, const struct audit_ordered *rows, size_t n, const struct error *e);

static void on_ordered(struct audit_read *read, const struct pg_result *r, const struct error *e)
{
    size_t n = e ? 0 : (size_t)pg_result_rows(r);
    struct audit_ordered *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct audit_ordered){pg_result_i64(r, (int)i, 0), pg_result_i64(r, (int)i, 1),
                                         pg_result_i64(r, (int)i, 2)};
    ((ordered_fn *)read->done)(read->arg, rows, n, e);
    mem_free(rows);
}

void audit_read_orders(struct audit_snapshot *a, const struct audit_range *r, int64_t after_order_id,
                       size_t orders, ordered_fn *done, void *arg)
{
    struct store_number from, to, after, most;
    audit_snapshot_read(a, &st_orders,
                        PG_PARAMS(store_number(&from, r->from_us), store_number(&to, r->to_us),
                                  store_number(&after, after_order_id), store_number(&most, (int64_t)orders)),
                        on_ordered, (store_any_fn *)done, arg);
}

typedef void late_fn(void *arg, int64_t examined, int64_t total, const struct audit_late *rows, size_t n,
                     const struct error *e);

static void on_late(struct audit_read *read, const struct pg_result *r, const struct error *e)
{
    late_fn *done = (late_fn *)read->done;
    if (e) {
        done(read->arg, 0, 0, NULL, 0, e);
        return;
    }
    int64_t examined = pg_result_i64(r, 0, 0), total = pg_result_i64(r, 0, 1);
    size_t n = total ? (size_t)pg_result_rows(r) : 0;
    struct audit_late *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct audit_late){pg_result_i64(r, (int)i, 2), pg_result_i64(r, (int)i, 3),
                                      pg_result_i64(r, (int)i, 4), pg_result_i64(r, (int)i, 5)};
    done(read->arg, examined, total, rows, n, NULL);
    mem_free(rows);
}

void audit_read_late(struct audit_snapshot *a, const struct audit_range *r, size_t limit, late_fn *done,
                     void *arg)
{
    struct store_number from, to, coupon, most;
    audit_snapshot_read(a, &st_late,
                        PG_PARAMS(store_number(&from, r->from_us), store_number(&to, r->to_us),
                                  store_number(&coupon, r->coupon_id), store_number(&most, (int64_t)limit)),
                        on_late, (store_any_fn *)done, arg);
}

typedef void coupons_fn(void *arg, const struct audit_coupon *rows, size_t n, const struct error *e);

static void on_coupons(struct audit_read *read, const struct pg_result *r, const struct error *e)
{
    size_t n = e ? 0 : (size_t)pg_result_rows(r);
    struct audit_coupon *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct audit_coupon){pg_result_i64(r, (int)i, 0), pg_result_i64(r, (int)i, 1),
                                        pg_result_i64(r, (int)i, 2)};
    ((coupons_fn *)read->done)(read->arg, rows, n, e);
    mem_free(rows);
}

void audit_read_coupons(struct audit_snapshot *a, const struct audit_range *r, coupons_fn *done, void *arg)
{
    struct store_number coupon;
    audit_snapshot_read(a, &st_coupons, PG_PARAMS(store_number(&coupon, r->coupon_id)), on_coupons,
                        (store_any_fn *)done, arg);
}
