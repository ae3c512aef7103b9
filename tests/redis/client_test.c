/* The life of the connection against a scripted server. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"
#include "redis_suites.h"

START_TEST(greeting)
{
    config.password = "secret";
    config.database = 3;
    start_client();
    ck_assert_str_eq(
        fake_redis_log(server),
        "AUTH secret\nSELECT 3\nCLIENT SETNAME rushd-test\nINFO server\nINFO replication\nPING\n");
    ck_assert_str_eq(redis_client_run_id(client), "0123456789abcdef0123456789abcdef01234567");
    ck_assert_str_eq(redis_client_version(client), "7.0.15");
    ck_assert_int_eq(ready_count, 1);
    ck_assert_int_eq(lost_count, 0);
    ck_assert_uint_eq(redis_client_in_flight(client), 0);
}
END_TEST

START_TEST(greeting_with_user)
{
    config.username = "node";
    config.password = "secret";
    start_client();
    ck_assert_int_eq(fake_redis_count(server, "AUTH node secret"), 1);
    ck_assert_int_eq(fake_redis_count(server, "SELECT"), 0);
}
END_TEST

START_TEST(host_name)
{
    config.host = "localhost";
    start_client();
}
END_TEST

START_TEST(unix_socket)
{
    char dir[] = "/tmp/rushd-redis-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    struct fake_redis *f = fake_redis_new(loop, path);
    config.socket = path;
    config.port = 1;
    start_client();
    ck_assert_int_eq(fake_redis_connections(f), 1);
    redis_client_free(client);
    client = NULL;
    fake_redis_free(f);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(unix_socket_missing)
{
    config.socket = "/nonexistent/redis.sock";
    make_client();
    ck_assert(!redis_client_ready(client));
    ck_assert_int_eq(lost_count, 0);
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_str_eq(last_reason, "/nonexistent/redis.sock: No such file or directory");
    spin(300);
    /* The same reason is told once. */
    ck_assert_int_eq(lost_count, 1);
}
END_TEST

START_TEST(unix_socket_too_long)
{
    char path[120];
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    config.socket = path;
    make_client();
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_ptr_nonnull(strstr(last_reason, "too long"));
}
END_TEST

static const struct {
    const char *command, *reply, *reason;
} refusals[] = {
    {"AUTH", "-WRONGPASS invalid username-password pair or user is disabled.\r\n", "WRONGPASS"},
    {"SELECT", "-ERR DB index is out of range\r\n", "DB index"},
    {"INFO", "-NOAUTH Authentication required.\r\n", "NOAUTH"},
    {"INFO", "-NOPERM this user has no permissions\r\n", "NOPERM"},
    {"INFO", ":5\r\n", "run_id"},
    {"INFO", "$-1\r\n", "run_id"},
    {"INFO", "*2\r\n:1\r\n:2\r\n", "run_id"},
    {"INFO", "$9\r\nrun_id:\r\n\r\n", "run_id"},
    {"PING", "-LOADING Redis is loading the dataset in memory\r\n", "LOADING"},
    {"PING", "-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN"},
};

START_TEST(refused_greeting_is_retried)
{
    config.password = "secret";
    config.database = 3;
    fake_redis_once(server, refusals[_i].command, refusals[_i].reply, false);
    make_client();
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert(!redis_client_ready(client));
    ck_assert_msg(strstr(last_reason, refusals[_i].reason), "%s", last_reason);
    ck_assert(wait_for(is_ready, NULL));
    ck_assert_int_eq(fake_redis_connections(server), 2);
}
END_TEST

START_TEST(new_password_is_used)
{
    config.password = "old";
    fake_redis_once(server, "AUTH", "-WRONGPASS no\r\n", false);
    make_client();
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    redis_client_set_password(client, "new");
    ck_assert(wait_for(is_ready, NULL));
    ck_assert_int_eq(fake_redis_count(server, "AUTH old"), 1);
    ck_assert_int_eq(fake_redis_count(server, "AUTH new"), 1);
}
END_TEST

START_TEST(setname_may_be_refused)
{
    fake_redis_always(server, "CLIENT", "-ERR unknown command\r\n");
    start_client();
}
END_TEST

START_TEST(silent_greeting_times_out)
{
    fake_redis_once(server, "PING", FAKE_SILENT, false);
    make_client();
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_ptr_nonnull(strstr(last_reason, "no answer in time"));
    ck_assert(wait_for(is_ready, NULL));
}
END_TEST

START_TEST(slow_accept_times_out)
{
    fake_redis_accept(server, false);
    make_client();
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_ptr_nonnull(strstr(last_reason, "in time"));
    fake_redis_accept(server, true);
    ck_assert(wait_for(is_ready, NULL));
}
END_TEST

START_TEST(refused_connection)
{
    struct fake_redis *gone = fake_redis_new(loop, NULL);
    config.port = fake_redis_port(gone);
    fake_redis_free(gone);
    make_client();
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_str_eq(last_reason, "127.0.0.1: Connection refused");
    struct outcome o = {0};
    command(&o, 0, "GET", "k");
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_NOT_SENT);
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(o.error.code, "NOT_CONNECTED");
}
END_TEST

START_TEST(reconnects_after_loss)
{
    start_client();
    fake_redis_kick(server);
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_str_eq(last_reason, "the server closed the connection");
    fake_redis_always(server, "INFO", "$16\r\nrun_id:another\r\n\r\n");
    ck_assert(wait_for(is_ready, NULL));
    ck_assert_str_eq(redis_client_run_id(client), "another");
    ck_assert_int_eq(ready_count, 2);
    struct metric_value v;
    metric_read(metric_series_next(metric_find("rushd.redis.reconnects"), NULL), &v);
    ck_assert_double_eq(v.value, 1);
}
END_TEST

static const char *const garbage[] = {
    "hello\r\n", "$abc\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "\r\n\r\n",  ":1x\r\n",  "HTTP/1.1 400 Bad Request\r\n\r\n",
};

/* READONLY after a failover, LOADING, MASTERDOWN: what was sent is answered, then the connection goes. */
static const char *const leaving[] = {"-READONLY You can't write against a read only replica.\r\n",
                                      "-LOADING Redis is loading the dataset in memory\r\n",
                                      "-MASTERDOWN Link with MASTER is down\r\n",
                                      "-ERR Error running script (call to f_a42059b3): @user_script:12: "
                                      "@user_script: 12: -READONLY You can't write.\r\n"};
static const char *const leaving_code[] = {"READONLY", "LOADING", "MASTERDOWN", "READONLY"};

static void on_refused_while_leaving(void *arg, enum redis_status status, const struct redis_reply *r,
                                     const struct error *e)
{
    struct outcome *o = arg;
    on_outcome(&o[0], status, r, e);
    command(&o[1], 0, "GET", "late");
}

START_TEST(a_server_that_cannot_serve_is_left)
{
    start_client();
    struct outcome o[4] = {{0}};
    fake_redis_once(server, "SET", leaving[_i], false);
    redis_client_command(client, (struct redis_arg[]){{"SET", 3}}, 1, 0, on_refused_while_leaving, &o[0]);
    command(&o[2], 0, "GET", "1");
    command(&o[3], 0, "GET", "2");
    for (int i = 0; i < 4; i++)
        ck_assert(wait_for(fired, &o[i]));
    ck_assert_int_eq(o[0].status, REDIS_FAILED);
    ck_assert_int_eq(o[0].error.kind, ERROR_RETRIABLE);
    ck_assert_int_eq(o[1].status, REDIS_NOT_SENT);
    ck_assert_int_eq(o[2].status, REDIS_OK);
    ck_assert_int_eq(o[3].status, REDIS_OK);
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_msg(strstr(last_reason, leaving_code[_i]) != NULL, "%s", last_reason);
    ck_assert(wait_for(is_ready, NULL));
    ck_assert_int_eq(fake_redis_connections(server), 2);
    struct outcome after = {0};
    command(&after, 0, "GET", "k");
    ck_assert(wait_for(fired, &after));
    ck_assert_int_eq(after.status, REDIS_OK);
}
END_TEST

static bool has_five_connections(void *arg)
{
    return fake_redis_connections(server) >= 5;
}

/* With back-off, until there is a master. */
START_TEST(a_read_only_replica_is_not_ready)
{
    fake_redis_always(
        server, "INFO",
        "$80\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\nrole:slave\r\nslave_read_only:1\r\n\r\n");
    int64_t from = clock_mono_us();
    make_client();
    ck_assert(wait_for(has_five_connections, NULL));
    ck_assert_int_ge(clock_mono_us() - from, 400000); /* 50, 100, 200, 400 ms, a quarter less at most */
    ck_assert_int_eq(ready_count, 0);
    ck_assert_str_eq(last_reason, "the server is a read-only replica");
    fake_redis_always(server, "INFO", "$49\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\n\r\n");
    ck_assert(wait_for(is_ready, NULL));
}
END_TEST

START_TEST(garbage_is_severed)
{
    start_client();
    fake_redis_once(server, "GET", garbage[_i], false);
    struct outcome o = {0};
    command(&o, 0, "GET", "k");
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_UNKNOWN);
    ck_assert_int_eq(o.error.kind, ERROR_UNKNOWN);
    ck_assert_str_eq(o.error.code, "PROTOCOL");
    ck_assert(!redis_client_ready(client));
    ck_assert(wait_for(is_ready, NULL));
    spin(50);
    ck_assert_int_eq(o.fired, 1);
}
END_TEST

START_TEST(reply_without_command_is_severed)
{
    start_client();
    fake_redis_push(server, _i == 0 ? "+surprise\r\n" : "-ERR max number of clients reached\r\n");
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert_ptr_nonnull(strstr(last_reason, _i == 0 ? "nothing asked for" : "max number of clients"));
    ck_assert(wait_for(is_ready, NULL));
}
END_TEST

static int closings;

static void on_closed(void *arg)
{
    closings++;
}

static bool is_closed(void *arg)
{
    return closings > 0;
}

START_TEST(close_waits_for_replies)
{
    start_client();
    closings = 0;
    struct outcome a = {0}, b = {0};
    command(&a, 0, "GET", "k");
    redis_client_close(client, 1000, on_closed, NULL);
    redis_client_close(client, 1000, on_closed, NULL);
    command(&b, 0, "GET", "k");
    ck_assert(!redis_client_ready(client));
    ck_assert_int_eq(closings, 0);
    ck_assert(wait_for(is_closed, NULL));
    ck_assert_int_eq(a.status, REDIS_OK);
    ck_assert_int_eq(b.status, REDIS_NOT_SENT);
    ck_assert_str_eq(b.error.code, "CLOSED");
    ck_assert_int_eq(a.fired, 1);
    ck_assert_int_eq(b.fired, 1);
    spin(150);
    ck_assert_int_eq(closings, 1);
    ck_assert_int_eq(fake_redis_connections(server), 1);
    struct outcome c = {0};
    command(&c, 0, "GET", "k");
    ck_assert(wait_for(fired, &c));
    ck_assert_int_eq(c.status, REDIS_NOT_SENT);
}
END_TEST

START_TEST(close_has_a_deadline)
{
    start_client();
    closings = 0;
    fake_redis_always(server, "GET", FAKE_SILENT);
    struct outcome a = {0};
    command(&a, 5000, "GET", "k");
    spin(20);
    redis_client_close(client, 100, on_closed, NULL);
    ck_assert(wait_for(is_closed, NULL));
    ck_assert_int_eq(a.status, REDIS_UNKNOWN);
    ck_assert_str_eq(a.error.code, "CLOSED");
}
END_TEST

START_TEST(close_while_connecting)
{
    fake_redis_always(server, "PING", FAKE_SILENT);
    make_client();
    closings = 0;
    spin(_i * 50);
    redis_client_close(client, 1000, on_closed, NULL);
    ck_assert_int_eq(closings, 0);
    ck_assert(wait_for(is_closed, NULL));
    ck_assert_int_eq(lost_count, 0);
}
END_TEST

START_TEST(free_fires_what_runs)
{
    start_client();
    closings = 0;
    fake_redis_always(server, "GET", FAKE_SILENT);
    struct outcome sent = {0}, unsent = {0}, refused = {0};
    command(&sent, 0, "GET", "k");
    spin(20);
    command(&unsent, 0, "GET", "k");
    redis_client_close(client, 1000, on_closed, NULL);
    command(&refused, 0, "GET", "k");
    redis_client_free(client);
    client = NULL;
    ck_assert_int_eq(sent.status, REDIS_UNKNOWN);
    ck_assert_int_eq(unsent.status, REDIS_NOT_SENT);
    ck_assert_int_eq(refused.status, REDIS_NOT_SENT);
    ck_assert_int_eq(sent.fired + unsent.fired + refused.fired, 3);
    ck_assert_int_eq(closings, 1);
}
END_TEST

static void free_in_callback(void *arg, enum redis_status status, const struct redis_reply *r,
                             const struct error *e)
{
    on_outcome(arg, status, r, e);
    redis_client_free(client);
    client = NULL;
}

START_TEST(free_inside_a_callback)
{
    start_client();
    fake_redis_always(server, "GET", _i == 0 ? "+OK\r\n" : _i == 1 ? fake_close : FAKE_SILENT);
    struct outcome o[3] = {{0}};
    struct redis_arg get = {"GET", 3};
    redis_client_command(client, &get, 1, 0, on_outcome, &o[0]);
    redis_client_command(client, &get, 1, 0, free_in_callback, &o[1]);
    redis_client_command(client, &get, 1, 0, on_outcome, &o[2]);
    ck_assert(wait_for(fired, &o[2]));
    ck_assert_ptr_null(client);
    ck_assert_int_eq(o[0].fired + o[1].fired + o[2].fired, 3);
    ck_assert_int_eq(o[0].status, _i == 0 ? REDIS_OK : REDIS_UNKNOWN);
    ck_assert_int_eq(o[2].status, REDIS_UNKNOWN);
}
END_TEST

static void free_on_loss(void *arg, bool ready, const char *reason)
{
    redis_client_free(client);
    client = NULL;
}

START_TEST(free_inside_the_state_callback)
{
    start_client();
    redis_client_on_state(client, free_on_loss, NULL);
    struct outcome o = {0};
    fake_redis_always(server, "GET", fake_close);
    command(&o, 0, "GET", "k");
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_UNKNOWN);
    ck_assert_ptr_null(client);
}
END_TEST

Suite *client_suite(void)
{
    Suite *s = suite_create("client");
    TCase *t = tcase_create("life");
    tcase_add_checked_fixture(t, fixture_setup, fixture_teardown);
    tcase_add_test(t, greeting);
    tcase_add_test(t, greeting_with_user);
    tcase_add_test(t, host_name);
    tcase_add_test(t, unix_socket);
    tcase_add_test(t, unix_socket_missing);
    tcase_add_test(t, unix_socket_too_long);
    tcase_add_loop_test(t, refused_greeting_is_retried, 0, ARRAY_LEN(refusals));
    tcase_add_test(t, new_password_is_used);
    tcase_add_test(t, setname_may_be_refused);
    tcase_add_test(t, silent_greeting_times_out);
    tcase_add_test(t, slow_accept_times_out);
    tcase_add_test(t, refused_connection);
    tcase_add_test(t, reconnects_after_loss);
    tcase_add_loop_test(t, a_server_that_cannot_serve_is_left, 0, ARRAY_LEN(leaving));
    tcase_add_test(t, a_read_only_replica_is_not_ready);
    tcase_add_loop_test(t, garbage_is_severed, 0, ARRAY_LEN(garbage));
    tcase_add_loop_test(t, reply_without_command_is_severed, 0, 2);
    tcase_add_test(t, close_waits_for_replies);
    tcase_add_test(t, close_has_a_deadline);
    tcase_add_loop_test(t, close_while_connecting, 0, 2);
    tcase_add_test(t, free_fires_what_runs);
    tcase_add_loop_test(t, free_inside_a_callback, 0, 3);
    tcase_add_test(t, free_inside_the_state_callback);
    suite_add_tcase(s, t);
    return s;
}
