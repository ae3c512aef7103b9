/* Settings of PostgreSQL that endanger promises (contract section 4, end). */
#include "store/store_internal.h"

/* What a setting must be, and what is lost otherwise. */
static const struct expected {
    const char *setting, *value, *why;
} expected_pg[] = {
    {"fsync", "on", "a crash of the database server can lose or damage orders that were answered 200"},
    {"full_page_writes", "on", "a crash in the middle of writing a page damages it beyond repair"},
    {"synchronous_commit", "on", "a crash of the database server can lose orders that were answered 200"},
};

/* Settings stronger than asked for. */
static bool as_good(const struct expected *x, const char *value)
{
    return strcmp(value, x->value) == 0 ||
           (strcmp(x->setting, "synchronous_commit") == 0 && strcmp(value, "remote_apply") == 0);
}

static const struct pg_statement st_settings = {"settings",
                                                "SELECT name, setting FROM pg_settings WHERE name IN "
                                                "('fsync', 'full_page_writes', 'synchronous_commit')"};

struct settings_check {
    store_warn_fn *warn;
    store_done_fn *done;
    void *arg;
};

static void on_pg_settings(struct store_call *call, const struct pg_result *r, const struct error *e)
{
    struct settings_check *c = call->arg;
    for (int row = 0; !e && row < pg_result_rows(r); row++) {
        for (size_t i = 0; i < ARRAY_LEN(expected_pg); i++) {
            const struct expected *x = &expected_pg[i];
            const char *value = pg_result_text(r, row, 1);
            if (strcmp(pg_result_text(r, row, 0), x->setting) == 0 && !as_good(x, value))
                c->warn(c->arg, "db", x->setting, value, x->why);
        }
    }
    c->done(c->arg, e);
    mem_free(c);
}

void store_check_pg_settings(struct store *s, store_warn_fn *warn, store_done_fn *done, void *arg)
{
    struct settings_check *c = mem_alloc(sizeof(*c));
    *c = (struct settings_check){.warn = warn, .done = done, .arg = arg};
    store_read(s, &st_settings, PG_NO_PARAMS, on_pg_settings, NULL, c);
}
