/* Dates: every form, both ways, in zones with and without daylight saving; compared with the C library
 * throughout. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "msg/msg_date.h"
#include "msg_suites.h"

static struct buf out;

static void zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
    msg_date_zone_changed();
}

static void setup(void)
{
    zone("Asia/Seoul");
}

static void teardown(void)
{
    buf_free(&out);
}

static const char *print(void (*form)(struct buf *, int64_t), int64_t v)
{
    buf_clear(&out);
    form(&out, v);
    return buf_str(&out);
}

static int64_t parse(const char *text)
{
    int64_t us = -77;
    ck_assert_msg(msg_date_parse(text, strlen(text), &us), "%s", text);
    return us;
}

static int64_t day(const char *text)
{
    int64_t d = -77;
    ck_assert_msg(msg_date_day_parse(text, strlen(text), &d), "%s", text);
    return d;
}

#define INSTANT INT64_C(1795425845120000) /* 2026-11-23 09:24:05.12 UTC */

START_TEST(forms)
{
    ck_assert_str_eq(print(msg_date_iso, INSTANT), "2026-11-23T18:24:05.12");
    ck_assert_str_eq(print(msg_date_iso, INSTANT - 120000), "2026-11-23T18:24:05");
    ck_assert_str_eq(print(msg_date_iso, INSTANT + 1), "2026-11-23T18:24:05.120001");
    ck_assert_str_eq(print(msg_date_iso, INSTANT - 119990), "2026-11-23T18:24:05.00001");
    ck_assert_str_eq(print(msg_date_iso_us, INSTANT), "2026-11-23T18:24:05.120000");
    ck_assert_str_eq(print(msg_date_iso_us, INSTANT - 120000), "2026-11-23T18:24:05.000000");
    ck_assert_str_eq(print(msg_date_blank, INSTANT), "2026-11-23 18:24:05");
    ck_assert_str_eq(print(msg_date_pg, INSTANT), "2026-11-23 09:24:05.120000+00");
    ck_assert_str_eq(print(msg_date_iso, 0), "1970-01-01T09:00:00");
    ck_assert_str_eq(print(msg_date_pg, -1), "1969-12-31 23:59:59.999999+00");
    ck_assert_str_eq(print(msg_date_iso, -1), "1970-01-01T08:59:59.999999");
}
END_TEST

START_TEST(far_instants_print)
{
    zone("UTC");
    ck_assert_str_eq(print(msg_date_iso, INT64_MAX), "294247-01-10T04:00:54.775807");
    ck_assert_str_eq(print(msg_date_iso, INT64_MIN), "-290308-12-21T19:59:05.224192");
}
END_TEST

static const struct {
    const char *text;
    int64_t us;
} accepted[] = {
    {"2026-11-23T18:24:05.12", INSTANT},
    {"2026-11-23 18:24:05.12", INSTANT},
    {"2026-11-23T18:24:05", INSTANT - 120000},
    {"2026-11-23T18:24", INSTANT - 5120000},
    {"2026-11-23 18:24", INSTANT - 5120000},
    {"2026-11-23T18:24:05.1", INSTANT - 20000},
    {"2026-11-23T18:24:05.120000999", INSTANT},
    {"2026-11-23T18:24:05.120001", INSTANT + 1},
    {"2026-11-23T18:24:05.000829837", INSTANT - 120000 + 829},
    {"2026-11-23T09:24:05.120Z", INSTANT},
    {"2026-11-23T09:24:05.120z", INSTANT},
    {"2026-11-23T09:24Z", INSTANT - 5120000},
    {"2026-11-23T18:24:05.12+09:00", INSTANT},
    {"2026-11-23T18:24:05.12+0900", INSTANT},
    {"2026-11-23 18:24:05.12+09", INSTANT},
    {"2026-11-23 14:54:05.12+05:30", INSTANT},
    {"2026-11-23 05:54:05.12-03:30", INSTANT},
    {"2026-11-23 17:51:57.12+08:27:52", INSTANT},
    {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
    {"1969-12-31T23:59:59.5Z", -500000},
};

START_TEST(accepted_texts)
{
    ck_assert_int_eq(parse(accepted[_i].text), accepted[_i].us);
}
END_TEST

static const char *const refused[] = {
    "",
    "2026",
    "2026-11-23",
    "2026-11-23T",
    "2026-11-23T18",
    "2026-11-23T18:",
    "2026-11-23T18:2",
    "2026-11-23T18:24:",
    "2026-11-23T18:24:5",
    "2026-11-23T18:24:05.",
    "2026-11-23T18:24:05.1234567890",
    "2026-11-23T18:24:05,12",
    "2026-11-23T18:24:60",
    "2026-11-23T24:00:00",
    "2026-11-23T18:60:00",
    "2026-00-23T18:24:05",
    "2026-13-23T18:24:05",
    "2026-11-31T18:24:05",
    "2026-02-29T18:24:05",
    "1900-02-29T18:24:05",
    "2026-11-00T18:24:05",
    "0000-01-01T00:00:00",
    "0001-01-01T00:00:00+09:00",
    "9999-12-31T23:59:59-01:00",
    "20261123T182405",
    "2026-11-23x18:24:05",
    "2026-11-23T18:24:05 ",
    " 2026-11-23T18:24:05",
    "2026-11-23T18:24:05ZZ",
    "2026-11-23T18:24:05+",
    "2026-11-23T18:24:05+9",
    "2026-11-23T18:24:05+09:",
    "2026-11-23T18:24:05+09:0",
    "2026-11-23T18:24:05+09:60",
    "2026-11-23T18:24:05+19:00",
    "2026-11-23T18:24:05+09:00:",
    "2026-11-23T18:24:05+09000",
    "2026-11-23T18:24:05[Asia/Seoul]",
    "-026-11-23T18:24:05",
    "+2026-11-23T18:24:05",
    "infinity",
    "2026-11-23 18:24:05+09 BC",
};

START_TEST(refused_texts)
{
    int64_t us = 77;
    ck_assert_msg(!msg_date_parse(refused[_i], strlen(refused[_i]), &us), "%s", refused[_i]);
    ck_assert_int_eq(us, 77);
}
END_TEST

START_TEST(length_bounds_the_text)
{
    int64_t us;
    ck_assert(msg_date_parse("2026-11-23T18:24:05.129", 22, &us));
    ck_assert_int_eq(us, INSTANT);
    ck_assert(!msg_date_parse("2026-11-23T18:24:05", 18, &us));
}
END_TEST

START_TEST(fields)
{
    int64_t f[8] = {2026, 11, 23, 18, 24, 5, 120000999, 0}, us = 77;
    ck_assert(msg_date_from_fields(f, 7, &us));
    ck_assert_int_eq(us, INSTANT);
    ck_assert(msg_date_from_fields(f, 6, &us));
    ck_assert_int_eq(us, INSTANT - 120000);
    ck_assert(msg_date_from_fields(f, 5, &us));
    ck_assert_int_eq(us, INSTANT - 5120000);
    us = 77;
    ck_assert(!msg_date_from_fields(f, 4, &us));
    ck_assert(!msg_date_from_fields(f, 8, &us));
    ck_assert(!msg_date_from_fields(f, 0, &us));
    static const int64_t wrong[7][2] = {{0, 10000}, {0, 13},  {0, 31},         {-1, 24},
                                        {-1, 60},   {-1, 60}, {-1, 1000000000}};
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 2; j++) {
            int64_t g[7];
            memcpy(g, f, sizeof(g));
            g[i] = wrong[i][j];
            ck_assert(!msg_date_from_fields(g, 7, &us));
            g[i] = j ? INT64_MAX : INT64_MIN;
            ck_assert(!msg_date_from_fields(g, 7, &us));
        }
    ck_assert_int_eq(us, 77);
}
END_TEST

START_TEST(days)
{
    ck_assert_int_eq(day("1970-01-01"), 0);
    ck_assert_int_eq(msg_date_day_of(INSTANT), day("2026-11-23"));
    ck_assert_str_eq(print(msg_date_day, msg_date_day_of(INSTANT)), "2026-11-23");
    ck_assert_str_eq(print(msg_date_day, day("2024-02-28") + 1), "2024-02-29");
    ck_assert_str_eq(print(msg_date_day, day("2024-03-01") - 1), "2024-02-29");
    ck_assert_str_eq(print(msg_date_day, day("2023-03-01") - 1), "2023-02-28");
    ck_assert_str_eq(print(msg_date_day, day("2026-12-31") + 1), "2027-01-01");
    /* The local day, not UTC's. */
    ck_assert_int_eq(msg_date_day_of(parse("2026-11-23T14:59:59.999999Z")), day("2026-11-23"));
    ck_assert_int_eq(msg_date_day_of(parse("2026-11-23T15:00:00Z")), day("2026-11-24"));
    ck_assert_int_eq(msg_date_day_start(day("2026-11-24")), parse("2026-11-23T15:00:00Z"));
    int64_t d = 77;
    ck_assert(!msg_date_day_parse("2026-11-23T", 11, &d));
    ck_assert(!msg_date_day_parse("2026-02-30", 10, &d));
    ck_assert(!msg_date_day_parse("2026-1-01", 9, &d));
    ck_assert_int_eq(d, 77);
}
END_TEST

START_TEST(clocks_put_forward)
{
    zone("Europe/Berlin"); /* 2026-03-29 02:00 -> 03:00 */
    ck_assert_int_eq(parse("2026-03-29T01:59:59"), parse("2026-03-29T00:59:59Z"));
    ck_assert_int_eq(parse("2026-03-29T02:30:00"), parse("2026-03-29T01:30:00Z"));
    ck_assert_int_eq(parse("2026-03-29T03:00:00"), parse("2026-03-29T01:00:00Z"));
    ck_assert_str_eq(print(msg_date_iso, parse("2026-03-29T02:30:00")), "2026-03-29T03:30:00");
    ck_assert_int_eq(msg_date_day_start(day("2026-03-30")) - msg_date_day_start(day("2026-03-29")),
                     INT64_C(23) * 3600 * 1000000);
}
END_TEST

START_TEST(clocks_put_back)
{
    zone("Europe/Berlin"); /* 2026-10-25 03:00 -> 02:00 */
    ck_assert_int_eq(parse("2026-10-25T02:30:00"), parse("2026-10-25T00:30:00Z"));
    ck_assert_int_eq(parse("2026-10-25T03:00:00"), parse("2026-10-25T02:00:00Z"));
    ck_assert_str_eq(print(msg_date_iso, parse("2026-10-25T01:30:00Z")), "2026-10-25T02:30:00");
    ck_assert_int_eq(msg_date_day_start(day("2026-10-26")) - msg_date_day_start(day("2026-10-25")),
                     INT64_C(25) * 3600 * 1000000);
}
END_TEST

START_TEST(days_without_midnight)
{
    zone("America/Sao_Paulo"); /* 2018-11-04 00:00 -> 01:00 */
    ck_assert_int_eq(msg_date_day_start(day("2018-11-04")), parse("2018-11-04T03:00:00Z"));
    zone("America/Toronto"); /* 1919-03-30 23:30 -> 1919-03-31 00:30 */
    ck_assert_int_eq(msg_date_day_start(day("1919-03-31")), parse("1919-03-31T04:30:00Z"));
    zone("Pacific/Apia"); /* 2011-12-30 did not happen */
    ck_assert_int_eq(msg_date_day_start(day("2011-12-31")), parse("2011-12-30T10:00:00Z"));
    ck_assert_int_eq(msg_date_day_start(day("2011-12-30")), parse("2011-12-30T10:00:00Z"));
    ck_assert_str_eq(print(msg_date_iso, parse("2011-12-30T12:00:00")), "2011-12-31T12:00:00");
}
END_TEST

START_TEST(midnight_twice)
{
    zone("America/Havana"); /* 2026-11-01 01:00 -> 00:00 */
    ck_assert_int_eq(msg_date_day_start(day("2026-11-01")), parse("2026-11-01T04:00:00Z"));
    zone("America/Sao_Paulo"); /* 2019-02-17 00:00 -> 2019-02-16 23:00 */
    ck_assert_int_eq(msg_date_day_start(day("2019-02-17")), parse("2019-02-17T03:00:00Z"));
}
END_TEST

static const char *const zones[] = {
    "Asia/Seoul",       "UTC",        "Europe/Berlin",      "America/New_York",  "Australia/Lord_Howe",
    "Asia/Kathmandu",   "Etc/GMT+12", "Pacific/Kiritimati", "Africa/Casablanca", "America/Sao_Paulo",
    "America/St_Johns",
};

/* What is wrong with an instant, or NULL. */
static const char *compare(int64_t second)
{
    time_t t = (time_t)second;
    struct tm tm;
    char expected[64];
    int64_t us = second * 1000000, back;
    strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", localtime_r(&t, &tm));
    if (strcmp(print(msg_date_iso, us), expected) != 0)
        return "not printed as strftime does";
    int64_t start = msg_date_day_start(msg_date_day_of(us));
    if (start > us || msg_date_day_of(start) != msg_date_day_of(us) ||
        msg_date_day_of(start - 1) == msg_date_day_of(us))
        return "not the start of its day";
    print(msg_date_pg, us + 7);
    if (!msg_date_parse(out.data, out.len, &back) || back != us + 7)
        return "not read back from PostgreSQL's form";
    /* What comes twice a year is read as the earlier one. */
    if (!msg_date_parse(expected, strlen(expected), &back) || back > us)
        return "not read back";
    if (back != us && strcmp(print(msg_date_iso, back), expected) != 0)
        return "read back as another local time";
    return NULL;
}

/* Against the C library: over two centuries in steps that hit every hour of the day, and two years closely.
 */
START_TEST(as_the_c_library)
{
    zone(zones[_i]);
    const char *wrong = NULL;
    int64_t t;
    for (t = -2500000000; !wrong && t < 4200000000; t += 86311 * 7)
        wrong = compare(t);
    for (t = wrong ? t : 1767200000; !wrong && t < 1767200000 + 63000000; t += 1201)
        wrong = compare(t);
    ck_assert_msg(!wrong, "about %lld: %s", (long long)t, wrong);
}
END_TEST

Suite *date_suite(void)
{
    Suite *s = suite_create("date");
    TCase *t = tcase_create("dates");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, forms);
    tcase_add_test(t, far_instants_print);
    tcase_add_loop_test(t, accepted_texts, 0, ARRAY_LEN(accepted));
    tcase_add_loop_test(t, refused_texts, 0, ARRAY_LEN(refused));
    tcase_add_test(t, length_bounds_the_text);
    tcase_add_test(t, fields);
    tcase_add_test(t, days);
    tcase_add_test(t, clocks_put_forward);
    tcase_add_test(t, clocks_put_back);
    tcase_add_test(t, days_without_midnight);
    tcase_add_test(t, midnight_twice);
    tcase_add_loop_test(t, as_the_c_library, 0, ARRAY_LEN(zones));
    suite_add_tcase(s, t);
    return s;
}
