/* The line of calls: what was sent and waits for its reply, in order, each with its own deadline.
 *
 * A call ends exactly once: with its reply, with the connection (redis_call_fail_all), with its deadline, or
 * refused. No ending happens inside the call that started it: refusals wait for the end of the turn, and
 * nothing is written or read before that either. */
#include "redis/redis_internal.h"

#include <hiredis/hiredis.h>

#include "base/clock.h"

static const struct metric_def completion_def = {
    .name = "lettuce.command.completion",
    .type = METRIC_TIMER,
    .unit = "seconds",
    .help = "Time from sending a Redis command or script to its reply",
    .labels = {"command"},
};
static const struct metric_def in_flight_def = {
    .name = "rushd.redis.in.flight",
    .type = METRIC_GAUGE,
    .help = "Redis commands sent and not answered yet",
};
static const struct metric_def reconnects_def = {
    .name = "rushd.redis.reconnects",
    .type = METRIC_COUNTER,
    .help = "Connections to Redis that replaced a lost one",
};

void redis_call_metrics(struct redis_client *c)
{
    c->completion = metric_register(&completion_def);
    c->in_flight_gauge = metric_single(&in_flight_def);
    c->reconnects = metric_single(&reconnects_def);
    c->series = strmap_new();
}

struct metric_series *redis_call_series(struct redis_client *c, const char *name)
{
    size_t n = strlen(name);
    struct metric_series *series = strmap_get(c->series, name, n);
    if (!series) {
        series = metric_series(c->completion, (const char *const[]){name});
        strmap_put(c->series, name, n, series);
    }
    return series;
}

/* Command names are this program's own, so they are few; longer than any of Redis' they are cut. */
static struct metric_series *command_series(struct redis_client *c, const struct redis_arg *name)
{
    char text[32];
    size_t n = name->n < sizeof(text) ? name->n : sizeof(text) - 1;
    for (size_t i = 0; i < n; i++) {
        char ch = ((const char *)name->p)[i];
        text[i] = ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
    }
    text[n] = '\0';
    return redis_call_series(c, text);
}

struct redis_call *redis_call_new(struct redis_client *c, int64_t timeout_ms, redis_done_fn *done, void *arg,
                                  size_t tail_size)
{
    struct redis_call *call = mem_alloc(sizeof(*call) + tail_size);
    *call = (struct redis_call){.done = done, .arg = arg, .tail_size = tail_size};
    call->sent_us = clock_mono_us();
    call->deadline_us = call->sent_us + (timeout_ms > 0 ? timeout_ms : c->cfg.timeout_ms) * 1000;
    return call;
}

const char *redis_call_refusal(const struct redis_client *c)
{
    switch (c->state) {
    case REDIS_CLIENT_READY:
        if (c->leaving[0])
            return "NOT_CONNECTED Redis cannot serve now, the next connection will tell";
        return c->n_in_flight < (size_t)c->cfg.max_in_flight ? NULL
                                                             : "QUEUE_FULL too many Redis commands in flight";
    case REDIS_CLIENT_CLOSING:
    case REDIS_CLIENT_CLOSED:
        return "CLOSED the Redis client is closing";
    default:
        return "NOT_CONNECTED Redis is not connected";
    }
}

void redis_call_refuse(struct redis_client *c, struct redis_call *call, const char *why)
{
    call->refusal = why;
    TAILQ_INSERT_TAIL(&c->refused, call, link);
    if (!c->answering)
        loop_defer(c->loop, &c->turn);
}

static void set_in_flight(struct redis_client *c, size_t n)
{
    c->n_in_flight = n;
    metric_set(c->in_flight_gauge, (double)n);
}

void redis_call_queue(struct redis_client *c, struct redis_call *call)
{
    c->queued = c->written + (c->out.len - c->out_written);
    call->end = c->queued;
    TAILQ_INSERT_TAIL(&c->in_flight, call, link);
    set_in_flight(c, c->n_in_flight + 1);
    redis_client_watch(c);
    loop_defer(c->loop, &c->turn);
}

static void encode(struct redis_client *c, const struct redis_arg *args, size_t n)
{
    redis_encode_count(&c->out, n);
    for (size_t i = 0; i < n; i++)
        redis_encode_arg(&c->out, args[i].p, args[i].n);
}

void redis_call_send(struct redis_client *c, const struct redis_arg *args, size_t n, redis_done_fn *done,
                     void *arg)
{
    struct redis_call *call = redis_call_new(c, 0, done, arg, 0);
    call->series = command_series(c, &args[0]);
    encode(c, args, n);
    redis_call_queue(c, call);
}

void redis_client_command(struct redis_client *c, const struct redis_arg *args, size_t n, int64_t timeout_ms,
                          redis_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct redis_call *call = redis_call_new(c, timeout_ms, done, arg, 0);
    const char *why = redis_call_refusal(c);
    if (why) {
        redis_call_refuse(c, call, why);
        return;
    }
    call->series = command_series(c, &args[0]);
    encode(c, args, n);
    redis_call_queue(c, call);
}

static struct redis_call *shift(struct redis_client *c)
{
    struct redis_call *call = TAILQ_FIRST(&c->in_flight);
    TAILQ_REMOVE(&c->in_flight, call, link);
    set_in_flight(c, c->n_in_flight - 1);
    return call;
}

static void finish(struct redis_call *call, enum redis_status status, const struct redis_reply *r,
                   const struct error *e)
{
    redis_done_fn *done = call->done;
    void *arg = call->arg;
    mem_free(call);
    if (done)
        done(arg, status, r, e);
}

/* A replica since a failover, or one whose data or master is away: on a new connection the greeting waits until that is over,
 * perhaps at another address. */
static bool must_leave(const char *code)
{
    return strcmp(code, "READONLY") == 0 || strcmp(code, "LOADING") == 0 || strcmp(code, "MASTERDOWN") == 0;
}

static void leave(struct redis_client *c, const struct error *e)
{
    str_copy(c->leaving, sizeof(c->leaving), e->code);
    str_copy(c->leaving_reason, sizeof(c->leaving_reason), e->text);
}

bool redis_call_reply(struct redis_client *c, const struct redisReply *reply)
{
    static const struct error none;
    const struct redis_reply *r = (const struct redis_reply *)(const void *)reply;
    if (TAILQ_EMPTY(&c->in_flight))
        return false;
    struct redis_call *call = shift(c);
    c->last_reply_us = clock_mono_us();
    bool failed = redis_reply_type(r) == REDIS_ERROR;
    if (failed && call->done && call->form != REDIS_CALL_COMMAND && str_starts_with(reply->str, "NOSCRIPT") &&
        redis_script_again(c, call))
        return true;
    metric_observe_us(call->series, c->last_reply_us - call->sent_us);
    struct error e = ERROR_INIT;
    if (failed)
        redis_reply_error(r, &e);
    if (failed && c->state == REDIS_CLIENT_READY && !c->leaving[0] && must_leave(e.code))
        leave(c, &e);
    if (c->state == REDIS_CLIENT_CLOSING || c->leaving[0])
        loop_defer(c->loop, &c->turn); /* it may have been the last one */
    if (failed) {
        finish(call, REDIS_FAILED, r, &e);
    } else {
        finish(call, REDIS_OK, r, &none);
    }
    return true;
}

void redis_call_fail_all(struct redis_client *c, const char *code, const char *reason)
{
    struct error sent = ERROR_INIT, unsent = ERROR_INIT;
    error_set(&sent, ERROR_UNKNOWN, code, "%s", reason);
    error_set(&unsent, ERROR_RETRIABLE, code, "%s", reason);
    /* Callbacks may free the client: everything is looked at anew after each of them. */
    while (!TAILQ_EMPTY(&c->in_flight)) {
        struct redis_call *call = shift(c);
        /* Redis runs nothing of a command whose last byte it has not got. */
        bool left = call->end <= c->written;
        if (left)
            metric_observe_us(call->series, clock_mono_us() - call->sent_us);
        finish(call, left ? REDIS_UNKNOWN : REDIS_NOT_SENT, NULL, left ? &sent : &unsent);
    }
}

static void answer_refused(struct redis_call *call)
{
    struct error e = ERROR_INIT;
    char code[sizeof(e.code)];
    size_t n = strcspn(call->refusal, " ");
    ASSERT(n < sizeof(code));
    memcpy(code, call->refusal, n);
    code[n] = '\0';
    error_set(&e, ERROR_RETRIABLE, code, "%s", call->refusal + n + 1);
    finish(call, REDIS_NOT_SENT, NULL, &e);
}

void redis_call_run_refused(struct redis_client *c)
{
    /* Only those that are here now: a callback that tries again at once, for ever, must not keep the loop
     * from reading the replies that would make room. */
    size_t n = 0;
    struct redis_call *call;
    TAILQ_FOREACH(call, &c->refused, link)
    n++;
    c->answering = true;
    while (n-- > 0 && (call = TAILQ_FIRST(&c->refused)) != NULL) {
        TAILQ_REMOVE(&c->refused, call, link);
        answer_refused(call);
    }
    c->answering = false;
    if (!TAILQ_EMPTY(&c->refused))
        loop_timer_start(c->again, 0);
}

bool redis_call_overdue(struct redis_client *c, int64_t now_us)
{
    struct redis_call *head = TAILQ_FIRST(&c->in_flight), *call, *next;
    if (!head)
        return false;
    /* A head that was given up while it stood behind a longer one counts from the last sign of life. */
    int64_t limit = head->deadline_us;
    if (!head->done && limit < c->last_reply_us + c->cfg.timeout_ms * 1000)
        limit = c->last_reply_us + c->cfg.timeout_ms * 1000;
    if (now_us > limit)
        return true;
    unsigned link_id = c->link_id;
    TAILQ_FOREACH_SAFE(call, &c->in_flight, link, next)
    {
        if (!call->done || now_us <= call->deadline_us)
            continue;
        struct error e = ERROR_INIT;
        error_set(&e, ERROR_UNKNOWN, "TIMEOUT", "no reply from Redis in time");
        redis_done_fn *done = call->done;
        call->done = NULL;
        done(call->arg, REDIS_UNKNOWN, NULL, &e);
        if (c->link_id != link_id)
            return false;
    }
    return false;
}
