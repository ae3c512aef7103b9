/* The planner of a batch: running stock, balances and coupons over the locked facts. Pure. */
#include "service/order_plan.h"

#include <stdlib.h>

struct running_product {
    const struct order_tx_product *fact;
    int64_t sold;
    money amount;
    int64_t wanted; /* by the order being decided; zero between orders */
};
struct running_user {
    const struct order_tx_user *fact;
    bool has_balance;
    money balance;
    bool changed;
};
struct running_coupon {
    const struct order_tx_coupon *fact;
    bool used;
};

struct order_plan {
    int64_t now_us;
    struct running_product *products;
    struct running_user *users;
    struct running_coupon *coupons;
    size_t nproducts, nusers, ncoupons;
    struct order_tx_sale *sales;
    struct order_tx_balance *balances;
};

struct order_plan *order_plan_new(const struct order_tx_facts *facts, int64_t now_us)
{
    struct order_plan *p = mem_zalloc(sizeof *p);
    p->now_us = now_us;
    p->nproducts = facts->nproducts;
    p->nusers = facts->nusers;
    p->ncoupons = facts->ncoupons;
    p->products = mem_array(p->nproducts, sizeof *p->products);
    p->users = mem_array(p->nusers, sizeof *p->users);
    p->coupons = mem_array(p->ncoupons, sizeof *p->coupons);
    p->sales = mem_array(p->nproducts, sizeof *p->sales);
    p->balances = mem_array(p->nusers, sizeof *p->balances);
    for (size_t i = 0; i < p->nproducts; i++)
        p->products[i].fact = &facts->products[i];
    for (size_t i = 0; i < p->nusers; i++)
        p->users[i] = (struct running_user){&facts->users[i], facts->users[i].has_balance,
                                            facts->users[i].balance, false};
    for (size_t i = 0; i < p->ncoupons; i++)
        p->coupons[i].fact = &facts->coupons[i];
    return p;
}

void order_plan_free(struct order_plan *p)
{
    if (!p)
        return;
    mem_free(p->products);
    mem_free(p->users);
    mem_free(p->coupons);
    mem_free(p->sales);
    mem_free(p->balances);
    mem_free(p);
}

/* The facts come ascending by id (store/order_tx.h), so a binary search finds them. */
#define FIND(array, count, id_of, wanted_id)                                                                 \
    size_t lo = 0, hi = (count);                                                                             \
    while (lo < hi) {                                                                                        \
        size_t mid = lo + (hi - lo) / 2;                                                                     \
        if ((array)[mid].fact->id_of < (wanted_id))                                                          \
            lo = mid + 1;                                                                                    \
        else                                                                                                 \
            hi = mid;                                                                                        \
    }                                                                                                        \
    return lo < (count) && (array)[lo].fact->id_of == (wanted_id) ? &(array)[lo] : NULL

static struct running_product *find_product(const struct order_plan *p, int64_t id)
{
    FIND(p->products, p->nproducts, id, id);
}

static struct running_user *find_user(const struct order_plan *p, int64_t id)
{
    FIND(p->users, p->nusers, user_id, id);
}

static struct running_coupon *find_coupon(const struct order_plan *p, int64_t id)
{
    FIND(p->coupons, p->ncoupons, user_coupon_id, id);
}

static bool refuse(struct refusal *r, enum refusal_code code)
{
    *r = (struct refusal){.code = code};
    return false;
}

static bool refuse_product(struct refusal *r, enum refusal_code code, int64_t id, const char *name,
                           int64_t left)
{
    *r = (struct refusal){.code = code, .id = id, .n = left};
    str_copy(r->name, sizeof r->name, name);
    return false;
}

/* Every product exists and is for sale. */
static bool check_products(const struct order_plan *p, const struct order_plan_ask *ask, struct refusal *why)
{
    for (size_t i = 0; i < ask->nlines; i++) {
        const struct running_product *product = find_product(p, ask->lines[i].product_id);
        if (!product)
            return refuse_product(why, REFUSAL_PRODUCT_NOT_FOUND, ask->lines[i].product_id, "", 0);
        if (!product->fact->active)
            return refuse_product(why, REFUSAL_PRODUCT_INACTIVE, product->fact->id, product->fact->name, 0);
    }
    return true;
}

static void forget_wanted(const struct order_plan *p, const struct order_plan_ask *ask)
{
    for (size_t i = 0; i < ask->nlines; i++)
        find_product(p, ask->lines[i].product_id)->wanted = 0;
}

/* Add the lines up per product against what is left; a product twice in the order counts as the sum. */
static bool check_stock(const struct order_plan *p, const struct order_plan_ask *ask, struct refusal *why)
{
    for (size_t i = 0; i < ask->nlines; i++) {
        struct running_product *product = find_product(p, ask->lines[i].product_id);
        int64_t left = product->fact->stock - product->sold;
        if (ask->lines[i].quantity > left - product->wanted) {
            refuse_product(why, REFUSAL_INSUFFICIENT_STOCK, product->fact->id, product->fact->name, left);
            forget_wanted(p, ask);
            return false;
        }
        product->wanted += ask->lines[i].quantity;
    }
    forget_wanted(p, ask);
    return true;
}

static bool add_up(const struct order_plan *p, const struct order_plan_ask *ask, money *total)
{
    *total = 0;
    for (size_t i = 0; i < ask->nlines; i++) {
        money line;
        if (!money_mul(find_product(p, ask->lines[i].product_id)->fact->price, ask->lines[i].quantity,
                       &line) ||
            !money_add(*total, line, total))
            return false;
    }
    return true;
}

static bool coupon_usable(const struct order_plan *p, const struct running_coupon *c, int64_t user_id)
{
    return c && !c->used && c->fact->issued && c->fact->user_id == user_id &&
           p->now_us >= c->fact->valid_from_us && p->now_us < c->fact->valid_to_us;
}

static void take(const struct order_plan *p, const struct order_plan_ask *ask,
                 const struct order_plan_verdict *v, struct running_user *user, struct running_coupon *coupon)
{
    for (size_t i = 0; i < ask->nlines; i++) {
        struct running_product *product = find_product(p, ask->lines[i].product_id);
        product->sold += ask->lines[i].quantity;
        product->amount += product->fact->price * ask->lines[i].quantity;
    }
    user->balance -= v->discounted;
    user->changed = true;
    if (coupon)
        coupon->used = true;
}

void order_plan_decide(struct order_plan *p, const struct order_plan_ask *ask, struct order_plan_verdict *v)
{
    *v = (struct order_plan_verdict){0};
    struct running_user *user = find_user(p, ask->user_id);
    if (!user || !user->fact->active) {
        refuse(&v->refusal, REFUSAL_USER_NOT_FOUND);
        return;
    }
    if (!check_products(p, ask, &v->refusal) || !check_stock(p, ask, &v->refusal))
        return;
    if (!add_up(p, ask, &v->total)) {
        refuse(&v->refusal, REFUSAL_ORDER_AMOUNT_OUT_OF_RANGE);
        return;
    }
    struct running_coupon *coupon = NULL;
    if (ask->user_coupon_id) {
        coupon = find_coupon(p, ask->user_coupon_id);
        if (!coupon_usable(p, coupon, ask->user_id)) {
            refuse(&v->refusal, REFUSAL_COUPON_NOT_USABLE);
            return;
        }
        v->discount = coupon->fact->discount < v->total ? coupon->fact->discount : v->total;
    }
    v->discounted = v->total - v->discount;
    if (!user->has_balance) {
        refuse(&v->refusal, REFUSAL_BALANCE_NOT_FOUND);
        return;
    }
    if (user->balance < v->discounted) {
        v->refusal =
            (struct refusal){.code = REFUSAL_INSUFFICIENT_BALANCE, .a = user->balance, .b = v->discounted};
        return;
    }
    take(p, ask, v, user, coupon);
    v->accepted = true;
    v->balance_after = user->balance;
}

bool order_plan_charge(struct order_plan *p, int64_t user_id, money amount, money *balance_after,
                       bool *created, struct refusal *why)
{
    struct running_user *user = find_user(p, user_id);
    if (!user || !user->fact->active)
        return refuse(why, REFUSAL_CHARGE_USER_NOT_FOUND);
    money after;
    if (!money_add(user->balance, amount, &after))
        return refuse(why, REFUSAL_BALANCE_OUT_OF_RANGE);
    *created = !user->has_balance;
    user->has_balance = true;
    user->balance = after;
    user->changed = true;
    *balance_after = after;
    return true;
}

const struct order_tx_sale *order_plan_sales(struct order_plan *p, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < p->nproducts; i++) {
        const struct running_product *r = &p->products[i];
        if (r->sold)
            p->sales[(*n)++] = (struct order_tx_sale){r->fact->id, r->sold, r->amount};
    }
    return p->sales;
}

const struct order_tx_balance *order_plan_balances(struct order_plan *p, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < p->nusers; i++) {
        const struct running_user *r = &p->users[i];
        if (r->changed)
            p->balances[(*n)++] =
                (struct order_tx_balance){r->fact->user_id, r->balance, !r->fact->has_balance};
    }
    return p->balances;
}

const struct order_tx_product *order_plan_product(const struct order_plan *p, int64_t product_id)
{
    const struct running_product *r = find_product(p, product_id);
    return r ? r->fact : NULL;
}

const struct order_tx_user *order_plan_user(const struct order_plan *p, int64_t user_id)
{
    const struct running_user *r = find_user(p, user_id);
    return r ? r->fact : NULL;
}
