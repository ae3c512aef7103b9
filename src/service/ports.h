/* What the flows need from outside besides the store: somewhere to publish events, somewhere events come
 * from, somewhere to forward documents. app wires them to Kafka, to the embedded cluster, or to handlers in
 * this process (local mode). */
#ifndef RUSHD_SERVICE_PORTS_H
#define RUSHD_SERVICE_PORTS_H

#include "base/error.h"
#include "base/str.h"

enum event_topic {
    EVENT_ORDER_COMPLETED,
    EVENT_PRODUCT_RANKING,
    EVENT_DATA_PLATFORM,
    EVENT_COUPON_ISSUE,
    EVENT_TOPIC_COUNT,
};

struct event_header {
    const char *name;
    const void *value;
    size_t size;
};

/* --- publishing --- */
enum event_report {
    EVENT_DELIVERED,
    EVENT_NOT_DELIVERED,      /* certain; error kind RETRIABLE or PERMANENT */
    EVENT_POSSIBLY_DELIVERED, /* publish again with the same identity */
};
/* Exactly once per accepted send, never before send returns. */
typedef void event_report_fn(void *arg, uint64_t id, enum event_report report, const struct error *e);

struct event_sink_ops {
    /* Key and value are copied. False: nothing was taken, fn will not fire (back-pressure or broken:
     * RETRIABLE). The sink adds the type header. */
    bool (*send)(void *self, enum event_topic topic, struct slice key, struct slice value,
                 const struct event_header *headers, size_t n, event_report_fn *fn, void *arg, uint64_t id,
                 struct error *e);
    /* Hold back: above the high-water mark. */
    bool (*full)(void *self);
};
struct event_sink {
    const struct event_sink_ops *ops;
    void *self;
};

/* --- consuming --- */
struct event_message {
    const char *topic; /* configured name */
    int32_t partition;
    int64_t offset;       /* -1: none, the message never was in a topic (local mode) */
    int64_t timestamp_ms; /* -1: unknown */
    struct slice key;
    struct slice value; /* p == NULL: tombstone */
    const struct event_header *headers;
    size_t nheaders;
};
/* Messages of one partition in offset order. Valid until the handler finishes the batch. */
struct event_batch {
    uint64_t id;
    const char *topic;
    int32_t partition;
    int attempt; /* how often its head has been handed over again by EVENT_RETRY; with count > 0 the new head begins at 1 */
    int waits; /* the same by EVENT_WAIT, in a row: pauses grow by it */
    const struct event_message *messages;
    size_t n;
};
enum event_outcome {
    EVENT_DONE, /* the effects of the first `count` messages are durable; hand over the rest. Without a rest delay_ms is a
                    wish: the next batch so much later, or when it is full; not after a full one */
    EVENT_RETRY, /* the same, then hand the rest over again after delay_ms with attempt + 1 */
    EVENT_WAIT,  /* the same, but a service is away: attempt does not count up */
};
struct event_source_ops {
    /* Finish a batch, exactly once, not before on_batch returned. */
    void (*done)(void *self, uint64_t batch_id, enum event_outcome outcome, size_t count, int64_t delay_ms);
    /* False when the partition was taken away: effects are still welcome, done() is ignored. */
    bool (*valid)(void *self, uint64_t batch_id);
    /* Let the next batch of the partition come, at most one more, before done() of this one: what has to keep its order has
     * happened. done() stays due, in any order; should this batch end with a rest, the later one comes again behind it. NULL: one
     * batch at a time. */
    void (*next)(void *self, uint64_t batch_id);
};
struct event_source {
    const struct event_source_ops *ops;
    void *self;
};
/* A flow that consumes: app hands batches to it and routes its done() back. */
struct event_handler {
    void (*on_batch)(void *self, const struct event_batch *batch);
    void *self;
};

/* --- dead letters --- */
/* Move a message to <topic>-dlt with Spring's kafka_dlt-* headers (or to table dead_letters in local mode).
 * done: kind NONE (or e NULL) when it is safe there; never before put returns. Message and texts stay valid until then. */
struct dead_letter_ops {
    void (*put)(void *self, const struct event_message *m, const char *group, const char *exception,
                const char *reason, void (*done)(void *arg, const struct error *e), void *arg);
};
struct dead_letter_port {
    const struct dead_letter_ops *ops;
    void *self;
};

/* --- reading back --- */
/* What was read of a partition: the messages [first, end). first > 0: older ones are gone. */
struct event_range {
    const char *topic;
    int32_t partition;
    int64_t first, end;
    int64_t first_timestamp_ms; /* of the first message, -1: there is none */
};
struct event_history_ops {
    /* Give every message that these topics (NULL-terminated) hold from the oldest one to the ends as they are after the call, in
     * offset order per partition; nothing is committed. Topics that do not exist have no ranges. done fires once, never before this
     * returns, with what was read, or e. One reading at a time. */
    void (*read)(void *self, const char *const *topics,
                 void (*on_message)(void *arg, const struct event_message *m),
                 void (*done)(void *arg, const struct event_range *ranges, size_t n, const struct error *e),
                 void *arg);
};
struct event_history {
    const struct event_history_ops *ops;
    void *self;
};

/* --- documents --- */
enum document_outcome {
    DOCUMENT_ACCEPTED, /* 2xx */
    DOCUMENT_REFUSED,  /* 4xx but 408, 425, 429: the document itself is wrong */
    DOCUMENT_AWAY,     /* no answer, 5xx, 429: try later */
};
struct document_sink_ops {
    /* POST with Idempotency-Key: {order_id}. retry_after_ms is -1 when the platform did not say. */
    void (*post)(void *self, int64_t order_id, struct slice document,
                 void (*done)(void *arg, enum document_outcome outcome, int status, int64_t retry_after_ms,
                              const struct error *e),
                 void *arg);
};
struct document_sink {
    const struct document_sink_ops
        *ops; /* NULL: data-platform.url is empty; documents are counted and logged */
    void *self;
};

#endif
