/* Simulated time: tasks first, then the earliest timer. */
#include "fake/fake_loop.h"

#include "base/clock.h"

#define TASKS_AT_MOST 10000000 /* of one settling: a task that defers itself for ever is a bug */

struct loop_timer {
    struct loop *loop;
    TAILQ_ENTRY(loop_timer) link;
    loop_timer_fn *fn;
    void *arg;
    bool running;
    int64_t due_us, period_us;
    uint64_t started; /* among timers that are due at once the first started comes first */
};

struct loop {
    TAILQ_HEAD(, loop_task) tasks;
    TAILQ_HEAD(, loop_timer) timers;
    size_t ntimers, fired;
    int64_t now_us, real_off_us;
    uint64_t starts;
    bool stopping;
    int exit_code;
    void **garbage;
    size_t ngarbage;
    struct clock_ops clock;
};

static int64_t mono_us(void *self)
{
    return ((struct loop *)self)->now_us;
}

static int64_t real_us(void *self)
{
    struct loop *l = self;
    return l->now_us + l->real_off_us;
}

struct loop *loop_new(void)
{
    struct loop *l = mem_zalloc(sizeof *l);
    TAILQ_INIT(&l->tasks);
    TAILQ_INIT(&l->timers);
    l->now_us = 1000000000;
    l->real_off_us = FAKE_LOOP_EPOCH_US - l->now_us;
    l->clock = (struct clock_ops){mono_us, real_us, l};
    clock_use(&l->clock);
    return l;
}

static void take_garbage_out(struct loop *l)
{
    for (size_t i = 0; i < l->ngarbage; i++)
        mem_free(l->garbage[i]);
    l->ngarbage = 0;
}

static void run_tasks(struct loop *l)
{
    struct loop_task *t;
    for (int i = 0; (t = TAILQ_FIRST(&l->tasks)); i++) {
        ASSERT(i < TASKS_AT_MOST);
        TAILQ_REMOVE(&l->tasks, t, link);
        t->pending = false;
        t->run(t->arg);
    }
    take_garbage_out(l);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    run_tasks(l);
    ASSERT(TAILQ_EMPTY(&l->timers));
    clock_use(NULL);
    mem_free(l->garbage);
    mem_free(l);
}

static struct loop_timer *earliest(struct loop *l)
{
    struct loop_timer *t, *first = NULL;
    TAILQ_FOREACH(t, &l->timers, link)
    {
        if (t->running && (!first || t->due_us < first->due_us ||
                           (t->due_us == first->due_us && t->started < first->started)))
            first = t;
    }
    return first;
}

static void fire(struct loop_timer *t)
{
    t->loop->fired++;
    if (t->period_us) {
        t->due_us += (1 + (t->loop->now_us - t->due_us) / t->period_us) * t->period_us;
        t->started = ++t->loop->starts;
    } else {
        t->running = false;
    }
    t->fn(t->arg);
}

/* One turn: tasks, or the earliest timer not later than until_us. False when neither is left. */
static bool turn(struct loop *l, int64_t until_us)
{
    if (!TAILQ_EMPTY(&l->tasks)) {
        run_tasks(l);
        return true;
    }
    struct loop_timer *t = earliest(l);
    if (!t || t->due_us > until_us)
        return false;
    if (t->due_us > l->now_us)
        l->now_us = t->due_us;
    fire(t);
    run_tasks(l);
    return true;
}

void fake_loop_settle(struct loop *l)
{
    while (turn(l, l->now_us))
        ;
}

void fake_loop_pass(struct loop *l, int64_t ms)
{
    int64_t until_us = l->now_us + ms * 1000;
    while (turn(l, until_us))
        ;
    if (l->now_us < until_us)
        l->now_us = until_us;
}

void fake_loop_freeze(struct loop *l, int64_t ms)
{
    l->now_us += ms * 1000;
}

void fake_loop_step(struct loop *l, int64_t ms)
{
    l->real_off_us += ms * 1000;
}

size_t fake_loop_timers(const struct loop *l)
{
    return l->ntimers;
}

size_t fake_loop_fired(const struct loop *l)
{
    return l->fired;
}

int loop_run(struct loop *l)
{
    l->stopping = false;
    while (!l->stopping)
        ASSERT(turn(l, INT64_MAX));
    return l->exit_code;
}

void loop_stop(struct loop *l, int exit_code)
{
    l->stopping = true;
    l->exit_code = exit_code;
}

bool loop_run_until(struct loop *l, bool (*done)(void *arg), void *arg, int64_t deadline_ms)
{
    int64_t until_us = l->now_us + deadline_ms * 1000;
    bool reached = done(arg);
    while (!reached && turn(l, until_us))
        reached = done(arg);
    return reached;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    if (t->pending)
        return;
    t->pending = true;
    TAILQ_INSERT_TAIL(&l->tasks, t, link);
}

void loop_defer_cancel(struct loop *l, struct loop_task *t)
{
    if (!t->pending)
        return;
    t->pending = false;
    TAILQ_REMOVE(&l->tasks, t, link);
}

void loop_free_later(struct loop *l, void *p)
{
    l->garbage = mem_grow(l->garbage, l->ngarbage + 1, sizeof *l->garbage);
    l->garbage[l->ngarbage++] = p;
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg)
{
    struct loop_timer *t = mem_zalloc(sizeof *t);
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    TAILQ_INSERT_TAIL(&l->timers, t, link);
    l->ntimers++;
    return t;
}

static void start(struct loop_timer *t, int64_t delay_ms, int64_t period_ms)
{
    ASSERT(delay_ms >= 0 && period_ms >= 0);
    t->due_us = t->loop->now_us + delay_ms * 1000;
    t->period_us = period_ms * 1000;
    t->running = true;
    t->started = ++t->loop->starts;
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
    t->running = false;
}

bool loop_timer_running(const struct loop_timer *t)
{
    return t->running;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    TAILQ_REMOVE(&t->loop->timers, t, link);
    t->loop->ntimers--;
    mem_free(t);
}
