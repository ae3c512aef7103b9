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
/* Make room for n more bytes and return where they go; the caller adds to len what it has written. */
char *buf_reserve(struct buf *b, size_t n);
/* Append n bytes. */
void buf_put(struct buf *b, const void *p, size_t n);
/* Append the bytes of a slice. */
void buf_put_slice(struct buf *b, struct slice s);
/* Append a string. */
void buf_puts(struct buf *b, const char *s);
/* Append one byte. */
void buf_putc(struct buf *b, char c);
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
