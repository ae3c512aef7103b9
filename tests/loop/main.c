/* Tests of src/loop. */
#include "../support/check_main.h"
#include "loop_suites.h"

int main(void)
{
    return check_main((Suite *[]){loop_suite(), timer_suite(), resolve_suite(), log_suite(), NULL});
}
