#!/bin/sh
RUSHD_TEST_MODE=local exec "$RUSHD_TEST_BUILDDIR/tests/e2e/test_e2e" cluster
