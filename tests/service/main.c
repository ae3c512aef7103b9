/* Tests of service on the fakes of tests/fake. */
#include "service_suites.h"
#include "support/check_main.h"

int main(void)
{
    return check_main((Suite *[]){order_plan_suite(), order_suite(), order_overlap_suite(), outbox_suite(),
                                  coupon_issue_plan_suite(), platform_suite(), ranking_suite(),
                                  coupon_issue_suite(), coupon_accept_suite(), coupon_cache_suite(),
                                  coupon_drain_suite(), coupon_drain_fault_suite(), recovery_suite(),
                                  popular_suite(), dead_letter_suite(), user_cache_suite(), NULL});
}
