#!/bin/sh
# `make bench`: measures rushd on services of its own (durable settings) beside a yardstick for each case, in the same run.
#
#   tests/bench/run.sh SRCDIR BUILDDIR [CASE...]      CASE: http http-pipelined orders-hot orders-spread coupon-redis
#                                                     coupon-database refuse refuse-first issue first-result ranking
#                                                     status curve overload memory connections start; default: these
#       CASE scale: what an operation costs as the data grows (scale.sh, half an hour and 15 GB; BENCH_SCALE="--quick" and its
#       other arguments); its curves join the report
#
# BENCH_SECONDS (10) per repetition, BENCH_REPEAT (3) repetitions, BENCH_CONNECTIONS (64). The load runs on the same cores as
# the services and rushd. Kafka is the cluster in rushd's process unless RUSHD_TEST_KAFKA names brokers. Prints one table and
# writes it as bench.json and bench.html into BUILDDIR. Absolute figures belong to the machine; ratios compare two things of
# one run. CPU is user and system time of each process in microseconds per answer, load generator included.
set -u
src=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
shift 2
cases=${*:-http http-pipelined orders-hot orders-spread coupon-redis coupon-database refuse refuse-first issue first-result ranking status curve overload memory connections start}
seconds=${BENCH_SECONDS:-10} repeat=${BENCH_REPEAT:-3} connections=${BENCH_CONNECTIONS:-64}
. "$src/tests/support/packages.sh"
. "$src/tests/support/services.sh"
. "$src/tests/bench/cpu.sh"

services_open || exit 1
work=$SERVICES_DIR/bench
mkdir "$work"
rows=$work/rows
: >"$rows"

say() { printf '%s\n' "$*" >&2; }
field() { sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" "$1"; }
# Median of the numbers on standard input.
median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'; }
spread() { sort -n | awk '{ v[NR] = $1 } END { if (NR && v[int((NR + 1) / 2)] > 0) printf "%.0f", 100 * (v[NR] - v[1]) / v[int((NR + 1) / 2)]; else print 0 }'; }
div() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print 0 }'; }
# The p-th fraction of the turns of a node's loop took at most so many seconds, as its histogram tells.
turn_p() {
    curl -s "http://127.0.0.1:$port/actuator/prometheus" | sed -n 's/^rushd_loop_turn_seconds_bucket{le="\([^"]*\)"} /\1 /p' |
        awk -v p="$1" '{ le[NR] = $1; n[NR] = $2 } END { for (i = 1; i <= NR; i++) if (n[i] >= p * n[NR]) { print le[i]; exit } }'
}
# row CASE UNIT VALUE SPREAD% P50 P99 YARDSTICK YARDSTICK-VALUE TARGET-RATIO
row() {
    ratio=$(div "$3" "$8")
    verdict=$(awk -v r="$ratio" -v t="$9" 'BEGIN { print (t == "-" ? "-" : (r >= t ? "met" : "missed")) }')
    echo "$1|$2|$3|$4|$5|$6|$7|$8|$ratio|$9|$verdict|${m_p999:--}|${m_cpu:--}" >>"$rows"
    say "$1: $3 $2, ratio $ratio of $7, target $9: $verdict; CPU us: ${m_cpu:--}"
}
# bound CASE UNIT VALUE WHAT LIMIT: a row that is good when the value is not above the limit.
bound() {
    verdict=$(awk -v v="$3" -v l="$5" 'BEGIN { print (v <= l ? "met" : "missed") }')
    echo "$1|$2|$3|-|-|-|$4|-|-|-|$verdict|-|-" >>"$rows"
    say "$1: $3 $2, $4: $verdict"
}

# ------------------------------------------------------------------------------------------------ the node

node_start() { # node_start NAME KEY=VALUE...
    node_name=$1
    shift
    cat >"$work/rushd.conf" <<CONF
datasource.url = $(pg_url bench)
redis.socket = $REDIS_SOCKET
kafka.bootstrap-servers = ${RUSHD_TEST_KAFKA:-embedded}
server.port = $port
logging.level.root = warn
CONF
    set_args=
    for kv in "$@"; do set_args="$set_args --set $kv"; done
    # shellcheck disable=SC2086
    "$build/src/app/rushd" -c "$work/rushd.conf" $set_args 2>"$work/$node_name.log" &
    node_pid=$!
    watched="--cpu rushd:$node_pid --cpu postgres:$pg_pid --cpu redis:$redis_pid"
    wait_until 20 node_ready || { cat "$work/$node_name.log" >&2; exit 1; }
}
node_ready() { curl -sf -o /dev/null "http://127.0.0.1:$port/actuator/health/readiness"; }
redis_is_ranked() { [ "$(redis-cli -s "$REDIS_SOCKET" EXISTS rushd:ranked)" = 1 ]; }
node_stop() {
    [ "$node_name" = start ] || turn_p 0.99 >>"$work/turns"
    kill -TERM "$node_pid" 2>/dev/null && wait "$node_pid"
}
# load OUT ARGS...: one repetition.
load() {
    load_out=$1
    shift
    # shellcheck disable=SC2086
    "$build/tests/bench/bench_load" --port "$port" --connections "$connections" --seconds "$seconds" $watched "$@" >>"$load_out" || exit 1
    tail -n 1 "$load_out" | grep -q '"statuses":{"20[02]":[0-9]*}' || tail -n 1 "$load_out" | sed 's/,"histogram.*/}/' >&2
}

# G1 to G4 after a case.
invariants() {
    bad=$(pg_sql -d "$(pg_url bench)" -c "
        SELECT (SELECT count(*) FROM products WHERE stock < 0) +
               (SELECT count(*) FROM coupons AS c WHERE issued_count <> (SELECT count(*) FROM user_coupons AS u WHERE u.coupon_id = c.coupon_id)
                   OR issued_count > max_issuance_count) +
               (SELECT count(*) FROM balances AS b WHERE amount <> (SELECT sum(amount) FROM user_balance_tx AS t WHERE t.user_id = b.user_id)) +
               (SELECT count(*) FROM products AS p WHERE stock + COALESCE((SELECT sum(quantity) FROM product_sales_daily AS d
                   WHERE d.product_id = p.id), 0) <> 1000000000)")
    [ "$bad" = 0 ] || { say "$1: $bad invariants are broken"; exit 1; }
}

# -------------------------------------------------------------------------------------------------- set-up

say "starting PostgreSQL (durable) and Redis (AOF every second)"
port=$(port_find)
pg_start durable "$(port_find)" && redis_start durable "$(port_find)" || exit 1
pg_pid=$(cut -d ' ' -f 1 "$SERVICES_DIR/pids/pg") redis_pid=$(cut -d ' ' -f 1 "$SERVICES_DIR/pids/redis")
pg_sql -d "$(pg_url postgres)" -c 'CREATE DATABASE bench'
pg_sql -d "$(pg_url postgres)" -c 'CREATE DATABASE yard'
"$build/src/ctl/rushctl" --set "datasource.url=$(pg_url bench)" migrate >/dev/null || exit 1
pg_sql -d "$(pg_url bench)" <<'SQL' || exit 1
INSERT INTO users (user_id, username) SELECT g, 'user' || g FROM generate_series(1, 100000) g;
INSERT INTO balances SELECT g, 1000000000, now() FROM generate_series(1, 100000) g;
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after) SELECT g, 'DEPOSIT', 1000000000, 1000000000 FROM generate_series(1, 100000) g;
INSERT INTO products (id, name, category, current_price, stock) SELECT g, 'product ' || g, 'bench', 10, 1000000000 FROM generate_series(1, 1000) g;
INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, valid_from, valid_to)
    SELECT g, 'coupon ' || g, 10, CASE WHEN g = 9 OR g BETWEEN 11 AND 20 THEN 0 ELSE 1000000 END, now() - interval '1 day', now() + interval '30 days' FROM generate_series(1, 30) g;
SQL
pg_sql -d "$(pg_url bench)" -c 'VACUUM ANALYZE'
# As in a server that has run for a while: WAL segments are there to be used again. A new one is 16 MB of zeros inside a COMMIT.
pg_sql -d "$(pg_url postgres)" -c "ALTER SYSTEM SET min_wal_size = '1GB'" -c 'SELECT pg_reload_conf()' >/dev/null
pg_sql -d "$(pg_url postgres)" -c "DO \$\$ BEGIN FOR i IN 1 .. 60 LOOP
    PERFORM pg_logical_emit_message(false, 'bench', ''), pg_switch_wal(); END LOOP; END \$\$" -c CHECKPOINT

yard_nginx() {
    [ -n "${nginx_rate:-}" ] && return
    nginx_rate=0
    command -v nginx >/dev/null 2>&1 || { say "nginx is not installed: no yardstick for the HTTP floor"; return; }
    nginx_port=$(port_find)
    mkdir -p "$work/nginx/logs"
    cat >"$work/nginx/nginx.conf" <<CONF
worker_processes 1; daemon off; pid $work/nginx/pid; error_log $work/nginx/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000;
  server { listen 127.0.0.1:$nginx_port; location / { default_type application/json; return 200 '{"status":"UP"}'; } } }
CONF
    nginx -p "$work/nginx" -c "$work/nginx/nginx.conf" 2>/dev/null &
    nginx_pid=$!
    wait_until 5 port_listens "$nginx_port"
    for i in $(seq "$repeat"); do
        "$build/tests/bench/bench_load" --port "$nginx_port" --connections "$connections" --seconds "$seconds" >>"$work/nginx.json"
    done
    kill "$nginx_pid" && wait "$nginx_pid" 2>/dev/null
    nginx_rate=$(field "$work/nginx.json" rate | median)
}
yard_pgbench() {
    [ -n "${pgbench_rate:-}" ] && return
    "$PG_BIN/pgbench" -q -i -s 10 "$(pg_url yard)" >/dev/null 2>&1
    for i in $(seq "$repeat"); do
        "$PG_BIN/pgbench" -n -c 8 -j 1 -T "$seconds" "$(pg_url yard)" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
    done >"$work/pgbench"
    pgbench_rate=$(median <"$work/pgbench")
}
# A script of about the weight of the accept script's common path, by EVALSHA, 64 clients, no pipelining.
yard_redis() {
    [ -n "${redis_rate:-}" ] && return
    sha=$(redis-cli -s "$REDIS_SOCKET" -n 1 SCRIPT LOAD "$(cat "$src/src/store/lua/coupon_add.lua")")
    for i in $(seq "$repeat"); do
        redis-cli -s "$REDIS_SOCKET" -n 1 SET m 'run 1' >/dev/null
        redis-benchmark -s "$REDIS_SOCKET" --dbnum 1 -c 64 -n 200000 -r 100000 -q EVALSHA "$sha" 9 q t l p i s f m r:__rand_int__ 1 10000000 90000 7 0 0 run __rand_int__ 2>/dev/null |
            tr '\r' '\n' | sed -n 's/.*: \([0-9.]*\) requests per second.*/\1/p' | tail -n 1
        redis-cli -s "$REDIS_SOCKET" -n 1 FLUSHDB >/dev/null
    done >"$work/redis"
    redis_rate=$(median <"$work/redis")
}
# What a bare client needs for the rows of a request: 200 commits of 500 rows by one prepared `INSERT ... SELECT unnest` (with
# more than one table one for each, in a transaction), arrays of real values, users in no order, into tables like the node's own
# (indexes, checks and triggers), on the same durable server.
#   yard_rows NAME   sets yard_rate; accepted: rows of coupon_requests; decided: rows of coupon_requests with their outcome and of user_coupons
yard_rows() {
    yard_tables
    awk -v what="$1" -v q="'" -f "$src/tests/bench/yard_rows.awk" >"$work/$1.sql"
    for i in $(seq "$repeat"); do
        pg_sql -d "$(pg_url yard)" -c 'TRUNCATE coupon_requests, user_coupons, orders, order_items' -c 'VACUUM ANALYZE users'
        from=$(date +%s.%N)
        pg_sql -d "$(pg_url yard)" -f "$work/$1.sql"
        echo "$from $(date +%s.%N)" | awk '{ printf "%.0f\n", 100000 / ($2 - $1) }'
    done >"$work/$1.rates"
    yard_rate=$(median <"$work/$1.rates")
}
yard_tables() {
    [ -z "${yard_has_tables:-}" ] || return
    yard_has_tables=1
    "$build/src/ctl/rushctl" --set "datasource.url=$(pg_url yard)" migrate >/dev/null || exit 1
    pg_sql -d "$(pg_url yard)" -c "INSERT INTO users (user_id, username) SELECT g, 'user' || g FROM generate_series(1, 100000) g" \
        -c "INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, valid_from, valid_to)
            VALUES (1, 'coupon', 10, 1000000, now(), now() + interval '30 days')"
}

# -------------------------------------------------------------------------------------------------- cases

measure() { # measure NAME ARGS...: repetitions into $work/NAME.json
    measure_name=$1
    shift
    say "$measure_name"
    for i in $(seq "${measure_times:-$repeat}"); do load "$work/$measure_name.json" "$@"; done
    m_rate=$(field "$work/$measure_name.json" rate | median)
    m_spread=$(field "$work/$measure_name.json" rate | spread)
    m_p50=$(field "$work/$measure_name.json" p50 | median)
    m_p99=$(field "$work/$measure_name.json" p99 | median)
    m_p999=$(field "$work/$measure_name.json" p999 | median)
    m_cpu=$(cpu_of "$work/$measure_name.json")
}
# Medians of the CPU per answer by process: "rushd 11 postgres 0 redis 0 load 10".
cpu_of() {
    for process in rushd postgres redis load; do echo "$process $(field "$1" "$process" | median)"; done |
        awk '{ printf "%s%s %.0f", (NR > 1 ? " " : ""), $1, $2 }'
}
report() { row "$measure_name" "$1" "$m_rate" "$m_spread" "$m_p50" "$m_p99" "$2" "$3" "$4"; }

case_http() { yard_nginx; node_start http; measure http; report req/s "nginx return 200" "$nginx_rate" 1.0; node_stop; }
case_http_pipelined() {
    node_start http
    measure http-unpipelined
    own=$m_rate
    measure http-pipelined --pipeline 16
    report req/s "unpipelined" "$own" 5
    node_stop
}
case_orders_hot() {
    yard_pgbench
    node_start orders
    measure orders-hot --case orders --users 1:100000
    report orders/s "pgbench TPC-B-like" "$pgbench_rate" 2.5
    node_stop
    invariants orders-hot
}
case_orders_spread() {
    yard_pgbench
    node_start orders
    measure orders-spread --case orders --users 1:100000 --products 1000
    report orders/s "pgbench TPC-B-like" "$pgbench_rate" 2
    node_stop
    invariants orders-spread
}
# Users ask for a coupon they do not have yet: each repetition takes another one.
case_coupon() { # case_coupon NAME DURABILITY FIRST-COUPON YARDSTICK VALUE TARGET
    node_start "$1" "coupon.accept.durability=$2" coupon.queue.interval=1h
    wait_until 120 redis_is_ranked # after FLUSHDB the node reads all orders of three days again: not what is measured
    long=$seconds seconds=2 # so that the users last
    for round in $(seq "$repeat"); do
        measure_times=1 measure "$1" --case coupon --coupon $(($3 + round - 1)) --users 1:100000 --warmup 0
    done
    unset measure_times
    seconds=$long
    report requests/s "$4" "$5" "$6"
    node_stop
    redis-cli -s "$REDIS_SOCKET" FLUSHDB >/dev/null
    pg_sql -d "$(pg_url bench)" -c 'TRUNCATE coupon_requests'
}
case_coupon_redis() { yard_redis; case_coupon coupon-redis redis 1 "EVALSHA of the accept script" "$redis_rate" 0.7; }
case_coupon_database() { yard_rows accepted; case_coupon coupon-database database 4 "unnest INSERT of its row" "$yard_rate" 0.2; }
# All are given out. Users ask again and again; the first time each of them is looked for among the holders, in Redis.
case_refuse() {
    node_start refuse
    measure http-floor
    own=$m_rate
    measure refuse --case coupon --coupon 9 --users 1:20000
    report requests/s "own HTTP floor" "$own" 0.8
    node_stop
}
case_refuse_first() {
    node_start refuse-first
    measure http-floor
    own=$m_rate
    long=$seconds seconds=2 # so that the users last
    for round in $(seq "$repeat"); do
        measure_times=1 measure refuse-first --case coupon --coupon $((10 + round)) --users 1:100000 --warmup 0
    done
    unset measure_times
    seconds=$long
    report requests/s "own HTTP floor" "$own" -
    node_stop
}
case_status() {
    node_start status
    measure http-floor
    own=$m_rate
    curl -s -o /dev/null -X POST "http://127.0.0.1:$port/api/coupons/7/issue?userId=1"
    measure status --case status --coupon 7 --users 1:1
    report requests/s "own HTTP floor" "$own" 0.5
    node_stop
}
# Members of a coupon wait when the drain begins; the rate is from the first decision to the last.
issue_round() { # issue_round COUPON
    node_start fill coupon.accept.durability=redis coupon.queue.interval=1h
    "$build/tests/bench/bench_load" --port "$port" --connections "$connections" --case coupon --coupon "$1" --users 1:100000 --warmup 0 \
        --seconds 4 >/dev/null
    node_stop
    redis-cli -s "$REDIS_SOCKET" DEL "coupon:drain:$1" >/dev/null
    waiting=$(redis-cli -s "$REDIS_SOCKET" ZCARD "coupon:queue:$1")
    pg_before=$(cpu_tree_us "$pg_pid") redis_before=$(cpu_us "$redis_pid")
    node_start issue coupon.queue.window=20000
    wait_until 120 issue_done "$1" "$waiting" || say "issue: not all were decided in time"
    pg_sql -d "$(pg_url bench)" -c "SELECT round(count(*) / GREATEST(extract(epoch FROM max(decided_at) - min(decided_at)), 0.001)) FROM coupon_requests WHERE coupon_id = $1" >>"$work/issue"
    issue_cpu >>"$work/issue-cpu"
    node_stop
}
case_issue() {
    yard_rows decided
    say issue
    for round in $(seq "$repeat"); do issue_round $((20 + round)); done
    measure_name=issue m_rate=$(median <"$work/issue") m_spread=$(spread <"$work/issue") m_p50=- m_p99=- m_p999=- m_cpu=$(cpu_median issue)
    report decisions/s "unnest INSERT of its rows" "$yard_rate" 0.2
    invariants issue
}
# The line in the middle by rushd's CPU.
cpu_median() { sort -n -k 2 "$work/$1-cpu" | awk '{ v[NR] = $0 } END { print v[int((NR + 1) / 2)] }'; }
# CPU of each of $waiting operations since the readings before. Of a decision: the node's start is in it.
issue_cpu() { issue_cpu_since 0; }
issue_cpu_since() { # RUSHD-BEFORE
    awk -v n="$waiting" -v rushd=$(($(cpu_us "$node_pid") - $1)) -v pg=$(($(cpu_tree_us "$pg_pid") - pg_before)) \
        -v redis=$(($(cpu_us "$redis_pid") - redis_before)) \
        'BEGIN { if (n > 0) printf "rushd %.0f postgres %.0f redis %.0f\n", rushd / n, pg / n, redis / n; else print "-" }'
}
issue_done() {
    sleep 0.5 # counting is work for the server that is measured
    [ "$(pg_sql -d "$(pg_url bench)" -c "SELECT count(*) FROM coupon_requests WHERE coupon_id = $1 AND outcome IS NOT NULL")" -ge "$2" ]
}

yard_zincrby() {
    [ -n "${zincrby_rate:-}" ] && return
    for i in $(seq "$repeat"); do
        redis-benchmark -s "$REDIS_SOCKET" --dbnum 1 -c 8 -P 64 -n 2000000 -r 1000 -q ZINCRBY z 1 product:__rand_int__ 2>/dev/null |
            tr '\r' '\n' | sed -n 's/.*: \([0-9.]*\) requests per second.*/\1/p' | tail -n 1
        redis-cli -s "$REDIS_SOCKET" -n 1 FLUSHDB >/dev/null
    done >"$work/zincrby"
    zincrby_rate=$(median <"$work/zincrby")
}
# How far the partitions are counted, together.
ranking_at() {
    for p in 0 1 2; do redis-cli -s "$REDIS_SOCKET" GET "product:ranking:offset:product-ranking-topic:$p"; done |
        awk '{ t += $1 } END { print t + 0 }'
}
ranking_is_at() { [ "$(ranking_at)" -ge "$1" ]; }
ranking_sold() {
    redis-cli -s "$REDIS_SOCKET" ZRANGE "product:ranking:daily:${sold_at%T*}" 0 -1 WITHSCORES |
        awk 'NR % 2 == 0 { t += $1 } END { print t + 0 }'
}
# Sales wait in the topic when the consumer joins its group; the rate is from the first that is counted to the last. No more of
# them than the embedded cluster keeps.
case_ranking() {
    yard_zincrby
    say ranking
    sales=90000
    for i in $(seq "$repeat"); do
        redis-cli -s "$REDIS_SOCKET" FLUSHDB >/dev/null
        node_start ranking logging.level.root=info
        bootstrap=${RUSHD_TEST_KAFKA:-$(sed -n 's/.*msg="embedded cluster started" address=\(.*\)/\1/p' "$work/ranking.log")}
        wait_until 120 redis_is_ranked # orders of other cases are counted again first
        sold_at=$(TZ=Asia/Seoul date +%FT%T) # one day for all sales, also when it ends meanwhile
        sold_before=$(ranking_sold)
        "$build/tests/bench/kafka_feed" "$bootstrap" product-ranking-topic $sales 1000 $((1000000000 + i * sales)) "$sold_at" || exit 1
        rushd_before=$(cpu_us "$node_pid") pg_before=$(cpu_tree_us "$pg_pid") redis_before=$(cpu_us "$redis_pid")
        wait_until 60 ranking_is_at 1 || { say "ranking: nothing is counted"; exit 1; }
        early=$(($(ranking_sold) - sold_before)) from=$(now_us)
        wait_until 120 ranking_has_sold || { say "ranking: $(ranking_sold) of $((sold_before + sales)) are counted"; exit 1; }
        awk -v n=$((sales - early)) -v us=$(($(now_us) - from)) 'BEGIN { printf "%.0f\n", n * 1e6 / us }' >>"$work/ranking"
        waiting=$sales
        issue_cpu_since "$rushd_before" >>"$work/ranking-cpu"
        node_stop
    done
    measure_name=ranking m_rate=$(median <"$work/ranking") m_spread=$(spread <"$work/ranking") m_p50=- m_p99=- m_p999=-
    m_cpu=$(cpu_median ranking)
    report sales/s "pipelined ZINCRBY" "$zincrby_rate" 0.3
}
ranking_has_sold() { [ "$(ranking_sold)" = $((sold_before + sales)) ]; }
# The curves of another script, with services of its own.
case_scale() {
    # shellcheck disable=SC2086
    sh "$src/tests/bench/scale.sh" "$src" "$build" ${BENCH_SCALE:-} || exit 1
    scale_page=$build/scale.html
    sed 's/{"case"/\
&/g' "$build/scale.json" | sed -n 's/^{"case":"\([^"]*\)","unit":"[^"]*","growth":\([0-9.]*\),"verdict":"\([^"]*\)".*/\1 \2 \3/p' >"$work/scale"
    while read -r name growth verdict; do
        case $verdict in WORSE) met=missed ;; -) met=- ;; *) met=met ;; esac
        echo "growth of $name|times|$growth|-|-|-|$verdict|-|-|-|$met|-|-" >>"$rows"
    done <"$work/scale"
}

# Ten times the connections ask for twice what the node did at its peak. The line is short, so that who is refused is seen; a
# connection asks again when it is answered.
case_overload() {
    node_start overload datasource.max-waiting=300
    measure overload-peak --case orders --users 1:100000
    own=$m_rate few=$connections
    connections=$((10 * few))
    measure overload --case orders --users 1:100000 --rate "$(div "$own" 0.5)" --pending 1
    connections=$few
    report orders/s "own peak" "$own" 0.9
    refused_p99=$(field "$work/overload.json" refusedP99 | median)
    echo "overload refused|503/s|$(div "$(field "$work/overload.json" refused | median)" "$seconds")|-|-|$refused_p99|100 ms at p99|-|-|-|$(
        awk -v p="$refused_p99" 'BEGIN { print (p <= 100 ? "met" : "missed") }')" >>"$rows"
    node_stop
    invariants overload
}
# From a request to its result, asked for every 10 ms, while nobody else is in line. The first one waits for the consumers to join.
case_first_result() {
    node_start first-result
    for i in $(seq 0 $((repeat * 3))); do
        from=$(date +%s%N)
        curl -s -o /dev/null -X POST "http://127.0.0.1:$port/api/coupons/10/issue?userId=$((i + 1))"
        wait_until 20 result_there $((i + 1))
        [ "$i" = 0 ] || awk -v a="$from" -v b="$(date +%s%N)" 'BEGIN { printf "%.0f\n", (b - a) / 1e6 }'
    done >"$work/first-result"
    bound "first result" ms "$(sort -n "$work/first-result" | tail -n 1)" "1200 ms, the slowest of $((repeat * 3))" 1200
    node_stop
}
result_there() {
    sleep 0.01
    curl -s "http://127.0.0.1:$port/api/coupons/10/issue/status?userId=$1" | grep -q '"status":"SUCCESS"'
}
# How long an order takes at a share of the node's peak: requests come at a fixed rate, whatever is unanswered.
case_curve() {
    node_start curve
    measure curve-peak --case orders --users 1:100000
    peak=$m_rate
    for share in 10 25 50 70 85 100; do
        measure_times=1 measure "curve-$share" --case orders --users 1:100000 --rate "$(div "$peak" "$(div 100 "$share")")"
        echo "$share $m_rate $m_p50 $m_p99 $m_p999" >>"$work/curve"
        [ $share != 70 ] || bound "orders at 70 % load" "ms p99" "$m_p99" "20 ms" 20
    done
    unset measure_times
    node_stop
    invariants curve
}
rss_kib() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
# What librdkafka takes by itself is not rushd's: a program that opens the same handles is measured beside it.
case_memory() {
    node_start memory
    mkfifo "$work/stub"
    "$build/tests/bench/kafka_stub" <"$work/stub" &
    stub_pid=$!
    exec 9>"$work/stub"
    sleep 5 # consumers have joined
    kib=$(rss_kib "$node_pid") stub_kib=$(rss_kib "$stub_pid")
    exec 9>&-
    wait "$stub_pid"
    bound "memory idle" "MiB RSS" "$(div $((kib - stub_kib)) 1024)" "16 MiB beyond librdkafka ($(div "$kib" 1024) less $(div "$stub_kib" 1024))" 16
    node_stop
}
# Connections that have asked once and stay.
case_connections() {
    ulimit -n "$(ulimit -Hn)"
    n=$(($(ulimit -n) / 2 - 500))
    [ "$n" -le 9000 ] || n=9000
    node_start connections
    before=$(rss_kib "$node_pid")
    "$build/tests/bench/bench_load" --port "$port" --connections "$n" --once 1 --warmup 0 --seconds 6 >/dev/null &
    idle_pid=$!
    sleep 4
    bound "$n idle connections" "KiB each" "$(div $(($(rss_kib "$node_pid") - before)) "$n")" "2 KiB" 2
    wait "$idle_pid"
    node_stop
}
case_start() {
    for i in $(seq "$repeat"); do
        node_start start logging.level.root=info
        sed -n 's/.*rushd is ready after \([0-9.]*\) s.*/\1/p' "$work/start.log"
        node_stop
    done | awk '{ print $1 * 1000 }' >"$work/start"
    bound "start to ready" ms "$(median <"$work/start")" "100 ms" 100
}

for c in $cases; do
    case $c in
        http) case_http ;;
        http-pipelined) case_http_pipelined ;;
        orders-hot) case_orders_hot ;;
        orders-spread) case_orders_spread ;;
        coupon-redis) case_coupon_redis ;;
        coupon-database) case_coupon_database ;;
        refuse) case_refuse ;;
        refuse-first) case_refuse_first ;;
        issue) case_issue ;;
        first-result) case_first_result ;;
        ranking) case_ranking ;;
        scale) case_scale ;;
        status) case_status ;;
        curve) case_curve ;;
        overload) case_overload ;;
        memory) case_memory ;;
        connections) case_connections ;;
        start) case_start ;;
        *) say "unknown case: $c"; exit 64 ;;
    esac
done

# -------------------------------------------------------------------------------------------------- report

[ ! -s "$work/turns" ] || bound "turn of the loop" "s p99" "$(sort -n "$work/turns" | tail -n 1)" "0.005 s, busy time, the worst of all nodes" 0.005
machine="$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load on the same cores"
printf '\n%s\n' "$machine"
{
    echo "case|unit|median|spread %|p50 ms|p99 ms|yardstick|its rate|ratio|target|-|p99.9 ms|CPU us per answer"
    cat "$rows"
} | awk -F'|' '{ printf "%-19s %-12s %9s %8s %8s %8s %8s  %-30s %9s %6s %6s %-7s %s\n", $1, $2, $3, $4, $5, $6, $12, $7, $8, $9, $10, $11, $13 }'
awk -F'|' -v machine="$machine" 'BEGIN { printf "{\"machine\":\"%s\",\"cases\":[", machine }
    { printf "%s{\"case\":\"%s\",\"unit\":\"%s\",\"median\":\"%s\",\"spreadPercent\":\"%s\",\"p50\":\"%s\",\"p99\":\"%s\",\"p999\":\"%s\",\"cpuUs\":\"%s\",\"yardstick\":\"%s\",\"yardstickRate\":\"%s\",\"ratio\":\"%s\",\"target\":\"%s\",\"verdict\":\"%s\"}", (NR > 1 ? "," : ""), $1, $2, $3, $4, $5, $6, $12, $13, $7, $8, $9, $10, $11 }
    END { print "]}" }' "$rows" >"$build/bench.json"
# Beside the rows: "curve SHARE RATE P50 P99 P999" and, of the last repetition of each case, "latency CASE MS COUNT".
{
    [ ! -f "$work/curve" ] || sed 's/^/curve|/; s/ /|/g' "$work/curve"
    for f in "$work"/*.json; do
        [ -f "$f" ] || continue
        tail -n 1 "$f" | sed -n 's/.*"histogram":\[\[\(.*\)\]\]}$/\1/p' | sed 's/\],\[/\
/g' | sed "s/,/|/; s/^/latency|$(basename "$f" .json)|/"
    done
} >"$work/plots"
awk -F'|' -v machine="$machine" -v scale="${scale_page:-}" -f "$src/tests/bench/report.awk" "$work/plots" "$rows" >"$build/bench.html"
say "written: $build/bench.json, $build/bench.html"
