/* Calls: replies of every kind, deadlines, the bound, the end of the connection. */
#include <stdio.h>

#include "fixture.h"
#include "redis_suites.h"

START_TEST(replies_in_order)
{
    start_client();
    fake_redis_once(server, "GET", "$3\r\none\r\n", false);
    fake_redis_once(server, "GET", "$-1\r\n", false);
    fake_redis_once(server, "GET", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
                    false);
    fake_redis_once(server, "GET", "*2\r\n:1\r\n:2\r\n", false);
    struct outcome o[4] = {{0}};
    for (int i = 0; i < 4; i++)
        command(&o[i], 0, "GET", "k");
    ck_assert_uint_eq(redis_client_in_flight(client), 4);
    ck_assert(wait_for(fired, &o[3]));
    ck_assert_uint_eq(redis_client_in_flight(client), 0);
    ck_assert_int_eq(o[0].status, REDIS_OK);
    ck_assert_str_eq(o[0].text, "one");
    ck_assert_int_eq(o[0].error.kind, ERROR_NONE);
    ck_assert_int_eq(o[1].status, REDIS_OK);
    ck_assert_int_eq(o[1].type, REDIS_NIL);
    ck_assert_int_eq(o[2].status, REDIS_FAILED);
    ck_assert_int_eq(o[2].type, REDIS_ERROR);
    ck_assert_str_eq(o[2].error.code, "WRONGTYPE");
    ck_assert_int_eq(o[2].error.kind, ERROR_PERMANENT);
    ck_assert_int_eq(o[3].type, REDIS_ARRAY);
    ck_assert(redis_client_ready(client));
}
END_TEST

START_TEST(retriable_errors)
{
    static const char *const replies[] = {"-NOREPLICAS x\r\n", "-MISCONF x\r\n", "-OOM x\r\n", "-BUSY x\r\n"};
    start_client();
    fake_redis_once(server, "GET", replies[_i], false);
    struct outcome o = {0};
    command(&o, 0, "GET", "k");
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_FAILED);
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
    ck_assert(redis_client_ready(client));
}
END_TEST

START_TEST(close_in_the_middle_of_a_reply)
{
    start_client();
    fake_redis_once(server, "GET", "$3\r\none\r\n", false);
    fake_redis_once(server, "GET", "$10\r\nabc", true);
    struct outcome o[3] = {{0}};
    for (int i = 0; i < 3; i++)
        command(&o[i], 0, "GET", "k");
    ck_assert(wait_for(fired, &o[2]));
    ck_assert_int_eq(o[0].status, REDIS_OK);
    ck_assert_int_eq(o[1].status, REDIS_UNKNOWN);
    ck_assert_int_eq(o[1].error.kind, ERROR_UNKNOWN);
    ck_assert_str_eq(o[1].error.code, "DISCONNECTED");
    ck_assert_int_eq(o[2].status, REDIS_UNKNOWN);
    ck_assert(wait_for(is_ready, NULL));
    ck_assert_int_eq(o[0].fired + o[1].fired + o[2].fired, 3);
}
END_TEST

START_TEST(oldest_over_its_deadline_severs)
{
    start_client();
    fake_redis_always(server, "GET", FAKE_SILENT);
    struct outcome o[2] = {{0}};
    command(&o[0], 0, "GET", "k");
    command(&o[1], 0, "GET", "k");
    ck_assert(wait_for(fired, &o[1]));
    ck_assert_int_eq(o[0].status, REDIS_UNKNOWN);
    ck_assert_int_eq(o[1].status, REDIS_UNKNOWN);
    fake_redis_always(server, "GET", "+OK\r\n");
    ck_assert_str_eq(o[1].error.code, "TIMEOUT");
    ck_assert_int_eq(lost_count, 1);
    ck_assert(wait_for(is_ready, NULL));
    struct outcome again = {0};
    command(&again, 0, "GET", "k");
    ck_assert(wait_for(fired, &again));
    ck_assert_int_eq(again.status, REDIS_OK);
}
END_TEST

START_TEST(short_deadline_behind_a_long_one)
{
    start_client();
    fake_redis_always(server, "EVAL", FAKE_SILENT);
    fake_redis_always(server, "GET", FAKE_SILENT);
    struct outcome slow = {0}, quick = {0};
    command(&slow, 2000, "EVAL", "long");
    command(&quick, 100, "GET", "k");
    ck_assert(wait_for(fired, &quick));
    ck_assert_int_eq(quick.status, REDIS_UNKNOWN);
    ck_assert_str_eq(quick.error.code, "TIMEOUT");
    ck_assert_int_eq(slow.fired, 0);
    ck_assert(redis_client_ready(client));
    /* Its slot is taken until its reply is in, and the reply reaches nobody. */
    ck_assert_uint_eq(redis_client_in_flight(client), 2);
    fake_redis_push(server, "+slow\r\n+quick\r\n");
    ck_assert(wait_for(fired, &slow));
    ck_assert_str_eq(slow.text, "slow");
    spin(60);
    ck_assert_int_eq(quick.fired, 1);
    ck_assert_uint_eq(redis_client_in_flight(client), 0);
    ck_assert_int_eq(lost_count, 0);
}
END_TEST

START_TEST(given_up_head_still_severs)
{
    start_client();
    fake_redis_always(server, "*", FAKE_SILENT);
    struct outcome slow = {0}, quick = {0};
    command(&slow, 600, "EVAL", "long");
    command(&quick, 100, "GET", "k");
    ck_assert(wait_for(fired, &quick));
    fake_redis_push(server, "+slow\r\n");
    ck_assert(wait_for(fired, &slow));
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_int_eq(quick.fired, 1);
}
END_TEST

START_TEST(bound)
{
    config.max_in_flight = 3;
    start_client();
    struct outcome o[5] = {{0}};
    for (int i = 0; i < 5; i++)
        command(&o[i], 0, "GET", "k");
    ck_assert(wait_for(fired, &o[2]));
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(o[i].fired, 1);
        ck_assert_int_eq(o[i].status, i < 3 ? REDIS_OK : REDIS_NOT_SENT);
    }
    ck_assert_str_eq(o[4].error.code, "QUEUE_FULL");
    ck_assert_int_eq(o[4].error.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(fake_redis_count(server, "GET"), 3);
}
END_TEST

/* A server that does not read: what fits into the sockets may have been run, the rest certainly not. */
START_TEST(loss_with_unsent_commands)
{
    static char big[1024 * 1024];
    memset(big, 'x', sizeof(big) - 1);
    config.timeout_ms = 1000;
    start_client();
    fake_redis_deaf(server);
    struct outcome o[32] = {{0}};
    for (int i = 0; i < 32; i++)
        command(&o[i], 0, i == 0 ? "GET" : "SET", i == 0 ? "k" : big);
    ck_assert(wait_for(fired, &o[31]));
    for (int i = 0; i < 32; i++)
        ck_assert_int_eq(o[i].fired, 1);
    ck_assert_int_eq(o[0].status, REDIS_UNKNOWN);
    ck_assert_str_eq(o[0].error.code, "TIMEOUT");
    ck_assert_int_eq(o[31].status, REDIS_NOT_SENT);
    ck_assert_int_eq(o[31].error.kind, ERROR_RETRIABLE);
    ck_assert(wait_for(is_ready, NULL));
}
END_TEST

START_TEST(one_write_per_turn)
{
    start_client();
    int before = fake_redis_reads(server);
    struct outcome o[50] = {{0}};
    for (int i = 0; i < 50; i++)
        command(&o[i], 0, "GET", "k");
    ck_assert(wait_for(fired, &o[49]));
    ck_assert_int_eq(fake_redis_reads(server), before + 1);
}
END_TEST

static int chain_left;

static void on_chain(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e)
{
    ck_assert_int_eq(status, REDIS_OK);
    if (--chain_left > 0)
        redis_client_command(client, &(struct redis_arg){"INCR", 4}, 1, 0, on_chain, NULL);
}

static bool chain_ended(void *arg)
{
    return chain_left == 0;
}

START_TEST(commands_from_callbacks)
{
    start_client();
    chain_left = 100;
    redis_client_command(client, &(struct redis_arg){"INCR", 4}, 1, 0, on_chain, NULL);
    ck_assert(wait_for(chain_ended, NULL));
    ck_assert_int_eq(fake_redis_count(server, "INCR"), 100);
}
END_TEST

static struct outcome retried;

static void retry_on_loss(void *arg, enum redis_status status, const struct redis_reply *r,
                          const struct error *e)
{
    ck_assert_int_eq(status, REDIS_UNKNOWN);
    command(&retried, 0, "GET", "k");
}

START_TEST(command_inside_the_callback_of_a_lost_one)
{
    start_client();
    retried = (struct outcome){0};
    fake_redis_once(server, "GET", fake_close, false);
    redis_client_command(client, &(struct redis_arg){"GET", 3}, 1, 0, retry_on_loss, NULL);
    ck_assert(wait_for(fired, &retried));
    ck_assert_int_eq(retried.status, REDIS_NOT_SENT);
    ck_assert_str_eq(retried.error.code, "NOT_CONNECTED");
}
END_TEST

START_TEST(metrics)
{
    start_client();
    struct outcome o[2] = {{0}};
    command(&o[0], 0, "get", "k");
    command(&o[1], 0, "GET", "k");
    struct metric_value v;
    struct metric *m = metric_find("rushd.redis.in.flight");
    metric_read(metric_series_next(m, NULL), &v);
    ck_assert_double_eq(v.value, 2);
    ck_assert(wait_for(fired, &o[1]));
    metric_read(metric_series_next(m, NULL), &v);
    ck_assert_double_eq(v.value, 0);
    m = metric_find("lettuce.command.completion");
    ck_assert_ptr_nonnull(m);
    uint64_t gets = 0;
    for (struct metric_series *s = NULL; (s = metric_series_next(m, s)) != NULL;) {
        metric_read(s, &v);
        if (strcmp(metric_label_value(s, 0), "GET") == 0)
            gets = v.count;
    }
    ck_assert_uint_eq(gets, 2);
}
END_TEST

Suite *call_suite(void)
{
    Suite *s = suite_create("call");
    TCase *t = tcase_create("calls");
    tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
    tcase_add_test(t, replies_in_order);
    tcase_add_loop_test(t, retriable_errors, 0, 4);
    tcase_add_test(t, close_in_the_middle_of_a_reply);
    tcase_add_test(t, oldest_over_its_deadline_severs);
    tcase_add_test(t, short_deadline_behind_a_long_one);
    tcase_add_test(t, given_up_head_still_severs);
    tcase_add_test(t, bound);
    tcase_add_test(t, loss_with_unsent_commands);
    tcase_add_test(t, one_write_per_turn);
    tcase_add_test(t, commands_from_callbacks);
    tcase_add_test(t, command_inside_the_callback_of_a_lost_one);
    tcase_add_test(t, metrics);
    suite_add_tcase(s, t);
    return s;
}
