/* What the drain knows of each line, and of all of them: coupon_drain.c alone moves it. */
#ifndef RUSHD_SERVICE_COUPON_DRAIN_LINE_H
#define RUSHD_SERVICE_COUPON_DRAIN_LINE_H

#include "base/map.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "service/coupon.h"
#include "store/coupon_line.h"

struct members {
    struct coupon_line_member *m;
    size_t len, cap;
};

enum line_state {
    LINE_IDLE,     /* nothing is asked of Redis */
    LINE_QUEUED,   /* waits for its turn */
    LINE_LOOKUP,   /* the coupon's row is being read */
    LINE_TAKING,   /* take runs */
    LINE_PUTTING,  /* put back runs */
    LINE_STALE,    /* recheck runs */
    LINE_RELEASE,  /* the lease is being given up */
    LINE_RELEASED, /* given up; the node stops */
};

/* What a line does when its turn has come. */
enum line_turn {
    TURN_TAKE,  /* look the coupon up, take members */
    TURN_RENEW, /* keep the lease */
    TURN_STALE, /* recheck */
};

struct line {
    TAILQ_ENTRY(line) link; /* QUEUED */
    struct coupon_drain *drain;
    int64_t coupon_id;
    enum line_state state;
    enum line_turn turn;
    int64_t epoch;                     /* 0: no lease */
    int64_t lease_until_us;            /* by clock_mono_us() */
    int64_t asked_us;                  /* when the running take was sent */
    bool lost;                         /* a reply was lost: begin a new epoch when nothing is outstanding */
    uint64_t listed;                   /* number of the last list that it was in */
    int64_t waiting, taken, in_flight; /* taken: in flight without a mark, as last listed */
    bool unfinished;                   /* members of older epochs are still to return */
    bool held;                         /* publishing failed: nothing is taken before the next tick */
    int64_t quota;                     /* members that may still be taken in this interval; -1: no bound */
    struct members to_send;            /* taken, not produced; sent_pos of them are done */
    size_t sent_pos;
    size_t outstanding;
    int64_t heard_us; /* last report, or the first message that waits for one */
    struct members marks, marking, failed;
    bool mark_running;
    int64_t checked_us; /* last recheck */
    int64_t published;  /* since the last tick */
    double rate;        /* per second, smoothed */
    struct loop_timer *again;
    struct loop_task mark_task;
    struct msg_coupon_issue message; /* the coupon's part; the name is ours */
};

struct coupon_drain {
    struct loop *loop;
    struct store *store;
    struct coupon_cache *cache;
    struct event_sink sink;
    struct coupon_config cfg;
    struct map *lines;
    TAILQ_HEAD(, line) queue; /* of those that wait for their turn */
    size_t turns;             /* under way */
    struct coupon_info *info;
    struct loop_timer *tick;
    bool running, listing;
    uint64_t lists; /* begun so far */
    int64_t tick_started_us, probed_us;
    struct buf value;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct loop_timer *stop_tick, *stop_timer;
};

#endif
