/* What Redis is rebuilt from: the rows of struct store in pages, and who holds a coupon. Sales are none; issued sets are not looked
 * through from scratch. */
#include <stdlib.h>

#include "fake/fake_store.h"
#include "store/coupon_users.h"
#include "store/rebuild.h"

typedef void requests_fn(void *arg, const struct coupon_request_row *rows, size_t n, const struct error *e);
typedef void holders_fn(void *arg, const struct rebuild_holder *rows, size_t n, const struct error *e);
typedef void sales_fn(void *arg, const struct ranking_sale *sales, size_t n, int64_t oldest_order_id,
                      int64_t newest_us, const struct error *e);

struct rows_op {
    struct fake_op op;
    struct rebuild_cursor after;
    int64_t before_us, after_id;
    size_t limit;
    requests_fn *on_requests;
    holders_fn *on_holders;
    sales_fn *on_sales;
    void *arg;
};

static int by_place(const void *x, const void *y)
{
    const struct coupon_request_row *a = x, *b = y;
    if (a->coupon_id != b->coupon_id)
        return a->coupon_id < b->coupon_id ? -1 : 1;
    if (a->requested_at_us != b->requested_at_us)
        return a->requested_at_us < b->requested_at_us ? -1 : 1;
    return a->user_id < b->user_id ? -1 : a->user_id > b->user_id;
}

static void requests_answer(struct fake_op *op, const struct error *e)
{
    struct rows_op *o = (struct rows_op *)op;
    struct store *s = op->store;
    struct coupon_request_row *rows = mem_array(s->requests.n, sizeof *rows);
    const struct coupon_request_row after = {.coupon_id = o->after.coupon_id,
                                             .user_id = o->after.user_id,
                                             .requested_at_us = o->after.requested_at_us};
    size_t n = 0;
    for (size_t i = 0; i < s->requests.n && !e; i++) {
        const struct fake_request *r = &s->requests.at[i];
        rows[n] = (struct coupon_request_row){r->coupon_id, r->user_id, r->requested_at_us, r->ticket};
        n += !r->decided && r->requested_at_us < o->before_us && by_place(&rows[n], &after) > 0;
    }
    qsort(rows, n, sizeof *rows, by_place);
    o->on_requests(o->arg, rows, n < o->limit ? n : o->limit, e);
    mem_free(rows);
}

void rebuild_read_requests(struct store *s, const struct rebuild_cursor *after, int64_t before_us,
                           size_t limit, requests_fn *done, void *arg)
{
    struct rows_op *o = mem_zalloc(sizeof *o);
    o->op.answer = requests_answer;
    o->after = *after;
    o->before_us = before_us;
    o->limit = limit;
    o->on_requests = done;
    o->arg = arg;
    fake_start(s, FAKE_REBUILD_READ, &o->op);
}

static int by_id(const void *x, const void *y)
{
    const struct rebuild_holder *a = x, *b = y;
    return a->user_coupon_id < b->user_coupon_id ? -1 : a->user_coupon_id > b->user_coupon_id;
}

static void holders_answer(struct fake_op *op, const struct error *e)
{
    struct rows_op *o = (struct rows_op *)op;
    struct store *s = op->store;
    struct rebuild_holder *rows = mem_array(s->user_coupons.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < s->user_coupons.n && !e; i++) {
        const struct fake_user_coupon *u = &s->user_coupons.at[i];
        if (u->id > o->after_id)
            rows[n++] = (struct rebuild_holder){u->id, u->coupon_id, u->user_id};
    }
    qsort(rows, n, sizeof *rows, by_id);
    o->on_holders(o->arg, rows, n < o->limit ? n : o->limit, e);
    mem_free(rows);
}

void rebuild_read_holders(struct store *s, int64_t after, size_t limit, holders_fn *done, void *arg)
{
    struct rows_op *o = mem_zalloc(sizeof *o);
    o->op.answer = holders_answer;
    o->after_id = after;
    o->limit = limit;
    o->on_holders = done;
    o->arg = arg;
    fake_start(s, FAKE_REBUILD_READ, &o->op);
}

static void sales_answer(struct fake_op *op, const struct error *e)
{
    struct rows_op *o = (struct rows_op *)op;
    o->on_sales(o->arg, NULL, 0, 0, 0, e);
}

void rebuild_read_sales(struct store *s, int64_t before_order_id, size_t orders, sales_fn *done, void *arg)
{
    struct rows_op *o = mem_zalloc(sizeof *o);
    o->op.answer = sales_answer;
    o->on_sales = done;
    o->arg = arg;
    fake_start(s, FAKE_REBUILD_SALES, &o->op);
}

struct held_op {
    struct fake_op op;
    int64_t coupon_id;
    int64_t *users;
    size_t n;
    coupon_flags_fn *done;
    void *arg;
};

static void held_answer(struct fake_op *op, const struct error *e)
{
    struct held_op *o = (struct held_op *)op;
    struct store *s = op->store;
    bool *flags = mem_array(o->n, sizeof *flags);
    for (size_t i = 0; i < o->n; i++) {
        flags[i] = false;
        for (size_t k = 0; k < s->user_coupons.n; k++)
            flags[i] = flags[i] || (s->user_coupons.at[k].coupon_id == o->coupon_id &&
                                    s->user_coupons.at[k].user_id == o->users[i]);
    }
    o->done(o->arg, e ? NULL : flags, e ? 0 : o->n, e);
    mem_free(flags);
}

static void held_done(struct fake_op *op)
{
    mem_free(((struct held_op *)op)->users);
}

void coupon_users_held(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                       coupon_flags_fn *done, void *arg)
{
    struct held_op *o = mem_zalloc(sizeof *o);
    *o = (struct held_op){.op = {.answer = held_answer, .done = held_done},
                          .coupon_id = coupon_id,
                          .users = mem_dup(user_ids, n * sizeof *user_ids),
                          .n = n,
                          .done = done,
                          .arg = arg};
    fake_start(s, FAKE_USER_COUPON_READ, &o->op);
}

void coupon_users_scan(struct store *s, int64_t coupon_id, enum coupon_users which, uint64_t cursor,
                       void (*done)(void *arg, uint64_t next, const int64_t *user_ids, size_t n,
                                    const struct error *e),
                       void *arg)
{
    ASSERT(!"no test looks through an issued set on the fake");
}
