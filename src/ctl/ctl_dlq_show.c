/* rushctl dlq show: one dead letter with all that is in it, and for a coupon request what was decided. */
#include <stdio.h>
#include <sysexits.h>

#include "ctl/ctl_dlq.h"
#include "ctl/ctl_table.h"
#include "msg/msg_date.h"
#include "store/coupon.h"

struct showing {
    struct dlq dlq;
    struct dead_letter_id id;
    bool json, found, coupon;
    struct issue_tx_request request;
    struct buf out;
    struct msg_json j;
};

/* Spring's numbers are big-endian binary; everything else is text. */
static bool number_header(const struct event_header *h, int64_t *out)
{
    static const char *const names[] = {"kafka_dlt-original-partition", "kafka_dlt-original-offset",
                                        "kafka_dlt-original-timestamp"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        known |= strcmp(h->name, names[i]) == 0;
    if (!known || (h->size != 4 && h->size != 8))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < h->size; i++)
        v = v << 8 | ((const unsigned char *)h->value)[i];
    *out = h->size == 4 ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v;
    return true;
}

static void put_escaped(struct msg_json *j, const char *name, const void *p, size_t n)
{
    struct buf b = BUF_INIT;
    msg_json_key(j, name);
    if (p)
        dlq_put_bytes(&b, p, n), msg_json_string_n(j, buf_str(&b), b.len);
    else
        msg_json_null(j);
    buf_free(&b);
}

static void put_json(struct showing *s, const struct dead_letter *l,
                     const struct dead_letter_redrive *redrive)
{
    const struct event_message *m = l->message;
    struct msg_json *j = &s->j;
    msg_json_object(j);
    dlq_put_json(j, l, redrive);
    msg_json_key(j, "headers"), msg_json_array(j);
    for (size_t i = 0; i < m->nheaders; i++) {
        int64_t v;
        msg_json_object(j);
        put_escaped(j, "name", m->headers[i].name, strlen(m->headers[i].name));
        if (number_header(&m->headers[i], &v))
            msg_json_key(j, "value"), msg_json_i64(j, v);
        else
            put_escaped(j, "value", m->headers[i].value, m->headers[i].size);
        msg_json_object_end(j);
    }
    msg_json_array_end(j);
    struct buf value = BUF_INIT;
    struct error e = ERROR_INIT;
    bool ok = dead_letter_decode(l, &value, &e);
    msg_json_key(j, "decoded");
    ok ? msg_json_raw(j, buf_str(&value), value.len) : msg_json_null(j);
    msg_json_key(j, "decodeError"), msg_json_string(j, ok ? NULL : e.text);
    put_escaped(j, "value", m->value.p, m->value.n);
    buf_free(&value);
}

static void put_line(struct buf *out, const char *name, const void *p, size_t n)
{
    buf_printf(out, "%-10s ", name);
    if (p && n)
        dlq_put_bytes(out, p, n);
    else
        buf_puts(out, p ? "(empty)" : "-");
    buf_putc(out, '\n');
}

static void put_times(struct buf *out, const struct dead_letter *l)
{
    const struct event_message *m = l->message;
    buf_puts(out, "time       ");
    m->timestamp_ms >= 0 ? msg_date_blank(out, m->timestamp_ms * 1000) : buf_putc(out, '-');
    buf_puts(out, "\nfrom       ");
    dlq_put_bytes(out, l->topic, strlen(l->topic));
    if (l->partition >= 0 && l->offset >= 0)
        buf_printf(out, "/%d/%lld", (int)l->partition, (long long)l->offset);
    if (l->timestamp_ms >= 0)
        buf_puts(out, ", written "), msg_date_blank(out, l->timestamp_ms * 1000);
    buf_putc(out, '\n');
}

static void put_redrive(struct buf *out, const struct dead_letter_redrive *redrive)
{
    buf_puts(out, "redriven   ");
    dlq_put_redrive(out, redrive);
    if (redrive) {
        buf_puts(out, " at "), msg_date_blank(out, redrive->changed_at_us);
        buf_printf(out, ", arrived %lld times%s", (long long)redrive->sends, redrive->error ? ": " : "");
        if (redrive->error)
            dlq_put_bytes(out, redrive->error, strlen(redrive->error));
    }
    buf_putc(out, '\n');
}

static void put_text(struct showing *s, const struct dead_letter *l,
                     const struct dead_letter_redrive *redrive)
{
    const struct event_message *m = l->message;
    struct buf *out = &s->out, value = BUF_INIT;
    struct error e = ERROR_INIT;
    buf_puts(out, "letter     ");
    dlq_put_name(out, m->topic, m->partition, m->offset);
    buf_putc(out, '\n');
    put_times(out, l);
    put_line(out, "group", l->group.n ? l->group.p : NULL, l->group.n);
    put_line(out, "exception", l->exception.n ? l->exception.p : NULL, l->exception.n);
    put_line(out, "message", l->reason.n ? l->reason.p : NULL, l->reason.n);
    put_redrive(out, redrive);
    put_line(out, "key", m->key.p, m->key.n);
    for (size_t i = 0; i < m->nheaders; i++) {
        int64_t v;
        buf_puts(out, "header     ");
        dlq_put_bytes(out, m->headers[i].name, strlen(m->headers[i].name));
        buf_puts(out, " = ");
        if (number_header(&m->headers[i], &v))
            buf_put_i64(out, v);
        else if (m->headers[i].value)
            dlq_put_bytes(out, m->headers[i].value, m->headers[i].size);
        buf_putc(out, '\n');
    }
    if (dead_letter_decode(l, &value, &e))
        buf_puts(out, "decoded    "), ctl_put_text(out, buf_str(&value));
    else
        buf_puts(out, "decoded    no: "), ctl_put_text(out, e.text);
    buf_putc(out, '\n');
    put_line(out, "value", m->value.p, m->value.n);
    buf_free(&value);
}

static void on_letter(void *arg, const struct dead_letter *l, const struct dead_letter_redrive *redrive)
{
    struct showing *s = arg;
    const struct event_message *m = l->message;
    if (s->found || m->partition != s->id.partition || m->offset != s->id.offset ||
        strcmp(m->topic, s->id.topic) != 0)
        return;
    s->found = true;
    s->coupon = dead_letter_coupon_request(l, &s->request);
    s->json ? put_json(s, l, redrive) : put_text(s, l, redrive);
}

static void on_decision(void *arg, bool found, const struct coupon_request_row *row, const struct error *e)
{
    struct showing *s = arg;
    struct buf word = BUF_INIT;
    if (!found)
        buf_puts(&word, "unknown");
    else if (!row->decided)
        buf_puts(&word, "none yet");
    else
        buf_printf(&word, "%s%s%s", row->success ? "SUCCESS" : "FAILED", row->success ? "" : " ",
                   row->success ? "" : row->reason);
    if (!e && s->json)
        msg_json_key(&s->j, "decision"), msg_json_string(&s->j, buf_str(&word));
    else if (!e)
        buf_printf(&s->out, "decision   %s\n", buf_str(&word));
    buf_free(&word);
    ctl_finish(s->dlq.c, e);
}

static int run(struct showing *s)
{
    struct ctl *c = s->dlq.c;
    int code = dlq_open(&s->dlq, 0);
    if (code != EX_OK)
        return code;
    if (!dlq_read(&s->dlq, on_letter, s))
        return ctl_status(c);
    if (!s->found) {
        fprintf(stderr, "rushctl: there is no letter %s/%d/%lld\n", s->id.topic, (int)s->id.partition,
                (long long)s->id.offset);
        return 1;
    }
    if (s->coupon) {
        coupon_request_find(c->store, s->request.coupon_id, s->request.user_id, s->request.requested_at_us,
                            on_decision, s);
        if (!ctl_wait_on(c, CTL_CALL_TIMEOUT_MS))
            return ctl_status(c);
    }
    if (s->json)
        msg_json_object_end(&s->j), buf_putc(&s->out, '\n');
    fputs(buf_str(&s->out), stdout);
    return EX_OK;
}

int ctl_dlq_show(struct ctl *c)
{
    struct showing s = {.json = false};
    dlq_init(&s.dlq, c);
    s.j = MSG_JSON(&s.out);
    if (!ctl_options(c, (struct ctl_option[]){{"--json", NULL, &s.json}, {0}}))
        return EX_USAGE;
    if (c->argc == 1 ? !dlq_letter_name(&s.dlq, c->argv[0], &s.id)
                     : !ctl_operands(c, 3) || !dlq_letter_words(&s.dlq, c->argv, &s.id))
        return EX_USAGE;
    s.dlq.filter.kind = dead_letter_kind(&s.dlq.topics, s.id.topic);
    int code = run(&s);
    dlq_free(&s.dlq);
    buf_free(&s.out);
    return code;
}
