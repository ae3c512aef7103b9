/* What batches of this node hold until their COMMIT is on its way: products, users and coupons by id.
 *
 * PostgreSQL's row locks decide who comes first, here as between nodes. This only finds requests that would not have to wait for
 * the batch ahead, so that they need not wait for it in line either. Private to order.c. */
#ifndef RUSHD_SERVICE_ORDER_CLAIMS_H
#define RUSHD_SERVICE_ORDER_CLAIMS_H

#include "service/order_batch.h"

struct order_claims;
/* Make one in which nothing is claimed. */
struct order_claims *order_claims_new(void);
void order_claims_free(struct order_claims *c); /* NULL is fine */
/* Whether nothing that the request touches is claimed. */
bool order_claims_allow(const struct order_claims *c, const struct order_item *it);
/* Claim what the request touches, also what others have claimed; each claim is dropped by itself. */
void order_claims_take(struct order_claims *c, const struct order_item *it);
void order_claims_drop(struct order_claims *c, const struct order_item *it);
void order_claims_clear(struct order_claims *c); /* drop all */

#endif
