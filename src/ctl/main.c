/* rushctl: finds the command, loads rushd's configuration, runs the command on a loop. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "ctl/ctl.h"
#include "kafka/kafka.h"
#include "loop/loop.h"

#define DEFAULT_WAIT_S 10
#define MAX_WAIT_S     3600
#define KAFKA_END_MS   2000

extern char **environ;

struct global {
    const char *file;
    const char **sets; /* NULL-terminated, one slot per argument at most */
    size_t nsets;
    int64_t wait_s;
    bool verbose, help, version;
};

static void print_help(FILE *out)
{
    fputs("Usage: rushctl [-c FILE] [--set KEY=VALUE]... COMMAND [ARGUMENT]...\n\nCommands:\n", out);
    for (const struct ctl_command *k = ctl_commands; k->run; k++)
        fprintf(out, "  %s\n        %s\n", k->usage, k->help);
    fputs("\nOptions before the command:\n"
          "  -c, --config FILE   read the configuration from FILE\n"
          "      --set KEY=VALUE set one key, over file and environment\n"
          "      --wait SECONDS  how long a service may be away (10)\n"
          "  -v, --verbose       print the log too\n"
          "      --version       print the version\n"
          "      --help          print this; after a command, more of that command\n\n"
          "The configuration is rushd's. See rushctl(8) and rushd.conf(5).\n",
          out);
}

static void print_command_help(const struct ctl_command *command)
{
    printf("Usage: rushctl [-c FILE] [--set KEY=VALUE]... %s\n\n%s\n%s%s", command->usage, command->help,
           command->detail ? "\n" : "", command->detail ? command->detail : "");
}

/* Take the options before the command; returns the index of the command's first word, or -1. */
static int parse_global(int argc, char **argv, struct global *g)
{
    const struct ctl line = {.argc = argc, .argv = argv, .usage = "COMMAND [ARGUMENT]..."};
    const char *wait = NULL;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *set = NULL; /* each one counts */
        const struct ctl_option options[] = {{"-c", &g->file, NULL},
                                             {"--config", &g->file, NULL},
                                             {"--set", &set, NULL},
                                             {"--wait", &wait, NULL},
                                             {"-v", NULL, &g->verbose},
                                             {"--verbose", NULL, &g->verbose},
                                             {"--version", NULL, &g->version},
                                             {"--help", NULL, &g->help},
                                             {"-h", NULL, &g->help},
                                             {0}};
        if (!ctl_take_option(&line, options, &i))
            return -1;
        if (set)
            g->sets[g->nsets++] = set;
    }
    if (wait && !ctl_number_between(&line, "--wait", wait, 1, MAX_WAIT_S, &g->wait_s))
        return -1;
    return i;
}

static const struct ctl_command *find_command(int argc, char **argv, int *words)
{
    for (const struct ctl_command *k = ctl_commands; k->run; k++) {
        *words = k->words[1] ? 2 : 1;
        if (argc >= *words && strcmp(argv[0], k->words[0]) == 0 &&
            (!k->words[1] || strcmp(argv[1], k->words[1]) == 0))
            return k;
    }
    return NULL;
}

static void on_note(void *arg, bool warning, const char *text)
{
    const struct global *g = arg;
    if (warning || g->verbose)
        fprintf(stderr, "rushctl: %s\n", text);
}

static void discard(void *arg, const char *line, size_t n)
{
}

static int configured(struct global *g, const struct ctl_command *command, int argc, char **argv)
{
    struct error e = ERROR_INIT;
    if (!option_load(g->file, environ, g->sets, on_note, g, &e)) {
        fprintf(stderr, "rushctl: %s\n", e.text);
        return EX_CONFIG;
    }
    app_config_apply();
    if (!g->verbose)
        log_set_sink(discard, NULL); /* a command says itself what happens */
    struct ctl c = {
        .loop = loop_new(), .argc = argc, .argv = argv, .usage = command->usage, .wait_ms = g->wait_s * 1000};
    int code = command->run(&c);
    ctl_close(&c);
    kafka_end(KAFKA_END_MS);
    loop_free(c.loop);
    return code;
}

static int unknown_command(int argc, char **argv)
{
    bool group = false;
    for (const struct ctl_command *k = ctl_commands; k->run; k++)
        group = group || (k->words[1] && strcmp(argv[0], k->words[0]) == 0);
    if (group && argc == 1)
        fprintf(stderr, "rushctl: %s what?\n", argv[0]);
    else
        fprintf(stderr, "rushctl: unknown command: %s%s%s\n", argv[0], group ? " " : "",
                group ? argv[1] : "");
    print_help(stderr);
    return EX_USAGE;
}

static int dispatch(int argc, char **argv, struct global *g)
{
    int words = 0;
    if (argc == 0 || strcmp(argv[0], "help") == 0) {
        print_help(argc ? stdout : stderr);
        return argc ? EX_OK : EX_USAGE;
    }
    const struct ctl_command *command = find_command(argc, argv, &words);
    for (int i = words; command && i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_command_help(command);
            return EX_OK;
        }
    return command ? configured(g, command, argc - words, argv + words) : unknown_command(argc, argv);
}

/* What was printed must have got out: a script relies on it. */
static int flushed(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fputs("rushctl: the output cannot be written\n", stderr);
    return code == EX_OK ? EX_IOERR : code;
}

int main(int argc, char **argv)
{
    struct global g = {.sets = mem_array((size_t)argc + 1, sizeof(char *)), .wait_s = DEFAULT_WAIT_S};
    int code = EX_OK;
    app_config_register();
    int first = parse_global(argc, argv, &g);
    if (first < 0)
        code = EX_USAGE;
    else if (g.help)
        print_help(stdout);
    else if (g.version)
        puts("rushctl " PACKAGE_VERSION);
    else
        code = dispatch(argc - first, argv + first, &g);
    code = flushed(code);
    mem_free(g.sets);
    option_reset();
    app_config_free();
    metric_reset();
    log_reset();
    return code;
}
