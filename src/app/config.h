/* Every key of the configuration (contract section 2) with its place in memory. One static instance; the
 * tables are in config.c, the engine in base/option. The layers below get plain structs made from it. */
#ifndef RUSHD_APP_CONFIG_H
#define RUSHD_APP_CONFIG_H

#include "base/option.h"

enum publisher_type {
    PUBLISHER_KAFKA,
    PUBLISHER_LOCAL
};
enum node_role {
    ROLE_API = 1,
    ROLE_QUEUE = 2,
    ROLE_CONSUMERS = 4
};
enum exposure {
    EXPOSE_HEALTH = 1,
    EXPOSE_INFO = 2,
    EXPOSE_METRICS = 4,
    EXPOSE_PROMETHEUS = 8,
    EXPOSE_LOGGERS = 16,
    EXPOSE_ALL = 32, /* "*" */
};
enum {
    TYPE_HEADERS_JAVA,
    TYPE_HEADERS_OFF
};
enum {
    DURABILITY_DATABASE,
    DURABILITY_REDIS
};

struct app_config {
    struct {
        char *address;
        int64_t port;
        bool trust_callers;
        char *time_zone;
        int64_t max_connections, max_request_body;
        int64_t header_timeout, body_timeout, keep_alive_timeout, request_timeout, shutdown_timeout;
    } server;
    struct {
        int64_t port; /* 0: the same as the server's */
        char *address;
        uint64_t exposure;
        int show_details;
    } management;
    uint64_t roles;
    char *fixed_node_id; /* as configured, perhaps empty */
    char *node_id;       /* the name in force after app_config_apply() */
    bool node_id_fixed;
    bool require_services;
    struct {
        char *url, *username, *password;
        int64_t pool_size, max_waiting, statement_timeout;
        bool auto_migrate;
    } datasource;
    struct {
        char *host, *socket, *username, *password;
        int64_t port, database, timeout, max_in_flight;
    } redis;
    int publisher;
    struct {
        char *bootstrap_servers;
        char *topics[4]; /* by enum event_topic */
        bool create_topics;
        int64_t partitions, replication_factor;
        struct {
            char *acks, *compression;
            int64_t retries, batch_size, linger, buffer_memory, delivery_timeout;
            int type_headers, schema;
            struct option_map type_ids;
        } producer;
        struct {
            char *offset_reset;
            int64_t max_poll_records, concurrency, session_timeout, heartbeat_interval;
            char *group_ranking, *group_coupon, *group_platform;
            int64_t attempts, backoff, backoff_max;
            char *dead_letter_suffix;
        } consumer;
        struct option_map librdkafka;
    } kafka;
    struct {
        int durability;
        int64_t interval, drain_per_tick, window, lease, recheck, ttl, result_ttl, max_waiting;
    } coupon;
    struct {
        int64_t batch_max, max_items;
    } order;
    struct {
        int64_t retention_days, popular_days, popular_size;
    } ranking;
    struct {
        char *url;
        int64_t timeout, max_in_flight, failure_threshold, open_for;
    } platform;
    struct {
        struct option_map levels;
        int format;
    } logging;
};

extern struct app_config app_config;

/* Register the tables. Once per process (again after option_reset()). */
void app_config_register(void);
/* Fill in what follows from other keys (node.id, levels of loggers) and set TZ. After option_load()
 * succeeded. */
void app_config_apply(void);
/* The levels and the format of the log, again after a reload. */
void app_config_apply_logging(void);
/* Free what app_config_apply() made. After option_reset(). */
void app_config_free(void);
bool app_config_embedded(void); /* kafka.bootstrap-servers = embedded, and the publisher is kafka */

#endif
