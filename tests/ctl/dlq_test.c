/* How dead letters are named and shown: bytes that must not steer a terminal, names, JSON. */
#include "tests/ctl/test_ctl.h"

#include "app/config.h"
#include "ctl/ctl_dlq.h"

static struct ctl c = {.usage = "dlq"};
static struct dlq d;

static void setup(void)
{
    app_config_register();
    struct error e = ERROR_INIT;
    char *none[] = {NULL};
    ck_assert(option_load(NULL, none, NULL, NULL, NULL, &e));
    dlq_init(&d, &c);
}

static void teardown(void)
{
    option_reset();
    app_config_free();
}

START_TEST(bytes_are_escaped)
{
    struct buf out = BUF_INIT;
    static const char bytes[] = "a\\\x1b[1m\n\x00쿠\xff\xc2\x85\x7f z";
    dlq_put_bytes(&out, bytes, sizeof bytes - 1);
    ck_assert_str_eq(buf_str(&out), "a\\\\\\x1b[1m\\x0a\\x00쿠\\xff\\xc2\\x85\\x7f z");
    buf_clear(&out);
    dlq_put_bytes(&out, NULL, 0);
    ck_assert_uint_eq(out.len, 0);
    buf_free(&out);
}
END_TEST

START_TEST(letters_are_named)
{
    static const struct {
        const char *text, *topic;
        int partition;
        int64_t offset;
    } good[] = {{"coupon-issue-events/0/5", "coupon-issue-events-dlt", 0, 5},
                {"coupon-issue-events-dlt/12/0", "coupon-issue-events-dlt", 12, 0},
                {"product-ranking-topic/1/9223372036854775807", "product-ranking-topic-dlt", 1, INT64_MAX}};
    static const char *const bad[] = {"coupon-issue-events",
                                      "coupon-issue-events/0",
                                      "coupon-issue-events/0/-1",
                                      "coupon-issue-events/x/1",
                                      "elsewhere/0/1",
                                      "coupon-issue-events/4294967296/1",
                                      "coupon-issue-events/0/1/2",
                                      "",
                                      "//"};
    struct dead_letter_id id;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert(dlq_letter_name(&d, good[i].text, &id));
        ck_assert_str_eq(id.topic, good[i].topic);
        ck_assert_int_eq(id.partition, good[i].partition);
        ck_assert_int_eq(id.offset, good[i].offset);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!dlq_letter_name(&d, bad[i], &id), "%s", bad[i]);
}
END_TEST

START_TEST(a_letter_as_json)
{
    const struct event_message m = {
        .topic = "t-dlt", .partition = 1, .offset = 2, .timestamp_ms = -1, .key = SLICE("\"k\xff")};
    const struct dead_letter l = {
        .message = &m, .topic = "t", .partition = -1, .offset = -1, .reason = SLICE("why")};
    const struct dead_letter_redrive r = {.state = DEAD_LETTER_SENT,
                                          .as_new_request = true,
                                          .ticket = 4,
                                          .sends = 1,
                                          .changed_at_us = INT64_C(1795359600000000)};
    struct buf out = BUF_INIT;
    struct msg_json j = MSG_JSON(&out);
    msg_json_object(&j);
    dlq_put_json(&j, &l, &r);
    msg_json_object_end(&j);
    ck_assert_str_eq(
        buf_str(&out),
        "{\"topic\":\"t-dlt\",\"partition\":1,\"offset\":2,\"time\":null,\"originalTopic\":\"t\","
        "\"originalPartition\":null,\"originalOffset\":null,\"key\":\"\\\"k\xef\xbf\xbd\",\"consumerGroup\":"
        "null,"
        "\"exception\":null,\"message\":\"why\",\"redrive\":{\"state\":\"SENT\",\"asNewRequest\":true,"
        "\"ticket\":4,"
        "\"arrived\":1,\"error\":null,\"changedAt\":\"2026-11-23T00:00:00\"}}");
    buf_clear(&out);
    dlq_put_redrive(&out, &r);
    buf_putc(&out, ';');
    dlq_put_redrive(&out, &(struct dead_letter_redrive){.state = DEAD_LETTER_SENDING});
    buf_putc(&out, ';');
    dlq_put_redrive(&out, NULL);
    ck_assert_str_eq(buf_str(&out), "SENT anew, ticket 4;SENDING;-");
    buf_free(&out);
}
END_TEST

Suite *dlq_suite(void)
{
    Suite *s = suite_create("dlq");
    TCase *t = tcase_create("dlq");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, bytes_are_escaped);
    tcase_add_test(t, letters_are_named);
    tcase_add_test(t, a_letter_as_json);
    suite_add_tcase(s, t);
    return s;
}
