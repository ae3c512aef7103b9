/* A server that speaks RESP by script, on the test's own loop: what to answer is set per command, including
 * nothing, broken bytes and closing in the middle of a reply. */
#ifndef TESTS_REDIS_FAKE_REDIS_H
#define TESTS_REDIS_FAKE_REDIS_H

#include "loop/loop.h"

struct fake_redis;

#define FAKE_SILENT "" /* never answer */
extern const char fake_close[];

/* Listen on 127.0.0.1 (unix_path NULL) or on a Unix socket. Answers the greeting as a healthy server would,
 * everything else with +OK. */
struct fake_redis *fake_redis_new(struct loop *l, const char *unix_path);
void fake_redis_free(struct fake_redis *f);
int fake_redis_port(const struct fake_redis *f);
/* What to answer to a command (upper case; "*" for any that has no rule): for ever, or once (several in
 * order). A reply that is fake_close closes; close_after closes behind the bytes. Text must outlive the
 * server. */
void fake_redis_always(struct fake_redis *f, const char *command, const char *reply);
void fake_redis_once(struct fake_redis *f, const char *command, const char *reply, bool close_after);
/* Stop or go on accepting; the kernel completes connections meanwhile. */
void fake_redis_accept(struct fake_redis *f, bool on);
/* Read no more from the present connections. */
void fake_redis_deaf(struct fake_redis *f);
/* Close all connections. */
void fake_redis_kick(struct fake_redis *f);
/* Send bytes that nobody asked for on every connection. */
void fake_redis_push(struct fake_redis *f, const char *bytes);

int fake_redis_reads(const struct fake_redis *f);       /* times that bytes arrived so far */
int fake_redis_connections(const struct fake_redis *f); /* accepted so far */
/* The commands received so far, each "NAME arg arg\n"; long arguments are cut to 60 bytes. */
const char *fake_redis_log(struct fake_redis *f);
int fake_redis_count(struct fake_redis *f, const char *prefix); /* lines of the log that begin so */
void fake_redis_forget(struct fake_redis *f);                   /* empty the log */

#endif
