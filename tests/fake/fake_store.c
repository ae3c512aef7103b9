/* The ground of the fakes: calls that are answered later, faults, ids, rows that tests add, invariants. */
#include "fake/fake_store.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

/* --- calls ------------------------------------------------------------------------------------------------------------- */

const char *fake_call_name(enum fake_call call)
{
    static const char *const names[FAKE_CALLS] = {
        [FAKE_IDS] = "IDS",
        [FAKE_ORDER_LOCK] = "ORDER_LOCK",
        [FAKE_ORDER_COMMIT] = "ORDER_COMMIT",
        [FAKE_ORDER_EXPIRE] = "ORDER_EXPIRE",
        [FAKE_ISSUE_LOCK] = "ISSUE_LOCK",
        [FAKE_ISSUE_COMMIT] = "ISSUE_COMMIT",
        [FAKE_COUPON_READ] = "COUPON_READ",
        [FAKE_COUPON_CREATE] = "COUPON_CREATE",
        [FAKE_REQUEST_INSERT] = "REQUEST_INSERT",
        [FAKE_REQUEST_WITHDRAW] = "REQUEST_WITHDRAW",
        [FAKE_REQUEST_READ] = "REQUEST_READ",
        [FAKE_USER_COUPON_READ] = "USER_COUPON_READ",
        [FAKE_USER_READ] = "USER_READ",
        [FAKE_PRODUCT_READ] = "PRODUCT_READ",
        [FAKE_SALES_READ] = "SALES_READ",
        [FAKE_SALES_TOP] = "SALES_TOP",
        [FAKE_ORDER_READ] = "ORDER_READ",
        [FAKE_HISTORY_READ] = "HISTORY_READ",
        [FAKE_OUTBOX_CLAIM] = "OUTBOX_CLAIM",
        [FAKE_OUTBOX_DELETE] = "OUTBOX_DELETE",
        [FAKE_OUTBOX_MARK] = "OUTBOX_MARK",
        [FAKE_OUTBOX_PARK] = "OUTBOX_PARK",
        [FAKE_OUTBOX_STATE] = "OUTBOX_STATE",
        [FAKE_FORWARDED_READ] = "FORWARDED_READ",
        [FAKE_FORWARDED_INSERT] = "FORWARDED_INSERT",
        [FAKE_DEAD_LETTER_INSERT] = "DEAD_LETTER_INSERT",
        [FAKE_REBUILD_READ] = "REBUILD_READ",
        [FAKE_REBUILD_SALES] = "REBUILD_SALES",
        [FAKE_LINE_ADD] = "LINE_ADD",
        [FAKE_LINE_CANCEL] = "LINE_CANCEL",
        [FAKE_LINE_LIST] = "LINE_LIST",
        [FAKE_LINE_PROBE] = "LINE_PROBE",
        [FAKE_LINE_TAKE] = "LINE_TAKE",
        [FAKE_LINE_PUBLISHED] = "LINE_PUBLISHED",
        [FAKE_LINE_PUT_BACK] = "LINE_PUT_BACK",
        [FAKE_LINE_STALE] = "LINE_STALE",
        [FAKE_LINE_RELEASE] = "LINE_RELEASE",
        [FAKE_LINE_DECIDED] = "LINE_DECIDED",
        [FAKE_LINE_STATUS] = "LINE_STATUS",
        [FAKE_LINE_INFO] = "LINE_INFO",
        [FAKE_LINE_RESTORE] = "LINE_RESTORE",
        [FAKE_REDIS_MARK] = "REDIS_MARK",
        [FAKE_RANKING_APPLY] = "RANKING_APPLY",
        [FAKE_RANKING_FORGET] = "RANKING_FORGET",
        [FAKE_RANKING_OFFSET] = "RANKING_OFFSET",
        [FAKE_RANKING_TOP] = "RANKING_TOP",
    };
    return names[call];
}

static void op_free(struct fake_op *op)
{
    TAILQ_REMOVE(&op->store->ops, op, link);
    loop_timer_free(op->timer);
    loop_defer_cancel(op->store->loop, &op->task);
    if (op->done)
        op->done(op);
    mem_free(op);
}

void fake_expire(struct fake_op *op, const struct error *e)
{
    struct fake_op *mine = op;
    op->answer(op, e);
    op_free(mine);
}

static void error_of(const struct fake_op *op, struct error *e)
{
    static const struct {
        enum error_kind kind;
        const char *code;
    } kinds[] = {
        [FAKE_OK] = {ERROR_NONE, ""},
        [FAKE_RETRIABLE] = {ERROR_RETRIABLE, "AWAY"},
        [FAKE_PERMANENT] = {ERROR_PERMANENT, "42501"},
        [FAKE_BUG] = {ERROR_BUG, "ROW_COUNT"},
        [FAKE_UNKNOWN_DONE] = {ERROR_UNKNOWN, "LOST"},
        [FAKE_UNKNOWN_LOST] = {ERROR_UNKNOWN, "LOST"},
        [FAKE_HELD] = {ERROR_NONE, ""},
    };
    error_clear(e);
    if (kinds[op->fate.outcome].kind != ERROR_NONE)
        error_set(e, kinds[op->fate.outcome].kind,
                  op->fate.code ? op->fate.code : kinds[op->fate.outcome].code, "%s fails as the test wants",
                  fake_call_name(op->call));
}

static void end(void *arg)
{
    struct fake_op *op = arg;
    struct error e;
    error_of(op, &e);
    if (op->apply && (e.kind == ERROR_NONE || op->fate.outcome == FAKE_UNKNOWN_DONE))
        op->apply(op);
    op->answer(op, e.kind == ERROR_NONE ? NULL : &e);
    op_free(op);
}

static struct fake_fate next_fate(struct store *s, enum fake_call call)
{
    struct fake_rule *rule = &s->rules[call];
    rule->count++;
    struct fake_fate fate = {.outcome = FAKE_OK};
    if (s->closed) {
        fate = (struct fake_fate){FAKE_RETRIABLE, 0, "CLOSED"};
    } else if (s->decide) {
        fate = s->decide(s->decide_arg, call);
    } else if (rule->times) {
        fate = rule->fate;
        rule->times -= rule->times > 0;
    }
    if (!fate.delay_ms && !s->closed)
        fate.delay_ms = rule->delay_ms;
    return fate;
}

/* Answer after this time, those of Redis one after the other. */
static void arm(struct fake_op *op, int64_t delay_ms)
{
    struct store *s = op->store;
    int64_t now = clock_mono_us();
    op->due_us = now + delay_ms * 1000;
    if (op->call >= FAKE_REDIS) {
        if (op->due_us < s->redis_due_us)
            op->due_us = s->redis_due_us;
        s->redis_due_us = op->due_us;
    }
    if (op->due_us <= now) {
        op->task = (struct loop_task){.run = end, .arg = op};
        loop_defer(s->loop, &op->task);
    } else {
        op->timer = loop_timer_new(s->loop, end, op);
        loop_timer_start(op->timer, (op->due_us - now + 999) / 1000);
    }
}

void fake_start(struct store *s, enum fake_call call, struct fake_op *op)
{
    op->store = s;
    op->call = call;
    op->fate = next_fate(s, call);
    TAILQ_INSERT_TAIL(&s->ops, op, link);
    op->held = op->fate.outcome == FAKE_HELD;
    if (!op->held)
        arm(op, op->fate.delay_ms);
}

void fake_fail_code(struct store *s, enum fake_call call, enum fake_outcome outcome, const char *code,
                    int times)
{
    s->rules[call].fate = (struct fake_fate){outcome, 0, code};
    s->rules[call].times = times;
}

void fake_fail(struct store *s, enum fake_call call, enum fake_outcome outcome, int times)
{
    fake_fail_code(s, call, outcome, NULL, times);
}

void fake_delay(struct store *s, enum fake_call call, int64_t ms)
{
    s->rules[call].delay_ms = ms;
}

void fake_release(struct store *s, enum fake_call call)
{
    struct fake_op *op;
    TAILQ_FOREACH(op, &s->ops, link)
    {
        if (op->call != call || !op->held)
            continue;
        op->held = false;
        op->fate.outcome = FAKE_OK;
        arm(op, 0);
    }
}

void fake_decide_by(struct store *s, struct fake_fate (*fn)(void *arg, enum fake_call call), void *arg)
{
    s->decide = fn;
    s->decide_arg = arg;
}

size_t fake_count(const struct store *s, enum fake_call call)
{
    return s->rules[call].count;
}

size_t fake_running(const struct store *s, enum fake_call call)
{
    size_t n = 0;
    struct fake_op *op;
    TAILQ_FOREACH(op, &s->ops, link)
    n += op->call == call;
    return n;
}

void fake_log(struct store *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&s->log, fmt, ap);
    va_end(ap);
    buf_putc(&s->log, '\n');
}

const char *fake_log_text(struct store *s)
{
    return buf_str(&s->log);
}

void fake_log_clear(struct store *s)
{
    buf_clear(&s->log);
}

/* --- rows -------------------------------------------------------------------------------------------------------------- */

void fake_list_grow(void **at, size_t *n, size_t *cap, size_t size)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        *at = mem_grow(*at, *cap, size);
    }
    memset((char *)*at + *n * size, 0, size);
    (*n)++;
}

const char *fake_text(struct store *s, const char *text)
{
    if (!text)
        return NULL;
    char *copy = mem_strdup(text);
    *FAKE_ADD(&s->texts) = copy;
    return copy;
}

static const char *name(struct store *s, const char *what, int64_t id)
{
    char text[48];
    snprintf(text, sizeof text, "%s%lld", what, (long long)id);
    return fake_text(s, text);
}

struct fake_user *fake_user_add(struct store *s, int64_t id, money balance)
{
    struct fake_user *u = FAKE_ADD(&s->users);
    *u = (struct fake_user){.id = id,
                            .name = name(s, "user", id),
                            .active = true,
                            .has_balance = balance >= 0,
                            .balance = balance >= 0 ? balance : 0,
                            .opening = balance >= 0 ? balance : 0};
    return u;
}

struct fake_user *fake_user_find(struct store *s, int64_t id)
{
    for (size_t i = 0; i < s->users.n; i++)
        if (s->users.at[i].id == id)
            return &s->users.at[i];
    return NULL;
}

struct fake_product *fake_product_add(struct store *s, int64_t id, money price, int64_t stock)
{
    struct fake_product *p = FAKE_ADD(&s->products);
    *p = (struct fake_product){.id = id,
                               .name = name(s, "product", id),
                               .category = "things",
                               .price = price,
                               .stock = stock,
                               .opening = stock};
    return p;
}

struct fake_product *fake_product_find(struct store *s, int64_t id)
{
    for (size_t i = 0; i < s->products.n; i++)
        if (s->products.at[i].id == id)
            return &s->products.at[i];
    return NULL;
}

void fake_coupon_changed(struct store *s, int64_t id)
{
    if (s->watch)
        s->watch(s->watch_arg, id);
}

void fake_user_changed(struct store *s, int64_t id)
{
    if (s->watch_users)
        s->watch_users(s->watch_users_arg, id);
}

#define DAY_US (INT64_C(24) * 3600 * 1000000)

struct fake_coupon *fake_coupon_add(struct store *s, int64_t id, int64_t max_issuance, money discount)
{
    struct fake_coupon *c = FAKE_ADD(&s->coupons);
    *c = (struct fake_coupon){.id = id,
                              .name = name(s, "coupon", id),
                              .discount = discount,
                              .max_issuance = max_issuance,
                              .status = "ACTIVE",
                              .valid_from_us = clock_real_us() - DAY_US,
                              .valid_to_us = clock_real_us() + DAY_US};
    fake_coupon_changed(s, id);
    return c;
}

struct fake_coupon *fake_coupon_find(struct store *s, int64_t id)
{
    for (size_t i = 0; i < s->coupons.n; i++)
        if (s->coupons.at[i].id == id)
            return &s->coupons.at[i];
    return NULL;
}

struct fake_user_coupon *fake_user_coupon_add(struct store *s, int64_t id, int64_t coupon_id, int64_t user_id)
{
    struct fake_user_coupon *u = FAKE_ADD(&s->user_coupons);
    *u = (struct fake_user_coupon){.id = id, .coupon_id = coupon_id, .user_id = user_id};
    struct fake_coupon *c = fake_coupon_find(s, coupon_id);
    if (c)
        c->issued++;
    return u;
}

struct fake_user_coupon *fake_user_coupon_find(struct store *s, int64_t id)
{
    for (size_t i = 0; i < s->user_coupons.n; i++)
        if (s->user_coupons.at[i].id == id)
            return &s->user_coupons.at[i];
    return NULL;
}

struct fake_request *fake_request_find(struct store *s, int64_t coupon_id, int64_t user_id,
                                       int64_t requested_at_us)
{
    for (size_t i = 0; i < s->requests.n; i++) {
        struct fake_request *r = &s->requests.at[i];
        if (r->coupon_id == coupon_id && r->user_id == user_id && r->requested_at_us == requested_at_us)
            return r;
    }
    return NULL;
}

void fake_claim(struct store *s, const char *route, int64_t user_id, const char *key)
{
    if (route) {
        *FAKE_ADD(&s->claims) = (struct fake_claim){fake_text(s, route), fake_text(s, key), user_id, s};
        return;
    }
    for (size_t i = s->claims.n; i-- > 0;)
        if (s->claims.at[i].owner == s)
            FAKE_REMOVE(&s->claims, i);
}

/* --- ids --------------------------------------------------------------------------------------------------------------- */

struct ids_op {
    struct fake_op op;
    enum store_id kind;
    size_t n;
    store_done_fn *done;
    void *arg;
};

static void ids_apply(struct fake_op *op)
{
    struct ids_op *o = (struct ids_op *)op;
    struct store *s = op->store;
    if (s->ids_left[o->kind] < o->n)
        s->ids_left[o->kind] += o->n > s->ids_block ? o->n : s->ids_block;
}

static void ids_answer(struct fake_op *op, const struct error *e)
{
    struct ids_op *o = (struct ids_op *)op;
    o->done(o->arg, e);
}

void store_ids_ensure(struct store *s, enum store_id kind, size_t n, int64_t deadline_ms, store_done_fn *done,
                      void *arg)
{
    struct ids_op *o = mem_zalloc(sizeof *o);
    *o = (struct ids_op){{.apply = ids_apply, .answer = ids_answer}, kind, n, done, arg};
    fake_start(s, FAKE_IDS, &o->op);
}

int64_t store_ids_take(struct store *s, enum store_id kind)
{
    ASSERT(s->ids_left[kind] > 0);
    s->ids_left[kind]--;
    return ++s->next_id[kind];
}

size_t store_ids_left(const struct store *s, enum store_id kind)
{
    return s->ids_left[kind];
}

/* --- invariants -------------------------------------------------------------------------------------------------------- */

#define HOLD(condition, what, id)                                                                            \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s of %lld: not %s\n", what, (long long)(id), #condition);                      \
            return false;                                                                                    \
        }                                                                                                    \
    } while (0)

static bool stock_is_sound(struct store *s)
{
    for (size_t i = 0; i < s->products.n; i++) {
        const struct fake_product *p = &s->products.at[i];
        int64_t sold = 0, summed = 0;
        for (size_t k = 0; k < s->lines.n; k++)
            if (s->lines.at[k].product_id == p->id)
                sold += s->lines.at[k].quantity;
        for (size_t k = 0; k < s->sales.n; k++)
            if (s->sales.at[k].product_id == p->id)
                summed += s->sales.at[k].quantity;
        HOLD(p->stock >= 0, "G1 stock", p->id);
        HOLD(p->stock == p->opening - sold, "G1 stock", p->id);
        HOLD(summed == sold, "sales", p->id);
    }
    return true;
}

static bool coupons_are_sound(struct store *s)
{
    for (size_t i = 0; i < s->coupons.n; i++) {
        const struct fake_coupon *c = &s->coupons.at[i];
        int64_t held = 0;
        for (size_t k = 0; k < s->user_coupons.n; k++)
            held += s->user_coupons.at[k].coupon_id == c->id;
        HOLD(c->issued <= c->max_issuance, "G2 coupon", c->id);
        HOLD(c->issued == held, "G2 coupon", c->id);
    }
    for (size_t i = 0; i < s->user_coupons.n; i++)
        for (size_t k = 0; k < i; k++)
            HOLD(s->user_coupons.at[i].coupon_id != s->user_coupons.at[k].coupon_id ||
                     s->user_coupons.at[i].user_id != s->user_coupons.at[k].user_id,
                 "G3 user", s->user_coupons.at[i].user_id);
    return true;
}

static bool money_is_sound(struct store *s)
{
    for (size_t i = 0; i < s->users.n; i++) {
        const struct fake_user *u = &s->users.at[i];
        money sum = u->opening;
        for (size_t k = 0; k < s->ledger.n; k++) {
            if (s->ledger.at[k].user_id != u->id)
                continue;
            sum += s->ledger.at[k].amount;
            HOLD(sum == s->ledger.at[k].balance_after, "G4 balance", u->id);
        }
        HOLD(u->balance >= 0 && sum == u->balance, "G4 balance", u->id);
    }
    for (size_t i = 0; i < s->orders.n; i++) {
        const struct order_tx_order *o = &s->orders.at[i].row;
        int payments = 0;
        money lines = 0;
        for (size_t k = 0; k < s->ledger.n; k++)
            payments += s->ledger.at[k].order_id == o->id && strcmp(s->ledger.at[k].type, "PAYMENT") == 0 &&
                        s->ledger.at[k].amount == -o->discounted;
        for (size_t k = 0; k < s->lines.n; k++)
            if (s->lines.at[k].order_id == o->id)
                lines += s->lines.at[k].total_price;
        HOLD(payments == 1, "G4 payments of order", o->id);
        HOLD(o->total == o->discounted + o->discount && o->total == lines, "amounts of order", o->id);
    }
    return true;
}

bool fake_store_sound(struct store *s)
{
    return stock_is_sound(s) && coupons_are_sound(s) && money_is_sound(s);
}

/* --- life -------------------------------------------------------------------------------------------------------------- */

struct store *fake_store_new(struct loop *l)
{
    struct store *s = mem_zalloc(sizeof *s);
    s->loop = l;
    s->ids_block = 1000;
    s->opened_us = clock_real_us();
    TAILQ_INIT(&s->ops);
    return s;
}

void fake_store_close(struct store *s)
{
    struct fake_op *op;
    struct error e;
    s->closed = true;
    while ((op = TAILQ_FIRST(&s->ops))) {
        error_set(&e,
                  op->call == FAKE_ORDER_COMMIT || op->call == FAKE_ISSUE_COMMIT || op->call >= FAKE_REDIS
                      ? ERROR_UNKNOWN
                      : ERROR_RETRIABLE,
                  "CLOSED", "the pool is closed");
        fake_expire(op, &e);
    }
}

void store_unwatch(struct store *s)
{
    s->watch = NULL;
}

void fake_store_free(struct store *s)
{
    fake_store_close(s);
    if (s->free_lines)
        s->free_lines(s);
    if (s->free_ranking)
        s->free_ranking(s);
    mem_free(s->mark.rebuilding.at);
    for (size_t i = 0; i < s->texts.n; i++)
        mem_free(s->texts.at[i]);
    void *lists[] = {s->texts.at,  s->users.at,  s->products.at, s->coupons.at,   s->user_coupons.at,
                     s->orders.at, s->lines.at,  s->ledger.at,   s->sales.at,     s->keys.at,
                     s->claims.at, s->outbox.at, s->requests.at, s->forwarded.at, s->dead_letters.at};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        mem_free(lists[i]);
    buf_free(&s->log);
    mem_free(s);
}
