# Turns the output of `rushd --sample-config` into the entries of rushd.conf(5): each key with its default, what it means
# and what it accepts. Blocks are: comment lines (meaning, last one the accepted values), then "#key = value".
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^['.]/) text = "\\&" text
    return text
}
/^$/ { lines = 0; next }
/^# / { line[++lines] = substr($0, 3); next }
/^#[^ ]/ {
    key = value = substr($0, 2)
    sub(/ =.*/, "", key)
    sub(/^[^ ]* =? ?/, "", value)
    print ".TP"
    if (value == "") print ".B " roff(key)
    else print ".BR \"" roff(key) "\" \" = " roff(value) "\""
    for (i = 1; i <= lines; i++) print roff(line[i])
    next
}
