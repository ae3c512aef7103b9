/* A coupon and its line in words and in JSON. */
#include "ctl/ctl_coupon.h"

#include "ctl/ctl_table.h"

const char *ctl_coupon_state(const struct coupon_row *row, int64_t now_us)
{
    if (strcmp(row->status, "ACTIVE") != 0)
        return "closed";
    if (now_us >= row->valid_to_us)
        return "over";
    if (row->issued >= row->max_issuance)
        return "sold-out";
    return now_us < row->valid_from_us ? "not-yet" : "open";
}

void ctl_coupon_json(struct msg_json *j, const struct coupon_row *row, int64_t now_us)
{
    msg_json_key(j, "couponId"), msg_json_i64(j, row->id);
    msg_json_key(j, "couponName"), msg_json_string(j, row->name);
    msg_json_key(j, "discountAmount"), msg_json_money(j, row->discount);
    msg_json_key(j, "maxIssuanceCount"), msg_json_i64(j, row->max_issuance);
    msg_json_key(j, "issuedCount"), msg_json_i64(j, row->issued);
    msg_json_key(j, "remaining"), msg_json_i64(j, row->max_issuance - row->issued);
    msg_json_key(j, "status"), msg_json_string(j, row->status);
    msg_json_key(j, "state"), msg_json_string(j, ctl_coupon_state(row, now_us));
    msg_json_key(j, "validFrom"), msg_json_date_iso(j, row->valid_from_us);
    msg_json_key(j, "validTo"), msg_json_date_iso(j, row->valid_to_us);
    msg_json_key(j, "createdAt"), msg_json_date_iso(j, row->created_at_us);
    msg_json_key(j, "updatedAt"), msg_json_date_iso(j, row->updated_at_us);
}

void ctl_line_json(struct msg_json *j, const struct coupon_line_view *view)
{
    msg_json_key(j, "waiting"), msg_json_i64(j, view->waiting);
    msg_json_key(j, "inFlight"), msg_json_i64(j, view->in_flight);
    msg_json_key(j, "issuedSet"), msg_json_i64(j, view->issued);
    msg_json_key(j, "lastTicket"), msg_json_i64(j, view->last_ticket);
    msg_json_key(j, "drain");
    if (!view->owner) {
        msg_json_null(j);
        return;
    }
    msg_json_object(j);
    msg_json_key(j, "owner"), msg_json_string(j, view->owner);
    msg_json_key(j, "epoch"), msg_json_i64(j, view->epoch);
    msg_json_key(j, "leaseMs"), msg_json_i64(j, view->lease_ms);
    msg_json_object_end(j);
}

void ctl_line_counts(struct buf *out, const struct coupon_line_view *view)
{
    buf_printf(out, "%lld waiting, %lld in flight, %lld issued, last ticket %lld", (long long)view->waiting,
               (long long)view->in_flight, (long long)view->issued, (long long)view->last_ticket);
}

void ctl_line_owner(struct buf *out, const struct coupon_line_view *view)
{
    if (!view->owner) {
        buf_puts(out, "nobody at this moment");
        return;
    }
    ctl_put_text(out, view->owner);
    buf_printf(out, " (epoch %lld, lease ends in %.1f s)", (long long)view->epoch,
               (double)view->lease_ms / 1000);
}
