/* The key is made of id and kind, the value is the number of claims. Idempotency keys need none: order.c has each in line or in a batch once. */
#include "service/order_claims.h"

enum claim_kind {
    CLAIM_PRODUCT,
    CLAIM_USER,
    CLAIM_COUPON,
    CLAIM_KINDS
};

/* Ids so large that two of them get one key only wait for each other without need. */
static int64_t claim_key(enum claim_kind kind, int64_t id)
{
    return (int64_t)((uint64_t)id * CLAIM_KINDS + kind);
}

typedef bool claim_fn(struct map *counts, int64_t key);

/* Call fn for all that the request touches, as long as it returns true; false when it did not. */
static bool each(struct map *counts, const struct order_item *it, claim_fn *fn)
{
    if (!fn(counts, claim_key(CLAIM_USER, it->user_id)))
        return false;
    if (it->user_coupon_id && !fn(counts, claim_key(CLAIM_COUPON, it->user_coupon_id)))
        return false;
    for (size_t i = 0; i < it->nlines; i++)
        if (!fn(counts, claim_key(CLAIM_PRODUCT, it->lines[i].product_id)))
            return false;
    return true;
}

static bool is_free(struct map *counts, int64_t key)
{
    return !map_get(counts, key);
}

static bool take(struct map *counts, int64_t key)
{
    map_put(counts, key, (void *)((uintptr_t)map_get(counts, key) + 1));
    return true;
}

static bool drop(struct map *counts, int64_t key)
{
    uintptr_t count = (uintptr_t)map_get(counts, key);
    ASSERT(count > 0);
    if (count > 1)
        map_put(counts, key, (void *)(count - 1));
    else
        map_del(counts, key);
    return true;
}

bool order_claims_allow(struct map *claims, const struct order_item *it)
{
    return each(claims, it, is_free);
}

void order_claims_take(struct map *claims, const struct order_item *it)
{
    each(claims, it, take);
}

void order_claims_drop(struct map *claims, const struct order_item *it)
{
    each(claims, it, drop);
}
