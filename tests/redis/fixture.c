/* What the suites of this folder share. */
#include "fixture.h"

#include <stdio.h>

#include "base/log.h"

struct loop *loop;
struct fake_redis *server;
struct redis_client *client;
struct redis_client_config config;
int ready_count, lost_count;
char last_reason[200];

static void quiet(void *arg, const char *line, size_t n)
{
}

void fixture_setup(void)
{
    log_set_sink(quiet, NULL);
    loop = loop_new();
    server = fake_redis_new(loop, NULL);
    config = (struct redis_client_config){
        .host = "127.0.0.1",
        .port = fake_redis_port(server),
        .timeout_ms = 300,
        .max_in_flight = 100,
        .client_name = "rushd-test",
    };
    ready_count = lost_count = 0;
    last_reason[0] = '\0';
}

void fixture_teardown(void)
{
    redis_client_free(client);
    client = NULL;
    fake_redis_free(server);
    loop_free(loop);
    metric_reset();
}

static void on_state(void *arg, bool ready, const char *reason)
{
    if (ready)
        ready_count++;
    else
        lost_count++;
    snprintf(last_reason, sizeof(last_reason), "%s", reason);
}

void make_client(void)
{
    client = redis_client_new(loop, &config);
    redis_client_on_state(client, on_state, NULL);
}

void start_client(void)
{
    make_client();
    ck_assert(wait_for(is_ready, NULL));
}

void on_outcome(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct outcome *o = arg;
    o->fired++;
    o->status = status;
    o->type = redis_reply_type(r);
    struct slice text = redis_reply_text(r);
    snprintf(o->text, sizeof(o->text), "%.*s", (int)text.n, text.p);
    ck_assert_ptr_nonnull(e);
    o->error = *e;
}

void command(struct outcome *o, int64_t timeout_ms, const char *name, const char *arg)
{
    struct redis_args a = {0};
    redis_args_add(&a, name);
    if (arg)
        redis_args_add(&a, arg);
    int before = o->fired;
    redis_client_command(client, a.v, a.n, timeout_ms, on_outcome, o);
    ck_assert_int_eq(o->fired, before);
}

bool wait_for(bool (*done)(void *arg), void *arg)
{
    return loop_run_until(loop, done, arg, 5000);
}

bool fired(void *arg)
{
    return ((struct outcome *)arg)->fired > 0;
}

bool is_ready(void *arg)
{
    return redis_client_ready(client);
}

bool is_lost(void *arg)
{
    return lost_count >= *(int *)arg;
}

static bool never(void *arg)
{
    return false;
}

void spin(int64_t ms)
{
    loop_run_until(loop, never, NULL, ms);
}
