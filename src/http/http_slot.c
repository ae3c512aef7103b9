/* The table of reply slots: chunks that never move, a free list, generations that tell a late answer from a
 * due one. */
#include "http/http_slot.h"

enum {
    CHUNK = 256
};

void http_slots_free(struct http_slots *t)
{
    for (size_t c = 0; c < t->nchunks; c++) {
        for (size_t i = 0; i < CHUNK; i++)
            buf_free(&t->chunks[c][i].answer);
        mem_free(t->chunks[c]);
    }
    mem_free(t->chunks);
    *t = (struct http_slots){0};
}

static void add_chunk(struct http_slots *t)
{
    struct http_slot *chunk = mem_array(CHUNK, sizeof(*chunk));
    t->chunks = mem_grow(t->chunks, t->nchunks + 1, sizeof(struct http_slot *));
    t->chunks[t->nchunks] = chunk;
    for (size_t i = CHUNK; i-- > 0;) {
        chunk[i].index = (uint32_t)(t->nchunks * CHUNK + i);
        chunk[i].next = t->free;
        t->free = &chunk[i];
    }
    t->nchunks++;
}

struct http_slot *http_slot_take(struct http_slots *t)
{
    if (!t->free)
        add_chunk(t);
    struct http_slot *s = t->free;
    t->free = s->next;
    s->next = NULL;
    s->state = HTTP_SLOT_WAITING;
    t->used++;
    t->waiting++;
    return s;
}

void http_slot_answered(struct http_slots *t, struct http_slot *s)
{
    ASSERT(s->state == HTTP_SLOT_WAITING);
    s->state = HTTP_SLOT_ANSWERED;
    s->generation++;
    t->waiting--;
}

void http_slot_release(struct http_slots *t, struct http_slot *s)
{
    if (s->state == HTTP_SLOT_WAITING)
        http_slot_answered(t, s);
    ASSERT(s->state == HTTP_SLOT_ANSWERED);
    s->state = HTTP_SLOT_FREE;
    s->conn = NULL;
    buf_free(&s->answer);
    s->next = t->free;
    t->free = s;
    t->used--;
}

http_reply http_slot_handle(const struct http_slot *s)
{
    return (http_reply){.slot = (uint64_t)s->index + 1, .generation = s->generation};
}

struct http_slot *http_slot_find(const struct http_slots *t, http_reply r)
{
    if (r.slot == 0 || r.slot > t->nchunks * CHUNK)
        return NULL;
    struct http_slot *s = &t->chunks[(r.slot - 1) / CHUNK][(r.slot - 1) % CHUNK];
    return s->state == HTTP_SLOT_WAITING && s->generation == r.generation ? s : NULL;
}
