/* Bad peers and odd ones over real sockets: each gets its answer or is let go, and the node serves the others. */
#include "suites.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shop.h"

static void open_strict(void)
{
    /* Hundreds of idle connections are made before the first of them ends. */
    shop_open_with("peer", text("server.header-timeout = 700ms\n"
                                "server.body-timeout = 700ms\n"
                                "server.keep-alive-timeout = %dms\n"
                                "server.max-connections = 400\n",
                                4000 * e2e_slowness()));
}

/* Send the bytes on a connection of its own; the answer has this status and the node closes. */
static void refused(int status, const char *bytes)
{
    struct wire *w = wire_open(shop->port);
    wire_send(w, bytes);
    struct answer *a = expect(status, wire_answer(w));
    ck_assert_ptr_ne(a->json, NULL);
    ck_assert_msg(wire_closed(w, 5000), "still open after %d: %s", status, bytes);
    wire_close(w);
}

START_TEST(slow_peers_time_out)
{
    struct wire *head = wire_open(shop->port), *body = wire_open(shop->port), *silent = wire_open(shop->port);
    wire_send(head, "GET /api/products HTTP/1.1\r\nHost: x\r\n");
    wire_send(body, "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    "Content-Length: 100\r\n\r\n{");
    int64_t began = now_ms();
    expect_error(408, "REQUEST_TIMEOUT", NULL, wire_answer(head));
    expect_error(408, "REQUEST_TIMEOUT", NULL, wire_answer(body));
    ck_assert_int_lt(now_ms() - began, 5000 * e2e_slowness());
    ck_assert(wire_closed(head, 5000));
    ck_assert(wire_closed(body, 5000));
    ck_assert(wire_closed(silent, 15000 * e2e_slowness())); /* nothing asked, nothing answered */
    wire_close(head);
    wire_close(body);
    wire_close(silent);
}
END_TEST

START_TEST(malformed_requests_are_refused)
{
    static const char order_head[] =
        "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    refused(400, text("%sContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", order_head));
    refused(400, text("%sContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", order_head));
    refused(400, text("%sContent-Length: -1\r\n\r\n{}", order_head));
    refused(400, text("%sTransfer-Encoding: chunked\r\n\r\nxyz\r\n", order_head));
    refused(501, text("%sTransfer-Encoding: gzip, chunked\r\n\r\n", order_head));
    refused(400, "GET /api/products HTTP/1.1\nHost: x\n\n");
    refused(400, "GET /api/products HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n");
    refused(400, "GET /api/products HTTP/1.1\r\nHost : x\r\n\r\n");
    refused(400, "GET /api/products HTTP/1.1\r\n\r\n");
    refused(400, "GET /api/products HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n");
    refused(505, "GET /api/products HTTP/2.0\r\nHost: x\r\n\r\n");
    refused(400, "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 hello\r\n\r\n");
}
END_TEST

/* Many requests in one go, some of them wrong: answered in their order on one connection. */
START_TEST(pipelined_mix)
{
    int64_t user = users_new(1, "1000"), product = product_new("10", 100);
    static const int wanted[] = {200, 200, 404, 400, 200, 405};
    struct wire *w = wire_open(shop->port);
    char *all = text("%s", "");
    for (int i = 0; i < 10; i++) {
        const char *body = text("{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":1}]}",
                                (long long)user, (long long)product);
        all = text("%sPOST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s"
                   "GET /api/products/%lld HTTP/1.1\r\nHost: x\r\n\r\n"
                   "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
                   "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: "
                   "application/json\r\nContent-Length: 1\r\n\r\n{"
                   "POST /api/users/balance/charge HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"use\r\n%zx;ext=1\r\n%s\r\n0\r\n\r\n"
                   "DELETE /api/orders HTTP/1.1\r\nHost: x\r\n\r\n",
                   all, strlen(body), body, (long long)product,
                   strlen(text("rId\":%lld,\"amount\":1}", (long long)user)),
                   text("rId\":%lld,\"amount\":1}", (long long)user));
    }
    wire_send(w, all);
    for (int i = 0; i < 10; i++)
        for (size_t k = 0; k < E2E_LEN(wanted); k++)
            expect(wanted[k], wire_answer(w));
    wire_close(w);
    ck_assert_str_eq(balance_of(user), "910.00");
    ck_assert_int_eq(stock_of(product), 90);
}
END_TEST

/* Bytes come one at a time; a client asks leave before the body; a body comes in the second half of a half-closed line. */
START_TEST(odd_but_right)
{
    int64_t user = users_new(1, "1000"), product = product_new("10", 100);
    const char *body = text("{\"userId\":%lld,\"orderItems\":[{\"productId\":%lld,\"quantity\":1}]}",
                            (long long)user, (long long)product);
    struct wire *w = wire_open(shop->port);
    const char *request =
        text("GET http://elsewhere/api/users/%lld?x=%%20 HTTP/1.1\r\nHost: x\r\n\r\n", (long long)user);
    for (const char *p = request; *p; p++)
        wire_send(w, text("%c", *p));
    expect(200, wire_answer(w));
    wire_send(w, text("POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: "
                      "100-continue\r\n"
                      "Content-Length: %zu\r\n\r\n",
                      strlen(body)));
    char interim[32] = {0};
    ck_assert_int_gt(recv(w->fd, interim, 25, MSG_WAITALL), 0);
    ck_assert_str_eq(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    wire_send(w, body);
    expect(200, wire_answer(w));
    wire_send(w, text("POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: "
                      "application/json\r\nContent-Length: %zu\r\n"
                      "\r\n%s",
                      strlen(body), body));
    shutdown(w->fd, SHUT_WR);
    expect(200, wire_answer(w));
    ck_assert(wire_closed(w, 5000));
    wire_close(w);

    w = wire_open(shop->port);
    wire_send(w, "GET /api/products HTTP/1.0\r\n\r\n");
    expect(200, wire_answer(w));
    ck_assert(wire_closed(w, 1000));
    wire_close(w);
}
END_TEST

/* The client is gone before the answer: what it asked for is done once all the same. */
START_TEST(client_leaves)
{
    int64_t user = users_new(50, "1000"), product = product_new("10", 100);
    for (int i = 0; i < 50; i++) {
        struct wire *w = wire_open(shop->port);
        const char *body = order_flood(shop, user + i, 1, product, 1)->body;
        wire_send(w, text("POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          strlen(body), body));
        if (i % 2) {
            struct linger hard = {1, 0};
            setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        wire_close(w);
    }
    expect(200, order(shop, user, product, 1));
    WAIT_UNTIL(5,
               stock_of(product) +
                       sql_int("SELECT coalesce(sum(quantity), 0) FROM order_items WHERE product_id = %lld",
                               (long long)product) ==
                   100);
    /* A reset connection may have been noticed before its request was read; a closed one has not. */
    WAIT_UNTIL(5, stock_of(product) <= 100 - 26);
}
END_TEST

/* Idle connections up to the limit; one more is told so at once; those that idle too long make room. */
START_TEST(idle_connections_end)
{
    struct wire *idle[400];
    size_t open = 0;
    for (; open < 400; open++) {
        idle[open] = wire_open(shop->port);
        wire_send(idle[open], "GET /actuator/health/liveness HTTP/1.1\r\nHost: x\r\n\r\n");
        if (wire_answer(idle[open])->status != 200)
            break;
    }
    ck_assert_msg(open >= 390, "only %zu connections", open);
    int status = get(shop->port, "/api/products")->status;
    ck_assert_msg(open < 400 || status == 503, "one more connection: %d", status);
    WAIT_UNTIL(20, get(shop->port, "/api/products")->status == 200);
    for (size_t i = 0; i < open; i++)
        wire_close(idle[i]);
}
END_TEST

/* A client that reads nothing of what it asked for neither stops the others nor fills the memory. */
START_TEST(reader_stops_reading)
{
    struct wire *w = wire_open(shop->port);
    char *many = text("%s", "");
    for (int i = 0; i < 100; i++)
        many = text("%sGET /v3/api-docs HTTP/1.1\r\nHost: x\r\n\r\n", many);
    for (int i = 0; i < 20; i++)
        if (send(w->fd, many, strlen(many), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
    for (int i = 0; i < 20; i++)
        expect(200, get(shop->port, "/api/products"));
    double used = node_metric(shop, "process.resident.memory", "");
    ck_assert_msg(used < 512e6, "%g bytes", used);
    wire_close(w);
}
END_TEST

START_TEST(books)
{
    books_agree();
}
END_TEST

Suite *peer_suite(void)
{
    Suite *s = suite_create("peer");
    TCase *t = e2e_tcase(s, "peer", 60);
    tcase_add_unchecked_fixture(t, open_strict, shop_close);
    tcase_add_test(t, slow_peers_time_out);
    tcase_add_test(t, malformed_requests_are_refused);
    tcase_add_test(t, pipelined_mix);
    tcase_add_test(t, odd_but_right);
    tcase_add_test(t, client_leaves);
    tcase_add_test(t, idle_connections_end);
    tcase_add_test(t, reader_stops_reading);
    tcase_add_test(t, books);
    return s;
}
