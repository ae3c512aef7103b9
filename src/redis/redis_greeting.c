/* What a new connection says before it is ready: AUTH, SELECT, CLIENT SETNAME, INFO server, INFO replication, the scripts,
 * PING, in one go.
 *
 * PING comes last because it is what a server refuses that is still loading its data (LOADING), lost its
 * master (MASTERDOWN) or wants a password (NOAUTH); INFO is answered in the first two cases. A replica that takes no
 * writes is of no use: after a failover the address leads to the new master sooner or later. */
#include "redis/redis_internal.h"

/* Any refusal ends the attempt; its text tells the operator why. A lost connection is handled where it is
 * noticed. */
static void on_must_succeed(void *arg, enum redis_status status, const struct redis_reply *r,
                            const struct error *e)
{
    if (status == REDIS_FAILED)
        redis_client_lost(arg, e->code, e->text);
}

/* The name only helps whoever looks at CLIENT LIST: a proxy that does not know the command is no reason to
 * stay away. */
static void on_named(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    if (status == REDIS_FAILED)
        log_debug(&redis_log, "CLIENT SETNAME was refused", LOG_ERR(e));
}

/* Copy the value of "key:value" in INFO's text. */
static void info_value(struct slice info, const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    out[0] = '\0';
    for (const char *p = info.p, *end = info.p + info.n; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        struct slice line = {p, (size_t)((eol ? eol : end) - p)};
        if (line.n > n && memcmp(p, key, n) == 0 && p[n] == ':') {
            struct slice value = slice_trim((struct slice){p + n + 1, line.n - n - 1});
            size_t len = value.n < size ? value.n : size - 1;
            memcpy(out, value.p, len);
            out[len] = '\0';
            return;
        }
        p += line.n + 1;
    }
}

static void on_info(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct redis_client *c = arg;
    if (status != REDIS_OK) {
        on_must_succeed(arg, status, r, e);
        return;
    }
    char run_id[sizeof(c->run_id)];
    info_value(redis_reply_text(r), "run_id", run_id, sizeof(run_id));
    if (!run_id[0]) {
        redis_client_lost(c, "PROTOCOL", "INFO server names no run_id");
        return;
    }
    if (c->run_id[0] && strcmp(c->run_id, run_id) != 0)
        log_warn(&redis_log, "another server process answers", LOG_S("before", c->run_id),
                 LOG_S("run_id", run_id));
    memcpy(c->run_id, run_id, sizeof(run_id));
    info_value(redis_reply_text(r), "redis_version", c->version, sizeof(c->version));
}

static void on_role(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    char role[16], read_only[4];
    if (status != REDIS_OK) {
        on_must_succeed(arg, status, r, e);
        return;
    }
    info_value(redis_reply_text(r), "role", role, sizeof(role));
    info_value(redis_reply_text(r), "slave_read_only", read_only, sizeof(read_only));
    if (strcmp(role, "slave") == 0 && strcmp(read_only, "1") == 0)
        redis_client_lost(arg, "READONLY", "the server is a read-only replica");
}

static void on_ping(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    if (status == REDIS_OK)
        redis_client_greeted(arg);
    else
        on_must_succeed(arg, status, r, e);
}

static void say(struct redis_client *c, const struct redis_args *a, redis_done_fn *done)
{
    redis_call_send(c, a->v, a->n, done, c);
}

void redis_greeting_send(struct redis_client *c)
{
    struct redis_args a = {0};
    if (c->cfg.password[0]) {
        redis_args_add(&a, "AUTH");
        if (c->cfg.username[0])
            redis_args_add(&a, c->cfg.username);
        redis_args_add(&a, c->cfg.password);
        say(c, &a, on_must_succeed);
        a.n = 0;
    }
    if (c->cfg.database != 0) {
        redis_args_add(&a, "SELECT");
        redis_args_add_i64(&a, c->cfg.database);
        say(c, &a, on_must_succeed);
        a.n = 0;
    }
    if (c->cfg.client_name[0]) {
        redis_args_add(&a, "CLIENT");
        redis_args_add(&a, "SETNAME");
        redis_args_add(&a, c->cfg.client_name);
        say(c, &a, on_named);
        a.n = 0;
    }
    redis_args_add(&a, "INFO");
    redis_args_add(&a, "server");
    say(c, &a, on_info);
    a.n = 0;
    redis_args_add(&a, "INFO");
    redis_args_add(&a, "replication");
    say(c, &a, on_role);
    redis_script_load_known(c);
    a.n = 0;
    redis_args_add(&a, "PING");
    say(c, &a, on_ping);
}
