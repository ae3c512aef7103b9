/* Coupon lines and ranking on a real Redis: the contract, random calls, and what only Redis can show: lives of keys, junk under
 * our keys, a full server, how long a script holds it. */
#include <stdio.h>
#include <stdlib.h>

#include "../store/contract_redis.h"
#include "base/clock.h"
#include "base/metric.h"
#include "msg/msg_date.h"
#include "store/coupon.h"
#include "store/coupon_users.h"
#include "store/rebuild.h"
#include "store/schema.h"

/* --- lives of keys --- */

START_TEST(lines_do_not_expire)
{
    static const char *const counters[] = {"ticket", "last-score", "epoch"};
    int64_t at = accepted(1).requested_at_us;
    accepted(2);
    ck_assert_int_eq(raw_i64("TTL coupon:queue:7"), -1);
    ck_assert_int_eq(raw_i64("TTL coupon:pending:7"), -1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_gt(raw_i64("TTL coupon:%s:7", counters[i]), TTL_MS / 1000);
    /* Whatever another program sets, a touch takes it back. */
    raw("EXPIRE coupon:queue:7 100");
    raw("EXPIRE coupon:pending:7 100");
    accepted(3);
    ck_assert_int_eq(raw_i64("TTL coupon:queue:7"), -1);
    ck_assert_int_eq(raw_i64("TTL coupon:pending:7"), -1);
    const struct taken *t = take("a", 0, WINDOW, 1);
    int64_t epoch = t->t.epoch;
    published(epoch, t->m, 1);
    static const char *const kept[] = {"queue", "pending", "inflight"};
    for (int i = 0; i < 3; i++)
        raw("EXPIRE coupon:%s:7 100", kept[i]);
    for (int i = 0; i < 3; i++)
        raw("EXPIRE coupon:%s:7 100", counters[i]);
    take("a", epoch, WINDOW, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(raw_i64("TTL coupon:%s:7", kept[i]), -1);
    int64_t life = raw_i64("TTL coupon:epoch:7");
    ck_assert_int_gt(life, TTL_MS / 1000);
    for (int i = 0; i < 3; i++) /* together */
        ck_assert_int_eq(llabs(raw_i64("TTL coupon:%s:7", counters[i]) - life) <= 1, 1);
    ck_assert_int_le(raw_i64("PTTL coupon:drain:7"), LEASE_MS);
    ck_assert_int_gt(raw_i64("PTTL coupon:drain:7"), LEASE_MS - 5000);
    decided(1, at, true, 1);
    ck_assert_int_le(raw_i64("TTL coupon:issued:7"), 2592000);
    ck_assert_int_gt(raw_i64("TTL coupon:issued:7"), 2592000 - 60);
    ck_assert_int_le(raw_i64("PTTL coupon:result:7:1"), 1800000);
    ck_assert_int_gt(raw_i64("PTTL coupon:result:7:1"), 1740000);
    /* Nothing but the counters is left of an empty line. */
    t = take("a", epoch, WINDOW, 10);
    decided(2, t->m[0].requested_at_us, false, 0);
    decided(3, t->m[1].requested_at_us, false, 0);
    ck_assert_int_eq(raw_i64("EXISTS coupon:queue:7 coupon:pending:7 coupon:inflight:7 coupon:taken:7 "
                             "coupon:published:7 coupon:issued:7"),
                     1);
}
END_TEST

START_TEST(keys_as_the_contract_names_them)
{
    struct coupon_line_ticket ticket = accepted(5);
    ck_assert_str_eq(raw("TYPE coupon:queue:7"), "zset");
    ck_assert_str_eq(raw("GET coupon:ticket:7"), "1");
    ck_assert_int_eq(raw_i64("GET coupon:last-score:7"), ticket.requested_at_us);
    ck_assert_int_eq(raw_i64("SISMEMBER coupon:lines 7"), 1);
    double score = strtod(raw("ZSCORE coupon:queue:7 5"), NULL);
    ck_assert_int_eq((int64_t)(score * 1000000 + 0.5), ticket.requested_at_us);
    const struct taken *t = take("node a", 0, WINDOW, 1);
    char owner[64];
    snprintf(owner, sizeof owner, "%lld node a", (long long)t->t.epoch);
    ck_assert_str_eq(raw("GET coupon:drain:7"), owner);
    ck_assert_int_eq(raw_i64("ZCARD coupon:queue:7"), 0);
    ck_assert(strtod(raw("ZSCORE coupon:inflight:7 5"), NULL) == score);
    decided(5, t->m[0].requested_at_us, true, 77);
    ck_assert_int_eq(raw_i64("SISMEMBER coupon:issued:7 5"), 1);
    ck_assert_ptr_nonnull(strstr(raw("GET coupon:result:7:5"), "\"userCouponId\":77"));
}
END_TEST

START_TEST(coupon_info_for_other_readers)
{
    struct coupon_row row = {.id = 7,
                             .name = "새해 쿠폰",
                             .discount = 150050,
                             .max_issuance = 100,
                             .issued = 3,
                             .status = "ACTIVE"};
    struct answer a = {0}, b = {0};
    coupon_line_info(contract_store, &row, on_answer, &a);
    AWAIT_OK(&a);
    ck_assert_str_eq(raw("HGET coupon:info:7 couponName"), "새해 쿠폰");
    ck_assert_str_eq(raw("HGET coupon:info:7 discountAmount"), "1500.50");
    row.issued = 4;
    coupon_line_info(contract_store, &row, on_answer, &b);
    AWAIT_OK(&b);
    ck_assert_str_eq(raw("HGET coupon:info:7 issuedCount"), "4");
    ck_assert_int_gt(raw_i64("TTL coupon:info:7"), 86000);
}
END_TEST

#define SOLD_AT(day) (msg_date_day_start(day) + INT64_C(3600000000))

static void count_sales(const struct ranking_sale *sales, size_t n);

static int64_t life_of(const char *prefix, int64_t day, const char *suffix)
{
    struct buf key = BUF_INIT;
    buf_puts(&key, prefix);
    msg_date_day(&key, day);
    int64_t at = raw_i64("EXPIRETIME %s%s", buf_str(&key), suffix);
    buf_free(&key);
    return at;
}

START_TEST(ranking_ends_at_instants_of_its_day)
{
    int64_t today = msg_date_day_of(contract_now_us());
    const struct ranking_sale s[] = {{1, 1, 65535, 1, SOLD_AT(today)},
                                     {1, 2, 65536, 1, SOLD_AT(today)},
                                     {1, 3, 0, 1, SOLD_AT(today)},
                                     {1, 4, INT64_C(1) << 62, 1, SOLD_AT(today - 1)}};
    count_sales(s, 4);
    for (int k = 0; k < 2; k++) { /* a later sale does not move them */
        int64_t ends = msg_date_day_start(today + 4) / 1000000;
        ck_assert_int_eq(life_of("product:ranking:daily:", today, ""), ends);
        ck_assert_int_eq(life_of("product:ranking:daily:", today - 1, ""), ends - 86400);
        for (int d = 0; d < 3; d++)
            ck_assert_int_eq(life_of("product:ranking:recent3days:", today + d, ""), ends + 86400 * d);
        ck_assert_int_eq(life_of("product:ranking:seen:", today, ":0"), ends + 3 * 86400);
        ck_assert_int_eq(life_of("product:ranking:seen:", today, ":1"), ends + 3 * 86400);
        ck_assert_int_eq(life_of("product:ranking:seen:", today, ":orders"), ends + 3 * 86400);
        ck_assert_int_eq(life_of("product:ranking:seen:", today, ":blocks"), ends + 3 * 86400);
        ck_assert_int_eq(life_of("product:ranking:seen:", today - 1, ":70368744177664"), ends + 2 * 86400);
        const struct ranking_sale later = {2, 5, 9, 1, SOLD_AT(today)};
        count_sales(&later, 1);
    }
    struct buf key = BUF_INIT;
    msg_date_day(&key, today);
    ck_assert_int_eq(raw_i64("STRLEN product:ranking:seen:%s:0", buf_str(&key)), 8192);
    buf_free(&key);
}
END_TEST

/* --- what others leave under our keys --- */

struct top {
    bool fired;
    struct ranking_entry at[10];
    size_t n;
};

static void on_top(void *arg, const struct ranking_entry *entries, size_t n, const struct error *e)
{
    struct top *t = arg;
    ck_assert(!e && n <= ARRAY_LEN(t->at));
    t->fired = true;
    t->n = n;
    if (n)
        memcpy(t->at, entries, n * sizeof *entries);
}

static void on_counted(void *arg, int64_t counted, const struct error *e)
{
    on_answer(arg, e);
}

static void count_sales(const struct ranking_sale *sales, size_t n)
{
    struct answer a = {0};
    ranking_apply(contract_store, "t", 0, -1, sales, n, contract_now_us(), 4, on_counted, &a);
    AWAIT_OK(&a);
}

/* A batch goes in parts. When the last one fails the offset must not be ahead of what is counted: it would be lost. */
START_TEST(the_offset_goes_with_the_last_part)
{
    enum {
        SALES = 501 /* one more than a part */
    };
    int64_t today = msg_date_day_of(contract_now_us());
    struct ranking_sale s[SALES];
    for (int i = 0; i < SALES; i++)
        s[i] = (struct ranking_sale){1, i + 1, i + 1, 1, SOLD_AT(i + 1 < SALES ? today : today - 1)};
    struct buf yesterday = BUF_INIT;
    msg_date_day(&yesterday, today - 1);
    raw("LPUSH product:ranking:seen:%s:0 junk", buf_str(&yesterday));
    struct answer a = {0};
    ranking_apply(contract_store, "t", 0, SALES, s, SALES, contract_now_us(), 4, on_counted, &a);
    await(&a.fired);
    ck_assert_int_eq(a.e.kind, ERROR_PERMANENT);
    ck_assert_int_eq(raw_i64("EXISTS product:ranking:offset:t:0"), 0);
    raw("DEL product:ranking:seen:%s:0", buf_str(&yesterday));
    a = (struct answer){0};
    ranking_apply(contract_store, "t", 0, SALES, s, SALES, contract_now_us(), 4, on_counted, &a);
    AWAIT_OK(&a);
    ck_assert_int_eq(raw_i64("GET product:ranking:offset:t:0"), SALES);
    ck_assert_int_eq(raw_i64("ZSCORE product:ranking:daily:%s 1", buf_str(&yesterday)), 1);
    buf_free(&yesterday);
}
END_TEST

START_TEST(junk_in_the_ranking)
{
    int64_t today = msg_date_day_of(contract_now_us());
    const struct ranking_sale s[] = {{10, 1, 1, 3, SOLD_AT(today)}, {11, 2, 2, 3, SOLD_AT(today)}};
    count_sales(s, 2);
    struct buf day = BUF_INIT;
    msg_date_day(&day, today);
    for (int i = 0; i < 250; i++) { /* more than a page of it above the sales */
        raw("ZADD product:ranking:recent3days:%s %d x%d", buf_str(&day), 1000 + i, i);
        raw("ZADD product:ranking:daily:%s %d x%d", buf_str(&day), 1000 + i, i);
    }
    static const char *const members[] = {"inf 12",  "9.9e300 13", "0.5 14", "-3 15",
                                          "7.9 -16", "6 017",      "5 0",    "4 99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        raw("ZADD product:ranking:recent3days:%s %s", buf_str(&day), members[i]);
        raw("ZADD product:ranking:daily:%s %s", buf_str(&day), members[i]);
    }
    raw("ZREM product:ranking:daily:%s 017", buf_str(&day));
    raw("ZREM product:ranking:recent3days:%s 017", buf_str(&day));
    for (int days = 1; days <= 3; days += 2) {
        struct top t = {0};
        ranking_top(contract_store, contract_now_us(), days, 5, on_top, &t);
        await(&t.fired);
        ck_assert_uint_eq(t.n, 4);
        static const int64_t want[] = {12, 13, 10, 11};
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(t.at[i].product_id, want[i]);
        ck_assert_int_eq(t.at[0].quantity, t.at[1].quantity);
        ck_assert_int_eq(t.at[2].quantity, 3);
    }
    buf_free(&day);
}
END_TEST

START_TEST(junk_under_the_keys_of_a_line)
{
    raw("SET coupon:drain:7 whoever");
    raw("SET coupon:last-score:7 yesterday");
    accepted(1);
    accepted(2);
    accepted(3);
    raw("HSET coupon:pending:7 2 nonsense");
    const struct taken *t = take("a", 0, WINDOW, 10);
    ck_assert(t->t.owner);
    ck_assert_uint_eq(t->t.n, 3);
    ck_assert_int_eq(t->m[1].user_id, 2);
    ck_assert_int_eq(t->m[1].ticket, 0);
    int64_t epoch = t->t.epoch;
    raw("HSET coupon:pending:7 2 nonsense");
    raw("HDEL coupon:pending:7 3");
    contract_lease_ends(COUPON);
    t = take("b", 0, WINDOW, 10);
    ck_assert_int_gt(t->t.epoch, epoch);
    ck_assert_int_eq(t->t.put_back, 3);
    ck_assert_uint_eq(t->t.n, 3);
    epoch = t->t.epoch;
    published(epoch, t->m, 3);
    raw("HDEL coupon:pending:7 3"); /* a record that is lost in flight: he asks anew */
    ck_assert_uint_eq(stale("b", epoch, -1, -1, 10)->t.n, 2);
    t = take("b", epoch, WINDOW, 10);
    ck_assert_uint_eq(t->t.n, 1);
    ck_assert_int_eq(t->m[0].user_id, 3);
}
END_TEST

START_TEST(keys_of_another_type)
{
    raw("SET coupon:queue:7 1");
    struct added a = {0};
    send_add(&a, COUPON, 1);
    await(&a.fired);
    ck_assert_int_eq(a.e.kind, ERROR_PERMANENT);
    raw("DEL coupon:queue:7");
    raw("SADD coupon:lines abc 12 007x -3");
    struct coupon_line_state lines[4];
    ck_assert_uint_eq(list(lines, 4), 0);
    ck_assert_int_eq(raw_i64("EXISTS coupon:lines"), 0);
    raw("SET coupon:queue:9 1"); /* costs nobody else his place in the list */
    raw("SET coupon:inflight:9 1");
    raw("SADD coupon:lines 9");
    accepted(1);
    ck_assert(listed());
    raw("DEL coupon:queue:9 coupon:inflight:9");
}
END_TEST

/* More than one page, and more than a small set holds as a list. */
START_TEST(many_lines)
{
    enum {
        MANY = 3000
    };
    struct coupon_line_state *lines = mem_array(MANY, sizeof *lines);
    for (int i = 1; i <= MANY; i++) {
        raw("ZADD coupon:queue:%d 1 1 2 2", i);
        raw("SADD coupon:lines %d %d", i, MANY + i); /* every other one is empty */
    }
    ck_assert_uint_eq(list(lines, MANY), MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert(lines[i].waiting == 2 && !lines[i].taken && !lines[i].in_flight);
    ck_assert_int_eq(raw_i64("SCARD coupon:lines"), MANY);
    mem_free(lines);
}
END_TEST

/* Redis takes nothing back that a script has done: a sale that cannot be counted must not be marked as counted. */
START_TEST(a_ranking_of_another_type_marks_nothing)
{
    static const char *const prefixes[] = {
        "product:ranking:daily:", "product:ranking:recent3days:", "product:ranking:seen:"};
    int64_t today = msg_date_day_of(contract_now_us()), keys = raw_i64("DBSIZE");
    const struct ranking_sale s[] = {{10, 1, 0, 3, SOLD_AT(today - 1)}, {10, 2, 2, 4, SOLD_AT(today)}};
    struct buf day = BUF_INIT;
    msg_date_day(&day, today);
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        const char *suffix = i == 2 ? ":0" : "";
        if (i == 2)
            raw("SADD %s%s%s x", prefixes[i], buf_str(&day), suffix);
        else
            raw("SET %s%s%s x", prefixes[i], buf_str(&day), suffix);
        struct answer a = {0};
        ranking_apply(contract_store, "t", 0, 7, s, 2, contract_now_us(), 4, on_counted, &a);
        await(&a.fired);
        ck_assert_int_eq(a.e.kind, ERROR_PERMANENT);
        ck_assert_str_eq(a.e.code, "WRONGTYPE");
        raw("DEL %s%s%s", prefixes[i], buf_str(&day), suffix);
        ck_assert_int_eq(raw_i64("DBSIZE"), keys);
    }
    count_sales(s, 2);
    ck_assert_str_eq(raw("ZSCORE product:ranking:recent3days:%s 10", buf_str(&day)), "7");
    buf_free(&day);
}
END_TEST

START_TEST(results_that_are_no_json)
{
    int64_t at = contract_now_us();
    raw("SET coupon:result:7:1 {\"success\":tr");
    decided(1, at, false, 3);
    ck_assert_int_eq(standing_of(1).user_coupon_id, 3);
    raw("SET coupon:result:7:1 [1]");
    decided(1, at, false, 4);
    ck_assert_int_eq(standing_of(1).user_coupon_id, 4);
}
END_TEST

/* --- a full server, forgotten scripts, settings --- */

START_TEST(full_server)
{
    fill(20, NULL);
    const struct taken *t = take("a", 0, WINDOW, 10);
    int64_t epoch = t->t.epoch;
    raw("CONFIG SET maxmemory 100kb");
    struct added a = {0};
    send_add(&a, COUPON, 500);
    await(&a.fired);
    ck_assert_int_eq(a.e.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(a.e.code, "OOM");
    ck_assert(!standing_of(500).pending);
    /* The line empties all the same. */
    struct coupon_line_member m[10];
    memcpy(m, t->m, sizeof m);
    decided(m[0].user_id, m[0].requested_at_us, true, 9);
    ck_assert(standing_of(m[0].user_id).success);
    t = take("a", epoch, WINDOW, 10);
    ck_assert_uint_eq(t->t.n, 10);
    raw("CONFIG SET maxmemory 0");
    published(epoch, m + 1, 9);
    ck_assert_int_eq(accepted(500).ticket, 21);
}
END_TEST

START_TEST(scripts_flushed)
{
    accepted(1);
    ck_assert_str_eq(raw("SCRIPT FLUSH"), "OK");
    struct added a[5] = {{0}};
    for (int i = 0; i < 5; i++)
        send_add(&a[i], COUPON, 10 + i);
    for (int i = 0; i < 5; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.ticket, 2 + i);
    }
}
END_TEST

/* How often a script was answered. */
static uint64_t answers_of(const char *script)
{
    struct metric *m = metric_find("lettuce.command.completion");
    struct metric_value v = {0};
    for (struct metric_series *s = NULL; m && (s = metric_series_next(m, s));)
        if (strcmp(metric_label_value(s, 0), script) == 0)
            metric_read(s, &v);
    return v.count;
}

static bool is_second_look(void *arg)
{
    int *looks = arg;
    return ++*looks == 2;
}

/* While the first script waits for Redis, calls of later turns share the next one, in their order. */
START_TEST(calls_gather_behind_a_script)
{
    static struct added a[5];
    static struct standing s[4];
    accepted(9); /* the counters are there, the script is known */
    uint64_t adds = answers_of("coupon_add.lua"), statuses = answers_of("coupon_status.lua");
    ck_assert_str_eq(raw("CLIENT PAUSE 300 ALL"), "OK");
    for (int i = 0; i < 5; i++) {
        int looks = 0;
        a[i] = (struct added){0};
        send_add(&a[i], COUPON, 1 + i);
        if (i < 4) {
            s[i] = (struct standing){0};
            coupon_line_status(contract_store, COUPON + 1, 1 + i, on_status, &s[i]);
        }
        ck_assert(loop_run_until(contract_loop, is_second_look, &looks, 1000));
    }
    for (int i = 0; i < 5; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.ticket, 2 + i);
    }
    for (int i = 0; i < 4; i++) {
        await(&s[i].fired);
        ck_assert(!s[i].pending);
    }
    ck_assert_uint_eq(answers_of("coupon_add.lua"), adds + 2);
    ck_assert_uint_eq(answers_of("coupon_status.lua"), statuses + 2);
}
END_TEST

static char warnings[400];

static void on_warning(void *arg, const char *component, const char *setting, const char *value,
                       const char *why)
{
    if (strcmp(component, "redis") != 0)
        return;
    size_t n = strlen(warnings);
    snprintf(warnings + n, sizeof warnings - n, "%s=%s ", setting, value);
}

static const char *check_settings(struct store *s)
{
    struct answer a = {0};
    warnings[0] = '\0';
    store_check_settings(s, on_warning, on_answer, &a);
    AWAIT_OK(&a);
    return warnings;
}

static bool is_ready(void *arg)
{
    return redis_client_ready(arg);
}

START_TEST(settings_that_endanger_lines)
{
    raw("CONFIG SET maxmemory-policy allkeys-lru");
    ck_assert_str_eq(check_settings(contract_store), "appendonly=no maxmemory-policy=allkeys-lru ");
    raw("CONFIG SET maxmemory-policy noeviction");
    ck_assert_str_eq(check_settings(contract_store), "appendonly=no ");
    raw("ACL SETUSER plain on >pw ~* &* +@all -config");
    struct redis_client *plain = redis_client_new(
        contract_loop, &(struct redis_client_config){.socket = getenv("RUSHD_TEST_REDIS_SOCKET"),
                                                     .username = "plain",
                                                     .password = "pw",
                                                     .timeout_ms = 5000,
                                                     .max_in_flight = 100,
                                                     .client_name = "plain"});
    ck_assert(loop_run_until(contract_loop, is_ready, plain, 10000));
    struct store *s = store_new(contract_loop, contract_pool, plain);
    ck_assert_str_eq(check_settings(s), "appendonly=unknown maxmemory-policy=unknown ");
    store_free(s);
    redis_client_free(plain);
    raw("ACL DELUSER plain");
}
END_TEST

/* Whatever became of the test. */
static void put_right(void)
{
    char command[400];
    snprintf(command, sizeof command,
             "redis-cli -s '%s' config set maxmemory 0 maxmemory-policy noeviction >/dev/null 2>&1",
             getenv("RUSHD_TEST_REDIS_SOCKET"));
    ck_assert_int_eq(system(command), 0);
}

/* --- two nodes in the moment after a loss (guarantees G10) --- */

#define EACH 150

START_TEST(two_nodes_after_a_loss)
{
    contract_request_stored(COUPON, 1, contract_now_us(), 500);
    struct redis_client *other_redis = redis_client_new(
        contract_loop, &(struct redis_client_config){.socket = getenv("RUSHD_TEST_REDIS_SOCKET"),
                                                     .timeout_ms = 5000,
                                                     .max_in_flight = 1000,
                                                     .client_name = "other node"});
    ck_assert(loop_run_until(contract_loop, is_ready, other_redis, 10000));
    struct store *other = store_new(contract_loop, contract_pool, other_redis);
    static struct added a[EACH], b[EACH];
    for (int i = 0; i < EACH; i++) {
        send_add(&a[i], COUPON, 1000 + i);
        coupon_line_add(other, COUPON, 5000 + i, true, 100000, TTL_MS, on_added, &b[i]);
    }
    bool seen[2 * EACH] = {false};
    for (int i = 0; i < 2 * EACH; i++) {
        struct added *one = i % 2 ? &a[i / 2] : &b[i / 2];
        AWAIT_OK(one);
        ck_assert_int_ge(one->t.ticket, 501);
        ck_assert_int_le(one->t.ticket, 500 + 2 * EACH);
        ck_assert(!seen[one->t.ticket - 501]);
        seen[one->t.ticket - 501] = true;
    }
    store_free(other);
    redis_client_free(other_redis);
}
END_TEST

/* --- put back --- */

struct flags {
    struct answer a;
    bool set[3];
};

static void on_flags(void *arg, const bool *flags, size_t n, const struct error *e)
{
    struct flags *f = arg;
    ck_assert_uint_eq(n, ARRAY_LEN(f->set));
    memcpy(f->set, flags, sizeof f->set);
    on_answer(&f->a, e);
}

/* Which requests of users 1, 2 and 3 were put back. */
static struct flags were_put_back(const int64_t at[3])
{
    static const int64_t users[] = {1, 2, 3};
    struct flags f = {0};
    coupon_users_put_back(contract_store, COUPON, users, at, ARRAY_LEN(users), on_flags, &f);
    AWAIT_OK(&f.a);
    return f;
}

/* The exception to the order of decisions is remembered, so that the audit can tell it from a fault (guarantees G8). */
START_TEST(who_was_put_back_is_remembered)
{
    int64_t at[3];
    for (int i = 0; i < 3; i++)
        at[i] = accepted(i + 1).requested_at_us;
    const struct taken *t = take("a", 0, WINDOW, 3);
    int64_t epoch = t->t.epoch;
    const struct coupon_line_member second = t->m[1], third = t->m[2];
    struct flags f = were_put_back(at);
    ck_assert(!f.set[0] && !f.set[1] && !f.set[2]);
    put_back(epoch, &second, 1); /* its publishing failed */
    f = were_put_back(at);
    ck_assert(!f.set[0] && f.set[1] && !f.set[2]);
    published(epoch, &third, 1);
    contract_lease_ends(COUPON);
    take("b", 0, WINDOW, 0); /* the first one was never reported */
    f = were_put_back(at);
    ck_assert(f.set[0] && f.set[1] && !f.set[2]);
    at[1]--; /* another request of the same user */
    f = were_put_back(at);
    ck_assert(f.set[0] && !f.set[1] && !f.set[2]);
    ck_assert_int_gt(raw_i64("TTL coupon:put-back:7"), 2592000 - 60);
}
END_TEST

static int64_t came_late;
static void on_restored(void *arg, int64_t restored, int64_t late, const struct error *e)
{
    ck_assert_int_eq(restored, 1);
    came_late = late;
    on_answer(arg, e);
}

/* So is who comes back from PostgreSQL while others are served: not who comes back with everything after a loss. */
START_TEST(who_comes_back_late_is_remembered)
{
    int64_t at[3] = {1000001, 1000002, 1000003};
    struct coupon_request_row row = {
        .coupon_id = COUPON, .user_id = 1, .requested_at_us = at[0], .ticket = 1};
    contract_redis_lost();
    struct answer a = {0};
    coupon_line_restore(contract_store, &row, 1, TTL_MS, on_restored, &a);
    AWAIT_OK(&a);
    ck_assert_int_eq(came_late, 0);
    contract_rebuilt();
    row.user_id = 2;
    row.requested_at_us = at[1];
    a = (struct answer){0};
    coupon_line_restore(contract_store, &row, 1, TTL_MS, on_restored, &a);
    AWAIT_OK(&a);
    ck_assert_int_eq(came_late, 1);
    struct flags f = were_put_back(at);
    ck_assert(!f.set[0] && f.set[1] && !f.set[2]);
    ck_assert_int_gt(raw_i64("TTL coupon:put-back:7"), 2592000 - 60);
}
END_TEST

/* --- how long a script holds Redis --- */

#define MEMBERS 10000

struct slowest {
    bool fired;
    int64_t us;
    size_t over; /* 10 ms */
    char script[120];
};

static void on_slowlog(void *arg, enum redis_status status, const struct redis_reply *r,
                       const struct error *e)
{
    struct slowest *s = arg;
    ck_assert_int_eq(status, REDIS_OK);
    s->fired = true;
    for (size_t i = 0; i < redis_reply_len(r); i++) {
        const struct redis_reply *entry = redis_reply_at(r, i), *args = redis_reply_at(entry, 3);
        int64_t us = redis_reply_i64(redis_reply_at(entry, 2));
        if (strncmp(redis_reply_text(redis_reply_at(args, 0)).p, "EVAL", 4) != 0)
            continue;
        s->over += us > 10000;
        if (us <= s->us)
            continue;
        struct slice key = redis_reply_text(redis_reply_at(args, 3));
        s->us = us;
        snprintf(s->script, sizeof s->script, "%zu arguments, first key %.*s", redis_reply_len(args),
                 (int)key.n, key.p);
    }
}

/* Of the scripts run since the last time, by Redis' own slow log. The bound is for busy machines. */
static void say_slowest(const char *what)
{
    struct slowest s = {.script = "none above 1 ms"};
    const struct redis_arg args[] = {{"SLOWLOG", 7}, {"GET", 3}, {"100000", 6}};
    redis_client_command(contract_redis, args, ARRAY_LEN(args), 0, on_slowlog, &s);
    await(&s.fired);
    fprintf(stderr, "# %s: slowest script %.1f ms (%s), %zu above 10 ms\n", what, (double)s.us / 1000,
            s.script, s.over);
    ck_assert_msg(s.us < 200000, "%s: a script took %lld us", what, (long long)s.us);
    raw("SLOWLOG RESET");
}

static struct coupon_line_member everybody[MEMBERS];

static int64_t take_everybody(const char *owner)
{
    int64_t epoch = 0;
    for (size_t n = 0; n < MEMBERS;) {
        const struct taken *t = take(owner, epoch, MEMBERS, 1000);
        ck_assert(t->t.n || t->t.put_back);
        memcpy(everybody + n, t->m, t->t.n * sizeof *everybody);
        n += t->t.n;
        epoch = t->t.epoch;
    }
    for (size_t i = 0; i < MEMBERS; i++)
        ck_assert_int_eq(everybody[i].user_id, 1001 + (int64_t)i);
    return epoch;
}

static void decide_everybody(void)
{
    struct coupon_line_result *r = mem_array(MEMBERS, sizeof *r);
    for (size_t i = 0; i < MEMBERS; i++)
        r[i] = (struct coupon_line_result){COUPON, everybody[i].user_id, everybody[i].requested_at_us,
                                           i % 2 == 0,
                                           "{\"success\":false,\"message\":\"쿠폰이 모두 소진되었습니다.\","
                                           "\"requestedAt\":\"2026-11-23T18:24:05.120000\"}"};
    for (size_t at = 0; at < MEMBERS; at += 500) { /* batches as consumers have them */
        struct answer a = {0};
        coupon_line_decided(contract_store, r + at, 500, 1800000, 1800000, on_answer, &a);
        AWAIT_OK(&a);
    }
    mem_free(r);
}

START_TEST(ten_thousand_members)
{
    raw("CONFIG SET slowlog-max-len 100000");
    raw("CONFIG SET slowlog-log-slower-than 1000");
    raw("SLOWLOG RESET");
    int64_t start = clock_mono_us();
    fill(MEMBERS, NULL);
    fprintf(stderr, "# %d requests accepted in %lld ms\n", MEMBERS,
            (long long)(clock_mono_us() - start) / 1000);
    say_slowest("accept");
    take_everybody("a");
    say_slowest("take");
    contract_lease_ends(COUPON);
    int64_t epoch = take_everybody("b");
    say_slowest("take over");
    put_back(epoch, everybody, MEMBERS);
    say_slowest("put back");
    contract_lease_ends(COUPON);
    epoch = take_everybody("c");
    published(epoch, everybody, MEMBERS);
    say_slowest("published");
    ck_assert_uint_eq(stale("c", epoch, 60000, 30000, 500)->t.n, 0);
    ck_assert_uint_eq(stale("c", epoch, -1, -1, 500)->t.n, 500);
    say_slowest("recheck");
    decide_everybody();
    say_slowest("decided");
    ck_assert_int_eq(take("c", epoch, MEMBERS, 0)->t.in_flight, 0);
    struct ranking_sale *s = mem_array(MEMBERS, sizeof *s);
    for (int i = 0; i < MEMBERS; i++)
        s[i] = (struct ranking_sale){1 + i % 500, 1 + i, 1 + i * 3, 1, contract_now_us()};
    count_sales(s, MEMBERS);
    mem_free(s);
    say_slowest("ranking");
    raw("CONFIG SET slowlog-log-slower-than 10000");
}
END_TEST

static Suite *only_redis_suite(void)
{
    Suite *s = suite_create("store on Redis");
    add_case(s, "keys",
             (const TTest *const[]){lines_do_not_expire, keys_as_the_contract_names_them,
                                    coupon_info_for_other_readers, ranking_ends_at_instants_of_its_day,
                                    the_offset_goes_with_the_last_part, NULL});
    add_case(s, "junk",
             (const TTest *const[]){junk_in_the_ranking, junk_under_the_keys_of_a_line, keys_of_another_type,
                                    many_lines, a_ranking_of_another_type_marks_nothing,
                                    results_that_are_no_json, NULL});
    add_case(s, "nodes",
             (const TTest *const[]){two_nodes_after_a_loss, who_was_put_back_is_remembered,
                                    who_comes_back_late_is_remembered, ten_thousand_members, NULL});
    TCase *t = tcase_create("server");
    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, NULL, put_right);
    tcase_add_checked_fixture(t, contract_open, contract_close);
    tcase_add_test(t, full_server);
    tcase_add_test(t, scripts_flushed);
    tcase_add_test(t, calls_gather_behind_a_script);
    tcase_add_test(t, settings_that_endanger_lines);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return contract_redis_main((Suite *[]){coupon_line_contract_suite(), coupon_drain_contract_suite(),
                                           ranking_contract_suite(), coupon_line_model_suite(),
                                           redis_mark_contract_suite(), only_redis_suite(), NULL});
}
