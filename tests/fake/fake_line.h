/* What Redis holds of a waiting line, in memory: shared by fake_coupon_line.c and fake_coupon_result.c, not for tests. */
#ifndef TESTS_FAKE_FAKE_LINE_H
#define TESTS_FAKE_FAKE_LINE_H

#include "base/map.h"
#include "fake/fake_store.h"
#include "store/coupon_line.h"

struct fake_entry { /* a member in line */
    double score;
    struct slice text; /* owned */
    int64_t user;      /* 0: no user id */
    bool plain;        /* spelled as the id is printed */
};

enum record_state {
    RECORD_WAITING,   /* in line */
    RECORD_TAKEN,     /* in flight, no report yet */
    RECORD_PUBLISHED, /* in flight, reported */
};
struct fake_record { /* what pending, inflight, taken and published hold of a user */
    int64_t user, ticket, at_us;
    enum record_state state;
    int64_t epoch, since_ms;
    bool flies;
    double score; /* while it flies */
};
struct fake_result {
    char *json;
    int64_t at_us, ends_us;
    bool success;
};
struct fake_line {
    int64_t coupon_id;
    FAKE_LIST(struct fake_entry *) queue; /* in order */
    size_t odd;                           /* entries that are not spelled plainly */
    struct map *plain;                    /* user -> entry */
    struct map *records;                  /* user -> record */
    struct map *results;                  /* user -> result */
    struct map *issued;                   /* user -> anything */
    size_t flying;
    int64_t ticket; /* -1: lost */
    int64_t last_us, epoch;
    char *owner; /* NULL: no lease */
    int64_t owner_epoch, lease_ends_us;
    bool listed; /* in coupon:lines */
};
struct fake_lines {
    FAKE_LIST(struct fake_line *) at;
};

struct fake_lines *fake_lines_of(struct store *s);
struct fake_line *fake_line_of(struct store *s, int64_t coupon_id); /* made when new */
/* Let the counters be at least the highest in coupon_requests, those that cannot be ours left out. */
void fake_line_floors(struct store *s, struct fake_line *l);
int64_t fake_redis_generation(const struct store *s);
/* The error of a call that needs whole data, which Redis does not have; NULL: it has. */
const struct error *fake_redis_incomplete(struct store *s);
int64_t fake_line_now_ms(void);
bool fake_line_busy(const struct fake_line *l);              /* somebody waits or flies */
bool fake_line_has(const struct fake_line *l, int64_t user); /* he waits or flies */

/* The line as a sorted set. */
struct fake_entry *fake_queue_find(const struct fake_line *l, struct slice text);
struct fake_entry *fake_queue_plain(const struct fake_line *l, int64_t user);
struct fake_entry *fake_queue_quoted(const struct fake_line *l, int64_t user);
void fake_queue_add(struct fake_line *l, double score, struct slice text);
void fake_queue_add_user(struct fake_line *l, double score, int64_t user);
void fake_queue_remove(struct fake_line *l, struct fake_entry *e);              /* does not free it */
int64_t fake_queue_rank(const struct fake_line *l, const struct fake_entry *e); /* from 1; 0 for NULL */
void fake_entry_free(struct fake_entry *e);

struct fake_record *fake_record_of(const struct fake_line *l, int64_t user);
struct fake_record *fake_record_put(struct fake_line *l, int64_t user); /* made when new */
void fake_record_remove(struct fake_line *l, int64_t user);
void fake_record_take(struct fake_line *l, struct fake_record *r, double score, int64_t epoch);
void fake_record_return(struct fake_line *l, struct fake_record *r); /* to its old place in line */

struct fake_result *fake_result_of(struct fake_line *l, int64_t user); /* NULL: none, or its time is over */
void fake_result_remove(struct fake_line *l, int64_t user);

#endif
