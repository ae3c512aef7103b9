/* The contract test of coupon_line.h and ranking.h: the same suites run on Redis (tests/services/store_redis_test) and on
 * the fake (tests/store/test_store). Each program brings its own ground: contract_redis.c, contract_fake.c. */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include <check.h>

#include "loop/loop.h"
#include "store/coupon_line.h"
#include "store/ranking.h"
#include "store/redis_mark.h"

#define ZONE "Asia/Seoul" /* of the process, for the ranking's days */

/* --- the ground --- */
extern struct loop *contract_loop;
extern struct store *contract_store;
void contract_open(void);  /* fixture: a store on an empty Redis, PostgreSQL without requests */
void contract_close(void); /* fixture */
void contract_pass(int64_t ms);
/* What happens outside of the store's calls. */
void contract_redis_lost(void);      /* emptied */
void contract_redis_restarted(void); /* another process, which happens to have lost nothing */
void contract_outside_add(int64_t coupon_id, struct slice member, const char *score);
void contract_outside_remove(int64_t coupon_id, const char *member);
void contract_last_score(int64_t coupon_id, int64_t us);
void contract_lease_ends(int64_t coupon_id);
void contract_request_stored(int64_t coupon_id, int64_t user_id, int64_t requested_at_us, int64_t ticket);
/* Both grounds read "now" as Redis does. */
int64_t contract_now_us(void);

/* Mark Redis' data as whole, as a rebuild does that finds nothing to do. */
void contract_rebuilt(void);

/* --- calls that wait for their answer --- */
struct answer { /* of a store_done_fn */
    bool fired;
    struct error e;
};
void on_answer(void *arg, const struct error *e);
void await(const bool *flag);
#define AWAIT_OK(a)                                                                                          \
    do {                                                                                                     \
        await(&(a)->fired);                                                                                  \
        ck_assert_msg((a)->e.kind == ERROR_NONE, "%s %s", (a)->e.code, (a)->e.text);                         \
    } while (0)

struct marked {
    bool fired;
    struct redis_mark m;
    struct error e;
};
void on_marked(void *arg, const struct redis_mark *m, const struct error *e);
/* One of the calls of redis_mark.h, which must succeed. */
typedef void mark_step_fn(struct store *s, int64_t generation, redis_mark_fn *done, void *arg);
struct redis_mark mark_step(mark_step_fn *step, int64_t generation);
struct redis_mark mark_now(void);

#define COUPON   7
#define WINDOW   10000
#define TTL_MS   INT64_C(90000000)
#define LEASE_MS 60000

struct added {
    bool fired;
    struct coupon_line_ticket t;
    struct error e;
};
void on_added(void *arg, const struct coupon_line_ticket *t, const struct error *e);
/* Send a request, acceptable, with a bound that is far away. */
void send_add(struct added *a, int64_t coupon_id, int64_t user_id);
struct coupon_line_ticket add(int64_t user_id);
/* The same, must be accepted. */
struct coupon_line_ticket accepted(int64_t user_id);
bool cancel(int64_t user_id, int64_t requested_at_us);

struct taken {
    bool fired;
    struct coupon_line_taken t; /* members: those of m */
    struct coupon_line_member m[600];
};
/* COUPON, LEASE_MS. The result is overwritten by the next call. */
const struct taken *take(const char *owner, int64_t epoch, int64_t window, int64_t limit);
const struct taken *take_lease(const char *owner, int64_t epoch, int64_t limit, int64_t lease_ms);
void published(int64_t epoch, const struct coupon_line_member *m, size_t n);
void put_back(int64_t epoch, const struct coupon_line_member *m, size_t n);
const struct taken *stale(const char *owner, int64_t epoch, int64_t recheck_ms, int64_t lease_ms,
                          size_t limit);
void release(const char *owner, int64_t epoch);
/* The result of one request; the JSON names the user coupon. */
void decided(int64_t user_id, int64_t requested_at_us, bool success, int64_t user_coupon_id);
struct standing {
    bool fired, pending, success, has_result, whole;
    int64_t user_coupon_id; /* of the result; a number that tells results apart */
    int64_t requested_at_us, ticket, position, size;
};
void on_status(void *arg, const struct coupon_line_status *st, const struct error *e);
struct standing standing_of(int64_t user_id);
/* Coupons that have a line, into ids. */
size_t list(struct coupon_line_state *lines, size_t most);

int64_t user(int64_t i); /* 1000 + i */
/* Requests of user(1) .. user(n), in this order, all accepted; requestedAt into at[0 .. n - 1] unless NULL. */
void fill(int n, int64_t *at);
/* n members were taken: user(first) and those after him. */
void check_users(const struct taken *t, int64_t first, size_t n);
bool listed(void); /* COUPON has a line */

/* Add a case with the ground as its fixture; tests end with NULL. */
void add_case(Suite *s, const char *name, const TTest *const *tests);

Suite *coupon_line_contract_suite(void);  /* accept, members from outside, loss of Redis */
Suite *coupon_drain_contract_suite(void); /* drain and results */
Suite *coupon_line_model_suite(void);     /* random calls against a model */
Suite *ranking_contract_suite(void);
Suite *redis_mark_contract_suite(void);
Suite *fake_faults_suite(void); /* the fake only */

#endif
