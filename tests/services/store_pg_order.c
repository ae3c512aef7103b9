/* The transaction of orders and charges: facts, writes, refusals, lost connections. */
#include "store_pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/order_tx.h"

/* 2026-11-23 23:30:00.123457 in Seoul: another day in UTC. */
#define AT_US INT64_C(1795444200123457)

/* One transaction: what to do when everything is locked, and how it ended. */
struct run {
    bool hold;                           /* do nothing when locked; the test goes on */
    const struct order_tx_writes *write; /* NULL: abort */
    void (*look)(const struct order_tx_facts *facts);
    struct order_tx *tx;
    bool locked, ended;
    enum store_end end;
    struct error e;
};

static void on_locked(void *arg, struct order_tx *tx, const struct order_tx_facts *facts)
{
    struct run *r = arg;
    ck_assert(!r->locked && !r->ended);
    r->locked = true;
    if (r->look)
        r->look(facts);
    if (r->hold)
        return;
    if (r->write)
        order_tx_write(tx, r->write);
    else
        order_tx_abort(tx);
}

static void on_end(void *arg, enum store_end end, const struct error *e)
{
    struct run *r = arg;
    ck_assert(!r->ended);
    r->ended = true;
    r->end = end;
    if (e)
        r->e = *e;
}

static const struct order_tx_ops ops = {.on_locked = on_locked, .on_end = on_end};

static void start(struct run *r, struct node *n, const struct order_tx_locks *locks)
{
    r->tx = order_tx_lock(n->store, locks, DEADLINE_MS, &ops, r);
    ck_assert(!r->locked && !r->ended);
}

static void finish(struct run *r, enum store_end end)
{
    await(&r->ended);
    ck_assert_msg(r->end == end, "end %d: %s %s", r->end, r->e.code, r->e.text);
}

/* --- one user, one product, one order
 * --------------------------------------------------------------------------------- */

struct simple { /* user 1001 buys one piece of product 1 for 10000 */
    struct order_tx_order order;
    struct order_tx_outbox outbox;
    struct order_tx_line line;
    struct order_tx_sale sale;
    struct order_tx_ledger ledger;
    struct order_tx_balance balance;
    struct order_tx_writes writes;
};

static const struct order_tx_locks simple_locks = {
    .product_ids = (const int64_t[]){1}, .nproducts = 1, .user_ids = (const int64_t[]){1001}, .nusers = 1};

static void simple_init(struct simple *s, int64_t id)
{
    *s = (struct simple){
        .order = {.id = id, .user_id = 1001, .total = 1000000, .discounted = 1000000},
        .outbox = {.order_id = id, .orders = 1, .payload = "{}"},
        .line = {.id = id,
                 .order_id = id,
                 .product_id = 1,
                 .product_name = "x",
                 .quantity = 1,
                 .unit_price = 1000000,
                 .total_price = 1000000},
        .sale = {.product_id = 1, .quantity = 1, .amount = 1000000},
        .ledger = {.user_id = 1001,
                   .type = "PAYMENT",
                   .amount = -1000000,
                   .balance_after = 99000000,
                   .order_id = id},
        .balance = {.user_id = 1001, .amount = 99000000},
    };
    s->writes = (struct order_tx_writes){.at_us = AT_US,
                                         .orders = &s->order,
                                         .norders = 1,
                                         .outbox = &s->outbox,
                                         .noutbox = 1,
                                         .lines = &s->line,
                                         .nlines = 1,
                                         .sales = &s->sale,
                                         .nsales = 1,
                                         .balances = &s->balance,
                                         .nbalances = 1,
                                         .ledger = &s->ledger,
                                         .nledger = 1};
}

static void nothing_was_written(void)
{
    ck_assert_int_eq(
        sql_i64("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_items)"
                " + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM order_history_events)"
                " + (SELECT count(*) FROM product_sales_daily) + (SELECT count(*) FROM tx_tokens)"),
        0);
    ck_assert_int_eq(sql_i64("SELECT stock FROM products WHERE id = 1"), 1000000);
    ck_assert_str_eq(sql_text("SELECT amount FROM balances WHERE user_id = 1001"), "1000000.00");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM user_balance_tx"), 1000);
}

/* --- a whole batch
 * ---------------------------------------------------------------------------------------------------- */

static void look_at_batch(const struct order_tx_facts *f)
{
    ck_assert_uint_eq(f->nproducts, 3);
    ck_assert_int_eq(f->products[0].id, 1);
    ck_assert_str_eq(f->products[0].name, "한정판 스니커즈");
    ck_assert_str_eq(f->products[0].category, "패션");
    ck_assert_int_eq(f->products[0].price, 1000000);
    ck_assert_int_eq(f->products[0].stock, 1000000);
    ck_assert(f->products[0].active);
    ck_assert_int_eq(f->products[1].id, 2);
    ck_assert_int_eq(f->products[2].id, 20);
    ck_assert(!f->products[2].active);
    ck_assert_uint_eq(f->nusers, 3);
    ck_assert_int_eq(f->users[0].user_id, 1001);
    ck_assert_str_eq(f->users[0].username, "user1001");
    ck_assert(f->users[0].active && f->users[0].has_balance);
    ck_assert_int_eq(f->users[0].balance, 100000000);
    ck_assert_int_eq(f->users[1].user_id, 1002);
    ck_assert_int_eq(f->users[2].user_id, 3000);
    ck_assert(!f->users[2].active && !f->users[2].has_balance);
    ck_assert_uint_eq(f->ncoupons, 2);
    ck_assert_int_eq(f->coupons[0].user_coupon_id, 501);
    ck_assert_int_eq(f->coupons[0].user_id, 1001);
    ck_assert_int_eq(f->coupons[0].coupon_id, 1);
    ck_assert_int_eq(f->coupons[0].discount, 100000);
    ck_assert(f->coupons[0].issued);
    ck_assert_int_eq(f->coupons[0].valid_to_us - f->coupons[0].valid_from_us, INT64_C(30) * 86400 * 1000000);
    ck_assert(!f->coupons[1].issued);
    ck_assert_uint_eq(f->nanswers, 2);
    for (int i = 0; i < 2; i++)
        ck_assert(f->answers[i].claimed && !f->answers[i].decided);
}

/* user 1001 buys two of product 1 with a coupon, user 1002 one of 1 and three of 2, user 3000 charges */
static const struct order_tx_order batch_orders[] = {
    {.id = 11,
     .user_id = 1001,
     .user_coupon_id = 501,
     .total = 2000000,
     .discounted = 1900000,
     .discount = 100000},
    {.id = 12, .user_id = 1002, .total = 27700000, .discounted = 27700000},
};
static const struct order_tx_outbox batch_outbox[] = {
    {.order_id = 11, .orders = 2, .payload = "{\"name\":\"a \\\"quoted\\\" {한글}, \\\\ NULL\"}\n{}"},
    {.order_id = 15, .orders = 1, .payload = "{}"},
};
static const struct order_tx_line batch_lines[] = {
    {.id = 21,
     .order_id = 11,
     .product_id = 1,
     .product_name = "한정판 \"스니커즈\"",
     .quantity = 2,
     .unit_price = 1000000,
     .total_price = 2000000},
    {.id = 22,
     .order_id = 12,
     .product_id = 1,
     .product_name = "NULL",
     .quantity = 1,
     .unit_price = 1000000,
     .total_price = 1000000},
    {.id = 23,
     .order_id = 12,
     .product_id = 2,
     .product_name = "",
     .quantity = 3,
     .unit_price = 8900000,
     .total_price = 26700000},
};
static const struct order_tx_sale batch_sales[] = {{.product_id = 1, .quantity = 3, .amount = 3000000},
                                                   {.product_id = 2, .quantity = 3, .amount = 26700000}};
static const struct order_tx_balance batch_balances[] = {{.user_id = 1001, .amount = 98100000},
                                                         {.user_id = 1002, .amount = 72300000},
                                                         {.user_id = 3000, .amount = 55, .create = true}};
static const struct order_tx_ledger batch_ledger[] = {
    {.user_id = 3000, .type = "CHARGE", .amount = 55, .balance_after = 55},
    {.user_id = 1002, .type = "PAYMENT", .amount = -27700000, .balance_after = 72300000, .order_id = 12},
    {.user_id = 1001, .type = "PAYMENT", .amount = -1900000, .balance_after = 98100000, .order_id = 11},
};
static const struct order_tx_use batch_uses[] = {{.user_coupon_id = 501, .order_id = 11}};
static const struct order_tx_decided batch_decided[] = {
    {.key = {"orders", 1001, "first key"}, .body_hash = "h1", .status = 200, .body = "{\"id\":11}"},
    {.key = {"charge", 3000, "key, \"two\""}, .body_hash = "h2", .status = 400, .body = "no"},
};
static const struct order_tx_writes batch_writes = {
    .at_us = AT_US,
    .orders = batch_orders,
    .norders = ARRAY_LEN(batch_orders),
    .outbox = batch_outbox,
    .noutbox = ARRAY_LEN(batch_outbox),
    .lines = batch_lines,
    .nlines = ARRAY_LEN(batch_lines),
    .sales = batch_sales,
    .nsales = ARRAY_LEN(batch_sales),
    .balances = batch_balances,
    .nbalances = ARRAY_LEN(batch_balances),
    .ledger = batch_ledger,
    .nledger = ARRAY_LEN(batch_ledger),
    .uses = batch_uses,
    .nuses = ARRAY_LEN(batch_uses),
    .decided = batch_decided,
    .ndecided = ARRAY_LEN(batch_decided),
};
static const struct order_tx_locks batch_locks = {
    .product_ids = (const int64_t[]){1, 2, 20, 77},
    .nproducts = 4, /* 77 does not exist */
    .user_ids = (const int64_t[]){1001, 1002, 3000, 9999},
    .nusers = 4,
    .user_coupon_ids = (const int64_t[]){501, 502, 600},
    .nuser_coupons = 3,
    .keys = (const struct order_tx_key[]){{"orders", 1001, "first key"}, {"charge", 3000, "key, \"two\""}},
    .nkeys = 2,
};

static void batch_prepare(void)
{
    sql("INSERT INTO users (user_id, username, status) VALUES (3000, 'poor', 'INACTIVE');"
        "INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id, status, used_at)"
        " VALUES (501, 1, 1001, 'ISSUED', NULL), (502, 1, 1002, 'USED', now())");
}

START_TEST(a_batch_writes_every_table)
{
    struct run r = {.write = &batch_writes, .look = look_at_batch};
    batch_prepare();
    start(&r, &node, &batch_locks);
    finish(&r, STORE_COMMITTED);
    ck_assert_int_eq(r.e.kind, ERROR_NONE);
    sql("SET timezone = 'Asia/Seoul'");
    ck_assert_str_eq(
        sql_text(
            "SELECT string_agg(concat_ws(',', id, user_id, user_coupon_id, total_amount, discounted_amount,"
            " discount_amount, status, created_at), ';' ORDER BY id) FROM orders"),
        "11,1001,501,20000.00,19000.00,1000.00,COMPLETED,2026-11-23 23:30:00.123457+09;"
        "12,1002,277000.00,277000.00,0.00,COMPLETED,2026-11-23 23:30:00.123457+09");
    ck_assert_str_eq(
        sql_text(
            "SELECT string_agg(concat_ws(',', id, order_id, product_id, product_name, quantity, unit_price,"
            " total_price), ';' ORDER BY id) FROM order_items"),
        "21,11,1,한정판 \"스니커즈\",2,10000.00,20000.00;22,12,1,NULL,1,10000.00,10000.00;"
        "23,12,2,,3,89000.00,267000.00");
    ck_assert_str_eq(
        sql_text("SELECT string_agg(concat_ws(',', product_id, day, quantity, amount, last_order_at), ';'"
                 " ORDER BY product_id) FROM product_sales_daily"),
        "1,2026-11-23,3,30000.00,2026-11-23 23:30:00.123457+09;2,2026-11-23,3,267000.00,"
        "2026-11-23 23:30:00.123457+09");
    ck_assert_str_eq(
        sql_text("SELECT string_agg(stock::text, ',' ORDER BY id) FROM products WHERE id IN (1, 2)"),
        "999997,4997");
    ck_assert_str_eq(
        sql_text("SELECT string_agg(concat_ws(',', user_id, amount), ';' ORDER BY user_id) FROM balances"
                 " WHERE user_id IN (1001, 1002, 3000)"),
        "1001,981000.00;1002,723000.00;3000,0.55");
    ck_assert_str_eq(
        sql_text("SELECT string_agg(concat_ws(',', user_id, tx_type, amount, balance_after, order_id), ';'"
                 " ORDER BY id) FROM user_balance_tx WHERE tx_type <> 'DEPOSIT'"),
        "3000,CHARGE,0.55,0.55;1002,PAYMENT,-277000.00,723000.00,12;1001,PAYMENT,-19000.00,981000.00,11");
    ck_assert_str_eq(
        sql_text("SELECT string_agg(concat_ws(',', order_id, event_type, amount), ';' ORDER BY id)"
                 " FROM order_history_events"),
        "11,ORDER_COMPLETED,19000.00;12,ORDER_COMPLETED,277000.00");
    ck_assert_str_eq(sql_text("SELECT payload FROM outbox WHERE order_id = 11"), batch_outbox[0].payload);
    ck_assert_str_eq(
        sql_text("SELECT string_agg(concat_ws(',', order_id, orders), ';' ORDER BY order_id) FROM outbox"),
        "11,2;15,1");
    ck_assert_int_eq(
        sql_i64("SELECT count(*) FROM outbox WHERE available_at > now() + interval '20 seconds'"
                " AND available_at < now() + interval '31 seconds' AND attempts = 0 AND published = 0"),
        2);
    ck_assert_str_eq(
        sql_text(
            "SELECT concat_ws(',', status, used_at, order_id) FROM user_coupons WHERE user_coupon_id = 501"),
        "USED,2026-11-23 23:30:00.123457+09,11");
    ck_assert_str_eq(sql_text("SELECT string_agg(concat_ws(',', route, user_id, key, body_hash, status, "
                              "body), ';' ORDER BY route)"
                              " FROM idempotency_keys"),
                     "charge,3000,key, \"two\",h2,400,no;orders,1001,first key,h1,200,{\"id\":11}");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM tx_tokens"), 1);
}
END_TEST

START_TEST(sales_of_a_day_add_up)
{
    struct simple s;
    for (int i = 0; i < 3; i++) {
        struct run r = {.write = &s.writes};
        simple_init(&s, 100 + i);
        s.balance.amount = s.ledger.balance_after = 99000000 - i * 1000000;
        if (i == 2)
            s.writes.at_us = AT_US + INT64_C(3600) * 1000000; /* half past midnight: the next day */
        start(&r, &node, &simple_locks);
        finish(&r, STORE_COMMITTED);
    }
    ck_assert_str_eq(sql_text("SELECT string_agg(concat_ws(',', day, quantity, amount), ';' ORDER BY day)"
                              " FROM product_sales_daily"),
                     "2026-11-23,2,20000.00;2026-11-24,1,10000.00");
}
END_TEST

START_TEST(an_order_stays_with_its_lines)
{
    struct simple s;
    struct run r = {.write = &s.writes};
    simple_init(&s, 100);
    start(&r, &node, &simple_locks);
    finish(&r, STORE_COMMITTED);
    sql_refused("DELETE FROM orders");
    sql_refused("UPDATE orders SET id = id + 1");
    sql_refused("DELETE FROM users");
    sql_refused("DELETE FROM products");
    sql("UPDATE orders SET status = status; DELETE FROM order_items; DELETE FROM orders");
}
END_TEST

START_TEST(an_abort_leaves_nothing)
{
    struct run r = {0};
    start(&r, &node, &simple_locks);
    finish(&r, STORE_ROLLED_BACK);
    ck_assert(r.locked);
    ck_assert_int_eq(r.e.kind, ERROR_NONE);
    nothing_was_written();
}
END_TEST

START_TEST(an_abort_later_in_the_turn_is_fine)
{
    struct run r = {.hold = true};
    start(&r, &node, &simple_locks);
    await(&r.locked);
    order_tx_abort(r.tx);
    ck_assert(!r.ended);
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_int_eq(r.e.kind, ERROR_NONE);
}
END_TEST

/* --- what may not be
 * -------------------------------------------------------------------------------------------------- */

static void refused(const struct order_tx_writes *w, enum error_kind kind, const char *code)
{
    struct run r = {.write = w};
    start(&r, &node, &simple_locks);
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_int_eq(r.e.kind, kind);
    ck_assert_str_eq(r.e.code, code);
    nothing_was_written();
}

START_TEST(an_unplanned_row_count_rolls_back)
{
    struct simple s;
    simple_init(&s, 1);
    s.balance.user_id = 7777; /* has no balance to update */
    refused(&s.writes, ERROR_BUG, "ROW_COUNT");
    struct order_tx_use use = {.user_coupon_id = 12345, .order_id = 1};
    simple_init(&s, 1);
    s.writes.uses = &use;
    s.writes.nuses = 1;
    refused(&s.writes, ERROR_BUG, "ROW_COUNT");
    sql("CREATE RULE lost AS ON INSERT TO order_history_events DO INSTEAD NOTHING");
    simple_init(&s, 1);
    refused(&s.writes, ERROR_BUG, "ROW_COUNT");
}
END_TEST

START_TEST(a_balance_created_by_another_is_a_race)
{
    struct simple s;
    simple_init(&s, 1);
    s.balance.create = true;
    refused(&s.writes, ERROR_RETRIABLE, "RACE");
}
END_TEST

START_TEST(what_the_database_forbids_is_permanent)
{
    struct simple s;
    simple_init(&s, 1);
    s.sale.quantity = 1000001;
    refused(&s.writes, ERROR_PERMANENT, "23514"); /* stock below zero */
    simple_init(&s, 1);
    s.balance.amount = -1;
    refused(&s.writes, ERROR_PERMANENT, "23514");
    simple_init(&s, 1);
    s.order.user_coupon_id = 7777;
    refused(&s.writes, ERROR_PERMANENT, "23503");
    simple_init(&s, 1);
    s.line.product_name = "\xff";
    refused(&s.writes, ERROR_PERMANENT, "22021");
}
END_TEST

START_TEST(a_coupon_pays_for_one_order)
{
    struct simple s;
    struct run r = {.write = &s.writes};
    batch_prepare();
    sql("INSERT INTO orders (id, user_id, user_coupon_id, total_amount, discounted_amount, discount_amount, "
        "status)"
        " VALUES (5, 1001, 501, 0, 0, 0, 'COMPLETED')");
    simple_init(&s, 6);
    s.order.user_coupon_id = 501;
    start(&r, &node, &simple_locks);
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_str_eq(r.e.code, "23505");
}
END_TEST

START_TEST(a_lock_held_elsewhere_is_retriable)
{
    struct run r = {0};
    sql("BEGIN; SELECT 1 FROM products WHERE id = 1 FOR UPDATE");
    start(&r, &node, &simple_locks);
    finish(&r, STORE_ROLLED_BACK);
    ck_assert(!r.locked);
    ck_assert_int_eq(r.e.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(r.e.code, "55P03");
    sql("ROLLBACK");
}
END_TEST

/* The second waits for the first and sees what it wrote. */
static int64_t stock_seen, balance_seen;
static void look_at_stock(const struct order_tx_facts *f)
{
    stock_seen = f->products[0].stock;
    balance_seen = f->users[0].balance;
}

START_TEST(transactions_on_one_product_are_serial)
{
    struct node other;
    struct simple s;
    struct run first = {.hold = true}, second = {.look = look_at_stock};
    node_open(&other);
    simple_init(&s, 1);
    start(&first, &node, &simple_locks);
    await(&first.locked);
    start(&second, &other, &simple_locks);
    run_for(200);
    ck_assert(!second.locked);
    order_tx_write(first.tx, &s.writes);
    finish(&first, STORE_COMMITTED);
    finish(&second, STORE_ROLLED_BACK);
    ck_assert_int_eq(stock_seen, 999999);
    ck_assert_int_eq(balance_seen, 99000000);
    node_close(&other);
}
END_TEST

static void look_at_balance(const struct order_tx_facts *f)
{
    balance_seen = f->users[0].balance;
}

/* The same of two that have nothing but the user in common. */
START_TEST(transactions_of_one_user_are_serial)
{
    const struct order_tx_locks of_user = {.user_ids = (const int64_t[]){1001}, .nusers = 1};
    struct node other;
    struct simple s;
    struct run first = {.hold = true}, second = {.look = look_at_balance};
    node_open(&other);
    simple_init(&s, 1);
    start(&first, &node, &simple_locks);
    await(&first.locked);
    start(&second, &other, &of_user);
    run_for(200);
    ck_assert(!second.locked);
    order_tx_write(first.tx, &s.writes);
    finish(&first, STORE_COMMITTED);
    finish(&second, STORE_ROLLED_BACK);
    ck_assert_int_eq(balance_seen, 99000000);
    node_close(&other);
}
END_TEST

/* Foreign keys of others (KEY SHARE) pass, and so do reads. */
START_TEST(locks_let_foreign_keys_through)
{
    struct run r = {.hold = true};
    start(&r, &node, &simple_locks);
    await(&r.locked);
    sql("SET lock_timeout = '500ms'; INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after)"
        " VALUES (1001, 'CHARGE', 0, 0); INSERT INTO product_sales_daily VALUES (1, '2020-01-01', 1, 1, "
        "now())");
    order_tx_abort(r.tx);
    finish(&r, STORE_ROLLED_BACK);
}
END_TEST

START_TEST(crossed_sets_do_not_deadlock)
{
    struct node other;
    struct run runs[40] = {0};
    struct order_tx_locks even = {.product_ids = (const int64_t[]){1, 3, 5, 7, 9, 11, 13, 15, 17, 19},
                                  .nproducts = 10,
                                  .user_ids = (const int64_t[]){1001, 1003, 1005, 1007},
                                  .nusers = 4};
    struct order_tx_locks all = {.product_ids = (const int64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
                                 .nproducts = 12,
                                 .user_ids = (const int64_t[]){1001, 1002, 1003, 1004, 1005},
                                 .nusers = 5};
    node_open(&other);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        start(&runs[i], i % 2 ? &other : &node, i % 3 ? &even : &all);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        finish(&runs[i], STORE_ROLLED_BACK);
        ck_assert(runs[i].locked);
        ck_assert_int_eq(runs[i].e.kind, ERROR_NONE);
    }
    node_close(&other);
}
END_TEST

/* --- idempotency
 * ------------------------------------------------------------------------------------------------------ */

static struct order_tx_answer answers[3];
static char body[100];

static void look_at_answers(const struct order_tx_facts *f)
{
    memcpy(answers, f->answers, f->nanswers * sizeof(answers[0]));
    for (size_t i = 0; i < f->nanswers; i++)
        if (answers[i].decided)
            snprintf(body, sizeof(body), "%s %d %s", answers[i].body_hash, answers[i].status,
                     answers[i].body);
}

START_TEST(a_key_is_claimed_then_decided)
{
    struct node other;
    const struct order_tx_key keys[] = {{"orders", 1001, "a"}, {"orders", 1001, "b"}, {"charge", 1001, "a"}};
    const struct order_tx_decided decided = {
        .key = keys[1], .body_hash = "hash", .status = 400, .body = "{\"x\":1}"};
    const struct order_tx_locks mine = {
        .user_ids = (const int64_t[]){1001}, .nusers = 1, .keys = keys + 1, .nkeys = 1};
    const struct order_tx_locks theirs = {.keys = keys, .nkeys = 3};
    const struct order_tx_writes only_answer = {.at_us = AT_US, .decided = &decided, .ndecided = 1};
    struct run first = {.hold = true}, second = {.look = look_at_answers}, third = {.look = look_at_answers};
    node_open(&other);
    start(&first, &node, &mine);
    await(&first.locked);
    start(&second, &other, &theirs);
    finish(&second, STORE_ROLLED_BACK);
    ck_assert(answers[0].claimed && !answers[1].claimed && answers[2].claimed);
    ck_assert(!answers[0].decided && !answers[1].decided && !answers[2].decided);
    order_tx_write(first.tx, &only_answer);
    finish(&first, STORE_COMMITTED);
    start(&third, &other, &theirs);
    finish(&third, STORE_ROLLED_BACK);
    ck_assert(answers[0].claimed && answers[1].claimed && answers[2].claimed);
    ck_assert(!answers[0].decided && answers[1].decided && !answers[2].decided);
    ck_assert_str_eq(body, "hash 400 {\"x\":1}");
    node_close(&other);
}
END_TEST

/* --- lost connections
 * ------------------------------------------------------------------------------------------------- */

static void kill_writers(const char *doing)
{
    ck_assert_int_ge(sql_i64("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                             " WHERE application_name = 'store_pg_test' AND %s",
                             doing),
                     1);
}

START_TEST(a_connection_lost_before_commit_rolls_back)
{
    struct simple s;
    struct run r = {.hold = true};
    simple_init(&s, 1);
    start(&r, &node, &simple_locks);
    await(&r.locked);
    kill_writers("backend_xid IS NOT NULL");
    order_tx_write(r.tx, &s.writes);
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_int_eq(r.e.kind, ERROR_RETRIABLE);
    nothing_was_written();
}
END_TEST

/* As when it is stopped: idle_in_transaction_session_timeout ends the session, others get the locks. */
START_TEST(a_node_that_stands_still_loses_its_locks)
{
    struct node other;
    struct simple s;
    struct run first = {.hold = true}, second = {0};
    node_open(&other);
    simple_init(&s, 1);
    start(&first, &node, &simple_locks);
    await(&first.locked);
    nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 300000000}, NULL);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid'"), 0);
    order_tx_write(first.tx, &s.writes);
    start(&second, &other, &simple_locks);
    finish(&first, STORE_ROLLED_BACK);
    ck_assert_int_eq(first.e.kind, ERROR_RETRIABLE);
    finish(&second, STORE_ROLLED_BACK);
    nothing_was_written();
    node_close(&other);
}
END_TEST

static void wait_for_activity(const char *condition)
{
    for (int i = 0; i < 500; i++) {
        run_for(10);
        if (sql_i64("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'store_pg_test' AND %s",
                    condition) > 0)
            return;
    }
    ck_abort_msg("never seen: %s", condition);
}

/* COMMIT runs a deferred trigger and dies in it. */
START_TEST(a_connection_lost_within_commit_is_settled_as_rolled_back)
{
    struct simple s;
    struct run r = {.write = &s.writes};
    simple_init(&s, 1);
    sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN "
        "NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION slow()");
    start(&r, &node, &simple_locks);
    wait_for_activity("wait_event = 'PgSleep'");
    kill_writers("wait_event = 'PgSleep'");
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM orders"), 0);
}
END_TEST

static void wait_for_standby(const char *name)
{
    sql("ALTER SYSTEM SET synchronous_standby_names = '%s'", name);
    sql("SELECT pg_reload_conf()");
    for (int i = 0; i < 100 && strcmp(sql_text("SHOW synchronous_standby_names"), name) != 0; i++)
        run_for(20);
}

/* COMMIT is done but waits for a standby that does not exist, and its answer gets lost. */
START_TEST(a_connection_lost_after_commit_is_settled_as_committed)
{
    struct simple s;
    struct run r = {.hold = true};
    simple_init(&s, 1);
    start(&r, &node, &simple_locks);
    await(&r.locked);
    wait_for_standby("nobody");
    order_tx_write(r.tx, &s.writes);
    wait_for_activity("wait_event = 'SyncRep'");
    kill_writers("wait_event = 'SyncRep'");
    run_for(100);
    wait_for_standby("");
    finish(&r, STORE_COMMITTED);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM orders"), 1);
    ck_assert_int_eq(sql_i64("SELECT stock FROM products WHERE id = 1"), 999999);
}
END_TEST

START_TEST(a_closed_pool_refuses)
{
    struct run r = {0};
    node_close(&node);
    node_open(&node);
    start(&r, &node, &simple_locks);
    node_close(&node);
    ck_assert(r.ended && !r.locked);
    ck_assert_int_eq(r.end, STORE_ROLLED_BACK);
    ck_assert_int_eq(r.e.kind, ERROR_RETRIABLE);
}
END_TEST

/* --- plans --- */

START_TEST(hot_statements_use_indexes_and_hot_updates)
{
    struct simple s;
    batch_prepare();
    sql("INSERT INTO products (id, name, current_price, stock) SELECT g, 'p', 1, 1 FROM generate_series(100, "
        "3000) g;"
        "INSERT INTO users SELECT g, 'u' FROM generate_series(10000, 20000) g;"
        "INSERT INTO balances SELECT g, 0 FROM generate_series(10000, 20000) g;"
        "INSERT INTO idempotency_keys SELECT 'orders', g, 'k', '', 200, '' FROM generate_series(1, 5000) g;"
        "INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id) SELECT g, 3, g FROM "
        "generate_series(10000, 15000) g; "
        "ANALYZE");
    node_close(&node);
    sql_stats_reset();
    node_open(&node);
    struct run batch = {.write = &batch_writes};
    start(&batch, &node, &batch_locks);
    finish(&batch, STORE_COMMITTED);
    for (int i = 0; i < 20; i++) {
        struct run r = {.write = &s.writes};
        simple_init(&s, 100 + i);
        start(&r, &node, &simple_locks);
        finish(&r, STORE_COMMITTED);
    }
    node_close(&node); /* the server counts when a session ends */
    for (int i = 0;
         i < 100 && sql_i64("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'products'") < 22; i++)
        run_for(20);
    ck_assert_str_eq(
        sql_text("SELECT COALESCE(string_agg(relname || ' ' || seq_scan, ', '), '') FROM pg_stat_user_tables"
                 " WHERE seq_scan > 0 AND relname NOT IN ('coupons')"),
        "");
    ck_assert_str_eq(sql_text("SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_stat_user_tables"
                              " WHERE n_tup_upd > 0 AND n_tup_hot_upd = n_tup_upd"),
                     "balances,product_sales_daily,products,user_coupons");
}
END_TEST

Suite *store_pg_order_suite(void)
{
    const TTest *const tests[] = {a_batch_writes_every_table,
                                  sales_of_a_day_add_up,
                                  an_order_stays_with_its_lines,
                                  an_abort_leaves_nothing,
                                  an_abort_later_in_the_turn_is_fine,
                                  an_unplanned_row_count_rolls_back,
                                  a_balance_created_by_another_is_a_race,
                                  what_the_database_forbids_is_permanent,
                                  a_coupon_pays_for_one_order,
                                  a_lock_held_elsewhere_is_retriable,
                                  transactions_on_one_product_are_serial,
                                  transactions_of_one_user_are_serial,
                                  locks_let_foreign_keys_through,
                                  crossed_sets_do_not_deadlock,
                                  a_key_is_claimed_then_decided,
                                  a_connection_lost_before_commit_rolls_back,
                                  a_node_that_stands_still_loses_its_locks,
                                  a_connection_lost_within_commit_is_settled_as_rolled_back,
                                  a_connection_lost_after_commit_is_settled_as_committed,
                                  a_closed_pool_refuses,
                                  hot_statements_use_indexes_and_hot_updates};
    Suite *s = suite_create("store_pg_order");
    TCase *tc = tcase_create("order_tx");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
