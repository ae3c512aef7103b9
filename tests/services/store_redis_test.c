/* Coupon lines and ranking on a real Redis: the contract, random calls, what only Redis can show. */
#include "../store/contract_redis.h"

int main(void)
{
    return contract_redis_main((Suite *[]){coupon_line_contract_suite(), coupon_drain_contract_suite(),
                                           ranking_contract_suite(), coupon_line_model_suite(), NULL});
}
