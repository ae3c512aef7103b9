/* Users of coupons, page by page: a source gives pages, each is verified, what is wrong is remembered and verified once more after a
 * while, coupon by coupon. Only what is wrong both times, for the same request, is reported. */
#include "service/audit_internal.h"

#include <inttypes.h>

#define SUSPECTS_MAX 10000

struct suspect {
    int64_t coupon_id, user_id, requested_at_us;
};

struct audit_sweep {
    const struct audit_sweep_ops *ops;
    void (*then)(struct audit *a);
    struct audit_place place;
    struct audit_page page; /* being verified */
    int64_t coupon_id;      /* of the source's page, which may be longer than one of ours */
    int64_t *users, *requested_at_us;
    size_t n, at;
    struct suspect *suspects;
    size_t nsuspects, cap;
    int64_t more; /* suspects beyond what is remembered */
    bool again;   /* the second look */
    size_t next;  /* suspect */
    struct loop_task step;
};

static void forget_source_page(struct audit_sweep *s)
{
    mem_free(s->users);
    mem_free(s->requested_at_us);
    s->users = s->requested_at_us = NULL;
    s->n = s->at = 0;
}

void audit_sweep_free(struct audit_sweep *s)
{
    if (!s)
        return;
    forget_source_page(s);
    mem_free(s->suspects);
    mem_free(s);
}

struct audit_place *audit_sweep_place(struct audit *a)
{
    return &a->sweep->place;
}

struct audit_page *audit_sweep_verifying(struct audit *a)
{
    return &a->sweep->page;
}

static void end(struct audit *a)
{
    void (*then)(struct audit * a) = a->sweep->then;
    audit_sweep_free(a->sweep);
    a->sweep = NULL;
    then(a);
}

/* --- first look --- */

/* The next of our pages out of the source's, or a new one of the source. */
static void look(struct audit *a)
{
    struct audit_sweep *s = a->sweep;
    if (s->at == s->n) {
        forget_source_page(s);
        s->ops->next(a);
        return;
    }
    size_t n = s->n - s->at < COUPON_USERS_MAX ? s->n - s->at : COUPON_USERS_MAX;
    s->page = (struct audit_page){.coupon_id = s->coupon_id, .n = n};
    memcpy(s->page.users, s->users + s->at, n * sizeof *s->users);
    memcpy(s->page.requested_at_us, s->requested_at_us + s->at, n * sizeof *s->requested_at_us);
    s->at += n;
    s->ops->verify(a, &s->page);
}

void audit_sweep_page(struct audit *a, int64_t coupon_id, const int64_t *users,
                      const int64_t *requested_at_us, size_t n)
{
    struct audit_sweep *s = a->sweep;
    s->coupon_id = coupon_id;
    s->users = mem_array(n, sizeof *users);
    s->requested_at_us = mem_array(n, sizeof *users);
    s->n = n;
    s->at = 0;
    for (size_t i = 0; i < n; i++) {
        s->users[i] = users[i];
        s->requested_at_us[i] = requested_at_us ? requested_at_us[i] : 0;
    }
    loop_defer(a->loop, &s->step);
}

static void suspect(struct audit_sweep *s, const struct suspect *one)
{
    if (s->nsuspects == SUSPECTS_MAX) {
        s->more++;
        return;
    }
    if (s->nsuspects == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->suspects = mem_grow(s->suspects, s->cap, sizeof *s->suspects);
    }
    s->suspects[s->nsuspects++] = *one;
}

/* --- second look --- */

static void look_again(void *arg)
{
    struct audit *a = arg;
    struct audit_sweep *s = a->sweep;
    s->again = true;
    if (s->next == s->nsuspects) {
        a->report.wrong += s->more;
        end(a);
        return;
    }
    s->page = (struct audit_page){.coupon_id = s->suspects[s->next].coupon_id};
    struct audit_page *p = &s->page;
    while (s->next < s->nsuspects && p->n < COUPON_USERS_MAX &&
           s->suspects[s->next].coupon_id == p->coupon_id) {
        p->users[p->n] = s->suspects[s->next].user_id;
        p->requested_at_us[p->n++] = s->suspects[s->next++].requested_at_us;
    }
    s->ops->verify(a, p);
}

void audit_sweep_end(struct audit *a)
{
    struct audit_sweep *s = a->sweep;
    if (!s->nsuspects)
        end(a);
    else
        audit_settle(a, look_again);
}

void audit_sweep_verified(struct audit *a, const struct error *e)
{
    struct audit_sweep *s = a->sweep;
    if (audit_failed(a, e))
        return;
    for (size_t i = 0; i < s->page.n; i++) {
        const struct audit_page *p = &s->page;
        if (!p->wrong[i])
            continue;
        if (!s->again) {
            suspect(s, &(struct suspect){p->coupon_id, p->users[i], p->requested_at_us[i]});
            continue;
        }
        a->report.wrong++;
        audit_example(a, "coupon %" PRId64 ", user %" PRId64 ": %s", p->coupon_id, p->users[i], p->wrong[i]);
    }
    loop_defer(a->loop, &s->step);
}

static void step(void *arg)
{
    struct audit *a = arg;
    if (a->sweep->again)
        look_again(a);
    else
        look(a);
}

void audit_sweep_start(struct audit *a, const struct audit_sweep_ops *ops, void (*then)(struct audit *a))
{
    struct audit_sweep *s = mem_zalloc(sizeof *s);
    s->ops = ops;
    s->then = then;
    s->step = (struct loop_task){.run = step, .arg = a};
    a->sweep = s;
    ops->next(a);
}
