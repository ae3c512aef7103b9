#!/bin/sh
# `make check-lint`: what can be seen in the text of the sources. Prints TAP, one test per rule, with file and line of each
# offence. tests/lint/lint_test.sh proves that each rule bites.
#
#   layers    a folder includes itself and what stands to its left; library headers stay in their folders
#   headers   each function declared in a header of src has a comment
#   calls     nothing that blocks, is unsafe, or goes past base's memory, clock and randomness
#   length    files of at most 800 lines, functions of src of at most 60
#   format    clang-format agrees (CLANG_FORMAT, the pinned version)
#   words     nothing is marked as unfinished
#   text      UTF-8, no trailing blanks, a newline at the end
#   readme    each folder of src has a README
#   listed    each file is named in an include.am
#
#   tests/lint/lint.sh SRCDIR
set -u
cd "$1" || exit 1
: "${AWK:=awk}" "${CLANG_FORMAT:=clang-format-14}"
LC_ALL=C
export LC_ALL

tmp=$(mktemp -d "${TMPDIR:-/tmp}/lint.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# Every file of the tree that somebody wrote. Generated files stand in no version control; a release archive has none.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1 && [ -z "$(git rev-parse --show-prefix)" ]; then
    git ls-files -co --exclude-standard >"$tmp/all"
else
    find . -type f \( -name '*.[ch]' -o -name '*.am' -o -name '*.lua' -o -name '*.sql' -o -name '*.awk' -o -name '*.sh' \
        -o -name '*.py' -o -name '*.md' -o -name README \) | sed 's|^\./||' >"$tmp/all"
fi
# Deleted in the work tree but not yet in the index; fuzzers' inputs are bytes, not text.
grep -v '^tests/.*corpus/' "$tmp/all" | sort | while IFS= read -r file; do
    if [ -f "$file" ] && [ ! -L "$file" ]; then printf '%s\n' "$file"; fi
done >"$tmp/files"
grep '^\(src\|tests\)/.*\.[ch]$' "$tmp/files" >"$tmp/c"

# in_files LIST COMMAND...: run COMMAND with the files of a list.
in_files() {
    in_files_list=$1
    shift
    tr '\n' '\0' <"$in_files_list" | xargs -0 "$@"
}

[ ! -s "$tmp/c" ] || in_files "$tmp/c" "$AWK" -f tests/lint/code.awk >"$tmp/code" || exit 1
for rule in layers headers calls length; do
    sed -n "s/^$rule	//p" "$tmp/code" >"$tmp/$rule"
done

# ------------------------------------------------------------------------------------------------ format
format_skip=
if [ "$CLANG_FORMAT" = : ] || ! command -v "$CLANG_FORMAT" >/dev/null 2>&1; then
    format_skip="clang-format 14 is not installed"
elif [ -s "$tmp/c" ]; then
    in_files "$tmp/c" "$CLANG_FORMAT" --dry-run -Werror --style=file 2>&1 | grep ': error:' |
        sed 's/: error: code should be clang-formatted.*/: not formatted/' >"$tmp/format"
fi

# ------------------------------------------------------------------------------------------------- words
# Spelled so that this file does not find itself.
words='TO''DO\|FIX''ME\|X''XX\|HA''CK'
in_files "$tmp/files" grep -n "\(^\|[^A-Za-z0-9_]\)\($words\)\([ :(.,]\|\$\)" /dev/null >"$tmp/words"

# -------------------------------------------------------------------------------------------------- text
while IFS= read -r file; do
    [ -s "$file" ] || continue
    iconv -f UTF-8 -t UTF-8 "$file" >/dev/null 2>&1 || echo "$file:1: is not UTF-8"
    [ -z "$(tail -c 1 "$file")" ] || echo "$file:$(wc -l <"$file" | tr -d ' '): no newline at the end"
done <"$tmp/files" >"$tmp/text"
tab=$(printf '\t')
in_files "$tmp/files" grep -n "[ $tab]\$" /dev/null | sed 's/^\([^:]*:[0-9]*\):.*/\1: trailing blanks/' >>"$tmp/text"

# ------------------------------------------------------------------------------------------------ readme
for folder in src/*/; do
    [ ! -d "$folder" ] || [ -f "$folder/README" ] || echo "${folder}README:1: is missing"
done >"$tmp/readme"

# ------------------------------------------------------------------------------------------------ listed
# A file is listed by its own path or by that of a folder above it.
find . -name include.am -o -name Makefile.am | in_files /dev/stdin cat | tr ' \t\\' '\n\n\n' |
    sed 's/^\$(srcdir)\///; s/^\$(top_srcdir)\///; s/^dist_//' >"$tmp/named"
"$AWK" '
    FNR == NR { named[$0] = 1; next }
    !/^(src|tests|etc)\// || /(include\.am|\.gitignore)$/ { next }
    {
        path = $0
        while (!(path in named) && sub(/\/[^\/]*$/, "", path) && path ~ /\//) ;
        if (!(path in named)) print $0 ":1: is in no include.am"
    }' "$tmp/named" "$tmp/files" >"$tmp/listed"

# ------------------------------------------------------------------------------------------------ report
number=0 failed=0
ok() {
    number=$((number + 1))
    echo "ok $number - $1${2:+ # SKIP $2}"
}
not_ok() {
    number=$((number + 1)) failed=1
    echo "not ok $number - $1"
}
for rule in layers headers calls length format words text readme listed; do
    if [ "$rule" = format ] && [ -n "$format_skip" ]; then
        if [ "${RUSHD_SKIPS_AS_FAILS:-}" = 1 ]; then
            not_ok format
            echo "# $format_skip"
        else
            ok format "$format_skip"
        fi
    elif [ -s "$tmp/$rule" ]; then
        not_ok "$rule"
        sed 's/^/# /' "$tmp/$rule"
    else
        ok "$rule"
    fi
done
echo "1..$number"
exit "$failed"
