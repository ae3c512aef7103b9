/* The small things of e2e.h. */
#define _GNU_SOURCE
#include "e2e.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

static void **kept;
static size_t nkept, kept_size;
static bool test_passed;

enum e2e_mode e2e_mode(void)
{
    const char *mode = e2e_mode_name();
    return strcmp(mode, "local") == 0 ? E2E_LOCAL : strcmp(mode, "broker") == 0 ? E2E_BROKER : E2E_EMBEDDED;
}

const char *e2e_mode_name(void)
{
    const char *mode = getenv("RUSHD_TEST_MODE");
    return mode && *mode ? mode : "embedded";
}

const char *e2e_env(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value) {
        printf("Bail out! %s is not set: these tests run in make check-services and make check-broker\n",
               name);
        exit(EXIT_FAILURE);
    }
    return value;
}

void *e2e_keep(void *memory)
{
    if (nkept == kept_size) {
        kept_size = kept_size ? kept_size * 2 : 64;
        kept = realloc(kept, kept_size * sizeof *kept);
        if (!kept)
            abort();
    }
    kept[nkept++] = memory;
    return memory;
}

char *text(const char *format, ...)
{
    char *out;
    va_list args;
    va_start(args, format);
    if (vasprintf(&out, format, args) < 0)
        abort();
    va_end(args);
    return e2e_keep(out);
}

int e2e_slowness(void)
{
    const char *factor = getenv("RUSHD_TEST_SLOWNESS");
    return factor && atoi(factor) > 0 ? atoi(factor) : 1;
}

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Check ends a failed test by exit(), and leaves its teardown out. */
static void at_exit(void)
{
    if (!test_passed)
        node_print_logs();
}

void e2e_test_begins(void)
{
    static pid_t registered;
    test_passed = false;
    if (registered != getpid())
        atexit(at_exit);
    registered = getpid();
}

void e2e_test_ends(void)
{
    test_passed = true;
}

TCase *e2e_tcase(Suite *suite, const char *name, double timeout_s)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, e2e_test_begins, e2e_test_ends);
    tcase_set_timeout(tcase, timeout_s * e2e_slowness());
    suite_add_tcase(suite, tcase);
    return tcase;
}

/* Read by LeakSanitizer: this driver forks a child for each test, which leaves its parent's memory behind. The programs under
 * test are processes of their own and are looked at. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}
