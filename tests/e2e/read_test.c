/* Everything that can be read: pages, documents, health, metrics; HEAD and OPTIONS. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "shop.h"

/* Follow nextCursor through pages of that size and return the ids in order, kept; n says how many. */
static int64_t *walk(const char *target, const char *id, int limit, size_t *n)
{
    static int64_t ids[1000];
    const char *cursor = "";
    *n = 0;
    do {
        struct answer *a = expect(200, get(shop->port, "%slimit=%d%s", target, limit, cursor));
        const json_t *content = json_at(a->json, "content");
        ck_assert_uint_le(json_array_size(content), (size_t)limit);
        for (size_t i = 0; i < json_array_size(content) && *n < E2E_LEN(ids); i++)
            ids[(*n)++] = int_at(a, text("content[%zu].%s", i, id));
        const char *next = text_at(a, "nextCursor");
        cursor = next ? text("&cursor=%s", next) : NULL;
        ck_assert_msg(!next || json_array_size(content) == (size_t)limit,
                      "a short page that is not the last");
    } while (cursor);
    return ids;
}

START_TEST(orders_come_in_pages)
{
    int64_t user = users_new(1, "1000"), product = product_new("1", 100), taken[7];
    size_t n;
    for (int i = 0; i < 7; i++)
        taken[i] = int_at(expect(200, order(shop, user, product, 1)), "id");
    const char *target = text("/api/orders?userId=%lld&", (long long)user);
    int64_t *ids = walk(target, "id", 3, &n);
    ck_assert_uint_eq(n, 7);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(ids[i], taken[6 - i]);
    walk(target, "id", 7, &n);
    ck_assert_uint_eq(n, 7);
    struct answer *a = expect(200, get(shop->port, "%slimit=1", target));
    struct answer *one = expect(200, get(shop->port, "/api/orders/%lld", (long long)taken[6]));
    ck_assert_str_eq(a->body,
                     text("{\"content\":[%s],\"nextCursor\":\"%lld\"}", one->body, (long long)taken[6]));
    a = expect(200, get(shop->port, "/api/orders?userId=%lld", (long long)user + 1));
    ck_assert_str_eq(a->body, "{\"content\":[],\"nextCursor\":null}");
}
END_TEST

START_TEST(history_comes_in_pages)
{
    int64_t user = users_new(1, "10");
    size_t n;
    for (int i = 0; i < 4; i++)
        expect(200, charge(shop, user, "5"));
    int64_t *ids = walk(text("/api/users/balance/history?userId=%lld&", (long long)user), "id", 2, &n);
    ck_assert_uint_eq(n, 5);
    for (int i = 1; i < 5; i++)
        ck_assert_int_lt(ids[i], ids[i - 1]);
    struct answer *a =
        expect(200, get(shop->port, "/api/users/balance/history?userId=%lld", (long long)user));
    ck_assert_str_eq(text_at(a, "content[0].type"), "CHARGE");
    ck_assert_int_eq(int_at(a, "content[0].balanceAfter"), 30);
    ck_assert_str_eq(text_at(a, "content[4].type"), "DEPOSIT");
    ck_assert(json_is_null(json_at(a->json, "content[4].orderId")));
}
END_TEST

START_TEST(products_come_in_pages)
{
    int64_t product = product_new("1234.50", 7);
    size_t n;
    int64_t *ids = walk("/api/products?", "id", 2, &n);
    ck_assert_int_eq((int64_t)n, sql_int("SELECT count(*) FROM products"));
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(ids[i - 1], ids[i]);
    struct answer *a = expect(200, get(shop->port, "/api/products/%lld", (long long)product));
    ck_assert_uint_eq(json_object_size(a->json), 7);
    ck_assert_int_eq(int_at(a, "id"), product);
    ck_assert_str_eq(text_at(a, "name"), text("상품 %lld", (long long)product));
    ck_assert_ptr_ne(strstr(a->body, "\"currentPrice\":1234.50,"), NULL);
    ck_assert_int_eq(int_at(a, "stock"), 7);
    ck_assert_str_eq(text_at(a, "status"), "ACTIVE");
    const char *at = text_at(a, "createdAt");
    ck_assert_msg(strlen(at) == 19 && at[10] == ' ', "%s", at);
    ck_assert_str_eq(at, sql("SELECT to_char(created_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD HH24:MI:SS')"
                             " FROM products WHERE id = %lld",
                             (long long)product));
}
END_TEST

START_TEST(users_and_balances)
{
    int64_t user = users_new(1, "1234.50");
    struct answer *a = expect(200, get(shop->port, "/api/users/%lld", (long long)user));
    ck_assert_uint_eq(json_object_size(a->json), 6);
    ck_assert_int_eq(int_at(a, "id"), user);
    ck_assert_int_eq(int_at(a, "userId"), user);
    ck_assert_str_eq(text_at(a, "username"), text("user%lld", (long long)user));
    ck_assert_str_eq(text_at(a, "status"), "ACTIVE");
    ck_assert_int_ge((int)strlen(text_at(a, "createdAt")), 19);
    ck_assert_int_ge((int)strlen(text_at(a, "updatedAt")), 19);
    ck_assert_str_eq(expect(200, get(shop->port, "/api/users/balance?userId=%lld", (long long)user))->body,
                     text("{\"userId\":%lld,\"balance\":1234.50}", (long long)user));
}
END_TEST

START_TEST(coupons_are_listed)
{
    int64_t user = users_new(1, "0"), coupon = coupon_new(shop, 3, "1500");
    coupon_give(coupon, user);
    struct answer *a;
    WAIT_UNTIL(2, int_at(a = get(shop->port, "/api/coupons/%lld", (long long)coupon), "issuedCount") == 1);
    ck_assert_int_eq(int_at(a, "maxIssuanceCount"), 3);
    ck_assert_int_eq(int_at(a, "remaining"), 2);
    ck_assert_int_eq(int_at(a, "discountAmount"), 1500);
    ck_assert_str_eq(text_at(a, "status"), "ACTIVE");
    ck_assert_int_ge((int)strlen(text_at(a, "validFrom")), 19);
    ck_assert_int_ge((int)strlen(text_at(a, "validTo")), 19);
    struct answer *all = expect(200, get(shop->port, "/api/coupons"));
    ck_assert_int_eq((int64_t)json_array_size(all->json), sql_int("SELECT count(*) FROM coupons"));
    ck_assert_ptr_ne(strstr(all->body, a->body), NULL);
    struct answer *mine = expect(200, get(shop->port, "/api/coupons/users/%lld", (long long)user));
    ck_assert_uint_eq(json_array_size(mine->json), 1);
    ck_assert_int_eq(int_at(mine, "[0].couponId"), coupon);
    ck_assert_str_eq(text_at(mine, "[0].couponName"), text("쿠폰 %lld", (long long)coupon));
    ck_assert_int_eq(int_at(mine, "[0].discountAmount"), 1500);
    ck_assert_str_eq(text_at(mine, "[0].status"), "ISSUED");
    ck_assert(json_is_null(json_at(mine->json, "[0].usedAt")));
    ck_assert_str_eq(expect(200, get(shop->port, "/api/coupons/users/99999999"))->body, "[]");
}
END_TEST

/* Best sellers with exact amounts; the ranking is a moment behind the orders. */
START_TEST(popular_products)
{
    int64_t user = users_new(1, "100000000"), first = product_new("1000.50", 5000),
            second = product_new("500", 5000);
    for (int i = 0; i < 2; i++)
        expect(200, order(shop, user, first, 1500));
    expect(200, order(shop, user, second, 2000));
    WAIT_UNTIL(30, ranked_today(first) == 3000 && ranked_today(second) == 2000);
    struct answer *a;
    WAIT_UNTIL(5, (a = expect(200, get(shop->port, "/api/products/popular"))) &&
                      json_array_size(a->json) >= 2 && int_at(a, "[0].productId") == first &&
                      int_at(a, "[1].productId") == second);
    ck_assert_uint_le(json_array_size(a->json), 5);
    ck_assert_int_eq(int_at(a, "[0].rank"), 1);
    ck_assert_int_eq(int_at(a, "[1].rank"), 2);
    ck_assert_str_eq(text_at(a, "[0].productName"), text("상품 %lld", (long long)first));
    ck_assert_int_eq(int_at(a, "[0].stock"), 2000);
    ck_assert_int_eq(int_at(a, "[0].totalSalesCount"), 3000);
    ck_assert_int_eq(int_at(a, "[0].totalSalesAmount"), 3001500);
    ck_assert_int_eq(int_at(a, "[0].recentSalesCount"), 3000);
    ck_assert_int_eq(int_at(a, "[0].recentSalesAmount"), 3001500);
    ck_assert_int_eq(int_at(a, "[0].conversionRate"), 60);
    ck_assert_int_ge((int)strlen(text_at(a, "[0].lastOrderDate")), 19);
}
END_TEST

START_TEST(head_and_options)
{
    struct answer *get_it = expect(200, get(shop->port, "/api/products"));
    struct answer *head = expect(200, ask(shop->port, "HEAD", "/api/products", NULL, NULL));
    ck_assert_str_eq(header(head, "Content-Length"), text("%zu", get_it->body_len));
    ck_assert_uint_eq(head->body_len, 0);
    expect(404, ask(shop->port, "HEAD", "/api/products/99999999", NULL, NULL));
    struct answer *options = ask(shop->port, "OPTIONS", "/api/orders", NULL, NULL);
    ck_assert_msg(options->status == 200 || options->status == 204, "OPTIONS: %d", options->status);
    const char *allow = header(options, "Allow");
    ck_assert(allow && strstr(allow, "GET") && strstr(allow, "HEAD") && strstr(allow, "POST") &&
              strstr(allow, "OPTIONS"));
    ck_assert_ptr_eq(strstr(allow, "DELETE"), NULL);
}
END_TEST

START_TEST(request_ids)
{
    struct answer *a =
        expect(200, ask(shop->port, "GET", "/api/products", "X-Request-Id: my-id-1\r\n", NULL));
    ck_assert_str_eq(header(a, "X-Request-Id"), "my-id-1");
    a = expect(200, get(shop->port, "/api/products"));
    ck_assert_ptr_ne(header(a, "X-Request-Id"), NULL);
}
END_TEST

START_TEST(health_is_told)
{
    struct answer *a = expect(200, get(shop->port, "/actuator/health"));
    ck_assert_ptr_ne(strstr(header(a, "Content-Type"), "json"), NULL);
    ck_assert_str_eq(text_at(a, "status"), "UP");
    ck_assert_str_eq(text_at(a, "components.db.status"), "UP");
    ck_assert_str_eq(text_at(a, "components.redis.status"), "UP");
    ck_assert_str_eq(text_at(a, "components.diskSpace.status"), "UP");
    if (e2e_mode() != E2E_LOCAL)
        ck_assert_str_eq(text_at(a, "components.kafka.status"), "UP");
    ck_assert_str_eq(text_at(expect(200, get(shop->port, "/actuator/health/liveness")), "status"), "UP");
    ck_assert_str_eq(text_at(expect(200, get(shop->port, "/actuator/health/readiness")), "status"), "UP");
    expect(404, get(shop->port, "/actuator/health/nothing"));
    expect(404, get(shop->port, "/actuator/loggers")); /* must be named to be exposed */
    expect(200, get(shop->port, "/actuator/info"));
    ck_assert_ptr_ne(json_at(expect(200, get(shop->port, "/actuator"))->json, "_links.health.href"), NULL);
}
END_TEST

START_TEST(metrics_are_told)
{
    int64_t user = users_new(1, "100"), product = product_new("1", 10);
    expect(200, order(shop, user, product, 1));
    expect(404, get(shop->port, "/api/unknown/%lld", (long long)user));
    struct answer *names = expect(200, get(shop->port, "/actuator/metrics"));
    ck_assert_ptr_ne(strstr(names->body, "\"http.server.requests\""), NULL);
    expect(200, get(shop->port, "/actuator/metrics/http.server.requests?tag=uri:/api/orders"));
    expect(404, get(shop->port, "/actuator/metrics/no.such.metric"));
    struct answer *a = expect(200, get(shop->port, "/actuator/prometheus"));
    ck_assert_ptr_ne(strstr(header(a, "Content-Type"), "text/plain"), NULL);
    ck_assert_ptr_ne(strstr(a->body, "http_server_requests_seconds_count{"), NULL);
    ck_assert_ptr_ne(strstr(a->body, "uri=\"/api/orders\""), NULL);
    ck_assert_ptr_ne(strstr(a->body, "uri=\"/api/orders/{orderId}\""), NULL);
    ck_assert_ptr_eq(strstr(a->body, "/api/unknown"), NULL);
    ck_assert_ptr_ne(strstr(a->body, "# TYPE "), NULL);
}
END_TEST

/* Each route is in the document, and each path of the document is served. */
START_TEST(openapi_is_served)
{
    struct answer *a = expect(200, get(shop->port, "/v3/api-docs"));
    ck_assert_int_eq(strncmp(text_at(a, "openapi"), "3.1", 3), 0);
    const json_t *paths = json_at(a->json, "paths"), *operations;
    const char *path, *paths_wanted[] = {"/api/orders",         "/api/orders/{orderId}",
                                         "/api/coupons",        "/api/coupons/{couponId}/issue",
                                         "/api/users/balance",  "/api/users/balance/charge",
                                         "/api/products",       "/api/products/popular",
                                         "/api/users/{userId}", "/api/coupons/{couponId}/issue/status"};
    for (size_t i = 0; i < E2E_LEN(paths_wanted); i++)
        ck_assert_msg(json_object_get(paths, paths_wanted[i]) != NULL, "no %s", paths_wanted[i]);
    json_object_foreach((json_t *)paths, path, operations)
    {
        if (strchr(path, '{') || !json_object_get(operations, "get"))
            continue;
        int status = get(shop->port, "%s", path)->status;
        ck_assert_msg(status == 200 || status == 400, "GET %s: %d", path, status);
    }
}
END_TEST

Suite *read_suite(void)
{
    Suite *s = suite_create("read");
    TCase *t = shop_tcase(s, "read", 60);
    tcase_add_test(t, orders_come_in_pages);
    tcase_add_test(t, history_comes_in_pages);
    tcase_add_test(t, products_come_in_pages);
    tcase_add_test(t, users_and_balances);
    tcase_add_test(t, coupons_are_listed);
    tcase_add_test(t, popular_products);
    tcase_add_test(t, head_and_options);
    tcase_add_test(t, request_ids);
    tcase_add_test(t, health_is_told);
    tcase_add_test(t, metrics_are_told);
    tcase_add_test(t, openapi_is_served);
    return s;
}
