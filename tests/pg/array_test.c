/* Array literals. */
#include "pg/pg.h"
#include "pg_suites.h"

static void is(struct buf *b, const char *expected)
{
    pg_array_end(b);
    ck_assert_str_eq(buf_str(b), expected);
    buf_free(b);
    pg_array_begin(b);
}

START_TEST(literals)
{
    struct buf b = BUF_INIT;
    pg_array_begin(&b);
    is(&b, "{}");
    pg_array_i64(&b, INT64_MIN);
    pg_array_i64(&b, 0);
    pg_array_i64(&b, INT64_MAX);
    is(&b, "{-9223372036854775808,0,9223372036854775807}");
    pg_array_money(&b, 0);
    pg_array_money(&b, -5);
    pg_array_money(&b, MONEY_MAX);
    is(&b, "{0.00,-0.05,9999999999999.99}");
    pg_array_null(&b);
    pg_array_raw(&b, "2026-11-23 10:00:00+09");
    pg_array_null(&b);
    is(&b, "{NULL,2026-11-23 10:00:00+09,NULL}");
    buf_free(&b);
}
END_TEST

START_TEST(text_is_always_quoted)
{
    struct buf b = BUF_INIT;
    pg_array_begin(&b);
    pg_array_text(&b, "");
    pg_array_text(&b, NULL);
    pg_array_text(&b, "NULL");
    pg_array_text(&b, "{");
    pg_array_text(&b, "a,b");
    is(&b, "{\"\",NULL,\"NULL\",\"{\",\"a,b\"}");
    pg_array_text(&b, "\"\\\"");
    pg_array_text(&b, "say \"hi\" \\ bye");
    is(&b, "{\"\\\"\\\\\\\"\",\"say \\\"hi\\\" \\\\ bye\"}");
    pg_array_text_slice(&b, (struct slice){"{\"k\":1}tail", 7});
    pg_array_text_slice(&b, (struct slice){0});
    is(&b, "{\"{\\\"k\\\":1}\",\"\"}");
    pg_array_text(&b, "상품");
    is(&b, "{\"상품\"}");
    buf_free(&b);
}
END_TEST

Suite *array_suite(void)
{
    Suite *s = suite_create("arrays");
    TCase *c = tcase_create("literals");
    tcase_add_test(c, literals);
    tcase_add_test(c, text_is_always_quoted);
    suite_add_tcase(s, c);
    return s;
}
