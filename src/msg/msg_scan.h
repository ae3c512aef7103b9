/* Reads JSON text token by token, without a tree: RFC 8259, strict UTF-8, bounded depth, duplicate keys
 * found. Numbers stay text, so nothing is lost (a tree of doubles would lose 99999999.99). Private to msg and
 * its tests.
 */
#ifndef RUSHD_MSG_MSG_SCAN_H
#define RUSHD_MSG_MSG_SCAN_H

#include "base/buf.h"
#include "base/error.h"

#define MSG_MAX_DEPTH 32  /* objects and arrays within each other */
#define MSG_MAX_KEYS  256 /* members of one object that no table knows */

enum msg_token_type {
    MSG_TOKEN_ERROR, /* the error of the scan says what */
    MSG_TOKEN_OBJECT,
    MSG_TOKEN_ARRAY,
    MSG_TOKEN_STRING,
    MSG_TOKEN_NUMBER,
    MSG_TOKEN_TRUE,
    MSG_TOKEN_FALSE,
    MSG_TOKEN_NULL,
};

struct msg_token {
    enum msg_token_type type;
    struct slice text; /* as written; of a string what is between the quotes */
    bool escaped;      /* a string that holds a '\' */
};

struct msg_scan {
    const char *start, *p, *end;
    struct error *e;
    int depth;
    uint64_t *keys; /* hashes of the keys of the open objects, for duplicates */
    size_t nkeys, cap;
};

/* Start at the first of n bytes, which must stay until the end. Errors go to *e, with the codes that
 * msg_field_parse names. */
void msg_scan_init(struct msg_scan *s, const char *text, size_t n, struct error *e);
void msg_scan_free(struct msg_scan *s);

/* Take the next value: a scalar whole, of an object or array only its bracket. */
struct msg_token msg_scan_value(struct msg_scan *s);

/* Inside an object: take the next key and its colon. 1: key is set, the value is next; 0: the object is over;
 * -1: error. first: right behind the opening bracket. */
int msg_scan_key(struct msg_scan *s, bool first, struct msg_token *key);
/* Inside an array: 1: a value is next; 0: the array is over; -1: error. */
int msg_scan_element(struct msg_scan *s, bool first);

/* Remember a key of the object whose keys start at index base of s->keys (s->nkeys when it was opened; to be
 * set back when it is over). False with the error set when it is there already, or there are too many. */
bool msg_scan_remember(struct msg_scan *s, size_t base, const struct msg_token *key);

/* Skip the rest of a value that was begun with the token. */
bool msg_scan_skip(struct msg_scan *s, const struct msg_token *token);

/* True if nothing but white space is left; else the error is set. */
bool msg_scan_end(struct msg_scan *s);

/* The content of a string token: itself, or decoded into scratch (valid until that changes). */
struct slice msg_scan_text(const struct msg_token *token, struct buf *scratch);

#endif
