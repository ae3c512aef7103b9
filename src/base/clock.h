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
/* Give the microseconds since 1970-01-01 UTC by this machine's clock: for the log and for dates that nobody stores. May step. */
int64_t clock_real_us(void);
/* Give the microseconds since 1970-01-01 UTC by the clock that all nodes of a shop share, the database's: for every date that is
 * stored or compared with a stored one. A step of this machine's clock does not move it. Until it is set it is clock_real_us(). */
int64_t clock_shop_us(void);
/* It was real_us at the monotonic instant mono_us, give or take error_us. A shop's clock that agrees within the error stays as
 * it is, so that dates do not jitter; a machine's clock that does is taken at its word. */
void clock_shop_set(int64_t real_us, int64_t mono_us, int64_t error_us);
/* Ask ops from now on; it must outlive its use. NULL goes back to the system's clock. The shop's clock is not set any more. */
void clock_use(const struct clock_ops *ops);

#endif
