/* Reading topics from end to end. */
#include "kafka_support.h"

#include <stdio.h>

enum {
    PARTITIONS = 3,
    SENT = 300
};

struct reading {
    int64_t next[PARTITIONS];
    int messages, headers;
    int64_t first[8], end[8], timestamp[8];
    size_t nranges;
    int ends;
    struct error error;
    bool ended;
};

static void on_message(void *arg, const struct kafka_message *m)
{
    struct reading *r = arg;
    if (strcmp(m->topic, "full") == 0)
        ck_assert_int_eq(m->offset, r->next[m->partition]++);
    ck_assert(m->timestamp_ms > 0);
    ck_assert(slice_eq(m->key, "k"));
    ck_assert_uint_gt(m->value.n, 0);
    r->messages++;
    r->headers += (int)m->nheaders;
}

static void on_end(void *arg, const struct kafka_reader_range *ranges, size_t n, const struct error *e)
{
    struct reading *r = arg;
    ck_assert_uint_le(n, ARRAY_LEN(r->first));
    for (size_t i = 0; i < n; i++) {
        r->first[i] = ranges[i].first;
        r->end[i] = ranges[i].end;
        r->timestamp[i] = ranges[i].first_timestamp_ms;
    }
    r->nranges = n;
    r->error = e ? *e : ERROR_INIT;
    r->ends++;
    r->ended = true;
}

static const struct kafka_reader_ops ops = {on_message, on_end};

static struct reading read_all(struct bench *b, const char *const *topics, int64_t timeout_ms)
{
    struct reading r = {0};
    struct error e = ERROR_INIT;
    struct kafka_reader *reader = kafka_reader_new(b->loop, &b->config, topics, timeout_ms, &ops, &r, &e);
    ck_assert_msg(reader != NULL, "%s", e.text);
    ck_assert_int_eq(r.ends, 0);
    ck_assert(loop_run_until(b->loop, is_true, &r.ended, 20000));
    kafka_reader_free(reader);
    ck_assert_int_eq(r.ends, 1);
    return r;
}

START_TEST(topics_are_read_from_end_to_end)
{
    static const char *const topics[] = {"full", "empty", NULL};
    struct bench *b = bench_new();
    struct error e = ERROR_INIT;
    ck_assert(kafka_embedded_topic(b->cluster, "full", PARTITIONS, &e));
    ck_assert(kafka_embedded_topic(b->cluster, "empty", 2, &e));
    bench_producer(b, NULL);
    for (int i = 0; i < SENT; i++)
        ck_assert(bench_send(b, "full", i % PARTITIONS, "k", "value", (uint64_t)i));
    bench_flush(b);
    struct reading r = read_all(b, topics, 15000);
    ck_assert_msg(r.error.kind == ERROR_NONE, "%s", r.error.text);
    ck_assert_int_eq(r.messages, SENT);
    ck_assert_uint_eq(r.nranges, PARTITIONS + 2);
    int full = 0;
    for (size_t i = 0; i < r.nranges; i++) {
        ck_assert_int_eq(r.first[i], 0);
        ck_assert(r.end[i] == 0 || r.end[i] == SENT / PARTITIONS);
        ck_assert_int_eq(r.timestamp[i] > 0, r.end[i] > 0);
        full += r.end[i] > 0;
    }
    ck_assert_int_eq(full, PARTITIONS);
    bench_free(b);
}
END_TEST

static void on_end_only(void *arg, const struct kafka_reader_range *ranges, size_t n, const struct error *e)
{
    struct reading *r = arg;
    ck_assert(!e);
    r->ended = true;
}

static void on_stamped(void *arg, const struct kafka_message *m)
{
    struct reading *r = arg;
    ck_assert_uint_lt((size_t)r->messages, ARRAY_LEN(r->timestamp));
    r->first[r->messages++] = m->timestamp_ms;
}

/* A message that is sent again keeps its instant. */
START_TEST(a_given_timestamp_is_kept)
{
    static const char *const topics[] = {"stamped", NULL};
    static const struct kafka_reader_ops stamped = {on_stamped, on_end_only};
    struct bench *b = bench_new();
    struct error e = ERROR_INIT;
    struct reading r = {0};
    ck_assert(kafka_embedded_topic(b->cluster, "stamped", 1, &e));
    bench_producer(b, NULL);
    for (int64_t at = 0; at <= INT64_C(1600000000123); at += INT64_C(1600000000123))
        ck_assert(kafka_producer_send_at(b->producer, "stamped", 0, at, SLICE("k"), SLICE("v"), NULL, 0,
                                         on_book_report, &b->book, 0, &e));
    bench_flush(b);
    struct kafka_reader *reader = kafka_reader_new(b->loop, &b->config, topics, 15000, &stamped, &r, &e);
    ck_assert(loop_run_until(b->loop, is_true, &r.ended, 20000));
    kafka_reader_free(reader);
    ck_assert_int_eq(r.messages, 2);
    ck_assert_int_gt(r.first[0], INT64_C(1700000000000)); /* now */
    ck_assert_int_eq(r.first[1], INT64_C(1600000000123));
    bench_free(b);
}
END_TEST

START_TEST(a_silent_cluster_ends_the_reading)
{
    static const char *const topics[] = {"t", NULL};
    struct bench *b = bench_new();
    b->config.bootstrap_servers = "127.0.0.1:1";
    struct reading r = read_all(b, topics, 300);
    ck_assert_int_eq(r.error.kind, ERROR_RETRIABLE);
    ck_assert_uint_eq(r.nranges, 0);
    bench_free(b);
}
END_TEST

START_TEST(a_reading_may_be_given_up)
{
    static const char *const topics[] = {"t", NULL};
    struct bench *b = bench_new();
    struct reading r = {0};
    struct error e = ERROR_INIT;
    ck_assert(kafka_embedded_topic(b->cluster, "t", 1, &e));
    struct kafka_reader *reader = kafka_reader_new(b->loop, &b->config, topics, 5000, &ops, &r, &e);
    ck_assert_ptr_nonnull(reader);
    bench_turn(b, 50);
    kafka_reader_free(reader);
    bench_turn(b, 50);
    ck_assert_int_eq(r.ends, 0);
    kafka_reader_free(NULL);
    bench_free(b);
}
END_TEST

Suite *history_suite(void)
{
    Suite *s = suite_create("history");
    TCase *t = tcase_create("history");
    tcase_set_timeout(t, 40);
    tcase_add_test(t, topics_are_read_from_end_to_end);
    tcase_add_test(t, a_given_timestamp_is_kept);
    tcase_add_test(t, a_silent_cluster_ends_the_reading);
    tcase_add_test(t, a_reading_may_be_given_up);
    suite_add_tcase(s, t);
    return s;
}
