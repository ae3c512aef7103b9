/* Coupons and users as PostgreSQL has them, read for many requests at once. See coupon_cache.h. */
#include "service/coupon_cache.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/queue.h"
#include "loop/loop.h"

#define FRESH_US        1000000
#define NOTIFY_DELAY_MS 20 /* changes within it share one reading */
#define RETRY_MS        1000
#define GENERATION_MS   500   /* users live for one to two of these */
#define USERS_MAX       50000 /* of one generation */
#define LOOKUP_MAX      500   /* users of one statement */
#define SHARE_US        20000 /* so long misses wait for a running statement before they start another */

/* --- waiting callers --- */

struct coupon_waiter {
    TAILQ_ENTRY(coupon_waiter) link;
    int64_t coupon_id;
    void (*done)(void *arg, const struct coupon_row *row, const struct error *e);
    void *arg;
};
struct user_waiter {
    TAILQ_ENTRY(user_waiter) link;
    int64_t user_id;
    void (*done)(void *arg, const struct user_row *row, const struct error *e);
    void *arg;
};
TAILQ_HEAD(coupon_waiters, coupon_waiter);
TAILQ_HEAD(user_waiters, user_waiter);

/* One statement for users. */
struct user_read {
    struct coupon_cache *cache;
    struct user_waiters waiters;
    LIST_ENTRY(user_read) link;
};

struct coupon_cache {
    struct loop *loop;
    struct store *store;
    struct coupon_row *rows; /* ascending; names and statuses are ours */
    size_t nrows;
    int64_t read_us; /* when the rows were asked for; 0: never or stale */
    bool reading;
    bool changed; /* a notification came while reading */
    struct coupon_waiters hits, waiting;
    struct loop_task answer_task;
    struct loop_timer *notify_timer;
    void (*listener)(void *arg, const struct coupon_row *rows, size_t n);
    void *listener_arg;

    struct map *users[2]; /* generations, newest first: id -> struct user_row * */
    struct loop_timer *generation_timer;
    struct user_waiters user_hits, user_misses;
    size_t nmisses;
    LIST_HEAD(, user_read) reads;
    int64_t user_read_us; /* when the last of them began */
    struct loop_task user_task;
};

/* --- coupons --- */

static void free_rows(struct coupon_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free((char *)rows[i].name);
        mem_free((char *)rows[i].status);
    }
    mem_free(rows);
}

static const struct coupon_row *find(const struct coupon_cache *c, int64_t id)
{
    size_t lo = 0, hi = c->nrows;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->rows[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->nrows && c->rows[lo].id == id ? &c->rows[lo] : NULL;
}

static void answer_all(struct coupon_cache *c, struct coupon_waiters *list, const struct error *e)
{
    struct coupon_waiters mine;
    TAILQ_INIT(&mine);
    TAILQ_CONCAT(&mine, list, link);
    struct coupon_waiter *w;
    while ((w = TAILQ_FIRST(&mine))) {
        TAILQ_REMOVE(&mine, w, link);
        w->done(w->arg, e ? NULL : find(c, w->coupon_id), e ? e : &ERROR_INIT);
        mem_free(w);
    }
}

static void answer_hits(void *arg)
{
    struct coupon_cache *c = arg;
    answer_all(c, &c->hits, NULL);
}

static void read_coupons(struct coupon_cache *c);

static void on_coupons(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct coupon_cache *c = arg;
    c->reading = false;
    if (e && e->kind != ERROR_NONE) {
        c->read_us = 0;
        if ((c->changed || c->listener) && !loop_timer_running(c->notify_timer))
            loop_timer_start(c->notify_timer, RETRY_MS);
        answer_all(c, &c->waiting, e);
        return;
    }
    free_rows(c->rows, c->nrows);
    c->rows = mem_array(n, sizeof *c->rows);
    c->nrows = n;
    for (size_t i = 0; i < n; i++) {
        c->rows[i] = rows[i];
        c->rows[i].name = mem_strdup(rows[i].name);
        c->rows[i].status = mem_strdup(rows[i].status);
    }
    answer_all(c, &c->waiting, NULL);
    if (c->changed)
        loop_timer_start(c->notify_timer, NOTIFY_DELAY_MS);
    if (c->listener)
        c->listener(c->listener_arg, c->rows, c->nrows);
}

static void read_coupons(struct coupon_cache *c)
{
    if (c->reading)
        return;
    c->reading = true;
    c->changed = false;
    c->read_us = clock_mono_us();
    coupon_read_all(c->store, on_coupons, c);
}

static void on_notify_timer(void *arg)
{
    read_coupons(arg);
}

static void on_change(void *arg, int64_t coupon_id)
{
    struct coupon_cache *c = arg;
    c->changed = true;
    if (!c->reading && !loop_timer_running(c->notify_timer))
        loop_timer_start(c->notify_timer, NOTIFY_DELAY_MS);
}

void coupon_cache_get(struct coupon_cache *c, int64_t coupon_id,
                      void (*done)(void *arg, const struct coupon_row *row, const struct error *e), void *arg)
{
    struct coupon_waiter *w = mem_alloc(sizeof *w);
    *w = (struct coupon_waiter){.coupon_id = coupon_id, .done = done, .arg = arg};
    bool fresh = c->read_us && !c->reading && clock_mono_us() - c->read_us < FRESH_US;
    if (fresh) {
        TAILQ_INSERT_TAIL(&c->hits, w, link);
        loop_defer(c->loop, &c->answer_task);
    } else {
        TAILQ_INSERT_TAIL(&c->waiting, w, link);
        read_coupons(c);
    }
}

void coupon_cache_on_read(struct coupon_cache *c,
                          void (*fn)(void *arg, const struct coupon_row *rows, size_t n), void *arg)
{
    c->listener = fn;
    c->listener_arg = arg;
}

const struct coupon_row *coupon_cache_all(struct coupon_cache *c, size_t *n)
{
    *n = c->nrows;
    return c->rows;
}

/* --- users --- */

static void free_users(struct map *m)
{
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(m, &pos, &id, &value)) {
        struct user_row *row = value;
        mem_free((char *)row->username);
        mem_free((char *)row->status);
        mem_free(row);
    }
    map_clear(m);
}

static void on_generation(void *arg)
{
    struct coupon_cache *c = arg;
    struct map *old = c->users[1];
    free_users(old);
    c->users[1] = c->users[0];
    c->users[0] = old;
    loop_defer(c->loop, &c->user_task); /* for misses behind a slow statement */
}

static const struct user_row *cached_user(const struct coupon_cache *c, int64_t id)
{
    const struct user_row *row = map_get(c->users[0], id);
    return row ? row : map_get(c->users[1], id);
}

static void cache_user(struct coupon_cache *c, const struct user_row *row)
{
    if (map_len(c->users[0]) >= USERS_MAX || map_get(c->users[0], row->user_id))
        return;
    struct user_row *copy = mem_dup(row, sizeof *row);
    copy->username = mem_strdup(row->username);
    copy->status = mem_strdup(row->status);
    map_put(c->users[0], row->user_id, copy);
}

static const struct user_row *find_user(const struct user_row *rows, size_t n, int64_t id)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rows[mid].user_id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && rows[lo].user_id == id ? &rows[lo] : NULL;
}

static void on_users(void *arg, const struct user_row *rows, size_t n, const struct error *e)
{
    struct user_read *read = arg;
    struct coupon_cache *c = read->cache;
    bool failed = e && e->kind != ERROR_NONE;
    for (size_t i = 0; !failed && i < n; i++)
        cache_user(c, &rows[i]);
    LIST_REMOVE(read, link);
    struct user_waiter *w;
    while ((w = TAILQ_FIRST(&read->waiters))) {
        TAILQ_REMOVE(&read->waiters, w, link);
        w->done(w->arg, failed ? NULL : find_user(rows, n, w->user_id), failed ? e : &ERROR_INIT);
        mem_free(w);
    }
    mem_free(read);
    if (c->nmisses)
        loop_defer(c->loop, &c->user_task);
}

static void add_miss(struct coupon_cache *c, struct user_waiter *w)
{
    TAILQ_INSERT_TAIL(&c->user_misses, w, link);
    c->nmisses++;
}

/* One statement for the next misses; duplicates do no harm. */
static void read_users(struct coupon_cache *c)
{
    struct user_read *read = mem_zalloc(sizeof *read);
    read->cache = c;
    TAILQ_INIT(&read->waiters);
    int64_t ids[LOOKUP_MAX];
    size_t n = 0;
    struct user_waiter *w;
    while (n < LOOKUP_MAX && (w = TAILQ_FIRST(&c->user_misses))) {
        TAILQ_REMOVE(&c->user_misses, w, link);
        c->nmisses--;
        TAILQ_INSERT_TAIL(&read->waiters, w, link);
        ids[n++] = w->user_id;
    }
    LIST_INSERT_HEAD(&c->reads, read, link);
    c->user_read_us = clock_mono_us();
    user_read(c->store, ids, n, on_users, read);
}

/* Misses that come while a statement runs share the next one, unless there are enough for one of their own or that one is
 * slow: it may be on a dead connection. */
static bool may_read_users(const struct coupon_cache *c)
{
    return c->nmisses && (LIST_EMPTY(&c->reads) || c->nmisses >= LOOKUP_MAX ||
                          clock_mono_us() - c->user_read_us > SHARE_US);
}

static void look_users_up(void *arg)
{
    struct coupon_cache *c = arg;
    struct user_waiters hits;
    TAILQ_INIT(&hits);
    TAILQ_CONCAT(&hits, &c->user_hits, link);
    struct user_waiter *w;
    while ((w = TAILQ_FIRST(&hits))) {
        TAILQ_REMOVE(&hits, w, link);
        const struct user_row *row = cached_user(c, w->user_id);
        if (!row) { /* aged out within the turn */
            add_miss(c, w);
            continue;
        }
        w->done(w->arg, row, &ERROR_INIT);
        mem_free(w);
    }
    while (may_read_users(c))
        read_users(c);
}

void user_lookup(struct coupon_cache *c, int64_t user_id, bool fresh,
                 void (*done)(void *arg, const struct user_row *row, const struct error *e), void *arg)
{
    struct user_waiter *w = mem_alloc(sizeof *w);
    *w = (struct user_waiter){.user_id = user_id, .done = done, .arg = arg};
    if (!fresh && cached_user(c, user_id))
        TAILQ_INSERT_TAIL(&c->user_hits, w, link);
    else
        add_miss(c, w);
    loop_defer(c->loop, &c->user_task);
}

/* --- life --- */

struct coupon_cache *coupon_cache_new(struct loop *l, struct store *s)
{
    struct coupon_cache *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->store = s;
    TAILQ_INIT(&c->hits);
    TAILQ_INIT(&c->waiting);
    TAILQ_INIT(&c->user_hits);
    TAILQ_INIT(&c->user_misses);
    LIST_INIT(&c->reads);
    c->users[0] = map_new();
    c->users[1] = map_new();
    c->answer_task = (struct loop_task){.run = answer_hits, .arg = c};
    c->user_task = (struct loop_task){.run = look_users_up, .arg = c};
    c->notify_timer = loop_timer_new(l, on_notify_timer, c);
    c->generation_timer = loop_timer_new(l, on_generation, c);
    loop_timer_every(c->generation_timer, GENERATION_MS);
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

static void drop_user_waiters(struct user_waiters *list)
{
    struct user_waiter *w;
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
    loop_defer_cancel(c->loop, &c->user_task);
    loop_timer_free(c->notify_timer);
    loop_timer_free(c->generation_timer);
    drop_coupon_waiters(&c->hits);
    drop_coupon_waiters(&c->waiting);
    drop_user_waiters(&c->user_hits);
    drop_user_waiters(&c->user_misses);
    struct user_read *read;
    while ((read = LIST_FIRST(&c->reads))) {
        LIST_REMOVE(read, link);
        drop_user_waiters(&read->waiters);
        mem_free(read);
    }
    free_rows(c->rows, c->nrows);
    for (int i = 0; i < 2; i++) {
        free_users(c->users[i]);
        map_free(c->users[i]);
    }
    mem_free(c);
}
