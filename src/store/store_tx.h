/* A writing transaction in two steps, shared by order_tx and issue_tx: lock and read facts, then write sets
 * whose row counts were planned, then commit.
 *
 * Every statement of a step is queued, then store_tx_step_end(); when the last one has answered, on_step
 * fires. A row count other than the planned one rolls back. on_end is the last call; the owner frees with
 * store_tx_free(). */
#ifndef RUSHD_STORE_STORE_TX_H
#define RUSHD_STORE_STORE_TX_H

#include "store/store_internal.h"

enum store_tx_state {
    STORE_TX_LOCKING,    /* waiting for a connection, or for the facts */
    STORE_TX_LOCKED,     /* the owner plans */
    STORE_TX_WRITING,    /* waiting for the row counts */
    STORE_TX_COMMITTING, /* COMMIT is sent */
    STORE_TX_ENDING,     /* rolled back by us, or a statement failed: on_end follows */
    STORE_TX_ENDED,      /* on_end has fired */
};

struct store_tx;
struct store_tx_ops {
    void (*lock)(struct store_tx *tx);       /* queue the statements of the first step */
    void (*locked)(struct store_tx *tx);     /* all facts are in */
    void (*committing)(struct store_tx *tx); /* COMMIT is on its way; NULL: not wanted */
    void (*end)(struct store_tx *tx, enum store_end end, const struct error *e);
    const char *fault_point; /* passed when everything is written, before COMMIT */
};
struct store_tx {
    struct store *store;
    const struct store_tx_ops *ops;
    struct pg_tx *pg;
    enum store_tx_state state;
    int waiting;               /* statements of this step without an answer */
    struct error why;          /* the first thing that went wrong in a statement or a row count */
    struct store_arena memory; /* facts, and what waits for statements */
};

/* Begin: tx is the owner's memory, zeroed but for memory. ops->lock or ops->end follows, never before this returns. */
void store_tx_start(struct store_tx *tx, struct store *s, const struct store_tx_ops *ops,
                    int64_t deadline_ms);
/* Free what tx holds; the last act of ops->end. */
void store_tx_free(struct store_tx *tx);

/* Queue a reading or locking statement; on_rows gets its rows. */
typedef void store_tx_rows_fn(struct store_tx *tx, const struct pg_result *r);
void store_tx_read(struct store_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                   store_tx_rows_fn *on_rows);

/* What a row count other than the planned one means. */
enum store_tx_mismatch {
    STORE_TX_BUG,  /* everything is locked: rushd planned wrongly */
    STORE_TX_RACE, /* another transaction was faster: plan anew */
};
/* Queue a writing statement that must report exactly this many rows. */
void store_tx_write(struct store_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                    size_t planned, enum store_tx_mismatch mismatch);
/* LOCKED -> WRITING: statements of the second step may be queued. */
void store_tx_begin_writes(struct store_tx *tx);
/* The step is complete. */
void store_tx_step_end(struct store_tx *tx);
/* Roll back: the end is ROLLED_BACK, kind NONE unless something went wrong before. */
void store_tx_abort(struct store_tx *tx);

#endif
