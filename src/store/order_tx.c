/* The transaction of a batch of orders and charges.
 *
 * First step, in the global order of locks: idempotency claims, then (a later statement: it must see what the
 * last holder of a claim committed) stored answers, products, users and balances, user coupons. Each locking
 * statement ends in ORDER BY its id, and PostgreSQL locks rows in the order in which they leave the sort. FOR
 * NO KEY UPDATE lets the foreign keys of other transactions through. Users are read without a lock: orders do
 * not change them, and joining them to the balances would have to be an outer join, which cannot be locked.
 *
 * Second step: one statement per table. New rows come from unnest() in the select list, not in FROM: there each array is first
 * stored as a table of its own, a quarter of the statement's time, and nothing says in which order rows are read from it. Rows that
 * others refer to come first. */
#include "store/order_tx.h"

#include "store/store_tx.h"

struct order_tx {
    struct store_tx tx;
    const struct order_tx_ops *ops;
    void *arg;
    /* Parameters of the first step, kept until a connection is there. */
    struct store_columns products, users, user_coupons, keys;
    size_t nkeys;
    /* What the first step found; in tx.memory. */
    struct order_tx_facts facts;
    struct order_tx_user *users_found;
    struct order_tx_answer *answers;
};

/* --- first step --- */

/* clang-format off */
/* The claim is evaluated above the sort. Two keys with the same hash share a claim, which is harmless. */
static const struct pg_statement st_claim = {
    "order_tx_claim",
    "SELECT ord, pg_try_advisory_xact_lock(hash) FROM ("
    "SELECT ord, hashtextextended(route || ' ' || user_id || ' ' || key, 0) AS hash"
    " FROM unnest($1::text[], $2::bigint[], $3::text[]) WITH ORDINALITY AS x (route, user_id, key, ord)"
    " ORDER BY 2 OFFSET 0) AS sorted"};
static const struct pg_statement st_answers = {
    "order_tx_answers",
    "SELECT x.ord, i.status, i.body_hash, i.body"
    " FROM unnest($1::text[], $2::bigint[], $3::text[]) WITH ORDINALITY AS x (route, user_id, key, ord)"
    " JOIN idempotency_keys AS i ON i.route = x.route AND i.user_id = x.user_id AND i.key = x.key"};
static const struct pg_statement st_products = {
    "order_tx_products",
    "SELECT id, name, category, current_price, stock, status <> 'INACTIVE' FROM products"
    " WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"};
static const struct pg_statement st_balances = {
    "order_tx_balances",
    "SELECT user_id, amount FROM balances WHERE user_id = ANY($1::bigint[]) ORDER BY user_id FOR NO KEY UPDATE"};
static const struct pg_statement st_users = {
    "order_tx_users",
    "SELECT user_id, username, status = 'ACTIVE' FROM users WHERE user_id = ANY($1::bigint[]) ORDER BY user_id"};
static const struct pg_statement st_user_coupons = {
    "order_tx_user_coupons",
    "SELECT uc.user_coupon_id, uc.user_id, uc.coupon_id, c.discount_amount, uc.status = 'ISSUED', "
    SQL_US("c.valid_from") ", " SQL_US("c.valid_to")
    " FROM user_coupons AS uc JOIN coupons AS c ON c.coupon_id = uc.coupon_id"
    " WHERE uc.user_coupon_id = ANY($1::bigint[]) ORDER BY uc.user_coupon_id FOR NO KEY UPDATE OF uc"};
/* clang-format on */

static struct order_tx *of(struct store_tx *tx)
{
    return CONTAINER_OF(tx, struct order_tx, tx);
}

static struct order_tx_answer *answer_at(struct order_tx *o, const struct pg_result *r, int row)
{
    int64_t ord = pg_result_i64(r, row, 0);
    ASSERT(ord >= 1 && (size_t)ord <= o->nkeys);
    return &o->answers[ord - 1];
}

static void on_claims(struct store_tx *tx, const struct pg_result *r)
{
    struct order_tx *o = of(tx);
    for (int i = 0; i < pg_result_rows(r); i++)
        answer_at(o, r, i)->claimed = pg_result_bool(r, i, 1);
}

static void on_answers(struct store_tx *tx, const struct pg_result *r)
{
    struct order_tx *o = of(tx);
    for (int i = 0; i < pg_result_rows(r); i++) {
        struct order_tx_answer *a = answer_at(o, r, i);
        a->decided = true;
        a->status = (int)pg_result_i64(r, i, 1);
        a->body_hash = store_arena_text(&tx->memory, pg_result_text(r, i, 2));
        a->body = store_arena_text(&tx->memory, pg_result_text(r, i, 3));
    }
}

static void on_products(struct store_tx *tx, const struct pg_result *r)
{
    int n = pg_result_rows(r);
    struct order_tx_product *rows = store_arena_array(&tx->memory, (size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct order_tx_product){
            .id = pg_result_i64(r, i, 0),
            .name = store_arena_text(&tx->memory, pg_result_text(r, i, 1)),
            .category = store_arena_text(&tx->memory, pg_result_text(r, i, 2)),
            .price = pg_result_money(r, i, 3),
            .stock = pg_result_i64(r, i, 4),
            .active = pg_result_bool(r, i, 5),
        };
    }
    of(tx)->facts.products = rows;
    of(tx)->facts.nproducts = (size_t)n;
}

static void on_users(struct store_tx *tx, const struct pg_result *r)
{
    struct order_tx *o = of(tx);
    int n = pg_result_rows(r);
    o->users_found = store_arena_array(&tx->memory, (size_t)n, sizeof(*o->users_found));
    for (int i = 0; i < n; i++) {
        o->users_found[i] = (struct order_tx_user){
            .user_id = pg_result_i64(r, i, 0),
            .username = store_arena_text(&tx->memory, pg_result_text(r, i, 1)),
            .active = pg_result_bool(r, i, 2),
        };
    }
    o->facts.users = o->users_found;
    o->facts.nusers = (size_t)n;
}

/* Both are sorted by user, and a balance has its user (foreign key). */
static void on_balances(struct store_tx *tx, const struct pg_result *r)
{
    struct order_tx *o = of(tx);
    size_t u = 0;
    for (int i = 0; i < pg_result_rows(r); i++) {
        int64_t user_id = pg_result_i64(r, i, 0);
        while (u < o->facts.nusers && o->users_found[u].user_id < user_id)
            u++;
        if (u == o->facts.nusers || o->users_found[u].user_id != user_id)
            continue;
        o->users_found[u].has_balance = true;
        o->users_found[u].balance = pg_result_money(r, i, 1);
    }
}

static void on_user_coupons(struct store_tx *tx, const struct pg_result *r)
{
    int n = pg_result_rows(r);
    struct order_tx_coupon *rows = store_arena_array(&tx->memory, (size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct order_tx_coupon){
            .user_coupon_id = pg_result_i64(r, i, 0),
            .user_id = pg_result_i64(r, i, 1),
            .coupon_id = pg_result_i64(r, i, 2),
            .discount = pg_result_money(r, i, 3),
            .issued = pg_result_bool(r, i, 4),
            .valid_from_us = pg_result_i64(r, i, 5),
            .valid_to_us = pg_result_i64(r, i, 6),
        };
    }
    of(tx)->facts.coupons = rows;
    of(tx)->facts.ncoupons = (size_t)n;
}

static void queue_locks(struct store_tx *tx)
{
    struct order_tx *o = of(tx);
    if (o->nkeys > 0) {
        store_tx_read(tx, &st_claim, &o->keys.params, on_claims);
        store_tx_read(tx, &st_answers, &o->keys.params, on_answers);
    }
    /* Before anything that may wait for the transaction ahead: users are not locked. */
    store_tx_read(tx, &st_users, &o->users.params, on_users);
    if (o->products.n > 0)
        store_tx_read(tx, &st_products, &o->products.params, on_products);
    store_tx_read(tx, &st_balances, &o->users.params, on_balances);
    if (o->user_coupons.n > 0)
        store_tx_read(tx, &st_user_coupons, &o->user_coupons.params, on_user_coupons);
    store_tx_step_end(tx);
}

static void on_all_locked(struct store_tx *tx)
{
    struct order_tx *o = of(tx);
    o->facts.answers = o->answers;
    o->facts.nanswers = o->nkeys;
    o->ops->on_locked(o->arg, o, &o->facts);
}

static void on_committing(struct store_tx *tx)
{
    struct order_tx *o = of(tx);
    if (o->ops->on_committing)
        o->ops->on_committing(o->arg);
}

static void on_tx_end(struct store_tx *tx, enum store_end end, const struct error *e)
{
    struct order_tx *o = of(tx);
    o->ops->on_end(o->arg, end, e);
    store_columns_free(&o->products);
    store_columns_free(&o->users);
    store_columns_free(&o->user_coupons);
    store_columns_free(&o->keys);
    store_tx_free(tx);
    mem_free(o);
}

static const struct store_tx_ops tx_ops = {.lock = queue_locks,
                                           .locked = on_all_locked,
                                           .committing = on_committing,
                                           .end = on_tx_end,
                                           .fault_point = "order-written"};

struct order_tx *order_tx_lock(struct store *s, const struct order_tx_locks *locks, int64_t deadline_ms,
                               const struct order_tx_ops *ops, void *arg)
{
    struct order_tx *o = mem_zalloc(sizeof(*o));
    o->ops = ops;
    o->arg = arg;
    if (locks->nproducts > 0)
        store_columns_ids(&o->products, locks->product_ids, locks->nproducts);
    store_columns_ids(&o->users, locks->user_ids, locks->nusers);
    if (locks->nuser_coupons > 0)
        store_columns_ids(&o->user_coupons, locks->user_coupon_ids, locks->nuser_coupons);
    o->nkeys = locks->nkeys;
    o->answers = store_arena_array(&o->tx.memory, locks->nkeys, sizeof(*o->answers));
    store_columns_begin(&o->keys, 3);
    for (size_t i = 0; i < locks->nkeys; i++) {
        pg_array_text(&o->keys.array[0], locks->keys[i].route);
        pg_array_i64(&o->keys.array[1], locks->keys[i].user_id);
        pg_array_text(&o->keys.array[2], locks->keys[i].key);
    }
    store_columns_end(&o->keys);
    store_tx_start(&o->tx, s, &tx_ops, deadline_ms);
    return o;
}

/* --- second step --- */

/* clang-format off */
static const struct pg_statement st_stock = {
    "order_tx_stock",
    "UPDATE products AS p SET stock = p.stock - x.quantity, updated_at = " SQL_ONCE_AT("$3")
    " FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS quantity) AS x WHERE p.id = x.id"};
/* The cast to date is in the session's time zone, server.time-zone. */
static const struct pg_statement st_sales = {
    "order_tx_sales",
    "INSERT INTO product_sales_daily AS d (product_id, day, quantity, amount, last_order_at)"
    " SELECT x.id, (" SQL_AT("$4") ")::date, x.quantity, x.amount, " SQL_AT("$4")
    " FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS quantity, unnest($3::numeric[]) AS amount) AS x"
    " ON CONFLICT (product_id, day) DO UPDATE SET quantity = d.quantity + EXCLUDED.quantity,"
    " amount = d.amount + EXCLUDED.amount, last_order_at = GREATEST(d.last_order_at, EXCLUDED.last_order_at)"};
static const struct pg_statement st_balance_new = {
    "order_tx_balance_new",
    "INSERT INTO balances (user_id, amount, updated_at) SELECT x.id, x.amount, " SQL_AT("$3")
    " FROM unnest($1::bigint[], $2::numeric[]) AS x (id, amount) ORDER BY 1 ON CONFLICT DO NOTHING"};
static const struct pg_statement st_balance = {
    "order_tx_balance",
    "UPDATE balances AS b SET amount = x.amount, updated_at = " SQL_ONCE_AT("$3")
    " FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::numeric[]) AS amount) AS x WHERE b.user_id = x.id"};
static const struct pg_statement st_orders = {
    "order_tx_orders",
    "INSERT INTO orders (id, user_id, user_coupon_id, total_amount, discounted_amount, discount_amount, status, created_at)"
    " SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::numeric[]), unnest($5::numeric[]),"
    " unnest($6::numeric[]), 'COMPLETED', " SQL_ONCE_AT("$7")};
static const struct pg_statement st_lines = {
    "order_tx_lines",
    "INSERT INTO order_items (id, order_id, product_id, product_name, quantity, unit_price, total_price)"
    " SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::text[]), unnest($5::bigint[]),"
    " unnest($6::numeric[]), unnest($7::numeric[])"};
/* Ids ascend in the order of the decisions. */
static const struct pg_statement st_ledger = {
    "order_tx_ledger",
    "INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after, order_id, created_at)"
    " SELECT unnest($1::bigint[]), unnest($2::text[]), unnest($3::numeric[]), unnest($4::numeric[]), unnest($5::bigint[]),"
    " " SQL_ONCE_AT("$6")};
static const struct pg_statement st_history = {
    "order_tx_history",
    "INSERT INTO order_history_events (order_id, event_type, amount, created_at)"
    " SELECT unnest($1::bigint[]), 'ORDER_COMPLETED', unnest($2::numeric[]), " SQL_ONCE_AT("$3")};
/* available_at is by the database's clock, as the claim is: a node whose clock is off delays nothing. */
static const struct pg_statement st_outbox = {
    "order_tx_outbox",
    "INSERT INTO outbox (order_id, orders, payload, created_at, available_at)"
    " SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), " SQL_ONCE_AT("$4") ", now() + interval '30 seconds'"};
static const struct pg_statement st_outbox_due = {
    "order_tx_outbox_due",
    "INSERT INTO outbox (order_id, orders, payload, created_at, available_at)"
    " SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::text[]), " SQL_ONCE_AT("$4") ", now()"};
static const struct pg_statement st_use = {
    "order_tx_use",
    "UPDATE user_coupons AS uc SET status = 'USED', used_at = " SQL_AT("$3") ", order_id = x.order_id"
    " FROM unnest($1::bigint[], $2::bigint[]) AS x (id, order_id)"
    " WHERE uc.user_coupon_id = x.id AND uc.status = 'ISSUED'"};
static const struct pg_statement st_decided = {
    "order_tx_decided",
    "INSERT INTO idempotency_keys (route, user_id, key, body_hash, status, body, created_at)"
    " SELECT unnest($1::text[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::text[]), unnest($5::bigint[]),"
    " unnest($6::text[]), " SQL_ONCE_AT("$7")};
/* clang-format on */

/* Where the columns of a statement are built, and what they have in common. */
struct writer {
    struct store_tx *tx;
    struct store_columns *c;
    const char *at; /* the instant of the batch, the last parameter of most statements */
};

static void write_rows(const struct writer *w, const struct pg_statement *st, size_t planned,
                       enum store_tx_mismatch mismatch)
{
    struct pg_params *params = store_columns_end(w->c);
    if (w->at)
        pg_params_text(params, w->at);
    store_tx_write(w->tx, st, params, planned, mismatch);
}

static void write_sales(const struct writer *w, const struct order_tx_sale *sales, size_t n)
{
    struct buf *a = w->c->array;
    if (n == 0)
        return;
    store_columns_begin(w->c, 2);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], sales[i].product_id);
        pg_array_i64(&a[1], sales[i].quantity);
    }
    write_rows(w, &st_stock, n, STORE_TX_BUG);
    store_columns_begin(w->c, 3);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], sales[i].product_id);
        pg_array_i64(&a[1], sales[i].quantity);
        pg_array_money(&a[2], sales[i].amount);
    }
    write_rows(w, &st_sales, n, STORE_TX_BUG);
}

static void write_balances(const struct writer *w, const struct order_tx_balance *balances, size_t n,
                           bool create)
{
    size_t planned = 0;
    store_columns_begin(w->c, 2);
    for (size_t i = 0; i < n; i++) {
        if (balances[i].create != create)
            continue;
        pg_array_i64(&w->c->array[0], balances[i].user_id);
        pg_array_money(&w->c->array[1], balances[i].amount);
        planned++;
    }
    if (planned == 0)
        return;
    if (create)
        write_rows(w, &st_balance_new, planned, STORE_TX_RACE);
    else
        write_rows(w, &st_balance, planned, STORE_TX_BUG);
}

static void write_orders(const struct writer *w, const struct order_tx_order *orders, size_t n)
{
    struct buf *a = w->c->array;
    if (n == 0)
        return;
    store_columns_begin(w->c, 6);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], orders[i].id);
        pg_array_i64(&a[1], orders[i].user_id);
        store_array_id(&a[2], orders[i].user_coupon_id);
        pg_array_money(&a[3], orders[i].total);
        pg_array_money(&a[4], orders[i].discounted);
        pg_array_money(&a[5], orders[i].discount);
    }
    write_rows(w, &st_orders, n, STORE_TX_BUG);
}

static void write_lines(const struct writer *w, const struct order_tx_line *lines, size_t n)
{
    struct buf *a = w->c->array;
    const struct writer no_at = {.tx = w->tx, .c = w->c};
    if (n == 0)
        return;
    store_columns_begin(w->c, 7);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], lines[i].id);
        pg_array_i64(&a[1], lines[i].order_id);
        pg_array_i64(&a[2], lines[i].product_id);
        pg_array_text(&a[3], lines[i].product_name);
        pg_array_i64(&a[4], lines[i].quantity);
        pg_array_money(&a[5], lines[i].unit_price);
        pg_array_money(&a[6], lines[i].total_price);
    }
    write_rows(&no_at, &st_lines, n, STORE_TX_BUG);
}

static void write_ledger(const struct writer *w, const struct order_tx_ledger *ledger, size_t n)
{
    struct buf *a = w->c->array;
    if (n == 0)
        return;
    store_columns_begin(w->c, 5);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], ledger[i].user_id);
        pg_array_text(&a[1], ledger[i].type);
        pg_array_money(&a[2], ledger[i].amount);
        pg_array_money(&a[3], ledger[i].balance_after);
        store_array_id(&a[4], ledger[i].order_id);
    }
    write_rows(w, &st_ledger, n, STORE_TX_BUG);
}

static void write_history(const struct writer *w, const struct order_tx_order *orders, size_t n)
{
    struct buf *a = w->c->array;
    if (n == 0)
        return;
    store_columns_begin(w->c, 2);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], orders[i].id);
        pg_array_money(&a[1], orders[i].discounted);
    }
    write_rows(w, &st_history, n, STORE_TX_BUG);
}

static void write_outbox(const struct writer *w, const struct order_tx_outbox *rows, size_t n, bool due)
{
    struct buf *a = w->c->array;
    if (n == 0)
        return;
    store_columns_begin(w->c, 3);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&a[0], rows[i].order_id);
        pg_array_i64(&a[1], (int64_t)rows[i].orders);
        pg_array_text(&a[2], rows[i].payload);
    }
    write_rows(w, due ? &st_outbox_due : &st_outbox, n, STORE_TX_BUG);
}

static void write_uses(const struct writer *w, const struct order_tx_use *uses, size_t n)
{
    if (n == 0)
        return;
    store_columns_begin(w->c, 2);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&w->c->array[0], uses[i].user_coupon_id);
        pg_array_i64(&w->c->array[1], uses[i].order_id);
    }
    write_rows(w, &st_use, n, STORE_TX_BUG);
}

static void write_decided(const struct writer *w, const struct order_tx_decided *decided, size_t n)
{
    struct buf *a = w->c->array;
    if (n == 0)
        return;
    store_columns_begin(w->c, 6);
    for (size_t i = 0; i < n; i++) {
        pg_array_text(&a[0], decided[i].key.route);
        pg_array_i64(&a[1], decided[i].key.user_id);
        pg_array_text(&a[2], decided[i].key.key);
        pg_array_text(&a[3], decided[i].body_hash);
        pg_array_i64(&a[4], decided[i].status);
        pg_array_text(&a[5], decided[i].body);
    }
    write_rows(w, &st_decided, n, STORE_TX_BUG);
}

void order_tx_write(struct order_tx *o, const struct order_tx_writes *writes)
{
    struct store_number at;
    const struct writer w = {
        .tx = &o->tx, .c = &o->tx.store->columns, .at = store_number(&at, writes->at_us)};
    store_tx_begin_writes(&o->tx);
    write_sales(&w, writes->sales, writes->nsales);
    write_balances(&w, writes->balances, writes->nbalances, true);
    write_balances(&w, writes->balances, writes->nbalances, false);
    write_orders(&w, writes->orders, writes->norders);
    write_lines(&w, writes->lines, writes->nlines);
    write_ledger(&w, writes->ledger, writes->nledger);
    write_history(&w, writes->orders, writes->norders);
    write_outbox(&w, writes->outbox, writes->noutbox, writes->outbox_due);
    write_uses(&w, writes->uses, writes->nuses);
    write_decided(&w, writes->decided, writes->ndecided);
    store_tx_step_end(&o->tx);
}

void order_tx_abort(struct order_tx *o)
{
    store_tx_abort(&o->tx);
}

/* --- what is past its time --- */

/* clang-format off */
static const struct pg_statement st_expire = {
    "order_tx_expire",
    "WITH old_keys AS MATERIALIZED (SELECT route, user_id, key FROM idempotency_keys WHERE created_at < " SQL_AT("$1")
    " ORDER BY created_at LIMIT $3::bigint FOR UPDATE SKIP LOCKED),"
    " old_tokens AS MATERIALIZED (SELECT token FROM tx_tokens WHERE created_at < " SQL_AT("$2")
    " ORDER BY created_at LIMIT $3::bigint FOR UPDATE SKIP LOCKED),"
    " k AS (DELETE FROM idempotency_keys AS i USING old_keys AS o"
    " WHERE i.route = o.route AND i.user_id = o.user_id AND i.key = o.key RETURNING 1),"
    " t AS (DELETE FROM tx_tokens AS x USING old_tokens AS o WHERE x.token = o.token RETURNING 1)"
    " SELECT (SELECT count(*) FROM k), (SELECT count(*) FROM t)"};
/* clang-format on */

typedef void expired_fn(void *arg, int64_t keys, int64_t tokens, const struct error *e);

static void on_expired(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    expired_fn *done = (expired_fn *)c->done;
    if (e)
        done(c->arg, 0, 0, e);
    else
        done(c->arg, pg_result_i64(r, 0, 0), pg_result_i64(r, 0, 1), NULL);
}

void order_tx_expire(struct store *s, int64_t keys_older_than_us, int64_t tokens_older_than_us, size_t limit,
                     expired_fn *done, void *arg)
{
    struct store_number keys, tokens, most;
    store_change(s, &st_expire,
                 PG_PARAMS(store_number(&keys, keys_older_than_us),
                           store_number(&tokens, tokens_older_than_us), store_number(&most, (int64_t)limit)),
                 0, on_expired, (store_any_fn *)done, arg);
}
