/* What Redis is rebuilt from: rows of PostgreSQL in pages, and the ways back into Redis that are not scripts of the daily work
 * (contract section 4; guarantees G10). */
#ifndef RUSHD_STORE_REBUILD_H
#define RUSHD_STORE_REBUILD_H

#include "store/coupon.h"
#include "store/ranking.h"

/* Undecided requests accepted before before_us, ascending by (coupon, requestedAt), behind the one given (all zero: from the
 * start). */
struct rebuild_cursor {
    int64_t coupon_id, requested_at_us, user_id;
};
void rebuild_read_requests(struct store *s, const struct rebuild_cursor *after, int64_t before_us,
                           size_t limit,
                           void (*done)(void *arg, const struct coupon_request_row *rows, size_t n,
                                        const struct error *e),
                           void *arg);
/* Put requests of one coupon back into its line; users who are on the way already are left alone. restored: how many came back;
 * late: how many of them while Redis' data was whole (redis_mark.h), so that later ones may be before them: they count as put
 * back (coupon_users_put_back()). */
void coupon_line_restore(struct store *s, const struct coupon_request_row *rows, size_t n, int64_t ttl_ms,
                         void (*done)(void *arg, int64_t restored, int64_t late, const struct error *e),
                         void *arg);

struct rebuild_holder {
    int64_t user_coupon_id, coupon_id, user_id;
};
/* Holders of coupons, ascending by user_coupon_id, behind the id given. */
void rebuild_read_holders(struct store *s, int64_t after, size_t limit,
                          void (*done)(void *arg, const struct rebuild_holder *rows, size_t n,
                                       const struct error *e),
                          void *arg);
/* Let the counters of a coupon go on above the highest numbers in PostgreSQL, when Redis has them: after a loss of its last writes
 * they are behind. */
void coupon_line_raise(struct store *s, int64_t coupon_id, int64_t ttl_ms, store_done_fn *done, void *arg);

/* Enter holders in coupon:issued:{id}. */
void coupon_line_restore_issued(struct store *s, const struct rebuild_holder *rows, size_t n, int64_t ttl_ms,
                                store_done_fn *done, void *arg);

/* Take users out of coupon:issued:{id}. */
void coupon_line_issued_remove(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                               store_done_fn *done, void *arg);

/* Sales of the newest orders below before_order_id (0: from the newest on), as the ranking consumer sees them: one per order and product, with
 * the product's first line. oldest_order_id 0: there was none; newest_us is the instant of the newest order of the page. */
void rebuild_read_sales(struct store *s, int64_t before_order_id, size_t orders,
                        void (*done)(void *arg, const struct ranking_sale *sales, size_t n,
                                     int64_t oldest_order_id, int64_t newest_us, const struct error *e),
                        void *arg);

#endif
