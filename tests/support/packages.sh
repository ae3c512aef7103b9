# Finds out what this machine lacks and installs it on Debian and Ubuntu. POSIX sh, sourced by etc/quickstart
# and tests/run.
#
#   packages_need build server ...   says what is missing of the named groups and installs it;
#                                    exits 69 (EX_UNAVAILABLE) when it may not or cannot
#
# What is there is asked of the machine (commands, pkg-config modules), not of the package manager, so that
# libraries which came another way count as well. The services that the packages bring (PostgreSQL, Redis)
# are neither started nor enabled by an installation from here; one that ran before goes on running.

# One line each: group, kind (see packages_is_there), what to look for, package.
packages_table() {
    cat <<'TABLE'
build command make make
build command cc gcc
build command autoreconf autoconf
build command automake automake
build command pkg-config pkg-config
build file /usr/include/stdio.h libc6-dev
build module libevent_core libevent-dev
build module rdkafka librdkafka-dev
build module hiredis libhiredis-dev
build module jansson libjansson-dev
build module libpq libpq-dev
build module libcurl libcurl4-openssl-dev
build module libsystemd libsystemd-dev
server postgres postgres postgresql
server command redis-server redis-server
server command curl curl
server command setpriv util-linux
server command setsid util-linux
test module check check
test command xz xz-utils
test command ccache ccache
test command clang-format-14 clang-format-14
test command clang clang
test fuzzer - libclang-rt-dev
test command git git
bench command nginx nginx-light
bench command redis-benchmark redis-tools
bench pgbench pgbench postgresql
broker command java default-jre-headless
broker command mvn maven
broker command kcat kcat
TABLE
}

# The directory of PostgreSQL's server programs (newest version), or nothing.
packages_postgres_dir() {
    for packages_dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n -r); do
        if [ -x "$packages_dir/initdb" ] && [ -x "$packages_dir/postgres" ]; then
            echo "$packages_dir"
            return 0
        fi
    done
    packages_dir=$(command -v initdb) && dirname "$packages_dir"
}

packages_is_there() {
    case $1 in
        command) command -v "$2" >/dev/null 2>&1 ;;
        module) pkg-config --exists "$2" 2>/dev/null ;;
        file) [ -e "$2" ] ;;
        pgbench) [ -x "$(packages_postgres_dir)/pgbench" ] ;;
        postgres) [ -n "$(packages_postgres_dir)" ] ;;
        # clang prints the whole path of a runtime library that it has, and the bare name of one it has not.
        fuzzer) [ -e "$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null)" ] ;;
    esac
}

# Print the packages that are missing of the named groups, each once.
packages_missing() {
    for packages_group in "$@"; do
        packages_table | while read -r group kind what package; do
            [ "$group" = "$packages_group" ] || continue
            packages_is_there "$kind" "$what" || echo "$package"
        done
    done | awk '!seen[$0]++'
}

# Run the script of standard input as root; $1 are the packages, for the message.
packages_as_root() {
    if [ "$(id -u)" = 0 ]; then
        sh -s "$1"
    elif command -v sudo >/dev/null 2>&1 && { [ -t 2 ] || sudo -n true 2>/dev/null; }; then
        echo "installing them with sudo" >&2
        sudo sh -s "$1"
    else
        packages_refuse "neither root nor sudo: run this line as root, then start again" "$1"
    fi
}

packages_refuse() {
    printf '%s:\n\n    apt-get update && apt-get install -y --no-install-recommends %s\n\n' "$1" "$2" >&2
    exit 69
}

packages_need() {
    packages_wanted=$(packages_missing "$@" | tr '\n' ' ')
    packages_wanted=${packages_wanted% }
    [ -n "$packages_wanted" ] || return 0
    echo "missing on this machine: $packages_wanted" >&2
    command -v apt-get >/dev/null 2>&1 ||
        packages_refuse "this is not Debian or Ubuntu; the packages have these names there" "$packages_wanted"
    packages_as_root "$packages_wanted" <<'SCRIPT' || packages_refuse "the installation failed; by hand it would be" "$packages_wanted"
set -eu
packages=$1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/rushd-no-cluster.conf
mark="# Made by rushd while it installs packages; removed at the end."

is_installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
clean() {
    if grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
    rm -f "$cluster"
    rmdir /etc/postgresql-common/createcluster.d /etc/postgresql-common 2>/dev/null || true
}
# What an earlier, killed installation left.
clean
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

new_redis=no
is_installed redis-server || new_redis=yes
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
fi
mkdir -p /etc/postgresql-common/createcluster.d
printf '%s\ncreate_main_cluster = false\n' "$mark" >"$cluster"

# The lists' lock is not covered by DPkg::Lock::Timeout.
apt_log=$(mktemp)
tries=0
until apt-get -q update >"$apt_log" 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 300 ] || ! grep -q 'Could not get lock\|Unable to lock' "$apt_log"; then
        cat "$apt_log" >&2
        break
    fi
    [ "$tries" -gt 1 ] || echo "waiting for another package manager to finish" >&2
    sleep 2
done
rm -f "$apt_log"
# A release may have put one package's content into another: what it does not know is left out, and what is missing
# in the end is seen by the caller.
known=
for package in $packages; do
    if apt-cache show "$package" >/dev/null 2>&1; then known="$known $package"; else echo "no package $package here" >&2; fi
done
# shellcheck disable=SC2086
apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 install --no-install-recommends $known >&2

if [ "$new_redis" = yes ] && is_installed redis-server && [ -d /run/systemd/system ]; then
    systemctl -q disable --now redis-server >&2 || true
fi
SCRIPT
    packages_left=$(packages_missing "$@" | tr '\n' ' ')
    [ -z "$packages_left" ] || packages_refuse "still missing after the installation" "$packages_left"
}
