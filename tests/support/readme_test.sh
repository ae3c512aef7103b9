#!/bin/sh
# Runs the commands of README, as printed there, in a copy of the tracked files. What is between ```sh and ``` is run block
# by block, with sh -e; curl must succeed. Two commands are not simply run:
#
#   ./etc/quickstart   goes on serving, so it runs in the background, on a free port that replaces 8083 in the later
#                      blocks, until all blocks are through; then Ctrl-C must end it
#   ./tests/run        is what runs this; here it must exist and explain itself
set -u
top=$RUSHD_TEST_SRCDIR
. "$top/tests/support/services.sh"
. "$top/tests/support/tap.sh"
work=$(mktemp -d "$RUSHD_TEST_BUILDDIR/readme.XXXXXX")
port=$(port_find)
pid=
trap '[ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null; rm -rf "$work"' EXIT
unset RUSHD_BUILD_DIR

mkdir "$work/tree" "$work/blocks"
(cd "$top" && git -c safe.directory="*" ls-files -z | xargs -0 cp --parents -t "$work/tree") || exit 1
# blocks/NN: one file for each block.
awk -v dir="$work/blocks" '
    /^```sh$/ { file = sprintf("%s/%02d", dir, ++n); next }
    /^```/ { file = ""; next }
    file != "" { print >file }' "$top/README"

ended_or_serving() { grep -q 'until Ctrl-C' "$work/out" || ! kill -0 "$pid" 2>/dev/null; }
run_block() {
    case $(cat "$1") in
        ./etc/quickstart)
            (cd "$work/tree" && exec env --default-signal=INT ./etc/quickstart --port "$port") >"$work/out" 2>&1 &
            pid=$!
            wait_until 600 ended_or_serving
            sed 's/^/# /' "$work/out"
            kill -0 "$pid"
            ;;
        ./tests/run) (cd "$work/tree" && ./tests/run --help | grep -q 'N passed, N failed') ;;
        *)
            {
                echo 'curl() { command curl -fsS -m 20 "$@" && echo; }'
                sed "s/8083/$port/g" "$1"
            } >"$work/script"
            (cd "$work/tree" && sh -e "$work/script") >"$work/block.out" 2>&1
            block_status=$?
            sed 's/^/# /' "$work/block.out"
            return "$block_status"
            ;;
    esac
}

for block in "$work/blocks"/*; do
    [ -e "$block" ] || continue
    run_block "$block"
    tap_verdict $? "README: $(tr '\n' ';' <"$block")"
done
if [ -n "$pid" ]; then
    kill -INT "$pid"
    wait "$pid"
    tap_check "Ctrl-C ends the quickstart" tap_is $? 130
    pid=
fi
tap_plan
