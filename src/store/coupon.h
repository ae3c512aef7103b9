/* Coupons, coupon requests and users' coupons in PostgreSQL, outside of the issuing transaction. */
#ifndef RUSHD_STORE_COUPON_H
#define RUSHD_STORE_COUPON_H

#include "store/store.h"

struct coupon_row {
    int64_t id;
    const char *name;
    money discount;
    int64_t max_issuance, issued;
    const char *status; /* as stored: ACTIVE, INACTIVE, SOLD_OUT, EXPIRED */
    int64_t valid_from_us, valid_to_us, created_at_us, updated_at_us;
};
typedef void coupon_rows_fn(void *arg, const struct coupon_row *rows, size_t n, const struct error *e);
void coupon_read_all(struct store *s, coupon_rows_fn *done, void *arg); /* ascending by id */
void coupon_read(struct store *s, const int64_t *ids, size_t n, coupon_rows_fn *done, void *arg);
/* The first limit coupons behind an id: the whole table a piece at a time. */
void coupon_read_page(struct store *s, int64_t after_id, size_t limit, coupon_rows_fn *done, void *arg);
/* Create a coupon (rushctl coupon create). PERMANENT with SQLSTATE 23505 when the id is taken. id 0: the next
 * free one. */
void coupon_create(struct store *s, const struct coupon_row *row,
                   void (*done)(void *arg, int64_t id, const struct error *e), void *arg);
/* NOTIFY of changes: fn with the coupon's id, or 0 when everything may have changed (after a reconnect).
 * Until store_free. The channel is rushd_coupons, its payload the id; a trigger of the schema sends it at
 * commit. */
void coupon_watch(struct store *s, void (*fn)(void *arg, int64_t coupon_id), void *arg);

struct coupon_request_row {
    int64_t coupon_id, user_id, requested_at_us, ticket;
    bool decided, success;
    const char *reason;
    int64_t user_coupon_id;
    int64_t decided_at_us; /* 0: not decided */
};
/* Make accepted requests durable: one unnest INSERT. A row that was decided before it was written, or that stands there already, only
 * gets the number that it lacks; that may take a second statement, with a deadline of its own. */
void coupon_request_insert(struct store *s, const struct coupon_request_row *rows, size_t n,
                           int64_t deadline_ms, store_done_fn *done, void *arg);
/* Take back rows of accepted requests that nobody was told of. Decided ones stay, without the number: somebody else may have it. */
void coupon_request_withdraw(struct store *s, const struct coupon_request_row *rows, size_t n,
                             int64_t deadline_ms, store_done_fn *done, void *arg);
/* One request by its identity; found false when there is none. */
void coupon_request_find(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                         void (*done)(void *arg, bool found, const struct coupon_request_row *row,
                                      const struct error *e),
                         void *arg);
/* The highest ticket and the newest requestedAt that PostgreSQL knows of a coupon, 0 without any: counters in Redis
 * continue above them after a loss. Numbers that only a made-up message can have brought are passed over. */
void coupon_request_highest(struct store *s, int64_t coupon_id,
                            void (*done)(void *arg, int64_t ticket, int64_t requested_at_us,
                                         const struct error *e),
                            void *arg);
/* The newest request of a user; found false when there is none. When none, but the user holds the coupon
 * (issued another way): decided, success, with user_coupon_id. */
void coupon_request_latest(struct store *s, int64_t coupon_id, int64_t user_id,
                           void (*done)(void *arg, bool found, const struct coupon_request_row *row,
                                        const struct error *e),
                           void *arg);

struct user_coupon_row {
    int64_t user_coupon_id, coupon_id;
    const char *coupon_name;
    money discount;
    const char *status; /* ISSUED, USED, EXPIRED; an ISSUED one past its validity reads EXPIRED */
    int64_t issued_at_us, used_at_us /* 0: not used */;
};
/* Newest first, at most 1000. */
void user_coupon_list(struct store *s, int64_t user_id,
                      void (*done)(void *arg, const struct user_coupon_row *rows, size_t n,
                                   const struct error *e),
                      void *arg);
/* Users that hold a coupon, ascending, at most limit behind after_user_id. */
void user_coupon_holders(struct store *s, int64_t coupon_id, int64_t after_user_id, size_t limit,
                         void (*done)(void *arg, const int64_t *user_ids, size_t n, const struct error *e),
                         void *arg);

#endif
