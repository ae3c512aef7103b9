/* /actuator/loggers. */
#include <jansson.h>

#include "base/log.h"
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

LOG_DEFINE(test_logger, "rushd.test.loggers");

START_TEST(list)
{
    const char *answer = ask("GET /actuator/loggers", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    json_t *root = json_loads(answer_body(answer), JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_ptr_nonnull(strstr(
        answer, "{\"levels\":[\"OFF\",\"ERROR\",\"WARN\",\"INFO\",\"DEBUG\",\"TRACE\"],\"loggers\":{"));
    ck_assert_ptr_nonnull(strstr(answer, "\"ROOT\":{\"effectiveLevel\":\"INFO\"}"));
    ck_assert_ptr_nonnull(strstr(answer, "\"rushd.test.loggers\":{\"effectiveLevel\":\"INFO\"}"));
    json_decref(root);
}
END_TEST

START_TEST(set_and_get)
{
    expect("GET /actuator/loggers/rushd.test.loggers", NULL, 200, "{\"effectiveLevel\":\"INFO\"}");
    const char *answer =
        ask("POST /actuator/loggers/rushd.test.loggers", NULL, "{\"configuredLevel\":\"debug\"}");
    ck_assert_int_eq(answer_status(answer), 204);
    ck_assert_str_eq(answer_body(answer), "");
    ck_assert_int_eq(test_logger.level, LOG_LEVEL_DEBUG);
    expect("GET /actuator/loggers/rushd.test.loggers", NULL, 200,
           "{\"configuredLevel\":\"DEBUG\",\"effectiveLevel\":\"DEBUG\"}");
    expect_with("POST /actuator/loggers/rushd.test.loggers",
                "Content-Type: application/vnd.spring-boot.actuator.v3+json\r\n",
                "{\"configuredLevel\":null}", 204, NULL);
    expect("GET /actuator/loggers/rushd.test.loggers", NULL, 200, "{\"effectiveLevel\":\"INFO\"}");
    expect("POST /actuator/loggers/ROOT", "{\"configuredLevel\":\"WARN\"}", 204, NULL);
    expect("GET /actuator/loggers/ROOT", NULL, 200,
           "{\"configuredLevel\":\"WARN\",\"effectiveLevel\":\"WARN\"}");
    expect("GET /actuator/loggers/rushd.test.loggers", NULL, 200, "{\"effectiveLevel\":\"WARN\"}");
    expect("POST /actuator/loggers/root", "{}", 204, NULL);
    ck_assert_int_eq(test_logger.level, LOG_LEVEL_INFO);
}
END_TEST

START_TEST(java_names)
{
    expect("POST /actuator/loggers/kr.hhplus.be.server.test.loggers", "{\"configuredLevel\":\"TRACE\"}", 204,
           NULL);
    ck_assert_int_eq(test_logger.level, LOG_LEVEL_TRACE);
}
END_TEST

START_TEST(refuses)
{
    expect("GET /actuator/loggers/no.such", NULL, 404, NULL);
    expect_error("POST /actuator/loggers/rushd", NULL, "{\"configuredLevel\":\"LOUD\"}", 400,
                 "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: configuredLevel");
    expect_error("POST /actuator/loggers/rushd", NULL, "{\"configuredLevel\":5}", 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: configuredLevel");
    expect_error("POST /actuator/loggers/a..b", NULL, "{\"configuredLevel\":\"INFO\"}", 400,
                 "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: name");
    expect_error("POST /actuator/loggers/rushd", NULL, "{", 400, "MALFORMED_JSON", "잘못된 JSON 형식입니다.");
    expect_with("POST /actuator/loggers/rushd", "Content-Type: text/plain\r\n", "{}", 415, NULL);
    const char *answer = ask("DELETE /actuator/loggers/rushd", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 405);
    expect_header(answer, "Allow: GET, HEAD, POST, OPTIONS");
}
END_TEST

Suite *loggers_suite(void)
{
    Suite *s = suite_create("loggers");
    TCase *t = tcase_create("loggers");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_add_test(t, list);
    tcase_add_test(t, set_and_get);
    tcase_add_test(t, java_names);
    tcase_add_test(t, refuses);
    suite_add_tcase(s, t);
    return s;
}
