# A node and rushctl on the services of a run, for the tests of rushctl. POSIX sh, sourced.
#
#   rushctl_open [LINE...]   configuration (further lines of it as arguments), schema and demo data; sets $work
#   ctl ARGUMENT...          rushctl with that configuration
#   node_start, node_stop    rushd with it; $node is its address
#   shop_trade               orders, charges and coupon requests through the node; returns when all effects are there
#   history_order_whole ID   an order of ten days ago, from before the ranking's days, in every book of PostgreSQL
#   sql TEXT                 to the database; redis ARGUMENT... to Redis
. "$RUSHD_TEST_SRCDIR/tests/support/tap.sh"
. "$RUSHD_TEST_SRCDIR/tests/support/packages.sh"

node_pid=

rushctl_open() {
    work=$(mktemp -d)
    trap 'node_stop; rm -rf "$work"' EXIT
    trap 'exit 143' HUP INT TERM
    {
        printf 'server.port = 0\ndatasource.url = %s\nredis.socket = %s\n' "$RUSHD_TEST_PG_URL" "$RUSHD_TEST_REDIS_SOCKET"
        [ $# = 0 ] || printf '%s\n' "$@"
    } >"$work/rushd.conf"
    { ctl migrate && ctl seed; } >"$work/out" 2>&1 || {
        sed 's/^/# /' "$work/out"
        echo 'Bail out! no schema'
        exit 1
    }
}

ctl() { "$RUSHD_TEST_BUILDDIR/src/ctl/rushctl" -c "$work/rushd.conf" "$@"; }
sql() { "$(packages_postgres_dir)/psql" -q -X -A -t -v ON_ERROR_STOP=1 -d "$RUSHD_TEST_PG_URL" -c "$1"; }
redis() { redis-cli -s "$RUSHD_TEST_REDIS_SOCKET" "$@"; }

# until_true SECONDS COMMAND...: repeat it until it succeeds
until_true() {
    until_end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until_end" ] || return 1
        sleep 0.05
    done
}

node_listens() {
    node_port=$(sed -n 's/.*msg=listening.* port=\([0-9]*\).*/\1/p' "$work/node.log" | tail -n 1)
    [ -n "$node_port" ] && node=http://127.0.0.1:$node_port && curl -sf -m 5 -o "$work/health" "$node/actuator/health/readiness"
}

node_start() {
    : >"$work/node.log"
    "$RUSHD_TEST_BUILDDIR/src/app/rushd" -c "$work/rushd.conf" >>"$work/node.log" 2>&1 &
    node_pid=$!
    until_true 30 node_listens || {
        sed 's/^/# /' "$work/node.log"
        echo 'Bail out! no node'
        exit 1
    }
}

node_stop() {
    [ -z "$node_pid" ] || { kill "$node_pid" && wait "$node_pid"; }
    node_pid=
}

post() { curl -s -m 20 -o "$work/answer" -w '%{http_code}' -X POST -H 'Content-Type: application/json' "$@"; }

# order USER PRODUCT QUANTITY [MORE-OF-THE-BODY]
order() {
    tap_is "$(post "$node/api/orders" -d "{\"userId\":$1,\"orderItems\":[{\"productId\":$2,\"quantity\":$3},{\"productId\":1,\"quantity\":2}]${4:-}}")" 200
}

nothing_is_open() {
    [ "$(sql 'SELECT (SELECT count(*) FROM coupon_requests WHERE outcome IS NULL) + (SELECT count(*) FROM outbox)')" = 0 ] &&
        [ -z "$(redis smembers coupon:lines)" ]
}

shop_trade() {
    tap_is "$(post "$node/api/coupons/9/issue?userId=1001")" 202 && until_true 20 nothing_is_open || return 1
    # Four more for the one coupon, put in line by another program: each is refused.
    redis zadd coupon:queue:9 1 1002 2 1003 3 '"1004"' 4 1005 >"$work/redis"
    redis sadd coupon:lines 9 >"$work/redis"
    for user in 1001 1002 1003 1004 1005; do
        tap_is "$(post "$node/api/coupons/1/issue?userId=$user")" 202 || return 1
        order "$user" $((user - 998)) 1 || return 1
        tap_is "$(post "$node/api/users/balance/charge" -d "{\"userId\":$user,\"amount\":1000}")" 200 || return 1
    done
    until_true 20 nothing_is_open || return 1
    order 1001 8 3 ",\"userCouponId\":$(sql 'SELECT user_coupon_id FROM user_coupons WHERE coupon_id = 1 AND user_id = 1001')" || return 1
    until_true 20 nothing_is_open
}

history_order_whole() {
    sql "INSERT INTO orders VALUES ($1, 1700, NULL, 40, 40, 0, 'COMPLETED', now() - interval '10 days');
        INSERT INTO order_items VALUES ($1, $1, 16, 'x', 2, 15, 30), ($1 + 1, $1, 8, 'y', 1, 10, 10);
        INSERT INTO product_sales_daily SELECT product_id, (o.created_at AT TIME ZONE 'Asia/Seoul')::date, sum(quantity),
            sum(total_price), max(o.created_at) FROM orders AS o JOIN order_items AS i ON i.order_id = o.id WHERE o.id = $1 GROUP BY 1, 2;
        INSERT INTO order_history_events (order_id, event_type, amount) VALUES ($1, 'ORDER_COMPLETED', 40);
        UPDATE balances SET amount = amount - 40 WHERE user_id = 1700;
        INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after, order_id)
            SELECT 1700, 'PAYMENT', -40, amount, $1 FROM balances WHERE user_id = 1700"
}
