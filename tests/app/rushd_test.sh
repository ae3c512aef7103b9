#!/bin/sh
# The program rushd as an operator meets it, without any service: options, faults of the configuration, a start into nothing,
# reload, stop. PostgreSQL and Redis are sockets that do not exist, Kafka is the embedded cluster.
set -u
: "${srcdir:=.}"
. "$srcdir/tests/support/services.sh"
. "$srcdir/tests/support/tap.sh"
command -v curl >/dev/null || {
    echo "1..0 # SKIP curl is not installed"
    exit 0
}
rushd=src/app/rushd
work=$(mktemp -d)
pids=
finish() {
    for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT

# What the program needs to find nothing.
away() {
    echo "kafka.bootstrap-servers = embedded"
    echo "datasource.url = postgresql:///rushd?host=$work/none"
    echo "redis.socket = $work/none.sock"
    echo "server.port = 0"
}

# Run to the end: output in $work/out and $work/err, status in $status.
run() {
    "$rushd" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}
out() { grep -qF -e "$1" "$work/out" || { sed 's/^/# /' "$work/out" | head -n 5 && false; }; }
err() { grep -qF -e "$1" "$work/err" || { sed 's/^/# /' "$work/err" | head -n 5 && false; }; }
err_empty() { [ ! -s "$work/err" ]; }

# Start in the background: node NAME ARGUMENT...; its log is $work/NAME.log, its pid $pid, its port $port.
node() {
    name=$1
    shift
    "$rushd" "$@" >"$work/$name.log" 2>&1 </dev/null &
    pid=$!
    pids="$pids $pid"
    wait_until 20 listening_or_gone
    port=$(field port)
}
listening_or_gone() { logged 'msg=listening address=' || ! kill -0 "$pid" 2>/dev/null; }
logged() { grep -q -e "$1" "$work/$name.log"; }
field() { sed -n "s/.*msg=listening address=.* $1=\\([0-9]*\\).*/\\1/p" "$work/$name.log"; }
ended() { ! kill -0 "$pid" 2>/dev/null; }
# Stop by signal $1; the exit status in $status, 255 when it takes more than $2 seconds.
stop() {
    kill -"$1" "$pid"
    status=255
    wait_until "$2" ended || return
    wait "$pid"
    status=$?
}
show() { sed 's/^/# /' "$work/$name.log"; }

# GET (or $3...) a path of port $1: body in $work/body, head in $work/head, code in $code.
ask() {
    ask_port=$1
    ask_path=$2
    shift 2
    code=$(curl -s -m 5 -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" "http://127.0.0.1:$ask_port$ask_path")
    tr -d '\r' <"$work/head" >"$work/lines"
}
body() { grep -qF -e "$1" "$work/body" || { sed 's/^/# /' "$work/body" | head -n 5 && false; }; }
head_has() { grep -qi -e "$1" "$work/lines"; }

# --- options that answer and end

run --help
tap_check "--help ends with 0" tap_is "$status" 0
tap_check "--help prints the usage" out "Usage: rushd [-c FILE]"
run --version
tap_check "--version ends with 0" tap_is "$status" 0
tap_check "--version is one line" sh -c 'grep -q "^rushd [0-9][0-9.]*" "$1" && [ "$(wc -l <"$1")" -eq 1 ]' - "$work/out"
run --check
tap_check "the defaults are valid" tap_is "$status" 0
tap_check "--check says so" out "configuration is valid"
run --sample-config
tap_check "--sample-config ends with 0" tap_is "$status" 0
tap_check "the sample has the keys of the contract" out "#kafka.producer.acks = all"
tap_check "the sample says nothing else" err_empty

if [ -w /dev/full ]; then
    "$rushd" --sample-config >/dev/full 2>"$work/err"
    tap_check "a full disk does not go unnoticed" tap_is $? 74
fi

# --- the dump

cat >"$work/conf" <<END
server.port = 18083
node.roles = queue,api
[logging.level]
rushd.pg = debug
org.apache.kafka = WARN
[kafka]
topics.coupon-issue = coupons-here
librdkafka.sasl.username = somebody
producer.type-id.coupon-issue = com.example.Coupon
END
run -c "$work/conf" --set redis.password=geheim --set kafka.librdkafka.sasl.password=geheim2 --dump-config
tap_check "--dump-config ends with 0" tap_is "$status" 0
tap_check "a value has its origin" grep -q "^server.port = 18083" "$work/out"
tap_check "secrets are not printed" sh -c '! grep -q geheim "$1" "$2"' - "$work/out" "$work/err"
sed '/^#/d' "$work/out" | sed 's/ *#.*//' >"$work/first"
run -c "$work/conf" --dump-config
cp "$work/out" "$work/dump"
run -c "$work/dump" --dump-config
tap_check "the dump is a valid configuration" tap_is "$status" 0
sed '/^#/d' "$work/dump" >"$work/first"
sed '/^#/d' "$work/out" >"$work/second"
tap_check "and dumps to the same" diff "$work/first" "$work/second"

# --- wrong use

for wrong in --nonsense file.conf -c --set --check=yes; do
    run $wrong
    tap_check "\"$wrong\" is wrong usage" tap_is "$status" 64
    tap_check "and says why, with the usage" sh -c 'grep -q "^rushd: .*: " "$1" && grep -q "^Usage:" "$1"' - "$work/err"
done

# --- wrong configuration: fault LINE-OF-THE-FILE WHAT-IT-SAYS

fault() {
    printf '# first line\n%s\n' "$1" >"$work/bad"
    run -c "$work/bad" --check
    tap_check "refused: $1" tap_is "$status" 78
    tap_check "it says: $2" err "$2"
}
fault 'server.port = 99999' "$work/bad:2: server.port = 99999: "
fault 'server.prot = 1' "$work/bad:2: server.prot = 1: unknown key"
fault 'server.header-timeout = soon' "$work/bad:2: server.header-timeout = soon: "
fault 'node.roles = api,cook' "$work/bad:2: node.roles = api,cook: "
fault 'event.publisher.type = pigeon' "$work/bad:2: event.publisher.type = pigeon: "
fault 'kafka.producer.delivery.timeout.ms = 40000' 'kafka.producer.delivery.timeout.ms must be shorter than coupon.queue.lease'
fault 'server.address = 0.0.0.0' 'server.trust-callers'
fault 'datasource.url = mysql://here/rushd' 'datasource.url: '
fault 'datasource.url = postgresql:///shop?service=shop' "datasource.url: a service file cannot be used"
fault 'logging.level.root = loud' 'logging.level.root = loud: trace, debug, info, warn, error or off is accepted'
run -c "$work/none" --check
tap_check "a file that is not there is refused" tap_is "$status" 78
run --set kafka.librdkafka.nonsense=1 --set kafka.bootstrap-servers=embedded
tap_check "a setting that librdkafka refuses is bad configuration too" tap_is "$status" 78
tap_check "and is named" err 'kafka.librdkafka.nonsense'
RUSHD_CFG_SERVER_PORT=70000 run --check
tap_check "the environment is checked" tap_is "$status" 78
RUSHD_CFG_NO_SUCH_KEY=1 run --check
tap_check "an unknown variable of the environment is not fatal" tap_is "$status" 0
tap_check "but warned about" err RUSHD_CFG_NO_SUCH_KEY

# --- a required service is away: ends by itself, while the rest goes on

{ away && echo "startup.require-services = true"; } >"$work/required.conf"
node required -c "$work/required.conf"
required=$pid

# --- a start into nothing

{
    away
    echo "management.endpoints.web.exposure.include = *"
} >"$work/node.conf"
echo "logging.level.rushd.redis = warn" >"$work/level"
cat "$work/node.conf" "$work/level" >"$work/alone.conf"
node alone -c "$work/alone.conf"
tap_check "it starts without any service" [ -n "$port" ]
ask "$port" /actuator/health/liveness
tap_check "liveness is 200" tap_is "$code" 200
not_ready() {
    ask "$port" /actuator/health/readiness
    [ "$code" = 503 ] && grep -q "none/.s.PGSQL" "$work/body" && grep -q 'none.sock' "$work/body"
}
tap_check "nodes that share the port have all requests until this one can serve, or must say that it cannot" \
    [ "$(field after_ms)" -ge 2000 ]
tap_check "readiness is 503 and names both services with the reason" wait_until 10 not_ready
kafka_up() {
    ask "$port" /actuator/health
    grep -q '"kafka":{"status":"UP"' "$work/body"
}
tap_check "the embedded cluster is up" wait_until 10 kafka_up
refuses() {
    ask "$port" "$@" -m 1.5
    tap_check "$1 is answered 503 at once" tap_is "$code" 503
    tap_check "with Retry-After" head_has '^Retry-After: [1-9]'
    tap_check "and a code" body '"code":"'
}
refuses /api/products/1
refuses '/api/users/balance?userId=1'
refuses /api/orders -H 'Content-Type: application/json' -d '{"userId":1,"orderItems":[{"productId":1,"quantity":1}]}'
refuses '/api/coupons/1/issue?userId=1' -X POST
refuses '/api/coupons/1/issue/status?userId=1'
ask "$port" /v3/api-docs
tap_check "what needs no service is served" tap_is "$code" 200

# --- reload

level() {
    ask "$port" "/actuator/loggers/$1"
    grep -qF "\"effectiveLevel\":\"$2\"" "$work/body"
}
tap_check "the level of the file is in force" level rushd.redis WARN
{ cat "$work/node.conf" && echo "logging.level.rushd.pg = debug"; } >"$work/alone.conf"
kill -HUP "$pid"
tap_check "SIGHUP takes a new level" wait_until 5 level rushd.pg DEBUG
tap_check "and takes the old one back" level rushd.redis INFO
tap_check "it is logged" logged 'msg="configuration reloaded"'
{ cat "$work/node.conf" && echo "logging.level.rushd.pg = loud"; } >"$work/alone.conf"
kill -HUP "$pid"
tap_check "a wrong file is refused" wait_until 5 logged 'was not reloaded.*logging.level.rushd.pg = loud'
tap_check "and changes nothing" level rushd.pg DEBUG
{ cat "$work/node.conf" && echo "server.max-connections = 77"; } >"$work/alone.conf"
kill -HUP "$pid"
tap_check "a key that needs a restart is named" wait_until 5 logged 'note=.*server.max-connections'
tap_check "the rest of that file holds" wait_until 5 level rushd.pg INFO
{ cat "$work/node.conf" && echo "logging.format = json"; } >"$work/alone.conf"
kill -HUP "$pid"
tap_check "the form of the log changes too" wait_until 5 logged '^{.*configuration reloaded'

# --- stop

stop TERM 10
[ "$status" = 0 ] || show
tap_check "SIGTERM ends it within seconds with 0" tap_is "$status" 0
tap_check "nothing was lost or leaked" sh -c '! grep -q -e Sanitizer -e "runtime error" -e assertion "$1"' - "$work/alone.log"
node again -c "$work/node.conf" --set node.id=fixed-one
stop INT 10
tap_check "SIGINT ends it with 0" tap_is "$status" 0

# --- another port for /actuator

management=$(port_find)
node management -c "$work/node.conf" --set management.server.port="$management"
ask "$management" /actuator/health/liveness
tap_check "the management port serves /actuator" tap_is "$code" 200
ask "$port" /actuator/health
tap_check "the other one does not" tap_is "$code" 404
ask "$management" /api/products/1
tap_check "the management port does not serve the shop" tap_is "$code" 404
stop TERM 10
tap_check "both ports close at the stop" tap_is "$status" 0

# --- without a broker at all, and with one role

node "local" -c "$work/node.conf" --set event.publisher.type=local
ask "$port" /actuator/health
tap_check "local mode has no component kafka" sh -c '! grep -q "\"kafka\"" "$1"' - "$work/body"
stop TERM 10
tap_check "local mode stops with 0" tap_is "$status" 0
node queue -c "$work/node.conf" --set kafka.bootstrap-servers=127.0.0.1:1 --set node.roles=queue
ask "$port" /api/products/1
tap_check "a node without the role api serves no shop" tap_is "$code" 404
ask "$port" /actuator/health/liveness
tap_check "but its health" tap_is "$code" 200
stop TERM 10
[ "$status" = 0 ] || show
tap_check "a node whose broker is away stops with 0" tap_is "$status" 0

# --- the one that was waiting for its services

pid=$required name=required
tap_check "startup.require-services ends the node" wait_until 20 ended
wait "$pid"
tap_check "with status 69" tap_is $? 69
tap_check "and names what is away" logged 'a required service is away.*db=DOWN redis=DOWN'
tap_plan
