/* Feeds arbitrary bytes to the scanner and to every codec. jansson must agree on what is JSON; what a codec
 * takes must print, in each schema, as JSON that reads back and prints the same. */
#include <jansson.h>

#include "msg/msg.h"
#include "msg/msg_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error e;

static void check_error(bool failed)
{
    if (failed)
        ASSERT(e.kind == ERROR_PERMANENT && e.text[0] && str_is_utf8(e.text, strlen(e.text)));
    e = ERROR_INIT;
}

/* Bounds that one of the two has and the other has not are no disagreement; nor is a NUL byte, which jansson
 * overlooks behind a number. */
static void check_scan(const char *text, size_t n)
{
    struct msg_scan s;
    msg_scan_init(&s, text, n, &e);
    struct msg_token token = msg_scan_value(&s);
    bool ok = token.type != MSG_TOKEN_ERROR && msg_scan_skip(&s, &token) && msg_scan_end(&s);
    msg_scan_free(&s);
    json_error_t error;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    bool limit = ok ? json_error_code(&error) == json_error_numeric_overflow : !strcmp(e.code, "JSON_LIMIT");
    bool nul = memchr(text, '\0', n);
    ASSERT(nul ? !ok : (ok == (root != NULL) || limit));
    json_decref(root);
    check_error(!ok);
}

/* What is far from the first and the last year reads back in every time zone. */
static bool date_is_safe(int64_t us)
{
    return us > INT64_C(-62000000000000000) && us < INT64_C(253000000000000000);
}

static void check_json(const struct buf *text)
{
    json_t *root = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, NULL);
    ASSERT(root);
    json_decref(root);
}

static void check_same(struct buf *first, struct buf *second)
{
    check_json(first);
    ASSERT(second->len == first->len && !memcmp(first->data, second->data, first->len));
    buf_free(first);
    buf_free(second);
}

/* Everything that is printed of an order. */
static void check_order(const struct msg_order *order)
{
    struct msg_order_product *products = mem_array(order->nitems, sizeof(*products));
    size_t n = msg_order_products(order, products);
    ASSERT(n >= 1 && n <= order->nitems);
    for (enum msg_schema schema = MSG_DOCUMENTED; schema <= MSG_BOTH && date_is_safe(order->completed_at_us);
         schema++) {
        struct buf first = BUF_INIT, second = BUF_INIT;
        struct msg_order again;
        msg_order_completed_print(&first, order, schema);
        ASSERT(msg_order_completed_parse(first.data, first.len, &again, &e));
        msg_order_completed_print(&second, &again, schema);
        msg_order_free(&again);
        check_same(&first, &second);
        struct msg_data_platform document;
        msg_data_platform_print(&first, order, schema, order->completed_at_us);
        check_json(&first);
        ASSERT(msg_data_platform_parse(first.data, first.len, &document, &e));
        ASSERT(document.order_id == order->order_id && document.user_id == order->user_id);
        buf_clear(&first);
        struct msg_product_ranking event;
        msg_product_ranking_print(&first, order, &products[n - 1], schema);
        check_json(&first);
        ASSERT(msg_product_ranking_parse(first.data, first.len, &event, &e));
        ASSERT(event.quantity == products[n - 1].quantity);
        msg_product_ranking_free(&event);
        buf_free(&first);
    }
    mem_free(products);
}

static void check_outbox(const char *text, size_t n)
{
    struct msg_order order, again;
    bool ok = msg_order_parse_outbox(text, n, &order, &e);
    check_error(!ok);
    if (!ok)
        return;
    struct buf first = BUF_INIT, second = BUF_INIT;
    msg_order_print_outbox(&first, &order);
    ASSERT(msg_order_parse_outbox(first.data, first.len, &again, &e));
    msg_order_print_outbox(&second, &again);
    check_same(&first, &second);
    check_order(&order);
    msg_order_free(&order);
    msg_order_free(&again);
}

static void check_completed(const char *text, size_t n)
{
    struct msg_order order;
    bool ok = msg_order_completed_parse(text, n, &order, &e);
    check_error(!ok);
    if (ok) {
        check_order(&order);
        msg_order_free(&order);
    }
}

static void check_coupon(const char *text, size_t n)
{
    struct msg_coupon_issue request, again;
    bool ok = msg_coupon_issue_parse(text, n, &request, &e);
    check_error(!ok);
    for (enum msg_schema schema = MSG_DOCUMENTED; ok && schema <= MSG_BOTH; schema++) {
        struct buf first = BUF_INIT, second = BUF_INIT;
        msg_coupon_issue_print(&first, &request, schema);
        if (date_is_safe(request.requested_at_us)) {
            ASSERT(msg_coupon_issue_parse(first.data, first.len, &again, &e));
            ASSERT(again.requested_at_us == request.requested_at_us);
            msg_coupon_issue_print(&second, &again, schema);
            check_same(&first, &second);
            msg_coupon_issue_free(&again);
        }
        buf_free(&first);
    }
    msg_coupon_issue_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    check_scan(text, size);
    check_outbox(text, size);
    check_completed(text, size);
    check_coupon(text, size);
    struct msg_product_ranking event;
    bool ok = msg_product_ranking_parse(text, size, &event, &e);
    check_error(!ok);
    msg_product_ranking_free(&event);
    struct msg_data_platform document;
    check_error(!msg_data_platform_parse(text, size, &document, &e));
    return 0;
}
