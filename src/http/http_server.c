/* The server: listener, caps, drain.
 *
 * Out of descriptors: the spare one is given up to take the next client and tell it so, then the listener
 * rests until a timer wakes it. Without that a full table makes a level-triggered listener spin. */
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"

enum {
    ACCEPTS_PER_TURN = 64,
    BACKLOG = 4096,
    REST_MS = 100,          /* of the listener when descriptors are out */
    SPARE_DESCRIPTORS = 64, /* left to everything else when the cap is compared with the process' limit */
};

LOG_DEFINE(log_http, "rushd.http");

/* --- listener --- */

static void spare_open(struct http_server *s)
{
    if (s->spare_fd < 0)
        s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int accept_one(struct http_server *s)
{
    return accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Use the spare descriptor to answer one client that no descriptor is left for; false if nobody waits. */
static bool refuse_with_spare(struct http_server *s)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
                                 "Connection: close\r\n\r\n";
    if (s->spare_fd < 0)
        return false;
    close(s->spare_fd);
    s->spare_fd = -1;
    int fd = accept_one(s);
    if (fd >= 0) {
        http_metrics_reject(HTTP_REJECT_DESCRIPTORS);
        /* What is read does not turn closing into a reset that may overtake the answer. */
        if (recv(fd, s->read_buf, HTTP_READ_SIZE, MSG_DONTWAIT) != 0 &&
            send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0)
            shutdown(fd, SHUT_WR);
        close(fd);
    }
    spare_open(s);
    return fd >= 0;
}

static void out_of_descriptors(struct http_server *s, int error)
{
    int64_t suppressed;
    if (log_gate_open(&s->gate, 10000, &suppressed))
        log_warn(&log_http, "cannot accept", LOG_S("server", s->cfg.name), LOG_S("error", strerror(error)),
                 LOG_I("connections", s->nconns), LOG_I("suppressed", suppressed));
    for (int i = 0; i < ACCEPTS_PER_TURN && refuse_with_spare(s); i++)
        ;
    event_del(&s->listen_ev);
    loop_timer_start(s->listen_again, REST_MS);
}

static void admit(struct http_server *s, int fd)
{
    if ((int64_t)s->nconns < s->max_connections) {
        http_conn_start(s, fd);
    } else if (s->nrefused < HTTP_MAX_REFUSED) {
        http_conn_refuse(s, fd);
    } else {
        http_metrics_reject(HTTP_REJECT_CONNECTIONS);
        close(fd);
    }
}

/* Accept until nobody waits or the budget is used up; true in the second case. */
static bool accept_some(struct http_server *s)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept_one(s);
        if (fd >= 0) {
            admit(s, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            out_of_descriptors(s, errno);
            return false;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return false;
        } /* else this client is gone already */
    }
    return true;
}

static void listen_ev(evutil_socket_t fd, short what, void *arg)
{
    accept_some(arg);
}

static void on_listen_again(void *arg)
{
    struct http_server *s = arg;
    spare_open(s);
    event_add(&s->listen_ev, NULL);
}

static bool parse_address(const char *text, int port, struct sockaddr_storage *address, socklen_t *size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *size = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *size = sizeof(*v6);
        return true;
    }
    return false;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* Socket, options, bind; -1 with errno. Accepted sockets inherit TCP_NODELAY. */
static int open_bound(const struct sockaddr_storage *address, socklen_t size)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)address, size) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* The cap must leave descriptors to the rest of the process. */
static void clamp_connections(struct http_server *s)
{
    struct rlimit limit;
    s->max_connections = s->cfg.max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    int64_t room = (int64_t)limit.rlim_cur - SPARE_DESCRIPTORS;
    if (room < SPARE_DESCRIPTORS)
        room = SPARE_DESCRIPTORS;
    if (s->max_connections > room) {
        log_warn(&log_http, "connections are limited by the number of open files",
                 LOG_S("server", s->cfg.name), LOG_I("wanted", s->max_connections), LOG_I("limit", room));
        s->max_connections = room;
    }
}

static bool listen_failed(struct http_server *s, struct error *e)
{
    error_set(e, ERROR_RETRIABLE, "LISTEN", "%s: cannot listen on address %s port %d: %s", s->cfg.name,
              s->cfg.address, s->cfg.port, strerror(errno));
    return false;
}

bool http_server_bind(struct http_server *s, struct error *e)
{
    ASSERT(s->listen_fd < 0 && !s->draining);
    struct sockaddr_storage address;
    socklen_t size;
    if (!parse_address(s->cfg.address, s->cfg.port, &address, &size)) {
        error_set(e, ERROR_PERMANENT, "ADDRESS", "%s: address %s is not numeric", s->cfg.name,
                  s->cfg.address);
        return false;
    }
    s->listen_fd = open_bound(&address, size);
    if (s->listen_fd < 0)
        return listen_failed(s, e);
    s->port = bound_port(s->listen_fd);
    return true;
}

bool http_server_listen(struct http_server *s, struct error *e)
{
    ASSERT(!s->listening && !s->draining);
    if (s->listen_fd < 0 && !http_server_bind(s, e))
        return false;
    if (listen(s->listen_fd, BACKLOG) < 0)
        return listen_failed(s, e);
    s->listening = true;
    clamp_connections(s);
    spare_open(s);
    event_assign(&s->listen_ev, loop_base(s->loop), s->listen_fd, EV_READ | EV_PERSIST, listen_ev, s);
    event_add(&s->listen_ev, NULL);
    log_info(&log_http, "listening", LOG_S("server", s->cfg.name), LOG_S("address", s->cfg.address),
             LOG_I("port", s->port));
    return true;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

static void close_listener(struct http_server *s)
{
    if (s->listen_fd < 0)
        return;
    if (s->listening) {
        loop_timer_stop(s->listen_again);
        event_del(&s->listen_ev);
    }
    s->listening = false;
    close(s->listen_fd);
    s->listen_fd = -1;
    if (s->spare_fd >= 0)
        close(s->spare_fd);
    s->spare_fd = -1;
}

/* --- drain --- */

static void close_all(struct http_server *s)
{
    struct http_conn *c, *next;
    TAILQ_FOREACH_SAFE(c, &s->conns, link, next)
    http_conn_close(c);
}

static void on_drain_deadline(void *arg)
{
    struct http_server *s = arg;
    log_warn(&log_http, "cutting connections at the end of the drain", LOG_S("server", s->cfg.name),
             LOG_I("connections", s->nconns), LOG_I("unanswered", s->slots.waiting));
    close_all(s);
}

/* Not in http_server_drain() itself: a handler may have called that, and idle connections are read once more
 * here. */
static void on_drain(void *arg)
{
    struct http_server *s = arg;
    struct http_conn *c, *next;
    TAILQ_FOREACH_SAFE(c, &s->conns, link, next)
    http_conn_drain(c);
    http_server_conn_closed(s);
}

static void on_drained(void *arg)
{
    struct http_server *s = arg;
    loop_timer_stop(s->drain_deadline);
    if (s->drained)
        s->drained(s->drained_arg);
}

void http_server_conn_closed(struct http_server *s)
{
    if (s->draining && TAILQ_EMPTY(&s->conns) && !s->drain_task.pending)
        loop_defer(s->loop, &s->drained_task);
}

void http_server_drain(struct http_server *s, int64_t deadline_ms, void (*drained)(void *arg), void *arg)
{
    ASSERT(!s->draining);
    s->draining = true;
    s->drained = drained;
    s->drained_arg = arg;
    /* Who is in the backlog may have sent a request already; closing the listener would reset it. */
    for (int i = 0; s->listening && i < BACKLOG / ACCEPTS_PER_TURN && accept_some(s); i++)
        ;
    close_listener(s);
    loop_timer_start(s->drain_deadline, deadline_ms);
    loop_defer(s->loop, &s->drain_task);
}

/* --- life --- */

/* A quarter of the shortest timeout, at most a second: how late a deadline may be noticed. */
static int64_t tick_ms(const struct http_server_config *cfg)
{
    const int64_t timeouts[] = {cfg->header_timeout_ms, cfg->body_timeout_ms, cfg->keep_alive_timeout_ms,
                                cfg->request_timeout_ms, cfg->write_timeout_ms};
    int64_t shortest = 4000;
    for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
        ASSERT(timeouts[i] > 0);
        if (timeouts[i] < shortest)
            shortest = timeouts[i];
    }
    return shortest < 40 ? 10 : shortest / 4;
}

struct http_server *http_server_new(struct loop *l, const struct http_server_config *cfg)
{
    ASSERT(cfg->max_header_bytes > 0 && cfg->max_header_bytes <= UINT16_MAX && cfg->max_request_body >= 0);
    struct http_server *s = mem_zalloc(sizeof(*s));
    s->loop = l;
    s->cfg = *cfg;
    s->cfg.name = mem_strdup(cfg->name);
    s->cfg.address = mem_strdup(cfg->address);
    s->limits = (struct http_limits){(size_t)cfg->max_header_bytes, (size_t)cfg->max_request_body};
    s->router = http_router_new();
    s->read_buf = mem_alloc(HTTP_READ_SIZE);
    s->wheel = http_wheel_new(l, tick_ms(cfg), http_conn_due);
    s->id_seed = random_u64();
    s->listen_fd = s->spare_fd = -1;
    s->listen_again = loop_timer_new(l, on_listen_again, s);
    s->drain_deadline = loop_timer_new(l, on_drain_deadline, s);
    s->drain_task = (struct loop_task){.run = on_drain, .arg = s};
    s->drained_task = (struct loop_task){.run = on_drained, .arg = s};
    TAILQ_INIT(&s->conns);
    http_stats_init(&s->unknown, "UNKNOWN");
    http_gauges_init(&s->gauges, s->cfg.name);
    log_register(&log_http);
    return s;
}

void http_server_add(struct http_server *s, const struct http_route *routes, size_t n)
{
    ASSERT(s->listen_fd < 0);
    for (size_t i = 0; i < n; i++) {
        size_t index = http_router_add(s->router, &routes[i]);
        s->stats = mem_grow(s->stats, index + 1, sizeof(struct http_stats *));
        s->stats[index] = mem_alloc(sizeof(struct http_stats));
        http_stats_init(s->stats[index], routes[i].pattern);
    }
}

size_t http_server_connections(const struct http_server *s)
{
    return s->nconns;
}

size_t http_server_pending(const struct http_server *s)
{
    return s->slots.waiting;
}

const struct http_route *http_server_route_at(const struct http_server *s, size_t i)
{
    return http_router_at(s->router, i);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    s->draining = false; /* nobody is told any more */
    close_listener(s);
    close_all(s);
    loop_defer_cancel(s->loop, &s->drain_task);
    loop_defer_cancel(s->loop, &s->drained_task);
    loop_timer_free(s->listen_again);
    loop_timer_free(s->drain_deadline);
    http_wheel_free(s->wheel);
    http_slots_free(&s->slots);
    for (size_t i = 0; http_router_at(s->router, i); i++) {
        http_stats_free(s->stats[i]);
        mem_free(s->stats[i]);
    }
    mem_free(s->stats);
    http_stats_free(&s->unknown);
    http_router_free(s->router);
    for (size_t i = 0; i < s->npooled; i++)
        buf_free(&s->pool[i]);
    buf_free(&s->decoded);
    buf_free(&s->error_body);
    mem_free(s->read_buf);
    mem_free((char *)s->cfg.name);
    mem_free((char *)s->cfg.address);
    mem_free(s);
}
