/* Unit tests of src/app. The whole program is in rushd_test.sh and in tests/e2e. */
#include "app_suites.h"
#include "tests/support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){config_suite(), local_ports_suite(), kafka_ports_suite(),
                                  platform_port_suite(), taken_port_suite(), NULL});
}
