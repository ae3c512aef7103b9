/* Loggers, their levels, and where lines go. How a line looks is log_line.c. */
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_line.h"

#define ROOT         "root"
#define NAME_MAX_LEN 127

struct setting {
    char name[NAME_MAX_LEN + 1];
    enum log_level level;
};

static struct {
    struct setting settings[LOG_MAX_SETTINGS];
    size_t nsettings;
    struct logger *loggers;
    enum log_format format;
    log_sink_fn *sink;
    void *sink_arg;
} state;

static const char *const level_names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"};

/* Java packages of the source system's configuration and what does their work here; the first match wins. */
static const struct {
    const char *java;
    const char *ours;
} java_names[] = {
    {"kr.hhplus.be.server.shared.kafka", "rushd.kafka"},
    {"kr.hhplus.be.server", "rushd"},
    {"org.apache.kafka", "rushd.kafka"},
    {"org.springframework.kafka", "rushd.kafka"},
    {"org.springframework.data.redis", "rushd.redis"},
    {"org.springframework.web", "rushd.http"},
    {"org.springframework.jdbc", "rushd.pg"},
    {"org.springframework.transaction", "rushd.pg"},
    {"io.lettuce", "rushd.redis"},
    {"org.redisson", "rushd.redis"},
    {"org.hibernate", "rushd.pg"},
    {"org.postgresql", "rushd.pg"},
    {"com.zaxxer.hikari", "rushd.pg"},
    {"org.apache.catalina", "rushd.http"},
    {"org.apache.coyote", "rushd.http"},
    {"org.apache.tomcat", "rushd.http"},
};

static bool below(const char *name, const char *top)
{
    size_t n = strlen(top);
    return strncmp(name, top, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

/* Write rushd's name for what the user wrote. False if it is no logger name. */
static bool name_normalize(const char *name, char *out, size_t size)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-$";
    size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX_LEN || strspn(name, allowed) != n || name[0] == '.' || name[n - 1] == '.' ||
        strstr(name, ".."))
        return false;
    if (str_ieq(name, ROOT)) {
        str_copy(out, size, ROOT);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(java_names); i++) {
        if (!below(name, java_names[i].java))
            continue;
        str_copy(out, size, java_names[i].ours);
        size_t len = strlen(out);
        str_copy(out + len, size - len, name + strlen(java_names[i].java));
        return true;
    }
    str_copy(out, size, name);
    return true;
}

static struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < state.nsettings; i++)
        if (strcmp(state.settings[i].name, name) == 0)
            return &state.settings[i];
    return NULL;
}

/* The setting with the longest name at or above this one; the root's when there is none. */
static enum log_level effective_level(const char *name)
{
    enum log_level level = LOG_LEVEL_INFO;
    size_t longest = 0;
    const struct setting *root = setting_find(ROOT);
    if (root)
        level = root->level;
    for (size_t i = 0; i < state.nsettings; i++) {
        size_t n = strlen(state.settings[i].name);
        if (n > longest && below(name, state.settings[i].name)) {
            longest = n;
            level = state.settings[i].level;
        }
    }
    return level;
}

static void loggers_refresh(void)
{
    for (struct logger *l = state.loggers; l; l = l->next)
        l->level = effective_level(l->name);
}

/* The section that LOG_DEFINE fills; the linker gives its ends. */
extern struct logger *__start_rushd_loggers[] __attribute__((weak));
extern struct logger *__stop_rushd_loggers[] __attribute__((weak));

static void register_linked(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    for (struct logger **l = __start_rushd_loggers; l < __stop_rushd_loggers; l++)
        log_register(*l);
}

void log_register(struct logger *logger)
{
    if (logger->registered)
        return;
    logger->registered = true;
    logger->level = effective_level(logger->name);
    struct logger **at = &state.loggers;
    while (*at && strcmp((*at)->name, logger->name) < 0)
        at = &(*at)->next;
    logger->next = *at;
    *at = logger;
}

bool log_set_level(const char *name, int level)
{
    char ours[NAME_MAX_LEN + 1];
    ASSERT(level <= LOG_LEVEL_OFF);
    register_linked();
    if (!name_normalize(name, ours, sizeof(ours)))
        return false;
    struct setting *s = setting_find(ours);
    if (level < 0) {
        if (s)
            *s = state.settings[--state.nsettings];
    } else {
        if (!s && state.nsettings == LOG_MAX_SETTINGS)
            return false;
        if (!s)
            s = &state.settings[state.nsettings++];
        str_copy(s->name, sizeof(s->name), ours);
        s->level = (enum log_level)level;
    }
    loggers_refresh();
    return true;
}

bool log_level_parse(const char *text, int *level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (str_ieq(text, level_names[i])) {
            *level = (int)i;
            return true;
        }
    }
    /* Spring's FATAL, and YAML's reading of an unquoted off. */
    if (str_ieq(text, "fatal"))
        *level = LOG_LEVEL_ERROR;
    else if (str_ieq(text, "false"))
        *level = LOG_LEVEL_OFF;
    else
        return false;
    return true;
}

const char *log_level_name(int level)
{
    ASSERT(level >= 0 && (size_t)level < ARRAY_LEN(level_names));
    return level_names[level];
}

static void each_logger(const char *name, void (*each)(void *arg, const char *, int, int), void *arg)
{
    const struct setting *s = setting_find(name);
    each(arg, name, s ? (int)s->level : -1, (int)effective_level(name));
}

static bool is_logger(const char *name)
{
    for (const struct logger *l = state.loggers; l; l = l->next)
        if (strcmp(l->name, name) == 0)
            return true;
    return false;
}

void log_each(void (*each)(void *arg, const char *name, int configured, int effective), void *arg)
{
    register_linked();
    each_logger(ROOT, each, arg);
    for (const struct logger *l = state.loggers; l; l = l->next)
        if (!l->next || strcmp(l->name, l->next->name) != 0)
            each_logger(l->name, each, arg);
    for (size_t i = 0; i < state.nsettings; i++)
        if (strcmp(state.settings[i].name, ROOT) != 0 && !is_logger(state.settings[i].name))
            each_logger(state.settings[i].name, each, arg);
}

void log_set_format(enum log_format format)
{
    state.format = format;
}

void log_set_sink(log_sink_fn *sink, void *arg)
{
    state.sink = sink;
    state.sink_arg = arg;
}

void log_reset(void)
{
    state.nsettings = 0;
    state.format = LOG_FORMAT_LOGFMT;
    state.sink = NULL;
    state.sink_arg = NULL;
    loggers_refresh();
}

static void to_stderr(const char *line, size_t n)
{
    while (n) {
        ssize_t done = write(STDERR_FILENO, line, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        line += done;
        n -= (size_t)done;
    }
}

void log_write(struct logger *logger, enum log_level level, const char *message,
               const struct log_field *fields, size_t n)
{
    static char line[LOG_LINE_MAX];
    register_linked();
    log_register(logger);
    if (level < logger->level)
        return;
    size_t len =
        log_line(line, state.format, clock_real_us(), level_names[level], logger->name, message, fields, n);
    if (state.sink)
        state.sink(state.sink_arg, line, len);
    else
        to_stderr(line, len);
}

bool log_gate_open(struct log_gate *gate, int64_t interval_ms, int64_t *suppressed)
{
    int64_t now = clock_mono_us();
    if (gate->next_us && now < gate->next_us) {
        gate->suppressed++;
        return false;
    }
    if (suppressed)
        *suppressed = gate->suppressed;
    gate->suppressed = 0;
    gate->next_us = now + interval_ms * 1000;
    return true;
}
