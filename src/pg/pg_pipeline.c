/* What is sent on a connection and what comes back.
 *
 * The FIFO holds what the server owes, in order. libpq gives for each statement a result and then NULL, for
 * each Sync one PGRES_PIPELINE_SYNC without NULL; an entry is answered when its NULL (or its Sync) is there.
 * After a failure the server skips everything up to the Sync (PGRES_PIPELINE_ABORTED). A statement's PREPARE
 * goes right before its first use; if it is refused, the statement gets its error and the connection forgets
 * it, so that the next use prepares again.
 *
 * Whatever ends the session (a closed socket, a FATAL message, a missed deadline, an answer that nobody waits
 * for) breaks the connection, and the FIFO is then answered with PG_REPLY_LOST. */
#include "pg/pg_internal.h"

#include <event2/event.h>

/* The server ends a statement at statement_timeout and says so; an answer later than this is not coming. */
enum {
    ANSWER_GRACE_MS = 1000
};

static void break_with(struct pg_conn *c, const char *code, const char *message)
{
    struct error e = ERROR_INIT;
    pg_error_of_libpq(&e, code, message);
    pg_conn_break(c, &e);
}

static void break_lost(struct pg_conn *c)
{
    break_with(c, "CONNECTION_LOST", PQerrorMessage(c->pg));
}

/* --- deadlines --- */

bool pg_conn_quiet(const struct pg_conn *c)
{
    return TAILQ_EMPTY(&c->fifo);
}

/* When the head of the FIFO must be answered. */
static int64_t due_us(const struct pg_conn *c)
{
    int64_t due = c->head_since_us + (c->statement_timeout_ms + ANSWER_GRACE_MS) * 1000;
    return c->hard_deadline_us && c->hard_deadline_us < due ? c->hard_deadline_us : due;
}

/* The timer is left running when it comes too early: it looks again then. */
static void arm(struct pg_conn *c)
{
    int64_t due = due_us(c);
    if (loop_timer_running(c->timer) && c->timer_due_us <= due)
        return;
    int64_t left_us = due - clock_mono_us();
    loop_timer_start(c->timer, left_us > 0 ? (left_us + 999) / 1000 : 0);
    c->timer_due_us = due;
}

void pg_conn_deadline(struct pg_conn *c, int64_t deadline_us)
{
    c->hard_deadline_us = deadline_us;
    if (c->state == PG_CONN_UP && !pg_conn_quiet(c))
        arm(c);
}

void pg_pipeline_check_deadline(struct pg_conn *c)
{
    if (pg_conn_quiet(c))
        return;
    if (clock_mono_us() < due_us(c))
        arm(c);
    else
        break_with(c, "TIMEOUT", "the server did not answer in time");
}

/* --- sending --- */

static struct pg_expect *expect(struct pg_conn *c, enum pg_expect_kind kind, pg_expect_fn *fn, void *arg)
{
    struct pg_expect *x = mem_zalloc(sizeof(*x));
    x->kind = kind;
    x->fn = fn;
    x->arg = arg;
    if (pg_conn_quiet(c))
        c->head_since_us = clock_mono_us();
    TAILQ_INSERT_TAIL(&c->fifo, x, link);
    if (c->state == PG_CONN_UP)
        arm(c);
    return x;
}

/* A connection that broke while one of these functions ran only collects expectations; they are answered as
 * lost. */
static bool may_send(const struct pg_conn *c)
{
    ASSERT(c->state == PG_CONN_UP || c->state == PG_CONN_BROKEN);
    return c->state == PG_CONN_UP;
}

struct pg_expect *pg_conn_send_sql(struct pg_conn *c, const char *sql, pg_expect_fn *fn, void *arg)
{
    if (may_send(c) && !PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0))
        break_lost(c);
    return expect(c, PG_EXPECT_RESULT, fn, arg);
}

static void prepare(struct pg_conn *c, const struct pg_statement *st)
{
    const struct pg_statement *known = strmap_get(c->prepared, st->name, strlen(st->name));
    if (known) {
        ASSERT(known == st || strcmp(known->sql, st->sql) == 0);
        return;
    }
    strmap_put(c->prepared, st->name, strlen(st->name), (void *)(uintptr_t)st);
    if (!PQsendPrepare(c->pg, st->name, st->sql, 0, NULL))
        break_lost(c);
    expect(c, PG_EXPECT_PREPARE, NULL, NULL)->statement = st;
}

struct pg_expect *pg_conn_send(struct pg_conn *c, const struct pg_statement *st,
                               const struct pg_params *params, pg_expect_fn *fn, void *arg)
{
    if (may_send(c))
        prepare(c, st);
    int formats[PG_MAX_PARAMS];
    for (int i = 0; i < params->n; i++)
        formats[i] = params->sizes[i] > 0;
    if (may_send(c) &&
        !PQsendQueryPrepared(c->pg, st->name, params->n, params->values, params->sizes, formats, 0))
        break_lost(c);
    return expect(c, PG_EXPECT_RESULT, fn, arg);
}

void pg_conn_send_script(struct pg_conn *c, const char *sql, pg_expect_fn *fn, void *arg)
{
    if (may_send(c) && !PQsendQuery(c->pg, sql))
        break_lost(c);
    expect(c, PG_EXPECT_RESULT, fn, arg);
    if (may_send(c))
        pg_pipeline_write(c);
}

void pg_conn_send_sync(struct pg_conn *c, pg_expect_fn *fn, void *arg)
{
    if (may_send(c) && !PQpipelineSync(c->pg))
        break_lost(c);
    expect(c, PG_EXPECT_SYNC, fn, arg);
    if (may_send(c))
        pg_pipeline_write(c);
}

void pg_pipeline_write(struct pg_conn *c)
{
    int left = PQflush(c->pg);
    if (left < 0)
        break_lost(c);
    else if (left > 0)
        event_add(c->write_event, NULL); /* one-shot: it comes back here */
}

/* --- receiving --- */

void pg_pipeline_answer(struct pg_conn *c, struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    if (x->fn && !c->freed)
        x->fn(x, reply, e);
    PQclear(x->result);
    mem_free(x);
}

static void pop(struct pg_conn *c, struct pg_expect *x)
{
    TAILQ_REMOVE(&c->fifo, x, link);
    c->head_since_us = clock_mono_us();
}

/* The PREPARE at the head of the FIFO has its result. */
static void end_prepare(struct pg_conn *c, struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    if (reply != PG_REPLY_OK) {
        strmap_del(c->prepared, x->statement->name, strlen(x->statement->name));
        struct pg_expect *use = TAILQ_FIRST(&c->fifo);
        ASSERT(use && use->kind == PG_EXPECT_RESULT);
        if (reply == PG_REPLY_ERROR) {
            use->prepare_failed = true;
            c->prepare_error = *e;
        }
    }
    pg_pipeline_answer(c, x, reply, e);
}

/* The NULL behind the result of the head of the FIFO. */
static void end_statement(struct pg_conn *c, struct pg_expect *x)
{
    struct error e = ERROR_INIT;
    enum pg_reply reply = PG_REPLY_OK;
    switch (PQresultStatus(x->result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        break;
    case PGRES_PIPELINE_ABORTED:
        reply = x->prepare_failed ? PG_REPLY_ERROR : PG_REPLY_ABORTED;
        e = c->prepare_error;
        break;
    default:
        reply = PG_REPLY_ERROR;
        pg_error_of_result(&e, x->result);
    }
    if (reply == PG_REPLY_ERROR && pg_error_is_stale_session(x->result))
        c->stale = true;
    pop(c, x);
    if (x->kind == PG_EXPECT_PREPARE)
        end_prepare(c, x, reply, reply == PG_REPLY_ERROR ? &e : NULL);
    else
        pg_pipeline_answer(c, x, reply, reply == PG_REPLY_ERROR ? &e : NULL);
}

static void end_segment(struct pg_conn *c, struct pg_expect *x)
{
    struct error e = c->sync_error;
    error_clear(&c->sync_error);
    pop(c, x);
    pg_pipeline_answer(c, x, PG_REPLY_SYNC, e.kind == ERROR_NONE ? NULL : &e);
}

/* Take over a result for the head of the FIFO. Answers end_segment() only; statements end with their NULL. */
static void take_result(struct pg_conn *c, PGresult *res)
{
    struct pg_expect *head = TAILQ_FIRST(&c->fifo);
    ExecStatusType status = PQresultStatus(res);
    bool error = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
    if (error && pg_error_is_fatal(res)) {
        struct error e = ERROR_INIT;
        pg_error_of_result(&e, res);
        e.kind = ERROR_RETRIABLE;
        pg_conn_break(c, &e);
    } else if (!head) {
        break_with(c, "PROTOCOL", "the server sent a result that nobody asked for");
    } else if (head->kind == PG_EXPECT_SYNC && status == PGRES_PIPELINE_SYNC) {
        end_segment(c, head);
    } else if (head->kind == PG_EXPECT_SYNC && error) {
        pg_error_of_result(&c->sync_error, res); /* the implicit commit was refused */
    } else if (head->kind == PG_EXPECT_SYNC || status == PGRES_PIPELINE_SYNC || status == PGRES_COPY_IN ||
               status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        break_with(c, "PROTOCOL", "the server's answers do not match the statements");
    } else {
        /* A script has a result per statement: the first error counts, else the last result. */
        bool keep_old = head->result && PQresultStatus(head->result) == PGRES_FATAL_ERROR;
        PGresult *drop = keep_old ? res : head->result;
        if (!keep_old)
            head->result = res;
        PQclear(drop);
        return;
    }
    PQclear(res);
}

static void take_results(struct pg_conn *c)
{
    int nulls = 0;
    while (c->state == PG_CONN_UP && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        struct pg_expect *head = TAILQ_FIRST(&c->fifo);
        if (res) {
            nulls = 0;
            take_result(c, res);
        } else if (head && head->result) {
            nulls = 0;
            end_statement(c, head);
        } else if (++nulls == 2) {
            return; /* nothing more for now */
        }
    }
}

static void take_notifications(struct pg_conn *c)
{
    PGnotify *n;
    while (c->state == PG_CONN_UP && (n = PQnotifies(c->pg))) {
        if (c->ops->on_notify)
            c->ops->on_notify(c->owner, n->relname, n->extra);
        PQfreemem(n);
    }
}

/* libpq may take a part of a TLS record and leave the rest in the TLS layer, where no descriptor tells of it. So an answer
 * that is not complete over TLS is asked for again: a record is 16 KiB at most, libpq takes 8 KiB at least. */
static bool consume(struct pg_conn *c)
{
    enum {
        TLS_READS = 4
    };
    bool alive = PQconsumeInput(c->pg) == 1;
    for (int i = 0; alive && i < TLS_READS && PQsslInUse(c->pg) && PQisBusy(c->pg); i++)
        alive = PQconsumeInput(c->pg) == 1;
    return alive;
}

void pg_pipeline_read(struct pg_conn *c)
{
    bool alive = consume(c);
    /* What came before the end of a dying session still counts: its FATAL message above all. */
    take_results(c);
    if (!alive && c->state == PG_CONN_UP)
        break_lost(c);
    take_notifications(c);
    if (c->state == PG_CONN_UP)
        pg_pipeline_write(c);
}
