/* What the commands about coupons share. */
#ifndef RUSHD_CTL_CTL_COUPON_H
#define RUSHD_CTL_CTL_COUPON_H

#include "msg/msg_json.h"
#include "store/coupon.h"
#include "store/coupon_line_read.h"

/* Tell in a word whether a request of this instant would find the coupon open: open, sold-out, not-yet, over, or closed when
 * its status is not ACTIVE. */
const char *ctl_coupon_state(const struct coupon_row *row, int64_t now_us);
/* Write the members of a coupon's object, named as in HTTP answers, and its state. */
void ctl_coupon_json(struct msg_json *j, const struct coupon_row *row, int64_t now_us);

/* Write the members of a line's object: counts and who drains it. */
void ctl_line_json(struct msg_json *j, const struct coupon_line_view *view);
/* Append "12 waiting, 3 in flight, 37 issued, last ticket 52". */
void ctl_line_counts(struct buf *out, const struct coupon_line_view *view);
/* Append "node-1 (epoch 7, lease ends in 4.2 s)" or "nobody at this moment". */
void ctl_line_owner(struct buf *out, const struct coupon_line_view *view);

#endif
