# What makes dead letters, and how rushctl's answers about them are looked at. POSIX sh, sourced behind rushctl.sh.
#
#   coupons_fail USER...        from now on PostgreSQL refuses coupons for these users; nobody: coupons_fail
#   coupon_status COUPON USER   what HTTP says: STATUS or its message's beginning
#   platform_open               a data platform; $platform is its address
#   platform_is MODE            tests/chaos/platform.c
#   dlq ARGUMENT...             rushctl dlq into $work/out; its status is kept for ends
#   says PATTERN, is_json PYTHON-LIKE...

platform_pid=

platform_open() {
    "$RUSHD_TEST_BUILDDIR/tests/chaos/platform" 0 "$work/platform.log" "$work/platform.mode" >"$work/platform.port" &
    platform_pid=$!
    trap 'node_stop; kill "$platform_pid"; rm -rf "$work"' EXIT
    until_true 20 test -s "$work/platform.port" || echo 'Bail out! no data platform'
    platform=http://127.0.0.1:$(cat "$work/platform.port")/documents
}

platform_is() {
    echo "$1" >"$work/platform.new"
    mv "$work/platform.new" "$work/platform.mode"
}

# How often the platform has answered so: platform_answers ORDER STATUS
platform_answers() { grep -c "^$1 [^ ]* $2\$" "$work/platform.log"; }

# The decision is refused as a row that breaks a rule; the decision FAILED is not.
coupons_fail() {
    sql "CREATE OR REPLACE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
            IF NEW.user_id IN (0$(printf ', %s' "$@" 0)) THEN RAISE 'refused by the test' USING ERRCODE = '23514'; END IF;
            RETURN NEW; END \$\$;
        CREATE OR REPLACE TRIGGER test_refuse BEFORE INSERT ON user_coupons FOR EACH ROW EXECUTE FUNCTION test_refuse()"
}

coupon_ask() { tap_is "$(post "$node/api/coupons/$1/issue?userId=$2")" 202; }

# coupon_is COUPON USER STATUS
coupon_is() {
    curl -s -m 5 -o "$work/status" "$node/api/coupons/$1/issue/status?userId=$2" && grep -q "\"status\":\"$3\"" "$work/status"
}

dlq() {
    ctl dlq "$@" >"$work/out" 2>"$work/err"
    dlq_status=$?
    return "$dlq_status"
}

# ends STATUS ARGUMENT...: dlq with this exit status
ends() {
    ends_wanted=$1
    shift
    dlq "$@"
    [ "$dlq_status" = "$ends_wanted" ] || {
        echo "# exit status $dlq_status instead of $ends_wanted"
        sed 's/^/# /' "$work/out" "$work/err"
        return 1
    }
}

# The same for a service that one waits for: not for long
ends_waiting() {
    ends_wanted=$1
    shift
    ctl --wait 2 dlq "$@" >"$work/out" 2>"$work/err"
    tap_is $? "$ends_wanted" || { sed 's/^/# /' "$work/out" "$work/err"; false; }
}

says() { grep -Eq -e "$1" "$work/out" "$work/err" || { sed 's/^/# /' "$work/out" "$work/err"; false; }; }
