/* The buffer of one partition, its batches and their outcomes.
 *
 * Messages are copied out of librdkafka as they come, so that no event of it outlives the drain. While a buffer is more than
 * half full, the others wait in librdkafka's queue. When batches stand still they are taken all the same, with what else is in that
 * queue, and a partition whose buffer is full is paused in librdkafka (what that has prefetched is fetched again later) and
 * resumed at half. A batch that is out keeps its messages until the owner finishes it, even when a revoke has made
 * it void. Two batches of a partition can be out when the owner says that the first is all but finished; their outcomes count in
 * offset order. */
#include "kafka/kafka_group.h"

#include <stdio.h>

enum {
    /* What a partition may buffer: full batches, and messages at least. Each pause throws away what librdkafka has fetched ahead, up to
     * 10,000 messages, and going on takes it up to half a second: what is left at half must last that long. Bytes bound it too. */
    BUFFER_BATCHES = 20,
    BUFFER_RECORDS_MIN = 20000,
};

struct kafka_partition *kafka_partition_new(struct kafka_consumer *c, struct kafka_topic *topic,
                                            int32_t number)
{
    struct kafka_partition *p = mem_zalloc(sizeof *p);
    p->consumer = c;
    p->topic = topic;
    p->number = number;
    p->wanted = p->next = p->done = p->overlap = -1;
    TAILQ_INIT(&p->items);
    TAILQ_INIT(&p->out);
    TAILQ_INSERT_TAIL(&c->partitions, p, link);
    c->npartitions++;
    return p;
}

struct kafka_partition *kafka_partition_find(struct kafka_consumer *c, const char *topic, int32_t number)
{
    struct kafka_partition *p = c->last;
    if (p && p->number == number && strcmp(p->topic->name, topic) == 0)
        return p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (p->number == number && strcmp(p->topic->name, topic) == 0)
        return c->last = p;
    return NULL;
}

static void partition_move(struct kafka_partition *p, enum partition_state state)
{
    struct kafka_consumer *c = p->consumer;
    if (p->state == state)
        return;
    if (p->state == PARTITION_READY)
        TAILQ_REMOVE(&c->ready, p, ready_link);
    else if (p->state == PARTITION_GATHERING)
        loop_timer_stop(p->delay);
    p->state = state;
    if (state == PARTITION_READY) {
        TAILQ_INSERT_TAIL(&c->ready, p, ready_link);
        kafka_dispatch(c);
    }
}

static void items_free(struct kafka_items *items)
{
    struct kafka_item *item;
    while ((item = TAILQ_FIRST(items))) {
        TAILQ_REMOVE(items, item, link);
        mem_free(item);
    }
}

/* Looked up each time: another member in this process may have had it and removed it. */
static struct metric_series *lag_series(const struct kafka_partition *p)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)p->number);
    return kafka_metric(&kafka_metric_lag, p->consumer->client_id, p->topic->name, text);
}

void kafka_partition_show_lag(const struct kafka_partition *p, int64_t lag)
{
    metric_set(lag_series(p), (double)lag);
}

int64_t kafka_partition_lag(const struct kafka_partition *p)
{
    int64_t low, high;
    if (p->done < 0 || !p->consumer->rk ||
        rd_kafka_get_watermark_offsets(p->consumer->rk, p->topic->name, p->number, &low, &high) || high < 0)
        return -1;
    return high > p->done ? high - p->done : 0;
}

/* Full with divisor 1, half full with 2. */
static bool buffer_is_above(const struct kafka_partition *p, size_t divisor)
{
    const struct kafka_consumer *c = p->consumer;
    size_t records = c->max_records * BUFFER_BATCHES;
    if (records < BUFFER_RECORDS_MIN)
        records = BUFFER_RECORDS_MIN;
    return p->nitems >= records / divisor || p->bytes >= c->buffer_bytes / divisor;
}

/* Events are read again when no buffer is above half. */
static void read_on(struct kafka_consumer *c)
{
    const struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (buffer_is_above(p, 2))
        return;
    kafka_bridge_go_on(&c->bridge);
}

void kafka_partition_free(struct kafka_partition *p)
{
    struct kafka_consumer *c = p->consumer;
    partition_move(p, PARTITION_IDLE);
    struct kafka_handout *h;
    while ((h = TAILQ_FIRST(&p->out))) {
        TAILQ_REMOVE(&p->out, h, partition_link);
        h->partition = NULL;
        if (h->finished)
            kafka_handout_free(c, h);
        else if (!h->ahead)
            c->nout--;
    }
    items_free(&p->items);
    loop_timer_free(p->delay);
    metric_remove(lag_series(p));
    TAILQ_REMOVE(&c->partitions, p, link);
    c->npartitions--;
    if (c->last == p)
        c->last = NULL;
    mem_free(p);
    kafka_dispatch(c); /* its batch no longer counts */
    read_on(c);
}

/* --- taking messages --- */

static char *put(char **at, const void *p, size_t n)
{
    char *copy = *at;
    if (n > 0)
        memcpy(copy, p, n);
    *at += n;
    return copy;
}

/* The bytes of the headers: names with their NUL, and values. */
static size_t headers_size(const rd_kafka_headers_t *headers, size_t n)
{
    size_t size = 0, value_size;
    const char *name;
    const void *value;
    for (size_t i = 0; i < n && !rd_kafka_header_get_all(headers, i, &name, &value, &value_size); i++)
        size += strlen(name) + 1 + value_size;
    return size;
}

static void headers_copy(struct kafka_header *out, const rd_kafka_headers_t *headers, size_t n, char **at)
{
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; i < n && !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
        out[i].name = put(at, name, strlen(name) + 1);
        out[i].value = value ? put(at, value, size) : NULL;
        out[i].size = value ? size : 0;
    }
}

static struct kafka_item *item_new(const struct kafka_topic *topic, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_timestamp_type_t type;
    size_t n = rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
                   ? rd_kafka_header_cnt(headers)
                   : 0;
    size_t size = sizeof(struct kafka_item) + n * sizeof(struct kafka_header) + headers_size(headers, n) +
                  m->key_len + m->len;
    struct kafka_item *item = mem_alloc(size + 1);
    struct kafka_header *copies = (struct kafka_header *)(item + 1);
    char *at = (char *)(copies + n);
    headers_copy(copies, headers, n, &at);
    item->size = size;
    item->message = (struct kafka_message){
        .topic = topic->name,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = rd_kafka_message_timestamp(m, &type),
        .headers = n > 0 ? copies : NULL,
        .nheaders = n,
    };
    if (m->key)
        item->message.key = (struct slice){put(&at, m->key, m->key_len), m->key_len};
    if (m->payload)
        item->message.value = (struct slice){put(&at, m->payload, m->len), m->len};
    return item;
}

void kafka_partition_take(struct kafka_partition *p, const rd_kafka_message_t *m)
{
    if (p->overlap >= 0 && m->offset >= p->overlap && m->offset < p->next)
        return;
    p->overlap = -1;
    struct kafka_item *item = item_new(p->topic, m);
    TAILQ_INSERT_TAIL(&p->items, item, link);
    p->nitems++;
    p->bytes += item->size;
    p->next = m->offset + 1;
    if (p->done < 0)
        p->done = m->offset;
    metric_add(p->topic->consumed, 1);
    if (p->state == PARTITION_IDLE ||
        (p->state == PARTITION_GATHERING && p->nitems >= p->consumer->max_records))
        partition_move(p, PARTITION_READY);
    if (!p->paused && buffer_is_above(p, 1))
        kafka_partition_pause(p, true);
    if (p->consumer->state == CONSUMER_RUNNING && buffer_is_above(p, 2))
        kafka_bridge_hold(&p->consumer->bridge);
}

void kafka_partition_pause(struct kafka_partition *p, bool paused)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, p->topic->name, p->number);
    if (paused)
        rd_kafka_pause_partitions(p->consumer->rk, list);
    else
        rd_kafka_resume_partitions(p->consumer->rk, list);
    if (!one->err)
        p->paused = paused;
    rd_kafka_topic_partition_list_destroy(list);
}

/* --- handing over --- */

static void hand_over(struct kafka_partition *p)
{
    struct kafka_consumer *c = p->consumer;
    size_t waiting = p->nitems - p->nitems_out, n = waiting < c->max_records ? waiting : c->max_records;
    bool head = TAILQ_EMPTY(&p->out);
    struct kafka_handout *h = mem_zalloc(sizeof *h + n * sizeof h->messages[0]);
    TAILQ_INIT(&h->items);
    for (size_t i = 0; i < n; i++) {
        struct kafka_item *item = TAILQ_FIRST(&p->items);
        TAILQ_REMOVE(&p->items, item, link);
        TAILQ_INSERT_TAIL(&h->items, item, link);
        h->messages[i] = item->message;
        h->size += item->size;
    }
    h->partition = p;
    h->batch = (struct kafka_batch){.topic = p->topic->name,
                                    .partition = p->number,
                                    .id = ++c->batch_id,
                                    .attempt = head ? p->attempt : 0,
                                    .waits = head ? p->waits : 0,
                                    .messages = h->messages,
                                    .n = n};
    TAILQ_INSERT_TAIL(&p->out, h, partition_link);
    p->nout++;
    p->nitems_out += n;
    TAILQ_INSERT_TAIL(&c->out, h, link);
    c->nout++;
    partition_move(p, PARTITION_OUT);
    c->ops.on_batch(c->arg, &h->batch);
}

static void on_dispatch(void *arg)
{
    struct kafka_consumer *c = arg;
    for (size_t i = 0; i < c->concurrency; i++) {
        struct kafka_partition *p = TAILQ_FIRST(&c->ready);
        if (!p || c->paused || c->state != CONSUMER_RUNNING || c->nout >= c->concurrency)
            return;
        hand_over(p);
    }
    kafka_dispatch(c); /* an owner that finishes at once */
}

void kafka_dispatch_init(struct kafka_consumer *c)
{
    c->dispatch = (struct loop_task){.run = on_dispatch, .arg = c};
}

void kafka_dispatch(struct kafka_consumer *c)
{
    if (!c->paused && c->state == CONSUMER_RUNNING && c->nout < c->concurrency && !TAILQ_EMPTY(&c->ready))
        loop_defer(c->loop, &c->dispatch);
}

void kafka_handout_free(struct kafka_consumer *c, struct kafka_handout *h)
{
    TAILQ_REMOVE(&c->out, h, link);
    items_free(&h->items);
    mem_free(h);
}

/* --- outcomes --- */

void kafka_partition_store(struct kafka_partition *p)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, p->topic->name, p->number);
    one->offset = p->done;
    rd_kafka_resp_err_t err = rd_kafka_offsets_store(p->consumer->rk, list);
    /* _STATE: in the short time between two calls of rd_kafka_assign(), or revoked: then it no longer
     * matters. */
    p->store_pending = err || one->err;
    rd_kafka_topic_partition_list_destroy(list);
}

/* The first messages of the batch are finished. */
static void handout_finish(struct kafka_partition *p, struct kafka_handout *h)
{
    struct kafka_consumer *c = p->consumer;
    if (h->count == 0)
        return;
    p->done = h->messages[h->count - 1].offset + 1;
    p->attempt = p->waits = 0;
    kafka_partition_store(p);
    if (c->embedded)
        kafka_embedded_consumed(c->embedded, c->group, p->topic->name, p->number, p->done);
    for (size_t i = 0; i < h->count; i++) {
        struct kafka_item *item = TAILQ_FIRST(&h->items);
        TAILQ_REMOVE(&h->items, item, link);
        p->nitems--;
        p->bytes -= item->size;
        mem_free(item);
    }
}

/* A batch leaves; what is left of it goes back to the front of the buffer. */
static void handout_end(struct kafka_partition *p, struct kafka_handout *h)
{
    struct kafka_item *item;
    TAILQ_REMOVE(&p->out, h, partition_link);
    p->nout--;
    p->nitems_out -= h->batch.n;
    while ((item = TAILQ_LAST(&h->items, kafka_items))) {
        TAILQ_REMOVE(&h->items, item, link);
        TAILQ_INSERT_HEAD(&p->items, item, link);
    }
    kafka_handout_free(p->consumer, h);
}

/* What a partition with these batches out may do next. */
static void partition_go_on(struct kafka_partition *p)
{
    const struct kafka_handout *last = TAILQ_LAST(&p->out, kafka_handouts);
    if (last && (!last->ahead || last->finished || p->nout == PARTITION_OUT_MAX))
        partition_move(p, PARTITION_OUT);
    else
        partition_move(p, TAILQ_EMPTY(&p->items) ? PARTITION_IDLE : PARTITION_READY);
    kafka_dispatch(p->consumer); /* another partition may have its turn */
}

static void on_delay_over(void *arg)
{
    partition_go_on(arg);
}

static void partition_wait(struct kafka_partition *p, enum partition_state state, int64_t delay_ms)
{
    if (!p->delay)
        p->delay = loop_timer_new(p->consumer->loop, on_delay_over, p);
    partition_move(p, state);
    loop_timer_start(p->delay, delay_ms);
}

static struct kafka_handout *handout_find(const struct kafka_consumer *c, uint64_t batch_id)
{
    struct kafka_handout *h;
    TAILQ_FOREACH(h, &c->out, link)
    if (h->batch.id == batch_id)
        return h;
    return NULL;
}

bool kafka_consumer_batch_valid(const struct kafka_consumer *c, uint64_t batch_id)
{
    const struct kafka_handout *h = handout_find(c, batch_id);
    return h && h->partition;
}

/* The first batch has ended with a rest, and so has whatever followed it: from the rest on all comes again. */
static void partition_rewind(struct kafka_partition *p, struct kafka_handout *h)
{
    enum kafka_batch_outcome outcome = h->outcome;
    int64_t delay_ms = h->delay_ms;
    while (TAILQ_LAST(&p->out, kafka_handouts) != h)
        handout_end(p, TAILQ_LAST(&p->out, kafka_handouts));
    handout_end(p, h);
    if (outcome == KAFKA_BATCH_RETRY) {
        p->attempt++;
        p->waits = 0;
    } else if (outcome == KAFKA_BATCH_WAIT) {
        p->waits++;
    }
    if (outcome == KAFKA_BATCH_DONE || delay_ms <= 0)
        partition_go_on(p);
    else
        partition_wait(p, PARTITION_DELAYED, delay_ms);
}

/* Outcomes count in offset order. */
static void take_outcomes(struct kafka_partition *p)
{
    struct kafka_handout *h;
    int64_t gather_ms = 0;
    while ((h = TAILQ_FIRST(&p->out)) && h->finished) {
        struct kafka_handout *next = TAILQ_NEXT(h, partition_link);
        bool rest = h->count < h->batch.n;
        if (rest && next && !next->finished)
            return;
        handout_finish(p, h);
        if (rest) {
            partition_rewind(p, h);
            return;
        }
        gather_ms = h->batch.n < p->consumer->max_records ? h->delay_ms : 0;
        handout_end(p, h);
    }
    if (gather_ms > 0 && TAILQ_EMPTY(&p->out) && p->nitems < p->consumer->max_records)
        partition_wait(p, PARTITION_GATHERING, gather_ms);
    else
        partition_go_on(p);
}

void kafka_consumer_done(struct kafka_consumer *c, uint64_t batch_id, enum kafka_batch_outcome outcome,
                         size_t count, int64_t delay_ms)
{
    struct kafka_handout *h = handout_find(c, batch_id);
    ASSERT(h && !h->finished); /* finished twice */
    struct kafka_partition *p = h->partition;
    if (!p) {
        kafka_handout_free(c, h);
        return;
    }
    ASSERT(count <= h->batch.n);
    h->finished = true;
    h->outcome = outcome;
    h->count = count;
    h->delay_ms = delay_ms;
    if (!h->ahead)
        c->nout--;
    take_outcomes(p);
    if (p->paused && !buffer_is_above(p, 2))
        kafka_partition_pause(p, false);
    read_on(c);
    kafka_dispatch(c);
}

void kafka_consumer_next(struct kafka_consumer *c, uint64_t batch_id)
{
    struct kafka_handout *h = handout_find(c, batch_id);
    if (!h || !h->partition || h->ahead || h->finished)
        return;
    h->ahead = true;
    c->nout--;
    partition_go_on(h->partition);
}
