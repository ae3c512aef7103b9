/* What PostgreSQL and Redis know of many users of one coupon, asked a page at a time: for the audit and for rebuilding. Nothing here
 * changes anything. */
#ifndef RUSHD_STORE_COUPON_USERS_H
#define RUSHD_STORE_COUPON_USERS_H

#include "store/store.h"

#define COUPON_USERS_MAX 500 /* users of one call */

/* flags[i]: what is asked holds for the i-th. */
typedef void coupon_flags_fn(void *arg, const bool *flags, size_t n, const struct error *e);
/* Which users hold the coupon, by PostgreSQL. */
void coupon_users_held(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                       coupon_flags_fn *done, void *arg);
/* Which users are in coupon:issued:{id}. */
void coupon_users_issued(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                         coupon_flags_fn *done, void *arg);
/* Which of these requests have an outcome in PostgreSQL. */
void coupon_users_decided(struct store *s, int64_t coupon_id, const int64_t *user_ids,
                          const int64_t *requested_at_us, size_t n, coupon_flags_fn *done, void *arg);
/* Which of these requests were put back in line after they had been taken (coupon:put-back:{id}). */
void coupon_users_put_back(struct store *s, int64_t coupon_id, const int64_t *user_ids,
                           const int64_t *requested_at_us, size_t n, coupon_flags_fn *done, void *arg);

/* Where users stand in the line, all of them at one instant. */
struct coupon_place {
    bool record; /* in pending, with: */
    char state;  /* W in line, T taken, P published */
    int64_t requested_at_us;
    bool in_line, in_flight;
    bool taken, published; /* which of the two times beside in-flight is kept */
};
void coupon_users_places(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                         void (*done)(void *arg, const struct coupon_place *places, size_t n,
                                      const struct error *e),
                         void *arg);

/* A page of the users in a key of the coupon; cursor 0 starts, next 0 was the last. A user may come twice; what is no user id is left
 * out, and a page may have more than COUPON_USERS_MAX users. */
enum coupon_users {
    COUPON_USERS_PENDING,
    COUPON_USERS_IN_FLIGHT,
    COUPON_USERS_ISSUED,
};
typedef void coupon_users_scan_fn(void *arg, uint64_t next, const int64_t *user_ids, size_t n,
                                  const struct error *e);
void coupon_users_scan(struct store *s, int64_t coupon_id, enum coupon_users which, uint64_t cursor,
                       coupon_users_scan_fn *done, void *arg);

#endif
