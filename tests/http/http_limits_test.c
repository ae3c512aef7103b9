/* Deadlines, caps, descriptors, drain: what keeps bad peers from taking the server along (guarantees section
 * 3, G11). */
#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metric.h"
#include "tests/http/peer.h"
#include "tests/http/suites.h"

#define H "Host: h\r\n"

static struct site site;
static struct peer peer;

static void setup(void)
{
    site_init(&site);
}

static void teardown(void)
{
    site_stop(&site);
    metric_reset();
}

static void start(void)
{
    site_start(&site);
    peer_open(&peer, &site);
}

START_TEST(slow_headers_get_408)
{
    site.cfg.header_timeout_ms = 200;
    start();
    for (int i = 0; i < 100 && !peer_unread(&peer); i++) { /* one byte now and then does not help */
        peer_send(&peer, i ? "x" : "GET /");
        site_idle(&site, 20);
    }
    const char *answer = peer_answer(&peer, false);
    ck_assert_str_eq(answer,
                     "HTTP/1.1 408 Request Timeout\nConnection: close\nContent-Length: 18\nContent-Type: "
                     "text/plain\n\nerror 408 headless");
    peer_expect_close(&peer);
    peer_close(&peer);
}
END_TEST

START_TEST(slow_bodies_get_408)
{
    site.cfg.body_timeout_ms = 200;
    start();
    peer_send(&peer, "POST /echo HTTP/1.1\r\n" H "Content-Length: 900\r\n\r\n");
    for (int i = 0; i < 100 && !peer_unread(&peer); i++) {
        peer_send(&peer, "x");
        site_idle(&site, 20);
    }
    peer_expect(&peer, 408, "error 408");
    peer_expect_close(&peer);
    ck_assert_uint_eq(site.calls, 0);
    peer_close(&peer);
}
END_TEST

START_TEST(idle_connections_close_silently)
{
    site.cfg.keep_alive_timeout_ms = 100;
    start();
    struct peer used;
    peer_open(&used, &site);
    peer_send(&used, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&used, 200, "/echo");
    peer_expect_close(&used);
    peer_expect_close(&peer);
    peer_close(&used);
    peer_close(&peer);
}
END_TEST

START_TEST(unanswered_requests_get_503)
{
    site.cfg.request_timeout_ms = 100;
    start();
    peer_send(&peer, "GET /later HTTP/1.1\r\n" H "X-Request-Id: a\r\n\r\nGET /later HTTP/1.1\r\n" H "\r\n"
                     "GET /later HTTP/1.1\r\n" H "\r\n");
    site_wait_kept(&site, 3);
    site_answer(&site, 1, "in time");
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 503 Service Unavailable\nX-Request-Id: a\nContent-Length: 18\nContent-Type: "
                     "text/plain\nRetry-After: 1\n\nerror 503 headless");
    peer_expect(&peer, 200, "in time");
    peer_expect(&peer, 503, NULL);
    ck_assert(!http_reply_wanted(site.server, site.kept[0]));
    site_answer(&site, 0, "late");
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&peer, 200, "/echo");
    peer_close(&peer);
}
END_TEST

static bool connections_are(void *arg)
{
    return http_server_connections(site.server) == *(const size_t *)arg;
}

static bool wait_for_connections(size_t n)
{
    return loop_run_until(site.loop, connections_are, &n, 10000);
}

START_TEST(readers_that_do_not_read_are_cut)
{
    static const char megabyte[1 << 20] = {0};
    site.cfg.write_timeout_ms = 100;
    for (int i = 0; i < 64; i++) /* more than the sockets take */
        buf_put(&site.big, megabyte, sizeof megabyte);
    start();
    peer_hold(&peer, true);
    peer_send(&peer, "GET /big HTTP/1.1\r\n" H "\r\n");
    ck_assert(wait_for_connections(1));
    ck_assert(wait_for_connections(0));
    peer_close(&peer);
}
END_TEST

/* A slow reader that goes on reading is served to the end. */
START_TEST(slow_readers_are_served)
{
    site.cfg.write_timeout_ms = 300;
    for (int i = 0; i < 1000000; i++)
        buf_puts(&site.big, "0123456789");
    start();
    peer_hold(&peer, true);
    peer_send(&peer, "GET /big HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < 20; i++) {
        site_idle(&site, 40);
        peer_hold(&peer, false);
        site_idle(&site, 1);
        peer_hold(&peer, true);
    }
    peer_hold(&peer, false);
    peer_expect(&peer, 200, NULL);
    peer_close(&peer);
}
END_TEST

START_TEST(connections_over_the_cap_get_503)
{
    site.cfg.max_connections = 2;
    start();
    struct peer second, third;
    peer_open(&second, &site);
    peer_open(&third, &site);
    const char *answer = peer_answer(&third, false);
    ck_assert_str_eq(answer,
                     "HTTP/1.1 503 Service Unavailable\nConnection: close\nContent-Length: 18\nContent-Type: "
                     "text/plain\nRetry-After: 1\n\nerror 503 headless");
    peer_expect_close(&third);
    peer_close(&third);
    peer_close(&second);
    site_idle(&site, 20);
    peer_open(&third, &site);
    peer_send(&third, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&third, 200, "/echo");
    peer_close(&third);
    peer_close(&peer);
}
END_TEST

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Without a free descriptor clients are told so, the loop does not spin, and service resumes by itself. */
START_TEST(running_out_of_descriptors_does_not_spin)
{
    start();
    struct peer waiting[4];
    int filler[4096];
    size_t n = 0;
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&peer, 200, "/echo");
    struct rlimit old, small;
    getrlimit(RLIMIT_NOFILE, &old);
    for (size_t i = 0; i < 4; i++)
        peer_open(&waiting[i], &site); /* in the backlog: the loop does not turn */
    small = (struct rlimit){64, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &small);
    while (n < ARRAY_LEN(filler) && (filler[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    for (size_t i = 0; i < 4; i++) {
        peer_expect(&waiting[i], 503, "");
        peer_expect_close(&waiting[i]);
        peer_close(&waiting[i]);
    }
    while (n > 4)
        close(filler[--n]);
    double before = cpu_seconds();
    site_idle(&site, 300);
    ck_assert(cpu_seconds() - before < 0.2);
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n"); /* who was there is served all along */
    peer_expect(&peer, 200, "/echo");
    peer_open(&waiting[0], &site);
    peer_send(&waiting[0], "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&waiting[0], 200, "/echo");
    peer_close(&waiting[0]);
    while (n)
        close(filler[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    peer_close(&peer);
}
END_TEST

static void on_drained(void *arg)
{
    site.drained = true;
}

static bool is_drained(void *arg)
{
    return site.drained;
}

START_TEST(drain_finishes_what_runs)
{
    start();
    struct peer idle, partial;
    peer_open(&idle, &site);
    peer_open(&partial, &site);
    peer_send(&idle, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&idle, 200, "/echo");
    peer_send(&partial, "GET /echo HTTP/1.1\r\n");
    peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\nGET /later HTTP/1.1\r\n" H "\r\n");
    site_wait_kept(&site, 2);
    site_idle(&site, 20);
    http_server_drain(site.server, 10000, on_drained, NULL);
    ck_assert(!site.drained);
    peer_expect_close(&idle);
    ck_assert_uint_eq(http_server_connections(site.server), 2);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_server_port(site.server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_lt(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    peer_send(&partial, H "\r\n");
    ck_assert_ptr_nonnull(strstr(peer_answer(&partial, false), "\nConnection: close\n"));
    peer_expect_close(&partial);
    site_answer(&site, 0, "one");
    ck_assert_ptr_null(strstr(peer_answer(&peer, false), "Connection"));
    ck_assert(!site.drained);
    site_answer(&site, 1, "two");
    ck_assert_ptr_nonnull(strstr(peer_answer(&peer, false), "\nConnection: close\n"));
    peer_expect_close(&peer);
    peer_close(&idle);
    peer_close(&partial);
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n"); /* too late, and no reason for a reset */
    site_idle(&site, 20);
    ck_assert(!site.drained);
    peer_close(&peer);
    ck_assert(loop_run_until(site.loop, is_drained, NULL, 5000));
}
END_TEST

/* Who connected and asked just before the listener closed is served. */
START_TEST(drain_serves_the_backlog)
{
    start();
    struct peer late;
    site_idle(&site, 20);
    peer_open(&late, &site);
    peer_send(&late, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n");
    http_server_drain(site.server, 10000, on_drained, NULL);
    peer_expect(&late, 200, "/echo");
    peer_expect(&peer, 200, "/echo");
    peer_close(&late);
    peer_close(&peer);
    ck_assert(loop_run_until(site.loop, is_drained, NULL, 5000));
}
END_TEST

START_TEST(drain_cuts_at_the_deadline)
{
    start();
    peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\n");
    site_wait_kept(&site, 1);
    http_server_drain(site.server, 50, on_drained, NULL);
    ck_assert(loop_run_until(site.loop, is_drained, NULL, 5000));
    ck_assert(!http_reply_wanted(site.server, site.kept[0]));
    site_answer(&site, 0, "late");
    peer_expect_close(&peer);
    peer_close(&peer);
}
END_TEST

START_TEST(drain_of_an_idle_server_is_not_immediate)
{
    site_start(&site);
    http_server_drain(site.server, 1000, on_drained, NULL);
    ck_assert(!site.drained);
    ck_assert(loop_run_until(site.loop, is_drained, NULL, 5000));
}
END_TEST

START_TEST(a_taken_port_is_named)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    site.cfg.port = ntohs(address.sin_port);
    site.server = http_server_new(site.loop, &site.cfg);
    struct error e = ERROR_INIT;
    char port[20];
    snprintf(port, sizeof port, "port %d", site.cfg.port);
    ck_assert(!http_server_listen(site.server, &e));
    ck_assert_ptr_nonnull(strstr(e.text, port));
    ck_assert_ptr_nonnull(strstr(e.text, "127.0.0.1"));
    ck_assert_int_eq(e.kind, ERROR_RETRIABLE);
    http_server_free(site.server);
    site.cfg.address = "localhost";
    site.server = http_server_new(site.loop, &site.cfg);
    ck_assert(!http_server_listen(site.server, &e));
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    close(fd);
}
END_TEST

/* At most 2 KiB of user space per idle connection that has been used (performance page). */
START_TEST(idle_connections_are_cheap)
{
    enum {
        N = 300
    };
    static struct peer peers[N];
    start();
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n");
    peer_expect(&peer, 200, "/echo");
    for (int i = 0; i < N; i++)
        peer_open(&peers[i], &site);
    size_t before = mallinfo2().uordblks;
    ck_assert(wait_for_connections(N + 1));
    ck_assert_uint_le(mallinfo2().uordblks - before, (size_t)N * 2048);
    for (int i = 0; i < N; i++) {
        peer_send(&peers[i], "GET /echo HTTP/1.1\r\n" H "\r\n");
        peer_expect(&peers[i], 200, "/echo");
        buf_free(&peers[i].in);
    }
    ck_assert_uint_le(mallinfo2().uordblks - before, (size_t)N * 2048);
    for (int i = 0; i < N; i++)
        peer_close(&peers[i]);
    peer_close(&peer);
}
END_TEST

Suite *http_limits_suite(void)
{
    Suite *s = suite_create("http_limits");
    TCase *t = tcase_create("http_limits");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, slow_headers_get_408);
    tcase_add_test(t, slow_bodies_get_408);
    tcase_add_test(t, idle_connections_close_silently);
    tcase_add_test(t, unanswered_requests_get_503);
    tcase_add_test(t, readers_that_do_not_read_are_cut);
    tcase_add_test(t, slow_readers_are_served);
    tcase_add_test(t, connections_over_the_cap_get_503);
    tcase_add_test(t, running_out_of_descriptors_does_not_spin);
    tcase_add_test(t, drain_finishes_what_runs);
    tcase_add_test(t, drain_serves_the_backlog);
    tcase_add_test(t, drain_cuts_at_the_deadline);
    tcase_add_test(t, drain_of_an_idle_server_is_not_immediate);
    tcase_add_test(t, a_taken_port_is_named);
    tcase_add_test(t, idle_connections_are_cheap);
    suite_add_tcase(s, t);
    return s;
}
