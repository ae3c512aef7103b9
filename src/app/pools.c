/* From the configuration to the structs of pg, redis, kafka and the services. */
#include "app/pools.h"

#include "app/config.h"

#define CONNECT_TIMEOUT_MS 3000

struct pg_pool_config app_pg_config(const char *name)
{
    return (struct pg_pool_config){
        .url = app_config.datasource.url,
        .username = app_config.datasource.username,
        .password = app_config.datasource.password,
        .application_name = name,
        .time_zone = app_config.server.time_zone,
        .size = app_config.datasource.pool_size,
        .max_waiting = app_config.datasource.max_waiting,
        .statement_timeout_ms = app_config.datasource.statement_timeout,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
    };
}

struct redis_client_config app_redis_config(const char *name)
{
    return (struct redis_client_config){
        .host = app_config.redis.host,
        .port = app_config.redis.port,
        .socket = app_config.redis.socket,
        .username = app_config.redis.username,
        .password = app_config.redis.password,
        .database = app_config.redis.database,
        .timeout_ms = app_config.redis.timeout,
        .max_in_flight = app_config.redis.max_in_flight,
        .client_name = name,
    };
}

struct kafka_config app_kafka_config(const char *bootstrap_servers, const char *client_id)
{
    return (struct kafka_config){.bootstrap_servers = bootstrap_servers,
                                 .embedded = app_config_embedded(),
                                 .client_id = client_id,
                                 .librdkafka = &app_config.kafka.librdkafka};
}

struct kafka_producer_config app_kafka_producer_config(const struct kafka_config *common)
{
    return (struct kafka_producer_config){
        .common = common,
        .acks = app_config.kafka.producer.acks,
        .retries = app_config.kafka.producer.retries,
        .batch_size = app_config.kafka.producer.batch_size,
        .linger_ms = app_config.kafka.producer.linger,
        .buffer_memory = app_config.kafka.producer.buffer_memory,
        .delivery_timeout_ms = app_config.kafka.producer.delivery_timeout,
        .compression = app_config.kafka.producer.compression,
    };
}

struct coupon_config app_coupon_config(void)
{
    return (struct coupon_config){
        .durable_accept = app_config.coupon.durability == DURABILITY_DATABASE,
        .interval_ms = app_config.coupon.interval,
        .drain_per_tick = app_config.coupon.drain_per_tick,
        .window = app_config.coupon.window,
        .lease_ms = app_config.coupon.lease,
        .recheck_ms = app_config.coupon.recheck,
        .ttl_ms = app_config.coupon.ttl,
        .result_ttl_ms = app_config.coupon.result_ttl,
        .max_waiting = app_config.coupon.max_waiting,
        .schema = (enum msg_schema)app_config.kafka.producer.schema,
        .node_id = app_config.node_id,
        .attempts = app_config.kafka.consumer.attempts,
        .backoff_ms = app_config.kafka.consumer.backoff,
        .backoff_max_ms = app_config.kafka.consumer.backoff_max,
        .group = app_config.kafka.consumer.group_coupon,
        .max_accepting = app_config.datasource.max_waiting,
    };
}

struct dead_letter_topics app_dead_letter_topics(void)
{
    struct dead_letter_topics topics = {.suffix = app_config.kafka.consumer.dead_letter_suffix};
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        topics.names[i] = app_config.kafka.topics[i];
    return topics;
}
