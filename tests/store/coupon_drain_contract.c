/* What coupon_line.h promises about draining a line and about results, on Redis and on the fake alike. */
#include "contract.h"

/* --- drain --- */

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

/* --- results --- */

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
    ck_assert(s.has_result && s.success);
    ck_assert_int_eq(take("a", t->t.epoch, WINDOW, 1)->t.in_flight, 1);
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

static void check_state(const struct coupon_line_state *l, int64_t waiting, int64_t taken, int64_t in_flight)
{
    ck_assert_int_eq(l->waiting, waiting);
    ck_assert_int_eq(l->taken, taken);
    ck_assert_int_eq(l->in_flight, in_flight);
}

START_TEST(what_a_list_counts)
{
    struct coupon_line_state lines[2];
    fill(5, NULL);
    const struct taken *t = take("a", 0, WINDOW, 3);
    ck_assert_uint_eq(list(lines, 2), 1);
    ck_assert_int_eq(lines[0].coupon_id, COUPON);
    check_state(lines, 2, 3, 3);
    published(t->t.epoch, t->m, 2);
    ck_assert_uint_eq(list(lines, 2), 1);
    check_state(lines, 2, 1, 3);
}
END_TEST

START_TEST(lines_and_probe)
{
    struct coupon_line_state lines[10];
    ck_assert_uint_eq(list(lines, 10), 0);
    contract_outside_add(3, SLICE("5"), "1");
    contract_outside_add(4, SLICE("5"), "1");
    ck_assert_uint_eq(list(lines, 10), 0);
    struct answer a = {0};
    coupon_line_probe(contract_store, (int64_t[]){2, 3, 5}, 3, on_answer, &a);
    AWAIT_OK(&a);
    ck_assert_uint_eq(list(lines, 10), 1);
    ck_assert_int_eq(lines[0].coupon_id, 3);
    check_state(lines, 1, 0, 0);
    contract_outside_remove(3, "5");
    ck_assert_uint_eq(list(lines, 10), 0);
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

/* --- the suite --- */

Suite *coupon_drain_contract_suite(void)
{
    Suite *s = suite_create("coupon drain");
    add_case(s, "drain",
             (const TTest *const[]){window_and_limit, a_call_moves_a_bounded_number, one_owner_at_a_time,
                                    new_epoch_returns_what_is_not_published, lost_reply_of_take,
                                    published_only_for_its_epoch, put_back_only_for_its_epoch,
                                    more_than_one_part, stale_members_are_found, stale_of_an_older_epoch,
                                    release_ends_the_own_lease, NULL});
    add_case(s, "results",
             (const TTest *const[]){decision_removes_its_own_records, newer_request_is_left_alone,
                                    failures_do_not_overwrite, replay_for_a_holder, one_user_twice_in_a_batch,
                                    status_says_where_a_request_is, what_a_list_counts, lines_and_probe,
                                    NULL});
    return s;
}
