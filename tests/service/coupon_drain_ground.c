/* The ground of the drain's suites. */
#include "coupon_drain_ground.h"

#include "base/clock.h"
#include "base/metric.h"
#include "store/coupon_line.h"

struct ground ground;
/* The consumer of the topic: one partition, the real flow. */
static struct fake_partition *part;
static struct fake_letters *letters;
static struct coupon_issue *issue;
static size_t carried;

static void node_open(int i)
{
    static const char *const ids[GROUND_NODES] = {"node-1", "node-2"};
    struct ground_node *n = &ground.nodes[i];
    n->cfg = ground.cfg;
    n->cfg.node_id = ids[i];
    n->cache = coupon_cache_new(ground.b->loop, ground.b->store);
    n->drain =
        coupon_drain_new(ground.b->loop, ground.b->store, n->cache, fake_sink_port(ground.b->sink), &n->cfg);
    n->stopped = 0;
}

void ground_setup(void)
{
    ground = (struct ground){.b = bench_new(), .cfg = coupon_defaults};
    for (int i = 1; i <= 2000; i++)
        fake_user_add(ground.b->store, i, 0);
    fake_coupon_add(ground.b->store, 1, 5000, 250);
    fake_coupon_add(ground.b->store, 2, 5000, 100);
    letters = fake_letters_new(ground.b->loop, ground.b->store);
    part = fake_partition_new(ground.b->loop, ground.b->store, COUPON_TOPIC, 500);
    issue = coupon_issue_new(ground.b->loop, ground.b->store, fake_partition_source(part),
                             fake_letters_port(letters), &ground.cfg);
    fake_partition_start(part, coupon_issue_handler(issue));
    carried = 0;
}

/* Bad and unknown reports come while the store is being closed, as at the end of a node. */
void ground_teardown(void)
{
    struct fake_sink *sink = ground.b->sink;
    fake_letters_free(letters);
    fake_sink_report_all(sink, EVENT_POSSIBLY_DELIVERED, false);
    fake_loop_settle(ground.b->loop);
    fake_store_close(ground.b->store);
    for (int i = 0; i < GROUND_NODES; i++) {
        coupon_drain_free(ground.nodes[i].drain);
        coupon_cache_free(ground.nodes[i].cache);
    }
    coupon_issue_free(issue);
    fake_partition_free(part);
    bench_free(ground.b);
}

void ground_drain(int i)
{
    node_open(i);
    coupon_drain_run(ground.nodes[i].drain, true);
}

static void on_add(void *arg, const struct coupon_line_ticket *t, const struct error *e)
{
    ck_assert_int_eq(t->answer, COUPON_LINE_ACCEPTED);
}

void ground_ask(int64_t coupon_id, int from, int to)
{
    for (int i = from; i <= to; i++) {
        coupon_line_add(ground.b->store, coupon_id, i, true, ground.cfg.max_waiting, ground.cfg.ttl_ms,
                        on_add, NULL);
        fake_loop_settle(ground.b->loop);
    }
}

void ground_carry(void)
{
    coupon_carry(ground.b->sink, part, &carried);
    fake_loop_settle(ground.b->loop);
}

void ground_pass(int64_t ms)
{
    for (int64_t t = 0; t < ms; t += 10) {
        fake_loop_pass(ground.b->loop, 10);
        ground_carry();
    }
}

size_t ground_decided(int64_t coupon_id)
{
    size_t n = 0;
    for (size_t i = 0; i < ground.b->store->requests.n; i++)
        n +=
            ground.b->store->requests.at[i].coupon_id == coupon_id && ground.b->store->requests.at[i].decided;
    return n;
}

static int64_t user_in(size_t message)
{
    struct msg_coupon_issue m;
    struct error e = ERROR_INIT;
    const char *value = ground.b->sink->messages.at[message].value;
    ck_assert(msg_coupon_issue_parse(value, strlen(value), &m, &e));
    int64_t user = m.user_id;
    msg_coupon_issue_free(&m);
    return user;
}

const char *ground_landed(void)
{
    static struct buf text = BUF_INIT;
    buf_clear(&text);
    for (size_t i = 0; i < ground.b->sink->messages.n;) {
        size_t k = i;
        while (k + 1 < ground.b->sink->messages.n && user_in(k + 1) == user_in(k) + 1)
            k++;
        buf_printf(&text, k > i ? "%s%lld-%lld" : "%s%lld", i ? " " : "", (long long)user_in(i),
                   (long long)user_in(k));
        i = k + 1;
    }
    const char *kept = fake_text(ground.b->store, buf_str(&text));
    buf_free(&text);
    return kept;
}

double ground_counter(const char *name)
{
    struct metric_value v = {0};
    const struct metric *m = metric_find(name);
    if (m)
        metric_read(metric_series_next(m, NULL), &v);
    return v.value;
}

void ground_line_is(size_t waiting, size_t in_flight)
{
    ck_assert_uint_eq(fake_line_waiting(ground.b->store, 1), waiting);
    ck_assert_uint_eq(fake_line_in_flight(ground.b->store, 1), in_flight);
}

static void on_stopped(void *arg)
{
    ((struct ground_node *)arg)->stopped++;
}

void ground_stop(int i, int64_t deadline_ms)
{
    coupon_drain_stop(ground.nodes[i].drain, deadline_ms, on_stopped, &ground.nodes[i]);
    ck_assert_int_eq(ground.nodes[i].stopped, 0);
}
