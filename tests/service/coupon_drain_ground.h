/* What the suites of the drain share: lines with people in them, one or two nodes that drain them into one topic, and the topic's
 * consumer, the real flow. */
#ifndef TESTS_SERVICE_COUPON_DRAIN_GROUND_H
#define TESTS_SERVICE_COUPON_DRAIN_GROUND_H

#include "coupon_harness.h"

#define GROUND_NODES 2

extern struct ground {
    struct bench *b;
    struct coupon_config cfg; /* of the nodes that are still to come */
    struct ground_node {
        struct coupon_config cfg;
        struct coupon_cache *cache;
        struct coupon_drain *drain;
        int stopped; /* how often that was told */
    } nodes[GROUND_NODES];
} ground;

/* Coupons 1 and 2, users 1 to 2000, no node yet. */
void ground_setup(void);
/* Everything ends in the middle: reports are unknown, the store closes. */
void ground_teardown(void);
/* Node number i opens and drains. */
void ground_drain(int i);
/* Stop it gracefully. */
void ground_stop(int i, int64_t deadline_ms);
/* These users ask for a coupon, one after the other. */
void ground_ask(int64_t coupon_id, int from, int to);
/* Bring what landed in the topic to the consumer. */
void ground_carry(void);
/* Let time pass with the consumer at work. */
void ground_pass(int64_t ms);
/* Requests of a coupon with a decision. */
size_t ground_decided(int64_t coupon_id);
/* The users of the messages that landed, as in "1-3 7 5": in the order of the topic. */
const char *ground_landed(void);
double ground_counter(const char *metric);
/* Check how many wait for coupon 1, and how many are in flight. */
void ground_line_is(size_t waiting, size_t in_flight);

#endif
