/* The local mode's redrive: letters of table dead_letters that an operator asked for go to their handlers again. */
#ifndef RUSHD_SERVICE_REDRIVE_H
#define RUSHD_SERVICE_REDRIVE_H

#include "service/dead_letter.h"

struct loop;
struct store;

struct redrive_flow;
/* Strings of topics are kept, not copied. */
struct redrive_flow *redrive_new(struct loop *l, struct store *s, struct event_sink sink,
                                 const struct dead_letter_topics *topics);
/* Look each second (true) or no more (false): only in the one worker. What was handed over goes on. */
void redrive_run(struct redrive_flow *f, bool run);
/* After sink and store have answered everything. NULL is fine. */
void redrive_free(struct redrive_flow *f);

#endif
