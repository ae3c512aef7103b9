/* Coupons, reads of the shop, outbox, small records. */
#include "store_pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/coupon.h"
#include "store/coupon_users.h"
#include "store/dead_letter.h"
#include "store/journal.h"
#include "store/order_tx.h"
#include "store/outbox.h"
#include "store/shop.h"

/* Rows printed as text, one line each, so that a test compares all fields at once. */
static struct buf seen;
static struct outcome got;

static void got_rows(const struct error *e)
{
    on_done(&got, e);
}

#define READ(call)                                                                                           \
    do {                                                                                                     \
        got = (struct outcome){0};                                                                           \
        buf_clear(&seen);                                                                                    \
        call;                                                                                                \
        ck_assert(!got.fired);                                                                               \
        AWAIT_OK(&got);                                                                                      \
    } while (0)
#define SEEN(text) ck_assert_str_eq(buf_str(&seen), text)

static void free_seen(void)
{
    buf_free(&seen);
    teardown();
}

/* --- coupons
 * ----------------------------------------------------------------------------------------------------------
 */

static void on_coupons(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %s %d %d/%d %s %d %d;", (int)rows[i].id, rows[i].name, (int)rows[i].discount,
                   (int)rows[i].issued, (int)rows[i].max_issuance, rows[i].status,
                   (int)(rows[i].valid_from_us / 1000000), (int)(rows[i].valid_to_us / 1000000));
    got_rows(e);
}

static void on_created(void *arg, int64_t id, const struct error *e)
{
    *(int64_t *)arg = e ? -1 : id;
    got.e = e ? *e : ERROR_INIT;
}

static void await_ids(const int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int turn = 0; turn < 500 && ids[i] == 0; turn++)
            run_for(10);
}

START_TEST(coupons_are_created_and_read)
{
    struct coupon_row row = {.id = 77,
                             .name = "이름 'x'",
                             .discount = 123456,
                             .max_issuance = 5,
                             .issued = 0,
                             .status = "INACTIVE",
                             .valid_from_us = 10000000,
                             .valid_to_us = 20000000};
    int64_t ids[6] = {0};
    coupon_create(node.store, &row, on_created, &ids[0]);
    ck_assert_int_eq(ids[0], 0);
    await_ids(ids, 1);
    ck_assert_int_eq(ids[0], 77);
    coupon_create(node.store, &row, on_created, &ids[1]);
    await_ids(ids, 2);
    ck_assert_int_eq(ids[1], -1);
    ck_assert_int_eq(got.e.kind, ERROR_PERMANENT);
    ck_assert_str_eq(got.e.code, "23505");
    row.id = 0;
    for (int i = 2; i < 6; i++)
        coupon_create(node.store, &row, on_created, &ids[i]);
    await_ids(ids, 6);
    ck_assert_int_eq(ids[2] + ids[3] + ids[4] + ids[5], 78 + 79 + 80 + 81);
    READ(coupon_read(node.store, (const int64_t[]){77, 5555}, 2, on_coupons, NULL));
    SEEN("77 이름 'x' 123456 0/5 INACTIVE 10 20;");
    READ(coupon_read(node.store, NULL, 0, on_coupons, NULL));
    SEEN("");
    sql("DELETE FROM coupons WHERE coupon_id <> 77");
    READ(coupon_read_all(node.store, on_coupons, NULL));
    SEEN("77 이름 'x' 123456 0/5 INACTIVE 10 20;");
}
END_TEST

static int64_t noticed;
static int noticed_all;

static void on_coupon_change(void *arg, int64_t coupon_id)
{
    if (coupon_id)
        noticed = coupon_id;
    else
        noticed_all++;
}

START_TEST(changes_of_coupons_are_told)
{
    int64_t second = 0;
    coupon_watch(node.store, on_coupon_change, NULL);
    coupon_watch(node.store, on_coupon_change, &second);
    for (int i = 0; i < 500 && noticed_all < 2; i++)
        run_for(10);
    ck_assert_int_eq(noticed_all, 2); /* connected: read everything */
    sql("UPDATE coupons SET name = 'x' WHERE coupon_id = 3");
    await_ids(&noticed, 1);
    ck_assert_int_eq(noticed, 3);
    noticed = 0;
    sql("DELETE FROM coupons WHERE coupon_id = 7");
    await_ids(&noticed, 1);
    ck_assert_int_eq(noticed, 7);
    sql("NOTIFY rushd_coupons, 'garbage'");
    for (int i = 0; i < 500 && noticed_all < 4; i++)
        run_for(10);
    ck_assert_int_eq(noticed_all, 4);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'store_pg_test'");
    for (int i = 0; i < 500 && noticed_all < 6; i++)
        run_for(10);
    ck_assert_int_eq(noticed_all, 6);
}
END_TEST

static int64_t noticed_user;
static int noticed_all_users;

static void on_user_change(void *arg, int64_t user_id)
{
    (void)arg;
    if (user_id)
        noticed_user = user_id;
    else
        noticed_all_users++;
}

static void await_user(int64_t id)
{
    for (int i = 0; i < 500 && noticed_user != id; i++)
        run_for(10);
    ck_assert_int_eq(noticed_user, id);
}

static void await_all_users(int times)
{
    for (int i = 0; i < 500 && noticed_all_users < times; i++)
        run_for(10);
    ck_assert_int_eq(noticed_all_users, times);
}

/* Of whom the status changes and who is removed, not whose name changes; of many at once only that they are many. */
START_TEST(changes_of_users_are_told)
{
    ck_assert(!user_watched(node.store));
    user_watch(node.store, on_user_change, NULL);
    await_all_users(1); /* connected: whatever was known is old */
    ck_assert(user_watched(node.store));
    sql("INSERT INTO users (user_id, username) SELECT g, 'watched' || g FROM generate_series(700001, 700200) "
        "AS g");
    sql("UPDATE users SET username = username || 'x' WHERE user_id = 700001");
    sql("UPDATE users SET status = 'INACTIVE' WHERE user_id = 700002");
    await_user(700002);
    sql("DELETE FROM users WHERE user_id = 700003");
    await_user(700003);
    ck_assert_int_eq(noticed_all_users, 1);
    sql("UPDATE users SET status = 'DELETED' WHERE user_id > 700000");
    await_all_users(2);
    sql("DELETE FROM users WHERE user_id > 700000");
    await_all_users(3);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'store_pg_test'");
    for (int i = 0; i < 500 && user_watched(node.store); i++)
        run_for(1);
    ck_assert(!user_watched(node.store));
    await_all_users(4);
    ck_assert(user_watched(node.store));
}
END_TEST

static void on_user_coupons(void *arg, const struct user_coupon_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %d %s %d %s %d %d;", (int)rows[i].user_coupon_id, (int)rows[i].coupon_id,
                   rows[i].coupon_name, (int)rows[i].discount, rows[i].status,
                   (int)(rows[i].issued_at_us / 1000000), (int)(rows[i].used_at_us / 1000000));
    got_rows(e);
}

static void on_ids(void *arg, const int64_t *ids, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d ", (int)ids[i]);
    got_rows(e);
}

static void on_flags(void *arg, const bool *flags, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d ", flags[i]);
    got_rows(e);
}

START_TEST(coupons_of_a_user)
{
    sql("INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id, status, issued_at, used_at) VALUES"
        " (1, 1, 1001, 'ISSUED', to_timestamp(100), NULL), (2, 7, 1001, 'ISSUED', to_timestamp(101), NULL),"
        " (3, 2, 1001, 'USED', to_timestamp(102), to_timestamp(200)), (4, 1, 1003, 'ISSUED', now(), NULL),"
        " (5, 1, 1002, 'ISSUED', now(), NULL)");
    READ(user_coupon_list(node.store, 1001, on_user_coupons, NULL));
    SEEN("3 2 신규 회원 쿠폰 500000 USED 102 200;2 7 지난 시즌 쿠폰 200000 EXPIRED 101 0;1 1 선착순 쿠폰 "
         "100000 ISSUED 100 0;");
    READ(user_coupon_list(node.store, 1999, on_user_coupons, NULL));
    SEEN("");
    READ(user_coupon_holders(node.store, 1, 0, 2, on_ids, NULL));
    SEEN("1001 1002 ");
    READ(user_coupon_holders(node.store, 1, 1002, 2, on_ids, NULL));
    SEEN("1003 ");
    const int64_t asked[] = {1004, 1003, 1001};
    READ(coupon_users_held(node.store, 1, asked, ARRAY_LEN(asked), on_flags, NULL));
    SEEN("0 1 1 ");
}
END_TEST

/* --- shop
 * -------------------------------------------------------------------------------------------------------------
 */

static void on_users(void *arg, const struct user_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %s %s %d %d %d %d;", (int)rows[i].user_id, rows[i].username, rows[i].status,
                   (int)rows[i].created_at_us, (int)rows[i].updated_at_us, rows[i].has_balance,
                   (int)rows[i].balance);
    got_rows(e);
}

static void on_statuses(void *arg, const struct user_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %s;", (int)rows[i].user_id, rows[i].status);
    got_rows(e);
}

START_TEST(users_and_balances)
{
    sql("INSERT INTO users VALUES (1, 'a', 'DELETED', to_timestamp(0.000001), to_timestamp(1.5)), (2, 'b', "
        "'ACTIVE',"
        " to_timestamp(3), to_timestamp(4)); INSERT INTO balances VALUES (2, 0.01)");
    READ(user_read(node.store, (const int64_t[]){1, 2, 3}, 3, on_users, NULL));
    SEEN("1 a DELETED 1 1500000 0 0;2 b ACTIVE 3000000 4000000 1 1;");
    READ(user_read_status(node.store, (const int64_t[]){2, 3, 1}, 3, on_statuses, NULL));
    SEEN("1 DELETED;2 ACTIVE;");
}
END_TEST

static void on_history(void *arg, const struct balance_tx_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %s %d %d %d;", (int)rows[i].id, rows[i].type, (int)rows[i].amount,
                   (int)rows[i].balance_after, (int)rows[i].order_id);
    got_rows(e);
}

START_TEST(balance_history_in_pages)
{
    sql("INSERT INTO orders (id, user_id, total_amount, discounted_amount, discount_amount, status)"
        " VALUES (9, 1001, 0, 0, 0, 'COMPLETED');"
        "INSERT INTO user_balance_tx (id, user_id, tx_type, amount, balance_after, order_id) VALUES (5000, "
        "1001, 'CHARGE', 1.5,"
        " 2, NULL), (5001, 1001, 'PAYMENT', -1.25, 0.75, 9), (5002, 1001, 'REFUND', 0, 0, NULL)");
    READ(balance_history(node.store, 1001, 0, 2, on_history, NULL));
    SEEN("5002 REFUND 0 0 0;5001 PAYMENT -125 75 9;");
    READ(balance_history(node.store, 1001, 5001, 2, on_history, NULL));
    SEEN("5000 CHARGE 150 200 0;1 DEPOSIT 100000000 100000000 0;");
    READ(balance_history(node.store, 1, 0, 2, on_history, NULL));
    SEEN("");
}
END_TEST

static void on_products(void *arg, const struct product_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %s %s %d %d %s;", (int)rows[i].id, rows[i].name, rows[i].category,
                   (int)rows[i].price, (int)rows[i].stock, rows[i].status);
    got_rows(e);
}

static void on_sales(void *arg, const struct product_sales_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%d %d/%d %" PRId64 "/%d %d;", (int)rows[i].product_id,
                   (int)rows[i].recent_quantity, (int)rows[i].total_quantity, rows[i].total_amount,
                   (int)rows[i].recent_amount, (int)(rows[i].last_order_at_us / 1000000));
    got_rows(e);
}

START_TEST(products_and_their_sales)
{
    READ(product_read(node.store, (const int64_t[]){2, 20, 99}, 3, on_products, NULL));
    SEEN("2 무선 이어폰 가전 8900000 5000 ACTIVE;20 단종 블루투스 스피커 가전 5900000 50 INACTIVE;");
    READ(product_page(node.store, 0, 1, on_products, NULL));
    SEEN("1 한정판 스니커즈 패션 1000000 1000000 ACTIVE;");
    READ(product_page(node.store, 19, 5, on_products, NULL));
    SEEN("20 단종 블루투스 스피커 가전 5900000 50 INACTIVE;");
    sql("INSERT INTO product_sales_daily VALUES (1, '2026-11-20', 1, 9999999999999.99, to_timestamp(10)),"
        " (1, '2026-11-21', 2, 9999999999999.99, to_timestamp(12)), (1, '2026-11-22', 4, 7.25, "
        "to_timestamp(11)),"
        " (2, '2026-11-01', 8, 1, to_timestamp(9))");
    READ(product_sales(node.store, (const int64_t[]){1, 2, 3}, 3, "2026-11-22", on_sales, NULL));
    SEEN("1 4/7 2000000000000723/725 12;2 0/8 100/0 9;");
    sql("INSERT INTO product_sales_daily VALUES (3, '2026-11-21', 6, 1, to_timestamp(9)),"
        " (4, '2026-11-21', 3, 1, to_timestamp(9)), (4, '2026-11-22', 3, 1, to_timestamp(9)),"
        " (5, '2026-11-22', 0, 0, to_timestamp(9))");
    READ(product_top(node.store, "2026-11-21", 5, on_sales, NULL)); /* ties to the smaller id */
    SEEN("1 6/0 0/0 0;3 6/0 0/0 0;4 6/0 0/0 0;");
    READ(product_top(node.store, "2026-11-01", 1, on_sales, NULL));
    SEEN("2 8/0 0/0 0;");
}
END_TEST

static void on_orders(void *arg, const struct order_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(&seen, "%d %d %d %d=%d+%d %s %d [", (int)rows[i].id, (int)rows[i].user_id,
                   (int)rows[i].user_coupon_id, (int)rows[i].total, (int)rows[i].discounted,
                   (int)rows[i].discount, rows[i].status, (int)rows[i].created_at_us);
        for (size_t k = 0; k < rows[i].nitems; k++) {
            const struct order_item_row *item = &rows[i].items[k];
            buf_printf(&seen, "%d %d %s %d*%d=%d,", (int)item->id, (int)item->product_id, item->product_name,
                       (int)item->quantity, (int)item->unit_price, (int)item->total_price);
        }
        buf_puts(&seen, "];");
    }
    got_rows(e);
}

START_TEST(orders_with_their_lines)
{
    sql("INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id) VALUES (8, 1, 1001);"
        "INSERT INTO orders VALUES (1, 1001, 8, 5, 4, 1, 'COMPLETED', to_timestamp(1)),"
        " (2, 1001, NULL, 0, 0, 0, 'FAILED', to_timestamp(2)), (3, 1002, NULL, 0, 0, 0, 'COMPLETED', "
        "to_timestamp(3)),"
        " (4, 1001, NULL, 1, 1, 0, 'COMPLETED', to_timestamp(4));"
        "INSERT INTO order_items VALUES (7, 1, 2, 'b', 1, 2, 2), (6, 1, 1, 'a', 3, 1, 3), (9, 4, 1, 'a', 1, "
        "1, 1)");
    READ(order_read(node.store, 1, on_orders, NULL));
    SEEN("1 1001 8 500=400+100 COMPLETED 1000000 [6 1 a 3*100=300,7 2 b 1*200=200,];");
    READ(order_read(node.store, 77, on_orders, NULL));
    SEEN("");
    READ(order_page(node.store, 1001, 0, 2, on_orders, NULL));
    SEEN("4 1001 0 100=100+0 COMPLETED 4000000 [9 1 a 1*100=100,];2 1001 0 0=0+0 FAILED 2000000 [];");
    READ(order_page(node.store, 1001, 2, 2, on_orders, NULL));
    SEEN("1 1001 8 500=400+100 COMPLETED 1000000 [6 1 a 3*100=300,7 2 b 1*200=200,];");
}
END_TEST

/* A statement that ends with the connection is a failure that may be tried again, never "unknown". */
START_TEST(a_read_is_never_unknown)
{
    got = (struct outcome){0};
    sql("BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE");
    product_page(node.store, 0, 1, on_products, NULL);
    run_for(200);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'store_pg_test'"
        " AND wait_event_type = 'Lock'");
    await(&got.fired);
    ck_assert_int_eq(got.e.kind, ERROR_RETRIABLE);
    sql("ROLLBACK");
}
END_TEST

/* --- outbox
 * -----------------------------------------------------------------------------------------------------------
 */

static void on_claimed(void *arg, const struct outbox_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(rows[i].size, strlen(rows[i].payload));
        if (rows[i].orders > 1)
            buf_printf(&seen, "%d orders from ", (int)rows[i].orders);
        buf_printf(&seen, "%d %s %d %d;", (int)rows[i].order_id, rows[i].payload, rows[i].attempts,
                   rows[i].published);
    }
    got_rows(e);
}

struct claims {
    size_t asked, answered, rows;
    bool taken[1000];
    bool done; /* all are answered */
};

static void on_claimed_by_two(void *arg, const struct outbox_row *rows, size_t n, const struct error *e)
{
    struct claims *c = arg;
    ck_assert(e == NULL);
    for (size_t i = 0; i < n; i++) {
        ck_assert(rows[i].order_id < 1000 && !c->taken[rows[i].order_id]);
        ck_assert_int_eq(rows[i].attempts, 1);
        c->taken[rows[i].order_id] = true;
    }
    c->rows += n;
    c->done = ++c->answered == c->asked;
}

static void on_outbox_state(void *arg, const struct outbox_state *st, const struct error *e)
{
    if (st)
        buf_printf(&seen, "%d %d %d", (int)st->rows, (int)st->parked, (int)(st->oldest_us / 1000000));
    got_rows(e);
}

START_TEST(the_outbox_is_claimed_marked_and_emptied)
{
    READ(outbox_read_state(node.store, on_outbox_state, NULL));
    SEEN("0 0 0");
    sql("INSERT INTO outbox (order_id, payload, created_at, available_at) SELECT g, 'p' || g, "
        "to_timestamp(g),"
        " now() - interval '1 second' FROM generate_series(1, 5) g; UPDATE outbox SET available_at = now() + "
        "interval '1 hour'"
        " WHERE order_id = 5");
    READ(outbox_claim(node.store, 2, 60000, 600000, (const int64_t[]){2}, 1, on_claimed, NULL));
    SEEN("1 p1 1 0;3 p3 1 0;");
    READ(outbox_mark(node.store, 2, 4, on_done, &got));
    READ(outbox_mark(node.store, 2, 1, on_done, &got));
    READ(outbox_park(node.store, 4, "too big", on_done, &got));
    READ(outbox_claim(node.store, 10, 60000, 600000, NULL, 0, on_claimed, NULL));
    SEEN("2 p2 1 5;");
    ck_assert_int_eq(
        sql_i64("SELECT count(*) FROM outbox WHERE order_id IN (1, 2, 3) AND available_at BETWEEN"
                " now() + interval '50 seconds' AND now() + interval '60 seconds'"),
        3);
    sql("UPDATE outbox SET available_at = now(), attempts = 40 WHERE order_id = 3");
    READ(outbox_claim(node.store, 10, 60000, 600000, NULL, 0, on_claimed, NULL));
    SEEN("3 p3 41 0;");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM outbox WHERE order_id = 3 AND available_at BETWEEN"
                             " now() + interval '590 seconds' AND now() + interval '600 seconds'"),
                     1);
    READ(outbox_read_state(node.store, on_outbox_state, NULL));
    SEEN("5 1 1");
    READ(outbox_delete(node.store, (const int64_t[]){1, 2, 3, 99}, 4, on_done, &got));
    READ(outbox_read_state(node.store, on_outbox_state, NULL));
    SEEN("2 1 4");
}
END_TEST

/* A relay takes as many orders as it asked for, however they are packed. */
START_TEST(a_claim_is_of_so_many_orders)
{
    sql("INSERT INTO outbox (order_id, orders, payload, available_at) VALUES (10, 3, 'a', now()), (20, 3, "
        "'b', now()),"
        " (30, 1, 'c', now())");
    READ(outbox_claim(node.store, 4, 60000, 600000, NULL, 0, on_claimed, NULL));
    SEEN("3 orders from 10 a 1 0;3 orders from 20 b 1 0;");
    READ(outbox_claim(node.store, 4, 60000, 600000, NULL, 0, on_claimed, NULL));
    SEEN("30 c 1 0;");
}
END_TEST

START_TEST(two_relays_never_claim_the_same_row)
{
    struct node other;
    struct claims claims = {.asked = 20};
    node_open(&other);
    sql("INSERT INTO outbox (order_id, payload, available_at) SELECT g, '', now() FROM generate_series(1, "
        "900) g");
    for (int i = 0; i < 10; i++) {
        outbox_claim(node.store, 50, 60000, 60000, NULL, 0, on_claimed_by_two, &claims);
        outbox_claim(other.store, 50, 60000, 60000, NULL, 0, on_claimed_by_two, &claims);
    }
    await(&claims.done); /* also those that find nothing: they would claim what the next lines make due */
    ck_assert_uint_eq(claims.rows, 900);
    /* A row that somebody holds is passed over, not waited for. */
    sql("UPDATE outbox SET available_at = now()");
    sql("BEGIN; SELECT FROM outbox WHERE order_id = 1 FOR UPDATE");
    READ(outbox_claim(node.store, 1, 60000, 60000, NULL, 0, on_claimed, NULL));
    SEEN("2  2 0;");
    sql("ROLLBACK");
    node_close(&other);
}
END_TEST

/* --- small records
 * ---------------------------------------------------------------------------------------------------- */

START_TEST(forwarded_documents_are_remembered)
{
    READ(platform_forwarded_insert(node.store, (const int64_t[]){5, 3}, 2, on_done, &got));
    READ(platform_forwarded_insert(node.store, (const int64_t[]){3, 4}, 2, on_done, &got));
    READ(platform_forwarded_read(node.store, (const int64_t[]){6, 5, 4, 1}, 4, on_ids, NULL));
    SEEN("4 5 ");
}
END_TEST

/* --- dead letters
 * ---------------------------------------------------------------------------------------------------- */

static void see_bytes(struct slice s)
{
    if (!s.p)
        buf_puts(&seen, "NULL");
    for (size_t i = 0; i < s.n; i++)
        buf_printf(&seen, "%02x", (unsigned char)s.p[i]);
}

static void on_letters(void *arg, const struct dead_letter_row *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct dead_letter_row *r = &rows[i];
        buf_printf(&seen, "%d %s %s %s %s ", (int)r->id, r->topic, r->group, r->exception, r->reason);
        see_bytes(r->key);
        buf_putc(&seen, ' ');
        see_bytes(r->payload);
        for (size_t k = 0; k < r->nheaders; k++) {
            buf_printf(&seen, " %s=", r->headers[k].name);
            see_bytes(r->headers[k].value);
        }
        buf_putc(&seen, ';');
        ck_assert_int_gt(r->created_at_us, INT64_C(1600000000000000));
    }
    got_rows(e);
}

static void letters_new(void)
{
    const struct dead_letter_header headers[] = {
        {"X-Request-Id", SLICE("\x00\xfe")}, {"a:b c\"\\{}", SLICE("")}, {"", SLICE("x")}};
    const struct dead_letter_row rows[] = {
        {.topic = "orders",
         .group = "g",
         .exception = "java.lang.Exception",
         .reason = "because",
         .key = SLICE("\x00\xff"),
         .payload = SLICE("{\"a\":\"\\\"}"),
         .headers = headers,
         .nheaders = ARRAY_LEN(headers)},
        {.topic = "orders", .group = "", .exception = "", .reason = "because", .payload = SLICE("")},
        {.topic = "coupons", .group = "", .exception = "", .reason = "why", .payload = SLICE("c")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        READ(dead_letter_insert(node.store, &rows[i], on_done, &got));
}

START_TEST(dead_letters_are_any_bytes)
{
    letters_new();
    READ(dead_letter_read(node.store, 0, 2, on_letters, NULL));
    SEEN("1 orders g java.lang.Exception because 00ff 7b2261223a225c227d X-Request-Id=00fe a:b c\"\\{}= =78;"
         "2 orders   because NULL ;");
    READ(dead_letter_read(node.store, 2, 2, on_letters, NULL));
    SEEN("3 coupons   why NULL 63;");
    /* As a rushd of the first schema inserts them. */
    sql("INSERT INTO dead_letters (topic, key, payload, reason) VALUES ('old', NULL, NULL, 'r')");
    READ(dead_letter_read(node.store, 3, 2, on_letters, NULL));
    SEEN("4 old   r NULL NULL;");
}
END_TEST

static void on_redrives(void *arg, const struct dead_letter_redrive *rows, size_t n, const struct error *e)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(&seen, "%s/%d/%d@%d %s%s %d %d %s;", rows[i].id.topic, (int)rows[i].id.partition,
                   (int)rows[i].id.offset, (int)rows[i].id.timestamp_ms,
                   dead_letter_state_word(rows[i].state), rows[i].as_new_request ? " anew" : "",
                   (int)rows[i].ticket, (int)rows[i].sends, rows[i].error ? rows[i].error : "-");
    got_rows(e);
}

START_TEST(redrives_are_remembered)
{
    const char *const both[] = {"a-dlt", "b-dlt", NULL}, *const one[] = {"b-dlt", NULL};
    struct dead_letter_redrive rows[] = {
        {.id = {"b-dlt", 1, 7, 99}, .state = DEAD_LETTER_SENDING},
        {.id = {"a-dlt", 0, 7, -1}, .state = DEAD_LETTER_FAILED, .error = "too \"large\""},
        {.id = {"b-dlt", 1, 7, 100}, .state = DEAD_LETTER_SENT, .as_new_request = true, .ticket = 5},
        {.id = {"c-dlt", 0, 0, 1}, .state = DEAD_LETTER_REQUESTED},
    };
    READ(dead_letter_redrive_write(node.store, rows, ARRAY_LEN(rows), on_done, &got));
    READ(dead_letter_redrives(node.store, both, NULL, 10, on_redrives, NULL));
    SEEN("a-dlt/0/7@-1 FAILED 0 0 too \"large\";b-dlt/1/7@99 SENDING 0 0 -;b-dlt/1/7@100 SENT anew 5 1 -;");
    READ(dead_letter_redrives(node.store, both, &rows[1].id, 1, on_redrives, NULL));
    SEEN("b-dlt/1/7@99 SENDING 0 0 -;");
    /* Sent twice, then on its way once more: that it arrived is not forgotten. */
    rows[0].state = DEAD_LETTER_SENT;
    READ(dead_letter_redrive_write(node.store, rows, 1, on_done, &got));
    READ(dead_letter_redrive_write(node.store, rows, 1, on_done, &got));
    rows[0].state = DEAD_LETTER_SENDING;
    READ(dead_letter_redrive_write(node.store, rows, 1, on_done, &got));
    READ(dead_letter_redrives(node.store, one, NULL, 1, on_redrives, NULL));
    SEEN("b-dlt/1/7@99 SENDING 0 2 -;");
}
END_TEST

static void on_forgotten(void *arg, int64_t forgotten, const struct error *e)
{
    buf_printf(&seen, "%d", (int)forgotten);
    got_rows(e);
}

START_TEST(redrives_are_forgotten_after_a_while)
{
    sql("DELETE FROM dead_letter_redrives;"
        "INSERT INTO dead_letters (id, topic, reason) VALUES (70, 'a', '');"
        "INSERT INTO dead_letter_redrives (topic, \"partition\", \"offset\", timestamp_ms, state, changed_at)"
        " SELECT t, p, o, 1, s, to_timestamp(at) FROM (VALUES ('a-dlt', 0, 70, 'SENT', 1), ('a-dlt', 1, 70, "
        "'SENT', 1),"
        " ('a-dlt', 0, 71, 'FAILED', 2), ('a-dlt', 0, 72, 'SENDING', 1), ('a-dlt', 0, 73, 'REQUESTED', 1),"
        " ('a-dlt', 0, 74, 'SENT', 10)) AS x(t, p, o, s, at)");
    READ(dead_letter_redrive_expire(node.store, 5000000, 1, on_forgotten, NULL));
    SEEN("1");
    READ(dead_letter_redrive_expire(node.store, 5000000, 10, on_forgotten, NULL));
    SEEN("1");
    ck_assert_str_eq(
        sql_text("SELECT string_agg(\"offset\"::text, ',' ORDER BY \"offset\") FROM dead_letter_redrives"),
        "70,72,73,74"); /* on its way, young, or the letter is there */
}
END_TEST

START_TEST(the_worker_claims_what_is_asked_for)
{
    letters_new();
    const char *const topics[] = {"orders-dlt", "coupons-dlt", NULL};
    const struct dead_letter_redrive rows[] = {
        {.id = {"orders-dlt", 0, 2, 1}, .state = DEAD_LETTER_REQUESTED},
        {.id = {"coupons-dlt", 0, 3, 1}, .state = DEAD_LETTER_SENDING},
        {.id = {"orders-dlt", 0, 1, 1}, .state = DEAD_LETTER_SENT},
        {.id = {"coupons-dlt", 0, 2, 1}, .state = DEAD_LETTER_REQUESTED}, /* no such letter */
        {.id = {"orders-dlt", 4, 1, 1}, .state = DEAD_LETTER_REQUESTED},  /* of Kafka */
    };
    READ(dead_letter_redrive_write(node.store, rows, ARRAY_LEN(rows), on_done, &got));
    READ(dead_letter_redrive_claim(node.store, "-dlt", 10, NULL, 0, on_letters, NULL));
    SEEN("2 orders   because NULL ;3 coupons   why NULL 63;");
    READ(dead_letter_redrive_claim(node.store, "-dlt", 10, (const int64_t[]){3}, 1, on_letters, NULL));
    SEEN("2 orders   because NULL ;"); /* the one before died with it */
    READ(dead_letter_redrive_end(node.store, 2, NULL, on_done, &got));
    READ(dead_letter_redrive_end(node.store, 3, "no topic", on_done, &got));
    READ(dead_letter_redrive_end(node.store, 3, NULL, on_done, &got)); /* it has ended */
    READ(dead_letter_redrive_claim(node.store, "-dlt", 10, NULL, 0, on_letters, NULL));
    SEEN("");
    READ(dead_letter_redrives(node.store, topics, NULL, 10, on_redrives, NULL));
    SEEN(
        "coupons-dlt/0/2@1 REQUESTED 0 0 -;coupons-dlt/0/3@1 FAILED 0 0 no topic;orders-dlt/0/1@1 SENT 0 1 -;"
        "orders-dlt/0/2@1 SENT 0 1 -;orders-dlt/4/1@1 REQUESTED 0 0 -;");
}
END_TEST

static void on_expired(void *arg, int64_t keys, int64_t tokens, const struct error *e)
{
    buf_printf(&seen, "%d %d", (int)keys, (int)tokens);
    got_rows(e);
}

START_TEST(old_keys_and_tokens_go_in_small_batches)
{
    sql("INSERT INTO idempotency_keys SELECT 'orders', 1, g::text, '', 200, '', to_timestamp(g) FROM "
        "generate_series(1, 10) g;"
        "INSERT INTO tx_tokens SELECT gen_random_uuid(), to_timestamp(g) FROM generate_series(1, 10) g");
    READ(order_tx_expire(node.store, 6 * 1000000 + 1, 3 * 1000000, 4, on_expired, NULL));
    SEEN("4 2");
    ck_assert_str_eq(sql_text("SELECT string_agg(key, ',' ORDER BY created_at) FROM idempotency_keys"),
                     "5,6,7,8,9,10");
    ck_assert_int_eq(sql_i64("SELECT count(*) FROM tx_tokens"), 8);
}
END_TEST

Suite *store_pg_read_suite(void)
{
    const TTest *const tests[] = {coupons_are_created_and_read,
                                  changes_of_coupons_are_told,
                                  changes_of_users_are_told,
                                  coupons_of_a_user,
                                  users_and_balances,
                                  balance_history_in_pages,
                                  products_and_their_sales,
                                  orders_with_their_lines,
                                  a_read_is_never_unknown,
                                  the_outbox_is_claimed_marked_and_emptied,
                                  a_claim_is_of_so_many_orders,
                                  two_relays_never_claim_the_same_row,
                                  old_keys_and_tokens_go_in_small_batches,
                                  forwarded_documents_are_remembered,
                                  dead_letters_are_any_bytes,
                                  redrives_are_remembered,
                                  redrives_are_forgotten_after_a_while,
                                  the_worker_claims_what_is_asked_for};
    Suite *s = suite_create("store_pg_read");
    TCase *tc = tcase_create("reads");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, free_seen);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
