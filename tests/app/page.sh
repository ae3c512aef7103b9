# For the tests of pages in etc/doc. POSIX sh, sourced after tests/support/tap.sh.
#
#   nothing FILE    a command for tap_check: FILE, which lists what is wrong, is empty
#   missing_tests   of the lines FILE or FILE:TEST on standard input, print those that are not in the tree

nothing() {
    [ ! -s "$1" ] || { sed 's/^/# /' "$1"; return 1; }
}

missing_tests() {
    while IFS=: read -r file test; do
        if [ ! -f "$srcdir/$file" ]; then
            echo "$file"
        elif [ -n "$test" ] && ! grep -q "^START_TEST($test)" "$srcdir/$file"; then
            echo "$file has no test $test"
        fi
    done
}
