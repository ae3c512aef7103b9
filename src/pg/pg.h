/* PostgreSQL on the loop: one pool of pipelined connections, prepared statements, writing transactions whose outcome is
 * always known or settled (contract section 6, library facts section 4). libpq stays inside this folder.
 *
 * Outcomes. Every call completes exactly once, never before it returns, with one of pg_status. PG_NOT_SENT and PG_FAILED are
 * certain: nothing happened. PG_UNKNOWN means the connection died after the statement was sent. PG_OK of a statement of the
 * pool means committed: its Sync was seen.
 *
 * error.code is a SQLSTATE, or: TIMEOUT (a deadline passed), NO_CONNECTION (it passed while no connection was up),
 * QUEUE_FULL, CLOSED, CONNECTION_LOST, CONNECT, ABORTED (skipped after a failure in the same transaction), PROTOCOL.
 *
 * A server that does not answer in time is treated as dead: its connection is closed, no cancel request is sent (it would
 * block). The server ends statements by itself at statement_timeout.
 */
#ifndef RUSHD_PG_PG_H
#define RUSHD_PG_PG_H

#include "base/buf.h"
#include "base/error.h"
#include "base/money.h"

struct loop;
struct pg_pool;
struct pg_result; /* rows of one statement, text format; valid only inside the callback */

enum pg_status {
    PG_OK,
    PG_FAILED, /* the server refused; error.code is the SQLSTATE; kind RETRIABLE for 08xxx, 25P03, 40001, 40P01, 53xxx,
                    55P03, 57xxx and where a new session helps (25006, 26000, a plan that no longer fits its table: the
                    connection is renewed); PERMANENT otherwise */
    PG_NOT_SENT, /* pool closed, waiting line full, deadline passed while waiting, no connection for a second (code
                    NO_CONNECTION, told at once from then on): RETRIABLE */
    PG_UNKNOWN, /* sent, no result: connection lost or deadline passed: kind UNKNOWN */
};

/* A statement of a store table. Prepared on a connection at first use. */
struct pg_statement {
    const char *name; /* unique, <= 40 bytes */
    const char *sql;
};

#define PG_MAX_PARAMS 24
struct pg_params {
    int n;
    const char *values[PG_MAX_PARAMS]; /* NULL is SQL NULL. Copied before the call returns */
    int sizes[PG_MAX_PARAMS];          /* bytes of a value in binary form; 0: text, NUL-terminated */
};
#define PG_PARAMS(...)                                                                                       \
    (&(const struct pg_params){.n = (int)ARRAY_LEN(((const char *[]){__VA_ARGS__})), .values = {__VA_ARGS__}})
#define PG_NO_PARAMS (&(const struct pg_params){0})

/* Append a parameter; the text must live until the statement is queued. */
void pg_params_text(struct pg_params *p, const char *text);

/* Arrays for unnest() and = ANY(): pg_array_begin, one call per element, all of one type; then pg_params_array. They are
 * bigint[], numeric[] or text[], and the statement must say so. */
void pg_array_begin(struct buf *b);
void pg_array_i64(struct buf *b, int64_t v);
void pg_array_money(struct buf *b, money v);
void pg_array_text(struct buf *b, const char *s); /* NULL gives NULL */
void pg_array_text_slice(struct buf *b, struct slice s);
void pg_array_null(struct buf *b);
/* End the array and append it as a parameter; the buffer must live until the statement is queued. */
void pg_params_array(struct pg_params *p, struct buf *b);

/* Reading rows. Out of range, wrong types, and NULL where a number, money or bool is read are bugs of a statement. */
int pg_result_rows(const struct pg_result *r);
int pg_result_columns(const struct pg_result *r);
bool pg_result_null(const struct pg_result *r, int row, int col);
const char *pg_result_text(const struct pg_result *r, int row, int col); /* "" for NULL */
size_t pg_result_size(const struct pg_result *r, int row, int col);
int64_t pg_result_i64(const struct pg_result *r, int row, int col);
money pg_result_money(const struct pg_result *r, int row, int col);
bool pg_result_bool(const struct pg_result *r, int row, int col);
int64_t pg_result_affected(const struct pg_result *r); /* rows of the command tag, -1 when it has none */
const char *pg_result_tag(const struct pg_result *r);

typedef void pg_result_fn(void *arg, enum pg_status status, const struct pg_result *r /* NULL unless PG_OK */,
                          const struct error *e);

/* --- pool --- */
struct pg_pool_config {
    const char *
        url; /* postgresql://, jdbc:postgresql://, or key=value; empty parts from PG* environment as libpq does */
    const char *username; /* override those of the url unless empty */
    const char *password; /* read anew at each connect */
    const char *application_name;
    const char *time_zone;
    int64_t size, max_waiting;    /* connections at most; calls that may wait for one */
    int64_t statement_timeout_ms; /* the server's, for each statement */
    int64_t connect_timeout_ms;   /* host names included */
};
/* Whether pg_pool_new() would take this url; else false and e says why, without repeating the text. */
bool pg_url_check(const char *url, struct error *e);
/* Start connecting: two connections are kept up, up to `size` are made as calls need them. Strings are copied. A malformed
 * url ends the process (EX_CONFIG): check it before. */
struct pg_pool *pg_pool_new(struct loop *l, const struct pg_pool_config *cfg);
void pg_pool_set_password(struct pg_pool *p, const char *password); /* for the next connects */
/* Call fn when the first connection of an outage is up (ready true), when the last one is gone or the first connect failed
 * (false, with the reason), and again when the reason changes. */
void pg_pool_on_state(struct pg_pool *p, void (*fn)(void *arg, bool ready, const char *reason), void *arg);
bool pg_pool_ready(const struct pg_pool *p);
/* Close in order: waiting calls end as PG_NOT_SENT, running ones may finish (and settle) until the deadline; closed fires
 * once and may free the pool. */
void pg_pool_close(struct pg_pool *p, int64_t deadline_ms, void (*closed)(void *arg), void *arg);
/* Cut what is left: callbacks of running calls fire with PG_UNKNOWN before it returns. Free listeners and locks first. Not
 * inside another callback of the pool. NULL is fine. */
void pg_pool_free(struct pg_pool *p);

/* One statement in its own implicit transaction. timeout_ms counts from now, waiting included; 0 takes the statement timeout
 * and half a second, so that the server's own timeout is reported. Queries leave one connection to the transactions. */
void pg_pool_query(struct pg_pool *p, const struct pg_statement *st, const struct pg_params *params,
                   int64_t timeout_ms, pg_result_fn *done, void *arg);
/* The same for SQL that is not prepared and may hold several statements of one implicit transaction (migrations):
 * run the script on a connection of its own outside the pipeline; done gets the last result. timeout_ms is the deadline
 * of it all, connecting (tried until then) included, and the server's statement_timeout and lock_timeout. */
void pg_pool_script(struct pg_pool *p, const char *sql, int64_t timeout_ms, pg_result_fn *done, void *arg);

/* --- writing transactions --- */
struct pg_tx;

enum pg_tx_end {
    PG_TX_COMMITTED, /* command tag COMMIT and the Sync were seen, or the token proves it */
    PG_TX_ROLLED_BACK, /* certain: nothing happened; the error says why (ROLLED_BACK by pg_tx_rollback: kind NONE) */
    PG_TX_UNKNOWN, /* could not be settled within the deadline */
};
struct pg_tx_ops {
    /* The transaction is open: BEGIN and the token row are sent. Queue the statements of the first step here. */
    void (*on_ready)(void *arg, struct pg_tx *tx);
    /* Once, and the last call: tx is gone when it returns. */
    void (*on_end)(void *arg, enum pg_tx_end end, const struct error *e);
};
/* Start a writing transaction (READ COMMITTED) on a connection of the pool. The deadline covers waiting, work and settling: a
 * quarter of it, at most 3 s, is kept back for settling. A connection lost after COMMIT was sent is settled by inserting the
 * same token on another connection (contract section 6); rows of tx_tokens must stay for longer than any deadline, and an
 * attempt to settle may leave a second one beside the token. Session settings of the contract are on every connection. */
struct pg_tx *pg_tx_start(struct pg_pool *p, const struct pg_tx_ops *ops, void *arg, int64_t deadline_ms);
/* Start a transaction that only reads, on one snapshot (REPEATABLE READ READ ONLY), without a token. End it by
 * pg_tx_rollback(). Session settings still hold, idle_in_transaction_session_timeout among them: change them first. */
struct pg_tx *pg_tx_start_snapshot(struct pg_pool *p, const struct pg_tx_ops *ops, void *arg,
                                   int64_t deadline_ms);
/* Queue a statement; done (may be NULL) fires in order with its result. After the first failure, or pg_tx_rollback(), every
 * other done gets PG_FAILED with code "ABORTED", also for statements that are queued later; the transaction rolls back by
 * itself and on_end follows. done gets PG_UNKNOWN only if COMMIT is already on its way when the connection is lost. */
void pg_tx_query(struct pg_tx *tx, const struct pg_statement *st, const struct pg_params *params,
                 pg_result_fn *done, void *arg);
void pg_tx_flush(
    struct pg_tx
        *tx); /* end of a step: have the server send the results so far; call in the last done for the next */
void pg_tx_commit(
    struct pg_tx
        *tx); /* COMMIT + Sync; nothing may be queued after it; no-op if it is rolling back already */
void pg_tx_rollback(
    struct pg_tx *tx); /* at any time before pg_tx_commit(), while waiting too; on_end follows */

/* --- notifications and locks --- */
/* LISTEN on a connection of its own, kept up with back-off. on_notify(channel, payload); on_gap fires at each (re)connect:
 * notifications may have been missed, read the state anew. */
struct pg_listener;
struct pg_listener *pg_listener_new(struct pg_pool *p, const char *const *channels,
                                    void (*on_notify)(void *arg, const char *channel, const char *payload),
                                    void (*on_gap)(void *arg), void *arg);
bool pg_listener_up(const struct pg_listener *l); /* notifications are coming in */
void pg_listener_free(struct pg_listener *l);
/* Session advisory lock on a connection of its own: tried at once and then every second while not held. on_change tells when
 * it is gained or lost; a server that is silent for 4 s counts as lost. Freeing it lets it go. */
struct pg_lock;
struct pg_lock *pg_lock_new(struct pg_pool *p, int64_t key, void (*on_change)(void *arg, bool held),
                            void *arg);
bool pg_lock_held(const struct pg_lock *l);
void pg_lock_free(struct pg_lock *l);

#endif
