/* Users, products and coupons of a test, made by SQL under ids of their own, and the calls that a client of the shop makes. */
#ifndef TESTS_E2E_SHOP_H
#define TESTS_E2E_SHOP_H

#include "e2e_client.h"
#include "node.h"
#include "services.h"

/* --- data --------------------------------------------------------------------------------------------------------------- */

/* n users with consecutive ids and a balance (as in "50000"; NULL for no balance row); returns the first id. */
int64_t users_new(int n, const char *balance);
/* A product on sale. */
int64_t product_new(const char *price, int64_t stock);
/* A coupon that is valid now; returns when the node knows it. */
int64_t coupon_new(const struct node *node, int64_t max, const char *discount);
/* Give a user a coupon as if it had been issued before; returns its user coupon id. */
int64_t coupon_give(int64_t coupon_id, int64_t user_id);

/* --- the shop of a test case -------------------------------------------------------------------------------------------- */

/* The node that the tests of a test case share, and its data platform. Unchecked fixtures open and close it; closing checks
 * that the node ends with status 0. */
extern struct node *shop;
void shop_open(void);
void shop_open_with(const char *name, const char *extra); /* with further lines of configuration */
void shop_close(void);
extern bool shop_broken; /* opening or closing failed: Check says little about failed fixtures */
/* A test case on a shop of its own, closed with the books in agreement. */
TCase *shop_tcase(Suite *suite, const char *name, double timeout_s);

/* --- calls -------------------------------------------------------------------------------------------------------------- */

struct answer *order(const struct node *node, int64_t user_id, int64_t product_id, int64_t quantity);
struct answer *charge(const struct node *node, int64_t user_id, const char *amount);
struct answer *coupon_ask(const struct node *node, int64_t coupon_id, int64_t user_id);
struct answer *coupon_status(const struct node *node, int64_t coupon_id, int64_t user_id);
/* Ask for the status until it is decided, and return it; fails the test after 20 s. */
struct answer *coupon_decided(const struct node *node, int64_t coupon_id, int64_t user_id);
/* The items of a flood that asks for a coupon for n users with consecutive ids, kept. */
struct flood_item *coupon_flood(const struct node *node, int64_t coupon_id, int64_t first_user, size_t n);
/* The items of a flood of n orders, each by the next user, kept. */
struct flood_item *order_flood(const struct node *node, int64_t first_user, size_t n, int64_t product_id,
                               int64_t quantity);

/* Today's name in the ranking's keys, in the shop's zone. */
const char *today(void);
/* What the ranking in Redis counts for a product today. */
int64_t ranked_today(int64_t product_id);
int64_t stock_of(int64_t product_id);
/* As text with two decimals. */
const char *balance_of(int64_t user_id);

/* --- books -------------------------------------------------------------------------------------------------------------- */

/* Wait until nothing is under way, then check the promises G1 to G4 and G6 to G8 on everything that tests have made so far. */
void books_agree(void);
/* Leave the products with an id from this on out of the comparison of ranking and sales: with the embedded cluster, what a
 * node had not consumed is lost at its end. */
void books_forget_ranking(int64_t product_id);
/* Leave the coupon out of the comparison of decisions and tickets: what the embedded cluster loses with its node is published again,
 * behind others. */
void books_forget_order(int64_t coupon_id);
/* Wait until every accepted coupon request is decided and no line holds anybody. */
void lines_end(int seconds);
/* The same, then check that every request of a coupon_flood() that was answered 202 has one decision. */
void accepted_are_decided(int64_t coupon_id, const struct flood_item *items, size_t n, int64_t first_user);
/* Wait until every event of the orders has been published. */
void outbox_ends(int seconds);

#endif
