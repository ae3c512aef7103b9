# The rows of tests/bench/scale.sh as a table (standard output), JSON and curves.
#
# Fields: case, unit, size, operations, us of CPU per operation of rushd, PostgreSQL, Redis and in all, rate, p99 ms, MiB of rushd.
# -v unit= rows of size 1, limit= growth beyond the logarithm's that is let through, machine= json= html= files to write.

function logarithm(k) { return log(k * unit) }

# What growth says: the cost per operation may grow as the logarithm of the size does, times the limit. Costs below FLOOR us are
# noise of the clock.
function verdict(c,    first, last, allowed) {
    first = cost[c, 1]
    last = cost[c, n[c]]
    allowed = limit * logarithm(size[c, n[c]]) / logarithm(size[c, 1])
    if (n[c] < 2)
        return "-"
    if (last - first < (unit_of[c] == "second" ? 5000 : FLOOR))
        return "flat"
    return last <= 1.25 * first ? "flat" : last <= allowed * first ? "logarithmic" : "WORSE"
}

function growth(c) { return n[c] > 1 && cost[c, 1] > 0 ? cost[c, n[c]] / cost[c, 1] : 0 }

function shown(v) { return v >= 100 ? sprintf("%.0f", v) : sprintf("%.1f", v) }

# One curve: the logarithm of the size across, us per operation up; the parts stand on each other.
function curve(c,    i, j, x, top, y, points, base) {
    top = 0
    for (i = 1; i <= n[c]; i++)
        top = cost[c, i] > top ? cost[c, i] : top
    top = top > 0 ? top : 1
    printf "<figure><figcaption><b>%s</b>, us of CPU per %s: %s</figcaption><svg width=\"340\" height=\"190\" viewBox=\"0 0 340 190\">", c, unit_of[c], verdict(c) >html
    for (j = 3; j >= 1; j--) {
        points = base = ""
        for (i = 1; i <= n[c]; i++) {
            x = n[c] > 1 ? 60 + 250 * (log(size[c, i]) - log(size[c, 1])) / (log(size[c, n[c]]) - log(size[c, 1])) : 60
            y = 160 - 140 * upto(c, i, j) / top
            points = points sprintf("%.1f,%.1f ", x, y)
            if (j == 3)
                printf "<text x=\"%.1f\" y=\"178\" text-anchor=\"middle\">x%s</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>", x, size[c, i], x, y - 5, shown(cost[c, i]) >html
        }
        printf "<polygon points=\"60,160 %s%.1f,160\" fill=\"%s\"/>", points, x, color[j] >html
    }
    print "<line x1=\"60\" y1=\"160\" x2=\"310\" y2=\"160\" stroke=\"#333\"/></svg></figure>" >html
}

function upto(c, i, j,    v) {
    v = part[c, i, 1]
    if (j > 1)
        v += part[c, i, 2]
    if (j > 2)
        v += part[c, i, 3]
    return v
}

BEGIN {
    FS = "|"
    FLOOR = 5
    color[1] = "#4a8"
    color[2] = "#48c"
    color[3] = "#c64"
}

{
    if (!($1 in n))
        order[++cases] = $1
    i = ++n[$1]
    unit_of[$1] = $2
    size[$1, i] = $3
    count[$1, i] = $4
    for (j = 1; j <= 3; j++)
        part[$1, i, j] = $(4 + j)
    cost[$1, i] = $8
    rate[$1, i] = $9
    p99[$1, i] = $10
    rss[$1, i] = $11
}

END {
    printf "\n%s\nus of CPU per operation; a size is so many units of %d\n\n", machine, unit
    printf "%-16s %-14s %5s %9s %9s %9s %9s %9s %9s %7s  %s\n", "case", "operation", "size", "count", "rushd", "postgres", "redis", "all", "rate/s", "MiB", "growth"
    printf "{\"machine\":\"%s\",\"unit\":%d,\"cases\":[", machine, unit >json
    print "<!DOCTYPE html><meta charset=\"utf-8\"><title>rushd: growth</title><style>body{font:14px sans-serif;margin:2em}figure{display:inline-block;margin:.5em}svg{font-size:11px}i{padding:0 .6em;margin:0 .4em}</style>" >html
    printf "<h1>rushd: cost per operation as the shop grows</h1><p>%s. Size 1 is %d of each; CPU time, not time on the clock.</p>", machine, unit >html
    printf "<p><i style=\"background:%s\"></i>rushd<i style=\"background:%s\"></i>PostgreSQL<i style=\"background:%s\"></i>Redis</p>", color[1], color[2], color[3] >html
    for (o = 1; o <= cases; o++) {
        c = order[o]
        printf "%s{\"case\":\"%s\",\"unit\":\"%s\",\"growth\":%.2f,\"verdict\":\"%s\",\"sizes\":[", (o > 1 ? "," : ""), c, unit_of[c], growth(c), verdict(c) >json
        for (i = 1; i <= n[c]; i++) {
            printf "%-16s %-14s %5s %9d %9s %9s %9s %9s %9s %7s", c, unit_of[c], "x" size[c, i], count[c, i], shown(part[c, i, 1]), shown(part[c, i, 2]), shown(part[c, i, 3]), shown(cost[c, i]), rate[c, i], rss[c, i]
            if (i == n[c])
                printf "  %.2f %s", growth(c), verdict(c)
            printf "\n"
            printf "%s{\"size\":%s,\"operations\":%d,\"rushdUs\":%s,\"postgresUs\":%s,\"redisUs\":%s,\"us\":%s,\"rate\":%s,\"p99\":\"%s\",\"rssMiB\":%s}", (i > 1 ? "," : ""), size[c, i], count[c, i], part[c, i, 1], part[c, i, 2], part[c, i, 3], cost[c, i], rate[c, i], p99[c, i], rss[c, i] >json
        }
        printf "]}" >json
        curve(c)
    }
    print "]}" >json
}
