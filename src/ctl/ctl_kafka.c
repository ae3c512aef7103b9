/* The port for reading topics back, on kafka's reader. */
#include "ctl/ctl_kafka.h"

#include "app/config.h"
#include "app/pools.h"
#include "kafka/kafka.h"
#include "loop/loop.h"

#define HEADERS_MAX 64

struct ctl_history {
    struct ctl *c;
    struct kafka_reader *reader;
    struct error refused;
    struct loop_task refuse;
    void (*on_message)(void *arg, const struct event_message *m);
    void (*done)(void *arg, const struct event_range *ranges, size_t n, const struct error *e);
    void *arg;
};

bool ctl_kafka_there(const char **why)
{
    *why = app_config.publisher == PUBLISHER_LOCAL ? "event.publisher.type is local: there are no topics"
           : app_config_embedded() ? "kafka.bootstrap-servers is embedded: the topics are inside the node"
                                   : NULL;
    return !*why;
}

static void on_message(void *arg, const struct kafka_message *m)
{
    struct ctl_history *h = arg;
    struct event_header headers[HEADERS_MAX];
    ASSERT(m->nheaders <= HEADERS_MAX);
    for (size_t i = 0; i < m->nheaders; i++)
        headers[i] = (struct event_header){m->headers[i].name, m->headers[i].value, m->headers[i].size};
    const struct event_message message = {.topic = m->topic,
                                          .partition = m->partition,
                                          .offset = m->offset,
                                          .timestamp_ms = m->timestamp_ms,
                                          .key = m->key,
                                          .value = m->value,
                                          .headers = headers,
                                          .nheaders = m->nheaders};
    h->on_message(h->arg, &message);
}

static void on_end(void *arg, const struct kafka_reader_range *ranges, size_t n, const struct error *e)
{
    struct ctl_history *h = arg;
    struct event_range *copies = mem_array(n, sizeof *copies);
    for (size_t i = 0; i < n; i++)
        copies[i] = (struct event_range){ranges[i].topic, ranges[i].partition, ranges[i].first, ranges[i].end,
                                         ranges[i].first_timestamp_ms};
    h->done(h->arg, copies, n, e);
    mem_free(copies);
    kafka_reader_free(h->reader);
    h->reader = NULL;
}

static void tell_refused(void *arg)
{
    struct ctl_history *h = arg;
    h->done(h->arg, NULL, 0, &h->refused);
}

static void history_read(
    void *self, const char *const *topics, void (*fn)(void *arg, const struct event_message *m),
    void (*done)(void *arg, const struct event_range *ranges, size_t n, const struct error *e), void *arg)
{
    static const struct kafka_reader_ops ops = {on_message, on_end};
    struct ctl_history *h = self;
    const struct kafka_config common = app_kafka_config(app_config.kafka.bootstrap_servers, "rushctl");
    ASSERT(!h->reader);
    h->on_message = fn;
    h->done = done;
    h->arg = arg;
    h->reader = kafka_reader_new(h->c->loop, &common, topics, h->c->wait_ms, &ops, h, &h->refused);
    if (!h->reader)
        loop_defer(h->c->loop, &h->refuse);
}

struct ctl_history *ctl_history_new(struct ctl *c)
{
    struct ctl_history *h = mem_zalloc(sizeof *h);
    h->c = c;
    h->refuse = (struct loop_task){.run = tell_refused, .arg = h};
    return h;
}

struct event_history ctl_history_port(struct ctl_history *h)
{
    static const struct event_history_ops ops = {history_read};
    return (struct event_history){&ops, h};
}

void ctl_history_free(struct ctl_history *h)
{
    if (!h)
        return;
    kafka_reader_free(h->reader);
    loop_defer_cancel(h->c->loop, &h->refuse);
    mem_free(h);
}
