/* Waiting lines, sets of holders and the order of decisions: PostgreSQL against Redis. */
#include "service/audit_internal.h"

#include <inttypes.h>

#include "base/clock.h"
#include "service/coupon.h"
#include "store/coupon.h"
#include "store/rebuild.h"

#define PAGE COUPON_USERS_MAX

static void check_done(struct audit *a)
{
    audit_check_done(a, NULL);
}

/* The coupon at which a source is, NULL behind the last one. */
static const struct audit_coupon *present_coupon(struct audit *a)
{
    size_t i = audit_sweep_place(a)->coupon;
    return i < a->books.ncoupons ? &a->books.coupons[i] : NULL;
}

static void next_coupon(struct audit *a)
{
    struct audit_place *p = audit_sweep_place(a);
    *p = (struct audit_place){.coupon = p->coupon + 1};
}

/* --- sets of holders --- */

/* In the set, then asked of PostgreSQL: in it without holding is wrong for certain; holding without being in it may be on its way. */
static void on_held(void *arg, const bool *held, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_page *p = audit_sweep_verifying(a);
    for (size_t i = 0; i < p->n; i++) {
        bool in_set = p->wrong[i] != NULL;
        p->wrong[i] = in_set == held[i] ? NULL
                      : in_set          ? "in the set of holders, but holds nothing"
                                        : "holds the coupon, but is not in the set of holders";
    }
    audit_sweep_verified(a, e);
}

static void on_in_set(void *arg, const bool *in_set, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_page *p = audit_sweep_verifying(a);
    if (e && e->kind != ERROR_NONE) {
        audit_sweep_verified(a, e);
        return;
    }
    for (size_t i = 0; i < p->n; i++)
        p->wrong[i] = in_set[i] ? "in the set" : NULL;
    coupon_users_held(a->store, p->coupon_id, p->users, p->n, on_held, a);
}

static void verify_holders(struct audit *a, struct audit_page *p)
{
    coupon_users_issued(a->store, p->coupon_id, p->users, p->n, on_in_set, a);
}

static void on_scanned(void *arg, uint64_t next, const int64_t *users, size_t n, const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    int64_t coupon_id = present_coupon(a)->coupon_id;
    audit_sweep_place(a)->cursor = next;
    if (!next)
        next_coupon(a);
    audit_sweep_page(a, coupon_id, users, NULL, n);
}

static void scan(struct audit *a, enum coupon_users which, coupon_users_scan_fn *done)
{
    const struct audit_coupon *c = present_coupon(a);
    if (c)
        coupon_users_scan(a->store, c->coupon_id, which, audit_sweep_place(a)->cursor, done, a);
    else
        audit_sweep_end(a);
}

/* The same holders once more: they are counted already. */
static void next_members(struct audit *a)
{
    scan(a, COUPON_USERS_ISSUED, on_scanned);
}

static void on_holders(void *arg, const int64_t *users, size_t n, const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    int64_t coupon_id = present_coupon(a)->coupon_id;
    a->report.examined += (int64_t)n;
    if (n)
        audit_sweep_place(a)->after = users[n - 1];
    if (n < PAGE)
        next_coupon(a);
    audit_sweep_page(a, coupon_id, users, NULL, n);
}

/* A set ends 30 days after the last issue; until then it has every holder. */
static void next_holders(struct audit *a)
{
    const struct audit_coupon *c;
    while ((c = present_coupon(a)) && c->newest_issue_us < a->began_us - COUPON_ISSUED_TTL_MS * 1000)
        next_coupon(a);
    if (c)
        user_coupon_holders(a->store, c->coupon_id, audit_sweep_place(a)->after, PAGE, on_holders, a);
    else
        audit_sweep_end(a);
}

static void sweep_members(struct audit *a)
{
    static const struct audit_sweep_ops members = {next_members, verify_holders};
    audit_sweep_start(a, &members, check_done);
}

void audit_issued_sets(struct audit *a)
{
    static const struct audit_sweep_ops holders = {next_holders, verify_holders};
    audit_sweep_start(a, &holders, sweep_members);
}

/* --- records of the lines --- */

static void on_record_decided(void *arg, const bool *decided, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_page *p = audit_sweep_verifying(a);
    for (size_t i = 0; i < p->n; i++)
        if (!p->wrong[i] && p->requested_at_us[i] && decided[i])
            p->wrong[i] = "waits for a decision that was made";
    audit_sweep_verified(a, e);
}

static const char *misplaced(const struct coupon_place *p)
{
    if (!p->record)
        return p->in_flight ? "in flight without a record" : NULL;
    if (p->in_line && p->in_flight)
        return "in line and in flight";
    if (p->state == 'W')
        return p->in_line ? NULL : "recorded as waiting, but not in line";
    if (!p->in_flight)
        return "recorded as in flight, but is not";
    return (p->state == 'T' ? p->taken : p->published) ? NULL : "in flight, but nobody looks after it";
}

/* A record that is gone or another one by the second look is fine: requested_at_us is that of the record seen now. */
static void on_places(void *arg, const struct coupon_place *places, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_page *p = audit_sweep_verifying(a);
    if (e && e->kind != ERROR_NONE) {
        audit_sweep_verified(a, e);
        return;
    }
    for (size_t i = 0; i < p->n; i++) {
        int64_t at = places[i].record ? places[i].requested_at_us : 0;
        bool other = p->requested_at_us[i] && p->requested_at_us[i] != at;
        p->wrong[i] = other ? NULL : misplaced(&places[i]);
        p->requested_at_us[i] = other ? 0 : at;
    }
    coupon_users_decided(a->store, p->coupon_id, p->users, p->requested_at_us, p->n, on_record_decided, a);
}

static void verify_places(struct audit *a, struct audit_page *p)
{
    coupon_users_places(a->store, p->coupon_id, p->users, p->n, on_places, a);
}

static void on_recorded(void *arg, uint64_t next, const int64_t *users, size_t n, const struct error *e)
{
    struct audit *a = arg;
    if (!e || e->kind == ERROR_NONE)
        a->report.examined += (int64_t)n;
    on_scanned(a, next, users, n, e);
}

static void next_records(struct audit *a)
{
    scan(a, COUPON_USERS_PENDING, on_recorded);
}

static void next_in_flight(struct audit *a)
{
    scan(a, COUPON_USERS_IN_FLIGHT, on_recorded);
}

static void sweep_in_flight(struct audit *a)
{
    static const struct audit_sweep_ops in_flight = {next_in_flight, verify_places};
    audit_sweep_start(a, &in_flight, check_done);
}

void audit_pending(struct audit *a)
{
    static const struct audit_sweep_ops records = {next_records, verify_places};
    audit_sweep_start(a, &records, sweep_in_flight);
}

/* --- requests without a decision --- */

static void on_open_decided(void *arg, const bool *decided, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_page *p = audit_sweep_verifying(a);
    for (size_t i = 0; i < p->n; i++)
        if (decided[i])
            p->wrong[i] = NULL;
    audit_sweep_verified(a, e);
}

/* A newer request of the same user may be on its way: then this one comes after it. */
static void on_open_places(void *arg, const struct coupon_place *places, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_page *p = audit_sweep_verifying(a);
    if (e && e->kind != ERROR_NONE) {
        audit_sweep_verified(a, e);
        return;
    }
    for (size_t i = 0; i < p->n; i++)
        p->wrong[i] = places[i].record ? NULL : "has no decision, and nobody works on it";
    coupon_users_decided(a->store, p->coupon_id, p->users, p->requested_at_us, p->n, on_open_decided, a);
}

static void verify_open(struct audit *a, struct audit_page *p)
{
    coupon_users_places(a->store, p->coupon_id, p->users, p->n, on_open_places, a);
}

/* A page of requests comes in the order of coupons: the users of its first one. */
static void on_open(void *arg, const struct coupon_request_row *rows, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_open *o = &a->open;
    int64_t users[PAGE], at[PAGE];
    size_t count = 0;
    if (audit_failed(a, e))
        return;
    while (count < n && rows[count].coupon_id == rows[0].coupon_id) {
        users[count] = rows[count].user_id;
        at[count] = rows[count].requested_at_us;
        count++;
    }
    if (!count || (a->cfg->range.coupon_id && rows[0].coupon_id != a->cfg->range.coupon_id)) {
        audit_sweep_end(a);
        return;
    }
    a->report.examined += (int64_t)count;
    o->after = (struct rebuild_cursor){rows[0].coupon_id, at[count - 1], users[count - 1]};
    audit_sweep_page(a, rows[0].coupon_id, users, at, count);
}

/* Younger ones may be between the line and the row; nodes put lost ones back once per recheck. */
static void next_open(struct audit *a)
{
    int64_t before_us = a->began_us - 2 * a->cfg->recheck_ms * 1000;
    if (before_us > a->cfg->range.to_us)
        before_us = a->cfg->range.to_us;
    rebuild_read_requests(a->store, &a->open.after, before_us, PAGE, on_open, a);
}

void audit_undecided(struct audit *a)
{
    static const struct audit_sweep_ops open = {next_open, verify_open};
    a->open.after = (struct rebuild_cursor){.coupon_id = a->cfg->range.coupon_id};
    audit_sweep_start(a, &open, check_done);
}

/* --- order of decisions --- */

static void judge_late(struct audit *a);

static void on_put_back(void *arg, const bool *put_back, size_t n, const struct error *e)
{
    struct audit *a = arg;
    if (audit_failed(a, e))
        return;
    const struct audit_late *late = a->books.late + a->open.late;
    for (size_t i = 0; i < n; i++) {
        if (put_back[i])
            a->report.excused++;
        else
            a->report.wrong++;
        audit_example(
            a, "coupon %" PRId64 ", user %" PRId64 ": ticket %" PRId64 " was decided after a higher one%s",
            late[i].coupon_id, late[i].user_id, late[i].ticket,
            put_back[i] ? "; it was put back in line" : "");
    }
    a->open.late += n;
    judge_late(a);
}

static void judge_late(struct audit *a)
{
    const struct audit_books_read *b = &a->books;
    const struct audit_late *late = b->late + a->open.late;
    int64_t users[PAGE], at[PAGE];
    size_t n = 0, left = b->nlate - a->open.late;
    for (; n < left && n < PAGE && late[n].coupon_id == late[0].coupon_id; n++) {
        users[n] = late[n].user_id;
        at[n] = late[n].requested_at_us;
    }
    if (n) {
        coupon_users_put_back(a->store, late[0].coupon_id, users, at, n, on_put_back, a);
        return;
    }
    a->report.wrong += b->late_total - (int64_t)b->nlate;
    if (a->report.excused)
        buf_printf(&a->report.note,
                   "%" PRId64
                   " were put back in line after a failed publish, or came back late after a loss of Redis",
                   a->report.excused);
    audit_check_done(a, NULL);
}

void audit_order(struct audit *a)
{
    a->report.examined = a->books.late_examined;
    a->open.late = 0;
    judge_late(a);
}
