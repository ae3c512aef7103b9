/* A committed order: its products, the payload of the outbox row, OrderCompletedMessage (contract section 5).
 *
 * Amounts have two decimals everywhere: BigDecimal on the
 * Java side takes them exactly. */
#include "msg/msg_table.h"

#define ITEM_ID       MSG_FIELD_I64("id", struct msg_order_item, id, 0, .min = 0, .max = INT64_MAX)
#define ITEM_PRODUCT  MSG_FIELD_I64("productId", struct msg_order_item, product_id, MSG_REQUIRED, POSITIVE)
#define ITEM_NAME     MSG_FIELD_STRING("productName", struct msg_order_item, product_name, 0)
#define ITEM_CATEGORY MSG_FIELD_STRING("category", struct msg_order_item, category, 0)
#define ITEM_AMOUNTS                                                                                         \
    MSG_FIELD_I64("quantity", struct msg_order_item, quantity, MSG_REQUIRED, POSITIVE),                      \
        MSG_FIELD_MONEY_FIXED("unitPrice", struct msg_order_item, unit_price, 0, .min = 0,                   \
                              .max = MONEY_MAX),                                                             \
        MSG_FIELD_MONEY_FIXED("totalPrice", struct msg_order_item, total_price, 0, .min = 0,                 \
                              .max = MONEY_MAX)

static const struct msg_field documented_item_fields[] = {ITEM_PRODUCT, ITEM_NAME, ITEM_AMOUNTS};
const struct msg_table msg_item_documented =
    MSG_TABLE("OrderItemInfo", struct msg_order_item, documented_item_fields);

static const struct msg_field platform_item_fields[] = {ITEM_PRODUCT, ITEM_NAME, ITEM_CATEGORY, ITEM_AMOUNTS};
const struct msg_table msg_item_platform =
    MSG_TABLE("PlatformOrderItem", struct msg_order_item, platform_item_fields);

static const struct msg_field extended_item_fields[] = {ITEM_ID, ITEM_PRODUCT, ITEM_NAME, ITEM_AMOUNTS};
static const struct msg_table extended_item =
    MSG_TABLE("OrderItem", struct msg_order_item, extended_item_fields);

static const struct msg_field outbox_item_fields[] = {ITEM_ID, ITEM_PRODUCT, ITEM_NAME, ITEM_CATEGORY,
                                                      ITEM_AMOUNTS};
static const struct msg_table outbox_item =
    MSG_TABLE("OutboxItem", struct msg_order_item, outbox_item_fields);

#define ORDER_IDS                                                                                            \
    MSG_FIELD_I64("orderId", struct msg_order, order_id, MSG_REQUIRED, POSITIVE),                            \
        MSG_FIELD_I64("userId", struct msg_order, user_id, MSG_REQUIRED, POSITIVE)
#define AMOUNT .min = 0, .max = MONEY_MAX

/* completedAtUs is the instant itself: the payload means the same whatever time zone reads it. Up to the last
 * year that dates can be printed in. */
#define INSTANT .min = 1, .max = INT64_C(253402300799999999)
static const struct msg_field outbox_fields[] = {
    ORDER_IDS,
    MSG_FIELD_STRING("userName", struct msg_order, user_name, 0),
    MSG_FIELD_I64("userCouponId", struct msg_order, user_coupon_id, MSG_ZERO_IS_NULL),
    MSG_FIELD_MONEY_FIXED("totalAmount", struct msg_order, total_amount, MSG_REQUIRED, AMOUNT),
    MSG_FIELD_MONEY_FIXED("discountedAmount", struct msg_order, discounted_amount, MSG_REQUIRED, AMOUNT),
    MSG_FIELD_MONEY_FIXED("discountAmount", struct msg_order, discount_amount, MSG_REQUIRED, AMOUNT),
    MSG_FIELD_STRING("status", struct msg_order, status, MSG_REQUIRED),
    MSG_FIELD_I64("completedAtUs", struct msg_order, completed_at_us, MSG_REQUIRED, INSTANT),
    MSG_FIELD_ARRAY("items", struct msg_order, items, nitems, MSG_ORDER_ITEMS_MAX, MSG_REQUIRED, &outbox_item,
                    .min = 1),
};
static const struct msg_table outbox = MSG_TABLE("OutboxOrder", struct msg_order, outbox_fields);

/* orderItems before items: when both come in, the form that has the ids of the lines wins. */
static const struct msg_field completed_fields[] = {
    ORDER_IDS,
    MSG_FIELD_ARRAY("orderItems", struct msg_order, items, nitems, MSG_ORDER_ITEMS_MAX, MSG_REQUIRED,
                    &extended_item, .min = 1, VIEW_EXTENDED),
    MSG_FIELD_ARRAY("items", struct msg_order, items, nitems, MSG_ORDER_ITEMS_MAX, MSG_REQUIRED,
                    &msg_item_documented, .min = 1, VIEW_DOCUMENTED),
    MSG_FIELD_MONEY_FIXED("totalAmount", struct msg_order, total_amount, MSG_REQUIRED, AMOUNT),
    MSG_FIELD_DATE(MSG_DATE_ISO, "completedAt", struct msg_order, completed_at_us, MSG_ZERO_IS_NULL,
                   VIEW_DOCUMENTED),
    MSG_FIELD_STRING("orderStatus", struct msg_order, status, 0, VIEW_DOCUMENTED),
    MSG_FIELD_MONEY_FIXED("discountedAmount", struct msg_order, discounted_amount, 0, AMOUNT, VIEW_EXTENDED),
    MSG_FIELD_MONEY_FIXED("discountAmount", struct msg_order, discount_amount, 0, AMOUNT),
    MSG_FIELD_I64("userCouponId", struct msg_order, user_coupon_id, MSG_ZERO_IS_NULL),
    MSG_FIELD_STRING("status", struct msg_order, status, 0, VIEW_EXTENDED),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "orderedAt", struct msg_order, completed_at_us, MSG_ZERO_IS_NULL,
                   VIEW_EXTENDED),
    MSG_FIELD_DATE(MSG_DATE_BLANK, "eventOccurredAt", struct msg_order, completed_at_us, MSG_ZERO_IS_NULL,
                   VIEW_EXTENDED),
};
static const struct msg_table completed =
    MSG_TABLE("OrderCompletedMessage", struct msg_order, completed_fields);

void msg_order_free(struct msg_order *order)
{
    msg_field_free(&outbox, order); /* the table that knows every member */
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static char *text_copy(char **to, const char *text)
{
    if (!text)
        return NULL;
    size_t n = strlen(text) + 1;
    char *copy = memcpy(*to, text, n);
    *to += n;
    return copy;
}

struct msg_order *msg_order_dup(const struct msg_order *order)
{
    size_t size = sizeof *order + order->nitems * sizeof *order->items + text_size(order->user_name) +
                  text_size(order->status);
    for (size_t i = 0; i < order->nitems; i++)
        size += text_size(order->items[i].product_name) + text_size(order->items[i].category);
    struct msg_order *copy = mem_alloc(size);
    *copy = *order;
    copy->items = (struct msg_order_item *)(copy + 1);
    char *texts = (char *)(copy->items + copy->nitems);
    copy->user_name = text_copy(&texts, order->user_name);
    copy->status = text_copy(&texts, order->status);
    for (size_t i = 0; i < order->nitems; i++) {
        copy->items[i] = order->items[i];
        copy->items[i].product_name = text_copy(&texts, order->items[i].product_name);
        copy->items[i].category = text_copy(&texts, order->items[i].category);
    }
    return copy;
}

size_t msg_order_products(const struct msg_order *order, struct msg_order_product *out)
{
    size_t n = 0;
    for (const struct msg_order_item *item = order->items; item < order->items + order->nitems; item++) {
        size_t i = 0;
        while (i < n && out[i].product_id != item->product_id)
            i++;
        if (i == n)
            out[n++] = (struct msg_order_product){item->product_id, item->product_name, item->id, 0};
        if (__builtin_add_overflow(out[i].quantity, item->quantity, &out[i].quantity))
            out[i].quantity = INT64_MAX;
    }
    return n;
}

void msg_order_print_outbox(struct buf *out, const struct msg_order *order)
{
    msg_field_print(out, &outbox, order);
}

bool msg_order_parse_outbox(const char *text, size_t n, struct msg_order *order, struct error *e)
{
    return msg_field_parse(&outbox, text, n, order, e);
}

void msg_order_completed_print(struct buf *out, const struct msg_order *order, enum msg_schema schema)
{
    msg_field_print_view(out, &completed, MSG_VIEW(schema), order);
}

bool msg_order_completed_parse(const char *text, size_t n, struct msg_order *order, struct error *e)
{
    return msg_field_parse(&completed, text, n, order, e);
}
