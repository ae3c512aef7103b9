/* Writing transactions on a real server: steps, failures, and every way in which a COMMIT can get lost. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "pg_service.h"

static const struct pg_statement put = {"put", "INSERT INTO t (id, v) VALUES ($1, $2)"};
static const struct pg_statement get = {"get", "SELECT v FROM t WHERE id = $1 FOR UPDATE"};
static const struct pg_statement update = {"update", "UPDATE t SET v = $2 WHERE id = $1"};
static const struct pg_statement token = {"token", "SELECT token FROM tx_tokens"};
static const struct pg_statement pid = {"pid", "SELECT pg_backend_pid()"};
static const struct pg_statement slow = {"slow", "SELECT pg_sleep($1::float8)"};

static void start(struct tx_case *c, void (*script)(struct tx_case *c, struct pg_tx *tx), int64_t deadline_ms)
{
    c->script = script;
    c->tx = pg_tx_start(pool, &tx_case_ops, c, deadline_ms);
    ck_assert_int_eq(c->ready + c->ends, 0);
}

static void run(struct tx_case *c, void (*script)(struct tx_case *c, struct pg_tx *tx), int64_t deadline_ms)
{
    start(c, script, deadline_ms);
    wait_tx(c);
}

static void put_and_commit(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_outcome, &c->steps[0]);
    pg_tx_query(tx, &put, PG_PARAMS("2", "two"), on_outcome, &c->steps[1]);
    pg_tx_commit(tx);
}

START_TEST(commit_in_one_step)
{
    struct tx_case c = {0};
    run(&c, put_and_commit, 5000);
    ck_assert_int_eq(c.end, PG_TX_COMMITTED);
    ck_assert_int_eq(c.error.kind, ERROR_NONE);
    ck_assert_int_eq(c.steps[0].status, PG_OK);
    ck_assert_int_eq(c.steps[1].affected, 1);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "2");
    ck_assert_str_eq(direct("SELECT count(*) FROM tx_tokens"), "1");
}
END_TEST

static void on_read_then_update(void *arg, enum pg_status status, const struct pg_result *r,
                                const struct error *e)
{
    struct tx_case *c = arg;
    on_outcome(&c->steps[1], status, r, e);
    if (status != PG_OK)
        return;
    char next[32];
    snprintf(next, sizeof(next), "%s+", pg_result_text(r, 0, 0));
    pg_tx_query(c->tx, &update, PG_PARAMS("1", next), on_outcome, &c->steps[2]);
    pg_tx_commit(c->tx);
}

static void read_then_update(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_outcome, &c->steps[0]);
    pg_tx_query(tx, &get, PG_PARAMS("1"), on_read_then_update, c);
    pg_tx_flush(tx);
}

START_TEST(steps_with_results_in_between)
{
    struct tx_case c = {0};
    run(&c, read_then_update, 5000);
    ck_assert_int_eq(c.end, PG_TX_COMMITTED);
    ck_assert_str_eq(c.steps[1].text, "one");
    ck_assert_int_eq(c.steps[2].affected, 1);
    ck_assert_str_eq(direct("SELECT v FROM t WHERE id = 1"), "one+");
}
END_TEST

START_TEST(many_transactions_share_the_pool)
{
    static struct tx_case cases[40];
    static struct outcome reads[40];
    direct("INSERT INTO t VALUES (1, '')");
    static const struct pg_statement count = {"count", "SELECT count(*) FROM t"};
    for (int i = 0; i < 40; i++) {
        start(&cases[i], i % 2 ? put_and_commit : read_then_update, 10000);
        pg_pool_query(pool, &count, PG_NO_PARAMS, 10000, on_outcome, &reads[i]);
    }
    for (int i = 0; i < 40; i++) {
        wait_tx(&cases[i]);
        wait_done(&reads[i]);
        ck_assert_int_eq(reads[i].status, PG_OK);
        ck_assert_int_eq(cases[i].end, PG_TX_ROLLED_BACK); /* id 1 is taken */
        ck_assert_str_eq(cases[i].error.code, "23505");
    }
    ck_assert_str_eq(direct("SELECT count(*) FROM tx_tokens"), "0");
}
END_TEST

static void fail_in_the_middle(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_outcome, &c->steps[0]);
    pg_tx_query(tx, &put, PG_PARAMS("1", "again"), on_outcome, &c->steps[1]);
    pg_tx_query(tx, &put, PG_PARAMS("2", "two"), on_outcome, &c->steps[2]);
    pg_tx_flush(tx);
}

static void check_failed_in_the_middle(struct tx_case *c)
{
    ck_assert_int_eq(c->end, PG_TX_ROLLED_BACK);
    ck_assert_str_eq(c->error.code, "23505");
    ck_assert_int_eq(c->error.kind, ERROR_PERMANENT);
    ck_assert_int_eq(c->steps[0].status, PG_OK);
    ck_assert_int_eq(c->steps[1].status, PG_FAILED);
    ck_assert_str_eq(c->steps[1].error.code, "23505");
    ck_assert_int_eq(c->steps[2].status, PG_FAILED);
    ck_assert_str_eq(c->steps[2].error.code, "ABORTED");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(c->steps[i].calls, 1);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "0");
    ck_assert_str_eq(direct("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"),
                     "0");
}

START_TEST(failure_rolls_back_by_itself)
{
    struct tx_case c = {0};
    run(&c, fail_in_the_middle, 5000);
    check_failed_in_the_middle(&c);
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(query_text("SELECT 1").text, "1"); /* the connection is as good as before */
}
END_TEST

static void fail_before_commit(struct tx_case *c, struct pg_tx *tx)
{
    fail_in_the_middle(c, tx);
    pg_tx_commit(tx);
}

START_TEST(failure_before_a_commit_that_is_sent_already)
{
    struct tx_case c = {0};
    run(&c, fail_before_commit, 5000);
    check_failed_in_the_middle(&c);
}
END_TEST

static void on_done_rollback(void *arg, enum pg_status status, const struct pg_result *r,
                             const struct error *e)
{
    struct tx_case *c = arg;
    on_outcome(&c->steps[0], status, r, e);
    pg_tx_rollback(c->tx);
    pg_tx_rollback(c->tx);
    pg_tx_query(c->tx, &put, PG_PARAMS("3", "late"), on_outcome, &c->steps[2]);
    pg_tx_flush(c->tx);
    pg_tx_commit(c->tx);
}

static void roll_back(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_done_rollback, c);
    pg_tx_query(tx, &put, PG_PARAMS("2", "two"), on_outcome, &c->steps[1]);
    pg_tx_flush(tx);
}

START_TEST(rollback_on_request)
{
    struct tx_case c = {0};
    run(&c, roll_back, 5000);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(c.error.kind, ERROR_NONE);
    ck_assert_int_eq(c.steps[1].calls, 1);
    ck_assert_str_eq(c.steps[1].error.code, "ABORTED");
    ck_assert_int_eq(c.steps[2].calls, 1);
    ck_assert_str_eq(c.steps[2].error.code, "ABORTED");
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "0");
}
END_TEST

static void refused_at_commit(struct tx_case *c, struct pg_tx *tx)
{
    static const struct pg_statement deferred = {"deferred", "INSERT INTO d VALUES (1), (1)"};
    pg_tx_query(tx, &deferred, PG_NO_PARAMS, on_outcome, &c->steps[0]);
    pg_tx_commit(tx);
}

START_TEST(commit_that_is_refused)
{
    struct tx_case c = {0};
    direct("CREATE TABLE d (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    run(&c, refused_at_commit, 5000);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_str_eq(c.error.code, "23505");
    ck_assert_int_eq(c.steps[0].status, PG_OK);
    ck_assert_str_eq(direct("SELECT count(*) FROM d"), "0");
    ck_assert_str_eq(query_text("SELECT 1").text, "1");
}
END_TEST

START_TEST(missing_token_table_is_an_error)
{
    struct tx_case c = {0};
    direct("DROP TABLE tx_tokens");
    run(&c, put_and_commit, 5000);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_str_eq(c.error.code, "42P01");
    ck_assert_str_eq(c.steps[0].error.code, "ABORTED");
}
END_TEST

static void do_nothing(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_outcome, &c->steps[0]);
    pg_tx_flush(tx);
}

START_TEST(owner_that_never_ends_it)
{
    struct tx_case c = {0};
    run(&c, do_nothing, 600);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_str_eq(c.error.code, "TIMEOUT");
    ck_assert_int_eq(c.steps[0].status, PG_OK);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "0");
}
END_TEST

static void sleep_long(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &slow, PG_PARAMS("1.8"), on_outcome, &c->steps[0]);
    pg_tx_commit(tx);
}

static void on_kill(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct tx_case *c = arg;
    char sql[100];
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%s)", pg_result_text(r, 0, 0));
    direct(sql);
    pg_tx_query(c->tx, &put, PG_PARAMS("2", "two"), on_outcome, &c->steps[1]);
    pg_tx_flush(c->tx);
}

static void killed_in_the_middle(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_outcome, &c->steps[0]);
    pg_tx_query(tx, &pid, PG_NO_PARAMS, on_kill, c);
    pg_tx_flush(tx);
}

START_TEST(backend_killed_before_commit)
{
    struct tx_case c = {0};
    run(&c, killed_in_the_middle, 5000);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(c.error.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(c.steps[1].calls, 1);
    ck_assert_int_eq(c.steps[1].status, PG_FAILED);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "0");
    ck_assert_str_eq(query_text("SELECT 1").text, "1");
}
END_TEST

/* --- the lost COMMIT
 * -------------------------------------------------------------------------------------------------- */

START_TEST(commit_arrived_its_answer_did_not)
{
    struct pg_proxy *p = pool_through_proxy();
    struct tx_case c = {0};
    pg_proxy_fault(p, "COMMIT", PG_PROXY_SWALLOW);
    run(&c, put_and_commit, 5000);
    ck_assert_int_eq(pg_proxy_faults_done(p), 1);
    ck_assert_int_eq(c.end, PG_TX_COMMITTED);
    ck_assert_int_eq(c.error.kind, ERROR_NONE);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "2");
    ck_assert_str_eq(direct("SELECT count(*) FROM tx_tokens"), "1");
    pg_proxy_free(p);
}
END_TEST

static void on_put_commit(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct tx_case *c = arg;
    on_outcome(&c->steps[0], status, r, e);
    pg_tx_commit(c->tx);
}

static void put_then_commit(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_put_commit, c);
    pg_tx_flush(tx);
}

START_TEST(commit_did_not_arrive)
{
    struct pg_proxy *p = pool_through_proxy();
    struct tx_case c = {0};
    pg_proxy_fault(p, "COMMIT", PG_PROXY_CUT);
    run(&c, put_then_commit, 5000);
    ck_assert_int_eq(pg_proxy_faults_done(p), 1);
    ck_assert_int_eq(c.steps[0].status, PG_OK);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(c.error.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "0");
    ck_assert_str_eq(direct("SELECT count(*) FROM tx_tokens"), "2"); /* the token is taken, with its marker */
    pg_proxy_free(p);
}
END_TEST

START_TEST(answer_to_the_settling_is_lost_too)
{
    struct pg_proxy *p = pool_through_proxy();
    struct tx_case lost = {0}, done = {0};
    pg_proxy_fault(p, "COMMIT", PG_PROXY_CUT);
    pg_proxy_fault(p, "pg_tx_settle_marker", PG_PROXY_SWALLOW);
    run(&lost, put_then_commit, 5000);
    ck_assert_int_eq(pg_proxy_faults_done(p), 2);
    ck_assert_int_eq(lost.end, PG_TX_ROLLED_BACK); /* not fooled by the token of its own first attempt */
    pg_proxy_fault(p, "COMMIT", PG_PROXY_SWALLOW);
    pg_proxy_fault(p, "pg_tx_settle_marker", PG_PROXY_SWALLOW);
    run(&done, put_then_commit, 5000);
    ck_assert_int_eq(pg_proxy_faults_done(p), 4);
    ck_assert_int_eq(done.end, PG_TX_COMMITTED);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "1");
    pg_proxy_free(p);
}
END_TEST

START_TEST(nobody_left_to_ask)
{
    struct pg_proxy *p = pool_through_proxy();
    struct tx_case c = {0};
    int64_t start_ms = clock_mono_ms();
    pg_proxy_fault(p, "COMMIT", PG_PROXY_SWALLOW);
    start(&c, put_then_commit, 1500);
    while (pg_proxy_faults_done(p) == 0)
        spin(1);
    spin(20);
    pg_proxy_refuse(p, true);
    if (c.ends == 0)
        wait_tx(&c);
    /* It was settled before the door closed, or it stays unknown: never a wrong answer. */
    if (c.end != PG_TX_COMMITTED) {
        ck_assert_int_eq(c.end, PG_TX_UNKNOWN);
        ck_assert_int_eq(c.error.kind, ERROR_UNKNOWN);
    }
    ck_assert_int_lt(clock_mono_ms() - start_ms, 3000);
    pg_proxy_free(p);
}
END_TEST

static void on_put_freeze_commit(void *arg, enum pg_status status, const struct pg_result *r,
                                 const struct error *e);

static struct pg_proxy *frozen_proxy;

static void put_freeze_commit(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), on_put_freeze_commit, c);
    pg_tx_flush(tx);
}

static void on_put_freeze_commit(void *arg, enum pg_status status, const struct pg_result *r,
                                 const struct error *e)
{
    struct tx_case *c = arg;
    pg_proxy_freeze(frozen_proxy, true);
    pg_tx_commit(c->tx);
}

START_TEST(silence_after_commit_is_unknown_at_the_deadline)
{
    struct tx_case c = {0};
    frozen_proxy = pool_through_proxy();
    int64_t start_ms = clock_mono_ms();
    run(&c, put_freeze_commit, 1200);
    ck_assert_int_eq(c.end, PG_TX_UNKNOWN);
    ck_assert_int_eq(c.error.kind, ERROR_UNKNOWN);
    ck_assert_int_ge(clock_mono_ms() - start_ms, 1100);
    ck_assert_int_lt(clock_mono_ms() - start_ms, 2500);
    pg_proxy_free(frozen_proxy);
}
END_TEST

START_TEST(silence_after_commit_that_ends_in_time)
{
    struct tx_case c = {0};
    frozen_proxy = pool_through_proxy();
    start(&c, put_freeze_commit, 6000);
    while (c.ready == 0)
        spin(5);
    spin(5200); /* beyond the work deadline: the connection is given up, settling begins */
    ck_assert_int_eq(c.ends, 0);
    pg_proxy_freeze(frozen_proxy, false);
    wait_tx(&c);
    /* Whether the COMMIT still got through depends on what the relay held; the answer must be the truth. */
    bool there = strcmp(direct("SELECT count(*) FROM t"), "1") == 0;
    ck_assert_int_eq(c.end, there ? PG_TX_COMMITTED : PG_TX_ROLLED_BACK);
    pg_proxy_free(frozen_proxy);
}
END_TEST

static struct tx_case *victim;

static void on_token_kill(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct tx_case *c = arg;
    on_outcome(&c->steps[0], status, r, e);
    pg_tx_query(c->tx, &slow, PG_PARAMS("0.3"), on_outcome, &c->steps[1]);
    pg_tx_commit(c->tx);
    victim = c;
}

static void killed_while_committing(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), NULL, NULL);
    pg_tx_query(tx, &token, PG_NO_PARAMS, on_token_kill, c);
    pg_tx_flush(tx);
}

START_TEST(backend_killed_with_the_commit_on_its_way)
{
    struct tx_case c = {0};
    start(&c, killed_while_committing, 6000);
    while (!victim)
        spin(1);
    spin(50); /* the server sleeps, COMMIT waits in its socket */
    direct("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'");
    wait_tx(&c);
    ck_assert_int_eq(c.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(c.error.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(c.steps[1].status, PG_UNKNOWN);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "0");
}
END_TEST

static void on_token_wait(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct tx_case *c = arg;
    on_outcome(&c->steps[0], status, r, e);
    pg_proxy_fault(frozen_proxy, "COMMIT", PG_PROXY_SWALLOW);
    pg_tx_query(c->tx, &slow, PG_PARAMS("1.0"), on_outcome, &c->steps[1]);
    pg_tx_commit(c->tx);
    victim = c;
}

static void still_running(struct tx_case *c, struct pg_tx *tx)
{
    pg_tx_query(tx, &put, PG_PARAMS("1", "one"), NULL, NULL);
    pg_tx_query(tx, &token, PG_NO_PARAMS, on_token_wait, c);
    pg_tx_flush(tx);
}

/* The client loses the connection while the server is still at work: settling has to wait for the first
 * transaction. */
START_TEST(settling_waits_for_a_transaction_in_progress)
{
    struct tx_case c = {0};
    frozen_proxy = pool_through_proxy();
    start(&c, still_running, 8000);
    while (!victim)
        spin(1);
    spin(100);
    struct outcome o = query_text("SELECT 1");
    ck_assert_int_eq(o.status, PG_OK);
    ck_assert_int_eq(c.ends, 0);
    wait_tx(&c);
    ck_assert_int_eq(c.end, PG_TX_COMMITTED);
    ck_assert_str_eq(direct("SELECT count(*) FROM t"), "1");
    pg_proxy_free(frozen_proxy);
}
END_TEST

START_TEST(pool_freed_with_transactions_running)
{
    struct tx_case idle = {0}, busy = {0};
    start(&idle, do_nothing, 5000);
    start(&busy, sleep_long, 5000);
    while (idle.ready + busy.ready < 2)
        spin(5);
    spin(50);
    pg_pool_free(pool);
    pool = NULL;
    ck_assert_int_eq(idle.ends, 1);
    ck_assert_int_eq(idle.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(busy.ends, 1);
    ck_assert_int_eq(busy.end, PG_TX_UNKNOWN); /* its COMMIT is on the way */
}
END_TEST

START_TEST(reads_leave_a_connection_to_the_transactions)
{
    struct outcome reads[8] = {0};
    struct tx_case c = {0};
    for (int i = 0; i < 8; i++)
        pg_pool_query(pool, &slow, PG_PARAMS("0.5"), 10000, on_outcome, &reads[i]);
    spin(200);
    int64_t start_ms = clock_mono_ms();
    run(&c, put_and_commit, 5000);
    ck_assert_int_eq(c.end, PG_TX_COMMITTED);
    ck_assert_int_lt(clock_mono_ms() - start_ms, 250);
    for (int i = 0; i < 8; i++)
        wait_done(&reads[i]);
}
END_TEST

Suite *pg_tx_suite(void)
{
    Suite *s = suite_create("pg transactions");
    TCase *c = tcase_create("steps");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, service_setup, service_teardown);
    tcase_add_test(c, commit_in_one_step);
    tcase_add_test(c, steps_with_results_in_between);
    tcase_add_test(c, many_transactions_share_the_pool);
    tcase_add_test(c, failure_rolls_back_by_itself);
    tcase_add_test(c, failure_before_a_commit_that_is_sent_already);
    tcase_add_test(c, rollback_on_request);
    tcase_add_test(c, commit_that_is_refused);
    tcase_add_test(c, missing_token_table_is_an_error);
    tcase_add_test(c, owner_that_never_ends_it);
    tcase_add_test(c, backend_killed_before_commit);
    tcase_add_test(c, pool_freed_with_transactions_running);
    tcase_add_test(c, reads_leave_a_connection_to_the_transactions);
    suite_add_tcase(s, c);
    c = tcase_create("lost commit");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, service_setup, service_teardown);
    tcase_add_test(c, commit_arrived_its_answer_did_not);
    tcase_add_test(c, commit_did_not_arrive);
    tcase_add_test(c, answer_to_the_settling_is_lost_too);
    tcase_add_test(c, nobody_left_to_ask);
    tcase_add_test(c, silence_after_commit_is_unknown_at_the_deadline);
    tcase_add_test(c, silence_after_commit_that_ends_in_time);
    tcase_add_test(c, backend_killed_with_the_commit_on_its_way);
    tcase_add_test(c, settling_waits_for_a_transaction_in_progress);
    suite_add_tcase(s, c);
    return s;
}
