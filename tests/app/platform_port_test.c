/* Documents against a small HTTP server: which answers are final, which say "later". */
#include "app/platform_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app_suites.h"
#include "base/metric.h"
#include "http/http_server.h"
#include "loop/loop.h"

static struct loop *loop;
static struct http_server *server;
static struct platform_port *port;
static char seen[400]; /* the last request */

struct answer {
    int fired;
    enum document_outcome outcome;
    int status;
    int64_t retry_after_ms;
    struct error error;
    int again; /* posts that its completion makes */
};

static void on_document(void *arg, const struct http_request *req, http_reply reply)
{
    const struct http_header retry_after = {"Retry-After", "7"};
    struct slice key = http_request_header(req, "Idempotency-Key");
    snprintf(seen, sizeof seen, "%.*s key=%.*s %.*s", (int)req->content_type.n, req->content_type.p,
             (int)key.n, key.p, (int)req->body.n, req->body.p);
    int status = *(int *)arg;
    if (status)
        http_reply_send(server, reply, status, NULL, (struct slice){0}, &retry_after, status == 429);
}

static int statuses[] = {0, 200, 201, 204, 302, 400, 404, 408, 409, 422, 425, 429, 500, 503};

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
    static char paths[ARRAY_LEN(statuses)][16];
    struct http_route routes[ARRAY_LEN(statuses)];
    struct error e = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        snprintf(paths[i], sizeof paths[i], "/%d", statuses[i]);
        routes[i] = (struct http_route){HTTP_POST, paths[i], on_document, &statuses[i], 0};
    }
    loop = loop_new();
    server = http_server_new(loop, &cfg);
    http_server_add(server, routes, ARRAY_LEN(routes));
    ck_assert_msg(http_server_listen(server, &e), "%s", e.text);
}

static void teardown(void)
{
    platform_port_free(port);
    port = NULL;
    http_server_free(server);
    loop_free(loop);
    metric_reset();
}

/* A port whose url is answered with a status; 0 never answers. */
static void port_open(int status, int64_t timeout_ms)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%d", http_server_port(server), status);
    platform_port_free(port);
    port = platform_port_new(loop, url, timeout_ms, 4);
}

static void post(struct answer *a);

static void on_posted(void *arg, enum document_outcome outcome, int status, int64_t retry_after_ms,
                      const struct error *e)
{
    struct answer *a = arg;
    a->fired++;
    a->outcome = outcome;
    a->status = status;
    a->retry_after_ms = retry_after_ms;
    a->error = *e;
    if (a->again-- > 0)
        post(a);
}

static void post(struct answer *a)
{
    struct document_sink sink = platform_port_sink(port);
    int fired = a->fired;
    sink.ops->post(sink.self, 4711, slice_of("{\"orderId\":4711}"), on_posted, a);
    ck_assert_int_eq(a->fired, fired); /* never before the call returns */
}

static bool has_fired(void *arg)
{
    return ((struct answer *)arg)->fired > 0;
}

static struct answer *exchange(int status, int64_t timeout_ms)
{
    static struct answer a;
    a = (struct answer){0};
    port_open(status, timeout_ms);
    post(&a);
    ck_assert(loop_run_until(loop, has_fired, &a, 20000));
    ck_assert_int_eq(a.fired, 1);
    return &a;
}

START_TEST(the_request_is_what_the_contract_says)
{
    struct answer *a = exchange(200, 10000);
    ck_assert_int_eq(a->outcome, DOCUMENT_ACCEPTED);
    ck_assert_int_eq(a->error.kind, ERROR_NONE);
    ck_assert_str_eq(seen, "application/json key=4711 {\"orderId\":4711}");
}
END_TEST

START_TEST(answers_are_accepted_refused_or_away)
{
    static const struct {
        int status;
        enum document_outcome outcome;
    } all[] = {{200, DOCUMENT_ACCEPTED}, {201, DOCUMENT_ACCEPTED}, {204, DOCUMENT_ACCEPTED},
               {400, DOCUMENT_REFUSED},  {404, DOCUMENT_REFUSED},  {409, DOCUMENT_REFUSED},
               {422, DOCUMENT_REFUSED},  {302, DOCUMENT_AWAY},     {408, DOCUMENT_AWAY},
               {425, DOCUMENT_AWAY},     {429, DOCUMENT_AWAY},     {500, DOCUMENT_AWAY},
               {503, DOCUMENT_AWAY}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct answer *a = exchange(all[i].status, 10000);
        ck_assert_msg(a->outcome == all[i].outcome, "%d", all[i].status);
        ck_assert_int_eq(a->status, all[i].status);
        ck_assert_int_eq(a->retry_after_ms, all[i].status == 429 ? 7000 : -1);
        ck_assert_int_eq(a->error.kind, a->outcome == DOCUMENT_ACCEPTED ? ERROR_NONE : ERROR_RETRIABLE);
    }
}
END_TEST

START_TEST(no_answer_in_time_is_away)
{
    struct answer *a = exchange(0, 200);
    ck_assert_int_eq(a->outcome, DOCUMENT_AWAY);
    ck_assert_int_eq(a->status, 0);
    ck_assert_int_eq(a->retry_after_ms, -1);
    ck_assert_str_eq(a->error.code, "TIMEOUT");
}
END_TEST

START_TEST(nobody_there_is_away)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, not listening: refused */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    port = platform_port_new(loop, url, 5000, 4);
    struct answer a = {0};
    post(&a);
    ck_assert(loop_run_until(loop, has_fired, &a, 20000));
    ck_assert_int_eq(a.outcome, DOCUMENT_AWAY);
    ck_assert_str_eq(a.error.code, "REFUSED");
    close(fd);
}
END_TEST

START_TEST(freeing_answers_what_runs_and_what_that_starts)
{
    struct answer a = {.again = 3}, b = {0};
    port_open(0, 10000);
    post(&a);
    post(&b);
    platform_port_free(port);
    port = NULL;
    ck_assert_int_eq(a.fired, 4);
    ck_assert_int_eq(a.outcome, DOCUMENT_AWAY);
    ck_assert_int_eq(b.fired, 1);
    ck_assert_int_eq(b.outcome, DOCUMENT_AWAY);
}
END_TEST

Suite *platform_port_suite(void)
{
    Suite *s = suite_create("platform_port");
    TCase *t = tcase_create("platform_port");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_request_is_what_the_contract_says);
    tcase_add_test(t, answers_are_accepted_refused_or_away);
    tcase_add_test(t, no_answer_in_time_is_away);
    tcase_add_test(t, nobody_there_is_away);
    tcase_add_test(t, freeing_answers_what_runs_and_what_that_starts);
    suite_add_tcase(s, t);
    return s;
}
