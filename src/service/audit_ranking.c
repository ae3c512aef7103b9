/* The ranking in Redis against a recount of the order lines.
 *
 * Nodes go on selling meanwhile. Orders of the first snapshot whose events are all delivered must be counted when the consumers have
 * had their time; nothing may be counted that is not in a snapshot taken after Redis was read. What lies between is on its way. */
#include "service/audit_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "msg/msg_date.h"
#include "store/ranking.h"

struct counted {
    int64_t day, product_id, quantity;
};

struct audit_ranking {
    bool recent; /* three-day keys, else those of a day */
    bool again;  /* the second look */
    int64_t first_day, last_day, day;
    struct counted *counted;
    size_t n, cap;
    struct audit_sold *low, *high; /* what must, what may be counted */
    size_t nlow, nhigh;
};

static void ranking_clear(struct audit_ranking *r)
{
    mem_free(r->counted);
    mem_free(r->high);
    r->counted = NULL;
    r->high = NULL;
    r->n = r->cap = r->nhigh = 0;
}

void audit_ranking_free(struct audit_ranking *r)
{
    if (!r)
        return;
    ranking_clear(r);
    mem_free(r->low);
    mem_free(r);
}

/* --- sums --- */

static int compare_keys(int64_t day_a, int64_t product_a, int64_t day_b, int64_t product_b)
{
    if (day_a != day_b)
        return day_a < day_b ? -1 : 1;
    return product_a < product_b ? -1 : product_a > product_b;
}

static int compare_sold(const void *a, const void *b)
{
    const struct audit_sold *x = a, *y = b;
    return compare_keys(x->day, x->product_id, y->day, y->product_id);
}

static int compare_counted(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    return compare_keys(x->day, x->product_id, y->day, y->product_id);
}

/* What the keys of the ranking stand for: a day's sales count on that day or, in the three-day keys, on three days. */
static struct audit_sold *sums(const struct audit_ranking *r, const struct audit_sold *sold, size_t n,
                               size_t *out)
{
    int64_t days = r->recent ? 3 : 1;
    struct audit_sold *all = mem_array(n * (size_t)days, sizeof *all);
    size_t len = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < days; k++)
            if (sold[i].day + k >= r->first_day && sold[i].day + k <= r->last_day) {
                all[len] = sold[i];
                all[len++].day += k;
            }
    qsort(all, len, sizeof *all, compare_sold);
    for (size_t i = 0; i < len; i++) {
        if (kept && compare_sold(&all[kept - 1], &all[i]) == 0) {
            all[kept - 1].certain += all[i].certain;
            all[kept - 1].total += all[i].total;
        } else {
            all[kept++] = all[i];
        }
    }
    *out = kept;
    return all;
}

/* --- comparing --- */

/* Arrays may be empty, that is NULL. */
static const void *find(const void *key, const void *array, size_t n, size_t size,
                        int (*order)(const void *, const void *))
{
    return n ? bsearch(key, array, n, size, order) : NULL;
}

/* Keys of days that have ended since the audit began are gone. */
static bool still_kept(const struct audit *a, const struct audit_ranking *r, int64_t day)
{
    int64_t kept = msg_date_day_of(clock_shop_us()) - a->cfg->retention_days + 1;
    return day >= kept + (r->recent ? 2 : 0);
}

static void differs(struct audit *a, const struct audit_ranking *r, int64_t day, int64_t product_id,
                    int64_t counted, const char *what, int64_t sold)
{
    struct buf name = BUF_INIT;
    msg_date_day(&name, day);
    a->report.wrong++;
    if (r->again)
        audit_example(a, "%s, product %" PRId64 ": %" PRId64 " in the ranking, %s %" PRId64 " sold",
                      buf_str(&name), product_id, counted, what, sold);
    buf_free(&name);
}

static void compare(struct audit *a, const struct audit_ranking *r)
{
    a->report.wrong = 0;
    for (size_t i = 0; i < r->nlow; i++) {
        const struct counted key = {r->low[i].day, r->low[i].product_id, 0};
        const struct counted *c = find(&key, r->counted, r->n, sizeof key, compare_counted);
        if ((c ? c->quantity : 0) < r->low[i].certain && still_kept(a, r, key.day))
            differs(a, r, key.day, key.product_id, c ? c->quantity : 0, "at least", r->low[i].certain);
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct audit_sold key = {r->counted[i].day, r->counted[i].product_id, 0, 0};
        const struct audit_sold *s = find(&key, r->high, r->nhigh, sizeof key, compare_sold);
        if (r->counted[i].quantity > (s ? s->total : 0) && still_kept(a, r, key.day))
            differs(a, r, key.day, key.product_id, r->counted[i].quantity, "at most", s ? s->total : 0);
    }
    a->report.examined = (int64_t)(r->nlow > r->n ? r->nlow : r->n);
}

static void finish(struct audit *a)
{
    audit_ranking_free(a->ranking);
    a->ranking = NULL;
    audit_check_done(a, NULL);
}

/* --- reading --- */

static void read_day(struct audit *a);

static void look_again(void *arg)
{
    struct audit *a = arg;
    struct audit_ranking *r = a->ranking;
    ranking_clear(r);
    r->again = true;
    r->day = r->first_day;
    read_day(a);
}

static void on_sold_since(void *arg, const struct audit_sold *rows, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_ranking *r = a->ranking;
    if (audit_failed(a, e))
        return;
    r->high = sums(r, rows, n, &r->nhigh);
    audit_snapshot_close(a->snapshot);
    a->snapshot = NULL;
    compare(a, r);
    finish(a);
}

static void on_snapshot(void *arg, const struct error *e)
{
    struct audit *a = arg;
    if (!audit_failed(a, e))
        audit_read_sold(a->snapshot, a->first_day, on_sold_since, a);
}

static void all_read(struct audit *a)
{
    struct audit_ranking *r = a->ranking;
    if (r->n)
        qsort(r->counted, r->n, sizeof *r->counted, compare_counted);
    if (r->again) {
        a->snapshot = audit_snapshot_open(a->store, a->cfg->deadline_ms, on_snapshot, a);
        return;
    }
    r->high = mem_dup(r->low, r->nlow * sizeof *r->low);
    r->nhigh = r->nlow;
    compare(a, r);
    if (a->report.wrong)
        audit_settle(a, look_again);
    else
        finish(a);
}

static void on_day(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_ranking *r = a->ranking;
    if (audit_failed(a, e))
        return;
    if (r->n + n > r->cap) {
        r->cap = 2 * (r->n + n);
        r->counted = mem_grow(r->counted, r->cap, sizeof *r->counted);
    }
    for (size_t i = 0; i < n; i++)
        r->counted[r->n++] = (struct counted){r->day, entries[i].product_id, entries[i].quantity};
    r->day++;
    read_day(a);
}

static void read_day(struct audit *a)
{
    struct audit_ranking *r = a->ranking;
    if (r->day > r->last_day)
        all_read(a);
    else
        ranking_top(a->store, msg_date_day_start(r->day), r->recent ? 3 : 1, INT32_MAX, on_day, a);
}

static void start(struct audit *a, bool recent)
{
    struct audit_ranking *r = mem_zalloc(sizeof *r);
    a->ranking = r;
    r->recent = recent;
    r->last_day = msg_date_day_of(a->began_us) + (recent ? 0 : 1); /* a node's clock may be ahead */
    r->first_day = r->day = a->first_day + (recent ? 2 : 0);
    r->low = sums(r, a->books.sold, a->books.nsold, &r->nlow);
    read_day(a);
}

void audit_ranking_daily(struct audit *a)
{
    start(a, false);
}

/* Of the three-day keys, those whose three days are all kept. */
void audit_ranking_recent(struct audit *a)
{
    start(a, true);
}
