/* Counting, histograms, bounded labels, and the text that Prometheus reads. */
#include "test_base.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"

static int64_t now_us;

static int64_t test_clock(void *self)
{
    return now_us;
}

static const struct clock_ops test_clock_ops = {test_clock, test_clock, NULL};

static void setup(void)
{
    now_us = INT64_C(1000000000);
    clock_use(&test_clock_ops);
}

static void teardown(void)
{
    metric_reset();
    clock_use(NULL);
}

static const struct metric_def counter = {.name = "orders", .type = METRIC_COUNTER, .help = "Orders."};
static const struct metric_def gauge = {
    .name = "jvm.memory.used", .type = METRIC_GAUGE, .unit = "bytes", .help = "Memory.", .labels = {"area"}};
static const struct metric_def timer = {.name = "http.server.requests",
                                        .type = METRIC_TIMER,
                                        .help = "Requests.",
                                        .labels = {"method", "uri"},
                                        .buckets = (const double[]){0.01, 0.1, 1, 0}};
static const struct metric_def summary = {.name = "batch.size", .type = METRIC_SUMMARY, .unit = "messages"};

START_TEST(counters_and_gauges)
{
    struct metric_value v;
    struct metric_series *c = metric_single(&counter);
    metric_add(c, 1);
    metric_add(c, 2.5);
    metric_add(c, 0);
    metric_read(c, &v);
    ck_assert_double_eq(v.value, 3.5);
    ck_assert_ptr_eq(metric_single(&counter), c);
    struct metric_series *g = metric_series(metric_register(&gauge), (const char *[]){"heap"});
    metric_set(g, 10);
    metric_add(g, -3);
    metric_read(g, &v);
    ck_assert_double_eq(v.value, 7);
    ck_assert_uint_eq(v.count, 0);
    ck_assert_uint_eq(v.nbuckets, 0);
}
END_TEST

START_TEST(totals_of_a_library_survive_its_restart)
{
    struct metric_value v;
    struct metric_series *c = metric_single(&counter);
    metric_set_total(c, 10);
    metric_set_total(c, 15);
    metric_set_total(c, 15);
    metric_set_total(c, 2);
    metric_read(c, &v);
    ck_assert_double_eq(v.value, 17);
}
END_TEST

START_TEST(timers_fill_cumulative_buckets)
{
    struct metric_value v;
    struct metric_series *s = metric_series(metric_register(&timer), (const char *[]){"GET", "/a"});
    static const int64_t us[] = {0, 9999, 10000, 10001, 100000, 500000, 1000000, 1000001, 70000000, -5};
    for (size_t i = 0; i < ARRAY_LEN(us); i++)
        metric_observe_us(s, us[i]);
    metric_read(s, &v);
    ck_assert_uint_eq(v.count, 10);
    ck_assert_double_eq_tol(v.sum, 72.630001, 1e-9);
    ck_assert_double_eq(v.max, 70);
    ck_assert_uint_eq(v.nbuckets, 3);
    ck_assert_double_eq(v.bounds[1], 0.1);
    ck_assert_uint_eq(v.cumulative[0], 4);
    ck_assert_uint_eq(v.cumulative[1], 6);
    ck_assert_uint_eq(v.cumulative[2], 8);
    metric_read(s, &v);
    ck_assert_uint_eq(v.cumulative[2], 8);
}
END_TEST

START_TEST(the_maximum_is_that_of_two_minutes)
{
    struct metric_value v;
    struct metric_series *s = metric_single(&summary);
    metric_observe(s, 100);
    now_us += 60 * 1000000;
    metric_observe(s, 7);
    metric_read(s, &v);
    ck_assert_double_eq(v.max, 100);
    now_us += 70 * 1000000;
    metric_read(s, &v);
    ck_assert_double_eq(v.max, 7);
    metric_observe(s, 3);
    metric_read(s, &v);
    ck_assert_double_eq(v.max, 7);
    now_us += INT64_C(3600) * 1000000;
    metric_read(s, &v);
    ck_assert_double_eq(v.max, 0);
    metric_observe(s, 1);
    metric_read(s, &v);
    ck_assert_double_eq(v.max, 1);
    ck_assert_uint_eq(v.count, 4);
    ck_assert_double_eq(v.sum, 111);
}
END_TEST

START_TEST(timers_have_default_buckets_and_summaries_none)
{
    static const struct metric_def plain = {.name = "plain", .type = METRIC_TIMER};
    struct metric_value v;
    metric_observe_us(metric_single(&plain), 3000);
    metric_read(metric_single(&plain), &v);
    ck_assert_uint_gt(v.nbuckets, 5);
    ck_assert_uint_eq(v.cumulative[0], 0);
    ck_assert_uint_eq(v.cumulative[v.nbuckets - 1], 1);
    metric_read(metric_single(&summary), &v);
    ck_assert_uint_eq(v.nbuckets, 0);
}
END_TEST

START_TEST(series_are_found_by_all_their_labels)
{
    struct metric *m = metric_register(&timer);
    ck_assert_ptr_eq(metric_register(&timer), m);
    struct metric_series *a = metric_series(m, (const char *[]){"GET", "/a"});
    struct metric_series *b = metric_series(m, (const char *[]){"GE", "T/a"});
    struct metric_series *c = metric_series(m, (const char *[]){"", "GET/a"});
    ck_assert(a != b && b != c && a != c);
    ck_assert_ptr_eq(metric_series(m, (const char *[]){"GET", "/a"}), a);
    ck_assert_str_eq(metric_label_value(a, 0), "GET");
    ck_assert_str_eq(metric_label_value(a, 1), "/a");
    ck_assert_ptr_eq(metric_series_next(m, NULL), a);
    ck_assert_ptr_eq(metric_series_next(m, b), c);
    ck_assert_ptr_null(metric_series_next(m, c));
    metric_remove(b);
    ck_assert_ptr_eq(metric_series_next(m, a), c);
    metric_remove(c);
    struct metric_series *d = metric_series(m, (const char *[]){"", "GET/a"});
    ck_assert_ptr_eq(metric_series_next(m, a), d);
    metric_remove(a);
    metric_remove(d);
    ck_assert_ptr_null(metric_series_next(m, NULL));
    ck_assert_ptr_nonnull(metric_series(m, (const char *[]){"x", "y"}));
}
END_TEST

START_TEST(too_many_labels_become_other)
{
    static const struct metric_def def = {
        .name = "bounded", .type = METRIC_COUNTER, .labels = {"a", "b"}, .max_series = 3};
    struct metric *m = metric_register(&def);
    struct metric_value v;
    for (int i = 0; i < 10; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        metric_add(metric_series(m, (const char *[]){value, "x"}), 1);
    }
    struct metric_series *other = metric_series(m, (const char *[]){"7", "x"});
    ck_assert_str_eq(metric_label_value(other, 0), "other");
    ck_assert_str_eq(metric_label_value(other, 1), "other");
    metric_read(other, &v);
    ck_assert_double_eq(v.value, 7);
    int n = 0;
    for (struct metric_series *s = NULL; (s = metric_series_next(m, s));)
        n++;
    ck_assert_int_eq(n, 4);
    /* A place that becomes free is used again. */
    metric_remove(metric_series(m, (const char *[]){"0", "x"}));
    ck_assert_str_eq(metric_label_value(metric_series(m, (const char *[]){"7", "x"}), 0), "7");
    metric_remove(other);
    other = metric_series(m, (const char *[]){"8", "x"});
    metric_read(other, &v);
    ck_assert_double_eq(v.value, 0);
    /* The default bound. */
    struct metric *g = metric_register(&gauge);
    for (int i = 0; i < 300; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        metric_series(g, (const char *[]){value});
    }
    n = 0;
    for (struct metric_series *s = NULL; (s = metric_series_next(g, s));)
        n++;
    ck_assert_int_eq(n, 201);
}
END_TEST

START_TEST(metrics_are_listed_by_name)
{
    metric_register(&counter);
    metric_register(&timer);
    metric_register(&summary);
    struct metric *m = metric_next(NULL);
    ck_assert_str_eq(metric_def_of(m)->name, "batch.size");
    m = metric_next(m);
    ck_assert_str_eq(metric_def_of(m)->name, "http.server.requests");
    m = metric_next(m);
    ck_assert_ptr_eq(metric_def_of(m), &counter);
    ck_assert_ptr_null(metric_next(m));
    ck_assert_ptr_eq(metric_find("orders"), m);
    ck_assert_ptr_null(metric_find("nothing"));
}
END_TEST

static void bump(void *arg)
{
    metric_set(metric_series(metric_register(&gauge), (const char *[]){"heap"}), ++*(int *)arg);
}

START_TEST(gauges_are_brought_up_to_date)
{
    int a = 0, b = 10;
    struct metric_value v;
    metric_on_collect(bump, &a);
    metric_on_collect(bump, &b);
    metric_collect();
    metric_read(metric_series(metric_find("jvm.memory.used"), (const char *[]){"heap"}), &v);
    ck_assert_double_eq(v.value, 11);
    metric_off_collect(bump, &b);
    metric_collect();
    metric_read(metric_series(metric_find("jvm.memory.used"), (const char *[]){"heap"}), &v);
    ck_assert_double_eq(v.value, 2);
    ck_assert_int_eq(b, 11);
}
END_TEST

static const struct {
    struct metric_def def;
    const char *name;
} names[] = {
    {{.name = "orders", .type = METRIC_COUNTER}, "orders_total"},
    {{.name = "orders.total", .type = METRIC_COUNTER}, "orders_total"},
    {{.name = "kafka.sent", .type = METRIC_COUNTER, .unit = "bytes"}, "kafka_sent_bytes_total"},
    {{.name = "sent.bytes", .type = METRIC_COUNTER, .unit = "bytes"}, "sent_bytes_total"},
    {{.name = "jvm.memory.used", .type = METRIC_GAUGE, .unit = "bytes"}, "jvm_memory_used_bytes"},
    {{.name = "process.uptime", .type = METRIC_GAUGE, .unit = "seconds"}, "process_uptime_seconds"},
    {{.name = "hikaricp.connections.active", .type = METRIC_GAUGE}, "hikaricp_connections_active"},
    {{.name = "bytes", .type = METRIC_GAUGE, .unit = "bytes"}, "bytes_bytes"},
    {{.name = "http.server.requests", .type = METRIC_TIMER}, "http_server_requests_seconds"},
    {{.name = "http.server.requests", .type = METRIC_TIMER, .unit = "seconds"},
     "http_server_requests_seconds"},
    {{.name = "batch.size", .type = METRIC_SUMMARY, .unit = "messages"}, "batch_size_messages"},
    {{.name = "2nd-try.a:b", .type = METRIC_GAUGE}, "m_2nd_try_a_b"},
};

START_TEST(names_are_derived_as_micrometer_does)
{
    struct buf out = BUF_INIT;
    metric_prometheus_name(&names[_i].def, &out);
    ck_assert_str_eq(buf_str(&out), names[_i].name);
    buf_free(&out);
}
END_TEST

START_TEST(the_text_is_what_prometheus_reads)
{
    static const struct metric_def escaped = {
        .name = "z", .type = METRIC_GAUGE, .help = "Back\\slash\nand \"quote\".", .labels = {"client.id"}};
    struct buf out = BUF_INIT;
    metric_register(&counter); /* without series: not printed */
    struct metric_series *s = metric_series(metric_register(&timer), (const char *[]){"GET", "/a"});
    metric_observe_us(s, 5000);
    metric_observe_us(s, 250000);
    metric_observe_us(s, 2000000);
    metric_observe(metric_single(&summary), 4);
    metric_set(metric_series(metric_register(&escaped), (const char *[]){"a\\b\"c\nd"}), -1.5);
    metric_set(metric_series(metric_register(&gauge), (const char *[]){"heap"}), 12345678901234567.0);
    metric_set(metric_series(metric_register(&gauge), (const char *[]){"nan"}), __builtin_nan(""));
    metric_set(metric_series(metric_register(&gauge), (const char *[]){"inf"}), -__builtin_inf());
    metric_print_prometheus(&out);
    ck_assert_str_eq(buf_str(&out),
                     "# HELP batch_size_messages \n"
                     "# TYPE batch_size_messages summary\n"
                     "batch_size_messages_count 1\n"
                     "batch_size_messages_sum 4\n"
                     "# HELP batch_size_messages_max \n"
                     "# TYPE batch_size_messages_max gauge\n"
                     "batch_size_messages_max 4\n"
                     "# HELP http_server_requests_seconds Requests.\n"
                     "# TYPE http_server_requests_seconds histogram\n"
                     "http_server_requests_seconds_bucket{method=\"GET\",uri=\"/a\",le=\"0.01\"} 1\n"
                     "http_server_requests_seconds_bucket{method=\"GET\",uri=\"/a\",le=\"0.1\"} 1\n"
                     "http_server_requests_seconds_bucket{method=\"GET\",uri=\"/a\",le=\"1\"} 2\n"
                     "http_server_requests_seconds_bucket{method=\"GET\",uri=\"/a\",le=\"+Inf\"} 3\n"
                     "http_server_requests_seconds_count{method=\"GET\",uri=\"/a\"} 3\n"
                     "http_server_requests_seconds_sum{method=\"GET\",uri=\"/a\"} 2.255\n"
                     "# HELP http_server_requests_seconds_max Requests.\n"
                     "# TYPE http_server_requests_seconds_max gauge\n"
                     "http_server_requests_seconds_max{method=\"GET\",uri=\"/a\"} 2\n"
                     "# HELP jvm_memory_used_bytes Memory.\n"
                     "# TYPE jvm_memory_used_bytes gauge\n"
                     "jvm_memory_used_bytes{area=\"heap\"} 12345678901234568\n"
                     "jvm_memory_used_bytes{area=\"nan\"} NaN\n"
                     "jvm_memory_used_bytes{area=\"inf\"} -Inf\n"
                     "# HELP z Back\\\\slash\\nand \"quote\".\n"
                     "# TYPE z gauge\n"
                     "z{client_id=\"a\\\\b\\\"c\\nd\"} -1.5\n");
    buf_clear(&out);
    metric_add(metric_single(&counter), 1);
    metric_print_prometheus(&out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "# TYPE orders_total counter\norders_total 1\n"));
    buf_free(&out);
}
END_TEST

START_TEST(counters_do_not_shrink)
{
    metric_add(metric_single(&counter), -1);
}
END_TEST

START_TEST(two_metrics_do_not_share_a_name)
{
    static const struct metric_def same = {.name = "orders", .type = METRIC_GAUGE};
    metric_register(&counter);
    metric_register(&same);
}
END_TEST

Suite *metric_suite(void)
{
    Suite *s = suite_create("metric");
    TCase *tc = tcase_create("metric");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, counters_and_gauges);
    tcase_add_test(tc, totals_of_a_library_survive_its_restart);
    tcase_add_test(tc, timers_fill_cumulative_buckets);
    tcase_add_test(tc, the_maximum_is_that_of_two_minutes);
    tcase_add_test(tc, timers_have_default_buckets_and_summaries_none);
    tcase_add_test(tc, series_are_found_by_all_their_labels);
    tcase_add_test(tc, too_many_labels_become_other);
    tcase_add_test(tc, metrics_are_listed_by_name);
    tcase_add_test(tc, gauges_are_brought_up_to_date);
    tcase_add_loop_test(tc, names_are_derived_as_micrometer_does, 0, (int)ARRAY_LEN(names));
    tcase_add_test(tc, the_text_is_what_prometheus_reads);
    tcase_add_test_raise_signal(tc, counters_do_not_shrink, SIGABRT);
    tcase_add_test_raise_signal(tc, two_metrics_do_not_share_a_name, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
