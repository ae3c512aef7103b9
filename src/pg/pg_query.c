/* One statement in its own implicit transaction on a connection of the pool.
 *
 * A result counts when its Sync has come: only then the implicit transaction is committed. An error is
 * certain at once, but the connection is free at the Sync only. */
#include "pg/pg_internal.h"

/* The default deadline leaves the server time to report its own statement_timeout. */
enum {
    DEFAULT_DEADLINE_GRACE_MS = 500
};

struct query {
    struct pg_request request;
    struct pg_pool *pool;
    const struct pg_statement *st;
    struct pg_params *params;
    pg_result_fn *done;
    void *arg;
    PGresult *result;
    struct error error;
};

static void finish(struct query *q, enum pg_status status, const struct error *e)
{
    struct pg_result r = {.res = q->result};
    static const struct error none = ERROR_INIT;
    struct pg_pool *p = q->pool;
    q->done(q->arg, status, status == PG_OK ? &r : NULL, e ? e : &none);
    PQclear(q->result);
    mem_free(q->params);
    mem_free(q);
    pg_pool_call_ends(p);
}

static void on_statement(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct query *q = x->arg;
    if (reply == PG_REPLY_OK) {
        q->result = x->result;
        x->result = NULL;
    } else if (reply == PG_REPLY_ERROR) {
        q->error = *e;
    }
}

static void on_sync(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct query *q = x->arg;
    if (reply == PG_REPLY_LOST)
        return; /* on_lost() follows */
    if (e && q->error.kind == ERROR_NONE)
        q->error = *e;
    pg_pool_release(q->pool, &q->request);
    if (q->error.kind != ERROR_NONE)
        finish(q, PG_FAILED, &q->error);
    else
        finish(q, PG_OK, NULL);
}

static void on_conn(struct pg_request *r)
{
    struct query *q = CONTAINER_OF(r, struct query, request);
    pg_conn_deadline(r->conn, r->deadline_us);
    pg_conn_send(r->conn, q->st, q->params, on_statement, q);
    pg_conn_send_sync(r->conn, on_sync, q);
}

static void on_refused(struct pg_request *r, const struct error *e)
{
    finish(CONTAINER_OF(r, struct query, request), PG_NOT_SENT, e);
}

static void on_lost(struct pg_request *r, const struct error *why)
{
    struct query *q = CONTAINER_OF(r, struct query, request);
    struct error e = *why;
    if (q->error.kind != ERROR_NONE) {
        finish(q, PG_FAILED, &q->error);
        return;
    }
    e.kind = ERROR_UNKNOWN;
    finish(q, PG_UNKNOWN, &e);
}

void pg_pool_query(struct pg_pool *p, const struct pg_statement *st, const struct pg_params *params,
                   int64_t timeout_ms, pg_result_fn *done, void *arg)
{
    struct query *q = mem_zalloc(sizeof(*q));
    if (timeout_ms <= 0)
        timeout_ms = p->target.statement_timeout_ms + DEFAULT_DEADLINE_GRACE_MS;
    q->request = (struct pg_request){
        .kind = PG_REQUEST_QUERY,
        .deadline_us = clock_mono_us() + timeout_ms * 1000,
        .on_conn = on_conn,
        .on_refused = on_refused,
        .on_lost = on_lost,
    };
    q->pool = p;
    q->st = st;
    q->params = pg_params_copy(params);
    q->done = done;
    q->arg = arg;
    pg_pool_call_begins(p);
    pg_pool_enqueue(p, &q->request);
}
