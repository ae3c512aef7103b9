/* The transaction of a batch of orders and charges: lock, read facts, write sets, commit (contract section
 * 6).
 *
 * One round trip locks and reads: transaction token, idempotency claims (pg_try_advisory_xact_lock, sorted),
 * stored answers, products, balances (with their users), user coupons: each sorted, FOR NO KEY UPDATE, in
 * that order. A second writes one set-based statement per table and checks the planned row counts; a third
 * commits.
 */
#ifndef RUSHD_STORE_ORDER_TX_H
#define RUSHD_STORE_ORDER_TX_H

#include "store/store.h"

struct order_tx;

/* An Idempotency-Key in its scope. */
struct order_tx_key {
    const char *route; /* "orders", "charge" */
    int64_t user_id;
    const char *key;
};

/* What to lock. Ids ascending and distinct; keys distinct, in any order. */
struct order_tx_locks {
    const int64_t *product_ids;
    size_t nproducts;
    const int64_t *user_ids;
    size_t nusers;
    const int64_t *user_coupon_ids;
    size_t nuser_coupons;
    const struct order_tx_key *keys;
    size_t nkeys;
};

struct order_tx_product {
    int64_t id;
    const char *name;
    const char *category;
    money price;
    int64_t stock;
    bool active; /* false: INACTIVE, selling is stopped */
};
struct order_tx_user {
    int64_t user_id;
    const char *username;
    bool active;
    bool has_balance;
    money balance;
};
struct order_tx_coupon {
    int64_t user_coupon_id, user_id, coupon_id;
    money discount;
    bool issued; /* status ISSUED */
    int64_t valid_from_us, valid_to_us;
};
/* The stored answer of a key, at the index of the key in the locks. */
struct order_tx_answer {
    bool claimed; /* false: the same key is running in another transaction now */
    bool decided; /* an answer is stored */
    int status;
    const char *body_hash;
    const char *body;
};
/* Sorted as asked for; what does not exist is left out. Valid until on_end. */
struct order_tx_facts {
    const struct order_tx_product *products;
    size_t nproducts;
    const struct order_tx_user *users;
    size_t nusers;
    const struct order_tx_coupon *coupons;
    size_t ncoupons;
    const struct order_tx_answer *answers; /* nkeys of them */
    size_t nanswers;
};

struct order_tx_order {
    int64_t id, user_id, user_coupon_id /* 0: none */;
    money total, discounted, discount; /* total = discounted + discount */
};
struct order_tx_outbox { /* a row of the outbox: orders whose ids follow each other (store/outbox.h) */
    int64_t order_id;    /* the first one's */
    size_t orders;
    const char *payload; /* a line for each, as msg prints it */
};
struct order_tx_line {
    int64_t id, order_id, product_id;
    const char *product_name;
    int64_t quantity;
    money unit_price, total_price;
};
struct order_tx_sale { /* per product, summed over the batch; distinct products */
    int64_t product_id;
    int64_t quantity;
    money amount;
};
struct order_tx_ledger {
    int64_t user_id;
    const char *type; /* "DEPOSIT", "PAYMENT", "CHARGE" */
    money amount;     /* signed */
    money balance_after;
    int64_t order_id; /* 0: none */
};
struct order_tx_balance { /* per user, the new amount after all rows of the batch; distinct users */
    int64_t user_id;
    money amount;
    bool create; /* no row yet */
};
struct order_tx_use { /* a coupon becomes USED */
    int64_t user_coupon_id, order_id;
};
struct order_tx_decided { /* an answer to remember */
    struct order_tx_key key;
    const char *body_hash;
    int status;
    const char *body;
};
struct order_tx_writes {
    int64_t at_us;   /* created_at of every row, its local day is the day of the sales */
    bool outbox_due; /* a relay may publish the orders at once: nobody does so from memory */
    const struct order_tx_order *orders;
    size_t norders;
    const struct order_tx_outbox *outbox;
    size_t noutbox;
    const struct order_tx_line *lines;
    size_t nlines;
    const struct order_tx_sale *sales;
    size_t nsales;
    const struct order_tx_balance *balances;
    size_t nbalances;
    const struct order_tx_ledger *ledger; /* in the order of the decisions: ids ascend with it */
    size_t nledger;
    const struct order_tx_use *uses;
    size_t nuses;
    const struct order_tx_decided *decided;
    size_t ndecided;
};

struct order_tx_ops {
    /* Everything is locked. Answer now or later in this turn with order_tx_write() or order_tx_abort(),
     * unless on_end comes first. */
    void (*on_locked)(void *arg, struct order_tx *tx, const struct order_tx_facts *facts);
    /* All rows are written and COMMIT is on its way: another transaction that starts now waits for these locks no longer than
     * the disk takes. At most once, before on_end; NULL: not wanted. */
    void (*on_committing)(void *arg);
    /* Once, the last call. error.code is the SQLSTATE when the database refused. */
    void (*on_end)(void *arg, enum store_end end, const struct error *e);
};

/* Start: ops->on_locked or ops->on_end follows. The deadline covers everything up to the end. */
struct order_tx *order_tx_lock(struct store *s, const struct order_tx_locks *locks, int64_t deadline_ms,
                               const struct order_tx_ops *ops, void *arg);
/* Write and commit. A write that reports another row count than planned rolls back with kind BUG; a balance
 * that another transaction created since the lock rolls back RETRIABLE with code RACE. Arrays may be empty.
 */
void order_tx_write(struct order_tx *tx, const struct order_tx_writes *writes);
void order_tx_abort(struct order_tx *tx); /* nothing to write: on_end(ROLLED_BACK, kind NONE) follows */

/* Rows of idempotency_keys and tx_tokens made before these instants, at most limit each. done gets how many
 * went. A token may only go when no transaction that carries it can still be settled: keep them for minutes.
 */
void order_tx_expire(struct store *s, int64_t keys_older_than_us, int64_t tokens_older_than_us, size_t limit,
                     void (*done)(void *arg, int64_t keys, int64_t tokens, const struct error *e), void *arg);

#endif
