/* The suites of this program. */
#ifndef TESTS_PG_PG_SUITES_H
#define TESTS_PG_PG_SUITES_H

#include <check.h>

Suite *array_suite(void);
Suite *pool_suite(void);
Suite *result_suite(void);
Suite *url_suite(void);

#endif
