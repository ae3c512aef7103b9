/* ProductRanking, DataPlatform and CouponIssue: each schema exactly as printed, and every form that comes in.
 */
#include "tests/msg/fixture.h"
#include "tests/msg/golden.h"
#include "tests/msg/msg_suites.h"

static struct error e;
static const char *const schema_names[] = {"documented", "extended", "both"};

static void check_golden(const char *message, enum msg_schema schema, struct buf *text)
{
    struct buf name = BUF_INIT;
    buf_printf(&name, "%s_%s.json", message, schema_names[schema]);
    golden_check(buf_str(&name), buf_str(text));
    buf_free(&name);
}

START_TEST(ranking)
{
    struct msg_order_product products[3];
    struct msg_product_ranking got;
    msg_order_products(fixture_order(), products);
    for (enum msg_schema schema = MSG_DOCUMENTED; schema <= MSG_BOTH; schema++) {
        struct buf text = BUF_INIT;
        msg_product_ranking_print(&text, fixture_order(), &products[0], schema);
        check_golden("product_ranking", schema, &text);
        ck_assert_msg(msg_product_ranking_parse(text.data, text.len, &got, &e), "%s", e.text);
        ck_assert_int_eq(got.product_id, 11);
        ck_assert_int_eq(got.order_id, fixture_order()->order_id);
        ck_assert_int_eq(got.quantity, 5);
        ck_assert_int_eq(got.order_item_id, 901);
        ck_assert_str_eq(got.product_name, "\xec\xb1\x85");
        int64_t fraction = schema == MSG_EXTENDED ? FIXTURE_COMPLETED_US % 1000000 : 0;
        ck_assert_int_eq(got.completed_at_us, FIXTURE_COMPLETED_US - fraction);
        msg_product_ranking_free(&got);
        buf_free(&text);
    }
}
END_TEST

START_TEST(ranking_forms)
{
    static const struct {
        const char *text;
        int64_t quantity, item, at;
    } cases[] = {
        {"{\"productId\":1,\"orderId\":2,\"quantity\":3,\"orderCompletedAt\":[2025,11,23,21,15]}", 3, 0,
         INT64_C(1763900100000000)},
        {"{\"productId\":1,\"orderId\":2,\"quantity\":3,\"orderCompletedAt\":[2025,11,23,21,15,8]}", 3, 0,
         FIXTURE_PROCESSED_US},
        {"{\"productId\":1,\"orderId\":2,\"quantity\":3,\"orderCompletedAt\":[2025,11,23,21,15,7,123456000]}",
         3, 0, FIXTURE_COMPLETED_US},
        {"{\"productId\":\"1\",\"orderId\":2.0,\"soldQuantity\":\"3\",\"eventOccurredAt\":"
         "\"2025-11-23 21:15:08\",\"orderItemId\":9}",
         3, 9, FIXTURE_PROCESSED_US},
        {"{\"productId\":1,\"orderId\":2,\"quantity\":null,\"soldQuantity\":2E+1,\"orderItemId\":null,"
         "\"eventOccurredAt\":\"2025-11-23T21:15:07.123456\",\"orderCompletedAt\":null,\"extra\":{\"a\":[]}}",
         20, 0, FIXTURE_COMPLETED_US},
        {"{\"soldQuantity\":9,\"quantity\":3,\"orderId\":2,\"productId\":1}", 3, 0, 0},
    };
    struct msg_product_ranking got;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_msg(msg_product_ranking_parse(cases[i].text, strlen(cases[i].text), &got, &e), "%s: %s",
                      cases[i].text, e.text);
        ck_assert_int_eq(got.product_id, 1);
        ck_assert_int_eq(got.order_id, 2);
        ck_assert_int_eq(got.quantity, cases[i].quantity);
        ck_assert_int_eq(got.order_item_id, cases[i].item);
        ck_assert_int_eq(got.completed_at_us, cases[i].at);
        msg_product_ranking_free(&got);
    }
}
END_TEST

START_TEST(ranking_refused)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"not json", "byte 0: not a value"},
        {"{\"orderId\":1,\"quantity\":1}", "productId: is missing"},
        {"{\"productId\":1,\"quantity\":1}", "orderId: is missing"},
        {"{\"productId\":1,\"orderId\":1}", "quantity: is missing"},
        {"{\"productId\":1,\"orderId\":1,\"quantity\":null}", "quantity: is null"},
        {"{\"productId\":1,\"orderId\":1,\"quantity\":0}", "quantity: 0 is below 1"},
        {"{\"productId\":1,\"orderId\":1,\"soldQuantity\":-2}", "soldQuantity: -2 is below 1"},
        {"{\"productId\":-1,\"orderId\":1,\"quantity\":1}", "productId: -1 is below 1"},
        {"{\"productId\":1,\"orderId\":0,\"quantity\":1}", "orderId: 0 is below 1"},
        {"{\"productId\":1,\"orderId\":1,\"quantity\":1,\"orderItemId\":-1}", "orderItemId: -1 is below 0"},
        {"{\"productId\":1,\"orderId\":1,\"quantity\":1.5}", "quantity: 1.5 is not a whole number"},
    };
    struct msg_product_ranking got;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert(!msg_product_ranking_parse(cases[i].text, strlen(cases[i].text), &got, &e));
        ck_assert_str_eq(e.text, cases[i].error);
    }
}
END_TEST

START_TEST(platform)
{
    struct msg_data_platform got;
    for (enum msg_schema schema = MSG_DOCUMENTED; schema <= MSG_BOTH; schema++) {
        struct buf text = BUF_INIT;
        msg_data_platform_print(&text, fixture_order(), schema, FIXTURE_PROCESSED_US);
        check_golden("data_platform", schema, &text);
        ck_assert_msg(msg_data_platform_parse(text.data, text.len, &got, &e), "%s", e.text);
        ck_assert_int_eq(got.order_id, fixture_order()->order_id);
        ck_assert_int_eq(got.user_id, 1001);
        buf_free(&text);
    }
    const char *foreign = "{\"orderId\":\"5\",\"eventData\":[\"any\",{\"thing\":1e999}],\"eventTime\":0,"
                          "\"userName\":1,\"orderItems\":{}}";
    ck_assert_msg(msg_data_platform_parse(foreign, strlen(foreign), &got, &e), "%s", e.text);
    ck_assert_int_eq(got.order_id, 5);
    ck_assert_int_eq(got.user_id, 0);
    ck_assert(!msg_data_platform_parse("{\"userId\":5}", 12, &got, &e));
    ck_assert_str_eq(e.text, "orderId: is missing");
    ck_assert(!msg_data_platform_parse("{\"orderId\":-5}", 14, &got, &e));
    ck_assert_str_eq(e.text, "orderId: -5 is below 1");
}
END_TEST

static void check_coupon(const struct msg_coupon_issue *got, const struct msg_coupon_issue *want)
{
    ck_assert_int_eq(got->coupon_id, want->coupon_id);
    ck_assert_int_eq(got->user_id, want->user_id);
    ck_assert_int_eq(got->max_issuance_count, want->max_issuance_count);
    ck_assert_int_eq(got->discount_amount, want->discount_amount);
    ck_assert_pstr_eq(got->coupon_name, want->coupon_name);
    ck_assert_int_eq(got->requested_at_us, want->requested_at_us);
    ck_assert_int_eq(got->ticket, want->ticket);
}

START_TEST(coupon)
{
    struct msg_coupon_issue got, bare = {.coupon_id = 1, .user_id = 2, .discount_amount = 150050};
    for (enum msg_schema schema = MSG_DOCUMENTED; schema <= MSG_BOTH; schema++) {
        struct buf text = BUF_INIT;
        msg_coupon_issue_print(&text, fixture_coupon(), schema);
        check_golden("coupon_issue", schema, &text);
        ck_assert_msg(msg_coupon_issue_parse(text.data, text.len, &got, &e), "%s", e.text);
        check_coupon(&got, fixture_coupon());
        msg_coupon_issue_free(&got);
        buf_clear(&text);
        msg_coupon_issue_print(&text, &bare, schema);
        ck_assert_str_eq(buf_str(&text),
                         "{\"couponId\":1,\"userId\":2,\"maxIssuanceCount\":0,\"discountAmount\":1500.50,"
                         "\"requestedAt\":null,\"couponName\":null,\"ticket\":null}");
        ck_assert(msg_coupon_issue_parse(text.data, text.len, &got, &e));
        check_coupon(&got, &bare);
        msg_coupon_issue_free(&got);
        buf_free(&text);
    }
}
END_TEST

START_TEST(coupon_forms)
{
    static const char *const texts[] = {
        "{\"couponId\":10,\"userId\":1001,\"maxIssuanceCount\":100,\"discountAmount\":1000,"
        "\"requestedAt\":[2025,11,23,21,15,7,123456000]}",
        "{\"couponId\":10,\"userId\":1001,\"maxIssuanceCount\":\"100\",\"discountAmount\":1E+3,"
        "\"requestedAt\":\"2025-11-23T21:15:07.123456\"}",
        "{\"userId\":\"1001\",\"couponId\":\"10\",\"maxIssuanceCount\":100.0,\"discountAmount\":\"1000.00\","
        "\"requestedAt\":\"2025-11-23 21:15:07.123456\",\"__class\":\"x\"}",
    };
    struct msg_coupon_issue got, want = *fixture_coupon();
    want.coupon_name = NULL;
    want.ticket = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_msg(msg_coupon_issue_parse(texts[i], strlen(texts[i]), &got, &e), "%s", e.text);
        check_coupon(&got, &want);
        msg_coupon_issue_free(&got);
    }
}
END_TEST

START_TEST(coupon_refused)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{\"userId\":1}", "couponId: is missing"},
        {"{\"couponId\":1,\"userId\":null}", "userId: is null"},
        {"{\"couponId\":-1,\"userId\":1}", "couponId: -1 is below 1"},
        {"{\"couponId\":1,\"userId\":0}", "userId: 0 is below 1"},
        {"{\"couponId\":1,\"userId\":1,\"requestedAt\":\"\"}", "requestedAt: \"\" is not a date"},
        {"{\"couponId\":1,\"userId\":1,\"ticket\":-3}", "ticket: -3 is below 0"},
    };
    struct msg_coupon_issue got;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert(!msg_coupon_issue_parse(cases[i].text, strlen(cases[i].text), &got, &e));
        ck_assert_str_eq(e.text, cases[i].error);
    }
}
END_TEST

START_TEST(type_ids)
{
#define JAVA "kr.hhplus.be.server.shared.kafka."
    for (enum msg_schema schema = MSG_DOCUMENTED; schema <= MSG_BOTH; schema++) {
        ck_assert_str_eq(msg_type_id(MSG_ORDER_COMPLETED, schema), JAVA "message.OrderCompletedMessage");
        ck_assert_str_eq(msg_type_id(MSG_PRODUCT_RANKING, schema), JAVA "message.ProductRankingMessage");
        ck_assert_str_eq(msg_type_id(MSG_DATA_PLATFORM, schema), JAVA "message.DataPlatformMessage");
        ck_assert_str_eq(msg_type_id(MSG_COUPON_ISSUE, schema), schema == MSG_DOCUMENTED
                                                                    ? JAVA "message.CouponIssueMessage"
                                                                    : JAVA "CouponIssueMessage");
    }
}
END_TEST

Suite *msg_event_suite(void)
{
    Suite *s = suite_create("msg_event");
    TCase *tc = tcase_create("events");
    tcase_add_unchecked_fixture(tc, golden_setup, NULL);
    tcase_add_test(tc, ranking);
    tcase_add_test(tc, ranking_forms);
    tcase_add_test(tc, ranking_refused);
    tcase_add_test(tc, platform);
    tcase_add_test(tc, coupon);
    tcase_add_test(tc, coupon_forms);
    tcase_add_test(tc, coupon_refused);
    tcase_add_test(tc, type_ids);
    suite_add_tcase(s, tc);
    return s;
}
