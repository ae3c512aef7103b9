/* Routes as a tree of path segments: each node knows its literal children, one placeholder child and the
 * routes that end there. Looking up tries the literal child first and comes back to the placeholder when that
 * leads nowhere. */
#include "http/http_router.h"

#include "http/http_field.h"

struct node {
    struct slice literal; /* the segment that leads here; unused for a placeholder */
    struct node *children;
    struct node *sibling;
    struct node *placeholder;
    unsigned methods; /* bit per method that ends here */
    size_t route[HTTP_METHOD_COUNT];
};

struct http_router {
    struct node root;
    struct http_route *routes;
    size_t nroutes;
};

struct http_router *http_router_new(void)
{
    return mem_zalloc(sizeof(struct http_router));
}

static void node_free(struct node *n)
{
    if (!n)
        return;
    node_free(n->children);
    node_free(n->sibling);
    node_free(n->placeholder);
    mem_free(n);
}

void http_router_free(struct http_router *r)
{
    if (!r)
        return;
    node_free(r->root.children);
    node_free(r->root.placeholder);
    mem_free(r->routes);
    mem_free(r);
}

static bool slices_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static struct node *literal_child(const struct node *n, struct slice segment)
{
    for (struct node *c = n->children; c; c = c->sibling)
        if (slices_equal(c->literal, segment))
            return c;
    return NULL;
}

/* The child that a segment of a pattern leads to, made if need be. */
static struct node *child_for(struct node *n, struct slice segment)
{
    if (segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}') {
        if (!n->placeholder)
            n->placeholder = mem_zalloc(sizeof(struct node));
        return n->placeholder;
    }
    struct node *c = literal_child(n, segment);
    if (!c) {
        c = mem_zalloc(sizeof(struct node));
        c->literal = segment;
        c->sibling = n->children;
        n->children = c;
    }
    return c;
}

/* Split without decoding; HTTP_MAX_SEGMENTS + 1 for too many, 0 without leading '/'. */
static size_t split(struct slice path, struct slice *segments)
{
    if (!path.n || path.p[0] != '/')
        return 0;
    size_t n = 0;
    const char *at = path.p + 1, *end = path.p + path.n;
    for (;;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *stop = slash ? slash : end;
        if (n == HTTP_MAX_SEGMENTS)
            return HTTP_MAX_SEGMENTS + 1;
        segments[n++] = (struct slice){at, (size_t)(stop - at)};
        if (!slash)
            return n;
        at = slash + 1;
    }
}

size_t http_path_split(struct slice path, struct buf *scratch, struct slice *segments)
{
    size_t n = split(path, segments);
    if (!path.n || !memchr(path.p, '%', path.n) || n > HTTP_MAX_SEGMENTS)
        return n;
    buf_reserve(scratch, path.n);
    for (size_t i = 0; i < n; i++) {
        if (!segments[i].n || !memchr(segments[i].p, '%', segments[i].n))
            continue;
        size_t at = scratch->len;
        if (!http_percent_decode(segments[i], false, scratch))
            return 0;
        segments[i] = (struct slice){scratch->data + at, scratch->len - at};
    }
    return n;
}

size_t http_router_add(struct http_router *r, const struct http_route *route)
{
    struct slice segments[HTTP_MAX_SEGMENTS];
    size_t n = split(slice_of(route->pattern), segments), nparams = 0;
    ASSERT(n >= 1 && n <= HTTP_MAX_SEGMENTS && route->handler);
    struct node *node = &r->root;
    for (size_t i = 0; i < n; i++) {
        node = child_for(node, segments[i]);
        nparams += segments[i].n > 2 && segments[i].p[0] == '{';
    }
    ASSERT(nparams <= HTTP_MAX_PATH_PARAMS);
    ASSERT(!(node->methods & 1u << route->method));
    node->methods |= 1u << route->method;
    node->route[route->method] = r->nroutes;
    r->routes = mem_grow(r->routes, r->nroutes + 1, sizeof(*r->routes));
    r->routes[r->nroutes] = *route;
    return r->nroutes++;
}

const struct http_route *http_router_at(const struct http_router *r, size_t index)
{
    return index < r->nroutes ? &r->routes[index] : NULL;
}

/* What a request looks for, on its way down the tree. */
struct walk {
    enum http_method method;
    const struct slice *segments;
    size_t nsegments;
    struct http_match *match;
};

/* All segments are used up at node n. */
static bool ends_at(struct walk *w, const struct node *n)
{
    enum http_method method = w->method;
    if (method == HTTP_HEAD && !(n->methods & 1u << HTTP_HEAD))
        method = HTTP_GET;
    w->match->allow |= n->methods;
    if (!(n->methods & 1u << method))
        return false;
    w->match->index = n->route[method];
    return true;
}

/* Try to reach a route with the method from node n for segments[at ...]. */
static bool descend(struct walk *w, const struct node *n, size_t at)
{
    if (at == w->nsegments)
        return ends_at(w, n);
    const struct node *literal = literal_child(n, w->segments[at]);
    if (literal && descend(w, literal, at + 1))
        return true;
    if (!n->placeholder || !w->segments[at].n)
        return false;
    size_t mine = w->match->nparams++;
    w->match->params[mine] = w->segments[at];
    if (descend(w, n->placeholder, at + 1))
        return true;
    w->match->nparams = mine;
    return false;
}

enum http_match_result http_router_find(const struct http_router *r, enum http_method method,
                                        const struct slice *segments, size_t nsegments,
                                        struct http_match *match)
{
    struct walk w = {method, segments, nsegments, match};
    match->allow = 0;
    match->nparams = 0;
    if (nsegments >= 1 && nsegments <= HTTP_MAX_SEGMENTS && descend(&w, &r->root, 0))
        return HTTP_MATCH_FOUND;
    if (!match->allow)
        return HTTP_MATCH_NONE;
    match->allow |= 1u << HTTP_OPTIONS;
    if (match->allow & 1u << HTTP_GET)
        match->allow |= 1u << HTTP_HEAD;
    return HTTP_MATCH_METHOD;
}

static const char *const method_names[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = "GET",       [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",       [HTTP_PUT] = "PUT",
    [HTTP_DELETE] = "DELETE", [HTTP_PATCH] = "PATCH", [HTTP_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method method)
{
    ASSERT(method < HTTP_METHOD_COUNT);
    return method_names[method];
}

void http_allow_print(unsigned allow, char *out)
{
    char *to = out;
    for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++) {
        if (!(allow & 1u << m))
            continue;
        if (to > out)
            to = stpcpy(to, ", ");
        to = stpcpy(to, method_names[m]);
    }
    *to = '\0';
}
