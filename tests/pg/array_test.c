/* Array parameters, byte by byte as the server's array_recv() takes them; that it does is tested with the services. */
#include "pg/pg.h"
#include "pg_suites.h"

static struct buf array, hex;

static void begin(void)
{
    pg_array_begin(&array);
}

static void end(void)
{
    buf_free(&array);
    buf_free(&hex);
}

/* The array as a parameter, in hexadecimal digits; as it is when it is text. */
static const char *param(void)
{
    struct pg_params p = {0};
    pg_params_array(&p, &array);
    ck_assert_int_eq(p.n, 1);
    if (!p.sizes[0])
        return p.values[0];
    buf_clear(&hex);
    for (int i = 0; i < p.sizes[0]; i++)
        buf_printf(&hex, "%02x%s", (unsigned char)p.values[0][i], i % 4 == 3 ? " " : "");
    return buf_str(&hex);
}

#define IS(expected)                                                                                         \
    do {                                                                                                     \
        ck_assert_str_eq(param(), expected);                                                                 \
        pg_array_begin(&array);                                                                              \
    } while (0)
#define HEAD(nulls, type, n) "00000001 0000000" #nulls " " type " 0000000" #n " 00000001 "
#define INT8                 "00000014"
#define TEXT                 "00000019"
#define NUMERIC              "000006a4"

START_TEST(numbers)
{
    pg_array_i64(&array, INT64_MIN);
    pg_array_i64(&array, 0);
    pg_array_i64(&array, INT64_MAX);
    IS(HEAD(0, INT8, 3) "00000008 80000000 00000000 00000008 00000000 00000000 00000008 7fffffff ffffffff ");
    pg_array_null(&array);
    pg_array_i64(&array, 258);
    IS(HEAD(1, INT8, 2) "ffffffff 00000008 00000000 00000102 ");
}
END_TEST

/* Digits to the base of 10,000: how many, the power of the first, the sign, two decimals to show. */
START_TEST(amounts)
{
    static const struct {
        money amount;
        const char *expected;
    } cases[] = {
        {0, "00000008 00000000 00000002 "},
        {5, "0000000a 0001ffff 00000002 01f4"},                /* 0.05 */
        {-5, "0000000a 0001ffff 40000002 01f4"},               /* -0.05 */
        {100, "0000000a 00010000 00000002 0001"},              /* 1.00 */
        {1000000, "0000000a 00010001 00000002 0001"},          /* 10000.00 */
        {100000000, "0000000a 00010001 00000002 0064"},        /* 1000000.00 */
        {1000050, "0000000e 00030001 00000002 00010000 1388"}, /* 10000.50 */
        {MONEY_MAX, "00000012 00050003 00000002 0009270f 270f270f 26ac"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf expected = BUF_INIT;
        buf_printf(&expected, HEAD(0, NUMERIC, 1) "%s", cases[i].expected);
        pg_array_money(&array, cases[i].amount);
        IS(buf_str(&expected));
        buf_free(&expected);
    }
}
END_TEST

START_TEST(texts)
{
    pg_array_text(&array, "");
    pg_array_text(&array, NULL);
    pg_array_text(&array, "\"\\{,");
    pg_array_text_slice(&array, (struct slice){"{\"k\":1}tail", 7});
    pg_array_text_slice(&array, (struct slice){0});
    IS(HEAD(1, TEXT, 5) "00000000 ffffffff 00000004 225c7b2c 00000007 7b226b22 3a317d00 000000");
}
END_TEST

/* Nothing says which type they are of. */
START_TEST(nothing_and_nulls_are_text)
{
    IS("{}");
    pg_array_null(&array);
    IS("{NULL}");
    pg_array_null(&array);
    pg_array_text(&array, NULL);
    IS("{NULL,NULL}");
}
END_TEST

Suite *array_suite(void)
{
    Suite *s = suite_create("arrays");
    TCase *c = tcase_create("parameters");
    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, numbers);
    tcase_add_test(c, amounts);
    tcase_add_test(c, texts);
    tcase_add_test(c, nothing_and_nulls_are_text);
    suite_add_tcase(s, c);
    return s;
}
