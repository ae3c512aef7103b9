/* The ports of src/service on simulated ground: a topic that reports as the test says, a partition that is consumed, dead letters,
 * a data platform. All of them write to the log of the store. */
#ifndef TESTS_FAKE_FAKE_PORTS_H
#define TESTS_FAKE_FAKE_PORTS_H

#include "fake/fake_store.h"
#include "service/ports.h"

/* --- event sink ---------------------------------------------------------------------------------------------------------- */

/* What becomes of one message. */
struct fake_delivery {
    enum event_report report;
    bool lands;       /* it is in the topic; DELIVERED always is */
    bool permanent;   /* NOT_DELIVERED for good */
    int64_t delay_ms; /* until the report; 0: at the end of the turn */
    bool held;        /* until fake_sink_report() */
};
struct fake_message { /* that landed, in the order of the topic */
    enum event_topic topic;
    char *key, *value, *request_id;
    int64_t at_us;
};
struct fake_sink {
    struct loop *loop;
    struct store *store; /* its log */
    size_t room;         /* reports outstanding at which it is full; 0: never */
    int refusals;        /* so many sends are refused; -1: all */
    enum error_kind refusal;
    bool holding; /* reports wait for fake_sink_report() */
    struct fake_delivery (*decide)(void *arg, enum event_topic topic, struct slice key, struct slice value);
    void *decide_arg;
    FAKE_LIST(struct fake_message) messages;
    FAKE_LIST(struct fake_sent *) sent; /* without a report, in the order of sending */
    size_t sends;
};
struct fake_sink *fake_sink_new(struct loop *l, struct store *s);
struct event_sink fake_sink_port(struct fake_sink *k);
/* Report message number i of those without a report. lands: it is in the topic. */
void fake_sink_report(struct fake_sink *k, size_t i, enum event_report report, bool lands);
void fake_sink_report_all(struct fake_sink *k, enum event_report report, bool lands);
size_t fake_sink_landed(const struct fake_sink *k, enum event_topic topic);
/* Reports everything outstanding as POSSIBLY_DELIVERED, as a producer does when it is freed. */
void fake_sink_free(struct fake_sink *k);

/* --- a partition ----------------------------------------------------------------------------------------------------------- */

/* One partition of a topic and who consumes it: batches as src/kafka hands them over, one at a time. */
struct fake_partition {
    struct loop *loop;
    struct store *store;
    const char *topic;
    int32_t number;
    size_t batch_max;
    struct event_handler handler;
    FAKE_LIST(struct fake_record) records;
    size_t position; /* everything before is done */
    int attempt, waits;
    bool out;     /* a batch is with the handler */
    bool inside;  /* on_batch() has not returned */
    bool stopped; /* hand nothing over */
    bool revoked; /* the batch that is out is no longer ours: done() is ignored */
    uint64_t batch_id;
    struct event_message *batch;
    /* The last done(). */
    size_t dones;
    enum event_outcome outcome;
    size_t count;
    int64_t delay_ms;
    struct loop_timer *pause;
    struct loop_task task;
    struct fake_partition *next; /* of the same group */
};
struct fake_record {
    char *key, *value; /* value NULL: tombstone */
    int64_t timestamp_ms;
};
struct fake_partition *fake_partition_new(struct loop *l, struct store *s, const char *topic,
                                          size_t batch_max);
/* Of the partition and of those that join it. */
struct event_source fake_partition_source(struct fake_partition *p);
/* Another partition for the same handler, numbered on. */
struct fake_partition *fake_partition_join(struct fake_partition *first);
/* Append; handed over at the end of the turn when the handler is set. */
void fake_partition_add(struct fake_partition *p, const char *key, const char *value);
void fake_partition_start(struct fake_partition *p, struct event_handler h);
/* Everything is done. */
bool fake_partition_idle(void *p);
/* Read it again from an offset, as after a restart. */
void fake_partition_seek(struct fake_partition *p, size_t offset);
/* The batch that is out goes to another node: its done() will be ignored. */
void fake_partition_revoke(struct fake_partition *p);
void fake_partition_free(struct fake_partition *p); /* and those that joined it */

/* --- dead letters ------------------------------------------------------------------------------------------------------------- */

struct fake_letters {
    struct loop *loop;
    struct store *store;
    int failures; /* so many puts fail RETRIABLE; -1: all */
    bool holding; /* puts wait for fake_letters_release() */
    FAKE_LIST(struct fake_letter) letters;
    FAKE_LIST(struct fake_put *) puts;
};
struct fake_letter {
    char *value, *exception, *reason;
    int64_t offset;
};
struct fake_letters *fake_letters_new(struct loop *l, struct store *s);
struct dead_letter_port fake_letters_port(struct fake_letters *d);
void fake_letters_release(struct fake_letters *d);
void fake_letters_free(struct fake_letters *d); /* puts under way end UNKNOWN */

/* --- data platform ---------------------------------------------------------------------------------------------------------- */

struct fake_reply {
    enum document_outcome outcome;
    int status;
    int64_t retry_after_ms; /* -1: not said */
};
struct fake_platform {
    struct loop *loop;
    struct store *store;
    struct fake_reply usual;                                  /* 200 */
    struct fake_reply (*decide)(void *arg, int64_t order_id); /* NULL: the usual one */
    void *decide_arg;
    bool holding;
    FAKE_LIST(int64_t) posts; /* order ids in the order of posting */
    FAKE_LIST(struct fake_post *) open;
    size_t most_open;
};
struct fake_platform *fake_platform_new(struct loop *l, struct store *s);
struct document_sink fake_platform_port(struct fake_platform *p);
void fake_platform_release(struct fake_platform *p);
size_t fake_platform_posts(const struct fake_platform *p, int64_t order_id);
void fake_platform_free(struct fake_platform *p); /* posts under way end AWAY */

#endif
