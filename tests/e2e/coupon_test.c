/* Coupons from the request to the decision. */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shop.h"

#define ACCEPTED "쿠폰 발급 요청이 접수되었습니다. 잠시 후 결과를 확인해주세요."

static const char *result_of(int64_t coupon, int64_t user)
{
    return redis("GET coupon:result:%lld:%lld", (long long)coupon, (long long)user);
}

START_TEST(result_is_stored)
{
    int64_t user = users_new(1, "0"), coupon = coupon_new(shop, 5, "1000");
    struct answer *a = expect(202, coupon_ask(shop, coupon, user));
    ck_assert_str_eq(text_at(a, "message"), ACCEPTED);
    ck_assert_int_eq(int_at(a, "queuePosition"), 1);
    ck_assert_int_eq(int_at(a, "queueSize"), 1);
    ck_assert_int_eq(int_at(a, "ticket"), 1);
    ck_assert_int_ge(int_at(a, "estimatedWaitSeconds"), 0);

    a = coupon_decided(shop, coupon, user);
    int64_t held = int_at(a, "userCouponId");
    ck_assert_str_eq(text_at(a, "status"), "SUCCESS");
    ck_assert_str_eq(text_at(a, "message"), text("쿠폰 발급 완료 - 쿠폰ID: %lld", (long long)held));
    ck_assert(json_is_null(json_at(a->json, "queuePosition")));

    /* Redis holds it for other readers, PostgreSQL for ever. */
    json_t *stored;
    WAIT_UNTIL(5, result_of(coupon, user) != NULL);
    stored = e2e_keep(json_loads(result_of(coupon, user), 0, NULL));
    ck_assert(json_is_true(json_at(stored, "success")));
    ck_assert_int_eq(json_integer_value(json_at(stored, "userCouponId")), held);
    ck_assert_int_gt(redis_int("PTTL coupon:result:%lld:%lld", (long long)coupon, (long long)user), 1700000);
    ck_assert_int_eq(redis_int("SISMEMBER coupon:issued:%lld %lld", (long long)coupon, (long long)user), 1);
    redis("DEL coupon:result:%lld:%lld", (long long)coupon, (long long)user);
    struct answer *b = expect(200, coupon_status(shop, coupon, user));
    ck_assert_str_eq(text_at(b, "message"), text_at(a, "message"));
    ck_assert_int_eq(int_at(b, "userCouponId"), held);
}
END_TEST

START_TEST(status_of_unknown_request)
{
    int64_t user = users_new(2, "0"), coupon = coupon_new(shop, 5, "1000");
    expect_error(404, "COUPON_REQUEST_NOT_FOUND", NULL, coupon_status(shop, coupon, user));
    expect_error(404, "COUPON_REQUEST_NOT_FOUND", NULL, coupon_status(shop, 99999999, user));
    expect_error(404, "COUPON_REQUEST_NOT_FOUND", NULL, coupon_status(shop, coupon, 99999999));
    /* A coupon that was given by other means is held all the same. */
    int64_t held = coupon_give(coupon, user + 1);
    struct answer *a = expect(200, coupon_status(shop, coupon, user + 1));
    ck_assert_str_eq(text_at(a, "status"), "SUCCESS");
    ck_assert_int_eq(int_at(a, "userCouponId"), held);
}
END_TEST

/* An old failure is not shown for a new request, and does not stand in its way. */
START_TEST(failed_request_can_retry)
{
    int64_t user = users_new(2, "0"), coupon = coupon_new(shop, 2, "1000");
    expect(202, coupon_ask(shop, coupon, user));
    coupon_decided(shop, coupon, user);
    /* The last piece goes while the request is on its way: the node still believes that one is left. */
    sql("BEGIN; SELECT 1 FROM coupons WHERE coupon_id = %lld FOR UPDATE", (long long)coupon);
    expect(202, coupon_ask(shop, coupon, user + 1));
    sql("UPDATE coupons SET max_issuance_count = 1 WHERE coupon_id = %lld; COMMIT", (long long)coupon);
    struct answer *a = coupon_decided(shop, coupon, user + 1);
    ck_assert_str_eq(text_at(a, "status"), "FAILED");
    ck_assert_str_eq(text_at(a, "message"), "쿠폰이 모두 소진되었습니다.");
    sql("UPDATE coupons SET max_issuance_count = 2 WHERE coupon_id = %lld", (long long)coupon);
    WAIT_UNTIL(5, coupon_ask(shop, coupon, user + 1)->status == 202);
    a = expect(200, coupon_status(shop, coupon, user + 1));
    ck_assert_str_ne(text_at(a, "status"), "FAILED");
    a = coupon_decided(shop, coupon, user + 1);
    ck_assert_str_eq(text_at(a, "status"), "SUCCESS");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND user_id = %lld",
                             (long long)coupon, (long long)user + 1),
                     2);
}
END_TEST

START_TEST(coupon_info_is_fresh)
{
    int64_t user = users_new(3, "0"), coupon = coupon_new(shop, 100, "1000");
    expect(202, coupon_ask(shop, coupon, user));
    sql("UPDATE coupons SET status = 'INACTIVE' WHERE coupon_id = %lld", (long long)coupon);
    WAIT_UNTIL(1.5,
               strcmp(text_at(expect(200, get(shop->port, "/api/coupons/%lld", (long long)coupon)), "status"),
                      "INACTIVE") == 0);
    expect_error(400, "COUPON_NOT_ISSUABLE", "발급할 수 없는 쿠폰입니다.",
                 coupon_ask(shop, coupon, user + 1));
    sql("UPDATE coupons SET status = 'ACTIVE', valid_from = now() + interval '1 hour' WHERE coupon_id = %lld",
        (long long)coupon);
    WAIT_UNTIL(1.5,
               strcmp(text_at(expect(200, get(shop->port, "/api/coupons/%lld", (long long)coupon)), "status"),
                      "ACTIVE") == 0);
    expect_error(400, "COUPON_NOT_ISSUABLE", NULL, coupon_ask(shop, coupon, user + 1));
    sql("UPDATE coupons SET valid_from = now() - interval '1 hour' WHERE coupon_id = %lld",
        (long long)coupon);
    WAIT_UNTIL(1.5, coupon_ask(shop, coupon, user + 1)->status == 202);
    sql("UPDATE coupons SET max_issuance_count = greatest(issued_count, 2) WHERE coupon_id = %lld",
        (long long)coupon);
    coupon_decided(shop, coupon, user + 1);
    WAIT_UNTIL(1.5, coupon_ask(shop, coupon, user + 2)->status == 400);
    expect_error(400, "COUPON_SOLD_OUT", "쿠폰이 모두 소진되었습니다.", coupon_ask(shop, coupon, user + 2));
}
END_TEST

/* The source system's own test: users in the queue, some put there by another program, get one coupon each. */
START_TEST(queued_users_get_one_coupon_each)
{
    int64_t user = users_new(5, "0"), coupon = coupon_new(shop, 10, "1000");
    expect(202, coupon_ask(shop, coupon, user));
    redis("ZADD coupon:queue:%lld %lld %lld", (long long)coupon, 1700000000LL, (long long)user + 1);
    redis("ZADD coupon:queue:%lld %lld \"%lld\"", (long long)coupon, 1700000000LL, (long long)user + 2);
    redis("ZADD coupon:queue:%lld %lld %s", (long long)coupon, 1700000001LL, "nobody");
    redis("SADD coupon:lines %lld", (long long)coupon);
    WAIT_UNTIL(20,
               sql_int("SELECT count(*) FROM user_coupons WHERE coupon_id = %lld", (long long)coupon) == 3);
    WAIT_UNTIL(20, redis_int("ZCARD coupon:queue:%lld", (long long)coupon) == 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sql_int("SELECT count(*) FROM user_coupons WHERE coupon_id = %lld AND user_id = "
                                 "%lld AND status = 'ISSUED'",
                                 (long long)coupon, (long long)user + i),
                         1);
    ck_assert_str_eq(text_at(coupon_decided(shop, coupon, user + 1), "status"), "SUCCESS");
    lines_end(10);
}
END_TEST

/* Several hundred at once: decided strictly in the order of the tickets, and tickets have no gap. */
START_TEST(arrival_order_is_total)
{
    int64_t user = users_new(400, "0"), coupon = coupon_new(shop, 1000, "1000");
    struct flood_item *items = coupon_flood(shop, coupon, user, 400);
    flood(items, 400, 200);
    ck_assert_uint_eq(flood_count(items, 400, 202), 400);
    WAIT_UNTIL(20,
               sql_int("SELECT count(*) FROM user_coupons WHERE coupon_id = %lld", (long long)coupon) == 400);
    ck_assert_str_eq(sql("SELECT count(DISTINCT ticket) || ' ' || min(ticket) || ' ' || max(ticket)"
                         " FROM coupon_requests WHERE coupon_id = %lld",
                         (long long)coupon),
                     "400 1 400");
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM (SELECT ticket, row_number() OVER (ORDER BY decision) AS place,"
                " row_number() OVER (ORDER BY requested_at) AS asked FROM coupon_requests"
                " WHERE coupon_id = %lld) x WHERE ticket <> place OR ticket <> asked",
                (long long)coupon),
        0);
    for (int i = 0; i < 400; i += 40)
        ck_assert_int_eq(
            sql_int("SELECT ticket FROM coupon_requests WHERE coupon_id = %lld AND user_id = %lld",
                    (long long)coupon, (long long)user + i),
            int_at(items[i].answer, "ticket"));
}
END_TEST

START_TEST(coupon_rush)
{
    int64_t user = users_new(500, "0"), coupon = coupon_new(shop, 100, "1000");
    struct flood_item *items = coupon_flood(shop, coupon, user, 500);
    flood(items, 500, 250);
    size_t accepted = flood_count(items, 500, 202);
    ck_assert_uint_ge(accepted, 100);
    for (int i = 0; i < 500; i++)
        if (items[i].answer->status != 202)
            expect_error(400, "COUPON_SOLD_OUT", "쿠폰이 모두 소진되었습니다.", items[i].answer);
    WAIT_UNTIL(20,
               sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND outcome IS NOT NULL",
                       (long long)coupon) == (int64_t)accepted);
    ck_assert_int_eq(sql_int("SELECT issued_count FROM coupons WHERE coupon_id = %lld", (long long)coupon),
                     100);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND"
                             " (outcome = 'SUCCESS') <> (ticket <= 100)",
                             (long long)coupon),
                     0);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND outcome = 'FAILED' AND"
                " reason <> 'COUPON_SOLD_OUT'",
                (long long)coupon),
        0);
    for (int i = 0; i < 500; i += 25) {
        if (items[i].answer->status != 202)
            continue;
        struct answer *a = coupon_decided(shop, coupon, user + i);
        ck_assert_str_eq(text_at(a, "status"),
                         int_at(items[i].answer, "ticket") <= 100 ? "SUCCESS" : "FAILED");
    }
}
END_TEST

#define PACE_ROUNDS 30
#define PACE_USERS  100 /* of a round; each asks for both coupons */
#define PACE_MS     200 /* between the starts of rounds, at least */

static int64_t rows_of(const char *what, const int64_t coupons[2])
{
    return sql_int("SELECT count(*) FROM %s AND coupon_id IN (%lld, %lld)", what, (long long)coupons[0],
                   (long long)coupons[1]);
}

/* Thousands come in one after the other for seconds, on two coupons: decisions follow while they do, not after. The old way, ten
 * of a coupon in a second, would be at a twentieth of them by then, and need minutes for the rest. */
START_TEST(issue_keeps_pace)
{
    int64_t user = users_new(PACE_ROUNDS * PACE_USERS, NULL), accepted = 0;
    const int64_t coupons[2] = {coupon_new(shop, PACE_ROUNDS * PACE_USERS, "1000"),
                                coupon_new(shop, PACE_ROUNDS * PACE_USERS, "1000")};
    int64_t begun = now_ms();
    for (int round = 0; round < PACE_ROUNDS; round++) {
        struct flood_item items[2 * PACE_USERS];
        for (int k = 0; k < 2; k++)
            memcpy(items + k * PACE_USERS,
                   coupon_flood(shop, coupons[k], user + round * PACE_USERS, PACE_USERS),
                   PACE_USERS * sizeof *items);
        flood(items, E2E_LEN(items), 50);
        accepted += (int64_t)flood_count(items, E2E_LEN(items), 202);
        int64_t early = begun + (round + 1) * PACE_MS - now_ms();
        if (early > 0)
            pause_ms((int)early);
    }
    int64_t decided = rows_of("coupon_requests WHERE outcome IS NOT NULL", coupons), took = now_ms() - begun;
    ck_assert_int_eq(accepted, PACE_ROUNDS * PACE_USERS * 2);
    ck_assert_msg(decided >= accepted / 2, "%lld of %lld were decided while they came in, in %lld ms",
                  (long long)decided, (long long)accepted, (long long)took);
    WAIT_UNTIL(20, rows_of("coupon_requests WHERE outcome IS NOT NULL", coupons) == accepted);
    ck_assert_int_eq(rows_of("user_coupons WHERE status = 'ISSUED'", coupons), accepted);
}
END_TEST

/* A user who waits, and one who has it already, are refused without a change. */
START_TEST(one_request_at_a_time)
{
    int64_t user = users_new(1, "0"), coupon = coupon_new(shop, 5, "1000");
    struct flood_item *items = coupon_flood(shop, coupon, user, 20);
    for (int i = 1; i < 20; i++)
        items[i].target = items[0].target;
    flood(items, 20, 20);
    ck_assert_uint_eq(flood_count(items, 20, 202), 1);
    for (int i = 0; i < 20; i++)
        if (items[i].answer->status == 400 &&
            strcmp(text_at(items[i].answer, "code"), "COUPON_ALREADY_ISSUED") != 0)
            expect_error(400, "COUPON_REQUEST_PENDING", "이미 쿠폰 발급 요청이 처리 중입니다.",
                         items[i].answer);
    coupon_decided(shop, coupon, user);
    expect_error(400, "COUPON_ALREADY_ISSUED", "이미 발급받은 쿠폰입니다.", coupon_ask(shop, coupon, user));
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld", (long long)coupon), 1);
}
END_TEST

START_TEST(books)
{
    books_agree();
}
END_TEST

Suite *coupon_suite(void)
{
    Suite *s = suite_create("coupon");
    TCase *t = shop_tcase(s, "coupon", 60);
    tcase_add_test(t, result_is_stored);
    tcase_add_test(t, status_of_unknown_request);
    tcase_add_test(t, failed_request_can_retry);
    tcase_add_test(t, coupon_info_is_fresh);
    tcase_add_test(t, queued_users_get_one_coupon_each);
    tcase_add_test(t, arrival_order_is_total);
    tcase_add_test(t, coupon_rush);
    tcase_add_test(t, issue_keeps_pace);
    tcase_add_test(t, one_request_at_a_time);
    tcase_add_test(t, books);
    return s;
}
