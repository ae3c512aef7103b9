/* The account of the embedded cluster: unread messages are never overwritten. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kafka_support.h"

static void edit_no_wait(struct kafka_producer_config *cfg)
{
    cfg->linger_ms = 0;
}

/* Send 1000-byte messages until refused, at most n; returns how many were taken. */
static int fill(struct bench *b, const char *topic, int partition, int n)
{
    char value[1001] = "";
    memset(value, 'v', 1000);
    int sent = 0;
    while (sent < n && bench_send(b, topic, partition, "k", value, (uint64_t)sent % BOOK_MAX)) {
        sent++;
        if (kafka_producer_full(b->producer))
            bench_flush(b);
    }
    bench_flush(b);
    return sent;
}

START_TEST(unread_messages_bound_the_producer)
{
    struct bench *b = bench_new();
    struct error e = ERROR_INIT;
    ck_assert(kafka_embedded_topic(b->cluster, "read", 2, &e));
    ck_assert(kafka_embedded_topic(b->cluster, "unread", 2, &e));
    bench_producer(b, edit_no_wait);
    static const char *const topics[] = {"read", NULL};
    kafka_embedded_join(b->cluster, "one", topics);
    kafka_embedded_join(b->cluster, "two", topics);

    ck_assert(kafka_embedded_idle(b->cluster));
    ck_assert_int_eq(fill(b, "unread", 0, 10), 10);
    ck_assert(kafka_embedded_idle(b->cluster)); /* nobody will read it */

    int sent = fill(b, "read", 0, 6000);
    ck_assert(!kafka_embedded_idle(b->cluster));
    ck_assert_int_gt(sent, 2000);
    ck_assert_int_lt(sent, 3200);                       /* 3 MiB */
    ck_assert_int_eq(fill(b, "read", 1, 100), 100);     /* another partition has room */
    ck_assert_int_eq(fill(b, "unread", 0, 6000), 6000); /* nobody here reads it: the oldest go */

    kafka_embedded_consumed(b->cluster, "one", "read", 0, 1000);
    ck_assert_int_eq(fill(b, "read", 0, 10), 0); /* the other group still needs them */
    kafka_embedded_consumed(b->cluster, "two", "read", 0, 500);
    int more = fill(b, "read", 0, 6000);
    ck_assert_int_ge(more, 490);
    ck_assert_int_le(more, 510);
    kafka_embedded_leave(b->cluster, "two", topics);
    ck_assert_int_ge(fill(b, "read", 0, 6000), 490);
    kafka_embedded_consumed(b->cluster, "one", "read", 1, 100);
    ck_assert(!kafka_embedded_idle(b->cluster));
    kafka_embedded_consumed(b->cluster, "one", "read", 0, 1000000);
    ck_assert(kafka_embedded_idle(b->cluster));
    kafka_embedded_leave(b->cluster, "one", topics);
    bench_free(b);
}
END_TEST

/* A signal that interrupted the cluster's thread would end the cluster. */
START_TEST(signals_go_to_our_thread)
{
    struct bench *b = bench_new();
    int others = 0;
    char line[256], path[300];
    DIR *dir = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = fopen(path, "r");
        ck_assert_ptr_nonnull(f);
        while (fgets(line, sizeof line, f)) {
            if (strncmp(line, "SigBlk:", 7) != 0)
                continue;
            unsigned long long blocked = strtoull(line + 7, NULL, 16);
            ck_assert_msg(blocked >> (SIGTERM - 1) & 1 && blocked >> (SIGHUP - 1) & 1, "%s: %s", path, line);
            others++;
        }
        fclose(f);
    }
    closedir(dir);
    ck_assert_int_gt(others, 0);
    bench_free(b);
}
END_TEST

START_TEST(keys_go_where_java_puts_them)
{
    struct bench *b = bench_new();
    struct error e = ERROR_INIT;
    ck_assert(kafka_embedded_topic(b->cluster, "t", 7, &e));
    for (int i = 0; i < 100; i++) {
        char key[16];
        size_t n = (size_t)snprintf(key, sizeof key, "%d", i);
        int32_t partition = -1;
        ck_assert(kafka_embedded_admit(b->cluster, "t", (struct slice){key, n}, 10, &partition));
        ck_assert_int_eq(partition, kafka_partition_of(key, n, 7));
        kafka_embedded_reported(b->cluster, "t", partition, 10, -1);
    }
    int32_t partition = -1;
    ck_assert(kafka_embedded_admit(b->cluster, "t", (struct slice){0}, 10, &partition));
    ck_assert(partition >= 0 && partition < 7);
    ck_assert_ptr_eq(kafka_embedded_find(b->config.bootstrap_servers), b->cluster);
    kafka_embedded_free(b->cluster);
    bench_free(b);
}
END_TEST

Suite *embedded_suite(void)
{
    Suite *s = suite_create("embedded");
    TCase *t = tcase_create("embedded");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, unread_messages_bound_the_producer);
    tcase_add_test(t, keys_go_where_java_puts_them);
    tcase_add_test(t, signals_go_to_our_thread);
    suite_add_tcase(s, t);
    return s;
}
