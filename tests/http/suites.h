/* The suites of tests/http. */
#ifndef TESTS_HTTP_SUITES_H
#define TESTS_HTTP_SUITES_H

#include <check.h>

Suite *http_client_suite(void);
Suite *http_field_suite(void);
Suite *http_limits_suite(void);
Suite *http_parser_suite(void);
Suite *http_router_suite(void);
Suite *http_server_suite(void);

#endif
