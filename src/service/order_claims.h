/* What batches of this node hold until their COMMIT is on its way: products, users and coupons by id.
 *
 * PostgreSQL's row locks decide who comes first, here as between nodes. This only finds requests that would not have to wait for
 * the batch ahead, so that they need not wait for it in line either. Private to order.c.
 *
 * The claims are a map of the caller's, from what is claimed to how often. */
#ifndef RUSHD_SERVICE_ORDER_CLAIMS_H
#define RUSHD_SERVICE_ORDER_CLAIMS_H

#include "base/map.h"
#include "service/order_batch.h"

/* Whether nothing that the request touches is claimed. */
bool order_claims_allow(struct map *claims, const struct order_item *it);
/* Claim what the request touches, also what others have claimed; each claim is dropped by itself. */
void order_claims_take(struct map *claims, const struct order_item *it);
void order_claims_drop(struct map *claims, const struct order_item *it);

#endif
