/* The consumer group against the embedded cluster. A first join of a group takes three seconds there, so each
 * test runs several groups side by side on one loop. */
#include "reader.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#include "base/clock.h"

enum {
    MANY = 2400,
    HELD = 25000,
    FLOOD = 9000
};

static void make_topic(struct bench *b, const char *name, int partitions)
{
    struct error e = ERROR_INIT;
    ck_assert(kafka_embedded_topic(b->cluster, name, partitions, &e));
    kafka_producer_topic(b->producer, name);
}

static void produce(struct bench *b, const char *topic, int partition, int n, size_t size)
{
    char *value = mem_zalloc(size + 1);
    memset(value, 'v', size);
    struct error e = ERROR_INIT;
    for (int i = 0; i < n; i++) {
        ck_assert_msg(kafka_producer_send(b->producer, topic, partition, slice_of("key"), slice_of(value),
                                          NULL, 0, on_book_report, &b->book, (uint64_t)i, &e),
                      "%s", e.text);
        if (kafka_producer_full(b->producer))
            bench_flush(b);
    }
    bench_flush(b);
    mem_free(value);
}

/* --- plain: many partitions, everything arrives once, bytes intact
 * ---------------------------------------------------- */

static const unsigned char binary[] = {0, 0, 0, 2, 'x', 0xff, 0};

static void produce_plain(struct bench *b)
{
    struct error e = ERROR_INIT;
    for (int i = 0; i < MANY; i++) {
        char key[16], text[16];
        size_t n = (size_t)snprintf(key, sizeof key, "%d", i);
        snprintf(text, sizeof text, "%d", i);
        const struct kafka_header headers[] = {
            {"__TypeId__", "kr.hhplus.OrderMessage", 22},
            {"kafka_dlt-original-partition", binary, sizeof binary},
            {"same", "1", 1},
            {"same", "", 0},
            {"number", text, strlen(text)},
        };
        struct slice value = i % 3 == 0 ? (struct slice){0} : i % 3 == 1 ? SLICE("") : (struct slice){key, n};
        ck_assert(kafka_producer_send(b->producer, "plain", -1, (struct slice){key, n}, value, headers,
                                      ARRAY_LEN(headers), on_book_report, &b->book, (uint64_t)i, &e));
    }
    bench_flush(b);
}

static void check_plain(const struct kafka_message *m)
{
    char key[16] = "";
    ck_assert_uint_lt(m->key.n, sizeof key);
    memcpy(key, m->key.p, m->key.n);
    int i = atoi(key);
    ck_assert_str_eq(m->topic, "plain");
    ck_assert_int_eq(m->partition, kafka_partition_of(m->key.p, m->key.n, 3));
    ck_assert_int_gt(m->timestamp_ms, INT64_C(1600000000000));
    if (i % 3 == 0)
        ck_assert_ptr_null(m->value.p);
    else
        ck_assert_ptr_nonnull(m->value.p);
    ck_assert_uint_eq(m->value.n, i % 3 == 2 ? m->key.n : 0);
    ck_assert_uint_eq(m->nheaders, 5);
    ck_assert_str_eq(m->headers[0].name, "__TypeId__");
    ck_assert_uint_eq(m->headers[0].size, 22);
    ck_assert_str_eq(m->headers[1].name, "kafka_dlt-original-partition");
    ck_assert_uint_eq(m->headers[1].size, sizeof binary);
    ck_assert_mem_eq(m->headers[1].value, binary, sizeof binary);
    ck_assert_uint_eq(m->headers[3].size, 0);
    ck_assert_uint_eq(m->headers[4].size, m->key.n);
    ck_assert_mem_eq(m->headers[4].value, m->key.p, m->key.n);
}

static void verify_plain(struct bench *b, struct reader *r)
{
    ck_assert_uint_eq(r->finished, MANY);
    ck_assert_int_eq(r->gaps, 0);
    ck_assert_int_eq(reader_times(r, 0, 0, r->next[0]) + reader_times(r, 1, 0, r->next[1]) +
                         reader_times(r, 2, 0, r->next[2]),
                     MANY);
    ck_assert_int_eq(r->max_out, 2); /* concurrency */
    for (size_t i = 0; i < r->nbatches; i++)
        ck_assert_uint_le(r->batches[i].n, 100);
    ck_assert_int_eq(r->assigned, 3);
    ck_assert(r->up);
}

/* --- outcomes
 * -------------------------------------------------------------------------------------------------------------
 */

static bool script_outcomes(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome *outcome,
                            size_t *count, int64_t *delay_ms)
{
    static const struct {
        enum kafka_batch_outcome outcome;
        size_t count;
        int64_t delay_ms;
    } steps[] = {
        {KAFKA_BATCH_RETRY, 0, 30}, {KAFKA_BATCH_RETRY, 0, 0}, {KAFKA_BATCH_WAIT, 0, 20},
        {KAFKA_BATCH_RETRY, 3, 0},  {KAFKA_BATCH_WAIT, 1, 0},  {KAFKA_BATCH_DONE, 2, 0},
    };
    size_t step = r->nbatches - 1;
    if (step < ARRAY_LEN(steps)) {
        *outcome = steps[step].outcome;
        *count = steps[step].count;
        *delay_ms = steps[step].delay_ms;
    }
    return true;
}

static void verify_outcomes(struct reader *r)
{
    static const struct {
        int64_t first;
        int attempt, waits;
    } expected[] = {{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 2, 1}, {3, 1, 0}, {4, 0, 1}, {6, 0, 0}};
    ck_assert_uint_eq(r->finished, 10);
    ck_assert_uint_eq(r->nbatches, ARRAY_LEN(expected));
    for (size_t i = 0; i < r->nbatches; i++) {
        ck_assert_int_eq(r->batches[i].first, expected[i].first);
        ck_assert_int_eq(r->batches[i].attempt, expected[i].attempt);
        ck_assert_int_eq(r->batches[i].waits, expected[i].waits);
        ck_assert_int_eq(r->batches[i].last, 9);
    }
    ck_assert_int_ge(r->batches[1].at_us - r->batches[0].at_us, 29000);
    ck_assert_int_ge(r->batches[3].at_us - r->batches[2].at_us, 19000);
    ck_assert_int_eq(r->gaps, 0);
}

/* --- bounded buffers
 * ----------------------------------------------------------------------------------------------------------
 */

static bool script_keep_first(struct reader *r, const struct kafka_batch *b,
                              enum kafka_batch_outcome *outcome, size_t *count, int64_t *delay_ms)
{
    return r->nbatches > 1;
}

/* --- a late start
 * ----------------------------------------------------------------------------------------------------------------
 */

static void assigned_only_first(struct reader *r, int32_t partition)
{
    if (partition == 0)
        kafka_consumer_start_at(r->consumer, "late", 0, -1);
}

static bool has_buffered_ten(void *arg)
{
    const struct kafka_partition *p = TAILQ_FIRST(&((struct reader *)arg)->consumer->partitions);
    return p && p->nitems == 10;
}

static bool has_all(void *arg)
{
    struct reader **readers = arg;
    return readers[0]->finished >= MANY && readers[1]->finished >= 10 && readers[2]->nbatches >= 1 &&
           readers[3]->assigned >= 2;
}

static bool is_held(void *arg)
{
    const struct kafka_partition *p = TAILQ_FIRST(&((struct reader *)arg)->consumer->partitions);
    return p && p->paused;
}

static bool has_held(void *arg)
{
    return ((struct reader *)arg)->finished >= HELD;
}

static bool has_forty(void *arg)
{
    return ((struct reader *)arg)->finished >= 40;
}

static void on_lag(void *arg, const char *topic, int32_t partition, int64_t lag)
{
    ((int64_t *)arg)[partition] = lag;
}

static void verify_held(struct bench *b, struct reader *r)
{
    /* One batch is kept: the buffer fills, and a statistics report comes. */
    ck_assert(loop_run_until(b->loop, is_held, r, 20000));
    bench_turn(b, 1200);
    const struct kafka_partition *p = TAILQ_FIRST(&r->consumer->partitions);
    ck_assert(p->paused);
    ck_assert_uint_ge(p->nitems, 20000);
    ck_assert_uint_lt(p->nitems, 20300);
    int64_t lag[1] = {-2};
    kafka_consumer_lag(r->consumer, on_lag, lag);
    ck_assert_int_eq(lag[0], HELD);
    ck_assert(bench_metric("kafka.consumer.fetch.manager.records.lag.max") >= HELD);
    kafka_consumer_pause(r->consumer, true);
    reader_finish(r, r->kept[0], KAFKA_BATCH_DONE, r->kept[0]->n, 0);
    bench_turn(b, 50);
    ck_assert_uint_eq(r->nbatches, 1);
    kafka_consumer_pause(r->consumer, false);
    ck_assert(loop_run_until(b->loop, has_held, r, 60000));
    ck_assert_int_eq(r->gaps, 0);
    ck_assert_int_eq(reader_times(r, 0, 500, HELD), HELD - 500);
    kafka_consumer_lag(r->consumer, on_lag, lag);
    ck_assert_int_eq(lag[0], 0);
}

static void verify_late(struct bench *b, struct reader *r)
{
    loop_timer_start(r->consumer->hold, 50); /* not the full ten seconds */
    bench_turn(b, 400);
    ck_assert_int_eq(r->next[0], 20); /* the other one goes on without it */
    ck_assert_int_eq(r->next[1], -1);
    produce(b, "late", 0, 5, 10);
    kafka_consumer_start_at(r->consumer, "late", 1, 5);
    produce(b, "late", 0, 5, 10);
    produce(b, "late", 1, 0, 10);
    ck_assert(loop_run_until(b->loop, has_forty, r, 5000) || r->finished > 0);
    bench_turn(b, 300);
    ck_assert_int_eq(r->next[0], 30);
    ck_assert_int_eq(r->next[1], 20);
    ck_assert_int_eq(reader_times(r, 0, 0, 30), 30); /* it went on where it was */
    ck_assert_int_eq(r->gaps, 0);
}

/* --- flood: more than the mock keeps ------------------------------------------------------------------------------ */

/* Send messages of 1000 bytes, the i-th to the FLOOD-th, until refused; returns how many there are now. */
static int flood(struct bench *b, int i)
{
    char value[1001] = "";
    memset(value, 'v', 1000);
    while (i < FLOOD && !kafka_producer_full(b->producer) &&
           bench_send(b, "flood", 0, "k", value, (uint64_t)i))
        i++;
    return i;
}

static void verify_flood(struct bench *b, struct reader *r, int sent)
{
    ck_assert_int_lt(sent, 3200); /* before anybody read */
    int64_t until = clock_mono_us() + 10000000;
    while (r->finished < FLOOD && clock_mono_us() < until) {
        bench_turn(b, 5);
        sent = flood(b, sent);
    }
    ck_assert_int_eq(reader_times(r, 0, 0, FLOOD), FLOOD);
    ck_assert_int_eq(r->gaps, 0);
}

START_TEST(groups_consume)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "plain", 3);
    make_topic(b, "outcomes", 1);
    make_topic(b, "held", 1);
    make_topic(b, "late", 2);
    make_topic(b, "flood", 1);
    struct reader *readers[] = {reader_new(b, "g-plain"), reader_new(b, "g-outcomes"),
                                reader_new(b, "g-held"), reader_new(b, "g-late"), reader_new(b, "g-flood")};
    readers[0]->check = check_plain;
    readers[1]->script = script_outcomes;
    readers[2]->script = script_keep_first;
    readers[3]->on_assigned = assigned_only_first;
    reader_start(readers[0], "plain", 100, 2, "earliest");
    reader_start(readers[1], "outcomes", 100, 3, "earliest");
    reader_start(readers[2], "held", 10, 3, "earliest");
    reader_start(readers[3], "late", 10, 3, "earliest");
    reader_start(readers[4], "flood", 500, 3, "earliest");
    produce_plain(b);
    produce(b, "outcomes", 0, 10, 10);
    produce(b, "held", 0, HELD, 4); /* all of it fits into a partition of the embedded cluster */
    produce(b, "late", 0, 20, 10);
    produce(b, "late", 1, 20, 10);
    int sent = 0;
    for (int before = -1; sent > before; bench_flush(b)) {
        before = sent;
        sent = flood(b, sent);
    }
    /* However they are fetched, its first batch has them all. */
    kafka_consumer_pause(readers[1]->consumer, true);
    ck_assert(loop_run_until(b->loop, has_buffered_ten, readers[1], 8000));
    kafka_consumer_pause(readers[1]->consumer, false);
    ck_assert(loop_run_until(b->loop, has_all, readers, 12000));
    verify_plain(b, readers[0]);
    verify_outcomes(readers[1]);
    verify_late(b, readers[3]);
    verify_held(b, readers[2]);
    verify_flood(b, readers[4], sent);
    ck_assert(bench_metric("kafka.consumer.fetch.manager.records.consumed.total") >= MANY + 10 + HELD + 50);
    ck_assert(bench_metric("kafka.consumer.coordinator.rebalance.total") == 5);
    ck_assert(bench_metric("kafka.consumer.coordinator.commit.total") >= 3);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        reader_free(readers[i]); /* without a close */
    bench_free(b);
}
END_TEST

/* --- restart, start offsets, hand-over, fatal error
 * --------------------------------------------------------------------------- */

static bool script_first_half(struct reader *r, const struct kafka_batch *b,
                              enum kafka_batch_outcome *outcome, size_t *count, int64_t *delay_ms)
{
    int64_t left = 50 - b->messages[0].offset;
    if ((int64_t)*count > left)
        *count = (size_t)left;
    return left > 0;
}

static void assigned_lower(struct reader *r, int32_t partition)
{
    kafka_consumer_start_at(r->consumer, "restart", partition, partition == 0 ? 10 : 70);
}

static bool script_keep(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome *outcome,
                        size_t *count, int64_t *delay_ms)
{
    return false;
}

struct scene {
    struct reader *before, *after, *a, *b, *fatal;
};

static bool has_halves(void *arg)
{
    struct scene *s = arg;
    return s->before->finished == 100 && s->before->out == 2 && s->a->out == 2 && s->fatal->finished == 5;
}

static bool before_closed(void *arg)
{
    return ((struct scene *)arg)->before->closed;
}

/* How many of the 20 messages one of both members has finished. */
static int shared_seen(const struct scene *s)
{
    int seen = 0;
    for (int i = 0; i < 20; i++)
        seen += s->a->seen[i % 2][i / 2] + s->b->seen[i % 2][i / 2] > 0;
    return seen;
}

static bool all_settled(void *arg)
{
    struct scene *s = arg;
    return s->after->next[0] == 100 && s->after->next[1] == 100 && s->b->assigned > 0 &&
           s->a->assigned >= 3 && shared_seen(s) == 20 && s->fatal->finished == 10;
}

START_TEST(groups_change)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "restart", 2);
    make_topic(b, "shared", 2);
    make_topic(b, "fatal", 1);
    for (int i = 0; i < 2; i++) {
        produce(b, "restart", i, 100, 10);
        produce(b, "shared", i, 10, 10);
    }
    produce(b, "fatal", 0, 5, 10);
    struct scene s = {reader_new(b, "g-restart"), reader_new(b, "g-restart"), reader_new(b, "g-shared"),
                      reader_new(b, "g-shared"), reader_new(b, "g-fatal")};
    s.before->script = script_first_half;
    s.a->script = script_keep;
    reader_start(s.before, "restart", 50, 3, "earliest");
    reader_start(s.a, "shared", 50, 3, "earliest");
    reader_start(s.fatal, "fatal", 50, 3, "earliest");
    ck_assert(loop_run_until(b->loop, has_halves, &s, 8000));

    /* The first owner leaves half way: what is finished is committed, what it has is void. */
    const struct kafka_batch *void_batch = s.before->kept[0];
    reader_close(s.before);
    ck_assert(loop_run_until(b->loop, before_closed, &s, 6000));
    ck_assert_int_eq(s.before->revoked, 2);
    ck_assert(!kafka_consumer_batch_valid(s.before->consumer, void_batch->id));
    ck_assert_int_eq(void_batch->messages[0].offset, 50); /* it may still be read */
    kafka_consumer_done(s.before->consumer, void_batch->id, KAFKA_BATCH_DONE, void_batch->n, 0);

    /* Its successor starts at the lower of the group's offset (50) and its own (10, 70). */
    s.after->on_assigned = assigned_lower;
    reader_start(s.after, "restart", 50, 3, "earliest");
    /* A second member takes one partition; the batch that the first one holds is void. */
    reader_start(s.b, "shared", 50, 3, "earliest");
    s.a->script = NULL;
    const struct kafka_batch *kept[2] = {s.a->kept[0], s.a->kept[1]};
    /* A fatal error replaces the client; it goes on where it was. */
    bench_turn(b, 1200); /* the offsets are committed */
    rd_kafka_test_fatal_error(kafka_consumer_handle(s.fatal->consumer), RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
                              "test");
    produce(b, "fatal", 0, 5, 10);
    /* On a busy machine a member hears of a rebalance too late, and the mock begins the next one, several times. */
    ck_assert(loop_run_until(b->loop, all_settled, &s, 60000));

    ck_assert_int_eq(reader_times(s.after, 0, 0, 10), 0);
    ck_assert_int_eq(reader_times(s.after, 0, 10, 100), 90);
    ck_assert_int_eq(reader_times(s.after, 1, 0, 50), 0);
    ck_assert_int_eq(reader_times(s.after, 1, 50, 100), 50);
    for (int i = 0; i < 2; i++) {
        ck_assert(!kafka_consumer_batch_valid(s.a->consumer, kept[i]->id));
        kafka_consumer_done(s.a->consumer, kept[i]->id, KAFKA_BATCH_DONE, kept[i]->n, 0);
    }
    /* The mock may rebalance once more, when one member hears of the first too late. */
    ck_assert_int_eq(s.b->assigned - s.b->revoked, 1);
    ck_assert_int_eq(s.a->assigned - s.a->revoked, 1);
    ck_assert_int_eq(s.fatal->gaps, 0);
    ck_assert_int_eq(s.fatal->revoked, 1);
    ck_assert_int_eq(s.fatal->downs, 1);
    ck_assert(s.fatal->up);

    struct reader *all[] = {s.before, s.after, s.a, s.b, s.fatal};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        reader_free(all[i]);
    bench_free(b);
}
END_TEST

/* --- a handler that keeps failing --------------------------------------------------------------------------------- */

#define FAILING_PAUSE_MS 20

/* Partition 0 fails for ever, with pauses that double; the others take one message at a time. */
static bool script_failing(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome *outcome,
                           size_t *count, int64_t *delay_ms)
{
    if (b->partition == 0) {
        *outcome = KAFKA_BATCH_RETRY;
        *count = 0;
        *delay_ms = FAILING_PAUSE_MS << (b->attempt < 6 ? b->attempt : 6);
    }
    return true;
}

static bool others_done_and_failing(void *arg)
{
    const struct reader *r = arg;
    int failures = 0;
    for (size_t i = 0; i < r->nbatches; i++)
        failures += r->batches[i].partition == 0;
    return r->finished == 600 && failures >= 6;
}

/* One partition at a time, and still one that fails holds up nobody: while it pauses, the others have their turn. */
START_TEST(failing_handler_does_not_stall)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "failing", 3);
    struct reader *r = reader_new(b, "g-failing");
    r->script = script_failing;
    reader_start(r, "failing", 10, 1, "earliest");
    for (int partition = 0; partition < 3; partition++)
        produce(b, "failing", partition, 300, 10);
    ck_assert(loop_run_until(b->loop, others_done_and_failing, r, 20000));
    ck_assert_int_eq(reader_times(r, 1, 0, 300) + reader_times(r, 2, 0, 300), 600);
    ck_assert_int_eq(r->gaps, 0);
    ck_assert_int_eq(r->next[0], -1);
    int64_t before_us = 0;
    int attempt = 0;
    for (size_t i = 0; i < r->nbatches; i++) {
        const struct reader_batch *batch = &r->batches[i];
        if (batch->partition != 0)
            continue;
        ck_assert_int_eq(batch->first, 0);
        ck_assert_int_eq(batch->attempt, attempt);
        if (attempt > 0 && attempt <= 6)
            ck_assert_int_ge(batch->at_us - before_us, (FAILING_PAUSE_MS << (attempt - 1)) * 1000 - 1000);
        before_us = batch->at_us;
        attempt++;
    }
    reader_free(r);
    bench_free(b);
}
END_TEST

/* --- batches that overlap ----------------------------------------------------------------------------------------- */

static const struct kafka_partition *only_partition(const struct reader *r)
{
    return TAILQ_FIRST(&r->consumer->partitions);
}

static void end(struct reader *r, size_t i, enum kafka_batch_outcome outcome, size_t count)
{
    kafka_consumer_done(r->consumer, reader_kept[i]->id, outcome, count, 1);
}

/* A batch that is all but finished lets one more come; offsets are stored in order, whichever ends first. */
START_TEST(the_next_batch_may_overlap)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "overlap", 1);
    produce(b, "overlap", 0, 100, 10);
    struct reader *r = reader_new(b, "g-overlap");
    r->script = reader_keep_all;
    reader_start(r, "overlap", 10, 1, "earliest");
    reader_await_batch(r, 0, 0);
    bench_turn(b, 50);
    ck_assert_uint_eq(r->nbatches, 1);
    kafka_consumer_next(r->consumer, reader_kept[0]->id);
    kafka_consumer_next(r->consumer, reader_kept[0]->id);
    reader_await_batch(r, 1, 10);
    kafka_consumer_next(r->consumer, reader_kept[1]->id); /* not while the first is out */
    bench_turn(b, 50);
    ck_assert_uint_eq(r->nbatches, 2);
    end(r, 1, KAFKA_BATCH_DONE, 10);
    bench_turn(b, 50);
    ck_assert_uint_eq(r->nbatches, 2);
    ck_assert_int_eq(only_partition(r)->done, 0);
    end(r, 0, KAFKA_BATCH_DONE, 10);
    ck_assert_int_eq(only_partition(r)->done, 20);
    reader_await_batch(r, 2, 20);
    kafka_consumer_next(r->consumer, reader_kept[2]->id);
    reader_await_batch(r, 3, 30);
    kafka_consumer_next(r->consumer, reader_kept[3]->id);
    end(r, 2, KAFKA_BATCH_DONE, 10);
    reader_await_batch(r, 4, 40);
    ck_assert_int_eq(only_partition(r)->done, 30);
    /* Void ones are taken back one by one. */
    reader_close(r);
    ck_assert(loop_run_until(b->loop, is_true, &r->closed, 6000));
    end(r, 4, KAFKA_BATCH_DONE, 10);
    kafka_consumer_next(r->consumer, reader_kept[3]->id);
    end(r, 3, KAFKA_BATCH_WAIT, 0);
    ck_assert(TAILQ_EMPTY(&r->consumer->out));
    ck_assert_uint_eq(r->consumer->nout, 0);
    reader_free(r);
    bench_free(b);
}
END_TEST

/* A batch that ends with a rest waits for the later one; then both come again, in their order. */
START_TEST(a_rest_comes_again_before_what_overlapped)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "rest", 1);
    produce(b, "rest", 0, 40, 10);
    struct reader *r = reader_new(b, "g-rest");
    r->script = reader_keep_all;
    reader_start(r, "rest", 10, 1, "earliest");
    reader_await_batch(r, 0, 0);
    kafka_consumer_next(r->consumer, reader_kept[0]->id);
    reader_await_batch(r, 1, 10);
    end(r, 0, KAFKA_BATCH_WAIT, 3);
    bench_turn(b, 50);
    ck_assert_uint_eq(r->nbatches, 2);
    ck_assert_int_eq(reader_kept[1]->messages[9].offset, 19); /* its owner still reads it */
    ck_assert_int_eq(only_partition(r)->done, 0);
    end(r, 1, KAFKA_BATCH_DONE, 10);
    ck_assert_int_eq(only_partition(r)->done, 3);
    reader_await_batch(r, 2, 3);
    ck_assert_int_eq(r->batches[2].waits, 1);
    ck_assert_uint_eq(r->batches[2].n, 10);
    kafka_consumer_next(r->consumer, reader_kept[2]->id);
    reader_await_batch(r, 3, 13);
    ck_assert_int_eq(r->batches[3].waits, 0);
    /* The later one alone has a rest: it waits for the first. */
    end(r, 3, KAFKA_BATCH_RETRY, 5);
    bench_turn(b, 50);
    ck_assert_uint_eq(r->nbatches, 4);
    end(r, 2, KAFKA_BATCH_DONE, 10);
    ck_assert_int_eq(only_partition(r)->done, 18);
    reader_await_batch(r, 4, 18);
    ck_assert_int_eq(r->batches[4].attempt, 1);
    end(r, 4, KAFKA_BATCH_DONE, 10);
    reader_await_batch(r, 5, 28);
    end(r, 5, KAFKA_BATCH_DONE, 10);
    reader_await_batch(r, 6, 38);
    end(r, 6, KAFKA_BATCH_DONE, 2);
    ck_assert_int_eq(only_partition(r)->done, 40);
    ck_assert_uint_eq(only_partition(r)->nitems, 0);
    ck_assert_uint_eq(only_partition(r)->nitems_out, 0);
    ck_assert_uint_eq(r->consumer->nout, 0);
    reader_free(r);
    bench_free(b);
}
END_TEST

/* --- more than is wanted
 * ----------------------------------------------------------------------------------------------------------
 */

static bool script_first_kept(struct reader *r, const struct kafka_batch *b,
                              enum kafka_batch_outcome *outcome, size_t *count, int64_t *delay_ms)
{
    return r->nbatches > 1 || reader_keep_all(r, b, outcome, count, delay_ms);
}

static bool bridge_is_held(void *arg)
{
    return ((struct reader *)arg)->consumer->bridge.held;
}

static bool partition_is_paused(void *arg)
{
    return only_partition(arg)->paused;
}

static bool has_finished_all(void *arg)
{
    struct reader *r = arg;
    return r->finished + r->batches[0].n == HELD;
}

/* More than half a buffer waits in the library, where it is not thrown away; what stands still is paused. */
START_TEST(what_is_not_wanted_yet_waits_in_the_library)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "much", 1);
    produce(b, "much", 0, HELD, 10);
    struct reader *r = reader_new(b, "g-much");
    r->script = script_first_kept;
    reader_start(r, "much", 500, 1, "earliest");
    ck_assert(loop_run_until(b->loop, bridge_is_held, r, 10000));
    const struct kafka_partition *p = only_partition(r);
    ck_assert_uint_eq(p->nitems, 10000); /* half of it */
    bench_turn(b, 50);
    ck_assert_uint_eq(p->nitems, 10000);
    ck_assert(loop_run_until(b->loop, partition_is_paused, r, 5000));
    ck_assert_uint_eq(p->nitems, 20000);
    size_t first = reader_kept[0]->n;
    end(r, 0, KAFKA_BATCH_DONE, first);
    ck_assert(loop_run_until(b->loop, has_finished_all, r, 10000));
    ck_assert_int_eq(r->gaps, 0);
    ck_assert_uint_eq((size_t)reader_times(r, 0, (int64_t)first, HELD), HELD - first);
    ck_assert(!r->consumer->bridge.held && !p->paused);
    reader_free(r);
    bench_free(b);
}
END_TEST

/* Whoever joins the group does not wait for what is held: librdkafka takes back what it has queued. */
START_TEST(a_rebalance_overtakes_what_is_held)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    make_topic(b, "overtaken", 1);
    produce(b, "overtaken", 0, HELD, 10);
    struct reader *r = reader_new(b, "g-overtaken"), *other = reader_new(b, "g-overtaken");
    r->script = reader_keep_all;
    reader_start(r, "overtaken", 500, 1, "earliest");
    ck_assert(loop_run_until(b->loop, bridge_is_held, r, 10000));
    reader_start(other, "overtaken", 500, 1, "earliest");
    size_t ended = 0, messages = 0;
    while (!r->revoked && messages < HELD) { /* slowly: ten seconds for what is there */
        bench_turn(b, 200);
        if (r->revoked || ended == r->nbatches)
            continue;
        messages += reader_kept[ended]->n;
        end(r, ended, KAFKA_BATCH_DONE, reader_kept[ended]->n);
        ended++;
    }
    ck_assert_int_eq(r->revoked, 1);
    ck_assert_uint_lt(messages, HELD / 2);
    reader_free(other);
    reader_free(r);
    bench_free(b);
}
END_TEST

/* --- health and settings
 * ----------------------------------------------------------------------------------------------------------
 */

static bool is_reader_down(void *arg)
{
    struct reader *r = arg;
    return r->downs > 0;
}

START_TEST(missing_topic_is_told)
{
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    rd_kafka_mock_topic_set_error(kafka_embedded_mock(b->cluster), "nowhere",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct reader *r = reader_new(b, "g-missing");
    reader_start(r, "nowhere", 50, 3, "earliest");
    ck_assert(loop_run_until(b->loop, is_reader_down, r, 5000));
    ck_assert_ptr_nonnull(strstr(r->reason, "nowhere"));
    reader_close(r);
    ck_assert(loop_run_until(b->loop, is_true, &r->closed, 5000));
    reader_free(r);
    bench_free(b);
}
END_TEST

START_TEST(close_without_brokers)
{
    struct bench *b = bench_new();
    rd_kafka_mock_broker_set_down(kafka_embedded_mock(b->cluster), 1);
    struct reader *r = reader_new(b, "g-down");
    reader_start(r, "t", 50, 3, "earliest");
    ck_assert(loop_run_until(b->loop, is_reader_down, r, 3000));
    int64_t t0 = clock_mono_us();
    kafka_consumer_close(r->consumer, 500, on_closed, &r->closed);
    ck_assert(loop_run_until(b->loop, is_true, &r->closed, 2000));
    ck_assert_int_lt(clock_mono_us() - t0, 800000);
    reader_free(r);
    bench_free(b);
}
END_TEST

START_TEST(consumer_settings_are_checked)
{
    struct bench *b = bench_new();
    struct error e = ERROR_INIT;
    const char *const topics[] = {"t", NULL};
    static const struct kafka_consumer_ops ops;
    struct kafka_consumer_config cfg = {.common = &b->config,
                                        .group_id = "g",
                                        .topics = topics,
                                        .auto_offset_reset = "sometimes",
                                        .max_poll_records = 1,
                                        .concurrency = 1,
                                        .session_timeout_ms = 6000,
                                        .heartbeat_interval_ms = 500};
    ck_assert_ptr_null(kafka_consumer_new(b->loop, &cfg, &ops, NULL, &e));
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
    ck_assert_ptr_nonnull(strstr(e.text, "auto.offset.reset"));
    struct option_map_entry entry = {(char *)"partition.assignment.strategy", (char *)"cooperative-sticky"};
    struct option_map map = {&entry, 1};
    b->config.librdkafka = &map;
    cfg.auto_offset_reset = "latest";
    ck_assert_ptr_null(kafka_consumer_new(b->loop, &cfg, &ops, NULL, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "partition.assignment.strategy"));
    bench_free(b);
}
END_TEST

Suite *consumer_suite(void)
{
    Suite *s = suite_create("consumer");
    TCase *t = tcase_create("consumer");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, groups_consume);
    tcase_add_test(t, groups_change);
    tcase_add_test(t, failing_handler_does_not_stall);
    tcase_add_test(t, the_next_batch_may_overlap);
    tcase_add_test(t, a_rest_comes_again_before_what_overlapped);
    tcase_add_test(t, what_is_not_wanted_yet_waits_in_the_library);
    tcase_add_test(t, a_rebalance_overtakes_what_is_held);
    tcase_add_test(t, missing_topic_is_told);
    tcase_add_test(t, close_without_brokers);
    tcase_add_test(t, consumer_settings_are_checked);
    suite_add_tcase(s, t);
    return s;
}
