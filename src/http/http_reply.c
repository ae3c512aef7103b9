/* The bytes of an answer, and the calls by which handlers give one. */
#include "http/http_internal.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

static const struct {
    int status;
    const char *text;
} statuses[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].text;
    return "";
}

/* splitmix64: a bijection, so a counter gives ids that do not repeat and do not show their order. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void http_reply_make_id(struct http_server *s, char *out)
{
    uint64_t id = mix(s->id_seed + s->id_count++);
    for (int i = 15; i >= 0; i--, id >>= 4)
        out[i] = "0123456789abcdef"[id & 15];
    out[16] = '\0';
}

/* Bring the Date line up to the second. */
static void update_date(struct http_server *s, int64_t now_us)
{
    if (now_us < s->date_until_us)
        return;
    int64_t real_us = clock_real_us();
    time_t seconds = (time_t)(real_us / 1000000);
    s->date_until_us = now_us + 1000000 - real_us % 1000000;
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm t;
    gmtime_r(&seconds, &t);
    snprintf(s->date, sizeof s->date, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[t.tm_wday],
             t.tm_mday, months[t.tm_mon], (t.tm_year + 1900) % 10000, t.tm_hour, t.tm_min, t.tm_sec);
}

static char *put(char *to, const char *p, size_t n)
{
    memcpy(to, p, n);
    return to + n;
}

#define PUT(to, literal) put((to), (literal), sizeof(literal) - 1)

static char *put_number(char *to, uint64_t n)
{
    char digits[20];
    size_t k = sizeof digits;
    do {
        digits[--k] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return put(to, digits + k, sizeof digits - k);
}

/* Write a field of the handler's. A control character would let its value end the field: it becomes a blank.
 */
static void put_header(struct buf *out, const struct http_header *h)
{
    buf_puts(out, h->name);
    buf_puts(out, ": ");
    for (const char *v = h->value; *v; v++)
        buf_putc(out, (unsigned char)*v < ' ' || *v == 0x7f ? ' ' : *v);
    buf_puts(out, "\r\n");
}

/* Status line and the fields that every answer has; at most 512 bytes. */
static void put_head(struct http_server *s, const struct http_slot *slot, const struct http_answer *a,
                     struct buf *out)
{
    char *start = buf_reserve(out, 512), *to = start;
    const char *text = http_status_text(a->status);
    to = PUT(to, "HTTP/1.1 ");
    to = put_number(to, (uint64_t)a->status);
    *to++ = ' ';
    to = put(to, text, strlen(text));
    to = PUT(to, "\r\n");
    to = put(to, s->date, strlen(s->date));
    to = PUT(to, "X-Request-Id: ");
    to = put(to, slot->request_id, strlen(slot->request_id));
    to = PUT(to, "\r\n");
    if (!slot->keep_alive)
        to = PUT(to, "Connection: close\r\n");
    else if (!slot->http11)
        to = PUT(to, "Connection: keep-alive\r\n");
    if (a->status != 204 && a->status != 304) {
        to = PUT(to, "Content-Length: ");
        to = put_number(to, a->body.n);
        to = PUT(to, "\r\n");
    }
    out->len += (size_t)(to - start);
}

void http_reply_format(struct http_server *s, const struct http_slot *slot, const struct http_answer *a,
                       int64_t now_us, struct buf *out)
{
    ASSERT(a->status >= 200 && a->status <= 599);
    update_date(s, now_us);
    put_head(s, slot, a, out);
    if (a->content_type) {
        buf_puts(out, "Content-Type: ");
        buf_puts(out, a->content_type);
        buf_puts(out, "\r\n");
    }
    for (size_t i = 0; i < a->nheaders; i++)
        put_header(out, &a->headers[i]);
    buf_puts(out, "\r\n");
    if (slot->method != HTTP_HEAD && a->status != 204 && a->status != 304)
        buf_put_slice(out, a->body);
}

void http_reply_send(struct http_server *s, http_reply r, int status, const char *content_type,
                     struct slice body, const struct http_header *headers, size_t n)
{
    struct http_slot *slot = http_slot_find(&s->slots, r);
    if (!slot)
        return;
    struct http_conn *c = slot->conn;
    struct http_answer a = {status, content_type, body, headers, n};
    int64_t now_us = clock_mono_us();
    /* Only the head of the line may write to the connection; others keep their answer until they are. */
    http_reply_format(s, slot, &a, now_us, c->first == slot ? http_conn_out(c) : &slot->answer);
    http_stats_observe(slot->stats, slot->method, status, now_us - slot->received_us);
    log_debug(
        &log_http, "request", LOG_S("request_id", slot->request_id),
        LOG_S("method",
              slot->method == HTTP_METHOD_UNKNOWN ? NULL : http_method_name((enum http_method)slot->method)),
        LOG_S("uri", slot->stats->uri), LOG_I("status", status), LOG_I("us", now_us - slot->received_us));
    http_slot_answered(&s->slots, slot);
    metric_set(s->gauges.pending, (double)s->slots.waiting);
    http_conn_answered(c);
}

bool http_reply_wanted(const struct http_server *s, http_reply r)
{
    return http_slot_find(&s->slots, r) != NULL;
}

const char *http_reply_request_id(const struct http_server *s, http_reply r)
{
    const struct http_slot *slot = http_slot_find(&s->slots, r);
    return slot ? slot->request_id : "";
}
