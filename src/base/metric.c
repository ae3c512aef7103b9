/* The registry of metrics: names, their series, and the numbers in them. metric_print.c prints them. */
#include "base/metric.h"

#include "base/clock.h"
#include "base/map.h"

#define DEFAULT_MAX_SERIES 200
#define OTHER              "other"

/* The maximum is that of the last two minutes, as Micrometer has it: three windows, the oldest is dropped. */
#define WINDOWS   3
#define WINDOW_US INT64_C(40000000)

static const double default_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                        0.25,  0.5,    1,     2.5,  5,     10,   0};

struct metric_series {
    struct metric *metric;
    struct metric_series *next; /* of the same metric, in order of creation */
    char *values[METRIC_MAX_LABELS];
    struct buf key; /* of the metric's index; empty for the series that takes the rest */
    double value;
    double total_seen; /* metric_set_total: the last total of the library */
    double total_base; /* what the library had counted before it began anew */
    uint64_t count;
    double sum;
    double window_max[WINDOWS];
    int64_t window;       /* the number of the newest window */
    uint64_t *counts;     /* per bound, not cumulative */
    uint64_t *cumulative; /* filled in by metric_read */
};

struct metric {
    const struct metric_def *def;
    struct metric *next; /* sorted by name */
    size_t nlabels;
    const double *bounds;
    size_t nbounds;
    size_t max_series;
    struct strmap *index; /* label values, each with its NUL -> series */
    struct metric_series *first, **last;
    struct metric_series *other; /* takes what is beyond the bound */
};

struct collector {
    void (*collect)(void *arg);
    void *arg;
};

static struct {
    struct metric *first;
    struct map *by_def; /* address of the definition -> metric: asked for with every event */
    struct collector *collectors;
    size_t ncollectors;
} state;

static bool is_distribution(const struct metric_def *def)
{
    return def->type == METRIC_TIMER || def->type == METRIC_SUMMARY;
}

static size_t count_labels(const struct metric_def *def)
{
    size_t n = 0;
    while (n < METRIC_MAX_LABELS && def->labels[n])
        n++;
    return n;
}

static struct metric *metric_new(const struct metric_def *def)
{
    struct metric *m = mem_zalloc(sizeof(*m));
    m->def = def;
    m->nlabels = count_labels(def);
    m->max_series = def->max_series ? def->max_series : DEFAULT_MAX_SERIES;
    m->index = strmap_new();
    m->last = &m->first;
    if (is_distribution(def))
        m->bounds = def->buckets ? def->buckets : def->type == METRIC_TIMER ? default_bounds : NULL;
    for (; m->bounds && m->bounds[m->nbounds] > 0; m->nbounds++)
        ASSERT(m->nbounds == 0 || m->bounds[m->nbounds] > m->bounds[m->nbounds - 1]);
    return m;
}

static struct metric *metric_enter(const struct metric_def *def)
{
    struct metric **at = &state.first;
    while (*at && strcmp((*at)->def->name, def->name) < 0)
        at = &(*at)->next;
    ASSERT(!*at || strcmp((*at)->def->name, def->name) != 0); /* two metrics may not share a name */
    struct metric *m = metric_new(def);
    m->next = *at;
    *at = m;
    return m;
}

struct metric *metric_register(const struct metric_def *def)
{
    if (!state.by_def)
        state.by_def = map_new();
    struct metric *m = map_get(state.by_def, (int64_t)(intptr_t)def);
    if (!m) {
        m = metric_enter(def);
        map_put(state.by_def, (int64_t)(intptr_t)def, m);
    }
    return m;
}

static struct metric_series *series_new(struct metric *m, const char *const *values)
{
    struct metric_series *s = mem_zalloc(sizeof(*s));
    s->metric = m;
    for (size_t i = 0; i < m->nlabels; i++)
        s->values[i] = mem_strdup(values ? values[i] : OTHER);
    s->counts = mem_array(m->nbounds, sizeof(*s->counts));
    s->cumulative = mem_array(m->nbounds, sizeof(*s->cumulative));
    *m->last = s;
    m->last = &s->next;
    return s;
}

static void series_free(struct metric_series *s)
{
    for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
        mem_free(s->values[i]);
    buf_free(&s->key);
    mem_free(s->counts);
    mem_free(s->cumulative);
    mem_free(s);
}

/* The values, each with its NUL, into room when they fit, else into more. */
static struct slice series_key(const struct metric *m, const char *const *values, char *room, size_t size,
                               struct buf *more)
{
    size_t n = 0;
    for (size_t i = 0; i < m->nlabels; i++) {
        size_t len = strlen(values[i]) + 1;
        if (!more->len && n + len <= size) {
            memcpy(room + n, values[i], len);
        } else {
            if (!more->len)
                buf_put(more, room, n);
            buf_put(more, values[i], len);
        }
        n += len;
    }
    return more->len ? buf_slice(more) : (struct slice){room, n};
}

struct metric_series *metric_series(struct metric *m, const char *const *values)
{
    char room[256];
    struct buf more = BUF_INIT;
    struct slice key = series_key(m, values, room, sizeof(room), &more);
    struct metric_series *s = strmap_get(m->index, key.p, key.n);
    if (!s && strmap_len(m->index) >= m->max_series) {
        if (!m->other)
            m->other = series_new(m, NULL);
        s = m->other;
    } else if (!s) {
        s = series_new(m, values);
        strmap_put(m->index, key.p, key.n, s);
        buf_put_slice(&s->key, key);
    }
    buf_free(&more);
    return s;
}

struct metric_series *metric_single(const struct metric_def *def)
{
    struct metric *m = metric_register(def);
    ASSERT(m->nlabels == 0);
    return m->first ? m->first : metric_series(m, NULL);
}

void metric_add(struct metric_series *s, double n)
{
    ASSERT(s->metric->def->type == METRIC_GAUGE || (s->metric->def->type == METRIC_COUNTER && n >= 0));
    s->value += n;
}

void metric_set(struct metric_series *s, double v)
{
    ASSERT(s->metric->def->type == METRIC_GAUGE);
    s->value = v;
}

void metric_set_total(struct metric_series *s, double v)
{
    ASSERT(s->metric->def->type == METRIC_COUNTER);
    if (v < s->total_seen)
        s->total_base += s->total_seen;
    s->total_seen = v;
    s->value = s->total_base + v;
}

/* Make the window of this instant the newest and empty those that were skipped. */
static void windows_turn(struct metric_series *s)
{
    int64_t now = clock_mono_us() / WINDOW_US;
    if (now - s->window >= WINDOWS)
        s->window = now - WINDOWS;
    while (s->window < now)
        s->window_max[(size_t)(++s->window) % WINDOWS] = 0;
}

static void observe(struct metric_series *s, double v)
{
    s->count++;
    s->sum += v;
    windows_turn(s);
    double *max = &s->window_max[(size_t)s->window % WINDOWS];
    *max = v > *max ? v : *max;
    for (size_t i = 0; i < s->metric->nbounds; i++) {
        if (v <= s->metric->bounds[i]) {
            s->counts[i]++;
            break;
        }
    }
}

void metric_observe_us(struct metric_series *s, int64_t us)
{
    ASSERT(s->metric->def->type == METRIC_TIMER);
    observe(s, us > 0 ? (double)us / 1e6 : 0);
}

void metric_observe(struct metric_series *s, double v)
{
    ASSERT(s->metric->def->type == METRIC_SUMMARY);
    observe(s, v);
}

void metric_remove(struct metric_series *s)
{
    struct metric *m = s->metric;
    struct metric_series **at = &m->first;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (m->last == &s->next)
        m->last = at;
    if (s == m->other)
        m->other = NULL;
    else
        strmap_del(m->index, buf_str(&s->key), s->key.len);
    series_free(s);
}

void metric_on_collect(void (*collect)(void *arg), void *arg)
{
    state.collectors = mem_grow(state.collectors, state.ncollectors + 1, sizeof(*state.collectors));
    state.collectors[state.ncollectors++] = (struct collector){collect, arg};
}

void metric_off_collect(void (*collect)(void *arg), void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < state.ncollectors; i++)
        if (state.collectors[i].collect != collect || state.collectors[i].arg != arg)
            state.collectors[kept++] = state.collectors[i];
    state.ncollectors = kept;
}

void metric_collect(void)
{
    for (size_t i = 0; i < state.ncollectors; i++)
        state.collectors[i].collect(state.collectors[i].arg);
}

const struct metric_def *metric_def_of(const struct metric *m)
{
    return m->def;
}

struct metric *metric_find(const char *name)
{
    struct metric *m = state.first;
    while (m && strcmp(m->def->name, name) != 0)
        m = m->next;
    return m;
}

struct metric *metric_next(const struct metric *m)
{
    return m ? m->next : state.first;
}

struct metric_series *metric_series_next(const struct metric *m, const struct metric_series *s)
{
    return s ? s->next : m->first;
}

const char *metric_label_value(const struct metric_series *s, size_t label)
{
    ASSERT(label < s->metric->nlabels);
    return s->values[label];
}

/* The maximum over the windows that are still young enough. */
static double current_max(const struct metric_series *s)
{
    int64_t now = clock_mono_us() / WINDOW_US;
    double max = 0;
    for (int64_t w = s->window; w > s->window - WINDOWS && w > now - WINDOWS && w >= 0; w--)
        max = s->window_max[(size_t)w % WINDOWS] > max ? s->window_max[(size_t)w % WINDOWS] : max;
    return max;
}

void metric_read(const struct metric_series *s, struct metric_value *out)
{
    uint64_t below = 0;
    for (size_t i = 0; i < s->metric->nbounds; i++) {
        below += s->counts[i];
        s->cumulative[i] = below;
    }
    *out = (struct metric_value){
        .value = s->value,
        .count = s->count,
        .sum = s->sum,
        .max = current_max(s),
        .bounds = s->metric->bounds,
        .cumulative = s->cumulative,
        .nbuckets = s->metric->nbounds,
    };
}

void metric_reset(void)
{
    while (state.first) {
        struct metric *m = state.first;
        state.first = m->next;
        while (m->first) {
            struct metric_series *s = m->first;
            m->first = s->next;
            series_free(s);
        }
        strmap_free(m->index);
        mem_free(m);
    }
    map_free(state.by_def);
    mem_free(state.collectors);
    memset(&state, 0, sizeof(state));
}
