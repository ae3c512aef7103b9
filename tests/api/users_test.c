/* Users and balances over HTTP. */
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

#define NOT_FOUND "사용자를 찾을 수 없습니다."

START_TEST(balance)
{
    expect("GET /api/users/balance?userId=1001", NULL, 200, "{\"userId\":1001,\"balance\":50000.50}");
    ck_assert(fake.fresh);
    expect("GET /api/users/balance?userId=1002", NULL, 200, "{\"userId\":1002,\"balance\":0}");
    expect_error("GET /api/users/balance?userId=7", NULL, NULL, 400, "BALANCE_USER_NOT_FOUND", NOT_FOUND);
    expect_error("GET /api/users/balance?userId=-7", NULL, NULL, 400, "BALANCE_USER_NOT_FOUND", NOT_FOUND);
    expect_error("GET /api/users/balance", NULL, NULL, 400, "MISSING_PARAMETER",
                 "필수 파라미터가 없습니다: userId");
    expect_error("GET /api/users/balance?userId=1.0", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: userId");
}
END_TEST

START_TEST(charge)
{
    fake.order.body = SLICE("{\"userId\":1001,\"chargeAmount\":1,\"balanceAfterCharge\":2}");
    expect_with("POST /api/users/balance/charge", "Idempotency-Key: k1\r\n",
                "{\"userId\":1001,\"amount\":1234.5}", 200,
                "{\"userId\":1001,\"chargeAmount\":1,\"balanceAfterCharge\":2}");
    ck_assert_int_eq(fake.user_id, 1001);
    ck_assert_int_eq(fake.amount, 123450);
    ck_assert_str_eq(fake.key, "k1");
    ck_assert_str_eq(fake.hash, "1001,123450");
    expect("POST /api/users/balance/charge", "{\"userId\":\"1001\",\"amount\":\"1E+4\"}", 200, NULL);
    ck_assert_int_eq(fake.amount, 1000000);
    ck_assert_str_eq(fake.key, "-");
    expect("POST /api/users/balance/charge", "{\"userId\":1001,\"amount\":-5}", 200, NULL);
    ck_assert_int_eq(fake.amount, -500); /* the service has the sentence */
}
END_TEST

START_TEST(charge_refuses)
{
    static const struct {
        const char *body, *code, *message;
    } cases[] = {
        {"{\"userId\":1}", "MISSING_PARAMETER", "필수 파라미터가 없습니다: amount"},
        {"{\"userId\":1,\"amount\":null}", "MISSING_PARAMETER", "필수 파라미터가 없습니다: amount"},
        {"{\"amount\":1}", "MISSING_PARAMETER", "필수 파라미터가 없습니다: userId"},
        {"{\"userId\":1,\"amount\":\"a\"}", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: amount"},
        {"{\"userId\":1,\"amount\":1.001}", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: amount"},
        {"{\"userId\":{},\"amount\":1}", "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: userId"},
        {"{\"userId\":1,\"amount\":1,\"amount\":2}", "MALFORMED_JSON", "잘못된 JSON 형식입니다."},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_error("POST /api/users/balance/charge", NULL, cases[i].body, 400, cases[i].code,
                     cases[i].message);
    expect_error("POST /api/users/balance/charge", "Idempotency-Key: a b\r\n", "{\"userId\":1,\"amount\":1}",
                 400, "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: Idempotency-Key");
    ck_assert_uint_eq(fake.calls, 0);
    fake.refusal.code = REFUSAL_CHARGE_AMOUNT_TOO_LARGE;
    expect_error("POST /api/users/balance/charge", NULL, "{\"userId\":1,\"amount\":1000001}", 400,
                 "CHARGE_AMOUNT_TOO_LARGE", "한 번에 충전할 수 있는 최대 금액은 1,000,000원입니다.");
}
END_TEST

#define TX_9                                                                                                 \
    "{\"id\":9,\"type\":\"PAYMENT\",\"amount\":-10000,\"balanceAfter\":40000,\"orderId\":77,"                \
    "\"createdAt\":\"" TEST_NOW "\"}"
#define TX_8                                                                                                 \
    "{\"id\":8,\"type\":\"CHARGE\",\"amount\":20000,\"balanceAfter\":50000,\"orderId\":null,"                \
    "\"createdAt\":\"" TEST_NOW "\"}"

START_TEST(history)
{
    expect("GET /api/users/balance/history?userId=1001&limit=2", NULL, 200,
           "{\"content\":[" TX_9 "," TX_8 "],\"nextCursor\":\"8\"}");
    ck_assert_uint_eq(fake.limit, 3);
    ck_assert_ptr_nonnull(
        strstr(ask("GET /api/users/balance/history?userId=1001&limit=3", NULL, NULL), "\"nextCursor\":null"));
    expect("GET /api/users/balance/history?userId=1001&cursor=9", NULL, 200, NULL);
    ck_assert_int_eq(fake.cursor, 9);
    fake.nhistory = 0;
    expect("GET /api/users/balance/history?userId=1002", NULL, 200, "{\"content\":[],\"nextCursor\":null}");
    expect("GET /api/users/balance/history?userId=7&cursor=9", NULL, 200,
           "{\"content\":[],\"nextCursor\":null}");
    expect_error("GET /api/users/balance/history?userId=7", NULL, NULL, 400, "BALANCE_USER_NOT_FOUND",
                 NOT_FOUND);
    expect_error("GET /api/users/balance/history?userId=0", NULL, NULL, 400, "BALANCE_USER_NOT_FOUND",
                 NOT_FOUND);
    expect_error("GET /api/users/balance/history?userId=7&limit=x", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: limit");
}
END_TEST

START_TEST(user)
{
    expect("GET /api/users/1001", NULL, 200,
           "{\"id\":1001,\"userId\":1001,\"username\":\"user1001\",\"status\":\"ACTIVE\",\"createdAt\":"
           "\"" TEST_NOW "\",\"updatedAt\":\"2025-11-23T18:24:05.24\"}");
    expect_error("GET /api/users/7", NULL, NULL, 404, "USER_UNKNOWN", NOT_FOUND);
    expect_error("GET /api/users/0", NULL, NULL, 404, "USER_UNKNOWN", NOT_FOUND);
    expect_error("GET /api/users/me", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: userId");
}
END_TEST

Suite *users_suite(void)
{
    Suite *s = suite_create("users");
    TCase *t = tcase_create("users");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_add_test(t, balance);
    tcase_add_test(t, charge);
    tcase_add_test(t, charge_refuses);
    tcase_add_test(t, history);
    tcase_add_test(t, user);
    suite_add_tcase(s, t);
    return s;
}
