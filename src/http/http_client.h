/* Outgoing HTTP on the loop: libcurl's multi interface driven by libevent (the data platform, contract
 * section 5). */
#ifndef RUSHD_HTTP_HTTP_CLIENT_H
#define RUSHD_HTTP_HTTP_CLIENT_H

#include "base/error.h"
#include "base/str.h"
#include "http/http_server.h"

struct http_client;

struct http_client_result {
    int status;            /* 0: no complete answer; then error says why */
    struct slice body;     /* first 4 KiB of the answer */
    int64_t retry_after_s; /* Retry-After in seconds from now, -1 when absent */
    /* RETRIABLE: not sent (refused, name unknown, too many in flight, handshake failed); UNKNOWN: sent, no
     * complete answer (timeout, cut, ended by http_client_free); PERMANENT: the URL can never work. */
    struct error error;
};
/* body is valid during the call. It may post again and free the client. */
typedef void http_client_done_fn(void *arg, const struct http_client_result *result);

/* A client with at most max_in_flight requests at a time. It keeps connections open for the next ones. */
struct http_client *http_client_new(struct loop *l, int64_t max_in_flight);
/* POST body (copied, as the headers are) to url; done fires exactly once, never before this returns, within
 * timeout_ms, name resolution included. Only http:// and https://, redirects are not followed, no proxy.
 * Content-Type is application/json unless headers name another. */
void http_client_post(struct http_client *c, const char *url, const struct http_header *headers, size_t n,
                      struct slice body, int64_t timeout_ms, http_client_done_fn *done, void *arg);
size_t http_client_in_flight(const struct http_client *c); /* done has not fired yet */
/* End what runs; done fires with UNKNOWN before this returns, and must not post again then. NULL is fine. */
void http_client_free(struct http_client *c);

#endif
