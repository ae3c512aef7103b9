/* The table of the option engine's tests. */
#include "option_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct option_test_values option_values;
struct buf option_notes;
struct error option_error;

static char directory[64];

/* All files that a test may write. */
static const char *const file_names[] = {"conf", "secret"};

static const char *const publishers[] = {"kafka", "local|spring", NULL};
static const char *const roles[] = {"api", "queue", "consumers|workers", NULL};

static const struct option options[] = {
    {"server.name", OPTION_STRING, &option_values.name, "node", .flags = OPTION_RELOAD, .help = "The name."},
    {"server.port", OPTION_INT, &option_values.port, "8083", .min = 1, .max = 65535, .help = "The port."},
    {"server.least", OPTION_INT, &option_values.least, "3", .min = 1, .help = "At least one."},
    {"server.timeout", OPTION_DURATION, &option_values.timeout, "5s", .min = 1, .max = 3600000,
     .flags = OPTION_RELOAD, .help = "How long to wait."},
    {"server.max-request-body", OPTION_SIZE, &option_values.size, "64KB", .min = 1024, .max = 1 << 30,
     .help = "The largest body."},
    {"server.flag", OPTION_BOOL, &option_values.flag, "false",
     .help = "A switch with so much to say about itself that its only sentence does not fit on one line of "
             "the sample "
             "file, where lines end before they become hard to read."},
    {"datasource.password", OPTION_STRING, &option_values.password, "", .flags = OPTION_SECRET,
     .help = "A secret."},
    {"event.publisher.type", OPTION_ENUM, &option_values.publisher, "kafka", .choices = publishers,
     .help = "Where events go."},
    {"node.roles", OPTION_SET, &option_values.roles, "api,queue,consumers", .choices = roles,
     .help = "What it does."},
    {"kafka.librdkafka.*", OPTION_MAP, &option_values.extra, .help = "Passed on as it is."},
    {"logging.level.*", OPTION_MAP, &option_values.levels, .flags = OPTION_RELOAD, .help = "Levels."},
    {"range.low", OPTION_INT, &option_values.low, "1", .flags = OPTION_RELOAD, .help = "The lower end."},
    {"range.high", OPTION_INT, &option_values.high, "10", .flags = OPTION_RELOAD, .help = "The upper end."},
    {0},
};

static const struct option_alias aliases[] = {
    {"spring.application.name", "server.name", NULL},
    {"spring.datasource.pass", "datasource.password", NULL},
    {"server.tomcat.max-http-form-post-size", "server.max-request-body", "there is no Tomcat"},
    {"kafka.producer.key-serializer", NULL, "messages are JSON"},
    {"server.properties.*", "server.*", NULL},
    {"server.properties.spring.json.*", NULL, "there are no Java classes"},
    {"kafka.librdkafka.log_level", NULL, "logging.level.* does that"},
    {"nothing.to.say", NULL, NULL},
    {0},
};

static bool check(struct error *e)
{
    if (option_values.low <= option_values.high)
        return true;
    error_set(e, ERROR_PERMANENT, "CONFIG", "range.low must not be above range.high");
    return false;
}

const struct option_table option_test_table = {.options = options, .aliases = aliases, .check = check};

void option_test_setup(void)
{
    strcpy(directory, "/tmp/rushd-option-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    option_register(&option_test_table);
}

void option_test_teardown(void)
{
    option_reset();
    buf_free(&option_notes);
    for (size_t i = 0; i < ARRAY_LEN(file_names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", directory, file_names[i]);
        unlink(path);
    }
    rmdir(directory);
}

const char *option_test_file(const char *name, const char *text)
{
    static char path[ARRAY_LEN(file_names)][128];
    size_t i = 0;
    while (strcmp(file_names[i], name) != 0)
        i++;
    char *p = path[i];
    snprintf(p, sizeof(path[0]), "%s/%s", directory, name);
    FILE *f = fopen(p, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    return p;
}

static void on_note(void *arg, bool warning, const char *text)
{
    /* Without the directory, which differs from run to run. */
    if (str_starts_with(text, directory))
        text += strlen(directory) + 1;
    buf_printf(&option_notes, "%s%s\n", warning ? "warning: " : "", text);
}

bool option_test_load(const char *text, const char *const *environment, const char *const *sets)
{
    const char *path = text ? option_test_file("conf", text) : NULL;
    option_error = ERROR_INIT;
    buf_clear(&option_notes);
    bool ok = option_load(path, (char *const *)environment, sets, on_note, NULL, &option_error);
    size_t n = strlen(directory) + 1;
    if (!ok && str_starts_with(option_error.text, directory))
        memmove(option_error.text, option_error.text + n, strlen(option_error.text + n) + 1);
    return ok;
}

void option_test_load_file(const char *text)
{
    bool ok = option_test_load(text, NULL, NULL);
    ck_assert_msg(ok, "%s", option_error.text);
}
