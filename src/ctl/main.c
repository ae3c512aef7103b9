/* rushctl: finds the command, loads rushd's configuration, connects what the command needs, runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "ctl/ctl.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "store/store.h"

#define CONNECT_TIMEOUT_MS 10000

extern char **environ;

static const struct command {
    const char *words[2]; /* "coupon", "create"; the second may be NULL */
    ctl_run_fn *run;
    unsigned needs;
    const char *usage;
    const char *help;
} commands[] = {
    {{"migrate", NULL},
     ctl_migrate,
     CTL_NEED_PG,
     "migrate",
     "bring the schema up to date; safe when several do it at once"},
    {{"seed", NULL}, ctl_seed, CTL_NEED_PG, "seed", "load the demo data; what is there stays as it is"},
    {{"rebuild", NULL},
     ctl_rebuild,
     CTL_NEED_PG | CTL_NEED_REDIS,
     "rebuild ranking|issued|coupon-info|line|all [--coupon ID] [--from-scratch]",
     "build what is in Redis again from PostgreSQL, while nodes serve"},
};

struct global {
    const char *file;
    const char **sets;
    size_t nsets;
};

static void print_help(FILE *out)
{
    fputs("Usage: rushctl [-c FILE] [--set KEY=VALUE]... COMMAND [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %s\n        %s\n", commands[i].usage, commands[i].help);
    fputs("\nThe configuration is rushd's. See rushctl(8).\n", out);
}

/* Take the options before the command; returns the index of the command's first word, or -1. */
static int parse_global(int argc, char **argv, struct global *g)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        bool file = strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0;
        bool set = strcmp(argv[i], "--set") == 0;
        if ((!file && !set) || i + 1 == argc) {
            fprintf(stderr, "rushctl: unknown option, or its value is missing: %s\n", argv[i]);
            return -1;
        }
        if (file)
            g->file = argv[++i];
        else
            g->sets[g->nsets++] = argv[++i];
    }
    return i;
}

static const struct command *find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct command *c = &commands[i];
        *words = c->words[1] ? 2 : 1;
        if (argc >= *words && strcmp(argv[0], c->words[0]) == 0 &&
            (!c->words[1] || strcmp(argv[1], c->words[1]) == 0))
            return c;
    }
    return NULL;
}

static void on_pg(void *arg, bool ready, const char *reason)
{
    struct ctl *c = arg;
    str_copy(c->error.text, sizeof c->error.text, ready ? "" : reason);
}

static bool all_ready(void *arg)
{
    const struct ctl *c = arg;
    return (!c->pg || pg_pool_ready(c->pg)) && (!c->redis || redis_client_ready(c->redis));
}

static void open_services(struct ctl *c, unsigned needs)
{
    const struct pg_pool_config pg = {.url = app_config.datasource.url,
                                      .username = app_config.datasource.username,
                                      .password = app_config.datasource.password,
                                      .application_name = "rushctl",
                                      .time_zone = app_config.server.time_zone,
                                      .size = 3,
                                      .max_waiting = 1000,
                                      .statement_timeout_ms = 60000,
                                      .connect_timeout_ms = 3000};
    const struct redis_client_config redis = {.host = app_config.redis.host,
                                              .port = app_config.redis.port,
                                              .socket = app_config.redis.socket,
                                              .username = app_config.redis.username,
                                              .password = app_config.redis.password,
                                              .database = app_config.redis.database,
                                              .timeout_ms = app_config.redis.timeout,
                                              .max_in_flight = app_config.redis.max_in_flight,
                                              .client_name = "rushctl"};
    if (needs & CTL_NEED_PG) {
        c->pg = pg_pool_new(c->loop, &pg);
        pg_pool_on_state(c->pg, on_pg, c);
    }
    if (needs & CTL_NEED_REDIS)
        c->redis = redis_client_new(c->loop, &redis);
    c->store = store_new(c->loop, c->pg, c->redis);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct ctl c = {.loop = loop_new(), .argc = argc, .argv = argv, .usage = command->usage};
    open_services(&c, command->needs);
    int code = EX_UNAVAILABLE;
    if (loop_run_until(c.loop, all_ready, &c, CONNECT_TIMEOUT_MS)) {
        c.error = ERROR_INIT;
        code = command->run(&c);
    } else {
        fprintf(stderr, "rushctl: %s is away%s%s\n", c.pg && !pg_pool_ready(c.pg) ? "PostgreSQL" : "Redis",
                *c.error.text ? ": " : "", c.error.text);
    }
    store_unwatch(c.store);
    redis_client_free(c.redis);
    pg_pool_free(c.pg);
    store_free(c.store);
    loop_free(c.loop);
    return code;
}

static void on_note(void *arg, bool warning, const char *text)
{
    if (warning)
        fprintf(stderr, "rushctl: %s\n", text);
}

static int configured(const struct global *g, const struct command *command, int argc, char **argv)
{
    struct error e = ERROR_INIT;
    if (!option_load(g->file, environ, g->sets, on_note, NULL, &e)) {
        fprintf(stderr, "rushctl: %s\n", e.text);
        return EX_CONFIG;
    }
    app_config_apply();
    log_set_level("root", LOG_LEVEL_ERROR); /* a command says itself what happens */
    return run_command(command, argc, argv);
}

static int dispatch(int argc, char **argv, const struct global *g)
{
    int words;
    if (argc == 0 || strcmp(argv[0], "help") == 0) {
        print_help(argc ? stdout : stderr);
        return argc ? EX_OK : EX_USAGE;
    }
    const struct command *command = find_command(argc, argv, &words);
    if (!command) {
        fprintf(stderr, "rushctl: unknown command: %s\n", argv[0]);
        print_help(stderr);
        return EX_USAGE;
    }
    for (int i = words; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            printf("Usage: rushctl [-c FILE] [--set KEY=VALUE]... %s\n\n  %s\n", command->usage,
                   command->help);
            return EX_OK;
        }
    return configured(g, command, argc - words, argv + words);
}

int main(int argc, char **argv)
{
    struct global g = {.sets = mem_array((size_t)argc + 1, sizeof(char *))};
    int code = EX_USAGE;
    app_config_register();
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("rushctl " PACKAGE_VERSION);
        code = EX_OK;
    } else if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help(stdout);
        code = EX_OK;
    } else {
        int first = parse_global(argc, argv, &g);
        if (first < 0)
            print_help(stderr);
        else
            code = dispatch(argc - first, argv + first, &g);
    }
    mem_free(g.sets);
    option_reset();
    app_config_free();
    metric_reset();
    log_reset();
    return code;
}
