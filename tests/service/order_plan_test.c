/* The planner of orders: every refusal in the contract's order of checks, what a refused order leaves, sums, a naive model. */
#include "service/order_plan.h"

#include <check.h>
#include <stdlib.h>

#include "base/random.h"
#include "order_plan_model.h"
#include "service_suites.h"

#define NOW_US INT64_C(1751328000000000)

static struct order_tx_product products[4];
static struct order_tx_user users[4];
static struct order_tx_coupon coupons[3];
static struct order_tx_facts facts;
static struct order_plan *plan;
static struct order_plan_verdict v;

static void setup(void)
{
    products[0] = (struct order_tx_product){1, "연필", "문구", 150000, 10, true};
    products[1] = (struct order_tx_product){2, "노트", "문구", 500000, 3, true};
    products[2] = (struct order_tx_product){3, "책", "책", 1000000, 5, false};
    products[3] = (struct order_tx_product){4, "집", "집", MONEY_MAX, 5, true};
    users[0] = (struct order_tx_user){7, "kim", true, true, 1000000};
    users[1] = (struct order_tx_user){8, "lee", true, false, 0};
    users[2] = (struct order_tx_user){9, "park", false, true, 1000000};
    users[3] = (struct order_tx_user){10, "choi", true, true, 3000000000LL * 100};
    coupons[0] = (struct order_tx_coupon){100, 7, 1, 100000, true, NOW_US - 1, NOW_US + 1};
    coupons[1] = (struct order_tx_coupon){101, 7, 1, 100000000, true, NOW_US, NOW_US + 1};
    coupons[2] = (struct order_tx_coupon){102, 8, 1, 100000, true, NOW_US - 1, NOW_US + 1};
    facts = (struct order_tx_facts){
        .products = products, .nproducts = 4, .users = users, .nusers = 4, .coupons = coupons, .ncoupons = 3};
    plan = order_plan_new(&facts, NOW_US);
}

static void teardown(void)
{
    order_plan_free(plan);
}

static void anew(void)
{
    order_plan_free(plan);
    plan = order_plan_new(&facts, NOW_US);
}

#define LINES(...)                                                                                           \
    ((const struct order_plan_line[]){__VA_ARGS__}),                                                         \
        ARRAY_LEN(((const struct order_plan_line[]){__VA_ARGS__}))

static bool decide(int64_t user_id, int64_t user_coupon_id, const struct order_plan_line *lines, size_t n)
{
    const struct order_plan_ask ask = {user_id, user_coupon_id, lines, n};
    order_plan_decide(plan, &ask, &v);
    return v.accepted;
}

static void refused(const char *word, const char *sentence)
{
    struct buf text = BUF_INIT;
    ck_assert(!v.accepted);
    ck_assert_str_eq(refusal_word(v.refusal.code), word);
    refusal_text(&text, &v.refusal, 0);
    ck_assert_str_eq(buf_str(&text), sentence);
    buf_free(&text);
}

static void nothing_to_write(void)
{
    size_t n;
    order_plan_sales(plan, &n);
    ck_assert_uint_eq(n, 0);
    order_plan_balances(plan, &n);
    ck_assert_uint_eq(n, 0);
}

/* One order in which everything is wrong; each repair lets the next check speak. */
START_TEST(checks_come_in_the_contracts_order)
{
    struct order_plan_line lines[] = {{5, 1}, {3, 1}, {2, 4}};
    decide(6, 103, lines, 3);
    refused("USER_NOT_FOUND", "존재하지 않는 사용자입니다.");
    decide(8, 103, lines, 3);
    refused("PRODUCT_NOT_FOUND", "존재하지 않는 상품입니다: 5");
    lines[0].product_id = 1;
    decide(8, 103, lines, 3);
    refused("PRODUCT_INACTIVE", "판매 중지된 상품입니다: 책");
    lines[1] = (struct order_plan_line){4, 2};
    decide(8, 103, lines, 3);
    refused("INSUFFICIENT_STOCK", "재고가 부족합니다: 노트 (남은 재고: 3)");
    lines[2].quantity = 3;
    decide(8, 103, lines, 3);
    refused("ORDER_AMOUNT_OUT_OF_RANGE", "주문 금액이 처리할 수 있는 범위를 벗어났습니다.");
    lines[1] = (struct order_plan_line){2, 0};
    lines[2].quantity = 2;
    decide(8, 103, lines, 3);
    refused("COUPON_NOT_USABLE", "사용할 수 없는 쿠폰입니다.");
    decide(8, 102, lines, 3);
    refused("BALANCE_NOT_FOUND", "잔액 정보를 찾을 수 없습니다.");
    decide(7, 100, lines, 3);
    refused("INSUFFICIENT_BALANCE", "잔액이 부족합니다. 현재 잔액: 10000, 주문 금액: 10500");
    nothing_to_write();
    lines[2].quantity = 1;
    ck_assert(decide(7, 100, lines, 3));
}
END_TEST

START_TEST(an_inactive_user_does_not_exist)
{
    decide(9, 0, LINES({1, 1}));
    refused("USER_NOT_FOUND", "존재하지 않는 사용자입니다.");
}
END_TEST

/* In the line's order: the first bad one is named. */
START_TEST(the_first_bad_line_is_named)
{
    decide(7, 0, LINES({3, 1}, {5, 1}));
    refused("PRODUCT_INACTIVE", "판매 중지된 상품입니다: 책");
    decide(7, 0, LINES({2, 4}, {1, 11}));
    refused("INSUFFICIENT_STOCK", "재고가 부족합니다: 노트 (남은 재고: 3)");
    decide(7, 0, LINES({1, 11}, {2, 4}));
    refused("INSUFFICIENT_STOCK", "재고가 부족합니다: 연필 (남은 재고: 10)");
}
END_TEST

START_TEST(refused_line_returns_all)
{
    ck_assert(!decide(7, 0, LINES({1, 10}, {2, 4})));
    nothing_to_write();
    users[0].balance = 10000000;
    anew();
    ck_assert(!decide(7, 0, LINES({1, 10}, {2, 4})));
    ck_assert(decide(7, 0, LINES({1, 10}, {2, 3})));
}
END_TEST

START_TEST(refused_for_balance_keeps_stock)
{
    ck_assert(!decide(7, 0, LINES({1, 10})));
    refused("INSUFFICIENT_BALANCE", "잔액이 부족합니다. 현재 잔액: 10000, 주문 금액: 15000");
    nothing_to_write();
    ck_assert(decide(10, 0, LINES({1, 10})));
    ck_assert(!decide(10, 0, LINES({1, 1})));
    refused("INSUFFICIENT_STOCK", "재고가 부족합니다: 연필 (남은 재고: 0)");
}
END_TEST

START_TEST(a_product_twice_counts_as_the_sum)
{
    ck_assert(!decide(10, 0, LINES({2, 2}, {1, 1}, {2, 2})));
    refused("INSUFFICIENT_STOCK", "재고가 부족합니다: 노트 (남은 재고: 3)");
    ck_assert(!decide(10, 0, LINES({2, INT64_MAX}, {2, INT64_MAX})));
    ck_assert(decide(10, 0, LINES({2, 2}, {1, 1}, {2, 1})));
    size_t n;
    const struct order_tx_sale *sales = order_plan_sales(plan, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(sales[1].product_id, 2);
    ck_assert_int_eq(sales[1].quantity, 3);
    ck_assert_int_eq(sales[1].amount, 1500000);
}
END_TEST

START_TEST(later_orders_see_what_earlier_ones_took)
{
    ck_assert(decide(7, 0, LINES({2, 1})));
    ck_assert_int_eq(v.balance_after, 500000);
    ck_assert(decide(10, 0, LINES({2, 1})));
    ck_assert(!decide(10, 0, LINES({2, 2})));
    refused("INSUFFICIENT_STOCK", "재고가 부족합니다: 노트 (남은 재고: 1)");
    ck_assert(decide(7, 0, LINES({2, 1}))); /* the next may still fit */
    ck_assert_int_eq(v.balance_after, 0);
    ck_assert(!decide(7, 0, LINES({1, 1})));
    refused("INSUFFICIENT_BALANCE", "잔액이 부족합니다. 현재 잔액: 0, 주문 금액: 1500");
    size_t n;
    const struct order_tx_balance *balances = order_plan_balances(plan, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(balances[0].user_id, 7);
    ck_assert_int_eq(balances[0].amount, 0);
    ck_assert(!balances[0].create);
}
END_TEST

START_TEST(coupon_is_applied)
{
    ck_assert(decide(7, 100, LINES({2, 1})));
    ck_assert_int_eq(v.total, 500000);
    ck_assert_int_eq(v.discount, 100000);
    ck_assert_int_eq(v.discounted, 400000);
    ck_assert_int_eq(v.balance_after, 600000);
    ck_assert(!decide(7, 100, LINES({1, 1}))); /* USED by the order before it in the batch */
    refused("COUPON_NOT_USABLE", "사용할 수 없는 쿠폰입니다.");
    ck_assert(decide(7, 101, LINES({1, 1}))); /* capped by the total: the order costs nothing */
    ck_assert_int_eq(v.discount, 150000);
    ck_assert_int_eq(v.discounted, 0);
    ck_assert_int_eq(v.balance_after, 600000);
}
END_TEST

START_TEST(a_refused_order_leaves_the_coupon)
{
    ck_assert(!decide(7, 100, LINES({2, 3})));
    refused("INSUFFICIENT_BALANCE", "잔액이 부족합니다. 현재 잔액: 10000, 주문 금액: 14000");
    ck_assert(decide(7, 100, LINES({2, 2})));
}
END_TEST

START_TEST(coupon_must_be_owned_issued_and_valid)
{
    static const struct {
        int64_t user_id;
        bool issued;
        int64_t from, to;
        bool usable;
    } cases[] = {
        {7, true, NOW_US, NOW_US + 1, true},   {8, true, NOW_US, NOW_US + 1, false},
        {7, false, NOW_US, NOW_US + 1, false}, {7, true, NOW_US + 1, NOW_US + 2, false},
        {7, true, NOW_US - 2, NOW_US, false},  {7, true, INT64_MIN, INT64_MAX, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        coupons[0] = (struct order_tx_coupon){100,           cases[i].user_id, 1, 100, cases[i].issued,
                                              cases[i].from, cases[i].to};
        anew();
        ck_assert_msg(decide(7, 100, LINES({1, 1})) == cases[i].usable, "case %zu", i);
    }
}
END_TEST

START_TEST(large_amounts)
{
    ck_assert(decide(10, 0, LINES({1, 1})));
    ck_assert_int_eq(v.balance_after, 300000000000 - 150000);
    ck_assert(!decide(10, 0, LINES({4, 1})));
    refused("INSUFFICIENT_BALANCE", "잔액이 부족합니다. 현재 잔액: 2999998500, 주문 금액: 9999999999999.99");
    ck_assert(!decide(10, 0, LINES({4, 2})));
    refused("ORDER_AMOUNT_OUT_OF_RANGE", "주문 금액이 처리할 수 있는 범위를 벗어났습니다.");
}
END_TEST

static bool charge(int64_t user_id, money amount, money *after, bool *created)
{
    v = (struct order_plan_verdict){0};
    return order_plan_charge(plan, user_id, amount, after, created, &v.refusal);
}

START_TEST(charges_add_up)
{
    money after;
    bool created;
    ck_assert(charge(7, 100, &after, &created));
    ck_assert_int_eq(after, 1000100);
    ck_assert(!created);
    ck_assert(charge(8, 500, &after, &created));
    ck_assert_int_eq(after, 500);
    ck_assert(created);
    ck_assert(charge(8, 500, &after, &created));
    ck_assert_int_eq(after, 1000);
    ck_assert(!created);
    size_t n;
    const struct order_tx_balance *balances = order_plan_balances(plan, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(balances[1].amount, 1000);
    ck_assert(balances[1].create);
    ck_assert(!charge(9, 100, &after, &created));
    refused("CHARGE_USER_NOT_FOUND", "사용자를 찾을 수 없습니다.");
    ck_assert(!charge(6, 100, &after, &created));
    users[0].balance = MONEY_MAX - 99;
    anew();
    ck_assert(!charge(7, 100, &after, &created));
    refused("BALANCE_OUT_OF_RANGE", "잔액이 처리할 수 있는 범위를 벗어났습니다.");
    ck_assert(charge(7, 99, &after, &created));
}
END_TEST

/* Both in one batch see each other, in their order. */
START_TEST(charge_and_order_together)
{
    money after;
    bool created;
    ck_assert(!decide(8, 0, LINES({1, 1})));
    refused("BALANCE_NOT_FOUND", "잔액 정보를 찾을 수 없습니다.");
    ck_assert(charge(8, 150000, &after, &created));
    ck_assert(decide(8, 0, LINES({1, 1})));
    ck_assert_int_eq(v.balance_after, 0);
}
END_TEST

START_TEST(names_are_cut_at_a_character)
{
    static char name[400];
    for (int i = 0; i < 130; i++)
        memcpy(name + 3 * i, "집", 3);
    products[1].name = name;
    decide(7, 0, LINES({2, 4}));
    ck_assert(!v.accepted && str_is_utf8(v.refusal.name, strlen(v.refusal.name)));
    ck_assert_uint_eq(strlen(v.refusal.name), 126);
}
END_TEST

#define ROUNDS 4000

START_TEST(decides_as_the_naive_model_does)
{
    size_t accepted = 0;
    uint64_t seed = random_u64(), state = seed;
    const char *given = getenv("RUSHD_SEED");
    if (given)
        seed = state = strtoull(given, NULL, 0);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t data[600];
        for (size_t i = 0; i < sizeof data; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            data[i] = (uint8_t)(state >> 56);
        }
        const char *differs = order_plan_model_check(data, sizeof data, &accepted);
        ck_assert_msg(!differs, "RUSHD_SEED=%llu, round %d: %s", (unsigned long long)seed, round, differs);
    }
    ck_assert_uint_gt(accepted, ROUNDS);
}
END_TEST

Suite *order_plan_suite(void)
{
    Suite *s = suite_create("order_plan");
    TCase *t = tcase_create("plan");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, checks_come_in_the_contracts_order);
    tcase_add_test(t, an_inactive_user_does_not_exist);
    tcase_add_test(t, the_first_bad_line_is_named);
    tcase_add_test(t, refused_line_returns_all);
    tcase_add_test(t, refused_for_balance_keeps_stock);
    tcase_add_test(t, a_product_twice_counts_as_the_sum);
    tcase_add_test(t, later_orders_see_what_earlier_ones_took);
    tcase_add_test(t, coupon_is_applied);
    tcase_add_test(t, a_refused_order_leaves_the_coupon);
    tcase_add_test(t, coupon_must_be_owned_issued_and_valid);
    tcase_add_test(t, large_amounts);
    tcase_add_test(t, charges_add_up);
    tcase_add_test(t, charge_and_order_together);
    tcase_add_test(t, names_are_cut_at_a_character);
    tcase_add_test(t, decides_as_the_naive_model_does);
    suite_add_tcase(s, t);
    return s;
}
