/* Reads of users, balances, products and orders for the GET routes and caches. */
#include "store/shop.h"

#include "store/store_internal.h"

/* clang-format off */
static const struct pg_statement st_users = {
    "user_read",
    "SELECT u.user_id, u.username, u.status, " SQL_US("u.created_at") ", " SQL_US("u.updated_at") ", b.amount"
    " FROM users AS u LEFT JOIN balances AS b ON b.user_id = u.user_id"
    " WHERE u.user_id = ANY($1::bigint[]) ORDER BY u.user_id"};
static const struct pg_statement st_user_status = {
    "user_read_status", "SELECT user_id, status FROM users WHERE user_id = ANY($1::bigint[]) ORDER BY user_id"};
static const struct pg_statement st_balance_history = {
    "balance_history",
    "SELECT id, tx_type, amount, balance_after, order_id, " SQL_US("created_at") " FROM user_balance_tx"
    " WHERE user_id = $1::bigint AND id < $2::bigint ORDER BY id DESC LIMIT $3::bigint"};

#define PRODUCT_COLUMNS                                                                                      \
    "SELECT id, name, category, current_price, stock, status, " SQL_US("created_at") ", "                    \
    SQL_US("updated_at") " FROM products "

static const struct pg_statement st_products = {
    "product_read", PRODUCT_COLUMNS "WHERE id = ANY($1::bigint[]) ORDER BY id"};
static const struct pg_statement st_product_page = {
    "product_page", PRODUCT_COLUMNS "WHERE id > $1::bigint ORDER BY id LIMIT $2::bigint"};
/* Sums of money may exceed what one amount may be: cents in 64 bits. */
static const struct pg_statement st_product_sales = {
    "product_sales",
    "SELECT product_id, sum(quantity)::bigint, COALESCE(sum(quantity) FILTER (WHERE day >= $2::date), 0)::bigint,"
    " (sum(amount) * 100)::bigint, COALESCE(sum(amount) FILTER (WHERE day >= $2::date) * 100, 0)::bigint, "
    SQL_US("max(last_order_at)")
    " FROM product_sales_daily WHERE product_id = ANY($1::bigint[]) GROUP BY product_id ORDER BY product_id"};

static const struct pg_statement st_product_top = {
    "product_top",
    "SELECT product_id, 0, sum(quantity)::bigint, 0, 0, 0 FROM product_sales_daily WHERE day >= $1::date"
    " GROUP BY product_id HAVING sum(quantity) > 0 ORDER BY 3 DESC, 1 LIMIT $2::bigint"};

#define ORDER_COLUMNS                                                                                        \
    "SELECT o.id, o.user_id, o.user_coupon_id, o.total_amount, o.discounted_amount, o.discount_amount,"      \
    " o.status, " SQL_US("o.created_at")                                                                     \
    ", i.id, i.product_id, i.product_name, i.quantity, i.unit_price, i.total_price FROM "
#define WITH_ITEMS " AS o LEFT JOIN order_items AS i ON i.order_id = o.id "

static const struct pg_statement st_order = {
    "order_read", ORDER_COLUMNS "orders" WITH_ITEMS "WHERE o.id = $1::bigint ORDER BY i.id"};
static const struct pg_statement st_order_page = {
    "order_page",
    ORDER_COLUMNS
    "(SELECT * FROM orders WHERE user_id = $1::bigint AND id < $2::bigint ORDER BY id DESC LIMIT $3::bigint)"
    WITH_ITEMS "ORDER BY o.id DESC, i.id"};
/* clang-format on */

/* A page that begins at the newest row. */
static const char *before(struct store_number *n, int64_t before_id)
{
    return store_number(n, before_id ? before_id : INT64_MAX);
}

typedef void users_fn(void *arg, const struct user_row *rows, size_t n, const struct error *e);

static void on_users(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    users_fn *done = (users_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct user_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct user_row){
            .user_id = pg_result_i64(r, i, 0),
            .username = pg_result_text(r, i, 1),
            .status = pg_result_text(r, i, 2),
            .created_at_us = pg_result_i64(r, i, 3),
            .updated_at_us = pg_result_i64(r, i, 4),
            .has_balance = !pg_result_null(r, i, 5),
        };
        if (rows[i].has_balance)
            rows[i].balance = pg_result_money(r, i, 5);
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void user_read(struct store *s, const int64_t *ids, size_t n, users_fn *done, void *arg)
{
    store_read(s, &st_users, store_columns_ids(&s->columns, ids, n), on_users, (store_any_fn *)done, arg);
}

static void on_user_status(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    users_fn *done = (users_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct user_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++)
        rows[i] = (struct user_row){.user_id = pg_result_i64(r, i, 0), .status = pg_result_text(r, i, 1)};
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void user_read_status(struct store *s, const int64_t *ids, size_t n, users_fn *done, void *arg)
{
    store_read(s, &st_user_status, store_columns_ids(&s->columns, ids, n), on_user_status,
               (store_any_fn *)done, arg);
}

typedef void history_fn(void *arg, const struct balance_tx_row *rows, size_t n, const struct error *e);

static void on_balance_history(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    history_fn *done = (history_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct balance_tx_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct balance_tx_row){
            .id = pg_result_i64(r, i, 0),
            .type = pg_result_text(r, i, 1),
            .amount = pg_result_money(r, i, 2),
            .balance_after = pg_result_money(r, i, 3),
            .order_id = store_result_id(r, i, 4),
            .created_at_us = pg_result_i64(r, i, 5),
        };
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void balance_history(struct store *s, int64_t user_id, int64_t before_id, size_t limit, history_fn *done,
                     void *arg)
{
    struct store_number user, id, most;
    store_read(
        s, &st_balance_history,
        PG_PARAMS(store_number(&user, user_id), before(&id, before_id), store_number(&most, (int64_t)limit)),
        on_balance_history, (store_any_fn *)done, arg);
}

static void on_products(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    product_rows_fn *done = (product_rows_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct product_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct product_row){
            .id = pg_result_i64(r, i, 0),
            .name = pg_result_text(r, i, 1),
            .category = pg_result_text(r, i, 2),
            .price = pg_result_money(r, i, 3),
            .stock = pg_result_i64(r, i, 4),
            .status = pg_result_text(r, i, 5),
            .created_at_us = pg_result_i64(r, i, 6),
            .updated_at_us = pg_result_i64(r, i, 7),
        };
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void product_read(struct store *s, const int64_t *ids, size_t n, product_rows_fn *done, void *arg)
{
    store_read(s, &st_products, store_columns_ids(&s->columns, ids, n), on_products, (store_any_fn *)done,
               arg);
}

void product_page(struct store *s, int64_t after_id, size_t limit, product_rows_fn *done, void *arg)
{
    struct store_number after, most;
    store_read(s, &st_product_page,
               PG_PARAMS(store_number(&after, after_id), store_number(&most, (int64_t)limit)), on_products,
               (store_any_fn *)done, arg);
}

static void on_product_sales(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    product_sales_fn *done = (product_sales_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct product_sales_row *rows = mem_array((size_t)n, sizeof(*rows));
    for (int i = 0; i < n; i++) {
        rows[i] = (struct product_sales_row){
            .product_id = pg_result_i64(r, i, 0),
            .total_quantity = pg_result_i64(r, i, 1),
            .recent_quantity = pg_result_i64(r, i, 2),
            .total_amount = pg_result_i64(r, i, 3),
            .recent_amount = pg_result_i64(r, i, 4),
            .last_order_at_us = pg_result_i64(r, i, 5),
        };
    }
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void product_sales(struct store *s, const int64_t *ids, size_t n, const char *first_day,
                   product_sales_fn *done, void *arg)
{
    struct pg_params *params = store_columns_ids(&s->columns, ids, n);
    pg_params_text(params, first_day);
    store_read(s, &st_product_sales, params, on_product_sales, (store_any_fn *)done, arg);
}

void product_top(struct store *s, const char *first_day, size_t limit, product_sales_fn *done, void *arg)
{
    struct store_number most;
    store_read(s, &st_product_top, PG_PARAMS(first_day, store_number(&most, (int64_t)limit)),
               on_product_sales, (store_any_fn *)done, arg);
}

/* One row per line; lines of an order follow each other. */
static void on_orders(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    order_rows_fn *done = (order_rows_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    size_t norders = 0, nitems = 0;
    struct order_row *orders = mem_array((size_t)n, sizeof(*orders));
    struct order_item_row *items = mem_array((size_t)n, sizeof(*items));
    for (int i = 0; i < n; i++) {
        int64_t id = pg_result_i64(r, i, 0);
        if (norders == 0 || orders[norders - 1].id != id) {
            orders[norders++] = (struct order_row){
                .id = id,
                .user_id = pg_result_i64(r, i, 1),
                .user_coupon_id = store_result_id(r, i, 2),
                .total = pg_result_money(r, i, 3),
                .discounted = pg_result_money(r, i, 4),
                .discount = pg_result_money(r, i, 5),
                .status = pg_result_text(r, i, 6),
                .created_at_us = pg_result_i64(r, i, 7),
                .items = items + nitems,
            };
        }
        if (pg_result_null(r, i, 8))
            continue;
        items[nitems++] = (struct order_item_row){
            .id = pg_result_i64(r, i, 8),
            .product_id = pg_result_i64(r, i, 9),
            .product_name = pg_result_text(r, i, 10),
            .quantity = pg_result_i64(r, i, 11),
            .unit_price = pg_result_money(r, i, 12),
            .total_price = pg_result_money(r, i, 13),
        };
        orders[norders - 1].nitems++;
    }
    done(c->arg, orders, norders, NULL);
    mem_free(orders);
    mem_free(items);
}

void order_read(struct store *s, int64_t order_id, order_rows_fn *done, void *arg)
{
    struct store_number id;
    store_read(s, &st_order, PG_PARAMS(store_number(&id, order_id)), on_orders, (store_any_fn *)done, arg);
}

void order_page(struct store *s, int64_t user_id, int64_t before_id, size_t limit, order_rows_fn *done,
                void *arg)
{
    struct store_number user, id, most;
    store_read(
        s, &st_order_page,
        PG_PARAMS(store_number(&user, user_id), before(&id, before_id), store_number(&most, (int64_t)limit)),
        on_orders, (store_any_fn *)done, arg);
}
