/* Coupons for tests. */
#include "coupon_harness.h"

#include <stdio.h>

const struct coupon_config coupon_defaults = {
    .interval_ms = 1000,
    .window = 10000,
    .lease_ms = 30000,
    .recheck_ms = 60000,
    .ttl_ms = INT64_C(90000000),
    .result_ttl_ms = 1800000,
    .max_waiting = 1000000,
    .schema = MSG_DOCUMENTED,
    .node_id = "node-1",
    .attempts = 4,
    .backoff_ms = 100,
    .backoff_max_ms = 1000,
    .group = "coupon-issue-group",
    .max_accepting = 10000,
};

void coupon_message(struct fake_partition *p, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                    int64_t ticket)
{
    const struct msg_coupon_issue m = {.coupon_id = coupon_id,
                                       .user_id = user_id,
                                       .max_issuance_count = 1,
                                       .discount_amount = 100,
                                       .requested_at_us = requested_at_us,
                                       .ticket = ticket};
    struct buf value = BUF_INIT;
    char key[24];
    snprintf(key, sizeof key, "%lld", (long long)coupon_id);
    msg_coupon_issue_print(&value, &m, MSG_DOCUMENTED);
    fake_partition_add(p, key, buf_str(&value));
    buf_free(&value);
}

const char *coupon_outcome(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us)
{
    const struct fake_request *r = fake_request_find(s, coupon_id, user_id, requested_at_us);
    return !r || !r->decided ? "-" : r->success ? "SUCCESS" : r->reason;
}

void coupon_carry(struct fake_sink *sink, struct fake_partition *p, size_t *carried)
{
    for (; *carried < sink->messages.n; (*carried)++)
        if (sink->messages.at[*carried].topic == EVENT_COUPON_ISSUE)
            fake_partition_add(p, sink->messages.at[*carried].key, sink->messages.at[*carried].value);
}
