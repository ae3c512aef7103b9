/* From the requests of a batch to its locks, and from the locked facts to answers and rows. No waiting, no
 * I/O. */
#include "service/order_batch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "service/answers.h"

const char *order_item_route(const struct order_item *it)
{
    return it->kind == ORDER_ITEM_ORDER ? "orders" : "charge";
}

void order_item_reset(struct order_item *it)
{
    it->status = 0;
    it->retry_after_s = 0;
    it->effect = it->remember = false;
    buf_clear(&it->body);
}

void order_item_free(struct order_item *it)
{
    mem_free(it->lines);
    mem_free(it->key);
    mem_free(it->body_hash);
    mem_free(it->request_id);
    mem_free(it->line_ids);
    buf_free(&it->body);
    mem_free(it);
}

void order_item_refuse(struct order_item *it, const struct refusal *why)
{
    order_item_reset(it);
    it->status = refusal_status(why->code);
    it->content_type = refusal_content_type(it->form);
    it->retry_after_s = why->code == REFUSAL_SERVICE_UNAVAILABLE ? 1 : 0;
    refusal_body(&it->body, why, it->form, clock_real_us());
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t sort_distinct(int64_t *ids, size_t n)
{
    qsort(ids, n, sizeof *ids, compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

void order_batch_locks(struct order_batch *b)
{
    size_t nlines = 0;
    for (size_t i = 0; i < b->n; i++)
        nlines += b->items[i]->nlines;
    int64_t *products = mem_array(nlines, sizeof *products);
    int64_t *users = mem_array(b->n, sizeof *users);
    int64_t *coupons = mem_array(b->n, sizeof *coupons);
    struct order_tx_key *keys = mem_array(b->n, sizeof *keys);
    size_t np = 0, nc = 0, nk = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct order_item *it = b->items[i];
        users[i] = it->user_id;
        for (size_t k = 0; k < it->nlines; k++)
            products[np++] = it->lines[k].product_id;
        if (it->user_coupon_id)
            coupons[nc++] = it->user_coupon_id;
        if (it->key)
            keys[nk++] = (struct order_tx_key){order_item_route(it), it->user_id, it->key};
    }
    b->locks = (struct order_tx_locks){
        .product_ids = products,
        .nproducts = sort_distinct(products, np),
        .user_ids = users,
        .nusers = sort_distinct(users, b->n),
        .user_coupon_ids = coupons,
        .nuser_coupons = sort_distinct(coupons, nc),
        .keys = keys,
        .nkeys = nk,
    };
}

/* An answer stored for the key, a key in use elsewhere, or another body under the same key: decided without
 * planning. */
static bool decide_by_key(struct order_item *it, const struct order_tx_answer *answer)
{
    if (!answer->claimed) {
        order_item_refuse(it, &(struct refusal){.code = REFUSAL_REQUEST_IN_PROGRESS});
        return true;
    }
    if (!answer->decided)
        return false;
    if (strcmp(answer->body_hash, it->body_hash) != 0) {
        order_item_refuse(it, &(struct refusal){.code = REFUSAL_IDEMPOTENCY_KEY_REUSED});
        return true;
    }
    it->status = answer->status;
    buf_puts(&it->body, answer->body);
    it->content_type = answer->status < 400 ? "application/json" : refusal_body_type(buf_slice(&it->body));
    return true;
}

static void take_ids(struct order_item *it, struct store *s)
{
    it->order_id = store_ids_take(s, STORE_ID_ORDER);
    it->line_ids = mem_grow(it->line_ids, it->nlines, sizeof *it->line_ids);
    for (size_t i = 0; i < it->nlines; i++)
        it->line_ids[i] = store_ids_take(s, STORE_ID_ORDER_ITEM);
}

/* Print the answer to an accepted order, and tell what is to be published of it. */
static void print_order(struct order_item *it, const struct order_plan *plan, int64_t now_us,
                        struct msg_order *event, struct msg_order_item *events)
{
    struct answer_order_item *answers = mem_array(it->nlines, sizeof *answers);
    for (size_t i = 0; i < it->nlines; i++) {
        const struct order_tx_product *p = order_plan_product(plan, it->lines[i].product_id);
        money total = p->price * it->lines[i].quantity; /* within range: the planner added it up */
        answers[i] = (struct answer_order_item){it->line_ids[i],       p->id,    (char *)p->name,
                                                it->lines[i].quantity, p->price, total};
        events[i] = (struct msg_order_item){
            it->line_ids[i], p->id, (char *)p->name, (char *)p->category, it->lines[i].quantity,
            p->price,        total};
    }
    const struct answer_order answer = {
        .id = it->order_id,
        .user_id = it->user_id,
        .user_coupon_id = it->user_coupon_id,
        .total = it->verdict.total,
        .discounted = it->verdict.discounted,
        .discount = it->verdict.discount,
        .status = (char *)"COMPLETED",
        .items = answers,
        .nitems = it->nlines,
        .created_at_us = now_us,
    };
    msg_field_print(&it->body, &answer_order_table, &answer);
    *event = (struct msg_order){
        .order_id = it->order_id,
        .user_id = it->user_id,
        .user_name = (char *)order_plan_user(plan, it->user_id)->username,
        .user_coupon_id = it->user_coupon_id,
        .total_amount = it->verdict.total,
        .discounted_amount = it->verdict.discounted,
        .discount_amount = it->verdict.discount,
        .status = (char *)"COMPLETED",
        .completed_at_us = now_us,
        .items = events,
        .nitems = it->nlines,
    };
    mem_free(answers);
}

static void decide_order(struct order_batch *b, struct store *s, struct order_item *it)
{
    const struct order_plan_ask ask = {it->user_id, it->user_coupon_id, it->lines, it->nlines};
    order_plan_decide(b->plan, &ask, &it->verdict);
    if (!it->verdict.accepted) {
        order_item_refuse(it, &it->verdict.refusal);
        return;
    }
    it->status = 200;
    it->content_type = "application/json";
    it->effect = true;
    take_ids(it, s);
}

static void decide_charge(struct order_batch *b, struct order_item *it, bool *created)
{
    struct refusal why;
    if (!order_plan_charge(b->plan, it->user_id, it->amount, &it->verdict.balance_after, created, &why)) {
        order_item_refuse(it, &why);
        return;
    }
    it->status = 200;
    it->content_type = "application/json";
    it->effect = true;
    const struct answer_charge answer = {it->user_id, it->amount, it->verdict.balance_after};
    msg_field_print(&it->body, &answer_charge_table, &answer);
}

/* Room for the rows of the batch at their largest. */
struct rows {
    struct order_tx_order *orders;
    struct msg_order *events;
    struct msg_order_item *event_items;
    const char **request_ids;
    struct order_tx_outbox *outbox;
    struct buf *payloads;
    struct order_tx_line *lines;
    struct order_tx_ledger *ledger;
    struct order_tx_use *uses;
    struct order_tx_decided *decided;
    size_t norders, noutbox, nlines, nledger, nuses, ndecided;
};

/* Where the next order goes in the outbox: into the last row as long as ids follow each other. */
static struct buf *outbox_line(struct rows *r, int64_t order_id)
{
    struct order_tx_outbox *last = r->noutbox ? &r->outbox[r->noutbox - 1] : NULL;
    if (!last || last->order_id + (int64_t)last->orders != order_id) {
        last = &r->outbox[r->noutbox++];
        *last = (struct order_tx_outbox){.order_id = order_id};
    }
    struct buf *payload = &r->payloads[r->noutbox - 1];
    if (last->orders++)
        buf_putc(payload, '\n');
    return payload;
}

static void add_order_rows(struct rows *r, const struct order_batch *b, struct order_item *it)
{
    const struct order_plan_verdict *v = &it->verdict;
    const struct order_plan *plan = b->plan;
    struct msg_order *event = &r->events[r->norders];
    print_order(it, plan, b->now_us, event, &r->event_items[r->nlines]);
    msg_order_print_outbox(outbox_line(r, it->order_id), event);
    r->request_ids[r->norders] = it->request_id;
    r->orders[r->norders++] = (struct order_tx_order){it->order_id, it->user_id,   it->user_coupon_id,
                                                      v->total,     v->discounted, v->discount};
    for (size_t i = 0; i < it->nlines; i++) {
        const struct order_tx_product *p = order_plan_product(plan, it->lines[i].product_id);
        r->lines[r->nlines++] = (struct order_tx_line){it->line_ids[i],
                                                       it->order_id,
                                                       p->id,
                                                       p->name,
                                                       it->lines[i].quantity,
                                                       p->price,
                                                       p->price * it->lines[i].quantity};
    }
    r->ledger[r->nledger++] =
        (struct order_tx_ledger){it->user_id, "PAYMENT", -v->discounted, v->balance_after, it->order_id};
    if (it->user_coupon_id)
        r->uses[r->nuses++] = (struct order_tx_use){it->user_coupon_id, it->order_id};
}

static void add_charge_rows(struct rows *r, const struct order_item *it, bool created)
{
    if (created) /* every balance starts with a DEPOSIT (contract section 6) */
        r->ledger[r->nledger++] = (struct order_tx_ledger){it->user_id, "DEPOSIT", 0, 0, 0};
    r->ledger[r->nledger++] =
        (struct order_tx_ledger){it->user_id, "CHARGE", it->amount, it->verdict.balance_after, 0};
}

static void add_decided(struct rows *r, struct order_item *it)
{
    r->decided[r->ndecided++] = (struct order_tx_decided){
        {order_item_route(it), it->user_id, it->key}, it->body_hash, it->status, buf_str(&it->body)};
}

static struct rows rows_new(const struct order_batch *b)
{
    size_t nlines = 0;
    for (size_t i = 0; i < b->n; i++)
        nlines += b->items[i]->nlines;
    return (struct rows){
        .orders = mem_array(b->n, sizeof(struct order_tx_order)),
        .events = mem_array(b->n, sizeof(struct msg_order)),
        .event_items = mem_array(nlines, sizeof(struct msg_order_item)),
        .request_ids = mem_array(b->n, sizeof(char *)),
        .outbox = mem_array(b->n, sizeof(struct order_tx_outbox)),
        .payloads = mem_array(b->n, sizeof(struct buf)),
        .lines = mem_array(nlines, sizeof(struct order_tx_line)),
        .ledger = mem_array(2 * b->n, sizeof(struct order_tx_ledger)),
        .uses = mem_array(b->n, sizeof(struct order_tx_use)),
        .decided = mem_array(b->n, sizeof(struct order_tx_decided)),
    };
}

bool order_batch_plan(struct order_batch *b, struct store *s, const struct order_tx_facts *facts,
                      int64_t now_us)
{
    b->now_us = now_us;
    b->plan = order_plan_new(facts, now_us);
    struct rows r = rows_new(b);
    size_t key = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct order_item *it = b->items[i];
        order_item_reset(it);
        if (it->key && decide_by_key(it, &facts->answers[key++]))
            continue;
        bool created = false;
        if (it->kind == ORDER_ITEM_ORDER)
            decide_order(b, s, it);
        else
            decide_charge(b, it, &created);
        if (it->effect && it->kind == ORDER_ITEM_ORDER)
            add_order_rows(&r, b, it);
        else if (it->effect)
            add_charge_rows(&r, it, created);
        it->remember = it->key != NULL;
        if (it->remember)
            add_decided(&r, it);
    }
    for (size_t i = 0; i < r.noutbox; i++)
        r.outbox[i].payload = buf_str(&r.payloads[i]);
    b->events = r.events;
    b->event_items = r.event_items;
    b->request_ids = r.request_ids;
    b->payloads = r.payloads;
    b->writes = (struct order_tx_writes){
        .at_us = now_us,
        .orders = r.orders,
        .norders = r.norders,
        .outbox = r.outbox,
        .noutbox = r.noutbox,
        .lines = r.lines,
        .nlines = r.nlines,
        .ledger = r.ledger,
        .nledger = r.nledger,
        .uses = r.uses,
        .nuses = r.nuses,
        .decided = r.decided,
        .ndecided = r.ndecided,
    };
    b->writes.sales = order_plan_sales(b->plan, &b->writes.nsales);
    b->writes.balances = order_plan_balances(b->plan, &b->writes.nbalances);
    return r.nledger || r.ndecided;
}

void order_batch_clear(struct order_batch *b)
{
    mem_free((void *)b->locks.product_ids);
    mem_free((void *)b->locks.user_ids);
    mem_free((void *)b->locks.user_coupon_ids);
    mem_free((void *)b->locks.keys);
    for (size_t i = 0; i < b->writes.noutbox; i++)
        buf_free(&b->payloads[i]);
    mem_free(b->payloads);
    mem_free(b->events);
    mem_free(b->event_items);
    mem_free(b->request_ids);
    mem_free((void *)b->writes.outbox);
    mem_free((void *)b->writes.orders);
    mem_free((void *)b->writes.lines);
    mem_free((void *)b->writes.ledger);
    mem_free((void *)b->writes.uses);
    mem_free((void *)b->writes.decided);
    order_plan_free(b->plan);
    mem_free(b->items);
    *b = (struct order_batch){0};
}
