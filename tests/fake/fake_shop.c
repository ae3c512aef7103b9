/* Users, products, orders and ledger as the GET routes and caches read them, from the rows of struct store. */
#include "store/shop.h"

#include <stdlib.h>

#include "fake/fake_store.h"

/* What all these reads have in common: ids or one id, a page, a callback of one of several kinds. */
struct read_op {
    struct fake_op op;
    int64_t *ids;
    size_t n;
    int64_t id, before, after;
    size_t limit;
    void (*done)(void);
    void *arg;
};

static void read_done(struct fake_op *op)
{
    mem_free(((struct read_op *)op)->ids);
}

static struct read_op *read_new(const int64_t *ids, size_t n,
                                void (*answer)(struct fake_op *op, const struct error *e), void (*done)(void),
                                void *arg)
{
    struct read_op *o = mem_zalloc(sizeof *o);
    *o = (struct read_op){.op = {.answer = answer, .done = read_done},
                          .ids = mem_dup(ids, n * sizeof *ids),
                          .n = n,
                          .done = done,
                          .arg = arg};
    return o;
}

static bool wanted(const struct read_op *o, int64_t id)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->ids[i] == id)
            return true;
    return false;
}

/* --- users ----------------------------------------------------------------------------------------------------------------- */

typedef void users_fn(void *arg, const struct user_row *rows, size_t n, const struct error *e);

static struct user_row *users_wanted(const struct read_op *o, const struct error *e, size_t *found)
{
    struct store *s = o->op.store;
    struct user_row *rows = mem_array(s->users.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < s->users.n && !e; i++) {
        const struct fake_user *u = &s->users.at[i];
        if (!wanted(o, u->id))
            continue;
        size_t at = n++;
        for (; at > 0 && rows[at - 1].user_id > u->id; at--)
            rows[at] = rows[at - 1];
        rows[at] = (struct user_row){.user_id = u->id,
                                     .username = u->name,
                                     .status = u->active ? "ACTIVE" : "INACTIVE",
                                     .has_balance = u->has_balance,
                                     .balance = u->balance};
    }
    *found = n;
    return rows;
}

static void users_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    size_t n;
    struct user_row *rows = users_wanted(o, e, &n);
    ((users_fn *)o->done)(o->arg, rows, n, e);
    mem_free(rows);
}

void user_read(struct store *s, const int64_t *ids, size_t n, users_fn *done, void *arg)
{
    fake_start(s, FAKE_USER_READ, &read_new(ids, n, users_answer, (void (*)(void))done, arg)->op);
}

static void status_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    size_t n;
    struct user_row *rows = users_wanted(o, e, &n);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct user_row){.user_id = rows[i].user_id, .status = rows[i].status};
    ((users_fn *)o->done)(o->arg, rows, n, e);
    mem_free(rows);
}

void user_watch(struct store *s, void (*fn)(void *arg, int64_t user_id), void *arg)
{
    s->watch_users = fn;
    s->watch_users_arg = arg;
}

bool user_watched(const struct store *s)
{
    return !s->deaf;
}

void user_read_status(struct store *s, const int64_t *ids, size_t n, users_fn *done, void *arg)
{
    fake_start(s, FAKE_USER_READ, &read_new(ids, n, status_answer, (void (*)(void))done, arg)->op);
}

typedef void history_fn(void *arg, const struct balance_tx_row *rows, size_t n, const struct error *e);

static void history_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    struct store *s = op->store;
    struct balance_tx_row *rows = mem_array(s->ledger.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = s->ledger.n; i-- > 0 && !e && n < o->limit;) {
        const struct order_tx_ledger *l = &s->ledger.at[i];
        if (l->user_id == o->id && (!o->before || (int64_t)i + 1 < o->before))
            rows[n++] = (struct balance_tx_row){(int64_t)i + 1,   l->type,     l->amount,
                                                l->balance_after, l->order_id, s->opened_us};
    }
    ((history_fn *)o->done)(o->arg, rows, n, e);
    mem_free(rows);
}

void balance_history(struct store *s, int64_t user_id, int64_t before_id, size_t limit, history_fn *done,
                     void *arg)
{
    struct read_op *o = read_new(NULL, 0, history_answer, (void (*)(void))done, arg);
    o->id = user_id;
    o->before = before_id;
    o->limit = limit;
    fake_start(s, FAKE_HISTORY_READ, &o->op);
}

/* --- products -------------------------------------------------------------------------------------------------------------- */

static void products_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    struct store *s = op->store;
    struct product_row *rows = mem_array(s->products.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < s->products.n && !e; i++) {
        const struct fake_product *p = &s->products.at[i];
        if (o->limit ? p->id <= o->after : !wanted(o, p->id))
            continue;
        size_t at = n++;
        for (; at > 0 && rows[at - 1].id > p->id; at--)
            rows[at] = rows[at - 1];
        rows[at] = (struct product_row){.id = p->id,
                                        .name = p->name,
                                        .category = p->category,
                                        .price = p->price,
                                        .stock = p->stock,
                                        .status = p->inactive ? "INACTIVE" : "ACTIVE"};
    }
    if (o->limit && n > o->limit)
        n = o->limit;
    ((product_rows_fn *)o->done)(o->arg, rows, n, e);
    mem_free(rows);
}

void product_read(struct store *s, const int64_t *ids, size_t n, product_rows_fn *done, void *arg)
{
    fake_start(s, FAKE_PRODUCT_READ, &read_new(ids, n, products_answer, (void (*)(void))done, arg)->op);
}

void product_page(struct store *s, int64_t after_id, size_t limit, product_rows_fn *done, void *arg)
{
    struct read_op *o = read_new(NULL, 0, products_answer, (void (*)(void))done, arg);
    o->after = after_id;
    o->limit = limit;
    fake_start(s, FAKE_PRODUCT_READ, &o->op);
}

/* The fake has no days: all sales are recent. */
static void sales_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    struct store *s = op->store;
    struct product_sales_row *rows = mem_array(s->sales.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < s->sales.n && !e; i++) {
        const struct order_tx_sale *sale = &s->sales.at[i];
        if (wanted(o, sale->product_id))
            rows[n++] = (struct product_sales_row){sale->product_id, sale->quantity, sale->quantity,
                                                   sale->amount,     sale->amount,   s->opened_us};
    }
    ((product_sales_fn *)o->done)(o->arg, rows, n, e);
    mem_free(rows);
}

static int by_quantity(const void *x, const void *y)
{
    const struct product_sales_row *a = x, *b = y;
    if (a->recent_quantity != b->recent_quantity)
        return a->recent_quantity > b->recent_quantity ? -1 : 1;
    return a->product_id < b->product_id ? -1 : a->product_id > b->product_id;
}

static void top_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    struct store *s = op->store;
    struct product_sales_row *rows = mem_array(s->sales.n, sizeof *rows);
    for (size_t i = 0; i < s->sales.n; i++)
        rows[i] = (struct product_sales_row){.product_id = s->sales.at[i].product_id,
                                             .recent_quantity = s->sales.at[i].quantity};
    qsort(rows, s->sales.n, sizeof *rows, by_quantity);
    ((product_sales_fn *)o->done)(o->arg, e ? NULL : rows,
                                  e                       ? 0
                                  : o->limit < s->sales.n ? o->limit
                                                          : s->sales.n,
                                  e);
    mem_free(rows);
}

void product_top(struct store *s, const char *first_day, size_t limit, product_sales_fn *done, void *arg)
{
    struct read_op *o = read_new(NULL, 0, top_answer, (void (*)(void))done, arg);
    o->limit = limit;
    fake_start(s, FAKE_SALES_TOP, &o->op);
}

void product_sales(struct store *s, const int64_t *ids, size_t n, const char *first_day,
                   product_sales_fn *done, void *arg)
{
    fake_start(s, FAKE_SALES_READ, &read_new(ids, n, sales_answer, (void (*)(void))done, arg)->op);
}

/* --- orders ---------------------------------------------------------------------------------------------------------------- */

static struct order_item_row *items_of(struct store *s, int64_t order_id, size_t *n)
{
    struct order_item_row *items = mem_array(s->lines.n, sizeof *items);
    *n = 0;
    for (size_t i = 0; i < s->lines.n; i++) {
        const struct order_tx_line *l = &s->lines.at[i];
        if (l->order_id == order_id)
            items[(*n)++] = (struct order_item_row){l->id,       l->product_id, l->product_name,
                                                    l->quantity, l->unit_price, l->total_price};
    }
    return items;
}

static void orders_answer(struct fake_op *op, const struct error *e)
{
    struct read_op *o = (struct read_op *)op;
    struct store *s = op->store;
    struct order_row *rows = mem_array(s->orders.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = s->orders.n; i-- > 0 && !e && n < o->limit;) {
        const struct order_tx_order *order = &s->orders.at[i].row;
        bool match =
            o->id ? order->id == o->id : order->user_id == o->after && (!o->before || order->id < o->before);
        if (!match)
            continue;
        struct order_row *row = &rows[n++];
        *row = (struct order_row){.id = order->id,
                                  .user_id = order->user_id,
                                  .user_coupon_id = order->user_coupon_id,
                                  .total = order->total,
                                  .discounted = order->discounted,
                                  .discount = order->discount,
                                  .status = "COMPLETED",
                                  .created_at_us = s->orders.at[i].at_us};
        row->items = items_of(s, order->id, &row->nitems);
    }
    ((order_rows_fn *)o->done)(o->arg, rows, n, e);
    for (size_t i = 0; i < n; i++)
        mem_free((void *)rows[i].items);
    mem_free(rows);
}

void order_read(struct store *s, int64_t order_id, order_rows_fn *done, void *arg)
{
    struct read_op *o = read_new(NULL, 0, orders_answer, (void (*)(void))done, arg);
    o->id = order_id;
    o->limit = 1;
    fake_start(s, FAKE_ORDER_READ, &o->op);
}

void order_page(struct store *s, int64_t user_id, int64_t before_id, size_t limit, order_rows_fn *done,
                void *arg)
{
    struct read_op *o = read_new(NULL, 0, orders_answer, (void (*)(void))done, arg);
    o->after = user_id;
    o->before = before_id;
    o->limit = limit;
    fake_start(s, FAKE_ORDER_READ, &o->op);
}
