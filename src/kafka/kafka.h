/* Kafka on the loop: librdkafka only through event queues and descriptors (library facts section 1). No
 * callback of librdkafka runs anywhere but inside a drain on the loop; librdkafka stays inside this folder.
 *
 * embedded: one mock cluster inside the process (section 2 there), made by kafka_embedded_start().
 */
#ifndef RUSHD_KAFKA_KAFKA_H
#define RUSHD_KAFKA_KAFKA_H

#include "base/buf.h"
#include "base/error.h"
#include "base/option.h"

struct loop;

struct kafka_header {
    const char *name;
    const void *value;
    size_t size;
};

/* --- shared settings --- */
struct kafka_config {
    const char *bootstrap_servers; /* never "embedded" here: the address of the embedded cluster then */
    bool embedded;                 /* short timings for the mock cluster */
    const char *client_id;
    const struct option_map *librdkafka; /* passed on last, as it is */
};

/* --- producer --- */
struct kafka_producer;

enum kafka_report {
    KAFKA_DELIVERED,
    KAFKA_NOT_DELIVERED, /* certainly not in the topic: RETRIABLE, or PERMANENT (too large, unknown topic,
                            authorization) */
    KAFKA_POSSIBLY_DELIVERED, /* unknown: produce again with the same identity */
};
struct kafka_report_info {
    enum kafka_report outcome;
    struct error error;
    int32_t partition;
    int64_t offset; /* -1 unless delivered */
};
/* The delivery report of one message: exactly once, never before send returns. id is the caller's. */
typedef void kafka_report_fn(void *arg, uint64_t id, const struct kafka_report_info *info);

struct kafka_producer_config {
    const struct kafka_config *common;
    const char *acks; /* "all", "1", "0" */
    int64_t retries;  /* -1: librdkafka's */
    int64_t batch_size, linger_ms, buffer_memory, delivery_timeout_ms;
    const char *compression;
};
/* Make a producer; connects by itself, now and after every loss. NULL with e (PERMANENT) when librdkafka refuses a
 * setting; what cfg points to is not kept. acks other than "all" switch idempotence off. */
struct kafka_producer *kafka_producer_new(struct loop *l, const struct kafka_producer_config *cfg,
                                          struct error *e);
/* Make the topic known (metadata is fetched at start, not at the first message). */
void kafka_producer_topic(struct kafka_producer *p, const char *topic);
/* Produce; key and value are copied; value.p NULL is a tombstone; partition -1: by key, Java-compatible.
 * False: nothing was queued and fn will not fire; RETRIABLE when the queue is full (code QUEUE_FULL) or the
 * client is being replaced, PERMANENT when this message can never be sent (too large). */
bool kafka_producer_send(struct kafka_producer *p, const char *topic, int32_t partition, struct slice key,
                         struct slice value, const struct kafka_header *headers, size_t n,
                         kafka_report_fn *fn, void *arg, uint64_t id, struct error *e);
/* The same with the message's timestamp, 0: now. For messages that are sent again: who has no other identity is known by it. */
bool kafka_producer_send_at(struct kafka_producer *p, const char *topic, int32_t partition,
                            int64_t timestamp_ms, struct slice key, struct slice value,
                            const struct kafka_header *headers, size_t n, kafka_report_fn *fn, void *arg,
                            uint64_t id, struct error *e);
size_t kafka_producer_outstanding(const struct kafka_producer *p); /* sent, not reported */
bool kafka_producer_full(const struct kafka_producer *p);          /* above the high-water mark: hold back */
/* Create topics that are missing (admin API; through the mock API when embedded). done fires once, e is NULL
 * when all exist now, whoever made them. */
struct kafka_topic_spec {
    const char *name;
    int partitions;
    int replication_factor; /* -1: broker's default */
};
void kafka_producer_create_topics(struct kafka_producer *p, const struct kafka_topic_spec *specs, size_t n,
                                  int64_t timeout_ms, void (*done)(void *arg, const struct error *e),
                                  void *arg);
/* State of the connection to the brokers, for the health component: up when any broker is. */
void kafka_producer_on_state(struct kafka_producer *p, void (*fn)(void *arg, bool up, const char *reason),
                             void *arg);
/* Wait for the outstanding reports until the deadline, then purge (purged ones report POSSIBLY_DELIVERED).
 * closed fires once, at most a second after the deadline; the producer may be freed in it. */
void kafka_producer_close(struct kafka_producer *p, int64_t deadline_ms, void (*closed)(void *arg),
                          void *arg);
/* Free at once. What is still outstanding is reported POSSIBLY_DELIVERED before this returns. Not from inside
 * a report. NULL is fine. */
void kafka_producer_free(struct kafka_producer *p);

/* --- consumer group ---
 *
 * Messages are handed over in batches of one partition, in offset order, at most one batch of a partition at
 * a time and at most `concurrency` partitions of the group at once. The owner finishes each batch exactly
 * once; only then are its offsets stored and the next batch of that partition handed over. A slow partition
 * is paused in librdkafka; memory is bounded. */
struct kafka_consumer;

struct kafka_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1 when the broker gave none */
    struct slice key;
    struct slice value; /* p == NULL: tombstone */
    const struct kafka_header *headers;
    size_t nheaders;
};
struct kafka_batch {
    const char *topic;
    int32_t partition;
    uint64_t id; /* names the batch in kafka_consumer_done(); stale after a revoke */
    int attempt; /* 0 at first, counts the redeliveries by KAFKA_BATCH_RETRY of this same head */
    int waits;   /* the same by KAFKA_BATCH_WAIT, in a row: a RETRY between them starts it anew */
    const struct kafka_message *messages; /* copied out of librdkafka; owned by the consumer until done */
    size_t n;
};
enum kafka_batch_outcome {
    KAFKA_BATCH_DONE,  /* effects are durable for the first `count` messages: store their offsets, hand over
                          the rest. Without a rest delay_ms > 0 lets messages gather: the next batch comes so much later, or
                          when max_poll_records wait; not after a batch of as many, behind which there may be more */
    KAFKA_BATCH_RETRY, /* as DONE for the first `count`; then hand the rest over again after delay_ms with
                          attempt + 1 */
    KAFKA_BATCH_WAIT,  /* the same, but a service is away: attempt does not count up */
};
struct kafka_consumer_config {
    const struct kafka_config *common;
    const char *group_id;
    const char *group_instance_id; /* static membership, or NULL */
    const char *const *topics;     /* NULL-terminated */
    const char *auto_offset_reset; /* "earliest", "latest" */
    int64_t max_poll_records, concurrency, session_timeout_ms, heartbeat_interval_ms;
};
struct kafka_consumer_ops {
    void (*on_batch)(void *arg,
                     const struct kafka_batch *batch); /* messages stay valid until kafka_consumer_done();
                                                          never called from inside kafka_consumer_done() */
    /* Before consuming an assigned partition: the owner may lower the start offset. Call
     * kafka_consumer_start_at(). NULL: start at the group's offset. */
    void (*on_assigned)(void *arg, const char *topic, int32_t partition);
    void (*on_revoked)(void *arg, const char *topic,
                       int32_t partition); /* a batch of it is void: done() for it is ignored */
    void (*on_state)(void *arg, bool up,
                     const char *reason); /* joined and healthy, or why not (missing topic, fatal) */
};
/* Join the group, with the client id CLIENT_ID-GROUP_ID. Neither ops nor what cfg points to is kept.
 * NULL with e (PERMANENT) when librdkafka refuses a setting. A fatal error of the library is survived: everything is revoked
 * and the group joined anew. */
struct kafka_consumer *kafka_consumer_new(struct loop *l, const struct kafka_consumer_config *cfg,
                                          const struct kafka_consumer_ops *ops, void *arg, struct error *e);
/* Answer to on_assigned: start at the group's offset (offset < 0) or at the lower of it and `offset`. */
void kafka_consumer_start_at(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t offset);
/* Finish a batch, once each, also one that a revoke made void in the meantime: then only its memory is given back.
 * With count > 0 the rest has a new head, whose counts start anew with this redelivery: after RETRY its attempt is 1 and waits 0,
 * after WAIT the other way round, after DONE both are 0. */
void kafka_consumer_done(struct kafka_consumer *c, uint64_t batch_id, enum kafka_batch_outcome outcome,
                         size_t count, int64_t delay_ms);
/* Let the next batch of the partition come before this one is done: what has to keep its order has happened, the rest of the work
 * may overlap. Should this one end with a rest after all, that waits until the later one is done as well, and both are handed
 * over again. At most one more; does nothing for a void batch. */
void kafka_consumer_next(struct kafka_consumer *c, uint64_t batch_id);
bool kafka_consumer_batch_valid(const struct kafka_consumer *c, uint64_t batch_id); /* false after a revoke */
/* Call fn for each assigned partition with the messages between the last one finished and the end; -1 unknown. */
void kafka_consumer_lag(struct kafka_consumer *c,
                        void (*fn)(void *arg, const char *topic, int32_t partition, int64_t lag), void *arg);
/* Hand over no batches for now (true) or again (false): the whole group. */
void kafka_consumer_pause(struct kafka_consumer *c, bool paused);
/* Leave the group: stored offsets are committed, then every partition is revoked (batches not done are void). closed fires
 * once, at the latest at the deadline; the consumer may be freed in it. */
void kafka_consumer_close(struct kafka_consumer *c, int64_t deadline_ms, void (*closed)(void *arg),
                          void *arg);
/* Free at once, without leaving the group; no callback fires any more. Not from inside a callback other than closed. NULL is
 * fine. */
void kafka_consumer_free(struct kafka_consumer *c);

/* --- reading back ---
 * A client of its own reads topics from their oldest messages to their ends as they are when each partition is first
 * fetched, and is gone then. It joins a group of a random name (rushctl-...) to learn the partitions; no offset is committed. */
struct kafka_reader;
struct kafka_reader_range { /* [first, end) was read of this partition; first > 0: older messages are gone */
    const char *topic;
    int32_t partition;
    int64_t first, end;
    int64_t first_timestamp_ms; /* -1: the partition is empty */
};
struct kafka_reader_ops {
    void (*on_message)(void *arg,
                       const struct kafka_message *m); /* in offset order per partition; valid inside only */
    /* Once: all is read, or e (RETRIABLE: no broker answered). Topics that do not exist have no ranges. The reader may be freed
     * in it. */
    void (*on_end)(void *arg, const struct kafka_reader_range *ranges, size_t n, const struct error *e);
};
/* Start reading; topics are NULL-terminated and copied. timeout_ms: the longest silence. NULL with e (PERMANENT) when librdkafka
 * refuses a setting. */
struct kafka_reader *kafka_reader_new(struct loop *l, const struct kafka_config *common,
                                      const char *const *topics, int64_t timeout_ms,
                                      const struct kafka_reader_ops *ops, void *arg, struct error *e);
/* Free at once; nothing fires any more. Not from inside on_message. NULL is fine. */
void kafka_reader_free(struct kafka_reader *r);

/* Murmur2 as the Java client computes it, and its partition of a key: tests and the audit. */
uint32_t kafka_murmur2(const void *key, size_t n);
int32_t kafka_partition_of(const void *key, size_t n, int32_t partitions);

/* --- end --- */
/* Wait, at most this long, until all clients that are freed are destroyed: exit() must not run beside the threads of librdkafka.
 * After every producer and consumer, when no loop runs any more. */
void kafka_end(int64_t timeout_ms);

/* --- embedded cluster --- */
struct kafka_embedded;
struct kafka_embedded *kafka_embedded_start(struct error *e);
const char *kafka_embedded_bootstrap(const struct kafka_embedded *k);
/* Whether every group of this process is done with what was sent to the topics that it reads: the rest is lost with the cluster. */
bool kafka_embedded_idle(const struct kafka_embedded *k);
bool kafka_embedded_topic(struct kafka_embedded *k, const char *name, int partitions, struct error *e);
void kafka_embedded_free(struct kafka_embedded *k); /* after every producer and consumer */

#endif
