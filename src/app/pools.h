/* The settings of PostgreSQL, Redis and Kafka as their folders want them: for the node and for rushctl. */
#ifndef RUSHD_APP_POOLS_H
#define RUSHD_APP_POOLS_H

#include "kafka/kafka.h"
#include "pg/pg.h"
#include "redis/redis.h"

/* name is what the services' own lists of clients show. Size and limits of the pool are those of a node. */
struct pg_pool_config app_pg_config(const char *name);
struct redis_client_config app_redis_config(const char *name);
/* What every client of Kafka has in common; bootstrap_servers is an address, never "embedded". */
struct kafka_config app_kafka_config(const char *bootstrap_servers, const char *client_id);
struct kafka_producer_config app_kafka_producer_config(const struct kafka_config *common);

#endif
