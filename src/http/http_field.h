/* The grammar below messages: characters, tokens, lists, percent encoding, media types. Pure. */
#ifndef RUSHD_HTTP_HTTP_FIELD_H
#define RUSHD_HTTP_HTTP_FIELD_H

#include "base/buf.h"

enum http_char_class {
    HTTP_CHAR_TOKEN = 1,  /* RFC 9110 tchar */
    HTTP_CHAR_VALUE = 2,  /* field value: HTAB, SP, VCHAR, obs-text */
    HTTP_CHAR_TARGET = 4, /* request target: RFC 3986 characters, '%' and brackets */
    HTTP_CHAR_HOST = 8,   /* uri-host and port */
    HTTP_CHAR_ID = 16,    /* request id: letters, digits, '.', '_', '-' */
};
extern const uint8_t http_char_table[256];

/* True if c is of the class. */
static inline bool http_char_is(char c, enum http_char_class cls)
{
    return (http_char_table[(unsigned char)c] & cls) != 0;
}
/* True if every byte of s is of the class; an empty s is. */
bool http_chars_are(struct slice s, enum http_char_class cls);

/* Cut the next element from a comma separated list, blanks trimmed, empty elements skipped; false at the end.
 * Commas inside quoted strings do not separate. */
bool http_list_next(struct slice *rest, struct slice *element);
/* True if the list has the element, case folded. */
bool http_list_has(struct slice list, const char *element);

/* Media type of a Content-Type without its parameters; empty when there is none or it is malformed. */
struct slice http_media_type(struct slice content_type);
/* Cut the next range from an Accept or Accept-Language value: what it names, without parameters, and its quality
 * in thousandths (RFC 9110 section 12.4.2); -1 when that is malformed. False at the end. */
bool http_range_next(struct slice *list, struct slice *range, int *quality);
/* False if an Accept value excludes application/json (quality 0 or not named). application/problem+json does
 * not exclude it: that is the form of errors (contract section 3). A malformed element is skipped; a value
 * without any is no opinion. */
bool http_accepts_json(struct slice accept);

/* Append s to out with percent escapes decoded ('+' too when form is set). False, with out as it was, for a
 * malformed escape, NUL or invalid UTF-8. */
bool http_percent_decode(struct slice s, bool form, struct buf *out);
/* Decode the value of parameter name in a raw query into out: 1 found, 0 absent, -1 malformed. The last of
 * repeated ones wins. */
int http_query_get(struct slice query, const char *name, struct buf *out);

#endif
