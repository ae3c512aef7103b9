/* Replays a corpus through a fuzz target: LLVMFuzzerTestOneInput() on every file of the directories named on
 * the command line or, without arguments, of FUZZ_CORPUS below $srcdir. Reports in TAP, one line per file; a
 * crash is the failure. Compiles to nothing when libFuzzer brings its own main(). */
#ifndef FUZZ_LIBFUZZER

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct corpus {
    char **files;
    size_t len;
};

static void fail(const char *what, const char *name)
{
    printf("Bail out! %s %s\n", what, name);
    exit(EXIT_FAILURE);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_directory(struct corpus *c, const char *directory)
{
    DIR *d = opendir(directory);
    if (!d)
        fail("cannot open", directory);
    for (struct dirent *entry; (entry = readdir(d));) {
        char *path;
        struct stat st;
        if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
            abort();
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
            free(path);
            continue;
        }
        c->files = realloc(c->files, (c->len + 1) * sizeof(*c->files));
        if (!c->files)
            abort();
        c->files[c->len++] = path;
    }
    closedir(d);
}

/* The input is a block of exactly its size, so that a sanitizer sees each byte read beyond it. */
static void replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0)
        fail("cannot open", path);
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size);
    if (size && (!data || fread(data, 1, size, f) != size))
        fail("cannot read", path);
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    struct corpus c = {0};
    for (int i = 1; i < argc; i++)
        add_directory(&c, argv[i]);
    if (argc == 1) {
        const char *srcdir = getenv("srcdir");
        char *directory;
        if (asprintf(&directory, "%s/%s", srcdir ? srcdir : ".", FUZZ_CORPUS) < 0)
            abort();
        add_directory(&c, directory);
        free(directory);
    }
    if (c.len == 0)
        fail("no files in", argc > 1 ? argv[1] : FUZZ_CORPUS);
    qsort(c.files, c.len, sizeof(*c.files), by_name);
    printf("1..%zu\n", c.len);
    for (size_t i = 0; i < c.len; i++) {
        const char *base = strrchr(c.files[i], '/');
        replay(c.files[i]);
        printf("ok %zu - %s\n", i + 1, base + 1);
        fflush(stdout);
        free(c.files[i]);
    }
    free(c.files);
    return EXIT_SUCCESS;
}

#endif
