# TAP from shell scripts. POSIX sh, sourced.
#
#   tap_verdict STATUS NAME   one result
#   tap_check NAME COMMAND... the same, of a command
#   tap_is GOT WANTED         a command for tap_check: says both when they differ
#   tap_plan                  at the end

tap_number=0

tap_verdict() {
    tap_number=$((tap_number + 1))
    if [ "$1" = 0 ]; then echo "ok $tap_number - $2"; else echo "not ok $tap_number - $2"; fi
}

tap_check() {
    tap_name=$1
    shift
    "$@"
    tap_verdict $? "$tap_name"
}

tap_is() {
    [ "$1" = "$2" ] || {
        echo "# got '$1', wanted '$2'"
        return 1
    }
}

tap_plan() { echo "1..$tap_number"; }
