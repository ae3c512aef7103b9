/* The outbox: committed orders whose messages are not all reported delivered (contract section 5).
 *
 * A row has the orders of one transaction whose ids follow each other. It is named by the first id; its payload has an order
 * in each line, as msg prints it. */
#ifndef RUSHD_STORE_OUTBOX_H
#define RUSHD_STORE_OUTBOX_H

#include "store/store.h"

struct outbox_row {
    int64_t order_id; /* the first one's */
    size_t orders;
    const char *payload; /* a line for each order */
    size_t size;
    int attempts;
    int published; /* bit per topic done */
};
/* Claim rows that are due, until they have `orders` orders (the last row may go beyond): FOR UPDATE SKIP LOCKED, available_at grows
 * with the attempts (from base_ms, at most max_ms), committed before done is called. Rows in `skip` (ascending; in flight on this
 * node) are left alone. */
void outbox_claim(struct store *s, size_t orders, int64_t base_ms, int64_t max_ms, const int64_t *skip,
                  size_t nskip,
                  void (*done)(void *arg, const struct outbox_row *rows, size_t n, const struct error *e),
                  void *arg);
/* Rows by their names, here and below. */
void outbox_delete(struct store *s, const int64_t *order_ids, size_t n, store_done_fn *done, void *arg);
void outbox_mark(struct store *s, int64_t order_id, int published, store_done_fn *done,
                 void *arg); /* or-ed in */
/* A permanent publish error: the relay leaves the row alone from now on. */
void outbox_park(struct store *s, int64_t order_id, const char *reason, store_done_fn *done, void *arg);
struct outbox_state {
    int64_t rows;      /* exact up to 10,000, then 10,000 */
    int64_t parked;    /* rows with a permanent error */
    int64_t oldest_us; /* created_at of the oldest, 0 when empty */
};
void outbox_read_state(struct store *s,
                       void (*done)(void *arg, const struct outbox_state *st, const struct error *e),
                       void *arg);

#endif
