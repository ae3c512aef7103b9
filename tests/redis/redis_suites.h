/* The suites of this folder. */
#ifndef TESTS_REDIS_REDIS_SUITES_H
#define TESTS_REDIS_REDIS_SUITES_H

#include <check.h>

Suite *reply_suite(void);
Suite *args_suite(void);
Suite *client_suite(void);
Suite *call_suite(void);
Suite *script_suite(void);

#endif
