/* How a decision of a coupon request reads: the value of coupon:result:{couponId}:{userId} and its sentences
 * (contract sections 3 and 4). */
#ifndef RUSHD_SERVICE_COUPON_RESULT_H
#define RUSHD_SERVICE_COUPON_RESULT_H

#include "msg/msg_field.h"
#include "service/refusal.h"

struct coupon_result {
    bool success;
    char *message;
    int64_t user_coupon_id; /* 0: null */
    int64_t requested_at_us, processed_at_us;
};
extern const struct msg_table coupon_result_table;

/* The sentence of a decision: success with the user coupon's id, or the reason's. */
void coupon_result_text(struct buf *out, bool success, int64_t user_coupon_id, enum refusal_code reason,
                        unsigned form);
/* The reason whose Korean sentence this is; NONE when there is none. */
enum refusal_code coupon_result_reason(const char *message);
/* Print the value of the result key. */
void coupon_result_print(struct buf *out, bool success, int64_t user_coupon_id, enum refusal_code reason,
                         int64_t requested_at_us, int64_t processed_at_us);

#endif
