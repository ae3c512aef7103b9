/* Tests of src/pg without a server; those with one are in tests/services/pg_service_test.c. */
#include "../support/check_main.h"
#include "pg_suites.h"

int main(void)
{
    return check_main((Suite *[]){array_suite(), result_suite(), url_suite(), pool_suite(), NULL});
}
