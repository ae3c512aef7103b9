/* Runs Check suites and reports in TAP on standard output, for automake's driver.
 *
 *     int main(void) { return check_main((Suite *[]){buf_suite(), money_suite(), NULL}); }
 */
#ifndef TESTS_SUPPORT_CHECK_MAIN_H
#define TESTS_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>
#include <stdlib.h>

/* Check's own 4 seconds are too few for a sanitizer on a busy machine. Before main(): a test case asks for them as it is made. */
__attribute__((constructor)) static void check_main_timeout(void)
{
    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
}

/* Run the suites of the NULL-terminated array. Returns EXIT_SUCCESS if every test passed. */
static inline int check_main(Suite **suites)
{
    SRunner *runner = srunner_create(suites[0]);
    for (size_t i = 1; suites[0] && suites[i]; i++)
        srunner_add_suite(runner, suites[i]);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
