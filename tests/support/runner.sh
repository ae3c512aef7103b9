# Runs test programs that speak TAP, one after the other, each with fresh state, and counts. POSIX sh, sourced by
# tests/services/run.sh and tests/broker/run.sh after services.sh.
#
#   RUSHD_TEST_TIMEOUT        seconds that one program may take (default 600)
#   RUSHD_SKIPS_AS_FAILS=1    a skipped test counts as a failure
#   RUSHD_TEST_RESULTS=FILE   append "passed failed skipped" to FILE
#
# A test program sees
#   RUSHD_TEST_PG_URL         libpq URL of an empty database of its own, over the socket
#   RUSHD_TEST_PG_DIR         directory of the socket; RUSHD_TEST_PG_PORT the loopback port
#   RUSHD_TEST_REDIS_SOCKET   Redis, emptied before each program; RUSHD_TEST_REDIS_PORT the loopback port
#   RUSHD_TEST_KAFKA          bootstrap servers of a real Apache Kafka (tests/broker only);
#                             RUSHD_TEST_KAFKA_LIBS its jars
#   RUSHD_TEST_SERVICE        command that stops, kills, starts, pauses and resumes a service:
#                             "$RUSHD_TEST_SERVICE pg kill", see tests/support/service
#   RUSHD_TEST_SRCDIR, RUSHD_TEST_BUILDDIR

runner_passed=0 runner_failed=0 runner_skipped=0 runner_number=0

# runner_main NAME TEST...: run each in turn, print the sum; fails when a test failed.
runner_main() {
    runner_name=$1
    shift
    RUSHD_TEST_SERVICE="sh $RUSHD_TEST_SRCDIR/tests/support/service $SERVICES_DIR"
    export RUSHD_TEST_SERVICE RUSHD_TEST_SRCDIR RUSHD_TEST_BUILDDIR
    for runner_test in "$@"; do
        runner_fresh && runner_one "$runner_test"
    done
    runner_report
}

runner_report() {
    if [ "${RUSHD_SKIPS_AS_FAILS:-}" = 1 ]; then
        runner_failed=$((runner_failed + runner_skipped))
    fi
    printf '%s: %d passed, %d failed, %d skipped\n' "$runner_name" "$runner_passed" "$runner_failed" "$runner_skipped"
    [ -z "${RUSHD_TEST_RESULTS:-}" ] ||
        echo "$runner_passed $runner_failed $runner_skipped" >>"$RUSHD_TEST_RESULTS"
    [ "$runner_failed" = 0 ]
}

# The whole tier cannot run: a skip, or a failure where skips are.
runner_skip() {
    runner_name=$1
    runner_skipped=1
    echo "$1: SKIP: $2"
    runner_report
}

# Services that an earlier test left stopped come back; the next test gets a database of its own and an empty Redis.
runner_fresh() {
    runner_number=$((runner_number + 1))
    sh "$RUSHD_TEST_SRCDIR/tests/support/service" "$SERVICES_DIR" all ensure &&
        pg_sql -d "$PG_URL" -c "CREATE DATABASE test_$runner_number TEMPLATE template0" &&
        redis-cli -s "$REDIS_SOCKET" flushall >/dev/null &&
        redis-cli -s "$REDIS_SOCKET" script flush >/dev/null || {
        runner_failed=$((runner_failed + 1))
        echo "FAIL $runner_test: the services could not be made ready"
        return 1
    }
    RUSHD_TEST_PG_URL=$(pg_url "test_$runner_number")
    export RUSHD_TEST_PG_URL
}

runner_one() {
    runner_file=$RUSHD_TEST_BUILDDIR/$1
    [ -e "$runner_file" ] || runner_file=$RUSHD_TEST_SRCDIR/$1
    runner_log=$RUSHD_TEST_BUILDDIR/$1.log
    mkdir -p "${runner_log%/*}"
    runner_start=$(date +%s.%N)
    timeout -k 10 "${RUSHD_TEST_TIMEOUT:-600}" "$runner_file" </dev/null >"$runner_log" 2>&1
    runner_status=$?
    # One line: passed, failed, skipped, and what is wrong with the output as a whole.
    runner_counts=$(awk -v status="$runner_status" '
        /^1\.\.[0-9]+/ { plan = substr($1, 4); planned = 1; if (plan == 0) skip_all = 1 }
        /^not ok/ { if (/# *TODO/) pass++; else fail++; seen++ }
        /^ok/ { if (tolower($0) ~ /# *skip/) skip++; else pass++; seen++ }
        /^Bail out!/ { wrong = "bailed out" }
        END {
            if (skip_all && !seen) { skip = 1; seen = plan = 0 }
            if (!planned) wrong = wrong " no plan"
            else if (seen != plan) wrong = wrong " planned " plan " ran " seen + 0
            if (status == 124) wrong = wrong " timed out"
            else if (status != 0 && !fail) wrong = wrong " exit status " status
            if (wrong) fail++
            print pass + 0, fail + 0, skip + 0, wrong
        }' "$runner_log")
    read -r one_passed one_failed one_skipped one_wrong <<COUNTS
$runner_counts
COUNTS
    runner_passed=$((runner_passed + one_passed))
    runner_failed=$((runner_failed + one_failed))
    runner_skipped=$((runner_skipped + one_skipped))
    runner_took=$(echo "$(date +%s.%N) $runner_start" | awk '{ printf "%.1f s", $1 - $2 }')
    if [ "$one_failed" != 0 ]; then
        echo "FAIL $1: $one_passed passed, $one_failed failed${one_wrong:+ ($one_wrong)}, $runner_took"
        grep '^not ok\|^Bail out' "$runner_log" | head -n 40
        echo "--- the end of $runner_log"
        tail -n 40 "$runner_log"
        for runner_service in "$SERVICES_DIR"/*.log; do
            [ -e "$runner_service" ] || continue
            echo "--- the end of the log of ${runner_service##*/}"
            tail -n 15 "$runner_service"
        done
        echo "---"
    else
        echo "PASS $1: $one_passed passed${one_skipped:+, $one_skipped skipped}, $runner_took"
        sed -n 's/^ok.*# *\(skip.*\)/  \1/Ip' "$runner_log" | head -n 10
    fi
}
