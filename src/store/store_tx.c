/* A writing transaction in two steps: lock and read, then write and commit. */
#include "store/store_tx.h"

#include <inttypes.h>

#include "base/fault.h"

struct tx_statement { /* one that waits for its answer */
    struct store_tx *tx;
    const char *name;
    store_tx_rows_fn *on_rows; /* NULL: it writes */
    size_t planned;
    enum store_tx_mismatch mismatch;
};

/* The only place that moves the state. */
static void move(struct store_tx *tx, enum store_tx_state to)
{
    ASSERT(to > tx->state);
    tx->state = to;
}

/* The statements of these transactions find rows by key, so a plan does not depend on the values. Left to itself PostgreSQL
 * would plan those that touch a single product or coupon anew for each batch: 150 us each. */
static const struct pg_statement st_plans = {"store_tx_plans",
                                             "SET LOCAL plan_cache_mode = force_generic_plan"};

static void on_plans(struct store_tx *tx, const struct pg_result *r)
{
}

static void on_tx_ready(void *arg, struct pg_tx *pg)
{
    struct store_tx *tx = arg;
    (void)pg;
    if (tx->state != STORE_TX_LOCKING)
        return;
    store_tx_read(tx, &st_plans, PG_NO_PARAMS, on_plans);
    tx->ops->lock(tx);
}

static void on_tx_end(void *arg, enum pg_tx_end end, const struct error *e)
{
    struct store_tx *tx = arg;
    tx->pg = NULL;
    move(tx, STORE_TX_ENDED);
    switch (end) {
    case PG_TX_COMMITTED:
        tx->ops->end(tx, STORE_COMMITTED, NULL);
        return;
    case PG_TX_ROLLED_BACK:
        /* After a rollback of our own e says nothing, and what made us do it counts. */
        tx->ops->end(tx, STORE_ROLLED_BACK, e && e->kind != ERROR_NONE ? e : &tx->why);
        return;
    case PG_TX_UNKNOWN:
        tx->ops->end(tx, STORE_UNKNOWN, e);
        return;
    }
}

static const struct pg_tx_ops pg_ops = {.on_ready = on_tx_ready, .on_end = on_tx_end};

void store_tx_start(struct store_tx *tx, struct store *s, const struct store_tx_ops *ops, int64_t deadline_ms)
{
    ASSERT(s->pg);
    tx->store = s;
    tx->ops = ops;
    tx->state = STORE_TX_LOCKING;
    tx->pg = pg_tx_start(s->pg, &pg_ops, tx, deadline_ms);
}

void store_tx_free(struct store_tx *tx)
{
    store_arena_free(&tx->memory);
}

static void roll_back(struct store_tx *tx)
{
    move(tx, STORE_TX_ENDING);
    pg_tx_rollback(tx->pg);
}

static void step_done(struct store_tx *tx)
{
    if (tx->state == STORE_TX_LOCKING) {
        move(tx, STORE_TX_LOCKED);
        tx->ops->locked(tx);
        return;
    }
    FAULT_POINT(tx->ops->fault_point);
    move(tx, STORE_TX_COMMITTING);
    pg_tx_commit(tx->pg);
    if (tx->ops->committing)
        tx->ops->committing(tx);
}

/* True if the statement changed what was planned. */
static bool count_is_right(struct tx_statement *t, const struct pg_result *r)
{
    int64_t rows = pg_result_affected(r);
    if (rows == (int64_t)t->planned)
        return true;
    if (t->mismatch == STORE_TX_RACE)
        error_set(&t->tx->why, ERROR_RETRIABLE, "RACE", "%s: another transaction was faster", t->name);
    else
        error_set(&t->tx->why, ERROR_BUG, "ROW_COUNT", "%s changed %" PRId64 " rows, planned were %zu",
                  t->name, rows, t->planned);
    return false;
}

static void on_statement(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct tx_statement *t = arg;
    struct store_tx *tx = t->tx;
    if (tx->state == STORE_TX_ENDING)
        return;
    if (status != PG_OK) {
        /* pg rolls back by itself; the first failure is the reason, the rest of the step was only skipped. */
        store_error_of_read(e, &tx->why);
        move(tx, STORE_TX_ENDING);
        return;
    }
    if (t->on_rows)
        t->on_rows(tx, r);
    else if (!count_is_right(t, r))
        roll_back(tx);
    if (--tx->waiting == 0 && tx->state != STORE_TX_ENDING)
        step_done(tx);
}

static void queue(struct store_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                  const struct tx_statement *proto)
{
    ASSERT(tx->state == STORE_TX_LOCKING || tx->state == STORE_TX_WRITING);
    struct tx_statement *t = store_arena_alloc(&tx->memory, sizeof(*t));
    *t = *proto;
    t->tx = tx;
    t->name = st->name;
    tx->waiting++;
    pg_tx_query(tx->pg, st, params, on_statement, t);
}

void store_tx_read(struct store_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                   store_tx_rows_fn *on_rows)
{
    queue(tx, st, params, &(struct tx_statement){.on_rows = on_rows});
}

void store_tx_write(struct store_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                    size_t planned, enum store_tx_mismatch mismatch)
{
    queue(tx, st, params, &(struct tx_statement){.planned = planned, .mismatch = mismatch});
}

void store_tx_begin_writes(struct store_tx *tx)
{
    ASSERT(tx->state == STORE_TX_LOCKED);
    move(tx, STORE_TX_WRITING);
}

void store_tx_step_end(struct store_tx *tx)
{
    if (tx->waiting == 0)
        step_done(tx);
    else
        pg_tx_flush(tx->pg);
}

void store_tx_abort(struct store_tx *tx)
{
    if (tx->state < STORE_TX_COMMITTING)
        roll_back(tx);
}
