/* Feeds arbitrary bytes to the request parser: once whole, once cut into reads as the first byte says, with the buffer moved
 * and compacted in between. Both must see the same requests, and every part of a request must lie inside it. The parts then go
 * through the field grammar and the router. */
#include "http/http_field.h"
#include "http/http_parser.h"
#include "http/http_router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {.head = 2048, .body = 512};

static void handler(void *arg, const struct http_request *req, http_reply reply)
{
}

static void check_slice(const char *data, size_t n, struct slice s)
{
    ASSERT(s.n == 0 || (s.p >= data && s.p + s.n <= data + n));
}

static void check_text(struct slice text)
{
    struct buf out = BUF_INIT;
    if (http_percent_decode(text, false, &out))
        ASSERT(str_is_utf8(out.data, out.len) && out.len <= text.n);
    buf_clear(&out);
    if (http_query_get(text, "a", &out) > 0)
        ASSERT(str_is_utf8(out.data, out.len));
    buf_free(&out);
    struct slice type = http_media_type(text), rest = text, element;
    check_slice(text.p, text.n, type);
    while (http_list_next(&rest, &element))
        ASSERT(element.n > 0 && element.p + element.n <= text.p + text.n);
    http_accepts_json(text);
}

static void check_path(const struct http_parser *p, const char *data)
{
    static const char *const patterns[] = {"/", "/a", "/{x}", "/a/{x}", "/{x}/b", "/{x}/{y}/{z}"};
    struct http_router *r = http_router_new();
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
        http_router_add(r, &(struct http_route){i % 2 ? HTTP_GET : HTTP_POST, patterns[i], handler});
    struct slice segments[HTTP_MAX_SEGMENTS];
    struct buf scratch = BUF_INIT;
    struct http_match match;
    size_t n = http_path_split(http_span_slice(p->path, data), &scratch, segments);
    if (http_router_find(r, p->method, segments, n, &match) == HTTP_MATCH_METHOD) {
        char allow[HTTP_ALLOW_SIZE];
        http_allow_print(match.allow, allow);
        ASSERT(strlen(allow) < sizeof allow);
    }
    buf_free(&scratch);
    http_router_free(r);
}

/* Append what the parser says to a summary. */
static void check_request(const struct http_parser *p, enum http_parse result, const char *data,
                          struct buf *summary)
{
    buf_printf(summary, "%d ", (int)result);
    if (result == HTTP_PARSE_ERROR) {
        ASSERT(p->status >= 400 && p->status <= 505 && *p->reason);
        buf_printf(summary, "%d %s\n", p->status, p->reason);
    }
    if (result != HTTP_PARSE_DONE)
        return;
    ASSERT(p->head_done && p->body_len <= limits.body && p->nfields <= HTTP_MAX_FIELDS);
    const struct http_span spans[] = {p->target, p->host, p->path, p->query};
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        struct slice s = http_span_slice(spans[i], data);
        check_slice(data, p->consumed, s);
        check_text(s);
        buf_put_slice(summary, s);
        buf_putc(summary, '\n');
    }
    for (size_t i = 0; i < p->nfields; i++) {
        struct slice value = http_span_slice(p->fields[i].value, data);
        check_slice(data, p->consumed, value);
        check_text(value);
        ASSERT(http_chars_are(value, HTTP_CHAR_VALUE));
    }
    check_path(p, data);
    buf_printf(summary, "%d %d %d %d ", p->method, p->keep_alive, p->expect, p->nfields);
    check_slice(data, p->consumed, (struct slice){data + p->body_at, p->body_len});
    buf_put(summary, data + p->body_at, p->body_len);
}

/* Size of the next read, from a seed. */
static size_t next_read(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % ((*seed >> 8) % 5 ? 7 : 300);
}

/* Parse requests until one is refused or incomplete; seed 0: all bytes come in one read. */
static void parse_all(const uint8_t *bytes, size_t n, unsigned seed, struct buf *summary)
{
    struct http_parser p;
    char *data = NULL;
    size_t len = 0, fed = 0;
    enum http_parse result = HTTP_PARSE_MORE;
    http_parser_init(&p);
    while (result != HTTP_PARSE_ERROR && (fed < n || len)) {
        size_t add = seed ? next_read(&seed) : n;
        if (add > n - fed)
            add = n - fed;
        char *moved =
            mem_alloc(len + add); /* of exactly this size: a sanitizer sees each byte read beyond it */
        if (len)
            memcpy(moved, data, len);
        if (add)
            memcpy(moved + len, bytes + fed, add);
        mem_free(data);
        data = moved;
        len += add;
        fed += add;
        while ((result = http_parser_run(&p, &limits, data, len)) == HTTP_PARSE_DONE) {
            check_request(&p, result, data, summary);
            len -= p.consumed;
            memmove(data, data + p.consumed, len);
            http_parser_init(&p);
        }
        if (result == HTTP_PARSE_MORE)
            len = http_parser_compact(&p, data, len);
        if (fed == n)
            break;
    }
    if (result != HTTP_PARSE_MORE)
        check_request(&p, result, data, summary);
    mem_free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct buf whole = BUF_INIT, cut = BUF_INIT;
    parse_all(data + 1, size - 1, 0, &whole);
    parse_all(data + 1, size - 1, 1u + data[0], &cut);
    ASSERT(whole.len == cut.len && (!whole.len || memcmp(whole.data, cut.data, whole.len) == 0));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
