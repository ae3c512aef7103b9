/* Sales ranking in Redis: product:ranking:daily|recent3days|seen|offset (contract section 4). */
#ifndef RUSHD_STORE_RANKING_H
#define RUSHD_STORE_RANKING_H

#include "store/store.h"

struct ranking_sale {
    int64_t product_id, order_id;
    int64_t order_item_id; /* 0: unknown; then orderId:productId marks the event */
    int64_t quantity;
    int64_t sold_at_us; /* its local day is the ranking's day */
};
/* Apply events of one partition: each is counted once whatever is redelivered (seen marks), events of days older than the retention
 * are ignored, offset:{topic}:{partition} becomes next_offset (-1 leaves it). One script call per 500 events, and another
 * where some of them were counted before. counted: how many were new. */
void ranking_apply(struct store *s, const char *topic, int32_t partition, int64_t next_offset,
                   const struct ranking_sale *sales, size_t n, int64_t now_us, int retention_days,
                   void (*done)(void *arg, int64_t counted, const struct error *e), void *arg);
/* Forget all that was counted for a local day (days since 1970): its sales, its seen marks and its part of the three-day keys, in one
 * script, so that its sales can be applied anew while nodes count. */
void ranking_forget(struct store *s, int64_t day, int retention_days, store_done_fn *done, void *arg);
/* The offset that the ranking has in Redis; -1 when none is stored. */
void ranking_offset(struct store *s, const char *topic, int32_t partition,
                    void (*done)(void *arg, int64_t offset, const struct error *e), void *arg);

struct ranking_entry {
    int64_t product_id, quantity;
};
/* The best sellers of the days up to and including the local day of now_us: recent3days when days is 3, else the union of daily
 * keys. */
void ranking_top(struct store *s, int64_t now_us, int days, size_t limit,
                 void (*done)(void *arg, const struct ranking_entry *entries, size_t n,
                              const struct error *e),
                 void *arg);

#endif
