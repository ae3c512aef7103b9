/* Blocking looks at PostgreSQL, Redis and Kafka. Connections are made anew after a fork: tests run in child processes. */
#define _GNU_SOURCE
#include "services.h"

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void service(const char *name, const char *action)
{
    sql_close();
    const char *command = text("%s %s %s", e2e_env("RUSHD_TEST_SERVICE"), name, action);
    int status = system(command);
    ck_assert_msg(status == 0, "%s: status %d", command, status);
}

/* --- PostgreSQL ----------------------------------------------------------------------------------------------------------- */

static PGconn *pg;
static pid_t pg_owner;
/* The parent's connection in a forked test: not ours to close, and still reachable, so that it is no leak. */
static PGconn *pg_inherited;

void sql_close(void)
{
    if (pg_owner == getpid())
        PQfinish(pg);
    else if (pg)
        pg_inherited = pg;
    pg = NULL;
}

static PGconn *pg_connection(void)
{
    if (pg && pg_owner == getpid() && PQstatus(pg) == CONNECTION_OK)
        return pg;
    sql_close();
    pg = PQconnectdb(e2e_env("RUSHD_TEST_PG_URL"));
    pg_owner = getpid();
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    PQclear(PQexec(pg, "SET client_min_messages = warning; SET TIME ZONE 'Asia/Seoul'"));
    return pg;
}

static const char *run(const char *statements)
{
    PGresult *r = PQexec(pg_connection(), statements);
    ExecStatusType status = PQresultStatus(r);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s\n%s", PQresultErrorMessage(r),
                  statements);
    const char *value = PQntuples(r) > 0 && PQnfields(r) > 0 ? text("%s", PQgetvalue(r, 0, 0)) : "";
    PQclear(r);
    return value;
}

static char *formatted(const char *format, va_list args)
{
    char *out;
    if (vasprintf(&out, format, args) < 0)
        abort();
    return e2e_keep(out);
}

const char *sql(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *statements = formatted(format, args);
    va_end(args);
    return run(statements);
}

int64_t sql_int(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *statements = formatted(format, args);
    va_end(args);
    return strtoll(run(statements), NULL, 10);
}

/* --- Redis ---------------------------------------------------------------------------------------------------------------- */

static redisContext *rd;
static pid_t rd_owner;

static redisContext *redis_connection(void)
{
    if (rd && rd_owner == getpid() && !rd->err)
        return rd;
    if (rd && rd_owner == getpid())
        redisFree(rd);
    rd = redisConnectUnix(e2e_env("RUSHD_TEST_REDIS_SOCKET"));
    rd_owner = getpid();
    ck_assert_msg(rd && !rd->err, "no connection to Redis");
    return rd;
}

static const char *reply_text(const redisReply *r)
{
    switch (r->type) {
    case REDIS_REPLY_NIL:
        return NULL;
    case REDIS_REPLY_INTEGER:
        return text("%lld", r->integer);
    case REDIS_REPLY_ARRAY:
        return text("%zu elements", r->elements);
    default:
        return text("%.*s", (int)r->len, r->str);
    }
}

static const char *command(const char *format, va_list args)
{
    /* A connection that a restart of the server broke is made anew, once. */
    redisReply *r = NULL;
    for (int i = 0; i < 2 && !r; i++) {
        va_list again;
        va_copy(again, args);
        r = redisvCommand(redis_connection(), format, again);
        va_end(again);
    }
    ck_assert_msg(r && r->type != REDIS_REPLY_ERROR, "Redis: %s: %s", format, r ? r->str : rd->errstr);
    const char *value = reply_text(r);
    freeReplyObject(r);
    return value;
}

const char *redis(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *value = command(format, args);
    va_end(args);
    return value;
}

int64_t redis_int(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *value = command(format, args);
    va_end(args);
    return value ? strtoll(value, NULL, 10) : 0;
}

/* --- Kafka ---------------------------------------------------------------------------------------------------------------- */

#define KAFKA_MS 15000

static const char *bootstrap;

void kafka_at(const char *servers)
{
    bootstrap = servers;
}

static rd_kafka_t *kafka_client(rd_kafka_type_t type)
{
    static const char *const settings[][2] = {{"group.id", "e2e-reader"},
                                              {"enable.auto.commit", "false"},
                                              {"enable.partition.eof", "true"},
                                              {"fetch.wait.max.ms", "10"},
                                              {"log_level", "3"}};
    char why[256];
    ck_assert_msg(bootstrap != NULL, "no broker is known");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    for (size_t i = 0; i < E2E_LEN(settings); i++)
        if (type == RD_KAFKA_CONSUMER || i == E2E_LEN(settings) - 1)
            rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    ck_assert_msg(rk != NULL, "%s", why);
    return rk;
}

static int partitions_of(rd_kafka_t *rk, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 0, t, &metadata, KAFKA_MS);
    rd_kafka_topic_destroy(t);
    ck_assert_msg(e == RD_KAFKA_RESP_ERR_NO_ERROR, "metadata of %s: %s", topic, rd_kafka_err2str(e));
    int n = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    return n;
}

static char *kept_bytes(const void *bytes, size_t n)
{
    return bytes ? text("%.*s", (int)n, (const char *)bytes) : NULL;
}

static char *headers_text(const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    char *all = text("%s", "");
    const char *name;
    const void *value;
    size_t n;
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return all;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &n) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        all = text("%s%s=%.*s\n", all, name, (int)n, (const char *)value);
    return all;
}

static void append(struct records *r, const rd_kafka_message_t *m)
{
    if ((r->n & (r->n - 1)) == 0)
        r->at = realloc(r->at, (r->n ? 2 * r->n : 1) * sizeof *r->at);
    r->at[r->n++] = (struct record){.partition = m->partition,
                                    .offset = m->offset,
                                    .key = kept_bytes(m->key, m->key_len),
                                    .value = kept_bytes(m->payload, m->len),
                                    .value_len = m->len,
                                    .headers = headers_text(m)};
}

static int by_place(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

struct records topic_read(const char *topic)
{
    rd_kafka_t *rk = kafka_client(RD_KAFKA_CONSUMER);
    rd_kafka_poll_set_consumer(rk);
    int left = partitions_of(rk, topic);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(left);
    for (int i = 0; i < left; i++)
        rd_kafka_topic_partition_list_add(all, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, all);
    rd_kafka_topic_partition_list_destroy(all);
    struct records out = {0};
    int64_t deadline = now_ms() + KAFKA_MS;
    while (left > 0 && now_ms() < deadline) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 200);
        if (!m)
            continue;
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            append(&out, m);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    ck_assert_msg(left == 0, "%d partitions of %s could not be read", left, topic);
    if (out.at) {
        qsort(out.at, out.n, sizeof *out.at, by_place);
        e2e_keep(out.at);
    }
    return out;
}

const char *record_header(const struct record *r, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = r->headers; line && *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, name, n) == 0 && line[n] == '=')
            return text("%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
    return NULL;
}

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    *(int *)m->_private = m->err == RD_KAFKA_RESP_ERR_NO_ERROR ? 1 : -1;
}

void topic_write(const char *topic, int32_t partition, const char *key, const char *value, const char *header)
{
    char why[256];
    int delivered = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    rd_kafka_conf_set(conf, "partitioner", "murmur2_random", why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    if (header) {
        size_t n = strcspn(header, "=");
        rd_kafka_header_add(headers, header, (ssize_t)n, header + n + 1, -1);
    }
    rd_kafka_resp_err_t e = rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition < 0 ? RD_KAFKA_PARTITION_UA : partition),
        RD_KAFKA_V_KEY(key, key ? strlen(key) : 0),
        RD_KAFKA_V_VALUE((void *)value, value ? strlen(value) : 0), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(&delivered), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    ck_assert_msg(e == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(e));
    for (int64_t end = now_ms() + KAFKA_MS; !delivered && now_ms() < end;)
        rd_kafka_poll(rk, 50);
    rd_kafka_destroy(rk);
    ck_assert_msg(delivered == 1, "a message for %s was not delivered", topic);
}
