/* A shop in memory behind the headers of src/store: the services run on it hermetically (architecture section 2, the seam).
 *
 * Each fake_*.c replaces the functions of one header of src/store. All of them share struct store: the rows, and the faults that
 * a test switches on per call. Every call answers through its callback, never before it returns: at the end of the turn, or
 * later as the test says. Works on the real loop and on the simulated one of fake_loop.c. */
#ifndef TESTS_FAKE_FAKE_STORE_H
#define TESTS_FAKE_FAKE_STORE_H

#include "base/buf.h"
#include "loop/loop.h"
#include "store/coupon.h"
#include "store/order_tx.h"
#include "store/shop.h"
#include "store/store.h"

/* --- calls and faults ---------------------------------------------------------------------------------------------------- */

enum fake_call {
    FAKE_IDS,
    FAKE_ORDER_LOCK,   /* up to on_locked */
    FAKE_ORDER_COMMIT, /* from order_tx_write to on_end; FAKE_ORDER_LOCK's abort as well */
    FAKE_ORDER_EXPIRE,
    FAKE_ISSUE_LOCK,
    FAKE_ISSUE_COMMIT,
    FAKE_COUPON_READ,
    FAKE_COUPON_CREATE,
    FAKE_REQUEST_INSERT,
    FAKE_REQUEST_WITHDRAW,
    FAKE_REQUEST_READ,
    FAKE_USER_COUPON_READ,
    FAKE_USER_READ,
    FAKE_PRODUCT_READ,
    FAKE_SALES_READ,
    FAKE_SALES_TOP,
    FAKE_ORDER_READ,
    FAKE_HISTORY_READ,
    FAKE_OUTBOX_CLAIM,
    FAKE_OUTBOX_DELETE,
    FAKE_OUTBOX_MARK,
    FAKE_OUTBOX_PARK,
    FAKE_OUTBOX_STATE,
    FAKE_FORWARDED_READ,
    FAKE_FORWARDED_INSERT,
    FAKE_DEAD_LETTER_INSERT,
    FAKE_REBUILD_READ, /* requests and holders */
    FAKE_REBUILD_SALES,
    FAKE_REDIS, /* from here on: Redis answers in the order of the calls */
    FAKE_LINE_ADD = FAKE_REDIS,
    FAKE_LINE_CANCEL,
    FAKE_LINE_LIST,
    FAKE_LINE_PROBE,
    FAKE_LINE_TAKE,
    FAKE_LINE_PUBLISHED,
    FAKE_LINE_PUT_BACK,
    FAKE_LINE_STALE,
    FAKE_LINE_RELEASE,
    FAKE_LINE_DECIDED,
    FAKE_LINE_STATUS,
    FAKE_LINE_INFO,
    FAKE_LINE_RESTORE, /* all that rebuild.h does to lines and issued sets */
    FAKE_REDIS_MARK,
    FAKE_RANKING_APPLY,
    FAKE_RANKING_FORGET,
    FAKE_RANKING_OFFSET,
    FAKE_RANKING_TOP,
    FAKE_CALLS,
};
const char *fake_call_name(enum fake_call call); /* "ORDER_LOCK" */

enum fake_outcome {
    FAKE_OK,
    FAKE_RETRIABLE,    /* nothing happens */
    FAKE_PERMANENT,    /* nothing happens */
    FAKE_BUG,          /* nothing happens: a row count other than planned */
    FAKE_UNKNOWN_DONE, /* it happens, but the answer is lost */
    FAKE_UNKNOWN_LOST, /* it does not happen, and nobody knows */
    FAKE_HELD,         /* waits for fake_release(), or for the deadline of a transaction */
};

/* What happens to one call. */
struct fake_fate {
    enum fake_outcome outcome;
    int64_t delay_ms; /* 0: at the end of the turn */
    const char *code; /* of the error, NULL: one that fits */
};

/* A call under way: the beginning of what a fake allocates for it with mem_zalloc(); the fakes' own use. */
struct fake_op {
    struct store *store;
    enum fake_call call;
    struct fake_fate fate;
    void (*apply)(struct fake_op *op);                         /* the effect; may be NULL */
    void (*answer)(struct fake_op *op, const struct error *e); /* calls back; e NULL: success */
    void (*done)(struct fake_op *op);                          /* frees what op points to; may be NULL */
    bool held;
    int64_t due_us;
    struct loop_timer *timer; /* NULL: answered at the end of the turn */
    struct loop_task task;
    TAILQ_ENTRY(fake_op) link;
};
/* Start a call: takes the next fate, applies and answers when it is due, frees op. */
void fake_start(struct store *s, enum fake_call call, struct fake_op *op);
/* End a call now with this error, without its effect: a deadline passed. */
void fake_expire(struct fake_op *op, const struct error *e);

/* The next `times` calls end like this; -1: all until the next fake_fail() of this call. */
void fake_fail(struct store *s, enum fake_call call, enum fake_outcome outcome, int times);
/* The same with the error's code (SQLSTATE). */
void fake_fail_code(struct store *s, enum fake_call call, enum fake_outcome outcome, const char *code,
                    int times);
/* Every call takes this long. */
void fake_delay(struct store *s, enum fake_call call, int64_t ms);
/* Answer the calls that are held, as if nothing had been wrong. */
void fake_release(struct store *s, enum fake_call call);
/* Ask fn for the fate of each call instead: for simulations with a seed. NULL ends that. */
void fake_decide_by(struct store *s, struct fake_fate (*fn)(void *arg, enum fake_call call), void *arg);
/* How often a call was made; how many are under way. */
size_t fake_count(const struct store *s, enum fake_call call);
size_t fake_running(const struct store *s, enum fake_call call);

/* A log of what happened, one line each: for tests of the order of acts. Fakes and ports write to it. */
void fake_log(struct store *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *fake_log_text(struct store *s);
void fake_log_clear(struct store *s);

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

/* A growing array: FAKE_LIST(struct row) rows; FAKE_ADD(&rows) gives the address of a new zeroed element. Elements move. */
#define FAKE_LIST(type)                                                                                      \
    struct {                                                                                                 \
        type *at;                                                                                            \
        size_t n, cap;                                                                                       \
    }
#define FAKE_ADD(list)                                                                                       \
    (fake_list_grow((void **)&(list)->at, &(list)->n, &(list)->cap, sizeof *(list)->at),                     \
     &(list)->at[(list)->n - 1])
/* Remove element i, keep the order. */
#define FAKE_REMOVE(list, i)                                                                                 \
    (memmove(&(list)->at[i], &(list)->at[(i) + 1], ((list)->n - (i)-1) * sizeof *(list)->at), (list)->n--)
void fake_list_grow(void **at, size_t *n, size_t *cap, size_t size);

/* Texts in rows are kept by the store until it is freed: fake_text() copies one. */
const char *fake_text(struct store *s, const char *text);

struct fake_user {
    int64_t id;
    const char *name;
    bool active;
    bool has_balance;
    money balance;
    money opening; /* what balance was before the ledger began */
    /* SQLSTATE with which the database refuses a batch that issues to the user, and one that holds any decision; NULL: none. */
    const char *refuse, *refuse_all;
};
struct fake_product {
    int64_t id;
    const char *name, *category;
    money price;
    int64_t stock, opening;
    bool inactive;
    const char *refuse; /* SQLSTATE with which the database refuses a batch that sells it; NULL: none */
};
struct fake_coupon {
    int64_t id;
    const char *name;
    money discount;
    int64_t max_issuance, issued;
    const char *status;
    int64_t valid_from_us, valid_to_us;
};
struct fake_user_coupon {
    int64_t id, coupon_id, user_id;
    int64_t order_id; /* 0: ISSUED, else USED by it */
};
struct fake_request { /* coupon_requests */
    int64_t coupon_id, user_id, requested_at_us, ticket;
    bool decided, success;
    const char *reason;
    int64_t user_coupon_id;
    int64_t decision; /* order of the decisions, from 1 */
};
struct fake_order {
    struct order_tx_order row;
    int64_t at_us;
};
struct fake_key {
    const char *route, *key, *body_hash, *body;
    int64_t user_id;
    int status;
};
struct fake_claim { /* an Idempotency-Key of a transaction that runs */
    const char *route, *key;
    int64_t user_id;
    const void *owner;
};
struct fake_outbox {
    int64_t order_id;
    size_t orders;
    const char *payload;
    int attempts, published;
    int64_t created_us, available_us;
    const char *parked; /* reason; NULL: not */
};
struct fake_dead_letter {
    const char *topic, *payload, *reason;
};

struct fake_lines;   /* waiting lines: fake_line.h */
struct fake_ranking; /* ranking: fake_ranking.c */

struct store {
    struct loop *loop;
    bool closed;
    int64_t opened_us; /* real time of fake_store_new(): where a row's time does not matter */
    TAILQ_HEAD(fake_ops, fake_op) ops;
    struct fake_rule {
        struct fake_fate fate;
        int times;
        int64_t delay_ms;
        size_t count;
    } rules[FAKE_CALLS];
    struct fake_fate (*decide)(void *arg, enum fake_call call);
    void *decide_arg;
    int64_t redis_due_us; /* of the last answer of Redis */
    struct buf log;
    FAKE_LIST(char *) texts;

    int64_t next_id[STORE_ID_COUNT];
    size_t ids_left[STORE_ID_COUNT];
    size_t ids_block; /* handed over at once; default 1000 */

    FAKE_LIST(struct fake_user) users;
    FAKE_LIST(struct fake_product) products;
    FAKE_LIST(struct fake_coupon) coupons;
    size_t coupon_rows; /* that reads of coupons handed over */
    FAKE_LIST(struct fake_user_coupon) user_coupons;
    FAKE_LIST(struct fake_request) requests;
    int64_t decisions;
    FAKE_LIST(struct fake_order) orders;
    FAKE_LIST(struct order_tx_line) lines;
    FAKE_LIST(struct order_tx_ledger) ledger;
    FAKE_LIST(struct order_tx_sale) sales; /* per product */
    FAKE_LIST(struct fake_key) keys;
    FAKE_LIST(struct fake_claim) claims;
    FAKE_LIST(struct fake_outbox) outbox;
    FAKE_LIST(int64_t) forwarded; /* order ids */
    FAKE_LIST(struct fake_dead_letter) dead_letters;
    void *issue_mutex; /* the transaction that holds the rows, NULL: none */
    bool
        commits_overlap; /* FAKE_ORDER_COMMIT takes its time behind order_tx's on_committing, not before it */

    void (*watch)(void *arg, int64_t coupon_id);
    void *watch_arg;
    void (*watch_users)(void *arg, int64_t user_id);
    void *watch_users_arg;
    bool deaf; /* changes are not coming in */

    /* Of their files, which set free_* when they allocate. */
    struct fake_lines *redis_lines;
    void (*free_lines)(struct store *s);
    struct fake_ranking *ranking;
    void (*free_ranking)(struct store *s);
    struct fake_mark { /* redis_mark.h */
        bool lost, ranked;
        int64_t generation;               /* of the mark; 0: 1 */
        FAKE_LIST(int64_t) rebuilding;    /* generations of rebuilds under way */
        void (*on_incomplete)(void *arg); /* store_on_incomplete() */
        void *on_incomplete_arg;
    } mark;
};

struct store *fake_store_new(struct loop *l);
/* Answer everything under way (RETRIABLE or, in the middle of a change, UNKNOWN) and refuse what comes, as pools do when they
 * close. Before the services are freed. */
void fake_store_close(struct store *s);
void fake_store_free(struct store *s);

/* --- a shop ------------------------------------------------------------------------------------------------------------------ */

struct fake_user *fake_user_add(struct store *s, int64_t id, money balance); /* ACTIVE, named "user{id}" */
struct fake_user *fake_user_find(struct store *s, int64_t id);
struct fake_product *fake_product_add(struct store *s, int64_t id, money price,
                                      int64_t stock); /* "product{id}" */
struct fake_product *fake_product_find(struct store *s, int64_t id);
/* ACTIVE and valid for a day around now, named "coupon{id}". Tells the watcher. */
struct fake_coupon *fake_coupon_add(struct store *s, int64_t id, int64_t max_issuance, money discount);
struct fake_coupon *fake_coupon_find(struct store *s, int64_t id);
void fake_coupon_changed(struct store *s, int64_t id); /* tell the watcher, as the trigger does */
void fake_user_changed(struct store *s, int64_t id);   /* the same */
struct fake_user_coupon *fake_user_coupon_add(struct store *s, int64_t id, int64_t coupon_id,
                                              int64_t user_id);
struct fake_user_coupon *fake_user_coupon_find(struct store *s, int64_t id);
struct fake_request *fake_request_find(struct store *s, int64_t coupon_id, int64_t user_id,
                                       int64_t requested_at_us);
/* Hold an Idempotency-Key as a transaction of another node would; NULL route gives all of them back. */
void fake_claim(struct store *s, const char *route, int64_t user_id, const char *key);

/* --- Redis, past the calls --- */

/* Everything in Redis is gone, the mark of whole data as well; or it is another process that lost nothing but may have. A new fake
 * has the mark, with the generation 1. */
void fake_redis_lost(struct store *s);
void fake_redis_restarted(struct store *s);
/* Redis is whole again, as if somebody had rebuilt it. */
void fake_redis_marked(struct store *s);
/* What other programs do to a line: a member of any spelling and score, or one less (false: it is not there). */
void fake_line_outside_add(struct store *s, int64_t coupon_id, struct slice member, double score);
bool fake_line_outside_remove(struct store *s, int64_t coupon_id, struct slice member);
/* The last instant that the line gave out: ahead of the clock after it was put back. */
void fake_line_last_score(struct store *s, int64_t coupon_id, int64_t us);
/* The drain's lease ends now. */
void fake_line_lease_ends(struct store *s, int64_t coupon_id);
int64_t fake_line_epoch(struct store *s, int64_t coupon_id); /* of the last lease */
size_t fake_line_waiting(struct store *s, int64_t coupon_id);
size_t fake_line_in_flight(struct store *s, int64_t coupon_id);
const char *fake_line_result(struct store *s, int64_t coupon_id, int64_t user_id); /* NULL: none */
bool fake_line_issued(struct store *s, int64_t coupon_id, int64_t user_id); /* he is in the issued set */
void fake_line_issue(struct store *s, int64_t coupon_id, int64_t user_id);

/* The invariants G1-G5 over all rows; true when they hold, else a line on standard error. */
bool fake_store_sound(struct store *s);

#endif
