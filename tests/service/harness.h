/* What the suites share: a simulated loop, a shop in memory, an event sink, answers by number. */
#ifndef TESTS_SERVICE_HARNESS_H
#define TESTS_SERVICE_HARNESS_H

#include <check.h>
#include <stdlib.h>

#include "fake/fake_loop.h"
#include "fake/fake_ports.h"
#include "fake/fake_store.h"
#include "service/order.h"
#include "service/outbox_publish.h"

struct answer {
    int times; /* how often it came */
    int status;
    char *body;
    char *content_type;
    int retry_after_s;
    int64_t at_us;
    size_t order; /* among all answers, from 1 */
};

struct bench {
    struct loop *loop;
    struct store *store;
    struct fake_sink *sink;
    struct outbox_publisher *outbox;
    struct order_service *orders;
    FAKE_LIST(struct answer) answers;
    FAKE_LIST(struct ticket *) tickets; /* what the services hand back */
    size_t answered;
    bool drained;
};

/* Loop, shop and sink; no service yet. */
struct bench *bench_new(void);
/* Ports and store answer what is under way, then the services go, then the rest; the invariants are checked. */
void bench_free(struct bench *b);

/* Publisher and order service. */
void bench_orders(struct bench *b, const struct order_service_config *cfg);
extern const struct order_service_config bench_order_defaults;

/* Submit; the number of its answer comes back. lines: "1x2,3x1" (product x quantity). */
size_t bench_order(struct bench *b, int64_t user_id, int64_t user_coupon_id, const char *lines,
                   const char *key);
size_t bench_charge(struct bench *b, int64_t user_id, money amount, const char *key);
/* The same with a form (enum refusal_form), a hash of the body, a request id. */
struct bench_extra {
    unsigned form;
    const char *hash, *request_id;
};
size_t bench_order_with(struct bench *b, int64_t user_id, int64_t user_coupon_id, const char *lines,
                        const char *key, const struct bench_extra *extra);
/* Tell that this answer came exactly once with this status and, unless NULL, this code in its body. */
void bench_answered(struct bench *b, size_t number, int status, const char *code);
bool bench_all_answered(void *bench);
/* The n-th integer member of this name in the body of an answer. */
int64_t bench_number(struct bench *b, size_t answer, const char *member);

/* A random number below bound, from a state that the caller seeds. */
unsigned bench_random(uint64_t *state, unsigned bound);
/* A seed: RUSHD_SEED or a fresh one. */
uint64_t bench_seed(void);
/* base/random draws from this state from now on: a round can be repeated. NULL ends that. */
void bench_seed_random(uint64_t *state);

void on_flag(void *arg); /* arg: bool */
bool is_set(void *arg);

#endif
