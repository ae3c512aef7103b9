/* The deadlines of all connections of a server on one timer.
 *
 * Coarse (a tick, at most one second) and lazy: moving a deadline further away costs nothing, the entry is
 * looked at when the old one comes and set anew by its owner. So a busy connection touches the wheel once in
 * a few seconds. */
#ifndef RUSHD_HTTP_HTTP_WHEEL_H
#define RUSHD_HTTP_HTTP_WHEEL_H

#include "base/base.h"
#include "base/queue.h"

struct loop;
struct http_wheel;

struct http_wheel_entry {
    TAILQ_ENTRY(http_wheel_entry) link;
    int64_t tick; /* of the slot that it is in; 0: not on the wheel */
};

/* Called when the time of an entry may have come; the entry is off the wheel, and set again by the callee if
 * it is early. */
typedef void http_wheel_fn(struct http_wheel_entry *e, int64_t now_us);

/* A wheel that turns every tick_ms while it has entries. */
struct http_wheel *http_wheel_new(struct loop *l, int64_t tick_ms, http_wheel_fn *due);
void http_wheel_free(struct http_wheel *w); /* entries are forgotten */
/* Ask for a call at deadline_us (clock_mono_us) or up to a tick later, or earlier if the entry is on the
 * wheel already. */
void http_wheel_set(struct http_wheel *w, struct http_wheel_entry *e, int64_t deadline_us);
void http_wheel_remove(struct http_wheel *w, struct http_wheel_entry *e);

#endif
