/* The planner of a batch of coupon requests. Pure. */
#include "service/coupon_issue_plan.h"

#include <stdio.h>

#include "base/map.h"

struct running {
    int64_t issued;
};

static const struct issue_tx_coupon *find(const struct issue_tx_facts *facts, int64_t id, size_t *index)
{
    size_t lo = 0, hi = facts->ncoupons;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (facts->coupons[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    *index = lo;
    return lo < facts->ncoupons && facts->coupons[lo].id == id ? &facts->coupons[lo] : NULL;
}

/* The contract's order of checks (section 3). */
static enum refusal_code judge(const struct issue_tx_request *r, const struct issue_tx_fact *fact, bool holds,
                               const struct issue_tx_coupon *coupon, int64_t issued, int64_t now_us,
                               int64_t ttl_us)
{
    if (!fact->user_exists || !fact->user_active)
        return REFUSAL_COUPON_USER_NOT_FOUND;
    if (holds)
        return REFUSAL_COUPON_ALREADY_ISSUED;
    if (!coupon)
        return REFUSAL_COUPON_NOT_FOUND;
    if (issued >= coupon->max_issuance)
        return REFUSAL_COUPON_SOLD_OUT;
    if (!coupon->active || r->requested_at_us < coupon->valid_from_us ||
        r->requested_at_us >= coupon->valid_to_us)
        return REFUSAL_COUPON_NOT_ISSUABLE;
    if (now_us - r->requested_at_us > ttl_us)
        return REFUSAL_COUPON_SYSTEM_ERROR;
    return REFUSAL_NONE;
}

/* What the batch has decided so far: by request, and which users hold which coupon. */
struct memory {
    struct strmap *requests, *holders;
};

static size_t request_key(char *out, size_t size, const struct issue_tx_request *r)
{
    return (size_t)snprintf(out, size, "%lld/%lld/%lld", (long long)r->coupon_id, (long long)r->user_id,
                            (long long)r->requested_at_us);
}

static size_t holder_key(char *out, size_t size, const struct issue_tx_request *r)
{
    return (size_t)snprintf(out, size, "%lld/%lld", (long long)r->coupon_id, (long long)r->user_id);
}

static struct coupon_issue_verdict repeat(const struct issue_tx_fact *fact)
{
    enum refusal_code reason =
        fact->success ? REFUSAL_NONE : refusal_of_word(fact->reason ? fact->reason : "");
    if (!fact->success && reason == REFUSAL_NONE)
        reason = REFUSAL_COUPON_SYSTEM_ERROR;
    return (struct coupon_issue_verdict){fact->success, reason, fact->user_coupon_id, false};
}

void coupon_issue_plan(const struct issue_tx_request *requests, size_t n, const struct issue_tx_facts *facts,
                       int64_t now_us, int64_t ttl_us, coupon_issue_id_fn *next_id, void *arg,
                       struct coupon_issue_verdict *verdicts)
{
    struct running *running = mem_array(facts->ncoupons, sizeof *running);
    for (size_t i = 0; i < facts->ncoupons; i++)
        running[i].issued = facts->coupons[i].issued;
    struct memory memory = {strmap_new(), strmap_new()};
    for (size_t i = 0; i < n; i++) {
        char rkey[72], hkey[48];
        size_t rlen = request_key(rkey, sizeof rkey, &requests[i]),
               hlen = holder_key(hkey, sizeof hkey, &requests[i]);
        const struct coupon_issue_verdict *twin = strmap_get(memory.requests, rkey, rlen);
        struct coupon_issue_verdict *v = &verdicts[i];
        if (twin) {
            *v = *twin;
            v->fresh = false;
            continue;
        }
        strmap_put(memory.requests, rkey, rlen, v);
        if (facts->requests[i].decided) {
            *v = repeat(&facts->requests[i]);
            continue;
        }
        size_t index;
        const struct issue_tx_coupon *coupon = find(facts, requests[i].coupon_id, &index);
        bool holds = facts->requests[i].holds_user_coupon_id || strmap_get(memory.holders, hkey, hlen);
        enum refusal_code reason = judge(&requests[i], &facts->requests[i], holds, coupon,
                                         coupon ? running[index].issued : 0, now_us, ttl_us);
        *v =
            (struct coupon_issue_verdict){.success = reason == REFUSAL_NONE, .reason = reason, .fresh = true};
        if (v->success) {
            v->user_coupon_id = next_id(arg);
            running[index].issued++;
            strmap_put(memory.holders, hkey, hlen, v);
        }
    }
    strmap_free(memory.requests);
    strmap_free(memory.holders);
    mem_free(running);
}

void coupon_issue_rows(const struct issue_tx_request *requests, size_t n, const struct issue_tx_facts *facts,
                       const struct coupon_issue_verdict *verdicts, struct issue_tx_decision *decisions,
                       size_t *ndecisions, struct issue_tx_count *counts, size_t *ncounts)
{
    int64_t *issued = mem_array(facts->ncoupons, sizeof *issued);
    *ndecisions = *ncounts = 0;
    for (size_t i = 0; i < n; i++) {
        if (!verdicts[i].fresh)
            continue;
        decisions[(*ndecisions)++] = (struct issue_tx_decision){
            .request = requests[i],
            .success = verdicts[i].success,
            .reason = verdicts[i].success ? NULL : refusal_word(verdicts[i].reason),
            .user_coupon_id = verdicts[i].user_coupon_id,
        };
        size_t index;
        if (verdicts[i].success && find(facts, requests[i].coupon_id, &index))
            issued[index]++;
    }
    for (size_t i = 0; i < facts->ncoupons; i++)
        if (issued[i])
            counts[(*ncounts)++] = (struct issue_tx_count){facts->coupons[i].id, issued[i]};
    mem_free(issued);
}
