/* rushctl coupon list, rushctl coupon show. */
#include <stdio.h>
#include <sysexits.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/ctl_coupon.h"
#include "ctl/ctl_table.h"
#include "msg/msg_date.h"

/* A call that prints what it has read. */
struct listing {
    struct ctl *c;
    bool json;
    struct buf out;
};

/* --- list ---------------------------------------------------------------------------------------------------------- */

static void put_list_json(const struct coupon_row *rows, size_t n, struct buf *out)
{
    struct msg_json j = MSG_JSON(out);
    msg_json_array(&j);
    for (size_t i = 0; i < n; i++) {
        msg_json_object(&j);
        ctl_coupon_json(&j, &rows[i], clock_real_us());
        msg_json_object_end(&j);
    }
    msg_json_array_end(&j);
}

static void put_list_text(const struct coupon_row *rows, size_t n, struct buf *out)
{
    static const struct ctl_column columns[] = {
        {"ID", true},   {"NAME", false},   {"DISCOUNT", true}, {"PIECES", true}, {"ISSUED", true},
        {"LEFT", true}, {"STATUS", false}, {"STATE", false},   {"FROM", false},  {"TO", false}};
    struct ctl_table t = CTL_TABLE(columns);
    for (size_t i = 0; i < n; i++) {
        char discount[MONEY_PRINT_SIZE];
        money_print_short(rows[i].discount, discount);
        ctl_table_i64(&t, rows[i].id);
        ctl_table_text(&t, rows[i].name);
        ctl_table_text(&t, discount);
        ctl_table_i64(&t, rows[i].max_issuance);
        ctl_table_i64(&t, rows[i].issued);
        ctl_table_i64(&t, rows[i].max_issuance - rows[i].issued);
        ctl_table_text(&t, rows[i].status);
        ctl_table_text(&t, ctl_coupon_state(&rows[i], clock_real_us()));
        ctl_table_date(&t, rows[i].valid_from_us);
        ctl_table_date(&t, rows[i].valid_to_us);
    }
    ctl_table_print(&t, out);
    ctl_table_free(&t);
}

static void on_list(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct listing *l = arg;
    if (!e && l->json)
        put_list_json(rows, n, &l->out);
    else if (!e)
        put_list_text(rows, n, &l->out);
    ctl_finish(l->c, e);
}

int ctl_coupon_list(struct ctl *c)
{
    struct listing l = {.c = c};
    if (!ctl_options(c, (struct ctl_option[]){{"--json", NULL, &l.json}, {0}}) || !ctl_operands(c, 0))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_PG | CTL_NEED_SCHEMA);
    if (code != EX_OK)
        return code;
    coupon_read_all(c->store, on_list, &l);
    if (!ctl_wait(c, CTL_CALL_TIMEOUT_MS))
        return ctl_status(c);
    if (l.json)
        buf_putc(&l.out, '\n');
    fputs(buf_str(&l.out), stdout);
    buf_free(&l.out);
    return EX_OK;
}

/* --- show ---------------------------------------------------------------------------------------------------------- */

struct showing {
    struct ctl *c;
    int64_t id;
    bool json;
    struct buf out;
    struct msg_json j;
};

static void put_coupon_text(const struct coupon_row *row, struct buf *out)
{
    char discount[MONEY_PRINT_SIZE];
    money_print_short(row->discount, discount);
    buf_printf(out, "coupon       %lld\nname         ", (long long)row->id);
    ctl_put_text(out, row->name);
    buf_printf(out, "\ndiscount     %s\npieces       %lld\nissued       %lld\nleft         %lld\n", discount,
               (long long)row->max_issuance, (long long)row->issued,
               (long long)(row->max_issuance - row->issued));
    buf_printf(out, "status       %s\nstate        %s\n", row->status,
               ctl_coupon_state(row, clock_real_us()));
    const struct {
        const char *name;
        int64_t us;
    } dates[] = {{"valid from   ", row->valid_from_us},
                 {"valid to     ", row->valid_to_us},
                 {"created      ", row->created_at_us},
                 {"updated      ", row->updated_at_us}};
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        buf_puts(out, dates[i].name);
        msg_date_blank(out, dates[i].us);
        buf_putc(out, '\n');
    }
}

static void on_coupon(void *arg, const struct coupon_row *rows, size_t n, const struct error *e)
{
    struct showing *s = arg;
    struct error none = ERROR_INIT;
    if (!e && n == 0) {
        error_set(&none, ERROR_PERMANENT, "UNKNOWN_COUPON", "there is no coupon %lld", (long long)s->id);
        e = &none;
    }
    if (!e && s->json) {
        s->j = MSG_JSON(&s->out);
        msg_json_object(&s->j);
        ctl_coupon_json(&s->j, rows, clock_real_us());
    } else if (!e) {
        put_coupon_text(rows, &s->out);
    }
    ctl_finish(s->c, e);
}

static void on_line(void *arg, const struct coupon_line_view *view, const struct error *e)
{
    struct showing *s = arg;
    if (!e && s->json) {
        msg_json_key(&s->j, "line");
        msg_json_object(&s->j);
        ctl_line_json(&s->j, view);
        msg_json_object_end(&s->j);
        msg_json_object_end(&s->j);
    } else if (!e) {
        buf_puts(&s->out, "line         ");
        ctl_line_counts(&s->out, view);
        buf_puts(&s->out, "\ndrained by   ");
        ctl_line_owner(&s->out, view);
    }
    ctl_finish(s->c, e);
}

int ctl_coupon_show(struct ctl *c)
{
    struct showing s = {.c = c};
    if (!ctl_options(c, (struct ctl_option[]){{"--json", NULL, &s.json}, {0}}) || !ctl_operands(c, 1) ||
        !ctl_number(c, "ID", c->argv[0], &s.id))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_PG | CTL_NEED_SCHEMA | CTL_NEED_REDIS);
    if (code != EX_OK)
        return code;
    coupon_read(c->store, &s.id, 1, on_coupon, &s);
    bool ok = ctl_wait(c, CTL_CALL_TIMEOUT_MS);
    if (ok) {
        coupon_line_read(c->store, s.id, 0, 0, on_line, &s);
        ok = ctl_wait(c, CTL_CALL_TIMEOUT_MS);
    }
    if (ok)
        puts(buf_str(&s.out));
    buf_free(&s.out);
    return ok ? EX_OK : ctl_status(c);
}
