/* The suites of test_e2e. */
#ifndef TESTS_E2E_SUITES_H
#define TESTS_E2E_SUITES_H

#include <check.h>

Suite *order_suite(void);
Suite *clock_suite(void);
Suite *cluster_suite(void);
Suite *coupon_suite(void);
Suite *error_suite(void);
Suite *event_suite(void);
Suite *life_suite(void);
Suite *outage_suite(void);
Suite *overload_suite(void);
Suite *peer_suite(void);
Suite *read_suite(void);

#endif
