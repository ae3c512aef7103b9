#!/bin/bash
# Plays random faults on two nodes behind one port and on everything they use, under load, then lets it all come to rest and has the
# checker judge promises G1-G10.
#
#   tests/chaos/soak.sh [SECONDS [SEED]]     also $CHAOS_SECONDS (default 60) and $CHAOS_SEED (default: of the clock, printed)
#
# The same seed plays the same faults in the same order. A run of five minutes or more has outages of up to 90 s as well. Owns its
# services. A node is stopped in the middle of its work by fault points ($RUSHD_FAULT_BUILD, as of fault_test.sh). $CHAOS_FAULTS names other faults than all (names below, without fault_; a name may come twice), $CHAOS_EXCEPTIONS how many
# requests may be decided out of order (any). $CHAOS_KEEP=1 leaves its directory, for a look at the logs. Output is TAP.
set -u
srcdir=${RUSHD_TEST_SRCDIR:?}
. "$srcdir/tests/support/packages.sh"
. "$srcdir/tests/support/services.sh"
. "$srcdir/tests/support/tap.sh"
. "$srcdir/tests/chaos/chaos.sh"

seconds=${1:-${CHAOS_SECONDS:-60}}
seed=${2:-${CHAOS_SEED:-$(($(date +%s) % 32768))}}
RANDOM=$seed
chaos_bin=$RUSHD_TEST_BUILDDIR/tests/chaos
nodes=3 # two that are meant to be there, one that comes and goes

kafka_fetch && services_open || exit 1
chaos_dir=$SERVICES_DIR
if [ -n "${RUSHD_SOAK_PROGRAM:-}" ]; then
    rushd=$RUSHD_SOAK_PROGRAM
else
    chaos_build || exit 1
    rushd=$RUSHD_FAULT_BUILD/src/app/rushd
fi
redis_socket=$SERVICES_DIR/redis/redis.sock
chaos_redis=$redis_socket

say() { printf '# %6.1f %s\n' "$(echo "$(date +%s.%N) $began" | awk '{ print $1 - $2 }')" "$*"; }
chance() { [ $((RANDOM % 100)) -lt "$1" ]; }
# Sleep between $1 and $2 seconds. (In a subshell of its own bash would draw from another seed.)
sleep_between() {
    local tenths=$(($1 * 10 + RANDOM % (($2 - $1) * 10 + 1)))
    sleep "$((tenths / 10)).$((tenths % 10))"
}

# ------------------------------------------------------------------------------------------------------ the cast

# Each node has a clock of its own, which fault_step_clock changes. (A sanitizer wants to be loaded first.)
node_start() {
    service_spawn "node$1" TERM env "LD_PRELOAD=$RUSHD_TEST_BUILDDIR/tests/support/stepped_clock.so" \
        "RUSHD_TEST_CLOCK=$chaos_dir/clock$1" "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0" \
        "RUSHD_FAULT=@$chaos_dir/fault$1" "$rushd" -c "$chaos_dir/node$1.conf" --set "node.id=soak-$1"
}
node_lives() { process_lives "$SERVICES_DIR/pids/node$1"; }
node_kill() { process_stop "$SERVICES_DIR/pids/node$1" KILL 10; }
node_signal() { ! node_lives "$1" || kill "-$2" "$process_pid"; }

service_do() { sh "$srcdir/tests/support/service" "$SERVICES_DIR" "$1" "$2" 2>>"$chaos_dir/service.out"; }

# Each node reaches PostgreSQL and Redis through proxies of its own.
node_prepare() {
    pg_proxy[$1]=$(port_find) redis_proxy[$1]=$(port_find)
    service_spawn "proxy-pg$1" TERM "$chaos_bin/proxy" "${pg_proxy[$1]}" "127.0.0.1:$PG_PORT" "$chaos_dir/mode-pg$1"
    service_spawn "proxy-redis$1" TERM "$chaos_bin/proxy" "${redis_proxy[$1]}" "$redis_socket" "$chaos_dir/mode-redis$1"
    chaos_config "$chaos_dir/node$1.conf" soak "soak." "$port"
    sed -i -e "s#^datasource.url = .*#datasource.url = postgresql://$(id -un)@127.0.0.1:${pg_proxy[$1]}/soak#" \
        -e "s#^redis.socket = .*#redis.host = 127.0.0.1#" "$chaos_dir/node$1.conf"
    chaos_clock "$chaos_dir/clock$1" 0
    printf 'redis.port = %s\nmanagement.server.port = %s\n' "${redis_proxy[$1]}" "${management[$1]}" >>"$chaos_dir/node$1.conf"
}

mode() { echo "$2" >"$chaos_dir/mode-$1.new" && mv "$chaos_dir/mode-$1.new" "$chaos_dir/mode-$1"; }

# ---------------------------------------------------------------------------------------------------- the faults
# Each takes the number of a node it may use, and the longest it may last.

fault_kill_node() { node_kill "$1"; sleep_between 0 2; node_start "$1"; }
fault_stop_node() { process_stop "$SERVICES_DIR/pids/node$1" TERM 20; node_start "$1"; }
fault_pause_node() { node_signal "$1" STOP; sleep "$2"; node_signal "$1" CONT; }
# stop_at NODE POINT...: the node, which works, stops at the next passes of one of the points; it goes on ten seconds later. What
# it works on is not all its own choice: when it does not pass there, the other node is told to as well.
stop_at() {
    local node=$1 i point
    shift $((1 + RANDOM % ($# - 1)))
    point=$1
    for i in "$node" $((3 - node)); do
        echo "$point:$((1 + RANDOM % 5)):stop" >"$chaos_dir/fault$i.new"
        mv "$chaos_dir/fault$i.new" "$chaos_dir/fault$i"
        ! wait_until 5 chaos_stopped "node$i" || break
        rm -f "$chaos_dir/fault$i"
    done
    rm -f "$chaos_dir/fault$i"
    ! chaos_gone "node$i" && chaos_stopped "node$i" || return 0
    say "node $i stopped at $point"
    echo "$point" >>"$chaos_dir/stopped"
    sleep 10
    node_signal "$i" CONT
}
fault_stop_in_batch() { stop_at "$1" order-written commit-sent order-committed order-published; }
fault_stop_in_drain() { stop_at "$1" coupon-taken coupon-produced coupon-reported; }
# Forward or back by an hour while it serves, and back to the right time.
fault_step_clock() {
    if chance 50; then chaos_clock "$chaos_dir/clock$1" 3600; else chaos_clock "$chaos_dir/clock$1" -3600; fi
    sleep "$2"
    chaos_clock "$chaos_dir/clock$1" 0
}
fault_kill_all_nodes() {
    for i in 1 2; do node_kill $i; done
    sleep_between 0 1
    for i in 1 2; do node_start $i; done
}
fault_join() { node_lives 3 || node_start 3; sleep "$2"; process_stop "$SERVICES_DIR/pids/node3" TERM 20; }
fault_kill_pg() { service_do pg kill; sleep_between 0 "$2"; service_do pg start; }
fault_pause_pg() { service_do pg pause; sleep "$2"; service_do pg resume; }
fault_restart_pg() { service_do pg restart; }
fault_terminate() {
    chaos_sql -d "$(chaos_url postgres)" -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'soak'" \
        >/dev/null 2>&1
}
fault_kill_redis() { service_do redis kill; sleep_between 0 "$2"; service_do redis start; }
fault_pause_redis() { service_do redis pause; sleep "$2"; service_do redis resume; }
fault_flush_redis() { redis-cli -s "$redis_socket" flushall >/dev/null 2>&1; }
fault_lose_redis() {
    service_do redis kill
    rm -rf "$SERVICES_DIR/redis/appendonlydir"
    sleep_between 0 2
    service_do redis start
}
fault_flush_scripts() { redis-cli -s "$redis_socket" script flush >/dev/null 2>&1; }
fault_kill_kafka() { service_do kafka kill; sleep_between 0 "$2"; service_do kafka start; }
fault_pause_kafka() { service_do kafka pause; sleep "$2"; service_do kafka resume; }
fault_cut_pg() { mode "pg$1" cut; sleep_between 0 2; mode "pg$1" pass; }
fault_cut_redis() { mode "redis$1" cut; sleep_between 0 2; mode "redis$1" pass; }
fault_hold_pg() { mode "pg$1" hold; sleep "$2"; mode "pg$1" pass; }
fault_hold_redis() { mode "redis$1" hold; sleep "$2"; mode "redis$1" pass; }
fault_slow_pg() { mode "pg$1" "slow 30000"; sleep "$2"; mode "pg$1" pass; }
fault_slow_redis() { mode "redis$1" "delay 300"; sleep "$2"; mode "redis$1" pass; }
fault_platform() {
    set -- "$2" error hang close mixed
    shift $((RANDOM % 4))
    mode platform "$2"
    sleep "$1" 2>/dev/null || sleep 3
    mode platform ok
}
all_faults=${CHAOS_FAULTS:-"kill_node kill_node kill_node stop_node pause_node pause_node kill_all_nodes join join kill_pg pause_pg restart_pg
terminate terminate kill_redis pause_redis flush_redis lose_redis flush_scripts kill_kafka pause_kafka cut_pg cut_redis hold_pg
hold_redis slow_pg slow_redis platform platform step_clock step_clock stop_in_batch stop_in_drain"}

# Draw everything before anything happens, so that the seed alone decides.
declare -a plan
draw_plan() {
    local at=3 list length i other swapped
    # Every fault once in a shuffled order, then again.
    list=()
    while [ "$at" -lt $((seconds - 6)) ]; do
        if [ ${#list[@]} = 0 ]; then
            read -r -d '' -a list <<<"$all_faults"
            for ((i = ${#list[@]} - 1; i > 0; i--)); do
                other=$((RANDOM % (i + 1))) swapped=${list[i]}
                list[i]=${list[other]} list[other]=$swapped
            done
        fi
        length=$((1 + RANDOM % 3))
        ! chance 10 || length=10
        if [ "$seconds" -ge 300 ] && chance 4; then length=$((30 + RANDOM % 61)); fi
        [ $((at + length)) -lt "$seconds" ] || length=2
        plan+=("$at ${list[0]} $((1 + RANDOM % 2)) $length $RANDOM")
        list=("${list[@]:1}")
        at=$((at + 1 + RANDOM % 3))
        # More often than not two at once.
        chance 60 || at=$((at + length))
    done
}

play_fault() {
    RANDOM=$5
    say "$2, node $3, $4 s"
    "fault_$2" "$3" "$4"
}

# ------------------------------------------------------------------------------------------------------- the play

began=$(date +%s.%N)
echo "# seed $seed, $seconds s"
PG_BIN=$(packages_postgres_dir)
kafka_archive
pg_start fast "$(port_find)" && redis_start durable && kafka_start || exit 1
port=$(port_find) chaos_platform_port=$(port_find)
declare -a pg_proxy redis_proxy management
for i in 1 2 3; do management[i]=$(port_find); done
chaos_stock=$((20 * seconds))
chaos_schema soak "$rushd" "$port" || exit 1
service_spawn platform TERM "$chaos_bin/platform" "$chaos_platform_port" "$chaos_dir/documents" "$chaos_dir/mode-platform"
for i in 1 2 3; do node_prepare $i; done
for i in 1 2; do node_start $i; done
service_wait node1 chaos_ready "${management[1]}" && service_wait node2 chaos_ready "${management[2]}" || exit 1
service_wait node1 chaos_consumes "${management[1]}" && service_wait node2 chaos_consumes "${management[2]}" || exit 1

"$chaos_bin/load" --targets "127.0.0.1:$port" --record "$chaos_dir/record" --seconds "$seconds" --settle 120 \
    --rate "${CHAOS_RATE:-150}" --threads 16 --timeout 4000 --coupons 1,2,3,4,5,6,7,8 --seed "$seed" >"$chaos_dir/load.out" 2>&1 &
load_pid=$!
draw_plan
began=$(date +%s.%N)
declare -A count
running=()
for step in "${plan[@]}"; do
    read -r at fault node length draw <<<"$step"
    now=$(echo "$(date +%s.%N) $began" | awk '{ print int(($1 - $2) * 10) }')
    [ $((at * 10 - now)) -le 0 ] || sleep "$(echo $((at * 10 - now)) | awk '{ print $1 / 10 }')"
    count[$fault]=$((${count[$fault]:-0} + 1))
    (
        # Two faults of one service do not overlap: the second waits.
        case $fault in *pg) lock=pg ;; *redis) lock=redis ;; *kafka) lock=kafka ;; *node* | join) lock=node$node ;;
            step_clock) lock=clock$node ;; *) lock=$fault ;; esac
        case $fault in kill_all_nodes | stop_in_*) lock=node1 ;; esac
        [ "$fault" != join ] || lock=node3
        exec 9>"$chaos_dir/lock-$lock"
        flock 9
        if [ "$fault" = kill_all_nodes ] || [ "${fault#stop_in}" != "$fault" ]; then
            exec 8>"$chaos_dir/lock-node2"
            flock 8
        fi
        SERVICES_DETACHED=1
        trap - EXIT HUP INT TERM
        play_fault "$at" "$fault" "$node" "$length" "$draw" 9>&- 8>&-
    ) &
    running+=($!)
done
for pid in "${running[@]}"; do wait "$pid" 2>/dev/null; done # bash forgets children that ended long ago

say "every fault is over"
mode platform ok
for i in 1 2; do
    node_lives $i || node_start $i
    for line in pg redis; do mode "$line$i" pass; done
done
service_do all ensure
wait "$load_pid"
load_status=$?
say "the clients have ended"
sed 's/^[^#]/# &/' "$chaos_dir/load.out"
tap_verdict $load_status "every request was decided in the end"
"$chaos_bin/check" --pg "$(chaos_url soak)" --redis "$redis_socket" --kafka "$KAFKA_BOOTSTRAP" --prefix soak. \
    --record "$chaos_dir/record" --platform "$chaos_dir/documents" --exceptions "${CHAOS_EXCEPTIONS:-any}" --wait 60 >"$chaos_dir/check.out" 2>&1
check_status=$?
sed 's/^[^#]/# &/' "$chaos_dir/check.out"
tap_verdict $check_status "the promises hold after seed $seed, $seconds s"
# The nodes' clocks were an hour wrong now and then; the auditor's is the machine's.
wrong_dates=$(chaos_sql -d "$(chaos_url soak)" -c "SELECT count(*) FROM (SELECT created_at AS at FROM orders
    UNION ALL SELECT created_at FROM user_balance_tx UNION ALL SELECT created_at FROM order_history_events
    UNION ALL SELECT decided_at FROM coupon_requests WHERE decided_at IS NOT NULL) AS dates
    WHERE at NOT BETWEEN to_timestamp(${began%.*}) - interval '15 minutes' AND now() + interval '1 minute'")
[ "$wrong_dates" = 0 ]
tap_verdict $? "no date is wrong (${wrong_dates:-?} are)"
say "stopped in the middle: $(sort "$chaos_dir/stopped" 2>/dev/null | uniq -c | awk '{ printf "%s %s,", $2, $1 }')"
say "faults: $(for fault in "${!count[@]}"; do echo "$fault ${count[$fault]}"; done | sort | tr '\n' ',')"

# A node that fails an assertion or frees twice says so as it dies.
! grep -hE 'rushd: bug at|AddressSanitizer|runtime error|stack smashing' "$SERVICES_DIR"/node*.log | sed 's/^/# /' | head -n 20 | grep .
tap_verdict $? "no node ended by itself"
if [ -n "${CHAOS_KEEP:-}" ]; then
    rm -rf /tmp/chaos-kept && mkdir /tmp/chaos-kept && cp "$chaos_dir"/*.log "$chaos_dir"/*.out "$chaos_dir/record" \
        "$chaos_dir/documents" "$chaos_dir"/node*.conf /tmp/chaos-kept/
    chaos_sql -d "$(chaos_url soak)" -c '\copy coupon_requests to /tmp/chaos-kept/coupon_requests' 2>/dev/null
    [ $check_status = 0 ] || [ "$CHAOS_KEEP" = 1 ] || sleep "$CHAOS_KEEP"
fi
tap_plan
[ $((load_status + check_status)) = 0 ]
