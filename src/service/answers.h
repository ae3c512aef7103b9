/* The bodies of successful answers that are decided inside a transaction, as field tables (contract section
 * 3). They live here because an Idempotency-Key stores the finished body together with its effect; api prints
 * the same tables for GET and for OpenAPI. */
#ifndef RUSHD_SERVICE_ANSWERS_H
#define RUSHD_SERVICE_ANSWERS_H

#include "msg/msg_field.h"

struct answer_order_item {
    int64_t id, product_id;
    char *product_name;
    int64_t quantity;
    money unit_price, total_price;
};
struct answer_order {
    int64_t id, user_id;
    int64_t user_coupon_id; /* 0: null */
    money total, discounted, discount;
    char *status;
    struct answer_order_item *items;
    size_t nitems;
    int64_t created_at_us;
};
extern const struct msg_table answer_order_table;

struct answer_charge {
    int64_t user_id;
    money amount, balance_after;
};
extern const struct msg_table answer_charge_table;

#endif
