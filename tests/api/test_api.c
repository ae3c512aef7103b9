/* All suites of src/api. */
#include "tests/api/api_suites.h"
#include "tests/support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){orders_suite(), coupons_suite(), users_suite(), products_suite(),
                                  error_suite(), health_suite(), metrics_suite(), loggers_suite(),
                                  openapi_suite(), NULL});
}
