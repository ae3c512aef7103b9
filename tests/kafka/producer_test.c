/* The producer against the embedded cluster, with faults injected into it. */
#include "kafka_support.h"

#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"

START_TEST(each_send_is_reported_once)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    struct error e = ERROR_INIT;
    ck_assert(kafka_embedded_topic(b->cluster, "orders", 3, &e));
    kafka_producer_topic(b->producer, "orders");
    char key[24], value[40];
    for (uint64_t i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "%d", (int)(i % 97));
        snprintf(value, sizeof value, "{\"orderId\":%d}", (int)i);
        ck_assert(bench_send(b, "orders", -1, key, value, i));
    }
    ck_assert_uint_eq(b->book.reports, 0); /* never before send returns */
    ck_assert_uint_eq(kafka_producer_outstanding(b->producer), 3000);
    bench_flush(b);
    ck_assert_uint_eq(b->book.reports, 3000);
    for (uint64_t i = 0; i < 3000; i++) {
        const struct kafka_report_info *info = &b->book.info[i];
        snprintf(key, sizeof key, "%d", (int)(i % 97));
        ck_assert_int_eq(b->book.times[i], 1);
        ck_assert_int_eq(info->outcome, KAFKA_DELIVERED);
        ck_assert_int_eq(info->partition, kafka_partition_of(key, strlen(key), 3));
        ck_assert_int_ge(info->offset, 0);
    }
    ck_assert(bench_metric("kafka.producer.record.send.total") == 3000);
    ck_assert(bench_metric("kafka.producer.record.queue.time") == 3000);
    ck_assert(bench_metric("kafka.producer.record.error.total") == 0);
    ck_assert(bench_metric("kafka.producer.buffer.available.bytes") == 32 * 1024 * 1024);
    bench_free(b);
}
END_TEST

START_TEST(retriable_errors_lose_nothing)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    rd_kafka_mock_push_request_errors(kafka_embedded_mock(b->cluster), 0, 3,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    for (uint64_t i = 0; i < 200; i++)
        ck_assert(bench_send(b, "t", 0, "k", "v", i));
    bench_flush(b);
    for (uint64_t i = 0; i < 200; i++) {
        ck_assert_int_eq(b->book.info[i].outcome, KAFKA_DELIVERED);
        ck_assert_int_eq(b->book.info[i].offset, (int64_t)i);
    }
    bench_free(b);
}
END_TEST

/* The broker refuses the first request of a partition for the moment and takes what comes after it, as Apache Kafka does
 * for a producer that it knows nothing of: the first message must neither be counted as delivered by conclusion nor change its place. */
START_TEST(no_message_overtakes_a_refused_one)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    struct error e = ERROR_INIT;
    rd_kafka_mock_cluster_t *mock = kafka_embedded_mock(b->cluster);
    ck_assert(kafka_embedded_topic(b->cluster, "t", 1, &e));
    kafka_producer_topic(b->producer, "t");
    bench_turn(b, 300); /* it knows the topic and the broker */
    rd_kafka_mock_broker_set_rtt(mock, 1, 200);
    rd_kafka_mock_push_request_errors(mock, 0, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert(bench_send(b, "t", 0, "k", "v", i));
        bench_turn(b, 30); /* a request each, when several may be under way */
    }
    bench_flush(b);
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(b->book.info[i].outcome, KAFKA_DELIVERED);
        ck_assert_int_eq(b->book.info[i].offset, (int64_t)i);
    }
    bench_free(b);
}
END_TEST

START_TEST(permanent_errors_are_told_apart)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    struct error e = ERROR_INIT;

    static char big[1100000];
    memset(big, 'x', sizeof big);
    bool sent = kafka_producer_send(b->producer, "t", 0, slice_of("k"), (struct slice){big, sizeof big}, NULL,
                                    0, on_book_report, &b->book, 0, &e);
    ck_assert(!sent);
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    ck_assert_str_eq(e.code, "MSG_SIZE_TOO_LARGE");

    rd_kafka_mock_push_request_errors(kafka_embedded_mock(b->cluster), 0, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert(bench_send(b, "t", 0, "k", "v", 1));
    bench_flush(b);
    ck_assert_int_eq(b->book.info[1].outcome, KAFKA_NOT_DELIVERED);
    ck_assert_int_eq(b->book.info[1].error.kind, ERROR_PERMANENT);

    /* A partition that is not there: refused when the topic is known already, else reported. */
    e = ERROR_INIT;
    sent = kafka_producer_send(b->producer, "u", 9, slice_of("k"), slice_of("v"), NULL, 0, on_book_report,
                               &b->book, 2, &e);
    bench_flush(b);
    ck_assert_int_eq((sent ? b->book.info[2].error : e).kind, ERROR_PERMANENT);
    ck_assert_str_eq((sent ? b->book.info[2].error : e).code, "UNKNOWN_PARTITION");
    ck_assert_uint_eq(b->book.reports, sent ? 2 : 1);
    bench_free(b);
}
END_TEST

static void edit_small_buffer(struct kafka_producer_config *cfg)
{
    cfg->buffer_memory = 64 * 1024;
}

START_TEST(full_queue_refuses)
{
    struct bench *b = bench_new();
    bench_producer(b, edit_small_buffer);
    rd_kafka_mock_broker_set_down(kafka_embedded_mock(b->cluster), 1);
    char value[1001] = "";
    memset(value, 'v', 1000);
    struct error e = ERROR_INIT;
    uint64_t n = 0;
    bool full_before = false;
    while (n < 1000 && kafka_producer_send(b->producer, "t", 0, slice_of("k"), slice_of(value), NULL, 0,
                                           on_book_report, &b->book, n, &e)) {
        n++;
        full_before = kafka_producer_full(b->producer);
    }
    ck_assert_uint_gt(n, 30);
    ck_assert_uint_lt(n, 100);
    ck_assert(full_before); /* the high-water mark comes first */
    ck_assert_str_eq(e.code, "QUEUE_FULL");
    ck_assert_int_eq(e.kind, ERROR_RETRIABLE);
    rd_kafka_mock_broker_set_up(kafka_embedded_mock(b->cluster), 1);
    bench_flush(b);
    ck_assert_uint_eq(b->book.reports, n);
    ck_assert(!kafka_producer_full(b->producer));
    bench_free(b);
}
END_TEST

START_TEST(close_with_broker_down_purges)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    rd_kafka_mock_broker_set_down(kafka_embedded_mock(b->cluster), 1);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert(bench_send(b, "t", 0, "k", "v", i));
    int64_t t0 = clock_mono_us();
    bench_close_producer(b, 300);
    ck_assert_int_lt(clock_mono_us() - t0, 1500000);
    ck_assert_uint_eq(b->book.reports, 50);
    for (uint64_t i = 0; i < 50; i++) {
        ck_assert_int_eq(b->book.times[i], 1);
        ck_assert_int_eq(b->book.info[i].outcome, KAFKA_POSSIBLY_DELIVERED);
        ck_assert_int_eq(b->book.info[i].error.kind, ERROR_UNKNOWN);
    }
    ck_assert(!bench_send(b, "t", 0, "k", "v", 60));
    kafka_producer_free(b->producer);
    b->producer = NULL;
    bench_free(b);
}
END_TEST

START_TEST(free_reports_the_outstanding)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    rd_kafka_mock_broker_set_down(kafka_embedded_mock(b->cluster), 1);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert(bench_send(b, "t", 0, "k", "v", i));
    kafka_producer_free(b->producer);
    b->producer = NULL;
    ck_assert_uint_eq(b->book.reports, 10);
    ck_assert_int_eq(b->book.info[9].outcome, KAFKA_POSSIBLY_DELIVERED);
    bench_free(b);
}
END_TEST

START_TEST(fatal_error_replaces_the_client)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    rd_kafka_mock_broker_set_rtt(kafka_embedded_mock(b->cluster), 1, 200);
    for (uint64_t i = 0; i < 20; i++)
        ck_assert(bench_send(b, "t", 0, "k", "v", i));
    rd_kafka_test_fatal_error(kafka_producer_handle(b->producer),
                              RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "test");
    bench_flush(b);
    rd_kafka_mock_broker_set_rtt(kafka_embedded_mock(b->cluster), 1, 0);
    ck_assert_uint_eq(b->book.reports, 20);
    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(b->book.info[i].outcome, KAFKA_POSSIBLY_DELIVERED);
    bench_turn(b, 20);
    ck_assert(bench_send(b, "t", 0, "k", "v", 20)); /* the same producer goes on */
    bench_flush(b);
    ck_assert_int_eq(b->book.info[20].outcome, KAFKA_DELIVERED);
    bench_free(b);
}
END_TEST

struct creation {
    int times;
    bool failed;
};

static void on_created(void *arg, const struct error *e)
{
    struct creation *c = arg;
    c->times++;
    c->failed = e != NULL;
}

START_TEST(topics_are_created)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    const struct kafka_topic_spec specs[] = {{"a", 2, -1}, {"b", 5, -1}};
    struct creation c = {0};
    for (int i = 1; i <= 2; i++) { /* the second time they exist */
        kafka_producer_create_topics(b->producer, specs, 2, 5000, on_created, &c);
        ck_assert_int_eq(c.times, i - 1);
        bench_turn(b, 10);
        ck_assert_int_eq(c.times, i);
        ck_assert(!c.failed);
    }
    ck_assert(bench_send(b, "b", 4, "k", "v", 0));
    bench_flush(b);
    ck_assert_int_eq(b->book.info[0].outcome, KAFKA_DELIVERED);
    bench_free(b);
}
END_TEST

START_TEST(creation_is_answered_when_the_client_goes)
{
    struct bench *b = bench_new();
    struct kafka_embedded *cluster = b->cluster;
    b->config.embedded = false; /* the mock cluster has no admin API: this hangs until the time-out */
    bench_producer(b, NULL);
    const struct kafka_topic_spec specs[] = {{"a", 2, -1}};
    struct creation c = {0};
    kafka_producer_create_topics(b->producer, specs, 1, 1000, on_created, &c);
    bench_turn(b, 50);
    ck_assert_int_eq(c.times, 0);
    kafka_producer_free(b->producer);
    b->producer = NULL;
    ck_assert_int_eq(c.times, 1);
    ck_assert(c.failed);
    ck_assert_ptr_eq(cluster, b->cluster);
    bench_free(b);
}
END_TEST

struct state {
    int changes;
    bool up;
};

static void on_state(void *arg, bool up, const char *reason)
{
    struct state *s = arg;
    ck_assert(up || reason);
    s->changes++;
    s->up = up;
}

static bool is_up(void *arg)
{
    return ((struct state *)arg)->up;
}

static bool is_down(void *arg)
{
    return !is_up(arg);
}

START_TEST(state_follows_the_brokers)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    struct state s = {0};
    kafka_producer_on_state(b->producer, on_state, &s);
    ck_assert(loop_run_until(b->loop, is_up, &s, 3000));
    rd_kafka_mock_broker_set_down(kafka_embedded_mock(b->cluster), 1);
    ck_assert(loop_run_until(b->loop, is_down, &s, 3000));
    rd_kafka_mock_broker_set_up(kafka_embedded_mock(b->cluster), 1);
    ck_assert(loop_run_until(b->loop, is_up, &s, 3000));
    bench_free(b);
}
END_TEST

START_TEST(settings_are_checked)
{
    struct bench *b = bench_new();
    struct error e = ERROR_INIT;
    struct kafka_producer_config cfg = {.common = &b->config,
                                        .acks = "most",
                                        .retries = 3,
                                        .batch_size = 16384,
                                        .linger_ms = 5,
                                        .buffer_memory = 1 << 20,
                                        .delivery_timeout_ms = 5000,
                                        .compression = "lz4"};
    ck_assert_ptr_null(kafka_producer_new(b->loop, &cfg, &e));
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    ck_assert_ptr_nonnull(strstr(e.text, "acks"));

    struct option_map_entry entry = {(char *)"no.such.key", (char *)"1"};
    struct option_map map = {&entry, 1};
    b->config.librdkafka = &map;
    cfg.acks = "1";
    ck_assert_ptr_null(kafka_producer_new(b->loop, &cfg, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "kafka.librdkafka.no.such.key"));
    entry.key = (char *)"enable.auto.offset.store";
    ck_assert_ptr_null(kafka_producer_new(b->loop, &cfg, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "rushd sets this key itself"));
    entry.key = (char *)"socket.timeout.ms";
    entry.value = (char *)"20000";
    b->producer = kafka_producer_new(b->loop, &cfg, &e);
    ck_assert_msg(b->producer != NULL, "%s", e.text);
    bench_free(b);
}
END_TEST

Suite *producer_suite(void)
{
    Suite *s = suite_create("producer");
    TCase *t = tcase_create("producer");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, each_send_is_reported_once);
    tcase_add_test(t, retriable_errors_lose_nothing);
    tcase_add_test(t, no_message_overtakes_a_refused_one);
    tcase_add_test(t, permanent_errors_are_told_apart);
    tcase_add_test(t, full_queue_refuses);
    tcase_add_test(t, close_with_broker_down_purges);
    tcase_add_test(t, free_reports_the_outstanding);
    tcase_add_test(t, fatal_error_replaces_the_client);
    tcase_add_test(t, topics_are_created);
    tcase_add_test(t, creation_is_answered_when_the_client_goes);
    tcase_add_test(t, state_follows_the_brokers);
    tcase_add_test(t, settings_are_checked);
    suite_add_tcase(s, t);
    return s;
}
