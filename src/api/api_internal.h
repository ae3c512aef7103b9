/* What the files of this folder share: a request on its way to its answer, parameters, answers, routes. */
#ifndef RUSHD_API_API_INTERNAL_H
#define RUSHD_API_API_INTERNAL_H

#include "api/api.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "msg/msg_field.h"

struct api_route;
struct product_cache;
struct coupon_list;

/* A route as the server knows it. */
struct api_binding {
    struct api *api;
    struct http_server *server;
    const struct api_route *route;
};

/* One request, from its handler to its answer. Handlers get one that lives on the stack; those that answer later
 * keep a copy. Each is answered exactly once, by one of the api_send and api_refuse calls. */
struct api_call {
    struct api *api;
    struct http_server *server;
    http_reply reply;
    const struct http_request *req; /* NULL once kept */
    unsigned form;                  /* enum refusal_form, once kept; before ask api_form() */
    int64_t id;                     /* the handler's own: of what was asked for */
    size_t limit;                   /* the handler's own: of a page */
    int64_t cursor;
    LIST_ENTRY(api_call) link;
};
typedef void api_handler_fn(struct api_call *c, const struct http_request *req);

struct api {
    struct api_config cfg;
    struct api_services services;
    struct http_server *shop, *management;
    struct api_binding *bindings; /* one per route of the table */
    LIST_HEAD(, api_call) kept;
    struct buf out;     /* the body being printed */
    struct buf scratch; /* a parameter being read */
    struct product_cache *products;
    struct coupon_list *coupon_list;
};

/* --- calls: api.c --- */

/* Give the form and language that errors of the request shall have. */
unsigned api_form(const struct api_call *c);
/* Copy a call for an answer that comes later. */
struct api_call *api_keep(const struct api_call *c);

/* Answer with a body. */
void api_send(struct api_call *c, int status, const char *content_type, struct slice body);
/* Answer with headers as well. */
void api_send_with(struct api_call *c, int status, const char *content_type, struct slice body,
                   const struct http_header *headers, size_t n);
/* Answer with a struct, or an array of n, printed by its table. */
void api_send_table(struct api_call *c, int status, const struct msg_table *table, const void *from);
void api_send_array(struct api_call *c, const struct msg_table *table, const void *first, size_t n);
/* Answer with a page {content, nextCursor} of n structs; next_cursor 0 is null: nothing follows. */
void api_send_page(struct api_call *c, const struct msg_table *table, const void *first, size_t n,
                   int64_t next_cursor);
/* Answer with a refusal: as it is, by its code alone, with a name or an id filled in. */
void api_refuse(struct api_call *c, const struct refusal *why);
void api_refuse_code(struct api_call *c, enum refusal_code code);
void api_refuse_name(struct api_call *c, enum refusal_code code, const char *name);
void api_refuse_id(struct api_call *c, enum refusal_code code, int64_t id);
/* Answer for a failed read: 503 when it may be asked again, else 500 and a line in the log. */
void api_refuse_error(struct api_call *c, const struct error *e);
/* True if a read failed; then it is answered. */
bool api_failed(struct api_call *c, const struct error *e);
/* order_answer_fn with a kept call as its argument: pass on what an order or charge ended with. */
void api_send_order_answer(void *arg, const struct order_answer *answer);

/* --- parameters: api_param.c. False: the call was refused --- */

/* Read the path parameter at an index as a number. */
bool api_path_i64(struct api_call *c, const struct http_request *req, size_t index, const char *name,
                  int64_t *out);
/* Read a query parameter that must be there. */
bool api_query_i64(struct api_call *c, const struct http_request *req, const char *name, int64_t *out);
/* Read cursor (0: from the start) and limit (1 to 100, else 20) into the call. */
bool api_query_page(struct api_call *c, const struct http_request *req);
/* Read the body; on success msg_field_free() what it holds. */
bool api_body(struct api_call *c, const struct http_request *req, const struct msg_table *table, void *to);
/* Read the Idempotency-Key into out, empty when there is none. */
#define API_KEY_MAX 255
bool api_idempotency_key(struct api_call *c, const struct http_request *req, char out[API_KEY_MAX + 1]);
/* Print what stands for a request beside its key: its canonical text when short, else that text's length and two
 * independent hashes of 64 bits. Keys have the user's own scope, so whoever finds a collision repeats only an
 * answer of his own. */
void api_fingerprint(struct slice canonical, struct buf *out);

/* --- errors: api_error.c --- */

/* Give the form that a request asks errors in. */
unsigned api_error_form(const struct http_request *req);

/* --- routes: api_routes.c --- */

enum api_place {
    API_SHOP,       /* below /api: when serve_shop */
    API_MANAGEMENT, /* /actuator: when exposed */
    API_DOCS,       /* /v3/api-docs: on the shop's server, if there is one */
};

enum api_shape {
    API_OBJECT,
    API_ARRAY,
    API_PAGE,
    API_FREE, /* JSON without a table */
    API_TEXT,
    API_NOTHING,
};

/* Parameters of query and header, for the document. */
enum api_param {
    API_USER_ID = 1,
    API_PAGING = 2,
    API_KEY = 4,
    API_TAG = 8,
};

struct api_route {
    enum http_method method;
    const char *pattern;
    api_handler_fn *handler;
    enum api_place place;
    unsigned expose; /* enum api_expose that shows it; 0: always */
    unsigned flags;  /* enum http_route_flag */
    const char *tag, *name, *summary;
    unsigned params; /* enum api_param */
    const struct msg_table *in;
    int status; /* of success */
    enum api_shape shape;
    const struct msg_table *out;
    const enum refusal_code *errors; /* beyond those of every route; ends with NONE; may be NULL */
};
extern const struct api_route api_routes[];
extern const size_t api_nroutes;
/* True if the node serves the route. */
bool api_route_served(const struct api *a, const struct api_route *r);

/* --- handlers --- */

api_handler_fn api_order_create, api_order_get, api_order_list;                        /* api_orders.c */
api_handler_fn api_coupon_issue, api_coupon_status, api_coupon_get;                    /* api_coupons.c */
api_handler_fn api_coupon_list;                                                        /* api_coupon_list.c */
api_handler_fn api_coupon_of_user;                                                     /* api_coupons.c */
api_handler_fn api_balance_get, api_balance_charge, api_balance_history, api_user_get; /* api_users.c */
api_handler_fn api_product_get, api_product_list, api_product_popular;                 /* api_products.c */
api_handler_fn api_actuator_links, api_actuator_info;                                  /* api_actuator.c */
api_handler_fn api_health_get, api_health_path;                                        /* api_health.c */
api_handler_fn api_metrics_list, api_metrics_get, api_metrics_prometheus;              /* api_metrics.c */
api_handler_fn api_loggers_list, api_loggers_get, api_loggers_set;                     /* api_loggers.c */
api_handler_fn api_openapi_get;                                                        /* api_openapi.c */

/* Make and free the short memory of products. */
struct product_cache *product_cache_new(struct loop *l, struct store *s);
void product_cache_free(struct product_cache *p);

/* --- actuator: api_actuator.c --- */

/* Answer in the media type of the actuator that the request asks for; 406 when it takes none of them. */
void api_send_actuator(struct api_call *c, int status, struct slice body);

/* Register the components of api_health.c; free nothing: they are the program's. */
void api_health_register(void);
void api_health_set_ready(bool ready);
/* Register the metrics of the process and begin and stop to collect them: api_process_metrics.c */
void api_process_metrics_start(int64_t started_us);
void api_process_metrics_stop(void);

#endif
