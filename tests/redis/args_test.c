/* Building arguments and their encoding. */
#include "redis/redis_internal.h"

#include "redis_suites.h"

START_TEST(kinds)
{
    struct redis_args a = {0};
    redis_args_add(&a, "ZADD");
    redis_args_add_slice(&a, (struct slice){"k\0y", 3});
    redis_args_add_i64(&a, INT64_MIN);
    redis_args_add(&a, "");
    ck_assert_uint_eq(a.n, 4);
    ck_assert_uint_eq(a.v[1].n, 3);
    ck_assert_mem_eq(a.v[1].p, "k\0y", 3);
    ck_assert_uint_eq(a.v[2].n, 20);
    ck_assert_mem_eq(a.v[2].p, "-9223372036854775808", 20);
    ck_assert_uint_eq(a.v[3].n, 0);
}
END_TEST

START_TEST(as_many_numbers_as_fit)
{
    struct redis_args a = {0};
    for (int i = 0; i < REDIS_MAX_ARGS; i++)
        redis_args_add_i64(&a, i);
    for (int i = 0; i < REDIS_MAX_ARGS; i++) {
        int64_t v = -1;
        ck_assert(str_to_i64(a.v[i].p, a.v[i].n, &v));
        ck_assert_int_eq(v, i);
    }
}
END_TEST

START_TEST(one_too_many)
{
    struct redis_args a = {.n = REDIS_MAX_ARGS};
    redis_args_add(&a, "x");
}
END_TEST

START_TEST(encoding)
{
    struct buf b = BUF_INIT;
    redis_encode_count(&b, 3);
    redis_encode_text(&b, "SET");
    redis_encode_arg(&b, "a\r\nb", 4);
    redis_encode_arg(&b, "", 0);
    ck_assert_str_eq(buf_str(&b), "*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    buf_free(&b);
}
END_TEST

Suite *args_suite(void)
{
    Suite *s = suite_create("args");
    TCase *t = tcase_create("args");
    tcase_add_test(t, kinds);
    tcase_add_test(t, as_many_numbers_as_fit);
    tcase_add_test_raise_signal(t, one_too_many, 6);
    tcase_add_test(t, encoding);
    suite_add_tcase(s, t);
    return s;
}
