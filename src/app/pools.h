/* The settings of PostgreSQL and Redis as their folders want them: for the node and for rushctl. */
#ifndef RUSHD_APP_POOLS_H
#define RUSHD_APP_POOLS_H

#include "pg/pg.h"
#include "redis/redis.h"

/* name is what the services' own lists of clients show. Size and limits of the pool are those of a node. */
struct pg_pool_config app_pg_config(const char *name);
struct redis_client_config app_redis_config(const char *name);

#endif
