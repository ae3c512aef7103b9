/* Reading a waiting line for an operator: the script lua/coupon_read.lua, its reply turned into rows. */
#include "store/coupon_line_read.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store/store_script.h"

#define ID "%" PRId64

enum { /* elements of the reply */
    REPLY_WAITING,
    REPLY_IN_FLIGHT,
    REPLY_ISSUED,
    REPLY_LAST_TICKET,
    REPLY_OWNER,
    REPLY_EPOCH,
    REPLY_LEASE,
    REPLY_MEMBERS,
    MEMBER_FIELDS = 5 /* member, score, state, ticket, requestedAt */
};

typedef void read_fn(void *arg, const struct coupon_line_view *view, const struct error *e);

struct reading {
    int64_t skip;
    struct store_arena arena;
    read_fn *done;
    void *arg;
};

static const char *text_of(struct reading *c, const struct redis_reply *r)
{
    struct slice s = redis_reply_text(r);
    char *copy = store_arena_alloc(&c->arena, s.n + 1);
    if (s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

/* Scores are seconds since 1970; other programs may write anything. */
static int64_t score_us(const char *score)
{
    double s = strtod(score, NULL);
    return s > 0 && s < 253402300800.0 /* the year 10000 */ ? (int64_t)(s * 1e6 + 0.5) : 0;
}

static struct coupon_line_place read_member(struct reading *c, const struct redis_reply *r, size_t i,
                                            bool in_flight)
{
    size_t at = REPLY_MEMBERS + i * MEMBER_FIELDS;
    struct slice state = redis_reply_text(redis_reply_at(r, at + 2));
    struct coupon_line_place m = {
        .user = text_of(c, redis_reply_at(r, at)),
        .ticket = redis_reply_i64(redis_reply_at(r, at + 3)),
        .requested_at_us = redis_reply_i64(redis_reply_at(r, at + 4)),
    };
    if (in_flight)
        m.state = slice_eq(state, "P") ? COUPON_LINE_PUBLISHED : COUPON_LINE_TAKEN;
    if (!m.requested_at_us)
        m.requested_at_us = score_us(text_of(c, redis_reply_at(r, at + 1)));
    return m;
}

static void on_read(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct reading *c = arg;
    struct coupon_line_view view = {0};
    if (!e) {
        view.waiting = redis_reply_i64(redis_reply_at(r, REPLY_WAITING));
        view.in_flight = redis_reply_i64(redis_reply_at(r, REPLY_IN_FLIGHT));
        view.issued = redis_reply_i64(redis_reply_at(r, REPLY_ISSUED));
        view.last_ticket = redis_reply_i64(redis_reply_at(r, REPLY_LAST_TICKET));
        const char *owner = text_of(c, redis_reply_at(r, REPLY_OWNER));
        view.owner = *owner ? owner : NULL;
        view.epoch = redis_reply_i64(redis_reply_at(r, REPLY_EPOCH));
        view.lease_ms = redis_reply_i64(redis_reply_at(r, REPLY_LEASE));
        view.n = (redis_reply_len(r) - REPLY_MEMBERS) / MEMBER_FIELDS;
        struct coupon_line_place *members = store_arena_array(&c->arena, view.n, sizeof *members);
        for (size_t i = 0; i < view.n; i++) {
            int64_t behind = c->skip + (int64_t)i - view.in_flight;
            members[i] = read_member(c, r, i, behind < 0);
            members[i].place = behind < 0 ? 0 : behind + 1;
        }
        view.members = members;
    }
    c->done(c->arg, e ? NULL : &view, e);
    store_arena_free(&c->arena);
    mem_free(c);
}

void coupon_line_read(struct store *s, int64_t coupon_id, int64_t skip, int64_t limit, read_fn *done,
                      void *arg)
{
    ASSERT(skip >= 0 && limit >= 0 && limit <= COUPON_LINE_READ_MAX);
    struct reading *c = mem_zalloc(sizeof *c);
    *c = (struct reading){.skip = skip, .done = done, .arg = arg};
    struct script_args a = {0};
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_key(&a, "coupon:inflight:" ID, coupon_id);
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_key(&a, "coupon:drain:" ID, coupon_id);
    script_key(&a, "coupon:issued:" ID, coupon_id);
    script_key(&a, "coupon:ticket:" ID, coupon_id);
    script_i64(&a, skip);
    script_i64(&a, limit);
    store_script(s, SCRIPT_COUPON_READ, &a, REPLY_MEMBERS, on_read, c);
}
