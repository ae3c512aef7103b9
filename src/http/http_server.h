/* The HTTP/1.1 server: strict, pipelined, bounded (library facts section 5.4, contract section 3).
 *
 * A handler gets a request and a reply handle; it may answer now or later, from any callback on the loop.
 * Replies leave in the order of the requests. A handle whose connection has gone is still valid to answer:
 * the answer is dropped. Every request must be answered exactly once (a second answer is a bug); a request
 * without an answer after request-timeout is answered 503 by the server, and the handler's late answer is
 * dropped.
 */
#ifndef RUSHD_HTTP_HTTP_SERVER_H
#define RUSHD_HTTP_HTTP_SERVER_H

#include "base/buf.h"
#include "base/error.h"

struct loop;
struct http_server;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
    HTTP_METHOD_COUNT
};

#define HTTP_MAX_PATH_PARAMS 4

/* A parsed request. Everything points into the connection's buffer and is valid only until the handler
 * returns: copy what must live longer. */
struct http_request {
    enum http_method method;
    struct slice target; /* as received */
    struct slice path;   /* percent-decoded, without query */
    struct slice query;  /* raw, without '?' */
    struct slice body;
    struct slice content_type;                 /* media type only, without parameters; empty when absent */
    struct slice params[HTTP_MAX_PATH_PARAMS]; /* decoded values of the route's {placeholders}, in order */
    size_t nparams;
    const char *request_id; /* X-Request-Id taken (if 1..64 of [A-Za-z0-9._-]) or made */
    const void *headers;    /* for http_request_header() */
    int64_t received_us;    /* clock_mono_us() when the request was complete */
};
/* Value of a header field, names case-folded; p == NULL when absent. */
struct slice http_request_header(const struct http_request *r, const char *name);
/* Decode the value of a query parameter into out (percent and '+'): 1 found, 0 absent, -1 malformed encoding.
 * The last of repeated ones wins. */
int http_request_query(const struct http_request *r, const char *name, struct buf *out);

/* Names one pending reply; copyable, comparable with 0 = none. */
typedef struct {
    uint64_t slot;
    uint32_t generation;
} http_reply;

struct http_header {
    const char *name;
    const char *value;
};

/* Answer; nothing fires and nothing is freed before this returns, bytes leave at the end of the turn. body and
 * headers are copied. content_type NULL sends none; an empty body sends Content-Length: 0. headers may be NULL
 * (n = 0); control characters in their values become blanks. Content-Length, Date, Connection and X-Request-Id
 * are the server's. HEAD, 204 and 304 send no body. status is 200 .. 599. */
void http_reply_send(struct http_server *s, http_reply r, int status, const char *content_type,
                     struct slice body, const struct http_header *headers, size_t n);
/* False when the client has gone or the server answered for the handler: work for it may be skipped. */
bool http_reply_wanted(const struct http_server *s, http_reply r);
/* Request id, for log lines of later steps; "" when the handle is dead. */
const char *http_reply_request_id(const struct http_server *s, http_reply r);

typedef void http_handler_fn(void *arg, const struct http_request *req, http_reply reply);

/* A route: literal segments and {placeholders}. Literal beats placeholder ("/api/products/popular" over
 * "/api/products/{productId}"). */
struct http_route {
    enum http_method method; /* GET answers HEAD too */
    const char *pattern;     /* "/api/coupons/{couponId}/issue": also the metric's uri label */
    http_handler_fn *handler;
    void *arg;
    unsigned flags;
};
enum http_route_flag {
    /* A body is required to be application/json without a content coding (415 otherwise). Whether there must be
     * one is the handler's affair. */
    HTTP_ROUTE_JSON_BODY = 1,
    /* The handler looks at Accept itself; else one that excludes application/json gets 406. */
    HTTP_ROUTE_ANY_ACCEPT = 2,
};

/* How errors look (contract section 3) belongs to api: the server calls this for every error that it answers
 * itself (400 framing or malformed escapes, 404, 405, 406, 408, 413, 414, 415, 417, 431, 501, 503, 505). req is
 * NULL when the head was not understood or is not there any more (503 after request-timeout, 503 over the cap). The
 * function fills body and *content_type. */
typedef void http_error_body_fn(void *arg, const struct http_request *req, int status, struct buf *body,
                                const char **content_type);

struct http_server_config {
    const char *name;         /* "http", "management": log lines and metric label */
    const char *address;      /* numeric */
    int port;                 /* 0: any free one */
    int64_t max_connections;  /* more are answered 503; lowered to what RLIMIT_NOFILE allows */
    int64_t max_request_body; /* after decoding of chunks: 413 */
    int64_t max_header_bytes; /* of the whole head, at most 65535: 414 or 431. 8 KiB is usual */
    /* Each is for the whole thing and noticed up to a second late. */
    int64_t header_timeout_ms;     /* from the first byte of a request to the end of its head: 408 */
    int64_t body_timeout_ms;       /* from there to the end of its body: 408 */
    int64_t keep_alive_timeout_ms; /* a connection without a request: closed silently */
    int64_t request_timeout_ms; /* from the complete request to the handler's answer: 503 with Retry-After */
    int64_t write_timeout_ms;   /* the client has taken no byte of what is there for it: closed */
    http_error_body_fn *error_body; /* NULL: errors have no body */
    void *error_body_arg;
};

/* A server that does not listen yet. cfg is copied, its strings too. Registers http.server.requests,
 * rushd.http.connections, rushd.http.pending and rushd.http.rejected. */
struct http_server *http_server_new(struct loop *l, const struct http_server_config *cfg);
/* Add routes, before http_server_listen(). The array is copied, patterns must live as long as the server. */
void http_server_add(struct http_server *s, const struct http_route *routes, size_t n);
/* Take the port, so that it is known and nobody else gets it, without listening: where several processes share it, the others
 * get all connections. False: e->text names address and port. */
bool http_server_bind(struct http_server *s, struct error *e);
/* Listen with SO_REUSEPORT: several processes of one user may share a port. Binds if that has not been done. False: e->text
 * names address and port. */
bool http_server_listen(struct http_server *s, struct error *e);
int http_server_port(const struct http_server *s); /* the bound port */
/* Stop in order: close the listener, close idle connections, let running requests finish with Connection:
 * close; drained fires once, never before this returns, when no connection is left or the deadline has passed
 * (then the rest is cut). At most once per server. */
void http_server_drain(struct http_server *s, int64_t deadline_ms, void (*drained)(void *arg), void *arg);
size_t http_server_connections(const struct http_server *s); /* without those refused over the cap */
size_t http_server_pending(const struct http_server *s);     /* requests without an answer yet */
/* Visit the routes in registration order (OpenAPI, /actuator); NULL beyond the last. */
const struct http_route *http_server_route_at(const struct http_server *s, size_t i);
/* Cut what is left; drained does not fire any more. Not from a handler. NULL is fine. */
void http_server_free(struct http_server *s);

#endif
