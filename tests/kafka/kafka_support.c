#include "kafka_support.h"

#include <stdio.h>

bool is_true(void *arg)
{
    return *(bool *)arg;
}

void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static bool never(void *arg)
{
    return false;
}

static bool is_flushed(void *arg)
{
    struct bench *b = arg;
    return kafka_producer_outstanding(b->producer) == 0;
}

struct bench *bench_new(void)
{
    struct bench *b = mem_zalloc(sizeof *b);
    struct error e = ERROR_INIT;
    b->loop = loop_new();
    b->cluster = kafka_embedded_start(&e);
    ck_assert_msg(b->cluster != NULL, "%s", e.text);
    b->config = (struct kafka_config){
        .bootstrap_servers = kafka_embedded_bootstrap(b->cluster), .embedded = true, .client_id = "test"};
    return b;
}

struct bench *bench_new_on(const char *bootstrap_servers)
{
    struct bench *b = mem_zalloc(sizeof *b);
    b->loop = loop_new();
    b->config = (struct kafka_config){.bootstrap_servers = bootstrap_servers, .client_id = "test"};
    return b;
}

void bench_producer(struct bench *b, void (*edit)(struct kafka_producer_config *cfg))
{
    struct error e = ERROR_INIT;
    struct kafka_producer_config cfg = {
        .common = &b->config,
        .acks = "all",
        .retries = -1,
        .batch_size = 16384,
        .linger_ms = 1,
        .buffer_memory = 32 * 1024 * 1024,
        .delivery_timeout_ms = 5000,
        .compression = "none",
    };
    if (edit)
        edit(&cfg);
    b->producer = kafka_producer_new(b->loop, &cfg, &e);
    ck_assert_msg(b->producer != NULL, "%s", e.text);
}

void on_book_report(void *arg, uint64_t id, const struct kafka_report_info *info)
{
    struct book *book = arg;
    ck_assert_uint_lt(id, BOOK_MAX);
    book->times[id]++;
    book->info[id] = *info;
    book->reports++;
}

bool bench_send(struct bench *b, const char *topic, int partition, const char *key, const char *value,
                uint64_t id)
{
    struct error e = ERROR_INIT;
    return kafka_producer_send(b->producer, topic, partition, slice_of(key), slice_of(value), NULL, 0,
                               on_book_report, &b->book, id, &e);
}

void bench_flush(struct bench *b)
{
    ck_assert(loop_run_until(b->loop, is_flushed, b, 10000));
}

void bench_turn(struct bench *b, int64_t ms)
{
    loop_run_until(b->loop, never, NULL, ms);
}

void bench_close_producer(struct bench *b, int64_t deadline_ms)
{
    b->closed = false;
    kafka_producer_close(b->producer, deadline_ms, on_closed, &b->closed);
    ck_assert(!b->closed);
    ck_assert(loop_run_until(b->loop, is_true, &b->closed, deadline_ms + 3000));
}

void bench_free(struct bench *b)
{
    if (b->producer)
        bench_close_producer(b, 5000);
    kafka_producer_free(b->producer);
    kafka_end(10000);
    loop_free(b->loop);
    mem_free(b);
    metric_reset();
}

double bench_metric(const char *name)
{
    struct metric *m = metric_find(name);
    double sum = 0;
    for (struct metric_series *s = NULL; m && (s = metric_series_next(m, s));) {
        struct metric_value v;
        metric_read(s, &v);
        sum += metric_def_of(m)->type == METRIC_TIMER ? (double)v.count : v.value;
    }
    return sum;
}
