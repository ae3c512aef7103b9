/* Users and their balances. Balances are read anew each time: a client that has charged or paid wants to see it. */
#include "api/api_internal.h"
#include "api/api_tables.h"
#include "service/answers.h"

/* --- balance --- */

static void on_balance(void *arg, const struct user_row *row, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    if (!row) {
        api_refuse_code(c, REFUSAL_BALANCE_USER_NOT_FOUND);
        return;
    }
    const struct body_balance body = {row->user_id, row->has_balance ? row->balance : 0};
    api_send_table(c, 200, &body_balance_table, &body);
}

void api_balance_get(struct api_call *c, const struct http_request *req)
{
    if (!api_query_i64(c, req, "userId", &c->id))
        return;
    if (c->id <= 0)
        api_refuse_code(c, REFUSAL_BALANCE_USER_NOT_FOUND);
    else
        user_lookup(c->api->services.users, c->id, true, on_balance, api_keep(c));
}

void api_balance_charge(struct api_call *c, const struct http_request *req)
{
    char key[API_KEY_MAX + 1];
    struct body_charge body;
    struct buf text = BUF_INIT, hash = BUF_INIT;
    if (!api_idempotency_key(c, req, key) || !api_body(c, req, &body_charge_table, &body))
        return;
    if (key[0]) {
        buf_printf(&text, "%lld,%lld", (long long)body.user_id, (long long)body.amount);
        api_fingerprint(buf_slice(&text), &hash);
    }
    const struct charge_submit in = {
        .user_id = body.user_id,
        .amount = body.amount,
        .idempotency_key = key[0] ? key : NULL,
        .body_hash = key[0] ? buf_str(&hash) : NULL,
        .request_id = req->request_id,
        .form = api_form(c),
    };
    charge_submit(c->api->services.orders, &in, api_send_order_answer, api_keep(c));
    buf_free(&text);
    buf_free(&hash);
}

/* --- history --- */

/* A user without any transaction, or no user at all. */
static void on_user_of_history(void *arg, const struct user_row *row, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    if (row)
        api_send_page(c, &body_balance_tx_table, NULL, 0, 0);
    else
        api_refuse_code(c, REFUSAL_BALANCE_USER_NOT_FOUND);
}

static void on_history(void *arg, const struct balance_tx_row *rows, size_t n, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    if (n == 0 && !c->cursor) {
        user_lookup(c->api->services.users, c->id, false, on_user_of_history, c);
        return;
    }
    size_t shown = n > c->limit ? c->limit : n;
    struct body_balance_tx *bodies = mem_array(shown, sizeof *bodies);
    for (size_t i = 0; i < shown; i++)
        bodies[i] = (struct body_balance_tx){
            .id = rows[i].id,
            .type = (char *)rows[i].type,
            .amount = rows[i].amount,
            .balance_after = rows[i].balance_after,
            .order_id = rows[i].order_id,
            .created_at_us = rows[i].created_at_us,
        };
    api_send_page(c, &body_balance_tx_table, bodies, shown, n > shown ? rows[shown - 1].id : 0);
    mem_free(bodies);
}

void api_balance_history(struct api_call *c, const struct http_request *req)
{
    if (!api_query_i64(c, req, "userId", &c->id) || !api_query_page(c, req))
        return;
    if (c->id <= 0)
        api_refuse_code(c, REFUSAL_BALANCE_USER_NOT_FOUND);
    else
        balance_history(c->api->services.store, c->id, c->cursor, c->limit + 1, on_history, api_keep(c));
}

/* --- user --- */

static void on_user(void *arg, const struct user_row *row, const struct error *e)
{
    struct api_call *c = arg;
    if (api_failed(c, e))
        return;
    if (!row) {
        api_refuse_code(c, REFUSAL_USER_UNKNOWN);
        return;
    }
    const struct body_user body = {
        .id = row->user_id,
        .username = (char *)row->username,
        .status = (char *)row->status,
        .created_at_us = row->created_at_us,
        .updated_at_us = row->updated_at_us,
    };
    api_send_table(c, 200, &body_user_table, &body);
}

void api_user_get(struct api_call *c, const struct http_request *req)
{
    if (!api_path_i64(c, req, 0, "userId", &c->id))
        return;
    if (c->id <= 0)
        api_refuse_code(c, REFUSAL_USER_UNKNOWN);
    else
        user_lookup(c->api->services.users, c->id, true, on_user, api_keep(c));
}
