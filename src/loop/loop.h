/* The one event loop: timers, end-of-turn tasks, signals, busy time per turn (architecture section 3).
 *
 * Everything runs on one thread. Nothing here blocks after loop_new(). A process has one loop; tests make their own. */
#ifndef RUSHD_LOOP_LOOP_H
#define RUSHD_LOOP_LOOP_H

#include "base/base.h"
#include "base/queue.h"

struct loop;
struct event_base;

/* Make the loop. Ignores SIGPIPE for the process, sends libevent's own messages to the log. */
struct loop *loop_new(void);
void loop_free(
    struct loop *l); /* runs the deferred tasks that are left; timers must be stopped by their owners */
/* Run until loop_stop(). Returns the exit code given to it. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int exit_code);
/* Run turns until done(arg) is true or the deadline (ms from now) passes; returns done(arg). For tests and rushctl. */
bool loop_run_until(struct loop *l, bool (*done)(void *arg), void *arg, int64_t deadline_ms);
struct event_base *loop_base(struct loop *l); /* for pg, redis, kafka, http: libevent events of their own */

/* --- end of turn ---
 * A task runs once, after the events of this turn, before the loop sleeps: completions that may not fire before their
 * call returns, replies to flush, memory to give back (two-step death). Tasks deferred while tasks run are run in the
 * same round up to a budget, then in the next turn: nothing starves. */
struct loop_task {
    void (*run)(void *arg);
    void *arg;
    bool pending;
    TAILQ_ENTRY(loop_task) link;
};
void loop_defer(struct loop *l,
                struct loop_task *t); /* no-op while pending; the task is the caller's memory */
void loop_defer_cancel(struct loop *l, struct loop_task *t);
/* Free p with mem_free at the end of the turn. */
void loop_free_later(struct loop *l, void *p);

/* --- timers --- */
/* Timers run in real time, also under a simulated clock, and are never early. */
struct loop_timer;
typedef void loop_timer_fn(void *arg);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg); /* not running */
void loop_timer_start(struct loop_timer *t,
                      int64_t delay_ms); /* once; starting again replaces the deadline */
void loop_timer_every(struct loop_timer *t,
                      int64_t period_ms); /* missed periods are left out, the rhythm stays */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_running(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is fine; allowed inside its own callback */

/* --- signals --- */
void loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo),
                    void *arg); /* fn NULL removes */

/* --- busy time ---
 * The time from waking up to going to sleep, without the thread's run-queue wait, is observed in the timer metric
 * `rushd.loop.turn` (and in `rushd.loop.lag` how late the one-second tick came); a turn over 50 ms is one gated warning. A
 * call that blocks is seen in turns that start a timer's callback or defer a task; computing is seen in every turn. */

/* --- name resolution ---
 * Numeric addresses answer at once (but never before the call returns), /etc/hosts is honoured, everything else goes
 * through evdns with a deadline. */
struct loop_resolve; /* a running request */
struct sockaddr_storage;
struct loop_address {
    char text[64]; /* numeric, no brackets */
    int family;    /* AF_INET, AF_INET6 */
};
/* n addresses, or n == 0 and a reason. */
typedef void loop_resolved_fn(void *arg, const struct loop_address *addresses, size_t n, const char *reason);
/* A changed resolv.conf or hosts file is read anew. The request ends with fn or with loop_resolve_cancel(). */
struct loop_resolve *loop_resolve_start(struct loop *l, const char *host, int64_t timeout_ms,
                                        loop_resolved_fn *fn, void *arg);
void loop_resolve_cancel(struct loop_resolve *r); /* fn does not fire after this */

/* --- log output and the service manager --- */
/* Install a log sink on a descriptor that never blocks: a bounded ring (1 MiB) behind a non-blocking copy of fd; what does
 * not fit is counted (metric `rushd.log.dropped`) and reported in one line when there is room again. loop_log_stop()
 * writes out what is left for at most 200 ms and restores the plain sink. */
void loop_log_start(struct loop *l, int fd);
void loop_log_stop(struct loop *l);
/* sd_notify(3) when built with libsystemd and NOTIFY_SOCKET is set; else nothing. */
void loop_notify(const char *state); /* "READY=1", "STOPPING=1", "STATUS=..." */

#endif
