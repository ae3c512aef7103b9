/* The transaction of orders and charges on the rows of struct store: claims first, then the rows, which one transaction at a time holds.
 * A commit checks everything that the database would refuse, and applies all of it or nothing. */
#include "fake/fake_store.h"

#include "base/clock.h"

struct order_tx {
    struct store *store;
    const struct order_tx_ops *ops;
    void *arg;
    struct loop_timer *deadline;
    struct fake_op *op; /* under way */
    struct loop_task committing;
    bool waiting;               /* for the rows, instead of holding them */
    TAILQ_ENTRY(order_tx) link; /* among those that wait, or hold */

    int64_t *product_ids, *user_ids, *user_coupon_ids;
    size_t nproducts, nusers, nuser_coupons;
    struct order_tx_key *keys;
    size_t nkeys;

    struct order_tx_facts facts;
    struct order_tx_product *products;
    struct order_tx_user *users;
    struct order_tx_coupon *coupons;
    struct order_tx_answer *answers;

    struct order_tx_writes writes; /* deep copies */
    bool aborted;
    bool refused; /* by the database: why */
    struct error why;
};

TAILQ_HEAD(order_txs, order_tx);
static struct order_txs waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct order_txs holding = TAILQ_HEAD_INITIALIZER(holding);

struct tx_op {
    struct fake_op op;
    struct order_tx *tx;
};

/* --- the end ----------------------------------------------------------------------------------------------------------- */

static void writes_free(struct order_tx_writes *w)
{
    mem_free((void *)w->orders);
    for (size_t i = 0; i < w->noutbox; i++)
        mem_free((char *)w->outbox[i].payload);
    mem_free((void *)w->outbox);
    for (size_t i = 0; i < w->nlines; i++)
        mem_free((char *)w->lines[i].product_name);
    mem_free((void *)w->lines);
    mem_free((void *)w->sales);
    mem_free((void *)w->balances);
    mem_free((void *)w->ledger);
    mem_free((void *)w->uses);
    for (size_t i = 0; i < w->ndecided; i++) {
        mem_free((char *)w->decided[i].key.key);
        mem_free((char *)w->decided[i].body_hash);
        mem_free((char *)w->decided[i].body);
    }
    mem_free((void *)w->decided);
}

static void keys_free(struct order_tx *tx)
{
    for (size_t i = 0; i < tx->nkeys; i++) {
        mem_free((char *)tx->keys[i].route);
        mem_free((char *)tx->keys[i].key);
    }
    mem_free(tx->keys);
}

static void lock_next(struct store *s);

static void tx_end(struct order_tx *tx, enum store_end end, const struct error *e)
{
    struct store *s = tx->store;
    if (tx->waiting)
        TAILQ_REMOVE(&waiting, tx, link);
    else
        TAILQ_REMOVE(&holding, tx, link);
    for (size_t i = s->claims.n; i-- > 0;)
        if (s->claims.at[i].owner == tx)
            FAKE_REMOVE(&s->claims, i);
    loop_timer_free(tx->deadline);
    loop_defer_cancel(s->loop, &tx->committing);
    tx->ops->on_end(tx->arg, end, e);
    writes_free(&tx->writes);
    keys_free(tx);
    mem_free(tx->product_ids);
    mem_free(tx->user_ids);
    mem_free(tx->user_coupon_ids);
    mem_free(tx->products);
    mem_free(tx->users);
    mem_free(tx->coupons);
    mem_free(tx->answers);
    mem_free(tx);
    lock_next(s);
}

static void on_deadline(void *arg)
{
    struct order_tx *tx = arg;
    struct error e;
    bool committing = tx->op && tx->op->call == FAKE_ORDER_COMMIT && !tx->aborted;
    error_set(&e, committing ? ERROR_UNKNOWN : ERROR_RETRIABLE, "TIMEOUT", "the deadline has passed");
    if (tx->op)
        fake_expire(tx->op, &e);
    else
        tx_end(tx, STORE_ROLLED_BACK, &e);
}

/* --- first step -------------------------------------------------------------------------------------------------------- */

static void read_products(struct order_tx *tx)
{
    tx->products = mem_array(tx->nproducts, sizeof *tx->products);
    tx->facts.products = tx->products;
    for (size_t i = 0; i < tx->nproducts; i++) {
        const struct fake_product *p = fake_product_find(tx->store, tx->product_ids[i]);
        if (p)
            tx->products[tx->facts.nproducts++] =
                (struct order_tx_product){p->id, p->name, p->category, p->price, p->stock, !p->inactive};
    }
}

static void read_users(struct order_tx *tx)
{
    tx->users = mem_array(tx->nusers, sizeof *tx->users);
    tx->facts.users = tx->users;
    for (size_t i = 0; i < tx->nusers; i++) {
        const struct fake_user *u = fake_user_find(tx->store, tx->user_ids[i]);
        if (u)
            tx->users[tx->facts.nusers++] =
                (struct order_tx_user){u->id, u->name, u->active, u->has_balance, u->balance};
    }
}

static void read_coupons(struct order_tx *tx)
{
    tx->coupons = mem_array(tx->nuser_coupons, sizeof *tx->coupons);
    tx->facts.coupons = tx->coupons;
    for (size_t i = 0; i < tx->nuser_coupons; i++) {
        const struct fake_user_coupon *u = fake_user_coupon_find(tx->store, tx->user_coupon_ids[i]);
        const struct fake_coupon *c = u ? fake_coupon_find(tx->store, u->coupon_id) : NULL;
        if (c)
            tx->coupons[tx->facts.ncoupons++] = (struct order_tx_coupon){
                u->id, u->user_id, c->id, c->discount, !u->order_id, c->valid_from_us, c->valid_to_us};
    }
}

static bool same_key(const struct order_tx_key *k, const char *route, int64_t user_id, const char *key)
{
    return k->user_id == user_id && strcmp(k->route, route) == 0 && strcmp(k->key, key) == 0;
}

static void read_answers(struct order_tx *tx)
{
    struct store *s = tx->store;
    tx->facts.answers = tx->answers;
    tx->facts.nanswers = tx->nkeys;
    for (size_t i = 0; i < tx->nkeys; i++) {
        for (size_t k = 0; k < s->keys.n; k++) {
            const struct fake_key *stored = &s->keys.at[k];
            if (!same_key(&tx->keys[i], stored->route, stored->user_id, stored->key))
                continue;
            tx->answers[i].decided = true;
            tx->answers[i].status = stored->status;
            tx->answers[i].body_hash = stored->body_hash;
            tx->answers[i].body = stored->body;
        }
    }
}

static void lock_answer(struct fake_op *op, const struct error *e)
{
    struct order_tx *tx = ((struct tx_op *)op)->tx;
    tx->op = NULL;
    if (e) {
        tx_end(tx, STORE_ROLLED_BACK, e);
        return;
    }
    read_products(tx);
    read_users(tx);
    read_coupons(tx);
    read_answers(tx);
    tx->ops->on_locked(tx->arg, tx, &tx->facts);
}

static void start(struct order_tx *tx, enum fake_call call, void (*apply)(struct fake_op *op),
                  void (*answer)(struct fake_op *op, const struct error *e))
{
    struct tx_op *o = mem_zalloc(sizeof *o);
    *o = (struct tx_op){{.apply = apply, .answer = answer}, tx};
    tx->op = &o->op;
    fake_start(tx->store, call, &o->op);
}

static bool share_ids(const int64_t *a, size_t na, const int64_t *b, size_t nb)
{
    for (size_t i = 0, k = 0; i < na && k < nb;) {
        if (a[i] == b[k])
            return true;
        if (a[i] < b[k])
            i++;
        else
            k++;
    }
    return false;
}

static bool share_rows(const struct order_tx *a, const struct order_tx *b)
{
    return a->store == b->store &&
           (share_ids(a->product_ids, a->nproducts, b->product_ids, b->nproducts) ||
            share_ids(a->user_ids, a->nusers, b->user_ids, b->nusers) ||
            share_ids(a->user_coupon_ids, a->nuser_coupons, b->user_coupon_ids, b->nuser_coupons));
}

static bool rows_are_held(const struct order_tx *tx)
{
    const struct order_tx *h;
    TAILQ_FOREACH(h, &holding, link)
    if (share_rows(h, tx))
        return true;
    return false;
}

static void lock_next(struct store *s)
{
    struct order_tx *tx, *next;
    for (tx = TAILQ_FIRST(&waiting); tx; tx = next) {
        next = TAILQ_NEXT(tx, link);
        if (tx->store != s || rows_are_held(tx))
            continue;
        TAILQ_REMOVE(&waiting, tx, link);
        tx->waiting = false;
        TAILQ_INSERT_TAIL(&holding, tx, link);
        start(tx, FAKE_ORDER_LOCK, NULL, lock_answer);
    }
}

static void claim_keys(struct order_tx *tx)
{
    struct store *s = tx->store;
    tx->answers = mem_array(tx->nkeys, sizeof *tx->answers);
    for (size_t i = 0; i < tx->nkeys; i++) {
        tx->answers[i].claimed = true;
        for (size_t k = 0; k < s->claims.n; k++) {
            const struct fake_claim *c = &s->claims.at[k];
            ASSERT(c->owner != tx || !same_key(&tx->keys[i], c->route, c->user_id, c->key));
            if (same_key(&tx->keys[i], c->route, c->user_id, c->key))
                tx->answers[i].claimed = false;
        }
        if (tx->answers[i].claimed)
            *FAKE_ADD(&s->claims) =
                (struct fake_claim){tx->keys[i].route, tx->keys[i].key, tx->keys[i].user_id, tx};
    }
}

static void assert_sorted(const int64_t *ids, size_t n)
{
    for (size_t i = 1; i < n; i++)
        ASSERT(ids[i - 1] < ids[i]);
}

struct order_tx *order_tx_lock(struct store *s, const struct order_tx_locks *locks, int64_t deadline_ms,
                               const struct order_tx_ops *ops, void *arg)
{
    assert_sorted(locks->product_ids, locks->nproducts);
    assert_sorted(locks->user_ids, locks->nusers);
    assert_sorted(locks->user_coupon_ids, locks->nuser_coupons);
    struct order_tx *tx = mem_zalloc(sizeof *tx);
    tx->store = s;
    tx->ops = ops;
    tx->arg = arg;
    tx->product_ids = mem_dup(locks->product_ids, locks->nproducts * sizeof(int64_t));
    tx->nproducts = locks->nproducts;
    tx->user_ids = mem_dup(locks->user_ids, locks->nusers * sizeof(int64_t));
    tx->nusers = locks->nusers;
    tx->user_coupon_ids = mem_dup(locks->user_coupon_ids, locks->nuser_coupons * sizeof(int64_t));
    tx->nuser_coupons = locks->nuser_coupons;
    tx->nkeys = locks->nkeys;
    tx->keys = mem_array(tx->nkeys, sizeof *tx->keys);
    for (size_t i = 0; i < tx->nkeys; i++)
        tx->keys[i] = (struct order_tx_key){mem_strdup(locks->keys[i].route), locks->keys[i].user_id,
                                            mem_strdup(locks->keys[i].key)};
    claim_keys(tx);
    tx->deadline = loop_timer_new(s->loop, on_deadline, tx);
    loop_timer_start(tx->deadline, deadline_ms);
    tx->waiting = true;
    TAILQ_INSERT_TAIL(&waiting, tx, link);
    lock_next(s);
    return tx;
}

/* --- second step: what the database would refuse ------------------------------------------------------------------------- */

static bool refuse(struct order_tx *tx, enum error_kind kind, const char *code, const char *what, int64_t id)
{
    error_set(&tx->why, kind, code, "%s of %lld", what, (long long)id);
    tx->refused = true;
    return false;
}

#define NUMERIC_MAX MONEY_MAX

static bool sales_fit(struct order_tx *tx)
{
    for (size_t i = 0; i < tx->writes.nsales; i++) {
        const struct order_tx_sale *sale = &tx->writes.sales[i];
        const struct fake_product *p = fake_product_find(tx->store, sale->product_id);
        int64_t quantity = 0;
        money amount = 0;
        if (!p)
            return refuse(tx, ERROR_BUG, "ROW_COUNT", "product", sale->product_id);
        if (p->refuse)
            return refuse(tx, ERROR_PERMANENT, p->refuse, "product", p->id);
        for (size_t k = 0; k < tx->writes.nlines; k++) {
            if (tx->writes.lines[k].product_id != p->id)
                continue;
            quantity += tx->writes.lines[k].quantity;
            amount += tx->writes.lines[k].total_price;
        }
        ASSERT(quantity == sale->quantity && amount == sale->amount && quantity > 0);
        if (sale->quantity > p->stock)
            return refuse(tx, ERROR_PERMANENT, "23514", "stock", p->id);
        if (sale->amount > NUMERIC_MAX)
            return refuse(tx, ERROR_PERMANENT, "22003", "sales", p->id);
    }
    return true;
}

static bool balances_fit(struct order_tx *tx)
{
    for (size_t i = 0; i < tx->writes.nbalances; i++) {
        const struct order_tx_balance *b = &tx->writes.balances[i];
        const struct fake_user *u = fake_user_find(tx->store, b->user_id);
        money sum = u ? u->balance : 0;
        if (!u)
            return refuse(tx, ERROR_PERMANENT, "23503", "user", b->user_id);
        if (b->create && u->has_balance)
            return refuse(tx, ERROR_RETRIABLE, "RACE", "balance", b->user_id);
        if (!b->create && !u->has_balance)
            return refuse(tx, ERROR_BUG, "ROW_COUNT", "balance", b->user_id);
        if (b->amount < 0)
            return refuse(tx, ERROR_PERMANENT, "23514", "balance", b->user_id);
        if (b->amount > NUMERIC_MAX)
            return refuse(tx, ERROR_PERMANENT, "22003", "balance", b->user_id);
        for (size_t k = 0; k < tx->writes.nledger; k++) {
            const struct order_tx_ledger *l = &tx->writes.ledger[k];
            if (l->user_id != b->user_id)
                continue;
            sum += l->amount;
            ASSERT(l->balance_after == sum);
        }
        ASSERT(sum == b->amount);
    }
    return true;
}

static bool uses_fit(struct order_tx *tx)
{
    for (size_t i = 0; i < tx->writes.nuses; i++) {
        const struct fake_user_coupon *u =
            fake_user_coupon_find(tx->store, tx->writes.uses[i].user_coupon_id);
        if (!u || u->order_id)
            return refuse(tx, ERROR_BUG, "ROW_COUNT", "user coupon", tx->writes.uses[i].user_coupon_id);
        for (size_t k = 0; k < i; k++)
            ASSERT(tx->writes.uses[k].user_coupon_id != u->id);
    }
    return true;
}

static bool orders_fit(struct order_tx *tx)
{
    for (size_t i = 0; i < tx->writes.norders; i++)
        for (size_t k = 0; k < tx->store->orders.n; k++)
            if (tx->store->orders.at[k].row.id == tx->writes.orders[i].id)
                return refuse(tx, ERROR_PERMANENT, "23505", "order", tx->writes.orders[i].id);
    for (size_t i = 0; i < tx->writes.ndecided; i++)
        for (size_t k = 0; k < tx->store->keys.n; k++) {
            const struct fake_key *stored = &tx->store->keys.at[k];
            if (same_key(&tx->writes.decided[i].key, stored->route, stored->user_id, stored->key))
                return refuse(tx, ERROR_PERMANENT, "23505", "key", stored->user_id);
        }
    return true;
}

/* --- second step: writing -------------------------------------------------------------------------------------------------- */

static void write_sales(struct order_tx *tx)
{
    struct store *s = tx->store;
    for (size_t i = 0; i < tx->writes.nsales; i++) {
        const struct order_tx_sale *sale = &tx->writes.sales[i];
        fake_product_find(s, sale->product_id)->stock -= sale->quantity;
        size_t k = 0;
        while (k < s->sales.n && s->sales.at[k].product_id != sale->product_id)
            k++;
        if (k == s->sales.n)
            FAKE_ADD(&s->sales)->product_id = sale->product_id;
        s->sales.at[k].quantity += sale->quantity;
        s->sales.at[k].amount += sale->amount;
    }
}

static void write_orders(struct order_tx *tx)
{
    struct store *s = tx->store;
    const struct order_tx_writes *w = &tx->writes;
    for (size_t i = 0; i < w->norders; i++) {
        struct fake_order *o = FAKE_ADD(&s->orders);
        *o = (struct fake_order){w->orders[i], w->at_us};
    }
    for (size_t i = 0; i < w->noutbox; i++) {
        const char *payload = fake_text(s, w->outbox[i].payload);
        *FAKE_ADD(&s->outbox) =
            (struct fake_outbox){.order_id = w->outbox[i].order_id,
                                 .orders = w->outbox[i].orders,
                                 .payload = payload,
                                 .created_us = w->at_us,
                                 .available_us = clock_real_us() + (w->outbox_due ? 0 : 30000000)};
    }
    for (size_t i = 0; i < w->nlines; i++) {
        const char *name = fake_text(s, w->lines[i].product_name);
        struct order_tx_line *l = FAKE_ADD(&s->lines);
        *l = w->lines[i];
        l->product_name = name;
    }
    for (size_t i = 0; i < w->nuses; i++)
        fake_user_coupon_find(s, w->uses[i].user_coupon_id)->order_id = w->uses[i].order_id;
}

static void tell_committing(void *arg)
{
    struct order_tx *tx = arg;
    if (tx->ops->on_committing)
        tx->ops->on_committing(tx->arg);
}

static void commit_apply(struct fake_op *op)
{
    struct order_tx *tx = ((struct tx_op *)op)->tx;
    struct store *s = tx->store;
    const struct order_tx_writes *w = &tx->writes;
    if (tx->aborted || !sales_fit(tx) || !balances_fit(tx) || !uses_fit(tx) || !orders_fit(tx))
        return;
    if (!s->commits_overlap)
        tell_committing(tx);
    write_sales(tx);
    write_orders(tx);
    for (size_t i = 0; i < w->nbalances; i++) {
        struct fake_user *u = fake_user_find(s, w->balances[i].user_id);
        u->has_balance = true;
        u->balance = w->balances[i].amount;
    }
    for (size_t i = 0; i < w->nledger; i++)
        *FAKE_ADD(&s->ledger) = w->ledger[i];
    for (size_t i = 0; i < w->ndecided; i++) {
        const struct order_tx_decided *d = &w->decided[i];
        const struct fake_key key = {.route = d->key.route,
                                     .key = fake_text(s, d->key.key),
                                     .body_hash = fake_text(s, d->body_hash),
                                     .body = fake_text(s, d->body),
                                     .user_id = d->key.user_id,
                                     .status = d->status};
        *FAKE_ADD(&s->keys) = key;
    }
    fake_log(s, "commit orders=%zu ledger=%zu decided=%zu", w->norders, w->nledger, w->ndecided);
}

static void commit_answer(struct fake_op *op, const struct error *e)
{
    struct order_tx *tx = ((struct tx_op *)op)->tx;
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

#define COPY(array, n) mem_dup((array), (n) * sizeof *(array))

void order_tx_write(struct order_tx *tx, const struct order_tx_writes *w)
{
    struct order_tx_order *orders = COPY(w->orders, w->norders);
    struct order_tx_outbox *outbox = COPY(w->outbox, w->noutbox);
    struct order_tx_line *lines = COPY(w->lines, w->nlines);
    struct order_tx_decided *decided = COPY(w->decided, w->ndecided);
    for (size_t i = 0; i < w->noutbox; i++)
        outbox[i].payload = mem_strdup(outbox[i].payload);
    for (size_t i = 0; i < w->nlines; i++)
        lines[i].product_name = mem_strdup(lines[i].product_name);
    for (size_t i = 0; i < w->ndecided; i++) {
        decided[i].key.key = mem_strdup(decided[i].key.key);
        decided[i].body_hash = mem_strdup(decided[i].body_hash);
        decided[i].body = mem_strdup(decided[i].body);
    }
    tx->writes = *w;
    tx->writes.orders = orders;
    tx->writes.outbox = outbox;
    tx->writes.lines = lines;
    tx->writes.sales = COPY(w->sales, w->nsales);
    tx->writes.balances = COPY(w->balances, w->nbalances);
    tx->writes.ledger = COPY(w->ledger, w->nledger);
    tx->writes.uses = COPY(w->uses, w->nuses);
    tx->writes.decided = decided;
    start(tx, FAKE_ORDER_COMMIT, commit_apply, commit_answer);
    tx->committing = (struct loop_task){.run = tell_committing, .arg = tx};
    if (tx->store->commits_overlap)
        loop_defer(tx->store->loop, &tx->committing);
}

void order_tx_abort(struct order_tx *tx)
{
    tx->aborted = true;
    start(tx, FAKE_ORDER_COMMIT, NULL, commit_answer);
}

/* --- what is past its time --------------------------------------------------------------------------------------------- */

struct expire_op {
    struct fake_op op;
    void (*done)(void *arg, int64_t keys, int64_t tokens, const struct error *e);
    void *arg;
};

static void expire_answer(struct fake_op *op, const struct error *e)
{
    struct expire_op *o = (struct expire_op *)op;
    o->done(o->arg, 0, 0, e);
}

void order_tx_expire(struct store *s, int64_t keys_older_than_us, int64_t tokens_older_than_us, size_t limit,
                     void (*done)(void *arg, int64_t keys, int64_t tokens, const struct error *e), void *arg)
{
    struct expire_op *o = mem_zalloc(sizeof *o);
    *o = (struct expire_op){{.answer = expire_answer}, done, arg};
    fake_start(s, FAKE_ORDER_EXPIRE, &o->op);
}
