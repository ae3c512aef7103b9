/* Writing transactions whose outcome is known (contract section 6), and reading ones on one snapshot, which are the same
 * without token, COMMIT and settling.
 *
 *   waiting     a place in the pool's line
 *   open        BEGIN and the token row are sent, then the caller's steps; a failure leads to rolling back
 *   committing  COMMIT and Sync are sent; the tag COMMIT and the Sync make it committed
 *   rolling     Sync, ROLLBACK, Sync: the first Sync ends a segment that may have failed, where ROLLBACK
 * would be skipped settling    the connection died after COMMIT was sent: ask the token
 *
 * Settling inserts the same token again, in a transaction of its own. If the first one committed, the token
 * is there. If not, the token is now taken, and the first one, should the server still come to it, fails on
 * it. The insert waits while the first one is still running. The answer to a settling attempt can get lost
 * too, and the next attempt would find the token of the attempt before it; so an attempt that inserts the
 * token inserts a second row with it, the marker, which is the token with its last bit set. Read in a later
 * statement, with its own snapshot: a marker says "never", no marker says "committed". */
#include "pg/pg_internal.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/random.h"

enum {
    SETTLE_RETRY_MS = 50,
    SETTLE_RETRY_MAX_MS = 1000
};
/* Time kept back from work for settling: a quarter of the deadline, at most this. */
enum {
    SETTLE_RESERVE_MAX_MS = 3000
};
enum {
    TOKEN_TEXT_SIZE = 37
};

enum tx_state {
    TX_WAITING,
    TX_OPEN,
    TX_COMMITTING,
    TX_COMMIT_FAILED, /* COMMIT was sent behind a statement that failed: the server skips it */
    TX_ROLLING_BACK,
    TX_LOST, /* the connection is gone, its end is at hand */
    TX_SETTLING,
    TX_SETTLE_PAUSE, /* between two attempts */
};

struct pg_tx {
    struct pg_request request; /* for the work, then for each attempt to settle */
    struct pg_pool *pool;
    TAILQ_ENTRY(pg_tx) link;
    const struct pg_tx_ops *ops;
    void *arg;
    enum tx_state state;
    bool snapshot;            /* only reads */
    int64_t deadline_us;      /* of everything */
    int64_t work_deadline_us; /* COMMIT must be answered by then */
    struct loop_timer *timer; /* work deadline, then the pause between attempts */
    char token[TOKEN_TEXT_SIZE], marker[TOKEN_TEXT_SIZE];
    struct error error; /* the first failure */
    bool tag_seen;      /* COMMIT said COMMIT */
    bool marker_seen, settle_failed;
    int attempt;
    struct pg_expect_list skipped; /* statements that were not sent any more */
};

static const struct pg_statement token_insert = {
    .name = "pg_tx_token",
    .sql = "INSERT INTO tx_tokens (token) VALUES ($1)",
};
static const struct pg_statement settle_claim = {
    .name = "pg_tx_settle",
    .sql = "WITH claim AS (INSERT INTO tx_tokens (token) VALUES ($1) ON CONFLICT DO NOTHING RETURNING token)"
           " INSERT INTO tx_tokens (token) SELECT $2 FROM claim",
};
static const struct pg_statement settle_marker = {
    .name = "pg_tx_settle_marker",
    .sql = "SELECT 1 FROM tx_tokens WHERE token = $1",
};

static void on_final_sync(struct pg_expect *x, enum pg_reply reply, const struct error *e);
static void settle(struct pg_tx *tx);

static void move(struct pg_tx *tx, enum tx_state state)
{
    tx->state = state;
}

static void print_uuid(char out[TOKEN_TEXT_SIZE], const unsigned char b[16])
{
    snprintf(out, TOKEN_TEXT_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

static void make_token(struct pg_tx *tx)
{
    unsigned char bytes[16];
    random_bytes(bytes, sizeof(bytes));
    bytes[15] &= 0xfe;
    print_uuid(tx->token, bytes);
    bytes[15] |= 1;
    print_uuid(tx->marker, bytes);
}

static void set_aborted(struct error *e)
{
    error_set(e, ERROR_RETRIABLE, "ABORTED", "the transaction did not get to this statement");
}

static void finish(struct pg_tx *tx, enum pg_tx_end end)
{
    struct pg_pool *p = tx->pool;
    struct error aborted = ERROR_INIT;
    set_aborted(&aborted);
    for (struct pg_expect *x; (x = TAILQ_FIRST(&tx->skipped));) {
        TAILQ_REMOVE(&tx->skipped, x, link);
        x->done(x->done_arg, PG_FAILED, NULL, &aborted);
        mem_free(x);
    }
    if (end == PG_TX_COMMITTED)
        error_clear(&tx->error);
    else if (end == PG_TX_UNKNOWN)
        tx->error.kind = ERROR_UNKNOWN;
    TAILQ_REMOVE(&p->txs, tx, link);
    loop_timer_free(tx->timer);
    tx->ops->on_end(tx->arg, end, &tx->error);
    loop_free_later(p->loop, tx); /* a callback up the stack may still hold it */
    pg_pool_call_ends(p);
}

/* --- failing and rolling back --- */

static void send_rollback(struct pg_tx *tx)
{
    struct pg_conn *c = tx->request.conn;
    move(tx, TX_ROLLING_BACK);
    pg_conn_send_sql(c, "ROLLBACK", NULL, NULL);
    pg_conn_send_sync(c, on_final_sync, tx);
}

/* The first failure decides; the transaction ends by itself from here. */
static void fail(struct pg_tx *tx, const struct error *e)
{
    if (tx->state == TX_OPEN) {
        tx->error = *e;
        pg_conn_send_sync(tx->request.conn, NULL, NULL);
        send_rollback(tx);
    } else if (tx->state == TX_COMMITTING) {
        tx->error = *e;
        move(tx, TX_COMMIT_FAILED);
    }
}

static void on_final_sync(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    if (reply == PG_REPLY_LOST)
        return; /* on_lost() follows */
    pg_pool_release(tx->pool, &tx->request);
    finish(tx, PG_TX_ROLLED_BACK);
}

/* --- work --- */

static bool live(const struct pg_tx *tx)
{
    return tx->state == TX_OPEN && tx->request.conn->state == PG_CONN_UP;
}

static void on_statement(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    struct error failure = ERROR_INIT;
    bool wanted = tx->state == TX_OPEN || tx->state == TX_COMMITTING;
    enum pg_status status = PG_FAILED;
    struct pg_result r = {.res = x->result};
    set_aborted(&failure);
    if (wanted && reply == PG_REPLY_OK) {
        status = PG_OK;
        error_clear(&failure);
    } else if (wanted && reply == PG_REPLY_ERROR) {
        failure = *e;
        fail(tx, e);
    } else if (reply == PG_REPLY_LOST && tx->state == TX_COMMITTING) {
        status = PG_UNKNOWN;
        failure = *e;
        failure.kind = ERROR_UNKNOWN;
    }
    if (x->done)
        x->done(x->done_arg, status, status == PG_OK ? &r : NULL, &failure);
}

void pg_tx_query(struct pg_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                 pg_result_fn *done, void *arg)
{
    ASSERT(tx->state != TX_WAITING && tx->state != TX_COMMITTING);
    struct pg_expect *x;
    if (live(tx)) {
        x = pg_conn_send(tx->request.conn, st, params, on_statement, tx);
    } else {
        x = mem_zalloc(sizeof(*x));
        TAILQ_INSERT_TAIL(&tx->skipped, x, link);
    }
    x->done = done;
    x->done_arg = arg;
}

/* A Sync, not a flush request: inside BEGIN it commits nothing, and only after it the server counts the session as idle in
 * transaction. Else the locks of a node that stands still between two steps would be held without limit. */
void pg_tx_flush(struct pg_tx *tx)
{
    if (live(tx))
        pg_conn_send_sync(tx->request.conn, NULL, NULL);
}

static void on_commit(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    struct error failure = ERROR_INIT;
    if (reply == PG_REPLY_ERROR) {
        fail(tx, e);
    } else if (reply == PG_REPLY_OK && strcmp(PQcmdStatus(x->result), "COMMIT") == 0) {
        tx->tag_seen = true;
    } else if (reply == PG_REPLY_OK) {
        error_set(&failure, ERROR_RETRIABLE, "ROLLBACK", "the server rolled back instead of committing");
        fail(tx, &failure);
    }
}

static void on_commit_sync(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    if (reply == PG_REPLY_LOST)
        return; /* on_lost() follows */
    if (tx->state == TX_COMMITTING && tx->tag_seen && !e) {
        pg_pool_release(tx->pool, &tx->request);
        finish(tx, PG_TX_COMMITTED);
        return;
    }
    if (tx->state == TX_COMMITTING) {
        ASSERT(e);
        fail(tx, e);
    }
    send_rollback(tx); /* harmless if the failed COMMIT has ended the transaction already */
}

void pg_tx_commit(struct pg_tx *tx)
{
    ASSERT(tx->state != TX_WAITING && tx->state != TX_COMMITTING && !tx->snapshot);
    if (!live(tx))
        return; /* it is ending already */
    move(tx, TX_COMMITTING);
    pg_conn_send_sql(tx->request.conn, "COMMIT", on_commit, tx);
    pg_conn_send_sync(tx->request.conn, on_commit_sync, tx);
    FAULT_POINT("commit-sent");
}

void pg_tx_rollback(struct pg_tx *tx)
{
    struct error none = ERROR_INIT;
    ASSERT(tx->state != TX_COMMITTING);
    if (tx->state == TX_WAITING)
        pg_pool_refuse(tx->pool, &tx->request, &none);
    else if (live(tx))
        fail(tx, &none);
}

static void on_timer(void *arg)
{
    struct pg_tx *tx = arg;
    struct error e = ERROR_INIT;
    error_set(&e, ERROR_RETRIABLE, "TIMEOUT", "the transaction did not end in time");
    if (tx->state == TX_SETTLE_PAUSE)
        settle(tx);
    else if (live(tx) && pg_conn_quiet(tx->request.conn))
        fail(tx, &e); /* its owner is late, the connection is fine */
    else if (tx->request.conn)
        pg_conn_break(tx->request.conn, &e);
}

static void on_conn(struct pg_request *r)
{
    struct pg_tx *tx = CONTAINER_OF(r, struct pg_tx, request);
    int64_t left_us = tx->work_deadline_us - clock_mono_us();
    loop_timer_start(tx->timer, left_us > 0 ? left_us / 1000 : 0);
    move(tx, TX_OPEN);
    if (tx->snapshot) {
        pg_conn_send_sql(r->conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", on_statement, tx);
    } else {
        pg_conn_send_sql(r->conn, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", on_statement, tx);
        pg_conn_send(r->conn, &token_insert, PG_PARAMS(tx->token), on_statement, tx);
    }
    tx->ops->on_ready(tx->arg, tx);
}

static void on_refused(struct pg_request *r, const struct error *e)
{
    struct pg_tx *tx = CONTAINER_OF(r, struct pg_tx, request);
    tx->error = *e;
    finish(tx, PG_TX_ROLLED_BACK);
}

static void on_lost(struct pg_request *r, const struct error *why)
{
    struct pg_tx *tx = CONTAINER_OF(r, struct pg_tx, request);
    loop_timer_stop(tx->timer);
    if (tx->state == TX_COMMITTING) {
        log_warn(&log_pg, "the connection was lost during COMMIT, asking for the outcome",
                 LOG_S("token", tx->token), LOG_ERR(why));
        tx->error = *why;
        settle(tx);
        return;
    }
    if (tx->state == TX_OPEN)
        tx->error = *why;
    move(tx, TX_LOST);
    finish(tx, PG_TX_ROLLED_BACK);
}

static struct pg_tx *start(struct pg_pool *p, const struct pg_tx_ops *ops, void *arg, int64_t deadline_ms,
                           bool snapshot)
{
    struct pg_tx *tx = mem_zalloc(sizeof(*tx));
    tx->snapshot = snapshot;
    int64_t now_us = clock_mono_us();
    int64_t reserve_ms = deadline_ms / 4 < SETTLE_RESERVE_MAX_MS ? deadline_ms / 4 : SETTLE_RESERVE_MAX_MS;
    tx->pool = p;
    tx->ops = ops;
    tx->arg = arg;
    tx->deadline_us = now_us + deadline_ms * 1000;
    tx->work_deadline_us = tx->deadline_us - reserve_ms * 1000;
    tx->timer = loop_timer_new(p->loop, on_timer, tx);
    TAILQ_INIT(&tx->skipped);
    make_token(tx);
    tx->request = (struct pg_request){
        .kind = PG_REQUEST_TX,
        .deadline_us = tx->work_deadline_us,
        .on_conn = on_conn,
        .on_refused = on_refused,
        .on_lost = on_lost,
    };
    TAILQ_INSERT_TAIL(&p->txs, tx, link);
    pg_pool_call_begins(p);
    pg_pool_enqueue(p, &tx->request);
    return tx;
}

struct pg_tx *pg_tx_start(struct pg_pool *p, const struct pg_tx_ops *ops, void *arg, int64_t deadline_ms)
{
    return start(p, ops, arg, deadline_ms, false);
}

struct pg_tx *pg_tx_start_snapshot(struct pg_pool *p, const struct pg_tx_ops *ops, void *arg,
                                   int64_t deadline_ms)
{
    return start(p, ops, arg, deadline_ms, true);
}

/* --- settling --- */

static void settle_again(struct pg_tx *tx)
{
    int64_t left_ms = (tx->deadline_us - clock_mono_us()) / 1000;
    if (left_ms <= 0 || tx->pool->cut) {
        log_error(&log_pg, "the outcome of a transaction stays unknown", LOG_S("token", tx->token),
                  LOG_ERR(&tx->error));
        finish(tx, PG_TX_UNKNOWN);
        return;
    }
    int64_t pause_ms = random_backoff_ms(tx->attempt++, SETTLE_RETRY_MS, SETTLE_RETRY_MAX_MS);
    move(tx, TX_SETTLE_PAUSE);
    loop_timer_start(tx->timer, pause_ms < left_ms ? pause_ms : left_ms);
}

static void on_settle_claim(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    if (reply != PG_REPLY_OK)
        tx->settle_failed = true;
}

static void on_settle_marker(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    if (reply == PG_REPLY_OK)
        tx->marker_seen = PQntuples(x->result) > 0;
    else
        tx->settle_failed = true;
}

static void on_settle_sync(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_tx *tx = x->arg;
    if (reply == PG_REPLY_LOST)
        return; /* on_settle_lost() follows */
    pg_pool_release(tx->pool, &tx->request);
    if (tx->settle_failed || e) {
        settle_again(tx);
        return;
    }
    log_info(&log_pg, "the outcome of a transaction is settled", LOG_S("token", tx->token),
             LOG_S("outcome", tx->marker_seen ? "rolled back" : "committed"));
    finish(tx, tx->marker_seen ? PG_TX_ROLLED_BACK : PG_TX_COMMITTED);
}

static void on_settle_conn(struct pg_request *r)
{
    struct pg_tx *tx = CONTAINER_OF(r, struct pg_tx, request);
    tx->marker_seen = tx->settle_failed = false;
    pg_conn_deadline(r->conn, tx->deadline_us);
    pg_conn_send(r->conn, &settle_claim, PG_PARAMS(tx->token, tx->marker), on_settle_claim, tx);
    pg_conn_send(r->conn, &settle_marker, PG_PARAMS(tx->marker), on_settle_marker, tx);
    pg_conn_send_sync(r->conn, on_settle_sync, tx);
}

static void on_settle_lost(struct pg_request *r, const struct error *why)
{
    settle_again(CONTAINER_OF(r, struct pg_tx, request));
}

static void on_settle_refused(struct pg_request *r, const struct error *e)
{
    settle_again(CONTAINER_OF(r, struct pg_tx, request)); /* the deadline has passed or the pool is cut */
}

static void settle(struct pg_tx *tx)
{
    move(tx, TX_SETTLING);
    tx->request.kind = PG_REQUEST_SETTLE;
    tx->request.deadline_us = tx->deadline_us;
    tx->request.on_conn = on_settle_conn;
    tx->request.on_refused = on_settle_refused;
    tx->request.on_lost = on_settle_lost;
    pg_pool_enqueue(tx->pool, &tx->request);
}

void pg_tx_cut_all(struct pg_pool *p)
{
    struct pg_tx *tx, *next;
    TAILQ_FOREACH_SAFE(tx, &p->txs, link, next)
    if (tx->state == TX_SETTLE_PAUSE)
        settle_again(tx);
}
