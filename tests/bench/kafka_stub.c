/* The memory that librdkafka takes by itself: opens the handles that an embedded rushd opens (the host of the mock cluster, a
 * producer, three consumers with their subscriptions), waits until it is told to end by the end of standard input. `make bench`
 * compares its memory with rushd's. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

static rd_kafka_t *open_handle(rd_kafka_type_t type, const char *bootstrap, const char *group)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    if (bootstrap)
        rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    if (group) {
        rd_kafka_conf_set(conf, "group.id", group, why, sizeof why);
        rd_kafka_conf_set(conf, "session.timeout.ms", "6000", why, sizeof why);
        rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", why, sizeof why);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) {
        fprintf(stderr, "kafka_stub: %s\n", why);
        exit(1);
    }
    return rk;
}

static rd_kafka_t *open_consumer(const char *bootstrap, const char *group, const char *topic)
{
    rd_kafka_t *rk = open_handle(RD_KAFKA_CONSUMER, bootstrap, group);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return rk;
}

int main(void)
{
    static const char *const topics[] = {"product-ranking", "coupon-issue-events", "data-platform-transfer"};
    rd_kafka_t *host = open_handle(RD_KAFKA_PRODUCER, NULL, NULL), *consumers[3];
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(host, 1);
    if (!mock)
        return 1;
    const char *bootstrap = rd_kafka_mock_cluster_bootstraps(mock);
    for (int i = 0; i < 3; i++)
        rd_kafka_mock_topic_create(mock, topics[i], 3, 1);
    rd_kafka_t *producer = open_handle(RD_KAFKA_PRODUCER, bootstrap, NULL);
    for (int i = 0; i < 3; i++)
        consumers[i] = open_consumer(bootstrap, topics[i], topics[i]);
    for (int ended = 0; !ended;) { /* joins go on while they are polled */
        for (int i = 0; i < 3; i++) {
            rd_kafka_message_t *m = rd_kafka_consumer_poll(consumers[i], 20);
            if (m)
                rd_kafka_message_destroy(m);
        }
        fd_set in;
        struct timeval none = {0, 0};
        FD_ZERO(&in);
        FD_SET(STDIN_FILENO, &in);
        ended = select(STDIN_FILENO + 1, &in, NULL, NULL, &none) > 0;
    }
    for (int i = 0; i < 3; i++)
        rd_kafka_destroy(consumers[i]);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
    return 0;
}
