/* Log output: lines arrive, a reader that stops does not block the loop, dropped lines are counted and
 * reported. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "loop_suites.h"

LOG_DEFINE(log_test, "rushd.test");

static struct loop *l;

static void setup(void)
{
    l = loop_new();
}

static void teardown(void)
{
    loop_free(l);
    metric_reset();
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void read_all(int fd, struct buf *out)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
        if (n <= 0)
            return;
        out->len += (size_t)n;
    }
}

static double dropped(void)
{
    struct metric_value v;
    metric_read(metric_series_next(metric_find("rushd.log.dropped"), NULL), &v);
    return v.value;
}

START_TEST(lines_arrive_through_a_pipe)
{
    int fds[2];
    struct buf out = BUF_INIT;
    ck_assert_int_eq(pipe(fds), 0);
    loop_log_start(l, fds[1]);
    log_warn(&log_test, "one");
    log_warn(&log_test, "two");
    loop_run_until(l, never, NULL, 5);
    ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0); /* the given descriptor stays as it was */
    read_all(fds[0], &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "one"));
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "two"));
    loop_log_stop(l);
    close(fds[0]);
    close(fds[1]);
    buf_free(&out);
}
END_TEST

/* Write more than pipe and ring hold while nobody reads, then read: in order, and the loss is reported. */
static void overflow(int fds[2])
{
    char filler[1000];
    struct buf out = BUF_INIT;
    memset(filler, 'f', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    loop_log_start(l, fds[1]);
    int64_t start_ms = clock_mono_ms();
    for (int i = 0; i < 4000; i++) {
        log_warn(&log_test, "line", LOG_I("number", i), LOG_S("filler", filler));
        if (i % 100 == 0)
            loop_run_until(l, never, NULL, 0);
    }
    ck_assert_int_lt(clock_mono_ms() - start_ms, 5000);
    ck_assert(dropped() > 0);
    for (int i = 0; i < 200 && !strstr(buf_str(&out), "lines were dropped"); i++) {
        read_all(fds[0], &out);
        loop_run_until(l, never, NULL, 2);
    }
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "lines were dropped"));
    log_warn(&log_test, "alive again");
    loop_log_stop(l);
    read_all(fds[0], &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "alive again"));
    buf_free(&out);
    close(fds[0]);
    close(fds[1]);
}

START_TEST(slow_pipe_drops_and_reports)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    overflow(fds);
}
END_TEST

START_TEST(slow_socket_drops_and_reports)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    overflow(fds);
}
END_TEST

START_TEST(stop_waits_for_a_dead_reader_only_shortly)
{
    int fds[2];
    char filler[65536 - 1000];
    memset(filler, 'f', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    ck_assert_int_eq(pipe(fds), 0);
    loop_log_start(l, fds[1]);
    for (int i = 0; i < 4; i++)
        log_warn(&log_test, "line", LOG_S("filler", filler));
    int64_t start_ms = clock_mono_ms();
    loop_log_stop(l);
    ck_assert_int_lt(clock_mono_ms() - start_ms, 1000);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(regular_file_takes_lines)
{
    char path[] = "/tmp/rushd-log-XXXXXX";
    int fd = mkstemp(path);
    struct buf out = BUF_INIT;
    loop_log_start(l, fd);
    log_warn(&log_test, "to a file");
    loop_run_until(l, never, NULL, 1);
    lseek(fd, 0, SEEK_SET);
    read_all(fd, &out);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "to a file"));
    loop_log_stop(l);
    buf_free(&out);
    close(fd);
    unlink(path);
}
END_TEST

Suite *log_suite(void)
{
    Suite *s = suite_create("log output");
    TCase *c = tcase_create("output");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, lines_arrive_through_a_pipe);
    tcase_add_test(c, slow_pipe_drops_and_reports);
    tcase_add_test(c, slow_socket_drops_and_reports);
    tcase_add_test(c, stop_waits_for_a_dead_reader_only_shortly);
    tcase_add_test(c, regular_file_takes_lines);
    suite_add_tcase(s, c);
    return s;
}
