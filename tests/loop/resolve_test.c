/* Names: numeric text, the hosts file, a name server that answers, one that does not. The name server is a
 * UDP socket of the test on the loopback interface. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop_internal.h"
#include "loop_suites.h"

static struct loop *l;
static int server_fd;
static int queries;
static struct event *server_event;
static char resolv_conf[64], hosts[64];

static void write_file(char *path, const char *text)
{
    strcpy(path, "/tmp/rushd-resolve-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void setup(void)
{
    l = loop_new();
    queries = 0;
    server_event = NULL;
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    ck_assert_int_eq(bind(server_fd, (struct sockaddr *)&a, n), 0);
    ck_assert_int_eq(getsockname(server_fd, (struct sockaddr *)&a, &n), 0);
    char text[64];
    snprintf(text, sizeof(text), "nameserver 127.0.0.1:%d\n", ntohs(a.sin_port));
    write_file(resolv_conf, text);
    write_file(hosts, "127.0.0.1 localhost\n192.0.2.7 db.example db\n");
    l->dns.resolv_conf.path = resolv_conf;
    l->dns.hosts.path = hosts;
}

static void teardown(void)
{
    if (server_event)
        event_free(server_event);
    loop_free(l);
    metric_reset();
    close(server_fd);
    unlink(resolv_conf);
    unlink(hosts);
}

/* Answer A queries with 192.0.2.1, anything else with "no such record". */
static void query_ev(evutil_socket_t fd, short events, void *arg)
{
    unsigned char m[512];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(fd, m, sizeof(m) - 16, 0, (struct sockaddr *)&from, &from_len);
    if (n < 17)
        return;
    queries++;
    bool is_a = m[n - 3] == 1;
    m[2] = 0x81;
    m[3] = 0x80;
    m[7] = is_a;
    if (is_a) {
        static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
        memcpy(m + n, record, sizeof(record));
        n += (ssize_t)sizeof(record);
    }
    sendto(fd, m, (size_t)n, 0, (struct sockaddr *)&from, from_len);
}

static void serve(void)
{
    server_event = event_new(loop_base(l), server_fd, EV_READ | EV_PERSIST, query_ev, NULL);
    event_add(server_event, NULL);
}

struct answer {
    int calls;
    size_t n;
    char first[64];
    int family;
    char reason[128];
};

static void on_resolved(void *arg, const struct loop_address *addresses, size_t n, const char *reason)
{
    struct answer *a = arg;
    a->calls++;
    a->n = n;
    if (n > 0) {
        str_copy(a->first, sizeof(a->first), addresses[0].text);
        a->family = addresses[0].family;
    } else {
        str_copy(a->reason, sizeof(a->reason), reason);
    }
}

static bool answered(void *arg)
{
    return ((struct answer *)arg)->calls > 0;
}

static struct answer resolve(const char *host, int64_t timeout_ms)
{
    struct answer a = {0};
    ck_assert_ptr_nonnull(loop_resolve_start(l, host, timeout_ms, on_resolved, &a));
    ck_assert_int_eq(a.calls, 0);
    ck_assert(loop_run_until(l, answered, &a, 3000));
    ck_assert_int_eq(a.calls, 1);
    return a;
}

START_TEST(numeric_text_asks_nobody)
{
    struct answer a = resolve("192.0.2.9", 1000);
    ck_assert_str_eq(a.first, "192.0.2.9");
    ck_assert_int_eq(a.family, AF_INET);
    a = resolve("::1", 1000);
    ck_assert_str_eq(a.first, "::1");
    ck_assert_int_eq(a.family, AF_INET6);
    ck_assert_ptr_null(l->dns.base);
}
END_TEST

START_TEST(hosts_file_comes_first)
{
    ck_assert_str_eq(resolve("localhost", 1000).first, "127.0.0.1");
    ck_assert_str_eq(resolve("db", 1000).first, "192.0.2.7");
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    FILE *f = fopen(hosts, "w");
    fputs("192.0.2.8 db\n", f);
    fclose(f);
    utimensat(AT_FDCWD, hosts, times, 0);
    ck_assert_str_eq(resolve("db", 1000).first, "192.0.2.8"); /* read anew when it changed */
}
END_TEST

START_TEST(name_server_answers)
{
    serve();
    struct answer a = resolve("shop.example.com", 2000);
    ck_assert_str_eq(a.first, "192.0.2.1");
    ck_assert_uint_eq(a.n, 1);
    ck_assert_int_gt(queries, 0);
}
END_TEST

START_TEST(silent_name_server_meets_the_deadline)
{
    int64_t start_ms = clock_mono_ms();
    struct answer a = resolve("shop.example.com", 50);
    ck_assert_uint_eq(a.n, 0);
    ck_assert_str_ne(a.reason, "");
    ck_assert_int_lt(clock_mono_ms() - start_ms, 1000);
}
END_TEST

START_TEST(cancelled_request_does_not_call)
{
    struct answer a = {0}, b = {0}, c = {0};
    struct loop_resolve *numeric = loop_resolve_start(l, "192.0.2.9", 1000, on_resolved, &a);
    struct loop_resolve *asking = loop_resolve_start(l, "shop.example.com", 1000, on_resolved, &b);
    loop_resolve_start(l, "shop.example.com", 100, on_resolved, &c);
    loop_resolve_cancel(numeric);
    loop_resolve_cancel(asking);
    loop_resolve_cancel(NULL);
    ck_assert(loop_run_until(l, answered, &c, 2000));
    ck_assert_int_eq(a.calls, 0);
    ck_assert_int_eq(b.calls, 0);
}
END_TEST

START_TEST(loop_freed_with_a_request_running)
{
    struct answer a = {0};
    loop_resolve_start(l, "shop.example.com", 1000, on_resolved, &a);
    struct loop_resolve *r = loop_resolve_start(l, "other.example.com", 1000, on_resolved, &a);
    loop_resolve_cancel(r);
    loop_free(l);
    l = loop_new();
    ck_assert_int_eq(a.calls, 1);
    ck_assert_uint_eq(a.n, 0);
}
END_TEST

Suite *resolve_suite(void)
{
    Suite *s = suite_create("resolve");
    TCase *c = tcase_create("names");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, numeric_text_asks_nobody);
    tcase_add_test(c, hosts_file_comes_first);
    tcase_add_test(c, name_server_answers);
    tcase_add_test(c, silent_name_server_meets_the_deadline);
    tcase_add_test(c, cancelled_request_does_not_call);
    tcase_add_test(c, loop_freed_with_a_request_running);
    suite_add_tcase(s, c);
    return s;
}
