/* Options, operands and values of commands. What is told to the user goes to standard error, which TAP ignores. */
#include "tests/ctl/test_ctl.h"

#include <stdlib.h>

#include "ctl/ctl.h"

static const char *limit, *name;
static bool json;

static bool take(struct ctl *c, int argc, const char **argv)
{
    static char *kept[16];
    memcpy(kept, argv, (size_t)argc * sizeof *argv);
    *c = (struct ctl){.argc = argc, .argv = kept, .usage = "test"};
    limit = name = NULL;
    json = false;
    const struct ctl_option options[] = {
        {"--limit", &limit, NULL}, {"--name", &name, NULL}, {"--json", NULL, &json}, {0}};
    return ctl_options(c, options);
}
#define TAKE(c, ...) take(c, (int)ARRAY_LEN(((const char *[]){__VA_ARGS__})), (const char *[]){__VA_ARGS__})

START_TEST(options_anywhere)
{
    struct ctl c;
    ck_assert(TAKE(&c, "--json", "7", "--limit", "5", "eight", "--name=a=b"));
    ck_assert(json);
    ck_assert_str_eq(limit, "5");
    ck_assert_str_eq(name, "a=b");
    ck_assert_int_eq(c.argc, 2);
    ck_assert_str_eq(c.argv[0], "7");
    ck_assert_str_eq(c.argv[1], "eight");
    ck_assert(ctl_operands(&c, 2));
    ck_assert(!ctl_operands(&c, 1));
    ck_assert(!ctl_operands(&c, 3));
}
END_TEST

START_TEST(values_may_look_like_options)
{
    struct ctl c;
    ck_assert(TAKE(&c, "--name", "--json", "--limit="));
    ck_assert_str_eq(name, "--json");
    ck_assert_str_eq(limit, "");
    ck_assert(!json);
    ck_assert(TAKE(&c, "--", "--json", "-5"));
    ck_assert(!json);
    ck_assert_int_eq(c.argc, 2);
    ck_assert_str_eq(c.argv[1], "-5");
}
END_TEST

START_TEST(wrong_options)
{
    struct ctl c;
    ck_assert(!TAKE(&c, "--lim", "5"));
    ck_assert(!TAKE(&c, "--limits", "5"));
    ck_assert(!TAKE(&c, "-5"));
    ck_assert(!TAKE(&c, "--limit"));
    ck_assert(!TAKE(&c, "--limit", "1", "--limit", "1"));
    ck_assert(!TAKE(&c, "--json=1"));
}
END_TEST

START_TEST(numbers)
{
    const struct ctl c = {.usage = "test"};
    int64_t v = -7;
    const char *wrong[] = {NULL, "", "0", "-1", "1x", "1.0", "+1", " 1", "9223372036854775808"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert(!ctl_number(&c, "N", wrong[i], &v));
    ck_assert_int_eq(v, -7);
    ck_assert(ctl_number(&c, "N", "9223372036854775807", &v));
    ck_assert(v == INT64_MAX);
    ck_assert(ctl_number_between(&c, "N", "0", 0, 9, &v));
    ck_assert_int_eq(v, 0);
    ck_assert(!ctl_number_between(&c, "N", "10", 0, 9, &v));
}
END_TEST

START_TEST(amounts)
{
    const struct ctl c = {.usage = "test"};
    money v = -7;
    ck_assert(!ctl_money(&c, "M", NULL, &v));
    ck_assert(!ctl_money(&c, "M", "-0.01", &v));
    ck_assert(!ctl_money(&c, "M", "1.001", &v));
    ck_assert(!ctl_money(&c, "M", "10000000000000", &v));
    ck_assert_int_eq(v, -7);
    ck_assert(ctl_money(&c, "M", "1500.50", &v));
    ck_assert_int_eq(v, 150050);
    ck_assert(ctl_money(&c, "M", "0", &v));
    ck_assert_int_eq(v, 0);
}
END_TEST

START_TEST(instants)
{
    const struct ctl c = {.usage = "test"};
    int64_t us = -7;
    const char *wrong[] = {"", "noon", "2026-02-30", "2026-11-23T25:00", "1700000000"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        ck_assert(!ctl_time(&c, "T", wrong[i], false, &us));
    ck_assert_int_eq(us, -7);
    const int64_t midnight = INT64_C(1795359600000000); /* 2026-11-23T00:00 in Seoul */
    ck_assert(ctl_time(&c, "T", "2026-11-23", false, &us));
    ck_assert(us == midnight);
    ck_assert(ctl_time(&c, "T", "2026-11-23", true, &us));
    ck_assert(us == midnight + INT64_C(86400000000));
    ck_assert(ctl_time(&c, "T", "2026-11-23T12:00:00", true, &us));
    ck_assert(us == midnight + INT64_C(43200000000));
    ck_assert(ctl_time(&c, "T", "2026-11-22T15:00:00Z", false, &us));
    ck_assert(us == midnight);
}
END_TEST

Suite *args_suite(void)
{
    Suite *s = suite_create("ctl_args");
    TCase *t = tcase_create("args");
    tcase_add_test(t, options_anywhere);
    tcase_add_test(t, values_may_look_like_options);
    tcase_add_test(t, wrong_options);
    tcase_add_test(t, numbers);
    tcase_add_test(t, amounts);
    tcase_add_test(t, instants);
    suite_add_tcase(s, t);
    return s;
}
