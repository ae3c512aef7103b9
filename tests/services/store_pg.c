/* What the suites of the store on PostgreSQL share. */
#include "store_pg.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"
#include "store/schema.h"

struct loop *loop;
struct node node;

static PGconn *db;

static const char *url(void)
{
    const char *text = getenv("RUSHD_TEST_PG_URL");
    ck_assert_msg(text != NULL, "RUSHD_TEST_PG_URL is not set");
    return text;
}

/* --- nodes
 * ------------------------------------------------------------------------------------------------------------
 */

void node_open(struct node *n)
{
    *n = (struct node){0};
    n->pool = pg_pool_new(loop, &(struct pg_pool_config){.url = url(),
                                                         .username = "",
                                                         .password = "",
                                                         .application_name = "store_pg_test",
                                                         .time_zone = ZONE,
                                                         .size = 4,
                                                         .max_waiting = 1000,
                                                         .statement_timeout_ms = 5000,
                                                         .connect_timeout_ms = 3000});
    n->store = store_new(loop, n->pool, NULL);
}

static void on_closed(void *arg)
{
    ((struct node *)arg)->closed = true;
}

void node_close(struct node *n)
{
    if (!n->pool)
        return;
    pg_pool_close(n->pool, 2000, on_closed, n);
    await(&n->closed);
    store_free(n->store);
    pg_pool_free(n->pool);
    n->pool = NULL;
}

static void on_applied(void *arg, int applied, const struct error *e)
{
    on_done(arg, e);
}

void setup_empty(void)
{
    log_set_level("root", LOG_LEVEL_WARN);
    loop = loop_new();
    db = PQconnectdb(url());
    ck_assert_msg(PQstatus(db) == CONNECTION_OK, "%s", PQerrorMessage(db));
    sql("SET client_min_messages = error; SET timezone = '" ZONE "'");
    sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    node_open(&node);
}

void setup(void)
{
    struct outcome migrated = {0}, seeded = {0};
    setup_empty();
    schema_migrate(node.store, ZONE, NULL, on_applied, &migrated);
    AWAIT_OK(&migrated);
    schema_seed(node.store, on_done, &seeded);
    AWAIT_OK(&seeded);
}

void teardown(void)
{
    node_close(&node);
    loop_free(loop);
    PQfinish(db);
    metric_reset();
    log_reset();
}

/* --- waiting
 * ----------------------------------------------------------------------------------------------------------
 */

static bool is_set(void *arg)
{
    return *(const bool *)arg;
}

void await(const bool *flag)
{
    ck_assert_msg(loop_run_until(loop, is_set, (void *)(uintptr_t)flag, 10000),
                  "nothing came within ten seconds");
}

static bool never(void *arg)
{
    return false;
}

void run_for(int64_t ms)
{
    loop_run_until(loop, never, NULL, ms);
}

void on_done(void *arg, const struct error *e)
{
    struct outcome *o = arg;
    ck_assert(!o->fired);
    o->fired = true;
    if (e)
        o->e = *e;
}

/* --- straight to the database
 * ----------------------------------------------------------------------------------------- */

static PGresult *run_sql(const char *text, va_list ap)
{
    struct buf b = BUF_INIT;
    buf_vprintf(&b, text, ap);
    PGresult *r = PQexec(db, buf_str(&b));
    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s",
                  buf_str(&b), PQerrorMessage(db));
    buf_free(&b);
    return r;
}

void sql(const char *text, ...)
{
    va_list ap;
    va_start(ap, text);
    PQclear(run_sql(text, ap));
    va_end(ap);
}

void sql_stats_reset(void)
{
    sql("DO $$ BEGIN PERFORM pg_stat_force_next_flush(); EXCEPTION WHEN undefined_function THEN NULL; END "
        "$$");
    sql("SELECT pg_stat_reset()");
}

const char *sql_text(const char *text, ...)
{
    static char value[400];
    va_list ap;
    va_start(ap, text);
    PGresult *r = run_sql(text, ap);
    va_end(ap);
    snprintf(value, sizeof(value), "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "(no row)");
    PQclear(r);
    return value;
}

void sql_refused(const char *statement)
{
    sql("DO $$ BEGIN %s; RAISE 'let through: %s'; EXCEPTION WHEN foreign_key_violation THEN NULL; END $$",
        statement, statement);
}

int64_t sql_i64(const char *text, ...)
{
    va_list ap;
    va_start(ap, text);
    PGresult *r = run_sql(text, ap);
    va_end(ap);
    ck_assert_msg(PQntuples(r) == 1 && !PQgetisnull(r, 0, 0), "%s", text);
    int64_t v = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return v;
}
