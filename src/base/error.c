/* The error value that crosses layers. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

void error_set(struct error *e, enum error_kind kind, const char *code, const char *fmt, ...)
{
    if (!e)
        return;
    /* The arguments may point into *e itself: a caller that adds context to an error it got. */
    struct error next = {.kind = kind};
    str_copy(next.code, sizeof(next.code), code ? code : "");
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(next.text, sizeof(next.text), fmt, ap);
    va_end(ap);
    if (n < 0)
        next.text[0] = '\0';
    else if ((size_t)n >= sizeof(next.text))
        next.text[str_utf8_cut(next.text, sizeof(next.text) - 1)] = '\0';
    *e = next;
}

void error_clear(struct error *e)
{
    *e = ERROR_INIT;
}

const char *error_kind_name(enum error_kind kind)
{
    switch (kind) {
    case ERROR_NONE:
        return "none";
    case ERROR_RETRIABLE:
        return "retriable";
    case ERROR_PERMANENT:
        return "permanent";
    case ERROR_UNKNOWN:
        return "unknown";
    case ERROR_BUG:
        return "bug";
    }
    return "?";
}
