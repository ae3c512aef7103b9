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

#define BUF_INIT ((struct buf){0})

void buf_free(struct buf *b);  /* frees the memory and makes it empty; may be used again */
void buf_clear(struct buf *b); /* empties, keeps the memory */
char *buf_reserve(struct buf *b,
                  size_t n); /* room for n more bytes; returns the write position, len unchanged */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_slice(struct buf *b, struct slice s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_put_i64(struct buf *b, int64_t v); /* decimal */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_consume(struct buf *b, size_t n); /* drop n bytes from the front */
const char *buf_str(struct buf *b); /* NUL-terminated view, "" when empty; valid until the next change */
struct slice buf_slice(const struct buf *b);
char *buf_steal(
    struct buf *b); /* hand the NUL-terminated memory to the caller (mem_free), buf is empty after */

#endif
