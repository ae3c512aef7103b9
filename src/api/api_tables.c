/* The field tables of api_tables.h. */
#include "api/api_tables.h"

#define ORDER_LINES_MAX 10000 /* of one body; order.max-items is below it and has a sentence of its own */

static const struct msg_field order_line_fields[] = {
    MSG_FIELD_I64("productId", struct order_plan_line, product_id, MSG_REQUIRED, .example = "1"),
    MSG_FIELD_I64("quantity", struct order_plan_line, quantity, MSG_EXPECTED, .example = "2",
                  .help = "At least 1."),
};
static const struct msg_table order_line_table =
    MSG_TABLE("OrderItemRequest", struct order_plan_line, order_line_fields);
static const struct msg_field order_fields[] = {
    MSG_FIELD_I64("userId", struct body_order, user_id, MSG_EXPECTED, .example = "1001"),
    MSG_FIELD_ARRAY("orderItems", struct body_order, lines, nlines, ORDER_LINES_MAX, MSG_EXPECTED,
                    &order_line_table, .help = "At least one; order.max-items bounds it."),
    MSG_FIELD_I64("userCouponId", struct body_order, user_coupon_id, MSG_ZERO_IS_NULL,
                  .help = "A coupon of the user's that is not used yet."),
};
const struct msg_table body_order_table = MSG_TABLE("OrderRequest", struct body_order, order_fields);

static const struct msg_field charge_fields[] = {
    MSG_FIELD_I64("userId", struct body_charge, user_id, MSG_REQUIRED, .example = "1001"),
    MSG_FIELD_MONEY("amount", struct body_charge, amount, MSG_REQUIRED, .example = "50000",
                    .help = "More than 0, at most 1000000."),
};
const struct msg_table body_charge_table = MSG_TABLE("ChargeRequest", struct body_charge, charge_fields);

static const struct msg_field accepted_fields[] = {
    MSG_FIELD_STRING("message", struct body_accepted, message, 0),
    MSG_FIELD_I64("queuePosition", struct body_accepted, position, 0, .help = "Place in line, from 1."),
    MSG_FIELD_I64("queueSize", struct body_accepted, size, 0, .help = "Members of the line."),
    MSG_FIELD_I64("ticket", struct body_accepted, ticket, 0,
                  .help = "Number of the request among the accepted ones of this coupon, without gaps."),
    MSG_FIELD_I64("estimatedWaitSeconds", struct body_accepted, estimated_wait_s, 0),
};
const struct msg_table body_accepted_table =
    MSG_TABLE("CouponAccepted", struct body_accepted, accepted_fields);

static const struct msg_field standing_fields[] = {
    MSG_FIELD_STRING("status", struct body_standing, status, 0, .example = "\"PROCESSING\"",
                     .help = "PROCESSING, SUCCESS or FAILED."),
    MSG_FIELD_STRING("message", struct body_standing, message, 0),
    MSG_FIELD_I64("queuePosition", struct body_standing, position, MSG_ZERO_IS_NULL,
                  .help = "Place in line, from 1; null when the request has left it."),
    MSG_FIELD_I64("queueSize", struct body_standing, size, 0, .help = "Members of the line; 0 when decided."),
    MSG_FIELD_I64("estimatedWaitSeconds", struct body_standing, estimated_wait_s, 0),
    MSG_FIELD_I64("userCouponId", struct body_standing, user_coupon_id, MSG_ZERO_IS_NULL,
                  .help = "What was issued; null unless SUCCESS."),
};
const struct msg_table body_standing_table =
    MSG_TABLE("CouponRequestStatus", struct body_standing, standing_fields);

static const struct msg_field coupon_fields[] = {
    MSG_FIELD_I64("couponId", struct body_coupon, id, 0),
    MSG_FIELD_STRING("couponName", struct body_coupon, name, 0),
    MSG_FIELD_MONEY("discountAmount", struct body_coupon, discount, 0),
    MSG_FIELD_I64("maxIssuanceCount", struct body_coupon, max_issuance, 0),
    MSG_FIELD_I64("issuedCount", struct body_coupon, issued, 0),
    MSG_FIELD_I64("remaining", struct body_coupon, remaining, 0),
    MSG_FIELD_STRING("status", struct body_coupon, status, 0, .example = "\"ACTIVE\"",
                     .help = "ACTIVE, INACTIVE, SOLD_OUT or EXPIRED."),
    MSG_FIELD_DATE(MSG_DATE_ISO, "validFrom", struct body_coupon, valid_from_us, 0),
    MSG_FIELD_DATE(MSG_DATE_ISO, "validTo", struct body_coupon, valid_to_us, 0),
};
const struct msg_table body_coupon_table = MSG_TABLE("Coupon", struct body_coupon, coupon_fields);

static const struct msg_field user_coupon_fields[] = {
    MSG_FIELD_I64("userCouponId", struct body_user_coupon, user_coupon_id, 0),
    MSG_FIELD_I64("couponId", struct body_user_coupon, coupon_id, 0),
    MSG_FIELD_STRING("couponName", struct body_user_coupon, coupon_name, 0),
    MSG_FIELD_MONEY("discountAmount", struct body_user_coupon, discount, 0),
    MSG_FIELD_STRING("status", struct body_user_coupon, status, 0, .example = "\"ISSUED\"",
                     .help = "ISSUED, USED or EXPIRED."),
    MSG_FIELD_DATE(MSG_DATE_ISO, "issuedAt", struct body_user_coupon, issued_at_us, 0),
    MSG_FIELD_DATE(MSG_DATE_ISO, "usedAt", struct body_user_coupon, used_at_us, MSG_ZERO_IS_NULL),
};
const struct msg_table body_user_coupon_table =
    MSG_TABLE("UserCoupon", struct body_user_coupon, user_coupon_fields);

static const struct msg_field balance_fields[] = {
    MSG_FIELD_I64("userId", struct body_balance, user_id, 0),
    MSG_FIELD_MONEY("balance", struct body_balance, balance, 0),
};
const struct msg_table body_balance_table = MSG_TABLE("Balance", struct body_balance, balance_fields);

static const struct msg_field balance_tx_fields[] = {
    MSG_FIELD_I64("id", struct body_balance_tx, id, 0),
    MSG_FIELD_STRING("type", struct body_balance_tx, type, 0, .example = "\"PAYMENT\"",
                     .help = "DEPOSIT, PAYMENT, REFUND or CHARGE."),
    MSG_FIELD_MONEY("amount", struct body_balance_tx, amount, 0,
                    .help = "Signed: the sum of all is the balance."),
    MSG_FIELD_MONEY("balanceAfter", struct body_balance_tx, balance_after, 0),
    MSG_FIELD_I64("orderId", struct body_balance_tx, order_id, MSG_ZERO_IS_NULL),
    MSG_FIELD_DATE(MSG_DATE_ISO, "createdAt", struct body_balance_tx, created_at_us, 0),
};
const struct msg_table body_balance_tx_table =
    MSG_TABLE("BalanceTransaction", struct body_balance_tx, balance_tx_fields);

static const struct msg_field user_fields[] = {
    MSG_FIELD_I64("id", struct body_user, id, 0),
    MSG_FIELD_I64("userId", struct body_user, id, 0),
    MSG_FIELD_STRING("username", struct body_user, username, 0),
    MSG_FIELD_STRING("status", struct body_user, status, 0, .example = "\"ACTIVE\""),
    MSG_FIELD_DATE(MSG_DATE_ISO, "createdAt", struct body_user, created_at_us, 0),
    MSG_FIELD_DATE(MSG_DATE_ISO, "updatedAt", struct body_user, updated_at_us, 0),
};
const struct msg_table body_user_table = MSG_TABLE("User", struct body_user, user_fields);

static const struct msg_field product_fields[] = {
    MSG_FIELD_I64("id", struct body_product, id, 0),
    MSG_FIELD_STRING("name", struct body_product, name, 0),
    MSG_FIELD_MONEY("currentPrice", struct body_product, price, 0),
    MSG_FIELD_I64("stock", struct body_product, stock, 0),
    MSG_FIELD_STRING("status", struct body_product, status, 0, .example = "\"ACTIVE\"",
                     .help = "ACTIVE, INACTIVE or SOLD_OUT."),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "createdAt", struct body_product, created_at_us, 0),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "updatedAt", struct body_product, updated_at_us, 0),
};
const struct msg_table body_product_table = MSG_TABLE("Product", struct body_product, product_fields);

static const struct msg_field popular_fields[] = {
    MSG_FIELD_I64("productId", struct body_popular, product_id, 0),
    MSG_FIELD_STRING("productName", struct body_popular, name, 0),
    MSG_FIELD_MONEY("currentPrice", struct body_popular, price, 0),
    MSG_FIELD_I64("stock", struct body_popular, stock, 0),
    MSG_FIELD_I64("totalSalesCount", struct body_popular, total_count, 0),
    MSG_FIELD_MONEY("totalSalesAmount", struct body_popular, total_amount, 0),
    MSG_FIELD_I64("recentSalesCount", struct body_popular, recent_count, 0),
    MSG_FIELD_MONEY("recentSalesAmount", struct body_popular, recent_amount, 0),
    MSG_FIELD_MONEY("conversionRate", struct body_popular, conversion_rate, 0,
                    .help = "Percent: recent sales / (recent sales + stock)."),
    MSG_FIELD_DATE(MSG_DATE_ISO, "lastOrderDate", struct body_popular, last_order_at_us, MSG_ZERO_IS_NULL),
    MSG_FIELD_I64("rank", struct body_popular, rank, 0, .help = "From 1."),
};
const struct msg_table body_popular_table = MSG_TABLE("PopularProduct", struct body_popular, popular_fields);

static const struct msg_field level_fields[] = {
    MSG_FIELD_STRING("configuredLevel", struct body_level, configured, 0, .example = "\"DEBUG\"",
                     .help = "TRACE, DEBUG, INFO, WARN, ERROR or OFF; null takes the setting away."),
};
const struct msg_table body_level_table = MSG_TABLE("LoggerLevel", struct body_level, level_fields);

static const struct msg_field error_fields[] = {
    MSG_FIELD_STRING("message", struct body_error, message, MSG_REQUIRED,
                     .help = "A sentence in Korean, or in English with Accept-Language: en."),
    MSG_FIELD_STRING("code", struct body_error, code, MSG_REQUIRED, .example = "\"INSUFFICIENT_STOCK\"",
                     .help = "A stable word for programs."),
    MSG_FIELD_DATE(MSG_DATE_ISO, "timestamp", struct body_error, timestamp_us, 0),
};
const struct msg_table body_error_table = MSG_TABLE("Error", struct body_error, error_fields);

static const struct msg_field problem_fields[] = {
    MSG_FIELD_STRING("title", struct body_problem, title, MSG_REQUIRED),
    MSG_FIELD_I64("status", struct body_problem, status, MSG_REQUIRED),
    MSG_FIELD_STRING("detail", struct body_problem, detail, MSG_REQUIRED),
    MSG_FIELD_STRING("code", struct body_problem, code, MSG_REQUIRED),
    MSG_FIELD_DATE(MSG_DATE_ISO, "timestamp", struct body_problem, timestamp_us, 0),
};
const struct msg_table body_problem_table = MSG_TABLE("Problem", struct body_problem, problem_fields);
