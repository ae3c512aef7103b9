/* The whole route table: what is served, by whom, with which bodies and errors. The server is told from it, and
 * the OpenAPI document is printed from it. */
#include "api/api_internal.h"
#include "api/api_tables.h"
#include "service/answers.h"

#define REFUSALS(...)                                                                                        \
    (const enum refusal_code[])                                                                              \
    {                                                                                                        \
        __VA_ARGS__, REFUSAL_NONE                                                                            \
    }
#define R(code) REFUSAL_##code
#define IN(t)   .in = &(t), .flags = HTTP_ROUTE_JSON_BODY
#define OUT(t)  .status = 200, .shape = API_OBJECT, .out = &(t)
#define LIST(t) .status = 200, .shape = API_ARRAY, .out = &(t)
#define PAGE(t) .status = 200, .shape = API_PAGE, .out = &(t)
#define SHOP    .place = API_SHOP
/* Actuator routes look at Accept themselves: they have media types of their own. */
#define ACTUATOR(endpoint) .place = API_MANAGEMENT, .expose = (endpoint), .flags = HTTP_ROUTE_ANY_ACCEPT
#define FREE               .status = 200, .shape = API_FREE
#define AWAY               R(SERVICE_UNAVAILABLE)

#define ORDER_REFUSALS                                                                                       \
    REFUSALS(R(INVALID_USER_ID), R(NO_ORDER_ITEMS), R(TOO_MANY_ITEMS), R(INVALID_QUANTITY),                  \
             R(ORDER_AMOUNT_OUT_OF_RANGE), R(USER_NOT_FOUND), R(PRODUCT_NOT_FOUND), R(PRODUCT_INACTIVE),     \
             R(INSUFFICIENT_STOCK), R(COUPON_NOT_USABLE), R(BALANCE_NOT_FOUND), R(INSUFFICIENT_BALANCE),     \
             AWAY, R(OUTCOME_UNKNOWN))
#define CHARGE_REFUSALS                                                                                      \
    REFUSALS(R(CHARGE_AMOUNT_NOT_POSITIVE), R(CHARGE_AMOUNT_TOO_LARGE), R(CHARGE_USER_NOT_FOUND),            \
             R(BALANCE_OUT_OF_RANGE), AWAY, R(OUTCOME_UNKNOWN))
#define ISSUE_REFUSALS                                                                                       \
    REFUSALS(R(INVALID_COUPON_USER_ID), R(INVALID_COUPON_ID), R(COUPON_USER_NOT_FOUND),                      \
             R(COUPON_ALREADY_ISSUED), R(COUPON_NOT_FOUND), R(COUPON_SOLD_OUT), R(COUPON_NOT_ISSUABLE),      \
             R(COUPON_REQUEST_PENDING), AWAY, R(OUTCOME_UNKNOWN))
#define STATUS_REFUSALS                                                                                      \
    REFUSALS(R(INVALID_COUPON_USER_ID), R(INVALID_COUPON_ID), R(COUPON_REQUEST_NOT_FOUND), AWAY)

/* clang-format off */
const struct api_route api_routes[] = {
    {HTTP_POST, "/api/orders", api_order_create, SHOP, .tag = "orders", .name = "createOrder",
     .summary = "Place an order and pay it from the balance, all or nothing.", .params = API_KEY,
     IN(body_order_table), OUT(answer_order_table), .errors = ORDER_REFUSALS},
    {HTTP_GET, "/api/orders", api_order_list, SHOP, .tag = "orders", .name = "listOrders",
     .summary = "A user's orders, newest first.", .params = API_USER_ID | API_PAGING,
     PAGE(answer_order_table), .errors = REFUSALS(R(INVALID_USER_ID), AWAY)},
    {HTTP_GET, "/api/orders/{orderId}", api_order_get, SHOP, .tag = "orders", .name = "getOrder",
     .summary = "One order.", OUT(answer_order_table), .errors = REFUSALS(R(ORDER_NOT_FOUND), AWAY)},

    {HTTP_POST, "/api/coupons/{couponId}/issue", api_coupon_issue, SHOP, .tag = "coupons", .name = "requestCoupon",
     .summary = "Ask for a coupon: a place in its line.", .params = API_USER_ID,
     .status = 202, .out = &body_accepted_table, .errors = ISSUE_REFUSALS},
    {HTTP_GET, "/api/coupons/{couponId}/issue/status", api_coupon_status, SHOP, .tag = "coupons",
     .name = "getCouponRequest", .summary = "How the user's latest request for the coupon stands.",
     .params = API_USER_ID, OUT(body_standing_table), .errors = STATUS_REFUSALS},
    {HTTP_GET, "/api/coupons", api_coupon_list, SHOP, .tag = "coupons", .name = "listCoupons",
     .summary = "All coupons, at most a second old.", LIST(body_coupon_table), .errors = REFUSALS(AWAY)},
    {HTTP_GET, "/api/coupons/{couponId}", api_coupon_get, SHOP, .tag = "coupons", .name = "getCoupon",
     .summary = "One coupon, at most a second old.", OUT(body_coupon_table),
     .errors = REFUSALS(R(COUPON_UNKNOWN), AWAY)},
    {HTTP_GET, "/api/coupons/users/{userId}", api_coupon_of_user, SHOP, .tag = "coupons", .name = "listUserCoupons",
     .summary = "Coupons of a user, newest first, at most 1000.", LIST(body_user_coupon_table),
     .errors = REFUSALS(R(INVALID_COUPON_USER_ID), AWAY)},

    {HTTP_GET, "/api/users/balance", api_balance_get, SHOP, .tag = "users", .name = "getBalance",
     .summary = "The user's balance.", .params = API_USER_ID, OUT(body_balance_table),
     .errors = REFUSALS(R(BALANCE_USER_NOT_FOUND), AWAY)},
    {HTTP_POST, "/api/users/balance/charge", api_balance_charge, SHOP, .tag = "users", .name = "chargeBalance",
     .summary = "Add to the balance.", .params = API_KEY, IN(body_charge_table), OUT(answer_charge_table),
     .errors = CHARGE_REFUSALS},
    {HTTP_GET, "/api/users/balance/history", api_balance_history, SHOP, .tag = "users", .name = "listBalanceHistory",
     .summary = "What changed the balance, newest first.", .params = API_USER_ID | API_PAGING,
     PAGE(body_balance_tx_table), .errors = REFUSALS(R(BALANCE_USER_NOT_FOUND), AWAY)},
    {HTTP_GET, "/api/users/{userId}", api_user_get, SHOP, .tag = "users", .name = "getUser",
     .summary = "One user.", OUT(body_user_table), .errors = REFUSALS(R(USER_UNKNOWN), AWAY)},

    {HTTP_GET, "/api/products/popular", api_product_popular, SHOP, .tag = "products", .name = "listPopularProducts",
     .summary = "Best sellers of the last days, at most a second old.", LIST(body_popular_table),
     .errors = REFUSALS(AWAY)},
    {HTTP_GET, "/api/products/{productId}", api_product_get, SHOP, .tag = "products", .name = "getProduct",
     .summary = "One product, at most a second old.", OUT(body_product_table),
     .errors = REFUSALS(R(PRODUCT_UNKNOWN), AWAY)},
    {HTTP_GET, "/api/products", api_product_list, SHOP, .tag = "products", .name = "listProducts",
     .summary = "Products by ascending id.", .params = API_PAGING, PAGE(body_product_table),
     .errors = REFUSALS(AWAY)},

    {HTTP_GET, "/actuator", api_actuator_links, ACTUATOR(0), FREE, .tag = "actuator", .name = "links",
     .summary = "The endpoints that are exposed."},
    {HTTP_GET, "/actuator/health", api_health_get, ACTUATOR(API_EXPOSE_HEALTH), FREE, .tag = "actuator",
     .name = "health", .summary = "All components; 503 when the node cannot serve.",
     .errors = REFUSALS(AWAY)},
    {HTTP_GET, "/actuator/health/{path}", api_health_path, ACTUATOR(API_EXPOSE_HEALTH), FREE, .tag = "actuator",
     .name = "healthPath", .summary = "A group, liveness or readiness, or one component.",
     .errors = REFUSALS(R(NOT_FOUND), AWAY)},
    {HTTP_GET, "/actuator/info", api_actuator_info, ACTUATOR(API_EXPOSE_INFO), FREE, .tag = "actuator",
     .name = "info", .summary = "Version and process."},
    {HTTP_GET, "/actuator/metrics", api_metrics_list, ACTUATOR(API_EXPOSE_METRICS), FREE, .tag = "actuator",
     .name = "metrics", .summary = "Names of the metrics."},
    {HTTP_GET, "/actuator/metrics/{name}", api_metrics_get, ACTUATOR(API_EXPOSE_METRICS), FREE, .tag = "actuator",
     .name = "metric", .summary = "One metric, summed over the series that have the tags.", .params = API_TAG,
     .errors = REFUSALS(R(NOT_FOUND))},
    {HTTP_GET, "/actuator/prometheus", api_metrics_prometheus, ACTUATOR(API_EXPOSE_PROMETHEUS), .tag = "actuator",
     .name = "prometheus", .summary = "All metrics as Prometheus text.", .status = 200, .shape = API_TEXT},
    {HTTP_GET, "/actuator/loggers", api_loggers_list, ACTUATOR(API_EXPOSE_LOGGERS), FREE, .tag = "actuator",
     .name = "loggers", .summary = "Loggers and their levels."},
    {HTTP_GET, "/actuator/loggers/{name}", api_loggers_get, ACTUATOR(API_EXPOSE_LOGGERS), FREE, .tag = "actuator",
     .name = "logger", .summary = "The level of one logger.", .errors = REFUSALS(R(NOT_FOUND))},
    {HTTP_POST, "/actuator/loggers/{name}", api_loggers_set, ACTUATOR(API_EXPOSE_LOGGERS), .tag = "actuator",
     .name = "setLogger", .summary = "Set the level of a logger and of those below it until the next start.",
     .in = &body_level_table, .status = 204, .shape = API_NOTHING},

    {HTTP_GET, "/v3/api-docs", api_openapi_get, API_DOCS, FREE, .tag = "documents", .name = "apiDocs",
     .summary = "This document."},
};
/* clang-format on */
const size_t api_nroutes = ARRAY_LEN(api_routes);
