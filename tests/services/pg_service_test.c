/* src/pg against a real PostgreSQL: RUSHD_TEST_PG_URL names an empty database, RUSHD_TEST_SERVICE begins the
 * command that stops and starts the server. */
#include "pg_service.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/check_main.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

struct loop *loop;
struct pg_pool *pool;
struct pg_pool_config config;
static PGconn *look;

PGconn *direct_connect(void)
{
    PGconn *c = PQconnectdb(getenv("RUSHD_TEST_PG_URL"));
    ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
    return c;
}

const char *direct(const char *sql)
{
    static char value[256];
    if (look && PQstatus(look) != CONNECTION_OK) {
        PQfinish(look);
        look = NULL;
    }
    if (!look) {
        look = direct_connect();
        PQclear(PQexec(look, "SET client_min_messages = warning"));
    }
    PGresult *r = PQexec(look, sql);
    bool good = PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
    ck_assert_msg(good, "%s: %s", sql, PQerrorMessage(look));
    snprintf(value, sizeof(value), "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return value;
}

void service(const char *action)
{
    const char *beginning = getenv("RUSHD_TEST_SERVICE");
    ck_assert_msg(beginning != NULL, "RUSHD_TEST_SERVICE is not set");
    char command[600];
    snprintf(command, sizeof(command), "%s pg %s", beginning, action);
    ck_assert_int_eq(system(command), 0);
}

bool pool_is_ready(void *arg)
{
    return pg_pool_ready(pool);
}

void pool_reopen(void)
{
    pg_pool_free(pool);
    pool = pg_pool_new(loop, &config);
    ck_assert(loop_run_until(loop, pool_is_ready, NULL, 15000));
}

struct pg_proxy *pool_through_proxy(void)
{
    static char url[300], path[200];
    direct("SELECT 1");
    snprintf(path, sizeof(path), "%s/.s.PGSQL.%s", PQhost(look), PQport(look));
    struct pg_proxy *p = pg_proxy_new(loop, path);
    snprintf(url, sizeof(url), "host=localhost port=%d dbname=%s user=%s sslmode=disable", pg_proxy_port(p),
             PQdb(look), PQuser(look));
    config.url = url;
    pool_reopen();
    return p;
}

void service_setup(void)
{
    log_set_level("rushd.pg", LOG_LEVEL_OFF);
    log_set_level("rushd.loop", LOG_LEVEL_OFF);
    loop = loop_new();
    look = NULL; /* each test runs in a process of its own */
    direct("DROP TABLE IF EXISTS t, tx_tokens, d");
    direct("CREATE TABLE t (id bigint PRIMARY KEY, v text)");
    direct("CREATE TABLE tx_tokens (token uuid PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now())");
    config = (struct pg_pool_config){
        .url = getenv("RUSHD_TEST_PG_URL"),
        .application_name = "rushd test",
        .time_zone = "Asia/Seoul",
        .size = 4,
        .max_waiting = 1000,
        .statement_timeout_ms = 2000,
        .connect_timeout_ms = 2000,
    };
    pool_reopen();
}

void service_teardown(void)
{
    pg_pool_free(pool);
    pool = NULL;
    loop_free(loop);
    PQfinish(look);
    metric_reset();
}

void on_outcome(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct outcome *o = arg;
    o->calls++;
    o->status = status;
    o->error = *e;
    if (!r)
        return;
    o->affected = pg_result_affected(r);
    if (pg_result_rows(r) > 0)
        str_copy(o->text, sizeof(o->text), pg_result_text(r, 0, 0));
}

bool is_done(void *arg)
{
    return ((struct outcome *)arg)->calls > 0;
}

void wait_done(struct outcome *o)
{
    ck_assert(loop_run_until(loop, is_done, o, 15000));
    ck_assert_int_eq(o->calls, 1);
}

struct outcome query(const struct pg_statement *st, const struct pg_params *params)
{
    struct outcome o = {0};
    pg_pool_query(pool, st, params, 0, on_outcome, &o);
    ck_assert_int_eq(o.calls, 0);
    wait_done(&o);
    return o;
}

struct outcome query_text(const char *sql)
{
    static char names[64][16];
    static struct pg_statement statements[64];
    static size_t n;
    ck_assert_uint_lt(n, ARRAY_LEN(statements));
    snprintf(names[n], sizeof(names[n]), "text_%zu", n);
    statements[n] = (struct pg_statement){names[n], sql};
    return query(&statements[n++], PG_NO_PARAMS);
}

static void on_ready(void *arg, struct pg_tx *tx)
{
    struct tx_case *c = arg;
    c->ready++;
    c->script(c, tx);
}

static void on_end(void *arg, enum pg_tx_end end, const struct error *e)
{
    struct tx_case *c = arg;
    c->ends++;
    c->end = end;
    c->error = *e;
}

const struct pg_tx_ops tx_case_ops = {on_ready, on_end};

bool tx_ended(void *arg)
{
    return ((struct tx_case *)arg)->ends > 0;
}

void wait_tx(struct tx_case *c)
{
    ck_assert(loop_run_until(loop, tx_ended, c, 20000));
    ck_assert_int_eq(c->ends, 1);
}

static bool never(void *arg)
{
    return false;
}

void spin(int64_t ms)
{
    loop_run_until(loop, never, NULL, ms);
}

int main(void)
{
    if (!getenv("RUSHD_TEST_PG_URL")) {
        const char *strict = getenv("RUSHD_SKIPS_AS_FAILS");
        bool fails = strict && strcmp(strict, "1") == 0;
        printf(fails ? "1..1\nnot ok 1 - no PostgreSQL\n" : "1..0 # SKIP no PostgreSQL\n");
        return fails ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    return check_main(
        (Suite *[]){pg_query_suite(), pg_tx_suite(), pg_fault_suite(), pg_session_suite(), NULL});
}
