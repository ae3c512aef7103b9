/* What a dead letter says. */
#include "service/dead_letter.h"

#include <stdio.h>

#include "msg/msg.h"
#include "msg/msg_json.h"

static const char prefix[] = "kafka_dlt-";

bool dead_letter_header_is_ours(const char *name)
{
    return str_starts_with(name, prefix);
}

/* The last header of this name counts, as in Java's lastHeader(). */
static bool header(const struct event_message *m, const char *name, struct slice *out)
{
    for (size_t i = m->nheaders; i-- > 0;)
        if (dead_letter_header_is_ours(m->headers[i].name) &&
            strcmp(m->headers[i].name + sizeof prefix - 1, name) == 0) {
            *out = (struct slice){m->headers[i].value, m->headers[i].value ? m->headers[i].size : 0};
            return true;
        }
    *out = (struct slice){0};
    return false;
}

/* A number of size bytes in big endian, as Java's ByteBuffer writes it; -1 when there is none. */
static int64_t number(const struct event_message *m, const char *name, size_t size)
{
    struct slice s;
    if (!header(m, name, &s) || s.n != size)
        return -1;
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v = v << 8 | (unsigned char)s.p[i];
    return size == 4 ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v;
}

static bool is_dead_letters_of(const struct dead_letter_topics *topics, const char *name, const char *topic)
{
    size_t n = strlen(topic);
    return strncmp(name, topic, n) == 0 && strcmp(name + n, topics->suffix) == 0;
}

enum event_topic dead_letter_kind(const struct dead_letter_topics *topics, const char *name)
{
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        if (strcmp(name, topics->names[i]) == 0)
            return (enum event_topic)i;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        if (is_dead_letters_of(topics, name, topics->names[i]))
            return (enum event_topic)i;
    return EVENT_TOPIC_COUNT;
}

void dead_letter_parse(const struct dead_letter_topics *topics, const struct event_message *m,
                       struct dead_letter *out)
{
    struct slice topic;
    *out = (struct dead_letter){.message = m,
                                .partition = (int32_t)number(m, "original-partition", 4),
                                .offset = number(m, "original-offset", 8),
                                .timestamp_ms = number(m, "original-timestamp", 8),
                                .kind = EVENT_TOPIC_COUNT};
    header(m, "original-consumer-group", &out->group);
    header(m, "exception-fqcn", &out->exception);
    header(m, "exception-message", &out->reason);
    if (header(m, "original-topic", &topic) && topic.n > 0 && topic.n < sizeof out->topic &&
        !memchr(topic.p, 0, topic.n)) {
        memcpy(out->topic, topic.p, topic.n);
        for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
            if (strcmp(out->topic, topics->names[i]) == 0)
                out->kind = (enum event_topic)i;
        return;
    }
    out->kind = dead_letter_kind(topics, m->topic);
    if (out->kind != EVENT_TOPIC_COUNT)
        str_copy(out->topic, sizeof out->topic, topics->names[out->kind]);
}

/* --- the value --- */

static void put_i64(struct msg_json *j, const char *name, int64_t v)
{
    msg_json_key(j, name);
    v ? msg_json_i64(j, v) : msg_json_null(j);
}

static bool decode_order(struct slice v, struct buf *json, struct error *e)
{
    struct msg_order order;
    if (!msg_order_completed_parse(v.p, v.n, &order, e))
        return false;
    if (json)
        msg_order_completed_print(json, &order, MSG_BOTH);
    msg_order_free(&order);
    return true;
}

static bool decode_ranking(struct slice v, struct buf *json, struct error *e)
{
    struct msg_product_ranking r;
    if (!msg_product_ranking_parse(v.p, v.n, &r, e))
        return false;
    if (json) {
        struct msg_json j = MSG_JSON(json);
        msg_json_object(&j);
        put_i64(&j, "productId", r.product_id);
        put_i64(&j, "orderId", r.order_id);
        put_i64(&j, "quantity", r.quantity);
        put_i64(&j, "orderItemId", r.order_item_id);
        msg_json_key(&j, "productName"), msg_json_string(&j, r.product_name);
        msg_json_key(&j, "orderCompletedAt");
        r.completed_at_us ? msg_json_date_iso(&j, r.completed_at_us) : msg_json_null(&j);
        msg_json_object_end(&j);
    }
    msg_product_ranking_free(&r);
    return true;
}

static bool decode_platform(struct slice v, struct buf *json, struct error *e)
{
    struct msg_data_platform document;
    if (!msg_data_platform_parse(v.p, v.n, &document, e))
        return false;
    if (json) {
        struct msg_json j = MSG_JSON(json);
        msg_json_object(&j);
        put_i64(&j, "orderId", document.order_id);
        put_i64(&j, "userId", document.user_id);
        msg_json_object_end(&j);
    }
    return true;
}

static bool decode_coupon(struct slice v, struct buf *json, struct error *e)
{
    struct msg_coupon_issue request;
    if (!msg_coupon_issue_parse(v.p, v.n, &request, e))
        return false;
    if (json)
        msg_coupon_issue_print(json, &request, MSG_DOCUMENTED);
    msg_coupon_issue_free(&request);
    return true;
}

bool dead_letter_decode(const struct dead_letter *l, struct buf *json, struct error *e)
{
    static bool (*const decode[])(struct slice v, struct buf * json, struct error * e) = {
        [EVENT_ORDER_COMPLETED] = decode_order,
        [EVENT_PRODUCT_RANKING] = decode_ranking,
        [EVENT_DATA_PLATFORM] = decode_platform,
        [EVENT_COUPON_ISSUE] = decode_coupon,
    };
    if (l->kind == EVENT_TOPIC_COUNT) {
        error_set(e, ERROR_PERMANENT, "TOPIC", "%s is no topic of this shop",
                  *l->topic ? l->topic : "the message's topic is not said: it");
        return false;
    }
    if (!l->message->value.p) {
        error_set(e, ERROR_PERMANENT, "TOMBSTONE", "the message has no value");
        return false;
    }
    return decode[l->kind](l->message->value, json, e);
}

bool dead_letter_coupon_request(const struct dead_letter *l, struct issue_tx_request *out)
{
    struct msg_coupon_issue request;
    struct error e = ERROR_INIT;
    const struct event_message *m = l->message;
    if (l->kind != EVENT_COUPON_ISSUE || !m->value.p ||
        !msg_coupon_issue_parse(m->value.p, m->value.n, &request, &e))
        return false;
    *out = (struct issue_tx_request){request.coupon_id, request.user_id, request.requested_at_us,
                                     request.ticket};
    msg_coupon_issue_free(&request);
    /* Without requestedAt the message's own timestamp was its identity (contract section 4). */
    if (out->requested_at_us <= 0)
        out->requested_at_us = l->timestamp_ms > 0 ? l->timestamp_ms * 1000 : l->offset + 1;
    return true;
}
