/* A server on loopback and raw clients of it, all on one loop: for tests that care about bytes and the order
 * of events. */
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include "base/buf.h"
#include "http/http_server.h"
#include "loop/loop.h"

#define MAX_KEPT 20000

/* A server with the routes of peer.c, and what its handlers have seen. */
struct site {
    struct loop *loop;
    struct http_server *server;
    struct http_server_config cfg;
    http_reply kept[MAX_KEPT]; /* handles of "/later", in order of arrival */
    size_t nkept;
    size_t calls;
    struct buf big; /* body of "/big" */
    bool drained;
};

/* A default configuration with long timeouts; change it between site_init() and site_start(). */
void site_init(struct site *site);
void site_start(struct site *site);
void site_stop(struct site *site);
/* Answer the i-th kept handle 200 with text. */
void site_answer(struct site *site, size_t i, const char *text);
/* Run the loop until n handles are kept. */
void site_wait_kept(struct site *site, size_t n);
/* Run the loop for a while, for things that must not happen. */
void site_idle(struct site *site, int64_t ms);

struct event;

/* A client socket. What comes is read by the loop, unless it holds back. */
struct peer {
    struct site *site;
    int fd;
    struct event *read_ev;
    struct buf in;
    size_t at;  /* bytes of in that have been looked at */
    bool eof;   /* the server closed */
    bool reset; /* with a reset */
};

void peer_open(struct peer *p, struct site *site);
size_t peer_unread(const struct peer *p);
void peer_hold(struct peer *p, bool hold); /* stop reading, go on */
/* Send all of it, while the loop turns. False when the server closed before. */
bool peer_send_n(struct peer *p, const char *text, size_t n);
bool peer_send(struct peer *p, const char *text);
void peer_shut(struct peer *p);  /* half-close */
void peer_reset(struct peer *p); /* vanish with a reset */
void peer_close(struct peer *p);
/* Wait for the next complete answer and take it off; lines of Date and of made request ids are left out, bare
 * LF between lines. Without body when head_only. The text lives until the next call. */
const char *peer_answer(struct peer *p, bool head_only);
/* Wait for the next answer and check status and, unless NULL, body. */
void peer_expect(struct peer *p, int status, const char *body);
/* Wait until the server closes; nothing may be left unread. */
void peer_expect_close(struct peer *p);

#endif
