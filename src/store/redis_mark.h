/* The mark in Redis that says that it holds our data: key rushd:data, "run id of Redis' process, generation" (guarantees G8, G10).
 *
 * Without the mark of this very process Redis was emptied, or started again and may have lost its last writes. Then requests that
 * PostgreSQL knows may still have to return to their lines: nobody is accepted behind them and nothing is drained before a rebuild
 * has put everything back and marked it. Any node may do that, several at once. */
#ifndef RUSHD_STORE_REDIS_MARK_H
#define RUSHD_STORE_REDIS_MARK_H

#include "store/store.h"

enum redis_mark_state {
    REDIS_MARK_NONE,  /* lines and sets of holders are not known to be whole */
    REDIS_MARK_LINES, /* they are; ranking and coupon info perhaps not */
    REDIS_MARK_WHOLE, /* everything is */
};
struct redis_mark {
    enum redis_mark_state state;
    int64_t generation; /* of the data: another one after each loss. 0: none */
};
typedef void redis_mark_fn(void *arg, const struct redis_mark *m, const struct error *e);

/* How things stand. m is NULL when e is set, here and below. */
void redis_mark_read(struct store *s, redis_mark_fn *done, void *arg);
/* The same; and when there is no mark, a rebuild with this generation (random, above 0) begins. The same rebuild may begin again. */
void redis_mark_begin(struct store *s, int64_t generation, redis_mark_fn *done, void *arg);
/* Everything that lines and holders need was put into Redis since the rebuild began: mark it. The answer is REDIS_MARK_NONE when Redis was
 * emptied or started again meanwhile: begin anew. */
void redis_mark_lines(struct store *s, int64_t generation, redis_mark_fn *done, void *arg);
/* The rest was put there as well, since the mark of this generation stood there. */
void redis_mark_whole(struct store *s, int64_t generation, redis_mark_fn *done, void *arg);

#endif
