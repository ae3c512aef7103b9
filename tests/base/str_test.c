/* Slices, strict numbers, UTF-8. */
#include "test_base.h"

#include "base/str.h"

START_TEST(slices_compare_and_trim)
{
    ck_assert_uint_eq(slice_of(NULL).n, 0);
    ck_assert_uint_eq(slice_of("abc").n, 3);
    ck_assert_uint_eq(SLICE("a\0b").n, 3);
    ck_assert(slice_eq(SLICE("abc"), "abc"));
    ck_assert(!slice_eq(SLICE("abc"), "abd"));
    ck_assert(!slice_eq(SLICE("abc"), "ab"));
    ck_assert(slice_eq((struct slice){0}, ""));
    ck_assert(slice_ieq(SLICE("AbC"), "aBc"));
    ck_assert(!slice_ieq(SLICE("AbC"), "aBcd"));
    ck_assert(!slice_ieq(SLICE("["), "{"));
    ck_assert(slice_iequal(SLICE("X-y"), SLICE("x-Y")));
    ck_assert(slice_eq(slice_trim(SLICE(" \t\r\n a b \r\n")), "a b"));
    ck_assert_uint_eq(slice_trim(SLICE(" \t ")).n, 0);
    ck_assert_uint_eq(slice_trim((struct slice){0}).n, 0);
    ck_assert(str_ieq("Kafka", "KAFKA"));
    ck_assert(!str_ieq("kafk", "kafka"));
    ck_assert(str_starts_with("kafka.topics", "kafka."));
    ck_assert(str_starts_with("x", ""));
    ck_assert(!str_starts_with("kaf", "kafka"));
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    int64_t value;
} signed_numbers[] = {
    {"0", true, 0},
    {"-0", true, 0},
    {"00012", true, 12},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN},
    {"9223372036854775808", false, 0},
    {"-9223372036854775809", false, 0},
    {"18446744073709551616", false, 0},
    {"99999999999999999999999", false, 0},
    {"", false, 0},
    {"-", false, 0},
    {"--1", false, 0},
    {"+1", false, 0},
    {" 1", false, 0},
    {"1 ", false, 0},
    {"1.0", false, 0},
    {"0x10", false, 0},
    {"1e3", false, 0},
};

START_TEST(signed_numbers_are_strict)
{
    int64_t v = 77;
    bool ok = str_to_i64(signed_numbers[_i].text, strlen(signed_numbers[_i].text), &v);
    ck_assert_msg(ok == signed_numbers[_i].ok, "%s", signed_numbers[_i].text);
    ck_assert_int_eq(v, ok ? signed_numbers[_i].value : 77);
}
END_TEST

START_TEST(unsigned_numbers_are_strict)
{
    uint64_t v = 77;
    ck_assert(str_to_u64("18446744073709551615", 20, &v) && v == UINT64_MAX);
    v = 77;
    ck_assert(!str_to_u64("18446744073709551616", 20, &v));
    ck_assert(!str_to_u64("-1", 2, &v));
    ck_assert(!str_to_u64("1\0", 2, &v));
    ck_assert_uint_eq(v, 77);
    ck_assert(str_to_u64("123", 2, &v) && v == 12);
}
END_TEST

static const struct {
    const char *text;
    size_t n;
    bool ok;
} utf8[] = {
    {"", 0, true},
    {"plain", 5, true},
    {"\xed\x95\x9c\xea\xb8\x80", 6, true}, /* Korean */
    {"\xf0\x9f\x9a\x80", 4, true},         /* beyond the first plane */
    {"\xf4\x8f\xbf\xbf", 4, true},         /* U+10FFFF */
    {"\xef\xbf\xbf", 3, true},
    {"a\0b", 3, false},
    {"\x80", 1, false},
    {"\xc0\x80", 2, false}, /* overlong NUL */
    {"\xc1\xbf", 2, false},
    {"\xe0\x9f\xbf", 3, false},     /* overlong */
    {"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
    {"\xed\xa0\x80", 3, false},     /* surrogate */
    {"\xf4\x90\x80\x80", 4, false}, /* beyond U+10FFFF */
    {"\xf5\x80\x80\x80", 4, false},
    {"\xff", 1, false},
    {"\xed\x95", 2, false}, /* cut short */
    {"\xed\x95x", 3, false},
};

START_TEST(utf8_is_checked)
{
    ck_assert(str_is_utf8(utf8[_i].text, utf8[_i].n) == utf8[_i].ok);
}
END_TEST

START_TEST(sequences_have_lengths)
{
    ck_assert_uint_eq(str_utf8_next("", 0), 0);
    ck_assert_uint_eq(str_utf8_next("a", 1), 1);
    ck_assert_uint_eq(str_utf8_next("\0", 1), 1);
    ck_assert_uint_eq(str_utf8_next("\xc3\xa9x", 3), 2);
    ck_assert_uint_eq(str_utf8_next("\xed\x95\x9c", 3), 3);
    ck_assert_uint_eq(str_utf8_next("\xf0\x9f\x9a\x80", 4), 4);
    ck_assert_uint_eq(str_utf8_next("\xf0\x9f\x9a\x80", 3), 0);
}
END_TEST

START_TEST(text_is_cut_between_characters)
{
    const char *s = "a\xed\x95\x9c\xf0\x9f\x9a\x80";
    static const size_t cut[] = {0, 1, 1, 1, 4, 4, 4, 4, 8};
    for (size_t n = 0; n < ARRAY_LEN(cut); n++)
        ck_assert_uint_eq(str_utf8_cut(s, n), cut[n]);
    char out[5];
    str_copy(out, sizeof(out), "abcdef");
    ck_assert_str_eq(out, "abcd");
    str_copy(out, sizeof(out), "abc\xed\x95\x9c");
    ck_assert_str_eq(out, "abc");
    str_copy(out, sizeof(out), "abcd");
    ck_assert_str_eq(out, "abcd");
    str_copy(out, 1, "abcd");
    ck_assert_str_eq(out, "");
}
END_TEST

Suite *str_suite(void)
{
    Suite *s = suite_create("str");
    TCase *tc = tcase_create("str");
    tcase_add_test(tc, slices_compare_and_trim);
    tcase_add_loop_test(tc, signed_numbers_are_strict, 0, (int)ARRAY_LEN(signed_numbers));
    tcase_add_test(tc, unsigned_numbers_are_strict);
    tcase_add_loop_test(tc, utf8_is_checked, 0, (int)ARRAY_LEN(utf8));
    tcase_add_test(tc, sequences_have_lengths);
    tcase_add_test(tc, text_is_cut_between_characters);
    suite_add_tcase(s, tc);
    return s;
}
