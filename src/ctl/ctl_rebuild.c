/* rushctl rebuild: Redis back from PostgreSQL, while nodes serve. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "app/config.h"
#include "base/clock.h"
#include "ctl/ctl.h"
#include "service/coupon.h"
#include "service/rebuild.h"

#define REBUILD_TIMEOUT_MS (INT64_C(24) * 3600 * 1000)
#define PROGRESS_US        1000000

static const struct part {
    const char *name;
    unsigned parts;
} parts[] = {
    {"ranking", REBUILD_RANKING}, {"issued", REBUILD_ISSUED}, {"coupon-info", REBUILD_INFO},
    {"line", REBUILD_LINES},      {"all", REBUILD_ALL},
};

struct rebuild_command {
    struct ctl *ctl;
    unsigned parts;
    bool from_scratch;
    int64_t told_us;
};

static void print_part(const struct rebuild_command *r, enum rebuild_part part,
                       const struct rebuild_counts *n)
{
    switch (part) {
    case REBUILD_LINES:
        printf("line: %" PRId64 " open requests, %" PRId64 " of them back in line\n", n->requests,
               n->restored);
        break;
    case REBUILD_ISSUED:
        printf("issued: %" PRId64 " holders", n->holders);
        if (r->from_scratch)
            printf(", %" PRId64 " removed who hold nothing", n->removed);
        putchar('\n');
        break;
    case REBUILD_RANKING:
        printf("ranking: %" PRId64 " sales, %" PRId64 " of them were not counted", n->sales, n->counted);
        if (r->from_scratch)
            printf(" (%" PRId64 " days from scratch)", n->forgotten);
        putchar('\n');
        break;
    case REBUILD_INFO:
        printf("coupon-info: %" PRId64 " coupons\n", n->coupons);
        break;
    default:
        break;
    }
    fflush(stdout);
}

static void on_page(void *arg, enum rebuild_part part, const struct rebuild_counts *counts)
{
    struct rebuild_command *r = arg;
    if (clock_mono_us() - r->told_us < PROGRESS_US)
        return;
    r->told_us = clock_mono_us();
    fputs("... ", stdout);
    print_part(r, part, counts);
}

static void on_rebuilt(void *arg, const struct rebuild_counts *counts, const struct error *e)
{
    struct rebuild_command *r = arg;
    for (unsigned part = 1; part < REBUILD_ALL; part <<= 1)
        if (r->parts & part)
            print_part(r, (enum rebuild_part)part, counts);
    ctl_finish(r->ctl, e);
}

static unsigned find_parts(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strcmp(parts[i].name, name) == 0)
            return parts[i].parts;
    return 0;
}

int ctl_rebuild(struct ctl *c)
{
    const char *coupon = NULL;
    struct rebuild_command r = {.ctl = c, .told_us = clock_mono_us()};
    const struct ctl_option options[] = {
        {"--coupon", &coupon, NULL}, {"--from-scratch", NULL, &r.from_scratch}, {NULL, NULL, NULL}};
    struct rebuild_config cfg = {.coupon_ttl_ms = app_config.coupon.ttl,
                                 .issued_ttl_ms = COUPON_ISSUED_TTL_MS,
                                 .retention_days = (int)app_config.ranking.retention_days,
                                 .on_page = on_page};
    if (!ctl_options(c, options) || (coupon && !ctl_number(c, "--coupon", coupon, &cfg.coupon_id)))
        return EX_USAGE;
    if (c->argc != 1 || !(r.parts = find_parts(c->argv[0])))
        return ctl_usage_error(c, "say what to rebuild: ranking, issued, coupon-info, line or all");
    if (coupon && (r.parts & REBUILD_RANKING))
        return ctl_usage_error(
            c, "the ranking does not know coupons: --coupon goes with issued, coupon-info and line");
    if (r.from_scratch && !(r.parts & (REBUILD_RANKING | REBUILD_ISSUED)))
        return ctl_usage_error(c, "--from-scratch goes with ranking, issued and all");
    cfg.from_scratch = r.from_scratch;
    int code = ctl_open(c, CTL_NEED_PG | CTL_NEED_SCHEMA | CTL_NEED_REDIS);
    if (code != EX_OK)
        return code;
    rebuild_run(c->loop, c->store, &cfg, r.parts, 0, on_rebuilt, &r);
    return ctl_wait(c, REBUILD_TIMEOUT_MS) ? EX_OK : ctl_status(c);
}
