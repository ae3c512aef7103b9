/* The sales ranking in Redis: forgetting a day, the offset, and reading the best sellers. ranking_count.c counts. */
#include "store/ranking.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg/msg_date.h"
#include "store/ranking_internal.h"
#include "store/store_script.h"

#define QUANTITY_MAX (INT64_C(1) << 53)

/* --- forgetting --- */

struct call {
    store_any_fn *done;
    void *arg;
    size_t limit;
};

static struct call *call_new(store_any_fn *done, void *arg, size_t limit)
{
    struct call *c = mem_alloc(sizeof *c);
    *c = (struct call){done, arg, limit};
    return c;
}

static void on_forgotten(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    ((store_done_fn *)c->done)(c->arg, e);
    mem_free(c);
}

static void day_key(struct script_args *s, const char *prefix, int64_t day, const char *suffix)
{
    struct buf name = BUF_INIT;
    msg_date_day(&name, day);
    script_key(s, "%s%s%s", prefix, buf_str(&name), suffix);
    buf_free(&name);
}

void ranking_forget(struct store *s, int64_t day, int retention_days, store_done_fn *done, void *arg)
{
    struct script_args a = {0};
    struct buf name = BUF_INIT;
    day_key(&a, "product:ranking:seen:", day, ":blocks");
    day_key(&a, "product:ranking:seen:", day, ":orders");
    for (int64_t d = day - 2; d <= day + 2; d++)
        day_key(&a, "product:ranking:daily:", d, "");
    for (int64_t d = day; d <= day + 2; d++)
        day_key(&a, "product:ranking:recent3days:", d, "");
    msg_date_day(&name, day);
    script_slice(&a, buf_slice(&name));
    for (int64_t d = day; d <= day + 2; d++)
        script_i64(&a, ranking_day_ends_s(d, retention_days));
    buf_free(&name);
    store_script(s, SCRIPT_RANKING_FORGET, &a, 0, on_forgotten, call_new((store_any_fn *)done, arg, 0));
}

/* --- offset --- */

typedef void offset_fn(void *arg, int64_t offset, const struct error *e);

static void on_offset(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    int64_t offset = -1;
    if (status == REDIS_OK && !redis_reply_is_i64(r, &offset))
        offset = -1;
    ((offset_fn *)c->done)(c->arg, offset, status == REDIS_OK ? NULL : e);
    mem_free(c);
}

void ranking_offset(struct store *s, const char *topic, int32_t partition, offset_fn *done, void *arg)
{
    char key[320];
    snprintf(key, sizeof key, "product:ranking:offset:%s:%" PRId32, topic, partition);
    struct redis_args a = {0};
    redis_args_add(&a, "GET");
    redis_args_add(&a, key);
    redis_client_command(s->redis, a.v, a.n, 0, on_offset, call_new((store_any_fn *)done, arg, 0));
}

/* --- top --- */

typedef void top_fn(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e);

static int compare_entries(const void *x, const void *y)
{
    const struct ranking_entry *a = x, *b = y;
    if (a->quantity != b->quantity)
        return a->quantity < b->quantity ? 1 : -1;
    return a->product_id < b->product_id ? -1 : a->product_id > b->product_id;
}

/* A score as a quantity. Whatever another program wrote, infinite too, fits. */
static int64_t read_quantity(struct slice score)
{
    char text[40] = "";
    memcpy(text, score.p, score.n < sizeof text - 1 ? score.n : sizeof text - 1);
    double v = strtod(text, NULL);
    return v < 1 ? 0 : v < (double)QUANTITY_MAX ? (int64_t)v : QUANTITY_MAX;
}

/* Pairs of member and score; best first, ties by the smaller id; quantities below 1 and members that are no ids are left out. */
static void give_top(struct call *c, const struct redis_reply *r, const struct error *e)
{
    size_t pairs = e ? 0 : redis_reply_len(r) / 2, n = 0;
    struct ranking_entry *entries = mem_array(pairs, sizeof *entries);
    for (size_t i = 0; i < pairs; i++) {
        entries[n].quantity = read_quantity(redis_reply_text(redis_reply_at(r, 2 * i + 1)));
        if (redis_reply_is_i64(redis_reply_at(r, 2 * i), &entries[n].product_id) &&
            entries[n].product_id > 0 && entries[n].quantity > 0)
            n++;
    }
    qsort(entries, n, sizeof *entries, compare_entries);
    ((top_fn *)c->done)(c->arg, entries, n < c->limit ? n : c->limit, e);
    mem_free(entries);
    mem_free(c);
}

static void on_top(void *arg, const struct redis_reply *r, const struct error *e)
{
    give_top(arg, r, e);
}

static void on_union(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    give_top(arg, r, status == REDIS_OK ? NULL : e);
}

void ranking_top(struct store *s, int64_t now_us, int days, size_t limit, top_fn *done, void *arg)
{
    ASSERT(days > 0 && days < REDIS_MAX_ARGS - 4);
    int64_t today = msg_date_day_of(now_us);
    struct call *c = call_new((store_any_fn *)done, arg, limit);
    struct buf key = BUF_INIT;
    if (days == 3) {
        struct script_args a = {0};
        msg_date_day(&key, today);
        script_key(&a, "product:ranking:recent3days:%s", buf_str(&key));
        script_i64(&a, (int64_t)limit);
        store_script(s, SCRIPT_RANKING_TOP, &a, 0, on_top, c);
        buf_free(&key);
        return;
    }
    char keys[REDIS_MAX_ARGS][40];
    struct redis_args a = {0};
    redis_args_add(&a, "ZUNION");
    redis_args_add_i64(&a, days);
    for (int i = 0; i < days; i++) {
        buf_clear(&key);
        msg_date_day(&key, today - i);
        snprintf(keys[i], sizeof keys[i], "product:ranking:daily:%s", buf_str(&key));
        redis_args_add(&a, keys[i]);
    }
    redis_args_add(&a, "WITHSCORES");
    redis_client_command(s->redis, a.v, a.n, 0, on_union, c);
    buf_free(&key);
}
