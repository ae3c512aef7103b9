/* The frame of rushctl's commands: waiting for the end of a call, and what its error means for the exit status. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "loop/loop.h"

#define CTL_TIMEOUT "NO_ANSWER" /* no code of a service */

static bool is_done(void *arg)
{
    const struct ctl *c = arg;
    return c->done;
}

bool ctl_wait_on(struct ctl *c, int64_t timeout_ms)
{
    bool in_time = loop_run_until(c->loop, is_done, c, timeout_ms);
    c->done = false;
    if (!in_time)
        error_set(&c->error, ERROR_UNKNOWN, CTL_TIMEOUT, "no answer within %lld s",
                  (long long)(timeout_ms / 1000));
    if (c->error.kind == ERROR_NONE)
        return true;
    fprintf(stderr, "rushctl: %s%s\n",
            c->error.kind == ERROR_UNKNOWN ? "it may or may not have been done: " : "", c->error.text);
    return false;
}

bool ctl_wait(struct ctl *c, int64_t timeout_ms)
{
    bool ok = ctl_wait_on(c, timeout_ms);
    if (!ok && ctl_timed_out(c))
        ctl_leave(c);
    return ok;
}

bool ctl_timed_out(const struct ctl *c)
{
    return strcmp(c->error.code, CTL_TIMEOUT) == 0;
}

void ctl_leave(const struct ctl *c)
{
    fflush(stdout);
    exit(ctl_status(c));
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

void ctl_print_json(struct buf *json)
{
    puts(buf_str(json));
    buf_free(json);
}
