/* Small records: forwarded documents and dead letters of the local mode. */
#include "store/journal.h"

#include "store/store_internal.h"

static const struct pg_statement st_forwarded = {
    "platform_forwarded_read",
    "SELECT order_id FROM platform_forwarded WHERE order_id = ANY($1::bigint[]) ORDER BY order_id"};
static const struct pg_statement st_forward = {"platform_forwarded_insert",
                                               "INSERT INTO platform_forwarded (order_id) SELECT x FROM "
                                               "unnest($1::bigint[]) AS x ORDER BY x ON CONFLICT DO NOTHING"};
static const struct pg_statement st_dead_letter = {
    "dead_letter_insert", "INSERT INTO dead_letters (topic, key, payload, reason)"
                          " VALUES ($1::text, decode($2::text, 'hex'), decode($3::text, 'hex'), $4::text)"};

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

/* Keys and payloads are bytes; in text form they cross as hexadecimal. NULL for no bytes at all. */
static const char *hex_param(struct buf *b, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    buf_clear(b);
    if (!bytes.p)
        return NULL;
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char byte = (unsigned char)bytes.p[i];
        buf_putc(b, digits[byte >> 4]);
        buf_putc(b, digits[byte & 15]);
    }
    return buf_str(b);
}

void dead_letter_insert(struct store *s, const char *topic, struct slice key, struct slice payload,
                        const char *reason, store_done_fn *done, void *arg)
{
    struct buf *scratch = s->columns.array;
    const char *key_hex = hex_param(&scratch[0], key), *payload_hex = hex_param(&scratch[1], payload);
    store_exec(s, &st_dead_letter, PG_PARAMS(topic, key_hex, payload_hex, reason), 0, done, arg);
}
