/* Loading the configuration: types, precedence, other names, and the text of every fault. */
#include "option_test.h"

#include <signal.h>
#include <stdio.h>

START_TEST(defaults_are_there_without_any_source)
{
    ck_assert(option_test_load(NULL, NULL, NULL));
    ck_assert_str_eq(option_values.name, "node");
    ck_assert_str_eq(option_values.password, "");
    ck_assert(!option_values.flag);
    ck_assert_int_eq(option_values.port, 8083);
    ck_assert_int_eq(option_values.timeout, 5000);
    ck_assert_int_eq(option_values.size, 65536);
    ck_assert_int_eq(option_values.publisher, 0);
    ck_assert_uint_eq(option_values.roles, 7);
    ck_assert_uint_eq(option_values.extra.len, 0);
    ck_assert_str_eq(option_origin("server.port"), "default");
    ck_assert_ptr_null(option_origin("no.such.key"));
    ck_assert_ptr_null(option_origin("kafka.librdkafka.x"));
}
END_TEST

START_TEST(later_sources_win)
{
    const char *const environment[] = {"HOME=/root", "RUSHD_CFG_SERVER_PORT=2",
                                       "RUSHD_CFG_SERVER_TIMEOUT= 2s ", "RUSHD_CFG_SPRING_SERVER_LEAST=22",
                                       NULL};
    const char *const sets[] = {"server.port=3", "server.flag=no", "server.flag = on", NULL};
    ck_assert(
        option_test_load("server.port = 1\nserver.timeout = 1s\nserver.name = file\n", environment, sets));
    ck_assert_int_eq(option_values.port, 3);
    ck_assert_int_eq(option_values.timeout, 2000);
    ck_assert_int_eq(option_values.least, 22);
    ck_assert_str_eq(option_values.name, "file");
    ck_assert(option_values.flag);
    ck_assert_str_eq(option_origin("server.port"), "--set");
    ck_assert_str_eq(option_origin("server.timeout"), "environment");
    const char *file = option_origin("spring.server.name");
    ck_assert_str_eq(strrchr(file, '/'), "/conf:3");
    ck_assert_str_eq(option_origin("server.max-request-body"), "default");
    ck_assert_str_eq(buf_str(&option_notes), "");
    /* A second load starts from the defaults again. */
    ck_assert(option_test_load(NULL, NULL, NULL));
    ck_assert_int_eq(option_values.port, 8083);
    ck_assert_str_eq(option_values.name, "node");
}
END_TEST

START_TEST(durations_have_units)
{
    static const struct {
        const char *text;
        int64_t ms;
    } all[] = {{"1", 1},      {"500ms", 500},  {"5s", 5000},  {"5S", 5000},
               {"1m", 60000}, {"1h", 3600000}, {"007s", 7000}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char line[64];
        snprintf(line, sizeof(line), "server.timeout = %s\n", all[i].text);
        option_test_load_file(line);
        ck_assert_int_eq(option_values.timeout, all[i].ms);
    }
    static const char *const bad[] = {
        "", "s", "5 s", "5x", "1.5s", "-1s", "0", "2h", "25h", "1d", "9223372036854775807d", "5sec", "PT5S"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char line[64], text[256];
        snprintf(line, sizeof(line), "\nserver.timeout = %s\n", bad[i]);
        snprintf(text, sizeof(text),
                 "conf:2: server.timeout = %s: expected a duration (500ms, 5s, 1m, 25h, 7d) from 1ms to 1h",
                 bad[i]);
        ck_assert(!option_test_load(line, NULL, NULL));
        ck_assert_str_eq(option_error.text, text);
    }
}
END_TEST

START_TEST(sizes_have_units)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } all[] = {{"1024", 1024}, {"2048B", 2048},    {"64KB", 65536},
               {"64k", 65536}, {"32MB", 32 << 20}, {"1GB", 1 << 30}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char line[64];
        snprintf(line, sizeof(line), "server.max-request-body = %s\n", all[i].text);
        option_test_load_file(line);
        ck_assert_int_eq(option_values.size, all[i].bytes);
    }
    ck_assert(!option_test_load("server.max-request-body = 2GB", NULL, NULL));
    ck_assert_str_eq(option_error.text,
                     "conf:1: server.max-request-body = 2GB: expected a size (512B, 64KB, 32MB, 1GB) "
                     "from 1KB to 1GB");
    ck_assert(!option_test_load("server.max-request-body = 64TB", NULL, NULL));
    ck_assert(!option_test_load("server.max-request-body = KB", NULL, NULL));
}
END_TEST

START_TEST(flags_have_four_words_each)
{
    static const char *const words[] = {"true", "no", "YES", "off",
                                        "On",   "0",  "1",   "FALSE"}; /* yes and no in turn */
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char line[64];
        snprintf(line, sizeof(line), "server.flag = %s\n", words[i]);
        option_test_load_file(line);
        ck_assert_msg(option_values.flag == (i % 2 == 0), "%s", words[i]);
    }
}
END_TEST

START_TEST(choices_have_synonyms)
{
    option_test_load_file("event.publisher.type = spring\nnode.roles = workers , API\n");
    ck_assert_int_eq(option_values.publisher, 1);
    ck_assert_uint_eq(option_values.roles, 5);
    option_test_load_file("event.publisher.type = Local\nnode.roles = *\n");
    ck_assert_int_eq(option_values.publisher, 1);
    ck_assert_uint_eq(option_values.roles, 7);
    option_test_load_file("node.roles =\n");
    ck_assert_uint_eq(option_values.roles, 0);
}
END_TEST

static const struct {
    const char *file, *fault;
} faults[] = {
    {"server.port = 0", "conf:1: server.port = 0: expected a whole number from 1 to 65535"},
    {"server.port = 65536", "conf:1: server.port = 65536: expected a whole number from 1 to 65535"},
    {"\n\n[server]\nport = 80a", "conf:4: server.port = 80a: expected a whole number from 1 to 65535"},
    {"server.port =", "conf:1: server.port = : expected a whole number from 1 to 65535"},
    {"server.least = 0", "conf:1: server.least = 0: expected a whole number of at least 1"},
    {"range.low = x", "conf:1: range.low = x: expected a whole number"},
    {"server.flag = maybe", "conf:1: server.flag = maybe: expected true or false"},
    {"event.publisher.type = rabbit",
     "conf:1: event.publisher.type = rabbit: expected one of kafka, local (also spring)"},
    {"event.publisher.type =", "conf:1: event.publisher.type = : expected one of kafka, local (also spring)"},
    {"node.roles = api,web", "conf:1: node.roles = api,web: expected a comma list of api, queue, consumers "
                             "(also workers), or * for all"},
    {"node.roles = api,,queue", "conf:1: node.roles = api,,queue: expected a comma list of api, queue, "
                                "consumers (also workers), or * for all"},
    {"server.prot = 80", "conf:1: server.prot = 80: unknown key, the nearest is server.port"},
    {"server.maxRequestBody = 80",
     "conf:1: server.maxRequestBody = 80: unknown key, the nearest is server.max-request-body"},
    {"spring.server.prot = 80", "conf:1: spring.server.prot = 80: unknown key, the nearest is server.port"},
    {"quite.another.thing = 80",
     "conf:1: quite.another.thing = 80: unknown key, rushd --dump-config prints all"},
    {"datasource.pasword = hunter2",
     "conf:1: datasource.pasword = ******: unknown key, the nearest is datasource.password"},
    {"datasource.passwort-file = x",
     "conf:1: datasource.passwort-file = ******: unknown key, the nearest is datasource.password-file"},
    {"redis.password = hunter2",
     "conf:1: redis.password = ******: unknown key, rushd --dump-config prints all"},
    {"server.port-file = x", NULL},
    {"nonsense", "conf:1: expected key = value, [section] or a comment"},
    {"\n[x", "conf:2: a section is written as [name], with nothing behind it"},
    {"server.port = 1\nserver.port = 2", "conf:2: server.port = 2: contradicts server.port of %s:1"},
    {"datasource.password = a\ndatasource.password = b",
     "conf:2: datasource.password = ******: contradicts datasource.password of %s:1"},
    {"datasource.password = a\ndatasource.password-file = /x",
     "conf:2: datasource.password-file = /x: contradicts datasource.password of %s:1"},
    {"datasource.password-file = /x\ndatasource.password = a",
     "conf:2: datasource.password = ******: contradicts datasource.password-file of %s:1"},
    {"datasource.password-file = /nonexistent/file",
     "conf:1: datasource.password-file = /nonexistent/file: cannot be read: No such file or directory"},
    {"datasource.password-file = /", "conf:1: datasource.password-file = /: cannot be read: Is a directory"},
    {"kafka.librdkafka.sasl.password-file = /nonexistent",
     "conf:1: kafka.librdkafka.sasl.password-file = /nonexistent: cannot be read: No such file or directory"},
    {"kafka.librdkafka. = x", NULL},
    {"range.low = 20", "range.low must not be above range.high"},
    {"server.name = a\x01"
     "b",
     "conf:1: server.name = ...: expected one line of text in UTF-8"},
};

START_TEST(faults_say_where_what_and_what_would_do)
{
    ck_assert(!option_test_load(faults[_i].file, NULL, NULL));
    ck_assert_int_eq(option_error.kind, ERROR_PERMANENT);
    ck_assert_str_eq(option_error.code, "CONFIG");
    if (!faults[_i].fault)
        return;
    const char *origin = strstr(faults[_i].fault, "%s");
    size_t n = origin ? (size_t)(origin - faults[_i].fault) : strlen(faults[_i].fault);
    ck_assert_msg(strncmp(option_error.text, faults[_i].fault, n) == 0, "%s", option_error.text);
    if (origin)
        ck_assert_ptr_nonnull(strstr(option_error.text + n, "/conf:1"));
    else
        ck_assert_str_eq(option_error.text, faults[_i].fault);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    ck_assert(!option_load("/nonexistent/rushd.conf", NULL, NULL, NULL, NULL, &option_error));
    ck_assert_str_eq(option_error.text, "/nonexistent/rushd.conf: cannot be read: No such file or directory");
    ck_assert(!option_load("/", NULL, NULL, NULL, NULL, &option_error));
    ck_assert_str_eq(option_error.text, "/: cannot be read: Is a directory");
}
END_TEST

START_TEST(long_values_do_not_push_out_the_advice)
{
    struct buf text = BUF_INIT;
    buf_puts(&text, "server.flag = ");
    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "한");
    ck_assert(!option_test_load(buf_str(&text), NULL, NULL));
    ck_assert_ptr_nonnull(strstr(option_error.text, "...: expected true or false"));
    ck_assert(str_is_utf8(option_error.text, strlen(option_error.text)));
    buf_clear(&text);
    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "k");
    buf_puts(&text, " = 1");
    ck_assert(!option_test_load(buf_str(&text), NULL, NULL));
    ck_assert_ptr_nonnull(strstr(option_error.text, "kkk... = 1: unknown key"));
    buf_free(&text);
}
END_TEST

START_TEST(the_environment_is_checked_too)
{
    ck_assert(!option_test_load(NULL, (const char *[]){"RUSHD_CFG_SERVER_PORT=x", NULL}, NULL));
    ck_assert_str_eq(option_error.text,
                     "environment: server.port = x: expected a whole number from 1 to 65535");
    ck_assert(!option_test_load(NULL, (const char *[]){"RUSHD_CFG_SERVER_NAME=a\nb", NULL}, NULL));
    ck_assert_str_eq(option_error.text, "environment: server.name = ...: expected one line of text in UTF-8");
    ck_assert(!option_test_load(NULL, (const char *[]){"RUSHD_CFG_SERVER_NAME=\xff", NULL}, NULL));
    ck_assert(!option_test_load(
        NULL,
        (const char *[]){"RUSHD_CFG_DATASOURCE_PASSWORD=a", "RUSHD_CFG_DATASOURCE_PASSWORD_FILE=b", NULL},
        NULL));
    ck_assert_str_eq(
        option_error.text,
        "environment: datasource.password-file = b: contradicts datasource.password of environment");
    /* Unknown ones are only warned about: another program's variable must not stop the node. */
    ck_assert(option_test_load(NULL,
                               (const char *[]){"RUSHD_CFG_SERVER_PROT=hunter2", "RUSHD_CFG_WHATEVER_ELSE=1",
                                                "RUSHD_X=1", "RUSHD_CFG_KAFKA_LIBRDKAFKA_X=1", NULL},
                               NULL));
    ck_assert_str_eq(buf_str(&option_notes),
                     "warning: environment: RUSHD_CFG_SERVER_PROT is no known key, the nearest is "
                     "RUSHD_CFG_SERVER_PORT\n"
                     "warning: environment: RUSHD_CFG_WHATEVER_ELSE is no known key\n"
                     "warning: environment: RUSHD_CFG_KAFKA_LIBRDKAFKA_X is no known key\n");
}
END_TEST

START_TEST(sets_are_checked_too)
{
    static const struct {
        const char *set, *fault;
    } bad[] = {
        {"server.port=x", "--set: server.port = x: expected a whole number from 1 to 65535"},
        {"server.prt=1", "--set: server.prt = 1: unknown key, the nearest is server.port"},
        {"server.port", "--set: expected KEY=VALUE"},
        {"=1", "--set: expected KEY=VALUE"},
        {"", "--set: expected KEY=VALUE"},
        {"a\nb=1", "--set: expected KEY=VALUE"},
        {"datasource.pasword=hunter2",
         "--set: datasource.pasword = ******: unknown key, the nearest is datasource.password"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert(!option_test_load(NULL, NULL, (const char *[]){bad[i].set, NULL}));
        ck_assert_str_eq(option_error.text, bad[i].fault);
    }
    ck_assert(
        option_test_load(NULL, NULL, (const char *[]){"server.name=a=b", "kafka.librdkafka.x=y", NULL}));
    ck_assert_str_eq(option_values.name, "a=b");
    ck_assert_uint_eq(option_values.extra.len, 1);
}
END_TEST

START_TEST(keys_have_other_names)
{
    option_test_load_file("spring.application.name = app\nserver.properties.port = 99\n"
                          "kafka.producer.key-serializer = org.apache.Whatever\n"
                          "spring.server.properties.spring.json.add.type.headers = true\n"
                          "server.tomcat.max-http-form-post-size = 2KB\nnothing.to.say = 1\n"
                          "kafka.librdkafka.log_level = 7\n");
    ck_assert_str_eq(option_values.name, "app");
    ck_assert_int_eq(option_values.port, 99);
    ck_assert_int_eq(option_values.size, 2048);
    ck_assert_uint_eq(option_values.extra.len, 0);
    ck_assert_str_eq(buf_str(&option_notes),
                     "conf:3: kafka.producer.key-serializer has no meaning here: messages are JSON\n"
                     "conf:4: spring.server.properties.spring.json.add.type.headers has no meaning here: "
                     "there are no Java classes\n"
                     "conf:5: server.tomcat.max-http-form-post-size is read as server.max-request-body: "
                     "there is no Tomcat\n"
                     "conf:6: nothing.to.say has no meaning here\n"
                     "conf:7: kafka.librdkafka.log_level has no meaning here: logging.level.* does that\n");
    ck_assert(option_test_load(NULL, (const char *[]){"RUSHD_CFG_SPRING_APPLICATION_NAME=env", NULL}, NULL));
    ck_assert_str_eq(option_values.name, "env");
    ck_assert(!option_test_load("server.properties.port = x", NULL, NULL));
    ck_assert_str_eq(option_error.text,
                     "conf:1: server.properties.port = x: expected a whole number from 1 to 65535");
    ck_assert(!option_test_load("server.properties.nothing = x", NULL, NULL));
    ck_assert(!option_test_load("server.port = 1\nserver.properties.port = 2\n", NULL, NULL));
    /* The same value twice is no contradiction. */
    option_test_load_file("server.port = 1\nserver.properties.port = 1\n");
}
END_TEST

START_TEST(maps_take_what_is_below_their_prefix)
{
    option_test_load_file("[kafka.librdkafka]\nssl.ca.location = /etc/ca.pem\nsasl.username = me\n[]\n"
                          "logging.level.root = warn\nlogging.level.org.apache.kafka = DEBUG\n");
    ck_assert_uint_eq(option_values.extra.len, 2);
    ck_assert_str_eq(option_values.extra.entries[0].key, "ssl.ca.location");
    ck_assert_str_eq(option_values.extra.entries[0].value, "/etc/ca.pem");
    ck_assert_str_eq(option_values.extra.entries[1].key, "sasl.username");
    ck_assert_uint_eq(option_values.levels.len, 2);
    ck_assert_str_eq(option_values.levels.entries[1].key, "org.apache.kafka");
    const char *origin = option_origin("kafka.librdkafka.sasl.username");
    ck_assert_str_eq(strrchr(origin, '/'), "/conf:3");
    /* --set replaces an entry of the file. */
    ck_assert(option_test_load("kafka.librdkafka.a = 1\nkafka.librdkafka.b-file = 2\n", NULL,
                               (const char *[]){"kafka.librdkafka.a=3", NULL}));
    ck_assert_uint_eq(option_values.extra.len, 2);
    ck_assert_str_eq(option_values.extra.entries[0].value, "3");
    ck_assert_str_eq(option_values.extra.entries[1].key, "b-file");
}
END_TEST

START_TEST(secrets_come_from_files)
{
    struct buf text = BUF_INIT;
    const char *path = option_test_file("secret", "hunter2\r\n");
    buf_printf(&text, "datasource.password-file = %s\nkafka.librdkafka.sasl.password-file = %s\n", path,
               path);
    option_test_load_file(buf_str(&text));
    ck_assert_str_eq(option_values.password, "hunter2");
    ck_assert_str_eq(option_values.extra.entries[0].key, "sasl.password");
    ck_assert_str_eq(option_values.extra.entries[0].value, "hunter2");
    buf_clear(&text);
    buf_printf(&text, "spring.datasource.pass-file = %s\n", path);
    option_test_load_file(buf_str(&text));
    ck_assert_str_eq(option_values.password, "hunter2");
    /* A later source wins in either form. */
    ck_assert(option_test_load(buf_str(&text), (const char *[]){"RUSHD_CFG_DATASOURCE_PASSWORD=plain", NULL},
                               NULL));
    ck_assert_str_eq(option_values.password, "plain");
    option_test_file("secret", "two\nlines\n\n");
    buf_clear(&text);
    buf_printf(&text, "RUSHD_CFG_DATASOURCE_PASSWORD_FILE=%s", path);
    ck_assert(option_test_load("datasource.password = x", (const char *[]){buf_str(&text), NULL}, NULL));
    ck_assert_str_eq(option_values.password, "two\nlines");
    option_test_file("secret", "\xff\xfe");
    ck_assert(!option_test_load(NULL, (const char *[]){buf_str(&text), NULL}, NULL));
    ck_assert_ptr_nonnull(strstr(option_error.text, ": expected a file with text in UTF-8"));
    option_test_file("secret", "");
    ck_assert(option_test_load(NULL, (const char *[]){buf_str(&text), NULL}, NULL));
    ck_assert_str_eq(option_values.password, "");
    struct buf large = BUF_INIT;
    memset(buf_reserve(&large, 70000), 'x', 70000);
    large.len = 70000;
    option_test_file("secret", buf_str(&large));
    buf_free(&large);
    ck_assert(!option_test_load(NULL, (const char *[]){buf_str(&text), NULL}, NULL));
    ck_assert_ptr_nonnull(strstr(option_error.text, ": cannot be read: it is too large"));
    option_test_load_file("datasource.password-file =\n");
    ck_assert_str_eq(option_values.password, "");
    buf_free(&text);
}
END_TEST

START_TEST(a_dump_is_a_configuration_file_without_secrets)
{
    const char *const environment[] = {"RUSHD_CFG_DATASOURCE_PASSWORD=hunter2", NULL};
    const char *const sets[] = {"node.roles=api", NULL};
    const char *path = option_test_file("secret", "geheim");
    struct buf text = BUF_INIT, dump = BUF_INIT, again = BUF_INIT;
    buf_printf(&text,
               "server.name = x ; y # z\nkafka.librdkafka.sasl.password = hunter3\nkafka.librdkafka.a = b\n"
               "kafka.librdkafka.ssl.key.password-file = %s\n",
               path);
    ck_assert(option_test_load(buf_str(&text), environment, sets));
    option_dump(&dump);
    const char *s = buf_str(&dump);
    ck_assert_ptr_null(strstr(s, "hunter"));
    ck_assert_ptr_null(strstr(s, "geheim"));
    ck_assert_ptr_nonnull(
        strstr(s, "conf:1 (reloadable)\nserver.name = x ; y # z\n# default\nserver.port = 8083\n"));
    ck_assert_ptr_nonnull(strstr(s, "# environment\n# datasource.password = ******\n"));
    ck_assert_ptr_nonnull(strstr(s, "# --set\nnode.roles = api\n"));
    ck_assert_ptr_nonnull(strstr(s, "\n# kafka.librdkafka.sasl.password = ******\n"));
    ck_assert_ptr_nonnull(strstr(s, "\nkafka.librdkafka.a = b\n"));
    ck_assert_ptr_nonnull(strstr(s, "\nkafka.librdkafka.ssl.key.password-file = /tmp/"));
    option_test_load_file(s);
    ck_assert_str_eq(option_values.name, "x ; y # z");
    ck_assert_uint_eq(option_values.roles, 1);
    ck_assert_str_eq(option_values.password, "");
    option_test_load_file("");
    option_dump(&again);
    ck_assert_ptr_nonnull(strstr(buf_str(&again), "# default\ndatasource.password =\n"));
    buf_free(&text);
    buf_free(&dump);
    buf_free(&again);
}
END_TEST

START_TEST(a_sample_shows_every_key)
{
    struct buf sample = BUF_INIT, plain = BUF_INIT;
    option_sample(&sample);
    ck_assert_ptr_nonnull(
        strstr(buf_str(&sample), "# The port.\n# A whole number from 1 to 65535.\n#server.port = 8083\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&sample),
                                 "# How long to wait.\n# A duration (500ms, 5s, 1m, 25h, 7d) from 1ms "
                                 "to 1h. Reloadable.\n#server.timeout = 5s\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&sample), "\n#datasource.password =\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&sample), "\n#kafka.librdkafka.NAME = VALUE\n"));
    for (const char *line = buf_str(&sample); *line; line = strchr(line, '\n') + 1)
        ck_assert_int_le((int)strcspn(line, "\n"), 102);
    /* It changes nothing as it is, and nothing when every '#' before a key is taken away. */
    option_test_load_file(buf_str(&sample));
    ck_assert_str_eq(option_origin("server.port"), "default");
    for (size_t i = 0; i < sample.len; i++)
        if (sample.data[i] != '#' || sample.data[i + 1] == ' ')
            buf_putc(&plain, sample.data[i]);
    option_test_load_file(buf_str(&plain));
    ck_assert_int_eq(option_values.port, 8083);
    ck_assert_ptr_nonnull(strstr(option_origin("server.port"), "conf:"));
    buf_free(&sample);
    buf_free(&plain);
}
END_TEST

START_TEST(options_are_listed_in_order)
{
    size_t n = 0;
    while (option_at(n))
        n++;
    ck_assert_uint_eq(n, 13);
    ck_assert_str_eq(option_at(0)->key, "server.name");
    ck_assert_str_eq(option_at(12)->key, "range.high");
}
END_TEST

static int64_t number;
static const struct option twice[] = {{"server-port", OPTION_INT, &number, "1", .help = "x"}, {0}};
static const struct option bad_default[] = {{"x.y", OPTION_INT, &number, "one", .help = "x"}, {0}};
static const struct option_table bad_tables[] = {{.options = twice}, {.options = bad_default}};

START_TEST(a_wrong_table_is_a_bug)
{
    option_register(&bad_tables[_i]);
}
END_TEST

Suite *option_suite(void)
{
    Suite *s = suite_create("option");
    TCase *tc = tcase_create("option");
    tcase_add_checked_fixture(tc, option_test_setup, option_test_teardown);
    tcase_add_test(tc, defaults_are_there_without_any_source);
    tcase_add_test(tc, later_sources_win);
    tcase_add_test(tc, durations_have_units);
    tcase_add_test(tc, sizes_have_units);
    tcase_add_test(tc, flags_have_four_words_each);
    tcase_add_test(tc, choices_have_synonyms);
    tcase_add_loop_test(tc, faults_say_where_what_and_what_would_do, 0, (int)ARRAY_LEN(faults));
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_test(tc, long_values_do_not_push_out_the_advice);
    tcase_add_test(tc, the_environment_is_checked_too);
    tcase_add_test(tc, sets_are_checked_too);
    tcase_add_test(tc, keys_have_other_names);
    tcase_add_test(tc, maps_take_what_is_below_their_prefix);
    tcase_add_test(tc, secrets_come_from_files);
    tcase_add_test(tc, a_dump_is_a_configuration_file_without_secrets);
    tcase_add_test(tc, a_sample_shows_every_key);
    tcase_add_test(tc, options_are_listed_in_order);
    suite_add_tcase(s, tc);
    tc = tcase_create("option tables");
    tcase_add_checked_fixture(tc, option_test_setup, option_test_teardown);
    tcase_add_loop_test_raise_signal(tc, a_wrong_table_is_a_bug, SIGABRT, 0, (int)ARRAY_LEN(bad_tables));
    suite_add_tcase(s, tc);
    return s;
}
