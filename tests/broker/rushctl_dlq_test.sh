#!/bin/sh
# rushctl dlq with topics: poison and what keeps failing becomes a dead letter, is listed, shown and sent again; its effect stands once,
# whatever is repeated and whoever is killed in between.
set -u
. "$RUSHD_TEST_SRCDIR/tests/services/rushctl.sh"
. "$RUSHD_TEST_SRCDIR/tests/services/dead_letters.sh"

suffix=$(date +%s%N)
ranking=ranking-$suffix platform_topic=platform-$suffix coupons=coupons-$suffix
rushctl_open "kafka.bootstrap-servers = $RUSHD_TEST_KAFKA" \
    "kafka.topics.order-completed = orders-$suffix" "kafka.topics.product-ranking = $ranking" \
    "kafka.topics.data-platform-transfer = $platform_topic" "kafka.topics.coupon-issue = $coupons" \
    'kafka.consumer.session.timeout.ms = 6000' 'kafka.consumer.heartbeat.interval.ms = 500' \
    'kafka.consumer.attempts = 2' 'kafka.consumer.backoff = 10ms'
platform_open
echo "data-platform.url = $platform" >>"$work/rushd.conf"

# produce TOPIC KEY VALUE [ARGUMENT...] to partition 0
produce() {
    produce_topic=$1
    printf '%s|%s\n' "$2" "$3" >"$work/record"
    shift 3
    timeout 30 kcat -q -P -b "$RUSHD_TEST_KAFKA" -t "$produce_topic" -p 0 -K '|' "$@" <"$work/record"
}

# letters_are TOPIC N
letters_are() {
    dlq list "$1" --limit 1 --json && tap_is "$(sed 's/.*"matching":\([0-9]*\).*/\1/' "$work/out")" "$2"
}

# The newest letter of a topic: TOPIC/PARTITION/OFFSET
newest() {
    dlq list "$1" --limit 1 --json
    sed 's/.*"letters":\[{"topic":"\([^"]*\)","partition":\([0-9]*\),"offset":\([0-9]*\).*/\1 \2 \3/' "$work/out" | tr ' ' /
}

state() { sql "SELECT state || ' ' || sends FROM dead_letter_redrives WHERE topic || '/' || \"partition\" || '/' || \"offset\" = '$1'"; }
decision() { sql "SELECT outcome || coalesce(' ' || reason, '') FROM coupon_requests WHERE coupon_id = $1 AND user_id = $2 ORDER BY requested_at" | paste -sd ,; }
day=$(sql "SELECT (now() AT TIME ZONE 'Asia/Seoul')::date")
ranked() { redis zscore "product:ranking:daily:$day" "$1"; }
ranked_is() { tap_is "$(ranked "$1")" "$2"; }
sale() { printf '{"productId":%s,"orderId":%s,"quantity":%s,"orderCompletedAt":"%sT00:00:01"}' "$1" "$2" "$3" "$day"; }

# --------------------------------------------------------------------------------------------------- nothing yet
tap_check 'topics that are not there hold nothing' ends 0 list
tap_check 'and it says so' says '^no dead letters$'
node_start
joined() { [ "$(curl -s -m 5 "$node/actuator/health" | grep -o '"joined"' | wc -l)" = 3 ]; }
tap_check 'the consumers join' until_true 60 joined

# ----------------------------------------------------------------------------------------------- poison, each topic
for topic in "$ranking" "$platform_topic" "$coupons"; do
    tap_check "poison to $topic" produce "$topic" 77 '{junk\' -H mine=kept
    tap_check 'is a dead letter' until_true 60 letters_are "$topic" 1
    letter=$(newest "$topic")
    tap_check 'list' ends 0 list "$topic"
    tap_check 'shows where it was' says "^$letter +20[0-9: -]+ $topic/0/0 +77 +- +DeserializationException +[^ ]"
    tap_check 'show' ends 0 show "$letter"
    tap_check 'shows its header' says '^header +mine = kept$'
    tap_check 'who gave it up' says '^group +.*-group$'
    tap_check 'Spring says the same in binary' says '^header +kafka_dlt-original-offset = 0$'
    tap_check 'the bytes' says '^value +[{]junk\\\\$'
    tap_check 'and what is wrong with them' says '^decoded +no: byte [0-9]+: '
    tap_check 'it is not sent again' ends 1 redrive "$letter"
    tap_check 'because it would come back' says "^$letter: refused: it cannot be read and would come back \(--force\): byte "
    tap_check 'as it does when forced' ends 0 redrive "$letter" --force
    tap_check 'once' until_true 60 letters_are "$topic" 2
    tap_check 'with the header' ends 0 show "$(newest "$topic")"
    tap_check 'of its own' says '^header +mine = kept$'
    tap_check 'and where it came from' says "^from +$topic/[0-9]/[01], written 20"
done
tap_check 'all of it, forced' ends 0 redrive --all --force --json
tap_check 'is six letters, three of them new' says '"wouldBeSent":0,"sent":3,"accepted":0,"skipped":3,"refused":0,"failed":0,"unknown":0,"waits":0\}$'
tap_check 'and what comes back meanwhile is not sent for ever' until_true 60 letters_are "$coupons" 3

# ---------------------------------------------------------------------------- a sale that Redis refuses to count
redis set "product:ranking:daily:$day" broken >"$work/redis"
produce "$ranking" 5 "$(sale 5 900001 7)" -H 'kept=as it was'
tap_check 'a sale that cannot be counted is a dead letter' until_true 60 letters_are "$ranking" 4
sale_letter=$(newest "$ranking")
redis del "product:ranking:daily:$day" >"$work/redis"
tap_check 'redrive' ends 0 redrive "$sale_letter"
tap_check 'sends it' says "^$sale_letter: sent to $ranking$"
tap_check 'it is counted' until_true 60 ranked_is 5 7
tap_check 'a second time' ends 1 redrive "$sale_letter"
tap_check 'is refused' says 'it was sent again before'
tap_check 'unless it is meant' ends 0 redrive "$sale_letter" --again
produce "$ranking" 6 "$(sale 6 900002 1)"
tap_check 'what was produced later is counted' until_true 60 ranked_is 6 1
tap_check 'and the sale still once' ranked_is 5 7
# Key, value, instant and headers of each message with this key, without what is the broker's.
consumed() { timeout 30 kcat -q -C -b "$RUSHD_TEST_KAFKA" -t "$1" -o beginning -e -f '%k %s %T %h\n' | grep "^$2 "; }
consumed "$ranking" 5 >"$work/consumed"
tap_check 'the topic has it three times' tap_is "$(wc -l <"$work/consumed" | tr -d ' ')" 3
tap_check 'the same to the last byte and header' tap_is "$(sort -u "$work/consumed" | sed 's/ [0-9]* / AT /')" "5 $(sale 5 900001 7) AT kept=as it was"
tap_check 'both are recorded' tap_is "$(state "$sale_letter")" 'SENT 2'

# ------------------------------------------------------------------------------------- killed in the middle
# Where a record is to become $1, it waits as long as the gate is there.
sql "CREATE TABLE test_gate (state text);
    CREATE FUNCTION test_wait() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
        WHILE EXISTS (SELECT FROM test_gate WHERE state = NEW.state) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN NEW; END \$\$;
    CREATE TRIGGER test_wait BEFORE INSERT OR UPDATE ON dead_letter_redrives FOR EACH ROW EXECUTE FUNCTION test_wait()"
waits() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO dead_letter_redrives%' AND wait_event = 'PgSleep'")" -gt 0 ]; }
killed() {
    kill -9 "$redrive_pid"
    wait "$redrive_pid"
    sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO dead_letter_redrives%' AND pid <> pg_backend_pid();
        DELETE FROM test_gate" >"$work/killed"
}

redis set "product:ranking:daily:$day" broken >"$work/redis"
produce "$ranking" 8 "$(sale 8 900003 3)"
tap_check 'another sale that cannot be counted' until_true 60 letters_are "$ranking" 5
killed_letter=$(newest "$ranking")
redis del "product:ranking:daily:$day" >"$work/redis"
sql "INSERT INTO test_gate VALUES ('SENT')"
"$RUSHD_TEST_BUILDDIR/src/ctl/rushctl" -c "$work/rushd.conf" dlq redrive "$killed_letter" >"$work/killed.out" 2>&1 &
redrive_pid=$!
tap_check 'is sent' until_true 60 waits
tap_check 'and counted' until_true 60 ranked_is 8 3
killed 2>"$work/killed.err"
tap_check 'rushctl died before it could record that' tap_is "$(state "$killed_letter")" 'SENDING 0'
tap_check 'list' ends 0 list "$ranking"
tap_check 'shows it' says "^$killed_letter .* SENDING "
tap_check 'once more' ends 0 redrive "$killed_letter"
tap_check 'is recorded now' tap_is "$(state "$killed_letter")" 'SENT 1'
produce "$ranking" 6 "$(sale 6 900004 1)"
tap_check 'what was produced later is counted' until_true 60 ranked_is 6 1
tap_check 'and the sale still once' ranked_is 8 3

redis set "product:ranking:daily:$day" broken >"$work/redis"
produce "$ranking" 9 "$(sale 9 900005 4)"
tap_check 'a third one' until_true 60 letters_are "$ranking" 6
killed_letter=$(newest "$ranking")
redis del "product:ranking:daily:$day" >"$work/redis"
sql "INSERT INTO test_gate VALUES ('SENDING')"
"$RUSHD_TEST_BUILDDIR/src/ctl/rushctl" -c "$work/rushd.conf" dlq redrive "$killed_letter" >"$work/killed.out" 2>&1 &
redrive_pid=$!
tap_check 'is about to be sent' until_true 60 waits
$RUSHD_TEST_SERVICE kafka pause
sql "DELETE FROM test_gate"
sending() { tap_is "$(state "$killed_letter")" 'SENDING 0'; }
tap_check 'is on its way to a broker that hangs' until_true 60 sending
killed 2>"$work/killed.err"
$RUSHD_TEST_SERVICE kafka resume
tap_check 'that nobody waited for' sending
tap_check 'once more' ends 0 redrive "$killed_letter"
tap_check 'it arrives' until_true 60 ranked_is 9 4
tap_check 'and is recorded' tap_is "$(state "$killed_letter")" 'SENT 1'

# ------------------------------------------------------------------------------------------ a refused document
platform_is refuse
tap_check 'an order' order 1001 3 1
id=$(sql 'SELECT max(id) FROM orders')
tap_check 'whose document is refused is a dead letter' until_true 60 letters_are "$platform_topic" 4
platform_is ok
tap_check 'redrive by key' ends 0 redrive --topic "$platform_topic" --key "$id"
tap_check 'sends one' says '^1 sent$'
accepted() { tap_is "$(platform_answers "$id" 200)" 1; }
tap_check 'the platform has it' until_true 60 accepted
forwarded() { tap_is "$(sql "SELECT count(*) FROM platform_forwarded WHERE order_id = $id")" 1; }
tap_check 'and it is recorded as forwarded' until_true 60 forwarded
tap_check 'again' ends 0 redrive --topic "$platform_topic" --key "$id" --again
tap_check 'a second order' order 1002 3 1
second=$(sql 'SELECT max(id) FROM orders')
second_forwarded() { tap_is "$(sql "SELECT count(*) FROM platform_forwarded WHERE order_id = $second")" 1; }
tap_check 'is forwarded' until_true 60 second_forwarded

# ------------------------------------------------------------------------------------------------ coupon requests
coupons_fail 1007 1008
tap_check 'a request' coupon_ask 1 1007
tap_check 'fails for ever and is decided' until_true 60 coupon_is 1 1007 FAILED
tap_check 'it is a dead letter' until_true 60 letters_are "$coupons" 4
coupon_letter=$(newest "$coupons")
coupons_fail
redis del coupon:result:1:1007 >"$work/redis"
tap_check 'sent again' ends 0 redrive "$coupon_letter"
told() { tap_is "$(redis exists coupon:result:1:1007)" 1; }
tap_check 'its result is told again' until_true 60 told
tap_check 'and is the one it was, though it could have a coupon now' coupon_is 1 1007 FAILED
tap_check 'there is one decision' tap_is "$(decision 1 1007)" 'FAILED COUPON_SYSTEM_ERROR'
tap_check 'show' ends 0 show "$coupon_letter"
tap_check 'shows it' says '^decision +FAILED COUPON_SYSTEM_ERROR$'
tap_check 'dry' ends 0 redrive "$coupon_letter" --as-new-request --dry-run
tap_check 'it would be accepted' says "^$coupon_letter: would be sent$"
tap_check 'as a new request' ends 0 redrive "$coupon_letter" --as-new-request
tap_check 'it has a ticket of its own' says "^$coupon_letter: accepted as a new request, ticket 2$"
tap_check 'and succeeds' until_true 60 coupon_is 1 1007 SUCCESS
tap_check 'the first decision stands' tap_is "$(decision 1 1007)" 'FAILED COUPON_SYSTEM_ERROR,SUCCESS'
tap_check 'again, anew' ends 1 redrive "$coupon_letter" --as-new-request --again
tap_check 'is refused' says 'refused: the user holds the coupon$'
tap_check 'one coupon' tap_is "$(sql 'SELECT count(*) FROM user_coupons WHERE user_id = 1007')" 1
tap_check 'a sale' ends 1 redrive "$sale_letter" --as-new-request
tap_check 'is no request' says 'refused: --as-new-request is for coupon requests'

# Another program's request says no requestedAt: the message's instant is its identity, and keeps being that.
coupons_fail 1008
produce "$coupons" 1 '{"couponId":1,"userId":1008}'
tap_check 'a foreign request' until_true 60 letters_are "$coupons" 5
foreign_letter=$(newest "$coupons")
coupons_fail
tap_check 'sent again' ends 0 redrive "$foreign_letter"
tap_check 'and after it another' coupon_ask 1 1009
tap_check 'that is decided' until_true 60 coupon_is 1 1009 SUCCESS
tap_check 'has the decision that it had' tap_is "$(decision 1 1008)" 'FAILED COUPON_SYSTEM_ERROR'
node_stop

# ------------------------------------------------------------------------------------------------- services away
ctl --wait 2 --set kafka.bootstrap-servers=127.0.0.1:1 dlq list >"$work/out" 2>"$work/err"
tap_check 'Kafka away is status 69' tap_is $? 69
tap_check 'and says so' says 'Kafka did not answer'
ctl --set kafka.bootstrap-servers=embedded dlq list >"$work/out" 2>"$work/err"
tap_check 'embedded is status 78' tap_is $? 78
tap_check 'because nobody outside the node reaches it' says 'embedded'
tap_plan
