/* Orders and charges: what arrives while a transaction runs shares the next one (plan in order_plan, writes
 * in store/order_tx).
 *
 * A request is answered only when its outcome is certain: committed, refused in a committed or read-only
 * decision, or certainly not done; else OUTCOME_UNKNOWN. */
#ifndef RUSHD_SERVICE_ORDER_H
#define RUSHD_SERVICE_ORDER_H

#include "service/order_plan.h"
#include "service/ports.h"

struct loop;
struct outbox_publisher;

struct order_service_config {
    int64_t batch_max;   /* order.batch-max */
    int64_t max_items;   /* order.max-items */
    int64_t max_waiting; /* requests in line; beyond it 503 at once */
    int64_t timeout_ms;  /* from submit to answer: below server.request-timeout */
};
struct order_service;
/* The outbox publisher gets the committed orders; it outlives the service. */
struct order_service *order_service_new(struct loop *l, struct store *s, struct outbox_publisher *outbox,
                                        const struct order_service_config *cfg);

/* The finished HTTP answer: status and body (valid in the callback only). retry_after_s > 0 with 503 that may
 * be repeated. */
struct order_answer {
    int status;
    struct slice body;
    const char *content_type;
    int retry_after_s;
};
typedef void order_answer_fn(void *arg, const struct order_answer *a);

struct order_submit {
    int64_t user_id;
    int64_t user_coupon_id;
    const struct order_plan_line *lines;
    size_t nlines;
    const char *idempotency_key; /* NULL: none */
    const char *body_hash;       /* of the request body, hex; used with the key */
    const char *request_id;
    unsigned form; /* enum refusal_form */
};
/* Everything is copied; done fires exactly once, never before this returns. Invalid user id, no items, too
 * many items and quantities below 1 are answered without a transaction. */
void order_submit(struct order_service *o, const struct order_submit *in, order_answer_fn *done, void *arg);

struct charge_submit {
    int64_t user_id;
    money amount;
    const char *idempotency_key;
    const char *body_hash;
    const char *request_id;
    unsigned form;
};
/* The same for a charge of a balance. */
void charge_submit(struct order_service *o, const struct charge_submit *in, order_answer_fn *done, void *arg);

/* Requests in line, those of the running batch apart. */
size_t order_service_waiting(const struct order_service *o);
/* Finish what is in line, refuse what comes; drained fires once, at the latest at the deadline, when what is
 * still in line is answered 503. Call it once. */
void order_service_drain(struct order_service *o, int64_t deadline_ms, void (*drained)(void *arg), void *arg);
/* After the store has answered everything. Requests that were not drained go without an answer. */
void order_service_free(struct order_service *o);

#endif
