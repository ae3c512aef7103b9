/* Load for benchmarks: one thread, many keep-alive connections, closed loop (each connection asks again when answered) or open
 * loop (a fixed rate; latency counts from the instant at which the request was due, so that a stalled server is not
 * flattered). Knows nothing of rushd but its routes.
 *
 *   bench_load --port P --case NAME [--connections 64] [--seconds 10] [--warmup 2] [--rate N] [--pipeline 1]
 *              [--users FIRST:COUNT] [--stride N] [--products COUNT] [--coupon ID] [--path PATH] [--cpu NAME:PID[/THREAD]]... [--pending N]
 *              [--requests N] [--once 1]
 *
 * Users follow each other in steps of --stride, so that neighbours of one batch lie far apart in a large table. A PATH may hold
 * {user} and {product}: the next user, any product. --requests ends the run after so many answers, whatever --seconds says.
 *
 * --once: each connection asks once and stays open and idle until the end.
 * --pending with --rate: a connection with so many unanswered requests does not ask, and latency counts from the sending.
 *
 * Prints one JSON object: requests, rate, statuses, latency percentiles in ms, the histogram behind them, and per request the
 * microseconds of CPU of this program and of each process named by --cpu with its children. A 503 is counted apart: rate and
 * percentiles are those of the other answers. Progress goes to standard error. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PIPELINE_MAX = 64,
    BUFFER = 65536,
    STATUS_MAX = 600
};

/* Log-linear histogram: 32 steps per power of two of microseconds. */
enum {
    STEPS = 32,
    POWERS = 32
};
struct latencies {
    uint64_t histogram[POWERS * STEPS];
    uint64_t samples;
};
static struct latencies taken, refused; /* refused: 503 */
static uint64_t statuses[STATUS_MAX];
static uint64_t broken; /* connections that ended by themselves */

struct connection {
    int fd;
    char in[BUFFER], out[BUFFER];
    size_t in_len, out_len, out_pos;
    int64_t due[PIPELINE_MAX]; /* instants that the pending answers are measured from */
    int first, pending;
    bool wants_write, asked;
};

static struct {
    int port, connections, pipeline, pending, once;
    double seconds, warmup, rate;
    const char *name, *path;
    int64_t first_user, users, stride, products, coupon, requests;
} cfg = {.connections = 64,
         .pipeline = 1,
         .pending = PIPELINE_MAX,
         .seconds = 10,
         .warmup = 2,
         .name = "get",
         .path = "/actuator/health/liveness",
         .first_user = 1,
         .users = 100000,
         .stride = 1,
         .products = 1,
         .coupon = 1};

/* The processes whose CPU time is told, each with its children; with a thread's name, that thread alone, which then no longer
 * counts for its process. */
enum {
    WATCHED_MAX = 8
};
static struct watched {
    char name[32];
    int pid;
    const char *thread;  /* NULL: the whole */
    double before, used; /* seconds */
} watched[WATCHED_MAX];
static int nwatched;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t seed = 88172645463325252ULL;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* --- latency --- */

static void record(struct latencies *l, int64_t us)
{
    if (us < 1)
        us = 1;
    int power = 63 - __builtin_clzll((unsigned long long)us);
    int step = power >= 5 ? (int)(us >> (power - 5)) & (STEPS - 1) : (int)(us << (5 - power)) & (STEPS - 1);
    l->histogram[(power < POWERS ? power : POWERS - 1) * STEPS + step]++;
    l->samples++;
}

static double percentile(const struct latencies *l, double p)
{
    uint64_t rank = (uint64_t)((double)l->samples * p), seen = 0;
    for (int i = 0; i < POWERS * STEPS; i++) {
        seen += l->histogram[i];
        if (seen > rank || (seen == l->samples && seen))
            return (double)(1ULL << (i / STEPS)) * (1 + (double)(i % STEPS) / STEPS) / 1000;
    }
    return 0;
}

/* --- requests --- */

static int64_t user_counter;

/* GET a path with its placeholders filled. */
static size_t put_get(char *out, size_t room, int64_t user)
{
    size_t n = (size_t)snprintf(out, room, "GET ");
    for (const char *p = cfg.path; *p && n + 64 < room;) {
        if (strncmp(p, "{user}", 6) == 0) {
            n += (size_t)snprintf(out + n, room - n, "%lld", (long long)user);
            p += 6;
        } else if (strncmp(p, "{product}", 9) == 0) {
            n += (size_t)snprintf(out + n, room - n, "%lld",
                                  (long long)(1 + (int64_t)(next_random() % (uint64_t)cfg.products)));
            p += 9;
        } else {
            out[n++] = *p++;
        }
    }
    return n + (size_t)snprintf(out + n, room - n, " HTTP/1.1\r\nHost: bench\r\n\r\n");
}

static size_t put_request(char *out, size_t room)
{
    int64_t user = cfg.first_user + user_counter++ * cfg.stride % cfg.users;
    if (strcmp(cfg.name, "orders") == 0) {
        char body[512];
        int n = snprintf(body, sizeof body, "{\"userId\":%lld,\"orderItems\":[", (long long)user);
        int lines = cfg.products > 1 ? 1 + (int)(next_random() % 3) : 1;
        for (int i = 0; i < lines; i++)
            n += snprintf(body + n, sizeof body - (size_t)n, "%s{\"productId\":%lld,\"quantity\":1}",
                          i ? "," : "", (long long)(1 + (int64_t)(next_random() % (uint64_t)cfg.products)));
        n += snprintf(body + n, sizeof body - (size_t)n, "]}");
        return (size_t)snprintf(
            out, room,
            "POST /api/orders HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            "Content-Length: %d\r\n\r\n%s",
            n, body);
    }
    if (strcmp(cfg.name, "coupon") == 0)
        return (size_t)snprintf(
            out, room,
            "POST /api/coupons/%lld/issue?userId=%lld HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n",
            (long long)cfg.coupon, (long long)user);
    if (strcmp(cfg.name, "status") == 0)
        return (size_t)snprintf(
            out, room, "GET /api/coupons/%lld/issue/status?userId=%lld HTTP/1.1\r\nHost: bench\r\n\r\n",
            (long long)cfg.coupon, (long long)user);
    return put_get(out, room, user);
}

/* --- connections --- */

static int poller;

static void watch(struct connection *c)
{
    struct epoll_event ev = {.events = EPOLLIN | (c->wants_write ? EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &ev);
}

static void open_connection(struct connection *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)cfg.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        fprintf(stderr, "bench_load: port %d: %s\n", cfg.port, strerror(errno));
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->in_len = c->out_len = c->out_pos = 0;
    c->first = c->pending = 0;
    c->wants_write = false;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &ev);
}

static void reopen(struct connection *c)
{
    broken++;
    close(c->fd);
    open_connection(c);
}

static void flush_out(struct connection *c)
{
    while (c->out_pos < c->out_len) {
        ssize_t n = write(c->fd, c->out + c->out_pos, c->out_len - c->out_pos);
        if (n <= 0)
            break;
        c->out_pos += (size_t)n;
    }
    bool wants = c->out_pos < c->out_len;
    if (!wants)
        c->out_pos = c->out_len = 0;
    if (wants != c->wants_write) {
        c->wants_write = wants;
        watch(c);
    }
}

static void ask(struct connection *c, int64_t due)
{
    c->out_len += put_request(c->out + c->out_len, BUFFER - c->out_len);
    c->due[(c->first + c->pending++) % PIPELINE_MAX] = due;
}

/* The length of a complete answer at p, or 0; *status gets its code. Answers carry Content-Length. */
static size_t answer_length(const char *p, size_t n, int *status)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end || n < 12)
        return 0;
    *status = atoi(p + 9);
    size_t head = (size_t)(end - p) + 4, body = 0;
    const char *length = memmem(p, head, "Content-Length: ", 16);
    if (length)
        body = strtoul(length + 16, NULL, 10);
    return head + body <= n ? head + body : 0;
}

static bool measuring;

static void take_answers(struct connection *c, int64_t now)
{
    size_t used = 0, n;
    int status = 0;
    while (c->pending && (n = answer_length(c->in + used, c->in_len - used, &status))) {
        used += n;
        if (measuring) {
            record(status == 503 ? &refused : &taken, now - c->due[c->first]);
            statuses[status > 0 && status < STATUS_MAX ? status : 0]++;
        }
        c->first = (c->first + 1) % PIPELINE_MAX;
        c->pending--;
    }
    memmove(c->in, c->in + used, c->in_len - used);
    c->in_len -= used;
}

/* Closed loop: keep the pipeline of each connection full. */
static void refill(struct connection *c, int64_t now)
{
    if (cfg.rate > 0 || (cfg.once && c->asked))
        return;
    c->asked = true;
    while (c->pending < cfg.pipeline && c->out_len + 1024 < BUFFER)
        ask(c, now);
    flush_out(c);
}

static void on_readable(struct connection *c)
{
    ssize_t n = read(c->fd, c->in + c->in_len, BUFFER - c->in_len);
    int64_t now = now_us();
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        reopen(c);
        refill(c, now);
        return;
    }
    if (n > 0)
        c->in_len += (size_t)n;
    take_answers(c, now);
    refill(c, now);
}

/* Open loop: requests that are due go to the connections in turn, whatever is still unanswered. */
static void send_due(struct connection *all, int64_t start, int64_t *sent, int64_t now)
{
    static int turn;
    int64_t wanted = (int64_t)((double)(now - start) * cfg.rate / 1e6);
    for (int tries = 0; *sent < wanted && tries < cfg.connections; turn = (turn + 1) % cfg.connections) {
        struct connection *c = &all[turn];
        if (c->pending >= cfg.pending || c->out_len + 1024 >= BUFFER) {
            tries++;
            continue;
        }
        ask(c, cfg.pending < PIPELINE_MAX ? now_us() : start + (int64_t)((double)*sent / cfg.rate * 1e6));
        flush_out(c);
        (*sent)++;
    }
}

static void run(struct connection *all, double seconds)
{
    int64_t start = now_us(), end = start + (int64_t)(seconds * 1e6), sent = 0, told = start;
    for (int64_t now = start; now < end && !(cfg.requests && taken.samples >= (uint64_t)cfg.requests);
         now = now_us()) {
        struct epoll_event events[256];
        if (cfg.rate > 0)
            send_due(all, start, &sent, now);
        int n = epoll_wait(poller, events, 256, cfg.rate > 0 ? 1 : 50);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                flush_out(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(c);
        }
        if (measuring && now - told > 1000000) {
            fprintf(stderr, "  %.0f s: %llu answers\r", (double)(now - start) / 1e6,
                    (unsigned long long)taken.samples);
            told = now;
        }
    }
}

/* --- CPU --- */

/* Ticks of user and system time that a stat file tells; *parent gets the parent, name (if any) must be that in parentheses. */
static uint64_t stat_ticks(const char *path, const char *name, int *parent)
{
    char text[1024];
    unsigned long long user, system;
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    const char *rest = strrchr(text, ')'), *first = strchr(text, '('); /* the name may hold anything */
    if (name && (!rest || !first || (size_t)(rest - first - 1) != strlen(name) ||
                 strncmp(first + 1, name, strlen(name)) != 0))
        return 0;
    if (!rest ||
        sscanf(rest, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", parent, &user, &system) != 3)
        return 0;
    return user + system;
}

static double ticks_to_seconds(uint64_t ticks)
{
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Time of the threads of a process that have this name, in seconds. */
static double thread_seconds(int pid, const char *name)
{
    char path[300];
    uint64_t ticks = 0;
    int parent;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", pid, e->d_name);
        if (e->d_name[0] != '.')
            ticks += stat_ticks(path, name, &parent);
    }
    if (d)
        closedir(d);
    return ticks_to_seconds(ticks);
}

/* Time of a process and its living children, in seconds. */
static double family_seconds(int pid)
{
    char path[64];
    uint64_t ticks = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        int parent = 0;
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%.20s/stat", e->d_name);
        uint64_t t = stat_ticks(path, NULL, &parent);
        if (parent == pid || atoi(e->d_name) == pid)
            ticks += t;
    }
    if (d)
        closedir(d);
    return ticks_to_seconds(ticks);
}

static double watched_seconds(const struct watched *w)
{
    return w->thread ? thread_seconds(w->pid, w->thread) : family_seconds(w->pid);
}

static double own_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void watch_begin(void)
{
    for (int i = 0; i < nwatched; i++)
        watched[i].before = watched_seconds(&watched[i]);
}

static void watch_end(void)
{
    for (int i = 0; i < nwatched; i++)
        watched[i].used = watched_seconds(&watched[i]) - watched[i].before;
    for (int i = 0; i < nwatched; i++)
        for (int k = 0; k < nwatched; k++)
            if (watched[k].thread && !watched[i].thread && watched[k].pid == watched[i].pid)
                watched[i].used -= watched[k].used;
}

/* --- result --- */

static double per_request_us(double seconds)
{
    return taken.samples ? seconds * 1e6 / (double)taken.samples : 0;
}

static void print_result(double seconds, double cpu)
{
    printf("{\"case\":\"%s\",\"connections\":%d,\"pipeline\":%d,\"seconds\":%.3f,\"requests\":%llu,\"rate\":%"
           ".1f,",
           cfg.name, cfg.connections, cfg.pipeline, seconds, (unsigned long long)taken.samples,
           (double)taken.samples / seconds);
    printf("\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f,", percentile(&taken, 0.5),
           percentile(&taken, 0.9), percentile(&taken, 0.99), percentile(&taken, 0.999),
           percentile(&taken, 1));
    printf("\"refused\":%llu,\"refusedP99\":%.3f,", (unsigned long long)refused.samples,
           percentile(&refused, 0.99));
    printf("\"broken\":%llu,\"cpu\":%.3f,\"cpuUs\":{\"load\":%.2f", (unsigned long long)broken, cpu,
           per_request_us(cpu));
    for (int i = 0; i < nwatched; i++)
        printf(",\"%s\":%.2f", watched[i].name, per_request_us(watched[i].used));
    printf("},\"statuses\":{");
    const char *comma = "";
    for (int i = 0; i < STATUS_MAX; i++)
        if (statuses[i]) {
            printf("%s\"%d\":%llu", comma, i, (unsigned long long)statuses[i]);
            comma = ",";
        }
    printf("},\"histogram\":[");
    comma = "";
    for (int i = 0; i < POWERS * STEPS; i++)
        if (taken.histogram[i]) {
            printf("%s[%.3f,%llu]", comma,
                   (double)(1ULL << (i / STEPS)) * (1 + (double)(i % STEPS) / STEPS) / 1000,
                   (unsigned long long)taken.histogram[i]);
            comma = ",";
        }
    printf("]}\n");
}

static void parse_watched(const char *v)
{
    const char *colon = strchr(v, ':');
    if (!colon || nwatched == WATCHED_MAX) {
        fprintf(stderr, "bench_load: --cpu NAME:PID[/THREAD], at most %d\n", WATCHED_MAX);
        exit(64);
    }
    struct watched *w = &watched[nwatched++];
    snprintf(w->name, sizeof w->name, "%.*s", (int)(colon - v), v);
    w->pid = atoi(colon + 1);
    const char *slash = strchr(colon, '/');
    w->thread = slash ? slash + 1 : NULL;
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *o = argv[i], *v = argv[i + 1];
        if (!strcmp(o, "--port"))
            cfg.port = atoi(v);
        else if (!strcmp(o, "--case"))
            cfg.name = v;
        else if (!strcmp(o, "--path"))
            cfg.path = v;
        else if (!strcmp(o, "--connections"))
            cfg.connections = atoi(v);
        else if (!strcmp(o, "--pipeline"))
            cfg.pipeline = atoi(v);
        else if (!strcmp(o, "--seconds"))
            cfg.seconds = atof(v);
        else if (!strcmp(o, "--warmup"))
            cfg.warmup = atof(v);
        else if (!strcmp(o, "--rate"))
            cfg.rate = atof(v);
        else if (!strcmp(o, "--pending"))
            cfg.pending = atoi(v);
        else if (!strcmp(o, "--requests"))
            cfg.requests = atoll(v);
        else if (!strcmp(o, "--stride"))
            cfg.stride = atoll(v);
        else if (!strcmp(o, "--once"))
            cfg.once = atoi(v);
        else if (!strcmp(o, "--products"))
            cfg.products = atoll(v);
        else if (!strcmp(o, "--coupon"))
            cfg.coupon = atoll(v);
        else if (!strcmp(o, "--cpu"))
            parse_watched(v);
        else if (!strcmp(o, "--users")) {
            cfg.first_user = atoll(v);
            cfg.users = strchr(v, ':') ? atoll(strchr(v, ':') + 1) : 1;
        } else {
            fprintf(stderr, "bench_load: unknown option %s\n", o);
            exit(64);
        }
    }
    if (!cfg.port || cfg.pipeline < 1 || cfg.pipeline > PIPELINE_MAX || cfg.pending < 1 ||
        cfg.pending > PIPELINE_MAX || cfg.users < 1 || cfg.stride < 1 || cfg.products < 1) {
        fprintf(stderr, "bench_load: --port is needed; --pipeline and --pending are 1 to %d\n", PIPELINE_MAX);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = calloc((size_t)cfg.connections, sizeof *all);
    for (int i = 0; i < cfg.connections; i++) {
        open_connection(&all[i]);
        refill(&all[i], now_us());
    }
    run(all, cfg.warmup);
    measuring = true;
    watch_begin();
    double cpu = own_seconds();
    int64_t start = now_us();
    run(all, cfg.seconds);
    double seconds = (double)(now_us() - start) / 1e6;
    cpu = own_seconds() - cpu;
    watch_end();
    print_result(seconds, cpu);
    for (int i = 0; i < cfg.connections; i++)
        close(all[i].fd);
    free(all);
    return 0;
}
