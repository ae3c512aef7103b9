/* The consumer of a group: its handle, events, health and end.
 *
 * A fatal error (another process took our group.instance.id) kills the handle, not the consumer: the owner's
 * batches are void, a new handle joins the group again after a pause, the dead one is destroyed by a reaper.
 */
#include "kafka/kafka_group.h"

#include <stdio.h>

#include "base/random.h"

enum {
    CLOSE_POLL_MS = 10, /* how often librdkafka is asked whether it has closed */
    RESTART_MS = 1000,  /* before a new handle, doubling */
    RESTART_MAX_MS = 60000,
    HEALTHY_US = 60000000,      /* in the group for so long: the next restart is a first one */
    UNJOINED_MAX_US = 60000000, /* a rebalance may take this long before health says so */
};

static void consumer_move(struct kafka_consumer *c, enum consumer_state state)
{
    c->state = state;
}

struct kafka_topic *kafka_consumer_topic(struct kafka_consumer *c, const char *name)
{
    for (size_t i = 0; i < c->ntopics; i++)
        if (strcmp(c->topics[i].name, name) == 0)
            return &c->topics[i];
    return NULL;
}

/* --- health --- */

/* Why the consumer is not up; NULL when it is, "" when that cannot be said yet. */
static const char *trouble_of(const struct kafka_consumer *c, char *text, size_t size)
{
    if (c->trouble[0])
        return c->trouble;
    for (size_t i = 0; i < c->ntopics; i++)
        if (c->topics[i].missing) {
            snprintf(text, size, "topic %s does not exist or may not be read", c->topics[i].name);
            return text;
        }
    if (!c->brokers_up)
        return "no broker is connected";
    if (c->joined)
        return NULL;
    if (clock_mono_us() - c->unjoined_us < UNJOINED_MAX_US)
        return "";
    snprintf(text, size, "group %s gave no assignment for a minute", c->group);
    return text;
}

void kafka_consumer_health(struct kafka_consumer *c)
{
    char text[200];
    const char *trouble = trouble_of(c, text, sizeof text);
    bool up = trouble == NULL;
    if ((trouble && !*trouble) || (c->up_told && c->up == up))
        return;
    c->up_told = true;
    c->up = up;
    if (!up)
        log_error(&kafka_logger, "consumer is down", LOG_S("group", c->group), LOG_S("reason", trouble));
    if (c->ops.on_state)
        c->ops.on_state(c->arg, up, trouble);
}

static void show_lag(struct kafka_consumer *c)
{
    int64_t max = 0;
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    {
        int64_t lag = kafka_partition_lag(p);
        if (lag < 0)
            continue;
        kafka_partition_show_lag(p, lag);
        if (lag > max)
            max = lag;
    }
    metric_set(c->lag_max, (double)max);
}

/* --- events --- */

/* An error that names a topic that the group subscribed to: the text is "Subscribed topic not available:
 * NAME: ...". */
static bool topic_is_missing(struct kafka_consumer *c, rd_kafka_resp_err_t err, const char *text)
{
    if (err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && err != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC &&
        err != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED && err != RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
        return false;
    bool found = false;
    for (size_t i = 0; text && i < c->ntopics; i++) {
        size_t n = strlen(c->topics[i].name);
        for (const char *at = text; (at = strstr(at, c->topics[i].name)); at += n)
            if (at > text && at[-1] == ' ' && at[n] == ':')
                found = c->topics[i].missing = true;
    }
    return found;
}

static void consumer_die(struct kafka_consumer *c, const char *text)
{
    if (c->state == CONSUMER_RUNNING) {
        if (c->joined && clock_mono_us() - c->joined_us > HEALTHY_US)
            c->restarts = 0;
        log_error(&kafka_logger, "fatal consumer error, the client is replaced", LOG_S("group", c->group),
                  LOG_S("text", text));
        snprintf(c->trouble, sizeof c->trouble, "fatal error: %s", text);
        consumer_move(c, CONSUMER_FAILED);
        kafka_consumer_health(c);
    }
    loop_defer(c->loop, &c->step);
}

static void on_error(struct kafka_consumer *c, rd_kafka_resp_err_t err, const char *text, bool fatal)
{
    if (!text)
        text = rd_kafka_err2str(err);
    if (fatal || err == RD_KAFKA_RESP_ERR__FATAL) {
        consumer_die(c, text);
        return;
    }
    switch (err) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        c->brokers_up = false;
        break;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        break;                                 /* the log says more */
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED: /* librdkafka joins again by itself */
        log_warn(&kafka_logger, "consumer was not served in time and lost its partitions",
                 LOG_S("group", c->group));
        break;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
        snprintf(c->trouble, sizeof c->trouble, "%s", text);
        break;
    default:
        if (!topic_is_missing(c, err, text))
            log_warn(&kafka_logger, "consumer error", LOG_S("group", c->group),
                     LOG_S("code", rd_kafka_err2name(err)), LOG_S("text", text));
    }
    kafka_consumer_health(c);
}

static void on_fetch(struct kafka_consumer *c, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event))) {
        if (m->err) {
            on_error(c, m->err, rd_kafka_message_errstr(m), false);
            continue;
        }
        struct kafka_partition *p = kafka_partition_find(c, rd_kafka_topic_name(m->rkt), m->partition);
        if (p && p->state != PARTITION_WAITING) /* else it was revoked in the meantime */
            kafka_partition_take(p, m);
    }
}

static void on_commit(struct kafka_consumer *c, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (!err)
        metric_add(c->commits, 1);
    else if (err != RD_KAFKA_RESP_ERR__NO_OFFSET)
        log_warn(&kafka_logger, "offsets were not committed", LOG_S("group", c->group),
                 LOG_S("error", rd_kafka_err2str(err)));
}

/* Before the first message, what librdkafka will fetch next is the start that the group's offset stands for.
 */
static void on_stats_partition(void *arg, const char *topic, int32_t number, int64_t next_offset)
{
    struct kafka_consumer *c = arg;
    struct kafka_partition *p = kafka_partition_find(c, topic, number);
    if (!p || p->state == PARTITION_WAITING || p->next >= 0 || p->done >= 0)
        return;
    p->done = next_offset;
    if (c->embedded)
        kafka_embedded_consumed(c->embedded, c->group, topic, number, next_offset);
}

/* Once a second: this is the tick of the consumer as well. */
static void on_stats(struct kafka_consumer *c, rd_kafka_event_t *event)
{
    struct kafka_stats stats = {.on_partition = on_stats_partition, .arg = c};
    kafka_stats_read(event, &stats);
    c->brokers_up = stats.brokers_up > 0;
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (p->store_pending)
        kafka_partition_store(p);
    show_lag(c);
    if (c->state == CONSUMER_RUNNING)
        kafka_consumer_health(c);
}

static void on_event(void *arg, rd_kafka_event_t *event)
{
    struct kafka_consumer *c = arg;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        on_fetch(c, event);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        kafka_assign_rebalance(c, event);
        kafka_consumer_health(c);
        break;
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        kafka_assign_offsets(c, event);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        on_commit(c, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(c, rd_kafka_event_error(event), rd_kafka_event_error_string(event),
                 rd_kafka_event_error_is_fatal(event));
        break;
    case RD_KAFKA_EVENT_STATS:
        on_stats(c, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        kafka_event_log(c->client_id, &c->log_gate, event);
        break;
    default:
        break;
    }
}

/* --- the handle --- */

static bool handle_subscribe(struct kafka_consumer *c, struct error *e)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->ntopics);
    for (size_t i = 0; i < c->ntopics; i++)
        rd_kafka_topic_partition_list_add(list, c->topics[i].name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        kafka_error_set(e, ERROR_PERMANENT, err, "subscribe");
    return !err;
}

static bool handle_open(struct kafka_consumer *c, struct error *e)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(c->conf);
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!c->rk) {
        rd_kafka_conf_destroy(conf);
        error_set(e, ERROR_PERMANENT, "KAFKA_CONFIG", "Kafka consumer: %s", why);
        return false;
    }
    rd_kafka_set_log_queue(c->rk, NULL);
    rd_kafka_poll_set_consumer(c->rk); /* one queue for everything; the wake-up belongs on this one */
    kafka_bridge_open(&c->bridge, c->loop, rd_kafka_queue_get_consumer(c->rk), on_event, c);
    c->joined = false;
    c->unjoined_us = clock_mono_us();
    c->brokers_up = true; /* until told otherwise */
    return handle_subscribe(c, e);
}

/* Let go of the handle; no event comes any more. Not from inside a drain. */
static void handle_close(struct kafka_consumer *c)
{
    if (!c->rk)
        return;
    kafka_assign_drop(c);
    c->generation++;
    c->joined = false;
    c->assign_pending = false;
    loop_timer_stop(c->hold);
    metric_set(c->assigned, 0);
    kafka_bridge_close(&c->bridge);
    kafka_reaper_release(c->reaper);
    c->reaper = kafka_reaper_start(c->rk);
    c->rk = NULL;
}

static void consumer_restart(struct kafka_consumer *c)
{
    struct error e = ERROR_INIT;
    if (handle_open(c, &e)) {
        consumer_move(c, CONSUMER_RUNNING);
        return;
    }
    log_error(&kafka_logger, "no new consumer", LOG_S("group", c->group), LOG_ERR(&e));
    handle_close(c);
    loop_timer_start(c->timer, random_backoff_ms(c->restarts++, RESTART_MS, RESTART_MAX_MS));
}

static void consumer_reap(struct kafka_consumer *c)
{
    handle_close(c);
    consumer_move(c, CONSUMER_REAPING);
    loop_timer_start(c->timer, CLOSE_POLL_MS);
}

static void consumer_finish(struct kafka_consumer *c)
{
    consumer_move(c, CONSUMER_CLOSED);
    void (*closed)(void *arg) = c->closed;
    c->closed = NULL;
    if (closed)
        closed(c->closed_arg); /* may free c */
}

static void on_step(void *arg)
{
    struct kafka_consumer *c = arg;
    bool late = clock_mono_us() >= c->close_deadline_us;
    switch (c->state) {
    case CONSUMER_FAILED:
        if (c->closed) {
            consumer_reap(c);
            break;
        }
        handle_close(c);
        consumer_move(c, CONSUMER_RESTART);
        loop_timer_start(c->timer, random_backoff_ms(c->restarts++, RESTART_MS, RESTART_MAX_MS));
        break;
    case CONSUMER_RESTART:
        if (!loop_timer_running(c->timer))
            consumer_restart(c);
        break;
    case CONSUMER_CLOSING:
        if (!c->rk || late || rd_kafka_consumer_closed(c->rk))
            consumer_reap(c);
        else
            loop_timer_start(c->timer, CLOSE_POLL_MS);
        break;
    case CONSUMER_REAPING:
        /* A handle that will not die does not hold up the process: its reaper is left alone. */
        if (!c->reaper || kafka_reaper_finished(c->reaper) || late)
            consumer_finish(c);
        else
            loop_timer_start(c->timer, CLOSE_POLL_MS);
        break;
    default:
        break;
    }
}

/* --- public --- */

static void topics_copy(struct kafka_consumer *c, const char *const *topics)
{
    while (topics[c->ntopics])
        c->ntopics++;
    c->topics = mem_array(c->ntopics, sizeof *c->topics);
    c->topic_names = mem_array(c->ntopics + 1, sizeof *c->topic_names);
    for (size_t i = 0; i < c->ntopics; i++) {
        c->topic_names[i] = c->topics[i].name = mem_strdup(topics[i]);
        c->topics[i].consumed = kafka_metric(&kafka_metric_consumed, c->client_id, topics[i], NULL);
    }
}

static void metrics_open(struct kafka_consumer *c)
{
    c->rebalances = kafka_metric(&kafka_metric_rebalances, c->client_id, NULL, NULL);
    c->assigned = kafka_metric(&kafka_metric_assigned, c->client_id, NULL, NULL);
    c->commits = kafka_metric(&kafka_metric_commits, c->client_id, NULL, NULL);
    c->lag_max = kafka_metric(&kafka_metric_lag_max, c->client_id, NULL, NULL);
}

struct kafka_consumer *kafka_consumer_new(struct loop *l, const struct kafka_consumer_config *cfg,
                                          const struct kafka_consumer_ops *ops, void *arg, struct error *e)
{
    rd_kafka_conf_t *conf = kafka_conf_consumer(cfg, e);
    if (!conf)
        return NULL;
    struct kafka_consumer *c = mem_zalloc(sizeof *c);
    char client_id[256];
    size_t size = sizeof client_id;
    rd_kafka_conf_get(conf, "client.id", client_id, &size);
    c->loop = l;
    c->conf = conf;
    c->group = mem_strdup(cfg->group_id);
    c->client_id = mem_strdup(client_id);
    c->reset_to_latest = strcmp(cfg->auto_offset_reset, "latest") == 0;
    c->max_records = cfg->max_poll_records > 0 ? (size_t)cfg->max_poll_records : 1;
    c->concurrency = cfg->concurrency > 0 ? (size_t)cfg->concurrency : 1;
    TAILQ_INIT(&c->partitions);
    TAILQ_INIT(&c->ready);
    TAILQ_INIT(&c->out);
    topics_copy(c, cfg->topics);
    metrics_open(c);
    c->timer = loop_timer_new(l, on_step, c);
    c->step = (struct loop_task){.run = on_step, .arg = c};
    kafka_dispatch_init(c);
    kafka_assign_init(c);
    c->ops = *ops;
    c->arg = arg;
    if (!handle_open(c, e)) {
        kafka_consumer_free(c);
        return NULL;
    }
    c->embedded = cfg->common->embedded ? kafka_embedded_find(cfg->common->bootstrap_servers) : NULL;
    if (c->embedded)
        kafka_embedded_join(c->embedded, c->group, c->topic_names);
    return c;
}

void kafka_consumer_lag(struct kafka_consumer *c,
                        void (*fn)(void *arg, const char *topic, int32_t partition, int64_t lag), void *arg)
{
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    fn(arg, p->topic->name, p->number, kafka_partition_lag(p));
}

void kafka_consumer_pause(struct kafka_consumer *c, bool paused)
{
    c->paused = paused;
    kafka_dispatch(c);
}

void kafka_consumer_close(struct kafka_consumer *c, int64_t deadline_ms, void (*closed)(void *arg), void *arg)
{
    if (c->closed || c->state >= CONSUMER_CLOSING)
        return; /* the first call counts */
    c->closed = closed;
    c->closed_arg = arg;
    c->close_deadline_us = clock_mono_us() + deadline_ms * 1000;
    if (c->state == CONSUMER_FAILED)
        return; /* its step is due */
    consumer_move(c, CONSUMER_CLOSING);
    loop_timer_start(c->timer, CLOSE_POLL_MS);
    if (!c->rk)
        return;
    kafka_assign_refuse(c);
    kafka_bridge_go_on(&c->bridge); /* for its last event, whatever the buffers hold */
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, c->bridge.queue);
    if (!error)
        return;
    log_warn(&kafka_logger, "consumer cannot leave its group", LOG_S("group", c->group),
             LOG_S("error", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
    consumer_move(c, CONSUMER_FAILED);
    loop_defer(c->loop, &c->step);
}

void kafka_consumer_free(struct kafka_consumer *c)
{
    if (!c)
        return;
    ASSERT(!c->bridge.draining);
    consumer_move(c, CONSUMER_CLOSED);
    c->ops = (struct kafka_consumer_ops){0}; /* the owner hears nothing more */
    handle_close(c);
    kafka_reaper_release(c->reaper);
    struct kafka_handout *h;
    while ((h = TAILQ_FIRST(&c->out)))
        kafka_handout_free(c, h);
    if (c->embedded)
        kafka_embedded_leave(c->embedded, c->group, c->topic_names);
    kafka_assign_free(c);
    loop_defer_cancel(c->loop, &c->dispatch);
    loop_defer_cancel(c->loop, &c->step);
    loop_timer_free(c->timer);
    for (size_t i = 0; i < c->ntopics; i++)
        mem_free(c->topics[i].name);
    mem_free(c->topics);
    mem_free(c->topic_names);
    mem_free(c->group);
    mem_free(c->client_id);
    rd_kafka_conf_destroy(c->conf);
    mem_free(c);
}

rd_kafka_t *kafka_consumer_handle(struct kafka_consumer *c)
{
    return c->rk;
}
