/* The contract tests on the fake, in simulated time. */
#include "contract.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "fake/fake_loop.h"
#include "fake/fake_store.h"
#include "msg/msg_date.h"

struct loop *contract_loop;
struct store *contract_store;

void contract_open(void)
{
    setenv("TZ", ZONE, 1);
    tzset();
    msg_date_zone_changed();
    contract_loop = loop_new();
    contract_store = fake_store_new(contract_loop);
}

void contract_close(void)
{
    fake_store_close(contract_store);
    fake_store_free(contract_store);
    ck_assert_uint_eq(fake_loop_timers(contract_loop), 0);
    loop_free(contract_loop);
}

void contract_pass(int64_t ms)
{
    fake_loop_pass(contract_loop, ms);
}

int64_t contract_now_us(void)
{
    return clock_real_us();
}

void contract_redis_lost(void)
{
    fake_redis_lost(contract_store);
}

void contract_redis_restarted(void)
{
    fake_redis_restarted(contract_store);
}

void contract_outside_add(int64_t coupon_id, struct slice member, const char *score)
{
    fake_line_outside_add(contract_store, coupon_id, member, strtod(score, NULL));
}

void contract_outside_remove(int64_t coupon_id, const char *member)
{
    ck_assert(fake_line_outside_remove(contract_store, coupon_id, slice_of(member)));
}

void contract_last_score(int64_t coupon_id, int64_t us)
{
    fake_line_last_score(contract_store, coupon_id, us);
}

void contract_lease_ends(int64_t coupon_id)
{
    fake_line_lease_ends(contract_store, coupon_id);
}

void contract_request_stored(int64_t coupon_id, int64_t user_id, int64_t requested_at_us, int64_t ticket)
{
    if (fake_request_find(contract_store, coupon_id, user_id, requested_at_us))
        return;
    struct fake_request *r = FAKE_ADD(&contract_store->requests);
    r->coupon_id = coupon_id;
    r->user_id = user_id;
    r->requested_at_us = requested_at_us;
    r->ticket = ticket;
}
