/* Orders that the data platform has taken. */
#include "store/journal.h"

#include "store/store_internal.h"

static const struct pg_statement st_forwarded = {
    "platform_forwarded_read",
    "SELECT order_id FROM platform_forwarded WHERE order_id = ANY($1::bigint[]) ORDER BY order_id"};
static const struct pg_statement st_forward = {"platform_forwarded_insert",
                                               "INSERT INTO platform_forwarded (order_id) SELECT x FROM "
                                               "unnest($1::bigint[]) AS x ORDER BY x ON CONFLICT DO NOTHING"};

void platform_forwarded_read(struct store *s, const int64_t *order_ids, size_t n,
                             void (*done)(void *arg, const int64_t *order_ids, size_t n,
                                          const struct error *e),
                             void *arg)
{
    store_read(s, &st_forwarded, store_columns_ids(&s->columns, order_ids, n), store_on_ids,
               (store_any_fn *)done, arg);
}

void platform_forwarded_insert(struct store *s, const int64_t *order_ids, size_t n, store_done_fn *done,
                               void *arg)
{
    store_exec(s, &st_forward, store_columns_ids(&s->columns, order_ids, n), 0, done, arg);
}
