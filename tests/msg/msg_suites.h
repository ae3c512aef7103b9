/* The suites of this folder. */
#ifndef TESTS_MSG_MSG_SUITES_H
#define TESTS_MSG_MSG_SUITES_H

#include <check.h>

Suite *date_suite(void);
Suite *msg_event_suite(void);
Suite *msg_field_suite(void);
Suite *msg_json_suite(void);
Suite *msg_order_suite(void);
Suite *msg_scan_suite(void);

#endif
