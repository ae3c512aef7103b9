/* Metrics of the process and the machine, with Micrometer's names where it has them. They are read when somebody
 * asks for metrics, from /proc and by cheap calls. */
#include "api/api_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"

enum {
    UPTIME,
    START_TIME,
    CPU_USAGE,
    CPU_COUNT,
    LOAD,
    FILES_OPEN,
    FILES_MAX,
    RESIDENT,
    VIRTUAL,
    GAUGES
};

#define GAUGE(n, u, h)                                                                                       \
    {                                                                                                        \
        .name = (n), .type = METRIC_GAUGE, .unit = (u), .help = (h)                                          \
    }
static const struct metric_def defs[GAUGES] = {
    [UPTIME] = GAUGE("process.uptime", "seconds", "How long the process has been running"),
    [START_TIME] = GAUGE("process.start.time", "seconds", "When the process was started, since the epoch"),
    [CPU_USAGE] = GAUGE("process.cpu.usage", NULL,
                        "Share of the machine's processors that the process used since it was last asked"),
    [CPU_COUNT] = GAUGE("system.cpu.count", NULL, "Processors of the machine"),
    [LOAD] = GAUGE("system.load.average.1m", NULL, "Runnable tasks, average of one minute"),
    [FILES_OPEN] = GAUGE("process.files.open", "files", "Open file descriptors"),
    [FILES_MAX] = GAUGE("process.files.max", "files", "Limit of open file descriptors"),
    [RESIDENT] = GAUGE("process.resident.memory", "bytes", "Memory of the process that is in RAM"),
    [VIRTUAL] = GAUGE("process.virtual.memory", "bytes", "Address space of the process"),
};
static const struct metric_def cpu_time_def = {.name = "process.cpu.time",
                                               .type = METRIC_COUNTER,
                                               .unit = "seconds",
                                               .help = "Processor time that the process has used"};
static const struct metric_def disk_free_def = {.name = "disk.free",
                                                .type = METRIC_GAUGE,
                                                .unit = "bytes",
                                                .help = "Free space of the working directory's file system",
                                                .labels = {"path"}};
static const struct metric_def disk_total_def = {.name = "disk.total",
                                                 .type = METRIC_GAUGE,
                                                 .unit = "bytes",
                                                 .help = "Size of the working directory's file system",
                                                 .labels = {"path"}};

static struct {
    bool running;
    int64_t started_us;
    int64_t cpu_us, at_us; /* when the CPU was last looked at */
} state;

static void set(int gauge, double v)
{
    metric_set(metric_single(&defs[gauge]), v);
}

static int64_t us_of(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static void collect_cpu(void)
{
    struct rusage r;
    double load;
    if (getrusage(RUSAGE_SELF, &r) != 0)
        return;
    int64_t cpu_us = us_of(r.ru_utime) + us_of(r.ru_stime), now_us = clock_mono_us();
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    metric_set_total(metric_single(&cpu_time_def), (double)cpu_us / 1e6);
    set(CPU_COUNT, (double)cpus);
    if (now_us > state.at_us && cpus > 0)
        set(CPU_USAGE, (double)(cpu_us - state.cpu_us) / (double)(now_us - state.at_us) / (double)cpus);
    state.cpu_us = cpu_us;
    state.at_us = now_us;
    if (getloadavg(&load, 1) == 1)
        set(LOAD, load);
}

static void collect_memory(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    char *rest;
    double page = (double)sysconf(_SC_PAGESIZE);
    set(VIRTUAL, (double)strtoull(text, &rest, 10) * page);
    set(RESIDENT, (double)strtoull(rest, NULL, 10) * page);
}

/* Newer kernels tell the number as the size of the directory; else it is walked. */
static int64_t open_files(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return st.st_size;
    DIR *dir = opendir("/proc/self/fd");
    int64_t n = -3; /* ".", ".." and the walk's own */
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n > 0 ? n : 0;
}

static void collect_files(void)
{
    struct rlimit limit;
    struct statvfs fs;
    static const char *const path[] = {"."};
    set(FILES_OPEN, (double)open_files());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        set(FILES_MAX, (double)limit.rlim_cur);
    if (statvfs(path[0], &fs) != 0)
        return;
    metric_set(metric_series(metric_register(&disk_free_def), path),
               (double)fs.f_bavail * (double)fs.f_frsize);
    metric_set(metric_series(metric_register(&disk_total_def), path),
               (double)fs.f_blocks * (double)fs.f_frsize);
}

static void collect(void *arg)
{
    set(UPTIME, (double)(clock_real_us() - state.started_us) / 1e6);
    set(START_TIME, (double)state.started_us / 1e6);
    collect_cpu();
    collect_memory();
    collect_files();
}

void api_process_metrics_start(int64_t started_us)
{
    state.started_us = started_us;
    state.at_us = clock_mono_us();
    state.cpu_us = 0;
    struct rusage r;
    if (getrusage(RUSAGE_SELF, &r) == 0)
        state.cpu_us = us_of(r.ru_utime) + us_of(r.ru_stime);
    if (!state.running)
        metric_on_collect(collect, NULL);
    state.running = true;
}

void api_process_metrics_stop(void)
{
    metric_off_collect(collect, NULL);
    state.running = false;
}
