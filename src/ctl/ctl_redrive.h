/* The parts of `rushctl dlq redrive`: which letters (ctl_dlq_redrive.c), sending them (ctl_redrive_send.c), coupon requests accepted
 * anew (ctl_redrive_anew.c). */
#ifndef RUSHD_CTL_CTL_REDRIVE_H
#define RUSHD_CTL_CTL_REDRIVE_H

#include "ctl/ctl_dlq.h"

/* What became of a letter. */
enum redrive_outcome {
    REDRIVE_PENDING, /* chosen, nothing done yet */
    REDRIVE_WOULD,   /* be sent: a dry run */
    REDRIVE_SENT,
    REDRIVE_ACCEPTED, /* as a new request */
    REDRIVE_ALREADY,  /* was sent before */
    REDRIVE_REFUSED,  /* not sent: the reason says why */
    REDRIVE_FAILED,   /* certainly not sent */
    REDRIVE_UNKNOWN,  /* may or may not have arrived */
    REDRIVE_WAITS,    /* local mode: no node has taken it yet */
};

/* A letter of the present chunk, copied. */
struct redrive_letter {
    struct dead_letter letter;
    struct event_message message;
    enum redrive_outcome outcome;
    int64_t ticket;
    char reason[300];
    char *memory;
};

struct kafka_producer;
struct coupon_cache;
struct coupon_accept;
struct pg_lock;

struct redrive {
    struct dlq dlq;
    bool all, again, force, anew, dry_run, json;
    struct redrive_letter *letters; /* the chunk */
    size_t n;
    size_t waiting; /* reports outstanding */
    struct kafka_producer *producer;
    bool closed;
    bool away;                    /* something failed because a service is away */
    struct redrive_letter *asked; /* that the question that runs is about */
    struct coupon_cache *cache;
    struct user_cache *users;
    struct coupon_accept *accept;
    struct pg_lock *lock;
};

/* Record where the pending letters of the chunk stand. False: told to the user. */
bool redrive_record(struct redrive *r, enum dead_letter_state state);
/* Send the pending letters of the chunk and record it, before and after. False: told to the user, nothing more should be tried. */
bool redrive_send(struct redrive *r);
/* Accept the pending ones, coupon requests, as new requests, with the same records. */
bool redrive_anew(struct redrive *r);
/* End what redrive_send() has opened. */
void redrive_close_producer(struct redrive *r);
/* End that and the rest, and the connections. */
void redrive_close(struct redrive *r);

#endif
