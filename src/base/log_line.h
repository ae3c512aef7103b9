/* How a log line looks: logfmt or JSON with the same keys. Private to log.c and its tests. */
#ifndef RUSHD_BASE_LOG_LINE_H
#define RUSHD_BASE_LOG_LINE_H

#include "base/log.h"

/* Write one line with its newline into out (LOG_LINE_MAX bytes), return its length. Keys ts, level, logger,
 * msg, then the fields. A value that does not fit is cut, fields behind it are left out; the line is whole.
 */
size_t log_line(char *out, enum log_format format, int64_t real_us, const char *level, const char *logger,
                const char *message, const struct log_field *fields, size_t n);

#endif
