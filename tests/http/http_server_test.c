/* What clients see of the server: answers, their order, statuses, connection handling. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/metric.h"
#include "tests/http/peer.h"
#include "tests/http/suites.h"

static struct site site;
static struct peer peer;

static void setup(void)
{
    site_init(&site);
    site_start(&site);
    peer_open(&peer, &site);
}

static void teardown(void)
{
    peer_close(&peer);
    site_stop(&site);
    metric_reset();
}

#define H "Host: h\r\n"

START_TEST(an_answer_has_its_fields)
{
    peer_send(&peer, "GET /echo?q=a%20b HTTP/1.1\r\n" H "X-Request-Id: my.id-1\r\nX-Test:  v \r\n\r\n");
    ck_assert_str_eq(
        peer_answer(&peer, false),
        "HTTP/1.1 200 OK\nX-Request-Id: my.id-1\nContent-Length: 15\nContent-Type: text/plain\n\n"
        "/echo q=a b x=v");
    peer_send(&peer, "DELETE /teapot HTTP/1.1\r\n" H "\r\n");
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 204 No Content\nX-One: 1\nX-Two: a  Injected: b\n\n");
    peer_send(&peer, "GET /echo/1%2F2/x/%ec%9b%90 HTTP/1.1\r\n" H "\r\n");
    peer_expect(&peer, 200, "/echo/1/2/x/원 {1/2} {원}");
}
END_TEST

START_TEST(a_bad_request_id_is_replaced)
{
    char text[200];
    snprintf(text, sizeof text, "GET /echo HTTP/1.1\r\n" H "X-Request-Id: %065d\r\n\r\n", 0);
    peer_send(&peer, text);
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: text/plain\n\n/echo");
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "X-Request-Id: a b\r\n\r\n");
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: text/plain\n\n/echo");
}
END_TEST

START_TEST(head_and_options_are_answered)
{
    peer_send(&peer, "HEAD /echo HTTP/1.1\r\n" H "\r\n");
    ck_assert_str_eq(peer_answer(&peer, true),
                     "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Type: text/plain\n\n");
    peer_send(&peer, "OPTIONS /echo HTTP/1.1\r\n" H "\r\n");
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 200 OK\nContent-Length: 0\nAllow: GET, HEAD, POST, OPTIONS\n\n");
    peer_send(&peer, "OPTIONS * HTTP/1.1\r\n" H "\r\n");
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 200 OK\nContent-Length: 0\nAllow: GET, HEAD, POST, DELETE, OPTIONS\n\n");
    peer_send(&peer, "HEAD /nothing HTTP/1.1\r\n" H "\r\n");
    ck_assert_str_eq(peer_answer(&peer, true),
                     "HTTP/1.1 404 Not Found\nContent-Length: 9\nContent-Type: text/plain\n\n");
    peer_send(&peer, "PUT /echo HTTP/1.1\r\n" H "\r\n");
    ck_assert_str_eq(peer_answer(&peer, false),
                     "HTTP/1.1 405 Method Not Allowed\nContent-Length: 9\nContent-Type: "
                     "text/plain\nAllow: GET, HEAD, POST, OPTIONS\n\nerror 405");
}
END_TEST

/* Errors that leave the connection usable. */
START_TEST(requests_are_checked_against_their_route)
{
    static const struct {
        const char *text;
        int status;
        const char *body;
    } rows[] = {
        {"GET /nothing HTTP/1.1\r\n" H "\r\n", 404, "error 404"},
        {"GET /echo%zz HTTP/1.1\r\n" H "\r\n", 400, "error 400"},
        {"GET /echo%00 HTTP/1.1\r\n" H "\r\n", 400, "error 400"},
        {"GET /later HTTP/1.1\r\n" H "Accept: text/html\r\n\r\n", 406, "error 406"},
        {"GET /echo HTTP/1.1\r\n" H "Accept: text/html\r\n\r\n", 200, "/echo"},
        {"GET /echo/1/x/2 HTTP/1.1\r\n" H "Accept: text/html\r\nAccept: */*\r\n\r\n", 200,
         "/echo/1/x/2 {1} {2}"},
        {"POST /json HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", 415, "error 415"},
        {"POST /json HTTP/1.1\r\n" H "Content-Type: text/json\r\nContent-Length: 2\r\n\r\n{}", 415,
         "error 415"},
        {"POST /json HTTP/1.1\r\n" H
         "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: "
         "2\r\n\r\n{}",
         415, "error 415"},
        {"POST /json HTTP/1.1\r\n" H
         "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
         200, "/json body={}"},
        {"POST /json HTTP/1.1\r\n" H "\r\n", 200, "/json"},
        {"POST /json HTTP/1.1\r\n" H
         "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}"
         "\r\n0\r\n\r\n",
         200, "/json body={}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        peer_send(&peer, rows[i].text);
        peer_expect(&peer, rows[i].status, rows[i].body);
    }
}
END_TEST

/* Errors after which nothing on the connection can be trusted. */
START_TEST(refused_requests_close)
{
    static const struct {
        const char *text;
        int status;
        const char *body;
    } rows[] = {
        {"GET /echo HTTP/1.1\n", 400, "error 400 headless"},
        {"GET /echo HTTP/1.1\r\n\r\n", 400, "error 400 headless"},
        {"GET /echo HTTP/2.0\r\n", 505, "error 505 headless"},
        {"BREW /echo HTTP/1.1\r\n", 501, "error 501 headless"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", 413, "error 413"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 413,
         "error 413"},
        {"POST /echo HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", 417, "error 417"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfff\r\n", 413, "error 413"},
        {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 501, "error 501 headless"},
        {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400,
         "error 400 headless"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p;
        peer_open(&p, &site);
        peer_send(&p, "GET /later HTTP/1.1\r\n" H "\r\n"); /* what came before is answered first */
        peer_send(&p, rows[i].text);
        peer_send(&p, "GET /echo HTTP/1.1\r\n" H "\r\n"); /* never looked at */
        site_wait_kept(&site, i + 1);
        site_answer(&site, i, "before");
        peer_expect(&p, 200, "before");
        const char *answer = peer_answer(&p, false);
        ck_assert_msg(atoi(answer + 9) == rows[i].status, "%s: %s", rows[i].text, answer);
        ck_assert_ptr_nonnull(strstr(answer, "\nConnection: close\n"));
        ck_assert_str_eq(strstr(answer, "\n\n") + 2, rows[i].body);
        peer_expect_close(&p);
        peer_close(&p);
    }
    ck_assert_uint_eq(site.calls, ARRAY_LEN(rows));
}
END_TEST

/* The answer to a refused upload must not be destroyed by a reset, although the client is still sending. */
START_TEST(a_refused_upload_sees_its_answer)
{
    struct buf body = BUF_INIT;
    for (int i = 0; i < 100000; i++)
        buf_puts(&body, "0123456789");
    peer_send(&peer, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n");
    ck_assert(peer_send_n(&peer, body.data, body.len));
    peer_expect(&peer, 413, "error 413");
    peer_expect_close(&peer);
    buf_free(&body);
}
END_TEST

START_TEST(connections_are_kept_or_closed)
{
    static const struct {
        const char *text;
        const char *connection; /* expected line, "" for none */
        bool closes;
    } rows[] = {
        {"GET /echo HTTP/1.1\r\n" H "\r\n", "", false},
        {"GET /echo HTTP/1.1\r\n" H "Connection: keep-alive\r\n\r\n", "", false},
        {"GET /echo HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "\nConnection: close\n", true},
        {"GET /echo HTTP/1.0\r\n\r\n", "\nConnection: close\n", true},
        {"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\nConnection: keep-alive\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p;
        peer_open(&p, &site);
        peer_send(&p, rows[i].text);
        const char *answer = peer_answer(&p, false);
        ck_assert_msg(strstr(answer, rows[i].connection) &&
                          (*rows[i].connection || !strstr(answer, "Connection")),
                      "%s", answer);
        if (rows[i].closes) {
            peer_expect_close(&p);
        } else {
            peer_send(&p, "GET /echo HTTP/1.1\r\n" H "\r\n");
            peer_expect(&p, 200, "/echo");
        }
        peer_close(&p);
    }
}
END_TEST

START_TEST(answers_leave_in_the_order_of_the_requests)
{
    for (int i = 0; i < 4; i++)
        peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\n");
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "\r\n");
    site_wait_kept(&site, 4);
    ck_assert_uint_eq(http_server_pending(site.server), 4);
    site_answer(&site, 2, "three");
    site_answer(&site, 1, "two");
    site_idle(&site, 20);
    ck_assert_uint_eq(peer_unread(&peer), 0);
    ck_assert(http_reply_wanted(site.server, site.kept[0]));
    ck_assert(!http_reply_wanted(site.server, site.kept[1]));
    site_answer(&site, 0, "one");
    peer_expect(&peer, 200, "one");
    peer_expect(&peer, 200, "two");
    peer_expect(&peer, 200, "three");
    site_answer(&site, 3, "four");
    peer_expect(&peer, 200, "four");
    peer_expect(&peer, 200, "/echo");
    ck_assert_uint_eq(http_server_pending(site.server), 0);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
    const char *text =
        "POST /json HTTP/1.1\r\n" H "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: t\r\n\r\n"
        "GET /echo HTTP/1.1\r\n" H "\r\n";
    for (const char *c = text; *c; c++) {
        ck_assert(peer_send_n(&peer, c, 1));
        site_idle(&site, 1);
    }
    peer_expect(&peer, 200, "/json body=abcdefg");
    peer_expect(&peer, 200, "/echo");
}
END_TEST

START_TEST(ten_thousand_pipelined_requests)
{
    struct buf text = BUF_INIT;
    for (int i = 0; i < 10000; i++)
        buf_printf(&text, "GET /echo?q=%d HTTP/1.1\r\n" H "\r\n", i);
    ck_assert(peer_send_n(&peer, text.data, text.len));
    for (int i = 0; i < 10000; i++) {
        char expected[40];
        snprintf(expected, sizeof expected, "/echo q=%d", i);
        peer_expect(&peer, 200, expected);
    }
    buf_free(&text);
}
END_TEST

/* No more than 64 requests of a connection wait at a time; the others stay with the client. */
START_TEST(deferred_requests_are_bounded)
{
    struct buf text = BUF_INIT;
    for (int i = 0; i < 10000; i++)
        buf_puts(&text, "GET /later HTTP/1.1\r\n" H "\r\n");
    ck_assert(peer_send_n(&peer, text.data, text.len));
    size_t answered = 0;
    site_wait_kept(&site, 64);
    site_idle(&site, 20);
    ck_assert_uint_eq(site.nkept, 64);
    while (answered < 10000) {
        site_wait_kept(&site, answered + 1);
        ck_assert_uint_le(site.nkept - answered, 64);
        size_t until = site.nkept;
        for (size_t i = until; i-- > answered;) /* the last first */
            site_answer(&site, i, "x");
        answered = until;
    }
    for (size_t i = 0; i < answered; i++)
        peer_expect(&peer, 200, "x");
    buf_free(&text);
}
END_TEST

/* A client that does not read its answers does not make the server keep them without bound. */
START_TEST(a_reader_that_does_not_read_is_not_read_from)
{
    for (int i = 0; i < 10000; i++)
        buf_puts(&site.big, "0123456789");
    peer_hold(&peer, true);
    for (int i = 0; i < 600; i++)
        peer_send(&peer, "GET /big HTTP/1.1\r\n" H "\r\n");
    site_idle(&site, 100);
    ck_assert_uint_lt(site.calls, 150); /* socket buffers and 256 KiB of output */
    peer_hold(&peer, false);
    for (int i = 0; i < 600; i++)
        peer_expect(&peer, 200, NULL);
    ck_assert_uint_eq(site.calls, 600);
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answers)
{
    peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\nGET /later HTTP/1.1\r\n" H "\r\nGET /l");
    peer_shut(&peer);
    site_wait_kept(&site, 2);
    site_idle(&site, 20);
    ck_assert(http_reply_wanted(site.server, site.kept[0]));
    site_answer(&site, 1, "two");
    site_answer(&site, 0, "one");
    peer_expect(&peer, 200, "one");
    peer_expect(&peer, 200, "two");
    peer_expect_close(&peer);
    ck_assert_uint_eq(http_server_connections(site.server), 0);
}
END_TEST

START_TEST(a_half_closed_client_gets_all_pipelined_answers)
{
    for (int i = 0; i < 200; i++)
        peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\n");
    peer_shut(&peer);
    for (size_t i = 0; i < 200; i++) {
        site_wait_kept(&site, i + 1);
        site_answer(&site, i, "x");
        peer_expect(&peer, 200, "x");
    }
    peer_expect_close(&peer);
}
END_TEST

static bool is_unwanted(void *arg)
{
    return !http_reply_wanted(site.server, site.kept[*(size_t *)arg]);
}

START_TEST(an_answer_for_a_vanished_client_is_dropped)
{
    struct peer other;
    peer_open(&other, &site);
    peer_send(&other, "GET /later HTTP/1.1\r\n" H "X-Request-Id: gone\r\n\r\n");
    site_wait_kept(&site, 1);
    ck_assert_str_eq(http_reply_request_id(site.server, site.kept[0]), "gone");
    peer_reset(&other);
    size_t i = 0;
    ck_assert(loop_run_until(site.loop, is_unwanted, &i, 10000));
    ck_assert_str_eq(http_reply_request_id(site.server, site.kept[0]), "");
    ck_assert_uint_eq(http_server_pending(site.server), 0);
    peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\n"); /* takes the same slot */
    site_wait_kept(&site, 2);
    ck_assert_uint_eq(site.kept[0].slot, site.kept[1].slot);
    site_answer(&site, 0, "late");
    site_idle(&site, 20);
    ck_assert_uint_eq(peer_unread(&peer), 0);
    site_answer(&site, 1, "mine");
    peer_expect(&peer, 200, "mine");
    ck_assert(!http_reply_wanted(site.server, (http_reply){0}));
}
END_TEST

START_TEST(expect_continue_is_answered)
{
    peer_send(&peer, "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert_str_eq(peer_answer(&peer, true), "HTTP/1.1 100 Continue\n\n");
    peer_send(&peer, "abc");
    peer_expect(&peer, 200, "/echo body=abc");
    /* who does not wait gets no 100 */
    peer_send(&peer, "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    peer_expect(&peer, 200, "/echo body=abc");
    peer_send(&peer, "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\na");
    site_idle(&site, 20);
    peer_send(&peer, "bc");
    peer_expect(&peer, 200, "/echo body=abc");
}
END_TEST

START_TEST(expect_continue_waits_for_its_turn)
{
    peer_send(&peer, "GET /later HTTP/1.1\r\n" H "\r\n");
    peer_send(&peer,
              "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    site_wait_kept(&site, 1);
    site_idle(&site, 20);
    ck_assert_uint_eq(peer_unread(&peer), 0);
    site_answer(&site, 0, "first");
    peer_expect(&peer, 200, "first");
    ck_assert_str_eq(peer_answer(&peer, true), "HTTP/1.1 100 Continue\n\n");
    peer_send(&peer, "1\r\nz\r\n0\r\n\r\n");
    peer_expect(&peer, 200, "/echo body=z");
}
END_TEST

/* Value of a series of http.server.requests, by label values in order of definition. */
static uint64_t count_of(const char *method, const char *status, const char *uri)
{
    struct metric *m = metric_find("http.server.requests");
    struct metric_series *s = NULL;
    while ((s = metric_series_next(m, s))) {
        if (strcmp(metric_label_value(s, 1), method) == 0 && strcmp(metric_label_value(s, 3), status) == 0 &&
            strcmp(metric_label_value(s, 4), uri) == 0) {
            struct metric_value v;
            metric_read(s, &v);
            return v.count;
        }
    }
    return 0;
}

START_TEST(requests_are_counted_by_route_and_status)
{
    const char *text =
        "GET /echo/1/x/2 HTTP/1.1\r\n" H "\r\nGET /echo/3/x/4 HTTP/1.1\r\n" H "\r\nHEAD /echo/3/x/4 "
        "HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
    peer_send(&peer, text);
    peer_expect(&peer, 200, NULL);
    peer_expect(&peer, 200, NULL);
    peer_answer(&peer, true);
    peer_expect_close(&peer);
    struct peer other;
    peer_open(&other, &site);
    peer_send(&other, "GET /a HTTP/1.1\r\n" H "\r\nGET /b HTTP/1.1\r\n" H "\r\nGET\r\n");
    for (int i = 0; i < 3; i++)
        peer_expect(&other, i == 2 ? 400 : 404, NULL);
    peer_close(&other);
    ck_assert_uint_eq(count_of("GET", "200", "/echo/{a}/x/{b}"), 2);
    ck_assert_uint_eq(count_of("HEAD", "200", "/echo/{a}/x/{b}"), 1);
    ck_assert_uint_eq(count_of("GET", "404", "UNKNOWN"), 2);
    ck_assert_uint_eq(count_of("UNKNOWN", "400", "UNKNOWN"), 1);
}
END_TEST

static void keep_line(void *arg, const char *line, size_t n)
{
    buf_put(arg, line, n);
}

/* One line per request when somebody wants them: from the id in an answer to what was asked. */
START_TEST(requests_are_logged_at_debug_level)
{
    struct buf lines = BUF_INIT;
    log_set_sink(keep_line, &lines);
    peer_send(&peer, "GET /echo HTTP/1.1\r\n" H "X-Request-Id: quiet\r\n\r\n");
    peer_expect(&peer, 200, "/echo");
    ck_assert_ptr_null(strstr(buf_str(&lines), "quiet"));
    log_set_level("rushd.http", LOG_LEVEL_DEBUG);
    peer_send(&peer, "GET /echo/1/x/2 HTTP/1.1\r\n" H "X-Request-Id: one\r\n\r\nGET /a HTTP/1.1\r\n" H
                     "\r\nGET\r\n");
    for (int i = 0; i < 3; i++)
        peer_expect(&peer, i == 0 ? 200 : i == 1 ? 404 : 400, NULL);
    log_reset();
    ck_assert_ptr_nonnull(strstr(buf_str(&lines),
                                 "level=debug logger=rushd.http msg=request request_id=one method=GET "
                                 "uri=/echo/{a}/x/{b} status=200 us="));
    ck_assert_ptr_nonnull(strstr(buf_str(&lines), "method=GET uri=UNKNOWN status=404"));
    ck_assert_ptr_nonnull(strstr(buf_str(&lines), " uri=UNKNOWN status=400"));
    buf_free(&lines);
}
END_TEST

Suite *http_server_suite(void)
{
    Suite *s = suite_create("http_server");
    TCase *t = tcase_create("http_server");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_answer_has_its_fields);
    tcase_add_test(t, a_bad_request_id_is_replaced);
    tcase_add_test(t, head_and_options_are_answered);
    tcase_add_test(t, requests_are_checked_against_their_route);
    tcase_add_test(t, refused_requests_close);
    tcase_add_test(t, a_refused_upload_sees_its_answer);
    tcase_add_test(t, connections_are_kept_or_closed);
    tcase_add_test(t, answers_leave_in_the_order_of_the_requests);
    tcase_add_test(t, a_request_may_come_byte_by_byte);
    tcase_add_test(t, ten_thousand_pipelined_requests);
    tcase_add_test(t, deferred_requests_are_bounded);
    tcase_add_test(t, a_reader_that_does_not_read_is_not_read_from);
    tcase_add_test(t, a_half_closed_client_gets_its_answers);
    tcase_add_test(t, a_half_closed_client_gets_all_pipelined_answers);
    tcase_add_test(t, an_answer_for_a_vanished_client_is_dropped);
    tcase_add_test(t, expect_continue_is_answered);
    tcase_add_test(t, expect_continue_waits_for_its_turn);
    tcase_add_test(t, requests_are_counted_by_route_and_status);
    tcase_add_test(t, requests_are_logged_at_debug_level);
    suite_add_tcase(s, t);
    return s;
}
