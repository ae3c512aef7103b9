/* What a dead letter says: Spring's headers, which topic it was for, whether its value can be read, which coupon request it is. */
#include "service/dead_letter.h"

#include "service_suites.h"

static const struct dead_letter_topics topics = {.names = {"orders", "ranking", "platform", "coupons"},
                                                 .suffix = "-dlt"};

#define HEADER(name, literal)                                                                                \
    {                                                                                                        \
        name, literal, sizeof(literal) - 1                                                                   \
    }

static const struct event_header headers[] = {
    HEADER("kafka_dlt-original-topic", "orders"), /* a later one replaces it */
    HEADER("X-Request-Id", "7"),
    HEADER("kafka_dlt-original-topic", "coupons"),
    HEADER("kafka_dlt-original-partition", "\x00\x00\x00\x02"),
    HEADER("kafka_dlt-original-offset", "\x00\x00\x00\x01\x00\x00\x00\x03"),
    HEADER("kafka_dlt-original-timestamp", "\x00\x00\x01\x99\x00\x00\x00\x00"),
    HEADER("kafka_dlt-original-consumer-group", "g"),
    HEADER("kafka_dlt-exception-fqcn", "java.lang.Exception"),
    HEADER("kafka_dlt-exception-message", "no \xff"),
};

static struct event_message message(const char *topic, const char *value)
{
    return (struct event_message){.topic = topic,
                                  .partition = 1,
                                  .offset = 5,
                                  .timestamp_ms = 1,
                                  .value = {value, value ? strlen(value) : 0}};
}

START_TEST(headers_of_spring_are_read)
{
    struct event_message m = message("coupons-dlt", "{}");
    m.headers = headers;
    m.nheaders = ARRAY_LEN(headers);
    struct dead_letter l;
    dead_letter_parse(&topics, &m, &l);
    ck_assert_int_eq(l.kind, EVENT_COUPON_ISSUE);
    ck_assert_str_eq(l.topic, "coupons");
    ck_assert_int_eq(l.partition, 2);
    ck_assert_int_eq(l.offset, INT64_C(0x100000003));
    ck_assert_int_eq(l.timestamp_ms, INT64_C(0x19900000000));
    ck_assert(slice_eq(l.group, "g"));
    ck_assert(slice_eq(l.exception, "java.lang.Exception"));
    ck_assert(slice_eq(l.reason, "no \xff"));
    ck_assert(dead_letter_header_is_ours("kafka_dlt-exception-cause-fqcn"));
    ck_assert(!dead_letter_header_is_ours("X-kafka_dlt-"));
}
END_TEST

/* Some other program's: the name of the dead letters' topic says where they were for, numbers that are none are not said. */
START_TEST(without_headers_the_topic_tells)
{
    static const struct event_header wrong[] = {HEADER("kafka_dlt-original-partition", "2"),
                                                HEADER("kafka_dlt-original-offset", "\x00\x00\x00\x02"),
                                                {"kafka_dlt-original-timestamp", NULL, 0},
                                                {"kafka_dlt-original-topic", NULL, 0}};
    struct event_message m = message("ranking-dlt", "{}");
    m.headers = wrong;
    m.nheaders = ARRAY_LEN(wrong);
    struct dead_letter l;
    dead_letter_parse(&topics, &m, &l);
    ck_assert_int_eq(l.kind, EVENT_PRODUCT_RANKING);
    ck_assert_str_eq(l.topic, "ranking");
    ck_assert_int_eq(l.partition, -1);
    ck_assert_int_eq(l.offset, -1);
    ck_assert_int_eq(l.timestamp_ms, -1);
    ck_assert_uint_eq(l.group.n + l.exception.n + l.reason.n, 0);
    static const struct event_header foreign[] = {HEADER("kafka_dlt-original-topic", "elsewhere")};
    m.headers = foreign;
    m.nheaders = 1;
    dead_letter_parse(&topics, &m, &l);
    ck_assert_int_eq(l.kind, EVENT_TOPIC_COUNT);
    ck_assert_str_eq(l.topic, "elsewhere");
    ck_assert_int_eq(dead_letter_kind(&topics, "coupons"), EVENT_COUPON_ISSUE);
    ck_assert_int_eq(dead_letter_kind(&topics, "coupons-dlt"), EVENT_COUPON_ISSUE);
    ck_assert_int_eq(dead_letter_kind(&topics, "coupons-dl"), EVENT_TOPIC_COUNT);
    ck_assert_int_eq(dead_letter_kind(&topics, "-dlt"), EVENT_TOPIC_COUNT);
}
END_TEST

static const struct {
    const char *topic, *value;
    const char *decoded; /* a part of it; NULL: it cannot be read */
    const char *error;
} values[] = {
    {"ranking-dlt", "{\"productId\":3,\"orderId\":4,\"soldQuantity\":5,\"other\":[]}",
     "{\"productId\":3,\"orderId\":4,\"quantity\":5,\"orderItemId\":null,\"productName\":null,"
     "\"orderCompletedAt\":null}",
     NULL},
    {"ranking-dlt", "{\"productId\":3,\"orderId\":4,\"quantity\":0}", NULL, "quantity: 0 is below 1"},
    {"platform-dlt", "{\"orderId\":9}", "{\"orderId\":9,\"userId\":null}", NULL},
    {"platform-dlt", "", NULL, ""},
    {"coupons-dlt", "{\"couponId\":1,\"userId\":2}", "\"couponId\":1,\"userId\":2", NULL},
    {"coupons-dlt", "{\"couponId\":1,\"userId\":2", NULL, "byte "},
    {"coupons-dlt", NULL, NULL, "the message has no value"},
    {"orders-dlt",
     "{\"orderId\":1,\"userId\":2,\"totalAmount\":5,\"items\":[{\"productId\":1,\"quantity\":1,\"unitPrice\":"
     "5,"
     "\"totalPrice\":5}]}",
     "\"orderId\":1", NULL},
    {"elsewhere", "{}", NULL, "no topic of this shop"},
};

START_TEST(values_are_read_as_their_consumers_do)
{
    struct event_message m = message(values[_i].topic, values[_i].value);
    struct dead_letter l;
    struct buf json = BUF_INIT;
    struct error e = ERROR_INIT;
    dead_letter_parse(&topics, &m, &l);
    bool ok = dead_letter_decode(&l, &json, &e);
    ck_assert_msg(ok == (values[_i].decoded != NULL), "%s", e.text);
    ck_assert_int_eq(dead_letter_decode(&l, NULL, &e), ok);
    if (ok)
        ck_assert_msg(strstr(buf_str(&json), values[_i].decoded) != NULL, "%s", buf_str(&json));
    else
        ck_assert_msg(strstr(e.text, values[_i].error) != NULL, "%s", e.text);
    buf_free(&json);
}
END_TEST

START_TEST(a_coupon_request_keeps_its_identity)
{
    struct event_message m =
        message("coupons-dlt",
                "{\"couponId\":1,\"userId\":2,\"ticket\":3,\"requestedAt\":\"2026-01-01T00:00:00.000001Z\"}");
    struct dead_letter l;
    struct issue_tx_request r;
    dead_letter_parse(&topics, &m, &l);
    ck_assert(dead_letter_coupon_request(&l, &r));
    ck_assert_int_eq(r.coupon_id * 100 + r.user_id * 10 + r.ticket, 123);
    ck_assert_int_eq(r.requested_at_us, INT64_C(1767225600000001));
    /* Without requestedAt it is the instant of the message that failed, not that of the letter. */
    m = message("coupons-dlt", "{\"couponId\":1,\"userId\":2}");
    m.headers = headers;
    m.nheaders = ARRAY_LEN(headers);
    dead_letter_parse(&topics, &m, &l);
    ck_assert(dead_letter_coupon_request(&l, &r));
    ck_assert_int_eq(r.requested_at_us, INT64_C(0x19900000000) * 1000);
    m = message("coupons-dlt", "{");
    dead_letter_parse(&topics, &m, &l);
    ck_assert(!dead_letter_coupon_request(&l, &r));
    m = message("platform-dlt", "{\"couponId\":1,\"userId\":2,\"orderId\":3}");
    dead_letter_parse(&topics, &m, &l);
    ck_assert(!dead_letter_coupon_request(&l, &r));
}
END_TEST

Suite *dead_letter_suite(void)
{
    Suite *s = suite_create("dead_letter");
    TCase *t = tcase_create("letters");
    tcase_add_test(t, headers_of_spring_are_read);
    tcase_add_test(t, without_headers_the_topic_tells);
    tcase_add_loop_test(t, values_are_read_as_their_consumers_do, 0, ARRAY_LEN(values));
    tcase_add_test(t, a_coupon_request_keeps_its_identity);
    suite_add_tcase(s, t);
    return s;
}
