/* Data, calls and books of the shop under test. */
#include "shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

/* --- data --------------------------------------------------------------------------------------------------------------- */

/* What tests know beside the schema: ids of their own, the stock that each product started with, coupons whose order may be lost. */
static void tables(void)
{
    sql("CREATE SEQUENCE IF NOT EXISTS e2e_ids START 1000001;"
        "CREATE TABLE IF NOT EXISTS e2e_products (product_id bigint PRIMARY KEY, stock bigint NOT NULL,"
        " ranked boolean NOT NULL DEFAULT true);"
        "CREATE TABLE IF NOT EXISTS e2e_unordered (coupon_id bigint)");
}

static int64_t ids(int n)
{
    tables();
    return sql_int("SELECT setval('e2e_ids', nextval('e2e_ids') + %d) - %d", n, n);
}

int64_t users_new(int n, const char *balance)
{
    int64_t first = ids(n), last = first + n - 1;
    sql("INSERT INTO users (user_id, username) SELECT id, 'user' || id FROM generate_series(%lld::bigint, "
        "%lld) id",
        (long long)first, (long long)last);
    if (balance)
        sql("INSERT INTO balances (user_id, amount) SELECT id, %s FROM generate_series(%lld::bigint, %lld) "
            "id;"
            "INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after)"
            " SELECT id, 'DEPOSIT', %s, %s FROM generate_series(%lld::bigint, %lld) id",
            balance, (long long)first, (long long)last, balance, balance, (long long)first, (long long)last);
    return first;
}

int64_t product_new(const char *price, int64_t stock)
{
    int64_t id = ids(1);
    sql("INSERT INTO products (id, name, category, current_price, stock)"
        " VALUES (%lld, '상품 %lld', '시험', %s, %lld);"
        "INSERT INTO e2e_products (product_id, stock) VALUES (%lld, %lld)",
        (long long)id, (long long)id, price, (long long)stock, (long long)id, (long long)stock);
    return id;
}

int64_t coupon_new(const struct node *node, int64_t max, const char *discount)
{
    int64_t id = ids(1);
    sql("INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, valid_from, valid_to)"
        " VALUES (%lld, '쿠폰 %lld', %s, %lld, now() - interval '1 hour', now() + interval '1 day')",
        (long long)id, (long long)id, discount, (long long)max);
    if (node)
        WAIT_UNTIL(5, get(node->port, "/api/coupons/%lld", (long long)id)->status == 200);
    return id;
}

int64_t coupon_give(int64_t coupon_id, int64_t user_id)
{
    sql("UPDATE coupons SET issued_count = issued_count + 1 WHERE coupon_id = %lld", (long long)coupon_id);
    return sql_int(
        "INSERT INTO user_coupons (coupon_id, user_id) VALUES (%lld, %lld) RETURNING user_coupon_id",
        (long long)coupon_id, (long long)user_id);
}

/* --- the shop of a test case -------------------------------------------------------------------------------------------- */

struct node *shop;
bool shop_broken;

void shop_open_with(const char *name, const char *extra)
{
    shop_broken = true;
    tables();
    shop = node_start(name, text("data-platform.url = %s\n%s", platform_start(), extra));
    node_wait_consuming(shop);
    shop_broken = false;
}

void shop_open(void)
{
    static int count;
    shop_open_with(text("shop%d", ++count), "");
}

static void ranking_agrees(void);

void shop_close(void)
{
    shop_broken = true;
    /* The embedded cluster ends with its node, and what nobody had read yet with it. */
    if (e2e_mode() == E2E_EMBEDDED) {
        outbox_ends(30);
        ranking_agrees();
    }
    int status = node_stop(shop);
    platform_stop();
    sql_close();
    ck_assert_msg(status == 0, "the node ended with status %d", status);
    shop_broken = false;
}

TCase *shop_tcase(Suite *suite, const char *name, double timeout_s)
{
    TCase *tcase = e2e_tcase(suite, name, timeout_s);
    tcase_add_unchecked_fixture(tcase, shop_open, shop_close);
    return tcase;
}

/* --- calls -------------------------------------------------------------------------------------------------------------- */

static char *order_body(int64_t user_id, int64_t product_id, int64_t quantity)
{
    return text("{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":%lld}]}",
                (long long)user_id, (long long)product_id, (long long)quantity);
}

struct answer *order(const struct node *node, int64_t user_id, int64_t product_id, int64_t quantity)
{
    return ask(node->port, "POST", "/api/orders", NULL, order_body(user_id, product_id, quantity));
}

struct answer *charge(const struct node *node, int64_t user_id, const char *amount)
{
    return post(node->port, "/api/users/balance/charge", "{\"userId\":%lld,\"amount\":%s}",
                (long long)user_id, amount);
}

static char *issue_target(int64_t coupon_id, int64_t user_id)
{
    return text("/api/coupons/%lld/issue?userId=%lld", (long long)coupon_id, (long long)user_id);
}

struct answer *coupon_ask(const struct node *node, int64_t coupon_id, int64_t user_id)
{
    return ask(node->port, "POST", issue_target(coupon_id, user_id), NULL, NULL);
}

struct answer *coupon_status(const struct node *node, int64_t coupon_id, int64_t user_id)
{
    return get(node->port, "/api/coupons/%lld/issue/status?userId=%lld", (long long)coupon_id,
               (long long)user_id);
}

struct answer *coupon_decided(const struct node *node, int64_t coupon_id, int64_t user_id)
{
    struct answer *a;
    WAIT_UNTIL(20, (a = expect(200, coupon_status(node, coupon_id, user_id))) &&
                       strcmp(text_at(a, "status"), "PROCESSING") != 0);
    return a;
}

struct flood_item *coupon_flood(const struct node *node, int64_t coupon_id, int64_t first_user, size_t n)
{
    struct flood_item *items = e2e_keep(calloc(n, sizeof *items));
    for (size_t i = 0; i < n; i++)
        items[i] = (struct flood_item){
            .port = node->port, .method = "POST", .target = issue_target(coupon_id, first_user + (int64_t)i)};
    return items;
}

struct flood_item *order_flood(const struct node *node, int64_t first_user, size_t n, int64_t product_id,
                               int64_t quantity)
{
    struct flood_item *items = e2e_keep(calloc(n, sizeof *items));
    for (size_t i = 0; i < n; i++)
        items[i] = (struct flood_item){.port = node->port,
                                       .method = "POST",
                                       .target = "/api/orders",
                                       .body = order_body(first_user + (int64_t)i, product_id, quantity)};
    return items;
}

const char *today(void)
{
    return sql("SELECT to_char(now() AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD')");
}

int64_t ranked_today(int64_t product_id)
{
    return redis_int("ZSCORE product:ranking:daily:%s %lld", today(), (long long)product_id);
}

int64_t stock_of(int64_t product_id)
{
    return sql_int("SELECT stock FROM products WHERE id = %lld", (long long)product_id);
}

const char *balance_of(int64_t user_id)
{
    return sql("SELECT amount FROM balances WHERE user_id = %lld", (long long)user_id);
}

/* --- books -------------------------------------------------------------------------------------------------------------- */

void books_forget_ranking(int64_t product_id)
{
    sql("UPDATE e2e_products SET ranked = false WHERE product_id >= %lld", (long long)product_id);
}

void books_forget_order(int64_t coupon_id)
{
    sql("INSERT INTO e2e_unordered VALUES (%lld)", (long long)coupon_id);
}

static bool lines_are_empty(void)
{
    if (sql_int("SELECT count(*) FROM coupon_requests WHERE outcome IS NULL"))
        return false;
    return redis_int("EVAL %s 0", "local n = 0 "
                                  "for _, k in ipairs(redis.call('KEYS', 'coupon:queue:*')) do "
                                  "  n = n + redis.call('ZCARD', k) end "
                                  "for _, k in ipairs(redis.call('KEYS', 'coupon:inflight:*')) do "
                                  "  n = n + redis.call('ZCARD', k) end "
                                  "for _, k in ipairs(redis.call('KEYS', 'coupon:pending:*')) do "
                                  "  n = n + redis.call('HLEN', k) end return n") == 0;
}

void lines_end(int seconds)
{
    WAIT_UNTIL(seconds, lines_are_empty());
}

void accepted_are_decided(int64_t coupon, const struct flood_item *items, size_t n, int64_t first_user)
{
    lines_end(40);
    for (size_t i = 0; i < n; i++) {
        if (items[i].answer->status != 202)
            continue;
        ck_assert_int_eq(
            sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND user_id = %lld AND"
                    " ticket = %lld AND outcome IS NOT NULL",
                    (long long)coupon, (long long)first_user + (long long)i,
                    (long long)int_at(items[i].answer, "ticket")),
            1);
    }
}

void outbox_ends(int seconds)
{
    WAIT_UNTIL(seconds, sql_int("SELECT count(*) FROM outbox") == 0);
}

/* Each names a promise and counts what breaks it. */
static const struct {
    const char *promise, *breaches;
} rules[] = {
    {"G1 stock is what it was less what was sold",
     "SELECT count(*) FROM products p JOIN e2e_products e ON e.product_id = p.id WHERE p.stock < 0 OR "
     "p.stock <>"
     " e.stock - (SELECT coalesce(sum(quantity), 0) FROM order_items i JOIN orders o ON o.id = i.order_id"
     " WHERE i.product_id = p.id AND o.status = 'COMPLETED')"},
    {"G1 sales of the days are the lines of the orders",
     "SELECT count(*) FROM (SELECT i.product_id, (o.created_at AT TIME ZONE 'Asia/Seoul')::date AS day,"
     " sum(i.quantity) AS quantity, sum(i.total_price) AS amount FROM order_items i JOIN orders o ON o.id ="
     " i.order_id GROUP BY 1, 2) sold FULL JOIN product_sales_daily d USING (product_id, day) WHERE "
     "d.quantity IS"
     " DISTINCT FROM sold.quantity OR d.amount IS DISTINCT FROM sold.amount"},
    {"G2 issued_count is the number of holders, within the limit",
     "SELECT count(*) FROM coupons c WHERE issued_count > max_issuance_count OR issued_count <>"
     " (SELECT count(*) FROM user_coupons u WHERE u.coupon_id = c.coupon_id)"},
    {"G3 nobody holds a coupon twice",
     "SELECT count(*) FROM (SELECT 1 FROM user_coupons GROUP BY coupon_id, user_id HAVING count(*) > 1) x"},
    {"G4 a balance is the sum of its ledger",
     "SELECT count(*) FROM balances b WHERE amount <>"
     " (SELECT coalesce(sum(amount), 0) FROM user_balance_tx t WHERE t.user_id = b.user_id)"},
    {"G4 every ledger row continues the one before",
     "SELECT count(*) FROM (SELECT balance_after, sum(amount) OVER (PARTITION BY user_id ORDER BY id) AS "
     "running"
     " FROM user_balance_tx) x WHERE balance_after <> running"},
    {"G4 a ledger starts with a deposit",
     "SELECT count(*) FROM (SELECT DISTINCT ON (user_id) tx_type FROM user_balance_tx ORDER BY user_id, id) x"
     " WHERE tx_type <> 'DEPOSIT'"},
    {"G4 every order has one payment of what it cost",
     "SELECT count(*) FROM orders o WHERE status = 'COMPLETED' AND (SELECT count(*) FROM user_balance_tx t "
     "WHERE"
     " t.order_id = o.id AND t.tx_type = 'PAYMENT' AND t.amount = -o.discounted_amount) <> 1"},
    {"G4 payments belong to orders",
     "SELECT count(*) FROM user_balance_tx t LEFT JOIN orders o ON o.id = t.order_id"
     " WHERE t.tx_type = 'PAYMENT' AND o.id IS NULL"},
    {"an order's total is the sum of its lines",
     "SELECT count(*) FROM orders o WHERE total_amount <>"
     " (SELECT coalesce(sum(total_price), -1) FROM order_items i WHERE i.order_id = o.id)"},
    {"an order has its history", "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM "
                                 "order_history_events h WHERE h.order_id = o.id)"},
    {"a used coupon belongs to one order, and says so",
     "SELECT count(*) FROM orders o JOIN user_coupons u USING (user_coupon_id) WHERE u.status <> 'USED' OR "
     "u.user_id"
     " <> o.user_id"},
    {"G7 every success has its coupon, every coupon of a request its success",
     "SELECT count(*) FROM coupon_requests r LEFT JOIN user_coupons u USING (user_coupon_id) WHERE r.outcome "
     "="
     " 'SUCCESS' AND (u.user_id IS DISTINCT FROM r.user_id OR u.coupon_id IS DISTINCT FROM r.coupon_id)"},
    {"G8 requests are decided in the order of their tickets",
     "SELECT count(*) FROM (SELECT decision, lag(decision) OVER (PARTITION BY coupon_id ORDER BY ticket) AS "
     "before"
     " FROM coupon_requests WHERE ticket > 0 AND coupon_id NOT IN (SELECT coupon_id FROM e2e_unordered)) x"
     " WHERE decision < before"},
};

/* G6: what Redis counts today is what was sold today. The first difference as text, NULL when there is none. */
static const char *ranking_difference(void)
{
    const char *day = today();
    const char *sold =
        sql("SELECT coalesce(string_agg(e.product_id || ':' || coalesce(d.quantity, 0), ' '), '') FROM"
            " e2e_products e LEFT JOIN product_sales_daily d ON d.product_id = e.product_id AND"
            " d.day = '%s' WHERE e.ranked",
            day);
    for (const char *at = sold; *at; at += strcspn(at, " "), at += *at == ' ') {
        long long product = strtoll(at, NULL, 10), quantity = strtoll(strchr(at, ':') + 1, NULL, 10);
        long long ranked = redis_int("ZSCORE product:ranking:daily:%s %lld", day, product);
        if (ranked != quantity)
            return text("product %lld: %lld sold, %lld in the ranking", product, quantity, ranked);
    }
    return NULL;
}

static void ranking_agrees(void)
{
    const char *difference;
    for (int64_t end = now_ms() + INT64_C(30000) * e2e_slowness(); (difference = ranking_difference());) {
        ck_assert_msg(now_ms() < end, "G6 the ranking counts what was sold: after 30 s still %s", difference);
        pause_ms(20);
    }
}

void books_agree(void)
{
    lines_end(30);
    outbox_ends(30);
    for (size_t i = 0; i < E2E_LEN(rules); i++) {
        int64_t breaches = sql_int("%s", rules[i].breaches);
        ck_assert_msg(breaches == 0, "%s: broken %lld times", rules[i].promise, (long long)breaches);
    }
    ranking_agrees();
}
