/* The metrics of src/http, and counting requests without hashing: each route keeps the series it has used. */
#ifndef RUSHD_HTTP_HTTP_METRICS_H
#define RUSHD_HTTP_HTTP_METRICS_H

#include "base/metric.h"
#include "http/http_server.h"

/* Series of one route: found by method and status, most recent first. */
struct http_stats {
    const char *uri;
    struct http_stats_entry {
        int method;
        int status;
        struct metric_series *series;
    } * entries;
    size_t n;
};

#define HTTP_METHOD_UNKNOWN ((int)HTTP_METHOD_COUNT) /* the request line was not understood */

void http_stats_init(struct http_stats *s, const char *uri); /* uri must live as long as s */
void http_stats_free(struct http_stats *s);
/* Observe one request in http.server.requests. */
void http_stats_observe(struct http_stats *s, int method, int status, int64_t us);

enum http_reject {
    HTTP_REJECT_CONNECTIONS, /* over the cap */
    HTTP_REJECT_DESCRIPTORS, /* out of descriptors */
    HTTP_REJECT_MALFORMED,   /* 400, 417, 501, 505 from the parser */
    HTTP_REJECT_TOO_LARGE,   /* 413, 414, 431 */
    HTTP_REJECT_SLOW,        /* 408, or a reader that did not read */
    HTTP_REJECT_UNANSWERED,  /* 503: the handler took longer than the request timeout */
    HTTP_REJECT_COUNT,
};
/* Count in rushd.http.rejected. */
void http_metrics_reject(enum http_reject reason);

/* Gauges rushd.http.connections and rushd.http.pending of a server. */
struct http_gauges {
    struct metric_series *connections;
    struct metric_series *pending;
};
void http_gauges_init(struct http_gauges *g, const char *server);

#endif
