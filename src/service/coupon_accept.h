/* What accepting and status share: private to the two files. */
#ifndef RUSHD_SERVICE_COUPON_ACCEPT_H
#define RUSHD_SERVICE_COUPON_ACCEPT_H

#include "base/queue.h"
#include "loop/loop.h"
#include "service/coupon.h"

struct accept;
struct metric_series;
struct status;
TAILQ_HEAD(accepts, accept);

struct coupon_accept {
    struct loop *loop;
    struct store *store;
    struct user_cache *users;
    struct coupon_cache *cache;
    struct coupon_drain *drain; /* for measured rates; may be NULL */
    struct coupon_config cfg;
    LIST_HEAD(, accept) requests; /* without an answer */
    size_t nrequests;
    struct metric_series *accepting;
    struct metric_series *outcomes[REFUSAL_COUNT]; /* of each answer that was given; REFUSAL_NONE: accepted */
    LIST_HEAD(, status) questions;                 /* the same */
    struct accepts to_insert;
    struct accepts refused; /* refused without a question, answered at the end of the turn */
    struct recent *
        refusals; /* (coupon, user) -> issued * 2 + he is a holder, of those who came when all were given out */
    size_t nto_insert;
    size_t inserts, last_insert; /* running ones, and the rows of the last one begun */
    size_t
        insert_limit; /* rows of the next insert: halved when the database refuses one, doubled by success */
    struct loop_task insert_task, refused_task;
};

/* Seconds until the member at this place is likely to be published: by the measured rate, else by the
 * configured one. */
int64_t coupon_estimate_s(const struct coupon_accept *a, int64_t coupon_id, int64_t position);
/* Why the coupon cannot be issued at this instant; NONE when it can. row may be NULL. */
enum refusal_code coupon_verdict(const struct coupon_row *row, int64_t now_us);

/* Drop the questions that are left, without an answer: coupon_status.c. */
void coupon_status_drop(struct coupon_accept *a);

#endif
