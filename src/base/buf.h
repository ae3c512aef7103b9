/* A growable run of bytes. Always has room for a NUL behind the content, so buf_str() is cheap. */
#ifndef RUSHD_BASE_BUF_H
#define RUSHD_BASE_BUF_H

#include <stdarg.h>

#include "base/str.h"

struct buf {
    char *data; /* NULL until the first byte */
    size_t len;
    size_t cap;
};

/* The empty buffer; holds no memory. What is appended must not lie in the buffer itself. */
#define BUF_INIT ((struct buf){0})

/* Free the memory and make the buffer empty; it may be used again. */
void buf_free(struct buf *b);
/* Make the buffer empty, keep its memory. */
void buf_clear(struct buf *b);
/* Get memory for n more bytes: what buf_reserve() does when there is not enough. */
char *buf_grow(struct buf *b, size_t n);

/* Make room for n more bytes and return where they go; the caller adds to len what it has written. */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    return n < b->cap - b->len ? b->data + b->len : buf_grow(b, n);
}

/* Append n bytes. */
static inline void buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_reserve(b, n), p, n);
    b->len += n;
}

/* Append the bytes of a slice. */
static inline void buf_put_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.p, s.n);
}

/* Append a string. */
static inline void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

/* Append one byte. */
static inline void buf_putc(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->len++;
}

/* Append a number in decimal. */
void buf_put_i64(struct buf *b, int64_t v);
/* Append formatted text of any length. */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same with the arguments of somebody else. */
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Drop n bytes from the front; moves what is behind them. */
void buf_consume(struct buf *b, size_t n);
/* Give a NUL-terminated view, "" when empty; valid until the next change. */
const char *buf_str(struct buf *b);
/* Give a view of the bytes; valid until the next change. */
struct slice buf_slice(const struct buf *b);
/* Hand the NUL-terminated memory to the caller (mem_free); the buffer is empty after. */
char *buf_steal(struct buf *b);

#endif
