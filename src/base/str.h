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

/* Make a slice of a whole string; NULL gives an empty slice. */
struct slice slice_of(const char *s);
/* True if the slice holds exactly this string. */
bool slice_eq(struct slice a, const char *s);
/* The same with ASCII case folded. */
bool slice_ieq(struct slice a, const char *s);
/* True if both slices hold the same bytes, ASCII case folded. */
bool slice_iequal(struct slice a, struct slice b);
/* Cut blanks, tabs, CR and LF off both ends. */
struct slice slice_trim(struct slice s);

/* Parse the whole of s as a decimal integer: an optional '-', digits, nothing else. False on overflow or any
 * other byte; *out is then untouched. */
bool str_to_i64(const char *s, size_t n, int64_t *out);
/* The same without a sign. */
bool str_to_u64(const char *s, size_t n, uint64_t *out);

/* True if s is valid UTF-8 (no overlong form, no surrogate) without NUL: what PostgreSQL's text takes. */
bool str_is_utf8(const char *s, size_t n);
/* Give the length of the valid UTF-8 sequence that starts at s (1 to 4), 0 when n bytes hold none. */
size_t str_utf8_next(const char *s, size_t n);
/* Give the largest length <= n at which the valid UTF-8 text s may be cut without splitting a sequence. */
size_t str_utf8_cut(const char *s, size_t n);

/* True if both strings are the same, ASCII case folded. */
bool str_ieq(const char *a, const char *b);
/* True if s begins with prefix. */
bool str_starts_with(const char *s, const char *prefix);

/* Copy at most size - 1 bytes and terminate; never cuts a UTF-8 sequence in two. */
void str_copy(char *dst, size_t size, const char *src);

#endif
