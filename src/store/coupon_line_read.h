/* A look at a waiting line for an operator: reads only, changes nothing (contract section 4). */
#ifndef RUSHD_STORE_COUPON_LINE_READ_H
#define RUSHD_STORE_COUPON_LINE_READ_H

#include "store/store.h"

enum coupon_line_state {
    COUPON_LINE_WAITING,   /* in line */
    COUPON_LINE_TAKEN,     /* moved to in-flight, no delivery report yet */
    COUPON_LINE_PUBLISHED, /* reported, not decided yet */
};
struct coupon_line_place {
    const char *user; /* the member as it is spelled: a user id, but other programs may add anything */
    enum coupon_line_state state;
    int64_t place;           /* in line from 1, 0 when in flight */
    int64_t ticket;          /* 0: added from outside */
    int64_t requested_at_us; /* of an outside member what its score says, 0 when that is no time */
};
struct coupon_line_view {
    int64_t waiting, in_flight;
    int64_t issued;      /* size of the issued set */
    int64_t last_ticket; /* 0: none given */
    const char *owner;   /* node that drains the line, NULL: none at this moment */
    int64_t epoch, lease_ms;
    const struct coupon_line_place *members; /* those in flight first, each part in line order */
    size_t n;
};

#define COUPON_LINE_READ_MAX 1000
/* Read the counts and at most limit (0..COUPON_LINE_READ_MAX) members behind the first skip ones: one script. A line moves
 * between two calls: a member may be seen twice or not at all. */
void coupon_line_read(struct store *s, int64_t coupon_id, int64_t skip, int64_t limit,
                      void (*done)(void *arg, const struct coupon_line_view *view, const struct error *e),
                      void *arg);

#endif
