#!/bin/sh
RUSHD_TEST_MODE=broker exec "$RUSHD_TEST_BUILDDIR/tests/e2e/test_e2e" overload cluster
