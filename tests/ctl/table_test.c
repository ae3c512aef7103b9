/* Aligned columns, wide characters, and text that would steer a terminal; the words for a coupon. */
#include "tests/ctl/test_ctl.h"

#include "ctl/ctl_coupon.h"
#include "ctl/ctl_table.h"

static const struct ctl_column columns[] = {{"ID", true}, {"NAME", false}, {"AT", false}};

START_TEST(columns_are_aligned)
{
    struct ctl_table t = CTL_TABLE(columns);
    ctl_table_i64(&t, 1);
    ctl_table_text(&t, "쿠폰");
    ctl_table_date(&t, 0);
    ctl_table_i64(&t, -100);
    ctl_table_text(&t, "x");
    ctl_table_date(&t, INT64_C(1795359600000000));
    struct buf out = BUF_INIT;
    ctl_table_print(&t, &out);
    ck_assert_str_eq(buf_str(&out), "  ID  NAME  AT\n"
                                    "   1  쿠폰  -\n"
                                    "-100  x     2026-11-23 00:00:00\n");
    buf_free(&out);
    ctl_table_free(&t);
}
END_TEST

START_TEST(an_empty_table_has_titles)
{
    struct ctl_table t = CTL_TABLE(columns);
    struct buf out = BUF_INIT;
    ctl_table_print(&t, &out);
    ck_assert_str_eq(buf_str(&out), "ID  NAME  AT\n");
    buf_free(&out);
    ctl_table_free(&t);
}
END_TEST

START_TEST(widths)
{
    ck_assert_uint_eq(ctl_width(""), 0);
    ck_assert_uint_eq(ctl_width("abc"), 3);
    ck_assert_uint_eq(ctl_width("선착순"), 6);
    ck_assert_uint_eq(ctl_width("é"), 1);
    ck_assert_uint_eq(ctl_width("\xff\xfe"), 2);
}
END_TEST

START_TEST(nothing_steers_the_terminal)
{
    struct buf out = BUF_INIT;
    /* Escape, newline, DEL, C1 (CSI), right-to-left override, a byte that is no UTF-8. */
    ctl_put_text(&out, "a\x1b[2Jb\nc\x7f"
                       "d\xc2\x9b"
                       "e\xe2\x80\xae"
                       "f\xff"
                       "g");
    ck_assert_str_eq(buf_str(&out), "a?[2Jb?c?d?e?f?g");
    buf_free(&out);
}
END_TEST

START_TEST(state_of_a_coupon)
{
    struct coupon_row row = {
        .status = "ACTIVE", .max_issuance = 10, .issued = 9, .valid_from_us = 100, .valid_to_us = 200};
    ck_assert_str_eq(ctl_coupon_state(&row, 99), "not-yet");
    ck_assert_str_eq(ctl_coupon_state(&row, 100), "open");
    ck_assert_str_eq(ctl_coupon_state(&row, 199), "open");
    ck_assert_str_eq(ctl_coupon_state(&row, 200), "over");
    row.issued = 10;
    ck_assert_str_eq(ctl_coupon_state(&row, 150), "sold-out");
    row.status = "INACTIVE";
    ck_assert_str_eq(ctl_coupon_state(&row, 150), "closed");
}
END_TEST

START_TEST(owner_of_a_line)
{
    struct buf out = BUF_INIT;
    ctl_line_owner(&out, &(struct coupon_line_view){0});
    ck_assert_str_eq(buf_str(&out), "nobody at this moment");
    buf_clear(&out);
    ctl_line_owner(&out, &(struct coupon_line_view){.owner = "a\nb", .epoch = 7, .lease_ms = 4210});
    ck_assert_str_eq(buf_str(&out), "a?b (epoch 7, lease ends in 4.2 s)");
    buf_free(&out);
}
END_TEST

Suite *table_suite(void)
{
    Suite *s = suite_create("ctl_table");
    TCase *t = tcase_create("table");
    tcase_add_test(t, columns_are_aligned);
    tcase_add_test(t, an_empty_table_has_titles);
    tcase_add_test(t, widths);
    tcase_add_test(t, nothing_steers_the_terminal);
    tcase_add_test(t, state_of_a_coupon);
    tcase_add_test(t, owner_of_a_line);
    suite_add_tcase(s, t);
    return s;
}
