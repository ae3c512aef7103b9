/* Text helpers that behave the same in every locale. */
#include "base/str.h"

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool fold_eq(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fold(a[i]) != fold(b[i]))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_of(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

bool slice_eq(struct slice a, const char *s)
{
    return a.n == strlen(s) && (a.n == 0 || memcmp(a.p, s, a.n) == 0);
}

bool slice_ieq(struct slice a, const char *s)
{
    return slice_iequal(a, slice_of(s));
}

bool slice_iequal(struct slice a, struct slice b)
{
    return a.n == b.n && fold_eq(a.p, b.p, a.n);
}

struct slice slice_trim(struct slice s)
{
    while (s.n && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_to_u64(const char *s, size_t n, uint64_t *out)
{
    if (n == 0)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool str_to_i64(const char *s, size_t n, int64_t *out)
{
    bool negative = n && s[0] == '-';
    uint64_t v;
    if (!str_to_u64(s + negative, n - negative, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)-v : (int64_t)v;
    return true;
}

size_t str_utf8_next(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xc2 && p[0] < 0xe0   ? 2
                 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] >= 0xa0;
    bool beyond = p[0] == 0xf4 && p[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : len;
}

bool str_is_utf8(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = str_utf8_next(s + i, n - i);
        if (len == 0 || s[i] == '\0')
            return false;
        i += len;
    }
    return true;
}

size_t str_utf8_cut(const char *s, size_t n)
{
    size_t start = n; /* of the last sequence, at most three bytes behind its first */
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        if (c < 0x80)
            return n;
        if (c >= 0xc0) {
            start = n - back;
            break;
        }
    }
    if (start == n)
        return n;
    unsigned char lead = (unsigned char)s[start];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return n - start < want ? start : n;
}

bool str_ieq(const char *a, const char *b)
{
    return slice_ieq(slice_of(a), b);
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

void str_copy(char *dst, size_t size, const char *src)
{
    ASSERT(size > 0);
    size_t n = strlen(src);
    if (n >= size)
        n = str_utf8_cut(src, size - 1);
    memmove(dst, src, n);
    dst[n] = '\0';
}
