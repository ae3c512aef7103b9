/* Orders over HTTP. */
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

#define ORDER     "{\"userId\":1001,\"orderItems\":[{\"productId\":1,\"quantity\":2}]}"
#define CONFLICT  "같은 Idempotency-Key의 요청이 처리 중입니다."
#define MALFORMED "잘못된 JSON 형식입니다."

START_TEST(create_passes_everything_on)
{
    const char *answer = ask("POST /api/orders", "X-Request-Id: abc-1\r\nIdempotency-Key: k!~1\r\n",
                             "{\"userId\":\"1001\",\"note\":[1],\"userCouponId\":31,\"orderItems\":["
                             "{\"productId\":1,\"quantity\":2},{\"productId\":\"2\",\"quantity\":\"3\"}]}");
    ck_assert_int_eq(answer_status(answer), 200);
    ck_assert_str_eq(answer_body(answer), "{\"id\":1}");
    expect_header(answer, "Content-Type: application/json");
    expect_header(answer, "Content-Length: 8");
    expect_header(answer, "X-Request-Id: abc-1");
    expect_no_header(answer, "Retry-After");
    ck_assert_int_eq(fake.user_id, 1001);
    ck_assert_int_eq(fake.user_coupon_id, 31);
    ck_assert_uint_eq(fake.nlines, 2);
    ck_assert_int_eq(fake.lines[0].product_id, 1);
    ck_assert_int_eq(fake.lines[0].quantity, 2);
    ck_assert_int_eq(fake.lines[1].product_id, 2);
    ck_assert_int_eq(fake.lines[1].quantity, 3);
    ck_assert_str_eq(fake.key, "k!~1");
    ck_assert_str_eq(fake.hash, "1001,31;1x2;2x3");
    ck_assert_str_eq(fake.request_id, "abc-1");
}
END_TEST

START_TEST(create_without_key)
{
    expect("POST /api/orders", ORDER, 200, "{\"id\":1}");
    ck_assert_str_eq(fake.key, "-");
    ck_assert_str_eq(fake.hash, "-");
    ck_assert_int_eq(fake.user_coupon_id, 0);
    expect("POST /api/orders", "{\"userId\":1,\"userCouponId\":null,\"orderItems\":[]}", 200, NULL);
    ck_assert_int_eq(fake.user_coupon_id, 0);
}
END_TEST

/* The service has sentences of its own for these; they must reach it. */
START_TEST(create_leaves_values_to_the_service)
{
    expect("POST /api/orders", "{}", 200, NULL);
    ck_assert_int_eq(fake.user_id, 0);
    ck_assert_uint_eq(fake.nlines, 0);
    expect("POST /api/orders", "{\"userId\":-5,\"orderItems\":null}", 200, NULL);
    ck_assert_int_eq(fake.user_id, -5);
    expect("POST /api/orders",
           "{\"userId\":1,\"orderItems\":[{\"productId\":1},{\"productId\":1,\"quantity\":-1}]}", 200, NULL);
    ck_assert_int_eq(fake.lines[0].quantity, 0);
    ck_assert_int_eq(fake.lines[1].quantity, -1);
}
END_TEST

START_TEST(create_refuses_malformed_bodies)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{",
        "{\"userId\":1,}",
        "{\"userId\":1,\"userId\":1,\"orderItems\":[]}",
        "{\"orderItems\":[{\"productId\":1,\"quantity\":1,\"quantity\":1}]}",
        ORDER "x",
        "\"text\"",
        "{\"userId\":01}",
        "{\"userId\":\"\xff\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect_error("POST /api/orders", NULL, bodies[i], 400, "MALFORMED_JSON", MALFORMED);
    expect_error("POST /api/orders", NULL, NULL, 400, "MALFORMED_JSON", MALFORMED);
    ck_assert_uint_eq(fake.calls, 0);
}
END_TEST

START_TEST(create_names_wrong_fields)
{
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"{\"userId\":\"x\"}", "userId"},
        {"{\"userId\":1.5}", "userId"},
        {"{\"userId\":true}", "userId"},
        {"{\"userId\":99999999999999999999}", "userId"},
        {"{\"userId\":1,\"orderItems\":{}}", "orderItems"},
        {"{\"userId\":1,\"orderItems\":[1]}", "orderItems[0]"},
        {"{\"userId\":1,\"orderItems\":[{\"productId\":1,\"quantity\":[]}]}", "orderItems[0].quantity"},
        {"{\"userId\":1,\"orderItems\":[],\"userCouponId\":\"a\"}", "userCouponId"},
    };
    struct buf message = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&message);
        buf_printf(&message, "잘못된 파라미터 형식입니다: %s", cases[i].field);
        expect_error("POST /api/orders", NULL, cases[i].body, 400, "INVALID_PARAMETER", buf_str(&message));
    }
    expect_error("POST /api/orders", NULL,
                 "{\"userId\":1,\"orderItems\":[{\"productId\":1,\"quantity\":1},{\"quantity\":1}]}", 400,
                 "MISSING_PARAMETER", "필수 파라미터가 없습니다: orderItems[1].productId");
    ck_assert_uint_eq(fake.calls, 0);
    buf_free(&message);
}
END_TEST

START_TEST(create_checks_the_key)
{
    struct buf header = BUF_INIT;
    static const char *const wrong[] = {"", "a b", "caf\xc3\xa9", "a\tb"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        buf_clear(&header);
        buf_printf(&header, "Idempotency-Key: %s\r\n", wrong[i]);
        expect_error("POST /api/orders", buf_str(&header), ORDER, 400, "INVALID_PARAMETER",
                     "잘못된 파라미터 형식입니다: Idempotency-Key");
    }
    for (int n = 255; n <= 256; n++) {
        buf_clear(&header);
        buf_puts(&header, "Idempotency-Key: ");
        for (int i = 0; i < n; i++)
            buf_putc(&header, 'k');
        buf_puts(&header, "\r\n");
        expect_with("POST /api/orders", buf_str(&header), ORDER, n == 255 ? 200 : 400, NULL);
    }
    ck_assert_uint_eq(strlen(fake.key), 255);
    ck_assert_uint_eq(fake.calls, 1);
    buf_free(&header);
}
END_TEST

/* What stands for the body does not depend on how it is written, and on nothing else but what it says. */
START_TEST(create_fingerprints)
{
    char first[300];
    expect_with("POST /api/orders", "Idempotency-Key: k\r\n", ORDER, 200, NULL);
    str_copy(first, sizeof first, fake.hash);
    expect_with("POST /api/orders", "Idempotency-Key: k\r\n",
                " {\"x\":1, \"orderItems\":[{\"quantity\":\"2\",\"productId\":1}],\"userId\":1001} ", 200,
                NULL);
    ck_assert_str_eq(fake.hash, first);
    expect_with("POST /api/orders", "Idempotency-Key: k\r\n",
                "{\"userId\":1001,\"orderItems\":[{\"productId\":1,\"quantity\":3}]}", 200, NULL);
    ck_assert_str_ne(fake.hash, first);
}
END_TEST

START_TEST(create_fingerprints_long_bodies)
{
    char seen[3][300];
    for (int variant = 0; variant < 3; variant++) {
        struct buf body = BUF_INIT;
        buf_puts(&body, "{\"userId\":1,\"orderItems\":[");
        for (int i = 0; i < 60; i++)
            buf_printf(&body, "%s{\"productId\":%d,\"quantity\":%d}", i ? "," : "", i + 1000,
                       variant == 1 && i == 0    ? 2
                       : variant == 2 && i == 59 ? 2
                                                 : 1);
        buf_puts(&body, "]}");
        expect_with("POST /api/orders", "Idempotency-Key: k\r\n", buf_str(&body), 200, NULL);
        str_copy(seen[variant], sizeof seen[variant], fake.hash);
        ck_assert_int_eq(fake.hash[0], '#');
        ck_assert_uint_lt(strlen(fake.hash), 60);
        buf_free(&body);
    }
    ck_assert_str_ne(seen[0], seen[1]);
    ck_assert_str_ne(seen[0], seen[2]);
    ck_assert_str_ne(seen[1], seen[2]);
}
END_TEST

START_TEST(create_answers_refusals)
{
    fake.refusal = (struct refusal){.code = REFUSAL_INSUFFICIENT_STOCK, .name = "키보드", .n = 3};
    expect_error("POST /api/orders", NULL, ORDER, 400, "INSUFFICIENT_STOCK",
                 "재고가 부족합니다: 키보드 (남은 재고: 3)");
    expect_error("POST /api/orders", "Accept-Language: en\r\n", ORDER, 400, "INSUFFICIENT_STOCK",
                 "Not enough stock: 키보드 (left: 3)");
    ck_assert_uint_eq(fake.form, REFUSAL_ENGLISH);
    fake.refusal = (struct refusal){.code = REFUSAL_REQUEST_IN_PROGRESS};
    expect_error("POST /api/orders", NULL, ORDER, 409, "REQUEST_IN_PROGRESS", CONFLICT);
    fake.refusal = (struct refusal){.code = REFUSAL_IDEMPOTENCY_KEY_REUSED};
    expect_error("POST /api/orders", NULL, ORDER, 422, "IDEMPOTENCY_KEY_REUSED",
                 "같은 Idempotency-Key로 다른 요청을 보낼 수 없습니다.");
    fake.refusal = (struct refusal){.code = REFUSAL_SERVICE_UNAVAILABLE};
    expect_header(ask("POST /api/orders", NULL, ORDER), "Retry-After: 1");
    fake.refusal = (struct refusal){.code = REFUSAL_OUTCOME_UNKNOWN};
    const char *answer = ask("POST /api/orders", NULL, ORDER);
    ck_assert_int_eq(answer_status(answer), 503);
    expect_no_header(answer, "Retry-After");
}
END_TEST

#define ORDER_77                                                                                             \
    "{\"id\":77,\"userId\":1001,\"userCouponId\":31,\"totalAmount\":101234.50,\"discountedAmount\":"         \
    "100234.50,\"discountAmount\":1000,\"status\":\"COMPLETED\",\"orderItems\":[{\"id\":501,\"productId\":"  \
    "1,"                                                                                                     \
    "\"productName\":\"키보드\",\"quantity\":2,\"unitPrice\":50000,\"totalPrice\":100000},{\"id\":502,"   \
    "\"productId\":2,\"productName\":\"Mouse \\\"M\\\"\",\"quantity\":1,\"unitPrice\":1234.50,"              \
    "\"totalPrice\":1234.50}],\"createdAt\":\"" TEST_NOW "\"}"
#define ORDER_76                                                                                             \
    "{\"id\":76,\"userId\":1001,\"userCouponId\":null,\"totalAmount\":1,\"discountedAmount\":1,"             \
    "\"discountAmount\":0,\"status\":\"COMPLETED\",\"orderItems\":[],\"createdAt\":\"" TEST_NOW "\"}"
#define ORDER_60                                                                                             \
    "{\"id\":60,\"userId\":1001,\"userCouponId\":null,\"totalAmount\":1,\"discountedAmount\":1,"             \
    "\"discountAmount\":0,\"status\":\"CANCELLED\",\"orderItems\":[{\"id\":502,\"productId\":2,"             \
    "\"productName\":\"Mouse \\\"M\\\"\",\"quantity\":1,\"unitPrice\":1234.50,\"totalPrice\":1234.50}],"     \
    "\"createdAt\":\"" TEST_NOW "\"}"

START_TEST(get_one)
{
    expect("GET /api/orders/77", NULL, 200, ORDER_77);
    expect("GET /api/orders/%376", NULL, 200, ORDER_76);
    expect_error("GET /api/orders/5", NULL, NULL, 404, "ORDER_NOT_FOUND", "존재하지 않는 주문입니다: 5");
    expect_error("GET /api/orders/-5", NULL, NULL, 404, "ORDER_NOT_FOUND", "존재하지 않는 주문입니다: -5");
    expect_error("GET /api/orders/x", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: orderId");
    expect_error("GET /api/orders/99999999999999999999", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: orderId");
    const char *answer = ask("HEAD /api/orders/77", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 200);
    ck_assert_str_eq(answer_body(answer), "");
}
END_TEST

START_TEST(list_pages)
{
    expect("GET /api/orders?userId=1001", NULL, 200,
           "{\"content\":[" ORDER_77 "," ORDER_76 "," ORDER_60 "],\"nextCursor\":null}");
    ck_assert_uint_eq(fake.limit, 21);
    ck_assert_int_eq(fake.cursor, 0);
    expect("GET /api/orders?userId=1001&limit=2", NULL, 200,
           "{\"content\":[" ORDER_77 "," ORDER_76 "],\"nextCursor\":\"76\"}");
    expect("GET /api/orders?limit=100&cursor=76&userId=1001", NULL, 200, NULL);
    ck_assert_int_eq(fake.user_id, 1001);
    ck_assert_int_eq(fake.cursor, 76);
    ck_assert_uint_eq(fake.limit, 101);
    fake.norders = 0;
    expect("GET /api/orders?userId=7", NULL, 200, "{\"content\":[],\"nextCursor\":null}");
}
END_TEST

START_TEST(list_checks_parameters)
{
    static const struct {
        const char *query, *code, *message;
    } cases[] = {
        {"", "MISSING_PARAMETER", "필수 파라미터가 없습니다: userId"},
        {"?userId=", "MISSING_PARAMETER", "필수 파라미터가 없습니다: userId"},
        {"?userId=x", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: userId"},
        {"?userId=1&userId=%zz", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: userId"},
        {"?userId=0", "INVALID_USER_ID", "유효하지 않은 사용자 ID입니다."},
        {"?userId=1&limit=0", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: limit"},
        {"?userId=1&limit=101", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: limit"},
        {"?userId=1&limit=ten", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: limit"},
        {"?userId=1&cursor=0", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: cursor"},
        {"?userId=1&cursor=abc", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: cursor"},
    };
    struct buf request = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&request);
        buf_printf(&request, "GET /api/orders%s", cases[i].query);
        expect_error(buf_str(&request), NULL, NULL, 400, cases[i].code, cases[i].message);
    }
    ck_assert_uint_eq(fake.calls, 0);
    buf_free(&request);
}
END_TEST

/* A service that is stopped completes nothing more; what was kept for it is freed. */
START_TEST(stop_leaves_unanswered)
{
    fake.hold = true;
    ask_only("POST /api/orders", NULL, ORDER);
    ask_only("GET /api/products/1", NULL, NULL);
    api_site_idle(20);
    ck_assert_uint_eq(fake.calls, 2);
}
END_TEST

Suite *orders_suite(void)
{
    Suite *s = suite_create("orders");
    TCase *t = tcase_create("orders");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_add_test(t, create_passes_everything_on);
    tcase_add_test(t, create_without_key);
    tcase_add_test(t, create_leaves_values_to_the_service);
    tcase_add_test(t, create_refuses_malformed_bodies);
    tcase_add_test(t, create_names_wrong_fields);
    tcase_add_test(t, create_checks_the_key);
    tcase_add_test(t, create_fingerprints);
    tcase_add_test(t, create_fingerprints_long_bodies);
    tcase_add_test(t, create_answers_refusals);
    tcase_add_test(t, get_one);
    tcase_add_test(t, list_pages);
    tcase_add_test(t, list_checks_parameters);
    tcase_add_test(t, stop_leaves_unanswered);
    suite_add_tcase(s, t);
    return s;
}
