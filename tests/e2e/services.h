/* The services behind the nodes, seen past them: SQL by libpq, commands by hiredis, topics by librdkafka, each blocking. */
#ifndef TESTS_E2E_SERVICES_H
#define TESTS_E2E_SERVICES_H

#include "e2e.h"

/* Run one of RUSHD_TEST_SERVICE's actions: service("pg", "stop"). */
void service(const char *name, const char *action);

/* --- PostgreSQL ------------------------------------------------------------------------------------------------------- */

/* Run statements (an error fails the test) and return the first value of the last one, kept; "" without rows. */
const char *sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t sql_int(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Forget the connection, before the server goes away or after. */
void sql_close(void);

/* --- Redis ------------------------------------------------------------------------------------------------------------ */

/* Run a command in the format of hiredis (%s, %lld). A reply as text, kept: nil is NULL, numbers and scores in decimal. */
const char *redis(const char *format, ...);
int64_t redis_int(const char *format, ...); /* nil counts as 0 */

/* --- Kafka ------------------------------------------------------------------------------------------------------------ */

struct record {
    int32_t partition;
    int64_t offset;
    char *key, *value; /* NULL when null */
    size_t value_len;
    char *headers; /* "name=value" lines */
};

struct records {
    struct record *at;
    size_t n;
};

/* Where the broker is: Apache Kafka, or the cluster in the node (its log says where). */
void kafka_at(const char *bootstrap);
/* Everything in a topic up to its present end, by partition and offset. */
struct records topic_read(const char *topic);
/* The value of a header of a record, kept; NULL when it is not there. */
const char *record_header(const struct record *r, const char *name);
/* Append to a partition (-1: by key) and wait for the report. header may be NULL, else "name=value". */
void topic_write(const char *topic, int32_t partition, const char *key, const char *value,
                 const char *header);

#endif
