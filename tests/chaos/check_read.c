/* Reading everything that is judged: the files of the clients and of the data platform, the topics, Redis. */
#include <fnmatch.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

/* --- files ------------------------------------------------------------------------------------------------------ */

static void copy_field(struct check_copy *c, const json_t *line, const char *name)
{
    const json_t *v = json_object_get(line, name);
    if (json_is_string(v))
        check_copy_string(c, json_string_value(v));
    else if (json_is_integer(v))
        check_copy_number(c, json_integer_value(v));
    else if (json_is_boolean(v))
        check_copy_string(c, json_is_true(v) ? "t" : "f");
    else
        check_copy_text(c, NULL, 0);
}

/* Text that is JSON, exactly as it is; null otherwise. */
static void copy_json(struct check_copy *c, const char *text, size_t n)
{
    json_error_t e;
    json_t *value = text ? json_loadb(text, n, JSON_DECODE_ANY, &e) : NULL;
    check_copy_text(c, value ? text : NULL, n);
    json_decref(value);
}

static void copy_record_line(struct check_copy *c, const char *text, size_t n)
{
    static const char *const fields[] = {"op",      "key", "user", "coupon", "cents", "userCoupon",
                                         "attempt", "at",  "took", "status", "final"};
    json_error_t e;
    json_t *line = json_loadb(text, n, 0, &e);
    if (!line)
        check_die("record: %s: %.*s", e.text, (int)(n < 200 ? n : 200), text);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        copy_field(c, line, fields[i]);
    const json_t *lines = json_object_get(line, "lines");
    char *ordered = lines ? json_dumps(lines, JSON_COMPACT) : NULL;
    check_copy_string(c, ordered);
    free(ordered);
    const char *body = json_string_value(json_object_get(line, "body"));
    copy_json(c, body, body ? strlen(body) : 0);
    check_copy_row(c);
    json_decref(line);
}

static FILE *open_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        check_die("%s cannot be read", path);
    return f;
}

/* Lines "order id, Idempotency-Key, status answered". */
static void read_platform(PGconn *pg, const char *path)
{
    struct check_copy c;
    check_copy_begin(&c, pg, "platform");
    FILE *f = open_lines(path);
    long order;
    char key[128];
    int status;
    while (fscanf(f, "%ld %127s %d", &order, key, &status) == 3) {
        check_copy_number(&c, order);
        check_copy_string(&c, key);
        check_copy_number(&c, status);
        check_copy_row(&c);
    }
    fclose(f);
    check_copy_end(&c);
}

void check_read_files(PGconn *pg, const struct check_options *o)
{
    check_sql(
        pg,
        "CREATE TEMP TABLE rec (n bigserial, op text, key text, user_id bigint, coupon_id bigint, cents "
        "bigint,"
        " user_coupon bigint, attempt int, at_us bigint, took_us bigint, status int, final bool, lines jsonb,"
        " body jsonb)");
    check_sql(pg, "CREATE TEMP TABLE platform (order_id bigint, key text, status int)");
    if (o->record) {
        struct check_copy c;
        check_copy_begin(
            &c, pg,
            "rec (op, key, user_id, coupon_id, cents, user_coupon, attempt, at_us, took_us, status,"
            " final, lines, body)");
        FILE *f = open_lines(o->record);
        char *line = NULL;
        size_t size = 0;
        for (ssize_t n; (n = getline(&line, &size, f)) > 0;)
            copy_record_line(&c, line, (size_t)n);
        free(line);
        fclose(f);
        check_copy_end(&c);
    }
    if (o->platform)
        read_platform(pg, o->platform);
    check_sql(pg, "ANALYZE rec, platform");
}

/* --- topics ------------------------------------------------------------------------------------------------------ */

static const char *const topics[] = {
    "order-completed-topic",   "product-ranking-topic",     "data-platform-transfer-topic",
    "coupon-issue-events",     "product-ranking-topic-dlt", "data-platform-transfer-topic-dlt",
    "coupon-issue-events-dlt",
};
#define NTOPICS      (sizeof topics / sizeof *topics)
#define READ_TIMEOUT 60 /* seconds for everything */

static rd_kafka_t *client_new(const struct check_options *o, rd_kafka_type_t type)
{
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", o->bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "check", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof error);
    if (!rk)
        check_die("%s", error);
    return rk;
}

/* Partitions of a topic; 0 when it is not there. */
static int partitions_of(rd_kafka_t *rk, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    const struct rd_kafka_metadata *meta;
    rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 0, topic, &meta, 10000);
    if (error)
        check_die("metadata of %s: %s", name, rd_kafka_err2str(error));
    int n = meta->topic_cnt == 1 && !meta->topics[0].err ? meta->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(meta);
    rd_kafka_topic_destroy(topic);
    return n;
}

static void copy_message(struct check_copy *c, const rd_kafka_message_t *m, size_t prefix)
{
    check_copy_string(c, rd_kafka_topic_name(m->rkt) + prefix);
    check_copy_number(c, m->partition);
    check_copy_number(c, m->offset);
    check_copy_text(c, m->key, m->key_len);
    copy_json(c, m->payload, m->len);
    check_copy_row(c);
}

/* Everything below the high-water marks. */
static void read_assigned(rd_kafka_t *rk, struct check_copy *c, rd_kafka_topic_partition_list_t *parts,
                          size_t prefix)
{
    int left = 0;
    for (int i = 0; i < parts->cnt; i++) {
        int64_t low, high;
        rd_kafka_topic_partition_t *p = &parts->elems[i];
        rd_kafka_resp_err_t error =
            rd_kafka_query_watermark_offsets(rk, p->topic, p->partition, &low, &high, 10000);
        if (error)
            check_die("watermarks of %s: %s", p->topic, rd_kafka_err2str(error));
        p->offset = low;
        p->opaque = (void *)(intptr_t)high;
        left += low < high;
    }
    rd_kafka_assign(rk, parts);
    time_t deadline = time(NULL) + READ_TIMEOUT;
    while (left) {
        if (time(NULL) > deadline)
            check_die("the topics could not be read in %d seconds", READ_TIMEOUT);
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 200);
        if (m && !m->err) {
            const rd_kafka_topic_partition_t *p =
                rd_kafka_topic_partition_list_find(parts, rd_kafka_topic_name(m->rkt), m->partition);
            copy_message(c, m, prefix);
            left -= m->offset + 1 == (int64_t)(intptr_t)p->opaque;
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
}

void check_read_topics(PGconn *pg, const struct check_options *o)
{
    check_sql(pg, "CREATE TEMP TABLE topic (topic text, part int, off bigint, key text, value jsonb)");
    rd_kafka_t *rk = client_new(o, RD_KAFKA_CONSUMER);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(32);
    char name[256];
    for (size_t i = 0; i < NTOPICS; i++) {
        snprintf(name, sizeof name, "%s%s", o->prefix, topics[i]);
        for (int k = 0, n = partitions_of(rk, name); k < n; k++)
            rd_kafka_topic_partition_list_add(parts, name, k);
    }
    struct check_copy c;
    check_copy_begin(&c, pg, "topic");
    read_assigned(rk, &c, parts, strlen(o->prefix));
    check_copy_end(&c);
    check_sql(pg, "ANALYZE topic");
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

void check_forget_offsets(const struct check_options *o)
{
    static const char *const groups[] = {"product-ranking-group", "coupon-issue-group",
                                         "data-platform-group"};
    rd_kafka_t *rk = client_new(o, RD_KAFKA_PRODUCER);
    rd_kafka_DeleteGroup_t *del[3];
    char name[256];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", o->prefix, groups[i]);
        del[i] = rd_kafka_DeleteGroup_new(name);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteGroups(rk, del, 3, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    if (!event || rd_kafka_event_error(event))
        check_die("groups cannot be deleted: %s", event ? rd_kafka_event_error_string(event) : "no answer");
    size_t n;
    const rd_kafka_group_result_t **results =
        rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &n);
    for (size_t i = 0; i < n; i++)
        if (rd_kafka_group_result_error(results[i]))
            check_die("group %s: %s", rd_kafka_group_result_name(results[i]),
                      rd_kafka_error_string(rd_kafka_group_result_error(results[i])));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    for (int i = 0; i < 3; i++)
        rd_kafka_DeleteGroup_destroy(del[i]);
    rd_kafka_destroy(rk);
}

/* --- coming to rest ---------------------------------------------------------------------------------------------- */

/* Messages behind the committed offset of a group; -1 while it cannot be known. */
static long group_lag(const struct check_options *o, const char *group, const char *topic)
{
    char error[256], name[256], topic_name[256];
    snprintf(name, sizeof name, "%s%s", o->prefix, group);
    snprintf(topic_name, sizeof topic_name, "%s%s", o->prefix, topic);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", o->bootstrap, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", name, NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!rk)
        check_die("%s", error);
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(3);
    for (int i = 0, n = partitions_of(rk, topic_name); i < n; i++)
        rd_kafka_topic_partition_list_add(parts, topic_name, i);
    long lag = rd_kafka_committed(rk, parts, 5000) ? -1 : 0;
    for (int i = 0; i < parts->cnt && lag >= 0; i++) {
        int64_t low, high, at = parts->elems[i].offset;
        if (rd_kafka_query_watermark_offsets(rk, topic_name, i, &low, &high, 5000))
            lag = -1;
        else
            lag += high - (at >= 0 ? at : low);
    }
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_destroy(rk);
    return lag;
}

/* Members of lines, in flight or pending. */
static long on_their_way(redisContext *redis)
{
    static const char count[] =
        "local n = 0 for _, k in ipairs(redis.call('KEYS', 'coupon:*')) do"
        " local name = string.match(k, '^coupon:(%a+):') if name == 'pending' then n = n +"
        " redis.call('HLEN', k) elseif name == 'queue' or name == 'inflight' then n = n +"
        " redis.call('ZCARD', k) end end return n";
    redisReply *r = redisCommand(redis, "EVAL %s 0", count);
    long n = r && r->type == REDIS_REPLY_INTEGER ? (long)r->integer : -1;
    if (r)
        freeReplyObject(r);
    return n;
}

static long count_rows(PGconn *pg, const char *from)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", from);
    PGresult *r = PQexec(pg, sql);
    long n = PQresultStatus(r) == PGRES_TUPLES_OK ? atol(PQgetvalue(r, 0, 0)) : -1;
    PQclear(r);
    return n;
}

static redisContext *redis_open(const struct check_options *o);

void check_wait(PGconn *pg, const struct check_options *o)
{
    redisContext *redis = redis_open(o);
    time_t deadline = time(NULL) + o->wait;
    int still = 0; /* looks in a row that found nothing */
    for (;;) {
        long outbox = count_rows(pg, "outbox"),
             open = count_rows(pg, "coupon_requests WHERE outcome IS NULL");
        long members = on_their_way(redis), coupon = 0, ranking = 0, platform = 0;
        if (!outbox && !open && !members) {
            coupon = group_lag(o, "coupon-issue-group", topics[3]);
            ranking = group_lag(o, "product-ranking-group", topics[1]);
            platform = group_lag(o, "data-platform-group", topics[2]);
        }
        bool rest = !outbox && !open && !members && !coupon && !ranking && !platform;
        still = rest ? still + 1 : 0;
        if (still == 2)
            break;
        if (time(NULL) >= deadline) {
            printf("NOT AT REST after %d s: outbox %ld, undecided requests %ld, members on their way %ld, "
                   "messages behind: coupons"
                   " %ld, ranking %ld, platform %ld\n",
                   o->wait, outbox, open, members, coupon, ranking, platform);
            break;
        }
        struct timespec pause = {0, 200000000};
        nanosleep(&pause, NULL);
    }
    redisFree(redis);
}

/* --- Redis ---------------------------------------------------------------------------------------------------------- */

/* Which keys are read, and how many parts of their name follow the pattern's fixed part. */
static const struct {
    const char *kind, *prefix, *command;
} families[] = {
    {"daily", "product:ranking:daily:", "ZRANGE %s 0 -1 WITHSCORES"},
    {"recent", "product:ranking:recent3days:", "ZRANGE %s 0 -1 WITHSCORES"},
    {"queue", "coupon:queue:", "ZRANGE %s 0 -1 WITHSCORES"},
    {"inflight", "coupon:inflight:", "ZRANGE %s 0 -1 WITHSCORES"},
    {"pending", "coupon:pending:", "HGETALL %s"},
    {"issued", "coupon:issued:", "SMEMBERS %s"},
    {"result", "coupon:result:", "GET %s"},
};
#define NFAMILIES (sizeof families / sizeof *families)

static redisReply *ask(redisContext *redis, const char *fmt, const char *arg)
{
    redisReply *r = redisCommand(redis, fmt, arg);
    if (!r || r->type == REDIS_REPLY_ERROR)
        check_die("redis: %s", r ? r->str : redis->errstr);
    return r;
}

static void copy_red(struct check_copy *c, const char *kind, const char *name, const char *member,
                     const char *value)
{
    check_copy_string(c, kind);
    check_copy_string(c, name);
    check_copy_string(c, member);
    check_copy_string(c, value);
    check_copy_row(c);
}

static void copy_key(struct check_copy *c, redisContext *redis, const char *key)
{
    for (size_t i = 0; i < NFAMILIES; i++) {
        size_t n = strlen(families[i].prefix);
        if (strncmp(key, families[i].prefix, n) != 0)
            continue;
        redisReply *r = ask(redis, families[i].command, key);
        if (r->type == REDIS_REPLY_STRING) {
            copy_red(c, families[i].kind, key + n, "", r->str);
        } else if (strcmp(families[i].kind, "issued") == 0) {
            for (size_t k = 0; k < r->elements; k++)
                copy_red(c, families[i].kind, key + n, r->element[k]->str, NULL);
        } else {
            for (size_t k = 0; k + 1 < r->elements; k += 2)
                copy_red(c, families[i].kind, key + n, r->element[k]->str, r->element[k + 1]->str);
        }
        freeReplyObject(r);
    }
}

static redisContext *redis_open(const struct check_options *o)
{
    redisContext *redis = redisConnectUnix(o->redis_socket);
    if (!redis || redis->err)
        check_die("redis: %s", redis ? redis->errstr : "no memory");
    char number[16];
    snprintf(number, sizeof number, "%d", o->redis_database);
    freeReplyObject(ask(redis, "SELECT %s", number));
    return redis;
}

void check_read_redis(PGconn *pg, const struct check_options *o)
{
    check_sql(pg, "CREATE TEMP TABLE red (kind text, name text, member text, value text)");
    redisContext *redis = redis_open(o);
    redisReply *keys = ask(redis, "KEYS %s", "*");
    struct check_copy c;
    check_copy_begin(&c, pg, "red");
    for (size_t i = 0; i < keys->elements; i++)
        copy_key(&c, redis, keys->element[i]->str);
    check_copy_end(&c);
    check_sql(pg, "ANALYZE red");
    freeReplyObject(keys);
    redisFree(redis);
}
