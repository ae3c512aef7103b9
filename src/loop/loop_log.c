/* Log output that never blocks: lines go into a ring of 1 MiB and leave at the end of the turn, as far as the
 * descriptor takes them; the rest follows when it is writable again. A line that does not fit is counted, not
 * waited for.
 *
 * O_NONBLOCK belongs to the open file, which the shell or a sibling may share. So the descriptor is opened
 * anew through /proc where that works (terminals, pipes, files), and sockets are written with MSG_DONTWAIT.
 */
#include "loop/loop_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    RING_SIZE = 1 << 20,
    LAST_CHANCE_MS = 200
};

struct loop_log {
    struct loop *loop;
    int fd;
    bool is_socket;
    bool is_shared; /* fd shares its open file with the one that was given: flags_before must come back */
    int flags_before;
    char *ring;
    size_t head, len; /* content: len bytes from head, wrapping */
    int64_t dropped;  /* lines since the last report */
    bool reporting;   /* the report itself is being written */
    struct loop_task flush;
    struct event *writable; /* NULL for a regular file, which is always ready */
    struct metric_series *dropped_total;
};

static const struct metric_def dropped_def = {
    .name = "rushd.log.dropped",
    .type = METRIC_COUNTER,
    .help = "Log lines that were dropped because the log output was too slow",
};

static void put(struct loop_log *g, const char *p, size_t n)
{
    size_t tail = (g->head + g->len) % RING_SIZE;
    size_t first = n < RING_SIZE - tail ? n : RING_SIZE - tail;
    memcpy(g->ring + tail, p, first);
    memcpy(g->ring, p + first, n - first);
    g->len += n;
}

static void on_line(void *arg, const char *line, size_t n)
{
    struct loop_log *g = arg;
    /* Behind dropped lines only their report may follow: the hole in the log is marked where it is. */
    if (n > RING_SIZE - g->len || (g->dropped > 0 && !g->reporting)) {
        g->dropped++;
        metric_add(g->dropped_total, 1);
        return;
    }
    put(g, line, n);
    loop_defer(g->loop, &g->flush);
}

/* Write what the descriptor takes. Returns false when it would block. An error loses the content: there is
 * nobody to tell, and the log must not stop the node. */
static bool write_out(struct loop_log *g)
{
    while (g->len > 0) {
        size_t first = g->len < RING_SIZE - g->head ? g->len : RING_SIZE - g->head;
        struct iovec parts[2] = {{g->ring + g->head, first}, {g->ring, g->len - first}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = g->len > first ? 2 : 1};
        ssize_t n = g->is_socket ? sendmsg(g->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                                 : writev(g->fd, parts, (int)message.msg_iovlen);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (n < 0)
            n = (ssize_t)g->len;
        g->head = (g->head + (size_t)n) % RING_SIZE;
        g->len -= (size_t)n;
    }
    return true;
}

static void report_dropped(struct loop_log *g)
{
    if (g->dropped == 0 || g->len > RING_SIZE / 2)
        return;
    int64_t dropped = g->dropped;
    g->reporting = true;
    log_warn(&log_loop, "log lines were dropped", LOG_I("lines", dropped));
    g->reporting = false;
    g->dropped -= dropped;
}

static void flush(struct loop_log *g)
{
    if (!write_out(g) && g->writable && !event_pending(g->writable, EV_WRITE, NULL))
        event_add(g->writable, NULL);
    report_dropped(g);
}

static void on_flush(void *arg)
{
    struct loop_log *g = arg;
    if (!g->writable || !event_pending(g->writable, EV_WRITE, NULL))
        flush(g);
}

static void writable_ev(evutil_socket_t fd, short events, void *arg)
{
    flush(arg);
}

/* A descriptor of our own that does not block. */
static void open_output(struct loop_log *g, int fd)
{
    struct stat st;
    char path[64];
    g->is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    g->fd = g->is_socket ? -1 : open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (g->fd >= 0)
        return;
    g->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (g->fd < 0)
        base_die(EX_OSERR, "cannot use descriptor %d for the log", fd);
    if (g->is_socket)
        return;
    g->is_shared = true;
    g->flags_before = fcntl(g->fd, F_GETFL);
    fcntl(g->fd, F_SETFL, g->flags_before | O_NONBLOCK);
}

void loop_log_start(struct loop *l, int fd)
{
    ASSERT(!l->log);
    struct loop_log *g = mem_zalloc(sizeof(*g));
    struct stat st;
    g->loop = l;
    g->ring = mem_alloc(RING_SIZE);
    g->flush = (struct loop_task){.run = on_flush, .arg = g};
    g->dropped_total = metric_single(&dropped_def);
    open_output(g, fd);
    if (fstat(g->fd, &st) == 0 && !S_ISREG(st.st_mode))
        g->writable = event_new(l->base, g->fd, EV_WRITE, writable_ev, g);
    l->log = g;
    log_set_sink(on_line, g);
}

void loop_log_stop(struct loop *l)
{
    struct loop_log *g = l->log;
    if (!g)
        return;
    int64_t end_us = loop_now_us() + LAST_CHANCE_MS * 1000;
    for (;;) {
        bool all = write_out(g);
        report_dropped(g);
        int64_t left_ms = (end_us - loop_now_us()) / 1000;
        if ((all && g->len == 0) || left_ms <= 0)
            break;
        poll(&(struct pollfd){.fd = g->fd, .events = POLLOUT}, 1, (int)left_ms);
    }
    log_set_sink(NULL, NULL);
    l->log = NULL;
    loop_defer_cancel(l, &g->flush);
    if (g->writable)
        event_free(g->writable);
    if (g->is_shared)
        fcntl(g->fd, F_SETFL, g->flags_before);
    close(g->fd);
    mem_free(g->ring);
    mem_free(g);
}
