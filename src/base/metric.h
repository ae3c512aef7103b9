/* Metrics registry (contract: Micrometer's names). The engine only: each folder defines its metrics and
 * registers them; api prints them as Micrometer JSON and Prometheus text.
 *
 * Names are Micrometer's dotted ones ("http.server.requests"); the Prometheus form is derived: dots to '_',
 * unit and "_total" appended. Label values come from route templates and configuration only and are bounded
 * per metric; beyond the bound a series with every label "other" takes the rest. */
#ifndef RUSHD_BASE_METRIC_H
#define RUSHD_BASE_METRIC_H

#include "base/buf.h"

enum metric_type {
    METRIC_COUNTER, /* only grows */
    METRIC_GAUGE,
    METRIC_TIMER,   /* durations in seconds: count, sum, max (decaying), histogram with fixed buckets */
    METRIC_SUMMARY, /* the same for plain numbers (batch sizes) */
};

#define METRIC_MAX_LABELS 6

struct metric_def {
    const char *name; /* "hikaricp.connections.active" */
    enum metric_type type;
    const char *unit; /* base unit: "seconds", "bytes", "messages" or NULL */
    const char *help;
    const char *labels[METRIC_MAX_LABELS]; /* names; ends with NULL */
    /* TIMER, SUMMARY: upper bounds ascending, ends with 0. NULL: the default of timers; none for SUMMARY. */
    const double *buckets;
    size_t max_series; /* 0: 200 */
};

struct metric;        /* one name */
struct metric_series; /* one combination of label values: the thing that counts */

/* Make a metric known; the same def again returns the same metric. def must outlive it. */
struct metric *metric_register(const struct metric_def *def);
/* Find or make the series with these label values (as many as labels). Keep the pointer on hot paths. */
struct metric_series *metric_series(struct metric *m, const char *const *values);
/* The only series of a metric without labels; registers the metric. */
struct metric_series *metric_single(const struct metric_def *def);

/* Add to a COUNTER (n >= 0) or a GAUGE. */
void metric_add(struct metric_series *s, double n);
/* Set a GAUGE. */
void metric_set(struct metric_series *s, double v);
/* Bring a COUNTER to the running total of a library; one that shrank began anew and is added. */
void metric_set_total(struct metric_series *s, double v);
/* Count a duration in a TIMER. */
void metric_observe_us(struct metric_series *s, int64_t us);
/* Count a value in a SUMMARY. */
void metric_observe(struct metric_series *s, double v);
/* Remove a series (a partition was revoked); the pointer is dead. */
void metric_remove(struct metric_series *s);

/* Have collect called before each print, so that gauges can be brought up to date. */
void metric_on_collect(void (*collect)(void *arg), void *arg);
/* End that for this pair. */
void metric_off_collect(void (*collect)(void *arg), void *arg);
/* Call all of them: once before the values are read. */
void metric_collect(void);

/* Reading, for the printers and tests. */
struct metric_value {
    double value;               /* COUNTER, GAUGE */
    uint64_t count;             /* TIMER, SUMMARY */
    double sum, max;            /* TIMER in seconds */
    const double *bounds;       /* nbuckets upper bounds */
    const uint64_t *cumulative; /* cumulative counts per bound */
    size_t nbuckets;
};
/* Give the definition of a metric. */
const struct metric_def *metric_def_of(const struct metric *m);
/* Find a metric by its dotted name, or NULL. */
struct metric *metric_find(const char *name);
/* Walk the metrics, sorted by name: NULL gives the first, the last gives NULL. */
struct metric *metric_next(const struct metric *m);
/* Walk the series of a metric in order of creation: NULL gives the first, the last gives NULL. */
struct metric_series *metric_series_next(const struct metric *m, const struct metric_series *s);
/* Give the value of label number `label` of a series. */
const char *metric_label_value(const struct metric_series *s, size_t label);
/* Read a series; the arrays of *out live until it is read again or removed. */
void metric_read(const struct metric_series *s, struct metric_value *out);

/* Append everything in the Prometheus text exposition format 0.0.4. The caller calls metric_collect() before.
 * Names as Micrometer derives them: a counter ends in "_total", a timer in "_seconds", others in their unit;
 * TIMER and SUMMARY give _bucket (with bounds), _count, _sum, and the gauge _max of two minutes. */
void metric_print_prometheus(struct buf *out);
/* Give the name that a metric has there, without _bucket and the like; replaces the content of out. */
void metric_prometheus_name(const struct metric_def *def, struct buf *out);

/* Free everything: for tests and the end of the process. All pointers are dead. */
void metric_reset(void);

#endif
