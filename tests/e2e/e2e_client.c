/* HTTP over blocking sockets; the flood polls many of them. */
#define _GNU_SOURCE
#include "e2e_client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS (20000 * e2e_slowness())
#define FLOOD_MS  (60000 * e2e_slowness())

/* --- reading answers -------------------------------------------------------------------------------------------------- */

/* The value of a header in text that starts with the status line; its length goes to n. */
static const char *find_header(const char *headers, const char *name, size_t *n)
{
    size_t len = strlen(name);
    for (const char *line = strstr(headers, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1;
            value += strspn(value, " ");
            *n = strcspn(value, "\r\n");
            return value;
        }
    }
    return NULL;
}

const char *header(const struct answer *a, const char *name)
{
    size_t n;
    const char *value = a->headers ? find_header(a->headers, name, &n) : NULL;
    return value ? text("%.*s", (int)n, value) : NULL;
}

static struct answer *no_answer(void)
{
    return e2e_keep(calloc(1, sizeof(struct answer)));
}

/* Take a whole answer off the start of the bytes; NULL when more are needed. without_body: an answer to HEAD. Interim
 * answers are skipped. */
static struct answer *take_answer(char *in, size_t *len, bool without_body)
{
    in[*len] = '\0';
    char *end = strstr(in, "\r\n\r\n");
    if (!end)
        return NULL;
    size_t head = (size_t)(end - in) + 4, n, body = 0;
    int status = (int)strtol(in + 9, NULL, 10);
    end[2] = '\0';
    const char *value = find_header(in, "Content-Length", &n);
    end[2] = '\r';
    if (value && !without_body && status != 204 && status != 304)
        body = strtoul(value, NULL, 10);
    if (*len < head + body)
        return NULL;
    struct answer *a = NULL;
    if (status >= 200) {
        a = no_answer();
        a->status = status;
        a->headers = text("%.*s", (int)head, in);
        a->body = text("%.*s", (int)body, in + head);
        a->body_len = body;
        a->json = json_loadb(in + head, body, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        if (a->json)
            e2e_keep(a->json);
    }
    *len -= head + body;
    memmove(in, in + head + body, *len);
    return status >= 200 ? a : take_answer(in, len, without_body);
}

/* --- sockets ------------------------------------------------------------------------------------------------------------ */

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Append what comes; false at the end, an error or the deadline. */
static bool read_more(struct wire *w, int64_t deadline_ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int64_t left = deadline_ms - now_ms();
    if (left <= 0 || poll(&p, 1, (int)left) <= 0)
        return false;
    w->in = realloc(w->in, w->len + 65536 + 1);
    ssize_t n = recv(w->fd, w->in + w->len, 65536, 0);
    if (n <= 0)
        return false;
    w->len += (size_t)n;
    return true;
}

static struct answer *read_answer(struct wire *w, bool without_body)
{
    int64_t deadline = now_ms() + ANSWER_MS;
    for (;;) {
        struct answer *a = w->in ? take_answer(w->in, &w->len, without_body) : NULL;
        if (a)
            return a;
        if (!read_more(w, deadline)) {
            ck_assert_msg(now_ms() < deadline, "no answer within %d ms", ANSWER_MS);
            return no_answer();
        }
    }
}

struct wire *wire_open(int port)
{
    struct wire *w = e2e_keep(calloc(1, sizeof *w));
    w->fd = dial(port);
    ck_assert_msg(w->fd >= 0, "no connection to port %d: %s", port, strerror(errno));
    return w;
}

void wire_send(struct wire *w, const char *bytes)
{
    size_t n = strlen(bytes), at = 0;
    while (at < n) {
        ssize_t sent = send(w->fd, bytes + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the node closed: its answer tells why */
        at += (size_t)sent;
    }
}

struct answer *wire_answer(struct wire *w)
{
    return read_answer(w, false);
}

bool wire_closed(struct wire *w, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    size_t had = w->len;
    bool more = read_more(w, deadline);
    return !more && w->len == had && now_ms() < deadline;
}

void wire_close(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    free(w->in);
    w->in = NULL;
    w->len = 0;
}

/* --- one request -------------------------------------------------------------------------------------------------------- */

static char *request_text(const char *method, const char *target, const char *headers, const char *body,
                          bool last)
{
    bool typed = headers && strcasestr(headers, "Content-Type:");
    const char *type = body && !typed ? "Content-Type: application/json\r\n" : "";
    const char *length = body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0
                             ? text("Content-Length: %zu\r\n", body ? strlen(body) : 0)
                             : "";
    return text("%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%s\r\n%s", method, target, type, length,
                headers ? headers : "", last ? "Connection: close\r\n" : "", body ? body : "");
}

struct answer *ask(int port, const char *method, const char *target, const char *headers, const char *body)
{
    struct wire w = {.fd = dial(port)};
    if (w.fd < 0)
        return no_answer();
    wire_send(&w, request_text(method, target, headers, body, true));
    struct answer *a = read_answer(&w, strcmp(method, "HEAD") == 0);
    wire_close(&w);
    return a;
}

static char *formatted(const char *format, va_list args)
{
    char *out;
    if (vasprintf(&out, format, args) < 0)
        abort();
    return e2e_keep(out);
}

struct answer *get(int port, const char *target, ...)
{
    va_list args;
    va_start(args, target);
    const char *full = formatted(target, args);
    va_end(args);
    return ask(port, "GET", full, NULL, NULL);
}

struct answer *post(int port, const char *target, const char *body, ...)
{
    va_list args;
    va_start(args, body);
    const char *full = body ? formatted(body, args) : NULL;
    va_end(args);
    return ask(port, "POST", target, NULL, full);
}

/* --- looking into answers ------------------------------------------------------------------------------------------------- */

json_t *json_at(const json_t *json, const char *path)
{
    const json_t *at = json;
    while (at && *path) {
        if (*path == '[') {
            at = json_array_get(at, strtoul(path + 1, NULL, 10));
            path = strchr(path, ']') + 1;
        } else {
            path += *path == '.';
            size_t n = strcspn(path, ".[");
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)n, path);
            at = json_object_get(at, name);
            path += n;
        }
    }
    return (json_t *)at;
}

int64_t int_at(const struct answer *a, const char *path)
{
    json_t *v = json_at(a->json, path);
    ck_assert_msg(json_is_integer(v), "no whole number at %s of: %s", path,
                  a->body ? a->body : "(no answer)");
    return json_integer_value(v);
}

const char *text_at(const struct answer *a, const char *path)
{
    json_t *v = json_at(a->json, path);
    ck_assert_msg(json_is_string(v) || json_is_null(v), "no text at %s of: %s", path,
                  a->body ? a->body : "(no answer)");
    return json_string_value(v);
}

struct answer *expect_at(const char *file, int line, int status, struct answer *a)
{
    ck_assert_msg(a->status == status, "%s:%d: status %d instead of %d: %s", file, line, a->status, status,
                  a->body ? a->body : "(no answer)");
    return a;
}

struct answer *expect_error_at(const char *file, int line, int status, const char *code, const char *message,
                               struct answer *a)
{
    expect_at(file, line, status, a);
    ck_assert_msg(a->json != NULL, "%s:%d: no JSON: %s", file, line, a->body);
    ck_assert_msg(strcmp(text_at(a, "code"), code) == 0 &&
                      (!message || strcmp(text_at(a, "message"), message) == 0),
                  "%s:%d: not %s %s: %s", file, line, code, message ? message : "", a->body);
    return a;
}

/* --- flood ---------------------------------------------------------------------------------------------------------------- */

struct lane {
    struct wire wire;
    struct flood_item *item; /* NULL: idle */
    int64_t began_ms;
};

static void lane_end(struct lane *lane)
{
    wire_close(&lane->wire);
}

/* Give the lane its next request. A node that takes no connection loses the request. */
static void lane_begin(struct lane *lane, struct flood_item *item)
{
    lane->item = item;
    lane->began_ms = now_ms();
    if (lane->wire.fd < 0)
        lane->wire.fd = dial(item->port);
    if (lane->wire.fd < 0) {
        item->answer = no_answer();
        lane->item = NULL;
        return;
    }
    wire_send(&lane->wire, request_text(item->method, item->target, item->headers, item->body, false));
}

/* Something came for the lane's request. */
static void lane_read(struct lane *lane)
{
    bool open = read_more(&lane->wire, now_ms() + 1000);
    struct answer *a = lane->wire.in ? take_answer(lane->wire.in, &lane->wire.len, false) : NULL;
    if (!a && open)
        return;
    lane->item->answer = a ? a : no_answer();
    lane->item->took_ms = now_ms() - lane->began_ms;
    lane->item = NULL;
    const char *connection = a ? header(a, "Connection") : "close";
    if (!open || (connection && strcasecmp(connection, "close") == 0))
        lane_end(lane);
}

/* A lane keeps to one port: requests of other ports go to the next idle lane that has none or that port. */
static struct lane *idle_lane(struct lane *lanes, int *ports, size_t n, int port)
{
    for (size_t i = 0; i < n; i++)
        if (!lanes[i].item && lanes[i].wire.fd >= 0 && ports[i] == port)
            return &lanes[i];
    for (size_t i = 0; i < n; i++) {
        if (!lanes[i].item) {
            lane_end(&lanes[i]);
            ports[i] = port;
            return &lanes[i];
        }
    }
    return NULL;
}

static void flood_wait(struct lane *lanes, struct pollfd *polls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = lanes[i].item ? lanes[i].wire.fd : -1, .events = POLLIN};
    poll(polls, n, 1000);
    for (size_t i = 0; i < n; i++)
        if (polls[i].revents)
            lane_read(&lanes[i]);
}

void flood(struct flood_item *items, size_t n, size_t connections)
{
    struct lane *lanes = calloc(connections, sizeof *lanes);
    struct pollfd *polls = calloc(connections, sizeof *polls);
    int *ports = calloc(connections, sizeof *ports);
    int64_t deadline = now_ms() + FLOOD_MS;
    for (size_t i = 0; i < connections; i++)
        lanes[i].wire.fd = -1;
    size_t next = 0, busy = 1;
    while (next < n || busy) {
        struct lane *lane;
        while (next < n && (lane = idle_lane(lanes, ports, connections, items[next].port)))
            lane_begin(lane, &items[next++]);
        busy = 0;
        for (size_t i = 0; i < connections; i++)
            busy += lanes[i].item != NULL;
        if (busy)
            flood_wait(lanes, polls, connections);
        ck_assert_msg(now_ms() < deadline, "%zu of %zu requests have no answer after %d ms", busy + n - next,
                      n, FLOOD_MS);
    }
    for (size_t i = 0; i < connections; i++)
        lane_end(&lanes[i]);
    free(lanes);
    free(polls);
    free(ports);
}

size_t flood_count(const struct flood_item *items, size_t n, int status)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += items[i].answer->status == status;
    return count;
}
