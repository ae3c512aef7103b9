/* The order and the coupon request that the tests of the events print and read. */
#ifndef TESTS_MSG_FIXTURE_H
#define TESTS_MSG_FIXTURE_H

#include "msg/msg.h"

#define FIXTURE_COMPLETED_US INT64_C(1763900107123456) /* 2025-11-23 21:15:07.123456 in Asia/Seoul */
#define FIXTURE_PROCESSED_US INT64_C(1763900108000000) /* 2025-11-23 21:15:08 */

/* An order of three lines, two of them of one product, with a coupon. Static memory: not to be freed. */
const struct msg_order *fixture_order(void);
/* An order of one line, without coupon, user name and category, at a whole second. */
const struct msg_order *fixture_small_order(void);
const struct msg_coupon_issue *fixture_coupon(void);

/* Compare every member. */
void fixture_check_order(const struct msg_order *got, const struct msg_order *want);

#endif
