#!/bin/sh
# `make check-broker`: like tests/services/run.sh, with a real Apache Kafka (KRaft, one node) beside the two. Its jars come
# by maven into a cache outside the source tree ($RUSHD_TEST_CACHE, by default ~/.cache/rushd-tests) and stay there.
#
#   tests/broker/run.sh SRCDIR BUILDDIR TEST...
set -u
RUSHD_TEST_SRCDIR=$(cd "$1" && pwd)
RUSHD_TEST_BUILDDIR=$(cd "$2" && pwd)
shift 2
. "$RUSHD_TEST_SRCDIR/tests/support/packages.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/services.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/runner.sh"

if [ -n "$(packages_missing server broker)" ]; then
    runner_skip broker "missing packages: $(packages_missing server broker | tr '\n' ' ')"
    exit
fi
kafka_fetch || exit 1
services_open || exit 1
kafka_archive
pg_start fast "$(port_find)" && redis_start fast "$(port_find)" && kafka_start || exit 1
export RUSHD_TEST_PG_DIR="$PG_DIR" RUSHD_TEST_PG_PORT="$PG_PORT"
export RUSHD_TEST_REDIS_SOCKET="$REDIS_SOCKET" RUSHD_TEST_REDIS_PORT="$REDIS_PORT"
export RUSHD_TEST_KAFKA="$KAFKA_BOOTSTRAP" RUSHD_TEST_KAFKA_LIBS="$KAFKA_LIBS"
runner_main broker "$@"
