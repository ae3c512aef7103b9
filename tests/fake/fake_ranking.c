/* The sales ranking in memory: ranking.h, by the rules of lua/ranking_*.lua. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "fake/fake_store.h"
#include "msg/msg_date.h"
#include "store/ranking.h"

struct sum { /* a product in one key */
    bool recent;
    int64_t day, product, quantity, ends_us;
};
struct mark {
    int64_t day;
};
struct offset {
    char *topic;
    int32_t partition;
    int64_t at;
};
struct fake_ranking {
    FAKE_LIST(struct sum) sums;
    struct strmap *marks; /* "day:item" or "day:order:product" -> mark */
    FAKE_LIST(struct offset) offsets;
};

static void free_ranking(struct store *s)
{
    struct fake_ranking *k = s->ranking;
    if (!k)
        return;
    size_t pos = 0;
    struct slice key;
    void *value;
    while (strmap_next(k->marks, &pos, &key, &value))
        mem_free(value);
    strmap_free(k->marks);
    for (size_t i = 0; i < k->offsets.n; i++)
        mem_free(k->offsets.at[i].topic);
    mem_free(k->offsets.at);
    mem_free(k->sums.at);
    mem_free(k);
    s->ranking = NULL;
}

static struct fake_ranking *ranking_of(struct store *s)
{
    if (!s->ranking) {
        s->ranking = mem_zalloc(sizeof *s->ranking);
        s->ranking->marks = strmap_new();
        s->free_ranking = free_ranking;
    }
    return s->ranking;
}

static struct sum *sum_of(struct fake_ranking *k, bool recent, int64_t day, int64_t product)
{
    for (size_t i = 0; i < k->sums.n; i++) {
        struct sum *s = &k->sums.at[i];
        if (s->recent == recent && s->day == day && s->product == product)
            return s;
    }
    struct sum *s = FAKE_ADD(&k->sums);
    *s = (struct sum){recent, day, product, 0, 0};
    return s;
}

static struct offset *offset_of(struct fake_ranking *k, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < k->offsets.n; i++)
        if (strcmp(k->offsets.at[i].topic, topic) == 0 && k->offsets.at[i].partition == partition)
            return &k->offsets.at[i];
    struct offset *o = FAKE_ADD(&k->offsets);
    *o = (struct offset){mem_strdup(topic), partition, -1};
    return o;
}

/* --- calls --- */

struct ranking_op {
    struct fake_op op;
    char *topic;
    int32_t partition;
    int64_t offset, now_us, counted, day;
    int retention_days, days;
    size_t n, limit;
    struct ranking_sale *sales;
    struct ranking_entry *entries;
    void (*done)(void); /* the caller's, cast */
    void *arg;
};

static void op_done(struct fake_op *op)
{
    struct ranking_op *o = (struct ranking_op *)op;
    mem_free(o->topic);
    mem_free(o->sales);
    mem_free(o->entries);
}

static struct ranking_op *op_new(void (*apply)(struct fake_op *op),
                                 void (*answer)(struct fake_op *op, const struct error *e),
                                 void (*done)(void), void *arg)
{
    struct ranking_op *o = mem_zalloc(sizeof *o);
    o->op.apply = apply;
    o->op.answer = answer;
    o->op.done = op_done;
    o->done = done;
    o->arg = arg;
    return o;
}

#define DONE(fn) ((void (*)(void))(fn))

static bool is_new(struct fake_ranking *k, const struct ranking_sale *sale, int64_t day)
{
    char key[80];
    int n = sale->order_item_id > 0
                ? snprintf(key, sizeof key, "%lld:%lld", (long long)day, (long long)sale->order_item_id)
                : snprintf(key, sizeof key, "%lld:%lld:%lld", (long long)day, (long long)sale->order_id,
                           (long long)sale->product_id);
    if (strmap_get(k->marks, key, (size_t)n))
        return false;
    struct mark *m = mem_zalloc(sizeof *m);
    m->day = day;
    strmap_put(k->marks, key, (size_t)n, m);
    return true;
}

static void count(struct fake_ranking *k, bool recent, int64_t day, const struct ranking_sale *sale,
                  int retention_days)
{
    struct sum *s = sum_of(k, recent, day, sale->product_id);
    s->quantity += sale->quantity;
    s->ends_us = msg_date_day_start(day + retention_days);
}

static void apply_apply(struct fake_op *op)
{
    struct ranking_op *o = (struct ranking_op *)op;
    struct fake_ranking *k = ranking_of(op->store);
    int64_t today = msg_date_day_of(o->now_us);
    for (size_t i = 0; i < o->n; i++) {
        const struct ranking_sale *sale = &o->sales[i];
        int64_t day = msg_date_day_of(sale->sold_at_us);
        if (day <= today - o->retention_days || day > today + 1 || !is_new(k, sale, day))
            continue;
        o->counted++;
        count(k, false, day, sale, o->retention_days);
        for (int d = 0; d < 3; d++)
            count(k, true, day + d, sale, o->retention_days);
    }
    struct offset *at = offset_of(k, o->topic, o->partition);
    if (o->offset > at->at)
        at->at = o->offset;
    fake_log(op->store, "counted %lld", (long long)o->counted);
}

typedef void apply_fn(void *arg, int64_t counted, const struct error *e);

static void apply_answer(struct fake_op *op, const struct error *e)
{
    struct ranking_op *o = (struct ranking_op *)op;
    ((apply_fn *)o->done)(o->arg, e ? 0 : o->counted, e);
}

void ranking_apply(struct store *s, const char *topic, int32_t partition, int64_t next_offset,
                   const struct ranking_sale *sales, size_t n, int64_t now_us, int retention_days,
                   apply_fn *done, void *arg)
{
    struct ranking_op *o = op_new(apply_apply, apply_answer, DONE(done), arg);
    o->topic = mem_strdup(topic);
    o->partition = partition;
    o->offset = next_offset;
    o->sales = n ? mem_dup(sales, n * sizeof *sales) : NULL;
    o->n = n;
    o->now_us = now_us;
    o->retention_days = retention_days;
    fake_start(s, FAKE_RANKING_APPLY, &o->op);
}

static void forget_apply(struct fake_op *op)
{
    struct ranking_op *o = (struct ranking_op *)op;
    struct fake_ranking *k = ranking_of(op->store);
    size_t pos = 0;
    struct slice key;
    void *value;
    while (strmap_next(k->marks, &pos, &key, &value)) {
        struct mark *m = value;
        if (m->day != o->day)
            continue;
        char copy[80];
        memcpy(copy, key.p, key.n);
        strmap_del(k->marks, copy, key.n);
        mem_free(m);
    }
    for (size_t i = 0; i < k->sums.n; i++) {
        struct sum sum = k->sums.at[i];
        if (sum.recent || sum.day != o->day)
            continue;
        k->sums.at[i].quantity = 0;
        for (int d = 0; d < 3; d++)
            sum_of(k, true, o->day + d, sum.product)->quantity -= sum.quantity;
    }
}

static void plain_answer(struct fake_op *op, const struct error *e)
{
    struct ranking_op *o = (struct ranking_op *)op;
    ((store_done_fn *)o->done)(o->arg, e);
}

void ranking_forget(struct store *s, int64_t day, int retention_days, store_done_fn *done, void *arg)
{
    struct ranking_op *o = op_new(forget_apply, plain_answer, DONE(done), arg);
    o->day = day;
    fake_start(s, FAKE_RANKING_FORGET, &o->op);
}

static void offset_apply(struct fake_op *op)
{
    struct ranking_op *o = (struct ranking_op *)op;
    o->offset = offset_of(ranking_of(op->store), o->topic, o->partition)->at;
}

typedef void offset_fn(void *arg, int64_t offset, const struct error *e);

static void offset_answer(struct fake_op *op, const struct error *e)
{
    struct ranking_op *o = (struct ranking_op *)op;
    ((offset_fn *)o->done)(o->arg, e ? -1 : o->offset, e);
}

void ranking_offset(struct store *s, const char *topic, int32_t partition, offset_fn *done, void *arg)
{
    struct ranking_op *o = op_new(offset_apply, offset_answer, DONE(done), arg);
    o->topic = mem_strdup(topic);
    o->partition = partition;
    fake_start(s, FAKE_RANKING_OFFSET, &o->op);
}

static int compare_entries(const void *x, const void *y)
{
    const struct ranking_entry *a = x, *b = y;
    if (a->quantity != b->quantity)
        return a->quantity < b->quantity ? 1 : -1;
    return a->product_id < b->product_id ? -1 : a->product_id > b->product_id;
}

static void top_apply(struct fake_op *op)
{
    struct ranking_op *o = (struct ranking_op *)op;
    struct fake_ranking *k = ranking_of(op->store);
    int64_t today = msg_date_day_of(o->now_us);
    struct map *totals = map_new();
    o->entries = mem_array(k->sums.n, sizeof *o->entries);
    size_t n = 0;
    for (size_t i = 0; i < k->sums.n; i++) {
        const struct sum *s = &k->sums.at[i];
        bool wanted = o->days == 3 ? s->recent && s->day == today
                                   : !s->recent && s->day <= today && s->day > today - o->days;
        if (!wanted || clock_real_us() >= s->ends_us)
            continue;
        struct ranking_entry *e = map_get(totals, s->product);
        if (!e) {
            e = &o->entries[n++];
            *e = (struct ranking_entry){s->product, 0};
            map_put(totals, s->product, e);
        }
        e->quantity += s->quantity;
    }
    map_free(totals);
    qsort(o->entries, n, sizeof *o->entries, compare_entries);
    while (n && o->entries[n - 1].quantity < 1)
        n--;
    o->n = n < o->limit ? n : o->limit;
}

typedef void top_fn(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e);

static void top_answer(struct fake_op *op, const struct error *e)
{
    struct ranking_op *o = (struct ranking_op *)op;
    ((top_fn *)o->done)(o->arg, e ? NULL : o->entries, e ? 0 : o->n, e);
}

void ranking_top(struct store *s, int64_t now_us, int days, size_t limit, top_fn *done, void *arg)
{
    struct ranking_op *o = op_new(top_apply, top_answer, DONE(done), arg);
    o->now_us = now_us;
    o->days = days;
    o->limit = limit;
    fake_start(s, FAKE_RANKING_TOP, &o->op);
}
