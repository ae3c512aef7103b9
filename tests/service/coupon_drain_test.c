/* Draining waiting lines: order, window, what each report does, recheck, what waiting costs. */
#include <stdio.h>

#include "base/clock.h"
#include "coupon_drain_ground.h"
#include "service_suites.h"

/* --- the plain way -------------------------------------------------------------------------------------------------------- */

START_TEST(drained_in_line_order)
{
    ground_ask(1, 1, 1200);
    ground_ask(2, 1201, 1230);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(fake_sink_landed(ground.b->sink, EVENT_COUPON_ISSUE), 1230);
    int64_t last[3] = {0};
    for (size_t i = 0; i < ground.b->sink->messages.n; i++) {
        struct msg_coupon_issue m;
        struct error e = ERROR_INIT;
        const struct fake_message *f = &ground.b->sink->messages.at[i];
        ck_assert(msg_coupon_issue_parse(f->value, strlen(f->value), &m, &e));
        ck_assert_int_eq(strtoll(f->key, NULL, 10), m.coupon_id);
        ck_assert_int_eq(m.ticket, last[m.coupon_id] + 1);
        ck_assert_int_eq(m.max_issuance_count, 5000); /* the coupon's own data */
        ck_assert_int_eq(m.discount_amount, m.coupon_id == 1 ? 250 : 100);
        ck_assert_str_eq(m.coupon_name, m.coupon_id == 1 ? "coupon1" : "coupon2");
        last[m.coupon_id] = m.ticket;
        msg_coupon_issue_free(&m);
    }
    ground_line_is(0, 1200);
    ground_pass(1000);
    ck_assert_uint_eq(ground_decided(1), 1200);
    ground_line_is(0, 0);
    ck_assert(ground_counter("rushd.coupon.published") == 1230);
    ck_assert(ground_counter("rushd.coupon.put.back") == 0);
    ck_assert(coupon_drain_rate(ground.nodes[0].drain, 1) > 100);
    ck_assert(coupon_drain_rate(ground.nodes[0].drain, 7) == 0);
}
END_TEST

START_TEST(window_bounds_and_refills)
{
    ground.cfg.window = 10;
    ground_drain(0);
    ground_ask(1, 1, 95);
    fake_loop_pass(ground.b->loop, 3000); /* nobody decides */
    ground_line_is(85, 10);
    ck_assert_str_eq(ground_landed(), "1-10");
    int64_t from = clock_mono_us();
    while (ground_decided(1) < 95) {
        ground_pass(10);
        ck_assert_uint_le(fake_line_in_flight(ground.b->store, 1), 10);
        ck_assert_int_lt(clock_mono_us() - from, 900000); /* ten refills need no ticks of their own */
    }
    ck_assert_str_eq(ground_landed(), "1-95");
}
END_TEST

START_TEST(most_per_tick)
{
    ground.cfg.drain_per_tick = 10;
    ground_drain(0);
    ground_ask(1, 1, 35);
    for (size_t tick = 1; tick <= 4; tick++) {
        ground_pass(1000);
        ck_assert_uint_eq(ground_decided(1), tick < 4 ? tick * 10 : 35);
    }
    ck_assert_str_eq(ground_landed(), "1-35");
}
END_TEST

/* What comes while the recheck is due does not wait for the tick after it. */
START_TEST(a_recheck_does_not_cost_a_tick)
{
    ground.cfg.recheck_ms = 30000;
    ground_drain(0);
    ground_ask(1, 1, 1);
    for (int i = 2; i <= 12; i++) {
        fake_loop_pass(ground.b->loop, 1000);
        ck_assert_uint_eq(ground.b->sink->messages.n, (size_t)i - 1);
        ground_ask(1, i, i);
    }
    ck_assert_uint_gt(fake_count(ground.b->store, FAKE_LINE_STALE), 2);
}
END_TEST

/* More lines than are asked about at once, each with two in it, behind slow answers. */
START_TEST(many_lines_take_turns)
{
    enum {
        MANY = 1000
    };
    struct store *s = ground.b->store;
    for (int i = 1; i <= MANY; i++) {
        if (i > 2)
            fake_coupon_add(s, i, 5000, 100);
        ground_ask(i, 1, 2);
    }
    fake_delay(s, FAKE_LINE_TAKE, 100);
    fake_delay(s, FAKE_LINE_STALE, 100);
    fake_delay(s, FAKE_LINE_PUBLISHED, 5);
    ground_drain(0);
    size_t most = 0;
    for (int64_t t = 0; t < 5000; t += 10) {
        fake_loop_pass(ground.b->loop, 10);
        size_t n = fake_running(s, FAKE_LINE_TAKE) + fake_running(s, FAKE_LINE_STALE);
        most = n > most ? n : most;
    }
    ck_assert_uint_le(most, 64);
    ck_assert_uint_ge(most, 20);
    ck_assert_uint_eq(ground.b->sink->messages.n, 2 * MANY); /* each member once */
    ck_assert(ground_counter("rushd.coupon.put.back") == 0);
    size_t takes = fake_count(s, FAKE_LINE_TAKE);
    ck_assert_uint_lt(takes, 3 * MANY);
    fake_loop_pass(ground.b->loop, 10000); /* all in flight: leases are kept, nothing more is asked for */
    ck_assert_uint_lt(fake_count(s, FAKE_LINE_TAKE) - takes, 5 * MANY);
    ck_assert_uint_eq(ground.b->sink->messages.n, 2 * MANY);
    ground_pass(5000);
    for (int i = 1; i <= MANY; i++)
        ck_assert_uint_eq(ground_decided(i), 2);
    ground_stop(0, 20000);
    fake_loop_pass(ground.b->loop, 5000);
    ck_assert_int_eq(ground.nodes[0].stopped, 1);
}
END_TEST

/* A line that empties for a moment keeps its epoch: the next request is not a take-over. */
START_TEST(an_empty_line_keeps_its_epoch)
{
    int64_t epoch = 0;
    ground_drain(0);
    for (int i = 1; i <= 3; i++) {
        ground_ask(1, i, i);
        ground_pass(2500);
        ck_assert_uint_eq(ground_decided(1), (size_t)i);
        epoch = epoch ? epoch : fake_line_epoch(ground.b->store, 1);
    }
    ck_assert_int_eq(fake_line_epoch(ground.b->store, 1), epoch);
    ground_pass(7000); /* and is forgotten when the lease has ended */
    ground_ask(1, 4, 4);
    ground_pass(1000);
    ck_assert_uint_eq(ground_decided(1), 4);
    ck_assert_int_eq(fake_line_epoch(ground.b->store, 1), epoch + 1);
}
END_TEST

START_TEST(members_from_outside)
{
    ground_ask(1, 10, 10);
    double early = 1700000000;
    fake_line_outside_add(ground.b->store, 1, SLICE("1"), early);
    fake_line_outside_add(ground.b->store, 1, SLICE("\"2\""), early);
    fake_line_outside_add(ground.b->store, 1, SLICE("003"), early + 1);
    fake_line_outside_add(ground.b->store, 1, SLICE("nobody"), early + 1);
    fake_line_outside_add(ground.b->store, 1, SLICE("-4"), early + 2);
    fake_line_outside_add(ground.b->store, 1, SLICE("\"10\""), early + 3); /* waits already */
    ground_drain(0);
    ground_pass(2000);
    ck_assert_uint_eq(ground_decided(1), 4);
    ck_assert(ground_counter("rushd.coupon.invalid") == 3);
    int64_t at[4];
    for (size_t i = 0; i < 4; i++) {
        const struct fake_request *r = &ground.b->store->requests.at[i];
        ck_assert(r->success);
        ck_assert_int_eq(r->ticket, r->user_id == 10 ? 1 : 0);
        at[i] = r->requested_at_us;
        for (size_t k = 0; k < i; k++)
            ck_assert_int_ne(at[i], at[k]);
    }
    ground_line_is(0, 0);
}
END_TEST

/* Nobody entered the line in coupon:lines: the probe of all coupons finds it, also when its first answer is lost. */
START_TEST(lines_are_found_by_the_probe)
{
    ground_drain(0);
    ground_pass(1000);
    fake_fail(ground.b->store, FAKE_LINE_PROBE, FAKE_RETRIABLE, 1);
    ground_pass(50000);
    fake_line_outside_add(ground.b->store, 1, SLICE("7"), 1);
    ground_pass(20000);
    ck_assert_uint_eq(ground_decided(1), 1);
}
END_TEST

START_TEST(coupon_removed_meanwhile)
{
    ground_ask(1, 1, 3);
    ground.b->store->coupons.n = 0;
    ground_drain(0);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(ground.b->store->requests.at[i].reason, "COUPON_NOT_FOUND");
    ground_line_is(0, 0);
}
END_TEST

START_TEST(nothing_is_drained_while_the_database_is_away)
{
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1500);
    fake_fail(ground.b->store, FAKE_COUPON_READ, FAKE_RETRIABLE, -1);
    fake_loop_pass(ground.b->loop, 5000);
    ground_ask(1, 1, 3);
    fake_loop_pass(ground.b->loop, 20000);
    ck_assert_uint_eq(ground.b->sink->sends, 0);
    fake_fail(ground.b->store, FAKE_COUPON_READ, FAKE_OK, 0);
    ground_pass(3000);
    ck_assert_uint_eq(ground_decided(1), 3);
}
END_TEST

/* --- reports ---------------------------------------------------------------------------------------------------------------- */

START_TEST(failed_members_return_to_their_places)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 5);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(ground.b->sink->sends, 5);
    fake_sink_report(ground.b->sink, 2, EVENT_NOT_DELIVERED, false);
    fake_sink_report(ground.b->sink, 3, EVENT_POSSIBLY_DELIVERED, false);
    fake_loop_settle(ground.b->loop);
    ground_ask(1, 6, 8);
    fake_loop_pass(ground.b->loop, 900);
    ck_assert_uint_eq(ground.b->sink->sends, 5); /* three reports are still out */
    ground_line_is(3, 5);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    fake_loop_settle(ground.b->loop);
    ground_line_is(5, 3);
    fake_loop_pass(ground.b->loop, 2000);
    ck_assert_str_eq(ground_landed(), "1-2 5 3-4 6-8");
    ck_assert(ground_counter("rushd.coupon.put.back") == 2);
    ground_pass(1000);
    ck_assert_uint_eq(ground_decided(1), 8);
    ck_assert_ptr_nonnull(strstr(fake_log_text(ground.b->store), "put back 1 2\n"));
}
END_TEST

/* What was taken and not sent when a publish fails goes back too, in front of what comes then. */
START_TEST(nothing_is_sent_behind_a_failure)
{
    ground.b->sink->room = 2;
    ground.b->sink->holding = true;
    ground_ask(1, 1, 6);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    fake_sink_report(ground.b->sink, 0, EVENT_NOT_DELIVERED, false);
    fake_loop_pass(ground.b->loop, 100);
    ck_assert_uint_eq(ground.b->sink->sends, 2);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(ground.b->loop, 100);
    ground_line_is(5, 1);
    fake_loop_pass(ground.b->loop, 2000);
    ck_assert_str_eq(ground_landed(), "2 1 3-6");
}
END_TEST

static struct fake_delivery always_fails(void *arg, enum event_topic topic, struct slice key,
                                         struct slice value)
{
    return (struct fake_delivery){.report = EVENT_NOT_DELIVERED};
}

/* Members come and go once each tick while nothing can be delivered. */
START_TEST(a_failing_broker_is_tried_each_tick)
{
    ground.b->sink->decide = always_fails;
    ground.cfg.window = 15;
    ground_ask(1, 1, 20);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 10100);
    ck_assert_uint_le(ground.b->sink->sends, 10 * 15);
    ck_assert_uint_le(fake_count(ground.b->store, FAKE_LINE_TAKE), 22);
    ground_line_is(20, 0);
    ck_assert(ground_counter("rushd.coupon.put.back") == (double)ground.b->sink->sends);
    ground.b->sink->decide = NULL;
    ground_pass(3000);
    ck_assert_str_eq(ground_landed(), "1-20");
    ck_assert_uint_eq(ground_decided(1), 20);
}
END_TEST

/* It was in the topic although the report got lost: it comes twice and is decided once. */
START_TEST(an_unknown_report_publishes_again)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 3);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_POSSIBLY_DELIVERED, true);
    ground_pass(3000);
    ck_assert_int_eq(ground.b->store->decisions, 3);
    ck_assert_uint_eq(ground_decided(1), 3);
    ground_line_is(0, 0);
}
END_TEST

START_TEST(a_full_sink_holds_back_in_order)
{
    ground.b->sink->room = 4;
    ground.b->sink->holding = true;
    ground_ask(1, 1, 20);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ck_assert_uint_eq(ground.b->sink->sends, 4);
    for (int i = 0; i < 3; i++) {
        fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
        fake_loop_pass(ground.b->loop, 50);
    }
    ck_assert_uint_eq(ground.b->sink->sends, 16);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(1000);
    ck_assert_str_eq(ground_landed(), "1-20");
}
END_TEST

START_TEST(a_refusing_sink_is_asked_again)
{
    ground.b->sink->refusals = 7;
    ground_ask(1, 1, 3);
    ground_drain(0);
    ground_pass(1500);
    ck_assert_str_eq(ground_landed(), "1-3");
    ck_assert(ground_counter("rushd.coupon.put.back") == 0);
}
END_TEST

/* A sink that is broken for good: members wait in line, at their places. */
START_TEST(a_broken_sink_puts_everything_back)
{
    ground.b->sink->refusals = 3;
    ground.b->sink->refusal = ERROR_PERMANENT;
    ground_ask(1, 1, 5);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1500);
    ground_line_is(5, 0);
    ground_pass(5000);
    ck_assert_str_eq(ground_landed(), "1-5");
    ck_assert_uint_eq(ground_decided(1), 5);
}
END_TEST

/* A broker that is silent for longer than the lease of the recheck gets nothing more, and nothing again. */
START_TEST(a_silent_broker_gets_nothing_more)
{
    ground.b->sink->holding = true;
    ground_ask(1, 1, 3);
    ground_drain(0);
    fake_loop_pass(ground.b->loop, 1100);
    ground_ask(1, 4, 6);
    fake_loop_pass(ground.b->loop, 1000);
    size_t sends = ground.b->sink->sends;
    ground_ask(1, 7, 9);
    fake_loop_pass(ground.b->loop, 100000);
    ck_assert_uint_eq(ground.b->sink->sends, sends);
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(3000);
    ck_assert_str_eq(ground_landed(), "1-9");
    ck_assert_uint_eq(ground_decided(1), 9);
}
END_TEST

/* While Redis is away or the broker silent the drain waits for what ends that: it does not ask, nor wake up, all the time. */
static void asks_little(void)
{
    fake_loop_pass(ground.b->loop, 10000);
    size_t takes = fake_count(ground.b->store, FAKE_LINE_TAKE), fired = fake_loop_fired(ground.b->loop);
    fake_loop_pass(ground.b->loop, 10000);
    ck_assert_uint_le(fake_count(ground.b->store, FAKE_LINE_TAKE) - takes, 22);
    ck_assert_uint_lt(fake_loop_fired(ground.b->loop) - fired, 300);
}

START_TEST(waiting_costs_nothing)
{
    static const enum fake_call calls[] = {FAKE_LINE_PUBLISHED, FAKE_LINE_TAKE, FAKE_COUPON_READ,
                                           FAKE_LINE_LIST};
    ground.cfg.window = 9 + _i % 2 * 11; /* full, or not */
    ground_ask(1, 1, 20);
    ground_drain(0);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        fake_loop_pass(ground.b->loop, 1100);
        fake_fail(ground.b->store, calls[i], FAKE_RETRIABLE, -1);
        if (calls[i] != FAKE_LINE_PUBLISHED) /* until then room in the window is asked for */
            asks_little();
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        fake_fail(ground.b->store, calls[i], FAKE_OK, 0);
    ground_pass(1000);
    ground.b->sink->holding = true;
    ground_ask(1, 21, 30);
    fake_loop_pass(ground.b->loop, 1100);
    ground_ask(1, 31, 40);
    asks_little();
    ground.b->sink->holding = false;
    fake_sink_report_all(ground.b->sink, EVENT_DELIVERED, true);
    ground_pass(5000);
    ck_assert_uint_eq(ground_decided(1), 40);
}
END_TEST

/* --- recheck ------------------------------------------------------------------------------------------------------------------ */

START_TEST(members_without_a_result_are_published_again)
{
    ground_drain(0);
    ground_ask(1, 1, 5);
    fake_loop_pass(ground.b->loop, 59000);
    ck_assert_str_eq(ground_landed(), "1-5");
    fake_loop_pass(ground.b->loop, 6000);
    ck_assert_str_eq(ground_landed(), "1-5 1-5");
    fake_loop_pass(ground.b->loop, 58000); /* their time has begun anew */
    ck_assert_str_eq(ground_landed(), "1-5 1-5");
    ck_assert(ground_counter("rushd.coupon.republished") == 5);
    ground_pass(1000);
    ck_assert_int_eq(ground.b->store->decisions, 5);
    ground_line_is(0, 0);
    fake_loop_pass(ground.b->loop, 120000);
    ck_assert_uint_eq(ground.b->sink->messages.n, 10);
}
END_TEST

/* Its reply is lost: the members count as taken, and nobody sent them. */
START_TEST(a_lost_recheck)
{
    ground_drain(0);
    ground_ask(1, 1, 5);
    fake_loop_pass(ground.b->loop, 59000);
    fake_fail(ground.b->store, FAKE_LINE_STALE, FAKE_UNKNOWN_DONE, -1);
    fake_loop_pass(ground.b->loop, 8000);
    fake_fail(ground.b->store, FAKE_LINE_STALE, FAKE_OK, 0);
    ground_pass(5000);
    ck_assert_uint_eq(ground_decided(1), 5);
    ck_assert_str_eq(ground_landed(), "1-5 1-5");
}
END_TEST

Suite *coupon_drain_suite(void)
{
    Suite *s = suite_create("coupon_drain");
    TCase *t = tcase_create("drain");
    tcase_add_checked_fixture(t, ground_setup, ground_teardown);
    tcase_add_test(t, drained_in_line_order);
    tcase_add_test(t, window_bounds_and_refills);
    tcase_add_test(t, most_per_tick);
    tcase_add_test(t, a_recheck_does_not_cost_a_tick);
    tcase_add_test(t, many_lines_take_turns);
    tcase_add_test(t, an_empty_line_keeps_its_epoch);
    tcase_add_test(t, members_from_outside);
    tcase_add_test(t, lines_are_found_by_the_probe);
    tcase_add_test(t, coupon_removed_meanwhile);
    tcase_add_test(t, nothing_is_drained_while_the_database_is_away);
    tcase_add_test(t, failed_members_return_to_their_places);
    tcase_add_test(t, nothing_is_sent_behind_a_failure);
    tcase_add_test(t, a_failing_broker_is_tried_each_tick);
    tcase_add_test(t, an_unknown_report_publishes_again);
    tcase_add_test(t, a_full_sink_holds_back_in_order);
    tcase_add_test(t, a_refusing_sink_is_asked_again);
    tcase_add_test(t, a_broken_sink_puts_everything_back);
    tcase_add_test(t, a_silent_broker_gets_nothing_more);
    tcase_add_loop_test(t, waiting_costs_nothing, 0, 2);
    tcase_add_test(t, members_without_a_result_are_published_again);
    tcase_add_test(t, a_lost_recheck);
    suite_add_tcase(s, t);
    return s;
}
