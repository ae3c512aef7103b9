/* ProductRankingMessage, DataPlatformMessage and CouponIssueMessage (contract section 5), and the Java names.
 *
 * discountAmount of a coupon is an Integer in the documented Java class. Jackson takes 1000.00 for an Integer
 * only as long as ACCEPT_FLOAT_AS_INT is on (and cuts 1000.50 then), and 1000 for Integer, Long and
 * BigDecimal always, so whole amounts are written without a fraction wherever that class may read them. */
#include "msg/msg_table.h"

static const struct msg_field ranking_fields[] = {
    MSG_FIELD_I64("productId", struct msg_product_ranking, product_id, MSG_REQUIRED, POSITIVE),
    MSG_FIELD_I64("orderId", struct msg_product_ranking, order_id, MSG_REQUIRED, POSITIVE),
    MSG_FIELD_I64("quantity", struct msg_product_ranking, quantity, MSG_REQUIRED, POSITIVE),
    MSG_FIELD_DATE(MSG_DATE_ISO, "orderCompletedAt", struct msg_product_ranking, completed_at_us,
                   MSG_ZERO_IS_NULL, VIEW_DOCUMENTED),
    MSG_FIELD_STRING("productName", struct msg_product_ranking, product_name, 0),
    MSG_FIELD_I64("soldQuantity", struct msg_product_ranking, quantity, MSG_REQUIRED, POSITIVE,
                  VIEW_EXTENDED),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "eventOccurredAt", struct msg_product_ranking, completed_at_us,
                   MSG_ZERO_IS_NULL, VIEW_EXTENDED),
    MSG_FIELD_I64("orderItemId", struct msg_product_ranking, order_item_id, MSG_ZERO_IS_NULL, .min = 0,
                  .max = INT64_MAX),
};
static const struct msg_table ranking =
    MSG_TABLE("ProductRankingMessage", struct msg_product_ranking, ranking_fields);

void msg_product_ranking_print(struct buf *out, const struct msg_order *order,
                               const struct msg_order_product *product, enum msg_schema schema)
{
    struct msg_product_ranking event = {
        .product_id = product->product_id,
        .order_id = order->order_id,
        .quantity = product->quantity,
        .order_item_id = product->first_item_id,
        .product_name = (char *)product->product_name,
        .completed_at_us = order->completed_at_us,
    };
    msg_field_print_view(out, &ranking, MSG_VIEW(schema), &event);
}

bool msg_product_ranking_parse(const char *text, size_t n, struct msg_product_ranking *event, struct error *e)
{
    return msg_field_parse(&ranking, text, n, event, e);
}

void msg_product_ranking_free(struct msg_product_ranking *event)
{
    msg_field_free(&ranking, event);
}

struct platform {
    struct msg_order order;
    int64_t processed_at_us;
};

static const struct msg_field platform_data_fields[] = {
    MSG_FIELD_I64("orderId", struct platform, order.order_id, 0),
    MSG_FIELD_I64("userId", struct platform, order.user_id, 0),
    MSG_FIELD_MONEY_FIXED("totalAmount", struct platform, order.total_amount, 0),
    MSG_FIELD_COUNT("itemCount", struct platform, order.nitems, 0),
    MSG_FIELD_ARRAY("items", struct platform, order.items, order.nitems, MSG_ORDER_ITEMS_MAX, 0,
                    &msg_item_documented),
};
static const struct msg_table platform_data =
    MSG_TABLE("PlatformEventData", struct platform, platform_data_fields);

/* Only the ids come in: the document is forwarded as received, whatever else it says. */
static const struct msg_field platform_fields[] = {
    MSG_FIELD_CONST("eventType", "ORDER_COMPLETED", VIEW_DOCUMENTED),
    MSG_FIELD_I64("orderId", struct platform, order.order_id, MSG_REQUIRED, POSITIVE),
    MSG_FIELD_I64("userId", struct platform, order.user_id, 0, POSITIVE),
    MSG_FIELD_GROUP("eventData", MSG_OUT_ONLY, &platform_data, VIEW_DOCUMENTED),
    MSG_FIELD_DATE(MSG_DATE_ISO, "eventTime", struct platform, order.completed_at_us,
                   MSG_OUT_ONLY | MSG_ZERO_IS_NULL, VIEW_DOCUMENTED),
    MSG_FIELD_STRING("userName", struct platform, order.user_name, MSG_OUT_ONLY, VIEW_EXTENDED),
    MSG_FIELD_MONEY_FIXED("totalAmount", struct platform, order.total_amount, MSG_OUT_ONLY, VIEW_EXTENDED),
    MSG_FIELD_MONEY_FIXED("discountedAmount", struct platform, order.discounted_amount, MSG_OUT_ONLY,
                          VIEW_EXTENDED),
    MSG_FIELD_MONEY_FIXED("discountAmount", struct platform, order.discount_amount, MSG_OUT_ONLY,
                          VIEW_EXTENDED),
    MSG_FIELD_STRING("orderStatus", struct platform, order.status, MSG_OUT_ONLY, VIEW_EXTENDED),
    MSG_FIELD_CONST("paymentMethod", "POINT", VIEW_EXTENDED),
    MSG_FIELD_ARRAY("orderItems", struct platform, order.items, order.nitems, MSG_ORDER_ITEMS_MAX,
                    MSG_OUT_ONLY, &msg_item_platform, VIEW_EXTENDED),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "orderedAt", struct platform, order.completed_at_us,
                   MSG_OUT_ONLY | MSG_ZERO_IS_NULL, VIEW_EXTENDED),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "processedAt", struct platform, processed_at_us,
                   MSG_OUT_ONLY | MSG_ZERO_IS_NULL, VIEW_EXTENDED),
};
static const struct msg_table platform = MSG_TABLE("DataPlatformMessage", struct platform, platform_fields);

void msg_data_platform_print(struct buf *out, const struct msg_order *order, enum msg_schema schema,
                             int64_t processed_at_us)
{
    struct platform document = {*order, processed_at_us};
    msg_field_print_view(out, &platform, MSG_VIEW(schema), &document);
}

bool msg_data_platform_parse(const char *text, size_t n, struct msg_data_platform *document, struct error *e)
{
    struct platform parsed;
    *document = (struct msg_data_platform){0};
    if (!msg_field_parse(&platform, text, n, &parsed, e))
        return false;
    *document = (struct msg_data_platform){parsed.order.order_id, parsed.order.user_id};
    msg_field_free(&platform, &parsed);
    return true;
}

static const struct msg_field coupon_fields[] = {
    MSG_FIELD_I64("couponId", struct msg_coupon_issue, coupon_id, MSG_REQUIRED, POSITIVE),
    MSG_FIELD_I64("userId", struct msg_coupon_issue, user_id, MSG_REQUIRED, POSITIVE),
    MSG_FIELD_I64("maxIssuanceCount", struct msg_coupon_issue, max_issuance_count, 0),
    MSG_FIELD_MONEY("discountAmount", struct msg_coupon_issue, discount_amount, 0, VIEW_DOCUMENTED),
    MSG_FIELD_MONEY_FIXED("discountAmount", struct msg_coupon_issue, discount_amount, 0,
                          .views = MSG_VIEW(MSG_EXTENDED)),
    MSG_FIELD_DATE(MSG_DATE_ISO_US, "requestedAt", struct msg_coupon_issue, requested_at_us,
                   MSG_ZERO_IS_NULL),
    MSG_FIELD_STRING("couponName", struct msg_coupon_issue, coupon_name, 0),
    MSG_FIELD_I64("ticket", struct msg_coupon_issue, ticket, MSG_ZERO_IS_NULL, .min = 0, .max = INT64_MAX),
};
static const struct msg_table coupon =
    MSG_TABLE("CouponIssueMessage", struct msg_coupon_issue, coupon_fields);

void msg_coupon_issue_print(struct buf *out, const struct msg_coupon_issue *request, enum msg_schema schema)
{
    msg_field_print_view(out, &coupon, MSG_VIEW(schema), request);
}

bool msg_coupon_issue_parse(const char *text, size_t n, struct msg_coupon_issue *request, struct error *e)
{
    return msg_field_parse(&coupon, text, n, request, e);
}

void msg_coupon_issue_free(struct msg_coupon_issue *request)
{
    msg_field_free(&coupon, request);
}

#define JAVA_PACKAGE "kr.hhplus.be.server.shared.kafka."

const char *msg_type_id(enum msg_kind kind, enum msg_schema schema)
{
    static const char *const names[MSG_KINDS] = {
        [MSG_ORDER_COMPLETED] = JAVA_PACKAGE "message.OrderCompletedMessage",
        [MSG_PRODUCT_RANKING] = JAVA_PACKAGE "message.ProductRankingMessage",
        [MSG_DATA_PLATFORM] = JAVA_PACKAGE "message.DataPlatformMessage",
        [MSG_COUPON_ISSUE] = JAVA_PACKAGE "message.CouponIssueMessage",
    };
    ASSERT(kind < MSG_KINDS);
    if (kind == MSG_COUPON_ISSUE && schema != MSG_DOCUMENTED)
        return JAVA_PACKAGE "CouponIssueMessage";
    return names[kind];
}
