/* A script of several statements on a connection of its own, in the simple protocol: the server runs it as
 * one implicit transaction unless it says otherwise. The deadline governs the server's timeouts too: a
 * migration may wait for locks longer than a transaction of the shop. */
#include "pg/pg_internal.h"

struct pg_script {
    struct pg_session session;
    struct pg_pool *pool;
    TAILQ_ENTRY(pg_script) link;
    char *sql;
    struct loop_timer *deadline;
    struct loop_task start;
    bool sent;
    struct error last; /* why there is no connection */
    pg_result_fn *done;
    void *arg;
};

static void finish(struct pg_script *s, enum pg_status status, const struct pg_result *r,
                   const struct error *e)
{
    static const struct error none = ERROR_INIT;
    struct pg_pool *p = s->pool;
    TAILQ_REMOVE(&p->scripts, s, link);
    loop_defer_cancel(p->loop, &s->start);
    loop_timer_free(s->deadline);
    pg_session_close(&s->session);
    s->done(s->arg, status, r, e ? e : &none);
    mem_free(s->sql);
    loop_free_later(p->loop, s);
    pg_pool_call_ends(p);
}

static void on_result(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_script *s = x->arg;
    struct pg_result r = {.res = x->result};
    if (reply == PG_REPLY_OK)
        finish(s, PG_OK, &r, NULL);
    else if (reply != PG_REPLY_LOST) /* else on_down() follows */
        finish(s, PG_FAILED, NULL, e);
}

static void on_up(void *arg)
{
    struct pg_script *s = arg;
    s->sent = true;
    pg_conn_send_script(s->session.conn, s->sql, on_result, s);
}

static void on_down(void *arg, const struct error *why)
{
    struct pg_script *s = arg;
    s->last = *why;
    if (!s->sent)
        return; /* the session tries again until the deadline */
    s->last.kind = ERROR_UNKNOWN;
    finish(s, PG_UNKNOWN, NULL, &s->last);
}

static const struct pg_session_ops script_ops = {.on_up = on_up, .on_down = on_down};

static void end_unfinished(struct pg_script *s, const char *code, const char *text)
{
    struct error e = ERROR_INIT;
    error_set(&e, s->sent ? ERROR_UNKNOWN : ERROR_RETRIABLE, code, "%s%s%s", text,
              s->last.kind == ERROR_NONE ? "" : ": ", s->last.text);
    finish(s, s->sent ? PG_UNKNOWN : PG_NOT_SENT, NULL, &e);
}

static void on_deadline(void *arg)
{
    end_unfinished(arg, "TIMEOUT", "the script did not end in time");
}

static void start(void *arg)
{
    struct pg_script *s = arg;
    if (s->pool->closing)
        end_unfinished(s, "CLOSED", "the node is stopping");
    else
        pg_session_open(&s->session);
}

void pg_pool_script(struct pg_pool *p, const char *sql, int64_t timeout_ms, pg_result_fn *done, void *arg)
{
    struct pg_script *s = mem_zalloc(sizeof(*s));
    s->pool = p;
    s->sql = mem_strdup(sql);
    s->done = done;
    s->arg = arg;
    s->start = (struct loop_task){.run = start, .arg = s};
    s->deadline = loop_timer_new(p->loop, on_deadline, s);
    loop_timer_start(s->deadline, timeout_ms);
    pg_session_init(&s->session, p, &script_ops, s);
    s->session.conn->plain = true;
    s->session.conn->statement_timeout_ms = timeout_ms;
    s->session.conn->lock_timeout_ms = timeout_ms;
    TAILQ_INSERT_TAIL(&p->scripts, s, link);
    pg_pool_call_begins(p);
    loop_defer(p->loop, &s->start);
}

void pg_script_cut_all(struct pg_pool *p)
{
    for (struct pg_script *s; (s = TAILQ_FIRST(&p->scripts));)
        end_unfinished(s, "CLOSED", "the node is stopping");
}
