/* Redrive in the local mode (guarantees G7).
 *
 *   claim     each second: letters REQUESTED, and those SENDING that are not in hand here (their node died), become SENDING
 *   send      to the handler of their topic, as a published event is
 *   report    the effect is durable: SENT; a letter whose topic is none of ours: FAILED
 *
 * There is one worker, so nobody else has them in hand. A node that dies between leaves SENDING behind and the next worker sends again:
 * handlers take a message twice and its effect stands once. When the end cannot be recorded the letter is sent again as well. */
#include "service/redrive.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/queue.h"
#include "loop/loop.h"
#include "store/dead_letter.h"

LOG_DEFINE(log_redrive, "rushd.redrive");

#define LOOK_PERIOD_MS 1000
#define IN_HAND_MAX    200

struct letter {
    LIST_ENTRY(letter) link;
    struct redrive_flow *flow;
    int64_t id;
};

struct redrive_flow {
    struct loop *loop;
    struct store *store;
    struct event_sink sink;
    struct dead_letter_topics topics;
    struct loop_timer *timer;
    bool looking;
    LIST_HEAD(, letter) letters; /* in hand */
    size_t in_hand;
};

static void letter_free(struct letter *t)
{
    LIST_REMOVE(t, link);
    t->flow->in_hand--;
    mem_free(t);
}

static void on_ended(void *arg, const struct error *e)
{
    struct letter *t = arg;
    if (e && e->kind != ERROR_NONE)
        log_warn(&log_redrive, "the end of a redrive could not be recorded, the letter is sent again",
                 LOG_ERR(e), LOG_I("letter", t->id));
    letter_free(t);
}

static void on_report(void *arg, uint64_t id, enum event_report report, const struct error *e)
{
    struct letter *t = arg;
    if (report != EVENT_DELIVERED) { /* the next look takes it again */
        log_warn(&log_redrive, "a dead letter was not taken, it is sent again", LOG_ERR(e),
                 LOG_I("letter", t->id));
        letter_free(t);
        return;
    }
    log_info(&log_redrive, "dead letter sent again", LOG_I("letter", t->id));
    dead_letter_redrive_end(t->flow->store, t->id, NULL, on_ended, t);
}

static void hand_over(struct redrive_flow *f, const struct dead_letter_row *row)
{
    struct letter *t = mem_zalloc(sizeof *t);
    *t = (struct letter){.flow = f, .id = row->id};
    LIST_INSERT_HEAD(&f->letters, t, link);
    f->in_hand++;
    enum event_topic kind = dead_letter_kind(&f->topics, row->topic);
    if (kind == EVENT_TOPIC_COUNT) {
        dead_letter_redrive_end(f->store, row->id, "its topic is no topic of this shop", on_ended, t);
        return;
    }
    struct event_header *headers = mem_array(row->nheaders, sizeof *headers);
    for (size_t i = 0; i < row->nheaders; i++)
        headers[i] =
            (struct event_header){row->headers[i].name, row->headers[i].value.p, row->headers[i].value.n};
    struct error e = ERROR_INIT;
    if (!f->sink.ops->send(f->sink.self, kind, row->key, row->payload, headers, row->nheaders, on_report, t,
                           (uint64_t)row->id, &e))
        letter_free(t); /* full or closing: the next look takes it again */
    mem_free(headers);
}

static void on_claimed(void *arg, const struct dead_letter_row *rows, size_t n, const struct error *e)
{
    struct redrive_flow *f = arg;
    f->looking = false;
    if (e && e->kind != ERROR_NONE)
        log_debug(&log_redrive, "letters to send again could not be read", LOG_ERR(e));
    for (size_t i = 0; i < n; i++)
        hand_over(f, &rows[i]);
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void look(void *arg)
{
    struct redrive_flow *f = arg;
    if (f->looking || f->in_hand >= IN_HAND_MAX || f->sink.ops->full(f->sink.self))
        return;
    int64_t ids[IN_HAND_MAX];
    size_t n = 0;
    struct letter *t;
    LIST_FOREACH(t, &f->letters, link)
    ids[n++] = t->id;
    qsort(ids, n, sizeof *ids, compare);
    f->looking = true;
    dead_letter_redrive_claim(f->store, f->topics.suffix, IN_HAND_MAX - n, ids, n, on_claimed, f);
}

struct redrive_flow *redrive_new(struct loop *l, struct store *s, struct event_sink sink,
                                 const struct dead_letter_topics *topics)
{
    struct redrive_flow *f = mem_zalloc(sizeof *f);
    f->loop = l;
    f->store = s;
    f->sink = sink;
    f->topics = *topics;
    f->timer = loop_timer_new(l, look, f);
    LIST_INIT(&f->letters);
    return f;
}

void redrive_run(struct redrive_flow *f, bool run)
{
    if (!run)
        loop_timer_stop(f->timer);
    else if (!loop_timer_running(f->timer))
        loop_timer_every(f->timer, LOOK_PERIOD_MS);
}

void redrive_free(struct redrive_flow *f)
{
    if (!f)
        return;
    struct letter *t;
    while ((t = LIST_FIRST(&f->letters)))
        letter_free(t);
    loop_timer_free(f->timer);
    mem_free(f);
}
