#include "msg_suites.h"

#include "../support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){date_suite(), msg_event_suite(), msg_field_suite(), msg_json_suite(),
                                  msg_order_suite(), msg_scan_suite(), NULL});
}
