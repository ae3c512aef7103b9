/* What the services know of PostgreSQL and Redis: calls that mean something, one header per table or key
 * family.
 *
 * Every SQL text and Redis key lives in this folder. A second implementation of the same headers (tests/fake)
 * runs against a seeded clock and simulated failures; both pass the same contract test.
 *
 * Every call completes exactly once through its callback, never before it returns. Errors are struct error:
 * NULL or kind ERROR_NONE is success; RETRIABLE and PERMANENT mean that nothing happened; UNKNOWN that it may
 * have. Arrays handed in are read before the call returns; facts and rows handed to a callback are valid only
 * inside it unless a header says otherwise. deadline_ms counts from the call. Calls without a deadline end by
 * the pool's statement timeout. A read never ends UNKNOWN: with the connection lost it is RETRIABLE.
 */
#ifndef RUSHD_STORE_STORE_H
#define RUSHD_STORE_STORE_H

#include "base/error.h"
#include "base/money.h"
#include "base/str.h"

struct loop;
struct store;
struct pg_pool;
struct redis_client;

/* pg or redis may be NULL in a tool that needs only the other. Takes no ownership. */
struct store *store_new(struct loop *l, struct pg_pool *pg, struct redis_client *redis);
/* After pg_pool_close() has reported and before pg_pool_free(). Callers that still wait for ids are answered
 * RETRIABLE. */
void store_free(struct store *s);
/* End the watching of coupons, and hand to Redis what waits for the end of the turn: before pool and client go, which end it. */
void store_unwatch(struct store *s);

/* Call fn whenever a call finds that Redis does not hold all of our data (redis_mark.h): it was emptied, or is another process that
 * may have lost the last writes. fn must not make calls itself. */
void store_on_incomplete(struct store *s, void (*fn)(void *arg), void *arg);

typedef void store_done_fn(void *arg, const struct error *e);

/* The database's clock, microseconds since 1970, taken between call and answer (base/clock.h, clock_shop_set()). */
void store_clock_read(struct store *s, void (*done)(void *arg, int64_t now_us, const struct error *e),
                      void *arg);

/* How a writing transaction ended. */
enum store_end {
    STORE_COMMITTED,   /* durable */
    STORE_ROLLED_BACK, /* certain: nothing happened; the error says why, kind NONE after an abort of our own
                        */
    STORE_UNKNOWN,     /* could not be settled before the deadline */
};

/* Ids are reserved beforehand by a committed statement (contract section 6) and handed out from memory,
 * ascending on one node. They are not set aside per caller: n are in hand when done fires, and a flow that
 * takes them later, with others of the same kind running, looks at store_ids_left() first. Ids that are not
 * used are lost: numbers have gaps. */
enum store_id {
    STORE_ID_ORDER,
    STORE_ID_ORDER_ITEM,
    STORE_ID_USER_COUPON,
    STORE_ID_COUNT
};
/* Make sure that at least n ids are in hand; done at once (never before the call returns) when they are. */
void store_ids_ensure(struct store *s, enum store_id kind, size_t n, int64_t deadline_ms, store_done_fn *done,
                      void *arg);
int64_t store_ids_take(struct store *s, enum store_id kind); /* a bug unless ensured */
size_t store_ids_left(const struct store *s, enum store_id kind);

#endif
