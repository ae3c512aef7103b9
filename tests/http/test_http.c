/* All suites of src/http. */
#include "tests/http/suites.h"
#include "tests/support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){http_field_suite(), http_parser_suite(), http_router_suite(),
                                  http_server_suite(), http_limits_suite(), http_client_suite(), NULL});
}
