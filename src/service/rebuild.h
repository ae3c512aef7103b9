/* Redis back from PostgreSQL, by hand (rushctl rebuild) and by itself, while nodes serve (contract section 4; guarantees G7,
 * G10). Everything goes through calls that change nothing that is right already. */
#ifndef RUSHD_SERVICE_REBUILD_H
#define RUSHD_SERVICE_REBUILD_H

#include "store/store.h"

struct loop;

enum rebuild_part {
    REBUILD_LINES = 1,   /* undecided requests return to their lines */
    REBUILD_ISSUED = 2,  /* sets of holders */
    REBUILD_RANKING = 4, /* sales of the days that the ranking keeps */
    REBUILD_INFO = 8,    /* coupon:info for other readers */
    REBUILD_ALL = 15,
    REBUILD_COUNTERS = 16, /* of tickets and instants: above the highest in PostgreSQL. Part of a recovery */
};
struct rebuild_counts {
    int64_t requests; /* undecided ones read */
    int64_t restored; /* of them back in line */
    int64_t late;     /* of those while others were served: the exception of G8 */
    int64_t holders;
    int64_t sales;   /* read */
    int64_t counted; /* of them new to the ranking */
    int64_t coupons;
    int64_t forgotten; /* days whose ranking began anew */
    int64_t removed;   /* users taken out of issued sets */
};
struct rebuild_config {
    int64_t coupon_ttl_ms, issued_ttl_ms;
    int retention_days;
    int64_t coupon_id; /* only this one, 0: all. The ranking has no coupons */
    /* Also take away what PostgreSQL does not have: the ranking's days are forgotten before they are counted anew (until then the
     * best sellers are those counted so far), and users who hold nothing leave the issued sets. */
    bool from_scratch;
    /* After each page, with the arg of done; NULL: nobody wants to know. */
    void (*on_page)(void *arg, enum rebuild_part part, const struct rebuild_counts *counts);
};
/* Rebuild the parts one after the other, page by page. Requests accepted within the last min_age_ms are left out: they are on their
 * way. done fires once, never before this returns; e is NULL on success, and the counts tell how far it came. */
void rebuild_run(struct loop *l, struct store *s, const struct rebuild_config *cfg, unsigned parts,
                 int64_t min_age_ms,
                 void (*done)(void *arg, const struct rebuild_counts *counts, const struct error *e),
                 void *arg);

#endif
