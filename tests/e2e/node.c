/* Starting, watching and ending rushd processes. */
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "e2e_client.h"
#include "services.h"

#define START_S 30

static struct node *nodes[64];
static size_t nnodes;

/* Below the ports that the system gives out: the embedded cluster of a node could get one of those before it listens. */
int free_port(void)
{
    enum {
        FIRST = 10000,
        COUNT = 10000
    };
    for (int tries = 0; tries < 200; tries++) {
        uint16_t random;
        ck_assert_int_eq(getrandom(&random, sizeof random, 0), sizeof random);
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)(FIRST + random % COUNT))};
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
        close(fd);
        if (is_free)
            return ntohs(at.sin_port);
    }
    ck_abort_msg("no free port found");
    return 0;
}

/* --- starting --------------------------------------------------------------------------------------------------------- */

static char *in_build(const char *name, const char *suffix)
{
    return text("%s/tests/e2e/%s-%s.node.%s", e2e_env("RUSHD_TEST_BUILDDIR"), e2e_mode_name(), name, suffix);
}

/* A key may stand in a file once: the test's own lines win. */
static void setting(FILE *f, const char *extra, const char *key, const char *value)
{
    if (!strstr(extra, text("%s =", key)))
        fprintf(f, "%s = %s\n", key, value);
}

void node_configure(const struct node *n, const char *extra)
{
    FILE *f = fopen(n->file, "w");
    ck_assert_msg(f != NULL, "%s: %s", n->file, strerror(errno));
    setting(f, extra, "server.port", "0");
    setting(f, extra, "datasource.url", e2e_env("RUSHD_TEST_PG_URL"));
    setting(f, extra, "datasource.auto-migrate", "true");
    setting(f, extra, "redis.socket", e2e_env("RUSHD_TEST_REDIS_SOCKET"));
    if (e2e_mode() == E2E_LOCAL)
        setting(f, extra, "event.publisher.type", "local");
    else if (e2e_mode() == E2E_EMBEDDED)
        setting(f, extra, "kafka.bootstrap-servers", "embedded");
    else {
        setting(f, extra, "kafka.bootstrap-servers", e2e_env("RUSHD_TEST_KAFKA"));
        setting(f, extra, "kafka.consumer.session.timeout.ms", "6000");
        setting(f, extra, "kafka.consumer.heartbeat.interval.ms", "500");
    }
    fputs(extra, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* The words of RUSHD_TEST_UNDER, a command that takes rushd as its argument (valgrind), then rushd itself. */
static size_t command(const char **argv, size_t most)
{
    size_t argc = 0;
    char *under = text("%s", getenv("RUSHD_TEST_UNDER") ? getenv("RUSHD_TEST_UNDER") : ""), *save = NULL;
    for (char *word = strtok_r(under, " ", &save); word && argc < most; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    argv[argc++] = text("%s/src/app/rushd", e2e_env("RUSHD_TEST_BUILDDIR"));
    return argc;
}

static void become_rushd(const struct node *n, const char *const *arguments)
{
    const char *argv[48] = {0};
    size_t argc = command(argv, 24);
    argv[argc++] = "-c";
    argv[argc++] = n->file;
    for (; arguments && *arguments && argc < 47; arguments++)
        argv[argc++] = *arguments;
    int log = open(n->log, O_WRONLY | O_CREAT | O_APPEND, 0644), null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    if (n->clock) {
        setenv("RUSHD_TEST_CLOCK", n->clock, 1);
        setenv("LD_PRELOAD", text("%s/tests/support/stepped_clock.so", e2e_env("RUSHD_TEST_BUILDDIR")), 1);
        const char *options = getenv("ASAN_OPTIONS");
        setenv("ASAN_OPTIONS",
               text("%s%sverify_asan_link_order=0", options ? options : "", options ? ":" : ""), 1);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL); /* as a shell starts it */
    execvp(argv[0], (char *const *)argv);
    fprintf(stderr, "rushd cannot be started: %s\n", strerror(errno));
    _exit(127);
}

static void launch(struct node *n, const char *const *arguments)
{
    FILE *log = fopen(n->log, "a");
    ck_assert_msg(log != NULL, "%s: %s", n->log, strerror(errno));
    fseek(log, 0, SEEK_END);
    n->log_from = ftell(log);
    fclose(log);
    fflush(NULL);
    n->port = n->management_port = 0;
    n->parent = getpid();
    n->pid = fork();
    if (n->pid == 0)
        become_rushd(n, arguments);
    ck_assert_msg(n->pid > 0, "fork: %s", strerror(errno));
    n->pidfd = (int)syscall(SYS_pidfd_open, n->pid, 0);
    ck_assert_msg(n->pidfd >= 0, "pidfd_open: %s", strerror(errno));
}

static struct node *node_new(const char *name)
{
    struct node *n = e2e_keep(calloc(1, sizeof *n));
    n->name = text("%s", name);
    n->file = in_build(name, "conf");
    n->log = in_build(name, "log");
    n->pidfd = -1;
    remove(n->log);
    ck_assert(nnodes < E2E_LEN(nodes));
    nodes[nnodes++] = n;
    return n;
}

struct node *node_spawn(const char *name, const char *file, const char *const *arguments)
{
    struct node *n = node_new(name);
    if (file)
        n->file = text("%s", file);
    launch(n, arguments);
    return n;
}

struct node *node_start(const char *name, const char *extra)
{
    struct node *n = node_new(name);
    node_configure(n, extra);
    launch(n, NULL);
    node_wait_listening(n);
    return n;
}

void node_step_clock(struct node *n, int ahead_s)
{
    int32_t step = ahead_s;
    int fd = open(n->clock, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_msg(fd >= 0, "%s: %s", n->clock, strerror(errno));
    ck_assert_int_eq(pwrite(fd, &step, sizeof step, 0), sizeof step);
    close(fd);
}

struct node *node_start_with_clock(const char *name, const char *extra, int ahead_s)
{
    struct node *n = node_new(name);
    n->clock = in_build(name, "clock");
    node_step_clock(n, ahead_s);
    node_configure(n, extra);
    launch(n, NULL);
    node_wait_listening(n);
    return n;
}

void node_begin(struct node *n)
{
    ck_assert_int_eq(n->pid, 0);
    launch(n, NULL);
}

void node_again(struct node *n)
{
    node_begin(n);
    node_wait_listening(n);
}

int program_run(const char *program, const char *const *arguments, const char **printed)
{
    const char *argv[32] = {program}, *out = in_build("program", "log");
    for (size_t i = 0; arguments[i] && i < 30; i++)
        argv[i + 1] = arguments[i];
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(fd, 1);
        dup2(fd, 2);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(text("%s/%s", e2e_env("RUSHD_TEST_BUILDDIR"), program), (char *const *)argv);
        _exit(127);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    const struct node from = {.log = (char *)out};
    *printed = node_log(&from);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- watching --------------------------------------------------------------------------------------------------------- */

static bool ended(const struct node *n, int timeout_ms)
{
    struct pollfd p = {.fd = n->pidfd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

void node_wait_listening(struct node *n)
{
    const char *line = "logger=rushd.node msg=listening", *port = NULL;
    WAIT_UNTIL(START_S, ended(n, 0) || (port = node_log_value(n, line, "management_port")));
    ck_assert_msg(port != NULL, "rushd did not start:\n%s", node_log(n));
    n->management_port = (int)strtol(port, NULL, 10);
    n->port = (int)strtol(node_log_value(n, line, "port"), NULL, 10);
    const char *embedded = node_log_value(n, "embedded Kafka started", "bootstrap");
    if (embedded)
        kafka_at(embedded);
    else if (e2e_mode() == E2E_BROKER)
        kafka_at(e2e_env("RUSHD_TEST_KAFKA"));
}

void node_wait_ready(struct node *n)
{
    WAIT_UNTIL(START_S, get(n->management_port, "/actuator/health/readiness")->status == 200);
}

static bool consumes(const struct node *n)
{
    if (e2e_mode() == E2E_LOCAL)
        return node_logged(n, "this node is the worker");
    struct answer *a = get(n->management_port, "/actuator/health");
    const json_t *details = json_at(a->json, "components.kafka.details"), *v;
    const char *key;
    int joined = 0;
    json_object_foreach((json_t *)details, key, v) joined +=
        strstr(key, "-group") && json_is_string(v) && strcmp(json_string_value(v), "joined") == 0;
    return joined == 3;
}

void node_wait_consuming(struct node *n)
{
    node_wait_ready(n);
    WAIT_UNTIL(START_S, consumes(n));
}

/* --- ending ----------------------------------------------------------------------------------------------------------- */

void node_signal(struct node *n, int signo)
{
    ck_assert_int_ne(n->pid, 0);
    ck_assert_int_eq(kill(n->pid, signo), 0);
}

void node_signal_later(const struct node *n, int signo, int ms)
{
    fflush(NULL);
    if (fork() == 0) {
        pause_ms(ms);
        kill(n->pid, signo);
        _exit(0);
    }
}

int node_wait_end(struct node *n, int seconds)
{
    int status = -1, code = -1;
    ck_assert_msg(ended(n, seconds * 1000 * e2e_slowness()), "the node did not end within %d s", seconds);
    if (n->parent == getpid() && waitpid(n->pid, &status, 0) == n->pid)
        code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    close(n->pidfd);
    n->pidfd = -1;
    n->pid = 0;
    return code;
}

int node_stop(struct node *n)
{
    node_signal(n, SIGTERM);
    return node_wait_end(n, 40);
}

void node_kill(struct node *n)
{
    if (!n->pid)
        return;
    kill(n->pid, SIGKILL);
    node_wait_end(n, 10);
}

/* --- log and metrics -------------------------------------------------------------------------------------------------- */

/* Not kept: waiting reads it many times. */
static char *read_log(const struct node *n)
{
    FILE *f = fopen(n->log, "r");
    long size = 0;
    if (f && fseek(f, 0, SEEK_END) == 0)
        size = ftell(f) - n->log_from;
    char *all = calloc(1, (size_t)(size > 0 ? size : 0) + 1);
    if (f) {
        fseek(f, n->log_from, SEEK_SET);
        size_t got = fread(all, 1, (size_t)(size > 0 ? size : 0), f);
        all[got] = '\0';
        fclose(f);
    }
    return all;
}

const char *node_log(const struct node *n)
{
    return e2e_keep(read_log(n));
}

bool node_logged(const struct node *n, const char *wanted)
{
    char *all = read_log(n);
    bool found = strstr(all, wanted) != NULL;
    free(all);
    return found;
}

const char *node_log_value(const struct node *n, const char *wanted, const char *key)
{
    char *all = read_log(n), *at = strstr(all, wanted);
    const char *line = at ? text("%.*s", (int)strcspn(at, "\n"), at) : "";
    free(all);
    const char *value = strstr(line, text(" %s=", key));
    if (!value)
        return NULL;
    value += strlen(key) + 2;
    if (*value == '"')
        return text("%.*s", (int)strcspn(value + 1, "\""), value + 1);
    return text("%.*s", (int)strcspn(value, " "), value);
}

double node_metric(const struct node *n, const char *name, const char *tags)
{
    struct answer *a = get(n->management_port, "/actuator/metrics/%s%s", name, tags);
    const json_t *v = json_at(a->json, "measurements[0].value");
    return json_is_number(v) ? json_number_value(v) : 0;
}

void node_print_logs(void)
{
    for (size_t i = 0; i < nnodes; i++) {
        const char *all = node_log(nodes[i]), *from = all + strlen(all);
        for (int lines = 0; from > all && lines <= 40; from--)
            lines += from[-1] == '\n';
        fprintf(stderr, "--- the end of %s%s\n%s", nodes[i]->log, nodes[i]->pid ? "" : " (not running)",
                from);
    }
}
