/* The inside of an audit, shared by its files: audit.c (the table and its run), audit_sweep.c (users of coupons, page by page),
 * audit_coupons.c (lines and sets in Redis, order of decisions), audit_ranking.c, audit_topics.c. */
#ifndef RUSHD_SERVICE_AUDIT_INTERNAL_H
#define RUSHD_SERVICE_AUDIT_INTERNAL_H

#include "base/buf.h"
#include "loop/loop.h"
#include "service/audit.h"
#include "store/coupon_users.h"
#include "store/rebuild.h"

struct audit;

/* What a check found so far; cleared before each. */
struct audit_report {
    int64_t examined, wrong, excused;
    bool skipped;
    struct buf note;
    char *examples[2 * AUDIT_EXAMPLES];
    size_t n;
};
/* Describe something wrong, or an exception, unless there are enough examples. */
void audit_example(struct audit *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The check is over. e: a service is away, and the audit ends. */
void audit_check_done(struct audit *a, const struct error *e);
void audit_skip(struct audit *a, const char *why);
/* Call fn(a) after the time in which a difference may go away by itself. */
void audit_settle(struct audit *a, void (*fn)(void *arg));
/* True, and the check is over, when e is an error. */
bool audit_failed(struct audit *a, const struct error *e);

/* What was read on the first snapshot to be compared later. */
struct audit_books_read {
    struct audit_sold *sold;
    size_t nsold;
    struct audit_late *late;
    size_t nlate;
    int64_t late_examined, late_total;
    struct audit_coupon *coupons;
    size_t ncoupons;
    struct audit_ordered *ordered; /* only when the topics are read */
    size_t nordered, ordered_cap;
    bool ordered_cut; /* there are more than fit */
};

/* Where the checks of open and late requests are. */
struct audit_open {
    struct rebuild_cursor after;
    size_t late;
};

struct audit_ranking;
struct audit_sweep;
struct audit_topics;
struct audit {
    struct loop *loop;
    struct store *store;
    const struct audit_config *cfg;
    size_t check; /* running, index in the table */
    struct audit_report report;
    struct error error;
    struct audit_snapshot *snapshot; /* NULL once collected, unless a check has one of its own */
    bool collected;
    int64_t began_us, first_day; /* the oldest day that the ranking keeps */
    struct audit_books_read books;
    struct audit_open open;
    struct audit_ranking *ranking; /* state of the running check */
    struct audit_sweep *sweep;
    struct audit_topics *topics;
    struct loop_timer *timer;
    void (*settled)(void *arg);
    struct loop_task step;
    void (*on_check)(void *arg, const struct audit_result *result);
    void (*done)(void *arg, const struct error *e);
    void *arg;
};

/* --- audit_sweep.c --- */

/* Users of one coupon at most COUPON_USERS_MAX, with what is wrong with each. */
struct audit_page {
    int64_t coupon_id;
    size_t n;
    int64_t users[COUPON_USERS_MAX];
    int64_t requested_at_us[COUPON_USERS_MAX]; /* 0: any request of the user */
    const char *wrong[COUPON_USERS_MAX];       /* NULL: all is well */
};
struct audit_sweep_ops {
    /* Give the next page by audit_sweep_page(), or end by audit_sweep_end(). */
    void (*next)(struct audit *a);
    /* Set wrong[] and call audit_sweep_verified(). */
    void (*verify)(struct audit *a, struct audit_page *page);
};
/* Verify every page of a source; verify what is wrong once more after a while; report what still is. Then then(a) is called. */
void audit_sweep_start(struct audit *a, const struct audit_sweep_ops *ops, void (*then)(struct audit *a));
void audit_sweep_page(struct audit *a, int64_t coupon_id, const int64_t *users,
                      const int64_t *requested_at_us, size_t n);
void audit_sweep_end(struct audit *a);
void audit_sweep_verified(struct audit *a, const struct error *e);
struct audit_page *audit_sweep_verifying(struct audit *a); /* the page that verify() was given */
/* Where a source is: the coupon, and its place there. */
struct audit_place {
    size_t coupon;
    int64_t after;
    uint64_t cursor;
};
struct audit_place *audit_sweep_place(struct audit *a);
void audit_sweep_free(struct audit_sweep *s);

/* --- the checks that are functions --- */
void audit_issued_sets(struct audit *a);   /* audit_coupons.c */
void audit_pending(struct audit *a);       /* audit_coupons.c */
void audit_undecided(struct audit *a);     /* audit_coupons.c */
void audit_order(struct audit *a);         /* audit_coupons.c */
void audit_ranking_daily(struct audit *a); /* audit_ranking.c */
void audit_ranking_recent(struct audit *a);
void audit_ranking_free(struct audit_ranking *r);
void audit_topic_orders(struct audit *a); /* audit_topics.c: reads all three */
void audit_topic_platform(struct audit *a);
void audit_topic_ranking(struct audit *a);
void audit_topics_free(struct audit_topics *t);

#endif
