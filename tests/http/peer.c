/* A server on loopback and raw clients of it. */
#include "tests/http/peer.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20000
};

/* --- the site
 * -----------------------------------------------------------------------------------------------------------
 */

/* Answers at once with method, parameters, query parameter q and body. */
static void on_echo(void *arg, const struct http_request *req, http_reply reply)
{
    struct site *site = arg;
    struct buf b = BUF_INIT, q = BUF_INIT;
    site->calls++;
    buf_printf(&b, "%.*s", (int)req->path.n, req->path.p);
    for (size_t i = 0; i < req->nparams; i++)
        buf_printf(&b, " {%.*s}", (int)req->params[i].n, req->params[i].p);
    if (http_request_query(req, "q", &q) > 0)
        buf_printf(&b, " q=%s", buf_str(&q));
    if (req->body.n)
        buf_printf(&b, " body=%.*s", (int)req->body.n, req->body.p);
    struct slice x = http_request_header(req, "x-TEST");
    if (x.p)
        buf_printf(&b, " x=%.*s", (int)x.n, x.p);
    http_reply_send(site->server, reply, 200, "text/plain", buf_slice(&b), NULL, 0);
    buf_free(&b);
    buf_free(&q);
}

static void on_later(void *arg, const struct http_request *req, http_reply reply)
{
    struct site *site = arg;
    ck_assert_uint_lt(site->nkept, MAX_KEPT);
    site->calls++;
    site->kept[site->nkept++] = reply;
}

static void on_big(void *arg, const struct http_request *req, http_reply reply)
{
    struct site *site = arg;
    site->calls++;
    http_reply_send(site->server, reply, 200, "text/plain", buf_slice(&site->big), NULL, 0);
}

static void on_teapot(void *arg, const struct http_request *req, http_reply reply)
{
    struct site *site = arg;
    struct http_header headers[] = {{"X-One", "1"}, {"X-Two", "a\r\nInjected: b"}};
    http_reply_send(site->server, reply, 204, NULL, (struct slice){0}, headers, 2);
}

static void error_body(void *arg, const struct http_request *req, int status, struct buf *body,
                       const char **type)
{
    buf_printf(body, "error %d%s", status, req ? "" : " headless");
    *type = "text/plain";
}

void site_init(struct site *site)
{
    memset(site, 0, sizeof(*site));
    site->loop = loop_new();
    site->cfg = (struct http_server_config){
        .name = "test",
        .address = "127.0.0.1",
        .max_connections = 1000,
        .max_request_body = 1000,
        .max_header_bytes = 8192,
        .header_timeout_ms = 60000,
        .body_timeout_ms = 60000,
        .keep_alive_timeout_ms = 60000,
        .request_timeout_ms = 60000,
        .write_timeout_ms = 60000,
        .error_body = error_body,
    };
}

void site_start(struct site *site)
{
    const struct http_route routes[] = {
        {HTTP_GET, "/echo", on_echo, site, HTTP_ROUTE_ANY_ACCEPT},
        {HTTP_POST, "/echo", on_echo, site, 0},
        {HTTP_GET, "/echo/{a}/x/{b}", on_echo, site, 0},
        {HTTP_POST, "/json", on_echo, site, HTTP_ROUTE_JSON_BODY},
        {HTTP_GET, "/later", on_later, site, 0},
        {HTTP_GET, "/big", on_big, site, 0},
        {HTTP_DELETE, "/teapot", on_teapot, site, 0},
    };
    struct error e = ERROR_INIT;
    site->server = http_server_new(site->loop, &site->cfg);
    http_server_add(site->server, routes, ARRAY_LEN(routes));
    ck_assert_msg(http_server_listen(site->server, &e), "%s", e.text);
}

void site_stop(struct site *site)
{
    http_server_free(site->server);
    buf_free(&site->big);
    loop_free(site->loop);
}

void site_answer(struct site *site, size_t i, const char *text)
{
    ck_assert_uint_lt(i, site->nkept);
    http_reply_send(site->server, site->kept[i], 200, "text/plain", slice_of(text), NULL, 0);
}

struct kept_wait {
    struct site *site;
    size_t n;
};

static bool enough_kept(void *arg)
{
    struct kept_wait *w = arg;
    return w->site->nkept >= w->n;
}

void site_wait_kept(struct site *site, size_t n)
{
    struct kept_wait w = {site, n};
    ck_assert_msg(loop_run_until(site->loop, enough_kept, &w, PATIENCE_MS), "%zu of %zu requests came",
                  site->nkept, n);
}

static bool never(void *arg)
{
    return false;
}

void site_idle(struct site *site, int64_t ms)
{
    loop_run_until(site->loop, never, NULL, ms);
}

/* --- peers
 * ----------------------------------------------------------------------------------------------------------------
 */

static void peer_read_ev(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    ssize_t n = read(fd, buf_reserve(&p->in, 65536), 65536);
    if (n > 0) {
        p->in.len += (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        p->eof = true;
        p->reset = n < 0;
        event_del(p->read_ev);
    }
}

void peer_open(struct peer *p, struct site *site)
{
    memset(p, 0, sizeof(*p));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_server_port(site->server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->site = site;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_msg(p->fd >= 0, "%s", strerror(errno));
    ck_assert_int_eq(connect(p->fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    p->read_ev = event_new(loop_base(site->loop), p->fd, EV_READ | EV_PERSIST, peer_read_ev, p);
    event_add(p->read_ev, NULL);
}

size_t peer_unread(const struct peer *p)
{
    return p->in.len - p->at;
}

void peer_hold(struct peer *p, bool hold)
{
    if (hold)
        event_del(p->read_ev);
    else
        event_add(p->read_ev, NULL);
}

bool peer_send_n(struct peer *p, const char *text, size_t n)
{
    size_t at = 0;
    while (at < n && !p->eof) {
        ssize_t sent = send(p->fd, text + at, n - at, MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (errno == EAGAIN)
            site_idle(p->site, 1);
        else
            return false;
    }
    return at == n;
}

bool peer_send(struct peer *p, const char *text)
{
    return peer_send_n(p, text, strlen(text));
}

void peer_shut(struct peer *p)
{
    ck_assert_int_eq(shutdown(p->fd, SHUT_WR), 0);
}

void peer_close(struct peer *p)
{
    event_free(p->read_ev);
    close(p->fd);
    buf_free(&p->in);
}

void peer_reset(struct peer *p)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    peer_close(p);
}

/* Length of the answer at the start of what came; 0 when it is not complete. */
static size_t answer_length(struct peer *p, bool head_only)
{
    const char *text = buf_str(&p->in) + p->at, *end = memmem(text, peer_unread(p), "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t n = (size_t)(end - text) + 4;
    const char *length = memmem(text, n, "\r\nContent-Length: ", 18);
    if (!head_only && length)
        n += (size_t)atol(length + 18);
    return n <= peer_unread(p) ? n : 0;
}

struct answer_wait {
    struct peer *p;
    bool head_only;
};

static bool has_answer(void *arg)
{
    struct answer_wait *w = arg;
    return w->p->eof || answer_length(w->p, w->head_only);
}

static bool is_left_out(struct slice line)
{
    if (line.n > 5 && memcmp(line.p, "Date:", 5) == 0)
        return true;
    return line.n == 30 && memcmp(line.p, "X-Request-Id: ", 14) == 0;
}

const char *peer_answer(struct peer *p, bool head_only)
{
    static struct buf text;
    struct answer_wait w = {p, head_only};
    ck_assert_msg(loop_run_until(p->site->loop, has_answer, &w, PATIENCE_MS), "no answer: %s",
                  buf_str(&p->in));
    size_t n = answer_length(p, head_only);
    ck_assert_msg(n > 0, "closed instead of an answer%s: %s", p->reset ? " by a reset" : "",
                  buf_str(&p->in) + p->at);
    buf_clear(&text);
    const char *in = p->in.data + p->at;
    size_t at = 0, head = (size_t)((char *)memmem(in, n, "\r\n\r\n", 4) - in) + 4;
    while (at < head) {
        struct slice line = {in + at, (size_t)((char *)memmem(in + at, n - at, "\r\n", 2) - in) - at};
        at += line.n + 2;
        if (is_left_out(line))
            continue;
        buf_put_slice(&text, line);
        buf_putc(&text, '\n');
    }
    buf_put(&text, in + head, n - head);
    p->at += n;
    if (p->at == p->in.len)
        p->at = 0;
    if (!p->at)
        buf_clear(&p->in);
    return buf_str(&text);
}

void peer_expect(struct peer *p, int status, const char *body)
{
    const char *answer = peer_answer(p, false);
    ck_assert_msg(atoi(answer + 9) == status, "expected %d, got %s", status, answer);
    if (body)
        ck_assert_str_eq(strstr(answer, "\n\n") + 2, body);
}

static bool is_closed(void *arg)
{
    return ((struct peer *)arg)->eof;
}

void peer_expect_close(struct peer *p)
{
    ck_assert_msg(loop_run_until(p->site->loop, is_closed, p, PATIENCE_MS), "not closed");
    ck_assert_msg(!p->reset, "reset");
    ck_assert_msg(peer_unread(p) == 0, "unexpected: %s", buf_str(&p->in) + p->at);
}
