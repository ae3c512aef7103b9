/* The outbox on the rows of struct store. */
#include "store/outbox.h"

#include <stdlib.h>

#include "base/clock.h"
#include "fake/fake_store.h"

static struct fake_outbox *find(struct store *s, int64_t order_id)
{
    for (size_t i = 0; i < s->outbox.n; i++)
        if (s->outbox.at[i].order_id == order_id)
            return &s->outbox.at[i];
    return NULL;
}

typedef void claim_fn(void *arg, const struct outbox_row *rows, size_t n, const struct error *e);

struct claim_op {
    struct fake_op op;
    size_t orders;
    int64_t base_ms, max_ms;
    int64_t *skip;
    size_t nskip;
    claim_fn *done;
    void *arg;
    struct outbox_row *rows;
    size_t n;
};

static bool skipped(const struct claim_op *o, int64_t id)
{
    for (size_t i = 0; i < o->nskip; i++)
        if (o->skip[i] == id)
            return true;
    return false;
}

static void claim_apply(struct fake_op *op)
{
    struct claim_op *o = (struct claim_op *)op;
    struct store *s = op->store;
    int64_t now = clock_real_us();
    o->rows = mem_array(s->outbox.n, sizeof *o->rows);
    size_t orders = 0;
    for (size_t i = 0; i < s->outbox.n && orders < o->orders; i++) {
        struct fake_outbox *row = &s->outbox.at[i];
        if (row->parked || row->available_us > now || skipped(o, row->order_id))
            continue;
        int64_t pause_ms = row->attempts < 20 ? o->base_ms << row->attempts : o->max_ms;
        row->available_us = now + (pause_ms < o->max_ms ? pause_ms : o->max_ms) * 1000;
        row->attempts++;
        o->rows[o->n++] = (struct outbox_row){row->order_id,        row->orders,   row->payload,
                                              strlen(row->payload), row->attempts, row->published};
        orders += row->orders;
    }
}

static void claim_answer(struct fake_op *op, const struct error *e)
{
    struct claim_op *o = (struct claim_op *)op;
    o->done(o->arg, o->rows, e ? 0 : o->n, e);
}

static void claim_done(struct fake_op *op)
{
    struct claim_op *o = (struct claim_op *)op;
    mem_free(o->skip);
    mem_free(o->rows);
}

void outbox_claim(struct store *s, size_t orders, int64_t base_ms, int64_t max_ms, const int64_t *skip,
                  size_t nskip, claim_fn *done, void *arg)
{
    struct claim_op *o = mem_zalloc(sizeof *o);
    for (size_t i = 1; i < nskip; i++)
        ASSERT(skip[i - 1] <= skip[i]);
    *o = (struct claim_op){.op = {.apply = claim_apply, .answer = claim_answer, .done = claim_done},
                           .orders = orders,
                           .base_ms = base_ms,
                           .max_ms = max_ms,
                           .skip = mem_dup(skip, nskip * sizeof *skip),
                           .nskip = nskip,
                           .done = done,
                           .arg = arg};
    fake_start(s, FAKE_OUTBOX_CLAIM, &o->op);
}

struct change_op {
    struct fake_op op;
    int64_t *ids;
    size_t n;
    int published;
    char *reason;
    store_done_fn *done;
    void *arg;
};

static void change_answer(struct fake_op *op, const struct error *e)
{
    struct change_op *o = (struct change_op *)op;
    o->done(o->arg, e);
}

static void change_done(struct fake_op *op)
{
    struct change_op *o = (struct change_op *)op;
    mem_free(o->ids);
    mem_free(o->reason);
}

static struct change_op *change_new(const int64_t *ids, size_t n, void (*apply)(struct fake_op *op),
                                    store_done_fn *done, void *arg)
{
    struct change_op *o = mem_zalloc(sizeof *o);
    *o = (struct change_op){.op = {.apply = apply, .answer = change_answer, .done = change_done},
                            .ids = mem_dup(ids, n * sizeof *ids),
                            .n = n,
                            .done = done,
                            .arg = arg};
    return o;
}

static void delete_apply(struct fake_op *op)
{
    struct change_op *o = (struct change_op *)op;
    struct store *s = op->store;
    for (size_t i = 0; i < o->n; i++) {
        struct fake_outbox *row = find(s, o->ids[i]);
        if (row)
            FAKE_REMOVE(&s->outbox, row - s->outbox.at);
    }
    fake_log(s, "outbox delete %zu", o->n);
}

void outbox_delete(struct store *s, const int64_t *order_ids, size_t n, store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    fake_start(s, FAKE_OUTBOX_DELETE, &change_new(order_ids, n, delete_apply, done, arg)->op);
}

static void mark_apply(struct fake_op *op)
{
    struct change_op *o = (struct change_op *)op;
    struct fake_outbox *row = find(op->store, o->ids[0]);
    if (row)
        row->published |= o->published;
    fake_log(op->store, "outbox mark %lld %d", (long long)o->ids[0], o->published);
}

void outbox_mark(struct store *s, int64_t order_id, int published, store_done_fn *done, void *arg)
{
    struct change_op *o = change_new(&order_id, 1, mark_apply, done, arg);
    o->published = published;
    fake_start(s, FAKE_OUTBOX_MARK, &o->op);
}

static void park_apply(struct fake_op *op)
{
    struct change_op *o = (struct change_op *)op;
    struct fake_outbox *row = find(op->store, o->ids[0]);
    const char *reason = fake_text(op->store, o->reason);
    if (row)
        row->parked = reason;
}

void outbox_park(struct store *s, int64_t order_id, const char *reason, store_done_fn *done, void *arg)
{
    struct change_op *o = change_new(&order_id, 1, park_apply, done, arg);
    o->reason = mem_strdup(reason);
    fake_start(s, FAKE_OUTBOX_PARK, &o->op);
}

struct state_op {
    struct fake_op op;
    void (*done)(void *arg, const struct outbox_state *st, const struct error *e);
    void *arg;
};

static void state_answer(struct fake_op *op, const struct error *e)
{
    struct state_op *o = (struct state_op *)op;
    struct store *s = op->store;
    struct outbox_state st = {.rows = (int64_t)s->outbox.n};
    for (size_t i = 0; i < s->outbox.n; i++) {
        st.parked += s->outbox.at[i].parked != NULL;
        if (!st.oldest_us || s->outbox.at[i].created_us < st.oldest_us)
            st.oldest_us = s->outbox.at[i].created_us;
    }
    o->done(o->arg, e ? NULL : &st, e);
}

void outbox_read_state(struct store *s,
                       void (*done)(void *arg, const struct outbox_state *st, const struct error *e),
                       void *arg)
{
    struct state_op *o = mem_zalloc(sizeof *o);
    *o = (struct state_op){{.answer = state_answer}, done, arg};
    fake_start(s, FAKE_OUTBOX_STATE, &o->op);
}
