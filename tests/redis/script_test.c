/* Scripts: first use, digest, NOSCRIPT, many arguments. */
#include <stdio.h>

#include "fixture.h"
#include "redis_suites.h"

#define SHA "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd"

static struct redis_script script;

static void setup(void)
{
    fixture_setup();
    script = (struct redis_script){.name = "take", .text = "return 1", .size = 8};
}

static void run(struct outcome *o)
{
    struct redis_arg args[] = {{"k1", 2}, {"k2", 2}, {"v", 1}};
    redis_client_script(client, &script, args, 3, 2, 0, on_outcome, o);
    ck_assert_int_eq(o->fired, 0);
}

START_TEST(first_use)
{
    start_client();
    fake_redis_forget(server);
    struct outcome a = {0}, b = {0};
    run(&a);
    ck_assert(wait_for(fired, &a));
    ck_assert_str_eq(script.sha1, SHA);
    run(&b);
    ck_assert(wait_for(fired, &b));
    ck_assert_str_eq(fake_redis_log(server),
                     "SCRIPT LOAD return 1\nEVAL return 1 2 k1 k2 v\nEVALSHA " SHA " 2 k1 k2 v\n");
}
END_TEST

START_TEST(burst_before_the_digest_is_known)
{
    start_client();
    struct outcome o[5] = {{0}};
    for (int i = 0; i < 5; i++)
        run(&o[i]);
    ck_assert(wait_for(fired, &o[4]));
    ck_assert_int_eq(fake_redis_count(server, "SCRIPT LOAD"), 1);
    ck_assert_int_eq(fake_redis_count(server, "EVAL "), 5);
}
END_TEST

START_TEST(noscript)
{
    start_client();
    struct outcome first = {0}, o[3] = {{0}};
    run(&first);
    ck_assert(wait_for(fired, &first));
    fake_redis_forget(server);
    for (int i = 0; i < 3; i++) {
        fake_redis_once(server, "EVALSHA", "-NOSCRIPT No matching script. Please use EVAL.\r\n", false);
        run(&o[i]);
    }
    ck_assert(wait_for(fired, &o[2]));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(o[i].status, REDIS_OK);
    /* The text goes once; the others find the script loaded by it. */
    ck_assert_int_eq(fake_redis_count(server, "EVAL return 1 2 k1 k2 v"), 1);
    ck_assert_int_eq(fake_redis_count(server, "EVALSHA " SHA " 2 k1 k2 v"), 5);
}
END_TEST

START_TEST(noscript_for_ever_ends)
{
    start_client();
    fake_redis_always(server, "EVALSHA", "-NOSCRIPT No matching script.\r\n");
    fake_redis_always(server, "EVAL", "-NOSCRIPT from inside the script\r\n");
    struct outcome first = {0}, o = {0};
    run(&first);
    ck_assert(wait_for(fired, &first));
    run(&o);
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_FAILED);
    ck_assert_str_eq(o.error.code, "NOSCRIPT");
}
END_TEST

START_TEST(loaded_again_on_reconnect)
{
    start_client();
    struct outcome o = {0};
    run(&o);
    ck_assert(wait_for(fired, &o));
    fake_redis_forget(server);
    fake_redis_kick(server);
    int once = 1;
    ck_assert(wait_for(is_lost, &once));
    ck_assert(wait_for(is_ready, NULL));
    ck_assert_str_eq(
        fake_redis_log(server),
        "CLIENT SETNAME rushd-test\nINFO server\nINFO replication\nSCRIPT LOAD return 1\nPING\n");
}
END_TEST

START_TEST(load_refused_or_odd)
{
    static const char *const replies[] = {"-ERR no\r\n", ":5\r\n", "$3\r\nabc\r\n", "$-1\r\n"};
    fake_redis_always(server, "SCRIPT", replies[_i]);
    start_client();
    for (int i = 0; i < 2; i++) {
        struct outcome o = {0};
        run(&o);
        ck_assert(wait_for(fired, &o));
        ck_assert_int_eq(o.status, REDIS_OK);
    }
    ck_assert_str_eq(script.sha1, "");
    ck_assert_int_eq(fake_redis_count(server, "EVAL "), 2);
}
END_TEST

START_TEST(many_arguments)
{
    start_client();
    struct outcome o = {0};
    struct redis_arg args[1000];
    for (size_t i = 0; i < ARRAY_LEN(args); i++)
        args[i] = (struct redis_arg){"x", 1};
    redis_client_script(client, &script, args, ARRAY_LEN(args), 1000, 0, on_outcome, &o);
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_OK);
    ck_assert_int_eq(fake_redis_count(server, "EVAL return 1 1000 x x"), 1);
}
END_TEST

START_TEST(not_connected)
{
    fake_redis_accept(server, false);
    make_client();
    struct outcome o = {0};
    run(&o);
    ck_assert(wait_for(fired, &o));
    ck_assert_int_eq(o.status, REDIS_NOT_SENT);
}
END_TEST

START_TEST(lost_after_noscript)
{
    start_client();
    struct outcome first = {0}, o = {0};
    run(&first);
    ck_assert(wait_for(fired, &first));
    fake_redis_once(server, "EVALSHA", "-NOSCRIPT No matching script.\r\n", true);
    run(&o);
    ck_assert(wait_for(fired, &o));
    ck_assert(o.status == REDIS_UNKNOWN || o.status == REDIS_NOT_SENT);
    ck_assert_int_eq(o.fired, 1);
}
END_TEST

Suite *script_suite(void)
{
    Suite *s = suite_create("script");
    TCase *t = tcase_create("scripts");
    tcase_add_checked_fixture(t, setup, fixture_teardown);
    tcase_add_test(t, first_use);
    tcase_add_test(t, burst_before_the_digest_is_known);
    tcase_add_test(t, noscript);
    tcase_add_test(t, noscript_for_ever_ends);
    tcase_add_test(t, loaded_again_on_reconnect);
    tcase_add_loop_test(t, load_refused_or_odd, 0, 4);
    tcase_add_test(t, many_arguments);
    tcase_add_test(t, not_connected);
    tcase_add_test(t, lost_after_noscript);
    suite_add_tcase(s, t);
    return s;
}
