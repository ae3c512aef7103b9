/* Field tables of the order and charge answers. */
#include "service/answers.h"

static const struct msg_field order_item_fields[] = {
    MSG_FIELD_I64("id", struct answer_order_item, id, 0, .help = "Id of the order line."),
    MSG_FIELD_I64("productId", struct answer_order_item, product_id, 0),
    MSG_FIELD_STRING("productName", struct answer_order_item, product_name, 0,
                     .help = "As it was when ordered."),
    MSG_FIELD_I64("quantity", struct answer_order_item, quantity, 0),
    MSG_FIELD_MONEY("unitPrice", struct answer_order_item, unit_price, 0),
    MSG_FIELD_MONEY("totalPrice", struct answer_order_item, total_price, 0),
};
static const struct msg_table order_item_table =
    MSG_TABLE("OrderItem", struct answer_order_item, order_item_fields);

static const struct msg_field order_fields[] = {
    MSG_FIELD_I64("id", struct answer_order, id, 0),
    MSG_FIELD_I64("userId", struct answer_order, user_id, 0),
    MSG_FIELD_I64("userCouponId", struct answer_order, user_coupon_id, MSG_ZERO_IS_NULL),
    MSG_FIELD_MONEY("totalAmount", struct answer_order, total, 0, .help = "Sum of the lines."),
    MSG_FIELD_MONEY("discountedAmount", struct answer_order, discounted, 0, .help = "What was paid."),
    MSG_FIELD_MONEY("discountAmount", struct answer_order, discount, 0, .help = "What the coupon took off."),
    MSG_FIELD_STRING("status", struct answer_order, status, 0, .example = "\"COMPLETED\""),
    MSG_FIELD_ARRAY("orderItems", struct answer_order, items, nitems, 10000, 0, &order_item_table),
    MSG_FIELD_DATE(MSG_DATE_ISO, "createdAt", struct answer_order, created_at_us, 0),
};
const struct msg_table answer_order_table = MSG_TABLE("Order", struct answer_order, order_fields);

static const struct msg_field charge_fields[] = {
    MSG_FIELD_I64("userId", struct answer_charge, user_id, 0),
    MSG_FIELD_MONEY("chargeAmount", struct answer_charge, amount, 0),
    MSG_FIELD_MONEY("balanceAfterCharge", struct answer_charge, balance_after, 0),
};
const struct msg_table answer_charge_table = MSG_TABLE("Charge", struct answer_charge, charge_fields);
