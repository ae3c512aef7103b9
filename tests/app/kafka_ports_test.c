/* The ports on the embedded cluster: what goes out, what comes in, and dead letters byte for byte. */
#include "app/kafka_ports.h"

#include <stdio.h>
#include <string.h>

#include "app_suites.h"
#include "base/metric.h"
#include "loop/loop.h"

static struct loop *loop;
static struct kafka_embedded *cluster;
static struct kafka_config common;
static struct kafka_producer *producer;
static struct kafka_ports *ports;

static int reports, dead_reports;
static enum event_report last_report;
static struct error last_error;

/* A consuming service that takes notes of each message: "topic/partition@offset key=value name:bytes..." */
static struct reader {
    struct kafka_group *group;
    struct buf seen;
    struct event_batch batch; /* the last one */
    int batches;
    size_t messages;
    bool keep; /* do not finish */
    bool up;
    struct loop_task task;
} reader;

static void setup(void)
{
    static const struct kafka_ports_config cfg = {
        .topics = {"orders", "ranking", "platform", "coupons"},
        .type_ids = {"com.example.Order", NULL, "com.example.Document", "com.example.Coupon"},
        .dead_letter_suffix = "-dlt"};
    struct error e = ERROR_INIT;
    loop = loop_new();
    cluster = kafka_embedded_start(&e);
    ck_assert_msg(cluster != NULL, "%s", e.text);
    common = (struct kafka_config){
        .bootstrap_servers = kafka_embedded_bootstrap(cluster), .embedded = true, .client_id = "test"};
    const struct kafka_producer_config producer_cfg = {.common = &common,
                                                       .acks = "all",
                                                       .retries = -1,
                                                       .batch_size = 16384,
                                                       .linger_ms = 1,
                                                       .buffer_memory = 32 << 20,
                                                       .delivery_timeout_ms = 5000,
                                                       .compression = "none"};
    producer = kafka_producer_new(loop, &producer_cfg, &e);
    ck_assert_msg(producer != NULL, "%s", e.text);
    ports = kafka_ports_new(loop, producer, &cfg);
    ck_assert(kafka_embedded_topic(cluster, "coupons", 2, &e));
    ck_assert(kafka_embedded_topic(cluster, "ranking", 1, &e));
    ck_assert(kafka_embedded_topic(cluster, "coupons-dlt", 2, &e));
    reports = dead_reports = 0;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* The cluster ends with the process: freeing it often takes librdkafka's mock a second. */
static void teardown(void)
{
    bool closed = false;
    if (reader.group) {
        kafka_group_close(reader.group, 4000, on_closed, &closed);
        ck_assert(!closed);
        ck_assert(loop_run_until(loop, is_true, &closed, 6000));
        kafka_group_free(reader.group);
    }
    closed = false;
    kafka_producer_close(producer, 4000, on_closed, &closed);
    ck_assert(loop_run_until(loop, is_true, &closed, 6000));
    kafka_producer_free(producer);
    kafka_ports_free(ports);
    buf_free(&reader.seen);
    loop_free(loop);
    metric_reset();
}

static void on_report(void *arg, uint64_t id, enum event_report report, const struct error *e)
{
    ck_assert_uint_eq(id, 77);
    reports++;
    last_report = report;
    last_error = *e;
}

static bool is_reported(void *arg)
{
    return reports + dead_reports >= *(int *)arg;
}

static void wait_reports(int n)
{
    ck_assert(loop_run_until(loop, is_reported, &n, 15000));
}

static void send(enum event_topic topic, const char *key, const char *value,
                 const struct event_header *headers, size_t n)
{
    struct event_sink sink = kafka_ports_sink(ports);
    struct error e = ERROR_INIT;
    int before = reports;
    ck_assert_msg(
        sink.ops->send(sink.self, topic, slice_of(key), slice_of(value), headers, n, on_report, NULL, 77, &e),
        "%s", e.text);
    ck_assert_int_eq(reports, before);
    ck_assert(!sink.ops->full(sink.self));
    wait_reports(before + 1);
}

static void note_header(const struct event_header *h)
{
    buf_printf(&reader.seen, " %s:", h->name);
    for (size_t i = 0; i < h->size; i++) {
        unsigned char c = ((const unsigned char *)h->value)[i];
        if (c >= ' ' && c < 127)
            buf_printf(&reader.seen, "%c", c);
        else
            buf_printf(&reader.seen, "\\%02x", c);
    }
}

static void finish_batch(void *arg)
{
    struct event_source source = kafka_group_source(reader.group);
    source.ops->done(source.self, reader.batch.id, EVENT_DONE, reader.batch.n, 0);
}

static void on_batch(void *self, const struct event_batch *batch)
{
    struct event_source source = kafka_group_source(reader.group);
    ck_assert(source.ops->valid(source.self, batch->id));
    for (size_t i = 0; i < batch->n; i++) {
        const struct event_message *m = &batch->messages[i];
        ck_assert_str_eq(m->topic, batch->topic);
        ck_assert_int_eq(m->partition, batch->partition);
        ck_assert_int_gt(m->timestamp_ms, INT64_C(1500000000000));
        buf_printf(&reader.seen, "%s/%d@%d %.*s=%.*s", m->topic, m->partition, (int)m->offset, (int)m->key.n,
                   m->key.p, (int)m->value.n, m->value.p);
        for (size_t k = 0; k < m->nheaders; k++)
            note_header(&m->headers[k]);
        buf_puts(&reader.seen, "\n");
    }
    reader.batch = *batch;
    reader.batches++;
    reader.messages += batch->n;
    if (!reader.keep)
        loop_defer(loop, &reader.task);
}

static void on_state(void *arg, struct kafka_group *g, bool up, const char *reason)
{
    ck_assert_ptr_eq(g, reader.group);
    reader.up = up;
}

static void on_assigned(void *arg, struct kafka_group *g, const char *topic, int32_t partition)
{
    ck_assert_ptr_eq(g, reader.group);
    kafka_group_start_at(g, topic, partition, -1);
}

static void read_topic(const char *topic)
{
    const struct kafka_group_hooks hooks = {on_assigned, on_state, NULL};
    const char *const topics[] = {topic, NULL};
    const struct kafka_consumer_config cfg = {.common = &common,
                                              .group_id = "readers",
                                              .topics = topics,
                                              .auto_offset_reset = "earliest",
                                              .max_poll_records = 100,
                                              .concurrency = 1,
                                              .session_timeout_ms = 6000,
                                              .heartbeat_interval_ms = 500};
    struct error e = ERROR_INIT;
    reader = (struct reader){.keep = reader.keep, .task = {.run = finish_batch}};
    reader.group = kafka_group_new(loop, "readers", &hooks);
    ck_assert(!kafka_group_started(reader.group));
    ck_assert_str_eq(kafka_group_id(reader.group), "readers");
    ck_assert_msg(kafka_group_start(reader.group, &cfg, (struct event_handler){on_batch, NULL}, &e), "%s",
                  e.text);
    ck_assert(kafka_group_started(reader.group));
}

static bool has_messages(void *arg)
{
    return reader.messages >= *(size_t *)arg;
}

static void wait_messages(size_t n)
{
    ck_assert(loop_run_until(loop, has_messages, &n, 20000));
}

START_TEST(an_event_goes_out_with_its_type)
{
    const struct event_header headers[] = {{"X-Request-Id", "abc", 3}};
    send(EVENT_COUPON_ISSUE, "7", "{\"couponId\":7}", headers, 1);
    ck_assert_int_eq(last_report, EVENT_DELIVERED);
    ck_assert_int_eq(last_error.kind, ERROR_NONE);
    char want[200];
    snprintf(want, sizeof want,
             "coupons/%d@0 7={\"couponId\":7} __TypeId__:com.example.Coupon X-Request-Id:abc\n",
             kafka_partition_of("7", 1, 2));
    read_topic("coupons");
    wait_messages(1);
    ck_assert_str_eq(buf_str(&reader.seen), want);
    ck_assert_int_eq(reader.batch.attempt, 0);
    ck_assert(reader.up);
}
END_TEST

START_TEST(without_a_type_there_is_no_header)
{
    const struct event_header headers[] = {{"a", "1", 1}, {"b", NULL, 0}};
    send(EVENT_PRODUCT_RANKING, "5", "one", NULL, 0);
    send(EVENT_PRODUCT_RANKING, "5", "two", headers, 2);
    read_topic("ranking");
    wait_messages(2);
    ck_assert_str_eq(buf_str(&reader.seen), "ranking/0@0 5=one\nranking/0@1 5=two a:1 b:\n");
}
END_TEST

START_TEST(an_event_that_is_refused_is_not_reported)
{
    struct event_sink sink = kafka_ports_sink(ports);
    struct error e = ERROR_INIT;
    size_t n = 2 << 20; /* over librdkafka's message.max.bytes */
    char *big = mem_zalloc(n);
    ck_assert(!sink.ops->send(sink.self, EVENT_COUPON_ISSUE, slice_of("7"), (struct slice){big, n}, NULL, 0,
                              on_report, NULL, 77, &e));
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    mem_free(big);
    ck_assert_int_eq(reports, 0);
}
END_TEST

static void on_dead(void *arg, const struct error *e)
{
    last_error = e ? *e : ERROR_INIT;
    dead_reports++;
}

static void put_dead(const struct event_message *m)
{
    struct dead_letter_port port = kafka_ports_dead_letters(ports);
    int before = dead_reports;
    port.ops->put(port.self, m, "coupon-issue-group", "com.example.Bad", "no JSON", on_dead, NULL);
    ck_assert_int_eq(dead_reports, before);
    wait_reports(before + 1);
}

START_TEST(a_dead_letter_has_springs_headers)
{
    const struct event_header headers[] = {{"__TypeId__", "com.example.Coupon", 18},
                                           {"kafka_dlt-exception-message", "of an earlier one", 17}};
    const struct event_message m = {.topic = "coupons",
                                    .partition = 1,
                                    .offset = 0x0102030405060708,
                                    .timestamp_ms = 0x0a0b0c0d0e0f,
                                    .key = slice_of("7"),
                                    .value = slice_of("{bad"),
                                    .headers = headers,
                                    .nheaders = 2};
    put_dead(&m);
    ck_assert_int_eq(last_error.kind, ERROR_NONE);
    read_topic("coupons-dlt");
    wait_messages(1);
    ck_assert_str_eq(buf_str(&reader.seen),
                     "coupons-dlt/1@0 7={bad __TypeId__:com.example.Coupon kafka_dlt-original-topic:coupons "
                     "kafka_dlt-original-partition:\\00\\00\\00\\01 "
                     "kafka_dlt-original-offset:\\01\\02\\03\\04\\05\\06\\07\\08 "
                     "kafka_dlt-original-timestamp:\\00\\00\\0a\\0b\\0c\\0d\\0e\\0f "
                     "kafka_dlt-original-timestamp-type:CreateTime "
                     "kafka_dlt-original-consumer-group:coupon-issue-group "
                     "kafka_dlt-exception-fqcn:com.example.Bad kafka_dlt-exception-message:no JSON "
                     "kafka_dlt-exception-stacktrace:no JSON\n");
}
END_TEST

START_TEST(a_dead_letter_has_a_place_where_its_partition_is_missing)
{
    const struct event_message m = {
        .topic = "coupons", .partition = 5, .offset = 1, .key = slice_of("7"), .value = slice_of("{bad")};
    put_dead(&m);
    ck_assert_msg(last_error.kind == ERROR_NONE, "%s", last_error.text);
}
END_TEST

START_TEST(a_dead_letter_keeps_nothing_as_nothing)
{
    const struct event_message m = {.topic = "coupons", .offset = -1, .timestamp_ms = -1};
    put_dead(&m);
    ck_assert_int_eq(last_error.kind, ERROR_NONE);
    reader.keep = true;
    read_topic("coupons-dlt");
    wait_messages(1);
    ck_assert_ptr_null(reader.batch.messages[0].value.p);
    ck_assert_ptr_nonnull(strstr(buf_str(&reader.seen), "original-offset:\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff "));
}
END_TEST

START_TEST(a_dead_letter_that_is_refused_is_told_later)
{
    size_t n = 2 << 20; /* over librdkafka's message.max.bytes */
    char *big = mem_zalloc(n);
    const struct event_message m = {.topic = "coupons", .value = {big, n}};
    put_dead(&m);
    ck_assert_int_ne(last_error.kind, ERROR_NONE);
    mem_free(big);
}
END_TEST

START_TEST(a_batch_of_a_lost_partition_stays_readable)
{
    reader.keep = true;
    send(EVENT_COUPON_ISSUE, "7", "seven", NULL, 0);
    read_topic("coupons");
    wait_messages(1);
    struct event_source source = kafka_group_source(reader.group);
    bool closed = false;
    kafka_group_close(reader.group, 4000, on_closed, &closed);
    ck_assert(loop_run_until(loop, is_true, &closed, 6000));
    ck_assert(!source.ops->valid(source.self, reader.batch.id));
    ck_assert(memcmp(reader.batch.messages[0].value.p, "seven", 5) == 0);
    source.ops->done(source.self, reader.batch.id, EVENT_DONE, 1, 0);
    kafka_group_free(reader.group);
    reader.group = NULL;
}
END_TEST

START_TEST(a_batch_that_nobody_finishes_is_freed)
{
    reader.keep = true;
    send(EVENT_COUPON_ISSUE, "7", "seven", NULL, 0);
    read_topic("coupons");
    wait_messages(1);
    kafka_group_free(reader.group);
    reader.group = NULL;
}
END_TEST

START_TEST(a_group_that_never_started_closes)
{
    const struct kafka_group_hooks hooks = {NULL, on_state, NULL};
    reader.group = kafka_group_new(loop, "readers", &hooks); /* closed and freed by teardown() */
    struct event_source source = kafka_group_source(reader.group);
    ck_assert(!source.ops->valid(source.self, 1));
    kafka_group_start_at(reader.group, "coupons", 0, 0);
}
END_TEST

Suite *kafka_ports_suite(void)
{
    Suite *s = suite_create("kafka_ports");
    TCase *t = tcase_create("kafka_ports");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_event_goes_out_with_its_type);
    tcase_add_test(t, without_a_type_there_is_no_header);
    tcase_add_test(t, an_event_that_is_refused_is_not_reported);
    tcase_add_test(t, a_dead_letter_has_springs_headers);
    tcase_add_test(t, a_dead_letter_has_a_place_where_its_partition_is_missing);
    tcase_add_test(t, a_dead_letter_keeps_nothing_as_nothing);
    tcase_add_test(t, a_dead_letter_that_is_refused_is_told_later);
    tcase_add_test(t, a_batch_of_a_lost_partition_stays_readable);
    tcase_add_test(t, a_batch_that_nobody_finishes_is_freed);
    tcase_add_test(t, a_group_that_never_started_closes);
    suite_add_tcase(s, t);
    return s;
}
