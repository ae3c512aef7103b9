/* The metrics of this folder, with the names that Micrometer gives to the Kafka client's (which carry no
 * unit). */
#include "kafka/kafka_internal.h"

const struct metric_def kafka_metric_sent = {
    .name = "kafka.producer.record.send.total",
    .type = METRIC_COUNTER,
    .help = "The total number of records sent.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_send_errors = {
    .name = "kafka.producer.record.error.total",
    .type = METRIC_COUNTER,
    .help = "The total number of record sends that resulted in errors.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_topic_sent = {
    .name = "kafka.producer.topic.record.send.total",
    .type = METRIC_COUNTER,
    .help = "The total number of records sent for a topic.",
    .labels = {"client.id", "topic"},
};
const struct metric_def kafka_metric_topic_send_errors = {
    .name = "kafka.producer.topic.record.error.total",
    .type = METRIC_COUNTER,
    .help = "The total number of record sends that resulted in errors for a topic.",
    .labels = {"client.id", "topic"},
};
const struct metric_def kafka_metric_queue_time = {
    .name = "kafka.producer.record.queue.time",
    .type = METRIC_TIMER,
    .unit = "seconds",
    .help = "The time from sending a record to its delivery report.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_buffer_available = {
    .name = "kafka.producer.buffer.available.bytes",
    .type = METRIC_GAUGE,
    .help = "The part of the send buffer that is not used.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_consumed = {
    .name = "kafka.consumer.fetch.manager.records.consumed.total",
    .type = METRIC_COUNTER,
    .help = "The total number of records consumed for a topic.",
    .labels = {"client.id", "topic"},
};
const struct metric_def kafka_metric_lag = {
    .name = "kafka.consumer.fetch.manager.records.lag",
    .type = METRIC_GAUGE,
    .help = "The records of a partition that are not finished yet.",
    .labels = {"client.id", "topic", "partition"},
    .max_series = 1000,
};
const struct metric_def kafka_metric_lag_max = {
    .name = "kafka.consumer.fetch.manager.records.lag.max",
    .type = METRIC_GAUGE,
    .help = "The largest lag of any partition of this client.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_rebalances = {
    .name = "kafka.consumer.coordinator.rebalance.total",
    .type = METRIC_COUNTER,
    .help = "The total number of rebalances that gave this client an assignment.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_assigned = {
    .name = "kafka.consumer.coordinator.assigned.partitions",
    .type = METRIC_GAUGE,
    .help = "The number of partitions currently assigned to this client.",
    .labels = {"client.id"},
};
const struct metric_def kafka_metric_commits = {
    .name = "kafka.consumer.coordinator.commit.total",
    .type = METRIC_COUNTER,
    .help = "The total number of offset commits that the brokers answered well.",
    .labels = {"client.id"},
};

struct metric_series *kafka_metric(const struct metric_def *def, const char *a, const char *b, const char *c)
{
    const char *values[METRIC_MAX_LABELS] = {a, b, c};
    return metric_series(metric_register(def), values);
}
