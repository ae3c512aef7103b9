/* Arguments of commands: options, operands, and what they may be. */
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "ctl/ctl.h"
#include "msg/msg_date.h"

int ctl_usage_error(const struct ctl *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("rushctl: ", stderr);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nUsage: rushctl [-c FILE] [--set KEY=VALUE]... %s\n", c->usage);
    return EX_USAGE;
}

/* The option that text is, with its inline value if it has one. */
static const struct ctl_option *find_option(const struct ctl_option *options, const char *text,
                                            const char **inline_value)
{
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    *inline_value = equals ? equals + 1 : NULL;
    for (; options->name; options++)
        if (strlen(options->name) == n && strncmp(options->name, text, n) == 0)
            return options;
    return NULL;
}

bool ctl_take_option(const struct ctl *c, const struct ctl_option *options, int *i)
{
    const char *value;
    const struct ctl_option *o = find_option(options, c->argv[*i], &value);
    if (!o || (o->switch_on && value)) {
        ctl_usage_error(c, "unknown option: %s", c->argv[*i]);
        return false;
    }
    if (o->switch_on) {
        *o->switch_on = true;
        return true;
    }
    if (*o->value) {
        ctl_usage_error(c, "%s is given twice", o->name);
        return false;
    }
    if (!value && *i + 1 == c->argc) {
        ctl_usage_error(c, "%s needs a value", o->name);
        return false;
    }
    *o->value = value ? value : c->argv[++*i];
    return true;
}

bool ctl_options(struct ctl *c, const struct ctl_option *options)
{
    int kept = 0, i = 0;
    for (; i < c->argc && strcmp(c->argv[i], "--") != 0; i++) {
        if (c->argv[i][0] != '-')
            c->argv[kept++] = c->argv[i];
        else if (!ctl_take_option(c, options, &i))
            return false;
    }
    for (i++; i < c->argc; i++)
        c->argv[kept++] = c->argv[i];
    c->argc = kept;
    return true;
}

bool ctl_operands(const struct ctl *c, int n)
{
    if (c->argc == n)
        return true;
    if (c->argc > n)
        ctl_usage_error(c, "unexpected argument: %s", c->argv[n]);
    else
        ctl_usage_error(c, "an argument is missing");
    return false;
}

bool ctl_number(const struct ctl *c, const char *what, const char *text, int64_t *out)
{
    return ctl_number_between(c, what, text, 1, INT64_MAX, out);
}

bool ctl_number_between(const struct ctl *c, const char *what, const char *text, int64_t min, int64_t max,
                        int64_t *out)
{
    int64_t v;
    if (text && str_to_i64(text, strlen(text), &v) && v >= min && v <= max) {
        *out = v;
        return true;
    }
    if (max == INT64_MAX)
        ctl_usage_error(c, "%s: a whole number of at least %lld is needed", what, (long long)min);
    else
        ctl_usage_error(c, "%s: a whole number from %lld to %lld is needed", what, (long long)min,
                        (long long)max);
    return false;
}

bool ctl_money(const struct ctl *c, const char *what, const char *text, money *out)
{
    money v;
    if (text && money_parse(text, strlen(text), &v) && v >= 0) {
        *out = v;
        return true;
    }
    ctl_usage_error(c, "%s: an amount of at least 0 with at most two decimals is needed", what);
    return false;
}

bool ctl_time(const struct ctl *c, const char *what, const char *text, bool end_of_day, int64_t *us)
{
    size_t n = strlen(text);
    int64_t day;
    if (msg_date_day_parse(text, n, &day)) {
        *us = msg_date_day_start(day + (end_of_day ? 1 : 0));
        return true;
    }
    if (msg_date_parse(text, n, us))
        return true;
    ctl_usage_error(c, "%s: a date such as 2026-11-23T12:00:00, with an offset or local, or a day is needed",
                    what);
    return false;
}
