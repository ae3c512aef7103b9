#!/bin/sh
# etc/doc/guarantees.md tells the truth: each file is in the tree, each quotation is in its file, each test in its own; no promise
# is without a line, and the faults of the source system have tests of their names.
set -u
: "${srcdir:=.}"
. "$srcdir/tests/support/tap.sh"
. "$srcdir/tests/app/page.sh"
page=$srcdir/etc/doc/guarantees.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rows() { awk '/^## /{ section = $2 } /^\|/ && !/^\| (promise|fault) / && !/^\|---/ { print section "|" $0 }' "$page"; }

rows >"$work/rows"
tap_check "there are rows" test "$(wc -l <"$work/rows")" -gt 80
tap_check "every row has six columns" tap_is "$(awk -F '|' 'NF != 9' "$work/rows")" ""
tap_check "and says what was taken away" tap_is "$(awk -F '|' '$4 ~ /^ *$/ || $7 ~ /^ *$/ || $8 ~ /^ *$/' "$work/rows")" ""
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
    grep -q "^G$n:|" "$work/rows" || echo "G$n"
done >"$work/wrong"
tap_check "every promise has a row" nothing "$work/wrong"

awk -F '|' '$5 !~ /^ *$/ { gsub(/^ *`|` *$/, "", $5); gsub(/^ *`|` *$/, "", $6); print $5 "\t" $6 }' "$work/rows" >"$work/places"
while IFS='	' read -r file place; do
    if [ ! -f "$srcdir/$file" ]; then
        echo "$file"
    elif [ -z "$place" ] || ! grep -qF -e "$place" "$srcdir/$file"; then
        echo "$file does not have: $place"
    fi
done <"$work/places" >"$work/wrong"
tap_check "each protection is where the page says" nothing "$work/wrong"

awk -F '|' '{ print $8 }' "$work/rows" | grep -o '`[^`]*`' | tr -d '`' | sort -u | missing_tests >"$work/wrong"
tap_check "each test exists" nothing "$work/wrong"

awk -F '|' '$1 == "Faults" { print $3 }' "$work/rows" | grep -o '`[^`]*`' | tr -d '`' >"$work/faults"
tap_check "the faults are there" tap_is "$(sort -u "$work/faults" | wc -l)" 24
while read -r test; do
    grep -rq "^START_TEST($test)" "$srcdir/tests" || echo "$test"
done <"$work/faults" >"$work/wrong"
tap_check "each fault has a test of its name" nothing "$work/wrong"
tap_plan
