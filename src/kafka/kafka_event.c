/* What producer and consumer do alike with the events of librdkafka: log lines, errors, statistics. */
#include "kafka/kafka_internal.h"

#include <jansson.h>

LOG_DEFINE(kafka_logger, "rushd.kafka");

enum {
    LOG_WINDOW_US = 10000000,
    LOG_WINDOW_LINES = 20, /* of one client; an outage makes librdkafka write several lines a second */
};

static enum log_level level_of(int syslog_level, const char *facility)
{
    /* One map of settings serves producer and consumer: each warns about the other's keys. */
    if (syslog_level >= 7 || strcmp(facility, "CONFWARN") == 0)
        return LOG_LEVEL_DEBUG;
    if (syslog_level >= 5)
        return LOG_LEVEL_INFO;
    return syslog_level == 4 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR;
}

static bool gate_open(const char *client, struct kafka_log_gate *gate)
{
    int64_t now = clock_mono_us();
    if (now - gate->window_us >= LOG_WINDOW_US) {
        if (gate->dropped)
            log_warn(&kafka_logger, "lines of the client library left out", LOG_S("client", client),
                     LOG_I("lines", gate->dropped));
        *gate = (struct kafka_log_gate){.window_us = now};
    }
    if (gate->lines >= LOG_WINDOW_LINES) {
        gate->dropped++;
        return false;
    }
    gate->lines++;
    return true;
}

void kafka_event_log(const char *client, struct kafka_log_gate *gate, rd_kafka_event_t *event)
{
    const char *facility, *text;
    int syslog_level;
    if (rd_kafka_event_log(event, &facility, &text, &syslog_level) != 0)
        return;
    enum log_level level = level_of(syslog_level, facility);
    if (level < kafka_logger.level || (level > LOG_LEVEL_DEBUG && !gate_open(client, gate)))
        return;
    const struct log_field fields[] = {LOG_S("client", client), LOG_S("facility", facility),
                                       LOG_S("text", text)};
    log_write(&kafka_logger, level, "librdkafka", fields, ARRAY_LEN(fields));
}

void kafka_error_set(struct error *e, enum error_kind kind, rd_kafka_resp_err_t err, const char *what)
{
    const char *name = rd_kafka_err2name(err);
    while (*name == '_') /* the mark of the library's own errors */
        name++;
    error_set(e, kind, name, "%s: %s", what, rd_kafka_err2str(err));
}

static void stats_partitions(const struct kafka_stats *stats, json_t *root)
{
    const char *topic, *number;
    json_t *t, *p;
    json_object_foreach(json_object_get(root, "topics"), topic, t)
    {
        json_object_foreach(json_object_get(t, "partitions"), number, p)
        {
            json_int_t partition = json_integer_value(json_object_get(p, "partition"));
            json_t *next = json_object_get(p, "next_offset");
            if (partition >= 0 && json_is_integer(next) && json_integer_value(next) >= 0)
                stats->on_partition(stats->arg, topic, (int32_t)partition, json_integer_value(next));
        }
    }
}

void kafka_stats_read(rd_kafka_event_t *event, struct kafka_stats *stats)
{
    stats->brokers_up = 0;
    const char *text = rd_kafka_event_stats(event);
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    if (!root)
        return;
    const char *name;
    json_t *broker;
    json_object_foreach(json_object_get(root, "brokers"), name, broker)
    {
        const char *state = json_string_value(json_object_get(broker, "state"));
        if (state && (strcmp(state, "UP") == 0 || strcmp(state, "UPDATE") == 0))
            stats->brokers_up++;
    }
    if (stats->on_partition)
        stats_partitions(stats, root);
    json_decref(root);
}
