/* Schema versions. Migrations are the files of etc/schema, carried by the program; schema_migrations says
 * which are applied and which time zone the days of this database are in.
 *
 * schema_migrate is a walk: read what is applied -> apply the next missing file -> read again ... Each script
 * takes one advisory lock for its transaction. A file's script starts with its row in schema_migrations: if
 * another node applied it while this one waited, the row is there, the script fails as a whole (23505), and
 * reading again tells that nothing is missing. */
#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/embed.h"
#include "store/store_internal.h"

/* Any two nodes must agree on it; the value says "rushd" in ASCII. */
#define MIGRATE_LOCK "SELECT pg_advisory_xact_lock(x'7275736864'::bigint);\n"
/* A writer's session settings are too short for a migration and for waiting for another node's. */
#define MIGRATE_PATIENCE                                                                                     \
    "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true),"              \
    " set_config('client_min_messages', 'warning', true);\n"
#define MIGRATE_TIMEOUT_MS (10 * 60 * INT64_C(1000))

static const struct pg_statement st_versions = {
    "schema_versions",
    "SELECT version, time_zone, serves FROM schema_migrations ORDER BY version DESC LIMIT 1"};

/* --- the files carried along --- */

static int file_version(const struct embed_file *f)
{
    return (int)strtol(f->name, NULL, 10);
}

static int file_serves(const struct embed_file *f)
{
    static const char mark[] = "\n-- serves: ";
    const char *line = strstr(f->text, mark);
    return line ? (int)strtol(line + sizeof(mark) - 1, NULL, 10) : 0;
}

/* "initial" of "0001_initial.sql" */
static void file_title(const struct embed_file *f, char *out, size_t size)
{
    const char *from = strchr(f->name, '_');
    str_copy(out, size, from ? from + 1 : f->name);
    char *dot = strrchr(out, '.');
    if (dot)
        *dot = '\0';
}

int schema_latest(void)
{
    int latest = 0;
    for (const struct embed_file *f = schema_files; f->name; f++) {
        ASSERT(file_version(f) > latest);
        latest = file_version(f);
    }
    return latest;
}

int schema_serves(int version)
{
    for (const struct embed_file *f = schema_files; f->name; f++) {
        if (file_version(f) == version)
            return file_serves(f);
    }
    return 0;
}

/* --- check --- */

typedef void check_fn(void *arg, enum schema_state state, int version, const char *text,
                      const struct error *e);

struct check {
    char *time_zone;
    check_fn *done;
    void *arg;
};

static enum schema_state judge(int version, const char *zone, int serves, const char *our_zone, char *text,
                               size_t size)
{
    int latest = schema_latest();
    if (version > latest && serves > latest) {
        snprintf(text, size, "schema version %d is of a later rushd, this one knows %d: run a later rushd",
                 version, latest);
        return SCHEMA_NEWER;
    }
    if (version < latest) {
        snprintf(text, size, "schema version %d is older than %d: run rushctl migrate", version, latest);
        return SCHEMA_MISSING;
    }
    if (strcmp(zone, our_zone) != 0) {
        snprintf(text, size, "the days of this database are those of %s, server.time-zone is %s", zone,
                 our_zone);
        return SCHEMA_OTHER_ZONE;
    }
    snprintf(text, size, "schema version %d", version);
    return SCHEMA_CURRENT;
}

static bool no_such_table(const struct error *e)
{
    return strcmp(e->code, "42P01") == 0;
}

static void on_check(struct store_call *call, const struct pg_result *r, const struct error *e)
{
    struct check *c = call->arg;
    char text[200];
    if (e && !no_such_table(e)) {
        c->done(c->arg, SCHEMA_MISSING, 0, e->text, e);
    } else if (e || pg_result_rows(r) == 0) {
        c->done(c->arg, SCHEMA_MISSING, 0, "the database has no tables of rushd: run rushctl migrate", NULL);
    } else {
        int version = (int)pg_result_i64(r, 0, 0);
        enum schema_state state = judge(version, pg_result_text(r, 0, 1), (int)pg_result_i64(r, 0, 2),
                                        c->time_zone, text, sizeof(text));
        c->done(c->arg, state, version, text, NULL);
    }
    mem_free(c->time_zone);
    mem_free(c);
}

void schema_check(struct store *s, const char *time_zone, check_fn *done, void *arg)
{
    struct check *c = mem_zalloc(sizeof(*c));
    *c = (struct check){.time_zone = mem_strdup(time_zone), .done = done, .arg = arg};
    store_read(s, &st_versions, PG_NO_PARAMS, on_check, NULL, c);
}

/* --- migrate --- */

struct migration {
    struct store *store;
    char *time_zone;
    void (*each)(void *arg, int version, const char *name);
    void (*done)(void *arg, int applied, const struct error *e);
    void *arg;
    int applied;
    const struct embed_file *trying; /* the file whose script ran last, NULL before the first */
    struct error refused;            /* what a script that may have lost a race said */
};

static void finish_migration(struct migration *m, const struct error *e)
{
    m->done(m->arg, m->applied, e);
    mem_free(m->time_zone);
    mem_free(m);
}

static void put_literal(struct buf *b, const char *s)
{
    buf_putc(b, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            buf_putc(b, '\'');
        buf_putc(b, *s);
    }
    buf_putc(b, '\'');
}

static void read_applied(struct migration *m);

static void on_file_applied(void *arg, enum pg_status status, const struct pg_result *r,
                            const struct error *e)
{
    struct migration *m = arg;
    (void)r;
    if (status == PG_OK) {
        m->applied++;
        m->refused = ERROR_INIT;
    } else if (strcmp(e->code, "23505") == 0) {
        m->refused =
            *e; /* another node was faster, or the file itself hit a duplicate: reading again tells */
    } else {
        finish_migration(m, e);
        return;
    }
    read_applied(m);
}

static void apply_file(struct migration *m, const struct embed_file *f)
{
    char title[100];
    file_title(f, title, sizeof(title));
    m->trying = f;
    if (m->each)
        m->each(m->arg, file_version(f), title);
    struct buf sql = BUF_INIT;
    buf_puts(&sql, MIGRATE_PATIENCE MIGRATE_LOCK);
    buf_printf(&sql, "INSERT INTO schema_migrations (version, serves, name, time_zone) VALUES (%d, %d, ",
               file_version(f), file_serves(f));
    put_literal(&sql, title);
    buf_puts(&sql, ", ");
    put_literal(&sql, m->time_zone);
    buf_puts(&sql, ");\n");
    buf_puts(&sql, f->text);
    pg_pool_script(m->store->pg, buf_str(&sql), MIGRATE_TIMEOUT_MS, on_file_applied, m);
    buf_free(&sql);
}

static void on_applied_read(void *arg, enum pg_status status, const struct pg_result *r,
                            const struct error *e)
{
    struct migration *m = arg;
    if (status != PG_OK) {
        struct error copy;
        finish_migration(m, store_error_of_read(e, &copy));
        return;
    }
    int version = (int)pg_result_i64(r, 0, 0);
    if (version > 0 && strcmp(pg_result_text(r, 0, 1), m->time_zone) != 0) {
        struct error zone;
        error_set(&zone, ERROR_PERMANENT, "OTHER_ZONE",
                  "the days of this database are those of %s, server.time-zone is %s",
                  pg_result_text(r, 0, 1), m->time_zone);
        finish_migration(m, &zone);
        return;
    }
    const struct embed_file *f = schema_files;
    while (f->name && file_version(f) <= version)
        f++;
    if (!f->name)
        finish_migration(m, NULL);
    else if (f == m->trying)
        finish_migration(m, &m->refused); /* its own script failed, no other node has applied it */
    else
        apply_file(m, f);
}

static void read_applied(struct migration *m)
{
    pg_pool_script(m->store->pg,
                   MIGRATE_PATIENCE MIGRATE_LOCK
                   "CREATE TABLE IF NOT EXISTS schema_migrations (\n"
                   "    version    integer PRIMARY KEY,\n"
                   "    serves     integer NOT NULL,\n" /* the oldest rushd, by the version it brings, that
                                                           works on this */
                   "    name       text NOT NULL,\n"
                   "    time_zone  text NOT NULL,\n"
                   "    applied_at timestamptz NOT NULL DEFAULT now()\n"
                   ");\n"
                   "SELECT COALESCE(max(version), 0), max(time_zone) FROM schema_migrations",
                   MIGRATE_TIMEOUT_MS, on_applied_read, m);
}

void schema_migrate(struct store *s, const char *time_zone,
                    void (*each)(void *arg, int version, const char *name),
                    void (*done)(void *arg, int applied, const struct error *e), void *arg)
{
    ASSERT(s->pg);
    struct migration *m = mem_zalloc(sizeof(*m));
    *m = (struct migration){
        .store = s, .time_zone = mem_strdup(time_zone), .each = each, .done = done, .arg = arg};
    read_applied(m);
}

/* --- demo data --- */

struct seed {
    store_done_fn *done;
    void *arg;
};

static void on_seeded(void *arg, enum pg_status status, const struct pg_result *r, const struct error *e)
{
    struct seed *seed = arg;
    (void)r;
    seed->done(seed->arg, status == PG_OK ? NULL : e);
    mem_free(seed);
}

void schema_seed(struct store *s, store_done_fn *done, void *arg)
{
    ASSERT(s->pg);
    struct seed *seed = mem_alloc(sizeof(*seed));
    *seed = (struct seed){.done = done, .arg = arg};
    pg_pool_script(s->pg, seed_files[0].text, MIGRATE_TIMEOUT_MS, on_seeded, seed);
}
