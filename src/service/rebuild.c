/* Page by page from PostgreSQL into Redis: lines, counters, holders, sales, coupon info, in this order.
 *
 * From scratch, each kept day of the ranking is forgotten by one script before its sales are read: a sale that a node counts
 * meanwhile is either forgotten and then read here, or counted afterwards and found marked. A user leaves an issued set when PostgreSQL,
 * asked after the set, does not know him as a holder; asked once more afterwards, so that one who was issued the coupon in
 * between is entered again.
 *
 * A request whose user has a newer one on the way is left alone; the next run (each recheck on nodes with the role queue) finds it
 * again when that one is decided, so that every accepted request comes to its decision. */
#include "service/rebuild.h"

#include "base/clock.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "msg/msg_date.h"
#include "store/coupon_line.h"
#include "store/coupon_users.h"
#include "store/rebuild.h"

#define PAGE 500

static const struct metric_def late_def = {
    .name = "rushd.coupon.restored.late",
    .type = METRIC_COUNTER,
    .help = "Requests that came back from PostgreSQL while later ones were served.",
};

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
    size_t infos;     /* coupon infos without an answer */
    int64_t day;      /* of the ranking, forgotten next */
    int64_t *coupons; /* whose issued sets are looked through, or counters raised */
    size_t ncoupons, coupon;
    uint64_t scan;  /* cursor in the set of the present one */
    int64_t *users; /* of the page, then those who hold nothing, then those who do after all */
    size_t nusers;
    struct loop_task next;
    void (*done)(void *arg, const struct rebuild_counts *counts, const struct error *e);
    void *arg;
};

static void next_part(void *arg);

static void finish(struct rebuild *r, const struct error *e)
{
    r->done(r->arg, &r->counts, e && e->kind != ERROR_NONE ? e : NULL);
    mem_free(r->rows);
    mem_free(r->coupons);
    mem_free(r->users);
    mem_free(r);
}

static bool failed(struct rebuild *r, const struct error *e)
{
    if (!e || e->kind == ERROR_NONE)
        return false;
    finish(r, e);
    return true;
}

static void tell(const struct rebuild *r, enum rebuild_part part)
{
    if (r->cfg.on_page)
        r->cfg.on_page(r->arg, part, &r->counts);
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

static void on_restored(void *arg, int64_t restored, int64_t late, const struct error *e)
{
    struct rebuild *r = arg;
    r->counts.restored += restored;
    r->counts.late += late;
    if (late)
        metric_add(metric_single(&late_def), late);
    if (failed(r, e))
        return;
    tell(r, REBUILD_LINES);
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
    r->last_page = n < PAGE;
    while (n && r->cfg.coupon_id && rows[n - 1].coupon_id != r->cfg.coupon_id) {
        r->last_page = true; /* they come in the order of their coupons */
        n--;
    }
    mem_free(r->rows);
    r->rows = mem_dup(rows, n * sizeof *rows);
    r->nrows = n;
    r->at = 0;
    r->counts.requests += (int64_t)n;
    if (n)
        r->cursor =
            (struct rebuild_cursor){rows[n - 1].coupon_id, rows[n - 1].requested_at_us, rows[n - 1].user_id};
    restore_rows(r);
}

static void read_requests(struct rebuild *r)
{
    rebuild_read_requests(r->store, &r->cursor, r->before_us, PAGE, on_requests, r);
}

/* --- counters --- */

static void raise_counter(struct rebuild *r);

static void on_raised(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    r->coupon++;
    raise_counter(r);
}

static void raise_counter(struct rebuild *r)
{
    if (r->coupon < r->ncoupons) {
        coupon_line_raise(r->store, r->coupons[r->coupon], r->cfg.coupon_ttl_ms, on_raised, r);
        return;
    }
    r->coupon = 0;
    part_done(r, REBUILD_COUNTERS);
}

static void keep_coupons(struct rebuild *r, const struct coupon_row *rows, size_t n)
{
    mem_free(r->coupons);
    r->coupons = mem_array(n, sizeof *r->coupons);
    for (size_t i = 0; i < n; i++)
        r->coupons[i] = rows[i].id;
    r->ncoupons = n;
}

static void on_coupons_of_counters(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    keep_coupons(r, rows, n);
    raise_counter(r);
}

/* --- holders --- */

static void read_holders(struct rebuild *r);

static void holders_done(struct rebuild *r);

static void on_holders_written(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    tell(r, REBUILD_ISSUED);
    if (r->last_page)
        holders_done(r);
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
        holders_done(r);
        return;
    }
    r->after = r->cfg.coupon_id ? rows[n - 1].user_id : rows[n - 1].user_coupon_id;
    coupon_line_restore_issued(r->store, rows, n, r->cfg.issued_ttl_ms, on_holders_written, r);
}

static struct rebuild_holder *holders_of(int64_t coupon_id, const int64_t *user_ids, size_t n)
{
    struct rebuild_holder *rows = mem_array(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct rebuild_holder){.coupon_id = coupon_id, .user_id = user_ids[i]};
    return rows;
}

static void on_coupon_holders(void *arg, const int64_t *user_ids, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    struct rebuild_holder *rows = holders_of(r->cfg.coupon_id, user_ids, n);
    on_holders(r, rows, n, e);
    mem_free(rows);
}

static void read_holders(struct rebuild *r)
{
    if (r->cfg.coupon_id)
        user_coupon_holders(r->store, r->cfg.coupon_id, r->after, PAGE, on_coupon_holders, r);
    else
        rebuild_read_holders(r->store, r->after, PAGE, on_holders, r);
}

/* --- users who hold nothing --- */

static void scan_issued(struct rebuild *r);

static void next_scan(struct rebuild *r)
{
    tell(r, REBUILD_ISSUED);
    if (!r->scan)
        r->coupon++;
    scan_issued(r);
}

static void on_entered_again(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (!failed(r, e))
        next_scan(r);
}

/* Keep of the present users those whose flag is the one wanted. */
static void keep_users(struct rebuild *r, const bool *flags, bool wanted)
{
    size_t left = 0;
    for (size_t i = 0; i < r->nusers; i++)
        if (flags[i] == wanted)
            r->users[left++] = r->users[i];
    r->nusers = left;
}

static void on_held_after_all(void *arg, const bool *flags, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    keep_users(r, flags, true);
    r->counts.removed -= (int64_t)r->nusers;
    if (!r->nusers) {
        next_scan(r);
        return;
    }
    struct rebuild_holder *rows = holders_of(r->coupons[r->coupon], r->users, r->nusers);
    coupon_line_restore_issued(r->store, rows, r->nusers, r->cfg.issued_ttl_ms, on_entered_again, r);
    mem_free(rows);
}

static void on_removed(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    r->counts.removed += (int64_t)r->nusers;
    coupon_users_held(r->store, r->coupons[r->coupon], r->users, r->nusers, on_held_after_all, r);
}

static void on_held(void *arg, const bool *flags, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    keep_users(r, flags, false);
    if (r->nusers)
        coupon_line_issued_remove(r->store, r->coupons[r->coupon], r->users, r->nusers, on_removed, r);
    else
        next_scan(r);
}

static void on_issued_page(void *arg, uint64_t next, const int64_t *user_ids, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    r->scan = next;
    mem_free(r->users);
    r->users = mem_dup(user_ids, n * sizeof *user_ids);
    r->nusers = n;
    if (n)
        coupon_users_held(r->store, r->coupons[r->coupon], user_ids, n, on_held, r);
    else
        next_scan(r);
}

static void scan_issued(struct rebuild *r)
{
    if (r->coupon == r->ncoupons)
        part_done(r, REBUILD_ISSUED);
    else
        coupon_users_scan(r->store, r->coupons[r->coupon], COUPON_USERS_ISSUED, r->scan, on_issued_page, r);
}

static void on_coupons_of_sets(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    keep_coupons(r, rows, n);
    scan_issued(r);
}

static void read_coupons(struct rebuild *r, coupon_rows_fn *done)
{
    if (r->cfg.coupon_id)
        coupon_read(r->store, &r->cfg.coupon_id, 1, done, r);
    else
        coupon_read_all(r->store, done, r);
}

static void holders_done(struct rebuild *r)
{
    if (r->cfg.from_scratch)
        read_coupons(r, on_coupons_of_sets);
    else
        part_done(r, REBUILD_ISSUED);
}

/* --- ranking --- */

static void read_sales(struct rebuild *r);

static void on_counted(void *arg, int64_t counted, const struct error *e)
{
    struct rebuild *r = arg;
    r->counts.counted += counted;
    if (failed(r, e))
        return;
    tell(r, REBUILD_RANKING);
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
    int64_t now = clock_shop_us();
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

static void forget_day(struct rebuild *r);

static void on_forgotten(void *arg, const struct error *e)
{
    struct rebuild *r = arg;
    if (failed(r, e))
        return;
    r->counts.forgotten++;
    r->day++;
    forget_day(r);
}

/* Every day whose keys may be there: sales of tomorrow come from a node whose clock is ahead. */
static void forget_day(struct rebuild *r)
{
    if (r->day <= msg_date_day_of(clock_shop_us()) + 1)
        ranking_forget(r->store, r->day, r->cfg.retention_days, on_forgotten, r);
    else
        read_sales(r);
}

static void start_ranking(struct rebuild *r)
{
    r->day = msg_date_day_of(clock_shop_us()) - r->cfg.retention_days;
    if (r->cfg.from_scratch)
        forget_day(r);
    else
        read_sales(r);
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
    else if (r->parts & REBUILD_COUNTERS)
        read_coupons(r, on_coupons_of_counters);
    else if (r->parts & REBUILD_ISSUED)
        read_holders(r);
    else if (r->parts & REBUILD_RANKING)
        start_ranking(r);
    else if (r->parts & REBUILD_INFO)
        read_coupons(r, on_coupons);
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
    r->cursor.coupon_id = cfg->coupon_id; /* its requests stand behind this place */
    r->before_us = clock_shop_us() - min_age_ms * 1000 +
                   (min_age_ms ? 0 : INT64_C(86400) * 1000000); /* Redis' clock may be ahead */
    r->done = done;
    r->arg = arg;
    r->next = (struct loop_task){.run = next_part, .arg = r};
    loop_defer(l, &r->next);
}
