/* Ports of the services for tests. See fake_ports.h. */
#include "fake/fake_ports.h"

#include "base/clock.h"

static char *text_of(struct slice s)
{
    return s.p ? mem_strndup(s.p, s.n) : NULL;
}

/* --- event sink ------------------------------------------------------------------------------------------------------------ */

struct fake_sent {
    struct fake_sink *sink;
    struct fake_message message;
    struct fake_delivery delivery;
    event_report_fn *fn;
    void *arg;
    uint64_t id;
    struct loop_timer *timer;
    struct loop_task task;
};

static void message_free(struct fake_message *m)
{
    mem_free(m->key);
    mem_free(m->value);
    mem_free(m->request_id);
}

static void report(void *arg)
{
    struct fake_sent *s = arg;
    struct fake_sink *k = s->sink;
    struct error e = ERROR_INIT;
    size_t i = 0;
    while (k->sent.at[i] != s)
        i++;
    FAKE_REMOVE(&k->sent, i);
    if (s->delivery.report == EVENT_NOT_DELIVERED)
        error_set(&e, s->delivery.permanent ? ERROR_PERMANENT : ERROR_RETRIABLE, "NOT_DELIVERED",
                  "not delivered as the test wants");
    else if (s->delivery.report == EVENT_POSSIBLY_DELIVERED)
        error_set(&e, ERROR_UNKNOWN, "TIMED_OUT", "no report as the test wants");
    s->fn(s->arg, s->id, s->delivery.report, &e);
    loop_timer_free(s->timer);
    loop_defer_cancel(k->loop, &s->task);
    message_free(&s->message);
    mem_free(s);
}

static void land(struct fake_sent *s)
{
    struct fake_sink *k = s->sink;
    *FAKE_ADD(&k->messages) = s->message;
    s->message = (struct fake_message){0};
}

static void arm(struct fake_sent *s)
{
    struct fake_sink *k = s->sink;
    if (s->delivery.report == EVENT_DELIVERED || s->delivery.lands)
        land(s);
    if (!s->delivery.delay_ms) {
        s->task = (struct loop_task){.run = report, .arg = s};
        loop_defer(k->loop, &s->task);
    } else {
        s->timer = loop_timer_new(k->loop, report, s);
        loop_timer_start(s->timer, s->delivery.delay_ms);
    }
}

static bool sink_send(void *self, enum event_topic topic, struct slice key, struct slice value,
                      const struct event_header *headers, size_t n, event_report_fn *fn, void *arg,
                      uint64_t id, struct error *e)
{
    struct fake_sink *k = self;
    k->sends++;
    if (k->refusals) {
        k->refusals -= k->refusals > 0;
        error_set(e, k->refusal, "REFUSED", "refused as the test wants");
        return false;
    }
    struct fake_sent *s = mem_zalloc(sizeof *s);
    *s = (struct fake_sent){.sink = k, .fn = fn, .arg = arg, .id = id};
    s->message = (struct fake_message){topic, text_of(key), text_of(value), NULL, clock_mono_us()};
    for (size_t i = 0; i < n; i++)
        if (strcmp(headers[i].name, "X-Request-Id") == 0)
            s->message.request_id = mem_strndup(headers[i].value, headers[i].size);
    *FAKE_ADD(&k->sent) = s;
    s->delivery = k->decide ? k->decide(k->decide_arg, topic, key, value)
                            : (struct fake_delivery){.report = EVENT_DELIVERED, .held = k->holding};
    if (!s->delivery.held)
        arm(s);
    return true;
}

static bool sink_full(void *self)
{
    const struct fake_sink *k = self;
    return k->room && k->sent.n >= k->room;
}

struct fake_sink *fake_sink_new(struct loop *l, struct store *s)
{
    struct fake_sink *k = mem_zalloc(sizeof *k);
    k->loop = l;
    k->store = s;
    k->refusal = ERROR_RETRIABLE;
    return k;
}

struct event_sink fake_sink_port(struct fake_sink *k)
{
    static const struct event_sink_ops ops = {sink_send, sink_full};
    return (struct event_sink){&ops, k};
}

void fake_sink_report(struct fake_sink *k, size_t i, enum event_report outcome, bool lands)
{
    ASSERT(i < k->sent.n && k->sent.at[i]->delivery.held);
    struct fake_sent *s = k->sent.at[i];
    s->delivery = (struct fake_delivery){.report = outcome, .lands = lands};
    arm(s);
}

void fake_sink_report_all(struct fake_sink *k, enum event_report outcome, bool lands)
{
    for (size_t i = 0; i < k->sent.n; i++)
        if (k->sent.at[i]->delivery.held)
            fake_sink_report(k, i, outcome, lands);
}

size_t fake_sink_landed(const struct fake_sink *k, enum event_topic topic)
{
    size_t n = 0;
    for (size_t i = 0; i < k->messages.n; i++)
        n += k->messages.at[i].topic == topic;
    return n;
}

void fake_sink_free(struct fake_sink *k)
{
    while (k->sent.n) {
        struct fake_sent *s = k->sent.at[0];
        if (s->delivery.held)
            s->delivery.report = EVENT_POSSIBLY_DELIVERED;
        report(s);
    }
    for (size_t i = 0; i < k->messages.n; i++)
        message_free(&k->messages.at[i]);
    mem_free(k->messages.at);
    mem_free(k->sent.at);
    mem_free(k);
}

/* --- a partition ------------------------------------------------------------------------------------------------------------- */

static void hand_over(void *arg)
{
    struct fake_partition *p = arg;
    size_t left = p->records.n - p->position, n = left < p->batch_max ? left : p->batch_max;
    if (p->out || p->stopped || !n || !p->handler.on_batch || loop_timer_running(p->pause))
        return;
    p->batch = mem_array(n, sizeof *p->batch);
    for (size_t i = 0; i < n; i++) {
        const struct fake_record *r = &p->records.at[p->position + i];
        p->batch[i] = (struct event_message){.topic = p->topic,
                                             .partition = p->number,
                                             .offset = (int64_t)(p->position + i),
                                             .timestamp_ms = r->timestamp_ms,
                                             .key = slice_of(r->key),
                                             .value = {r->value, r->value ? strlen(r->value) : 0}};
    }
    p->out = true;
    p->revoked = false;
    p->batch_id = (p->batch_id + 1) | (uint64_t)p->number << 32;
    const struct event_batch batch = {.id = p->batch_id,
                                      .topic = p->topic,
                                      .partition = p->number,
                                      .attempt = p->attempt,
                                      .waits = p->waits,
                                      .messages = p->batch,
                                      .n = n};
    p->inside = true;
    p->handler.on_batch(p->handler.self, &batch);
    p->inside = false;
}

static void on_pause_over(void *arg)
{
    struct fake_partition *p = arg;
    loop_defer(p->loop, &p->task);
}

static struct fake_partition *partition_of(void *self, uint64_t batch_id)
{
    struct fake_partition *p = self;
    while (p && p->number != (int32_t)(batch_id >> 32))
        p = p->next;
    ASSERT(p);
    return p;
}

static void source_done(void *self, uint64_t batch_id, enum event_outcome outcome, size_t count,
                        int64_t delay_ms)
{
    struct fake_partition *p = partition_of(self, batch_id);
    ASSERT(p->out && batch_id == p->batch_id && !p->inside);
    p->out = false;
    mem_free(p->batch);
    p->batch = NULL;
    p->dones++;
    p->outcome = outcome;
    p->count = count;
    p->delay_ms = delay_ms;
    if (!p->revoked) {
        p->position += count;
        p->attempt = outcome == EVENT_RETRY ? (count ? 1 : p->attempt + 1)
                                            : (count || outcome == EVENT_DONE ? 0 : p->attempt);
        p->waits = outcome == EVENT_WAIT ? (count ? 1 : p->waits + 1)
                                         : (count || outcome == EVENT_RETRY ? 0 : p->waits);
        if (count)
            fake_log(p->store, "offset %zu", p->position);
    }
    if (outcome != EVENT_DONE)
        loop_timer_start(p->pause, delay_ms > 0 ? delay_ms : 1);
    else
        loop_defer(p->loop, &p->task);
}

static bool source_valid(void *self, uint64_t batch_id)
{
    const struct fake_partition *p = partition_of(self, batch_id);
    return p->out && batch_id == p->batch_id && !p->revoked;
}

/* Only tells: one batch at a time is an answer too. */
static void source_next(void *self, uint64_t batch_id)
{
    struct fake_partition *p = partition_of(self, batch_id);
    ASSERT(p->out && batch_id == p->batch_id);
    fake_log(p->store, "next");
}

struct fake_partition *fake_partition_new(struct loop *l, struct store *s, const char *topic,
                                          size_t batch_max)
{
    struct fake_partition *p = mem_zalloc(sizeof *p);
    p->loop = l;
    p->store = s;
    p->topic = topic;
    p->batch_max = batch_max;
    p->pause = loop_timer_new(l, on_pause_over, p);
    p->task = (struct loop_task){.run = hand_over, .arg = p};
    return p;
}

struct event_source fake_partition_source(struct fake_partition *p)
{
    static const struct event_source_ops ops = {source_done, source_valid, source_next};
    return (struct event_source){&ops, p};
}

struct fake_partition *fake_partition_join(struct fake_partition *first)
{
    struct fake_partition *p = fake_partition_new(first->loop, first->store, first->topic, first->batch_max),
                          *last = first;
    while (last->next)
        last = last->next;
    p->number = last->number + 1;
    p->handler = first->handler;
    last->next = p;
    return p;
}

void fake_partition_add(struct fake_partition *p, const char *key, const char *value)
{
    *FAKE_ADD(&p->records) =
        (struct fake_record){mem_strdup(key), value ? mem_strdup(value) : NULL, clock_real_us() / 1000};
    loop_defer(p->loop, &p->task);
}

void fake_partition_start(struct fake_partition *p, struct event_handler h)
{
    for (; p; p = p->next) {
        p->handler = h;
        loop_defer(p->loop, &p->task);
    }
}

bool fake_partition_idle(void *arg)
{
    const struct fake_partition *p = arg;
    return !p->out && p->position == p->records.n;
}

void fake_partition_seek(struct fake_partition *p, size_t offset)
{
    ASSERT(!p->out);
    p->position = offset;
    p->attempt = 0;
    loop_timer_stop(p->pause);
    loop_defer(p->loop, &p->task);
}

void fake_partition_revoke(struct fake_partition *p)
{
    p->revoked = true;
}

void fake_partition_free(struct fake_partition *p)
{
    loop_defer_cancel(p->loop, &p->task);
    loop_timer_free(p->pause);
    for (size_t i = 0; i < p->records.n; i++) {
        mem_free(p->records.at[i].key);
        mem_free(p->records.at[i].value);
    }
    mem_free(p->records.at);
    mem_free(p->batch);
    if (p->next)
        fake_partition_free(p->next);
    mem_free(p);
}

/* --- dead letters --------------------------------------------------------------------------------------------------------------- */

struct fake_put {
    struct fake_letters *letters;
    struct fake_letter letter;
    struct loop_task task;
    void (*done)(void *arg, const struct error *e);
    void *arg;
};

static void put_end(struct fake_put *p, const struct error *e)
{
    struct fake_letters *d = p->letters;
    size_t i = 0;
    while (d->puts.at[i] != p)
        i++;
    FAKE_REMOVE(&d->puts, i);
    if (e) {
        mem_free(p->letter.value);
        mem_free(p->letter.exception);
        mem_free(p->letter.reason);
    } else {
        *FAKE_ADD(&d->letters) = p->letter;
        fake_log(d->store, "dead letter %lld", (long long)p->letter.offset);
    }
    p->done(p->arg, e);
    loop_defer_cancel(d->loop, &p->task);
    mem_free(p);
}

static void put_run(void *arg)
{
    struct fake_put *p = arg;
    struct fake_letters *d = p->letters;
    struct error e = {.kind = ERROR_RETRIABLE, .code = "AWAY", .text = "the broker is away"};
    bool fails = d->failures;
    d->failures -= d->failures > 0;
    put_end(p, fails ? &e : NULL);
}

static void letters_put(void *self, const struct event_message *m, const char *group, const char *exception,
                        const char *reason, void (*done)(void *arg, const struct error *e), void *arg)
{
    struct fake_letters *d = self;
    struct fake_put *p = mem_zalloc(sizeof *p);
    *p = (struct fake_put){.letters = d, .done = done, .arg = arg};
    p->letter = (struct fake_letter){text_of(m->value), mem_strdup(exception), mem_strdup(reason), m->offset};
    p->task = (struct loop_task){.run = put_run, .arg = p};
    *FAKE_ADD(&d->puts) = p;
    if (!d->holding)
        loop_defer(d->loop, &p->task);
}

struct fake_letters *fake_letters_new(struct loop *l, struct store *s)
{
    struct fake_letters *d = mem_zalloc(sizeof *d);
    d->loop = l;
    d->store = s;
    return d;
}

struct dead_letter_port fake_letters_port(struct fake_letters *d)
{
    static const struct dead_letter_ops ops = {letters_put};
    return (struct dead_letter_port){&ops, d};
}

void fake_letters_release(struct fake_letters *d)
{
    for (size_t i = 0; i < d->puts.n; i++)
        loop_defer(d->loop, &d->puts.at[i]->task);
}

void fake_letters_free(struct fake_letters *d)
{
    struct error e = {.kind = ERROR_UNKNOWN, .code = "CLOSED", .text = "the producer is closed"};
    while (d->puts.n)
        put_end(d->puts.at[0], &e);
    for (size_t i = 0; i < d->letters.n; i++) {
        mem_free(d->letters.at[i].value);
        mem_free(d->letters.at[i].exception);
        mem_free(d->letters.at[i].reason);
    }
    mem_free(d->letters.at);
    mem_free(d->puts.at);
    mem_free(d);
}

/* --- data platform ------------------------------------------------------------------------------------------------------------- */

struct fake_post {
    struct fake_platform *platform;
    int64_t order_id;
    struct loop_task task;
    void (*done)(void *arg, enum document_outcome outcome, int status, int64_t retry_after_ms,
                 const struct error *e);
    void *arg;
};

static void post_end(struct fake_post *p, struct fake_reply reply)
{
    struct fake_platform *f = p->platform;
    struct error e = ERROR_INIT;
    size_t i = 0;
    while (f->open.at[i] != p)
        i++;
    FAKE_REMOVE(&f->open, i);
    if (reply.outcome != DOCUMENT_ACCEPTED)
        error_set(&e, ERROR_RETRIABLE, "HTTP", "answered %d as the test wants", reply.status);
    fake_log(f->store, "answer %lld %d", (long long)p->order_id, reply.status);
    p->done(p->arg, reply.outcome, reply.status, reply.retry_after_ms, &e);
    loop_defer_cancel(f->loop, &p->task);
    mem_free(p);
}

static void post_run(void *arg)
{
    struct fake_post *p = arg;
    struct fake_platform *f = p->platform;
    post_end(p, f->decide ? f->decide(f->decide_arg, p->order_id) : f->usual);
}

static void platform_post(void *self, int64_t order_id, struct slice document,
                          void (*done)(void *arg, enum document_outcome outcome, int status,
                                       int64_t retry_after_ms, const struct error *e),
                          void *arg)
{
    struct fake_platform *f = self;
    struct fake_post *p = mem_zalloc(sizeof *p);
    *p = (struct fake_post){.platform = f, .order_id = order_id, .done = done, .arg = arg};
    p->task = (struct loop_task){.run = post_run, .arg = p};
    *FAKE_ADD(&f->posts) = order_id;
    *FAKE_ADD(&f->open) = p;
    if (f->open.n > f->most_open)
        f->most_open = f->open.n;
    if (!f->holding)
        loop_defer(f->loop, &p->task);
}

struct fake_platform *fake_platform_new(struct loop *l, struct store *s)
{
    struct fake_platform *f = mem_zalloc(sizeof *f);
    f->loop = l;
    f->store = s;
    f->usual = (struct fake_reply){DOCUMENT_ACCEPTED, 200, -1};
    return f;
}

struct document_sink fake_platform_port(struct fake_platform *p)
{
    static const struct document_sink_ops ops = {platform_post};
    return (struct document_sink){&ops, p};
}

void fake_platform_release(struct fake_platform *f)
{
    for (size_t i = 0; i < f->open.n; i++)
        loop_defer(f->loop, &f->open.at[i]->task);
}

size_t fake_platform_posts(const struct fake_platform *f, int64_t order_id)
{
    size_t n = 0;
    for (size_t i = 0; i < f->posts.n; i++)
        n += f->posts.at[i] == order_id;
    return n;
}

void fake_platform_free(struct fake_platform *f)
{
    while (f->open.n)
        post_end(f->open.at[0], (struct fake_reply){DOCUMENT_AWAY, 0, -1});
    mem_free(f->open.at);
    mem_free(f->posts.at);
    mem_free(f);
}
