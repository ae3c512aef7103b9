/* Media types, Accept, lists, percent encoding and query parameters against tables. */
#include "http/http_field.h"
#include "tests/http/suites.h"

START_TEST(accept_excludes_json_or_not)
{
    static const struct {
        const char *accept;
        bool ok;
    } rows[] = {
        {"", true},
        {"*/*", true},
        {"application/json", true},
        {"APPLICATION/JSON;charset=utf-8", true},
        {"application/*;q=0.1", true},
        {"text/html, application/xhtml+xml, */*;q=0.8", true},
        {"application/problem+json", true},
        {"text/html", false},
        {"text/html, application/xml;q=0.9", false},
        {"application/json;q=0", false},
        {"application/json;q=0.000, */*", false},
        {"*/*;q=0, application/json", true},
        {"application/*;q=0, */*", false},
        {"application/jsonx", false},
        {"text/plain;p=\"a,application/json\"", false},
        {"garbage", true},
        {"application/json;q=2, text/html", false},
        {", ,", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(http_accepts_json(slice_of(rows[i].accept)) == rows[i].ok, "%s", rows[i].accept);
}
END_TEST

START_TEST(ranges_have_a_quality)
{
    struct slice list = SLICE("en-US, ko;q=0.25 ;x=1,, *;q=0, fr;q=2"), range;
    static const struct {
        const char *range;
        int quality;
    } want[] = {{"en-US", 1000}, {"ko", 250}, {"*", 0}, {"fr", -1}};
    int q;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        ck_assert(http_range_next(&list, &range, &q));
        ck_assert_msg(slice_eq(range, want[i].range) && q == want[i].quality, "%s: %d", want[i].range, q);
    }
    ck_assert(!http_range_next(&list, &range, &q));
}
END_TEST

START_TEST(media_type_without_parameters)
{
    static const char *const rows[][2] = {
        {"application/json", "application/json"},
        {" Text/HTML ; charset=x", "Text/HTML"},
        {"application/json;", "application/json"},
        {"json", ""},
        {"", ""},
        {"a/", ""},
        {"/b", ""},
        {"a/b c", ""},
        {";a/b", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice type = http_media_type(slice_of(rows[i][0]));
        ck_assert_msg(slice_eq(type, rows[i][1]), "%s", rows[i][0]);
    }
}
END_TEST

START_TEST(lists_are_cut_at_commas)
{
    struct slice list = slice_of(" a ,, \"b,\\\",c\" ,d"), e;
    ck_assert(http_list_next(&list, &e) && slice_eq(e, "a"));
    ck_assert(http_list_next(&list, &e) && slice_eq(e, "\"b,\\\",c\""));
    ck_assert(http_list_next(&list, &e) && slice_eq(e, "d"));
    ck_assert(!http_list_next(&list, &e));
    ck_assert(http_list_has(slice_of("x, Close"), "close"));
    ck_assert(!http_list_has(slice_of("x, closed"), "close"));
}
END_TEST

START_TEST(percent_decoding_is_strict)
{
    static const struct {
        const char *text;
        bool form, ok;
        const char *decoded;
    } rows[] = {
        {"", false, true, ""},        {"a%20b", false, true, "a b"},   {"a+b", false, true, "a+b"},
        {"a+b", true, true, "a b"},   {"%ec%9b%90", true, true, "원"}, {"%2F%2f", false, true, "//"},
        {"%", false, false, ""},      {"%4", false, false, ""},        {"%4x", false, false, ""},
        {"%x4", false, false, ""},    {"%00", false, false, ""},       {"%ff", false, false, ""},
        {"%c0%af", false, false, ""},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        buf_puts(&out, "=");
        ck_assert_msg(http_percent_decode(slice_of(rows[i].text), rows[i].form, &out) == rows[i].ok, "%s",
                      rows[i].text);
        ck_assert_str_eq(buf_str(&out) + 1, rows[i].decoded);
    }
    buf_free(&out);
}
END_TEST

START_TEST(query_parameters_are_found)
{
    static const struct {
        const char *query, *name;
        int found;
        const char *value;
    } rows[] = {
        {"", "a", 0, ""},
        {"a=1", "a", 1, "1"},
        {"b=2&a=1", "a", 1, "1"},
        {"a=1&a=2", "a", 1, "2"},
        {"a", "a", 1, ""},
        {"a=", "a", 1, ""},
        {"a=b=c", "a", 1, "b=c"},
        {"&&a=1&", "a", 1, "1"},
        {"aa=1", "a", 0, ""},
        {"%61=1", "a", 1, "1"},
        {"a=%zz", "a", -1, ""},
        {"a=%zz&a=1", "a", 1, "1"},
        {"b=%zz&a=1", "a", 1, "1"},
        {"a=x%20y+z", "a", 1, "x y z"},
        {"user+id=7", "user id", 1, "7"},
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        ck_assert_msg(http_query_get(slice_of(rows[i].query), rows[i].name, &out) == rows[i].found, "%s",
                      rows[i].query);
        ck_assert_str_eq(buf_str(&out), rows[i].value);
    }
    buf_free(&out);
}
END_TEST

Suite *http_field_suite(void)
{
    Suite *s = suite_create("http_field");
    TCase *t = tcase_create("http_field");
    tcase_add_test(t, accept_excludes_json_or_not);
    tcase_add_test(t, ranges_have_a_quality);
    tcase_add_test(t, media_type_without_parameters);
    tcase_add_test(t, lists_are_cut_at_commas);
    tcase_add_test(t, percent_decoding_is_strict);
    tcase_add_test(t, query_parameters_are_found);
    suite_add_tcase(s, t);
    return s;
}
