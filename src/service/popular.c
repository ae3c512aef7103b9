/* The popular products of the last days: order from the ranking in Redis, names, stock and amounts from PostgreSQL.
 *
 *   ranking   the best sellers (store/ranking), if the mark beside it says that it is whole; else by the sales in PostgreSQL, which are
 *             exact but cost it a sum over all products: Redis is away, or is being rebuilt
 *   products  and their sales, two statements side by side
 *   answer    everybody who asked meanwhile; the list is kept for a second */
#include "base/clock.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "msg/msg_date.h"
#include "service/sales.h"
#include "store/redis_mark.h"

#define FRESH_US 1000000

struct asker {
    TAILQ_ENTRY(asker) link;
    void (*done)(void *arg, const struct popular_product *list, size_t n, const struct error *e);
    void *arg;
};

TAILQ_HEAD(askers, asker);

struct popular {
    struct loop *loop;
    struct store *store;
    int days, size;
    struct popular_product *list; /* names are ours */
    size_t n;
    int64_t read_us;              /* 0: never */
    struct popular_product *next; /* being read, ranked; holes where a product is gone */
    size_t nnext;
    int missing; /* statements without an answer */
    struct error error;
    bool reading;
    struct askers hits, waiting;
    struct loop_task hit_task;
};

static void free_list(struct popular_product *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free((char *)list[i].name);
    mem_free(list);
}

/* Who asks again from its callback waits for the next reading. */
static void answer_waiting(struct popular *p, const struct error *e)
{
    struct askers mine = TAILQ_HEAD_INITIALIZER(mine);
    struct asker *a;
    p->reading = false;
    if (e->kind != ERROR_NONE)
        p->read_us = 0;
    TAILQ_CONCAT(&mine, &p->waiting, link);
    while ((a = TAILQ_FIRST(&mine))) {
        TAILQ_REMOVE(&mine, a, link);
        a->done(a->arg, p->list, p->n, e);
        mem_free(a);
    }
}

static void answer_hits(void *arg)
{
    struct popular *p = arg;
    struct asker *a;
    while ((a = TAILQ_FIRST(&p->hits))) {
        TAILQ_REMOVE(&p->hits, a, link);
        a->done(a->arg, p->list, p->n, &ERROR_INIT);
        mem_free(a);
    }
}

/* Products that are gone leave the list; ranks close up. */
static void finish(struct popular *p)
{
    if (--p->missing > 0)
        return;
    if (p->error.kind != ERROR_NONE) {
        free_list(p->next, p->nnext);
        p->next = NULL;
        answer_waiting(p, &p->error);
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->nnext; i++) {
        struct popular_product *x = &p->next[i];
        if (!x->name)
            continue;
        int64_t offered = x->recent_count + x->stock;
        x->conversion_rate_bp = offered > 0 ? (int64_t)((__int128)x->recent_count * 10000 / offered) : 0;
        x->rank = (int)kept + 1;
        p->next[kept++] = *x;
    }
    free_list(p->list, p->n);
    p->list = p->next;
    p->n = kept;
    p->next = NULL;
    answer_waiting(p, &ERROR_INIT);
}

static struct popular_product *find(struct popular *p, int64_t product_id)
{
    for (size_t i = 0; i < p->nnext; i++)
        if (p->next[i].product_id == product_id)
            return &p->next[i];
    return NULL;
}

static void on_products(void *arg, const struct product_row *rows, size_t n, const struct error *e)
{
    struct popular *p = arg;
    if (e && e->kind != ERROR_NONE)
        p->error = *e;
    for (size_t i = 0; i < n; i++) {
        struct popular_product *x = find(p, rows[i].id);
        if (!x || x->name)
            continue;
        x->name = mem_strdup(rows[i].name);
        x->price = rows[i].price;
        x->stock = rows[i].stock;
    }
    finish(p);
}

static void on_sales(void *arg, const struct product_sales_row *rows, size_t n, const struct error *e)
{
    struct popular *p = arg;
    if (e && e->kind != ERROR_NONE)
        p->error = *e;
    for (size_t i = 0; i < n; i++) {
        struct popular_product *x = find(p, rows[i].product_id);
        if (!x)
            continue;
        x->total_count = rows[i].total_quantity;
        x->total_amount = rows[i].total_amount;
        x->recent_amount = rows[i].recent_amount;
        x->last_order_at_us = rows[i].last_order_at_us;
    }
    finish(p);
}

static void first_day(const struct popular *p, struct buf *out)
{
    msg_date_day(out, msg_date_day_of(clock_shop_us()) - (p->days - 1));
}

/* Room for so many best sellers. */
static void keep_best(struct popular *p, size_t n)
{
    free_list(p->next, p->next ? p->nnext : 0);
    p->next = mem_array(n, sizeof *p->next);
    p->nnext = n;
}

static void read_details(struct popular *p)
{
    p->error = ERROR_INIT;
    if (!p->nnext) {
        p->missing = 1;
        finish(p);
        return;
    }
    int64_t *ids = mem_array(p->nnext, sizeof *ids);
    for (size_t i = 0; i < p->nnext; i++)
        ids[i] = p->next[i].product_id;
    struct buf first = BUF_INIT;
    first_day(p, &first);
    p->missing = 2;
    product_read(p->store, ids, p->nnext, on_products, p);
    product_sales(p->store, ids, p->nnext, buf_str(&first), on_sales, p);
    buf_free(&first);
    mem_free(ids);
}

static void on_best(void *arg, const struct product_sales_row *rows, size_t n, const struct error *e)
{
    struct popular *p = arg;
    if (e && e->kind != ERROR_NONE) {
        answer_waiting(p, e);
        return;
    }
    keep_best(p, n);
    for (size_t i = 0; i < n; i++) {
        p->next[i].product_id = rows[i].product_id;
        p->next[i].recent_count = rows[i].recent_quantity;
    }
    read_details(p);
}

static void ask_database(struct popular *p)
{
    struct buf first = BUF_INIT;
    first_day(p, &first);
    product_top(p->store, buf_str(&first), (size_t)p->size, on_best, p);
    buf_free(&first);
}

static void on_mark(void *arg, const struct redis_mark *m, const struct error *e)
{
    struct popular *p = arg;
    if ((e && e->kind != ERROR_NONE) || m->state != REDIS_MARK_WHOLE)
        ask_database(p);
    else
        read_details(p);
}

/* Asked behind the list: what was emptied before is not whole then. */
static void on_top(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e)
{
    struct popular *p = arg;
    if (e && e->kind != ERROR_NONE) {
        ask_database(p);
        return;
    }
    keep_best(p, n);
    for (size_t i = 0; i < n; i++) {
        p->next[i].product_id = entries[i].product_id;
        p->next[i].recent_count = entries[i].quantity;
    }
    redis_mark_read(p->store, on_mark, p);
}

void popular_get(struct popular *p,
                 void (*done)(void *arg, const struct popular_product *list, size_t n, const struct error *e),
                 void *arg)
{
    struct asker *a = mem_alloc(sizeof *a);
    *a = (struct asker){.done = done, .arg = arg};
    int64_t now = clock_mono_us();
    if (!p->reading && p->read_us && now - p->read_us < FRESH_US) {
        TAILQ_INSERT_TAIL(&p->hits, a, link);
        loop_defer(p->loop, &p->hit_task);
        return;
    }
    TAILQ_INSERT_TAIL(&p->waiting, a, link);
    if (!p->reading) {
        p->reading = true;
        p->read_us = now;
        ranking_top(p->store, clock_shop_us(), p->days, (size_t)p->size, on_top, p);
    }
}

struct popular *popular_new(struct loop *l, struct store *s, int days, int size)
{
    struct popular *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->store = s;
    p->days = days;
    p->size = size;
    TAILQ_INIT(&p->hits);
    TAILQ_INIT(&p->waiting);
    p->hit_task = (struct loop_task){.run = answer_hits, .arg = p};
    return p;
}

void popular_free(struct popular *p)
{
    if (!p)
        return;
    loop_defer_cancel(p->loop, &p->hit_task);
    struct asker *a;
    while ((a = TAILQ_FIRST(&p->hits))) {
        TAILQ_REMOVE(&p->hits, a, link);
        mem_free(a);
    }
    while ((a = TAILQ_FIRST(&p->waiting))) {
        TAILQ_REMOVE(&p->waiting, a, link);
        mem_free(a);
    }
    free_list(p->list, p->n);
    free_list(p->next, p->next ? p->nnext : 0);
    mem_free(p);
}
