/* Calling the embedded Lua scripts. */
#include "store/store_script.h"

#include <stdio.h>

#include "store/embed.h"

/* SHA1 sums are those of the connected server's reply, so one set serves the process. */
static struct redis_script scripts[SCRIPT_COUNT];

static struct redis_script *script_get(enum script_id id)
{
    struct redis_script *s = &scripts[id];
    if (!s->text) {
        s->name = script_files[id].name;
        s->text = script_files[id].text;
        s->size = strlen(s->text);
    }
    return s;
}

static void end_argument(struct script_args *a)
{
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 32;
        a->ends = mem_grow(a->ends, a->cap, sizeof *a->ends);
    }
    a->ends[a->n++] = a->text.len;
}

void script_key(struct script_args *a, const char *fmt, ...)
{
    ASSERT(a->n == a->nkeys);
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&a->text, fmt, ap);
    va_end(ap);
    end_argument(a);
    a->nkeys++;
}

void script_key_ids(struct script_args *a, const char *prefix, int64_t first, int64_t second)
{
    ASSERT(a->n == a->nkeys);
    buf_puts(&a->text, prefix);
    buf_put_i64(&a->text, first);
    buf_putc(&a->text, ':');
    buf_put_i64(&a->text, second);
    end_argument(a);
    a->nkeys++;
}

void script_i64(struct script_args *a, int64_t v)
{
    buf_put_i64(&a->text, v);
    end_argument(a);
}

void script_text(struct script_args *a, const char *s)
{
    buf_puts(&a->text, s);
    end_argument(a);
}

void script_slice(struct script_args *a, struct slice s)
{
    buf_put_slice(&a->text, s);
    end_argument(a);
}

void script_run_id(const struct store *s, struct script_args *a)
{
    script_text(a, redis_client_run_id(s->redis));
}

/* Cursors are unsigned: beyond what an id can be. */
uint64_t store_scan_cursor(const struct redis_reply *r)
{
    struct slice text = redis_reply_text(redis_reply_at(r, 0));
    uint64_t cursor = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 0;
        cursor = cursor * 10 + (uint64_t)(text.p[i] - '0');
    }
    return cursor;
}

struct script_call {
    struct store *store;
    script_done_fn *done;
    void *call;
    size_t min_reply;
    const char *name;
};

static void on_reply(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct script_call *c = arg;
    if (status == REDIS_FAILED && strcmp(e->code, "NODATA") == 0) {
        struct error again = *e;
        again.kind = ERROR_RETRIABLE;
        store_incomplete(c->store);
        c->done(c->call, NULL, &again);
    } else if (status != REDIS_OK) {
        c->done(c->call, NULL, e);
    } else if (c->min_reply && redis_reply_len(r) < c->min_reply) {
        struct error wrong;
        error_set(&wrong, ERROR_BUG, "REPLY", "script %s: the reply has %zu elements, %zu are needed",
                  c->name, redis_reply_len(r), c->min_reply);
        c->done(c->call, NULL, &wrong);
    } else {
        c->done(c->call, r, NULL);
    }
    mem_free(c);
}

void store_script(struct store *s, enum script_id id, struct script_args *a, size_t min_reply,
                  script_done_fn *done, void *call)
{
    ASSERT(s->redis);
    struct redis_arg *args = mem_array(a->n, sizeof *args);
    size_t start = 0;
    for (size_t i = 0; i < a->n; i++) {
        args[i] = (struct redis_arg){a->text.data + start, a->ends[i] - start};
        start = a->ends[i];
    }
    struct script_call *c = mem_alloc(sizeof *c);
    *c = (struct script_call){s, done, call, min_reply, script_files[id].name};
    redis_client_script(s->redis, script_get(id), args, a->n, a->nkeys, 0, on_reply, c);
    mem_free(args);
    mem_free(a->ends);
    buf_free(&a->text);
    *a = (struct script_args){0};
}
