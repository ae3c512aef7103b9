/* A node's clock steps by an hour, forward and back, while it serves. The database's clock counts: no date moves, nothing ends
 * before its time, nothing waits for the lost hour to come again. */
#include "suites.h"

#include <string.h>

#include "shop.h"

#define HOUR_S 3600

/* A request lives half an hour here: a step would end all of them. */
#define SETTINGS                                                                                             \
    "coupon.queue.ttl = 30m\n"                                                                               \
    "kafka.producer.delivery.timeout.ms = 2s\n"                                                              \
    "coupon.queue.lease = 3s\n"                                                                              \
    "coupon.queue.recheck = 4s\n"                                                                            \
    "kafka.consumer.session.timeout.ms = 6000\n"                                                             \
    "kafka.consumer.heartbeat.interval.ms = 500\n"

/* A coupon that is valid for the twenty minutes around now. */
static int64_t short_coupon(const struct node *n)
{
    int64_t coupon = coupon_new(NULL, 20, "10");
    sql("UPDATE coupons SET valid_from = now() - interval '10 minutes', valid_to = now() + interval '10 "
        "minutes'"
        " WHERE coupon_id = %lld",
        (long long)coupon);
    WAIT_UNTIL(5, get(n->port, "/api/coupons/%lld", (long long)coupon)->status == 200);
    return coupon;
}

/* Orders, with a coupon as well, and requests for one: each has its date, its answer and its effects at once. */
static void serve(const struct node *n)
{
    int64_t user = users_new(40, "100"), product = product_new("11", 1000), coupon = short_coupon(n);
    int64_t held = coupon_give(coupon, user);
    struct answer *a = expect(200, coupon_status(n, coupon, user));
    a = expect(200, ask(n->port, "POST", "/api/orders", "Idempotency-Key: clock\r\n",
                        text("{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":1}],"
                             "\"userCouponId\":%lld}",
                             (long long)user, (long long)product, (long long)held)));
    ck_assert_int_eq(int_at(a, "discountAmount"), 10);
    struct flood_item *orders = order_flood(n, user, 40, product, 1),
                      *asks = coupon_flood(n, coupon, user + 1, 19);
    flood(orders, 40, 20);
    ck_assert_uint_eq(flood_count(orders, 40, 200), 40);
    flood(asks, 19, 19);
    ck_assert_uint_eq(flood_count(asks, 19, 202), 19);
    for (int i = 0; i < 19; i++)
        ck_assert_str_eq(text_at(coupon_decided(n, coupon, user + 1 + i), "status"), "SUCCESS");
    WAIT_UNTIL(20, ranked_today(product) == 41);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM orders JOIN order_items ON order_id = orders.id WHERE product_id = %lld"
                " AND abs(extract(epoch FROM now() - orders.created_at)) > 300",
                (long long)product),
        0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld"
                             " AND abs(extract(epoch FROM now() - decided_at)) > 300",
                             (long long)coupon),
                     0);
    expect(200, get(n->management_port, "/actuator/health/readiness"));
}

/* What is kept for a day is kept for a day, and not longer. */
static void expiry_goes_on(void)
{
    static const char *const ages[] = {"23 hours 30 minutes", "24 hours 30 minutes"};
    for (size_t i = 0; i < E2E_LEN(ages); i++)
        sql("INSERT INTO idempotency_keys (route, user_id, key, body_hash, status, body, created_at)"
            " VALUES ('clock', 1, '%s', '', 200, '', now() - interval '%s') ON CONFLICT DO NOTHING",
            ages[i], ages[i]);
    WAIT_UNTIL(30, sql_int("SELECT count(*) FROM idempotency_keys WHERE key = '%s'", ages[1]) == 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM idempotency_keys WHERE key = '%s'", ages[0]), 1);
}

START_TEST(clock_steps_by_an_hour)
{
    static const int ahead[] = {-HOUR_S, HOUR_S, 0};
    struct node *n = node_start_with_clock("clock", SETTINGS, 0);
    node_wait_consuming(n);
    serve(n);
    for (size_t i = 0; i < E2E_LEN(ahead); i++) {
        node_step_clock(n, ahead[i]);
        if (i % 2)
            serve(n);
        expiry_goes_on(); /* some seconds, longer than a consumer may be silent */
        serve(n);
    }
    ck_assert(!node_logged(n, "Unknown member")); /* its groups never missed it */
    ck_assert(node_logged(n, "this machine's clock is not the database's, which counts\" ahead_ms=-3"));
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

Suite *clock_suite(void)
{
    Suite *s = suite_create("clock");
    tcase_add_test(e2e_tcase(s, "clock", 200), clock_steps_by_an_hour);
    return s;
}
