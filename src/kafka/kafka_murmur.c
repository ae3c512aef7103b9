/* The hash and the partition that Java's default partitioner computes for a key. */
#include "kafka/kafka.h"

#include "base/base.h"

static uint32_t little_endian(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t kafka_murmur2(const void *key, size_t n)
{
    const uint32_t seed = 0x9747b28c, m = 0x5bd1e995;
    const unsigned char *p = key;
    uint32_t h = seed ^ (uint32_t)n;
    size_t left = n;

    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k = little_endian(p) * m;
        k ^= k >> 24;
        h = h * m ^ k * m;
    }
    if (left == 3)
        h ^= (uint32_t)p[2] << 16;
    if (left >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (left >= 1) {
        h ^= p[0];
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

int32_t kafka_partition_of(const void *key, size_t n, int32_t partitions)
{
    ASSERT(partitions > 0);
    return (int32_t)((kafka_murmur2(key, n) & 0x7fffffff) % (uint32_t)partitions);
}
