/* The store on a real PostgreSQL. */
#include "store_pg.h"

#include "../support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){store_pg_schema_suite(), store_pg_order_suite(), store_pg_issue_suite(),
                                  store_pg_read_suite(), store_pg_growth_suite(), NULL});
}
