/* The suites of this program. */
#ifndef TESTS_LOOP_LOOP_SUITES_H
#define TESTS_LOOP_LOOP_SUITES_H

#include <check.h>

Suite *log_suite(void);
Suite *loop_suite(void);
Suite *resolve_suite(void);
Suite *timer_suite(void);

#endif
