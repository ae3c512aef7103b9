/* The transaction that decides coupon requests, on the rows of struct store; one at a time holds the coupons. */
#include "fake/fake_store.h"
#include "store/issue_tx.h"

#include <stdlib.h>

struct issue_tx {
    struct store *store;
    const struct issue_tx_ops *ops;
    void *arg;
    struct loop_timer *deadline;
    struct fake_op *op;
    bool waiting;
    TAILQ_ENTRY(issue_tx) link;
    struct issue_tx_request *requests;
    size_t n;

    struct issue_tx_facts facts;
    struct issue_tx_coupon *coupons;
    struct issue_tx_fact *found;

    struct issue_tx_decision *decisions;
    size_t ndecisions;
    struct issue_tx_count *counts;
    size_t ncounts;
    bool aborted, refused;
    struct error why;
};

static TAILQ_HEAD(, issue_tx) waiting = TAILQ_HEAD_INITIALIZER(waiting);

struct tx_op {
    struct fake_op op;
    struct issue_tx *tx;
};

static void lock_next(struct store *s);

static void tx_end(struct issue_tx *tx, enum store_end end, const struct error *e)
{
    struct store *s = tx->store;
    if (tx->waiting)
        TAILQ_REMOVE(&waiting, tx, link);
    if (s->issue_mutex == tx)
        s->issue_mutex = NULL;
    loop_timer_free(tx->deadline);
    tx->ops->on_end(tx->arg, end, e);
    mem_free(tx->requests);
    mem_free(tx->coupons);
    mem_free(tx->found);
    mem_free(tx->decisions);
    mem_free(tx->counts);
    mem_free(tx);
    lock_next(s);
}

static void on_deadline(void *arg)
{
    struct issue_tx *tx = arg;
    struct error e;
    bool committing = tx->op && tx->op->call == FAKE_ISSUE_COMMIT && !tx->aborted;
    error_set(&e, committing ? ERROR_UNKNOWN : ERROR_RETRIABLE, "TIMEOUT", "the deadline has passed");
    if (tx->op)
        fake_expire(tx->op, &e);
    else
        tx_end(tx, STORE_ROLLED_BACK, &e);
}

static int compare_coupons(const void *a, const void *b)
{
    const struct issue_tx_coupon *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void read_coupons(struct issue_tx *tx)
{
    tx->coupons = mem_array(tx->n, sizeof *tx->coupons);
    for (size_t i = 0; i < tx->n; i++) {
        const struct fake_coupon *c = fake_coupon_find(tx->store, tx->requests[i].coupon_id);
        bool again = false;
        for (size_t k = 0; k < tx->facts.ncoupons; k++)
            again = again || tx->coupons[k].id == tx->requests[i].coupon_id;
        if (c && !again)
            tx->coupons[tx->facts.ncoupons++] = (struct issue_tx_coupon){c->id,
                                                                         c->name,
                                                                         c->discount,
                                                                         c->max_issuance,
                                                                         c->issued,
                                                                         strcmp(c->status, "ACTIVE") == 0,
                                                                         c->valid_from_us,
                                                                         c->valid_to_us};
    }
    qsort(tx->coupons, tx->facts.ncoupons, sizeof *tx->coupons, compare_coupons);
    tx->facts.coupons = tx->coupons;
}

static void read_facts(struct issue_tx *tx)
{
    struct store *s = tx->store;
    tx->found = mem_array(tx->n, sizeof *tx->found);
    tx->facts.requests = tx->found;
    for (size_t i = 0; i < tx->n; i++) {
        const struct issue_tx_request *q = &tx->requests[i];
        const struct fake_user *u = fake_user_find(s, q->user_id);
        const struct fake_request *r = fake_request_find(s, q->coupon_id, q->user_id, q->requested_at_us);
        struct issue_tx_fact *f = &tx->found[i];
        f->user_exists = u;
        f->user_active = u && u->active;
        for (size_t k = 0; k < s->user_coupons.n; k++)
            if (s->user_coupons.at[k].coupon_id == q->coupon_id &&
                s->user_coupons.at[k].user_id == q->user_id)
                f->holds_user_coupon_id = s->user_coupons.at[k].id;
        if (r && r->decided) {
            f->decided = true;
            f->success = r->success;
            f->reason = r->reason;
            f->user_coupon_id = r->user_coupon_id;
        }
    }
}

static void lock_answer(struct fake_op *op, const struct error *e)
{
    struct issue_tx *tx = ((struct tx_op *)op)->tx;
    tx->op = NULL;
    if (e) {
        tx_end(tx, STORE_ROLLED_BACK, e);
        return;
    }
    read_coupons(tx);
    read_facts(tx);
    tx->ops->on_locked(tx->arg, tx, &tx->facts);
}

static void start(struct issue_tx *tx, enum fake_call call, void (*apply)(struct fake_op *op),
                  void (*answer)(struct fake_op *op, const struct error *e))
{
    struct tx_op *o = mem_zalloc(sizeof *o);
    *o = (struct tx_op){{.apply = apply, .answer = answer}, tx};
    tx->op = &o->op;
    fake_start(tx->store, call, &o->op);
}

static void lock_next(struct store *s)
{
    struct issue_tx *tx;
    TAILQ_FOREACH(tx, &waiting, link)
    {
        if (tx->store == s)
            break;
    }
    if (!tx || s->issue_mutex)
        return;
    TAILQ_REMOVE(&waiting, tx, link);
    tx->waiting = false;
    s->issue_mutex = tx;
    start(tx, FAKE_ISSUE_LOCK, NULL, lock_answer);
}

struct issue_tx *issue_tx_lock(struct store *s, const struct issue_tx_request *requests, size_t n,
                               int64_t deadline_ms, const struct issue_tx_ops *ops, void *arg)
{
    struct issue_tx *tx = mem_zalloc(sizeof *tx);
    ASSERT(n > 0);
    tx->store = s;
    tx->ops = ops;
    tx->arg = arg;
    tx->requests = mem_dup(requests, n * sizeof *requests);
    tx->n = n;
    tx->deadline = loop_timer_new(s->loop, on_deadline, tx);
    loop_timer_start(tx->deadline, deadline_ms);
    tx->waiting = true;
    TAILQ_INSERT_TAIL(&waiting, tx, link);
    lock_next(s);
    return tx;
}

/* --- writing ------------------------------------------------------------------------------------------------------------- */

static bool refuse(struct issue_tx *tx, enum error_kind kind, const char *code, int64_t id)
{
    error_set(&tx->why, kind, code, "the database refuses the row of %lld", (long long)id);
    tx->refused = true;
    return false;
}

static bool decisions_fit(struct issue_tx *tx)
{
    struct store *s = tx->store;
    for (size_t i = 0; i < tx->ndecisions; i++) {
        const struct issue_tx_decision *d = &tx->decisions[i];
        const struct issue_tx_request *q = &d->request;
        const struct fake_request *r = fake_request_find(s, q->coupon_id, q->user_id, q->requested_at_us);
        ASSERT(d->success ? d->user_coupon_id > 0 && !d->reason : d->reason && !d->user_coupon_id);
        const struct fake_user *u = fake_user_find(s, q->user_id);
        if (u && u->refuse && d->success)
            return refuse(tx, ERROR_PERMANENT, u->refuse, u->id);
        if (u && u->refuse_all)
            return refuse(tx, ERROR_PERMANENT, u->refuse_all, u->id);
        if (r && r->decided)
            return refuse(tx, ERROR_BUG, "ROW_COUNT", q->user_id);
        for (size_t k = 0; k < i; k++)
            ASSERT(tx->decisions[k].request.coupon_id != q->coupon_id ||
                   tx->decisions[k].request.user_id != q->user_id ||
                   tx->decisions[k].request.requested_at_us != q->requested_at_us);
        for (size_t k = 0; d->success && k < s->user_coupons.n; k++)
            if (s->user_coupons.at[k].id == d->user_coupon_id ||
                (s->user_coupons.at[k].coupon_id == q->coupon_id &&
                 s->user_coupons.at[k].user_id == q->user_id))
                return refuse(tx, ERROR_PERMANENT, "23505", q->user_id);
        for (size_t k = 0; d->success && k < i; k++)
            if (tx->decisions[k].success && tx->decisions[k].request.coupon_id == q->coupon_id &&
                tx->decisions[k].request.user_id == q->user_id)
                return refuse(tx, ERROR_PERMANENT, "23505", q->user_id);
    }
    return true;
}

static bool counts_fit(struct issue_tx *tx)
{
    int64_t issued = 0, counted = 0;
    for (size_t i = 0; i < tx->ndecisions; i++)
        issued += tx->decisions[i].success;
    for (size_t i = 0; i < tx->ncounts; i++) {
        const struct fake_coupon *c = fake_coupon_find(tx->store, tx->counts[i].coupon_id);
        counted += tx->counts[i].issued;
        if (!c)
            return refuse(tx, ERROR_BUG, "ROW_COUNT", tx->counts[i].coupon_id);
        if (c->issued + tx->counts[i].issued > c->max_issuance)
            return refuse(tx, ERROR_PERMANENT, "23514", c->id);
    }
    ASSERT(counted == issued);
    return true;
}

static void commit_apply(struct fake_op *op)
{
    struct issue_tx *tx = ((struct tx_op *)op)->tx;
    struct store *s = tx->store;
    if (tx->aborted || !decisions_fit(tx) || !counts_fit(tx))
        return;
    for (size_t i = 0; i < tx->ndecisions; i++) {
        const struct issue_tx_decision *d = &tx->decisions[i];
        const struct issue_tx_request *q = &d->request;
        struct fake_request *r = fake_request_find(s, q->coupon_id, q->user_id, q->requested_at_us);
        if (!r) {
            r = FAKE_ADD(&s->requests);
            *r = (struct fake_request){.coupon_id = q->coupon_id,
                                       .user_id = q->user_id,
                                       .requested_at_us = q->requested_at_us,
                                       .ticket = q->ticket};
        }
        if (!r->ticket)
            r->ticket = q->ticket;
        r->decided = true;
        r->success = d->success;
        r->reason = d->reason; /* a word of the table of refusals */
        r->user_coupon_id = d->user_coupon_id;
        r->decision = ++s->decisions;
        if (d->success)
            *FAKE_ADD(&s->user_coupons) = (struct fake_user_coupon){
                .id = d->user_coupon_id, .coupon_id = q->coupon_id, .user_id = q->user_id};
    }
    for (size_t i = 0; i < tx->ncounts; i++)
        fake_coupon_find(s, tx->counts[i].coupon_id)->issued += tx->counts[i].issued;
    fake_log(s, "decisions %zu", tx->ndecisions);
    for (size_t i = 0; i < tx->ncounts; i++)
        fake_coupon_changed(s, tx->counts[i].coupon_id);
}

static void commit_answer(struct fake_op *op, const struct error *e)
{
    struct issue_tx *tx = ((struct tx_op *)op)->tx;
    static const struct error none;
    tx->op = NULL;
    if (tx->aborted)
        tx_end(tx, STORE_ROLLED_BACK, e && e->kind != ERROR_UNKNOWN ? e : &none);
    else if (e && e->kind == ERROR_UNKNOWN)
        tx_end(tx, STORE_UNKNOWN, e);
    else if (e)
        tx_end(tx, STORE_ROLLED_BACK, e);
    else if (tx->refused)
        tx_end(tx, STORE_ROLLED_BACK, &tx->why);
    else
        tx_end(tx, STORE_COMMITTED, NULL);
}

void issue_tx_write(struct issue_tx *tx, int64_t at_us, const struct issue_tx_decision *decisions, size_t n,
                    const struct issue_tx_count *counts, size_t ncounts)
{
    tx->decisions = mem_dup(decisions, n * sizeof *decisions);
    tx->ndecisions = n;
    tx->counts = mem_dup(counts, ncounts * sizeof *counts);
    tx->ncounts = ncounts;
    start(tx, FAKE_ISSUE_COMMIT, commit_apply, commit_answer);
}

void issue_tx_abort(struct issue_tx *tx)
{
    tx->aborted = true;
    start(tx, FAKE_ISSUE_COMMIT, NULL, commit_answer);
}
