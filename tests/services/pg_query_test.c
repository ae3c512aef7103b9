/* Statements of the pool on a real server: values, pipelining, the waiting line, failures that stay where
 * they belong. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"
#include "pg_service.h"

static const struct pg_statement put = {"put", "INSERT INTO t (id, v) VALUES ($1, $2)"};
static const struct pg_statement count = {"count", "SELECT count(*) FROM t"};
static const struct pg_statement slow = {"slow", "SELECT pg_sleep($1::float8)"};

static void on_row(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    ck_assert_int_eq(status, PG_OK);
    ck_assert_int_eq(e->kind, ERROR_NONE);
    ck_assert_int_eq(pg_result_rows(r), 1);
    ck_assert_int_eq(pg_result_columns(r), 6);
    ck_assert_int_eq(pg_result_i64(r, 0, 0), INT64_C(9007199254740993));
    ck_assert_int_eq(pg_result_money(r, 0, 1), 1234567890);
    ck_assert(pg_result_bool(r, 0, 2));
    ck_assert_str_eq(pg_result_text(r, 0, 3), "quote \" back \\ 상품");
    ck_assert(pg_result_null(r, 0, 4));
    ck_assert_str_eq(pg_result_text(r, 0, 5), "2");
    ck_assert_str_eq(pg_result_tag(r), "SELECT 1");
    ((struct outcome *)arg)->calls++;
}

START_TEST(values_and_arrays)
{
    static const struct pg_statement st = {"values",
                                           "SELECT $1::bigint, $2::numeric(15,2), true, ($3::text[])[1], "
                                           "($3::text[])[2], cardinality($3::text[])"};
    struct outcome o = {0};
    struct buf b = BUF_INIT;
    pg_array_begin(&b);
    pg_array_text(&b, "quote \" back \\ 상품");
    pg_array_text(&b, NULL);
    struct pg_params params = *PG_PARAMS("9007199254740993", "12345678.90");
    pg_params_array(&params, &b);
    pg_pool_query(pool, &st, &params, 0, on_row, &o);
    buf_free(&b); /* parameters were copied */
    wait_done(&o);
}
END_TEST

static void on_array_text(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    ck_assert_msg(status == PG_OK, "%s", e ? e->text : "");
    ck_assert_str_eq(pg_result_text(r, 0, 0), "{-9223372036854775808,NULL,0,9223372036854775807}");
    ck_assert_str_eq(pg_result_text(r, 0, 1), "{0.00,0.05,-0.05,0.50,1.00,-99.99,9999.99,10000.00,10000.01,"
                                              "100000000.00,1234567890123.45,9999999999999.99,"
                                              "-92233720368547758.08,92233720368547758.07}");
    ck_assert_str_eq(pg_result_text(r, 0, 2), "{\"\",NULL,\"NULL\",\"a,b \\\"{\\\\\",상품}");
    ck_assert_str_eq(pg_result_text(r, 0, 3), "{}");
    ck_assert_str_eq(pg_result_text(r, 0, 4), "{NULL,NULL}");
    ck_assert_str_eq(pg_result_text(r, 0, 5), "x");
    ((struct outcome *)arg)->calls++;
}

/* Each kind of array arrives as it was meant. */
START_TEST(arrays_of_every_kind)
{
    static const struct pg_statement st = {
        "arrays", "SELECT $1::bigint[]::text, $2::numeric[]::text, $3::text[]::text, $4::bigint[]::text, "
                  "$5::numeric[]::text, $6::text"};
    static const money amounts[] = {0,
                                    5,
                                    -5,
                                    50,
                                    100,
                                    -9999,
                                    999999,
                                    1000000,
                                    1000001,
                                    10000000000,
                                    123456789012345,
                                    MONEY_MAX,
                                    INT64_MIN,
                                    INT64_MAX};
    static const char *const texts[] = {"", NULL, "NULL", "a,b \"{\\", "상품"};
    struct outcome o = {0};
    struct buf b[5] = {{0}};
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        pg_array_begin(&b[i]);
    pg_array_i64(&b[0], INT64_MIN);
    pg_array_null(&b[0]);
    pg_array_i64(&b[0], 0);
    pg_array_i64(&b[0], INT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(amounts); i++)
        pg_array_money(&b[1], amounts[i]);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        pg_array_text(&b[2], texts[i]);
    pg_array_null(&b[4]);
    pg_array_null(&b[4]);
    struct pg_params params = {0};
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        pg_params_array(&params, &b[i]);
    pg_params_text(&params, "x");
    pg_pool_query(pool, &st, &params, 0, on_array_text, &o);
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        buf_free(&b[i]);
    wait_done(&o);
}
END_TEST

START_TEST(session_settings)
{
    static const char *const expected[][2] = {
        {"SHOW timezone", "Asia/Seoul"},   {"SHOW statement_timeout", "2s"},
        {"SHOW lock_timeout", "2s"},       {"SHOW idle_in_transaction_session_timeout", "2s"},
        {"SHOW synchronous_commit", "on"}, {"SHOW application_name", "rushd test"},
        {"SHOW client_encoding", "UTF8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        ck_assert_str_eq(query_text(expected[i][0]).text, expected[i][1]);
}
END_TEST

START_TEST(command_tag_counts_rows)
{
    struct outcome o = query(&put, PG_PARAMS("1", "one"));
    ck_assert_int_eq(o.status, PG_OK);
    ck_assert_int_eq(o.affected, 1);
    ck_assert_str_eq(direct("SELECT v FROM t WHERE id = 1"), "one"); /* reported when it was committed */
}
END_TEST

START_TEST(many_at_once)
{
    static struct outcome outcomes[500];
    for (int i = 0; i < 500; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        pg_pool_query(pool, &put, PG_PARAMS(id, "x"), 10000, on_outcome, &outcomes[i]);
    }
    for (int i = 0; i < 500; i++) {
        wait_done(&outcomes[i]);
        ck_assert_int_eq(outcomes[i].status, PG_OK);
    }
    ck_assert_str_eq(query(&count, PG_NO_PARAMS).text, "500");
    ck_assert_int_le(
        atoi(direct("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rushd test'")), 4);
}
END_TEST

START_TEST(failure_stays_with_its_statement)
{
    static const struct pg_statement broken = {"broken", "SELECT nonsense FROM nowhere"};
    struct outcome good = {0}, duplicate = {0}, unprepared = {0}, after = {0};
    pg_pool_query(pool, &put, PG_PARAMS("1", "a"), 0, on_outcome, &good);
    wait_done(&good);
    pg_pool_query(pool, &put, PG_PARAMS("1", "b"), 0, on_outcome, &duplicate);
    pg_pool_query(pool, &broken, PG_NO_PARAMS, 0, on_outcome, &unprepared);
    pg_pool_query(pool, &put, PG_PARAMS("2", "c"), 0, on_outcome, &after);
    wait_done(&duplicate);
    wait_done(&unprepared);
    wait_done(&after);
    ck_assert_int_eq(duplicate.status, PG_FAILED);
    ck_assert_str_eq(duplicate.error.code, "23505");
    ck_assert_int_eq(duplicate.error.kind, ERROR_PERMANENT);
    ck_assert_int_eq(unprepared.status, PG_FAILED);
    ck_assert_str_eq(unprepared.error.code, "42P01");
    ck_assert_int_eq(after.status, PG_OK);
    /* The refused PREPARE was not remembered: the statement works as soon as the table is there. */
    direct("CREATE TABLE nowhere AS SELECT 'now it is' AS nonsense");
    for (int i = 0; i < 8; i++)
        ck_assert_str_eq(query(&broken, PG_NO_PARAMS).text, "now it is");
    direct("DROP TABLE nowhere");
}
END_TEST

START_TEST(changed_table_renews_the_session)
{
    static const struct pg_statement star = {"star", "SELECT * FROM d"};
    config.size = 1;
    pool_reopen();
    direct("CREATE TABLE d AS SELECT 1 AS a");
    ck_assert_str_eq(query(&star, PG_NO_PARAMS).text, "1");
    direct("DROP TABLE d; CREATE TABLE d AS SELECT 'text' AS a, 2 AS b");
    struct outcome o = query(&star, PG_NO_PARAMS);
    ck_assert_int_eq(o.status, PG_FAILED);
    ck_assert_str_eq(o.error.code, "0A000");
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
    do /* on a new session, for which a call waits a second: it may take longer */
        o = query(&star, PG_NO_PARAMS);
    while (o.status == PG_NOT_SENT);
    ck_assert_str_eq(o.text, "text");
}
END_TEST

START_TEST(implicit_commit_that_is_refused)
{
    static const struct pg_statement insert = {"deferred", "INSERT INTO d VALUES (1)"};
    direct("CREATE TABLE d (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    ck_assert_int_eq(query(&insert, PG_NO_PARAMS).status, PG_OK);
    struct outcome o =
        query(&insert, PG_NO_PARAMS); /* refused when the Sync commits, after its command tag */
    ck_assert_int_eq(o.status, PG_FAILED);
    ck_assert_str_eq(o.error.code, "23505");
    ck_assert_str_eq(direct("SELECT count(*) FROM d"), "1");
    ck_assert_int_eq(query(&count, PG_NO_PARAMS).status, PG_OK);
}
END_TEST

START_TEST(statement_timeout_of_the_server_is_certain)
{
    struct outcome o = query(&slow, PG_PARAMS("10"));
    ck_assert_int_eq(o.status, PG_FAILED);
    ck_assert_str_eq(o.error.code, "57014");
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
}
END_TEST

START_TEST(own_deadline_is_unknown)
{
    struct outcome o = {0};
    int64_t start_ms = clock_mono_ms();
    pg_pool_query(pool, &slow, PG_PARAMS("1.5"), 200, on_outcome, &o);
    wait_done(&o);
    ck_assert_int_eq(o.status, PG_UNKNOWN);
    ck_assert_int_eq(o.error.kind, ERROR_UNKNOWN);
    ck_assert_str_eq(o.error.code, "TIMEOUT");
    ck_assert_int_lt(clock_mono_ms() - start_ms, 1000);
    ck_assert_int_eq(query(&count, PG_NO_PARAMS).status, PG_OK);
}
END_TEST

START_TEST(waiting_line_has_deadlines)
{
    struct outcome running[4] = {0}, waiting = {0};
    for (int i = 0; i < 4; i++)
        pg_pool_query(pool, &slow, PG_PARAMS("0.6"), 5000, on_outcome, &running[i]);
    pg_pool_query(pool, &count, PG_NO_PARAMS, 150, on_outcome, &waiting);
    wait_done(&waiting);
    ck_assert_int_eq(waiting.status, PG_NOT_SENT);
    ck_assert_str_eq(waiting.error.code, "TIMEOUT");
    ck_assert_int_eq(waiting.error.kind, ERROR_RETRIABLE);
    for (int i = 0; i < 4; i++) {
        wait_done(&running[i]);
        ck_assert_int_eq(running[i].status, PG_OK);
    }
}
END_TEST

START_TEST(line_is_bounded)
{
    config.max_waiting = 10;
    pool_reopen();
    struct outcome outcomes[20] = {0};
    for (int i = 0; i < 20; i++)
        pg_pool_query(pool, &count, PG_NO_PARAMS, 0, on_outcome, &outcomes[i]);
    int ok = 0, full = 0;
    for (int i = 0; i < 20; i++) {
        wait_done(&outcomes[i]);
        ok += outcomes[i].status == PG_OK;
        full += outcomes[i].status == PG_NOT_SENT && strcmp(outcomes[i].error.code, "QUEUE_FULL") == 0;
    }
    ck_assert_int_eq(ok, 10);
    ck_assert_int_eq(full, 10);
}
END_TEST

static double metric(const char *name)
{
    struct metric_value v;
    struct metric *m = metric_find(name);
    ck_assert_msg(m != NULL, "%s", name);
    struct metric_series *s = metric_series_next(m, NULL);
    ck_assert_str_eq(metric_label_value(s, 0), "rushd");
    metric_read(s, &v);
    return metric_def_of(m)->type == METRIC_TIMER ? (double)v.count : v.value;
}

START_TEST(metrics_of_the_pool)
{
    query(&count, PG_NO_PARAMS);
    query(&count, PG_NO_PARAMS);
    spin(50);
    ck_assert(metric("hikaricp.connections") >= 2);
    ck_assert(metric("hikaricp.connections.max") == 4);
    ck_assert(metric("hikaricp.connections.min") == 2);
    ck_assert(metric("hikaricp.connections.active") == 0);
    ck_assert(metric("hikaricp.connections.idle") == metric("hikaricp.connections"));
    ck_assert(metric("hikaricp.connections.pending") == 0);
    ck_assert(metric("hikaricp.connections.timeout") == 0);
    ck_assert(metric("hikaricp.connections.acquire") >= 2);
    ck_assert(metric("hikaricp.connections.usage") >= 2);
    ck_assert(metric("hikaricp.connections.creation") >= 2);
}
END_TEST

static void on_closed(void *arg)
{
    (*(int *)arg)++;
}

static bool is_closed(void *arg)
{
    return *(int *)arg > 0;
}

START_TEST(closing_lets_running_calls_finish)
{
    struct outcome o = {0};
    int closed = 0;
    pg_pool_query(pool, &slow, PG_PARAMS("0.3"), 5000, on_outcome, &o);
    spin(50);
    pg_pool_close(pool, 3000, on_closed, &closed);
    ck_assert(loop_run_until(loop, is_closed, &closed, 4000));
    ck_assert_int_eq(o.status, PG_OK);
}
END_TEST

START_TEST(closing_cuts_at_its_deadline)
{
    struct outcome o = {0}, freed = {0};
    int closed = 0;
    pg_pool_query(pool, &slow, PG_PARAMS("1.5"), 5000, on_outcome, &o);
    spin(50);
    pg_pool_close(pool, 100, on_closed, &closed);
    ck_assert(loop_run_until(loop, is_closed, &closed, 1000));
    ck_assert_int_eq(o.status, PG_UNKNOWN);
    pool_reopen();
    pg_pool_query(pool, &slow, PG_PARAMS("1.5"), 5000, on_outcome, &freed);
    spin(50);
    pg_pool_free(pool);
    pool = NULL;
    ck_assert_int_eq(freed.calls, 1);
    ck_assert_int_eq(freed.status, PG_UNKNOWN);
}
END_TEST

START_TEST(scripts)
{
    struct outcome good = {0}, bad = {0};
    pg_pool_script(pool, "CREATE TABLE d (a int); INSERT INTO d VALUES (1), (2); SELECT sum(a) FROM d", 5000,
                   on_outcome, &good);
    wait_done(&good);
    ck_assert_int_eq(good.status, PG_OK);
    ck_assert_str_eq(good.text, "3");
    pg_pool_script(pool, "INSERT INTO d VALUES (3); SELECT 1/0; INSERT INTO d VALUES (4)", 5000, on_outcome,
                   &bad);
    wait_done(&bad);
    ck_assert_int_eq(bad.status, PG_FAILED);
    ck_assert_str_eq(bad.error.code, "22012");
    ck_assert_str_eq(direct("SELECT count(*) FROM d"), "2"); /* all or nothing */
}
END_TEST

START_TEST(script_that_takes_too_long)
{
    struct outcome o = {0};
    pg_pool_script(pool, "SELECT pg_sleep(5)", 300, on_outcome, &o);
    wait_done(&o);
    ck_assert(o.status == PG_UNKNOWN || (o.status == PG_FAILED && strcmp(o.error.code, "57014") == 0));
}
END_TEST

Suite *pg_query_suite(void)
{
    Suite *s = suite_create("pg statements");
    TCase *c = tcase_create("statements");
    tcase_set_timeout(c, 30);
    tcase_add_checked_fixture(c, service_setup, service_teardown);
    tcase_add_test(c, values_and_arrays);
    tcase_add_test(c, arrays_of_every_kind);
    tcase_add_test(c, session_settings);
    tcase_add_test(c, command_tag_counts_rows);
    tcase_add_test(c, many_at_once);
    tcase_add_test(c, failure_stays_with_its_statement);
    tcase_add_test(c, changed_table_renews_the_session);
    tcase_add_test(c, implicit_commit_that_is_refused);
    tcase_add_test(c, statement_timeout_of_the_server_is_certain);
    tcase_add_test(c, own_deadline_is_unknown);
    tcase_add_test(c, waiting_line_has_deadlines);
    tcase_add_test(c, line_is_bounded);
    tcase_add_test(c, metrics_of_the_pool);
    tcase_add_test(c, closing_lets_running_calls_finish);
    tcase_add_test(c, closing_cuts_at_its_deadline);
    tcase_add_test(c, scripts);
    tcase_add_test(c, script_that_takes_too_long);
    suite_add_tcase(s, c);
    return s;
}
