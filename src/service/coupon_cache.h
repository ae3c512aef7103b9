/* Coupons as PostgreSQL has them, at most one second old.
 *
 * All of them are read page by page at start, each minute, when NOTIFY may have missed some, and for who asks for all;
 * beside that only those that somebody asks for or that NOTIFY names, so that a request costs the same whatever the number
 * of coupons. */
#ifndef RUSHD_SERVICE_COUPON_CACHE_H
#define RUSHD_SERVICE_COUPON_CACHE_H

#include "store/coupon.h"

struct loop;
struct coupon_cache;

/* Starts reading and watching. */
struct coupon_cache *coupon_cache_new(struct loop *l, struct store *s);
/* The row, or NULL with e->kind NONE when the coupon does not exist, or NULL with an error when no fresh
 * enough state is to be had. Valid inside the callback. Never before this returns. */
void coupon_cache_get(struct coupon_cache *c, int64_t coupon_id,
                      void (*done)(void *arg, const struct coupon_row *row, const struct error *e),
                      void *arg);
/* The row when it is at hand and fresh enough, else NULL: ask coupon_cache_get() then. Valid until this returns to the loop. */
const struct coupon_row *coupon_cache_fresh(struct coupon_cache *c, int64_t coupon_id);
/* Wait until all coupons are known as they are now, at most one second old, or for an error. Never before this returns. */
void coupon_cache_get_all(struct coupon_cache *c, void (*done)(void *arg, const struct error *e), void *arg);
/* Have rows called with coupons that were just read, ascending, and all when every one that is there has been given to rows since
 * it was last called: one listener, NULL ends it. A reading that fails is repeated each second while somebody listens. */
struct coupon_cache_ops {
    void (*rows)(void *arg, const struct coupon_row *rows, size_t n);
    void (*all)(void *arg);
};
void coupon_cache_on_read(struct coupon_cache *c, const struct coupon_cache_ops *ops, void *arg);
/* All of them, ascending, as last read; none before the first reading of all is done: for lists and probes. */
const struct coupon_row *coupon_cache_all(struct coupon_cache *c, size_t *n);
/* After the store has answered everything; those who still wait are dropped without an answer. */
void coupon_cache_free(struct coupon_cache *c);

#endif
