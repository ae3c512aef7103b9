/* Every row of the contract's error table: status, code and sentence, in Korean, in English and as RFC 9457. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "shop.h"

/* Fixed ids, below those that tests count up from: users 501 to 504, products 511 to 513, coupons 521 to 525. */
enum {
    USER = 501,
    COUPON_HELD = 525,
};

static void cast(void)
{
    shop_open();
    shop_broken = true;
    sql("INSERT INTO users (user_id, username, status) VALUES (501, 'u', 'ACTIVE'), (502, 'u', 'INACTIVE'),"
        " (503, 'u', 'ACTIVE'), (504, 'u', 'ACTIVE');"
        "INSERT INTO balances (user_id, amount) VALUES (501, 100000), (502, 100), (503, 99.50);"
        "INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after) VALUES (501, 'DEPOSIT', "
        "100000, 100000),"
        " (502, 'DEPOSIT', 100, 100), (503, 'DEPOSIT', 99.50, 99.50);"
        "INSERT INTO products (id, name, current_price, stock, status) VALUES (511, '신발', 100, 1000, "
        "'ACTIVE'),"
        " (512, '단종', 100, 1000, 'INACTIVE'), (513, '한정판', 100, 3, 'ACTIVE');"
        "INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, status, valid_from, "
        "valid_to)"
        " VALUES (521, 'c', 1, 9, 'INACTIVE', now() - interval '1 day', now() + interval '1 day'),"
        " (522, 'c', 1, 9, 'ACTIVE', now() - interval '2 day', now() - interval '1 day'),"
        " (523, 'c', 1, 9, 'ACTIVE', now() + interval '1 day', now() + interval '2 day'),"
        " (524, 'c', 1, 0, 'ACTIVE', now() - interval '1 day', now() + interval '1 day'),"
        " (525, 'c', 1, 1, 'ACTIVE', now() - interval '1 day', now() + interval '1 day')");
    WAIT_UNTIL(5, coupon_ask(shop, COUPON_HELD, USER)->status == 202);
    coupon_decided(shop, COUPON_HELD, USER);
    shop_broken = false;
}

#define ORDER(user, product, quantity)                                                                       \
    "{\"userId\":" user ",\"orderItems\":[{\"productId\":" product ",\"quantity\":" quantity "}]}"
#define AMOUNT(user, amount) "{\"userId\":" user ",\"amount\":" amount "}"

static const struct row {
    const char *method, *target, *body;
    int status;
    const char *code, *korean, *english;
} rows[] = {
    /* orders */
    {"POST", "/api/orders", ORDER("0", "511", "1"), 400, "INVALID_USER_ID", "유효하지 않은 사용자 ID입니다.",
     "The user id is not valid."},
    {"POST", "/api/orders", ORDER("-5", "511", "1"), 400, "INVALID_USER_ID", "유효하지 않은 사용자 ID입니다.",
     NULL},
    {"POST", "/api/orders", "{}", 400, "INVALID_USER_ID", "유효하지 않은 사용자 ID입니다.", NULL},
    {"POST", "/api/orders", "{\"userId\":501,\"orderItems\":[]}", 400, "NO_ORDER_ITEMS",
     "주문 아이템이 없습니다.", "The order has no items."},
    {"POST", "/api/orders", "{\"userId\":501}", 400, "NO_ORDER_ITEMS", "주문 아이템이 없습니다.", NULL},
    {"POST", "/api/orders", ORDER("501", "511", "0"), 400, "INVALID_QUANTITY",
     "유효하지 않은 주문 수량입니다.", "The quantity is not valid."},
    {"POST", "/api/orders", ORDER("501", "511", "-1"), 400, "INVALID_QUANTITY",
     "유효하지 않은 주문 수량입니다.", NULL},
    {"POST", "/api/orders", ORDER("599", "511", "1"), 400, "USER_NOT_FOUND", "존재하지 않는 사용자입니다.",
     "The user does not exist."},
    {"POST", "/api/orders", ORDER("502", "511", "1"), 400, "USER_NOT_FOUND", "존재하지 않는 사용자입니다.",
     NULL},
    {"POST", "/api/orders", ORDER("501", "599", "1"), 400, "PRODUCT_NOT_FOUND",
     "존재하지 않는 상품입니다: 599", "The product does not exist: 599"},
    {"POST", "/api/orders", ORDER("501", "512", "1"), 400, "PRODUCT_INACTIVE", "판매 중지된 상품입니다: 단종",
     "The product is not for sale: 단종"},
    {"POST", "/api/orders", ORDER("501", "513", "4"), 400, "INSUFFICIENT_STOCK",
     "재고가 부족합니다: 한정판 (남은 재고: 3)", "Not enough stock: 한정판 (left: 3)"},
    {"POST", "/api/orders", ORDER("501", "511", "9223372036854775807"), 400, "INSUFFICIENT_STOCK",
     "재고가 부족합니다: 신발 (남은 재고: 1000)", NULL},
    {"POST", "/api/orders", ORDER("504", "511", "1"), 400, "BALANCE_NOT_FOUND",
     "잔액 정보를 찾을 수 없습니다.", "The user has no balance."},
    {"POST", "/api/orders", ORDER("503", "511", "1"), 400, "INSUFFICIENT_BALANCE",
     "잔액이 부족합니다. 현재 잔액: 99.50, 주문 금액: 100",
     "The balance is too low. Balance: 99.50, order: 100"},
    {"POST", "/api/orders",
     "{\"userId\":501,\"orderItems\":[{\"productId\":511,\"quantity\":1}],\"userCouponId\":99}", 400,
     "COUPON_NOT_USABLE", "사용할 수 없는 쿠폰입니다.", "The coupon cannot be used."},
    /* coupons, in the order of the checks */
    {"POST", "/api/coupons/0/issue?userId=0", NULL, 400, "INVALID_COUPON_USER_ID", "잘못된 사용자 ID입니다.",
     "The user id is not valid."},
    {"POST", "/api/coupons/0/issue?userId=501", NULL, 400, "INVALID_COUPON_ID", "잘못된 쿠폰 ID입니다.",
     "The coupon id is not valid."},
    {"POST", "/api/coupons/-3/issue?userId=501", NULL, 400, "INVALID_COUPON_ID", "잘못된 쿠폰 ID입니다.",
     NULL},
    {"POST", "/api/coupons/525/issue?userId=599", NULL, 400, "COUPON_USER_NOT_FOUND",
     "사용자를 찾을 수 없습니다.", "The user was not found."},
    {"POST", "/api/coupons/599/issue?userId=502", NULL, 400, "COUPON_USER_NOT_FOUND",
     "사용자를 찾을 수 없습니다.", NULL},
    {"POST", "/api/coupons/525/issue?userId=501", NULL, 400, "COUPON_ALREADY_ISSUED",
     "이미 발급받은 쿠폰입니다.", "The user already holds this coupon."},
    {"POST", "/api/coupons/599/issue?userId=501", NULL, 400, "COUPON_NOT_FOUND", "존재하지 않는 쿠폰입니다.",
     "The coupon does not exist."},
    {"POST", "/api/coupons/524/issue?userId=501", NULL, 400, "COUPON_SOLD_OUT", "쿠폰이 모두 소진되었습니다.",
     "The coupon is sold out."},
    {"POST", "/api/coupons/525/issue?userId=503", NULL, 400, "COUPON_SOLD_OUT", "쿠폰이 모두 소진되었습니다.",
     NULL},
    {"POST", "/api/coupons/521/issue?userId=501", NULL, 400, "COUPON_NOT_ISSUABLE",
     "발급할 수 없는 쿠폰입니다.", "The coupon cannot be issued now."},
    {"POST", "/api/coupons/522/issue?userId=501", NULL, 400, "COUPON_NOT_ISSUABLE",
     "발급할 수 없는 쿠폰입니다.", NULL},
    {"POST", "/api/coupons/523/issue?userId=501", NULL, 400, "COUPON_NOT_ISSUABLE",
     "발급할 수 없는 쿠폰입니다.", NULL},
    {"GET", "/api/coupons/521/issue/status?userId=501", NULL, 404, "COUPON_REQUEST_NOT_FOUND", NULL,
     "The user never asked for this coupon."},
    {"GET", "/api/coupons/599", NULL, 404, "COUPON_UNKNOWN", "존재하지 않는 쿠폰입니다.",
     "The coupon does not exist."},
    /* charges and balances */
    {"POST", "/api/users/balance/charge", AMOUNT("501", "0"), 400, "CHARGE_AMOUNT_NOT_POSITIVE",
     "충전 금액은 0보다 커야 합니다.", "The amount must be greater than 0."},
    {"POST", "/api/users/balance/charge", AMOUNT("501", "-0.01"), 400, "CHARGE_AMOUNT_NOT_POSITIVE",
     "충전 금액은 0보다 커야 합니다.", NULL},
    {"POST", "/api/users/balance/charge", AMOUNT("501", "1000000.01"), 400, "CHARGE_AMOUNT_TOO_LARGE",
     "한 번에 충전할 수 있는 최대 금액은 1,000,000원입니다.", "At most 1,000,000 can be charged at once."},
    {"POST", "/api/users/balance/charge", AMOUNT("599", "10"), 400, "CHARGE_USER_NOT_FOUND",
     "사용자를 찾을 수 없습니다.", "The user was not found."},
    {"GET", "/api/users/balance?userId=599", NULL, 400, "BALANCE_USER_NOT_FOUND",
     "사용자를 찾을 수 없습니다.", NULL},
    {"GET", "/api/users/balance/history?userId=599", NULL, 400, "BALANCE_USER_NOT_FOUND",
     "사용자를 찾을 수 없습니다.", NULL},
    {"GET", "/api/users/599", NULL, 404, "USER_UNKNOWN", "사용자를 찾을 수 없습니다.",
     "The user was not found."},
    {"GET", "/api/orders/99999999", NULL, 404, "ORDER_NOT_FOUND", NULL, NULL},
    {"GET", "/api/products/99999999", NULL, 404, "PRODUCT_UNKNOWN", NULL, NULL},
    /* requests */
    {"POST", "/api/orders", "{\"userId\":501", 400, "MALFORMED_JSON", "잘못된 JSON 형식입니다.",
     "The JSON is malformed."},
    {"POST", "/api/orders", "", 400, "MALFORMED_JSON", "잘못된 JSON 형식입니다.", NULL},
    {"POST", "/api/orders", "[1]", 400, NULL, NULL, NULL},
    {"POST", "/api/orders", "{\"userId\":501,\"userId\":502,\"orderItems\":[]}", 400, "MALFORMED_JSON",
     "잘못된 JSON 형식입니다.", NULL},
    {"POST", "/api/orders", ORDER("\"abc\"", "511", "1"), 400, "INVALID_PARAMETER",
     "잘못된 파라미터 형식입니다: userId", "The parameter is malformed: userId"},
    {"POST", "/api/orders", ORDER("501", "1.5", "1"), 400, "INVALID_PARAMETER", NULL, NULL},
    {"POST", "/api/orders", ORDER("501", "99999999999999999999", "1"), 400, "INVALID_PARAMETER", NULL, NULL},
    {"POST", "/api/users/balance/charge", "{\"userId\":501}", 400, "MISSING_PARAMETER",
     "필수 파라미터가 없습니다: amount", "A required parameter is missing: amount"},
    {"POST", "/api/users/balance/charge", AMOUNT("501", "0.001"), 400, "INVALID_PARAMETER",
     "잘못된 파라미터 형식입니다: amount", NULL},
    {"GET", "/api/users/balance", NULL, 400, "MISSING_PARAMETER", "필수 파라미터가 없습니다: userId", NULL},
    {"GET", "/api/users/balance?userId=x", NULL, 400, "INVALID_PARAMETER",
     "잘못된 파라미터 형식입니다: userId", NULL},
    {"POST", "/api/coupons/521/issue", NULL, 400, "MISSING_PARAMETER", "필수 파라미터가 없습니다: userId",
     NULL},
    {"POST", "/api/coupons/x/issue?userId=1", NULL, 400, "INVALID_PARAMETER",
     "잘못된 파라미터 형식입니다: couponId", NULL},
    {"GET", "/api/orders/x", NULL, 400, "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: orderId", NULL},
    {"GET", "/api/orders?userId=501&limit=0", NULL, 400, "INVALID_PARAMETER",
     "잘못된 파라미터 형식입니다: limit", NULL},
    {"GET", "/api/products?cursor=x", NULL, 400, "INVALID_PARAMETER", "잘못된 파라미터 형식입니다: cursor",
     NULL},
    {"GET", "/api/nothing", NULL, 404, "NOT_FOUND", "요청한 리소스를 찾을 수 없습니다.", "Not found."},
    {"GET", "/", NULL, 404, "NOT_FOUND", NULL, NULL},
    {"DELETE", "/api/orders/1", NULL, 405, "METHOD_NOT_ALLOWED", NULL, "The method is not allowed."},
};

static struct answer *ask_row(const struct row *r, const char *headers)
{
    return ask(shop->port, r->method, r->target, headers, r->body);
}

/* One row per run of the loop. */
START_TEST(error_table)
{
    const struct row *r = &rows[_i];
    struct answer *a = expect(r->status, ask_row(r, NULL));
    ck_assert_str_eq(header(a, "Content-Type"), "application/json");
    if (r->code)
        expect_error(r->status, r->code, r->korean, a);
    ck_assert_uint_eq(json_object_size(a->json), 3);
    ck_assert_int_ge((int)strlen(text_at(a, "timestamp")), 19);

    struct answer *en = expect(r->status, ask_row(r, "Accept-Language: en\r\n"));
    ck_assert_str_eq(text_at(en, "code"), text_at(a, "code"));
    ck_assert_str_ne(text_at(en, "message"), text_at(a, "message"));
    if (r->english)
        ck_assert_str_eq(text_at(en, "message"), r->english);

    struct answer *problem = expect(r->status, ask_row(r, "Accept: application/problem+json\r\n"));
    ck_assert_str_eq(header(problem, "Content-Type"), "application/problem+json");
    ck_assert_int_eq(int_at(problem, "status"), r->status);
    ck_assert_str_eq(text_at(problem, "detail"), text_at(a, "message"));
    ck_assert_str_eq(text_at(problem, "code"), text_at(a, "code"));
}
END_TEST

/* What concerns the request as such. */
START_TEST(wrong_requests_are_4xx)
{
    int port = shop->port;
    char *large = e2e_keep(calloc(1, 70000));
    memset(large, ' ', 69999);
    struct answer *a =
        expect_error(405, "METHOD_NOT_ALLOWED", NULL, ask(port, "PUT", "/api/orders", NULL, "{}"));
    const char *allow = header(a, "Allow");
    ck_assert_msg(allow && strstr(allow, "POST") && strstr(allow, "GET"), "Allow: %s",
                  allow ? allow : "none");
    expect_error(415, "UNSUPPORTED_MEDIA_TYPE", NULL,
                 ask(port, "POST", "/api/orders", "Content-Type: text/plain\r\n", "{}"));
    expect_error(406, "NOT_ACCEPTABLE", NULL,
                 ask(port, "GET", "/api/products", "Accept: text/html\r\n", NULL));
    expect(200, ask(port, "GET", "/api/products", "Accept: text/html, */*;q=0.1\r\n", NULL));
    expect_error(413, "PAYLOAD_TOO_LARGE", NULL, ask(port, "POST", "/api/orders", NULL, large));
    memset(large, 'a', 69999);
    large[0] = '/';
    large[20000] = '\0';
    expect_error(414, "URI_TOO_LONG", NULL, ask(port, "GET", large, NULL, NULL));
    expect_error(431, "HEADERS_TOO_LARGE", NULL,
                 ask(port, "GET", "/api/products", text("X: %s\r\n", large), NULL));
    expect_error(417, "EXPECTATION_FAILED", NULL,
                 ask(port, "POST", "/api/orders", "Expect: 200-maybe\r\n", "{}"));
    int status = ask(port, "BREW", "/api/orders", NULL, NULL)->status;
    ck_assert_msg(status == 405 || status == 501, "BREW: %d", status);
    /* Nothing of the inside shows, and the node lives. */
    a = expect(404, get(port, "/api/../etc/passwd"));
    ck_assert_ptr_eq(strstr(a->body, "src/"), NULL);
    expect(200, get(port, "/api/products"));
}
END_TEST

/* order.max-items bounds an order, and so says the refusal. */
START_TEST(too_many_items)
{
    char *items = text("%s", "");
    for (int i = 0; i < 101; i++)
        items = text("%s%s{\"productId\":511,\"quantity\":1}", items, i ? "," : "");
    expect_error(400, "TOO_MANY_ITEMS", "주문 아이템이 너무 많습니다. (최대 100개)",
                 post(shop->port, "/api/orders", "{\"userId\":501,\"orderItems\":[%s]}", items));
    items = strchr(items, ',') + 1;
    items = strchr(items, ',') + 1;
    expect(200, post(shop->port, "/api/orders", "{\"userId\":501,\"orderItems\":[%s]}", items));
}
END_TEST

/* Whole numbers may be texts, fields in any order, unknown ones are ignored. */
START_TEST(generous_input)
{
    struct answer *a =
        expect(200, post(shop->port, "/api/orders",
                         "{\"note\":{\"a\":[1,{}]},\"orderItems\":[{\"quantity\":\"2\",\"x\":null,"
                         "\"productId\":\"511\"}],\"userCouponId\":null,\"userId\":\"501\"}"));
    ck_assert_int_eq(int_at(a, "totalAmount"), 200);
    expect(200,
           ask(shop->port, "POST", "/api/users/balance/charge",
               "Content-Type: application/json;charset=UTF-8\r\n", "{\"userId\":501,\"amount\":\"10\"}"));
}
END_TEST

Suite *error_suite(void)
{
    Suite *s = suite_create("error");
    TCase *t = e2e_tcase(s, "error", 30);
    tcase_add_unchecked_fixture(t, cast, shop_close);
    tcase_add_loop_test(t, error_table, 0, (int)E2E_LEN(rows));
    tcase_add_test(t, wrong_requests_are_4xx);
    tcase_add_test(t, too_many_items);
    tcase_add_test(t, generous_input);
    return s;
}
