# What the cases of `make bench` are compared with. Each yard_NAME prints the rate of one repetition, of $seconds where it can be told how
# long to run, and fails when there is none: a missing yardstick is no zero. Sourced by run.sh.

# Once, before the first case.
yard_prepare() {
    case " $cases " in *" http "*) yard_nginx_start || return 1 ;; esac
    case " $cases " in *" orders-"*) "$PG_BIN/pgbench" -q -i -s 10 "$(pg_url yard)" >"$work/pgbench.log" 2>&1 || {
        cat "$work/pgbench.log" >&2
        return 1
    } ;; esac
}

# It listens on through the whole run and uses no CPU while nobody asks.
yard_nginx_start() {
    nginx_port=$(port_find)
    mkdir -p "$work/nginx/logs"
    cat >"$work/nginx/nginx.conf" <<CONF
worker_processes 1; daemon off; pid $work/nginx/pid; error_log $work/nginx/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000;
  server { listen 127.0.0.1:$nginx_port; location / { default_type application/json; return 200 '{"status":"UP"}'; } } }
CONF
    service_spawn nginx TERM nginx -p "$work/nginx" -c "$work/nginx/nginx.conf"
    service_wait nginx port_listens "$nginx_port"
}
# yard_get PORT ARGS...: GETs of the liveness path, or of whatever the other side answers.
yard_get() {
    yard_port=$1
    shift
    "$build/tests/bench/bench_load" --port "$yard_port" --connections "$connections" --seconds "$seconds" --warmup 1 "$@" >"$work/yard.json" || return 1
    field "$work/yard.json" rate
}
yard_nginx() { yard_get "$nginx_port"; }
# The node's own answer that needs nothing: the floor of what an answer costs.
yard_floor() { yard_get "$port"; }
yard_unpipelined() { yard_get "$port"; }
# As many orders as it takes when nobody is refused.
yard_peak() { yard_get "$port" --case orders --users 1:100000; }

# Vacuums its three small tables first: each transaction leaves dead rows in them.
yard_pgbench() {
    "$PG_BIN/pgbench" -c 8 -j 1 -T "$seconds" "$(pg_url yard)" 2>"$work/pgbench.log" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

# The 99th percentile of its transactions' latency in ms at 70 % of its peak just before, each from the instant at which it was due.
yard_pgbench_p99() {
    yard_tps=$(yard_pgbench)
    rm -f "$work"/pgbench-latency.*
    "$PG_BIN/pgbench" -n -c 8 -j 1 -T "$seconds" -R "$(div "$yard_tps" "$(div 100 70)")" --log --log-prefix="$work/pgbench-latency" \
        "$(pg_url yard)" >"$work/pgbench.log" 2>&1 || return 1
    cat "$work"/pgbench-latency.* | awk '{ print $3 / 1000 }' | sort -n |
        awk '{ v[NR] = $1 } END { if (!NR) exit 1; printf "%.1f\n", v[int(NR * 0.99 + 0.5)] }'
}

# yard_redis_benchmark NAME ARGS...: redis-benchmark in a database of its own. It counts requests, not seconds: as many as it did in
# $seconds the last time.
yard_redis_benchmark() {
    yard_name=$1 yard_n=100000
    shift
    [ -s "$work/$yard_name.last" ] || yard_redis_run "$@" >"$work/$yard_name.last"
    yard_n=$(awk -v s="$seconds" '{ printf "%.0f", $1 * s }' "$work/$yard_name.last")
    yard_redis_run "$@" | tee "$work/$yard_name.last"
}
yard_redis_run() {
    redis-cli -s "$REDIS_SOCKET" -n 1 SET m 'run 1' >/dev/null # the mark that the accept script looks for
    redis-benchmark -s "$REDIS_SOCKET" --dbnum 1 -n "$yard_n" -q "$@" 2>"$work/redis-benchmark.log" | tr '\r' '\n' |
        sed -n 's/.*: \([0-9.]*\) requests per second.*/\1/p' | tail -n 1
    redis-cli -s "$REDIS_SOCKET" -n 1 FLUSHDB >/dev/null
}
# The accept script by EVALSHA, 64 clients, no pipelining.
yard_accept() {
    sha=$(redis-cli -s "$REDIS_SOCKET" -n 1 SCRIPT LOAD "$(cat "$src/src/store/lua/coupon_add.lua")")
    yard_redis_benchmark accept -c 64 -r 100000 EVALSHA "$sha" 9 q t l p i s f m r:__rand_int__ 1 10000000 90000 7 0 0 run __rand_int__
}
yard_zincrby() { yard_redis_benchmark zincrby -c 8 -P 64 -r 1000 ZINCRBY z 1 product:__rand_int__; }

# What a bare client needs for the rows of a request: 200 commits of 500 rows by one prepared `INSERT ... SELECT unnest` (with
# more than one table one for each, in a transaction), arrays of real values, users in no order, into tables like the node's own
# (indexes, checks and triggers), on the same durable server.
#   yard_rows NAME   accepted: rows of coupon_requests; decided: rows of coupon_requests with their outcome and of user_coupons
yard_rows() {
    yard_tables || return 1
    [ -f "$work/$1.sql" ] || awk -v what="$1" -v q="'" -f "$src/tests/bench/yard_rows.awk" >"$work/$1.sql"
    pg_sql -d "$(pg_url yard)" -c 'TRUNCATE coupon_requests, user_coupons, orders, order_items' -c 'VACUUM ANALYZE users' || return 1
    yard_from=$(now_us)
    pg_sql -d "$(pg_url yard)" -f "$work/$1.sql" >/dev/null || return 1
    awk -v us=$(($(now_us) - yard_from)) 'BEGIN { printf "%.0f\n", 100000 * 1e6 / us }'
}
yard_accepted() { yard_rows accepted; }
yard_decided() { yard_rows decided; }
yard_tables() {
    [ ! -f "$work/yard-tables" ] || return 0
    "$build/src/ctl/rushctl" --set "datasource.url=$(pg_url yard)" migrate >/dev/null || return 1
    pg_sql -d "$(pg_url yard)" -c "INSERT INTO users (user_id, username) SELECT g, 'user' || g FROM generate_series(1, 100000) g" \
        -c "INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, valid_from, valid_to)
            VALUES (1, 'coupon', 10, 1000000, now(), now() + interval '30 days')" || return 1
    : >"$work/yard-tables"
}
