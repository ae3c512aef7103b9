/* Ends of the process that are our own decision, and memory that never fails. */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

/* Write one line to standard error without allocating: this also runs when memory is gone. */
PRINTF_LIKE(1, 0) static void last_line(const char *fmt, va_list ap)
{
    char line[1024];
    size_t room = sizeof(line) - 1; /* one byte stays for the newline */
    int n = snprintf(line, room, "%s: ", program_invocation_short_name);
    size_t len = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    n = vsnprintf(line + len, room - len, fmt, ap);
    if (n > 0)
        len += (size_t)n < room - len ? (size_t)n : room - len - 1;
    line[len++] = '\n';
    /* There is nobody left to tell if this fails. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}

PRINTF_LIKE(1, 2) static void last_words(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    last_line(fmt, ap);
    va_end(ap);
}

void base_bug(const char *file, int line, const char *what)
{
    last_words("bug at %s:%d: %s", file, line, what);
    abort();
}

void base_die(int exit_code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    last_line(fmt, ap);
    va_end(ap);
    exit(exit_code);
}

/* Exit handlers may need memory, so they do not run here. */
static NORETURN void out_of_memory(size_t size)
{
    last_words("out of memory: %zu bytes", size);
    _exit(EX_OSERR);
}

static size_t product(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    return total ? total : 1;
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    size_t total = product(count, size);
    void *p = calloc(1, total);
    if (!p)
        out_of_memory(total);
    return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
    size_t total = product(count, size);
    void *q = realloc(p, total);
    if (!q)
        out_of_memory(total);
    return q;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *copy = mem_alloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_alloc(size);
    if (size)
        memcpy(copy, p, size);
    return copy;
}

void mem_free(void *p)
{
    free(p);
}
