/* What the files of the server share: the server and its connections. */
#ifndef RUSHD_HTTP_HTTP_INTERNAL_H
#define RUSHD_HTTP_HTTP_INTERNAL_H

#include <event2/event_struct.h>

#include "base/log.h"
#include "base/queue.h"
#include "http/http_metrics.h"
#include "http/http_parser.h"
#include "http/http_router.h"
#include "http/http_slot.h"
#include "http/http_wheel.h"
#include "loop/loop.h"

enum {
    HTTP_READ_SIZE = 64 * 1024,   /* of one read() */
    HTTP_WRITE_SIZE = 256 * 1024, /* of one send(): the kernel copies it within our turn */
    HTTP_MAX_PENDING = 64,        /* requests of one connection without a finished answer */
    HTTP_SLOTS_SOFT = 64 * 1024,  /* slots in use from which on a connection gets one at a time */
    HTTP_MAX_UNSENT = 256 * 1024, /* output of one connection beyond which nothing more is read from it */
    HTTP_LINGER_MS = 2000,        /* how long input is thrown away behind a last answer */
    HTTP_MAX_REFUSED = 128, /* connections over the cap that are told so at a time; more are just closed */
    HTTP_POOLED = 64,       /* output buffers kept for reuse */
    HTTP_POOLED_SIZE = 16 * 1024, /* largest of them */
};

extern struct logger log_http;

enum http_conn_state {
    HTTP_CONN_OPEN,   /* requests are read */
    HTTP_CONN_LAST,   /* no further request is taken; what is pending is answered, input is thrown away */
    HTTP_CONN_LINGER, /* all is sent and the sending side shut: input is thrown away until the client closes
                       */
    HTTP_CONN_DEAD,   /* closed; the memory goes at the end of the turn */
};

/* A request of which a part is there: only a connection in the middle of one has this. */
struct http_partial {
    struct http_parser parser;
    struct buf bytes;
    int64_t since_us;   /* when its head, or then its body, began */
    bool in_body;       /* since_us counts for the body */
    bool continued;     /* Expect: 100-continue has been dealt with */
    bool owes_continue; /* the 100 waits for the answers to earlier requests */
};

struct http_conn {
    struct http_server *server;
    TAILQ_ENTRY(http_conn) link;
    struct http_wheel_entry wheel;
    struct event read_ev, write_ev;
    struct loop_task flush;
    struct http_partial *partial;
    struct http_slot *first, *last; /* requests not completely answered, in order */
    struct buf out;                 /* from out_at on not sent yet */
    size_t out_at;
    int64_t since_us;    /* OPEN: when the last answer had left; LINGER: when the sending side was shut */
    int64_t progress_us; /* writing: when the client last took some */
    int fd;
    enum http_conn_state state;
    uint8_t npending;
    bool paused;  /* not reading: too much pending or unsent */
    bool writing; /* the socket took only a part of out: waiting until it takes more */
    bool working; /* requests are being taken: what they answer is written afterwards, at once */
    bool eof;     /* the client has shut its sending side */
    bool lingers; /* input may still be on its way that would turn closing into a reset */
    bool refused; /* over the cap: not counted as a connection */
};

TAILQ_HEAD(http_conn_list, http_conn);

struct http_server {
    struct loop *loop;
    struct http_server_config cfg; /* name and address are copies */
    struct http_limits limits;
    struct http_router *router;
    struct http_stats **stats; /* one per route */
    struct http_stats unknown;
    struct http_gauges gauges;
    struct http_slots slots;
    struct http_wheel *wheel;
    struct http_conn_list conns;
    size_t nconns, nrefused;

    struct http_parser parser; /* for requests that come whole in one read */
    char *read_buf;            /* HTTP_READ_SIZE bytes shared by all connections */
    struct buf decoded;        /* path and segments of the request being handled */
    struct buf error_body;
    struct buf pool[HTTP_POOLED]; /* empty output buffers with memory */
    size_t npooled;
    char date[40]; /* "Date: ...\r\n" of the second before date_until_us */
    int64_t date_until_us;
    uint64_t id_seed, id_count; /* of request ids made here */

    int listen_fd, spare_fd, port;
    bool listening; /* else listen_fd is at most bound */
    int64_t max_connections;
    struct event listen_ev;
    struct loop_timer *listen_again;
    struct log_gate gate;

    bool draining;
    struct loop_timer *drain_deadline;
    struct loop_task drain_task, drained_task;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* --- http_conn.c --- */
/* Serve an accepted non-blocking socket. */
void http_conn_start(struct http_server *s, int fd);
/* Answer 503 to an accepted socket over the cap and close it. */
void http_conn_refuse(struct http_server *s, int fd);
/* Take no further request; close when all is answered, at once when idle. */
void http_conn_drain(struct http_conn *c);
/* Close now: what is pending is dropped. */
void http_conn_close(struct http_conn *c);
/* The answer of a slot of this connection is formatted: send what is in order, once in this turn. */
void http_conn_answered(struct http_conn *c);
/* Output to append to; send it with http_conn_answered(). */
struct buf *http_conn_out(struct http_conn *c);
/* Some deadline of the connection may have passed. */
void http_conn_due(struct http_wheel_entry *e, int64_t now_us);

/* --- http_request.c --- */
/* Give a complete request to its handler. */
void http_request_dispatch(struct http_conn *c, const struct http_parser *p, const char *data,
                           int64_t now_us);
/* Answer with status what is no complete request (refused by the parser, too slow, over the cap: p == NULL)
 * and take no more from the connection. */
void http_request_refuse(struct http_conn *c, const struct http_parser *p, const char *data, int status,
                         enum http_reject reason, int64_t now_us);
/* Answer a slot 503 because its handler has not. */
void http_request_timed_out(struct http_slot *slot);

/* --- http_reply.c --- */
struct http_answer {
    int status;
    const char *content_type; /* may be NULL */
    struct slice body;
    const struct http_header *headers;
    size_t nheaders;
};
/* Write status line, fields and body for the slot. */
void http_reply_format(struct http_server *s, const struct http_slot *slot, const struct http_answer *a,
                       int64_t now_us, struct buf *out);
/* Make a request id. */
void http_reply_make_id(struct http_server *s, char *out);
const char *http_status_text(int status); /* "Not Found"; "" for a status without a name */

/* --- http_server.c --- */
/* A connection has been closed: room for another, maybe the end of a drain. */
void http_server_conn_closed(struct http_server *s);

#endif
