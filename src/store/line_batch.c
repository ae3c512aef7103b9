/* Calls of one turn about the same coupon, gathered for one script: a hundred requests for a coupon that arrive together cost
 * Redis little more than one. Nothing waits longer than the turn. */
#include "store/line_batch.h"

#include "base/map.h"

struct line_batches {
    struct store *store;
    size_t most;
    line_batch_fn *send;
    struct map *by_coupon;                  /* coupon id -> its open batch */
    TAILQ_HEAD(open_list, line_batch) open; /* in the order of their first calls */
    struct loop_task task;
};

static void send_all(void *arg)
{
    line_batches_flush(arg);
}

struct line_batches *line_batches_new(struct store *s, size_t most, line_batch_fn *send)
{
    struct line_batches *l = mem_zalloc(sizeof *l);
    l->store = s;
    l->most = most;
    l->send = send;
    l->by_coupon = map_new();
    TAILQ_INIT(&l->open);
    l->task = (struct loop_task){.run = send_all, .arg = l};
    return l;
}

static void detach(struct line_batches *l, struct line_batch *b)
{
    TAILQ_REMOVE(&l->open, b, link);
    map_del(l->by_coupon, b->key.coupon_id);
}

static bool same(const struct line_key *a, const struct line_key *b)
{
    return a->coupon_id == b->coupon_id && a->acceptable == b->acceptable &&
           a->max_waiting == b->max_waiting && a->ttl_ms == b->ttl_ms;
}

static struct line_batch *open_batch(struct line_batches *l, const struct line_key *key)
{
    struct line_batch *b = map_get(l->by_coupon, key->coupon_id);
    if (b && b->n < l->most && same(&b->key, key))
        return b;
    if (b) {
        detach(l, b);
        l->send(b);
    }
    b = mem_zalloc(sizeof *b);
    b->store = l->store;
    b->key = *key;
    TAILQ_INIT(&b->calls);
    map_put(l->by_coupon, key->coupon_id, b);
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

void line_batches_flush(struct line_batches *l)
{
    struct line_batch *b;
    while ((b = TAILQ_FIRST(&l->open))) {
        detach(l, b);
        l->send(b);
    }
}

void line_batches_free(struct line_batches *l)
{
    struct line_batch *b;
    loop_defer_cancel(l->store->loop, &l->task);
    while ((b = TAILQ_FIRST(&l->open))) {
        struct line_call *call, *next;
        detach(l, b);
        TAILQ_FOREACH_SAFE(call, &b->calls, link, next)
        mem_free(call);
        line_batch_free(b);
    }
    map_free(l->by_coupon);
    mem_free(l);
}

void line_batch_free(struct line_batch *b)
{
    mem_free(b);
}
