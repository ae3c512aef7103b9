/* Completed orders against what the topics hold. The orders come from a snapshot, without those whose rows are still in the outbox; a
 * row leaves the outbox when its messages are reported delivered. So what the topics have at their ends, read later, must contain them,
 * as far back as the topics keep messages. */
#include "service/audit_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "msg/msg.h"
#include "msg/msg_date.h"

#define SKEW_US (INT64_C(60) * 1000000) /* clocks of nodes and brokers may differ */

enum topic { /* those that are looked at */
    TOPIC_ORDERS,
    TOPIC_PLATFORM,
    TOPIC_RANKING,
    TOPICS,
};
static const enum event_topic event_topics[TOPICS] = {EVENT_ORDER_COMPLETED, EVENT_DATA_PLATFORM,
                                                      EVENT_PRODUCT_RANKING};

struct audit_topics {
    const char *names[TOPICS + 1];
    uint8_t *found; /* per line of books.ordered: a bit per topic, the order's on its first line */
    int64_t messages[TOPICS], unreadable[TOPICS], strangers[TOPICS];
    int partitions[TOPICS];
    int64_t since_us[TOPICS]; /* what was published earlier may be gone */
};

void audit_topics_free(struct audit_topics *t)
{
    if (!t)
        return;
    mem_free(t->found);
    mem_free(t);
}

/* --- messages --- */

static int compare_ordered(const void *a, const void *b)
{
    const struct audit_ordered *x = a, *y = b;
    if (x->order_id != y->order_id)
        return x->order_id < y->order_id ? -1 : 1;
    return x->product_id < y->product_id ? -1 : x->product_id > y->product_id;
}

/* The first line at or behind (order, product). */
static size_t find_line(const struct audit_books_read *b, int64_t order_id, int64_t product_id)
{
    const struct audit_ordered key = {order_id, product_id, 0};
    size_t lo = 0, hi = b->nordered;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare_ordered(&b->ordered[mid], &key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* What the message is about; product 0: the whole order. */
static bool read_message(enum topic topic, struct slice value, int64_t *order_id, int64_t *product_id)
{
    struct error e = ERROR_INIT;
    bool ok = false;
    *product_id = 0;
    if (!value.p)
        return false;
    if (topic == TOPIC_ORDERS) {
        struct msg_order order;
        if ((ok = msg_order_completed_parse(value.p, value.n, &order, &e))) {
            *order_id = order.order_id;
            msg_order_free(&order);
        }
    } else if (topic == TOPIC_PLATFORM) {
        struct msg_data_platform document;
        if ((ok = msg_data_platform_parse(value.p, value.n, &document, &e)))
            *order_id = document.order_id;
    } else {
        struct msg_product_ranking sale;
        if ((ok = msg_product_ranking_parse(value.p, value.n, &sale, &e))) {
            *order_id = sale.order_id;
            *product_id = sale.product_id;
            msg_product_ranking_free(&sale);
        }
    }
    return ok;
}

static void on_message(void *arg, const struct event_message *m)
{
    struct audit *a = arg;
    struct audit_topics *t = a->topics;
    const struct audit_books_read *b = &a->books;
    int64_t order_id, product_id;
    int topic = 0;
    while (topic < TOPICS && strcmp(t->names[topic], m->topic) != 0)
        topic++;
    if (topic == TOPICS)
        return;
    t->messages[topic]++;
    if (!read_message((enum topic)topic, m->value, &order_id, &product_id)) {
        t->unreadable[topic]++;
        return;
    }
    size_t line = find_line(b, order_id, product_id);
    if (line < b->nordered && b->ordered[line].order_id == order_id &&
        (!product_id || b->ordered[line].product_id == product_id))
        t->found[line] |= (uint8_t)(1 << topic);
    else
        t->strangers[topic]++;
}

/* --- verdicts --- */

static bool is_first_line(const struct audit_books_read *b, size_t i)
{
    return i == 0 || b->ordered[i - 1].order_id != b->ordered[i].order_id;
}

static void judge(struct audit *a, enum topic topic)
{
    const struct audit_topics *t = a->topics;
    const struct audit_books_read *b = &a->books;
    struct buf *note = &a->report.note;
    int64_t older = 0, oldest_us = 0;
    for (size_t i = 0; i < b->nordered; i++) {
        const struct audit_ordered *line = &b->ordered[i];
        if (topic != TOPIC_RANKING && !is_first_line(b, i))
            continue;
        bool found = t->found[i] & (1 << topic);
        if (!found && line->created_at_us < t->since_us[topic]) {
            older++;
            continue;
        }
        a->report.examined++;
        if (!oldest_us || line->created_at_us < oldest_us)
            oldest_us = line->created_at_us;
        if (found)
            continue;
        a->report.wrong++;
        if (topic == TOPIC_RANKING)
            audit_example(a, "order %" PRId64 ", product %" PRId64, line->order_id, line->product_id);
        else
            audit_example(a, "order %" PRId64, line->order_id);
    }
    if (!t->partitions[topic]) {
        buf_printf(note, "there is no topic %s", t->names[topic]);
    } else {
        buf_printf(note, "%" PRId64 " messages in %d partitions", t->messages[topic], t->partitions[topic]);
        if (oldest_us) {
            buf_puts(note, ", proved from ");
            msg_date_blank(note, oldest_us);
            buf_puts(note, " on");
        }
    }
    if (older)
        buf_printf(note, "; %" PRId64 " are older than what the topic keeps", older);
    if (t->unreadable[topic])
        buf_printf(note, "; %" PRId64 " messages cannot be read", t->unreadable[topic]);
    if (b->ordered_cut)
        buf_printf(note, "; only the first %zu order lines fit, take a shorter range", b->nordered);
    audit_check_done(a, NULL);
}

static void on_read(void *arg, const struct event_range *ranges, size_t n, const struct error *e)
{
    struct audit *a = arg;
    struct audit_topics *t = a->topics;
    if (audit_failed(a, e))
        return;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < TOPICS; k++) {
            if (strcmp(ranges[i].topic, t->names[k]) != 0)
                continue;
            int64_t since_us =
                ranges[i].first_timestamp_ms > 0 ? ranges[i].first_timestamp_ms * 1000 : a->began_us;
            t->partitions[k]++;
            if (ranges[i].first > 0 && since_us + SKEW_US > t->since_us[k])
                t->since_us[k] = since_us + SKEW_US;
        }
    judge(a, TOPIC_ORDERS);
}

static void skip(struct audit *a)
{
    audit_skip(a, a->cfg->no_history);
    audit_check_done(a, NULL);
}

void audit_topic_orders(struct audit *a)
{
    if (!a->cfg->history.ops) {
        skip(a);
        return;
    }
    struct audit_topics *t = mem_zalloc(sizeof *t);
    a->topics = t;
    for (int i = 0; i < TOPICS; i++)
        t->names[i] = a->cfg->topics[event_topics[i]];
    t->found = mem_array(a->books.nordered, sizeof *t->found);
    a->cfg->history.ops->read(a->cfg->history.self, t->names, on_message, on_read, a);
}

void audit_topic_platform(struct audit *a)
{
    if (a->topics)
        judge(a, TOPIC_PLATFORM);
    else
        skip(a);
}

void audit_topic_ranking(struct audit *a)
{
    if (a->topics)
        judge(a, TOPIC_RANKING);
    else
        skip(a);
}
