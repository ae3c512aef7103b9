/* coupon:info:{id} for other readers (contract section 4): written by nodes with the role queue whenever a reading of the
 * coupons shows a change, so that status, period and numbers there are those of PostgreSQL. */
#ifndef RUSHD_SERVICE_COUPON_INFO_H
#define RUSHD_SERVICE_COUPON_INFO_H

#include "service/coupon_cache.h"

struct coupon_info;

/* Nothing is written before coupon_info_run(). The cache tells this writer, and no other, of its readings. */
struct coupon_info *coupon_info_new(struct loop *l, struct store *s, struct coupon_cache *cache);
/* Start or stop writing. A start writes every coupon once. */
void coupon_info_run(struct coupon_info *i, bool run);
/* Before the cache, after the store has answered everything. */
void coupon_info_free(struct coupon_info *i);

#endif
