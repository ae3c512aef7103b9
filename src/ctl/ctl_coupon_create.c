/* rushctl coupon create. Nodes hear of the new coupon by the notification of the database. */
#include <stdio.h>
#include <sysexits.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/ctl_coupon.h"
#include "ctl/ctl_table.h"
#include "msg/msg_date.h"

#define DAY_US       (INT64_C(86400) * 1000000)
#define DEFAULT_DAYS 30
#define NAME_MAX_LEN 200
/* Readers of the messages keep the count in 32 bits. */
#define COUNT_MAX INT32_MAX

struct create_args {
    const char *name, *discount, *count, *id, *from, *to, *status;
    bool json;
};

static bool is_status(const char *text)
{
    static const char *const statuses[] = {"ACTIVE", "INACTIVE", "SOLD_OUT", "EXPIRED"};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (strcmp(text, statuses[i]) == 0)
            return true;
    return false;
}

static bool check_name(const struct ctl *c, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    bool printable = n > 0 && n <= NAME_MAX_LEN && str_is_utf8(name, n);
    for (size_t i = 0; printable && i < n; i++)
        printable = (unsigned char)name[i] >= ' ' && name[i] != 0x7f;
    if (!printable)
        ctl_usage_error(c, "--name: 1 to %d bytes of printable UTF-8 are needed", NAME_MAX_LEN);
    return printable;
}

static bool check_times(const struct ctl *c, const struct create_args *a, struct coupon_row *row)
{
    row->valid_from_us = clock_real_us();
    if (a->from && !ctl_time(c, "--from", a->from, false, &row->valid_from_us))
        return false;
    row->valid_to_us = row->valid_from_us + DEFAULT_DAYS * DAY_US;
    if (a->to && !ctl_time(c, "--to", a->to, true, &row->valid_to_us))
        return false;
    if (row->valid_from_us < row->valid_to_us)
        return true;
    ctl_usage_error(c, "--to must be later than --from (now, when it is not given)");
    return false;
}

static bool take_arguments(struct ctl *c, struct create_args *a, struct coupon_row *row)
{
    const struct ctl_option options[] = {
        {"--name", &a->name, NULL},     {"--discount", &a->discount, NULL}, {"--count", &a->count, NULL},
        {"--id", &a->id, NULL},         {"--from", &a->from, NULL},         {"--to", &a->to, NULL},
        {"--status", &a->status, NULL}, {"--json", NULL, &a->json},         {0}};
    if (!ctl_options(c, options) || !ctl_operands(c, 0))
        return false;
    if (!check_name(c, a->name) || !ctl_money(c, "--discount", a->discount, &row->discount) ||
        !ctl_number_between(c, "--count", a->count, 0, COUNT_MAX, &row->max_issuance) ||
        (a->id && !ctl_number(c, "--id", a->id, &row->id)) || !check_times(c, a, row))
        return false;
    row->name = a->name;
    row->status = a->status ? a->status : "ACTIVE";
    if (is_status(row->status))
        return true;
    ctl_usage_error(c, "--status: ACTIVE, INACTIVE, SOLD_OUT or EXPIRED is needed");
    return false;
}

struct creation {
    struct ctl *c;
    int64_t id;
};

static void on_created(void *arg, int64_t id, const struct error *e)
{
    struct creation *creation = arg;
    struct error taken;
    if (e && strcmp(e->code, "23505") == 0) {
        error_set(&taken, ERROR_PERMANENT, e->code, "a coupon with this id exists already");
        e = &taken;
    }
    creation->id = id;
    ctl_finish(creation->c, e);
}

static void print_created(const struct coupon_row *row, bool json)
{
    struct buf out = BUF_INIT;
    if (json) {
        struct msg_json j = MSG_JSON(&out);
        msg_json_object(&j);
        msg_json_key(&j, "couponId"), msg_json_i64(&j, row->id);
        msg_json_object_end(&j);
        ctl_print_json(&out);
        return;
    }
    char discount[MONEY_PRINT_SIZE];
    money_print_short(row->discount, discount);
    buf_printf(&out, "coupon %lld: ", (long long)row->id);
    ctl_put_text(&out, row->name);
    buf_printf(&out, ", %lld pieces of %s, %s, ", (long long)row->max_issuance, discount, row->status);
    msg_date_blank(&out, row->valid_from_us);
    buf_puts(&out, " to ");
    msg_date_blank(&out, row->valid_to_us);
    puts(buf_str(&out));
    buf_free(&out);
}

int ctl_coupon_create(struct ctl *c)
{
    struct create_args args = {0};
    struct coupon_row row = {0};
    if (!take_arguments(c, &args, &row))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_PG | CTL_NEED_SCHEMA);
    if (code != EX_OK)
        return code;
    struct creation creation = {.c = c};
    coupon_create(c->store, &row, on_created, &creation);
    if (!ctl_wait(c, CTL_CALL_TIMEOUT_MS))
        return ctl_status(c);
    row.id = creation.id;
    print_created(&row, args.json);
    return EX_OK;
}
