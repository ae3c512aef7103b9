/* The error value that crosses layers: the callee fills it, the caller decides and logs. */
#ifndef RUSHD_BASE_ERROR_H
#define RUSHD_BASE_ERROR_H

#include "base/base.h"

enum error_kind {
    ERROR_NONE = 0,
    ERROR_RETRIABLE, /* nothing happened; the same call may succeed later (service away, deadlock) */
    ERROR_PERMANENT, /* nothing happened; the same call will fail again (bad data, constraint) */
    ERROR_UNKNOWN,   /* it may or may not have happened: settle it, never treat it as a failure */
    ERROR_BUG,       /* rushd itself is wrong */
};

struct error {
    enum error_kind kind;
    char code[24];  /* short machine word: SQLSTATE, a Kafka error name, "TIMEOUT", "QUEUE_FULL" */
    char text[356]; /* one line for a person, no secrets */
};

#define ERROR_INIT ((struct error){0})

/* Fill in an error; what does not fit is cut at a character. The arguments may be parts of *e itself, so that
 * context can be put in front. e == NULL: nobody wants to know. */
void error_set(struct error *e, enum error_kind kind, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Make it ERROR_NONE. */
void error_clear(struct error *e);
/* Give the word for a kind, "retriable" and so on. */
const char *error_kind_name(enum error_kind kind);

#endif
