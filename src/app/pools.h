/* The settings of PostgreSQL, Redis and Kafka as their folders want them: for the node and for rushctl. */
#ifndef RUSHD_APP_POOLS_H
#define RUSHD_APP_POOLS_H

#include "kafka/kafka.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "service/coupon.h"
#include "service/dead_letter.h"

/* name is what the services' own lists of clients show. Size and limits of the pool are those of a node. */
struct pg_pool_config app_pg_config(const char *name);
struct redis_client_config app_redis_config(const char *name);
/* What every client of Kafka has in common; bootstrap_servers is an address, never "embedded". */
struct kafka_config app_kafka_config(const char *bootstrap_servers, const char *client_id);
struct kafka_producer_config app_kafka_producer_config(const struct kafka_config *common);

/* What the flows of coupon requests want to know; strings are the configuration's. */
struct coupon_config app_coupon_config(void);
/* The names of the topics and of their dead letters; strings are the configuration's. */
struct dead_letter_topics app_dead_letter_topics(void);

#endif
