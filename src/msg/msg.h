/* The four events and the outbox payload (contract section 5): their structs, printing in three schemas,
 * parsing of every form that is about. Pure: no clock, no I/O. Times are microseconds since the epoch; text
 * is UTF-8. */
#ifndef RUSHD_MSG_MSG_H
#define RUSHD_MSG_MSG_H

#include "base/error.h"
#include "base/money.h"

enum msg_schema {
    MSG_DOCUMENTED, /* the source system's documented classes and additions; dates with T */
    MSG_EXTENDED,   /* what deployed services of that system use; dates with a blank */
    MSG_BOTH,       /* the union, each field in its own form */
};

enum msg_kind {
    MSG_ORDER_COMPLETED,
    MSG_PRODUCT_RANKING,
    MSG_DATA_PLATFORM,
    MSG_COUPON_ISSUE,
    MSG_KINDS,
};

/* Java class name for the header __TypeId__. */
const char *msg_type_id(enum msg_kind kind, enum msg_schema schema);

/* Most lines of an order that are read from a message. The bound of rushd's own orders is order.max-items. */
#define MSG_ORDER_ITEMS_MAX 10000

struct msg_order_item {
    int64_t id; /* order_items.id */
    int64_t product_id;
    char *product_name;
    char *category;
    int64_t quantity;
    money unit_price;
    money total_price;
};

/* All that is known of a committed order. Texts and items belong to it when it was parsed; a caller that only
 * prints may point where it likes (and then does not call msg_order_free). */
struct msg_order {
    int64_t order_id;
    int64_t user_id;
    char *user_name;
    int64_t user_coupon_id; /* 0: none */
    money total_amount;     /* discounted_amount + discount_amount */
    money discounted_amount;
    money discount_amount;
    char *status; /* "COMPLETED" */
    int64_t completed_at_us;
    struct msg_order_item *items;
    size_t nitems;
};

/* Free what a parsed order points to and zero it. A zeroed one is fine. */
void msg_order_free(struct msg_order *order);

/* A copy in one piece of memory, for mem_free(). */
struct msg_order *msg_order_dup(const struct msg_order *order);

/* One product of an order, its lines added up. */
struct msg_order_product {
    int64_t product_id;
    const char *product_name; /* points into the order */
    int64_t first_item_id;    /* the product's first line: identity of its ranking event */
    int64_t quantity;
};
/* Fill out (room for order->nitems) with the distinct products in the order of their first lines; returns how
 * many. */
size_t msg_order_products(const struct msg_order *order, struct msg_order_product *out);

/* The payload of the outbox row. The round trip is exact. Parsing fails with ERROR_PERMANENT as
 * msg_field_parse says. */
void msg_order_print_outbox(struct buf *out, const struct msg_order *order);
bool msg_order_parse_outbox(const char *text, size_t n, struct msg_order *order, struct error *e);

/* Append an OrderCompletedMessage: one per order, key orderId. */
void msg_order_completed_print(struct buf *out, const struct msg_order *order, enum msg_schema schema);
/* Read one in any schema; the ids of the lines come with orderItems only. Required: orderId, userId,
 * totalAmount, items or orderItems. Free it with msg_order_free. */
bool msg_order_completed_parse(const char *text, size_t n, struct msg_order *order, struct error *e);

struct msg_product_ranking {
    int64_t product_id;
    int64_t order_id;
    int64_t quantity;
    int64_t order_item_id;   /* 0: absent, dedupe by order and product */
    char *product_name;      /* may be NULL */
    int64_t completed_at_us; /* 0: absent, take the message's timestamp */
};
/* Append a ProductRankingMessage: one per product of msg_order_products, key productId. */
void msg_product_ranking_print(struct buf *out, const struct msg_order *order,
                               const struct msg_order_product *product, enum msg_schema schema);
/* Read one in any schema. Required and positive: productId, orderId, quantity or soldQuantity. */
bool msg_product_ranking_parse(const char *text, size_t n, struct msg_product_ranking *ranking,
                               struct error *e);
/* Free what a parsed one points to and zero it. */
void msg_product_ranking_free(struct msg_product_ranking *ranking);

/* Append a DataPlatformMessage: one per order, key orderId. documented does not have processed_at_us. */
void msg_data_platform_print(struct buf *out, const struct msg_order *order, enum msg_schema schema,
                             int64_t processed_at_us);
/* What the forwarder needs to know of a document that it sends on as received. */
struct msg_data_platform {
    int64_t order_id;
    int64_t user_id; /* 0: absent */
};
/* Read the ids of a document in any schema, whatever else it says. Required and positive: orderId. */
bool msg_data_platform_parse(const char *text, size_t n, struct msg_data_platform *document, struct error *e);

struct msg_coupon_issue {
    int64_t coupon_id;
    int64_t user_id;
    int64_t max_issuance_count;
    money discount_amount;
    char *coupon_name;       /* may be NULL */
    int64_t requested_at_us; /* 0: absent, the message's timestamp is its identity (contract section 4) */
    int64_t ticket;          /* 0: none */
};
/* Append a CouponIssueMessage, key couponId. discountAmount is an Integer in the documented Java class: whole
 * amounts are written without a fraction in documented and both. */
void msg_coupon_issue_print(struct buf *out, const struct msg_coupon_issue *request, enum msg_schema schema);
/* Read one in any schema. Required and positive: couponId, userId. */
bool msg_coupon_issue_parse(const char *text, size_t n, struct msg_coupon_issue *request, struct error *e);
/* Free what a parsed one points to and zero it. */
void msg_coupon_issue_free(struct msg_coupon_issue *request);

#endif
