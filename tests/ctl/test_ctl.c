/* Runs the suites of tests/ctl. */
#include "tests/ctl/test_ctl.h"

#include <time.h>

#include "msg/msg_date.h"
#include "tests/support/check_main.h"

int main(void)
{
    setenv("TZ", "Asia/Seoul", 1);
    tzset();
    msg_date_zone_changed();
    return check_main((Suite *[]){args_suite(), dlq_suite(), table_suite(), wait_suite(), NULL});
}
