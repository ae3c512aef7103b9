/* Status of the parts of a node (health, contract section 3): each part owns one and keeps it up to date. */
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

/* Add a component to the list, at its end; c stays the caller's and must outlive the list. Twice is once. */
void component_register(struct component *c);
/* Set the status; returns true and logs one line when it changed. reason (may be NULL) becomes the detail
 * "error" when not UP and is removed when UP. */
bool component_set(struct component *c, enum component_status status, const char *reason);
/* Set a detail, cut to what fits; NULL removes it. At most COMPONENT_MAX_DETAILS, with short keys. */
void component_detail(struct component *c, const char *key, const char *value);
/* Set a detail that is a number. */
void component_detail_int(struct component *c, const char *key, int64_t value);
/* Give the first of the list; the others follow by next. */
struct component *component_first(void);
/* Give the worst status in any of the groups (0: all components): DOWN, OUT_OF_SERVICE, UNKNOWN, UP. */
enum component_status component_worst(unsigned groups);
/* Give Spring's word: "UP", "OUT_OF_SERVICE". */
const char *component_status_name(enum component_status status);
/* Empty the list: for tests and the end of the process. */
void component_reset(void);

#endif
