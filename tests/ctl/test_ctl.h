/* Suites of tests/ctl. */
#ifndef TESTS_CTL_TEST_CTL_H
#define TESTS_CTL_TEST_CTL_H

#include <check.h>

Suite *args_suite(void);
Suite *dlq_suite(void);
Suite *table_suite(void);
Suite *wait_suite(void);

#endif
