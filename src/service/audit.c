/* The table of checks and its run.
 *
 *   snapshot   of PostgreSQL: every check that is one statement, in the order of the table
 *   collect    on the same snapshot, what is to be compared with Redis and Kafka later
 *   compare    the other checks; the snapshot is gone by then, so that it holds back no vacuum
 *
 * A difference between two services may only be something on its way. So the older side is read first (what the snapshot has must
 * have arrived, except orders whose rows are still in the outbox), and what is wrong is looked at again after settle_ms. */
#include "service/audit_internal.h"

#include "base/clock.h"
#include "msg/msg_date.h"

#define LATE_MAX    10000
#define ORDERS_PAGE 2000
#define ORDERED_MAX 20000000 /* lines: half a gigabyte */

enum audit_about {
    ABOUT_SHOP = 1, /* not when one coupon is asked for */
    ABOUT_COUPON = 2,
};

static const struct audit_check {
    struct audit_check_name name;
    enum audit_about about;
    enum audit_book book; /* unless run is set */
    void (*run)(struct audit *a);
} checks[] = {
    {{"stock", "G1", "No stock is below zero."}, ABOUT_SHOP, AUDIT_STOCK, NULL},
    {{"sales", "G1", "What is booked as sold per product and day is the sum of the order lines."},
     ABOUT_SHOP,
     AUDIT_SALES,
     NULL},
    {{"issued-count", "G2", "A coupon's issued_count is the number of its holders and at most its maximum."},
     ABOUT_COUPON,
     AUDIT_ISSUED_COUNT,
     NULL},
    {{"one-each", "G3", "Nobody holds a coupon twice."}, ABOUT_COUPON, AUDIT_ONE_EACH, NULL},
    {{"balance", "G4", "Every balance is the sum of the user's ledger."}, ABOUT_SHOP, AUDIT_BALANCE, NULL},
    {{"ledger", "G4", "Every ledger begins with a DEPOSIT, and each entry goes on from the one before."},
     ABOUT_SHOP,
     AUDIT_LEDGER,
     NULL},
    {{"payment", "G4", "Every completed order has exactly one payment, of its amount, by its user."},
     ABOUT_SHOP,
     AUDIT_PAYMENT,
     NULL},
    {{"order-totals", "G5",
      "Every order has its lines, every line its order, and the lines make its total, less the discount."},
     ABOUT_SHOP,
     AUDIT_TOTALS,
     NULL},
    {{"order-history", "G5", "Every completed order is in the history once."},
     ABOUT_SHOP,
     AUDIT_HISTORY,
     NULL},
    {{"stored-answers", "G5", "Every stored answer of an order names an order of that user."},
     ABOUT_SHOP,
     AUDIT_ANSWERS,
     NULL},
    {{"coupon-used", "G5", "A user coupon is USED if and only if an order of its user carries it."},
     ABOUT_COUPON,
     AUDIT_COUPON_USED,
     NULL},
    {{"outbox", "G6", "No order waits for its events, and none is given up."},
     ABOUT_SHOP,
     AUDIT_OUTBOX,
     NULL},
    {{"forwarded", "G6", "The data platform has accepted every completed order."},
     ABOUT_SHOP,
     AUDIT_FORWARDED,
     NULL},
    {{"decisions", "G7", "Every decision was made once, a user succeeded once, every failure has a reason."},
     ABOUT_COUPON,
     AUDIT_DECISIONS,
     NULL},
    {{"holders", "G7", "Every successful request has its user coupon, and every user coupon its request."},
     ABOUT_COUPON,
     AUDIT_HOLDERS,
     NULL},
    {{"tickets", "G8", "No ticket was given twice, and they ascend with the requests."},
     ABOUT_COUPON,
     AUDIT_TICKETS,
     NULL},
    {{"order", "G8", "Requests were decided in the order of their tickets, except those put back."},
     ABOUT_COUPON,
     AUDIT_BOOKS,
     audit_order},
    {{"undecided", "G7", "Every request without a decision is on its way."},
     ABOUT_COUPON,
     AUDIT_BOOKS,
     audit_undecided},
    {{"pending", "G7", "Every record of a waiting line is in its place and of an open request."},
     ABOUT_COUPON,
     AUDIT_BOOKS,
     audit_pending},
    {{"issued-sets", "G10", "The sets of holders in Redis are the holders."},
     ABOUT_COUPON,
     AUDIT_BOOKS,
     audit_issued_sets},
    {{"ranking-daily", "G9", "The ranking of each kept day is a recount of its order lines."},
     ABOUT_SHOP,
     AUDIT_BOOKS,
     audit_ranking_daily},
    {{"ranking-recent", "G10", "The three-day ranking is a recount of its order lines."},
     ABOUT_SHOP,
     AUDIT_BOOKS,
     audit_ranking_recent},
    {{"topic-orders", "G6", "Every completed order is in its topic."},
     ABOUT_SHOP,
     AUDIT_BOOKS,
     audit_topic_orders},
    {{"topic-platform", "G6", "Every completed order is in the data platform's topic."},
     ABOUT_SHOP,
     AUDIT_BOOKS,
     audit_topic_platform},
    {{"topic-ranking", "G6", "Every product of a completed order is in the ranking's topic."},
     ABOUT_SHOP,
     AUDIT_BOOKS,
     audit_topic_ranking},
};

const struct audit_check_name *audit_check_names(size_t *n)
{
    static struct audit_check_name names[ARRAY_LEN(checks)];
    *n = ARRAY_LEN(checks);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        names[i] = checks[i].name;
    return names;
}

/* --- reporting --- */

void audit_example(struct audit *a, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;
    if (a->report.n == ARRAY_LEN(a->report.examples))
        return;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    a->report.examples[a->report.n++] = buf_steal(&text);
}

static void report_clear(struct audit_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        mem_free(r->examples[i]);
    buf_free(&r->note);
    *r = (struct audit_report){0};
}

void audit_skip(struct audit *a, const char *why)
{
    a->report.skipped = true;
    buf_clear(&a->report.note);
    buf_puts(&a->report.note, why);
}

static void tell(struct audit *a)
{
    struct audit_report *r = &a->report;
    const struct audit_check_name *name = &checks[a->check].name;
    const struct audit_result result = {
        .name = name->name,
        .promise = name->promise,
        .sentence = name->sentence,
        .verdict = r->skipped ? AUDIT_SKIPPED
                   : r->wrong ? AUDIT_FAIL
                              : AUDIT_PASS,
        .examined = r->examined,
        .wrong = r->wrong,
        .excused = r->excused,
        .note = buf_str(&r->note),
        .examples = (const char *const *)r->examples,
        .n = r->n,
    };
    a->on_check(a->arg, &result);
    report_clear(r);
}

/* --- running --- */

static void finish(struct audit *a)
{
    audit_snapshot_close(a->snapshot);
    a->done(a->arg, a->error.kind == ERROR_NONE ? NULL : &a->error);
    audit_sweep_free(a->sweep);
    audit_ranking_free(a->ranking);
    audit_topics_free(a->topics);
    report_clear(&a->report);
    loop_timer_free(a->timer);
    mem_free(a->books.sold);
    mem_free(a->books.late);
    mem_free(a->books.coupons);
    mem_free(a->books.ordered);
    mem_free(a);
}

bool audit_failed(struct audit *a, const struct error *e)
{
    if (!e || e->kind == ERROR_NONE)
        return false;
    audit_check_done(a, e);
    return true;
}

void audit_check_done(struct audit *a, const struct error *e)
{
    if (e && e->kind != ERROR_NONE) {
        error_set(&a->error, e->kind, e->code, "%s: %s", checks[a->check].name.name, e->text);
    } else {
        tell(a);
        a->check++;
    }
    loop_defer(a->loop, &a->step);
}

void audit_settle(struct audit *a, void (*fn)(void *arg))
{
    a->settled = fn;
    loop_timer_start(a->timer, a->cfg->settle_ms);
}

static void on_settled(void *arg)
{
    struct audit *a = arg;
    a->settled(a);
}

static void on_book(void *arg, const struct audit_finding *f, const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    a->report.examined = f->examined;
    a->report.wrong = f->wrong;
    for (size_t i = 0; i < f->n; i++)
        audit_example(a, "%s", f->examples[i]);
    audit_check_done(a, NULL);
}

/* --- collecting --- */

static void collected(struct audit *a)
{
    audit_snapshot_close(a->snapshot);
    a->snapshot = NULL;
    a->collected = true;
    loop_defer(a->loop, &a->step);
}

static void read_orders(struct audit *a);

static void on_orders(void *arg, const struct audit_ordered *rows, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_books_read *b = &a->books;
    if (audit_failed(a, e))
        return;
    if (b->nordered + n > ORDERED_MAX) {
        b->ordered_cut = true;
        n = 0;
    }
    if (b->nordered + n > b->ordered_cap) {
        b->ordered_cap = 2 * (b->nordered + n);
        b->ordered = mem_grow(b->ordered, b->ordered_cap, sizeof *b->ordered);
    }
    if (n)
        memcpy(b->ordered + b->nordered, rows, n * sizeof *rows);
    b->nordered += n;
    if (n)
        read_orders(a);
    else
        collected(a);
}

static void read_orders(struct audit *a)
{
    const struct audit_books_read *b = &a->books;
    int64_t after = b->nordered ? b->ordered[b->nordered - 1].order_id : 0;
    audit_read_orders(a->snapshot, &a->cfg->range, after, ORDERS_PAGE, on_orders, a);
}

static void on_sold(void *arg, const struct audit_sold *rows, size_t n, const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    a->books.sold = mem_dup(rows, n * sizeof *rows);
    a->books.nsold = n;
    if (a->cfg->history.ops)
        read_orders(a);
    else
        collected(a);
}

static void on_coupons(void *arg, const struct audit_coupon *rows, size_t n, const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    a->books.coupons = mem_dup(rows, n * sizeof *rows);
    a->books.ncoupons = n;
    if (a->cfg->range.coupon_id)
        collected(a);
    else
        audit_read_sold(a->snapshot, a->first_day, on_sold, a);
}

static void on_late(void *arg, int64_t examined, int64_t total, const struct audit_late *rows, size_t n,
                    const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    a->books.late = mem_dup(rows, n * sizeof *rows);
    a->books.nlate = n;
    a->books.late_examined = examined;
    a->books.late_total = total;
    audit_read_coupons(a->snapshot, &a->cfg->range, on_coupons, a);
}

/* --- steps --- */

static void on_snapshot(void *arg, const struct error *e)
{
    struct audit *a = arg;
    if (!audit_failed(a, e))
        loop_defer(a->loop, &a->step);
}

static bool is_asked(const struct audit *a, const struct audit_check *c)
{
    return c->about == ABOUT_COUPON || !a->cfg->range.coupon_id;
}

static void step(void *arg)
{
    struct audit *a = arg;
    while (a->check < ARRAY_LEN(checks) && !is_asked(a, &checks[a->check]))
        a->check++;
    const struct audit_check *c = &checks[a->check];
    if (a->error.kind != ERROR_NONE || a->check == ARRAY_LEN(checks)) {
        finish(a);
    } else if (c->run && !a->collected) {
        audit_read_late(a->snapshot, &a->cfg->range, LATE_MAX, on_late, a);
    } else if (c->run) {
        c->run(a);
    } else if (c->book == AUDIT_FORWARDED && !a->cfg->platform) {
        audit_skip(a, "no data platform is configured");
        audit_check_done(a, NULL);
    } else {
        audit_read_book(a->snapshot, c->book, &a->cfg->range, on_book, a);
    }
}

void audit_run(struct loop *l, struct store *s, const struct audit_config *cfg,
               void (*on_check)(void *arg, const struct audit_result *result),
               void (*done)(void *arg, const struct error *e), void *arg)
{
    struct audit *a = mem_zalloc(sizeof *a);
    a->loop = l;
    a->store = s;
    a->cfg = cfg;
    a->on_check = on_check;
    a->done = done;
    a->arg = arg;
    a->step = (struct loop_task){.run = step, .arg = a};
    a->timer = loop_timer_new(l, on_settled, a);
    a->began_us = clock_shop_us();
    a->first_day = msg_date_day_of(a->began_us) - cfg->retention_days + 1;
    a->snapshot = audit_snapshot_open(s, cfg->deadline_ms, on_snapshot, a);
}
