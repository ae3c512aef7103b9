/* Timers. libevent counts a timeout from the time it cached when the turn began, on a coarse clock: a timer
 * may come a few milliseconds early, or early by what its turn had already used up. Each timer keeps its own
 * deadline and sleeps for the rest if it is called too soon, so a timer is never early. */
#include "loop/loop_internal.h"

#include <event2/event.h>
#include <sysexits.h>

struct loop_timer {
    struct loop *loop;
    struct event *event;
    loop_timer_fn *fn;
    void *arg;
    int64_t due_us;
    int64_t period_us; /* 0: once */
    bool running;
};

static void arm(struct loop_timer *t, int64_t now_us)
{
    int64_t us = t->due_us > now_us ? t->due_us - now_us : 0;
    struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    if (event_add(t->event, &tv) < 0)
        base_die(EX_OSERR, "cannot start a timer");
}

static void timer_ev(evutil_socket_t fd, short events, void *arg)
{
    struct loop_timer *t = arg;
    int64_t now_us = loop_now_us();
    if (now_us < t->due_us) {
        arm(t, now_us);
        return;
    }
    loop_busy_mark(t->loop);
    if (t->period_us) {
        /* Periods that were missed are left out, the rhythm stays. */
        t->due_us += (1 + (now_us - t->due_us) / t->period_us) * t->period_us;
        arm(t, now_us);
    } else {
        t->running = false;
    }
    t->fn(t->arg); /* may free t */
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg)
{
    struct loop_timer *t = mem_zalloc(sizeof(*t));
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    t->event = evtimer_new(l->base, timer_ev, t);
    if (!t->event)
        base_die(EX_OSERR, "cannot make a timer");
    return t;
}

static void start(struct loop_timer *t, int64_t delay_ms, int64_t period_ms)
{
    ASSERT(delay_ms >= 0 && period_ms >= 0);
    int64_t now_us = loop_now_us();
    t->due_us = now_us + delay_ms * 1000;
    t->period_us = period_ms * 1000;
    t->running = true;
    arm(t, now_us);
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ms)
{
    start(t, delay_ms, 0);
}

void loop_timer_every(struct loop_timer *t, int64_t period_ms)
{
    ASSERT(period_ms > 0);
    start(t, period_ms, period_ms);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (!t->running)
        return;
    t->running = false;
    event_del(t->event);
}

bool loop_timer_running(const struct loop_timer *t)
{
    return t->running;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    mem_free(t);
}

int64_t loop_timer_due_us(const struct loop_timer *t)
{
    return t->due_us;
}
