/* The mark of whole data, by the rules of src/store/lua/redis_mark.lua. Another process of Redis is one whose mark does not count. */
#include "store/redis_mark.h"

#include "fake/fake_line.h"

int64_t fake_redis_generation(const struct store *s)
{
    return s->mark.lost ? 0 : s->mark.generation ? s->mark.generation : 1;
}

const struct error *fake_redis_incomplete(struct store *s)
{
    static const struct error nodata = {
        .kind = ERROR_RETRIABLE, .code = "NODATA", .text = "Redis is not whole"};
    if (!s->mark.lost)
        return NULL;
    if (s->mark.on_incomplete)
        s->mark.on_incomplete(s->mark.on_incomplete_arg);
    return &nodata;
}

void store_on_incomplete(struct store *s, void (*fn)(void *arg), void *arg)
{
    s->mark.on_incomplete = fn;
    s->mark.on_incomplete_arg = arg;
}

enum mark_step {
    STEP_READ,
    STEP_BEGIN,
    STEP_LINES,
    STEP_WHOLE,
};

struct mark_op {
    struct fake_op op;
    enum mark_step step;
    int64_t generation;
    struct redis_mark mark;
    redis_mark_fn *done;
    void *arg;
};

/* Is it entered? With that, it no longer is. */
static bool end_rebuild(struct fake_mark *m, int64_t generation)
{
    for (size_t i = 0; i < m->rebuilding.n; i++)
        if (m->rebuilding.at[i] == generation) {
            FAKE_REMOVE(&m->rebuilding, i);
            return true;
        }
    return false;
}

static void mark_apply(struct fake_op *op)
{
    struct mark_op *o = (struct mark_op *)op;
    struct store *s = op->store;
    struct fake_mark *m = &s->mark;
    if (o->step == STEP_BEGIN && m->lost) {
        end_rebuild(m, o->generation);
        *FAKE_ADD(&m->rebuilding) = o->generation;
    } else if (o->step == STEP_LINES && end_rebuild(m, o->generation) && m->lost) {
        m->lost = m->ranked = false;
        m->generation = o->generation;
        m->rebuilding.n = 0;
    } else if (o->step == STEP_WHOLE && fake_redis_generation(s) == o->generation) {
        m->ranked = true;
    }
    o->mark = (struct redis_mark){m->lost     ? REDIS_MARK_NONE
                                  : m->ranked ? REDIS_MARK_WHOLE
                                              : REDIS_MARK_LINES,
                                  fake_redis_generation(s)};
}

static void mark_answer(struct fake_op *op, const struct error *e)
{
    struct mark_op *o = (struct mark_op *)op;
    o->done(o->arg, e ? NULL : &o->mark, e);
}

static void start(struct store *s, enum mark_step step, int64_t generation, redis_mark_fn *done, void *arg)
{
    struct mark_op *o = mem_zalloc(sizeof *o);
    *o = (struct mark_op){.op = {.apply = mark_apply, .answer = mark_answer},
                          .step = step,
                          .generation = generation,
                          .done = done,
                          .arg = arg};
    fake_start(s, FAKE_REDIS_MARK, &o->op);
}

void redis_mark_read(struct store *s, redis_mark_fn *done, void *arg)
{
    start(s, STEP_READ, 0, done, arg);
}

void redis_mark_begin(struct store *s, int64_t generation, redis_mark_fn *done, void *arg)
{
    start(s, STEP_BEGIN, generation, done, arg);
}

void redis_mark_lines(struct store *s, int64_t generation, redis_mark_fn *done, void *arg)
{
    start(s, STEP_LINES, generation, done, arg);
}

void redis_mark_whole(struct store *s, int64_t generation, redis_mark_fn *done, void *arg)
{
    start(s, STEP_WHOLE, generation, done, arg);
}

void fake_redis_marked(struct store *s)
{
    s->mark.generation = (s->mark.generation ? s->mark.generation : 1) + 1;
    s->mark.lost = false;
}
