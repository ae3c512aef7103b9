/* The mark of whole data: reading it, and the steps of a rebuild in lua/redis_mark.lua. The run id is that of the connection that the
 * command goes out on. */
#include "store/redis_mark.h"

#include "store/store_script.h"

#define RANKED_KEY "rushd:ranked"

struct asking {
    redis_mark_fn *done;
    void *arg;
    char run_id[64]; /* when the mark is read */
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
    *asking = (struct asking){.done = done, .arg = arg};
    script_key(&a, MARK_KEY);
    script_key(&a, "rushd:rebuilding");
    script_key(&a, RANKED_KEY);
    script_run_id(s, &a);
    script_i64(&a, generation);
    script_text(&a, name);
    store_script(s, SCRIPT_REDIS_MARK, &a, 2, on_mark, asking);
}

/* Of the process with this run id; 0: it is another's. */
static int64_t generation_of(struct slice mark, const char *run_id)
{
    size_t n = strlen(run_id);
    int64_t generation;
    if (mark.n <= n || memcmp(mark.p, run_id, n) != 0 || mark.p[n] != ' ' ||
        !str_to_i64(mark.p + n + 1, mark.n - n - 1, &generation))
        return 0;
    return generation;
}

static void on_read(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct asking *a = arg;
    struct slice mark = redis_reply_text(redis_reply_at(r, 0)),
                 ranked = redis_reply_text(redis_reply_at(r, 1));
    struct redis_mark m = {.generation = generation_of(mark, a->run_id)};
    bool same = ranked.n == mark.n && memcmp(ranked.p, mark.p, mark.n) == 0;
    if (m.generation)
        m.state = same ? REDIS_MARK_WHOLE : REDIS_MARK_LINES;
    if (status == REDIS_OK)
        a->done(a->arg, &m, NULL);
    else
        a->done(a->arg, NULL, e);
    mem_free(a);
}

void redis_mark_read(struct store *s, redis_mark_fn *done, void *arg)
{
    static const struct redis_arg args[] = {
        {"MGET", 4}, {MARK_KEY, sizeof MARK_KEY - 1}, {RANKED_KEY, sizeof RANKED_KEY - 1}};
    struct asking *a = mem_alloc(sizeof *a);
    *a = (struct asking){.done = done, .arg = arg};
    str_copy(a->run_id, sizeof a->run_id, redis_client_run_id(s->redis));
    redis_client_command(s->redis, args, ARRAY_LEN(args), 0, on_read, a);
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
