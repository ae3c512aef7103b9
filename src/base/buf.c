/* Growable bytes. The memory doubles, and one byte behind the content is always there for a NUL. */
#include "base/buf.h"

#include <stdio.h>
#include <sysexits.h>

#define FIRST_SIZE 64

void buf_free(struct buf *b)
{
    mem_free(b->data);
    *b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

char *buf_grow(struct buf *b, size_t n)
{
    if (n >= SIZE_MAX / 2 - b->len)
        base_die(EX_OSERR, "out of memory: a buffer of %zu bytes is to grow by %zu", b->len, n);
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : FIRST_SIZE;
        while (cap < need)
            cap *= 2;
        b->data = mem_grow(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_put_i64(struct buf *b, int64_t v)
{
    char digits[24];
    char *p = digits + sizeof(digits);
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        *--p = '-';
    buf_put(b, p, (size_t)(digits + sizeof(digits) - p));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    char *at = buf_reserve(b, FIRST_SIZE);
    size_t room = b->cap - b->len;
    int n = vsnprintf(at, room, fmt, ap);
    ASSERT(n >= 0);
    if ((size_t)n >= room) {
        at = buf_reserve(b, (size_t)n);
        vsnprintf(at, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    b->len += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->len);
    b->len -= n;
    if (n && b->len)
        memmove(b->data, b->data + n, b->len);
}

const char *buf_str(struct buf *b)
{
    if (!b->data)
        return "";
    b->data[b->len] = '\0';
    return b->data;
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

char *buf_steal(struct buf *b)
{
    char *text = buf_reserve(b, 0) - b->len;
    text[b->len] = '\0';
    *b = BUF_INIT;
    return text;
}
