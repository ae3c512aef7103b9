/* Who is known to be ACTIVE: merged look-ups, remembered no longer than it can be true. */
#include "harness.h"
#include "service/user_cache.h"
#include "service_suites.h"

static struct bench *b;
static struct user_cache *cache;

static void setup(void)
{
    b = bench_new();
    for (int i = 1; i <= 2000; i++)
        fake_user_add(b->store, i, 0);
    cache = user_cache_new(b->loop, b->store);
}

static void teardown(void)
{
    fake_store_close(b->store);
    user_cache_free(cache);
    bench_free(b);
}

struct seen {
    int times;
    bool there, active, named, failed;
};
static struct seen seen[2001];

static void on_user(void *arg, const struct user_row *row, const struct error *e)
{
    struct seen *s = arg;
    s->times++;
    s->there = row != NULL;
    s->active = row && strcmp(row->status, "ACTIVE") == 0;
    s->named = row && row->username;
    s->failed = e->kind != ERROR_NONE;
}

/* Ask for users 1 to n and let the answers come. */
static void ask(int n)
{
    memset(seen, 0, sizeof seen);
    for (int i = 1; i <= n; i++) {
        user_lookup(cache, i, false, on_user, &seen[i]);
        ck_assert_int_eq(seen[i].times, 0);
    }
    fake_loop_settle(b->loop);
}

static size_t reads(void)
{
    return fake_count(b->store, FAKE_USER_READ);
}

START_TEST(look_ups_of_a_turn_share_statements)
{
    ask(1200);
    for (int i = 1; i <= 1200; i++)
        ck_assert(seen[i].times == 1 && seen[i].active && !seen[i].failed);
    ck_assert_uint_eq(reads(), 3); /* 500 of a statement */
}
END_TEST

START_TEST(remembered_for_a_minute_while_changes_are_told)
{
    ask(100);
    ck_assert_uint_eq(reads(), 1);
    fake_loop_pass(b->loop, 59000);
    ask(100);
    ck_assert(seen[100].times == 1 && seen[100].active && user_cache_active(cache, 100));
    ck_assert_uint_eq(reads(), 1);
    fake_loop_pass(b->loop, 1100);
    ck_assert(!user_cache_active(cache, 100));
    ask(100);
    ck_assert_uint_eq(reads(), 2);
}
END_TEST

START_TEST(remembered_for_a_second_while_they_are_not)
{
    b->store->deaf = true;
    ask(100);
    fake_loop_pass(b->loop, 900);
    ask(100);
    ck_assert_uint_eq(reads(), 1);
    fake_loop_pass(b->loop, 200);
    ask(100);
    ck_assert_uint_eq(reads(), 2);
}
END_TEST

START_TEST(a_told_change_counts_at_once)
{
    ask(3);
    fake_user_find(b->store, 2)->active = false;
    fake_user_changed(b->store, 2);
    ck_assert(!user_cache_active(cache, 2) && user_cache_active(cache, 1));
    ask(3);
    ck_assert(seen[1].active && seen[2].there && !seen[2].active && seen[3].active);
    fake_user_find(b->store, 1)->active = false;
    fake_loop_pass(b->loop, 1);
    fake_user_changed(b->store, 0); /* some were missed, or they are many */
    ask(3);
    ck_assert(!seen[1].active && !seen[2].active && seen[3].active);
}
END_TEST

/* An answer that was read before the change and comes after the word of it may be older than the change. */
START_TEST(an_answer_behind_a_change_is_not_remembered)
{
    fake_delay(b->store, FAKE_USER_READ, 50);
    user_lookup(cache, 1, false, on_user, &seen[1]);
    fake_loop_pass(b->loop, 10);
    fake_user_changed(b->store, 1);
    fake_loop_pass(b->loop, 100);
    ck_assert(seen[1].active && !user_cache_active(cache, 1));
}
END_TEST

/* Who may become ACTIVE at any moment, or appear, is not remembered as the opposite. */
START_TEST(only_active_users_are_remembered)
{
    fake_user_find(b->store, 1)->active = false;
    user_lookup(cache, 1, false, on_user, &seen[1]);
    user_lookup(cache, 99999, false, on_user, &seen[2]);
    fake_loop_settle(b->loop);
    ck_assert(seen[1].there && !seen[1].active && !seen[2].there);
    fake_user_find(b->store, 1)->active = true;
    fake_user_add(b->store, 99999, 0);
    user_lookup(cache, 1, false, on_user, &seen[1]);
    user_lookup(cache, 99999, false, on_user, &seen[2]);
    fake_loop_settle(b->loop);
    ck_assert(seen[1].active && seen[2].active);
}
END_TEST

START_TEST(the_whole_row_is_always_read)
{
    ask(1);
    ck_assert(!seen[1].named);
    user_lookup(cache, 1, true, on_user, &seen[1]);
    fake_loop_settle(b->loop);
    ck_assert(seen[1].named);
    ck_assert_uint_eq(reads(), 2);
}
END_TEST

START_TEST(a_failure_is_told_and_not_remembered)
{
    fake_fail(b->store, FAKE_USER_READ, FAKE_RETRIABLE, 1);
    ask(1);
    ck_assert(seen[1].times == 1 && seen[1].failed && !seen[1].there && !user_cache_active(cache, 1));
    ask(1);
    ck_assert(seen[1].active);
}
END_TEST

/* Sets are shared by many ids. */
START_TEST(none_is_taken_for_another)
{
    ask(2000);
    for (int64_t i = 2001; i < 600000; i++)
        fake_user_changed(b->store, i);
    for (int i = 1; i <= 2000; i++)
        ck_assert(user_cache_active(cache, i));
    for (int64_t i = 2001; i < 400000; i++)
        ck_assert(!user_cache_active(cache, i));
}
END_TEST

START_TEST(who_still_waits_at_the_end_is_dropped)
{
    fake_fail(b->store, FAKE_USER_READ, FAKE_HELD, -1);
    memset(seen, 0, sizeof seen);
    user_lookup(cache, 1, false, on_user, &seen[1]);
    fake_loop_pass(b->loop, 1);
    user_lookup(cache, 2, false, on_user, &seen[2]);
    ck_assert_int_eq(seen[1].times + seen[2].times, 0);
}
END_TEST

Suite *user_cache_suite(void)
{
    Suite *s = suite_create("user_cache");
    TCase *tc = tcase_create("users");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, look_ups_of_a_turn_share_statements);
    tcase_add_test(tc, remembered_for_a_minute_while_changes_are_told);
    tcase_add_test(tc, remembered_for_a_second_while_they_are_not);
    tcase_add_test(tc, a_told_change_counts_at_once);
    tcase_add_test(tc, an_answer_behind_a_change_is_not_remembered);
    tcase_add_test(tc, only_active_users_are_remembered);
    tcase_add_test(tc, the_whole_row_is_always_read);
    tcase_add_test(tc, a_failure_is_told_and_not_remembered);
    tcase_add_test(tc, none_is_taken_for_another);
    tcase_add_test(tc, who_still_waits_at_the_end_is_dropped);
    suite_add_tcase(s, tc);
    return s;
}
