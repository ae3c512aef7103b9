/* What the coupon suites share: a shop with a coupon, the flows of one or more nodes, messages of the topic. */
#ifndef TESTS_SERVICE_COUPON_HARNESS_H
#define TESTS_SERVICE_COUPON_HARNESS_H

#include "harness.h"
#include "service/coupon.h"

#define COUPON_TOPIC "coupon-issue-events"

extern const struct coupon_config coupon_defaults;

/* A message of the topic, as the drain writes it. */
void coupon_message(struct fake_partition *p, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                    int64_t ticket);
/* The outcome of a request: "SUCCESS", a code, or "-" while it is not decided. */
const char *coupon_outcome(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us);
/* Hand every message of the sink's coupon topic that is not there yet to the partition: the broker between the nodes. */
void coupon_carry(struct fake_sink *sink, struct fake_partition *p, size_t *carried);

#endif
