/* What is found is what was put, and no older than asked for; room is bounded. */
#include "test_base.h"

#include "base/recent.h"

START_TEST(finds_what_was_put)
{
    struct recent *r = recent_new(1000);
    int64_t v = -1;
    ck_assert(!recent_get(r, 1, 2, 0, &v));
    ck_assert(!recent_get(r, 0, 0, 0, &v)); /* a free place is no pair of zeros */
    recent_put(r, 1, 2, 7, 100);
    recent_put(r, 2, 1, 8, 100);
    recent_put(r, INT64_MIN, INT64_MAX, 9, 100);
    ck_assert(recent_get(r, 1, 2, 100, &v) && v == 7);
    ck_assert(recent_get(r, 2, 1, 100, &v) && v == 8);
    ck_assert(recent_get(r, INT64_MIN, INT64_MAX, 0, &v) && v == 9);
    ck_assert(!recent_get(r, 1, 2, 101, &v));
    recent_put(r, 1, 2, 17, 101);
    ck_assert(recent_get(r, 1, 2, 101, &v) && v == 17);
    recent_del(r, 1, 2);
    recent_del(r, 5, 5);
    ck_assert(!recent_get(r, 1, 2, 0, &v));
    ck_assert(recent_get(r, 2, 1, 0, &v) && v == 8);
    recent_free(r);
    recent_free(NULL);
}
END_TEST

/* Twice as many as there is room for: each that is found has its own value, and the newest are all there. */
START_TEST(old_ones_make_room)
{
    enum {
        ROOM = 4096
    };
    struct recent *r = recent_new(ROOM);
    int64_t v, found = 0;
    for (int64_t i = 1; i <= 2 * ROOM; i++) {
        recent_put(r, i, -i, 3 * i, i);
        ck_assert(recent_get(r, i, -i, i, &v) && v == 3 * i);
    }
    for (int64_t i = 1; i <= 2 * ROOM; i++)
        if (recent_get(r, i, -i, 0, &v)) {
            ck_assert_int_eq(v, 3 * i);
            found++;
        }
    ck_assert_int_le(found, ROOM);
    ck_assert_int_ge(found, ROOM * 3 / 4);
    for (int64_t i = 2 * ROOM - 3; i <= 2 * ROOM; i++)
        ck_assert(recent_get(r, i, -i, 0, &v));
    recent_free(r);
}
END_TEST

Suite *recent_suite(void)
{
    Suite *s = suite_create("recent");
    TCase *tc = tcase_create("recent");
    tcase_add_test(tc, finds_what_was_put);
    tcase_add_test(tc, old_ones_make_room);
    suite_add_tcase(s, tc);
    return s;
}
