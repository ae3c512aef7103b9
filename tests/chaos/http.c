/* The blocking HTTP client. It trusts the server's syntax (tests/http is about that) but never waits beyond its deadline. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536

int64_t http_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t http_mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void http_close(struct http *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
}

static bool wait_for(int fd, short events, int64_t deadline_us)
{
    int64_t left = (deadline_us - http_mono_us()) / 1000;
    struct pollfd p = {.fd = fd, .events = events};
    return left > 0 && poll(&p, 1, (int)left) == 1;
}

static bool connect_to(struct http *h, const char *host, int port, int64_t deadline_us)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (h->fd >= 0)
        return true;
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return false;
    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (h->fd < 0)
        return false;
    int error = 0;
    socklen_t size = sizeof error;
    if (connect(h->fd, (struct sockaddr *)&to, sizeof to) != 0 &&
        (errno != EINPROGRESS || !wait_for(h->fd, POLLOUT, deadline_us) ||
         getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error)) {
        http_close(h);
        return false;
    }
    return true;
}

static bool send_all(int fd, const char *data, size_t n, int64_t deadline_us)
{
    while (n) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (!wait_for(fd, POLLOUT, deadline_us)) {
            return false;
        }
    }
    return true;
}

/* The value of a header in a head that ends in a NUL, -1 without one. */
static long header_number(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* Read one answer with Content-Length; false when the connection or the time ended before. */
static bool read_answer(int fd, char *buffer, struct http_answer *a, int64_t deadline_us)
{
    size_t have = 0;
    for (;;) {
        buffer[have] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        if (end) {
            *end = '\0';
            size_t head = (size_t)(end - buffer) + 4;
            long length = header_number(buffer, "\r\nContent-Length:");
            size_t body = length > 0 ? (size_t)length : 0;
            if (have >= head + body) {
                a->status = atoi(buffer + strlen("HTTP/1.1 "));
                long retry = header_number(buffer, "\r\nRetry-After:");
                a->retry_after_s = retry > 0 ? (int)retry : 0;
                a->body = strndup(buffer + head, body);
                return !strcasestr(buffer, "\r\nConnection: close");
            }
            *end = '\r';
        }
        if (have + 1 >= BUFFER || !wait_for(fd, POLLIN, deadline_us))
            return false;
        ssize_t got = recv(fd, buffer + have, BUFFER - 1 - have, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        have += got > 0 ? (size_t)got : 0;
    }
}

struct http_answer http_call(struct http *h, const char *host, int port, const char *method, const char *path,
                             const char *headers, const char *body, int timeout_ms)
{
    struct http_answer a = {0, 0, NULL};
    int64_t deadline_us = http_mono_us() + (int64_t)timeout_ms * 1000;
    char *buffer = malloc(BUFFER);
    int n = snprintf(buffer, BUFFER, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%sContent-Length: %zu\r\n%s\r\n%s",
                     method, path, host, port, *body ? "Content-Type: application/json\r\n" : "",
                     strlen(body), headers ? headers : "", body);
    bool ok = n > 0 && n < BUFFER && connect_to(h, host, port, deadline_us) &&
              send_all(h->fd, buffer, (size_t)n, deadline_us) && read_answer(h->fd, buffer, &a, deadline_us);
    if (!ok)
        http_close(h);
    if (!a.body)
        a.body = strdup("");
    free(buffer);
    return a;
}

void http_answer_free(struct http_answer *a)
{
    free(a->body);
    a->body = NULL;
}
