/* Users known to be ACTIVE: the first look-up of every coupon request.
 *
 * Look-ups of one loop turn are merged into one statement. A user who was found ACTIVE is remembered for a minute while
 * notifications of changes are coming in (a trigger of the schema sends them), for a second else; one who was not found, or is not
 * ACTIVE, is looked up each time. A server that died without a word is known after some seconds (pg_listener): so old can the answer
 * be at worst. Issuing looks at the user again, for good. */
#ifndef RUSHD_SERVICE_USER_CACHE_H
#define RUSHD_SERVICE_USER_CACHE_H

#include "store/shop.h"

struct loop;
struct user_cache;

/* Starts watching. */
struct user_cache *user_cache_new(struct loop *l, struct store *s);
/* The user is known to be ACTIVE: no look-up is needed. */
bool user_cache_active(const struct user_cache *c, int64_t user_id);
/* Merged look-up of a user: row NULL with kind NONE when there is none. whole: all of the row, never from the cache; else only its
 * id and status count. Never before this returns. */
void user_lookup(struct user_cache *c, int64_t user_id, bool whole,
                 void (*done)(void *arg, const struct user_row *row, const struct error *e), void *arg);
/* After the store has answered everything; those who still wait are dropped without an answer. */
void user_cache_free(struct user_cache *c);

#endif
