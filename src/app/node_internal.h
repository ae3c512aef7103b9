/* The parts of a node, for the files that wire it: node.c (build, free), node_events.c (Kafka or local), node_health.c (what is up),
 * node_stop.c (the way down), node_tasks.c (housekeeping), node_clock.c (what time it is). */
#ifndef RUSHD_APP_NODE_INTERNAL_H
#define RUSHD_APP_NODE_INTERNAL_H

#include "api/api.h"
#include "app/config.h"
#include "app/kafka_ports.h"
#include "app/local_ports.h"
#include "app/node.h"
#include "app/platform_port.h"
#include "base/component.h"
#include "base/log.h"
#include "http/http_server.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "service/coupon.h"
#include "service/order.h"
#include "service/outbox_publish.h"
#include "service/recovery.h"
#include "service/redrive.h"
#include "service/sales.h"
#include "store/schema.h"

enum {
    GROUP_RANKING,
    GROUP_COUPON,
    GROUP_PLATFORM,
    GROUP_COUNT
};

enum node_state {
    NODE_STARTING, /* not ready yet */
    NODE_RUNNING,  /* was ready once */
    NODE_STOPPING,
};

struct node {
    struct loop *loop;
    enum node_state state;
    int64_t started_us;
    int exit_code;

    struct pg_pool *pg;
    struct redis_client *redis;
    struct store *store;

    struct kafka_embedded *embedded;
    char *bootstrap;
    struct kafka_config kafka;
    struct kafka_producer *producer;
    struct kafka_ports *kafka_ports;
    struct kafka_group *groups[GROUP_COUNT];
    bool topics_ready;
    struct loop_timer *topics_timer;
    struct local_ports *local;
    struct pg_lock *worker_lock; /* local mode: one worker node */
    bool worker;

    struct outbox_publisher *outbox;
    struct order_service *orders;
    struct coupon_cache *cache;
    struct user_cache *users;
    struct coupon_accept *accept;
    struct coupon_drain *drain;
    struct coupon_issue *issue;
    struct ranking_flow *ranking;
    struct popular *popular;
    struct platform_flow *platform;
    struct platform_port *platform_port;
    struct redrive_flow *redrive; /* local mode */

    struct http_server *http, *management; /* the same one unless management.server.port is set */
    struct api *api;
    struct loop_timer *listen_timer;
    bool listening;

    struct component db, redis_part, kafka_part;
    bool schema_ok, schema_checking, migrating, settings_checked;
    struct loop_timer *health_timer, *task_timer, *require_timer, *look_timer, *clock_timer;
    int64_t clock_apart_us; /* how far this machine's clock was ahead of the shop's when the log last told */
    struct recovery *recovery;
    bool rebuilding; /* lines are being looked through */
    int64_t looked_us;
    int64_t redrives_expired_us;
    bool producer_up, producer_was_up;
    char producer_reason[160];
    bool group_up[GROUP_COUNT];
    char group_reason[GROUP_COUNT][160];
    int ticks;

    int stop_step;
    int64_t stop_deadline_us;
    size_t stop_waiting;               /* parts that the present step waits for */
    struct loop_timer *embedded_timer; /* while the way down waits for the readers of the embedded cluster */
    int64_t embedded_deadline_us;
};

extern struct logger log_node;

/* node.c */
/* Take requests: when the node is ready for the first time, or has waited long enough for that. */
void node_listen(struct node *n);

/* node_events.c */
bool node_events_new(struct node *n, struct error *e); /* sink, ports; before the services */
void node_consumers_new(struct node *n,
                        const struct coupon_config *coupons); /* consuming services; after the store */
void node_consumers_start(struct node *n);                    /* when schema and topics are there */
void node_events_end(struct node *n);  /* report what was published; before the pools are freed */
void node_events_free(struct node *n); /* after the services */
struct event_sink node_sink(struct node *n);

/* node_health.c */
void node_health_new(struct node *n);
void node_health_kafka(struct node *n); /* producer or a group changed */
void node_health_redis(struct node *n); /* what is known of Redis' data changed */
void node_health_stopping(struct node *n);
void node_health_free(struct node *n);
/* The schema is right and the roles may work. */
void node_work(struct node *n);

/* node_clock.c */
void node_clock_new(struct node *n);
/* Set the shop's clock by the database, then call then (may be NULL), also when that failed. */
void node_clock_read(struct node *n, void (*then)(struct node *n));

/* node_tasks.c */
void node_tasks_new(struct node *n);
/* Look now whether Redis' data is whole, if it is there. */
void node_look(struct node *n);
void node_tasks_free(struct node *n);

#endif
