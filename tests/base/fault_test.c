/* Fault points: nothing in a normal build, a sudden end in a test build. */
#include "test_base.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
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

START_TEST(a_file_arms_a_process_that_runs)
{
    char file[] = "/tmp/rushd-fault-XXXXXX";
    int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "coupon-taken:2\n", 15), 15);
    close(fd);
    char other[sizeof file + 4], value[sizeof other + 1];
    snprintf(other, sizeof other, "%s.new", file);
    snprintf(value, sizeof value, "@%s", other);
    setenv("RUSHD_FAULT", value, 1);
    FAULT_CHECK();
    for (int i = 0; i < 3; i++)
        FAULT_POINT("coupon-taken");
    ck_assert_int_eq(rename(file, other), 0);
    FAULT_POINT("coupon-taken");
    unlink(other); /* disarmed */
    FAULT_POINT("coupon-taken");
    FAULT_POINT("coupon-taken");
    fd = open(other, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "coupon-taken", 12), 12);
    close(fd);
    pid_t child = fork();
    if (child == 0) {
        FAULT_POINT("coupon-taken");
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    unlink(other);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
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
    tcase_add_test(tc, a_file_arms_a_process_that_runs);
    tcase_add_test(tc, a_point_of_the_table_is_accepted);
    tcase_add_exit_test(tc, an_unknown_point_is_refused, EX_USAGE);
#endif
    suite_add_tcase(s, tc);
    return s;
}
