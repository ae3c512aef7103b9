/* Named places where a test build kills the process: what counts is what is stored then. */
#include "base/fault.h"

#ifdef RUSHD_FAULT_POINTS

#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/str.h"

static struct {
    bool read;
    struct slice point; /* empty: none */
    uint64_t left;      /* passes until the end */
} fault;

static void read_environment(void)
{
    const char *text = getenv("RUSHD_FAULT");
    fault.read = true;
    if (!text || !*text)
        return;
    const char *colon = strrchr(text, ':');
    fault.point = (struct slice){text, colon ? (size_t)(colon - text) : strlen(text)};
    fault.left = 1;
    if (colon && (!str_to_u64(colon + 1, strlen(colon + 1), &fault.left) || fault.left == 0))
        base_die(EX_USAGE, "RUSHD_FAULT=%s: expected point or point:n with n from 1", text);
}

void fault_check(void)
{
#define X(name, where) name,
    static const char *const points[] = {FAULT_TABLE(X)};
#undef X
    if (!fault.read)
        read_environment();
    for (size_t i = 0; i < ARRAY_LEN(points); i++)
        if (!fault.point.n || slice_eq(fault.point, points[i]))
            return;
    base_die(EX_USAGE, "RUSHD_FAULT=%s: no such fault point", fault.point.p);
}

void fault_pass(const char *point)
{
    if (!fault.read)
        read_environment();
    if (fault.point.n && slice_eq(fault.point, point) && --fault.left == 0)
        raise(SIGKILL);
}

#endif
