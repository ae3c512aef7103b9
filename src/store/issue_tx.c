/* The transaction that decides a batch of coupon requests.
 *
 * First step: lock the coupons in ascending order, then, in a later statement, read of each request its user,
 * the coupon the user may hold and the decision the request may have. Later, because only a statement that
 * begins after the lock is held sees what the last holder of the lock committed. Second step: requests with
 * their outcome, users' coupons, counts. */
#include "store/issue_tx.h"

#include "store/store_tx.h"

struct issue_tx {
    struct store_tx tx;
    const struct issue_tx_ops *ops;
    void *arg;
    struct store_columns coupon_ids, requests; /* kept until a connection is there */
    size_t nrequests;
    struct issue_tx_facts facts;
    struct issue_tx_fact *found;
};

/* clang-format off */
static const struct pg_statement st_coupons = {
    "issue_tx_coupons",
    "SELECT coupon_id, name, discount_amount, max_issuance_count, issued_count, status = 'ACTIVE', "
    SQL_US("valid_from") ", " SQL_US("valid_to") " FROM coupons"
    " WHERE coupon_id = ANY($1::bigint[]) ORDER BY coupon_id FOR NO KEY UPDATE"};
static const struct pg_statement st_facts = {
    "issue_tx_facts",
    "SELECT x.ord, u.status IS NOT NULL, u.status IS NOT DISTINCT FROM 'ACTIVE', uc.user_coupon_id,"
    " q.outcome IS NOT NULL, q.outcome IS NOT DISTINCT FROM 'SUCCESS', q.reason, q.user_coupon_id"
    " FROM (SELECT unnest($1::bigint[]) AS coupon_id, unnest($2::bigint[]) AS user_id, unnest($3::bigint[]) AS at,"
    " generate_subscripts($1::bigint[], 1) AS ord) AS x"
    " LEFT JOIN users AS u ON u.user_id = x.user_id"
    " LEFT JOIN LATERAL (SELECT user_coupon_id FROM user_coupons AS h WHERE " SQL_HELD_BY("h", "x.coupon_id", "x.user_id")
    " ORDER BY h.coupon_id, h.user_id LIMIT 1) AS uc ON true"
    " LEFT JOIN coupon_requests AS q ON q.coupon_id = x.coupon_id AND q.user_id = x.user_id"
    " AND q.requested_at = " SQL_AT("x.at")};
/* A request that somebody decided since the lock is not touched, and the row count tells. Decision numbers ascend in the order
 * of the arrays: unnest() in a select list gives their elements one by one. */
static const struct pg_statement st_requests = {
    "issue_tx_requests",
    "INSERT INTO coupon_requests AS q"
    " (coupon_id, user_id, requested_at, ticket, outcome, reason, user_coupon_id, decision, decided_at)"
    " SELECT coupon_id, user_id, " SQL_AT("at") ", ticket, outcome, reason, user_coupon_id,"
    " nextval('coupon_decision_seq'), " SQL_ONCE_AT("$8")
    " FROM (SELECT unnest($1::bigint[]) AS coupon_id, unnest($2::bigint[]) AS user_id, unnest($3::bigint[]) AS at,"
    " unnest($4::bigint[]) AS ticket, unnest($5::text[]) AS outcome, unnest($6::text[]) AS reason,"
    " unnest($7::bigint[]) AS user_coupon_id) AS x"
    " ON CONFLICT (coupon_id, user_id, requested_at) DO UPDATE SET outcome = EXCLUDED.outcome,"
    " reason = EXCLUDED.reason, user_coupon_id = EXCLUDED.user_coupon_id, decision = EXCLUDED.decision,"
    " decided_at = EXCLUDED.decided_at, ticket = COALESCE(q.ticket, EXCLUDED.ticket) WHERE q.outcome IS NULL"};
static const struct pg_statement st_user_coupons = {
    "issue_tx_user_coupons",
    "INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id, status, issued_at)"
    " SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), 'ISSUED', " SQL_ONCE_AT("$4")};
static const struct pg_statement st_counts = {
    "issue_tx_counts",
    "UPDATE coupons AS c SET issued_count = c.issued_count + x.issued, updated_at = " SQL_AT("$3")
    " FROM unnest($1::bigint[], $2::bigint[]) AS x (id, issued) WHERE c.coupon_id = x.id"};
/* clang-format on */

/* --- first step --- */

static struct issue_tx *of(struct store_tx *tx)
{
    return CONTAINER_OF(tx, struct issue_tx, tx);
}

static void on_coupons(struct store_tx *tx, const struct pg_result *r)
{
    int n = pg_result_rows(r);
    struct issue_tx_coupon *rows = store_arena_array(&tx->memory, (size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct issue_tx_coupon){
            .id = pg_result_i64(r, i, 0),
            .name = store_arena_text(&tx->memory, pg_result_text(r, i, 1)),
            .discount = pg_result_money(r, i, 2),
            .max_issuance = pg_result_i64(r, i, 3),
            .issued = pg_result_i64(r, i, 4),
            .active = pg_result_bool(r, i, 5),
            .valid_from_us = pg_result_i64(r, i, 6),
            .valid_to_us = pg_result_i64(r, i, 7),
        };
    }
    of(tx)->facts.coupons = rows;
    of(tx)->facts.ncoupons = (size_t)n;
}

static void on_facts(struct store_tx *tx, const struct pg_result *r)
{
    struct issue_tx *i = of(tx);
    ASSERT((size_t)pg_result_rows(r) == i->nrequests);
    for (int row = 0; row < pg_result_rows(r); row++) {
        int64_t ord = pg_result_i64(r, row, 0);
        ASSERT(ord >= 1 && (size_t)ord <= i->nrequests);
        i->found[ord - 1] = (struct issue_tx_fact){
            .user_exists = pg_result_bool(r, row, 1),
            .user_active = pg_result_bool(r, row, 2),
            .holds_user_coupon_id = store_result_id(r, row, 3),
            .decided = pg_result_bool(r, row, 4),
            .success = pg_result_bool(r, row, 5),
            .reason = store_arena_text(&tx->memory, pg_result_text(r, row, 6)),
            .user_coupon_id = store_result_id(r, row, 7),
        };
    }
}

static void queue_locks(struct store_tx *tx)
{
    struct issue_tx *i = of(tx);
    store_tx_read(tx, &st_coupons, &i->coupon_ids.params, on_coupons);
    store_tx_read(tx, &st_facts, &i->requests.params, on_facts);
    store_tx_step_end(tx);
}

static void on_all_locked(struct store_tx *tx)
{
    struct issue_tx *i = of(tx);
    i->facts.requests = i->found;
    i->ops->on_locked(i->arg, i, &i->facts);
}

static void on_tx_end(struct store_tx *tx, enum store_end end, const struct error *e)
{
    struct issue_tx *i = of(tx);
    i->ops->on_end(i->arg, end, e);
    store_columns_free(&i->coupon_ids);
    store_columns_free(&i->requests);
    store_tx_free(tx);
    mem_free(i);
}

static const struct store_tx_ops tx_ops = {
    .lock = queue_locks, .locked = on_all_locked, .end = on_tx_end, .fault_point = "coupon-written"};

struct issue_tx *issue_tx_lock(struct store *s, const struct issue_tx_request *requests, size_t n,
                               int64_t deadline_ms, const struct issue_tx_ops *ops, void *arg)
{
    struct issue_tx *i = mem_zalloc(sizeof(*i));
    i->ops = ops;
    i->arg = arg;
    i->nrequests = n;
    i->found = store_arena_array(&i->tx.memory, n, sizeof(*i->found));
    store_columns_begin(&i->coupon_ids, 1);
    store_columns_begin(&i->requests, 3);
    for (size_t k = 0; k < n; k++) {
        /* A coupon named twice is locked once; runs of one coupon are the rule. */
        if (k == 0 || requests[k].coupon_id != requests[k - 1].coupon_id)
            pg_array_i64(&i->coupon_ids.array[0], requests[k].coupon_id);
        pg_array_i64(&i->requests.array[0], requests[k].coupon_id);
        pg_array_i64(&i->requests.array[1], requests[k].user_id);
        pg_array_i64(&i->requests.array[2], requests[k].requested_at_us);
    }
    store_columns_end(&i->coupon_ids);
    store_columns_end(&i->requests);
    store_tx_start(&i->tx, s, &tx_ops, deadline_ms);
    return i;
}

/* --- second step --- */

static void write_rows(struct issue_tx *i, const struct pg_statement *st, const char *at_us, size_t planned)
{
    struct pg_params *params = store_columns_end(&i->tx.store->columns);
    pg_params_text(params, at_us);
    store_tx_write(&i->tx, st, params, planned, STORE_TX_BUG);
}

static void write_requests(struct issue_tx *i, const char *at_us, const struct issue_tx_decision *decisions,
                           size_t n)
{
    struct store_columns *c = &i->tx.store->columns;
    store_columns_begin(c, 7);
    for (size_t k = 0; k < n; k++) {
        const struct issue_tx_decision *d = &decisions[k];
        pg_array_i64(&c->array[0], d->request.coupon_id);
        pg_array_i64(&c->array[1], d->request.user_id);
        pg_array_i64(&c->array[2], d->request.requested_at_us);
        store_array_id(&c->array[3], d->request.ticket);
        pg_array_text(&c->array[4], d->success ? "SUCCESS" : "FAILED");
        pg_array_text(&c->array[5], d->success ? NULL : d->reason);
        store_array_id(&c->array[6], d->success ? d->user_coupon_id : 0);
    }
    write_rows(i, &st_requests, at_us, n);
}

static void write_user_coupons(struct issue_tx *i, const char *at_us,
                               const struct issue_tx_decision *decisions, size_t n)
{
    struct store_columns *c = &i->tx.store->columns;
    size_t issued = 0;
    store_columns_begin(c, 3);
    for (size_t k = 0; k < n; k++) {
        const struct issue_tx_decision *d = &decisions[k];
        if (!d->success)
            continue;
        pg_array_i64(&c->array[0], d->user_coupon_id);
        pg_array_i64(&c->array[1], d->request.coupon_id);
        pg_array_i64(&c->array[2], d->request.user_id);
        issued++;
    }
    if (issued > 0)
        write_rows(i, &st_user_coupons, at_us, issued);
}

static void write_counts(struct issue_tx *i, const char *at_us, const struct issue_tx_count *counts, size_t n)
{
    struct store_columns *c = &i->tx.store->columns;
    size_t changed = 0;
    store_columns_begin(c, 2);
    for (size_t k = 0; k < n; k++) {
        if (counts[k].issued == 0)
            continue;
        pg_array_i64(&c->array[0], counts[k].coupon_id);
        pg_array_i64(&c->array[1], counts[k].issued);
        changed++;
    }
    if (changed > 0)
        write_rows(i, &st_counts, at_us, changed);
}

void issue_tx_write(struct issue_tx *i, int64_t at_us, const struct issue_tx_decision *decisions, size_t n,
                    const struct issue_tx_count *counts, size_t ncounts)
{
    struct store_number at;
    store_number(&at, at_us);
    store_tx_begin_writes(&i->tx);
    if (n > 0)
        write_requests(i, at.text, decisions, n);
    write_user_coupons(i, at.text, decisions, n);
    write_counts(i, at.text, counts, ncounts);
    store_tx_step_end(&i->tx);
}

void issue_tx_abort(struct issue_tx *i)
{
    store_tx_abort(&i->tx);
}
