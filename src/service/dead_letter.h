/* What a dead letter says: where its message was for, who gave it up and why, and whether it can be read now. Pure. */
#ifndef RUSHD_SERVICE_DEAD_LETTER_H
#define RUSHD_SERVICE_DEAD_LETTER_H

#include "base/buf.h"
#include "service/ports.h"
#include "store/issue_tx.h"

/* The topics of this shop, and what is behind their names for their dead letters. */
struct dead_letter_topics {
    const char *names[EVENT_TOPIC_COUNT];
    const char *suffix;
};

#define DEAD_LETTER_TOPIC_SIZE 256

struct dead_letter {
    const struct event_message *message;   /* as it lies there */
    enum event_topic kind;                 /* of the topic that it was for; EVENT_TOPIC_COUNT: none of ours */
    char topic[DEAD_LETTER_TOPIC_SIZE];    /* that it was for */
    int32_t partition;                     /* where it was there; -1: not said */
    int64_t offset, timestamp_ms;          /* the same */
    struct slice group, exception, reason; /* n == 0: not said; they lie in the message */
};

/* Read Spring's kafka_dlt-* headers. Without the topic's it is the one whose name with the suffix is that of the dead letters. */
void dead_letter_parse(const struct dead_letter_topics *topics, const struct event_message *m,
                       struct dead_letter *out);
/* Whether a header tells of the dead letter and is not the message's own. */
bool dead_letter_header_is_ours(const char *name);
/* Which of the topics this is, by its own name or that of its dead letters; EVENT_TOPIC_COUNT: none. */
enum event_topic dead_letter_kind(const struct dead_letter_topics *topics, const char *name);

/* Read the value as its consumer does. True: json (may be NULL) gets what the consumer takes from it, as one object. False: e says
 * what is wrong with it, in the consumer's words. */
bool dead_letter_decode(const struct dead_letter *l, struct buf *json, struct error *e);
/* The coupon request in it; false for any other message and for one that cannot be read. */
bool dead_letter_coupon_request(const struct dead_letter *l, struct issue_tx_request *out);

#endif
