/* One batch of orders and charges between its lock and its answers: private to order.c. */
#ifndef RUSHD_SERVICE_ORDER_BATCH_H
#define RUSHD_SERVICE_ORDER_BATCH_H

#include "base/queue.h"
#include "msg/msg.h"
#include "service/order.h"

enum order_item_kind {
    ORDER_ITEM_ORDER,
    ORDER_ITEM_CHARGE
};

/* A request in line. */
struct order_item {
    TAILQ_ENTRY(order_item) link;
    enum order_item_kind kind;
    int64_t user_id;
    int64_t user_coupon_id;
    struct order_plan_line *lines;
    size_t nlines;
    money amount;                       /* of a charge */
    char *key, *body_hash, *request_id; /* NULL: none */
    unsigned form;
    int64_t submitted_us, deadline_us; /* clock_mono_us() */
    int64_t start_by_us;               /* not in a batch by then: refused, so that a batch has time to end */
    order_answer_fn *done;
    void *arg;

    /* Decided in a batch; done anew when the batch is planned again. */
    int status; /* of the answer, 0: undecided */
    const char *content_type;
    int retry_after_s;
    bool effect;   /* the answer tells of rows that are written in this transaction */
    bool remember; /* store the answer under its key */
    struct buf body;
    struct order_plan_verdict verdict;
    int64_t order_id;
    int64_t *line_ids;
};
TAILQ_HEAD(order_items, order_item);

const char *order_item_route(const struct order_item *it); /* "orders", "charge" */
void order_item_free(struct order_item *it);
/* Forget a decision, keep the request. */
void order_item_reset(struct order_item *it);
/* Decide by a refusal. */
void order_item_refuse(struct order_item *it, const struct refusal *why);

/* The arrays that a batch locks and writes; they point into items, facts and plan. */
struct order_batch {
    struct order_item **items;
    size_t n;
    struct order_plan *plan;
    int64_t now_us;
    struct order_tx_locks locks;
    struct order_tx_writes writes;
    struct msg_order *events; /* writes.orders as messages tell of them; texts belong to the facts */
    struct msg_order_item *event_items;
    const char **request_ids; /* of events */
    struct buf *payloads;     /* of writes.outbox */
};
/* Collect what the items touch: sorted, distinct. */
void order_batch_locks(struct order_batch *b);
/* Decide every item in order against the facts and collect what is to be written. Ids are taken from the
 * store. False when there is nothing to write. */
bool order_batch_plan(struct order_batch *b, struct store *s, const struct order_tx_facts *facts,
                      int64_t now_us);
/* Free what belongs to the batch; the items stay. */
void order_batch_clear(struct order_batch *b);

#endif
