/* Arguments of commands, and their form on the wire (RESP arrays of bulk strings). */
#include "redis/redis_internal.h"

#include <inttypes.h>
#include <stdio.h>

void redis_args_add_slice(struct redis_args *a, struct slice s)
{
    ASSERT(a->n < REDIS_MAX_ARGS);
    a->v[a->n++] = (struct redis_arg){s.p, s.n};
}

void redis_args_add(struct redis_args *a, const char *s)
{
    redis_args_add_slice(a, slice_of(s));
}

void redis_args_add_i64(struct redis_args *a, int64_t v)
{
    ASSERT(a->n < REDIS_MAX_ARGS);
    char *text = a->numbers[a->n];
    int n = snprintf(text, sizeof(a->numbers[0]), "%" PRId64, v);
    redis_args_add_slice(a, (struct slice){text, (size_t)n});
}

static void encode_length(struct buf *b, char kind, size_t n)
{
    buf_putc(b, kind);
    buf_put_i64(b, (int64_t)n);
    buf_put(b, "\r\n", 2);
}

void redis_encode_count(struct buf *b, size_t n)
{
    encode_length(b, '*', n);
}

void redis_encode_arg(struct buf *b, const void *p, size_t n)
{
    encode_length(b, '$', n);
    buf_put(b, p, n);
    buf_put(b, "\r\n", 2);
}

void redis_encode_text(struct buf *b, const char *s)
{
    redis_encode_arg(b, s, strlen(s));
}
