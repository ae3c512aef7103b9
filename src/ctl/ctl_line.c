/* rushctl line: who stands in a coupon's waiting line, and who is in flight between line and decision. Redis alone is asked. */
#include <stdio.h>
#include <sysexits.h>

#include "ctl/ctl.h"
#include "ctl/ctl_coupon.h"
#include "ctl/ctl_table.h"

#define DEFAULT_LIMIT 50
#define MAX_LIMIT     1000000

static const struct ctl_column columns[] = {
    {"PLACE", true}, {"USER", true}, {"TICKET", true}, {"SINCE", false}, {"STATE", false}};

struct reading {
    struct ctl *c;
    int64_t coupon_id, limit, seen;
    bool json, more;
    struct buf out;
    struct msg_json j;
    struct ctl_table table;
};

static const char *state_word(enum coupon_line_state state)
{
    static const char *const words[] = {[COUPON_LINE_WAITING] = "waiting",
                                        [COUPON_LINE_TAKEN] = "taken",
                                        [COUPON_LINE_PUBLISHED] = "published"};
    return words[state];
}

static void put_member_json(struct msg_json *j, const struct coupon_line_place *m)
{
    int64_t user_id;
    msg_json_object(j);
    msg_json_key(j, "place");
    m->place ? msg_json_i64(j, m->place) : msg_json_null(j);
    msg_json_key(j, "userId");
    if (str_to_i64(m->user, strlen(m->user), &user_id))
        msg_json_i64(j, user_id);
    else
        msg_json_string(j, m->user);
    msg_json_key(j, "ticket");
    m->ticket ? msg_json_i64(j, m->ticket) : msg_json_null(j);
    msg_json_key(j, "since");
    m->requested_at_us ? msg_json_date_iso_us(j, m->requested_at_us) : msg_json_null(j);
    msg_json_key(j, "state"), msg_json_string(j, state_word(m->state));
    msg_json_object_end(j);
}

static void add_member(struct ctl_table *t, const struct coupon_line_place *m)
{
    m->place ? ctl_table_i64(t, m->place) : ctl_table_text(t, "-");
    ctl_table_text(t, m->user);
    m->ticket ? ctl_table_i64(t, m->ticket) : ctl_table_text(t, "-");
    ctl_table_date(t, m->requested_at_us);
    ctl_table_text(t, state_word(m->state));
}

/* The first page says how the line as a whole is. */
static void put_head(struct reading *r, const struct coupon_line_view *view)
{
    if (r->json) {
        r->j = MSG_JSON(&r->out);
        msg_json_object(&r->j);
        msg_json_key(&r->j, "couponId"), msg_json_i64(&r->j, r->coupon_id);
        ctl_line_json(&r->j, view);
        msg_json_key(&r->j, "members");
        msg_json_array(&r->j);
        return;
    }
    buf_printf(&r->out, "coupon %lld: ", (long long)r->coupon_id);
    ctl_line_counts(&r->out, view);
    buf_puts(&r->out, "\ndrained by ");
    ctl_line_owner(&r->out, view);
    buf_putc(&r->out, '\n');
}

static void on_page(void *arg, const struct coupon_line_view *view, const struct error *e)
{
    struct reading *r = arg;
    if (!e && r->seen == 0)
        put_head(r, view);
    for (size_t i = 0; !e && i < view->n; i++) {
        if (r->json)
            put_member_json(&r->j, &view->members[i]);
        else
            add_member(&r->table, &view->members[i]);
    }
    if (!e) {
        r->seen += (int64_t)view->n;
        r->more = view->n > 0 && view->waiting + view->in_flight > r->seen;
    }
    ctl_finish(r->c, e);
}

static bool read_pages(struct reading *r)
{
    do {
        int64_t left = r->limit - r->seen;
        coupon_line_read(r->c->store, r->coupon_id, r->seen,
                         left < COUPON_LINE_READ_MAX ? left : COUPON_LINE_READ_MAX, on_page, r);
        if (!ctl_wait(r->c, CTL_CALL_TIMEOUT_MS))
            return false;
    } while (r->more && r->seen < r->limit);
    return true;
}

static void put_end(struct reading *r)
{
    if (r->json) {
        msg_json_array_end(&r->j);
        msg_json_object_end(&r->j);
        buf_putc(&r->out, '\n');
        return;
    }
    if (r->table.n) {
        buf_putc(&r->out, '\n');
        ctl_table_print(&r->table, &r->out);
    }
    if (r->more)
        buf_puts(&r->out, "... and more behind them (--limit)\n");
}

int ctl_line(struct ctl *c)
{
    struct reading r = {.c = c, .limit = DEFAULT_LIMIT, .table = CTL_TABLE(columns)};
    const char *limit = NULL;
    if (!ctl_options(c, (struct ctl_option[]){{"--json", NULL, &r.json}, {"--limit", &limit, NULL}, {0}}) ||
        !ctl_operands(c, 1) || !ctl_number(c, "ID", c->argv[0], &r.coupon_id) ||
        (limit && !ctl_number_between(c, "--limit", limit, 1, MAX_LIMIT, &r.limit)))
        return EX_USAGE;
    int code = ctl_open(c, CTL_NEED_REDIS);
    if (code != EX_OK)
        return code;
    bool ok = read_pages(&r);
    if (ok) {
        put_end(&r);
        fputs(buf_str(&r.out), stdout);
    }
    ctl_table_free(&r.table);
    buf_free(&r.out);
    return ok ? EX_OK : ctl_status(c);
}
