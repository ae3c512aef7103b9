/* The suites of src/api. */
#ifndef TESTS_API_API_SUITES_H
#define TESTS_API_API_SUITES_H

#include <check.h>

Suite *orders_suite(void);
Suite *coupons_suite(void);
Suite *users_suite(void);
Suite *products_suite(void);
Suite *error_suite(void);
Suite *health_suite(void);
Suite *metrics_suite(void);
Suite *loggers_suite(void);
Suite *openapi_suite(void);

#endif
