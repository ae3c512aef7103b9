/* Draining while things fail: lost replies, leases that end, two nodes, stopping, every call with every outcome, all of it at once. */
#include <stdio.h>

#include "base/clock.h"
#include "coupon_drain_ground.h"
#include "service_suites.h"
#include "store/coupon_line.h"

/* --- lost replies ----------------------------------------------------------------------------------------------------------- */

static void lost_take(enum fake_outcome outcome)
{
    ground_ask(1, 1, 30);
    fake_fail(ground.b->store, FAKE_LINE_TAKE, outcome, 2);
    ground_drain(0);
    ground_pass(1500); /* two ticks */
    ck_assert_uint_eq(ground.b->sink->sends, 0);
    ground_pass(3500);
    ck_assert_str_eq(ground_landed(), "1-30");
    ck_assert_uint_eq(ground_decided(1), 30);
}

START_TEST(a_lost_take_begins_a_new_epoch)
{
    lost_take(FAKE_UNKNOWN_DONE);
    ck_assert(ground_counter("rushd.coupon.put.back") == 30);
}
END_TEST

START_TEST(a_take_that_may_not_have_happened)
{
    lost_take(FAKE_UNKNOWN_LOST);
    ck_assert(ground_counter("rushd.coupon.put.back") == 0);
}
END_TEST

/* A new epoch returns what is not marked, so it waits until everything that is out is reported and marked. */
START_TEST(a_new_epoch_waits_for_reports)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 3);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    fake_fail(ground.b->store, FAKE_LINE_TAKE, FAKE_UNKNOWN_DONE, 1);
    ground_ask(1, 4, 6);
    fake_loop_pass(ground.b->loop, 1000); /* the reply is lost */
    size_t takes = fake_count(ground.b->store, FAKE_LINE_TAKE);
    fake_loop_pass(ground.b->loop, 3000);
    ck_assert_uint_eq(fake_count(ground.b->store, FAKE_LINE_TAKE), takes);
    fake_fail(ground.b->store, FAKE_LINE_PUBLISHED, FAKE_RETRIABLE, 2);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(ground.b->loop, 5000);
    ck_assert_str_eq(ground_landed(), "1-6"); /* nobody twice */
}
END_TEST

static void lost_marks(enum fake_outcome outcome, int times)
{
    ground_ask(1, 1, 10);
    fake_fail(ground.b->store, FAKE_LINE_PUBLISHED, outcome, times);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 20000);
    ck_assert_str_eq(ground_landed(), "1-10");
    ground_pass(1000);
    ck_assert_uint_eq(ground_decided(1), 10);
    ground_line_is(0, 0);
}

START_TEST(lost_marks_are_made_again)
{
    lost_marks(FAKE_UNKNOWN_DONE, 3);
}
END_TEST

START_TEST(marks_that_failed_are_made_again)
{
    lost_marks(FAKE_RETRIABLE, 3);
}
END_TEST

START_TEST(marks_that_may_not_have_happened)
{
    lost_marks(FAKE_UNKNOWN_LOST, 3);
}
END_TEST

/* Members that cannot be marked are published again, with the identity they have, and decided once. */
START_TEST(marks_that_fail_for_good)
{
    ground_ask(1, 1, 10);
    fake_fail(ground.b->store, FAKE_LINE_PUBLISHED, FAKE_PERMANENT, 1);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 40000);
    ck_assert_str_eq(ground_landed(), "1-10 1-10");
    ground_pass(1000);
    ck_assert_int_eq(ground.b->store->decisions, 10);
}
END_TEST

static void lost_put_back(enum fake_outcome outcome)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 6);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    fake_fail(ground.b->store, FAKE_LINE_PUT_BACK, outcome, 1);
    ground.b->sink->holding = false;
    fake_sink_report(ground.b->sink, 0, EVENT_DELIVERED, true);
    fake_sink_report_all(ground.b->sink, EVENT_NOT_DELIVERED, false);
    fake_loop_pass(ground.b->loop, 3000);
    ck_assert_str_eq(ground_landed(), "1-6");
    ground_pass(1000);
    ck_assert_uint_eq(ground_decided(1), 6);
}

START_TEST(a_lost_put_back_begins_a_new_epoch)
{
    static const enum fake_outcome outcomes[] = {FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST, FAKE_RETRIABLE,
                                                 FAKE_PERMANENT};
    lost_put_back(outcomes[_i]);
}
END_TEST

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

/* The process stands still with members that it has taken and not sent; another node serves them. It must not send them after. */
START_TEST(a_lease_ends_in_the_middle)
{
    ground.b->sink->room = 3;
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(ground.b->sink->sends, 3);
    fake_loop_freeze(ground.b->loop, 6000);
    ground.b->sink->room = 0;
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_drain(1); /* its first tick is a second away */
    ground_pass(9000);
    ck_assert_uint_eq(ground_decided(1), 10);
    ck_assert_int_eq(ground.b->store->decisions, 10);
    ck_assert_uint_le(ground.b->sink->sends, 13);
    for (size_t i = 0; i < ground.b->store->requests.n; i++)
        ck_assert_int_eq(ground.b->store->requests.at[i].user_id, (int64_t)i + 1);
}
END_TEST

/* What is taken while the reply was on its way for longer than the lease is not sent. */
START_TEST(a_take_that_took_too_long)
{
    ground_ask(1, 1, 10);
    fake_fail(ground.b->store, FAKE_LINE_TAKE, FAKE_HELD, 1);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    fake_loop_pass(ground.b->loop, 6000);
    fake_release(ground.b->store, FAKE_LINE_TAKE);
    fake_loop_settle(ground.b->loop);
    ck_assert_uint_eq(ground.b->sink->sends, 0);
    ground_line_is(10, 0);
    ground_pass(3000);
    ck_assert_str_eq(ground_landed(), "1-10");
}
END_TEST

START_TEST(one_node_drains_a_line)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    ground_drain(1);
    fake_loop_pass(ground.b->loop, 3000);
    ck_assert_uint_eq(ground.b->sink->sends, 10);
    coupon_drain_run(ground.nodes[0].drain, false); /* and is gone without a word, its messages with it */
    fake_loop_pass(ground.b->loop, 2500);
    ck_assert_uint_eq(ground.b->sink->sends, 10);
    ground.b->sink->holding = false;
    fake_loop_pass(ground.b->loop, 4000);
    ck_assert_str_eq(ground_landed(), "1-10"); /* by the other one, in the old order */
    fake_sink_report_all(ground.b->sink, EVENT_NOT_DELIVERED, false);
    ground_pass(2000); /* what the first node hears now changes nothing */
    ck_assert_uint_eq(ground_decided(1), 10);
    ck_assert_str_eq(ground_landed(), "1-10");
}
END_TEST

/* The old owner hears from its messages after the other one has taken over, and the coupon comes back to it. */
START_TEST(reports_of_an_older_epoch)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    fake_line_lease_ends(ground.b->store, 1);
    ground_drain(1);
    coupon_drain_run(ground.nodes[0].drain, false);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(ground.b->sink->sends, 20);
    coupon_drain_run(ground.nodes[0].drain, true);
    for (size_t i = 10; i > 0; i--) /* those of the first node */
        fake_sink_report(ground.b->sink, i - 1, i % 2 ? EVENT_DELIVERED : EVENT_NOT_DELIVERED, i % 2);
    fake_loop_pass(ground.b->loop, 500);
    ground_line_is(0, 10);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 10);
    ck_assert_int_eq(ground.b->store->decisions, 10);
    ground_line_is(0, 0);
}
END_TEST

static void on_probed(void *arg, const struct error *e)
{
}

START_TEST(redis_is_emptied_in_the_middle)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    fake_redis_lost(ground.b->store);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(2000);
    ck_assert_uint_eq(ground_decided(1), 10);
    /* Nothing is taken before everything is back, also what other programs add. */
    fake_line_outside_add(ground.b->store, 1, SLICE("16"), 1e10);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 10);
    ground_line_is(1, 0);
    fake_redis_marked(ground.b->store);
    fake_line_outside_add(ground.b->store, 1, SLICE("9"), 1); /* one that came back: decided already */
    ground_ask(1, 11, 15);
    coupon_line_probe(ground.b->store, (const int64_t[]){1}, 1, on_probed, NULL);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 17);
    ground_line_is(0, 0);
}
END_TEST

/* What was handed over before the loss is waited for: a new epoch would send it again, perhaps behind others. */
START_TEST(redis_is_emptied_while_reports_are_awaited)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(ground.b->sink->sends, 10);
    fake_redis_lost(ground.b->store);
    fake_loop_pass(ground.b->loop, 1000); /* only the list of lines is asked for */
    fake_redis_marked(ground.b->store);
    ground_ask(1, 1, 12); /* as if they had been put back, and two more */
    fake_loop_pass(ground.b->loop, 800);
    fake_sink_report(ground.b->sink, 0, EVENT_DELIVERED, true); /* the broker is not silent */
    fake_loop_pass(ground.b->loop, 700);
    ck_assert_uint_eq(ground.b->sink->sends, 10);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 22); /* asked for anew, so under another identity */
    ground_line_is(0, 0);
}
END_TEST

/* A second node has taken what was rebuilt while the first still waits for reports: neither harms the other's members. */
START_TEST(redis_is_emptied_and_drained_by_another)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    coupon_drain_run(ground.nodes[0].drain, false);
    fake_redis_lost(ground.b->store);
    fake_redis_marked(ground.b->store);
    ground_ask(1, 1, 10); /* as if they had been put back */
    ground_drain(1);
    fake_loop_pass(ground.b->loop, 1100);
    coupon_drain_run(ground.nodes[0].drain, true);
    for (size_t i = 10; i > 0; i--)
        fake_sink_report(ground.b->sink, i - 1, EVENT_NOT_DELIVERED, false);
    fake_loop_pass(ground.b->loop, 500);
    ground_line_is(0, 10);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 10);
    ground_line_is(0, 0);
}
END_TEST

/* --- stopping ------------------------------------------------------------------------------------------------------------------ */

START_TEST(stop_waits_for_reports_and_gives_the_lease_up)
{
    ground.b->sink->room = 5;
    ground.b->sink->holding = true;
    ground_ask(1, 1, 10);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(ground.b->sink->sends, 5);
    ground_stop(0, 10000);
    fake_loop_pass(ground.b->loop, 1000);
    ck_assert_int_eq(ground.nodes[0].stopped, 0);
    ck_assert_uint_eq(ground.b->sink->sends, 5); /* nothing new is sent */
    fake_fail(ground.b->store, FAKE_LINE_PUBLISHED, FAKE_RETRIABLE, 2);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(ground.b->loop, 200);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
    ground_line_is(5, 5);
    ck_assert_ptr_nonnull(strstr(fake_log_text(ground.b->store), "release 1\n"));
    ground_drain(1); /* no wait for the lease */
    ground_pass(1100);
    ck_assert_str_eq(ground_landed(), "1-10");
    ck_assert_uint_eq(ground_decided(1), 10);
    fake_loop_pass(ground.b->loop, 20000);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
}
END_TEST

START_TEST(stop_has_a_deadline)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 3);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ground_stop(0, 500);
    fake_loop_pass(ground.b->loop, 499);
    ck_assert_int_eq(ground.nodes[0].stopped, 0);
    fake_loop_pass(ground.b->loop, 2);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(ground.b->loop, 2000);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
}
END_TEST

START_TEST(an_idle_stop_ends_at_once)
{
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ground_stop(0, 10000);
    fake_loop_pass(ground.b->loop, 20);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
}
END_TEST

/* Stop while each call of the drain is under way and its answer late. */
START_TEST(stop_in_the_middle_of_a_call)
{
    static const enum fake_call calls[] = {FAKE_LINE_LIST,  FAKE_LINE_TAKE,     FAKE_LINE_PUBLISHED,
                                           FAKE_LINE_STALE, FAKE_LINE_PUT_BACK, FAKE_COUPON_READ};
    enum fake_call call = calls[_i];
    ground.cfg.window = 20;
    ground_drain(0);
    ground_ask(1, 1, 10);
    fake_loop_pass(ground.b->loop, 2100);
    ground.b->sink->holding = call == FAKE_LINE_PUT_BACK;
    fake_fail(ground.b->store, call, FAKE_HELD, -1);
    ground_ask(1, 11, 20);
    fake_loop_pass(ground.b->loop, 1500);
    if (ground.b->sink->sent.n)
        fake_sink_report(ground.b->sink, 0, EVENT_NOT_DELIVERED, false);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(ground.b->loop, 500);
    ground_stop(0, 10000);
    fake_loop_pass(ground.b->loop, 1000);
    fake_fail(ground.b->store, call, FAKE_OK, 0);
    fake_release(ground.b->store, call);
    fake_loop_pass(ground.b->loop, 1000);
    ck_assert_msg(ground.nodes[0].stopped == 1, "%s: stopped %d times", fake_call_name(call),
                  ground.nodes[0].stopped);
    ground_drain(1);
    ground_pass(8000);
    ck_assert_uint_eq(ground_decided(1), 20);
    ck_assert_int_eq(ground.b->store->decisions, 20);
}
END_TEST

START_TEST(paused_and_resumed)
{
    ground_drain(0);
    ground_ask(1, 1, 10);
    ground_pass(1100);
    coupon_drain_run(ground.nodes[0].drain, false);
    ground_ask(1, 11, 20);
    ground_pass(20000);
    ck_assert_str_eq(ground_landed(), "1-10");
    coupon_drain_run(ground.nodes[0].drain, true);
    ground_pass(1100);
    ck_assert_str_eq(ground_landed(), "1-20");
}
END_TEST

/* The store closes while each call is under way: nothing is answered twice, nothing leaks. */
START_TEST(freed_in_the_middle)
{
    static const enum fake_call calls[] = {FAKE_LINE_LIST,      FAKE_LINE_PROBE,    FAKE_LINE_TAKE,
                                           FAKE_LINE_PUBLISHED, FAKE_LINE_PUT_BACK, FAKE_LINE_STALE,
                                           FAKE_COUPON_READ,    FAKE_LINE_INFO};
    enum fake_call call = calls[_i];
    ground_drain(0);
    ground_ask(1, 1, 10);
    if (call == FAKE_LINE_STALE)
        fake_loop_pass(ground.b->loop, 1100);
    ground.b->sink->holding = call == FAKE_LINE_PUT_BACK;
    fake_fail(ground.b->store, call, FAKE_HELD, -1);
    fake_loop_pass(ground.b->loop, 4100);
    for (size_t i = ground.b->sink->sent.n; i-- > 0;)
        fake_sink_report(ground.b->sink, i, i ? EVENT_DELIVERED : EVENT_NOT_DELIVERED, i > 0);
    fake_loop_pass(ground.b->loop, 5000);
    ck_assert_uint_gt(fake_running(ground.b->store, call), 0);
}
END_TEST

/* --- every call, every outcome ------------------------------------------------------------------------------------------------ */

static const enum fake_call all_calls[] = {FAKE_LINE_LIST,      FAKE_LINE_PROBE,    FAKE_LINE_TAKE,
                                           FAKE_LINE_PUBLISHED, FAKE_LINE_PUT_BACK, FAKE_LINE_STALE,
                                           FAKE_LINE_RELEASE,   FAKE_COUPON_READ,   FAKE_LINE_INFO};
static const enum fake_outcome all_outcomes[] = {FAKE_RETRIABLE,    FAKE_PERMANENT,    FAKE_BUG,
                                                 FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST, FAKE_HELD};

static struct fake_delivery third_fails(void *arg, enum event_topic topic, struct slice key,
                                        struct slice value)
{
    int *n = arg;
    bool fails = ++*n == 3;
    return (struct fake_delivery){.report = fails ? EVENT_NOT_DELIVERED : EVENT_DELIVERED, .delay_ms = 5};
}

/* Two bad answers of one kind at any time, held ones answered late; a failed publish, a recheck and a stop are in the way. */
START_TEST(every_outcome_of_every_call)
{
    enum fake_call call = all_calls[(size_t)_i / ARRAY_LEN(all_outcomes)];
    enum fake_outcome outcome = all_outcomes[(size_t)_i % ARRAY_LEN(all_outcomes)];
    int sent = 0;
    ground.b->sink->decide = third_fails;
    ground.b->sink->decide_arg = &sent;
    ground.cfg.window = 7;
    ground.cfg.recheck_ms = 3000;
    ground_drain(0);
    ground_ask(1, 1, 30);
    fake_fail(ground.b->store, call, outcome, 2);
    for (int i = 0; i < 20; i++) {
        fake_loop_pass(ground.b->loop, 1000);
        fake_release(ground.b->store, call);
        ground_carry();
    }
    fake_fail(ground.b->store, call, outcome, 2);
    ground_ask(1, 31, 40);
    fake_loop_pass(ground.b->loop, 1200);
    ground_stop(0, 15000);
    fake_loop_pass(ground.b->loop, 100);
    fake_release(ground.b->store, call);
    fake_loop_pass(ground.b->loop, 15000);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
    fake_fail(ground.b->store, call, FAKE_OK, 0);
    fake_release(ground.b->store, call);
    ground_drain(1);
    ground_pass(20000);
    ck_assert_msg(ground_decided(1) == 40 && ground.b->store->decisions == 40, "%s %d: %zu decided",
                  fake_call_name(call), outcome, ground_decided(1));
    ground_line_is(0, 0);
    for (size_t i = 0; i < ground.b->store->requests.n; i++) { /* only the third may have lost its place */
        const struct fake_request *r = &ground.b->store->requests.at[i];
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(ground.b->store->requests.at[k].ticket < r->ticket || r->ticket == 3,
                          "%s %d: ticket %lld", fake_call_name(call), outcome, (long long)r->ticket);
    }
}
END_TEST

/* --- everything at once ------------------------------------------------------------------------------------------------------- */

struct chaos {
    uint64_t state;
    bool calm;  /* calls succeed */
    bool loses; /* messages do not land at times */
};

static struct fake_fate fate_of(void *arg, enum fake_call call)
{
    static const enum fake_outcome outcomes[] = {FAKE_RETRIABLE, FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST};
    struct chaos *c = arg;
    if (call == FAKE_LINE_ADD || c->calm)
        return (struct fake_fate){FAKE_OK};
    struct fake_fate fate = {.delay_ms = bench_random(&c->state, 60)};
    if (bench_random(&c->state, 6) == 0) {
        bool may_be_lost = call == FAKE_ISSUE_COMMIT || call >= FAKE_REDIS;
        fate.outcome = outcomes[may_be_lost ? bench_random(&c->state, 3) : 0];
    }
    return fate;
}

/* Once a message of this node is lost the following ones may still land: that is what costs a place. */
static struct fake_delivery delivery_of(void *arg, enum event_topic topic, struct slice key,
                                        struct slice value)
{
    struct chaos *c = arg;
    struct fake_delivery d = {.report = EVENT_DELIVERED, .delay_ms = bench_random(&c->state, 80)};
    if (c->calm)
        return d;
    if (bench_random(&c->state, 12) == 0) {
        d.report = EVENT_POSSIBLY_DELIVERED;
        d.lands = !c->loses || bench_random(&c->state, 2);
    } else if (c->loses && bench_random(&c->state, 12) == 0) {
        d.report = EVENT_NOT_DELIVERED;
    }
    return d;
}

static void chaos_round(uint64_t seed, bool loses)
{
    struct chaos chaos = {seed, false, loses};
    bench_seed_random(&chaos.state);
    ground_setup();
    ground.cfg.window = 5 + bench_random(&chaos.state, 100);
    ground.cfg.recheck_ms = 5000 + bench_random(&chaos.state, 20000);
    ground.cfg.drain_per_tick = bench_random(&chaos.state, 3) ? 0 : 20;
    ground.b->sink->decide = delivery_of;
    ground.b->sink->decide_arg = &chaos;
    ground.b->sink->room = bench_random(&chaos.state, 2) ? 0 : 8;
    fake_decide_by(ground.b->store, fate_of, &chaos);
    ground_drain(0);
    ground_drain(1);
    int asked = 0, outside = 0;
    for (int step = 0; step < 400; step++) {
        unsigned n = bench_random(&chaos.state, 6);
        ground_ask(1, asked + 1, asked + (int)n);
        asked += (int)n;
        if (bench_random(&chaos.state, 40) == 0) {
            char text[24];
            snprintf(text, sizeof text, "\"%d\"", 1900 + ++outside);
            fake_line_outside_add(ground.b->store, 1, slice_of(text), 1700000000 + outside);
        }
        fake_loop_pass(ground.b->loop, bench_random(&chaos.state, 100));
        if (bench_random(&chaos.state, 60) == 0)
            fake_loop_freeze(ground.b->loop, 1000 + bench_random(&chaos.state, 8000));
        if (bench_random(&chaos.state, 40) == 0)
            coupon_drain_run(ground.nodes[bench_random(&chaos.state, GROUND_NODES)].drain,
                             bench_random(&chaos.state, 2));
        if (bench_random(&chaos.state, 4))
            ground_carry();
    }
    chaos.calm = true;
    for (int i = 0; i < GROUND_NODES; i++)
        coupon_drain_run(ground.nodes[i].drain, true);
    ground_pass(60000);
    ck_assert_msg(ground_decided(1) == (size_t)(asked + outside) &&
                      ground.b->store->decisions == asked + outside,
                  "RUSHD_SEED=%llu: %d asked, %zu decided", (unsigned long long)seed, asked + outside,
                  ground_decided(1));
    ground_line_is(0, 0);
    int64_t last = 0;
    for (size_t i = 0; i < ground.b->store->requests.n && !loses; i++) {
        const struct fake_request *r = &ground.b->store->requests.at[i];
        ck_assert_msg(!r->ticket || r->ticket > last, "RUSHD_SEED=%llu: ticket %lld behind %lld",
                      (unsigned long long)seed, (long long)r->ticket, (long long)last);
        last = r->ticket ? r->ticket : last;
    }
    ground_stop(0, 5000);
    ground_stop(1, 5000);
    fake_loop_pass(ground.b->loop, 100);
    ck_assert_msg(ground.nodes[0].stopped == 1 && ground.nodes[1].stopped == 1, "RUSHD_SEED=%llu",
                  (unsigned long long)seed);
    ground_teardown();
    bench_seed_random(NULL);
}

START_TEST(random_faults_decide_everybody_once)
{
    uint64_t seed = bench_seed();
    for (int round = 0; round < 15; round++)
        chaos_round(seed + (uint64_t)round, true);
}
END_TEST

/* As long as no message is lost the order is total, whatever happens to calls, leases and nodes. */
START_TEST(random_faults_keep_the_order)
{
    uint64_t seed = bench_seed();
    for (int round = 0; round < 15; round++)
        chaos_round(seed + (uint64_t)round, false);
}
END_TEST

Suite *coupon_drain_fault_suite(void)
{
    Suite *s = suite_create("coupon_drain_fault");
    TCase *t = tcase_create("fault");
    tcase_add_checked_fixture(t, ground_setup, ground_teardown);
    tcase_add_test(t, a_lost_take_begins_a_new_epoch);
    tcase_add_test(t, a_take_that_may_not_have_happened);
    tcase_add_test(t, a_new_epoch_waits_for_reports);
    tcase_add_test(t, lost_marks_are_made_again);
    tcase_add_test(t, marks_that_failed_are_made_again);
    tcase_add_test(t, marks_that_may_not_have_happened);
    tcase_add_test(t, marks_that_fail_for_good);
    tcase_add_loop_test(t, a_lost_put_back_begins_a_new_epoch, 0, 4);
    tcase_add_test(t, a_lease_ends_in_the_middle);
    tcase_add_test(t, a_take_that_took_too_long);
    tcase_add_test(t, one_node_drains_a_line);
    tcase_add_test(t, reports_of_an_older_epoch);
    tcase_add_test(t, redis_is_emptied_in_the_middle);
    tcase_add_test(t, redis_is_emptied_while_reports_are_awaited);
    tcase_add_test(t, redis_is_emptied_and_drained_by_another);
    tcase_add_test(t, stop_waits_for_reports_and_gives_the_lease_up);
    tcase_add_test(t, stop_has_a_deadline);
    tcase_add_test(t, an_idle_stop_ends_at_once);
    tcase_add_loop_test(t, stop_in_the_middle_of_a_call, 0, 6);
    tcase_add_test(t, paused_and_resumed);
    tcase_add_loop_test(t, freed_in_the_middle, 0, 8);
    tcase_add_loop_test(t, every_outcome_of_every_call, 0,
                        (int)(ARRAY_LEN(all_calls) * ARRAY_LEN(all_outcomes)));
    suite_add_tcase(s, t);
    TCase *chaos = tcase_create("chaos");
    tcase_set_timeout(chaos, 60);
    tcase_add_test(chaos, random_faults_decide_everybody_once);
    tcase_add_test(chaos, random_faults_keep_the_order);
    suite_add_tcase(s, chaos);
    return s;
}
