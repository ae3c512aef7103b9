/* What the files of the option engine share: typed values, keys, and where a value came from. */
#ifndef RUSHD_BASE_OPTION_PRIVATE_H
#define RUSHD_BASE_OPTION_PRIVATE_H

#include "base/option.h"

#define OPTION_MASK               "******"
#define OPTION_FILE_SUFFIX        "-file"
#define OPTION_ENVIRONMENT_PREFIX "RUSHD_CFG_"

/* A parsed value. STRING and MAP have none: every text is fine. */
union option_value {
    bool flag;    /* BOOL */
    int index;    /* ENUM */
    int64_t n;    /* INT, DURATION, SIZE */
    uint64_t set; /* SET */
};

/* Where a value comes from; a later one wins over an earlier one. */
enum option_source {
    OPTION_FROM_DEFAULT,
    OPTION_FROM_FILE,
    OPTION_FROM_ENVIRONMENT,
    OPTION_FROM_SET,
};

/* One value as text with its origin. */
struct option_cell {
    char *sub;  /* MAP: the part of the key behind the prefix; else NULL */
    char *text; /* the value; for a secret given by file, what the file holds */
    char *path; /* the file of a secret, or NULL */
    char *origin;
    enum option_source source;
};

/* All cells of one option: exactly one, or any number for a MAP. */
struct option_cells {
    struct option_cell *items;
    size_t len;
};

/* Parse text as the option's type within its bounds. False if it is not acceptable. */
bool option_value_parse(const struct option *o, struct slice text, union option_value *out);
/* Append what would be accepted: "a whole number from 1 to 65535". */
void option_value_describe(const struct option *o, struct buf *out);

/* The key without "spring." in front. */
struct slice option_key_plain(struct slice key);
/* True if the pattern ends with ".*"; *prefix gets what is before the star. */
bool option_key_prefix(const char *pattern, struct slice *prefix);
/* True if the name of a key tells that its value is a secret: for keys without a table entry of their own. */
bool option_key_secret(struct slice key);
/* RUSHD_CFG_... for a key; replaces the content of out. */
void option_key_environment(struct slice key, struct buf *out);
/* The number of edits from one key to the other, case folded; SIZE_MAX beyond what counts as a slip. */
size_t option_key_distance(struct slice a, struct slice b);

/* True if the value of this option (MAP: of the key sub below it) must not be shown. */
bool option_is_secret(const struct option *o, const char *sub);

/* Where a key leads to. */
struct option_target {
    enum {
        OPTION_TARGET_NONE,    /* unknown */
        OPTION_TARGET_IGNORED, /* an alias that leads nowhere */
        OPTION_TARGET_VALUE,
    } kind;
    size_t index;    /* of the option */
    char sub[200];   /* MAP: the key below the prefix; else "" */
    bool file;       /* KEY-file of a secret: the value is a path */
    const char *why; /* of the alias that led here; may be NULL */
};

/* Find where a key leads to: options, then aliases, the most specific first. */
void option_lookup(struct slice key, struct option_target *out);
/* The nearest known key or "" when none is near; replaces the content of out. environment compares with, and
 * gives, names of the environment. */
void option_nearest(struct slice key, bool environment, struct buf *out);

/* Where values come from, kept for a reload. */
struct option_sources {
    char *file;         /* NULL: none */
    char **environment; /* "RUSHD_CFG_...=VALUE", NULL-terminated */
    char **sets;        /* "KEY=VALUE", NULL-terminated */
};

/* What the sources say: the cells of each registered option. */
struct option_snapshot {
    struct option_cells *cells;
    size_t len;
};

/* Read and validate all sources. False on the first fault; out then still has to be freed. */
bool option_snapshot_read(struct option_snapshot *out, const struct option_sources *from,
                          option_note_fn *note, void *arg, struct error *e);
void option_snapshot_free(struct option_snapshot *s);
void option_cells_free(struct option_cells *cells);

/* The cells of the registered option number index; NULL before the first load. */
const struct option_cells *option_cells_at(size_t index);
/* The registered aliases: index 0, 1, ... until NULL. */
const struct option_alias *option_alias_at(size_t index);

#endif
