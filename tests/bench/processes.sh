#!/bin/sh
# `make bench-processes`: what one more process on the same port is worth, and what split roles cost.
#
#   tests/bench/processes.sh SRCDIR BUILDDIR [--seconds N] [LAYOUT...]
#
# LAYOUT: 1, 2, 4 (so many processes with all roles share one port by SO_REUSEPORT), split (two with the role api on the port, one
# with queue and consumers beside them); default all. PostgreSQL, Redis and Apache Kafka are this run's own. For each layout: orders
# spread over a thousand products, then requests for one coupon until all of them are decided; rate, and CPU per operation of
# all rushd together and of each service from /proc. The invariants G1 to G4 are checked after each layout, and that every request was
# decided once.
#
# On two cores more processes cannot be faster than the cores allow: what counts is that CPU per operation stays and that nothing
# is lost or done twice.
set -u
src=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
shift 2
seconds=10
[ "${1:-}" != --seconds ] || { seconds=$2 && shift 2; }
layouts=${*:-1 2 4 split}
. "$src/tests/support/packages.sh"
. "$src/tests/support/services.sh"
. "$src/tests/bench/cpu.sh"

services_open || exit 1
work=$SERVICES_DIR/bench
mkdir "$work"
rows=$work/rows
: >"$rows"
users=100000

say() { printf '%s\n' "$*" >&2; }
sql() { pg_sql -d "$(pg_url bench)" "$@"; }

node_pids=
api_nodes=0
# node_start ROLES PORT
node_start() {
    node_name=node$(echo "$node_pids" | wc -w)
    cat >"$work/$node_name.conf" <<CONF
datasource.url = $(pg_url bench)
redis.socket = $REDIS_SOCKET
kafka.bootstrap-servers = $KAFKA_BOOTSTRAP
node.id = $node_name
node.roles = $1
server.port = $2
logging.level.root = warn
CONF
    "$build/src/app/rushd" -c "$work/$node_name.conf" 2>>"$work/$node_name.log" &
    node_pids="$node_pids $!"
    node_ready_port=$2
    wait_until 30 node_is_ready || { cat "$work/$node_name.log" >&2; exit 1; }
}
node_is_ready() { curl -sf -o /dev/null "http://127.0.0.1:$node_ready_port/actuator/health/readiness" && kill -0 "${node_pids##* }"; }
nodes_start() { # nodes_start LAYOUT
    node_pids=
    port=$(port_find)
    case $1 in
        split)
            node_start api "$port"
            node_start api "$port"
            node_start queue,consumers "$(port_find)"
            ;;
        *) for i in $(seq "$1"); do node_start api,queue,consumers "$port"; done ;;
    esac
}
nodes_stop() {
    # shellcheck disable=SC2086
    kill -TERM $node_pids && wait $node_pids
}

# report LAYOUT CASE UNIT OPERATIONS RATE P99
report() {
    awk -v l="$1" -v c="$2" -v u="$3" -v n="$4" -v rate="$5" -v p99="$6" -v r="$used_rushd" -v p="$used_pg" -v d="$used_redis" \
        'BEGIN { printf "%s|%s|%s|%d|%.0f|%.1f|%.1f|%.1f|%.0f\n", l, c, u, n, rate, r / n, p / n, d / n, p99 }' | tee -a "$rows" >&2
}
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$work/load"; }
load() {
    "$build/tests/bench/bench_load" --port "$port" --connections 64 --users "1:$users" "$@" >"$work/load" 2>/dev/null || exit 1
    grep -q '"statuses":{"20[02]":[0-9]*}' "$work/load" || { say "not every answer is good:"; sed 's/"histogram.*//' "$work/load" >&2; }
}

outbox_is_empty() { [ "$(sql -c 'SELECT count(*) FROM (SELECT FROM outbox LIMIT 1) AS x')" = 0 ]; }
undecided() { echo $(($(redis-cli -s "$REDIS_SOCKET" ZCARD "coupon:queue:$coupon") + $(redis-cli -s "$REDIS_SOCKET" ZCARD "coupon:inflight:$coupon"))); }
all_are_decided() { [ "$(undecided)" = 0 ]; }

# The books, and that each request for the coupon was decided once.
invariants() {
    bad=$(sql -f "$src/tests/bench/books.sql")
    decided=$(sql -c "SELECT count(*) FROM coupon_requests WHERE coupon_id = $coupon AND outcome IS NOT NULL")
    [ "$bad" = 0 ] || { say "$1: $bad invariants are broken"; exit 1; }
    [ "$decided" = "$asked" ] || { say "$1: $asked requests were accepted, $decided decided"; exit 1; }
}

say "starting PostgreSQL (durable), Redis (AOF every second) and Apache Kafka"
pg_start durable && redis_start durable && kafka_fetch && kafka_start || exit 1
pg_sql -d "$(pg_url postgres)" -c 'CREATE DATABASE bench'
"$build/src/ctl/rushctl" --set "datasource.url=$(pg_url bench)" migrate >/dev/null || exit 1
sql <<SQL || exit 1
INSERT INTO users (user_id, username) SELECT g, 'user' || g FROM generate_series(1, $users) g;
INSERT INTO balances SELECT g, 1000000000, now() FROM generate_series(1, $users) g;
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after) SELECT g, 'DEPOSIT', 1000000000, 1000000000 FROM generate_series(1, $users) g;
INSERT INTO products (id, name, category, current_price, stock) SELECT g, 'product ' || g, 'bench', 10, 1000000000 FROM generate_series(1, 1000) g;
INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, valid_from, valid_to)
    SELECT g, 'coupon ' || g, 10, 1000000, now() - interval '1 day', now() + interval '30 days' FROM generate_series(1, 9) g;
SQL
sql -c 'VACUUM ANALYZE'

coupon=0
for layout in $layouts; do
    coupon=$((coupon + 1))
    say "layout $layout"
    nodes_start "$layout"
    # shellcheck disable=SC2086
    meter_start $node_pids
    load --case orders --products 1000 --warmup 0 --seconds "$seconds"
    wait_until 120 outbox_is_empty || say "layout $layout: the outbox is not empty in time"
    meter_stop
    report "$layout" orders order "$(field requests)" "$(field rate)" "$(field p99)"
    # shellcheck disable=SC2086
    meter_start $node_pids
    load --case coupon --coupon "$coupon" --stride 7919 --warmup 0 --seconds 60 --requests 30000
    wait_until 120 all_are_decided || say "layout $layout: not all are decided in time"
    meter_stop
    asked=$(redis-cli -s "$REDIS_SOCKET" GET "coupon:ticket:$coupon")
    report "$layout" coupons "request to result" "$asked" $((asked * 1000000 / used_wall)) "$(field p99)"
    nodes_stop
    invariants "$layout"
done

printf '\n%s cores, load on the same cores; us of CPU per operation\n\n' "$(nproc)"
{
    echo "layout|case|operation|count|rate/s|rushd|postgres|redis|p99 ms"
    cat "$rows"
} | awk -F'|' '{ printf "%-8s %-8s %-18s %9s %8s %8s %9s %8s %8s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
awk -F'|' 'BEGIN { printf "{\"layouts\":[" }
    { printf "%s{\"layout\":\"%s\",\"case\":\"%s\",\"operations\":%d,\"rate\":%s,\"rushdUs\":%s,\"postgresUs\":%s,\"redisUs\":%s,\"p99\":%s}", (NR > 1 ? "," : ""), $1, $2, $4, $5, $6, $7, $8, $9 }
    END { print "]}" }' "$rows" >"$build/processes.json"
say "written: $build/processes.json"
