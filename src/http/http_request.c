/* From a parsed request to its handler: slot, request id, route, the checks that every route shares, and the
 * answers that the server gives itself. */
#include "http/http_internal.h"

#include "http/http_field.h"

/* What http_request.headers points to while the handler runs. */
struct request_fields {
    const struct http_parser *parser;
    const char *data;
};

struct slice http_request_header(const struct http_request *r, const char *name)
{
    const struct request_fields *f = r->headers;
    for (size_t i = 0; i < f->parser->nfields; i++)
        if (slice_ieq(http_span_slice(f->parser->fields[i].name, f->data), name))
            return http_span_slice(f->parser->fields[i].value, f->data);
    return (struct slice){0};
}

int http_request_query(const struct http_request *r, const char *name, struct buf *out)
{
    return http_query_get(r->query, name, out);
}

/* Append a slot to the connection's line. p == NULL: nothing is known about the request. */
static struct http_slot *open_slot(struct http_conn *c, const struct http_parser *p, const char *data,
                                   int64_t now_us)
{
    struct http_server *s = c->server;
    struct http_slot *slot = http_slot_take(&s->slots);
    bool known = p && p->head_done;
    slot->conn = c;
    slot->method = known ? (int)p->method : HTTP_METHOD_UNKNOWN;
    slot->http11 = !known || p->http11;
    slot->keep_alive = known && p->keep_alive && !s->draining;
    slot->stats = &s->unknown;
    slot->received_us = now_us;
    struct slice id = known ? http_parser_known(p, data, HTTP_FIELD_X_REQUEST_ID) : (struct slice){0};
    if (id.n && id.n <= HTTP_REQUEST_ID_MAX && http_chars_are(id, HTTP_CHAR_ID)) {
        memcpy(slot->request_id, id.p, id.n);
        slot->request_id[id.n] = '\0';
    } else {
        http_reply_make_id(s, slot->request_id);
    }
    if (c->last)
        c->last->next = slot;
    else
        c->first = slot;
    c->last = slot;
    c->npending++;
    metric_set(s->gauges.pending, (double)s->slots.waiting);
    return slot;
}

static void answer_error(struct http_server *s, struct http_slot *slot, const struct http_request *req,
                         int status, const struct http_header *headers, size_t n)
{
    const char *type = NULL;
    buf_clear(&s->error_body);
    if (s->cfg.error_body)
        s->cfg.error_body(s->cfg.error_body_arg, req, status, &s->error_body, &type);
    http_reply_send(s, http_slot_handle(slot), status, type, buf_slice(&s->error_body), headers, n);
}

/* 405, or 200 to OPTIONS, with the methods that there are. */
static void answer_allow(struct http_server *s, struct http_slot *slot, const struct http_request *req,
                         unsigned allow)
{
    char text[HTTP_ALLOW_SIZE];
    http_allow_print(allow, text);
    struct http_header header = {"Allow", text};
    if (req->method == HTTP_OPTIONS)
        http_reply_send(s, http_slot_handle(slot), 200, NULL, (struct slice){0}, &header, 1);
    else
        answer_error(s, slot, req, 405, &header, 1);
}

static void fill_request(struct http_request *req, const struct http_slot *slot,
                         const struct request_fields *f)
{
    const struct http_parser *p = f->parser;
    *req = (struct http_request){
        .method = p->method,
        .target = http_span_slice(p->target, f->data),
        .path = p->path.n ? http_span_slice(p->path, f->data) : SLICE("/"),
        .query = http_span_slice(p->query, f->data),
        .body = {f->data + p->body_at, p->body_len},
        .content_type = http_media_type(http_parser_known(p, f->data, HTTP_FIELD_CONTENT_TYPE)),
        .request_id = slot->request_id,
        .headers = f,
        .received_us = slot->received_us,
    };
}

/* Decode req->path and find the route; sets params. False: malformed escapes. */
static bool find_route(struct http_server *s, struct http_request *req, struct http_match *match,
                       enum http_match_result *result)
{
    struct slice segments[HTTP_MAX_SEGMENTS], raw = req->path;
    buf_clear(&s->decoded);
    if (memchr(raw.p, '%', raw.n)) {
        buf_reserve(&s->decoded,
                    2 * raw.n); /* for the path and for the segments: pointers into it stay valid */
        if (!http_percent_decode(raw, false, &s->decoded))
            return false;
        req->path = buf_slice(&s->decoded);
    }
    size_t n = http_path_split(raw, &s->decoded, segments);
    *result = http_router_find(s->router, req->method, segments, n, match);
    if (*result == HTTP_MATCH_FOUND) {
        req->nparams = match->nparams;
        memcpy(req->params, match->params, match->nparams * sizeof(req->params[0]));
    }
    return true;
}

/* True if some Accept field takes JSON, or there is none. */
static bool accepts_json(const struct request_fields *f)
{
    const struct http_parser *p = f->parser;
    if (!p->known[HTTP_FIELD_ACCEPT])
        return true;
    for (size_t i = p->known[HTTP_FIELD_ACCEPT] - 1u; i < p->nfields; i++)
        if (slice_ieq(http_span_slice(p->fields[i].name, f->data), "accept") &&
            http_accepts_json(http_span_slice(p->fields[i].value, f->data)))
            return true;
    return false;
}

/* 0, or the status of a request that its route cannot take. */
static int check_types(const struct http_route *route, const struct http_request *req)
{
    const struct request_fields *f = req->headers;
    if ((route->flags & HTTP_ROUTE_JSON_BODY) && req->body.n) {
        struct slice coding = http_parser_known(f->parser, f->data, HTTP_FIELD_CONTENT_ENCODING);
        if (!slice_ieq(req->content_type, "application/json") || (coding.n && !slice_ieq(coding, "identity")))
            return 415;
    }
    if (!(route->flags & HTTP_ROUTE_ANY_ACCEPT) && !accepts_json(f))
        return 406;
    return 0;
}

/* OPTIONS *: the methods of all routes. */
static unsigned all_methods(const struct http_server *s)
{
    unsigned allow = 1u << HTTP_OPTIONS;
    for (size_t i = 0; http_router_at(s->router, i); i++) {
        enum http_method m = http_router_at(s->router, i)->method;
        allow |= 1u << m;
        if (m == HTTP_GET)
            allow |= 1u << HTTP_HEAD;
    }
    return allow;
}

void http_request_dispatch(struct http_conn *c, const struct http_parser *p, const char *data, int64_t now_us)
{
    struct http_server *s = c->server;
    struct request_fields f = {p, data};
    struct http_request req;
    struct http_slot *slot = open_slot(c, p, data, now_us);
    if (!slot->keep_alive) {
        c->state = HTTP_CONN_LAST;
        c->lingers = s->draining; /* the client did not expect the end */
    }
    fill_request(&req, slot, &f);
    if (slice_eq(req.path, "*")) {
        answer_allow(s, slot, &req, all_methods(s));
        return;
    }
    struct http_match match;
    enum http_match_result result;
    if (!find_route(s, &req, &match, &result)) {
        answer_error(s, slot, &req, 400, NULL, 0);
    } else if (result == HTTP_MATCH_FOUND) {
        const struct http_route *route = http_router_at(s->router, match.index);
        slot->stats = s->stats[match.index];
        int status = check_types(route, &req);
        if (status)
            answer_error(s, slot, &req, status, NULL, 0);
        else
            route->handler(route->arg, &req, http_slot_handle(slot));
    } else if (result == HTTP_MATCH_METHOD) {
        answer_allow(s, slot, &req, match.allow);
    } else {
        answer_error(s, slot, &req, 404, NULL, 0);
    }
}

static const struct http_header retry_after = {"Retry-After", "1"};

void http_request_refuse(struct http_conn *c, const struct http_parser *p, const char *data, int status,
                         enum http_reject reason, int64_t now_us)
{
    struct http_server *s = c->server;
    struct request_fields f = {p, data};
    struct http_request req;
    struct http_slot *slot = open_slot(c, p, data, now_us);
    slot->keep_alive = false;
    c->state = HTTP_CONN_LAST;
    c->lingers = true;
    http_metrics_reject(reason);
    bool known = p && p->head_done;
    if (known) {
        struct http_match match;
        enum http_match_result result;
        fill_request(&req, slot, &f);
        req.body = (struct slice){0};
        if (find_route(s, &req, &match, &result) && result == HTTP_MATCH_FOUND)
            slot->stats = s->stats[match.index];
    }
    answer_error(s, slot, known ? &req : NULL, status, &retry_after, status == 503);
}

void http_request_timed_out(struct http_slot *slot)
{
    http_metrics_reject(HTTP_REJECT_UNANSWERED);
    answer_error(slot->conn->server, slot, NULL, 503, &retry_after, 1);
}
