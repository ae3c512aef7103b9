/* The mark of whole data: the script lua/redis_mark.lua. The run id is that of the connection that the script goes out on. */
#include "store/redis_mark.h"

#include "store/store_script.h"

struct asking {
    redis_mark_fn *done;
    void *arg;
};

static void on_mark(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct asking *a = arg;
    const struct redis_mark m = {
        .state = (enum redis_mark_state)redis_reply_i64(redis_reply_at(r, 0)),
        .generation = redis_reply_i64(redis_reply_at(r, 1)),
    };
    a->done(a->arg, e ? NULL : &m, e);
    mem_free(a);
}

static void step(struct store *s, int64_t generation, const char *name, redis_mark_fn *done, void *arg)
{
    struct script_args a = {0};
    struct asking *asking = mem_alloc(sizeof *asking);
    *asking = (struct asking){done, arg};
    script_key(&a, MARK_KEY);
    script_key(&a, "rushd:rebuilding");
    script_key(&a, "rushd:ranked");
    script_run_id(s, &a);
    script_i64(&a, generation);
    script_text(&a, name);
    store_script(s, SCRIPT_REDIS_MARK, &a, 2, on_mark, asking);
}

void redis_mark_read(struct store *s, redis_mark_fn *done, void *arg)
{
    step(s, 0, "read", done, arg);
}

void redis_mark_begin(struct store *s, int64_t generation, redis_mark_fn *done, void *arg)
{
    step(s, generation, "begin", done, arg);
}

void redis_mark_lines(struct store *s, int64_t generation, redis_mark_fn *done, void *arg)
{
    step(s, generation, "lines", done, arg);
}

void redis_mark_whole(struct store *s, int64_t generation, redis_mark_fn *done, void *arg)
{
    step(s, generation, "whole", done, arg);
}
