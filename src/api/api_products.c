/* Products. A sale looks at one product thousands of times a second: what is asked for in one turn of the loop is
 * read by one statement, one statement at a time, and kept for a second. A second's old stock is harmless here:
 * orders decide on the locked row. */
#include "api/api_internal.h"
#include "api/api_tables.h"
#include "base/clock.h"
#include "base/map.h"

#define FRESH_US  1000000
#define KEPT_MAX  10000 /* products, those that do not exist among them */
#define BATCH_MAX 500   /* products of one statement */

struct kept_product {
    int64_t read_us; /* when it was asked for */
    bool exists;
    struct body_product body; /* texts are ours */
};

struct asker {
    TAILQ_ENTRY(asker) link;
    struct api_call *call;
};
TAILQ_HEAD(askers, asker);

struct product_cache {
    struct loop *loop;
    struct store *store;
    struct map *kept;      /* id -> struct kept_product */
    struct askers waiting; /* for the next statement */
    struct askers asked;   /* for the running one; empty: none runs */
    int64_t asked_us;
    struct loop_task task;
};

static const char *status_of(const struct product_row *row)
{
    return row->stock <= 0 && strcmp(row->status, "ACTIVE") == 0 ? "SOLD_OUT" : row->status;
}

static struct body_product body_of(const struct product_row *row)
{
    return (struct body_product){
        .id = row->id,
        .name = (char *)row->name,
        .price = row->price,
        .stock = row->stock,
        .status = (char *)status_of(row),
        .created_at_us = row->created_at_us,
        .updated_at_us = row->updated_at_us,
    };
}

/* --- the short memory --- */

static void kept_free(struct kept_product *k)
{
    if (!k)
        return;
    mem_free(k->body.name);
    mem_free(k->body.status);
    mem_free(k);
}

/* Drop what is too old, or everything when nothing is. */
static void make_room(struct product_cache *p, int64_t now_us)
{
    for (int64_t age = FRESH_US; map_len(p->kept) >= KEPT_MAX; age = -1) {
        size_t pos = 0;
        int64_t id;
        void *value;
        while (map_next(p->kept, &pos, &id, &value))
            if (now_us - ((struct kept_product *)value)->read_us > age)
                kept_free(map_del(p->kept, id));
    }
}

/* Keep a product, or, with row NULL, that there is none. */
static void keep(struct product_cache *p, int64_t id, const struct product_row *row)
{
    struct kept_product *k = mem_zalloc(sizeof *k);
    k->read_us = p->asked_us;
    k->exists = row != NULL;
    if (row) {
        k->body = body_of(row);
        k->body.name = mem_strdup(k->body.name);
        k->body.status = mem_strdup(k->body.status);
    }
    if (map_len(p->kept) >= KEPT_MAX)
        make_room(p, clock_mono_us());
    kept_free(map_put(p->kept, id, k));
}

static void answer(struct api_call *c, const struct body_product *body)
{
    if (body)
        api_send_table(c, 200, &body_product_table, body);
    else
        api_refuse_id(c, REFUSAL_PRODUCT_UNKNOWN, c->id);
}

/* --- the merged statement --- */

static const struct product_row *find(const struct product_row *rows, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++) /* few, and in no order that is promised */
        if (rows[i].id == id)
            return &rows[i];
    return NULL;
}

static void on_products(void *arg, const struct product_row *rows, size_t n, const struct error *e)
{
    struct product_cache *p = arg;
    struct asker *a;
    while ((a = TAILQ_FIRST(&p->asked))) {
        TAILQ_REMOVE(&p->asked, a, link);
        struct api_call *c = a->call;
        mem_free(a);
        if (api_failed(c, e))
            continue;
        const struct kept_product *k = map_get(p->kept, c->id);
        if (!k || k->read_us != p->asked_us)
            keep(p, c->id, find(rows, n, c->id));
        k = map_get(p->kept, c->id);
        answer(c, k->exists ? &k->body : NULL);
    }
    if (!TAILQ_EMPTY(&p->waiting))
        loop_defer(p->loop, &p->task);
}

static bool contains(const int64_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void read_products(void *arg)
{
    struct product_cache *p = arg;
    int64_t ids[BATCH_MAX];
    size_t n = 0;
    struct asker *a, *next;
    if (!TAILQ_EMPTY(&p->asked))
        return;
    TAILQ_FOREACH_SAFE(a, &p->waiting, link, next)
    {
        if (!contains(ids, n, a->call->id)) {
            if (n == BATCH_MAX)
                break;
            ids[n++] = a->call->id;
        }
        TAILQ_REMOVE(&p->waiting, a, link);
        TAILQ_INSERT_TAIL(&p->asked, a, link);
    }
    p->asked_us = clock_mono_us();
    if (n)
        product_read(p->store, ids, n, on_products, p);
}

struct product_cache *product_cache_new(struct loop *l, struct store *s)
{
    struct product_cache *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->store = s;
    p->kept = map_new();
    TAILQ_INIT(&p->waiting);
    TAILQ_INIT(&p->asked);
    p->task = (struct loop_task){.run = read_products, .arg = p};
    return p;
}

static void askers_free(struct askers *list)
{
    struct asker *a;
    while ((a = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, a, link);
        mem_free(a);
    }
}

void product_cache_free(struct product_cache *p)
{
    if (!p)
        return;
    loop_defer_cancel(p->loop, &p->task);
    askers_free(&p->waiting);
    askers_free(&p->asked);
    size_t pos = 0;
    void *value;
    while (map_next(p->kept, &pos, NULL, &value))
        kept_free(value);
    map_free(p->kept);
    mem_free(p);
}

/* --- handlers --- */

void api_product_get(struct api_call *c, const struct http_request *req)
{
    struct product_cache *p = c->api->products;
    if (!api_path_i64(c, req, 0, "productId", &c->id))
        return;
    if (c->id <= 0) {
        answer(c, NULL);
        return;
    }
    const struct kept_product *k = map_get(p->kept, c->id);
    if (k && clock_mono_us() - k->read_us < FRESH_US) {
        answer(c, k->exists ? &k->body : NULL);
        return;
    }
    struct asker *a = mem_zalloc(sizeof *a);
    a->call = api_keep(c);
    TAILQ_INSERT_TAIL(&p->waiting, a, link);
    loop_defer(p->loop, &p->task);
}

static void on_page(void *arg, const struct product_row *rows, size_t n, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    size_t shown = n > c->limit ? c->limit : n;
    struct body_product *bodies = mem_array(shown, sizeof *bodies);
    for (size_t i = 0; i < shown; i++)
        bodies[i] = body_of(&rows[i]);
    api_send_page(c, &body_product_table, bodies, shown, n > shown ? rows[shown - 1].id : 0);
    mem_free(bodies);
}

void api_product_list(struct api_call *c, const struct http_request *req)
{
    if (api_query_page(c, req))
        product_page(c->api->services.store, c->cursor, c->limit + 1, on_page, api_keep(c));
}

static void on_popular(void *arg, const struct popular_product *list, size_t n, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    struct body_popular *bodies = mem_array(n, sizeof *bodies);
    for (size_t i = 0; i < n; i++)
        bodies[i] = (struct body_popular){
            .product_id = list[i].product_id,
            .name = (char *)list[i].name,
            .price = list[i].price,
            .stock = list[i].stock,
            .total_count = list[i].total_count,
            .recent_count = list[i].recent_count,
            .total_amount = list[i].total_amount,
            .recent_amount = list[i].recent_amount,
            .conversion_rate = list[i].conversion_rate_bp,
            .last_order_at_us = list[i].last_order_at_us,
            .rank = list[i].rank,
        };
    api_send_array(c, &body_popular_table, bodies, n);
    mem_free(bodies);
}

void api_product_popular(struct api_call *c, const struct http_request *req)
{
    popular_get(c->api->services.popular, on_popular, api_keep(c));
}
