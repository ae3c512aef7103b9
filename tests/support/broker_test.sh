#!/bin/sh
# The broker of the tests itself: it answers, is really gone when it was killed, and comes back on the same port. (That
# messages survive this is the matter of the tests of rushd.)
set -u
number=0
verdict() {
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}
answers() { timeout 30 kcat -q -b "$RUSHD_TEST_KAFKA" -L -m 20 | grep -q "broker 1 at $RUSHD_TEST_KAFKA"; }
silent() { ! timeout 2 kcat -q -b "$RUSHD_TEST_KAFKA" -L -m 1 >/dev/null 2>&1; }

answers
verdict $? "the broker answers"
$RUSHD_TEST_SERVICE kafka kill && silent
verdict $? "a killed one is silent"
$RUSHD_TEST_SERVICE kafka start && answers
verdict $? "and comes back on its port"
$RUSHD_TEST_SERVICE kafka pause && silent
verdict $? "a paused one is silent"
$RUSHD_TEST_SERVICE kafka resume && answers
verdict $? "and goes on when resumed"
echo "1..$number"
