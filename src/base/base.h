/* What every file of rushd may rely on: attributes, assertions for our own bugs, memory that never fails.
 *
 * Assertions stay on in release builds and are for bugs of rushd only, never for input, network or full
 * queues (architecture rule 14). Allocation failure ends the process with one line (rule 15): sizes that a
 * client controls are checked before. */
#ifndef RUSHD_BASE_BASE_H
#define RUSHD_BASE_BASE_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Attributes, the length of an array, and the struct around a member. */
#define PRINTF_LIKE(fmt, args)          __attribute__((format(printf, fmt, args)))
#define NORETURN                        __attribute__((noreturn))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* End the process with one line on standard error and abort() (core, backtrace): a bug of rushd. */
NORETURN void base_bug(const char *file, int line, const char *what);
/* Hold a condition that only a bug of rushd can break. Stays on in release builds; cond is evaluated once. */
#define ASSERT(cond) ((cond) ? (void)0 : base_bug(__FILE__, __LINE__, #cond))

/* End the process with one line on standard error and the exit code of sysexits.h given. */
NORETURN void base_die(int exit_code, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Memory that is never NULL: without memory the process ends with one line. A size of 0 gives a pointer that
 * may be freed. All of it is given back with mem_free(). */

/* Allocate size bytes with any content. */
void *mem_alloc(size_t size);
/* Allocate size bytes of zeros. */
void *mem_zalloc(size_t size);
/* Allocate count * size bytes of zeros; an overflow of the product ends the process. */
void *mem_array(size_t count, size_t size);
/* Change the size of p (NULL: allocate) to count * size bytes, overflow checked; new bytes are not set. */
void *mem_grow(void *p, size_t count, size_t size);
/* Copy a string. */
char *mem_strdup(const char *s);
/* Copy at most n bytes of a string and terminate the copy. */
char *mem_strndup(const char *s, size_t n);
/* Copy size bytes. */
void *mem_dup(const void *p, size_t size);
/* Give memory back; NULL is fine. */
void mem_free(void *p);

#endif
