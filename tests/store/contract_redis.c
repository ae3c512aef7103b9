/* The contract tests on a real Redis, with a real PostgreSQL for the numbers that Redis has lost. */
#include "contract_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../support/check_main.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "msg/msg_date.h"
#include "pg/pg.h"
#include "store/coupon.h"
#include "store/schema.h"

struct loop *contract_loop;
struct store *contract_store;
struct redis_client *contract_redis;

struct pg_pool *contract_pool;

static struct pg_pool *open_pool(void)
{
    return pg_pool_new(contract_loop, &(struct pg_pool_config){.url = getenv("RUSHD_TEST_PG_URL"),
                                                               .username = "",
                                                               .password = "",
                                                               .application_name = "store_redis_test",
                                                               .time_zone = ZONE,
                                                               .size = 2,
                                                               .max_waiting = 10000,
                                                               .statement_timeout_ms = 5000,
                                                               .connect_timeout_ms = 3000});
}

static bool is_true(void *arg)
{
    return *(const bool *)arg;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_pool(void)
{
    bool closed = false;
    pg_pool_close(contract_pool, 2000, on_closed, &closed);
    loop_run_until(contract_loop, is_true, &closed, 5000);
    store_free(contract_store);
    pg_pool_free(contract_pool);
}

/* --- raw commands --- */

struct said {
    bool fired;
    char text[400];
};

static void on_said(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    struct said *s = arg;
    s->fired = true;
    struct slice text = redis_reply_text(r);
    if (status != REDIS_OK)
        snprintf(s->text, sizeof s->text, "%s %s", e->code, e->text);
    else if (redis_reply_type(r) == REDIS_INTEGER)
        snprintf(s->text, sizeof s->text, "%lld", (long long)redis_reply_i64(r));
    else if (redis_reply_type(r) == REDIS_NIL)
        snprintf(s->text, sizeof s->text, "(nil)");
    else
        snprintf(s->text, sizeof s->text, "%.*s", (int)text.n, text.p);
}

static const char *run(const struct redis_arg *args, size_t n)
{
    static struct said s;
    s.fired = false;
    redis_client_command(contract_redis, args, n, 0, on_said, &s);
    await(&s.fired);
    return s.text;
}

static const char *run_words(const char *words)
{
    struct redis_args a = {0};
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        redis_args_add_slice(&a, (struct slice){p, n});
        p += n + (p[n] == ' ');
    }
    return run(a.v, a.n);
}

const char *raw(const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    const char *text = run_words(buf_str(&b));
    buf_free(&b);
    return text;
}

int64_t raw_i64(const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    int64_t v;
    const char *text = run_words(buf_str(&b));
    ck_assert_msg(str_to_i64(text, strlen(text), &v), "%s: %s", buf_str(&b), text);
    buf_free(&b);
    return v;
}

/* --- fixture --- */

static void set_zone(void)
{
    setenv("TZ", ZONE, 1);
    tzset();
    msg_date_zone_changed();
}

static void on_migrated(void *arg, int applied, const struct error *e)
{
    struct answer *a = arg;
    a->fired = true;
    if (e)
        a->e = *e;
}

static bool has_answer(void *arg)
{
    return ((struct answer *)arg)->fired;
}

static bool migrate(void)
{
    struct answer a = {0};
    contract_loop = loop_new();
    contract_pool = open_pool();
    contract_store = store_new(contract_loop, contract_pool, NULL);
    schema_migrate(contract_store, ZONE, NULL, on_migrated, &a);
    bool ok = loop_run_until(contract_loop, has_answer, &a, 20000) && a.e.kind == ERROR_NONE;
    if (!ok)
        printf("1..1\nnot ok 1 - no tables: %s %s\n", a.e.code, a.e.text);
    close_pool();
    loop_free(contract_loop);
    metric_reset();
    return ok;
}

int contract_redis_main(Suite **suites)
{
    const char *missing = !getenv("RUSHD_TEST_REDIS_SOCKET") ? "Redis"
                          : !getenv("RUSHD_TEST_PG_URL")     ? "PostgreSQL"
                                                             : NULL;
    if (missing) {
        const char *strict = getenv("RUSHD_SKIPS_AS_FAILS");
        bool fails = strict && strcmp(strict, "1") == 0;
        printf(fails ? "1..1\nnot ok 1 - no %s\n" : "1..0 # SKIP no %s\n", missing);
        return fails ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    log_set_level("root", LOG_LEVEL_WARN);
    set_zone();
    return migrate() ? check_main(suites) : EXIT_FAILURE;
}

static void on_truncated(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    on_answer(arg, status == PG_OK ? NULL : e);
}

static void forget_requests(void)
{
    static const struct pg_statement st = {"test_truncate", "TRUNCATE coupon_requests"};
    struct answer a = {0};
    pg_pool_query(contract_pool, &st, PG_NO_PARAMS, 0, on_truncated, &a);
    AWAIT_OK(&a);
}

static bool is_ready(void *arg)
{
    return redis_client_ready(contract_redis);
}

void contract_open(void)
{
    set_zone();
    contract_loop = loop_new();
    contract_redis = redis_client_new(
        contract_loop, &(struct redis_client_config){.socket = getenv("RUSHD_TEST_REDIS_SOCKET"),
                                                     .timeout_ms = 10000,
                                                     .max_in_flight = 20000,
                                                     .client_name = "store_redis_test"});
    ck_assert(loop_run_until(contract_loop, is_ready, NULL, 10000));
    contract_pool = open_pool();
    contract_store = store_new(contract_loop, contract_pool, contract_redis);
    ck_assert_str_eq(raw("FLUSHALL"), "OK");
    forget_requests();
    contract_rebuilt();
}

void contract_close(void)
{
    redis_client_free(contract_redis);
    close_pool();
    loop_free(contract_loop);
    metric_reset();
    log_reset();
}

static bool never(void *arg)
{
    return false;
}

void contract_pass(int64_t ms)
{
    loop_run_until(contract_loop, never, NULL, ms);
}

int64_t contract_now_us(void)
{
    return clock_real_us();
}

/* --- what others do --- */

void contract_redis_lost(void)
{
    ck_assert_str_eq(raw("FLUSHALL"), "OK");
}

/* The mark of another process. */
void contract_redis_restarted(void)
{
    struct redis_args a = {0};
    redis_args_add(&a, "SET");
    redis_args_add(&a, "rushd:data");
    redis_args_add(&a, "0123456789abcdef0123456789abcdef01234567 12345");
    ck_assert_str_eq(run(a.v, a.n), "OK");
}

void contract_outside_add(int64_t coupon_id, struct slice member, const char *score)
{
    struct redis_args a = {0};
    char key[40];
    snprintf(key, sizeof key, "coupon:queue:%lld", (long long)coupon_id);
    redis_args_add(&a, "ZADD");
    redis_args_add(&a, key);
    redis_args_add(&a, score);
    redis_args_add_slice(&a, member);
    ck_assert_str_eq(run(a.v, a.n), "1");
}

void contract_outside_remove(int64_t coupon_id, const char *member)
{
    ck_assert_int_eq(raw_i64("ZREM coupon:queue:%lld %s", (long long)coupon_id, member), 1);
}

void contract_last_score(int64_t coupon_id, int64_t us)
{
    ck_assert_str_eq(raw("SET coupon:last-score:%lld %lld", (long long)coupon_id, (long long)us), "OK");
}

void contract_lease_ends(int64_t coupon_id)
{
    raw("DEL coupon:drain:%lld", (long long)coupon_id);
}

void contract_request_stored(int64_t coupon_id, int64_t user_id, int64_t requested_at_us, int64_t ticket)
{
    const struct coupon_request_row row = {
        .coupon_id = coupon_id, .user_id = user_id, .requested_at_us = requested_at_us, .ticket = ticket};
    struct answer a = {0};
    coupon_request_insert(contract_store, &row, 1, 5000, on_answer, &a);
    AWAIT_OK(&a);
}
