# The rows of tests/bench/run.sh as one page: the table, and each ratio as a bar against its target.
BEGIN {
    print "<!DOCTYPE html><meta charset=\"utf-8\"><title>rushd benchmark</title>"
    print "<style>body{font:14px sans-serif;margin:2em}td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}</style>"
    print "<h1>rushd benchmark</h1><p>" machine "</p><table><tr><th>case<th>median<th>unit<th>spread %<th>p50 ms<th>p99 ms<th>yardstick<th>its rate<th>ratio<th>target</tr>"
}
{
    print "<tr><td>" $1 "<td>" $3 "<td>" $2 "<td>" $4 "<td>" $5 "<td>" $6 "<td>" $7 "<td>" $8 "<td>" $9 "<td>" $10 "</tr>"
    if ($10 != "-") {
        n++
        name[n] = $1
        part[n] = $10 > 0 ? $9 / $10 : 0
    }
}
END {
    print "</table><h2>ratio to the target</h2>"
    printf "<svg width=\"800\" height=\"%d\">", 30 * n + 30
    for (i = 1; i <= n; i++) {
        w = part[i] > 3 ? 600 : part[i] * 200
        printf "<text x=\"0\" y=\"%d\">%s</text>", 30 * i - 8, name[i]
        printf "<rect x=\"150\" y=\"%d\" width=\"%d\" height=\"20\" fill=\"%s\"/>", 30 * i - 22, w, (part[i] >= 1 ? "#4a8" : "#c64")
        printf "<text x=\"%d\" y=\"%d\">%.2f</text>", 155 + w, 30 * i - 8, part[i]
    }
    printf "<line x1=\"350\" x2=\"350\" y1=\"0\" y2=\"%d\" stroke=\"#333\"/></svg>\n", 30 * n + 10
}
