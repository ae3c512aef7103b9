/* What coupon_line.h promises, on Redis and on the fake alike. */
#include "contract.h"

#include <stdio.h>

#include "store/rebuild.h"

static int64_t user(int64_t i)
{
    return 1000 + i;
}

/* Users 1001 .. 1000 + n, in this order, requestedAt into at[0 .. n - 1] unless NULL. */
static void fill(int n, int64_t *at)
{
    struct added *a = mem_array((size_t)n, sizeof *a);
    for (int i = 0; i < n; i++)
        send_add(&a[i], COUPON, user(i + 1));
    for (int i = 0; i < n; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.answer, COUPON_LINE_ACCEPTED);
        if (at)
            at[i] = a[i].t.requested_at_us;
    }
    mem_free(a);
}

static void check_users(const struct taken *t, int64_t first, size_t n)
{
    ck_assert_uint_eq(t->t.n, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(t->m[i].user_id, user(first) + (int64_t)i);
}

static bool listed(void)
{
    int64_t ids[10];
    size_t n = list(ids, 10);
    for (size_t i = 0; i < n; i++)
        if (ids[i] == COUPON)
            return true;
    return false;
}

/* --- accept -------------------------------------------------------------------------------------------------------------- */

#define MANY 1500

START_TEST(tickets_without_gaps_and_scores_that_grow)
{
    static struct added a[MANY];
    for (int i = 0; i < MANY; i++)
        send_add(&a[i], COUPON, user(i));
    for (int i = 0; i < MANY; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.answer, COUPON_LINE_ACCEPTED);
        ck_assert_int_eq(a[i].t.ticket, i + 1);
        ck_assert_int_eq(a[i].t.position, i + 1);
        ck_assert_int_eq(a[i].t.size, i + 1);
        if (i)
            ck_assert_int_gt(a[i].t.requested_at_us, a[i - 1].t.requested_at_us);
    }
    ck_assert_int_lt(a[0].t.requested_at_us, contract_now_us() + 1000000);
    ck_assert_int_gt(a[0].t.requested_at_us, contract_now_us() - 60000000);
    int64_t epoch = 0;
    for (int i = 0; i < MANY;) {
        const struct taken *t = take("a", epoch, WINDOW, 400);
        epoch = t->t.epoch;
        ck_assert_uint_gt(t->t.n, 0);
        for (size_t k = 0; k < t->t.n; k++, i++) {
            ck_assert_int_eq(t->m[k].user_id, user(i));
            ck_assert_int_eq(t->m[k].requested_at_us, a[i].t.requested_at_us);
            ck_assert_int_eq(t->m[k].ticket, i + 1);
        }
    }
}
END_TEST

START_TEST(a_clock_that_steps_back)
{
    int64_t ahead = contract_now_us() + INT64_C(3600) * 1000000;
    contract_last_score(COUPON, ahead);
    for (int i = 1; i <= 50; i++)
        ck_assert_int_eq(accepted(user(i)).requested_at_us, ahead + i);
    contract_outside_add(COUPON, SLICE("77"), "5");
    const struct taken *t = take("a", 0, WINDOW, 100);
    ck_assert_uint_eq(t->t.n, 51);
    ck_assert_int_eq(t->m[0].user_id, 77);
    ck_assert_int_eq(t->m[0].requested_at_us, ahead + 51);
    for (int i = 1; i <= 50; i++)
        ck_assert_int_eq(t->m[i].user_id, user(i));
    ck_assert_int_eq(accepted(user(60)).requested_at_us, ahead + 52);
}
END_TEST

static struct coupon_line_ticket add_as(int64_t user_id, bool acceptable, int64_t max_waiting)
{
    struct added a = {0};
    coupon_line_add(contract_store, COUPON, user_id, acceptable, max_waiting, TTL_MS, on_added, &a);
    AWAIT_OK(&a);
    return a.t;
}

START_TEST(answers_in_the_order_of_the_contract)
{
    int64_t at = accepted(1).requested_at_us;
    ck_assert_int_eq(add_as(2, false, 10).answer, COUPON_LINE_REFUSED);
    ck_assert_int_eq(add_as(1, false, 10).answer, COUPON_LINE_REFUSED); /* verdict before pending */
    ck_assert_int_eq(add_as(1, true, 1).answer, COUPON_LINE_PENDING);   /* pending before full */
    struct coupon_line_ticket full = add_as(2, true, 1);
    ck_assert_int_eq(full.answer, COUPON_LINE_FULL);
    ck_assert_int_eq(full.size, 1);
    ck_assert_int_eq(add_as(2, true, 2).ticket, 2); /* a refused request takes no number */
    decided(1, at, true, 11);
    ck_assert_int_eq(add_as(1, false, 1).answer, COUPON_LINE_ISSUED); /* issued before all */
    ck_assert_int_eq(add_as(1, true, 0).answer, COUPON_LINE_ISSUED);
    ck_assert_int_eq(standing_of(1).user_coupon_id, 11); /* refused: nothing changed */
}
END_TEST

START_TEST(pending_until_decided)
{
    int64_t at = accepted(1).requested_at_us;
    ck_assert_int_eq(add(1).answer, COUPON_LINE_PENDING);
    const struct taken *t = take("a", 0, WINDOW, 10);
    int64_t epoch = t->t.epoch;
    ck_assert_int_eq(add(1).answer, COUPON_LINE_PENDING);
    published(epoch, t->m, 1);
    ck_assert_int_eq(add(1).answer, COUPON_LINE_PENDING);
    decided(1, at, false, 0);
    ck_assert(standing_of(1).has_result);
    struct coupon_line_ticket again = accepted(1);
    ck_assert_int_eq(again.ticket, 2);
    ck_assert_int_gt(again.requested_at_us, at);
    struct standing s = standing_of(1); /* the old failure is not shown for the new request */
    ck_assert(!s.has_result && s.pending);
    ck_assert_int_eq(s.ticket, 2);
    ck_assert_int_eq(s.position, 1);
}
END_TEST

START_TEST(cancel_only_in_line)
{
    struct coupon_line_ticket t1 = accepted(1), t2 = accepted(2), t3 = accepted(3);
    ck_assert(!cancel(2, t2.requested_at_us + 1));
    ck_assert(!cancel(9, t2.requested_at_us));
    ck_assert(cancel(2, t2.requested_at_us));
    ck_assert(!cancel(2, t2.requested_at_us));
    ck_assert(!standing_of(2).pending);
    ck_assert(cancel(3, t3.requested_at_us)); /* the last number goes back */
    struct coupon_line_ticket t4 = accepted(4);
    ck_assert_int_eq(t4.ticket, 3);
    ck_assert_int_gt(t4.requested_at_us, t3.requested_at_us);
    ck_assert_int_eq(t4.position, 2);
    const struct taken *t = take("a", 0, WINDOW, 1);
    ck_assert_int_eq(t->m[0].user_id, 1);
    ck_assert(!cancel(1, t1.requested_at_us));
    published(t->t.epoch, t->m, 1);
    ck_assert(!cancel(1, t1.requested_at_us));
    ck_assert(standing_of(1).pending);
}
END_TEST

/* --- members from outside --------------------------------------------------------------------------------------------------- */

START_TEST(outside_members_by_score)
{
    static const char *const scores[] = {"-inf",       "-5",           "0",     "1700000000",
                                         "1700000001", "1700000001.5", "1e300", "inf"};
    for (size_t i = 0; i < ARRAY_LEN(scores); i++) { /* added backwards */
        size_t k = ARRAY_LEN(scores) - 1 - i;
        char member[24];
        snprintf(member, sizeof member, k % 2 ? "\"%zu\"" : "%zu", 101 + k);
        contract_outside_add(COUPON, slice_of(member), scores[k]);
    }
    int64_t now = contract_now_us();
    struct coupon_line_ticket own = accepted(500); /* behind those of the past */
    ck_assert_int_eq(own.position, 7);
    const struct taken *t = take("a", 0, WINDOW, 5);
    check_users(t, 101 - 1000, 5);
    int64_t epoch = t->t.epoch, last = 0, requested[5];
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(t->m[i].ticket, 0);
        ck_assert_int_gt(t->m[i].requested_at_us, last);
        ck_assert_int_gt(t->m[i].requested_at_us, now - 1000000);
        last = requested[i] = t->m[i].requested_at_us;
    }
    ck_assert_int_gt(requested[0], own.requested_at_us);
    struct coupon_line_member back[5];
    memcpy(back, t->m, sizeof back);
    put_back(epoch, back, 5);
    t = take("a", epoch, WINDOW, 100);
    ck_assert_uint_eq(t->t.n, 9);
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(t->m[i].user_id, i < 6 ? 101 + i : i == 6 ? 500 : 100 + i);
    for (int i = 0; i < 5; i++) /* what they got when they were taken first stays theirs */
        ck_assert_int_eq(t->m[i].requested_at_us, requested[i]);
    ck_assert_int_eq(t->t.invalid, 0);
}
END_TEST

START_TEST(junk_is_removed_and_counted)
{
    static const struct slice junk[] = {
        SLICE("abc"),
        SLICE(""),
        SLICE("-5"),
        SLICE("0"),
        SLICE("000"),
        SLICE("\"\""),
        SLICE("\"0\""),
        SLICE("\"12"),
        SLICE("1.5"),
        SLICE(" 12"),
        SLICE("12 "),
        SLICE("+12"),
        SLICE("1e3"),
        SLICE("12\0"),
        SLICE("1\0002"),
        SLICE("9223372036854775808"),
        SLICE("18446744073709551617"),
        SLICE("99999999999999999999999999999999999999999"),
    };
    for (size_t i = 0; i < ARRAY_LEN(junk); i++)
        contract_outside_add(COUPON, junk[i], "3");
    contract_outside_add(COUPON, SLICE("00123"), "4");
    contract_outside_add(COUPON, SLICE("\"0456\""), "5");
    contract_outside_add(COUPON, SLICE("9223372036854775807"), "6");
    const struct taken *t = take("a", 0, WINDOW, 100);
    ck_assert_int_eq(t->t.invalid, ARRAY_LEN(junk));
    ck_assert_uint_eq(t->t.n, 3);
    ck_assert_int_eq(t->m[0].user_id, 123);
    ck_assert_int_eq(t->m[1].user_id, 456);
    ck_assert_int_eq(t->m[2].user_id, INT64_MAX);
    ck_assert_int_eq(t->t.waiting, 0);
    ck_assert_int_eq(t->t.in_flight, 3);
    ck_assert_int_eq(take("a", t->t.epoch, WINDOW, 100)->t.invalid, 0);
}
END_TEST

START_TEST(junk_does_not_end_the_line)
{
    for (int i = 0; i < 30; i++) {
        char member[16];
        snprintf(member, sizeof member, "x%d", i);
        contract_outside_add(COUPON, slice_of(member), "1");
    }
    accepted(5);
    int64_t epoch = 0, invalid = 0;
    size_t found = 0;
    for (int i = 0; i < 10 && !found; i++) { /* a call may find nothing but junk: it says that members wait */
        const struct taken *t = take("a", epoch, WINDOW, 10);
        epoch = t->t.epoch;
        invalid += t->t.invalid;
        found = t->t.n;
        ck_assert(found || t->t.waiting);
    }
    ck_assert_uint_eq(found, 1);
    ck_assert_int_eq(invalid, 30);
}
END_TEST

START_TEST(one_user_in_several_spellings)
{
    /* His own request keeps its place and number, whatever else is there. */
    struct coupon_line_ticket before = accepted(1), own = accepted(1001);
    contract_outside_add(COUPON, SLICE("\"1001\""), "5");
    contract_outside_add(COUPON, SLICE("01001"), "6");
    /* Only from outside: the first place counts. */
    contract_outside_add(COUPON, SLICE("\"2002\""), "7");
    contract_outside_add(COUPON, SLICE("2002"), "8");
    const struct taken *t = take("a", 0, WINDOW, 100);
    ck_assert_uint_eq(t->t.n, 3);
    ck_assert_int_eq(t->t.invalid, 3);
    ck_assert_int_eq(t->m[0].user_id, 2002);
    ck_assert_int_eq(t->m[1].requested_at_us, before.requested_at_us);
    ck_assert_int_eq(t->m[2].requested_at_us, own.requested_at_us);
    ck_assert_int_eq(t->m[2].ticket, 2);
    /* Whoever is in flight does not come again. */
    contract_outside_add(COUPON, SLICE("1001"), "9");
    contract_outside_add(COUPON, SLICE("\"2002\""), "9");
    t = take("a", t->t.epoch, WINDOW, 100);
    ck_assert_uint_eq(t->t.n, 0);
    ck_assert_int_eq(t->t.invalid, 2);
    ck_assert_int_eq(t->t.in_flight, 3);
}
END_TEST

START_TEST(spellings_apart)
{
    /* The same with every spelling in a call of its own. */
    struct coupon_line_ticket own = accepted(1001);
    contract_outside_add(COUPON, SLICE("\"1001\""), "5");
    contract_outside_add(COUPON, SLICE("\"2002\""), "7");
    contract_outside_add(COUPON, SLICE("2002"), "8");
    int64_t epoch = 0, invalid = 0;
    struct coupon_line_member got[4];
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        const struct taken *t = take("a", epoch, WINDOW, 1);
        epoch = t->t.epoch;
        invalid += t->t.invalid;
        ck_assert_uint_le(t->t.n, 1);
        if (t->t.n)
            got[n++] = t->m[0];
    }
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(invalid, 2);
    ck_assert_int_eq(got[0].user_id, 2002);
    ck_assert_int_eq(got[1].requested_at_us, own.requested_at_us);
}
END_TEST

START_TEST(outside_members_are_pending)
{
    contract_outside_add(COUPON, SLICE("11"), "5");
    contract_outside_add(COUPON, SLICE("\"12\""), "6");
    ck_assert_int_eq(add(11).answer, COUPON_LINE_PENDING);
    ck_assert_int_eq(add(12).answer, COUPON_LINE_PENDING);
    struct standing s = standing_of(12);
    ck_assert(s.pending && s.position == 2 && s.size == 2 && s.ticket == 0);
    const struct taken *t = take("a", 0, WINDOW, 10);
    int64_t at = t->m[1].requested_at_us;
    ck_assert_int_eq(add(12).answer, COUPON_LINE_PENDING);
    s = standing_of(12);
    ck_assert(s.pending && s.position == 0 && s.requested_at_us == at);
    decided(12, at, true, 4);
    ck_assert_int_eq(add(12).answer, COUPON_LINE_ISSUED);
}
END_TEST

START_TEST(taken_out_by_another_program)
{
    int64_t at = accepted(1).requested_at_us;
    accepted(2);
    contract_outside_remove(COUPON, "1");
    ck_assert(!standing_of(1).pending);
    /* Not blocked: he may ask anew, at the end of the line. */
    struct coupon_line_ticket t = accepted(1);
    ck_assert_int_eq(t.ticket, 3);
    ck_assert_int_eq(t.position, 2);
    ck_assert_int_eq(standing_of(1).requested_at_us, t.requested_at_us);
    /* The event that the other program made of the old member decides; the failure is shown. */
    contract_outside_remove(COUPON, "2");
    decided(2, at + 5000000, false, 1);
    struct standing s = standing_of(2);
    ck_assert(s.has_result && !s.success && !s.pending);
}
END_TEST

/* --- drain ------------------------------------------------------------------------------------------------------------------ */

START_TEST(window_and_limit)
{
    fill(30, NULL);
    const struct taken *t = take("a", 0, 20, 8);
    ck_assert(t->t.owner && t->t.epoch > 0);
    check_users(t, 1, 8);
    ck_assert_int_eq(t->t.waiting, 22);
    ck_assert_int_eq(t->t.in_flight, 8);
    int64_t epoch = t->t.epoch;
    t = take("a", epoch, 20, 0);
    ck_assert_int_eq(t->t.epoch, epoch);
    ck_assert_uint_eq(t->t.n, 0);
    t = take("a", epoch, 20, 100);
    check_users(t, 9, 12);
    ck_assert_int_eq(t->t.in_flight, 20);
    t = take("a", epoch, 20, 100);
    ck_assert_uint_eq(t->t.n, 0);
    t = take("a", epoch, 5, 100); /* a window made smaller */
    ck_assert_uint_eq(t->t.n, 0);
    ck_assert_int_eq(t->t.waiting, 10);
    decided(1003, standing_of(1003).requested_at_us, false, 0);
    t = take("a", epoch, 20, 100);
    check_users(t, 21, 1);
}
END_TEST

START_TEST(a_call_moves_a_bounded_number)
{
    fill(1200, NULL);
    const struct taken *t = take("a", 0, WINDOW, 5000);
    check_users(t, 1, 500);
    t = take("a", t->t.epoch, WINDOW, 5000);
    check_users(t, 501, 500);
    t = take("a", t->t.epoch, WINDOW, 5000);
    check_users(t, 1001, 200);
    int64_t first = t->t.epoch;
    /* Back again: 500 each call, none taken before all are there, and with the old reports still coming in. */
    contract_lease_ends(COUPON);
    t = take("b", 0, WINDOW, 5000);
    int64_t epoch = t->t.epoch;
    ck_assert_int_gt(epoch, first);
    ck_assert(t->t.unfinished);
    ck_assert_uint_eq(t->t.n, 0);
    ck_assert_int_eq(t->t.put_back, 500);
    ck_assert_uint_eq(stale("b", epoch, -1, -1, 100)->t.n, 0);
    t = take("b", epoch, WINDOW, 5000);
    ck_assert(t->t.unfinished);
    ck_assert_int_eq(t->t.waiting, 1000);
    t = take("b", epoch, WINDOW, 5000);
    ck_assert(!t->t.unfinished);
    ck_assert_int_eq(t->t.put_back, 200);
    check_users(t, 1, 500);
    check_users(take("b", epoch, WINDOW, 5000), 501, 500);
    check_users(take("b", epoch, WINDOW, 5000), 1001, 200);
}
END_TEST

START_TEST(one_owner_at_a_time)
{
    fill(4, NULL);
    const struct taken *t = take_lease("a", 0, 1, 80);
    int64_t first = t->t.epoch;
    ck_assert(!take("b", 0, WINDOW, 10)->t.owner);
    ck_assert(!take("b", first, WINDOW, 10)->t.owner); /* the epoch is not the owner's name */
    ck_assert_int_eq(take("b", 0, WINDOW, 10)->t.n, 0);
    contract_pass(40);
    ck_assert_int_eq(take_lease("a", first, 0, 80)->t.epoch, first); /* renewed */
    contract_pass(50);
    ck_assert(!take("b", 0, WINDOW, 10)->t.owner);
    contract_pass(80);
    t = take_lease("b", 0, 10, 80); /* expired */
    ck_assert(t->t.owner);
    ck_assert_int_gt(t->t.epoch, first);
    ck_assert_int_eq(t->t.put_back, 1);
    check_users(t, 1, 4);
    ck_assert(!take("a", first, WINDOW, 10)->t.owner);
}
END_TEST

START_TEST(new_epoch_returns_what_is_not_published)
{
    int64_t at[6];
    fill(6, at);
    const struct taken *t = take("a", 0, WINDOW, 5);
    int64_t first = t->t.epoch;
    const struct coupon_line_member good[] = {t->m[1], t->m[3]}, late[] = {t->m[0]};
    published(first, good, 2);
    contract_lease_ends(COUPON);
    t = take("b", 0, WINDOW, 2);
    ck_assert_int_eq(t->t.put_back, 3);
    ck_assert_uint_eq(t->t.n, 2);
    ck_assert_int_eq(t->m[0].user_id, 1001);
    ck_assert_int_eq(t->m[0].requested_at_us, at[0]);
    ck_assert_int_eq(t->m[1].user_id, 1003);
    ck_assert_int_eq(t->m[1].ticket, 3);
    int64_t second = t->t.epoch;
    published(first, late, 1); /* too late: another epoch has it */
    contract_lease_ends(COUPON);
    t = take("b", second, WINDOW, 10);
    ck_assert_int_gt(t->t.epoch, second);
    ck_assert_int_eq(t->t.put_back, 2);
    ck_assert_uint_eq(t->t.n, 4);
    static const int64_t want[] = {1001, 1003, 1005, 1006};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(t->m[i].user_id, want[i]);
    ck_assert_int_eq(t->t.in_flight, 6);
}
END_TEST

START_TEST(lost_reply_of_take)
{
    fill(3, NULL);
    const struct taken *t = take("a", 0, WINDOW, 2); /* this reply is lost */
    int64_t first = t->t.epoch;
    t = take("a", 0, WINDOW, 2); /* the same owner asks for a new epoch while its lease runs */
    ck_assert(t->t.owner);
    ck_assert_int_gt(t->t.epoch, first);
    ck_assert_int_eq(t->t.put_back, 2);
    check_users(t, 1, 2);
    t = take("a", first, WINDOW, 2); /* an epoch of the past is a new one as well */
    ck_assert_int_eq(t->t.put_back, 2);
    check_users(t, 1, 2);
}
END_TEST

START_TEST(published_only_for_its_epoch)
{
    fill(3, NULL);
    const struct taken *t = take("a", 0, WINDOW, 2);
    int64_t epoch = t->t.epoch;
    const struct coupon_line_member m[] = {t->m[0], t->m[1]};
    struct coupon_line_member other = t->m[0], waiting = {.user_id = 1003, .requested_at_us = 1};
    other.requested_at_us++;
    published(epoch + 1, m, 2);
    published(epoch, &other, 1);
    published(epoch, &waiting, 1);
    published(epoch, &m[1], 1);
    published(epoch, &m[1], 1); /* twice is harmless */
    contract_lease_ends(COUPON);
    t = take("b", 0, WINDOW, 10);
    ck_assert_int_eq(t->t.put_back, 1);
    ck_assert_uint_eq(t->t.n, 2);
    ck_assert_int_eq(t->m[0].user_id, 1001);
    ck_assert_int_eq(t->m[1].user_id, 1003);
}
END_TEST

START_TEST(put_back_only_for_its_epoch)
{
    int64_t at[4];
    fill(4, at);
    const struct taken *t = take("a", 0, WINDOW, 3);
    int64_t epoch = t->t.epoch;
    const struct coupon_line_member m[] = {t->m[0], t->m[1], t->m[2]};
    struct coupon_line_member other = t->m[0];
    other.requested_at_us--;
    published(epoch, &m[1], 1);
    put_back(epoch + 1, m, 3);
    put_back(epoch, &other, 1);
    ck_assert_uint_eq(take("a", epoch, WINDOW, 0)->t.waiting, 1);
    put_back(epoch, m, 3);
    t = take("a", epoch, WINDOW, 10);
    ck_assert_uint_eq(t->t.n, 3);
    ck_assert_int_eq(t->m[0].requested_at_us, at[0]);
    ck_assert_int_eq(t->m[1].requested_at_us, at[2]);
    ck_assert_int_eq(t->m[2].requested_at_us, at[3]);
    ck_assert_int_eq(t->m[0].ticket, 1);
    put_back(epoch, t->m, 3);
    ck_assert_int_eq(standing_of(1001).position, 1);
    ck_assert(cancel(1001, at[0]));
}
END_TEST

START_TEST(more_than_one_part)
{
    fill(1200, NULL);
    struct coupon_line_member *m = mem_array(1200, sizeof *m);
    int64_t epoch = 0;
    for (size_t n = 0; n < 1200;) {
        const struct taken *t = take("a", epoch, WINDOW, 1000);
        memcpy(m + n, t->m, t->t.n * sizeof *m);
        n += t->t.n;
        epoch = t->t.epoch;
    }
    published(epoch, m, 700);
    put_back(epoch, m, 1200);
    ck_assert_int_eq(take("a", epoch, WINDOW, 0)->t.waiting, 500);
    struct coupon_line_result *r = mem_array(1200, sizeof *r);
    for (int i = 0; i < 1200; i++)
        r[i] = (struct coupon_line_result){COUPON, m[i].user_id, m[i].requested_at_us, i % 2 == 0,
                                           i % 2 ? "{\"success\":false,\"userCouponId\":1}"
                                                 : "{\"success\":true,\"userCouponId\":2}"};
    r[1199].coupon_id = COUPON + 1;
    struct answer a = {0};
    coupon_line_decided(contract_store, r, 1200, 1800000, 1800000, on_answer, &a);
    AWAIT_OK(&a);
    const struct taken *t = take("a", epoch, WINDOW, 1000);
    ck_assert_uint_eq(t->t.n, 1); /* the one whose result was of another coupon */
    ck_assert_int_eq(t->t.in_flight, 1);
    for (int i = 0; i < 1199; i += 137)
        ck_assert_int_eq(standing_of(m[i].user_id).success, i % 2 == 0);
    mem_free(r);
    mem_free(m);
}
END_TEST

START_TEST(stale_members_are_found)
{
    int64_t at[5];
    fill(5, at);
    const struct taken *t = take("a", 0, WINDOW, 4);
    int64_t epoch = t->t.epoch;
    published(epoch, &t->m[1], 2);
    ck_assert_uint_eq(stale("a", epoch, 50, 1000, 10)->t.n, 0);
    contract_pass(60);
    ck_assert_uint_eq(stale("b", epoch, 50, 1000, 10)->t.n, 0);
    ck_assert_uint_eq(stale("a", epoch + 1, 50, 1000, 10)->t.n, 0);
    t = stale("a", epoch, 50, 1000, 1);
    check_users(t, 2, 1);
    t = stale("a", epoch, 50, 1000, 10);
    check_users(t, 3, 1);
    ck_assert_int_eq(t->m[0].requested_at_us, at[2]);
    ck_assert_int_eq(t->m[0].ticket, 3);
    ck_assert_uint_eq(stale("a", epoch, 50, 1000, 10)->t.n, 0); /* their time starts anew */
    t = stale("a", epoch, 50, 50, 10);                          /* taken, and no report came */
    ck_assert_uint_eq(t->t.n, 2);
    ck_assert_int_eq(t->m[0].user_id, 1001);
    ck_assert_int_eq(t->m[1].user_id, 1004);
    contract_pass(60);
    check_users(stale("a", epoch, 50, 50, 10), 1, 4); /* in line order */
    /* They count as taken: a new epoch puts them back. */
    contract_lease_ends(COUPON);
    t = take("b", 0, WINDOW, 10);
    ck_assert_int_eq(t->t.put_back, 4);
    check_users(t, 1, 5);
}
END_TEST

START_TEST(stale_of_an_older_epoch)
{
    fill(2, NULL);
    const struct taken *t = take("a", 0, WINDOW, 2);
    published(t->t.epoch, t->m, 2);
    contract_lease_ends(COUPON);
    t = take("b", 0, WINDOW, 2);
    int64_t epoch = t->t.epoch;
    ck_assert_int_eq(t->t.put_back, 0);
    t = stale("b", epoch, -1, -1, 10);
    check_users(t, 1, 2);
    published(epoch, t->m, 2); /* now of this epoch */
    contract_lease_ends(COUPON);
    ck_assert_int_eq(take("c", 0, WINDOW, 2)->t.put_back, 0);
}
END_TEST

START_TEST(release_ends_the_own_lease)
{
    fill(1, NULL);
    int64_t epoch = take("a", 0, WINDOW, 0)->t.epoch;
    release("b", epoch);
    release("a", epoch + 1);
    ck_assert(!take("b", 0, WINDOW, 0)->t.owner);
    release("a", epoch);
    ck_assert_int_eq(take("b", 0, WINDOW, 0)->t.epoch, epoch + 1);
}
END_TEST

/* --- results ------------------------------------------------------------------------------------------------------------------ */

START_TEST(decision_removes_its_own_records)
{
    int64_t at[3];
    fill(3, at);
    const struct taken *t = take("a", 0, WINDOW, 2);
    int64_t epoch = t->t.epoch;
    published(epoch, t->m, 1);
    decided(1001, at[0], false, 5); /* published */
    decided(1002, at[1], true, 6);  /* taken: the report is late */
    decided(1003, at[2], true, 7);  /* put back, though it had arrived */
    t = take("a", epoch, WINDOW, 10);
    ck_assert_uint_eq(t->t.n, 0);
    ck_assert_int_eq(t->t.waiting, 0);
    ck_assert_int_eq(t->t.in_flight, 0);
    ck_assert_uint_eq(stale("a", epoch, -1, -1, 10)->t.n, 0);
    ck_assert(!listed());
    ck_assert_int_eq(standing_of(1001).user_coupon_id, 5);
    ck_assert(standing_of(1002).success && !standing_of(1002).pending);
    ck_assert_int_eq(add(1002).answer, COUPON_LINE_ISSUED);
    ck_assert_int_eq(add(1001).answer, COUPON_LINE_ACCEPTED);
}
END_TEST

START_TEST(newer_request_is_left_alone)
{
    int64_t at = accepted(1).requested_at_us;
    decided(1, at, false, 1);
    int64_t newer = accepted(1).requested_at_us;
    decided(1, at, false, 1); /* delivered again */
    struct standing s = standing_of(1);
    ck_assert(s.pending && !s.has_result && s.requested_at_us == newer && s.position == 1);
    const struct taken *t = take("a", 0, WINDOW, 1);
    decided(1, at, false, 1);
    ck_assert(!standing_of(1).has_result);
    published(t->t.epoch, t->m, 1);
    decided(1, at, false, 1);
    ck_assert(!standing_of(1).has_result && standing_of(1).pending);
    ck_assert_int_eq(take("a", t->t.epoch, WINDOW, 1)->t.in_flight, 1);
    decided(1, at, true, 2); /* SUCCESS always; the newer one goes on to its own decision */
    s = standing_of(1);
    ck_assert(s.has_result && s.success && s.pending);
    decided(1, newer, false, 3);
    s = standing_of(1);
    ck_assert(s.success && !s.pending && s.user_coupon_id == 2); /* a holder is not told that he failed */
    ck_assert_int_eq(take("a", t->t.epoch, WINDOW, 1)->t.in_flight, 0);
}
END_TEST

START_TEST(failures_do_not_overwrite)
{
    int64_t at = contract_now_us() - 10000000;
    decided(1, at, false, 1); /* of another program: nobody waits for it */
    ck_assert(standing_of(1).has_result && !standing_of(1).success);
    decided(1, at + 2, false, 3); /* newer */
    ck_assert_int_eq(standing_of(1).user_coupon_id, 3);
    decided(1, at + 1, false, 2); /* older */
    ck_assert_int_eq(standing_of(1).user_coupon_id, 3);
    decided(1, at, true, 4);
    ck_assert(standing_of(1).success);
    decided(1, at + 3, false, 5); /* newer than the success, and a failure all the same */
    ck_assert_int_eq(standing_of(1).user_coupon_id, 4);
    decided(1, at + 3, true, 6);
    ck_assert_int_eq(standing_of(1).user_coupon_id, 6);
    ck_assert_int_eq(add(1).answer, COUPON_LINE_ISSUED);
}
END_TEST

START_TEST(replay_for_a_holder)
{
    int64_t at = contract_now_us();
    const struct coupon_line_result won = {COUPON, 1, at, true, "{\"success\":true,\"userCouponId\":9}"};
    struct answer a = {0};
    coupon_line_decided(contract_store, &won, 1, 30, INT64_C(2592000000), on_answer, &a);
    AWAIT_OK(&a);
    contract_pass(60);
    ck_assert(!standing_of(1).has_result); /* its time is over */
    decided(1, at - 5000000, false, 8);    /* the failure before it, from a replay */
    ck_assert(!standing_of(1).has_result);
}
END_TEST

START_TEST(one_user_twice_in_a_batch)
{
    int64_t at = accepted(1).requested_at_us;
    const struct coupon_line_result r[] = {
        {COUPON, 1, at, true, "{\"success\":true,\"userCouponId\":1}"},
        {COUPON, 1, at + 100, false, "{\"success\":false,\"userCouponId\":2}"},
        {COUPON, 2, at, false, "{\"success\":false,\"userCouponId\":3}"},
        {COUPON, 2, at + 100, true, "{\"success\":true,\"userCouponId\":4}"},
    };
    struct answer a = {0};
    coupon_line_decided(contract_store, r, 4, 1800000, 1800000, on_answer, &a);
    AWAIT_OK(&a);
    ck_assert_int_eq(standing_of(1).user_coupon_id, 1);
    ck_assert_int_eq(standing_of(2).user_coupon_id, 4);
    ck_assert(!standing_of(1).pending);
    ck_assert_int_eq(add(2).answer, COUPON_LINE_ISSUED);
}
END_TEST

START_TEST(status_says_where_a_request_is)
{
    struct standing s = standing_of(1002);
    ck_assert(!s.pending && !s.has_result);
    int64_t at[3];
    fill(3, at);
    s = standing_of(1002);
    ck_assert(s.pending && !s.has_result);
    ck_assert_int_eq(s.position, 2);
    ck_assert_int_eq(s.size, 3);
    ck_assert_int_eq(s.ticket, 2);
    ck_assert_int_eq(s.requested_at_us, at[1]);
    take("a", 0, WINDOW, 2);
    s = standing_of(1002);
    ck_assert(s.pending && s.position == 0 && s.size == 1 && s.ticket == 2);
    decided(1002, at[1], true, 8);
    s = standing_of(1002);
    ck_assert(!s.pending && s.has_result && s.success && s.user_coupon_id == 8);
    ck_assert_int_eq(standing_of(1003).position, 1);
}
END_TEST

START_TEST(lines_and_probe)
{
    int64_t ids[10];
    ck_assert_uint_eq(list(ids, 10), 0);
    contract_outside_add(3, SLICE("5"), "1");
    contract_outside_add(4, SLICE("5"), "1");
    ck_assert_uint_eq(list(ids, 10), 0);
    struct answer a = {0};
    coupon_line_probe(contract_store, (int64_t[]){2, 3, 5}, 3, on_answer, &a);
    AWAIT_OK(&a);
    ck_assert_uint_eq(list(ids, 10), 1);
    ck_assert_int_eq(ids[0], 3);
    contract_outside_remove(3, "5");
    ck_assert_uint_eq(list(ids, 10), 0);
    int64_t at = accepted(1).requested_at_us;
    ck_assert(listed());
    const struct taken *t = take("a", 0, WINDOW, 10);
    ck_assert(listed()); /* in flight */
    put_back(t->t.epoch, t->m, 1);
    ck_assert(listed());
    take("a", t->t.epoch, WINDOW, 10);
    decided(1, at, false, 0);
    ck_assert(!listed());
}
END_TEST

/* --- loss of Redis (guarantees G10) --------------------------------------------------------------------------------------------- */

START_TEST(numbers_go_on_above_the_database)
{
    fill(5, NULL);
    int64_t ahead = contract_now_us() + INT64_C(3600) * 1000000;
    contract_request_stored(COUPON, 1001, ahead, 41);
    contract_request_stored(COUPON, 1002, ahead - 7, 40);
    contract_request_stored(COUPON + 1, 1003, ahead + 100, 99);
    contract_redis_lost();
    struct added a[40] = {{0}};
    for (int i = 0; i < 40; i++) /* at once: all of them find the counters gone */
        send_add(&a[i], COUPON, user(100 + i));
    int64_t seen = 0;
    for (int i = 0; i < 40; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.answer, COUPON_LINE_ACCEPTED);
        ck_assert_int_ge(a[i].t.ticket, 42);
        ck_assert_int_le(a[i].t.ticket, 81);
        ck_assert_int_eq(a[i].t.requested_at_us, ahead + a[i].t.ticket - 41);
        seen |= INT64_C(1) << (a[i].t.ticket - 42);
    }
    ck_assert_int_eq(seen, (INT64_C(1) << 40) - 1);
    ck_assert_int_eq(accepted(1).ticket, 82);
}
END_TEST

START_TEST(forged_numbers_do_not_count)
{
    contract_request_stored(COUPON, 1, contract_now_us() + INT64_C(86400000000) * 400, INT64_MAX);
    contract_request_stored(COUPON, 2, contract_now_us(), 6);
    struct coupon_line_ticket t = accepted(3);
    ck_assert_int_eq(t.ticket, 7);
    ck_assert_int_lt(t.requested_at_us, contract_now_us() + 60000000);
}
END_TEST

struct restored {
    bool fired;
    int64_t n;
    struct error e;
};

static void on_restored(void *arg, int64_t n, const struct error *e)
{
    struct restored *r = arg;
    r->fired = true;
    r->n = n;
    if (e)
        r->e = *e;
}

static int64_t restore(const struct coupon_request_row *rows, size_t n)
{
    struct restored r = {0};
    coupon_line_restore(contract_store, rows, n, TTL_MS, on_restored, &r);
    ck_assert(!r.fired);
    AWAIT_OK(&r);
    return r.n;
}

START_TEST(lines_come_back)
{
    int64_t at[6];
    fill(6, at);
    struct coupon_request_row rows[6];
    for (int i = 0; i < 6; i++) {
        rows[i] = (struct coupon_request_row){
            .coupon_id = COUPON, .user_id = user(i + 1), .requested_at_us = at[i], .ticket = i + 1};
        contract_request_stored(COUPON, user(i + 1), at[i], i + 1);
    }
    ck_assert_int_eq(restore(rows, 6), 0); /* nothing is missing */
    const struct taken *t = take("a", 0, WINDOW, 2);
    ck_assert_int_eq(restore(rows, 6), 0);
    contract_outside_remove(COUPON, "1004");
    ck_assert_int_eq(restore(rows, 6), 1);
    contract_redis_lost();
    int64_t newer = accepted(1005).requested_at_us; /* asks anew before his old request is back */
    contract_outside_add(COUPON, SLICE("1006"), "3");
    ck_assert_int_eq(restore(rows, 6), 5);
    t = take("a", 0, WINDOW, 10);
    ck_assert_uint_eq(t->t.n, 6);
    static const int64_t want[] = {1001, 1002, 1003, 1004, 1006, 1005};
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(t->m[i].user_id, want[i]);
    ck_assert_int_eq(t->m[4].requested_at_us, at[5]);
    ck_assert_int_eq(t->m[4].ticket, 6);
    ck_assert_int_eq(t->m[5].requested_at_us, newer);
    ck_assert_int_eq(t->m[5].ticket, 7);
    decided(1005, newer, false, 0);
    ck_assert_int_eq(restore(rows + 4, 1), 1); /* now it is the turn of the old one */
    ck_assert(listed());
    rows[0].user_id = 50;
    rows[0].ticket = 90;
    ck_assert_int_eq(restore(rows, 1), 1);
    ck_assert_int_eq(accepted(51).ticket, 91);
}
END_TEST

START_TEST(holders_come_back)
{
    const struct rebuild_holder rows[] = {{1, COUPON, 5}, {2, COUPON, 6}, {3, COUPON + 1, 7}};
    struct answer a = {0};
    coupon_line_restore_issued(contract_store, rows, 3, TTL_MS, on_answer, &a);
    AWAIT_OK(&a);
    ck_assert_int_eq(add(5).answer, COUPON_LINE_ISSUED);
    ck_assert_int_eq(add(6).answer, COUPON_LINE_ISSUED);
    ck_assert_int_eq(add(7).answer, COUPON_LINE_ACCEPTED);
}
END_TEST

struct mark {
    bool fired, there;
};

static void on_mark(void *arg, bool there, const struct error *e)
{
    ck_assert(!e);
    *(struct mark *)arg = (struct mark){true, there};
}

START_TEST(loss_is_noticed_by_a_mark)
{
    struct mark m[3] = {{false, false}};
    rebuild_mark_read(contract_store, on_mark, &m[0]);
    await(&m[0].fired);
    ck_assert(!m[0].there);
    struct answer a = {0};
    rebuild_mark_write(contract_store, on_answer, &a);
    AWAIT_OK(&a);
    rebuild_mark_read(contract_store, on_mark, &m[1]);
    await(&m[1].fired);
    ck_assert(m[1].there);
    contract_redis_lost();
    rebuild_mark_read(contract_store, on_mark, &m[2]);
    await(&m[2].fired);
    ck_assert(!m[2].there);
}
END_TEST

/* --- the suite -------------------------------------------------------------------------------------------------------------------- */

static void add_case(Suite *s, const char *name, const TTest *const *tests)
{
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, contract_open, contract_close);
    for (; *tests; tests++)
        tcase_add_test(t, *tests);
    suite_add_tcase(s, t);
}

Suite *coupon_line_contract_suite(void)
{
    Suite *s = suite_create("coupon line");
    add_case(s, "accept",
             (const TTest *const[]){tickets_without_gaps_and_scores_that_grow, a_clock_that_steps_back,
                                    answers_in_the_order_of_the_contract, pending_until_decided,
                                    cancel_only_in_line, NULL});
    add_case(s, "outside",
             (const TTest *const[]){outside_members_by_score, junk_is_removed_and_counted,
                                    junk_does_not_end_the_line, one_user_in_several_spellings,
                                    spellings_apart, outside_members_are_pending,
                                    taken_out_by_another_program, NULL});
    add_case(s, "drain",
             (const TTest *const[]){window_and_limit, a_call_moves_a_bounded_number, one_owner_at_a_time,
                                    new_epoch_returns_what_is_not_published, lost_reply_of_take,
                                    published_only_for_its_epoch, put_back_only_for_its_epoch,
                                    more_than_one_part, stale_members_are_found, stale_of_an_older_epoch,
                                    release_ends_the_own_lease, NULL});
    add_case(s, "results",
             (const TTest *const[]){decision_removes_its_own_records, newer_request_is_left_alone,
                                    failures_do_not_overwrite, replay_for_a_holder, one_user_twice_in_a_batch,
                                    status_says_where_a_request_is, lines_and_probe, NULL});
    add_case(s, "loss",
             (const TTest *const[]){numbers_go_on_above_the_database, forged_numbers_do_not_count,
                                    lines_come_back, holders_come_back, loss_is_noticed_by_a_mark, NULL});
    return s;
}
