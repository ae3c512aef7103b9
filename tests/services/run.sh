#!/bin/sh
# `make check-services`: starts PostgreSQL and Redis once, then runs the given tests, each on a database of its own and
# an empty Redis. What tests see and which variables steer the run: tests/support/runner.sh.
#
#   tests/services/run.sh SRCDIR BUILDDIR TEST...
set -u
RUSHD_TEST_SRCDIR=$(cd "$1" && pwd)
RUSHD_TEST_BUILDDIR=$(cd "$2" && pwd)
shift 2
. "$RUSHD_TEST_SRCDIR/tests/support/packages.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/services.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/runner.sh"

if [ -n "$(packages_missing server)" ]; then
    runner_skip services "missing packages: $(packages_missing server | tr '\n' ' ')"
    exit
fi
services_open || exit 1
pg_start fast "$(port_find)" && redis_start fast "$(port_find)" || exit 1
export RUSHD_TEST_PG_DIR="$PG_DIR" RUSHD_TEST_PG_PORT="$PG_PORT"
export RUSHD_TEST_REDIS_SOCKET="$REDIS_SOCKET" RUSHD_TEST_REDIS_PORT="$REDIS_PORT"
runner_main services "$@"
