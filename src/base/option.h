/* The engine of the configuration: option tables that each folder brings along (contract section 2).
 *
 * A folder defines a struct with its settings, one static instance, and a table that points into it; app
 * registers the tables, loads, checks relations and prints. Precedence: default < file < environment
 * (RUSHD_CFG_KAFKA_PRODUCER_ACKS) < --set. Sample file, dump and documents come from the tables. */
#ifndef RUSHD_BASE_OPTION_H
#define RUSHD_BASE_OPTION_H

#include "base/buf.h"
#include "base/error.h"

enum option_type {
    OPTION_STRING,   /* char *: the engine's, "" when empty; a reload that changes it frees the old text */
    OPTION_BOOL,     /* bool: true/false/yes/no/on/off/1/0 */
    OPTION_INT,      /* int64_t */
    OPTION_DURATION, /* int64_t milliseconds: "500ms", "5s", "1m", "25h", "7d"; a bare number is ms */
    OPTION_SIZE,     /* int64_t bytes: "64KB", "32MB", "1GB" (powers of 1024) or a bare number */
    OPTION_ENUM,     /* int: index into choices; choices may hold synonyms "local|spring" */
    OPTION_SET,      /* uint64_t: bit mask over choices, written as a comma list */
    OPTION_MAP,      /* struct option_map: every key below "prefix.*" */
};

enum option_flag {
    OPTION_RELOAD = 1, /* SIGHUP may change it */
    OPTION_SECRET = 2, /* masked everywhere; "<key>-file = PATH" reads a file, again at SIGHUP */
};

struct option_map {
    struct option_map_entry {
        char *key; /* the part behind the prefix */
        char *value;
    } * entries;
    size_t len;
};

struct option {
    const char *key; /* "kafka.producer.linger.ms"; "kafka.librdkafka.*" for OPTION_MAP */
    enum option_type type;
    void *value;
    const char *def;            /* text as a user would write it; NULL only for OPTION_MAP */
    int64_t min, max;           /* INT, DURATION (ms), SIZE (bytes); both 0: no bound, max 0: no upper one */
    const char *const *choices; /* ENUM, SET: NULL-terminated */
    unsigned flags;
    const char *help; /* one sentence for the sample file and the manual */
};

/* Another name for a key (the source system's file, Java spelling), or a key that is accepted and has no
 * meaning here (to == NULL, why says so in one info line). A trailing ".*" covers everything below. */
struct option_alias {
    const char *from;
    const char *to;
    const char *why;
};

/* A relation between keys, checked after all values are in: set e (text names the keys) and return false. */
typedef bool option_check_fn(struct error *e);

struct option_table {
    const struct option *options;       /* ends with key == NULL */
    const struct option_alias *aliases; /* may be NULL; ends with from == NULL */
    option_check_fn *check;             /* may be NULL */
};

/* Register before loading; the table must live as long as the process. A key twice is a bug. */
void option_register(const struct option_table *table);

/* Forget values and registrations and free everything: for tests and for the end of the process. */
void option_reset(void);

/* A line for the operator found while loading (ignored key, unknown environment variable). */
typedef void option_note_fn(void *arg, bool warning, const char *text);

/* Set every value: default, file (NULL: none), environ, then sets ("KEY=VALUE", NULL-terminated; NULL: none).
 * The prefix "spring." of a key is optional. On the first fault: false; e->text is "FILE:LINE: key = value:
 * what would be accepted" with secrets masked. Values are then undefined. A key twice in one file with
 * different values is a fault; of several --set the last one counts. environment and sets are copied. */
bool option_load(const char *file, char *const *environment, const char *const *sets, option_note_fn *note,
                 void *arg, struct error *e);

/* Read the same sources again. All values are validated first; then only OPTION_RELOAD keys and secrets
 * change. Notes name changed keys that need a restart. On a fault nothing changes. */
bool option_reload(option_note_fn *note, void *arg, struct error *e);

/* Tell where a value comes from, NULL for an unknown key: "default", "FILE:LINE", "environment", "--set". */
const char *option_origin(const char *key);

/* Print every key with value, origin and "(reloadable)" for --dump-config: a valid configuration file, in
 * which secrets are masked comments. */
void option_dump(struct buf *out);
/* Print the sample file: every key commented out with default, range and help. */
void option_sample(struct buf *out);
/* Walk the options in order of registration: index 0, 1, ... until NULL (tests compare documents with it). */
const struct option *option_at(size_t index);

#endif
