/* The list of the node's parts and how each of them is. */
#include "base/component.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#define REASON "error"

static LOG_DEFINE(log_health, "rushd.health");

static struct component *components;

void component_register(struct component *c)
{
    struct component **at = &components;
    for (; *at; at = &(*at)->next)
        if (*at == c)
            return;
    c->next = NULL;
    c->changed_us = clock_real_us();
    *at = c;
}

static struct component_detail *find_detail(struct component *c, const char *key)
{
    for (size_t i = 0; i < c->ndetails; i++)
        if (strcmp(c->details[i].key, key) == 0)
            return &c->details[i];
    return NULL;
}

static void set_detail(struct component *c, const char *key, const char *value, bool number)
{
    struct component_detail *d = find_detail(c, key);
    if (!d) {
        ASSERT(c->ndetails < COMPONENT_MAX_DETAILS && strlen(key) < sizeof(d->key));
        d = &c->details[c->ndetails++];
        str_copy(d->key, sizeof(d->key), key);
    }
    str_copy(d->value, sizeof(d->value), value);
    d->number = number;
}

static void remove_detail(struct component *c, const char *key)
{
    struct component_detail *d = find_detail(c, key);
    if (!d)
        return;
    size_t behind = (size_t)(c->details + c->ndetails - (d + 1));
    memmove(d, d + 1, behind * sizeof(*d));
    c->ndetails--;
}

void component_detail(struct component *c, const char *key, const char *value)
{
    if (value)
        set_detail(c, key, value, false);
    else
        remove_detail(c, key);
}

void component_detail_int(struct component *c, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    set_detail(c, key, text, true);
}

bool component_set(struct component *c, enum component_status status, const char *reason)
{
    component_detail(c, REASON, status == COMPONENT_UP ? NULL : reason);
    if (c->status == status)
        return false;
    enum component_status before = c->status;
    c->status = status;
    c->changed_us = clock_real_us();
    LOG_AT(&log_health, status == COMPONENT_DOWN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "component changed",
           LOG_S("component", c->name), LOG_S("status", component_status_name(status)),
           LOG_S("before", component_status_name(before)), LOG_S("reason", reason));
    return true;
}

struct component *component_first(void)
{
    return components;
}

static int badness(enum component_status status)
{
    switch (status) {
    case COMPONENT_UP:
        return 0;
    case COMPONENT_UNKNOWN:
        return 1;
    case COMPONENT_OUT_OF_SERVICE:
        return 2;
    case COMPONENT_DOWN:
        return 3;
    }
    return 3;
}

enum component_status component_worst(unsigned groups)
{
    enum component_status worst = COMPONENT_UP;
    for (const struct component *c = components; c; c = c->next)
        if ((groups == 0 || (c->groups & groups)) && badness(c->status) > badness(worst))
            worst = c->status;
    return worst;
}

const char *component_status_name(enum component_status status)
{
    switch (status) {
    case COMPONENT_UNKNOWN:
        return "UNKNOWN";
    case COMPONENT_UP:
        return "UP";
    case COMPONENT_DOWN:
        return "DOWN";
    case COMPONENT_OUT_OF_SERVICE:
        return "OUT_OF_SERVICE";
    }
    return "UNKNOWN";
}

void component_reset(void)
{
    while (components) {
        struct component *c = components;
        components = c->next;
        c->next = NULL;
    }
}
