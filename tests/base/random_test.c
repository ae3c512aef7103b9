/* Clock and randomness: the system's, and what a simulation puts in their place. */
#include "test_base.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

static int64_t fixed_mono(void *self)
{
    return *(int64_t *)self;
}

static int64_t fixed_real(void *self)
{
    return *(int64_t *)self + 1;
}

START_TEST(the_clock_can_be_replaced)
{
    int64_t before = clock_mono_us();
    ck_assert_int_ge(clock_mono_us(), before);
    ck_assert_int_gt(clock_real_us(), INT64_C(1600000000) * 1000000);
    int64_t now = 5000123;
    const struct clock_ops ops = {fixed_mono, fixed_real, &now};
    clock_use(&ops);
    ck_assert_int_eq(clock_mono_us(), 5000123);
    ck_assert_int_eq(clock_real_us(), 5000124);
    ck_assert_int_eq(clock_mono_ms(), 5000);
    clock_use(NULL);
    ck_assert_int_ge(clock_mono_us(), before);
}
END_TEST

START_TEST(bytes_differ)
{
    unsigned char a[1000], b[1000];
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    ck_assert_mem_ne(a, b, sizeof(a));
    ck_assert(random_u64() != random_u64());
    random_bytes(NULL, 0);
    /* All byte values of 1000 random bytes: at least 200 of 256 are there. */
    bool seen[256] = {false};
    int n = 0;
    for (size_t i = 0; i < sizeof(a); i++) {
        n += !seen[a[i]];
        seen[a[i]] = true;
    }
    ck_assert_int_gt(n, 200);
}
END_TEST

START_TEST(a_child_draws_its_own_bytes)
{
    int fds[2];
    uint64_t mine, childs;
    random_u64();
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        childs = random_u64();
        _exit(write(fds[1], &childs, sizeof(childs)) == sizeof(childs) ? 0 : 1);
    }
    mine = random_u64();
    ck_assert_int_eq(read(fds[0], &childs, sizeof(childs)), sizeof(childs));
    ck_assert(mine != childs);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(below_a_bound_all_values_come)
{
    int count[10] = {0};
    for (int i = 0; i < 10000; i++)
        count[random_below(10)]++;
    for (int i = 0; i < 10; i++)
        ck_assert(count[i] > 700 && count[i] < 1300);
    ck_assert_uint_eq(random_below(1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(random_below(UINT64_MAX / 2 + 2), UINT64_MAX / 2 + 2);
}
END_TEST

START_TEST(delays_double_up_to_a_bound)
{
    static const int64_t expected[] = {100, 200, 400, 800, 1000, 1000};
    for (int attempt = 0; attempt < (int)ARRAY_LEN(expected); attempt++) {
        int64_t least = INT64_MAX, most = 0;
        for (int i = 0; i < 2000; i++) {
            int64_t d = random_backoff_ms(attempt, 100, 1000);
            least = d < least ? d : least;
            most = d > most ? d : most;
        }
        ck_assert_int_ge(least, expected[attempt] * 3 / 4);
        ck_assert_int_le(most, expected[attempt] * 5 / 4);
        ck_assert_int_lt(least, expected[attempt] * 8 / 10);
        ck_assert_int_gt(most, expected[attempt] * 12 / 10);
    }
    ck_assert_int_le(random_backoff_ms(1000000, 100, 10000), 12500);
    ck_assert_int_ge(random_backoff_ms(INT32_MAX, 1, INT64_MAX / 2), INT64_MAX / 4);
    ck_assert_int_eq(random_backoff_ms(3, 0, 1000), 0);
    ck_assert_int_le(random_backoff_ms(0, 5000, 1000), 1250);
}
END_TEST

static void counting_bytes(void *self, void *out, size_t n)
{
    unsigned char *p = out;
    for (size_t i = 0; i < n; i++)
        p[i] = (*(unsigned char *)self)++;
}

START_TEST(randomness_can_be_replaced)
{
    unsigned char next = 1, out[3];
    const struct random_ops ops = {counting_bytes, &next};
    random_use(&ops);
    random_bytes(out, 3);
    ck_assert_mem_eq(out, "\1\2\3", 3);
    ck_assert_uint_eq(random_u64(), UINT64_C(0x0b0a090807060504));
    random_use(NULL);
    random_bytes(out, 3);
    ck_assert_uint_eq(next, 12);
}
END_TEST

Suite *random_suite(void)
{
    Suite *s = suite_create("clock and random");
    TCase *tc = tcase_create("clock and random");
    tcase_add_test(tc, the_clock_can_be_replaced);
    tcase_add_test(tc, bytes_differ);
    tcase_add_test(tc, a_child_draws_its_own_bytes);
    tcase_add_test(tc, below_a_bound_all_values_come);
    tcase_add_test(tc, delays_double_up_to_a_bound);
    tcase_add_test(tc, randomness_can_be_replaced);
    suite_add_tcase(s, tc);
    return s;
}
