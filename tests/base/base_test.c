/* Memory that never fails and the two ways to end. */
#include "test_base.h"

#include <signal.h>
#include <sysexits.h>

START_TEST(memory_is_zeroed_copied_and_grown)
{
    unsigned char *zero = mem_zalloc(100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(zero[i], 0);
    mem_free(zero);
    int *array = mem_array(10, sizeof(int));
    ck_assert_int_eq(array[9], 0);
    array[9] = 7;
    array = mem_grow(array, 1000, sizeof(int));
    ck_assert_int_eq(array[9], 7);
    mem_free(array);
    char *s = mem_strdup("text");
    ck_assert_str_eq(s, "text");
    mem_free(s);
    s = mem_strndup("text", 2);
    ck_assert_str_eq(s, "te");
    mem_free(s);
    s = mem_strndup("text", 100);
    ck_assert_str_eq(s, "text");
    mem_free(s);
    s = mem_dup("a\0b", 3);
    ck_assert_mem_eq(s, "a\0b", 3);
    mem_free(s);
    mem_free(NULL);
}
END_TEST

START_TEST(nothing_is_a_size_too)
{
    void *p[] = {mem_alloc(0), mem_zalloc(0), mem_array(0, 8), mem_grow(NULL, 0, 8), mem_dup(NULL, 0)};
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        ck_assert_ptr_nonnull(p[i]);
        mem_free(p[i]);
    }
}
END_TEST

START_TEST(an_overflowing_array_ends_the_process)
{
    mem_array(SIZE_MAX / 2, 3);
}
END_TEST

START_TEST(an_overflowing_grow_ends_the_process)
{
    mem_grow(NULL, SIZE_MAX, 2);
}
END_TEST

START_TEST(die_gives_the_exit_code)
{
    base_die(EX_CONFIG, "no %s", "way");
}
END_TEST

START_TEST(die_bounds_its_line)
{
    char longer[5000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    base_die(EX_USAGE, "%s", longer);
}
END_TEST

START_TEST(a_failed_assertion_aborts)
{
    ASSERT(1 + 1 == 3);
}
END_TEST

struct inner {
    int x;
};

struct outer {
    char c;
    struct inner in;
};

START_TEST(container_of_finds_the_whole)
{
    struct outer o;
    ck_assert_ptr_eq(CONTAINER_OF(&o.in, struct outer, in), &o);
    ASSERT(true);
}
END_TEST

Suite *base_suite(void)
{
    Suite *s = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_add_test(tc, memory_is_zeroed_copied_and_grown);
    tcase_add_test(tc, nothing_is_a_size_too);
    tcase_add_test(tc, container_of_finds_the_whole);
    tcase_add_exit_test(tc, an_overflowing_array_ends_the_process, EX_OSERR);
    tcase_add_exit_test(tc, an_overflowing_grow_ends_the_process, EX_OSERR);
    tcase_add_exit_test(tc, die_gives_the_exit_code, EX_CONFIG);
    tcase_add_exit_test(tc, die_bounds_its_line, EX_USAGE);
    tcase_add_test_raise_signal(tc, a_failed_assertion_aborts, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
