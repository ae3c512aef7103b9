/* From committed orders to the topics: reports, relay, parking, back-pressure, marks, stopping, a crash. */
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"
#include "harness.h"
#include "service_suites.h"

static struct bench *b;

static void publisher(bool marks, int64_t max_in_flight)
{
    const struct outbox_publisher_config cfg = {MSG_DOCUMENTED, marks, max_in_flight};
    b->outbox = outbox_publisher_new(b->loop, b->store, fake_sink_port(b->sink), &cfg);
}

static void setup(void)
{
    b = bench_new();
    publisher(false, 20000);
}

static void teardown(void)
{
    bench_free(b);
}

/* A committed order: lines of products 1..n. */
static struct msg_order order_of(int64_t order_id, struct msg_order_item *items, int lines)
{
    for (int i = 0; i < lines; i++)
        items[i] = (struct msg_order_item){
            order_id * 10 + i, i / 2 + 1, (char *)"thing", (char *)"things", 1, 100, 100};
    return (struct msg_order){.order_id = order_id,
                              .user_id = 7,
                              .user_name = (char *)"kim",
                              .total_amount = 100 * lines,
                              .discounted_amount = 100 * lines,
                              .status = (char *)"COMPLETED",
                              .completed_at_us = clock_real_us(),
                              .items = items,
                              .nitems = (size_t)lines};
}

#define LINES_MAX 8

static void print_order(struct buf *payload, int64_t order_id, int lines)
{
    struct msg_order_item items[LINES_MAX];
    const struct msg_order order = order_of(order_id, items, lines);
    msg_order_print_outbox(payload, &order);
}

/* A row in the outbox: orders whose ids follow each other. */
static void commit_row(int64_t order_id, int orders, int lines)
{
    struct buf payload = BUF_INIT;
    for (int i = 0; i < orders; i++) {
        if (i)
            buf_putc(&payload, '\n');
        print_order(&payload, order_id + i, lines);
    }
    const char *text = fake_text(b->store, buf_str(&payload));
    buf_free(&payload);
    *FAKE_ADD(&b->store->outbox) = (struct fake_outbox){.order_id = order_id,
                                                        .orders = (size_t)orders,
                                                        .payload = text,
                                                        .created_us = clock_real_us(),
                                                        .available_us = clock_real_us() + 30000000};
}

static void commit(int64_t order_id, int lines)
{
    commit_row(order_id, 1, lines);
}

static void publish_committed(int64_t order_id, int orders, int lines)
{
    static const char *const request_ids[] = {"req", NULL, "req 3"};
    struct msg_order_item items[ARRAY_LEN(request_ids)][LINES_MAX];
    struct msg_order all[ARRAY_LEN(request_ids)];
    for (int i = 0; i < orders; i++)
        all[i] = order_of(order_id + i, items[i], lines);
    outbox_publish(b->outbox, all, (size_t)orders, request_ids);
}

static void publish(int64_t order_id, int lines)
{
    commit(order_id, lines);
    publish_committed(order_id, 1, lines);
}

static void publish_row(int64_t order_id, int orders)
{
    commit_row(order_id, orders, 1);
    publish_committed(order_id, orders, 1);
}

/* Orders that follow each other wait a moment before their messages go out. */
static void gather(void)
{
    fake_loop_pass(b->loop, 100);
}

static size_t sent_of(int64_t order_id)
{
    size_t n = 0;
    char id[40];
    snprintf(id, sizeof id, "\"orderId\":%lld,", (long long)order_id);
    for (size_t i = 0; i < b->sink->messages.n; i++)
        n += strstr(b->sink->messages.at[i].value, id) != NULL;
    return n;
}

START_TEST(good_reports_delete_the_row)
{
    publish(5, 3);
    gather();
    ck_assert_uint_eq(b->sink->messages.n, 4);
    static const struct {
        enum event_topic topic;
        const char *key;
    } expected[] = {{EVENT_ORDER_COMPLETED, "5"},
                    {EVENT_PRODUCT_RANKING, "1"},
                    {EVENT_PRODUCT_RANKING, "2"},
                    {EVENT_DATA_PLATFORM, "5"}};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(b->sink->messages.at[i].topic, expected[i].topic);
        ck_assert_str_eq(b->sink->messages.at[i].key, expected[i].key);
        ck_assert_str_eq(b->sink->messages.at[i].request_id, "req");
    }
    ck_assert_uint_eq(b->store->outbox.n, 1); /* not yet: by the next timer */
    fake_loop_pass(b->loop, 1000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(outbox_in_flight(b->outbox), 0);
}
END_TEST

/* The orders of a transaction share a row; it goes when the last report of the last of them is in. */
START_TEST(a_row_of_several_orders)
{
    b->sink->holding = true;
    publish_row(5, 3);
    gather();
    ck_assert_uint_eq(b->sink->sends, 9);
    ck_assert_uint_eq(outbox_in_flight(b->outbox), 3);
    for (size_t i = 0; i < 8; i++)
        fake_sink_report(b->sink, i, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 2000);
    ck_assert_uint_eq(b->store->outbox.n, 1);
    ck_assert_uint_eq(outbox_in_flight(b->outbox), 1);
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true); /* the only one left */
    fake_loop_pass(b->loop, 2000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    for (int64_t id = 5; id <= 7; id++)
        ck_assert_uint_eq(sent_of(id), 3);
    ck_assert_str_eq(b->sink->messages.at[0].request_id, "req");
    ck_assert_str_eq(b->sink->messages.at[8].request_id, "req 3");
}
END_TEST

/* One order's report is bad: the relay publishes all of the row again, once it is due. */
START_TEST(a_row_is_relayed_as_a_whole)
{
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    publish_row(5, 2);
    gather();
    fake_sink_report(b->sink, 0, EVENT_NOT_DELIVERED, false);
    b->sink->holding = false;
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 20000);
    ck_assert_uint_eq(b->store->outbox.n, 1);
    ck_assert_uint_eq(sent_of(5), 2);
    fake_loop_pass(b->loop, 20000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(sent_of(5), 5);
    ck_assert_uint_eq(sent_of(6), 6);
}
END_TEST

static bool refuses_six = true, loses_five;
static struct fake_delivery decide_six(void *arg, enum event_topic topic, struct slice key,
                                       struct slice value)
{
    bool six = topic == EVENT_ORDER_COMPLETED && key.n == 1 && *key.p == '6';
    bool five = topic == EVENT_ORDER_COMPLETED && key.n == 1 && *key.p == '5';
    return (struct fake_delivery){.report = (six && refuses_six) || (five && loses_five) ? EVENT_NOT_DELIVERED
                                                                                         : EVENT_DELIVERED,
                                  .permanent = six};
}

/* A row is given up only when nothing of it is worth another try. */
START_TEST(a_row_is_parked_when_nothing_else_is_left)
{
    outbox_relay_run(b->outbox, true);
    b->sink->decide = decide_six;
    refuses_six = loses_five = true;
    publish_row(5, 3);
    fake_loop_pass(b->loop, 20000);
    ck_assert_ptr_null(b->store->outbox.at[0].parked);
    loses_five = false;
    fake_loop_pass(b->loop, 20000);
    ck_assert_uint_eq(b->store->outbox.n, 1);
    ck_assert_ptr_nonnull(b->store->outbox.at[0].parked);
    ck_assert_ptr_nonnull(strstr(b->store->outbox.at[0].parked, "order 6: "));
    ck_assert_uint_eq(sent_of(5), 5); /* the first try lost one of its three */
}
END_TEST

/* Fewer lines than orders, or more: what can be read is published, and the row stays for somebody to look at. */
START_TEST(a_row_with_other_lines_than_orders)
{
    struct buf payload = BUF_INIT;
    print_order(&payload, 5, 1);
    if (_i)
        buf_puts(&payload, "\n{}\n{}");
    commit_row(5, 2, 1);
    b->store->outbox.at[0].payload = buf_str(&payload);
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 32000);
    buf_free(&payload);
    ck_assert_uint_eq(sent_of(5), 3);
    ck_assert_ptr_nonnull(b->store->outbox.at[0].parked);
}
END_TEST

/* A relay takes rows until it has the orders it wants, and goes on at once. */
START_TEST(the_relay_catches_up_with_rows_of_many)
{
    for (int i = 0; i < 60; i++)
        commit_row(1 + i * 100, 100, 1);
    fake_loop_pass(b->loop, 31000);
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->messages.n, 18000);
}
END_TEST

START_TEST(orders_of_several_batches_go_out_together)
{
    publish(5, 1);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(b->sink->sends, 3); /* a single one does not wait */
    for (int i = 6; i < 9; i++) {
        publish(i, 1);
        fake_loop_pass(b->loop, 6);
        ck_assert_uint_eq(b->sink->sends, 3);
    }
    fake_loop_pass(b->loop, 2);
    ck_assert_uint_eq(b->sink->sends, 12);
}
END_TEST

/* A long line does not keep answers waiting for its end. */
START_TEST(a_long_line_goes_out_in_parts)
{
    for (int i = 1; i <= 1000; i++)
        publish(i, 1);
    fake_loop_settle(b->loop);
    ck_assert_uint_gt(b->sink->sends, 0);
    ck_assert_uint_lt(b->sink->sends, 300);
    gather();
    ck_assert_uint_eq(b->sink->sends, 3000);
}
END_TEST

START_TEST(rows_are_deleted_in_batches)
{
    for (int i = 1; i <= 1200; i++)
        publish(i, 1);
    gather();
    ck_assert_uint_le(b->store->outbox.n, 700);
    fake_fail(b->store, FAKE_OUTBOX_DELETE, FAKE_RETRIABLE, 2);
    fake_loop_pass(b->loop, 4000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_le(fake_count(b->store, FAKE_OUTBOX_DELETE), 6);
    ck_assert_uint_eq(b->sink->messages.n, 3600);
}
END_TEST

static void left_to_the_relay(enum event_report report, bool lands)
{
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    publish(5, 1);
    gather();
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true);
    fake_sink_report(b->sink, 1, report, lands);
    fake_sink_report(b->sink, 2, EVENT_DELIVERED, true);
    b->sink->holding = false;
    fake_loop_pass(b->loop, 29000);
    ck_assert_uint_eq(b->sink->messages.n, (size_t)2 + lands);
    ck_assert_uint_eq(b->store->outbox.n, 1);
    fake_loop_pass(b->loop, 5000);
    ck_assert_uint_eq(b->sink->messages.n, (size_t)5 + lands); /* all of it again, with the same ids */
    ck_assert_uint_eq(b->store->outbox.n, 0);
    fake_loop_pass(b->loop, 700000);
    ck_assert_uint_eq(b->sink->messages.n, (size_t)5 + lands);
}

START_TEST(a_failed_report_leaves_the_row_to_the_relay)
{
    left_to_the_relay(EVENT_NOT_DELIVERED, false);
}
END_TEST

START_TEST(an_unknown_report_leaves_the_row_to_the_relay)
{
    left_to_the_relay(EVENT_POSSIBLY_DELIVERED, true);
}
END_TEST

static struct fake_delivery permanent(void *arg, enum event_topic topic, struct slice key, struct slice value)
{
    return (struct fake_delivery){
        .report = topic == EVENT_PRODUCT_RANKING ? EVENT_NOT_DELIVERED : EVENT_DELIVERED, .permanent = true};
}

START_TEST(a_permanent_error_parks_the_row)
{
    outbox_relay_run(b->outbox, true);
    b->sink->decide = permanent;
    publish(5, 1);
    fake_loop_pass(b->loop, 60000);
    ck_assert_uint_eq(b->store->outbox.n, 1);
    ck_assert_ptr_nonnull(b->store->outbox.at[0].parked);
    ck_assert_uint_eq(b->sink->sends, 3);
    struct metric_value parked;
    metric_read(metric_series_next(metric_find("rushd.outbox.parked"), NULL), &parked);
    ck_assert(parked.value == 1);
}
END_TEST

START_TEST(a_message_refused_for_good_parks_the_row)
{
    b->sink->refusals = 1;
    b->sink->refusal = ERROR_PERMANENT;
    publish(5, 1);
    publish(6, 1);
    fake_loop_pass(b->loop, 2000);
    ck_assert_uint_eq(b->store->outbox.n, 1);
    ck_assert_int_eq(b->store->outbox.at[0].order_id, 5);
    ck_assert_ptr_nonnull(b->store->outbox.at[0].parked);
    ck_assert_uint_eq(sent_of(6), 3);
}
END_TEST

START_TEST(a_payload_that_is_none_parks_the_row)
{
    commit(5, 1);
    b->store->outbox.at[0].payload = "{\"orderId\":";
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 32000);
    ck_assert_ptr_nonnull(b->store->outbox.at[0].parked);
    ck_assert_uint_eq(b->sink->sends, 0);
}
END_TEST

START_TEST(a_full_sink_holds_back_in_order)
{
    b->sink->room = 4;
    b->sink->holding = true;
    for (int i = 1; i <= 5; i++)
        publish(i, 1);
    fake_loop_pass(b->loop, 500);
    ck_assert_uint_eq(b->sink->sends, 4);
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 100);
    ck_assert_uint_eq(b->sink->sends, 5);
    b->sink->room = 0;
    b->sink->holding = false;
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 2000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    int64_t last = 0;
    for (size_t i = 0; i < b->sink->messages.n; i++) {
        if (b->sink->messages.at[i].topic != EVENT_ORDER_COMPLETED)
            continue;
        int64_t id = strtoll(b->sink->messages.at[i].key, NULL, 10);
        ck_assert_int_gt(id, last);
        last = id;
    }
    ck_assert_int_eq(last, 5);
}
END_TEST

START_TEST(a_refusing_sink_is_asked_again)
{
    b->sink->refusals = 10;
    publish(5, 2);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->messages.n, 3);
}
END_TEST

/* Rows are due, but this node still waits for their reports: it must not send them twice. */
START_TEST(the_relay_skips_what_is_in_flight)
{
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    publish(5, 1);
    fake_loop_pass(b->loop, 90000);
    ck_assert_uint_eq(b->sink->sends, 3);
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_fail(b->store, FAKE_OUTBOX_DELETE, FAKE_RETRIABLE, 30);
    fake_loop_pass(b->loop, 20000); /* reported, but not deleted yet */
    ck_assert_uint_eq(b->sink->sends, 3);
    fake_loop_pass(b->loop, 20000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
}
END_TEST

START_TEST(the_relay_skips_what_is_reported)
{
    outbox_relay_run(b->outbox, true);
    fake_fail(b->store, FAKE_OUTBOX_DELETE, FAKE_RETRIABLE, 60);
    publish(5, 1);
    fake_loop_pass(b->loop, 50000); /* due again, since it could not be deleted */
    ck_assert_uint_eq(b->sink->sends, 3);
    fake_loop_pass(b->loop, 20000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
}
END_TEST

START_TEST(the_relay_serves_what_another_node_left)
{
    commit(5, 1);
    commit(6, 2);
    fake_loop_pass(b->loop, 40000);
    ck_assert_uint_eq(b->sink->sends, 0); /* no role, no relay */
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(sent_of(5), 3);
    ck_assert_uint_eq(b->store->outbox.n, 0);
}
END_TEST

START_TEST(the_relay_catches_up)
{
    for (int i = 1; i <= 5000; i++)
        commit(i, 1);
    fake_loop_pass(b->loop, 31000);
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->messages.n, 15000);
}
END_TEST

/* --- answers that fail or are lost ---------------------------------------------------------------------------------------- */

static const enum fake_outcome bad[] = {FAKE_RETRIABLE, FAKE_PERMANENT, FAKE_UNKNOWN_DONE, FAKE_UNKNOWN_LOST};

/* Rows that were claimed and never told are due again later, the others at once. */
START_TEST(a_claim_without_an_answer)
{
    for (int i = 1; i <= 600; i++)
        commit(i, 1);
    fake_loop_pass(b->loop, 31000);
    fake_fail(b->store, FAKE_OUTBOX_CLAIM, bad[_i], 1);
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, bad[_i] == FAKE_UNKNOWN_DONE ? 35000 : 3000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->messages.n, 1800);
}
END_TEST

/* The rows of reported orders are deleted some time, and nobody publishes them again before. */
START_TEST(a_delete_without_an_answer)
{
    outbox_relay_run(b->outbox, true);
    fake_fail(b->store, FAKE_OUTBOX_DELETE, bad[_i], 40);
    for (int i = 1; i <= 10; i++)
        publish(i, 1);
    fake_loop_pass(b->loop, 38000);
    for (int i = 11; i <= 20; i++)
        publish(i, 1);
    fake_loop_pass(b->loop, 60000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->messages.n, 60);
}
END_TEST

/* The relay finds the order again, and parks it again. */
START_TEST(a_park_without_an_answer)
{
    outbox_relay_run(b->outbox, true);
    b->sink->decide = permanent;
    fake_fail(b->store, FAKE_OUTBOX_PARK, bad[_i], 1);
    publish(5, 1);
    fake_loop_pass(b->loop, 100000);
    ck_assert_ptr_nonnull(b->store->outbox.at[0].parked);
    ck_assert_uint_eq(b->sink->sends, bad[_i] == FAKE_UNKNOWN_DONE ? 3 : 6);
}
END_TEST

/* Local mode: what is not marked is done again; handlers know what they did. */
START_TEST(a_mark_without_an_answer)
{
    outbox_publisher_free(b->outbox);
    publisher(true, 20000);
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    fake_fail(b->store, FAKE_OUTBOX_MARK, bad[_i], 1);
    publish(5, 1);
    gather();
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true); /* its mark fails */
    fake_sink_report(b->sink, 1, EVENT_DELIVERED, true);
    fake_sink_report(b->sink, 2, EVENT_NOT_DELIVERED, false);
    b->sink->holding = false;
    fake_loop_pass(b->loop, 100000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->sends, bad[_i] == FAKE_UNKNOWN_DONE ? 4 : 5);
}
END_TEST

START_TEST(a_state_without_an_answer)
{
    fake_fail(b->store, FAKE_OUTBOX_STATE, bad[_i], 3);
    commit(5, 1);
    fake_loop_pass(b->loop, 40000);
    ck_assert_int_ge(outbox_oldest_age_ms(b->outbox), 30000);
}
END_TEST

/* The answer comes when this node no longer relays: whoever does finds the rows when they are due again. */
START_TEST(a_claim_that_comes_too_late)
{
    commit(5, 1);
    fake_loop_pass(b->loop, 31000);
    fake_fail(b->store, FAKE_OUTBOX_CLAIM, FAKE_HELD, 1);
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 1100);
    if (_i)
        outbox_publisher_drain(b->outbox, 10000, on_flag, &b->drained);
    else
        outbox_relay_run(b->outbox, false);
    fake_loop_pass(b->loop, 100);
    fake_release(b->store, FAKE_OUTBOX_CLAIM);
    fake_loop_pass(b->loop, 60000);
    ck_assert_uint_eq(b->sink->sends, 0);
    ck_assert_int_eq(b->drained, _i);
    if (_i)
        return;
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(b->sink->sends, 3);
    ck_assert_uint_eq(b->store->outbox.n, 0);
}
END_TEST

/* Two nodes relay one table: each row is published by one of them. */
START_TEST(two_relays)
{
    const struct outbox_publisher_config cfg = {MSG_DOCUMENTED, false, 20000};
    struct outbox_publisher *other = outbox_publisher_new(b->loop, b->store, fake_sink_port(b->sink), &cfg);
    for (int i = 1; i <= 3000; i++)
        commit(i, 1);
    fake_loop_pass(b->loop, 31000);
    outbox_relay_run(b->outbox, true);
    outbox_relay_run(other, true);
    fake_loop_pass(b->loop, 3000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->messages.n, 9000);
    outbox_publisher_free(other);
}
END_TEST

START_TEST(orders_beyond_the_bound_wait_for_the_relay)
{
    outbox_publisher_free(b->outbox);
    publisher(false, 2);
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    for (int i = 1; i <= 5; i++)
        publish(i, 1);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(outbox_in_flight(b->outbox), 2);
    b->sink->holding = false;
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 120000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    for (int i = 1; i <= 5; i++)
        ck_assert_uint_eq(sent_of(i), 3);
}
END_TEST

/* Local mode: a topic of a row is done when all of its orders are. */
START_TEST(marks_of_a_row)
{
    outbox_publisher_free(b->outbox);
    publisher(true, 20000);
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    publish_row(5, 2);
    gather();
    for (size_t i = 0; i < 3; i++)
        fake_sink_report(b->sink, i, EVENT_DELIVERED, true);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(b->store->outbox.at[0].published, 0);
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true); /* of the second order */
    fake_sink_report(b->sink, 1, EVENT_NOT_DELIVERED, false);
    fake_sink_report(b->sink, 2, EVENT_DELIVERED, true);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(b->store->outbox.at[0].published, 1 << EVENT_ORDER_COMPLETED | 1 << EVENT_DATA_PLATFORM);
    b->sink->holding = false;
    fake_loop_pass(b->loop, 40000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->sends, 6 + 2); /* the ranking of both */
}
END_TEST

/* Local mode: only what was not done is published again. */
START_TEST(marks_per_topic)
{
    outbox_publisher_free(b->outbox);
    publisher(true, 20000);
    publish(4, 1);
    fake_loop_settle(b->loop);
    ck_assert_uint_eq(b->sink->sends, 0); /* not the worker: the worker's relay does it */
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    publish(5, 3);
    gather();
    ck_assert_uint_eq(b->sink->sends, 4);
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true);
    fake_sink_report(b->sink, 1, EVENT_DELIVERED, true);
    fake_sink_report(b->sink, 2, EVENT_NOT_DELIVERED, false);
    fake_sink_report(b->sink, 3, EVENT_DELIVERED, true);
    b->sink->holding = false;
    fake_loop_settle(b->loop);
    ck_assert_int_eq(b->store->outbox.at[1].published, 1 << EVENT_ORDER_COMPLETED | 1 << EVENT_DATA_PLATFORM);
    fake_loop_pass(b->loop, 40000);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    ck_assert_uint_eq(b->sink->sends, 4 + 2 + 3); /* both products of 5; all of 4 */
    ck_assert_ptr_nonnull(strstr(fake_log_text(b->store), "outbox mark 5 1\n"));
}
END_TEST

START_TEST(events_survive_crash)
{
    b->sink->holding = true;
    publish(5, 1);
    publish(6, 1);
    gather();
    fake_sink_report(b->sink, 0, EVENT_DELIVERED, true);
    fake_sink_report_all(b->sink, EVENT_POSSIBLY_DELIVERED, false);
    fake_loop_settle(b->loop);
    outbox_publisher_free(b->outbox); /* nothing of it was written down */
    ck_assert_uint_eq(b->store->outbox.n, 2);
    b->sink->holding = false;
    publisher(false, 20000);
    outbox_relay_run(b->outbox, true);
    fake_loop_pass(b->loop, 40000);
    ck_assert_uint_eq(sent_of(6), 3);
    ck_assert_uint_eq(sent_of(5), 4);
    ck_assert_uint_eq(b->store->outbox.n, 0);
}
END_TEST

START_TEST(drain_waits_for_reports_and_rows)
{
    outbox_relay_run(b->outbox, true);
    b->sink->holding = true;
    b->sink->room = 2;
    publish(5, 1);
    fake_loop_settle(b->loop);
    outbox_publisher_drain(b->outbox, 10000, on_flag, &b->drained);
    fake_loop_pass(b->loop, 1000);
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 1000);
    ck_assert(!b->drained);
    fake_fail(b->store, FAKE_OUTBOX_DELETE, FAKE_RETRIABLE, 1);
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 50);
    ck_assert(!b->drained);
    fake_loop_pass(b->loop, 500);
    ck_assert(b->drained);
    ck_assert_uint_eq(b->store->outbox.n, 0);
    b->drained = false;
    fake_loop_pass(b->loop, 20000);
    ck_assert(!b->drained);
}
END_TEST

START_TEST(drain_has_a_deadline)
{
    b->sink->holding = true;
    publish(5, 1);
    fake_loop_settle(b->loop);
    outbox_publisher_drain(b->outbox, 300, on_flag, &b->drained);
    ck_assert(!b->drained);
    fake_loop_pass(b->loop, 299);
    ck_assert(!b->drained);
    fake_loop_pass(b->loop, 2);
    ck_assert(b->drained);
    b->drained = false;
    fake_sink_report_all(b->sink, EVENT_DELIVERED, true);
    fake_loop_pass(b->loop, 2000);
    ck_assert(!b->drained);
}
END_TEST

START_TEST(an_idle_drain_ends_at_once)
{
    outbox_publisher_drain(b->outbox, 300, on_flag, &b->drained);
    ck_assert(!b->drained);
    fake_loop_settle(b->loop);
    ck_assert(b->drained);
}
END_TEST

START_TEST(freed_in_the_middle)
{
    outbox_relay_run(b->outbox, true);
    b->sink->room = 2;
    b->sink->holding = true;
    publish(5, 1);
    publish(6, 1);
    fake_fail(b->store, FAKE_OUTBOX_CLAIM, FAKE_HELD, -1);
    fake_fail(b->store, FAKE_OUTBOX_STATE, FAKE_HELD, -1);
    fake_loop_pass(b->loop, 5000);
}
END_TEST

Suite *outbox_suite(void)
{
    Suite *s = suite_create("outbox");
    TCase *t = tcase_create("publisher");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, good_reports_delete_the_row);
    tcase_add_test(t, a_row_of_several_orders);
    tcase_add_test(t, a_row_is_relayed_as_a_whole);
    tcase_add_test(t, a_row_is_parked_when_nothing_else_is_left);
    tcase_add_loop_test(t, a_row_with_other_lines_than_orders, 0, 2);
    tcase_add_test(t, the_relay_catches_up_with_rows_of_many);
    tcase_add_test(t, marks_of_a_row);
    tcase_add_test(t, orders_of_several_batches_go_out_together);
    tcase_add_test(t, a_long_line_goes_out_in_parts);
    tcase_add_test(t, rows_are_deleted_in_batches);
    tcase_add_test(t, a_failed_report_leaves_the_row_to_the_relay);
    tcase_add_test(t, an_unknown_report_leaves_the_row_to_the_relay);
    tcase_add_test(t, a_permanent_error_parks_the_row);
    tcase_add_test(t, a_message_refused_for_good_parks_the_row);
    tcase_add_test(t, a_payload_that_is_none_parks_the_row);
    tcase_add_test(t, a_full_sink_holds_back_in_order);
    tcase_add_test(t, a_refusing_sink_is_asked_again);
    tcase_add_test(t, the_relay_skips_what_is_in_flight);
    tcase_add_test(t, the_relay_skips_what_is_reported);
    tcase_add_test(t, the_relay_serves_what_another_node_left);
    tcase_add_test(t, the_relay_catches_up);
    tcase_add_loop_test(t, a_claim_without_an_answer, 0, 4);
    tcase_add_loop_test(t, a_delete_without_an_answer, 0, 4);
    tcase_add_loop_test(t, a_park_without_an_answer, 0, 4);
    tcase_add_loop_test(t, a_mark_without_an_answer, 0, 4);
    tcase_add_loop_test(t, a_state_without_an_answer, 0, 4);
    tcase_add_loop_test(t, a_claim_that_comes_too_late, 0, 2);
    tcase_add_test(t, two_relays);
    tcase_add_test(t, orders_beyond_the_bound_wait_for_the_relay);
    tcase_add_test(t, marks_per_topic);
    tcase_add_test(t, events_survive_crash);
    tcase_add_test(t, drain_waits_for_reports_and_rows);
    tcase_add_test(t, drain_has_a_deadline);
    tcase_add_test(t, an_idle_drain_ends_at_once);
    tcase_add_test(t, freed_in_the_middle);
    suite_add_tcase(s, t);
    return s;
}
