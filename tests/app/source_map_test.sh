#!/bin/sh
# etc/doc/source-map.md tells the truth: each key is one of rushd's, each metric is in the sources, each file is in the tree and
# has the test that is named; and each setting of the source system's files is on the page.
set -u
: "${srcdir:=.}"
. "$srcdir/tests/support/tap.sh"
. "$srcdir/tests/app/page.sh"
map=$srcdir/etc/doc/source-map.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# column N: what stands between backquotes in column N of the tables' rows.
column() {
    awk -F '|' -v column="$1" '/^\|/ && NF == 8 && !/^\| source system/ && !/^\|---/ { print $(column + 1) }' "$map" |
        grep -o '`[^`]*`' | tr -d '`' | sort -u
}

tap_check "every row has six columns" tap_is "$(awk -F '|' '/^\|/ && NF != 8' "$map")" ""
tap_check "and says what is here" tap_is \
    "$(awk -F '|' '/^\|/ && !/^\|---/ && ($2 ~ /^ *$/ || $3 ~ /^ *$/ || $6 ~ /^ *$/ || $7 ~ /^ *$/)' "$map")" ""

src/app/rushd --sample-config | sed -n 's/^#\([a-z.-]*\.\)NAME = .*/\1*/p; s/^#\([a-z.-]*\) *=.*/\1/p' | sort -u >"$work/all_keys"
column 3 >"$work/keys"
tap_check "keys are there" test "$(wc -l <"$work/keys")" -gt 40
comm -23 "$work/keys" "$work/all_keys" >"$work/wrong"
tap_check "each key exists" nothing "$work/wrong"

column 4 | while read -r metric; do
    grep -rqF "\"$metric\"" "$srcdir/src" || echo "$metric"
done >"$work/wrong"
tap_check "each metric exists" nothing "$work/wrong"

column 5 | while read -r file; do
    [ -f "$srcdir/$file" ] || echo "$file"
done >"$work/wrong"
tap_check "each file of the code exists" nothing "$work/wrong"

column 6 | missing_tests >"$work/wrong"
tap_check "each test exists" nothing "$work/wrong"

# The three tuning keys of the producer share a row; they stand in 2.1 by their full names.
sed -n 's/^\([a-z][^ =]*\) *=.*/\1/p' "$srcdir"/tests/data/source-*.properties | sort -u | while read -r key; do
    grep -qF "\`$key\`" "$map" || echo "$key"
done >"$work/wrong"
tap_check "each setting of the source system is on the page" nothing "$work/wrong"
tap_plan
