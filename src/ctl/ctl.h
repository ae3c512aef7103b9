/* What the commands of rushctl share: configuration, connections, waiting, exit statuses. */
#ifndef RUSHD_CTL_CTL_H
#define RUSHD_CTL_CTL_H

#include "base/buf.h"
#include "base/error.h"

struct loop;
struct pg_pool;
struct redis_client;
struct store;

/* What a command needs to be connected to before it runs. */
enum ctl_need {
    CTL_NEED_PG = 1,
    CTL_NEED_REDIS = 2,
};

struct ctl {
    struct loop *loop;
    struct pg_pool *pg;         /* NULL unless needed */
    struct redis_client *redis; /* NULL unless needed */
    struct store *store;
    int argc; /* arguments behind the command's name */
    char **argv;
    const char *usage;
    bool done; /* set by ctl_finish() */
    struct error error;
};

/* Run the loop until a callback calls ctl_finish(); false when it took longer than timeout_ms or ended with an error, which is then
 * printed. Starts anew each time. */
bool ctl_wait(struct ctl *c, int64_t timeout_ms);
/* The present wait is over; e NULL or kind NONE: successfully. */
void ctl_finish(struct ctl *c, const struct error *e);
/* ctl_finish() as a store_done_fn. */
void ctl_on_done(void *arg, const struct error *e);
/* The exit status of the error of the last wait: 69 when a service is away, else 1. */
int ctl_status(const struct ctl *c);
/* Print what is wrong with the arguments and the command's usage; returns 64. */
int ctl_usage_error(const struct ctl *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Options of a command: "--name VALUE" and "--name=VALUE" fill values (NULL when absent), what is no option is left in
 * argv[0..argc). A switch has switch_on set. False on an unknown one, told to the user. */
struct ctl_option {
    const char *name; /* "--limit"; NULL ends the table */
    const char **value;
    bool *switch_on;
};
bool ctl_options(struct ctl *c, const struct ctl_option *options);
/* A positive number; false told to the user. */
bool ctl_number(const struct ctl *c, const char *what, const char *text, int64_t *out);

/* A command; returns the exit status. */
typedef int ctl_run_fn(struct ctl *c);
ctl_run_fn ctl_migrate, ctl_seed;
ctl_run_fn ctl_rebuild;

#endif
