/* Decide a batch of orders: pure, in arrival order, against the locked facts (guarantees G1, G4).
 *
 * Each order is accepted or refused against the running stock, balances and coupons. A refused order takes
 * nothing; the next may still fit. A product twice in one order counts as the sum. Check order within one
 * order: items present and quantities valid (by the caller), user exists and is ACTIVE, then per line product
 * exists and is active, then stock of all lines in line order, user coupon usable, then balance. The discount
 * is capped by the total. */
#ifndef RUSHD_SERVICE_ORDER_PLAN_H
#define RUSHD_SERVICE_ORDER_PLAN_H

#include "service/refusal.h"
#include "store/order_tx.h"

struct order_plan_line {
    int64_t product_id;
    int64_t quantity;
};
struct order_plan_ask {
    int64_t user_id;
    int64_t user_coupon_id; /* 0: none */
    const struct order_plan_line *lines;
    size_t nlines;
};
struct order_plan_verdict {
    bool accepted;
    struct refusal refusal; /* when not accepted */
    money total, discounted, discount;
    money balance_after;
};

struct order_plan; /* the running state of one batch */
struct order_plan *order_plan_new(const struct order_tx_facts *facts, int64_t now_us);
void order_plan_free(struct order_plan *p);
/* Decide one order; accepted ones are taken from the running state. */
void order_plan_decide(struct order_plan *p, const struct order_plan_ask *ask, struct order_plan_verdict *v);
/* Decide one charge: the amount is valid; user must exist and be ACTIVE; *created tells that the balance row
 * is new. */
bool order_plan_charge(struct order_plan *p, int64_t user_id, money amount, money *balance_after,
                       bool *created, struct refusal *why);
/* The sums to write, in ascending order of ids; owned by the plan. */
const struct order_tx_sale *order_plan_sales(struct order_plan *p, size_t *n);
const struct order_tx_balance *order_plan_balances(struct order_plan *p, size_t *n);
const struct order_tx_product *order_plan_product(const struct order_plan *p,
                                                  int64_t product_id); /* NULL: unknown */
const struct order_tx_user *order_plan_user(const struct order_plan *p, int64_t user_id);

#endif
