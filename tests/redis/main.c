#include "redis_suites.h"

#include "../support/check_main.h"

int main(void)
{
    return check_main(
        (Suite *[]){reply_suite(), args_suite(), client_suite(), call_suite(), script_suite(), NULL});
}
