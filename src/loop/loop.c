/* The loop itself: turns, end-of-turn tasks, memory given back at the end of a turn, signals.
 *
 * A turn is one event_base_loop(EVLOOP_ONCE): sleep until something is due, run what is active, return. Then
 * the deferred tasks run. libevent 2.1 has no hook before its sleep, so the tasks are run by the caller of
 * the turn and not from an event; a turn with tasks left over does not sleep. */
#include "loop/loop_internal.h"

#include <event2/event.h>
#include <signal.h>
#include <sysexits.h>
#include <time.h>

/* Tasks of one round: enough for every reply of a busy turn, few enough to get back to the sockets soon. */
enum {
    TASKS_PER_ROUND = 4096
};
/* A task that defers itself for ever is a bug; loop_free() would not end. */
enum {
    ROUNDS_AT_END = 1000
};
enum {
    TICK_US = 1000000
};

struct loop_signal {
    LIST_ENTRY(loop_signal) link;
    struct event *event;
    int signo;
    void (*fn)(void *arg, int signo);
    void *arg;
};

LOG_DEFINE(log_loop, "rushd.loop");

int64_t loop_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_libevent_log(int severity, const char *message)
{
    static const enum log_level levels[] = {
        [EVENT_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [EVENT_LOG_MSG] = LOG_LEVEL_DEBUG,
        [EVENT_LOG_WARN] = LOG_LEVEL_WARN,
        [EVENT_LOG_ERR] = LOG_LEVEL_ERROR,
    };
    enum log_level level = (unsigned)severity < ARRAY_LEN(levels) ? levels[severity] : LOG_LEVEL_ERROR;
    log_write(&log_loop, level, "libevent", &LOG_S("text", message), 1);
}

static void on_libevent_fatal(int code)
{
    base_die(EX_OSERR, "libevent cannot go on (code %d)", code);
}

static void on_tick(void *arg)
{
    struct loop *l = arg;
    /* The timer is armed anew before it calls: its last deadline lies one period before the next. */
    loop_busy_tick(l, loop_now_us() - (loop_timer_due_us(l->tick) - TICK_US));
}

struct loop *loop_new(void)
{
    event_set_log_callback(on_libevent_log);
    event_set_fatal_callback(on_libevent_fatal);
    signal(SIGPIPE, SIG_IGN); /* writes to a closed peer report EPIPE */

    struct loop *l = mem_zalloc(sizeof(*l));
    struct event_config *config = event_config_new();
    if (!config)
        base_die(EX_OSERR, "out of memory");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!l->base)
        base_die(EX_OSERR, "cannot make an event base");
    TAILQ_INIT(&l->tasks);
    LIST_INIT(&l->signals);
    l->dns.resolv_conf.path = "/etc/resolv.conf";
    l->dns.hosts.path = "/etc/hosts";
    loop_busy_init(l);
    l->tick = loop_timer_new(l, on_tick, l);
    loop_timer_every(l->tick, TICK_US / 1000);
    return l;
}

/* Run up to TASKS_PER_ROUND tasks, then free what was handed in to be freed. Returns true if tasks are left.
 */
static bool run_tasks(struct loop *l)
{
    for (int budget = TASKS_PER_ROUND; budget > 0 && !TAILQ_EMPTY(&l->tasks); budget--) {
        struct loop_task *t = TAILQ_FIRST(&l->tasks);
        TAILQ_REMOVE(&l->tasks, t, link);
        t->pending = false;
        t->run(t->arg);
    }
    for (size_t i = 0; i < l->ngarbage; i++)
        mem_free(l->garbage[i]);
    l->ngarbage = 0;
    return !TAILQ_EMPTY(&l->tasks);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    loop_log_stop(l);
    loop_resolve_free_all(l);
    for (struct loop_signal *s; (s = LIST_FIRST(&l->signals));)
        loop_on_signal(l, s->signo, NULL, NULL);
    for (int round = 0; run_tasks(l); round++)
        ASSERT(round < ROUNDS_AT_END);
    loop_timer_free(l->tick);
    loop_busy_free(l);
    mem_free(l->garbage);
    event_base_free(l->base);
    mem_free(l);
}

static void run_turn(struct loop *l)
{
    int64_t t0 = loop_now_us();
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    if (!TAILQ_EMPTY(&l->tasks))
        flags |= EVLOOP_NONBLOCK;
    if (event_base_loop(l->base, flags) < 0)
        base_die(EX_OSERR, "the event loop failed");
    run_tasks(l);
    loop_busy_end(l, t0);
}

int loop_run(struct loop *l)
{
    l->stopping = false;
    loop_busy_start(l);
    while (!l->stopping)
        run_turn(l);
    return l->exit_code;
}

void loop_stop(struct loop *l, int exit_code)
{
    l->stopping = true;
    l->exit_code = exit_code;
}

static void on_deadline(void *arg)
{
    (void)arg; /* it only has to end the sleep */
}

bool loop_run_until(struct loop *l, bool (*done)(void *arg), void *arg, int64_t deadline_ms)
{
    struct loop_timer *deadline = loop_timer_new(l, on_deadline, NULL);
    loop_timer_start(deadline, deadline_ms);
    loop_busy_start(l);
    bool reached = done(arg);
    while (!reached && loop_timer_running(deadline)) {
        run_turn(l);
        reached = done(arg);
    }
    loop_timer_free(deadline);
    return reached;
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    if (t->pending)
        return;
    t->pending = true;
    TAILQ_INSERT_TAIL(&l->tasks, t, link);
    loop_busy_mark(l);
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
    if (l->ngarbage == l->garbage_cap) {
        l->garbage_cap = l->garbage_cap ? l->garbage_cap * 2 : 64;
        l->garbage = mem_grow(l->garbage, l->garbage_cap, sizeof(*l->garbage));
    }
    l->garbage[l->ngarbage++] = p;
}

static void signal_ev(evutil_socket_t signo, short events, void *arg)
{
    struct loop_signal *s = arg;
    s->fn(s->arg, s->signo);
}

void loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
    struct loop_signal *s;
    LIST_FOREACH(s, &l->signals, link)
    if (s->signo == signo)
        break;
    if (!fn) {
        if (!s)
            return;
        LIST_REMOVE(s, link);
        event_free(s->event);
        loop_free_later(l, s); /* this may be its own callback */
        return;
    }
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        s->signo = signo;
        s->event = evsignal_new(l->base, signo, signal_ev, s);
        if (!s->event || event_add(s->event, NULL) < 0)
            base_die(EX_OSERR, "cannot catch signal %d", signo);
        LIST_INSERT_HEAD(&l->signals, s, link);
    }
    s->fn = fn;
    s->arg = arg;
}
