/* Reply slots: one per request that is not completely answered. They live in a table of the server, so that a
 * handle (slot, generation) can outlive its connection, and are linked in request order per connection. */
#ifndef RUSHD_HTTP_HTTP_SLOT_H
#define RUSHD_HTTP_HTTP_SLOT_H

#include "base/buf.h"
#include "http/http_server.h"

#define HTTP_REQUEST_ID_MAX 64

struct http_conn;
struct http_stats;

enum http_slot_state {
    HTTP_SLOT_FREE,     /* on the free list */
    HTTP_SLOT_WAITING,  /* the handler owes an answer */
    HTTP_SLOT_ANSWERED, /* the answer waits for those of earlier requests */
};

struct http_slot {
    enum http_slot_state state;
    uint32_t index;
    uint32_t generation; /* of the handle that may answer now */
    int method;          /* enum http_method, or HTTP_METHOD_UNKNOWN */
    bool http11;
    bool keep_alive; /* false: Connection: close, nothing follows */
    struct http_conn *conn;
    struct http_slot *next; /* next request of the connection, or next free slot */
    struct http_stats *stats;
    int64_t received_us;
    struct buf answer; /* ANSWERED: the bytes */
    char request_id[HTTP_REQUEST_ID_MAX + 1];
};

struct http_slots {
    struct http_slot **chunks;
    size_t nchunks;
    struct http_slot *free;
    size_t used;    /* not FREE */
    size_t waiting; /* WAITING */
};

/* Free the table and every answer in it; all handles die. */
void http_slots_free(struct http_slots *t);
/* Take a slot in state WAITING; the caller fills in the rest. */
struct http_slot *http_slot_take(struct http_slots *t);
/* The handle's answer is in, or nobody wants it any more: kills the handle. */
void http_slot_answered(struct http_slots *t, struct http_slot *s);
/* Give a slot back, in any state. */
void http_slot_release(struct http_slots *t, struct http_slot *s);
http_reply http_slot_handle(const struct http_slot *s);
/* The WAITING slot of a handle; NULL when the handle is dead. */
struct http_slot *http_slot_find(const struct http_slots *t, http_reply r);

#endif
