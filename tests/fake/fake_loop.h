/* A loop on simulated time, a replacement of loop/loop.h at link time (loop_new() and so on; no libevent, no descriptors, no
 * signals). Nothing waits: when no task is left, time jumps to the next timer. While a loop lives, clock_mono_us() and
 * clock_real_us() are its time. */
#ifndef TESTS_FAKE_FAKE_LOOP_H
#define TESTS_FAKE_FAKE_LOOP_H

#include "loop/loop.h"

/* Real time of a new loop: 2025-07-01T00:00:00Z. */
#define FAKE_LOOP_EPOCH_US INT64_C(1751328000000000)

/* Run deferred tasks and timers that are due now; no time passes. */
void fake_loop_settle(struct loop *l);
/* Let time pass, with everything that falls into it. */
void fake_loop_pass(struct loop *l, int64_t ms);
/* Let time pass without a turn of the loop: the process was stopped. Timers come late. */
void fake_loop_freeze(struct loop *l, int64_t ms);
/* Step the real clock, not the monotonic one. */
void fake_loop_step(struct loop *l, int64_t ms);
/* Timers that exist: for tests of leaks. */
size_t fake_loop_timers(const struct loop *l);
/* How often a timer fired: for tests of who wakes up without need. */
size_t fake_loop_fired(const struct loop *l);

#endif
