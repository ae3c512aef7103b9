/* Coupons over HTTP. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/api/api_suites.h"
#include "tests/api/site.h"

START_TEST(issue_accepts)
{
    expect(
        "POST /api/coupons/5/issue?userId=1001", NULL, 202,
        "{\"message\":\"쿠폰 발급 요청이 접수되었습니다. 잠시 후 결과를 확인해주세요.\",\"queuePosition\":3,"
        "\"queueSize\":12,\"ticket\":7,\"estimatedWaitSeconds\":1}");
    ck_assert_int_eq(fake.coupon_id, 5);
    ck_assert_int_eq(fake.user_id, 1001);
    expect_with("POST /api/coupons/5/issue?userId=1001", "Accept-Language: en\r\n", NULL, 202,
                "{\"message\":\"The coupon request was accepted. Look for its result shortly.\","
                "\"queuePosition\":3,\"queueSize\":12,\"ticket\":7,\"estimatedWaitSeconds\":1}");
    expect("POST /api/coupons/5/issue?userId=1001", "{\"ignored\":1}", 202, NULL);
}
END_TEST

START_TEST(issue_refuses)
{
    static const struct {
        enum refusal_code code;
        int status;
        const char *word, *message;
    } cases[] = {
        {REFUSAL_INVALID_COUPON_USER_ID, 400, "INVALID_COUPON_USER_ID", "잘못된 사용자 ID입니다."},
        {REFUSAL_INVALID_COUPON_ID, 400, "INVALID_COUPON_ID", "잘못된 쿠폰 ID입니다."},
        {REFUSAL_COUPON_USER_NOT_FOUND, 400, "COUPON_USER_NOT_FOUND", "사용자를 찾을 수 없습니다."},
        {REFUSAL_COUPON_ALREADY_ISSUED, 400, "COUPON_ALREADY_ISSUED", "이미 발급받은 쿠폰입니다."},
        {REFUSAL_COUPON_NOT_FOUND, 400, "COUPON_NOT_FOUND", "존재하지 않는 쿠폰입니다."},
        {REFUSAL_COUPON_SOLD_OUT, 400, "COUPON_SOLD_OUT", "쿠폰이 모두 소진되었습니다."},
        {REFUSAL_COUPON_NOT_ISSUABLE, 400, "COUPON_NOT_ISSUABLE", "발급할 수 없는 쿠폰입니다."},
        {REFUSAL_COUPON_REQUEST_PENDING, 400, "COUPON_REQUEST_PENDING",
         "이미 쿠폰 발급 요청이 처리 중입니다."},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake.refusal.code = cases[i].code;
        expect_error("POST /api/coupons/5/issue?userId=1001", NULL, NULL, cases[i].status, cases[i].word,
                     cases[i].message);
    }
    expect("POST /api/coupons/-5/issue?userId=-1", NULL, 400, NULL);
    ck_assert_int_eq(fake.coupon_id, -5); /* the service has the sentences */
    fake.refusal.code = REFUSAL_SERVICE_UNAVAILABLE;
    const char *answer = ask("POST /api/coupons/5/issue?userId=1001", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 503);
    expect_header(answer, "Retry-After: 1");
    fake.refusal.code = REFUSAL_OUTCOME_UNKNOWN;
    answer = ask("POST /api/coupons/5/issue?userId=1001", NULL, NULL);
    ck_assert_int_eq(answer_status(answer), 503);
    expect_no_header(answer, "Retry-After");
}
END_TEST

START_TEST(parameters)
{
    expect_error("POST /api/coupons/5/issue", NULL, NULL, 400, "MISSING_PARAMETER",
                 "필수 파라미터가 없습니다: userId");
    expect_error("POST /api/coupons/5/issue?userId=a", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: userId");
    expect_error("POST /api/coupons/abc/issue?userId=1", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: couponId");
    expect_error("GET /api/coupons/5/issue/status", NULL, NULL, 400, "MISSING_PARAMETER",
                 "필수 파라미터가 없습니다: userId");
    expect_error("GET /api/coupons/x/issue/status?userId=1", NULL, NULL, 400, "INVALID_PARAMETER",
                 "잘못된 파라미터 형식입니다: couponId");
    expect_error("GET /api/coupons/x", "Accept-Language: en\r\n", NULL, 400, "INVALID_PARAMETER",
                 "The parameter is malformed: couponId");
    ck_assert_uint_eq(fake.calls, 0);
}
END_TEST

#define STATUS "GET /api/coupons/5/issue/status?userId=1001"
#define EN     "Accept-Language: en-US,en;q=0.9\r\n"

START_TEST(status_processing)
{
    expect(STATUS, NULL, 200,
           "{\"status\":\"PROCESSING\",\"message\":\"처리 중입니다.\",\"queuePosition\":4,\"queueSize\":9,"
           "\"estimatedWaitSeconds\":2,\"userCouponId\":null}");
    fake.standing = (struct coupon_standing){.state = COUPON_PROCESSING, .message = "처리 중입니다."};
    expect_with(STATUS, EN, NULL, 200,
                "{\"status\":\"PROCESSING\",\"message\":\"The request is being processed.\","
                "\"queuePosition\":null,\"queueSize\":0,\"estimatedWaitSeconds\":0,\"userCouponId\":null}");
}
END_TEST

START_TEST(status_decided)
{
    fake.standing = (struct coupon_standing){
        .state = COUPON_SUCCESS, .message = "쿠폰 발급 완료 - 쿠폰ID: 31", .user_coupon_id = 31};
    expect(STATUS, NULL, 200,
           "{\"status\":\"SUCCESS\",\"message\":\"쿠폰 발급 완료 - 쿠폰ID: 31\",\"queuePosition\":null,"
           "\"queueSize\":0,\"estimatedWaitSeconds\":0,\"userCouponId\":31}");
    ck_assert_ptr_nonnull(strstr(ask(STATUS, EN, NULL), "\"message\":\"Coupon issued - id: 31\""));
    fake.standing = (struct coupon_standing){
        .state = COUPON_FAILED, .message = "쿠폰이 모두 소진되었습니다.", .reason = REFUSAL_COUPON_SOLD_OUT};
    expect(STATUS, NULL, 200,
           "{\"status\":\"FAILED\",\"message\":\"쿠폰이 모두 소진되었습니다.\",\"queuePosition\":null,"
           "\"queueSize\":0,\"estimatedWaitSeconds\":0,\"userCouponId\":null}");
    ck_assert_ptr_nonnull(strstr(ask(STATUS, EN, NULL), "\"message\":\"The coupon is sold out.\""));
    fake.standing = (struct coupon_standing){.state = COUPON_FAILED, .message = "old words"};
    ck_assert_ptr_nonnull(strstr(ask(STATUS, EN, NULL), "\"message\":\"old words\""));
}
END_TEST

START_TEST(status_refused)
{
    fake.refusal.code = REFUSAL_COUPON_REQUEST_NOT_FOUND;
    expect_error(STATUS, NULL, NULL, 404, "COUPON_REQUEST_NOT_FOUND", "쿠폰 발급 요청을 찾을 수 없습니다.");
}
END_TEST

#define COUPON_1                                                                                             \
    "{\"couponId\":1,\"couponName\":\"선착순\",\"discountAmount\":1000,\"maxIssuanceCount\":100,"         \
    "\"issuedCount\":40,\"remaining\":60,\"status\":\"ACTIVE\",\"validFrom\":\"2025-11-23T18:24:05."         \
    "119999\","                                                                                              \
    "\"validTo\":\"2025-11-23T18:24:06.12\"}"
#define COUPON_2                                                                                             \
    "{\"couponId\":2,\"couponName\":\"다 나감\",\"discountAmount\":1.50,\"maxIssuanceCount\":10,"         \
    "\"issuedCount\":10,\"remaining\":0,\"status\":\"SOLD_OUT\",\"validFrom\":\"2025-11-23T18:24:05."        \
    "119999\","                                                                                              \
    "\"validTo\":\"2025-11-23T18:24:06.12\"}"
#define COUPON_3                                                                                             \
    "{\"couponId\":3,\"couponName\":\"지남\",\"discountAmount\":1,\"maxIssuanceCount\":10,"                \
    "\"issuedCount\":1,\"remaining\":9,\"status\":\"EXPIRED\",\"validFrom\":\"2025-11-23T18:24:03.12\","     \
    "\"validTo\":\"" TEST_NOW "\"}"

START_TEST(coupons)
{
    expect("GET /api/coupons", NULL, 200, "[" COUPON_1 "," COUPON_2 "," COUPON_3 "]");
    expect("GET /api/coupons/1", NULL, 200, COUPON_1);
    expect("GET /api/coupons/2", NULL, 200, COUPON_2);
    expect_error("GET /api/coupons/9", NULL, NULL, 404, "COUPON_UNKNOWN", "존재하지 않는 쿠폰입니다.");
    expect_error("GET /api/coupons/0", NULL, NULL, 404, "COUPON_UNKNOWN", "존재하지 않는 쿠폰입니다.");
    fake.coupons[0].status = "INACTIVE";
    ck_assert_ptr_nonnull(strstr(ask("GET /api/coupons/1", NULL, NULL), "\"status\":\"INACTIVE\""));
    fake.ncoupons = 0;
    expect("GET /api/coupons", NULL, 200, "[]");
}
END_TEST

/* --- a long list --- */

enum {
    MANY = 5200
};

static struct coupon_row *many_coupons(void)
{
    struct coupon_row *rows = mem_array(MANY, sizeof *rows);
    for (int i = 0; i < MANY; i++) {
        rows[i] = fake.coupons[0];
        rows[i].id = 10 * (i + 1);
    }
    fake.all_coupons = rows;
    fake.ncoupons = MANY;
    return rows;
}

/* Count the coupons of a list; each comes once and in order. */
static size_t listed(const char *body)
{
    size_t n = 0;
    long last = 0;
    ck_assert_int_eq(body[0], '[');
    ck_assert_str_eq(body + strlen(body) - 2, "}]");
    for (const char *p = body; (p = strstr(p, "{\"couponId\":")); n++) {
        long id = strtol(p + strlen("{\"couponId\":"), NULL, 10);
        ck_assert(p[-1] == (n ? ',' : '[') && id > last);
        last = id;
        p++;
    }
    return n;
}

/* So many turns it takes. */
#define TURNS ((size_t)MANY / 500 + 1)

static struct peer others[8];

static void write_to(struct peer *p, const char *request)
{
    ck_assert_int_eq(write(p->fd, request, strlen(request)), (ssize_t)strlen(request));
}

static void ask_other(size_t nth)
{
    if (nth == 1)
        write_to(&others[0], "GET /api/coupons/1 HTTP/1.1\r\nHost: x\r\n\r\n");
}

/* What is asked for behind it on another connection does not wait for it. */
START_TEST(a_long_list_is_built_in_turns)
{
    struct coupon_row *rows = many_coupons();
    api_site_open(&others[0]);
    fake.on_list = ask_other;
    ask_only("GET /api/coupons", NULL, NULL);
    ck_assert_int_eq(answer_status(peer_answer(&others[0], false)), 200);
    ck_assert(!answer_begun());
    ck_assert_uint_eq(listed(answer_body(answer_next())), MANY);
    ck_assert_uint_eq(fake.lists, TURNS);
    peer_close(&others[0]);
    mem_free(rows);
}
END_TEST

static void take_some_out(size_t nth)
{
    if (nth != 4)
        return;
    struct coupon_row *rows = (struct coupon_row *)fake.all_coupons;
    fake.ncoupons = MANY - 700;
    memmove(rows, rows + 700, fake.ncoupons * sizeof *rows);
}

/* Coupons come and go between the turns: what is there all the time is listed once. */
START_TEST(a_long_list_that_changes)
{
    struct coupon_row *rows = many_coupons();
    fake.on_list = take_some_out;
    ck_assert_uint_eq(listed(answer_body(ask("GET /api/coupons", NULL, NULL))), MANY);
    ck_assert_uint_eq(listed(answer_body(ask("GET /api/coupons", NULL, NULL))), MANY - 700);
    fake.ncoupons = 0;
    expect("GET /api/coupons", NULL, 200, "[]");
    mem_free(rows);
}
END_TEST

static void leave(size_t nth)
{
    if (nth == 3)
        api_site_vanish();
}

START_TEST(who_asks_for_a_long_list_leaves)
{
    struct coupon_row *rows = many_coupons();
    fake.on_list = leave;
    ask_only("GET /api/coupons", NULL, NULL);
    api_site_idle(50);
    ck_assert_uint_ge(fake.lists, 3);
    ck_assert_uint_lt(fake.lists, TURNS); /* nobody wants the rest */
    size_t lists = fake.lists;
    api_site_hang_up();
    ck_assert_uint_eq(listed(answer_body(ask("GET /api/coupons", NULL, NULL))), MANY);
    ck_assert_uint_eq(fake.lists, lists + TURNS);
    mem_free(rows);
}
END_TEST

static void ask_all(size_t nth)
{
    for (size_t i = 0; nth == 2 && i < ARRAY_LEN(others); i++)
        write_to(&others[i], "GET /api/coupons HTTP/1.1\r\nHost: x\r\n\r\n");
}

/* Those who come while a list is built share the next one. */
START_TEST(many_ask_for_a_long_list)
{
    struct coupon_row *rows = many_coupons();
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        api_site_open(&others[i]);
    fake.on_list = ask_all;
    ask_only("GET /api/coupons", NULL, NULL);
    ck_assert_uint_eq(listed(answer_body(answer_next())), MANY);
    peer_reset(&others[1]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (i == 1)
            continue;
        ck_assert_uint_eq(listed(answer_body(peer_answer(&others[i], false))), MANY);
        peer_close(&others[i]);
    }
    ck_assert_uint_eq(fake.lists, 2 * TURNS);
    mem_free(rows);
}
END_TEST

START_TEST(coupons_of_a_user)
{
    expect("GET /api/coupons/users/1001", NULL, 200,
           "[{\"userCouponId\":31,\"couponId\":1,\"couponName\":\"선착순\",\"discountAmount\":1000,"
           "\"status\":\"ISSUED\",\"issuedAt\":\"" TEST_NOW "\",\"usedAt\":null},"
           "{\"userCouponId\":30,\"couponId\":2,\"couponName\":\"다 나감\",\"discountAmount\":1.50,"
           "\"status\":\"USED\",\"issuedAt\":\"2025-11-23T18:24:03.12\",\"usedAt\":"
           "\"2025-11-23T18:24:04.12\"}]");
    ck_assert_int_eq(fake.user_id, 1001);
    fake.nuser_coupons = 0;
    expect("GET /api/coupons/users/1002", NULL, 200, "[]");
    expect_error("GET /api/coupons/users/0", NULL, NULL, 400, "INVALID_COUPON_USER_ID",
                 "잘못된 사용자 ID입니다.");
}
END_TEST

Suite *coupons_suite(void)
{
    Suite *s = suite_create("coupons");
    TCase *t = tcase_create("coupons");
    tcase_add_checked_fixture(t, api_site_setup, api_site_teardown);
    tcase_add_test(t, issue_accepts);
    tcase_add_test(t, issue_refuses);
    tcase_add_test(t, parameters);
    tcase_add_test(t, status_processing);
    tcase_add_test(t, status_decided);
    tcase_add_test(t, status_refused);
    tcase_add_test(t, coupons);
    tcase_add_test(t, a_long_list_is_built_in_turns);
    tcase_add_test(t, a_long_list_that_changes);
    tcase_add_test(t, who_asks_for_a_long_list_leaves);
    tcase_add_test(t, many_ask_for_a_long_list);
    tcase_add_test(t, coupons_of_a_user);
    suite_add_tcase(s, t);
    return s;
}
