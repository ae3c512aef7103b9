#!/bin/sh
# `make bench`: measures rushd on services of its own (durable settings) beside a yardstick for each case, in the same run.
#
#   tests/bench/run.sh SRCDIR BUILDDIR [CASE...]      CASE: http http-pipelined orders-hot orders-spread orders-p99
#                                                     coupon-redis coupon-database refuse refuse-first issue first-result
#                                                     ranking status curve overload memory connections start; default: these
#       CASE scale: what an operation costs as the data grows (scale.sh, half an hour and 15 GB; BENCH_SCALE="--quick" and its
#       other arguments); its curves join the report
#
# BENCH_SECONDS (10) per repetition, BENCH_REPEAT (3) repetitions, BENCH_CONNECTIONS (64). The load runs on the same cores as
# the services and rushd. Kafka is the cluster in rushd's process unless RUSHD_TEST_KAFKA names brokers. What the machine lacks is
# installed on Debian as tests/run does.
#
# Each repetition of a case stands directly behind one of its yardstick, of about the same length: a machine that others use is not
# the same a minute later. The ratio is the median of the ratios of these pairs, and both have their spread, from the lowest to the
# highest in per cent of the median. A ratio that changed by less than its spread has not changed.
#
# PostgreSQL is what production has: fsync and synchronous_commit on; beyond the defaults shared_buffers = 1GB, max_wal_size = 4GB,
# min_wal_size = 1GB with the segments made beforehand, and a CHECKPOINT and VACUUM before each case. The same server measures pgbench, the
# bare INSERTs and rushd.
#
# CPU is user and system time in microseconds per answer: the load generator's, the services', and rushd's without the broker that runs
# inside it (thread rdk:mock), which is a column of its own. Steal is the share of the cores that the host gave to others during the
# case; above 2 per cent it is worth a warning. Prints one table and writes it as bench.json and bench.html into BUILDDIR. A case
# that fails is a row of the table; the others go on, and the exit status is 1.
set -u
src=$(cd "$1" && pwd) build=$(cd "$2" && pwd)
shift 2
cases=${*:-http http-pipelined orders-hot orders-spread orders-p99 coupon-redis coupon-database refuse refuse-first issue first-result ranking status curve overload memory connections start}
seconds=${BENCH_SECONDS:-10} repeat=${BENCH_REPEAT:-3} connections=${BENCH_CONNECTIONS:-64}
STEAL_WARNING=2
PATH=$PATH:/usr/sbin # where nginx is
. "$src/tests/support/packages.sh"
. "$src/tests/support/services.sh"
. "$src/tests/bench/cpu.sh"
. "$src/tests/bench/yardsticks.sh"
. "$src/tests/bench/cases.sh"

for c in $cases; do
    command -v "case_$(echo "$c" | tr - _)" >/dev/null || {
        echo "unknown case: $c" >&2
        exit 64
    }
done
packages_need server bench
services_open || exit 1
work=$SERVICES_DIR/bench
mkdir "$work"
rows=$work/rows
: >"$rows"

say() { printf '%s\n' "$*" >&2; }
# End the case: it is reported as failed.
fail() {
    say "$*"
    exit 1
}
field() { sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" "$1"; }
# Median of the numbers on standard input, and how far they lie apart in per cent of it.
median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'; }
spread() { sort -n | awk '{ v[NR] = $1 } END { m = v[int((NR + 1) / 2)]; if (NR && m > 0) printf "%.0f", 100 * (v[NR] - v[1]) / m; else print 0 }'; }
div() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else print 0 }'; }

# A row has these fields: case unit value spread% p50 p99 yardstick yardstick-value ratio target verdict p99.9 cpu ratio-spread%, and
# in the end, when its case is over, steal%.

# report NAME UNIT YARDSTICK TARGET: the row of a case from what measure() left: m_..., and its pairs in $work/NAME.pairs.
report() {
    ratio=$(awk '{ printf "%.4f\n", $1 / $2 }' "$work/$1.pairs" | median | awk '{ printf "%.2f", $1 }')
    apart=$(awk '{ printf "%.4f\n", $1 / $2 }' "$work/$1.pairs" | spread)
    yard=$(awk '{ printf "%.0f\n", $2 }' "$work/$1.pairs" | median)
    verdict=$(awk -v r="$ratio" -v t="$4" 'BEGIN { print (t == "-" ? "-" : (r >= t ? "met" : "missed")) }')
    echo "$1|$2|$m_rate|$m_spread|$m_p50|$m_p99|$3|$yard|$ratio|$4|$verdict|$m_p999|$m_cpu|$apart" >>"$case_rows"
    say "$1: $m_rate $2, ratio $ratio of $3 ($yard), target $4: $verdict; CPU us: $m_cpu"
}
# bound CASE UNIT VALUE WHAT LIMIT: a row that is good when the value is not above the limit.
bound() {
    verdict=$(awk -v v="$3" -v l="$5" 'BEGIN { print (v <= l ? "met" : "missed") }')
    echo "$1|$2|$3|-|-|-|$4|-|-|-|$verdict|-|-|-" >>"$case_rows"
    say "$1: $3 $2, $4: $verdict"
}

# ------------------------------------------------------------------------------------------------ the node

# The p-th fraction of the turns of a node's loop took at most so many seconds, as its histogram tells.
turn_p() {
    curl -s "http://127.0.0.1:$port/actuator/prometheus" | sed -n 's/^rushd_loop_turn_seconds_bucket{le="\([^"]*\)"} /\1 /p' |
        awk -v p="$1" '{ le[NR] = $1; n[NR] = $2 } END { for (i = 1; i <= NR; i++) if (n[i] >= p * n[NR]) { print le[i]; exit } }'
}
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
    rm -f "$SERVICES_DIR/node.log"
    # It ends with the shell of its case, however that ends.
    # shellcheck disable=SC2086
    service_spawn node TERM "$build/src/app/rushd" -c "$work/rushd.conf" $set_args
    node_pid=$service_pid
    watched="--cpu rushd:$node_pid --cpu broker:$node_pid/rdk:mock --cpu postgres:$pg_pid --cpu redis:$redis_pid"
    wait_until 20 node_ready || {
        cat "$SERVICES_DIR/node.log" >&2
        fail "$node_name: the node did not become ready"
    }
}
node_ready() { curl -sf -o /dev/null "http://127.0.0.1:$port/actuator/health/readiness"; }
node_stop() {
    [ "$node_name" = start ] || turn_p 0.99 >>"$work/turns"
    process_stop "$SERVICES_DIR/pids/node" TERM 30
}
redis_is_ranked() { [ "$(redis-cli -s "$REDIS_SOCKET" EXISTS rushd:ranked)" = 1 ]; }

# -------------------------------------------------------------------------------------------------- set-up

say "starting PostgreSQL (durable) and Redis (AOF every second)"
port=$(port_find)
pg_start durable "$(port_find)" && redis_start durable "$(port_find)" || exit 1
for setting in "shared_buffers = '1GB'" "max_wal_size = '4GB'" "min_wal_size = '1GB'"; do
    pg_sql -d "$(pg_url postgres)" -c "ALTER SYSTEM SET $setting" || exit 1
done
pg_stop && pg_run || exit 1
pg_pid=$(cpu_service_pid pg) redis_pid=$(cpu_service_pid redis)
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
# As in a server that has run for a while: WAL segments are there to be used again. A new one is 16 MB of zeros inside a COMMIT.
pg_sql -d "$(pg_url postgres)" -c "DO \$\$ BEGIN FOR i IN 1 .. 60 LOOP
    PERFORM pg_logical_emit_message(false, 'bench', ''), pg_switch_wal(); END LOOP; END \$\$" -c CHECKPOINT
yard_prepare || exit 1

# ------------------------------------------------------------------------------------------------- running

failed=0
for c in $cases; do
    case_run=case_$(echo "$c" | tr - _)
    case_rows=$work/rows.case
    : >"$case_rows"
    pg_sql -d "$(pg_url bench)" -c 'VACUUM ANALYZE' -c CHECKPOINT
    steal_start
    # In a shell of its own: what it gives up, leaves behind or defines ends with it.
    if ! ("$case_run"); then
        failed=1
        echo "$c|-|-|-|-|-|failed|-|-|-|failed|-|-|-" >"$case_rows"
        say "$c: failed"
    fi
    process_stop "$SERVICES_DIR/pids/node" TERM 30
    steal_stop
    sed "s/\$/|$used_steal/" "$case_rows" >>"$rows"
    awk -v s="$used_steal" -v most="$STEAL_WARNING" 'BEGIN { exit !(s > most) }' &&
        say "warning: during $c the host gave $used_steal % of the cores to others; its figures are lower for that"
done

# -------------------------------------------------------------------------------------------------- report

[ ! -s "$work/turns" ] || {
    case_rows=$work/rows.case
    : >"$case_rows"
    bound "turn of the loop" "s p99" "$(sort -n "$work/turns" | tail -n 1)" "0.005 s, busy time, the worst of all nodes" 0.005
    sed 's/$/|-/' "$case_rows" >>"$rows"
}
machine="$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load on the same cores"
printf '\n%s\n' "$machine"
{
    echo "case|unit|median|spread|p50 ms|p99 ms|yardstick|its rate|ratio|target|-|p99.9 ms|CPU us per answer|spread|steal %"
    cat "$rows"
} | awk -F'|' '{ printf "%-19s %-12s %9s %6s %8s %8s %8s  %-28s %9s %6s %6s %6s %-7s %7s  %s\n", $1, $2, $3, $4, $5, $6, $12, $7, $8, $9, $14, $10, $11, $15, $13 }'
awk -F'|' -v machine="$machine" 'BEGIN { printf "{\"machine\":\"%s\",\"cases\":[", machine }
    { printf "%s{\"case\":\"%s\",\"unit\":\"%s\",\"median\":\"%s\",\"spreadPercent\":\"%s\",\"p50\":\"%s\",\"p99\":\"%s\",\"p999\":\"%s\",\"cpuUs\":\"%s\",\"yardstick\":\"%s\",\"yardstickRate\":\"%s\",\"ratio\":\"%s\",\"ratioSpreadPercent\":\"%s\",\"target\":\"%s\",\"verdict\":\"%s\",\"stealPercent\":\"%s\"}", (NR > 1 ? "," : ""), $1, $2, $3, $4, $5, $6, $12, $13, $7, $8, $9, $14, $10, $11, $15 }
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
scale_page=
[ ! -f "$work/scale-ran" ] || scale_page=$build/scale.html
awk -F'|' -v machine="$machine" -v scale="$scale_page" -f "$src/tests/bench/report.awk" "$work/plots" "$rows" >"$build/bench.html"
say "written: $build/bench.json, $build/bench.html"
exit $failed
