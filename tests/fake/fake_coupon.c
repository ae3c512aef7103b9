/* Coupons, coupon requests and users' coupons on the rows of struct store. */
#include "store/coupon.h"

#include "fake/fake_store.h"

#include <stdlib.h>

#include "base/clock.h"

/* --- coupons ------------------------------------------------------------------------------------------------------------- */

struct rows_op {
    struct fake_op op;
    int64_t *ids;
    size_t n;
    bool all;
    int64_t after; /* of a page; limit 0: no page */
    size_t limit;
    coupon_rows_fn *done;
    void *arg;
    struct coupon_row *rows;
    size_t nrows;
};

static int compare_rows(const void *a, const void *b)
{
    const struct coupon_row *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool wanted(const struct rows_op *o, int64_t id)
{
    bool found = o->all && id > o->after;
    for (size_t i = 0; i < o->n; i++)
        found = found || o->ids[i] == id;
    return found;
}

/* The state is the one at the time of the answer; texts stay those of then, the store keeps them. */
static void rows_apply(struct fake_op *op)
{
    struct rows_op *o = (struct rows_op *)op;
    struct store *s = op->store;
    o->rows = mem_array(s->coupons.n, sizeof *o->rows);
    for (size_t i = 0; i < s->coupons.n; i++) {
        const struct fake_coupon *c = &s->coupons.at[i];
        if (wanted(o, c->id))
            o->rows[o->nrows++] = (struct coupon_row){.id = c->id,
                                                      .name = c->name,
                                                      .discount = c->discount,
                                                      .max_issuance = c->max_issuance,
                                                      .issued = c->issued,
                                                      .status = c->status,
                                                      .valid_from_us = c->valid_from_us,
                                                      .valid_to_us = c->valid_to_us};
    }
    qsort(o->rows, o->nrows, sizeof *o->rows, compare_rows);
    if (o->limit && o->nrows > o->limit)
        o->nrows = o->limit;
    s->coupon_rows += o->nrows;
}

static void rows_answer(struct fake_op *op, const struct error *e)
{
    struct rows_op *o = (struct rows_op *)op;
    o->done(o->arg, o->rows, o->nrows, e);
}

static void rows_done(struct fake_op *op)
{
    struct rows_op *o = (struct rows_op *)op;
    mem_free(o->ids);
    mem_free(o->rows);
}

static void read_rows(struct store *s, struct rows_op want, coupon_rows_fn *done, void *arg)
{
    struct rows_op *o = mem_dup(&want, sizeof want);
    o->op = (struct fake_op){.apply = rows_apply, .answer = rows_answer, .done = rows_done};
    o->done = done;
    o->arg = arg;
    fake_start(s, FAKE_COUPON_READ, &o->op);
}

void coupon_read_all(struct store *s, coupon_rows_fn *done, void *arg)
{
    read_rows(s, (struct rows_op){.all = true, .after = INT64_MIN}, done, arg);
}

void coupon_read(struct store *s, const int64_t *ids, size_t n, coupon_rows_fn *done, void *arg)
{
    read_rows(s, (struct rows_op){.ids = mem_dup(ids, n * sizeof *ids), .n = n}, done, arg);
}

void coupon_read_page(struct store *s, int64_t after_id, size_t limit, coupon_rows_fn *done, void *arg)
{
    read_rows(s, (struct rows_op){.all = true, .after = after_id, .limit = limit}, done, arg);
}

struct create_op {
    struct fake_op op;
    struct coupon_row row;
    bool taken;
    void (*done)(void *arg, int64_t id, const struct error *e);
    void *arg;
};

static void create_apply(struct fake_op *op)
{
    struct create_op *o = (struct create_op *)op;
    struct store *s = op->store;
    for (size_t i = 0; i < s->coupons.n && !o->row.id; i++)
        if (s->coupons.at[i].id >= o->row.id)
            o->row.id = s->coupons.at[i].id + 1;
    o->taken = fake_coupon_find(s, o->row.id);
    if (o->taken)
        return;
    struct fake_coupon *c = fake_coupon_add(s, o->row.id, o->row.max_issuance, o->row.discount);
    c->valid_from_us = o->row.valid_from_us;
    c->valid_to_us = o->row.valid_to_us;
}

static void create_answer(struct fake_op *op, const struct error *e)
{
    struct create_op *o = (struct create_op *)op;
    struct error taken = {.kind = ERROR_PERMANENT, .code = "23505", .text = "the id is taken"};
    if (!e && o->taken)
        e = &taken;
    o->done(o->arg, e ? 0 : o->row.id, e);
}

void coupon_create(struct store *s, const struct coupon_row *row,
                   void (*done)(void *arg, int64_t id, const struct error *e), void *arg)
{
    struct create_op *o = mem_zalloc(sizeof *o);
    *o = (struct create_op){
        .op = {.apply = create_apply, .answer = create_answer}, .row = *row, .done = done, .arg = arg};
    fake_start(s, FAKE_COUPON_CREATE, &o->op);
}

void coupon_watch(struct store *s, void (*fn)(void *arg, int64_t coupon_id), void *arg)
{
    s->watch = fn;
    s->watch_arg = arg;
}

/* --- requests -------------------------------------------------------------------------------------------------------------- */

struct insert_op {
    struct fake_op op;
    struct coupon_request_row *rows;
    size_t n;
    const char *refused;
    store_done_fn *done;
    void *arg;
};

static void insert_apply(struct fake_op *op)
{
    struct insert_op *o = (struct insert_op *)op;
    struct store *s = op->store;
    for (size_t i = 0; i < o->n && !o->refused; i++) {
        const struct fake_user *u = fake_user_find(s, o->rows[i].user_id);
        o->refused = u ? u->refuse_all : NULL;
    }
    for (size_t i = 0; i < o->n && !o->refused; i++) {
        const struct coupon_request_row *r = &o->rows[i];
        struct fake_request *kept = fake_request_find(s, r->coupon_id, r->user_id, r->requested_at_us);
        if (kept && !kept->ticket)
            kept->ticket = r->ticket;
        if (!kept)
            *FAKE_ADD(&s->requests) = (struct fake_request){.coupon_id = r->coupon_id,
                                                            .user_id = r->user_id,
                                                            .requested_at_us = r->requested_at_us,
                                                            .ticket = r->ticket};
    }
    if (!o->refused)
        fake_log(s, "insert %zu", o->n);
}

static void insert_answer(struct fake_op *op, const struct error *e)
{
    struct insert_op *o = (struct insert_op *)op;
    struct error refused;
    if (!e && o->refused) {
        error_set(&refused, ERROR_PERMANENT, o->refused, "a row is refused");
        e = &refused;
    }
    o->done(o->arg, e);
}

static void insert_done(struct fake_op *op)
{
    mem_free(((struct insert_op *)op)->rows);
}

void coupon_request_insert(struct store *s, const struct coupon_request_row *rows, size_t n,
                           int64_t deadline_ms, store_done_fn *done, void *arg)
{
    struct insert_op *o = mem_zalloc(sizeof *o);
    ASSERT(n > 0);
    *o = (struct insert_op){.op = {.apply = insert_apply, .answer = insert_answer, .done = insert_done},
                            .rows = mem_dup(rows, n * sizeof *rows),
                            .n = n,
                            .done = done,
                            .arg = arg};
    fake_start(s, FAKE_REQUEST_INSERT, &o->op);
}

static void withdraw_apply(struct fake_op *op)
{
    struct insert_op *o = (struct insert_op *)op;
    struct store *s = op->store;
    for (size_t i = 0; i < o->n; i++) {
        const struct coupon_request_row *r = &o->rows[i];
        struct fake_request *kept = fake_request_find(s, r->coupon_id, r->user_id, r->requested_at_us);
        if (kept && kept->decided)
            kept->ticket = 0;
        else if (kept)
            FAKE_REMOVE(&s->requests, (size_t)(kept - s->requests.at));
    }
    fake_log(s, "withdraw %zu", o->n);
}

void coupon_request_withdraw(struct store *s, const struct coupon_request_row *rows, size_t n,
                             int64_t deadline_ms, store_done_fn *done, void *arg)
{
    struct insert_op *o = mem_zalloc(sizeof *o);
    ASSERT(n > 0);
    *o = (struct insert_op){.op = {.apply = withdraw_apply, .answer = insert_answer, .done = insert_done},
                            .rows = mem_dup(rows, n * sizeof *rows),
                            .n = n,
                            .done = done,
                            .arg = arg};
    fake_start(s, FAKE_REQUEST_WITHDRAW, &o->op);
}

static struct coupon_request_row row_of(const struct fake_request *r)
{
    return (struct coupon_request_row){r->coupon_id, r->user_id, r->requested_at_us, r->ticket,
                                       r->decided,   r->success, r->reason,          r->user_coupon_id};
}

typedef void request_fn(void *arg, bool found, const struct coupon_request_row *row, const struct error *e);

struct find_op {
    struct fake_op op;
    int64_t coupon_id, user_id, requested_at_us;
    request_fn *done;
    void *arg;
};

static void find_answer(struct fake_op *op, const struct error *e)
{
    struct find_op *o = (struct find_op *)op;
    const struct fake_request *r =
        e ? NULL : fake_request_find(op->store, o->coupon_id, o->user_id, o->requested_at_us);
    struct coupon_request_row row = {0};
    if (r)
        row = row_of(r);
    o->done(o->arg, r, r ? &row : NULL, e);
}

void coupon_request_find(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                         request_fn *done, void *arg)
{
    struct find_op *o = mem_zalloc(sizeof *o);
    *o = (struct find_op){{.answer = find_answer}, coupon_id, user_id, requested_at_us, done, arg};
    fake_start(s, FAKE_REQUEST_READ, &o->op);
}

struct latest_op {
    struct fake_op op;
    int64_t coupon_id, user_id;
    request_fn *done;
    void *arg;
};

static void latest_answer(struct fake_op *op, const struct error *e)
{
    struct latest_op *o = (struct latest_op *)op;
    struct store *s = op->store;
    struct coupon_request_row row = {0};
    bool found = false;
    for (size_t i = 0; i < s->requests.n && !e; i++) {
        const struct fake_request *r = &s->requests.at[i];
        if (r->coupon_id == o->coupon_id && r->user_id == o->user_id &&
            (!found || r->requested_at_us > row.requested_at_us)) {
            row = row_of(r);
            found = true;
        }
    }
    for (size_t i = 0; i < s->user_coupons.n && !e && !found; i++) {
        const struct fake_user_coupon *u = &s->user_coupons.at[i];
        if (u->coupon_id == o->coupon_id && u->user_id == o->user_id) {
            row = (struct coupon_request_row){.coupon_id = u->coupon_id,
                                              .user_id = u->user_id,
                                              .decided = true,
                                              .success = true,
                                              .user_coupon_id = u->id};
            found = true;
        }
    }
    o->done(o->arg, found, found ? &row : NULL, e);
}

void coupon_request_latest(struct store *s, int64_t coupon_id, int64_t user_id, request_fn *done, void *arg)
{
    struct latest_op *o = mem_zalloc(sizeof *o);
    *o = (struct latest_op){{.answer = latest_answer}, coupon_id, user_id, done, arg};
    fake_start(s, FAKE_REQUEST_READ, &o->op);
}

/* --- users' coupons ---------------------------------------------------------------------------------------------------------- */

struct list_op {
    struct fake_op op;
    int64_t user_id;
    void (*done)(void *arg, const struct user_coupon_row *rows, size_t n, const struct error *e);
    void *arg;
};

static void list_answer(struct fake_op *op, const struct error *e)
{
    struct list_op *o = (struct list_op *)op;
    struct store *s = op->store;
    struct user_coupon_row *rows = mem_array(s->user_coupons.n, sizeof *rows);
    size_t n = 0;
    for (size_t i = s->user_coupons.n; i-- > 0 && !e;) {
        const struct fake_user_coupon *u = &s->user_coupons.at[i];
        const struct fake_coupon *c = fake_coupon_find(s, u->coupon_id);
        if (u->user_id == o->user_id && c)
            rows[n++] = (struct user_coupon_row){u->id,
                                                 u->coupon_id,
                                                 c->name,
                                                 c->discount,
                                                 u->order_id                         ? "USED"
                                                 : clock_real_us() >= c->valid_to_us ? "EXPIRED"
                                                                                     : "ISSUED",
                                                 0,
                                                 0};
    }
    o->done(o->arg, rows, n, e);
    mem_free(rows);
}

void user_coupon_list(struct store *s, int64_t user_id,
                      void (*done)(void *arg, const struct user_coupon_row *rows, size_t n,
                                   const struct error *e),
                      void *arg)
{
    struct list_op *o = mem_zalloc(sizeof *o);
    *o = (struct list_op){{.answer = list_answer}, user_id, done, arg};
    fake_start(s, FAKE_USER_COUPON_READ, &o->op);
}

struct holders_op {
    struct fake_op op;
    int64_t coupon_id, after_user_id;
    size_t limit;
    void (*done)(void *arg, const int64_t *user_ids, size_t n, const struct error *e);
    void *arg;
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void holders_answer(struct fake_op *op, const struct error *e)
{
    struct holders_op *o = (struct holders_op *)op;
    struct store *s = op->store;
    int64_t *ids = mem_array(s->user_coupons.n, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < s->user_coupons.n && !e; i++)
        if (s->user_coupons.at[i].coupon_id == o->coupon_id &&
            s->user_coupons.at[i].user_id > o->after_user_id)
            ids[n++] = s->user_coupons.at[i].user_id;
    qsort(ids, n, sizeof *ids, compare_ids);
    o->done(o->arg, ids, n < o->limit ? n : o->limit, e);
    mem_free(ids);
}

void user_coupon_holders(struct store *s, int64_t coupon_id, int64_t after_user_id, size_t limit,
                         void (*done)(void *arg, const int64_t *user_ids, size_t n, const struct error *e),
                         void *arg)
{
    struct holders_op *o = mem_zalloc(sizeof *o);
    *o = (struct holders_op){{.answer = holders_answer}, coupon_id, after_user_id, limit, done, arg};
    fake_start(s, FAKE_USER_COUPON_READ, &o->op);
}
