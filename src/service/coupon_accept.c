/* Accepting a request for a coupon (contract section 4, step 1).
 *
 *   bound     beyond max_accepting requests without an answer: 503 at once, nothing is touched
 *   user      known and ACTIVE (service/user_cache.h)
 *   coupon    its verdict, at most a second old; issuing decides again, for good
 *   refused   whoever was refused because all are given out gets the same answer again, without a question
 *   line      one script: issued, verdict, pending, full, else ticket and place
 *   durable   with coupon.accept.durability = database the row is in PostgreSQL before the 202; rows that
 * arrive while inserts run share the next; then Redis' data must still be the one that the place was
 * given in
 *
 * When the row certainly was not written, the place in line is given back and the client is told to try
 * again; when the member is on its way already, or the outcome is unknown, that is what the client is told.
 *
 * While Redis' data is not whole (store/redis_mark.h) nobody is accepted: older requests may still have to return. When it was lost
 * between place and row, the rebuild may have read the rows before this one was there, and would bring it back too late: the row is
 * taken back and the outcome unknown, for the rebuild may also have seen it.
 */
#include "service/coupon_accept.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/queue.h"
#include "base/recent.h"
#include "loop/loop.h"
#include "service/coupon.h"
#include "store/coupon_line.h"
#include "store/coupon_users.h"
#include "store/redis_mark.h"

LOG_DEFINE(log_accept, "rushd.coupon.accept");

#define INSERT_MAX        1000
#define INSERTS_MAX       2
#define INSERT_TIMEOUT_MS 5000
#define REFUSALS          262144   /* remembered */
#define REFUSED_US        10000000 /* so long */

struct accept {
    LIST_ENTRY(accept) all;
    TAILQ_ENTRY(accept) link; /* to_insert, an insert, or refused */
    struct coupon_accept *owner;
    int64_t insert_until_us; /* later the client has given up: the place is given back instead */
    int64_t coupon_id, user_id;
    enum refusal_code verdict; /* why the coupon cannot be had now; NONE: it can */
    bool has_holders;          /* somebody holds the coupon */
    int64_t given_out;         /* that many are issued, and there are no more; -1: there are */
    struct coupon_line_ticket ticket;
    coupon_accept_fn *done;
    void *arg;
};

/* One insert of many rows. */
struct insert {
    struct coupon_accept *owner;
    struct accepts list;
    size_t n;
};

static const struct metric_def outcome_def = {.name = "rushd.coupon.requests",
                                              .type = METRIC_COUNTER,
                                              .help = "Coupon requests by answer.",
                                              .labels = {"outcome"}};
static const struct metric_def accepting_def = {.name = "rushd.coupon.accepting",
                                                .type = METRIC_GAUGE,
                                                .help = "Coupon requests on their way into a waiting line."};

/* REFUSAL_NONE: accepted. */
static void count(struct coupon_accept *o, enum refusal_code code)
{
    const char *outcome = code == REFUSAL_NONE ? "accepted" : refusal_word(code);
    if (!o->outcomes[code])
        o->outcomes[code] = metric_series(metric_register(&outcome_def), &outcome);
    metric_add(o->outcomes[code], 1);
}

static void set_requests(struct coupon_accept *o, size_t n)
{
    o->nrequests = n;
    metric_set(o->accepting, (double)n);
}

static void finish(struct accept *a, const struct coupon_accepted *accepted, const struct refusal *why)
{
    LIST_REMOVE(a, all);
    set_requests(a->owner, a->owner->nrequests - 1);
    a->done(a->arg, accepted, why);
    mem_free(a);
}

static void finish_refused(struct accept *a, enum refusal_code code)
{
    const struct refusal why = {.code = code};
    count(a->owner, code);
    finish(a, NULL, &why);
}

int64_t coupon_estimate_s(const struct coupon_accept *a, int64_t coupon_id, int64_t position)
{
    if (position <= 0)
        return 0;
    double per_second =
        a->cfg.drain_per_tick ? (double)a->cfg.drain_per_tick * 1000 / (double)a->cfg.interval_ms : 0;
    double measured = a->drain ? coupon_drain_rate(a->drain, coupon_id) : 0;
    if (per_second <= 0 || (measured > 0 && measured < per_second))
        per_second = measured > 0 ? measured : (double)a->cfg.window * 1000 / (double)a->cfg.interval_ms;
    double seconds = (double)position / per_second + 1, most = (double)a->cfg.ttl_ms / 1000;
    return (int64_t)(seconds < most ? seconds : most); /* a line that does not move ends by its ttl */
}

static void finish_accepted(struct accept *a)
{
    count(a->owner, REFUSAL_NONE);
    const struct coupon_accepted accepted = {a->ticket.ticket, a->ticket.position, a->ticket.size,
                                             coupon_estimate_s(a->owner, a->coupon_id, a->ticket.position)};
    finish(a, &accepted, NULL);
}

/* --- durable --- */

static void on_cancelled(void *arg, bool removed, const struct error *e)
{
    bool certain = removed && (!e || e->kind == ERROR_NONE);
    finish_refused(arg, certain ? REFUSAL_SERVICE_UNAVAILABLE : REFUSAL_OUTCOME_UNKNOWN);
}

static void cancel(struct accept *a)
{
    coupon_line_cancel(a->owner->store, a->coupon_id, a->user_id, a->ticket.requested_at_us, on_cancelled, a);
}

static struct coupon_request_row row_of(const struct accept *a)
{
    return (struct coupon_request_row){.coupon_id = a->coupon_id,
                                       .user_id = a->user_id,
                                       .requested_at_us = a->ticket.requested_at_us,
                                       .ticket = a->ticket.ticket};
}

/* Is it the data of some row, so that the others can be written? */
static bool data_error(const struct error *e)
{
    return e->kind == ERROR_PERMANENT && (strncmp(e->code, "22", 2) == 0 || strncmp(e->code, "23", 2) == 0);
}

static void end_insert(struct insert *in, const struct error *e)
{
    struct accept *a;
    while ((a = TAILQ_FIRST(&in->list))) {
        TAILQ_REMOVE(&in->list, a, link);
        if (e->kind == ERROR_UNKNOWN)
            finish_refused(a, REFUSAL_OUTCOME_UNKNOWN);
        else
            cancel(a);
    }
}

static void on_withdrawn(void *arg, const struct error *e)
{
    struct insert *in = arg;
    struct accept *a;
    if (e && e->kind != ERROR_NONE)
        log_warn(&log_accept, "requests of a Redis that was lost could not be taken back", LOG_ERR(e),
                 LOG_I("requests", in->n));
    while ((a = TAILQ_FIRST(&in->list))) {
        TAILQ_REMOVE(&in->list, a, link);
        finish_refused(a, REFUSAL_OUTCOME_UNKNOWN);
    }
    mem_free(in);
}

/* Is the data still the one that each place was given in? */
static void on_mark(void *arg, const struct redis_mark *m, const struct error *e)
{
    struct insert *in = arg;
    struct accept *a, *next;
    int64_t generation = e && e->kind != ERROR_NONE ? 0 : m->generation;
    struct coupon_request_row *rows = mem_array(in->n, sizeof *rows);
    in->n = 0;
    TAILQ_FOREACH_SAFE(a, &in->list, link, next)
    {
        if (a->ticket.generation == generation) {
            TAILQ_REMOVE(&in->list, a, link);
            finish_accepted(a);
        } else {
            rows[in->n++] = row_of(a);
        }
    }
    if (in->n)
        coupon_request_withdraw(in->owner->store, rows, in->n, INSERT_TIMEOUT_MS, on_withdrawn, in);
    else
        mem_free(in);
    mem_free(rows);
}

static void on_inserted(void *arg, const struct error *e)
{
    struct insert *in = arg;
    struct coupon_accept *o = in->owner;
    if (!e || e->kind == ERROR_NONE) {
        o->insert_limit = o->insert_limit * 2 < INSERT_MAX ? o->insert_limit * 2 : INSERT_MAX;
        redis_mark_read(o->store, on_mark, in);
        in = NULL;
    } else {
        log_warn(&log_accept, "accepted requests could not be written", LOG_ERR(e), LOG_I("requests", in->n));
        if (data_error(e) && in->n > 1) { /* again in halves, in their order */
            o->insert_limit = in->n / 2;
            TAILQ_CONCAT(&in->list, &o->to_insert, link);
            TAILQ_CONCAT(&o->to_insert, &in->list, link);
            o->nto_insert += in->n;
        } else {
            end_insert(in, e);
        }
    }
    mem_free(in);
    o->inserts--;
    if (!TAILQ_EMPTY(&o->to_insert))
        loop_defer(o->loop, &o->insert_task);
}

/* A second insert runs while the first waits for the disk, when it would not be a smaller one: a commit costs as much as twenty
 * rows. While a row that the database refuses is searched for there is only one. */
static bool may_insert(const struct coupon_accept *o)
{
    return o->inserts == 0 ||
           (o->inserts < INSERTS_MAX && o->insert_limit == INSERT_MAX && o->nto_insert >= o->last_insert);
}

static void insert_rows(void *arg)
{
    struct coupon_accept *o = arg;
    if (TAILQ_EMPTY(&o->to_insert) || !may_insert(o))
        return;
    struct insert *in = mem_zalloc(sizeof *in);
    in->owner = o;
    TAILQ_INIT(&in->list);
    size_t most = o->nto_insert < o->insert_limit ? o->nto_insert : o->insert_limit;
    struct coupon_request_row *rows = mem_array(most, sizeof *rows);
    int64_t now = clock_mono_us();
    struct accept *a;
    while (in->n < most && (a = TAILQ_FIRST(&o->to_insert))) {
        TAILQ_REMOVE(&o->to_insert, a, link);
        o->nto_insert--;
        if (now > a->insert_until_us) {
            cancel(a);
            continue;
        }
        TAILQ_INSERT_TAIL(&in->list, a, link);
        rows[in->n++] = row_of(a);
    }
    if (in->n) {
        o->inserts++;
        o->last_insert = in->n;
        coupon_request_insert(o->store, rows, in->n, INSERT_TIMEOUT_MS, on_inserted, in);
    } else {
        mem_free(in);
    }
    mem_free(rows);
}

/* --- refused --- */

/* While all are given out, who holds the coupon and who does not can only change together with the number of those issued. So the answer
 * stands as long as that number is the same, and is forgotten after a while all the same. */
static void remember(struct accept *a, bool holder)
{
    if (a->given_out >= 0)
        recent_put(a->owner->refusals, a->coupon_id, a->user_id, a->given_out * 2 + holder, clock_mono_us());
}

static void refuse_line(struct accept *a, bool holder)
{
    remember(a, holder);
    finish_refused(a, holder ? REFUSAL_COUPON_ALREADY_ISSUED : a->verdict);
}

/* Without a question; the answer comes at the end of the turn. */
static void refuse_later(struct accept *a, enum refusal_code code)
{
    a->verdict = code;
    TAILQ_INSERT_TAIL(&a->owner->refused, a, link);
    loop_defer(a->owner->loop, &a->owner->refused_task);
}

static bool refuse_again(struct accept *a)
{
    int64_t value;
    if (a->given_out < 0 ||
        !recent_get(a->owner->refusals, a->coupon_id, a->user_id, clock_mono_us() - REFUSED_US, &value) ||
        value / 2 != a->given_out)
        return false;
    refuse_later(a, value % 2 ? REFUSAL_COUPON_ALREADY_ISSUED : a->verdict);
    return true;
}

/* --- line --- */

/* Already issued comes before the verdict, also when only PostgreSQL knows. */
static void on_held(void *arg, const bool *held, size_t n, const struct error *e)
{
    struct accept *a = arg;
    if (e && e->kind != ERROR_NONE)
        finish_refused(a, REFUSAL_SERVICE_UNAVAILABLE);
    else
        refuse_line(a, held[0]);
}

static void on_added(void *arg, const struct coupon_line_ticket *t, const struct error *e)
{
    struct accept *a = arg;
    struct coupon_accept *o = a->owner;
    if (e && e->kind != ERROR_NONE) {
        finish_refused(a, e->kind == ERROR_UNKNOWN ? REFUSAL_OUTCOME_UNKNOWN : REFUSAL_SERVICE_UNAVAILABLE);
        return;
    }
    a->ticket = *t;
    switch (t->answer) {
    case COUPON_LINE_ISSUED:
        refuse_line(a, true);
        break;
    case COUPON_LINE_REFUSED:
        if (a->has_holders && !t->holders_known) /* the set has ended, or another program removed it */
            coupon_users_held(o->store, a->coupon_id, &a->user_id, 1, on_held, a);
        else
            refuse_line(a, false);
        break;
    case COUPON_LINE_PENDING:
        finish_refused(a, REFUSAL_COUPON_REQUEST_PENDING);
        break;
    case COUPON_LINE_FULL:
        finish_refused(a, REFUSAL_SERVICE_UNAVAILABLE);
        break;
    case COUPON_LINE_ACCEPTED:
        FAULT_POINT("coupon-accepted");
        if (!o->cfg.durable_accept) {
            finish_accepted(a);
            break;
        }
        a->insert_until_us = clock_mono_us() + INSERT_TIMEOUT_MS * 1000;
        TAILQ_INSERT_TAIL(&o->to_insert, a, link);
        o->nto_insert++;
        loop_defer(o->loop, &o->insert_task);
    }
}

enum refusal_code coupon_verdict(const struct coupon_row *row, int64_t now_us)
{
    if (!row)
        return REFUSAL_COUPON_NOT_FOUND;
    if (row->issued >= row->max_issuance || strcmp(row->status, "SOLD_OUT") == 0)
        return REFUSAL_COUPON_SOLD_OUT;
    if (strcmp(row->status, "ACTIVE") != 0 || now_us < row->valid_from_us || now_us >= row->valid_to_us)
        return REFUSAL_COUPON_NOT_ISSUABLE;
    return REFUSAL_NONE;
}

static void ask_for_place(struct accept *a, const struct coupon_row *row)
{
    a->verdict = coupon_verdict(row, clock_shop_us());
    a->has_holders = row->issued > 0;
    a->given_out = row->issued >= row->max_issuance ? row->issued : -1;
    if (refuse_again(a))
        return;
    coupon_line_add(a->owner->store, a->coupon_id, a->user_id, a->verdict == REFUSAL_NONE,
                    a->owner->cfg.max_waiting, a->owner->cfg.ttl_ms, on_added, a);
}

static void on_coupon(void *arg, const struct coupon_row *row, const struct error *e)
{
    struct accept *a = arg;
    if (e->kind != ERROR_NONE)
        finish_refused(a, REFUSAL_SERVICE_UNAVAILABLE);
    else if (!row) /* nobody holds a coupon that does not exist */
        finish_refused(a, REFUSAL_COUPON_NOT_FOUND);
    else
        ask_for_place(a, row);
}

/* What is at hand is not waited for. */
static void look_at_coupon(struct accept *a)
{
    const struct coupon_row *row = coupon_cache_fresh(a->owner->cache, a->coupon_id);
    if (row)
        ask_for_place(a, row);
    else
        coupon_cache_get(a->owner->cache, a->coupon_id, on_coupon, a);
}

static void on_user(void *arg, const struct user_row *row, const struct error *e)
{
    struct accept *a = arg;
    if (e->kind != ERROR_NONE)
        finish_refused(a, REFUSAL_SERVICE_UNAVAILABLE);
    else if (!row || strcmp(row->status, "ACTIVE") != 0)
        finish_refused(a, REFUSAL_COUPON_USER_NOT_FOUND);
    else
        look_at_coupon(a);
}

/* --- submitting --- */

static void send_refused(void *arg)
{
    struct coupon_accept *o = arg;
    struct accept *a;
    while ((a = TAILQ_FIRST(&o->refused))) {
        TAILQ_REMOVE(&o->refused, a, link);
        finish_refused(a, a->verdict);
    }
}

void coupon_accept(struct coupon_accept *o, int64_t coupon_id, int64_t user_id, coupon_accept_fn *done,
                   void *arg)
{
    struct accept *a = mem_zalloc(sizeof *a);
    *a = (struct accept){.owner = o, .coupon_id = coupon_id, .user_id = user_id, .done = done, .arg = arg};
    LIST_INSERT_HEAD(&o->requests, a, all);
    set_requests(o, o->nrequests + 1);
    if (user_id <= 0)
        refuse_later(a, REFUSAL_INVALID_COUPON_USER_ID);
    else if (coupon_id <= 0)
        refuse_later(a, REFUSAL_INVALID_COUPON_ID);
    else if (o->nrequests > (size_t)o->cfg.max_accepting)
        refuse_later(a, REFUSAL_SERVICE_UNAVAILABLE);
    else if (user_cache_active(o->users, user_id))
        look_at_coupon(a);
    else
        user_lookup(o->users, user_id, false, on_user, a);
}

struct coupon_accept *coupon_accept_new(struct loop *l, struct store *s, struct user_cache *users,
                                        struct coupon_cache *cache, const struct coupon_config *cfg)
{
    struct coupon_accept *o = mem_zalloc(sizeof *o);
    o->loop = l;
    o->store = s;
    o->users = users;
    o->cache = cache;
    o->cfg = *cfg;
    LIST_INIT(&o->requests);
    LIST_INIT(&o->questions);
    TAILQ_INIT(&o->to_insert);
    TAILQ_INIT(&o->refused);
    o->accepting = metric_single(&accepting_def);
    o->insert_limit = INSERT_MAX;
    o->refusals = recent_new(REFUSALS);
    o->insert_task = (struct loop_task){.run = insert_rows, .arg = o};
    o->refused_task = (struct loop_task){.run = send_refused, .arg = o};
    return o;
}

void coupon_accept_use_rates(struct coupon_accept *a, struct coupon_drain *d)
{
    a->drain = d;
}

void coupon_accept_free(struct coupon_accept *o)
{
    if (!o)
        return;
    loop_defer_cancel(o->loop, &o->insert_task);
    loop_defer_cancel(o->loop, &o->refused_task);
    struct accept *a;
    while ((a = LIST_FIRST(&o->requests))) {
        LIST_REMOVE(a, all);
        mem_free(a);
    }
    coupon_status_drop(o);
    recent_free(o->refusals);
    mem_free(o);
}
