/* What coupon_line.h promises about accepting requests and about members from outside, on Redis and on the fake alike. */
#include "contract.h"

#include <stdio.h>

#include "store/rebuild.h"

/* --- accept --- */

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

#define TOGETHER 450 /* more than share one script */

static void add_together(struct added *a, int64_t user_id, int64_t max_waiting)
{
    coupon_line_add(contract_store, COUPON, user_id, true, max_waiting, TTL_MS, on_added, a);
}

/* What is asked in one turn is answered as if one had been asked after the other. */
START_TEST(calls_of_one_turn)
{
    static struct added a[TOGETHER], b[TOGETHER], again, full, held;
    static struct standing s[TOGETHER];
    int64_t at = accepted(user(TOGETHER + 1)).requested_at_us;
    decided(user(TOGETHER + 1), at, true, 11);
    for (int i = 0; i < TOGETHER; i++) {
        a[i] = b[i] = (struct added){0};
        add_together(&a[i], user(i), TOGETHER);
        send_add(&b[i], COUPON + 1, user(i));
        if (i == 3)
            add_together(&again, user(3), TOGETHER);
    }
    add_together(&full, user(TOGETHER), TOGETHER);
    add_together(&held, user(TOGETHER + 1), TOGETHER);
    AWAIT_OK(&held);
    for (int i = 0; i < TOGETHER; i++) {
        AWAIT_OK(&a[i]);
        AWAIT_OK(&b[i]);
        ck_assert_int_eq(a[i].t.answer, COUPON_LINE_ACCEPTED);
        ck_assert_int_eq(a[i].t.ticket, i + 2);
        ck_assert_int_eq(a[i].t.position, i + 1);
        ck_assert_int_eq(a[i].t.size, i + 1);
        ck_assert_int_gt(a[i].t.requested_at_us, at);
        ck_assert_int_eq(b[i].t.ticket, i + 1);
        ck_assert_int_eq(b[i].t.position, i + 1);
        at = a[i].t.requested_at_us;
    }
    ck_assert_int_eq(again.t.answer, COUPON_LINE_PENDING);
    ck_assert_int_eq(full.t.answer, COUPON_LINE_FULL);
    ck_assert_int_eq(full.t.size, TOGETHER);
    ck_assert_int_eq(held.t.answer, COUPON_LINE_ISSUED);
    take("a", 0, WINDOW, 2);
    for (int i = 0; i < TOGETHER; i++)
        s[i] = (struct standing){0};
    for (int i = 0; i < TOGETHER; i++)
        coupon_line_status(contract_store, COUPON, user(i + 2), on_status, &s[i]);
    for (int i = 0; i < TOGETHER; i++) {
        await(&s[i].fired);
        ck_assert_int_eq(s[i].has_result, i == TOGETHER - 1);
        ck_assert_int_eq(s[i].pending, i < TOGETHER - 2);
        ck_assert_int_eq(s[i].ticket, i < TOGETHER - 2 ? i + 4 : 0);
        ck_assert_int_eq(s[i].position, i < TOGETHER - 2 ? i + 1 : 0);
    }
}
END_TEST

/* Places of one turn that are not in a row: somebody else's score lies between them. */
START_TEST(places_around_a_member_from_outside)
{
    static struct added a[6];
    char score[40];
    int64_t ahead = contract_now_us() + INT64_C(3600) * 1000000;
    contract_last_score(COUPON, ahead);
    snprintf(score, sizeof score, "%.17g", ((double)ahead + 2.5) / 1000000);
    contract_outside_add(COUPON, SLICE("77"), score);
    for (int i = 0; i < 6; i++)
        a[i] = (struct added){0};
    for (int i = 0; i < 6; i++)
        add_together(&a[i], user(i), 100);
    for (int i = 0; i < 6; i++) {
        AWAIT_OK(&a[i]);
        ck_assert_int_eq(a[i].t.requested_at_us, ahead + i + 1);
        ck_assert_int_eq(a[i].t.position, i < 2 ? i + 1 : i + 2);
        ck_assert_int_eq(a[i].t.size, i + 2);
    }
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

/* --- members from outside --- */

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

/* --- loss of Redis (guarantees G10) --- */

START_TEST(numbers_go_on_above_the_database)
{
    fill(5, NULL);
    int64_t ahead = contract_now_us() + INT64_C(3600) * 1000000;
    contract_request_stored(COUPON, 1001, ahead, 41);
    contract_request_stored(COUPON, 1002, ahead - 7, 40);
    contract_request_stored(COUPON + 1, 1003, ahead + 100, 99);
    contract_redis_lost();
    contract_rebuilt();
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
    int64_t n, late;
    struct error e;
};

static void on_restored(void *arg, int64_t n, int64_t late, const struct error *e)
{
    struct restored *r = arg;
    r->late = late;
    r->fired = true;
    r->n = n;
    if (e)
        r->e = *e;
}

/* late: of the last call. */
static int64_t restored_late;
static int64_t restore(const struct coupon_request_row *rows, size_t n)
{
    struct restored r = {0};
    coupon_line_restore(contract_store, rows, n, TTL_MS, on_restored, &r);
    ck_assert(!r.fired);
    AWAIT_OK(&r);
    restored_late = r.late;
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
    ck_assert_int_eq(restored_late, 1); /* later ones may be decided by now */
    contract_redis_lost();
    contract_rebuilt();
    int64_t newer = accepted(1005).requested_at_us; /* asks anew before his old request is back */
    contract_outside_add(COUPON, SLICE("1006"), "3");
    rows[0].user_id = user(2); /* instants make places, not users */
    rows[1].user_id = user(1);
    ck_assert_int_eq(restore(rows, 6), 5);
    t = take("a", 0, WINDOW, 10);
    ck_assert_uint_eq(t->t.n, 6);
    static const int64_t want[] = {1002, 1001, 1003, 1004, 1006, 1005};
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

/* Redis came back without its last writes: its counters are behind PostgreSQL. */
START_TEST(counters_are_raised)
{
    int64_t ahead = contract_now_us() + INT64_C(3600) * 1000000;
    struct answer a[3] = {{0}};
    ck_assert_int_eq(accepted(1).ticket, 1);
    coupon_line_raise(contract_store, COUPON, TTL_MS, on_answer, &a[0]);
    AWAIT_OK(&a[0]);
    ck_assert_int_eq(accepted(2).ticket, 2); /* not behind: as they were */
    contract_request_stored(COUPON, 1001, ahead, 41);
    coupon_line_raise(contract_store, COUPON, TTL_MS, on_answer, &a[1]);
    AWAIT_OK(&a[1]);
    struct coupon_line_ticket t = accepted(3);
    ck_assert_int_eq(t.ticket, 42);
    ck_assert_int_eq(t.requested_at_us, ahead + 1);
    /* No counter: the next request asks PostgreSQL itself. */
    contract_request_stored(COUPON + 1, 1001, ahead, 7);
    coupon_line_raise(contract_store, COUPON + 1, TTL_MS, on_answer, &a[2]);
    AWAIT_OK(&a[2]);
    struct added b = {0};
    send_add(&b, COUPON + 1, 1);
    AWAIT_OK(&b);
    ck_assert_int_eq(b.t.ticket, 8);
}
END_TEST

/* --- the suite --- */

Suite *coupon_line_contract_suite(void)
{
    Suite *s = suite_create("coupon line");
    add_case(s, "accept",
             (const TTest *const[]){tickets_without_gaps_and_scores_that_grow, a_clock_that_steps_back,
                                    calls_of_one_turn, places_around_a_member_from_outside,
                                    answers_in_the_order_of_the_contract, pending_until_decided,
                                    cancel_only_in_line, NULL});
    add_case(s, "outside",
             (const TTest *const[]){outside_members_by_score, junk_is_removed_and_counted,
                                    junk_does_not_end_the_line, one_user_in_several_spellings,
                                    spellings_apart, outside_members_are_pending,
                                    taken_out_by_another_program, NULL});
    add_case(s, "loss",
             (const TTest *const[]){numbers_go_on_above_the_database, forged_numbers_do_not_count,
                                    lines_come_back, holders_come_back, counters_are_raised, NULL});
    return s;
}
