/* Users that were found ACTIVE, and the merged statements that find them. See user_cache.h.
 *
 * An answer that was read before a change was told is not remembered: it may be older than the change. */
#include "service/user_cache.h"

#include "base/clock.h"
#include "base/queue.h"
#include "base/recent.h"
#include "loop/loop.h"

#define WATCHED_US 60000000 /* so long is a user remembered while changes are told */
#define ALONE_US   1000000  /* and while they are not */
#define REMEMBERED 262144
#define LOOKUP_MAX 500   /* users of one statement */
#define SHARE_US   20000 /* so long misses wait for a running statement before they start another */
#define LOOK_MS    500   /* misses behind a slow statement are looked at so often */

struct waiter {
    TAILQ_ENTRY(waiter) link;
    int64_t user_id;
    bool whole;
    void (*done)(void *arg, const struct user_row *row, const struct error *e);
    void *arg;
};
TAILQ_HEAD(waiters, waiter);

/* One statement. */
struct read {
    struct user_cache *cache;
    struct waiters waiters;
    int64_t at_us;
    uint64_t changes; /* that had been told when it began */
    LIST_ENTRY(read) link;
};

struct user_cache {
    struct loop *loop;
    struct store *store;
    struct recent *active;
    int64_t from_us; /* what is older does not count */
    uint64_t changes;
    struct waiters hits, misses;
    size_t nmisses;
    LIST_HEAD(, read) reads;
    int64_t read_us; /* when the last of them began */
    struct loop_task task;
    struct loop_timer *timer;
};

/* --- what is remembered --- */

bool user_cache_active(const struct user_cache *c, int64_t user_id)
{
    int64_t since = clock_mono_us() - (user_watched(c->store) ? WATCHED_US : ALONE_US), value;
    return recent_get(c->active, user_id, 0, since > c->from_us ? since : c->from_us, &value);
}

static void on_change(void *arg, int64_t user_id)
{
    struct user_cache *c = arg;
    c->changes++;
    if (!user_id) {
        c->from_us = clock_mono_us();
        return;
    }
    recent_del(c->active, user_id, 0);
}

/* --- statements --- */

static const struct user_row *find(const struct user_row *rows, size_t n, int64_t id)
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
    struct read *read = arg;
    struct user_cache *c = read->cache;
    bool failed = e && e->kind != ERROR_NONE;
    for (size_t i = 0; !failed && i < n && read->changes == c->changes; i++)
        if (strcmp(rows[i].status, "ACTIVE") == 0)
            recent_put(c->active, rows[i].user_id, 0, 0, read->at_us);
    LIST_REMOVE(read, link);
    struct waiter *w;
    while ((w = TAILQ_FIRST(&read->waiters))) {
        TAILQ_REMOVE(&read->waiters, w, link);
        w->done(w->arg, failed ? NULL : find(rows, n, w->user_id), failed ? e : &ERROR_INIT);
        mem_free(w);
    }
    mem_free(read);
    if (c->nmisses)
        loop_defer(c->loop, &c->task);
}

/* One statement for the next misses; duplicates do no harm. */
static void read_users(struct user_cache *c)
{
    struct read *read = mem_zalloc(sizeof *read);
    read->cache = c;
    read->changes = c->changes;
    read->at_us = c->read_us = clock_mono_us();
    TAILQ_INIT(&read->waiters);
    int64_t ids[LOOKUP_MAX];
    size_t n = 0;
    bool whole = false;
    struct waiter *w;
    while (n < LOOKUP_MAX && (w = TAILQ_FIRST(&c->misses))) {
        TAILQ_REMOVE(&c->misses, w, link);
        c->nmisses--;
        TAILQ_INSERT_TAIL(&read->waiters, w, link);
        whole = whole || w->whole;
        ids[n++] = w->user_id;
    }
    LIST_INSERT_HEAD(&c->reads, read, link);
    (whole ? user_read : user_read_status)(c->store, ids, n, on_users, read);
}

/* Misses that come while a statement runs share the next one, unless there are enough for one of their own or that one is
 * slow: it may be on a dead connection. */
static bool may_read(const struct user_cache *c)
{
    return c->nmisses &&
           (LIST_EMPTY(&c->reads) || c->nmisses >= LOOKUP_MAX || clock_mono_us() - c->read_us > SHARE_US);
}

static void look_up(void *arg)
{
    struct user_cache *c = arg;
    struct waiters hits;
    TAILQ_INIT(&hits);
    TAILQ_CONCAT(&hits, &c->hits, link);
    struct waiter *w;
    while ((w = TAILQ_FIRST(&hits))) {
        TAILQ_REMOVE(&hits, w, link);
        w->done(w->arg, &(struct user_row){.user_id = w->user_id, .status = "ACTIVE"}, &ERROR_INIT);
        mem_free(w);
    }
    while (may_read(c))
        read_users(c);
}

void user_lookup(struct user_cache *c, int64_t user_id, bool whole,
                 void (*done)(void *arg, const struct user_row *row, const struct error *e), void *arg)
{
    struct waiter *w = mem_alloc(sizeof *w);
    *w = (struct waiter){.user_id = user_id, .whole = whole, .done = done, .arg = arg};
    if (!whole && user_cache_active(c, user_id)) {
        TAILQ_INSERT_TAIL(&c->hits, w, link);
    } else {
        TAILQ_INSERT_TAIL(&c->misses, w, link);
        c->nmisses++;
    }
    loop_defer(c->loop, &c->task);
}

/* --- life --- */

static void on_timer(void *arg)
{
    look_up(arg);
}

struct user_cache *user_cache_new(struct loop *l, struct store *s)
{
    struct user_cache *c = mem_zalloc(sizeof *c);
    c->loop = l;
    c->store = s;
    TAILQ_INIT(&c->hits);
    TAILQ_INIT(&c->misses);
    LIST_INIT(&c->reads);
    c->task = (struct loop_task){.run = look_up, .arg = c};
    c->timer = loop_timer_new(l, on_timer, c);
    loop_timer_every(c->timer, LOOK_MS);
    c->active = recent_new(REMEMBERED);
    user_watch(s, on_change, c);
    return c;
}

static void drop(struct waiters *list)
{
    struct waiter *w;
    while ((w = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, w, link);
        mem_free(w);
    }
}

void user_cache_free(struct user_cache *c)
{
    if (!c)
        return;
    loop_defer_cancel(c->loop, &c->task);
    loop_timer_free(c->timer);
    drop(&c->hits);
    drop(&c->misses);
    struct read *read;
    while ((read = LIST_FIRST(&c->reads))) {
        LIST_REMOVE(read, link);
        drop(&read->waiters);
        mem_free(read);
    }
    recent_free(c->active);
    mem_free(c);
}
