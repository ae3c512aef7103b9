/* The transaction that decides coupon requests, and the records of requests. */
#include "store_pg.h"

#include <stdio.h>
#include <string.h>

#include "store/coupon.h"
#include "store/coupon_users.h"
#include "store/issue_tx.h"
#include "store/rebuild.h"

#define AT_US INT64_C(1795444200123457)

struct run {
    bool hold;
    const struct issue_tx_decision *decisions; /* NULL: abort */
    size_t ndecisions;
    const struct issue_tx_count *counts;
    size_t ncounts;
    void (*look)(const struct issue_tx_facts *facts);
    struct issue_tx *tx;
    bool locked, ended;
    enum store_end end;
    struct error e;
};

static void go_on(struct run *r, struct issue_tx *tx)
{
    if (r->decisions)
        issue_tx_write(tx, AT_US, r->decisions, r->ndecisions, r->counts, r->ncounts);
    else
        issue_tx_abort(tx);
}

static void on_locked(void *arg, struct issue_tx *tx, const struct issue_tx_facts *facts)
{
    struct run *r = arg;
    ck_assert(!r->locked && !r->ended);
    r->locked = true;
    if (r->look)
        r->look(facts);
    if (!r->hold)
        go_on(r, tx);
}

static void on_end(void *arg, enum store_end end, const struct error *e)
{
    struct run *r = arg;
    ck_assert(!r->ended);
    r->ended = true;
    r->end = end;
    if (e)
        r->e = *e;
}

static const struct issue_tx_ops ops = {.on_locked = on_locked, .on_end = on_end};

static void start(struct run *r, struct node *n, const struct issue_tx_request *requests, size_t count)
{
    r->tx = issue_tx_lock(n->store, requests, count, DEADLINE_MS, &ops, r);
    ck_assert(!r->locked && !r->ended);
}

static void finish(struct run *r, enum store_end end)
{
    await(&r->ended);
    ck_assert_msg(r->end == end, "end %d: %s %s", r->end, r->e.code, r->e.text);
}

/* --- deciding
 * ---------------------------------------------------------------------------------------------------------
 */

static const struct issue_tx_request batch[] = {
    {.coupon_id = 2,
     .user_id = 1001,
     .requested_at_us = 1000001,
     .ticket = 7}, /* stands in coupon_requests, undecided */
    {.coupon_id = 1, .user_id = 1001, .requested_at_us = 1000002, .ticket = 8}, /* new */
    {.coupon_id = 1, .user_id = 1002, .requested_at_us = 1000003},              /* holds the coupon */
    {.coupon_id = 1, .user_id = 1003, .requested_at_us = 1000004, .ticket = 9}, /* INACTIVE */
    {.coupon_id = 77, .user_id = 5, .requested_at_us = 1000005},                /* neither exists */
    {.coupon_id = 1, .user_id = 1004, .requested_at_us = 1000006},              /* decided SUCCESS */
    {.coupon_id = 1, .user_id = 1005, .requested_at_us = 1000007},              /* decided FAILED */
    {.coupon_id = 1, .user_id = 1005, .requested_at_us = 1000008}, /* the same user again: open */
};

static void prepare(void)
{
    sql("INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id) VALUES (901, 1, 1002), (902, 1, 1004);"
        "UPDATE coupons SET issued_count = 2 WHERE coupon_id = 1;"
        "UPDATE users SET status = 'INACTIVE' WHERE user_id = 1003;"
        "INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket) VALUES"
        " (2, 1001, to_timestamp(1.000001), 7);"
        "INSERT INTO coupon_requests (coupon_id, user_id, requested_at, outcome, reason, user_coupon_id, "
        "decision, decided_at)"
        " VALUES (1, 1004, to_timestamp(1.000006), 'SUCCESS', NULL, 902, 1, now()),"
        " (1, 1005, to_timestamp(1.000007), 'FAILED', 'COUPON_NOT_VALID', NULL, 2, now());"
        "SELECT setval('coupon_decision_seq', 2)");
}

static void look_at_batch(const struct issue_tx_facts *f)
{
    ck_assert_uint_eq(f->ncoupons, 2);
    ck_assert_int_eq(f->coupons[0].id, 1);
    ck_assert_str_eq(f->coupons[0].name, "선착순 쿠폰");
    ck_assert_int_eq(f->coupons[0].discount, 100000);
    ck_assert_int_eq(f->coupons[0].max_issuance, 100);
    ck_assert_int_eq(f->coupons[0].issued, 2);
    ck_assert(f->coupons[0].active);
    ck_assert_int_eq(f->coupons[0].valid_to_us - f->coupons[0].valid_from_us, INT64_C(30) * 86400 * 1000000);
    ck_assert_int_eq(f->coupons[1].id, 2);
    const struct issue_tx_fact *r = f->requests;
    ck_assert(r[0].user_exists && r[0].user_active && r[0].holds_user_coupon_id == 0 && !r[0].decided);
    ck_assert(r[1].user_exists && r[1].user_active && r[1].holds_user_coupon_id == 0 && !r[1].decided);
    ck_assert(r[2].user_exists && r[2].holds_user_coupon_id == 901 && !r[2].decided);
    ck_assert(r[3].user_exists && !r[3].user_active);
    ck_assert(!r[4].user_exists && !r[4].user_active && !r[4].decided);
    ck_assert(r[5].decided && r[5].success && r[5].user_coupon_id == 902 && r[5].holds_user_coupon_id == 902);
    ck_assert(r[6].decided && !r[6].success && r[6].user_coupon_id == 0);
    ck_assert_str_eq(r[6].reason, "COUPON_NOT_VALID");
    ck_assert(!r[7].decided && r[7].user_active);
}

START_TEST(a_batch_is_decided)
{
    const struct issue_tx_decision decisions[] = {
        {.request = batch[0], .success = true, .user_coupon_id = 1001},
        {.request = batch[1], .success = true, .user_coupon_id = 1002},
        {.request = batch[2], .reason = "ALREADY_ISSUED"},
        {.request = batch[3], .reason = "USER_NOT_FOUND"},
        {.request = batch[4], .reason = "COUPON_NOT_FOUND"},
        {.request = batch[7], .success = true, .user_coupon_id = 1003},
    };
    const struct issue_tx_count counts[] = {
        {.coupon_id = 2, .issued = 1}, {.coupon_id = 1, .issued = 2}, {.coupon_id = 77}};
    struct run r = {.decisions = decisions,
                    .ndecisions = ARRAY_LEN(decisions),
                    .counts = counts,
                    .ncounts = ARRAY_LEN(counts),
                    .look = look_at_batch};
    prepare();
    start(&r, &node, batch, ARRAY_LEN(batch));
    finish(&r, STORE_COMMITTED);
    ck_assert_str_eq(
        sql_text("SELECT string_agg(concat_ws(',', decision, coupon_id, user_id, ticket, outcome, reason,"
                 " user_coupon_id), ';' ORDER BY decision) FROM coupon_requests"),
        "1,1,1004,SUCCESS,902;2,1,1005,FAILED,COUPON_NOT_VALID;3,2,1001,7,SUCCESS,1001;4,1,1001,8,SUCCESS,"
        "1002;"
        "5,1,1002,FAILED,ALREADY_ISSUED;6,1,1003,9,FAILED,USER_NOT_FOUND;7,77,5,FAILED,COUPON_NOT_FOUND;"
        "8,1,1005,SUCCESS,1003");
    ck_assert_int_eq(
        sql_i64("SELECT count(*) FROM coupon_requests WHERE decided_at = '2026-11-23 14:30:00.123457Z'"), 6);
    ck_assert_int_eq(
        sql_i64("SELECT (extract(epoch FROM requested_at) * 1000000)::bigint FROM coupon_requests"
                " WHERE decision = 8"),
        1000008);
    ck_assert_str_eq(
        sql_text(
            "SELECT string_agg(concat_ws(',', user_coupon_id, coupon_id, user_id, status), ';'"
            " ORDER BY user_coupon_id) FROM user_coupons WHERE issued_at = '2026-11-23 14:30:00.123457Z'"),
        "1001,2,1001,ISSUED;1002,1,1001,ISSUED;1003,1,1005,ISSUED");
    ck_assert_int_eq(
        sql_i64(
            "SELECT count(*) FROM coupons c"
            " WHERE issued_count <> (SELECT count(*) FROM user_coupons u WHERE u.coupon_id = c.coupon_id)"),
        0);
}
END_TEST

static void rolled_back(const struct issue_tx_decision *d, const struct issue_tx_count *c,
                        enum error_kind kind, const char *code)
{
    struct run r = {.decisions = d, .ndecisions = 1, .counts = c, .ncounts = c ? 1 : 0};
    int64_t requests = sql_i64("SELECT count(*) FROM coupon_requests WHERE outcome IS NOT NULL");
    int64_t coupons = sql_i64("SELECT count(*) FROM user_coupons");
    start(&r, &node, batch, ARRAY_LEN(batch));
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_int_eq(r.e.kind, kind);
    ck_assert_str_eq(r.e.code, code);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM coupon_requests WHERE outcome IS NOT NULL"), requests);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM user_coupons"), coupons);
    ck_assert_int_eq(sql_i64("SELECT issued_count FROM coupons WHERE coupon_id = 1"), 2);
}

START_TEST(a_decision_is_never_made_twice)
{
    struct issue_tx_decision d = {.request = batch[6], .success = true, .user_coupon_id = 1001};
    struct issue_tx_count c = {.coupon_id = 1, .issued = 1};
    prepare();
    rolled_back(&d, &c, ERROR_BUG, "ROW_COUNT");
    d.request = batch[1];
    c.coupon_id = 55; /* not there */
    rolled_back(&d, &c, ERROR_BUG, "ROW_COUNT");
    d.request = batch[2]; /* holds it already: the unique index says so before any count */
    c.coupon_id = 1;
    rolled_back(&d, &c, ERROR_PERMANENT, "23505");
    d.request = batch[1];
    c.issued = 99; /* 101 of 100 */
    rolled_back(&d, &c, ERROR_PERMANENT, "23514");
    struct run aborted = {0};
    start(&aborted, &node, batch, ARRAY_LEN(batch));
    finish(&aborted, STORE_ROLLED_BACK);
    ck_assert_int_eq(aborted.e.kind, ERROR_NONE);
}
END_TEST

static int64_t issued_seen;
static bool holder_seen;

static void look_at_issued(const struct issue_tx_facts *f)
{
    issued_seen = f->coupons[0].issued;
    holder_seen = f->requests[0].holds_user_coupon_id != 0 && f->requests[0].decided;
}

/* The facts are read after the lock: what the first committed while the second waited is seen. */
START_TEST(a_redelivery_that_waited_sees_the_decision)
{
    struct node other;
    const struct issue_tx_request request = {.coupon_id = 1, .user_id = 1500, .requested_at_us = 5};
    const struct issue_tx_decision decision = {.request = request, .success = true, .user_coupon_id = 44};
    const struct issue_tx_count count = {.coupon_id = 1, .issued = 1};
    struct run first = {
        .hold = true, .decisions = &decision, .ndecisions = 1, .counts = &count, .ncounts = 1};
    struct run second = {.look = look_at_issued};
    node_open(&other);
    start(&first, &node, &request, 1);
    await(&first.locked);
    start(&second, &other, &request, 1);
    run_for(200);
    ck_assert(!second.locked);
    go_on(&first, first.tx);
    finish(&first, STORE_COMMITTED);
    finish(&second, STORE_ROLLED_BACK);
    ck_assert_int_eq(issued_seen, 1);
    ck_assert(holder_seen);
    node_close(&other);
}
END_TEST

START_TEST(deciding_uses_indexes)
{
    enum {
        N = 500
    };
    static struct issue_tx_request requests[N];
    static struct issue_tx_decision decisions[N];
    static struct coupon_request_row rows[N];
    const struct issue_tx_count count = {.coupon_id = 3, .issued = N};
    struct outcome inserted = {0};
    sql("INSERT INTO users SELECT g, 'u' FROM generate_series(10000, 20000) g;"
        "INSERT INTO user_coupons (coupon_id, user_id) SELECT 2, g FROM generate_series(10000, 15000) g;"
        "INSERT INTO coupons SELECT g, 'c', 1, 1, 0, 'ACTIVE', now(), now() + interval '1 day' FROM "
        "generate_series(100, 2000) g;"
        "INSERT INTO coupon_requests (coupon_id, user_id, requested_at) SELECT 2, g, now() FROM "
        "generate_series(1, 5000) g;"
        "ANALYZE");
    node_close(&node);
    sql_stats_reset();
    node_open(&node);
    for (int i = 0; i < N; i++) {
        requests[i] = (struct issue_tx_request){
            .coupon_id = 3, .user_id = 10000 + i, .requested_at_us = 100 + i, .ticket = i + 1};
        decisions[i] = (struct issue_tx_decision){
            .request = requests[i], .success = true, .user_coupon_id = 10000000 + i};
        rows[i] = (struct coupon_request_row){
            .coupon_id = 3, .user_id = 10000 + i, .requested_at_us = 100 + i, .ticket = i + 1};
    }
    coupon_request_insert(node.store, rows, N, DEADLINE_MS, on_done, &inserted);
    AWAIT_OK(&inserted);
    struct run r = {.decisions = decisions, .ndecisions = N, .counts = &count, .ncounts = 1};
    start(&r, &node, requests, N);
    finish(&r, STORE_COMMITTED);
    node_close(&node);
    for (int i = 0;
         i < 100 &&
         sql_i64("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'coupon_requests'") < N;
         i++)
        run_for(20);
    ck_assert_str_eq(
        sql_text("SELECT COALESCE(string_agg(relname || ' ' || seq_scan, ', '), '') FROM pg_stat_user_tables"
                 " WHERE seq_scan > 0"),
        "");
    /* A coupon's count is a HOT update; a request leaves the index of the open ones. */
    ck_assert_int_eq(
        sql_i64("SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'coupons'"), 0);
}
END_TEST

/* --- requests
 * ---------------------------------------------------------------------------------------------------------
 */

struct latest {
    struct outcome outcome;
    bool found;
    struct coupon_request_row row;
    char reason[40];
};

static void on_latest(void *arg, bool found, const struct coupon_request_row *row, const struct error *e)
{
    struct latest *l = arg;
    l->found = found;
    if (found) {
        l->row = *row;
        snprintf(l->reason, sizeof(l->reason), "%s", row->reason);
    }
    on_done(&l->outcome, e);
}

static struct latest latest_of(int64_t coupon_id, int64_t user_id)
{
    struct latest l = {0};
    coupon_request_latest(node.store, coupon_id, user_id, on_latest, &l);
    AWAIT_OK(&l.outcome);
    return l;
}

START_TEST(the_newest_request_counts)
{
    prepare();
    struct latest l = latest_of(1, 1005);
    ck_assert(l.found && l.row.decided && !l.row.success);
    ck_assert_str_eq(l.reason, "COUPON_NOT_VALID");
    ck_assert_int_eq(l.row.requested_at_us, 1000007);
    sql("INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket) VALUES (1, 1005, "
        "to_timestamp(1.000008), 12)");
    l = latest_of(1, 1005);
    ck_assert(l.found && !l.row.decided && !l.row.success);
    ck_assert_int_eq(l.row.requested_at_us, 1000008);
    ck_assert_int_eq(l.row.ticket, 12);
    l = latest_of(1, 1004);
    ck_assert(l.found && l.row.decided && l.row.success && l.row.user_coupon_id == 902);
    ck_assert_int_eq(l.row.requested_at_us, 1000006);
    l = latest_of(1, 1002); /* no request, but the coupon */
    ck_assert(l.found && l.row.decided && l.row.success && l.row.user_coupon_id == 901);
    ck_assert(!latest_of(1, 1777).found);
}
END_TEST

static void on_held(void *arg, const bool *flags, size_t n, const struct error *e)
{
    ck_assert_uint_eq(n, 1);
    ck_assert(flags[0]);
    on_done(arg, e);
}

static void look_at_holder(const struct issue_tx_facts *f)
{
    ck_assert_int_eq(f->requests[0].holds_user_coupon_id, 1000007);
}

/* Whether somebody holds a coupon costs nothing for the others that he holds, whatever the statistics say: here that a user has
 * one, as in most shops. */
START_TEST(a_user_of_many_coupons)
{
    const struct issue_tx_request request = {.coupon_id = 107, .user_id = 1010, .requested_at_us = 9};
    const int64_t user_id = 1010;
    struct outcome held = {0};
    struct run r = {.look = look_at_holder};
    sql("SET session_replication_role = replica;"
        "INSERT INTO users SELECT g, 'u' FROM generate_series(10000, 110000) g;"
        "INSERT INTO coupons SELECT g, 'c', 1, 1, 0, 'ACTIVE', now(), now() + interval '1 day' FROM "
        "generate_series(100, 2000) g;"
        "INSERT INTO user_coupons (coupon_id, user_id) SELECT 100 + g %% 1000, g FROM generate_series(10000, "
        "20000) g;"
        "ANALYZE;"
        "INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id) SELECT g + 999900, g, 1010 FROM "
        "generate_series(100, 2000) g");
    node_close(&node);
    sql_stats_reset();
    node_open(&node);
    start(&r, &node, &request, 1);
    finish(&r, STORE_ROLLED_BACK);
    coupon_users_held(node.store, request.coupon_id, &user_id, 1, on_held, &held);
    AWAIT_OK(&held);
    ck_assert_int_eq(latest_of(request.coupon_id, user_id).row.user_coupon_id, 1000007);
    node_close(&node);
    for (int i = 0;
         i < 500 &&
         sql_i64("SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes WHERE relname = 'user_coupons'") < 3;
         i++)
        run_for(20);
    ck_assert_int_ge(
        sql_i64("SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes WHERE relname = 'user_coupons'"), 3);
    ck_assert_int_lt(
        sql_i64("SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'user_coupons'"),
        20);
}
END_TEST

static struct {
    struct outcome outcome;
    size_t n;
    struct coupon_request_row rows[10];
} open_requests;

static void on_open(void *arg, const struct coupon_request_row *rows, size_t n, const struct error *e)
{
    ck_assert_uint_le(n, ARRAY_LEN(open_requests.rows));
    open_requests.n = n;
    memcpy(open_requests.rows, rows, n * sizeof(*rows));
    on_done(&open_requests.outcome, e);
}

static size_t read_open(struct rebuild_cursor after, int64_t before_us, size_t limit)
{
    open_requests.outcome = (struct outcome){0};
    rebuild_read_requests(node.store, &after, before_us, limit, on_open, NULL);
    AWAIT_OK(&open_requests.outcome);
    return open_requests.n;
}

static struct latest request_of(int64_t coupon_id, int64_t user_id, int64_t requested_at_us)
{
    struct latest l = {0};
    coupon_request_find(node.store, coupon_id, user_id, requested_at_us, on_latest, &l);
    AWAIT_OK(&l.outcome);
    return l;
}

START_TEST(requests_are_recorded_once)
{
    struct coupon_request_row rows[] = {
        {.coupon_id = 4, .user_id = 1, .requested_at_us = 1763900000123456, .ticket = 1},
        {.coupon_id = 4, .user_id = 2, .requested_at_us = 1763900000123457, .ticket = 2},
        {.coupon_id = 4, .user_id = 2, .requested_at_us = 1763900000123458},
        {.coupon_id = 5, .user_id = 2, .requested_at_us = 1763900000123459, .ticket = 9},
    };
    for (int i = 0; i < 2; i++) {
        struct outcome o = {0};
        coupon_request_insert(node.store, rows, ARRAY_LEN(rows), DEADLINE_MS, on_done, &o);
        ck_assert(!o.fired);
        AWAIT_OK(&o);
    }
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM coupon_requests"), 4);
    const struct rebuild_cursor start = {0}, second = {4, 1763900000123457, 2};
    ck_assert_uint_eq(read_open(start, INT64_C(1763900000123460), 10), 4);
    ck_assert_int_eq(open_requests.rows[0].requested_at_us, rows[0].requested_at_us);
    ck_assert_int_eq(open_requests.rows[0].ticket, 1);
    ck_assert_int_eq(open_requests.rows[2].ticket, 0);
    ck_assert_int_eq(open_requests.rows[3].coupon_id, 5);
    ck_assert_uint_eq(read_open(start, INT64_C(1763900000123460), 2), 2);
    ck_assert_uint_eq(read_open(start, INT64_C(1763900000123457), 9), 1);
    ck_assert_uint_eq(read_open(second, INT64_C(1763900000123460), 1), 1);
    ck_assert_int_eq(open_requests.rows[0].requested_at_us, rows[2].requested_at_us);
    struct latest l = request_of(4, 2, 1763900000123457);
    ck_assert(l.found && !l.row.decided && l.row.ticket == 2);
    ck_assert(!request_of(4, 2, 1763900000123456).found);
    /* Open ones are taken back, a decided one only loses its number, and gets it when it is recorded again. */
    sql_text(
        "UPDATE coupon_requests SET outcome = 'FAILED', decision = 1, decided_at = now() WHERE ticket = 2"
        " RETURNING ''");
    struct outcome withdrawn = {0};
    struct coupon_request_row gone[3] = {rows[0], rows[1], rows[1]};
    gone[2].requested_at_us += 77;
    coupon_request_withdraw(node.store, gone, ARRAY_LEN(gone), DEADLINE_MS, on_done, &withdrawn);
    AWAIT_OK(&withdrawn);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM coupon_requests"), 3);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM coupon_requests WHERE ticket < 9"), 0);
    struct outcome again = {0};
    coupon_request_insert(node.store, rows, ARRAY_LEN(rows), DEADLINE_MS, on_done, &again);
    AWAIT_OK(&again);
    ck_assert_int_eq(sql_i64("SELECT ticket FROM coupon_requests WHERE decision = 1 AND outcome = 'FAILED'"),
                     2);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM coupon_requests"), 4);
}
END_TEST

/* --- whom a user's coupon names --- */

START_TEST(users_coupons_name_who_is_there)
{
    sql_refused("INSERT INTO user_coupons (coupon_id, user_id) VALUES (1, 1001), (1, 77)");
    sql_refused("INSERT INTO user_coupons (coupon_id, user_id) VALUES (1, 1001), (77, 1001)");
    sql("INSERT INTO user_coupons (coupon_id, user_id) VALUES (1, 1001), (2, 1001), (1, 1002)");
    sql_refused("UPDATE user_coupons SET user_id = 77 WHERE user_id = 1002");
    sql_refused("UPDATE user_coupons SET coupon_id = 77 WHERE user_id = 1002");
    sql("UPDATE user_coupons SET user_id = 1003 WHERE user_id = 1002; DELETE FROM balances");
    sql_refused("DELETE FROM users WHERE user_id = 1001");
    sql_refused("DELETE FROM coupons WHERE coupon_id = 2");
    sql_refused("UPDATE users SET user_id = 5 WHERE user_id = 1001");
    sql_refused("UPDATE coupons SET coupon_id = 77 WHERE coupon_id = 2");
    sql_refused("TRUNCATE coupons");
    sql("SET default_transaction_isolation = 'repeatable read'"); /* which may not see the newest holders */
    sql("DO $$ BEGIN DELETE FROM users WHERE user_id = 1004; RAISE 'let through';"
        " EXCEPTION WHEN feature_not_supported THEN NULL; END $$");
    sql("RESET default_transaction_isolation");
    sql("DELETE FROM users WHERE user_id = 1002; DELETE FROM coupons WHERE coupon_id = 3;"
        "UPDATE coupons SET coupon_id = 77 WHERE coupon_id = 4; UPDATE users SET username = 'x' WHERE "
        "user_id = 1001");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM user_coupons"), 3);
}
END_TEST

/* Whom another transaction is deleting is not there when the deletion wins. */
START_TEST(a_user_who_is_being_deleted_gets_no_coupon)
{
    static const struct issue_tx_request request = {
        .coupon_id = 1, .user_id = 1005, .requested_at_us = 1000001};
    const struct issue_tx_decision decision = {.request = request, .success = true, .user_coupon_id = 1001};
    const struct issue_tx_count count = {.coupon_id = 1, .issued = 1};
    struct run r = {.decisions = &decision, .ndecisions = 1, .counts = &count, .ncounts = 1};
    sql("DELETE FROM balances WHERE user_id = 1005");
    sql("BEGIN");
    sql("DELETE FROM users WHERE user_id = 1005");
    start(&r, &node, &request, 1);
    while (!r.ended && sql_i64("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
        run_for(5);
    ck_assert(r.locked && !r.ended);
    sql("COMMIT");
    finish(&r, STORE_ROLLED_BACK);
    ck_assert_str_eq(r.e.code, "23503");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM user_coupons"), 0);
}
END_TEST

Suite *store_pg_issue_suite(void)
{
    const TTest *const tests[] = {a_batch_is_decided,
                                  a_decision_is_never_made_twice,
                                  a_redelivery_that_waited_sees_the_decision,
                                  deciding_uses_indexes,
                                  a_user_of_many_coupons,
                                  the_newest_request_counts,
                                  requests_are_recorded_once,
                                  users_coupons_name_who_is_there,
                                  a_user_who_is_being_deleted_gets_no_coupon};
    Suite *s = suite_create("store_pg_issue");
    TCase *tc = tcase_create("issue_tx");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
