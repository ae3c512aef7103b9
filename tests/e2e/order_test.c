/* Orders and charges as a client sees them, one at a time and many at once. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "shop.h"

/* Every field of the answer, the same order read again, and all its rows. */
START_TEST(order_is_taken)
{
    int64_t user = users_new(1, "100000"), product = product_new("12345.50", 10);
    struct answer *a = expect(200, order(shop, user, product, 2));
    int64_t id = int_at(a, "id");
    ck_assert_int_gt(id, 0);
    ck_assert_int_eq(int_at(a, "userId"), user);
    ck_assert(json_is_null(json_at(a->json, "userCouponId")));
    ck_assert_int_eq(int_at(a, "totalAmount"), 24691);
    ck_assert_int_eq(int_at(a, "discountedAmount"), 24691);
    ck_assert_int_eq(int_at(a, "discountAmount"), 0);
    ck_assert_str_eq(text_at(a, "status"), "COMPLETED");
    ck_assert_int_eq((int)json_array_size(json_at(a->json, "orderItems")), 1);
    ck_assert_int_eq(int_at(a, "orderItems[0].productId"), product);
    ck_assert_str_eq(text_at(a, "orderItems[0].productName"), text("상품 %lld", (long long)product));
    ck_assert_int_eq(int_at(a, "orderItems[0].quantity"), 2);
    ck_assert_ptr_ne(strstr(a->body, "\"unitPrice\":12345.50,"), NULL);
    ck_assert_ptr_ne(strstr(a->body, "\"totalPrice\":24691}"), NULL);
    ck_assert_str_eq(header(a, "Content-Type"), "application/json");
    const char *at = text_at(a, "createdAt");
    ck_assert_msg(strlen(at) >= 19 && at[10] == 'T' && !strpbrk(at + 19, "Z+"), "%s", at);
    /* Another zone would be hours away. */
    ck_assert_int_lt(
        labs((long)sql_int("SELECT extract(epoch FROM now() - ('%s' || '+09')::timestamptz)::int", at)), 600);

    struct answer *again = expect(200, get(shop->port, "/api/orders/%lld", (long long)id));
    ck_assert_str_eq(again->body, a->body);
    ck_assert_int_eq(stock_of(product), 8);
    ck_assert_str_eq(balance_of(user), "75309.00");
}
END_TEST

START_TEST(item_ids_present)
{
    int64_t user = users_new(1, "100000"), one = product_new("100", 10), two = product_new("200", 10);
    struct answer *a =
        expect(200, post(shop->port, "/api/orders",
                         "{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":1},"
                         "{\"productId\":%lld,\"quantity\":2},{\"productId\":%lld,\"quantity\":3}]}",
                         (long long)user, (long long)two, (long long)one, (long long)two));
    int64_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = int_at(a, text("orderItems[%d].id", i));
        ck_assert_int_eq(sql_int("SELECT count(*) FROM order_items WHERE id = %lld AND order_id = %lld",
                                 (long long)ids[i], (long long)int_at(a, "id")),
                         1);
    }
    ck_assert(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    ck_assert_int_eq(int_at(a, "totalAmount"), 1000);
    ck_assert_int_eq(stock_of(one), 8);
    ck_assert_int_eq(stock_of(two), 6);
}
END_TEST

START_TEST(payment_is_booked)
{
    int64_t user = users_new(1, "1000"), product = product_new("300", 10);
    int64_t id = int_at(expect(200, order(shop, user, product, 2)), "id");
    ck_assert_str_eq(sql("SELECT tx_type || ' ' || amount || ' ' || balance_after FROM user_balance_tx"
                         " WHERE order_id = %lld",
                         (long long)id),
                     "PAYMENT -600.00 400.00");
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM order_history_events WHERE order_id = %lld AND amount = 600",
                (long long)id),
        1);
    struct answer *a =
        expect(200, get(shop->port, "/api/users/balance/history?userId=%lld&limit=1", (long long)user));
    ck_assert_str_eq(text_at(a, "content[0].type"), "PAYMENT");
    ck_assert_int_eq(int_at(a, "content[0].orderId"), id);
    ck_assert_int_eq(int_at(a, "content[0].amount"), -600);
    ck_assert_int_eq(int_at(a, "content[0].balanceAfter"), 400);
}
END_TEST

START_TEST(refused_for_balance_keeps_stock)
{
    int64_t user = users_new(1, "100"), product = product_new("60", 10);
    expect_error(400, "INSUFFICIENT_BALANCE", "잔액이 부족합니다. 현재 잔액: 100, 주문 금액: 180",
                 order(shop, user, product, 3));
    ck_assert_int_eq(stock_of(product), 10);
    ck_assert_str_eq(balance_of(user), "100.00");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM orders WHERE user_id = %lld", (long long)user), 0);
}
END_TEST

START_TEST(refused_line_returns_all)
{
    int64_t user = users_new(1, "100000"), plenty = product_new("10", 100), scarce = product_new("10", 1);
    expect_error(400, "INSUFFICIENT_STOCK",
                 text("재고가 부족합니다: 상품 %lld (남은 재고: 1)", (long long)scarce),
                 post(shop->port, "/api/orders",
                      "{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":5},"
                      "{\"productId\":%lld,\"quantity\":2}]}",
                      (long long)user, (long long)plenty, (long long)scarce));
    ck_assert_int_eq(stock_of(plenty), 100);
    ck_assert_int_eq(stock_of(scarce), 1);
    ck_assert_str_eq(balance_of(user), "100000.00");
}
END_TEST

static struct answer *order_with_coupon(int64_t user, int64_t product, int64_t quantity, int64_t user_coupon)
{
    return post(
        shop->port, "/api/orders",
        "{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":%lld}],\"userCouponId\":%lld}",
        (long long)user, (long long)product, (long long)quantity, (long long)user_coupon);
}

START_TEST(coupon_is_applied)
{
    static const char refused[] = "사용할 수 없는 쿠폰입니다.";
    int64_t user = users_new(2, "10000"), product = product_new("1500", 100);
    int64_t coupon = coupon_new(shop, 10, "1000");
    expect(202, coupon_ask(shop, coupon, user));
    int64_t held = int_at(coupon_decided(shop, coupon, user), "userCouponId");

    expect_error(400, "COUPON_NOT_USABLE", refused, order_with_coupon(user + 1, product, 1, held));
    expect_error(400, "COUPON_NOT_USABLE", refused, order_with_coupon(user, product, 1, 987654321));
    ck_assert_int_eq(stock_of(product), 100);

    struct answer *a = expect(200, order_with_coupon(user, product, 2, held));
    ck_assert_int_eq(int_at(a, "userCouponId"), held);
    ck_assert_int_eq(int_at(a, "totalAmount"), 3000);
    ck_assert_int_eq(int_at(a, "discountedAmount"), 2000);
    ck_assert_int_eq(int_at(a, "discountAmount"), 1000);
    ck_assert_str_eq(balance_of(user), "8000.00");
    ck_assert_str_eq(sql("SELECT status || ' ' || order_id FROM user_coupons WHERE user_coupon_id = %lld",
                         (long long)held),
                     text("USED %lld", (long long)int_at(a, "id")));
    struct answer *mine = expect(200, get(shop->port, "/api/coupons/users/%lld", (long long)user));
    ck_assert_str_eq(text_at(mine, "[0].status"), "USED");
    ck_assert_int_eq(int_at(mine, "[0].userCouponId"), held);

    expect_error(400, "COUPON_NOT_USABLE", refused, order_with_coupon(user, product, 1, held));
}
END_TEST

/* The discount is capped by the total; an order that costs nothing has a payment of 0.00. */
START_TEST(discount_is_capped)
{
    int64_t user = users_new(2, "500"), product = product_new("700", 10);
    int64_t coupon = coupon_new(shop, 10, "1000"), held = coupon_give(coupon, user);
    struct answer *a = expect(200, order_with_coupon(user, product, 1, held));
    ck_assert_int_eq(int_at(a, "discountAmount"), 700);
    ck_assert_int_eq(int_at(a, "discountedAmount"), 0);
    ck_assert_str_eq(
        sql("SELECT amount FROM user_balance_tx WHERE order_id = %lld", (long long)int_at(a, "id")), "0.00");
    int64_t late = coupon_give(coupon, user + 1);
    sql("UPDATE coupons SET valid_from = now() - interval '2 day', valid_to = now() - interval '1 day'"
        " WHERE coupon_id = %lld",
        (long long)coupon);
    expect_error(400, "COUPON_NOT_USABLE", NULL, order_with_coupon(user + 1, product, 1, late));
    ck_assert_str_eq(
        text_at(expect(200, get(shop->port, "/api/coupons/users/%lld", (long long)user + 1)), "[0].status"),
        "EXPIRED");
}
END_TEST

START_TEST(large_amounts)
{
    int64_t user = users_new(1, "3000000000"), product = product_new("1500000000", 2);
    ck_assert_int_eq(
        int_at(expect(200, get(shop->port, "/api/users/balance?userId=%lld", (long long)user)), "balance"),
        INT64_C(3000000000));
    struct answer *a = expect(200, charge(shop, user, "1000000"));
    ck_assert_int_eq(int_at(a, "balanceAfterCharge"), INT64_C(3001000000));
    a = expect(200, order(shop, user, product, 2));
    ck_assert_int_eq(int_at(a, "totalAmount"), INT64_C(3000000000));
    ck_assert_str_eq(balance_of(user), "1000000.00");
}
END_TEST

START_TEST(charge_makes_a_balance)
{
    int64_t user = users_new(1, NULL);
    ck_assert_int_eq(
        int_at(expect(200, get(shop->port, "/api/users/balance?userId=%lld", (long long)user)), "balance"),
        0);
    struct answer *a = expect(200, charge(shop, user, "1234.5"));
    ck_assert_str_eq(
        a->body,
        text("{\"userId\":%lld,\"chargeAmount\":1234.50,\"balanceAfterCharge\":1234.50}", (long long)user));
    expect(200, charge(shop, user, "\"65.50\""));
    ck_assert_str_eq(balance_of(user), "1300.00");
    ck_assert_str_eq(sql("SELECT string_agg(tx_type || ' ' || amount, ', ' ORDER BY id) FROM user_balance_tx"
                         " WHERE user_id = %lld AND amount > 0",
                         (long long)user),
                     "CHARGE 1234.50, CHARGE 65.50");
}
END_TEST

/* --- many at once ------------------------------------------------------------------------------------------------------- */

#define CHARGES 400

START_TEST(charges_do_not_queue)
{
    int64_t first = users_new(CHARGES, "0");
    struct flood_item items[CHARGES];
    for (int i = 0; i < CHARGES; i++)
        items[i] = (struct flood_item){
            .port = shop->port,
            .method = "POST",
            .target = "/api/users/balance/charge",
            .body = text("{\"userId\":%lld,\"amount\":100}", (long long)first + i % (CHARGES / 2))};
    int64_t began = now_ms();
    flood(items, CHARGES, 200);
    int64_t took = now_ms() - began;
    ck_assert_uint_eq(flood_count(items, CHARGES, 200), CHARGES);
    ck_assert_msg(took < 8000, "%d charges took %lld ms", CHARGES, (long long)took);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM balances WHERE user_id >= %lld AND user_id < %lld AND amount = 200",
                (long long)first, (long long)first + CHARGES / 2),
        CHARGES / 2);
}
END_TEST

START_TEST(charge_and_order_together)
{
    int64_t user = users_new(1, "1000"), product = product_new("10", 1000);
    struct flood_item *items = order_flood(shop, user, 200, product, 1);
    for (int i = 0; i < 200; i++) {
        items[i].body = order_flood(shop, user, 1, product, 1)->body;
        if (i % 2) {
            items[i].target = "/api/users/balance/charge";
            items[i].body = text("{\"userId\":%lld,\"amount\":7}", (long long)user);
        }
    }
    flood(items, 200, 50);
    ck_assert_uint_eq(flood_count(items, 200, 200), 200);
    ck_assert_str_eq(balance_of(user), "700.00");
    ck_assert_int_eq(stock_of(product), 900);
}
END_TEST

START_TEST(crossed_orders_do_not_deadlock)
{
    int64_t user = users_new(300, "100000"), one = product_new("10", 1000), two = product_new("20", 1000);
    struct flood_item *items = order_flood(shop, user, 300, one, 1);
    for (int i = 0; i < 300; i++)
        items[i].body =
            text("{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":1},"
                 "{\"productId\":%lld,\"quantity\":2}]}",
                 (long long)user + i, (long long)(i % 2 ? one : two), (long long)(i % 2 ? two : one));
    flood(items, 300, 150);
    ck_assert_uint_eq(flood_count(items, 300, 200), 300);
    ck_assert_int_eq(stock_of(one), 1000 - 150 - 300);
    ck_assert_int_eq(stock_of(two), 1000 - 150 - 300);
}
END_TEST

START_TEST(hot_product_rush)
{
    int64_t user = users_new(300, "1000"), product = product_new("1000", 100);
    struct flood_item *items = order_flood(shop, user, 300, product, 1);
    flood(items, 300, 300);
    ck_assert_uint_eq(flood_count(items, 300, 200), 100);
    ck_assert_uint_eq(flood_count(items, 300, 400), 200);
    for (int i = 0; i < 300; i++) {
        if (items[i].answer->status == 400)
            expect_error(400, "INSUFFICIENT_STOCK",
                         text("재고가 부족합니다: 상품 %lld (남은 재고: 0)", (long long)product),
                         items[i].answer);
        else
            ck_assert_str_eq(balance_of(int_at(items[i].answer, "userId")), "0.00");
    }
    ck_assert_int_eq(stock_of(product), 0);
    ck_assert_str_eq(
        text_at(expect(200, get(shop->port, "/api/products/%lld", (long long)product)), "status"),
        "SOLD_OUT");
}
END_TEST

/* --- Idempotency-Key ---------------------------------------------------------------------------------------------------- */

START_TEST(same_key_same_answer)
{
    int64_t user = users_new(2, "1000"), product = product_new("100", 10);
    const char *key = text("Idempotency-Key: k-%lld\r\n", (long long)user);
    const char *body = order_flood(shop, user, 1, product, 1)->body;
    const char *other = order_flood(shop, user, 1, product, 2)->body;
    struct answer *a = expect(200, ask(shop->port, "POST", "/api/orders", key, body));
    struct answer *b = expect(200, ask(shop->port, "POST", "/api/orders", key, body));
    ck_assert_str_eq(a->body, b->body);
    ck_assert_int_eq(stock_of(product), 9);
    expect_error(422, "IDEMPOTENCY_KEY_REUSED", NULL, ask(shop->port, "POST", "/api/orders", key, other));
    /* The scope is route, user and key. */
    expect(200,
           ask(shop->port, "POST", "/api/orders", key, order_flood(shop, user + 1, 1, product, 1)->body));
    const char *money = text("{\"userId\":%lld,\"amount\":5}", (long long)user);
    a = expect(200, ask(shop->port, "POST", "/api/users/balance/charge", key, money));
    b = expect(200, ask(shop->port, "POST", "/api/users/balance/charge", key, money));
    ck_assert_str_eq(a->body, b->body);
    ck_assert_str_eq(balance_of(user), "905.00");
}
END_TEST

/* A refusal is an answer too: it is repeated, even when the order could be taken by now. */
START_TEST(same_key_same_refusal)
{
    int64_t user = users_new(1, "50"), product = product_new("100", 10);
    const char *key = text("Idempotency-Key: r-%lld\r\n", (long long)user);
    const char *body = order_flood(shop, user, 1, product, 1)->body;
    struct answer *a = ask(shop->port, "POST", "/api/orders", key, body);
    expect_error(400, "INSUFFICIENT_BALANCE", NULL, a);
    expect(200, charge(shop, user, "100"));
    struct answer *b = ask(shop->port, "POST", "/api/orders", key, body);
    expect_error(400, "INSUFFICIENT_BALANCE", text_at(a, "message"), b);
    expect(200, order(shop, user, product, 1));
}
END_TEST

START_TEST(same_key_at_once)
{
    int64_t user = users_new(1, "1000"), product = product_new("100", 10);
    struct flood_item *items = order_flood(shop, user, 40, product, 1);
    const char *first = NULL;
    for (int i = 0; i < 40; i++) {
        items[i].body = items[0].body;
        items[i].headers = text("Idempotency-Key: c-%lld\r\n", (long long)user);
    }
    flood(items, 40, 40);
    for (int i = 0; i < 40; i++) {
        if (items[i].answer->status == 409) {
            expect_error(409, "REQUEST_IN_PROGRESS", NULL, items[i].answer);
            continue;
        }
        expect(200, items[i].answer);
        ck_assert_str_eq(items[i].answer->body, first ? first : items[i].answer->body);
        first = items[i].answer->body;
    }
    ck_assert_ptr_ne(first, NULL);
    ck_assert_int_eq(stock_of(product), 9);
}
END_TEST

START_TEST(books)
{
    books_agree();
}
END_TEST

Suite *order_suite(void)
{
    Suite *s = suite_create("order");
    TCase *t = shop_tcase(s, "order", 60);
    tcase_add_test(t, order_is_taken);
    tcase_add_test(t, item_ids_present);
    tcase_add_test(t, payment_is_booked);
    tcase_add_test(t, refused_for_balance_keeps_stock);
    tcase_add_test(t, refused_line_returns_all);
    tcase_add_test(t, coupon_is_applied);
    tcase_add_test(t, discount_is_capped);
    tcase_add_test(t, large_amounts);
    tcase_add_test(t, charge_makes_a_balance);
    tcase_add_test(t, charges_do_not_queue);
    tcase_add_test(t, charge_and_order_together);
    tcase_add_test(t, crossed_orders_do_not_deadlock);
    tcase_add_test(t, hot_product_rush);
    tcase_add_test(t, same_key_same_answer);
    tcase_add_test(t, same_key_same_refusal);
    tcase_add_test(t, same_key_at_once);
    tcase_add_test(t, books);
    return s;
}
