/* Both maps are one table with linear probing.
 *
 * A deleted entry leaves a mark behind, so that no entry moves while somebody walks; marks at the end of a
 * run are cleared at once, the others by the next rebuild. A slot is found by its id: the key of a map, the
 * hash of the bytes of a strmap (SipHash-1-3 with a key of this process). */
#include "base/map.h"

#include "base/random.h"

#define FIRST_SLOTS 16

struct slot {
    uint64_t id;
    char *bytes; /* strmap: own copy of the key, NUL-terminated */
    size_t n;
    void *value; /* NULL: free; &deleted: a mark */
};

struct table {
    struct slot *slots;
    size_t nslots; /* power of two, or 0 */
    size_t used;   /* values and marks */
    size_t len;    /* values */
};

struct map {
    struct table t;
};

struct strmap {
    struct table t;
};

static char deleted;

/* Drawn once, through the replaceable source: a seeded simulation walks in the same order each time. */
static uint64_t seed[2];

static void seed_once(void)
{
    while (!seed[0] || !seed[1])
        random_bytes(seed, sizeof(seed));
}

static bool is_value(const struct slot *s)
{
    return s->value && s->value != &deleted;
}

static uint64_t rotate(uint64_t v, int bits)
{
    return (v << bits) | (v >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* SipHash with one round per word and three at the end. */
static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d, seed[0] ^ 0x6c7967656e657261,
                     seed[1] ^ 0x7465646279746573};
    uint64_t tail = (uint64_t)n << 56;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < n; i++)
        tail |= (uint64_t)(unsigned char)p[i] << (8 * i);
    v[3] ^= tail;
    sip_round(v);
    v[0] ^= tail;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Where the search for an id begins: a multiplication with a secret folded to 64 bits. */
static size_t home_of(const struct table *t, uint64_t id)
{
    unsigned __int128 wide = (unsigned __int128)(id ^ seed[0]) * (seed[1] | 1);
    return (size_t)((uint64_t)wide ^ (uint64_t)(wide >> 64)) & (t->nslots - 1);
}

static bool same_key(const struct slot *s, uint64_t id, const char *bytes, size_t n)
{
    return s->id == id && s->n == n && (n == 0 || memcmp(s->bytes, bytes, n) == 0);
}

/* The slot that holds the key, or NULL. *spare, if asked for, gets the slot where it would go. */
static struct slot *table_find(const struct table *t, uint64_t id, const char *bytes, size_t n,
                               struct slot **spare)
{
    struct slot *mark = NULL;
    if (spare)
        *spare = NULL;
    if (t->nslots == 0)
        return NULL;
    for (size_t i = home_of(t, id);; i = (i + 1) & (t->nslots - 1)) {
        struct slot *s = &t->slots[i];
        if (!s->value) {
            if (spare)
                *spare = mark ? mark : s;
            return NULL;
        }
        if (s->value == &deleted)
            mark = mark ? mark : s;
        else if (same_key(s, id, bytes, n))
            return s;
    }
}

/* Give the table room for one more value and drop all marks. */
static void table_rebuild(struct table *t)
{
    struct table next = {.nslots = FIRST_SLOTS};
    while (next.nslots / 2 < t->len + 1)
        next.nslots *= 2;
    next.slots = mem_array(next.nslots, sizeof(*next.slots));
    for (size_t i = 0; i < t->nslots; i++) {
        if (!is_value(&t->slots[i]))
            continue;
        size_t at = home_of(&next, t->slots[i].id);
        while (next.slots[at].value)
            at = (at + 1) & (next.nslots - 1);
        next.slots[at] = t->slots[i];
    }
    next.used = next.len = t->len;
    mem_free(t->slots);
    *t = next;
}

static void *table_put(struct table *t, uint64_t id, const char *bytes, size_t n, bool copy, void *value)
{
    ASSERT(value != NULL);
    struct slot *spare;
    struct slot *s = table_find(t, id, bytes, n, &spare);
    if (s) {
        void *old = s->value;
        s->value = value;
        return old;
    }
    if (!spare || (!spare->value && (t->used + 1) * 4 > t->nslots * 3)) {
        table_rebuild(t);
        table_find(t, id, bytes, n, &spare);
    }
    if (!spare->value)
        t->used++;
    t->len++;
    *spare = (struct slot){.id = id, .n = n, .value = value};
    if (copy) {
        spare->bytes = mem_alloc(n + 1);
        if (n)
            memcpy(spare->bytes, bytes, n);
        spare->bytes[n] = '\0';
    }
    return NULL;
}

static void *table_del(struct table *t, uint64_t id, const char *bytes, size_t n)
{
    struct slot *s = table_find(t, id, bytes, n, NULL);
    if (!s)
        return NULL;
    void *old = s->value;
    mem_free(s->bytes);
    *s = (struct slot){.value = &deleted};
    t->len--;
    /* A mark is only needed where the run goes on behind it. */
    size_t i = (size_t)(s - t->slots);
    if (!t->slots[(i + 1) & (t->nslots - 1)].value) {
        for (; t->slots[i].value == &deleted; i = (i - 1) & (t->nslots - 1)) {
            t->slots[i].value = NULL;
            t->used--;
        }
    }
    return old;
}

static const struct slot *table_next(const struct table *t, size_t *pos)
{
    while (*pos < t->nslots) {
        const struct slot *s = &t->slots[(*pos)++];
        if (is_value(s))
            return s;
    }
    return NULL;
}

static void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->nslots; i++)
        mem_free(t->slots[i].bytes);
    mem_free(t->slots);
    *t = (struct table){0};
}

struct map *map_new(void)
{
    seed_once();
    return mem_zalloc(sizeof(struct map));
}

void map_free(struct map *m)
{
    if (!m)
        return;
    table_clear(&m->t);
    mem_free(m);
}

void *map_get(const struct map *m, int64_t key)
{
    struct slot *s = table_find(&m->t, (uint64_t)key, NULL, 0, NULL);
    return s ? s->value : NULL;
}

void *map_put(struct map *m, int64_t key, void *value)
{
    return table_put(&m->t, (uint64_t)key, NULL, 0, false, value);
}

void *map_del(struct map *m, int64_t key)
{
    return table_del(&m->t, (uint64_t)key, NULL, 0);
}

size_t map_len(const struct map *m)
{
    return m->t.len;
}

void map_clear(struct map *m)
{
    table_clear(&m->t);
}

bool map_next(const struct map *m, size_t *pos, int64_t *key, void **value)
{
    const struct slot *s = table_next(&m->t, pos);
    if (!s)
        return false;
    if (key)
        *key = (int64_t)s->id;
    if (value)
        *value = s->value;
    return true;
}

struct strmap *strmap_new(void)
{
    seed_once();
    return mem_zalloc(sizeof(struct strmap));
}

void strmap_free(struct strmap *m)
{
    if (!m)
        return;
    table_clear(&m->t);
    mem_free(m);
}

void *strmap_get(const struct strmap *m, const char *key, size_t n)
{
    struct slot *s = table_find(&m->t, hash_bytes(key, n), key, n, NULL);
    return s ? s->value : NULL;
}

void *strmap_put(struct strmap *m, const char *key, size_t n, void *value)
{
    return table_put(&m->t, hash_bytes(key, n), key, n, true, value);
}

void *strmap_del(struct strmap *m, const char *key, size_t n)
{
    return table_del(&m->t, hash_bytes(key, n), key, n);
}

size_t strmap_len(const struct strmap *m)
{
    return m->t.len;
}

void strmap_clear(struct strmap *m)
{
    table_clear(&m->t);
}

bool strmap_next(const struct strmap *m, size_t *pos, struct slice *key, void **value)
{
    const struct slot *s = table_next(&m->t, pos);
    if (!s)
        return false;
    if (key)
        *key = (struct slice){s->bytes, s->n};
    if (value)
        *value = s->value;
    return true;
}
