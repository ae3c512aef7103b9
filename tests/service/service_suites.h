/* The suites of this folder. */
#ifndef TESTS_SERVICE_SERVICE_SUITES_H
#define TESTS_SERVICE_SERVICE_SUITES_H

#include <check.h>

Suite *order_plan_suite(void);
Suite *order_suite(void);
Suite *order_overlap_suite(void);
Suite *outbox_suite(void);
Suite *coupon_issue_plan_suite(void);
Suite *platform_suite(void);
Suite *ranking_suite(void);
Suite *coupon_issue_suite(void);
Suite *coupon_accept_suite(void);
Suite *coupon_cache_suite(void);
Suite *coupon_drain_suite(void);
Suite *coupon_drain_fault_suite(void);
Suite *recovery_suite(void);
Suite *dead_letter_suite(void);
Suite *popular_suite(void);
Suite *user_cache_suite(void);

#endif
