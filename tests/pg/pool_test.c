/* The pool without a server: waiting, bounds, deadlines, closing; a listener that never answers as the server
 * that hangs. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "pg_suites.h"

static const struct pg_statement one = {"one", "SELECT 1"};

static struct loop *l;
static struct pg_pool *pool;
static int silent_fd;
static char url[128], reason[256];
static int outages;

struct outcome {
    int calls;
    enum pg_status status;
    struct error error;
};

static void on_done(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct outcome *o = arg;
    ck_assert_ptr_null(r);
    o->calls++;
    o->status = status;
    o->error = *e;
}

static bool is_done(void *arg)
{
    return ((struct outcome *)arg)->calls > 0;
}

static void on_state(void *arg, bool ready, const char *why)
{
    ck_assert(!ready);
    outages++;
    str_copy(reason, sizeof(reason), why);
}

static bool is_out(void *arg)
{
    return outages > 0;
}

static void open_pool(int64_t max_waiting)
{
    struct pg_pool_config cfg = {.url = url,
                                 .size = 2,
                                 .max_waiting = max_waiting,
                                 .statement_timeout_ms = 100,
                                 .connect_timeout_ms = 150};
    pool = pg_pool_new(l, &cfg);
    pg_pool_on_state(pool, on_state, NULL);
}

static void setup(void)
{
    l = loop_new();
    outages = 0;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(silent_fd, (struct sockaddr *)&a, n), 0);
    ck_assert_int_eq(listen(silent_fd, 8), 0);
    ck_assert_int_eq(getsockname(silent_fd, (struct sockaddr *)&a, &n), 0);
    snprintf(url, sizeof(url), "host=127.0.0.1 port=%d user=u dbname=d", ntohs(a.sin_port));
}

static void teardown(void)
{
    pg_pool_free(pool);
    pool = NULL;
    loop_free(l);
    metric_reset();
    close(silent_fd);
}

START_TEST(server_that_does_not_answer_meets_the_connect_deadline)
{
    open_pool(10);
    ck_assert(loop_run_until(l, is_out, NULL, 3000));
    ck_assert_ptr_nonnull(strstr(reason, "150 ms"));
    ck_assert(!pg_pool_ready(pool));
}
END_TEST

START_TEST(refused_connection_is_a_reason)
{
    close(silent_fd);
    open_pool(10);
    ck_assert(loop_run_until(l, is_out, NULL, 3000));
    ck_assert_ptr_nonnull(strstr(reason, "refused"));
    silent_fd = -1;
}
END_TEST

START_TEST(host_name_is_resolved)
{
    snprintf(url, sizeof(url), "host=localhost,/tmp port=1 user=u");
    open_pool(10);
    ck_assert(loop_run_until(l, is_out, NULL, 3000));
    ck_assert_ptr_nonnull(strstr(reason, "127.0.0.1"));
}
END_TEST

START_TEST(waiting_call_meets_its_deadline)
{
    struct outcome o = {0};
    open_pool(10);
    int64_t start_ms = clock_mono_ms();
    pg_pool_query(pool, &one, PG_NO_PARAMS, 50, on_done, &o);
    ck_assert_int_eq(o.calls, 0);
    ck_assert(loop_run_until(l, is_done, &o, 3000));
    ck_assert_int_ge(clock_mono_ms() - start_ms, 50);
    ck_assert_int_lt(clock_mono_ms() - start_ms, 500);
    ck_assert_int_eq(o.status, PG_NOT_SENT);
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(o.error.code, "NO_CONNECTION");
}
END_TEST

START_TEST(full_line_refuses_at_once_but_not_inside_the_call)
{
    struct outcome waiting[2] = {0}, refused = {0};
    open_pool(2);
    pg_pool_query(pool, &one, PG_NO_PARAMS, 5000, on_done, &waiting[0]);
    pg_pool_query(pool, &one, PG_NO_PARAMS, 5000, on_done, &waiting[1]);
    pg_pool_query(pool, &one, PG_NO_PARAMS, 5000, on_done, &refused);
    ck_assert_int_eq(refused.calls, 0);
    ck_assert(loop_run_until(l, is_done, &refused, 1000));
    ck_assert_str_eq(refused.error.code, "QUEUE_FULL");
    ck_assert_int_eq(waiting[0].calls, 0);
    pg_pool_free(pool); /* ends the others before it returns */
    pool = NULL;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(waiting[i].calls, 1);
        ck_assert_int_eq(waiting[i].status, PG_NOT_SENT);
        ck_assert_str_eq(waiting[i].error.code, "CLOSED");
    }
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

START_TEST(closing_ends_waiting_calls_and_takes_no_new_ones)
{
    struct outcome before = {0}, after = {0};
    int closed = 0;
    open_pool(10);
    pg_pool_query(pool, &one, PG_NO_PARAMS, 5000, on_done, &before);
    pg_pool_close(pool, 1000, on_closed, &closed);
    pg_pool_query(pool, &one, PG_NO_PARAMS, 5000, on_done, &after);
    ck_assert_int_eq(before.calls + after.calls + closed, 0);
    ck_assert(loop_run_until(l, is_closed, &closed, 500));
    ck_assert_str_eq(before.error.code, "CLOSED");
    ck_assert_str_eq(after.error.code, "CLOSED");
    ck_assert_int_eq(after.status, PG_NOT_SENT);
}
END_TEST

struct tx_outcome {
    int ends;
    enum pg_tx_end end;
    struct error error;
};

static void on_ready(void *arg, struct pg_tx *tx)
{
    ck_abort_msg("there is no server");
}

static void on_end(void *arg, enum pg_tx_end end, const struct error *e)
{
    struct tx_outcome *o = arg;
    o->ends++;
    o->end = end;
    o->error = *e;
}

static const struct pg_tx_ops tx_ops = {on_ready, on_end};

static bool tx_ended(void *arg)
{
    return ((struct tx_outcome *)arg)->ends > 0;
}

START_TEST(transactions_that_never_start)
{
    struct tx_outcome late = {0}, withdrawn = {0}, cut = {0};
    open_pool(10);
    pg_tx_start(pool, &tx_ops, &late, 100);
    struct pg_tx *tx = pg_tx_start(pool, &tx_ops, &withdrawn, 5000);
    pg_tx_start(pool, &tx_ops, &cut, 5000);
    pg_tx_rollback(tx);
    ck_assert_int_eq(withdrawn.ends, 0);
    ck_assert(loop_run_until(l, tx_ended, &withdrawn, 1000));
    ck_assert_int_eq(withdrawn.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(withdrawn.error.kind, ERROR_NONE);
    ck_assert(loop_run_until(l, tx_ended, &late, 1000));
    ck_assert_int_eq(late.end, PG_TX_ROLLED_BACK);
    ck_assert_int_eq(late.error.kind, ERROR_RETRIABLE);
    pg_pool_free(pool);
    pool = NULL;
    ck_assert_int_eq(cut.ends, 1);
    ck_assert_int_eq(cut.end, PG_TX_ROLLED_BACK);
}
END_TEST

START_TEST(scripts_without_a_server)
{
    struct outcome late = {0}, cut = {0};
    open_pool(10);
    pg_pool_script(pool, "SELECT 1; SELECT 2", 300, on_done, &late);
    pg_pool_script(pool, "SELECT 1", 5000, on_done, &cut);
    ck_assert(loop_run_until(l, is_done, &late, 2000));
    ck_assert_int_eq(late.status, PG_NOT_SENT);
    pg_pool_free(pool);
    pool = NULL;
    ck_assert_int_eq(cut.calls, 1);
    ck_assert_int_eq(cut.status, PG_NOT_SENT);
}
END_TEST

Suite *pool_suite(void)
{
    Suite *s = suite_create("pool");
    TCase *c = tcase_create("without a server");
    tcase_set_timeout(c, 20);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, server_that_does_not_answer_meets_the_connect_deadline);
    tcase_add_test(c, refused_connection_is_a_reason);
    tcase_add_test(c, host_name_is_resolved);
    tcase_add_test(c, waiting_call_meets_its_deadline);
    tcase_add_test(c, full_line_refuses_at_once_but_not_inside_the_call);
    tcase_add_test(c, closing_ends_waiting_calls_and_takes_no_new_ones);
    tcase_add_test(c, transactions_that_never_start);
    tcase_add_test(c, scripts_without_a_server);
    suite_add_tcase(s, c);
    return s;
}
