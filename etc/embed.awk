# Turn text files into one C array, so that a program carries them.
#
#   awk -v array=schema_files -v include=store/embed.h -f embed.awk FILE... > out.c
#
# Makes `const struct embed_file ARRAY[]`: an entry per FILE in the order given, named by the last part of its path,
# and an empty one that ends the array. Each line becomes one string literal with its newline. POSIX awk: bytes beyond
# ASCII pass as they are, so the locale and the awk do not matter.

function finish()
{
    if (!open)
        return
    if (!lines)
        print "        \"\""
    print "    },"
    open = 0
}

function start(path)
{
    finish()
    name = path
    sub(/^.*\//, "", name)
    print "    {"
    printf "        \"%s\",\n", name
    open = 1
    lines = 0
}

BEGIN {
    if (array == "" || include == "") {
        print "embed.awk: array and include must be set" > "/dev/stderr"
        failed = 1
        exit 1
    }
    print "/* Made by etc/embed.awk. */"
    printf "#include \"%s\"\n\n", include
    printf "const struct embed_file %s[] = {\n", array
    # Empty files have no record of their own: walk over the arguments to find them.
    next_arg = 1
}

FNR == 1 {
    while (next_arg < ARGC && ARGV[next_arg] != FILENAME)
        start(ARGV[next_arg++])
    next_arg++
    start(FILENAME)
}

{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\"")
    gsub(/\t/, "\\t")
    gsub(/\r/, "\\r")
    gsub(/\?\?/, "?\\?")
    printf "        \"%s\\n\"\n", $0
    lines++
}

END {
    if (failed)
        exit 1
    while (next_arg < ARGC)
        start(ARGV[next_arg++])
    finish()
    print "    {0, 0},"
    print "};"
}
