#!/bin/sh
# The end-to-end tests of the embedded mode with every node under valgrind's memcheck: `make check-valgrind`, some minutes. A node
# with a finding ends with status 99, which its test reports; the findings are in the logs that are printed. Arguments are
# suites, by default all that do not measure time.
set -u
suppressions=$RUSHD_TEST_SRCDIR/tests/e2e/valgrind.supp
reports=$RUSHD_TEST_BUILDDIR/tests/e2e/valgrind
rm -rf "$reports" && mkdir -p "$reports"
RUSHD_TEST_MODE=embedded
RUSHD_TEST_SLOWNESS=10
RUSHD_TEST_UNDER="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
--num-callers=24 --suppressions=$suppressions --log-file=$reports/%p"
export RUSHD_TEST_MODE RUSHD_TEST_SLOWNESS RUSHD_TEST_UNDER
# shellcheck disable=SC2086
"$RUSHD_TEST_BUILDDIR/tests/e2e/test_e2e" ${*:-${VALGRIND_SUITES:-order coupon error read event peer life outage clock cluster}}
status=$?
# Nodes that tests kill have no exit status: what they left counts as well.
for report in "$reports"/*; do
    [ -s "$report" ] || continue
    sed 's/^/# /' "$report" | head -n 200
    status=1
done
echo "# $(find "$reports" -type f | wc -l) nodes ran under valgrind, $(find "$reports" -type f -size +0 | wc -l) with findings"
exit "$status"
