/* Orders: the outbox payload, the products, OrderCompletedMessage in its three schemas and what comes in. */
#include "tests/msg/fixture.h"
#include "tests/msg/golden.h"
#include "tests/msg/msg_suites.h"

static struct msg_order got;
static struct error e;

START_TEST(outbox)
{
    const struct msg_order *orders[] = {fixture_small_order(), fixture_order()};
    struct buf text = BUF_INIT, again = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        buf_clear(&text);
        buf_clear(&again);
        msg_order_print_outbox(&text, orders[i]);
        ck_assert_msg(msg_order_parse_outbox(text.data, text.len, &got, &e), "%s", e.text);
        fixture_check_order(&got, orders[i]);
        msg_order_print_outbox(&again, &got);
        ck_assert_str_eq(buf_str(&again), buf_str(&text));
        msg_order_free(&got);
        ck_assert_uint_eq(got.nitems, 0);
    }
    golden_check("outbox.json", buf_str(&text)); /* a new version must read what an old one left behind */
    buf_free(&text);
    buf_free(&again);
}
END_TEST

START_TEST(outbox_refused)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "byte 0: ends where a value is expected"},
        {"{}", "orderId: is missing"},
        {"{\"orderId\":1,\"userId\":0}", "userId: 0 is below 1"},
        {"{\"orderId\":1,\"userId\":2,\"totalAmount\":-1}", "totalAmount: -1 is below 0"},
        {"{\"orderId\":1,\"userId\":2,\"totalAmount\":1,\"discountedAmount\":1,\"discountAmount\":0,"
         "\"status\":\"COMPLETED\",\"completedAtUs\":5,\"items\":[]}",
         "items: has fewer than 1 elements"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert(!msg_order_parse_outbox(cases[i].text, strlen(cases[i].text), &got, &e));
        ck_assert_str_eq(e.text, cases[i].error);
    }
}
END_TEST

START_TEST(products)
{
    struct msg_order_product out[3];
    ck_assert_uint_eq(msg_order_products(fixture_order(), out), 2);
    ck_assert_int_eq(out[0].product_id, 11);
    ck_assert_int_eq(out[0].first_item_id, 901);
    ck_assert_int_eq(out[0].quantity, 5);
    ck_assert_str_eq(out[0].product_name, "\xec\xb1\x85");
    ck_assert_int_eq(out[1].product_id, 7);
    ck_assert_int_eq(out[1].first_item_id, 902);
    ck_assert_int_eq(out[1].quantity, 1);
    struct msg_order_item huge[] = {{.product_id = 1, .quantity = INT64_MAX},
                                    {.product_id = 1, .quantity = 1}};
    ck_assert_uint_eq(msg_order_products(&(struct msg_order){.items = huge, .nitems = 2}, out), 1);
    ck_assert_int_eq(out[0].quantity, INT64_MAX);
    ck_assert_uint_eq(msg_order_products(&(struct msg_order){0}, out), 0);
}
END_TEST

/* Each schema is printed exactly so, and read back with what it carries. */
START_TEST(completed)
{
    static const char *const golden[] = {"order_completed_documented.json", "order_completed_extended.json",
                                         "order_completed_both.json"};
    for (enum msg_schema schema = MSG_DOCUMENTED; schema <= MSG_BOTH; schema++) {
        struct buf text = BUF_INIT;
        msg_order_completed_print(&text, fixture_order(), schema);
        golden_check(golden[schema], buf_str(&text));
        ck_assert_msg(msg_order_completed_parse(text.data, text.len, &got, &e), "%s", e.text);
        ck_assert_int_eq(got.order_id, fixture_order()->order_id);
        ck_assert_int_eq(got.total_amount, fixture_order()->total_amount);
        ck_assert_int_eq(got.discount_amount, fixture_order()->discount_amount);
        ck_assert_int_eq(got.user_coupon_id, 55);
        ck_assert_str_eq(got.status, "COMPLETED");
        ck_assert_uint_eq(got.nitems, 3);
        ck_assert_int_eq(got.items[2].total_price, 4500150);
        ck_assert_int_eq(got.items[0].id, schema == MSG_DOCUMENTED ? 0 : 901);
        int64_t fraction = schema == MSG_EXTENDED ? FIXTURE_COMPLETED_US % 1000000 : 0;
        ck_assert_int_eq(got.completed_at_us, FIXTURE_COMPLETED_US - fraction);
        msg_order_free(&got);
        buf_free(&text);
    }
}
END_TEST

START_TEST(completed_small)
{
    struct buf text = BUF_INIT;
    msg_order_completed_print(&text, fixture_small_order(), MSG_DOCUMENTED);
    golden_check("order_completed_small.json", buf_str(&text));
    buf_free(&text);
}
END_TEST

/* As Jackson writes it without further settings: dates as arrays, amounts with exponents, nulls. */
START_TEST(completed_jackson)
{
    const char *text =
        "{\"orderId\":5,\"userId\":6,\"items\":[{\"productId\":1,\"productName\":null,\"quantity\":2,"
        "\"unitPrice\":5E+3,\"totalPrice\":1E+4}],\"totalAmount\":1E+4,"
        "\"completedAt\":[2025,11,23,21,15,7,123456789],\"orderStatus\":null}";
    ck_assert_msg(msg_order_completed_parse(text, strlen(text), &got, &e), "%s", e.text);
    ck_assert_int_eq(got.total_amount, 1000000);
    ck_assert_int_eq(got.items[0].unit_price, 500000);
    ck_assert_int_eq(got.completed_at_us, FIXTURE_COMPLETED_US);
    ck_assert_ptr_null(got.status);
    msg_order_free(&got);
}
END_TEST

START_TEST(completed_refused)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{\"orderId\":1,\"userId\":1,\"totalAmount\":1}", "orderItems: is missing"},
        {"{\"orderId\":-1}", "orderId: -1 is below 1"},
        {"{\"orderId\":1,\"completedAt\":\"yesterday\"}", "completedAt: \"yesterday\" is not a date"},
        {"{\"orderId\":1,\"completedAt\":[2025,2,30,1,1]}", "completedAt: the array is not a date"},
        {"{\"orderId\":1,\"completedAt\":[2025,2,\"x\"]}", "completedAt[2]: \"x\" is not a whole number"},
        {"{\"orderId\":1,\"completedAt\":[2025,1,1,1,1,1,1,1]}",
         "completedAt: more than 7 numbers are not a date"},
        {"{\"orderId\":1,\"completedAt\":1763900107}", "completedAt: 1763900107 is not a date"},
        {"{\"orderId\":1,\"items\":[{\"productId\":1,\"quantity\":0}]}", "items[0].quantity: 0 is below 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert(!msg_order_completed_parse(cases[i].text, strlen(cases[i].text), &got, &e));
        ck_assert_str_eq(e.text, cases[i].error);
    }
}
END_TEST

Suite *msg_order_suite(void)
{
    Suite *s = suite_create("msg_order");
    TCase *tc = tcase_create("orders");
    tcase_add_unchecked_fixture(tc, golden_setup, NULL);
    tcase_add_test(tc, outbox);
    tcase_add_test(tc, outbox_refused);
    tcase_add_test(tc, products);
    tcase_add_test(tc, completed);
    tcase_add_test(tc, completed_small);
    tcase_add_test(tc, completed_jackson);
    tcase_add_test(tc, completed_refused);
    suite_add_tcase(s, tc);
    return s;
}
