#!/bin/sh
# The services of the tests themselves: each test gets what tests/support/runner.sh promises, a service can be stopped and
# started under a test, and a run that was killed leaves no process and, after the next one, no file.
set -u
. "$RUSHD_TEST_SRCDIR/tests/support/packages.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/services.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/tap.sh"
PG_BIN=$(packages_postgres_dir)

sql() { pg_sql -d "$RUSHD_TEST_PG_URL" -c "$1"; }
redis() { redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" "$@"; }

tap_check "the database is empty" tap_is "$(sql 'SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $$public$$)')" 0
tap_check "its encoding is UTF-8" tap_is "$(sql 'SHOW server_encoding')" UTF8
tap_check "it answers on TCP too" pg_sql -h 127.0.0.1 -p "$RUSHD_TEST_PG_PORT" -d postgres -c 'SELECT'
tap_check "Redis is empty" tap_is "$(redis dbsize)" 0
tap_check "and answers on TCP too" tap_is "$(redis-cli -p "$RUSHD_TEST_REDIS_PORT" ping)" PONG

sql 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)'
$RUSHD_TEST_SERVICE pg kill
tap_check "a killed PostgreSQL is gone" process_is_gone "${RUSHD_TEST_PG_DIR%/pg}/pids/pg"
$RUSHD_TEST_SERVICE pg start
tap_check "and comes back with its data" tap_is "$(sql 'SELECT n FROM kept')" 7
$RUSHD_TEST_SERVICE redis restart
tap_check "Redis restarts" tap_is "$(redis ping)" PONG
$RUSHD_TEST_SERVICE redis pause
timeout 0.3 redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" ping >/dev/null
tap_check "a paused Redis is silent" tap_is $? 124
$RUSHD_TEST_SERVICE redis resume
tap_check "and goes on when resumed" tap_is "$(redis ping)" PONG

# A script that owns services and is killed.
victim() {
    env --default-signal=INT sh -c '. "$1/tests/support/packages.sh"; . "$1/tests/support/services.sh"
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
tap_check "services die with the script that owns them" wait_until 20 both_gone
tap_check "its directory stays" test -d "$victim_dir"
services_reap 2>/dev/null
tap_check "until the next run removes it" test ! -e "$victim_dir"
tap_check "a living run's directory is not touched" test -d "${RUSHD_TEST_PG_DIR%/pg}"
exec 3>&-

rm -f "$fifo.out"
victim
victim_services=$(cut -d' ' -f1 "$victim_dir/pids/pg" "$victim_dir/pids/redis")
kill -INT "$victim_pid"
wait "$victim_pid" 2>/dev/null
tap_check "a script ends by Ctrl-C" tap_is $? 130
tap_check "it leaves no directory" test ! -e "$victim_dir"
tap_check "and no process" gone_pids
exec 3>&-

port=$(port_find 2)
tap_check "a found port is free" test "$port" -ge 20000
tap_check "a taken one is seen" port_listens "$RUSHD_TEST_REDIS_PORT"
tap_plan
