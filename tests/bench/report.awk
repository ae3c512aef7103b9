# What tests/bench/run.sh measured as one page: the table, each ratio as a bar against its target, the distribution of latencies,
# latency and rate of orders against their load. First file: the plots ("curve|..." and "latency|..."), second: the rows.
function text(x, y, s) { return sprintf("<text x=\"%.1f\" y=\"%.1f\">%s</text>", x, y, s) }
function line(x1, y1, x2, y2, color) {
    return sprintf("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>", x1, y1, x2, y2, color)
}
function color(i) { return "hsl(" (i * 67) % 360 ",60%,42%)" }
# Milliseconds on a logarithmic axis from 0.01 to 10,000.
function log_x(ms) { return 60 + 110 * (log(ms < 0.01 ? 0.01 : ms) / log(10) + 2) }
function log_y(ms) { return 290 - 45 * (log(ms < 0.01 ? 0.01 : ms) / log(10) + 2) }

FNR == 1 { file++ }
file == 1 && $1 == "curve" { n_curve++; share[n_curve] = $2; rate[n_curve] = $3; p50[n_curve] = $4; p99[n_curve] = $5; p999[n_curve] = $6; next }
file == 1 && $1 == "latency" {
    if (!($2 in plot)) {
        plot[$2] = ++n_plot
        plot_name[n_plot] = $2
    }
    k = plot[$2]
    points[k]++
    at[k, points[k]] = $3
    count[k, points[k]] = $4
    total[k] += $4
    next
}
{
    rows = rows "<tr><td>" $1 "<td>" $3 "<td>" $2 "<td>" $4 "<td>" $5 "<td>" $6 "<td>" $12 "<td>" $13 "<td>" $7 "<td>" $8 "<td>" $9 "<td>" $14 "<td>" $10 "<td class=\"" $11 "\">" $11 "<td>" $15 "</tr>\n"
    if ($10 != "-" && $9 != "-") {
        n++
        name[n] = $1
        part[n] = $10 > 0 ? $9 / $10 : 0
    }
}

function bars(   i, w) {
    print "<h2>ratio to the target</h2>"
    printf "<svg width=\"900\" height=\"%d\">", 30 * n + 30
    for (i = 1; i <= n; i++) {
        w = part[i] > 3 ? 600 : part[i] * 200
        printf "%s", text(0, 30 * i - 8, name[i])
        printf "<rect x=\"150\" y=\"%d\" width=\"%d\" height=\"20\" fill=\"%s\"/>", 30 * i - 22, w, (part[i] >= 1 ? "#4a8" : "#c64")
        printf "%s", text(155 + w, 30 * i - 8, sprintf("%.2f", part[i]))
    }
    print line(350, 0, 350, 30 * n + 10, "#333") "</svg>"
}
function distribution(   k, i, seen, d, ms) {
    print "<h2>latency: share of the answers within so many milliseconds</h2><svg width=\"1000\" height=\"340\">"
    for (d = 0; d <= 6; d++) {
        ms = 10 ^ (d - 2)
        print line(log_x(ms), 20, log_x(ms), 300, "#ddd") text(log_x(ms) - 8, 318, ms)
    }
    for (d = 0; d <= 4; d++)
        print line(60, 300 - d * 70, 730, 300 - d * 70, "#ddd") text(10, 304 - d * 70, d * 25 " %")
    for (k = 1; k <= n_plot; k++) {
        printf "<polyline fill=\"none\" stroke=\"%s\" points=\"", color(k)
        seen = 0
        for (i = 1; i <= points[k]; i++) {
            seen += count[k, i]
            printf "%.1f,%.1f ", log_x(at[k, i]), 300 - 280 * seen / total[k]
        }
        printf "\"/><g fill=\"%s\">%s</g>\n", color(k), text(750, 20 + 16 * k, plot_name[k])
    }
    print "</svg>"
}
function curve(   i, d, ms, top, x) {
    print "<h2>orders against load: latency in ms (p50, p99, p99.9) and rate</h2><svg width=\"1000\" height=\"340\">"
    for (d = 1; d <= 6; d++) {
        ms = 10 ^ (d - 2)
        print line(60, log_y(ms), 730, log_y(ms), "#ddd") text(10, log_y(ms) + 4, ms)
    }
    for (i = 1; i <= n_curve; i++)
        if (rate[i] > top)
            top = rate[i]
    printf "<g fill=\"none\" stroke-width=\"2\">"
    for (d = 1; d <= 4; d++) {
        printf "<polyline stroke=\"%s\" points=\"", d == 4 ? "#999" : color(d)
        for (i = 1; i <= n_curve; i++) {
            x = 60 + 6.5 * share[i]
            printf "%.1f,%.1f ", x, d == 1 ? log_y(p50[i]) : d == 2 ? log_y(p99[i]) : d == 3 ? log_y(p999[i]) : 290 - 270 * rate[i] / top
        }
        printf "\"/>"
    }
    print "</g>"
    for (i = 1; i <= n_curve; i++)
        print text(45 + 6.5 * share[i], 318, share[i] " %") text(45 + 6.5 * share[i], 334, sprintf("%.0f/s", rate[i]))
    for (d = 1; d <= 4; d++)
        printf "<g fill=\"%s\">%s</g>", d == 4 ? "#999" : color(d), text(780, 20 + 16 * d, d == 1 ? "p50" : d == 2 ? "p99" : d == 3 ? "p99.9" : "rate")
    print "</svg>"
}
END {
    print "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>rushd benchmark</title>"
    print "<style>body{font:14px sans-serif;margin:2em}svg{font:12px sans-serif}figure{display:inline-block;margin:.5em}figure svg{font-size:11px}i{padding:0 .6em;margin:0 .4em}td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd}.missed{color:#c64}.failed{color:#c00;font-weight:bold}td:first-child,th:first-child{text-align:left}</style>"
    print "<h1>rushd benchmark</h1><p>" machine "</p><table><tr><th>case<th>median<th>unit<th>spread %<th>p50 ms<th>p99 ms<th>p99.9 ms<th>CPU us per answer<th>yardstick<th>its rate<th>ratio<th>spread %<th>target<th><th>steal %</tr>"
    print rows "</table>"
    if (n)
        bars()
    if (n_plot)
        distribution()
    if (n_curve)
        curve()
    for (n = 0; scale && (getline row < scale) > 0; n++) # behind its own head
        if (n)
            print row
    print "</html>"
}
