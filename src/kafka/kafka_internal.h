/* What the files of this folder share; nobody outside includes it, except its own tests. */
#ifndef RUSHD_KAFKA_KAFKA_INTERNAL_H
#define RUSHD_KAFKA_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "kafka/kafka.h"
#include "loop/loop.h"

struct event;

extern struct logger kafka_logger; /* rushd.kafka */

/* --- kafka_bridge.c: one event queue of librdkafka on the loop --- */

/* Called on the loop for each event; the bridge destroys the event when this returns. Must not close the
 * bridge. */
typedef void kafka_bridge_fn(void *arg, rd_kafka_event_t *event);

struct kafka_bridge {
    rd_kafka_queue_t *queue; /* NULL while closed */
    kafka_bridge_fn *fn;
    void *arg;
    int fd; /* eventfd: written by librdkafka's threads when the queue is no longer empty */
    struct event *ev;
    struct loop_timer *tick;
    bool draining;
    bool held;         /* the owner wants no event for now */
    bool held_at_tick; /* it was so at the last tick and has been since */
    bool stalled;      /* drained although held, until the owner goes on */
};

/* Serve queue (the bridge takes the reference) until kafka_bridge_close(). */
void kafka_bridge_open(struct kafka_bridge *b, struct loop *l, rd_kafka_queue_t *queue, kafka_bridge_fn *fn,
                       void *arg);
/* Stop serving and give the queue back; events left in it are lost. No-op while closed. Not from inside fn.
 */
void kafka_bridge_close(struct kafka_bridge *b);
/* Let events wait in the queue from now on, two seconds at most while nothing goes on; they are handled again after
 * kafka_bridge_go_on(). From inside fn this is the last event of the drain. Both are no-ops when it is so already. */
void kafka_bridge_hold(struct kafka_bridge *b);
void kafka_bridge_go_on(struct kafka_bridge *b);

/* --- kafka_wait.c --- */

/* A step of the date does not reach into the waits of librdkafka's threads. (Who asks has the file linked.) */
bool kafka_waits_monotonic(void);

/* --- kafka_conf.c: settings --- */

enum {
    KAFKA_PRODUCER_MAX_MESSAGES = 50000
}; /* sent and not reported; undrained reports count too */

/* A configuration to be used by rd_kafka_conf_dup(); NULL with e set (PERMANENT) when librdkafka refuses a
 * value. */
rd_kafka_conf_t *kafka_conf_producer(const struct kafka_producer_config *cfg, struct error *e);
rd_kafka_conf_t *kafka_conf_consumer(const struct kafka_consumer_config *cfg, struct error *e);

/* --- kafka_event.c: what producer and consumer do alike with events --- */

/* One line in rushd.kafka; a flood of the same kind of lines is cut by gate. */
struct kafka_log_gate {
    int64_t window_us; /* start of the current window */
    int lines;         /* written in it */
    int64_t dropped;   /* left out in it */
};
void kafka_event_log(const char *client, struct kafka_log_gate *gate, rd_kafka_event_t *event);
void kafka_error_set(struct error *e, enum error_kind kind, rd_kafka_resp_err_t err, const char *what);

/* What one statistics report says. */
struct kafka_stats {
    int brokers_up;
    void (*on_partition)(void *arg, const char *topic, int32_t partition,
                         int64_t next_offset); /* may be NULL */
    void *arg;
};
void kafka_stats_read(rd_kafka_event_t *event, struct kafka_stats *stats);

/* --- kafka_reaper.c: rd_kafka_destroy() off the loop --- */
struct kafka_reaper;
/* Destroy rk elsewhere; nothing may use it, its queues or topics any more. */
struct kafka_reaper *kafka_reaper_start(rd_kafka_t *rk);
bool kafka_reaper_finished(const struct kafka_reaper *r);
/* Let go of the reaper, finished or not; never blocks. NULL is fine. kafka_end() waits for those that are not. */
void kafka_reaper_release(struct kafka_reaper *r);

/* --- kafka_embedded.c: what keeps the embedded cluster from overwriting unread messages --- */

/* The running embedded cluster with this bootstrap address, or NULL. */
struct kafka_embedded *kafka_embedded_find(const char *bootstrap_servers);
/* Ask for room for one message. *partition -1 is replaced by the partition that it must go to. False: the
 * readers of that partition are too far behind; nothing was taken. */
bool kafka_embedded_admit(struct kafka_embedded *k, const char *topic, struct slice key, size_t size,
                          int32_t *partition);
/* Its delivery report: offset -1 gives the room back. */
void kafka_embedded_reported(struct kafka_embedded *k, const char *topic, int32_t partition, size_t size,
                             int64_t offset);
/* A group of this process reads these topics (NULL-terminated) from now on / no longer. */
void kafka_embedded_join(struct kafka_embedded *k, const char *group, const char *const *topics);
void kafka_embedded_leave(struct kafka_embedded *k, const char *group, const char *const *topics);
/* The group is done with everything below next_offset. */
void kafka_embedded_consumed(struct kafka_embedded *k, const char *group, const char *topic,
                             int32_t partition, int64_t next_offset);
/* The mock cluster, for tests that inject faults. */
struct rd_kafka_mock_cluster_s *kafka_embedded_mock(struct kafka_embedded *k);

/* --- kafka_metric.c --- */
extern const struct metric_def kafka_metric_sent, kafka_metric_send_errors, kafka_metric_topic_sent,
    kafka_metric_topic_send_errors, kafka_metric_queue_time, kafka_metric_buffer_available,
    kafka_metric_consumed, kafka_metric_lag, kafka_metric_lag_max, kafka_metric_rebalances,
    kafka_metric_assigned, kafka_metric_commits;
/* The series of def with these label values (NULL ends them early). */
struct metric_series *kafka_metric(const struct metric_def *def, const char *a, const char *b, const char *c);

/* --- inside of the producer, for tests --- */
rd_kafka_t *kafka_producer_handle(struct kafka_producer *p);
rd_kafka_t *kafka_consumer_handle(struct kafka_consumer *c);

#endif
