/* The fake of coupon_line.h and ranking.h keeps the contract that the real one keeps. */
#include "../support/check_main.h"
#include "contract.h"

int main(void)
{
    return check_main((Suite *[]){coupon_line_contract_suite(), coupon_drain_contract_suite(),
                                  coupon_line_model_suite(), ranking_contract_suite(),
                                  redis_mark_contract_suite(), fake_faults_suite(), NULL});
}
