/* Finds the route of a method and path. Pure. Literal segments beat {placeholders}, and a route with the
 * method beats one without: "DELETE /a/popular" goes to "/a/{id}" when "/a/popular" only has GET. */
#ifndef RUSHD_HTTP_HTTP_ROUTER_H
#define RUSHD_HTTP_HTTP_ROUTER_H

#include "http/http_server.h"

#define HTTP_MAX_SEGMENTS 12

struct http_router;

enum http_match_result {
    HTTP_MATCH_FOUND,
    HTTP_MATCH_METHOD, /* the path is known, but not with this method: allow says which */
    HTTP_MATCH_NONE,
};

struct http_match {
    size_t index; /* FOUND: position of the route in order of registration */
    unsigned
        allow; /* METHOD: bit 1 << method for each method of the path; HEAD comes with GET, OPTIONS always */
    size_t nparams;
    struct slice params[HTTP_MAX_PATH_PARAMS]; /* FOUND: raw segments at the placeholders */
};

/* An empty router. */
struct http_router *http_router_new(void);
/* NULL is fine. */
void http_router_free(struct http_router *r);
/* Add a route; the pattern must live as long as the router. The same method and pattern twice, a pattern
 * without '/' at the start, or one with too many segments or placeholders is a bug. Returns its index. */
size_t http_router_add(struct http_router *r, const struct http_route *route);
const struct http_route *http_router_at(const struct http_router *r, size_t index); /* NULL beyond the last */
/* Find the route for a path without query, split at '/' after it was found to hold no escapes, or segment by
 * segment decoded by http_path_split(). HEAD finds a GET route. */
enum http_match_result http_router_find(const struct http_router *r, enum http_method method,
                                        const struct slice *segments, size_t nsegments,
                                        struct http_match *match);

/* Split a raw path at '/' into segments; those with escapes are decoded into scratch, which must have room
 * for as many bytes as the path has. Number of segments, HTTP_MAX_SEGMENTS + 1 for too many (no route has
 * them), 0 for a path without leading '/' or with malformed escapes. "/" is one empty segment. */
size_t http_path_split(struct slice path, struct buf *scratch, struct slice *segments);

/* "GET" */
const char *http_method_name(enum http_method method);
/* Write the methods of an allow mask as an Allow value: "GET, HEAD, OPTIONS". out holds HTTP_ALLOW_SIZE
 * bytes. */
#define HTTP_ALLOW_SIZE 64
void http_allow_print(unsigned allow, char *out);

#endif
