/* Field tables: what they print, take and refuse, and the schema that they describe. The order request is the
 * example. */
#include "msg/msg_field.h"
#include "tests/msg/msg_suites.h"

struct line {
    int64_t product_id, quantity;
};

struct request {
    int64_t user_id, coupon_id, size, rank;
    char *name;
    bool urgent;
    money amount;
    struct line *lines;
    size_t nlines;
    char **tags;
    size_t ntags;
    struct {
        char *city;
        int64_t zip;
    } address;
};

static const struct msg_field line_fields[] = {
    MSG_FIELD_I64("productId", struct line, product_id, MSG_REQUIRED, .example = "7"),
    MSG_FIELD_I64("quantity", struct line, quantity, MSG_REQUIRED, .min = 1, .max = 1000),
};
static const struct msg_table line_table = MSG_TABLE("Line", struct line, line_fields);

struct tag {
    char *text;
};
static const struct msg_field tag_fields[] = {
    MSG_FIELD_STRING(NULL, struct tag, text, MSG_REQUIRED, .max = 8)};
static const struct msg_table tag_table = MSG_TABLE("Tag", struct tag, tag_fields);

struct address {
    char *city;
    int64_t zip;
};
static const struct msg_field address_fields[] = {
    MSG_FIELD_STRING("city", struct address, city, MSG_REQUIRED),
    MSG_FIELD_I64("zip", struct address, zip, 0),
};
static const struct msg_table address_table = MSG_TABLE("Address", struct address, address_fields);

static const struct msg_field request_fields[] = {
    MSG_FIELD_I64("userId", struct request, user_id, MSG_REQUIRED, .help = "Who orders."),
    MSG_FIELD_ARRAY("orderItems", struct request, lines, nlines, 3, MSG_REQUIRED, &line_table, .min = 1),
    MSG_FIELD_I64("userCouponId", struct request, coupon_id, MSG_ZERO_IS_NULL),
    MSG_FIELD_I64("size", struct request, size, MSG_OUT_ONLY),
    MSG_FIELD_I64("rank", struct request, rank, MSG_NEG_IS_NULL),
    MSG_FIELD_STRING("name", struct request, name, MSG_OMIT_NULL, .min = 2, .max = 9),
    MSG_FIELD_BOOL("urgent", struct request, urgent, 0),
    MSG_FIELD_MONEY("amount", struct request, amount, 0, .min = -100, .max = 100000000),
    MSG_FIELD_ARRAY("tags", struct request, tags, ntags, 2, 0, &tag_table),
    MSG_FIELD_OBJECT("address", struct request, address, 0, &address_table),
    MSG_FIELD_ARRAY("lines", struct request, lines, nlines, 3, MSG_REQUIRED, &line_table, .views = 2),
};
static const struct msg_table request_table = MSG_TABLE("Request", struct request, request_fields);

static struct request r;
static struct error e;

static bool parse(const char *text)
{
    char *exact = mem_dup(text, strlen(text));
    e = ERROR_INIT;
    bool ok = msg_field_parse(&request_table, exact, strlen(text), &r, &e);
    mem_free(exact);
    return ok;
}

static void check_print(unsigned view, const char *want)
{
    struct buf out = BUF_INIT;
    msg_field_print_view(&out, &request_table, view, &r);
    ck_assert_str_eq(buf_str(&out), want);
    buf_free(&out);
}

START_TEST(round_trip)
{
    const char *text = "{\"userId\":1001,\"orderItems\":[{\"productId\":1,\"quantity\":2},"
                       "{\"productId\":9223372036854775807,\"quantity\":1000}],\"userCouponId\":5,\"size\":0,"
                       "\"rank\":0,\"name\":\"a\\\"b\",\"urgent\":true,\"amount\":1234.50,"
                       "\"tags\":[\"x\",\"\"],\"address\":{\"city\":\"Seoul\",\"zip\":4524}}";
    ck_assert_msg(parse(text), "%s", e.text);
    check_print(1, text);
    ck_assert_int_eq(r.lines[1].product_id, INT64_MAX);
    msg_field_free(&request_table, &r);
    ck_assert_ptr_null(r.lines);
}
END_TEST

/* The forms that requests and Jackson use for one and the same. */
START_TEST(tolerated)
{
    ck_assert_msg(
        parse(" { \"other\" : {\"userId\":[1,{}]} , \"user\\u0049d\":\"1001\", \"size\":77,\"amount\":\"-1\","
              "\"orderItems\":[{\"quantity\":1E+2,\"x\":null,\"productId\":\"-7\"},"
              "{\"quantity\":3.0,\"productId\":0}],\"rank\":null,\"name\":null,\"address\":null,"
              "\"tags\":[]}\n"),
        "%s", e.text);
    ck_assert_int_eq(r.user_id, 1001);
    ck_assert_uint_eq(r.nlines, 2);
    ck_assert_int_eq(r.lines[0].product_id, -7);
    ck_assert_int_eq(r.lines[0].quantity, 100);
    ck_assert_int_eq(r.lines[1].quantity, 3);
    ck_assert_int_eq(r.amount, -100);
    ck_assert_int_eq(r.rank, -1);
    ck_assert_int_eq(r.size, 0);
    check_print(1, "{\"userId\":1001,\"orderItems\":[{\"productId\":-7,\"quantity\":100},"
                   "{\"productId\":0,\"quantity\":3}],\"userCouponId\":null,\"size\":0,\"rank\":null,"
                   "\"urgent\":false,\"amount\":-1,\"tags\":[],\"address\":{\"city\":null,\"zip\":0}}");
    msg_field_free(&request_table, &r);
}
END_TEST

/* Of several spellings the first of the table wins, wherever it stands in the text. */
START_TEST(spellings)
{
    static const char *const texts[] = {
        "{\"userId\":1,\"lines\":[{\"productId\":8,\"quantity\":8}],"
        "\"orderItems\":[{\"productId\":7,\"quantity\":7}]}",
        "{\"userId\":1,\"orderItems\":[{\"productId\":7,\"quantity\":7}],"
        "\"lines\":[{\"productId\":8,\"quantity\":8}]}",
        "{\"userId\":1,\"orderItems\":null,\"lines\":[{\"productId\":7,\"quantity\":8}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_msg(parse(texts[i]), "%s", e.text);
        ck_assert_uint_eq(r.nlines, 1);
        ck_assert_int_eq(r.lines[0].product_id, 7);
        msg_field_free(&request_table, &r);
    }
}
END_TEST

#define LINES "\"orderItems\":[{\"productId\":1,\"quantity\":2}]"

START_TEST(refused)
{
    static const struct {
        const char *text, *code, *error;
    } cases[] = {
        {"", "JSON_SYNTAX", "byte 0: ends where a value is expected"},
        {"[]", "JSON_SYNTAX", "byte 0: not an object"},
        {"{\"userId\":1," LINES "} x", "JSON_SYNTAX", "byte 57: something behind the end"},
        {"{\"userId\":1,\"userId\":1," LINES "}", "JSON_DUPLICATE", "userId: is there twice"},
        {"{\"x\":1,\"userId\":1," LINES ",\"x\":1}", "JSON_DUPLICATE", "x: is there twice"},
        {"{\"userId\":1,\"orderItems\":[{\"productId\":1,\"productId\":1}]}", "JSON_DUPLICATE",
         "orderItems[0].productId: is there twice"},
        {"{" LINES "}", "FIELD_MISSING", "userId: is missing"},
        {"{\"userId\":null," LINES "}", "FIELD_MISSING", "userId: is null"},
        {"{\"userId\":1}", "FIELD_MISSING", "orderItems: is missing"},
        {"{\"userId\":1,\"orderItems\":[{\"productId\":1,\"quantity\":2},{\"productId\":1}]}",
         "FIELD_MISSING", "orderItems[1].quantity: is missing"},
        {"{\"userId\":1,\"orderItems\":[]}", "FIELD_RANGE", "orderItems: has fewer than 1 elements"},
        {"{\"userId\":1,\"orderItems\":[null]}", "FIELD_TYPE", "orderItems[0]: null is not an object"},
        {"{\"userId\":1,\"orderItems\":{}}", "FIELD_TYPE", "orderItems: an object is not an array"},
        {"{\"userId\":1,\"tags\":[\"a\",\"b\",\"c\"]}", "FIELD_RANGE", "tags: has more than 2 elements"},
        {"{\"userId\":1,\"tags\":[\"a\",\"123456789\"]}", "FIELD_RANGE", "tags[1]: is longer than 8 bytes"},
        {"{\"userId\":1.5," LINES "}", "FIELD_TYPE", "userId: 1.5 is not a whole number"},
        {"{\"userId\":\"\"," LINES "}", "FIELD_TYPE", "userId: \"\" is not a whole number"},
        {"{\"userId\":\" 1\"," LINES "}", "FIELD_TYPE", "userId: \" 1\" is not a whole number"},
        {"{\"userId\":\"1E2\"," LINES "}", "FIELD_TYPE", "userId: \"1E2\" is not a whole number"},
        {"{\"userId\":\"0x10\"," LINES "}", "FIELD_TYPE", "userId: \"0x10\" is not a whole number"},
        {"{\"userId\":true," LINES "}", "FIELD_TYPE", "userId: true is not a whole number"},
        {"{\"userId\":[1]," LINES "}", "FIELD_TYPE", "userId: an array is not a whole number"},
        {"{\"userId\":9223372036854775808," LINES "}", "FIELD_RANGE", "userId: does not fit into 64 bits"},
        {"{\"userId\":\"-9223372036854775809\"," LINES "}", "FIELD_RANGE",
         "userId: does not fit into 64 bits"},
        {"{\"userId\":1,\"orderItems\":[{\"productId\":1,\"quantity\":0}]}", "FIELD_RANGE",
         "orderItems[0].quantity: 0 is below 1"},
        {"{\"userId\":1,\"orderItems\":[{\"productId\":1,\"quantity\":1001}]}", "FIELD_RANGE",
         "orderItems[0].quantity: 1001 is above 1000"},
        {"{\"userId\":1,\"name\":\"a\"}", "FIELD_RANGE", "name: is shorter than 2 bytes"},
        {"{\"userId\":1,\"name\":42}", "FIELD_TYPE", "name: 42 is not a text"},
        {"{\"userId\":1,\"urgent\":\"true\"}", "FIELD_TYPE", "urgent: \"true\" is neither true nor false"},
        {"{\"userId\":1,\"amount\":0.001}", "FIELD_TYPE",
         "amount: 0.001 is not an amount of at most 13 digits and 2 decimals"},
        {"{\"userId\":1,\"amount\":-1.01}", "FIELD_RANGE", "amount: -1.01 is below -1"},
        {"{\"userId\":1,\"amount\":1E7}", "FIELD_RANGE", "amount: 10000000 is above 1000000"},
        {"{\"userId\":1,\"address\":{}}", "FIELD_MISSING", "address.city: is missing"},
        {"{\"userId\":1,\"address\":\"Seoul\"}", "FIELD_TYPE", "address: \"Seoul\" is not an object"},
        {"{\"userId\":1,\"urgent\":\"12345678901234567890123456789012345678901234567890\"}", "FIELD_TYPE",
         "urgent: \"123456789012345678901234567890123456789012345678...\" is neither true nor false"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_msg(!parse(cases[i].text), "%s", cases[i].text);
        ck_assert_str_eq(e.text, cases[i].error);
        ck_assert_str_eq(e.code, cases[i].code);
        ck_assert_int_eq(e.kind, ERROR_PERMANENT);
        ck_assert_ptr_null(r.lines);
        ck_assert_ptr_null(r.name);
    }
}
END_TEST

START_TEST(cut)
{
    const char *text = "{\"userId\":1,\"name\":\"abc\",\"tags\":[\"a\"],\"orderItems\":"
                       "[{\"productId\":1,\"quantity\":2},{\"productId\":1,\"quantity\":2}]}";
    for (size_t n = 0; n < strlen(text); n++) {
        char *exact = mem_dup(text, n);
        ck_assert_msg(!msg_field_parse(&request_table, exact, n, &r, &e), "%zu", n);
        mem_free(exact);
    }
}
END_TEST

START_TEST(arrays)
{
    struct line lines[] = {{1, 2}, {3, 4}};
    struct buf out = BUF_INIT;
    struct msg_json j = MSG_JSON(&out);
    msg_field_write_array(&j, &line_table, 1, lines, 2);
    ck_assert_str_eq(buf_str(&out), "[{\"productId\":1,\"quantity\":2},{\"productId\":3,\"quantity\":4}]");
    buf_clear(&out);
    j = MSG_JSON(&out);
    msg_field_write_array(&j, &line_table, 1, NULL, 0);
    ck_assert_str_eq(buf_str(&out), "[]");
    buf_free(&out);
}
END_TEST

#define LINE_SCHEMA                                                                                          \
    "{\"type\":\"object\",\"title\":\"Line\",\"properties\":{\"productId\":{\"type\":\"integer\","           \
    "\"format\":\"int64\",\"examples\":[7]},\"quantity\":{\"type\":\"integer\",\"format\":\"int64\","        \
    "\"minimum\":1,\"maximum\":1000}},\"required\":[\"productId\",\"quantity\"]}"

START_TEST(schema)
{
    struct buf out = BUF_INIT;
    struct msg_json j = MSG_JSON(&out);
    msg_field_schema(&j, &request_table, MSG_IN);
    ck_assert_str_eq(
        buf_str(&out),
        "{\"type\":\"object\",\"title\":\"Request\",\"properties\":{"
        "\"userId\":{\"type\":\"integer\",\"format\":\"int64\",\"description\":\"Who orders.\"},"
        "\"orderItems\":{\"type\":\"array\",\"items\":" LINE_SCHEMA ",\"minItems\":1,\"maxItems\":3},"
        "\"userCouponId\":{\"type\":[\"integer\",\"null\"],\"format\":\"int64\"},"
        "\"rank\":{\"type\":[\"integer\",\"null\"],\"format\":\"int64\"},"
        "\"name\":{\"type\":[\"string\",\"null\"],\"minLength\":2,\"maxLength\":9},"
        "\"urgent\":{\"type\":[\"boolean\",\"null\"]},"
        "\"amount\":{\"type\":[\"number\",\"null\"],\"multipleOf\":0.01,\"minimum\":-1,\"maximum\":1000000},"
        "\"tags\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\",\"maxLength\":8},"
        "\"maxItems\":2},"
        "\"address\":{\"type\":[\"object\",\"null\"],\"properties\":{\"city\":{\"type\":\"string\"},"
        "\"zip\":{\"type\":[\"integer\",\"null\"],\"format\":\"int64\"}},\"required\":[\"city\"]}},"
        "\"required\":[\"userId\",\"orderItems\"]}");
    buf_clear(&out);
    j = MSG_JSON(&out);
    msg_field_schema(&j, &line_table, MSG_OUT);
    ck_assert_str_eq(buf_str(&out), LINE_SCHEMA);
    buf_free(&out);
}
END_TEST

Suite *msg_field_suite(void)
{
    Suite *s = suite_create("msg_field");
    TCase *tc = tcase_create("tables");
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, tolerated);
    tcase_add_test(tc, spellings);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, cut);
    tcase_add_test(tc, arrays);
    tcase_add_test(tc, schema);
    suite_add_tcase(s, tc);
    return s;
}
