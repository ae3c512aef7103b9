# Reads C sources and prints one line "RULE<tab>FILE:LINE: what" per offence. POSIX awk; run from the top of the tree.
#
# Comments and texts are taken out before anything is looked for. Braces tell where functions begin and end: the body's
# are in column 1 and alone, as clang-format puts them.
#
# A comment with "long:" and a reason at the head of a file or function lifts the limit of its length; one with "allowed:"
# and a reason on the line of a call lifts the ban.

function report(rule, line, what) { printf "%s\t%s:%d: %s\n", rule, file, line, what }

# The code of a line. Sets commented if there is part of a comment, adds its text to remark.
function code_of(line,    out, c, two, i, n, quote) {
    out = ""
    commented = in_comment
    n = length(line)
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
            if (two == "*/") { in_comment = 0; i++ } else remark = remark c
        } else if (quote != "") {
            if (c == "\\") i++
            else if (c == quote) { out = out c; quote = "" }
        } else if (two == "/*") {
            in_comment = commented = 1
            out = out " "
            i++
        } else if (two == "//") {
            commented = 1
            remark = remark substr(line, i + 2)
            i = n
        } else {
            if (c == "\"" || c == "'") quote = c
            out = out c
        }
    }
    return out
}

function ban(names, where,    list, n, i) {
    n = split(names, list, " ")
    for (i = 1; i <= n; i++) banned[list[i]] = where
}

function library(prefix, folders) { libraries[prefix] = " " folders " " }

BEGIN {
    # Low to high. Folders of the same rank do not see each other, except that rushctl uses the configuration of app.
    n = split("base 0 loop 1 msg 2 pg 3 redis 3 kafka 3 http 3 store 4 service 5 api 6 app 7 ctl 8", word, " ")
    for (i = 1; i < n; i += 2) rank[word[i]] = word[i + 1]

    library("libpq-fe.h", "pg")
    library("libpq/", "pg")
    library("hiredis/", "redis")
    library("librdkafka/", "kafka")
    library("event2/", "loop pg redis kafka http")
    library("curl/", "http")
    library("jansson.h", "msg kafka")
    library("systemd/", "loop")

    nowhere = "^$"
    ban("sleep usleep nanosleep system popen gethostbyname getaddrinfo getnameinfo", nowhere)
    ban("strtok sprintf vsprintf strcpy strcat gets atoi atol atoll atof", nowhere)
    ban("PQexec PQexecParams PQprepare PQexecPrepared PQdescribePrepared PQconnectdb PQconnectdbParams PQsetdbLogin", nowhere)
    ban("PQreset PQping PQpingParams PQcancel", nowhere)
    ban("PQgetResult", "^src/pg/")
    ban("rd_kafka_flush rd_kafka_commit rd_kafka_commit_message rd_kafka_consumer_close rd_kafka_metadata", nowhere)
    ban("rd_kafka_committed rd_kafka_query_watermark_offsets rd_kafka_offsets_for_times rd_kafka_list_groups", nowhere)
    ban("rd_kafka_seek rd_kafka_seek_partitions rd_kafka_position_by_query", nowhere)
    ban("rd_kafka_destroy", "^src/kafka/kafka_(reaper|embedded)[.]c$")
    ban("malloc calloc realloc reallocarray strdup strndup asprintf vasprintf free", "^src/base/(base|mem)[.]c$")
    ban("time gettimeofday clock_gettime", "^src/(base/clock[.]c$|loop/)")
    ban("rand srand rand_r random srandom drand48 srand48", "^src/base/random[.]c$")
}

FNR == 1 { end_of_file(); begin_file() }

function begin_file(    part) {
    file = FILENAME
    in_comment = depth = in_macro = 0
    remark = head = statement = signature = previous_remark = ""
    block_commented = first_comment_done = file_long = 0
    split(file, part, "/")
    in_src = part[1] == "src"
    folder = part[2]
    is_header = file ~ /[.]h$/
    last_line = 0
}

function end_of_file() {
    if (file != "" && last_line > 800 && !file_long)
        report("length", 801, "the file has " last_line " lines, the limit is 800")
}
END { end_of_file() }

{
    last_line = FNR
    remark_before = remark
    remark = ""
    code = code_of($0)
    remark = remark (commented ? " " : "")
    if (!first_comment_done) {
        if (remark ~ /long:/) file_long = 1
        if (code ~ /[^ \t]/) first_comment_done = 1
    }
    if (in_src) {
        check_include()
        check_calls()
    }
    check_functions()
    if (in_src && is_header) check_declarations()
}

function check_include(    target, name, prefix) {
    if ($0 !~ /^[ \t]*#[ \t]*include[ \t]+["<]/) return
    name = $0
    sub(/^[^"<]*["<]/, "", name)
    sub(/[">].*/, "", name)
    if ($0 ~ /include[ \t]+"/) {
        target = name
        if (!sub(/\/.*/, "", target)) {
            if (name != "config.h") report("layers", FNR, "include \"" name "\" by its folder")
        } else if (!(target in rank)) {
            report("layers", FNR, "\"" name "\" is in no folder of the house")
        } else if (target != folder && rank[target] >= rank[folder]) {
            report("layers", FNR, folder " may not include \"" name "\"")
        }
    }
    for (prefix in libraries)
        if (index(name, prefix) == 1 && !index(libraries[prefix], " " folder " "))
            report("layers", FNR, folder " may not include <" name ">")
}

function check_calls(    rest, name, before) {
    rest = code
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
        name = substr(rest, RSTART, RLENGTH - 1)
        sub(/[ \t]+$/, "", name)
        rest = substr(rest, RSTART + RLENGTH)
        if ((name in banned) && before !~ /[.>]/ && file !~ banned[name] && remark !~ /allowed: *[^ ]/)
            report("calls", FNR, name "()")
    }
}

# A function runs from its signature, the text since the last blank line, ; or } in column 1, to } in column 1.
function check_functions() {
    if (body_start) {
        if ($0 ~ /^}/) {
            if (in_src && FNR - body_start + 1 > 60 && head !~ /long:/)
                report("length", body_start, "the function has " (FNR - body_start + 1) " lines, the limit is 60")
            body_start = 0
            head = ""
            signature_start = 0
        }
        return
    }
    if ($0 ~ /^{/ && signature_start) {
        body_start = signature_start
        return
    }
    if (code !~ /[^ \t]/) {
        if (commented) head = head remark
        else { head = ""; signature_start = 0 }
        return
    }
    if (code ~ /^[A-Za-z_]/ && !signature_start) signature_start = FNR
    if (code ~ /[;}][ \t]*$/ || code ~ /^#/ || code ~ /{[ \t]*$/) { signature_start = 0; head = "" }
}

# A declared function has a comment on its lines, or above it without a blank line in between. Comments inside a struct
# are its members'.
function check_declarations(    text, name) {
    if (in_macro || code ~ /^[ \t]*#/) {
        in_macro = $0 ~ /\\$/
        if (commented) block_commented = 1
        return
    }
    if ($0 ~ /^[ \t]*$/ && depth == 0) { block_commented = 0; statement = ""; return }
    if (commented && depth == 0) block_commented = 1
    text = code
    if (depth == 0 && statement == "") statement_line = FNR
    while (text != "") {
        if (!match(text, /[{};]/)) {
            if (depth == 0) statement = statement " " text
            break
        }
        if (depth == 0) statement = statement " " substr(text, 1, RSTART - 1)
        c = substr(text, RSTART, 1)
        text = substr(text, RSTART + 1)
        if (c == "{") depth++
        else if (c == "}") {
            depth--
            if (depth == 0) ended_struct = statement !~ /\)[ \t]*$/
            if (depth == 0 && !ended_struct) finish_declaration()
        } else if (depth == 0) {
            if (ended_struct) { ended_struct = 0; statement = "" }
            else finish_declaration()
        }
    }
    if (statement !~ /[^ \t]/) statement = ""
}

function finish_declaration(    name) {
    if (statement !~ /^[ \t]*typedef/ && statement !~ /=/ && match(statement, /[ *][a-z_][a-z0-9_]*\(/)) {
        name = substr(statement, RSTART + 1, RLENGTH - 2)
        if (name != "__attribute__" && name !~ /^_Static_assert/ && !block_commented)
            report("headers", statement_line, name "() has no comment")
    }
    statement = ""
}
