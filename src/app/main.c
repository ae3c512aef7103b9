/* rushd: command line, configuration, the node and its signals. */
#include "app/config.h"
#include "app/node.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "loop/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

LOG_DEFINE(log_main, "rushd");

extern char **environ;

struct arguments {
    const char *file;
    const char **sets; /* NULL-terminated, one slot per argument at most */
    size_t nsets;
    bool check, dump, sample, version, help;
};

static const char usage_text[] =
    "Usage: rushd [-c FILE] [--set KEY=VALUE]... [--check | --dump-config | --sample-config | --version | "
    "--help]\n"
    "\n"
    "  -c, --config FILE   read the configuration from FILE\n"
    "      --set KEY=VALUE set one key, over file and environment\n"
    "      --check         check file, values and relations between keys; connect to nothing\n"
    "      --dump-config   print every key with its value and where it comes from\n"
    "      --sample-config print a sample file: every key with default, range and meaning\n"
    "      --version       print the version\n"
    "      --help          print this\n"
    "\n"
    "Without a file every key has a default for one machine. See rushd(8) and rushd.conf(5).\n";

static bool usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "rushd: %s: %s\n%s", what, argument, usage_text);
    return false;
}

/* The value of "--name VALUE" or "--name=VALUE" at argv[*i]; NULL when argv[*i] is another option. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) == 0 && argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (strcmp(argv[*i], name) == 0 && *i + 1 < argc)
        return argv[++*i];
    return NULL;
}

static bool parse_arguments(int argc, char **argv, struct arguments *a)
{
    const struct {
        const char *name;
        bool *value;
    } switches[] = {{"--check", &a->check},     {"--dump-config", &a->dump}, {"--sample-config", &a->sample},
                    {"--version", &a->version}, {"--help", &a->help},        {"-h", &a->help}};
    for (int i = 1; i < argc; i++) {
        const char *value;
        bool *on = NULL;
        for (size_t k = 0; k < ARRAY_LEN(switches); k++)
            if (strcmp(argv[i], switches[k].name) == 0)
                on = switches[k].value;
        if (on)
            *on = true;
        else if ((value = value_of("-c", argc, argv, &i)) || (value = value_of("--config", argc, argv, &i)))
            a->file = value;
        else if ((value = value_of("--set", argc, argv, &i)))
            a->sets[a->nsets++] = value;
        else
            return usage_error("unknown option, or its value is missing", argv[i]);
    }
    return true;
}

static void on_note(void *arg, bool warning, const char *text)
{
    struct buf *notes = arg;
    buf_printf(notes, "%c%s\n", warning ? 'w' : 'i', text);
}

/* Notes were collected before the levels of the loggers were known. */
static void log_notes(struct buf *notes)
{
    char *save = NULL;
    for (char *line = strtok_r((char *)buf_str(notes), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (*line == 'w')
            log_warn(&log_main, "configuration", LOG_S("note", line + 1));
        else
            log_info(&log_main, "configuration", LOG_S("note", line + 1));
    }
    buf_free(notes);
}

/* Returns the exit status: a full disk must not look like a complete file. */
static int print_and_free(struct buf *out)
{
    bool written = fputs(buf_str(out), stdout) != EOF && fflush(stdout) == 0;
    buf_free(out);
    if (!written)
        perror("rushd: standard output");
    return written ? EX_OK : EX_IOERR;
}

/* Connections, listeners, services and Kafka's sockets must fit under the limit on descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)app_config.server.max_connections + 512;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        log_warn(&log_main,
                 "the limit on descriptors is below server.max-connections: connections beyond it wait to be "
                 "accepted",
                 LOG_I("limit", limit.rlim_cur), LOG_I("wanted", wanted));
}

static void on_stop_signal(void *arg, int signo)
{
    log_info(&log_main, "signal received", LOG_S("signal", signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    node_stop(arg, EX_OK);
}

static void on_reload_signal(void *arg, int signo)
{
    node_reload(arg);
}

static int run(int64_t started_us)
{
    struct loop *loop = loop_new();
    loop_log_start(loop, STDERR_FILENO);
    raise_descriptor_limit();
    struct error e = ERROR_INIT;
    struct node *node = node_new(loop, started_us, &e);
    int code = EX_OSERR;
    if (node) {
        loop_on_signal(loop, SIGTERM, on_stop_signal, node);
        loop_on_signal(loop, SIGINT, on_stop_signal, node);
        loop_on_signal(loop, SIGHUP, on_reload_signal, node);
        code = loop_run(loop);
        loop_on_signal(loop, SIGTERM, NULL, NULL);
        loop_on_signal(loop, SIGINT, NULL, NULL);
        loop_on_signal(loop, SIGHUP, NULL, NULL);
        node_free(node);
    } else {
        log_error(&log_main, "the node cannot start", LOG_ERR(&e));
        if (strcmp(e.code, "KAFKA_CONFIG") == 0) /* librdkafka knows more rules than our tables */
            code = EX_CONFIG;
    }
    loop_log_stop(loop);
    loop_free(loop);
    return code;
}

static int configured(const struct arguments *a, int64_t started_us)
{
    struct error e = ERROR_INIT;
    struct buf notes = BUF_INIT, out = BUF_INIT;
    if (!option_load(a->file, environ, a->sets, on_note, &notes, &e)) {
        fprintf(stderr, "rushd: %s\n", e.text);
        buf_free(&notes);
        return EX_CONFIG;
    }
    app_config_apply();
    if (a->dump)
        option_dump(&out);
    log_notes(&notes);
    if (a->dump || a->check) {
        if (a->check)
            buf_puts(&out, a->dump ? "" : "configuration is valid\n");
        return print_and_free(&out);
    }
    return run(started_us);
}

int main(int argc, char **argv)
{
    int64_t started_us = clock_mono_us();
    struct arguments a = {.sets = mem_array((size_t)argc + 1, sizeof(char *))};
    int code = EX_OK;
    FAULT_CHECK();
    app_config_register();
    if (!parse_arguments(argc, argv, &a)) {
        code = EX_USAGE;
    } else if (a.help) {
        fputs(usage_text, stdout);
    } else if (a.version) {
        puts("rushd " PACKAGE_VERSION);
    } else if (a.sample) {
        struct buf out = BUF_INIT;
        option_sample(&out);
        code = print_and_free(&out);
    } else {
        code = configured(&a, started_us);
    }
    mem_free(a.sets);
    option_reset();
    app_config_free();
    metric_reset();
    log_reset();
    return code;
}
