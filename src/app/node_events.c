/* Where events go and come from: Kafka (a cluster or the embedded one) or handlers in this process. */
#include <stdio.h>

#include "app/node_internal.h"
#include "app/pools.h"
#include "store/ranking.h"

#define TOPICS_TIMEOUT_MS 10000
#define TOPICS_RETRY_MS   2000
#define KAFKA_END_MS      2000
#define LOCAL_LOCK_KEY    INT64_C(0x727573686470) /* "rushdp": the one worker of the local mode */

/* --- Kafka --- */

static const char *type_id(enum event_topic topic)
{
    static const char *const keys[] = {"order-completed", "product-ranking", "data-platform-transfer",
                                       "coupon-issue"};
    static const enum msg_kind kinds[] = {MSG_ORDER_COMPLETED, MSG_PRODUCT_RANKING, MSG_DATA_PLATFORM,
                                          MSG_COUPON_ISSUE};
    const struct option_map *own = &app_config.kafka.producer.type_ids;
    for (size_t i = 0; i < own->len; i++)
        if (str_ieq(own->entries[i].key, keys[topic]))
            return own->entries[i].value;
    if (app_config.kafka.producer.type_headers != TYPE_HEADERS_JAVA)
        return NULL;
    return msg_type_id(kinds[topic], (enum msg_schema)app_config.kafka.producer.schema);
}

static void on_producer_state(void *arg, bool up, const char *reason)
{
    struct node *n = arg;
    n->producer_up = up;
    n->producer_was_up |= up;
    str_copy(n->producer_reason, sizeof n->producer_reason, up || !reason ? "" : reason);
    node_health_kafka(n);
}

static bool embedded_new(struct node *n, struct error *e)
{
    n->embedded = kafka_embedded_start(e);
    if (!n->embedded)
        return false;
    n->bootstrap = mem_strdup(kafka_embedded_bootstrap(n->embedded));
    log_info(&log_node, "embedded Kafka started; what nobody has read is lost at exit",
             LOG_S("bootstrap", n->bootstrap));
    return true;
}

static bool producer_new(struct node *n, struct error *e)
{
    const struct kafka_producer_config cfg = app_kafka_producer_config(&n->kafka);
    if (!str_ieq(cfg.acks, "all") && !str_ieq(cfg.acks, "-1"))
        log_warn(&log_node,
                 "kafka.producer.acks is not all: idempotence is off, a broker that dies can lose events",
                 LOG_S("acks", cfg.acks));
    n->producer = kafka_producer_new(n->loop, &cfg, e);
    if (!n->producer)
        return false;
    kafka_producer_on_state(n->producer, on_producer_state, n);
    struct kafka_ports_config ports = {.dead_letter_suffix = app_config.kafka.consumer.dead_letter_suffix};
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        ports.topics[i] = app_config.kafka.topics[i];
        ports.type_ids[i] = type_id((enum event_topic)i);
    }
    n->kafka_ports = kafka_ports_new(n->loop, n->producer, &ports);
    return true;
}

static void create_topics(void *arg);

static void on_topics(void *arg, const struct error *e)
{
    struct node *n = arg;
    if (e && e->kind != ERROR_NONE) {
        static struct log_gate gate;
        int64_t suppressed;
        if (log_gate_open(&gate, 30000, &suppressed))
            log_warn(&log_node, "topics could not be created, will try again", LOG_ERR(e));
        if (n->state != NODE_STOPPING)
            loop_timer_start(n->topics_timer, TOPICS_RETRY_MS);
        return;
    }
    n->topics_ready = true;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        kafka_producer_topic(n->producer, app_config.kafka.topics[i]);
    node_consumers_start(n);
}

/* The four topics and the dead letters of those that are consumed. */
static void create_topics(void *arg)
{
    struct node *n = arg;
    if (!app_config.kafka.create_topics) {
        on_topics(n, NULL);
        return;
    }
    struct kafka_topic_spec specs[2 * EVENT_TOPIC_COUNT];
    char dead[EVENT_TOPIC_COUNT][512];
    size_t count = 0;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        const char *name = app_config.kafka.topics[i];
        specs[count++] = (struct kafka_topic_spec){name, (int)app_config.kafka.partitions,
                                                   (int)app_config.kafka.replication_factor};
        if (i == EVENT_ORDER_COMPLETED)
            continue;
        snprintf(dead[i], sizeof dead[i], "%s%s", name, app_config.kafka.consumer.dead_letter_suffix);
        specs[count++] = (struct kafka_topic_spec){dead[i], (int)app_config.kafka.partitions,
                                                   (int)app_config.kafka.replication_factor};
    }
    kafka_producer_create_topics(n->producer, specs, count, TOPICS_TIMEOUT_MS, on_topics, n);
}

static bool kafka_new(struct node *n, struct error *e)
{
    if (app_config_embedded()) {
        if (!embedded_new(n, e))
            return false;
    } else {
        n->bootstrap = mem_strdup(app_config.kafka.bootstrap_servers);
    }
    n->kafka = app_kafka_config(n->bootstrap, app_config.node_id);
    if (!producer_new(n, e))
        return false;
    n->topics_timer = loop_timer_new(n->loop, create_topics, n);
    create_topics(n);
    return true;
}

/* --- local --- */

static void on_worker(void *arg, bool held)
{
    struct node *n = arg;
    n->worker = held;
    log_info(&log_node, held ? "this node is the worker of the local mode"
                             : "another node is the worker of the local mode");
    node_work(n);
}

static void local_new(struct node *n)
{
    struct local_ports_config cfg = {.batch_max = (size_t)app_config.kafka.consumer.max_poll_records,
                                     .queue_max = 20000};
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        cfg.topics[i] = app_config.kafka.topics[i];
    n->local = local_ports_new(n->loop, n->store, &cfg);
    if (app_config.roles & (ROLE_QUEUE | ROLE_CONSUMERS))
        n->worker_lock = pg_lock_new(n->pg, LOCAL_LOCK_KEY, on_worker, n);
}

bool node_events_new(struct node *n, struct error *e)
{
    if (app_config.publisher == PUBLISHER_KAFKA)
        return kafka_new(n, e);
    local_new(n);
    return true;
}

struct event_sink node_sink(struct node *n)
{
    return n->local ? local_ports_sink(n->local) : kafka_ports_sink(n->kafka_ports);
}

/* --- consumers --- */

static const struct {
    enum event_topic topic;
    char **group;
} consumers[GROUP_COUNT] = {
    [GROUP_RANKING] = {EVENT_PRODUCT_RANKING, &app_config.kafka.consumer.group_ranking},
    [GROUP_COUPON] = {EVENT_COUPON_ISSUE, &app_config.kafka.consumer.group_coupon},
    [GROUP_PLATFORM] = {EVENT_DATA_PLATFORM, &app_config.kafka.consumer.group_platform},
};

static int group_index(const struct node *n, const struct kafka_group *g)
{
    for (int i = 0; i < GROUP_COUNT; i++)
        if (n->groups[i] == g)
            return i;
    return 0;
}

static void on_group_state(void *arg, struct kafka_group *g, bool up, const char *reason)
{
    struct node *n = arg;
    int i = group_index(n, g);
    n->group_up[i] = up;
    str_copy(n->group_reason[i], sizeof n->group_reason[i], up || !reason ? "" : reason);
    node_health_kafka(n);
}

/* The ranking counts in Redis what Redis knows: start at the lower of its offset and the group's. */
struct assigned {
    struct node *node;
    struct kafka_group *group;
    int32_t partition;
    char topic[256];
};

static void on_ranking_offset(void *arg, int64_t offset, const struct error *e)
{
    struct assigned *a = arg;
    if (e && e->kind != ERROR_NONE)
        log_warn(&log_node, "offset of the ranking could not be read, the group's is taken", LOG_ERR(e),
                 LOG_I("partition", a->partition));
    kafka_group_start_at(a->group, a->topic, a->partition, e && e->kind != ERROR_NONE ? -1 : offset);
    mem_free(a);
}

static void on_ranking_assigned(void *arg, struct kafka_group *g, const char *topic, int32_t partition)
{
    struct node *n = arg;
    struct assigned *a = mem_zalloc(sizeof *a);
    *a = (struct assigned){.node = n, .group = g, .partition = partition};
    str_copy(a->topic, sizeof a->topic, topic);
    ranking_offset(n->store, topic, partition, on_ranking_offset, a);
}

static struct event_source source_of(struct node *n, int i)
{
    return n->local ? local_ports_source(n->local, consumers[i].topic) : kafka_group_source(n->groups[i]);
}

static struct document_sink documents(struct node *n)
{
    if (!*app_config.platform.url)
        return (struct document_sink){0};
    n->platform_port = platform_port_new(n->loop, app_config.platform.url, app_config.platform.timeout,
                                         app_config.platform.max_in_flight);
    return platform_port_sink(n->platform_port);
}

static void flows_new(struct node *n, const struct coupon_config *coupons)
{
    struct dead_letter_port dead =
        n->local ? local_ports_dead_letters(n->local) : kafka_ports_dead_letters(n->kafka_ports);
    struct consumer_config cfg = {.attempts = app_config.kafka.consumer.attempts,
                                  .backoff_ms = app_config.kafka.consumer.backoff,
                                  .backoff_max_ms = app_config.kafka.consumer.backoff_max};
    cfg.group = app_config.kafka.consumer.group_ranking;
    n->ranking = ranking_flow_new(n->loop, n->store, source_of(n, GROUP_RANKING), dead, &cfg,
                                  (int)app_config.ranking.retention_days);
    n->issue = coupon_issue_new(n->loop, n->store, source_of(n, GROUP_COUPON), dead, coupons);
    cfg.group = app_config.kafka.consumer.group_platform;
    const struct platform_config platform = {.consumer = cfg,
                                             .max_in_flight = app_config.platform.max_in_flight,
                                             .failure_threshold = app_config.platform.failure_threshold,
                                             .open_for_ms = app_config.platform.open_for};
    n->platform =
        platform_flow_new(n->loop, n->store, source_of(n, GROUP_PLATFORM), dead, documents(n), &platform);
}

static struct event_handler handler_of(struct node *n, int i)
{
    return i == GROUP_RANKING  ? ranking_flow_handler(n->ranking)
           : i == GROUP_COUPON ? coupon_issue_handler(n->issue)
                               : platform_flow_handler(n->platform);
}

void node_consumers_new(struct node *n, const struct coupon_config *coupons)
{
    for (int i = 0; i < GROUP_COUNT && !n->local; i++) {
        const struct kafka_group_hooks hooks = {i == GROUP_RANKING ? on_ranking_assigned : NULL,
                                                on_group_state, n};
        n->groups[i] = kafka_group_new(n->loop, *consumers[i].group, &hooks);
    }
    flows_new(n, coupons);
    if (!n->local)
        return;
    for (int i = 0; i < GROUP_COUNT; i++)
        local_ports_handle(n->local, consumers[i].topic, handler_of(n, i));
    const struct dead_letter_topics topics = app_dead_letter_topics();
    n->redrive = redrive_new(n->loop, n->store, node_sink(n), &topics);
}

static void start_group(struct node *n, int i)
{
    const char *topics[] = {app_config.kafka.topics[consumers[i].topic], NULL};
    struct error e = ERROR_INIT;
    struct buf instance = BUF_INIT;
    buf_printf(&instance, "%s-%s", app_config.node_id, *consumers[i].group);
    const struct kafka_consumer_config cfg = {
        .common = &n->kafka,
        .group_id = *consumers[i].group,
        .group_instance_id = app_config.node_id_fixed ? buf_str(&instance) : NULL,
        .topics = topics,
        .auto_offset_reset = app_config.kafka.consumer.offset_reset,
        .max_poll_records = app_config.kafka.consumer.max_poll_records,
        .concurrency = app_config.kafka.consumer.concurrency,
        .session_timeout_ms = app_config.kafka.consumer.session_timeout,
        .heartbeat_interval_ms = app_config.kafka.consumer.heartbeat_interval,
    };
    if (!kafka_group_start(n->groups[i], &cfg, handler_of(n, i), &e)) {
        log_error(&log_node, "consumer group could not be started", LOG_S("group", *consumers[i].group),
                  LOG_ERR(&e));
        on_group_state(n, n->groups[i], false, e.text);
    }
    buf_free(&instance);
}

/* Consumers join when the topics are there and the schema is right: before that they could only wait. */
void node_consumers_start(struct node *n)
{
    if (n->local || !(app_config.roles & ROLE_CONSUMERS) || !n->topics_ready || !n->schema_ok ||
        n->state == NODE_STOPPING)
        return;
    for (int i = 0; i < GROUP_COUNT; i++)
        if (!kafka_group_started(n->groups[i]))
            start_group(n, i);
}

void node_events_end(struct node *n)
{
    platform_port_free(n->platform_port);
    kafka_producer_free(n->producer);
    if (n->local)
        local_ports_close(n->local);
    loop_timer_free(n->topics_timer);
    loop_timer_free(n->embedded_timer);
}

void node_events_free(struct node *n)
{
    for (int i = 0; i < GROUP_COUNT; i++)
        kafka_group_free(n->groups[i]);
    local_ports_free(n->local);
    kafka_ports_free(n->kafka_ports);
    kafka_end(KAFKA_END_MS);
    kafka_embedded_free(n->embedded);
    mem_free(n->bootstrap);
}
