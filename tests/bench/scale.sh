#!/bin/sh
# `make bench-scale`: what an operation costs as the shop grows.
#
#   tests/bench/scale.sh SRCDIR BUILDDIR [--quick] [--sizes "1 10 100"] [--unit 10000] [--ops 20000] [--buffers 1GB] [CASE...]
#
# At size k the shop has k units of products and of members in one line, two of users, ten of orders, a hundredth of coupons (each
# with members in its line for the case of many lines), one of rows that wait in the outbox and of requests of the past.
# --quick: units of 1,000, sizes 1 and 10. CASE: see `cases` below; default all.
#
# Data is written as sets straight into PostgreSQL (scale_fill.sql) and by a script into Redis (scale_*.lua): no request is made for
# it. Then each case runs a fixed number of operations, and CPU time of rushd, PostgreSQL and Redis is read before and after
# from /proc. CPU, not rate, is the measure: it is the same on a busy machine. Growth is the cost at the largest size over
# that at the smallest. A step that searches a tree may grow with the logarithm of the size, and a larger working set misses caches
# more often: beyond LIMIT times the ratio of the logarithms it is called worse.
#
# Prints a table and writes scale.json and scale.html (curves) into BUILDDIR.
set -u
src=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
shift 2
buffers=1GB sizes="1 10 100" unit=10000 ops=20000 seconds=20 LIMIT=1.5
while [ $# -gt 0 ]; do
    case $1 in
        --quick) sizes="1 10" unit=1000 ops=3000 seconds=4 ;;
        --sizes) sizes=$2 && shift ;;
        --unit) unit=$2 && shift ;;
        --buffers) buffers=$2 && shift ;;
        --ops) ops=$2 && shift ;;
        --seconds) seconds=$2 && shift ;;
        *) break ;;
    esac
    shift
done
cases=${*:-start idle orders-spread orders-hot order-list order-get history products popular user-coupons coupon-get coupon-list
accept-redis accept-database status issue lines relay outbox-waiting rebuild}
connections=${BENCH_CONNECTIONS:-64}
. "$src/tests/support/packages.sh"
. "$src/tests/support/services.sh"
. "$src/tests/bench/cpu.sh"

services_open || exit 1
work=$SERVICES_DIR/bench
mkdir "$work"
rows=$work/rows
: >"$rows"

say() { printf '%s\n' "$*" >&2; }
redis() { redis-cli -s "$REDIS_SOCKET" "$@"; }
sql() { pg_sql -d "$(pg_url scale)" "$@"; }

# ------------------------------------------------------------------------------------------------ the node

node_start() { # node_start KEY=VALUE...
    cat >"$work/rushd.conf" <<CONF
datasource.url = $(pg_url scale)
redis.socket = $REDIS_SOCKET
kafka.bootstrap-servers = embedded
server.port = $port
logging.level.root = warn
coupon.queue.max-waiting = 100000000
CONF
    set_args=
    for kv in "$@"; do set_args="$set_args --set $kv"; done
    # shellcheck disable=SC2086
    "$build/src/app/rushd" -c "$work/rushd.conf" $set_args 2>>"$work/node.log" &
    node_pid=$!
    wait_until 60 node_ready || { cat "$work/node.log" >&2; exit 1; }
}
node_ready() { curl -sf -o /dev/null "http://127.0.0.1:$port/actuator/health/readiness"; }
# What a start leaves to do, all coupons told to other programs, is not to be measured with what comes then.
node_settles() {
    settled=$(cpu_us "$(cpu_service_pid redis)")
    sleep 0.5
    [ $(($(cpu_us "$(cpu_service_pid redis)") - settled)) -le 20000 ]
}
node_start_and_settle() {
    node_start "$@"
    wait_until 60 node_settles || say "the node does not come to rest"
}
node_stop() { kill -TERM "$node_pid" 2>/dev/null && wait "$node_pid"; }

# ------------------------------------------------------------------------------------------------ measuring

# report CASE UNIT OPERATIONS [P99]: what the meter read, for each operation.
report() {
    meter_rss=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$node_pid/status" 2>/dev/null)
    awk -v c="$1" -v u="$2" -v n="$3" -v p99="${4:--}" -v k="$k" -v r="$used_rushd" -v p="$used_pg" -v d="$used_redis" -v w="$used_wall" \
        -v rss="${meter_rss:-0}" 'BEGIN { if (n < 1) n = 1
            printf "%s|%s|%s|%d|%.2f|%.2f|%.2f|%.2f|%.1f|%s|%.1f\n", c, u, k, n, r / n, p / n, d / n, (r + p + d) / n, n * 1e6 / w, p99, rss / 1024 }' |
        tee -a "$rows" >&2
}

# load CASE UNIT ARGS...: a number of requests over many connections. Those that are refused are told.
load() {
    load_case=$1 load_unit=$2
    shift 2
    meter_start "$node_pid"
    "$build/tests/bench/bench_load" --port "$port" --connections "$connections" --seconds 300 --warmup 0 --requests "$ops" "$@" \
        >"$work/load" 2>/dev/null || exit 1
    [ -z "${settle:-}" ] || wait_until 120 $settle || say "$load_case: what follows did not end in time"
    meter_stop
    grep -q '"statuses":{"20[02]":[0-9]*}' "$work/load" || { say "$load_case: not every answer is good"; cat "$work/load" >&2; }
    report "$load_case" "$load_unit" "$(sed -n 's/.*"requests":\([0-9]*\).*/\1/p' "$work/load")" \
        "$(sed -n 's/.*"p99":\([0-9.]*\).*/\1/p' "$work/load")"
}

# ------------------------------------------------------------------------------------------------ the shop

# By a thousand members or products for each call of a script.
fill_line() { # fill_line COUPON FIRST-USER COUNT
    sha=$(redis SCRIPT LOAD "$(cat "$src/tests/bench/scale_line.lua")")
    awk -v sha="$sha" -v coupon="$1" -v first="$2" -v count="$3" -v at="$(($(date +%s) - 7200))" 'BEGIN {
        for (i = 0; i < count; i += 1000) {
            n = count - i < 1000 ? count - i : 1000
            printf "EVALSHA %s 0 %s %d %d %d %s\r\n", sha, coupon, first + i, n, i, at
        } }' | redis --pipe >/dev/null
}
fill_ranking() {
    sha=$(redis SCRIPT LOAD "$(cat "$src/tests/bench/scale_ranking.lua")")
    awk -v sha="$sha" -v day="$(TZ=Asia/Seoul date +%F)" -v count="$products" 'BEGIN {
        for (i = 0; i < count; i += 1000) printf "EVALSHA %s 0 %s %d %d\r\n", sha, day, i + 1, (count - i < 1000 ? count - i : 1000) }' |
        redis --pipe >/dev/null
}

fill() {
    members=$((unit * k)) users=$((2 * unit * k)) products=$((unit * k)) orders=$((10 * unit * k)) coupons=$((unit * k / 100)) requests=$((unit * k))
    say "size $k: $users users, $products products, $orders orders, $coupons coupons, $members members in a line"
    redis FLUSHALL >/dev/null
    pg_sql -d "$(pg_url postgres)" -c 'DROP DATABASE IF EXISTS scale' -c 'CREATE DATABASE scale'
    "$build/src/ctl/rushctl" --set "datasource.url=$(pg_url scale)" migrate >/dev/null || exit 1
    pg_sql -d "$(pg_url postgres)" -c 'ALTER SYSTEM SET fsync = off' -c 'SELECT pg_reload_conf()' >/dev/null
    sql -v users="$users" -v products="$products" -v orders="$orders" -v coupons="$coupons" -v requests="$requests" \
        -f "$src/tests/bench/scale_fill.sql" >/dev/null || exit 1
    sql -c 'VACUUM ANALYZE' -c CHECKPOINT
    pg_sql -d "$(pg_url postgres)" -c 'ALTER SYSTEM SET fsync = on' -c 'SELECT pg_reload_conf()' >/dev/null
    # The mark of whole data, as a node leaves it: nothing is rebuilt while something else is measured.
    mark="$(redis INFO server | tr -d '\r' | sed -n 's/^run_id://p') 1"
    redis MSET rushd:data "$mark" rushd:ranked "$mark" >/dev/null
    fill_line 1 1 "$members"
    fill_ranking
}
outbox_is_empty() { [ "$(sql -c 'SELECT count(*) FROM (SELECT FROM outbox LIMIT 1) AS x')" = 0 ]; }

# ------------------------------------------------------------------------------------------------ cases

stride=7919 # prime: visits every user before it comes back
case_start() {
    meter_start
    node_start
    meter_stop
    used_rushd=$(cpu_us "$node_pid")
    report start start 1
    node_stop
}
# What the timers do while nobody asks: ticks of the queue, probes of all coupons, the outbox, undecided requests.
case_idle() {
    node_start_and_settle coupon.queue.recheck=12s
    redis RENAME coupon:queue:1 hidden >/dev/null
    sleep 2
    meter_start "$node_pid"
    sleep $((seconds + 10))
    meter_stop
    redis RENAME hidden coupon:queue:1 >/dev/null
    report idle second $((seconds + 10))
    node_stop
}
# With all that follows: messages, the ranking, the documents.
case_orders_spread() {
    node_start_and_settle coupon.queue.interval=1h
    settle=outbox_is_empty
    load orders-spread order --case orders --users "1:$users" --stride $stride --products "$products"
    node_stop
}
case_orders_hot() {
    node_start_and_settle coupon.queue.interval=1h
    load orders-hot order --case orders --users "1:$users" --stride $stride
    settle=
    node_stop
}
get() { # get CASE PATH: reads by many users
    node_start_and_settle coupon.queue.interval=1h
    load "$1" request --case get --path "$2" --users "1:$users" --stride $stride --products "$products"
    node_stop
}
case_order_list() { get order-list '/api/orders?userId={user}&limit=20'; }
case_order_get() { get order-get '/api/orders/{user}'; }
case_history() { get history '/api/users/balance/history?userId={user}&limit=20'; }
case_products() { get products '/api/products?limit=20&cursor={product}'; }
case_popular() { get popular /api/products/popular; }
case_user_coupons() { get user-coupons '/api/coupons/users/{user}'; }
case_coupon_get() { get coupon-get "/api/coupons/$((100 + coupons / 2))"; }
# The list has no pages: the cost of one coupon in it.
case_coupon_list() {
    node_start_and_settle coupon.queue.interval=1h
    meter_start "$node_pid"
    i=0
    while [ $i -lt 10 ]; do
        curl -sf -o /dev/null "http://127.0.0.1:$port/api/coupons" || exit 1
        i=$((i + 1))
    done
    meter_stop
    report coupon-list "listed coupon" $((10 * (coupons + 99)))
    node_stop
}
# Into a line that is as long as the shop is large; the users are those who do not wait yet.
case_accept_redis() {
    node_start_and_settle coupon.queue.interval=1h
    some=$ops
    [ "$ops" -lt $((members / 2 - connections)) ] || ops=$((members / 2 - connections)) # each asks once
    load accept-redis request --case coupon --coupon 1 --users "$((members + 1)):$((members / 2))"
    ops=$some
    node_stop
}
case_accept_database() {
    node_start_and_settle coupon.queue.interval=1h coupon.accept.durability=database
    some=$ops
    [ "$ops" -lt $((members / 2 - connections)) ] || ops=$((members / 2 - connections)) # each asks once
    load accept-database request --case coupon --coupon 1 --users "$((members + members / 2)):$((members / 2))"
    ops=$some
    node_stop
}
case_status() {
    node_start_and_settle coupon.queue.interval=1h
    load status request --case status --coupon 1 --users "1:$members" --stride $stride
    node_stop
}
# From the head of a line to the results.
case_issue() {
    waiting=$(redis ZCARD coupon:queue:1)
    target=$((waiting - unit))
    [ "$target" -ge 0 ] || target=0
    meter_start
    node_start coupon.queue.window=1000 # what is taken beyond those that are waited for stays small
    meter_pids=$node_pid
    wait_until 300 issue_is_done || say "issue: not all were decided in time"
    meter_stop
    report issue decision $((waiting - $(left_in_line)))
    node_stop
    redis DEL coupon:queue:1 coupon:inflight:1 coupon:pending:1 coupon:taken:1 coupon:published:1 >/dev/null
}
left_in_line() { echo $(($(redis ZCARD coupon:queue:1) + $(redis ZCARD coupon:inflight:1))); }
issue_is_done() { [ "$(left_in_line)" -le "$target" ]; }
# Ten members in the line of each coupon, the same ten: so they come to hold very many coupons.
case_lines() {
    redis DEL coupon:queue:1 coupon:pending:1 >/dev/null # when the case before did not run
    redis SREM coupon:lines 1 >/dev/null
    sha=$(redis SCRIPT LOAD "$(cat "$src/tests/bench/scale_line.lua")")
    awk -v sha="$sha" -v n="$coupons" -v first="$((requests + 1))" -v at="$(($(date +%s) - 60))" \
        'BEGIN { for (c = 100; c < 100 + n; c++) printf "EVALSHA %s 0 %d %d 10 1000 %s\r\n", sha, c, first, at }' | redis --pipe >/dev/null
    meter_start
    node_start
    meter_pids=$node_pid
    wait_until 300 lines_are_empty || say "lines: not all were decided in time"
    meter_stop
    report lines decision $((10 * (coupons - $(redis SCARD coupon:lines))))
    node_stop
}
lines_are_empty() { [ "$(redis SCARD coupon:lines)" = 0 ]; }
# Rows that a dead node left: those of one real order, told apart by their ids. $1 is when they are due.
fill_outbox() {
    node_start kafka.bootstrap-servers=127.0.0.1:1 kafka.topics.create=false
    curl -sf -o /dev/null -H 'Content-Type: application/json' -d '{"userId":1,"orderItems":[{"productId":1,"quantity":1}]}' \
        "http://127.0.0.1:$port/api/orders" || exit 1
    kill -KILL "$node_pid"
    wait "$node_pid" 2>/dev/null
    sql -c "INSERT INTO outbox (order_id, payload, available_at)
            SELECT order_id + g, replace(payload, order_id::text, (order_id + g)::text), $1
            FROM (SELECT * FROM outbox LIMIT 1) AS o, generate_series(1, $((unit * k))) AS g" \
        -c "SELECT setval('orders_id_seq', (SELECT max(order_id) FROM outbox))" -c 'VACUUM ANALYZE outbox' >/dev/null || exit 1
}
relayed() { curl -sf "http://127.0.0.1:$port/actuator/metrics/rushd.outbox.relayed" | sed -n 's/.*"value":\([0-9]*\).*/\1/p'; }
relay_is_done() { n=$(relayed) && [ "${n:-0}" -ge "$unit" ]; }
case_relay() {
    fill_outbox 'now()'
    meter_start
    node_start coupon.queue.interval=1h
    meter_pids=$node_pid
    wait_until 300 relay_is_done || say "relay: rows are left"
    meter_stop
    report relay row "$(relayed)"
    node_stop
    sql -c 'TRUNCATE outbox'
}
# Rows that wait for their time again, as when the brokers are away; a tenth for ever.
case_outbox_waiting() {
    fill_outbox "now() + interval '10 minutes'"
    sql -c "UPDATE outbox SET error = 'bench' WHERE order_id % 10 = 0" -c 'VACUUM ANALYZE outbox'
    node_start_and_settle coupon.queue.interval=1h
    sleep 1
    meter_start "$node_pid"
    sleep "$seconds"
    meter_stop
    report outbox-waiting second "$seconds"
    node_stop
    sql -c 'TRUNCATE outbox'
}
# Lines from PostgreSQL after a loss of Redis: a unit of undecided requests for each size.
case_rebuild() {
    redis DEL coupon:lines coupon:queue:3 coupon:pending:3 >/dev/null
    sql -c "INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket)
            SELECT 3, g, now() - interval '1 hour' + (g::bigint * 7919 % $members) * interval '1 microsecond', g FROM generate_series(1, $members) g" \
        -c 'VACUUM ANALYZE coupon_requests'
    meter_start
    node_pid=0
    before=$(children_us)
    timeout 900 "$build/src/ctl/rushctl" --set "datasource.url=$(pg_url scale)" --set "redis.socket=$REDIS_SOCKET" rebuild line >"$work/rebuild" 2>&1 ||
        { say "rebuild: failed"; cat "$work/rebuild" >&2; }
    meter_stop
    used_rushd=$(($(children_us) - before))
    [ "$(redis ZCARD coupon:queue:3)" = "$members" ] || say "rebuild: not all came back"
    report rebuild request "$members"
}
# CPU of children of this shell that have ended.
children_us() { sed 's/^.*) //' "/proc/$$/stat" | awk -v us="$CPU_TICK_US" '{ printf "%.0f\n", ($14 + $15) * us }'; }

invariants() {
    bad=$(sql -f "$src/tests/bench/books.sql")
    [ "$bad" = 0 ] || { say "size $k: $bad invariants are broken"; exit 1; }
}

# ------------------------------------------------------------------------------------------------ the run

say "starting PostgreSQL (durable) and Redis (AOF every second)"
port=$(port_find)
pg_start durable && redis_start durable || exit 1
printf "max_wal_size = 16GB\ncheckpoint_timeout = 1h\nshared_buffers = $buffers\n" >>"$PG_DIR/data/postgresql.conf"
pg_stop
pg_run || exit 1
for k in $sizes; do
    fill
    for c in $cases; do
        "case_$(echo "$c" | tr - _)"
    done
    invariants
done

machine="$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load on the same cores"
awk -F'|' -v unit="$unit" -v limit="$LIMIT" -v machine="$machine" -v json="$build/scale.json" -v html="$build/scale.html" \
    -f "$src/tests/bench/scale.awk" "$rows"
say "written: $build/scale.json, $build/scale.html"
