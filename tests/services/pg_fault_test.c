/* Statements when the server goes away, stands still, comes back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pg_service.h"

static const struct pg_statement one = {"one", "SELECT 1"};
static const struct pg_statement slow = {"slow", "SELECT pg_sleep($1::float8)"};

static int ups, downs;
static char reason[256];

static void on_state(void *arg, bool ready, const char *why)
{
    ups += ready;
    downs += !ready;
    str_copy(reason, sizeof(reason), why);
}

static bool is_down(void *arg)
{
    return !pg_pool_ready(pool);
}

static void watch(void)
{
    ups = downs = 0;
    pg_pool_on_state(pool, on_state, NULL);
}

static void terminate_all(void)
{
    direct("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rushd test'");
}

static bool is_ready(void *arg)
{
    return pg_pool_ready(pool);
}

/* Calls are refused at once while the server is away, so wait until it is back. */
static void wait_ready(void)
{
    ck_assert(loop_run_until(loop, is_ready, NULL, 20000));
}

START_TEST(killed_while_idle)
{
    config.size = 2;
    pool_reopen();
    watch();
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1");
    while (atoi(direct("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rushd test'")) < 2)
        spin(5); /* one that is made after the kill would keep the pool ready */
    terminate_all();
    ck_assert(loop_run_until(loop, is_down, NULL, 2000));
    ck_assert_int_eq(downs, 1);
    ck_assert_str_ne(reason, "");
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1"); /* waits for the new connection */
    ck_assert_int_eq(ups, 1);
}
END_TEST

START_TEST(killed_in_a_statement)
{
    struct outcome running = {0}, waiting[10] = {0};
    pg_pool_query(pool, &slow, PG_PARAMS("1.5"), 5000, on_outcome, &running);
    spin(50);
    terminate_all();
    for (int i = 0; i < 10; i++)
        pg_pool_query(pool, &one, PG_NO_PARAMS, 5000, on_outcome, &waiting[i]);
    wait_done(&running);
    ck_assert_int_eq(running.status, PG_UNKNOWN);
    ck_assert_int_eq(running.error.kind, ERROR_UNKNOWN);
    ck_assert_str_eq(running.error.code, "57P01");
    int lost = 0;
    for (int i = 0; i < 10; i++) {
        wait_done(&waiting[i]);
        ck_assert(waiting[i].status == PG_OK || waiting[i].status == PG_UNKNOWN);
        lost += waiting[i].status == PG_UNKNOWN;
    }
    ck_assert_int_le(lost, 4); /* those sent to dead connections; the others waited for a new one */
}
END_TEST

START_TEST(crash_and_restart)
{
    watch();
    service("kill");
    ck_assert(loop_run_until(loop, is_down, NULL, 3000));
    struct outcome early = {0}, late = {0};
    pg_pool_query(pool, &one, PG_NO_PARAMS, 200, on_outcome, &early);
    wait_done(&early);
    ck_assert_int_eq(early.status, PG_NOT_SENT);
    ck_assert_str_eq(early.error.code, "NO_CONNECTION");
    spin(1200);
    int64_t asked_ms = clock_mono_ms();
    pg_pool_query(pool, &one, PG_NO_PARAMS, 20000, on_outcome, &late);
    wait_done(&late);
    ck_assert_str_eq(late.error.code, "NO_CONNECTION"); /* a long absence is told at once */
    ck_assert_int_lt(clock_mono_ms() - asked_ms, 1000);
    service("start");
    wait_ready();
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1");
    ck_assert_int_ge(ups, 1);
}
END_TEST

START_TEST(stopped_server_is_noticed_by_the_deadline)
{
    struct outcome o = {0};
    service("pause");
    int64_t start_ms = clock_mono_ms();
    pg_pool_query(pool, &one, PG_NO_PARAMS, 500, on_outcome, &o);
    wait_done(&o);
    ck_assert_int_eq(o.status, PG_UNKNOWN);
    ck_assert_str_eq(o.error.code, "TIMEOUT");
    ck_assert_int_lt(clock_mono_ms() - start_ms, 1500);
    service("resume");
    wait_ready();
    struct outcome after = {0};
    pg_pool_query(pool, &one, PG_NO_PARAMS, 10000, on_outcome, &after);
    wait_done(&after);
    ck_assert_int_eq(after.status, PG_OK);
}
END_TEST

START_TEST(through_tcp_and_host_names)
{
    struct pg_proxy *p = pool_through_proxy(); /* host=localhost: resolved on the loop */
    watch();
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1");
    pg_proxy_refuse(p, true);
    ck_assert(loop_run_until(loop, is_down, NULL, 2000));
    spin(300);
    pg_proxy_refuse(p, false);
    wait_ready();
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1");
    pg_proxy_freeze(p, true);
    struct outcome o = {0};
    pg_pool_query(pool, &one, PG_NO_PARAMS, 300, on_outcome, &o);
    wait_done(&o);
    ck_assert_int_eq(o.status, PG_UNKNOWN);
    pg_proxy_freeze(p, false);
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1");
    pg_proxy_free(p);
}
END_TEST

START_TEST(second_host_takes_over)
{
    static char url[400];
    struct pg_proxy *p = pool_through_proxy();
    snprintf(url, sizeof(url), "%s host=127.0.0.1,localhost port=1,%d", config.url, pg_proxy_port(p));
    config.url = url;
    pool_reopen();
    ck_assert_str_eq(query(&one, PG_NO_PARAMS).text, "1");
    pg_proxy_free(p);
}
END_TEST

START_TEST(read_only_server_is_not_taken)
{
    direct("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on");
    pg_pool_free(pool);
    pool = pg_pool_new(loop, &config);
    watch();
    spin(300);
    bool taken = pg_pool_ready(pool);
    direct("ALTER ROLE CURRENT_USER RESET default_transaction_read_only");
    ck_assert(!taken);
    ck_assert_msg(strstr(reason, "read-only") != NULL, "%s", reason);
    ck_assert(loop_run_until(loop, pool_is_ready, NULL, 5000));
}
END_TEST

START_TEST(role_that_may_not_connect)
{
    pg_pool_free(pool);
    config.username = "nobody_of_this_name";
    pool = pg_pool_new(loop, &config);
    watch();
    spin(300);
    ck_assert(!pg_pool_ready(pool));
    ck_assert_int_ge(downs, 1);
    ck_assert_ptr_nonnull(strstr(reason, "nobody_of_this_name"));
}
END_TEST

static void ensure(void)
{
    service("ensure");
}

Suite *pg_fault_suite(void)
{
    Suite *s = suite_create("pg faults");
    TCase *c = tcase_create("faults");
    tcase_set_timeout(c, 60);
    tcase_add_unchecked_fixture(c, NULL, ensure);
    tcase_add_checked_fixture(c, service_setup, service_teardown);
    tcase_add_test(c, killed_while_idle);
    tcase_add_test(c, killed_in_a_statement);
    tcase_add_test(c, crash_and_restart);
    tcase_add_test(c, stopped_server_is_noticed_by_the_deadline);
    tcase_add_test(c, through_tcp_and_host_names);
    tcase_add_test(c, second_host_takes_over);
    tcase_add_test(c, read_only_server_is_not_taken);
    tcase_add_test(c, role_that_may_not_connect);
    suite_add_tcase(s, c);
    return s;
}
