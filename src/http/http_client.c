/* Outgoing requests: libcurl says which descriptors and which timer it waits for, the loop tells it what
 * happened.
 *
 * Names are resolved on the loop and handed to libcurl, whose own resolver would need threads. Completions
 * are deferred to the end of the turn, so that they run neither inside http_client_post() nor inside libcurl.
 */
#include "http/http_client.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sysexits.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/queue.h"
#include "loop/loop.h"

enum {
    BODY_KEPT = 4096,
    BODY_MAX = 1024 * 1024, /* a longer answer is cut off there: its status is what counts */
};

enum call_state {
    CALL_RESOLVING, /* the loop looks for the addresses of the host */
    CALL_RUNNING,   /* libcurl has it */
    CALL_FINISHED,  /* done fires at the end of the turn */
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer; /* the one that libcurl asked for */
    size_t max_in_flight, in_flight;
    TAILQ_HEAD(, call) calls;
};

struct call {
    TAILQ_ENTRY(call) link;
    struct http_client *client;
    enum call_state state;
    CURL *easy;
    struct loop_resolve *resolve;
    struct loop_task finished;
    int64_t until_us;
    char *url, *host;
    long port;
    struct buf request, answer;
    size_t answer_bytes; /* all that came */
    bool has_retry_after;
    bool too_long;
    struct curl_slist *headers, *addresses;
    http_client_done_fn *done;
    void *arg;
    struct http_client_result result;
    char curl_text[CURL_ERROR_SIZE];
};

/* --- completion --- */

static void call_free(struct call *k)
{
    curl_slist_free_all(k->headers);
    curl_slist_free_all(k->addresses);
    buf_free(&k->request);
    buf_free(&k->answer);
    curl_free(k->host);
    mem_free(k->url);
    mem_free(k);
}

static void on_finished(void *arg)
{
    struct call *k = arg;
    k->result.body = buf_slice(&k->answer);
    TAILQ_REMOVE(&k->client->calls, k, link);
    k->client->in_flight--;
    curl_easy_cleanup(k->easy);  /* while libcurl is sure to be there */
    k->done(k->arg, &k->result); /* may free the client */
    call_free(k);
}

/* Take the call from whoever has it and fire done at the end of the turn. */
static void finish(struct call *k)
{
    struct http_client *c = k->client;
    if (k->state == CALL_FINISHED)
        return;
    if (k->resolve)
        loop_resolve_cancel(k->resolve);
    k->resolve = NULL;
    if (k->state == CALL_RUNNING)
        curl_multi_remove_handle(c->multi, k->easy);
    k->state = CALL_FINISHED;
    loop_defer(c->loop, &k->finished);
}

static void fail(struct call *k, enum error_kind kind, const char *code, const char *text)
{
    k->result.status = 0;
    error_set(&k->result.error, kind, code, "%s: %s", k->url, text);
    finish(k);
}

/* No byte of the request has left. */
static bool was_not_sent(struct call *k)
{
    long sent = 0;
    return curl_easy_getinfo(k->easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0;
}

static void fail_with(struct call *k, CURLcode code)
{
    const char *text = *k->curl_text ? k->curl_text : curl_easy_strerror(code);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* libcurl says the same of an answer that is not HTTP */
        fail(k, was_not_sent(k) ? ERROR_PERMANENT : ERROR_UNKNOWN, "URL", text);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        fail(k, was_not_sent(k) ? ERROR_RETRIABLE : ERROR_UNKNOWN, "TIMEOUT", text);
        break;
    case CURLE_COULDNT_CONNECT:
        fail(k, ERROR_RETRIABLE, "REFUSED", text);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
        fail(k, ERROR_RETRIABLE, "RESOLVE", text);
        break;
    default:
        fail(k, was_not_sent(k) ? ERROR_RETRIABLE : ERROR_UNKNOWN, "CUT", text);
        break;
    }
}

static void on_transferred(struct call *k, CURLcode code)
{
    long status = 0;
    curl_off_t retry_after = 0;
    if (code == CURLE_WRITE_ERROR && k->too_long)
        code = CURLE_OK;
    curl_easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status == 0) {
        fail_with(k, code);
        return;
    }
    k->result.status = (int)status;
    if (k->has_retry_after && curl_easy_getinfo(k->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK)
        k->result.retry_after_s = (int64_t)retry_after;
    finish(k);
}

/* --- libcurl's callbacks --- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct call *k = arg;
    size_t n = size * count, room = BODY_KEPT - k->answer.len;
    buf_put(&k->answer, data, n < room ? n : room);
    k->answer_bytes += n;
    k->too_long = k->answer_bytes > BODY_MAX;
    return k->too_long ? 0 : n;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    static const char name[] = "retry-after:";
    struct call *k = arg;
    size_t n = size * count;
    if (n > sizeof name && strncasecmp(data, name, sizeof name - 1) == 0)
        k->has_retry_after = true;
    return n;
}

static void read_messages(struct http_client *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        struct call *k = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&k);
        on_transferred(k, code);
    }
}

static void act(struct http_client *c, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(c->multi, fd, what, &running);
    read_messages(c);
}

static void socket_ev(evutil_socket_t fd, short what, void *arg)
{
    act(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl wants to hear of other things of a socket, or of none more. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *c = arg;
    struct event *e = socket_arg;
    if (e)
        event_free(e);
    e = NULL;
    if (what != CURL_POLL_REMOVE) {
        short wanted = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
        e = event_new(loop_base(c->loop), fd, (short)(wanted | EV_PERSIST), socket_ev, c);
        if (!e || event_add(e, NULL) < 0)
            base_die(EX_OSERR, "cannot watch a socket of libcurl");
    }
    curl_multi_assign(c->multi, fd, e);
    return 0;
}

static int on_timeout_change(CURLM *multi, long ms, void *arg)
{
    struct http_client *c = arg;
    if (ms < 0)
        loop_timer_stop(c->timer);
    else
        loop_timer_start(c->timer, ms); /* 0 too comes through the loop: libcurl forbids recursion */
    return 0;
}

/* --- a request --- */

/* Append "Name: value"; fields with control characters are left out, they could become others. */
static void add_header(struct call *k, const char *name, const char *value)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "%s: %s", name, value);
    bool clean = true;
    for (size_t i = 0; i < line.len; i++)
        clean &= (unsigned char)line.data[i] >= ' ' && line.data[i] != 0x7f;
    if (clean)
        k->headers = curl_slist_append(k->headers, buf_str(&line));
    buf_free(&line);
}

static void set_headers(struct call *k, const struct http_header *headers, size_t n)
{
    bool typed = false;
    for (size_t i = 0; i < n; i++) {
        add_header(k, headers[i].name, headers[i].value);
        typed |= str_ieq(headers[i].name, "Content-Type");
    }
    if (!typed)
        add_header(k, "Content-Type", "application/json");
    k->headers = curl_slist_append(k->headers, "Expect:"); /* no pause of a second before the body */
}

static void set_options(struct call *k)
{
    CURL *e = k->easy;
    curl_easy_setopt(e, CURLOPT_URL, k->url);
    curl_easy_setopt(e, CURLOPT_PRIVATE, k);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, k->curl_text);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "rushd");
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)k->request.len);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, buf_str(&k->request));
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, k->headers);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, k);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, k);
}

/* Cut host and port out of the URL; false when it is not one of ours. */
static bool parse_url(struct call *k)
{
    CURLU *u = curl_url();
    char *port = NULL, *scheme = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, k->url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (str_ieq(scheme, "http") || str_ieq(scheme, "https")) &&
              curl_url_get(u, CURLUPART_HOST, &k->host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    int64_t number = 0;
    ok = ok && str_to_i64(port, strlen(port), &number);
    k->port = (long)number;
    curl_free(port);
    curl_free(scheme);
    curl_url_cleanup(u);
    return ok;
}

static void on_resolved(void *arg, const struct loop_address *addresses, size_t n, const char *reason)
{
    struct call *k = arg;
    int64_t left_ms = (k->until_us - clock_mono_us()) / 1000;
    k->resolve = NULL;
    if (!n || left_ms <= 0) {
        fail(k, ERROR_RETRIABLE, n ? "TIMEOUT" : "RESOLVE", n ? "no time left" : reason);
        return;
    }
    struct buf entry = BUF_INIT;
    buf_printf(&entry, "%s:%ld:", k->host, k->port);
    for (size_t i = 0; i < n; i++)
        buf_printf(&entry, addresses[i].family == AF_INET6 ? "%s[%s]" : "%s%s", i ? "," : "",
                   addresses[i].text);
    if (*k->host != '[')
        k->addresses = curl_slist_append(NULL, buf_str(&entry));
    buf_free(&entry);
    curl_easy_setopt(k->easy, CURLOPT_RESOLVE, k->addresses);
    curl_easy_setopt(k->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
    k->state = CALL_RUNNING;
    CURLMcode code = curl_multi_add_handle(k->client->multi, k->easy);
    if (code != CURLM_OK) {
        k->state = CALL_RESOLVING;
        fail(k, ERROR_RETRIABLE, "CURL", curl_multi_strerror(code));
    }
}

/* The host without the brackets of a literal IPv6 address. */
static struct loop_resolve *resolve_host(struct call *k, int64_t timeout_ms)
{
    size_t n = strlen(k->host), bracket = *k->host == '[' && n > 2;
    char *host = mem_strndup(k->host + bracket, n - 2 * bracket);
    struct loop_resolve *r = loop_resolve_start(k->client->loop, host, timeout_ms, on_resolved, k);
    mem_free(host);
    return r;
}

void http_client_post(struct http_client *c, const char *url, const struct http_header *headers, size_t n,
                      struct slice body, int64_t timeout_ms, http_client_done_fn *done, void *arg)
{
    struct call *k = mem_zalloc(sizeof(*k));
    k->client = c;
    k->state = CALL_RESOLVING;
    k->finished = (struct loop_task){.run = on_finished, .arg = k};
    k->until_us = clock_mono_us() + timeout_ms * 1000;
    k->url = mem_strdup(url);
    k->done = done;
    k->arg = arg;
    k->result.retry_after_s = -1;
    TAILQ_INSERT_TAIL(&c->calls, k, link);
    if (c->in_flight++ >= c->max_in_flight) {
        fail(k, ERROR_RETRIABLE, "QUEUE_FULL", "too many requests in flight");
        return;
    }
    k->easy = curl_easy_init();
    if (!k->easy)
        base_die(EX_OSERR, "out of memory");
    if (!parse_url(k)) {
        fail(k, ERROR_PERMANENT, "URL", "not a http:// or https:// URL");
        return;
    }
    buf_put_slice(&k->request, body);
    set_headers(k, headers, n);
    set_options(k);
    k->resolve = resolve_host(k, timeout_ms);
}

/* --- life --- */

struct http_client *http_client_new(struct loop *l, int64_t max_in_flight)
{
    struct http_client *c = mem_zalloc(sizeof(*c));
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK || !(c->multi = curl_multi_init()))
        base_die(EX_OSERR, "cannot start libcurl");
    c->loop = l;
    c->max_in_flight = (size_t)max_in_flight;
    c->timer = loop_timer_new(l, on_timer, c);
    TAILQ_INIT(&c->calls);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)max_in_flight);
    return c;
}

size_t http_client_in_flight(const struct http_client *c)
{
    return c->in_flight;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    struct call *k, *next;
    c->max_in_flight = 0; /* a done that posts again is told no */
    TAILQ_FOREACH(k, &c->calls, link)
    if (k->state != CALL_FINISHED)
        fail(k, ERROR_UNKNOWN, "ENDED", "the client was closed");
    for (k = TAILQ_FIRST(&c->calls); k; k = next) {
        loop_defer_cancel(c->loop, &k->finished);
        on_finished(k);
        next = TAILQ_FIRST(&c->calls); /* with those that done has posted */
    }
    curl_multi_cleanup(c->multi);
    loop_timer_free(c->timer);
    mem_free(c);
    curl_global_cleanup();
}
