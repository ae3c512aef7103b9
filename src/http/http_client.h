/* Outgoing HTTP on the loop: libcurl's multi interface driven by libevent (the data platform, contract
 * section 5). */
#ifndef RUSHD_HTTP_HTTP_CLIENT_H
#define RUSHD_HTTP_HTTP_CLIENT_H

#include "base/error.h"
#include "base/str.h"
#include "http/http_server.h"

struct http_client;

struct http_client_result {
    int status;            /* 0: no answer; then error says why */
    struct slice body;     /* first 4 KiB of the answer */
    int64_t retry_after_s; /* Retry-After in seconds, -1 when absent */
    struct error
        error; /* RETRIABLE: not sent (refused, resolve); UNKNOWN: sent, no complete answer (timeout, cut) */
};
typedef void http_client_done_fn(void *arg, const struct http_client_result *result);

struct http_client *http_client_new(struct loop *l, int64_t max_in_flight);
/* POST body (copied) to url; done fires exactly once, never before this returns, within timeout_ms. Only
 * http:// and https://, redirects are not followed. */
void http_client_post(struct http_client *c, const char *url, const struct http_header *headers, size_t n,
                      struct slice body, int64_t timeout_ms, http_client_done_fn *done, void *arg);
size_t http_client_in_flight(const struct http_client *c);
void http_client_free(
    struct http_client *c); /* what runs is ended; done fires with UNKNOWN before this returns */

#endif
