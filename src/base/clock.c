/* The system's clock, unless somebody put another one in its place. The shop's clock is the monotonic one and an offset: what it
 * goes by may be told seldom, and this machine's clock may step meanwhile. */
#include "base/clock.h"

#include <time.h>

static const struct clock_ops *current;
static struct {
    bool set;
    int64_t offset_us; /* to the monotonic clock */
} shop;

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    ASSERT(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return current ? current->mono_us(current->self) : read_us(CLOCK_MONOTONIC);
}

int64_t clock_real_us(void)
{
    return current ? current->real_us(current->self) : read_us(CLOCK_REALTIME);
}

int64_t clock_shop_us(void)
{
    return shop.set ? clock_mono_us() + shop.offset_us : clock_real_us();
}

void clock_shop_set(int64_t real_us, int64_t mono_us, int64_t error_us)
{
    int64_t now_us = clock_mono_us();
    int64_t told_us = real_us - mono_us, known_us = clock_shop_us() - now_us;
    if (known_us - told_us > error_us || told_us - known_us > error_us)
        shop.offset_us = told_us;
    else
        shop.offset_us = known_us;
    shop.set = true;
}

void clock_use(const struct clock_ops *ops)
{
    shop.set = false;
    current = ops;
}
