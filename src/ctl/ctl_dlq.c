/* Reading dead letters for rushctl: names, filters, the two sources, and how a letter is shown. */
#include "ctl/ctl_dlq.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "app/config.h"
#include "app/pools.h"
#include "ctl/ctl_table.h"

#define PAGE            500
#define READ_TIMEOUT_MS (INT64_C(3600) * 1000)

/* --- what is meant --- */

void dlq_init(struct dlq *d, struct ctl *c)
{
    *d = (struct dlq){.c = c,
                      .local = app_config.publisher == PUBLISHER_LOCAL,
                      .topics = app_dead_letter_topics(),
                      .filter = {.kind = EVENT_TOPIC_COUNT}};
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        snprintf(d->names[i], sizeof d->names[i], "%s%s", d->topics.names[i], d->topics.suffix);
        d->reading[i] = d->names[i];
    }
}

static bool topic_kind(const struct dlq *d, const char *name, enum event_topic *kind)
{
    *kind = dead_letter_kind(&d->topics, name);
    if (*kind != EVENT_TOPIC_COUNT)
        return true;
    ctl_usage_error(d->c, "%s is none of the topics of this shop (kafka.topics.*), nor of their dead letters",
                    name);
    return false;
}

bool dlq_filter_set(struct dlq *d, const struct dlq_filter_options *o)
{
    struct dlq_filter *f = &d->filter;
    f->key = o->key;
    if (o->topic && !topic_kind(d, o->topic, &f->kind))
        return false;
    return !o->since || ctl_time(d->c, "--since", o->since, false, &f->since_us);
}

bool dlq_letter_words(const struct dlq *d, char *const *words, struct dead_letter_id *id)
{
    enum event_topic kind;
    int64_t partition;
    if (!topic_kind(d, words[0], &kind) ||
        !ctl_number_between(d->c, "PARTITION", words[1], 0, INT32_MAX, &partition) ||
        !ctl_number_between(d->c, "OFFSET", words[2], 0, INT64_MAX, &id->offset))
        return false;
    id->topic = d->names[kind];
    id->partition = (int32_t)partition;
    id->timestamp_ms = -1;
    return true;
}

bool dlq_letter_name(const struct dlq *d, const char *text, struct dead_letter_id *id)
{
    char *copy = mem_strdup(text), *words[3] = {copy, NULL, NULL};
    for (int i = 2; i > 0; i--) {
        char *slash = strrchr(copy, '/');
        if (!slash)
            break;
        *slash = '\0';
        words[i] = slash + 1;
    }
    bool ok = words[1] && dlq_letter_words(d, words, id);
    if (!words[1])
        ctl_usage_error(d->c, "%s: a letter is named TOPIC/PARTITION/OFFSET", text);
    mem_free(copy);
    return ok;
}

/* --- what was sent again --- */

static size_t letter_key(char *out, size_t size, const struct dead_letter_id *id)
{
    return (size_t)snprintf(out, size, "%s/%d/%lld/%lld", id->topic, (int)id->partition,
                            (long long)id->offset, (long long)id->timestamp_ms);
}

static void redrives_clear(struct dlq *d)
{
    size_t pos = 0;
    void *value;
    while (d->redrives && strmap_next(d->redrives, &pos, NULL, &value)) {
        struct dead_letter_redrive *r = value;
        mem_free((char *)(uintptr_t)r->error);
        mem_free(r);
    }
    strmap_free(d->redrives);
    d->redrives = NULL;
}

static void on_redrives(void *arg, const struct dead_letter_redrive *rows, size_t n, const struct error *e)
{
    struct dlq *d = arg;
    char key[DEAD_LETTER_TOPIC_SIZE + 64];
    for (size_t i = 0; i < n; i++) {
        struct dead_letter_redrive *r = mem_dup(&rows[i], sizeof rows[i]);
        for (int k = 0; k < EVENT_TOPIC_COUNT; k++)
            if (strcmp(d->names[k], rows[i].id.topic) == 0)
                r->id.topic = d->names[k];
        r->error = rows[i].error ? mem_strdup(rows[i].error) : NULL;
        strmap_put(d->redrives, key, letter_key(key, sizeof key, &r->id), r);
        d->last = r->id;
    }
    d->more = n == PAGE;
    ctl_finish(d->c, e);
}

bool dlq_load_redrives(struct dlq *d)
{
    redrives_clear(d);
    d->redrives = strmap_new();
    const struct dead_letter_id *after = NULL;
    do {
        const struct dead_letter_id last = d->last;
        dead_letter_redrives(d->c->store, d->reading, after ? &last : NULL, PAGE, on_redrives, d);
        if (!ctl_wait_on(d->c, CTL_CALL_TIMEOUT_MS))
            return false;
        after = &d->last;
    } while (d->more);
    return true;
}

int dlq_open(struct dlq *d, unsigned needs)
{
    const char *why;
    if (!d->local && !ctl_kafka_there(&why)) {
        fprintf(stderr, "rushctl: %s: there are no dead letters to be reached\n", why);
        return EX_CONFIG;
    }
    if (d->filter.kind != EVENT_TOPIC_COUNT) {
        d->reading[0] = d->names[d->filter.kind];
        d->reading[1] = NULL;
    }
    int code = ctl_open(d->c, CTL_NEED_PG | CTL_NEED_SCHEMA | needs);
    if (code == EX_OK && !dlq_load_redrives(d))
        code = ctl_status(d->c);
    return code;
}

void dlq_free(struct dlq *d)
{
    ctl_disconnect(d->c);
    redrives_clear(d);
    ctl_history_free(d->history);
}

/* --- reading --- */

const struct dead_letter_redrive *dlq_redrive_of(const struct dlq *d, const struct event_message *m)
{
    char key[DEAD_LETTER_TOPIC_SIZE + 64];
    const struct dead_letter_id id = {m->topic, m->partition, m->offset, m->timestamp_ms};
    size_t n = letter_key(key, sizeof key, &id);
    return n < sizeof key ? strmap_get(d->redrives, key, n) : NULL;
}

static void give(struct dlq *d, const struct dead_letter *l)
{
    const struct event_message *m = l->message;
    const struct dlq_filter *f = &d->filter;
    if ((f->key && !slice_eq(m->key, f->key)) ||
        (f->since_us && m->timestamp_ms >= 0 && m->timestamp_ms * 1000 < f->since_us))
        return;
    d->fn(d->arg, l, dlq_redrive_of(d, m));
}

static void on_message(void *arg, const struct event_message *m)
{
    struct dlq *d = arg;
    struct dead_letter l;
    dead_letter_parse(&d->topics, m, &l);
    give(d, &l);
}

static void on_history(void *arg, const struct event_range *ranges, size_t n, const struct error *e)
{
    struct dlq *d = arg;
    ctl_finish(d->c, e);
}

/* A row of the table as a letter of a topic: partition 0, the offset is its id. */
static void give_row(struct dlq *d, const struct dead_letter_row *row)
{
    struct event_header *headers = mem_array(row->nheaders, sizeof *headers);
    for (size_t i = 0; i < row->nheaders; i++)
        headers[i] =
            (struct event_header){row->headers[i].name, row->headers[i].value.p, row->headers[i].value.n};
    char topic[DEAD_LETTER_TOPIC_SIZE];
    snprintf(topic, sizeof topic, "%s%s", row->topic, d->topics.suffix);
    const struct event_message m = {.topic = topic,
                                    .offset = row->id,
                                    .timestamp_ms = row->created_at_us / 1000,
                                    .key = row->key,
                                    .value = row->payload,
                                    .headers = headers,
                                    .nheaders = row->nheaders};
    struct dead_letter l = {.message = &m,
                            .kind = dead_letter_kind(&d->topics, row->topic),
                            .partition = -1,
                            .offset = -1,
                            .timestamp_ms = -1,
                            .group = slice_of(row->group),
                            .exception = slice_of(row->exception),
                            .reason = slice_of(row->reason)};
    str_copy(l.topic, sizeof l.topic, row->topic);
    if (d->filter.kind == EVENT_TOPIC_COUNT || d->filter.kind == l.kind)
        give(d, &l);
    mem_free(headers);
}

static void on_rows(void *arg, const struct dead_letter_row *rows, size_t n, const struct error *e)
{
    struct dlq *d = arg;
    for (size_t i = 0; i < n; i++) {
        give_row(d, &rows[i]);
        d->last_id = rows[i].id;
    }
    d->more = n == PAGE;
    ctl_finish(d->c, e);
}

bool dlq_read(struct dlq *d, dlq_letter_fn *fn, void *arg)
{
    d->fn = fn;
    d->arg = arg;
    if (!d->local) {
        if (!d->history)
            d->history = ctl_history_new(d->c);
        const struct event_history port = ctl_history_port(d->history);
        port.ops->read(port.self, d->reading, on_message, on_history, d);
        return ctl_wait_on(d->c, READ_TIMEOUT_MS);
    }
    d->last_id = 0;
    do {
        dead_letter_read(d->c->store, d->last_id, PAGE, on_rows, d);
        if (!ctl_wait_on(d->c, CTL_CALL_TIMEOUT_MS))
            return false;
    } while (d->more);
    return true;
}

/* --- showing --- */

void dlq_put_name(struct buf *out, const char *topic, int32_t partition, int64_t offset)
{
    buf_printf(out, "%s/%d/%lld", topic, (int)partition, (long long)offset);
}

void dlq_put_bytes(struct buf *out, const void *p, size_t n)
{
    const char *s = p;
    for (size_t i = 0; i < n;) {
        size_t len = str_utf8_next(s + i, n - i);
        unsigned char c = (unsigned char)s[i];
        if (c == '\\')
            buf_puts(out, "\\\\");
        else if (len == 0 || c < ' ' || c == 0x7f ||
                 (len == 2 && c == 0xc2 && (unsigned char)s[i + 1] < 0xa0))
            for (size_t k = 0; k < (len ? len : 1); k++)
                buf_printf(out, "\\x%02x", (unsigned char)s[i + k]);
        else
            buf_put(out, s + i, len);
        i += len ? len : 1;
    }
}

void dlq_put_redrive(struct buf *out, const struct dead_letter_redrive *redrive)
{
    if (!redrive)
        buf_putc(out, '-');
    else if (redrive->ticket)
        buf_printf(out, "%s anew, ticket %lld", dead_letter_state_word(redrive->state),
                   (long long)redrive->ticket);
    else
        buf_printf(out, "%s%s", dead_letter_state_word(redrive->state),
                   redrive->as_new_request ? " anew" : "");
}

static void put_number(struct msg_json *j, const char *name, int64_t v)
{
    msg_json_key(j, name);
    v >= 0 ? msg_json_i64(j, v) : msg_json_null(j);
}

static void put_slice(struct msg_json *j, const char *name, struct slice s)
{
    msg_json_key(j, name);
    s.p ? msg_json_string_n(j, s.p, s.n) : msg_json_null(j);
}

static void put_redrive_json(struct msg_json *j, const struct dead_letter_redrive *r)
{
    if (!r) {
        msg_json_null(j);
        return;
    }
    msg_json_object(j);
    msg_json_key(j, "state"), msg_json_string(j, dead_letter_state_word(r->state));
    msg_json_key(j, "asNewRequest"), msg_json_bool(j, r->as_new_request);
    msg_json_key(j, "ticket");
    r->ticket ? msg_json_i64(j, r->ticket) : msg_json_null(j);
    msg_json_key(j, "arrived"), msg_json_i64(j, r->sends);
    msg_json_key(j, "error"), msg_json_string(j, r->error);
    msg_json_key(j, "changedAt"), msg_json_date_iso(j, r->changed_at_us);
    msg_json_object_end(j);
}

void dlq_put_json(struct msg_json *j, const struct dead_letter *l, const struct dead_letter_redrive *redrive)
{
    const struct event_message *m = l->message;
    msg_json_key(j, "topic"), msg_json_string(j, m->topic);
    msg_json_key(j, "partition"), msg_json_i64(j, m->partition);
    msg_json_key(j, "offset"), msg_json_i64(j, m->offset);
    msg_json_key(j, "time");
    m->timestamp_ms >= 0 ? msg_json_date_iso(j, m->timestamp_ms * 1000) : msg_json_null(j);
    msg_json_key(j, "originalTopic"), msg_json_string(j, *l->topic ? l->topic : NULL);
    put_number(j, "originalPartition", l->partition);
    put_number(j, "originalOffset", l->offset);
    put_slice(j, "key", m->key);
    put_slice(j, "consumerGroup", l->group);
    put_slice(j, "exception", l->exception);
    put_slice(j, "message", l->reason);
    msg_json_key(j, "redrive");
    put_redrive_json(j, redrive);
}
