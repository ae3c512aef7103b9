/* rushd processes: each with a configuration file of its own, on a free port, its log beside the file. */
#ifndef TESTS_E2E_NODE_H
#define TESTS_E2E_NODE_H

#include <sys/types.h>

#include "e2e.h"

struct node {
    char *name, *file,
        *log;     /* configuration and log: <mode>-<name>.node.conf and .log in the build directory */
    pid_t pid;    /* 0: not running */
    pid_t parent; /* who started it, and may wait for it */
    int pidfd;
    int port, management_port;
    long log_from; /* where the log of the present process starts */
    char *clock;   /* the file that steps its clock; NULL: it has the machine's */
};

/* Start a node with the services of the run and the mode's way of events; extra holds further lines of configuration ("" for
 * none, later ones win). Returns when it listens. A node dies with the process that started it. */
struct node *node_start(const char *name, const char *extra);
/* The same with a configuration file as it is and further arguments (NULL-terminated). Does not wait. */
struct node *node_spawn(const char *name, const char *file, const char *const *arguments);
/* The same with a clock of its own, which node_step_clock() sets; at first so many seconds ahead of the machine's. */
struct node *node_start_with_clock(const char *name, const char *extra, int ahead_s);
/* Step the clock of a node so that it is so many seconds ahead. */
void node_step_clock(struct node *node, int ahead_s);
/* Start it again, after node_stop() or node_kill(), with the same configuration on another port. */
void node_again(struct node *node);
/* The same without waiting. */
void node_begin(struct node *node);
/* Write the node's file anew, with other further lines. */
void node_configure(const struct node *node, const char *extra);
/* Run a program of the build (src/app/rushd) with arguments to its end; returns the exit status, and what it printed on
 * both outputs, kept. */
int program_run(const char *program, const char *const *arguments, const char **printed);
/* Wait until it listens; port and management_port are known then. */
void node_wait_listening(struct node *node);
/* Wait until readiness is UP. */
void node_wait_ready(struct node *node);
/* Wait until it consumes: all groups joined, or it is the worker of the local mode. */
void node_wait_consuming(struct node *node);

void node_signal(struct node *node, int signo);
/* Send it from a process of its own, so many milliseconds from now. */
void node_signal_later(const struct node *node, int signo, int ms);
/* Wait for the end and return the exit status, or 128 + signal; -1 when another process started it. Fails the test at the
 * deadline. */
int node_wait_end(struct node *node, int seconds);
/* SIGTERM, then node_wait_end(). */
int node_stop(struct node *node);
/* SIGKILL, and wait until it is gone. Does nothing to a node that does not run. */
void node_kill(struct node *node);

/* The log of the present process so far, kept. */
const char *node_log(const struct node *node);
bool node_logged(const struct node *node, const char *text);
/* The value of key= in the first line that has this text, kept; NULL when there is none. */
const char *node_log_value(const struct node *node, const char *text, const char *key);
/* A number out of /actuator/metrics/NAME (VALUE, COUNT or the like), 0 when there is none yet. */
double node_metric(const struct node *node, const char *name, const char *tags);
/* Print the ends of the logs of all nodes of this process to standard error. */
void node_print_logs(void);
/* A TCP port that is free now. */
int free_port(void);

#endif
