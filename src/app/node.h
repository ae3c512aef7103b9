/* A node: everything wired together, started and stopped in order (contract section 2, end). */
#ifndef RUSHD_APP_NODE_H
#define RUSHD_APP_NODE_H

#include "base/error.h"

struct loop;
struct node;

/* Build the parts from app_config and start them: PostgreSQL, Redis and Kafka connect on the loop, HTTP takes its port and
 * listens as soon as it can serve. False with the error
 * when a part of our own cannot start (port taken, refused Kafka setting). started_us is clock_mono_us() of main(). */
struct node *node_new(struct loop *l, int64_t started_us, struct error *e);
/* Stop in order and end the loop with the exit code; a second call is ignored. */
void node_stop(struct node *n, int exit_code);
/* Read the configuration again (SIGHUP). */
void node_reload(struct node *n);
void node_free(struct node *n); /* after the loop has ended */

#endif
