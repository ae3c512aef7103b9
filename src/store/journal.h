/* Orders that the data platform has taken. */
#ifndef RUSHD_STORE_JOURNAL_H
#define RUSHD_STORE_JOURNAL_H

#include "store/store.h"

/* Which of these orders were forwarded to the data platform already (ascending subset). */
void platform_forwarded_read(struct store *s, const int64_t *order_ids, size_t n,
                             void (*done)(void *arg, const int64_t *order_ids, size_t n,
                                          const struct error *e),
                             void *arg);
void platform_forwarded_insert(struct store *s, const int64_t *order_ids, size_t n, store_done_fn *done,
                               void *arg);

#endif
