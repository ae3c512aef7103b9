/* Notifications. Whatever was sent while no connection listened is lost, so each new LISTEN tells the owner
 * to read the state anew. The question of each second makes a dead server known (library facts 4.1). */
#include "pg/pg_internal.h"

struct pg_listener {
    struct pg_session session;
    char **channels;
    size_t nchannels;
    void (*on_notify)(void *arg, const char *channel, const char *payload);
    void (*on_gap)(void *arg);
    void *arg;
    struct error refused; /* a LISTEN failed */
    bool up;              /* listening */
};

static void on_listen(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_listener *l = x->arg;
    if (reply == PG_REPLY_ERROR)
        l->refused = *e;
}

static void on_listen_sync(struct pg_expect *x, enum pg_reply reply, const struct error *e)
{
    struct pg_listener *l = x->arg;
    if (reply != PG_REPLY_SYNC)
        return;
    if (l->refused.kind != ERROR_NONE) {
        pg_conn_break(l->session.conn, &l->refused);
        return;
    }
    l->up = true;
    l->on_gap(l->arg);
}

static void on_up(void *arg)
{
    struct pg_listener *l = arg;
    error_clear(&l->refused);
    for (size_t i = 0; i < l->nchannels; i++) {
        struct buf sql = BUF_INIT;
        buf_puts(&sql, "LISTEN \"");
        for (const char *p = l->channels[i]; *p; p++) {
            if (*p == '"')
                buf_putc(&sql, '"');
            buf_putc(&sql, *p);
        }
        buf_putc(&sql, '"');
        pg_conn_send_sql(l->session.conn, buf_str(&sql), on_listen, l);
        buf_free(&sql);
    }
    pg_conn_send_sync(l->session.conn, on_listen_sync, l);
}

static void on_down(void *arg, const struct error *why)
{
    static struct log_gate gate;
    int64_t suppressed;
    struct pg_listener *l = arg;
    l->up = false;
    if (log_gate_open(&gate, 30000, &suppressed))
        log_warn(&log_pg, "not listening for notifications", LOG_ERR(why));
}

static void on_tick(void *arg)
{
    struct pg_listener *l = arg;
    pg_conn_send_sql(l->session.conn, "SELECT 1", NULL, NULL);
    pg_conn_send_sync(l->session.conn, NULL, NULL);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct pg_listener *l = arg;
    l->on_notify(l->arg, channel, payload);
}

static const struct pg_session_ops listener_ops = {
    .on_up = on_up, .on_down = on_down, .on_tick = on_tick, .on_notify = on_notify};

struct pg_listener *pg_listener_new(struct pg_pool *p, const char *const *channels,
                                    void (*on_notify_fn)(void *arg, const char *channel, const char *payload),
                                    void (*on_gap)(void *arg), void *arg)
{
    struct pg_listener *l = mem_zalloc(sizeof(*l));
    while (channels[l->nchannels])
        l->nchannels++;
    l->channels = mem_array(l->nchannels, sizeof(char *));
    for (size_t i = 0; i < l->nchannels; i++)
        l->channels[i] = mem_strdup(channels[i]);
    l->on_notify = on_notify_fn;
    l->on_gap = on_gap;
    l->arg = arg;
    pg_session_init(&l->session, p, &listener_ops, l);
    pg_session_open(&l->session);
    return l;
}

bool pg_listener_up(const struct pg_listener *l)
{
    return l->up;
}

void pg_listener_free(struct pg_listener *l)
{
    if (!l)
        return;
    struct loop *loop = l->session.loop;
    pg_session_close(&l->session);
    for (size_t i = 0; i < l->nchannels; i++)
        mem_free(l->channels[i]);
    mem_free(l->channels);
    loop_free_later(loop, l); /* this may be one of its callbacks */
}
