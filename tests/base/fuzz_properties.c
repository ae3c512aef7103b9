/* Feeds arbitrary bytes to the reader of the configuration file and to the option engine, and holds the
 * engine to its promise that a dump is a valid configuration file. */
#include "base/option.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    char *text, *secret;
    bool flag;
    int64_t number, duration, size;
    int choice;
    uint64_t set;
    struct option_map map;
} values;

static const char *const choices[] = {"alpha|beta", "gamma", NULL};

static const struct option options[] = {
    {"a.text", OPTION_STRING, &values.text, "x", .help = "A text."},
    {"a.secret", OPTION_STRING, &values.secret, "", .flags = OPTION_SECRET, .help = "A secret."},
    {"a.flag", OPTION_BOOL, &values.flag, "true", .help = "A flag."},
    {"a.number", OPTION_INT, &values.number, "1", .min = -5, .max = 500, .help = "A number."},
    {"a.duration", OPTION_DURATION, &values.duration, "1s", .min = 1, .help = "A time."},
    {"a.size", OPTION_SIZE, &values.size, "1KB", .flags = OPTION_RELOAD, .help = "A size."},
    {"a.choice", OPTION_ENUM, &values.choice, "beta", .choices = choices, .help = "A choice."},
    {"a.set", OPTION_SET, &values.set, "*", .choices = choices, .help = "Some choices."},
    {"a.map.*", OPTION_MAP, &values.map, .help = "Anything."},
    {0},
};

static const struct option_alias aliases[] = {
    {"spring.b.text", "a.text", NULL},
    {"b.properties.*", "a.*", "the same keys"},
    {"b.ignored.*", NULL, "nobody needs it"},
    {0},
};

static const struct option_table table = {.options = options, .aliases = aliases};

static bool on_pair(void *arg, int line, struct slice key, struct slice value, struct error *e)
{
    ASSERT(line > 0 && key.n > 0 && str_is_utf8(key.p, key.n) && str_is_utf8(value.p, value.n));
    struct slice trimmed = slice_trim(value);
    ASSERT(trimmed.n == value.n);
    ++*(size_t *)arg;
    return true;
}

static void on_note(void *arg, bool warning, const char *text)
{
    ASSERT(str_is_utf8(text, strlen(text)));
}

static void write_file(int fd, const void *data, size_t size)
{
    ASSERT(ftruncate(fd, 0) == 0);
    ASSERT(pwrite(fd, data, size, 0) == (ssize_t)size);
}

static bool load(const char *path, struct error *e)
{
    option_reset();
    option_register(&table);
    return option_load(path, NULL, NULL, on_note, NULL, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[32];
    struct error e = ERROR_INIT;
    size_t pairs = 0;
    if (!properties_parse((const char *)data, size, on_pair, &pairs, &e))
        ASSERT(str_starts_with(e.text, "line "));
    /* No devices and pipes as the file of a secret: reading might never end. */
    if (size == 0 || memmem(data, size, "-file", 5))
        return 0;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    ASSERT(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    write_file(fd, data, size);
    if (load(path, &e)) {
        struct buf dump = BUF_INIT;
        option_dump(&dump);
        write_file(fd, dump.data, dump.len);
        ASSERT(load(path, &e));
        ASSERT(option_reload(on_note, NULL, &e));
        buf_free(&dump);
    } else {
        ASSERT(e.kind == ERROR_PERMANENT && str_is_utf8(e.text, strlen(e.text)));
    }
    option_reset();
    return 0;
}
