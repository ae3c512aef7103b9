/* The outbox: committed orders whose messages are not all reported delivered. */
#include "store/outbox.h"

#include "store/store_internal.h"

/* clang-format off */
/* One statement, so the claim is committed when its rows arrive. If the answer is lost, the rows come again when they are due. The
 * exponent is bounded so that the power stays a number. */
static const struct pg_statement st_claim = {
    "outbox_claim",
    "WITH due AS MATERIALIZED (SELECT order_id, orders FROM outbox"
    " WHERE available_at <= now() AND error IS NULL AND order_id <> ALL ($1::bigint[])"
    " ORDER BY available_at, order_id LIMIT $2::bigint FOR UPDATE SKIP LOCKED),"
    " room AS (SELECT order_id, sum(orders) OVER (ORDER BY order_id ROWS UNBOUNDED PRECEDING) - orders AS before FROM due),"
    " claimed AS (UPDATE outbox AS o SET attempts = o.attempts + 1, available_at = now()"
    " + LEAST($3::bigint * power(2, LEAST(o.attempts, 30)), $4::bigint) * interval '1 millisecond'"
    " FROM room WHERE o.order_id = room.order_id AND room.before < $2::bigint"
    " RETURNING o.order_id, o.orders, o.payload, o.attempts, o.published)"
    " SELECT * FROM claimed ORDER BY order_id"};
static const struct pg_statement st_delete = {
    "outbox_delete", "DELETE FROM outbox WHERE order_id = ANY($1::bigint[])"};
static const struct pg_statement st_mark = {
    "outbox_mark", "UPDATE outbox SET published = published | $2::integer WHERE order_id = $1::bigint"};
static const struct pg_statement st_park = {
    "outbox_park", "UPDATE outbox SET error = $2::text WHERE order_id = $1::bigint"};
static const struct pg_statement st_state = {
    "outbox_state",
    "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 10000) AS counted),"
    " (SELECT count(*) FROM (SELECT FROM outbox WHERE error IS NOT NULL LIMIT 10000) AS parked),"
    " COALESCE(" SQL_US("(SELECT created_at FROM outbox ORDER BY order_id LIMIT 1)") ", 0)"};
/* clang-format on */

typedef void claim_fn(void *arg, const struct outbox_row *rows, size_t n, const struct error *e);

static void on_claimed(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    claim_fn *done = (claim_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct outbox_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct outbox_row){
            .order_id = pg_result_i64(r, i, 0),
            .orders = (size_t)pg_result_i64(r, i, 1),
            .payload = pg_result_text(r, i, 2),
            .size = pg_result_size(r, i, 2),
            .attempts = (int)pg_result_i64(r, i, 3),
            .published = (int)pg_result_i64(r, i, 4),
        };
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void outbox_claim(struct store *s, size_t orders, int64_t base_ms, int64_t max_ms, const int64_t *skip,
                  size_t nskip, claim_fn *done, void *arg)
{
    struct store_number most, base, max;
    struct pg_params *params = store_columns_ids(&s->columns, skip, nskip);
    pg_params_text(params, store_number(&most, (int64_t)orders));
    pg_params_text(params, store_number(&base, base_ms));
    pg_params_text(params, store_number(&max, max_ms));
    /* An unknown outcome only means that rows are due later. */
    store_read(s, &st_claim, params, on_claimed, (store_any_fn *)done, arg);
}

void outbox_delete(struct store *s, const int64_t *order_ids, size_t n, store_done_fn *done, void *arg)
{
    store_exec(s, &st_delete, store_columns_ids(&s->columns, order_ids, n), 0, done, arg);
}

void outbox_mark(struct store *s, int64_t order_id, int published, store_done_fn *done, void *arg)
{
    struct store_number id, bits;
    store_exec(s, &st_mark, PG_PARAMS(store_number(&id, order_id), store_number(&bits, published)), 0, done,
               arg);
}

void outbox_park(struct store *s, int64_t order_id, const char *reason, store_done_fn *done, void *arg)
{
    struct store_number id;
    store_exec(s, &st_park, PG_PARAMS(store_number(&id, order_id), reason), 0, done, arg);
}

typedef void state_fn(void *arg, const struct outbox_state *st, const struct error *e);

static void on_state(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    state_fn *done = (state_fn *)c->done;
    if (e) {
        done(c->arg, NULL, e);
        return;
    }
    done(c->arg,
         &(struct outbox_state){.rows = pg_result_i64(r, 0, 0),
                                .parked = pg_result_i64(r, 0, 1),
                                .oldest_us = pg_result_i64(r, 0, 2)},
         NULL);
}

void outbox_read_state(struct store *s, state_fn *done, void *arg)
{
    store_read(s, &st_state, PG_NO_PARAMS, on_state, (store_any_fn *)done, arg);
}
