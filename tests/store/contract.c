/* Calls of coupon_line.h that wait for their answer. */
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg/msg_date.h"

static bool is_set(void *arg)
{
    return *(const bool *)arg;
}

void await(const bool *flag)
{
    ck_assert_msg(loop_run_until(contract_loop, is_set, (void *)(uintptr_t)flag, 20000),
                  "nothing came within twenty seconds");
}

void on_answer(void *arg, const struct error *e)
{
    struct answer *a = arg;
    ck_assert(!a->fired);
    a->fired = true;
    if (e)
        a->e = *e;
}

void on_added(void *arg, const struct coupon_line_ticket *t, const struct error *e)
{
    struct added *a = arg;
    ck_assert(!a->fired);
    a->fired = true;
    if (e)
        a->e = *e;
    else
        a->t = *t;
}

void send_add(struct added *a, int64_t coupon_id, int64_t user_id)
{
    coupon_line_add(contract_store, coupon_id, user_id, true, 1000000, TTL_MS, on_added, a);
    ck_assert(!a->fired);
}

struct coupon_line_ticket add(int64_t user_id)
{
    struct added a = {0};
    send_add(&a, COUPON, user_id);
    AWAIT_OK(&a);
    return a.t;
}

struct coupon_line_ticket accepted(int64_t user_id)
{
    struct coupon_line_ticket t = add(user_id);
    ck_assert_int_eq(t.answer, COUPON_LINE_ACCEPTED);
    return t;
}

void on_marked(void *arg, const struct redis_mark *m, const struct error *e)
{
    struct marked *a = arg;
    ck_assert(!a->fired);
    a->fired = true;
    if (e)
        a->e = *e;
    else
        a->m = *m;
}

struct redis_mark mark_step(mark_step_fn *step, int64_t generation)
{
    struct marked a = {0};
    step(contract_store, generation, on_marked, &a);
    ck_assert(!a.fired);
    AWAIT_OK(&a);
    return a.m;
}

struct redis_mark mark_now(void)
{
    struct marked a = {0};
    redis_mark_read(contract_store, on_marked, &a);
    AWAIT_OK(&a);
    return a.m;
}

void contract_rebuilt(void)
{
    static int64_t generation = 1000000;
    mark_step(redis_mark_begin, ++generation);
    struct redis_mark m = mark_step(redis_mark_lines, generation);
    ck_assert_int_eq(m.state, REDIS_MARK_LINES);
    ck_assert_int_eq(m.generation, generation);
    ck_assert_int_eq(mark_step(redis_mark_whole, generation).state, REDIS_MARK_WHOLE);
}

struct removal {
    bool fired, removed;
    struct error e;
};

static void on_removed(void *arg, bool removed, const struct error *e)
{
    struct removal *r = arg;
    r->fired = true;
    r->removed = removed;
    if (e)
        r->e = *e;
}

bool cancel(int64_t user_id, int64_t requested_at_us)
{
    struct removal r = {0};
    coupon_line_cancel(contract_store, COUPON, user_id, requested_at_us, on_removed, &r);
    ck_assert(!r.fired);
    AWAIT_OK(&r);
    return r.removed;
}

static struct taken last_taken;

static void keep_members(struct taken *t, const struct coupon_line_member *m, size_t n)
{
    ck_assert_uint_le(n, ARRAY_LEN(t->m));
    if (n)
        memcpy(t->m, m, n * sizeof *m);
    t->t.n = n;
    t->t.members = t->m;
}

static void on_taken(void *arg, const struct coupon_line_taken *taken, const struct error *e)
{
    struct taken *t = arg;
    ck_assert_msg(!e, "%s %s", e ? e->code : "", e ? e->text : "");
    ck_assert(!t->fired);
    t->fired = true;
    t->t = *taken;
    keep_members(t, taken->members, taken->n);
}

static const struct taken *take_with(const struct coupon_line_take *how)
{
    last_taken.fired = false;
    coupon_line_take(contract_store, how, on_taken, &last_taken);
    ck_assert(!last_taken.fired);
    await(&last_taken.fired);
    return &last_taken;
}

const struct taken *take(const char *owner, int64_t epoch, int64_t window, int64_t limit)
{
    return take_with(&(struct coupon_line_take){.coupon_id = COUPON,
                                                .owner = owner,
                                                .epoch = epoch,
                                                .window = window,
                                                .limit = limit,
                                                .lease_ms = LEASE_MS,
                                                .ttl_ms = TTL_MS});
}

const struct taken *take_lease(const char *owner, int64_t epoch, int64_t limit, int64_t lease_ms)
{
    return take_with(&(struct coupon_line_take){.coupon_id = COUPON,
                                                .owner = owner,
                                                .epoch = epoch,
                                                .window = WINDOW,
                                                .limit = limit,
                                                .lease_ms = lease_ms,
                                                .ttl_ms = TTL_MS});
}

void published(int64_t epoch, const struct coupon_line_member *m, size_t n)
{
    struct answer a = {0};
    coupon_line_published(contract_store, COUPON, epoch, m, n, on_answer, &a);
    ck_assert(!a.fired);
    AWAIT_OK(&a);
}

void put_back(int64_t epoch, const struct coupon_line_member *m, size_t n)
{
    struct answer a = {0};
    coupon_line_put_back(contract_store, COUPON, epoch, m, n, on_answer, &a);
    ck_assert(!a.fired);
    AWAIT_OK(&a);
}

static void on_stale(void *arg, const struct coupon_line_member *m, size_t n, const struct error *e)
{
    struct taken *t = arg;
    ck_assert(!e && !t->fired);
    t->fired = true;
    keep_members(t, m, n);
}

const struct taken *stale(const char *owner, int64_t epoch, int64_t recheck_ms, int64_t lease_ms,
                          size_t limit)
{
    last_taken.fired = false;
    coupon_line_stale(contract_store, COUPON, owner, epoch, recheck_ms, lease_ms, limit, on_stale,
                      &last_taken);
    ck_assert(!last_taken.fired);
    await(&last_taken.fired);
    return &last_taken;
}

void release(const char *owner, int64_t epoch)
{
    struct answer a = {0};
    coupon_line_release(contract_store, COUPON, owner, epoch, on_answer, &a);
    ck_assert(!a.fired);
    AWAIT_OK(&a);
}

void decided(int64_t user_id, int64_t requested_at_us, bool success, int64_t user_coupon_id)
{
    struct buf json = BUF_INIT;
    buf_printf(&json, "{\"success\":%s,\"message\":\"m\",\"userCouponId\":%lld,\"requestedAt\":\"",
               success ? "true" : "false", (long long)user_coupon_id);
    msg_date_iso_us(&json, requested_at_us);
    buf_puts(&json, "\",\"processedAt\":\"2026-11-23T18:24:05.000000\"}");
    const struct coupon_line_result r = {COUPON, user_id, requested_at_us, success, buf_str(&json)};
    struct answer a = {0};
    coupon_line_decided(contract_store, &r, 1, 1800000, INT64_C(2592000000), on_answer, &a);
    ck_assert(!a.fired);
    buf_free(&json);
    AWAIT_OK(&a);
}

void on_status(void *arg, const struct coupon_line_status *st, const struct error *e)
{
    struct standing *s = arg;
    ck_assert(!e && !s->fired);
    *s = (struct standing){.fired = true,
                           .pending = st->pending,
                           .has_result = st->result_json != NULL,
                           .whole = st->whole,
                           .requested_at_us = st->requested_at_us,
                           .ticket = st->ticket,
                           .position = st->position,
                           .size = st->size};
    if (!st->result_json)
        return;
    s->success = strstr(st->result_json, "\"success\":true") != NULL;
    const char *id = strstr(st->result_json, "\"userCouponId\":");
    ck_assert_ptr_nonnull(id);
    s->user_coupon_id = strtoll(id + strlen("\"userCouponId\":"), NULL, 10);
}

struct standing standing_of(int64_t user_id)
{
    struct standing s = {0};
    coupon_line_status(contract_store, COUPON, user_id, on_status, &s);
    ck_assert(!s.fired);
    await(&s.fired);
    return s;
}

struct listed {
    bool fired;
    struct coupon_line_state *lines;
    size_t most, n;
};

static void on_list(void *arg, const struct coupon_line_page *page, const struct error *e)
{
    struct listed *l = arg;
    ck_assert(!e && !l->fired);
    for (size_t i = 0; i < page->n; i++) {
        size_t known = 0;
        while (known < l->n && l->lines[known].coupon_id != page->lines[i].coupon_id)
            known++;
        ck_assert_uint_lt(known, l->most);
        l->lines[known] = page->lines[i];
        l->n += known == l->n;
    }
    l->fired = !page->next;
    if (page->next)
        coupon_line_list(contract_store, page->next, on_list, l);
}

size_t list(struct coupon_line_state *lines, size_t most)
{
    struct listed l = {.lines = lines, .most = most};
    coupon_line_list(contract_store, 0, on_list, &l);
    ck_assert(!l.fired);
    await(&l.fired);
    return l.n;
}

/* --- whole lines --- */

int64_t user(int64_t i)
{
    return 1000 + i;
}

/* Users 1001 .. 1000 + n, in this order, requestedAt into at[0 .. n - 1] unless NULL. */
void fill(int n, int64_t *at)
{
    struct added *a = mem_array((size_t)n, sizeof *a);
    for (int i = 0; i < n; i++)
        send_add(&a[i], COUPON, user(i + 1));
    for (int i = 0; i < n; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.answer, COUPON_LINE_ACCEPTED);
        if (at)
            at[i] = a[i].t.requested_at_us;
    }
    mem_free(a);
}

void check_users(const struct taken *t, int64_t first, size_t n)
{
    ck_assert_uint_eq(t->t.n, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(t->m[i].user_id, user(first) + (int64_t)i);
}

bool listed(void)
{
    struct coupon_line_state lines[10];
    size_t n = list(lines, 10);
    for (size_t i = 0; i < n; i++)
        if (lines[i].coupon_id == COUPON)
            return true;
    return false;
}

void add_case(Suite *s, const char *name, const TTest *const *tests)
{
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, contract_open, contract_close);
    for (; *tests; tests++)
        tcase_add_test(t, *tests);
    suite_add_tcase(s, t);
}
