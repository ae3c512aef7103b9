/* The relay: see pg_proxy.h. Pieces are small and both sides local, so writes are plain blocking ones. */
#include "pg_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "base/queue.h"
#include "base/str.h"
#include "loop/loop.h"

enum {
    MAX_FAULTS = 8
};

struct link {
    LIST_ENTRY(link) entry;
    struct pg_proxy *proxy;
    int client, server;
    struct event *from_client, *from_server;
    bool swallowing;
};

struct pg_proxy {
    struct loop *loop;
    char path[108];
    int fd, port;
    struct event *accept;
    LIST_HEAD(, link) links;
    struct {
        const char *word; /* NULL: done */
        enum pg_proxy_fault fault;
    } faults[MAX_FAULTS];
    int nfaults, done;
    bool frozen, refusing;
};

static void link_close(struct link *k)
{
    LIST_REMOVE(k, entry);
    event_free(k->from_client);
    event_free(k->from_server);
    close(k->client);
    close(k->server);
    mem_free(k);
}

static bool pass(int fd, const char *data, ssize_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, data, (size_t)n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        n -= sent;
    }
    return true;
}

/* The waiting fault whose word is in data, or -1. The NUL behind it counts: COMMIT is not COMMITTED. */
static int match(struct pg_proxy *p, const char *data, ssize_t n)
{
    for (int i = 0; i < p->nfaults; i++) {
        const char *word = p->faults[i].word;
        if (word && memmem(data, (size_t)n, word, strlen(word) + 1))
            return i;
    }
    return -1;
}

static void from_client_ev(evutil_socket_t fd, short events, void *arg)
{
    struct link *k = arg;
    char data[65536];
    ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    int hit = n > 0 ? match(k->proxy, data, n) : -1;
    bool cut = false;
    if (hit >= 0) {
        k->proxy->faults[hit].word = NULL;
        k->proxy->done++;
        cut = k->proxy->faults[hit].fault == PG_PROXY_CUT;
        k->swallowing = !cut;
    }
    if (n <= 0 || cut || !pass(k->server, data, n))
        link_close(k);
}

static void from_server_ev(evutil_socket_t fd, short events, void *arg)
{
    struct link *k = arg;
    char data[65536];
    ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    /* "ReadyForQuery" is the last message of an answer: what was asked has been done. */
    if (n > 0 && k->swallowing && !(n >= 6 && data[n - 6] == 'Z'))
        return;
    if (n <= 0 || k->swallowing || !pass(k->client, data, n))
        link_close(k);
}

static void watch(struct link *k, bool on)
{
    if (on) {
        event_add(k->from_client, NULL);
        event_add(k->from_server, NULL);
    } else {
        event_del(k->from_client);
        event_del(k->from_server);
    }
}

static void accept_ev(evutil_socket_t fd, short events, void *arg)
{
    struct pg_proxy *p = arg;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", p->path);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->refusing || connect(server, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(client);
        close(server);
        return;
    }
    struct link *k = mem_zalloc(sizeof(*k));
    k->proxy = p;
    k->client = client;
    k->server = server;
    k->from_client = event_new(loop_base(p->loop), client, EV_READ | EV_PERSIST, from_client_ev, k);
    k->from_server = event_new(loop_base(p->loop), server, EV_READ | EV_PERSIST, from_server_ev, k);
    LIST_INSERT_HEAD(&p->links, k, entry);
    if (!p->frozen)
        watch(k, true);
}

struct pg_proxy *pg_proxy_new(struct loop *l, const char *path)
{
    struct pg_proxy *p = mem_zalloc(sizeof(*p));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    p->loop = l;
    str_copy(p->path, sizeof(p->path), path);
    LIST_INIT(&p->links);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ASSERT(bind(p->fd, (struct sockaddr *)&a, n) == 0 && listen(p->fd, 64) == 0);
    ASSERT(getsockname(p->fd, (struct sockaddr *)&a, &n) == 0);
    p->port = ntohs(a.sin_port);
    p->accept = event_new(loop_base(l), p->fd, EV_READ | EV_PERSIST, accept_ev, p);
    event_add(p->accept, NULL);
    return p;
}

static void close_links(struct pg_proxy *p)
{
    for (struct link *k; (k = LIST_FIRST(&p->links));)
        link_close(k);
}

void pg_proxy_free(struct pg_proxy *p)
{
    if (!p)
        return;
    close_links(p);
    event_free(p->accept);
    close(p->fd);
    mem_free(p);
}

int pg_proxy_port(const struct pg_proxy *p)
{
    return p->port;
}

void pg_proxy_fault(struct pg_proxy *p, const char *word, enum pg_proxy_fault fault)
{
    ASSERT(p->nfaults < MAX_FAULTS);
    p->faults[p->nfaults].word = word;
    p->faults[p->nfaults].fault = fault;
    p->nfaults++;
}

int pg_proxy_faults_done(const struct pg_proxy *p)
{
    return p->done;
}

void pg_proxy_freeze(struct pg_proxy *p, bool frozen)
{
    struct link *k;
    p->frozen = frozen;
    LIST_FOREACH(k, &p->links, entry)
    watch(k, !frozen);
}

void pg_proxy_refuse(struct pg_proxy *p, bool refuse)
{
    p->refusing = refuse;
    if (refuse)
        close_links(p);
}
