/* What the files of src/pg share. libpq is included here and nowhere above this folder.
 *
 *   pg_url       where to connect to and with which settings (pure)
 *   pg_conn      one connection: resolve, connect, break, close
 *   pg_pipeline  what is sent on a connection and what comes back: the FIFO of expectations
 *   pg_pool      connections, the waiting line, closing
 *   pg_query     one statement on a connection of the pool
 *   pg_tx        writing transactions and their settling
 *   pg_session   a connection of one's own that is kept up: pg_listen, pg_lock, pg_script use it */
#ifndef RUSHD_PG_PG_INTERNAL_H
#define RUSHD_PG_PG_INTERNAL_H

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metric.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "pg/pg.h"

struct event;

extern struct logger log_pg;

struct pg_result {
    const PGresult *res;
};

/* --- errors (pg_error.c) --- */

/* Whether a failure with this SQLSTATE may go away by itself. */
bool pg_error_is_retriable(const char *sqlstate);
/* Whether this session cannot be used any longer although it lives: read-only after a failover, plans that no
 * longer fit the tables, statements that somebody deallocated. */
bool pg_error_is_stale_session(const PGresult *res);
void pg_error_of_result(struct error *e, const PGresult *res);
/* The first line of libpq's message, which may be NULL or empty. */
void pg_error_of_libpq(struct error *e, const char *code, const char *message);
/* The session ends with this result (severity FATAL or PANIC, or libpq's own report of a lost connection). */
bool pg_error_is_fatal(const PGresult *res);

/* --- where to connect to (pg_url.c) --- */

enum {
    PG_MAX_SETTINGS = 64,
    PG_MAX_HOSTS = 8
};

/* Keyword/value pairs for libpq; both are owned. */
struct pg_settings {
    size_t n;
    char *keys[PG_MAX_SETTINGS + 1];
    char *values[PG_MAX_SETTINGS + 1];
};
/* Parse postgresql://, jdbc:postgresql: or key=value text. False with e set when it is malformed. */
bool pg_settings_parse(struct pg_settings *s, const char *url, struct error *e);
const char *pg_settings_get(const struct pg_settings *s, const char *key); /* NULL when absent */
void pg_settings_set(struct pg_settings *s, const char *key, const char *value);
void pg_settings_default(struct pg_settings *s, const char *key, const char *value); /* unless it is there */
void pg_settings_copy(struct pg_settings *to, const struct pg_settings *from);
void pg_settings_free(struct pg_settings *s);
/* Append "-c name=value" to the keyword `options`, with the value escaped as libpq's server side wants it. */
void pg_settings_guc(struct pg_settings *s, const char *name, const char *value);

/* One entry of the lists host and port, as libpq would walk them. */
struct pg_host {
    char name[256]; /* "" or a path: a Unix socket */
    char port[16];  /* "" when none is given */
};
/* The hosts that must be resolved before libpq may see them. Returns 0 if there is nothing to resolve:
 * hostaddr is given or only Unix sockets are named. Environment variables count as libpq counts them. */
size_t pg_settings_hosts(const struct pg_settings *s, struct pg_host hosts[PG_MAX_HOSTS]);
bool pg_host_is_name(const struct pg_host *h);

/* Everything that connections of one pool have in common; owned by the pool. */
struct pg_target {
    struct loop *loop;
    struct pg_settings settings;
    char *password; /* NULL: that of the url or of libpq's password file */
    int64_t statement_timeout_ms, connect_timeout_ms;
};

/* --- connection (pg_conn.c) --- */

enum pg_conn_state {
    PG_CONN_DOWN,       /* nothing is open */
    PG_CONN_RESOLVING,  /* waiting for addresses of the host names */
    PG_CONN_CONNECTING, /* inside libpq's connect */
    PG_CONN_UP,         /* statements may be sent */
    PG_CONN_BROKEN,     /* failed; what was in flight is reported at the end of this turn, then DOWN */
};

enum pg_reply {
    PG_REPLY_OK,      /* a result */
    PG_REPLY_ERROR,   /* the server refused this statement */
    PG_REPLY_ABORTED, /* skipped because of an earlier failure in its segment */
    PG_REPLY_SYNC,    /* the segment is closed; e is not NULL if its implicit commit failed */
    PG_REPLY_LOST,    /* the connection is gone and the answer with it */
};

struct pg_expect;
typedef void pg_expect_fn(struct pg_expect *x, enum pg_reply reply, const struct error *e);

/* One entry of the FIFO: what the connection owes next. Freed after its fn was called, which it is exactly
 * once. */
struct pg_expect {
    TAILQ_ENTRY(pg_expect) link;
    enum pg_expect_kind {
        PG_EXPECT_PREPARE, /* of the statement that follows it */
        PG_EXPECT_RESULT,
        PG_EXPECT_SYNC,
    } kind;
    const struct pg_statement *statement; /* PREPARE */
    bool prepare_failed;                  /* RESULT: its PREPARE was refused */
    PGresult *result;                     /* fn may take it by setting NULL */
    pg_expect_fn *fn;                     /* NULL: nobody asks */
    void *arg;
    pg_result_fn *done; /* for fn */
    void *done_arg;
};
TAILQ_HEAD(pg_expect_list, pg_expect);

struct pg_conn;
struct pg_conn_ops {
    void (*on_up)(void *owner, struct pg_conn *c);
    /* The connection could not be made, or is gone; all expectations have been answered with PG_REPLY_LOST.
     */
    void (*on_down)(void *owner, struct pg_conn *c, const struct error *why);
    void (*on_notify)(void *owner, const char *channel, const char *payload); /* may be NULL */
};

struct pg_request;

struct pg_conn {
    const struct pg_target *target;
    const struct pg_conn_ops *ops;
    void *owner;
    bool plain; /* simple protocol, no pipeline: for scripts */
    int64_t statement_timeout_ms, lock_timeout_ms;

    enum pg_conn_state state;
    PGconn *pg;
    struct event *connect_event, *read_event, *write_event;
    struct pg_connect *connect; /* addresses of a connect in work */
    struct strmap *prepared;    /* statement by name */
    struct pg_expect_list fifo;
    int64_t head_since_us;    /* when the head of the FIFO began to wait */
    int64_t hard_deadline_us; /* of the whole use, 0: none */
    struct loop_timer *timer; /* connect deadline, then the deadline of what is in flight */
    int64_t timer_due_us;
    struct error prepare_error, sync_error;
    bool stale; /* close it when its user is done */
    bool freed; /* nobody may be called any more */
    struct error broken_why;
    struct loop_task broken_task;
    int64_t opened_us;

    /* for the pool */
    enum pg_slot {
        PG_SLOT_CLOSED,
        PG_SLOT_OPENING,
        PG_SLOT_IDLE, /* in the idle list; it may be BROKEN without the pool knowing yet */
        PG_SLOT_BUSY, /* user has it */
    } slot;
    struct pg_request *user;
    TAILQ_ENTRY(pg_conn) idle_link;
};

/* Make a connection that is DOWN. owner is given to ops. */
struct pg_conn *pg_conn_new(const struct pg_target *target, const struct pg_conn_ops *ops, void *owner);
void pg_conn_open(struct pg_conn *c); /* only when DOWN; on_up or on_down follows */
/* Give up the connection: remove events at once, report at the end of the turn. No-op when DOWN or BROKEN. */
void pg_conn_break(struct pg_conn *c, const struct error *why);
void pg_conn_cut(struct pg_conn *c, const struct error *why); /* the same, reported before it returns */
void pg_conn_free(struct pg_conn *c); /* reports nothing; allowed inside callbacks of the connection */

/* --- pipeline (pg_pipeline.c) --- */

/* Queue on a connection that is UP (else a bug). Nothing is reported before these return. */
struct pg_expect *pg_conn_send_sql(struct pg_conn *c, const char *sql, pg_expect_fn *fn, void *arg);
struct pg_expect *pg_conn_send(struct pg_conn *c, const struct pg_statement *st,
                               const struct pg_params *params, pg_expect_fn *fn, void *arg);
void pg_conn_send_sync(struct pg_conn *c, pg_expect_fn *fn, void *arg);
void pg_conn_send_script(struct pg_conn *c, const char *sql, pg_expect_fn *fn,
                         void *arg);                           /* plain connections */
void pg_conn_deadline(struct pg_conn *c, int64_t deadline_us); /* of this use of the connection; 0: none */
bool pg_conn_quiet(const struct pg_conn *c);                   /* nothing in flight */

/* For pg_conn.c. */
void pg_pipeline_read(struct pg_conn *c);
void pg_pipeline_write(struct pg_conn *c);
void pg_pipeline_check_deadline(struct pg_conn *c);
void pg_pipeline_answer(struct pg_conn *c, struct pg_expect *x, enum pg_reply reply, const struct error *e);

struct pg_params *pg_params_copy(const struct pg_params *params); /* one piece of memory: mem_free */

/* --- pool (pg_pool.c) --- */

enum pg_request_kind {
    PG_REQUEST_SETTLE, /* first of all, on any connection */
    PG_REQUEST_TX,
    PG_REQUEST_QUERY, /* leaves one connection to the transactions */
    PG_REQUEST_KINDS,
};

/* A place in the pool's line, then the use of a connection. Part of the caller's struct. */
struct pg_request {
    TAILQ_ENTRY(pg_request) link;
    enum pg_request_kind kind;
    enum pg_request_state {
        PG_REQUEST_OUT, /* neither in the line nor on a connection */
        PG_REQUEST_WAITING,
        PG_REQUEST_REFUSED, /* on_refused is to be called */
        PG_REQUEST_RUNNING, /* conn is its own */
    } state;
    int64_t since_us, deadline_us; /* asked, or on the connection, since */
    struct error refusal;
    struct pg_conn *conn;
    void (*on_conn)(struct pg_request *r);                           /* send, then pg_pool_release() */
    void (*on_refused)(struct pg_request *r, const struct error *e); /* nothing was sent */
    void (*on_lost)(struct pg_request *r,
                    const struct error *why); /* conn is gone, expectations were answered */
};
TAILQ_HEAD(pg_request_list, pg_request);
TAILQ_HEAD(pg_conn_list, pg_conn);
TAILQ_HEAD(pg_tx_list, pg_tx);
TAILQ_HEAD(pg_script_list, pg_script);

struct pg_pool_metrics {
    struct metric_series *connections, *active, *idle, *pending, *max, *min, *acquire, *creation, *timeout,
        *usage;
};

struct pg_pool {
    struct loop *loop;
    struct pg_target target;
    int64_t max_waiting;
    size_t size, min_size;
    struct pg_conn **conns;
    struct pg_conn_list idle; /* most recently used first */
    struct pg_request_list lines[PG_REQUEST_KINDS];
    struct pg_request_list refused; /* to be told at the end of the turn */
    size_t waiting, running_queries;
    size_t slots[PG_SLOT_BUSY + 1]; /* connections in each state */
    struct loop_task pump;
    struct loop_timer *line_timer; /* earliest deadline in the lines */
    int64_t line_due_us;
    struct loop_timer *retry_timer; /* next connect after a failure */
    int attempt;                    /* failures in a row */
    enum pg_pool_state {
        PG_POOL_STARTING, /* neither up nor failed yet */
        PG_POOL_READY,
        PG_POOL_OUT, /* no connection */
    } state;
    char reason[232]; /* why OUT */
    int64_t away_us;  /* while not READY: from then on calls are refused at once */
    struct loop_timer *away_timer;
    void (*on_state)(void *arg, bool ready, const char *reason);
    void *on_state_arg;
    size_t calls; /* queries, transactions and scripts without an end yet */
    struct pg_tx_list txs;
    struct pg_script_list scripts;
    bool closing; /* takes no new calls */
    bool cut;     /* and opens no connection any more */
    struct loop_timer *close_timer;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    struct pg_pool_metrics metrics;
};

/* Connections that are up, in use or not. */
static inline size_t pg_pool_up(const struct pg_pool *p)
{
    return p->slots[PG_SLOT_IDLE] + p->slots[PG_SLOT_BUSY];
}

/* Put r into the line of its kind; one of its functions is called later, never before this returns. */
void pg_pool_enqueue(struct pg_pool *p, struct pg_request *r);
void pg_pool_refuse(struct pg_pool *p, struct pg_request *r, const struct error *e); /* on_refused follows */
void pg_pool_release(struct pg_pool *p,
                     struct pg_request *r); /* its connection is quiet and free for others */
void pg_pool_call_begins(struct pg_pool *p);
void pg_pool_call_ends(struct pg_pool *p);
void pg_pool_metrics_init(struct pg_pool_metrics *m);
void pg_pool_metrics_update(const struct pg_pool *p);

/* The pool is going away: end the transactions that pause between two tries to settle, and all scripts. */
void pg_tx_cut_all(struct pg_pool *p);
void pg_script_cut_all(struct pg_pool *p);

/* --- a connection of one's own (pg_session.c) --- */

struct pg_session_ops {
    void (*on_up)(void *owner);
    void (*on_down)(void *owner, const struct error *why); /* was up and is lost, or a connect failed */
    void (*on_tick)(void *owner);                          /* each second while up and quiet; may be NULL */
    void (*on_notify)(void *owner, const char *channel, const char *payload);
};
struct pg_session {
    struct loop *loop;
    struct pg_conn *conn;
    struct loop_timer *timer;
    int attempt;
    const struct pg_session_ops *ops;
    void *owner;
};
/* Make a session that is down. owner is given to ops. */
void pg_session_init(struct pg_session *s, struct pg_pool *p, const struct pg_session_ops *ops, void *owner);
void pg_session_open(struct pg_session *s); /* connect now, and with back-off again whenever it is lost */
void pg_session_close(struct pg_session *s);
bool pg_session_usable(const struct pg_session *s); /* up and quiet */

#endif
