/* A session advisory lock: held as long as its connection lives. It is tried each second; while it is held,
 * each second asks whether the server is still there, because a holder that cannot reach the server must not
 * believe in its lock. */
#include "pg/pg_internal.h"

#include <stdio.h>

/* An answer that is later than this ends the session, and with it the lock. */
enum {
    ANSWER_MS = 3000
};

struct pg_lock {
    struct pg_session session;
    int64_t key;
    bool held;
    void (*on_change)(void *arg, bool held);
    void *arg;
};

static const struct pg_statement try_lock = {.name = "pg_lock_try",
                                             .sql = "SELECT pg_try_advisory_lock($1::bigint)"};

static void set_held(struct pg_lock *l, bool held)
{
    if (l->held == held)
        return;
    l->held = held;
    log_info(&log_pg, held ? "advisory lock gained" : "advisory lock lost", LOG_I("key", l->key));
    l->on_change(l->arg, held);
}

static void on_try(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_lock *l = x->arg;
    struct pg_result r = {.res = x->result};
    if (reply == PG_REPLY_OK)
        set_held(l, pg_result_bool(&r, 0, 0));
}

static void ask(void *arg)
{
    struct pg_lock *l = arg;
    struct pg_conn *c = l->session.conn;
    char key[24];
    snprintf(key, sizeof(key), "%lld", (long long)l->key);
    pg_conn_deadline(c, clock_mono_us() + ANSWER_MS * 1000);
    if (l->held)
        pg_conn_send_sql(c, "SELECT 1", NULL, NULL);
    else
        pg_conn_send(c, &try_lock, PG_PARAMS(key), on_try, l);
    pg_conn_send_sync(c, NULL, NULL);
}

static void on_down(void *arg, const struct error *why)
{
    set_held(arg, false);
}

static const struct pg_session_ops lock_ops = {.on_up = ask, .on_down = on_down, .on_tick = ask};

struct pg_lock *pg_lock_new(struct pg_pool *p, int64_t key, void (*on_change)(void *arg, bool held),
                            void *arg)
{
    struct pg_lock *l = mem_zalloc(sizeof(*l));
    l->key = key;
    l->on_change = on_change;
    l->arg = arg;
    pg_session_init(&l->session, p, &lock_ops, l);
    pg_session_open(&l->session);
    return l;
}

bool pg_lock_held(const struct pg_lock *l)
{
    return l->held;
}

void pg_lock_free(struct pg_lock *l)
{
    if (!l)
        return;
    struct loop *loop = l->session.loop;
    pg_session_close(&l->session); /* the server lets go of the lock with the session */
    loop_free_later(loop, l);
}
