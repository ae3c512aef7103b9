/* Decide a batch of coupon requests: pure, in offset order, against the locked facts (guarantees G2, G3, G7,
 * G8). */
#ifndef RUSHD_SERVICE_COUPON_ISSUE_PLAN_H
#define RUSHD_SERVICE_COUPON_ISSUE_PLAN_H

#include "service/refusal.h"
#include "store/issue_tx.h"

struct coupon_issue_verdict {
    bool success;
    enum refusal_code reason; /* when not */
    int64_t user_coupon_id;
    bool fresh; /* decided now: a row is to be written; else an earlier decision is repeated */
};

/* Hand out the next reserved user coupon id. */
typedef int64_t coupon_issue_id_fn(void *arg);

/* Fill verdicts[n]. A request that has an outcome keeps it, also when it comes twice in the batch. ttl_us: an
 * older request is FAILED (SYSTEM_ERROR). Validity is judged at the instant of the request, everything else
 * as it is now. */
void coupon_issue_plan(const struct issue_tx_request *requests, size_t n, const struct issue_tx_facts *facts,
                       int64_t now_us, int64_t ttl_us, coupon_issue_id_fn *next_id, void *arg,
                       struct coupon_issue_verdict *verdicts);
/* The rows to write: decisions[n] at most and one count per coupon, counts[facts->ncoupons] at most. */
void coupon_issue_rows(const struct issue_tx_request *requests, size_t n, const struct issue_tx_facts *facts,
                       const struct coupon_issue_verdict *verdicts, struct issue_tx_decision *decisions,
                       size_t *ndecisions, struct issue_tx_count *counts, size_t *ncounts);

#endif
