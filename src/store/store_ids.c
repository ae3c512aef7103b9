/* Ids out of PostgreSQL's sequences, reserved in blocks by a statement of their own.
 *
 * A transaction needs its ids before it writes, and values that a crashed transaction took may come back
 * (library facts section 8); so they are reserved by a committed statement. A number of a sequence stands for as many ids as the
 * sequence's increment. Another node that reserves at the same time interleaves, so a block comes as one or more runs. The next block
 * is fetched while half of one is left: nobody waits at a steady rate. */
#include "store/store_internal.h"

#define IDS_BLOCK 4096

#define RESERVE(sequence)                                                                                    \
    "SELECT nextval('" sequence "'), s.seqincrement FROM pg_sequence AS s, LATERAL"                          \
    " generate_series(1, ($1::bigint + s.seqincrement - 1) / s.seqincrement)"                                \
    " WHERE s.seqrelid = '" sequence "'::regclass"

static const struct pg_statement statements[STORE_ID_COUNT] = {
    [STORE_ID_ORDER] = {"ids_order", RESERVE("orders_id_seq")},
    [STORE_ID_ORDER_ITEM] = {"ids_order_item", RESERVE("order_items_id_seq")},
    [STORE_ID_USER_COUPON] = {"ids_user_coupon", RESERVE("user_coupons_id_seq")},
};

struct store_ids_waiter {
    struct store_ids *ids;
    size_t n;
    store_done_fn *done;
    void *arg;
    struct loop_timer *deadline;
    TAILQ_ENTRY(store_ids_waiter) link;
};

void store_ids_init(struct store *s)
{
    for (int k = 0; k < STORE_ID_COUNT; k++) {
        s->ids[k].store = s;
        s->ids[k].kind = (enum store_id)k;
        TAILQ_INIT(&s->ids[k].waiters);
    }
}

static void finish_waiter(struct store_ids_waiter *w, const struct error *e)
{
    TAILQ_REMOVE(&w->ids->waiters, w, link);
    loop_timer_free(w->deadline);
    w->done(w->arg, e);
    mem_free(w);
}

static void fail_waiters(struct store_ids *ids, const struct error *e)
{
    /* Those that wait again from their callback are not failed by this failure. */
    struct store_ids_waiter *last = TAILQ_LAST(&ids->waiters, store_ids_waiters), *w;
    bool more = last != NULL;
    while (more) {
        w = TAILQ_FIRST(&ids->waiters);
        more = w != last;
        finish_waiter(w, e);
    }
}

void store_ids_free(struct store *s)
{
    struct error e;
    error_set(&e, ERROR_RETRIABLE, "CLOSED", "the store is closed");
    for (int k = 0; k < STORE_ID_COUNT; k++) {
        fail_waiters(&s->ids[k], &e);
        mem_free(s->ids[k].runs);
    }
}

static void start_fill(struct store_ids *ids, size_t n, int64_t timeout_ms);

/* Answer who can be answered, in order; reserve more for the rest. */
static void serve_waiters(struct store_ids *ids)
{
    struct store_ids_waiter *w;
    while ((w = TAILQ_FIRST(&ids->waiters)) && w->n <= ids->left)
        finish_waiter(w, NULL);
    if (w && !ids->filling)
        start_fill(ids, w->n - ids->left, 0);
}

/* A run that begins where the last one ends is part of it. */
static void add_run(struct store_ids *ids, int64_t first, int64_t count)
{
    struct store_id_run *last = ids->nruns ? &ids->runs[ids->nruns - 1] : NULL;
    if (last && last->end == first)
        last->end += count;
    else
        ids->runs[ids->nruns++] = (struct store_id_run){.next = first, .end = first + count};
    ids->left += (size_t)count;
}

static void on_filled(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct store_ids *ids = arg;
    ids->filling = false;
    if (status != PG_OK) {
        struct error copy;
        fail_waiters(ids, store_error_of_read(e, &copy));
        return;
    }
    int rows = pg_result_rows(r);
    ids->runs = mem_grow(ids->runs, ids->nruns + (size_t)rows, sizeof(*ids->runs));
    for (int i = 0; i < rows; i++)
        add_run(ids, pg_result_i64(r, i, 0), pg_result_i64(r, i, 1));
    serve_waiters(ids);
}

static void start_fill(struct store_ids *ids, size_t n, int64_t timeout_ms)
{
    struct store_number count;
    ids->filling = true;
    pg_pool_query(ids->store->pg, &statements[ids->kind],
                  PG_PARAMS(store_number(&count, n > IDS_BLOCK ? (int64_t)n : IDS_BLOCK)), timeout_ms,
                  on_filled, ids);
}

static void on_waiter_deadline(void *arg)
{
    struct store_ids_waiter *w = arg;
    struct error e;
    error_set(&e, ERROR_RETRIABLE, "TIMEOUT", "no ids from the database before the deadline");
    finish_waiter(w, &e);
}

void store_ids_ensure(struct store *s, enum store_id kind, size_t n, int64_t deadline_ms, store_done_fn *done,
                      void *arg)
{
    ASSERT(s->pg);
    struct store_ids *ids = &s->ids[kind];
    if (n <= ids->left && TAILQ_EMPTY(&ids->waiters)) {
        store_done_later(s, done, arg);
        return;
    }
    struct store_ids_waiter *w = mem_zalloc(sizeof(*w));
    *w = (struct store_ids_waiter){.ids = ids, .n = n, .done = done, .arg = arg};
    w->deadline = loop_timer_new(s->loop, on_waiter_deadline, w);
    loop_timer_start(w->deadline, deadline_ms);
    TAILQ_INSERT_TAIL(&ids->waiters, w, link);
    if (!ids->filling)
        start_fill(ids, n > ids->left ? n - ids->left : 1, deadline_ms);
}

int64_t store_ids_take(struct store *s, enum store_id kind)
{
    struct store_ids *ids = &s->ids[kind];
    ASSERT(ids->left > 0);
    struct store_id_run *run = &ids->runs[0];
    int64_t id = run->next++;
    ids->left--;
    if (run->next == run->end) {
        ids->nruns--;
        memmove(ids->runs, ids->runs + 1, ids->nruns * sizeof(*ids->runs));
    }
    if (ids->left < IDS_BLOCK / 2 && !ids->filling)
        start_fill(ids, IDS_BLOCK, 0);
    return id;
}

size_t store_ids_left(const struct store *s, enum store_id kind)
{
    return s->ids[kind].left;
}
