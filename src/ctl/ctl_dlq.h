/* What the commands about dead letters share: which letters are meant, and reading them one after the other, from Kafka's topics or,
 * in the local mode, from the table. */
#ifndef RUSHD_CTL_CTL_DLQ_H
#define RUSHD_CTL_CTL_DLQ_H

#include "base/map.h"
#include "ctl/ctl.h"
#include "ctl/ctl_kafka.h"
#include "msg/msg_json.h"
#include "service/dead_letter.h"
#include "store/dead_letter.h"

/* Which letters are meant. */
struct dlq_filter {
    enum event_topic kind; /* EVENT_TOPIC_COUNT: of every topic */
    int64_t since_us;      /* 0: all */
    const char *key;       /* NULL: any */
};
/* The texts of the options that fill it. */
struct dlq_filter_options {
    const char *topic, *since, *key;
};

/* A letter that is given, with what is known of its redrive, NULL when it was never sent again. Valid inside only. */
typedef void dlq_letter_fn(void *arg, const struct dead_letter *l, const struct dead_letter_redrive *redrive);

struct dlq {
    struct ctl *c;
    bool local;
    struct dead_letter_topics topics;
    char names[EVENT_TOPIC_COUNT][DEAD_LETTER_TOPIC_SIZE]; /* of the dead letters */
    const char *reading[EVENT_TOPIC_COUNT + 1];            /* those that are meant */
    struct ctl_history *history;
    struct strmap *redrives; /* of those topics, by letter */
    struct dead_letter_id last;
    bool more;
    struct dlq_filter filter;
    dlq_letter_fn *fn; /* of the reading that runs */
    void *arg;
    int64_t last_id; /* local mode: the last row */
};

/* Check the options; false told to the user. */
bool dlq_filter_set(struct dlq *d, const struct dlq_filter_options *o);
/* A letter's name, TOPIC/PARTITION/OFFSET; TOPIC is that of the dead letters or the one they were for. False told to the user. id->topic
 * points into d. */
bool dlq_letter_name(const struct dlq *d, const char *text, struct dead_letter_id *id);
/* The same in three arguments. */
bool dlq_letter_words(const struct dlq *d, char *const *words, struct dead_letter_id *id);

/* Begin; before the arguments are checked. */
void dlq_init(struct dlq *d, struct ctl *c);
/* Connect, with further needs, and read what was sent again. 0 or the exit status, told to the user. */
int dlq_open(struct dlq *d, unsigned needs);
/* Read the records of redrives anew. */
bool dlq_load_redrives(struct dlq *d);
/* What is recorded of a letter, NULL: nothing. */
const struct dead_letter_redrive *dlq_redrive_of(const struct dlq *d, const struct event_message *m);
/* Give each letter that the filter means, per partition in offset order. False: told to the user. */
bool dlq_read(struct dlq *d, dlq_letter_fn *fn, void *arg);
/* Give back, and end the connections: a call that is still out ends before what it was for is gone. */
void dlq_free(struct dlq *d);

/* Append "topic/partition/offset". */
void dlq_put_name(struct buf *out, const char *topic, int32_t partition, int64_t offset);
/* Write what identifies and explains a letter as members of the object that is open. */
void dlq_put_json(struct msg_json *j, const struct dead_letter *l, const struct dead_letter_redrive *redrive);
/* Append bytes as text: what is no printable UTF-8 becomes \xHH, a backslash \\. */
void dlq_put_bytes(struct buf *out, const void *p, size_t n);
/* Append how it stands with the redrive in one word or two. */
void dlq_put_redrive(struct buf *out, const struct dead_letter_redrive *redrive);

#endif
