/* Delivery inside the process: order, batches, what RETRY and WAIT count, bounds, and the end with a batch outside. */
#include "app/local_ports.h"

#include <stdio.h>
#include <string.h>

#include "app_suites.h"
#include "loop/loop.h"
#include "store/dead_letter.h"

#define MOST 64

static struct loop *loop;
static struct local_ports *ports;
static struct event_sink sink;
static struct event_source source;

/* Reports by id. */
static int reports[MOST];
static enum event_report last_report[MOST];
static struct buf order_of_reports;

/* The handler: keeps the batch, tells what it saw. */
static struct handler {
    struct event_batch batch;
    int batches;
    char first[32];
} handler;

/* The table of dead letters: what the store was asked to keep. */
static struct dead_row {
    struct store *store;
    char text[200];
    store_done_fn *done;
    void *arg;
} dead_row;

void dead_letter_insert(struct store *s, const struct dead_letter_row *row, store_done_fn *done, void *arg)
{
    dead_row = (struct dead_row){.store = s, .done = done, .arg = arg};
    snprintf(dead_row.text, sizeof dead_row.text, "%s %.*s %.*s %s %s %s %zu", row->topic, (int)row->key.n,
             row->key.p, (int)row->payload.n, row->payload.p, row->group, row->exception, row->reason,
             row->nheaders);
}

static void on_report(void *arg, uint64_t id, enum event_report report, const struct error *e)
{
    ck_assert_uint_lt(id, MOST);
    reports[id]++;
    last_report[id] = report;
    ck_assert_int_eq(e->kind == ERROR_NONE, report == EVENT_DELIVERED);
    buf_printf(&order_of_reports, "%d ", (int)id);
}

static void on_batch(void *self, const struct event_batch *batch)
{
    struct handler *h = self;
    h->batch = *batch;
    h->batches++;
    snprintf(h->first, sizeof h->first, "%.*s", (int)batch->messages[0].value.n, batch->messages[0].value.p);
}

static bool has_batch(void *arg)
{
    return handler.batches >= *(int *)arg;
}

static void wait_batches(int n)
{
    ck_assert(loop_run_until(loop, has_batch, &n, 5000));
    ck_assert_int_eq(handler.batches, n);
}

static bool never(void *arg)
{
    return false;
}

static void turn(int64_t ms)
{
    loop_run_until(loop, never, NULL, ms);
}

static bool send_to(enum event_topic topic, uint64_t id, const struct event_header *headers, size_t n)
{
    char key[16], value[16];
    struct error e = ERROR_INIT;
    snprintf(key, sizeof key, "k%d", (int)id);
    snprintf(value, sizeof value, "v%d", (int)id);
    bool sent =
        sink.ops->send(sink.self, topic, slice_of(key), slice_of(value), headers, n, on_report, NULL, id, &e);
    ck_assert_int_eq(reports[id], 0); /* never before the call returns */
    if (!sent)
        ck_assert_int_eq(e.kind, ERROR_RETRIABLE);
    return sent;
}

static void send_many(uint64_t from, uint64_t to)
{
    for (uint64_t id = from; id < to; id++)
        ck_assert(send_to(EVENT_COUPON_ISSUE, id, NULL, 0));
}

static void finish(enum event_outcome outcome, size_t count, int64_t delay_ms)
{
    ck_assert(source.ops->valid(source.self, handler.batch.id));
    source.ops->done(source.self, handler.batch.id, outcome, count, delay_ms);
}

static void setup(void)
{
    static const struct local_ports_config cfg = {
        .topics = {"orders", "ranking", "platform", "coupons"}, .batch_max = 4, .queue_max = 20};
    memset(reports, 0, sizeof reports);
    memset(&handler, 0, sizeof handler);
    loop = loop_new();
    ports = local_ports_new(loop, (struct store *)&dead_row, &cfg);
    sink = local_ports_sink(ports);
    source = local_ports_source(ports, EVENT_COUPON_ISSUE);
    local_ports_handle(ports, EVENT_COUPON_ISSUE, (struct event_handler){on_batch, &handler});
}

static void teardown(void)
{
    local_ports_free(ports);
    loop_free(loop);
    buf_free(&order_of_reports);
}

START_TEST(batches_come_in_order_one_at_a_time)
{
    send_many(0, 10);
    ck_assert_int_eq(handler.batches, 0); /* nor is the handler called inside send */
    wait_batches(1);
    ck_assert_uint_eq(handler.batch.n, 4);
    ck_assert_str_eq(handler.batch.topic, "coupons");
    ck_assert_int_eq(handler.batch.attempt, 0);
    ck_assert_int_eq(handler.batch.messages[3].offset, -1);
    ck_assert_int_gt(handler.batch.messages[3].timestamp_ms, INT64_C(1500000000000));
    ck_assert(memcmp(handler.batch.messages[3].key.p, "k3", 2) == 0);
    turn(20);
    ck_assert_int_eq(handler.batches, 1);
    finish(EVENT_DONE, 4, 0);
    ck_assert_int_eq(handler.batches, 1); /* not inside done */
    wait_batches(2);
    ck_assert_str_eq(handler.first, "v4");
    finish(EVENT_DONE, 4, 0);
    wait_batches(3);
    ck_assert_uint_eq(handler.batch.n, 2);
    finish(EVENT_DONE, 2, 0);
    turn(5);
    ck_assert_str_eq(buf_str(&order_of_reports), "0 1 2 3 4 5 6 7 8 9 ");
    ck_assert_uint_eq(local_ports_waiting(ports), 0);
    ck_assert(!source.ops->valid(source.self, handler.batch.id));
}
END_TEST

START_TEST(a_retry_counts_for_its_head)
{
    send_many(0, 6);
    wait_batches(1);
    finish(EVENT_RETRY, 0, 5);
    wait_batches(2);
    ck_assert_int_eq(handler.batch.attempt, 1);
    ck_assert_str_eq(handler.first, "v0");
    finish(EVENT_RETRY, 0, 5);
    wait_batches(3);
    ck_assert_int_eq(handler.batch.attempt, 2);
    ck_assert_int_eq(handler.batch.waits, 0);
    finish(EVENT_WAIT, 0, 5); /* a service is away: no try is used up */
    wait_batches(4);
    ck_assert_int_eq(handler.batch.attempt, 2);
    ck_assert_int_eq(handler.batch.waits, 1);
    finish(EVENT_DONE, 1, 0);
    wait_batches(5);
    ck_assert_int_eq(handler.batch.attempt, 0); /* another head */
    ck_assert_str_eq(handler.first, "v1");
    ck_assert_int_eq(handler.batch.waits, 0);
    finish(EVENT_WAIT, 1, 5);
    wait_batches(6);
    ck_assert_int_eq(handler.batch.attempt, 0);
    ck_assert_int_eq(handler.batch.waits, 1);
    ck_assert_str_eq(handler.first, "v2");
    ck_assert_str_eq(buf_str(&order_of_reports), "0 1 ");
}
END_TEST

START_TEST(a_retry_with_a_count_has_a_new_head)
{
    send_many(0, 3);
    wait_batches(1);
    finish(EVENT_RETRY, 0, 1);
    wait_batches(2);
    finish(EVENT_RETRY, 2, 1);
    wait_batches(3);
    ck_assert_str_eq(handler.first, "v2");
    ck_assert_int_eq(handler.batch.attempt, 1); /* handed over again once, as Kafka's consumer counts */
}
END_TEST

START_TEST(a_pause_lasts)
{
    send_many(0, 1);
    wait_batches(1);
    finish(EVENT_WAIT, 0, 150);
    send_many(1, 2);
    turn(60);
    ck_assert_int_eq(handler.batches, 1);
    wait_batches(2);
    ck_assert_uint_eq(handler.batch.n, 2);
}
END_TEST

START_TEST(the_line_is_bounded)
{
    send_many(0, 10);
    ck_assert(!sink.ops->full(sink.self));
    send_many(10, 11);
    ck_assert(sink.ops->full(sink.self)); /* above half: hold back */
    send_many(11, 20);
    ck_assert(!send_to(EVENT_COUPON_ISSUE, 20, NULL, 0));
    ck_assert(send_to(EVENT_PRODUCT_RANKING, 21, NULL, 0)); /* each topic has its own */
    wait_batches(1);
    finish(EVENT_DONE, 4, 0);
    ck_assert(send_to(EVENT_COUPON_ISSUE, 22, NULL, 0));
    ck_assert_int_eq(reports[20], 0);
}
END_TEST

START_TEST(events_that_nobody_wants_are_delivered)
{
    ck_assert(send_to(EVENT_ORDER_COMPLETED, 1, NULL, 0));
    ck_assert(send_to(EVENT_ORDER_COMPLETED, 2, NULL, 0));
    turn(5);
    ck_assert_str_eq(buf_str(&order_of_reports), "1 2 ");
    ck_assert_int_eq(last_report[2], EVENT_DELIVERED);
}
END_TEST

START_TEST(headers_are_copied)
{
    char name[] = "X-Request-Id", value[] = "abc";
    const struct event_header headers[] = {{name, value, 3}, {"empty", NULL, 0}};
    ck_assert(send_to(EVENT_COUPON_ISSUE, 1, headers, 2));
    memset(name, '?', sizeof name - 1);
    memset(value, '?', sizeof value - 1);
    wait_batches(1);
    const struct event_message *m = &handler.batch.messages[0];
    ck_assert_uint_eq(m->nheaders, 2);
    ck_assert_str_eq(m->headers[0].name, "X-Request-Id");
    ck_assert_uint_eq(m->headers[0].size, 3);
    ck_assert(memcmp(m->headers[0].value, "abc", 3) == 0);
    ck_assert_str_eq(m->headers[1].name, "empty");
    ck_assert_uint_eq(m->headers[1].size, 0);
}
END_TEST

START_TEST(the_end_reports_what_waits)
{
    send_many(0, 6);
    wait_batches(1);
    local_ports_close(ports);
    local_ports_close(ports);
    ck_assert_str_eq(buf_str(&order_of_reports), "0 1 2 3 4 5 ");
    ck_assert_int_eq(last_report[0], EVENT_POSSIBLY_DELIVERED);
    ck_assert_int_eq(last_report[5], EVENT_POSSIBLY_DELIVERED);
    /* The handler is still at it: what it reads is there, what it says is ignored. */
    ck_assert(!source.ops->valid(source.self, handler.batch.id));
    ck_assert(memcmp(handler.batch.messages[3].value.p, "v3", 2) == 0);
    source.ops->done(source.self, handler.batch.id, EVENT_DONE, 4, 0);
    ck_assert_int_eq(reports[0], 1);
    ck_assert(!send_to(EVENT_COUPON_ISSUE, 7, NULL, 0));
    turn(5);
    ck_assert_int_eq(handler.batches, 1);
}
END_TEST

START_TEST(freeing_is_an_end_too)
{
    send_many(0, 6);
    ck_assert(send_to(EVENT_ORDER_COMPLETED, 7, NULL, 0));
    wait_batches(1);
    finish(EVENT_WAIT, 1, 10000);
    local_ports_free(ports);
    ports = NULL;
    for (int id = 0; id < 6; id++)
        ck_assert_int_eq(reports[id], 1);
    ck_assert_int_eq(last_report[1], EVENT_POSSIBLY_DELIVERED);
    ck_assert_int_eq(reports[7], 1);
}
END_TEST

static void on_dead(void *arg, const struct error *e)
{
    *(int *)arg += 1;
}

START_TEST(dead_letters_go_to_the_table)
{
    const struct event_header header = {"X-Request-Id", "a", 1};
    const struct event_message m = {.topic = "coupons",
                                    .offset = -1,
                                    .key = slice_of("7"),
                                    .value = slice_of("{bad"),
                                    .headers = &header,
                                    .nheaders = 1};
    struct dead_letter_port port = local_ports_dead_letters(ports);
    int fired = 0;
    port.ops->put(port.self, &m, "coupon-issue-group", "java.lang.Exception", "no JSON", on_dead, &fired);
    ck_assert_str_eq(dead_row.text, "coupons 7 {bad coupon-issue-group java.lang.Exception no JSON 1");
    ck_assert_ptr_eq(dead_row.store, (struct store *)&dead_row);
    ck_assert_int_eq(fired, 0);
    dead_row.done(dead_row.arg, NULL);
    ck_assert_int_eq(fired, 1);
}
END_TEST

Suite *local_ports_suite(void)
{
    Suite *s = suite_create("local_ports");
    TCase *t = tcase_create("local_ports");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, batches_come_in_order_one_at_a_time);
    tcase_add_test(t, a_retry_counts_for_its_head);
    tcase_add_test(t, a_retry_with_a_count_has_a_new_head);
    tcase_add_test(t, a_pause_lasts);
    tcase_add_test(t, the_line_is_bounded);
    tcase_add_test(t, events_that_nobody_wants_are_delivered);
    tcase_add_test(t, headers_are_copied);
    tcase_add_test(t, the_end_reports_what_waits);
    tcase_add_test(t, freeing_is_an_end_too);
    tcase_add_test(t, dead_letters_go_to_the_table);
    suite_add_tcase(s, t);
    return s;
}
