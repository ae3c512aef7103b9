/* In-process delivery. One line per topic, one batch at a time, in order. */
#include "app/local_ports.h"

#include "base/clock.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "store/dead_letter.h"

struct local_event {
    TAILQ_ENTRY(local_event) link;
    struct buf key, value;
    struct event_header *headers;
    size_t nheaders;
    struct buf header_bytes;
    int64_t timestamp_ms;
    event_report_fn *fn;
    void *arg;
    uint64_t id;
};
TAILQ_HEAD(local_events, local_event);

struct local_line {
    struct local_ports *ports;
    enum event_topic topic;
    char *name;
    struct event_handler handler;
    struct local_events events; /* the first `out` of them are with the handler */
    struct local_events ended;  /* reported at the close; a handler may still read them */
    size_t waiting, out;
    int attempt, waits; /* of the head, as Kafka's consumer counts */
    uint64_t batch_id;
    struct event_message *messages; /* of the batch that is out */
    struct loop_timer *pause;
    struct loop_task task;
};

struct local_ports {
    struct loop *loop;
    struct store *store;
    struct local_ports_config cfg;
    bool closed;
    struct local_line lines[EVENT_TOPIC_COUNT];
};

static void event_free(struct local_event *ev)
{
    buf_free(&ev->key);
    buf_free(&ev->value);
    buf_free(&ev->header_bytes);
    mem_free(ev->headers);
    mem_free(ev);
}

static void report_first(struct local_line *line, enum event_report report, const struct error *e)
{
    struct local_event *ev = TAILQ_FIRST(&line->events);
    TAILQ_REMOVE(&line->events, ev, link);
    line->waiting--;
    if (line->ports->closed)
        TAILQ_INSERT_TAIL(&line->ended, ev, link);
    ev->fn(ev->arg, ev->id, report, e);
    if (!line->ports->closed)
        event_free(ev);
}

static void hand_over(void *arg)
{
    struct local_line *line = arg;
    static const struct error none;
    if (line->out || loop_timer_running(line->pause))
        return;
    if (!line->handler.on_batch) {
        for (size_t n = line->waiting; n > 0; n--) /* a report may send again: that comes next turn */
            report_first(line, EVENT_DELIVERED, &none);
        return;
    }
    size_t n = line->waiting < line->ports->cfg.batch_max ? line->waiting : line->ports->cfg.batch_max;
    if (!n)
        return;
    line->messages = mem_array(n, sizeof *line->messages);
    struct local_event *ev = TAILQ_FIRST(&line->events);
    for (size_t i = 0; i < n; i++, ev = TAILQ_NEXT(ev, link))
        line->messages[i] = (struct event_message){.topic = line->name,
                                                   .offset = -1,
                                                   .timestamp_ms = ev->timestamp_ms,
                                                   .key = buf_slice(&ev->key),
                                                   .value = buf_slice(&ev->value),
                                                   .headers = ev->headers,
                                                   .nheaders = ev->nheaders};
    line->out = n;
    const struct event_batch batch = {.id = ++line->batch_id,
                                      .topic = line->name,
                                      .attempt = line->attempt,
                                      .waits = line->waits,
                                      .messages = line->messages,
                                      .n = n};
    line->handler.on_batch(line->handler.self, &batch);
}

static void on_pause_over(void *arg)
{
    struct local_line *line = arg;
    loop_defer(line->ports->loop, &line->task);
}

static void source_done(void *self, uint64_t batch_id, enum event_outcome outcome, size_t count,
                        int64_t delay_ms)
{
    struct local_line *line = self;
    static const struct error none;
    if (line->ports->closed)
        return;
    ASSERT(batch_id == line->batch_id && line->out && count <= line->out);
    line->out = 0;
    mem_free(line->messages);
    line->messages = NULL;
    if (count || outcome == EVENT_DONE)
        line->attempt = line->waits = 0; /* a new head */
    if (outcome == EVENT_RETRY) {
        line->attempt++;
        line->waits = 0;
    } else if (outcome == EVENT_WAIT) {
        line->waits++;
    }
    for (size_t i = 0; i < count; i++)
        report_first(line, EVENT_DELIVERED, &none);
    if (outcome != EVENT_DONE)
        loop_timer_start(line->pause, delay_ms > 0 ? delay_ms : 1);
    else
        loop_defer(line->ports->loop, &line->task);
}

static bool source_valid(void *self, uint64_t batch_id)
{
    const struct local_line *line = self;
    return batch_id == line->batch_id && line->out && !line->ports->closed;
}

static void copy_headers(struct local_event *ev, const struct event_header *headers, size_t n)
{
    ev->headers = mem_array(n, sizeof *ev->headers);
    ev->nheaders = n;
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += strlen(headers[i].name) + 1 + headers[i].size;
    char *at = buf_reserve(&ev->header_bytes, size);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(headers[i].name) + 1;
        ev->headers[i] = (struct event_header){at, at + len, headers[i].size};
        memcpy(at, headers[i].name, len);
        if (headers[i].size)
            memcpy(at + len, headers[i].value, headers[i].size);
        at += len + headers[i].size;
    }
}

static bool sink_send(void *self, enum event_topic topic, struct slice key, struct slice value,
                      const struct event_header *headers, size_t n, event_report_fn *fn, void *arg,
                      uint64_t id, struct error *e)
{
    struct local_ports *p = self;
    struct local_line *line = &p->lines[topic];
    if (p->closed) {
        error_set(e, ERROR_RETRIABLE, "CLOSED", "the node stops");
        return false;
    }
    if (line->waiting >= p->cfg.queue_max) {
        error_set(e, ERROR_RETRIABLE, "QUEUE_FULL", "too many events of %s wait for their handler",
                  line->name);
        return false;
    }
    struct local_event *ev = mem_zalloc(sizeof *ev);
    buf_put_slice(&ev->key, key);
    buf_put_slice(&ev->value, value);
    if (n)
        copy_headers(ev, headers, n);
    ev->timestamp_ms = clock_shop_us() / 1000;
    ev->fn = fn;
    ev->arg = arg;
    ev->id = id;
    TAILQ_INSERT_TAIL(&line->events, ev, link);
    line->waiting++;
    loop_defer(p->loop, &line->task);
    return true;
}

static bool sink_full(void *self)
{
    const struct local_ports *p = self;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        if (p->lines[i].waiting * 2 > p->cfg.queue_max)
            return true;
    return false;
}

static void dead_put(void *self, const struct event_message *m, const char *group, const char *exception,
                     const char *reason, void (*done)(void *arg, const struct error *e), void *arg)
{
    struct local_ports *p = self;
    struct dead_letter_header *headers = mem_array(m->nheaders, sizeof *headers);
    for (size_t i = 0; i < m->nheaders; i++)
        headers[i] =
            (struct dead_letter_header){m->headers[i].name, {m->headers[i].value, m->headers[i].size}};
    const struct dead_letter_row row = {.topic = m->topic,
                                        .group = group,
                                        .exception = exception,
                                        .reason = reason,
                                        .key = m->key,
                                        .payload = m->value,
                                        .headers = headers,
                                        .nheaders = m->nheaders};
    dead_letter_insert(p->store, &row, done, arg);
    mem_free(headers);
}

struct event_sink local_ports_sink(struct local_ports *p)
{
    static const struct event_sink_ops ops = {sink_send, sink_full};
    return (struct event_sink){&ops, p};
}

struct event_source local_ports_source(struct local_ports *p, enum event_topic topic)
{
    static const struct event_source_ops ops = {source_done, source_valid};
    return (struct event_source){&ops, &p->lines[topic]};
}

struct dead_letter_port local_ports_dead_letters(struct local_ports *p)
{
    static const struct dead_letter_ops ops = {dead_put};
    return (struct dead_letter_port){&ops, p};
}

void local_ports_handle(struct local_ports *p, enum event_topic topic, struct event_handler handler)
{
    p->lines[topic].handler = handler;
}

struct local_ports *local_ports_new(struct loop *l, struct store *s, const struct local_ports_config *cfg)
{
    struct local_ports *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->store = s;
    p->cfg = *cfg;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        struct local_line *line = &p->lines[i];
        line->ports = p;
        line->topic = (enum event_topic)i;
        line->name = mem_strdup(cfg->topics[i]);
        TAILQ_INIT(&line->events);
        TAILQ_INIT(&line->ended);
        line->pause = loop_timer_new(l, on_pause_over, line);
        line->task = (struct loop_task){.run = hand_over, .arg = line};
    }
    return p;
}

size_t local_ports_waiting(const struct local_ports *p)
{
    size_t n = 0;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        n += p->lines[i].waiting;
    return n;
}

void local_ports_close(struct local_ports *p)
{
    if (p->closed)
        return;
    p->closed = true;
    struct error closed;
    error_set(&closed, ERROR_UNKNOWN, "CLOSED", "the node stops");
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        struct local_line *line = &p->lines[i];
        loop_timer_stop(line->pause);
        loop_defer_cancel(p->loop, &line->task);
        while (!TAILQ_EMPTY(&line->events))
            report_first(line, EVENT_POSSIBLY_DELIVERED, &closed);
    }
}

void local_ports_free(struct local_ports *p)
{
    if (!p)
        return;
    local_ports_close(p);
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        struct local_line *line = &p->lines[i];
        struct local_event *ev;
        while ((ev = TAILQ_FIRST(&line->ended))) {
            TAILQ_REMOVE(&line->ended, ev, link);
            event_free(ev);
        }
        loop_timer_free(line->pause);
        mem_free(line->messages);
        mem_free(line->name);
    }
    mem_free(p);
}
