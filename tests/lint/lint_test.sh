#!/bin/sh
# Each rule of lint.sh on a small tree of its own: silent when the tree is in order, one line where it is not. TAP.
set -u
srcdir=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lint_test.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
number=0 failed=0

# A tree without faults in $tmp/tree.
tree() {
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/src/base" "$tmp/tree/src/pg" "$tmp/tree/src/redis" "$tmp/tree/src/store" "$tmp/tree/tests/lint"
    cp "$srcdir/tests/lint/lint.sh" "$srcdir/tests/lint/code.awk" "$tmp/tree/tests/lint/"
    cd "$tmp/tree" || exit 1
    for folder in base pg redis store; do echo "$folder: a folder." >src/$folder/README; done
    cat >src/base/str.h <<'END'
/* Text. "sleep(1)" in a comment or text is no call. */
#ifndef STR_H
#define STR_H

#include <stddef.h>

#define TWICE(x)                                                                                             \
    do {                                                                                                     \
        (x);                                                                                                 \
        (x);                                                                                                 \
    } while (0)

/* A list; its functions come in groups. */
struct str {
    void (*each)(void *arg);
    size_t n;
};
void str_each(struct str *s);

typedef void str_fn(void *arg);

/* Both take bytes. */
int str_one(const char *s);
int str_two(const char *s,
            size_t n);

int str_three(void); /* on its line */
static inline int str_four(void) /* with a body */
{
    return 4;
}

#endif
END
    cat >src/store/order.c <<'END'
/* Orders. */
#include "base/str.h"

#include <stdlib.h>

int order(struct str *s)
{
    const char *text = "time(NULL), free(p) and \"gets(p)\" /* ";
    s->each((void *)text); // system("no");
    return 0;
}
END
    printf 'SOURCES = src/base/str.h \\\n\tsrc/store/order.c\nEXTRA_DIST = tests/lint \\\n' >src/include.am
    for folder in base pg redis store; do echo "	src/$folder/README \\" >>src/include.am; done
    echo >>src/include.am
}

lint() {
    CLANG_FORMAT=${1:-:} RUSHD_SKIPS_AS_FAILS=${2:-} sh tests/lint/lint.sh . >"$tmp/out" 2>&1
}

# expect NAME RULE LINE: rule RULE fails, and LINE is the only offence.
expect() {
    number=$((number + 1))
    lint
    grep '^# ' "$tmp/out" >"$tmp/got"
    echo "# $3" >"$tmp/wanted"
    if grep -q "^not ok [0-9]* - $2\$" "$tmp/out" && cmp -s "$tmp/got" "$tmp/wanted"; then
        echo "ok $number - $1"
    else
        failed=1
        echo "not ok $number - $1"
        sed 's/^/# /' "$tmp/out"
    fi
    tree
}

# in_order NAME: no rule fails.
in_order() {
    number=$((number + 1))
    if lint; then
        echo "ok $number - $1"
    else
        failed=1
        echo "not ok $number - $1"
        sed 's/^/# /' "$tmp/out"
    fi
    tree
}

order() { cat >>src/store/order.c; }

# body N: N lines.
body() { "${AWK:-awk}" -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print "    x++;" }'; }

tree
in_order "a tree in order"

echo '#include "service/flow.h"' | order
expect "a folder to the right" layers 'src/store/order.c:12: store may not include "service/flow.h"'
echo '#include "redis/redis.h"' >src/pg/pg.c
echo 'X = src/pg/pg.c' >>src/include.am
expect "a sibling" layers 'src/pg/pg.c:1: pg may not include "redis/redis.h"'
echo '#include "str.h"' | order
expect "an include without its folder" layers 'src/store/order.c:12: include "str.h" by its folder'
echo '#include <libpq-fe.h>' | order
expect "libpq above pg" layers 'src/store/order.c:12: store may not include <libpq-fe.h>'
echo '  #  include <event2/event.h>' | order
expect "libevent above its folders" layers 'src/store/order.c:12: store may not include <event2/event.h>'
printf '#include <hiredis/hiredis.h>\n' >src/redis/redis.c
printf '#include <libpq-fe.h>\n#include <event2/event.h>\n' >src/pg/pg.c
echo 'X = src/pg/pg.c src/redis/redis.c' >>src/include.am
in_order "libraries in their folders"

sed '/on its line/s/ *\/\*.*//' src/base/str.h >"$tmp/str.h" && mv "$tmp/str.h" src/base/str.h
expect "a function without a comment" headers 'src/base/str.h:27: str_three() has no comment'
sed 's|^/. A list.*||; s|^    size_t n;|& /* bytes */|' src/base/str.h >"$tmp/str.h" && mv "$tmp/str.h" src/base/str.h
expect "a comment inside a struct is not the next function's" headers 'src/base/str.h:18: str_each() has no comment'

echo 'void f(char *p) { strcpy (p, "x"); }' | order
expect "a banned call" calls 'src/store/order.c:12: strcpy()'
printf 'void f(void)\n{\n    /* a comment */ usleep(1);\n}\n' | order
expect "a banned call behind a comment" calls 'src/store/order.c:14: usleep()'
echo 'void f(char *p) { ops.free(p); ops->time(p); my_sleep(p); }' | order
in_order "members and longer names are other functions"
printf 'void f(char *p)\n{\n    free(p); /* allowed: the library allocated it */\n}\n' | order
in_order "a ban that is lifted with a reason"
printf 'void f(char *p)\n{\n    free(p); /* allowed: */\n}\n' | order
expect "a ban that is lifted without a reason" calls 'src/store/order.c:14: free()'

{ printf 'int f(int x,\n      int y)\n{\n'; body 57; printf '}\n'; } | order
expect "a function of 61 lines" length 'src/store/order.c:12: the function has 61 lines, the limit is 60'
{ printf 'int f(int x)\n{\n'; body 57; printf '}\n'; } | order
in_order "a function of 60 lines"
{ printf '/* long: one\n * table */\nint f(int x)\n{\n'; body 100; printf '}\n'; } | order
in_order "a long function with a reason"
{ printf '/* long: one table */\nint f(int x);\n\nint f(int x)\n{\n'; body 100; printf '}\n'; } | order
expect "the reason of another function" length 'src/store/order.c:15: the function has 103 lines, the limit is 60'
{ printf 'static const int table[] = {\n'; body 100; printf '};\n'; } | order
in_order "a long table is no function"
body 800 | order
expect "a file of 811 lines" length 'src/store/order.c:801: the file has 811 lines, the limit is 800'
{ echo '/* Orders. long: they come in a table. */'; body 800; } >src/store/order.c
in_order "a long file with a reason"

echo "/* TO""DO: later */" | order
expect "something unfinished" words "src/store/order.c:12:/* TO""DO: later */"
printf '/* caf\351 */\n' | order
expect "Latin-1" text 'src/store/order.c:1: is not UTF-8'
printf 'int x; \n' | order
expect "trailing blanks" text 'src/store/order.c:12: trailing blanks'
printf 'int x;' | order
expect "no newline at the end" text 'src/store/order.c:11: no newline at the end'
rm src/pg/README
expect "a folder without README" readme 'src/pg/README:1: is missing'
echo 'int x;' >src/store/extra.c
expect "a file that is not listed" listed 'src/store/extra.c:1: is in no include.am'

cat >"$tmp/formatter" <<'END'
#!/bin/sh
echo "src/base/str.h:3:1: error: code should be clang-formatted [-Wclang-format-violations]" >&2
END
chmod +x "$tmp/formatter"
number=$((number + 1))
if ! lint "$tmp/formatter" && grep -q '^# src/base/str.h:3:1: not formatted' "$tmp/out"; then
    echo "ok $number - a file that is not formatted"
else
    failed=1
    echo "not ok $number - a file that is not formatted"
fi
number=$((number + 1))
if lint : && grep -q 'format # SKIP' "$tmp/out" && ! lint : 1 && grep -q '^not ok [0-9]* - format' "$tmp/out"; then
    echo "ok $number - without clang-format a skip, or a failure where skips are"
else
    failed=1
    echo "not ok $number - without clang-format a skip, or a failure where skips are"
fi
echo "1..$number"
exit "$failed"
