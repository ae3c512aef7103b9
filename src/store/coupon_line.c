/* The waiting line of a coupon: each call is one of the scripts in lua/coupon_*.lua. See coupon_line.h and contract section
 * 4 for what they promise. */
#include "store/coupon_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msg/msg_date.h"
#include "store/coupon.h"
#include "store/line_batch.h"
#include "store/store_script.h"

#define ID "%" PRId64

#define TAKE_MAX  500  /* members that one script moves: keeps Redis busy for less than ten milliseconds */
#define LIST_PAGE 1000 /* lines of one list, about */
#define BATCH_MAX 200  /* calls of one turn that share a script */
#define PART_MAX  500  /* the same for members handed in: calls with more go out in parts */

/* Cut a number that a bar ends from the start of *text. */
static bool cut_number(struct slice *text, int64_t *out)
{
    const char *bar = text->n ? memchr(text->p, '|', text->n) : NULL;
    size_t n = bar ? (size_t)(bar - text->p) : 0;
    if (!str_to_i64(text->p, n, out))
        return false;
    *text = (struct slice){bar + 1, text->n - n - 1};
    return true;
}

bool coupon_line_record_parse(struct slice text, struct coupon_line_record *r)
{
    *r = (struct coupon_line_record){0};
    if (text.n < 2 || text.p[1] != '|')
        return false;
    r->state = text.p[0];
    text = (struct slice){text.p + 2, text.n - 2};
    return cut_number(&text, &r->ticket) && cut_number(&text, &r->requested_at_us);
}

/* A call on its way whose answer is for somebody. */
struct call {
    store_any_fn *done;
    void *arg;
};

static struct call *call_new(store_any_fn *done, void *arg)
{
    struct call *c = mem_alloc(sizeof *c);
    *c = (struct call){done, arg};
    return c;
}

/* For scripts whose reply does not matter. */
static void on_done(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    ((store_done_fn *)c->done)(c->arg, e);
    mem_free(c);
}

/* --- accept --- */

typedef void add_fn(void *arg, const struct coupon_line_ticket *t, const struct error *e);

/* A call whose script has not answered yet, alone or with others of its turn. */
struct add {
    struct line_call call;
    add_fn *done;
    void *arg;
};

/* The highest numbers of a coupon being read from PostgreSQL, and the batches that wait for them. */
struct line_floor {
    TAILQ_ENTRY(line_floor) link;
    struct store *store;
    int64_t coupon_id;
    TAILQ_HEAD(, line_batch) waiting;
};

static void send_adds(struct line_batch *b, int64_t ticket_floor, int64_t last_floor_us);

/* The next call of a batch; NULL at the end, when the batch is gone. */
static struct add *next_add(struct line_batch *b)
{
    struct line_call *call = TAILQ_FIRST(&b->calls);
    if (!call) {
        line_batch_end(b);
        return NULL;
    }
    TAILQ_REMOVE(&b->calls, call, link);
    return CONTAINER_OF(call, struct add, call);
}

static void fail_adds(struct line_batch *b, const struct error *e)
{
    struct add *a;
    while ((a = next_add(b))) {
        a->done(a->arg, NULL, e);
        mem_free(a);
    }
}

static void on_floor(void *arg, int64_t ticket, int64_t requested_at_us, const struct error *e)
{
    struct line_floor *f = arg;
    struct line_batch *b;
    TAILQ_REMOVE(&f->store->floors, f, link);
    while ((b = TAILQ_FIRST(&f->waiting))) {
        TAILQ_REMOVE(&f->waiting, b, link);
        if (e)
            fail_adds(b, e);
        else
            send_adds(b, ticket, requested_at_us);
    }
    mem_free(f);
}

/* Numbers go on above the highest in PostgreSQL: read once for all who ask at that moment. */
static void wait_for_floor(struct line_batch *b)
{
    struct store *s = b->store;
    struct line_floor *f;
    TAILQ_FOREACH(f, &s->floors, link)
    {
        if (f->coupon_id == b->key.coupon_id)
            break;
    }
    if (!f) {
        f = mem_zalloc(sizeof *f);
        f->store = s;
        f->coupon_id = b->key.coupon_id;
        TAILQ_INIT(&f->waiting);
        TAILQ_INSERT_TAIL(&s->floors, f, link);
        coupon_request_highest(s, f->coupon_id, on_floor, f);
    }
    TAILQ_INSERT_TAIL(&f->waiting, b, link);
}

/* The reply of coupon_add.lua while its users are gone through in their order. */
struct added {
    const struct redis_reply *reply;
    struct slice answers;                               /* a digit for each user */
    size_t at, accepted;                                /* users seen, and those of them that are in line */
    int64_t size;                                       /* of the line behind them */
    int64_t generation, ticket, requested_at_us, place; /* the last two of the first that is in line */
};

#define ADD_REFUSED_ALONE 5 /* refused, and there is no set of holders */
#define ADD_PLACES        5 /* where they begin in the reply */

static bool read_added(const struct redis_reply *r, size_t users, struct added *a)
{
    *a = (struct added){
        .reply = r,
        .answers = redis_reply_text(redis_reply_at(r, 0)),
        .size = redis_reply_i64(redis_reply_at(r, 1)),
        .generation = redis_reply_i64(redis_reply_at(r, 2)),
        .ticket = redis_reply_i64(redis_reply_at(r, 3)),
        .requested_at_us = redis_reply_i64(redis_reply_at(r, 4)),
        .place = redis_reply_i64(redis_reply_at(r, ADD_PLACES)),
    };
    return a->answers.n == users;
}

static int64_t place_of(const struct added *a)
{
    bool in_a_row = redis_reply_len(a->reply) == ADD_PLACES + 1;
    return in_a_row ? a->place + (int64_t)a->accepted
                    : redis_reply_i64(redis_reply_at(a->reply, ADD_PLACES + a->accepted));
}

/* The next user's. */
static struct coupon_line_ticket read_ticket(struct added *a)
{
    int answer = a->answers.p[a->at++] - '0';
    struct coupon_line_ticket t = {.generation = a->generation};
    t.holders_known = answer == COUPON_LINE_REFUSED;
    t.answer = answer == ADD_REFUSED_ALONE ? COUPON_LINE_REFUSED : (enum coupon_line_answer)answer;
    if (t.answer == COUPON_LINE_ACCEPTED) {
        t.ticket = a->ticket + (int64_t)a->accepted;
        t.requested_at_us = a->requested_at_us + (int64_t)a->accepted;
        t.position = place_of(a);
        a->accepted++;
        a->size++;
    }
    if (t.answer == COUPON_LINE_ACCEPTED || t.answer == COUPON_LINE_FULL)
        t.size = a->size;
    return t;
}

static void on_added(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct line_batch *b = arg;
    struct error wrong;
    struct added added;
    if (!e && redis_reply_len(r) == 0) {
        wait_for_floor(b);
        return;
    }
    if (!e && !read_added(r, b->n, &added)) {
        error_set(&wrong, ERROR_BUG, "REPLY", "coupon_add.lua answers %zu users of %zu", added.answers.n,
                  b->n);
        e = &wrong;
    }
    if (e) {
        fail_adds(b, e);
        return;
    }
    struct add *a;
    while ((a = next_add(b))) {
        const struct coupon_line_ticket t = read_ticket(&added);
        a->done(a->arg, &t, NULL);
        mem_free(a);
    }
}

/* ticket_floor below 0: not known. */
static void send_adds(struct line_batch *b, int64_t ticket_floor, int64_t last_floor_us)
{
    struct script_args s = {0};
    int64_t coupon_id = b->key.coupon_id;
    struct line_call *call;
    script_key(&s, "coupon:queue:" ID, coupon_id);
    script_key(&s, "coupon:ticket:" ID, coupon_id);
    script_key(&s, "coupon:last-score:" ID, coupon_id);
    script_key(&s, "coupon:pending:" ID, coupon_id);
    script_key(&s, "coupon:issued:" ID, coupon_id);
    script_key(&s, "coupon:lines");
    script_key(&s, "coupon:inflight:" ID, coupon_id);
    script_key(&s, MARK_KEY);
    if (b->key.acceptable) { /* refused ones read nothing there */
        TAILQ_FOREACH(call, &b->calls, link)
        script_key_ids(&s, "coupon:result:", coupon_id, call->user_id);
    }
    script_i64(&s, b->key.acceptable);
    script_i64(&s, b->key.max_waiting);
    script_i64(&s, coupon_counters_life_s(b->key.ttl_ms));
    script_i64(&s, coupon_id);
    if (ticket_floor < 0)
        script_text(&s, "");
    else
        script_i64(&s, ticket_floor);
    script_i64(&s, last_floor_us);
    script_run_id(b->store, &s);
    TAILQ_FOREACH(call, &b->calls, link)
    script_i64(&s, call->user_id);
    store_script(b->store, SCRIPT_COUPON_ADD, &s, 0, on_added, b);
}

static void send_new_adds(struct line_batch *b)
{
    send_adds(b, -1, 0);
}

void coupon_line_add(struct store *s, int64_t coupon_id, int64_t user_id, bool acceptable,
                     int64_t max_waiting, int64_t ttl_ms, add_fn *done, void *arg)
{
    const struct line_key key = {coupon_id, acceptable, max_waiting, ttl_ms};
    struct add *a = mem_alloc(sizeof *a);
    *a = (struct add){.call.user_id = user_id, .done = done, .arg = arg};
    if (!s->adds)
        s->adds = line_batches_new(s, BATCH_MAX, send_new_adds);
    line_batches_add(s->adds, &key, &a->call);
}

typedef void cancel_fn(void *arg, bool removed, const struct error *e);

static void on_cancelled(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    ((cancel_fn *)c->done)(c->arg, !e && redis_reply_i64(r) == 1, e);
    mem_free(c);
}

void coupon_line_cancel(struct store *s, int64_t coupon_id, int64_t user_id, int64_t requested_at_us,
                        cancel_fn *done, void *arg)
{
    struct script_args a = {0};
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_key(&a, "coupon:ticket:" ID, coupon_id);
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_i64(&a, user_id);
    script_i64(&a, requested_at_us);
    store_script(s, SCRIPT_COUPON_CANCEL, &a, 0, on_cancelled, call_new((store_any_fn *)done, arg));
}

/* --- drain --- */

typedef void list_fn(void *arg, const struct coupon_line_page *page, const struct error *e);

static void on_list(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    size_t len = e ? 0 : redis_reply_len(r) / 4;
    struct coupon_line_state *lines = mem_array(len, sizeof *lines);
    struct coupon_line_page page = {.lines = lines};
    if (!e && redis_reply_len(r))
        page.next = strtoull(redis_reply_text(redis_reply_at(r, 0)).p, NULL, 10);
    for (size_t i = 0; i < len; i++) {
        struct coupon_line_state *l = &lines[page.n];
        if (!redis_reply_is_i64(redis_reply_at(r, 4 * i + 1), &l->coupon_id) || l->coupon_id <= 0)
            continue;
        l->waiting = redis_reply_i64(redis_reply_at(r, 4 * i + 2));
        l->taken = redis_reply_i64(redis_reply_at(r, 4 * i + 3));
        l->in_flight = redis_reply_i64(redis_reply_at(r, 4 * i + 4));
        page.n++;
    }
    ((list_fn *)c->done)(c->arg, &page, e);
    mem_free(lines);
    mem_free(c);
}

void coupon_line_list(struct store *s, uint64_t from, list_fn *done, void *arg)
{
    struct script_args a = {0};
    char cursor[24];
    snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)from);
    script_key(&a, "coupon:lines");
    script_key(&a, MARK_KEY);
    script_run_id(s, &a);
    script_text(&a, cursor);
    script_i64(&a, LIST_PAGE);
    store_script(s, SCRIPT_COUPON_LINES, &a, 0, on_list, call_new((store_any_fn *)done, arg));
}

void coupon_line_probe(struct store *s, const int64_t *coupon_ids, size_t n, store_done_fn *done, void *arg)
{
    struct script_args a = {0};
    script_key(&a, "coupon:lines");
    for (size_t i = 0; i < n; i++) {
        script_key(&a, "coupon:queue:" ID, coupon_ids[i]);
        script_key(&a, "coupon:inflight:" ID, coupon_ids[i]);
    }
    for (size_t i = 0; i < n; i++)
        script_i64(&a, coupon_ids[i]);
    store_script(s, SCRIPT_COUPON_PROBE, &a, 0, on_done, call_new((store_any_fn *)done, arg));
}

/* Triples of user, requestedAt and ticket from element `first` on. The array is the caller's. */
static struct coupon_line_member *read_members(const struct redis_reply *r, size_t first, size_t *n)
{
    size_t len = redis_reply_len(r);
    *n = len > first ? (len - first) / 3 : 0;
    struct coupon_line_member *m = mem_array(*n, sizeof *m);
    for (size_t i = 0; i < *n; i++)
        m[i] = (struct coupon_line_member){
            .user_id = redis_reply_i64(redis_reply_at(r, first + 3 * i)),
            .requested_at_us = redis_reply_i64(redis_reply_at(r, first + 3 * i + 1)),
            .ticket = redis_reply_i64(redis_reply_at(r, first + 3 * i + 2)),
        };
    return m;
}

typedef void take_fn(void *arg, const struct coupon_line_taken *taken, const struct error *e);

static void on_taken(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    struct coupon_line_taken taken = {0};
    struct coupon_line_member *members = NULL;
    if (!e) {
        members = read_members(r, 7, &taken.n);
        taken.members = members;
        taken.owner = redis_reply_i64(redis_reply_at(r, 0)) == 1;
        taken.epoch = redis_reply_i64(redis_reply_at(r, 1));
        taken.waiting = redis_reply_i64(redis_reply_at(r, 2));
        taken.in_flight = redis_reply_i64(redis_reply_at(r, 3));
        taken.invalid = redis_reply_i64(redis_reply_at(r, 4));
        taken.put_back = redis_reply_i64(redis_reply_at(r, 5));
        taken.unfinished = redis_reply_i64(redis_reply_at(r, 6)) == 1;
    }
    ((take_fn *)c->done)(c->arg, e ? NULL : &taken, e);
    mem_free(members);
    mem_free(c);
}

void coupon_line_take(struct store *s, const struct coupon_line_take *t, take_fn *done, void *arg)
{
    struct script_args a = {0};
    script_key(&a, "coupon:queue:" ID, t->coupon_id);
    script_key(&a, "coupon:inflight:" ID, t->coupon_id);
    script_key(&a, "coupon:pending:" ID, t->coupon_id);
    script_key(&a, "coupon:drain:" ID, t->coupon_id);
    script_key(&a, "coupon:epoch:" ID, t->coupon_id);
    script_key(&a, "coupon:lines");
    script_key(&a, "coupon:last-score:" ID, t->coupon_id);
    script_key(&a, "coupon:ticket:" ID, t->coupon_id);
    script_key(&a, "coupon:taken:" ID, t->coupon_id);
    script_key(&a, "coupon:put-back:" ID, t->coupon_id);
    script_key(&a, MARK_KEY);
    script_text(&a, t->owner);
    script_i64(&a, t->epoch);
    script_i64(&a, t->window);
    script_i64(&a, t->limit);
    script_i64(&a, t->lease_ms);
    script_i64(&a, coupon_counters_life_s(t->ttl_ms));
    script_i64(&a, t->coupon_id);
    script_i64(&a, TAKE_MAX);
    script_run_id(s, &a);
    store_script(s, SCRIPT_COUPON_TAKE, &a, 1, on_taken, call_new((store_any_fn *)done, arg));
}

static void add_identities(struct script_args *a, const struct coupon_line_member *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        script_i64(a, m[i].user_id);
        script_i64(a, m[i].requested_at_us);
    }
}

/* The parts of one call; the last one to end answers. When some parts happened and others did not, the whole is UNKNOWN. */
struct parts {
    size_t missing, succeeded;
    struct error error;
    store_done_fn *done;
    void *arg;
};

static void on_part(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct parts *p = arg;
    if (!e)
        p->succeeded++;
    else if (p->error.kind == ERROR_NONE || e->kind == ERROR_UNKNOWN)
        p->error = *e;
    if (--p->missing)
        return;
    if (p->error.kind != ERROR_NONE && p->succeeded)
        p->error.kind = ERROR_UNKNOWN;
    p->done(p->arg, p->error.kind == ERROR_NONE ? NULL : &p->error);
    mem_free(p);
}

static struct parts *parts_new(size_t n, store_done_fn *done, void *arg)
{
    struct parts *p = mem_zalloc(sizeof *p);
    *p = (struct parts){.missing = (n + PART_MAX - 1) / PART_MAX, .done = done, .arg = arg};
    return p;
}

void coupon_line_published(struct store *s, int64_t coupon_id, int64_t epoch,
                           const struct coupon_line_member *m, size_t n, store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct parts *p = parts_new(n, done, arg);
    for (size_t i = 0; i < n; i += PART_MAX) {
        struct script_args a = {0};
        script_key(&a, "coupon:pending:" ID, coupon_id);
        script_key(&a, "coupon:taken:" ID, coupon_id);
        script_key(&a, "coupon:published:" ID, coupon_id);
        script_i64(&a, epoch);
        add_identities(&a, m + i, n - i < PART_MAX ? n - i : PART_MAX);
        store_script(s, SCRIPT_COUPON_PUBLISHED, &a, 0, on_part, p);
    }
}

void coupon_line_put_back(struct store *s, int64_t coupon_id, int64_t epoch,
                          const struct coupon_line_member *m, size_t n, store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct parts *p = parts_new(n, done, arg);
    for (size_t i = 0; i < n; i += PART_MAX) {
        struct script_args a = {0};
        script_key(&a, "coupon:queue:" ID, coupon_id);
        script_key(&a, "coupon:inflight:" ID, coupon_id);
        script_key(&a, "coupon:pending:" ID, coupon_id);
        script_key(&a, "coupon:lines");
        script_key(&a, "coupon:taken:" ID, coupon_id);
        script_key(&a, "coupon:put-back:" ID, coupon_id);
        script_i64(&a, epoch);
        script_i64(&a, coupon_id);
        add_identities(&a, m + i, n - i < PART_MAX ? n - i : PART_MAX);
        store_script(s, SCRIPT_COUPON_PUT_BACK, &a, 0, on_part, p);
    }
}

typedef void stale_fn(void *arg, const struct coupon_line_member *m, size_t n, const struct error *e);

static void on_stale(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct call *c = arg;
    size_t n = 0;
    struct coupon_line_member *m = e ? NULL : read_members(r, 0, &n);
    ((stale_fn *)c->done)(c->arg, m, n, e);
    mem_free(m);
    mem_free(c);
}

void coupon_line_stale(struct store *s, int64_t coupon_id, const char *owner, int64_t epoch,
                       int64_t recheck_ms, int64_t lease_ms, size_t limit, stale_fn *done, void *arg)
{
    struct script_args a = {0};
    script_key(&a, "coupon:inflight:" ID, coupon_id);
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_key(&a, "coupon:drain:" ID, coupon_id);
    script_key(&a, "coupon:taken:" ID, coupon_id);
    script_key(&a, "coupon:published:" ID, coupon_id);
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_i64(&a, epoch);
    script_text(&a, owner);
    script_i64(&a, recheck_ms);
    script_i64(&a, lease_ms);
    script_i64(&a, (int64_t)(limit < TAKE_MAX ? limit : TAKE_MAX));
    store_script(s, SCRIPT_COUPON_STALE, &a, 0, on_stale, call_new((store_any_fn *)done, arg));
}

void coupon_line_release(struct store *s, int64_t coupon_id, const char *owner, int64_t epoch,
                         store_done_fn *done, void *arg)
{
    struct script_args a = {0};
    script_key(&a, "coupon:drain:" ID, coupon_id);
    script_text(&a, owner);
    script_i64(&a, epoch);
    store_script(s, SCRIPT_COUPON_RELEASE, &a, 0, on_done, call_new((store_any_fn *)done, arg));
}

/* --- result --- */

#define DECIDED_MAX 200 /* results of one script call */

static void send_decided(struct store *s, const struct coupon_line_result *results, size_t n,
                         int64_t result_ttl_ms, int64_t issued_ttl_ms, struct parts *p)
{
    struct script_args a = {0};
    int64_t coupon_id = results[0].coupon_id;
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_key(&a, "coupon:inflight:" ID, coupon_id);
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_key(&a, "coupon:issued:" ID, coupon_id);
    script_key(&a, "coupon:taken:" ID, coupon_id);
    script_key(&a, "coupon:published:" ID, coupon_id);
    for (size_t i = 0; i < n; i++)
        script_key_ids(&a, "coupon:result:", coupon_id, results[i].user_id);
    script_i64(&a, result_ttl_ms);
    script_i64(&a, issued_ttl_ms / 1000);
    struct buf at = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        buf_clear(&at);
        msg_date_iso_us(&at, results[i].requested_at_us);
        script_i64(&a, results[i].user_id);
        script_i64(&a, results[i].requested_at_us);
        script_i64(&a, results[i].success);
        script_slice(&a, buf_slice(&at));
        script_text(&a, results[i].result_json);
    }
    buf_free(&at);
    store_script(s, SCRIPT_COUPON_DECIDED, &a, 0, on_part, p);
}

/* Results of one coupon in a row, at most DECIDED_MAX of them. */
static size_t decided_run(const struct coupon_line_result *results, size_t n)
{
    size_t len = 1;
    while (len < n && len < DECIDED_MAX && results[len].coupon_id == results[0].coupon_id)
        len++;
    return len;
}

void coupon_line_decided(struct store *s, const struct coupon_line_result *results, size_t n,
                         int64_t result_ttl_ms, int64_t issued_ttl_ms, store_done_fn *done, void *arg)
{
    ASSERT(n > 0);
    struct parts *p = parts_new(0, done, arg);
    for (size_t i = 0; i < n; i += decided_run(results + i, n - i))
        p->missing++;
    for (size_t i = 0; i < n;) {
        size_t len = decided_run(results + i, n - i);
        send_decided(s, results + i, len, result_ttl_ms, issued_ttl_ms, p);
        i += len;
    }
}

typedef void status_fn(void *arg, const struct coupon_line_status *st, const struct error *e);

/* A question whose script has not answered yet. */
struct status_call {
    struct line_call call;
    status_fn *done;
    void *arg;
};

#define STATUS_USERS 2 /* where they begin in the reply of coupon_status.lua */

/* User i of the batch; *more is where the next pair of record and result is. The result's text belongs to the reply. */
static struct coupon_line_status read_status(const struct redis_reply *r, size_t i, size_t *more)
{
    const struct redis_reply *of_user = redis_reply_at(r, STATUS_USERS + i);
    struct slice result = redis_reply_text(of_user);
    struct coupon_line_status st = {
        .size = redis_reply_i64(redis_reply_at(r, 0)),
        .whole = redis_reply_i64(redis_reply_at(r, 1)) == 1,
    };
    if (redis_reply_type(of_user) == REDIS_INTEGER) { /* the place of one without a result */
        struct coupon_line_record record;
        st.position = redis_reply_i64(of_user);
        st.pending =
            coupon_line_record_parse(redis_reply_text(redis_reply_at(r, *more)), &record) || st.position > 0;
        st.ticket = record.ticket;
        st.requested_at_us = record.requested_at_us;
        result = redis_reply_text(redis_reply_at(r, *more + 1));
        *more += 2;
    }
    st.result_json = result.n ? result.p : NULL;
    return st;
}

static void on_statuses(void *arg, const struct redis_reply *r, const struct error *e)
{
    struct line_batch *b = arg;
    struct line_call *call;
    size_t more = STATUS_USERS + b->n;
    if (!e && redis_reply_i64(redis_reply_at(r, 1)) == 0)
        store_incomplete(b->store);
    for (size_t i = 0; (call = TAILQ_FIRST(&b->calls)); i++) {
        struct status_call *c = CONTAINER_OF(call, struct status_call, call);
        TAILQ_REMOVE(&b->calls, call, link);
        if (e) {
            c->done(c->arg, NULL, e);
        } else {
            const struct coupon_line_status st = read_status(r, i, &more);
            c->done(c->arg, &st, NULL);
        }
        mem_free(c);
    }
    line_batch_end(b);
}

static void send_statuses(struct line_batch *b)
{
    struct script_args a = {0};
    int64_t coupon_id = b->key.coupon_id;
    struct line_call *call;
    script_key(&a, "coupon:pending:" ID, coupon_id);
    script_key(&a, "coupon:queue:" ID, coupon_id);
    script_key(&a, "coupon:inflight:" ID, coupon_id);
    script_key(&a, MARK_KEY);
    TAILQ_FOREACH(call, &b->calls, link)
    script_key_ids(&a, "coupon:result:", coupon_id, call->user_id);
    script_run_id(b->store, &a);
    TAILQ_FOREACH(call, &b->calls, link)
    script_i64(&a, call->user_id);
    store_script(b->store, SCRIPT_COUPON_STATUS, &a, STATUS_USERS + b->n, on_statuses, b);
}

void coupon_line_status(struct store *s, int64_t coupon_id, int64_t user_id, status_fn *done, void *arg)
{
    const struct line_key key = {.coupon_id = coupon_id};
    struct status_call *c = mem_alloc(sizeof *c);
    *c = (struct status_call){.call.user_id = user_id, .done = done, .arg = arg};
    if (!s->statuses)
        s->statuses = line_batches_new(s, BATCH_MAX, send_statuses);
    line_batches_add(s->statuses, &key, &c->call);
}

#define INFO_TTL_S (24 * 3600)

void coupon_line_info(struct store *s, const struct coupon_row *coupon, store_done_fn *done, void *arg)
{
    struct script_args a = {0};
    char discount[MONEY_PRINT_SIZE];
    money_print_fixed(coupon->discount, discount);
    struct buf from = BUF_INIT, to = BUF_INIT;
    msg_date_iso(&from, coupon->valid_from_us);
    msg_date_iso(&to, coupon->valid_to_us);
    script_key(&a, "coupon:info:" ID, coupon->id);
    script_i64(&a, INFO_TTL_S);
    script_text(&a, "couponId");
    script_i64(&a, coupon->id);
    script_text(&a, "couponName");
    script_text(&a, coupon->name);
    script_text(&a, "discountAmount");
    script_text(&a, discount);
    script_text(&a, "maxIssuanceCount");
    script_i64(&a, coupon->max_issuance);
    script_text(&a, "issuedCount");
    script_i64(&a, coupon->issued);
    script_text(&a, "status");
    script_text(&a, coupon->status);
    script_text(&a, "validFrom");
    script_slice(&a, buf_slice(&from));
    script_text(&a, "validTo");
    script_slice(&a, buf_slice(&to));
    store_script(s, SCRIPT_COUPON_INFO, &a, 0, on_done, call_new((store_any_fn *)done, arg));
    buf_free(&from);
    buf_free(&to);
}
