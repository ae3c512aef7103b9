/* The api on a loopback server over scripted services, and one client. */
#include "tests/api/site.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/component.h"
#include "base/log.h"
#include "base/metric.h"
#include "msg/msg_date.h"

const struct api_config api_site_config = {
    .expose =
        API_EXPOSE_HEALTH | API_EXPOSE_INFO | API_EXPOSE_METRICS | API_EXPOSE_PROMETHEUS | API_EXPOSE_LOGGERS,
    .health_details = true,
    .serve_shop = true,
    .version = "1.2.3",
    .node_id = "node-1",
    .started_us = TEST_NOW_US - 90000000,
    .popular_days = 3,
};

struct api *api_site;
struct loop *api_site_loop;
static struct site shop, management;
static bool two_servers;
static struct peer client, management_client;
static int64_t skipped_us;

static int64_t mono_us(void *self)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + skipped_us;
}

static int64_t real_us(void *self)
{
    return TEST_NOW_US;
}

static const struct clock_ops test_clock = {mono_us, real_us, NULL};

static void drop_line(void *arg, const char *line, size_t n)
{
}

void api_site_skip(int64_t us)
{
    skipped_us += us;
}

void api_site_hang_up(void)
{
    if (client.fd >= 0)
        peer_reset(&client);
    peer_open(&client, &shop);
}

void api_site_vanish(void)
{
    peer_reset(&client);
    client.fd = -1;
}

void api_site_open(struct peer *p)
{
    peer_open(p, &shop);
}

void api_site_idle(int64_t ms)
{
    site_idle(&shop, ms);
}

static void open_server(struct site *site)
{
    site->cfg.error_body = api_error_body;
    site->cfg.max_request_body = 65536;
    site->server = http_server_new(site->loop, &site->cfg);
}

static void listen_on(struct site *site, struct peer *peer)
{
    struct error e = ERROR_INIT;
    ck_assert_msg(http_server_listen(site->server, &e), "%s", e.text);
    peer_open(peer, site);
}

void api_site_start(const struct api_config *cfg, bool own_management)
{
    setenv("TZ", "Asia/Seoul", 1);
    tzset();
    msg_date_zone_changed();
    clock_use(&test_clock);
    log_set_sink(drop_line, NULL);
    site_init(&shop);
    api_site_loop = shop.loop;
    fake_init(shop.loop);
    open_server(&shop);
    two_servers = own_management;
    if (two_servers) {
        site_init(&management);
        loop_free(management.loop);
        management.loop = shop.loop;
        open_server(&management);
    }
    const struct api_services services = {.loop = shop.loop};
    api_site = api_new(cfg, &services, shop.server, two_servers ? management.server : shop.server);
    listen_on(&shop, &client);
    if (two_servers)
        listen_on(&management, &management_client);
}

void api_site_setup(void)
{
    api_site_start(&api_site_config, false);
}

void api_site_teardown(void)
{
    peer_close(&client);
    if (two_servers) {
        peer_close(&management_client);
        http_server_free(management.server);
    }
    http_server_free(shop.server);
    fake_drop();
    api_free(api_site);
    loop_free(shop.loop);
    metric_reset();
    component_reset();
    log_reset();
    clock_use(NULL);
}

/* --- the client ------------------------------------------------------------------------------------------------- */

static void send_request(struct peer *p, const char *request, const char *headers, const char *body)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "%s HTTP/1.1\r\nHost: shop:8083\r\n%s", request, headers ? headers : "");
    if (body)
        buf_printf(&text, "%sContent-Length: %zu\r\n\r\n%s",
                   headers && strstr(headers, "Content-Type") ? "" : "Content-Type: application/json\r\n",
                   strlen(body), body);
    else
        buf_printf(&text, "%s\r\n", strncmp(request, "POST", 4) == 0 ? "Content-Length: 0\r\n" : "");
    ck_assert(peer_send_n(p, text.data, text.len));
    buf_free(&text);
}

const char *ask(const char *request, const char *headers, const char *body)
{
    send_request(&client, request, headers, body);
    return peer_answer(&client, strncmp(request, "HEAD", 4) == 0);
}

const char *ask_management(const char *request)
{
    send_request(&management_client, request, NULL, NULL);
    return peer_answer(&management_client, false);
}

void ask_only(const char *request, const char *headers, const char *body)
{
    send_request(&client, request, headers, body);
}

const char *answer_next(void)
{
    return peer_answer(&client, false);
}

bool answer_begun(void)
{
    return peer_unread(&client) > 0;
}

/* --- checks ----------------------------------------------------------------------------------------------------- */

const char *answer_body(const char *answer)
{
    return strstr(answer, "\n\n") + 2;
}

int answer_status(const char *answer)
{
    return (int)strtol(answer + 9, NULL, 10);
}

void expect_with(const char *request, const char *headers, const char *body, int status, const char *want)
{
    const char *answer = ask(request, headers, body);
    ck_assert_msg(answer_status(answer) == status, "%s: expected %d, got %s", request, status, answer);
    if (want)
        ck_assert_str_eq(answer_body(answer), want);
}

void expect(const char *request, const char *body, int status, const char *want)
{
    expect_with(request, NULL, body, status, want);
}

void expect_error(const char *request, const char *headers, const char *body, int status, const char *code,
                  const char *message)
{
    struct buf want = BUF_INIT;
    buf_printf(&want, "{\"message\":\"%s\",\"code\":\"%s\",\"timestamp\":\"" TEST_NOW "\"}", message, code);
    expect_with(request, headers, body, status, buf_str(&want));
    buf_free(&want);
}

void expect_header(const char *answer, const char *line)
{
    struct buf want = BUF_INIT;
    buf_printf(&want, "\n%s\n", line);
    const char *at = strstr(answer, buf_str(&want));
    ck_assert_msg(at && at < answer_body(answer), "no \"%s\" in %s", line, answer);
    buf_free(&want);
}

void expect_no_header(const char *answer, const char *name)
{
    struct buf start = BUF_INIT;
    buf_printf(&start, "\n%s:", name);
    const char *at = strstr(answer, buf_str(&start));
    ck_assert_msg(!at || at > answer_body(answer), "%s in %s", name, answer);
    buf_free(&start);
}
