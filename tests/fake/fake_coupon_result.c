/* Results, status and coming back of waiting lines in memory, by the rules of the scripts in src/store/lua; and what other
 * programs do to a line, or what becomes of Redis. */
#include "base/clock.h"
#include "fake/fake_line.h"

#include <stdlib.h>

#include "store/rebuild.h"

struct result_op {
    struct fake_op op;
    int64_t coupon_id, user_id, result_ttl_ms;
    struct coupon_line_result *results;
    struct coupon_request_row *rows;
    struct rebuild_holder *holders;
    int64_t *ids;
    size_t n;
    int64_t count, late;
    struct coupon_line_status status;
    char *json;         /* or what is logged of a coupon's row */
    void (*done)(void); /* the caller's, cast */
    void *arg;
};

static void op_done(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    for (size_t i = 0; o->results && i < o->n; i++)
        mem_free((void *)(uintptr_t)o->results[i].result_json);
    mem_free(o->results);
    mem_free(o->rows);
    mem_free(o->holders);
    mem_free(o->ids);
    mem_free(o->json);
}

static void plain_answer(struct fake_op *op, const struct error *e)
{
    struct result_op *o = (struct result_op *)op;
    ((store_done_fn *)o->done)(o->arg, e);
}

static struct result_op *op_new(void (*apply)(struct fake_op *op),
                                void (*answer)(struct fake_op *op, const struct error *e), void (*done)(void),
                                void *arg)
{
    struct result_op *o = mem_zalloc(sizeof *o);
    o->op.apply = apply;
    o->op.answer = answer;
    o->op.done = op_done;
    o->done = done;
    o->arg = arg;
    return o;
}

#define DONE(fn) ((void (*)(void))(fn))

static void issue(struct fake_line *l, int64_t user)
{
    map_put(l->issued, user, l);
}

/* --- decisions --- */

static void result_put(struct fake_line *l, const struct coupon_line_result *r, int64_t ttl_ms)
{
    fake_result_remove(l, r->user_id);
    struct fake_result *kept = mem_zalloc(sizeof *kept);
    *kept = (struct fake_result){mem_strdup(r->result_json), r->requested_at_us,
                                 clock_real_us() + ttl_ms * 1000, r->success};
    map_put(l->results, r->user_id, kept);
}

static bool worth_writing(struct fake_line *l, const struct coupon_line_result *r, bool own)
{
    const struct fake_result *old = fake_result_of(l, r->user_id);
    if (own)
        return !old || !old->success;
    return !map_get(l->issued, r->user_id) && (!old || (!old->success && old->at_us <= r->requested_at_us));
}

static void decide(struct fake_line *l, const struct coupon_line_result *r, int64_t ttl_ms)
{
    struct fake_record *record = fake_record_of(l, r->user_id);
    bool own = record && record->at_us == r->requested_at_us;
    if (record && !own && !fake_queue_plain(l, r->user_id) && !record->flies) {
        fake_record_remove(l, r->user_id); /* left from a member that another program took out */
        record = NULL;
    }
    if (r->success || ((own || !record) && worth_writing(l, r, own)))
        result_put(l, r, ttl_ms);
    if (r->success)
        issue(l, r->user_id);
    if (!own)
        return;
    struct fake_entry *e = fake_queue_plain(l, r->user_id);
    if (e) {
        fake_queue_remove(l, e);
        fake_entry_free(e);
    }
    fake_record_remove(l, r->user_id);
}

static void decided_apply(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    for (size_t i = 0; i < o->n; i++)
        decide(fake_line_of(op->store, o->results[i].coupon_id), &o->results[i], o->result_ttl_ms);
    fake_log(op->store, "decided %lld %zu", (long long)o->results[0].coupon_id, o->n);
}

void coupon_line_decided(struct store *s, const struct coupon_line_result *results, size_t n,
                         int64_t result_ttl_ms, int64_t issued_ttl_ms, store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct result_op *o = op_new(decided_apply, plain_answer, DONE(done), arg);
    o->results = mem_dup(results, n * sizeof *results);
    o->n = n;
    o->result_ttl_ms = result_ttl_ms;
    for (size_t i = 0; i < n; i++)
        o->results[i].result_json = mem_strdup(results[i].result_json);
    fake_start(s, FAKE_LINE_DECIDED, &o->op);
}

/* --- status --- */

static void status_apply(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    const struct fake_result *result = fake_result_of(l, o->user_id);
    const struct fake_record *r = fake_record_of(l, o->user_id);
    const struct fake_entry *e = fake_queue_plain(l, o->user_id);
    e = e ? e : fake_queue_quoted(l, o->user_id);
    o->json = result ? mem_strdup(result->json) : NULL;
    o->status = (struct coupon_line_status){
        .result_json = o->json, .whole = !fake_redis_incomplete(op->store), .size = (int64_t)l->queue.n};
    if (o->json && str_starts_with(o->json, "{\"success\":"))
        return;
    o->status.pending = e || (r && r->flies);
    o->status.position = fake_queue_rank(l, e);
    if (o->status.pending && r) {
        o->status.requested_at_us = r->at_us;
        o->status.ticket = r->ticket;
    }
}

typedef void status_fn(void *arg, const struct coupon_line_status *st, const struct error *e);

static void status_answer(struct fake_op *op, const struct error *e)
{
    struct result_op *o = (struct result_op *)op;
    ((status_fn *)o->done)(o->arg, e ? NULL : &o->status, e);
}

void coupon_line_status(struct store *s, int64_t coupon_id, int64_t user_id, status_fn *done, void *arg)
{
    struct result_op *o = op_new(status_apply, status_answer, DONE(done), arg);
    o->coupon_id = coupon_id;
    o->user_id = user_id;
    fake_start(s, FAKE_LINE_STATUS, &o->op);
}

/* Nobody reads it back. */
static void info_apply(struct fake_op *op)
{
    fake_log(op->store, "info %s", ((struct result_op *)op)->json);
}

void coupon_line_info(struct store *s, const struct coupon_row *coupon, store_done_fn *done, void *arg)
{
    struct result_op *o = op_new(info_apply, plain_answer, DONE(done), arg);
    struct buf row = BUF_INIT;
    buf_printf(&row, "%lld %s %lld/%lld", (long long)coupon->id, coupon->status, (long long)coupon->issued,
               (long long)coupon->max_issuance);
    o->json = buf_steal(&row);
    fake_start(s, FAKE_LINE_INFO, &o->op);
}

/* --- coming back --- */

static void restore_apply(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->rows[0].coupon_id);
    for (size_t i = 0; i < o->n; i++) {
        const struct coupon_request_row *row = &o->rows[i];
        struct fake_record *r = fake_record_of(l, row->user_id);
        if (l->ticket >= 0 && row->ticket > l->ticket)
            l->ticket = row->ticket;
        if (row->requested_at_us > l->last_us)
            l->last_us = row->requested_at_us;
        if (r && (r->flies || fake_queue_plain(l, row->user_id)))
            continue;
        r = fake_record_put(l, row->user_id);
        r->state = RECORD_WAITING;
        r->ticket = row->ticket;
        r->at_us = row->requested_at_us;
        fake_queue_add_user(l, (double)row->requested_at_us / 1000000, row->user_id);
        l->listed = true;
        o->count++;
    }
    o->late = op->store->mark.lost ? 0 : o->count;
    fake_log(op->store, "restored %lld %lld", (long long)l->coupon_id, (long long)o->count);
}

typedef void restore_fn(void *arg, int64_t restored, int64_t late, const struct error *e);

static void restore_answer(struct fake_op *op, const struct error *e)
{
    struct result_op *o = (struct result_op *)op;
    ((restore_fn *)o->done)(o->arg, e ? 0 : o->count, e ? 0 : o->late, e);
}

void coupon_line_restore(struct store *s, const struct coupon_request_row *rows, size_t n, int64_t ttl_ms,
                         restore_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct result_op *o = op_new(restore_apply, restore_answer, DONE(done), arg);
    o->rows = mem_dup(rows, n * sizeof *rows);
    o->n = n;
    fake_start(s, FAKE_LINE_RESTORE, &o->op);
}

static void restore_issued_apply(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    for (size_t i = 0; i < o->n; i++)
        issue(fake_line_of(op->store, o->holders[i].coupon_id), o->holders[i].user_id);
}

void coupon_line_restore_issued(struct store *s, const struct rebuild_holder *rows, size_t n, int64_t ttl_ms,
                                store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct result_op *o = op_new(restore_issued_apply, plain_answer, DONE(done), arg);
    o->holders = mem_dup(rows, n * sizeof *rows);
    o->n = n;
    fake_start(s, FAKE_LINE_RESTORE, &o->op);
}

static void remove_apply(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    for (size_t i = 0; i < o->n; i++)
        map_del(fake_line_of(op->store, o->coupon_id)->issued, o->ids[i]);
}

void coupon_line_issued_remove(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                               store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct result_op *o = op_new(remove_apply, plain_answer, DONE(done), arg);
    o->coupon_id = coupon_id;
    o->ids = mem_dup(user_ids, n * sizeof *user_ids);
    o->n = n;
    fake_start(s, FAKE_LINE_RESTORE, &o->op);
}

static void raise_apply(struct fake_op *op)
{
    struct result_op *o = (struct result_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    if (l->ticket >= 0)
        fake_line_floors(op->store, l);
}

void coupon_line_raise(struct store *s, int64_t coupon_id, int64_t ttl_ms, store_done_fn *done, void *arg)
{
    struct result_op *o = op_new(raise_apply, plain_answer, DONE(done), arg);
    o->coupon_id = coupon_id;
    fake_start(s, FAKE_LINE_RESTORE, &o->op);
}

/* --- what others do --- */

void fake_redis_restarted(struct store *s)
{
    s->mark.lost = true;
}

void fake_redis_lost(struct store *s)
{
    fake_redis_restarted(s);
    s->mark.rebuilding.n = 0;
    if (s->free_lines)
        s->free_lines(s);
    if (s->free_ranking)
        s->free_ranking(s);
}

void fake_line_outside_add(struct store *s, int64_t coupon_id, struct slice member, double score)
{
    fake_queue_add(fake_line_of(s, coupon_id), score, member);
}

bool fake_line_outside_remove(struct store *s, int64_t coupon_id, struct slice member)
{
    struct fake_line *l = fake_line_of(s, coupon_id);
    struct fake_entry *e = fake_queue_find(l, member);
    if (!e)
        return false;
    fake_queue_remove(l, e);
    fake_entry_free(e);
    return true;
}

void fake_line_last_score(struct store *s, int64_t coupon_id, int64_t us)
{
    fake_line_of(s, coupon_id)->last_us = us;
}

void fake_line_lease_ends(struct store *s, int64_t coupon_id)
{
    fake_line_of(s, coupon_id)->lease_ends_us = INT64_MIN;
}

int64_t fake_line_epoch(struct store *s, int64_t coupon_id)
{
    return fake_line_of(s, coupon_id)->epoch;
}

size_t fake_line_waiting(struct store *s, int64_t coupon_id)
{
    return fake_line_of(s, coupon_id)->queue.n;
}

size_t fake_line_in_flight(struct store *s, int64_t coupon_id)
{
    return fake_line_of(s, coupon_id)->flying;
}

const char *fake_line_result(struct store *s, int64_t coupon_id, int64_t user_id)
{
    const struct fake_result *r = fake_result_of(fake_line_of(s, coupon_id), user_id);
    return r ? r->json : NULL;
}

bool fake_line_issued(struct store *s, int64_t coupon_id, int64_t user_id)
{
    return map_get(fake_line_of(s, coupon_id)->issued, user_id) != NULL;
}

void fake_line_issue(struct store *s, int64_t coupon_id, int64_t user_id)
{
    issue(fake_line_of(s, coupon_id), user_id);
}
