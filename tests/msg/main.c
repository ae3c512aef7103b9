#include "msg_suites.h"

#include "../support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){date_suite(), NULL});
}
