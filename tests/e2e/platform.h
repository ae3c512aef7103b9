/* A data platform for the nodes to call: a small HTTP server in a process of its own that records what it is sent. What it
 * records and how it behaves lie in shared memory, so that every test process sees and steers it. */
#ifndef TESTS_E2E_PLATFORM_H
#define TESTS_E2E_PLATFORM_H

#include "e2e.h"

enum platform_mood {
    PLATFORM_TAKES,  /* answers 200 */
    PLATFORM_FAILS,  /* answers 500, records nothing */
    PLATFORM_HANGS,  /* answers nothing */
    PLATFORM_CLOSES, /* closes the connection instead of an answer */
};

struct document {
    char key[64]; /* the header Idempotency-Key */
    char body[2048];
};

/* Start it; ends with the process that started it. Returns its URL. */
const char *platform_start(void);
void platform_stop(void);
void platform_is(enum platform_mood mood);
/* Like platform_is(), but for the next requests only, that many of them. */
void platform_stumbles(enum platform_mood mood, int times);
/* How many documents with this key were taken. */
int platform_taken(const char *key);
/* The first document taken with this key; NULL when there is none. */
const struct document *platform_document(const char *key);
/* How many requests came in all, answered or not. */
int platform_requests(void);

#endif
