/* The data platform of the tests. */
#define _GNU_SOURCE
#include "platform.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DOCUMENTS_MAX 4096
#define PEERS_MAX     256

struct shared {
    atomic_int mood, stumble_mood, stumbles;
    atomic_int requests, taken;
    struct document documents[DOCUMENTS_MAX];
};

struct peer {
    int fd;
    size_t len;
    char in[16384];
};

static struct shared *shared;
static pid_t server;

static void answer(struct peer *p, const char *status)
{
    char out[128];
    int n = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status);
    if (send(p->fd, out, (size_t)n, MSG_NOSIGNAL) < 0)
        p->len = 0;
}

static void drop(struct peer *p)
{
    close(p->fd);
    p->fd = -1;
    p->len = 0;
}

static void record(const char *head, const char *body, size_t n)
{
    int i = atomic_load(&shared->taken);
    if (i == DOCUMENTS_MAX)
        return;
    struct document *d = &shared->documents[i];
    const char *key = strcasestr(head, "\r\nIdempotency-Key: ");
    snprintf(d->key, sizeof d->key, "%.*s", key ? (int)strcspn(key + 19, "\r\n") : 0, key ? key + 19 : "");
    snprintf(d->body, sizeof d->body, "%.*s", (int)n, body);
    atomic_store(&shared->taken, i + 1);
}

/* One whole request is there. */
static void serve(struct peer *p, const char *body, size_t n)
{
    int mood = atomic_load(&shared->mood);
    atomic_fetch_add(&shared->requests, 1);
    if (atomic_load(&shared->stumbles) > 0) {
        atomic_fetch_sub(&shared->stumbles, 1);
        mood = atomic_load(&shared->stumble_mood);
    }
    switch (mood) {
    case PLATFORM_TAKES:
        record(p->in, body, n);
        answer(p, "200 OK");
        break;
    case PLATFORM_FAILS:
        answer(p, "500 Internal Server Error");
        break;
    case PLATFORM_CLOSES:
        drop(p);
        break;
    default:
        break;
    }
}

/* Read, and serve each whole request. */
static void on_readable(struct peer *p)
{
    ssize_t n = recv(p->fd, p->in + p->len, sizeof p->in - 1 - p->len, 0);
    if (n <= 0) {
        drop(p);
        return;
    }
    p->len += (size_t)n;
    for (;;) {
        p->in[p->len] = '\0';
        char *end = strstr(p->in, "\r\n\r\n"), *length;
        if (!end)
            return;
        size_t head = (size_t)(end - p->in) + 4, body = 0;
        if ((length = strcasestr(p->in, "\r\nContent-Length: ")) && length < end)
            body = strtoul(length + 18, NULL, 10);
        if (p->len < head + body)
            return;
        serve(p, p->in + head, body);
        if (p->fd < 0)
            return;
        p->len -= head + body;
        memmove(p->in, p->in + head + body, p->len);
    }
}

static void run(int listener)
{
    static struct peer peers[PEERS_MAX];
    struct pollfd polls[PEERS_MAX + 1];
    for (size_t i = 0; i < PEERS_MAX; i++)
        peers[i].fd = -1;
    for (;;) {
        for (size_t i = 0; i < PEERS_MAX; i++)
            polls[i] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
        polls[PEERS_MAX] = (struct pollfd){.fd = listener, .events = POLLIN};
        poll(polls, PEERS_MAX + 1, -1);
        for (size_t i = 0; i < PEERS_MAX; i++)
            if (polls[i].revents)
                on_readable(&peers[i]);
        if (polls[PEERS_MAX].revents) {
            int fd = accept(listener, NULL, NULL);
            size_t i = 0;
            while (i < PEERS_MAX && peers[i].fd >= 0)
                i++;
            if (i < PEERS_MAX)
                peers[i].fd = fd;
            else
                close(fd);
        }
    }
}

const char *platform_start(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 128), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    fflush(NULL);
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(listener);
        _exit(0);
    }
    close(listener);
    return text("http://127.0.0.1:%d/documents", ntohs(at.sin_port));
}

void platform_stop(void)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = 0;
    if (shared)
        munmap(shared, sizeof *shared);
    shared = NULL;
}

void platform_is(enum platform_mood mood)
{
    atomic_store(&shared->mood, (int)mood);
}

void platform_stumbles(enum platform_mood mood, int times)
{
    atomic_store(&shared->stumble_mood, (int)mood);
    atomic_store(&shared->stumbles, times);
}

int platform_taken(const char *key)
{
    int count = 0;
    for (int i = 0; i < atomic_load(&shared->taken); i++)
        count += strcmp(shared->documents[i].key, key) == 0;
    return count;
}

const struct document *platform_document(const char *key)
{
    for (int i = 0; i < atomic_load(&shared->taken); i++)
        if (strcmp(shared->documents[i].key, key) == 0)
            return &shared->documents[i];
    return NULL;
}

int platform_requests(void)
{
    return atomic_load(&shared->requests);
}
