/* Lua scripts: EVALSHA, with the full text only where the server does not know the script.
 *
 * Redis computes the digests: the first use of a script sends SCRIPT LOAD, whose reply is the digest, and
 * EVAL. Each new connection loads all known scripts before it is ready, so NOSCRIPT stays an exception
 * (SCRIPT FLUSH, failover). Then the first call that gets it is sent again as EVAL, which also loads the
 * script, and those behind it as EVALSHA. */
#include "redis/redis_internal.h"

#include <stdio.h>

static size_t know(struct redis_client *c, struct redis_script *s)
{
    for (size_t i = 0; i < c->nscripts; i++)
        if (c->scripts[i].script == s)
            return i;
    c->scripts = mem_grow(c->scripts, c->nscripts + 1, sizeof(*c->scripts));
    c->scripts[c->nscripts] =
        (struct redis_known_script){.script = s, .series = redis_call_series(c, s->name)};
    return c->nscripts++;
}

struct loading {
    struct redis_client *client;
    size_t script;
};

static void on_loaded(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct loading *l = arg;
    struct redis_known_script *known = &l->client->scripts[l->script];
    struct slice sha = redis_reply_text(r);
    known->loading = false;
    if (status == REDIS_OK && sha.n == sizeof(known->script->sha1) - 1) {
        memcpy(known->script->sha1, sha.p, sha.n);
        known->script->sha1[sha.n] = '\0';
    } else if (status == REDIS_FAILED) {
        log_warn(&redis_log, "cannot load script", LOG_S("script", known->script->name), LOG_ERR(e));
    }
    mem_free(l);
}

static void load(struct redis_client *c, size_t script)
{
    struct redis_known_script *known = &c->scripts[script];
    struct loading *l = mem_zalloc(sizeof(*l));
    *l = (struct loading){c, script};
    known->loading = true;
    redis_call_send(
        c, (struct redis_arg[]){{"SCRIPT", 6}, {"LOAD", 4}, {known->script->text, known->script->size}}, 3,
        on_loaded, l);
    known->loaded_at = c->queued;
}

void redis_script_load_known(struct redis_client *c)
{
    for (size_t i = 0; i < c->nscripts; i++)
        load(c, i);
}

static void send_form(struct redis_client *c, struct redis_call *call, enum redis_call_form form)
{
    struct redis_known_script *known = &c->scripts[call->script];
    call->form = form;
    redis_encode_count(&c->out, 2 + call->tail_args);
    if (form == REDIS_CALL_EVAL) {
        redis_encode_text(&c->out, "EVAL");
        redis_encode_arg(&c->out, known->script->text, known->script->size);
    } else {
        redis_encode_text(&c->out, "EVALSHA");
        redis_encode_text(&c->out, known->script->sha1);
    }
    buf_put(&c->out, call->tail, call->tail_size);
    redis_call_queue(c, call);
    if (form == REDIS_CALL_EVAL)
        known->loaded_at = c->queued;
}

bool redis_script_again(struct redis_client *c, struct redis_call *call)
{
    if (call->form == REDIS_CALL_EVAL)
        return false;
    bool loaded_behind = c->scripts[call->script].loaded_at > call->end;
    send_form(c, call,
              call->form == REDIS_CALL_EVALSHA && loaded_behind ? REDIS_CALL_EVALSHA_AGAIN : REDIS_CALL_EVAL);
    return true;
}

void redis_client_script(struct redis_client *c, struct redis_script *s, const struct redis_arg *args,
                         size_t n, size_t nkeys, int64_t timeout_ms, redis_done_fn *done, void *arg)
{
    ASSERT(nkeys <= n);
    const char *why = redis_call_refusal(c);
    if (why) {
        redis_call_refuse(c, redis_call_new(c, timeout_ms, done, arg, 0), why);
        return;
    }
    char numkeys[24];
    snprintf(numkeys, sizeof(numkeys), "%zu", nkeys);
    buf_clear(&c->scratch);
    redis_encode_text(&c->scratch, numkeys);
    for (size_t i = 0; i < n; i++)
        redis_encode_arg(&c->scratch, args[i].p, args[i].n);
    struct redis_call *call = redis_call_new(c, timeout_ms, done, arg, c->scratch.len);
    memcpy(call->tail, c->scratch.data, c->scratch.len);
    call->tail_args = 1 + n;
    call->script = know(c, s);
    call->series = c->scripts[call->script].series;
    if (s->sha1[0]) {
        send_form(c, call, REDIS_CALL_EVALSHA);
        return;
    }
    if (!c->scripts[call->script].loading)
        load(c, call->script);
    send_form(c, call, REDIS_CALL_EVAL);
}
