/* Fault points: nothing in a normal build, a sudden end in a test build. */
#include "test_base.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/fault.h"

START_TEST(points_are_silent_by_default)
{
    unsetenv("RUSHD_FAULT");
    FAULT_POINT("somewhere");
    FAULT_POINT("somewhere");
}
END_TEST

START_TEST(other_points_pass)
{
    setenv("RUSHD_FAULT", "before-commit:1", 1);
    FAULT_POINT("before");
    FAULT_POINT("before-commit-2");
    FAULT_POINT("after-commit");
}
END_TEST

#ifdef RUSHD_FAULT_POINTS
START_TEST(the_third_pass_kills)
{
    setenv("RUSHD_FAULT", "before-commit:3", 1);
    FAULT_POINT("before-commit");
    FAULT_POINT("after-commit");
    FAULT_POINT("before-commit");
    FAULT_POINT("before-commit");
    exit(EXIT_FAILURE);
}
END_TEST

START_TEST(without_a_number_the_first_pass_kills)
{
    setenv("RUSHD_FAULT", "before-commit", 1);
    FAULT_POINT("before-commit");
}
END_TEST

START_TEST(a_wrong_number_is_refused)
{
    setenv("RUSHD_FAULT", "before-commit:0", 1);
    FAULT_POINT("before-commit");
}
END_TEST
#endif

#ifdef RUSHD_FAULT_POINTS
START_TEST(a_pass_stops_and_goes_on)
{
    int status;
    setenv("RUSHD_FAULT", "coupon-taken:2:stop", 1);
    FAULT_CHECK();
    pid_t child = fork();
    if (child == 0) {
        FAULT_POINT("coupon-taken");
        FAULT_POINT("coupon-taken");
        FAULT_POINT("coupon-taken");
        _exit(7);
    }
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

START_TEST(a_point_of_the_table_is_accepted)
{
    setenv("RUSHD_FAULT", "coupon-taken:7", 1);
    FAULT_CHECK();
    unsetenv("RUSHD_FAULT");
    FAULT_CHECK();
}
END_TEST

START_TEST(an_unknown_point_is_refused)
{
    setenv("RUSHD_FAULT", "coupon-takn", 1);
    FAULT_CHECK();
}
END_TEST
#endif

Suite *fault_suite(void)
{
    Suite *s = suite_create("fault");
    TCase *tc = tcase_create("fault");
    tcase_add_test(tc, points_are_silent_by_default);
    tcase_add_test(tc, other_points_pass);
#ifdef RUSHD_FAULT_POINTS
    tcase_add_test_raise_signal(tc, the_third_pass_kills, SIGKILL);
    tcase_add_test_raise_signal(tc, without_a_number_the_first_pass_kills, SIGKILL);
    tcase_add_exit_test(tc, a_wrong_number_is_refused, EX_USAGE);
    tcase_add_test(tc, a_pass_stops_and_goes_on);
    tcase_add_test(tc, a_point_of_the_table_is_accepted);
    tcase_add_exit_test(tc, an_unknown_point_is_refused, EX_USAGE);
#endif
    suite_add_tcase(s, tc);
    return s;
}
