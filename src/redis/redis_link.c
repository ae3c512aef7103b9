/* The socket: looking up the name, connecting, writing what a turn queued in one piece, parsing what arrives.
 *
 * Trying the addresses of a name one after the other is part of one attempt; its deadline is the client's. */
#include "redis/redis_internal.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <event2/event.h>

/* One read(2); hiredis moves what is left of its buffer for each KiB consumed, so much larger ones cost more.
 */
#define READ_SIZE 16384
/* Reads per event: other descriptors wait meanwhile. */
#define READS_PER_EVENT 4
/* An output buffer above this is given back when it has been written. */
#define KEEP_OUT (1024 * 1024)

static void connect_next(struct redis_client *c);

static void read_ev(evutil_socket_t fd, short what, void *arg)
{
    redis_link_read(arg);
}

static void established(struct redis_client *c)
{
    struct event_base *base = loop_base(c->loop);
    c->reader = redisReaderCreate();
    ASSERT(c->reader);
    c->reader->maxbuf = 0; /* keep the buffer instead of allocating it anew after each larger reply */
    c->read_event = event_new(base, c->fd, EV_READ | EV_PERSIST, read_ev, c);
    ASSERT(c->read_event && event_add(c->read_event, NULL) == 0);
    redis_client_connected(c);
}

static void drop_socket(struct redis_client *c)
{
    if (c->read_event)
        event_free(c->read_event);
    if (c->write_event)
        event_free(c->write_event);
    c->read_event = c->write_event = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void connect_failed(struct redis_client *c, int err)
{
    char reason[200];
    snprintf(reason, sizeof(reason), "%s: %s",
             c->naddresses ? c->addresses[c->address - 1].text : c->cfg.socket, strerror(err));
    drop_socket(c);
    if (c->address < c->naddresses)
        connect_next(c);
    else
        redis_client_lost(c, "NOT_CONNECTED", reason);
}

static void write_ev(evutil_socket_t fd, short what, void *arg)
{
    struct redis_client *c = arg;
    if (c->reader) {
        redis_link_flush(c);
        return;
    }
    int err = 0;
    socklen_t n = sizeof(err);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
        err = errno;
    if (err)
        connect_failed(c, err);
    else
        established(c);
}

static void connect_to(struct redis_client *c, const struct sockaddr *address, socklen_t size)
{
    c->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        connect_failed(c, errno);
        return;
    }
    if (address->sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    c->write_event = event_new(loop_base(c->loop), c->fd, EV_WRITE, write_ev, c);
    ASSERT(c->write_event);
    if (connect(c->fd, address, size) == 0)
        established(c);
    else if (errno == EINPROGRESS)
        event_add(c->write_event, NULL);
    else
        connect_failed(c, errno);
}

static void connect_next(struct redis_client *c)
{
    const struct loop_address *a = &c->addresses[c->address++];
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->cfg.port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)c->cfg.port)};
    if (a->family == AF_INET6 && inet_pton(AF_INET6, a->text, &in6.sin6_addr) == 1)
        connect_to(c, (struct sockaddr *)&in6, sizeof(in6));
    else if (a->family == AF_INET && inet_pton(AF_INET, a->text, &in4.sin_addr) == 1)
        connect_to(c, (struct sockaddr *)&in4, sizeof(in4));
    else
        connect_failed(c, EAFNOSUPPORT);
}

static void on_resolved(void *arg, const struct loop_address *addresses, size_t n, const char *reason)
{
    struct redis_client *c = arg;
    c->resolving = NULL;
    if (n == 0) {
        char text[160];
        snprintf(text, sizeof(text), "%s: %s", c->cfg.host, reason);
        redis_client_lost(c, "NOT_CONNECTED", text);
        return;
    }
    c->naddresses = n < ARRAY_LEN(c->addresses) ? n : ARRAY_LEN(c->addresses);
    memcpy(c->addresses, addresses, c->naddresses * sizeof(*addresses));
    c->address = 0;
    connect_next(c);
}

void redis_link_open(struct redis_client *c)
{
    c->naddresses = c->address = 0;
    if (!c->cfg.socket[0]) {
        c->resolving = loop_resolve_start(c->loop, c->cfg.host, c->cfg.timeout_ms, on_resolved, c);
        return;
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(c->cfg.socket) >= sizeof(un.sun_path)) {
        connect_failed(c, ENAMETOOLONG);
        return;
    }
    str_copy(un.sun_path, sizeof(un.sun_path), c->cfg.socket);
    connect_to(c, (struct sockaddr *)&un, sizeof(un));
}

void redis_link_close(struct redis_client *c)
{
    c->link_id++;
    if (c->resolving)
        loop_resolve_cancel(c->resolving);
    c->resolving = NULL;
    drop_socket(c);
    if (c->reader)
        redisReaderFree(c->reader);
    c->reader = NULL;
    buf_free(&c->out);
    c->out_written = 0;
    c->leaving[0] = '\0';
}

void redis_link_flush(struct redis_client *c)
{
    while (c->reader && c->out_written < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->out_written, c->out.len - c->out_written, MSG_NOSIGNAL);
        if (n >= 0) {
            c->out_written += (size_t)n;
            c->written += (uint64_t)n;
        } else if (errno == EAGAIN) {
            event_add(c->write_event, NULL);
            break;
        } else if (errno != EINTR) {
            redis_client_lost(c, "DISCONNECTED", strerror(errno));
            return;
        }
    }
    if (c->out_written == c->out.len && c->out.cap > KEEP_OUT) {
        buf_free(&c->out);
        c->out_written = 0;
    } else if (c->out_written > c->out.len / 2) {
        buf_consume(&c->out, c->out_written);
        c->out_written = 0;
    }
}

/* Hand over every complete reply. False when the connection is no longer the one that was read from. */
static bool dispatch(struct redis_client *c, unsigned link_id)
{
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(c->reader, &reply) != 0) {
            char reason[160];
            snprintf(reason, sizeof(reason), "not Redis' protocol: %s", c->reader->errstr);
            redis_client_lost(c, "PROTOCOL", reason);
            return false;
        }
        if (!reply)
            return true;
        bool expected = redis_call_reply(c, reply);
        if (!expected) {
            const redisReply *r = reply;
            redis_client_lost(c, "PROTOCOL",
                              r->type == REDIS_REPLY_ERROR ? r->str : "a reply that nothing asked for");
        }
        freeReplyObject(reply);
        if (c->link_id != link_id)
            return false;
    }
}

void redis_link_read(struct redis_client *c)
{
    unsigned link_id = c->link_id;
    for (int i = 0; i < READS_PER_EVENT; i++) {
        char bytes[READ_SIZE];
        ssize_t n = read(c->fd, bytes, sizeof(bytes));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            redis_client_lost(c, "DISCONNECTED",
                              n == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        redisReaderFeed(c->reader, bytes, (size_t)n);
        if (!dispatch(c, link_id) || (size_t)n < sizeof(bytes))
            return;
    }
}
