#!/bin/sh
# The broker of the tests itself: it answers, is really gone when it was killed, and comes back on the same port. (That
# messages survive this is the matter of the tests of rushd.)
set -u
. "$RUSHD_TEST_SRCDIR/tests/support/tap.sh"
answers() { timeout 30 kcat -q -b "$RUSHD_TEST_KAFKA" -L -m 20 | grep -q "broker 1 at $RUSHD_TEST_KAFKA"; }
silent() { ! timeout 2 kcat -q -b "$RUSHD_TEST_KAFKA" -L -m 1 >/dev/null 2>&1; }

answers
tap_verdict $? "the broker answers"
$RUSHD_TEST_SERVICE kafka kill && silent
tap_verdict $? "a killed one is silent"
$RUSHD_TEST_SERVICE kafka start && answers
tap_verdict $? "and comes back on its port"
$RUSHD_TEST_SERVICE kafka pause && silent
tap_verdict $? "a paused one is silent"
$RUSHD_TEST_SERVICE kafka resume && answers
tap_verdict $? "and goes on when resumed"
tap_plan
