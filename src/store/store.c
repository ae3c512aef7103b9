/* The store: what its calls have in common. One statement and its answer, array columns for unnest(), memory
 * that goes with a call. */
#include "store/line_batch.h"

#include <inttypes.h>
#include <stdio.h>

struct store *store_new(struct loop *l, struct pg_pool *pg, struct redis_client *redis)
{
    struct store *s = mem_zalloc(sizeof(*s));
    s->loop = l;
    s->pg = pg;
    s->redis = redis;
    TAILQ_INIT(&s->watchers);
    TAILQ_INIT(&s->floors);
    store_ids_init(s);
    return s;
}

void store_on_incomplete(struct store *s, void (*fn)(void *arg), void *arg)
{
    s->on_incomplete = fn;
    s->on_incomplete_arg = arg;
}

void store_incomplete(struct store *s)
{
    if (s->on_incomplete)
        s->on_incomplete(s->on_incomplete_arg);
}

void store_unwatch(struct store *s)
{
    store_watch_free(s);
    if (s->adds)
        line_batches_flush(s->adds);
    if (s->statuses)
        line_batches_flush(s->statuses);
}

void store_free(struct store *s)
{
    if (!s)
        return;
    store_watch_free(s);
    if (s->adds)
        line_batches_free(s->adds);
    if (s->statuses)
        line_batches_free(s->statuses);
    store_ids_free(s);
    store_columns_free(&s->columns);
    mem_free(s);
}

/* --- parameters --- */

void store_columns_begin(struct store_columns *c, int n)
{
    ASSERT(n <= STORE_COLUMNS_MAX);
    c->n = n;
    for (int i = 0; i < n; i++)
        pg_array_begin(&c->array[i]);
}

struct pg_params *store_columns_end(struct store_columns *c)
{
    c->params.n = 0;
    for (int i = 0; i < c->n; i++)
        pg_params_array(&c->params, &c->array[i]);
    return &c->params;
}

struct pg_params *store_columns_ids(struct store_columns *c, const int64_t *ids, size_t n)
{
    store_columns_begin(c, 1);
    for (size_t i = 0; i < n; i++)
        pg_array_i64(&c->array[0], ids[i]);
    return store_columns_end(c);
}

void store_columns_free(struct store_columns *c)
{
    for (int i = 0; i < STORE_COLUMNS_MAX; i++)
        buf_free(&c->array[i]);
}

const char *store_number(struct store_number *n, int64_t v)
{
    snprintf(n->text, sizeof(n->text), "%" PRId64, v);
    return n->text;
}

void store_array_id(struct buf *array, int64_t id)
{
    if (id)
        pg_array_i64(array, id);
    else
        pg_array_null(array);
}

int64_t store_result_id(const struct pg_result *r, int row, int col)
{
    return pg_result_null(r, row, col) ? 0 : pg_result_i64(r, row, col);
}

/* --- answers that are known at once --- */

struct later {
    struct loop_task task;
    void (*fn)(void *arg);
    void *arg;
};

static void run_later(void *arg)
{
    struct later *l = arg;
    l->fn(l->arg);
    mem_free(l);
}

void store_later(struct store *s, void (*fn)(void *arg), void *arg)
{
    struct later *l = mem_zalloc(sizeof(*l));
    l->fn = fn;
    l->arg = arg;
    l->task.run = run_later;
    l->task.arg = l;
    loop_defer(s->loop, &l->task);
}

struct done_later {
    store_done_fn *done;
    void *arg;
};

static void run_done(void *arg)
{
    struct done_later *d = arg;
    d->done(d->arg, NULL);
    mem_free(d);
}

void store_done_later(struct store *s, store_done_fn *done, void *arg)
{
    struct done_later *d = mem_alloc(sizeof(*d));
    *d = (struct done_later){.done = done, .arg = arg};
    store_later(s, run_done, d);
}

/* --- single statements --- */

const struct error *store_error_of_read(const struct error *e, struct error *out)
{
    if (e != out)
        *out = *e;
    if (out->kind == ERROR_UNKNOWN)
        out->kind = ERROR_RETRIABLE;
    return out;
}

static void on_call_result(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct store_call *c = arg;
    struct error copy;
    if (status == PG_OK)
        c->on_result(c, r, NULL);
    else
        c->on_result(c, NULL, c->read ? store_error_of_read(e, &copy) : e);
    mem_free(c);
}

static void start_call(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                       int64_t timeout_ms, const struct store_call *proto)
{
    ASSERT(s->pg);
    struct store_call *c = mem_dup(proto, sizeof(*proto));
    pg_pool_query(s->pg, st, params, timeout_ms, on_call_result, c);
}

void store_read(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                store_result_fn *on_result, store_any_fn *done, void *arg)
{
    start_call(
        s, st, params, 0,
        &(struct store_call){.store = s, .on_result = on_result, .done = done, .arg = arg, .read = true});
}

void store_change(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                  int64_t timeout_ms, store_result_fn *on_result, store_any_fn *done, void *arg)
{
    start_call(
        s, st, params, timeout_ms,
        &(struct store_call){.store = s, .on_result = on_result, .done = done, .arg = arg, .read = false});
}

static void on_exec_result(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    (void)r;
    ((store_done_fn *)c->done)(c->arg, e);
}

void store_exec(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                int64_t timeout_ms, store_done_fn *done, void *arg)
{
    store_change(s, st, params, timeout_ms, on_exec_result, (store_any_fn *)done, arg);
}

void store_on_ids(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    store_ids_fn *done = (store_ids_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    int64_t *ids = mem_array((size_t)n, sizeof(*ids));
    for (int i = 0; i < n; i++)
        ids[i] = pg_result_i64(r, i, 0);
    done(c->arg, ids, (size_t)n, NULL);
    mem_free(ids);
}

/* --- memory of one call --- */

#define CHUNK_SIZE 4000

struct store_chunk {
    struct store_chunk *next;
    size_t used, size;
    _Alignas(max_align_t) char data[];
};

void *store_arena_alloc(struct store_arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    ASSERT(size < SIZE_MAX / 2);
    size = (size + align - 1) / align * align;
    struct store_chunk *c = a->head;
    if (!c || c->size - c->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        c = mem_alloc(sizeof(*c) + room);
        c->used = 0;
        c->size = room;
        c->next = a->head;
        a->head = c;
    }
    void *p = c->data + c->used;
    c->used += size;
    memset(p, 0, size);
    return p;
}

void *store_arena_array(struct store_arena *a, size_t count, size_t size)
{
    ASSERT(size == 0 || count < SIZE_MAX / 2 / size);
    return store_arena_alloc(a, count * size);
}

const char *store_arena_text(struct store_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = store_arena_alloc(a, n);
    memcpy(p, s, n);
    return p;
}

void store_arena_free(struct store_arena *a)
{
    while (a->head) {
        struct store_chunk *c = a->head;
        a->head = c->next;
        mem_free(c);
    }
}

/* --- clock --- */

typedef void clock_fn(void *arg, int64_t now_us, const struct error *e);

static void on_clock(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    clock_fn *done = (clock_fn *)c->done;
    done(c->arg, r ? pg_result_i64(r, 0, 0) : 0, e);
}

void store_clock_read(struct store *s, clock_fn *done, void *arg)
{
    static const struct pg_statement st = {"store_clock", "SELECT " SQL_US("clock_timestamp()")};
    store_read(s, &st, PG_NO_PARAMS, on_clock, (store_any_fn *)done, arg);
}
