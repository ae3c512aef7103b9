/* The HTTP face of a node: parse, call a service, answer. The whole route table is in api_routes.c (contract
 * section 3). */
#ifndef RUSHD_API_API_H
#define RUSHD_API_API_H

#include "http/http_server.h"
#include "service/coupon.h"
#include "service/order.h"
#include "service/sales.h"

struct loop;

/* Endpoints of /actuator that are exposed. */
enum api_expose {
    API_EXPOSE_HEALTH = 1,
    API_EXPOSE_INFO = 2,
    API_EXPOSE_METRICS = 4,
    API_EXPOSE_PROMETHEUS = 8,
    API_EXPOSE_LOGGERS = 16,
};

struct api_config {
    unsigned expose;
    bool health_details;
    bool serve_shop;     /* role api: the routes below /api */
    const char *version; /* the texts must outlive the api */
    const char *node_id;
    int64_t started_us; /* clock_real_us() at start */
    int64_t popular_days;
};

/* What the handlers call. Without serve_shop all but the loop may be NULL. */
struct api_services {
    struct loop *loop;
    struct store *store;
    struct order_service *orders;
    struct coupon_accept *coupons;
    struct coupon_cache *cache;
    struct user_cache *users;
    struct popular *popular;
};

struct api;
/* Register the routes, the components ping, diskSpace, livenessState and readinessState, and the metrics of the
 * process. shop and management may be the same server; shop may be NULL without serve_shop. Call before
 * http_server_listen(). */
struct api *api_new(const struct api_config *cfg, const struct api_services *services,
                    struct http_server *shop, struct http_server *management);
/* Show the node ready (as after api_new) or OUT_OF_SERVICE: the first step of a stop, and when the listener
 * could not be opened. */
void api_set_ready(struct api *a, bool ready);
/* Free what the handlers left unanswered, too: after the servers have drained, and when no service and no read of
 * the store can complete any more. */
void api_free(struct api *a);

/* For http_server_config.error_body (arg is not used): the contract's error body in the form and language that
 * the request asks for. */
void api_error_body(void *arg, const struct http_request *req, int status, struct buf *body,
                    const char **content_type);

/* Print the OpenAPI 3.1 document: what /v3/api-docs serves. */
void api_openapi(const struct api *a, struct buf *out);

#endif
