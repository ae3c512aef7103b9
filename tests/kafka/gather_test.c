/* Messages gather after a batch when the owner wishes so. */
#include "reader.h"

static void produce(struct bench *b, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert(bench_send(b, "gather", 0, "key", "value", (uint64_t)i));
    bench_flush(b);
}

static void end(struct reader *r, const struct kafka_batch *batch, int64_t delay_ms)
{
    kafka_consumer_done(r->consumer, batch->id, KAFKA_BATCH_DONE, batch->n, delay_ms);
}

static int64_t done_below(const struct reader *r)
{
    return ((struct kafka_partition *)TAILQ_FIRST(&r->consumer->partitions))->done;
}

START_TEST(the_next_batch_comes_later_or_when_it_is_full)
{
    struct error e = ERROR_INIT;
    struct bench *b = bench_new();
    bench_producer(b, NULL);
    ck_assert(kafka_embedded_topic(b->cluster, "gather", 1, &e));
    kafka_producer_topic(b->producer, "gather");
    produce(b, 3);
    struct reader *r = reader_new(b, "g-gather");
    r->script = reader_keep_all;
    reader_start(r, "gather", 10, 1, "earliest");
    const struct kafka_batch *batch = reader_await_batch(r, 0, 0);
    int64_t next = (int64_t)batch->n;
    end(r, batch, 60000);
    ck_assert_int_eq(done_below(r), next); /* its offset does not wait */
    produce(b, 5);
    bench_turn(b, 200);
    ck_assert_uint_eq(r->nbatches, 1);
    produce(b, 7);
    batch = reader_await_batch(r, 1, next);
    ck_assert_uint_eq(batch->n, 10);
    end(r, batch, 60000); /* full: where more may have gathered already, nothing waits */
    batch = reader_await_batch(r, 2, next + 10);
    ck_assert_uint_lt(batch->n, 10);
    end(r, batch, 20);
    bench_turn(b, 100); /* nothing has gathered */
    produce(b, 1);
    reader_await_batch(r, 3, 15);
    reader_free(r);
    bench_free(b);
}
END_TEST

Suite *gather_suite(void)
{
    Suite *s = suite_create("gather");
    TCase *t = tcase_create("gather");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_next_batch_comes_later_or_when_it_is_full);
    suite_add_tcase(s, t);
    return s;
}
