/* The only source of randomness; replaceable like the clock. The default is getrandom(2) behind a small
 * buffer. */
#ifndef RUSHD_BASE_RANDOM_H
#define RUSHD_BASE_RANDOM_H

#include "base/base.h"

struct random_ops {
    void (*bytes)(void *self, void *out, size_t n);
    void *self;
};

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);
uint64_t random_below(uint64_t bound); /* uniform in [0, bound), bound > 0 */
/* Delay for try number `attempt` (0, 1, ...): doubling from base_ms up to max_ms, with +-25 % jitter. */
int64_t random_backoff_ms(int attempt, int64_t base_ms, int64_t max_ms);
void random_use(const struct random_ops *ops);

#endif
