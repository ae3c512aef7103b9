#!/bin/sh
# A short soak, always of the same faults unless $CHAOS_SEED says otherwise. Part of `make check-broker`; `make chaos` plays a long one.
exec bash "$RUSHD_TEST_SRCDIR/tests/chaos/soak.sh" "${CHAOS_SECONDS:-60}" "${CHAOS_SEED:-1}"
