/* Calling the embedded Lua scripts: arguments of any number, the script by its file's name, replies turned into rows. */
#ifndef RUSHD_STORE_STORE_SCRIPT_H
#define RUSHD_STORE_STORE_SCRIPT_H

#include "redis/redis.h"
#include "store/store_internal.h"

/* The scripts of src/store/lua, in the order of their names (a test compares the two lists). */
enum script_id {
    SCRIPT_COUPON_ADD,
    SCRIPT_COUPON_CANCEL,
    SCRIPT_COUPON_DECIDED,
    SCRIPT_COUPON_HOLDERS,
    SCRIPT_COUPON_INFO,
    SCRIPT_COUPON_LINES,
    SCRIPT_COUPON_PLACES,
    SCRIPT_COUPON_PROBE,
    SCRIPT_COUPON_PUBLISHED,
    SCRIPT_COUPON_PUT_BACK,
    SCRIPT_COUPON_RAISE,
    SCRIPT_COUPON_READ,
    SCRIPT_COUPON_RELEASE,
    SCRIPT_COUPON_RESTORE,
    SCRIPT_COUPON_STALE,
    SCRIPT_COUPON_STATUS,
    SCRIPT_COUPON_TAKE,
    SCRIPT_RANKING_APPLY,
    SCRIPT_RANKING_FORGET,
    SCRIPT_RANKING_TOP,
    SCRIPT_REDIS_MARK,
    SCRIPT_COUNT,
};

/* Keys first, then arguments. The texts are copied into one buffer. */
struct script_args {
    struct buf text;
    size_t *ends; /* of each argument within text */
    size_t n, cap, nkeys;
};
void script_key(struct script_args *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A key that ends with two ids, "prefixA:B": as above, at a fraction of the cost. */
void script_key_ids(struct script_args *a, const char *prefix, int64_t first, int64_t second);
void script_i64(struct script_args *a, int64_t v);
void script_text(struct script_args *a, const char *s);
void script_slice(struct script_args *a, struct slice s);

/* A record of coupon:pending:{id}, "state|ticket|requestedAt us|epoch|since ms"; false for anything else. */
struct coupon_line_record {
    char state; /* W in line, T taken, P published */
    int64_t ticket, requested_at_us;
};
bool coupon_line_record_parse(struct slice text, struct coupon_line_record *r);

/* The key of the mark of whole data, and the run id that it must carry: what scripts that need whole data are given last. They fail
 * with NODATA otherwise, which is made RETRIABLE and told to store_on_incomplete(). */
#define MARK_KEY "rushd:data"
void script_run_id(const struct store *s, struct script_args *a);

/* The cursor of a reply of SCAN and its kin; 0 at the end and for anything else. */
uint64_t store_scan_cursor(const struct redis_reply *r);

/* Run it and free the arguments. The callback gets NULL as error on success. A reply that is not an array of at least
 * min_reply elements (0: any reply will do) is turned into an error of kind BUG: somebody else writes our keys. */
typedef void script_done_fn(void *call, const struct redis_reply *r, const struct error *e);
void store_script(struct store *s, enum script_id id, struct script_args *a, size_t min_reply,
                  script_done_fn *done, void *call);

/* Seconds for which a coupon's counters (ticket, last-score, epoch) are kept after the last touch. Line, in-flight set and
 * records do not expire: they are gone when they are empty. The counters outlive them, also while no node runs, so that numbers
 * are not given out twice. */
static inline int64_t coupon_counters_life_s(int64_t ttl_ms)
{
    return ttl_ms / 1000 + INT64_C(30) * 24 * 3600;
}

#endif
