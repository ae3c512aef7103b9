/* Lines, levels and sinks of the log. */
#include "test_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_line.h"

static struct buf lines;
static int64_t now_us = INT64_C(1795425840123456); /* 2026-11-23T09:24:00.123456Z */

static int64_t test_clock(void *self)
{
    return now_us;
}

static const struct clock_ops test_clock_ops = {test_clock, test_clock, NULL};

static void to_buffer(void *arg, const char *line, size_t n)
{
    buf_put(&lines, line, n);
}

static void setup(void)
{
    setenv("TZ", "KST-9", 1);
    tzset();
    clock_use(&test_clock_ops);
    log_set_sink(to_buffer, NULL);
}

static void teardown(void)
{
    log_reset();
    clock_use(NULL);
    buf_free(&lines);
}

/* What was logged since the last call, without the time and level of the first line. */
static const char *logged(void)
{
    static char text[LOG_LINE_MAX * 2];
    const char *at = strstr(buf_str(&lines), " logger=");
    str_copy(text, sizeof(text), at ? at + 1 : buf_str(&lines));
    buf_clear(&lines);
    return text;
}

START_TEST(a_line_has_time_level_logger_and_message)
{
    static LOG_DEFINE(log, "rushd.pg");
    log_warn(&log, "connection lost", LOG_S("host", "db1"), LOG_I("port", 5432));
    ck_assert_str_eq(buf_str(&lines), "ts=2026-11-23T18:24:00.123+09:00 level=warn logger=rushd.pg "
                                      "msg=\"connection lost\" host=db1 port=5432\n");
    buf_clear(&lines);
    log_set_format(LOG_FORMAT_JSON);
    log_error(&log, "connection lost", LOG_S("host", "db1"), LOG_I("port", 5432));
    ck_assert_str_eq(buf_str(&lines),
                     "{\"ts\":\"2026-11-23T18:24:00.123+09:00\",\"level\":\"error\",\"logger\":\"rushd.pg\","
                     "\"msg\":\"connection lost\",\"host\":\"db1\",\"port\":5432}\n");
}
END_TEST

START_TEST(zones_west_and_times_before_the_epoch)
{
    char line[LOG_LINE_MAX];
    setenv("TZ", "NST+3:30", 1);
    tzset();
    size_t n = log_line(line, LOG_FORMAT_LOGFMT, -1, "INFO", "l", "m", NULL, 0);
    line[n] = '\0';
    ck_assert_str_eq(line, "ts=1969-12-31T20:29:59.999-03:30 level=info logger=l msg=m\n");
}
END_TEST

START_TEST(values_are_quoted_where_they_must_be)
{
    static LOG_DEFINE(log, "rushd.test");
    log_info(&log, "m", LOG_S("plain", "a/b:c,d"), LOG_S("blank", "a b"), LOG_S("empty", ""),
             LOG_S("none", NULL), LOG_S("quote", "say \"x\""), LOG_S("slash", "a\\b"), LOG_S("equals", "a=b"),
             LOG_S("lines", "1\n2\r3\t4"), LOG_S("control", "\x01\x1b[0m\x7f"), LOG_S("korean", "재고"),
             LOG_S("broken", "a\xff"), LOG_B("slice", SLICE("x\0y")), LOG_I("min", INT64_MIN),
             LOG_D("half", 0.5), LOG_D("nan", __builtin_nan("")));
    ck_assert_str_eq(logged(),
                     "logger=rushd.test msg=m plain=a/b:c,d blank=\"a b\" empty=\"\" "
                     "quote=\"say \\\"x\\\"\" slash=\"a\\\\b\" equals=\"a=b\" lines=\"1\\n2\\r3\\t4\" "
                     "control=\"\\x01\\x1b[0m\\x7f\" korean=재고 broken=\"a\\xff\" slice=\"x\\x00y\" "
                     "min=-9223372036854775808 half=0.5 nan=nan\n");
}
END_TEST

START_TEST(json_is_escaped)
{
    static LOG_DEFINE(log, "rushd.test");
    log_set_format(LOG_FORMAT_JSON);
    log_info(&log, "m", LOG_S("a", "q\"\\\n\r\t\x01\x7f/"), LOG_S("korean", "재고"),
             LOG_S("broken", "a\xff"
                             "b"),
             LOG_B("slice", SLICE("x\0y")), LOG_D("half", 0.5), LOG_D("inf", __builtin_inf()),
             LOG_S("none", NULL));
    const char *at = strstr(buf_str(&lines), "\"a\"");
    ck_assert_str_eq(
        at, "\"a\":\"q\\\"\\\\\\n\\r\\t\\u0001\\u007f/\",\"korean\":\"재고\",\"broken\":\"a\\ufffdb\","
            "\"slice\":\"x\\u0000y\",\"half\":0.5,\"inf\":null}\n");
}
END_TEST

/* A long value is cut at a character, the line stays whole, what comes behind is left out. */
START_TEST(lines_are_bounded)
{
    static LOG_DEFINE(log, "rushd.test");
    static char value[20000];
    for (int format = LOG_FORMAT_LOGFMT; format <= LOG_FORMAT_JSON; format++) {
        for (size_t ascii = 0; ascii < 7; ascii++) {
            memset(value, 'x', ascii);
            for (size_t i = ascii; i + 3 < sizeof(value); i += 3)
                memcpy(value + i, "\xed\x95\x9c", 4);
            log_set_format((enum log_format)format);
            log_info(&log, "m", LOG_S("long", value), LOG_I("behind", 1));
            ck_assert_uint_le(lines.len, LOG_LINE_MAX);
            ck_assert_uint_gt(lines.len, LOG_LINE_MAX - 32);
            const char *end = format == LOG_FORMAT_JSON ? "...\"}\n" : "...\"\n";
            ck_assert_str_eq(buf_str(&lines) + lines.len - strlen(end), end);
            ck_assert(str_is_utf8(lines.data, lines.len));
            ck_assert_ptr_null(strstr(buf_str(&lines), "behind"));
            buf_clear(&lines);
        }
    }
    /* A message alone may fill the line, and so may many fields. */
    memset(value, '\n', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_info(&log, value, LOG_S("k", value));
    ck_assert_uint_le(lines.len, LOG_LINE_MAX);
    ck_assert_str_eq(buf_str(&lines) + lines.len - 6, "...\"}\n");
    buf_clear(&lines);
    struct log_field many[3000];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = LOG_I("key", INT64_MIN);
    log_write(&log, LOG_LEVEL_INFO, "m", many, ARRAY_LEN(many));
    ck_assert_uint_le(lines.len, LOG_LINE_MAX);
    ck_assert_str_eq(buf_str(&lines) + lines.len - 4, "08}\n");
}
END_TEST

START_TEST(errors_have_a_shorthand)
{
    static LOG_DEFINE(log, "rushd.test");
    struct error e;
    error_set(&e, ERROR_RETRIABLE, "TIMEOUT", "no answer");
    log_error(&log, "failed", LOG_ERR(&e), LOG_I("order", 7));
    ck_assert_str_eq(logged(), "logger=rushd.test msg=failed error=\"no answer\" code=TIMEOUT order=7\n");
}
END_TEST

START_TEST(levels_form_a_tree)
{
    static LOG_DEFINE(top, "rushd");
    static LOG_DEFINE(pg, "rushd.pg");
    static LOG_DEFINE(pool, "rushd.pg.pool");
    static LOG_DEFINE(pgx, "rushd.pgx");
    struct logger *all[] = {&top, &pg, &pool, &pgx};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        log_register(all[i]);
        log_register(all[i]);
        ck_assert_int_eq(all[i]->level, LOG_LEVEL_INFO);
    }
    ck_assert(log_set_level("rushd.pg", LOG_LEVEL_DEBUG));
    ck_assert_int_eq(top.level, LOG_LEVEL_INFO);
    ck_assert_int_eq(pg.level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(pool.level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(pgx.level, LOG_LEVEL_INFO);
    ck_assert(log_set_level("root", LOG_LEVEL_ERROR));
    ck_assert_int_eq(top.level, LOG_LEVEL_ERROR);
    ck_assert_int_eq(pg.level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(pgx.level, LOG_LEVEL_ERROR);
    ck_assert(log_set_level("rushd", LOG_LEVEL_OFF));
    ck_assert_int_eq(pgx.level, LOG_LEVEL_OFF);
    ck_assert_int_eq(pool.level, LOG_LEVEL_DEBUG);
    ck_assert(log_set_level("rushd.pg", -1));
    ck_assert_int_eq(pool.level, LOG_LEVEL_OFF);
    ck_assert(log_set_level("rushd", -1));
    ck_assert_int_eq(pool.level, LOG_LEVEL_ERROR);
    ck_assert(log_set_level("ROOT", -1));
    ck_assert_int_eq(pool.level, LOG_LEVEL_INFO);
    ck_assert(log_set_level("never.set", -1));
}
END_TEST

START_TEST(a_level_set_before_the_first_line_counts)
{
    static LOG_DEFINE(log, "rushd.late");
    ck_assert(log_set_level("rushd.late", LOG_LEVEL_DEBUG));
    log_debug(&log, "seen");
    log_trace(&log, "not seen");
    ck_assert_str_eq(logged(), "logger=rushd.late msg=seen\n");
    static LOG_DEFINE(quiet, "rushd.quiet");
    log_debug(&quiet, "not seen");
    ck_assert_str_eq(logged(), "");
    log_set_level("rushd.quiet", LOG_LEVEL_OFF);
    log_error(&quiet, "not seen");
    ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(java_names_map_to_ours)
{
    static LOG_DEFINE(top, "rushd");
    static LOG_DEFINE(kafka, "rushd.kafka");
    static LOG_DEFINE(redis, "rushd.redis");
    log_register(&top);
    log_register(&kafka);
    log_register(&redis);
    ck_assert(log_set_level("org.apache.kafka", LOG_LEVEL_WARN));
    ck_assert_int_eq(kafka.level, LOG_LEVEL_WARN);
    ck_assert(log_set_level("org.springframework.kafka", LOG_LEVEL_DEBUG));
    ck_assert_int_eq(kafka.level, LOG_LEVEL_DEBUG);
    ck_assert(log_set_level("org.apache.kafka.clients", LOG_LEVEL_OFF));
    ck_assert_int_eq(kafka.level, LOG_LEVEL_DEBUG);
    ck_assert(log_set_level("kr.hhplus.be.server.shared.kafka", LOG_LEVEL_TRACE));
    ck_assert_int_eq(kafka.level, LOG_LEVEL_TRACE);
    ck_assert(log_set_level("kr.hhplus.be.server", LOG_LEVEL_ERROR));
    ck_assert_int_eq(top.level, LOG_LEVEL_ERROR);
    ck_assert_int_eq(redis.level, LOG_LEVEL_ERROR);
    ck_assert(log_set_level("io.lettuce.core", LOG_LEVEL_DEBUG));
    ck_assert_int_eq(redis.level, LOG_LEVEL_ERROR);
    ck_assert(log_set_level("io.lettuce", LOG_LEVEL_DEBUG));
    ck_assert_int_eq(redis.level, LOG_LEVEL_DEBUG);
    ck_assert(log_set_level("com.example.unknown", LOG_LEVEL_DEBUG));
}
END_TEST

START_TEST(names_and_levels_are_checked)
{
    static const char *const bad[] = {"", ".", ".a", "a.", "a..b", "a b", "a\n", "한글", "a/b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!log_set_level(bad[i], LOG_LEVEL_INFO), "%s", bad[i]);
    char longer[200];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ck_assert(!log_set_level(longer, LOG_LEVEL_INFO));
    for (int i = 0; i < LOG_MAX_SETTINGS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        ck_assert(log_set_level(name, LOG_LEVEL_INFO));
    }
    ck_assert(!log_set_level("one.more", LOG_LEVEL_INFO));
    ck_assert(log_set_level("n7", LOG_LEVEL_WARN));
    static const struct {
        const char *text;
        int level;
    } levels[] = {{"trace", LOG_LEVEL_TRACE}, {"DEBUG", LOG_LEVEL_DEBUG}, {"Info", LOG_LEVEL_INFO},
                  {"warn", LOG_LEVEL_WARN},   {"ERROR", LOG_LEVEL_ERROR}, {"fatal", LOG_LEVEL_ERROR},
                  {"off", LOG_LEVEL_OFF},     {"false", LOG_LEVEL_OFF}};
    int level = 77;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        ck_assert(log_level_parse(levels[i].text, &level) && level == levels[i].level);
    level = 77;
    ck_assert(!log_level_parse("verbose", &level) && level == 77);
    ck_assert_str_eq(log_level_name(LOG_LEVEL_WARN), "WARN");
    ck_assert_str_eq(log_level_name(LOG_LEVEL_OFF), "OFF");
}
END_TEST

static void collect(void *arg, const char *name, int configured, int effective)
{
    buf_printf(arg, "%s %d %d\n", name, configured, effective);
}

START_TEST(loggers_are_listed_once)
{
    static LOG_DEFINE(one, "zz.twice");
    static LOG_DEFINE(two, "zz.twice");
    static LOG_DEFINE(other, "zz.a");
    log_register(&one);
    log_register(&other);
    log_register(&two);
    log_set_level("zz.twice", LOG_LEVEL_WARN);
    log_set_level("not.known", LOG_LEVEL_DEBUG);
    struct buf out = BUF_INIT;
    log_each(collect, &out);
    ck_assert_ptr_eq(strstr(buf_str(&out), "root -1 2\n"), buf_str(&out));
    const char *at = strstr(buf_str(&out), "zz.a -1 2\nzz.twice 3 3\n");
    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_null(strstr(at + strlen("zz.a -1 2\nz"), "zz.twice"));
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "not.known 1 1\n"));
    buf_free(&out);
}
END_TEST

START_TEST(without_a_sink_lines_go_to_standard_error)
{
    static LOG_DEFINE(log, "rushd.stderr");
    int fds[2];
    char text[256];
    ck_assert_int_eq(pipe(fds), 0);
    int kept = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    log_set_sink(NULL, NULL);
    log_info(&log, "hello");
    log_write(&log, LOG_LEVEL_DEBUG, "below the level", NULL, 0);
    ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_str_eq(strstr(text, "level="), "level=info logger=rushd.stderr msg=hello\n");
    close(fds[0]);
    close(fds[1]);
    close(kept);
}
END_TEST

START_TEST(loggers_are_known_before_they_are_used)
{
    static LOG_DEFINE(unused, "rushd.unused");
    struct buf out = BUF_INIT;
    log_each(collect, &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "rushd.unused -1 2\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "rushd.health -1 2\n"));
    ck_assert(unused.registered);
    buf_free(&out);
}
END_TEST

START_TEST(a_gate_lets_one_through_per_interval)
{
    struct log_gate gate = {0};
    int64_t suppressed = -1;
    ck_assert(log_gate_open(&gate, 1000, &suppressed));
    ck_assert_int_eq(suppressed, 0);
    now_us += 500000;
    ck_assert(!log_gate_open(&gate, 1000, &suppressed));
    ck_assert(!log_gate_open(&gate, 1000, NULL));
    now_us += 500000;
    ck_assert(log_gate_open(&gate, 1000, &suppressed));
    ck_assert_int_eq(suppressed, 2);
    ck_assert(!log_gate_open(&gate, 1000, NULL));
    now_us += 1000000;
    ck_assert(log_gate_open(&gate, 1000, NULL));
}
END_TEST

Suite *log_suite(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_line_has_time_level_logger_and_message);
    tcase_add_test(tc, zones_west_and_times_before_the_epoch);
    tcase_add_test(tc, values_are_quoted_where_they_must_be);
    tcase_add_test(tc, json_is_escaped);
    tcase_add_test(tc, lines_are_bounded);
    tcase_add_test(tc, errors_have_a_shorthand);
    tcase_add_test(tc, levels_form_a_tree);
    tcase_add_test(tc, a_level_set_before_the_first_line_counts);
    tcase_add_test(tc, java_names_map_to_ours);
    tcase_add_test(tc, names_and_levels_are_checked);
    tcase_add_test(tc, loggers_are_listed_once);
    tcase_add_test(tc, without_a_sink_lines_go_to_standard_error);
    tcase_add_test(tc, loggers_are_known_before_they_are_used);
    tcase_add_test(tc, a_gate_lets_one_through_per_interval);
    suite_add_tcase(s, tc);
    return s;
}
