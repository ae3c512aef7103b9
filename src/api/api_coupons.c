/* Coupons: the request and how it stands from service/coupon, a coupon from its cache. */
#include "api/api_coupon_list.h"
#include "base/clock.h"
#include "service/coupon_result.h"

/* --- requests --- */

static const char accepted_ko[] = "쿠폰 발급 요청이 접수되었습니다. 잠시 후 결과를 확인해주세요.";
static const char accepted_en[] = "The coupon request was accepted. Look for its result shortly.";
static const char processing_en[] = "The request is being processed.";

static void on_accepted(void *arg, const struct coupon_accepted *accepted, const struct refusal *why)
{
    struct api_call *c = arg;
    if (!accepted) {
        api_refuse(c, why);
        return;
    }
    const struct body_accepted body = {
        .message = (char *)((c->form & REFUSAL_ENGLISH) ? accepted_en : accepted_ko),
        .position = accepted->position,
        .size = accepted->size,
        .ticket = accepted->ticket,
        .estimated_wait_s = accepted->estimated_wait_s,
    };
    api_send_table(c, 202, &body_accepted_table, &body);
}

void api_coupon_issue(struct api_call *c, const struct http_request *req)
{
    int64_t user_id;
    if (!api_path_i64(c, req, 0, "couponId", &c->id) || !api_query_i64(c, req, "userId", &user_id))
        return;
    coupon_accept(c->api->services.coupons, c->id, user_id, on_accepted, api_keep(c));
}

/* The sentence in the client's language; text is where an English one is made. A failure without a known reason
 * keeps the words that were stored. */
static const char *message_of(const struct coupon_standing *st, unsigned form, struct buf *text)
{
    if (!(form & REFUSAL_ENGLISH))
        return st->message;
    if (st->state == COUPON_PROCESSING)
        return processing_en;
    if (st->state == COUPON_FAILED && st->reason == REFUSAL_NONE)
        return st->message;
    coupon_result_text(text, st->state == COUPON_SUCCESS, st->user_coupon_id, st->reason, form);
    return buf_str(text);
}

static void on_standing(void *arg, const struct coupon_standing *st, const struct refusal *why)
{
    static const char *const words[] = {
        [COUPON_PROCESSING] = "PROCESSING", [COUPON_SUCCESS] = "SUCCESS", [COUPON_FAILED] = "FAILED"};
    struct api_call *c = arg;
    if (!st) {
        api_refuse(c, why);
        return;
    }
    struct buf text = BUF_INIT;
    const struct body_standing body = {
        .status = (char *)words[st->state],
        .message = (char *)message_of(st, c->form, &text),
        .position = st->position,
        .size = st->size,
        .estimated_wait_s = st->estimated_wait_s,
        .user_coupon_id = st->user_coupon_id,
    };
    api_send_table(c, 200, &body_standing_table, &body);
    buf_free(&text);
}

void api_coupon_status(struct api_call *c, const struct http_request *req)
{
    int64_t user_id;
    if (!api_path_i64(c, req, 0, "couponId", &c->id) || !api_query_i64(c, req, "userId", &user_id))
        return;
    coupon_status(c->api->services.coupons, c->id, user_id, on_standing, api_keep(c));
}

/* --- coupons --- */

/* Issues and time do not touch the stored status: it is read together with them. */
static const char *status_of(const struct coupon_row *row, int64_t now_us)
{
    if (strcmp(row->status, "ACTIVE") != 0)
        return row->status;
    if (now_us >= row->valid_to_us)
        return "EXPIRED";
    return row->issued >= row->max_issuance ? "SOLD_OUT" : row->status;
}

struct body_coupon api_coupon_body(const struct coupon_row *row, int64_t now_us)
{
    return (struct body_coupon){
        .id = row->id,
        .name = (char *)row->name,
        .discount = row->discount,
        .max_issuance = row->max_issuance,
        .issued = row->issued,
        .remaining = row->max_issuance - row->issued,
        .status = (char *)status_of(row, now_us),
        .valid_from_us = row->valid_from_us,
        .valid_to_us = row->valid_to_us,
    };
}

static void on_coupon(void *arg, const struct coupon_row *row, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    if (!row) {
        api_refuse_code(c, REFUSAL_COUPON_UNKNOWN);
        return;
    }
    const struct body_coupon body = api_coupon_body(row, clock_shop_us());
    api_send_table(c, 200, &body_coupon_table, &body);
}

void api_coupon_get(struct api_call *c, const struct http_request *req)
{
    if (!api_path_i64(c, req, 0, "couponId", &c->id))
        return;
    if (c->id <= 0)
        api_refuse_code(c, REFUSAL_COUPON_UNKNOWN);
    else
        coupon_cache_get(c->api->services.cache, c->id, on_coupon, api_keep(c));
}

static void on_user_coupons(void *arg, const struct user_coupon_row *rows, size_t n, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    struct body_user_coupon *bodies = mem_array(n, sizeof *bodies);
    for (size_t i = 0; i < n; i++)
        bodies[i] = (struct body_user_coupon){
            .user_coupon_id = rows[i].user_coupon_id,
            .coupon_id = rows[i].coupon_id,
            .coupon_name = (char *)rows[i].coupon_name,
            .discount = rows[i].discount,
            .status = (char *)rows[i].status,
            .issued_at_us = rows[i].issued_at_us,
            .used_at_us = rows[i].used_at_us,
        };
    api_send_array(c, &body_user_coupon_table, bodies, n);
    mem_free(bodies);
}

void api_coupon_of_user(struct api_call *c, const struct http_request *req)
{
    if (!api_path_i64(c, req, 0, "userId", &c->id))
        return;
    if (c->id <= 0)
        api_refuse_code(c, REFUSAL_INVALID_COUPON_USER_ID);
    else
        user_coupon_list(c->api->services.store, c->id, on_user_coupons, api_keep(c));
}
