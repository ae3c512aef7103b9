/* GET /api/coupons: all of them, for the contract has no pages.
 *
 *   ask      the cache says when all are known; then the request joins those that are served next
 *   build    one text for all who are served: so many coupons in a turn of the loop, behind the last one printed, so that it does
 *            not matter what comes and goes meanwhile
 *   answer   the text is copied for each, so many bytes in a turn
 *
 * However many coupons there are and however many ask, a turn stays short, and who asks while a text is being built waits for the
 * next one, which is newer. A client that has left is dropped; when nobody is left the text is. */
#include "api/api_coupon_list.h"

#include "base/clock.h"

#define PART        500           /* coupons printed in one turn */
#define ANSWER_SIZE (1024 * 1024) /* bytes copied in one turn; at least one answer */
#define KEPT_SIZE   (1024 * 1024) /* largest text whose memory is kept for the next */

struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct api_call *call;
};
TAILQ_HEAD(waiters, waiter);

struct coupon_list {
    struct api *api;
    struct loop_timer *next_turn;
    struct waiters served, later;
    bool building; /* else the text is whole, or nobody is served */
    struct buf text;
    struct msg_json json;
    int64_t after; /* the last coupon printed */
    int64_t now_us;
};

static void drop(struct waiters *list, struct waiter *w)
{
    TAILQ_REMOVE(list, w, link);
    mem_free(w);
}

static void begin(struct coupon_list *l)
{
    TAILQ_CONCAT(&l->served, &l->later, link);
    l->building = true;
    l->after = INT64_MIN;
    l->now_us = clock_shop_us();
    buf_clear(&l->text);
    l->json = MSG_JSON(&l->text);
    msg_json_array(&l->json);
}

/* The first row behind an id. */
static size_t place_behind(const struct coupon_row *rows, size_t n, int64_t id)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rows[mid].id <= id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void build(struct coupon_list *l)
{
    size_t n;
    const struct coupon_row *rows = coupon_cache_all(l->api->services.cache, &n);
    size_t i = place_behind(rows, n, l->after), end = n - i > PART ? i + PART : n;
    for (; i < end; i++) {
        const struct body_coupon body = api_coupon_body(&rows[i], l->now_us);
        msg_field_write(&l->json, &body_coupon_table, 0, &body);
        l->after = rows[i].id;
    }
    if (end < n)
        return;
    msg_json_array_end(&l->json);
    l->building = false;
}

static void answer(struct coupon_list *l)
{
    struct waiter *w;
    for (size_t sent = 0; (!sent || sent + l->text.len <= ANSWER_SIZE) && (w = TAILQ_FIRST(&l->served));) {
        if (http_reply_wanted(w->call->server, w->call->reply))
            sent += l->text.len;
        api_send(w->call, 200, "application/json", buf_slice(&l->text));
        drop(&l->served, w);
    }
}

/* True while a client is there for whom the text is. */
static bool is_wanted(struct coupon_list *l)
{
    struct waiter *w;
    while ((w = TAILQ_FIRST(&l->served)) && !http_reply_wanted(w->call->server, w->call->reply)) {
        api_send(w->call, 200, NULL, SLICE("")); /* nobody hears it: the call ends */
        drop(&l->served, w);
    }
    return w;
}

/* What one turn does: a slice, then answers if that was the last. */
static void step(void *arg)
{
    struct coupon_list *l = arg;
    if (is_wanted(l)) {
        if (l->building)
            build(l);
        if (!l->building)
            answer(l);
    }
    if (TAILQ_EMPTY(&l->served)) {
        l->building = false;
        if (l->text.cap > KEPT_SIZE)
            buf_free(&l->text);
        if (!TAILQ_EMPTY(&l->later))
            begin(l);
    }
    if (!TAILQ_EMPTY(&l->served))
        loop_timer_start(l->next_turn, 0);
}

static void on_all_known(void *arg, const struct error *e)
{
    struct api_call *c = arg;
    struct coupon_list *l = c->api->coupon_list;
    if (api_failed(c, e))
        return;
    struct waiter *w = mem_alloc(sizeof *w);
    w->call = c;
    bool idle = TAILQ_EMPTY(&l->served);
    TAILQ_INSERT_TAIL(&l->later, w, link);
    if (idle) {
        begin(l);
        step(l);
    }
}

void api_coupon_list(struct api_call *c, const struct http_request *req)
{
    coupon_cache_get_all(c->api->services.cache, on_all_known, api_keep(c));
}

struct coupon_list *coupon_list_new(struct api *a)
{
    struct coupon_list *l = mem_zalloc(sizeof *l);
    l->api = a;
    l->next_turn = loop_timer_new(a->services.loop, step, l);
    TAILQ_INIT(&l->served);
    TAILQ_INIT(&l->later);
    return l;
}

void coupon_list_free(struct coupon_list *l)
{
    if (!l)
        return;
    loop_timer_free(l->next_turn);
    struct waiter *w;
    while ((w = TAILQ_FIRST(&l->served)))
        drop(&l->served, w);
    while ((w = TAILQ_FIRST(&l->later)))
        drop(&l->later, w);
    buf_free(&l->text);
    mem_free(l);
}
