/* rushctl migrate, rushctl seed. */
#include <stdio.h>
#include <sysexits.h>

#include "app/config.h"
#include "ctl/ctl.h"
#include "store/schema.h"

#define MIGRATE_TIMEOUT_MS (INT64_C(3600) * 1000)
#define SEED_TIMEOUT_MS    (INT64_C(900) * 1000)

static void on_step(void *arg, int version, const char *name)
{
    printf("applying version %d: %s\n", version, name);
    fflush(stdout);
}

static void on_migrated(void *arg, int applied, const struct error *e)
{
    ctl_finish(arg, e);
}

/* What stands there now, which may be of a later rushd. */
static void on_checked(void *arg, enum schema_state state, int version, const char *text,
                       const struct error *e)
{
    struct error wrong = ERROR_INIT;
    if (!e && state == SCHEMA_CURRENT) {
        printf("schema is up to date (version %d)\n", version);
    } else if (!e) {
        error_set(&wrong, ERROR_PERMANENT, "SCHEMA", "%s", text);
        e = &wrong;
    }
    ctl_finish(arg, e);
}

int ctl_migrate(struct ctl *c)
{
    if (!ctl_options(c, (struct ctl_option[]){{0}}) || !ctl_operands(c, 0))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_PG);
    if (code != EX_OK)
        return code;
    schema_migrate(c->store, app_config.server.time_zone, on_step, on_migrated, c);
    if (!ctl_wait(c, MIGRATE_TIMEOUT_MS))
        return ctl_status(c);
    schema_check(c->store, app_config.server.time_zone, on_checked, c);
    return ctl_wait(c, CTL_CALL_TIMEOUT_MS) ? EX_OK : ctl_status(c);
}

int ctl_seed(struct ctl *c)
{
    if (!ctl_options(c, (struct ctl_option[]){{0}}) || !ctl_operands(c, 0))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_PG | CTL_NEED_SCHEMA);
    if (code != EX_OK)
        return code;
    schema_seed(c->store, ctl_on_done, c);
    if (!ctl_wait(c, SEED_TIMEOUT_MS))
        return ctl_status(c);
    puts("demo data is loaded: users 1001-2000, products 1-20, coupons 1-10");
    return EX_OK;
}
