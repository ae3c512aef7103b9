/* Who gets which partition, and where it starts.
 *
 * The assignor is eager: a rebalance takes everything and gives everything anew, and librdkafka waits for
 * rd_kafka_assign() after each. Before that, the owner of each partition may ask for an earlier start than
 * the group's offset, and it may need a service to know it. So the call is held back until every partition
 * has its start, but not longer than HOLD_MS, for the other members wait too; a partition that has none by
 * then is left out, consumes nothing, and comes in by another call of rd_kafka_assign() later, with the
 * others going on exactly where they are.
 *
 * The group's offset is needed when the owner gave one: the lower counts. rd_kafka_committed() would block;
 * the admin API answers by an event. A failed lookup is repeated: to start without it could skip messages. */
#include "kafka/kafka_group.h"

enum {
    HOLD_MS = 10000,
    LOOKUP_TIMEOUT_MS = 5000,
    LOOKUP_RETRY_MS = 500,
    BUFFERS_BYTES = 16 * 1024 * 1024, /* of all partitions together */
    BUFFER_BYTES_MIN = 256 * 1024,
    BUFFER_BYTES_MAX = 4 * 1024 * 1024,
};

/* --- the group's offsets --- */

static bool needs_lookup(const struct kafka_partition *p)
{
    return p->answered && !p->resolved;
}

static void lookup_start(struct kafka_consumer *c)
{
    char why[200];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->npartitions);
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (needs_lookup(p))
        rd_kafka_topic_partition_list_add(list, p->topic->name, p->number);
    rd_kafka_ListConsumerGroupOffsets_t *query = rd_kafka_ListConsumerGroupOffsets_new(c->group, list);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(c->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_AdminOptions_set_request_timeout(options, LOOKUP_TIMEOUT_MS, why, sizeof why);
    rd_kafka_AdminOptions_set_opaque(options, (void *)(uintptr_t)c->generation);
    c->lookup_running = true;
    rd_kafka_ListConsumerGroupOffsets(c->rk, &query, 1, options, c->bridge.queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(query);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The lower of the group's offset and the owner's; without a committed one the group starts by
 * auto.offset.reset. */
static void resolve(struct kafka_partition *p, int64_t committed)
{
    if (committed >= 0)
        p->start = committed < p->wanted ? committed : p->wanted;
    else
        p->start = p->consumer->reset_to_latest ? p->wanted : RD_KAFKA_OFFSET_STORED;
    p->resolved = true;
    if (p->start < committed)
        log_info(&kafka_logger, "partition starts before the group's offset", LOG_S("topic", p->topic->name),
                 LOG_I("partition", p->number), LOG_I("offset", p->start), LOG_I("committed", committed));
}

/* Returns the first error, or none. */
static rd_kafka_resp_err_t take_offsets(struct kafka_consumer *c, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (err)
        return err;
    size_t n;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
    if (n != 1)
        return RD_KAFKA_RESP_ERR__BAD_MSG;
    const rd_kafka_error_t *error = rd_kafka_group_result_error(groups[0]);
    if (error)
        return rd_kafka_error_code(error);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(groups[0]);
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *one = &list->elems[i];
        struct kafka_partition *p = kafka_partition_find(c, one->topic, one->partition);
        if (one->err)
            err = one->err;
        else if (p && needs_lookup(p))
            resolve(p, one->offset);
    }
    return err;
}

void kafka_assign_offsets(struct kafka_consumer *c, rd_kafka_event_t *event)
{
    if ((uint64_t)(uintptr_t)rd_kafka_event_opaque(event) != c->generation)
        return;
    c->lookup_running = false;
    rd_kafka_resp_err_t err = take_offsets(c, event);
    if (!err) {
        loop_defer(c->loop, &c->assign);
        return;
    }
    log_warn(&kafka_logger, "the group's offsets cannot be read", LOG_S("group", c->group),
             LOG_S("error", rd_kafka_err2str(err)));
    loop_timer_start(c->lookup_retry, LOOKUP_RETRY_MS);
}

/* --- rd_kafka_assign() --- */

static int64_t offset_for_assign(const struct kafka_partition *p)
{
    return p->next >= 0 ? p->next : p->start;
}

/* Give librdkafka every partition whose start is known. */
static void assign_now(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->npartitions);
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (p->resolved)
        rd_kafka_topic_partition_list_add(list, p->topic->name, p->number)->offset = offset_for_assign(p);
    rd_kafka_resp_err_t err = rd_kafka_assign(c->rk, list);
    if (err)
        log_error(&kafka_logger, "partitions cannot be taken", LOG_S("group", c->group),
                  LOG_S("error", rd_kafka_err2str(err)));
    rd_kafka_topic_partition_list_destroy(list);
    c->assign_pending = false;
    TAILQ_FOREACH(p, &c->partitions, link)
    {
        if (!p->resolved)
            continue;
        if (p->state != PARTITION_WAITING) /* a second call: it starts again where it is */
            p->overlap = p->next;
        else if (p->start >= 0)
            p->done = p->start;
        if (p->state == PARTITION_WAITING)
            p->state = PARTITION_IDLE;
        if (p->paused) /* a new assignment is not */
            kafka_partition_pause(p, true);
    }
}

/* Is there something to wait for? Starts the lookup if that is what is missing. */
static bool must_wait(struct kafka_consumer *c)
{
    bool waiting = false, lookup = false;
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    {
        waiting |= !p->resolved;
        lookup |= needs_lookup(p);
    }
    if (lookup && !c->lookup_running && !loop_timer_running(c->lookup_retry))
        lookup_start(c);
    return waiting && !c->hold_over;
}

/* Has a partition been resolved that librdkafka does not have? */
static bool has_news(const struct kafka_consumer *c)
{
    const struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (p->resolved && p->state == PARTITION_WAITING)
        return true;
    return false;
}

static void on_assign(void *arg)
{
    struct kafka_consumer *c = arg;
    if (c->state != CONSUMER_RUNNING || !c->joined || must_wait(c))
        return;
    if (!c->assign_pending && !has_news(c))
        return;
    loop_timer_stop(c->hold);
    assign_now(c);
}

static void on_hold_over(void *arg)
{
    struct kafka_consumer *c = arg;
    c->hold_over = true;
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    if (!p->resolved)
        log_warn(&kafka_logger, "partition waits for its start", LOG_S("group", c->group),
                 LOG_S("topic", p->topic->name), LOG_I("partition", p->number));
    loop_defer(c->loop, &c->assign);
}

static void on_lookup_retry(void *arg)
{
    struct kafka_consumer *c = arg;
    loop_defer(c->loop, &c->assign);
}

static void start_at(struct kafka_partition *p, int64_t offset)
{
    if (p->answered)
        return;
    p->answered = true;
    p->wanted = offset;
    if (offset < 0) {
        p->start = RD_KAFKA_OFFSET_STORED;
        p->resolved = true;
    }
    loop_defer(p->consumer->loop, &p->consumer->assign);
}

void kafka_consumer_start_at(struct kafka_consumer *c, const char *topic, int32_t partition, int64_t offset)
{
    struct kafka_partition *p = kafka_partition_find(c, topic, partition);
    if (p) /* else it was revoked in the meantime */
        start_at(p, offset);
}

/* --- rebalance --- */

static size_t buffer_share(size_t partitions)
{
    size_t share = BUFFERS_BYTES / (partitions ? partitions : 1);
    return share < BUFFER_BYTES_MIN ? BUFFER_BYTES_MIN : share > BUFFER_BYTES_MAX ? BUFFER_BYTES_MAX : share;
}

static void on_given(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    kafka_assign_drop(c);
    c->generation++;
    c->joined = true;
    c->brokers_up = true; /* the news came from one */
    c->assign_pending = true;
    c->hold_over = false;
    c->joined_us = clock_mono_us();
    c->trouble[0] = '\0';
    c->buffer_bytes = buffer_share((size_t)list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_topic *topic = kafka_consumer_topic(c, list->elems[i].topic);
        if (!topic)
            continue; /* not subscribed to */
        topic->missing = false;
        kafka_partition_new(c, topic, list->elems[i].partition);
    }
    log_info(&kafka_logger, "partitions assigned", LOG_S("group", c->group),
             LOG_I("partitions", c->npartitions));
    metric_add(c->rebalances, 1);
    metric_set(c->assigned, (double)c->npartitions);
    loop_timer_start(c->hold, HOLD_MS);
    loop_defer(c->loop, &c->assign);
    uint64_t generation = c->generation;
    struct kafka_partition *p;
    TAILQ_FOREACH(p, &c->partitions, link)
    {
        if (c->ops.on_assigned)
            c->ops.on_assigned(c->arg, p->topic->name, p->number);
        else
            start_at(p, -1);
        ASSERT(c->generation == generation);
    }
}

static void on_taken(struct kafka_consumer *c)
{
    log_info(&kafka_logger, "partitions revoked", LOG_S("group", c->group),
             LOG_I("partitions", c->npartitions),
             LOG_S("reason", rd_kafka_assignment_lost(c->rk) ? "lost" : "rebalance"));
    kafka_assign_drop(c);
    c->generation++;
    c->joined = false;
    c->unjoined_us = clock_mono_us();
    c->assign_pending = false;
    loop_timer_stop(c->hold);
    metric_set(c->assigned, 0);
    rd_kafka_assign(c->rk, NULL); /* commits what is stored */
}

void kafka_assign_rebalance(struct kafka_consumer *c, rd_kafka_event_t *event)
{
    bool given = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (given && c->state == CONSUMER_RUNNING) {
        on_given(c, rd_kafka_event_topic_partition_list(event));
        return;
    }
    on_taken(c);
}

void kafka_assign_drop(struct kafka_consumer *c)
{
    c->lookup_running = false;
    loop_timer_stop(c->lookup_retry);
    struct kafka_partition *p;
    while ((p = TAILQ_FIRST(&c->partitions))) {
        struct kafka_topic *topic = p->topic;
        int32_t number = p->number;
        kafka_partition_free(p);
        if (c->ops.on_revoked)
            c->ops.on_revoked(c->arg, topic->name, number);
    }
}

void kafka_assign_refuse(struct kafka_consumer *c)
{
    if (!c->assign_pending)
        return;
    c->assign_pending = false;
    loop_timer_stop(c->hold);
    rd_kafka_assign(c->rk, NULL);
}

void kafka_assign_init(struct kafka_consumer *c)
{
    c->hold = loop_timer_new(c->loop, on_hold_over, c);
    c->lookup_retry = loop_timer_new(c->loop, on_lookup_retry, c);
    c->assign = (struct loop_task){.run = on_assign, .arg = c};
}

void kafka_assign_free(struct kafka_consumer *c)
{
    loop_timer_free(c->hold);
    loop_timer_free(c->lookup_retry);
    loop_defer_cancel(c->loop, &c->assign);
}
