/* Products over HTTP: bodies, and the reads that requests share. */
#include "tests/api/api_suites.h"
#include "tests/api/site.h"

#define PRODUCT_1                                                                                            \
    "{\"id\":1,\"name\":\"키보드\",\"currentPrice\":50000,\"stock\":10,\"status\":\"ACTIVE\","            \
    "\"createdAt\":\"2025-11-23 18:24:05\",\"updatedAt\":\"2025-11-23 18:24:05\"}"
#define PRODUCT_2                                                                                            \
    "{\"id\":2,\"name\":\"Mouse \\\"M\\\"\",\"currentPrice\":1234.50,\"stock\":0,\"status\":\"SOLD_OUT\","   \
    "\"createdAt\":\"2025-11-23 18:24:05\",\"updatedAt\":\"2025-11-23 18:24:05\"}"
#define PRODUCT_3                                                                                            \
    "{\"id\":3,\"name\":\"Old\",\"currentPrice\":1,\"stock\":0,\"status\":\"INACTIVE\","                     \
    "\"createdAt\":\"2025-11-23 18:24:05\",\"updatedAt\":\"2025-11-23 18:24:05\"}"

START_TEST(get_one)
{
    expect("GET /api/products/1", NULL, 200, PRODUCT_1);
    expect("GET /api/products/2", NULL, 200, PRODUCT_2);
    expect("GET /api/products/3", NULL, 200, PRODUCT_3);
    expect_error("GET /api/products/9", NULL, NULL, 404, "PRODUCT_UNKNOWN", "존재하지 않는 상품입니다: 9");
    expect_error("GET /api/products/0", NULL, NULL, 404, "PRODUCT_UNKNOWN", "존재하지 않는 상품입니다: 0");
    expect_error("GET /api/products/a", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: productId");
}
END_TEST

START_TEST(kept_for_a_second)
{
    expect("GET /api/products/1", NULL, 200, PRODUCT_1);
    expect("GET /api/products/9", NULL, 404, NULL);
    ck_assert_uint_eq(fake.product_reads, 2);
    fake.products[0].stock = 0;
    expect("GET /api/products/1", NULL, 200, PRODUCT_1);
    expect("GET /api/products/9", NULL, 404, NULL);
    ck_assert_uint_eq(fake.product_reads, 2);
    api_site_skip(1000001);
    ck_assert_ptr_nonnull(strstr(ask("GET /api/products/1", NULL, NULL), "SOLD_OUT"));
    ck_assert_uint_eq(fake.product_reads, 3);
}
END_TEST

static bool reads_are(void *arg)
{
    return fake.product_reads >= *(size_t *)arg;
}

/* Requests that come while a statement runs share the next one. */
START_TEST(merged)
{
    size_t one = 1, two = 2;
    fake.hold = true;
    ask_only("GET /api/products/1", NULL, NULL);
    ck_assert(loop_run_until(api_site_loop, reads_are, &one, 5000));
    for (int i = 0; i < 10; i++) {
        ask_only("GET /api/products/2", NULL, NULL);
        ask_only("GET /api/products/3", NULL, NULL);
        ask_only("GET /api/products/9", NULL, NULL);
    }
    api_site_idle(50);
    ck_assert_uint_eq(fake.product_reads, 1);
    fake_release();
    ck_assert_str_eq(answer_body(answer_next()), PRODUCT_1);
    ck_assert(loop_run_until(api_site_loop, reads_are, &two, 5000));
    for (int i = 0; i < 10; i++) {
        ck_assert_str_eq(answer_body(answer_next()), PRODUCT_2);
        ck_assert_str_eq(answer_body(answer_next()), PRODUCT_3);
        ck_assert_int_eq(answer_status(answer_next()), 404);
    }
    ck_assert_uint_eq(fake.product_reads, 2);
    ck_assert_uint_eq(fake.products_asked, 4);
}
END_TEST

/* More products than are kept: room is made, answers stay right. */
START_TEST(many)
{
    struct buf request = BUF_INIT;
    for (int from = 100; from < 10400; from += 100) {
        for (int i = 0; i < 100; i++) {
            buf_clear(&request);
            buf_printf(&request, "GET /api/products/%d", from + i);
            ask_only(buf_str(&request), NULL, NULL);
        }
        for (int i = 0; i < 100; i++)
            ck_assert_int_eq(answer_status(answer_next()), 404);
    }
    expect("GET /api/products/1", NULL, 200, PRODUCT_1);
    buf_free(&request);
}
END_TEST

START_TEST(errors_are_not_kept)
{
    error_set(&fake.error, ERROR_RETRIABLE, "08006", "away");
    const char *answer = ask("GET /api/products/1", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 503);
    expect_header(answer, "Retry-After: 1");
    error_set(&fake.error, ERROR_PERMANENT, "42P01", "no table");
    expect_error("GET /api/products/1", NULL, NULL, 500, "INTERNAL_ERROR", "서버 내부 오류가 발생했습니다.");
    error_clear(&fake.error);
    expect("GET /api/products/1", NULL, 200, PRODUCT_1);
}
END_TEST

START_TEST(page)
{
    expect("GET /api/products", NULL, 200,
           "{\"content\":[" PRODUCT_1 "," PRODUCT_2 "," PRODUCT_3 "],\"nextCursor\":null}");
    expect("GET /api/products?limit=1", NULL, 200, "{\"content\":[" PRODUCT_1 "],\"nextCursor\":\"1\"}");
    expect("GET /api/products?limit=1&cursor=1", NULL, 200, NULL);
    ck_assert_int_eq(fake.cursor, 1);
    ck_assert_uint_eq(fake.limit, 2);
    expect_error("GET /api/products?cursor=-1", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: cursor");
}
END_TEST

START_TEST(popular)
{
    fake.popular[1].last_order_at_us = 0;
    expect("GET /api/products/popular", NULL, 200,
           "[{\"productId\":1,\"productName\":\"키보드\",\"currentPrice\":50000,\"stock\":10,"
           "\"totalSalesCount\":100,\"totalSalesAmount\":5000000,\"recentSalesCount\":30,"
           "\"recentSalesAmount\":1500000,\"conversionRate\":75,\"lastOrderDate\":\"" TEST_NOW
           "\",\"rank\":1},{\"productId\":2,\"productName\":\"Mouse \\\"M\\\"\",\"currentPrice\":1234.50,"
           "\"stock\":0,\"totalSalesCount\":1,\"totalSalesAmount\":1234.50,\"recentSalesCount\":0,"
           "\"recentSalesAmount\":0,\"conversionRate\":33.33,\"lastOrderDate\":null,\"rank\":2}]");
    fake.npopular = 0;
    expect("GET /api/products/popular", NULL, 200, "[]");
}
END_TEST

Suite *products_suite(void)
{
    Suite *s = suite_create("products");
    TCase *t = tcase_create("products");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, get_one);
    tcase_add_test(t, kept_for_a_second);
    tcase_add_test(t, merged);
    tcase_add_test(t, many);
    tcase_add_test(t, errors_are_not_kept);
    tcase_add_test(t, page);
    tcase_add_test(t, popular);
    suite_add_tcase(s, t);
    return s;
}
