/* What other programs may read of coupons in Redis.
 *
 *   reading   the cache has read coupons: rows that differ from what was written last join the line
 *   write     at most IN_FLIGHT at once; a coupon that changes meanwhile is written once more, with its newest row
 *   failed    stays in line until the next try
 *   refresh   keys live for a day; what was not written for half of it is written again
 *
 * Two nodes that write the same coupon may cross; each then reads the change of the other and writes what is true. */
#include "service/coupon_info.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "store/coupon_line.h"

LOG_DEFINE(log_info_writer, "rushd.coupon.info");

#define IN_FLIGHT        16
#define RETRY_MS         1000
#define REFRESH_EVERY_MS (30 * 60 * 1000)
#define REFRESH_AFTER_US (INT64_C(12) * 3600 * 1000000) /* half the life of a key */

struct entry {
    TAILQ_ENTRY(entry) link; /* in the line of those to write */
    struct coupon_info *owner;
    struct coupon_row row; /* newest; name and status are ours */
    bool waiting;          /* in the line */
    bool writing;
    int64_t written_us; /* clock_mono_us() */
    uint64_t seen;      /* number of the reading of all during which it was there */
};

struct coupon_info {
    struct loop *loop;
    struct store *store;
    struct coupon_cache *cache;
    bool running;
    struct map *entries; /* by coupon id */
    TAILQ_HEAD(, entry) line;
    size_t in_flight;
    uint64_t readings; /* of all, finished */
    struct loop_timer *retry, *refresh;
};

static void row_take(struct entry *x, const struct coupon_row *row)
{
    mem_free((char *)x->row.name);
    mem_free((char *)x->row.status);
    x->row = *row;
    x->row.name = mem_strdup(row->name);
    x->row.status = mem_strdup(row->status);
}

static bool same(const struct coupon_row *a, const struct coupon_row *b)
{
    return a->discount == b->discount && a->max_issuance == b->max_issuance && a->issued == b->issued &&
           a->valid_from_us == b->valid_from_us && a->valid_to_us == b->valid_to_us &&
           strcmp(a->name, b->name) == 0 && strcmp(a->status, b->status) == 0;
}

static void entry_free(struct entry *x)
{
    mem_free((char *)x->row.name);
    mem_free((char *)x->row.status);
    mem_free(x);
}

static void write_some(struct coupon_info *i);

static void join(struct entry *x)
{
    if (x->waiting)
        return;
    x->waiting = true;
    TAILQ_INSERT_TAIL(&x->owner->line, x, link);
}

static void on_written(void *arg, const struct error *e)
{
    struct entry *x = arg;
    struct coupon_info *i = x->owner;
    x->writing = false;
    i->in_flight--;
    if (!e || e->kind == ERROR_NONE) {
        x->written_us = clock_mono_us();
        write_some(i);
        return;
    }
    static struct log_gate gate;
    if (log_gate_open(&gate, 30000, NULL))
        log_warn(&log_info_writer, "information about a coupon could not be written",
                 LOG_I("coupon_id", x->row.id), LOG_ERR(e));
    join(x);
    if (!loop_timer_running(i->retry))
        loop_timer_start(i->retry, RETRY_MS);
}

/* A coupon whose last write is under way waits for its end, so that the newer row comes last. */
static void write_some(struct coupon_info *i)
{
    struct entry *x, *next;
    TAILQ_FOREACH_SAFE(x, &i->line, link, next)
    {
        if (!i->running || i->in_flight == IN_FLIGHT || loop_timer_running(i->retry))
            return;
        if (x->writing)
            continue;
        TAILQ_REMOVE(&i->line, x, link);
        x->waiting = false;
        x->writing = true;
        i->in_flight++;
        coupon_line_info(i->store, &x->row, on_written, x);
    }
}

static void on_retry(void *arg)
{
    write_some(arg);
}

/* Forget coupons that were not read since the last time that all were. */
static void on_all_read(void *arg)
{
    struct coupon_info *i = arg;
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(i->entries, &pos, &id, &value)) {
        struct entry *x = value;
        if (x->seen == i->readings || x->writing)
            continue;
        if (x->waiting)
            TAILQ_REMOVE(&i->line, x, link);
        map_del(i->entries, id);
        entry_free(x);
    }
    i->readings++;
}

static void on_read(void *arg, const struct coupon_row *rows, size_t n)
{
    struct coupon_info *i = arg;
    if (!i->running)
        return;
    for (size_t k = 0; k < n; k++) {
        struct entry *x = map_get(i->entries, rows[k].id);
        bool fresh = x && same(&x->row, &rows[k]);
        if (!x) {
            x = mem_zalloc(sizeof *x);
            x->owner = i;
            map_put(i->entries, rows[k].id, x);
        }
        x->seen = i->readings;
        if (!fresh) {
            row_take(x, &rows[k]);
            join(x);
        }
    }
    write_some(i);
}

static const struct coupon_cache_ops cache_ops = {.rows = on_read, .all = on_all_read};

static void on_refresh(void *arg)
{
    struct coupon_info *i = arg;
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(i->entries, &pos, &id, &value)) {
        struct entry *x = value;
        if (clock_mono_us() - x->written_us > REFRESH_AFTER_US)
            join(x);
    }
    write_some(i);
}

void coupon_info_run(struct coupon_info *i, bool run)
{
    if (i->running == run)
        return;
    i->running = run;
    if (!run) {
        loop_timer_stop(i->refresh);
        return;
    }
    size_t pos = 0, n;
    int64_t id;
    void *value;
    while (map_next(i->entries, &pos, &id, &value)) /* another node may have written in the meantime */
        join(value);
    const struct coupon_row *rows = coupon_cache_all(i->cache, &n);
    if (n)
        on_read(i, rows, n);
    loop_timer_every(i->refresh, REFRESH_EVERY_MS);
}

struct coupon_info *coupon_info_new(struct loop *l, struct store *s, struct coupon_cache *cache)
{
    struct coupon_info *i = mem_zalloc(sizeof *i);
    i->loop = l;
    i->store = s;
    i->cache = cache;
    i->entries = map_new();
    TAILQ_INIT(&i->line);
    i->retry = loop_timer_new(l, on_retry, i);
    i->refresh = loop_timer_new(l, on_refresh, i);
    coupon_cache_on_read(cache, &cache_ops, i);
    return i;
}

void coupon_info_free(struct coupon_info *i)
{
    if (!i)
        return;
    coupon_cache_on_read(i->cache, NULL, NULL);
    loop_timer_free(i->retry);
    loop_timer_free(i->refresh);
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(i->entries, &pos, &id, &value))
        entry_free(value);
    map_free(i->entries);
    mem_free(i);
}
