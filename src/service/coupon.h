/* The life of a coupon request (contract section 4): accept, status, drain, decision. One file per step. */
#ifndef RUSHD_SERVICE_COUPON_H
#define RUSHD_SERVICE_COUPON_H

#include "msg/msg.h"
#include "service/coupon_cache.h"
#include "service/ports.h"
#include "service/refusal.h"
#include "service/user_cache.h"

struct loop;

#define COUPON_ISSUED_TTL_MS (INT64_C(30) * 24 * 3600 * 1000) /* of coupon:issued:{id} (contract section 4) */

struct coupon_config {
    bool durable_accept; /* coupon.accept.durability = database */
    int64_t interval_ms, drain_per_tick, window, lease_ms, recheck_ms, ttl_ms, result_ttl_ms, max_waiting;
    enum msg_schema schema;
    const char *node_id;
    int64_t attempts, backoff_ms, backoff_max_ms; /* kafka.consumer.* */
    const char *group;                            /* kafka.consumer.group.coupon-issue */
    int64_t max_accepting; /* requests on their way into the line; beyond it 503 at once */
};

/* --- accept: coupon_accept.c --- */
struct coupon_accept;
struct coupon_accept *coupon_accept_new(struct loop *l, struct store *s, struct user_cache *users,
                                        struct coupon_cache *cache, const struct coupon_config *cfg);
struct coupon_accepted {
    int64_t ticket, position, size, estimated_wait_s;
};
/* accepted, or NULL and why. why->code OUTCOME_UNKNOWN and SERVICE_UNAVAILABLE are among them. */
typedef void coupon_accept_fn(void *arg, const struct coupon_accepted *accepted, const struct refusal *why);
void coupon_accept(struct coupon_accept *a, int64_t coupon_id, int64_t user_id, coupon_accept_fn *done,
                   void *arg);
/* After the store has answered everything, before the caches; requests and questions that are left go without an answer. */
void coupon_accept_free(struct coupon_accept *a);

/* --- status: coupon_status.c --- */
enum coupon_state {
    COUPON_PROCESSING,
    COUPON_SUCCESS,
    COUPON_FAILED
};
struct coupon_standing {
    enum coupon_state state;
    const char *message;      /* Korean sentence of the contract */
    enum refusal_code reason; /* FAILED: why (for another language); NONE when unknown */
    int64_t position, size;   /* 0 when no longer in line */
    int64_t estimated_wait_s;
    int64_t user_coupon_id; /* 0: none */
};
/* standing, or NULL and why (COUPON_REQUEST_NOT_FOUND, invalid ids, SERVICE_UNAVAILABLE). Order of sources:
 * result key, pending record, coupon_requests, user_coupons. Redis away or not whole: PostgreSQL alone answers, and SERVICE_UNAVAILABLE
 * stands for COUPON_REQUEST_NOT_FOUND. */
void coupon_status(struct coupon_accept *a, int64_t coupon_id, int64_t user_id,
                   void (*done)(void *arg, const struct coupon_standing *st, const struct refusal *why),
                   void *arg);

/* --- drain: coupon_drain.c --- */
struct coupon_drain;
struct coupon_drain *coupon_drain_new(struct loop *l, struct store *s, struct coupon_cache *cache,
                                      struct event_sink sink, const struct coupon_config *cfg);
/* Start or stop draining, and with it the writing of coupon:info (role queue). Stopped without coupon_drain_stop() the
 * leases end by themselves. */
void coupon_drain_run(struct coupon_drain *d, bool run);
/* Requests of a coupon that were published per second lately; 0 when it has not been drained here. For
 * estimates. */
double coupon_drain_rate(const struct coupon_drain *d, int64_t coupon_id);
/* Stop: wait for the reports, give the leases up; stopped fires once, never before this returns, at the latest at the
 * deadline. Call it once. */
void coupon_drain_stop(struct coupon_drain *d, int64_t deadline_ms, void (*stopped)(void *arg), void *arg);
/* After sink and store have answered everything, before the cache. */
void coupon_drain_free(struct coupon_drain *d);
void coupon_accept_use_rates(struct coupon_accept *a, struct coupon_drain *d);

/* --- decision: coupon_issue.c, coupon_issue_plan.c --- */
struct coupon_issue;
struct coupon_issue *coupon_issue_new(struct loop *l, struct store *s, struct event_source source,
                                      struct dead_letter_port dead, const struct coupon_config *cfg);
struct event_handler coupon_issue_handler(struct coupon_issue *c);
size_t coupon_issue_running(const struct coupon_issue *c); /* batches not finished */
void coupon_issue_free(struct coupon_issue *c);

#endif
