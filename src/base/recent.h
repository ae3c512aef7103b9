/* A memory of a fixed size for answers that are worth keeping for a while: pairs of ids with a value and the instant at which it was
 * true. Old ones make room for new ones, so that anything may be gone at any time; what is found is what was put. Memory that no
 * pair came to is never touched. */
#ifndef RUSHD_BASE_RECENT_H
#define RUSHD_BASE_RECENT_H

#include "base/base.h"

struct recent;

/* Room for this many pairs, rounded up to a power of two; 32 bytes each. */
struct recent *recent_new(size_t pairs);
void recent_free(struct recent *r);
/* Remember that value was true of (a, b) at this instant of clock_mono_us(); takes the place of an older one. */
void recent_put(struct recent *r, int64_t a, int64_t b, int64_t value, int64_t at_us);
/* Was it true at since_us or later? Then value is set. */
bool recent_get(const struct recent *r, int64_t a, int64_t b, int64_t since_us, int64_t *value);
void recent_del(struct recent *r, int64_t a, int64_t b);

#endif
