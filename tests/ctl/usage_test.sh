#!/bin/sh
# What rushctl says without any service: help, wrong usage (64), wrong configuration (78); and that its manual page has
# every command and option. Nothing listens at the addresses used here.
set -u
: "${srcdir:=.}"
. "$srcdir/tests/support/tap.sh"
rushctl=src/ctl/rushctl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ends STATUS ARGUMENT...: run rushctl; its output is in $work/out and $work/err.
ends() {
    ends_wanted=$1
    shift
    "$rushctl" "$@" >"$work/out" 2>"$work/err"
    ends_status=$?
    if [ "$ends_status" = "$ends_wanted" ]; then return 0; fi
    echo "# exit status $ends_status instead of $ends_wanted"
    sed 's/^/# /' "$work/out" "$work/err"
    return 1
}
says() { grep -q -e "$1" "$work/out" || { sed 's/^/# /' "$work/out"; return 1; }; }
errs() { grep -q -e "$1" "$work/err" || { sed 's/^/# /' "$work/err"; return 1; }; }
# refuses PATTERN ARGUMENT...: wrong usage, nothing on standard output, a line on standard error.
refuses() {
    refuses_pattern=$1
    shift
    ends 64 "$@" && errs "^rushctl: .*$refuses_pattern" && [ ! -s "$work/out" ]
}

tap_check "--version" ends 0 --version
tap_check "names program and version" says '^rushctl [0-9]'
tap_check "--help" ends 0 --help
sed -n 's/^  \([a-z].*\)/\1/p' "$work/out" >"$work/commands"
tap_check "lists the commands" grep -q '^coupon create ' "$work/commands"
while read -r first second rest; do
    case $second in [a-z]*) ;; *) second= ;; esac
    case $second in *'|'*) second=all ;; esac
    # shellcheck disable=SC2086
    tap_check "$first $second --help" ends 0 $first $second --help
    tap_check "repeats its usage" says "^Usage: rushctl .* $first"
done <"$work/commands"

tap_check "no command" ends 64
tap_check "prints the help on standard error" errs '^Usage: rushctl'
tap_check "unknown command" refuses 'unknown command: fly' fly
tap_check "half a command" refuses 'coupon what?' coupon
tap_check "unknown half" refuses 'unknown command: coupon fly' coupon fly
tap_check "unknown option before the command" refuses 'unknown option: --fly' --fly migrate
tap_check "-c without a value" refuses '-c needs a value' -c
tap_check "--wait takes seconds" refuses '--wait: a whole number from 1 to' --wait soon migrate
tap_check "migrate takes nothing" refuses 'unexpected argument: now' migrate now
tap_check "seed takes nothing" refuses 'unknown option: --all' seed --all
tap_check "line needs an id" refuses 'an argument is missing' line
tap_check "a number" refuses 'ID: a whole number' line one
tap_check "above 0" refuses 'ID: a whole number' line 0
tap_check "--limit too" refuses '--limit: a whole number' line 1 --limit 0
tap_check "coupon show needs an id" refuses 'an argument is missing' coupon show --json
tap_check "half a command of dead letters" refuses 'dlq what?' dlq
tap_check "dlq list knows its topics" refuses 'elsewhere is none of the topics' dlq list elsewhere
tap_check "once" refuses 'the topic is given twice' dlq list coupon-issue-events --topic coupon-issue-events
tap_check "--since is a date" refuses '--since' dlq list --since noon
tap_check "--limit is bounded" refuses '--limit: a whole number from 1 to 100000' dlq list --limit 100001
tap_check "dlq show needs a letter" refuses 'an argument is missing' dlq show
tap_check "by its name" refuses 'a letter is named TOPIC/PARTITION/OFFSET' dlq show coupon-issue-events
tap_check "or in three words" refuses 'OFFSET: a whole number' dlq show coupon-issue-events 0 x
tap_check "of a topic that is known" refuses 'elsewhere is none of the topics' dlq show elsewhere/0/1
tap_check "dlq redrive needs to know which" refuses 'say which letters' dlq redrive
tap_check "in one way" refuses 'not both' dlq redrive coupon-issue-events/0/1 --all
tap_check "each by its name" refuses 'a letter is named' dlq redrive coupon-issue-events/0/1 2
tap_check "without doubt" refuses 'unknown option: --sure' dlq redrive --all --sure
tap_check "dead letters of the embedded cluster" ends 78 --set kafka.bootstrap-servers=embedded dlq list
tap_check "are inside the node" errs '^rushctl: kafka.bootstrap-servers is embedded'
good='--discount 1 --count 1'
tap_check "--name is needed" refuses '--name' coupon create --discount 1 --count 1
# shellcheck disable=SC2086
{
    tap_check "an empty name is none" refuses '--name' coupon create --name '' $good
    tap_check "nor is a control character" refuses '--name' coupon create --name "$(printf 'a\tb')" $good
    tap_check "nor what is no UTF-8" refuses '--name' coupon create --name "$(printf 'a\377')" $good
    tap_check "--id above 0" refuses '--id' coupon create --name a --id 0 $good
    tap_check "--from is a date" refuses '--from' coupon create --name a --from noon $good
    tap_check "--to is later" refuses '--to must be later' coupon create --name a --from 2030-01-02 --to 2030-01-01 $good
    tap_check "later than now" refuses '--to must be later' coupon create --name a --to 2020-01-01 $good
    tap_check "--status is known" refuses '--status' coupon create --name a --status OPEN $good
    tap_check "once" refuses '--name is given twice' coupon create --name a --name b $good
}
tap_check "--discount is needed" refuses '--discount' coupon create --name a --count 1
tap_check "as an amount" refuses '--discount' coupon create --name a --count 1 --discount -1
tap_check "--count is needed" refuses '--count' coupon create --name a --discount 1
tap_check "within 32 bits" refuses '--count' coupon create --name a --discount 1 --count 2147483648

tap_check "an unknown key" ends 78 --set redis.hots=x line 1
tap_check "is named with the nearest one" errs '^rushctl: --set: redis.hots = x: unknown key, the nearest is redis.host'
echo 'server.port = x' >"$work/conf"
tap_check "a wrong value" ends 78 -c "$work/conf" migrate
tap_check "is named with its line" errs "^rushctl: .*conf:1: server.port = x"
tap_check "a file that is not there" ends 78 --config="$work/none" migrate
tap_check "a malformed URL" ends 78 --set datasource.url=mysql://x migrate
tap_check "is named without its text" errs '^rushctl: datasource.url: '
tap_check "PostgreSQL away" ends 69 --wait 1 --set "datasource.url=postgresql:///x?host=$work" migrate
tap_check "is said in a line" errs '^rushctl: PostgreSQL is away (waited 1 s)'
tap_check "Redis away" ends 69 --wait 1 --set "redis.socket=$work/none" line 1
tap_check "is said in a line" errs '^rushctl: Redis is away (waited 1 s)'
if [ -c /dev/full ]; then
    "$rushctl" --help >/dev/full 2>"$work/err"
    tap_check "output that cannot be written is an error" tap_is $? 74
fi

# The page has each command under its words and each option of the helps.
sed 's/\\-/-/g; s/" *\([A-Z]*\)"/ \1/g; s/"//g' "$srcdir/etc/man/rushctl.8" >"$work/page"
missing=
while read -r first second rest; do
    case $second in [a-z]*) ;; *) second= ;; esac
    case $second in *'|'*) second= ;; esac
    grep -q "^\.\(B\|BI\|BR\) *$first${second:+ $second}\( \|$\)" "$work/page" || missing="$missing $first $second"
done <"$work/commands"
tap_check "rushctl(8) has every command" tap_is "$missing" ""
{
    "$rushctl" --help
    while read -r first second rest; do
        case $second in [a-z]*) ;; *) second= ;; esac
        case $second in *'|'*) second=all ;; esac
        # shellcheck disable=SC2086
        "$rushctl" $first $second --help
    done <"$work/commands"
} | grep -o -e '--[a-z][a-z-]*' | sort -u >"$work/options"
grep -o -e '--[a-z][a-z-]*' "$work/page" | sort -u >"$work/page.options"
tap_check "and every option" tap_is "$(comm -23 "$work/options" "$work/page.options" | tr '\n' ' ')" ""
tap_plan
