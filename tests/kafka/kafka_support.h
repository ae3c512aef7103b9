/* What the suites of kafka share: an embedded cluster, a producer with a book of its reports, a loop to turn.
 */
#ifndef TESTS_KAFKA_KAFKA_SUPPORT_H
#define TESTS_KAFKA_KAFKA_SUPPORT_H

#include <check.h>

#include "kafka/kafka_internal.h"

enum {
    BOOK_MAX = 30000
};

/* Delivery reports by id. */
struct book {
    struct kafka_report_info info[BOOK_MAX];
    int times[BOOK_MAX];
    size_t reports;
};

struct bench {
    struct loop *loop;
    struct kafka_embedded *cluster;
    struct kafka_config config;
    struct kafka_producer *producer;
    struct book book;
    bool closed;
};

struct bench *bench_new(void);
/* The same on a real broker. */
struct bench *bench_new_on(const char *bootstrap_servers);
/* A producer; its settings may be changed by edit before it is made. */
void bench_producer(struct bench *b, void (*edit)(struct kafka_producer_config *cfg));
/* Send a text; the report goes to the book under id. */
bool bench_send(struct bench *b, const char *topic, int partition, const char *key, const char *value,
                uint64_t id);
/* Turn the loop until the producer has nothing outstanding. */
void bench_flush(struct bench *b);
void bench_turn(struct bench *b, int64_t ms);
/* Close and free everything, and the registries. Not the cluster: librdkafka often takes a second for that (a lost
 * wake-up of its mock); it ends with the process of the test, one test frees it. */
void bench_free(struct bench *b);
void bench_close_producer(struct bench *b, int64_t deadline_ms);
double bench_metric(const char *name); /* the sum over its series */

void on_book_report(void *arg, uint64_t id, const struct kafka_report_info *info);
void on_closed(void *arg); /* arg: bool */
bool is_true(void *arg);

Suite *murmur_suite(void);
Suite *wait_suite(void);
Suite *producer_suite(void);
Suite *embedded_suite(void);
Suite *consumer_suite(void);
Suite *gather_suite(void);
Suite *history_suite(void);

#endif
