/* The reader of the configuration file. */
#include "test_base.h"

#include "base/buf.h"
#include "base/properties.h"

/* What was read, as "line|key|value;" per pair. */
static struct buf seen;

static bool on_pair(void *arg, int line, struct slice key, struct slice value, struct error *e)
{
    if (slice_eq(key, "stop")) {
        error_set(e, ERROR_PERMANENT, "CONFIG", "stopped");
        return false;
    }
    buf_printf(&seen, "%d|", line);
    buf_put_slice(&seen, key);
    buf_putc(&seen, '|');
    buf_put_slice(&seen, value);
    buf_putc(&seen, '\n');
    return true;
}

static void teardown(void)
{
    buf_free(&seen);
}

static void expect(const char *text, const char *pairs)
{
    struct error e = ERROR_INIT;
    buf_clear(&seen);
    bool ok = properties_parse(text, strlen(text), on_pair, NULL, &e);
    ck_assert_msg(ok, "%s", e.text);
    ck_assert_str_eq(buf_str(&seen), pairs);
}

static void expect_fault(const char *text, size_t n, const char *fault)
{
    struct error e = ERROR_INIT;
    ck_assert(!properties_parse(text, n, on_pair, NULL, &e));
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    ck_assert_str_eq(e.text, fault);
}

START_TEST(pairs_are_trimmed_and_whole)
{
    expect("", "");
    expect("\n\n  \n\t\n", "");
    expect("a=b", "1|a|b\n");
    expect("a = b\nc: d\n", "1|a|b\n2|c|d\n");
    expect("  a.b-c   =   x y   \n", "1|a.b-c|x y\n");
    expect("\ta\t=\tb\t\n", "1|a|b\n");
    expect("a =\nb=\n", "1|a|\n2|b|\n");
    expect("a = b = c : d\n", "1|a|b = c : d\n");
    expect("a : b = c\n", "1|a|b = c\n");
    expect("url = postgresql:///rushd?host=/run\n", "1|url|postgresql:///rushd?host=/run\n");
}
END_TEST

START_TEST(comments_stand_at_the_start_of_a_line)
{
    expect(
        "# x = 1\n! x = 1\n; x = 1\n   # x = 1\na = 1 # not a comment\nb = 2 ; nor this\nc = 3 ! nor this\n",
        "5|a|1 # not a comment\n6|b|2 ; nor this\n7|c|3 ! nor this\n");
    expect("a = #\n", "1|a|#\n");
}
END_TEST

START_TEST(there_are_no_escapes_and_no_continuation)
{
    expect("a = one \\\nb = C:\\temp\\u0041\n", "1|a|one \\\n2|b|C:\\temp\\u0041\n");
    expect("a = \"quoted\"\n", "1|a|\"quoted\"\n");
}
END_TEST

START_TEST(sections_prefix_the_keys_that_follow)
{
    expect("x = 0\n[kafka.producer]\nacks = all\n  linger.ms = 5\n[ server ]\nport = 1\n[]\ny = 2\n",
           "1|x|0\n3|kafka.producer.acks|all\n4|kafka.producer.linger.ms|5\n6|server.port|1\n8|y|2\n");
    expect("   [a]   \nb = [c]\n", "2|a.b|[c]\n");
}
END_TEST

START_TEST(windows_files_are_read)
{
    expect("\xef\xbb\xbf"
           "a = 1\r\n[s]\r\n\r\n# c\r\nb = 2\r\n",
           "1|a|1\n5|s.b|2\n");
    expect("\xef\xbb\xbf", "");
}
END_TEST

START_TEST(lines_may_be_of_any_length)
{
    struct buf text = BUF_INIT, pairs = BUF_INIT;
    buf_puts(&text, "first = 1\n[s]\nlong = ");
    buf_puts(&pairs, "1|first|1\n3|s.long|");
    for (int i = 0; i < 20000; i++) {
        buf_putc(&text, (char)('a' + i % 26));
        buf_putc(&pairs, (char)('a' + i % 26));
    }
    buf_puts(&text, "\nlast = 2");
    buf_puts(&pairs, "\n4|s.last|2\n");
    expect(buf_str(&text), buf_str(&pairs));
    buf_free(&text);
    buf_free(&pairs);
}
END_TEST

START_TEST(malformed_lines_are_named)
{
    static const struct {
        const char *text, *fault;
    } bad[] = {
        {"a = 1\nnonsense\n", "line 2: expected key = value, [section] or a comment"},
        {"= 1\n", "line 1: expected a key before the value"},
        {"  : 1\n", "line 1: expected a key before the value"},
        {"\n[open\n", "line 2: a section is written as [name], with nothing behind it"},
        {"[a] # comment\n", "line 1: a section is written as [name], with nothing behind it"},
        {"[\n", "line 1: a section is written as [name], with nothing behind it"},
        {"[a]b]\n", "line 1: a section is written as [name], with nothing behind it"},
        {"a = \xff\n", "line 1: expected text in UTF-8"},
        {"# \xc0\x80\n", "line 1: expected text in UTF-8"},
        {"a = 1\nstop = 1\nb\n", "stopped"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_fault(bad[i].text, strlen(bad[i].text), bad[i].fault);
    expect_fault("a = 1\0 2\n", 9, "line 1: expected text in UTF-8");
}
END_TEST

Suite *properties_suite(void)
{
    Suite *s = suite_create("properties");
    TCase *tc = tcase_create("properties");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, pairs_are_trimmed_and_whole);
    tcase_add_test(tc, comments_stand_at_the_start_of_a_line);
    tcase_add_test(tc, there_are_no_escapes_and_no_continuation);
    tcase_add_test(tc, sections_prefix_the_keys_that_follow);
    tcase_add_test(tc, windows_files_are_read);
    tcase_add_test(tc, lines_may_be_of_any_length);
    tcase_add_test(tc, malformed_lines_are_named);
    suite_add_tcase(s, tc);
    return s;
}
