#!/bin/sh
# The sample configuration and the manual pages say what the programs say of themselves. `make update-documents` brings the
# generated ones up to date.
set -u
: "${srcdir:=.}"
. "$srcdir/tests/support/tap.sh"
rushd=src/app/rushd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$rushd" --sample-config >"$work/sample"
tap_check "etc/rushd.conf.sample is rushd --sample-config" diff "$srcdir/etc/rushd.conf.sample" "$work/sample"

awk -f "$srcdir/etc/man/keys.awk" "$work/sample" >"$work/keys"
sed -n '/^\.\\" keys begin/,/^\.\\" keys end/{/keys begin/d;/keys end/d;p;}' "$srcdir/etc/man/rushd.conf.5" >"$work/page"
tap_check "rushd.conf(5) has every key as the program has it" diff "$work/page" "$work/keys"

# With every line switched on the sample says what holds without it. Lines with names to fill in stay off.
sed -e '/NAME/d' -e 's/^#\([^ ]\)/\1/' "$work/sample" >"$work/all"
tap_check "the sample with every key switched on is valid" "$rushd" -c "$work/all" --check
"$rushd" --dump-config | sed '/^#/d' >"$work/without"
"$rushd" -c "$work/all" --dump-config | sed '/^#/d' >"$work/with"
tap_check "and changes nothing" diff "$work/without" "$work/with"

# Options of the help and of the page, without what they take.
options() { grep -o -e '--[a-z][a-z-]*' | sort -u; }
"$rushd" --help | options >"$work/help"
sed 's/\\-/-/g' "$srcdir/etc/man/rushd.8" | sed -n '/^\.SH OPTIONS/,/^\.SH SIGNALS/p' | options >"$work/page"
tap_check "rushd(8) has the options of rushd --help" diff "$work/page" "$work/help"
tap_plan
