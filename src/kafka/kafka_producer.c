/* The producer: messages go to librdkafka with a record of ours as their opaque, delivery reports come back
 * as events and go to the owner by its id.
 *
 * Every record hangs in one list until it is reported, so that a report is given exactly once whatever
 * becomes of librdkafka's handle. A fatal error (an idempotent producer that lost its place) kills the
 * handle, not the producer: what was outstanding is purged and reported as possibly delivered, a new handle
 * takes over, the dead one is destroyed by a reaper. */
#include "kafka/kafka_topics.h"

enum {
    PURGE_WAIT_MS = 500,  /* for the reports of purged messages; the library gives them at once */
    REAP_POLL_MS = 5,     /* how often a reaper is looked after while closing */
    RESTART_MS = 1000,    /* between attempts to make a new handle */
    HEADERS_OVERHEAD = 8, /* per header, for the account of memory */
};

enum producer_state {
    PRODUCER_RUNNING,
    PRODUCER_DEAD,    /* fatal error: purged, waits for the reports of that, refuses messages */
    PRODUCER_RESTART, /* no handle: waits to make a new one */
    PRODUCER_CLOSING, /* refuses messages, waits for the outstanding reports */
    PRODUCER_PURGING, /* closing, deadline passed: purged, waits for the reports of that */
    PRODUCER_REAPING, /* closing, all reported, the handle is being destroyed */
    PRODUCER_CLOSED,
};

struct producer_topic {
    TAILQ_ENTRY(producer_topic) link;
    char *name;
    rd_kafka_topic_t *rkt; /* NULL while there is no handle */
    struct metric_series *sent, *errors;
};

/* A message that was accepted and is not reported: the opaque of librdkafka's message. */
struct producer_record {
    TAILQ_ENTRY(producer_record) link;
    kafka_report_fn *fn;
    void *arg;
    uint64_t id;
    struct producer_topic *topic;
    int32_t partition; /* that the embedded cluster was asked for */
    size_t size;
    int64_t sent_us;
};

struct kafka_producer {
    struct loop *loop;
    enum producer_state state;
    rd_kafka_conf_t *conf; /* of each handle */
    rd_kafka_t *rk;        /* NULL in RESTART, REAPING, CLOSED */
    struct kafka_bridge bridge;
    struct kafka_reaper *reaper; /* of the last dead handle */
    struct kafka_embedded *embedded;
    char *bootstrap, *client_id;
    TAILQ_HEAD(, producer_topic) topics;
    TAILQ_HEAD(, producer_record) records;
    size_t outstanding, outstanding_bytes, buffer_memory;
    bool acknowledged; /* brokers answer with an offset: acks is not 0 */
    struct kafka_topics creations;
    struct loop_timer *timer; /* the deadline of the state, or the poll of the reaper */
    struct loop_task step;    /* moves the state on outside of a drain */
    struct error fatal;       /* why the handle is dead */
    bool up, up_known;
    void (*on_state)(void *arg, bool up, const char *reason);
    void *on_state_arg;
    int64_t close_deadline_us;
    void (*closed)(void *arg);
    void *closed_arg;
    struct kafka_log_gate log_gate;
    struct metric_series *sent, *errors, *queue_time, *available;
};

static void producer_move(struct kafka_producer *p, enum producer_state state)
{
    p->state = state;
}

static void producer_state_tell(struct kafka_producer *p, bool up, const char *reason)
{
    if (p->up_known && p->up == up)
        return;
    p->up_known = true;
    p->up = up;
    if (p->on_state)
        p->on_state(p->on_state_arg, up, up ? NULL : reason);
}

/* --- reports --- */

static void buffer_show(struct kafka_producer *p)
{
    size_t used = p->outstanding_bytes < p->buffer_memory ? p->outstanding_bytes : p->buffer_memory;
    metric_set(p->available, (double)(p->buffer_memory - used));
}

static void record_report(struct kafka_producer *p, struct producer_record *r,
                          const struct kafka_report_info *info)
{
    TAILQ_REMOVE(&p->records, r, link);
    p->outstanding--;
    p->outstanding_bytes -= r->size;
    buffer_show(p);
    metric_observe_us(p->queue_time, clock_mono_us() - r->sent_us);
    if (info->outcome != KAFKA_DELIVERED) {
        metric_add(p->errors, 1);
        metric_add(r->topic->errors, 1);
    }
    if (p->embedded)
        kafka_embedded_reported(p->embedded, r->topic->name, r->partition, r->size,
                                info->outcome == KAFKA_DELIVERED ? info->offset : -1);
    r->fn(r->arg, r->id, info);
    mem_free(r);
}

/* Everything that is outstanding has an unknown fate now. */
static void records_abandon(struct kafka_producer *p, const char *why)
{
    struct kafka_report_info info = {.outcome = KAFKA_POSSIBLY_DELIVERED, .partition = -1, .offset = -1};
    error_set(&info.error, ERROR_UNKNOWN, "PURGED", "%s", why);
    struct producer_record *r;
    while ((r = TAILQ_FIRST(&p->records)))
        record_report(p, r, &info);
}

/* Will the same message fail again? */
static bool err_is_permanent(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return true;
    default:
        return false;
    }
}

static bool err_is_purge(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

/* Without an offset the library only concludes that the broker must have the message, because it took a later one. */
static void report_of(const struct kafka_producer *p, const rd_kafka_message_t *m, const char *topic,
                      struct kafka_report_info *info)
{
    *info = (struct kafka_report_info){.partition = m->partition, .offset = -1};
    if (!m->err && m->offset < 0 && p->acknowledged) {
        info->outcome = KAFKA_POSSIBLY_DELIVERED;
        error_set(&info->error, ERROR_UNKNOWN, "NO_OFFSET", "%s: delivered by conclusion only", topic);
    } else if (!m->err) {
        info->outcome = KAFKA_DELIVERED;
        info->offset = m->offset;
    } else if (err_is_purge(m->err) || rd_kafka_message_status(m) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
        info->outcome = KAFKA_POSSIBLY_DELIVERED;
        kafka_error_set(&info->error, ERROR_UNKNOWN, m->err, topic);
    } else {
        info->outcome = KAFKA_NOT_DELIVERED;
        kafka_error_set(&info->error, err_is_permanent(m->err) ? ERROR_PERMANENT : ERROR_RETRIABLE, m->err,
                        topic);
    }
}

static void on_reports(struct kafka_producer *p, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event))) {
        struct producer_record *r = m->_private;
        struct kafka_report_info info;
        report_of(p, m, r->topic->name, &info);
        if (info.outcome == KAFKA_DELIVERED)
            producer_state_tell(p, true, NULL);
        record_report(p, r, &info);
    }
    if (p->outstanding == 0 && p->state != PRODUCER_RUNNING)
        loop_defer(p->loop, &p->step);
}

/* --- events --- */

/* The handle can no longer be used: give up what it holds. */
static void producer_die(struct kafka_producer *p)
{
    if (p->state != PRODUCER_RUNNING && p->state != PRODUCER_CLOSING)
        return;
    char why[200];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(p->rk, why, sizeof why);
    kafka_error_set(&p->fatal, ERROR_RETRIABLE, err ? err : RD_KAFKA_RESP_ERR__FATAL,
                    err ? why : "fatal producer error");
    log_error(&kafka_logger, "fatal producer error, the client is replaced", LOG_S("client", p->client_id),
              LOG_ERR(&p->fatal), LOG_I("outstanding", p->outstanding));
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    producer_move(p, p->state == PRODUCER_RUNNING ? PRODUCER_DEAD : PRODUCER_PURGING);
    loop_timer_start(p->timer, PURGE_WAIT_MS);
    if (p->outstanding == 0)
        loop_defer(p->loop, &p->step);
    producer_state_tell(p, false, p->fatal.text);
}

static void on_error(struct kafka_producer *p, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event) || err == RD_KAFKA_RESP_ERR__FATAL) {
        producer_die(p);
        return;
    }
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        producer_state_tell(p, false, rd_kafka_event_error_string(event));
    log_debug(&kafka_logger, "producer error", LOG_S("client", p->client_id),
              LOG_S("code", rd_kafka_err2name(err)), LOG_S("text", rd_kafka_event_error_string(event)));
}

static void on_stats(struct kafka_producer *p, rd_kafka_event_t *event)
{
    if (p->state != PRODUCER_RUNNING && p->state != PRODUCER_CLOSING)
        return;
    struct kafka_stats stats = {0};
    kafka_stats_read(event, &stats);
    producer_state_tell(p, stats.brokers_up > 0, "no broker is connected");
}

static void on_event(void *arg, rd_kafka_event_t *event)
{
    struct kafka_producer *p = arg;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        on_reports(p, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(p, event);
        break;
    case RD_KAFKA_EVENT_STATS:
        on_stats(p, event);
        break;
    case RD_KAFKA_EVENT_LOG:
        kafka_event_log(p->client_id, &p->log_gate, event);
        break;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        kafka_topics_result(&p->creations, event);
        break;
    default:
        break;
    }
}

/* --- the handle --- */

static bool handle_open(struct kafka_producer *p, struct error *e)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(p->conf);
    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!p->rk) {
        rd_kafka_conf_destroy(conf);
        error_set(e, ERROR_PERMANENT, "KAFKA_CONFIG", "Kafka producer: %s", why);
        return false;
    }
    rd_kafka_set_log_queue(p->rk, NULL);
    kafka_bridge_open(&p->bridge, p->loop, rd_kafka_queue_get_main(p->rk), on_event, p);
    struct producer_topic *t;
    TAILQ_FOREACH(t, &p->topics, link)
    t->rkt = rd_kafka_topic_new(p->rk, t->name, NULL);
    return true;
}

/* Let go of the handle; no event comes any more. Not from inside a drain. */
static void handle_close(struct kafka_producer *p)
{
    if (!p->rk)
        return;
    records_abandon(p, "the Kafka client was closed before the report");
    kafka_topics_abort(&p->creations);
    struct producer_topic *t;
    TAILQ_FOREACH(t, &p->topics, link)
    {
        if (t->rkt)
            rd_kafka_topic_destroy(t->rkt);
        t->rkt = NULL;
    }
    kafka_bridge_close(&p->bridge);
    kafka_reaper_release(p->reaper);
    p->reaper = kafka_reaper_start(p->rk);
    p->rk = NULL;
}

static void producer_restart(struct kafka_producer *p)
{
    struct error e = ERROR_INIT;
    if (handle_open(p, &e)) {
        producer_move(p, PRODUCER_RUNNING);
        return;
    }
    log_error(&kafka_logger, "no new producer", LOG_S("client", p->client_id), LOG_ERR(&e));
    producer_move(p, PRODUCER_RESTART);
    loop_timer_start(p->timer, RESTART_MS);
}

static void producer_finish(struct kafka_producer *p)
{
    loop_timer_stop(p->timer);
    producer_move(p, PRODUCER_CLOSED);
    void (*closed)(void *arg) = p->closed;
    p->closed = NULL;
    if (closed)
        closed(p->closed_arg); /* may free p */
}

static void producer_reap(struct kafka_producer *p)
{
    handle_close(p);
    producer_move(p, PRODUCER_REAPING);
    loop_timer_start(p->timer, REAP_POLL_MS);
}

/* The next step of a state other than RUNNING: all is reported or its time is over. */
static void producer_step(struct kafka_producer *p)
{
    switch (p->state) {
    case PRODUCER_DEAD:
        loop_timer_stop(p->timer);
        handle_close(p);
        producer_restart(p);
        break;
    case PRODUCER_RESTART:
        producer_restart(p);
        break;
    case PRODUCER_CLOSING:
        if (p->outstanding == 0) {
            producer_reap(p);
            break;
        }
        log_warn(&kafka_logger, "messages without a delivery report at close", LOG_S("client", p->client_id),
                 LOG_I("outstanding", p->outstanding));
        rd_kafka_purge(p->rk,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        producer_move(p, PRODUCER_PURGING);
        loop_timer_start(p->timer, PURGE_WAIT_MS);
        break;
    case PRODUCER_PURGING:
        producer_reap(p);
        break;
    case PRODUCER_REAPING:
        /* A handle that will not die does not hold up the process: its reaper is left alone. */
        if (!p->reaper || kafka_reaper_finished(p->reaper) || clock_mono_us() >= p->close_deadline_us)
            producer_finish(p);
        else
            loop_timer_start(p->timer, REAP_POLL_MS);
        break;
    default:
        break;
    }
}

static void on_step(void *arg)
{
    producer_step(arg);
}

/* --- public --- */

struct kafka_producer *kafka_producer_new(struct loop *l, const struct kafka_producer_config *cfg,
                                          struct error *e)
{
    rd_kafka_conf_t *conf = kafka_conf_producer(cfg, e);
    if (!conf)
        return NULL;
    struct kafka_producer *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->conf = conf;
    p->bootstrap = mem_strdup(cfg->common->bootstrap_servers);
    p->client_id = mem_strdup(cfg->common->client_id);
    p->embedded = cfg->common->embedded ? kafka_embedded_find(p->bootstrap) : NULL;
    p->buffer_memory = (size_t)cfg->buffer_memory;
    p->acknowledged = strcmp(cfg->acks, "0") != 0;
    TAILQ_INIT(&p->topics);
    TAILQ_INIT(&p->records);
    kafka_topics_init(&p->creations, l);
    p->timer = loop_timer_new(l, on_step, p);
    p->step = (struct loop_task){.run = on_step, .arg = p};
    p->sent = kafka_metric(&kafka_metric_sent, p->client_id, NULL, NULL);
    p->errors = kafka_metric(&kafka_metric_send_errors, p->client_id, NULL, NULL);
    p->queue_time = kafka_metric(&kafka_metric_queue_time, p->client_id, NULL, NULL);
    p->available = kafka_metric(&kafka_metric_buffer_available, p->client_id, NULL, NULL);
    buffer_show(p);
    if (!handle_open(p, e)) {
        kafka_producer_free(p);
        return NULL;
    }
    return p;
}

static struct producer_topic *topic_get(struct kafka_producer *p, const char *name)
{
    struct producer_topic *t;
    TAILQ_FOREACH(t, &p->topics, link)
    if (strcmp(t->name, name) == 0)
        return t;
    t = mem_zalloc(sizeof *t);
    t->name = mem_strdup(name);
    t->sent = kafka_metric(&kafka_metric_topic_sent, p->client_id, name, NULL);
    t->errors = kafka_metric(&kafka_metric_topic_send_errors, p->client_id, name, NULL);
    if (p->rk)
        t->rkt = rd_kafka_topic_new(p->rk, name, NULL);
    TAILQ_INSERT_TAIL(&p->topics, t, link);
    return t;
}

void kafka_producer_topic(struct kafka_producer *p, const char *topic)
{
    topic_get(p, topic);
}

static rd_kafka_headers_t *headers_of(const struct kafka_header *headers, size_t n, size_t *size)
{
    if (n == 0)
        return NULL;
    rd_kafka_headers_t *h = rd_kafka_headers_new(n);
    for (size_t i = 0; i < n; i++) {
        rd_kafka_header_add(h, headers[i].name, -1, headers[i].value, (ssize_t)headers[i].size);
        *size += strlen(headers[i].name) + headers[i].size + HEADERS_OVERHEAD;
    }
    return h;
}

/* Hand one message to librdkafka; takes the headers only when it succeeds. */
static rd_kafka_resp_err_t produce(struct kafka_producer *p, struct producer_record *r, int64_t timestamp_ms,
                                   struct slice key, struct slice value, rd_kafka_headers_t *headers)
{
    rd_kafka_vu_t vus[8] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = r->topic->rkt},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = r->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = (void *)(uintptr_t)key.p, .size = key.n}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = (void *)(uintptr_t)value.p, .size = value.n}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = r},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(p->rk, vus, headers ? 8 : 7);
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return err;
}

bool kafka_producer_send(struct kafka_producer *p, const char *topic, int32_t partition, struct slice key,
                         struct slice value, const struct kafka_header *headers, size_t n,
                         kafka_report_fn *fn, void *arg, uint64_t id, struct error *e)
{
    return kafka_producer_send_at(p, topic, partition, 0, key, value, headers, n, fn, arg, id, e);
}

bool kafka_producer_send_at(struct kafka_producer *p, const char *topic, int32_t partition,
                            int64_t timestamp_ms, struct slice key, struct slice value,
                            const struct kafka_header *headers, size_t n, kafka_report_fn *fn, void *arg,
                            uint64_t id, struct error *e)
{
    if (p->state != PRODUCER_RUNNING) {
        error_set(e, ERROR_RETRIABLE, p->state <= PRODUCER_RESTART ? "FATAL" : "CLOSED",
                  "%s: the Kafka client %s", topic,
                  p->state <= PRODUCER_RESTART ? "is being replaced" : "is closing");
        return false;
    }
    size_t size = key.n + value.n;
    rd_kafka_headers_t *h = headers_of(headers, n, &size);
    struct producer_record *r = mem_alloc(sizeof *r);
    *r = (struct producer_record){.fn = fn, .arg = arg, .id = id, .partition = partition, .size = size};
    r->topic = topic_get(p, topic);
    r->sent_us = clock_mono_us();
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (!p->embedded || kafka_embedded_admit(p->embedded, topic, key, size, &r->partition)) {
        err = produce(p, r, timestamp_ms, key, value, h);
        if (err && p->embedded)
            kafka_embedded_reported(p->embedded, topic, r->partition, size, -1);
    }
    if (err) {
        if (h)
            rd_kafka_headers_destroy(h);
        mem_free(r);
        kafka_error_set(e, err_is_permanent(err) ? ERROR_PERMANENT : ERROR_RETRIABLE, err, topic);
        return false;
    }
    TAILQ_INSERT_TAIL(&p->records, r, link);
    p->outstanding++;
    p->outstanding_bytes += size;
    buffer_show(p);
    metric_add(p->sent, 1);
    metric_add(r->topic->sent, 1);
    return true;
}

size_t kafka_producer_outstanding(const struct kafka_producer *p)
{
    return p->outstanding;
}

bool kafka_producer_full(const struct kafka_producer *p)
{
    return p->state != PRODUCER_RUNNING || p->outstanding >= KAFKA_PRODUCER_MAX_MESSAGES / 4 * 3 ||
           p->outstanding_bytes >= p->buffer_memory / 4 * 3;
}

void kafka_producer_create_topics(struct kafka_producer *p, const struct kafka_topic_spec *specs, size_t n,
                                  int64_t timeout_ms, void (*done)(void *arg, const struct error *e),
                                  void *arg)
{
    if (p->embedded) {
        kafka_topics_create_embedded(&p->creations, p->embedded, specs, n, done, arg);
    } else if (p->rk && p->state == PRODUCER_RUNNING) {
        kafka_topics_create(&p->creations, p->rk, p->bridge.queue, specs, n, timeout_ms, done, arg);
    } else {
        struct error e = ERROR_INIT;
        error_set(&e, ERROR_RETRIABLE, "CLOSED", "creation of topics: no Kafka client");
        kafka_topics_refuse(&p->creations, &e, done, arg);
    }
}

void kafka_producer_on_state(struct kafka_producer *p, void (*fn)(void *arg, bool up, const char *reason),
                             void *arg)
{
    p->on_state = fn;
    p->on_state_arg = arg;
}

void kafka_producer_close(struct kafka_producer *p, int64_t deadline_ms, void (*closed)(void *arg), void *arg)
{
    if (p->state >= PRODUCER_CLOSING)
        return; /* the first call counts */
    p->closed = closed;
    p->closed_arg = arg;
    p->close_deadline_us = clock_mono_us() + (deadline_ms + 2 * PURGE_WAIT_MS) * 1000;
    bool purged = p->state == PRODUCER_DEAD;
    producer_move(p, purged ? PRODUCER_PURGING : PRODUCER_CLOSING);
    loop_timer_start(p->timer, purged ? PURGE_WAIT_MS : deadline_ms);
    if (p->outstanding == 0)
        loop_defer(p->loop, &p->step);
}

void kafka_producer_free(struct kafka_producer *p)
{
    if (!p)
        return;
    ASSERT(!p->bridge.draining);
    producer_move(p, PRODUCER_CLOSED);
    p->on_state = NULL;
    handle_close(p);
    kafka_topics_abort(&p->creations);
    kafka_reaper_release(p->reaper);
    loop_defer_cancel(p->loop, &p->step);
    loop_timer_free(p->timer);
    struct producer_topic *t;
    while ((t = TAILQ_FIRST(&p->topics))) {
        TAILQ_REMOVE(&p->topics, t, link);
        mem_free(t->name);
        mem_free(t);
    }
    rd_kafka_conf_destroy(p->conf);
    mem_free(p->bootstrap);
    mem_free(p->client_id);
    mem_free(p);
}

rd_kafka_t *kafka_producer_handle(struct kafka_producer *p)
{
    return p->rk;
}
