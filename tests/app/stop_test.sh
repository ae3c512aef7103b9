#!/bin/sh
# A stop that cannot wait: the data platform hangs in the middle of a POST when the node's time for the stop is over. What is
# outstanding is answered while the node is taken apart, in every way that events can travel. Runs on PostgreSQL and Redis.
set -u
. "$RUSHD_TEST_SRCDIR/tests/support/services.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/tap.sh"
cd "$RUSHD_TEST_BUILDDIR" || exit 1
work=$(mktemp -d)
pids=
finish() {
    for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT

cat >"$work/conf" <<END
datasource.url = $RUSHD_TEST_PG_URL
datasource.auto-migrate = true
redis.socket = $RUSHD_TEST_REDIS_SOCKET
server.port = 0
server.shutdown-timeout = 1s
data-platform.timeout = 1m
data-platform.max-in-flight = 2
kafka.bootstrap-servers = embedded
END
# start NAME ARGUMENT...: sets pid and port.
start() {
    name=$1
    shift
    src/app/rushd -c "$work/conf" "$@" >"$work/$name.log" 2>&1 </dev/null &
    pid=$!
    pids="$pids $pid"
    wait_until 30 ready_or_ended
    port=$(sed -n 's/.*msg=listening address=.* port=\([0-9]*\).*/\1/p' "$work/$name.log")
}
ready_or_ended() { grep -q 'rushd is ready' "$work/$name.log" || ended; }
ended() { ! kill -0 "$pid" 2>/dev/null; }
order() {
    curl -s -m 10 -o "$work/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
        -d '{"userId":1001,"orderItems":[{"productId":1,"quantity":1}]}' "http://127.0.0.1:$port/api/orders"
}
# Connections of the node to the platform.
platform_hex=
posts() {
    awk -v peer=":$platform_hex" 'substr($3, length($3) - 4) == peer && $4 == "01" { n++ } END { exit n < 1 }' \
        /proc/net/tcp
}

# A stopped process accepts connections and never answers.
start platform --set event.publisher.type=local --set node.roles=api
platform=$port
platform_hex=$(printf '%04X' "$port")
src/ctl/rushctl -c "$work/conf" seed >"$work/seed" 2>&1
tap_check "the shop is there" tap_is $? 0
kill -STOP "$pid"

for type in local kafka; do
    start "$type" --set event.publisher.type="$type" --set data-platform.url="http://127.0.0.1:$platform/documents"
    for n in 1 2 3; do
        tap_check "$type: order $n" tap_is "$(order)" 200
    done
    tap_check "$type: the platform has posts that it does not answer" wait_until 30 posts
    begin=$(date +%s)
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    [ "$status" = 0 ] || sed 's/^/# /' "$work/$type.log"
    tap_check "$type: the stop ends with 0 all the same" tap_is "$status" 0
    tap_check "$type: and in time" [ $(($(date +%s) - begin)) -le 10 ]
done
tap_plan
