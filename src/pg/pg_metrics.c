/* The pool's metrics, under the names that Micrometer gives to a HikariCP pool. */
#include "pg/pg_internal.h"

#define GAUGE(var, metric_name, text)                                                                        \
    static const struct metric_def var = {                                                                   \
        .name = "hikaricp." metric_name, .type = METRIC_GAUGE, .help = text, .labels = {"pool"}}
#define TIMER(var, metric_name, text)                                                                        \
    static const struct metric_def var = {.name = "hikaricp." metric_name,                                   \
                                          .type = METRIC_TIMER,                                              \
                                          .unit = "seconds",                                                 \
                                          .help = text,                                                      \
                                          .labels = {"pool"}}

GAUGE(connections_def, "connections", "Connections to the database that are up");
GAUGE(active_def, "connections.active", "Connections in use");
GAUGE(idle_def, "connections.idle", "Connections that wait for work");
GAUGE(pending_def, "connections.pending", "Calls that wait for a connection");
GAUGE(max_def, "connections.max", "Connections at most");
GAUGE(min_def, "connections.min", "Connections that are kept up without work");
TIMER(acquire_def, "connections.acquire", "Time that a call waited for a connection");
TIMER(creation_def, "connections.creation", "Time that making a connection took");
TIMER(usage_def, "connections.usage", "Time that a call used its connection");
static const struct metric_def timeout_def = {
    .name = "hikaricp.connections.timeout",
    .type = METRIC_COUNTER,
    .help = "Calls whose deadline passed while they waited for a connection",
    .labels = {"pool"},
};

static struct metric_series *series(const struct metric_def *def)
{
    return metric_series(metric_register(def), (const char *const[]){"rushd"});
}

void pg_pool_metrics_init(struct pg_pool_metrics *m)
{
    m->connections = series(&connections_def);
    m->active = series(&active_def);
    m->idle = series(&idle_def);
    m->pending = series(&pending_def);
    m->max = series(&max_def);
    m->min = series(&min_def);
    m->acquire = series(&acquire_def);
    m->creation = series(&creation_def);
    m->usage = series(&usage_def);
    m->timeout = series(&timeout_def);
}

void pg_pool_metrics_update(const struct pg_pool *p)
{
    const struct pg_pool_metrics *m = &p->metrics;
    metric_set(m->connections, (double)pg_pool_up(p));
    metric_set(m->active, (double)p->slots[PG_SLOT_BUSY]);
    metric_set(m->idle, (double)p->slots[PG_SLOT_IDLE]);
    metric_set(m->pending, (double)p->waiting);
    metric_set(m->max, (double)p->size);
    metric_set(m->min, (double)p->min_size);
}
