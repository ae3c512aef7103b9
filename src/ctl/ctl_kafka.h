/* Kafka for rushctl: topics read back. */
#ifndef RUSHD_CTL_CTL_KAFKA_H
#define RUSHD_CTL_CTL_KAFKA_H

#include "ctl/ctl.h"
#include "service/ports.h"

/* Whether there are topics that a command can read; if not, why. */
bool ctl_kafka_there(const char **why);

/* Topics read back, on a client of its own for each reading; a silence of c->wait_ms ends one. */
struct ctl_history;
struct ctl_history *ctl_history_new(struct ctl *c);
struct event_history ctl_history_port(struct ctl_history *h); /* valid as long as h */
void ctl_history_free(struct ctl_history *h);                 /* NULL is fine */

#endif
