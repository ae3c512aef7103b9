/* The vectors of org.apache.kafka.common.utils.UtilsTest.testMurmur2, and librdkafka's own partitioner. */
#include "kafka_support.h"

static const struct {
    const char *key;
    int32_t hash;
} vectors[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};

START_TEST(java_vectors)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        ck_assert_int_eq((int32_t)kafka_murmur2(vectors[i].key, strlen(vectors[i].key)), vectors[i].hash);
}
END_TEST

START_TEST(partition_is_librdkafkas)
{
    char key[32];
    for (int i = 0; i < 2000; i++) {
        size_t n = (size_t)snprintf(key, sizeof key, "%.*d", i % 12, i);
        int32_t cnt = 1 + i % 17;
        ck_assert_int_eq(kafka_partition_of(key, n, cnt),
                         rd_kafka_msg_partitioner_murmur2(NULL, key, n, cnt, NULL, NULL));
    }
}
END_TEST

Suite *murmur_suite(void)
{
    Suite *s = suite_create("murmur");
    TCase *t = tcase_create("murmur");
    tcase_add_test(t, java_vectors);
    tcase_add_test(t, partition_is_librdkafkas);
    suite_add_tcase(s, t);
    return s;
}
