/* Array parameters in the binary form that array_recv() of the server reads: the number of dimensions, whether there are NULLs, the
 * type of the elements, how many they are, the index of the first; then each with its size. Integers are in network order.
 * Text would have to be printed here and parsed there, number by number.
 *
 * The head is filled in while elements come. An array without a single value has no type that the server would take: it goes as
 * text. */
#include "pg/pg.h"

#include <arpa/inet.h>

enum {
    HEAD_DIMENSIONS = 0,
    HEAD_NULLS = 4,
    HEAD_TYPE = 8,
    HEAD_COUNT = 12,
    HEAD_FIRST = 16,
    HEAD_SIZE = 20,
};

/* Object ids of pg_type; they never change. */
enum {
    TYPE_INT8 = 20,
    TYPE_TEXT = 25,
    TYPE_NUMERIC = 1700,
};

static uint32_t head_get(const struct buf *b, size_t at)
{
    uint32_t v;
    ASSERT(b->len >= HEAD_SIZE);
    memcpy(&v, b->data + at, sizeof v);
    return ntohl(v);
}

static void head_set(struct buf *b, size_t at, uint32_t v)
{
    uint32_t net = htonl(v);
    memcpy(b->data + at, &net, sizeof net);
}

void pg_array_begin(struct buf *b)
{
    static const char head[HEAD_SIZE];
    buf_clear(b);
    buf_put(b, head, sizeof head);
    head_set(b, HEAD_FIRST, 1);
}

static void element(struct buf *b, uint32_t type, const char *bytes, size_t size)
{
    uint32_t known = head_get(b, HEAD_TYPE);
    ASSERT(known == 0 || known == type);
    ASSERT(size <= INT32_MAX);
    head_set(b, HEAD_TYPE, type);
    head_set(b, HEAD_COUNT, head_get(b, HEAD_COUNT) + 1);
    uint32_t net = htonl((uint32_t)size);
    char *to = buf_reserve(b, sizeof net + size);
    memcpy(to, &net, sizeof net);
    if (size)
        memcpy(to + sizeof net, bytes, size);
    b->len += sizeof net + size;
}

void pg_array_i64(struct buf *b, int64_t v)
{
    const uint32_t halves[] = {htonl((uint32_t)((uint64_t)v >> 32)), htonl((uint32_t)(uint64_t)v)};
    element(b, TYPE_INT8, (const char *)halves, sizeof halves);
}

/* A numeric is a row of digits to the base of 10,000: how many, the power of the first, the sign, decimals to show. */
void pg_array_money(struct buf *b, money v)
{
    enum {
        BASE = 10000,
        WHOLE_MAX = 5 /* digits of what 64 bits hold less the cents */
    };
    uint16_t digits[4 + WHOLE_MAX + 1], whole[WHOLE_MAX];
    uint64_t cents = v < 0 ? -(uint64_t)v : (uint64_t)v;
    uint16_t fraction = (uint16_t)(cents % 100 * 100);
    int n = 0, power = 0, at = 4;
    for (uint64_t rest = cents / 100; rest; rest /= BASE)
        whole[n++] = (uint16_t)(rest % BASE);
    power = n - 1;
    while (n > 0)
        digits[at++] = htons(whole[--n]);
    if (fraction)
        digits[at++] = htons(fraction);
    else
        while (at > 4 && digits[at - 1] == 0) /* none behind the last that says anything */
            at--;
    digits[0] = htons((uint16_t)(at - 4));
    digits[1] = htons(at > 4 ? (uint16_t)(int16_t)power : 0);
    digits[2] = htons(v < 0 ? 0x4000 : 0);
    digits[3] = htons(2);
    element(b, TYPE_NUMERIC, (const char *)digits, (size_t)at * sizeof digits[0]);
}

void pg_array_text(struct buf *b, const char *s)
{
    if (s)
        pg_array_text_slice(b, slice_of(s));
    else
        pg_array_null(b);
}

void pg_array_text_slice(struct buf *b, struct slice s)
{
    element(b, TYPE_TEXT, s.p, s.n);
}

void pg_array_null(struct buf *b)
{
    head_set(b, HEAD_NULLS, 1);
    head_set(b, HEAD_COUNT, head_get(b, HEAD_COUNT) + 1);
    buf_put(b, "\xff\xff\xff\xff", 4); /* a size of -1 */
}

/* An array of NULLs, maybe none, as text. */
static void write_nulls(struct buf *b)
{
    uint32_t n = head_get(b, HEAD_COUNT);
    buf_clear(b);
    buf_putc(b, '{');
    for (uint32_t i = 0; i < n; i++)
        buf_puts(b, i ? ",NULL" : "NULL");
    buf_putc(b, '}');
}

void pg_params_array(struct pg_params *p, struct buf *b)
{
    ASSERT(p->n < PG_MAX_PARAMS && b->len <= INT32_MAX);
    bool typed = head_get(b, HEAD_TYPE) != 0;
    if (typed)
        head_set(b, HEAD_DIMENSIONS, 1);
    else
        write_nulls(b);
    p->sizes[p->n] = typed ? (int)b->len : 0;
    p->values[p->n++] = typed ? b->data : buf_str(b);
}
