/* JSON writer. One flag is enough for the commas: it is set behind every value and cleared behind every key
 * and opening bracket. */
#include "msg/msg_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg/msg_date.h"

static void separate(struct msg_json *j)
{
    if (j->comma)
        buf_putc(j->out, ',');
    j->comma = true;
}

static void open_bracket(struct msg_json *j, char bracket)
{
    ASSERT(j->depth < MSG_JSON_DEPTH);
    separate(j);
    buf_putc(j->out, bracket);
    j->depth++;
    j->comma = false;
}

static void close_bracket(struct msg_json *j, char bracket)
{
    ASSERT(j->depth > 0);
    buf_putc(j->out, bracket);
    j->depth--;
    j->comma = true;
}

void msg_json_object(struct msg_json *j)
{
    open_bracket(j, '{');
}

void msg_json_object_end(struct msg_json *j)
{
    close_bracket(j, '}');
}

void msg_json_array(struct msg_json *j)
{
    open_bracket(j, '[');
}

void msg_json_array_end(struct msg_json *j)
{
    close_bracket(j, ']');
}

void msg_json_key_plain(struct msg_json *j, const char *name, size_t n)
{
    char *at = buf_reserve(j->out, n + 4);
    char *p = at;
    if (j->comma)
        *p++ = ',';
    *p++ = '"';
    memcpy(p, name, n);
    p += n;
    *p++ = '"';
    *p++ = ':';
    j->out->len += (size_t)(p - at);
    j->comma = false;
}

static void escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char *known = "\"\\\b\f\n\r\t", *names = "\"\\bfnrt";
    const char *at = strchr(known, c);
    if (c && at)
        buf_put(out, (char[]){'\\', names[at - known]}, 2);
    else
        buf_put(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* True for a valid sequence of three bytes that needs no look at its second one's range: every Korean syllable. */
static bool is_plain_three(const char *s, size_t n)
{
    unsigned char first = (unsigned char)s[0];
    return first >= 0xe1 && first <= 0xec && n >= 3 && ((unsigned char)s[1] & 0xc0) == 0x80 &&
           ((unsigned char)s[2] & 0xc0) == 0x80;
}

/* Length of the longest start of s that needs no escape and is valid UTF-8. */
static size_t clean_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80) {
            if (c < 0x20 || c == '"' || c == '\\')
                break;
            i++;
        } else if (is_plain_three(s + i, n - i)) {
            i += 3;
        } else {
            size_t len = str_utf8_next(s + i, n - i);
            if (len == 0)
                break;
            i += len;
        }
    }
    return i;
}

static void quoted(struct buf *out, const char *s, size_t n)
{
    buf_reserve(out, n + 2);
    buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        size_t run = clean_run(s + i, n - i);
        buf_put(out, s + i, run);
        i += run;
        if (i == n)
            break;
        if ((unsigned char)s[i] < 0x80)
            escape(out, (unsigned char)s[i]);
        else
            buf_puts(out, "\xef\xbf\xbd");
    }
    buf_putc(out, '"');
}

void msg_json_key_n(struct msg_json *j, const char *name, size_t n)
{
    separate(j);
    quoted(j->out, name, n);
    buf_putc(j->out, ':');
    j->comma = false;
}

void msg_json_string(struct msg_json *j, const char *s)
{
    if (s)
        msg_json_string_n(j, s, strlen(s));
    else
        msg_json_null(j);
}

void msg_json_string_n(struct msg_json *j, const char *s, size_t n)
{
    separate(j);
    quoted(j->out, s, n);
}

void msg_json_raw(struct msg_json *j, const char *json, size_t n)
{
    separate(j);
    buf_put(j->out, json, n);
}

void msg_json_i64(struct msg_json *j, int64_t v)
{
    separate(j);
    buf_put_i64(j->out, v);
}

void msg_json_money(struct msg_json *j, money v)
{
    separate(j);
    j->out->len += money_print_short(v, buf_reserve(j->out, MONEY_PRINT_SIZE));
}

void msg_json_money_fixed(struct msg_json *j, money v)
{
    separate(j);
    j->out->len += money_print_fixed(v, buf_reserve(j->out, MONEY_PRINT_SIZE));
}

void msg_json_bool(struct msg_json *j, bool v)
{
    separate(j);
    buf_puts(j->out, v ? "true" : "false");
}

void msg_json_null(struct msg_json *j)
{
    msg_json_raw(j, "null", 4);
}

void msg_json_double(struct msg_json *j, double v)
{
    if (!isfinite(v)) {
        msg_json_string(j, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    bool whole = text[strspn(text, "-0123456789")] == '\0';
    separate(j);
    buf_puts(j->out, text);
    if (whole)
        buf_puts(j->out, ".0");
}

static void date(struct msg_json *j, void (*form)(struct buf *, int64_t), int64_t us)
{
    separate(j);
    buf_putc(j->out, '"');
    form(j->out, us);
    buf_putc(j->out, '"');
}

void msg_json_date_iso(struct msg_json *j, int64_t us)
{
    date(j, msg_date_iso, us);
}

void msg_json_date_iso_us(struct msg_json *j, int64_t us)
{
    date(j, msg_date_iso_us, us);
}

void msg_json_date_blank(struct msg_json *j, int64_t us)
{
    date(j, msg_date_blank, us);
}
