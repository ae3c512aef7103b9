/* Page by page from PostgreSQL into Redis: lines, holders, sales, coupon info, in this order.
 *
 * A request whose user has a newer one on the way is left alone; the next run (each recheck on nodes with the role queue) finds it
 * again when that one is decided, so that every accepted request comes to its decision. */
#include "service/rebuild.h"

#include "base/clock.h"
#include "loop/loop.h"
#include "msg/msg_date.h"
#include "store/coupon_line.h"
#include "store/rebuild.h"

#define PAGE 500

struct rebuild {
    struct loop *loop;
    struct store *store;
    struct rebuild_config cfg;
    unsigned parts;
    int64_t before_us;
    struct rebuild_counts counts;
    struct error error;
    struct rebuild_cursor cursor;
    int64_t after; /* user coupon or order id of the page before */
    bool last_page;
    struct coupon_request_row *rows; /* of the page, not restored yet */
    size_t nrows, at;
    size_t infos; /* coupon infos without an answer */
    struct loop_task next;
    void (*done)(void *arg, const struct rebuild_counts *counts, const struct error *e);
    void *arg;
};

static void next_part(void *arg);

static void finish(struct rebuild *r, const struct error *e)
{
    r->done(r->arg, &r->counts, e && e->kind != ERROR_NONE ? e : NULL);
    mem_free(r->rows);
    mem_free(r);
}

static bool failed(struct rebuild *r, const struct error *e)
{
    if (!e || e->kind == ERROR_NONE)
        return false;
    finish(r, e);
    return true;
}

static void part_done(struct rebuild *r, enum rebuild_part part)
{
    r->parts &= ~(unsigned)part;
    r->after = 0;
    loop_defer(r->loop, &r->next);
}

/* --- lines --- */

static void read_requests(struct rebuild *r);

static void restore_rows(struct rebuild *r);

static void on_restored(void *arg, int64_t restored, const struct error *e)
{
    struct rebuild *r = arg;
    r->counts.restored += restored;
    if (!failed(r, e))
        restore_rows(r);
}

/* One script call per coupon of the page. */
static void restore_rows(struct rebuild *r)
{
    size_t n = 0;
    const struct coupon_request_row *first = r->rows + r->at;
    while (r->at + n < r->nrows && first[n].coupon_id == first->coupon_id)
        n++;
    if (!n) {
        if (r->last_page)
            part_done(r, REBUILD_LINES);
        else
            read_requests(r);
        return;
    }
    r->at += n;
    coupon_line_restore(r->store, first, n, r->cfg.coupon_ttl_ms, on_restored, r);
}

static void on_requests(void *arg, const struct coupon_request_row *rows, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    mem_free(r->rows);
    r->rows = mem_dup(rows, n * sizeof *rows);
    r->nrows = n;
    r->at = 0;
    r->counts.requests += (int64_t)n;
    r->last_page = n < PAGE;
    if (n)
        r->cursor =
            (struct rebuild_cursor){rows[n - 1].coupon_id, rows[n - 1].requested_at_us, rows[n - 1].user_id};
    restore_rows(r);
}

static void read_requests(struct rebuild *r)
{
    rebuild_read_requests(r->store, &r->cursor, r->before_us, PAGE, on_requests, r);
}

/* --- holders --- */

static void read_holders(struct rebuild *r);

static void on_holders_written(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    if (r->last_page)
        part_done(r, REBUILD_ISSUED);
    else
        read_holders(r);
}

static void on_holders(void *arg, const struct rebuild_holder *rows, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    r->counts.holders += (int64_t)n;
    r->last_page = n < PAGE;
    if (!n) {
        part_done(r, REBUILD_ISSUED);
        return;
    }
    r->after = rows[n - 1].user_coupon_id;
    coupon_line_restore_issued(r->store, rows, n, r->cfg.issued_ttl_ms, on_holders_written, r);
}

static void read_holders(struct rebuild *r)
{
    rebuild_read_holders(r->store, r->after, PAGE, on_holders, r);
}

/* --- ranking --- */

static void read_sales(struct rebuild *r);

static void on_counted(void *arg, int64_t counted, const struct error *e)
{
    struct rebuild *r = arg;
    r->counts.counted += counted;
    if (failed(r, e))
        return;
    if (r->last_page)
        part_done(r, REBUILD_RANKING);
    else
        read_sales(r);
}

static void on_sales(void *arg, const struct ranking_sale *sales, size_t n, int64_t oldest_order_id,
                     int64_t newest_us, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    int64_t now = clock_real_us();
    int64_t kept_since = msg_date_day_start(msg_date_day_of(now) - r->cfg.retention_days);
    r->counts.sales += (int64_t)n;
    r->last_page = !n || newest_us < kept_since;
    if (r->last_page) {
        part_done(r, REBUILD_RANKING);
        return;
    }
    r->after = oldest_order_id;
    ranking_apply(r->store, "", 0, -1, sales, n, now, r->cfg.retention_days, on_counted, r);
}

static void read_sales(struct rebuild *r)
{
    rebuild_read_sales(r->store, r->after, PAGE, on_sales, r);
}

/* --- coupon info --- */

static void on_info(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (e && e->kind != ERROR_NONE)
        r->error = *e;
    if (--r->infos == 0 && !failed(r, &r->error))
        part_done(r, REBUILD_INFO);
}

static void on_coupons(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    r->counts.coupons = (int64_t)n;
    r->infos = n;
    for (size_t i = 0; i < n; i++)
        coupon_line_info(r->store, &rows[i], on_info, r);
    if (!n)
        part_done(r, REBUILD_INFO);
}

/* --- the whole --- */

static void next_part(void *arg)
{
    struct rebuild *r = arg;
    if (r->parts & REBUILD_LINES)
        read_requests(r);
    else if (r->parts & REBUILD_ISSUED)
        read_holders(r);
    else if (r->parts & REBUILD_RANKING)
        read_sales(r);
    else if (r->parts & REBUILD_INFO)
        coupon_read_all(r->store, on_coupons, r);
    else
        finish(r, NULL);
}

void rebuild_run(struct loop *l, struct store *s, const struct rebuild_config *cfg, unsigned parts,
                 int64_t min_age_ms,
                 void (*done)(void *arg, const struct rebuild_counts *counts, const struct error *e),
                 void *arg)
{
    struct rebuild *r = mem_zalloc(sizeof *r);
    r->loop = l;
    r->store = s;
    r->cfg = *cfg;
    r->parts = parts;
    r->before_us = clock_real_us() - min_age_ms * 1000 +
                   (min_age_ms ? 0 : INT64_C(3600) * 1000000); /* Redis' clock may be ahead */
    r->done = done;
    r->arg = arg;
    r->next = (struct loop_task){.run = next_part, .arg = r};
    loop_defer(l, &r->next);
}
