/* How a log line looks.
 *
 * logfmt: ts=2026-11-23T18:24:00.123+09:00 level=info logger=rushd.pg msg="not found" host=db1
 * JSON:   {"ts":"2026-11-23T18:24:00.123+09:00","level":"info","logger":"rushd.pg","msg":"lost","host":"db1"}
 *
 * Everything is escaped that could end a line, a value or a string, so no value can forge an event. */
#include "base/log_line.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* Kept free at the end for what closes a line: three dots, a quote, a brace, the newline. */
#define CLOSING 8

struct writer {
    char *out;
    size_t len;
    enum log_format format;
    bool full; /* a value was cut; nothing more goes in */
};

static size_t room(const struct writer *w)
{
    return LOG_LINE_MAX - CLOSING - w->len;
}

static bool put(struct writer *w, const char *p, size_t n)
{
    if (n > room(w))
        return false;
    memcpy(w->out + w->len, p, n);
    w->len += n;
    return true;
}

/* Behind the limit that put() keeps: only for what CLOSING was kept free for. */
static void close_with(struct writer *w, const char *p)
{
    size_t n = strlen(p);
    ASSERT(w->len + n <= LOG_LINE_MAX);
    memcpy(w->out + w->len, p, n);
    w->len += n;
}

static bool needs_quotes(const char *s, size_t n)
{
    if (n == 0)
        return true;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return !str_is_utf8(s, n);
}

/* The escape for a byte that may not stand for itself. */
static size_t escape(const struct writer *w, unsigned char c, char out[8])
{
    const char *from = "\"\\\n\r\t", *letters = "\"\\nrt";
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        out[0] = '\\';
        out[1] = letters[at - from];
        return 2;
    }
    int n;
    if (w->format == LOG_FORMAT_LOGFMT)
        n = snprintf(out, 8, "\\x%02x", c);
    else if (c < 0x80)
        n = snprintf(out, 8, "\\u%04x", c);
    else
        n = snprintf(out, 8, "\\ufffd"); /* no UTF-8: JSON has no way to say which byte */
    return (size_t)n;
}

/* Write text between quotes. The last quote always fits. */
static void put_quoted(struct writer *w, const char *s, size_t n)
{
    put(w, "\"", 1);
    for (size_t i = 0; i < n;) {
        char escaped[8];
        unsigned char c = (unsigned char)s[i];
        size_t len = str_utf8_next(s + i, n - i);
        bool plain = len > 0 && c >= ' ' && c != '"' && c != '\\' && c != 0x7f;
        bool done = plain ? put(w, s + i, len) : put(w, escaped, escape(w, c, escaped));
        if (!done) {
            w->full = true;
            close_with(w, "...");
            break;
        }
        i += plain ? len : 1;
    }
    close_with(w, "\"");
}

static void put_text(struct writer *w, const char *s, size_t n)
{
    if (w->format == LOG_FORMAT_LOGFMT && n <= room(w) && !needs_quotes(s, n))
        put(w, s, n);
    else
        put_quoted(w, s, n);
}

/* Write what stands before a value. False, with nothing written, when the line is full. */
static bool put_key(struct writer *w, const char *key)
{
    size_t n = strlen(key);
    if (w->full || n + 32 > room(w)) { /* 32: separators, quotes and the longest number */
        w->full = true;
        return false;
    }
    bool json = w->format == LOG_FORMAT_JSON;
    if (w->len)
        put(w, json ? "," : " ", 1);
    else if (json)
        put(w, "{", 1);
    if (json)
        put(w, "\"", 1);
    put(w, key, n);
    put(w, json ? "\":" : "=", json ? 2 : 1);
    return true;
}

static void put_text_field(struct writer *w, const char *key, const char *s, size_t n)
{
    if (put_key(w, key))
        put_text(w, s, n);
}

static void put_double(struct writer *w, double d)
{
    char text[32];
    int n = isfinite(d)                    ? snprintf(text, sizeof(text), "%.9g", d)
            : w->format == LOG_FORMAT_JSON ? snprintf(text, sizeof(text), "null")
                                           : snprintf(text, sizeof(text), "%f", d);
    put(w, text, (size_t)n);
}

static void put_field(struct writer *w, const struct log_field *f)
{
    char digits[24];
    switch (f->type) {
    case LOG_FIELD_STR:
        if (f->s)
            put_text_field(w, f->key, f->s, strlen(f->s));
        break;
    case LOG_FIELD_SLICE:
        put_text_field(w, f->key, f->slice.p, f->slice.n);
        break;
    case LOG_FIELD_INT:
        if (put_key(w, f->key))
            put(w, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)f->i));
        break;
    case LOG_FIELD_DOUBLE:
        if (put_key(w, f->key))
            put_double(w, f->d);
        break;
    }
}

/* "2026-11-23T18:24:00.123+09:00" in the process's zone. The part up to the second is kept between lines. */
static size_t print_time(char out[48], int64_t real_us)
{
    static char date[24], zone[8];
    static time_t kept;
    int64_t ms = real_us / 1000 - (real_us % 1000 < 0);
    time_t second = (time_t)(ms / 1000 - (ms % 1000 < 0));
    if (second != kept || !date[0]) {
        struct tm tm;
        if (!localtime_r(&second, &tm))
            memset(&tm, 0, sizeof(tm));
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
        long minutes = tm.tm_gmtoff / 60, size = minutes < 0 ? -minutes : minutes;
        snprintf(zone, sizeof(zone), "%c%02u:%02u", minutes < 0 ? '-' : '+', (unsigned)(size / 60 % 100),
                 (unsigned)(size % 60));
        kept = second;
    }
    return (size_t)snprintf(out, 48, "%s.%03d%s", date, (int)(ms - (int64_t)second * 1000), zone);
}

size_t log_line(char *out, enum log_format format, int64_t real_us, const char *level, const char *logger,
                const char *message, const struct log_field *fields, size_t n)
{
    struct writer w = {.out = out, .format = format};
    char text[48];
    put_text_field(&w, "ts", text, print_time(text, real_us));
    char lower[8];
    size_t len = 0;
    for (; level[len] && len < sizeof(lower); len++)
        lower[len] = (char)(level[len] | 0x20);
    put_text_field(&w, "level", lower, len);
    put_text_field(&w, "logger", logger, strlen(logger));
    put_text_field(&w, "msg", message, strlen(message));
    for (size_t i = 0; i < n; i++)
        put_field(&w, &fields[i]);
    close_with(&w, format == LOG_FORMAT_JSON ? "}\n" : "\n");
    return w.len;
}
