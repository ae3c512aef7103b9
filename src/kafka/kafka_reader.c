/* Reading topics from end to end: for the audit and for dead letters.
 *
 * librdkafka tells the partitions of a topic without blocking in one way only: as the assignment of a group. So the reader subscribes in
 * a group that nobody else has, assigns itself the beginning of each partition, and stops each at the high-water mark that came with
 * its first message, or at the end of an empty one. Offsets are neither stored nor committed. */
#include <inttypes.h>
#include <stdio.h>

#include "base/random.h"
#include "kafka/kafka_internal.h"

enum {
    READER_HEADERS_MAX = 64,
    READER_POLL_MS = 10,   /* how often the dying handle is asked whether it is gone */
    READER_REAP_MS = 1000, /* then it is left alone */
    READER_SESSION_MS = 10000,
    READER_HEARTBEAT_MS = 3000,
};

enum reader_state {
    READER_READING,
    READER_ENDING,  /* the handle goes at the end of the turn */
    READER_REAPING, /* it is being destroyed; on_end follows */
    READER_ENDED,
};

struct reader_partition {
    const char *topic;
    int32_t number;
    int64_t first, next, end; /* -1: not known yet */
    int64_t first_timestamp_ms;
    bool done;
};

struct kafka_reader {
    struct loop *loop;
    enum reader_state state;
    rd_kafka_t *rk;
    struct kafka_bridge bridge;
    struct kafka_reaper *reaper;
    char client_id[64];
    struct kafka_log_gate log_gate;
    char **topics;
    bool *missing; /* by topic */
    size_t ntopics;
    struct reader_partition *partitions;
    size_t npartitions;
    bool assigned;
    int64_t timeout_ms, reap_until_us;
    struct loop_timer *timer; /* silence, then the reaper */
    struct loop_task step;
    struct error error;
    struct kafka_reader_ops ops;
    void *arg;
};

static void reader_end(struct kafka_reader *r, const struct error *e)
{
    if (r->state != READER_READING)
        return;
    r->state = READER_ENDING;
    if (e)
        r->error = *e;
    loop_defer(r->loop, &r->step); /* not from inside a drain */
}

static void end_if_done(struct kafka_reader *r)
{
    bool done = r->assigned;
    for (size_t i = 0; i < r->npartitions; i++)
        done &= r->partitions[i].done;
    if (done)
        reader_end(r, NULL);
}

/* --- partitions --- */

static struct reader_partition *partition_find(struct kafka_reader *r, const char *topic, int32_t number)
{
    for (size_t i = 0; i < r->npartitions; i++)
        if (r->partitions[i].number == number && strcmp(r->partitions[i].topic, topic) == 0)
            return &r->partitions[i];
    return NULL;
}

static const char *own_name(const struct kafka_reader *r, const char *topic)
{
    for (size_t i = 0; i < r->ntopics; i++)
        if (strcmp(r->topics[i], topic) == 0)
            return r->topics[i];
    return NULL;
}

static void partition_add(struct kafka_reader *r, const char *topic, int32_t number)
{
    if (!topic || partition_find(r, topic, number))
        return;
    r->partitions = mem_grow(r->partitions, r->npartitions + 1, sizeof *r->partitions);
    r->partitions[r->npartitions++] = (struct reader_partition){
        .topic = topic, .number = number, .first = -1, .next = -1, .end = -1, .first_timestamp_ms = -1};
}

/* A second assignment, after the group lost us, goes on where the first one was. */
static void on_rebalance(struct kafka_reader *r, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_assign(r->rk, NULL);
        return;
    }
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_copy(rd_kafka_event_topic_partition_list(event));
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *tp = &list->elems[i];
        partition_add(r, own_name(r, tp->topic), tp->partition);
        struct reader_partition *p = partition_find(r, tp->topic, tp->partition);
        tp->offset = p && p->next >= 0 ? p->next : RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_assign(r->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    r->assigned = true;
    end_if_done(r);
}

/* --- messages --- */

static void give(struct kafka_reader *r, const struct reader_partition *p, const rd_kafka_message_t *m,
                 int64_t timestamp_ms)
{
    struct kafka_header headers[READER_HEADERS_MAX];
    rd_kafka_headers_t *list = NULL;
    size_t n = 0;
    if (rd_kafka_message_headers(m, &list) == RD_KAFKA_RESP_ERR_NO_ERROR)
        while (n < READER_HEADERS_MAX &&
               !rd_kafka_header_get_all(list, n, &headers[n].name, &headers[n].value, &headers[n].size))
            n++;
    const struct kafka_message message = {.topic = p->topic,
                                          .partition = p->number,
                                          .offset = m->offset,
                                          .timestamp_ms = timestamp_ms,
                                          .key = {m->key, m->key ? m->key_len : 0},
                                          .value = {m->payload, m->payload ? m->len : 0},
                                          .headers = headers,
                                          .nheaders = n};
    r->ops.on_message(r->arg, &message);
}

static void on_message(struct kafka_reader *r, struct reader_partition *p, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(m, &type), low, high;
    if (p->done || m->offset < p->next)
        return;
    if (p->first < 0) {
        p->first = m->offset;
        p->first_timestamp_ms = timestamp_ms;
        p->end = m->offset + 1;
        if (!rd_kafka_get_watermark_offsets(r->rk, p->topic, p->number, &low, &high) && high > p->end)
            p->end = high;
    }
    give(r, p, m, timestamp_ms);
    p->next = m->offset + 1;
    p->done = p->next >= p->end;
}

/* Offsets may have gaps before the end: then only this says that it is reached. */
static void on_partition_end(struct reader_partition *p, int64_t offset)
{
    if (p->first < 0)
        p->first = p->end = p->next = offset;
    p->done = true;
}

/* The text is "Subscribed topic not available: NAME: ...". */
static void on_missing(struct kafka_reader *r, const char *text)
{
    bool all = true;
    for (size_t i = 0; i < r->ntopics; i++) {
        size_t n = strlen(r->topics[i]);
        for (const char *at = text; at && (at = strstr(at, r->topics[i])); at += n)
            r->missing[i] |= at > text && at[-1] == ' ' && at[n] == ':';
        all &= r->missing[i];
    }
    if (all)
        reader_end(r, NULL);
}

static void on_error(struct kafka_reader *r, rd_kafka_resp_err_t err, const char *text, bool fatal)
{
    struct error e = ERROR_INIT;
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        on_missing(r, text);
    } else if (fatal || err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
               err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        kafka_error_set(&e, ERROR_PERMANENT, err, text ? text : "Kafka");
        reader_end(r, &e);
    }
}

static void on_fetch(struct kafka_reader *r, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event))) {
        struct reader_partition *p = partition_find(r, rd_kafka_topic_name(m->rkt), m->partition);
        if (m->err) {
            on_error(r, m->err, rd_kafka_message_errstr(m), false);
        } else if (p && r->state == READER_READING) {
            loop_timer_start(r->timer, r->timeout_ms);
            on_message(r, p, m);
            if (p->done)
                end_if_done(r);
        }
    }
}

/* Errors of a partition come as events of their own; its end is one of them. */
static void on_error_event(struct kafka_reader *r, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    rd_kafka_topic_partition_t *tp =
        err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? rd_kafka_event_topic_partition(event) : NULL;
    if (!tp) {
        on_error(r, err, rd_kafka_event_error_string(event), rd_kafka_event_error_is_fatal(event));
        return;
    }
    struct reader_partition *p = partition_find(r, tp->topic, tp->partition);
    if (p)
        on_partition_end(p, tp->offset);
    rd_kafka_topic_partition_destroy(tp);
    end_if_done(r);
}

static void on_event(void *arg, rd_kafka_event_t *event)
{
    struct kafka_reader *r = arg;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        on_fetch(r, event);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        on_rebalance(r, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error_event(r, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        kafka_event_log(r->client_id, &r->log_gate, event);
        break;
    default:
        break;
    }
}

/* --- life --- */

static void handle_close(struct kafka_reader *r)
{
    if (!r->rk)
        return;
    kafka_bridge_close(&r->bridge);
    r->reaper = kafka_reaper_start(r->rk);
    r->rk = NULL;
}

static void tell_end(struct kafka_reader *r)
{
    struct kafka_reader_range *ranges = mem_array(r->npartitions, sizeof *ranges);
    for (size_t i = 0; i < r->npartitions; i++) {
        const struct reader_partition *p = &r->partitions[i];
        ranges[i] = (struct kafka_reader_range){p->topic, p->number, p->first, p->end, p->first_timestamp_ms};
    }
    struct error e = r->error;
    size_t n = e.kind == ERROR_NONE ? r->npartitions : 0;
    r->state = READER_ENDED;
    r->ops.on_end(r->arg, ranges, n,
                  e.kind == ERROR_NONE ? NULL : &e); /* may free r; the topics' names go with it */
    mem_free(ranges);
}

static void on_step(void *arg)
{
    struct kafka_reader *r = arg;
    if (r->state == READER_ENDING) {
        handle_close(r);
        r->state = READER_REAPING;
        r->reap_until_us = clock_mono_us() + READER_REAP_MS * 1000;
    }
    if (r->state == READER_REAPING &&
        (kafka_reaper_finished(r->reaper) || clock_mono_us() > r->reap_until_us))
        tell_end(r);
    else if (r->state == READER_REAPING)
        loop_timer_start(r->timer, READER_POLL_MS);
}

static void on_timer(void *arg)
{
    struct kafka_reader *r = arg;
    struct error e = ERROR_INIT;
    if (r->state != READER_READING) {
        on_step(r);
        return;
    }
    error_set(&e, ERROR_RETRIABLE, "TIMEOUT", "Kafka did not answer within %lld s",
              (long long)(r->timeout_ms / 1000));
    reader_end(r, &e);
}

static bool handle_open(struct kafka_reader *r, const struct kafka_config *common, const char *group,
                        struct error *e)
{
    const char *none[] = {NULL};
    const struct kafka_consumer_config cfg = {.common = common,
                                              .group_id = group,
                                              .topics = none,
                                              .auto_offset_reset = "earliest",
                                              .session_timeout_ms = READER_SESSION_MS,
                                              .heartbeat_interval_ms = READER_HEARTBEAT_MS};
    rd_kafka_conf_t *conf = kafka_conf_consumer(&cfg, e);
    char why[200];
    if (!conf)
        return false;
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    r->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!r->rk) {
        rd_kafka_conf_destroy(conf);
        error_set(e, ERROR_PERMANENT, "KAFKA_CONFIG", "Kafka: %s", why);
        return false;
    }
    rd_kafka_set_log_queue(r->rk, NULL);
    rd_kafka_poll_set_consumer(r->rk);
    kafka_bridge_open(&r->bridge, r->loop, rd_kafka_queue_get_consumer(r->rk), on_event, r);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)r->ntopics);
    for (size_t i = 0; i < r->ntopics; i++)
        rd_kafka_topic_partition_list_add(list, r->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(r->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        kafka_error_set(e, ERROR_PERMANENT, err, "subscribe");
    return !err;
}

struct kafka_reader *kafka_reader_new(struct loop *l, const struct kafka_config *common,
                                      const char *const *topics, int64_t timeout_ms,
                                      const struct kafka_reader_ops *ops, void *arg, struct error *e)
{
    struct kafka_reader *r = mem_zalloc(sizeof *r);
    char group[48];
    snprintf(group, sizeof group, "rushctl-%016" PRIx64, random_u64());
    str_copy(r->client_id, sizeof r->client_id, group);
    r->loop = l;
    r->ops = *ops;
    r->arg = arg;
    r->timeout_ms = timeout_ms;
    while (topics[r->ntopics])
        r->ntopics++;
    r->topics = mem_array(r->ntopics, sizeof *r->topics);
    r->missing = mem_array(r->ntopics, sizeof *r->missing);
    for (size_t i = 0; i < r->ntopics; i++)
        r->topics[i] = mem_strdup(topics[i]);
    r->timer = loop_timer_new(l, on_timer, r);
    r->step = (struct loop_task){.run = on_step, .arg = r};
    if (!handle_open(r, common, group, e)) {
        kafka_reader_free(r);
        return NULL;
    }
    loop_timer_start(r->timer, timeout_ms);
    return r;
}

void kafka_reader_free(struct kafka_reader *r)
{
    if (!r)
        return;
    ASSERT(!r->bridge.draining);
    handle_close(r);
    kafka_reaper_release(r->reaper);
    loop_defer_cancel(r->loop, &r->step);
    loop_timer_free(r->timer);
    for (size_t i = 0; i < r->ntopics; i++)
        mem_free(r->topics[i]);
    mem_free(r->topics);
    mem_free(r->missing);
    mem_free(r->partitions);
    mem_free(r);
}
