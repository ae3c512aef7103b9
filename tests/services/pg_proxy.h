/* A relay between the pool and PostgreSQL, on the test's own loop, that loses connections at chosen words:
 * the only way to have a connection die exactly between COMMIT and its answer. */
#ifndef TESTS_SERVICES_PG_PROXY_H
#define TESTS_SERVICES_PG_PROXY_H

#include "base/base.h"

struct loop;
struct pg_proxy;

enum pg_proxy_fault {
    PG_PROXY_CUT,     /* the word and what follows never reaches the server; both sides are closed */
    PG_PROXY_SWALLOW, /* the word goes through, the answer does not: closed when the server has answered */
};

/* Listen on a loopback port and relay to the Unix socket at path. */
struct pg_proxy *pg_proxy_new(struct loop *l, const char *path);
void pg_proxy_free(struct pg_proxy *p);
int pg_proxy_port(const struct pg_proxy *p);
/* Do this once, at the first piece from the client that holds the word, a whole string of the protocol.
 * Several faults wait side by side. */
void pg_proxy_fault(struct pg_proxy *p, const char *word, enum pg_proxy_fault fault);
int pg_proxy_faults_done(const struct pg_proxy *p);
void pg_proxy_freeze(struct pg_proxy *p, bool frozen); /* nothing passes, connections stay */
void pg_proxy_refuse(struct pg_proxy *p, bool refuse); /* close what is there and whatever comes */

#endif
