/* Redis on the loop: one pipelined connection with reconnect, own deadlines, bounded in-flight commands and scripts by
 * EVALSHA (library facts section 3). hiredis stays inside this folder.
 *
 * Every call completes exactly once, never before it returns. A lost connection or a passed deadline after sending is
 * REDIS_UNKNOWN: a script may have run. */
#ifndef RUSHD_REDIS_REDIS_H
#define RUSHD_REDIS_REDIS_H

#include "base/buf.h"
#include "base/error.h"

struct loop;
struct redis_client;

enum redis_status {
    REDIS_OK,
    REDIS_FAILED,   /* an error reply; error.code is its first word; RETRIABLE for LOADING, READONLY, MASTERDOWN, OOM, BUSY, TRYAGAIN,
                       CLUSTERDOWN, NOREPLICAS, MISCONF; else PERMANENT */
    REDIS_NOT_SENT, /* not connected, too many in flight, closing: RETRIABLE */
    REDIS_UNKNOWN,  /* sent, no reply */
};

enum redis_type { REDIS_NIL, REDIS_INTEGER, REDIS_STRING, REDIS_STATUS, REDIS_ARRAY, REDIS_ERROR };
struct redis_reply; /* valid only inside the callback */
enum redis_type redis_reply_type(const struct redis_reply *r); /* NULL counts as nil */
int64_t redis_reply_i64(const struct redis_reply *r);          /* integer, or a string that is one; else 0 */
bool redis_reply_is_i64(const struct redis_reply *r, int64_t *out); /* checked form: false for anything else */
struct slice redis_reply_text(const struct redis_reply *r);    /* string or status; empty otherwise */
size_t redis_reply_len(const struct redis_reply *r);           /* elements of an array; 0 otherwise */
const struct redis_reply *redis_reply_at(const struct redis_reply *r, size_t i); /* NULL beyond the end */

typedef void redis_done_fn(void *arg, enum redis_status status, const struct redis_reply *r, const struct error *e);

struct redis_client_config {
    const char *host;
    int64_t port;
    const char *socket; /* a Unix socket beats host and port unless empty */
    const char *username, *password;
    int64_t database;
    int64_t timeout_ms;    /* connect deadline, and default deadline of a command */
    int64_t max_in_flight;
    const char *client_name;
};

struct redis_client *redis_client_new(struct loop *l, const struct redis_client_config *cfg); /* starts connecting */
void redis_client_set_password(struct redis_client *c, const char *password);
/* ready when AUTH, SELECT, CLIENT SETNAME and INFO server are through. run_id identifies the server's process: another one than
 * before means that the data may be gone. */
void redis_client_on_state(struct redis_client *c, void (*fn)(void *arg, bool ready, const char *reason), void *arg);
bool redis_client_ready(const struct redis_client *c);
const char *redis_client_run_id(const struct redis_client *c); /* "" before the first connect */
const char *redis_client_version(const struct redis_client *c);
size_t redis_client_in_flight(const struct redis_client *c);

struct redis_arg {
    const void *p;
    size_t n;
};
/* Arguments of a command, built on the caller's stack; numbers are printed into the object. */
#define REDIS_MAX_ARGS 64
struct redis_args {
    size_t n;
    struct redis_arg v[REDIS_MAX_ARGS];
    char numbers[REDIS_MAX_ARGS][24];
};
void redis_args_add(struct redis_args *a, const char *s); /* not copied: must live until the call */
void redis_args_add_slice(struct redis_args *a, struct slice s);
void redis_args_add_i64(struct redis_args *a, int64_t v);

/* Run a command. args[0] is its name. timeout_ms 0 takes the default. */
void redis_client_command(struct redis_client *c, const struct redis_arg *args, size_t n, int64_t timeout_ms,
                          redis_done_fn *done, void *arg);

/* A Lua script of store, embedded from its .lua file. SHA1 is computed at first use. */
struct redis_script {
    const char *name;
    const char *text;
    size_t size;
    char sha1[41]; /* "" until computed */
};
/* EVALSHA with nkeys of the args being keys (args hold keys, then values: as many as needed, not bound by REDIS_MAX_ARGS);
 * NOSCRIPT falls back to EVAL once. */
void redis_client_script(struct redis_client *c, struct redis_script *s, const struct redis_arg *args, size_t n, size_t nkeys,
                         int64_t timeout_ms, redis_done_fn *done, void *arg);

void redis_client_close(struct redis_client *c, int64_t deadline_ms, void (*closed)(void *arg), void *arg);
void redis_client_free(struct redis_client *c); /* callbacks of running calls fire (REDIS_UNKNOWN) before it returns */

#endif
