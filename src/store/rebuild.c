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

typedef void restore_fn(void *arg, int64_t restored, const struct error *e);

static void on_restored(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    ((restore_fn *)c->done)(c->arg, e ? 0 : redis_reply_i64(r), e);
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
    script_i64(&a, coupon_counters_life_s(ttl_ms));
    script_i64(&a, coupon_id);
    for (size_t i = 0; i < n; i++) {
        ASSERT(rows[i].coupon_id == coupon_id);
        script_i64(&a, rows[i].user_id);
        script_i64(&a, rows[i].requested_at_us);
        script_i64(&a, rows[i].ticket);
    }
    store_script(s, SCRIPT_COUPON_RESTORE, &a, 0, on_restored, call_new((store_any_fn *)done, arg));
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

static void on_issued(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct issued *i = arg;
    if (status != REDIS_OK)
        i->error = *e;
    if (--i->missing)
        return;
    i->done(i->arg, i->error.kind == ERROR_NONE ? NULL : &i->error);
    mem_free(i);
}

/* Adding somebody who is there is harmless, so plain pipelined commands do. */
void coupon_line_restore_issued(struct store *s, const struct rebuild_holder *rows, size_t n, int64_t ttl_ms,
                                store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct issued *call = mem_zalloc(sizeof *call);
    *call = (struct issued){.missing = 2 * n, .done = done, .arg = arg};
    struct buf key = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        struct redis_args add = {0}, expire = {0};
        buf_clear(&key);
        buf_printf(&key, "coupon:issued:" ID, rows[i].coupon_id);
        redis_args_add(&add, "SADD");
        redis_args_add(&add, buf_str(&key));
        redis_args_add_i64(&add, rows[i].user_id);
        redis_client_command(s->redis, add.v, add.n, 0, on_issued, call);
        redis_args_add(&expire, "EXPIRE");
        redis_args_add(&expire, buf_str(&key));
        redis_args_add_i64(&expire, ttl_ms / 1000);
        redis_client_command(s->redis, expire.v, expire.n, 0, on_issued, call);
    }
    buf_free(&key);
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

/* --- mark --- */

#define MARK_KEY "rushd:data"

typedef void mark_fn(void *arg, bool there, const struct error *e);

static void on_mark(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    ((mark_fn *)c->done)(c->arg, redis_reply_i64(r) == 1, status == REDIS_OK ? NULL : e);
    mem_free(c);
}

void rebuild_mark_read(struct store *s, mark_fn *done, void *arg)
{
    const struct redis_arg args[] = {{"EXISTS", 6}, {MARK_KEY, sizeof MARK_KEY - 1}};
    redis_client_command(s->redis, args, ARRAY_LEN(args), 0, on_mark, call_new((store_any_fn *)done, arg));
}

void rebuild_mark_write(struct store *s, store_done_fn *done, void *arg)
{
    const struct redis_arg args[] = {{"SET", 3}, {MARK_KEY, sizeof MARK_KEY - 1}, {"1", 1}};
    redis_client_command(s->redis, args, ARRAY_LEN(args), 0, on_command, call_new((store_any_fn *)done, arg));
}
