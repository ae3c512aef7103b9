/* Settings of the services that endanger promises, looked at when a node starts: one service after the other
 * (contract section 4, end). */
#include "store/schema.h"
#include "store/store_internal.h"

struct settings_check {
    struct store *store;
    store_warn_fn *warn;
    store_done_fn *done;
    void *arg;
};

static void warn_through(void *arg, const char *component, const char *setting, const char *value,
                         const char *why)
{
    struct settings_check *c = arg;
    c->warn(c->arg, component, setting, value, why);
}

static void on_all_checked(void *arg, const struct error *e)
{
    struct settings_check *c = arg;
    c->done(c->arg, e);
    mem_free(c);
}

static void on_pg_checked(void *arg, const struct error *e)
{
    struct settings_check *c = arg;
    if (!e && c->store->redis)
        store_check_redis_settings(c->store, warn_through, on_all_checked, c);
    else
        on_all_checked(c, e);
}

void store_check_settings(struct store *s, store_warn_fn *warn, store_done_fn *done, void *arg)
{
    struct settings_check *c = mem_alloc(sizeof(*c));
    *c = (struct settings_check){.store = s, .warn = warn, .done = done, .arg = arg};
    if (s->pg)
        store_check_pg_settings(s, warn_through, on_pg_checked, c);
    else
        store_check_redis_settings(s, warn_through, on_all_checked, c);
}
