/* Sending dead letters again.
 *
 *   record    SENDING (local mode: REQUESTED), committed before the first byte leaves
 *   send      key, value and the message's own headers to the topic it was for, with its own timestamp, which is its identity when it
 *             has no other; by its key, or without one to the partition it was in
 *   report    SENT or FAILED; what may or may not have arrived stays SENDING
 *
 * Who dies in between leaves SENDING behind, which may be repeated: consumers take a message twice and its effect stands once. In the
 * local mode the node sends, and this waits for it. */
#include <stdio.h>

#include "app/config.h"
#include "app/pools.h"
#include "base/clock.h"
#include "ctl/ctl_redrive.h"
#include "kafka/kafka.h"
#include "loop/loop.h"

#define HEADERS_MAX     64
#define POLL_MS         200
#define CLOSE_MS        2000
#define REPORT_EXTRA_MS 10000

bool redrive_record(struct redrive *r, enum dead_letter_state state)
{
    struct dead_letter_redrive *rows = mem_array(r->n, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct redrive_letter *l = &r->letters[i];
        enum dead_letter_state own = l->outcome == REDRIVE_SENT || l->outcome == REDRIVE_ACCEPTED
                                         ? DEAD_LETTER_SENT
                                     : l->outcome == REDRIVE_FAILED ? DEAD_LETTER_FAILED
                                                                    : state;
        if (l->outcome == REDRIVE_ALREADY || l->outcome == REDRIVE_REFUSED)
            continue;
        rows[n++] = (struct dead_letter_redrive){
            .id = {l->message.topic, l->message.partition, l->message.offset, l->message.timestamp_ms},
            .state = own,
            .as_new_request = r->anew,
            .ticket = l->ticket,
            .error = *l->reason ? l->reason : NULL};
    }
    bool ok = true;
    if (n) {
        dead_letter_redrive_write(r->dlq.c->store, rows, n, ctl_on_done, r->dlq.c);
        ok = ctl_wait_on(r->dlq.c, CTL_CALL_TIMEOUT_MS);
    }
    mem_free(rows);
    return ok;
}

/* --- Kafka --- */

static void end(struct redrive_letter *l, enum redrive_outcome outcome, const char *reason)
{
    l->outcome = outcome;
    str_copy(l->reason, sizeof l->reason, reason);
}

static void on_report(void *arg, uint64_t id, const struct kafka_report_info *info)
{
    struct redrive *r = arg;
    struct redrive_letter *l = &r->letters[id];
    if (info->outcome == KAFKA_DELIVERED)
        end(l, REDRIVE_SENT, "");
    else
        end(l, info->outcome == KAFKA_NOT_DELIVERED ? REDRIVE_FAILED : REDRIVE_UNKNOWN, info->error.text);
    r->away |= info->outcome != KAFKA_DELIVERED && info->error.kind != ERROR_PERMANENT;
    if (--r->waiting == 0)
        ctl_finish(r->dlq.c, NULL);
}

static bool producer_open(struct redrive *r)
{
    struct error e = ERROR_INIT;
    const struct kafka_config common = app_kafka_config(app_config.kafka.bootstrap_servers, "rushctl");
    const struct kafka_producer_config cfg = app_kafka_producer_config(&common);
    if (!r->producer)
        r->producer = kafka_producer_new(r->dlq.c->loop, &cfg, &e);
    if (!r->producer)
        fprintf(stderr, "rushctl: %s\n", e.text);
    return r->producer;
}

static bool never(void *arg)
{
    return false;
}

/* A full queue empties: the chunk is far below it, but not a single message of any size. */
static void send_one(struct redrive *r, size_t i)
{
    struct redrive_letter *l = &r->letters[i];
    const struct event_message *m = &l->message;
    struct kafka_header headers[HEADERS_MAX];
    size_t n = 0;
    for (size_t k = 0; k < m->nheaders && n < HEADERS_MAX; k++)
        if (!dead_letter_header_is_ours(m->headers[k].name))
            headers[n++] = (struct kafka_header){m->headers[k].name, m->headers[k].value, m->headers[k].size};
    int32_t partition = m->key.p ? -1 : l->letter.partition;
    int64_t timestamp_ms = l->letter.timestamp_ms > 0 ? l->letter.timestamp_ms : 0;
    struct error e = ERROR_INIT;
    r->waiting++;
    for (int tries = 0; !kafka_producer_send_at(r->producer, l->letter.topic, partition, timestamp_ms, m->key,
                                                m->value, headers, n, on_report, r, i, &e);
         tries++) {
        if (partition >= 0 && strcmp(e.code, "UNKNOWN_PARTITION") == 0) {
            partition = -1;
        } else if (e.kind != ERROR_RETRIABLE ||
                   tries * POLL_MS > app_config.kafka.producer.delivery_timeout) {
            r->waiting--;
            r->away |= e.kind == ERROR_RETRIABLE;
            end(l, REDRIVE_FAILED, e.text);
            return;
        } else {
            loop_run_until(r->dlq.c->loop, never, NULL, POLL_MS);
        }
    }
}

static bool send_kafka(struct redrive *r)
{
    struct ctl *c = r->dlq.c;
    if (!producer_open(r) || !redrive_record(r, DEAD_LETTER_SENDING))
        return false;
    r->waiting = 1; /* ours, until all are sent */
    for (size_t i = 0; i < r->n; i++)
        if (r->letters[i].outcome == REDRIVE_PENDING)
            send_one(r, i);
    bool reported =
        --r->waiting == 0 || ctl_wait_on(c, app_config.kafka.producer.delivery_timeout + REPORT_EXTRA_MS);
    for (size_t i = 0; i < r->n; i++)
        if (r->letters[i].outcome == REDRIVE_PENDING)
            end(&r->letters[i], REDRIVE_UNKNOWN, "no delivery report");
    return redrive_record(r, DEAD_LETTER_SENDING) && reported;
}

/* --- local mode --- */

/* Take over what the node has recorded; true when it is through with all. */
static bool taken(struct redrive *r)
{
    bool all = true;
    for (size_t i = 0; i < r->n; i++) {
        struct redrive_letter *l = &r->letters[i];
        if (l->outcome != REDRIVE_PENDING)
            continue;
        const struct dead_letter_redrive *now = dlq_redrive_of(&r->dlq, &l->message);
        if (now && now->state == DEAD_LETTER_SENT)
            end(l, REDRIVE_SENT, "");
        else if (now && now->state == DEAD_LETTER_FAILED)
            end(l, REDRIVE_FAILED, now->error ? now->error : "");
        else
            all = false;
    }
    return all;
}

static bool send_local(struct redrive *r)
{
    if (!redrive_record(r, DEAD_LETTER_REQUESTED))
        return false;
    int64_t until_us = clock_mono_us() + r->dlq.c->wait_ms * 1000;
    do {
        loop_run_until(r->dlq.c->loop, never, NULL, POLL_MS);
        if (!dlq_load_redrives(&r->dlq))
            return false;
    } while (!taken(r) && clock_mono_us() < until_us);
    for (size_t i = 0; i < r->n; i++)
        if (r->letters[i].outcome == REDRIVE_PENDING)
            r->away = true, end(&r->letters[i], REDRIVE_WAITS,
                                "no node has finished it yet; it does as soon as a worker runs");
    return true;
}

bool redrive_send(struct redrive *r)
{
    return r->dlq.local ? send_local(r) : send_kafka(r);
}

/* --- the end --- */

static void on_closed(void *arg)
{
    struct redrive *r = arg;
    r->closed = true;
}

static bool is_closed(void *arg)
{
    const struct redrive *r = arg;
    return r->closed;
}

void redrive_close_producer(struct redrive *r)
{
    if (!r->producer)
        return;
    kafka_producer_close(r->producer, CLOSE_MS, on_closed, r);
    loop_run_until(r->dlq.c->loop, is_closed, r, 2 * CLOSE_MS);
    kafka_producer_free(r->producer);
}
