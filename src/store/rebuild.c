/* Reading what Redis is rebuilt from, and writing it there. */
#include "store/rebuild.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/store_script.h"

#define ID "%" PRId64

/* --- reading --- */

/* clang-format off */
static const struct pg_statement st_requests = {
    "rebuild_requests",
    "SELECT coupon_id, user_id, " SQL_US("requested_at") ", ticket FROM coupon_requests"
    " WHERE outcome IS NULL AND (coupon_id, requested_at, user_id) > ($1::bigint, " SQL_AT("$2") ", $3::bigint)"
    " AND requested_at < " SQL_AT("$4") " ORDER BY coupon_id, requested_at, user_id LIMIT $5::bigint"};
static const struct pg_statement st_holders = {
    "rebuild_holders",
    "SELECT user_coupon_id, coupon_id, user_id FROM user_coupons WHERE user_coupon_id > $1::bigint"
    " ORDER BY user_coupon_id LIMIT $2::bigint"};
/* An order's id is reserved before its instant is known, so neither is strictly in the order of the other: the caller reads a page more. */
static const struct pg_statement st_sales = {
    "rebuild_sales",
    "SELECT o.id, i.product_id, min(i.id), sum(i.quantity)::bigint, " SQL_US("o.created_at")
    " FROM (SELECT id, created_at FROM orders WHERE status = 'COMPLETED' AND id < $1::bigint ORDER BY id DESC LIMIT $2::bigint) AS o"
    " JOIN order_items AS i ON i.order_id = o.id GROUP BY o.id, i.product_id, o.created_at"};
/* clang-format on */

typedef void requests_fn(void *arg, const struct coupon_request_row *rows, size_t n, const struct error *e);

static void on_requests(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    size_t n = e ? 0 : (size_t)pg_result_rows(r);
    struct coupon_request_row *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct coupon_request_row){
            .coupon_id = pg_result_i64(r, (int)i, 0),
            .user_id = pg_result_i64(r, (int)i, 1),
            .requested_at_us = pg_result_i64(r, (int)i, 2),
            .ticket = store_result_id(r, (int)i, 3),
        };
    ((requests_fn *)c->done)(c->arg, rows, n, e);
    mem_free(rows);
}

void rebuild_read_requests(struct store *s, const struct rebuild_cursor *after, int64_t before_us,
                           size_t limit, requests_fn *done, void *arg)
{
    struct store_number coupon, at, user, before, most;
    store_read(s, &st_requests,
               PG_PARAMS(store_number(&coupon, after->coupon_id), store_number(&at, after->requested_at_us),
                         store_number(&user, after->user_id), store_number(&before, before_us),
                         store_number(&most, (int64_t)limit)),
               on_requests, (store_any_fn *)done, arg);
}

typedef void holders_fn(void *arg, const struct rebuild_holder *rows, size_t n, const struct error *e);

static void on_holders(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    size_t n = e ? 0 : (size_t)pg_result_rows(r);
    struct rebuild_holder *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct rebuild_holder){pg_result_i64(r, (int)i, 0), pg_result_i64(r, (int)i, 1),
                                          pg_result_i64(r, (int)i, 2)};
    ((holders_fn *)c->done)(c->arg, rows, n, e);
    mem_free(rows);
}

void rebuild_read_holders(struct store *s, int64_t after, size_t limit, holders_fn *done, void *arg)
{
    struct store_number from, most;
    store_read(s, &st_holders, PG_PARAMS(store_number(&from, after), store_number(&most, (int64_t)limit)),
               on_holders, (store_any_fn *)done, arg);
}

typedef void sales_fn(void *arg, const struct ranking_sale *sales, size_t n, int64_t oldest_order_id,
                      int64_t newest_us, const struct error *e);

static void on_sales(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    size_t n = e ? 0 : (size_t)pg_result_rows(r);
    struct ranking_sale *sales = mem_array(n, sizeof *sales);
    int64_t oldest_id = 0, newest_us = 0;
    for (size_t i = 0; i < n; i++) {
        sales[i] = (struct ranking_sale){
            .order_id = pg_result_i64(r, (int)i, 0),
            .product_id = pg_result_i64(r, (int)i, 1),
            .order_item_id = pg_result_i64(r, (int)i, 2),
            .quantity = pg_result_i64(r, (int)i, 3),
            .sold_at_us = pg_result_i64(r, (int)i, 4),
        };
        if (!oldest_id || sales[i].order_id < oldest_id)
            oldest_id = sales[i].order_id;
        if (sales[i].sold_at_us > newest_us)
            newest_us = sales[i].sold_at_us;
    }
    ((sales_fn *)c->done)(c->arg, sales, n, oldest_id, newest_us, e);
    mem_free(sales);
}

void rebuild_read_sales(struct store *s, int64_t before_order_id, size_t orders, sales_fn *done, void *arg)
{
    struct store_number before, most;
    store_read(s, &st_sales,
               PG_PARAMS(store_number(&before, before_order_id ? before_order_id : INT64_MAX),
                         store_number(&most, (int64_t)orders)),
               on_sales, (store_any_fn *)done, arg);
}

/* --- writing --- */

struct call {
    store_any_fn *done;
    void *arg;
};

static struct call *call_new(store_any_fn *done, void *arg)
{
    struct call *c = mem_alloc(sizeof *c);
    *c = (struct call){done, arg};
    return c;
}

typedef void restore_fn(void *arg, int64_t restored, int64_t late, const struct error *e);

static void on_restored(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    ((restore_fn *)c->done)(c->arg, e ? 0 : redis_reply_i64(redis_reply_at(r, 0)),
                            e ? 0 : redis_reply_i64(redis_reply_at(r, 1)), e);
    mem_free(c);
}

void coupon_line_restore(struct store *s, const struct coupon_request_row *rows, size_t n, int64_t ttl_ms,
                         restore_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct script_args a = {0};
    int64_t coupon_id = rows[0].coupon_id;
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_key(&a, "coupon:inflight:" ID, coupon_id);
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_key(&a, "coupon:lines");
    script_key(&a, "coupon:ticket:" ID, coupon_id);
    script_key(&a, "coupon:last-score:" ID, coupon_id);
    script_key(&a, MARK_KEY);
    script_key(&a, "coupon:put-back:" ID, coupon_id);
    script_i64(&a, coupon_counters_life_s(ttl_ms));
    script_i64(&a, coupon_id);
    script_run_id(s, &a);
    for (size_t i = 0; i < n; i++) {
        ASSERT(rows[i].coupon_id == coupon_id);
        script_i64(&a, rows[i].user_id);
        script_i64(&a, rows[i].requested_at_us);
        script_i64(&a, rows[i].ticket);
    }
    store_script(s, SCRIPT_COUPON_RESTORE, &a, 0, on_restored, call_new((store_any_fn *)done, arg));
}

struct raise {
    struct store *store;
    int64_t coupon_id, ttl_ms;
    store_done_fn *done;
    void *arg;
};

static void end_raise(struct raise *r, const struct error *e)
{
    r->done(r->arg, e);
    mem_free(r);
}

static void on_raised(void *arg, const struct redis_reply *r, const struct error *e)
{
    end_raise(arg, e);
}

static void raise_args(const struct raise *r, struct script_args *a)
{
    script_key(a, "coupon:ticket:" ID, r->coupon_id);
    script_key(a, "coupon:last-score:" ID, r->coupon_id);
    script_i64(a, coupon_counters_life_s(r->ttl_ms));
}

static void on_highest(void *arg, int64_t ticket, int64_t requested_at_us, const struct error *e)
{
    struct raise *r = arg;
    struct script_args a = {0};
    if (e) {
        end_raise(r, e);
        return;
    }
    raise_args(r, &a);
    script_i64(&a, ticket);
    script_i64(&a, requested_at_us);
    store_script(r->store, SCRIPT_COUPON_RAISE, &a, 0, on_raised, r);
}

/* PostgreSQL is asked only where there is a counter. */
static void on_counter(void *arg, const struct redis_reply *reply, const struct error *e)
{
    struct raise *r = arg;
    if (e || redis_reply_i64(reply) == 0)
        end_raise(r, e);
    else
        coupon_request_highest(r->store, r->coupon_id, on_highest, r);
}

void coupon_line_raise(struct store *s, int64_t coupon_id, int64_t ttl_ms, store_done_fn *done, void *arg)
{
    struct script_args a = {0};
    struct raise *r = mem_alloc(sizeof *r);
    *r = (struct raise){s, coupon_id, ttl_ms, done, arg};
    raise_args(r, &a);
    store_script(s, SCRIPT_COUPON_RAISE, &a, 0, on_counter, r);
}

static void on_command(void *arg, enum redis_status status, const struct redis_reply *r,
                       const struct error *e)
{
    struct call *c = arg;
    ((store_done_fn *)c->done)(c->arg, status == REDIS_OK ? NULL : e);
    mem_free(c);
}

struct issued {
    size_t missing;
    struct error error;
    store_done_fn *done;
    void *arg;
};

static void on_issued(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct issued *i = arg;
    if (e)
        i->error = *e;
    if (--i->missing)
        return;
    i->done(i->arg, i->error.kind == ERROR_NONE ? NULL : &i->error);
    mem_free(i);
}

#define HOLDERS_MAX 500 /* of one script call */

/* Holders of one coupon in a row, at most HOLDERS_MAX of them. */
static size_t holders_run(const struct rebuild_holder *rows, size_t n)
{
    size_t len = 1;
    while (len < n && len < HOLDERS_MAX && rows[len].coupon_id == rows[0].coupon_id)
        len++;
    return len;
}

void coupon_line_restore_issued(struct store *s, const struct rebuild_holder *rows, size_t n, int64_t ttl_ms,
                                store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct issued *call = mem_zalloc(sizeof *call);
    *call = (struct issued){.done = done, .arg = arg};
    for (size_t i = 0; i < n; i += holders_run(rows + i, n - i))
        call->missing++;
    for (size_t i = 0; i < n;) {
        struct script_args a = {0};
        size_t len = holders_run(rows + i, n - i);
        script_key(&a, "coupon:issued:" ID, rows[i].coupon_id);
        script_i64(&a, ttl_ms / 1000);
        for (size_t k = 0; k < len; k++)
            script_i64(&a, rows[i + k].user_id);
        store_script(s, SCRIPT_COUPON_HOLDERS, &a, 0, on_issued, call);
        i += len;
    }
}

void coupon_line_issued_remove(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                               store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct buf text = BUF_INIT;
    struct redis_arg *args = mem_array(n + 2, sizeof *args);
    size_t *starts = mem_array(n + 2, sizeof *starts);
    buf_printf(&text, "coupon:issued:" ID, coupon_id);
    for (size_t i = 0; i < n; i++) {
        starts[i] = text.len;
        buf_put_i64(&text, user_ids[i]);
    }
    starts[n] = text.len;
    args[0] = (struct redis_arg){"SREM", 4};
    args[1] = (struct redis_arg){text.data, starts[0]};
    for (size_t i = 0; i < n; i++)
        args[i + 2] = (struct redis_arg){text.data + starts[i], starts[i + 1] - starts[i]};
    redis_client_command(s->redis, args, n + 2, 0, on_command, call_new((store_any_fn *)done, arg));
    mem_free(args);
    mem_free(starts);
    buf_free(&text);
}
