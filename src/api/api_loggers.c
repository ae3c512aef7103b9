/* /actuator/loggers: levels of the log, read and set while the node runs. */
#include "api/api_internal.h"
#include "api/api_tables.h"
#include "base/log.h"

LOG_DEFINE(log_loggers, "rushd.api.loggers");

/* Spring writes the top in capitals. */
static const char *shown_name(const char *name)
{
    return strcmp(name, "root") == 0 ? "ROOT" : name;
}

static void put_levels(struct msg_json *j, int configured, int effective)
{
    msg_json_object(j);
    if (configured >= 0) {
        msg_json_key(j, "configuredLevel");
        msg_json_string(j, log_level_name(configured));
    }
    msg_json_key(j, "effectiveLevel");
    msg_json_string(j, log_level_name(effective));
    msg_json_object_end(j);
}

static void put_logger(void *arg, const char *name, int configured, int effective)
{
    struct msg_json *j = arg;
    name = shown_name(name);
    msg_json_key_n(j, name, strlen(name));
    put_levels(j, configured, effective);
}

void api_loggers_list(struct api_call *c, const struct http_request *req)
{
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    msg_json_key(&j, "levels");
    msg_json_array(&j);
    for (int level = LOG_LEVEL_OFF; level >= LOG_LEVEL_TRACE; level--)
        msg_json_string(&j, log_level_name(level));
    msg_json_array_end(&j);
    msg_json_key(&j, "loggers");
    msg_json_object(&j);
    log_each(put_logger, &j);
    msg_json_object_end(&j);
    msg_json_key(&j, "groups");
    msg_json_object(&j);
    msg_json_object_end(&j);
    msg_json_object_end(&j);
    api_send_actuator(c, 200, buf_slice(&c->api->out));
}

struct wanted {
    struct slice name;
    bool found;
    int configured, effective;
};

static void look_for(void *arg, const char *name, int configured, int effective)
{
    struct wanted *w = arg;
    if (!slice_eq(w->name, name) && !slice_eq(w->name, shown_name(name)))
        return;
    w->found = true;
    w->configured = configured;
    w->effective = effective;
}

void api_loggers_get(struct api_call *c, const struct http_request *req)
{
    struct wanted w = {.name = req->params[0]};
    log_each(look_for, &w);
    if (!w.found) {
        api_refuse_code(c, REFUSAL_NOT_FOUND);
        return;
    }
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    put_levels(&j, w.configured, w.effective);
    api_send_actuator(c, 200, buf_slice(&c->api->out));
}

static bool is_json(struct slice type)
{
    return slice_ieq(type, "application/json") ||
           slice_ieq(type, "application/vnd.spring-boot.actuator.v3+json") ||
           slice_ieq(type, "application/vnd.spring-boot.actuator.v2+json");
}

void api_loggers_set(struct api_call *c, const struct http_request *req)
{
    struct body_level body;
    int level = -1;
    if (!is_json(req->content_type)) {
        api_refuse_code(c, REFUSAL_UNSUPPORTED_MEDIA_TYPE);
        return;
    }
    if (!api_body(c, req, &body_level_table, &body))
        return;
    struct buf name = BUF_INIT;
    buf_put_slice(&name, req->params[0]);
    if (body.configured && !log_level_parse(body.configured, &level)) {
        api_refuse_name(c, REFUSAL_INVALID_PARAMETER, "configuredLevel");
    } else if (!log_set_level(buf_str(&name), level)) {
        api_refuse_name(c, REFUSAL_INVALID_PARAMETER, "name");
    } else {
        log_info(&log_loggers, "level set", LOG_S("name", buf_str(&name)),
                 LOG_S("level", level < 0 ? "none" : log_level_name(level)));
        api_send(c, 204, NULL, (struct slice){0});
    }
    buf_free(&name);
    msg_field_free(&body_level_table, &body);
}
