/* How long a turn keeps the thread busy, and who is told.
 *
 * Two clocks together, because neither suffices. The thread's CPU time over the turn is exact, excludes sleep
 * and run-queue wait, and misses calls that block (a disk, a resolver). Wall time since the wake-up sees
 * those, but libevent 2.1 shows the wake-up only to callbacks and only to the grain of its coarse clock. So a
 * turn counts its CPU time, and where a callback asked for the wake-up (every timer and every deferred task
 * does) and wall time since then exceeds CPU time by more than the grain and the run-queue wait, it counts
 * that. */
#include "loop/loop_internal.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    LONG_TURN_US = 50000,
    WORTH_A_LOOK_US = 1000,
    WARN_EVERY_MS = 10000
};

static const struct metric_def turn_def = {
    .name = "rushd.loop.turn",
    .type = METRIC_TIMER,
    .unit = "seconds",
    .help = "Time that one turn of the event loop kept the thread busy",
};
static const struct metric_def lag_def = {
    .name = "rushd.loop.lag",
    .type = METRIC_TIMER,
    .unit = "seconds",
    .help = "How late the one-second tick of the event loop came",
};

static int64_t thread_cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The time that the thread was ready to run and did not get a processor, since it began; 0 where Linux does
 * not say. */
static int64_t run_queue_wait_us(const struct loop_busy *b)
{
    char text[128];
    ssize_t n = b->schedstat_fd < 0 ? -1 : pread(b->schedstat_fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *end;
    strtoll(text, &end, 10); /* time on the processor */
    return strtoll(end, NULL, 10) / 1000;
}

void loop_busy_init(struct loop *l)
{
    struct loop_busy *b = &l->busy;
    struct timespec grain;
    b->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    b->grain_us = clock_getres(CLOCK_MONOTONIC_COARSE, &grain) == 0 ? grain.tv_nsec / 1000 : 10000;
    b->turns = metric_single(&turn_def);
    b->lag = metric_single(&lag_def);
    loop_busy_start(l);
}

void loop_busy_free(struct loop *l)
{
    if (l->busy.schedstat_fd >= 0)
        close(l->busy.schedstat_fd);
}

void loop_busy_start(struct loop *l)
{
    l->busy.cpu_us = thread_cpu_us();
    l->busy.waited_us = run_queue_wait_us(&l->busy);
    l->busy.woke_us = 0;
}

void loop_busy_mark(struct loop *l)
{
    if (l->busy.woke_us)
        return;
    /* Inside a callback this is the time at which epoll_wait() returned; outside it is now. libevent keeps it by the monotonic
     * clock and adds what it believes to be the distance to the date: so it must tell the present as well, for the date may
     * have stepped. */
    struct timeval woke, now;
    event_base_gettimeofday_cached(l->base, &woke);
    event_base_update_cache_time(l->base);
    event_base_gettimeofday_cached(l->base, &now);
    int64_t age_us = (int64_t)(now.tv_sec - woke.tv_sec) * 1000000 + (now.tv_usec - woke.tv_usec);
    l->busy.woke_us = loop_now_us() - (age_us > 0 ? age_us : 0);
}

void loop_busy_end(struct loop *l, int64_t t0)
{
    struct loop_busy *b = &l->busy;
    int64_t cpu_us = thread_cpu_us();
    int64_t busy_us = cpu_us - b->cpu_us;
    int64_t woke_us = b->woke_us > t0 ? b->woke_us : t0;
    int64_t wall_us = b->woke_us ? loop_now_us() - woke_us - b->grain_us : 0;
    b->cpu_us = cpu_us;
    b->woke_us = 0;
    if (wall_us - busy_us > WORTH_A_LOOK_US) {
        int64_t waited_us = run_queue_wait_us(b);
        wall_us -= waited_us - b->waited_us;
        b->waited_us = waited_us;
        if (wall_us > busy_us)
            busy_us = wall_us;
    }
    metric_observe_us(b->turns, busy_us);
    int64_t suppressed;
    if (busy_us > LONG_TURN_US && log_gate_open(&b->gate, WARN_EVERY_MS, &suppressed))
        log_warn(&log_loop, "a turn of the event loop took long", LOG_I("ms", busy_us / 1000),
                 LOG_I("suppressed", suppressed));
}

void loop_busy_tick(struct loop *l, int64_t late_us)
{
    metric_observe_us(l->busy.lag, late_us > 0 ? late_us : 0);
    l->busy.waited_us = run_queue_wait_us(&l->busy);
}
