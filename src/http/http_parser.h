/* The request parser: bytes in, one request or one status out. Pure: no sockets, no clock, no allocation.
 *
 * Strict on purpose (library facts 5.4, guarantees section 3): whatever two readers could understand
 * differently is refused. It works line by line, so the outcome never depends on how the bytes were cut into
 * reads.
 */
#ifndef RUSHD_HTTP_HTTP_PARSER_H
#define RUSHD_HTTP_HTTP_PARSER_H

#include "base/str.h"
#include "http/http_server.h"

#define HTTP_MAX_FIELDS     64
#define HTTP_MAX_CHUNK_LINE 256 /* bytes of a chunk-size line with its CRLF */

/* What a request may weigh. head counts from the first byte to the empty line, 1 .. 65535; body after
 * decoding. */
struct http_limits {
    size_t head;
    size_t body;
};

enum http_parser_state {
    HTTP_PARSER_LINE,       /* request line, or the one empty line that may stand before it */
    HTTP_PARSER_FIELDS,     /* header fields */
    HTTP_PARSER_BODY,       /* body of Content-Length */
    HTTP_PARSER_CHUNK_SIZE, /* chunk-size line */
    HTTP_PARSER_CHUNK_DATA, /* bytes of a chunk */
    HTTP_PARSER_CHUNK_END,  /* CRLF after them */
    HTTP_PARSER_TRAILER,    /* fields after the last chunk: checked and dropped */
    HTTP_PARSER_DONE,       /* consumed bytes are one request */
    HTTP_PARSER_FAILED,     /* status and reason say why */
};

/* Fields that the server itself looks at; the first one of each name. */
enum http_known_field {
    HTTP_FIELD_ACCEPT,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_CONTENT_ENCODING,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_CONTENT_TYPE,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_HOST,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_X_REQUEST_ID,
    HTTP_FIELD_COUNT,
};

/* Part of the bytes of a request, by offset: the buffer may move between two calls. */
struct http_span {
    uint16_t at;
    uint16_t n;
};

struct http_parser {
    enum http_parser_state state;
    enum http_method method;
    int status;         /* FAILED: the answer, 400 .. 505 */
    const char *reason; /* FAILED: for the log */
    bool http11;        /* false: HTTP/1.0 */
    bool
        head_done; /* the head was complete and well formed: fields, target and the flags below may be read */
    bool keep_alive; /* what version and Connection say */
    bool expect;     /* Expect: 100-continue, HTTP/1.1 only */
    bool chunked;
    bool blank_seen; /* the empty line before the request line */
    uint8_t nfields;
    uint8_t known[HTTP_FIELD_COUNT]; /* index in fields + 1, 0: absent */
    struct http_span target;         /* as received */
    struct http_span host;           /* of the absolute form, else of Host */
    struct http_span path;           /* raw, without query; "/" of an absolute form without path has n == 0 */
    struct http_span query;          /* raw, without '?' */
    size_t pos;                      /* next byte to look at */
    size_t scan;                     /* no LF in [pos, scan) */
    size_t body_at, body_len;        /* decoded body, where it lies in the bytes */
    uint64_t left;                   /* BODY, CHUNK_DATA: bytes to come */
    size_t extra;                    /* bytes of chunk extensions and trailers so far */
    uint8_t ntrailers;
    size_t consumed; /* DONE: length of the request */
    struct {
        struct http_span name, value;
    } fields[HTTP_MAX_FIELDS];
};

enum http_parse {
    HTTP_PARSE_MORE,  /* not complete: come again with more */
    HTTP_PARSE_DONE,  /* p->consumed bytes are one request */
    HTTP_PARSE_ERROR, /* answer p->status and close: what follows cannot be trusted */
};

/* Begin a new request. */
void http_parser_init(struct http_parser *p);
/* Look at data, the bytes of one request from its first byte on, as far as they are known. Each call gets the
 * bytes of the last one (they may have moved) and more. A chunked body is decoded in place, so data is
 * written to. After DONE or ERROR only http_parser_init() may follow. Statuses: 400 malformed, 413 body over
 * the limit, 414 request line over the limit, 417 expectation other than 100-continue, 431 head over the
 * limit or more than 64 fields, 501 unknown method or transfer coding, 505 version other than 1.0 and 1.1. */
enum http_parse http_parser_run(struct http_parser *p, const struct http_limits *limits, char *data,
                                size_t len);
/* Close the gap that decoding a chunked body leaves in data; returns the new length. Only after MORE. */
size_t http_parser_compact(struct http_parser *p, char *data, size_t len);
/* Bytes that are still missing at least, as far as the request says so (0: it does not). */
uint64_t http_parser_missing(const struct http_parser *p, size_t len);

/* The span's bytes in data. */
static inline struct slice http_span_slice(struct http_span s, const char *data)
{
    return (struct slice){data + s.at, s.n};
}
/* Value of a known field; p == NULL when absent. Only when head_done. */
struct slice http_parser_known(const struct http_parser *p, const char *data, enum http_known_field f);

#endif
