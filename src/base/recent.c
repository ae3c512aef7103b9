/* Sets of four places; the hash of the pair tells the set, and its oldest place is taken when all four are in use. */
#include "base/recent.h"

#define WAYS 4

struct place {
    int64_t a, b, value;
    int64_t at_us; /* 0: free */
};

struct recent {
    size_t nsets; /* power of two */
    struct place *places;
};

struct recent *recent_new(size_t pairs)
{
    struct recent *r = mem_zalloc(sizeof *r);
    r->nsets = 1;
    while (r->nsets * WAYS < pairs)
        r->nsets *= 2;
    r->places = mem_zalloc(r->nsets * WAYS * sizeof *r->places);
    return r;
}

void recent_free(struct recent *r)
{
    if (!r)
        return;
    mem_free(r->places);
    mem_free(r);
}

static struct place *set_of(const struct recent *r, int64_t a, int64_t b)
{
    uint64_t h = ((uint64_t)a * UINT64_C(0x9e3779b97f4a7c15)) ^ ((uint64_t)b * UINT64_C(0xc2b2ae3d27d4eb4f));
    h ^= h >> 32;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return r->places + (h >> 32 & (r->nsets - 1)) * WAYS;
}

static struct place *find(const struct recent *r, int64_t a, int64_t b)
{
    struct place *set = set_of(r, a, b);
    for (int i = 0; i < WAYS; i++)
        if (set[i].a == a && set[i].b == b && set[i].at_us)
            return set + i;
    return NULL;
}

void recent_put(struct recent *r, int64_t a, int64_t b, int64_t value, int64_t at_us)
{
    struct place *to = find(r, a, b);
    if (!to) {
        struct place *set = set_of(r, a, b);
        to = set;
        for (int i = 1; i < WAYS; i++)
            if (set[i].at_us < to->at_us)
                to = set + i;
    }
    *to = (struct place){a, b, value, at_us};
}

bool recent_get(const struct recent *r, int64_t a, int64_t b, int64_t since_us, int64_t *value)
{
    const struct place *p = find(r, a, b);
    if (!p || p->at_us < since_us)
        return false;
    *value = p->value;
    return true;
}

void recent_del(struct recent *r, int64_t a, int64_t b)
{
    struct place *p = find(r, a, b);
    if (p)
        *p = (struct place){0};
}
