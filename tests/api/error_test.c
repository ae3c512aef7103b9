/* Errors: forms, languages, those of the server itself, and failed reads. */
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

#define UNKNOWN_PATH "요청한 리소스를 찾을 수 없습니다."

static bool is_english(const char *accept_language)
{
    struct buf header = BUF_INIT;
    buf_printf(&header, "Accept-Language: %s\r\n", accept_language);
    const char *answer = ask("GET /api/coupons/9", buf_str(&header), NULL);
    buf_free(&header);
    ck_assert_int_eq(answer_status(answer), 404);
    return strstr(answer, "The coupon does not exist.") != NULL;
}

START_TEST(languages)
{
    static const char *const english[] = {
        "en",           "EN-us",       "en-GB,en;q=0.9,ko;q=0.8", "en, ko", "ko;q=0.2, en;q=0.3",
        "fr, en;q=0.5", "*;q=0.1, en", "ko;q=0, en;q=0.001"};
    static const char *const korean[] = {"ko",     "ko-KR,ko;q=0.9,en-US;q=0.8",
                                         "fr",     "*",
                                         "en;q=0", "en;q=0.5,*",
                                         "ko, en", "eng",
                                         "e",      "",
                                         "en;q=2", ",,;"};
    for (size_t i = 0; i < ARRAY_LEN(english); i++)
        ck_assert_msg(is_english(english[i]), "%s", english[i]);
    for (size_t i = 0; i < ARRAY_LEN(korean); i++)
        ck_assert_msg(!is_english(korean[i]), "%s", korean[i]);
}
END_TEST

static bool is_problem(const char *accept)
{
    struct buf header = BUF_INIT;
    buf_printf(&header, "Accept: %s\r\n", accept);
    const char *answer = ask("GET /api/coupons/9", buf_str(&header), NULL);
    buf_free(&header);
    ck_assert_int_eq(answer_status(answer), 404);
    bool problem = strstr(answer, "\nContent-Type: application/problem+json\n") != NULL;
    if (problem)
        ck_assert_str_eq(
            answer_body(answer),
            "{\"title\":\"COUPON_UNKNOWN\",\"status\":404,\"detail\":\"존재하지 않는 쿠폰입니다.\","
            "\"code\":\"COUPON_UNKNOWN\",\"timestamp\":\"" TEST_NOW "\"}");
    else
        expect_header(answer, "Content-Type: application/json");
    return problem;
}

START_TEST(forms)
{
    static const char *const problem[] = {
        "application/problem+json", "application/json, application/problem+json",
        "application/problem+json;q=0.8, application/json;q=0.5", "Application/Problem+JSON, */*;q=0.1"};
    static const char *const plain[] = {"*/*",
                                        "application/json",
                                        "application/*",
                                        "application/problem+json;q=0, application/json",
                                        "application/json, application/problem+json;q=0.9",
                                        "application/problem+json;q=x, */*"};
    for (size_t i = 0; i < ARRAY_LEN(problem); i++)
        ck_assert_msg(is_problem(problem[i]), "%s", problem[i]);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        ck_assert_msg(!is_problem(plain[i]), "%s", plain[i]);
}
END_TEST

START_TEST(problem_of_an_order)
{
    fake.refusal = (struct refusal){.code = REFUSAL_INSUFFICIENT_BALANCE, .a = 150, .b = 20000};
    const char *answer =
        ask("POST /api/orders", "Accept: application/problem+json\r\nAccept-Language: en\r\n", "{}");
    ck_assert_int_eq(answer_status(answer), 400);
    expect_header(answer, "Content-Type: application/problem+json");
    ck_assert_str_eq(
        answer_body(answer),
        "{\"title\":\"INSUFFICIENT_BALANCE\",\"status\":400,\"detail\":\"The balance is too low. "
        "Balance: 1.50, order: 200\",\"code\":\"INSUFFICIENT_BALANCE\",\"timestamp\":\"" TEST_NOW "\"}");
}
END_TEST

START_TEST(errors_of_the_server)
{
    expect_error("GET /api/nothing", NULL, NULL, 404, "NOT_FOUND", UNKNOWN_PATH);
    expect_error("GET /", NULL, NULL, 404, "NOT_FOUND", UNKNOWN_PATH);
    expect_error("GET /api/orders/%zz", NULL, NULL, 400, "BAD_REQUEST", "잘못된 요청입니다.");
    expect_error("POST /api/orders", "Content-Type: text/plain\r\n", "{}", 415, "UNSUPPORTED_MEDIA_TYPE",
                 "지원하지 않는 콘텐츠 형식입니다.");
    expect_error("GET /api/coupons", "Accept: text/html\r\n", NULL, 406, "NOT_ACCEPTABLE",
                 "제공할 수 없는 응답 형식입니다.");
    expect_error("GET /api/coupons", "Accept: application/json;q=0\r\nAccept-Language: en\r\n", NULL, 406,
                 "NOT_ACCEPTABLE", "The requested media type cannot be served.");
    const char *answer = ask("DELETE /api/orders/1", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 405);
    expect_header(answer, "Allow: GET, HEAD, OPTIONS");
    ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"METHOD_NOT_ALLOWED\""));
    answer = ask("OPTIONS /api/orders", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    expect_header(answer, "Allow: GET, HEAD, POST, OPTIONS");
    ck_assert_uint_eq(fake.calls, 0);
}
END_TEST

static void check_body(int status, const char *code, const char *message)
{
    struct buf body = BUF_INIT, want = BUF_INIT;
    const char *type = NULL;
    api_error_body(NULL, NULL, status, &body, &type);
    buf_printf(&want, "{\"message\":\"%s\",\"code\":\"%s\",\"timestamp\":\"" TEST_NOW "\"}", message, code);
    ck_assert_str_eq(buf_str(&body), buf_str(&want));
    ck_assert_str_eq(type, "application/json");
    buf_free(&body);
    buf_free(&want);
}

/* Every status that the server answers by itself. */
START_TEST(bodies_of_the_server)
{
    check_body(400, "BAD_REQUEST", "잘못된 요청입니다.");
    check_body(404, "NOT_FOUND", UNKNOWN_PATH);
    check_body(405, "METHOD_NOT_ALLOWED", "허용되지 않은 메서드입니다.");
    check_body(406, "NOT_ACCEPTABLE", "제공할 수 없는 응답 형식입니다.");
    check_body(408, "REQUEST_TIMEOUT", "요청 시간이 초과되었습니다.");
    check_body(413, "PAYLOAD_TOO_LARGE", "요청 본문이 너무 큽니다.");
    check_body(414, "URI_TOO_LONG", "요청 주소가 너무 깁니다.");
    check_body(415, "UNSUPPORTED_MEDIA_TYPE", "지원하지 않는 콘텐츠 형식입니다.");
    check_body(417, "EXPECTATION_FAILED", "처리할 수 없는 Expect 헤더입니다.");
    check_body(431, "HEADERS_TOO_LARGE", "요청 헤더가 너무 큽니다.");
    check_body(500, "INTERNAL_ERROR", "서버 내부 오류가 발생했습니다.");
    check_body(501, "NOT_IMPLEMENTED", "지원하지 않는 기능입니다.");
    check_body(503, "SERVICE_UNAVAILABLE",
               "일시적으로 요청을 처리할 수 없습니다. 잠시 후 다시 시도해주세요.");
    check_body(505, "HTTP_VERSION_NOT_SUPPORTED", "지원하지 않는 HTTP 버전입니다.");
    check_body(418, "BAD_REQUEST", "잘못된 요청입니다.");
    check_body(507, "INTERNAL_ERROR", "서버 내부 오류가 발생했습니다.");
}
END_TEST

static const char *const reads[] = {
    "GET /api/orders/77",
    "GET /api/orders?userId=1001",
    "GET /api/coupons",
    "GET /api/coupons/1",
    "GET /api/coupons/users/1001",
    "GET /api/users/balance?userId=1001",
    "GET /api/users/balance/history?userId=1001",
    "GET /api/users/1001",
    "GET /api/products",
    "GET /api/products/1",
    "GET /api/products/popular",
};

START_TEST(reads_that_fail)
{
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        error_set(&fake.error, ERROR_RETRIABLE, "TIMEOUT", "away");
        const char *answer = ask(reads[i], NULL, NULL);
        ck_assert_msg(answer_status(answer) == 503, "%s: %s", reads[i], answer);
        expect_header(answer, "Retry-After: 1");
        ck_assert_ptr_nonnull(strstr(answer, "\"code\":\"SERVICE_UNAVAILABLE\""));
        error_set(&fake.error, ERROR_PERMANENT, "42703", "no such column");
        expect_error(reads[i], NULL, NULL, 500, "INTERNAL_ERROR", "서버 내부 오류가 발생했습니다.");
    }
}
END_TEST

/* A client that has gone: its answer is dropped, nothing is left behind. */
START_TEST(late_answers)
{
    fake.hold = true;
    for (size_t i = 0; i < ARRAY_LEN(reads); i++)
        ask_only(reads[i], NULL, NULL);
    api_site_idle(20);
    api_site_hang_up();
    api_site_idle(20);
    fake_release();
    api_site_idle(20);
    expect("GET /api/orders/5", NULL, 404, NULL);
}
END_TEST

START_TEST(without_the_shop)
{
    struct api_config cfg = api_site_config;
    cfg.serve_shop = false;
    api_site_start(&cfg, false);
    for (size_t i = 0; i < ARRAY_LEN(reads); i++)
        expect_error(reads[i], NULL, NULL, 404, "NOT_FOUND", UNKNOWN_PATH);
    expect("GET /actuator/health/liveness", NULL, 200, NULL);
    expect("GET /v3/api-docs", NULL, 200, NULL);
    api_site_teardown();
}
END_TEST

Suite *error_suite(void)
{
    Suite *s = suite_create("errors");
    TCase *t = tcase_create("errors");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_add_test(t, languages);
    tcase_add_test(t, forms);
    tcase_add_test(t, problem_of_an_order);
    tcase_add_test(t, errors_of_the_server);
    tcase_add_test(t, bodies_of_the_server);
    tcase_add_test(t, reads_that_fail);
    tcase_add_test(t, late_answers);
    suite_add_tcase(s, t);
    TCase *roles = tcase_create("roles");
    tcase_add_test(roles, without_the_shop);
    suite_add_tcase(s, roles);
    return s;
}
