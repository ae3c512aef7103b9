/* The suites of app. */
#ifndef TESTS_APP_APP_SUITES_H
#define TESTS_APP_APP_SUITES_H

#include <check.h>

Suite *config_suite(void);
Suite *kafka_ports_suite(void);
Suite *local_ports_suite(void);
Suite *platform_port_suite(void);
Suite *taken_port_suite(void);

#endif
