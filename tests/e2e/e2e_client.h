/* A blocking HTTP client for tests, and a flood of many requests at once. It speaks just enough HTTP to check what a node
 * answers; what it sends is up to the test. */
#ifndef TESTS_E2E_E2E_CLIENT_H
#define TESTS_E2E_E2E_CLIENT_H

#include <jansson.h>

#include "e2e.h"

/* An answer, kept until the process ends. */
struct answer {
    int status;    /* 0: the connection ended without an answer */
    char *headers; /* from the status line on */
    char *body;
    size_t body_len;
    json_t *json; /* NULL when the body is not JSON */
};

/* Send one request on a connection of its own and wait for the answer (20 s at most). headers: NULL, or lines that end with
 * CRLF; body: NULL for none, else sent as application/json unless headers name a Content-Type. */
struct answer *ask(int port, const char *method, const char *target, const char *headers, const char *body);
/* The same by GET or POST. The arguments that follow belong to the format of the target, or of the body. */
struct answer *get(int port, const char *target, ...) __attribute__((format(printf, 2, 3)));
struct answer *post(int port, const char *target, const char *body, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of a header, kept; NULL when it is not there. */
const char *header(const struct answer *a, const char *name);
/* The place of a path such as "orderItems[0].id" in a JSON value; NULL when there is none. */
json_t *json_at(const json_t *json, const char *path);
int64_t int_at(const struct answer *a, const char *path);      /* fails the test when it is no whole number */
const char *text_at(const struct answer *a, const char *path); /* NULL for null */

/* Fail the test, with the answer's text, unless it has this status. Returns its argument. */
#define expect(status, a) expect_at(__FILE__, __LINE__, status, a)
struct answer *expect_at(const char *file, int line, int status, struct answer *a);
/* The same for an error of the contract: status, code and, unless NULL, message. */
#define expect_error(status, code, message, a) expect_error_at(__FILE__, __LINE__, status, code, message, a)
struct answer *expect_error_at(const char *file, int line, int status, const char *code, const char *message,
                               struct answer *a);

/* --- raw connections ------------------------------------------------------------------------------------------------ */

/* A connection whose bytes the test writes itself. */
struct wire {
    int fd;
    char *in;
    size_t len;
};

struct wire *wire_open(int port);
void wire_send(struct wire *w, const char *bytes);
/* The next answer; status 0 when the node closed instead. Fails the test after 20 s. */
struct answer *wire_answer(struct wire *w);
bool wire_closed(struct wire *w, int timeout_ms); /* the node closed without further bytes */
void wire_close(struct wire *w);

/* --- flood ---------------------------------------------------------------------------------------------------------- */

struct flood_item {
    int port;
    const char *method, *target, *headers, *body;
    struct answer *answer; /* out: never NULL */
    int64_t took_ms;       /* out */
};

/* Send n requests over that many connections at once, each with one request outstanding; a connection that ends is opened
 * again for the next request. Returns when all are answered or lost; fails the test after 60 s. */
void flood(struct flood_item *items, size_t n, size_t connections);
/* How many were answered with this status. */
size_t flood_count(const struct flood_item *items, size_t n, int status);

#endif
