/* The scanner against tables of good and bad JSON; jansson is the second opinion on each. Every text is
 * scanned from a block of exactly its size, so that a sanitizer sees a byte read beyond it. */
#include <jansson.h>

#include "msg/msg_scan.h"
#include "tests/msg/msg_suites.h"

static bool scan(const char *text, size_t n, struct error *e)
{
    char *exact = mem_dup(text, n);
    struct msg_scan s;
    *e = ERROR_INIT;
    msg_scan_init(&s, exact, n, e);
    struct msg_token token = msg_scan_value(&s);
    bool ok = token.type != MSG_TOKEN_ERROR && msg_scan_skip(&s, &token) && msg_scan_end(&s);
    msg_scan_free(&s);
    mem_free(exact);
    return ok;
}

static bool jansson_takes(const char *text, size_t n)
{
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    json_decref(root);
    return root;
}

START_TEST(good)
{
    static const char *const texts[] = {
        "null",
        " \t\r\n true ",
        "false",
        "0",
        "-0",
        "-1.5e-3",
        "1E+4",
        "10.00",
        "9223372036854775807",
        "\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83c\\udf81\"",
        "\"\xec\xbf\xa0\xed\x8f\xb0\"",
        "[]",
        "{}",
        "[1, [2, []], {\"a\": {}}]",
        "{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}],\"\":0}",
    };
    struct error e;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_msg(scan(texts[i], strlen(texts[i]), &e), "%s: %s", texts[i], e.text);
        ck_assert_msg(jansson_takes(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}
END_TEST

START_TEST(bad)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "byte 0: ends where a value is expected"},
        {" ", "byte 1: ends where a value is expected"},
        {"nul", "byte 0: not a value"},
        {"True", "byte 0: not a value"},
        {"NaN", "byte 0: not a value"},
        {"+1", "byte 0: not a value"},
        {".5", "byte 0: not a value"},
        {"-", "byte 1: not a value"},
        {"01", "byte 1: something behind the end"},
        {"1.", "byte 2: no digit behind the decimal point"},
        {"1e", "byte 2: no digit in the exponent"},
        {"1e+", "byte 3: no digit in the exponent"},
        {"\"", "byte 1: a string without end"},
        {"\"abc", "byte 4: a string without end"},
        {"\"\\", "byte 1: not an escape"},
        {"\"\\x\"", "byte 1: not an escape"},
        {"\"\\u12\"", "byte 1: not a \\u escape of a character"},
        {"\"\\u0000\"", "byte 1: not a \\u escape of a character"},
        {"\"\\ud800\"", "byte 1: not a \\u escape of a character"},
        {"\"\\ud800\\u0041\"", "byte 1: not a \\u escape of a character"},
        {"\"\\udc00\"", "byte 1: not a \\u escape of a character"},
        {"\"a\nb\"", "byte 2: a control character in a string"},
        {"\"\xff\"", "byte 1: not UTF-8"},
        {"\"\xc0\x80\"", "byte 1: not UTF-8"},
        {"\"\xed\xa0\x80\"", "byte 1: not UTF-8"},
        {"[1,]", "byte 3: not a value"},
        {"[1 2]", "byte 3: neither ',' nor ']'"},
        {"[", "byte 1: ends where a value is expected"},
        {"{\"a\":1,}", "byte 7: not a key in quotes"},
        {"{\"a\" 1}", "byte 5: no ':' behind the key"},
        {"{\"a\":1 \"b\":2}", "byte 7: neither ',' nor '}'"},
        {"{a:1}", "byte 1: not a key in quotes"},
        {"{'a':1}", "byte 1: not a key in quotes"},
        {"{} {}", "byte 3: something behind the end"},
        {"\xef\xbb\xbf{}", "byte 0: not a value"},
        {"{\"a\":1,\"a\":2}", "a: is there twice"},
        {"{\"a\":1,\"\\u0061\":2}", "\\u0061: is there twice"},
        {"[{\"x\":{\"a\":1,\"b\":2,\"a\":1}}]", "a: is there twice"},
    };
    struct error e;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_msg(!scan(cases[i].text, strlen(cases[i].text), &e), "%s", cases[i].text);
        ck_assert_str_eq(e.text, cases[i].error);
        ck_assert_int_eq(e.kind, ERROR_PERMANENT);
        ck_assert_msg(!jansson_takes(cases[i].text, strlen(cases[i].text)), "%s", cases[i].text);
    }
}
END_TEST

/* Every text cut at every place is an error or a shorter number. */
START_TEST(cut)
{
    const char *text = "{\"a\":[1.5e+3,\"\\ud83c\\udf81\xec\xbf\xa0\",{\"b\":null}],\"c\":true}";
    struct error e;
    ck_assert(scan(text, strlen(text), &e));
    for (size_t n = 0; n < strlen(text); n++)
        ck_assert_msg(!scan(text, n, &e), "%zu", n);
}
END_TEST

START_TEST(limits)
{
    struct error e;
    struct buf text = BUF_INIT;
    for (int depth = MSG_MAX_DEPTH; depth <= MSG_MAX_DEPTH + 1; depth++) {
        buf_clear(&text);
        for (int i = 0; i < depth; i++)
            buf_puts(&text, i % 2 ? "[" : "{\"a\":");
        buf_puts(&text, "1");
        for (int i = depth; i-- > 0;)
            buf_puts(&text, i % 2 ? "]" : "}");
        ck_assert_int_eq(scan(text.data, text.len, &e), depth == MSG_MAX_DEPTH);
    }
    ck_assert_str_eq(e.code, "JSON_LIMIT");
    for (int keys = MSG_MAX_KEYS; keys <= MSG_MAX_KEYS + 1; keys++) {
        buf_clear(&text);
        for (int i = 0; i < keys; i++)
            buf_printf(&text, "%c\"k%d\":{\"k\":%d}", i ? ',' : '{', i, i);
        buf_putc(&text, '}');
        ck_assert_int_eq(scan(text.data, text.len, &e), keys == MSG_MAX_KEYS);
    }
    ck_assert_str_eq(e.code, "JSON_LIMIT");
    buf_free(&text);
}
END_TEST

START_TEST(decoded)
{
    struct error e;
    struct msg_scan s;
    struct buf scratch = BUF_INIT;
    const char *text = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t|\\u0041\\u00e9\\ucfe0\\ud83c\\udf81\"";
    msg_scan_init(&s, text, strlen(text), &e);
    struct msg_token token = msg_scan_value(&s);
    ck_assert_int_eq(token.type, MSG_TOKEN_STRING);
    struct slice value = msg_scan_text(&token, &scratch);
    ck_assert(slice_eq(value, "\"\\/\b\f\n\r\t|A\xc3\xa9\xec\xbf\xa0\xf0\x9f\x8e\x81"));
    buf_free(&scratch);
    msg_scan_free(&s);
}
END_TEST

Suite *msg_scan_suite(void)
{
    Suite *s = suite_create("msg_scan");
    TCase *tc = tcase_create("scanner");
    tcase_add_test(tc, good);
    tcase_add_test(tc, bad);
    tcase_add_test(tc, cut);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, decoded);
    suite_add_tcase(s, tc);
    return s;
}
