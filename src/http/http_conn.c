/* One client connection: reads into the server's shared buffer, takes requests as long as there is room for
 * their answers, writes once per read or turn, and keeps its deadlines on the server's wheel. An idle
 * connection holds nothing but itself.
 *
 * What is read but not taken (a request in the middle, or complete ones behind a full line of answers) is
 * kept in a partial. Not reading is the back-pressure: a client that does not read its answers, or asks
 * faster than they come, has to wait. */
#include "http/http_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static void update_reading(struct http_conn *c);
static void arm(struct http_conn *c);

/* --- output --- */

static size_t unsent(const struct http_conn *c)
{
    return c->out.len - c->out_at;
}

struct buf *http_conn_out(struct http_conn *c)
{
    struct http_server *s = c->server;
    if (!c->out.data && s->npooled)
        c->out = s->pool[--s->npooled];
    return &c->out;
}

/* Give the emptied output buffer back. */
static void out_release(struct http_conn *c)
{
    struct http_server *s = c->server;
    buf_clear(&c->out);
    c->out_at = 0;
    if (!c->out.data || c->out.cap > HTTP_POOLED_SIZE || s->npooled == HTTP_POOLED) {
        buf_free(&c->out);
        return;
    }
    s->pool[s->npooled++] = c->out;
    c->out = BUF_INIT;
}

/* Nothing more to send on a connection that takes no more. */
static void finish(struct http_conn *c, int64_t now_us)
{
    if (c->eof || !c->lingers) {
        http_conn_close(c);
        return;
    }
    /* Closing with unread input would reset the connection and may destroy the answer on its way. */
    if (shutdown(c->fd, SHUT_WR) < 0) {
        http_conn_close(c);
        return;
    }
    c->state = HTTP_CONN_LINGER;
    c->since_us = now_us;
}

/* Send what there is; close when that was the last. */
static void flush(struct http_conn *c, int64_t now_us)
{
    if (unsent(c)) {
        size_t most = unsent(c) < HTTP_WRITE_SIZE ? unsent(c) : HTTP_WRITE_SIZE;
        ssize_t n = send(c->fd, c->out.data + c->out_at, most, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            http_conn_close(c);
            return;
        }
        if (n > 0)
            c->out_at += (size_t)n;
        if (n > 0 || !c->writing)
            c->progress_us = now_us;
        if (unsent(c)) {
            if (c->out_at >= HTTP_READ_SIZE && c->out_at >= unsent(c)) { /* moves less than what was sent */
                buf_consume(&c->out, c->out_at);
                c->out_at = 0;
            }
            if (!c->writing)
                event_add(&c->write_ev, NULL);
            c->writing = true;
            return;
        }
        out_release(c);
        c->since_us = now_us;
        if (c->writing)
            event_del(&c->write_ev);
        c->writing = false;
    }
    if (c->state == HTTP_CONN_LAST && !c->npending)
        finish(c, now_us);
}

static void send_continue(struct http_conn *c)
{
    c->partial->owes_continue = false;
    buf_puts(http_conn_out(c), "HTTP/1.1 100 Continue\r\n\r\n");
}

void http_conn_answered(struct http_conn *c)
{
    struct http_slot *slot;
    while ((slot = c->first) && slot->state == HTTP_SLOT_ANSWERED) {
        if (slot->answer.len)
            buf_put_slice(http_conn_out(c), buf_slice(&slot->answer));
        c->first = slot->next;
        if (!c->first)
            c->last = NULL;
        c->npending--;
        http_slot_release(&c->server->slots, slot);
    }
    if (c->working)
        return; /* the partial may just have become complete; work() sends */
    if (!c->npending && c->partial && c->partial->owes_continue)
        send_continue(c);
    loop_defer(c->server->loop, &c->flush);
}

/* --- input --- */

static bool can_take(const struct http_conn *c)
{
    size_t room = c->server->slots.used < HTTP_SLOTS_SOFT ? HTTP_MAX_PENDING : 1;
    return c->state == HTTP_CONN_OPEN && c->npending < room && unsent(c) <= HTTP_MAX_UNSENT;
}

static void partial_free(struct http_conn *c)
{
    if (!c->partial)
        return;
    buf_free(&c->partial->bytes);
    mem_free(c->partial);
    c->partial = NULL;
}

static enum http_reject reject_reason(int status)
{
    return status == 413 || status == 414 || status == 431 ? HTTP_REJECT_TOO_LARGE : HTTP_REJECT_MALFORMED;
}

/* Take complete requests from data as long as there is room; returns the bytes used. *starved: what is left
 * is not a complete request. */
static size_t take(struct http_conn *c, struct http_parser *p, char *data, size_t len, int64_t now_us,
                   bool *starved)
{
    size_t at = 0;
    while (can_take(c)) {
        enum http_parse result =
            at < len ? http_parser_run(p, &c->server->limits, data + at, len - at) : HTTP_PARSE_MORE;
        if (result == HTTP_PARSE_MORE) {
            *starved = true;
            break;
        }
        if (result == HTTP_PARSE_ERROR) {
            http_request_refuse(c, p, data + at, p->status, reject_reason(p->status), now_us);
            break;
        }
        http_request_dispatch(c, p, data + at, now_us);
        at += p->consumed;
        http_parser_init(p);
    }
    return at;
}

/* Keep what take() left of data, len bytes of which at are used. */
static void keep_rest(struct http_conn *c, const struct http_parser *p, const char *data, size_t at,
                      size_t len, int64_t now_us)
{
    if (at == len || c->state != HTTP_CONN_OPEN) {
        partial_free(c);
        return;
    }
    struct http_partial *part = c->partial;
    if (!part) {
        part = c->partial = mem_alloc(sizeof(*part));
        part->parser = *p;
        part->bytes = BUF_INIT;
        buf_put(&part->bytes, data + at, len - at);
        at = len;
    } else if (at) {
        buf_consume(&part->bytes, at);
    }
    part->bytes.len = http_parser_compact(&part->parser, part->bytes.data, part->bytes.len);
    if (at) { /* a new request begins */
        part->since_us = now_us;
        part->in_body = part->continued = part->owes_continue = false;
    }
    if (part->parser.head_done && !part->in_body) {
        part->in_body = true;
        part->since_us = now_us;
    }
}

/* Tell a client that waits for it to send the body, as soon as the answers before it are out. */
static void offer_continue(struct http_conn *c, int64_t now_us)
{
    struct http_partial *part = c->partial;
    if (!part || !part->parser.expect)
        return;
    if (!part->continued) {
        part->continued = true;
        part->owes_continue = part->bytes.len <= part->parser.body_at; /* else it did not wait */
    }
    if (part->owes_continue && !c->npending) {
        send_continue(c);
        flush(c, now_us);
    }
}

/* Take requests from data, answer what is answered at once, keep the rest. p belongs to the first request in
 * data. */
static void work(struct http_conn *c, struct http_parser *p, char *data, size_t len, int64_t now_us)
{
    size_t at = 0;
    bool starved = false;
    c->working = true;
    do {
        at += take(c, p, data + at, len - at, now_us, &starved);
        flush(c, now_us);
    } while (!starved && can_take(c));
    c->working = false;
    if (c->state == HTTP_CONN_DEAD)
        return;
    keep_rest(c, p, data, at, len, now_us);
    offer_continue(c, now_us);
    if (c->state == HTTP_CONN_DEAD)
        return;
    update_reading(c);
    arm(c);
}

/* Read only while what comes can be used; in LAST and LINGER it is thrown away. */
static void update_reading(struct http_conn *c)
{
    bool pause = c->eof || (c->state == HTTP_CONN_OPEN && !can_take(c));
    if (pause == c->paused)
        return;
    c->paused = pause;
    if (pause)
        event_del(&c->read_ev);
    else
        event_add(&c->read_ev, NULL);
}

/* The client has shut its sending side: what it asked for is still answered. */
static void on_eof(struct http_conn *c)
{
    c->eof = true;
    update_reading(c);
    partial_free(c);
    if (c->state == HTTP_CONN_LINGER || (!c->npending && !unsent(c))) {
        http_conn_close(c);
        return;
    }
    c->state = HTTP_CONN_LAST;
    arm(c);
}

/* Bytes worth asking for when a request is in the middle. */
static size_t partial_room(const struct http_partial *part)
{
    uint64_t missing = http_parser_missing(&part->parser, part->bytes.len);
    return missing > HTTP_READ_SIZE / 4 ? HTTP_READ_SIZE / 4 : missing < 2048 ? 2048 : (size_t)missing;
}

static void read_ev(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    struct http_server *s = c->server;
    struct http_partial *part = c->state == HTTP_CONN_OPEN ? c->partial : NULL;
    size_t room = part ? partial_room(part) : HTTP_READ_SIZE;
    char *to = part ? buf_reserve(&part->bytes, room) : s->read_buf;
    ssize_t n = recv(fd, to, room, 0);
    if (n == 0) {
        on_eof(c);
    } else if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            http_conn_close(c);
    } else if (part) {
        part->bytes.len += (size_t)n;
        work(c, &part->parser, part->bytes.data, part->bytes.len, clock_mono_us());
    } else if (c->state == HTTP_CONN_OPEN) {
        http_parser_init(&s->parser);
        work(c, &s->parser, to, (size_t)n, clock_mono_us());
    }
}

/* Send, and go on with what had to wait for it. */
static void progress(struct http_conn *c)
{
    int64_t now_us = clock_mono_us();
    flush(c, now_us);
    if (c->state == HTTP_CONN_DEAD)
        return;
    bool resumes = c->paused && can_take(c);
    update_reading(c);
    if (resumes && c->partial) {
        c->partial->since_us = now_us; /* the time in which nothing was read is not the client's */
        work(c, &c->partial->parser, c->partial->bytes.data, c->partial->bytes.len, now_us);
        return;
    }
    arm(c);
}

static void write_ev(evutil_socket_t fd, short what, void *arg)
{
    progress(arg);
}

static void on_flush(void *arg)
{
    progress(arg);
}

/* --- deadlines --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t partial_deadline(const struct http_conn *c)
{
    const struct http_server_config *cfg = &c->server->cfg;
    return c->partial->since_us +
           1000 * (c->partial->in_body ? cfg->body_timeout_ms : cfg->header_timeout_ms);
}

/* When something is due at the earliest. */
static int64_t deadline(const struct http_conn *c)
{
    const struct http_server_config *cfg = &c->server->cfg;
    if (c->state == HTTP_CONN_LINGER)
        return c->since_us + 1000 * HTTP_LINGER_MS;
    int64_t d = INT64_MAX;
    if (c->writing)
        d = c->progress_us + 1000 * cfg->write_timeout_ms;
    if (c->first) /* the oldest: it is never answered while it is first */
        d = earlier(d, c->first->received_us + 1000 * cfg->request_timeout_ms);
    if (c->partial && !c->paused)
        d = earlier(d, partial_deadline(c));
    if (d == INT64_MAX)
        d = c->since_us + 1000 * cfg->keep_alive_timeout_ms;
    return d;
}

static void arm(struct http_conn *c)
{
    http_wheel_set(c->server->wheel, &c->wheel, deadline(c));
}

/* Answer requests whose handlers have not in time. The first in line is the oldest, and answering it puts the
 * next there. */
static void answer_overdue(struct http_conn *c, int64_t now_us)
{
    int64_t received_before = now_us - 1000 * c->server->cfg.request_timeout_ms;
    while (c->first && c->first->received_us <= received_before)
        http_request_timed_out(c->first);
}

void http_conn_due(struct http_wheel_entry *e, int64_t now_us)
{
    struct http_conn *c = CONTAINER_OF(e, struct http_conn, wheel);
    answer_overdue(c, now_us);
    if (c->partial && !c->paused && partial_deadline(c) <= now_us) {
        struct http_partial *part = c->partial;
        http_request_refuse(c, &part->parser, part->bytes.data, 408, HTTP_REJECT_SLOW, now_us);
        partial_free(c);
    } else if (!c->flush.pending && deadline(c) <= now_us) {
        if (c->writing)
            http_metrics_reject(HTTP_REJECT_SLOW);
        http_conn_close(c); /* idle, lingering, or not reading its answers */
        return;
    }
    arm(c);
}

/* --- life --- */

static struct http_conn *conn_new(struct http_server *s, int fd, bool refused)
{
    struct http_conn *c = mem_zalloc(sizeof(*c));
    c->server = s;
    c->fd = fd;
    c->state = HTTP_CONN_OPEN;
    c->refused = refused;
    c->since_us = clock_mono_us();
    c->flush = (struct loop_task){.run = on_flush, .arg = c};
    struct event_base *base = loop_base(s->loop);
    event_assign(&c->read_ev, base, fd, EV_READ | EV_PERSIST, read_ev, c);
    event_assign(&c->write_ev, base, fd, EV_WRITE | EV_PERSIST, write_ev, c);
    event_add(&c->read_ev, NULL);
    TAILQ_INSERT_TAIL(&s->conns, c, link);
    if (refused)
        s->nrefused++;
    else
        s->nconns++;
    metric_set(s->gauges.connections, (double)s->nconns);
    arm(c);
    return c;
}

void http_conn_start(struct http_server *s, int fd)
{
    conn_new(s, fd, false);
}

void http_conn_refuse(struct http_server *s, int fd)
{
    struct http_conn *c = conn_new(s, fd, true);
    http_request_refuse(c, NULL, NULL, 503, HTTP_REJECT_CONNECTIONS, c->since_us);
}

void http_conn_drain(struct http_conn *c)
{
    if (c->state == HTTP_CONN_OPEN && !c->partial && !c->npending && !unsent(c)) {
        read_ev(c->fd, EV_READ, c); /* a request may have come since the loop last looked */
        if (c->state == HTTP_CONN_OPEN && !c->partial && !c->npending && !unsent(c))
            http_conn_close(c);
        return;
    }
    if (c->state != HTTP_CONN_OPEN || c->partial)
        return; /* a request in the middle: its answer will say close */
    c->state = HTTP_CONN_LAST;
    c->lingers = true; /* the client may be sending its next request */
    if (c->last && c->last->state == HTTP_SLOT_WAITING)
        c->last->keep_alive = false;
    update_reading(c);
    loop_defer(c->server->loop, &c->flush);
}

void http_conn_close(struct http_conn *c)
{
    struct http_server *s = c->server;
    if (c->state == HTTP_CONN_DEAD)
        return;
    c->state = HTTP_CONN_DEAD;
    event_del(&c->read_ev);
    event_del(&c->write_ev);
    close(c->fd);
    loop_defer_cancel(s->loop, &c->flush);
    http_wheel_remove(s->wheel, &c->wheel);
    for (struct http_slot *slot; (slot = c->first);) {
        c->first = slot->next;
        http_slot_release(&s->slots, slot);
    }
    c->last = NULL;
    c->npending = 0;
    metric_set(s->gauges.pending, (double)s->slots.waiting);
    partial_free(c);
    out_release(c);
    TAILQ_REMOVE(&s->conns, c, link);
    if (c->refused)
        s->nrefused--;
    else
        s->nconns--;
    metric_set(s->gauges.connections, (double)s->nconns);
    loop_free_later(s->loop, c);
    http_server_conn_closed(s);
}
