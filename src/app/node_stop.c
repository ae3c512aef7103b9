/* The way down: nothing that was accepted is lost, nothing that is outstanding is cut before its deadline.
 *
 *   readiness   OUT_OF_SERVICE, listener closed, running requests finish
 *   orders      the waiting line is served to its end
 *   drain       no more members are taken, reports come in, leases are given up
 *   embedded    a cluster inside the process ends with it: its consumers get up to five seconds to read all
 *   consumers   leave their groups: stored offsets are committed
 *   reports     of what was published; the outbox rows go
 *   producer    closed
 *   PostgreSQL  closed when its last transaction has ended, which may have results for Redis
 *   Redis */
#include "app/node_internal.h"
#include "base/clock.h"

#define EMBEDDED_WAIT_MS 5000
#define EMBEDDED_LOOK_MS 10

static void next_step(struct node *n);

static int64_t time_left_ms(const struct node *n)
{
    int64_t left = (n->stop_deadline_us - clock_mono_us()) / 1000;
    return left > 100 ? left : 100;
}

/* One part of the present step is done. */
static void part_done(void *arg)
{
    struct node *n = arg;
    ASSERT(n->stop_waiting > 0);
    if (--n->stop_waiting == 0)
        next_step(n);
}

static void stop_http(struct node *n)
{
    n->stop_waiting = n->management == n->http ? 1 : 2;
    http_server_drain(n->http, time_left_ms(n), part_done, n);
    if (n->management != n->http)
        http_server_drain(n->management, time_left_ms(n), part_done, n);
}

static void stop_orders(struct node *n)
{
    n->stop_waiting = 1;
    order_service_drain(n->orders, time_left_ms(n), part_done, n);
}

static void stop_drain(struct node *n)
{
    n->stop_waiting = 1;
    if (n->redrive)
        redrive_run(n->redrive, false);
    coupon_drain_stop(n->drain, time_left_ms(n), part_done, n);
}

static void await_embedded(void *arg)
{
    struct node *n = arg;
    if (clock_mono_us() < n->embedded_deadline_us && !kafka_embedded_idle(n->embedded))
        loop_timer_start(n->embedded_timer, EMBEDDED_LOOK_MS);
    else
        part_done(n);
}

static void stop_embedded(struct node *n)
{
    n->stop_waiting = 1;
    if (!n->embedded) {
        part_done(n);
        return;
    }
    int64_t left = time_left_ms(n);
    n->embedded_deadline_us = clock_mono_us() + (left < EMBEDDED_WAIT_MS ? left : EMBEDDED_WAIT_MS) * 1000;
    n->embedded_timer = loop_timer_new(n->loop, await_embedded, n);
    await_embedded(n);
}

static void stop_consumers(struct node *n)
{
    n->stop_waiting = 1; /* ours, so that the step also ends without groups */
    for (int i = 0; i < GROUP_COUNT; i++) {
        if (!n->groups[i])
            continue;
        n->stop_waiting++;
        kafka_group_close(n->groups[i], time_left_ms(n), part_done, n);
    }
    part_done(n);
}

static void stop_reports(struct node *n)
{
    n->stop_waiting = 1;
    outbox_publisher_drain(n->outbox, time_left_ms(n), part_done, n);
}

static void stop_producer(struct node *n)
{
    n->stop_waiting = 1;
    if (n->producer)
        kafka_producer_close(n->producer, time_left_ms(n), part_done, n);
    else
        part_done(n);
}

static void stop_pg(struct node *n)
{
    n->stop_waiting = 1;
    pg_pool_close(n->pg, time_left_ms(n), part_done, n);
}

static void stop_redis(struct node *n)
{
    n->stop_waiting = 1;
    redis_client_close(n->redis, time_left_ms(n), part_done, n);
}

static const struct {
    const char *name;
    void (*run)(struct node *n);
} steps[] = {
    {"http", stop_http},         {"orders", stop_orders},       {"drain", stop_drain},
    {"embedded", stop_embedded}, {"consumers", stop_consumers}, {"reports", stop_reports},
    {"producer", stop_producer}, {"PostgreSQL", stop_pg},       {"Redis", stop_redis},
};

static void next_step(struct node *n)
{
    if (n->stop_step == (int)ARRAY_LEN(steps)) {
        log_info(&log_node, "stopped");
        loop_stop(n->loop, n->exit_code);
        return;
    }
    log_debug(&log_node, "stopping", LOG_S("step", steps[n->stop_step].name),
              LOG_I("time_left_ms", time_left_ms(n)));
    steps[n->stop_step++].run(n);
}

void node_stop(struct node *n, int exit_code)
{
    if (n->state == NODE_STOPPING)
        return;
    n->state = NODE_STOPPING;
    n->exit_code = exit_code;
    n->stop_deadline_us = clock_mono_us() + app_config.server.shutdown_timeout * 1000;
    log_info(&log_node, "stopping", LOG_I("connections", http_server_connections(n->http)),
             LOG_I("orders_waiting", order_service_waiting(n->orders)),
             LOG_I("events_in_flight", outbox_in_flight(n->outbox)));
    loop_notify("STOPPING=1");
    api_set_ready(n->api, false);
    node_health_stopping(n);
    next_step(n);
}
