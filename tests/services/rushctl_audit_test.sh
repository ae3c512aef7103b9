#!/bin/sh
# rushctl audit: clean books pass; each book broken on purpose refutes exactly its own check, and repaired it passes again.
set -u
. "$RUSHD_TEST_SRCDIR/tests/services/rushctl.sh"

rushctl_open 'event.publisher.type = local'

audit() { ctl audit "$@" >"$work/out" 2>&1; }
says() { grep -Eq -e "$1" "$work/out" || { sed 's/^/# /' "$work/out"; false; }; }
failed() { sed -n 's/^FAIL *[^ ]* *\([^ ]*\) .*/\1/p' "$work/out" | paste -sd ' '; }

# refutes NAMES: the audit ends with 1 and exactly these checks fail
refutes() {
    audit && { echo '# nothing is refuted'; return 1; }
    tap_is "$(failed)" "$1" || { sed 's/^/# /' "$work/out"; return 1; }
}
holds() { audit || { sed 's/^/# /' "$work/out"; return 1; }; }

# breaks NAMES SQL SQL: the first breaks, the second repairs
breaks() {
    sql "$2" >"$work/sql" || return 1
    refutes "$1"
    breaks_status=$?
    sql "$3" >"$work/sql" && return "$breaks_status"
}
# the same by arguments for redis-cli
spoils() {
    # shellcheck disable=SC2086
    redis $2 >"$work/redis"
    refutes "$1"
    spoils_status=$?
    # shellcheck disable=SC2086
    redis $3 >"$work/redis"
    return "$spoils_status"
}

tap_check 'an empty shop holds' holds
node_start
tap_check 'orders and coupons' shop_trade
tap_check 'books hold while a node serves' holds
tap_check 'the topics are left out with the reason' says '^SKIPPED G6  topic-orders *event.publisher.type is local'
tap_check 'what was sold was looked at' says '^PASS *G1  sales *[1-9]'
node_stop
cp "$work/out" "$work/clean"

# What the database itself forbids is let in for this test.
sql "ALTER TABLE products DROP CONSTRAINT products_stock_check;
    ALTER TABLE coupons DROP CONSTRAINT coupons_check;
    ALTER TABLE user_coupons DROP CONSTRAINT user_coupons_coupon_id_user_id_key;
    ALTER TABLE orders DROP CONSTRAINT orders_check;
    ALTER TABLE order_items DROP CONSTRAINT order_items_check;
    ALTER TABLE coupon_requests DROP CONSTRAINT coupon_requests_check1"

tap_check 'stock below zero' breaks stock \
    'UPDATE products SET stock = stock - 10000 WHERE id = 3' 'UPDATE products SET stock = stock + 10000 WHERE id = 3'
tap_check 'says which' grep -q 'product 3: stock -' "$work/out"
tap_check 'sales that are not booked' breaks sales \
    'UPDATE product_sales_daily SET quantity = quantity - 1 WHERE product_id = 3' \
    'UPDATE product_sales_daily SET quantity = quantity + 1 WHERE product_id = 3'
tap_check 'booked without a sale' breaks sales \
    'INSERT INTO product_sales_daily VALUES (12, current_date, 1, 1, now())' 'DELETE FROM product_sales_daily WHERE product_id = 12'
tap_check 'a wrong number of issued coupons' breaks issued-count \
    'UPDATE coupons SET issued_count = issued_count + 1 WHERE coupon_id = 1' 'UPDATE coupons SET issued_count = issued_count - 1 WHERE coupon_id = 1'
tap_check 'more issued than there are' breaks issued-count \
    'UPDATE coupons SET max_issuance_count = 0 WHERE coupon_id = 9' 'UPDATE coupons SET max_issuance_count = 1 WHERE coupon_id = 9'
tap_check 'a coupon held twice' breaks 'issued-count one-each holders' \
    'INSERT INTO user_coupons (coupon_id, user_id) VALUES (1, 1002)' \
    'DELETE FROM user_coupons WHERE coupon_id = 1 AND user_id = 1002 AND user_coupon_id = (SELECT max(user_coupon_id) FROM user_coupons)'
tap_check 'a balance beside its ledger' breaks balance \
    'UPDATE balances SET amount = amount + 0.01 WHERE user_id = 1700' 'UPDATE balances SET amount = amount - 0.01 WHERE user_id = 1700'
tap_check 'a ledger with a break' breaks ledger \
    "UPDATE user_balance_tx SET balance_after = balance_after + 1 WHERE user_id = 1003 AND tx_type = 'PAYMENT'" \
    "UPDATE user_balance_tx SET balance_after = balance_after - 1 WHERE user_id = 1003 AND tx_type = 'PAYMENT'"
tap_check 'a ledger that does not begin with a deposit' breaks ledger \
    "UPDATE user_balance_tx SET tx_type = 'CHARGE' WHERE user_id = 1701" "UPDATE user_balance_tx SET tx_type = 'DEPOSIT' WHERE user_id = 1701"
tap_check 'an order that nobody paid' breaks payment \
    "UPDATE user_balance_tx SET order_id = -order_id WHERE tx_type = 'PAYMENT' AND user_id = 1002" \
    "UPDATE user_balance_tx SET order_id = -order_id WHERE tx_type = 'PAYMENT' AND user_id = 1002"
tap_check 'a total that is not that of the lines' breaks order-totals \
    'UPDATE orders SET total_amount = total_amount + 1 WHERE user_id = 1004' 'UPDATE orders SET total_amount = total_amount - 1 WHERE user_id = 1004'
tap_check 'a line that does not multiply' breaks 'sales order-totals' \
    'UPDATE order_items SET total_price = total_price + 1 WHERE id = (SELECT min(id) FROM order_items)' \
    'UPDATE order_items SET total_price = total_price - 1 WHERE id = (SELECT min(id) FROM order_items)'
tap_check 'a line without its order' breaks order-totals \
    "INSERT INTO order_items (order_id, product_id, product_name, quantity, unit_price, total_price) VALUES (999999, 1, 'x', 1, 1, 1)" \
    'DELETE FROM order_items WHERE order_id = 999999'
tap_check 'it says which line' grep -q 'line [0-9]* is of order 999999, which is not there' "$work/out"
tap_check 'an order twice in the history' breaks order-history \
    "INSERT INTO order_history_events (order_id, event_type, amount) SELECT id, 'ORDER_COMPLETED', 0 FROM orders WHERE user_id = 1005" \
    'DELETE FROM order_history_events WHERE id = (SELECT max(id) FROM order_history_events)'
tap_check 'a stored answer without its order' breaks stored-answers \
    "INSERT INTO idempotency_keys VALUES ('orders', 1001, 'k', 'h', 200, '{\"id\":999999}')" 'DELETE FROM idempotency_keys'
tap_check 'a used coupon without an order' breaks coupon-used \
    "UPDATE user_coupons SET status = 'USED', used_at = now() WHERE coupon_id = 9" "UPDATE user_coupons SET status = 'ISSUED', used_at = NULL WHERE coupon_id = 9"
tap_check 'events that do not get out' breaks outbox \
    "INSERT INTO outbox (order_id, payload, created_at, available_at) VALUES (999, '{}', now() - interval '3 minutes', now())" 'DELETE FROM outbox'
tap_check 'events that were given up' breaks outbox \
    "INSERT INTO outbox (order_id, payload, available_at, error) VALUES (999, '{}', now(), 'too large')" 'DELETE FROM outbox'
tap_check 'it says why' grep -q 'order 999 is given up: too large' "$work/out"
tap_check 'a success without a coupon' breaks 'issued-count holders issued-sets' \
    'CREATE TABLE kept AS SELECT * FROM user_coupons WHERE coupon_id = 9; DELETE FROM user_coupons WHERE coupon_id = 9' \
    'INSERT INTO user_coupons SELECT * FROM kept; DROP TABLE kept'
tap_check 'a failure without a reason' breaks decisions \
    "UPDATE coupon_requests SET reason = NULL WHERE outcome = 'FAILED' AND user_id = 1004" "UPDATE coupon_requests SET reason = 'COUPON_SOLD_OUT' WHERE outcome = 'FAILED' AND user_id = 1004"
tap_check 'a decision made twice' breaks decisions \
    'UPDATE coupon_requests SET decision = decision - 100 WHERE coupon_id = 1 AND ticket IN (1, 2); UPDATE coupon_requests SET decision = 0 - 7 WHERE decision < 0' \
    'UPDATE coupon_requests SET decision = -1000 + ticket WHERE decision = -7'
tap_check 'a ticket given twice' breaks tickets \
    'UPDATE coupon_requests SET ticket = 3 WHERE coupon_id = 1 AND ticket = 4' 'UPDATE coupon_requests SET ticket = 4 WHERE coupon_id = 1 AND user_id = 1004'
tap_check 'a request decided too late' breaks order \
    'UPDATE coupon_requests SET decision = 100000 WHERE coupon_id = 1 AND ticket = 2' 'UPDATE coupon_requests SET decision = -998 WHERE coupon_id = 1 AND ticket = 2'
tap_check 'it says which' grep -q 'coupon 1, user 1002: ticket 2 was decided after a higher one$' "$work/out"
tap_check 'an open request that nobody works on' breaks undecided \
    "INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket) VALUES (2, 1500, now() - interval '1 hour', 1)" \
    'DELETE FROM coupon_requests WHERE coupon_id = 2'

# One that was put back in line is an exception, and shown.
at=$(sql 'SELECT (extract(epoch FROM requested_at) * 1000000)::bigint FROM coupon_requests WHERE coupon_id = 1 AND ticket = 2')
redis sadd coupon:put-back:1 "1002:$at" >"$work/redis"
sql 'UPDATE coupon_requests SET decision = 100000 WHERE coupon_id = 1 AND ticket = 2'
tap_check 'one that was put back may come late' holds
tap_check 'and is shown' says '^PASS *G8  order .*1 were put back'
sql 'UPDATE coupon_requests SET decision = -998 WHERE coupon_id = 1 AND ticket = 2'

day=$(redis --scan --pattern 'product:ranking:daily:*')
day=${day##*:}
tap_check 'sold, but not in the ranking' spoils ranking-daily "zincrby product:ranking:daily:$day -1 5" "zincrby product:ranking:daily:$day 1 5"
tap_check 'in the ranking, but not sold' spoils ranking-daily "zadd product:ranking:daily:$day 2 17" "zrem product:ranking:daily:$day 17"
tap_check 'a wrong three-day ranking' spoils ranking-recent "zincrby product:ranking:recent3days:$day 1 5" "zincrby product:ranking:recent3days:$day -1 5"
tap_check 'it says by how much' grep -Eq "^ *$day, product 5: [0-9]+ in the ranking, at most [0-9]+ sold" "$work/out"
tap_check 'a holder who is not in the set' spoils issued-sets 'srem coupon:issued:1 1003' 'sadd coupon:issued:1 1003'
tap_check 'one in the set who holds nothing' spoils issued-sets 'sadd coupon:issued:1 1777' 'srem coupon:issued:1 1777'
tap_check 'a record of a decided request' spoils pending "hset coupon:pending:1 1002 P|2|$at|1|0" 'hdel coupon:pending:1 1002'
tap_check 'a record without a place in line' spoils pending 'hset coupon:pending:1 1600 W|77|1763900000000000|0|0' 'hdel coupon:pending:1 1600'
tap_check 'in flight without a record' spoils pending 'zadd coupon:inflight:1 1 1601' 'zrem coupon:inflight:1 1601'

tap_check 'all is repaired' holds
PASSED=$(grep -c '^PASS' "$work/out")
tap_check 'every check that is made can pass' tap_is "$PASSED" "$(grep -c '^PASS' "$work/clean")"

documented() {
    for name in $(sed -n 's/^[A-Z]* *G[0-9]* *\([^ ]*\) .*/\1/p' "$work/clean"); do
        grep -Fq ".BR $(echo "$name" | sed 's/-/\\-/g') \"" "$RUSHD_TEST_SRCDIR/etc/man/rushctl.8" || { echo "# $name"; return 1; }
    done
}
tap_check 'every check is in the manual page' documented

# --coupon, --from, --to, --json, statuses
tap_check 'one coupon' audit --coupon 1
tap_check 'only what is about coupons' tap_is "$(grep -c '^[A-Z]* *G' "$work/out")" 10
sql 'UPDATE coupons SET issued_count = 7 WHERE coupon_id = 3'
tap_check 'a coupon is not refuted by another' audit --coupon 1
audit --coupon 3
tap_check 'but by itself' tap_is "$? $(failed)" '1 issued-count'
sql 'UPDATE coupons SET issued_count = 0 WHERE coupon_id = 3'
sql "UPDATE orders SET total_amount = total_amount + 1 WHERE user_id = 1004"
tap_check 'what lies outside of the range is not looked at' audit --to 2020-01-01
tap_check 'inside it is refuted' tap_is "$(audit --from 2020-01-01; failed)" order-totals
ctl audit --json >"$work/json" 2>"$work/err"
tap_check 'as an object: status' tap_is $? 1
json() { sql "SELECT ('$(sed "s/'/''/g" "$work/json")'::json) $1"; }
tap_check 'as an object: whether all holds' tap_is "$(json "->> 'holds'")" false
tap_check 'as an object: each check' tap_is \
    "$(sql "SELECT string_agg(c ->> 'name', ' ') FROM json_array_elements('$(sed "s/'/''/g" "$work/json")'::json -> 'checks') AS c WHERE c ->> 'verdict' = 'FAIL'")" order-totals
sql "UPDATE orders SET total_amount = total_amount - 1 WHERE user_id = 1004"

# An order of which the data platform has not heard, from before the ranking's days and whole in every other book.
sql 'INSERT INTO platform_forwarded (order_id) SELECT id FROM orders'
history_order_whole 900001
platform=--set=data-platform.url=http://127.0.0.1:1/
ctl "$platform" audit >"$work/out" 2>&1
tap_check 'not forwarded' tap_is "$? $(failed)" '1 forwarded'
tap_check 'it says which order' grep -q '^ *order 900001 of ' "$work/out"
sql "INSERT INTO outbox (order_id, payload, available_at) VALUES (900001, '{}', now() + interval '1 hour')"
tap_check 'one whose events are on their way is not missed' ctl "$platform" audit
sql 'DELETE FROM outbox; INSERT INTO platform_forwarded VALUES (900001)'
tap_check 'one that was accepted is not, either' ctl "$platform" audit

# While orders and requests come in as fast as a client can, and after the node died in the middle of them.
node_start
touch "$work/rush"
rush() {
    while [ -e "$work/rush" ]; do
        curl -sZ --no-progress-meter --parallel-max 10 -m 20 -o "$work/rush.#1" -X POST \
            "$node/api/coupons/4/issue?userId=[$rush_user-$((rush_user + 19))]"
        rush_user=$((rush_user + 20))
        post "$node/api/users/balance/charge" -d '{"userId":1900,"amount":1000000}'
        curl -sZ --no-progress-meter --parallel-max 10 -m 20 -o "$work/rush.#1" -X POST -H 'Content-Type: application/json' \
            -d '{"userId":1900,"orderItems":[{"productId":1,"quantity":1},{"productId":16,"quantity":1}]}' "$node/api/orders?n=[1-20]"
    done >"$work/rush.out" 2>&1
}
rush_user=1101
rush &
rush_pid=$!
sold() { sql "SELECT count(*) > $1 FROM orders WHERE user_id = 1900"; }
has_sold() { [ "$(sold "$1")" = t ]; }
tap_check 'a rush' until_true 60 has_sold 0
for n in 1 2; do
    before=$(sql 'SELECT count(*) FROM orders WHERE user_id = 1900')
    tap_check "what is on its way is not refuted: $n" holds
    tap_check "the shop sold meanwhile: $n" until_true 60 has_sold "$before"
done
kill -9 "$node_pid"
wait "$node_pid" 2>/dev/null
rm "$work/rush"
tap_check 'nor when the node is dead' holds
wait "$rush_pid"
node_start
tap_check 'another node finishes it' until_true 60 nothing_is_open
tap_check 'and all holds' holds
node_stop

audit --from 2026-01-02 --to 2026-01-01
tap_check 'an empty range is wrong usage' tap_is $? 64
ctl --wait 1 --set redis.socket=/nonexistent audit >"$work/out" 2>&1
tap_check 'Redis away is status 69' tap_is $? 69
tap_plan
