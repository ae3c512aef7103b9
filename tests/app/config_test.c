/* The keys of the contract's section 2: defaults, relations with the text of each fault, spellings of the source system, and
 * what follows from them. */
#include "app/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app_suites.h"
#include "base/log.h"
#include "service/ports.h"

#define SETS_MAX 4

static struct buf notes;
static char file[64];

static void on_note(void *arg, bool warning, const char *text)
{
    buf_printf(&notes, "%s%s\n", warning ? "warning: " : "", text);
}

static void setup(void)
{
    strcpy(file, "/tmp/rushd-config-XXXXXX");
    close(mkstemp(file));
    app_config_register();
}

static void teardown(void)
{
    option_reset();
    app_config_free();
    log_reset();
    buf_free(&notes);
    unlink(file);
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void load(const char *text, const char *const *sets)
{
    struct error e = ERROR_INIT;
    if (text)
        write_file(text);
    ck_assert_msg(option_load(text ? file : NULL, NULL, sets, on_note, NULL, &e), "%s", e.text);
}

/* The table of the contract, as a user would write the values. */
static const char *const defaults[][2] = {
    {"server.address", "127.0.0.1"},
    {"server.port", "8083"},
    {"server.trust-callers", "false"},
    {"server.time-zone", "Asia/Seoul"},
    {"server.max-connections", "10000"},
    {"server.max-request-body", "64KB"},
    {"server.header-timeout", "5s"},
    {"server.body-timeout", "10s"},
    {"server.keep-alive-timeout", "60s"},
    {"server.request-timeout", "10s"},
    {"server.shutdown-timeout", "30s"},
    {"management.server.port", "0"},
    {"management.server.address", "127.0.0.1"},
    {"management.endpoints.web.exposure.include", "health,info,metrics,prometheus"},
    {"management.endpoint.health.show-details", "always"},
    {"node.roles", "api,queue,consumers"},
    {"node.id", ""},
    {"startup.require-services", "false"},
    {"logging.level.*", NULL},
    {"logging.format", "logfmt"},
    {"datasource.url", "postgresql:///rushd"},
    {"datasource.username", ""},
    {"datasource.password", ""},
    {"datasource.pool-size", "8"},
    {"datasource.max-waiting", "10000"},
    {"datasource.statement-timeout", "5s"},
    {"datasource.auto-migrate", "false"},
    {"redis.host", "127.0.0.1"},
    {"redis.port", "6379"},
    {"redis.socket", ""},
    {"redis.username", ""},
    {"redis.password", ""},
    {"redis.database", "0"},
    {"redis.timeout", "1s"},
    {"redis.max-in-flight", "4096"},
    {"event.publisher.type", "kafka"},
    {"data-platform.url", ""},
    {"data-platform.timeout", "5s"},
    {"data-platform.max-in-flight", "64"},
    {"data-platform.circuit.failure-threshold", "10"},
    {"data-platform.circuit.open-for", "10s"},
    {"kafka.bootstrap-servers", "localhost:9092"},
    {"kafka.topics.order-completed", "order-completed-topic"},
    {"kafka.topics.product-ranking", "product-ranking-topic"},
    {"kafka.topics.data-platform-transfer", "data-platform-transfer-topic"},
    {"kafka.topics.coupon-issue", "coupon-issue-events"},
    {"kafka.topics.create", "true"},
    {"kafka.topics.partitions", "3"},
    {"kafka.topics.replication-factor", "-1"},
    {"kafka.producer.acks", "all"},
    {"kafka.producer.retries", "-1"},
    {"kafka.producer.batch.size", "16384"},
    {"kafka.producer.linger.ms", "5"},
    {"kafka.producer.buffer.memory", "33554432"},
    {"kafka.producer.compression.type", "lz4"},
    {"kafka.producer.delivery.timeout.ms", "10000"},
    {"kafka.producer.type-headers", "java"},
    {"kafka.producer.type-id.*", NULL},
    {"kafka.producer.schema", "documented"},
    {"kafka.consumer.auto-offset-reset", "earliest"},
    {"kafka.consumer.max-poll-records", "500"},
    {"kafka.consumer.concurrency", "3"},
    {"kafka.consumer.session.timeout.ms", "30000"},
    {"kafka.consumer.heartbeat.interval.ms", "10000"},
    {"kafka.consumer.group.product-ranking", "product-ranking-group"},
    {"kafka.consumer.group.coupon-issue", "coupon-issue-group"},
    {"kafka.consumer.group.data-platform", "data-platform-group"},
    {"kafka.consumer.attempts", "10"},
    {"kafka.consumer.backoff", "100ms"},
    {"kafka.consumer.backoff-max", "10s"},
    {"kafka.consumer.dead-letter-suffix", "-dlt"},
    {"kafka.librdkafka.*", NULL},
    {"coupon.accept.durability", "database"},
    {"coupon.queue.interval", "1s"},
    {"coupon.queue.drain-per-tick", "0"},
    {"coupon.queue.window", "10000"},
    {"coupon.queue.lease", "30s"},
    {"coupon.queue.recheck", "60s"},
    {"coupon.queue.ttl", "25h"},
    {"coupon.queue.result-ttl", "30m"},
    {"coupon.queue.max-waiting", "1000000"},
    {"order.batch-max", "256"},
    {"order.max-items", "100"},
    {"ranking.retention-days", "4"},
    {"ranking.popular-days", "3"},
    {"ranking.popular-size", "5"},
};

START_TEST(the_defaults_are_the_contracts)
{
    size_t n = 0;
    for (; option_at(n); n++) {
        const struct option *o = option_at(n);
        ck_assert_msg(n < ARRAY_LEN(defaults), "%s is not in the contract", o->key);
        ck_assert_str_eq(o->key, defaults[n][0]);
        if (defaults[n][1])
            ck_assert_str_eq(o->def, defaults[n][1]);
        ck_assert_msg(o->help && *o->help, "%s has no help", o->key);
    }
    ck_assert_uint_eq(n, ARRAY_LEN(defaults));
}
END_TEST

START_TEST(the_defaults_arrive)
{
    load(NULL, NULL);
    ck_assert_int_eq(app_config.server.port, 8083);
    ck_assert_int_eq(app_config.server.max_request_body, 65536);
    ck_assert_int_eq(app_config.server.keep_alive_timeout, 60000);
    ck_assert_uint_eq(app_config.management.exposure,
                      EXPOSE_HEALTH | EXPOSE_INFO | EXPOSE_METRICS | EXPOSE_PROMETHEUS);
    ck_assert_uint_eq(app_config.roles, ROLE_API | ROLE_QUEUE | ROLE_CONSUMERS);
    ck_assert_int_eq(app_config.publisher, PUBLISHER_KAFKA);
    ck_assert_int_eq(app_config.kafka.producer.type_headers, TYPE_HEADERS_JAVA);
    ck_assert_str_eq(app_config.kafka.topics[EVENT_ORDER_COMPLETED], "order-completed-topic");
    ck_assert_str_eq(app_config.kafka.topics[EVENT_PRODUCT_RANKING], "product-ranking-topic");
    ck_assert_str_eq(app_config.kafka.topics[EVENT_DATA_PLATFORM], "data-platform-transfer-topic");
    ck_assert_str_eq(app_config.kafka.topics[EVENT_COUPON_ISSUE], "coupon-issue-events");
    ck_assert_int_eq(app_config.coupon.durability, DURABILITY_DATABASE);
    ck_assert_int_eq(app_config.coupon.ttl, INT64_C(25) * 3600 * 1000);
    ck_assert(!app_config_embedded());
    ck_assert_str_eq(buf_str(&notes), "");
}
END_TEST

/* What stops the start, and with which words. */
static const struct {
    const char *text;
    const char *sets[SETS_MAX];
} faults[] = {
    {"server.address: a numeric IPv4 or IPv6 address is needed", {"server.address=localhost"}},
    {"server.address: a numeric IPv4 or IPv6 address is needed", {"server.address="}},
    {"server.address is beyond loopback, but rushd believes the userId it is given: set server.trust-callers "
     "= "
     "true when a gateway in front authenticates the callers",
     {"server.address=0.0.0.0"}},
    {"server.address is beyond loopback, but rushd believes the userId it is given: set server.trust-callers "
     "= "
     "true when a gateway in front authenticates the callers",
     {"server.address=::"}},
    {"management.server.address: a numeric IPv4 or IPv6 address is needed",
     {"management.server.address=localhost"}},
    {"management.server.port equals server.port, so management.server.address must equal server.address",
     {"management.server.port=8083", "management.server.address=127.0.0.2"}},
    {"server.time-zone: a zone name such as Asia/Seoul or UTC is needed", {"server.time-zone=Mars/Olympus"}},
    {"server.time-zone: a zone name such as Asia/Seoul or UTC is needed", {"server.time-zone="}},
    {"server.time-zone: a zone name such as Asia/Seoul or UTC is needed", {"server.time-zone=Asia"}},
    {"server.time-zone: a zone name such as Asia/Seoul or UTC is needed",
     {"server.time-zone=../zoneinfo/Asia/Seoul"}},
    {"logging.level.rushd.pg = loud: trace, debug, info, warn, error or off is accepted",
     {"logging.level.rushd.pg=loud"}},
    {"data-platform.url: http:// or https:// is needed", {"data-platform.url=ftp://platform/"}},
    {"datasource.statement-timeout must not be longer than server.request-timeout",
     {"datasource.statement-timeout=11s"}},
    {"redis.host: a host name or address is needed, unless redis.socket is set", {"redis.host="}},
    {"kafka.producer.acks: all, -1, 1 or 0 is accepted", {"kafka.producer.acks=ALL"}},
    {"kafka.producer.acks: all, -1, 1 or 0 is accepted", {"kafka.producer.acks=2"}},
    {"kafka.producer.retries must not be 0 when kafka.producer.acks is all: idempotence lives on retries",
     {"kafka.producer.retries=0"}},
    {"kafka.producer.retries must not be 0 when kafka.producer.acks is all: idempotence lives on retries",
     {"kafka.producer.retries=0", "kafka.producer.acks=-1"}},
    {"kafka.consumer.auto-offset-reset: earliest or latest is accepted",
     {"kafka.consumer.auto-offset-reset=none"}},
    {"kafka.producer.compression.type: none, gzip, snappy, lz4 or zstd is accepted",
     {"kafka.producer.compression.type=zip"}},
    {"kafka.producer.type-id.*: order-completed, product-ranking, data-platform-transfer or coupon-issue is "
     "accepted",
     {"kafka.producer.type-id.orders=Order"}},
    {"kafka.consumer.heartbeat.interval.ms must be at most a third of kafka.consumer.session.timeout.ms",
     {"kafka.consumer.heartbeat.interval.ms=10001"}},
    {"kafka.consumer.backoff must not be longer than kafka.consumer.backoff-max",
     {"kafka.consumer.backoff=11s"}},
    {"kafka.producer.linger.ms must not be longer than kafka.producer.delivery.timeout.ms",
     {"kafka.producer.linger.ms=200", "kafka.producer.delivery.timeout.ms=100"}},
    {"kafka.topics.*: a topic name is 1 to 200 of letters, digits, '.', '_' and '-'",
     {"kafka.topics.coupon-issue=a b"}},
    {"kafka.topics.*: a topic name is 1 to 200 of letters, digits, '.', '_' and '-'",
     {"kafka.topics.coupon-issue="}},
    {"kafka.topics.*: two topics have the same name", {"kafka.topics.coupon-issue=product-ranking-topic"}},
    {"kafka.topics.*: a topic has the name of another one's dead letters",
     {"kafka.topics.coupon-issue=product-ranking-topic-dlt"}},
    {"kafka.consumer.dead-letter-suffix: 1 to 49 of letters, digits, '.', '_' and '-'",
     {"kafka.consumer.dead-letter-suffix="}},
    {"kafka.consumer.dead-letter-suffix: 1 to 49 of letters, digits, '.', '_' and '-'",
     {"kafka.consumer.dead-letter-suffix=/dlt"}},
    {"kafka.consumer.group.*: a name is needed", {"kafka.consumer.group.coupon-issue="}},
    {"kafka.consumer.group.*: two groups have the same name",
     {"kafka.consumer.group.coupon-issue=data-platform-group"}},
    {"event.publisher.type = local hands events over inside the process: node.roles must have both queue and "
     "consumers, or neither",
     {"event.publisher.type=local", "node.roles=api,queue"}},
    {"event.publisher.type = local hands events over inside the process: node.roles must have both queue and "
     "consumers, or neither",
     {"event.publisher.type=local", "node.roles=consumers"}},
    {"kafka.bootstrap-servers = embedded lives in one process: node.roles must be api,queue,consumers",
     {"kafka.bootstrap-servers=embedded", "node.roles=api,queue"}},
    {"kafka.producer.delivery.timeout.ms must be shorter than coupon.queue.lease",
     {"coupon.queue.lease=10s"}},
    {"coupon.queue.recheck must be longer than kafka.producer.delivery.timeout.ms",
     {"coupon.queue.recheck=10s"}},
    {"coupon.queue.recheck must be shorter than coupon.queue.ttl", {"coupon.queue.ttl=1m"}},
    {"ranking.popular-days must not be larger than ranking.retention-days", {"ranking.popular-days=5"}},
};

START_TEST(keys_that_contradict_each_other_are_refused)
{
    struct error e = ERROR_INIT;
    const char *const *sets = faults[_i].sets;
    ck_assert_msg(!option_load(NULL, NULL, sets, on_note, NULL, &e), "accepted: %s", sets[0]);
    ck_assert_str_eq(e.text, faults[_i].text);
    ck_assert_int_eq(e.kind, ERROR_PERMANENT);
}
END_TEST

START_TEST(the_database_url_is_checked)
{
    struct error e = ERROR_INIT;
    const char *const sets[] = {"datasource.url=mysql://geheim@here/rushd", NULL};
    ck_assert(!option_load(NULL, NULL, sets, on_note, NULL, &e));
    ck_assert_msg(str_starts_with(e.text, "datasource.url: "), "%s", e.text);
    ck_assert_ptr_null(strstr(e.text, "geheim"));
}
END_TEST

/* Just inside the relations. */
static const struct {
    const char *sets[SETS_MAX];
} accepted[] = {
    {{"server.address=::1"}},
    {{"server.address=127.1.2.3"}},
    {{"server.address=0.0.0.0", "server.trust-callers=yes"}},
    {{"management.server.port=8083"}},
    {{"management.server.port=8084", "management.server.address=0.0.0.0"}},
    {{"server.time-zone=UTC"}},
    {{"datasource.statement-timeout=10s"}},
    {{"datasource.url=jdbc:postgresql://localhost:5432/rushd"}},
    {{"redis.host=", "redis.socket=/run/redis.sock"}},
    {{"kafka.producer.retries=0", "kafka.producer.acks=1"}},
    {{"kafka.consumer.session.timeout.ms=30s", "kafka.consumer.heartbeat.interval.ms=10s"}},
    {{"kafka.consumer.backoff=10s"}},
    {{"kafka.bootstrap-servers=embedded", "node.roles=consumers,queue,api"}},
    {{"kafka.bootstrap-servers=embedded", "event.publisher.type=local", "node.roles=api"}},
    {{"coupon.queue.lease=10001ms"}},
    {{"coupon.queue.recheck=10001ms"}},
    {{"ranking.popular-days=4"}},
};

START_TEST(the_edges_are_accepted)
{
    load(NULL, accepted[_i].sets);
}
END_TEST

START_TEST(embedded_needs_kafka)
{
    load(NULL, (const char *[]){"kafka.bootstrap-servers=embedded", NULL});
    ck_assert(app_config_embedded());
    load(NULL, (const char *[]){"kafka.bootstrap-servers=embedded", "event.publisher.type=spring", NULL});
    ck_assert(!app_config_embedded());
    ck_assert_int_eq(app_config.publisher, PUBLISHER_LOCAL);
}
END_TEST

/* Other spellings: the line of a file, the key that it means, what that one is then. */
static const char *const spellings[][3] = {
    {"spring.kafka.producer.properties.acks=1", "kafka.producer.acks", "1"},
    {"spring.kafka.producer.properties.retries=3", "kafka.producer.retries", "3"},
    {"spring.kafka.producer.properties.batch.size=1000", "kafka.producer.batch.size", "1000"},
    {"spring.kafka.producer.properties.linger.ms=7", "kafka.producer.linger.ms", "7"},
    {"spring.kafka.producer.properties.buffer.memory=2097152", "kafka.producer.buffer.memory", "2097152"},
    {"spring.kafka.producer.properties.compression.type=snappy", "kafka.producer.compression.type", "snappy"},
    {"spring.kafka.producer.properties.delivery.timeout.ms=9000", "kafka.producer.delivery.timeout.ms",
     "9000"},
    {"spring.kafka.producer.batch-size=1000", "kafka.producer.batch.size", "1000"},
    {"spring.kafka.producer.buffer-memory=2MB", "kafka.producer.buffer.memory", "2MB"},
    {"spring.kafka.producer.compression-type=zstd", "kafka.producer.compression.type", "zstd"},
    {"spring.kafka.producer.properties.spring.json.add.type.headers=false", "kafka.producer.type-headers",
     "false"},
    {"spring.kafka.consumer.properties.auto.offset.reset=latest", "kafka.consumer.auto-offset-reset",
     "latest"},
    {"spring.kafka.consumer.properties.max.poll.records=10", "kafka.consumer.max-poll-records", "10"},
    {"spring.kafka.consumer.properties.session.timeout.ms=45000", "kafka.consumer.session.timeout.ms",
     "45000"},
    {"spring.kafka.consumer.properties.heartbeat.interval.ms=3000", "kafka.consumer.heartbeat.interval.ms",
     "3000"},
    {"spring.kafka.consumer.heartbeat-interval=3s", "kafka.consumer.heartbeat.interval.ms", "3s"},
    {"spring.kafka.listener.concurrency=5", "kafka.consumer.concurrency", "5"},
    {"spring.data.redis.host=10.0.0.1", "redis.host", "10.0.0.1"},
    {"spring.data.redis.port=6380", "redis.port", "6380"},
    {"spring.redis.host=10.0.0.1", "redis.host", "10.0.0.1"},
    {"spring.datasource.url=jdbc:postgresql://db/shop", "datasource.url", "jdbc:postgresql://db/shop"},
    {"spring.datasource.hikari.maximum-pool-size=20", "datasource.pool-size", "20"},
    {"event.publisher.type=spring", "event.publisher.type", "spring"},
};

static bool dump_has(const char *key, const char *value)
{
    struct buf out = BUF_INIT, line = BUF_INIT;
    option_dump(&out);
    buf_printf(&line, "\n%s = %s\n", key, value);
    bool has = strstr(buf_str(&out), buf_str(&line)) != NULL;
    buf_free(&line);
    buf_free(&out);
    return has;
}

START_TEST(the_source_systems_spelling_is_understood)
{
    load(spellings[_i][0], NULL);
    ck_assert_msg(dump_has(spellings[_i][1], spellings[_i][2]), "%s", spellings[_i][0]);
    ck_assert_str_eq(option_origin(spellings[_i][1]) + strlen(file), ":1");
}
END_TEST

static const char *const ignored[] = {
    "spring.kafka.producer.key-serializer=org.apache.kafka.common.serialization.StringSerializer",
    "spring.kafka.producer.value-serializer=org.springframework.kafka.support.serializer.JsonSerializer",
    "spring.kafka.consumer.key-deserializer=x",
    "spring.kafka.consumer.value-deserializer=x",
    "spring.kafka.consumer.properties.spring.json.trusted.packages=kr.hhplus.be.server",
    "spring.kafka.producer.properties.spring.json.type.mapping=x",
    "spring.kafka.consumer.enable-auto-commit=false",
    "spring.kafka.consumer.properties.enable.auto.commit=false",
    "spring.kafka.consumer.group-id=ecommerce-group",
    "spring.kafka.listener.ack-mode=manual",
    "management.metrics.export.prometheus.enabled=true",
    "spring.application.name=server",
    "spring.profiles.active=local",
    "spring.jpa.hibernate.ddl-auto=update",
    "spring.datasource.driver-class-name=com.mysql.cj.jdbc.Driver",
    "spring.datasource.hikari.connection-timeout=30000",
};

START_TEST(keys_without_meaning_are_named_once)
{
    load(ignored[_i], NULL);
    const char *text = strstr(buf_str(&notes), " has no meaning here: ");
    ck_assert_msg(text && !strstr(text + 1, " has no meaning here: "), "%s", buf_str(&notes));
    ck_assert_msg(!str_starts_with(buf_str(&notes), "warning: "), "%s", buf_str(&notes));
}
END_TEST

START_TEST(a_node_has_a_name)
{
    char host[128] = "", name[200];
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "%s-%ld", host, (long)getpid());
    load(NULL, NULL);
    app_config_apply();
    ck_assert_str_eq(app_config.node_id, name);
    ck_assert(!app_config.node_id_fixed);
    load(NULL, (const char *[]){"node.id=till-7", NULL});
    app_config_apply();
    ck_assert_str_eq(app_config.node_id, "till-7");
    ck_assert(app_config.node_id_fixed);
}
END_TEST

START_TEST(local_time_is_the_zones)
{
    time_t noon = 12 * 3600;
    struct tm tm;
    load(NULL, NULL);
    app_config_apply();
    ck_assert_str_eq(getenv("TZ"), "Asia/Seoul");
    ck_assert_int_eq(localtime_r(&noon, &tm)->tm_hour, 21);
    load(NULL, (const char *[]){"server.time-zone=UTC", NULL});
    app_config_apply();
    ck_assert_int_eq(localtime_r(&noon, &tm)->tm_hour, 12);
}
END_TEST

static enum log_level level_of(struct logger *logger)
{
    log_register(logger);
    return logger->level;
}

START_TEST(a_reload_takes_levels_back)
{
    static struct logger redis = {.name = "rushd.redis"}, pg = {.name = "rushd.pg"};
    struct error e = ERROR_INIT;
    load("logging.level.rushd.redis = debug\nlogging.level.root = warn\n", NULL);
    app_config_apply();
    ck_assert_int_eq(level_of(&redis), LOG_LEVEL_DEBUG);
    ck_assert_int_eq(level_of(&pg), LOG_LEVEL_WARN);
    write_file("logging.level.rushd.pg = error\n");
    ck_assert_msg(option_reload(on_note, NULL, &e), "%s", e.text);
    app_config_apply_logging();
    ck_assert_int_eq(level_of(&redis), LOG_LEVEL_INFO);
    ck_assert_int_eq(level_of(&pg), LOG_LEVEL_ERROR);
    write_file("logging.level.rushd.pg = loud\n");
    ck_assert(!option_reload(on_note, NULL, &e));
    app_config_apply_logging();
    ck_assert_int_eq(level_of(&pg), LOG_LEVEL_ERROR);
}
END_TEST

START_TEST(java_names_are_ours)
{
    static struct logger kafka = {.name = "rushd.kafka"};
    load("logging.level.org.apache.kafka = error\n", NULL);
    app_config_apply();
    ck_assert_int_eq(level_of(&kafka), LOG_LEVEL_ERROR);
}
END_TEST

Suite *config_suite(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_defaults_are_the_contracts);
    tcase_add_test(t, the_defaults_arrive);
    tcase_add_loop_test(t, keys_that_contradict_each_other_are_refused, 0, ARRAY_LEN(faults));
    tcase_add_test(t, the_database_url_is_checked);
    tcase_add_loop_test(t, the_edges_are_accepted, 0, ARRAY_LEN(accepted));
    tcase_add_test(t, embedded_needs_kafka);
    tcase_add_loop_test(t, the_source_systems_spelling_is_understood, 0, ARRAY_LEN(spellings));
    tcase_add_loop_test(t, keys_without_meaning_are_named_once, 0, ARRAY_LEN(ignored));
    tcase_add_test(t, a_node_has_a_name);
    tcase_add_test(t, local_time_is_the_zones);
    tcase_add_test(t, a_reload_takes_levels_back);
    tcase_add_test(t, java_names_are_ours);
    suite_add_tcase(s, t);
    return s;
}
