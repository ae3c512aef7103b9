/* Many users of one coupon at once: who stands where in the line, who is in which set, what PostgreSQL says of the same. */
#include "store/coupon_users.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/store_script.h"

#define ID "%" PRId64

struct call {
    size_t n; /* asked for; of a scan: elements per user */
    store_any_fn *done;
    void *arg;
};

static struct call *call_new(size_t n, store_any_fn *done, void *arg)
{
    struct call *c = mem_zalloc(sizeof *c);
    *c = (struct call){.n = n, .done = done, .arg = arg};
    return c;
}

/* --- PostgreSQL --- */

/* clang-format off */
static const struct pg_statement st_decided = {
    "coupon_users_decided",
    "SELECT x.ord FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS x (user_id, at, ord)"
    " JOIN coupon_requests AS q ON q.coupon_id = $3::bigint AND q.user_id = x.user_id AND q.requested_at = " SQL_AT("x.at")
    " WHERE q.outcome IS NOT NULL"};
static const struct pg_statement st_held = {
    "coupon_users_held",
    "SELECT x.ord FROM unnest($1::bigint[]) WITH ORDINALITY AS x (user_id, ord)"
    " WHERE EXISTS (SELECT FROM user_coupons AS u WHERE " SQL_HELD_BY("u", "$2::bigint", "x.user_id") ")"};
/* clang-format on */

/* Rows are places in what was asked, from 1. */
static void on_ordinals(struct store_call *sc, const struct pg_result *r, const struct error *e)
{
    struct call *c = sc->arg;
    bool *flags = mem_array(c->n, sizeof *flags);
    for (int i = 0; !e && i < pg_result_rows(r); i++)
        flags[pg_result_i64(r, i, 0) - 1] = true;
    ((coupon_flags_fn *)c->done)(c->arg, flags, c->n, e);
    mem_free(flags);
    mem_free(c);
}

void coupon_users_decided(struct store *s, int64_t coupon_id, const int64_t *user_ids,
                          const int64_t *requested_at_us, size_t n, coupon_flags_fn *done, void *arg)
{
    struct store_number coupon;
    struct store_columns *c = &s->columns;
    store_columns_begin(c, 2);
    for (size_t i = 0; i < n; i++) {
        pg_array_i64(&c->array[0], user_ids[i]);
        pg_array_i64(&c->array[1], requested_at_us[i]);
    }
    struct pg_params *params = store_columns_end(c);
    pg_params_text(params, store_number(&coupon, coupon_id));
    store_read(s, &st_decided, params, on_ordinals, NULL, call_new(n, (store_any_fn *)done, arg));
}

void coupon_users_held(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                       coupon_flags_fn *done, void *arg)
{
    struct store_number coupon;
    struct pg_params *params = store_columns_ids(&s->columns, user_ids, n);
    pg_params_text(params, store_number(&coupon, coupon_id));
    store_read(s, &st_held, params, on_ordinals, NULL, call_new(n, (store_any_fn *)done, arg));
}

/* --- Redis --- */

/* A command with the texts of one buffer as arguments; ends[i] is where the i-th ends. */
struct command {
    struct buf text;
    size_t ends[COUPON_USERS_MAX + 4];
    size_t n;
};

static void command_end(struct command *c)
{
    ASSERT(c->n < ARRAY_LEN(c->ends));
    c->ends[c->n++] = c->text.len;
}

static void command_begin(struct command *c, const char *name, const char *key, int64_t coupon_id)
{
    buf_puts(&c->text, name);
    command_end(c);
    buf_printf(&c->text, "%s" ID, key, coupon_id);
    command_end(c);
}

static void command_send(struct store *s, struct command *c, redis_done_fn *done, struct call *call)
{
    struct redis_arg *args = mem_array(c->n, sizeof *args);
    size_t start = 0;
    for (size_t i = 0; i < c->n; i++) {
        args[i] = (struct redis_arg){c->text.data + start, c->ends[i] - start};
        start = c->ends[i];
    }
    redis_client_command(s->redis, args, c->n, 0, done, call);
    mem_free(args);
    buf_free(&c->text);
}

/* A reply of one 0 or 1 for each that was asked. */
static void on_members(void *arg, enum redis_status status, const struct redis_reply *r,
                       const struct error *e)
{
    struct call *c = arg;
    bool *flags = mem_array(c->n, sizeof *flags);
    for (size_t i = 0; i < c->n; i++)
        flags[i] = redis_reply_i64(redis_reply_at(r, i)) == 1;
    ((coupon_flags_fn *)c->done)(c->arg, flags, c->n, status == REDIS_OK ? NULL : e);
    mem_free(flags);
    mem_free(c);
}

void coupon_users_issued(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                         coupon_flags_fn *done, void *arg)
{
    struct command c = {.n = 0};
    command_begin(&c, "SMISMEMBER", "coupon:issued:", coupon_id);
    for (size_t i = 0; i < n; i++) {
        buf_put_i64(&c.text, user_ids[i]);
        command_end(&c);
    }
    command_send(s, &c, on_members, call_new(n, (store_any_fn *)done, arg));
}

void coupon_users_put_back(struct store *s, int64_t coupon_id, const int64_t *user_ids,
                           const int64_t *requested_at_us, size_t n, coupon_flags_fn *done, void *arg)
{
    struct command c = {.n = 0};
    command_begin(&c, "SMISMEMBER", "coupon:put-back:", coupon_id);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&c.text, ID ":" ID, user_ids[i], requested_at_us[i]);
        command_end(&c);
    }
    command_send(s, &c, on_members, call_new(n, (store_any_fn *)done, arg));
}

#define PLACE_FIELDS 5 /* elements of the reply for each user */

typedef void places_fn(void *arg, const struct coupon_place *places, size_t n, const struct error *e);

static void on_places(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    struct coupon_place *places = mem_array(c->n, sizeof *places);
    for (size_t i = 0; !e && i < c->n; i++) {
        struct coupon_line_record record;
        size_t at = PLACE_FIELDS * i;
        places[i].record = coupon_line_record_parse(redis_reply_text(redis_reply_at(r, at)), &record);
        places[i].state = record.state;
        places[i].requested_at_us = record.requested_at_us;
        places[i].in_line = redis_reply_i64(redis_reply_at(r, at + 1)) == 1;
        places[i].in_flight = redis_reply_i64(redis_reply_at(r, at + 2)) == 1;
        places[i].taken = redis_reply_i64(redis_reply_at(r, at + 3)) == 1;
        places[i].published = redis_reply_i64(redis_reply_at(r, at + 4)) == 1;
    }
    ((places_fn *)c->done)(c->arg, places, c->n, e);
    mem_free(places);
    mem_free(c);
}

void coupon_users_places(struct store *s, int64_t coupon_id, const int64_t *user_ids, size_t n,
                         places_fn *done, void *arg)
{
    struct script_args a = {0};
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_key(&a, "coupon:inflight:" ID, coupon_id);
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_key(&a, "coupon:taken:" ID, coupon_id);
    script_key(&a, "coupon:published:" ID, coupon_id);
    for (size_t i = 0; i < n; i++)
        script_i64(&a, user_ids[i]);
    store_script(s, SCRIPT_COUPON_PLACES, &a, PLACE_FIELDS * n, on_places,
                 call_new(n, (store_any_fn *)done, arg));
}

typedef void scan_fn(void *arg, uint64_t next, const int64_t *user_ids, size_t n, const struct error *e);

/* Elements with a value behind each, or not; those that are no user ids are left out. */
static void on_scanned(void *arg, enum redis_status status, const struct redis_reply *r,
                       const struct error *e)
{
    struct call *c = arg;
    const struct redis_reply *elements = redis_reply_at(r, 1);
    size_t step = c->n, len = status == REDIS_OK ? redis_reply_len(elements) : 0, n = 0;
    int64_t *ids = mem_array(len, sizeof *ids);
    for (size_t i = 0; i < len; i += step)
        if (redis_reply_is_i64(redis_reply_at(elements, i), &ids[n]))
            n++;
    ((scan_fn *)c->done)(c->arg, store_scan_cursor(r), ids, n, status == REDIS_OK ? NULL : e);
    mem_free(ids);
    mem_free(c);
}

void coupon_users_scan(struct store *s, int64_t coupon_id, enum coupon_users which, uint64_t cursor,
                       scan_fn *done, void *arg)
{
    static const struct {
        const char *command, *key;
        size_t step;
    } kinds[] = {
        [COUPON_USERS_PENDING] = {"HSCAN", "coupon:pending:", 2},
        [COUPON_USERS_IN_FLIGHT] = {"ZSCAN", "coupon:inflight:", 2},
        [COUPON_USERS_ISSUED] = {"SSCAN", "coupon:issued:", 1},
    };
    struct command c = {.n = 0};
    command_begin(&c, kinds[which].command, kinds[which].key, coupon_id);
    buf_printf(&c.text, "%" PRIu64, cursor);
    command_end(&c);
    buf_puts(&c.text, "COUNT");
    command_end(&c);
    buf_puts(&c.text, "300");
    command_end(&c);
    command_send(s, &c, on_scanned, call_new(kinds[which].step, (store_any_fn *)done, arg));
}
