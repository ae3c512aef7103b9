/* Routes become bindings of the servers; requests become calls; calls are answered. */
#include "api/api_coupon_list.h"

#include "base/clock.h"
#include "base/log.h"

LOG_DEFINE(log_api, "rushd.api");

#define JSON "application/json"

/* --- calls --- */

unsigned api_form(const struct api_call *c)
{
    return c->req ? api_error_form(c->req) : c->form;
}

struct api_call *api_keep(const struct api_call *c)
{
    struct api_call *kept = mem_dup(c, sizeof *c);
    kept->form = api_form(c);
    kept->req = NULL;
    LIST_INSERT_HEAD(&c->api->kept, kept, link);
    return kept;
}

void api_send_with(struct api_call *c, int status, const char *content_type, struct slice body,
                   const struct http_header *headers, size_t n)
{
    http_reply_send(c->server, c->reply, status, content_type, body, headers, n);
    if (c->req)
        return;
    LIST_REMOVE(c, link);
    mem_free(c);
}

void api_send(struct api_call *c, int status, const char *content_type, struct slice body)
{
    api_send_with(c, status, content_type, body, NULL, 0);
}

void api_send_table(struct api_call *c, int status, const struct msg_table *table, const void *from)
{
    struct buf *out = &c->api->out;
    buf_clear(out);
    msg_field_print(out, table, from);
    api_send(c, status, JSON, buf_slice(out));
}

void api_send_array(struct api_call *c, const struct msg_table *table, const void *first, size_t n)
{
    struct buf *out = &c->api->out;
    buf_clear(out);
    struct msg_json j = MSG_JSON(out);
    msg_field_write_array(&j, table, 0, first, n);
    api_send(c, 200, JSON, buf_slice(out));
}

void api_send_page(struct api_call *c, const struct msg_table *table, const void *first, size_t n,
                   int64_t next_cursor)
{
    struct buf *out = &c->api->out;
    buf_clear(out);
    struct msg_json j = MSG_JSON(out);
    msg_json_object(&j);
    msg_json_key(&j, "content");
    msg_field_write_array(&j, table, 0, first, n);
    msg_json_key(&j, "nextCursor");
    if (next_cursor) {
        struct buf *text = &c->api->scratch;
        buf_clear(text);
        buf_put_i64(text, next_cursor);
        msg_json_string_n(&j, text->data, text->len);
    } else {
        msg_json_null(&j);
    }
    msg_json_object_end(&j);
    api_send(c, 200, JSON, buf_slice(out));
}

/* --- refusals --- */

static const struct http_header retry_after = {"Retry-After", "1"};

void api_refuse(struct api_call *c, const struct refusal *why)
{
    struct buf *out = &c->api->out;
    unsigned form = api_form(c);
    int status = refusal_status(why->code);
    bool again = status == 503 && why->code != REFUSAL_OUTCOME_UNKNOWN;
    buf_clear(out);
    refusal_body(out, why, form, clock_real_us());
    api_send_with(c, status, refusal_content_type(form), buf_slice(out), &retry_after, again);
}

void api_refuse_code(struct api_call *c, enum refusal_code code)
{
    api_refuse(c, &(struct refusal){.code = code});
}

void api_refuse_name(struct api_call *c, enum refusal_code code, const char *name)
{
    struct refusal why = {.code = code};
    str_copy(why.name, sizeof why.name, name);
    api_refuse(c, &why);
}

void api_refuse_id(struct api_call *c, enum refusal_code code, int64_t id)
{
    api_refuse(c, &(struct refusal){.code = code, .id = id});
}

void api_refuse_error(struct api_call *c, const struct error *e)
{
    if (e->kind == ERROR_RETRIABLE || e->kind == ERROR_UNKNOWN) {
        api_refuse_code(c, REFUSAL_SERVICE_UNAVAILABLE);
        return;
    }
    log_error(&log_api, "read failed", LOG_S("request_id", http_reply_request_id(c->server, c->reply)),
              LOG_ERR(e));
    api_refuse_code(c, REFUSAL_INTERNAL_ERROR);
}

bool api_failed(struct api_call *c, const struct error *e)
{
    if (!e || e->kind == ERROR_NONE)
        return false;
    api_refuse_error(c, e);
    return true;
}

/* --- routes --- */

static void on_request(void *arg, const struct http_request *req, http_reply reply)
{
    const struct api_binding *b = arg;
    struct api_call c = {.api = b->api, .server = b->server, .reply = reply, .req = req};
    b->route->handler(&c, req);
}

bool api_route_served(const struct api *a, const struct api_route *r)
{
    if (r->place == API_SHOP && !a->cfg.serve_shop)
        return false;
    return !r->expose || (r->expose & a->cfg.expose);
}

static struct http_server *server_of(const struct api *a, const struct api_route *r)
{
    return r->place == API_MANAGEMENT || !a->shop ? a->management : a->shop;
}

static void bind_routes(struct api *a)
{
    a->bindings = mem_array(api_nroutes, sizeof *a->bindings);
    for (size_t i = 0; i < api_nroutes; i++) {
        const struct api_route *r = &api_routes[i];
        if (!api_route_served(a, r))
            continue;
        a->bindings[i] = (struct api_binding){a, server_of(a, r), r};
        const struct http_route route = {r->method, r->pattern, on_request, &a->bindings[i], r->flags};
        http_server_add(a->bindings[i].server, &route, 1);
    }
}

struct api *api_new(const struct api_config *cfg, const struct api_services *services,
                    struct http_server *shop, struct http_server *management)
{
    struct api *a = mem_zalloc(sizeof *a);
    a->cfg = *cfg;
    a->services = *services;
    a->shop = shop;
    a->management = management;
    LIST_INIT(&a->kept);
    if (cfg->serve_shop)
        a->products = product_cache_new(services->loop, services->store);
    a->coupon_list = coupon_list_new(a);
    bind_routes(a);
    api_health_register();
    api_process_metrics_start(cfg->started_us);
    return a;
}

void api_set_ready(struct api *a, bool ready)
{
    api_health_set_ready(ready);
}

void api_free(struct api *a)
{
    if (!a)
        return;
    api_process_metrics_stop();
    product_cache_free(a->products);
    coupon_list_free(a->coupon_list);
    struct api_call *c;
    while ((c = LIST_FIRST(&a->kept))) {
        LIST_REMOVE(c, link);
        mem_free(c);
    }
    buf_free(&a->out);
    buf_free(&a->scratch);
    mem_free(a->bindings);
    mem_free(a);
}
