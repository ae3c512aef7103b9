/* The error value. */
#include "test_base.h"

#include "base/error.h"
#include "base/str.h"

START_TEST(an_error_is_set_and_cleared)
{
    struct error e = ERROR_INIT;
    ck_assert_int_eq(e.kind, ERROR_NONE);
    error_set(&e, ERROR_RETRIABLE, "40P01", "deadlock after %d ms", 12);
    ck_assert_int_eq(e.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(e.code, "40P01");
    ck_assert_str_eq(e.text, "deadlock after 12 ms");
    error_clear(&e);
    ck_assert_int_eq(e.kind, ERROR_NONE);
    ck_assert_str_eq(e.text, "");
    error_set(NULL, ERROR_BUG, "X", "nobody asked");
    error_set(&e, ERROR_BUG, NULL, "no code");
    ck_assert_str_eq(e.code, "");
}
END_TEST

START_TEST(context_may_be_added_to_the_same_error)
{
    struct error e;
    error_set(&e, ERROR_PERMANENT, "23505", "duplicate key");
    error_set(&e, e.kind, e.code, "order 7: %s", e.text);
    ck_assert_str_eq(e.code, "23505");
    ck_assert_str_eq(e.text, "order 7: duplicate key");
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
    struct error e;
    for (size_t ascii = 0; ascii < 4; ascii++) {
        char text[1200];
        memset(text, 'x', ascii);
        for (size_t i = ascii; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xed\x95\x9c", 4);
        error_set(&e, ERROR_PERMANENT, "A_CODE_THAT_IS_LONGER_THAN_THE_FIELD", "%s", text);
        ck_assert_uint_ge(strlen(e.text), sizeof(e.text) - 4);
        ck_assert(str_is_utf8(e.text, strlen(e.text)));
        ck_assert_uint_eq(strlen(e.code), sizeof(e.code) - 1);
    }
}
END_TEST

START_TEST(kinds_have_names)
{
    ck_assert_str_eq(error_kind_name(ERROR_NONE), "none");
    ck_assert_str_eq(error_kind_name(ERROR_RETRIABLE), "retriable");
    ck_assert_str_eq(error_kind_name(ERROR_PERMANENT), "permanent");
    ck_assert_str_eq(error_kind_name(ERROR_UNKNOWN), "unknown");
    ck_assert_str_eq(error_kind_name(ERROR_BUG), "bug");
}
END_TEST

Suite *error_suite(void)
{
    Suite *s = suite_create("error");
    TCase *tc = tcase_create("error");
    tcase_add_test(tc, an_error_is_set_and_cleared);
    tcase_add_test(tc, context_may_be_added_to_the_same_error);
    tcase_add_test(tc, long_texts_are_cut_between_characters);
    tcase_add_test(tc, kinds_have_names);
    suite_add_tcase(s, tc);
    return s;
}
