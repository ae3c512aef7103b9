/* Named places where a test build kills the process, what counts is what is stored then, or stops it, and then what others did
 * meanwhile. */
#include "base/fault.h"

#ifdef RUSHD_FAULT_POINTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/str.h"

static struct {
    bool read;
    struct slice point; /* empty: none */
    uint64_t left;      /* passes until the end */
    int signal;         /* what happens then */
    const char *file;   /* that says so, now or later; NULL: the environment did */
    ino_t inode;        /* of what was read there, 0 for nothing */
    char text[128];
} fault;

static void parse(const char *text)
{
    size_t n = strlen(text);
    fault.signal = SIGKILL;
    if (n > 5 && strcmp(text + n - 5, ":stop") == 0) {
        fault.signal = SIGSTOP;
        n -= 5;
    }
    const char *colon = memchr(text, ':', n);
    fault.point = (struct slice){text, colon ? (size_t)(colon - text) : n};
    fault.left = 1;
    if (colon && (!str_to_u64(colon + 1, (size_t)(text + n - colon) - 1, &fault.left) || fault.left == 0))
        base_die(EX_USAGE, "RUSHD_FAULT=%s: expected point[:n][:stop] with n from 1", text);
}

/* Another file is another fault, none is none. */
static void read_file(void)
{
    struct stat st;
    if (stat(fault.file, &st) != 0) {
        fault.inode = 0;
        fault.point.n = 0;
        return;
    }
    if (st.st_ino == fault.inode)
        return;
    FILE *f = fopen(fault.file, "re");
    size_t n = f ? fread(fault.text, 1, sizeof fault.text - 1, f) : 0;
    if (f)
        fclose(f);
    fault.text[n] = '\0';
    fault.text[strcspn(fault.text, "\n")] = '\0';
    fault.inode = st.st_ino;
    parse(fault.text);
}

static void read_environment(void)
{
    const char *text = getenv("RUSHD_FAULT");
    fault.read = true;
    if (!text || !*text)
        return;
    if (*text == '@')
        fault.file = text + 1;
    else
        parse(text);
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
    if (fault.file)
        read_file();
    if (fault.point.n && slice_eq(fault.point, point) && --fault.left == 0)
        raise(fault.signal);
}

#endif
