/* The inside of a consumer, shared by the files that make it up. Internal to this folder.
 *
 * kafka_consumer.c: the handle, its events, states and close. kafka_assign.c: who gets which partition and
 * where it starts. kafka_partition.c: buffers of messages, batches and their outcomes. */
#ifndef RUSHD_KAFKA_KAFKA_GROUP_H
#define RUSHD_KAFKA_KAFKA_GROUP_H

#include "base/queue.h"
#include "kafka/kafka_internal.h"

/* A message copied out of librdkafka; headers, key and value follow in the same memory. */
struct kafka_item {
    TAILQ_ENTRY(kafka_item) link;
    struct kafka_message message;
    size_t size;
};
TAILQ_HEAD(kafka_items, kafka_item);

/* One batch at work and one before it that is all but finished. */
#define PARTITION_OUT_MAX 2

/* A batch that the owner has. */
struct kafka_handout {
    TAILQ_ENTRY(kafka_handout) link, partition_link;
    struct kafka_batch batch;
    struct kafka_partition
        *partition; /* NULL: void after a revoke, kept because the owner may still read it */
    struct kafka_items items;
    size_t size;   /* bytes of the items */
    bool ahead;    /* the owner lets the next batch of the partition come */
    bool finished; /* by the owner; the partition waits for one before it, or, with a rest, behind it */
    enum kafka_batch_outcome outcome; /* as handed in by kafka_consumer_done(), like count and delay_ms */
    size_t count;
    int64_t delay_ms;
    struct kafka_message messages[];
};

TAILQ_HEAD(kafka_handouts, kafka_handout);

enum partition_state {
    PARTITION_WAITING,   /* ours, but librdkafka is not told yet: its start is not known */
    PARTITION_IDLE,      /* nothing to hand over */
    PARTITION_READY,     /* in the line for a batch */
    PARTITION_OUT,       /* the owner has batches of it, and may not get another one yet */
    PARTITION_DELAYED,   /* the owner wants its batch again, later */
    PARTITION_GATHERING, /* the owner wants the next batch later, or when it is full */
};

/* A partition that the group gave to this consumer. */
struct kafka_partition {
    TAILQ_ENTRY(kafka_partition) link;
    TAILQ_ENTRY(kafka_partition) ready_link;
    struct kafka_consumer *consumer;
    struct kafka_topic *topic;
    int32_t number;
    enum partition_state state;

    /* start (kafka_assign.c) */
    bool answered;  /* the owner called kafka_consumer_start_at() */
    int64_t wanted; /* its offset, -1: the group's */
    bool resolved;  /* start is known */
    int64_t start;  /* RD_KAFKA_OFFSET_STORED or an offset */

    /* buffer (kafka_partition.c) */
    struct kafka_items items;
    size_t nitems, bytes;
    int64_t next;    /* behind the last message received, -1: none yet */
    int64_t done;    /* everything below is finished, -1: unknown */
    int64_t overlap; /* librdkafka was told to start here again: what was received since then comes twice. -1:
                        no */
    int attempt, waits;
    bool paused;               /* in librdkafka */
    bool store_pending;        /* librdkafka did not take `done`, try again */
    struct kafka_handouts out; /* in offset order, at most PARTITION_OUT_MAX */
    size_t nout, nitems_out;
    struct loop_timer *delay;
};

struct kafka_topic {
    char *name;
    bool missing; /* the brokers do not know it, or not for us */
    struct metric_series *consumed;
};

enum consumer_state {
    CONSUMER_RUNNING,
    CONSUMER_FAILED,  /* fatal error: the handle goes at the end of the turn */
    CONSUMER_RESTART, /* no handle: waits to make a new one */
    CONSUMER_CLOSING, /* leaving the group: serves the queue until librdkafka has closed */
    CONSUMER_REAPING, /* the handle is being destroyed */
    CONSUMER_CLOSED,
};

struct kafka_consumer {
    struct loop *loop;
    enum consumer_state state;
    rd_kafka_conf_t *conf; /* of each handle */
    rd_kafka_t *rk;        /* NULL in RESTART, REAPING, CLOSED */
    struct kafka_bridge bridge;
    struct kafka_reaper *reaper;
    struct kafka_embedded *embedded;
    char *group, *client_id;
    bool reset_to_latest;
    struct kafka_topic *topics;
    size_t ntopics;
    const char **topic_names; /* NULL-terminated */
    struct kafka_consumer_ops ops;
    void *arg;
    size_t max_records, concurrency;

    TAILQ_HEAD(, kafka_partition) partitions;
    TAILQ_HEAD(, kafka_partition) ready;
    TAILQ_HEAD(, kafka_handout) out; /* void ones too */
    size_t npartitions, nout; /* nout: those at work, without void ones and those that let the next come */
    size_t buffer_bytes;      /* bound of one partition's buffer */
    struct kafka_partition *last; /* of the last message: they come in runs */
    uint64_t batch_id;
    bool paused;
    struct loop_task dispatch;

    /* assignment (kafka_assign.c) */
    uint64_t generation;     /* of the assignment: an answer to an older one is dropped */
    bool assign_pending;     /* librdkafka waits for rd_kafka_assign() */
    bool hold_over;          /* it has waited long enough: those without a start come later */
    bool lookup_running;     /* the group's offsets were asked for */
    struct loop_timer *hold; /* until hold_over */
    struct loop_timer *lookup_retry;
    struct loop_task assign;

    /* health */
    bool joined, brokers_up, up, up_told;
    int64_t unjoined_us; /* since when it has no assignment */
    char trouble[200];   /* another reason not to be up; "" none */
    int64_t joined_us;   /* the last assignment */
    int restarts;        /* without a healthy time in between */

    struct loop_timer *timer; /* of the states without a running handle */
    struct loop_task step;
    int64_t close_deadline_us;
    void (*closed)(void *arg);
    void *closed_arg;
    struct kafka_log_gate log_gate;
    struct metric_series *rebalances, *assigned, *commits, *lag_max;
};

/* --- kafka_assign.c --- */
void kafka_assign_init(struct kafka_consumer *c);
void kafka_assign_free(struct kafka_consumer *c);
void kafka_assign_rebalance(struct kafka_consumer *c, rd_kafka_event_t *event);
/* Take the group's offsets (RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT). */
void kafka_assign_offsets(struct kafka_consumer *c, rd_kafka_event_t *event);
/* Take every partition from the owner: its batches are void. */
void kafka_assign_drop(struct kafka_consumer *c);
/* If librdkafka waits for an answer to a rebalance, give it an empty one: the consumer closes. */
void kafka_assign_refuse(struct kafka_consumer *c);

/* --- kafka_partition.c --- */
struct kafka_partition *kafka_partition_new(struct kafka_consumer *c, struct kafka_topic *topic,
                                            int32_t number);
/* Forget the buffer, void the batch that is out. */
void kafka_partition_free(struct kafka_partition *p);
struct kafka_partition *kafka_partition_find(struct kafka_consumer *c, const char *topic, int32_t number);
void kafka_partition_take(struct kafka_partition *p, const rd_kafka_message_t *m); /* copies */
void kafka_partition_pause(struct kafka_partition *p, bool paused);
void kafka_partition_store(struct kafka_partition *p);        /* tell librdkafka what is done */
int64_t kafka_partition_lag(const struct kafka_partition *p); /* -1 unknown */
void kafka_partition_show_lag(const struct kafka_partition *p, int64_t lag);
void kafka_handout_free(struct kafka_consumer *c, struct kafka_handout *h);
void kafka_dispatch_init(struct kafka_consumer *c);
void kafka_dispatch(struct kafka_consumer *c); /* hand over what may be handed over, at the end of the turn */

/* --- kafka_consumer.c --- */
struct kafka_topic *kafka_consumer_topic(struct kafka_consumer *c, const char *name);
/* Work out whether the consumer is up and tell the owner when that changed. */
void kafka_consumer_health(struct kafka_consumer *c);

#endif
