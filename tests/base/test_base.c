/* Runs all suites of base. */
#include "test_base.h"

#include "../support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){base_suite(), str_suite(), buf_suite(), map_suite(), money_suite(),
                                  error_suite(), random_suite(), recent_suite(), log_suite(),
                                  properties_suite(), option_suite(), option_reload_suite(), metric_suite(),
                                  component_suite(), fault_suite(), clock_suite(), NULL});
}
