/* Two nodes on one set of services: both serve, one drains a coupon, partitions are shared, nodes come and go. With events in
 * process one of them is the worker; the embedded cluster lives in one process only. */
#include "suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "shop.h"

#define IMPATIENT                                                                                            \
    "kafka.producer.delivery.timeout.ms = 2s\n"                                                              \
    "coupon.queue.lease = 3s\n"                                                                              \
    "coupon.queue.recheck = 4s\n"

static struct node *start_two(const char *name, const char *extra, struct node **second)
{
    struct node *n = node_start(text("%s1", name), extra);
    *second = node_start(text("%s2", name), extra);
    node_wait_ready(n);
    node_wait_ready(*second);
    if (e2e_mode() == E2E_BROKER) {
        node_wait_consuming(n);
        node_wait_consuming(*second);
    } else {
        WAIT_UNTIL(20, node_logged(n, "this node is the worker") ||
                           node_logged(*second, "this node is the worker"));
    }
    return n;
}

/* Every other request goes to the second node. */
static void spread(struct flood_item *items, size_t n, const struct node *second)
{
    for (size_t i = 1; i < n; i += 2)
        items[i].port = second->port;
}

/* The same promises as of one node. */
START_TEST(two_nodes_are_one_shop)
{
    struct node *b, *a = start_two("two", text("data-platform.url = %s\n", platform_start()), &b);
    int64_t user = users_new(600, "10"), product = product_new("10", 200), coupon = coupon_new(a, 150, "1");
    WAIT_UNTIL(5, get(b->port, "/api/coupons/%lld", (long long)coupon)->status == 200);
    struct flood_item *orders = order_flood(a, user, 400, product, 1);
    spread(orders, 400, b);
    flood(orders, 400, 200);
    ck_assert_uint_eq(flood_count(orders, 400, 200), 200);
    ck_assert_uint_eq(flood_count(orders, 400, 400), 200);
    ck_assert_int_eq(stock_of(product), 0);

    struct flood_item *asks = coupon_flood(a, coupon, user, 400);
    spread(asks, 400, b);
    flood(asks, 400, 200);
    accepted_are_decided(coupon, asks, 400, user);
    ck_assert_int_eq(sql_int("SELECT issued_count FROM coupons WHERE coupon_id = %lld", (long long)coupon),
                     150);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND"
                             " (outcome = 'SUCCESS') <> (ticket <= 150)",
                             (long long)coupon),
                     0);
    /* Accepted by one, told by the other. */
    for (int i = 0; i < 400; i += 57)
        if (asks[i].answer->status == 202)
            ck_assert_str_eq(text_at(coupon_decided(b, coupon, user + i), "status"),
                             int_at(asks[i].answer, "ticket") <= 150 ? "SUCCESS" : "FAILED");
    /* One node drained it. */
    const char *drained = text("draining a coupon\" coupon_id=%lld", (long long)coupon);
    ck_assert_int_eq(node_logged(a, drained) + node_logged(b, drained), 1);
    if (e2e_mode() == E2E_BROKER) {
        double of_a = node_metric(a, "kafka.consumer.coordinator.assigned.partitions", "");
        double of_b = node_metric(b, "kafka.consumer.coordinator.assigned.partitions", "");
        ck_assert_msg(of_a > 0 && of_b > 0 && of_a + of_b == 9, "partitions: %g and %g", of_a, of_b);
    }
    books_agree();
    for (int i = 0; i < 400; i += 20)
        if (orders[i].answer->status == 200)
            WAIT_UNTIL(20, platform_taken(text("%lld", (long long)int_at(orders[i].answer, "id"))) == 1);
    ck_assert_int_eq(node_stop(a), 0);
    ck_assert_int_eq(node_stop(b), 0);
    platform_stop();
}
END_TEST

START_TEST(same_key_on_two_nodes)
{
    struct node *b, *a = start_two("key", "", &b);
    int64_t user = users_new(1, "1000"), product = product_new("10", 100);
    for (int round = 0; round < 5; round++) {
        struct flood_item *items = order_flood(a, user, 20, product, 1);
        const char *first = NULL;
        for (int i = 0; i < 20; i++) {
            items[i].body = items[0].body;
            items[i].headers = text("Idempotency-Key: two-%lld-%d\r\n", (long long)user, round);
        }
        spread(items, 20, b);
        flood(items, 20, 20);
        for (int i = 0; i < 20; i++) {
            if (items[i].answer->status == 409)
                continue;
            expect(200, items[i].answer);
            ck_assert_str_eq(items[i].answer->body, first ? first : items[i].answer->body);
            first = items[i].answer->body;
        }
        ck_assert_ptr_ne(first, NULL);
        ck_assert_int_eq(stock_of(product), 99 - round);
    }
    ck_assert_int_eq(node_stop(a), 0);
    ck_assert_int_eq(node_stop(b), 0);
}
END_TEST

/* One node ends, in order or suddenly, under load; the other goes on with its work and with what it had begun. */
static void one_leaves(const char *name, int signo)
{
    struct node *b, *a = start_two(name, IMPATIENT, &b);
    int64_t user = users_new(800, "100"), product = product_new("1", 100000),
            coupon = coupon_new(a, 200, "1");
    WAIT_UNTIL(5, get(b->port, "/api/coupons/%lld", (long long)coupon)->status == 200);
    struct flood_item *items = order_flood(a, user, 800, product, 1),
                      *asks = coupon_flood(a, coupon, user, 400);
    for (int i = 0; i < 400; i++)
        items[2 * i + 1] = asks[i];
    for (int i = 0; i < 800; i++)
        items[i].port = i / 2 % 2 ? a->port : b->port;
    node_signal_later(a, signo, 150);
    flood(items, 800, 40);
    int status = node_wait_end(a, 40);
    ck_assert_int_eq(status, signo == SIGTERM ? 0 : 128 + SIGKILL);
    size_t taken = 0;
    char *list = text("0");
    for (int i = 0; i < 800; i += 2) {
        const struct answer *answer = items[i].answer;
        if (items[i].port == b->port)
            ck_assert_msg(answer->status == 200, "the other node: %d %s", answer->status, answer->body);
        if (answer->status == 200) {
            list = text("%s,%lld", list, (long long)int_at(answer, "id"));
            taken++;
        }
    }
    ck_assert_int_eq(sql_int("SELECT count(*) FROM orders WHERE id IN (%s)", list), (int64_t)taken);
    for (int i = 0; i < 400; i++)
        asks[i].answer = items[2 * i + 1].answer;
    sql("UPDATE outbox SET available_at = now()"); /* the dead node's grace */
    accepted_are_decided(coupon, asks, 400, user);
    ck_assert_int_eq(sql_int("SELECT issued_count FROM coupons WHERE coupon_id = %lld", (long long)coupon),
                     sql_int("SELECT least(200, count(*)) FROM coupon_requests WHERE coupon_id = %lld",
                             (long long)coupon));
    books_agree();
    ck_assert_int_eq(node_stop(b), 0);
}

START_TEST(one_node_leaves)
{
    one_leaves("leave", SIGTERM);
}
END_TEST

START_TEST(one_node_dies)
{
    one_leaves("die", SIGKILL);
}
END_TEST

/* One node only answers, the other only works. */
START_TEST(roles_are_split)
{
    struct node *front = node_start("front", "node.roles = api\n");
    node_wait_ready(front);
    int64_t user = users_new(50, "100"), product = product_new("1", 100), coupon = coupon_new(front, 20, "1");
    struct flood_item *orders = order_flood(front, user, 50, product, 1),
                      *asks = coupon_flood(front, coupon, user, 50);
    flood(orders, 50, 20);
    flood(asks, 50, 20);
    ck_assert_uint_eq(flood_count(orders, 50, 200), 50);
    ck_assert_uint_eq(flood_count(asks, 50, 202), 50);
    ck_assert_str_eq(text_at(expect(200, coupon_status(front, coupon, user)), "status"), "PROCESSING");
    ck_assert_int_eq(ranked_today(product), 0);

    struct node *back = node_start("back", "node.roles = queue,consumers\n");
    node_wait_ready(back);
    expect(404, get(back->port, "/api/products"));
    expect(200, get(back->port, "/actuator/health"));
    accepted_are_decided(coupon, asks, 50, user);
    ck_assert_str_eq(text_at(coupon_decided(front, coupon, user), "status"),
                     int_at(asks[0].answer, "ticket") <= 20 ? "SUCCESS" : "FAILED");
    WAIT_UNTIL(30, ranked_today(product) == 50);
    books_agree();
    ck_assert_int_eq(node_stop(front), 0);
    ck_assert_int_eq(node_stop(back), 0);
}
END_TEST

/* --- replaced one by one ---------------------------------------------------------------------------------------------------- */

/* Ask until every request has an answer: a connection that ended without one is another try, with the same key. */
static void flood_again(struct flood_item *items, size_t n, size_t connections)
{
    struct flood_item *todo = calloc(n, sizeof *todo);
    size_t *of = calloc(n, sizeof *of), left = n;
    for (size_t i = 0; i < n; i++)
        of[i] = i;
    for (int tries = 0; left; tries++) {
        ck_assert_msg(tries < 5, "%zu requests without an answer after %d tries", left, tries);
        for (size_t i = 0; i < left; i++)
            todo[i] = items[of[i]];
        flood(todo, left, connections);
        size_t still = 0;
        for (size_t i = 0; i < left; i++) {
            items[of[i]].answer = todo[i].answer;
            if (todo[i].answer->status == 0)
                of[still++] = of[i];
        }
        left = still;
    }
    free(todo);
    free(of);
}

/* The load of one step; every order is taken, every request for a coupon too. fresh: each on a connection of its own. */
static void step(int port, bool fresh, int64_t product, int64_t coupon)
{
    static int number;
    enum {
        EACH = 600
    };
    const struct node at = {.port = port};
    int64_t user = users_new(EACH, "100");
    struct flood_item *items = order_flood(&at, user, EACH, product, 1);
    for (size_t i = 0; i < EACH; i++)
        items[i].headers =
            text("Idempotency-Key: rolling-%d-%zu\r\n%s", number, i, fresh ? "Connection: close\r\n" : "");
    struct flood_item *asks = coupon ? coupon_flood(&at, coupon, user, EACH) : NULL;
    for (size_t i = 1; asks && i < EACH; i += 2)
        items[i] = asks[i];
    number++;
    flood_again(items, EACH, 30);
    for (size_t i = 0; i < EACH; i++) {
        const struct answer *a = items[i].answer;
        bool ask = coupon && i % 2;
        if (!ask || !strstr(a->body, "COUPON_REQUEST_PENDING")) /* accepted, but the connection ended */
            ck_assert_msg(a->status == (ask ? 202 : 200), "step %d: %d %s: %s", number, a->status,
                          items[i].target, a->body);
    }
}

START_TEST(rolling_restart)
{
    int port = free_port();
    struct node *nodes[2];
    for (int i = 0; i < 2; i++) {
        nodes[i] = node_start(text("rolling%d", i + 1),
                              text("server.port = %d\nmanagement.server.port = %d\n", port, free_port()));
        node_wait_ready(nodes[i]);
    }
    int64_t product = product_new("1", 1000000), coupon = 0;
    if (e2e_mode() == E2E_EMBEDDED)
        books_forget_ranking(product);
    else
        coupon = coupon_new(nodes[0], 100000, "1");
    for (int i = 0; i < 2; i++) {
        node_signal_later(nodes[i], SIGTERM, 100);
        step(port, false, product, coupon);
        ck_assert_int_eq(node_wait_end(nodes[i], 40), 0);
        node_begin(nodes[i]);
        do
            step(port, true, product, coupon);
        while (!node_logged(nodes[i], "msg=listening"));
        node_wait_listening(nodes[i]);
        node_wait_ready(nodes[i]);
    }
    sql("UPDATE outbox SET available_at = now()");
    books_agree();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(node_stop(nodes[i]), 0);
}
END_TEST

/* A node that shares its port takes no request before it can serve: what it needs to be ready is locked away here. */
START_TEST(listens_when_ready)
{
    enum {
        GRACE_MS = 2000, /* then it listens all the same, and says that it cannot serve */
        ASKED = 40
    };
    int port = free_port();
    struct node *first =
        node_start("ready1", text("server.port = %d\nmanagement.server.port = %d\n", port, free_port()));
    node_wait_ready(first);
    int64_t user = users_new(ASKED, "100"), product = product_new("1", 1000);
    if (e2e_mode() == E2E_EMBEDDED)
        books_forget_ranking(product);
    struct flood_item *items = order_flood(first, user, ASKED, product, 1);
    for (size_t i = 0; i < ASKED; i++)
        items[i].headers = "Connection: close\r\n";
    int management = free_port();
    struct node *second =
        node_start("ready2", text("server.port = %d\nmanagement.server.port = %d\n", port, management));
    node_wait_ready(second);
    ck_assert_int_eq(node_stop(second), 0);
    sql("BEGIN; LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE");
    node_begin(second);
    WAIT_UNTIL(30, get(management, "/actuator/health/liveness")->status == 200);
    flood(items, ASKED, 10);
    bool shared =
        node_logged(second, "logger=rushd.node msg=listening"); /* a slow machine: the time was over */
    for (size_t i = 0; i < ASKED && !shared; i++)
        expect(200, items[i].answer);
    WAIT_UNTIL(30, node_logged(second, "logger=rushd.node msg=listening"));
    sql("COMMIT");
    int64_t after_ms =
        strtoll(node_log_value(second, "logger=rushd.node msg=listening", "after_ms"), NULL, 10);
    ck_assert_msg(after_ms >= GRACE_MS, "it listened after %lld ms", (long long)after_ms);
    node_wait_listening(second);
    node_wait_ready(second);
    ck_assert_int_eq(node_stop(second), 0);
    ck_assert_int_eq(node_stop(first), 0);
}
END_TEST

Suite *cluster_suite(void)
{
    Suite *s = suite_create("cluster");
    TCase *t = e2e_tcase(s, "cluster", 120);
    tcase_add_test(t, rolling_restart);
    tcase_add_test(t, listens_when_ready);
    if (e2e_mode() == E2E_EMBEDDED)
        return s;
    tcase_add_test(t, two_nodes_are_one_shop);
    tcase_add_test(t, same_key_on_two_nodes);
    tcase_add_test(t, one_node_leaves);
    tcase_add_test(t, one_node_dies);
    tcase_add_test(t, roles_are_split);
    return s;
}
