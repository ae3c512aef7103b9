#!/bin/sh
# The source system's configuration, written as properties, starts as it is: what has a meaning here is taken, what has none is
# named once. tests/data/source-*.properties are its files.
set -u
: "${srcdir:=.}"
. "$srcdir/tests/support/tap.sh"
rushd=src/app/rushd
data=$srcdir/tests/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# accepts FILE KEY...: the file is valid, and exactly these keys, without "spring.", are said to have no meaning.
accepts() {
    accepts_file=$data/$1
    shift
    "$rushd" -c "$accepts_file" --check >"$work/out" 2>"$work/err" || {
        sed 's/^/# /' "$work/err"
        return 1
    }
    for key in "$@"; do
        echo "$key"
    done | sort >"$work/wanted"
    grep 'has no meaning here' "$work/err" | grep 'level=info' |
        sed 's/.*:[0-9]*: \([^ ]*\) has no meaning here.*/\1/; s/^spring[.]//' | sort >"$work/ignored"
    diff "$work/wanted" "$work/ignored" && tap_is "$(grep -vc 'has no meaning here' "$work/err")" 0
}
# takes FILE "KEY = VALUE"...: what holds with the file.
takes() {
    takes_file=$data/$1
    shift
    "$rushd" -c "$takes_file" --dump-config 2>"$work/err" >"$work/dump" || return 1
    for pair in "$@"; do
        grep -qx -e "$pair" "$work/dump" || {
            echo "# missing: $pair"
            return 1
        }
    done
}

tap_check "application.yml is accepted, nine keys have no meaning" accepts source-application.properties \
    kafka.producer.key-serializer kafka.producer.value-serializer kafka.consumer.group-id \
    kafka.consumer.key-deserializer kafka.consumer.value-deserializer kafka.consumer.enable-auto-commit \
    kafka.consumer.properties.spring.json.trusted.packages \
    kafka.consumer.properties.spring.json.remove.type.headers kafka.consumer.properties.spring.json.use.type.headers
tap_check "and its values hold" takes source-application.properties 'kafka.bootstrap-servers = localhost:9092' \
    'kafka.producer.type-headers = true' 'kafka.producer.acks = 1' 'kafka.producer.retries = 3' \
    'kafka.producer.batch.size = 16384' 'kafka.producer.linger.ms = 5' 'kafka.producer.buffer.memory = 33554432' \
    'kafka.consumer.auto-offset-reset = earliest' 'kafka.consumer.max-poll-records = 10' \
    'event.publisher.type = kafka' 'kafka.topics.order-completed = order-completed-topic' \
    'kafka.topics.product-ranking = product-ranking-topic' \
    'kafka.topics.data-platform-transfer = data-platform-transfer-topic' \
    'kafka.topics.coupon-issue = coupon-issue-events' 'server.port = 8083'
tap_check "application-test.yml is accepted" accepts source-application-test.properties kafka.consumer.group-id \
    kafka.consumer.enable-auto-commit
tap_check "what is recommended for tuning and monitoring is accepted" accepts source-tuning.properties \
    management.metrics.export.prometheus.enabled
tap_check "and its values hold" takes source-tuning.properties 'kafka.producer.compression.type = snappy' \
    'kafka.consumer.session.timeout.ms = 30000' 'kafka.consumer.heartbeat.interval.ms = 10000' \
    'management.endpoints.web.exposure.include = health,info,metrics,prometheus' \
    'logging.level.org.apache.kafka = INFO' 'logging.level.org.springframework.kafka = DEBUG' \
    'logging.level.kr.hhplus.be.server.shared.kafka = DEBUG'
cat "$data/source-application.properties" >"$work/typo"
echo 'spring.kafka.consumer.max-pol-records = 10' >>"$work/typo"
"$rushd" -c "$work/typo" --check >"$work/out" 2>"$work/err"
tap_check "a key that neither knows still stops the start" tap_is $? 78
tap_plan
