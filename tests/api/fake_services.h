/* The services and reads that api calls, scripted: linked in place of service and store. They complete at the end
 * of the turn, or when the test says so, and remember what they were asked. */
#ifndef TESTS_API_FAKE_SERVICES_H
#define TESTS_API_FAKE_SERVICES_H

#include "service/coupon.h"
#include "service/order.h"
#include "service/sales.h"

struct loop;

struct fake {
    struct loop *loop;
    bool hold; /* keep completions until fake_release() */

    /* What they answer. */
    struct error error;        /* of every read, unless kind NONE */
    struct order_answer order; /* of orders and charges */
    struct refusal refusal; /* of orders and charges, instead, unless NONE; of coupon requests and status */
    struct coupon_accepted accepted;
    struct coupon_standing standing;
    struct coupon_row coupons[3];
    size_t ncoupons;
    const struct coupon_row *all_coupons; /* instead of coupons, unless NULL: in lists */
    struct user_coupon_row user_coupons[3];
    size_t nuser_coupons;
    struct user_row users[2];
    size_t nusers;
    struct balance_tx_row history[3]; /* newest first */
    size_t nhistory;
    struct product_row products[3]; /* ascending */
    size_t nproducts;
    struct order_row orders[3]; /* newest first */
    size_t norders;
    struct popular_product popular[2];
    size_t npopular;

    void (*on_list)(size_t nth); /* before the n-th look at all coupons, from 1; may be NULL */

    /* What they were asked. */
    size_t calls; /* all of them */
    size_t lists; /* looks at all coupons */
    size_t product_reads, products_asked;
    struct order_plan_line lines[4];
    size_t nlines;
    int64_t user_id, user_coupon_id, coupon_id, cursor;
    size_t limit;
    money amount;
    char key[300], hash[300], request_id[80];
    unsigned form;
    bool fresh;
};
extern struct fake fake;

/* Fill in one row of each kind; a loop for the completions. */
void fake_init(struct loop *loop);
void fake_release(void);
/* Forget held completions, as services do that are freed. */
void fake_drop(void);

#endif
