# Private PostgreSQL, Redis and Apache Kafka for tests and the demo. POSIX sh (dash, bash), sourced.
#
#   . tests/support/packages.sh; . tests/support/services.sh
#   services_open              makes $SERVICES_DIR (short path under /tmp), reaps what killed runs left,
#                              sets the traps that stop and remove everything at exit, also by a signal
#   pg_start [durable|fast]    then $PG_URL; redis_start, then $REDIS_SOCKET; kafka_start, then $KAFKA_BOOTSTRAP
#   services_close             what the traps do; may be called earlier
#
# Everything a service owns lies in $SERVICES_DIR: data, socket, log (NAME.log), and its process in
# pids/NAME as "pid start-time", so that a later run recognises a leftover and never hits a stranger that got
# the same pid. A service is started with a parent-death signal as well: when the script that owns it is
# killed, the kernel tells the service to stop. Helpers that outlive their caller's shell set
# SERVICES_DETACHED=1 (tests/support/service does).
#
# Readiness is always asked for, with a deadline; a service that does not come up has its log printed.

SERVICES_PREFIX=/tmp/rushd.
SERVICES_DEADLINE=${SERVICES_DEADLINE:-60}
KAFKA_VERSION=3.9.2

services_say() { printf '%s\n' "$*" >&2; }

# ---------------------------------------------------------------------------------------------- processes

# Print the kernel's start time of process $1; nothing when there is none.
process_birth() {
    # The command name in parentheses may hold blanks.
    sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

# True if the process of pid file $1 ("pid start-time") is alive.
process_lives() {
    read -r process_pid process_start 2>/dev/null <"$1" || return 1
    [ -n "$process_start" ] && [ "$(process_birth "$process_pid")" = "$process_start" ]
}

# Print the children of process $1. Not every machine has ps.
process_children() {
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/ (.*) / /' | awk -v parent="$1" '$3 == parent { print $1 }'
}

# Repeat a command until it succeeds: wait_until SECONDS COMMAND...; fails at the deadline.
wait_until() {
    wait_end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$wait_end" ] || return 1
        sleep 0.05
    done
}

process_is_gone() { ! process_lives "$1"; }

# Stop the process of pid file $1 by signal $2; by KILL when it is still there after $3 seconds.
process_stop() {
    process_lives "$1" && {
        kill "-$2" "$process_pid" 2>/dev/null
        wait_until "$3" process_is_gone "$1" || {
            kill -KILL "$process_pid" 2>/dev/null
            wait_until 10 process_is_gone "$1"
        }
        # The shell's own notice of a killed child is not wanted.
        wait "$process_pid" 2>/dev/null
    }
    rm -f "$1"
}

# service_spawn NAME SIGNAL COMMAND...: run a service in the background, in a session of its own so that Ctrl-C
# reaches the script alone; SIGNAL is what the kernel sends when this shell dies. Sets service_pid.
service_spawn() {
    spawn_name=$1 spawn_tie="--pdeathsig=$2"
    shift 2
    [ -z "${SERVICES_DETACHED:-}" ] || spawn_tie=--pdeathsig=clear
    # shellcheck disable=SC2086
    setsid setpriv $SPAWN_AS $spawn_tie "$@" </dev/null >>"$SERVICES_DIR/$spawn_name.log" 2>&1 &
    service_pid=$!
    echo "$service_pid $(process_birth "$service_pid")" >"$SERVICES_DIR/pids/$spawn_name"
}
SPAWN_AS=

# service_wait NAME COMMAND...: wait until the service answers; at its death or the deadline print its log and fail.
service_wait() {
    wait_name=$1
    shift
    wait_end=$(($(date +%s) + SERVICES_DEADLINE))
    until "$@" >/dev/null 2>&1; do
        if ! process_lives "$SERVICES_DIR/pids/$wait_name" || [ "$(date +%s)" -ge "$wait_end" ]; then
            services_say "$wait_name did not come up; the end of its log:"
            tail -n 40 "$SERVICES_DIR/$wait_name.log" >&2
            return 1
        fi
        sleep 0.03
    done
}

# -------------------------------------------------------------------------------------------------- ports

# True if some socket of this machine has local TCP port $1; with "listen" as $2 only a listening one counts.
port_taken() {
    port_hex=$(printf '%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port=":$port_hex" -v only="${2:-}" \
            'substr($2, length($2) - 4) == port && (only != "listen" || $4 == "0A") { found = 1 } END { exit !found }'
}

port_listens() { port_taken "$1" listen; }

# Print a port P such that P .. P+$1-1 are free (default one port). Below the range of outgoing connections, and
# chosen at random, so that two runs side by side do not meet.
port_find() {
    port_tries=0
    while [ "$port_tries" -lt 200 ]; do
        port_tries=$((port_tries + 1))
        port_base=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
        port_i=0
        while [ "$port_i" -lt "${1:-1}" ] && ! port_taken $((port_base + port_i)); do
            port_i=$((port_i + 1))
        done
        if [ "$port_i" = "${1:-1}" ]; then
            echo "$port_base"
            return 0
        fi
    done
    services_say "no free port found"
    return 1
}

# ------------------------------------------------------------------------------------ the run's directory

services_open() {
    SERVICES_DIR=
    trap services_close EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    services_reap
    # Not $TMPDIR: a Unix socket's path has 107 bytes, and the server's user must be able to walk there.
    SERVICES_DIR=$(mktemp -d "${SERVICES_PREFIX}XXXXXX") || return 1
    chmod 711 "$SERVICES_DIR"
    mkdir "$SERVICES_DIR/pids"
    echo "$$ $(process_birth $$)" >"$SERVICES_DIR/owner"
}

# Attach to the directory of a running script: for helpers that restart a service in the middle of a test.
services_attach() {
    SERVICES_DIR=$1
    SERVICES_DETACHED=1
    [ -d "$SERVICES_DIR/pids" ] || {
        services_say "no services in $SERVICES_DIR"
        return 1
    }
}

# Stop what runs in directory $1, the last started first, and remove it.
services_clear() {
    for clear_name in $(ls -t "$1/pids" 2>/dev/null); do
        clear_pid=$1/pids/$clear_name
        case $clear_name in
            # Their data goes with the directory: no orderly end is needed.
            pg) process_stop "$clear_pid" QUIT 10 ;;
            redis | kafka) process_stop "$clear_pid" KILL 10 ;;
            *) process_stop "$clear_pid" TERM 15 ;;
        esac
    done
    # The owner's name last: a removal that is cut short can be seen and finished by the next run.
    find "$1" -mindepth 1 -maxdepth 1 ! -name owner -exec rm -rf {} +
    rm -rf "$1"
}

services_close() {
    services_status=$?
    trap - EXIT
    # A second Ctrl-C must not leave half of it behind.
    trap '' HUP INT TERM
    if [ -n "${SERVICES_DIR:-}" ] && [ -d "$SERVICES_DIR" ]; then
        services_clear "$SERVICES_DIR"
    fi
    SERVICES_DIR=
    trap - HUP INT TERM
    return "$services_status"
}

# Remove what earlier runs left whose script is dead; those of other users and of living scripts are not touched.
services_reap() {
    for reap_dir in "$SERVICES_PREFIX"??????; do
        [ -O "$reap_dir" ] && [ -f "$reap_dir/owner" ] || continue
        process_lives "$reap_dir/owner" && continue
        services_say "removing what a killed run left in $reap_dir"
        services_clear "$reap_dir"
    done
}

# --------------------------------------------------------------------------------------------- PostgreSQL

# As root the server runs as postgres (or nobody); everyone else runs it as himself.
pg_account() {
    [ "$(id -u)" = 0 ] || return 0
    id -un postgres 2>/dev/null || echo nobody
}

pg_as() {
    pg_user=$(pg_account)
    [ -z "$pg_user" ] || SPAWN_AS="--reuid=$pg_user --regid=$(id -g "$pg_user") --clear-groups"
}

# pg_start [durable|fast] [PORT]: a new server on a socket in $SERVICES_DIR/pg, on loopback TCP as well when a
# port is given. durable is what production has; fast leaves fsync out, so that a commit survives pg_kill but not a
# power failure. Trusts whoever reaches the socket, which is the server's user and root. Sets PG_BIN, PG_DIR (socket), PG_URL.
pg_start() {
    PG_BIN=$(packages_postgres_dir)
    PG_DIR=$SERVICES_DIR/pg
    PG_PORT=${2:-}
    mkdir "$PG_DIR"
    pg_as
    [ -z "$SPAWN_AS" ] || chown "$pg_user" "$PG_DIR" || return 1
    # shellcheck disable=SC2086
    setpriv $SPAWN_AS "$PG_BIN/initdb" -D "$PG_DIR/data" -U "$(id -un)" -A trust -N \
        --locale=C.UTF-8 -E UTF8 >"$SERVICES_DIR/initdb.log" 2>&1 </dev/null || {
        cat "$SERVICES_DIR/initdb.log" >&2
        return 1
    }
    {
        printf "unix_socket_directories = '%s'\nunix_socket_permissions = 0700\n" "$PG_DIR"
        if [ -n "$PG_PORT" ]; then
            printf "listen_addresses = '127.0.0.1'\nport = %s\n" "$PG_PORT"
        else
            printf "listen_addresses = ''\n"
        fi
        printf "shared_buffers = 128MB\nmax_connections = 100\nlog_line_prefix = '%%m [%%p] %%d '\n"
        [ "${1:-fast}" = durable ] || printf "fsync = off\nfull_page_writes = off\n"
    } >>"$PG_DIR/data/postgresql.conf"
    pg_run
}

# Start the server of $SERVICES_DIR again (after pg_stop or pg_kill).
pg_run() {
    PG_BIN=$(packages_postgres_dir)
    PG_DIR=$SERVICES_DIR/pg
    PG_PORT=$(sed -n 's/^port = //p' "$PG_DIR/data/postgresql.conf")
    pg_as
    service_spawn pg INT "$PG_BIN/postgres" -D "$PG_DIR/data"
    SPAWN_AS=
    service_wait pg "$PG_BIN/pg_isready" -q -h "$PG_DIR" -p "${PG_PORT:-5432}" -d postgres || return 1
    PG_URL="postgresql:///postgres?host=$PG_DIR${PG_PORT:+&port=$PG_PORT}"
}

# Print the URL of database $1 on the running server.
pg_url() { echo "postgresql:///$1?host=$PG_DIR${PG_PORT:+&port=$PG_PORT}"; }

pg_sql() { "$PG_BIN/psql" -q -X -A -t -v ON_ERROR_STOP=1 "$@"; }

pg_stop() { process_stop "$SERVICES_DIR/pids/pg" INT 30; }
# As in a crash: no checkpoint, recovery at the next start.
pg_kill() { process_stop "$SERVICES_DIR/pids/pg" QUIT 10; }

# -------------------------------------------------------------------------------------------------- Redis

# redis_start [durable|fast] [PORT]: durable appends every second (what production has), fast keeps nothing.
# Sets REDIS_SOCKET.
redis_start() {
    mkdir "$SERVICES_DIR/redis"
    REDIS_SOCKET=$SERVICES_DIR/redis/redis.sock
    REDIS_PORT=${2:-}
    {
        printf 'unixsocket %s\nunixsocketperm 700\nport %s\nbind 127.0.0.1\n' "$REDIS_SOCKET" "${REDIS_PORT:-0}"
        printf 'dir %s\nsave ""\nmaxmemory-policy noeviction\n' "$SERVICES_DIR/redis"
        if [ "${1:-fast}" = durable ]; then
            printf 'appendonly yes\nappendfsync everysec\n'
        else
            printf 'appendonly no\n'
        fi
    } >"$SERVICES_DIR/redis/redis.conf"
    redis_run
}

redis_run() {
    REDIS_SOCKET=$SERVICES_DIR/redis/redis.sock
    REDIS_PORT=$(sed -n 's/^port //p' "$SERVICES_DIR/redis/redis.conf")
    rm -f "$REDIS_SOCKET"
    service_spawn redis TERM redis-server "$SERVICES_DIR/redis/redis.conf"
    service_wait redis redis_answers
}

redis_answers() { [ -S "$REDIS_SOCKET" ] && [ "$(redis-cli -s "$REDIS_SOCKET" ping 2>/dev/null)" = PONG ]; }

redis_stop() { process_stop "$SERVICES_DIR/pids/redis" TERM 30; }
redis_kill() { process_stop "$SERVICES_DIR/pids/redis" KILL 10; }

# ------------------------------------------------------------------------------------------- Apache Kafka

kafka_cache() {
    echo "${RUSHD_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/rushd-tests}/kafka"
}

# Make sure the jars and the class archive are in the cache; sets KAFKA_LIBS. Two runs at once fetch once.
kafka_fetch() {
    KAFKA_CACHE=$(kafka_cache)
    KAFKA_LIBS=$KAFKA_CACHE/$KAFKA_VERSION
    [ ! -f "$KAFKA_LIBS/complete" ] || return 0
    mkdir -p "$KAFKA_CACHE" || return 1
    (
        flock 9
        [ ! -f "$KAFKA_LIBS/complete" ] || exit 0
        rm -rf "$KAFKA_LIBS" "$KAFKA_CACHE/fetch"
        mkdir "$KAFKA_CACHE/fetch"
        cat >"$KAFKA_CACHE/fetch/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-libs</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA_VERSION</version>
    </dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
        services_say "fetching Apache Kafka $KAFKA_VERSION with maven (once; about 50 MB)"
        kafka_try=1
        until (cd "$KAFKA_CACHE/fetch" && mvn -q -B -ntp -Dmaven.repo.local="$KAFKA_CACHE/fetch/m2" \
            dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$KAFKA_CACHE/fetch/libs" \
            </dev/null >"$KAFKA_CACHE/fetch/log" 2>&1); do
            # A mirror that stumbles is no reason to give up; what is fetched already is not fetched again.
            [ "$kafka_try" -lt 3 ] || {
                tail -n 30 "$KAFKA_CACHE/fetch/log" >&2
                exit 1
            }
            kafka_try=$((kafka_try + 1))
        done
        mv "$KAFKA_CACHE/fetch/libs" "$KAFKA_LIBS"
        rm -rf "$KAFKA_CACHE/fetch"
        touch "$KAFKA_LIBS/complete"
    ) 9>"$KAFKA_CACHE/lock"
}

# Write a class-data archive once: the broker starts in half the time with it.
kafka_archive() {
    [ ! -f "$KAFKA_LIBS/kafka.jsa" ] || return 0
    KAFKA_JAVA="-XX:ArchiveClassesAtExit=$KAFKA_LIBS/kafka.jsa.new"
    kafka_start && kafka_stop 90
    KAFKA_JAVA=
    rm -rf "$SERVICES_DIR/kafka"
    [ ! -f "$KAFKA_LIBS/kafka.jsa.new" ] || mv "$KAFKA_LIBS/kafka.jsa.new" "$KAFKA_LIBS/kafka.jsa"
}
KAFKA_JAVA=

# kafka_start: a new broker (KRaft, one node) on a free loopback port. Sets KAFKA_BOOTSTRAP. kafka_fetch first.
kafka_start() {
    KAFKA_PORT=$(port_find 2) || return 1
    mkdir "$SERVICES_DIR/kafka"
    # Small buffers: the default cleaner alone takes 128 MB. Short sessions: a killed broker may come back after
    # 1 s instead of 9, and tests may use short group sessions.
    cat >"$SERVICES_DIR/kafka/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((KAFKA_PORT + 1))
listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$((KAFKA_PORT + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT
controller.listener.names=CONTROLLER
log.dirs=$SERVICES_DIR/kafka/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=1
num.io.threads=2
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
PROPERTIES
    java -XX:TieredStopAtLevel=1 -cp "$KAFKA_LIBS/*" kafka.tools.StorageTool format -t 9bfHd4PdRQeKK3fdQllOVQ \
        -c "$SERVICES_DIR/kafka/server.properties" >"$SERVICES_DIR/kafka-format.log" 2>&1 </dev/null || {
        tail -n 20 "$SERVICES_DIR/kafka-format.log" >&2
        return 1
    }
    kafka_run
}

kafka_run() {
    KAFKA_LIBS=$(kafka_cache)/$KAFKA_VERSION
    KAFKA_PORT=$(sed -n 's/^advertised.listeners=.*://p' "$SERVICES_DIR/kafka/server.properties")
    KAFKA_BOOTSTRAP=127.0.0.1:$KAFKA_PORT
    kafka_options="-Xms64m -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC $KAFKA_JAVA"
    [ ! -f "$KAFKA_LIBS/kafka.jsa" ] || kafka_options="$kafka_options -XX:SharedArchiveFile=$KAFKA_LIBS/kafka.jsa"
    # shellcheck disable=SC2086
    service_spawn kafka TERM java $kafka_options -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
        -cp "$KAFKA_LIBS/*" kafka.Kafka "$SERVICES_DIR/kafka/server.properties"
    service_wait kafka port_listens "$KAFKA_PORT"
}

kafka_stop() { process_stop "$SERVICES_DIR/pids/kafka" TERM "${1:-15}"; }
kafka_kill() { process_stop "$SERVICES_DIR/pids/kafka" KILL 10; }
