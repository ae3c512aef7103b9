/* Forwarded documents and dead letters on the rows of struct store. */
#include "store/dead_letter.h"
#include "store/journal.h"

#include <stdlib.h>

#include "fake/fake_store.h"

typedef void ids_fn(void *arg, const int64_t *order_ids, size_t n, const struct error *e);

struct ids_op {
    struct fake_op op;
    int64_t *ids;
    size_t n;
    ids_fn *read;
    store_done_fn *inserted;
    void *arg;
};

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_forwarded(struct store *s, int64_t id)
{
    for (size_t i = 0; i < s->forwarded.n; i++)
        if (s->forwarded.at[i] == id)
            return true;
    return false;
}

static void read_answer(struct fake_op *op, const struct error *e)
{
    struct ids_op *o = (struct ids_op *)op;
    size_t n = 0;
    qsort(o->ids, o->n, sizeof *o->ids, compare_ids);
    for (size_t i = 0; i < o->n && !e; i++)
        if (is_forwarded(op->store, o->ids[i]) && (!n || o->ids[n - 1] != o->ids[i]))
            o->ids[n++] = o->ids[i];
    o->read(o->arg, o->ids, n, e);
}

static void ids_done(struct fake_op *op)
{
    mem_free(((struct ids_op *)op)->ids);
}

void platform_forwarded_read(struct store *s, const int64_t *order_ids, size_t n, ids_fn *done, void *arg)
{
    struct ids_op *o = mem_zalloc(sizeof *o);
    *o = (struct ids_op){.op = {.answer = read_answer, .done = ids_done},
                         .ids = mem_dup(order_ids, n * sizeof *order_ids),
                         .n = n,
                         .read = done,
                         .arg = arg};
    fake_start(s, FAKE_FORWARDED_READ, &o->op);
}

static void insert_apply(struct fake_op *op)
{
    struct ids_op *o = (struct ids_op *)op;
    for (size_t i = 0; i < o->n; i++)
        if (!is_forwarded(op->store, o->ids[i]))
            *FAKE_ADD(&op->store->forwarded) = o->ids[i];
    fake_log(op->store, "forwarded %zu", o->n);
}

static void insert_answer(struct fake_op *op, const struct error *e)
{
    struct ids_op *o = (struct ids_op *)op;
    o->inserted(o->arg, e);
}

void platform_forwarded_insert(struct store *s, const int64_t *order_ids, size_t n, store_done_fn *done,
                               void *arg)
{
    struct ids_op *o = mem_zalloc(sizeof *o);
    ASSERT(n > 0);
    *o = (struct ids_op){.op = {.apply = insert_apply, .answer = insert_answer, .done = ids_done},
                         .ids = mem_dup(order_ids, n * sizeof *order_ids),
                         .n = n,
                         .inserted = done,
                         .arg = arg};
    fake_start(s, FAKE_FORWARDED_INSERT, &o->op);
}

struct letter_op {
    struct fake_op op;
    char *topic, *payload, *reason;
    store_done_fn *done;
    void *arg;
};

static void letter_apply(struct fake_op *op)
{
    struct letter_op *o = (struct letter_op *)op;
    struct store *s = op->store;
    const struct fake_dead_letter row = {fake_text(s, o->topic), fake_text(s, o->payload),
                                         fake_text(s, o->reason)};
    *FAKE_ADD(&s->dead_letters) = row;
}

static void letter_answer(struct fake_op *op, const struct error *e)
{
    struct letter_op *o = (struct letter_op *)op;
    o->done(o->arg, e);
}

static void letter_done(struct fake_op *op)
{
    struct letter_op *o = (struct letter_op *)op;
    mem_free(o->topic);
    mem_free(o->payload);
    mem_free(o->reason);
}

void dead_letter_insert(struct store *s, const struct dead_letter_row *row, store_done_fn *done, void *arg)
{
    struct letter_op *o = mem_zalloc(sizeof *o);
    *o = (struct letter_op){.op = {.apply = letter_apply, .answer = letter_answer, .done = letter_done},
                            .topic = mem_strdup(row->topic),
                            .payload = mem_strndup(row->payload.p ? row->payload.p : "", row->payload.n),
                            .reason = mem_strdup(row->reason),
                            .done = done,
                            .arg = arg};
    fake_start(s, FAKE_DEAD_LETTER_INSERT, &o->op);
}
