/* The only source of time. Replaceable, so that a seeded simulation can run the real services (architecture
 * section 3). No service reads the clock in another way. Process-wide: there is one loop. */
#ifndef RUSHD_BASE_CLOCK_H
#define RUSHD_BASE_CLOCK_H

#include "base/base.h"

struct clock_ops {
    int64_t (*mono_us)(void *self); /* microseconds since an arbitrary instant, never goes back */
    int64_t (*real_us)(void *self); /* microseconds since 1970-01-01 UTC; may step */
    void *self;
};

/* Give the microseconds since an arbitrary instant: for deadlines and durations. Never goes back. */
int64_t clock_mono_us(void);
/* The same in milliseconds. */
static inline int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}
/* Give the microseconds since 1970-01-01 UTC: for dates. May step. */
int64_t clock_real_us(void);
/* Ask ops from now on; it must outlive its use. NULL goes back to the system's clock. */
void clock_use(const struct clock_ops *ops);

#endif
