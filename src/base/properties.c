/* Line by line, without copying: only a key under a section is put together. */
#include "base/properties.h"

#include "base/buf.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reader {
    int line;
    struct buf section; /* "a.b." or empty */
    struct buf key;
    properties_pair_fn *pair;
    void *arg;
};

/* The text of the line stays out of the message: it may hold a secret. */
static bool malformed(const struct reader *r, const char *why, struct error *e)
{
    error_set(e, ERROR_PERMANENT, "CONFIG", "line %d: %s", r->line, why);
    return false;
}

static bool read_section(struct reader *r, struct slice line, struct error *e)
{
    if (line.p[line.n - 1] != ']')
        return malformed(r, "a section is written as [name], with nothing behind it", e);
    struct slice name = slice_trim((struct slice){line.p + 1, line.n - 2});
    if (memchr(name.p, '[', name.n) || memchr(name.p, ']', name.n))
        return malformed(r, "a section is written as [name], with nothing behind it", e);
    buf_clear(&r->section);
    if (name.n) {
        buf_put_slice(&r->section, name);
        buf_putc(&r->section, '.');
    }
    return true;
}

static bool read_pair(struct reader *r, struct slice line, struct error *e)
{
    size_t at = 0;
    while (at < line.n && line.p[at] != '=' && line.p[at] != ':')
        at++;
    if (at == line.n)
        return malformed(r, "expected key = value, [section] or a comment", e);
    struct slice key = slice_trim((struct slice){line.p, at});
    struct slice value = slice_trim((struct slice){line.p + at + 1, line.n - at - 1});
    if (key.n == 0)
        return malformed(r, "expected a key before the value", e);
    if (r->section.len) {
        buf_clear(&r->key);
        buf_put_slice(&r->key, buf_slice(&r->section));
        buf_put_slice(&r->key, key);
        key = buf_slice(&r->key);
    }
    return r->pair(r->arg, r->line, key, value, e);
}

static bool read_line(struct reader *r, struct slice line, struct error *e)
{
    if (!str_is_utf8(line.p, line.n))
        return malformed(r, "expected text in UTF-8", e);
    line = slice_trim(line);
    if (line.n == 0 || line.p[0] == '#' || line.p[0] == '!' || line.p[0] == ';')
        return true;
    return line.p[0] == '[' ? read_section(r, line, e) : read_pair(r, line, e);
}

bool properties_parse(const char *text, size_t n, properties_pair_fn *pair, void *arg, struct error *e)
{
    struct reader r = {.pair = pair, .arg = arg};
    size_t mark = sizeof(BYTE_ORDER_MARK) - 1;
    size_t at = n >= mark && memcmp(text, BYTE_ORDER_MARK, mark) == 0 ? mark : 0;
    bool ok = true;
    while (ok && at < n) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - (text + at)) : n - at;
        r.line++;
        ok = read_line(&r, (struct slice){text + at, len}, e);
        at += len + 1;
    }
    buf_free(&r.section);
    buf_free(&r.key);
    return ok;
}
