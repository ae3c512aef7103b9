/* The client's life: connect, greet, be ready, lose the connection, try again; and its closing.
 *
 * WAITING -> (RESOLVING) -> CONNECTING -> GREETING -> READY, and back to WAITING whenever something fails:
 * the delay doubles from 50 ms to 2 s and every attempt uses a new socket. A server that answers READONLY, LOADING or MASTERDOWN is left
 * as well, as soon as it has answered what was sent; the greeting then waits until a master with its data is there. redis_client_close() leads through
 * CLOSING to CLOSED. move() is the one place that changes the state. */
#include "redis/redis_internal.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define TICK_MS        50
/* A server that stays away is one line per this. */
#define CONNECT_LOG_MS 30000

LOG_DEFINE(redis_log, "rushd.redis");

static void move(struct redis_client *c, enum redis_client_state to, const char *reason)
{
    enum redis_client_state from = c->state;
    bool news = (from == REDIS_CLIENT_READY) != (to == REDIS_CLIENT_READY);
    c->state = to;
    if (to == REDIS_CLIENT_READY) {
        c->reason[0] = '\0';
    } else if (reason && strcmp(c->reason, reason) != 0) {
        str_copy(c->reason, sizeof(c->reason), reason);
        news = true;
    }
    if (news && c->on_state && to != REDIS_CLIENT_CLOSING && to != REDIS_CLIENT_CLOSED)
        c->on_state(c->on_state_arg, to == REDIS_CLIENT_READY, c->reason);
}

static bool connecting(const struct redis_client *c)
{
    return c->state == REDIS_CLIENT_RESOLVING || c->state == REDIS_CLIENT_CONNECTING ||
           c->state == REDIS_CLIENT_GREETING;
}

void redis_client_watch(struct redis_client *c)
{
    if (!loop_timer_running(c->tick))
        loop_timer_every(c->tick, TICK_MS);
}

static void on_retry(void *arg)
{
    struct redis_client *c = arg;
    c->connect_deadline_us = clock_mono_us() + c->cfg.timeout_ms * 1000;
    redis_client_watch(c);
    move(c, c->cfg.socket[0] ? REDIS_CLIENT_CONNECTING : REDIS_CLIENT_RESOLVING, NULL);
    redis_link_open(c);
}

void redis_client_connected(struct redis_client *c)
{
    move(c, REDIS_CLIENT_GREETING, NULL);
    redis_greeting_send(c);
}

void redis_client_greeted(struct redis_client *c)
{
    if (c->was_ready)
        metric_add(c->reconnects, 1);
    c->was_ready = true;
    c->attempt = 0;
    c->connect_gate = (struct log_gate){0};
    log_info(&redis_log, "connected", LOG_S("server", c->cfg.socket[0] ? c->cfg.socket : c->cfg.host),
             LOG_S("version", c->version), LOG_S("run_id", c->run_id));
    move(c, REDIS_CLIENT_READY, NULL);
}

static void log_loss(struct redis_client *c, const char *code, const char *reason)
{
    int64_t suppressed;
    const char *server = c->cfg.socket[0] ? c->cfg.socket : c->cfg.host;
    if (c->state == REDIS_CLIENT_READY)
        log_warn(&redis_log, "connection lost", LOG_S("server", server), LOG_S("error", reason),
                 LOG_S("code", code), LOG_I("in_flight", c->n_in_flight));
    else if (log_gate_open(&c->connect_gate, CONNECT_LOG_MS, &suppressed))
        log_warn(&redis_log, "cannot connect", LOG_S("server", server), LOG_S("error", reason),
                 LOG_S("code", code), LOG_I("attempts", suppressed + 1));
}

static void closed(struct redis_client *c)
{
    loop_timer_stop(c->tick);
    loop_timer_stop(c->retry);
    redis_link_close(c);
    move(c, REDIS_CLIENT_CLOSED, "closed");
    redis_call_fail_all(c, "CLOSED", "the Redis client was closed");
    void (*fn)(void *arg) = c->closed;
    c->closed = NULL;
    if (fn)
        fn(c->closed_arg);
}

void redis_client_lost(struct redis_client *c, const char *code, const char *reason)
{
    if (c->state == REDIS_CLIENT_CLOSED)
        return;
    if (c->state == REDIS_CLIENT_CLOSING) {
        closed(c);
        return;
    }
    /* Both may live in what is about to be freed. */
    struct error why = ERROR_INIT;
    error_set(&why, ERROR_UNKNOWN, code, "%s", reason);
    log_loss(c, why.code, why.text);
    redis_link_close(c);
    loop_timer_start(c->retry, random_backoff_ms(c->attempt, BACKOFF_MIN_MS, BACKOFF_MAX_MS));
    c->attempt++;
    move(c, REDIS_CLIENT_WAITING, why.text);
    redis_call_fail_all(c, why.code, why.text);
}

static bool idle(const struct redis_client *c)
{
    return TAILQ_EMPTY(&c->in_flight) && TAILQ_EMPTY(&c->refused);
}

static void on_tick(void *arg)
{
    struct redis_client *c = arg;
    int64_t now = clock_mono_us();
    if (connecting(c)) {
        if (now > c->connect_deadline_us)
            redis_client_lost(c, "TIMEOUT",
                              c->state == REDIS_CLIENT_GREETING ? "connected, but no answer in time"
                                                                : "no connection in time");
        return;
    }
    if (c->state == REDIS_CLIENT_CLOSING && now > c->close_deadline_us) {
        closed(c);
        return;
    }
    struct redis_call *head = TAILQ_FIRST(&c->in_flight);
    if (!head) {
        loop_timer_stop(c->tick);
        return;
    }
    /* When it was this process that stood still, the replies are here already. */
    if (now > head->deadline_us) {
        int64_t before = c->last_reply_us;
        redis_link_read(c);
        if (c->last_reply_us != before)
            return;
    }
    if (redis_call_overdue(c, now))
        redis_client_lost(c, "TIMEOUT", "no reply from Redis in time");
}

static void on_turn_end(void *arg)
{
    struct redis_client *c = arg;
    redis_link_flush(c);
    redis_call_run_refused(c);
    if (c->state == REDIS_CLIENT_CLOSING && idle(c))
        closed(c);
    else if (c->leaving[0] && TAILQ_EMPTY(&c->in_flight))
        redis_client_lost(c, c->leaving, c->leaving_reason);
}

struct redis_client *redis_client_new(struct loop *l, const struct redis_client_config *cfg)
{
    ASSERT(cfg->timeout_ms > 0 && cfg->max_in_flight > 0);
    struct redis_client *c = mem_zalloc(sizeof(*c));
    c->loop = l;
    c->fd = -1;
    c->cfg = *cfg;
    c->cfg.host = mem_strdup(cfg->host ? cfg->host : "");
    c->cfg.socket = mem_strdup(cfg->socket ? cfg->socket : "");
    c->cfg.username = mem_strdup(cfg->username ? cfg->username : "");
    c->cfg.password = mem_strdup(cfg->password ? cfg->password : "");
    c->cfg.client_name = mem_strdup(cfg->client_name ? cfg->client_name : "");
    TAILQ_INIT(&c->in_flight);
    TAILQ_INIT(&c->refused);
    c->turn = (struct loop_task){.run = on_turn_end, .arg = c};
    c->tick = loop_timer_new(l, on_tick, c);
    c->retry = loop_timer_new(l, on_retry, c);
    c->again = loop_timer_new(l, on_turn_end, c);
    redis_call_metrics(c);
    str_copy(c->reason, sizeof(c->reason), "not connected yet");
    loop_timer_start(c->retry, 0);
    return c;
}

void redis_client_set_password(struct redis_client *c, const char *password)
{
    mem_free((char *)c->cfg.password);
    c->cfg.password = mem_strdup(password ? password : "");
}

void redis_client_on_state(struct redis_client *c, void (*fn)(void *arg, bool ready, const char *reason),
                           void *arg)
{
    c->on_state = fn;
    c->on_state_arg = arg;
}

bool redis_client_ready(const struct redis_client *c)
{
    return c->state == REDIS_CLIENT_READY;
}

const char *redis_client_run_id(const struct redis_client *c)
{
    return c->run_id;
}

const char *redis_client_version(const struct redis_client *c)
{
    return c->version;
}

size_t redis_client_in_flight(const struct redis_client *c)
{
    return c->n_in_flight;
}

void redis_client_close(struct redis_client *c, int64_t deadline_ms, void (*fn)(void *arg), void *arg)
{
    if (c->state == REDIS_CLIENT_CLOSING || c->state == REDIS_CLIENT_CLOSED)
        return;
    c->closed = fn;
    c->closed_arg = arg;
    c->close_deadline_us = clock_mono_us() + deadline_ms * 1000;
    loop_timer_stop(c->retry);
    bool was_ready = c->state == REDIS_CLIENT_READY;
    move(c, REDIS_CLIENT_CLOSING, "closing");
    if (!was_ready) {
        /* Nobody waits for a connection that is only being made; the calls under way are the greeting's. */
        redis_link_close(c);
        redis_call_fail_all(c, "CLOSED", "the Redis client was closed");
    }
    redis_client_watch(c);
    loop_defer(c->loop, &c->turn);
}

void redis_client_free(struct redis_client *c)
{
    if (!c)
        return;
    if (c->state != REDIS_CLIENT_CLOSED)
        closed(c);
    while (!TAILQ_EMPTY(&c->refused))
        redis_call_run_refused(c);
    loop_defer_cancel(c->loop, &c->turn);
    loop_timer_free(c->tick);
    loop_timer_free(c->retry);
    loop_timer_free(c->again);
    strmap_free(c->series);
    buf_free(&c->scratch);
    mem_free(c->scripts);
    mem_free((char *)c->cfg.host);
    mem_free((char *)c->cfg.socket);
    mem_free((char *)c->cfg.username);
    mem_free((char *)c->cfg.password);
    mem_free((char *)c->cfg.client_name);
    /* The call may come from one of the client's own callbacks, up the stack. */
    loop_free_later(c->loop, c);
}
