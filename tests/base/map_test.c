/* Both maps against a plain model, and walks that delete. */
#include "test_base.h"

#include <signal.h>
#include <stdio.h>

#include "base/map.h"
#include "base/random.h"

static int things[4];

START_TEST(puts_gets_and_deletes)
{
    struct map *m = map_new();
    ck_assert_ptr_null(map_get(m, 1));
    ck_assert_ptr_null(map_del(m, 1));
    ck_assert_ptr_null(map_put(m, 1, &things[0]));
    ck_assert_ptr_null(map_put(m, -1, &things[1]));
    ck_assert_ptr_null(map_put(m, 0, &things[2]));
    ck_assert_ptr_null(map_put(m, INT64_MIN, &things[3]));
    ck_assert_uint_eq(map_len(m), 4);
    ck_assert_ptr_eq(map_put(m, 1, &things[3]), &things[0]);
    ck_assert_uint_eq(map_len(m), 4);
    ck_assert_ptr_eq(map_get(m, 1), &things[3]);
    ck_assert_ptr_eq(map_get(m, 0), &things[2]);
    ck_assert_ptr_eq(map_del(m, -1), &things[1]);
    ck_assert_ptr_null(map_get(m, -1));
    ck_assert_uint_eq(map_len(m), 3);
    map_clear(m);
    ck_assert_uint_eq(map_len(m), 0);
    ck_assert_ptr_null(map_get(m, 1));
    ck_assert_ptr_null(map_put(m, 1, &things[0]));
    map_free(m);
    map_free(NULL);
}
END_TEST

#define MODEL_KEYS 512

START_TEST(it_agrees_with_a_plain_array)
{
    static void *model[MODEL_KEYS];
    size_t len = 0, wrong = 0;
    struct map *m = map_new();
    for (int i = 0; i < 200000; i++) {
        int64_t key = (int64_t)random_below(MODEL_KEYS);
        void **expected = &model[key];
        switch (random_below(3)) {
        case 0:
            wrong += map_get(m, key) != *expected;
            break;
        case 1:
            len += !*expected;
            wrong += map_put(m, key, &things[i % 4]) != *expected;
            *expected = &things[i % 4];
            break;
        default:
            len -= *expected != NULL;
            wrong += map_del(m, key) != *expected;
            *expected = NULL;
        }
        wrong += map_len(m) != len;
    }
    ck_assert_uint_eq(wrong, 0);
    map_free(m);
}
END_TEST

START_TEST(a_walk_sees_each_key_once_while_it_deletes)
{
    enum {
        N = 5000
    };
    static int seen[N];
    struct map *m = map_new();
    for (int64_t i = 0; i < N; i++)
        map_put(m, i, &seen[i]);
    size_t pos = 0;
    int64_t key;
    void *value;
    while (map_next(m, &pos, &key, &value)) {
        ++*(int *)value;
        ck_assert_ptr_eq(value, &seen[key]);
        if (key % 3)
            ck_assert_ptr_eq(map_del(m, key), value);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(seen[i], 1);
        ck_assert_ptr_eq(map_get(m, i), i % 3 ? NULL : &seen[i]);
    }
    pos = 0;
    while (map_next(m, &pos, &key, NULL))
        map_del(m, key);
    ck_assert_uint_eq(map_len(m), 0);
    pos = 0;
    ck_assert(!map_next(m, &pos, &key, &value));
    map_free(m);
}
END_TEST

/* Ids come and go: marks of deleted entries must not fill the table. */
START_TEST(a_moving_window_stays_fast)
{
    struct map *m = map_new();
    int64_t missing = 0;
    for (int64_t i = 0; i < 300000; i++) {
        map_put(m, i, &things[0]);
        missing += map_del(m, i - 100) == NULL;
    }
    ck_assert_int_eq(missing, 100);
    ck_assert_uint_eq(map_len(m), 100);
    map_free(m);
}
END_TEST

START_TEST(text_keys_are_bytes_of_their_own)
{
    struct strmap *m = strmap_new();
    char key[8] = "abc";
    ck_assert_ptr_null(strmap_put(m, key, 3, &things[0]));
    key[0] = 'x';
    ck_assert_ptr_eq(strmap_get(m, "abc", 3), &things[0]);
    ck_assert_ptr_null(strmap_get(m, "abc", 2));
    ck_assert_ptr_null(strmap_put(m, "", 0, &things[1]));
    ck_assert_ptr_null(strmap_put(m, "abc\0", 4, &things[2]));
    ck_assert_ptr_null(strmap_put(m, "abc\0d", 5, &things[3]));
    ck_assert_uint_eq(strmap_len(m), 4);
    ck_assert_ptr_eq(strmap_get(m, "", 0), &things[1]);
    ck_assert_ptr_eq(strmap_get(m, "abc\0", 4), &things[2]);
    ck_assert_ptr_eq(strmap_put(m, "abc", 3, &things[3]), &things[0]);
    ck_assert_ptr_eq(strmap_del(m, "", 0), &things[1]);
    ck_assert_ptr_null(strmap_del(m, "", 0));
    strmap_clear(m);
    ck_assert_uint_eq(strmap_len(m), 0);
    ck_assert_ptr_null(strmap_get(m, "abc", 3));
    strmap_free(m);
    strmap_free(NULL);
}
END_TEST

START_TEST(many_text_keys_of_all_lengths)
{
    struct strmap *m = strmap_new();
    static int seen[3000];
    char key[64];
    for (int i = 0; i < 3000; i++) {
        int n = snprintf(key, sizeof(key), "%0*d", 1 + i % 40, i);
        ck_assert_ptr_null(strmap_put(m, key, (size_t)n, &seen[i]));
    }
    size_t pos = 0;
    struct slice k;
    void *value;
    while (strmap_next(m, &pos, &k, &value)) {
        ++*(int *)value;
        ck_assert_int_eq(k.p[k.n], '\0');
        ck_assert_ptr_eq(strmap_get(m, k.p, k.n), value);
        if (k.n % 2)
            strmap_del(m, k.p, k.n);
    }
    for (int i = 0; i < 3000; i++)
        ck_assert_int_eq(seen[i], 1);
    strmap_free(m);
}
END_TEST

START_TEST(a_map_holds_no_null)
{
    map_put(map_new(), 1, NULL);
}
END_TEST

Suite *map_suite(void)
{
    Suite *s = suite_create("map");
    TCase *tc = tcase_create("map");
    tcase_add_test(tc, puts_gets_and_deletes);
    tcase_add_test(tc, it_agrees_with_a_plain_array);
    tcase_add_test(tc, a_walk_sees_each_key_once_while_it_deletes);
    tcase_add_test(tc, a_moving_window_stays_fast);
    tcase_add_test(tc, text_keys_are_bytes_of_their_own);
    tcase_add_test(tc, many_text_keys_of_all_lengths);
    tcase_add_test_raise_signal(tc, a_map_holds_no_null, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
