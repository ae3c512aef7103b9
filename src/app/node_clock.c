/* The clock that the nodes of a shop share is the database's. It is read whenever the database has come (back), before anything else
 * is asked of it, and every ten seconds; in between the monotonic clock carries it. So a step of this machine's clock moves no
 * date: not an order's day, not the end of a coupon, not the life of a request. The log says when the two are apart. */
#include "app/node_internal.h"
#include "base/clock.h"

#define CLOCK_PERIOD_MS 10000
#define APART_US        2000000 /* worth a warning, and so is another step of that size */

struct reading {
    struct node *node;
    int64_t asked_us;
    void (*then)(struct node *n);
};

static void compare(struct node *n)
{
    int64_t apart_us = clock_real_us() - clock_shop_us();
    int64_t moved_us = apart_us - n->clock_apart_us;
    if (moved_us < APART_US && moved_us > -APART_US)
        return;
    n->clock_apart_us = apart_us;
    if (apart_us < APART_US && apart_us > -APART_US)
        log_info(&log_node, "this machine's clock agrees with the database's again");
    else
        log_warn(&log_node, "this machine's clock is not the database's, which counts",
                 LOG_I("ahead_ms", apart_us / 1000));
}

static void on_clock(void *arg, int64_t real_us, const struct error *e)
{
    struct reading *r = arg;
    struct node *n = r->node;
    int64_t error_us = (clock_mono_us() - r->asked_us) / 2;
    if (!e || e->kind == ERROR_NONE) {
        clock_shop_set(real_us, r->asked_us + error_us, error_us);
        compare(n);
    }
    if (r->then)
        r->then(n);
    mem_free(r);
}

void node_clock_read(struct node *n, void (*then)(struct node *n))
{
    struct reading *r = mem_zalloc(sizeof *r);
    *r = (struct reading){n, clock_mono_us(), then};
    store_clock_read(n->store, on_clock, r);
}

static void on_clock_timer(void *arg)
{
    struct node *n = arg;
    if (n->schema_ok && n->state != NODE_STOPPING)
        node_clock_read(n, NULL);
}

void node_clock_new(struct node *n)
{
    n->clock_timer = loop_timer_new(n->loop, on_clock_timer, n);
    loop_timer_every(n->clock_timer, CLOCK_PERIOD_MS);
}
