/* The request parser (RFC 9112), one line at a time.
 *
 * A line is looked at when its LF is there, so that each rule sees the same bytes however they arrived; only
 * limits and the very first byte are judged earlier, and they come first for complete lines too.
 */
#include "http/http_parser.h"

#include <limits.h>

#include "http/http_field.h"

enum line {
    LINE_MORE, /* not complete */
    LINE_FULL, /* [pos, end) is the line without CRLF */
    LINE_LONG, /* over the limit */
    LINE_BAD,  /* LF without CR */
};

void http_parser_init(struct http_parser *p)
{
    memset(p, 0, offsetof(struct http_parser, fields));
}

static enum http_parse fail(struct http_parser *p, int status, const char *reason)
{
    p->state = HTTP_PARSER_FAILED;
    p->status = status;
    p->reason = reason;
    return HTTP_PARSE_ERROR;
}

/* Find the line at pos. It may end, with its LF, at most at offset limit. */
static enum line find_line(struct http_parser *p, const char *data, size_t len, size_t limit, size_t *end)
{
    const char *lf = p->scan < len ? memchr(data + p->scan, '\n', len - p->scan) : NULL;
    size_t stop = lf ? (size_t)(lf - data) : len;
    if (stop >= limit)
        return LINE_LONG;
    p->scan = stop;
    if (!lf)
        return LINE_MORE;
    if (stop == p->pos || data[stop - 1] != '\r')
        return LINE_BAD;
    *end = stop - 1;
    return LINE_FULL;
}

/* Go behind the line that ends at end. */
static void next_line(struct http_parser *p, size_t end)
{
    p->pos = p->scan = end + 2;
}

static struct http_span span(size_t at, size_t end)
{
    return (struct http_span){(uint16_t)at, (uint16_t)(end - at)};
}

/* --- request line --- */

static const struct {
    struct slice name;
    enum http_method method;
} methods[] = {
    {{"GET", 3}, HTTP_GET},         {{"POST", 4}, HTTP_POST}, {{"HEAD", 4}, HTTP_HEAD},
    {{"OPTIONS", 7}, HTTP_OPTIONS}, {{"PUT", 3}, HTTP_PUT},   {{"DELETE", 6}, HTTP_DELETE},
    {{"PATCH", 5}, HTTP_PATCH},
};

static bool method_parse(struct slice token, enum http_method *method)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (token.n == methods[i].name.n && memcmp(token.p, methods[i].name.p, token.n) == 0) {
            *method = methods[i].method;
            return true;
        }
    }
    return false;
}

/* True for uri-host [":" port]. An empty host is allowed (RFC 9112 section 3.2). */
static bool host_is_valid(struct slice host)
{
    if (!http_chars_are(host, HTTP_CHAR_HOST))
        return false;
    size_t i = 0;
    if (host.n && host.p[0] == '[') {
        const char *close = memchr(host.p, ']', host.n);
        if (!close)
            return false;
        i = (size_t)(close - host.p) + 1;
        for (size_t k = 1; k + 1 < i; k++)
            if (host.p[k] == '[' || host.p[k] == '%')
                return false;
    } else {
        while (i < host.n && host.p[i] != ':') {
            if (host.p[i] == '[' || host.p[i] == ']' || host.p[i] == ',')
                return false;
            i++;
        }
    }
    if (i < host.n && host.p[i++] != ':')
        return false;
    for (; i < host.n; i++)
        if (host.p[i] < '0' || host.p[i] > '9')
            return false;
    return true;
}

/* Length of "http://" or "https://" at the start of s, else 0. */
static size_t scheme_length(struct slice s)
{
    if (s.n >= 7 && slice_ieq((struct slice){s.p, 7}, "http://"))
        return 7;
    return s.n >= 8 && slice_ieq((struct slice){s.p, 8}, "https://") ? 8 : 0;
}

/* Split the target at [at, end) into host, path and query. */
static bool target_parse(struct http_parser *p, const char *data, size_t at, size_t end)
{
    struct slice target = {data + at, end - at};
    p->target = span(at, end);
    if (!target.n || !http_chars_are(target, HTTP_CHAR_TARGET))
        return false;
    if (slice_eq(target, "*")) {
        p->path = p->target;
        return p->method == HTTP_OPTIONS;
    }
    if (target.p[0] != '/') {
        size_t scheme = scheme_length(target);
        if (!scheme)
            return false;
        size_t host = at + scheme;
        at = host;
        while (at < end && data[at] != '/' && data[at] != '?')
            at++;
        p->host = span(host, at);
        if (!p->host.n || data[host] == ':' || !host_is_valid(http_span_slice(p->host, data)))
            return false;
    }
    const char *mark = memchr(data + at, '?', end - at);
    size_t path_end = mark ? (size_t)(mark - data) : end;
    p->path = span(at, path_end);
    p->query = mark ? span(path_end + 1, end) : span(end, end);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum http_parse request_line(struct http_parser *p, const char *data, size_t end)
{
    size_t method_end = p->pos;
    while (method_end < end && http_char_is(data[method_end], HTTP_CHAR_TOKEN))
        method_end++;
    size_t target = method_end + 1;
    const char *blank = target < end ? memchr(data + target, ' ', end - target) : NULL;
    if (method_end == p->pos || method_end >= end || data[method_end] != ' ' || !blank)
        return fail(p, 400, "request line");
    size_t target_end = (size_t)(blank - data);
    const char *version = blank + 1;
    if (end - target_end != 9 || memcmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) ||
        version[6] != '.' || !is_digit(version[7]))
        return fail(p, 400, "version");
    if (version[5] != '1' || version[7] > '1')
        return fail(p, 505, "version");
    p->http11 = version[7] == '1';
    if (!method_parse((struct slice){data + p->pos, method_end - p->pos}, &p->method))
        return fail(p, 501, "method");
    if (!target_parse(p, data, target, target_end))
        return fail(p, 400, "target");
    p->state = HTTP_PARSER_FIELDS;
    return HTTP_PARSE_MORE;
}

/* --- fields --- */

static const struct {
    const char *name;
    enum http_known_field field;
} known_fields[] = {
    {"accept", HTTP_FIELD_ACCEPT},
    {"connection", HTTP_FIELD_CONNECTION},
    {"content-encoding", HTTP_FIELD_CONTENT_ENCODING},
    {"content-length", HTTP_FIELD_CONTENT_LENGTH},
    {"content-type", HTTP_FIELD_CONTENT_TYPE},
    {"expect", HTTP_FIELD_EXPECT},
    {"host", HTTP_FIELD_HOST},
    {"transfer-encoding", HTTP_FIELD_TRANSFER_ENCODING},
    {"x-request-id", HTTP_FIELD_X_REQUEST_ID},
};

static enum http_known_field field_lookup(struct slice name)
{
    char first = (char)(name.p[0] | 0x20);
    for (size_t i = 0; i < ARRAY_LEN(known_fields); i++)
        if (known_fields[i].name[0] == first && slice_ieq(name, known_fields[i].name))
            return known_fields[i].field;
    return HTTP_FIELD_COUNT;
}

/* Cut the line [at, end) into name and value; false when it is malformed (RFC 9112 section 5). */
static bool field_parse(const char *data, size_t at, size_t end, struct http_span *name,
                        struct http_span *value)
{
    size_t start = at;
    while (at < end && http_char_is(data[at], HTTP_CHAR_TOKEN))
        at++;
    if (at == start || at >= end || data[at] != ':')
        return false;
    *name = span(start, at++);
    while (at < end && (data[at] == ' ' || data[at] == '\t'))
        at++;
    while (end > at && (data[end - 1] == ' ' || data[end - 1] == '\t'))
        end--;
    *value = span(at, end);
    return http_chars_are(http_span_slice(*value, data), HTTP_CHAR_VALUE);
}

static enum http_parse field_line(struct http_parser *p, const char *data, size_t end)
{
    if (p->nfields == HTTP_MAX_FIELDS)
        return fail(p, 431, "number of fields");
    struct http_span name, value;
    if (!field_parse(data, p->pos, end, &name, &value))
        return fail(p, 400, "field");
    p->fields[p->nfields].name = name;
    p->fields[p->nfields].value = value;
    p->nfields++;
    enum http_known_field f = field_lookup(http_span_slice(name, data));
    if (f == HTTP_FIELD_COUNT)
        return HTTP_PARSE_MORE;
    bool single = f == HTTP_FIELD_HOST || f == HTTP_FIELD_CONTENT_LENGTH || f == HTTP_FIELD_TRANSFER_ENCODING;
    if (p->known[f] && single)
        return fail(p, 400, "repeated field");
    if (!p->known[f])
        p->known[f] = p->nfields;
    return HTTP_PARSE_MORE;
}

/* --- end of head --- */

struct slice http_parser_known(const struct http_parser *p, const char *data, enum http_known_field f)
{
    return p->known[f] ? http_span_slice(p->fields[p->known[f] - 1].value, data) : (struct slice){0};
}

/* Walk all Connection fields: close wins, keep-alive revives HTTP/1.0. */
static void connection_options(struct http_parser *p, const char *data)
{
    p->keep_alive = p->http11;
    if (!p->known[HTTP_FIELD_CONNECTION])
        return;
    bool closes = false;
    for (size_t i = p->known[HTTP_FIELD_CONNECTION] - 1u; i < p->nfields; i++) {
        if (!slice_ieq(http_span_slice(p->fields[i].name, data), "connection"))
            continue;
        struct slice value = http_span_slice(p->fields[i].value, data);
        closes |= http_list_has(value, "close");
        p->keep_alive |= http_list_has(value, "keep-alive");
    }
    if (closes)
        p->keep_alive = false;
}

/* 0, or the status that refuses the transfer coding: only a single "chunked" is known. */
static int transfer_coding(struct slice value)
{
    if (slice_ieq(value, "chunked"))
        return 0;
    struct slice e;
    size_t n = 0, chunked = 0;
    bool last_chunked = false, malformed = false;
    while (http_list_next(&value, &e)) {
        const char *semicolon = memchr(e.p, ';', e.n);
        struct slice name = slice_trim((struct slice){e.p, semicolon ? (size_t)(semicolon - e.p) : e.n});
        malformed |= !name.n || !http_chars_are(name, HTTP_CHAR_TOKEN);
        last_chunked = slice_ieq(name, "chunked");
        chunked += last_chunked;
        n++;
    }
    if (!n || malformed || chunked > 1 || (chunked && !last_chunked))
        return 400; /* where the body ends cannot be known */
    return 501;
}

/* Digits only; a number that does not fit becomes UINT64_MAX. */
static bool content_length(struct slice s, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        n = n > (UINT64_MAX - 9) / 10 ? UINT64_MAX : n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *out = n;
    return s.n > 0;
}

/* Decide from the fields how the body is framed. */
static enum http_parse body_framing(struct http_parser *p, const char *data)
{
    bool coded = p->known[HTTP_FIELD_TRANSFER_ENCODING], sized = p->known[HTTP_FIELD_CONTENT_LENGTH];
    if (coded && (sized || !p->http11))
        return fail(p, 400, sized ? "Content-Length and Transfer-Encoding" : "Transfer-Encoding in HTTP/1.0");
    if (coded) {
        int status = transfer_coding(http_parser_known(p, data, HTTP_FIELD_TRANSFER_ENCODING));
        if (status)
            return fail(p, status, "Transfer-Encoding");
        p->chunked = true;
    }
    if (sized && !content_length(http_parser_known(p, data, HTTP_FIELD_CONTENT_LENGTH), &p->left))
        return fail(p, 400, "Content-Length");
    return HTTP_PARSE_MORE;
}

static enum http_parse head_end(struct http_parser *p, const struct http_limits *limits, const char *data)
{
    if (p->http11 && !p->known[HTTP_FIELD_HOST])
        return fail(p, 400, "no Host");
    struct slice host = http_parser_known(p, data, HTTP_FIELD_HOST);
    if (!host_is_valid(host))
        return fail(p, 400, "Host");
    if (!p->host.n && host.n)
        p->host = p->fields[p->known[HTTP_FIELD_HOST] - 1].value;
    connection_options(p, data);
    if (body_framing(p, data) == HTTP_PARSE_ERROR)
        return HTTP_PARSE_ERROR;
    p->head_done = true;
    p->body_at = p->pos;
    if (p->left > limits->body)
        return fail(p, 413, "Content-Length over the limit");
    if (p->http11 && p->known[HTTP_FIELD_EXPECT]) {
        if (!slice_ieq(http_parser_known(p, data, HTTP_FIELD_EXPECT), "100-continue"))
            return fail(p, 417, "Expect");
        p->expect = true;
    }
    p->state = p->chunked ? HTTP_PARSER_CHUNK_SIZE : HTTP_PARSER_BODY;
    return HTTP_PARSE_MORE;
}

/* --- chunked body --- */

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk-size [BWS ";" extension]; extensions are dropped, but weighed. */
static enum http_parse chunk_size(struct http_parser *p, const struct http_limits *limits, const char *data,
                                  size_t end)
{
    size_t at = p->pos;
    uint64_t size = 0;
    for (int digit; at < end && (digit = hex_value(data[at])) >= 0; at++)
        size = size > UINT64_MAX >> 4 ? UINT64_MAX : size << 4 | (uint64_t)digit;
    if (at == p->pos)
        return fail(p, 400, "chunk size");
    struct slice extension = {data + at, end - at};
    p->extra += extension.n;
    while (at < end && (data[at] == ' ' || data[at] == '\t'))
        at++;
    if (extension.n && (at == end || data[at] != ';' || !http_chars_are(extension, HTTP_CHAR_VALUE)))
        return fail(p, 400, "chunk size");
    if (p->extra > limits->head)
        return fail(p, 400, "chunk extensions");
    if (size > limits->body - p->body_len)
        return fail(p, 413, "chunks over the limit");
    p->left = size;
    p->state = size ? HTTP_PARSER_CHUNK_DATA : HTTP_PARSER_TRAILER;
    return HTTP_PARSE_MORE;
}

/* Move what is there of the chunk to the end of the decoded body. */
static void chunk_data(struct http_parser *p, char *data, size_t len)
{
    size_t there = len - p->pos, n = there < p->left ? there : (size_t)p->left;
    memmove(data + p->body_at + p->body_len, data + p->pos, n);
    p->body_len += n;
    p->left -= n;
    p->pos = p->scan = p->pos + n;
    if (!p->left)
        p->state = HTTP_PARSER_CHUNK_END;
}

static enum http_parse trailer_line(struct http_parser *p, const struct http_limits *limits, const char *data,
                                    size_t end)
{
    if (end == p->pos) {
        p->consumed = end + 2;
        p->state = HTTP_PARSER_DONE;
        return HTTP_PARSE_DONE;
    }
    if (++p->ntrailers > HTTP_MAX_FIELDS)
        return fail(p, 431, "number of trailers");
    p->extra += end + 2 - p->pos;
    struct http_span name, value;
    /* Spans are 16 bits wide, and this line may stand behind a long body. */
    if (!field_parse(data + p->pos, 0, end - p->pos, &name, &value))
        return fail(p, 400, "trailer");
    return HTTP_PARSE_MORE;
}

/* --- the machine --- */

/* One line of the head. */
static enum http_parse head_line(struct http_parser *p, const struct http_limits *limits, const char *data,
                                 size_t end)
{
    if (p->state == HTTP_PARSER_LINE) {
        if (end > p->pos)
            return request_line(p, data, end);
        if (p->blank_seen)
            return fail(p, 400, "empty lines");
        p->blank_seen = true;
        return HTTP_PARSE_MORE;
    }
    if (end > p->pos)
        return field_line(p, data, end);
    p->pos = end + 2;
    return head_end(p, limits, data);
}

/* Where the line at pos must have ended. */
static size_t line_limit(const struct http_parser *p, const struct http_limits *limits)
{
    switch (p->state) {
    case HTTP_PARSER_LINE:
    case HTTP_PARSER_FIELDS:
        return limits->head;
    case HTTP_PARSER_TRAILER:
        return p->pos + (p->extra < limits->head ? limits->head - p->extra : 2);
    case HTTP_PARSER_CHUNK_END:
        return p->pos + 2;
    default:
        return p->pos + HTTP_MAX_CHUNK_LINE;
    }
}

static enum http_parse long_line(struct http_parser *p)
{
    switch (p->state) {
    case HTTP_PARSER_LINE:
        return fail(p, 414, "request line over the limit");
    case HTTP_PARSER_FIELDS:
    case HTTP_PARSER_TRAILER:
        return fail(p, 431, "fields over the limit");
    default:
        return fail(p, 400, "chunk");
    }
}

static enum http_parse on_line(struct http_parser *p, const struct http_limits *limits, char *data,
                               size_t end)
{
    switch (p->state) {
    case HTTP_PARSER_LINE:
    case HTTP_PARSER_FIELDS:
        return head_line(p, limits, data, end);
    case HTTP_PARSER_CHUNK_SIZE:
        return chunk_size(p, limits, data, end);
    case HTTP_PARSER_CHUNK_END:
        if (end != p->pos)
            return fail(p, 400, "chunk end");
        p->state = HTTP_PARSER_CHUNK_SIZE;
        return HTTP_PARSE_MORE;
    default:
        return trailer_line(p, limits, data, end);
    }
}

/* True while a first byte that can begin no request has not been seen: answers a TLS hello at once. */
static bool first_byte_is_valid(const struct http_parser *p, const char *data)
{
    return http_char_is(data[p->pos], HTTP_CHAR_TOKEN) || (data[p->pos] == '\r' && !p->blank_seen);
}

enum http_parse http_parser_run(struct http_parser *p, const struct http_limits *limits, char *data,
                                size_t len)
{
    ASSERT(p->state != HTTP_PARSER_DONE && p->state != HTTP_PARSER_FAILED);
    ASSERT(limits->head <= UINT16_MAX);
    while (p->state == HTTP_PARSER_BODY || p->pos < len) {
        if (p->state == HTTP_PARSER_BODY) {
            if (len - p->pos < p->left)
                return HTTP_PARSE_MORE;
            p->body_len = (size_t)p->left;
            p->consumed = p->pos + p->body_len;
            p->state = HTTP_PARSER_DONE;
            return HTTP_PARSE_DONE;
        }
        if (p->state == HTTP_PARSER_CHUNK_DATA) {
            chunk_data(p, data, len);
            continue;
        }
        if (p->state == HTTP_PARSER_LINE && !first_byte_is_valid(p, data))
            return fail(p, 400, "first byte");
        size_t end;
        enum line line = find_line(p, data, len, line_limit(p, limits), &end);
        if (line == LINE_MORE)
            return HTTP_PARSE_MORE;
        if (line != LINE_FULL)
            return line == LINE_LONG ? long_line(p) : fail(p, 400, "line end");
        enum http_parse result = on_line(p, limits, data, end);
        if (result != HTTP_PARSE_MORE)
            return result;
        next_line(p, end);
    }
    return HTTP_PARSE_MORE;
}

size_t http_parser_compact(struct http_parser *p, char *data, size_t len)
{
    size_t body_end = p->body_at + p->body_len;
    if (!p->chunked || !p->head_done || p->pos == body_end)
        return len;
    memmove(data + body_end, data + p->pos, len - p->pos);
    p->scan = p->scan - p->pos + body_end;
    len = len - p->pos + body_end;
    p->pos = body_end;
    return len;
}

uint64_t http_parser_missing(const struct http_parser *p, size_t len)
{
    if (p->state != HTTP_PARSER_BODY && p->state != HTTP_PARSER_CHUNK_DATA)
        return 0;
    uint64_t there = len - p->pos;
    return there < p->left ? p->left - there : 0;
}
