/* Connecting a command to its services, with a bounded wait, and the check of the schema. */
#include <stdio.h>
#include <sysexits.h>

#include "app/config.h"
#include "app/pools.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "loop/loop.h"
#include "store/schema.h"

/* One call after the other: a few connections are enough, but what a person waits for may take long. */
#define POOL_SIZE            3
#define STATEMENT_TIMEOUT_MS 60000
#define LONG_TIMEOUT_MS      3600000

static void on_pg(void *arg, bool ready, const char *reason)
{
    struct ctl *c = arg;
    str_copy(c->pg_reason, sizeof c->pg_reason, ready ? "" : reason);
}

static void on_redis(void *arg, bool ready, const char *reason)
{
    struct ctl *c = arg;
    str_copy(c->redis_reason, sizeof c->redis_reason, ready ? "" : reason);
}

static bool open_pg(struct ctl *c, bool takes_time)
{
    struct error e = ERROR_INIT;
    struct pg_pool_config cfg = app_pg_config("rushctl");
    if (!pg_url_check(cfg.url, &e)) {
        fprintf(stderr, "rushctl: datasource.url: %s\n", e.text);
        return false;
    }
    cfg.size = POOL_SIZE;
    cfg.statement_timeout_ms = takes_time ? LONG_TIMEOUT_MS : STATEMENT_TIMEOUT_MS;
    c->pg = pg_pool_new(c->loop, &cfg);
    pg_pool_on_state(c->pg, on_pg, c);
    return true;
}

static bool all_ready(void *arg)
{
    const struct ctl *c = arg;
    return (!c->pg || pg_pool_ready(c->pg)) && (!c->redis || redis_client_ready(c->redis));
}

static void tell_away(const struct ctl *c, const char *service, const char *reason)
{
    fprintf(stderr, "rushctl: %s is away (waited %lld s)%s%s\n", service, (long long)(c->wait_ms / 1000),
            *reason ? ": " : "", reason);
}

static void on_schema(void *arg, enum schema_state state, int version, const char *text,
                      const struct error *e)
{
    struct ctl *c = arg;
    struct error wrong = ERROR_INIT;
    if (!e && state != SCHEMA_CURRENT) {
        error_set(&wrong, ERROR_PERMANENT, "SCHEMA", "%s", text);
        e = &wrong;
    }
    ctl_finish(c, e);
}

int ctl_open(struct ctl *c, unsigned needs)
{
    if ((needs & CTL_NEED_PG) && !open_pg(c, needs & CTL_NEED_TIME))
        return EX_CONFIG;
    if (needs & CTL_NEED_REDIS) {
        const struct redis_client_config redis = app_redis_config("rushctl");
        c->redis = redis_client_new(c->loop, &redis);
        redis_client_on_state(c->redis, on_redis, c);
    }
    c->store = store_new(c->loop, c->pg, c->redis);
    if (!loop_run_until(c->loop, all_ready, c, c->wait_ms)) {
        if (c->pg && !pg_pool_ready(c->pg))
            tell_away(c, "PostgreSQL", c->pg_reason);
        if (c->redis && !redis_client_ready(c->redis))
            tell_away(c, "Redis", c->redis_reason);
        return EX_UNAVAILABLE;
    }
    if (needs & CTL_NEED_SCHEMA) {
        schema_check(c->store, app_config.server.time_zone, on_schema, c);
        if (!ctl_wait(c, CTL_CALL_TIMEOUT_MS))
            return ctl_status(c);
    }
    return EX_OK;
}

void ctl_disconnect(struct ctl *c)
{
    if (c->store)
        store_unwatch(c->store);
    redis_client_free(c->redis);
    pg_pool_free(c->pg);
    c->redis = NULL;
    c->pg = NULL;
}

void ctl_close(struct ctl *c)
{
    ctl_disconnect(c);
    store_free(c->store);
}
