/* Dead letters: the local mode's table, and what was sent again of them and of Kafka's (guarantees G7). */
#ifndef RUSHD_STORE_DEAD_LETTER_H
#define RUSHD_STORE_DEAD_LETTER_H

#include "store/store.h"

struct dead_letter_header {
    const char *name;
    struct slice value;
};
struct dead_letter_row {
    int64_t id;        /* not for inserting */
    const char *topic; /* that the message was for */
    const char *group, *exception, *reason;
    struct slice key, payload; /* p NULL: none */
    const struct dead_letter_header *headers;
    size_t nheaders;
    int64_t created_at_us; /* not for inserting */
};
typedef void dead_letter_rows_fn(void *arg, const struct dead_letter_row *rows, size_t n,
                                 const struct error *e);

/* A dead letter of event.publisher.type = local. */
void dead_letter_insert(struct store *s, const struct dead_letter_row *row, store_done_fn *done, void *arg);
/* The next ones behind this id, ascending, at most limit. */
void dead_letter_read(struct store *s, int64_t after_id, size_t limit, dead_letter_rows_fn *done, void *arg);

/* --- sent again: table dead_letter_redrives --- */
/* A letter: where it lies and its instant. In the local mode partition is 0 and offset the row's id. */
struct dead_letter_id {
    const char *topic; /* of the dead letters */
    int32_t partition;
    int64_t offset, timestamp_ms;
};
enum dead_letter_state {
    DEAD_LETTER_REQUESTED, /* the node of the local mode is to take it */
    DEAD_LETTER_SENDING,   /* on its way, or was when its sender died */
    DEAD_LETTER_SENT,      /* arrived */
    DEAD_LETTER_FAILED,    /* certainly not arrived */
};
struct dead_letter_redrive {
    struct dead_letter_id id;
    enum dead_letter_state state;
    bool as_new_request;
    int64_t ticket; /* of the new request, 0: none */
    int64_t sends;  /* how often it has arrived; not for writing: SENT counts */
    const char *error;
    int64_t changed_at_us; /* not for writing */
};
/* The word of a state as the table has it. */
const char *dead_letter_state_word(enum dead_letter_state state);
/* The records of these topics (NULL-terminated) behind `after` (NULL: from the first), ascending, at most limit. */
void dead_letter_redrives(struct store *s, const char *const *topics, const struct dead_letter_id *after,
                          size_t limit,
                          void (*done)(void *arg, const struct dead_letter_redrive *rows, size_t n,
                                       const struct error *e),
                          void *arg);
/* Set state, ticket and error of each; those without a record get one. Letters are distinct. Repeating it is harmless but
 * counts SENT twice. */
void dead_letter_redrive_write(struct store *s, const struct dead_letter_redrive *rows, size_t n,
                               store_done_fn *done, void *arg);

/* For the one worker of the local mode: move at most limit letters that are REQUESTED or SENDING to SENDING and give them,
 * ascending by id, except those in `skip` (ascending), which it has in hand. suffix is that of the dead letters' topics. */
void dead_letter_redrive_claim(struct store *s, const char *suffix, size_t limit, const int64_t *skip,
                               size_t nskip, dead_letter_rows_fn *done, void *arg);
/* Forget at most limit records that were SENT or FAILED before this instant and whose letter no table holds: Kafka's topics have
 * forgotten theirs. done gets how many went. */
void dead_letter_redrive_expire(struct store *s, int64_t older_than_us, size_t limit,
                                void (*done)(void *arg, int64_t forgotten, const struct error *e), void *arg);
/* Its end: SENT, or with an error FAILED. */
void dead_letter_redrive_end(struct store *s, int64_t id, const char *error, store_done_fn *done, void *arg);

#endif
