/* Creation of topics by a producer's client. Internal to this folder. */
#ifndef RUSHD_KAFKA_KAFKA_TOPICS_H
#define RUSHD_KAFKA_KAFKA_TOPICS_H

#include "base/queue.h"
#include "kafka/kafka_internal.h"

struct kafka_topics_op;
typedef void kafka_topics_fn(void *arg, const struct error *e);

struct kafka_topics {
    struct loop *loop;
    TAILQ_HEAD(, kafka_topics_op) ops; /* not answered yet */
};

/* Make it empty. */
void kafka_topics_init(struct kafka_topics *t, struct loop *l);
/* Ask for the topics; the result comes as an event of queue. fn fires once: e NULL when all exist now. */
void kafka_topics_create(struct kafka_topics *t, rd_kafka_t *rk, rd_kafka_queue_t *queue,
                         const struct kafka_topic_spec *specs, size_t n, int64_t timeout_ms,
                         kafka_topics_fn *fn, void *arg);
/* The same for the embedded cluster. */
void kafka_topics_create_embedded(struct kafka_topics *t, struct kafka_embedded *k,
                                  const struct kafka_topic_spec *specs, size_t n, kafka_topics_fn *fn,
                                  void *arg);
/* Answer at the end of the turn without asking anybody. */
void kafka_topics_refuse(struct kafka_topics *t, const struct error *e, kafka_topics_fn *fn, void *arg);
/* Take an RD_KAFKA_EVENT_CREATETOPICS_RESULT. */
void kafka_topics_result(struct kafka_topics *t, rd_kafka_event_t *event);
/* Answer everything now with a RETRIABLE error: the client is gone. */
void kafka_topics_abort(struct kafka_topics *t);

#endif
