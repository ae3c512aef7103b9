/* What the commands of rushctl share: the table of commands, arguments, connections, waiting, exit statuses.
 *
 * A command is a function that runs from top to bottom: take the options, check the arguments (status 64 before anything is
 * connected), ctl_open(), start a call of store or service, ctl_wait() for it, print. */
#ifndef RUSHD_CTL_CTL_H
#define RUSHD_CTL_CTL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/money.h"

struct loop;
struct pg_pool;
struct redis_client;
struct store;

/* What a command works on. */
enum ctl_need {
    CTL_NEED_PG = 1,
    CTL_NEED_REDIS = 2,
    CTL_NEED_SCHEMA = 4, /* of the right version; with CTL_NEED_PG */
    CTL_NEED_TIME = 8,   /* statements may take an hour; with CTL_NEED_PG */
};

struct ctl {
    struct loop *loop;
    struct pg_pool *pg;         /* NULL unless opened */
    struct redis_client *redis; /* NULL unless opened */
    struct store *store;        /* NULL until ctl_open() */
    int argc;                   /* arguments behind the command's name */
    char **argv;
    const char *usage;
    int64_t wait_ms;        /* how long a service may be away */
    char pg_reason[200];    /* why PostgreSQL is away */
    char redis_reason[200]; /* why Redis is away */
    bool done;              /* set by ctl_finish() */
    struct error error;     /* of the last wait */
};

/* A command; returns the exit status. */
typedef int ctl_run_fn(struct ctl *c);

struct ctl_command {
    const char *words[2]; /* "coupon", "create"; the second may be NULL */
    ctl_run_fn *run;
    const char *usage;  /* name, operands, options */
    const char *help;   /* one sentence */
    const char *detail; /* lines about the options, NULL: there is nothing more to say */
};
/* All commands; ends with run == NULL. */
extern const struct ctl_command ctl_commands[];

/* --- arguments ----------------------------------------------------------------------------------------------------- */
/* Print what is wrong with the arguments and the command's usage; returns 64. */
int ctl_usage_error(const struct ctl *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Options of a command: "--name VALUE" and "--name=VALUE" fill values (NULL when absent), what is no option is left in
 * argv[0..argc); behind "--" nothing is an option. A switch has switch_on set. False on an unknown option, one given twice
 * and one without its value, told to the user. */
struct ctl_option {
    const char *name; /* "--limit"; NULL ends the table */
    const char **value;
    bool *switch_on;
};
bool ctl_options(struct ctl *c, const struct ctl_option *options);
/* The same for the one option at argv[*i]; *i is moved to its value. */
bool ctl_take_option(const struct ctl *c, const struct ctl_option *options, int *i);
/* Whether exactly n operands are left, and if not, what the user is told. */
bool ctl_operands(const struct ctl *c, int n);
/* A positive number; false told to the user, also for text NULL. */
bool ctl_number(const struct ctl *c, const char *what, const char *text, int64_t *out);
/* The same between bounds. */
bool ctl_number_between(const struct ctl *c, const char *what, const char *text, int64_t min, int64_t max,
                        int64_t *out);
/* An amount of at least 0. */
bool ctl_money(const struct ctl *c, const char *what, const char *text, money *out);
/* An instant: a date with time, local unless it says its offset, or a day alone: its start, or with end_of_day the start of
 * the next one, so that "until 2026-12-31" has that day in it. */
bool ctl_time(const struct ctl *c, const char *what, const char *text, bool end_of_day, int64_t *us);

/* --- services ------------------------------------------------------------------------------------------------------ */
/* Connect to what is needed (bits of enum ctl_need), waiting at most wait_ms, and check the schema. Returns 0, or what went wrong
 * as the exit status, told to the user: 69 away, 78 a malformed URL, 1 another schema. */
int ctl_open(struct ctl *c, unsigned needs);
/* End the connections: calls that are still out end before this returns; their owners may be freed then. */
void ctl_disconnect(struct ctl *c);
/* Give back what ctl_open() made. */
void ctl_close(struct ctl *c);

/* Run the loop until a callback calls ctl_finish(); false when that was with an error, which is then printed. Starts anew each time.
 * When it takes longer than timeout_ms the program ends there: the call is still out, and what its answer would be written to is
 * the caller's, often on the stack. */
bool ctl_wait(struct ctl *c, int64_t timeout_ms);
/* The same for calls whose state lives until ctl_disconnect(): false after timeout_ms as well. */
bool ctl_wait_on(struct ctl *c, int64_t timeout_ms);
/* The last wait ended by its timeout: the call is still out. */
bool ctl_timed_out(const struct ctl *c);
/* End the program with the status of what was waited for. */
__attribute__((noreturn)) void ctl_leave(const struct ctl *c);
/* The present wait is over; e NULL or kind NONE: successfully. */
void ctl_finish(struct ctl *c, const struct error *e);
/* ctl_finish() as a store_done_fn. */
void ctl_on_done(void *arg, const struct error *e);
/* The exit status of the error of the last wait: 69 when a service is away, else 1. */
int ctl_status(const struct ctl *c);

/* How long a command waits for one call that reads or writes a little: longer than the deadlines below it. */
#define CTL_CALL_TIMEOUT_MS 120000

/* Print a finished JSON document as one line and free it. */
void ctl_print_json(struct buf *json);

ctl_run_fn ctl_migrate, ctl_seed, ctl_coupon_create, ctl_coupon_list, ctl_coupon_show, ctl_line;
ctl_run_fn ctl_rebuild, ctl_audit, ctl_dlq_list, ctl_dlq_show, ctl_dlq_redrive;

#endif
