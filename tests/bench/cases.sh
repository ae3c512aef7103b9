# The cases of `make bench`, each in a shell of its own: fail() ends it. Sourced by run.sh.

# load NAME ARGS...: one repetition, its result behind the others in $work/NAME.json.
load() {
    load_out=$work/$1.json
    shift
    # shellcheck disable=SC2086
    "$build/tests/bench/bench_load" --port "$port" --connections "$connections" --seconds "$seconds" $watched "$@" >>"$load_out" ||
        fail "the load did not run"
    tail -n 1 "$load_out" | grep -q '"statuses":{"20[02]":[0-9]*}' || tail -n 1 "$load_out" | sed 's/,"histogram.*/}/' >&2
}
# yardstick YARD: sets yard_rate to that of one repetition; "-": none is wanted.
yardstick() {
    [ "$1" != - ] || return 0
    yard_rate=$("yard_$1")
    awk -v r="${yard_rate:-0}" 'BEGIN { exit !(r > 0) }' || fail "the yardstick $1 gave no rate"
}
# pair NAME RATE: a repetition and the one of its yardstick before it.
pair() {
    echo "$2 ${yard_rate:-}" >>"$work/$1.pairs"
    [ -z "${yard_rate:-}" ] || say "  $2 beside $yard_rate"
}
# measure NAME YARD ARGS...: repetitions of the load in turns with their yardstick; sets m_... for report().
measure() {
    measure_name=$1 measure_yard=$2
    shift 2
    say "$measure_name"
    for i in $(seq "${measure_times:-$repeat}"); do
        yardstick "$measure_yard"
        load "$measure_name" "$@"
        pair "$measure_name" "$(tail -n 1 "$work/$measure_name.json" | field /dev/stdin rate)"
    done
    for m in rate p50 p99 p999; do eval "m_$m=\$(field \"\$work/\$measure_name.json\" $m | median)"; done
    m_spread=$(field "$work/$measure_name.json" rate | spread)
    m_cpu=$(cpu_of "$work/$measure_name.json")
}
# Medians of the CPU per answer by process: "rushd 11 broker 0 postgres 0 redis 0 load 10".
cpu_of() {
    for process in rushd broker postgres redis load; do echo "$process $(field "$1" "$process" | median)"; done |
        awk '{ printf "%s%s %.0f", (NR > 1 ? " " : ""), $1, $2 }'
}
# The same of cases whose load is not bench_load: rates are in the pairs, CPU in $work/NAME.cpu, of which the line in the middle by rushd's.
measured() {
    m_rate=$(awk '{ print $1 }' "$work/$1.pairs" | median) m_spread=$(awk '{ print $1 }' "$work/$1.pairs" | spread)
    m_p50=- m_p99=- m_p999=- m_cpu=$(sort -n -k 2 "$work/$1.cpu" | awk '{ v[NR] = $0 } END { print v[int((NR + 1) / 2)] }')
}
# cpu_begin, cpu_end N: the CPU of each of N operations in between, as such a line.
cpu_begin() {
    rushd_before=$(cpu_us "$node_pid") broker_before=$(cpu_thread_us "$node_pid" rdk:mock)
    pg_before=$(cpu_tree_us "$pg_pid") redis_before=$(cpu_us "$redis_pid")
}
cpu_end() {
    awk -v n="$1" -v rushd=$(($(cpu_us "$node_pid") - rushd_before)) -v broker=$(($(cpu_thread_us "$node_pid" rdk:mock) - broker_before)) \
        -v pg=$(($(cpu_tree_us "$pg_pid") - pg_before)) -v redis=$(($(cpu_us "$redis_pid") - redis_before)) 'BEGIN {
        if (n > 0) printf "rushd %.0f broker %.0f postgres %.0f redis %.0f\n", (rushd - broker) / n, broker / n, pg / n, redis / n; else print "-" }'
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
    [ "$bad" = 0 ] || fail "$1: $bad invariants are broken"
}

# ---------------------------------------------------------------------------------------------------- HTTP

case_http() {
    node_start http
    measure http nginx
    report http req/s "nginx return 200" 1.0
    node_stop
}
case_http_pipelined() {
    node_start http
    measure http-pipelined unpipelined --pipeline 16
    report http-pipelined req/s unpipelined 5
    node_stop
}
case_status() {
    node_start status
    curl -s -o /dev/null -X POST "http://127.0.0.1:$port/api/coupons/7/issue?userId=1"
    measure status floor --case status --coupon 7 --users 1:1
    report status req/s "own HTTP floor" 0.5
    node_stop
}

# -------------------------------------------------------------------------------------------------- orders

case_orders() { # case_orders NAME TARGET ARGS...
    orders_name=$1 orders_target=$2
    shift 2
    node_start orders
    measure "$orders_name" pgbench --case orders --users 1:100000 "$@"
    report "$orders_name" orders/s "pgbench TPC-B-like" "$orders_target"
    node_stop
    invariants "$orders_name"
}
case_orders_hot() { case_orders orders-hot 2.5; }
case_orders_spread() { case_orders orders-spread 2 --products 1000; }
# How long an order takes at a share of the node's peak: requests come at a fixed rate, whatever is unanswered.
case_curve() {
    node_start curve
    measure curve-peak - --case orders --users 1:100000
    peak=$m_rate
    for share in 10 25 50 70 85 100; do
        measure_times=1 measure "curve-$share" - --case orders --users 1:100000 --rate "$(div "$peak" "$(div 100 "$share")")"
        echo "$share $m_rate $m_p50 $m_p99 $m_p999" >>"$work/curve"
    done
    node_stop
    invariants curve
}
# An order at 70 % of the peak just before it. Beside it what the machine makes a bare transaction wait: pgbench at 70 % of its own.
case_orders_p99() {
    node_start orders-p99
    say orders-p99
    for round in $(seq "$repeat"); do
        p99=$(yard_pgbench_p99) || fail "pgbench gave no latencies"
        echo "$p99" >>"$work/pgbench-p99"
        yardstick peak
        load orders-p99 --case orders --users 1:100000 --rate "$(div "$yard_rate" "$(div 100 70)")"
        say "  $(tail -n 1 "$work/orders-p99.json" | field /dev/stdin p99) ms beside $p99 ms of pgbench"
    done
    node_stop
    bound "orders at 70 % load" "ms p99" "$(field "$work/orders-p99.json" p99 | median)" \
        "20 ms; pgbench at 70 % of its own peak: $(median <"$work/pgbench-p99") ms" 20
    invariants orders-p99
}
# Ten times the connections ask for twice what the node did at its peak just before. The line is short, so that who is refused is
# seen; a connection asks again when it is answered.
case_overload() {
    node_start overload datasource.max-waiting=300
    few=$connections
    for round in $(seq "$repeat"); do
        connections=$few
        yardstick peak
        connections=$((10 * few))
        load overload --case orders --users 1:100000 --rate "$(div "$yard_rate" 0.5)" --pending 1
        pair overload "$(tail -n 1 "$work/overload.json" | field /dev/stdin rate)"
    done
    for m in rate p50 p99 p999; do eval "m_$m=\$(field \"\$work/overload.json\" $m | median)"; done
    m_spread=$(field "$work/overload.json" rate | spread) m_cpu=$(cpu_of "$work/overload.json")
    report overload orders/s "own peak" 0.9
    bound "overload refused" "ms p99" "$(field "$work/overload.json" refusedP99 | median)" \
        "100 ms, of $(div "$(field "$work/overload.json" refused | median)" "$seconds") refusals/s" 100
    node_stop
    invariants overload
}

# ------------------------------------------------------------------------------------------------- coupons

# coupon_rounds NAME YARD FIRST-COUPON: users ask for a coupon that they have not asked for, so each repetition takes another one, and
# is short, so that the users last.
coupon_rounds() {
    long=$seconds seconds=2
    for round in $(seq "$repeat"); do
        measure_times=1 measure "$1" "$2" --case coupon --coupon $(($3 + round - 1)) --users 1:100000 --warmup 0
    done
    seconds=$long
}
case_coupon() { # case_coupon NAME DURABILITY FIRST-COUPON YARD YARDSTICK TARGET
    node_start "$1" "coupon.accept.durability=$2" coupon.queue.interval=1h
    wait_until 120 redis_is_ranked # after FLUSHDB the node reads all orders of three days again: not what is measured
    coupon_rounds "$1" "$4" "$3"
    report "$1" requests/s "$5" "$6"
    node_stop
    redis-cli -s "$REDIS_SOCKET" FLUSHDB >/dev/null
    pg_sql -d "$(pg_url bench)" -c 'TRUNCATE coupon_requests'
    invariants "$1"
}
case_coupon_redis() { case_coupon coupon-redis redis 1 accept "EVALSHA of the accept script" 0.7; }
case_coupon_database() { case_coupon coupon-database database 4 accepted "unnest INSERT of its row" 0.2; }
# All are given out. Users ask again and again; the first time each of them is looked for among the holders, in Redis.
case_refuse() {
    node_start refuse
    measure refuse floor --case coupon --coupon 9 --users 1:20000
    report refuse requests/s "own HTTP floor" 0.8
    node_stop
}
case_refuse_first() {
    node_start refuse-first
    coupon_rounds refuse-first floor 11
    report refuse-first requests/s "own HTTP floor" -
    node_stop
}
# Members of a coupon wait when the drain begins; the rate is from the first decision to the last.
issue_round() { # issue_round COUPON
    node_start fill coupon.accept.durability=redis coupon.queue.interval=1h
    "$build/tests/bench/bench_load" --port "$port" --connections "$connections" --case coupon --coupon "$1" --users 1:100000 --warmup 0 \
        --seconds 4 >/dev/null || fail "issue: the line was not filled"
    node_stop
    redis-cli -s "$REDIS_SOCKET" DEL "coupon:drain:$1" >/dev/null
    waiting=$(redis-cli -s "$REDIS_SOCKET" ZCARD "coupon:queue:$1")
    yardstick decided
    pg_before=$(cpu_tree_us "$pg_pid") redis_before=$(cpu_us "$redis_pid") rushd_before=0 broker_before=0 # the node's start is in it
    node_start issue coupon.queue.window=20000
    wait_until 120 issue_done "$1" "$waiting" || fail "issue: not all were decided in time"
    pair issue "$(pg_sql -d "$(pg_url bench)" -c "SELECT round(count(*) / GREATEST(extract(epoch FROM max(decided_at) - min(decided_at)), 0.001)) FROM coupon_requests WHERE coupon_id = $1")"
    cpu_end "$waiting" >>"$work/issue.cpu"
    node_stop
}
issue_done() {
    sleep 0.5 # counting is work for the server that is measured
    [ "$(pg_sql -d "$(pg_url bench)" -c "SELECT count(*) FROM coupon_requests WHERE coupon_id = $1 AND outcome IS NOT NULL")" -ge "$2" ]
}
case_issue() {
    say issue
    for round in $(seq "$repeat"); do issue_round $((20 + round)); done
    measured issue
    report issue decisions/s "unnest INSERT of its rows" 0.2
    invariants issue
}
# From a request to its result, asked for every 10 ms, while nobody else is in line. The first one waits for the consumers to join.
case_first_result() {
    node_start first-result
    for i in $(seq 0 $((repeat * 3))); do
        from=$(now_us)
        curl -s -o /dev/null -X POST "http://127.0.0.1:$port/api/coupons/10/issue?userId=$((i + 1))"
        wait_until 20 result_there $((i + 1)) || fail "first-result: no result within 20 s"
        [ "$i" = 0 ] || echo $((($(now_us) - from) / 1000)) >>"$work/first-result"
    done
    bound "first result" ms "$(sort -n "$work/first-result" | tail -n 1)" "1200 ms, the slowest of $((repeat * 3))" 1200
    node_stop
}
result_there() {
    sleep 0.01
    curl -s "http://127.0.0.1:$port/api/coupons/10/issue/status?userId=$1" | grep -q '"status":"SUCCESS"'
}

# ------------------------------------------------------------------------------------------------- ranking

# Where the partitions of the ranking's topic are counted to.
RANKING_OFFSETS="product:ranking:offset:product-ranking-topic:0 product:ranking:offset:product-ranking-topic:1 product:ranking:offset:product-ranking-topic:2"
ranking_has_begun() {
    # shellcheck disable=SC2086
    redis-cli -s "$REDIS_SOCKET" MGET $RANKING_OFFSETS | grep -q '[1-9]'
}
ranking_sold() {
    redis-cli -s "$REDIS_SOCKET" ZRANGE "product:ranking:daily:${sold_at%T*}" 0 -1 WITHSCORES |
        awk 'NR % 2 == 0 { t += $1 } END { print t + 0 }'
}
ranking_has_sold() { [ "$(ranking_sold)" = $((sold_before + sales)) ]; }
outbox_is_empty() { [ "$(pg_sql -d "$(pg_url bench)" -c 'SELECT count(*) FROM outbox')" = 0 ]; }
# Sales wait in the topic when the consumer joins its group; the rate is from the first that is counted to the last. No more of
# them than the embedded cluster keeps. PostgreSQL knows none of them.
ranking_round() { # ranking_round FIRST-ITEM
    yardstick zincrby
    # shellcheck disable=SC2086
    redis-cli -s "$REDIS_SOCKET" DEL $RANKING_OFFSETS >/dev/null # of a cluster that is gone
    node_start ranking logging.level.root=info
    bootstrap=${RUSHD_TEST_KAFKA:-$(sed -n 's/.*msg="embedded cluster started" address=\(.*\)/\1/p' "$SERVICES_DIR/node.log")}
    wait_until 120 redis_is_ranked || fail "ranking: orders of other cases are not counted"
    wait_until 120 outbox_is_empty || fail "ranking: orders of other cases are not published"
    sold_at=$(TZ=Asia/Seoul date +%FT%T) # one day for all sales, also when it ends meanwhile
    sold_before=$(ranking_sold)
    "$build/tests/bench/kafka_feed" "$bootstrap" product-ranking-topic $sales 1000 "$1" "$sold_at" || fail "ranking: the sales are not in the topic"
    cpu_begin
    wait_until 60 ranking_has_begun || fail "ranking: nothing is counted"
    early=$(($(ranking_sold) - sold_before)) from=$(now_us)
    wait_until 120 ranking_has_sold || fail "ranking: $(($(ranking_sold) - sold_before)) of $sales are counted"
    pair ranking "$(awk -v n=$((sales - early)) -v us=$(($(now_us) - from)) 'BEGIN { printf "%.0f\n", n * 1e6 / us }')"
    cpu_end $sales >>"$work/ranking.cpu"
    node_stop
}
case_ranking() {
    say ranking
    long=$seconds seconds=2 sales=90000
    for round in $(seq "$repeat"); do ranking_round $((1000000000 + round * sales)); done
    seconds=$long
    measured ranking
    report ranking sales/s "pipelined ZINCRBY" 0.3
}

# ----------------------------------------------------------------------------------------- start and memory

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
        sed -n 's/.*rushd is ready after \([0-9.]*\) s.*/\1/p' "$SERVICES_DIR/node.log" | awk '{ print $1 * 1000 }' >>"$work/start"
        node_stop
    done
    bound "start to ready" ms "$(median <"$work/start")" "100 ms" 100
}

# The curves of another script, with services of its own.
case_scale() {
    # shellcheck disable=SC2086
    sh "$src/tests/bench/scale.sh" "$src" "$build" ${BENCH_SCALE:-} || fail "scale: its script failed"
    : >"$work/scale-ran"
    sed 's/{"case"/\
&/g' "$build/scale.json" | sed -n 's/^{"case":"\([^"]*\)","unit":"[^"]*","growth":\([0-9.]*\),"verdict":"\([^"]*\)".*/\1 \2 \3/p' >"$work/scale"
    while read -r name growth verdict; do
        case $verdict in WORSE) met=missed ;; -) met=- ;; *) met=met ;; esac
        echo "growth of $name|times|$growth|-|-|-|$verdict|-|-|-|$met|-|-|-" >>"$case_rows"
    done <"$work/scale"
}
