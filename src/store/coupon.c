/* Coupons, coupon requests and users' coupons in PostgreSQL, outside of the issuing transaction. */
#include "store/coupon.h"

#include <stdlib.h>

#include "store/store_internal.h"

/* --- coupons --- */

/* clang-format off */
#define COUPON_COLUMNS                                                                                       \
    "SELECT coupon_id, name, discount_amount, max_issuance_count, issued_count, status, "                    \
    SQL_US("valid_from") ", " SQL_US("valid_to") ", " SQL_US("created_at") ", " SQL_US("updated_at")         \
    " FROM coupons "

static const struct pg_statement st_read_all = {"coupon_read_all", COUPON_COLUMNS "ORDER BY coupon_id"};
static const struct pg_statement st_read = {
    "coupon_read", COUPON_COLUMNS "WHERE coupon_id = ANY($1::bigint[]) ORDER BY coupon_id"};
static const struct pg_statement st_read_page = {
    "coupon_read_page", COUPON_COLUMNS "WHERE coupon_id > $1::bigint ORDER BY coupon_id LIMIT $2::bigint"};
static const struct pg_statement st_create = {
    "coupon_create",
    "INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, issued_count, status,"
    " valid_from, valid_to)"
    " SELECT COALESCE(NULLIF($1::bigint, 0), (SELECT COALESCE(max(coupon_id), 0) + 1 FROM coupons)),"
    " $2::text, $3::numeric, $4::bigint, $5::bigint, $6::text, " SQL_AT("$7") ", " SQL_AT("$8")
    " RETURNING coupon_id"};
/* clang-format on */

static void on_coupons(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    coupon_rows_fn *done = (coupon_rows_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct coupon_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct coupon_row){
            .id = pg_result_i64(r, i, 0),
            .name = pg_result_text(r, i, 1),
            .discount = pg_result_money(r, i, 2),
            .max_issuance = pg_result_i64(r, i, 3),
            .issued = pg_result_i64(r, i, 4),
            .status = pg_result_text(r, i, 5),
            .valid_from_us = pg_result_i64(r, i, 6),
            .valid_to_us = pg_result_i64(r, i, 7),
            .created_at_us = pg_result_i64(r, i, 8),
            .updated_at_us = pg_result_i64(r, i, 9),
        };
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void coupon_read_all(struct store *s, coupon_rows_fn *done, void *arg)
{
    store_read(s, &st_read_all, PG_NO_PARAMS, on_coupons, (store_any_fn *)done, arg);
}

void coupon_read(struct store *s, const int64_t *ids, size_t n, coupon_rows_fn *done, void *arg)
{
    store_read(s, &st_read, store_columns_ids(&s->columns, ids, n), on_coupons, (store_any_fn *)done, arg);
}

void coupon_read_page(struct store *s, int64_t after_id, size_t limit, coupon_rows_fn *done, void *arg)
{
    struct store_number after, most;
    store_read(s, &st_read_page,
               PG_PARAMS(store_number(&after, after_id), store_number(&most, (int64_t)limit)), on_coupons,
               (store_any_fn *)done, arg);
}

/* Two that ask for the next free id at once get the same one; the second tries again. */
#define CREATE_TRIES 5

typedef void create_fn(void *arg, int64_t id, const struct error *e);

struct create {
    struct store *store;
    char *name, *status;
    struct coupon_row row; /* name and status are those above */
    int tries;
    create_fn *done;
    void *arg;
};

static void try_create(struct create *c);

static void on_created(struct store_call *call, const struct pg_result *r, const struct error *e)
{
    struct create *c = call->arg;
    if (e && c->row.id == 0 && strcmp(e->code, "23505") == 0 && c->tries < CREATE_TRIES) {
        try_create(c);
        return;
    }
    c->done(c->arg, e ? 0 : pg_result_i64(r, 0, 0), e);
    mem_free(c->name);
    mem_free(c->status);
    mem_free(c);
}

static void try_create(struct create *c)
{
    struct store_number id, max, issued, from, to;
    char discount[MONEY_PRINT_SIZE];
    money_print_fixed(c->row.discount, discount);
    c->tries++;
    store_change(c->store, &st_create,
                 PG_PARAMS(store_number(&id, c->row.id), c->name, discount,
                           store_number(&max, c->row.max_issuance), store_number(&issued, c->row.issued),
                           c->status, store_number(&from, c->row.valid_from_us),
                           store_number(&to, c->row.valid_to_us)),
                 0, on_created, NULL, c);
}

void coupon_create(struct store *s, const struct coupon_row *row, create_fn *done, void *arg)
{
    struct create *c = mem_zalloc(sizeof(*c));
    *c = (struct create){.store = s,
                         .name = mem_strdup(row->name),
                         .status = mem_strdup(row->status),
                         .row = *row,
                         .done = done,
                         .arg = arg};
    try_create(c);
}

/* --- requests --- */

/* clang-format off */
#define REQUEST_INSERT                                                                                       \
    "INSERT INTO coupon_requests AS q (coupon_id, user_id, requested_at, ticket)"                            \
    " SELECT coupon_id, user_id, " SQL_AT("at") ", ticket FROM (SELECT unnest($1::bigint[]) AS coupon_id,"   \
    " unnest($2::bigint[]) AS user_id, unnest($3::bigint[]) AS at, unnest($4::bigint[]) AS ticket) AS x"
/* Looking for a row that stands there already costs a third of the insert, and there is one only when the decision was faster. So
 * the first try does not look. */
static const struct pg_statement st_request_insert = {"coupon_request_insert", REQUEST_INSERT};
static const struct pg_statement st_request_merge = {
    "coupon_request_merge",
    REQUEST_INSERT
    " ON CONFLICT (coupon_id, user_id, requested_at) DO UPDATE SET ticket = EXCLUDED.ticket WHERE q.ticket IS NULL"};

static const struct pg_statement st_request_withdraw = {
    "coupon_request_withdraw",
    "WITH x AS MATERIALIZED (SELECT coupon_id, user_id, " SQL_AT("at") " AS requested_at"
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS x (coupon_id, user_id, at)),"
    " decided AS (UPDATE coupon_requests AS q SET ticket = NULL FROM x WHERE q.coupon_id = x.coupon_id AND q.user_id = x.user_id"
    " AND q.requested_at = x.requested_at AND q.outcome IS NOT NULL)"
    " DELETE FROM coupon_requests AS q USING x WHERE q.coupon_id = x.coupon_id AND q.user_id = x.user_id"
    " AND q.requested_at = x.requested_at AND q.outcome IS NULL"};

#define REQUEST_COLUMNS                                                                                      \
    "SELECT coupon_id, user_id, " SQL_US("requested_at") " AS at, ticket, outcome IS NOT NULL,"              \
    " outcome IS NOT DISTINCT FROM 'SUCCESS', reason, user_coupon_id, COALESCE(" SQL_US("decided_at") ", 0)"

static const struct pg_statement st_request_find = {
    "coupon_request_find",
    REQUEST_COLUMNS " FROM coupon_requests WHERE coupon_id = $1::bigint AND user_id = $2::bigint"
    " AND requested_at = " SQL_AT("$3")};
/* A message that another program made up may carry any ticket and any instant: what cannot be ours does not count. */
static const struct pg_statement st_request_highest = {
    "coupon_request_highest",
    "SELECT COALESCE(max(ticket) FILTER (WHERE ticket < 1000000000000), 0),"
    " COALESCE(" SQL_US("max(requested_at) FILTER (WHERE requested_at < now() + interval '1 day')") ", 0)"
    " FROM coupon_requests WHERE coupon_id = $1::bigint"};
/* The user's coupon counts only when there is no request at all: it was issued another way. */
static const struct pg_statement st_request_latest = {
    "coupon_request_latest",
    REQUEST_COLUMNS ", 1 AS source FROM coupon_requests WHERE coupon_id = $1::bigint AND user_id = $2::bigint"
    " UNION ALL"
    " (SELECT coupon_id, user_id, " SQL_US("issued_at") ", NULL, true, true, NULL, user_coupon_id, "
    SQL_US("issued_at") ", 2"
    " FROM user_coupons AS h WHERE " SQL_HELD_BY("h", "$1::bigint", "$2::bigint") " ORDER BY h.coupon_id, h.user_id LIMIT 1)"
    " ORDER BY source, at DESC LIMIT 1"};
/* clang-format on */

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* All who write rows of one key wait for each other in this order. unnest hands them out as they stand, and so saves the server a
 * sort for each statement. */
static int by_key(const void *left, const void *right)
{
    const struct coupon_request_row *a = left, *b = right;
    int order = compare(a->coupon_id, b->coupon_id);
    if (!order)
        order = compare(a->user_id, b->user_id);
    return order ? order : compare(a->requested_at_us, b->requested_at_us);
}

struct request_insert {
    struct store *store;
    const struct pg_statement *st;
    int64_t deadline_ms;
    store_done_fn *done;
    void *arg;
    size_t n;
    struct coupon_request_row rows[]; /* by key */
};

static void send_insert(struct request_insert *in);

static void on_inserted(void *arg, const struct error *e)
{
    struct request_insert *in = arg;
    if (e && in->st == &st_request_insert && strcmp(e->code, "23505") == 0) {
        in->st = &st_request_merge;
        send_insert(in);
        return;
    }
    in->done(in->arg, e);
    mem_free(in);
}

static void send_insert(struct request_insert *in)
{
    struct store_columns *c = &in->store->columns;
    store_columns_begin(c, 4);
    for (size_t i = 0; i < in->n; i++) {
        pg_array_i64(&c->array[0], in->rows[i].coupon_id);
        pg_array_i64(&c->array[1], in->rows[i].user_id);
        pg_array_i64(&c->array[2], in->rows[i].requested_at_us);
        store_array_id(&c->array[3], in->rows[i].ticket);
    }
    store_exec(in->store, in->st, store_columns_end(c), in->deadline_ms, on_inserted, in);
}

void coupon_request_insert(struct store *s, const struct coupon_request_row *rows, size_t n,
                           int64_t deadline_ms, store_done_fn *done, void *arg)
{
    struct request_insert *in = mem_alloc(sizeof *in + n * sizeof *rows);
    *in = (struct request_insert){
        .store = s, .st = &st_request_insert, .deadline_ms = deadline_ms, .done = done, .arg = arg, .n = n};
    memcpy(in->rows, rows, n * sizeof *rows);
    qsort(in->rows, n, sizeof *rows, by_key);
    send_insert(in);
}

void coupon_request_withdraw(struct store *s, const struct coupon_request_row *rows, size_t n,
                             int64_t deadline_ms, store_done_fn *done, void *arg)
{
    struct store_columns *c = &s->columns;
    store_columns_begin(c, 3);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&c->array[0], rows[i].coupon_id);
        pg_array_i64(&c->array[1], rows[i].user_id);
        pg_array_i64(&c->array[2], rows[i].requested_at_us);
    }
    store_exec(s, &st_request_withdraw, store_columns_end(c), deadline_ms, done, arg);
}

static void read_request(const struct pg_result *r, int i, struct coupon_request_row *row)
{
    *row = (struct coupon_request_row){
        .coupon_id = pg_result_i64(r, i, 0),
        .user_id = pg_result_i64(r, i, 1),
        .requested_at_us = pg_result_i64(r, i, 2),
        .ticket = store_result_id(r, i, 3),
        .decided = pg_result_bool(r, i, 4),
        .success = pg_result_bool(r, i, 5),
        .reason = pg_result_text(r, i, 6),
        .user_coupon_id = store_result_id(r, i, 7),
        .decided_at_us = pg_result_i64(r, i, 8),
    };
}

typedef void latest_fn(void *arg, bool found, const struct coupon_request_row *row, const struct error *e);

static void on_latest(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    latest_fn *done = (latest_fn *)c->done;
    struct coupon_request_row row;
    if (e || pg_result_rows(r) == 0) {
        done(c->arg, false, NULL, e);
        return;
    }
    read_request(r, 0, &row);
    done(c->arg, true, &row, NULL);
}

void coupon_request_find(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                         latest_fn *done, void *arg)
{
    struct store_number coupon, user, at;
    store_read(s, &st_request_find,
               PG_PARAMS(store_number(&coupon, coupon_id), store_number(&user, user_id),
                         store_number(&at, requested_at_us)),
               on_latest, (store_any_fn *)done, arg);
}

typedef void highest_fn(void *arg, int64_t ticket, int64_t requested_at_us, const struct error *e);

static void on_highest(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    highest_fn *done = (highest_fn *)c->done;
    if (e)
        done(c->arg, 0, 0, e);
    else
        done(c->arg, pg_result_i64(r, 0, 0), pg_result_i64(r, 0, 1), NULL);
}

void coupon_request_highest(struct store *s, int64_t coupon_id, highest_fn *done, void *arg)
{
    struct store_number coupon;
    store_read(s, &st_request_highest, PG_PARAMS(store_number(&coupon, coupon_id)), on_highest,
               (store_any_fn *)done, arg);
}

void coupon_request_latest(struct store *s, int64_t coupon_id, int64_t user_id, latest_fn *done, void *arg)
{
    struct store_number coupon, user;
    store_read(s, &st_request_latest,
               PG_PARAMS(store_number(&coupon, coupon_id), store_number(&user, user_id)), on_latest,
               (store_any_fn *)done, arg);
}

/* --- users' coupons --- */

/* clang-format off */
static const struct pg_statement st_user_coupons = {
    "user_coupon_list",
    "SELECT uc.user_coupon_id, uc.coupon_id, c.name, c.discount_amount,"
    " CASE WHEN uc.status = 'ISSUED' AND c.valid_to <= now() THEN 'EXPIRED' ELSE uc.status END, "
    SQL_US("uc.issued_at") ", COALESCE(" SQL_US("uc.used_at") ", 0)"
    " FROM user_coupons AS uc JOIN coupons AS c USING (coupon_id) WHERE uc.user_id = $1::bigint"
    " ORDER BY uc.user_coupon_id DESC LIMIT 1000"};
static const struct pg_statement st_holders = {
    "user_coupon_holders",
    "SELECT user_id FROM user_coupons WHERE coupon_id = $1::bigint AND user_id > $2::bigint"
    " ORDER BY user_id LIMIT $3::bigint"};
/* clang-format on */

typedef void user_coupons_fn(void *arg, const struct user_coupon_row *rows, size_t n, const struct error *e);

static void on_user_coupons(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    user_coupons_fn *done = (user_coupons_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct user_coupon_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct user_coupon_row){
            .user_coupon_id = pg_result_i64(r, i, 0),
            .coupon_id = pg_result_i64(r, i, 1),
            .coupon_name = pg_result_text(r, i, 2),
            .discount = pg_result_money(r, i, 3),
            .status = pg_result_text(r, i, 4),
            .issued_at_us = pg_result_i64(r, i, 5),
            .used_at_us = pg_result_i64(r, i, 6),
        };
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void user_coupon_list(struct store *s, int64_t user_id, user_coupons_fn *done, void *arg)
{
    struct store_number user;
    store_read(s, &st_user_coupons, PG_PARAMS(store_number(&user, user_id)), on_user_coupons,
               (store_any_fn *)done, arg);
}

void user_coupon_holders(struct store *s, int64_t coupon_id, int64_t after_user_id, size_t limit,
                         store_ids_fn *done, void *arg)
{
    struct store_number coupon, after, most;
    store_read(s, &st_holders,
               PG_PARAMS(store_number(&coupon, coupon_id), store_number(&after, after_user_id),
                         store_number(&most, (int64_t)limit)),
               store_on_ids, (store_any_fn *)done, arg);
}
