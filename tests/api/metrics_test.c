/* /actuator/metrics and /actuator/prometheus. */
#include <jansson.h>
#include <unistd.h>

#include "base/metric.h"
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

static const struct metric_def timer_def = {
    .name = "test.timer", .type = METRIC_TIMER, .help = "A \"timer\"", .labels = {"uri", "status"}};
static const struct metric_def counter_def = {.name = "test.counter", .type = METRIC_COUNTER, .unit = "rows"};
static const struct metric_def summary_def = {.name = "test.summary", .type = METRIC_SUMMARY};
static const struct metric_def empty_def = {.name = "test.empty", .type = METRIC_GAUGE, .labels = {"x"}};

static void setup(void)
{
    static const char *const a[] = {"/a", "200"}, *const b[] = {"/b:x y", "200"}, *const c[] = {"/a", "500"};
    api_site_setup();
    struct metric *timer = metric_register(&timer_def);
    metric_observe_us(metric_series(timer, a), 500000);
    metric_observe_us(metric_series(timer, a), 1000000);
    metric_observe_us(metric_series(timer, b), 2000000);
    metric_observe_us(metric_series(timer, c), 250000);
    metric_add(metric_single(&counter_def), 3);
    metric_observe(metric_single(&summary_def), 8);
    metric_register(&empty_def);
}

START_TEST(names)
{
    const char *answer = ask("GET /actuator/metrics", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    expect_header(answer, "Content-Type: application/vnd.spring-boot.actuator.v3+json");
    json_t *root = json_loads(answer_body(answer), 0, NULL);
    ck_assert_ptr_nonnull(root);
    json_t *list = json_object_get(root, "names");
    ck_assert_uint_gt(json_array_size(list), 5);
    for (size_t i = 1; i < json_array_size(list); i++)
        ck_assert_int_lt(strcmp(json_string_value(json_array_get(list, i - 1)),
                                json_string_value(json_array_get(list, i))),
                         0);
    ck_assert_ptr_nonnull(strstr(answer, "\"process.uptime\""));
    ck_assert_ptr_null(strstr(answer, "\"test.empty\""));
    json_decref(root);
}
END_TEST

START_TEST(one)
{
    expect("GET /actuator/metrics/test.timer", NULL, 200,
           "{\"name\":\"test.timer\",\"description\":\"A \\\"timer\\\"\",\"baseUnit\":\"seconds\","
           "\"measurements\":[{\"statistic\":\"COUNT\",\"value\":4.0},{\"statistic\":\"TOTAL_TIME\","
           "\"value\":3.75},"
           "{\"statistic\":\"MAX\",\"value\":2.0}],\"availableTags\":[{\"tag\":\"uri\",\"values\":[\"/a\","
           "\"/b:x y\"]},{\"tag\":\"status\",\"values\":[\"200\",\"500\"]}]}");
    expect("GET /actuator/metrics/test.counter", NULL, 200,
           "{\"name\":\"test.counter\",\"baseUnit\":\"rows\",\"measurements\":[{\"statistic\":\"COUNT\","
           "\"value\":3.0}],\"availableTags\":[]}");
    expect("GET /actuator/metrics/test.summary", NULL, 200,
           "{\"name\":\"test.summary\",\"measurements\":[{\"statistic\":\"COUNT\",\"value\":1.0},"
           "{\"statistic\":\"TOTAL\",\"value\":8.0},{\"statistic\":\"MAX\",\"value\":8.0}],"
           "\"availableTags\":[]}");
    expect("GET /actuator/metrics/test.empty", NULL, 404, NULL);
    expect("GET /actuator/metrics/nothing", NULL, 404, NULL);
}
END_TEST

START_TEST(tags)
{
    expect(
        "GET /actuator/metrics/test.timer?tag=uri:/a", NULL, 200,
        "{\"name\":\"test.timer\",\"description\":\"A \\\"timer\\\"\",\"baseUnit\":\"seconds\","
        "\"measurements\":[{\"statistic\":\"COUNT\",\"value\":3.0},{\"statistic\":\"TOTAL_TIME\",\"value\":1."
        "75},"
        "{\"statistic\":\"MAX\",\"value\":1.0}],\"availableTags\":[{\"tag\":\"status\",\"values\":[\"200\","
        "\"500\"]}]}");
    expect("GET /actuator/metrics/test.timer?tag=uri:%2Fa&x=1&tag=status%3A500", NULL, 200,
           "{\"name\":\"test.timer\",\"description\":\"A \\\"timer\\\"\",\"baseUnit\":\"seconds\","
           "\"measurements\":[{\"statistic\":\"COUNT\",\"value\":1.0},{\"statistic\":\"TOTAL_TIME\","
           "\"value\":0.25},"
           "{\"statistic\":\"MAX\",\"value\":0.25}],\"availableTags\":[]}");
    expect("GET /actuator/metrics/test.timer?tag=uri:/b:x+y", NULL, 200, NULL);
    expect("GET /actuator/metrics/test.timer?tag=uri:/c", NULL, 404, NULL);
    expect("GET /actuator/metrics/test.timer?tag=color:red", NULL, 404, NULL);
    expect("GET /actuator/metrics/test.timer?tag=ur:/a", NULL, 404, NULL);
    expect_error("GET /actuator/metrics/test.timer?tag=uri", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: tag");
    expect("GET /actuator/metrics/test.timer?tag=%zz:", NULL, 400, NULL);
    expect("GET "
           "/actuator/metrics/"
           "test.timer?tag=a:1&tag=a:1&tag=a:1&tag=a:1&tag=a:1&tag=a:1&tag=a:1&tag=a:1&tag=a:1",
           NULL, 400, NULL);
}
END_TEST

/* The value of a metric without conditions. */
static double value_of(const char *name)
{
    struct buf request = BUF_INIT;
    buf_printf(&request, "GET /actuator/metrics/%s", name);
    const char *answer = ask(buf_str(&request), NULL, NULL);
    ck_assert_msg(answer_status(answer) == 200, "%s: %s", name, answer);
    json_t *root = json_loads(answer_body(answer), 0, NULL);
    double v =
        json_number_value(json_object_get(json_array_get(json_object_get(root, "measurements"), 0), "value"));
    json_decref(root);
    buf_free(&request);
    return v;
}

START_TEST(process)
{
    ck_assert_double_eq_tol(value_of("process.uptime"), 90, 0.001);
    ck_assert_double_eq_tol(value_of("process.start.time"), (TEST_NOW_US - 90000000) / 1e6, 0.001);
    ck_assert_double_ge(value_of("process.cpu.usage"), 0);
    ck_assert_double_gt(value_of("process.cpu.time"), 0);
    ck_assert_double_ge(value_of("system.cpu.count"), 1);
    ck_assert_double_ge(value_of("system.load.average.1m"), 0);
    ck_assert_double_gt(value_of("process.files.max"), 10);
    ck_assert_double_gt(value_of("process.resident.memory"), 1 << 20);
    ck_assert_double_gt(value_of("process.virtual.memory"), value_of("process.resident.memory"));
    ck_assert_double_gt(value_of("disk.total"), 0);
    ck_assert_double_ge(value_of("disk.free"), 0);
    double before = value_of("process.files.open");
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_double_eq(value_of("process.files.open"), before + 2);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(prometheus)
{
    const char *answer = ask("GET /actuator/prometheus", "Accept: application/openmetrics-text\r\n", NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    expect_header(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8");
    ck_assert_ptr_nonnull(strstr(answer, "\ntest_counter_rows_total 3\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\nprocess_uptime_seconds 90\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\ntest_timer_seconds_count{uri=\"/a\",status=\"200\"} 2\n"));
}
END_TEST

/* Requests are labelled by the pattern of their route. */
START_TEST(labels)
{
    expect("GET /api/orders/77", NULL, 200, NULL);
    expect("GET /api/orders/78", NULL, 404, NULL);
    expect("GET /wp-login.php", NULL, 404, NULL);
    const char *answer = ask("GET /actuator/metrics/http.server.requests?tag=status:404", NULL, NULL);
    ck_assert_ptr_nonnull(strstr(answer, "\"/api/orders/{orderId}\""));
    ck_assert_ptr_null(strstr(answer, "78"));
    ck_assert_ptr_null(strstr(answer, "wp-login"));
}
END_TEST

Suite *metrics_suite(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_add_checked_fixture(t, setup, api_site_teardown);
    tcase_add_test(t, names);
    tcase_add_test(t, one);
    tcase_add_test(t, tags);
    tcase_add_test(t, process);
    tcase_add_test(t, prometheus);
    tcase_add_test(t, labels);
    suite_add_tcase(s, t);
    return s;
}
