/* The suites of tests/base. */
#ifndef TESTS_BASE_TEST_BASE_H
#define TESTS_BASE_TEST_BASE_H

#include "base/base.h"

#include <check.h>

Suite *base_suite(void);
Suite *buf_suite(void);
Suite *clock_suite(void);
Suite *component_suite(void);
Suite *error_suite(void);
Suite *fault_suite(void);
Suite *log_suite(void);
Suite *map_suite(void);
Suite *metric_suite(void);
Suite *money_suite(void);
Suite *option_reload_suite(void);
Suite *option_suite(void);
Suite *properties_suite(void);
Suite *random_suite(void);
Suite *recent_suite(void);
Suite *str_suite(void);

#endif
