/* The parser against tables: each request is fed whole, byte by byte, and cut at every place, from memory of
 * exactly its size that moves between two calls; the outcome must be the same. */
#include <stdlib.h>

#include "base/buf.h"
#include "http/http_parser.h"
#include "tests/http/suites.h"

static const struct http_limits limits = {.head = 1024, .body = 64};

/* Print what a reader of the parser's answer sees. */
static void print_outcome(struct buf *out, const struct http_parser *p, enum http_parse result,
                          const char *data)
{
    if (result == HTTP_PARSE_MORE) {
        buf_puts(out, "more");
    } else if (result == HTTP_PARSE_ERROR) {
        buf_printf(out, "%d %s", p->status, p->reason);
    } else {
        static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
        buf_printf(out, "%s %.*s", names[p->method], p->path.n, data + p->path.at);
        if (p->query.n)
            buf_printf(out, "?%.*s", p->query.n, data + p->query.at);
        buf_printf(out, " host=%.*s", p->host.n, data + p->host.at);
        buf_printf(out, " fields=%d%s%s", p->nfields, p->keep_alive ? "" : " close",
                   p->expect ? " expect" : "");
        if (p->body_len)
            buf_printf(out, " body=%.*s", (int)p->body_len, data + p->body_at);
    }
}

/* Feed text in two or three parts (cut1 <= cut2), or byte by byte when cut1 is the length of text. */
static void feed(struct buf *out, const char *text, size_t n, size_t cut1, size_t cut2)
{
    struct http_parser p;
    http_parser_init(&p);
    char *data = NULL;
    size_t len = 0, fed = 0, step = 0;
    enum http_parse result = HTTP_PARSE_MORE;
    while (fed < n && result == HTTP_PARSE_MORE) {
        size_t until = cut1 == n ? fed + 1 : step == 0 && cut1 ? cut1 : step <= 1 && cut2 > fed ? cut2 : n;
        step++;
        char *moved = malloc(len + until - fed); /* exact size: a sanitizer sees each byte too many */
        if (len)
            memcpy(moved, data, len);
        memcpy(moved + len, text + fed, until - fed);
        free(data);
        data = moved;
        len += until - fed;
        fed = until;
        result = http_parser_run(&p, &limits, data, len);
        if (result == HTTP_PARSE_MORE)
            len = http_parser_compact(&p, data, len);
    }
    print_outcome(out, &p, result, data);
    if (result == HTTP_PARSE_DONE)
        buf_printf(out, " rest=%zu", len - p.consumed + n - fed);
    free(data);
}

static void check_request(const char *text, size_t n, const char *expected)
{
    struct buf whole = BUF_INIT, cut = BUF_INIT;
    feed(&whole, text, n, 0, 0);
    ck_assert_msg(strcmp(buf_str(&whole), expected) == 0, "%.*s\nexpected %s\ngot      %s", (int)n, text,
                  expected, buf_str(&whole));
    for (size_t at = 1; at <= n; at++) {
        buf_clear(&cut);
        feed(&cut, text, n, at, at);
        ck_assert_msg(strcmp(buf_str(&cut), expected) == 0, "%.*s\ncut at %zu\nexpected %s\ngot      %s",
                      (int)n, text, at, expected, buf_str(&cut));
    }
    for (size_t at = 1; n < 200 && at < n; at++) {
        for (size_t second = at; second < n; second += 3) {
            buf_clear(&cut);
            feed(&cut, text, n, at, second);
            ck_assert_str_eq(buf_str(&cut), expected);
        }
    }
    buf_free(&whole);
    buf_free(&cut);
}

struct row {
    const char *text;
    const char *expected;
};

#define H "Host: h\r\n"

static const struct row good[] = {
    {"GET / HTTP/1.1\r\n" H "\r\n", "GET / host=h fields=1 rest=0"},
    {"\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET / host=h fields=1 rest=0"},
    {"GET /a/b?x=1&y=%20 HTTP/1.1\r\n" H "\r\nGET", "GET /a/b?x=1&y=%20 host=h fields=1 rest=3"},
    {"HEAD /? HTTP/1.1\r\nhOST:h:8083\r\n\r\n", "HEAD / host=h:8083 fields=1 rest=0"},
    {"PUT /p HTTP/1.1\r\nHost: \t[::1]:80 \t\r\n\r\n", "PUT /p host=[::1]:80 fields=1 rest=0"},
    {"PATCH /p HTTP/1.1\r\nHost:\r\n\r\n", "PATCH /p host= fields=1 rest=0"},
    {"DELETE /p HTTP/1.1\r\n" H "X: \x80\xff\t!\r\nEmpty:\r\n\r\n", "DELETE /p host=h fields=3 rest=0"},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * host=h fields=1 rest=0"},
    {"GET http://other:1/x?y HTTP/1.1\r\n" H "\r\n", "GET /x?y host=other:1 fields=1 rest=0"},
    {"GET HTTPS://other HTTP/1.1\r\n" H "\r\n", "GET  host=other fields=1 rest=0"},
    {"GET http://other?q HTTP/1.1\r\n" H "\r\n", "GET ?q host=other fields=1 rest=0"},
    {"GET / HTTP/1.0\r\n\r\n", "GET / host= fields=0 close rest=0"},
    {"GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", "GET / host= fields=1 rest=0"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
     "GET / host= fields=2 close rest=0"},
    {"GET / HTTP/1.1\r\n" H "Connection: CLOSE\r\n\r\n", "GET / host=h fields=2 close rest=0"},
    {"GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nX: y\r\nconnection: a ,close,\r\n\r\n",
     "GET / host=h fields=4 close rest=0"},
    {"GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", "GET / host=h fields=2 rest=0"},
    {"POST /o HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhelloGET",
     "POST /o host=h fields=2 body=hello rest=3"},
    {"POST /o HTTP/1.1\r\n" H "Content-Length: 0005\r\n\r\nhel\nr",
     "POST /o host=h fields=2 body=hel\nr rest=0"},
    {"POST /o HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "POST /o host=h fields=2 rest=0"},
    {"POST /o HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nab",
     "POST /o host=h fields=3 expect body=ab rest=0"},
    {"POST /o HTTP/1.0\r\nContent-Length: 2\r\nExpect: teapot\r\n\r\nab",
     "POST /o host= fields=2 close body=ab rest=0"},
    {"POST /o HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "POST /o host=h fields=2 rest=0"},
    {"POST /o HTTP/1.1\r\n" H "Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n001;a=b\r\n!\r\nA "
     ";x=\"y;\"\r\n0123456789\r\n0\r\n\r\nGET /",
     "POST /o host=h fields=2 body=hello!0123456789 rest=5"},
    {"POST /o HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
     "POST /o host=h fields=2 body=\n rest=5"},
};

static const struct row incomplete[] = {
    {"", "more"},
    {"\r", "more"},
    {"\r\n", "more"},
    {"GET / HTTP/1.1\r\n" H "\r", "more"},
    {"POST /o HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhell", "more"},
    {"POST /o HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r", "more"},
    {"POST /o HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "more"},
};

static const struct row bad_lines[] = {
    {"\n", "400 first byte"},
    {"\x16\x03\x01", "400 first byte"},
    {" GET / HTTP/1.1\r\n", "400 first byte"},
    {"\r\n\r\n", "400 first byte"},
    {"\rGET / HTTP/1.1\r\n", "400 request line"},
    {"GET\r\n", "400 request line"},
    {"GET /\r\n", "400 request line"},
    {"GET / \r\n", "400 version"},
    {"GET / HTTP/1.1\n", "400 line end"},
    {"GET / HTTP/1.1 \r\n", "400 version"},
    {"GET  / HTTP/1.1\r\n", "400 version"},
    {"GET / x HTTP/1.1\r\n", "400 version"},
    {"GET\t/ HTTP/1.1\r\n", "400 request line"},
    {"GET / http/1.1\r\n", "400 version"},
    {"GET / HTTP/1.x\r\n", "400 version"},
    {"GET / HTTP/11\r\n", "400 version"},
    {"GET / HTTP/1.1\r\r\n", "400 version"},
    {"GET / HTTP/0.9\r\n", "505 version"},
    {"GET / HTTP/1.2\r\n", "505 version"},
    {"PRI * HTTP/2.0\r\n", "505 version"},
    {"get / HTTP/1.1\r\n", "501 method"},
    {"TRACE / HTTP/1.1\r\n", "501 method"},
    {"CONNECT a:1 HTTP/1.1\r\n", "501 method"},
    {"G{T / HTTP/1.1\r\n", "400 request line"},
    {"GET * HTTP/1.1\r\n", "400 target"},
    {"OPTIONS ** HTTP/1.1\r\n", "400 target"},
    {"GET a HTTP/1.1\r\n", "400 target"},
    {"GET ftp://h/ HTTP/1.1\r\n", "400 target"},
    {"GET http:/// HTTP/1.1\r\n", "400 target"},
    {"GET http://:80/ HTTP/1.1\r\n", "400 target"},
    {"GET http://u@h/ HTTP/1.1\r\n", "400 target"},
    {"GET http://h:x/ HTTP/1.1\r\n", "400 target"},
    {"GET /a#b HTTP/1.1\r\n", "400 target"},
    {"GET /\"a HTTP/1.1\r\n", "400 target"},
    {"GET /\x80 HTTP/1.1\r\n", "400 target"},
    {"GET /\x01 HTTP/1.1\r\n", "400 target"},
    {"GET /\r HTTP/1.1\r\n", "400 target"},
};

#define GET "GET / HTTP/1.1\r\n"

static const struct row bad_fields[] = {
    {GET "\r\n", "400 no Host"},
    {GET H H "\r\n", "400 repeated field"},
    {GET "Host: a b\r\n\r\n", "400 Host"},
    {GET "Host: a,b\r\n\r\n", "400 Host"},
    {GET "Host: a/b\r\n\r\n", "400 Host"},
    {GET "Host: a:8x\r\n\r\n", "400 Host"},
    {GET "Host: [::1\r\n\r\n", "400 Host"},
    {GET "Host: [::1]x\r\n\r\n", "400 Host"},
    {GET "Host: a]\r\n\r\n", "400 Host"},
    {"GET / HTTP/1.0\r\nHost: a@b\r\n\r\n", "400 Host"},
    {GET H "A\r\n", "400 field"},
    {GET H ": b\r\n", "400 field"},
    {GET H "A : b\r\n", "400 field"},
    {GET H "A\t: b\r\n", "400 field"},
    {GET H "A(: b\r\n", "400 field"},
    {GET " A: b\r\n", "400 field"},
    {GET H "A: b\r\n c\r\n", "400 field"},
    {GET H "A: b\r\n\tc\r\n", "400 field"},
    {GET H "A: b\n", "400 line end"},
    {GET H "A: b\r\n\n", "400 line end"},
    {GET H "A: b\rc\r\n", "400 field"},
    {GET H "A: b\x01\r\n", "400 field"},
    {GET H "A: b\x7f\r\n", "400 field"},
    {GET H "Content-Length:\r\n\r\n", "400 Content-Length"},
    {GET H "Content-Length: +3\r\n\r\n", "400 Content-Length"},
    {GET H "Content-Length: -3\r\n\r\n", "400 Content-Length"},
    {GET H "Content-Length: 3 3\r\n\r\n", "400 Content-Length"},
    {GET H "Content-Length: 3,3\r\n\r\n", "400 Content-Length"},
    {GET H "Content-Length: 0x3\r\n\r\n", "400 Content-Length"},
    {GET H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", "400 repeated field"},
    {GET H "Content-Length: 3\r\ncontent-length: 4\r\n\r\n", "400 repeated field"},
    {GET H "Content-Length: 65\r\n\r\n", "413 Content-Length over the limit"},
    {GET H "Content-Length: 18446744073709551616\r\n\r\n", "413 Content-Length over the limit"},
    {GET H "Content-Length: 99999999999999999999999999999\r\n\r\n", "413 Content-Length over the limit"},
    {GET H "Content-Length: 65\r\nExpect: 100-continue\r\n\r\n", "413 Content-Length over the limit"},
    {GET H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     "400 Content-Length and Transfer-Encoding"},
    {GET H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
     "400 Content-Length and Transfer-Encoding"},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Transfer-Encoding in HTTP/1.0"},
    {GET H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400 repeated field"},
    {GET H "Transfer-Encoding: chunked, chunked\r\n\r\n", "400 Transfer-Encoding"},
    {GET H "Transfer-Encoding: chunked, gzip\r\n\r\n", "400 Transfer-Encoding"},
    {GET H "Transfer-Encoding:\r\n\r\n", "400 Transfer-Encoding"},
    {GET H "Transfer-Encoding: \x80\r\n\r\n", "400 Transfer-Encoding"},
    {GET H "Transfer-Encoding: gzip, chunked\r\n\r\n", "501 Transfer-Encoding"},
    {GET H "Transfer-Encoding: xchunked\r\n\r\n", "501 Transfer-Encoding"},
    {GET H "Transfer-Encoding: chunkedx\r\n\r\n", "501 Transfer-Encoding"},
    {GET H "Transfer-Encoding: identity\r\n\r\n", "501 Transfer-Encoding"},
    {GET H "Expect: teapot\r\n\r\n", "417 Expect"},
    {GET H "Expect: 100-continue, x\r\n\r\n", "417 Expect"},
};

#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

static const struct row bad_chunks[] = {
    {CHUNKED "\r\n", "400 chunk size"},
    {CHUNKED "x\r\n", "400 chunk size"},
    {CHUNKED "-1\r\n", "400 chunk size"},
    {CHUNKED "0x1\r\n", "400 chunk size"},
    {CHUNKED " 1\r\n", "400 chunk size"},
    {CHUNKED "1 \r\n", "400 chunk size"},
    {CHUNKED "1 x\r\n", "400 chunk size"},
    {CHUNKED "1;\x01\r\n", "400 chunk size"},
    {CHUNKED "1;a\rb\r\n", "400 chunk size"},
    {CHUNKED "1\n", "400 line end"},
    {CHUNKED "1\r\nab\r\n", "400 chunk"},
    {CHUNKED "1\r\na\n", "400 line end"},
    {CHUNKED "1\r\na\r\n\r\n", "400 chunk size"},
    {CHUNKED "41\r\n", "413 chunks over the limit"},
    {CHUNKED "30\r\n123456789012345678901234567890123456789012345678\r\n11\r\n", "413 chunks over the limit"},
    {CHUNKED "fffffffffffffffff\r\n", "413 chunks over the limit"},
    {CHUNKED "10000000000000000\r\n", "413 chunks over the limit"},
    {CHUNKED "0\r\n A: b\r\n\r\n", "400 trailer"},
    {CHUNKED "0\r\nA : b\r\n\r\n", "400 trailer"},
    {CHUNKED "0\r\nA\r\n\r\n", "400 trailer"},
    {CHUNKED "0\r\n\n", "400 line end"},
    {CHUNKED
     "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000000000000\r\n\r\n",
     "400 chunk"},
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_request(rows[i].text, strlen(rows[i].text), rows[i].expected);
}

START_TEST(parser_accepts_what_is_well_formed)
{
    check_rows(good, ARRAY_LEN(good));
}
END_TEST

START_TEST(parser_waits_for_the_rest)
{
    check_rows(incomplete + 1, ARRAY_LEN(incomplete) - 1);
    struct http_parser p;
    http_parser_init(&p);
    ck_assert_int_eq(http_parser_run(&p, &limits, NULL, 0), HTTP_PARSE_MORE);
}
END_TEST

START_TEST(parser_refuses_request_lines)
{
    check_rows(bad_lines, ARRAY_LEN(bad_lines));
}
END_TEST

START_TEST(parser_refuses_fields)
{
    check_rows(bad_fields, ARRAY_LEN(bad_fields));
}
END_TEST

START_TEST(parser_refuses_chunks)
{
    check_rows(bad_chunks, ARRAY_LEN(bad_chunks));
}
END_TEST

START_TEST(parser_refuses_nul)
{
    static const struct {
        const char *text;
        size_t n;
        const char *expected;
    } rows[] = {
        {"\0", 1, "400 first byte"},
        {"GET /\0 HTTP/1.1\r\n", 17, "400 target"},
        {"G\0T / HTTP/1.1\r\n", 16, "400 request line"},
        {GET "A\0: b\r\n", 23, "400 field"},
        {GET "A: b\0c\r\n", 24, "400 field"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_request(rows[i].text, rows[i].n, rows[i].expected);
}
END_TEST

/* A head of exactly n bytes: the request line is line bytes long with its CRLF, one field fills the rest. */
static void head_of(struct buf *b, size_t line, size_t n)
{
    buf_puts(b, "GET /");
    while (b->len < line - strlen(" HTTP/1.1\r\n"))
        buf_putc(b, 'a');
    buf_puts(b, " HTTP/1.1\r\n" H);
    if (b->len + 2 < n) {
        buf_puts(b, "X:");
        while (b->len < n - 4)
            buf_putc(b, 'x');
        buf_puts(b, "\r\n");
    }
    buf_puts(b, "\r\n");
}

START_TEST(parser_limits_the_head)
{
    static const struct {
        size_t line, n;
        const char *status;
    } rows[] = {{100, 1024, "GET"},  {100, 1025, "431"},  {1013, 1024, "GET"}, {1014, 1025, "431"},
                {1024, 1035, "431"}, {1025, 1036, "414"}, {3000, 3011, "414"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = BUF_INIT, outcome = BUF_INIT;
        head_of(&text, rows[i].line, rows[i].n);
        ck_assert_uint_eq(text.len, rows[i].n);
        feed(&outcome, text.data, text.len, 0, 0);
        ck_assert_msg(str_starts_with(buf_str(&outcome), rows[i].status), "%zu: %s", i, buf_str(&outcome));
        check_request(text.data, text.len, buf_str(&outcome));
        buf_free(&text);
        buf_free(&outcome);
    }
}
END_TEST

START_TEST(parser_limits_the_number_of_fields)
{
    for (int n = HTTP_MAX_FIELDS; n <= HTTP_MAX_FIELDS + 1; n++) {
        struct buf text = BUF_INIT;
        buf_puts(&text, GET H);
        for (int i = 1; i < n; i++)
            buf_puts(&text, "A:b\r\n");
        buf_puts(&text, "\r\n");
        check_request(text.data, text.len,
                      n == HTTP_MAX_FIELDS ? "GET / host=h fields=64 rest=0" : "431 number of fields");
        buf_free(&text);
    }
}
END_TEST

START_TEST(parser_limits_extensions_and_trailers)
{
    struct buf text = BUF_INIT;
    buf_puts(&text, CHUNKED);
    for (int i = 0; i < 10; i++) { /* 10 * 110 bytes of extensions for 10 bytes of body */
        buf_puts(&text, "1;");
        for (int k = 0; k < 109; k++)
            buf_putc(&text, 'e');
        buf_puts(&text, "\r\nx\r\n");
    }
    check_request(text.data, text.len, "400 chunk extensions");
    buf_clear(&text);
    buf_puts(&text, CHUNKED "0\r\n");
    for (int i = 0; i <= HTTP_MAX_FIELDS; i++)
        buf_puts(&text, "A:b\r\n");
    buf_puts(&text, "\r\n");
    check_request(text.data, text.len, "431 number of trailers");
    buf_clear(&text);
    buf_puts(&text, CHUNKED "0\r\nA:");
    while (text.len < 1200)
        buf_putc(&text, 'b');
    buf_puts(&text, "\r\n\r\n");
    check_request(text.data, text.len, "431 fields over the limit");
    buf_free(&text);
}
END_TEST

/* A body of many tiny chunks never needs more memory than the decoded body and one read. */
START_TEST(parser_compacts_chunks)
{
    struct http_parser p;
    http_parser_init(&p);
    char data[256] = CHUNKED;
    size_t len = strlen(data);
    ck_assert_int_eq(http_parser_run(&p, &limits, data, len), HTTP_PARSE_MORE);
    size_t head = len;
    for (size_t i = 0; i < limits.body; i++) {
        memcpy(data + len, "01\r\nz\r\n", 7);
        ck_assert_int_eq(http_parser_run(&p, &limits, data, len + 7), HTTP_PARSE_MORE);
        len = http_parser_compact(&p, data, len + 7);
        ck_assert_uint_eq(len, head + i + 1);
    }
    memcpy(data + len, "0\r\n\r\n", 5);
    ck_assert_int_eq(http_parser_run(&p, &limits, data, len + 5), HTTP_PARSE_DONE);
    ck_assert_uint_eq(p.body_len, limits.body);
    ck_assert_uint_eq(p.consumed, len + 5);
}
END_TEST

START_TEST(parser_says_what_is_missing)
{
    struct http_parser p;
    http_parser_init(&p);
    char data[] = "POST / HTTP/1.1\r\n" H "Content-Length: 40\r\n\r\nabc";
    ck_assert_uint_eq(http_parser_missing(&p, 0), 0);
    ck_assert_int_eq(http_parser_run(&p, &limits, data, sizeof data - 1), HTTP_PARSE_MORE);
    ck_assert_uint_eq(http_parser_missing(&p, sizeof data - 1), 37);
    ck_assert(p.head_done);
}
END_TEST

Suite *http_parser_suite(void)
{
    Suite *s = suite_create("http_parser");
    TCase *t = tcase_create("http_parser");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, parser_accepts_what_is_well_formed);
    tcase_add_test(t, parser_waits_for_the_rest);
    tcase_add_test(t, parser_refuses_request_lines);
    tcase_add_test(t, parser_refuses_fields);
    tcase_add_test(t, parser_refuses_chunks);
    tcase_add_test(t, parser_refuses_nul);
    tcase_add_test(t, parser_limits_the_head);
    tcase_add_test(t, parser_limits_the_number_of_fields);
    tcase_add_test(t, parser_limits_extensions_and_trailers);
    tcase_add_test(t, parser_compacts_chunks);
    tcase_add_test(t, parser_says_what_is_missing);
    suite_add_tcase(s, t);
    return s;
}
