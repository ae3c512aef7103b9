/* Rows for people: aligned columns. Korean and other wide characters take two places. */
#ifndef RUSHD_CTL_CTL_TABLE_H
#define RUSHD_CTL_CTL_TABLE_H

#include "base/buf.h"

struct ctl_column {
    const char *title;
    bool right; /* numbers */
};

struct ctl_table {
    const struct ctl_column *columns;
    size_t ncolumns;
    char **cells; /* row after row */
    size_t n, cap;
};

#define CTL_TABLE(c) ((struct ctl_table){.columns = (c), .ncolumns = ARRAY_LEN(c)})

/* Append the next cell of the present row. Control characters and bytes that are no UTF-8 become '?': names come from
 * outside and must not steer a terminal. */
void ctl_table_text(struct ctl_table *t, const char *s);
void ctl_table_i64(struct ctl_table *t, int64_t v);
/* Append a local date and time, "-" for 0. */
void ctl_table_date(struct ctl_table *t, int64_t us);
/* Print titles and rows. A bug when the last row is not complete. */
void ctl_table_print(const struct ctl_table *t, struct buf *out);
void ctl_table_free(struct ctl_table *t);

/* Append text with the same care. */
void ctl_put_text(struct buf *out, const char *s);
/* Places that a text takes on a terminal. */
size_t ctl_width(const char *s);

#endif
