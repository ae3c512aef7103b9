#!/bin/sh
# Kills a node at each fault point, or stops it there for ten seconds, starts another one, lets the clients finish, and has the checker judge promises G1-G10. Part of
# `make check-broker`. Needs a rushd with fault points: $RUSHD_FAULT_BUILD names its build directory, else one is built below
# this one's.
#
#   tests/chaos/fault_test.sh [POINT...]      only these points; $FAULT_POINTS says the same
set -u
srcdir=$RUSHD_TEST_SRCDIR
. "$srcdir/tests/support/packages.sh"
. "$srcdir/tests/support/services.sh"
. "$srcdir/tests/support/tap.sh"
. "$srcdir/tests/chaos/chaos.sh"

# Point, pass, identity of the nodes. A fixed identity comes back at once, another one waits for leases and sessions of the dead node.
points="
coupon-accepted     60 fixed
coupon-taken         6 own
coupon-produced     40 fixed
coupon-reported      8 own
coupon-consumed      8 fixed
coupon-written       8 own
coupon-committed     8 fixed
coupon-result        8 own
order-committed     20 fixed
relay-batch         25 own
ranking-applied      8 fixed
platform-answered    8 own
order-written       20 fixed
commit-sent         40 own
order-published    150 fixed
"
# Here it is stopped for ten seconds instead, in the middle of a batch and of a drain, while the other serves.
stops="
order-written       20
coupon-taken         6
"

PG_BIN=$(packages_postgres_dir)
PG_DIR=$RUSHD_TEST_PG_DIR PG_PORT=$RUSHD_TEST_PG_PORT
KAFKA_BOOTSTRAP=$RUSHD_TEST_KAFKA
chaos_redis=$RUSHD_TEST_REDIS_SOCKET
chaos_bin=$RUSHD_TEST_BUILDDIR/tests/chaos

services_open || exit 1
chaos_dir=$SERVICES_DIR

# start NAME [FAULT]: a node; NAME is its log and pid file.
start() {
    # shellcheck disable=SC2086
    service_spawn "$1" TERM env "RUSHD_FAULT=${2:-}" "$rushd" -c "$chaos_dir/node.conf" $node_id
}

# The clients' work: so many seconds, then until everything is decided.
load() {
    "$chaos_bin/load" --targets "127.0.0.1:$port" --record "$chaos_dir/record" --seconds 4 --settle 40 --rate 250 \
        --threads 12 --timeout 2500 --coupons 1,2,3,4,5,6,7 --seed "$number" --tag "$point" >"$chaos_dir/load.out" 2>&1
}

# Rows of a dead node are due after half a minute; nobody learns anything from waiting for that.
relay_now() { chaos_sql -d "$(chaos_url "$db")" -c "UPDATE outbox SET available_at = now()"; }

check() {
    "$chaos_bin/check" --pg "$(chaos_url "$db")" --redis "$chaos_redis" --kafka "$KAFKA_BOOTSTRAP" --prefix "$prefix" "$@"
}

# The relay has something to do only when an earlier node died with orders unpublished.
leave_orders_behind() {
    start before order-committed:15
    wait_until 15 chaos_gone before || return 1
    relay_now
}

killed() {
    [ "$point" != relay-batch ] || leave_orders_behind || return 1
    start victim "$point:$pass"
    wait_until 15 chaos_gone victim || {
        echo "# $point was not passed $pass times"
        return 1
    }
    relay_now
}

# The victim goes on where it stopped, long after its transaction and its lease have ended, beside its heir.
halted() {
    start victim "$point:$pass:stop"
    wait_until 15 chaos_stopped victim && ! chaos_gone victim || {
        echo "# $point was not passed $pass times"
        return 1
    }
    start heir
    sleep 10
    process_lives "$SERVICES_DIR/pids/victim" && kill -CONT "$process_pid"
}

# One point: kill, recover, judge. Or $how = stop: stop, go on, judge.
play() {
    db=chaos_$number prefix="fault$number-$$."
    node_id=
    [ "$identity" = own ] || node_id="--set node.id=fault-$number"
    redis-cli -s "$chaos_redis" flushall >/dev/null
    chaos_sql -d "$(chaos_url postgres)" -c "CREATE DATABASE $db TEMPLATE chaos_template" || return 1
    chaos_config "$chaos_dir/node.conf" "$db" "$prefix" "$port"
    rm -f "$chaos_dir/record" "$chaos_dir/documents" "$chaos_dir"/*.log
    service_spawn platform TERM "$chaos_bin/platform" "$chaos_platform_port" "$chaos_dir/documents" "$chaos_dir/mode"
    load &
    load_pid=$!
    if [ "$how" = stop ]; then
        halted
        play_status=$?
    else
        killed
        play_status=$?
        process_stop "$SERVICES_DIR/pids/victim" KILL 5
        start heir
    fi
    wait "$load_pid" || play_status=1
    check --record "$chaos_dir/record" --platform "$chaos_dir/documents" --wait 30 >"$chaos_dir/check.out" 2>&1 || play_status=1
    [ "$point" != "$replay_after" ] || replayed || play_status=1
    process_stop "$SERVICES_DIR/pids/victim" TERM 15
    process_stop "$SERVICES_DIR/pids/heir" TERM 15
    process_stop "$SERVICES_DIR/pids/platform" TERM 5
    return $play_status
}

# G9: everything again from offset 0 changes nothing.
replay_after=platform-answered
replayed() {
    process_stop "$SERVICES_DIR/pids/heir" TERM 15
    check --digest >"$chaos_dir/before" && check --forget-offsets || return 1
    redis-cli -s "$chaos_redis" --scan --pattern 'product:ranking:offset:*' |
        xargs -r redis-cli -s "$chaos_redis" del >/dev/null
    start heir
    check --record "$chaos_dir/record" --platform "$chaos_dir/documents" --wait 30 >>"$chaos_dir/check.out" 2>&1 &&
        check --digest >"$chaos_dir/after" && diff "$chaos_dir/before" "$chaos_dir/after" >>"$chaos_dir/check.out"
}

# The checker itself: after a violation of each rule it must call every one broken.
sabotage() {
    coupon_4=$(chaos_sql -d "$(chaos_url "$db")" -c "SELECT user_id FROM user_coupons WHERE coupon_id = 4 LIMIT 1")
    order=$(chaos_sql -d "$(chaos_url "$db")" -c "SELECT max(id) FROM orders")
    chaos_sql -d "$(chaos_url postgres)" -c "CREATE DATABASE sabotaged TEMPLATE $db" || return 1
    db=sabotaged
    chaos_sql -d "$(chaos_url "$db")" -f "$srcdir/tests/chaos/sabotage.sql" || return 1
    for sabotage_key in daily recent3days; do
        redis-cli -s "$chaos_redis" --scan --pattern "product:ranking:$sabotage_key:*" | head -n 1 |
            xargs -I KEY redis-cli -s "$chaos_redis" zincrby KEY 1 20 >/dev/null
    done
    {
        echo "srem coupon:issued:4 $coupon_4"
        echo "zadd coupon:queue:5 1 1999"
        echo "set coupon:result:4:$coupon_4 '{\"success\":false,\"requestedAt\":\"2020-01-01T00:00:00\"}'"
    } | redis-cli -s "$chaos_redis" >/dev/null
    echo '9999997|{"orderId":9999997}' | produce order-completed-topic
    echo "$order|{\"orderId\":$order}" | produce order-completed-topic
    for sabotage_part in 0 1; do
        echo "4|{\"couponId\":4,\"userId\":$coupon_4}" | produce coupon-issue-events -p $sabotage_part
    done
    awk -v user="$coupon_4" '{ print }
        /"op":"order"/ && /"status":200/ && !done { done = 1; sub(/"status":200/, "\"status\":400"); print
            sub(/"status":400/, "\"status\":500"); print }
        END {
            at = "\"attempt\":1,\"at\":9000000000000000,\"took\":1"
            print "{\"op\":\"issue\",\"coupon\":1,\"user\":1999," at ",\"status\":202,\"body\":\"{\\\"ticket\\\":99999}\"}"
            at = "\"attempt\":1,\"at\":9100000000000000,\"took\":1,\"final\":true"
            print "{\"op\":\"status\",\"coupon\":4,\"user\":" user "," at ",\"status\":200,\"body\":\"{\\\"status\\\":\\\"FAILED\\\"}\"}"
        }' "$chaos_dir/record" >"$chaos_dir/record.sabotaged"
    check --record "$chaos_dir/record.sabotaged" --platform "$chaos_dir/documents" >"$chaos_dir/check.out"
    [ $? = 1 ] && ! grep '^G[0-9]* *holds ' "$chaos_dir/check.out" | sed 's/^/# /' | grep .
}

# produce TOPIC [OPTION...]: lines of key|value.
produce() {
    produce_topic=$prefix$1
    shift
    kcat -P -b "$KAFKA_BOOTSTRAP" -t "$produce_topic" -K '|' "$@"
}

tell() {
    sed 's/^[^#]/# &/' "$chaos_dir/load.out" "$chaos_dir/check.out"
    for tell_log in "$chaos_dir"/victim.log "$chaos_dir"/heir.log; do
        [ "$1" = 0 ] || tail -n 25 "$tell_log" | sed 's/^/#   /'
    done
}

chaos_build && rushd=$RUSHD_FAULT_BUILD/src/app/rushd && [ -x "$rushd" ] || {
    tap_verdict 1 "a rushd with fault points can be built"
    tap_plan
    exit 1
}
port=$(port_find) && chaos_platform_port=$(port_find) && chaos_schema chaos_template "$rushd" "$port" || exit 1

only=${*:-${FAULT_POINTS:-}}
number=0 status=0 how=kill
while read -r point pass identity; do
    [ -n "$point" ] || continue
    number=$((number + 1))
    case " $only " in *" $point "* | "  ") ;; *) continue ;; esac
    play
    play_verdict=$?
    [ "$play_verdict" = 0 ] || status=1
    tell "$play_verdict"
    [ "$play_verdict" = 0 ] || [ -z "${FAULT_HOLD:-}" ] || { echo "HOLD $prefix $KAFKA_BOOTSTRAP $chaos_dir"; sleep 1000; }
    tap_verdict "$play_verdict" "killed at $point, pass $pass"
done <<POINTS
$points
POINTS
how=stop identity=own
while read -r point pass; do
    [ -n "$point" ] || continue
    number=$((number + 1))
    case " $only " in *" $point:stop "* | "  ") ;; *) continue ;; esac
    play
    play_verdict=$?
    [ "$play_verdict" = 0 ] || status=1
    tell "$play_verdict"
    tap_verdict "$play_verdict" "stopped at $point, pass $pass"
done <<POINTS
$stops
POINTS
if [ -z "$only" ] || [ -n "${FAULT_SABOTAGE:-}" ]; then
    sabotage
    play_verdict=$?
    [ "$play_verdict" = 0 ] || status=1
    tap_verdict "$play_verdict" "the checker finds a violation of every rule"
    [ "$play_verdict" = 0 ] || sed 's/^/# /' "$chaos_dir/check.out"
fi
tap_plan
exit $status
