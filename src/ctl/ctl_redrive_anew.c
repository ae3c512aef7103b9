/* Dead-lettered coupon requests accepted as new ones, each after the other.
 *
 *   decided   only a request that was decided FAILED: any other is sent again as it is, and its consumer decides
 *   holds     nobody who holds the coupon
 *   pending   nobody who has a request that is not decided
 *   record    SENDING
 *   accept    through the line, as if the user asked: a new ticket, a new requestedAt
 *   record    SENT with the ticket, or FAILED with what the line said
 *
 * Who dies in between may repeat it: then the user has a pending request or the coupon, or was refused again. */
#include <stdio.h>

#include "app/pools.h"
#include "ctl/ctl_redrive.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "service/coupon.h"
#include "store/coupon.h"
#include "store/coupon_users.h"

static void refuse(struct redrive_letter *l, enum redrive_outcome outcome, const char *why)
{
    l->outcome = outcome;
    str_copy(l->reason, sizeof l->reason, why);
}

static void on_decision(void *arg, bool found, const struct coupon_request_row *row, const struct error *e)
{
    struct redrive *r = arg;
    if (!e && (!found || !row->decided))
        refuse(r->asked, REDRIVE_REFUSED,
               "the request is not decided yet: send it again without --as-new-request");
    else if (!e && row->success)
        refuse(r->asked, REDRIVE_REFUSED, "the request has its coupon");
    ctl_finish(r->dlq.c, e);
}

static void on_held(void *arg, const bool *flags, size_t n, const struct error *e)
{
    struct redrive *r = arg;
    if (!e && flags[0])
        refuse(r->asked, REDRIVE_REFUSED, "the user holds the coupon");
    ctl_finish(r->dlq.c, e);
}

static void on_latest(void *arg, bool found, const struct coupon_request_row *row, const struct error *e)
{
    struct redrive *r = arg;
    if (!e && found && !row->decided)
        refuse(r->asked, REDRIVE_REFUSED, "the user has a request that is not decided yet");
    ctl_finish(r->dlq.c, e);
}

/* False: a service is away, told to the user. The letter stays pending when it may be accepted. */
static bool may_be_asked(struct redrive *r, const struct issue_tx_request *request)
{
    struct ctl *c = r->dlq.c;
    coupon_request_find(c->store, request->coupon_id, request->user_id, request->requested_at_us, on_decision,
                        r);
    if (!ctl_wait_on(c, CTL_CALL_TIMEOUT_MS))
        return false;
    if (r->asked->outcome != REDRIVE_PENDING)
        return true;
    coupon_users_held(c->store, request->coupon_id, &request->user_id, 1, on_held, r);
    if (!ctl_wait_on(c, CTL_CALL_TIMEOUT_MS))
        return false;
    if (r->asked->outcome != REDRIVE_PENDING)
        return true;
    coupon_request_latest(c->store, request->coupon_id, request->user_id, on_latest, r);
    return ctl_wait_on(c, CTL_CALL_TIMEOUT_MS);
}

static void on_accept(void *arg, const struct coupon_accepted *accepted, const struct refusal *why)
{
    struct redrive *r = arg;
    struct redrive_letter *l = r->asked;
    if (accepted) {
        l->outcome = REDRIVE_ACCEPTED;
        l->ticket = accepted->ticket;
    } else {
        struct buf text = BUF_INIT;
        refusal_text(&text, why, REFUSAL_ENGLISH);
        refuse(l, why->code == REFUSAL_OUTCOME_UNKNOWN ? REDRIVE_UNKNOWN : REDRIVE_FAILED, buf_str(&text));
        buf_free(&text);
        r->away |= refusal_status(why->code) == 503;
    }
    ctl_finish(r->dlq.c, NULL);
}

static void line_open(struct redrive *r)
{
    if (r->accept)
        return;
    const struct coupon_config cfg = app_coupon_config();
    r->cache = coupon_cache_new(r->dlq.c->loop, r->dlq.c->store);
    r->users = user_cache_new(r->dlq.c->loop, r->dlq.c->store);
    r->accept = coupon_accept_new(r->dlq.c->loop, r->dlq.c->store, r->users, r->cache, &cfg);
}

/* One letter: the others of the chunk are left out of its records. */
static bool record_one(struct redrive *r, struct redrive_letter *l, enum dead_letter_state state)
{
    struct redrive_letter *letters = r->letters;
    size_t n = r->n;
    r->letters = l;
    r->n = 1;
    bool ok = redrive_record(r, state);
    r->letters = letters;
    r->n = n;
    return ok;
}

bool redrive_anew(struct redrive *r)
{
    struct ctl *c = r->dlq.c;
    for (size_t i = 0; i < r->n; i++) {
        struct redrive_letter *l = &r->letters[i];
        struct issue_tx_request request;
        if (l->outcome != REDRIVE_PENDING)
            continue;
        if (!dead_letter_coupon_request(&l->letter, &request)) {
            refuse(l, REDRIVE_REFUSED, "--as-new-request is for coupon requests");
            continue;
        }
        r->asked = l;
        if (!may_be_asked(r, &request))
            return false;
        if (l->outcome != REDRIVE_PENDING || r->dry_run)
            continue;
        line_open(r);
        if (!record_one(r, l, DEAD_LETTER_SENDING))
            return false;
        coupon_accept(r->accept, request.coupon_id, request.user_id, on_accept, r);
        if (!ctl_wait_on(c, CTL_CALL_TIMEOUT_MS) || !record_one(r, l, DEAD_LETTER_SENDING))
            return false;
    }
    return true;
}

/* The clients answer what is outstanding while they are freed; then those who asked may go. */
void redrive_close(struct redrive *r)
{
    struct ctl *c = r->dlq.c;
    redrive_close_producer(r);
    pg_lock_free(r->lock);
    ctl_disconnect(c);
    coupon_accept_free(r->accept);
    coupon_cache_free(r->cache);
    user_cache_free(r->users);
}
