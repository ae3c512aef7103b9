/* Reading the sources again: everything is validated first, then only what may change changes. */
#include "option_test.h"

static struct buf notes;

static void on_note(void *arg, bool warning, const char *text)
{
    buf_printf(&notes, "%s%s\n", warning ? "warning: " : "", text);
}

static void teardown(void)
{
    buf_free(&notes);
    option_test_teardown();
}

static bool reload(const char *text)
{
    option_test_file("conf", text);
    buf_clear(&notes);
    return option_reload(on_note, NULL, &option_error);
}

START_TEST(only_reloadable_keys_change)
{
    option_test_load_file("server.name = a\nserver.port = 1\nserver.timeout = 1s\n");
    ck_assert(reload("\nserver.name = b\nserver.port = 2\nserver.timeout = 1s\n"));
    ck_assert_str_eq(option_values.name, "b");
    ck_assert_int_eq(option_values.port, 1);
    ck_assert_str_eq(buf_str(&notes), "server.name changed\n"
                                      "warning: server.port changed, which takes effect at the next start\n");
    /* What is in use keeps its origin; what did not change may have moved. */
    ck_assert_ptr_nonnull(strstr(option_origin("server.port"), "/conf:2"));
    ck_assert_ptr_nonnull(strstr(option_origin("server.timeout"), "/conf:4"));
    /* Told again as long as file and node differ. */
    ck_assert(reload("server.name = b\nserver.port = 2\n"));
    ck_assert_str_eq(buf_str(&notes), "warning: server.port changed, which takes effect at the next start\n"
                                      "server.timeout changed\n");
    ck_assert_int_eq(option_values.timeout, 5000);
    ck_assert_str_eq(option_origin("server.timeout"), "default");
}
END_TEST

START_TEST(a_fault_changes_nothing)
{
    option_test_load_file("server.name = a\nserver.timeout = 1s\nlogging.level.root = info\n");
    const char *name = option_values.name;
    ck_assert(!reload("server.name = b\nserver.timeout = 2s\nserver.port = x\n"));
    ck_assert_ptr_eq(option_values.name, name);
    ck_assert_int_eq(option_values.timeout, 1000);
    ck_assert_str_eq(buf_str(&notes), "");
    ck_assert_ptr_nonnull(strstr(option_error.text, "conf:3: server.port = x: expected"));
    /* A relation that does not hold is found after the values are in: they go back. */
    ck_assert(!reload("server.name = b\nserver.timeout = 2s\nrange.low = 11\nlogging.level.root = warn\n"));
    ck_assert_str_eq(option_error.text, "range.low must not be above range.high");
    ck_assert_str_eq(option_values.name, "a");
    ck_assert_int_eq(option_values.timeout, 1000);
    ck_assert_int_eq(option_values.low, 1);
    ck_assert_str_eq(option_values.levels.entries[0].value, "info");
    ck_assert_str_eq(buf_str(&notes), "");
    ck_assert(reload("server.name = b\nrange.low = 11\nrange.high = 12\n"));
    ck_assert_int_eq(option_values.low, 11);
    ck_assert_uint_eq(option_values.levels.len, 0);
}
END_TEST

START_TEST(secrets_are_read_again)
{
    struct buf text = BUF_INIT;
    const char *path = option_test_file("secret", "one");
    buf_printf(&text, "datasource.password-file = %s\n", path);
    option_test_load_file(buf_str(&text));
    option_test_file("secret", "two");
    ck_assert(reload(buf_str(&text)));
    ck_assert_str_eq(option_values.password, "two");
    ck_assert_str_eq(buf_str(&notes), "datasource.password changed\n");
    ck_assert(reload("datasource.password = three\n"));
    ck_assert_str_eq(option_values.password, "three");
    buf_free(&text);
}
END_TEST

START_TEST(unchanged_texts_keep_their_memory)
{
    option_test_load_file("server.name = a\nlogging.level.root = info\nkafka.librdkafka.x = 1\n");
    const char *name = option_values.name;
    const struct option_map_entry *levels = option_values.levels.entries;
    ck_assert(reload("logging.level.root = info\nserver.name = a\nkafka.librdkafka.x = 1\n"));
    ck_assert_ptr_eq(option_values.name, name);
    ck_assert_ptr_eq(option_values.levels.entries, levels);
    ck_assert_str_eq(buf_str(&notes), "");
    ck_assert(reload("logging.level.root = debug\nserver.name = a\nkafka.librdkafka.x = 2\n"));
    ck_assert_str_eq(option_values.levels.entries[0].value, "debug");
    ck_assert_str_eq(option_values.extra.entries[0].value, "1");
    ck_assert_str_eq(buf_str(&notes),
                     "warning: kafka.librdkafka.* changed, which takes effect at the next start\n"
                     "logging.level.* changed\n");
}
END_TEST

START_TEST(environment_and_sets_still_win)
{
    ck_assert(option_test_load("server.name = file\nserver.timeout = 1s\n",
                               (const char *[]){"RUSHD_CFG_SERVER_NAME=env", "RUSHD_CFG_NO_SUCH_KEY=1", NULL},
                               (const char *[]){"server.timeout=3s", NULL}));
    ck_assert(reload("server.name = other\nserver.timeout = 2s\n"));
    ck_assert_str_eq(option_values.name, "env");
    ck_assert_int_eq(option_values.timeout, 3000);
    ck_assert_str_eq(buf_str(&notes), "");
}
END_TEST

Suite *option_reload_suite(void)
{
    Suite *s = suite_create("option reload");
    TCase *tc = tcase_create("option reload");
    tcase_add_checked_fixture(tc, option_test_setup, teardown);
    tcase_add_test(tc, only_reloadable_keys_change);
    tcase_add_test(tc, a_fault_changes_nothing);
    tcase_add_test(tc, secrets_are_read_again);
    tcase_add_test(tc, unchanged_texts_keep_their_memory);
    tcase_add_test(tc, environment_and_sets_still_win);
    suite_add_tcase(s, tc);
    return s;
}
