/* A connection of one's own, outside the pool's line, that comes back by itself: for notifications, locks and
 * scripts. One timer serves both sides of its life: the back-off while it is down, a tick each second while
 * it is up. The tick matters: a stopped server still acknowledges packets, only a missing answer tells. */
#include "pg/pg_internal.h"

#include "base/random.h"

enum {
    RETRY_MS = 50,
    RETRY_MAX_MS = 2000,
    TICK_MS = 1000
};

bool pg_session_usable(const struct pg_session *s)
{
    return s->conn && s->conn->state == PG_CONN_UP && pg_conn_quiet(s->conn);
}

static void on_up(void *arg, struct pg_conn *c)
{
    struct pg_session *s = arg;
    s->attempt = 0;
    loop_timer_every(s->timer, TICK_MS);
    s->ops->on_up(s->owner);
}

static void on_down(void *arg, struct pg_conn *c, const struct error *why)
{
    struct pg_session *s = arg;
    loop_timer_start(s->timer, random_backoff_ms(s->attempt++, RETRY_MS, RETRY_MAX_MS));
    s->ops->on_down(s->owner, why);
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct pg_session *s = arg;
    if (s->ops->on_notify)
        s->ops->on_notify(s->owner, channel, payload);
}

static const struct pg_conn_ops session_conn_ops = {
    .on_up = on_up, .on_down = on_down, .on_notify = on_notify};

static void on_timer(void *arg)
{
    struct pg_session *s = arg;
    if (s->conn->state == PG_CONN_DOWN)
        pg_conn_open(s->conn);
    else if (pg_session_usable(s) && s->ops->on_tick)
        s->ops->on_tick(s->owner);
}

void pg_session_init(struct pg_session *s, struct pg_pool *p, const struct pg_session_ops *ops, void *owner)
{
    *s = (struct pg_session){.loop = p->loop, .ops = ops, .owner = owner};
    s->conn = pg_conn_new(&p->target, &session_conn_ops, s);
    s->timer = loop_timer_new(p->loop, on_timer, s);
}

void pg_session_open(struct pg_session *s)
{
    pg_conn_open(s->conn);
}

void pg_session_close(struct pg_session *s)
{
    pg_conn_free(s->conn);
    s->conn = NULL;
    loop_timer_free(s->timer);
    s->timer = NULL;
}
