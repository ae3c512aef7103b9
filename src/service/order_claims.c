/* One map from (id, kind) to the number of claims. Idempotency keys need none: order.c has each in line or in a batch once. */
#include "service/order_claims.h"

#include "base/map.h"

enum claim_kind {
    CLAIM_PRODUCT,
    CLAIM_USER,
    CLAIM_COUPON,
    CLAIM_KINDS
};

struct order_claims {
    struct map *counts; /* the value is the count */
};

struct order_claims *order_claims_new(void)
{
    struct order_claims *c = mem_zalloc(sizeof *c);
    c->counts = map_new();
    return c;
}

void order_claims_free(struct order_claims *c)
{
    if (!c)
        return;
    map_free(c->counts);
    mem_free(c);
}

/* Ids so large that two of them get one key only wait for each other without need. */
static int64_t claim_key(enum claim_kind kind, int64_t id)
{
    return (int64_t)((uint64_t)id * CLAIM_KINDS + kind);
}

/* Call fn for all that the request touches, as long as it returns true; false when it did not. */
typedef bool claim_fn(struct map *counts, int64_t key);

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

bool order_claims_allow(const struct order_claims *c, const struct order_item *it)
{
    return each(c->counts, it, is_free);
}

void order_claims_take(struct order_claims *c, const struct order_item *it)
{
    each(c->counts, it, take);
}

void order_claims_drop(struct order_claims *c, const struct order_item *it)
{
    each(c->counts, it, drop);
}

void order_claims_clear(struct order_claims *c)
{
    map_clear(c->counts);
}
