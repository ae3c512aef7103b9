/* The frame of rushctl's commands. */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/str.h"
#include "loop/loop.h"

static bool is_done(void *arg)
{
    const struct ctl *c = arg;
    return c->done;
}

bool ctl_wait(struct ctl *c, int64_t timeout_ms)
{
    bool in_time = c->done || loop_run_until(c->loop, is_done, c, timeout_ms);
    c->done = false;
    if (!in_time)
        error_set(&c->error, ERROR_RETRIABLE, "TIMEOUT", "no answer within %lld s",
                  (long long)(timeout_ms / 1000));
    if (c->error.kind == ERROR_NONE)
        return true;
    fprintf(stderr, "rushctl: %s\n", c->error.text);
    return false;
}

void ctl_finish(struct ctl *c, const struct error *e)
{
    c->done = true;
    c->error = e ? *e : ERROR_INIT;
}

void ctl_on_done(void *arg, const struct error *e)
{
    ctl_finish(arg, e);
}

int ctl_status(const struct ctl *c)
{
    return c->error.kind == ERROR_RETRIABLE || c->error.kind == ERROR_UNKNOWN ? EX_UNAVAILABLE : 1;
}

int ctl_usage_error(const struct ctl *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("rushctl: ", stderr);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nusage: rushctl [-c FILE] [--set KEY=VALUE]... %s\n", c->usage);
    return EX_USAGE;
}

/* The option that argv[i] is, with its inline value if it has one. */
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

bool ctl_options(struct ctl *c, const struct ctl_option *options)
{
    int kept = 0;
    for (int i = 0; i < c->argc; i++) {
        if (!str_starts_with(c->argv[i], "--")) {
            c->argv[kept++] = c->argv[i];
            continue;
        }
        const char *value;
        const struct ctl_option *o = find_option(options, c->argv[i], &value);
        if (!o || (o->switch_on && value)) {
            ctl_usage_error(c, "unknown option: %s", c->argv[i]);
            return false;
        }
        if (o->switch_on) {
            *o->switch_on = true;
            continue;
        }
        if (!value && i + 1 == c->argc) {
            ctl_usage_error(c, "%s needs a value", o->name);
            return false;
        }
        *o->value = value ? value : c->argv[++i];
    }
    c->argc = kept;
    return true;
}

bool ctl_number(const struct ctl *c, const char *what, const char *text, int64_t *out)
{
    if (text && str_to_i64(text, strlen(text), out) && *out > 0)
        return true;
    ctl_usage_error(c, "%s: a positive number is needed", what);
    return false;
}
