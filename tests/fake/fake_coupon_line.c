/* Waiting lines in memory: accepting and draining of coupon_line.h, by the rules of the scripts in src/store/lua.
 *
 * Redis' clock is clock_real_us(). Other programs add and remove members through fake_line_outside_add() and its kin. */
#include "base/clock.h"
#include "fake/fake_line.h"

#include <stdio.h>
#include <stdlib.h>

#define MOVE_MAX  500 /* members that one call moves */
#define LIST_PAGE 200 /* lines of one call */

/* --- calls --- */

struct line_op {
    struct fake_op op;
    int64_t coupon_id, user_id, at_us, epoch, max_waiting, recheck_ms, lease_ms;
    bool acceptable, removed;
    char *owner;
    size_t limit;
    struct coupon_line_take how;
    struct coupon_line_member *members; /* handed in, or found */
    int64_t *ids;                       /* the same */
    struct coupon_line_state *lines;    /* found, a page */
    uint64_t next;                      /* behind it */
    size_t n;
    struct coupon_line_ticket ticket;
    struct coupon_line_taken taken;
    const struct error *incomplete; /* found when it was applied */
    void (*done)(void);             /* the caller's, cast */
    void *arg;
};

static void op_done(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    mem_free(o->owner);
    mem_free(o->members);
    mem_free(o->ids);
    mem_free(o->lines);
}

/* For calls whose answer is only that they happened. */
static void plain_answer(struct fake_op *op, const struct error *e)
{
    struct line_op *o = (struct line_op *)op;
    ((store_done_fn *)o->done)(o->arg, e);
}

static struct line_op *op_new(int64_t coupon_id, void (*apply)(struct fake_op *op),
                              void (*answer)(struct fake_op *op, const struct error *e), void (*done)(void),
                              void *arg)
{
    struct line_op *o = mem_zalloc(sizeof *o);
    o->op.apply = apply;
    o->op.answer = answer;
    o->op.done = op_done;
    o->coupon_id = coupon_id;
    o->done = done;
    o->arg = arg;
    return o;
}

#define DONE(fn) ((void (*)(void))(fn))

/* The record when it is that of this request, taken by this epoch. */
static struct fake_record *record_taken(const struct fake_line *l, const struct coupon_line_member *m,
                                        int64_t epoch)
{
    struct fake_record *r = fake_record_of(l, m->user_id);
    return r && r->flies && r->state == RECORD_TAKEN && r->at_us == m->requested_at_us && r->epoch == epoch
               ? r
               : NULL;
}

/* --- accept --- */

static int64_t next_instant(struct fake_line *l)
{
    int64_t now = clock_real_us();
    l->last_us = now > l->last_us ? now : l->last_us + 1;
    return l->last_us;
}

static enum coupon_line_answer refusal(const struct fake_line *l, const struct line_op *o)
{
    if (map_get(l->issued, o->user_id))
        return COUPON_LINE_ISSUED;
    if (!o->acceptable)
        return COUPON_LINE_REFUSED;
    if (fake_line_has(l, o->user_id))
        return COUPON_LINE_PENDING;
    return (int64_t)l->queue.n >= o->max_waiting ? COUPON_LINE_FULL : COUPON_LINE_ACCEPTED;
}

static void add_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    o->incomplete = fake_redis_incomplete(op->store);
    if (o->incomplete)
        return;
    o->ticket.answer = refusal(l, o);
    o->ticket.holders_known = o->ticket.answer == COUPON_LINE_REFUSED && map_len(l->issued) > 0;
    if (o->ticket.answer == COUPON_LINE_FULL)
        o->ticket.size = (int64_t)l->queue.n;
    if (o->ticket.answer != COUPON_LINE_ACCEPTED)
        return;
    if (l->ticket < 0) {
        l->ticket = 0;
        fake_line_floors(op->store, l);
    }
    struct fake_record *r = fake_record_put(l, o->user_id);
    r->ticket = ++l->ticket;
    r->at_us = next_instant(l);
    r->state = RECORD_WAITING;
    fake_queue_add_user(l, (double)r->at_us / 1000000, o->user_id);
    fake_result_remove(l, o->user_id);
    l->listed = true;
    o->ticket.ticket = r->ticket;
    o->ticket.requested_at_us = r->at_us;
    o->ticket.position = fake_queue_rank(l, fake_queue_plain(l, o->user_id));
    o->ticket.size = (int64_t)l->queue.n;
    o->ticket.generation = fake_redis_generation(op->store);
    fake_log(op->store, "add %lld user %lld ticket %lld", (long long)l->coupon_id, (long long)o->user_id,
             (long long)r->ticket);
}

typedef void add_fn(void *arg, const struct coupon_line_ticket *t, const struct error *e);

static void add_answer(struct fake_op *op, const struct error *e)
{
    struct line_op *o = (struct line_op *)op;
    e = e ? e : o->incomplete;
    ((add_fn *)o->done)(o->arg, e ? NULL : &o->ticket, e);
}

void coupon_line_add(struct store *s, int64_t coupon_id, int64_t user_id, bool acceptable,
                     int64_t max_waiting, int64_t ttl_ms, add_fn *done, void *arg)
{
    struct line_op *o = op_new(coupon_id, add_apply, add_answer, DONE(done), arg);
    o->user_id = user_id;
    o->acceptable = acceptable;
    o->max_waiting = max_waiting;
    fake_start(s, FAKE_LINE_ADD, &o->op);
}

static void cancel_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    struct fake_record *r = fake_record_of(l, o->user_id);
    struct fake_entry *e = fake_queue_plain(l, o->user_id);
    if (!r || !e || r->state != RECORD_WAITING || r->at_us != o->at_us)
        return;
    fake_queue_remove(l, e);
    fake_entry_free(e);
    l->ticket -= l->ticket == r->ticket;
    fake_record_remove(l, o->user_id);
    o->removed = true;
    fake_log(op->store, "cancel %lld user %lld", (long long)l->coupon_id, (long long)o->user_id);
}

typedef void cancel_fn(void *arg, bool removed, const struct error *e);

static void cancel_answer(struct fake_op *op, const struct error *e)
{
    struct line_op *o = (struct line_op *)op;
    ((cancel_fn *)o->done)(o->arg, !e && o->removed, e);
}

void coupon_line_cancel(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                        cancel_fn *done, void *arg)
{
    struct line_op *o = op_new(coupon_id, cancel_apply, cancel_answer, DONE(done), arg);
    o->user_id = user_id;
    o->at_us = requested_at_us;
    fake_start(s, FAKE_LINE_CANCEL, &o->op);
}

/* --- drain --- */

static int64_t taken_of(const struct fake_line *l)
{
    int64_t n = 0, user;
    void *value;
    for (size_t pos = 0; map_next(l->records, &pos, &user, &value);) {
        const struct fake_record *r = value;
        n += r->flies && r->state == RECORD_TAKEN;
    }
    return n;
}

static void list_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_lines *all = fake_lines_of(op->store);
    o->incomplete = fake_redis_incomplete(op->store);
    if (o->incomplete)
        return;
    o->lines = mem_array(LIST_PAGE, sizeof *o->lines);
    size_t i = o->limit;
    for (; i < all->at.n && i < o->limit + LIST_PAGE; i++) {
        struct fake_line *l = all->at.at[i];
        l->listed = l->listed && fake_line_busy(l);
        if (l->listed)
            o->lines[o->n++] = (struct coupon_line_state){l->coupon_id, (int64_t)l->queue.n, taken_of(l),
                                                          (int64_t)l->flying};
    }
    o->next = i < all->at.n ? i : 0;
}

typedef void list_fn(void *arg, const struct coupon_line_page *page, const struct error *e);

static void list_answer(struct fake_op *op, const struct error *e)
{
    struct line_op *o = (struct line_op *)op;
    e = e ? e : o->incomplete;
    const struct coupon_line_page page = {e ? NULL : o->lines, e ? 0 : o->n, e ? 0 : o->next};
    ((list_fn *)o->done)(o->arg, &page, e);
}

/* From: the place among all lines. */
void coupon_line_list(struct store *s, uint64_t from, list_fn *done, void *arg)
{
    struct line_op *o = op_new(0, list_apply, list_answer, DONE(done), arg);
    o->limit = (size_t)from;
    fake_start(s, FAKE_LINE_LIST, &o->op);
}

static void probe_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    for (size_t i = 0; i < o->n; i++) {
        struct fake_line *l = fake_line_of(op->store, o->ids[i]);
        l->listed = l->listed || fake_line_busy(l);
    }
}

void coupon_line_probe(struct store *s, const int64_t *coupon_ids, size_t n, store_done_fn *done, void *arg)
{
    struct line_op *o = op_new(0, probe_apply, plain_answer, DONE(done), arg);
    o->ids = mem_dup(coupon_ids, n * sizeof *coupon_ids);
    o->n = n;
    fake_start(s, FAKE_LINE_PROBE, &o->op);
}

static bool is_older(const struct fake_record *r, int64_t epoch)
{
    return r->flies && r->state == RECORD_TAKEN && r->epoch != epoch;
}

static bool older_left(const struct fake_line *l, int64_t epoch)
{
    size_t pos = 0;
    void *value;
    while (map_next(l->records, &pos, NULL, &value))
        if (is_older(value, epoch))
            return true;
    return false;
}

static int64_t put_back_some(struct fake_line *l, int64_t epoch)
{
    size_t pos = 0;
    void *value;
    int64_t n = 0;
    while (n < MOVE_MAX && map_next(l->records, &pos, NULL, &value))
        if (is_older(value, epoch)) {
            fake_record_return(l, value);
            n++;
        }
    return n;
}

/* False when another node has the lease. */
static bool lease(struct fake_line *l, const struct coupon_line_take *how, const char *owner)
{
    bool held = l->owner && clock_mono_us() < l->lease_ends_us;
    if (held && strcmp(l->owner, owner) != 0)
        return false;
    if (!held || l->owner_epoch != how->epoch)
        l->owner_epoch = l->epoch = (l->epoch ? l->epoch : clock_real_us() / 1000000) + 1;
    mem_free(l->owner);
    l->owner = mem_strdup(owner);
    l->lease_ends_us = clock_mono_us() + how->lease_ms * 1000;
    return true;
}

/* Take the first in line, which may turn out to be nothing or nobody new. */
static bool take_first(struct fake_line *l, struct coupon_line_member *m)
{
    struct fake_entry *e = l->queue.at[0];
    fake_queue_remove(l, e);
    struct fake_record *r = e->user ? fake_record_of(l, e->user) : NULL;
    bool twice = r && (r->state == RECORD_WAITING ? !e->plain && fake_queue_plain(l, e->user) : r->flies);
    bool good = e->user && !twice;
    if (good) {
        if (!r) {
            r = fake_record_put(l, e->user);
            r->at_us = next_instant(l);
        }
        fake_record_take(l, r, e->score, l->epoch);
        *m = (struct coupon_line_member){r->user, r->at_us, r->ticket};
    }
    fake_entry_free(e);
    return good;
}

static void take_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    struct coupon_line_taken *t = &o->taken;
    o->incomplete = fake_redis_incomplete(op->store);
    if (o->incomplete || !lease(l, &o->how, o->owner))
        return;
    if (older_left(l, l->epoch))
        t->put_back = put_back_some(l, l->epoch);
    t->unfinished = older_left(l, l->epoch);
    int64_t room = o->how.window - (int64_t)l->flying;
    room = room < o->how.limit ? room : o->how.limit;
    room = room < MOVE_MAX ? room : MOVE_MAX;
    o->members = mem_array(MOVE_MAX, sizeof *o->members);
    for (; room > 0 && l->queue.n && !t->unfinished; room--) {
        if (take_first(l, &o->members[t->n]))
            t->n++;
        else
            t->invalid++;
    }
    t->owner = true;
    t->epoch = l->epoch;
    t->members = o->members;
    t->waiting = (int64_t)l->queue.n;
    t->in_flight = (int64_t)l->flying;
    l->listed = fake_line_busy(l);
    if (t->n)
        fake_log(op->store, "take %lld %zu", (long long)l->coupon_id, t->n);
}

typedef void take_fn(void *arg, const struct coupon_line_taken *taken, const struct error *e);

static void take_answer(struct fake_op *op, const struct error *e)
{
    struct line_op *o = (struct line_op *)op;
    e = e ? e : o->incomplete;
    ((take_fn *)o->done)(o->arg, e ? NULL : &o->taken, e);
}

void coupon_line_take(struct store *s, const struct coupon_line_take *t, take_fn *done, void *arg)
{
    struct line_op *o = op_new(t->coupon_id, take_apply, take_answer, DONE(done), arg);
    o->how = *t;
    o->owner = mem_strdup(t->owner);
    fake_start(s, FAKE_LINE_TAKE, &o->op);
}

static struct line_op *members_op(int64_t coupon_id, int64_t epoch, const struct coupon_line_member *m,
                                  size_t n, void (*apply)(struct fake_op *op), store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct line_op *o = op_new(coupon_id, apply, plain_answer, DONE(done), arg);
    o->epoch = epoch;
    o->members = mem_dup(m, n * sizeof *m);
    o->n = n;
    return o;
}

static void published_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    size_t marked = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct fake_record *r = record_taken(l, &o->members[i], o->epoch);
        if (!r)
            continue;
        r->state = RECORD_PUBLISHED;
        r->since_ms = fake_line_now_ms();
        marked++;
    }
    fake_log(op->store, "published %lld %zu", (long long)l->coupon_id, marked);
}

void coupon_line_published(struct store *s, int64_t coupon_id, int64_t epoch,
                           const struct coupon_line_member *m, size_t n, store_done_fn *done, void *arg)
{
    struct line_op *o = members_op(coupon_id, epoch, m, n, published_apply, done, arg);
    fake_start(s, FAKE_LINE_PUBLISHED, &o->op);
}

static void put_back_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    size_t back = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct fake_record *r = record_taken(l, &o->members[i], o->epoch);
        if (!r)
            continue;
        fake_record_return(l, r);
        l->listed = true;
        back++;
    }
    fake_log(op->store, "put back %lld %zu", (long long)l->coupon_id, back);
}

void coupon_line_put_back(struct store *s, int64_t coupon_id, int64_t epoch,
                          const struct coupon_line_member *m, size_t n, store_done_fn *done, void *arg)
{
    struct line_op *o = members_op(coupon_id, epoch, m, n, put_back_apply, done, arg);
    fake_start(s, FAKE_LINE_PUT_BACK, &o->op);
}

/* The holder of the lease, by name and epoch. */
static bool holds(const struct fake_line *l, const char *owner, int64_t epoch)
{
    return l->owner && clock_mono_us() < l->lease_ends_us && strcmp(l->owner, owner) == 0 &&
           l->owner_epoch == epoch;
}

static int compare_text(int64_t a, int64_t b)
{
    char x[24], y[24];
    snprintf(x, sizeof x, "%lld", (long long)a);
    snprintf(y, sizeof y, "%lld", (long long)b);
    return strcmp(x, y);
}

static int by_age(const void *x, const void *y)
{
    const struct fake_record *a = *(struct fake_record *const *)x, *b = *(struct fake_record *const *)y;
    if (a->state != b->state)
        return a->state == RECORD_PUBLISHED ? -1 : 1;
    if (a->since_ms != b->since_ms)
        return a->since_ms < b->since_ms ? -1 : 1;
    return compare_text(a->user, b->user);
}

static int by_score(const void *x, const void *y)
{
    const struct fake_record *a = *(struct fake_record *const *)x, *b = *(struct fake_record *const *)y;
    return a->score != b->score ? (a->score < b->score ? -1 : 1) : compare_text(a->user, b->user);
}

static void stale_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    if (!holds(l, o->owner, o->epoch) || older_left(l, o->epoch))
        return;
    struct fake_record **found = mem_array(l->flying, sizeof *found);
    size_t n = 0, pos = 0;
    void *value;
    while (map_next(l->records, &pos, NULL, &value)) {
        struct fake_record *r = value;
        int64_t age = fake_line_now_ms() - r->since_ms;
        int64_t most = r->state == RECORD_PUBLISHED ? o->recheck_ms : o->lease_ms;
        if (r->flies && (age > most || age < -1000))
            found[n++] = r;
    }
    qsort(found, n, sizeof *found, by_age);
    n = n < o->limit ? n : o->limit;
    n = n < MOVE_MAX ? n : MOVE_MAX;
    qsort(found, n, sizeof *found, by_score);
    o->members = mem_array(n, sizeof *o->members);
    for (size_t i = 0; i < n; i++) {
        fake_record_take(l, found[i], found[i]->score, o->epoch);
        o->members[i] = (struct coupon_line_member){found[i]->user, found[i]->at_us, found[i]->ticket};
    }
    o->n = n;
    mem_free(found);
}

typedef void stale_fn(void *arg, const struct coupon_line_member *m, size_t n, const struct error *e);

static void stale_answer(struct fake_op *op, const struct error *e)
{
    struct line_op *o = (struct line_op *)op;
    ((stale_fn *)o->done)(o->arg, e ? NULL : o->members, e ? 0 : o->n, e);
}

void coupon_line_stale(struct store *s, int64_t coupon_id, const char *owner, int64_t epoch,
                       int64_t recheck_ms, int64_t lease_ms, size_t limit, stale_fn *done, void *arg)
{
    struct line_op *o = op_new(coupon_id, stale_apply, stale_answer, DONE(done), arg);
    o->owner = mem_strdup(owner);
    o->epoch = epoch;
    o->recheck_ms = recheck_ms;
    o->lease_ms = lease_ms;
    o->limit = limit;
    fake_start(s, FAKE_LINE_STALE, &o->op);
}

static void release_apply(struct fake_op *op)
{
    struct line_op *o = (struct line_op *)op;
    struct fake_line *l = fake_line_of(op->store, o->coupon_id);
    if (!holds(l, o->owner, o->epoch))
        return;
    mem_free(l->owner);
    l->owner = NULL;
    fake_log(op->store, "release %lld", (long long)l->coupon_id);
}

void coupon_line_release(struct store *s, int64_t coupon_id, const char *owner, int64_t epoch,
                         store_done_fn *done, void *arg)
{
    struct line_op *o = op_new(coupon_id, release_apply, plain_answer, DONE(done), arg);
    o->owner = mem_strdup(owner);
    o->epoch = epoch;
    fake_start(s, FAKE_LINE_RELEASE, &o->op);
}
