/* The outgoing client against our own server and against a raw socket that misbehaves. */
#include "http/http_client.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "tests/http/suites.h"

static struct loop *loop;
static struct http_server *server;
static struct http_client *client;
static size_t requests, most_connections;

/* A listener whose one client gets canned bytes once it has sent something, then a close. */
static struct raw {
    int listen_fd, fd, port;
    const char *bytes;
    struct event *accept_ev, *read_ev;
} raw;

struct outcome {
    int fired;
    int status;
    int64_t retry_after_s;
    size_t body_length;
    char body[5000];
    struct error error;
    bool frees, posts;
};

static void on_ok(void *arg, const struct http_request *req, http_reply reply)
{
    struct buf b = BUF_INIT;
    struct slice key = http_request_header(req, "Idempotency-Key"),
                 expect = http_request_header(req, "Expect");
    buf_printf(&b, "%.*s key=%.*s%s %.*s", (int)req->content_type.n, req->content_type.p, (int)key.n, key.p,
               expect.p ? " expect" : "", (int)req->body.n, req->body.p);
    requests++;
    if (http_server_connections(server) > most_connections)
        most_connections = http_server_connections(server);
    http_reply_send(server, reply, 200, "text/plain", buf_slice(&b), NULL, 0);
    buf_free(&b);
}

static void on_busy(void *arg, const struct http_request *req, http_reply reply)
{
    struct http_header header = {"Retry-After", arg};
    http_reply_send(server, reply, 429, NULL, (struct slice){0}, arg ? &header : NULL, arg != NULL);
}

static void on_never(void *arg, const struct http_request *req, http_reply reply)
{
}

static void on_moved(void *arg, const struct http_request *req, http_reply reply)
{
    struct http_header header = {"Location", "/ok"};
    http_reply_send(server, reply, 302, NULL, (struct slice){0}, &header, 1);
}

static void on_long(void *arg, const struct http_request *req, http_reply reply)
{
    size_t n = 3000000;
    char *body = mem_alloc(n);
    memset(body, 'x', n);
    http_reply_send(server, reply, 500, "text/plain", (struct slice){body, n}, NULL, 0);
    mem_free(body);
}

static void raw_read_ev(evutil_socket_t fd, short what, void *arg)
{
    char discard[4096];
    ssize_t n = read(fd, discard, sizeof discard);
    if (n > 0 && *raw.bytes)
        ck_assert_int_eq(write(fd, raw.bytes, strlen(raw.bytes)), (ssize_t)strlen(raw.bytes));
    event_free(raw.read_ev);
    raw.read_ev = NULL;
    close(fd);
}

static void raw_accept_ev(evutil_socket_t fd, short what, void *arg)
{
    raw.fd = accept(fd, NULL, NULL);
    raw.read_ev = event_new(loop_base(loop), raw.fd, EV_READ, raw_read_ev, NULL);
    event_add(raw.read_ev, NULL);
}

static void raw_listen(const char *bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    raw.bytes = bytes;
    raw.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(raw.listen_fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(raw.listen_fd, 8), 0);
    getsockname(raw.listen_fd, (struct sockaddr *)&address, &size);
    raw.port = ntohs(address.sin_port);
    raw.accept_ev = event_new(loop_base(loop), raw.listen_fd, EV_READ | EV_PERSIST, raw_accept_ev, NULL);
    event_add(raw.accept_ev, NULL);
}

static void raw_close(void)
{
    if (raw.accept_ev)
        event_free(raw.accept_ev);
    raw.accept_ev = NULL;
    close(raw.listen_fd);
}

static void setup(void)
{
    static const struct http_server_config cfg = {
        .name = "platform",
        .address = "127.0.0.1",
        .max_connections = 100,
        .max_request_body = 100000,
        .max_header_bytes = 8192,
        .header_timeout_ms = 60000,
        .body_timeout_ms = 60000,
        .keep_alive_timeout_ms = 60000,
        .request_timeout_ms = 60000,
        .write_timeout_ms = 60000,
    };
    static const struct http_route routes[] = {
        {HTTP_POST, "/ok", on_ok, NULL, 0},       {HTTP_POST, "/busy", on_busy, (char *)"7", 0},
        {HTTP_POST, "/busier", on_busy, NULL, 0}, {HTTP_POST, "/never", on_never, NULL, 0},
        {HTTP_POST, "/moved", on_moved, NULL, 0}, {HTTP_POST, "/long", on_long, NULL, 0},
    };
    struct error e = ERROR_INIT;
    requests = most_connections = 0;
    loop = loop_new();
    server = http_server_new(loop, &cfg);
    http_server_add(server, routes, ARRAY_LEN(routes));
    ck_assert_msg(http_server_listen(server, &e), "%s", e.text);
    client = http_client_new(loop, 8);
}

static void teardown(void)
{
    http_client_free(client);
    http_server_free(server);
    loop_free(loop);
    metric_reset();
}

static void post(const char *host, int port, const char *path, const char *body, int64_t timeout_ms,
                 struct outcome *o);

static void on_done(void *arg, const struct http_client_result *result)
{
    struct outcome *o = arg;
    o->fired++;
    o->status = result->status;
    o->retry_after_s = result->retry_after_s;
    o->error = result->error;
    o->body_length = result->body.n;
    ck_assert_uint_lt(result->body.n, sizeof o->body);
    if (result->body.n)
        memcpy(o->body, result->body.p, result->body.n);
    o->body[result->body.n] = '\0';
    if (o->posts) {
        o->posts = false;
        post("127.0.0.1", http_server_port(server), "/ok", "again", 10000, o);
    }
    if (o->frees) {
        http_client_free(client);
        client = NULL;
    }
}

static void post(const char *host, int port, const char *path, const char *body, int64_t timeout_ms,
                 struct outcome *o)
{
    char url[200];
    struct http_header headers[] = {{"Idempotency-Key", "42"}};
    snprintf(url, sizeof url, "http://%s:%d%s", host, port, path);
    int fired = o->fired;
    http_client_post(client, url, headers, 1, slice_of(body), timeout_ms, on_done, o);
    ck_assert_int_eq(o->fired, fired); /* never before the call returns */
}

static bool has_fired(void *arg)
{
    return ((struct outcome *)arg)->fired > 0;
}

static void wait_for(struct outcome *o)
{
    ck_assert(loop_run_until(loop, has_fired, o, 20000));
    ck_assert_int_eq(o->fired, 1);
}

/* Post to our server and wait. */
static void exchange(const char *path, int64_t timeout_ms, struct outcome *o)
{
    memset(o, 0, sizeof(*o));
    post("127.0.0.1", http_server_port(server), path, "{}", timeout_ms, o);
    wait_for(o);
}

START_TEST(an_answer_comes_back)
{
    static struct outcome o;
    exchange("/ok", 10000, &o);
    ck_assert_int_eq(o.status, 200);
    ck_assert_int_eq(o.error.kind, ERROR_NONE);
    ck_assert_int_eq(o.retry_after_s, -1);
    ck_assert_str_eq(o.body, "application/json key=42 {}");
    ck_assert_uint_eq(http_client_in_flight(client), 0);
}
END_TEST

START_TEST(connections_are_reused)
{
    static struct outcome o;
    for (int i = 0; i < 5; i++)
        exchange("/ok", 10000, &o);
    ck_assert_uint_eq(requests, 5);
    ck_assert_uint_eq(most_connections, 1);
}
END_TEST

START_TEST(names_are_resolved)
{
    static struct outcome o;
    post("localhost", http_server_port(server), "/ok", "", 10000, &o);
    wait_for(&o);
    ck_assert_msg(o.status == 200, "%s", o.error.text);
    memset(&o, 0, sizeof o);
    post("nothing.invalid", 80, "/ok", "", 300, &o);
    wait_for(&o);
    ck_assert_int_eq(o.status, 0);
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
}
END_TEST

START_TEST(retry_after_is_read)
{
    static struct outcome o;
    exchange("/busy", 10000, &o);
    ck_assert_int_eq(o.status, 429);
    ck_assert_int_eq(o.retry_after_s, 7);
    exchange("/busier", 10000, &o);
    ck_assert_int_eq(o.status, 429);
    ck_assert_int_eq(o.retry_after_s, -1);
}
END_TEST

START_TEST(redirects_are_not_followed)
{
    static struct outcome o;
    exchange("/moved", 10000, &o);
    ck_assert_int_eq(o.status, 302);
}
END_TEST

START_TEST(long_answers_are_cut)
{
    static struct outcome o;
    exchange("/long", 10000, &o);
    ck_assert_int_eq(o.status, 500);
    ck_assert_uint_eq(o.body_length, 4096);
}
END_TEST

START_TEST(no_answer_in_time_is_unknown)
{
    static struct outcome o;
    int64_t begin = clock_mono_ms();
    exchange("/never", 200, &o);
    ck_assert_int_eq(o.status, 0);
    ck_assert_int_eq(o.error.kind, ERROR_UNKNOWN);
    ck_assert_str_eq(o.error.code, "TIMEOUT");
    ck_assert_int_lt(clock_mono_ms() - begin, 5000);
}
END_TEST

START_TEST(refused_is_retriable)
{
    static struct outcome o;
    raw_listen("");
    raw_close(); /* a port that nobody listens on */
    post("127.0.0.1", raw.port, "/", "{}", 10000, &o);
    wait_for(&o);
    ck_assert_int_eq(o.status, 0);
    ck_assert_int_eq(o.error.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(o.error.code, "REFUSED");
}
END_TEST

START_TEST(cut_answers_are_unknown)
{
    static const char *const cuts[] = {
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "garbage\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        static struct outcome o;
        memset(&o, 0, sizeof o);
        raw_listen(cuts[i]);
        post("127.0.0.1", raw.port, "/", "{}", 10000, &o);
        wait_for(&o);
        ck_assert_msg(o.status == 0 && o.error.kind == ERROR_UNKNOWN, "%zu: %d %s", i, o.status,
                      o.error.text);
        raw_close();
    }
}
END_TEST

START_TEST(wrong_urls_are_permanent)
{
    static const char *const urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "",
                                       "http://",          "http://a b/"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        static struct outcome o;
        memset(&o, 0, sizeof o);
        http_client_post(client, urls[i], NULL, 0, (struct slice){0}, 1000, on_done, &o);
        ck_assert_int_eq(o.fired, 0);
        wait_for(&o);
        ck_assert_msg(o.status == 0 && o.error.kind == ERROR_PERMANENT, "%s", urls[i]);
    }
}
END_TEST

START_TEST(requests_in_flight_are_bounded)
{
    static struct outcome o[9];
    for (int i = 0; i < 9; i++)
        post("127.0.0.1", http_server_port(server), i == 8 ? "/ok" : "/never", "{}", 400, &o[i]);
    wait_for(&o[8]);
    ck_assert_int_eq(o[8].error.kind, ERROR_RETRIABLE);
    ck_assert_str_eq(o[8].error.code, "QUEUE_FULL");
    ck_assert_uint_eq(http_client_in_flight(client), 8);
    for (int i = 0; i < 8; i++)
        wait_for(&o[i]);
    ck_assert_uint_eq(http_client_in_flight(client), 0);
}
END_TEST

START_TEST(freeing_ends_what_runs)
{
    static struct outcome running, resolving;
    post("127.0.0.1", http_server_port(server), "/never", "{}", 10000, &running);
    loop_run_until(loop, has_fired, &running, 50);
    post("127.0.0.1", http_server_port(server), "/never", "{}", 10000, &resolving);
    http_client_free(client);
    client = NULL;
    ck_assert_int_eq(running.fired, 1);
    ck_assert_int_eq(resolving.fired, 1);
    ck_assert_int_eq(running.error.kind, ERROR_UNKNOWN);
    ck_assert_int_eq(resolving.error.kind, ERROR_UNKNOWN);
}
END_TEST

static bool has_fired_twice(void *arg)
{
    return ((struct outcome *)arg)->fired == 2;
}

START_TEST(done_may_post_again_and_free)
{
    static struct outcome o;
    o.posts = true;
    post("127.0.0.1", http_server_port(server), "/ok", "first", 10000, &o);
    ck_assert(loop_run_until(loop, has_fired_twice, &o, 10000));
    ck_assert_int_eq(o.status, 200);
    memset(&o, 0, sizeof o);
    o.frees = true;
    post("127.0.0.1", http_server_port(server), "/ok", "last", 10000, &o);
    wait_for(&o);
    ck_assert_int_eq(o.status, 200);
}
END_TEST

Suite *http_client_suite(void)
{
    Suite *s = suite_create("http_client");
    TCase *t = tcase_create("http_client");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_answer_comes_back);
    tcase_add_test(t, connections_are_reused);
    tcase_add_test(t, names_are_resolved);
    tcase_add_test(t, retry_after_is_read);
    tcase_add_test(t, redirects_are_not_followed);
    tcase_add_test(t, long_answers_are_cut);
    tcase_add_test(t, no_answer_in_time_is_unknown);
    tcase_add_test(t, refused_is_retriable);
    tcase_add_test(t, cut_answers_are_unknown);
    tcase_add_test(t, wrong_urls_are_permanent);
    tcase_add_test(t, requests_in_flight_are_bounded);
    tcase_add_test(t, freeing_ends_what_runs);
    tcase_add_test(t, done_may_post_again_and_free);
    suite_add_tcase(s, t);
    return s;
}
