/* rd_kafka_destroy() off the loop.
 *
 * rd_kafka_destroy() joins librdkafka's threads. That takes one or two milliseconds, brokers there or not, but as
 * long as the resolver when one of them is inside getaddrinfo() (measured: 2.7 s with one that took 3 s). So a
 * dead handle goes to a thread that does nothing but destroy it: it touches no data of rushd except its own
 * record. Without application threads otherwise, this is the one place that starts one.
 *
 * A process must not end beside such a thread: exit() takes apart what librdkafka still uses, and half a client looks like a
 * leak. So a reaper that is let go while it works stays in a list, and kafka_end() waits for those. */
#include "kafka/kafka_internal.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/queue.h"

struct kafka_reaper {
    LIST_ENTRY(kafka_reaper) link; /* among those let go */
    rd_kafka_t *rk;
    pthread_t thread;
    bool joinable;
    atomic_bool finished;
};

static LIST_HEAD(, kafka_reaper) let_go = LIST_HEAD_INITIALIZER(let_go);

static void *reaper_main(void *arg)
{
    struct kafka_reaper *r = arg;
    rd_kafka_destroy_flags(r->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    atomic_store(&r->finished, true);
    return NULL;
}

static void reaper_free(struct kafka_reaper *r)
{
    if (r->joinable)
        pthread_join(r->thread, NULL); /* it has nothing left to do */
    mem_free(r);
}

static void free_finished(void)
{
    struct kafka_reaper *next;
    for (struct kafka_reaper *r = LIST_FIRST(&let_go); r; r = next) {
        next = LIST_NEXT(r, link);
        if (!kafka_reaper_finished(r))
            continue;
        LIST_REMOVE(r, link);
        reaper_free(r);
    }
}

struct kafka_reaper *kafka_reaper_start(rd_kafka_t *rk)
{
    free_finished();
    struct kafka_reaper *r = mem_zalloc(sizeof *r);
    r->rk = rk;
    atomic_init(&r->finished, false);

    /* Signals belong to the loop's thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r->joinable = pthread_create(&r->thread, NULL, reaper_main, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!r->joinable) {
        log_warn(&kafka_logger, "no thread to destroy a client with, the loop waits for it");
        reaper_main(r);
    }
    return r;
}

bool kafka_reaper_finished(const struct kafka_reaper *r)
{
    return atomic_load(&r->finished);
}

void kafka_reaper_release(struct kafka_reaper *r)
{
    if (!r)
        return;
    if (kafka_reaper_finished(r))
        reaper_free(r);
    else
        LIST_INSERT_HEAD(&let_go, r, link);
}

void kafka_end(int64_t timeout_ms)
{
    int64_t deadline_us = clock_mono_us() + timeout_ms * 1000;
    free_finished();
    while (!LIST_EMPTY(&let_go) && clock_mono_us() < deadline_us) {
        poll(NULL, 0, 1);
        free_finished();
    }
    if (!LIST_EMPTY(&let_go))
        log_warn(&kafka_logger, "a Kafka client does not end, the process ends without it");
}
