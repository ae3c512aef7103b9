/* The proof of the promises G1-G10 (guarantees section 1) from the books in PostgreSQL, Redis and Kafka, while nodes serve.
 *
 * PostgreSQL is read on one snapshot. What is compared across services may be on its way at that moment: a difference counts only
 * when it is still there a while later. */
#ifndef RUSHD_SERVICE_AUDIT_H
#define RUSHD_SERVICE_AUDIT_H

#include "service/ports.h"
#include "store/audit.h"

struct loop;

enum audit_verdict {
    AUDIT_PASS,
    AUDIT_FAIL,
    AUDIT_SKIPPED,
};
struct audit_result {
    const char *name;     /* "order-totals" */
    const char *promise;  /* "G5" */
    const char *sentence; /* what holds if it passes */
    enum audit_verdict verdict;
    int64_t examined, wrong;
    int64_t excused; /* exceptions that the promise allows */
    const char
        *note; /* why skipped, what the exceptions are, which range could be proved; "" nothing to say */
    const char *const *examples; /* of what is wrong, then of exceptions */
    size_t n;
};
struct audit_config {
    struct audit_range range;
    int retention_days;
    int64_t recheck_ms;           /* coupon.queue.recheck */
    int64_t settle_ms;            /* how long a difference may take to go away by itself */
    int64_t deadline_ms;          /* of one snapshot */
    bool platform;                /* a data platform is configured */
    struct event_history history; /* ops NULL: the topics cannot be read */
    const char *no_history;       /* why */
    const char *topics[EVENT_TOPIC_COUNT];
};
/* Run every check that is about the range; those of a coupon only when one is given. on_check fires for each, in the order of
 * audit_checks(); done once, never before this returns. e: a service was away, and the checks so far are all there is. cfg and what
 * it points to must live until then. */
void audit_run(struct loop *l, struct store *s, const struct audit_config *cfg,
               void (*on_check)(void *arg, const struct audit_result *result),
               void (*done)(void *arg, const struct error *e), void *arg);

/* The checks by name, NULL-terminated: the manual page lists them. */
struct audit_check_name {
    const char *name, *promise, *sentence;
};
const struct audit_check_name *audit_check_names(size_t *n);

#endif
