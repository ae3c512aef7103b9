/* The settings of a client: rushd's options, what library facts 1.7 recommends, then what the operator passes
 * on. */
#include "kafka/kafka_internal.h"

#include <inttypes.h>
#include <stdio.h>

static bool conf_set(rd_kafka_conf_t *conf, const char *key, const char *value, struct error *e)
{
    char why[200];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return true;
    error_set(e, ERROR_PERMANENT, "KAFKA_CONFIG", "%s: %s", key, why);
    return false;
}

static bool conf_set_int(rd_kafka_conf_t *conf, const char *key, int64_t value, struct error *e)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return conf_set(conf, key, text, e);
}

struct conf_pair {
    const char *key, *value;
};

/* The mock cluster goes through all message sets that it keeps of a partition, some megabytes, for each fetch: few large ones,
 * not compressed, cost a tenth of many small ones. */
#define EMBEDDED_BATCH_BYTES (128 * 1024)

static bool conf_set_all(rd_kafka_conf_t *conf, const struct conf_pair *pairs, struct error *e)
{
    for (; pairs->key; pairs++)
        if (pairs->value && !conf_set(conf, pairs->key, pairs->value, e))
            return false;
    return true;
}

/* Keys on which the promises of rushd rest: an operator's value would break them silently. */
static bool conf_is_reserved(const char *key, const char *value)
{
    static const char *const reserved[] = {
        "log.queue",          "enable.auto.offset.store", "enable.auto.commit",
        "auto.commit.enable", "transactional.id",         "group.id",
        "group.instance.id",  "test.mock.num.brokers",    "statistics.interval.ms",
    };
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (strcmp(key, reserved[i]) == 0)
            return true;
    return strcmp(key, "partition.assignment.strategy") == 0 && strstr(value, "cooperative");
}

static bool conf_pass_on(rd_kafka_conf_t *conf, const struct option_map *map, struct error *e)
{
    for (size_t i = 0; map && i < map->len; i++) {
        const char *key = map->entries[i].key, *value = map->entries[i].value;
        if (conf_is_reserved(key, value)) {
            error_set(e, ERROR_PERMANENT, "KAFKA_CONFIG",
                      "kafka.librdkafka.%s = %s: rushd sets this key itself", key, value);
            return false;
        }
        char why[200];
        if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
            error_set(e, ERROR_PERMANENT, "KAFKA_CONFIG", "kafka.librdkafka.%s: %s", key, why);
            return false;
        }
    }
    return true;
}

static bool conf_common(rd_kafka_conf_t *conf, const struct kafka_config *cfg, struct error *e)
{
    const struct conf_pair pairs[] = {
        {"bootstrap.servers", cfg->bootstrap_servers},
        {"client.software.name", "rushd"},
        {"log.queue", "true"},
        {"log.thread.name", "false"},
        {"statistics.interval.ms", "1000"}, /* the only way to learn that a broker is up */
        {"socket.nagle.disable", "true"},
        {"socket.keepalive.enable", "true"},
        {"reconnect.backoff.ms", "100"},
        {"reconnect.backoff.max.ms", "500"}, /* the default of 10 s would outlast the outage */
        {NULL, NULL},
    };
    if (!kafka_waits_monotonic())
        log_warn(&kafka_logger, "if this machine's clock is put back, the Kafka client pauses for as long");
    return conf_set_all(conf, pairs, e);
}

rd_kafka_conf_t *kafka_conf_producer(const struct kafka_producer_config *cfg, struct error *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool all = strcmp(cfg->acks, "all") == 0 || strcmp(cfg->acks, "-1") == 0;
    bool embedded = cfg->common->embedded;
    const struct conf_pair pairs[] = {
        {"client.id", cfg->common->client_id},
        {"acks", cfg->acks},
        /* Idempotence needs acks=all; without it a retry may write a message twice. */
        {"enable.idempotence", all ? "true" : "false"},
        /* With two in flight, a broker that knows nothing of this producer yet (a new partition) takes the second when it refused
         * the first for the moment; the first can never follow, and the library counts it as delivered, for the second was. */
        {"max.in.flight.requests.per.connection", "1"},
        {"partitioner", "murmur2_random"}, /* Java's: the same key goes to the same partition */
        {"compression.codec", embedded ? "none" : cfg->compression},
        {NULL, NULL},
    };
    int64_t batch_size = cfg->batch_size;
    if (embedded && batch_size < EMBEDDED_BATCH_BYTES)
        batch_size = EMBEDDED_BATCH_BYTES;
    int64_t kbytes = cfg->buffer_memory / 1024;
    bool ok = conf_common(conf, cfg->common, e) && conf_set_all(conf, pairs, e) &&
              (cfg->retries < 0 || conf_set_int(conf, "retries", cfg->retries, e)) &&
              conf_set_int(conf, "batch.size", batch_size, e) &&
              conf_set_int(conf, "linger.ms", cfg->linger_ms, e) &&
              conf_set_int(conf, "queue.buffering.max.kbytes", kbytes > 0 ? kbytes : 1, e) &&
              conf_set_int(conf, "queue.buffering.max.messages", KAFKA_PRODUCER_MAX_MESSAGES, e) &&
              conf_set_int(conf, "message.timeout.ms", cfg->delivery_timeout_ms, e) &&
              conf_pass_on(conf, cfg->common->librdkafka, e);
    if (!ok) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS |
                                       RD_KAFKA_EVENT_LOG);
    return conf;
}

rd_kafka_conf_t *kafka_conf_consumer(const struct kafka_consumer_config *cfg, struct error *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool embedded = cfg->common->embedded;
    char client_id[256];
    snprintf(client_id, sizeof client_id, "%s-%s", cfg->common->client_id, cfg->group_id);
    const struct conf_pair pairs[] = {
        {"client.id", client_id},
        {"group.id", cfg->group_id},
        {"group.instance.id", cfg->group_instance_id},
        {"auto.offset.reset", cfg->auto_offset_reset},
        {"partition.assignment.strategy", "range"}, /* eager: cooperative has bugs in librdkafka 2.0.2 */
        {"enable.auto.commit", "true"},
        {"enable.auto.offset.store", "false"},
        {"auto.commit.interval.ms", "1000"},
        {"max.poll.interval.ms", "300000"},
        {"fetch.min.bytes", "1"},
        /* The mock cluster answers an empty fetch only after the whole wait. */
        {"fetch.wait.max.ms", embedded ? "10" : "100"},
        /* Above it librdkafka 2.0.2 fetches nothing for a whole second: more than what is consumed in one. */
        {"queued.min.messages", "60000"},
        {"queued.max.messages.kbytes", "16384"},
        {NULL, NULL},
    };
    /* A join of the mock cluster takes up to the session's time. */
    int64_t session = embedded ? 6000 : cfg->session_timeout_ms;
    int64_t heartbeat = embedded ? 500 : cfg->heartbeat_interval_ms;
    bool ok = conf_common(conf, cfg->common, e) && conf_set_all(conf, pairs, e) &&
              conf_set_int(conf, "session.timeout.ms", session, e) &&
              conf_set_int(conf, "heartbeat.interval.ms", heartbeat, e) &&
              conf_pass_on(conf, cfg->common->librdkafka, e);
    if (!ok) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE |
                                       RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR |
                                       RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG);
    return conf;
}
