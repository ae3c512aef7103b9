/* Calls about the same coupon, gathered for one script. */
#ifndef RUSHD_STORE_LINE_BATCH_H
#define RUSHD_STORE_LINE_BATCH_H

#include "store/store_internal.h"

/* First member of a call that waits. */
struct line_call {
    TAILQ_ENTRY(line_call) link;
    int64_t user_id;
};
TAILQ_HEAD(line_calls, line_call);

/* What the calls of a batch have in common; all of it is compared. */
struct line_key {
    int64_t coupon_id;
    int64_t acceptable, max_waiting, ttl_ms; /* of coupon_line_add() */
};

struct line_batch {
    TAILQ_ENTRY(line_batch) link; /* while it is open */
    struct line_batches *owner;
    struct store *store;
    struct line_key key;
    struct line_calls calls;
    size_t n;
};

/* Send the script of a batch; it belongs to this function, which ends with line_batch_end(). */
typedef void line_batch_fn(struct line_batch *b);

/* Make what gathers the calls of one kind, at most most of them in a batch. */
struct line_batches *line_batches_new(struct store *s, size_t most, line_batch_fn *send);
/* Add a call. It is sent at the end of the turn in which no script of this kind is under way for its coupon, or when its batch is
 * full; calls about one coupon keep their order. */
void line_batches_add(struct line_batches *l, const struct line_key *key, struct line_call *call);
/* Send what waits, now. */
void line_batches_flush(struct line_batches *l);
/* Free it, and the calls that wait: their callers ended before the store did. No script is under way. */
void line_batches_free(struct line_batches *l);
/* Its script has answered: free the batch, not its calls, and send those that gathered meanwhile at the end of the turn. */
void line_batch_end(struct line_batch *b);

#endif
