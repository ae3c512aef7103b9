/* The clock that the nodes of a shop share: set seldom, carried by the monotonic clock. */
#include "base/clock.h"

#include "test_base.h"

#define HOUR_US INT64_C(3600000000)

static int64_t mono, real;

static int64_t read_mono(void *self)
{
    (void)self;
    return mono;
}

static int64_t read_real(void *self)
{
    (void)self;
    return real;
}

static void setup(void)
{
    static const struct clock_ops ops = {read_mono, read_real, NULL};
    mono = 5000000;
    real = 1000 * HOUR_US;
    clock_use(&ops);
}

static void teardown(void)
{
    clock_use(NULL);
}

static void pass(int64_t us)
{
    mono += us;
    real += us;
}

START_TEST(it_is_the_machines_until_it_is_set)
{
    ck_assert_int_eq(clock_shop_us(), real);
    real += HOUR_US;
    ck_assert_int_eq(clock_shop_us(), real);
}
END_TEST

START_TEST(a_step_of_the_machines_does_not_move_it)
{
    clock_shop_set(real + 300, mono, 500);
    ck_assert_int_eq(clock_shop_us(), real); /* agrees within the error */
    int64_t before = clock_shop_us();
    real += HOUR_US;
    pass(1000);
    ck_assert_int_eq(clock_shop_us(), before + 1000);
    real -= 2 * HOUR_US;
    pass(1000);
    ck_assert_int_eq(clock_shop_us(), before + 2000);
    clock_shop_set(before + 2400, mono, 500);
    ck_assert_int_eq(clock_shop_us(), before + 2000);
}
END_TEST

START_TEST(it_follows_what_it_is_told)
{
    int64_t told = real + HOUR_US;
    clock_shop_set(told, mono, 500);
    ck_assert_int_eq(clock_shop_us(), told);
    pass(10);
    clock_shop_set(told - 2 * HOUR_US, mono - 10, 500); /* told a moment ago */
    ck_assert_int_eq(clock_shop_us(), told - 2 * HOUR_US + 10);
    clock_shop_set(told, mono, 0);
    ck_assert_int_eq(clock_shop_us(), told);
}
END_TEST

Suite *clock_suite(void)
{
    Suite *s = suite_create("clock");
    TCase *tc = tcase_create("shop");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, it_is_the_machines_until_it_is_set);
    tcase_add_test(tc, a_step_of_the_machines_does_not_move_it);
    tcase_add_test(tc, it_follows_what_it_is_told);
    suite_add_tcase(s, tc);
    return s;
}
