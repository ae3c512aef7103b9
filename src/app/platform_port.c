/* Documents to data-platform.url. */
#include "app/platform_port.h"

#include <stdio.h>

#include "base/queue.h"
#include "http/http_client.h"

struct post {
    TAILQ_ENTRY(post) link;
    void (*done)(void *arg, enum document_outcome outcome, int status, int64_t retry_after_ms,
                 const struct error *e);
    void *arg;
};

struct platform_port {
    struct http_client *client;
    char *url;
    int64_t timeout_ms;
    bool closing;
    TAILQ_HEAD(, post) late; /* posted while the port is freed */
};

/* A redirect says nothing about the document: the platform has moved, and nothing is given up for that. */
static enum document_outcome outcome_of(int status)
{
    if (status >= 200 && status < 300)
        return DOCUMENT_ACCEPTED;
    if (status >= 400 && status < 500 && status != 408 && status != 425 && status != 429)
        return DOCUMENT_REFUSED;
    return DOCUMENT_AWAY;
}

static void on_answer(void *arg, const struct http_client_result *r)
{
    struct post *post = arg;
    struct error e = r->error;
    if (e.kind == ERROR_NONE && outcome_of(r->status) != DOCUMENT_ACCEPTED)
        error_set(&e, ERROR_RETRIABLE, "HTTP", "the data platform answered %d", r->status);
    post->done(post->arg, outcome_of(r->status), r->status,
               r->retry_after_s < 0 ? -1 : r->retry_after_s * 1000, &e);
    mem_free(post);
}

static void post_document(void *self, int64_t order_id, struct slice document,
                          void (*done)(void *arg, enum document_outcome outcome, int status,
                                       int64_t retry_after_ms, const struct error *e),
                          void *arg)
{
    struct platform_port *p = self;
    char key[24];
    snprintf(key, sizeof key, "%lld", (long long)order_id);
    const struct http_header headers[] = {{"Content-Type", "application/json"}, {"Idempotency-Key", key}};
    struct post *post = mem_alloc(sizeof *post);
    *post = (struct post){.done = done, .arg = arg};
    if (p->closing) {
        TAILQ_INSERT_TAIL(&p->late, post, link);
        return;
    }
    http_client_post(p->client, p->url, headers, ARRAY_LEN(headers), document, p->timeout_ms, on_answer,
                     post);
}

struct platform_port *platform_port_new(struct loop *l, const char *url, int64_t timeout_ms,
                                        int64_t max_in_flight)
{
    struct platform_port *p = mem_zalloc(sizeof *p);
    p->client = http_client_new(l, max_in_flight);
    p->url = mem_strdup(url);
    p->timeout_ms = timeout_ms;
    TAILQ_INIT(&p->late);
    return p;
}

struct document_sink platform_port_sink(struct platform_port *p)
{
    static const struct document_sink_ops ops = {post_document};
    return (struct document_sink){&ops, p};
}

void platform_port_free(struct platform_port *p)
{
    if (!p)
        return;
    p->closing = true;
    http_client_free(p->client);
    struct http_client_result closed = {.retry_after_s = -1};
    error_set(&closed.error, ERROR_RETRIABLE, "CLOSED", "the node stops");
    struct post *post;
    while ((post = TAILQ_FIRST(&p->late))) {
        TAILQ_REMOVE(&p->late, post, link);
        on_answer(post, &closed);
    }
    mem_free(p->url);
    mem_free(p);
}
