/* Redis' half of the checks at start: what endangers waiting lines (contract section 4, end). */
#include "store/schema.h"
#include "store/store_script.h"

struct expected {
    const char *setting;
    bool (*good)(struct slice value);
    const char *why;
};

struct check {
    store_warn_fn *warn;
    store_done_fn *done;
    void *arg;
    size_t missing;
    struct error error;
};

struct question {
    struct check *check;
    const struct expected *x;
};

static bool is_yes(struct slice value)
{
    return slice_eq(value, "yes");
}

static bool never_evicts(struct slice value)
{
    return slice_eq(value, "noeviction");
}

static const struct expected expected_redis[] = {
    {"appendonly", is_yes, "a crash of Redis loses waiting lines that only Redis knows"},
    {"maxmemory-policy", never_evicts, "an eviction can drop a waiting line or the marks of counted sales"},
};

/* A server that hides CONFIG is warned about: nobody knows what it does. */
static void on_value(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct question *q = arg;
    struct check *c = q->check;
    struct slice value = redis_reply_text(redis_reply_at(r, 1));
    if (status == REDIS_NOT_SENT || status == REDIS_UNKNOWN) {
        c->error = *e;
        c->error.kind = ERROR_RETRIABLE;
    } else if (status == REDIS_FAILED || redis_reply_len(r) < 2) {
        c->warn(c->arg, "redis", q->x->setting, "unknown", q->x->why);
    } else if (!q->x->good(value)) {
        char text[64];
        size_t n = value.n < sizeof text - 1 ? value.n : sizeof text - 1;
        memcpy(text, value.p, n);
        text[n] = '\0';
        c->warn(c->arg, "redis", q->x->setting, text, q->x->why);
    }
    mem_free(q);
    if (--c->missing)
        return;
    c->done(c->arg, c->error.kind == ERROR_NONE ? NULL : &c->error);
    mem_free(c);
}

void store_check_redis_settings(struct store *s, store_warn_fn *warn, store_done_fn *done, void *arg)
{
    struct check *c = mem_zalloc(sizeof *c);
    *c = (struct check){.warn = warn, .done = done, .arg = arg, .missing = ARRAY_LEN(expected_redis)};
    for (size_t i = 0; i < ARRAY_LEN(expected_redis); i++) {
        struct question *q = mem_alloc(sizeof *q);
        *q = (struct question){c, &expected_redis[i]};
        struct redis_args a = {0};
        redis_args_add(&a, "CONFIG");
        redis_args_add(&a, "GET");
        redis_args_add(&a, expected_redis[i].setting);
        redis_client_command(s->redis, a.v, a.n, 0, on_value, q);
    }
}
