#!/bin/sh
# rushctl against real PostgreSQL and Redis: every command, what psql and redis-cli see of it, and its exit status.
set -u
. "$RUSHD_TEST_SRCDIR/tests/support/packages.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/services.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/tap.sh"
PG_BIN=$(packages_postgres_dir)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/conf" <<CONF
datasource.url = $RUSHD_TEST_PG_URL
redis.socket = $RUSHD_TEST_REDIS_SOCKET
CONF

ctl() { "$RUSHD_TEST_BUILDDIR/src/ctl/rushctl" -c "$work/conf" "$@"; }
sql() { pg_sql -d "$RUSHD_TEST_PG_URL" -c "$1"; }
redis() { redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" "$@" >"$work/redis"; }

# ends STATUS COMMAND...: run it; its output is in $work/out and $work/err.
ends() {
    ends_wanted=$1
    shift
    "$@" >"$work/out" 2>"$work/err"
    ends_status=$?
    if [ "$ends_status" = "$ends_wanted" ]; then return 0; fi
    echo "# exit status $ends_status instead of $ends_wanted"
    sed 's/^/# /' "$work/out" "$work/err"
    return 1
}
# A line of the last output, or of its errors, matches.
says() { grep -q -e "$1" "$work/out" || { sed 's/^/# /' "$work/out"; return 1; }; }
errs() { grep -q -e "$1" "$work/err" || { sed 's/^/# /' "$work/err"; return 1; }; }
quiet() { [ ! -s "$work/err" ] || { sed 's/^/# /' "$work/err"; return 1; }; }
both() { "$1" "$2" && quiet; }

# ----------------------------------------------------------------------------------------------- migrate, seed
tap_check "seed without tables is refused" ends 1 ctl seed
tap_check "and names the remedy" errs 'run rushctl migrate'

ctl migrate >"$work/one" 2>&1 &
one=$!
ctl migrate >"$work/two" 2>&1 &
two=$!
wait "$one"
tap_verdict $? "two migrations at once: one succeeds"
wait "$two"
tap_verdict $? "and the other one"
tap_check "each file is applied once" tap_is "$(sql 'SELECT count(*) - count(DISTINCT version) FROM schema_migrations')" 0
tap_check "somebody says what is applied" grep -q '^applying version 1: initial$' "$work/one" "$work/two"
tap_check "both say that it is done" tap_is "$(cat "$work/one" "$work/two" | grep -c '^schema is up to date (version [0-9]*)$')" 2
tap_check "migrate again" ends 0 ctl migrate
tap_check "finds nothing to do" tap_is "$(cat "$work/out")" \
    "schema is up to date (version $(sql 'SELECT max(version) FROM schema_migrations'))"
tap_check "another time zone is refused" ends 1 ctl --set server.time-zone=UTC migrate
tap_check "with both zones named" errs 'Asia/Seoul.*UTC'

counts="SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM balances), (SELECT count(*) FROM products),
    (SELECT count(*) FROM coupons), (SELECT count(*) FROM user_balance_tx)"
tap_check "seed" ends 0 ctl seed
tap_check "says what is loaded" both says '^demo data is loaded: users 1001-2000'
tap_check "is in the database" tap_is "$(sql "$counts")" '1000|1000|20|10|1000'
sql "UPDATE balances SET amount = 5 WHERE user_id = 1001; DELETE FROM products WHERE id = 20" >"$work/sql"
tap_check "seed again" ends 0 ctl seed
tap_check "fills in what is missing" tap_is "$(sql "$counts")" '1000|1000|20|10|1000'
tap_check "and leaves what is there" tap_is "$(sql 'SELECT amount FROM balances WHERE user_id = 1001')" 5.00

# ----------------------------------------------------------------------------------------------------- coupons
tap_check "coupon create" ends 0 ctl coupon create --name '열두 시 쿠폰' --discount 1500.50 --count=7 --from 2030-01-02 --to 2030-01-03
tap_check "takes the next id and shows the dates" both says '^coupon 11: 열두 시 쿠폰, 7 pieces of 1500.50, ACTIVE, 2030-01-02 00:00:00 to 2030-01-04 00:00:00$'
tap_check "is in the database" tap_is \
    "$(sql "SELECT name, discount_amount, max_issuance_count, issued_count, status, valid_from AT TIME ZONE 'Asia/Seoul' FROM coupons WHERE coupon_id = 11")" \
    '열두 시 쿠폰|1500.50|7|0|ACTIVE|2030-01-02 00:00:00'
tap_check "with an id of its own, as JSON" ends 0 ctl coupon create --name sale --discount 1 --count 5 --id 500 --status INACTIVE --json
tap_check "prints the id" both says '^{"couponId":500}$'
tap_check "an id that is taken is refused" ends 1 ctl coupon create --name sale --discount 1 --count 5 --id 500
tap_check "in words" errs 'a coupon with this id exists already'
tap_check "30 days are the default" tap_is \
    "$(sql "SELECT valid_to - valid_from, valid_from BETWEEN now() - interval '1 minute' AND now() FROM coupons WHERE coupon_id = 500")" '30 days|t'

sql "UPDATE coupons SET issued_count = max_issuance_count WHERE coupon_id = 9" >"$work/sql"
tap_check "coupon list" ends 0 ctl coupon list
tap_check "has a line for each" tap_is "$(wc -l <"$work/out" | tr -d ' ')" 13
tap_check "an open one" says '^  1  선착순 쿠폰 .* 1000 .* 100  *0 .* 100  ACTIVE  *open '
tap_check "one not yet open" says '^  8 .*not-yet'
tap_check "one that is over" says '^  7 .*over'
tap_check "one sold out" says '^  9 .*sold-out'
tap_check "one switched off" says '^500 .*INACTIVE  *closed'
tap_check "coupon list --json" ends 0 ctl coupon list --json
# An expression over the last output, d: PostgreSQL reads JSON strictly.
json() { echo "SELECT $1 FROM (SELECT :'doc'::jsonb AS d) AS doc" | pg_sql -d "$RUSHD_TEST_PG_URL" -v doc="$(cat "$work/out")" 2>&1; }
tap_check "is one document" tap_is \
    "$(json "jsonb_array_length(d), d->0->'couponId', d->0->>'couponName', d->0->'remaining', d->8->>'state'")" \
    "12|1|선착순 쿠폰|100|sold-out"

# -------------------------------------------------------------------------------------------------- the line
# As rushd leaves it: 1001 published, 1002 taken, 1003 and 1004 in line, then one that another program added.
tap_check "an empty line" ends 0 ctl line 1
tap_check "says so" both says '^coupon 1: 0 waiting, 0 in flight, 0 issued, last ticket 0$'
tap_check "and that nobody drains it" says '^drained by nobody'
redis zadd coupon:inflight:1 1700000000.000001 1001 1700000000.000002 1002
redis zadd coupon:queue:1 1700000000.5 1003 1700000001 1004 1700000002 '"1005"'
redis hset coupon:pending:1 1001 'P|1|1700000000000001|7|1700000000100' 1002 'T|2|1700000000000002|7|1700000000100' \
    1003 'W|3|1700000000500000|0|0' 1004 'W|4|1700000001000000|0|0'
redis set coupon:drain:1 '7 node-a' px 60000
redis set coupon:ticket:1 4
redis sadd coupon:issued:1 1900 1901
redis_before=$(redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" debug digest)
tap_check "a line" ends 0 ctl line 1
tap_check "counts" both says '^coupon 1: 3 waiting, 2 in flight, 2 issued, last ticket 4$'
tap_check "owner" says '^drained by node-a (epoch 7, lease ends in [0-9.]* s)$'
tail -n 6 "$work/out" | tr -s ' ' >"$work/members"
cat >"$work/wanted" <<'MEMBERS'
PLACE USER TICKET SINCE STATE
 - 1001 1 2023-11-15 07:13:20 published
 - 1002 2 2023-11-15 07:13:20 taken
 1 1003 3 2023-11-15 07:13:20 waiting
 2 1004 4 2023-11-15 07:13:21 waiting
 3 "1005" - 2023-11-15 07:13:22 waiting
MEMBERS
tap_check "members in order" diff "$work/wanted" "$work/members"
tap_check "line --limit" ends 0 ctl line 1 --limit 3
tap_check "cuts" tap_is "$(tail -n 2 "$work/out" | tr -s ' ' | tr '\n' '|')" \
    " 1 1003 3 2023-11-15 07:13:20 waiting|... and more behind them (--limit)|"
tap_check "line --json" ends 0 ctl line 1 --json
tap_check "is one document" tap_is \
    "$(json "d->'couponId', d->'waiting', d->'inFlight', d->'drain'->>'owner', jsonb_path_query_array(d, '\$.members[*].place')")" \
    "1|3|2|node-a|[null, null, 1, 2, 3]"
tap_check "with every member" tap_is \
    "$(json "d->'members'->2->'userId', d->'members'->2->>'since', d->'members'->4->>'userId', d->'members'->4->'ticket'")" \
    '1003|2023-11-15T07:13:20.500000|"1005"|null'
tap_check "coupon show" ends 0 ctl coupon show 1
tap_check "shows the coupon" both says '^left         100$'
tap_check "and its line" says '^line         3 waiting, 2 in flight, 2 issued, last ticket 4$'
tap_check "and its owner" says '^drained by   node-a (epoch 7'
tap_check "coupon show --json" ends 0 ctl coupon show 1 --json
tap_check "is one document" tap_is \
    "$(json "d->'couponId', d->>'state', d->'line'->'waiting', d->'line'->'drain'->'epoch'")" "1|open|3|7"
tap_check "reading changes nothing" tap_is "$(redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" debug digest)" "$redis_before"
tap_check "an unknown coupon is refused" ends 1 ctl coupon show 4711
tap_check "in words" errs 'there is no coupon 4711'
# A thousand is a page of the script.
seq 1 2500 | sed 's/.*/zadd coupon:queue:2 & 1&/' | redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" >"$work/redis"
tap_check "a long line" ends 0 ctl line 2 --limit 2400
tap_check "is read in pages, each member once" tap_is "$(grep -c waiting$ "$work/out"),$(sed -n '$!s/^ *\([0-9][0-9]*\) .*/\1/p' "$work/out" | sort -un | wc -l | tr -d ' ')" 2400,2400
# Names come from outside: they must not steer the terminal.
redis zadd coupon:queue:3 1 "$(printf 'a\033[2Jb')"
tap_check "a member with an escape" ends 0 ctl line 3
tap_check "is made harmless" says 'a?\[2Jb'

# -------------------------------------------------------------------------------------------- what goes wrong
tap_check "PostgreSQL away" ends 69 ctl --wait 1 --set "datasource.url=postgresql:///x?host=$work" coupon list
tap_check "is said in a line" errs '^rushctl: PostgreSQL is away (waited 1 s): '
tap_check "Redis away" ends 69 ctl --wait 1 --set "redis.socket=$work/none" line 1
tap_check "is said in a line" errs '^rushctl: Redis is away (waited 1 s): '
tap_check "arguments are checked before" ends 64 ctl --set "redis.socket=$work/none" line none
tap_check "a newer schema is refused" sql "INSERT INTO schema_migrations (version, serves, name, time_zone) VALUES (9999, 9999, 'later', 'Asia/Seoul')"
tap_check "by coupon list" ends 1 ctl coupon list
tap_check "in words" errs 'of a later rushd'
tap_check "and by migrate" ends 1 ctl migrate
tap_check "in words too" errs 'of a later rushd'
tap_plan
