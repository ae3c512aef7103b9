/* What src/http counts, as tables; names and labels are Micrometer's where it has them. */
#include "http/http_metrics.h"

#include <stdio.h>

#include "http/http_router.h"

static const struct metric_def requests_def = {
    .name = "http.server.requests",
    .type = METRIC_TIMER,
    .unit = "seconds",
    .help = "Requests, from the last byte of the request to the answer",
    .labels = {"exception", "method", "outcome", "status", "uri"},
    .max_series = 1000,
};

static const struct metric_def rejected_def = {
    .name = "rushd.http.rejected",
    .type = METRIC_COUNTER,
    .help = "Connections and requests that the server itself turned away",
    .labels = {"reason"},
};

static const struct metric_def connections_def = {
    .name = "rushd.http.connections",
    .type = METRIC_GAUGE,
    .help = "Open client connections",
    .labels = {"server"},
};

static const struct metric_def pending_def = {
    .name = "rushd.http.pending",
    .type = METRIC_GAUGE,
    .help = "Requests without an answer yet",
    .labels = {"server"},
};

static const char *const reject_names[HTTP_REJECT_COUNT] = {
    [HTTP_REJECT_CONNECTIONS] = "connections",
    [HTTP_REJECT_DESCRIPTORS] = "descriptors",
    [HTTP_REJECT_MALFORMED] = "malformed",
    [HTTP_REJECT_TOO_LARGE] = "too-large",
    [HTTP_REJECT_SLOW] = "slow",
    [HTTP_REJECT_UNANSWERED] = "unanswered",
};

void http_stats_init(struct http_stats *s, const char *uri)
{
    *s = (struct http_stats){.uri = uri};
}

void http_stats_free(struct http_stats *s)
{
    mem_free(s->entries);
    *s = (struct http_stats){0};
}

static const char *outcome(int status)
{
    static const char *const names[] = {"INFORMATIONAL", "SUCCESS", "REDIRECTION", "CLIENT_ERROR",
                                        "SERVER_ERROR"};
    int cls = status / 100 - 1;
    return cls >= 0 && cls < (int)ARRAY_LEN(names) ? names[cls] : "UNKNOWN";
}

/* Register the series and put it in front. */
static struct http_stats_entry *add_entry(struct http_stats *s, int method, int status)
{
    char code[12];
    snprintf(code, sizeof code, "%d", status);
    const char *name = method == HTTP_METHOD_UNKNOWN ? "UNKNOWN" : http_method_name((enum http_method)method);
    const char *values[] = {"none", name, outcome(status), code, s->uri};
    s->entries = mem_grow(s->entries, s->n + 1, sizeof(*s->entries));
    memmove(s->entries + 1, s->entries, s->n * sizeof(*s->entries));
    s->n++;
    s->entries[0] =
        (struct http_stats_entry){method, status, metric_series(metric_register(&requests_def), values)};
    return &s->entries[0];
}

void http_stats_observe(struct http_stats *s, int method, int status, int64_t us)
{
    struct http_stats_entry *e = s->entries;
    size_t i = 0;
    while (i < s->n && (s->entries[i].method != method || s->entries[i].status != status))
        i++;
    if (i == s->n) {
        e = add_entry(s, method, status);
    } else if (i) { /* to the front */
        struct http_stats_entry found = s->entries[i];
        memmove(s->entries + 1, s->entries, i * sizeof(*s->entries));
        s->entries[0] = found;
        e = s->entries;
    }
    metric_observe_us(e->series, us);
}

void http_metrics_reject(enum http_reject reason)
{
    const char *values[] = {reject_names[reason]};
    metric_add(metric_series(metric_register(&rejected_def), values), 1);
}

void http_gauges_init(struct http_gauges *g, const char *server)
{
    const char *values[] = {server};
    g->connections = metric_series(metric_register(&connections_def), values);
    g->pending = metric_series(metric_register(&pending_def), values);
    metric_register(&requests_def);
    for (size_t i = 0; i < HTTP_REJECT_COUNT; i++)
        metric_series(metric_register(&rejected_def), (const char *const[]){reject_names[i]});
}
