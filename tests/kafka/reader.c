#include "reader.h"

#include "base/clock.h"

void reader_finish(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome outcome,
                   size_t count, int64_t delay_ms)
{
    for (size_t i = 0; i < count; i++) {
        const struct kafka_message *m = &b->messages[i];
        ck_assert_int_lt(m->offset, READER_MAX);
        r->seen[m->partition][m->offset]++;
        r->finished++;
        if (r->next[m->partition] >= 0 && m->offset != r->next[m->partition])
            r->gaps++;
        r->next[m->partition] = m->offset + 1;
        if (r->check)
            r->check(m);
    }
    r->out--;
    r->inside_done = true;
    kafka_consumer_done(r->consumer, b->id, outcome, count, delay_ms);
    r->inside_done = false;
}

static void on_due(void *arg)
{
    struct reader *r = arg;
    size_t n = r->ndue;
    r->ndue = 0;
    for (size_t i = 0; i < n; i++) {
        struct kafka_handout *h;
        TAILQ_FOREACH(h, &r->consumer->out, link)
        if (h->batch.id == r->due[i].id)
            break;
        reader_finish(r, &h->batch, r->due[i].outcome, r->due[i].count, r->due[i].delay_ms);
    }
}

static void on_batch(void *arg, const struct kafka_batch *b)
{
    struct reader *r = arg;
    ck_assert(!r->inside_done);
    ck_assert(kafka_consumer_batch_valid(r->consumer, b->id));
    ck_assert_uint_lt(r->nbatches, READER_BATCHES);
    for (size_t i = 1; i < b->n; i++) {
        ck_assert_int_eq(b->messages[i].partition, b->partition);
        ck_assert_int_gt(b->messages[i].offset, b->messages[i - 1].offset);
    }
    r->batches[r->nbatches++] = (struct reader_batch){.partition = b->partition,
                                                      .attempt = b->attempt,
                                                      .waits = b->waits,
                                                      .first = b->messages[0].offset,
                                                      .last = b->messages[b->n - 1].offset,
                                                      .n = b->n,
                                                      .at_us = clock_mono_us()};
    if (++r->out > r->max_out)
        r->max_out = r->out;
    enum kafka_batch_outcome outcome = KAFKA_BATCH_DONE;
    size_t count = b->n;
    int64_t delay_ms = 0;
    if (r->script && !r->script(r, b, &outcome, &count, &delay_ms)) {
        r->kept[b->partition] = b;
        return;
    }
    r->due[r->ndue].id = b->id;
    r->due[r->ndue].outcome = outcome;
    r->due[r->ndue].count = count;
    r->due[r->ndue++].delay_ms = delay_ms;
    loop_defer(r->bench->loop, &r->task);
}

static void on_assigned(void *arg, const char *topic, int32_t partition)
{
    struct reader *r = arg;
    r->assigned++;
    if (r->on_assigned)
        r->on_assigned(r, partition);
    else
        kafka_consumer_start_at(r->consumer, topic, partition, -1);
}

static void on_revoked(void *arg, const char *topic, int32_t partition)
{
    struct reader *r = arg;
    r->revoked++;
}

static void on_state(void *arg, bool up, const char *reason)
{
    struct reader *r = arg;
    r->up = up;
    if (up)
        r->ups++;
    else
        r->downs++;
    snprintf(r->reason, sizeof r->reason, "%s", reason ? reason : "");
}

static const struct kafka_consumer_ops reader_ops = {
    .on_batch = on_batch, .on_assigned = on_assigned, .on_revoked = on_revoked, .on_state = on_state};

struct reader *reader_new(struct bench *b, const char *group)
{
    struct reader *r = mem_zalloc(sizeof *r);
    r->bench = b;
    r->group = group;
    r->task = (struct loop_task){.run = on_due, .arg = r};
    for (int i = 0; i < READER_PARTITIONS; i++)
        r->next[i] = -1;
    return r;
}

void reader_start(struct reader *r, const char *topic, int64_t max_records, int64_t concurrency,
                  const char *reset)
{
    struct error e = ERROR_INIT;
    const char *const topics[] = {topic, NULL};
    struct kafka_consumer_config cfg = {.common = &r->bench->config,
                                        .group_id = r->group,
                                        .group_instance_id = r->instance,
                                        .topics = topics,
                                        .auto_offset_reset = reset,
                                        .max_poll_records = max_records,
                                        .concurrency = concurrency,
                                        .session_timeout_ms = 6000,
                                        .heartbeat_interval_ms = 500};
    r->consumer = kafka_consumer_new(r->bench->loop, &cfg, &reader_ops, r, &e);
    ck_assert_msg(r->consumer != NULL, "%s", e.text);
}

void reader_close(struct reader *r)
{
    r->closed = false;
    kafka_consumer_close(r->consumer, 4000, on_closed, &r->closed);
    ck_assert(!r->closed);
}

void reader_free(struct reader *r)
{
    loop_defer_cancel(r->bench->loop, &r->task);
    kafka_consumer_free(r->consumer);
    mem_free(r);
}

int reader_times(const struct reader *r, int32_t partition, int64_t from, int64_t to)
{
    int times = 0;
    for (int64_t i = from; i < to; i++)
        times += r->seen[partition][i];
    return times;
}

/* --- keeping --- */

const struct kafka_batch *reader_kept[READER_BATCHES];

bool reader_keep_all(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome *outcome,
                     size_t *count, int64_t *delay_ms)
{
    reader_kept[r->nbatches - 1] = b;
    return false;
}

struct wanted {
    const struct reader *r;
    size_t nbatches;
};

static bool has_batches(void *arg)
{
    const struct wanted *w = arg;
    return w->r->nbatches >= w->nbatches;
}

const struct kafka_batch *reader_await_batch(const struct reader *r, size_t i, int64_t first)
{
    struct wanted w = {r, i + 1};
    ck_assert(loop_run_until(r->bench->loop, has_batches, &w, 10000));
    ck_assert_uint_eq(r->nbatches, i + 1);
    ck_assert_int_eq(r->batches[i].first, first);
    return reader_kept[i];
}
