/* Adapters between the services' ports and src/kafka. */
#include "app/kafka_ports.h"

#include <arpa/inet.h>
#include <endian.h>

#include "base/map.h"
#include "loop/loop.h"

#define HEADERS_MAX 64

/* --- sink --- */

struct kafka_ports {
    struct loop *loop;
    struct kafka_producer *producer;
    char *topics[EVENT_TOPIC_COUNT];
    char *type_ids[EVENT_TOPIC_COUNT];
    char *suffix;
};

struct sent {
    event_report_fn *fn;
    void *arg;
};

static void on_report(void *arg, uint64_t id, const struct kafka_report_info *info)
{
    struct sent *s = arg;
    enum event_report report = info->outcome == KAFKA_DELIVERED       ? EVENT_DELIVERED
                               : info->outcome == KAFKA_NOT_DELIVERED ? EVENT_NOT_DELIVERED
                                                                      : EVENT_POSSIBLY_DELIVERED;
    s->fn(s->arg, id, report, &info->error);
    mem_free(s);
}

static bool sink_send(void *self, enum event_topic topic, struct slice key, struct slice value,
                      const struct event_header *headers, size_t n, event_report_fn *fn, void *arg,
                      uint64_t id, struct error *e)
{
    struct kafka_ports *p = self;
    struct kafka_header out[HEADERS_MAX];
    size_t nout = 0;
    ASSERT(n < HEADERS_MAX);
    if (p->type_ids[topic])
        out[nout++] = (struct kafka_header){"__TypeId__", p->type_ids[topic], strlen(p->type_ids[topic])};
    for (size_t i = 0; i < n; i++)
        out[nout++] = (struct kafka_header){headers[i].name, headers[i].value, headers[i].size};
    struct sent *s = mem_alloc(sizeof *s);
    *s = (struct sent){fn, arg};
    if (kafka_producer_send(p->producer, p->topics[topic], -1, key, value, out, nout, on_report, s, id, e))
        return true;
    mem_free(s);
    return false;
}

static bool sink_full(void *self)
{
    const struct kafka_ports *p = self;
    return kafka_producer_full(p->producer);
}

struct event_sink kafka_ports_sink(struct kafka_ports *p)
{
    static const struct event_sink_ops ops = {sink_send, sink_full};
    return (struct event_sink){&ops, p};
}

/* --- dead letters --- */

/* What it points to is the caller's and lives until done. */
struct dead {
    struct kafka_ports *ports;
    const struct event_message *message;
    const char *group, *exception, *reason;
    void (*done)(void *arg, const struct error *e);
    void *arg;
    int32_t partition; /* the message's own, then -1: any */
    struct loop_task task;
    struct error error;
};

static void dead_send(struct dead *d);

static void dead_end(struct dead *d, const struct error *e)
{
    d->done(d->arg, e);
    mem_free(d);
}

/* The dead letters' topic was made with fewer partitions than the topic: any one is better than none. */
static bool dead_again(struct dead *d, const struct error *e)
{
    if (d->partition < 0 || strcmp(e->code, "UNKNOWN_PARTITION") != 0)
        return false;
    d->partition = -1;
    dead_send(d);
    return true;
}

static void on_dead_report(void *arg, uint64_t id, const struct kafka_report_info *info)
{
    struct dead *d = arg;
    if (info->outcome == KAFKA_DELIVERED)
        dead_end(d, NULL);
    else if (info->outcome != KAFKA_NOT_DELIVERED || !dead_again(d, &info->error))
        dead_end(d, &info->error);
}

/* A send that is refused at once is told at the end of the turn. */
static void tell_refused(void *arg)
{
    struct dead *d = arg;
    dead_end(d, &d->error);
}

/* Integers stand there in big endian, as Java's ByteBuffer writes them. */
static size_t dead_headers(struct kafka_header *out, const struct dead *d, uint32_t *partition,
                           uint64_t *offset, uint64_t *timestamp)
{
    static const char created[] = "CreateTime";
    const struct event_message *m = d->message;
    size_t n = 0;
    for (size_t i = 0; i < m->nheaders && n < HEADERS_MAX - 10; i++)
        if (!str_starts_with(m->headers[i].name,
                             "kafka_dlt-")) /* those of an earlier dead letter are replaced */
            out[n++] = (struct kafka_header){m->headers[i].name, m->headers[i].value, m->headers[i].size};
    *partition = htonl((uint32_t)m->partition);
    *offset = htobe64((uint64_t)m->offset);
    *timestamp = htobe64((uint64_t)m->timestamp_ms);
    out[n++] = (struct kafka_header){"kafka_dlt-original-topic", m->topic, strlen(m->topic)};
    out[n++] = (struct kafka_header){"kafka_dlt-original-partition", partition, sizeof *partition};
    out[n++] = (struct kafka_header){"kafka_dlt-original-offset", offset, sizeof *offset};
    out[n++] = (struct kafka_header){"kafka_dlt-original-timestamp", timestamp, sizeof *timestamp};
    out[n++] = (struct kafka_header){"kafka_dlt-original-timestamp-type", created, sizeof created - 1};
    out[n++] = (struct kafka_header){"kafka_dlt-original-consumer-group", d->group, strlen(d->group)};
    out[n++] = (struct kafka_header){"kafka_dlt-exception-fqcn", d->exception, strlen(d->exception)};
    out[n++] = (struct kafka_header){"kafka_dlt-exception-message", d->reason, strlen(d->reason)};
    out[n++] = (struct kafka_header){"kafka_dlt-exception-stacktrace", d->reason, strlen(d->reason)};
    return n;
}

static void dead_send(struct dead *d)
{
    const struct event_message *m = d->message;
    struct kafka_header headers[HEADERS_MAX];
    uint32_t partition;
    uint64_t offset, timestamp;
    size_t n = dead_headers(headers, d, &partition, &offset, &timestamp);
    struct buf topic = BUF_INIT;
    buf_printf(&topic, "%s%s", m->topic, d->ports->suffix);
    if (!kafka_producer_send(d->ports->producer, buf_str(&topic), d->partition, m->key, m->value, headers, n,
                             on_dead_report, d, 0, &d->error) &&
        !dead_again(d, &d->error))
        loop_defer(d->ports->loop, &d->task);
    buf_free(&topic);
}

static void dead_put(void *self, const struct event_message *m, const char *group, const char *exception,
                     const char *reason, void (*done)(void *arg, const struct error *e), void *arg)
{
    struct dead *d = mem_zalloc(sizeof *d);
    *d = (struct dead){.ports = self,
                       .message = m,
                       .group = group,
                       .exception = exception,
                       .reason = reason,
                       .done = done,
                       .arg = arg,
                       .partition = m->partition,
                       .task = {.run = tell_refused, .arg = d}};
    dead_send(d);
}

struct dead_letter_port kafka_ports_dead_letters(struct kafka_ports *p)
{
    static const struct dead_letter_ops ops = {dead_put};
    return (struct dead_letter_port){&ops, p};
}

static char *copy_or_null(const char *s)
{
    return s ? mem_strdup(s) : NULL;
}

struct kafka_ports *kafka_ports_new(struct loop *l, struct kafka_producer *producer,
                                    const struct kafka_ports_config *cfg)
{
    struct kafka_ports *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->producer = producer;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        p->topics[i] = mem_strdup(cfg->topics[i]);
        p->type_ids[i] = copy_or_null(cfg->type_ids[i]);
    }
    p->suffix = mem_strdup(cfg->dead_letter_suffix);
    return p;
}

void kafka_ports_free(struct kafka_ports *p)
{
    if (!p)
        return;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        mem_free(p->topics[i]);
        mem_free(p->type_ids[i]);
    }
    mem_free(p->suffix);
    mem_free(p);
}

/* --- consumer groups --- */

/* A batch as the service sees it; lives until the service is done with it, also when the partition is gone. */
struct handed {
    struct event_message *messages;
    struct event_header *headers;
};

struct kafka_group {
    struct loop *loop;
    char *id;
    struct kafka_group_hooks hooks;
    struct kafka_consumer *consumer;
    struct kafka_consumer_ops ops; /* the consumer keeps a pointer */
    struct event_handler handler;
    struct map *handed; /* by batch id */
    struct loop_task closed_task;
    void (*closed)(void *arg);
    void *closed_arg;
};

static void handed_free(struct handed *h)
{
    mem_free(h->messages);
    mem_free(h->headers);
    mem_free(h);
}

static struct handed *hand_over(const struct kafka_batch *b)
{
    size_t nheaders = 0;
    for (size_t i = 0; i < b->n; i++)
        nheaders += b->messages[i].nheaders;
    struct handed *h = mem_zalloc(sizeof *h);
    h->messages = mem_array(b->n, sizeof *h->messages);
    h->headers = mem_array(nheaders, sizeof *h->headers);
    struct event_header *at = h->headers;
    for (size_t i = 0; i < b->n; i++) {
        const struct kafka_message *m = &b->messages[i];
        h->messages[i] = (struct event_message){.topic = m->topic,
                                                .partition = m->partition,
                                                .offset = m->offset,
                                                .timestamp_ms = m->timestamp_ms,
                                                .key = m->key,
                                                .value = m->value,
                                                .headers = at,
                                                .nheaders = m->nheaders};
        for (size_t k = 0; k < m->nheaders; k++)
            *at++ = (struct event_header){m->headers[k].name, m->headers[k].value, m->headers[k].size};
    }
    return h;
}

static void on_batch(void *arg, const struct kafka_batch *b)
{
    struct kafka_group *g = arg;
    struct handed *h = hand_over(b);
    map_put(g->handed, (int64_t)b->id, h);
    const struct event_batch batch = {.id = b->id,
                                      .topic = b->topic,
                                      .partition = b->partition,
                                      .attempt = b->attempt,
                                      .waits = b->waits,
                                      .messages = h->messages,
                                      .n = b->n};
    g->handler.on_batch(g->handler.self, &batch);
}

static void on_assigned(void *arg, const char *topic, int32_t partition)
{
    struct kafka_group *g = arg;
    g->hooks.on_assigned(g->hooks.arg, g, topic, partition);
}

/* Nothing to do: a batch that is out stays with its service until done(). */
static void on_revoked(void *arg, const char *topic, int32_t partition)
{
}

static void on_state(void *arg, bool up, const char *reason)
{
    struct kafka_group *g = arg;
    g->hooks.on_state(g->hooks.arg, g, up, reason);
}

static void source_done(void *self, uint64_t batch_id, enum event_outcome outcome, size_t count,
                        int64_t delay_ms)
{
    static const enum kafka_batch_outcome outcomes[] = {
        [EVENT_DONE] = KAFKA_BATCH_DONE, [EVENT_RETRY] = KAFKA_BATCH_RETRY, [EVENT_WAIT] = KAFKA_BATCH_WAIT};
    struct kafka_group *g = self;
    struct handed *h = map_del(g->handed, (int64_t)batch_id);
    ASSERT(h);
    if (g->consumer)
        kafka_consumer_done(g->consumer, batch_id, outcomes[outcome], count, delay_ms);
    handed_free(h);
}

static bool source_valid(void *self, uint64_t batch_id)
{
    const struct kafka_group *g = self;
    return g->consumer && kafka_consumer_batch_valid(g->consumer, batch_id);
}

static void source_next(void *self, uint64_t batch_id)
{
    const struct kafka_group *g = self;
    if (g->consumer)
        kafka_consumer_next(g->consumer, batch_id);
}

struct kafka_group *kafka_group_new(struct loop *l, const char *group_id,
                                    const struct kafka_group_hooks *hooks)
{
    struct kafka_group *g = mem_zalloc(sizeof *g);
    g->loop = l;
    g->id = mem_strdup(group_id);
    g->hooks = *hooks;
    g->handed = map_new();
    return g;
}

struct event_source kafka_group_source(struct kafka_group *g)
{
    static const struct event_source_ops ops = {source_done, source_valid, source_next};
    return (struct event_source){&ops, g};
}

bool kafka_group_start(struct kafka_group *g, const struct kafka_consumer_config *cfg,
                       struct event_handler handler, struct error *e)
{
    g->ops = (struct kafka_consumer_ops){on_batch, g->hooks.on_assigned ? on_assigned : NULL, on_revoked,
                                         on_state};
    g->handler = handler;
    g->consumer = kafka_consumer_new(g->loop, cfg, &g->ops, g, e);
    return g->consumer != NULL;
}

void kafka_group_start_at(struct kafka_group *g, const char *topic, int32_t partition, int64_t offset)
{
    if (g->consumer)
        kafka_consumer_start_at(g->consumer, topic, partition, offset);
}

const char *kafka_group_id(const struct kafka_group *g)
{
    return g->id;
}

bool kafka_group_started(const struct kafka_group *g)
{
    return g->consumer != NULL;
}

static void tell_closed(void *arg)
{
    struct kafka_group *g = arg;
    g->closed(g->closed_arg);
}

void kafka_group_close(struct kafka_group *g, int64_t deadline_ms, void (*closed)(void *arg), void *arg)
{
    g->closed = closed;
    g->closed_arg = arg;
    g->closed_task = (struct loop_task){.run = tell_closed, .arg = g};
    if (g->consumer)
        kafka_consumer_close(g->consumer, deadline_ms, closed, arg);
    else
        loop_defer(g->loop, &g->closed_task);
}

void kafka_group_free(struct kafka_group *g)
{
    if (!g)
        return;
    kafka_consumer_free(g->consumer);
    loop_defer_cancel(g->loop, &g->closed_task);
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(g->handed, &pos, &id, &value))
        handed_free(value);
    map_free(g->handed);
    mem_free(g->id);
    mem_free(g);
}
