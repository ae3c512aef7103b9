/* Loop, shop, sink, answers. */
#include "harness.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/component.h"
#include "base/metric.h"
#include "base/random.h"

const struct order_service_config bench_order_defaults = {
    .batch_max = 256, .max_items = 100, .max_waiting = 10000, .timeout_ms = 9000};

struct bench *bench_new(void)
{
    struct bench *b = mem_zalloc(sizeof *b);
    b->loop = loop_new();
    b->store = fake_store_new(b->loop);
    b->sink = fake_sink_new(b->loop, b->store);
    return b;
}

void bench_orders(struct bench *b, const struct order_service_config *cfg)
{
    const struct outbox_publisher_config outbox = {.schema = MSG_DOCUMENTED, .max_in_flight = 20000};
    b->outbox = outbox_publisher_new(b->loop, b->store, fake_sink_port(b->sink), &outbox);
    b->orders = order_service_new(b->loop, b->store, b->outbox, cfg);
}

void bench_free(struct bench *b)
{
    fake_sink_free(b->sink);
    fake_store_close(b->store);
    order_service_free(b->orders);
    outbox_publisher_free(b->outbox);
    ck_assert(fake_store_sound(b->store));
    fake_store_free(b->store);
    for (size_t i = 0; i < b->answers.n; i++) {
        ck_assert_int_le(b->answers.at[i].times, 1);
        mem_free(b->answers.at[i].body);
        mem_free(b->answers.at[i].content_type);
    }
    for (size_t i = 0; i < b->tickets.n; i++)
        mem_free(b->tickets.at[i]);
    mem_free(b->tickets.at);
    mem_free(b->answers.at);
    loop_free(b->loop);
    metric_reset();
    mem_free(b);
}

/* --- answers ----------------------------------------------------------------------------------------------------------------- */

struct ticket {
    struct bench *bench;
    size_t number;
};

static void on_answer(void *arg, const struct order_answer *a)
{
    struct ticket *t = arg;
    struct answer *to = &t->bench->answers.at[t->number];
    to->times++;
    to->status = a->status;
    mem_free(to->body);
    mem_free(to->content_type);
    to->body = mem_strndup(a->body.p, a->body.n);
    to->content_type = mem_strdup(a->content_type);
    to->retry_after_s = a->retry_after_s;
    to->at_us = clock_mono_us();
    to->order = ++t->bench->answered;
}

static struct ticket *ticket_new(struct bench *b)
{
    struct ticket *t = mem_alloc(sizeof *t);
    FAKE_ADD(&b->answers)->times = 0;
    *t = (struct ticket){b, b->answers.n - 1};
    *FAKE_ADD(&b->tickets) = t;
    return t;
}

static size_t read_lines(const char *text, struct order_plan_line *lines, size_t most)
{
    size_t n = 0;
    for (const char *p = text; *p && n < most; n++) {
        char *end;
        lines[n].product_id = strtoll(p, &end, 10);
        ck_assert_int_eq(*end, 'x');
        lines[n].quantity = strtoll(end + 1, &end, 10);
        p = *end == ',' ? end + 1 : end;
    }
    return n;
}

size_t bench_order_with(struct bench *b, int64_t user_id, int64_t user_coupon_id, const char *text,
                        const char *key, const struct bench_extra *extra)
{
    struct order_plan_line lines[128];
    const struct order_submit in = {.user_id = user_id,
                                    .user_coupon_id = user_coupon_id,
                                    .lines = lines,
                                    .nlines = read_lines(text, lines, ARRAY_LEN(lines)),
                                    .idempotency_key = key,
                                    .body_hash = extra->hash ? extra->hash : text,
                                    .request_id = extra->request_id,
                                    .form = extra->form};
    struct ticket *t = ticket_new(b);
    size_t number = t->number;
    order_submit(b->orders, &in, on_answer, t);
    ck_assert_int_eq(b->answers.at[number].times, 0);
    return number;
}

size_t bench_order(struct bench *b, int64_t user_id, int64_t user_coupon_id, const char *lines,
                   const char *key)
{
    return bench_order_with(b, user_id, user_coupon_id, lines, key, &(struct bench_extra){0});
}

size_t bench_charge(struct bench *b, int64_t user_id, money amount, const char *key)
{
    char hash[32];
    snprintf(hash, sizeof hash, "%lld", (long long)amount);
    const struct charge_submit in = {
        .user_id = user_id, .amount = amount, .idempotency_key = key, .body_hash = hash};
    struct ticket *t = ticket_new(b);
    size_t number = t->number;
    charge_submit(b->orders, &in, on_answer, t);
    ck_assert_int_eq(b->answers.at[number].times, 0);
    return number;
}

void bench_answered(struct bench *b, size_t number, int status, const char *code)
{
    const struct answer *a = &b->answers.at[number];
    ck_assert_msg(a->times == 1, "answer %zu came %d times", number, a->times);
    ck_assert_msg(a->status == status, "answer %zu is %d %s", number, a->status, a->body);
    if (code) {
        char quoted[80];
        snprintf(quoted, sizeof quoted, "\"%s\"", code);
        ck_assert_msg(strstr(a->body, quoted), "answer %zu is %s, not %s", number, a->body, code);
    }
}

bool bench_all_answered(void *arg)
{
    const struct bench *b = arg;
    for (size_t i = 0; i < b->answers.n; i++)
        if (!b->answers.at[i].times)
            return false;
    return true;
}

int64_t bench_number(struct bench *b, size_t answer, const char *member)
{
    char quoted[80];
    snprintf(quoted, sizeof quoted, "\"%s\":", member);
    const char *at = strstr(b->answers.at[answer].body, quoted);
    ck_assert_msg(at, "%s is not in %s", member, b->answers.at[answer].body);
    return strtoll(at + strlen(quoted), NULL, 10);
}

/* --- the rest ------------------------------------------------------------------------------------------------------------------ */

unsigned bench_random(uint64_t *state, unsigned bound)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % bound;
}

uint64_t bench_seed(void)
{
    const char *given = getenv("RUSHD_SEED");
    return given ? strtoull(given, NULL, 0) : random_u64();
}

static void seeded_bytes(void *self, void *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)bench_random(self, 256);
}

void bench_seed_random(uint64_t *state)
{
    static struct random_ops ops = {.bytes = seeded_bytes};
    ops.self = state;
    random_use(state ? &ops : NULL);
}

void on_flag(void *arg)
{
    *(bool *)arg = true;
}

bool is_set(void *arg)
{
    return *(bool *)arg;
}
