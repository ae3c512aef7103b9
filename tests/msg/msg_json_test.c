/* The JSON writer: commas, escapes, numbers. */
#include <math.h>

#include "msg/msg_json.h"
#include "tests/msg/msg_suites.h"

static struct buf out;
static struct msg_json j;

static void setup(void)
{
    out = BUF_INIT;
    j = MSG_JSON(&out);
}

static void teardown(void)
{
    buf_free(&out);
}

START_TEST(structure)
{
    msg_json_object(&j);
    msg_json_key(&j, "empty"), msg_json_object(&j), msg_json_object_end(&j);
    msg_json_key(&j, "list"), msg_json_array(&j);
    msg_json_i64(&j, INT64_MIN), msg_json_i64(&j, INT64_MAX);
    msg_json_array(&j), msg_json_array_end(&j);
    msg_json_object(&j), msg_json_key(&j, "a"), msg_json_null(&j), msg_json_object_end(&j);
    msg_json_array_end(&j);
    msg_json_key(&j, "t"), msg_json_bool(&j, true);
    msg_json_key(&j, "f"), msg_json_bool(&j, false);
    msg_json_key_n(&j, "a\"b", 3), msg_json_raw(&j, "[1]", 3);
    msg_json_object_end(&j);
    ck_assert_str_eq(buf_str(&out),
                     "{\"empty\":{},\"list\":[-9223372036854775808,9223372036854775807,[],{\"a\":null}],"
                     "\"t\":true,\"f\":false,\"a\\\"b\":[1]}");
}
END_TEST

START_TEST(strings)
{
    static const struct {
        const char *in;
        size_t n;
        const char *text;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain / text", 12, "\"plain / text\""},
        {"\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\""},
        {"\xec\xbf\xa0\xed\x8f\xb0 \xf0\x9f\x8e\x81", 11, "\"\xec\xbf\xa0\xed\x8f\xb0 \xf0\x9f\x8e\x81\""},
        {"a\xff", 2, "\"a\xef\xbf\xbd\""},
        {"\xed\xa0\x80z", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\""},
        {"\xec\xbf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        teardown();
        setup();
        msg_json_string_n(&j, cases[i].in, cases[i].n);
        ck_assert_str_eq(buf_str(&out), cases[i].text);
    }
    teardown();
    setup();
    msg_json_string(&j, NULL);
    ck_assert_str_eq(buf_str(&out), "null");
}
END_TEST

START_TEST(numbers)
{
    msg_json_array(&j);
    msg_json_money(&j, 5000000), msg_json_money(&j, 123450), msg_json_money(&j, -1);
    msg_json_money_fixed(&j, 5000000), msg_json_money_fixed(&j, 0);
    msg_json_double(&j, 0.1), msg_json_double(&j, 2), msg_json_double(&j, -0.0), msg_json_double(&j, 1e300);
    msg_json_double(&j, 1.0 / 3), msg_json_double(&j, NAN), msg_json_double(&j, -INFINITY);
    msg_json_array_end(&j);
    ck_assert_str_eq(buf_str(&out), "[50000,1234.50,-0.01,50000.00,0.00,0.1,2.0,-0.0,1e+300,"
                                    "0.3333333333333333,\"NaN\",\"-Infinity\"]");
}
END_TEST

Suite *msg_json_suite(void)
{
    Suite *s = suite_create("msg_json");
    TCase *tc = tcase_create("writer");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, structure);
    tcase_add_test(tc, strings);
    tcase_add_test(tc, numbers);
    suite_add_tcase(s, tc);
    return s;
}
