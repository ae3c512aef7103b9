/* What the files of this folder share: the store itself, single statements, columns for unnest(), SQL for
 * times. */
#ifndef RUSHD_STORE_STORE_INTERNAL_H
#define RUSHD_STORE_STORE_INTERNAL_H

#include "base/queue.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "store/store.h"

/* --- SQL text ---
 *
 * Instants cross as microseconds since 1970. extract() of a timestamptz is an exact numeric; the product of a
 * bigint and an interval of one microsecond is computed in double precision, which is exact up to the year
 * 2255. */
#define SQL_US(column)            "(extract(epoch FROM " column ") * 1000000)::bigint"
#define SQL_AT(microseconds)      "('epoch'::timestamptz + (" microseconds ")::bigint * interval '1 microsecond')"
#define SQL_ONCE_AT(microseconds) "(SELECT " SQL_AT(microseconds) ")" /* computed once for all rows */

/* The row of user_coupons that a user holds of a coupon. Two equalities would do as well for the index on users, with a filter: that
 * reads all coupons of a user, and the planner, to whom each user holds one, takes it. A comparison of rows that begins with the
 * coupon can only be answered by the index on both. Where the number of rows matters to the plan, ORDER BY both LIMIT 1 goes with it. */
#define SQL_HELD_BY(alias, coupon, user)                                                                     \
    "(" alias ".coupon_id, " alias ".user_id) >= (" coupon ", " user ") AND (" alias ".coupon_id, " alias    \
    ".user_id) <= (" coupon ", " user ")"

/* --- the store --- */
/* The columns of one statement as array parameters. A scratch of the store: parameters are copied by pg_*
 * before it returns, so one set serves every statement in turn. */
#define STORE_COLUMNS_MAX 12
struct store_columns {
    struct buf array[STORE_COLUMNS_MAX];
    int n;
    struct pg_params params;
};
/* Begin n empty arrays. */
void store_columns_begin(struct store_columns *c, int n);
/* End them and give them as $1..$n. Further parameters may be added to the result (its n grows); valid until
 * the next begin. */
struct pg_params *store_columns_end(struct store_columns *c);
/* One array of ids as $1. */
struct pg_params *store_columns_ids(struct store_columns *c, const int64_t *ids, size_t n);
void store_columns_free(struct store_columns *c);

struct store_number { /* a scalar parameter in text form */
    char text[24];
};
const char *store_number(struct store_number *n, int64_t v);

/* Ids that may be absent: 0 in C, NULL in the database. */
void store_array_id(struct buf *array, int64_t id);
int64_t store_result_id(const struct pg_result *r, int row, int col);

struct store_ids_waiter;
struct store_id_run { /* next <= id < end */
    int64_t next, end;
};
struct store_ids {
    struct store *store;
    enum store_id kind;
    struct store_id_run *runs; /* the first is taken from */
    size_t nruns;
    size_t left;
    bool filling; /* a reservation is on its way */
    TAILQ_HEAD(store_ids_waiters, store_ids_waiter) waiters;
};

struct store_watcher;
struct line_floor;
struct line_batches;
struct store {
    struct loop *loop;
    struct pg_pool *pg;         /* may be NULL */
    struct redis_client *redis; /* may be NULL */
    struct store_columns columns;
    struct store_ids ids[STORE_ID_COUNT];
    struct pg_listener *listener; /* while anybody watches */
    TAILQ_HEAD(, store_watcher) watchers;
    TAILQ_HEAD(, line_floor) floors;      /* of coupons whose counters are gone from Redis, being read */
    struct line_batches *adds, *statuses; /* calls not sent yet; NULL before the first */
    void (*on_incomplete)(void *arg);
    void *on_incomplete_arg;
};

/* A script found that Redis does not hold all data. */
void store_incomplete(struct store *s);

/* Parts of store_new() and store_free(), each beside what it is about. */
void store_ids_init(struct store *s);
/* Answer those who wait (RETRIABLE) and forget the ids. */
void store_ids_free(struct store *s);
/* Stop listening and forget the watchers. */
void store_watch_free(struct store *s);

/* Run fn(arg) at the end of the turn: for answers that are known at once. */
void store_later(struct store *s, void (*fn)(void *arg), void *arg);
/* done(arg, NULL) at the end of the turn. */
void store_done_later(struct store *s, store_done_fn *done, void *arg);

/* --- single statements --- */
/* A statement on its way whose rows are for somebody: on_result turns them into what done expects and calls
 * it. */
struct store_call;
typedef void store_any_fn(void); /* the caller's done, cast; on_result casts it back */
/* r is NULL when e is set; e is NULL on success. The call is freed when this returns. */
typedef void store_result_fn(struct store_call *c, const struct pg_result *r, const struct error *e);
struct store_call {
    struct store *store;
    store_result_fn *on_result;
    store_any_fn *done;
    void *arg;
    bool read; /* changes nothing: an unknown outcome is a failure that may be tried again */
};
void store_read(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                store_result_fn *on_result, store_any_fn *done, void *arg);
void store_change(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                  int64_t timeout_ms, store_result_fn *on_result, store_any_fn *done, void *arg);
/* A statement whose answer is only that it succeeded; timeout_ms 0 takes the pool's. */
void store_exec(struct store *s, const struct pg_statement *st, const struct pg_params *params,
                int64_t timeout_ms, store_done_fn *done, void *arg);
/* on_result for rows of one id. */
typedef void store_ids_fn(void *arg, const int64_t *ids, size_t n, const struct error *e);
store_result_fn store_on_ids;
/* An unknown outcome of something that may simply be done again, as RETRIABLE; any other error as it is. out
 * may be e. */
const struct error *store_error_of_read(const struct error *e, struct error *out);

/* --- memory of one call --- */
struct store_chunk;
struct store_arena {
    struct store_chunk *head;
};
void *store_arena_alloc(struct store_arena *a, size_t size); /* zeroed, aligned for any type */
void *store_arena_array(struct store_arena *a, size_t count, size_t size);
const char *store_arena_text(struct store_arena *a, const char *s);
void store_arena_free(struct store_arena *a);

/* --- checks at start, one half per service --- */
typedef void store_warn_fn(void *arg, const char *component, const char *setting, const char *value,
                           const char *why);
void store_check_pg_settings(struct store *s, store_warn_fn *warn, store_done_fn *done, void *arg);
void store_check_redis_settings(struct store *s, store_warn_fn *warn, store_done_fn *done, void *arg);

#endif
