/* The life of a node: configuration, start, reload, stop under load, sudden death and the next life. */
#include "suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "shop.h"

#define RUSHD "src/app/rushd"

/* Every order that was answered 200 is there; returns how many were. */
static size_t answered_orders_exist(const struct flood_item *items, size_t n)
{
    char *list = text("0");
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].answer->status != 200)
            continue;
        list = text("%s,%lld", list, (long long)int_at(items[i].answer, "id"));
        count++;
    }
    ck_assert_int_eq(sql_int("SELECT count(*) FROM orders WHERE status = 'COMPLETED' AND id IN (%s)", list),
                     (int64_t)count);
    return count;
}

/* --- stop and death ----------------------------------------------------------------------------------------------------- */

/* What a node had taken, or published to a cluster of its own, comes back so long after its end. */
#define IMPATIENT                                                                                            \
    "kafka.producer.delivery.timeout.ms = 2s\n"                                                              \
    "coupon.queue.lease = 3s\n"                                                                              \
    "coupon.queue.recheck = 4s\n"

/* SIGTERM in the middle of a flood: what was accepted is done, the rest is refused or not connected, nothing in between. */
START_TEST(graceful_stop_under_load)
{
    struct node *n = node_start("stop", IMPATIENT);
    node_wait_consuming(n);
    int64_t user = users_new(3000, "100"), product = product_new("1", 100000),
            coupon = coupon_new(n, 5000, "1");
    struct flood_item *orders = order_flood(n, user, 1500, product, 1);
    struct flood_item *asks = coupon_flood(n, coupon, user, 1500);
    struct flood_item *both = e2e_keep(calloc(3000, sizeof *both));
    for (size_t i = 0; i < 1500; i++) {
        both[2 * i] = orders[i];
        both[2 * i + 1] = asks[i];
    }
    if (e2e_mode() == E2E_EMBEDDED) {
        books_forget_ranking(product);
        books_forget_order(coupon);
    }
    node_signal_later(n, SIGTERM, 250);
    flood(both, 3000, 60);
    ck_assert_int_eq(node_wait_end(n, 40), 0);
    size_t taken = 0;
    for (size_t i = 0; i < 1500; i++) {
        orders[i].answer = both[2 * i].answer;
        asks[i].answer = both[2 * i + 1].answer;
        int status = orders[i].answer->status;
        ck_assert_msg(status == 200 || status == 0 || status == 503, "order: %d %s", status,
                      orders[i].answer->body);
        status = asks[i].answer->status;
        ck_assert_msg(status == 202 || status == 0 || status == 503, "coupon: %d %s", status,
                      asks[i].answer->body);
    }
    taken = answered_orders_exist(orders, 1500);
    ck_assert_msg(taken > 0 && taken < 1500, "the stop came too early or too late: %zu orders", taken);
    /* Nothing that the client does not know of either. */
    ck_assert_int_eq(sql_int("SELECT count(*) FROM order_items WHERE product_id = %lld", (long long)product),
                     (int64_t)taken);
    node_again(n);
    node_wait_consuming(n);
    accepted_are_decided(coupon, asks, 1500, user);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* Orders of one piece by so many users, all answered 200; returns the product. */
static int64_t pieces_sold(const struct node *n, size_t users)
{
    int64_t user = users_new((int)users, "100"), product = product_new("1", 100);
    struct flood_item *items = order_flood(n, user, users, product, 1);
    flood(items, users, 20);
    ck_assert_uint_eq(flood_count(items, users, 200), users);
    return product;
}

/* What the cluster of the node holds when it is told to stop, its consumers still get. */
START_TEST(embedded_events_reach_their_readers)
{
    struct node *n = node_start("readers", "");
    node_wait_consuming(n);
    int64_t product = pieces_sold(n, 60);
    ck_assert_int_eq(node_stop(n), 0);
    ck_assert_int_eq(ranked_today(product), 60);
}
END_TEST

/* SIGKILL in the middle of the same, again and again. */
static void die_under_load(const char *name, const char *extra)
{
    struct node *n = node_start(name, text("%s%s", IMPATIENT, extra));
    for (int life = 0; life < 2; life++) {
        node_wait_consuming(n);
        int64_t user = users_new(1200, "100"), product = product_new("1", 100000),
                coupon = coupon_new(n, 300, "1");
        if (e2e_mode() == E2E_EMBEDDED) {
            books_forget_ranking(product);
            books_forget_order(coupon);
        }
        struct flood_item *both = e2e_keep(calloc(1200, sizeof *both));
        memcpy(both, order_flood(n, user, 600, product, 1), 600 * sizeof *both);
        memcpy(both + 600, coupon_flood(n, coupon, user + 600, 600), 600 * sizeof *both);
        for (size_t i = 1; i < 600; i += 2) {
            struct flood_item swapped = both[i];
            both[i] = both[600 + i];
            both[600 + i] = swapped;
        }
        node_signal_later(n, SIGKILL, 120 + 80 * life);
        flood(both, 1200, 60);
        node_kill(n);
        sql("UPDATE outbox SET available_at = now()"); /* the dead node's grace */
        size_t taken = 0;
        node_again(n);
        node_wait_consuming(n);
        char *list = text("0");
        for (size_t i = 0; i < 1200; i++) {
            const struct answer *a = both[i].answer;
            if (a->status == 200 && ++taken)
                list = text("%s,%lld", list, (long long)int_at(a, "id"));
        }
        ck_assert_int_eq(
            sql_int("SELECT count(*) FROM orders WHERE status = 'COMPLETED' AND id IN (%s)", list),
            (int64_t)taken);
        lines_end(60);
        for (size_t i = 0; i < 1200; i++)
            if (both[i].answer->status == 202)
                ck_assert_int_eq(
                    sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND ticket = %lld"
                            " AND outcome IS NOT NULL",
                            (long long)coupon, (long long)int_at(both[i].answer, "ticket")),
                    1);
        books_agree();
    }
    ck_assert_int_eq(node_stop(n), 0);
}

START_TEST(restart_keeps_lines)
{
    die_under_load("death-database", "coupon.accept.durability = database\n");
}
END_TEST

/* Redis itself lives on here, so nothing is lost either. */
START_TEST(restart_keeps_lines_of_redis)
{
    die_under_load("death-redis", "coupon.accept.durability = redis\n");
}
END_TEST

/* A line that stood still when the node died is served by the next life, in the order of the tickets. */
START_TEST(waiting_line_survives)
{
    struct node *n = node_start("waiting", "coupon.queue.interval = 1h\n");
    node_wait_ready(n);
    int64_t user = users_new(50, "0"), coupon = coupon_new(n, 20, "1");
    pause_ms(1100); /* the first drain, at the start, has passed */
    struct flood_item *items = coupon_flood(n, coupon, user, 50);
    flood(items, 50, 10);
    ck_assert_uint_eq(flood_count(items, 50, 202), 50);
    struct answer *a = expect(200, coupon_status(n, coupon, user));
    ck_assert_str_eq(text_at(a, "status"), "PROCESSING");
    ck_assert_str_eq(text_at(a, "message"), "처리 중입니다.");
    ck_assert_int_eq(int_at(a, "queuePosition"), int_at(items[0].answer, "ticket"));
    ck_assert_int_eq(int_at(a, "queueSize"), 50);
    expect_error(400, "COUPON_REQUEST_PENDING", "이미 쿠폰 발급 요청이 처리 중입니다.",
                 coupon_ask(n, coupon, user));
    node_kill(n);
    node_configure(n, "");
    node_again(n);
    accepted_are_decided(coupon, items, 50, user);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND"
                             " (outcome = 'SUCCESS') <> (ticket <= 20)",
                             (long long)coupon),
                     0);
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* An order whose events were not published when the node died reaches the ranking in the next life. */
START_TEST(events_survive_crash)
{
    struct node *n = node_start("crash", "kafka.producer.linger.ms = 3000\n");
    node_wait_consuming(n);
    int64_t product = pieces_sold(n, 20);
    node_kill(n);
    ck_assert_int_gt(sql_int("SELECT count(*) FROM outbox"), 0);
    node_configure(n, "");
    sql("UPDATE outbox SET available_at = now()"); /* the dead node's grace */
    node_again(n);
    WAIT_UNTIL(30, ranked_today(product) == 20);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* --- configuration -------------------------------------------------------------------------------------------------------- */

START_TEST(durability_redis)
{
    struct node *n = node_start("durability", "coupon.accept.durability = redis\n");
    node_wait_consuming(n);
    int64_t user = users_new(200, "0"), coupon = coupon_new(n, 150, "1");
    struct flood_item *items = coupon_flood(n, coupon, user, 200);
    flood(items, 200, 100);
    accepted_are_decided(coupon, items, 200, user);
    ck_assert_int_eq(sql_int("SELECT issued_count FROM coupons WHERE coupon_id = %lld", (long long)coupon),
                     150);
    books_agree();
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

START_TEST(management_port)
{
    int port = free_port();
    struct node *n =
        node_start("management", text("management.server.port = %d\n"
                                      "management.endpoints.web.exposure.include = health,loggers\n",
                                      port));
    ck_assert_int_eq(n->management_port, port);
    node_wait_ready(n);
    expect(404, get(n->port, "/actuator/health"));
    expect(404, get(n->port, "/actuator"));
    expect(200, get(port, "/actuator/health"));
    expect(404, get(port, "/actuator/prometheus"));
    expect(404, get(port, "/api/products"));
    expect(200, get(n->port, "/api/products"));

    struct answer *a = expect(200, get(port, "/actuator/loggers/rushd.order"));
    ck_assert_str_eq(text_at(a, "effectiveLevel"), "INFO");
    expect(204, post(port, "/actuator/loggers/rushd.order", "{\"configuredLevel\":\"DEBUG\"}"));
    a = expect(200, get(port, "/actuator/loggers/rushd.order"));
    ck_assert_str_eq(text_at(a, "effectiveLevel"), "DEBUG");
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

START_TEST(reload_changes_log_level)
{
    struct node *n = node_start("reload", "");
    node_wait_consuming(n);
    ck_assert(!node_logged(n, "level=debug"));
    node_configure(n, "logging.level.root = debug\n");
    node_signal(n, SIGHUP);
    WAIT_UNTIL(5, node_logged(n, "configuration reloaded"));
    int64_t user = users_new(1, "10"), product = product_new("1", 10);
    expect(200, order(n, user, product, 1));
    WAIT_UNTIL(10, node_logged(n, "level=debug"));
    node_configure(n, "logging.level.root = loud\n");
    node_signal(n, SIGHUP);
    WAIT_UNTIL(5, node_logged(n, "was not reloaded"));
    expect(200, get(n->port, "/api/products"));
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

START_TEST(command_line)
{
    const char *printed;
    ck_assert_int_eq(program_run(RUSHD, (const char *[]){"--version", NULL}, &printed), 0);
    ck_assert_int_eq(strncmp(printed, "rushd ", 6), 0);
    ck_assert_int_eq(program_run(RUSHD, (const char *[]){"--help", NULL}, &printed), 0);
    ck_assert_int_eq(program_run(RUSHD, (const char *[]){"--nonsense", NULL}, &printed), 64);
    ck_assert_int_eq(program_run(RUSHD, (const char *[]){"-c", "/nonexistent", NULL}, &printed), 78);
    ck_assert_int_eq(
        program_run(RUSHD, (const char *[]){"--set", "server.port=99999", "--check", NULL}, &printed), 78);
    ck_assert_ptr_ne(strstr(printed, "server.port"), NULL);
    ck_assert_int_eq(program_run(RUSHD, (const char *[]){"--set", "server.prot=1", NULL}, &printed), 78);
    ck_assert_ptr_ne(strstr(printed, "server.prot"), NULL);
    ck_assert_int_eq(program_run(RUSHD, (const char *[]){"--check", NULL}, &printed), 0);
    ck_assert_int_eq(program_run(RUSHD,
                                 (const char *[]){"--set", "redis.password=hidden-1", "--dump-config", NULL},
                                 &printed),
                     0);
    ck_assert_ptr_ne(strstr(printed, "redis.password"), NULL);
    ck_assert_ptr_eq(strstr(printed, "hidden-1"), NULL);
    /* Without a gateway the API stays on this machine. */
    ck_assert_int_eq(
        program_run(RUSHD, (const char *[]){"--set", "server.address=0.0.0.0", "--check", NULL}, &printed),
        78);
}
END_TEST

/* The configuration of the source system, written as properties. */
static const char source_file[] =
    "spring.kafka.bootstrap-servers=localhost:9092\n"
    "spring.kafka.producer.key-serializer=org.apache.kafka.common.serialization.StringSerializer\n"
    "spring.kafka.producer.value-serializer=org.springframework.kafka.support.serializer.JsonSerializer\n"
    "spring.kafka.producer.properties.spring.json.add.type.headers=true\n"
    "spring.kafka.producer.properties.acks=1\n"
    "spring.kafka.producer.properties.retries=3\n"
    "spring.kafka.producer.properties.batch.size=16384\n"
    "spring.kafka.producer.properties.linger.ms=5\n"
    "spring.kafka.producer.properties.buffer.memory=33554432\n"
    "spring.kafka.consumer.group-id=ecommerce-group\n"
    "spring.kafka.consumer.key-deserializer=org.apache.kafka.common.serialization.StringDeserializer\n"
    "spring.kafka.consumer.value-deserializer=org.springframework.kafka.support.serializer.JsonDeserializer\n"
    "spring.kafka.consumer.properties.spring.json.trusted.packages=kr.hhplus.be.server\n"
    "spring.kafka.consumer.properties.spring.json.remove.type.headers=false\n"
    "spring.kafka.consumer.properties.spring.json.use.type.headers=true\n"
    "spring.kafka.consumer.auto-offset-reset=earliest\n"
    "spring.kafka.consumer.enable-auto-commit=false\n"
    "spring.kafka.consumer.max-poll-records=10\n"
    "event.publisher.type=kafka\n"
    "kafka.topics.order-completed=order-completed-topic\n"
    "kafka.topics.product-ranking=product-ranking-topic\n"
    "kafka.topics.data-platform-transfer=data-platform-transfer-topic\n"
    "kafka.topics.coupon-issue=coupon-issue-events\n"
    "management.endpoints.web.exposure.include=health,info,metrics,prometheus\n"
    "management.metrics.export.prometheus.enabled=true\n"
    "logging.level.org.apache.kafka=INFO\n"
    "logging.level.org.springframework.kafka=DEBUG\n"
    "logging.level.kr.hhplus.be.server.shared.kafka=DEBUG\n";

START_TEST(source_configuration_starts)
{
    const char *file =
        text("%s/tests/e2e/%s-source.node.conf", e2e_env("RUSHD_TEST_BUILDDIR"), e2e_mode_name());
    FILE *f = fopen(file, "w");
    ck_assert_ptr_ne(f, NULL);
    fputs(source_file, f);
    fclose(f);
    const char *const arguments[] = {"--set",
                                     "server.port=0",
                                     "--set",
                                     text("datasource.url=%s", e2e_env("RUSHD_TEST_PG_URL")),
                                     "--set",
                                     text("redis.socket=%s", e2e_env("RUSHD_TEST_REDIS_SOCKET")),
                                     "--set",
                                     e2e_mode() == E2E_BROKER
                                         ? text("kafka.bootstrap-servers=%s", e2e_env("RUSHD_TEST_KAFKA"))
                                         : "kafka.bootstrap-servers=embedded",
                                     NULL};
    struct node *n = node_spawn("source", file, arguments);
    node_wait_listening(n);
    node_wait_ready(n);
    int64_t user = users_new(1, "100"), product = product_new("1", 10);
    expect(200, order(n, user, product, 1));
    WAIT_UNTIL(30, ranked_today(product) == 1);
    ck_assert(node_logged(n, "kafka.producer.acks is not all"));
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

/* An empty database: the node says what is missing, serves nothing, and works once the schema is there. */
START_TEST(schema_is_awaited)
{
    const char *url = e2e_env("RUSHD_TEST_PG_URL"), *printed;
    sql("CREATE DATABASE e2e_empty_%s TEMPLATE template0", e2e_mode_name());
    const char *empty = text("postgresql:///e2e_empty_%s%s", e2e_mode_name(), strchr(url, '?'));
    struct node *n = node_start("schema", text("datasource.url = %s\ndatasource.auto-migrate = false\n"
                                               "redis.database = 5\n",
                                               empty));
    struct answer *a;
    WAIT_UNTIL(10, strstr((a = get(n->port, "/actuator/health"))->body, "rushctl migrate") != NULL);
    expect(503, a);
    expect(503, get(n->port, "/actuator/health/readiness"));
    expect(200, get(n->port, "/actuator/health/liveness"));
    expect_error(503, "SERVICE_UNAVAILABLE", NULL, order(n, 1001, 1, 1));
    const char *const arguments[] = {"--set", text("datasource.url=%s", empty), "migrate", NULL};
    ck_assert_msg(program_run("src/ctl/rushctl", arguments, &printed) == 0, "%s", printed);
    node_wait_ready(n);
    ck_assert_int_eq(node_stop(n), 0);
}
END_TEST

Suite *life_suite(void)
{
    Suite *s = suite_create("life");
    TCase *t = e2e_tcase(s, "life", 150);
    tcase_add_test(t, graceful_stop_under_load);
    if (e2e_mode() == E2E_EMBEDDED)
        tcase_add_test(t, embedded_events_reach_their_readers);
    tcase_add_test(t, restart_keeps_lines);
    tcase_add_test(t, restart_keeps_lines_of_redis);
    tcase_add_test(t, waiting_line_survives);
    if (e2e_mode() != E2E_LOCAL)
        tcase_add_test(t, events_survive_crash);
    tcase_add_test(t, durability_redis);
    tcase_add_test(t, management_port);
    tcase_add_test(t, reload_changes_log_level);
    tcase_add_test(t, command_line);
    if (e2e_mode() != E2E_LOCAL)
        tcase_add_test(t, source_configuration_starts);
    tcase_add_test(t, schema_is_awaited);
    return s;
}
