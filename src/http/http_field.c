/* The grammar below messages (RFC 9110 section 5.6, RFC 3986): one table of character classes and small
 * readers on slices. */
#include "http/http_field.h"

#define T        (HTTP_CHAR_TOKEN | HTTP_CHAR_VALUE)
#define V        HTTP_CHAR_VALUE
#define U        HTTP_CHAR_TARGET
#define H        HTTP_CHAR_HOST
#define I        HTTP_CHAR_ID
#define ALNUM(c) [c] = T | U | H | I
#define TEN(c)                                                                                               \
    ALNUM((c)), ALNUM((c) + 1), ALNUM((c) + 2), ALNUM((c) + 3), ALNUM((c) + 4), ALNUM((c) + 5),              \
        ALNUM((c) + 6), ALNUM((c) + 7), ALNUM((c) + 8), ALNUM((c) + 9)
#define LETTERS(c)                                                                                           \
    TEN(c), TEN((c) + 10), ALNUM((c) + 20), ALNUM((c) + 21), ALNUM((c) + 22), ALNUM((c) + 23),               \
        ALNUM((c) + 24), ALNUM((c) + 25)

const uint8_t http_char_table[256] = {
    TEN('0'),
    LETTERS('A'),
    LETTERS('a'),
    ['!'] = T | U | H,
    ['#'] = T,
    ['$'] = T | U | H,
    ['%'] = T | U | H,
    ['&'] = T | U | H,
    ['\''] = T | U | H,
    ['*'] = T | U | H,
    ['+'] = T | U | H,
    ['-'] = T | U | H | I,
    ['.'] = T | U | H | I,
    ['^'] = T,
    ['_'] = T | U | H | I,
    ['`'] = T,
    ['|'] = T,
    ['~'] = T | U | H,
    ['\t'] = V,
    [' '] = V,
    ['"'] = V,
    ['('] = V | U | H,
    [')'] = V | U | H,
    [','] = V | U | H,
    ['/'] = V | U,
    [':'] = V | U | H,
    [';'] = V | U | H,
    ['<'] = V,
    ['='] = V | U | H,
    ['>'] = V,
    ['?'] = V | U,
    ['@'] = V | U,
    ['['] = V | U | H,
    ['\\'] = V,
    [']'] = V | U | H,
    ['{'] = V,
    ['}'] = V,
    [0x80 ... 0xff] = V,
};

bool http_chars_are(struct slice s, enum http_char_class cls)
{
    for (size_t i = 0; i < s.n; i++)
        if (!http_char_is(s.p[i], cls))
            return false;
    return true;
}

/* Index of the first sep outside quoted strings, or s.n. */
static size_t find_unquoted(struct slice s, char sep)
{
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && s.p[i] == sep)
            return i;
    }
    return s.n;
}

/* Cut what stands before sep from *rest; false when nothing is left. */
static bool cut(struct slice *rest, char sep, struct slice *part)
{
    if (rest->n == 0)
        return false;
    size_t n = find_unquoted(*rest, sep);
    *part = slice_trim((struct slice){rest->p, n});
    size_t skip = n < rest->n ? n + 1 : n;
    rest->p += skip;
    rest->n -= skip;
    return true;
}

bool http_list_next(struct slice *rest, struct slice *element)
{
    while (cut(rest, ',', element))
        if (element->n)
            return true;
    return false;
}

bool http_list_has(struct slice list, const char *element)
{
    struct slice e;
    while (http_list_next(&list, &e))
        if (slice_ieq(e, element))
            return true;
    return false;
}

/* True for token "/" token. */
static bool is_media_type(struct slice s)
{
    const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
    if (!slash || slash == s.p || slash == s.p + s.n - 1)
        return false;
    struct slice type = {s.p, (size_t)(slash - s.p)}, subtype = {slash + 1, s.n - type.n - 1};
    return http_chars_are(type, HTTP_CHAR_TOKEN) && http_chars_are(subtype, HTTP_CHAR_TOKEN);
}

struct slice http_media_type(struct slice content_type)
{
    struct slice type = {0};
    if (!cut(&content_type, ';', &type) || !is_media_type(type))
        return (struct slice){0};
    return type;
}

/* Quality of a media range in thousandths; -1 when malformed (RFC 9110 section 12.4.2). */
static int quality(struct slice parameters)
{
    struct slice p;
    while (cut(&parameters, ';', &p)) {
        if (p.n < 2 || (p.p[0] | 0x20) != 'q' || p.p[1] != '=')
            continue;
        if (p.n < 3 || p.n > 7 || p.p[2] < '0' || p.p[2] > '1' || (p.n > 3 && p.p[3] != '.'))
            return -1;
        int q = (p.p[2] - '0') * 1000, weight = 100;
        for (size_t i = 4; i < p.n; i++, weight /= 10) {
            if (p.p[i] < '0' || p.p[i] > '9')
                return -1;
            q += (p.p[i] - '0') * weight;
        }
        return q > 1000 ? -1 : q;
    }
    return 1000;
}

bool http_range_next(struct slice *list, struct slice *range, int *q)
{
    struct slice e;
    if (!http_list_next(list, &e))
        return false;
    cut(&e, ';', range);
    *q = quality(e);
    return true;
}

bool http_accepts_json(struct slice accept)
{
    struct slice range;
    int best = 0, best_quality = 0, q;
    bool any = false;
    while (http_range_next(&accept, &range, &q)) {
        if (q < 0 || !is_media_type(range))
            continue;
        any = true;
        int specific = slice_ieq(range, "application/json")           ? 4
                       : slice_ieq(range, "application/problem+json") ? 3
                       : slice_ieq(range, "application/*")            ? 2
                       : slice_eq(range, "*/*")                       ? 1
                                                                      : 0;
        if (specific > best) {
            best = specific;
            best_quality = q;
        }
    }
    return !any || best_quality > 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_percent_decode(struct slice s, bool form, struct buf *out)
{
    size_t before = out->len;
    char *to = buf_reserve(out, s.n);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1, low = high < 0 ? -1 : hex_value(s.p[i + 2]);
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        *to++ = c;
    }
    size_t n = (size_t)(to - (out->data + before));
    if (!str_is_utf8(out->data + before, n))
        return false;
    out->len += n;
    return true;
}

/* True if the raw (maybe escaped) name of a parameter is name. */
static bool name_is(struct slice raw, const char *name)
{
    if (!raw.n || (!memchr(raw.p, '%', raw.n) && !memchr(raw.p, '+', raw.n)))
        return slice_eq(raw, name);
    struct buf decoded = BUF_INIT;
    bool same = http_percent_decode(raw, true, &decoded) && slice_eq(buf_slice(&decoded), name);
    buf_free(&decoded);
    return same;
}

int http_query_get(struct slice query, const char *name, struct buf *out)
{
    struct slice value = {0};
    bool found = false;
    while (query.n) {
        const char *end = memchr(query.p, '&', query.n);
        struct slice pair = {query.p, end ? (size_t)(end - query.p) : query.n};
        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        struct slice raw_name = {pair.p, equals ? (size_t)(equals - pair.p) : pair.n};
        if (name_is(raw_name, name)) {
            found = true;
            value = equals ? (struct slice){equals + 1, pair.n - raw_name.n - 1} : (struct slice){pair.p, 0};
        }
        size_t skip = pair.n < query.n ? pair.n + 1 : pair.n;
        query.p += skip;
        query.n -= skip;
    }
    if (!found)
        return 0;
    return http_percent_decode(value, true, out) ? 1 : -1;
}
