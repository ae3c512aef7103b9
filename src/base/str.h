/* Text helpers: slices, strict numbers, UTF-8, ASCII case. Nothing here depends on the locale. */
#ifndef RUSHD_BASE_STR_H
#define RUSHD_BASE_STR_H

#include "base/base.h"

/* Bytes that somebody else owns; not NUL-terminated. */
struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
struct slice slice_of(const char *s); /* NULL gives an empty slice */
bool slice_eq(struct slice a, const char *s);
bool slice_ieq(struct slice a, const char *s);     /* ASCII case folded */
bool slice_iequal(struct slice a, struct slice b); /* ASCII case folded */
struct slice slice_trim(struct slice s);           /* blanks, tabs, CR, LF at both ends */

/* Parse the whole of s as a decimal integer: an optional '-', digits, nothing else. False on overflow or any
 * other byte; *out is then untouched. */
bool str_to_i64(const char *s, size_t n, int64_t *out);
bool str_to_u64(const char *s, size_t n, uint64_t *out);

/* True if s is valid UTF-8 (no overlong form, no surrogate) without NUL: what PostgreSQL's text takes. */
bool str_is_utf8(const char *s, size_t n);

/* Length of the valid UTF-8 sequence that starts at s (1 to 4), or 0 when there is none within n bytes. */
size_t str_utf8_next(const char *s, size_t n);

/* The largest length <= n at which the text s may be cut without splitting a UTF-8 sequence. */
size_t str_utf8_cut(const char *s, size_t n);

bool str_ieq(const char *a, const char *b);
bool str_starts_with(const char *s, const char *prefix);

/* Copy at most size - 1 bytes and terminate; never cuts a UTF-8 sequence in two. */
void str_copy(char *dst, size_t size, const char *src);

#endif
