/* Waiting for a call that does not answer. */
#include "tests/ctl/test_ctl.h"

#include <stdlib.h>
#include <sysexits.h>

#include "ctl/ctl.h"
#include "loop/loop.h"

/* What the answer would be written to may lie on the caller's stack. */
START_TEST(a_wait_without_an_answer_ends_the_program)
{
    struct ctl c = {.loop = loop_new()};
    ctl_wait(&c, 10);
    exit(EXIT_SUCCESS);
}
END_TEST

START_TEST(a_wait_on_may_go_on)
{
    struct ctl c = {.loop = loop_new()};
    ck_assert(!ctl_wait_on(&c, 10));
    ck_assert(ctl_timed_out(&c));
    ck_assert_int_eq(ctl_status(&c), EX_UNAVAILABLE);
    loop_free(c.loop);
}
END_TEST

static void answer(void *arg)
{
    ctl_finish(arg, NULL);
}

START_TEST(an_answer_in_time_is_no_timeout)
{
    struct ctl c = {.loop = loop_new()};
    struct loop_task task = {.run = answer, .arg = &c};
    ck_assert(!ctl_wait_on(&c, 10));
    loop_defer(c.loop, &task);
    ck_assert(ctl_wait(&c, 10000));
    ck_assert(!ctl_timed_out(&c));
    loop_free(c.loop);
}
END_TEST

Suite *wait_suite(void)
{
    Suite *s = suite_create("wait");
    TCase *tc = tcase_create("wait");
    tcase_add_exit_test(tc, a_wait_without_an_answer_ends_the_program, EX_UNAVAILABLE);
    tcase_add_test(tc, a_wait_on_may_go_on);
    tcase_add_test(tc, an_answer_in_time_is_no_timeout);
    suite_add_tcase(s, tc);
    return s;
}
