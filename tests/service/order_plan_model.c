/* The model: no running sums, no sorting, no search; every number is looked up in the state that the orders before left. */
#include "order_plan_model.h"

enum {
    PRODUCTS = 6,
    USERS = 5,
    COUPONS = 5,
    LINES = 6,
    REQUESTS = 40,
};

#define NOW_US INT64_C(1751328000000000)

struct bytes {
    const uint8_t *p;
    size_t n, at;
};

static unsigned take(struct bytes *b, unsigned bound)
{
    return b->at < b->n ? b->p[b->at++] % bound : 0;
}

struct model {
    bool there[PRODUCTS], active[PRODUCTS];
    int64_t price[PRODUCTS], stock[PRODUCTS];
    bool known[USERS], user_active[USERS], has_balance[USERS], touched[USERS];
    int64_t balance[USERS];
    bool held[COUPONS], issued[COUPONS];
    int64_t owner[COUPONS], discount[COUPONS], from[COUPONS], to[COUPONS];
    int64_t sold[PRODUCTS], amount[PRODUCTS];
    bool had_balance[USERS];
};

/* Ids are 10, 20, ...: asking for others asks for something that does not exist. */
static int64_t id_of(int i)
{
    return 10 * (i + 1);
}

static int index_of(int64_t id, int n)
{
    return id % 10 == 0 && id / 10 >= 1 && id / 10 <= n ? (int)(id / 10) - 1 : -1;
}

static void fill(struct model *m, struct bytes *b)
{
    static const int64_t prices[] = {100, 5000000, 1, 0, 333, MONEY_MAX / 3, MONEY_MAX};
    static const int64_t balances[] = {0, 100, 10000000, 1500, MONEY_MAX, MONEY_MAX - 50, 5000000};
    static const int64_t stocks[] = {0, 1, 3, 10, INT64_MAX, 7};
    static const int64_t discounts[] = {0, 50, 100000, MONEY_MAX, 1};
    *m = (struct model){0};
    for (int i = 0; i < PRODUCTS; i++) {
        m->there[i] = take(b, 8) != 7;
        m->active[i] = take(b, 8) != 7;
        m->price[i] = prices[take(b, ARRAY_LEN(prices))];
        m->stock[i] = stocks[take(b, ARRAY_LEN(stocks))];
    }
    for (int i = 0; i < USERS; i++) {
        m->known[i] = take(b, 8) != 7;
        m->user_active[i] = take(b, 8) != 7;
        m->has_balance[i] = m->had_balance[i] = take(b, 4) != 3;
        m->balance[i] = m->has_balance[i] ? balances[take(b, ARRAY_LEN(balances))] : 0;
    }
    for (int i = 0; i < COUPONS; i++) {
        m->held[i] = take(b, 8) != 7;
        m->issued[i] = take(b, 4) != 3;
        m->owner[i] = id_of((int)take(b, USERS));
        m->discount[i] = discounts[take(b, ARRAY_LEN(discounts))];
        m->from[i] = NOW_US + (int64_t)take(b, 3) - 1;
        m->to[i] = NOW_US + (int64_t)take(b, 4);
    }
}

/* --- the model ----------------------------------------------------------------------------------------------------------- */

struct decision {
    enum refusal_code code;
    int64_t id, n, a, b;
    int64_t total, discounted, balance_after;
};

static struct decision no(enum refusal_code code, int64_t id, int64_t n)
{
    return (struct decision){.code = code, .id = id, .n = n};
}

static bool coupon_fits(const struct model *m, int c, int64_t user_id)
{
    return c >= 0 && m->held[c] && m->issued[c] && m->owner[c] == user_id && m->from[c] <= NOW_US &&
           NOW_US < m->to[c];
}

static struct decision model_order(struct model *m, const struct order_plan_ask *ask)
{
    int u = index_of(ask->user_id, USERS), c = index_of(ask->user_coupon_id, COUPONS);
    if (u < 0 || !m->known[u] || !m->user_active[u])
        return no(REFUSAL_USER_NOT_FOUND, 0, 0);
    for (size_t i = 0; i < ask->nlines; i++) {
        int p = index_of(ask->lines[i].product_id, PRODUCTS);
        if (p < 0 || !m->there[p])
            return no(REFUSAL_PRODUCT_NOT_FOUND, ask->lines[i].product_id, 0);
        if (!m->active[p])
            return no(REFUSAL_PRODUCT_INACTIVE, id_of(p), 0);
    }
    for (size_t i = 0; i < ask->nlines; i++) {
        int p = index_of(ask->lines[i].product_id, PRODUCTS);
        __int128 wanted = 0;
        for (size_t k = 0; k <= i; k++)
            if (ask->lines[k].product_id == id_of(p))
                wanted += ask->lines[k].quantity;
        if (wanted > m->stock[p])
            return no(REFUSAL_INSUFFICIENT_STOCK, id_of(p), m->stock[p]);
    }
    __int128 total = 0;
    for (size_t i = 0; i < ask->nlines; i++)
        total += (__int128)m->price[index_of(ask->lines[i].product_id, PRODUCTS)] * ask->lines[i].quantity;
    if (total > MONEY_MAX)
        return no(REFUSAL_ORDER_AMOUNT_OUT_OF_RANGE, 0, 0);
    int64_t discount = 0;
    if (ask->user_coupon_id) {
        if (!coupon_fits(m, c, ask->user_id))
            return no(REFUSAL_COUPON_NOT_USABLE, 0, 0);
        discount = m->discount[c] < (int64_t)total ? m->discount[c] : (int64_t)total;
    }
    int64_t pay = (int64_t)total - discount;
    if (!m->has_balance[u])
        return no(REFUSAL_BALANCE_NOT_FOUND, 0, 0);
    if (m->balance[u] < pay) {
        struct decision d = no(REFUSAL_INSUFFICIENT_BALANCE, 0, 0);
        d.a = m->balance[u];
        d.b = pay;
        return d;
    }
    for (size_t i = 0; i < ask->nlines; i++) {
        int p = index_of(ask->lines[i].product_id, PRODUCTS);
        m->stock[p] -= ask->lines[i].quantity;
        m->sold[p] += ask->lines[i].quantity;
        m->amount[p] += m->price[p] * ask->lines[i].quantity;
    }
    m->balance[u] -= pay;
    m->touched[u] = true;
    if (ask->user_coupon_id)
        m->issued[c] = false;
    return (struct decision){.total = (int64_t)total, .discounted = pay, .balance_after = m->balance[u]};
}

static struct decision model_charge(struct model *m, int64_t user_id, int64_t amount)
{
    int u = index_of(user_id, USERS);
    if (u < 0 || !m->known[u] || !m->user_active[u])
        return no(REFUSAL_CHARGE_USER_NOT_FOUND, 0, 0);
    if (m->balance[u] > MONEY_MAX - amount)
        return no(REFUSAL_BALANCE_OUT_OF_RANGE, 0, 0);
    m->balance[u] += amount;
    m->has_balance[u] = m->touched[u] = true;
    return (struct decision){.balance_after = m->balance[u]};
}

/* --- the planner ----------------------------------------------------------------------------------------------------------- */

struct shop {
    struct order_tx_product products[PRODUCTS];
    struct order_tx_user users[USERS];
    struct order_tx_coupon coupons[COUPONS];
    struct order_tx_facts facts;
};

static void facts_of(const struct model *m, struct shop *s)
{
    *s = (struct shop){0};
    for (int i = 0; i < PRODUCTS; i++)
        if (m->there[i])
            s->products[s->facts.nproducts++] = (struct order_tx_product){
                id_of(i), "thing", "things", m->price[i], m->stock[i], m->active[i]};
    for (int i = 0; i < USERS; i++)
        if (m->known[i])
            s->users[s->facts.nusers++] = (struct order_tx_user){id_of(i), "somebody", m->user_active[i],
                                                                 m->has_balance[i], m->balance[i]};
    for (int i = 0; i < COUPONS; i++)
        if (m->held[i])
            s->coupons[s->facts.ncoupons++] = (struct order_tx_coupon){
                id_of(i), m->owner[i], 1, m->discount[i], m->issued[i], m->from[i], m->to[i]};
    s->facts.products = s->products;
    s->facts.users = s->users;
    s->facts.coupons = s->coupons;
}

static const char *compare(const struct decision *d, bool accepted, const struct refusal *r)
{
    if (accepted != (d->code == REFUSAL_NONE))
        return "one accepts, the other does not";
    if (accepted)
        return NULL;
    if (r->code != d->code)
        return "the refusals differ";
    return r->id != d->id || r->n != d->n || r->a != d->a || r->b != d->b ? "the values of a refusal differ"
                                                                          : NULL;
}

static const char *one_order(struct order_plan *plan, struct model *m, struct bytes *b, size_t *accepted)
{
    struct order_plan_line lines[LINES];
    struct order_plan_ask ask = {.lines = lines};
    ask.user_id = id_of((int)take(b, USERS + 1));
    ask.user_coupon_id = take(b, 3) == 0 ? id_of((int)take(b, COUPONS + 1)) : 0;
    ask.nlines = 1 + take(b, LINES);
    for (size_t i = 0; i < ask.nlines; i++) {
        unsigned q = take(b, 16);
        lines[i] = (struct order_plan_line){id_of((int)take(b, PRODUCTS + 1)), q < 14    ? (int64_t)q % 4 + 1
                                                                               : q == 14 ? INT64_MAX
                                                                                         : 1000000};
    }
    struct order_plan_verdict v;
    order_plan_decide(plan, &ask, &v);
    struct decision d = model_order(m, &ask);
    const char *differs = compare(&d, v.accepted, &v.refusal);
    if (!differs && v.accepted) {
        (*accepted)++;
        if (v.total != d.total || v.discounted != d.discounted || v.discount != d.total - d.discounted ||
            v.balance_after != d.balance_after)
            differs = "the amounts differ";
    }
    return differs;
}

static const char *one_charge(struct order_plan *plan, struct model *m, struct bytes *b, size_t *accepted)
{
    static const int64_t amounts[] = {100, 1, 100000000, 99};
    int64_t user_id = id_of((int)take(b, USERS + 1)), amount = amounts[take(b, ARRAY_LEN(amounts))];
    int u = index_of(user_id, USERS);
    bool had = u >= 0 && m->has_balance[u];
    struct refusal why = {0};
    money after = 0;
    bool created = false, ok = order_plan_charge(plan, user_id, amount, &after, &created, &why);
    struct decision d = model_charge(m, user_id, amount);
    const char *differs = compare(&d, ok, &why);
    if (!differs && ok) {
        (*accepted)++;
        if (after != d.balance_after || created != !had)
            differs = "the balances differ";
    }
    return differs;
}

static const char *compare_sums(struct order_plan *plan, const struct model *m)
{
    size_t n, at = 0;
    const struct order_tx_sale *sales = order_plan_sales(plan, &n);
    for (int i = 0; i < PRODUCTS; i++) {
        if (m->stock[i] < 0)
            return "stock is negative";
        if (!m->sold[i])
            continue;
        if (at == n || sales[at].product_id != id_of(i) || sales[at].quantity != m->sold[i] ||
            sales[at].amount != m->amount[i])
            return "the sales differ";
        at++;
    }
    if (at != n)
        return "sales of what nobody bought";
    const struct order_tx_balance *balances = order_plan_balances(plan, &n);
    at = 0;
    for (int i = 0; i < USERS; i++) {
        if (m->balance[i] < 0)
            return "a balance is negative";
        if (!m->touched[i])
            continue;
        if (at == n || balances[at].user_id != id_of(i) || balances[at].amount != m->balance[i] ||
            balances[at].create != !m->had_balance[i])
            return "the balances to write differ";
        at++;
    }
    return at == n ? NULL : "a balance that nobody changed";
}

const char *order_plan_model_check(const uint8_t *data, size_t n, size_t *accepted)
{
    struct bytes b = {data, n, 0};
    struct model m;
    struct shop shop;
    size_t yes = 0;
    fill(&m, &b);
    facts_of(&m, &shop);
    struct order_plan *plan = order_plan_new(&shop.facts, NOW_US);
    const char *differs = NULL;
    unsigned requests = 1 + take(&b, REQUESTS);
    for (unsigned i = 0; i < requests && !differs; i++)
        differs = take(&b, 5) == 0 ? one_charge(plan, &m, &b, &yes) : one_order(plan, &m, &b, &yes);
    if (!differs)
        differs = compare_sums(plan, &m);
    order_plan_free(plan);
    if (accepted)
        *accepted += yes;
    return differs;
}
