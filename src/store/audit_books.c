/* The books of the audit: one statement each, on a snapshot. A statement counts what it looked at, counts what is wrong, and
 * describes some of it. */
#include "store/audit_internal.h"

/* $1 and $2: the range in microseconds; $3: the coupon or 0. */
#define IN_RANGE(column)  column " >= " SQL_AT("$1") " AND " column " < " SQL_AT("$2")
#define OF_COUPON(column) "($3::bigint = 0 OR " column " = $3::bigint)"
/* Whole local days that the range touches. */
#define FIRST_DAY "(" SQL_AT("$1") ")::date"
#define LAST_DAY  "(" SQL_AT("$2") " - interval '1 microsecond')::date"

/* examined: a table with its conditions; wrong: rows with a column `example`. */
#define BOOK(name, examined, wrong)                                                                          \
    {                                                                                                        \
        "audit_" name,                                                                                       \
            "SELECT e.n, COALESCE(b.total, 0), b.example FROM (SELECT count(*) AS n FROM " examined          \
            ") AS e LEFT JOIN (SELECT count(*) OVER () AS total, example FROM (" wrong                       \
            ") AS x LIMIT 10) AS b ON ($1::bigint, $2::bigint, $3::bigint) IS NOT NULL"                      \
    }

#define COMPLETED "orders AS o WHERE o.status = 'COMPLETED' AND " IN_RANGE("o.created_at")

/* clang-format off */
static const struct pg_statement books[AUDIT_BOOKS] = {
    [AUDIT_STOCK] = BOOK("stock", "products",
        "SELECT format('product %s: stock %s', id, stock) AS example FROM products WHERE stock < 0"),

    [AUDIT_SALES] = BOOK("sales", "product_sales_daily AS d WHERE d.day BETWEEN " FIRST_DAY " AND " LAST_DAY,
        "SELECT format('product %s on %s: booked %s for %s, sold %s for %s',"
        " COALESCE(d.product_id, s.product_id), COALESCE(d.day, s.day), COALESCE(d.quantity, 0),"
        " COALESCE(d.amount, 0), COALESCE(s.quantity, 0), COALESCE(s.amount, 0)) AS example"
        " FROM (SELECT * FROM product_sales_daily WHERE day BETWEEN " FIRST_DAY " AND " LAST_DAY ") AS d"
        " FULL JOIN (SELECT i.product_id, o.created_at::date AS day, sum(i.quantity) AS quantity,"
        " sum(i.total_price) AS amount FROM orders AS o JOIN order_items AS i ON i.order_id = o.id"
        " WHERE o.status = 'COMPLETED' AND o.created_at >= " FIRST_DAY "::timestamptz"
        " AND o.created_at < (" LAST_DAY " + 1)::timestamptz GROUP BY 1, 2) AS s"
        " ON s.product_id = d.product_id AND s.day = d.day"
        " WHERE d.quantity IS DISTINCT FROM s.quantity OR d.amount IS DISTINCT FROM s.amount"),

    [AUDIT_ISSUED_COUNT] = BOOK("issued_count", "coupons AS c WHERE " OF_COUPON("c.coupon_id"),
        "SELECT format('coupon %s: issued_count %s, %s users hold it, at most %s', c.coupon_id, c.issued_count,"
        " COALESCE(u.n, 0), c.max_issuance_count) AS example"
        " FROM coupons AS c LEFT JOIN (SELECT coupon_id, count(*) AS n FROM user_coupons GROUP BY 1) AS u USING (coupon_id)"
        " WHERE " OF_COUPON("c.coupon_id") " AND (c.issued_count <> COALESCE(u.n, 0)"
        " OR c.issued_count > c.max_issuance_count)"),

    [AUDIT_ONE_EACH] = BOOK("one_each", "user_coupons AS u WHERE " OF_COUPON("u.coupon_id"),
        "SELECT format('coupon %s: user %s holds it %s times', coupon_id, user_id, count(*)) AS example"
        " FROM user_coupons WHERE " OF_COUPON("coupon_id") " GROUP BY coupon_id, user_id HAVING count(*) > 1"),

    [AUDIT_BALANCE] = BOOK("balance", "balances",
        "SELECT format('user %s: balance %s, ledger %s', COALESCE(b.user_id, t.user_id), COALESCE(b.amount, 0),"
        " COALESCE(t.total, 0)) AS example"
        " FROM balances AS b FULL JOIN (SELECT user_id, sum(amount) AS total FROM user_balance_tx GROUP BY 1) AS t USING (user_id)"
        " WHERE b.amount IS DISTINCT FROM t.total"),

    /* Ids ascend per user: they are drawn under the lock of the balance. */
    [AUDIT_LEDGER] = BOOK("ledger", "user_balance_tx",
        "SELECT CASE WHEN nr = 1 AND tx_type <> 'DEPOSIT'"
        " THEN format('user %s: entry %s is the first and a %s', user_id, id, tx_type)"
        " ELSE format('user %s: entry %s: %s and then %s make %s', user_id, id, before, amount, balance_after) END AS example"
        " FROM (SELECT id, user_id, tx_type, amount, balance_after,"
        " lag(balance_after, 1, 0::numeric) OVER w AS before, row_number() OVER w AS nr"
        " FROM user_balance_tx WINDOW w AS (PARTITION BY user_id ORDER BY id)) AS t"
        " WHERE balance_after <> before + amount OR (nr = 1 AND tx_type <> 'DEPOSIT')"),

    [AUDIT_PAYMENT] = BOOK("payment", COMPLETED,
        "SELECT format('order %s: %s payments of %s together, one of %s is due', o.id, COALESCE(p.n, 0),"
        " COALESCE(p.total, 0), -o.discounted_amount) AS example"
        " FROM orders AS o LEFT JOIN (SELECT order_id, count(*) AS n, sum(amount) AS total, min(user_id) AS payer"
        " FROM user_balance_tx WHERE tx_type = 'PAYMENT' GROUP BY 1) AS p ON p.order_id = o.id"
        " WHERE o.status = 'COMPLETED' AND " IN_RANGE("o.created_at")
        " AND (p.n IS DISTINCT FROM 1 OR p.total <> -o.discounted_amount OR p.payer <> o.user_id)"
        " UNION ALL"
        " SELECT format('payment %s is for order %s, which is not completed', t.id, t.order_id)"
        " FROM user_balance_tx AS t LEFT JOIN orders AS o ON o.id = t.order_id"
        " WHERE t.tx_type = 'PAYMENT' AND " IN_RANGE("t.created_at") " AND o.status IS DISTINCT FROM 'COMPLETED'"),

    [AUDIT_TOTALS] = BOOK("totals", "orders AS o WHERE " IN_RANGE("o.created_at"),
        "SELECT format('order %s: total %s, its %s lines %s, discount %s, paid %s', o.id, o.total_amount,"
        " COALESCE(i.n, 0), COALESCE(i.total, 0), o.discount_amount, o.discounted_amount) AS example"
        " FROM orders AS o LEFT JOIN (SELECT order_id, count(*) AS n, sum(total_price) AS total,"
        " bool_and(total_price = unit_price * quantity) AS exact FROM order_items GROUP BY 1) AS i ON i.order_id = o.id"
        " WHERE " IN_RANGE("o.created_at") " AND (i.total IS DISTINCT FROM o.total_amount OR NOT i.exact"
        " OR o.discounted_amount <> o.total_amount - o.discount_amount"
        " OR (o.user_coupon_id IS NULL AND o.discount_amount <> 0))"
        " UNION ALL"
        " SELECT format('line %s is of order %s, which is not there', i.id, i.order_id)"
        " FROM order_items AS i WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.id = i.order_id)"),

    [AUDIT_HISTORY] = BOOK("history", COMPLETED,
        "SELECT format('order %s: %s events ORDER_COMPLETED of %s, one of %s is due', o.id, COALESCE(h.n, 0),"
        " COALESCE(h.total, 0), o.discounted_amount) AS example"
        " FROM orders AS o LEFT JOIN (SELECT order_id, count(*) AS n, sum(amount) AS total"
        " FROM order_history_events WHERE event_type = 'ORDER_COMPLETED' GROUP BY 1) AS h ON h.order_id = o.id"
        " WHERE o.status = 'COMPLETED' AND " IN_RANGE("o.created_at")
        " AND (h.n IS DISTINCT FROM 1 OR h.total <> o.discounted_amount)"),

    [AUDIT_ANSWERS] = BOOK("answers",
        "idempotency_keys AS k WHERE k.status = 200 AND k.route = 'orders' AND " IN_RANGE("k.created_at"),
        "SELECT format('key %s of user %s: its answer names order %s', k.key, k.user_id, k.order_id) AS example"
        " FROM (SELECT key, user_id, (body::json ->> 'id')::bigint AS order_id FROM idempotency_keys"
        " WHERE status = 200 AND route = 'orders' AND " IN_RANGE("created_at") ") AS k"
        " LEFT JOIN orders AS o ON o.id = k.order_id WHERE o.user_id IS DISTINCT FROM k.user_id"),

    [AUDIT_COUPON_USED] = BOOK("coupon_used", "user_coupons AS u WHERE u.status = 'USED' AND " OF_COUPON("u.coupon_id"),
        "SELECT format('user coupon %s of user %s is %s for order %s, carried by order %s of user %s', u.user_coupon_id,"
        " u.user_id, u.status, COALESCE(u.order_id::text, '-'), COALESCE(o.id::text, '-'), COALESCE(o.user_id::text, '-')) AS example"
        " FROM user_coupons AS u LEFT JOIN orders AS o ON o.user_coupon_id = u.user_coupon_id"
        " WHERE " OF_COUPON("u.coupon_id") " AND ((u.status = 'USED') <> (o.id IS NOT NULL)"
        " OR u.order_id IS DISTINCT FROM o.id OR u.user_id <> o.user_id)"),

    /* The relay takes a row after 30 seconds. */
    [AUDIT_OUTBOX] = BOOK("outbox", "outbox AS b WHERE " IN_RANGE("b.created_at"),
        "SELECT CASE WHEN error IS NOT NULL THEN format('order %s is given up: %s', ids, error)"
        " ELSE format('order %s waits since %s, %s attempts', ids, created_at, attempts) END AS example"
        " FROM (SELECT *, order_id || CASE WHEN orders > 1 THEN ' to ' || order_id + orders - 1 ELSE '' END AS ids FROM outbox) AS b"
        " WHERE " IN_RANGE("created_at")
        " AND (error IS NOT NULL OR created_at < now() - interval '2 minutes')"),

    [AUDIT_FORWARDED] = BOOK("forwarded", COMPLETED " AND o.created_at < now() - interval '2 minutes'",
        "SELECT format('order %s of %s', o.id, o.created_at) AS example FROM orders AS o"
        " WHERE o.status = 'COMPLETED' AND " IN_RANGE("o.created_at") " AND o.created_at < now() - interval '2 minutes'"
        " AND NOT EXISTS (SELECT FROM platform_forwarded AS f WHERE f.order_id = o.id)"
        " AND NOT " SQL_IN_OUTBOX("o.id")),

    [AUDIT_DECISIONS] = BOOK("decisions",
        "coupon_requests AS q WHERE q.outcome IS NOT NULL AND " OF_COUPON("q.coupon_id") " AND " IN_RANGE("q.decided_at"),
        "SELECT format('coupon %s: decision %s was made %s times', coupon_id, decision, count(*)) AS example"
        " FROM coupon_requests WHERE outcome IS NOT NULL AND " OF_COUPON("coupon_id") " AND " IN_RANGE("decided_at")
        " GROUP BY coupon_id, decision HAVING count(*) > 1"
        " UNION ALL"
        " SELECT format('coupon %s: user %s succeeded %s times', coupon_id, user_id, count(*))"
        " FROM coupon_requests WHERE outcome = 'SUCCESS' AND " OF_COUPON("coupon_id")
        " GROUP BY coupon_id, user_id HAVING count(*) > 1"
        " UNION ALL"
        " SELECT format('coupon %s: request of user %s at %s is FAILED without a reason', coupon_id, user_id, requested_at)"
        " FROM coupon_requests WHERE outcome = 'FAILED' AND COALESCE(reason, '') = '' AND " OF_COUPON("coupon_id")
        " AND " IN_RANGE("decided_at")),

    [AUDIT_HOLDERS] = BOOK("holders", "user_coupons AS u WHERE " OF_COUPON("u.coupon_id") " AND " IN_RANGE("u.issued_at"),
        "SELECT format('coupon %s: user %s holds user coupon %s without a successful request', u.coupon_id, u.user_id,"
        " u.user_coupon_id) AS example"
        " FROM user_coupons AS u LEFT JOIN coupon_requests AS q ON q.coupon_id = u.coupon_id AND q.user_id = u.user_id"
        " AND q.user_coupon_id = u.user_coupon_id AND q.outcome = 'SUCCESS'"
        " WHERE " OF_COUPON("u.coupon_id") " AND " IN_RANGE("u.issued_at") " AND q.coupon_id IS NULL"
        " UNION ALL"
        " SELECT format('coupon %s: the request of user %s succeeded with user coupon %s, which is not his', q.coupon_id, q.user_id,"
        " q.user_coupon_id)"
        " FROM coupon_requests AS q LEFT JOIN user_coupons AS u ON u.user_coupon_id = q.user_coupon_id"
        " WHERE q.outcome = 'SUCCESS' AND " OF_COUPON("q.coupon_id") " AND " IN_RANGE("q.decided_at")
        " AND (u.coupon_id IS DISTINCT FROM q.coupon_id OR u.user_id IS DISTINCT FROM q.user_id)"),

    [AUDIT_TICKETS] = BOOK("tickets",
        "coupon_requests AS q WHERE q.ticket IS NOT NULL AND " OF_COUPON("q.coupon_id") " AND " IN_RANGE("q.requested_at"),
        "SELECT format('coupon %s: ticket %s of user %s (%s) comes behind ticket %s (%s)', coupon_id, ticket, user_id,"
        " requested_at, before, before_at) AS example"
        " FROM (SELECT coupon_id, user_id, ticket, requested_at, lag(ticket) OVER w AS before,"
        " lag(requested_at) OVER w AS before_at FROM coupon_requests WHERE ticket IS NOT NULL AND " OF_COUPON("coupon_id")
        " WINDOW w AS (PARTITION BY coupon_id ORDER BY ticket, requested_at)) AS q"
        " WHERE " IN_RANGE("requested_at") " AND (ticket = before OR requested_at <= before_at)"),
};
/* clang-format on */

typedef void finding_fn(void *arg, const struct audit_finding *f, const struct error *e);

static void on_book(struct audit_read *read, const struct pg_result *r, const struct error *e)
{
    finding_fn *done = (finding_fn *)read->done;
    struct audit_finding f = {0};
    for (int i = 0; !e && i < pg_result_rows(r); i++) {
        f.examined = pg_result_i64(r, i, 0);
        f.wrong = pg_result_i64(r, i, 1);
        if (f.wrong && f.n < AUDIT_EXAMPLES)
            f.examples[f.n++] = pg_result_text(r, i, 2);
    }
    done(read->arg, e ? NULL : &f, e);
}

void audit_read_book(struct audit_snapshot *a, enum audit_book book, const struct audit_range *r,
                     finding_fn *done, void *arg)
{
    struct store_number from, to, coupon;
    audit_snapshot_read(a, &books[book],
                        PG_PARAMS(store_number(&from, r->from_us), store_number(&to, r->to_us),
                                  store_number(&coupon, r->coupon_id)),
                        on_book, (store_any_fn *)done, arg);
}
