/* The bodies that handlers read and write, as field tables over the structs here (contract section 3). Order and
 * charge answers are in service/answers.h: they are decided and printed there. */
#ifndef RUSHD_API_API_TABLES_H
#define RUSHD_API_API_TABLES_H

#include "msg/msg_field.h"
#include "service/order_plan.h"

/* POST /api/orders. Absent numbers are 0; the handler finds the contract's sentence for them. */
struct body_order {
    int64_t user_id;
    struct order_plan_line *lines;
    size_t nlines;
    int64_t user_coupon_id; /* 0: none */
};
extern const struct msg_table body_order_table;

struct body_charge {
    int64_t user_id;
    money amount;
};
extern const struct msg_table body_charge_table;

struct body_accepted {
    char *message;
    int64_t position, size, ticket, estimated_wait_s;
};
extern const struct msg_table body_accepted_table;

struct body_standing {
    char *status;
    char *message;
    int64_t position, size, estimated_wait_s, user_coupon_id;
};
extern const struct msg_table body_standing_table;

struct body_coupon {
    int64_t id;
    char *name;
    money discount;
    int64_t max_issuance, issued, remaining;
    char *status;
    int64_t valid_from_us, valid_to_us;
};
extern const struct msg_table body_coupon_table;

struct body_user_coupon {
    int64_t user_coupon_id, coupon_id;
    char *coupon_name;
    money discount;
    char *status;
    int64_t issued_at_us, used_at_us;
};
extern const struct msg_table body_user_coupon_table;

struct body_balance {
    int64_t user_id;
    money balance;
};
extern const struct msg_table body_balance_table;

struct body_balance_tx {
    int64_t id;
    char *type;
    money amount, balance_after;
    int64_t order_id;
    int64_t created_at_us;
};
extern const struct msg_table body_balance_tx_table;

struct body_user {
    int64_t id; /* printed as id and as userId */
    char *username;
    char *status;
    int64_t created_at_us, updated_at_us;
};
extern const struct msg_table body_user_table;

struct body_product {
    int64_t id;
    char *name;
    money price;
    int64_t stock;
    char *status;
    int64_t created_at_us, updated_at_us;
};
extern const struct msg_table body_product_table;

struct body_popular {
    int64_t product_id;
    char *name;
    money price;
    int64_t stock;
    int64_t total_count, recent_count;
    money total_amount, recent_amount;
    money conversion_rate; /* hundredths of a percent print like hundredths of a won */
    int64_t last_order_at_us;
    int64_t rank;
};
extern const struct msg_table body_popular_table;

struct body_level {
    char *configured; /* NULL: take the setting away */
};
extern const struct msg_table body_level_table;

/* The error bodies, for the document: refusal_body() prints them. */
struct body_error {
    char *message, *code;
    int64_t timestamp_us;
};
struct body_problem {
    char *title, *detail, *code;
    int64_t status, timestamp_us;
};
extern const struct msg_table body_error_table, body_problem_table;

#endif
