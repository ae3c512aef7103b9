#!/bin/sh
# rushctl dlq without a broker: dead letters are rows of a table, and the running node takes them when it is told to.
set -u
. "$RUSHD_TEST_SRCDIR/tests/services/rushctl.sh"
. "$RUSHD_TEST_SRCDIR/tests/services/dead_letters.sh"

rushctl_open 'event.publisher.type = local' 'kafka.consumer.attempts = 2' 'kafka.consumer.backoff = 10ms'
platform_open
echo "data-platform.url = $platform" >>"$work/rushd.conf"

letters() { sql "SELECT count(*) FROM dead_letters"; }
letters_are() { tap_is "$(letters)" "$1"; }
state() { sql "SELECT state || ' ' || sends FROM dead_letter_redrives WHERE \"offset\" = $1"; }
decision() { sql "SELECT outcome || coalesce(' ' || reason, '') FROM coupon_requests WHERE coupon_id = $1 AND user_id = $2 ORDER BY requested_at" | paste -sd ,; }

# ------------------------------------------------------------------------------------------------ arguments
tap_check 'no dead letters' ends 0 list
tap_check 'and it says so' says '^no dead letters$'
tap_check 'as JSON' ends 0 list --json
tap_check 'an empty list' says '^\{"topics":\[\],"matching":0,"letters":\[\]\}$'
tap_check 'a letter that is not there' ends 1 show coupon-issue-events/0/1
tap_check 'is named' says 'there is no letter coupon-issue-events-dlt/0/1'
tap_check 'nor can it be sent again' ends 1 redrive coupon-issue-events-dlt/0/1
tap_check 'all of none' ends 0 redrive --all
tap_check 'says that there is none' says '^no such letter$'

# ------------------------------------------------------------------------------------- a request that kept failing
node_start
coupons_fail 1007
tap_check 'a request' coupon_ask 1 1007
tap_check 'fails for ever and is decided' until_true 60 coupon_is 1 1007 FAILED
tap_check 'it is a dead letter' letters_are 1
tap_check 'list' ends 0 list
tap_check 'shows it' says '^coupon-issue-events-dlt/0/1 +20[0-9: -]+ coupon-issue-events +1 +- +ListenerExecutionFailedException +.*refused by the test'
tap_check 'and how many there are' says '^coupon-issue-events-dlt: 1 letter, 0 redriven$'
tap_check 'list of another topic' ends 0 list product-ranking-topic
tap_check 'has none' says '^no such letters$'
tap_check 'list by key' ends 0 list --key 2
tap_check 'has none with it' says '^no such letters$'
tap_check 'list since tomorrow' ends 0 list --since 2999-01-01 --json
tap_check 'has none' says '"matching":0'
tap_check 'show' ends 0 show coupon-issue-events/0/1
tap_check 'shows what it says' says '^decoded +\{.*"userId":1007'
tap_check 'who gave it up' says '^group +coupon-issue-group$'
tap_check 'and its decision' says '^decision +FAILED COUPON_SYSTEM_ERROR$'
tap_check 'in three words, as JSON' ends 0 show coupon-issue-events-dlt 0 1 --json
tap_check 'with the same' says '"decoded":\{.*"userId":1007.*"decodeError":null.*"decision":"FAILED COUPON_SYSTEM_ERROR"\}$'

redis del coupon:result:1:1007 >"$work/redis"
tap_check 'a dry run' ends 0 redrive coupon-issue-events/0/1 --dry-run
tap_check 'would send it' says '^coupon-issue-events-dlt/0/1: would be sent to coupon-issue-events$'
tap_check 'and records nothing' tap_is "$(sql 'SELECT count(*) FROM dead_letter_redrives')" 0
tap_check 'redrive' ends 0 redrive coupon-issue-events/0/1
tap_check 'is taken by the node' says '^coupon-issue-events-dlt/0/1: sent to coupon-issue-events$'
tap_check 'and recorded' tap_is "$(state 1)" 'SENT 1'
tap_check 'the decision is told again' tap_is "$(redis exists coupon:result:1:1007)" 1
tap_check 'and is the one it was' tap_is "$(decision 1 1007)" 'FAILED COUPON_SYSTEM_ERROR'
tap_check 'a second time' ends 1 redrive coupon-issue-events/0/1
tap_check 'is refused' says 'skipped: it was sent again before \(--again\)'
tap_check 'unless it is meant' ends 0 redrive coupon-issue-events/0/1 --again
tap_check 'that is recorded' tap_is "$(state 1)" 'SENT 2'
tap_check 'nothing else came of it' tap_is "$(letters) $(decision 1 1007)" '1 FAILED COUPON_SYSTEM_ERROR'
tap_check 'all that was sent before is no error' ends 0 redrive --all
tap_check 'and is told' says '^1 sent before$'

tap_check 'while coupons fail a new request' ends 0 redrive coupon-issue-events/0/1 --as-new-request
tap_check 'has a ticket' says 'accepted as a new request, ticket 2$'
decided_twice() { tap_is "$(decision 1 1007)" 'FAILED COUPON_SYSTEM_ERROR,FAILED COUPON_SYSTEM_ERROR'; }
tap_check 'and fails as well' until_true 60 decided_twice
coupons_fail
tap_check 'its own letter' ends 0 redrive coupon-issue-events/0/2 --as-new-request
tap_check 'asks anew' until_true 60 coupon_is 1 1007 SUCCESS
tap_check 'one coupon' tap_is "$(sql 'SELECT count(*) FROM user_coupons WHERE user_id = 1007')" 1
tap_check 'once it is held' ends 1 redrive coupon-issue-events/0/1 --as-new-request --again
tap_check 'nobody asks anew' says 'refused: the user holds the coupon$'
tap_check 'the list knows' ends 0 list --topic coupon-issue-events-dlt
tap_check 'what was accepted' says '^coupon-issue-events-dlt/0/2 .* SENT anew, ticket 3 '
tap_check 'nothing is open' ends 0 list --open
tap_check 'of two' says '^coupon-issue-events-dlt: 2 letters, 2 redriven$'

# ------------------------------------------------------------------------------------------ a refused document
platform_is refuse
tap_check 'an order' order 1001 3 1
id=$(sql 'SELECT max(id) FROM orders')
tap_check 'whose document is refused is a dead letter' until_true 60 letters_are 3
platform_is ok
node_stop
tap_check 'without a node' ends_waiting 69 redrive --topic data-platform-transfer-topic
tap_check 'it waits for one' says '^data-platform-transfer-topic-dlt/0/3: waits: no node has finished it yet'
tap_check 'is recorded' tap_is "$(state 3)" 'REQUESTED 0'
# As if the node had died with it.
sql "UPDATE dead_letter_redrives SET state = 'SENDING' WHERE \"offset\" = 3"
tap_check 'list shows one that is on its way' ends 0 list
tap_check 'as such' says '^data-platform-transfer-topic-dlt/0/3 .* SENDING '
node_start
arrived() { tap_is "$(state 3)" 'SENT 1'; }
tap_check 'the next node takes it' until_true 60 arrived
tap_check 'the platform has it once' tap_is "$(platform_answers "$id" 200)" 1
tap_check 'and it is recorded as forwarded' tap_is "$(sql "SELECT count(*) FROM platform_forwarded WHERE order_id = $id")" 1

# ------------------------------------------------------------------------------------------ what cannot be read
sql "INSERT INTO dead_letters (topic, key, payload, reason) VALUES ('product-ranking-topic', 'k', '\\x7b00ff5c', 'no JSON'),
    ('product-ranking-topic', NULL, NULL, 'nothing in it'), ('elsewhere', 'k', '{}', 'not ours')"
tap_check 'show' ends 0 show product-ranking-topic/0/4
tap_check 'shows the bytes' says '^value +[{]\\x00\\xff\\\\$'
tap_check 'and what is wrong with them' says '^decoded +no: .+'
tap_check 'a letter without a value' ends 0 show product-ranking-topic/0/5
tap_check 'has none' says '^decoded +no: the message has no value$'
tap_check 'they are not sent again' ends 1 redrive --topic product-ranking-topic
tap_check 'but refused' says '^product-ranking-topic-dlt/0/4: refused: it cannot be read and would come back \(--force\): '
tap_check 'each' says '^2 refused$'
tap_check 'unless forced' ends 0 redrive product-ranking-topic/0/4 --force
tap_check 'then it comes back' until_true 60 letters_are 7
tap_check 'everything' ends 1 redrive --all --json
tap_check 'tells the letter of another shop' says '"topic":"elsewhere-dlt".*"outcome":"refused".*"reason":"the topic that it was for is none of this shop.s"'
tap_check 'the newest' ends 0 list --limit 2 --json
tap_check 'two of seven' tap_is "$(grep -o '"offset":[0-9]*' "$work/out" | paste -sd ' ')" '"offset":6 "offset":7'
tap_check 'as text' ends 0 list --limit 2
tap_check 'with a hint' says '^5 older ones are not shown \(--limit\)$'

# --------------------------------------------------------------------------------------------------- at once
sql "SELECT pg_advisory_lock(x'727573686472'::bigint), pg_sleep(300)" >"$work/lock" 2>&1 &
lock_pid=$!
locked() { tap_is "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND wait_event = 'PgSleep'")" 1; }
tap_check 'somebody else redrives' until_true 60 locked
tap_check 'then it waits' ends_waiting 69 redrive --all --again
tap_check 'and says why' says 'another rushctl is redriving'
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()" >"$work/ended"
wait "$lock_pid"

ctl --wait 1 --set datasource.url=postgresql://127.0.0.1:1/x dlq list >"$work/out" 2>&1
tap_check 'PostgreSQL away is status 69' tap_is $? 69
tap_plan
