/* rd_kafka_destroy() off the loop.
 *
 * rd_kafka_destroy() joins librdkafka's threads. That takes one or two milliseconds, brokers there or not, but as
 * long as the resolver when one of them is inside getaddrinfo() (measured: 2.7 s with one that took 3 s). So a
 * dead handle goes to a thread that does nothing but destroy it: it touches no data of rushd except its own
 * record. Without application threads otherwise, this is the one place that starts one. */
#include "kafka/kafka_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct kafka_reaper {
    rd_kafka_t *rk;
    pthread_t thread;
    bool joinable;
    atomic_bool finished;
    atomic_int owners; /* the loop and the thread; the last one frees the record */
};

static void reaper_unref(struct kafka_reaper *r)
{
    if (atomic_fetch_sub(&r->owners, 1) == 1)
        mem_free(r);
}

static void *reaper_main(void *arg)
{
    struct kafka_reaper *r = arg;
    rd_kafka_destroy_flags(r->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    atomic_store(&r->finished, true);
    reaper_unref(r);
    return NULL;
}

struct kafka_reaper *kafka_reaper_start(rd_kafka_t *rk)
{
    struct kafka_reaper *r = mem_zalloc(sizeof *r);
    r->rk = rk;
    atomic_init(&r->finished, false);
    atomic_init(&r->owners, 2);

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
    if (r->joinable && atomic_load(&r->finished))
        pthread_join(r->thread, NULL);
    else if (r->joinable)
        pthread_detach(r->thread);
    reaper_unref(r);
}
