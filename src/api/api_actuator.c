/* /actuator as Spring Boot 3 has it: its media types, the list of links, and info. */
#include "api/api_internal.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http_field.h"

#define V3 "application/vnd.spring-boot.actuator.v3+json"
#define V2 "application/vnd.spring-boot.actuator.v2+json"

/* How well a range fits a media type: 3 by name, 2 by its first half, 1 any, 0 not. */
static int fit(struct slice range, const char *type)
{
    return slice_ieq(range, type)              ? 3
           : slice_ieq(range, "application/*") ? 2
           : slice_eq(range, "*/*")            ? 1
                                               : 0;
}

/* The best of our types for the request: by quality, then by how exactly it was named, then in our order. NULL
 * when all are excluded. */
static const char *choose_type(const struct http_request *req)
{
    static const char *const types[] = {V3, V2, "application/json"};
    const char *best = NULL;
    int best_score = 0;
    struct slice accept = http_request_header(req, "Accept");
    if (!accept.n)
        return types[0];
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct slice rest = accept, range;
        int q, exactness = 0, quality = 0;
        while (http_range_next(&rest, &range, &q)) {
            int f = fit(range, types[i]);
            if (q >= 0 && f > exactness) {
                exactness = f;
                quality = q;
            }
        }
        int score = quality ? quality * 10 + exactness : 0;
        if (score > best_score) {
            best_score = score;
            best = types[i];
        }
    }
    return best;
}

void api_send_actuator(struct api_call *c, int status, struct slice body)
{
    const char *type = choose_type(c->req);
    if (type)
        api_send(c, status, type, body);
    else
        api_refuse_code(c, REFUSAL_NOT_ACCEPTABLE);
}

/* --- links --- */

static void put_link(struct msg_json *j, const char *name, struct slice host, const char *path)
{
    struct buf href = BUF_INIT;
    buf_puts(&href, "http://");
    buf_put_slice(&href, host);
    buf_puts(&href, "/actuator");
    buf_puts(&href, path);
    msg_json_key(j, name);
    msg_json_object(j);
    msg_json_key(j, "href");
    msg_json_string_n(j, href.data, href.len);
    msg_json_key(j, "templated");
    msg_json_bool(j, strchr(path, '{') != NULL);
    msg_json_object_end(j);
    buf_free(&href);
}

void api_actuator_links(struct api_call *c, const struct http_request *req)
{
    static const struct {
        unsigned expose;
        const char *name, *path;
    } links[] = {
        {0, "self", ""},
        {API_EXPOSE_HEALTH, "health", "/health"},
        {API_EXPOSE_HEALTH, "health-path", "/health/{*path}"},
        {API_EXPOSE_INFO, "info", "/info"},
        {API_EXPOSE_METRICS, "metrics", "/metrics"},
        {API_EXPOSE_METRICS, "metrics-requiredMetricName", "/metrics/{requiredMetricName}"},
        {API_EXPOSE_PROMETHEUS, "prometheus", "/prometheus"},
        {API_EXPOSE_LOGGERS, "loggers", "/loggers"},
        {API_EXPOSE_LOGGERS, "loggers-name", "/loggers/{name}"},
    };
    struct slice host = http_request_header(req, "Host");
    if (!host.n)
        host = SLICE("localhost");
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    msg_json_key(&j, "_links");
    msg_json_object(&j);
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (!links[i].expose || (links[i].expose & c->api->cfg.expose))
            put_link(&j, links[i].name, host, links[i].path);
    msg_json_object_end(&j);
    msg_json_object_end(&j);
    api_send_actuator(c, 200, buf_slice(&c->api->out));
}

/* --- info --- */

static void put_text(struct msg_json *j, const char *key, const char *value)
{
    msg_json_key(j, key);
    msg_json_string(j, value);
}

static void put_number(struct msg_json *j, const char *key, int64_t value)
{
    msg_json_key(j, key);
    msg_json_i64(j, value);
}

static void put_node(struct msg_json *j, const struct api_config *cfg)
{
    msg_json_key(j, "node");
    msg_json_object(j);
    put_text(j, "id", cfg->node_id);
    msg_json_key(j, "startedAt");
    msg_json_date_iso(j, cfg->started_us);
    put_number(j, "uptimeSeconds", (clock_real_us() - cfg->started_us) / 1000000);
    msg_json_object_end(j);
}

static void put_process(struct msg_json *j)
{
    struct utsname os;
    msg_json_key(j, "process");
    msg_json_object(j);
    put_number(j, "pid", getpid());
    put_number(j, "parentPid", getppid());
    put_number(j, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    put_text(j, "compiler", __VERSION__);
    msg_json_object_end(j);
    if (uname(&os) != 0)
        return;
    msg_json_key(j, "os");
    msg_json_object(j);
    put_text(j, "name", os.sysname);
    put_text(j, "version", os.release);
    put_text(j, "arch", os.machine);
    msg_json_object_end(j);
}

void api_actuator_info(struct api_call *c, const struct http_request *req)
{
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    msg_json_key(&j, "build");
    msg_json_object(&j);
    put_text(&j, "name", "rushd");
    put_text(&j, "version", c->api->cfg.version);
    msg_json_object_end(&j);
    put_node(&j, &c->api->cfg);
    put_process(&j);
    msg_json_object_end(&j);
    api_send_actuator(c, 200, buf_slice(&c->api->out));
}
