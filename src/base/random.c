/* Randomness of the kernel behind a small buffer, unless somebody put another source in its place. */
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <sysexits.h>

#define POOL_SIZE 256 /* getrandom(2) is never cut short up to this size */

static const struct random_ops *current;

static struct {
    unsigned char bytes[POOL_SIZE];
    size_t left; /* unused bytes at the end */
    bool fork_watched;
} pool;

/* Parent and child must not draw the same bytes. */
static void forget_pool(void)
{
    pool.left = 0;
}

static void fill(void *out, size_t n)
{
    unsigned char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            base_die(EX_OSERR, "getrandom: %s", strerror(errno));
        p += got;
        n -= (size_t)got;
    }
}

static void system_bytes(void *out, size_t n)
{
    if (n >= POOL_SIZE) {
        fill(out, n);
        return;
    }
    if (n > pool.left) {
        if (!pool.fork_watched)
            pool.fork_watched = pthread_atfork(NULL, NULL, forget_pool) == 0;
        fill(pool.bytes, POOL_SIZE);
        pool.left = POOL_SIZE;
    }
    unsigned char *from = pool.bytes + POOL_SIZE - pool.left;
    memcpy(out, from, n);
    memset(from, 0, n);
    pool.left -= n;
}

void random_bytes(void *out, size_t n)
{
    if (n == 0)
        return;
    if (current)
        current->bytes(current->self, out, n);
    else
        system_bytes(out, n);
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof(v));
    return v;
}

uint64_t random_below(uint64_t bound)
{
    ASSERT(bound > 0);
    uint64_t rest = -bound % bound; /* 2^64 mod bound: this many values at the bottom would count twice */
    uint64_t v;
    do
        v = random_u64();
    while (v < rest);
    return v % bound;
}

int64_t random_backoff_ms(int attempt, int64_t base_ms, int64_t max_ms)
{
    int64_t delay = base_ms < max_ms ? base_ms : max_ms;
    for (int i = 0; i < attempt && delay < max_ms; i++)
        delay = delay > max_ms / 2 ? max_ms : delay * 2;
    if (delay <= 0)
        return 0;
    return delay - delay / 4 + (int64_t)random_below((uint64_t)(delay / 4) * 2 + 1);
}

void random_use(const struct random_ops *ops)
{
    current = ops;
}
