/* Sentences and the stored form of a coupon decision. */
#include "service/coupon_result.h"

static const struct msg_field result_fields[] = {
    MSG_FIELD_BOOL("success", struct coupon_result, success, MSG_REQUIRED),
    MSG_FIELD_STRING("message", struct coupon_result, message, 0),
    MSG_FIELD_I64("userCouponId", struct coupon_result, user_coupon_id, MSG_ZERO_IS_NULL),
    MSG_FIELD_DATE(MSG_DATE_ISO_US, "requestedAt", struct coupon_result, requested_at_us, MSG_ZERO_IS_NULL),
    MSG_FIELD_DATE(MSG_DATE_ISO_US, "processedAt", struct coupon_result, processed_at_us, MSG_ZERO_IS_NULL),
};
const struct msg_table coupon_result_table = MSG_TABLE("CouponResult", struct coupon_result, result_fields);

void coupon_result_text(struct buf *out, bool success, int64_t user_coupon_id, enum refusal_code reason,
                        unsigned form)
{
    if (success)
        buf_printf(out,
                   (form & REFUSAL_ENGLISH) ? "Coupon issued - id: %lld" : "쿠폰 발급 완료 - 쿠폰ID: %lld",
                   (long long)user_coupon_id);
    else
        refusal_text(out, &(struct refusal){.code = reason}, form);
}

enum refusal_code coupon_result_reason(const char *message)
{
    enum refusal_code found = REFUSAL_NONE;
    struct buf text = BUF_INIT;
    for (int code = REFUSAL_COUPON_USER_NOT_FOUND;
         code <= REFUSAL_COUPON_SYSTEM_ERROR && found == REFUSAL_NONE; code++) {
        buf_clear(&text);
        refusal_text(&text, &(struct refusal){.code = (enum refusal_code)code}, 0);
        if (strcmp(buf_str(&text), message) == 0)
            found = (enum refusal_code)code;
    }
    buf_free(&text);
    return found;
}

void coupon_result_print(struct buf *out, bool success, int64_t user_coupon_id, enum refusal_code reason,
                         int64_t requested_at_us, int64_t processed_at_us)
{
    struct buf text = BUF_INIT;
    coupon_result_text(&text, success, user_coupon_id, reason, 0);
    const struct coupon_result result = {success, (char *)buf_str(&text), success ? user_coupon_id : 0,
                                         requested_at_us, processed_at_us};
    msg_field_print(out, &coupon_result_table, &result);
    buf_free(&text);
}
