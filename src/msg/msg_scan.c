/* The JSON scanner. Recursion is bounded by MSG_MAX_DEPTH, memory by the keys of the open objects. */
#include "msg/msg_scan.h"

void msg_scan_init(struct msg_scan *s, const char *text, size_t n, struct error *e)
{
    *s = (struct msg_scan){.start = text, .p = text, .end = text + n, .e = e};
}

void msg_scan_free(struct msg_scan *s)
{
    mem_free(s->keys);
    s->keys = NULL;
}

static bool fail(struct msg_scan *s, const char *what)
{
    error_set(s->e, ERROR_PERMANENT, "JSON_SYNTAX", "byte %zu: %s", (size_t)(s->p - s->start), what);
    return false;
}

static void skip_blanks(struct msg_scan *s)
{
    if (s->p<s->end && * s->p> ' ')
        return;
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool next_is(struct msg_scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Four hex digits at p, or -1. */
static int hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* The code point of the \u escape whose hex digits start at p (a surrogate pair is one), *n its length from
 * there. -1 when it is none or is NUL, which PostgreSQL's text cannot hold. */
static int32_t unicode_escape(const char *p, const char *end, size_t *n)
{
    int32_t first = hex4(p, end);
    *n = 4;
    if (first <= 0 || (first >= 0xdc00 && first < 0xe000))
        return -1;
    if (first < 0xd800 || first >= 0xe000)
        return first;
    if (end - p < 10 || p[4] != '\\' || p[5] != 'u')
        return -1;
    int32_t second = hex4(p + 6, end);
    if (second < 0xdc00 || second >= 0xe000)
        return -1;
    *n = 10;
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/* Check the escape at the '\' and step over it. */
static bool scan_escape(struct msg_scan *s)
{
    char c = s->end - s->p > 1 ? s->p[1] : '\0';
    if (c == 'u') {
        size_t n;
        if (unicode_escape(s->p + 2, s->end, &n) < 0)
            return fail(s, "not a \\u escape of a character");
        s->p += 2 + n;
        return true;
    }
    if (!c || !strchr("\"\\/bfnrt", c))
        return fail(s, "not an escape");
    s->p += 2;
    return true;
}

/* True for what may stand in a string as it is, one byte for itself. */
static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Take a string behind its opening quote. */
static bool scan_string(struct msg_scan *s, struct msg_token *token)
{
    token->type = MSG_TOKEN_STRING;
    token->text.p = s->p;
    for (;;) {
        const char *p = s->p;
        while (p < s->end && is_plain((unsigned char)*p))
            p++;
        s->p = p;
        if (p == s->end)
            return fail(s, "a string without end");
        if (*p == '"')
            break;
        if (*p == '\\') {
            token->escaped = true;
            if (!scan_escape(s))
                return false;
            continue;
        }
        if ((unsigned char)*p < 0x20)
            return fail(s, "a control character in a string");
        size_t n = str_utf8_next(p, (size_t)(s->end - p));
        if (n == 0)
            return fail(s, "not UTF-8");
        s->p += n;
    }
    token->text.n = (size_t)(s->p++ - token->text.p);
    return true;
}

static size_t scan_digits(struct msg_scan *s)
{
    const char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return (size_t)(s->p - from);
}

static bool scan_number(struct msg_scan *s, struct msg_token *token)
{
    token->type = MSG_TOKEN_NUMBER;
    token->text.p = s->p;
    next_is(s, '-');
    if (!next_is(s, '0') && scan_digits(s) == 0)
        return fail(s, "not a value");
    if (next_is(s, '.') && scan_digits(s) == 0)
        return fail(s, "no digit behind the decimal point");
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (!next_is(s, '+'))
            next_is(s, '-');
        if (scan_digits(s) == 0)
            return fail(s, "no digit in the exponent");
    }
    token->text.n = (size_t)(s->p - token->text.p);
    return true;
}

static bool scan_word(struct msg_scan *s, struct msg_token *token, const char *word, enum msg_token_type type)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "not a value");
    token->type = type;
    token->text = (struct slice){s->p, n};
    s->p += n;
    return true;
}

static bool scan_open(struct msg_scan *s, struct msg_token *token, enum msg_token_type type)
{
    if (s->depth == MSG_MAX_DEPTH) {
        error_set(s->e, ERROR_PERMANENT, "JSON_LIMIT", "byte %zu: nested deeper than %d",
                  (size_t)(s->p - s->start), MSG_MAX_DEPTH);
        return false;
    }
    s->depth++;
    token->type = type;
    token->text = (struct slice){s->p++, 1};
    return true;
}

struct msg_token msg_scan_value(struct msg_scan *s)
{
    struct msg_token token = {0};
    bool ok;
    skip_blanks(s);
    switch (s->p < s->end ? *s->p : '\0') {
    case '{':
        ok = scan_open(s, &token, MSG_TOKEN_OBJECT);
        break;
    case '[':
        ok = scan_open(s, &token, MSG_TOKEN_ARRAY);
        break;
    case '"':
        s->p++;
        ok = scan_string(s, &token);
        break;
    case 't':
        ok = scan_word(s, &token, "true", MSG_TOKEN_TRUE);
        break;
    case 'f':
        ok = scan_word(s, &token, "false", MSG_TOKEN_FALSE);
        break;
    case 'n':
        ok = scan_word(s, &token, "null", MSG_TOKEN_NULL);
        break;
    default:
        ok = s->p < s->end ? scan_number(s, &token) : fail(s, "ends where a value is expected");
    }
    if (!ok)
        token.type = MSG_TOKEN_ERROR;
    return token;
}

/* Step to the next member or element, over a comma unless it is the first: 1, 0 over, -1 error. */
static int step(struct msg_scan *s, bool first, char closing)
{
    skip_blanks(s);
    if (next_is(s, closing)) {
        s->depth--;
        return 0;
    }
    if (!first) {
        if (!next_is(s, ','))
            return fail(s, closing == '}' ? "neither ',' nor '}'" : "neither ',' nor ']'") - 1;
        skip_blanks(s);
    }
    return 1;
}

int msg_scan_key(struct msg_scan *s, bool first, struct msg_token *key)
{
    int more = step(s, first, '}');
    if (more <= 0)
        return more;
    *key = (struct msg_token){0};
    if (!next_is(s, '"'))
        return fail(s, "not a key in quotes") - 1;
    if (!scan_string(s, key))
        return -1;
    skip_blanks(s);
    return next_is(s, ':') ? 1 : fail(s, "no ':' behind the key") - 1;
}

int msg_scan_element(struct msg_scan *s, bool first)
{
    return step(s, first, ']');
}

static uint64_t hash(struct slice text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

bool msg_scan_remember(struct msg_scan *s, size_t base, const struct msg_token *key)
{
    struct buf scratch = BUF_INIT;
    uint64_t h = hash(msg_scan_text(key, &scratch));
    buf_free(&scratch);
    for (size_t i = base; i < s->nkeys; i++)
        if (s->keys[i] == h) {
            error_set(s->e, ERROR_PERMANENT, "JSON_DUPLICATE", "%.*s: is there twice",
                      (int)str_utf8_cut(key->text.p, key->text.n < 64 ? key->text.n : 64), key->text.p);
            return false;
        }
    if (s->nkeys - base == MSG_MAX_KEYS) {
        error_set(s->e, ERROR_PERMANENT, "JSON_LIMIT", "byte %zu: more than %d unknown members in one object",
                  (size_t)(s->p - s->start), MSG_MAX_KEYS);
        return false;
    }
    if (s->nkeys == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->keys = mem_grow(s->keys, s->cap, sizeof(*s->keys));
    }
    s->keys[s->nkeys++] = h;
    return true;
}

static bool skip_next(struct msg_scan *s)
{
    struct msg_token value = msg_scan_value(s);
    return value.type != MSG_TOKEN_ERROR && msg_scan_skip(s, &value);
}

bool msg_scan_skip(struct msg_scan *s, const struct msg_token *token)
{
    struct msg_token key;
    size_t base = s->nkeys;
    int more = 0;
    if (token->type == MSG_TOKEN_OBJECT) {
        for (bool first = true; (more = msg_scan_key(s, first, &key)) > 0; first = false)
            if (!msg_scan_remember(s, base, &key) || !skip_next(s))
                return false;
    } else if (token->type == MSG_TOKEN_ARRAY) {
        for (bool first = true; (more = msg_scan_element(s, first)) > 0; first = false)
            if (!skip_next(s))
                return false;
    }
    s->nkeys = base;
    return more == 0;
}

bool msg_scan_end(struct msg_scan *s)
{
    skip_blanks(s);
    return s->p == s->end || fail(s, "something behind the end");
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_putc(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    buf_putc(out, (char)(lead[more] | c >> (6 * more)));
    while (more--)
        buf_putc(out, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

struct slice msg_scan_text(const struct msg_token *token, struct buf *scratch)
{
    if (!token->escaped)
        return token->text;
    buf_clear(scratch);
    const char *p = token->text.p, *end = p + token->text.n;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        buf_put(scratch, p, (size_t)((escape ? escape : end) - p));
        if (!escape)
            break;
        if (escape[1] == 'u') {
            size_t n;
            put_utf8(scratch, (uint32_t)unicode_escape(escape + 2, end, &n));
            p = escape + 2 + n;
        } else {
            static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
            buf_putc(scratch, values[strchr(names, escape[1]) - names]);
            p = escape + 2;
        }
    }
    return buf_slice(scratch);
}
