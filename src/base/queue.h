/* Intrusive lists: the BSD TAILQ/LIST macros of <sys/queue.h>, with the walk that glibc leaves out. */
#ifndef RUSHD_BASE_QUEUE_H
#define RUSHD_BASE_QUEUE_H

#include <sys/queue.h>

/* Walk a tail queue; var may be removed and freed on the way, next is the walk's own. */
#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                                                           \
    for ((var) = TAILQ_FIRST(head); (var) && ((next) = TAILQ_NEXT(var, field), 1); (var) = (next))
#endif

#endif
