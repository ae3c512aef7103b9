/* From the configuration to the structs of pg, redis and kafka. */
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
