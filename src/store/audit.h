/* What the audit reads: the books, on one snapshot of PostgreSQL (guarantees section 1). Nothing here changes anything. */
#ifndef RUSHD_STORE_AUDIT_H
#define RUSHD_STORE_AUDIT_H

#include "store/store.h"

/* --- snapshot --- */

/* One snapshot of the database; the planner may read whole tables on it. */
struct audit_snapshot;
/* Open it; ready fires once, e NULL on success. deadline_ms bounds its whole life. */
struct audit_snapshot *audit_snapshot_open(struct store *s, int64_t deadline_ms, store_done_fn *ready,
                                           void *arg);
/* Let go of it, ready or not: no callback of it fires any more. NULL is fine. */
void audit_snapshot_close(struct audit_snapshot *a);

/* --- books --- */

/* Orders and requests within [from_us, to_us), of one coupon when coupon_id is not 0. */
struct audit_range {
    int64_t from_us, to_us, coupon_id;
};

/* Each is one statement that finds what must not be there. */
enum audit_book {
    AUDIT_STOCK,
    AUDIT_SALES,
    AUDIT_ISSUED_COUNT,
    AUDIT_ONE_EACH,
    AUDIT_BALANCE,
    AUDIT_LEDGER,
    AUDIT_PAYMENT,
    AUDIT_TOTALS,
    AUDIT_HISTORY,
    AUDIT_ANSWERS,
    AUDIT_COUPON_USED,
    AUDIT_OUTBOX,
    AUDIT_FORWARDED,
    AUDIT_DECISIONS,
    AUDIT_HOLDERS,
    AUDIT_TICKETS,
    AUDIT_BOOKS,
};
#define AUDIT_EXAMPLES 10
struct audit_finding {
    int64_t examined; /* rows looked at */
    int64_t wrong;
    const char *examples[AUDIT_EXAMPLES]; /* one line for a person each */
    size_t n;
};
/* Look through one book. */
void audit_read_book(struct audit_snapshot *a, enum audit_book book, const struct audit_range *r,
                     void (*done)(void *arg, const struct audit_finding *f, const struct error *e),
                     void *arg);

/* --- rows that are compared with something outside --- */

/* Sales of the days from first_day (days since 1970) on, ascending by day and product. */
struct audit_sold {
    int64_t day, product_id;
    int64_t certain; /* quantity of orders whose messages are all delivered */
    int64_t total;
};
void audit_read_sold(struct audit_snapshot *a, int64_t first_day,
                     void (*done)(void *arg, const struct audit_sold *rows, size_t n, const struct error *e),
                     void *arg);

/* Completed orders whose messages are all delivered, one row per order and product, ascending, the orders behind the id given; at most
 * `orders` orders. */
struct audit_ordered {
    int64_t order_id, product_id, created_at_us;
};
void audit_read_orders(
    struct audit_snapshot *a, const struct audit_range *r, int64_t after_order_id, size_t orders,
    void (*done)(void *arg, const struct audit_ordered *rows, size_t n, const struct error *e), void *arg);

/* Requests that were decided after one with a higher ticket, ascending by coupon. examined: decisions with a ticket; total: of them
 * out of order, of which at most limit are given. */
struct audit_late {
    int64_t coupon_id, user_id, requested_at_us, ticket;
};
void audit_read_late(struct audit_snapshot *a, const struct audit_range *r, size_t limit,
                     void (*done)(void *arg, int64_t examined, int64_t total, const struct audit_late *rows,
                                  size_t n, const struct error *e),
                     void *arg);

struct audit_coupon {
    int64_t coupon_id, holders, newest_issue_us; /* 0: none */
};
/* The coupons, ascending. */
void audit_read_coupons(struct audit_snapshot *a, const struct audit_range *r,
                        void (*done)(void *arg, const struct audit_coupon *rows, size_t n,
                                     const struct error *e),
                        void *arg);

#endif
