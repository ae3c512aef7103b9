# What the tests that kill nodes share. POSIX sh, sourced after services.sh by fault_test.sh and soak.sh.
#
# The caller sets chaos_dir (its own directory), chaos_bin (where check, load, platform and proxy are), chaos_redis (socket),
# KAFKA_BOOTSTRAP, PG_DIR and PG_PORT as services.sh does.

# A build with fault points, in $RUSHD_FAULT_BUILD: the one named there, this one if it has them, else one below it.
chaos_build() {
    [ -z "${RUSHD_FAULT_BUILD:-}" ] || return 0
    RUSHD_FAULT_BUILD=$RUSHD_TEST_BUILDDIR
    RUSHD_FAULT=none "$RUSHD_FAULT_BUILD/src/app/rushd" --version >/dev/null 2>&1 || return 0 # no such point
    RUSHD_FAULT_BUILD=$RUSHD_TEST_BUILDDIR/fault-build
    mkdir -p "$RUSHD_FAULT_BUILD"
    (
        cd "$RUSHD_FAULT_BUILD" || exit 1
        [ -f Makefile ] && [ Makefile -nt "$srcdir/configure" ] ||
            "$srcdir/configure" --enable-fault-points CC="${CC:-cc}" CFLAGS="-O1 -g" || exit 1
        make -j"$(nproc)" src/app/rushd
    ) >"$chaos_dir/build.log" 2>&1 || {
        tail -n 30 "$chaos_dir/build.log" | sed 's/^/# /'
        return 1
    }
}

# Print the URL of database $1.
chaos_url() { echo "postgresql:///$1?host=$PG_DIR${PG_PORT:+&port=$PG_PORT}"; }

chaos_sql() { "$PG_BIN/psql" -q -X -A -t -v ON_ERROR_STOP=1 "$@"; }

# chaos_config FILE DATABASE PREFIX PORT: the configuration of the nodes of one run. Everything that decides how long a test waits
# for a dead node is short.
chaos_config() {
    cat >"$1" <<CONFIG
server.port = $4
server.shutdown-timeout = 10s
server.request-timeout = 5s
datasource.url = $(chaos_url "$2")
datasource.pool-size = 4
datasource.statement-timeout = 3s
redis.socket = $chaos_redis
redis.timeout = 1s
kafka.bootstrap-servers = $KAFKA_BOOTSTRAP
kafka.topics.order-completed = $3order-completed-topic
kafka.topics.product-ranking = $3product-ranking-topic
kafka.topics.data-platform-transfer = $3data-platform-transfer-topic
kafka.topics.coupon-issue = $3coupon-issue-events
kafka.consumer.group.product-ranking = $3product-ranking-group
kafka.consumer.group.coupon-issue = $3coupon-issue-group
kafka.consumer.group.data-platform = $3data-platform-group
kafka.consumer.session.timeout.ms = 1500
kafka.consumer.heartbeat.interval.ms = 400
kafka.consumer.backoff-max = 1s
kafka.producer.delivery.timeout.ms = 3000
kafka.librdkafka.reconnect.backoff.max.ms = 500
coupon.queue.interval = 300ms
coupon.queue.lease = 4s
coupon.queue.recheck = 4s
coupon.queue.ttl = 50m
data-platform.url = http://127.0.0.1:${chaos_platform_port:-1}/documents
data-platform.timeout = 1s
data-platform.circuit.open-for = 1s
CONFIG
}

# chaos_schema DATABASE PROGRAM PORT: make the schema by the program itself, fill in users 1001-2000 with a balance, products 1-20
# of which some sell out, coupons 1-8 of which some do.
chaos_schema() {
    chaos_sql -d "$(chaos_url postgres)" -c "CREATE DATABASE $1 TEMPLATE template0" || return 1
    chaos_config "$chaos_dir/schema.conf" "$1" "schema." "$3"
    service_spawn schema TERM "$2" -c "$chaos_dir/schema.conf" --set datasource.auto-migrate=true \
        --set event.publisher.type=local --set kafka.topics.create=false
    service_wait schema chaos_ready "$3" || return 1
    process_stop "$SERVICES_DIR/pids/schema" TERM 15
    chaos_sql -v stock="${chaos_stock:-150}" -d "$(chaos_url "$1")" >/dev/null <<'SQL'
INSERT INTO users (user_id, username) SELECT id, 'user' || id FROM generate_series(1001, 2000) AS id;
INSERT INTO balances (user_id, amount) SELECT id, 1000000 FROM generate_series(1001, 2000) AS id;
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after)
    SELECT user_id, 'DEPOSIT', amount, amount FROM balances ORDER BY user_id;
INSERT INTO products (id, name, category, current_price, stock)
    SELECT id, 'product ' || id, 'test', 900 + 50.25 * id, CASE WHEN id <= 4 THEN :stock * id ELSE 1000000 END
    FROM generate_series(1, 20) AS id;
INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, valid_from, valid_to)
    SELECT id, 'coupon ' || id, 100 * id, (ARRAY[100000, 100, 300, 100000, 50, 10, 1000, 1])[id], now() - interval '1 day',
        now() + interval '10 days' FROM generate_series(1, 8) AS id;
CREATE TABLE chaos_start AS SELECT id, stock FROM products;
SQL
}

# The node behind port $1 takes requests.
chaos_ready() { curl -fs -m 2 -o /dev/null "http://127.0.0.1:$1/actuator/health/readiness"; }

# The node consumes: what is published in its first seconds may time out otherwise, and lose its place.
chaos_consumes() { curl -fs -m 2 "http://127.0.0.1:$1/actuator/health" | grep -q '"kafka":{"status":"UP"'; }

# The process of pid file $1 is gone; for wait_until.
chaos_gone() { ! process_lives "$SERVICES_DIR/pids/$1"; }

# It was stopped by a signal, or is gone.
chaos_stopped() { chaos_gone "$1" || grep -q '^State:.T' "/proc/$process_pid/status" 2>/dev/null; }

# Step the clock of the node that has file $1 (tests/support/stepped_clock.c) so that it is $2 seconds ahead: 32 bits, least
# byte first. Not truncated, for a node has it mapped.
chaos_clock() {
    # shellcheck disable=SC2059
    printf "$(printf '\\%03o' $(($2 & 255)) $(($2 >> 8 & 255)) $(($2 >> 16 & 255)) $(($2 >> 24 & 255)))" 1<>"$1"
}
