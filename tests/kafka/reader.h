/* An owner of a consumer for tests: keeps what it saw, answers batches by a script. */
#ifndef TESTS_KAFKA_READER_H
#define TESTS_KAFKA_READER_H

#include "kafka/kafka_group.h"
#include "kafka_support.h"

enum {
    READER_MAX = 30000,
    READER_BATCHES = 4000,
    READER_PARTITIONS = 4
};

struct reader_batch {
    int32_t partition;
    int attempt, waits;
    int64_t first, last;
    size_t n;
    int64_t at_us;
};

struct reader {
    struct bench *bench;
    struct kafka_consumer *consumer;
    const char *group;
    const char *instance; /* group.instance.id */

    struct reader_batch batches[READER_BATCHES];
    size_t nbatches;
    int seen[READER_PARTITIONS][READER_MAX]; /* how often each offset was finished */
    int64_t next[READER_PARTITIONS];         /* behind the last finished one, -1: none */
    int gaps;
    size_t finished;
    int out, max_out;
    int assigned, revoked;
    int ups, downs;
    bool up;
    char reason[200];
    bool inside_done;
    bool closed;

    /* What to do with a batch; NULL: finish it at the end of the turn. Returns false to keep it. */
    bool (*script)(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome *outcome,
                   size_t *count, int64_t *delay_ms);
    void (*on_assigned)(struct reader *r, int32_t partition); /* NULL: start at the group's offset */
    void (*check)(const struct kafka_message *m);
    const struct kafka_batch *kept[READER_PARTITIONS]; /* by a script that returned false */

    struct { /* finished at the end of the turn */
        uint64_t id;
        enum kafka_batch_outcome outcome;
        size_t count;
        int64_t delay_ms;
    } due[READER_PARTITIONS];
    size_t ndue;
    struct loop_task task;
};

struct reader *reader_new(struct bench *b, const char *group);
/* Join: at most max_records in a batch, so many partitions at once. */
void reader_start(struct reader *r, const char *topic, int64_t max_records, int64_t concurrency,
                  const char *reset);
void reader_finish(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome outcome,
                   size_t count, int64_t delay_ms);
void reader_close(struct reader *r);
void reader_free(struct reader *r);
int reader_times(const struct reader *r, int32_t partition, int64_t from,
                 int64_t to); /* finished once each: to - from */

/* A script that keeps every batch, and the batches in the order in which they came; those of one reader at a time. */
extern const struct kafka_batch *reader_kept[READER_BATCHES];
bool reader_keep_all(struct reader *r, const struct kafka_batch *b, enum kafka_batch_outcome *outcome,
                     size_t *count, int64_t *delay_ms);
/* Wait for batch number i (from 0): it is the last so far, begins at offset first, and is given back when it was kept. */
const struct kafka_batch *reader_await_batch(const struct reader *r, size_t i, int64_t first);

#endif
