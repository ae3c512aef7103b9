/* The embedded cluster: librdkafka's mock cluster inside the process, for demonstrations and tests.
 *
 * The mock keeps about 5 MB of a partition and drops the oldest beyond that without a word. So this file
 * keeps account of what was produced and is not yet finished by every group of this process that reads the
 * topic; above a bound the producer is told that its queue is full. A topic that nobody here reads never
 * blocks: its oldest messages go. */
#include "kafka/kafka_internal.h"

#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <signal.h>

#include "base/queue.h"
#include "base/random.h"

enum {
    EMBEDDED_UNREAD_BYTES =
        3 * 1024 * 1024,                   /* of one partition; compression and batching only make it less */
    EMBEDDED_KEPT_BYTES = 5 * 1024 * 1024, /* what the mock keeps at most */
    EMBEDDED_MESSAGE_OVERHEAD = 100,       /* record and batch headers of a batch of one */
    EMBEDDED_AUTO_PARTITIONS = 4,          /* of a topic that the mock makes by itself */
};

/* A message in the log of a partition. */
struct embedded_entry {
    int64_t offset;
    size_t size;
};

struct embedded_partition {
    struct embedded_entry *entries; /* a ring, by offset: those that a reader may still need */
    size_t head, len, cap;
    size_t logged;    /* bytes of the entries */
    size_t in_flight; /* bytes accepted and not reported */
};

/* A group of this process that reads the topic. */
struct embedded_reader {
    TAILQ_ENTRY(embedded_reader) link;
    char *group;
    int members;
    int64_t *position; /* per partition: everything below is finished */
};

struct embedded_topic {
    TAILQ_ENTRY(embedded_topic) link;
    char *name;
    int npartitions;
    struct embedded_partition *partitions;
    TAILQ_HEAD(, embedded_reader) readers;
};

struct kafka_embedded {
    LIST_ENTRY(kafka_embedded) link;
    rd_kafka_t *host; /* a client without brokers that the mock cluster hangs on */
    rd_kafka_mock_cluster_t *mock;
    const char *bootstrap;
    TAILQ_HEAD(, embedded_topic) topics;
};

/* The running ones: a producer or consumer knows its cluster by the address only. */
static LIST_HEAD(, kafka_embedded) clusters = LIST_HEAD_INITIALIZER(clusters);

/* Unlike librdkafka's other threads the cluster's inherits our signals, and one that interrupts its poll() ends it. */
static rd_kafka_mock_cluster_t *mock_new(rd_kafka_t *host)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(host, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return mock;
}

struct kafka_embedded *kafka_embedded_start(struct error *e)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL); /* it would be called on a thread of librdkafka */
    rd_kafka_conf_set(conf, "client.id", "rushd-embedded", NULL, 0);
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!host) {
        rd_kafka_conf_destroy(conf);
        error_set(e, ERROR_PERMANENT, "KAFKA_EMBEDDED", "embedded cluster: %s", why);
        return NULL;
    }
    rd_kafka_mock_cluster_t *mock = mock_new(host);
    if (!mock) {
        rd_kafka_destroy(host);
        error_set(e, ERROR_PERMANENT, "KAFKA_EMBEDDED",
                  "embedded cluster: librdkafka cannot start its mock cluster");
        return NULL;
    }
    struct kafka_embedded *k = mem_zalloc(sizeof *k);
    k->host = host;
    k->mock = mock;
    k->bootstrap = rd_kafka_mock_cluster_bootstraps(mock);
    TAILQ_INIT(&k->topics);
    LIST_INSERT_HEAD(&clusters, k, link);
    log_info(&kafka_logger, "embedded cluster started", LOG_S("address", k->bootstrap));
    return k;
}

const char *kafka_embedded_bootstrap(const struct kafka_embedded *k)
{
    return k->bootstrap;
}

struct rd_kafka_mock_cluster_s *kafka_embedded_mock(struct kafka_embedded *k)
{
    return k->mock;
}

struct kafka_embedded *kafka_embedded_find(const char *bootstrap_servers)
{
    struct kafka_embedded *k;
    LIST_FOREACH(k, &clusters, link)
    if (strcmp(k->bootstrap, bootstrap_servers) == 0)
        return k;
    return NULL;
}

static struct embedded_topic *topic_find(struct kafka_embedded *k, const char *name)
{
    struct embedded_topic *t;
    TAILQ_FOREACH(t, &k->topics, link)
    if (strcmp(t->name, name) == 0)
        return t;
    return NULL;
}

static struct embedded_topic *topic_add(struct kafka_embedded *k, const char *name, int partitions)
{
    struct embedded_topic *t = mem_zalloc(sizeof *t);
    t->name = mem_strdup(name);
    t->npartitions = partitions;
    t->partitions = mem_array((size_t)partitions, sizeof *t->partitions);
    TAILQ_INIT(&t->readers);
    TAILQ_INSERT_TAIL(&k->topics, t, link);
    return t;
}

/* The account of a topic; one not made by kafka_embedded_topic() is made by the mock when a client asks for
 * it. */
static struct embedded_topic *topic_get(struct kafka_embedded *k, const char *name)
{
    struct embedded_topic *t = topic_find(k, name);
    return t ? t : topic_add(k, name, EMBEDDED_AUTO_PARTITIONS);
}

static void reader_free(struct embedded_topic *t, struct embedded_reader *r)
{
    TAILQ_REMOVE(&t->readers, r, link);
    mem_free(r->group);
    mem_free(r->position);
    mem_free(r);
}

static void topic_free(struct kafka_embedded *k, struct embedded_topic *t)
{
    struct embedded_reader *r;
    while ((r = TAILQ_FIRST(&t->readers)))
        reader_free(t, r);
    for (int i = 0; i < t->npartitions; i++)
        mem_free(t->partitions[i].entries);
    TAILQ_REMOVE(&k->topics, t, link);
    mem_free(t->partitions);
    mem_free(t->name);
    mem_free(t);
}

bool kafka_embedded_topic(struct kafka_embedded *k, const char *name, int partitions, struct error *e)
{
    if (topic_find(k, name))
        return true;
    rd_kafka_resp_err_t err = rd_kafka_mock_topic_create(k->mock, name, partitions, 1);
    if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) { /* by a client's request for its metadata */
        topic_add(k, name, EMBEDDED_AUTO_PARTITIONS);
        return true;
    }
    if (err) {
        kafka_error_set(e, ERROR_PERMANENT, err, name);
        return false;
    }
    topic_add(k, name, partitions);
    return true;
}

void kafka_embedded_free(struct kafka_embedded *k)
{
    if (!k)
        return;
    struct embedded_topic *t;
    while ((t = TAILQ_FIRST(&k->topics)))
        topic_free(k, t);
    LIST_REMOVE(k, link);
    rd_kafka_mock_cluster_destroy(k->mock);
    rd_kafka_destroy(k->host);
    mem_free(k);
}

/* --- account --- */

static void entry_push(struct embedded_partition *p, struct embedded_entry entry)
{
    if (p->len == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        struct embedded_entry *entries = mem_array(cap, sizeof *entries);
        for (size_t i = 0; i < p->len; i++)
            entries[i] = p->entries[(p->head + i) % p->cap];
        mem_free(p->entries);
        p->entries = entries;
        p->head = 0;
        p->cap = cap;
    }
    p->entries[(p->head + p->len++) % p->cap] = entry;
    p->logged += entry.size;
}

static void entry_pop(struct embedded_partition *p)
{
    p->logged -= p->entries[p->head].size;
    p->head = (p->head + 1) % p->cap;
    p->len--;
}

/* Forget what every reader has finished, and what the mock has dropped anyway. */
static void partition_trim(struct embedded_topic *t, int32_t partition)
{
    struct embedded_partition *p = &t->partitions[partition];
    int64_t finished = TAILQ_EMPTY(&t->readers) ? 0 : INT64_MAX;
    struct embedded_reader *r;
    TAILQ_FOREACH(r, &t->readers, link)
    if (r->position[partition] < finished)
        finished = r->position[partition];
    while (p->len > 0 && (p->entries[p->head].offset < finished || p->logged > EMBEDDED_KEPT_BYTES))
        entry_pop(p);
}

bool kafka_embedded_admit(struct kafka_embedded *k, const char *topic, struct slice key, size_t size,
                          int32_t *partition)
{
    struct embedded_topic *t = topic_get(k, topic);
    if (*partition < 0)
        *partition = key.p ? kafka_partition_of(key.p, key.n, t->npartitions)
                           : (int32_t)random_below((uint64_t)t->npartitions);
    if (*partition >= t->npartitions)
        return true; /* librdkafka refuses it */
    struct embedded_partition *p = &t->partitions[*partition];
    size += EMBEDDED_MESSAGE_OVERHEAD;
    if (!TAILQ_EMPTY(&t->readers) && p->logged + p->in_flight + size > EMBEDDED_UNREAD_BYTES)
        return false;
    p->in_flight += size;
    return true;
}

void kafka_embedded_reported(struct kafka_embedded *k, const char *topic, int32_t partition, size_t size,
                             int64_t offset)
{
    struct embedded_topic *t = topic_get(k, topic);
    if (partition < 0 || partition >= t->npartitions)
        return;
    struct embedded_partition *p = &t->partitions[partition];
    size += EMBEDDED_MESSAGE_OVERHEAD;
    ASSERT(p->in_flight >= size);
    p->in_flight -= size;
    if (offset < 0)
        return;
    entry_push(p, (struct embedded_entry){offset, size});
    partition_trim(t, partition);
}

static struct embedded_reader *reader_find(struct embedded_topic *t, const char *group)
{
    struct embedded_reader *r;
    TAILQ_FOREACH(r, &t->readers, link)
    if (strcmp(r->group, group) == 0)
        return r;
    return NULL;
}

void kafka_embedded_join(struct kafka_embedded *k, const char *group, const char *const *topics)
{
    for (; *topics; topics++) {
        struct embedded_topic *t = topic_get(k, *topics);
        struct embedded_reader *r = reader_find(t, group);
        if (!r) {
            r = mem_zalloc(sizeof *r);
            r->group = mem_strdup(group);
            r->position = mem_array((size_t)t->npartitions, sizeof *r->position);
            TAILQ_INSERT_TAIL(&t->readers, r, link);
        }
        r->members++;
    }
}

void kafka_embedded_leave(struct kafka_embedded *k, const char *group, const char *const *topics)
{
    for (; *topics; topics++) {
        struct embedded_topic *t = topic_get(k, *topics);
        struct embedded_reader *r = reader_find(t, group);
        if (!r || --r->members > 0)
            continue;
        reader_free(t, r);
        for (int32_t i = 0; i < t->npartitions; i++)
            partition_trim(t, i);
    }
}

void kafka_embedded_consumed(struct kafka_embedded *k, const char *group, const char *topic,
                             int32_t partition, int64_t next_offset)
{
    struct embedded_topic *t = topic_get(k, topic);
    struct embedded_reader *r = reader_find(t, group);
    if (!r || partition < 0 || partition >= t->npartitions || next_offset <= r->position[partition])
        return;
    r->position[partition] = next_offset;
    partition_trim(t, partition);
}

static bool topic_idle(const struct embedded_topic *t)
{
    for (int i = 0; i < t->npartitions && !TAILQ_EMPTY(&t->readers); i++)
        if (t->partitions[i].len > 0 || t->partitions[i].in_flight > 0)
            return false;
    return true;
}

bool kafka_embedded_idle(const struct kafka_embedded *k)
{
    const struct embedded_topic *t;
    TAILQ_FOREACH(t, &k->topics, link)
    if (!topic_idle(t))
        return false;
    return true;
}
