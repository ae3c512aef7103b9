/* Services that go away and come back: what goes on without them, what is refused and how, and that nothing is lost. */
#include "suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform.h"
#include "shop.h"

/* What a node had taken or published comes back after these times. */
#define IMPATIENT                                                                                            \
    "kafka.producer.delivery.timeout.ms = 2s\n"                                                              \
    "coupon.queue.lease = 3s\n"                                                                              \
    "coupon.queue.recheck = 4s\n"

/* 503 that says when to come again. */
static void expect_away(struct answer *a)
{
    expect_error(503, "SERVICE_UNAVAILABLE",
                 "일시적으로 요청을 처리할 수 없습니다. 잠시 후 다시 시도해주세요.", a);
    ck_assert_ptr_ne(header(a, "Retry-After"), NULL);
}

static bool component_is(const struct node *n, const char *name, const char *status)
{
    struct answer *a = get(n->management_port, "/actuator/health");
    const json_t *v = json_at(a->json, text("components.%s.status", name));
    return json_is_string(v) && strcmp(json_string_value(v), status) == 0;
}

/* What a failed test left away. */
static void services_are_there(void)
{
    service("all", "ensure");
}

/* Neither PostgreSQL nor Redis is there at the start: the node lives, says so, and works as soon as they come. */
START_TEST(away_at_start)
{
    service("pg", "stop");
    service("redis", "stop");
    struct node *n = node_start("away", "");
    expect(200, get(n->port, "/actuator/health/liveness"));
    expect(503, get(n->port, "/actuator/health/readiness"));
    expect(503, get(n->port, "/actuator/health"));
    expect_away(order(n, 1001, 1, 1));
    expect_away(coupon_ask(n, 1, 1001));
    expect_away(get(n->port, "/api/products/1"));
    expect_error(400, "INVALID_USER_ID", NULL, order(n, 0, 1, 1)); /* what needs no service is answered */
    service("redis", "start");
    WAIT_UNTIL(10, component_is(n, "redis", "UP"));
    service("pg", "start");
    node_wait_consuming(n);
    int64_t user = users_new(1, "100"), product = product_new("1", 10), coupon = coupon_new(n, 5, "1");
    expect(200, order(n, user, product, 1));
    expect(202, coupon_ask(n, coupon, user));
    ck_assert_str_eq(text_at(coupon_decided(n, coupon, user), "status"), "SUCCESS");
    WAIT_UNTIL(30, ranked_today(product) == 1);
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* Redis is away: orders go on, coupon requests are told to come again. It comes back empty: the ranking, the holders and the
 * line that stood in it are made again from PostgreSQL. */
START_TEST(redis_is_lost)
{
    struct node *n = node_start("redis", "coupon.queue.interval = 1h\n");
    node_wait_consuming(n);
    int64_t user = users_new(60, "100"), product = product_new("1", 100), coupon = coupon_new(n, 20, "1");
    int64_t line = coupon_new(n, 15, "1");
    expect(200, order(n, user, product, 3));
    WAIT_UNTIL(30, ranked_today(product) == 3);
    struct flood_item *items = coupon_flood(n, line, user, 30);
    flood(items, 30, 10);
    ck_assert_uint_eq(flood_count(items, 30, 202), 30);
    ck_assert_int_eq(redis_int("ZCARD coupon:queue:%lld", (long long)line), 30);

    service("redis", "kill");
    expect_away(coupon_ask(n, coupon, user));
    expect(200, order(n, user, product, 4));
    struct answer *a = expect(200, coupon_status(n, line, user)); /* PostgreSQL knows */
    ck_assert_str_eq(text_at(a, "status"), "PROCESSING");
    WAIT_UNTIL(10, get(n->port, "/actuator/health/readiness")->status == 503);
    expect(200, get(n->port, "/actuator/health/liveness"));
    a = expect(200, get(n->port, "/api/products/popular")); /* PostgreSQL knows as well */
    ck_assert_int_ge((int64_t)json_array_size(a->json), 1);
    expect(200, charge(n, user, "1"));

    service("redis", "start");
    node_wait_ready(n);
    WAIT_UNTIL(30, redis_int("ZCARD coupon:queue:%lld", (long long)line) == 30);
    WAIT_UNTIL(30, ranked_today(product) == 7);
    WAIT_UNTIL(10, coupon_ask(n, line, user + 30)->status == 202);
    node_kill(n);
    node_configure(n, "");
    node_again(n);
    lines_end(40);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND outcome IS NOT NULL",
                (long long)line),
        31);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND"
                             " (outcome = 'SUCCESS') <> (ticket <= 15)",
                             (long long)line),
                     0);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* Everybody of users first_user .. first_user + n - 1 asks until he is accepted; whoever waits already is. */
static void all_ask(const struct node *n, int64_t coupon, int64_t first_user, size_t users)
{
    struct flood_item *items = coupon_flood(n, coupon, first_user, users);
    time_t until = time(NULL) + 30;
    size_t accepted = 0;
    while (accepted < users) {
        ck_assert_msg(time(NULL) < until, "only %zu of %zu were accepted", accepted, users);
        flood(items, users, 10);
        accepted = 0;
        for (size_t i = 0; i < users; i++) {
            const struct answer *a = items[i].answer;
            const char *code = a->status == 202 ? "202" : text_at(a, "code");
            ck_assert_msg(
                a->status == 202 || a->status == 503 || strcmp(code, "COUPON_REQUEST_PENDING") == 0 ||
                    strcmp(code, "COUPON_ALREADY_ISSUED") == 0 || strcmp(code, "COUPON_SOLD_OUT") == 0,
                "%d %s", a->status, a->body);
            accepted += a->status != 503;
        }
    }
}

/* Everybody who was accepted is decided once, in the order of the tickets, and the first are the winners. */
static void decided_in_order(int64_t coupon, int64_t max)
{
    lines_end(60);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM (SELECT ticket, lag(ticket) OVER (ORDER BY decision) AS before"
                " FROM coupon_requests WHERE coupon_id = %lld) AS x WHERE before >= ticket",
                (long long)coupon),
        0);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND outcome = 'SUCCESS'",
                (long long)coupon),
        max);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND (outcome = 'SUCCESS') <>"
                " (ticket <= (SELECT ticket FROM coupon_requests WHERE coupon_id = %lld ORDER BY ticket"
                " OFFSET %lld LIMIT 1))",
                (long long)coupon, (long long)coupon, (long long)max - 1),
        0);
    ck_assert_int_eq(
        sql_int("SELECT count(DISTINCT user_id) FROM user_coupons WHERE coupon_id = %lld", (long long)coupon),
        max);
}

#define SLOWLY                                                                                               \
    "coupon.accept.durability = database\ncoupon.queue.interval = 200ms\ncoupon.queue.drain-per-tick = 4\n"

/* Redis is emptied while sixty wait, and again while they return; more come all the time. Nobody tells the node. */
START_TEST(redis_is_emptied_in_the_middle_of_a_line)
{
    struct node *n = node_start("emptied", SLOWLY);
    node_wait_consuming(n);
    int64_t user = users_new(180, "0"), coupon = coupon_new(n, 90, "1");
    all_ask(n, coupon, user, 60);
    redis("FLUSHALL");
    all_ask(n, coupon, user + 60, 60);
    ck_assert_int_gt(redis_int("ZCARD coupon:queue:%lld", (long long)coupon), 30);
    redis("FLUSHALL");
    redis("FLUSHDB");
    /* Not one request comes: it is noticed all the same. */
    WAIT_UNTIL(20, redis_int("EXISTS rushd:data") == 1);
    redis("FLUSHALL");
    struct answer *a = coupon_status(n, coupon, user + 150); /* never asked, but who knows that now */
    ck_assert_msg(a->status == 503 || (a->status == 404 && redis_int("EXISTS rushd:data") == 1), "%d",
                  a->status);
    all_ask(n, coupon, user + 120, 60);
    WAIT_UNTIL(20, coupon_status(n, coupon, user + 200)->status == 404);
    decided_in_order(coupon, 90);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* Another process of Redis, without the last writes: nobody is accepted or drained before the lines were looked through. */
START_TEST(redis_comes_back_without_its_last_writes)
{
    struct node *n = node_start("behind", SLOWLY);
    node_wait_consuming(n);
    int64_t user = users_new(120, "0"), coupon = coupon_new(n, 50, "1");
    all_ask(n, coupon, user, 60);
    /* What a late snapshot would not have: the newest of the line, and its counter. */
    node_signal(n, SIGSTOP);
    redis("ZREMRANGEBYRANK coupon:queue:%lld -20 -1", (long long)coupon);
    redis("SET coupon:ticket:%lld 40", (long long)coupon);
    redis("SET rushd:data %s", "0123456789012345678901234567890123456789 7");
    node_signal(n, SIGCONT);
    all_ask(n, coupon, user + 60, 60);
    decided_in_order(coupon, 50);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld", (long long)coupon),
        sql_int("SELECT count(DISTINCT ticket) FROM coupon_requests WHERE coupon_id = %lld",
                (long long)coupon));
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* A node died between the row of a request and its look whether Redis' data was still the same, and Redis was emptied: the rebuild
 * had not seen the row. The request is found later, decided behind others, and counted; the audit says so. */
START_TEST(request_that_comes_back_late_is_counted)
{
    struct node *n = node_start("cameback", IMPATIENT "coupon.accept.durability = database\n");
    node_wait_consuming(n);
    int64_t user = users_new(4, "0"), coupon = coupon_new(n, 10, "1");
    redis("INCR coupon:ticket:%lld", (long long)coupon); /* his */
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(int_at(expect(202, coupon_ask(n, coupon, user + i)), "ticket"), i + 1);
        coupon_decided(n, coupon, user + i);
    }
    sql("INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket)"
        " SELECT coupon_id, %lld, min(requested_at) - interval '1 second', 1 FROM coupon_requests"
        " WHERE coupon_id = %lld GROUP BY coupon_id",
        (long long)user, (long long)coupon);
    ck_assert_str_eq(text_at(coupon_decided(n, coupon, user), "status"), "SUCCESS");
    ck_assert(node_metric(n, "rushd.coupon.restored.late", "") == 1);
    const char *said;
    const char *const arguments[] = {
        "-c", n->file, "audit", "--no-kafka", "--coupon", text("%lld", (long long)coupon), NULL};
    int status = program_run("src/ctl/rushctl", arguments, &said);
    sql("UPDATE coupon_requests SET ticket = NULL WHERE coupon_id = %lld AND user_id = %lld",
        (long long)coupon, (long long)user); /* other tests allow no exception */
    ck_assert_msg(status == 0 && strstr(said, "came back late"), "%d: %s", status, said);
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* A result that Redis lost is in PostgreSQL; a holder is known again after the loss. */
START_TEST(holders_survive_redis)
{
    struct node *n = node_start("holders", "");
    node_wait_consuming(n);
    int64_t user = users_new(2, "0"), coupon = coupon_new(n, 5, "1");
    expect(202, coupon_ask(n, coupon, user));
    int64_t held = int_at(coupon_decided(n, coupon, user), "userCouponId");
    service("redis", "restart");
    node_wait_ready(n);
    WAIT_UNTIL(20, redis_int("SISMEMBER coupon:issued:%lld %lld", (long long)coupon, (long long)user) == 1);
    ck_assert_int_eq(int_at(expect(200, coupon_status(n, coupon, user)), "userCouponId"), held);
    expect_error(400, "COUPON_ALREADY_ISSUED", NULL, coupon_ask(n, coupon, user));
    WAIT_UNTIL(10, coupon_ask(n, coupon, user + 1)->status == 202);
    ck_assert_str_eq(text_at(coupon_decided(n, coupon, user + 1), "status"), "SUCCESS");
    ck_assert_int_gt(
        sql_int("SELECT min(decision) FROM coupon_requests WHERE coupon_id = %lld AND ticket = 2",
                (long long)coupon),
        0);
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* PostgreSQL is killed in the middle of a flood: what was answered 200 is there whole, what was not can be asked about. */
START_TEST(postgres_is_killed_under_load)
{
    struct node *n = node_start("pgkill", IMPATIENT);
    node_wait_consuming(n);
    int64_t user = users_new(800, "100"), product = product_new("1", 100000),
            coupon = coupon_new(n, 300, "1");
    struct flood_item *items = order_flood(n, user, 800, product, 1);
    struct flood_item *asks = coupon_flood(n, coupon, user, 400);
    for (size_t i = 0; i < 400; i++)
        items[2 * i + 1] = asks[i];
    for (size_t i = 0; i < 800; i += 2)
        items[i].headers = text("Idempotency-Key: pg-%zu\r\n", i);
    sql_close();
    const char *command = text("(sleep 0.15; %s pg kill; %s pg start) >/dev/null 2>&1 &",
                               e2e_env("RUSHD_TEST_SERVICE"), e2e_env("RUSHD_TEST_SERVICE"));
    ck_assert_int_eq(system(command), 0);
    flood(items, 800, 40);
    node_wait_ready(n);
    WAIT_UNTIL(20, get(n->port, "/api/coupons")->status == 200);
    WAIT_UNTIL(20, order(n, user, product, 1)->status == 200);
    size_t taken = 1, unknown = 0;
    for (size_t i = 0; i < 800; i += 2) {
        const struct answer *a = items[i].answer;
        ck_assert_msg(a->status == 200 || a->status == 503, "order: %d %s", a->status, a->body);
        if (a->status == 200) {
            ck_assert_int_eq(
                sql_int("SELECT count(*) FROM orders WHERE id = %lld", (long long)int_at(a, "id")), 1);
            taken++;
        } else if (strcmp(text_at(a, "code"), "OUTCOME_UNKNOWN") == 0) {
            /* The same key tells what became of it. */
            ck_assert_ptr_eq(header(a, "Retry-After"), NULL);
            expect(200, ask(n->port, "POST", "/api/orders", items[i].headers, items[i].body));
            unknown++;
            taken++;
        } else {
            ck_assert_ptr_ne(header(a, "Retry-After"), NULL);
        }
    }
    ck_assert_int_eq(sql_int("SELECT count(*) FROM order_items WHERE product_id = %lld", (long long)product),
                     (int64_t)taken);
    for (size_t i = 1; i < 800; i += 2) {
        const struct answer *a = items[i].answer;
        bool late =
            a->status == 400 && strcmp(text_at(a, "code"), "COUPON_SOLD_OUT") == 0; /* slow machines */
        ck_assert_msg(a->status == 202 || a->status == 503 || late, "coupon: %d %s", a->status, a->body);
    }
    lines_end(60);
    for (size_t i = 1; i < 800; i += 2)
        if (items[i].answer->status == 202)
            ck_assert_int_eq(
                sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND ticket = %lld"
                        " AND outcome IS NOT NULL",
                        (long long)coupon, (long long)int_at(items[i].answer, "ticket")),
                1);
    sql("UPDATE outbox SET available_at = now()"); /* of orders whose commit was not seen */
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* PostgreSQL is away for a while: every answer comes in time and says so; then everything goes on. */
START_TEST(postgres_is_away)
{
    struct node *n =
        node_start("pgaway", IMPATIENT "server.request-timeout = 5s\ndatasource.statement-timeout = 3s\n");
    node_wait_consuming(n);
    int64_t user = users_new(2, "100"), product = product_new("1", 10), coupon = coupon_new(n, 5, "1");
    service("pg", "stop");
    struct flood_item *items = order_flood(n, user, 20, product, 1);
    for (int i = 0; i < 20; i++)
        items[i].body = items[0].body;
    flood(items, 20, 20);
    for (int i = 0; i < 20; i++) {
        expect_away(items[i].answer);
        ck_assert_int_lt(items[i].took_ms, 6000);
    }
    expect_away(coupon_ask(n, coupon, user));
    expect_away(get(n->port, "/api/users/%lld", (long long)user));
    WAIT_UNTIL(10, component_is(n, "db", "DOWN"));
    expect(503, get(n->port, "/actuator/health/readiness"));
    service("pg", "start");
    node_wait_ready(n);
    expect(200, order(n, user, product, 1));
    WAIT_UNTIL(10, coupon_ask(n, coupon, user + 1)->status == 202);
    ck_assert_str_eq(text_at(coupon_decided(n, coupon, user + 1), "status"), "SUCCESS");
    ck_assert_int_eq(stock_of(product), 9);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* A paused PostgreSQL answers nothing and closes nothing; requests end in time, and their outcome is settled later. */
START_TEST(postgres_is_paused)
{
    struct node *n =
        node_start("pgpause", IMPATIENT "server.request-timeout = 4s\ndatasource.statement-timeout = 2s\n");
    node_wait_consuming(n);
    int64_t user = users_new(30, "100"), product = product_new("1", 1000);
    struct flood_item *items = order_flood(n, user, 30, product, 1);
    for (int i = 0; i < 30; i++)
        items[i].headers = text("Idempotency-Key: pause-%d\r\n", i);
    service("pg", "pause");
    flood(items, 30, 30);
    for (int i = 0; i < 30; i++) {
        expect(503, items[i].answer);
        ck_assert_int_lt(items[i].took_ms, 6000);
    }
    service("pg", "resume");
    node_wait_ready(n);
    flood(items, 30, 30);
    for (int i = 0; i < 30; i++)
        if (items[i].answer->status != 200)
            WAIT_UNTIL(20,
                       ask(n->port, "POST", "/api/orders", items[i].headers, items[i].body)->status == 200);
    ck_assert_int_eq(stock_of(product), 970);
    sql("UPDATE outbox SET available_at = now()");
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* --- the broker ----------------------------------------------------------------------------------------------------------- */

START_TEST(broker_is_away)
{
    struct node *n = node_start("broker", text("%sdata-platform.url = %s\n", IMPATIENT, platform_start()));
    node_wait_consuming(n);
    int64_t user = users_new(200, "100"), product = product_new("1", 1000), coupon = coupon_new(n, 30, "1");
    service("kafka", "kill");
    struct flood_item *items = order_flood(n, user, 100, product, 1);
    flood(items, 100, 20);
    ck_assert_uint_eq(flood_count(items, 100, 200), 100);
    struct flood_item *asks = coupon_flood(n, coupon, user, 50);
    flood(asks, 50, 20);
    ck_assert_uint_eq(flood_count(asks, 50, 202), 50);
    WAIT_UNTIL(15, component_is(n, "kafka", "DOWN"));
    expect(200, get(n->port, "/actuator/health/readiness")); /* the outbox holds */
    /* The delivery timeout passes: what failed is put back and kept. */
    WAIT_UNTIL(15, redis_int("ZCARD coupon:queue:%lld", (long long)coupon) == 50);
    ck_assert_str_eq(text_at(expect(200, coupon_status(n, coupon, user)), "status"), "PROCESSING");
    ck_assert_int_eq(sql_int("SELECT sum(orders) FROM outbox"), 100);
    service("kafka", "start");
    accepted_are_decided(coupon, asks, 50, user);
    sql("UPDATE outbox SET available_at = now()");
    WAIT_UNTIL(40, ranked_today(product) == 100);
    ck_assert_int_eq(sql_int("SELECT issued_count FROM coupons WHERE coupon_id = %lld", (long long)coupon),
                     30);
    WAIT_UNTIL(30, sql_int("SELECT count(*) FROM platform_forwarded f JOIN order_items i USING (order_id)"
                           " WHERE i.product_id = %lld",
                           (long long)product) == 100);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
    platform_stop();
}
END_TEST

/* The broker is away when the node starts. */
START_TEST(broker_comes_late)
{
    service("kafka", "stop");
    struct node *n = node_start("late", "");
    node_wait_ready(n);
    int64_t user = users_new(1, "100"), product = product_new("1", 10), coupon = coupon_new(n, 5, "1");
    expect(200, order(n, user, product, 1));
    expect(202, coupon_ask(n, coupon, user));
    service("kafka", "start");
    node_wait_consuming(n);
    WAIT_UNTIL(30, coupon_status(n, coupon, user)->status == 200 &&
                       strcmp(text_at(coupon_status(n, coupon, user), "status"), "SUCCESS") == 0);
    sql("UPDATE outbox SET available_at = now()");
    WAIT_UNTIL(30, ranked_today(product) == 1);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

Suite *outage_suite(void)
{
    Suite *s = suite_create("outage");
    TCase *t = e2e_tcase(s, "outage", 120);
    tcase_add_checked_fixture(t, services_are_there, NULL);
    if (e2e_mode() == E2E_BROKER) {
        tcase_add_test(t, broker_is_away);
        tcase_add_test(t, broker_comes_late);
    } else {
        tcase_add_test(t, away_at_start);
        tcase_add_test(t, redis_is_lost);
        tcase_add_test(t, redis_is_emptied_in_the_middle_of_a_line);
        tcase_add_test(t, redis_comes_back_without_its_last_writes);
        tcase_add_test(t, request_that_comes_back_late_is_counted);
        tcase_add_test(t, holders_survive_redis);
        tcase_add_test(t, postgres_is_killed_under_load);
        tcase_add_test(t, postgres_is_away);
        tcase_add_test(t, postgres_is_paused);
    }
    return s;
}
