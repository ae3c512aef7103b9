/* Exact money: what is read, what is refused, what is printed. */
#include "test_base.h"

#include "base/money.h"

static const struct {
    const char *text;
    bool ok;
    money cents;
} numbers[] = {
    {"0", true, 0},
    {"-0", true, 0},
    {"-0.00", true, 0},
    {"50000", true, 5000000},
    {"50000.00", true, 5000000},
    {"-12.5", true, -1250},
    {"12.340", true, 1234},
    {"0.05", true, 5},
    {"0.050000000000000000000000000000", true, 5},
    {"1E+4", true, 1000000},
    {"1e4", true, 1000000},
    {"1.5E3", true, 150000},
    {"1E-2", true, 1},
    {"100E-4", true, 1},
    {"1234567E-3", false, 0},
    {"1234560E-3", true, 123456},
    {"0E+99999999999999999999", true, 0},
    {"0E-99999999999999999999", true, 0},
    {"0.000E+7", true, 0},
    {"9999999999999.99", true, MONEY_MAX},
    {"-9999999999999.99", true, -MONEY_MAX},
    {"9.99999999999999E12", true, MONEY_MAX},
    {"999999999999999000E-5", true, MONEY_MAX},
    {"10000000000000", false, 0},
    {"9999999999999.991", false, 0},
    {"1E13", false, 0},
    {"1E99999999999999999999", false, 0},
    {"1E-99999999999999999999", false, 0},
    {"99999999999999999999999999", false, 0},
    {"0.001", false, 0},
    {"1e-3", false, 0},
    {"", false, 0},
    {"-", false, 0},
    {"+1", false, 0},
    {"--1", false, 0},
    {"1.", false, 0},
    {".5", false, 0},
    {"01", false, 0},
    {"00", false, 0},
    {"1e", false, 0},
    {"1e+", false, 0},
    {"1e1.5", false, 0},
    {" 1", false, 0},
    {"1 ", false, 0},
    {"1,000", false, 0},
    {"0x10", false, 0},
    {"NaN", false, 0},
    {"Infinity", false, 0},
};

START_TEST(decimal_text_is_read)
{
    money v = 77;
    bool ok = money_parse(numbers[_i].text, strlen(numbers[_i].text), &v);
    ck_assert_msg(ok == numbers[_i].ok, "%s", numbers[_i].text);
    ck_assert_msg(v == (ok ? numbers[_i].cents : 77), "%s", numbers[_i].text);
}
END_TEST

START_TEST(the_length_counts_not_the_nul)
{
    money v;
    ck_assert(money_parse("12345", 2, &v) && v == 1200);
    ck_assert(!money_parse("12\0", 3, &v));
}
END_TEST

START_TEST(sums_and_products_stay_in_range)
{
    money v = 77;
    ck_assert(money_add(100, -250, &v) && v == -150);
    ck_assert(money_add(MONEY_MAX - 1, 1, &v) && v == MONEY_MAX);
    ck_assert(money_mul(1234, 3, &v) && v == 3702);
    ck_assert(money_mul(-1, MONEY_MAX, &v) && v == -MONEY_MAX);
    ck_assert(money_mul(0, INT64_MAX, &v) && v == 0);
    v = 77;
    ck_assert(!money_add(MONEY_MAX, 1, &v));
    ck_assert(!money_add(-MONEY_MAX, -1, &v));
    ck_assert(!money_add(INT64_MAX, INT64_MAX, &v));
    ck_assert(!money_mul(MONEY_MAX, 2, &v));
    ck_assert(!money_mul(INT64_MAX, INT64_MAX, &v));
    ck_assert(!money_mul(MONEY_MAX, -2, &v));
    ck_assert_int_eq(v, 77);
}
END_TEST

static const struct {
    money cents;
    const char *fixed;
    const char *brief;
} prints[] = {
    {0, "0.00", "0"},
    {5, "0.05", "0.05"},
    {-5, "-0.05", "-0.05"},
    {50, "0.50", "0.50"},
    {123450, "1234.50", "1234.50"},
    {5000000, "50000.00", "50000"},
    {-100, "-1.00", "-1"},
    {MONEY_MAX, "9999999999999.99", "9999999999999.99"},
    {INT64_MIN, "-92233720368547758.08", "-92233720368547758.08"},
};

START_TEST(money_is_printed)
{
    char out[MONEY_PRINT_SIZE];
    ck_assert_uint_eq(money_print_fixed(prints[_i].cents, out), strlen(prints[_i].fixed));
    ck_assert_str_eq(out, prints[_i].fixed);
    ck_assert_uint_eq(money_print_short(prints[_i].cents, out), strlen(prints[_i].brief));
    ck_assert_str_eq(out, prints[_i].brief);
}
END_TEST

START_TEST(what_is_printed_reads_back)
{
    for (money v = -100000; v <= 100000; v += 7) {
        char out[MONEY_PRINT_SIZE];
        money back;
        ck_assert(money_parse(out, money_print_fixed(v, out), &back) && back == v);
        ck_assert(money_parse(out, money_print_short(v, out), &back) && back == v);
    }
}
END_TEST

Suite *money_suite(void)
{
    Suite *s = suite_create("money");
    TCase *tc = tcase_create("money");
    tcase_add_loop_test(tc, decimal_text_is_read, 0, (int)ARRAY_LEN(numbers));
    tcase_add_test(tc, the_length_counts_not_the_nul);
    tcase_add_test(tc, sums_and_products_stay_in_range);
    tcase_add_loop_test(tc, money_is_printed, 0, (int)ARRAY_LEN(prints));
    tcase_add_test(tc, what_is_printed_reads_back);
    suite_add_tcase(s, tc);
    return s;
}
