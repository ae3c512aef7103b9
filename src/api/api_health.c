/* /actuator/health: what the components say of themselves, in the shape of Spring Boot 3.
 *
 * The node as a whole is as well as the worst of what readiness needs, and its disk. Others, such as Kafka, are
 * shown but take nothing out: the outbox holds what they do not take (contract section 3). */
#include "api/api_internal.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/component.h"

#define DISK_THRESHOLD (10 * INT64_C(1048576)) /* bytes; Spring's default */

static void refresh_disk(struct component *c);

static struct component ping = {.name = "ping"};
static struct component disk = {.name = "diskSpace", .refresh = refresh_disk};
static struct component liveness = {.name = "livenessState", .groups = COMPONENT_LIVENESS};
static struct component readiness = {.name = "readinessState", .groups = COMPONENT_READINESS};

/* The file system of the working directory: where a core file would go. */
static void refresh_disk(struct component *c)
{
    struct statvfs fs;
    if (statvfs(".", &fs) != 0) {
        component_set(c, COMPONENT_UNKNOWN, "statvfs failed");
        return;
    }
    int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    component_detail_int(c, "total", (int64_t)fs.f_blocks * (int64_t)fs.f_frsize);
    component_detail_int(c, "free", free_bytes);
    component_detail_int(c, "threshold", DISK_THRESHOLD);
    bool enough = free_bytes >= DISK_THRESHOLD;
    component_set(c, enough ? COMPONENT_UP : COMPONENT_DOWN, "the disk is full");
}

void api_health_register(void)
{
    struct component *own[] = {&ping, &disk, &liveness, &readiness};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        own[i]->status = COMPONENT_UP;
        component_register(own[i]);
    }
    component_detail(&readiness, "error", NULL);
}

void api_health_set_ready(bool ready)
{
    component_set(&readiness, ready ? COMPONENT_UP : COMPONENT_OUT_OF_SERVICE, "no traffic is wanted");
}

/* --- printing --- */

static void put_status(struct msg_json *j, enum component_status status)
{
    msg_json_key(j, "status");
    msg_json_string(j, component_status_name(status));
}

static void put_details(struct msg_json *j, const struct component *c)
{
    if (!c->ndetails)
        return;
    msg_json_key(j, "details");
    msg_json_object(j);
    for (size_t i = 0; i < c->ndetails; i++) {
        const struct component_detail *d = &c->details[i];
        msg_json_key_n(j, d->key, strlen(d->key));
        if (d->number)
            msg_json_raw(j, d->value, strlen(d->value));
        else
            msg_json_string(j, d->value);
    }
    msg_json_object_end(j);
}

static void refresh(unsigned groups)
{
    for (struct component *c = component_first(); c; c = c->next)
        if (c->refresh && (!groups || (c->groups & groups)))
            c->refresh(c);
}

/* Not asked yet is not ready. */
static enum component_status node_status(enum component_status worst)
{
    return worst == COMPONENT_UNKNOWN ? COMPONENT_DOWN : worst;
}

/* groups 0: all components. */
static void send_health(struct api_call *c, enum component_status status, unsigned groups)
{
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    put_status(&j, status);
    if (c->api->cfg.health_details) {
        msg_json_key(&j, "components");
        msg_json_object(&j);
        for (const struct component *x = component_first(); x; x = x->next) {
            if (groups && !(x->groups & groups))
                continue;
            msg_json_key(&j, x->name);
            msg_json_object(&j);
            put_status(&j, x->status);
            put_details(&j, x);
            msg_json_object_end(&j);
        }
        msg_json_object_end(&j);
    }
    if (!groups)
        msg_json_key(&j, "groups"), msg_json_raw(&j, SLICE("[\"liveness\",\"readiness\"]").p, 24);
    msg_json_object_end(&j);
    api_send_actuator(c, status == COMPONENT_UP ? 200 : 503, buf_slice(&c->api->out));
}

void api_health_get(struct api_call *c, const struct http_request *req)
{
    refresh(0);
    enum component_status worst = node_status(component_worst(COMPONENT_READINESS));
    if (worst == COMPONENT_UP && disk.status == COMPONENT_DOWN)
        worst = COMPONENT_DOWN;
    send_health(c, worst, 0);
}

/* --- groups and single components --- */

static void send_component(struct api_call *c, struct slice name)
{
    struct component *x = component_first();
    while (x && !slice_eq(name, x->name))
        x = x->next;
    if (!x || !c->api->cfg.health_details) {
        api_refuse_code(c, REFUSAL_NOT_FOUND);
        return;
    }
    if (x->refresh)
        x->refresh(x);
    buf_clear(&c->api->out);
    struct msg_json j = MSG_JSON(&c->api->out);
    msg_json_object(&j);
    put_status(&j, x->status);
    put_details(&j, x);
    msg_json_object_end(&j);
    bool well = x->status == COMPONENT_UP || x->status == COMPONENT_UNKNOWN;
    api_send_actuator(c, well ? 200 : 503, buf_slice(&c->api->out));
}

void api_health_path(struct api_call *c, const struct http_request *req)
{
    static const struct {
        const char *name;
        unsigned group;
    } groups[] = {{"liveness", COMPONENT_LIVENESS}, {"readiness", COMPONENT_READINESS}};
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (!slice_eq(req->params[0], groups[i].name))
            continue;
        refresh(groups[i].group);
        send_health(c, node_status(component_worst(groups[i].group)), groups[i].group);
        return;
    }
    send_component(c, req->params[0]);
}
