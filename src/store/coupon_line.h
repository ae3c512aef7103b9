/* The waiting line of a coupon in Redis: every change is one Lua script (contract section 4).
 *
 * Keys: coupon:queue|ticket|last-score|inflight|taken|published|pending|drain|epoch|issued|info:{id}, coupon:lines,
 * coupon:result:{id}:{user}. Line, in-flight set and records do not expire; the counters are kept for ttl_ms and 30 days.
 * requested_at_us (microseconds since 1970, from Redis' clock, strictly increasing per coupon) identifies a request for
 * ever; the score is the same instant in seconds. */
#ifndef RUSHD_STORE_COUPON_LINE_H
#define RUSHD_STORE_COUPON_LINE_H

#include "store/store.h"

/* --- accept --- */
enum coupon_line_answer {
    COUPON_LINE_ACCEPTED,
    COUPON_LINE_ISSUED,  /* the user holds the coupon */
    COUPON_LINE_REFUSED, /* by the verdict handed in */
    COUPON_LINE_PENDING, /* a request of this user is on its way */
    COUPON_LINE_FULL,
};
struct coupon_line_ticket {
    enum coupon_line_answer answer;
    int64_t ticket, requested_at_us;
    int64_t position, size; /* 1-based place in the line, length of the line */
    int64_t generation;     /* of Redis' data (redis_mark.h) */
    bool holders_known;     /* REFUSED: Redis has a set of holders, and the user is not in it */
};
/* Check in the contract's order (issued, verdict, pending, bound) and take a place. acceptable is false when the coupon cannot
 * be issued now: then only issued and REFUSED are possible answers. An older result of the user is removed. When Redis has lost
 * the counters, numbers go on above the highest in PostgreSQL (guarantees G10). RETRIABLE with code NODATA while Redis' data is not
 * whole (redis_mark.h): older requests may still have to return to the line. */
void coupon_line_add(struct store *s, int64_t coupon_id, int64_t user_id, bool acceptable,
                     int64_t max_waiting, int64_t ttl_ms,
                     void (*done)(void *arg, const struct coupon_line_ticket *t, const struct error *e),
                     void *arg);
/* Take a request back that could not be made durable; only while it is still in line. removed tells. */
void coupon_line_cancel(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                        void (*done)(void *arg, bool removed, const struct error *e), void *arg);

/* --- drain --- */
struct coupon_line_state {
    int64_t coupon_id;
    int64_t waiting;   /* in line */
    int64_t taken;     /* in flight, not marked as published */
    int64_t in_flight; /* taken or published, without a result */
};
struct coupon_line_page {
    const struct coupon_line_state *lines;
    size_t n;
    uint64_t next; /* where the next page begins; 0: this was the last */
};
/* A page of the coupons whose line or in-flight set is not empty, about a thousand; from 0: the first. A coupon that has a line all the
 * time is in some page, perhaps in two. Empty ones are dropped from the set on the way. NODATA as above. */
void coupon_line_list(struct store *s, uint64_t from,
                      void (*done)(void *arg, const struct coupon_line_page *page, const struct error *e),
                      void *arg);
/* Look whether these coupons have a line (other programs add to it) and enter them in coupon:lines. */
void coupon_line_probe(struct store *s, const int64_t *coupon_ids, size_t n, store_done_fn *done, void *arg);

struct coupon_line_member {
    int64_t user_id, requested_at_us;
    int64_t ticket; /* 0: added from outside */
};
struct coupon_line_taken {
    bool owner;                               /* false: another node drains this coupon; nothing was taken */
    int64_t epoch;                            /* of our lease */
    const struct coupon_line_member *members; /* in line order */
    size_t n;
    int64_t waiting, in_flight; /* after taking */
    int64_t invalid;            /* members that were no user id: removed */
    int64_t put_back;           /* members of older epochs that returned to the line first */
    bool unfinished;            /* more of them are still to return; nothing was taken: call again at once */
};
struct coupon_line_take {
    int64_t coupon_id;
    const char *owner; /* node id */
    /* Of the lease we believe to hold; 0: none. Anything else than what stands there starts a new epoch, which puts unreported
     * members of older epochs back. */
    int64_t epoch;
    int64_t window;   /* most members in flight */
    int64_t limit;    /* most members in this call */
    int64_t lease_ms; /* of the drain lease: 5 s */
    int64_t ttl_ms;
};
/* Acquire or renew the lease and move members from line to in-flight. limit 0 takes nothing. A call moves at most 500 members in
 * each direction, so that Redis is not held up; nothing is taken before all of older epochs are back. NODATA as above. */
void coupon_line_take(struct store *s, const struct coupon_line_take *t,
                      void (*done)(void *arg, const struct coupon_line_taken *taken, const struct error *e),
                      void *arg);
/* Mark members as published (the delivery report is in). Only those still taken by this epoch; repeating it is harmless. */
void coupon_line_published(struct store *s, int64_t coupon_id, int64_t epoch,
                           const struct coupon_line_member *m, size_t n, store_done_fn *done, void *arg);
/* Return members to their old places in line: their publishing failed. Only those still taken by this epoch. */
void coupon_line_put_back(struct store *s, int64_t coupon_id, int64_t epoch,
                          const struct coupon_line_member *m, size_t n, store_done_fn *done, void *arg);
/* Members published longer ago than recheck_ms without a result, or taken longer ago than lease_ms without a mark, at most limit
 * and 500; they count as taken anew: publish them again with the same identity. Only for the holder of the lease with this
 * epoch; none while members of older epochs are still to return. */
void coupon_line_stale(struct store *s, int64_t coupon_id, const char *owner, int64_t epoch,
                       int64_t recheck_ms, int64_t lease_ms, size_t limit,
                       void (*done)(void *arg, const struct coupon_line_member *m, size_t n,
                                    const struct error *e),
                       void *arg);
/* Give the lease up (stop of a node). */
void coupon_line_release(struct store *s, int64_t coupon_id, const char *owner, int64_t epoch,
                         store_done_fn *done, void *arg);

/* --- result --- */
struct coupon_line_result {
    int64_t coupon_id, user_id, requested_at_us;
    bool success;
    const char *result_json; /* value of coupon:result:{couponId}:{userId} */
};
/* Write results: value, issued set on success, and removal of pending, in-flight and line entries that carry this requestedAt. A
 * newer request of the same user is never touched. SUCCESS is always written; FAILED is not written over a success, nor while
 * another request of the user is on the way, nor, when none is, over a newer result or for a holder of the coupon (a
 * replay). One call for a batch; repeating it is harmless. */
void coupon_line_decided(struct store *s, const struct coupon_line_result *results, size_t n,
                         int64_t result_ttl_ms, int64_t issued_ttl_ms, store_done_fn *done, void *arg);

struct coupon_line_status {
    const char *result_json; /* NULL: none */
    /* Whether a request is on its way: not asked for, and false, of who has a result in the form that rushd writes. */
    bool pending;
    int64_t requested_at_us, ticket, position; /* position 0: no longer in line (in flight) */
    int64_t size;
    bool whole; /* Redis' data is: what is not here was not there */
};
/* Read all of it at once: one script for those of a coupon who ask together. */
void coupon_line_status(struct store *s, int64_t coupon_id, int64_t user_id,
                        void (*done)(void *arg, const struct coupon_line_status *st, const struct error *e),
                        void *arg);

/* coupon:info:{id}, for other readers. */
struct coupon_row;
void coupon_line_info(struct store *s, const struct coupon_row *coupon, store_done_fn *done, void *arg);

#endif
