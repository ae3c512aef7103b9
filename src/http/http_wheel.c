/* A timing wheel with one list per tick. Deadlines beyond its circumference wait in the furthest list and are
 * set anew. */
#include "http/http_wheel.h"

#include "base/clock.h"
#include "loop/loop.h"

enum {
    SLOTS = 128
};

struct http_wheel {
    struct loop_timer *timer;
    http_wheel_fn *due;
    int64_t tick_us;
    int64_t now_tick; /* every list up to this tick has been worked off */
    size_t entries;
    TAILQ_HEAD(, http_wheel_entry) slots[SLOTS];
};

static void on_tick(void *arg)
{
    struct http_wheel *w = arg;
    int64_t now_us = clock_mono_us(), until = now_us / w->tick_us;
    if (until - w->now_tick > SLOTS)
        w->now_tick = until - SLOTS; /* once around sees them all */
    while (w->now_tick < until && w->entries) {
        w->now_tick++;
        size_t slot = (size_t)w->now_tick % SLOTS;
        /* What is set during the walk goes to a later tick, never into this list. */
        for (struct http_wheel_entry *e; (e = TAILQ_FIRST(&w->slots[slot]));) {
            http_wheel_remove(w, e);
            w->due(e, now_us);
        }
    }
    if (!w->entries)
        loop_timer_stop(w->timer);
}

struct http_wheel *http_wheel_new(struct loop *l, int64_t tick_ms, http_wheel_fn *due)
{
    ASSERT(tick_ms > 0);
    struct http_wheel *w = mem_zalloc(sizeof(*w));
    w->timer = loop_timer_new(l, on_tick, w);
    w->due = due;
    w->tick_us = tick_ms * 1000;
    for (size_t i = 0; i < SLOTS; i++)
        TAILQ_INIT(&w->slots[i]);
    return w;
}

void http_wheel_free(struct http_wheel *w)
{
    loop_timer_free(w->timer);
    mem_free(w);
}

void http_wheel_remove(struct http_wheel *w, struct http_wheel_entry *e)
{
    if (!e->tick)
        return;
    TAILQ_REMOVE(&w->slots[(size_t)e->tick % SLOTS], e, link);
    e->tick = 0;
    w->entries--;
}

void http_wheel_set(struct http_wheel *w, struct http_wheel_entry *e, int64_t deadline_us)
{
    int64_t tick = deadline_us / w->tick_us + 1;
    if (e->tick && e->tick <= tick)
        return;
    http_wheel_remove(w, e);
    if (!w->entries++ && !loop_timer_running(w->timer)) {
        w->now_tick = clock_mono_us() / w->tick_us;
        loop_timer_every(w->timer, w->tick_us / 1000);
    }
    if (tick <= w->now_tick)
        tick = w->now_tick + 1;
    if (tick > w->now_tick + SLOTS - 1)
        tick = w->now_tick + SLOTS - 1;
    e->tick = tick;
    TAILQ_INSERT_TAIL(&w->slots[(size_t)tick % SLOTS], e, link);
}
