/* The option tables of the contract's section 2, the source system's other names, and the relations between
 * keys. */
#include "app/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "msg/msg_date.h"
#include "pg/pg.h"

struct app_config app_config;

static const char *const role_names[] = {"api", "queue", "consumers", NULL};
static const char *const exposure_names[] = {"health", "info", "metrics", "prometheus", "loggers", "*", NULL};
static const char *const show_details_names[] = {"always", "never", "when-authorized", "when_authorized",
                                                 NULL};
static const char *const publisher_names[] = {"kafka", "local|spring", NULL};
static const char *const type_header_names[] = {"java|true", "off|false", NULL};
static const char *const schema_names[] = {"documented", "extended", "both", NULL};
static const char *const durability_names[] = {"database", "redis", NULL};
static const char *const log_format_names[] = {"logfmt", "json", NULL};

#define C(field) (&app_config.field)
#define SECOND   INT64_C(1000)
#define MINUTE   (60 * SECOND)
#define HOUR     (60 * MINUTE)

static const struct option server_options[] = {
    {"server.address", OPTION_STRING, C(server.address), "127.0.0.1",
     .help = "Numeric address to listen on; beyond loopback only with server.trust-callers."},
    {"server.port", OPTION_INT, C(server.port), "8083", 0, 65535,
     .help = "Port of the API; 0 takes any free one."},
    {"server.trust-callers", OPTION_BOOL, C(server.trust_callers), "false",
     .help = "A gateway in front authenticates the callers: rushd believes the userId it is given."},
    {"server.time-zone", OPTION_STRING, C(server.time_zone), "Asia/Seoul",
     .help = "Zone of every local date and day; nodes of one database must agree."},
    {"server.max-connections", OPTION_INT, C(server.max_connections), "10000", 1, 1000000,
     .help = "Open connections; one more is answered 503."},
    {"server.max-request-body", OPTION_SIZE, C(server.max_request_body), "64KB", 1024, 16 << 20,
     .help = "Largest request body; a larger one is answered 413."},
    {"server.header-timeout", OPTION_DURATION, C(server.header_timeout), "5s", 100, HOUR,
     .help = "Time for a whole request head."},
    {"server.body-timeout", OPTION_DURATION, C(server.body_timeout), "10s", 100, HOUR,
     .help = "Time for a whole request body."},
    {"server.keep-alive-timeout", OPTION_DURATION, C(server.keep_alive_timeout), "60s", 100, HOUR,
     .help = "How long an idle connection is kept."},
    {"server.request-timeout", OPTION_DURATION, C(server.request_timeout), "10s", 500, HOUR,
     .help = "Time from a complete request to its answer; then 503."},
    {"server.shutdown-timeout", OPTION_DURATION, C(server.shutdown_timeout), "30s", SECOND, HOUR,
     .help = "How long a stop may take before what is left is cut."},
    {"management.server.port", OPTION_INT, C(management.port), "0", 0, 65535,
     .help = "Port of /actuator; 0 serves it on server.port."},
    {"management.server.address", OPTION_STRING, C(management.address), "127.0.0.1",
     .help = "Address of the management port."},
    {"management.endpoints.web.exposure.include", OPTION_SET, C(management.exposure),
     "health,info,metrics,prometheus", .choices = exposure_names, .help = "Endpoints under /actuator."},
    {"management.endpoint.health.show-details", OPTION_ENUM, C(management.show_details), "always",
     .choices = show_details_names, .help = "Whether health lists components and details."},
    {"node.roles", OPTION_SET, C(roles), "api,queue,consumers", .choices = role_names,
     .help = "What this node does."},
    {"node.id", OPTION_STRING, C(fixed_node_id), "",
     .help = "Name of this process, unique; empty takes host name and pid. A fixed one makes consumers "
             "static members."},
    {"startup.require-services", OPTION_BOOL, C(require_services), "false",
     .help = "End with status 69 when PostgreSQL, Redis or Kafka is away at start."},
    {"logging.level.*", OPTION_MAP, C(logging.levels), .flags = OPTION_RELOAD,
     .help = "Level of a logger, \"root\" for all: trace, debug, info, warn, error, off."},
    {"logging.format", OPTION_ENUM, C(logging.format), "logfmt", .choices = log_format_names,
     .flags = OPTION_RELOAD, .help = "Form of a log line."},
    {0},
};

static const struct option service_options[] = {
    {"datasource.url", OPTION_STRING, C(datasource.url), "postgresql:///rushd",
     .help = "PostgreSQL, as a libpq URI or jdbc:postgresql:// URL. Service files are not used."},
    {"datasource.username", OPTION_STRING, C(datasource.username), "",
     .help = "Overrides the user of the URL."},
    {"datasource.password", OPTION_STRING, C(datasource.password), "", .flags = OPTION_SECRET | OPTION_RELOAD,
     .help = "Overrides the password of the URL."},
    {"datasource.pool-size", OPTION_INT, C(datasource.pool_size), "8", 3, 200,
     .help = "Connections of the pool."},
    {"datasource.max-waiting", OPTION_INT, C(datasource.max_waiting), "10000", 16, 1000000,
     .help = "Requests that may wait for the database; one more is answered 503."},
    {"datasource.statement-timeout", OPTION_DURATION, C(datasource.statement_timeout), "5s", 100, HOUR,
     .help = "Limit of one statement."},
    {"datasource.auto-migrate", OPTION_BOOL, C(datasource.auto_migrate), "false",
     .help = "Bring the schema up to date at start."},
    {"redis.host", OPTION_STRING, C(redis.host), "127.0.0.1", .help = "Redis host."},
    {"redis.port", OPTION_INT, C(redis.port), "6379", 1, 65535, .help = "Redis port."},
    {"redis.socket", OPTION_STRING, C(redis.socket), "",
     .help = "Unix socket of Redis; beats host and port."},
    {"redis.username", OPTION_STRING, C(redis.username), "", .help = "ACL user."},
    {"redis.password", OPTION_STRING, C(redis.password), "", .flags = OPTION_SECRET | OPTION_RELOAD,
     .help = "Password for AUTH."},
    {"redis.database", OPTION_INT, C(redis.database), "0", 0, 1000000, .help = "Database number."},
    {"redis.timeout", OPTION_DURATION, C(redis.timeout), "1s", 50, MINUTE,
     .help = "Connect deadline, and deadline of a command."},
    {"redis.max-in-flight", OPTION_INT, C(redis.max_in_flight), "4096", 16, 1000000,
     .help = "Commands without a reply; one more is refused."},
    {"event.publisher.type", OPTION_ENUM, C(publisher), "kafka", .choices = publisher_names,
     .help = "kafka, or local: handlers run in this process without a broker."},
    {"data-platform.url", OPTION_STRING, C(platform.url), "",
     .help = "Where documents are POSTed; empty counts and logs them."},
    {"data-platform.timeout", OPTION_DURATION, C(platform.timeout), "5s", 50, 10 * MINUTE,
     .help = "Limit of one POST."},
    {"data-platform.max-in-flight", OPTION_INT, C(platform.max_in_flight), "64", 1, 10000,
     .help = "POSTs at once."},
    {"data-platform.circuit.failure-threshold", OPTION_INT, C(platform.failure_threshold), "10", 1, 1000000,
     .help = "Failures in a row that open the circuit."},
    {"data-platform.circuit.open-for", OPTION_DURATION, C(platform.open_for), "10s", 100, HOUR,
     .help = "How long an open circuit rests before it is tried again."},
    {0},
};

static const struct option kafka_options[] = {
    {"kafka.bootstrap-servers", OPTION_STRING, C(kafka.bootstrap_servers), "localhost:9092",
     .help = "Brokers; \"embedded\" starts a mock cluster in this process (demo and tests)."},
    {"kafka.topics.order-completed", OPTION_STRING, C(kafka.topics[0]), "order-completed-topic",
     .help = "Topic of completed orders."},
    {"kafka.topics.product-ranking", OPTION_STRING, C(kafka.topics[1]), "product-ranking-topic",
     .help = "Topic of sales per product."},
    {"kafka.topics.data-platform-transfer", OPTION_STRING, C(kafka.topics[2]), "data-platform-transfer-topic",
     .help = "Topic of documents for the data platform."},
    {"kafka.topics.coupon-issue", OPTION_STRING, C(kafka.topics[3]), "coupon-issue-events",
     .help = "Topic of coupon requests."},
    {"kafka.topics.create", OPTION_BOOL, C(kafka.create_topics), "true",
     .help = "Create missing topics at start."},
    {"kafka.topics.partitions", OPTION_INT, C(kafka.partitions), "3", 1, 10000,
     .help = "Partitions of a new topic."},
    {"kafka.topics.replication-factor", OPTION_INT, C(kafka.replication_factor), "-1", -1, 100,
     .help = "Replicas of a new topic; -1 takes the broker's default."},
    {"kafka.producer.acks", OPTION_STRING, C(kafka.producer.acks), "all",
     .help = "all (with idempotence); 1 or 0 risk events and are warned about."},
    {"kafka.producer.retries", OPTION_INT, C(kafka.producer.retries), "-1", -1, INT32_MAX,
     .help = "Tries of librdkafka; -1 takes its default."},
    {"kafka.producer.batch.size", OPTION_SIZE, C(kafka.producer.batch_size), "16384", 1, INT32_MAX,
     .help = "Bytes of a message batch."},
    {"kafka.producer.linger.ms", OPTION_DURATION, C(kafka.producer.linger), "5", 0, 900000,
     .help = "How long a batch waits for more."},
    {"kafka.producer.buffer.memory", OPTION_SIZE, C(kafka.producer.buffer_memory), "33554432", 1 << 20,
     2000000000, .help = "Bytes that may wait for the broker."},
    {"kafka.producer.compression.type", OPTION_STRING, C(kafka.producer.compression), "lz4",
     .help = "none, gzip, snappy, lz4 or zstd."},
    {"kafka.producer.delivery.timeout.ms", OPTION_DURATION, C(kafka.producer.delivery_timeout), "10000", 100,
     900000, .help = "When an undelivered message is given up; stays below coupon.queue.lease."},
    {"kafka.producer.type-headers", OPTION_ENUM, C(kafka.producer.type_headers), "java",
     .choices = type_header_names, .help = "__TypeId__ headers with the source's class names, or none."},
    {"kafka.producer.type-id.*", OPTION_MAP, C(kafka.producer.type_ids),
     .help = "Own __TypeId__ of a topic: order-completed, product-ranking, data-platform-transfer, "
             "coupon-issue."},
    {"kafka.producer.schema", OPTION_ENUM, C(kafka.producer.schema), "documented", .choices = schema_names,
     .help = "Form of the messages."},
    {"kafka.consumer.auto-offset-reset", OPTION_STRING, C(kafka.consumer.offset_reset), "earliest",
     .help = "Where a new group starts: earliest or latest."},
    {"kafka.consumer.max-poll-records", OPTION_INT, C(kafka.consumer.max_poll_records), "500", 1, 100000,
     .help = "Messages of one batch, one transaction, one partition."},
    {"kafka.consumer.concurrency", OPTION_INT, C(kafka.consumer.concurrency), "3", 1, 1000,
     .help = "Partitions of a group worked on at once."},
    {"kafka.consumer.session.timeout.ms", OPTION_DURATION, C(kafka.consumer.session_timeout), "30000", 1000,
     5 * MINUTE, .help = "Silence after which a member is dead."},
    {"kafka.consumer.heartbeat.interval.ms", OPTION_DURATION, C(kafka.consumer.heartbeat_interval), "10000",
     100, HOUR, .help = "Time between heartbeats; at most a third of the session timeout."},
    {"kafka.consumer.group.product-ranking", OPTION_STRING, C(kafka.consumer.group_ranking),
     "product-ranking-group", .help = "Group of the ranking consumer."},
    {"kafka.consumer.group.coupon-issue", OPTION_STRING, C(kafka.consumer.group_coupon), "coupon-issue-group",
     .help = "Group of the coupon consumer."},
    {"kafka.consumer.group.data-platform", OPTION_STRING, C(kafka.consumer.group_platform),
     "data-platform-group", .help = "Group of the data platform consumer."},
    {"kafka.consumer.attempts", OPTION_INT, C(kafka.consumer.attempts), "10", 1, 1000,
     .help = "Tries of a message that fails by itself before it becomes a dead letter."},
    {"kafka.consumer.backoff", OPTION_DURATION, C(kafka.consumer.backoff), "100ms", 0, HOUR,
     .help = "First pause between tries; doubles."},
    {"kafka.consumer.backoff-max", OPTION_DURATION, C(kafka.consumer.backoff_max), "10s", 1, HOUR,
     .help = "Longest pause between tries."},
    {"kafka.consumer.dead-letter-suffix", OPTION_STRING, C(kafka.consumer.dead_letter_suffix), "-dlt",
     .help = "Appended to a topic's name for its dead letters."},
    {"kafka.librdkafka.*", OPTION_MAP, C(kafka.librdkafka), .flags = OPTION_SECRET,
     .help = "Passed on to librdkafka as it is (TLS, SASL, ...)."},
    {0},
};

static const struct option sale_options[] = {
    {"coupon.accept.durability", OPTION_ENUM, C(coupon.durability), "database", .choices = durability_names,
     .help = "What a 202 means: the request is in PostgreSQL too, or in what Redis persists."},
    {"coupon.queue.interval", OPTION_DURATION, C(coupon.interval), "1s", 50, HOUR,
     .help = "Time between drains."},
    {"coupon.queue.drain-per-tick", OPTION_INT, C(coupon.drain_per_tick), "0", 0, 1000000,
     .help = "Members taken per drain and coupon; 0 takes as many as the window has room for."},
    {"coupon.queue.window", OPTION_INT, C(coupon.window), "10000", 1, 1000000,
     .help = "Members of a coupon in flight at once."},
    {"coupon.queue.lease", OPTION_DURATION, C(coupon.lease), "30s", SECOND, HOUR,
     .help = "Time in which a taken member must be reported published."},
    {"coupon.queue.recheck", OPTION_DURATION, C(coupon.recheck), "60s", SECOND, 24 * HOUR,
     .help = "A member published longer ago without a result is published again."},
    {"coupon.queue.ttl", OPTION_DURATION, C(coupon.ttl), "25h", MINUTE, 720 * HOUR,
     .help = "A request older than this is decided FAILED."},
    {"coupon.queue.result-ttl", OPTION_DURATION, C(coupon.result_ttl), "30m", SECOND, 720 * HOUR,
     .help = "How long Redis keeps a result; PostgreSQL keeps it for ever."},
    {"coupon.queue.max-waiting", OPTION_INT, C(coupon.max_waiting), "1000000", 1, 100000000,
     .help = "Members in one line; one more is answered 503."},
    {"order.batch-max", OPTION_INT, C(order.batch_max), "256", 1, 5000, .help = "Orders of one transaction."},
    {"order.max-items", OPTION_INT, C(order.max_items), "100", 1, 1000, .help = "Lines of one order."},
    {"ranking.retention-days", OPTION_INT, C(ranking.retention_days), "4", 3, 366,
     .help = "Days that ranking keys are kept."},
    {"ranking.popular-days", OPTION_INT, C(ranking.popular_days), "3", 1, 366,
     .help = "Days that the popular list looks back."},
    {"ranking.popular-size", OPTION_INT, C(ranking.popular_size), "5", 1, 100,
     .help = "Length of the popular list."},
    {0},
};

#define SPELLING(from, to)                                                                                   \
    {                                                                                                        \
        from, to, NULL                                                                                       \
    }
#define IGNORED(key, why)                                                                                    \
    {                                                                                                        \
        key, NULL, why                                                                                       \
    }

/* Other spellings of the source system's files, and keys that have no meaning here. */
static const struct option_alias aliases[] = {
    SPELLING("kafka.producer.properties.acks", "kafka.producer.acks"),
    SPELLING("kafka.producer.properties.retries", "kafka.producer.retries"),
    SPELLING("kafka.producer.properties.batch.size", "kafka.producer.batch.size"),
    SPELLING("kafka.producer.properties.linger.ms", "kafka.producer.linger.ms"),
    SPELLING("kafka.producer.properties.buffer.memory", "kafka.producer.buffer.memory"),
    SPELLING("kafka.producer.properties.compression.type", "kafka.producer.compression.type"),
    SPELLING("kafka.producer.properties.delivery.timeout.ms", "kafka.producer.delivery.timeout.ms"),
    SPELLING("kafka.producer.batch-size", "kafka.producer.batch.size"),
    SPELLING("kafka.producer.buffer-memory", "kafka.producer.buffer.memory"),
    SPELLING("kafka.producer.compression-type", "kafka.producer.compression.type"),
    SPELLING("kafka.producer.linger-ms", "kafka.producer.linger.ms"),
    SPELLING("kafka.producer.properties.spring.json.add.type.headers", "kafka.producer.type-headers"),
    SPELLING("kafka.consumer.properties.auto.offset.reset", "kafka.consumer.auto-offset-reset"),
    SPELLING("kafka.consumer.properties.max.poll.records", "kafka.consumer.max-poll-records"),
    SPELLING("kafka.consumer.properties.session.timeout.ms", "kafka.consumer.session.timeout.ms"),
    SPELLING("kafka.consumer.properties.heartbeat.interval.ms", "kafka.consumer.heartbeat.interval.ms"),
    SPELLING("kafka.consumer.heartbeat-interval", "kafka.consumer.heartbeat.interval.ms"),
    SPELLING("kafka.listener.concurrency", "kafka.consumer.concurrency"),
    SPELLING("data.redis.host", "redis.host"),
    SPELLING("data.redis.port", "redis.port"),
    SPELLING("data.redis.username", "redis.username"),
    SPELLING("data.redis.password", "redis.password"),
    SPELLING("data.redis.database", "redis.database"),
    SPELLING("data.redis.timeout", "redis.timeout"),
    SPELLING("datasource.hikari.maximum-pool-size", "datasource.pool-size"),
    IGNORED("kafka.producer.key-serializer", "keys are always text"),
    IGNORED("kafka.producer.value-serializer", "values are always JSON"),
    IGNORED("kafka.consumer.key-deserializer", "keys are always text"),
    IGNORED("kafka.consumer.value-deserializer", "values are always JSON"),
    IGNORED("kafka.consumer.properties.spring.json.*", "any type header is read"),
    IGNORED("kafka.producer.properties.spring.json.*", "type headers are set by kafka.producer.type-headers"),
    IGNORED("kafka.consumer.enable-auto-commit", "offsets are stored after the effects are durable"),
    IGNORED("kafka.consumer.properties.enable.auto.commit",
            "offsets are stored after the effects are durable"),
    IGNORED("kafka.consumer.group-id", "each consumer has its own group: kafka.consumer.group.*"),
    IGNORED("kafka.listener.*", "offsets are stored after the effects are durable"),
    IGNORED("management.metrics.export.prometheus.enabled", "it is always on"),
    IGNORED("management.prometheus.metrics.export.enabled", "it is always on"),
    IGNORED("application.name", "the name is rushd"),
    IGNORED("profiles.*", "there are no profiles"),
    IGNORED("jpa.*", "there is no JPA"),
    IGNORED("datasource.driver-class-name", "libpq is the only driver"),
    IGNORED("datasource.hikari.*", "the pool is rushd's own"),
    {0},
};

static bool fail(struct error *e, const char *text)
{
    error_set(e, ERROR_PERMANENT, "CONFIG", "%s", text);
    return false;
}

static bool is_one_of(const char *value, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(value, *names) == 0)
            return true;
    return false;
}

static bool address_is_numeric(const char *text, bool *loopback)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *loopback = (ntohl(v4.s_addr) >> 24) == 127;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        *loopback = IN6_IS_ADDR_LOOPBACK(&v6);
        return true;
    }
    return false;
}

static bool time_zone_exists(const char *name)
{
    if (!*name || name[0] == '/' || strstr(name, ".."))
        return false;
    char path[256];
    int n = snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    struct stat st;
    return strcmp(name, "UTC") == 0 || (n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0 &&
                                        stat(path, &st) == 0 && S_ISREG(st.st_mode));
}

static bool check_server(struct error *e)
{
    bool loopback;
    if (!address_is_numeric(app_config.server.address, &loopback))
        return fail(e, "server.address: a numeric IPv4 or IPv6 address is needed");
    if (!loopback && !app_config.server.trust_callers)
        return fail(e, "server.address is beyond loopback, but rushd believes the userId it is given: set "
                       "server.trust-callers = true when a gateway in front authenticates the callers");
    if (!address_is_numeric(app_config.management.address, &loopback))
        return fail(e, "management.server.address: a numeric IPv4 or IPv6 address is needed");
    if (app_config.management.port && app_config.management.port == app_config.server.port &&
        strcmp(app_config.management.address, app_config.server.address) != 0)
        return fail(e, "management.server.port equals server.port, so management.server.address must equal "
                       "server.address");
    if (!time_zone_exists(app_config.server.time_zone))
        return fail(e, "server.time-zone: a zone name such as Asia/Seoul or UTC is needed");
    if (!app_config.roles)
        return fail(e, "node.roles: at least one of api, queue, consumers is needed");
    for (size_t i = 0; i < app_config.logging.levels.len; i++) {
        int level;
        if (!log_level_parse(app_config.logging.levels.entries[i].value, &level)) {
            error_set(e, ERROR_PERMANENT, "CONFIG",
                      "logging.level.%s = %s: trace, debug, info, warn, error or off is accepted",
                      app_config.logging.levels.entries[i].key, app_config.logging.levels.entries[i].value);
            return false;
        }
    }
    return true;
}

static bool check_services(struct error *e)
{
    struct error url = ERROR_INIT;
    if (!pg_url_check(app_config.datasource.url, &url)) {
        error_set(e, ERROR_PERMANENT, "CONFIG", "datasource.url: %s", url.text);
        return false;
    }
    if (!*app_config.redis.host && !*app_config.redis.socket)
        return fail(e, "redis.host: a host name or address is needed, unless redis.socket is set");
    if (!str_starts_with(app_config.platform.url, "http://") &&
        !str_starts_with(app_config.platform.url, "https://") && *app_config.platform.url)
        return fail(e, "data-platform.url: http:// or https:// is needed");
    if (app_config.datasource.statement_timeout > app_config.server.request_timeout)
        return fail(e, "datasource.statement-timeout must not be longer than server.request-timeout");
    return true;
}

#define TOPIC_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* Kafka's limit is 249: 200 of the topic, the rest of the suffix. A topic must not be where another one's dead letters go. */
static bool check_dead_letters(struct error *e)
{
    const char *suffix = app_config.kafka.consumer.dead_letter_suffix;
    size_t n = strlen(suffix);
    if (!n || n > 49 || strspn(suffix, TOPIC_CHARACTERS) != n)
        return fail(e, "kafka.consumer.dead-letter-suffix: 1 to 49 of letters, digits, '.', '_' and '-'");
    for (size_t i = 0; i < ARRAY_LEN(app_config.kafka.topics); i++)
        for (size_t k = 0; k < ARRAY_LEN(app_config.kafka.topics); k++) {
            size_t len = strlen(app_config.kafka.topics[k]);
            if (strncmp(app_config.kafka.topics[i], app_config.kafka.topics[k], len) == 0 &&
                strcmp(app_config.kafka.topics[i] + len, suffix) == 0)
                return fail(e, "kafka.topics.*: a topic has the name of another one's dead letters");
        }
    return true;
}

/* Static members of two groups of one name would fence each other, and each would miss the other's topic. */
static bool check_groups(struct error *e)
{
    const char *const groups[] = {app_config.kafka.consumer.group_ranking,
                                  app_config.kafka.consumer.group_coupon,
                                  app_config.kafka.consumer.group_platform};
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (!*groups[i])
            return fail(e, "kafka.consumer.group.*: a name is needed");
        for (size_t k = 0; k < i; k++)
            if (strcmp(groups[i], groups[k]) == 0)
                return fail(e, "kafka.consumer.group.*: two groups have the same name");
    }
    return true;
}

static bool check_topics(struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(app_config.kafka.topics); i++) {
        const char *name = app_config.kafka.topics[i];
        size_t n = strlen(name);
        if (!n || n > 200 || strspn(name, TOPIC_CHARACTERS) != n)
            return fail(e, "kafka.topics.*: a topic name is 1 to 200 of letters, digits, '.', '_' and '-'");
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, app_config.kafka.topics[k]) == 0)
                return fail(e, "kafka.topics.*: two topics have the same name");
    }
    return check_dead_letters(e) && check_groups(e);
}

static bool check_kafka(struct error *e)
{
    static const char *const acks[] = {"all", "-1", "1", "0", NULL};
    static const char *const resets[] = {"earliest", "latest", NULL};
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd", NULL};
    static const char *const type_ids[] = {"order-completed", "product-ranking", "data-platform-transfer",
                                           "coupon-issue", NULL};
    if (!is_one_of(app_config.kafka.producer.acks, acks))
        return fail(e, "kafka.producer.acks: all, -1, 1 or 0 is accepted");
    if (app_config.kafka.producer.retries == 0 && !is_one_of(app_config.kafka.producer.acks, acks + 2))
        return fail(e, "kafka.producer.retries must not be 0 when kafka.producer.acks is all: idempotence "
                       "lives on retries");
    if (!is_one_of(app_config.kafka.consumer.offset_reset, resets))
        return fail(e, "kafka.consumer.auto-offset-reset: earliest or latest is accepted");
    if (!is_one_of(app_config.kafka.producer.compression, codecs))
        return fail(e, "kafka.producer.compression.type: none, gzip, snappy, lz4 or zstd is accepted");
    for (size_t i = 0; i < app_config.kafka.producer.type_ids.len; i++)
        if (!is_one_of(app_config.kafka.producer.type_ids.entries[i].key, type_ids))
            return fail(
                e, "kafka.producer.type-id.*: order-completed, product-ranking, data-platform-transfer or "
                   "coupon-issue is accepted");
    if (app_config.kafka.consumer.heartbeat_interval * 3 > app_config.kafka.consumer.session_timeout)
        return fail(e, "kafka.consumer.heartbeat.interval.ms must be at most a third of "
                       "kafka.consumer.session.timeout.ms");
    if (app_config.kafka.consumer.backoff > app_config.kafka.consumer.backoff_max)
        return fail(e, "kafka.consumer.backoff must not be longer than kafka.consumer.backoff-max");
    if (app_config.kafka.producer.linger > app_config.kafka.producer.delivery_timeout)
        return fail(e, "kafka.producer.linger.ms must not be longer than kafka.producer.delivery.timeout.ms");
    if (!check_topics(e))
        return false;
    bool queue = app_config.roles & ROLE_QUEUE, consumers = app_config.roles & ROLE_CONSUMERS;
    if (app_config.publisher == PUBLISHER_LOCAL && queue != consumers)
        return fail(e, "event.publisher.type = local hands events over inside the process: node.roles must "
                       "have both queue and consumers, or neither");
    if (app_config_embedded() && app_config.roles != (ROLE_API | ROLE_QUEUE | ROLE_CONSUMERS))
        return fail(e, "kafka.bootstrap-servers = embedded lives in one process: node.roles must be "
                       "api,queue,consumers");
    return true;
}

static bool check_sale(struct error *e)
{
    if (app_config.kafka.producer.delivery_timeout >= app_config.coupon.lease)
        return fail(e, "kafka.producer.delivery.timeout.ms must be shorter than coupon.queue.lease");
    if (app_config.coupon.recheck <= app_config.kafka.producer.delivery_timeout)
        return fail(e, "coupon.queue.recheck must be longer than kafka.producer.delivery.timeout.ms");
    if (app_config.coupon.recheck >= app_config.coupon.ttl)
        return fail(e, "coupon.queue.recheck must be shorter than coupon.queue.ttl");
    if (app_config.ranking.popular_days > app_config.ranking.retention_days)
        return fail(e, "ranking.popular-days must not be larger than ranking.retention-days");
    return true;
}

void app_config_register(void)
{
    static const struct option_table tables[] = {
        {server_options, NULL, check_server},
        {service_options, NULL, check_services},
        {kafka_options, aliases, check_kafka},
        {sale_options, NULL, check_sale},
    };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        option_register(&tables[i]);
}

bool app_config_embedded(void)
{
    return app_config.publisher == PUBLISHER_KAFKA && str_ieq(app_config.kafka.bootstrap_servers, "embedded");
}

/* Names of the loggers whose level was set, to take back what a reload removed. */
static struct option_map applied;

static void forget_applied(void)
{
    for (size_t i = 0; i < applied.len; i++)
        log_set_level(applied.entries[i].key, -1);
    for (size_t i = 0; i < applied.len; i++)
        mem_free(applied.entries[i].key);
    mem_free(applied.entries);
    applied = (struct option_map){0};
}

void app_config_apply_logging(void)
{
    forget_applied();
    const struct option_map *levels = &app_config.logging.levels;
    if (levels->len)
        applied.entries = mem_array(levels->len, sizeof *applied.entries);
    for (size_t i = 0; i < levels->len; i++) {
        int level;
        if (log_level_parse(levels->entries[i].value, &level) && log_set_level(levels->entries[i].key, level))
            applied.entries[applied.len++].key = mem_strdup(levels->entries[i].key);
    }
    log_set_format(app_config.logging.format ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
}

void app_config_free(void)
{
    forget_applied();
    mem_free(app_config.node_id);
    app_config.node_id = NULL;
}

void app_config_apply(void)
{
    app_config.node_id_fixed = *app_config.fixed_node_id != '\0';
    struct buf id = BUF_INIT;
    char host[128] = "node";
    gethostname(host, sizeof host - 1);
    if (app_config.node_id_fixed)
        buf_puts(&id, app_config.fixed_node_id);
    else
        buf_printf(&id, "%s-%ld", host, (long)getpid());
    mem_free(app_config.node_id);
    app_config.node_id = buf_steal(&id);
    setenv("TZ", app_config.server.time_zone, 1);
    tzset();
    msg_date_zone_changed();
    app_config_apply_logging();
}
