/* The transaction that decides a batch of coupon requests (contract section 6, "Issuing").
 *
 * Locks the coupons (sorted, FOR NO KEY UPDATE), then, in later statements, reads users, holders and earlier
 * decisions; the caller plans in offset order; one statement per table writes.
 */
#ifndef RUSHD_STORE_ISSUE_TX_H
#define RUSHD_STORE_ISSUE_TX_H

#include "store/store.h"

struct issue_tx;

struct issue_tx_request {
    int64_t coupon_id, user_id, requested_at_us;
    int64_t ticket; /* 0: none */
};
struct issue_tx_coupon {
    int64_t id;
    const char *name;
    money discount;
    int64_t max_issuance, issued;
    bool active; /* status ACTIVE */
    int64_t valid_from_us, valid_to_us;
};
struct issue_tx_fact { /* at the index of the request */
    bool user_exists, user_active;
    int64_t holds_user_coupon_id; /* 0: the user holds none of this coupon */
    bool decided;                 /* this very request has an outcome already */
    bool success;
    const char *reason; /* of a FAILED one */
    int64_t user_coupon_id;
};
struct issue_tx_facts {
    const struct issue_tx_coupon *coupons; /* ascending; unknown ones are left out */
    size_t ncoupons;
    const struct issue_tx_fact *requests; /* as many as requests handed in */
};
struct issue_tx_decision { /* of a request not decided before, each once; in decision order */
    struct issue_tx_request request;
    bool success;
    const char *reason;     /* error code when failed */
    int64_t user_coupon_id; /* reserved id when success */
};
struct issue_tx_count { /* per coupon: how many of the batch were issued; distinct */
    int64_t coupon_id, issued;
};

struct issue_tx_ops {
    /* The coupons are locked. Answer now or later in this turn with issue_tx_write() or issue_tx_abort(),
     * unless on_end comes first. Facts are valid until on_end has returned. */
    void (*on_locked)(void *arg, struct issue_tx *tx, const struct issue_tx_facts *facts);
    /* Once, the last call. error.code is the SQLSTATE when the database refused. */
    void (*on_end)(void *arg, enum store_end end, const struct error *e);
};
/* Requests in offset order. Coupons are locked whatever their order there. */
struct issue_tx *issue_tx_lock(struct store *s, const struct issue_tx_request *requests, size_t n,
                               int64_t deadline_ms, const struct issue_tx_ops *ops, void *arg);
/* Write and commit; at_us is the instant of every decision. A row count other than planned (a request that
 * has an outcome, a user who holds the coupon) rolls back with kind BUG. Counts of 0 are left out. */
void issue_tx_write(struct issue_tx *tx, int64_t at_us, const struct issue_tx_decision *decisions, size_t n,
                    const struct issue_tx_count *counts, size_t ncounts);
void issue_tx_abort(struct issue_tx *tx); /* nothing to write: on_end(ROLLED_BACK, kind NONE) follows */

#endif
