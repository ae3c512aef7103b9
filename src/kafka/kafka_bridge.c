/* One event queue of librdkafka on the loop.
 *
 * librdkafka writes to the eventfd only when the queue goes from empty to non-empty. So the descriptor is
 * read before the queue is drained (else a wake-up between the two is lost), and a drain that stops at its
 * budget writes to the descriptor itself: the next turn goes on, after sockets and timers had theirs. A
 * one-second tick polls the queue even if nothing happened: that is what keeps an idle consumer in its group
 * (max.poll.interval.ms).
 *
 * An owner that has enough holds the bridge: events stay where they are until it goes on. That it may not forget: what the queue holds
 * besides messages waits as well, so a bridge that was held from one tick to the next is drained all the same, until it goes on. */
#include "kafka/kafka_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    BRIDGE_BUDGET =
        1000, /* messages, reports and other events in one turn; one event of reports may go beyond */
    BRIDGE_TICK_MS = 1000,
};

static void bridge_arm(struct kafka_bridge *b)
{
    uint64_t one = 1;
    /* EAGAIN only says that the counter is full: then it is armed. */
    ssize_t n = write(b->fd, &one, sizeof one);
    (void)n;
}

static void bridge_drain(struct kafka_bridge *b)
{
    b->draining = true;
    size_t spent = 0;
    while (spent < BRIDGE_BUDGET && !b->held) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(b->queue, 0);
        if (!event)
            break;
        size_t messages = rd_kafka_event_message_count(event);
        spent += messages > 0 ? messages : 1;
        b->fn(b->arg, event);
        rd_kafka_event_destroy(event);
    }
    b->draining = false;
    if (spent >= BRIDGE_BUDGET && !b->held)
        bridge_arm(b);
}

static void bridge_readable_ev(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
    bridge_drain(arg);
}

static void on_bridge_tick(void *arg)
{
    struct kafka_bridge *b = arg;
    if (b->held && b->held_at_tick) {
        b->held = false;
        b->stalled = true;
    }
    b->held_at_tick = b->held;
    bridge_drain(b);
}

void kafka_bridge_hold(struct kafka_bridge *b)
{
    b->held = !b->stalled;
}

void kafka_bridge_go_on(struct kafka_bridge *b)
{
    if (b->held)
        bridge_arm(b);
    b->held = b->held_at_tick = b->stalled = false;
}

void kafka_bridge_open(struct kafka_bridge *b, struct loop *l, rd_kafka_queue_t *queue, kafka_bridge_fn *fn,
                       void *arg)
{
    ASSERT(!b->queue);
    *b = (struct kafka_bridge){.queue = queue, .fn = fn, .arg = arg};
    b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (b->fd < 0)
        base_die(EX_OSERR, "eventfd: %s", strerror(errno));
    b->ev = event_new(loop_base(l), b->fd, EV_READ | EV_PERSIST, bridge_readable_ev, b);
    ASSERT(b->ev);
    event_add(b->ev, NULL);
    b->tick = loop_timer_new(l, on_bridge_tick, b);
    loop_timer_every(b->tick, BRIDGE_TICK_MS);
    uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, b->fd, &one, sizeof one);
    bridge_arm(b); /* what was queued before gives no wake-up */
}

void kafka_bridge_close(struct kafka_bridge *b)
{
    if (!b->queue)
        return;
    ASSERT(!b->draining);
    rd_kafka_queue_io_event_enable(b->queue, -1, NULL, 0);
    event_free(b->ev);
    close(b->fd);
    loop_timer_free(b->tick);
    rd_kafka_queue_destroy(b->queue);
    *b = (struct kafka_bridge){0};
}
