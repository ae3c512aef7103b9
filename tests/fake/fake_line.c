/* What Redis holds of a waiting line, in memory. */
#include "fake/fake_line.h"

#include <stdio.h>

#include "base/clock.h"

/* --- lines --- */

void fake_entry_free(struct fake_entry *e)
{
    mem_free((void *)(uintptr_t)e->text.p);
    mem_free(e);
}

static void free_values(struct map *m)
{
    size_t pos = 0;
    void *value;
    while (map_next(m, &pos, NULL, &value))
        mem_free(value);
    map_free(m);
}

static void line_free(struct fake_line *l)
{
    for (size_t i = 0; i < l->queue.n; i++)
        fake_entry_free(l->queue.at[i]);
    mem_free(l->queue.at);
    map_free(l->plain);
    free_values(l->records);
    size_t pos = 0;
    void *value;
    while (map_next(l->results, &pos, NULL, &value))
        mem_free(((struct fake_result *)value)->json);
    free_values(l->results);
    map_free(l->issued);
    mem_free(l->owner);
    mem_free(l);
}

static void free_lines(struct store *s)
{
    struct fake_lines *all = s->redis_lines;
    if (!all)
        return;
    for (size_t i = 0; i < all->at.n; i++)
        line_free(all->at.at[i]);
    mem_free(all->at.at);
    mem_free(all);
    s->redis_lines = NULL;
}

struct fake_lines *fake_lines_of(struct store *s)
{
    if (!s->redis_lines) {
        s->redis_lines = mem_zalloc(sizeof *s->redis_lines);
        s->free_lines = free_lines;
    }
    return s->redis_lines;
}

struct fake_line *fake_line_of(struct store *s, int64_t coupon_id)
{
    struct fake_lines *all = fake_lines_of(s);
    for (size_t i = 0; i < all->at.n; i++)
        if (all->at.at[i]->coupon_id == coupon_id)
            return all->at.at[i];
    struct fake_line *l = mem_zalloc(sizeof *l);
    *FAKE_ADD(&all->at) = l;
    l->coupon_id = coupon_id;
    l->ticket = -1;
    l->plain = map_new();
    l->records = map_new();
    l->results = map_new();
    l->issued = map_new();
    return l;
}

void fake_line_floors(struct store *s, struct fake_line *l)
{
    int64_t now = clock_real_us();
    for (size_t i = 0; i < s->requests.n; i++) {
        const struct fake_request *r = &s->requests.at[i];
        if (r->coupon_id != l->coupon_id)
            continue;
        if (r->ticket > l->ticket && r->ticket < INT64_C(1000000000000))
            l->ticket = r->ticket;
        if (r->requested_at_us > l->last_us && r->requested_at_us < now + INT64_C(86400000000))
            l->last_us = r->requested_at_us;
    }
}

int64_t fake_line_now_ms(void)
{
    return clock_real_us() / 1000;
}

/* --- the line as a sorted set --- */

static int compare_members(double score, struct slice text, const struct fake_entry *e)
{
    if (score != e->score)
        return score < e->score ? -1 : 1;
    size_t n = text.n < e->text.n ? text.n : e->text.n;
    int c = n ? memcmp(text.p, e->text.p, n) : 0;
    return c ? c : text.n < e->text.n ? -1 : text.n > e->text.n;
}

/* Where a member of this score and spelling stands or would stand. */
static size_t queue_place(const struct fake_line *l, double score, struct slice text)
{
    size_t low = 0, high = l->queue.n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_members(score, text, l->queue.at[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The user id that a member means, 0: none. */
static int64_t user_of(struct slice text)
{
    int64_t user = 0;
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
        text = (struct slice){text.p + 1, text.n - 2};
    return text.n && text.p[0] != '-' && str_to_i64(text.p, text.n, &user) ? user : 0;
}

struct fake_entry *fake_queue_find(const struct fake_line *l, struct slice text)
{
    for (size_t i = 0; i < l->queue.n; i++)
        if (l->queue.at[i]->text.n == text.n && !memcmp(l->queue.at[i]->text.p, text.p, text.n))
            return l->queue.at[i];
    return NULL;
}

struct fake_entry *fake_queue_plain(const struct fake_line *l, int64_t user)
{
    return map_get(l->plain, user);
}

struct fake_entry *fake_queue_quoted(const struct fake_line *l, int64_t user)
{
    char text[32];
    snprintf(text, sizeof text, "\"%lld\"", (long long)user);
    return l->odd ? fake_queue_find(l, slice_of(text)) : NULL;
}

void fake_queue_remove(struct fake_line *l, struct fake_entry *e)
{
    size_t i = queue_place(l, e->score, e->text);
    ASSERT(l->queue.at[i] == e);
    FAKE_REMOVE(&l->queue, i);
    if (e->plain)
        map_del(l->plain, e->user);
    else
        l->odd--;
}

void fake_queue_add(struct fake_line *l, double score, struct slice text)
{
    char plainly[24];
    struct fake_entry *e = mem_zalloc(sizeof *e);
    e->user = user_of(text);
    snprintf(plainly, sizeof plainly, "%lld", (long long)e->user);
    e->plain = e->user && slice_eq(text, plainly);
    struct fake_entry *old = e->plain ? map_get(l->plain, e->user) : fake_queue_find(l, text);
    if (old) {
        fake_queue_remove(l, old);
        fake_entry_free(old);
    }
    e->score = score;
    e->text = (struct slice){mem_dup(text.n ? text.p : "", text.n ? text.n : 1), text.n};
    size_t place = queue_place(l, score, text);
    *FAKE_ADD(&l->queue) = e;
    memmove(&l->queue.at[place + 1], &l->queue.at[place], (l->queue.n - 1 - place) * sizeof *l->queue.at);
    l->queue.at[place] = e;
    if (e->plain)
        map_put(l->plain, e->user, e);
    else
        l->odd++;
}

void fake_queue_add_user(struct fake_line *l, double score, int64_t user)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)user);
    fake_queue_add(l, score, slice_of(text));
}

int64_t fake_queue_rank(const struct fake_line *l, const struct fake_entry *e)
{
    return e ? (int64_t)queue_place(l, e->score, e->text) + 1 : 0;
}

/* --- records --- */

struct fake_record *fake_record_of(const struct fake_line *l, int64_t user)
{
    return map_get(l->records, user);
}

struct fake_record *fake_record_put(struct fake_line *l, int64_t user)
{
    struct fake_record *r = fake_record_of(l, user);
    if (!r) {
        r = mem_zalloc(sizeof *r);
        r->user = user;
        map_put(l->records, user, r);
    }
    return r;
}

void fake_record_remove(struct fake_line *l, int64_t user)
{
    struct fake_record *r = map_del(l->records, user);
    l->flying -= r && r->flies;
    mem_free(r);
}

static void set_flies(struct fake_line *l, struct fake_record *r, bool flies)
{
    l->flying += (size_t)flies - (size_t)r->flies;
    r->flies = flies;
}

/* Back in line, at the old place. */
void fake_record_return(struct fake_line *l, struct fake_record *r)
{
    set_flies(l, r, false);
    r->state = RECORD_WAITING;
    r->epoch = 0;
    fake_queue_add_user(l, r->score, r->user);
}

void fake_record_take(struct fake_line *l, struct fake_record *r, double score, int64_t epoch)
{
    set_flies(l, r, true);
    r->state = RECORD_TAKEN;
    r->epoch = epoch;
    r->since_ms = fake_line_now_ms();
    r->score = score;
}

bool fake_line_has(const struct fake_line *l, int64_t user)
{
    const struct fake_record *r = fake_record_of(l, user);
    return map_get(l->plain, user) || (r && r->flies) || fake_queue_quoted(l, user);
}

void fake_result_remove(struct fake_line *l, int64_t user)
{
    struct fake_result *r = map_del(l->results, user);
    if (r)
        mem_free(r->json);
    mem_free(r);
}

struct fake_result *fake_result_of(struct fake_line *l, int64_t user)
{
    struct fake_result *r = map_get(l->results, user);
    if (r && clock_real_us() >= r->ends_us) {
        fake_result_remove(l, user);
        r = NULL;
    }
    return r;
}

bool fake_line_busy(const struct fake_line *l)
{
    return l->queue.n || l->flying;
}
