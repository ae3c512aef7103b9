/* Building a node from the configuration, low to high, and taking it apart. */
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/node_internal.h"
#include "app/pools.h"
#include "base/clock.h"

LOG_DEFINE(log_node, "rushd.node");

#define MAX_HEADER_BYTES 8192
#define WRITE_TIMEOUT_MS 10000
#define OUTBOX_IN_FLIGHT 20000
#define LISTEN_GRACE_MS  2000

/* --- services below --- */

static void pools_new(struct node *n)
{
    const struct pg_pool_config pg = app_pg_config("rushd");
    const struct redis_client_config redis = app_redis_config("rushd");
    n->pg = pg_pool_new(n->loop, &pg);
    n->redis = redis_client_new(n->loop, &redis);
    n->store = store_new(n->loop, n->pg, n->redis);
}

static void services_new(struct node *n)
{
    const struct coupon_config coupons = app_coupon_config();
    const struct outbox_publisher_config outbox = {
        .schema = coupons.schema, .per_topic_marks = n->local != NULL, .max_in_flight = OUTBOX_IN_FLIGHT};
    const struct order_service_config orders = {
        .batch_max = app_config.order.batch_max,
        .max_items = app_config.order.max_items,
        .max_waiting = app_config.datasource.max_waiting,
        .timeout_ms =
            app_config.server.request_timeout * 9 / 10, /* the answer comes before the server's own 503 */
    };
    n->outbox = outbox_publisher_new(n->loop, n->store, node_sink(n), &outbox);
    n->orders = order_service_new(n->loop, n->store, n->outbox, &orders);
    n->cache = coupon_cache_new(n->loop, n->store);
    n->users = user_cache_new(n->loop, n->store);
    n->accept = coupon_accept_new(n->loop, n->store, n->users, n->cache, &coupons);
    n->drain = coupon_drain_new(n->loop, n->store, n->cache, node_sink(n), &coupons);
    coupon_accept_use_rates(n->accept, n->drain);
    n->popular = popular_new(n->loop, n->store, (int)app_config.ranking.popular_days,
                             (int)app_config.ranking.popular_size);
    node_consumers_new(n, &coupons);
}

/* --- HTTP --- */

static struct http_server *server_new(struct node *n, const char *name, const char *address, int port)
{
    const struct http_server_config cfg = {
        .name = name,
        .address = address,
        .port = port,
        .max_connections = app_config.server.max_connections,
        .max_request_body = app_config.server.max_request_body,
        .max_header_bytes = MAX_HEADER_BYTES,
        .header_timeout_ms = app_config.server.header_timeout,
        .body_timeout_ms = app_config.server.body_timeout,
        .keep_alive_timeout_ms = app_config.server.keep_alive_timeout,
        .request_timeout_ms = app_config.server.request_timeout,
        .write_timeout_ms = WRITE_TIMEOUT_MS,
        .error_body = api_error_body,
    };
    return http_server_new(n->loop, &cfg);
}

static unsigned exposed(void)
{
    static const unsigned map[][2] = {{EXPOSE_HEALTH, API_EXPOSE_HEALTH},
                                      {EXPOSE_INFO, API_EXPOSE_INFO},
                                      {EXPOSE_METRICS, API_EXPOSE_METRICS},
                                      {EXPOSE_PROMETHEUS, API_EXPOSE_PROMETHEUS},
                                      {EXPOSE_LOGGERS, API_EXPOSE_LOGGERS}};
    unsigned expose = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (app_config.management.exposure & (map[i][0] | EXPOSE_ALL))
            expose |= map[i][1];
    return expose;
}

static bool http_new(struct node *n, struct error *e)
{
    n->http = server_new(n, "http", app_config.server.address, (int)app_config.server.port);
    n->management = n->http;
    if (app_config.management.port && app_config.management.port != app_config.server.port)
        n->management =
            server_new(n, "management", app_config.management.address, (int)app_config.management.port);
    const struct api_config cfg = {
        .expose = exposed(),
        .health_details = app_config.management.show_details == 0,
        .serve_shop = app_config.roles & ROLE_API,
        .version = PACKAGE_VERSION,
        .node_id = app_config.node_id,
        .started_us = clock_real_us(),
        .popular_days = app_config.ranking.popular_days,
    };
    const struct api_services services = {.loop = n->loop,
                                          .store = n->store,
                                          .orders = n->orders,
                                          .coupons = n->accept,
                                          .cache = n->cache,
                                          .users = n->users,
                                          .popular = n->popular};
    n->api = api_new(&cfg, &services, n->http, n->management);
    if (!http_server_bind(n->http, e))
        return false;
    if (n->management != n->http && !http_server_listen(n->management, e))
        return false;
    return true;
}

static void on_listen_timer(void *arg)
{
    node_listen(arg);
}

/* A node that shares its port gets its part of the requests from the first moment that it listens: not before it can serve
 * them. With the services away it says so after a while. */
void node_listen(struct node *n)
{
    struct error e = ERROR_INIT;
    if (n->listening || n->state == NODE_STOPPING)
        return;
    n->listening = true;
    loop_timer_stop(n->listen_timer);
    if (!http_server_listen(n->http, &e)) {
        log_error(&log_node, "the node cannot start", LOG_ERR(&e));
        node_stop(n, EX_OSERR);
        return;
    }
    log_info(&log_node, "listening", LOG_S("address", app_config.server.address),
             LOG_I("port", http_server_port(n->http)),
             LOG_I("management_port", http_server_port(n->management)), LOG_S("version", PACKAGE_VERSION),
             LOG_I("after_ms", (clock_mono_us() - n->started_us) / 1000));
}

/* --- life --- */

struct node *node_new(struct loop *l, int64_t started_us, struct error *e)
{
    struct node *n = mem_zalloc(sizeof *n);
    n->loop = l;
    n->started_us = started_us;
    pools_new(n);
    if (!node_events_new(n, e)) {
        node_free(n);
        return NULL;
    }
    services_new(n);
    if (!http_new(n, e)) {
        node_free(n);
        return NULL;
    }
    node_health_new(n);
    node_tasks_new(n);
    n->listen_timer = loop_timer_new(l, on_listen_timer, n);
    loop_timer_start(n->listen_timer, LISTEN_GRACE_MS);
    return n;
}

static void on_reload_note(void *arg, bool warning, const char *text)
{
    log_warn(&log_node, "configuration", LOG_S("note", text));
}

void node_reload(struct node *n)
{
    struct error e = ERROR_INIT;
    if (!option_reload(on_reload_note, n, &e)) {
        log_error(&log_node, "configuration was not reloaded, the old one stays", LOG_ERR(&e));
        return;
    }
    app_config_apply_logging();
    pg_pool_set_password(n->pg, app_config.datasource.password);
    redis_client_set_password(n->redis, app_config.redis.password);
    log_info(&log_node, "configuration reloaded");
}

/* Platform, producer and pools answer everything outstanding while they are freed, and each answer may ask the next one: a post
 * is recorded in PostgreSQL, a report deletes its row. So they go in this order; then the services; then what the services give
 * their answers to: sources of batches and servers. */
void node_free(struct node *n)
{
    if (!n)
        return;
    node_health_free(n);
    node_tasks_free(n);
    loop_timer_free(n->listen_timer);
    node_events_end(n);
    pg_lock_free(n->worker_lock);
    if (n->store)
        store_unwatch(n->store);
    redis_client_free(n->redis);
    pg_pool_free(n->pg);
    redrive_free(n->redrive);
    platform_flow_free(n->platform);
    popular_free(n->popular);
    ranking_flow_free(n->ranking);
    coupon_issue_free(n->issue);
    coupon_drain_free(n->drain);
    coupon_accept_free(n->accept);
    coupon_cache_free(n->cache);
    user_cache_free(n->users);
    order_service_free(n->orders);
    outbox_publisher_free(n->outbox);
    if (n->management != n->http)
        http_server_free(n->management);
    http_server_free(n->http);
    api_free(n->api);
    node_events_free(n);
    store_free(n->store);
    component_reset();
    mem_free(n);
}
