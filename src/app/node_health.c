/* What is up: the components db, redis and kafka, the schema check, and when the roles may work. */
#include <stdio.h>
#include <sysexits.h>

#include "app/node_internal.h"
#include "base/clock.h"

#define SCHEMA_RETRY_TICKS  5     /* seconds between looks at a schema that is not right */
#define REQUIRE_DEADLINE_MS 10000 /* for startup.require-services */

static void check_ready(struct node *n)
{
    if (n->state != NODE_STARTING || !n->schema_ok || !redis_client_ready(n->redis) ||
        recovery_state(n->recovery) == REDIS_MARK_NONE)
        return;
    n->state = NODE_RUNNING;
    node_listen(n);
    char took[32];
    snprintf(took, sizeof took, "%lld.%03lld", (long long)((clock_mono_us() - n->started_us) / 1000000),
             (long long)((clock_mono_us() - n->started_us) / 1000 % 1000));
    struct buf text = BUF_INIT;
    buf_printf(&text, "rushd is ready after %s s", took);
    log_info(&log_node, buf_str(&text), LOG_S("address", app_config.server.address),
             LOG_I("port", http_server_port(n->http)), LOG_S("node", app_config.node_id));
    buf_free(&text);
    loop_notify("READY=1");
}

/* A node that starts is ready when Redis' data is whole as well. Later it stays ready while it is rebuilt: orders go on. */
static void show_redis(struct node *n)
{
    static const char *const words[] = {
        [REDIS_MARK_NONE] = "lines and holders are not whole",
        [REDIS_MARK_LINES] = "ranking is not whole",
        [REDIS_MARK_WHOLE] = "whole",
    };
    enum redis_mark_state data = recovery_state(n->recovery);
    if (!redis_client_ready(n->redis))
        return;
    component_detail(&n->redis_part, "data", words[data]);
    if (n->state == NODE_STARTING && n->schema_ok && data == REDIS_MARK_NONE)
        component_set(&n->redis_part, COMPONENT_DOWN, "its data is not known to be whole yet");
    else
        component_set(&n->redis_part, COMPONENT_UP, NULL);
}

/* --- PostgreSQL --- */

static void on_setting(void *arg, const char *component, const char *setting, const char *value,
                       const char *why)
{
    struct node *n = arg;
    struct buf text = BUF_INIT;
    log_warn(&log_node, "unsafe setting", LOG_S("component", component), LOG_S("setting", setting),
             LOG_S("value", value), LOG_S("risk", why));
    buf_printf(&text, "%s: %s", value, why);
    struct component *c = strcmp(component, "redis") == 0 ? &n->redis_part : &n->db;
    struct buf key = BUF_INIT;
    buf_printf(&key, "warning.%s", setting);
    component_detail(c, buf_str(&key), buf_str(&text));
    buf_free(&key);
    buf_free(&text);
}

static void on_settings_checked(void *arg, const struct error *e)
{
    struct node *n = arg;
    n->settings_checked = !e || e->kind == ERROR_NONE;
}

static void check_settings(struct node *n)
{
    if (n->settings_checked || !n->schema_ok || !redis_client_ready(n->redis))
        return;
    n->settings_checked = true; /* not twice at once; on_settings_checked() takes it back */
    store_check_settings(n->store, on_setting, on_settings_checked, n);
}

static void forget_warnings(struct component *c)
{
    for (size_t i = c->ndetails; i-- > 0;)
        if (str_starts_with(c->details[i].key, "warning."))
            component_detail(c, c->details[i].key, NULL);
}

static void check_schema(struct node *n);

static void on_migrate_step(void *arg, int version, const char *name)
{
    log_info(&log_node, "applying migration", LOG_I("version", version), LOG_S("name", name));
}

static void on_migrated(void *arg, int applied, const struct error *e)
{
    struct node *n = arg;
    n->migrating = false;
    if (e && e->kind != ERROR_NONE)
        log_error(&log_node, "schema could not be migrated", LOG_ERR(e));
    else
        check_schema(n);
}

static void on_schema(void *arg, enum schema_state state, int version, const char *text,
                      const struct error *e)
{
    struct node *n = arg;
    n->schema_checking = false;
    if (n->state == NODE_STOPPING)
        return;
    bool was_ok = n->schema_ok;
    if (e && e->kind != ERROR_NONE) {
        n->schema_ok = false;
        component_set(&n->db, COMPONENT_DOWN, e->text);
        return;
    }
    n->schema_ok = state == SCHEMA_CURRENT;
    if (n->schema_ok && !was_ok)
        node_look(n);
    show_redis(n); /* before the database shows up: both make the node ready */
    component_detail_int(&n->db, "schemaVersion", version);
    component_set(&n->db, n->schema_ok ? COMPONENT_UP : COMPONENT_DOWN, n->schema_ok ? NULL : text);
    if (state == SCHEMA_MISSING && app_config.datasource.auto_migrate && !n->migrating) {
        n->migrating = true;
        schema_migrate(n->store, app_config.server.time_zone, on_migrate_step, on_migrated, n);
    }
    node_work(n); /* also to stop it, when the schema became another one during an outage */
    if (n->schema_ok && !was_ok) {
        node_consumers_start(n);
        check_settings(n);
        check_ready(n);
    }
}

static void ask_schema(struct node *n)
{
    if (n->state == NODE_STOPPING)
        n->schema_checking = false;
    else
        schema_check(n->store, app_config.server.time_zone, on_schema, n);
}

static void check_schema(struct node *n)
{
    if (n->schema_checking || n->migrating || !pg_pool_ready(n->pg) || n->state == NODE_STOPPING)
        return;
    n->schema_checking = true;
    node_clock_read(n, ask_schema);
}

static void on_pg_state(void *arg, bool ready, const char *reason)
{
    struct node *n = arg;
    if (n->state == NODE_STOPPING)
        return;
    if (ready) {
        check_schema(n);
        return;
    }
    n->schema_ok = false;
    component_set(&n->db, COMPONENT_DOWN, reason);
}

/* --- Redis --- */

static void on_redis_state(void *arg, bool ready, const char *reason)
{
    struct node *n = arg;
    if (n->state == NODE_STOPPING)
        return;
    recovery_doubt(n->recovery); /* it may be another process, or have been emptied */
    if (!ready) {
        component_set(&n->redis_part, COMPONENT_DOWN, reason);
        forget_warnings(&n->redis_part);
        n->settings_checked = false; /* the next one may have others */
        return;
    }
    component_detail(&n->redis_part, "version", redis_client_version(n->redis));
    node_look(n);
    show_redis(n);
    check_settings(n);
    check_ready(n);
}

void node_health_redis(struct node *n)
{
    if (n->state == NODE_STOPPING)
        return;
    show_redis(n);
    check_ready(n);
}

/* --- Kafka --- */

void node_health_kafka(struct node *n)
{
    if (n->local)
        return;
    bool consumes = app_config.roles & ROLE_CONSUMERS;
    bool up = n->producer_up;
    const char *reason = n->producer_reason;
    for (int i = 0; i < GROUP_COUNT && consumes; i++) {
        component_detail(&n->kafka_part, kafka_group_id(n->groups[i]),
                         n->group_up[i]        ? "joined"
                         : *n->group_reason[i] ? n->group_reason[i]
                                               : "joining");
        if (*n->group_reason[i]) {
            up = false;
            reason = n->group_reason[i];
        }
    }
    if (up)
        component_set(&n->kafka_part, COMPONENT_UP, NULL);
    else if (*reason || n->kafka_part.status == COMPONENT_UP)
        component_set(&n->kafka_part, COMPONENT_DOWN, *reason ? reason : "no broker answers");
}

/* --- work --- */

void node_work(struct node *n)
{
    bool run = n->schema_ok && n->state != NODE_STOPPING && (!n->local || n->worker);
    bool queue = app_config.roles & ROLE_QUEUE;
    if (queue) {
        coupon_drain_run(n->drain, run);
        outbox_relay_run(n->outbox, run);
    }
    if (n->redrive)
        redrive_run(n->redrive, run);
}

static void on_health_tick(void *arg)
{
    struct node *n = arg;
    if (!n->schema_ok && n->ticks++ % SCHEMA_RETRY_TICKS == 0)
        check_schema(n);
    if (!n->settings_checked)
        check_settings(n);
}

static void on_require_deadline(void *arg)
{
    struct node *n = arg;
    bool kafka = n->local || n->producer_was_up;
    if (n->state == NODE_STOPPING || (n->state == NODE_RUNNING && kafka))
        return;
    log_error(&log_node, "a required service is away", LOG_S("db", component_status_name(n->db.status)),
              LOG_S("redis", component_status_name(n->redis_part.status)),
              LOG_S("kafka", kafka ? "UP" : "DOWN"));
    node_stop(n, EX_UNAVAILABLE);
}

void node_health_new(struct node *n)
{
    n->db = (struct component){.name = "db", .groups = COMPONENT_READINESS};
    n->redis_part = (struct component){.name = "redis", .groups = COMPONENT_READINESS};
    n->kafka_part = (struct component){.name = "kafka"};
    component_register(&n->db);
    component_register(&n->redis_part);
    if (!n->local)
        component_register(&n->kafka_part);
    component_detail(&n->db, "database", "PostgreSQL");
    pg_pool_on_state(n->pg, on_pg_state, n);
    redis_client_on_state(n->redis, on_redis_state, n);
    n->health_timer = loop_timer_new(n->loop, on_health_tick, n);
    loop_timer_every(n->health_timer, 1000);
    n->require_timer = loop_timer_new(n->loop, on_require_deadline, n);
    if (app_config.require_services)
        loop_timer_start(n->require_timer, REQUIRE_DEADLINE_MS);
}

void node_health_stopping(struct node *n)
{
    component_set(&n->db, COMPONENT_OUT_OF_SERVICE, "the node stops");
    component_set(&n->redis_part, COMPONENT_OUT_OF_SERVICE, "the node stops");
    loop_timer_stop(n->health_timer);
    loop_timer_stop(n->require_timer);
}

void node_health_free(struct node *n)
{
    loop_timer_free(n->health_timer);
    loop_timer_free(n->require_timer);
}
