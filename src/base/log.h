/* Structured log: one line per event, key=value, levels per logger (contract section 2).
 *
 *     LOG_DEFINE(log_pg, "rushd.pg");
 *     log_warn(&log_pg, "connection lost", LOG_S("host", host), LOG_I("port", port));
 *
 * Lines go to a sink: standard error by default; loop_log installs one that never blocks and counts what it
 * drops. Names form a tree by '.': the level of "rushd" holds for "rushd.pg" unless that has its own. Java
 * logger names of the source's file map to rushd's (`org.apache.kafka`, `org.springframework.kafka` ->
 * rushd.kafka, `kr.hhplus.be.server` -> rushd). */
#ifndef RUSHD_BASE_LOG_H
#define RUSHD_BASE_LOG_H

#include "base/buf.h"
#include "base/error.h"

enum log_level {
    LOG_LEVEL_TRACE,
    LOG_LEVEL_DEBUG, /* for a developer */
    LOG_LEVEL_INFO,  /* what an operator wants to see of a healthy node */
    LOG_LEVEL_WARN,  /* works, but somebody should look */
    LOG_LEVEL_ERROR, /* something that was asked for failed */
    LOG_LEVEL_OFF,
};

struct logger {
    const char *name;
    enum log_level level; /* the effective one, known when registered; until then log_write decides */
    bool registered;
    struct logger *next;
};

/* Define a logger, with or without `static` in front. Its address goes to a section of the program where the
 * log finds all loggers that are linked in. */
#define LOG_DEFINE(var, logger_name)                                                                         \
    struct logger var = {.name = (logger_name), .level = LOG_LEVEL_TRACE};                                   \
    static struct logger *var##_known_ __attribute__((used, section("rushd_loggers"))) = &var

/* Bytes of a line with its newline; what does not fit is cut at a character, then "..." */
#define LOG_LINE_MAX 8192

struct log_field {
    const char *key;
    enum {
        LOG_FIELD_STR,
        LOG_FIELD_INT,
        LOG_FIELD_SLICE,
        LOG_FIELD_DOUBLE
    } type;
    union {
        const char *s;
        int64_t i;
        struct slice slice;
        double d;
    };
};

/* LOG_S and LOG_B copy nothing: the text must live until the call is over. LOG_S with NULL prints nothing. */
#define LOG_S(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .s = (v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_INT, .i = (int64_t)(v)})
#define LOG_D(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_DOUBLE, .d = (v)})
#define LOG_B(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_SLICE, .slice = (v)})
#define LOG_ERR(e)  LOG_S("error", (e)->text), LOG_S("code", (e)->code)

/* Write one line if the level of the logger lets it through; for the macros below. Loop's thread only. */
void log_write(struct logger *logger, enum log_level level, const char *message,
               const struct log_field *fields, size_t n);

#define LOG_AT(logger, lvl, message, ...)                                                                    \
    do {                                                                                                     \
        if ((logger)->level <= (lvl)) {                                                                      \
            const struct log_field log_fields_[] = {{0}, __VA_ARGS__};                                       \
            log_write((logger), (lvl), (message), log_fields_ + 1, ARRAY_LEN(log_fields_) - 1);              \
        }                                                                                                    \
    } while (0)
#define log_trace(logger, ...) LOG_AT(logger, LOG_LEVEL_TRACE, __VA_ARGS__, )
#define log_debug(logger, ...) LOG_AT(logger, LOG_LEVEL_DEBUG, __VA_ARGS__, )
#define log_info(logger, ...)  LOG_AT(logger, LOG_LEVEL_INFO, __VA_ARGS__, )
#define log_warn(logger, ...)  LOG_AT(logger, LOG_LEVEL_WARN, __VA_ARGS__, )
#define log_error(logger, ...) LOG_AT(logger, LOG_LEVEL_ERROR, __VA_ARGS__, )

enum log_format {
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JSON
};
/* Choose how lines look; logfmt by default. */
void log_set_format(enum log_format format);

/* Make a logger known that LOG_DEFINE did not define; it must outlive the process. Twice is once. */
void log_register(struct logger *logger);
#define LOG_MAX_SETTINGS 200
/* Set the level of a logger and of those below it that have none of their own; "root" is the top, Java names
 * are ours. level < 0 removes the setting. False if the name is malformed or one too many. */
bool log_set_level(const char *name, int level);
/* Read a level, case folded: Spring's names, FATAL is ERROR. False, with *level untouched, if it is none. */
bool log_level_parse(const char *text, int *level);
/* Give the name of a level, "INFO". */
const char *log_level_name(int level);
/* Call each for the root, every known logger by name, and every other name that has a setting: configured
 * level or -1, and the effective one. */
void log_each(void (*each)(void *arg, const char *name, int configured, int effective), void *arg);

typedef void log_sink_fn(void *arg, const char *line, size_t n);
/* Have finished lines (with their newline) go to sink. NULL restores standard error. */
void log_set_sink(log_sink_fn *sink, void *arg);

/* Forget all level settings, the format and the sink: for tests and the end. Loggers stay known. */
void log_reset(void);

struct log_gate {
    int64_t next_us;
    int64_t suppressed;
};
/* Let the same event through at most once per interval: true when it may be logged now; *suppressed (may be
 * NULL) then gets how many were left out since the last. */
bool log_gate_open(struct log_gate *gate, int64_t interval_ms, int64_t *suppressed);

#endif
