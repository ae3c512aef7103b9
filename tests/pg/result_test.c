/* Reading rows, and what SQLSTATEs mean. */
#include <signal.h>

#include "pg/pg_internal.h"
#include "pg_suites.h"

static PGresult *res;

static void setup(void)
{
    static char names[5][8] = {"a", "b", "c", "d", "e"};
    PGresAttDesc columns[5];
    memset(columns, 0, sizeof(columns));
    for (int i = 0; i < 5; i++)
        columns[i].name = names[i];
    res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    ck_assert(PQsetResultAttrs(res, 5, columns));
    static const char *const row[] = {"9007199254740993", "1234.50", "t", "text", NULL};
    for (int i = 0; i < 5; i++)
        ck_assert(PQsetvalue(res, 0, i, (char *)(uintptr_t)row[i], row[i] ? (int)strlen(row[i]) : -1));
}

static void teardown(void)
{
    PQclear(res);
}

START_TEST(values)
{
    struct pg_result r = {.res = res};
    ck_assert_int_eq(pg_result_rows(&r), 1);
    ck_assert_int_eq(pg_result_columns(&r), 5);
    ck_assert_int_eq(pg_result_i64(&r, 0, 0), INT64_C(9007199254740993));
    ck_assert_int_eq(pg_result_money(&r, 0, 1), 123450);
    ck_assert(pg_result_bool(&r, 0, 2));
    ck_assert_str_eq(pg_result_text(&r, 0, 3), "text");
    ck_assert_uint_eq(pg_result_size(&r, 0, 3), 4);
    ck_assert(!pg_result_null(&r, 0, 3));
    ck_assert(pg_result_null(&r, 0, 4));
    ck_assert_str_eq(pg_result_text(&r, 0, 4), "");
}
END_TEST

START_TEST(row_beyond_the_end_is_a_bug)
{
    struct pg_result r = {.res = res};
    pg_result_text(&r, 1, 0);
}
END_TEST

START_TEST(wrong_type_is_a_bug)
{
    struct pg_result r = {.res = res};
    pg_result_i64(&r, 0, 3);
}
END_TEST

START_TEST(null_is_not_a_number)
{
    struct pg_result r = {.res = res};
    pg_result_i64(&r, 0, 4);
}
END_TEST

START_TEST(which_failures_go_away)
{
    static const char *const yes[] = {"40001", "40P01", "55P03", "57014", "57P01", "53300", "25P03", "08006"};
    static const char *const no[] = {"23505", "22P02", "42P01", "23514", "25006", "0A000"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        ck_assert_msg(pg_error_is_retriable(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        ck_assert_msg(!pg_error_is_retriable(no[i]), "%s", no[i]);
}
END_TEST

START_TEST(messages_of_libpq_are_one_line)
{
    struct error e = ERROR_INIT;
    pg_error_of_libpq(&e, "CONNECT", "connection to server failed: refused\n\tIs the server running?\n");
    ck_assert_str_eq(e.text, "connection to server failed: refused");
    ck_assert_int_eq(e.kind, ERROR_RETRIABLE);
    pg_error_of_libpq(&e, "CONNECT", "");
    ck_assert_str_ne(e.text, "");
}
END_TEST

START_TEST(parameters_are_copied)
{
    char first[] = "one";
    struct pg_params *copy = pg_params_copy(PG_PARAMS(first, NULL, "", "three"));
    first[0] = 'X';
    ck_assert_int_eq(copy->n, 4);
    ck_assert_str_eq(copy->values[0], "one");
    ck_assert_ptr_null(copy->values[1]);
    ck_assert_str_eq(copy->values[2], "");
    ck_assert_str_eq(copy->values[3], "three");
    mem_free(copy);
    copy = pg_params_copy(PG_NO_PARAMS);
    ck_assert_int_eq(copy->n, 0);
    mem_free(copy);
}
END_TEST

Suite *result_suite(void)
{
    Suite *s = suite_create("results");
    TCase *c = tcase_create("rows");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, values);
    tcase_add_test_raise_signal(c, row_beyond_the_end_is_a_bug, SIGABRT);
    tcase_add_test_raise_signal(c, wrong_type_is_a_bug, SIGABRT);
    tcase_add_test_raise_signal(c, null_is_not_a_number, SIGABRT);
    suite_add_tcase(s, c);
    c = tcase_create("errors and parameters");
    tcase_add_test(c, which_failures_go_away);
    tcase_add_test(c, messages_of_libpq_are_one_line);
    tcase_add_test(c, parameters_are_copied);
    suite_add_tcase(s, c);
    return s;
}
