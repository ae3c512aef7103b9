/* Coupons as PostgreSQL has them, read for many requests at once. See coupon_cache.h.
 *
 * Of coupons one statement runs at a time: those that are asked for or have changed, else the next page of a reading of all. Who
 * asks meanwhile shares the next one. */
#include "service/coupon_cache.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/queue.h"
#include "loop/loop.h"

#define FRESH_US        1000000
#define ALL_FRESH_US    60000000 /* changes come by NOTIFY; this finds what it could not tell */
#define PAGE            500      /* coupons of one statement */
#define NOTIFY_DELAY_MS 20       /* changes within it share one reading */
#define RETRY_MS        1000
#define LOOK_MS         500 /* so often it is seen whether all are to be read */

/* --- waiting callers --- */

struct coupon_waiter {
    TAILQ_ENTRY(coupon_waiter) link;
    int64_t coupon_id;
    void (*done)(void *arg, const struct coupon_row *row, const struct error *e);
    void *arg;
};
TAILQ_HEAD(coupon_waiters, coupon_waiter);

struct all_waiter {
    TAILQ_ENTRY(all_waiter) link;
    void (*done)(void *arg, const struct error *e);
    void *arg;
};
TAILQ_HEAD(all_waiters, all_waiter);

enum reading {
    READING_NONE,
    READING_SOME, /* the coupons of `batch` */
    READING_PAGE, /* the next page of all */
};

struct coupon_cache {
    struct loop *loop;
    struct store *store;
    struct coupon_row *rows; /* ascending; names and statuses are ours */
    int64_t *asked_us;       /* of each row: when it was asked for */
    size_t nrows, room;
    enum reading reading;
    int64_t reading_us; /* when it was asked for */
    struct map *wanted; /* ids to read next */
    int64_t batch[PAGE];
    size_t nbatch;
    bool all_due; /* a reading of all is wanted */
    bool paging;  /* one is under way, behind page_after */
    int64_t page_after;
    int64_t page_us, all_us; /* when the one under way, the last finished one began; 0: never */
    struct coupon_waiters hits, waiting;
    struct all_waiters all_waiting;
    struct loop_task answer_task, all_task;
    struct loop_timer *notify_timer;
    const struct coupon_cache_ops *listener;
    void *listener_arg;
    struct loop_timer *timer;
};

/* --- coupons: the rows --- */

static void free_rows(struct coupon_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free((char *)rows[i].name);
        mem_free((char *)rows[i].status);
    }
}

/* The first row whose id is at least this one. */
static size_t place_of(const struct coupon_cache *c, int64_t id)
{
    size_t lo = 0, hi = c->nrows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->rows[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const struct coupon_row *find(const struct coupon_cache *c, int64_t id)
{
    size_t at = place_of(c, id);
    return at < c->nrows && c->rows[at].id == id ? &c->rows[at] : NULL;
}

static bool fresh(const struct coupon_cache *c, int64_t id)
{
    const struct coupon_row *row = find(c, id);
    return row && clock_mono_us() - c->asked_us[row - c->rows] < FRESH_US;
}

/* Let the rows be all that there is from first to last. The tail moves only when coupons came or went. */
static void replace_range(struct coupon_cache *c, int64_t first, int64_t last, const struct coupon_row *rows,
                          size_t n)
{
    size_t from = place_of(c, first), to = last == INT64_MAX ? c->nrows : place_of(c, last + 1);
    free_rows(c->rows + from, to - from);
    size_t tail = c->nrows - to, len = from + n + tail;
    if (len > c->room) {
        c->room = len * 2;
        c->rows = mem_grow(c->rows, c->room, sizeof *c->rows);
        c->asked_us = mem_grow(c->asked_us, c->room, sizeof *c->asked_us);
    }
    if (tail && from + n != to) {
        memmove(c->rows + from + n, c->rows + to, tail * sizeof *c->rows);
        memmove(c->asked_us + from + n, c->asked_us + to, tail * sizeof *c->asked_us);
    }
    c->nrows = len;
    for (size_t i = 0; i < n; i++) {
        struct coupon_row *row = &c->rows[from + i];
        *row = rows[i];
        row->name = mem_strdup(rows[i].name);
        row->status = mem_strdup(rows[i].status);
        c->asked_us[from + i] = c->reading_us;
    }
    if (c->listener && n)
        c->listener->rows(c->listener_arg, c->rows + from, n);
}

/* --- coupons: who waits --- */

static void answer(struct coupon_cache *c, struct coupon_waiter *w, const struct error *e)
{
    w->done(w->arg, e ? NULL : find(c, w->coupon_id), e ? e : &ERROR_INIT);
    mem_free(w);
}

static void answer_hits(void *arg)
{
    struct coupon_cache *c = arg;
    struct coupon_waiters mine;
    TAILQ_INIT(&mine);
    TAILQ_CONCAT(&mine, &c->hits, link);
    struct coupon_waiter *w;
    while ((w = TAILQ_FIRST(&mine))) {
        TAILQ_REMOVE(&mine, w, link);
        answer(c, w, NULL);
    }
}

static int compare_ids(const void *x, const void *y)
{
    const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return a < b ? -1 : a > b;
}

static bool in_batch(const struct coupon_cache *c, int64_t id)
{
    return bsearch(&id, c->batch, c->nbatch, sizeof id, compare_ids) != NULL;
}

/* Who waits for a coupon of the batch is answered; who came for another one waits for the next statement. */
static void answer_batch(struct coupon_cache *c, const struct error *e)
{
    struct coupon_waiters mine, later;
    TAILQ_INIT(&mine);
    TAILQ_INIT(&later);
    TAILQ_CONCAT(&mine, &c->waiting, link);
    struct coupon_waiter *w;
    while ((w = TAILQ_FIRST(&mine))) {
        TAILQ_REMOVE(&mine, w, link);
        if (in_batch(c, w->coupon_id))
            answer(c, w, e);
        else
            TAILQ_INSERT_TAIL(&later, w, link);
    }
    TAILQ_CONCAT(&later, &c->waiting, link); /* those who ask again from their callback */
    TAILQ_CONCAT(&c->waiting, &later, link);
}

static void answer_all(struct coupon_cache *c, const struct error *e)
{
    struct all_waiters mine;
    TAILQ_INIT(&mine);
    TAILQ_CONCAT(&mine, &c->all_waiting, link);
    struct all_waiter *w;
    while ((w = TAILQ_FIRST(&mine))) {
        TAILQ_REMOVE(&mine, w, link);
        w->done(w->arg, e ? e : &ERROR_INIT);
        mem_free(w);
    }
}

/* --- coupons: reading --- */

static void read_coupons(struct coupon_cache *c);

static void want(struct coupon_cache *c, int64_t id)
{
    if (!map_get(c->wanted, id))
        map_put(c->wanted, id, c);
}

/* What changed is read again when the database is back; those who wait are told now. */
static void on_read_failed(struct coupon_cache *c)
{
    if (!loop_timer_running(c->notify_timer))
        loop_timer_start(c->notify_timer, RETRY_MS);
}

static void on_some(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct coupon_cache *c = arg;
    bool failed = e && e->kind != ERROR_NONE;
    c->reading = READING_NONE;
    for (size_t i = 0, k = 0; !failed && i < c->nbatch; i++) {
        bool there = k < n && rows[k].id == c->batch[i];
        if (there || find(c, c->batch[i]))
            replace_range(c, c->batch[i], c->batch[i], rows + k, there);
        c->all_due = c->all_due ||
                     (!there && c->listener); /* it may be gone: the listener hears by a reading of all */
        k += there;
    }
    answer_batch(c, failed ? e : NULL);
    if (failed) {
        for (size_t i = 0; i < c->nbatch; i++)
            want(c, c->batch[i]);
        on_read_failed(c);
        return;
    }
    read_coupons(c);
}

static void on_page(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct coupon_cache *c = arg;
    c->reading = READING_NONE;
    if (e && e->kind != ERROR_NONE) {
        c->paging = false;
        c->all_due = true;
        answer_all(c, e);
        on_read_failed(c);
        return;
    }
    int64_t last = n < PAGE ? INT64_MAX : rows[n - 1].id;
    replace_range(c, c->page_after + 1, last, rows, n);
    c->page_after = last;
    if (n < PAGE) {
        c->paging = false;
        c->all_us = c->page_us;
        if (c->listener)
            c->listener->all(c->listener_arg);
        answer_all(c, NULL);
    }
    read_coupons(c);
}

static void read_some(struct coupon_cache *c)
{
    size_t pos = 0;
    int64_t id;
    c->nbatch = 0;
    while (c->nbatch < PAGE && map_next(c->wanted, &pos, &id, NULL)) {
        map_del(c->wanted, id);
        c->batch[c->nbatch++] = id;
    }
    qsort(c->batch, c->nbatch, sizeof *c->batch, compare_ids);
    c->reading = READING_SOME;
    coupon_read(c->store, c->batch, c->nbatch, on_some, c);
}

static void read_page(struct coupon_cache *c)
{
    if (!c->paging) {
        c->paging = true;
        c->all_due = false;
        c->page_after = INT64_MIN;
        c->page_us = c->reading_us;
    }
    c->reading = READING_PAGE;
    coupon_read_page(c->store, c->page_after, PAGE, on_page, c);
}

static void read_coupons(struct coupon_cache *c)
{
    if (c->reading != READING_NONE)
        return;
    c->reading_us = clock_mono_us();
    if (map_len(c->wanted))
        read_some(c);
    else if (c->paging || c->all_due)
        read_page(c);
}

static void on_notify_timer(void *arg)
{
    read_coupons(arg);
}

static void on_change(void *arg, int64_t coupon_id)
{
    struct coupon_cache *c = arg;
    if (coupon_id)
        want(c, coupon_id);
    else
        c->all_due = true;
    if (!loop_timer_running(c->notify_timer))
        loop_timer_start(c->notify_timer, NOTIFY_DELAY_MS);
}

const struct coupon_row *coupon_cache_fresh(struct coupon_cache *c, int64_t coupon_id)
{
    return fresh(c, coupon_id) ? find(c, coupon_id) : NULL;
}

void coupon_cache_get(struct coupon_cache *c, int64_t coupon_id,
                      void (*done)(void *arg, const struct coupon_row *row, const struct error *e), void *arg)
{
    struct coupon_waiter *w = mem_alloc(sizeof *w);
    *w = (struct coupon_waiter){.coupon_id = coupon_id, .done = done, .arg = arg};
    if (fresh(c, coupon_id)) {
        TAILQ_INSERT_TAIL(&c->hits, w, link);
        loop_defer(c->loop, &c->answer_task);
    } else {
        TAILQ_INSERT_TAIL(&c->waiting, w, link);
        if (c->reading != READING_SOME || !in_batch(c, coupon_id))
            want(c, coupon_id);
        read_coupons(c);
    }
}

static void answer_all_hits(void *arg)
{
    answer_all(arg, NULL);
}

void coupon_cache_get_all(struct coupon_cache *c, void (*done)(void *arg, const struct error *e), void *arg)
{
    struct all_waiter *w = mem_alloc(sizeof *w);
    *w = (struct all_waiter){.done = done, .arg = arg};
    TAILQ_INSERT_TAIL(&c->all_waiting, w, link);
    if (c->all_us && !c->paging && clock_mono_us() - c->all_us < FRESH_US) {
        loop_defer(c->loop, &c->all_task);
        return;
    }
    c->all_due = c->all_due || !c->paging;
    read_coupons(c);
}

void coupon_cache_on_read(struct coupon_cache *c, const struct coupon_cache_ops *ops, void *arg)
{
    c->listener = ops;
    c->listener_arg = arg;
}

const struct coupon_row *coupon_cache_all(struct coupon_cache *c, size_t *n)
{
    *n = c->all_us ? c->nrows : 0;
    return c->rows;
}

static void on_timer(void *arg)
{
    struct coupon_cache *c = arg;
    if (c->all_us && clock_mono_us() - c->all_us > ALL_FRESH_US && !c->paging && !c->all_due) {
        c->all_due = true;
        read_coupons(c);
    }
}

/* --- life --- */

struct coupon_cache *coupon_cache_new(struct loop *l, struct store *s)
{
    struct coupon_cache *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->store = s;
    TAILQ_INIT(&c->hits);
    TAILQ_INIT(&c->waiting);
    TAILQ_INIT(&c->all_waiting);
    c->wanted = map_new();
    c->answer_task = (struct loop_task){.run = answer_hits, .arg = c};
    c->all_task = (struct loop_task){.run = answer_all_hits, .arg = c};
    c->notify_timer = loop_timer_new(l, on_notify_timer, c);
    c->timer = loop_timer_new(l, on_timer, c);
    loop_timer_every(c->timer, LOOK_MS);
    coupon_watch(s, on_change, c);
    on_change(c, 0);
    return c;
}

static void drop_coupon_waiters(struct coupon_waiters *list)
{
    struct coupon_waiter *w;
    while ((w = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, w, link);
        mem_free(w);
    }
}

void coupon_cache_free(struct coupon_cache *c)
{
    if (!c)
        return;
    loop_defer_cancel(c->loop, &c->answer_task);
    loop_defer_cancel(c->loop, &c->all_task);
    loop_timer_free(c->notify_timer);
    loop_timer_free(c->timer);
    drop_coupon_waiters(&c->hits);
    drop_coupon_waiters(&c->waiting);
    struct all_waiter *all;
    while ((all = TAILQ_FIRST(&c->all_waiting))) {
        TAILQ_REMOVE(&c->all_waiting, all, link);
        mem_free(all);
    }
    free_rows(c->rows, c->nrows);
    mem_free(c->rows);
    mem_free(c->asked_us);
    map_free(c->wanted);
    mem_free(c);
}
