/* rushctl dlq redrive: letters that are named, or all that a filter means, go back to their topics.
 *
 *   lock      one rushctl at a time: what is SENDING was left behind by one that died
 *   read      a chunk of letters from the topics, behind the last one; where the topics end is found out by the first reading, so that
 *             what comes back as a new letter is not sent for ever
 *   judge     sent before, not to be read, not meant for this: not sent, with the reason
 *   send      ctl_redrive_send.c, ctl_redrive_anew.c
 *
 * until a reading finds nothing more. Only a chunk is in memory. */
#include <stdio.h>
#include <sysexits.h>

#include "ctl/ctl_redrive.h"
#include "loop/loop.h"
#include "pg/pg.h"

#define CHUNK_LETTERS 500
#define CHUNK_BYTES   (8 << 20)
#define REDRIVE_LOCK  INT64_C(0x727573686472) /* "rushdr" */

/* Where the readings are in one partition. */
struct place {
    int64_t last; /* letter that was looked at; -1: none */
    int64_t end;  /* behind the last one of the first reading */
};

struct work {
    struct redrive r;
    const struct dead_letter_id *names; /* letters that are named */
    bool *seen;                         /* by name */
    size_t nnames;
    struct strmap *places;
    size_t bytes;
    bool first, full;
    int64_t outcomes[REDRIVE_WAITS + 1];
    struct buf out;
    struct msg_json j;
};

static const char *const outcome_words[] = {
    [REDRIVE_PENDING] = "pending",   [REDRIVE_WOULD] = "would be sent", [REDRIVE_SENT] = "sent",
    [REDRIVE_ACCEPTED] = "accepted", [REDRIVE_ALREADY] = "skipped",     [REDRIVE_REFUSED] = "refused",
    [REDRIVE_FAILED] = "failed",     [REDRIVE_UNKNOWN] = "unknown",     [REDRIVE_WAITS] = "waits",
};

/* --- which letters --- */

static struct place *place_of(struct work *w, const struct event_message *m)
{
    char key[DEAD_LETTER_TOPIC_SIZE + 16];
    size_t n = (size_t)snprintf(key, sizeof key, "%s/%d", m->topic, (int)m->partition);
    struct place *p = strmap_get(w->places, key, n);
    if (!p) {
        p = mem_zalloc(sizeof *p);
        p->last = -1;
        strmap_put(w->places, key, n, p);
    }
    return p;
}

static bool is_named(struct work *w, const struct event_message *m)
{
    for (size_t i = 0; i < w->nnames; i++)
        if (w->names[i].offset == m->offset && w->names[i].partition == m->partition &&
            strcmp(w->names[i].topic, m->topic) == 0)
            return w->seen[i] = true;
    return w->nnames == 0;
}

static void end(struct redrive_letter *l, enum redrive_outcome outcome, const char *reason)
{
    l->outcome = outcome;
    str_copy(l->reason, sizeof l->reason, reason);
}

static void judge(const struct redrive *r, struct redrive_letter *l,
                  const struct dead_letter_redrive *redrive)
{
    struct error e = ERROR_INIT;
    /* To be accepted anew is more than to be sent again. */
    bool before = redrive && redrive->state == DEAD_LETTER_SENT && (redrive->as_new_request || !r->anew);
    if (before && !r->again)
        end(l, REDRIVE_ALREADY, "it was sent again before (--again)");
    else if (l->letter.kind == EVENT_TOPIC_COUNT)
        end(l, REDRIVE_REFUSED, "the topic that it was for is none of this shop's");
    else if (!dead_letter_decode(&l->letter, NULL, &e) && !r->force) {
        struct buf why = BUF_INIT;
        buf_printf(&why, "it cannot be read and would come back (--force): %s", e.text);
        end(l, REDRIVE_REFUSED, buf_str(&why));
        buf_free(&why);
    }
}

static char *put(char **at, const void *p, size_t n)
{
    char *copy = *at;
    if (n)
        memcpy(copy, p, n);
    *at += n;
    return copy;
}

/* Copy the letter: what is read is valid inside the reading only. */
static void copy_letter(struct redrive_letter *to, const struct dead_letter *from)
{
    const struct event_message *m = from->message;
    size_t size = m->nheaders * sizeof(struct event_header) + strlen(m->topic) + 1 + m->key.n + m->value.n;
    for (size_t i = 0; i < m->nheaders; i++)
        size += strlen(m->headers[i].name) + 1 + m->headers[i].size;
    *to = (struct redrive_letter){.letter = *from, .message = *m, .memory = mem_alloc(size + 1)};
    struct event_header *headers = (struct event_header *)(void *)to->memory;
    char *at = (char *)(headers + m->nheaders);
    for (size_t i = 0; i < m->nheaders; i++) {
        headers[i].name = put(&at, m->headers[i].name, strlen(m->headers[i].name) + 1);
        headers[i].value = m->headers[i].value ? put(&at, m->headers[i].value, m->headers[i].size) : NULL;
        headers[i].size = m->headers[i].size;
    }
    to->message.headers = headers;
    to->message.topic = put(&at, m->topic, strlen(m->topic) + 1);
    if (m->key.p)
        to->message.key.p = put(&at, m->key.p, m->key.n);
    if (m->value.p)
        to->message.value.p = put(&at, m->value.p, m->value.n);
    to->letter.message = &to->message;
    to->letter.group = to->letter.exception = to->letter.reason = (struct slice){0};
}

static void on_letter(void *arg, const struct dead_letter *l, const struct dead_letter_redrive *redrive)
{
    struct work *w = arg;
    const struct event_message *m = l->message;
    struct place *p = place_of(w, m);
    if (w->first && m->offset >= p->end)
        p->end = m->offset + 1;
    if (m->offset <= p->last || m->offset >= p->end || !is_named(w, m))
        return;
    size_t size = m->key.n + m->value.n;
    w->full |= w->r.n == CHUNK_LETTERS || (w->r.n && w->bytes + size > CHUNK_BYTES);
    if (w->full)
        return;
    p->last = m->offset;
    w->bytes += size;
    struct redrive_letter *to = &w->r.letters[w->r.n++];
    copy_letter(to, l);
    judge(&w->r, to, redrive);
}

/* --- telling --- */

static void tell(struct work *w, const struct redrive_letter *l)
{
    const struct event_message *m = &l->message;
    w->outcomes[l->outcome]++;
    if (w->r.json) {
        struct msg_json *j = &w->j;
        msg_json_object(j);
        msg_json_key(j, "topic"), msg_json_string(j, m->topic);
        msg_json_key(j, "partition"), msg_json_i64(j, m->partition);
        msg_json_key(j, "offset"), msg_json_i64(j, m->offset);
        msg_json_key(j, "outcome"), msg_json_string(j, outcome_words[l->outcome]);
        msg_json_key(j, "ticket");
        l->ticket ? msg_json_i64(j, l->ticket) : msg_json_null(j);
        msg_json_key(j, "reason"), msg_json_string(j, *l->reason ? l->reason : NULL);
        msg_json_object_end(j);
        return;
    }
    if (l->outcome == REDRIVE_ALREADY && !w->nnames)
        return; /* as often as the command is repeated */
    dlq_put_name(&w->out, m->topic, m->partition, m->offset);
    buf_printf(&w->out, ": %s", outcome_words[l->outcome]);
    if (l->outcome == REDRIVE_SENT || (l->outcome == REDRIVE_WOULD && !w->r.anew))
        buf_puts(&w->out, " to "), dlq_put_bytes(&w->out, l->letter.topic, strlen(l->letter.topic));
    if (l->ticket)
        buf_printf(&w->out, " as a new request, ticket %lld", (long long)l->ticket);
    if (*l->reason)
        buf_puts(&w->out, ": "), dlq_put_bytes(&w->out, l->reason, strlen(l->reason));
    buf_putc(&w->out, '\n');
}

static void flush(struct work *w)
{
    fputs(buf_str(&w->out), stdout);
    fflush(stdout);
    buf_clear(&w->out);
}

static void tell_end(struct work *w)
{
    if (w->r.json) {
        msg_json_array_end(&w->j);
        for (size_t i = REDRIVE_WOULD; i < ARRAY_LEN(outcome_words); i++) {
            msg_json_key(&w->j, i == REDRIVE_WOULD ? "wouldBeSent" : outcome_words[i]);
            msg_json_i64(&w->j, w->outcomes[i]);
        }
        msg_json_object_end(&w->j);
    } else {
        const char *separator = "";
        for (size_t i = REDRIVE_WOULD; i < ARRAY_LEN(outcome_words); i++)
            if (w->outcomes[i]) {
                buf_printf(&w->out, "%s%lld %s", separator, (long long)w->outcomes[i],
                           i == REDRIVE_ALREADY ? "sent before" : outcome_words[i]);
                separator = ", ";
            }
        if (!*separator)
            buf_puts(&w->out, "no such letter");
    }
    buf_putc(&w->out, '\n');
    flush(w);
}

/* --- the work --- */

static void chunk_end(struct work *w)
{
    for (size_t i = 0; i < w->r.n; i++) {
        tell(w, &w->r.letters[i]);
        mem_free(w->r.letters[i].memory);
    }
    w->r.n = 0;
    w->bytes = 0;
    flush(w);
}

static bool any_pending(const struct redrive *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->letters[i].outcome == REDRIVE_PENDING)
            return true;
    return false;
}

/* What is still pending when a service went away was not touched: it is not told. */
static bool chunk_work(struct work *w)
{
    struct redrive *r = &w->r;
    if (!any_pending(r))
        return true;
    if (r->lock && !pg_lock_held(r->lock)) {
        fputs("rushctl: PostgreSQL was away for a moment: begin again\n", stderr);
        return false;
    }
    bool ok = r->anew ? redrive_anew(r) : r->dry_run || redrive_send(r);
    for (size_t i = 0; i < r->n && r->dry_run; i++)
        if (r->letters[i].outcome == REDRIVE_PENDING)
            r->letters[i].outcome = REDRIVE_WOULD;
    return ok;
}

static bool work(struct work *w)
{
    do {
        w->full = false;
        if (!dlq_read(&w->r.dlq, on_letter, w))
            return false;
        w->first = false;
        bool ok = chunk_work(w);
        chunk_end(w);
        if (!ok)
            return false;
    } while (w->full);
    return true;
}

static void on_lock(void *arg, bool held)
{
}

static bool is_locked(void *arg)
{
    const struct redrive *r = arg;
    return pg_lock_held(r->lock);
}

static int status_of(struct work *w, bool ok)
{
    struct redrive *r = &w->r;
    int code = ok ? EX_OK : r->dlq.c->error.kind == ERROR_PERMANENT ? 1 : EX_UNAVAILABLE;
    for (size_t i = 0; i < w->nnames && ok; i++)
        if (!w->seen[i]) {
            fprintf(stderr, "rushctl: there is no letter %s/%d/%lld\n", w->names[i].topic,
                    (int)w->names[i].partition, (long long)w->names[i].offset);
            code = 1;
        }
    if (code == EX_OK && r->away)
        return EX_UNAVAILABLE;
    bool refused = w->outcomes[REDRIVE_REFUSED] || w->outcomes[REDRIVE_FAILED] ||
                   (w->nnames && w->outcomes[REDRIVE_ALREADY]);
    return code == EX_OK && refused ? 1 : code;
}

static int run(struct work *w)
{
    struct redrive *r = &w->r;
    int code = dlq_open(&r->dlq, r->anew ? CTL_NEED_REDIS : 0);
    if (code != EX_OK)
        return code;
    if (!r->dry_run) {
        r->lock = pg_lock_new(r->dlq.c->pg, REDRIVE_LOCK, on_lock, NULL);
        if (!loop_run_until(r->dlq.c->loop, is_locked, r, r->dlq.c->wait_ms)) {
            fputs("rushctl: another rushctl is redriving dead letters\n", stderr);
            return EX_UNAVAILABLE;
        }
        if (!dlq_load_redrives(&r->dlq)) /* what the one before has done */
            return ctl_status(r->dlq.c);
    }
    if (r->json) {
        msg_json_object(&w->j);
        msg_json_key(&w->j, "letters"), msg_json_array(&w->j);
    }
    bool ok = work(w);
    tell_end(w);
    return status_of(w, ok);
}

/* The letters that are named: each TOPIC/PARTITION/OFFSET, or one in three words. */
static bool take_names(struct work *w, struct dead_letter_id *names)
{
    const struct ctl *c = w->r.dlq.c;
    w->names = names;
    if (c->argc == 3 && !strchr(c->argv[1], '/')) {
        w->nnames = 1;
        return dlq_letter_words(&w->r.dlq, c->argv, &names[0]);
    }
    for (int i = 0; i < c->argc; i++)
        if (!dlq_letter_name(&w->r.dlq, c->argv[i], &names[w->nnames++]))
            return false;
    return true;
}

static int checked(struct work *w, const struct dlq_filter_options *f, struct dead_letter_id *names)
{
    struct ctl *c = w->r.dlq.c;
    bool filtered = f->topic || f->since || f->key;
    if (!take_names(w, names) || !dlq_filter_set(&w->r.dlq, f))
        return EX_USAGE;
    if (w->nnames && (filtered || w->r.all))
        return ctl_usage_error(c,
                               "name letters, or say which with --all, --topic, --since and --key: not both");
    if (!w->nnames && !filtered && !w->r.all)
        return ctl_usage_error(c,
                               "say which letters: TOPIC/PARTITION/OFFSET, --topic, --since, --key or --all");
    w->seen = mem_array(w->nnames, sizeof *w->seen);
    w->r.letters = mem_array(CHUNK_LETTERS, sizeof *w->r.letters);
    w->places = strmap_new();
    int code = run(w);
    size_t pos = 0;
    void *place;
    redrive_close(&w->r);
    while (strmap_next(w->places, &pos, NULL, &place))
        mem_free(place);
    strmap_free(w->places);
    for (size_t i = 0; i < w->r.n; i++)
        mem_free(w->r.letters[i].memory);
    mem_free(w->r.letters);
    mem_free(w->seen);
    return code;
}

int ctl_dlq_redrive(struct ctl *c)
{
    struct work w = {.first = true};
    struct dlq_filter_options f = {0};
    dlq_init(&w.r.dlq, c);
    w.j = MSG_JSON(&w.out);
    const struct ctl_option options[] = {{"--all", NULL, &w.r.all},
                                         {"--topic", &f.topic, NULL},
                                         {"--since", &f.since, NULL},
                                         {"--key", &f.key, NULL},
                                         {"--again", NULL, &w.r.again},
                                         {"--force", NULL, &w.r.force},
                                         {"--as-new-request", NULL, &w.r.anew},
                                         {"--dry-run", NULL, &w.r.dry_run},
                                         {"--json", NULL, &w.r.json},
                                         {0}};
    if (!ctl_options(c, options))
        return EX_USAGE;
    struct dead_letter_id *names = mem_array((size_t)c->argc + 1, sizeof *names);
    int code = checked(&w, &f, names);
    mem_free(names);
    buf_free(&w.out);
    dlq_free(&w.r.dlq);
    return code;
}
