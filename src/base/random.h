/* The only source of randomness; replaceable like the clock. The default is getrandom(2), buffered. */
#ifndef RUSHD_BASE_RANDOM_H
#define RUSHD_BASE_RANDOM_H

#include "base/base.h"

struct random_ops {
    void (*bytes)(void *self, void *out, size_t n); /* fill n > 0 bytes */
    void *self;
};

/* Fill n bytes. */
void random_bytes(void *out, size_t n);
/* Draw a number, uniform over 64 bits. */
uint64_t random_u64(void);
/* Draw a number, uniform in [0, bound); bound > 0. */
uint64_t random_below(uint64_t bound);
/* Give the delay before try number `attempt` (0, 1, ...): doubling up to max_ms, 25 % more or less. */
int64_t random_backoff_ms(int attempt, int64_t base_ms, int64_t max_ms);
/* Ask ops from now on; it must outlive its use. NULL goes back to the kernel's randomness. */
void random_use(const struct random_ops *ops);

#endif
