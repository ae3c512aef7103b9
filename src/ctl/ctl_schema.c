/* rushctl migrate, rushctl seed. */
#include <stdio.h>
#include <sysexits.h>

#include "app/config.h"
#include "ctl/ctl.h"
#include "store/schema.h"

#define MIGRATE_TIMEOUT_MS (INT64_C(3600) * 1000)
#define SEED_TIMEOUT_MS    60000

static void on_step(void *arg, int version, const char *name)
{
    printf("applying %04d %s\n", version, name);
    fflush(stdout);
}

static void on_migrated(void *arg, int applied, const struct error *e)
{
    struct ctl *c = arg;
    if (!e || e->kind == ERROR_NONE)
        printf("schema is up to date (version %d%s)\n", schema_latest(), applied ? "" : ", nothing to do");
    ctl_finish(c, e);
}

int ctl_migrate(struct ctl *c)
{
    if (c->argc)
        return ctl_usage_error(c, "migrate takes no arguments");
    schema_migrate(c->store, app_config.server.time_zone, on_step, on_migrated, c);
    return ctl_wait(c, MIGRATE_TIMEOUT_MS) ? EX_OK : ctl_status(c);
}

int ctl_seed(struct ctl *c)
{
    if (c->argc)
        return ctl_usage_error(c, "seed takes no arguments");
    schema_seed(c->store, ctl_on_done, c);
    if (!ctl_wait(c, SEED_TIMEOUT_MS))
        return ctl_status(c);
    puts("demo data is loaded: users 1001-2000, products 1-20, coupons 1-10");
    return EX_OK;
}
