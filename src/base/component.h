/* Status of the parts of a node (health, contract section 3): each part owns one component and keeps it up to
 * date. */
#ifndef RUSHD_BASE_COMPONENT_H
#define RUSHD_BASE_COMPONENT_H

#include "base/base.h"

enum component_status {
    COMPONENT_UNKNOWN, /* not asked yet; counts as DOWN for readiness */
    COMPONENT_UP,
    COMPONENT_DOWN,
    COMPONENT_OUT_OF_SERVICE, /* stopping */
};

enum component_group {
    COMPONENT_READINESS = 1, /* takes part in readiness */
    COMPONENT_LIVENESS = 2,
};

#define COMPONENT_MAX_DETAILS 12

struct component {
    const char *name; /* "db", "redis", "kafka", "diskSpace" */
    unsigned groups;
    enum component_status status;
    struct component_detail {
        char key[40];
        char value[200];
        bool number; /* value is a number: printed without quotes */
    } details[COMPONENT_MAX_DETAILS];
    size_t ndetails;
    int64_t changed_us; /* realtime of the last change of status */
    /* Called before health is printed, to fill in details; may be NULL. */
    void (*refresh)(struct component *c);
    struct component *next;
};

void component_register(struct component *c); /* c is the caller's, static */
/* Set the status; returns true and logs one line when it changed. reason (may be NULL) becomes the detail
 * "error" when not UP and is removed when UP. */
bool component_set(struct component *c, enum component_status status, const char *reason);
void component_detail(struct component *c, const char *key, const char *value); /* NULL removes */
void component_detail_int(struct component *c, const char *key, int64_t value);
struct component *component_first(void);
/* The worst of the components in any of the groups (0: all components): DOWN over OUT_OF_SERVICE over UNKNOWN
 * over UP. */
enum component_status component_worst(unsigned groups);
const char *component_status_name(enum component_status status);
void component_reset(void);

#endif
