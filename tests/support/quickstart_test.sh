#!/bin/sh
# etc/quickstart does what its head says, and leaves nothing behind: neither after the play, nor after Ctrl-C, nor after it
# was killed. Builds in $RUSHD_BUILD_DIR.
set -u
top=$RUSHD_TEST_SRCDIR
. "$top/tests/support/services.sh"
. "$top/tests/support/tap.sh"
work=$(mktemp -d)
port=$(port_find)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$work"' EXIT

# Start it in the background with the given arguments; its output goes to $work/out.
begin() {
    : >"$work/out"
    env --default-signal=INT "$top/etc/quickstart" --port "$port" "$@" >"$work/out" 2>&1 &
    pid=$!
}
says() { grep -q "$1" "$work/out"; }
# Wait until it says something, at most $2 seconds, but not longer than it lives.
said_or_ended() { says "$1" || ! kill -0 "$pid" 2>/dev/null; }
wait_for() { wait_until "$2" said_or_ended "$1" && says "$1"; }
directory() { sed -n "s#.*\\($SERVICES_PREFIX[A-Za-z0-9]*\\).*#\\1#p" "$work/out" | head -n 1; }
# Processes that have the run's directory on their command line; grep itself must not.
processes() {
    printf '%s\n' "$1" >"$work/pattern"
    grep -lF -f "$work/pattern" /proc/[0-9]*/cmdline 2>/dev/null
}
no_processes() { [ -z "$(processes "$1")" ]; }
nothing_left() {
    dir=$(directory)
    [ -n "$dir" ] && [ ! -e "$dir" ] && no_processes "$dir" && ! port_listens "$port"
}
show() { sed 's/^/# /' "$work/out"; }

begin --once
wait "$pid"
status=$?
show
tap_check "the play comes out as promised" tap_is "$status" 0
tap_check "a hundred have the coupon" says ' 100 have it, 0 wait'
tap_check "nothing is left after it" nothing_left

begin
tap_check "a second run starts within seconds" wait_for '^== An order' 15
tap_check "it serves after the play" wait_for 'until Ctrl-C' 120
tap_check "at the port it was told" curl -sf -m 10 -o "$work/health" "http://127.0.0.1:$port/actuator/health"

first=$pid
mv "$work/out" "$work/first"
"$top/etc/quickstart" --once --port "$port" >"$work/out" 2>&1
tap_check "a taken port is its own exit status" tap_is $? 69
tap_check "and a clear message" says "port $port is taken"
mv "$work/first" "$work/out"
pid=$first
tap_check "the first run is not disturbed" curl -sf -m 10 -o "$work/health" "http://127.0.0.1:$port/actuator/health"

kill -INT "$pid"
wait "$pid"
tap_check "Ctrl-C ends it" tap_is $? 130
tap_check "nothing is left after Ctrl-C" nothing_left

begin
wait_for '^== An order' 60
kill -KILL "$pid"
wait "$pid" 2>/dev/null
dir=$(directory)
tap_check "no process outlives a killed run" wait_until 20 no_processes "$dir"
begin --once
tap_check "the next run removes its files" wait_for "removing what a killed run left in $dir" 20
wait_for '^== Starting' 60
tap_check "before it starts its own" test ! -e "$dir"
kill -TERM "$pid"
wait "$pid"
tap_check "TERM ends it at any time" tap_is $? 143
sed "/removing what/d" "$work/out" >"$work/own" && mv "$work/own" "$work/out"
tap_check "nothing is left at all" nothing_left

"$top/etc/quickstart" --port 99999 >"$work/out" 2>&1
tap_check "a wrong port is wrong usage" tap_is $? 64
pid=
tap_plan
