/* Orders: POST goes to the batches of service/order, GET to the store. */
#include "api/api_internal.h"

#include <stdio.h>

#include "api/api_tables.h"
#include "service/answers.h"

void api_send_order_answer(void *arg, const struct order_answer *answer)
{
    struct api_call *c = arg;
    char seconds[16];
    const struct http_header retry = {"Retry-After", seconds};
    snprintf(seconds, sizeof seconds, "%d", answer->retry_after_s);
    api_send_with(c, answer->status, answer->content_type, answer->body, &retry, answer->retry_after_s > 0);
}

/* The request in one spelling, whatever blanks, order of members and unknown fields it came with. */
static void fingerprint(const struct body_order *body, struct buf *out)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "%lld,%lld", (long long)body->user_id, (long long)body->user_coupon_id);
    for (size_t i = 0; i < body->nlines; i++) {
        buf_putc(&text, ';');
        buf_put_i64(&text, body->lines[i].product_id);
        buf_putc(&text, 'x');
        buf_put_i64(&text, body->lines[i].quantity);
    }
    api_fingerprint(buf_slice(&text), out);
    buf_free(&text);
}

void api_order_create(struct api_call *c, const struct http_request *req)
{
    char key[API_KEY_MAX + 1];
    struct body_order body;
    struct buf hash = BUF_INIT;
    if (!api_idempotency_key(c, req, key) || !api_body(c, req, &body_order_table, &body))
        return;
    if (key[0])
        fingerprint(&body, &hash);
    const struct order_submit in = {
        .user_id = body.user_id,
        .user_coupon_id = body.user_coupon_id,
        .lines = body.lines,
        .nlines = body.nlines,
        .idempotency_key = key[0] ? key : NULL,
        .body_hash = key[0] ? buf_str(&hash) : NULL,
        .request_id = req->request_id,
        .form = api_form(c),
    };
    order_submit(c->api->services.orders, &in, api_send_order_answer, api_keep(c));
    buf_free(&hash);
    msg_field_free(&body_order_table, &body);
}

/* --- reading --- */

/* items holds room for the row's. */
static struct answer_order body_of(const struct order_row *row, struct answer_order_item *items)
{
    for (size_t i = 0; i < row->nitems; i++) {
        const struct order_item_row *from = &row->items[i];
        items[i] = (struct answer_order_item){
            .id = from->id,
            .product_id = from->product_id,
            .product_name = (char *)from->product_name,
            .quantity = from->quantity,
            .unit_price = from->unit_price,
            .total_price = from->total_price,
        };
    }
    return (struct answer_order){
        .id = row->id,
        .user_id = row->user_id,
        .user_coupon_id = row->user_coupon_id,
        .total = row->total,
        .discounted = row->discounted,
        .discount = row->discount,
        .status = (char *)row->status,
        .items = items,
        .nitems = row->nitems,
        .created_at_us = row->created_at_us,
    };
}

static void on_order(void *arg, const struct order_row *rows, size_t n, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    if (n == 0) {
        api_refuse_id(c, REFUSAL_ORDER_NOT_FOUND, c->id);
        return;
    }
    struct answer_order_item *items = mem_array(rows->nitems, sizeof *items);
    const struct answer_order body = body_of(rows, items);
    api_send_table(c, 200, &answer_order_table, &body);
    mem_free(items);
}

void api_order_get(struct api_call *c, const struct http_request *req)
{
    if (!api_path_i64(c, req, 0, "orderId", &c->id))
        return;
    if (c->id <= 0)
        api_refuse_id(c, REFUSAL_ORDER_NOT_FOUND, c->id);
    else
        order_read(c->api->services.store, c->id, on_order, api_keep(c));
}

static void on_orders(void *arg, const struct order_row *rows, size_t n, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    bool more = n > c->limit;
    size_t shown = more ? c->limit : n, nitems = 0, at = 0;
    for (size_t i = 0; i < shown; i++)
        nitems += rows[i].nitems;
    struct answer_order *bodies = mem_array(shown, sizeof *bodies);
    struct answer_order_item *items = mem_array(nitems, sizeof *items);
    for (size_t i = 0; i < shown; i++) {
        bodies[i] = body_of(&rows[i], items + at);
        at += rows[i].nitems;
    }
    api_send_page(c, &answer_order_table, bodies, shown, more ? rows[shown - 1].id : 0);
    mem_free(bodies);
    mem_free(items);
}

void api_order_list(struct api_call *c, const struct http_request *req)
{
    if (!api_query_i64(c, req, "userId", &c->id) || !api_query_page(c, req))
        return;
    if (c->id <= 0)
        api_refuse_code(c, REFUSAL_INVALID_USER_ID);
    else
        order_page(c->api->services.store, c->id, c->cursor, c->limit + 1, on_orders, api_keep(c));
}
