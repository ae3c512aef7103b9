/* Calls about the same coupon, gathered for one script: a hundred requests for a coupon that arrive together cost Redis little more
 * than one. While a script is under way the next calls gather, so the busier Redis is the more of them share one; when none is,
 * nothing waits longer than the turn. */
#include "store/line_batch.h"

#include "base/map.h"

/* A coupon with calls that gather or a script under way. */
struct line {
    struct line_batch *open; /* NULL: none */
    size_t under_way;
};

struct line_batches {
    struct store *store;
    size_t most;
    line_batch_fn *send;
    struct map *lines;                      /* coupon id -> struct line */
    TAILQ_HEAD(open_list, line_batch) open; /* in the order of their first calls */
    struct loop_task task;
};

static struct line *line_of(struct line_batches *l, int64_t coupon_id)
{
    struct line *line = map_get(l->lines, coupon_id);
    if (!line) {
        line = mem_zalloc(sizeof *line);
        map_put(l->lines, coupon_id, line);
    }
    return line;
}

static void send_open(struct line_batches *l, struct line *line)
{
    struct line_batch *b = line->open;
    TAILQ_REMOVE(&l->open, b, link);
    line->open = NULL;
    line->under_way++;
    l->send(b);
}

static void send_ready(void *arg)
{
    struct line_batches *l = arg;
    struct line_batch *b, *next;
    TAILQ_FOREACH_SAFE(b, &l->open, link, next)
    {
        struct line *line = line_of(l, b->key.coupon_id);
        if (!line->under_way)
            send_open(l, line);
    }
}

struct line_batches *line_batches_new(struct store *s, size_t most, line_batch_fn *send)
{
    struct line_batches *l = mem_zalloc(sizeof *l);
    l->store = s;
    l->most = most;
    l->send = send;
    l->lines = map_new();
    TAILQ_INIT(&l->open);
    l->task = (struct loop_task){.run = send_ready, .arg = l};
    return l;
}

static bool same(const struct line_key *a, const struct line_key *b)
{
    return a->coupon_id == b->coupon_id && a->acceptable == b->acceptable &&
           a->max_waiting == b->max_waiting && a->ttl_ms == b->ttl_ms;
}

static struct line_batch *open_batch(struct line_batches *l, const struct line_key *key)
{
    struct line *line = line_of(l, key->coupon_id);
    if (line->open && line->open->n < l->most && same(&line->open->key, key))
        return line->open;
    if (line->open)
        send_open(l, line);
    struct line_batch *b = mem_zalloc(sizeof *b);
    b->owner = l;
    b->store = l->store;
    b->key = *key;
    TAILQ_INIT(&b->calls);
    line->open = b;
    TAILQ_INSERT_TAIL(&l->open, b, link);
    return b;
}

void line_batches_add(struct line_batches *l, const struct line_key *key, struct line_call *call)
{
    struct line_batch *b = open_batch(l, key);
    TAILQ_INSERT_TAIL(&b->calls, call, link);
    b->n++;
    loop_defer(l->store->loop, &l->task);
}

void line_batch_end(struct line_batch *b)
{
    struct line_batches *l = b->owner;
    struct line *line = line_of(l, b->key.coupon_id);
    line->under_way--;
    if (line->open) {
        loop_defer(l->store->loop, &l->task);
    } else if (!line->under_way) {
        map_del(l->lines, b->key.coupon_id);
        mem_free(line);
    }
    mem_free(b);
}

void line_batches_flush(struct line_batches *l)
{
    struct line_batch *b;
    while ((b = TAILQ_FIRST(&l->open)))
        send_open(l, line_of(l, b->key.coupon_id));
}

void line_batches_free(struct line_batches *l)
{
    struct line_batch *b;
    int64_t coupon_id;
    void *line;
    loop_defer_cancel(l->store->loop, &l->task);
    while ((b = TAILQ_FIRST(&l->open))) {
        struct line_call *call, *next;
        TAILQ_REMOVE(&l->open, b, link);
        TAILQ_FOREACH_SAFE(call, &b->calls, link, next)
        mem_free(call);
        mem_free(b);
    }
    for (size_t pos = 0; map_next(l->lines, &pos, &coupon_id, &line);)
        mem_free(line);
    map_free(l->lines);
    mem_free(l);
}
