/* The ground of the contract tests on a real Redis: raw commands besides. */
#ifndef TESTS_STORE_CONTRACT_REDIS_H
#define TESTS_STORE_CONTRACT_REDIS_H

#include "contract.h"
#include "redis/redis.h"

extern struct redis_client *contract_redis;
extern struct pg_pool *contract_pool;
/* Make the tables and run the suites; skip, or fail where skips are failures, when a service is not there. */
int contract_redis_main(Suite **suites);
/* A raw command, words separated by blanks; the answer as text (numbers too), "(nil)" for none, an error's text for an error. */
const char *raw(const char *fmt, ...) PRINTF_LIKE(1, 2);
int64_t raw_i64(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
