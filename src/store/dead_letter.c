/* Dead letters: the local mode's table, and what was sent again of them and of Kafka's.
 *
 * Keys, payloads and header values are bytes; in text form they cross as hexadecimal. The headers of a row come back as one text:
 * name:value name:value ..., both in hexadecimal. */
#include "store/dead_letter.h"

#include "store/store_internal.h"

/* clang-format off */
#define LETTER_COLUMNS                                                                                       \
    "id, topic, consumer_group, exception, reason, encode(key, 'hex'), encode(payload, 'hex'),"              \
    " array_to_string(ARRAY(SELECT encode(convert_to(n, 'UTF8'), 'hex') || ':' || encode(v, 'hex')"          \
    " FROM unnest(header_names, header_values) AS h(n, v)), ' '), " SQL_US("created_at")

static const struct pg_statement st_insert = {
    "dead_letter_insert",
    "INSERT INTO dead_letters (topic, consumer_group, exception, reason, key, payload, header_names, header_values)"
    " VALUES ($3::text, $4::text, $5::text, $6::text, decode($7::text, 'hex'), decode($8::text, 'hex'),"
    " $1::text[], ARRAY(SELECT decode(v, 'hex') FROM unnest($2::text[]) WITH ORDINALITY AS h(v, i) ORDER BY i))"};
static const struct pg_statement st_read = {
    "dead_letter_read",
    "SELECT " LETTER_COLUMNS " FROM dead_letters WHERE id > $1::bigint ORDER BY id LIMIT $2::bigint"};

static const struct pg_statement st_redrives = {
    "dead_letter_redrives",
    "SELECT topic, \"partition\", \"offset\", timestamp_ms, state, as_new_request, ticket, sends, error, "
    SQL_US("changed_at")
    " FROM dead_letter_redrives WHERE topic = ANY($1::text[])"
    " AND ($2::text IS NULL OR (topic, \"partition\", \"offset\", timestamp_ms) >"
    " ($2::text, $3::integer, $4::bigint, $5::bigint))"
    " ORDER BY topic, \"partition\", \"offset\", timestamp_ms LIMIT $6::bigint"};
static const struct pg_statement st_write = {
    "dead_letter_redrive_write",
    "INSERT INTO dead_letter_redrives AS r (topic, \"partition\", \"offset\", timestamp_ms, state, as_new_request, ticket,"
    " error, sends)"
    " SELECT topic, part, off, ms, state, anew <> 0, ticket, error, (state = 'SENT')::integer"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])"
    " AS n(topic, part, off, ms, state, anew, ticket, error)"
    " ON CONFLICT (topic, \"partition\", \"offset\", timestamp_ms) DO UPDATE SET state = excluded.state,"
    " as_new_request = excluded.as_new_request, ticket = excluded.ticket, error = excluded.error,"
    " sends = r.sends + excluded.sends, changed_at = now()"};
/* One statement, so the claim is committed when its rows arrive; if the answer is lost, they are claimed again. */
static const struct pg_statement st_claim = {
    "dead_letter_redrive_claim",
    "WITH due AS MATERIALIZED (SELECT r.topic, r.\"offset\", r.timestamp_ms FROM dead_letter_redrives AS r"
    " JOIN dead_letters AS l ON l.id = r.\"offset\" AND l.topic || $2::text = r.topic"
    " WHERE r.state IN ('REQUESTED', 'SENDING') AND r.\"partition\" = 0"
    " AND NOT r.as_new_request AND r.\"offset\" <> ALL ($1::bigint[])"
    " ORDER BY r.\"offset\" LIMIT $3::bigint FOR UPDATE OF r SKIP LOCKED),"
    " claimed AS (UPDATE dead_letter_redrives AS r SET state = 'SENDING', changed_at = now() FROM due"
    " WHERE r.topic = due.topic AND r.\"partition\" = 0 AND r.\"offset\" = due.\"offset\""
    " AND r.timestamp_ms = due.timestamp_ms RETURNING r.\"offset\" AS letter)"
    " SELECT " LETTER_COLUMNS " FROM dead_letters JOIN claimed ON letter = id ORDER BY id"};
static const struct pg_statement st_end = {
    "dead_letter_redrive_end",
    "UPDATE dead_letter_redrives SET state = CASE WHEN $2::text IS NULL THEN 'SENT' ELSE 'FAILED' END,"
    " sends = sends + ($2::text IS NULL)::integer, error = $2::text, changed_at = now()"
    " WHERE \"partition\" = 0 AND \"offset\" = $1::bigint AND state = 'SENDING' AND NOT as_new_request"};
/* Few rows, and few times: no index on the instant. */
static const struct pg_statement st_expire = {
    "dead_letter_redrive_expire",
    "WITH old AS MATERIALIZED (SELECT topic, \"partition\", \"offset\", timestamp_ms FROM dead_letter_redrives AS r"
    " WHERE state IN ('SENT', 'FAILED') AND changed_at < " SQL_AT("$1")
    " AND NOT (\"partition\" = 0 AND EXISTS (SELECT FROM dead_letters AS l WHERE l.id = r.\"offset\""
    " AND starts_with(r.topic, l.topic)))"
    " LIMIT $2::bigint FOR UPDATE SKIP LOCKED),"
    " gone AS (DELETE FROM dead_letter_redrives AS r USING old AS o WHERE r.topic = o.topic"
    " AND r.\"partition\" = o.\"partition\" AND r.\"offset\" = o.\"offset\" AND r.timestamp_ms = o.timestamp_ms RETURNING 1)"
    " SELECT count(*) FROM gone"};
/* clang-format on */

/* --- bytes as hexadecimal --- */

/* NULL for no bytes at all. */
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

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

/* n digits back to bytes, with a NUL behind them. */
static struct slice hex_read(struct store_arena *a, const char *hex, size_t n)
{
    char *out = store_arena_alloc(a, n / 2 + 1);
    for (size_t i = 0; i + 1 < n; i += 2)
        out[i / 2] = (char)(digit(hex[i]) << 4 | digit(hex[i + 1]));
    return (struct slice){out, n / 2};
}

static struct slice bytes_read(struct store_arena *a, const struct pg_result *r, int row, int col)
{
    return pg_result_null(r, row, col)
               ? (struct slice){0}
               : hex_read(a, pg_result_text(r, row, col), pg_result_size(r, row, col));
}

/* "6e61:7661 6e62:" */
static void headers_read(struct store_arena *a, const char *text, struct dead_letter_row *row)
{
    size_t n = 0;
    for (const char *at = text; *at; at++)
        n += *at == ':';
    struct dead_letter_header *headers = store_arena_array(a, n, sizeof *headers);
    row->headers = headers;
    for (; row->nheaders < n; row->nheaders++) {
        size_t name = strcspn(text, ":"), value = strcspn(text + name + 1, " ");
        headers[row->nheaders].name = hex_read(a, text, name).p;
        headers[row->nheaders].value = hex_read(a, text + name + 1, value);
        text += name + 1 + value;
        text += *text == ' ';
    }
}

/* --- the local mode's table --- */

void dead_letter_insert(struct store *s, const struct dead_letter_row *row, store_done_fn *done, void *arg)
{
    struct store_columns *c = &s->columns;
    store_columns_begin(c, 2);
    struct buf *key = &c->array[2], *payload = &c->array[3], *value = &c->array[4];
    for (size_t i = 0; i < row->nheaders; i++) {
        pg_array_text(&c->array[0], row->headers[i].name);
        pg_array_text(&c->array[1], row->headers[i].value.p ? hex_param(value, row->headers[i].value) : "");
    }
    struct pg_params *params = store_columns_end(c);
    const char *const texts[] = {row->topic,
                                 row->group,
                                 row->exception,
                                 row->reason,
                                 hex_param(key, row->key),
                                 hex_param(payload, row->payload)};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        pg_params_text(params, texts[i]);
    store_exec(s, &st_insert, params, 0, done, arg);
}

static void on_letters(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    dead_letter_rows_fn *done = (dead_letter_rows_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    struct store_arena arena = {0};
    int n = pg_result_rows(r);
    struct dead_letter_row *rows = store_arena_array(&arena, (size_t)n, sizeof *rows);
    for (int i = 0; i < n; i++) {
        rows[i] = (struct dead_letter_row){.id = pg_result_i64(r, i, 0),
                                           .topic = pg_result_text(r, i, 1),
                                           .group = pg_result_text(r, i, 2),
                                           .exception = pg_result_text(r, i, 3),
                                           .reason = pg_result_text(r, i, 4),
                                           .key = bytes_read(&arena, r, i, 5),
                                           .payload = bytes_read(&arena, r, i, 6),
                                           .created_at_us = pg_result_i64(r, i, 8)};
        headers_read(&arena, pg_result_text(r, i, 7), &rows[i]);
    }
    done(c->arg, rows, (size_t)n, NULL);
    store_arena_free(&arena);
}

void dead_letter_read(struct store *s, int64_t after_id, size_t limit, dead_letter_rows_fn *done, void *arg)
{
    struct store_number after, most;
    store_read(s, &st_read, PG_PARAMS(store_number(&after, after_id), store_number(&most, (int64_t)limit)),
               on_letters, (store_any_fn *)done, arg);
}

/* --- sent again --- */

static const char *const state_words[] = {
    [DEAD_LETTER_REQUESTED] = "REQUESTED",
    [DEAD_LETTER_SENDING] = "SENDING",
    [DEAD_LETTER_SENT] = "SENT",
    [DEAD_LETTER_FAILED] = "FAILED",
};

const char *dead_letter_state_word(enum dead_letter_state state)
{
    return state_words[state];
}

static enum dead_letter_state state_of(const char *word)
{
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(state_words) && strcmp(state_words[i], word) != 0)
        i++;
    return (enum dead_letter_state)i;
}

typedef void redrives_fn(void *arg, const struct dead_letter_redrive *rows, size_t n, const struct error *e);

static void on_redrives(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    redrives_fn *done = (redrives_fn *)c->done;
    if (e) {
        done(c->arg, NULL, 0, e);
        return;
    }
    int n = pg_result_rows(r);
    struct dead_letter_redrive *rows = mem_array((size_t)n, sizeof *rows);
    for (int i = 0; i < n; i++)
        rows[i] = (struct dead_letter_redrive){
            .id = {.topic = pg_result_text(r, i, 0),
                   .partition = (int32_t)pg_result_i64(r, i, 1),
                   .offset = pg_result_i64(r, i, 2),
                   .timestamp_ms = pg_result_i64(r, i, 3)},
            .state = state_of(pg_result_text(r, i, 4)),
            .as_new_request = pg_result_bool(r, i, 5),
            .ticket = store_result_id(r, i, 6),
            .sends = pg_result_i64(r, i, 7),
            .error = pg_result_null(r, i, 8) ? NULL : pg_result_text(r, i, 8),
            .changed_at_us = pg_result_i64(r, i, 9),
        };
    done(c->arg, rows, (size_t)n, NULL);
    mem_free(rows);
}

void dead_letter_redrives(struct store *s, const char *const *topics, const struct dead_letter_id *after,
                          size_t limit, redrives_fn *done, void *arg)
{
    static const struct dead_letter_id none = {.topic = NULL};
    const struct dead_letter_id *from = after ? after : &none;
    struct store_number partition, offset, timestamp, most;
    struct store_columns *c = &s->columns;
    store_columns_begin(c, 1);
    for (size_t i = 0; topics[i]; i++)
        pg_array_text(&c->array[0], topics[i]);
    struct pg_params *params = store_columns_end(c);
    pg_params_text(params, from->topic);
    pg_params_text(params, store_number(&partition, from->partition));
    pg_params_text(params, store_number(&offset, from->offset));
    pg_params_text(params, store_number(&timestamp, from->timestamp_ms));
    pg_params_text(params, store_number(&most, (int64_t)limit));
    store_read(s, &st_redrives, params, on_redrives, (store_any_fn *)done, arg);
}

void dead_letter_redrive_write(struct store *s, const struct dead_letter_redrive *rows, size_t n,
                               store_done_fn *done, void *arg)
{
    struct store_columns *c = &s->columns;
    store_columns_begin(c, 8);
    for (size_t i = 0; i < n; i++) {
        pg_array_text(&c->array[0], rows[i].id.topic);
        pg_array_i64(&c->array[1], rows[i].id.partition);
        pg_array_i64(&c->array[2], rows[i].id.offset);
        pg_array_i64(&c->array[3], rows[i].id.timestamp_ms);
        pg_array_text(&c->array[4], state_words[rows[i].state]);
        pg_array_i64(&c->array[5], rows[i].as_new_request);
        store_array_id(&c->array[6], rows[i].ticket);
        pg_array_text(&c->array[7], rows[i].error);
    }
    store_exec(s, &st_write, store_columns_end(c), 0, done, arg);
}

void dead_letter_redrive_claim(struct store *s, const char *suffix, size_t limit, const int64_t *skip,
                               size_t nskip, dead_letter_rows_fn *done, void *arg)
{
    struct store_number most;
    struct pg_params *params = store_columns_ids(&s->columns, skip, nskip);
    pg_params_text(params, suffix);
    pg_params_text(params, store_number(&most, (int64_t)limit));
    store_read(s, &st_claim, params, on_letters, (store_any_fn *)done, arg);
}

void dead_letter_redrive_end(struct store *s, int64_t id, const char *error, store_done_fn *done, void *arg)
{
    struct store_number letter;
    store_exec(s, &st_end, PG_PARAMS(store_number(&letter, id), error), 0, done, arg);
}

typedef void expired_fn(void *arg, int64_t forgotten, const struct error *e);

static void on_expired(struct store_call *c, const struct pg_result *r, const struct error *e)
{
    ((expired_fn *)c->done)(c->arg, e ? 0 : pg_result_i64(r, 0, 0), e);
}

void dead_letter_redrive_expire(struct store *s, int64_t older_than_us, size_t limit, expired_fn *done,
                                void *arg)
{
    struct store_number before, most;
    store_change(s, &st_expire,
                 PG_PARAMS(store_number(&before, older_than_us), store_number(&most, (int64_t)limit)), 0,
                 on_expired, (store_any_fn *)done, arg);
}
