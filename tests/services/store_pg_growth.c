/* Statements that run each second or minute whatever happens: on tables with many rows that do not concern them they find theirs
 * by an index. Whether they do is what the server counted, so a changed statement, index or plan shows here. */
#include "store_pg.h"

#include "base/clock.h"
#include "store/coupon.h"
#include "store/coupon_users.h"
#include "store/outbox.h"
#include "store/rebuild.h"

#define MANY 20000

static struct outcome got;

#define STATISTICS_MS 40000

static int64_t scans_of(const char *index)
{
    return sql_i64(
        "SELECT COALESCE((SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '%s'), -1)", index);
}

static void check_scanned(const char *index, int64_t before)
{
    int64_t end = clock_mono_us() + STATISTICS_MS * 1000;
    ck_assert_int_ge(before, 0);
    while (scans_of(index) == before && clock_mono_us() < end)
        run_for(50);
    ck_assert_msg(scans_of(index) > before, "%s is not used", index);
}

/* The call is answered, and by means of the index. A session tells what it did when it ends, so it has one of its own. */
#define USES(index, call)                                                                                    \
    do {                                                                                                     \
        struct node on;                                                                                      \
        int64_t before = scans_of(index);                                                                    \
        node_open(&on);                                                                                      \
        got = (struct outcome){0};                                                                           \
        call;                                                                                                \
        AWAIT_OK(&got);                                                                                      \
        node_close(&on);                                                                                     \
        check_scanned(index, before);                                                                        \
    } while (0)

static size_t found;
static int64_t first_user;

static void on_requests(void *arg, const struct coupon_request_row *rows, size_t n, const struct error *e)
{
    found = n;
    first_user = n ? rows[0].user_id : 0;
    on_done(&got, e);
}

START_TEST(open_requests_are_found_among_decided_ones)
{
    sql("INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket, outcome, reason, decision, "
        "decided_at)"
        " SELECT 1 + g %% 10, g, to_timestamp(g), g, 'FAILED', 'X', g, now() FROM generate_series(1, %d) g;"
        " INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket)"
        " SELECT 5, 900 - g, to_timestamp(g), g FROM generate_series(1, 30) g;"
        " ANALYZE coupon_requests",
        MANY);
    USES("coupon_requests_open", rebuild_read_requests(on.store, &(struct rebuild_cursor){0},
                                                       INT64_C(60) * 1000000, 10, on_requests, NULL));
    ck_assert(found == 10 && first_user == 899); /* by place, not by user */
    USES("coupon_requests_open",
         rebuild_read_requests(on.store, &(struct rebuild_cursor){5, INT64_C(25) * 1000000, 875},
                               INT64_C(60) * 1000000, 10, on_requests, NULL));
    ck_assert(found == 5 && first_user == 874);
}
END_TEST

static void on_claimed(void *arg, const struct outbox_row *rows, size_t n, const struct error *e)
{
    found = n;
    first_user = n ? rows[0].order_id : 0;
    on_done(&got, e);
}

static int64_t parked;

static void on_state(void *arg, const struct outbox_state *st, const struct error *e)
{
    parked = st ? st->parked : -1;
    on_done(&got, e);
}

START_TEST(due_and_parked_orders_are_found_among_waiting_ones)
{
    sql("INSERT INTO outbox (order_id, payload, available_at)"
        " SELECT g, 'p', now() + interval '1 hour' FROM generate_series(1, %d) g;"
        " UPDATE outbox SET available_at = now() - interval '1 second' * (order_id %% 7) WHERE order_id %% "
        "1000 = 0;"
        " UPDATE outbox SET error = 'no' WHERE order_id IN (3, 4);"
        " ANALYZE outbox",
        MANY);
    USES("outbox_due", outbox_claim(on.store, 10, 60000, 600000, NULL, 0, on_claimed, NULL));
    ck_assert_uint_eq(found, 10);
    USES("outbox_due",
         outbox_claim(on.store, 50, 60000, 600000, (const int64_t[]){1000}, 1, on_claimed, NULL));
    ck_assert_uint_le(found, 10);
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM outbox WHERE available_at <= now()"), 10 - (int64_t)found);
    USES("outbox_parked", outbox_read_state(on.store, on_state, NULL));
    ck_assert_int_eq(parked, 2);
}
END_TEST

static void on_user_coupons(void *arg, const struct user_coupon_row *rows, size_t n, const struct error *e)
{
    found = n;
    first_user = n ? rows[0].user_coupon_id : 0;
    on_done(&got, e);
}

START_TEST(the_newest_coupons_of_a_user_are_found_among_many)
{
    sql("INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, issued_count, "
        "valid_from, valid_to)"
        " SELECT g, 'c', 1, 20, 0, now(), now() + interval '1 day' FROM generate_series(100, 2100) g;"
        " INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id)"
        " SELECT 100 * g + u, g, 1000 + u FROM generate_series(100, 2100) g, generate_series(1, 20) u;"
        " ANALYZE user_coupons, coupons");
    USES("user_coupons_user", user_coupon_list(on.store, 1001, on_user_coupons, NULL));
    ck_assert(found == 1000 && first_user == 210001);
}
END_TEST

Suite *store_pg_growth_suite(void)
{
    Suite *s = suite_create("store_pg_growth");
    TCase *tc = tcase_create("growth");
    tcase_set_timeout(tc, 150);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, open_requests_are_found_among_decided_ones);
    tcase_add_test(tc, due_and_parked_orders_are_found_among_waiting_ones);
    tcase_add_test(tc, the_newest_coupons_of_a_user_are_found_among_many);
    suite_add_tcase(s, tc);
    return s;
}
