/* Redis on the loop: one pipelined connection with reconnect, own deadlines, bounded in-flight commands and
 * scripts by EVALSHA. hiredis stays inside this folder.
 *
 * Every call completes exactly once, never before it returns. A lost connection or a passed deadline after
 * sending is REDIS_UNKNOWN: a script may have run. */
#ifndef RUSHD_REDIS_REDIS_H
#define RUSHD_REDIS_REDIS_H

#include "base/buf.h"
#include "base/error.h"

struct loop;
struct redis_client;

enum redis_status {
    REDIS_OK,
    REDIS_FAILED,   /* an error reply; error.code is its first word; RETRIABLE for LOADING, READONLY,
                       MASTERDOWN, OOM, BUSY, TRYAGAIN,   CLUSTERDOWN, NOREPLICAS, MISCONF; else PERMANENT */
    REDIS_NOT_SENT, /* not connected, too many in flight, closing, or the connection went before it left:
                       RETRIABLE */
    REDIS_UNKNOWN,  /* sent, no reply: error.kind is UNKNOWN, error.code TIMEOUT, DISCONNECTED, PROTOCOL or
                       CLOSED */
};

enum redis_type {
    REDIS_NIL,
    REDIS_INTEGER,
    REDIS_STRING,
    REDIS_STATUS,
    REDIS_ARRAY,
    REDIS_ERROR
};

/* A reply, valid only inside the callback. The accessors take any reply, NULL too: what has another type than
 * the one asked for reads as nothing. */
struct redis_reply;
enum redis_type redis_reply_type(const struct redis_reply *r); /* NULL counts as nil */
int64_t redis_reply_i64(const struct redis_reply *r);          /* integer, or a string that is one; else 0 */
bool redis_reply_is_i64(const struct redis_reply *r,
                        int64_t *out); /* checked form: false for anything else */
struct slice redis_reply_text(
    const struct redis_reply *r);                    /* string or status, with a NUL behind it; else empty */
size_t redis_reply_len(const struct redis_reply *r); /* elements of an array; 0 otherwise */
const struct redis_reply *redis_reply_at(const struct redis_reply *r, size_t i); /* NULL beyond the end */

/* The end of a call. r is the reply (REDIS_OK, REDIS_FAILED) or NULL; e is never NULL and empty for REDIS_OK.
 * The callback may start new calls and may close or free the client. */
typedef void redis_done_fn(void *arg, enum redis_status status, const struct redis_reply *r,
                           const struct error *e);

/* Strings are copied; NULL counts as empty. */
struct redis_client_config {
    const char *host;
    int64_t port;
    const char *socket; /* a Unix socket beats host and port unless empty */
    const char *username, *password;
    int64_t database;
    int64_t timeout_ms;    /* connect deadline (up to ready), and default deadline of a command; > 0 */
    int64_t max_in_flight; /* > 0 */
    const char *client_name;
};

/* Make a client and start connecting. It goes on trying (50 ms to 2 s between attempts) until it is closed.
 */
struct redis_client *redis_client_new(struct loop *l, const struct redis_client_config *cfg);
/* The password for the next connection; the present one stays. */
void redis_client_set_password(struct redis_client *c, const char *password);
/* Call fn when the client becomes ready, when it no longer is, and while it is not, whenever the reason is
 * another one. Ready means that AUTH, SELECT, CLIENT SETNAME and INFO are through and the server is
 * neither loading its data nor without its master nor a read-only replica; one that becomes so later is left. Not called for redis_client_close() and
 * redis_client_free(). */
void redis_client_on_state(struct redis_client *c, void (*fn)(void *arg, bool ready, const char *reason),
                           void *arg);
bool redis_client_ready(const struct redis_client *c); /* takes commands */
/* Identifies the server's process; another one than before means that the data may be gone. "" before the
 * first connect. */
const char *redis_client_run_id(const struct redis_client *c);
const char *redis_client_version(
    const struct redis_client *c);                           /* of the server; "" before the first connect */
size_t redis_client_in_flight(const struct redis_client *c); /* sent, no reply yet */

/* One argument of a command: any bytes. */
struct redis_arg {
    const void *p;
    size_t n;
};
/* Arguments of a command, built on the caller's stack; numbers are printed into the object. One too many is a
 * bug. */
#define REDIS_MAX_ARGS 64
struct redis_args {
    size_t n;
    struct redis_arg v[REDIS_MAX_ARGS];
    char numbers[REDIS_MAX_ARGS][24];
};
/* Append an argument. Text is not copied: it must live until the call. */
void redis_args_add(struct redis_args *a, const char *s);
void redis_args_add_slice(struct redis_args *a, struct slice s);
void redis_args_add_i64(struct redis_args *a, int64_t v);

/* Run a command. args[0] is its name; all are copied before the call returns. timeout_ms 0 takes the default.
 * Commands of one turn of the loop leave in one write, in order. When a command passes its deadline while an
 * older, longer one is still within its own, only that command ends (REDIS_UNKNOWN); the oldest one over its
 * deadline takes the connection with it. */
void redis_client_command(struct redis_client *c, const struct redis_arg *args, size_t n, int64_t timeout_ms,
                          redis_done_fn *done, void *arg);

/* A Lua script of store, embedded from its .lua file. Must outlive the client. */
struct redis_script {
    const char *name; /* the metric's label */
    const char *text;
    size_t size;
    char sha1[41]; /* "" until Redis has told it (reply of SCRIPT LOAD at first use) */
};
/* Run a script: nkeys of the args are keys (args hold keys, then values: as many as needed, not bound by
 * REDIS_MAX_ARGS). EVALSHA; NOSCRIPT falls back to EVAL, and the script is loaded again with each new
 * connection. The rest is as with redis_client_command(). */
void redis_client_script(struct redis_client *c, struct redis_script *s, const struct redis_arg *args,
                         size_t n, size_t nkeys, int64_t timeout_ms, redis_done_fn *done, void *arg);

/* Take no more commands, wait for the replies under way at most deadline_ms, close, and call closed (may be
 * NULL), never before this returns. Only the first call counts. */
void redis_client_close(struct redis_client *c, int64_t deadline_ms, void (*closed)(void *arg), void *arg);
/* Close at once: running calls (REDIS_UNKNOWN, or REDIS_NOT_SENT if they had not left) and closed fire before
 * it returns. NULL is fine. */
void redis_client_free(struct redis_client *c);

#endif
