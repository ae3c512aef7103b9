/* The steps of a recovery:
 *
 *   begin     is there a mark of this process of Redis? If not, our name is entered: whatever empties Redis from now on removes it
 *   lines     undecided requests, counters, holders return
 *   mark      only if the name still stands there; else everything begins anew. Requests are accepted and lines drained again
 *   rest      ranking and coupon info
 *   mark      of the rest, only if the first mark still stands there
 *
 * A step that fails ends the attempt; the owner calls again. A new attempt begins at the first step: what an older one has put back
 * is found there and left alone. */
#include "service/recovery.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "loop/loop.h"

LOG_DEFINE(log_recovery, "rushd.recovery");

#define PAUSE_US 1000000 /* after a failure */

struct recovery {
    struct loop *loop;
    struct store *store;
    struct rebuild_config cfg;
    void (*on_state)(void *arg);
    void *arg;
    enum redis_mark_state state;
    int64_t generation; /* of the next mark */
    int64_t marked;     /* generation of the mark that stands there */
    bool running;
    bool again; /* look anew when this attempt has ended */
    int64_t failed_us;
    struct loop_task task;
};

static void set_state(struct recovery *r, enum redis_mark_state state)
{
    if (r->state == state)
        return;
    r->state = state;
    if (r->on_state)
        r->on_state(r->arg);
}

static void finish(struct recovery *r)
{
    r->running = false;
    if (r->again)
        loop_defer(r->loop, &r->task);
    r->again = false;
}

static bool failed(struct recovery *r, const struct error *e)
{
    if (!e || e->kind == ERROR_NONE)
        return false;
    log_warn(&log_recovery, "Redis could not be rebuilt, will try again", LOG_ERR(e));
    r->failed_us = clock_mono_us();
    r->again = false;
    finish(r);
    return true;
}

/* --- rest --- */

static void on_whole(void *arg, const struct redis_mark *m, const struct error *e)
{
    struct recovery *r = arg;
    if (failed(r, e))
        return;
    r->again = r->again || m->state != REDIS_MARK_WHOLE;
    set_state(r, m->state);
    finish(r);
}

static void on_rest(void *arg, const struct rebuild_counts *c, const struct error *e)
{
    struct recovery *r = arg;
    if (failed(r, e))
        return;
    log_info(&log_recovery, "ranking and coupon info are rebuilt from PostgreSQL", LOG_I("sales", c->sales),
             LOG_I("counted", c->counted), LOG_I("coupons", c->coupons));
    redis_mark_whole(r->store, r->marked, on_whole, r);
}

static void rebuild_rest(struct recovery *r)
{
    rebuild_run(r->loop, r->store, &r->cfg, REBUILD_RANKING | REBUILD_INFO, 0, on_rest, r);
}

/* --- lines --- */

static void on_lines_marked(void *arg, const struct redis_mark *m, const struct error *e)
{
    struct recovery *r = arg;
    if (failed(r, e))
        return;
    if (m->state == REDIS_MARK_NONE) {
        log_warn(&log_recovery, "Redis was emptied while it was rebuilt: anew");
        r->again = true;
        finish(r);
        return;
    }
    r->generation = 0;
    r->marked = m->generation;
    set_state(r, REDIS_MARK_LINES);
    rebuild_rest(r);
}

static void on_lines(void *arg, const struct rebuild_counts *c, const struct error *e)
{
    struct recovery *r = arg;
    if (failed(r, e))
        return;
    log_info(&log_recovery, "Redis is rebuilt from PostgreSQL", LOG_I("requests", c->requests),
             LOG_I("restored", c->restored), LOG_I("holders", c->holders));
    redis_mark_lines(r->store, r->generation, on_lines_marked, r);
}

static void on_begun(void *arg, const struct redis_mark *m, const struct error *e)
{
    struct recovery *r = arg;
    if (failed(r, e))
        return;
    set_state(r, m->state);
    r->marked = m->generation;
    switch (m->state) {
    case REDIS_MARK_NONE:
        log_info(&log_recovery, "Redis does not hold all data of rushd: it is rebuilt from PostgreSQL");
        rebuild_run(r->loop, r->store, &r->cfg, REBUILD_LINES | REBUILD_COUNTERS | REBUILD_ISSUED, 0,
                    on_lines, r);
        break;
    case REDIS_MARK_LINES:
        rebuild_rest(r);
        break;
    case REDIS_MARK_WHOLE:
        finish(r);
        break;
    }
}

/* --- life --- */

static void begin(void *arg)
{
    struct recovery *r = arg;
    if (r->running)
        return;
    r->running = true;
    r->again = false;
    if (!r->generation)
        r->generation = (int64_t)(random_u64() >> 2) + 1;
    redis_mark_begin(r->store, r->generation, on_begun, r);
}

void recovery_look(struct recovery *r)
{
    if (r->running)
        r->again = true;
    else if (!r->failed_us || clock_mono_us() - r->failed_us >= PAUSE_US)
        loop_defer(r->loop, &r->task);
}

void recovery_doubt(struct recovery *r)
{
    r->again = r->running;
    set_state(r, REDIS_MARK_NONE);
}

enum redis_mark_state recovery_state(const struct recovery *r)
{
    return r->state;
}

bool recovery_running(const struct recovery *r)
{
    return r->running;
}

struct recovery *recovery_new(struct loop *l, struct store *s, const struct rebuild_config *cfg,
                              void (*on_state)(void *arg), void *arg)
{
    struct recovery *r = mem_zalloc(sizeof *r);
    r->loop = l;
    r->store = s;
    r->cfg = *cfg;
    r->on_state = on_state;
    r->arg = arg;
    r->task = (struct loop_task){.run = begin, .arg = r};
    return r;
}

void recovery_free(struct recovery *r)
{
    if (!r)
        return;
    loop_defer_cancel(r->loop, &r->task);
    mem_free(r);
}
