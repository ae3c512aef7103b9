/* From the waiting line to Kafka: the one drainer of each coupon (contract section 4, steps 2, 3 and 5; guarantees G8).
 *
 *   tick     each interval: which coupons have a line, and what is in it; each minute all coupons are probed for lines filled
 *            from outside. A line is asked for only when there is something to do: members wait, a lease is about to end
 *   turn     so many lines at once; the others stand in a queue, so that ten thousand lines neither flood Redis nor let
 *            each other's calls pass their deadlines
 *   take     lease with an epoch; members move to in-flight as far as the window has room
 *   send     in line order, only while the lease holds by our own clock
 *   report   good: the member is marked published, in batches at the end of the turn
 *            bad or unknown: nothing more is taken; when the last report of the coupon is in, the failed members return to
 *            their old places
 *   recheck  members without a result for too long are published again with the same identity
 *
 * A lost reply of take or put back: wait for the outstanding reports, then begin a new epoch, which returns everything that is
 * not marked published. The same when Redis' data is not whole: nothing is taken before it is. A member that another node took
 * over by then is never touched: every script checks the epoch. */
#include <stdio.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "service/coupon_drain_line.h"
#include "service/coupon_info.h"

LOG_DEFINE(log_drain, "rushd.coupon.drain");

#define LEASE_MS        5000
#define LEASE_MARGIN_MS 1000 /* nothing is produced in the last second of a lease */
#define TAKE_MAX        1000 /* members of one script call: bounds Redis' pause */
#define STALE_MAX       500
#define AGAIN_MS        20 /* while members wait for room in the window */
#define PROBE_MS        60000
#define PROBE_BATCH     200
#define STALE_MS                                                                                             \
    2000 /* between rechecks at least; a sixteenth of recheck_ms when nothing waits for its report */
#define TURNS_MAX      64  /* lines that Redis is asked about at once */
#define RENEW_SLACK_MS 500 /* a lease is renewed when it would not hold until so long after the next tick */
#define STOP_STEP_MS   10
#define SILENCE_MS     1000 /* without a report: the broker is away, nothing more is handed over */

/* The member whose report is awaited: freed by the report. */
struct flight {
    struct line *line;
    struct coupon_line_member member;
};

static const struct metric_def published_def = {.name = "rushd.coupon.published",
                                                .type = METRIC_COUNTER,
                                                .help = "Coupon requests whose delivery report was good."};
static const struct metric_def put_back_def = {
    .name = "rushd.coupon.put.back",
    .type = METRIC_COUNTER,
    .help = "Members returned to their places after a failed publish."};
static const struct metric_def invalid_def = {.name = "rushd.coupon.invalid",
                                              .type = METRIC_COUNTER,
                                              .help = "Members that were no user id, or there twice."};
static const struct metric_def again_def = {.name = "rushd.coupon.republished",
                                            .type = METRIC_COUNTER,
                                            .help = "Members published again for lack of a result."};
static const struct metric_def waiting_def = {.name = "rushd.coupon.waiting",
                                              .type = METRIC_GAUGE,
                                              .help = "Members in the lines that this node drains."};
static const struct metric_def in_flight_def = {
    .name = "rushd.coupon.in.flight",
    .type = METRIC_GAUGE,
    .help = "Members taken or published without a result, of lines that this node drains."};
static const struct metric_def task_def = {
    .name = "tasks.scheduled.execution",
    .type = METRIC_TIMER,
    .help = "Runs of the queue's timer.",
    .labels = {"code.function", "code.namespace", "exception", "outcome"}};

static void line_step(struct line *l);
static void drain_line(struct line *l);
static void turn_over(struct coupon_drain *d);

static void members_add(struct members *list, const struct coupon_line_member *m)
{
    if (list->len == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 64;
        list->m = mem_grow(list->m, list->cap, sizeof *list->m);
    }
    list->m[list->len++] = *m;
}

static bool lease_holds(const struct line *l)
{
    return l->epoch && clock_mono_us() < l->lease_until_us - LEASE_MARGIN_MS * 1000;
}

static size_t unsent(const struct line *l)
{
    return l->to_send.len - l->sent_pos;
}

/* --- sending and reports --- */

static void on_marked(void *arg, const struct error *e)
{
    struct line *l = arg;
    bool again = e && (e->kind == ERROR_RETRIABLE || e->kind == ERROR_UNKNOWN);
    l->mark_running = false;
    if (l->marks.len) /* of reports that came meanwhile */
        loop_defer(l->drain->loop, &l->mark_task);
    if (again) /* marking twice is harmless: try again with the next ones, or at the next tick */
        for (size_t i = 0; i < l->marking.len; i++)
            members_add(&l->marks, &l->marking.m[i]);
    else if (e && e->kind != ERROR_NONE)
        log_error(&log_drain, "members cannot be marked, they will be published again",
                  LOG_I("coupon_id", l->coupon_id), LOG_I("members", l->marking.len), LOG_ERR(e));
    l->marking.len = 0;
    line_step(l);
}

static void mark_published(void *arg)
{
    struct line *l = arg;
    if (l->mark_running || !l->marks.len)
        return;
    FAULT_POINT("coupon-reported");
    struct members empty = l->marking;
    l->marking = l->marks;
    l->marks = empty;
    l->mark_running = true;
    coupon_line_published(l->drain->store, l->coupon_id, l->epoch, l->marking.m, l->marking.len, on_marked,
                          l);
}

static void on_report(void *arg, uint64_t id, enum event_report report, const struct error *e)
{
    struct flight *f = arg;
    struct line *l = f->line;
    l->outstanding--;
    l->heard_us = clock_mono_us();
    if (report == EVENT_DELIVERED) {
        l->published++;
        metric_add(metric_single(&published_def), 1);
        members_add(&l->marks, &f->member);
        loop_defer(l->drain->loop, &l->mark_task);
    } else {
        if (!l->failed.len)
            log_warn(&log_drain, "publishing failed, members return to their places",
                     LOG_I("coupon_id", l->coupon_id), LOG_ERR(e));
        members_add(&l->failed, &f->member);
        l->held = true;
    }
    mem_free(f);
    if (!l->outstanding || l->failed.len)
        line_step(l);
}

static bool send_member(struct line *l, const struct coupon_line_member *m, struct error *e)
{
    struct coupon_drain *d = l->drain;
    l->message.user_id = m->user_id;
    l->message.requested_at_us = m->requested_at_us;
    l->message.ticket = m->ticket;
    buf_clear(&d->value);
    msg_coupon_issue_print(&d->value, &l->message, d->cfg.schema);
    char key[24];
    int n = snprintf(key, sizeof key, "%lld", (long long)l->coupon_id);
    struct flight *f = mem_alloc(sizeof *f);
    *f = (struct flight){l, *m};
    if (d->sink.ops->send(d->sink.self, EVENT_COUPON_ISSUE, (struct slice){key, (size_t)n},
                          buf_slice(&d->value), NULL, 0, on_report, f, 0, e))
        return true;
    mem_free(f);
    return false;
}

/* What was not sent goes the way of what failed. */
static void fail_unsent(struct line *l)
{
    l->held = true;
    for (; l->sent_pos < l->to_send.len; l->sent_pos++)
        members_add(&l->failed, &l->to_send.m[l->sent_pos]);
}

/* Produce in line order. Stops while the sink is full; the timer comes back. */
static void send_members(struct line *l)
{
    struct coupon_drain *d = l->drain;
    while (unsent(l)) {
        struct error e = ERROR_INIT;
        if (!lease_holds(l) || l->failed.len || !d->running) {
            fail_unsent(l);
            break;
        }
        if (d->sink.ops->full(d->sink.self) || !send_member(l, &l->to_send.m[l->sent_pos], &e)) {
            if (e.kind == ERROR_PERMANENT || e.kind == ERROR_BUG) {
                log_error(&log_drain, "member cannot be published", LOG_I("coupon_id", l->coupon_id),
                          LOG_ERR(&e));
                fail_unsent(l);
                break;
            }
            loop_timer_start(l->again, AGAIN_MS);
            return;
        }
        FAULT_POINT("coupon-produced");
        l->sent_pos++;
        if (!l->outstanding++)
            l->heard_us = clock_mono_us();
    }
    l->to_send.len = l->sent_pos = 0;
}

/* --- taking --- */

static bool is_nodata(const struct error *e)
{
    return e && strcmp(e->code, "NODATA") == 0;
}

static void on_taken(void *arg, const struct coupon_line_taken *taken, const struct error *e)
{
    struct line *l = arg;
    l->state = LINE_IDLE;
    turn_over(l->drain);
    if (e && e->kind != ERROR_NONE) {
        l->lost = l->lost || e->kind == ERROR_UNKNOWN || is_nodata(e);
        return;
    }
    if (!taken->owner) {
        l->epoch = 0;
        l->unfinished = false;
        l->waiting = l->in_flight = 0;
        return;
    }
    FAULT_POINT("coupon-taken");
    if (taken->epoch != l->epoch)
        log_info(&log_drain, "draining a coupon", LOG_I("coupon_id", l->coupon_id),
                 LOG_I("epoch", taken->epoch), LOG_I("waiting", taken->waiting),
                 LOG_I("put_back", taken->put_back));
    l->epoch = taken->epoch;
    l->lost = false;
    l->lease_until_us = l->asked_us + LEASE_MS * 1000;
    l->waiting = taken->waiting;
    l->in_flight = taken->in_flight;
    l->unfinished = taken->unfinished;
    if (l->quota > 0)
        l->quota -= (int64_t)taken->n < l->quota ? (int64_t)taken->n : l->quota;
    metric_add(metric_single(&invalid_def), (double)taken->invalid);
    metric_add(metric_single(&put_back_def), (double)taken->put_back);
    if (taken->invalid)
        log_warn(&log_drain, "members of a line were no user ids or there twice: removed",
                 LOG_I("coupon_id", l->coupon_id), LOG_I("members", taken->invalid));
    for (size_t i = 0; i < taken->n; i++)
        members_add(&l->to_send, &taken->members[i]);
    line_step(l);
}

static void take(struct line *l, int64_t limit)
{
    struct coupon_drain *d = l->drain;
    l->state = LINE_TAKING;
    l->asked_us = clock_mono_us();
    const struct coupon_line_take t = {
        .coupon_id = l->coupon_id,
        .owner = d->cfg.node_id,
        .epoch = l->lost ? 0 : l->epoch,
        .window = d->cfg.window,
        .limit = limit,
        .lease_ms = LEASE_MS,
        .ttl_ms = d->cfg.ttl_ms,
    };
    coupon_line_take(d->store, &t, on_taken, l);
}

/* What is handed over while the broker is away times out one after the other, and whatever is delivered behind a failed one is
 * decided before it: the less is under way then, the fewer lose their places. */
static bool reports_are_late(const struct line *l)
{
    return l->outstanding && clock_mono_us() - l->heard_us > SILENCE_MS * 1000;
}

/* A new epoch returns what is not marked as published, so it must not begin while reports are awaited or marks wait. */
static bool may_take(const struct line *l)
{
    bool same_epoch = lease_holds(l) && !l->lost;
    return !unsent(l) && !l->failed.len && !reports_are_late(l) &&
           (same_epoch || !(l->outstanding || l->marks.len || l->mark_running));
}

static void on_coupon(void *arg, const struct coupon_row *row, const struct error *e)
{
    struct line *l = arg;
    l->state = LINE_IDLE;
    bool failed = e && e->kind != ERROR_NONE; /* PostgreSQL is away: nothing could be decided */
    if (failed || !l->drain->running ||
        !may_take(l)) { /* something failed meanwhile, or the lease has ended */
        turn_over(l->drain);
        if (!failed)
            line_step(l);
        return;
    }
    mem_free(l->message.coupon_name);
    l->message = (struct msg_coupon_issue){.coupon_id = l->coupon_id};
    if (row) { /* else: the consumer decides that the coupon does not exist */
        l->message.coupon_name = mem_strdup(row->name);
        l->message.max_issuance_count = row->max_issuance;
        l->message.discount_amount = row->discount;
    }
    take(l, l->quota >= 0 && l->quota < TAKE_MAX ? l->quota : TAKE_MAX);
}

static void on_put_back(void *arg, const struct error *e)
{
    struct line *l = arg;
    l->state = LINE_IDLE;
    if (e && e->kind != ERROR_NONE)
        l->lost = true; /* the next epoch puts back what is not marked */
    else
        metric_add(metric_single(&put_back_def), (double)l->failed.len);
    l->failed.len = 0;
    line_step(l);
}

static void on_stale(void *arg, const struct coupon_line_member *m, size_t n, const struct error *e)
{
    struct line *l = arg;
    l->state = LINE_IDLE;
    turn_over(l->drain);
    if (e && e->kind != ERROR_NONE) {
        l->lost = l->lost || e->kind == ERROR_UNKNOWN;
        return;
    }
    if (n) {
        log_info(&log_drain, "members without a result are published again", LOG_I("coupon_id", l->coupon_id),
                 LOG_I("members", n));
        metric_add(metric_single(&again_def), (double)n);
    }
    for (size_t i = 0; i < n; i++)
        members_add(&l->to_send, &m[i]);
    line_step(l);
    drain_line(l); /* who waits in line does not wait for another tick */
}

static void check_stopped(struct coupon_drain *d);

static void on_released(void *arg, const struct error *e)
{
    struct line *l = arg;
    l->state = LINE_RELEASED;
    l->epoch = 0;
    check_stopped(l->drain);
}

/* Is there a reason to take: room for a quota, members known to wait? */
static bool wants_more(const struct line *l)
{
    return l->drain->running && !l->held && (l->unfinished || (l->waiting > 0 && l->quota != 0));
}

/* Do the next thing of a line that nothing is asked of Redis for. */
static void line_step(struct line *l)
{
    struct coupon_drain *d = l->drain;
    if (l->state != LINE_IDLE)
        return;
    send_members(l);
    if (unsent(l) || l->mark_running)
        return;
    if (l->failed.len) {
        if (l->outstanding)
            return;
        l->state = LINE_PUTTING;
        coupon_line_put_back(d->store, l->coupon_id, l->epoch, l->failed.m, l->failed.len, on_put_back, l);
    } else if (!d->running) {
        if (l->outstanding || l->marks.len)
            return;
        l->state = LINE_RELEASE;
        coupon_line_release(d->store, l->coupon_id, d->cfg.node_id, l->epoch, on_released, l);
    } else if (wants_more(l) && may_take(l) && !loop_timer_running(l->again)) {
        loop_timer_start(l->again, l->in_flight < d->cfg.window ? 1 : AGAIN_MS);
    }
}

/* --- turns --- */

/* Nothing of older epochs, of failures or of lost replies is in the way of a recheck. */
static bool may_recheck(const struct line *l)
{
    return lease_holds(l) && !unsent(l) && !l->failed.len && !l->lost && !reports_are_late(l);
}

/* True when Redis or the cache was asked. What was to be done may have become impossible while the line stood in the queue. */
static bool begin_turn(struct line *l)
{
    struct coupon_drain *d = l->drain;
    switch (l->turn) {
    case TURN_TAKE:
        if (!d->running || !may_take(l))
            return false;
        l->state = LINE_LOOKUP;
        coupon_cache_get(d->cache, l->coupon_id, on_coupon, l);
        return true;
    case TURN_RENEW:
        if (!lease_holds(l) || l->lost)
            return false;
        take(l, 0);
        return true;
    case TURN_STALE:
        if (!may_recheck(l))
            return false;
        l->checked_us = clock_mono_us();
        l->state = LINE_STALE;
        coupon_line_stale(d->store, l->coupon_id, d->cfg.node_id, l->epoch, d->cfg.recheck_ms,
                          d->cfg.lease_ms, STALE_MAX, on_stale, l);
        return true;
    }
    return false;
}

static void next_turns(struct coupon_drain *d)
{
    struct line *l;
    while (d->turns < TURNS_MAX && (l = TAILQ_FIRST(&d->queue))) {
        TAILQ_REMOVE(&d->queue, l, link);
        l->state = LINE_IDLE;
        if (begin_turn(l))
            d->turns++;
        else
            line_step(l);
    }
}

/* A line has its answer, or asks for nothing: the next one. */
static void turn_over(struct coupon_drain *d)
{
    d->turns--;
    next_turns(d);
}

/* A lease that is to be kept does not wait behind those who want one. */
static void ask_for_turn(struct line *l, enum line_turn turn)
{
    l->turn = turn;
    l->state = LINE_QUEUED;
    if (turn == TURN_RENEW)
        TAILQ_INSERT_HEAD(&l->drain->queue, l, link);
    else
        TAILQ_INSERT_TAIL(&l->drain->queue, l, link);
    next_turns(l->drain);
}

/* Ask for members now, unless reports or failures stand in the way. */
static void drain_line(struct line *l)
{
    if (l->drain->running && l->state == LINE_IDLE && may_take(l))
        ask_for_turn(l, TURN_TAKE);
}

static void on_again(void *arg)
{
    struct line *l = arg;
    if (wants_more(l))
        drain_line(l); /* when that fails the next tick asks again */
    line_step(l);
}

/* --- the timer --- */

static struct line *line_get(struct coupon_drain *d, int64_t coupon_id)
{
    struct line *l = map_get(d->lines, coupon_id);
    if (l)
        return l;
    l = mem_zalloc(sizeof *l);
    l->drain = d;
    l->coupon_id = coupon_id;
    l->checked_us = clock_mono_us();
    l->again = loop_timer_new(d->loop, on_again, l);
    l->mark_task = (struct loop_task){.run = mark_published, .arg = l};
    map_put(d->lines, coupon_id, l);
    return l;
}

static void line_free(struct line *l)
{
    loop_timer_free(l->again);
    loop_defer_cancel(l->drain->loop, &l->mark_task);
    mem_free(l->to_send.m);
    mem_free(l->marks.m);
    mem_free(l->marking.m);
    mem_free(l->failed.m);
    mem_free(l->message.coupon_name);
    mem_free(l);
}

static bool line_busy(const struct line *l)
{
    return (l->state != LINE_IDLE && l->state != LINE_RELEASED) || unsent(l) || l->outstanding ||
           l->marks.len || l->mark_running || l->failed.len;
}

static bool recheck_due(const struct line *l)
{
    int64_t rest = l->drain->cfg.recheck_ms / 16, after = l->taken || rest < STALE_MS ? STALE_MS : rest;
    return l->in_flight && may_recheck(l) && clock_mono_us() - l->checked_us > after * 1000;
}

/* Is there something that only the next tick would see to? A lease that is not ours, or lost, is asked for at each tick. */
static bool take_due(const struct line *l)
{
    return l->waiting > 0 || l->unfinished || l->lost || !lease_holds(l);
}

/* Who is in flight needs somebody to recheck, and his report a lease that still holds. */
static bool renewal_due(const struct line *l)
{
    int64_t until = clock_mono_us() + (l->drain->cfg.interval_ms + RENEW_SLACK_MS + LEASE_MARGIN_MS) * 1000;
    return lease_holds(l) && !l->lost && l->lease_until_us < until;
}

static void measure_rate(struct line *l)
{
    l->rate = 0.7 * l->rate + 0.3 * (double)l->published * 1000 / (double)l->drain->cfg.interval_ms;
    l->published = 0;
}

static void tick_line(struct line *l)
{
    struct coupon_drain *d = l->drain;
    measure_rate(l);
    l->held = l->failed.len > 0;
    l->quota = d->cfg.drain_per_tick ? d->cfg.drain_per_tick : -1;
    if (l->state == LINE_RELEASED) /* the node drained, paused, and drains again */
        l->state = LINE_IDLE;
    if (l->marks.len)
        mark_published(l);
    line_step(l);
    if (l->state != LINE_IDLE)
        return;
    if (recheck_due(l))
        ask_for_turn(l, TURN_STALE);
    else if (take_due(l) && may_take(l))
        drain_line(l);
    else if (renewal_due(l))
        ask_for_turn(l, TURN_RENEW);
}

static void observe_tick(struct coupon_drain *d, bool ok)
{
    const char *labels[] = {"processCouponQueue", "rushd.coupon.drain", ok ? "none" : "store",
                            ok ? "SUCCESS" : "ERROR"};
    metric_observe_us(metric_series(metric_register(&task_def), labels),
                      clock_mono_us() - d->tick_started_us);
}

/* With everything else in Redis: what is outstanding comes in before a new epoch begins. */
static void leases_are_lost(struct coupon_drain *d)
{
    int64_t id;
    void *value;
    size_t pos = 0;
    while (map_next(d->lines, &pos, &id, &value))
        ((struct line *)value)->lost = true;
}

static void tick_page(struct coupon_drain *d, const struct coupon_line_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        const struct coupon_line_state *found = &page->lines[i];
        struct line *l = line_get(d, found->coupon_id);
        if (l->listed == d->lists)
            continue;
        l->listed = d->lists;
        l->waiting = found->waiting;
        l->taken = found->taken;
        l->in_flight = found->in_flight;
        tick_line(l);
    }
}

/* Those that have no line, and what all of them hold. */
static void tick_others(struct coupon_drain *d)
{
    int64_t id, waiting = 0, in_flight = 0;
    void *value;
    size_t pos = 0;
    while (map_next(d->lines, &pos, &id, &value)) {
        struct line *l = value;
        if (l->listed == d->lists) {
            /* it had its tick */
        } else if (line_busy(l)) {
            tick_line(l);
        } else if (lease_holds(l)) { /* who comes next needs no new epoch */
            l->waiting = l->in_flight = 0;
            measure_rate(l);
        } else {
            map_del(d->lines, id);
            line_free(l);
            continue;
        }
        waiting += l->epoch ? l->waiting : 0;
        in_flight += l->epoch ? l->in_flight : 0;
    }
    metric_set(metric_single(&waiting_def), (double)waiting);
    metric_set(metric_single(&in_flight_def), (double)in_flight);
}

static void on_lines(void *arg, const struct coupon_line_page *page, const struct error *e)
{
    struct coupon_drain *d = arg;
    bool failed = e && e->kind != ERROR_NONE;
    if (is_nodata(e))
        leases_are_lost(d);
    if (d->running && !failed) {
        tick_page(d, page);
        if (page->next) {
            coupon_line_list(d->store, page->next, on_lines, d);
            return;
        }
        tick_others(d);
    }
    d->listing = false;
    observe_tick(d, !failed);
}

static void on_probed(void *arg, const struct error *e)
{
    struct coupon_drain *d = arg;
    if (e && e->kind != ERROR_NONE)
        d->probed_us = 0; /* again at the next tick */
}

/* Lines that other programs fill are found by asking for each coupon. */
static void probe(struct coupon_drain *d)
{
    size_t n;
    const struct coupon_row *rows = coupon_cache_all(d->cache, &n);
    if (!n || (d->probed_us && clock_mono_us() - d->probed_us < PROBE_MS * 1000))
        return;
    d->probed_us = clock_mono_us();
    int64_t ids[PROBE_BATCH];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        ids[len++] = rows[i].id;
        if (len == PROBE_BATCH || i + 1 == n) {
            coupon_line_probe(d->store, ids, len, on_probed, d);
            len = 0;
        }
    }
}

static void on_tick(void *arg)
{
    struct coupon_drain *d = arg;
    if (!d->running || d->listing)
        return;
    d->tick_started_us = clock_mono_us();
    probe(d);
    d->listing = true;
    d->lists++;
    coupon_line_list(d->store, 0, on_lines, d);
}

/* --- life --- */

void coupon_drain_run(struct coupon_drain *d, bool run)
{
    d->running = run;
    coupon_info_run(d->info, run);
    if (run && !loop_timer_running(d->tick))
        loop_timer_every(d->tick, d->cfg.interval_ms);
    else if (!run)
        loop_timer_stop(d->tick);
}

double coupon_drain_rate(const struct coupon_drain *d, int64_t coupon_id)
{
    const struct line *l = map_get(d->lines, coupon_id);
    return l ? l->rate : 0;
}

static void report_stopped(struct coupon_drain *d)
{
    void (*stopped)(void *arg) = d->stopped;
    d->stopped = NULL;
    loop_timer_stop(d->stop_timer);
    loop_timer_stop(d->stop_tick);
    if (stopped)
        stopped(d->stopped_arg);
}

static void check_stopped(struct coupon_drain *d)
{
    if (!d->stopped || d->listing)
        return;
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(d->lines, &pos, &id, &value)) {
        const struct line *l = value;
        if (l->state != LINE_RELEASED && (l->epoch || line_busy(l)))
            return;
    }
    report_stopped(d);
}

/* Lines are stepped until all have given their lease up: reports and replies come in meanwhile. */
static void on_stop_tick(void *arg)
{
    struct coupon_drain *d = arg;
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(d->lines, &pos, &id, &value)) {
        struct line *l = value;
        if (l->marks.len)
            mark_published(l);
        if (l->epoch || line_busy(l))
            line_step(l);
    }
    check_stopped(d);
}

static void on_stop_deadline(void *arg)
{
    struct coupon_drain *d = arg;
    log_warn(&log_drain, "stop does not wait longer for reports; the next owner puts the members back");
    report_stopped(d);
}

struct coupon_drain *coupon_drain_new(struct loop *l, struct store *s, struct coupon_cache *cache,
                                      struct event_sink sink, const struct coupon_config *cfg)
{
    struct coupon_drain *d = mem_zalloc(sizeof *d);
    d->loop = l;
    d->store = s;
    d->cache = cache;
    d->sink = sink;
    d->cfg = *cfg;
    d->lines = map_new();
    TAILQ_INIT(&d->queue);
    d->info = coupon_info_new(l, s, cache);
    d->tick = loop_timer_new(l, on_tick, d);
    d->stop_tick = loop_timer_new(l, on_stop_tick, d);
    d->stop_timer = loop_timer_new(l, on_stop_deadline, d);
    return d;
}

void coupon_drain_stop(struct coupon_drain *d, int64_t deadline_ms, void (*stopped)(void *arg), void *arg)
{
    coupon_drain_run(d, false);
    d->stopped = stopped;
    d->stopped_arg = arg;
    loop_timer_start(d->stop_timer, deadline_ms);
    loop_timer_every(d->stop_tick, STOP_STEP_MS);
}

void coupon_drain_free(struct coupon_drain *d)
{
    if (!d)
        return;
    coupon_info_free(d->info);
    loop_timer_free(d->tick);
    loop_timer_free(d->stop_tick);
    loop_timer_free(d->stop_timer);
    size_t pos = 0;
    int64_t id;
    void *value;
    while (map_next(d->lines, &pos, &id, &value))
        line_free(value);
    map_free(d->lines);
    buf_free(&d->value);
    mem_free(d);
}
