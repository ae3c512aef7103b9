#!/bin/sh
# rushctl rebuild: what Redis held before it was emptied is there again, and nothing that is right is changed; from
# scratch, what nobody can account for goes.
set -u
. "$RUSHD_TEST_SRCDIR/tests/services/rushctl.sh"

rushctl_open 'event.publisher.type = local'

# Everything under the keys that can be rebuilt, in one order; without what only a consumer's progress is.
picture() {
    for key in $(redis --scan | grep -E '^product:ranking:(daily|recent3days|seen)|^coupon:issued' | sort); do
        case $(redis type "$key") in
            zset) echo "$key $(redis zrange "$key" 0 -1 withscores | paste -sd ' ')" ;;
            set) echo "$key $(redis smembers "$key" | sort | paste -sd ' ')" ;;
            string) echo "$key $(redis --no-raw get "$key")" ;;
        esac
    done
}

same_picture() {
    picture >"$work/now"
    diff -u "$work/picture" "$work/now" | sed 's/^/# /'
    cmp -s "$work/picture" "$work/now"
}

says() { grep -Eq "$1" "$work/out" || { sed 's/^/# /' "$work/out"; false; }; }
rebuild() { ctl rebuild "$@" >"$work/out" 2>&1; }

node_start
tap_check 'orders and coupons' shop_trade
node_stop
picture >"$work/picture"
tap_check 'there is something to lose' test "$(wc -l <"$work/picture")" -ge 8

redis flushall >"$work/flushed"
tap_check 'all of it' rebuild all
tap_check 'sales are counted' says '^ranking: 12 sales, 12 of them were not counted'
tap_check 'holders are entered' says '^issued: 6 holders'
tap_check 'Redis is as before' same_picture
tap_check 'the coupon can be read by others' tap_is "$(redis hget coupon:info:5 maxIssuanceCount)" 10
tap_check 'again' rebuild ranking
tap_check 'nothing is counted twice' says '^ranking: 12 sales, 0 of them'
tap_check 'Redis is still the same' same_picture

# Counted, but never sold; marked, but not counted; in the set, but no holder.
day=$(redis --scan --pattern 'product:ranking:daily:*')
day=${day##*:}
redis zincrby "product:ranking:daily:$day" 7 3 >"$work/changed"
redis zadd "product:ranking:recent3days:$day" 50 19 >>"$work/changed"
redis zrem "product:ranking:daily:$day" 5 >>"$work/changed"
redis sadd coupon:issued:1 1777 1778 >>"$work/changed"
tap_check 'without from-scratch wrong counts stay' rebuild all
if same_picture >"$work/diff"; then false; fi
tap_verdict $? 'they do'
tap_check 'from scratch' rebuild all --from-scratch
tap_check 'strangers are gone' says 'issued: 6 holders, 2 removed'
tap_check 'Redis is right again' same_picture

sql "INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket) VALUES
    (2, 1500, now() - interval '2 minutes', 1), (4, 1501, now() - interval '2 minutes', 1)"
tap_check 'the line of one coupon' rebuild line --coupon 2
tap_check 'one is back' says '^line: 1 open requests, 1 of them'
tap_check 'in its line' tap_is "$(redis zcard coupon:queue:2) $(redis exists coupon:queue:4)" '1 0'
tap_check 'the issued set of one coupon' rebuild issued --coupon 9
tap_check 'with its one holder' says '^issued: 1 holders'

rebuild nothing
tap_check 'an unknown part is wrong usage' tap_is $? 64
rebuild ranking --coupon 1
tap_check 'the ranking knows no coupons' tap_is $? 64
ctl --wait 1 --set redis.socket=/nonexistent rebuild ranking >"$work/out" 2>&1
tap_check 'Redis away is status 69' tap_is $? 69
tap_plan
