/* The registry as Prometheus text. */
#include "base/metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Append a name, every byte that Prometheus does not take as '_'. */
static void put_name(const char *name, struct buf *out)
{
    if (name[0] >= '0' && name[0] <= '9')
        buf_puts(out, "m_");
    for (; *name; name++)
        buf_putc(out, is_name_byte(*name) ? *name : '_');
}

/* Append "_suffix" unless the name ends in it already. */
static void put_suffix(const char *suffix, struct buf *out)
{
    size_t n = strlen(suffix);
    if (out->len > n && out->data[out->len - n - 1] == '_' &&
        memcmp(out->data + out->len - n, suffix, n) == 0)
        return;
    buf_putc(out, '_');
    put_name(suffix, out);
}

void metric_prometheus_name(const struct metric_def *def, struct buf *out)
{
    buf_clear(out);
    put_name(def->name, out);
    const char *unit = def->type == METRIC_TIMER ? "seconds" : def->unit;
    if (unit && *unit)
        put_suffix(unit, out);
    if (def->type == METRIC_COUNTER)
        put_suffix("total", out);
}

/* The shortest text that reads back as the same number. */
static void put_number(double v, struct buf *out)
{
    char text[40];
    if (isnan(v)) {
        buf_puts(out, "NaN");
        return;
    }
    if (isinf(v)) {
        buf_puts(out, v > 0 ? "+Inf" : "-Inf");
        return;
    }
    snprintf(text, sizeof(text), "%.15g", v);
    if (strtod(text, NULL) != v)
        snprintf(text, sizeof(text), "%.17g", v);
    buf_puts(out, text);
}

static void put_escaped(const char *text, bool quote, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '\\' || (quote && *text == '"'))
            buf_printf(out, "\\%c", *text);
        else
            buf_putc(out, *text);
    }
}

static void put_header(const struct metric_def *def, const char *name, const char *suffix, const char *type,
                       struct buf *out)
{
    buf_printf(out, "# HELP %s%s ", name, suffix);
    put_escaped(def->help ? def->help : "", false, out);
    buf_printf(out, "\n# TYPE %s%s %s\n", name, suffix, type);
}

/* Append "name_suffix{labels} value". le is the bound of a bucket, or NULL. */
static void put_sample(const struct metric_def *def, const struct metric_series *s, const char *name,
                       const char *suffix, const double *le, double value, struct buf *out)
{
    buf_printf(out, "%s%s", name, suffix);
    const char *separator = "{";
    for (size_t i = 0; i < METRIC_MAX_LABELS && def->labels[i]; i++) {
        buf_puts(out, separator);
        put_name(def->labels[i], out);
        buf_puts(out, "=\"");
        put_escaped(metric_label_value(s, i), true, out);
        buf_putc(out, '"');
        separator = ",";
    }
    if (le) {
        buf_printf(out, "%sle=\"", separator);
        put_number(*le, out);
        buf_putc(out, '"');
        separator = ",";
    }
    buf_puts(out, *separator == ',' ? "} " : " ");
    put_number(value, out);
    buf_putc(out, '\n');
}

static void print_distribution(const struct metric *m, const char *name, struct buf *out)
{
    const struct metric_def *def = metric_def_of(m);
    const double infinity = INFINITY;
    struct metric_series *s = metric_series_next(m, NULL);
    struct metric_value v;
    metric_read(s, &v);
    put_header(def, name, "", v.nbuckets ? "histogram" : "summary", out);
    for (; s; s = metric_series_next(m, s)) {
        metric_read(s, &v);
        for (size_t i = 0; i < v.nbuckets; i++)
            put_sample(def, s, name, "_bucket", &v.bounds[i], (double)v.cumulative[i], out);
        if (v.nbuckets)
            put_sample(def, s, name, "_bucket", &infinity, (double)v.count, out);
        put_sample(def, s, name, "_count", NULL, (double)v.count, out);
        put_sample(def, s, name, "_sum", NULL, v.sum, out);
    }
    put_header(def, name, "_max", "gauge", out);
    for (s = metric_series_next(m, NULL); s; s = metric_series_next(m, s)) {
        metric_read(s, &v);
        put_sample(def, s, name, "_max", NULL, v.max, out);
    }
}

static void print_plain(const struct metric *m, const char *name, struct buf *out)
{
    const struct metric_def *def = metric_def_of(m);
    put_header(def, name, "", def->type == METRIC_COUNTER ? "counter" : "gauge", out);
    for (struct metric_series *s = metric_series_next(m, NULL); s; s = metric_series_next(m, s)) {
        struct metric_value v;
        metric_read(s, &v);
        put_sample(def, s, name, "", NULL, v.value, out);
    }
}

void metric_print_prometheus(struct buf *out)
{
    struct buf name = BUF_INIT;
    for (struct metric *m = metric_next(NULL); m; m = metric_next(m)) {
        if (!metric_series_next(m, NULL))
            continue;
        const struct metric_def *def = metric_def_of(m);
        metric_prometheus_name(def, &name);
        if (def->type == METRIC_TIMER || def->type == METRIC_SUMMARY)
            print_distribution(m, buf_str(&name), out);
        else
            print_plain(m, buf_str(&name), out);
    }
    buf_free(&name);
}
