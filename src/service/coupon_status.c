/* How a user's request stands: result key, else pending record, else coupon_requests, else user_coupons
 * (contract section 4, end). When Redis is away or not whole PostgreSQL alone answers; what it does not know may still have been asked
 * for, so nobody is told that he never did. */
#include "base/log.h"
#include "service/coupon_accept.h"
#include "service/coupon_result.h"
#include "store/coupon_line.h"

LOG_DEFINE(log_status, "rushd.coupon.status");

typedef void status_fn(void *arg, const struct coupon_standing *st, const struct refusal *why);

struct status {
    LIST_ENTRY(status) all;
    struct coupon_accept *owner;
    int64_t coupon_id, user_id;
    enum refusal_code invalid;
    bool sure; /* Redis' data is whole: what it does not know it never was told */
    struct loop_task task;
    status_fn *done;
    void *arg;
};

#define PROCESSING_TEXT "처리 중입니다."

static void finish(struct status *s, const struct coupon_standing *st, enum refusal_code code)
{
    const struct refusal why = {.code = code};
    LIST_REMOVE(s, all);
    s->done(s->arg, st, st ? NULL : &why);
    mem_free(s);
}

static void finish_decided(struct status *s, bool success, int64_t user_coupon_id, enum refusal_code reason)
{
    struct buf text = BUF_INIT;
    coupon_result_text(&text, success, user_coupon_id, reason, 0);
    const struct coupon_standing st = {
        .state = success ? COUPON_SUCCESS : COUPON_FAILED,
        .message = buf_str(&text),
        .reason = success ? REFUSAL_NONE : reason,
        .user_coupon_id = success ? user_coupon_id : 0,
    };
    finish(s, &st, REFUSAL_NONE);
    buf_free(&text);
}

static void on_row(void *arg, bool found, const struct coupon_request_row *row, const struct error *e)
{
    struct status *s = arg;
    if (e && e->kind != ERROR_NONE) {
        finish(s, NULL, REFUSAL_SERVICE_UNAVAILABLE);
    } else if (!found) {
        finish(s, NULL, s->sure ? REFUSAL_COUPON_REQUEST_NOT_FOUND : REFUSAL_SERVICE_UNAVAILABLE);
    } else if (!row->decided) {
        const struct coupon_standing st = {.state = COUPON_PROCESSING, .message = PROCESSING_TEXT};
        finish(s, &st, REFUSAL_NONE);
    } else {
        enum refusal_code reason = row->reason ? refusal_of_word(row->reason) : REFUSAL_NONE;
        finish_decided(s, row->success, row->user_coupon_id,
                       reason != REFUSAL_NONE ? reason : REFUSAL_COUPON_SYSTEM_ERROR);
    }
}

/* False when the stored text is not a result: somebody else wrote it. */
static bool finish_result(struct status *s, const char *json)
{
    struct coupon_result r;
    struct error e = ERROR_INIT;
    if (!msg_field_parse(&coupon_result_table, json, strlen(json), &r, &e)) {
        log_warn(&log_status, "result in Redis cannot be read", LOG_I("coupon_id", s->coupon_id),
                 LOG_I("user_id", s->user_id), LOG_ERR(&e));
        return false;
    }
    const struct coupon_standing st = {
        .state = r.success ? COUPON_SUCCESS : COUPON_FAILED,
        .message = r.message ? r.message : "",
        .reason = r.success || !r.message ? REFUSAL_NONE : coupon_result_reason(r.message),
        .user_coupon_id = r.user_coupon_id,
    };
    finish(s, &st, REFUSAL_NONE);
    msg_field_free(&coupon_result_table, &r);
    return true;
}

static void on_line(void *arg, const struct coupon_line_status *line, const struct error *e)
{
    struct status *s = arg;
    bool known = !e || e->kind == ERROR_NONE;
    if (known && line->result_json && finish_result(s, line->result_json))
        return;
    if (known && line->pending) {
        const struct coupon_standing st = {
            .state = COUPON_PROCESSING,
            .message = PROCESSING_TEXT,
            .position = line->position,
            .size = line->size,
            .estimated_wait_s = coupon_estimate_s(s->owner, s->coupon_id, line->position),
        };
        finish(s, &st, REFUSAL_NONE);
        return;
    }
    s->sure = known && line->whole;
    coupon_request_latest(s->owner->store, s->coupon_id, s->user_id, on_row, s);
}

static void send_invalid(void *arg)
{
    struct status *s = arg;
    finish(s, NULL, s->invalid);
}

void coupon_status(struct coupon_accept *a, int64_t coupon_id, int64_t user_id, status_fn *done, void *arg)
{
    struct status *s = mem_zalloc(sizeof *s);
    *s = (struct status){.owner = a, .coupon_id = coupon_id, .user_id = user_id, .done = done, .arg = arg};
    LIST_INSERT_HEAD(&a->questions, s, all);
    if (user_id <= 0 || coupon_id <= 0) {
        s->invalid = user_id <= 0 ? REFUSAL_INVALID_COUPON_USER_ID : REFUSAL_INVALID_COUPON_ID;
        s->task = (struct loop_task){.run = send_invalid, .arg = s};
        loop_defer(a->loop, &s->task);
        return;
    }
    coupon_line_status(a->store, coupon_id, user_id, on_line, s);
}

void coupon_status_drop(struct coupon_accept *a)
{
    struct status *s;
    while ((s = LIST_FIRST(&a->questions))) {
        LIST_REMOVE(s, all);
        loop_defer_cancel(a->loop, &s->task);
        mem_free(s);
    }
}
