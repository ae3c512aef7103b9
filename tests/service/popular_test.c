/* The list of popular products: from the ranking in Redis, and from PostgreSQL alone while Redis cannot tell (service/popular.c). */
#include "base/clock.h"
#include "harness.h"
#include "service/sales.h"
#include "service_suites.h"
#include "store/redis_mark.h"

static struct bench *b;
static struct popular *popular;

static void sold(int64_t product_id, int64_t quantity)
{
    *FAKE_ADD(&b->store->sales) =
        (struct order_tx_sale){.product_id = product_id, .quantity = quantity, .amount = 100 * quantity};
    struct fake_product *p = fake_product_find(b->store, product_id);
    p->opening += quantity;
}

static void on_counted(void *arg, int64_t counted, const struct error *e)
{
    ck_assert(!e);
}

/* What the consumer has counted so far. */
static void counted(int64_t product_id, int64_t order_id, int64_t quantity)
{
    const struct ranking_sale sale = {product_id, order_id, order_id, quantity, clock_real_us()};
    ranking_apply(b->store, "t", 0, -1, &sale, 1, clock_real_us(), 4, on_counted, NULL);
    fake_loop_settle(b->loop);
}

static void on_marked(void *arg, const struct redis_mark *m, const struct error *e)
{
    ck_assert(!e);
    *(enum redis_mark_state *)arg = m->state;
}

static void ranking_is_whole(void)
{
    enum redis_mark_state state = REDIS_MARK_NONE;
    redis_mark_whole(b->store, b->store->mark.generation ? b->store->mark.generation : 1, on_marked, &state);
    fake_loop_settle(b->loop);
    ck_assert_int_eq(state, REDIS_MARK_WHOLE);
}

static void setup(void)
{
    b = bench_new();
    popular = popular_new(b->loop, b->store, 3, 2);
    for (int i = 1; i <= 3; i++)
        fake_product_add(b->store, i, 100, 10);
}

static void teardown(void)
{
    for (size_t i = 0; i < b->store->sales.n; i++) { /* there were no orders: the books go without them */
        struct fake_product *p = fake_product_find(b->store, b->store->sales.at[i].product_id);
        p->opening = p->stock;
    }
    b->store->sales.n = 0;
    fake_store_close(b->store);
    popular_free(popular);
    bench_free(b);
}

static char seen[200];

static void on_list(void *arg, const struct popular_product *list, size_t n, const struct error *e)
{
    struct buf text = BUF_INIT;
    ck_assert_str_eq(seen, "");
    if (e->kind != ERROR_NONE)
        buf_puts(&text, e->code);
    for (size_t i = 0; i < n && e->kind == ERROR_NONE; i++)
        buf_printf(&text, "%d:%lldx%lld ", list[i].rank, (long long)list[i].product_id,
                   (long long)list[i].recent_count);
    str_copy(seen, sizeof seen, n || e->kind != ERROR_NONE ? buf_str(&text) : "none");
    buf_free(&text);
}

/* After the second for which the last list is kept. */
static void shows(const char *expected)
{
    fake_loop_pass(b->loop, 1100);
    *seen = '\0';
    popular_get(popular, on_list, NULL);
    ck_assert_str_eq(seen, "");
    fake_loop_pass(b->loop, 50);
    ck_assert_str_eq(seen, expected);
}

START_TEST(from_the_ranking)
{
    ranking_is_whole();
    shows("none");
    counted(2, 1, 5);
    counted(3, 2, 7);
    counted(1, 3, 6);
    shows("1:3x7 2:1x6 ");
    ck_assert_uint_eq(fake_count(b->store, FAKE_SALES_TOP), 0);
}
END_TEST

START_TEST(from_the_database_while_redis_cannot_tell)
{
    sold(1, 4);
    sold(2, 9);
    sold(3, 9);
    counted(1, 1, 4);
    shows("1:2x9 2:3x9 "); /* not known to be whole */
    ranking_is_whole();
    shows("1:1x4 ");
    fake_fail(b->store, FAKE_RANKING_TOP, FAKE_RETRIABLE, 1);
    shows("1:2x9 2:3x9 ");
    fake_fail(b->store, FAKE_REDIS_MARK, FAKE_UNKNOWN_LOST, 1);
    shows("1:2x9 2:3x9 ");
    shows("1:1x4 ");
    fake_redis_lost(b->store);
    counted(1, 2, 1); /* the consumer goes on */
    shows("1:2x9 2:3x9 ");
    fake_redis_marked(b->store); /* lines, not the ranking */
    b->store->mark.ranked = false;
    shows("1:2x9 2:3x9 ");
    ranking_is_whole();
    shows("1:1x1 ");
}
END_TEST

START_TEST(nobody_can_tell)
{
    sold(1, 4);
    fake_fail(b->store, FAKE_RANKING_TOP, FAKE_RETRIABLE, -1);
    fake_fail(b->store, FAKE_SALES_TOP, FAKE_RETRIABLE, 1);
    shows("AWAY");
    fake_fail(b->store, FAKE_SALES_READ, FAKE_RETRIABLE, 1);
    shows("AWAY");
    shows("1:1x4 ");
}
END_TEST

START_TEST(freed_in_the_middle)
{
    static const enum fake_call calls[] = {FAKE_RANKING_TOP, FAKE_REDIS_MARK, FAKE_SALES_TOP,
                                           FAKE_PRODUCT_READ};
    sold(1, 4);
    fake_fail(b->store, calls[_i], FAKE_HELD, -1);
    *seen = '\0';
    popular_get(popular, on_list, NULL);
    fake_loop_pass(b->loop, 50);
    ck_assert_str_eq(seen, "");
}
END_TEST

Suite *popular_suite(void)
{
    Suite *s = suite_create("popular");
    TCase *t = tcase_create("popular");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, from_the_ranking);
    tcase_add_test(t, from_the_database_while_redis_cannot_tell);
    tcase_add_test(t, nobody_can_tell);
    tcase_add_loop_test(t, freed_in_the_middle, 0, 4);
    suite_add_tcase(s, t);
    return s;
}
