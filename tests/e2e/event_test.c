/* What happens after an answer: topics, ranking, data platform, dead letters, and everything delivered twice. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "shop.h"

#define ORDERS_TOPIC   "order-completed-topic"
#define RANKING_TOPIC  "product-ranking-topic"
#define PLATFORM_TOPIC "data-platform-transfer-topic"
#define COUPON_TOPIC   "coupon-issue-events"

/* A node that gives up on a silent platform soon. */
static void open_eager(void)
{
    shop_open_with("event", "data-platform.timeout = 700ms\n"
                            "data-platform.circuit.failure-threshold = 3\n"
                            "data-platform.circuit.open-for = 300ms\n");
}

static json_t *value_of(const struct record *r)
{
    json_t *json = json_loads(r->value ? r->value : "", JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(json != NULL, "not JSON: %s", r->value ? r->value : "(null)");
    return e2e_keep(json);
}

static int64_t whole(const json_t *json, const char *path)
{
    json_t *v = json_at(json, path);
    ck_assert_msg(json_is_integer(v), "no whole number at %s", path);
    return json_integer_value(v);
}

/* The records of a topic whose value has this whole number; waits until there are at least `least`. */
static struct records records_with(const char *topic, const char *path, int64_t wanted, size_t least)
{
    struct records found = {0};
    int64_t end = now_ms() + 20000;
    do {
        struct records all = topic_read(topic);
        found = (struct records){e2e_keep(calloc(all.n + 1, sizeof *found.at)), 0};
        for (size_t i = 0; i < all.n; i++) {
            json_t *json = json_loads(all.at[i].value ? all.at[i].value : "", 0, NULL);
            if (json_integer_value(json_at(json, path)) == wanted)
                found.at[found.n++] = all.at[i];
            json_decref(json);
        }
    } while (found.n < least && now_ms() < end);
    ck_assert_msg(found.n >= least, "%zu messages in %s with %s %lld, not %zu", found.n, topic, path,
                  (long long)wanted, least);
    return found;
}

/* --- orders ------------------------------------------------------------------------------------------------------------- */

/* The source system's own test. */
START_TEST(order_reaches_ranking)
{
    int64_t user = users_new(1, "1000"), product = product_new("10", 10);
    int64_t id = int_at(expect(200, order(shop, user, product, 2)), "id");
    WAIT_UNTIL(30, ranked_today(product) >= 2);
    ck_assert_int_eq(ranked_today(product), 2);
    for (int ahead = 0; ahead < 3; ahead++)
        ck_assert_int_eq(redis_int("ZSCORE product:ranking:recent3days:%s %lld",
                                   sql("SELECT '%s'::date + %d", today(), ahead), (long long)product),
                         2);
    ck_assert_int_gt(redis_int("TTL product:ranking:daily:%s", today()), 3600);
    /* Without a platform's answer it would be published, but not forwarded. */
    WAIT_UNTIL(20, platform_taken(text("%lld", (long long)id)) == 1);
}
END_TEST

START_TEST(order_reaches_topics)
{
    int64_t user = users_new(1, "100000"), one = product_new("100.50", 10), two = product_new("7", 10);
    struct answer *a =
        expect(200, ask(shop->port, "POST", "/api/orders", "X-Request-Id: order-in-topics\r\n",
                        text("{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":1},"
                             "{\"productId\":%lld,\"quantity\":2},{\"productId\":%lld,\"quantity\":3}]}",
                             (long long)user, (long long)one, (long long)two, (long long)one)));
    int64_t id = int_at(a, "id");
    struct records r = records_with(ORDERS_TOPIC, "orderId", id, 1);
    ck_assert_uint_eq(r.n, 1);
    json_t *m = value_of(&r.at[0]);
    ck_assert_str_eq(r.at[0].key, text("%lld", (long long)id));
    ck_assert_int_eq(whole(m, "userId"), user);
    ck_assert_int_eq((int)json_array_size(json_at(m, "items")), 3);
    ck_assert_int_eq(whole(m, "items[1].productId"), two);
    ck_assert_int_eq(whole(m, "items[2].quantity"), 3);
    ck_assert_ptr_ne(strstr(r.at[0].value, "\"unitPrice\":100.50,"), NULL);
    ck_assert_ptr_ne(strstr(r.at[0].value, "\"totalAmount\":416.00,"), NULL);
    ck_assert_str_eq(json_string_value(json_at(m, "orderStatus")), "COMPLETED");
    ck_assert_int_eq(json_string_value(json_at(m, "completedAt"))[10], 'T');
    ck_assert_str_eq(record_header(&r.at[0], "__TypeId__"),
                     "kr.hhplus.be.server.shared.kafka.message.OrderCompletedMessage");
    ck_assert_ptr_ne(strstr(r.at[0].headers, "=order-in-topics\n"), NULL);

    /* One message per product, quantities added. */
    r = records_with(RANKING_TOPIC, "orderId", id, 2);
    ck_assert_uint_eq(r.n, 2);
    for (size_t i = 0; i < 2; i++) {
        m = value_of(&r.at[i]);
        int64_t product = whole(m, "productId");
        ck_assert_str_eq(r.at[i].key, text("%lld", (long long)product));
        ck_assert_int_eq(whole(m, "quantity"), product == one ? 4 : 2);
        ck_assert_int_eq(whole(m, "orderItemId"),
                         int_at(a, product == one ? "orderItems[0].id" : "orderItems[1].id"));
        ck_assert_int_eq(json_string_value(json_at(m, "orderCompletedAt"))[10], 'T');
    }
    r = records_with(PLATFORM_TOPIC, "orderId", id, 1);
    ck_assert_uint_eq(r.n, 1);
    m = value_of(&r.at[0]);
    ck_assert_str_eq(json_string_value(json_at(m, "eventType")), "ORDER_COMPLETED");
    ck_assert_int_eq(whole(m, "eventData.orderId"), id);
    ck_assert_int_eq(whole(m, "eventData.itemCount"), 3);
    ck_assert_int_eq(json_string_value(json_at(m, "eventTime"))[10], 'T');
}
END_TEST

/* --- data platform -------------------------------------------------------------------------------------------------------- */

static int forwarded(const char *ids)
{
    return (int)sql_int("SELECT count(*) FROM platform_forwarded WHERE order_id IN (%s)", ids);
}

START_TEST(platform_is_called)
{
    static const enum platform_mood moods[] = {PLATFORM_TAKES, PLATFORM_FAILS, PLATFORM_HANGS,
                                               PLATFORM_CLOSES};
    int64_t user = users_new(1, "1000"), product = product_new("10", 100), ids[4];
    char *list = text("0");
    for (int i = 0; i < 4; i++) {
        platform_stumbles(moods[i], i ? 1 : 0);
        ids[i] = int_at(expect(200, order(shop, user, product, 1)), "id");
        list = text("%s,%lld", list, (long long)ids[i]);
        WAIT_UNTIL(20, platform_taken(text("%lld", (long long)ids[i])) == 1);
    }
    WAIT_UNTIL(20, forwarded(list) == 4);
    for (int i = 0; i < 4; i++) {
        const char *key = text("%lld", (long long)ids[i]);
        ck_assert_int_eq(platform_taken(key), 1);
        json_t *document = e2e_keep(json_loads(platform_document(key)->body, 0, NULL));
        ck_assert_int_eq(whole(document, "orderId"), ids[i]);
        ck_assert_int_eq(whole(document, "userId"), user);
    }
}
END_TEST

/* A platform that is away for longer than any number of attempts loses nothing and stops nothing else. */
START_TEST(failing_handler_does_not_stall)
{
    int64_t user = users_new(60, "1000"), product = product_new("10", 100);
    struct flood_item *items = order_flood(shop, user, 60, product, 1);
    platform_is(PLATFORM_FAILS);
    flood(items, 60, 30);
    ck_assert_uint_eq(flood_count(items, 60, 200), 60);
    WAIT_UNTIL(20, ranked_today(product) == 60);
    int requests = platform_requests();
    WAIT_UNTIL(20, platform_requests() > requests + 1);
    char *list = text("0");
    for (int i = 0; i < 60; i++)
        list = text("%s,%lld", list, (long long)int_at(items[i].answer, "id"));
    ck_assert_int_eq(forwarded(list), 0);
    platform_is(PLATFORM_TAKES);
    WAIT_UNTIL(30, forwarded(list) == 60);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(platform_taken(text("%lld", (long long)int_at(items[i].answer, "id"))), 1);
}
END_TEST

/* --- coupons -------------------------------------------------------------------------------------------------------------- */

START_TEST(one_request_one_event)
{
    int64_t user = users_new(50, "0"), coupon = coupon_new(shop, 1000, "1000");
    struct flood_item *items = coupon_flood(shop, coupon, user, 50);
    flood(items, 50, 50);
    ck_assert_uint_eq(flood_count(items, 50, 202), 50);
    WAIT_UNTIL(20,
               sql_int("SELECT count(*) FROM user_coupons WHERE coupon_id = %lld", (long long)coupon) == 50);
    struct records r = records_with(COUPON_TOPIC, "couponId", coupon, 50);
    ck_assert_uint_eq(r.n, 50);
    /* All in one partition, in the order of the tickets. */
    for (size_t i = 0; i < r.n; i++) {
        ck_assert_str_eq(r.at[i].key, text("%lld", (long long)coupon));
        ck_assert_int_eq(r.at[i].partition, r.at[0].partition);
        ck_assert_int_eq(whole(value_of(&r.at[i]), "ticket"), (int64_t)i + 1);
    }
}
END_TEST

START_TEST(real_coupon_data_in_event)
{
    int64_t user = users_new(1, "0"), coupon = coupon_new(shop, 37, "4321.50");
    expect(202, coupon_ask(shop, coupon, user));
    coupon_decided(shop, coupon, user);
    struct records r = records_with(COUPON_TOPIC, "couponId", coupon, 1);
    json_t *m = value_of(&r.at[0]);
    ck_assert_int_eq(whole(m, "userId"), user);
    ck_assert_int_eq(whole(m, "maxIssuanceCount"), 37);
    ck_assert_ptr_ne(strstr(r.at[0].value, "\"discountAmount\":4321.50"), NULL);
    ck_assert_str_eq(json_string_value(json_at(m, "couponName")), text("쿠폰 %lld", (long long)coupon));
    ck_assert_str_eq(
        json_string_value(json_at(m, "requestedAt")),
        sql("SELECT to_char(requested_at AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
            " FROM coupon_requests WHERE coupon_id = %lld",
            (long long)coupon));
    ck_assert_str_eq(record_header(&r.at[0], "__TypeId__"),
                     "kr.hhplus.be.server.shared.kafka.message.CouponIssueMessage");
}
END_TEST

/* A request that is delivered again has the decision it had. */
START_TEST(winner_stays_winner)
{
    int64_t user = users_new(2, "0"), coupon = coupon_new(shop, 1, "1000");
    expect(202, coupon_ask(shop, coupon, user));
    int64_t held = int_at(coupon_decided(shop, coupon, user), "userCouponId");
    struct records r = records_with(COUPON_TOPIC, "couponId", coupon, 1);
    redis("DEL coupon:result:%lld:%lld", (long long)coupon, (long long)user);
    topic_write(COUPON_TOPIC, r.at[0].partition, r.at[0].key, r.at[0].value, NULL);
    WAIT_UNTIL(20, redis_int("EXISTS coupon:result:%lld:%lld", (long long)coupon, (long long)user) == 1);
    struct answer *a = expect(200, coupon_status(shop, coupon, user));
    ck_assert_str_eq(text_at(a, "status"), "SUCCESS");
    ck_assert_int_eq(int_at(a, "userCouponId"), held);
    ck_assert_int_eq(
        sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld", (long long)coupon), 1);
    ck_assert_int_eq(sql_int("SELECT issued_count FROM coupons WHERE coupon_id = %lld", (long long)coupon),
                     1);
}
END_TEST

/* Requests that other programs produce, in either form, are decided like any other. */
START_TEST(foreign_requests_are_decided)
{
    int64_t user = users_new(3, "0"), coupon = coupon_new(shop, 10, "1000");
    const char *key = text("%lld", (long long)coupon);
    topic_write(
        COUPON_TOPIC, -1, key,
        text("{\"couponId\":%lld,\"userId\":%lld,\"maxIssuanceCount\":100,\"discountAmount\":1000,"
             "\"requestedAt\":[%s,600000000],\"other\":{}}",
             (long long)coupon, (long long)user,
             sql("SELECT to_char(now() AT TIME ZONE 'Asia/Seoul', 'YYYY,FMMM,FMDD,FMHH24,FMMI,FMSS')")),
        "__TypeId__=com.example.Other");
    topic_write(COUPON_TOPIC, -1, key,
                text("{\"couponId\":%lld,\"userId\":%lld}", (long long)coupon, (long long)user + 1), NULL);
    topic_write(COUPON_TOPIC, -1, key, text("{\"couponId\":%lld,\"userId\":99999999}", (long long)coupon),
                NULL);
    WAIT_UNTIL(20,
               sql_int("SELECT count(*) FROM coupon_requests WHERE coupon_id = %lld AND outcome IS NOT NULL",
                       (long long)coupon) == 3);
    ck_assert_str_eq(sql("SELECT string_agg(user_id || coalesce(reason, ''), ' ' ORDER BY user_id) FROM"
                         " coupon_requests WHERE coupon_id = %lld AND outcome = 'FAILED'",
                         (long long)coupon),
                     "99999999COUPON_USER_NOT_FOUND");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM user_coupons WHERE coupon_id = %lld", (long long)coupon),
                     2);
}
END_TEST

/* --- dead letters and repetition ------------------------------------------------------------------------------------------ */

/* The dead letter whose value is this text; waits for it. */
static struct record dead_letter(const char *topic, const char *value)
{
    const char *name = text("%s-dlt", topic);
    for (int64_t end = now_ms() + 20000; now_ms() < end;) {
        struct records all = topic_read(name);
        for (size_t i = 0; i < all.n; i++)
            if (all.at[i].value && strcmp(all.at[i].value, value) == 0)
                return all.at[i];
    }
    ck_abort_msg("nothing in %s", name);
    return (struct record){0};
}

START_TEST(poison_goes_to_dead_letter)
{
    static const struct {
        const char *topic, *group;
    } topics[] = {{RANKING_TOPIC, "product-ranking-group"},
                  {COUPON_TOPIC, "coupon-issue-group"},
                  {PLATFORM_TOPIC, "data-platform-group"}};
    int64_t user = users_new(1, "1000"), product = product_new("10", 10), coupon = coupon_new(shop, 5, "1");
    for (size_t i = 0; i < E2E_LEN(topics); i++) {
        const char *junk = text("{junk %lld", (long long)product);
        for (int partition = 0; partition < 3; partition++)
            topic_write(topics[i].topic, partition, "key", partition ? "\xff\xfe" : junk, "mine=kept");
        struct record r = dead_letter(topics[i].topic, junk);
        ck_assert_str_eq(r.key, "key");
        ck_assert_str_eq(record_header(&r, "kafka_dlt-original-topic"), topics[i].topic);
        ck_assert_str_eq(record_header(&r, "kafka_dlt-original-consumer-group"), topics[i].group);
        ck_assert_ptr_ne(record_header(&r, "kafka_dlt-exception-fqcn"), NULL);
        ck_assert_int_gt((int)strlen(record_header(&r, "kafka_dlt-exception-message")), 0);
        ck_assert_ptr_ne(record_header(&r, "kafka_dlt-original-offset"), NULL);
        ck_assert_str_eq(record_header(&r, "mine"), "kept");
    }
    /* Every partition goes on. */
    int64_t id = int_at(expect(200, order(shop, user, product, 3)), "id");
    expect(202, coupon_ask(shop, coupon, user));
    WAIT_UNTIL(20, ranked_today(product) == 3);
    WAIT_UNTIL(20, platform_taken(text("%lld", (long long)id)) == 1);
    ck_assert_str_eq(text_at(coupon_decided(shop, coupon, user), "status"), "SUCCESS");
}
END_TEST

START_TEST(ranking_counts_once)
{
    int64_t user = users_new(1, "1000"), product = product_new("10", 100), foreign = product_new("10", 100);
    int64_t last = product_new("10", 100);
    int64_t id = int_at(expect(200, order(shop, user, product, 5)), "id");
    struct records r = records_with(RANKING_TOPIC, "orderId", id, 1);
    books_forget_ranking(foreign);
    for (int i = 0; i < 3; i++)
        topic_write(RANKING_TOPIC, r.at[0].partition, r.at[0].key, r.at[0].value, NULL);
    /* Another program's sale has no order item id; it is known by order and product. */
    for (int i = 0; i < 3; i++)
        topic_write(RANKING_TOPIC, r.at[0].partition, r.at[0].key,
                    text("{\"productId\":%lld,\"orderId\":987654321,\"quantity\":4,\"orderCompletedAt\":\"%"
                         "sT00:00:01\"}",
                         (long long)foreign, today()),
                    NULL);
    /* One from long ago is ignored; the next tells that all before are done. */
    topic_write(RANKING_TOPIC, r.at[0].partition, r.at[0].key,
                text("{\"productId\":%lld,\"orderId\":987654322,\"quantity\":4,\"orderCompletedAt\":"
                     "\"2020-01-01T00:00:01\"}",
                     (long long)foreign),
                NULL);
    topic_write(
        RANKING_TOPIC, r.at[0].partition, r.at[0].key,
        text("{\"productId\":%lld,\"orderId\":987654323,\"quantity\":1,\"orderCompletedAt\":\"%s 00:00:01\"}",
             (long long)last, today()),
        NULL);
    WAIT_UNTIL(20, ranked_today(last) == 1);
    ck_assert_int_eq(ranked_today(product), 5);
    ck_assert_int_eq(ranked_today(foreign), 4);
    ck_assert_int_eq(redis_int("EXISTS product:ranking:daily:2020-01-01"), 0);
}
END_TEST

/* Everything read again from the start by new groups: nothing changes (G9). */
START_TEST(replay_changes_nothing)
{
    lines_end(20);
    outbox_ends(20);
    const char *state =
        "SELECT (SELECT sum(issued_count) FROM coupons) || ' ' || (SELECT count(*) FROM user_coupons)"
        " || ' ' || (SELECT count(*) || ' ' || max(decision) FROM coupon_requests)"
        " || ' ' || (SELECT count(*) FROM platform_forwarded)";
    const char *before = sql("%s", state), *day = today();
    const char *sum = "return table.concat(redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), ' ')";
    const char *ranked = redis("EVAL %s 1 product:ranking:daily:%s", sum, day);
    struct node *again = node_start("replay", "kafka.consumer.group.product-ranking = replay-ranking-group\n"
                                              "kafka.consumer.group.coupon-issue = replay-coupon-group\n"
                                              "kafka.consumer.group.data-platform = replay-platform-group\n");
    node_wait_consuming(again);
    double records =
        (double)(topic_read(RANKING_TOPIC).n + topic_read(COUPON_TOPIC).n + topic_read(PLATFORM_TOPIC).n);
    WAIT_UNTIL(20, node_metric(again, "kafka.consumer.fetch.manager.records.consumed.total", "") >= records);
    ck_assert_int_eq(node_stop(again), 0);
    ck_assert_str_eq(sql("%s", state), before);
    ck_assert_str_eq(redis("EVAL %s 1 product:ranking:daily:%s", sum, day), ranked);
}
END_TEST

START_TEST(books)
{
    books_agree();
}
END_TEST

Suite *event_suite(void)
{
    Suite *s = suite_create("event");
    TCase *t = e2e_tcase(s, "event", 60);
    tcase_add_unchecked_fixture(t, open_eager, shop_close);
    tcase_add_test(t, order_reaches_ranking);
    tcase_add_test(t, platform_is_called);
    tcase_add_test(t, failing_handler_does_not_stall);
    if (e2e_mode() != E2E_LOCAL) {
        tcase_add_test(t, order_reaches_topics);
        tcase_add_test(t, one_request_one_event);
        tcase_add_test(t, real_coupon_data_in_event);
        tcase_add_test(t, winner_stays_winner);
        tcase_add_test(t, foreign_requests_are_decided);
        tcase_add_test(t, poison_goes_to_dead_letter);
        tcase_add_test(t, ranking_counts_once);
    }
    tcase_add_test(t, books);
    if (e2e_mode() == E2E_BROKER)
        tcase_add_test(t, replay_changes_nothing);
    return s;
}
