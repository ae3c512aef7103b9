/* Counting sales into the ranking, a part of at most PART_MAX sales for each call of lua/ranking_apply.lua.
 *
 *   marks     of each sale of the part one, sorted by day and place; a sale that is twice in it has one
 *   sums      of each day what its sales add to each product
 *   call      counts all or, when one of the marks was set, nothing: then the reply says which were
 *   again     without the sales that are counted already, until none is known
 *
 * Nearly always all are new, and the work for a single sale is done here instead of in Redis, which has one thread for everybody.
 * Marks stay set: a sale that was found counted needs no second look. Where somebody forgets a day or empties Redis in between, all
 * sales are counted again from PostgreSQL, as they are when it happens just after the call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg/msg_date.h"
#include "store/ranking.h"
#include "store/ranking_internal.h"
#include "store/store_script.h"

enum {
    PART_MAX = 500,
    DAYS_MAX = 370,
    SEEN_BITS = 65536, /* of one block: 8 KiB at most, whatever the ids are */
    WORD_BITS = 32,
    WORD_BYTES = WORD_BITS / 8,
};
#define BLOCK_ORDERS INT64_MAX /* sorts behind every block */

typedef void apply_fn(void *arg, int64_t counted, const struct error *e);

/* What says that a sale is counted: a bit of a block or, without an item id, a member of the day's set. */
struct mark {
    int64_t day, block;
    int64_t first, second; /* the bit and 0; of BLOCK_ORDERS order and product */
    const struct ranking_sale *sale;
};

struct sum {
    int64_t product_id, quantity;
};

struct apply {
    struct store *store;
    char *topic;
    int32_t partition;
    int64_t next_offset, today;
    int retention_days;
    struct ranking_sale *sales; /* those within the retention */
    size_t n, at;
    struct mark marks[PART_MAX]; /* of the part that is asked for */
    size_t nmarks;
    int64_t counted;
    apply_fn *done;
    void *arg;
};

static void finish_apply(struct apply *a, const struct error *e)
{
    a->done(a->arg, a->counted, e);
    mem_free(a->topic);
    mem_free(a->sales);
    mem_free(a);
}

/* --- marks --- */

static int compare_i64(int64_t x, int64_t y)
{
    return x < y ? -1 : x > y;
}

static int compare_places(const struct mark *x, const struct mark *y)
{
    int by = compare_i64(x->day, y->day);
    by = by ? by : compare_i64(x->block, y->block);
    by = by ? by : compare_i64(x->first, y->first);
    return by ? by : compare_i64(x->second, y->second);
}

/* Of the same sale the one that came first counts. */
static int compare_marks(const void *x, const void *y)
{
    const struct mark *a = x, *b = y;
    int by = compare_places(a, b);
    return by ? by : a->sale < b->sale ? -1 : a->sale > b->sale;
}

static struct mark mark_of(const struct ranking_sale *sale)
{
    struct mark m = {.day = msg_date_day_of(sale->sold_at_us), .sale = sale};
    if (sale->order_item_id > 0) {
        m.block = sale->order_item_id / SEEN_BITS;
        m.first = sale->order_item_id % SEEN_BITS;
    } else {
        m.block = BLOCK_ORDERS;
        m.first = sale->order_id;
        m.second = sale->product_id;
    }
    return m;
}

static void mark_sales(struct apply *a, const struct ranking_sale *sales, size_t n)
{
    struct mark *m = a->marks;
    for (size_t i = 0; i < n; i++)
        m[i] = mark_of(&sales[i]);
    qsort(m, n, sizeof *m, compare_marks);
    a->nmarks = 0;
    for (size_t i = 0; i < n; i++)
        if (a->nmarks == 0 || compare_places(&m[a->nmarks - 1], &m[i]) != 0)
            m[a->nmarks++] = m[i];
}

/* Where the marks of the same day, block or word as those at `at` end. */
static size_t day_end(const struct apply *a, size_t at)
{
    size_t end = at;
    while (end < a->nmarks && a->marks[end].day == a->marks[at].day)
        end++;
    return end;
}

static size_t block_end(const struct apply *a, size_t at)
{
    size_t end = at;
    while (end < a->nmarks && a->marks[end].day == a->marks[at].day &&
           a->marks[end].block == a->marks[at].block)
        end++;
    return end;
}

static size_t word_end(const struct apply *a, size_t at, size_t end_of_block)
{
    size_t end = at;
    while (end < end_of_block && a->marks[end].first / WORD_BITS == a->marks[at].first / WORD_BITS)
        end++;
    return end;
}

/* The bit of a mark in its word: Redis' bit 0 is the highest one of the first byte. */
static uint32_t mark_bit(const struct mark *m)
{
    return UINT32_C(1) << (WORD_BITS - 1 - m->first % WORD_BITS);
}

/* --- arguments --- */

static int compare_sums(const void *x, const void *y)
{
    const struct sum *a = x, *b = y;
    return compare_i64(a->product_id, b->product_id);
}

/* The sums of the products of marks from..end, in out; returns how many. */
static size_t add_up(const struct apply *a, size_t from, size_t end, struct sum *out)
{
    size_t n = 0;
    for (size_t i = from; i < end; i++)
        out[n++] = (struct sum){a->marks[i].sale->product_id, a->marks[i].sale->quantity};
    qsort(out, n, sizeof *out, compare_sums);
    size_t kept = 0;
    for (size_t i = 1; i < n; i++) {
        if (out[i].product_id != out[kept].product_id)
            out[++kept] = out[i];
        else if (__builtin_add_overflow(out[kept].quantity, out[i].quantity, &out[kept].quantity))
            out[kept].quantity = INT64_MAX;
    }
    return kept + 1;
}

static void put_day_names(struct script_args *s, const struct apply *a, int64_t day)
{
    struct buf name = BUF_INIT;
    for (int k = 0; k < 3; k++) {
        buf_clear(&name);
        msg_date_day(&name, day + k);
        script_slice(s, buf_slice(&name));
    }
    buf_free(&name);
    for (int k = 0; k < 3; k++)
        script_i64(s, ranking_day_ends_s(day + k, a->retention_days));
    script_i64(s, ranking_day_ends_s(day + 3, a->retention_days)); /* seen marks go last */
}

static void put_big_endian(struct buf *out, uint32_t v, int bytes)
{
    while (bytes-- > 0)
        buf_putc(out, (char)(v >> 8 * bytes & 0xff));
}

/* Number and words of the block of the marks from..end. */
static void put_block(struct script_args *s, const struct apply *a, size_t from, size_t end)
{
    struct buf words = BUF_INIT;
    for (size_t i = from, next; i < end; i = next) {
        next = word_end(a, i, end);
        uint32_t bits = 0;
        for (size_t k = i; k < next; k++)
            bits |= mark_bit(&a->marks[k]);
        put_big_endian(&words, (uint32_t)(a->marks[i].first / WORD_BITS), 2);
        put_big_endian(&words, bits, WORD_BYTES);
    }
    script_i64(s, a->marks[from].block);
    script_slice(s, buf_slice(&words));
    buf_free(&words);
}

static void put_order_mark(struct script_args *s, const struct mark *m)
{
    char text[48];
    snprintf(text, sizeof text, "%" PRId64 ":%" PRId64, m->first, m->second);
    script_text(s, text);
}

static void put_day(struct script_args *s, const struct apply *a, size_t from, size_t end)
{
    struct sum sums[PART_MAX];
    size_t nblocks = 0, norders = 0, nsums = add_up(a, from, end, sums);
    for (size_t i = from, next; i < end; i = next) {
        next = block_end(a, i);
        if (a->marks[i].block == BLOCK_ORDERS)
            norders = next - i;
        else
            nblocks++;
    }
    put_day_names(s, a, a->marks[from].day);
    script_i64(s, (int64_t)nblocks);
    script_i64(s, (int64_t)norders);
    script_i64(s, (int64_t)nsums);
    for (size_t i = from, next; i < end - norders; i = next) {
        next = block_end(a, i);
        put_block(s, a, i, next);
    }
    for (size_t i = end - norders; i < end; i++)
        put_order_mark(s, &a->marks[i]);
    for (size_t i = 0; i < nsums; i++)
        script_i64(s, sums[i].product_id);
    for (size_t i = 0; i < nsums; i++)
        script_i64(s, sums[i].quantity);
}

/* --- calls --- */

static void on_part(void *arg, const struct redis_reply *r, const struct error *e);

static bool offset_is_due(const struct apply *a)
{
    return a->at == a->n && a->next_offset >= 0;
}

/* Parts follow one another: the offset goes with the last, when everything before it is counted. */
static void call_script(struct apply *a)
{
    struct script_args s = {0};
    size_t ndays = 0;
    for (size_t i = 0; i < a->nmarks; i = day_end(a, i))
        ndays++;
    script_key(&s, "product:ranking:offset:%s:%" PRId32, a->topic, a->partition);
    if (offset_is_due(a))
        script_i64(&s, a->next_offset);
    else
        script_text(&s, "");
    script_i64(&s, (int64_t)ndays);
    for (size_t i = 0, next; i < a->nmarks; i = next) {
        next = day_end(a, i);
        put_day(&s, a, i, next);
    }
    store_script(a->store, SCRIPT_RANKING_APPLY, &s, 0, on_part, a);
}

/* Ask for the next part. */
static void next_part(struct apply *a)
{
    size_t n = a->n - a->at < PART_MAX ? a->n - a->at : PART_MAX;
    mark_sales(a, a->sales + a->at, n);
    a->at += n;
    call_script(a);
}

static void part_done(struct apply *a)
{
    if (a->at < a->n)
        next_part(a);
    else
        finish_apply(a, NULL);
}

/* Whether mark i, of the word or member number `place` of what the reply says of its block, was set. */
static bool was_set(const struct apply *a, size_t i, struct slice before, size_t place)
{
    const struct mark *m = &a->marks[i];
    if (m->block == BLOCK_ORDERS)
        return before.p[place] == '1';
    const unsigned char *p = (const unsigned char *)before.p + place * WORD_BYTES;
    uint32_t word = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return word & mark_bit(m);
}

/* Drop the marks that the reply says were set. False: it does not say so of any, or is not about these marks. */
static bool drop_counted(struct apply *a, const struct redis_reply *r)
{
    size_t kept = 0, asked = a->nmarks, element = 0;
    bool set[PART_MAX];
    for (size_t i = 0, end; i < asked; i = end) {
        struct slice before = redis_reply_text(redis_reply_at(r, element++));
        size_t place = 0, size = a->marks[i].block == BLOCK_ORDERS ? 1 : WORD_BYTES;
        end = block_end(a, i);
        for (size_t k = i, next; k < end; k = next, place++) {
            next = size == 1 ? k + 1 : word_end(a, k, end);
            if (before.n < (place + 1) * size)
                return false;
            for (size_t m = k; m < next; m++)
                set[m] = was_set(a, m, before, place);
        }
        if (before.n != place * size)
            return false;
    }
    for (size_t i = 0; i < asked; i++)
        if (!set[i])
            a->marks[kept++] = a->marks[i];
    a->nmarks = kept;
    return kept < asked;
}

static void on_part(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct apply *a = arg;
    if (e) {
        finish_apply(a, e);
    } else if (redis_reply_i64(r) == 1) {
        a->counted += (int64_t)a->nmarks;
        part_done(a);
    } else if (!drop_counted(a, r)) {
        struct error wrong;
        error_set(&wrong, ERROR_BUG, "REPLY", "script ranking_apply: the reply is not about what was asked");
        finish_apply(a, &wrong);
    } else if (a->nmarks || offset_is_due(a)) {
        call_script(a);
    } else {
        part_done(a);
    }
}

/* Days whose keys have ended, and days further ahead than clocks can differ, are not counted. */
static bool within_retention(const struct apply *a, const struct ranking_sale *sale)
{
    int64_t day = msg_date_day_of(sale->sold_at_us);
    return day > a->today - a->retention_days && day <= a->today + 1;
}

void ranking_apply(struct store *s, const char *topic, int32_t partition, int64_t next_offset,
                   const struct ranking_sale *sales, size_t n, int64_t now_us, int retention_days,
                   apply_fn *done, void *arg)
{
    ASSERT(retention_days > 0 && retention_days < DAYS_MAX - 2);
    struct apply *a = mem_zalloc(sizeof *a);
    a->store = s;
    a->topic = mem_strdup(topic);
    a->partition = partition;
    a->next_offset = next_offset;
    a->today = msg_date_day_of(now_us);
    a->retention_days = retention_days;
    a->sales = mem_array(n, sizeof *sales);
    a->done = done;
    a->arg = arg;
    for (size_t i = 0; i < n; i++)
        if (within_retention(a, &sales[i]))
            a->sales[a->n++] = sales[i];
    next_part(a);
}
