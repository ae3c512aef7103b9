/* What the files of src/loop share. */
#ifndef RUSHD_LOOP_LOOP_INTERNAL_H
#define RUSHD_LOOP_LOOP_INTERNAL_H

#include <sys/stat.h>

#include "base/log.h"
#include "base/metric.h"
#include "loop/loop.h"

struct event;
struct evdns_base;
struct loop_log;

TAILQ_HEAD(loop_task_list, loop_task);
LIST_HEAD(loop_signal_list, loop_signal);

/* How long this turn has been busy: see loop_busy.c. */
struct loop_busy {
    int schedstat_fd;  /* /proc/thread-self/schedstat, or -1 */
    int64_t waited_us; /* run-queue wait of the thread when it was last read */
    int64_t cpu_us;    /* CPU time of the thread when the last turn ended */
    int64_t woke_us;   /* this turn's wake-up, 0 while no callback has asked for it */
    int64_t grain_us;  /* resolution of the time that libevent keeps */
    struct metric_series *turns;
    struct metric_series *lag;
    struct log_gate gate;
};

struct loop_dns {
    struct evdns_base *base; /* NULL until the first name */
    size_t running;          /* requests that evdns still owes an answer */
    struct loop_dns_file {
        const char *path;         /* tests bring their own */
        struct timespec modified; /* when base was made from it */
    } resolv_conf, hosts;
};

struct loop {
    struct event_base *base;
    bool stopping;
    int exit_code;
    struct loop_task_list tasks;
    void **garbage; /* memory to give back at the end of the turn */
    size_t ngarbage, garbage_cap;
    struct loop_signal_list signals;
    struct loop_busy busy;
    struct loop_timer *tick; /* every second */
    struct loop_dns dns;
    struct loop_log *log;
};

extern struct logger log_loop;

/* The real clock, also under a simulated one: timers and descriptors live in real time. */
int64_t loop_now_us(void);

void loop_busy_init(struct loop *l);                  /* registers the metrics */
void loop_busy_free(struct loop *l);                  /* closes its descriptor */
void loop_busy_start(struct loop *l);                 /* loop_run begins: what came before is not a turn */
void loop_busy_mark(struct loop *l);                  /* inside a callback: learn when this turn woke up */
void loop_busy_end(struct loop *l, int64_t t0);       /* the turn that was entered at t0 is over */
void loop_busy_tick(struct loop *l, int64_t late_us); /* the one-second tick came, this much late */

int64_t loop_timer_due_us(const struct loop_timer *t); /* the deadline, in loop_now_us() time */

void loop_resolve_free_all(struct loop *l); /* the loop ends: fail what evdns still works on */

#endif
