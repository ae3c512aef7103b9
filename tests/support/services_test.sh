#!/bin/sh
# The services of the tests themselves: each test gets what tests/support/runner.sh promises, a service can be stopped and
# started under a test, and a run that was killed leaves no process and, after the next one, no file.
set -u
. "$RUSHD_TEST_SRCDIR/tests/support/packages.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/services.sh"
PG_BIN=$(packages_postgres_dir)

number=0
# verdict STATUS NAME
verdict() {
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}
check() {
    check_name=$1
    shift
    "$@"
    verdict $? "$check_name"
}
sql() { pg_sql -d "$RUSHD_TEST_PG_URL" -c "$1"; }
redis() { redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" "$@"; }
is() { [ "$1" = "$2" ] || { echo "# $1 is not $2"; return 1; }; }

check "the database is empty" is "$(sql 'SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $$public$$)')" 0
check "its encoding is UTF-8" is "$(sql 'SHOW server_encoding')" UTF8
check "it answers on TCP too" pg_sql -h 127.0.0.1 -p "$RUSHD_TEST_PG_PORT" -d postgres -c 'SELECT'
check "Redis is empty" is "$(redis dbsize)" 0
check "and answers on TCP too" is "$(redis-cli -p "$RUSHD_TEST_REDIS_PORT" ping)" PONG

sql 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)'
$RUSHD_TEST_SERVICE pg kill
check "a killed PostgreSQL is gone" process_is_gone "${RUSHD_TEST_PG_DIR%/pg}/pids/pg"
$RUSHD_TEST_SERVICE pg start
check "and comes back with its data" is "$(sql 'SELECT n FROM kept')" 7
$RUSHD_TEST_SERVICE redis restart
check "Redis restarts" is "$(redis ping)" PONG
$RUSHD_TEST_SERVICE redis pause
timeout 0.3 redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" ping >/dev/null
check "a paused Redis is silent" is $? 124
$RUSHD_TEST_SERVICE redis resume
check "and goes on when resumed" is "$(redis ping)" PONG

# A script that owns services and is killed.
victim() {
    sh -c '. "$1/tests/support/packages.sh"; . "$1/tests/support/services.sh"
        services_open && pg_start && redis_start && echo "$SERVICES_DIR" && read -r line' \
        victim "$RUSHD_TEST_SRCDIR" <"$fifo" >"$fifo.out" 2>&1 &
    victim_pid=$!
    exec 3>"$fifo"
    wait_until 60 test -s "$fifo.out"
    victim_dir=$(cat "$fifo.out")
}
both_gone() { process_is_gone "$victim_dir/pids/pg" && process_is_gone "$victim_dir/pids/redis"; }
# Both as one process each: "pid start-time" read before the directory goes.
gone_pids() { for gone_pid in $victim_services; do [ ! -d "/proc/$gone_pid" ] || return 1; done; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fifo=$work/fifo
mkfifo "$fifo"

victim
kill -KILL "$victim_pid"
check "services die with the script that owns them" wait_until 20 both_gone
check "its directory stays" test -d "$victim_dir"
services_reap 2>/dev/null
check "until the next run removes it" test ! -e "$victim_dir"
check "a living run's directory is not touched" test -d "${RUSHD_TEST_PG_DIR%/pg}"
exec 3>&-

rm -f "$fifo.out"
victim
victim_services=$(cut -d' ' -f1 "$victim_dir/pids/pg" "$victim_dir/pids/redis")
kill -INT "$victim_pid"
exec 3>&-
wait "$victim_pid" 2>/dev/null
check "an ended script leaves no directory" test ! -e "$victim_dir"
check "and no process" gone_pids

port=$(port_find 2)
check "a found port is free" test "$port" -ge 20000
check "a taken one is seen" port_listens "$RUSHD_TEST_REDIS_PORT"
echo "1..$number"
