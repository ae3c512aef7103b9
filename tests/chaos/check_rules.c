/* The promises as queries. Tables of PostgreSQL are rushd's own; the temporary ones hold what was read elsewhere:
 *   rec       answers to the clients      op, key, user_id, coupon_id, cents, status, body, ...
 *   topic     every message               topic, part, off, key, value
 *   red       keys of Redis               kind, name (behind the kind's prefix), member, value
 *   platform  posts the platform got      order_id, key, status answered
 *   chaos_start (not temporary) is the stock before the run, run the options of the checker. */
#include "check.h"

/* clang-format off */
#define RULE(promise, what, sql) {promise, what, sql, false}
#define PLATFORM_RULE(promise, what, sql) {promise, what, sql, true}

/* The identity of a request, as the events spell it. */
#define IDENTITY "(t.value->>'couponId')::bigint = q.coupon_id AND (t.value->>'userId')::bigint = q.user_id" \
    " AND (t.value->>'requestedAt')::timestamp = q.requested_at AT TIME ZONE 'Asia/Seoul'"
#define SALES "SELECT (o.created_at AT TIME ZONE 'Asia/Seoul')::date AS day, i.product_id, sum(i.quantity) AS quantity," \
    " sum(i.total_price) AS amount FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.status = 'COMPLETED'" \
    " GROUP BY 1, 2"
#define EVENT(name) "SELECT (value->>'orderId')::bigint AS order_id, * FROM topic WHERE topic = '" name "'"

const struct check_rule check_rules[] = {
    RULE("G1", "stock is what was there less what was sold, and never below zero",
        "SELECT format('product %s: stock %s, began with %s, sold %s', p.id, p.stock, s.stock, COALESCE(x.sold, 0))"
        " FROM products p JOIN chaos_start s USING (id) LEFT JOIN (SELECT product_id, sum(quantity) AS sold FROM ("
        SALES ") y GROUP BY 1) x ON x.product_id = p.id WHERE p.stock < 0 OR p.stock <> s.stock - COALESCE(x.sold, 0)"),
    RULE("G1", "the books of the daily sales agree with the orders",
        "SELECT format('product %s on %s: booked %s for %s, sold %s for %s', product_id, day, d.quantity, d.amount, x.quantity,"
        " x.amount) FROM product_sales_daily d FULL JOIN (" SALES ") x USING (product_id, day)"
        " WHERE d.quantity IS DISTINCT FROM x.quantity OR d.amount IS DISTINCT FROM x.amount"),
    RULE("G2", "issued_count is the number of coupons issued, and not above the maximum",
        "SELECT format('coupon %s: issued_count %s, held by %s, at most %s', c.coupon_id, c.issued_count, count(u.*),"
        " c.max_issuance_count) FROM coupons c LEFT JOIN user_coupons u USING (coupon_id) GROUP BY c.coupon_id"
        " HAVING c.issued_count <> count(u.*) OR c.issued_count > c.max_issuance_count"),
    RULE("G3", "a user holds a coupon once",
        "SELECT format('user %s holds coupon %s %s times', user_id, coupon_id, count(*)) FROM user_coupons"
        " GROUP BY user_id, coupon_id HAVING count(*) > 1"),
    RULE("G4", "each balance is the sum of its ledger, which begins with a DEPOSIT",
        "SELECT format('user %s: balance %s, ledger %s, begins with %s', b.user_id, b.amount, l.sum, l.first) FROM balances b"
        " LEFT JOIN (SELECT user_id, sum(amount) AS sum, (array_agg(tx_type ORDER BY id))[1] AS first FROM user_balance_tx"
        " GROUP BY 1) l USING (user_id) WHERE b.amount IS DISTINCT FROM l.sum OR l.first IS DISTINCT FROM 'DEPOSIT'"),
    RULE("G4", "the ledger's running balance is right at every row",
        "SELECT format('user %s, row %s: balance_after %s, sum so far %s', user_id, id, balance_after, so_far) FROM ("
        "SELECT *, sum(amount) OVER (PARTITION BY user_id ORDER BY id) AS so_far FROM user_balance_tx) x"
        " WHERE balance_after <> so_far"),
    RULE("G4", "every order has one PAYMENT of what it cost, and no PAYMENT is without its order",
        "SELECT format('order %s: cost %s, payments %s of %s in all', COALESCE(o.id, l.order_id), o.discounted_amount,"
        " l.n, l.sum) FROM (SELECT * FROM orders WHERE status = 'COMPLETED') o FULL JOIN (SELECT order_id, count(*) AS n,"
        " sum(amount), min(user_id) AS user_id FROM user_balance_tx WHERE tx_type = 'PAYMENT' GROUP BY 1) l"
        " ON l.order_id = o.id WHERE l.n IS DISTINCT FROM 1 OR -l.sum IS DISTINCT FROM o.discounted_amount"
        " OR o.user_id IS DISTINCT FROM l.user_id"),
    RULE("G5", "every order answered 200 is stored as it was answered",
        "SELECT format('order %s (key %s): answered %s, stored %s', r.body->>'id', r.key, r.body, to_jsonb(o)) FROM rec r"
        " LEFT JOIN orders o ON o.id = (r.body->>'id')::bigint WHERE r.op = 'order' AND r.status = 200 AND (o.id IS NULL"
        " OR o.user_id <> r.user_id OR o.total_amount <> (r.body->>'totalAmount')::numeric OR o.status <> 'COMPLETED'"
        " OR o.discounted_amount <> (r.body->>'discountedAmount')::numeric"
        " OR o.user_coupon_id IS DISTINCT FROM r.user_coupon"
        " OR date_trunc('second', o.created_at AT TIME ZONE 'Asia/Seoul') <> date_trunc('second', (r.body->>'createdAt')::timestamp))"),
    RULE("G5", "every line of an order answered 200 is stored, and no other",
        "SELECT format('order %s, line %s: answered %s, stored %s', x.order_id, x.id, x.line, to_jsonb(i)) FROM (SELECT DISTINCT"
        " (r.body->>'id')::bigint AS order_id, (l.line->>'id')::bigint AS id, l.line FROM rec r,"
        " jsonb_array_elements(r.body->'orderItems') AS l (line) WHERE r.op = 'order' AND r.status = 200) x"
        " FULL JOIN (SELECT i.* FROM order_items i WHERE order_id IN (SELECT (body->>'id')::bigint FROM rec WHERE op = 'order'"
        " AND status = 200)) i USING (id) WHERE i.id IS NULL OR x.id IS NULL OR i.order_id <> x.order_id"
        " OR i.product_id <> (x.line->>'productId')::bigint OR i.quantity <> (x.line->>'quantity')::bigint"
        " OR i.total_price <> (x.line->>'totalPrice')::numeric"),
    RULE("G5", "the lines stored are the lines asked for",
        "SELECT format('order %s (key %s): asked %s, stored %s', o.id, r.key, r.lines, x.lines) FROM (SELECT DISTINCT ON (key) *"
        " FROM rec WHERE op = 'order') r JOIN idempotency_keys k ON k.route = 'orders' AND k.user_id = r.user_id"
        " AND k.key = r.key AND k.status = 200 JOIN orders o ON o.id = (k.body::jsonb->>'id')::bigint"
        " JOIN (SELECT order_id, jsonb_agg(jsonb_build_array(product_id, quantity) ORDER BY id) AS lines FROM order_items"
        " GROUP BY 1) x ON x.order_id = o.id WHERE x.lines <> r.lines"),
    RULE("G5", "the answers to one key are all the same",
        "SELECT format('key %s: %s', key, string_agg(DISTINCT status || ' ' || COALESCE(body::text, ''), ' | ')) FROM rec"
        " WHERE op IN ('order', 'charge') AND status NOT IN (0, 503, 409) GROUP BY op, user_id, key"
        " HAVING count(DISTINCT status || ' ' || COALESCE(body::text, '')) > 1"),
    RULE("G5", "what was answered is what is stored for the key",
        "SELECT format('%s %s: answered %s %s, stored %s %s', r.op, r.key, r.status, r.body, k.status, k.body) FROM rec r"
        " LEFT JOIN idempotency_keys k ON k.user_id = r.user_id AND k.key = r.key"
        " AND k.route = CASE r.op WHEN 'order' THEN 'orders' ELSE r.op END WHERE r.op IN ('order', 'charge')"
        " AND r.status IN (200, 400) AND (k.status IS DISTINCT FROM r.status OR k.body::jsonb IS DISTINCT FROM r.body)"),
    RULE("G5", "nothing but success and a refusal of the contract ends an order, a charge or a coupon request",
        "SELECT format('%s %s of user %s: %s %s', op, COALESCE(key, coupon_id::text), user_id, status, body) FROM rec"
        " WHERE (op <> 'status' AND status NOT IN (0, 200, 202, 400, 409, 503)) OR (status >= 400 AND body IS NULL)"),
    RULE("G5", "every order has exactly one key, and every key that succeeded its order",
        "SELECT format('order %s: %s keys; key %s', o.id, x.n, x.key) FROM orders o FULL JOIN (SELECT (body::jsonb->>'id')::bigint AS"
        " id, count(*) AS n, min(key) AS key FROM idempotency_keys WHERE route = 'orders' AND status = 200 GROUP BY 1) x"
        " USING (id) WHERE o.id IS NULL OR x.n IS DISTINCT FROM 1"),
    RULE("G5", "an order has all its rows: lines that add up, history, its coupon used up",
        "SELECT format('order %s: total %s, lines %s, history %s, coupon %s', o.id, o.total_amount, i.sum, h.n, u.status)"
        " FROM orders o LEFT JOIN (SELECT order_id, sum(total_price) FROM order_items GROUP BY 1) i ON i.order_id = o.id"
        " LEFT JOIN (SELECT order_id, count(*) AS n FROM order_history_events GROUP BY 1) h ON h.order_id = o.id"
        " LEFT JOIN user_coupons u ON u.user_coupon_id = o.user_coupon_id WHERE i.sum IS DISTINCT FROM o.total_amount"
        " OR h.n IS DISTINCT FROM 1 OR (o.user_coupon_id IS NOT NULL AND (u.status IS DISTINCT FROM 'USED'"
        " OR u.order_id IS DISTINCT FROM o.id OR u.user_id <> o.user_id))"),
    RULE("G5", "a coupon that is used up paid for one order",
        "SELECT format('user coupon %s: %s, order %s', u.user_coupon_id, u.status, u.order_id) FROM user_coupons u"
        " LEFT JOIN orders o ON o.id = u.order_id AND o.user_coupon_id = u.user_coupon_id"
        " WHERE (u.status = 'USED') <> (o.id IS NOT NULL)"),
    RULE("G5", "every charge answered 200 is in the ledger once, with the balance that was answered",
        "SELECT format('charge %s of user %s, %s cents: answered %s, booked %s', r.key, r.user_id, r.cents, r.body, x.n) FROM rec r"
        " LEFT JOIN (SELECT user_id, amount, count(*) AS n, min(balance_after) AS after FROM user_balance_tx"
        " WHERE tx_type = 'CHARGE' GROUP BY 1, 2) x ON x.user_id = r.user_id AND x.amount = r.cents / 100.0"
        " WHERE r.op = 'charge' AND r.status = 200 AND (x.n IS DISTINCT FROM 1"
        " OR x.after <> (r.body->>'balanceAfterCharge')::numeric)"),
    RULE("G5", "no charge is booked twice, or without a request, or after a refusal",
        "SELECT format('charge of %s: booked %s times; asked by key %s, refused %s', x.amount, x.n, r.key, r.refused) FROM ("
        "SELECT amount, count(*) AS n, min(user_id) AS user_id FROM user_balance_tx WHERE tx_type = 'CHARGE' GROUP BY 1) x"
        " LEFT JOIN (SELECT cents, min(key) AS key, min(user_id) AS user_id, bool_or(status = 400) AS refused FROM rec"
        " WHERE op = 'charge' GROUP BY 1) r ON r.cents = x.amount * 100 WHERE EXISTS (SELECT FROM rec) AND (x.n > 1"
        " OR r.key IS NULL OR r.refused OR r.user_id <> x.user_id)"),
    RULE("G6", "the outbox is empty",
        "SELECT format('order %s: created %s, attempts %s, due %s, error %s', order_id, created_at, attempts, available_at, error)"
        " FROM outbox"),
    RULE("G6", "every order is in the order and platform topics",
        "SELECT format('order %s is not in %s', o.id, n.topic) FROM orders o CROSS JOIN (VALUES ('order-completed-topic'),"
        " ('data-platform-transfer-topic')) n (topic) WHERE NOT EXISTS (SELECT FROM (SELECT topic, (value->>'orderId')::bigint"
        " AS id FROM topic) t WHERE t.topic = n.topic AND t.id = o.id)"),
    RULE("G6", "every order is in the ranking topic, product by product",
        "SELECT format('order %s, product %s: sold %s, published %s to %s', COALESCE(i.order_id, t.order_id),"
        " COALESCE(i.product_id, t.product_id), i.quantity, t.least, t.most) FROM (SELECT order_id, product_id, sum(quantity) AS"
        " quantity FROM order_items GROUP BY 1, 2) i FULL JOIN (SELECT order_id, (value->>'productId')::bigint AS product_id,"
        " min((value->>'quantity')::bigint) AS least, max((value->>'quantity')::bigint) AS most FROM ("
        EVENT("product-ranking-topic") ") e GROUP BY 1, 2) t USING (order_id, product_id)"
        " WHERE t.least IS DISTINCT FROM i.quantity OR t.most IS DISTINCT FROM i.quantity"),
    RULE("G6", "no event tells of an order that is not stored",
        "SELECT format('%s partition %s offset %s: order %s', t.topic, t.part, t.off, t.value->>'orderId') FROM topic t LEFT JOIN orders o"
        " ON o.id = (t.value->>'orderId')::bigint WHERE t.topic NOT LIKE 'coupon%' AND t.topic NOT LIKE '%-dlt' AND o.id IS NULL"),
    RULE("G6", "an event that was published again says the same",
        "SELECT format('%s, order %s, key %s: %s forms', topic, value->>'orderId', key, count(DISTINCT value - 'processedAt'))"
        " FROM topic WHERE topic NOT LIKE 'coupon%' AND topic NOT LIKE '%-dlt' GROUP BY topic, value->>'orderId', key"
        " HAVING count(DISTINCT value - 'processedAt') > 1"),
    RULE("G6", "the ranking counts every sale once: daily",
        "SELECT format('%s product %s: counted %s, sold %s', COALESCE(r.day, x.day), COALESCE(r.product_id, x.product_id),"
        " r.quantity, x.quantity) FROM (SELECT name::date AS day, member::bigint AS product_id, value::numeric AS quantity FROM red"
        " WHERE kind = 'daily') r FULL JOIN (" SALES ") x USING (day, product_id) WHERE r.quantity IS DISTINCT FROM x.quantity"),
    RULE("G6", "the ranking counts every sale once: three days",
        "SELECT format('%s product %s: counted %s, sold %s', COALESCE(r.day, x.day), COALESCE(r.product_id, x.product_id),"
        " r.quantity, x.quantity) FROM (SELECT name::date AS day, member::bigint AS product_id, value::numeric AS quantity FROM red"
        " WHERE kind = 'recent') r FULL JOIN (SELECT s.day + k AS day, product_id, sum(quantity) AS quantity FROM (" SALES ") s,"
        " generate_series(0, 2) AS k GROUP BY 1, 2) x USING (day, product_id) WHERE r.quantity IS DISTINCT FROM x.quantity"),
    RULE("G6", "nothing became a dead letter",
        "SELECT format('%s partition %s offset %s: %s', topic, part, off, value) FROM topic WHERE topic LIKE '%-dlt'"
        " UNION ALL SELECT format('table: %s %s', topic, reason) FROM dead_letters"),
    PLATFORM_RULE("G6", "every order is recorded as forwarded",
        "SELECT format('order %s was not forwarded', o.id) FROM orders o LEFT JOIN platform_forwarded f ON f.order_id = o.id"
        " WHERE f.order_id IS NULL"),
    PLATFORM_RULE("G6", "what is recorded as forwarded was accepted by the platform, with its key",
        "SELECT format('order %s: accepted %s times', f.order_id, COALESCE(p.n, 0)) FROM platform_forwarded f LEFT JOIN (SELECT order_id,"
        " count(*) AS n FROM platform WHERE status = 200 AND key = order_id::text GROUP BY 1) p USING (order_id)"
        " WHERE p.n IS NULL"),
    RULE("G7", "every 202 has one decided request",
        "SELECT format('coupon %s, user %s, ticket %s: %s', r.coupon_id, r.user_id, r.body->>'ticket', COALESCE(string_agg("
        "COALESCE(q.outcome, 'undecided'), ', '), 'no request')) FROM rec r LEFT JOIN coupon_requests q ON q.coupon_id = r.coupon_id"
        " AND q.user_id = r.user_id AND q.ticket = (r.body->>'ticket')::bigint WHERE r.op = 'issue' AND r.status = 202"
        " GROUP BY r.n, r.coupon_id, r.user_id, r.body HAVING count(q.*) <> 1 OR count(q.outcome) <> 1"),
    RULE("G7", "no request is undecided",
        "SELECT format('coupon %s, user %s, ticket %s, requested %s', coupon_id, user_id, ticket, requested_at) FROM coupon_requests"
        " WHERE outcome IS NULL"),
    RULE("G7", "every coupon issued belongs to one successful request, and the other way round",
        "SELECT format('coupon %s, user %s: held %s, successful requests %s', COALESCE(u.coupon_id, q.coupon_id),"
        " COALESCE(u.user_id, q.user_id), u.user_coupon_id, q.n) FROM user_coupons u FULL JOIN (SELECT coupon_id, user_id,"
        " count(*) AS n, min(user_coupon_id) AS id FROM coupon_requests WHERE outcome = 'SUCCESS' GROUP BY 1, 2) q"
        " USING (coupon_id, user_id) WHERE q.n IS DISTINCT FROM 1 OR q.id IS DISTINCT FROM u.user_coupon_id"),
    RULE("G7", "every request that was published is decided",
        "SELECT format('partition %s offset %s: %s', t.part, t.off, t.value) FROM topic t LEFT JOIN coupon_requests q ON " IDENTITY
        " WHERE t.topic = 'coupon-issue-events' AND q.outcome IS NULL"),
    RULE("G7", "a decision that a client saw stays the decision",
        "SELECT format('coupon %s, user %s: %s, later %s', a.coupon_id, a.user_id, a.body, b.body) FROM rec a JOIN rec b"
        " ON b.op = 'status' AND a.op = 'status' AND b.coupon_id = a.coupon_id AND b.user_id = a.user_id AND b.at_us > a.at_us + a.took_us"
        " WHERE a.status = 200 AND a.body->>'status' IN ('SUCCESS', 'FAILED') AND b.status NOT IN (0, 503)"
        " AND (b.status <> 200 OR b.body->>'status' <> a.body->>'status'"
        " OR b.body->>'userCouponId' IS DISTINCT FROM a.body->>'userCouponId')"
        " AND NOT EXISTS (SELECT FROM rec i WHERE i.op = 'issue' AND i.coupon_id = a.coupon_id AND i.user_id = a.user_id"
        " AND i.status IN (0, 202, 503) AND i.at_us + i.took_us > a.at_us AND i.at_us < b.at_us + b.took_us)"),
    RULE("G7", "the status at the end is the stored decision",
        "SELECT format('coupon %s, user %s: answered %s %s, stored %s %s', r.coupon_id, r.user_id, r.status, r.body, q.outcome, q.reason)"
        " FROM rec r LEFT JOIN (SELECT DISTINCT ON (coupon_id, user_id) * FROM coupon_requests ORDER BY coupon_id, user_id,"
        " requested_at DESC) q ON q.coupon_id = r.coupon_id AND q.user_id = r.user_id WHERE r.op = 'status' AND r.final"
        " AND r.status NOT IN (0, 503) AND r.body->>'status' IS DISTINCT FROM q.outcome"
        " AND r.at_us > (SELECT max(at_us + took_us) FROM rec WHERE op = 'issue')"),
    RULE("G7", "results in Redis are the stored decisions",
        "SELECT format('result %s: %s, stored %s', r.name, r.value, q.outcome) FROM (SELECT *, value::jsonb AS v FROM red"
        " WHERE kind = 'result') r LEFT JOIN coupon_requests q ON q.coupon_id = split_part(r.name, ':', 1)::bigint"
        " AND q.user_id = split_part(r.name, ':', 2)::bigint AND q.requested_at AT TIME ZONE 'Asia/Seoul' = (r.v->>'requestedAt')::timestamp"
        " WHERE (r.v->>'success')::boolean IS DISTINCT FROM (q.outcome = 'SUCCESS')"
        " OR (r.v->>'userCouponId')::bigint IS DISTINCT FROM q.user_coupon_id"),
    RULE("G7", "nothing is left in lines, in flight or pending",
        "SELECT format('%s of coupon %s: user %s, %s', kind, name, member, value) FROM red WHERE kind IN ('queue', 'inflight', 'pending')"),
    RULE("G8", "a coupon's requests are in one partition",
        "SELECT format('coupon %s is in %s partitions', key, count(DISTINCT part)) FROM topic WHERE topic = 'coupon-issue-events'"
        " GROUP BY key HAVING count(DISTINCT part) > 1"),
    RULE("G8", "tickets are given once, in the order of the requests",
        "SELECT format('coupon %s: ticket %s at %s after ticket %s', coupon_id, ticket, requested_at, before) FROM (SELECT *, lag(ticket)"
        " OVER (PARTITION BY coupon_id ORDER BY requested_at) AS before FROM coupon_requests WHERE ticket > 0) x"
        " WHERE before >= ticket"),
    RULE("G8", "requests are decided in the order in which they stand in the topic",
        "SELECT format('coupon %s, ticket %s: decided at place %s, offset %s after offset %s', coupon_id, ticket, decision, off, before)"
        " FROM (SELECT *, max(off) OVER (PARTITION BY coupon_id ORDER BY decision ROWS BETWEEN UNBOUNDED PRECEDING"
        " AND 1 PRECEDING) AS before FROM (SELECT q.coupon_id, q.ticket, q.decision, min(t.off) AS off FROM coupon_requests q"
        " JOIN topic t ON t.topic = 'coupon-issue-events' AND " IDENTITY " GROUP BY 1, 2, 3) y) x WHERE off < before"),
    RULE("G8", "requests are decided in ticket order, but for the exceptions that this run allows",
        "SELECT format('coupon %s: ticket %s decided after ticket %s (%s exceptions in all, allowed %s)', coupon_id, ticket, before, n,"
        " exceptions) FROM (SELECT *, count(*) OVER () AS n FROM (SELECT *, max(ticket) OVER (PARTITION BY coupon_id"
        " ORDER BY decision ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM coupon_requests WHERE ticket > 0) x"
        " WHERE ticket < before) y, run WHERE exceptions >= 0 AND n > exceptions"),
    RULE("G10", "the sets of holders in Redis are the holders",
        "SELECT format('coupon %s, user %s: %s', COALESCE(u.coupon_id, r.coupon_id), COALESCE(u.user_id, r.user_id),"
        " CASE WHEN u.user_id IS NULL THEN 'in the set, holds nothing' ELSE 'holds it, not in the set' END) FROM user_coupons u"
        " FULL JOIN (SELECT name::bigint AS coupon_id, member::bigint AS user_id FROM red WHERE kind = 'issued') r"
        " USING (coupon_id, user_id) WHERE u.user_id IS NULL OR r.user_id IS NULL"),
    {0},
};

const char *const check_facts[] = {
    "SELECT format('%s: %s requests, %s attempts, %s decided 200 or 202, %s refused, %s attempts 503, %s without answer', op,"
    " count(DISTINCT COALESCE(key, coupon_id || ' ' || user_id)), count(*), count(*) FILTER (WHERE status IN (200, 202)),"
    " count(*) FILTER (WHERE status = 400), count(*) FILTER (WHERE status = 503), count(*) FILTER (WHERE status = 0))"
    " FROM rec WHERE op <> 'status' GROUP BY op ORDER BY op",
    "SELECT format('keys never answered: %s, of which %s had their effect', count(*), count(k.key)) FROM (SELECT op, user_id, key FROM rec"
    " WHERE key IS NOT NULL GROUP BY 1, 2, 3 HAVING bool_and(status IN (0, 409, 503))) r LEFT JOIN idempotency_keys k"
    " ON k.user_id = r.user_id AND k.key = r.key",
    "SELECT format('keys that were answered only when asked again: %s', count(*)) FROM (SELECT FROM rec WHERE key IS NOT NULL GROUP BY op,"
    " user_id, key HAVING bool_or(status IN (0, 503)) AND bool_or(status = 200)) x",
    "SELECT format('%s: %s messages, %s of them repeated', topic, count(*), count(*) - count(DISTINCT (key, value - 'processedAt')))"
    " FROM topic GROUP BY topic ORDER BY topic",
    "SELECT format('coupon requests: %s, SUCCESS %s, FAILED %s, without a 202 seen by a client %s', count(*), count(*) FILTER"
    " (WHERE outcome = 'SUCCESS'), count(*) FILTER (WHERE outcome = 'FAILED'), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM rec r"
    " WHERE r.op = 'issue' AND r.status = 202 AND r.coupon_id = q.coupon_id AND r.user_id = q.user_id"
    " AND (r.body->>'ticket')::bigint = q.ticket))) FROM coupon_requests q",
    "SELECT format('decided out of ticket order: %s', count(*)) FROM (SELECT *, max(ticket) OVER (PARTITION BY coupon_id ORDER BY decision"
    " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM coupon_requests WHERE ticket > 0) x WHERE ticket < before",
    NULL,
};

#define TABLE_DIGEST(name) "SELECT '" name " ' || count(*) || ' ' || md5(COALESCE(string_agg(t::text, '|' ORDER BY t::text), '')) FROM " name " t"
const char *const check_digests[] = {
    TABLE_DIGEST("products"), TABLE_DIGEST("balances"), TABLE_DIGEST("orders"), TABLE_DIGEST("order_items"),
    TABLE_DIGEST("coupons"), TABLE_DIGEST("user_coupons"), TABLE_DIGEST("coupon_requests"), TABLE_DIGEST("user_balance_tx"),
    TABLE_DIGEST("order_history_events"), TABLE_DIGEST("product_sales_daily"), TABLE_DIGEST("platform_forwarded"),
    TABLE_DIGEST("outbox"), TABLE_DIGEST("dead_letters"), TABLE_DIGEST("dead_letter_redrives"),
    "SELECT kind || ' ' || count(*) || ' ' || md5(COALESCE(string_agg(t::text, '|' ORDER BY t::text), '')) FROM red t"
    " WHERE kind <> 'result' GROUP BY kind ORDER BY kind",
    "SELECT format('result %s %s', name, value::jsonb - 'processedAt') FROM red WHERE kind = 'result' ORDER BY name",
    NULL,
};
/* clang-format on */
