#!/bin/sh
# rushctl audit with topics: every order is found in them; one whose events never were is missed.
set -u
. "$RUSHD_TEST_SRCDIR/tests/services/rushctl.sh"

suffix=$(date +%s%N)
rushctl_open "kafka.bootstrap-servers = $RUSHD_TEST_KAFKA" \
    "kafka.topics.order-completed = orders-$suffix" "kafka.topics.product-ranking = ranking-$suffix" \
    "kafka.topics.data-platform-transfer = platform-$suffix" "kafka.topics.coupon-issue = coupons-$suffix" \
    'kafka.consumer.session.timeout.ms = 6000' 'kafka.consumer.heartbeat.interval.ms = 500'

audit() { ctl audit "$@" >"$work/out" 2>&1; }
says() { grep -Eq -e "$1" "$work/out" || { sed 's/^/# /' "$work/out"; false; }; }
failed() { sed -n 's/^FAIL *[^ ]* *\([^ ]*\) .*/\1/p' "$work/out" | paste -sd ' '; }
holds() { audit "$@" || { sed 's/^/# /' "$work/out"; return 1; }; }

audit
tap_check 'topics that are not there yet hold nothing' tap_is $? 0
tap_check 'and it says so' says "there is no topic orders-$suffix"
node_start
tap_check 'orders and coupons' shop_trade
tap_check 'the books and the topics agree while a node serves' holds
tap_check 'every order is found' says '^PASS *G6  topic-orders *6 examined.*6 messages in 3 partitions, proved from '
tap_check 'for the data platform' says '^PASS *G6  topic-platform *6 examined'
tap_check 'and every product of each' says '^PASS *G6  topic-ranking *12 examined.*12 messages'
tap_check 'without Kafka' holds --no-kafka
tap_check 'the topics are not read' says '^SKIPPED G6  topic-orders *--no-kafka was given'
node_stop

# An order whose events nobody has seen.
history_order_whole 900001
audit
tap_check 'missing events are refuted' tap_is "$? $(failed)" '1 topic-orders topic-platform topic-ranking'
tap_check 'the order is named' says '^ *order 900001$'
tap_check 'and each product' says '^ *order 900001, product 16$'
# Topic by topic, the events come.
say() { printf '%s\n' "$2" | kcat -P -b "$RUSHD_TEST_KAFKA" -t "$1-$suffix"; }
say orders '{"orderId":900001,"userId":1700,"items":[{"productId":16,"productName":"x","quantity":2,"unitPrice":15,"totalPrice":30}],"totalAmount":40,"completedAt":"2026-01-01T00:00:00","orderStatus":"COMPLETED"}'
audit
tap_check 'one topic has it' tap_is "$? $(failed)" '1 topic-platform topic-ranking'
say platform '{"eventType":"ORDER_COMPLETED","orderId":900001,"userId":1700,"eventData":{"orderId":900001},"eventTime":"2026-01-01T00:00:00"}'
audit
tap_check 'two topics have it' tap_is "$? $(failed)" '1 topic-ranking'
say ranking '{"productId":16,"orderId":900001,"quantity":2,"orderCompletedAt":"2026-01-01T00:00:00"}'
audit
tap_check 'one of its products is missed' tap_is "$? $(failed) $(grep -c '^ *order 900001, product' "$work/out")" '1 topic-ranking 1'
tap_check 'the other one' says '^ *order 900001, product 8$'
day=$(sql "SELECT (now() AT TIME ZONE 'Asia/Seoul' - interval '1 day')::date")
tap_check 'a range without it holds' holds --from "$day"
sql "INSERT INTO outbox (order_id, payload, available_at) VALUES (900001, '{}', now() + interval '1 hour')"
tap_check 'one that is still in the outbox is not missed' holds

ctl --wait 1 --set kafka.bootstrap-servers=127.0.0.1:1 audit >"$work/out" 2>&1
tap_check 'Kafka away is status 69' tap_is $? 69
tap_check 'and says so' says 'topic-orders: Kafka did not answer'
tap_check 'the other checks are told' tap_is "$(grep -c '^PASS' "$work/out")" 21
tap_plan
