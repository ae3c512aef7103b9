/* Creation of topics: by the admin API, whose result is an event, or in the embedded cluster, which has no
 * such API.
 *
 * The library answers each request by the time-out given to it, with an error if need be; when the client
 * dies first, kafka_topics_abort() answers. */
#include "kafka/kafka_topics.h"

struct kafka_topics_op {
    TAILQ_ENTRY(kafka_topics_op) link;
    struct kafka_topics *owner;
    kafka_topics_fn *fn;
    void *arg;
    struct error error;      /* kind NONE: all well */
    struct loop_task answer; /* used when the outcome is known at once */
};

static void op_answer(struct kafka_topics_op *op)
{
    TAILQ_REMOVE(&op->owner->ops, op, link);
    loop_defer_cancel(op->owner->loop, &op->answer);
    op->fn(op->arg, op->error.kind == ERROR_NONE ? NULL : &op->error);
    mem_free(op);
}

static void on_op_answer(void *arg)
{
    op_answer(arg);
}

static struct kafka_topics_op *op_new(struct kafka_topics *t, kafka_topics_fn *fn, void *arg)
{
    struct kafka_topics_op *op = mem_zalloc(sizeof *op);
    op->owner = t;
    op->fn = fn;
    op->arg = arg;
    op->answer = (struct loop_task){.run = on_op_answer, .arg = op};
    TAILQ_INSERT_TAIL(&t->ops, op, link);
    return op;
}

void kafka_topics_init(struct kafka_topics *t, struct loop *l)
{
    t->loop = l;
    TAILQ_INIT(&t->ops);
}

void kafka_topics_refuse(struct kafka_topics *t, const struct error *e, kafka_topics_fn *fn, void *arg)
{
    struct kafka_topics_op *op = op_new(t, fn, arg);
    op->error = *e;
    loop_defer(t->loop, &op->answer);
}

void kafka_topics_create_embedded(struct kafka_topics *t, struct kafka_embedded *k,
                                  const struct kafka_topic_spec *specs, size_t n, kafka_topics_fn *fn,
                                  void *arg)
{
    struct error e = ERROR_INIT;
    for (size_t i = 0; i < n; i++)
        if (!kafka_embedded_topic(k, specs[i].name, specs[i].partitions, &e))
            break;
    kafka_topics_refuse(t, &e, fn, arg);
}

static rd_kafka_AdminOptions_t *options_new(rd_kafka_t *rk, int64_t timeout_ms, void *opaque)
{
    char why[200];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    int64_t bounded = timeout_ms < 1000 ? 1000 : timeout_ms > 3600000 ? 3600000 : timeout_ms;
    rd_kafka_AdminOptions_set_request_timeout(options, (int)bounded, why, sizeof why);
    rd_kafka_AdminOptions_set_operation_timeout(options, (int)bounded, why, sizeof why);
    rd_kafka_AdminOptions_set_opaque(options, opaque);
    return options;
}

void kafka_topics_create(struct kafka_topics *t, rd_kafka_t *rk, rd_kafka_queue_t *queue,
                         const struct kafka_topic_spec *specs, size_t n, int64_t timeout_ms,
                         kafka_topics_fn *fn, void *arg)
{
    char why[200];
    struct error e = ERROR_INIT;
    rd_kafka_NewTopic_t **topics = mem_array(n, sizeof *topics);
    size_t made = 0;
    for (; made < n; made++) {
        topics[made] = rd_kafka_NewTopic_new(specs[made].name, specs[made].partitions,
                                             specs[made].replication_factor, why, sizeof why);
        if (!topics[made]) {
            error_set(&e, ERROR_PERMANENT, "INVALID_TOPIC", "%s: %s", specs[made].name, why);
            break;
        }
    }
    if (made < n || n == 0) {
        kafka_topics_refuse(t, &e, fn, arg);
    } else {
        rd_kafka_AdminOptions_t *options = options_new(rk, timeout_ms, op_new(t, fn, arg));
        rd_kafka_CreateTopics(rk, topics, n, options, queue);
        rd_kafka_AdminOptions_destroy(options);
    }
    rd_kafka_NewTopic_destroy_array(topics, made);
    mem_free(topics);
}

static enum error_kind kind_of(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return ERROR_PERMANENT;
    default:
        return ERROR_RETRIABLE;
    }
}

void kafka_topics_result(struct kafka_topics *t, rd_kafka_event_t *event)
{
    struct kafka_topics_op *op = rd_kafka_event_opaque(event);
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (err) {
        kafka_error_set(&op->error, kind_of(err), err, "creation of topics");
        op_answer(op);
        return;
    }
    size_t n;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    for (size_t i = 0; i < n; i++) {
        err = rd_kafka_topic_result_error(results[i]);
        if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && op->error.kind == ERROR_NONE)
            kafka_error_set(&op->error, kind_of(err), err, rd_kafka_topic_result_name(results[i]));
    }
    op_answer(op);
}

void kafka_topics_abort(struct kafka_topics *t)
{
    struct kafka_topics_op *op;
    while ((op = TAILQ_FIRST(&t->ops))) {
        if (!op->answer.pending) /* else its outcome is known already */
            error_set(&op->error, ERROR_RETRIABLE, "CLOSED",
                      "creation of topics: the Kafka client was closed");
        op_answer(op);
    }
}
