/* The suites of this folder. */
#ifndef TESTS_MSG_MSG_SUITES_H
#define TESTS_MSG_MSG_SUITES_H

#include <check.h>

Suite *date_suite(void);

#endif
